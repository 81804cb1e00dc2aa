"""Steps that are captured and replayed, beside steps as they are: on tapes, and where there is one on a GPU."""

from __future__ import annotations

import gc
import warnings
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from battery import ROUTERS, generator  # noqa: E402
from sklearn.exceptions import EfficiencyWarning  # noqa: E402
from small import CATEGORIES, KINDS, LABELS, MIXED, X, Y, answered, classifier, regressor  # noqa: E402
from tape import Tapes, named, tensors, written  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from skmoe import MoERegressor  # noqa: E402
from skmoe.neural import MoELayer, TopK  # noqa: E402
from skmoe.neural.capturing import capturing, is_capturing  # noqa: E402
from skmoe.neural.dispatch.choose import choose  # noqa: E402
from skmoe.neural.fitting import captured, fit  # noqa: E402
from skmoe.neural.fitting.records import router_records  # noqa: E402
from skmoe.neural.fitting.step import Rows, Step  # noqa: E402
from skmoe.neural.network import Inputs, Network  # noqa: E402

#: Four batches of 13 rows and four of 12, so that steps of two sizes are captured, in the soft start and after it.
STEPS = {"batch_size": 13, "max_epochs": 6, "soft_start": 0.5, "entropy": 0.3, "precision": "float64", "device": "cpu"}

SETTINGS = {
    "usual": {},
    "without a soft start": {"soft_start": 0.0},
    "soft": {"router": "soft"},
    "capacity": {"router": "topk", "capacity_factor": 0.8},
    "balance bias": {"router": TopK(k=2, bias_rate=1e-2)},
    "periodic": {"embedding": "periodic"},
    "no clip, no average": {"gradient_clip": None, "averaging": 0.0},
    "one expert": {"n_experts": 1, "top_k": 1},
    "all losses": {"z_loss": 0.1, "balance": 0.3},
}


@pytest.fixture
def tapes(monkeypatch):
    """Record steps on tapes, as they are captured on a GPU."""
    tapes = Tapes()
    monkeypatch.setattr(captured, "CudaGraphs", lambda device: tapes)

    def recorder_of(step):
        where, step.device = step.device, torch.device("cuda")
        try:
            return captured.recorder_of(step)
        finally:
            step.device = where

    monkeypatch.setattr(fit, "recorder_of", recorder_of)
    return tapes


