"""Noisy top-k: the chance of being chosen against draws, the published formula, and limits that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import norm

torch = pytest.importorskip("torch", reason="skmoe.neural needs torch")

from torch import Tensor  # noqa: E402

from skmoe.neural import MoELayer, NoisyTopK, importance_loss, load_loss  # noqa: E402
from skmoe.neural.routers.noisy_topk import chance_of_choice  # noqa: E402

#: Rows and experts of a small problem, and how often noise is drawn anew.
T, E, DRAWS = 4, 6, 100_000
every_k = pytest.mark.parametrize("k", [1, 2, 5])


class Problem:
    """Logits, deviations that differ by row and expert, and one draw of noise, in double precision."""

    def __init__(self, seed: int, n_rows: int = T) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.logits = self.normal(n_rows, E)
        self.std = 0.2 + self.normal(n_rows, E).abs()
        self.noisy = self.logits + self.std * self.normal(n_rows, E)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def chance(self, k: int) -> np.ndarray:
        return chance_of_choice(self.logits, self.noisy, self.std, k).numpy()


def within_chance(frequency: np.ndarray, chance: np.ndarray, n: int) -> bool:
    """Whether frequencies in n draws are within five deviations of what they are if the chances are right."""
    return bool((np.abs(frequency - chance) <= 5 * np.sqrt(chance * (1 - chance) / n) + 1 / n).all())


@every_k
@pytest.mark.parametrize("seed", range(3))
def test_chance_is_the_frequency_of_being_chosen(k, seed):
    """Of every expert the noise is drawn anew while that of the others stays."""
    problem = Problem(seed)
    frequency = np.empty((T, E))
    for expert in range(E):
        noisy = problem.noisy.repeat(DRAWS, 1, 1)
        noisy[..., expert] = problem.logits[:, expert] + problem.std[:, expert] * problem.normal(DRAWS, T)
        chosen = (noisy.topk(k).indices == expert).any(-1)
        frequency[:, expert] = chosen.double().mean(0).numpy()
    chance = problem.chance(k)
    assert within_chance(frequency, chance, DRAWS)
    assert ((chance > 0.05) & (chance < 0.95)).sum() > 5  # chances that a wrong threshold would move


@every_k
def test_chances_of_a_row_sum_to_k_in_expectation(k):
    """And each is the frequency of being chosen, if all noise is drawn anew: the mean over many draws."""
    problem = Problem(0)
    logits, std = problem.logits.repeat(DRAWS // 10, 1, 1), problem.std.repeat(DRAWS // 10, 1, 1)
    noisy = (logits + std * problem.normal(*logits.shape)).flatten(0, 1)
    chance = chance_of_choice(logits.flatten(0, 1), noisy, std.flatten(0, 1), k).unflatten(0, (-1, T))
    chosen = torch.zeros_like(noisy).scatter(-1, noisy.topk(k).indices, 1.0).unflatten(0, (-1, T))
    error = chance.sum(-1).std(0) / len(chance) ** 0.5
    assert ((chance.sum(-1).mean(0) - k).abs() < 5 * error).all()
    often = chosen.mean(0) > 0.01  # of what is rare, ten thousand draws do not tell the deviation
    error = (chance - chosen).std(0) / len(chance) ** 0.5
    assert ((chance - chosen).mean(0).abs() < 5 * error)[often].all()
    assert often.sum() > E


@every_k
@pytest.mark.parametrize("seed", range(3))
def test_threshold_is_the_kth_largest_of_the_others(k, seed):
    """The definition (Shazeer et al. 2017, appendix A), expert by expert."""
    problem = Problem(seed, n_rows=20)
    logits, noisy, std = problem.logits.numpy(), problem.noisy.numpy(), problem.std.numpy()
    expected = np.empty_like(logits)
    for row, expert in np.ndindex(expected.shape):
        others = np.sort(np.delete(noisy[row], expert))[::-1]
        expected[row, expert] = norm.cdf((logits[row, expert] - others[k - 1]) / std[row, expert])
    np.testing.assert_allclose(problem.chance(k), expected, rtol=0, atol=1e-12)


@every_k
@pytest.mark.parametrize("seed", range(3))
def test_chance_as_published_implementations_have_it(k, seed):
    """The two thresholds of davidmrau/mixture-of-experts at 7d8489a, restated.

    Of the k + 1 largest noisy logits, the last is what a chosen expert has to stay above, and the last but one what any
    other has to reach. Later versions take thresholds after the softmax, which are no logits.
    """
    problem = Problem(seed, n_rows=50)
    logits, noisy, std = problem.logits.numpy(), problem.noisy.numpy(), problem.std.numpy()
    descending = -np.sort(-noisy, axis=1)
    threshold_if_in, threshold_if_out = descending[:, [k]], descending[:, [k - 1]]
    chance_if_in = norm.cdf((logits - threshold_if_in) / std)
    chance_if_out = norm.cdf((logits - threshold_if_out) / std)
    expected = np.where(noisy > threshold_if_in, chance_if_in, chance_if_out)
    np.testing.assert_allclose(problem.chance(k), expected, rtol=0, atol=1e-12)
    single = chance_of_choice(problem.logits.float(), problem.noisy.float(), problem.std.float(), k)
    np.testing.assert_allclose(single.numpy(), expected, rtol=0, atol=1e-6)


@every_k
def test_without_noise_chances_are_choices(k):
    problem = Problem(0, n_rows=50)
    chance = chance_of_choice(problem.logits, problem.logits, torch.full_like(problem.logits, 1e-9), k)
    chosen = torch.zeros_like(chance).scatter(-1, problem.logits.topk(k).indices, 1.0)
    assert torch.equal(chance, chosen)


def test_where_all_are_chosen_chances_are_one():
    assert np.array_equal(Problem(0).chance(E), np.ones((T, E)))


@pytest.fixture
def layer():
    """A layer in training whose two gates are not at their beginning, zero."""
    generator = torch.Generator().manual_seed(0)
    layer = MoELayer(5, n_experts=E, hidden=(), router=NoisyTopK(k=2), generator=generator)
    with torch.no_grad():
        for gate in (layer.router.gate, layer.router.noise):
            gate.weight.normal_(std=0.5, generator=generator)
    return layer


@pytest.mark.parametrize("k", [1, 2, E])
def test_load_sums_to_the_choices(k):
    """Of a whole batch: k * T within five deviations of its mean, as all rows draw by themselves."""
    layer = MoELayer(5, n_experts=E, hidden=(), router=NoisyTopK(k=k), generator=torch.Generator().manual_seed(1))
    torch.nn.init.normal_(layer.router.gate.weight, generator=torch.Generator().manual_seed(2))
    layer(torch.randn(4000, 5, generator=torch.Generator().manual_seed(3)))
    of_row = layer.routing.chance.double().sum(-1)
    error = of_row.std() * len(of_row) ** 0.5
    assert abs(of_row.sum() - k * 4000) <= 5 * error + 1e-3
    counts = layer.routing.counts()
    assert counts.sum() == k * 4000
    np.testing.assert_allclose(layer.routing.chance.detach().sum(0), counts, atol=5 * (4000 / 4) ** 0.5)


def test_deviations_of_the_noise_are_softplus_and_a_hundredth(layer):
    """How often each expert has the largest noisy logit, against the integral of its density times the others' CDFs."""
    x = torch.randn(1, 5, generator=torch.Generator().manual_seed(1))
    first = layer.router(x.expand(DRAWS, 5)).index[:, 0]
    with torch.no_grad():
        logits = (x @ layer.router.gate.weight.T).double().numpy()
        std = np.logaddexp(0, (x @ layer.router.noise.weight.T).double().numpy()) + 0.01
    grid = np.linspace((logits - 9 * std).min(), (logits + 9 * std).max(), 20_001)[:, None]
    below = norm.cdf((grid - logits) / std)
    density = norm.pdf((grid - logits) / std) / std
    others = np.stack([np.delete(below, expert, axis=1).prod(axis=1) for expert in range(E)], axis=1)
    chance = trapezoid(density * others, grid, axis=0)
    assert chance.sum() == pytest.approx(1, abs=1e-9)
    assert within_chance(np.bincount(first, minlength=E) / DRAWS, chance, DRAWS)


