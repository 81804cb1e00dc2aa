"""Fitted mixtures as torch modules: the same densities and probabilities."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from scipy import stats  # noqa: E402
from sklearn.datasets import make_classification  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402
from sklearn.linear_model import LinearRegression  # noqa: E402

from skmoe import MoEClassifier, MoERegressor  # noqa: E402
from skmoe.neural import MixtureHead, MoELayer, Soft, TopK, from_mixture  # noqa: E402

RNG = np.random.default_rng(0)
#: Columns in very different units, one far from zero, and one that holds a single value.
X = np.column_stack([RNG.normal(size=(300, 4)) * [1, 100, 1e-3, 1] + [0, 5e3, 0, 3], np.ones(300)])
BENT = np.where(X[:, 0] > 0, X[:, 3], -X[:, 3]) + 0.3 * RNG.normal(size=300)
BOTH = np.column_stack([BENT, 1e4 * X[:, 2] + RNG.normal(size=300)])
COUNTS = RNG.poisson(np.exp(0.3 * X[:, 0])).astype(float)

MIXTURES = {
    "flat": (MoERegressor(3), BENT),
    "one expert": (MoERegressor(1), BENT),
    "regular tree": (MoERegressor((2, 2)), BENT),
    "unbalanced tree": (MoERegressor(((2, 2), 3)), BENT),
    "leaf beside a node": (MoERegressor(((1, (2,)), 2)), BENT),
    "heavy tails": (MoERegressor(2, expert="student_t"), BENT),
    "two outputs": (MoERegressor(2), BOTH),
    "counts": (MoERegressor(2, expert="poisson"), COUNTS),
    "average": (MoERegressor(2, combine_inits="average", n_init=3), BENT),
    "average of trees": (MoERegressor((2, 2), combine_inits="average", n_init=2), BENT),
    "constant gate": (MoERegressor(3, gate="constant"), BENT),
    "equal gate": (MoERegressor(3, gate="equal"), BENT),
    "other columns": (MoERegressor(3, gate_features=[0], expert_features=[3, 1]), BENT),
    "blocks of one family": (MoERegressor(3, expert=["gaussian"] * 3), BENT),
    "hard choice": (MoERegressor(3, top_k=1), BENT),
}


def fitted(model, *data):
    return model.set_params(n_init=min(model.n_init, 3), random_state=0, max_iter=60).fit(*data)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MIXTURES)
def test_densities_are_the_same(name):
    model, y = MIXTURES[name]
    model = fitted(model, X, y)
    network = from_mixture(model)
    mixture = network(torch.from_numpy(X))
    log_prob = mixture.log_prob(torch.from_numpy(y).reshape(len(X), -1)).detach().numpy()
    np.testing.assert_allclose(log_prob, model.log_prob(X, y), rtol=0, atol=1e-10)
    gate = network.layer.routing.combine_weights().detach().numpy()
    np.testing.assert_allclose(gate, model.gate_proba(X), rtol=0, atol=1e-10)


@pytest.mark.parametrize("expert", ["gaussian", "student_t", "poisson"])
@pytest.mark.parametrize("shape", [2, (2, 2)])
def test_densities_are_the_same_far_from_the_rows(shape, expert):
    """Where a gate is all but certain, the other expert still counts for what it alone explains."""
    rows = RNG.normal(size=(400, 1))
    y = np.where(rows[:, 0] > 0, 3 * rows[:, 0], 5 - 2 * rows[:, 0]) + 0.1 * RNG.normal(size=400)
    y = RNG.poisson(np.exp(np.clip(y, -2, 4))).astype(float) if expert == "poisson" else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = fitted(MoERegressor(shape, expert=expert), rows, y)
    far = np.linspace(-15, 15, 61)[:, None]
    response = np.tile([0.0, 7.0, 40.0], 61)[:61] if expert == "poisson" else np.tile([-30.0, 0.0, 40.0], 61)[:61]
    expected = model.log_prob(far, response)
    assert expected.min() < -50
    network = from_mixture(model)
    log_prob = network(torch.from_numpy(far)).log_prob(torch.from_numpy(response)[:, None]).detach().numpy()
    np.testing.assert_allclose(log_prob, expected, rtol=1e-9, atol=1e-10)
    single = network.float()(torch.from_numpy(far).float()).log_prob(torch.from_numpy(response).float()[:, None])
    np.testing.assert_allclose(single.detach().numpy(), expected, rtol=1e-3, atol=1e-3)


def test_means_and_variances_are_the_same():
    model = fitted(MoERegressor(3), X, BENT)
    mixture = from_mixture(model)(torch.from_numpy(X))
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(mixture.mean.detach().numpy()[:, 0], mean, rtol=0, atol=1e-10)
    np.testing.assert_allclose(mixture.variance.detach().numpy()[:, 0], std**2, rtol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shape", [1, 3, (2, 2)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_the_same(n_classes, shape):
    rows, labels = make_classification(400, 6, n_informative=4, n_classes=n_classes, random_state=0)
    model = fitted(MoEClassifier(shape), rows, labels)
    mixture = from_mixture(model)(torch.from_numpy(rows))
    np.testing.assert_allclose(mixture.probs.detach().numpy(), model.predict_proba(rows), rtol=0, atol=1e-10)
    log_prob = mixture.log_prob(torch.from_numpy(labels)).detach().numpy()
    np.testing.assert_allclose(log_prob, model.log_prob(rows, labels), rtol=0, atol=1e-10)


def test_training_goes_on_from_there():
    model = fitted(MoERegressor(3), X, BENT)
    network = from_mixture(model)
    x, y = torch.from_numpy(X), torch.from_numpy(BENT)[:, None]
    loss = -network(x).log_prob(y).sum()
    loss.backward()
    for name, parameter in network.named_parameters():
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert bool((parameter.grad != 0).any()), name
    # At the maximum of the penalised likelihood the gradient of the likelihood is that of the ridge, which is small.
    assert float(network.layer.experts.maps[0].bias.grad.abs().max()) < 1.0


def test_a_network_learns_a_mixture():
    """Three lines that no mean can tell: the head finds both branches of a fork."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(400, 1, generator=generator) * 2 - 1
    side = torch.randint(0, 2, (400, 1), generator=generator) * 2.0 - 1
    y = side * x + 0.05 * torch.randn(400, 1, generator=generator)
    layer = MoELayer(1, 1, n_experts=2, hidden=(), router=Soft(), generator=generator)
    head = MixtureHead("gaussian", 2)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = -head(*layer.answers(x)).log_prob(y).mean()
        loss.backward()
        optimizer.step()
    truth = np.log(0.5 * sum(stats.norm.pdf(y, s * x, 0.05) for s in (-1, 1))).mean()
    assert loss.item() < -truth + 0.05
    slopes = sorted(layer.experts.maps[0].weight.detach().flatten().tolist())
    assert slopes == pytest.approx([-1, 1], abs=0.05)