def assert_close(one, other, rows, tolerance=1e-8):
    """Two fits did the same, but for the order in which experts were summed up."""
    for a, b in zip(answered(one, rows), answered(other, rows), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    for name in ("loss", "validation_score", "learning_rate"):
        values = [np.array([told[name] for told in model.history_], float) for model in (one, other)]
        np.testing.assert_allclose(*values, rtol=tolerance, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETTINGS)
def test_replayed_steps_are_steps(request, kind, name):
    make, y = KINDS[kind]
    settings = STEPS | SETTINGS[name]
    plain = make(**settings).fit(X, y)
    tapes = request.getfixturevalue("tapes")
    replayed = make(**settings).fit(X, y)
    n_kinds = 2 * (2 if settings["soft_start"] and plain.top_k_ < plain.n_experts_ else 1)
    assert len(tapes.tapes) == n_kinds
    n_steps = replayed._network.moments.n_steps
    assert tapes.n_played == n_steps - n_kinds * captured._N_BEFORE
    assert n_steps == 8 * plain.n_iter_
    assert_close(plain, replayed, X)


def test_gaps_categories_and_a_mixture_to_begin_with(request):
    of_columns = STEPS | {"categorical_features": CATEGORIES}
    mixture = MoERegressor(3, random_state=0).fit(X, Y)
    cases = [(classifier(**of_columns), MIXED, LABELS), (regressor(**STEPS, init=mixture), X, Y)]
    plain = [model.fit(rows, y) for model, rows, y in cases]
    tapes = request.getfixturevalue("tapes")
    for before, (model, rows, y) in zip(plain, cases, strict=True):
        assert_close(before, type(model)(**model.get_params(deep=False)).fit(rows, y), rows)
    assert tapes.n_played > 40


def test_streams_go_on(request):
    def streamed():
        model = regressor(**STEPS)
        for _ in range(3):
            model.partial_fit(X, Y)
        return model

    plain = streamed()
    tapes = request.getfixturevalue("tapes")
    assert_close(plain, streamed(), X)
    assert tapes.n_played


def test_capturing_computes_nothing(tapes):
    """A witness for the tape: without `undo` the step that is captured would be made twice."""
    parameter = torch.zeros(3)
    replay = tapes.capture(lambda: parameter.add_(1.0))
    assert parameter.tolist() == [0.0] * 3
    replay()
    replay()
    assert parameter.tolist() == [2.0] * 3


@pytest.mark.parametrize("router", ["noisy_topk", "switch", "gshard"])
def test_what_draws_is_not_captured(tapes, router):
    regressor(**STEPS | {"router": router}).fit(X, Y)
    assert not tapes.tapes


def test_many_experts_are_not_computed_for_the_sake_of_a_graph(tapes, monkeypatch):
    """The soft start needs all experts anyway; after it 12 or 13 rows times 2 members and 2 experts are."""
    model = regressor(**STEPS).fit(X, Y)
    n_captured = len(tapes.tapes)
    products = 12 * 8 + 8 * 12, 12 * 8 + 8 * 2
    limit = 12 * 2 * 2 * sum(products)
    monkeypatch.setattr(captured, "_SPARE_PRODUCTS", limit)
    other = regressor(**STEPS).fit(X, Y)
    assert (n_captured, len(tapes.tapes) - n_captured) == (4, 3)  # the larger of two sizes is not captured once sparse
    assert_close(model, other, X)
    monkeypatch.setattr(captured, "_SPARE_PRODUCTS", limit - 1)
    n_captured = len(tapes.tapes)
    regressor(**STEPS).fit(X, Y)
    assert len(tapes.tapes) - n_captured == 2


def test_a_capture_that_fails_is_said_and_done_without(request, monkeypatch):
    plain = regressor(**STEPS).fit(X, Y)
    tapes = request.getfixturevalue("tapes")

    def refused(run):
        run()
        raise RuntimeError("operation not permitted\nCUDA kernel errors might be ...")

    monkeypatch.setattr(tapes, "capture", lambda run: Tapes.capture(tapes, lambda: refused(run)))
    expected = r"slower than they could be: capturing one as a CUDA graph failed \(operation not permitted\)\.$"
    with pytest.warns(EfficiencyWarning, match=expected) as told:
        model = regressor(**STEPS).fit(X, Y)
    assert len(told) == 1
    assert not tapes.n_played
    assert_close(plain, model, X)


@pytest.mark.parametrize("at", [2, 17, 30])
def test_a_step_that_leaves_the_numbers_is_named(tapes, monkeypatch, at):
    """Outcomes are read once an epoch, and all the same the first that is not finite is named."""
    take, n_taken = captured.CapturedStep.__call__, 0

    def spoiled(self, batch):
        nonlocal n_taken
        n_taken += 1
        if n_taken == at:
            next(iter(self._step.parameters)).data.fill_(torch.nan)
        return take(self, batch)

    monkeypatch.setattr(captured.CapturedStep, "__call__", spoiled)
    batch, epoch = (at - 1) % 8 + 1, (at - 1) // 8 + 1
    with pytest.raises(FloatingPointError, match=rf"in batch {batch} of epoch {epoch}: the loss is nan"):
        regressor(**STEPS).fit(X, Y)


class Elsewhere(TorchDispatchMode):
    """Refuses what a device cannot do by itself: numbers that come from the host."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        given = tensors(args, kwargs or {})
        if written(operation, args, kwargs or {}) or named(operation) in ("_to_copy", "copy_", "index", "index_put_"):
            assert all(tensor.is_meta for tensor in given), f"{named(operation)} reads from the host"
        return operation(*args, **(kwargs or {}))


class NoNumbers(TorchFunctionMode):
    """Refuses to make tensors of numbers, which are copied from the host."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        assert function not in (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor), "it reads from the host"
        return function(*args, **(kwargs or {}))


def capture_on_meta(record):
    """A training step through a layer where there are no numbers to be looked at."""
    layer = MoELayer(5, 3, n_experts=8, hidden=(7,), router=record, generator=generator()).to("meta")
    x = torch.empty(12, 5, device="meta")
    with capturing():
        layer(x)  # what is copied to the device once is there
        with Elsewhere(), NoNumbers():
            layer(x).sum().backward()
            layer.update()


@pytest.fixture
def meta(monkeypatch):
    """A device without numbers, which autocast does not know."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **settings: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *args: False)
    return torch.device("meta")


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("name", ROUTERS)
def test_gates_that_say_so_can_be_captured(name):
    record = ROUTERS[name]
    layer = MoELayer(5, 3, n_experts=8, hidden=(7,), router=record)
    if layer.router.capturable:
        capture_on_meta(record)
    elif name not in ("expert choice", "mmoe", "mod-squad"):  # which no estimator takes
        with pytest.raises((AssertionError, NotImplementedError), match=r"reads from the host|nonzero"):
            capture_on_meta(record)


def whole_step(model, y, device):
    """A step of the network of a fitted model, where there are no numbers to be looked at."""
    a, n_rows = model._network.architecture, 12
    records = router_records(model.router, model.top_k_, model.capacity_factor)
    network = Network(a, model._network.encoding.encoder.edges, *records, generator()).to(device)
    codes = torch.empty(n_rows, len(a.n_codes), dtype=torch.int64, device=device)
    numbers = torch.empty(n_rows, a.n_numbers, device=device)
    rows = Rows(Inputs(numbers, codes, None if a.carried is None else numbers), y, torch.empty(n_rows, device=device))
    step = Step(network, rows, model._settings(n_rows, soft=True))
    step.optimizer.step = lambda: None  # whose fused kernels are for processors and GPUs
    return step


@pytest.mark.parametrize("epoch", [1, 6], ids=["soft", "sparse"])
@pytest.mark.parametrize("embedding", ["ple", "periodic", "linear"])
def test_a_step_reads_nothing_from_the_host(request, epoch, embedding):
    settings = STEPS | {"embedding": embedding, "z_loss": 0.1, "balance": 0.3}
    mixture = MoERegressor(3, random_state=0).fit(X, Y)
    models = [
        (classifier(**settings, categorical_features=CATEGORIES).fit(MIXED, LABELS), torch.empty(12).long()),
        (regressor(**settings, init=mixture).fit(X, Y), torch.empty(12, 1)),
    ]
    device = request.getfixturevalue("meta")
    for model, y in models:
        step = whole_step(model, y.to(device), device)
        step.begin(epoch)
        batch = torch.arange(12, device=device)
        with capturing():
            step(batch)
            with Elsewhere(), NoNumbers():
                assert step(batch).shape == (2,)


@pytest.mark.parametrize(("k", "factor", "expected"), [(2, None, "dense"), (2, 0.8, "padded"), (64, 0.8, "dense")])
def test_shapes_do_not_depend_on_where_rows_go(k, factor, expected):
    """Where nothing is captured two of 64 experts are not computed as all are."""
    layer = MoELayer(5, 3, n_experts=64, hidden=(64,), router=TopK(k=k, capacity_factor=factor), generator=generator())
    x = torch.randn(256, 5, generator=generator())
    routing = layer.router(x)
    with capturing():
        assert choose(x, routing, layer.experts) == expected
    assert k == 64 or choose(x, routing, layer.experts) != "dense"


def test_what_ended_a_capture_is_told(tapes, monkeypatch):
    """CUDA says at the end of a capture that something went wrong before; what, was said before."""

    def ended(run):
        try:
            raise RuntimeError("item() is not permitted")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    monkeypatch.setattr(tapes, "capture", ended)
    with pytest.warns(EfficiencyWarning, match=r"failed \(item\(\) is not permitted\)"):
        regressor(**STEPS).fit(X, Y)


class Cuda:
    """Stands in for torch.cuda, and tells what was asked of it, in order."""

    def __init__(self, monkeypatch):
        self.told = told = []

        class Graph:
            def capture_begin(self, pool, capture_error_mode):
                told.append(f"begin in {pool}, {capture_error_mode}")

            def capture_end(self):
                told.append("end")

            def replay(self):
                told.append("replay")

        class Stream:
            def __init__(self, name):
                self.name = name

            def wait_stream(self, other):
                told.append(f"{self.name} waits for {other.name}")

        @contextmanager
        def stream(entered):
            told.append(f"on {entered.name}")
            try:
                yield
            finally:
                told.append(f"off {entered.name}")

        for name, stub in {
            "CUDAGraph": Graph,
            "Stream": lambda device: Stream("aside"),
            "current_stream": lambda device: Stream("usual"),
            "graph_pool_handle": lambda: "the pool",
            "stream": stream,
        }.items():
            monkeypatch.setattr(torch.cuda, name, stub)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("collects", [True, False])
def test_a_graph_is_captured_aside_whatever_happens(monkeypatch, fails, collects):
    """Where a capture fails too, its stream is left, the next may begin, and garbage is collected as before."""
    cuda = Cuda(monkeypatch)
    captured._stream_aside.cache_clear()
    graphs = captured.CudaGraphs(torch.device("cuda", 0))

    def run():
        assert not gc.isenabled()
        cuda.told.append("run")
        if fails:
            raise RuntimeError("not permitted")

    if not collects:
        gc.disable()
    try:
        for _ in range(2):
            with pytest.raises(RuntimeError) if fails else nullcontext():
                graphs.capture(run)()
        assert gc.isenabled() == collects
    finally:
        gc.enable()
        captured._stream_aside.cache_clear()
    before = ["aside waits for usual", "on aside", "begin in the pool, thread_local", "run", "end", "off aside"]
    after = ["usual waits for aside"] if fails else ["usual waits for aside", "replay"]
    assert cuda.told == 2 * (before + after)


def test_graphs_go_with_their_training(tapes):
    """Also where somebody still holds the training: they hold memory of the device."""
    held = []
    run = fit.Training.run

    def holding(self, *args, **settings):
        held.append(self)
        return run(self, *args, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit.Training, "run", holding)
        regressor(**STEPS).fit(X, Y)
    assert tapes.n_played
    assert held[0]._take is held[0].step


def test_capturing_ends():
    assert not is_capturing()
    with capturing():
        assert is_capturing()
    assert not is_capturing()


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETTINGS)
def test_on_cuda_replayed_steps_are_steps(monkeypatch, kind, name):
    make, y = KINDS[kind]
    settings = STEPS | SETTINGS[name] | {"device": "cuda"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", EfficiencyWarning)
        replayed = make(**settings).fit(X, y)
    monkeypatch.setattr(fit, "recorder_of", lambda step: None)
    plain = make(**settings).fit(X, y)
    here = make(**settings | {"device": "cpu"}).fit(X, y)
    for model in (plain, replayed):
        model.set_params(device="cpu")
    assert_close(plain, replayed, X)
    assert_close(here, replayed, X, tolerance=1e-7)  # learning rates are there in single precision


@needs_cuda
def test_on_cuda_a_capture_that_fails_leaves_nothing_behind(monkeypatch):
    plain = regressor(**STEPS | {"device": "cuda"}).fit(X, Y)
    update = Network.update

    def looks(self):
        update(self)
        return float(next(self.parameters()).sum())

    monkeypatch.setattr(Network, "update", looks)
    before = torch.cuda.current_stream()
    with pytest.warns(EfficiencyWarning, match="capturing one as a CUDA graph failed"):
        model = regressor(**STEPS | {"device": "cuda"}).fit(X, Y)
    assert torch.cuda.current_stream() == before
    assert torch.randn(3, device="cuda").isfinite().all()
    for each in (plain, model):
        each.set_params(device="cpu")
    assert_close(plain, model, X)


@needs_cuda
def test_on_cuda_half_precision_is_captured():
    with warnings.catch_warnings():
        warnings.simplefilter("error", EfficiencyWarning)
        model = regressor(**STEPS | {"device": "cuda", "precision": "bfloat16"}).fit(X, Y)
    assert np.isfinite(model.predict(X)).all()