def test_no_noise_at_predict(layer):
    layer.eval()
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    assert torch.equal(layer(x), layer(x))
    assert layer.routing.chance is None
    logits = x @ layer.router.gate.weight.T
    assert torch.equal(layer.routing.index, logits.topk(2).indices)
    torch.testing.assert_close(layer.routing.weight, logits.topk(2).values.softmax(-1))
    with pytest.raises(ValueError, match="needs the chances of choice"):
        load_loss(layer.routing)


@pytest.mark.parametrize("ddof", [0, 1])
def test_losses_are_squared_coefficients_of_variation(layer, ddof):
    """In training, of the summed weights and of the summed chances; davidmrau's divides by one expert less."""
    layer(torch.randn(30, 5, generator=torch.Generator().manual_seed(1)))
    importance = layer.routing.combine_weights().detach().double().numpy().sum(0)
    load = layer.routing.chance.detach().double().numpy().sum(0)
    for loss, sums in ((importance_loss, importance), (load_loss, load)):
        expected = sums.var(ddof=ddof) / sums.mean() ** 2
        assert loss(layer.routing, ddof=ddof).item() == pytest.approx(expected, abs=1e-6)


def test_gradients_of_the_load_reach_all_experts(layer):
    """Choices have none; the load is smooth, so that an expert that was not chosen learns to be."""
    layer(torch.randn(1, 5, generator=torch.Generator().manual_seed(1)))
    left_out = layer.routing.chosen()[0] == 0
    layer.routing.chance[0, left_out].sum().backward()
    assert layer.router.gate.weight.grad[left_out].any(-1).all()