@pytest.mark.parametrize("dof", [0.3, 1.0, 8.0, 900.0, 1100.0, 1e5, 1e6])
def test_student_t_is_exact_towards_the_normal(dof):
    head = MixtureHead("student_t", 1, scale_floor=0.0).double()
    head.set_scale(torch.tensor([[2.0]], dtype=torch.float64))
    head.set_dof(torch.tensor([[dof]], dtype=torch.float64))
    layer = MoELayer(1, 1, n_experts=1, hidden=(), router=TopK(k=1)).double()
    y = torch.tensor([[-7.0], [0.1], [30.0]], dtype=torch.float64)
    routing, _ = layer.answers(torch.zeros(3, 1, dtype=torch.float64))
    log_prob = head(routing, torch.zeros(3, 1, 1, dtype=torch.float64)).log_prob(y)
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        v = mpmath.mpf(dof)
        constant = mpmath.loggamma((v + 1) / 2) - mpmath.loggamma(v / 2) - mpmath.log(v * mpmath.pi) / 2 - mpmath.log(2)
        exact = [float(constant - (v + 1) / 2 * mpmath.log(1 + (mpmath.mpf(float(z)) / 2) ** 2 / v)) for z in y]
    np.testing.assert_allclose(log_prob.detach().numpy(), exact, rtol=0, atol=2e-10 if dof == 1e6 else 1e-12)


