"""Products of sorted rows, places, and the choice among implementations."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from skmoe.neural import MoELayer, Soft, TopK  # noqa: E402
from skmoe.neural.dispatch.choose import PREDICT, TRAIN, Size, choose, cost, costs  # noqa: E402
from skmoe.neural.dispatch.layout import Batched, Grouped, Sorted  # noqa: E402
from skmoe.neural.dispatch.places import combine, give_back, padded_places, sorted_places, take  # noqa: E402
from skmoe.neural.dispatch.ragged import ragged_mm, ragged_outer, ragged_repeat, ragged_sum  # noqa: E402


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


COUNTS = [[3, 0, 4], [0, 0, 7], [0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize("counts", COUNTS)
def test_products_by_hand(counts):
    n, counts = sum(counts), torch.tensor(counts)
    x, weight, bias = normal(n, 4), normal(3, 4, 5, seed=1), normal(3, 5, seed=2)
    expert = torch.arange(3).repeat_interleave(counts)
    by_row = torch.einsum("ni,nio->no", x, weight[expert])
    torch.testing.assert_close(ragged_mm(x, weight, None, counts), by_row)
    torch.testing.assert_close(ragged_mm(x, weight, bias, counts), by_row + bias[expert])
    one_hot = torch.nn.functional.one_hot(expert, 3).double()
    y = normal(n, 5, seed=3)
    torch.testing.assert_close(ragged_outer(x, y, counts), torch.einsum("ne,ni,no->eio", one_hot, x, y))
    torch.testing.assert_close(ragged_sum(y, counts), one_hot.T @ y)
    assert bool((ragged_repeat(bias, counts, n) == bias[expert]).all())


@pytest.mark.parametrize("counts", COUNTS)
def test_operators_are_fit_for_torch(counts):
    """Schemas, fake tensors and derivatives, by torch's own checks."""
    n, counts = sum(counts), torch.tensor(counts)
    x, weight, bias = (a.requires_grad_(True) for a in (normal(n, 4), normal(3, 4, 5, seed=1), normal(3, 5, seed=2)))
    y = normal(n, 5, seed=3).requires_grad_(True)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    for operator, given in [
        (ragged_mm, (x, weight, bias, counts)),
        (ragged_mm, (x, weight, None, counts)),
        (ragged_outer, (x, y, counts)),
        (ragged_sum, (y, counts)),
        (ragged_repeat, (bias, counts, n)),
    ]:
        torch.library.opcheck(operator, given, test_utils=tests)
        floats = tuple(a for a in given if torch.is_tensor(a) and a.is_floating_point())
        rest = given[len(floats) :]

        def function(*a, operator=operator, rest=rest):
            return operator(*a, *rest)

        assert torch.autograd.gradcheck(function, floats)
        assert torch.autograd.gradgradcheck(function, floats)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("d_in", "d_out"), [(8, 16), (5, 3), (1, 1)])
def test_layouts_agree(d_in, d_out, dtype):
    counts = torch.tensor([2, 0, 3])
    expert = torch.arange(3).repeat_interleave(counts)
    x, weight, bias = (normal(*s, dtype=dtype) for s in ((5, d_in), (3, d_in, d_out), (3, d_out)))
    tolerance = {"rtol": 0.05, "atol": 0.05} if dtype == torch.bfloat16 else {}
    for constant in (bias, None):
        ours = Sorted(counts, expert).linear(x, weight, constant)
        torch.testing.assert_close(Grouped(counts, expert).linear(x, weight, constant), ours, **tolerance)
        every = Batched().linear(x.expand(3, 5, d_in), weight, constant)
        torch.testing.assert_close(every[expert, torch.arange(5)], ours, **tolerance)
    vectors = normal(3, d_in, dtype=dtype)
    assert bool((Sorted(counts, expert).rows(vectors) == vectors[expert]).all())


