"""The network in NumPy is the network in torch, whatever it is made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from battery import generator  # noqa: E402
from numpy.testing import assert_allclose  # noqa: E402
from scipy.special import logsumexp  # noqa: E402
from sklearn.base import BaseEstimator  # noqa: E402
from small import CATEGORIES, GAPS, LABELS, MIXED, OUTPUTS, THREE, Y, classifier, regressor  # noqa: E402  # noqa: E402, I001

from skmoe.neural import NoisyTopK, Soft, TopK  # noqa: E402
from skmoe.neural._estimator import ROUTERS  # noqa: E402
from skmoe.neural.architecture import Architecture  # noqa: E402
from skmoe.neural.fitting.records import router_records  # noqa: E402
from skmoe.neural.forward.gate import chosen  # noqa: E402
from skmoe.neural.forward.network import NumpyNetwork  # noqa: E402
from skmoe.neural.forward.rule import Rule  # noqa: E402
from skmoe.neural.network import Network  # noqa: E402
from skmoe.neural.raw_columns import read_columns  # noqa: E402
from skmoe.neural.table import TableEncoder  # noqa: E402
from skmoe.neural.torch_network import TorchNetwork, arrays_of  # noqa: E402

RAW = read_columns(BaseEstimator(), MIXED, reset=True, categorical_features=CATEGORIES)
ENCODER = TableEncoder.learned(RAW, np.ones(len(MIXED)), 6)
TABLE = ENCODER.encoded(RAW, np.float64)
LINES = np.random.default_rng(1).standard_normal((len(MIXED), 3))

#: What a network is made of, if nothing else is said.
USUAL = {
    "n_numbers": 3,
    "n_codes": ENCODER.n_codes,
    "embedding": "ple",
    "d_embedding": 4,
    "n_frequencies": 3,
    "width": 7,
    "n_blocks": 2,
    "n_experts": 4,
    "n_members": 3,
    "hidden": (5,),
    "activation": "relu",
    "family": "multinomial",
    "n_outputs": 3,
    "scale_floor": 1e-3,
}


def networks(router="topk", k=2, dtype=torch.float64, **changed):
    """The same network in torch and in NumPy, every number of which is drawn."""
    a = Architecture(**{**USUAL, **changed})
    network = Network(a, ENCODER.edges, *router_records(router, k, None), generator(0)).double()
    with torch.no_grad():
        for number, (name, parameter) in enumerate(network.named_parameters()):
            around = 1.0 if name.endswith(("norm.weight", "members")) else 0.0
            parameter.copy_(around + 0.5 * torch.randn(parameter.shape, generator=generator(number)))
        for name, buffer in network.named_buffers():
            if name.endswith("balance_bias"):
                buffer.add_(0.3 * torch.randn(buffer.shape, generator=generator(7)))
    network = network.to(dtype).eval()
    network.choose(k)
    return TorchNetwork(network), NumpyNetwork(replace(a, rules=network.rules), arrays_of(network.state_dict()))


def assert_same(pair, lines=None, table=TABLE, rtol=0.0, atol=1e-9):
    """Everything that is read of rows, and of the gate of every block."""
    in_torch, in_numpy = pair
    for a, b in zip(in_torch.read(table, lines), in_numpy.read(table, lines), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        assert_allclose(b, a, rtol=rtol, atol=atol)
    for block in range(in_numpy.architecture.n_blocks):
        for a, b in zip(in_torch.gated(table, block, lines), in_numpy.gated(table, block, lines), strict=True):
            assert a.shape == b.shape == (len(table.numbers), USUAL["n_members"], in_numpy.architecture.n_experts)
            assert_allclose(b, a, rtol=rtol, atol=atol)
            assert_allclose(b.sum(-1), 1, rtol=0, atol=max(atol, 1e-9))


@pytest.mark.parametrize("embedding", ["ple", "periodic", "linear"])
@pytest.mark.parametrize("router", ROUTERS)
def test_routers_and_embeddings(router, embedding):
    assert_same(networks(router, {"switch": 1, "soft": 4}.get(router, 2), embedding=embedding))


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "router",
    [
        "topk",
        "soft",
        "noisy_topk",
        "switch",
        Soft(temperature=0.4, bias=False),
        TopK(score="sigmoid"),
        TopK(score="sigmoid", renormalize=False, bias_rate=1e-3, scale=2.5),
        TopK(bias_rate=1e-3, renormalize=False),
        NoisyTopK(noise_std=0.3),
    ],
    ids=str,
)
def test_any_number_of_experts_a_row(router, k):
    assert_same(networks(router, k))


@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 4)], ids=str)
@pytest.mark.parametrize("n_blocks", [1, 2, 3])
def test_depths_and_activations(n_blocks, hidden, activation):
    assert_same(networks(n_blocks=n_blocks, hidden=hidden, activation=activation))


@pytest.mark.parametrize(("family", "n_outputs"), [("multinomial", 2), ("heteroscedastic_gaussian", 2)])
@pytest.mark.parametrize("tree", [4, (2, 2), (((2,), 1), 1)], ids=str)
@pytest.mark.parametrize("router", ["topk", "soft", "switch"])
def test_carried_mixtures(router, tree, family, n_outputs):
    pair = networks(router, 4 if router == "soft" else 1, carried=tree, family=family, n_outputs=n_outputs)
    assert_same(pair, LINES)
    one, other = pair[1].read(TABLE, LINES).answers, pair[1].read(TABLE, LINES[::-1]).answers
    assert np.abs(one - other).max() > 0.1


@pytest.mark.parametrize("columns", ["numbers", "categories"])
def test_columns_of_one_kind(columns):
    numbers, codes = TABLE
    if columns == "numbers":
        assert_same(networks(n_codes=()), table=TABLE._replace(codes=codes[:, :0]))
    else:
        assert_same(networks(n_numbers=0), table=TABLE._replace(numbers=numbers[:, :0]))


@pytest.mark.parametrize("embedding", ["ple", "periodic", "linear"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
def test_single_precision(activation, embedding):
    """To five digits; with all experts, so that no choice hangs on rounding."""
    pair = networks("topk", 4, torch.float32, activation=activation, embedding=embedding)
    assert_same(pair, table=TABLE._replace(numbers=TABLE.numbers.astype(np.float32)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("router", ["topk", "switch", TopK(bias_rate=1e-3)], ids=str)
def test_every_array_is_read(router):
    """The witness of all of the above: no array could be another without being noticed."""
    _, in_numpy = networks(router, 1 if router == "switch" else 2, carried=4)
    before = in_numpy.read(TABLE, LINES)
    for name, array in in_numpy._arrays.items():
        who_reads_the_head = ("head.mixing.floor", "temperature")
        if array.dtype.kind != "f" or name in who_reads_the_head:
            continue
        changed = {**in_numpy._arrays, name: array + np.linspace(-1, 1, array.size).reshape(array.shape)}
        after = NumpyNetwork(in_numpy.architecture, changed).read(TABLE, LINES)
        assert max(np.abs(a - b).max() for a, b in zip(before, after, strict=True)) > 1e-3, name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", [Rule(k=2, renormalize=False), Rule(k=3, score="sigmoid"), Rule(k=1)], ids=str)
def test_logits_that_are_far_apart(rule, dtype):
    """Weights that are too small for a number are none, without a warning, and their logarithms are exact."""
    logits = np.array([[0, -900, -1800], [-2000, -2001, -2002]], dtype)
    found = chosen(logits, rule)
    assert_allclose(found.index[:, 0], [0, 0])
    assert_allclose(found.proba.sum(1), 1, rtol=1e-6)
    exact = logits.astype(np.float64)
    log_score = exact if rule.score == "softmax" else np.minimum(exact, 0) - np.log1p(np.exp(-np.abs(exact)))
    taken = np.take_along_axis(log_score, found.index, axis=1)
    assert_allclose(found.log_weight(), taken - logsumexp(taken, axis=1, keepdims=True), rtol=1e-6)
    if rule.renormalize:
        assert_allclose(found.weight.sum(1), 1, rtol=1e-6)
    assert {part.dtype for part in (found.weight, found.proba, found.raw)} == {np.dtype(dtype)}


def test_categories_take_part():
    _, in_numpy = networks()
    other = TABLE._replace(codes=TABLE.codes[::-1])
    assert np.abs(in_numpy.read(other).answers - in_numpy.read(TABLE).answers).max() > 0.1


# -- through the estimators --------------------------------------------------------------------------------------------

MODELS = {
    "two classes": (classifier, LABELS, {}),
    "three classes": (classifier, THREE, {"n_blocks": 3, "activation": "swiglu"}),
    "regressor": (regressor, Y, {"n_blocks": 1, "hidden": ()}),
    "outputs": (regressor, OUTPUTS, {"activation": "gelu", "hidden": (8, 4)}),
    "deepseek": (regressor, Y, {"router": TopK(k=3, score="sigmoid", bias_rate=1e-2)}),
    **{router: (regressor, Y, {"router": router}) for router in ROUTERS},
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    kind, y, settings = MODELS[request.param]
    table = MIXED if request.param != "regressor" else GAPS
    model = kind(**settings, categorical_features=CATEGORIES if table is MIXED else None, precision="float64")
    return model.fit(table, y), table


def read_by_torch(model):
    """A network in torch, in double precision, from what an estimator keeps."""
    from skmoe.neural.fitting import fit

    network = model._network
    reader = fit.reader(network, model.router, torch.device("cpu"))
    reader.network.double().load_state_dict({name: torch.as_tensor(value) for name, value in network.arrays.items()})
    return reader


def assert_estimator_reads_the_same(model, table):
    in_torch = read_by_torch(model)
    raw = model._raw(table)
    inputs = model._network.encoding.inputs(raw, np.float64)
    for a, b in zip(in_torch.read(*inputs), model._network.read(raw), strict=True):
        assert_allclose(b, a, rtol=0, atol=1e-9)
    for block in range(model.n_blocks):
        for a, b in zip(in_torch.gated(inputs[0], block), model._network.gated(raw, block), strict=True):
            assert_allclose(b, a, rtol=0, atol=1e-9)


def test_of_a_fitted_estimator(fitted):
    assert_estimator_reads_the_same(*fitted)


def test_after_pruning(fitted):
    import copy

    model, table = fitted
    for k in range(model.top_k_ - 1, 0, -1):
        pruned = copy.copy(model)
        pruned.prune_routing(k)
        assert pruned.top_k_ == k
        assert ((pruned._gated(table, -1).weights > 0).sum(-1) == k).all()
        if not (model.router == "gshard" and k < 2):  # torch's always takes two
            assert_estimator_reads_the_same(pruned, table)
        read, every = pruned._network.read(pruned._raw(table)), model._network.read(model._raw(table))
        assert_allclose(np.exp(read.log_weight).sum(-1), 1, rtol=0, atol=1e-9)
        assert read.answers.shape[2] == k < every.answers.shape[2]