def test_few_experts_are_mixed_by_their_share():
    layer = MoELayer(3, 1, n_experts=4, hidden=(), router=TopK(k=2, scale=2.5)).double()
    head = MixtureHead("gaussian", 4).double()
    x, y = torch.randn(20, 3, dtype=torch.float64), torch.randn(20, 1, dtype=torch.float64)
    routing, answer = layer.answers(x)
    weight, scale = routing.weight.detach() / 2.5, head.scale.detach()[routing.index][..., 0]
    pdf = stats.norm.pdf(y.numpy(), answer.detach().numpy()[..., 0], scale.numpy())
    expected = np.log((weight.numpy() * pdf).sum(1))
    np.testing.assert_allclose(head(routing, answer).log_prob(y).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_what_cannot_be_carried_over_is_told():
    with pytest.raises(NotFittedError):
        from_mixture(MoERegressor(2))
    with pytest.raises(ValueError, match="A gate of this mixture models x"):
        from_mixture(MoERegressor(2, gate="gaussian", random_state=0).fit(X[:, :1], BENT))
    several = MoERegressor(2, expert=["gaussian", "student_t"], random_state=0, n_init=1, max_iter=5)
    with pytest.warns(UserWarning, match="stopped before convergence"):
        several.fit(X, BENT)
    with pytest.raises(ValueError, match="experts of gaussian, student_t, which cannot be carried over"):
        from_mixture(several)
    with pytest.raises(ValueError, match=r"family must be one of .*'gaussian'.*, got 'cauchy'"):
        MixtureHead("cauchy", 3)


def test_responses_of_another_shape_are_refused():
    model = fitted(MoERegressor(2), X, BENT)
    mixture = from_mixture(model)(torch.from_numpy(X))
    with pytest.raises(ValueError, match=r"responses of shape \(300,\): expected \(300, 1\), a column an output"):
        mixture.log_prob(torch.from_numpy(BENT))
    layer, head = MoELayer(3, 3, n_experts=2, hidden=()), MixtureHead("multinomial", 2, 3)
    classes = head(*layer.answers(torch.zeros(5, 3)))
    with pytest.raises(ValueError, match=r"responses of shape \(5, 1\): expected \(5,\), the number of a class a row"):
        classes.log_prob(torch.zeros(5, 1))
    with pytest.raises(ValueError, match=r"Answers of shape \(5, 2, 3\) do not fit .* a head of 1 outputs"):
        MixtureHead("gaussian", 2)(*layer.answers(torch.zeros(5, 3)))
    with pytest.raises(ValueError, match="got LinearRegression"):
        from_mixture(LinearRegression().fit(X, BENT))
    with pytest.raises(ValueError, match='family="bernoulli" has one logit, got n_outputs=2'):
        MixtureHead("bernoulli", 2, 2)
    with pytest.raises(ValueError, match="must be at least 1, and scale_floor=-1 at least 0"):
        MixtureHead("gaussian", 2, scale_floor=-1)


def test_dropped_experts_are_no_part_of_a_mixture():
    layer = MoELayer(3, 1, n_experts=2, hidden=(), router=TopK(k=2, capacity_factor=0.25)).double()
    with torch.no_grad():
        layer.router.gate.weight.copy_(torch.tensor([[1.0, 0, 0], [-1, 0, 0]]))
        layer.experts.maps[0].weight.zero_()
        layer.experts.maps[0].bias.copy_(torch.tensor([[0.0], [200.0]]))
    head = MixtureHead("gaussian", 2, scale_floor=0.0).double()
    x = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [1, 0, 0], [-1, 0, 0]], dtype=torch.float64)
    routing, answer = layer.answers(x)
    assert routing.dropped.sum(-1).tolist() == [1, 1, 2, 2]  # every expert takes one row, first choices first
    with pytest.raises(ValueError, match="Row 2 has no expert, so it has no distribution"):
        head(routing, answer)
    served = layer.train().answers(x[:2])
    log_prob = head(*served).log_prob(torch.zeros(2, 1, dtype=torch.float64))
    expected = [stats.norm.logpdf(0, 200.0 * int(e), 1) for e in served[0].index[:, 0]]
    assert served[0].dropped.tolist() == [[False, True]] * 2
    np.testing.assert_allclose(log_prob.detach().numpy(), expected, rtol=1e-12)