@pytest.mark.parametrize("drop", [None, 0.3, 1.0])
@pytest.mark.parametrize("room", [None, 9])
@pytest.mark.parametrize("seed", range(3))
def test_rows_go_to_their_places_and_answers_come_back(seed, room, drop):
    rng = np.random.default_rng(seed)
    n, n_experts, k = 12, 4, 2
    index = torch.tensor(np.stack([rng.permutation(n_experts)[:k] for _ in range(n)]))
    dropped = None if drop is None else torch.tensor(rng.random((n, k)) < drop)
    kept = torch.ones(n, k, dtype=torch.bool) if dropped is None else ~dropped
    places = (
        sorted_places(index, n_experts, dropped) if room is None else padded_places(index, n_experts, dropped, room)
    )
    assert places.counts.tolist() == [int((kept & (index == e)).sum()) for e in range(n_experts)]
    x = normal(n, 3).requires_grad_(True)
    taken = take(x, places)
    expert = torch.arange(n_experts).repeat_interleave(places.counts if room is None else torch.tensor(room))
    answer = taken * (1.0 + expert)[:, None]  # expert e multiplies by e + 1
    weight = normal(n, k, seed=1).masked_fill(~kept, 0.0).requires_grad_(True)
    expected = ((kept * weight * (1 + index)).sum(1, keepdim=True)) * x
    torch.testing.assert_close(combine(answer, weight, places), expected)
    by_choice = (kept * (1 + index))[..., None] * x[:, None]
    torch.testing.assert_close(give_back(answer, places), by_choice)

    def whole(x, weight):
        return combine(take(x, places) * (1.0 + expert)[:, None], weight * kept, places)

    assert torch.autograd.gradcheck(whole, (x, weight))
    assert torch.autograd.gradgradcheck(whole, (x, weight))


def test_more_experts_than_sixteen_bits():
    index = torch.tensor([[70_000, 3], [40_000, 70_000], [3, 32_768]])
    places = sorted_places(index, 80_000, None)
    assert places.choice.tolist() == [1, 4, 5, 2, 0, 3]
    assert int(places.counts[70_000]) == 2


def size_of(layer):
    experts = layer.experts
    return Size(experts.n_experts, experts.width, experts.products, experts.weights)


def test_sizes_and_costs_by_hand():
    layer = MoELayer(10, 3, n_experts=4, hidden=(6,), activation="swiglu", router=TopK(k=2))
    size = size_of(layer)
    assert size == Size(4, 10 + 12 + 6 + 3, 10 * 12 + 6 * 3, 10 * 12 + 12 + 6 * 3 + 3)
    price = TRAIN["loop"]
    once = price.once + 4 * price.expert + price.million_weights * 4 * 153 / 1e6
    place = price.thousand_numbers_moved * 31 / 1e3 + price.million_products * 138 / 1e6
    assert cost(price, size, 1).of(200, 300) == pytest.approx(once + 0.2 * price.thousand_rows + 300 * place)
    shared = cost(price, size, 4)
    assert shared.place == pytest.approx(place / 4)


def test_the_cheapest_is_chosen():
    layer = MoELayer(64, 64, n_experts=16, hidden=(64,), router=TopK(k=2))
    for n_rows in (4, 100, 3000):
        x = torch.randn(n_rows, 64, generator=generator())
        layer(x)
        room = int(layer.routing.counts().max())
        places = {"loop": 2 * n_rows, "grouped": 2 * n_rows, "padded": room * 16, "dense": n_rows * 16}
        for learns in (True, False):
            with torch.set_grad_enabled(learns):
                chosen = choose(x, layer.routing, layer.experts)
            by_name = costs(size_of(layer), learns, torch.get_num_threads())
            assert by_name.keys() == (TRAIN if learns else PREDICT).keys()
            total = {name: each.of(2 * n_rows, places[name]) for name, each in by_name.items()}
            assert total[chosen] == min(total.values())


def test_padding_is_not_chosen_where_all_want_one_expert():
    layer = MoELayer(64, 64, n_experts=16, hidden=(64,), router=TopK(k=1))
    x = torch.ones(2000, 64)  # all rows alike
    layer(x)
    assert choose(x, layer.routing, layer.experts) in ("loop", "grouped")


def test_all_experts_are_computed_where_all_are_wanted():
    layer = MoELayer(16, 16, n_experts=4, router=Soft())
    for n_rows in (10, 1000):
        x = torch.randn(n_rows, 16, generator=generator())
        layer(x)
        assert choose(x, layer.routing, layer.experts) == "dense"
