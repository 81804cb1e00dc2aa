"""What is kept of a network: arrays that load, and predict, where torch is missing."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import textwrap
from dataclasses import fields, is_dataclass

import joblib
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from sklearn.base import clone  # noqa: E402
from small import (  # noqa: E402
    CATEGORIES,
    LABELS,
    MIXED,
    OUTPUTS,
    X,
    Y,
    answered,
    assert_same_answers,
    classifier,
    regressor,
)

from skmoe import MoERegressor  # noqa: E402
from skmoe.neural import Soft, TopK  # noqa: E402
from skmoe.neural._estimator import ROUTERS  # noqa: E402

#: What a predicting machine without torch runs: torch cannot be imported there.
BLOCKED = textwrap.dedent(
    """
    import pickle, sys

    class NoTorch:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "torch":
                raise ModuleNotFoundError("No module named 'torch'", name="torch")

    sys.meta_path.insert(0, NoTorch())
    """
)


def without_torch(script, given):
    """What a script prints as a pickle, in a process that has no torch and gets an object as ``given``."""
    whole = BLOCKED + "given = pickle.load(sys.stdin.buffer)\n" + textwrap.dedent(script)
    whole += "\nassert 'torch' not in sys.modules\nsys.stdout.buffer.write(pickle.dumps(out))\n"
    done = subprocess.run([sys.executable, "-c", whole], input=pickle.dumps(given), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


@pytest.fixture(scope="module")
def models():
    """Fitted estimators of every kind, and rows that they take."""
    mixture = MoERegressor(2, n_init=1, max_iter=200, random_state=0).fit(X, Y)
    mixed = {"categorical_features": CATEGORIES}
    found = {
        "numbers": (regressor(**mixed).fit(MIXED, Y), MIXED),
        "outputs": (regressor(**mixed, embedding="periodic").fit(MIXED, OUTPUTS), MIXED),
        "labels": (classifier(**mixed, device="cpu", activation="gelu").fit(MIXED, LABELS), MIXED),
        "begun": (regressor(init=mixture).fit(X, Y), X),
        "stream": (classifier().partial_fit(X, LABELS, classes=np.unique(LABELS)), X),
        "pruned": (classifier(router="soft").fit(X, LABELS).prune_routing(1), X),
    }
    return found | {router: (regressor(router=router, n_blocks=3).fit(X, Y), X) for router in ROUTERS}


def parts(value, seen=None):
    """All objects that an object holds."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return
    seen[id(value)] = value
    yield value
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, list | tuple | set):
        inner = list(value)
    elif is_dataclass(value):
        inner = [getattr(value, field.name) for field in fields(value)]
    else:
        inner = [getattr(value, "__dict__", None)]
    for one in inner:
        yield from parts(one, seen)


def test_nothing_of_torch_is_kept(models):
    for model, _ in models.values():
        every = list(parts(vars(model)))
        assert not [one for one in every if type(one).__module__.split(".")[0] == "torch"]
        assert sum(isinstance(one, np.ndarray) for one in every) > 20
        assert b"torch" not in pickle.dumps(model).replace(b"skmoe.neural.torch", b"")


def test_a_record_of_a_router_is_seen():
    """A witness of the test above."""
    held = [type(one) for one in parts(vars(regressor(router=TopK())))]
    assert TopK in held


def test_size(models):
    """Parameters, and the two moments of the optimiser, and little else."""
    for model, _ in models.values():
        assert 4 * model.n_parameters_ < len(pickle.dumps(model)) < 3 * 4 * model.n_parameters_ + 60_000
        single = sum(a.nbytes for a in model._network.arrays.values() if a.dtype.kind == "f")
        assert 4 * model.n_parameters_ <= single < 4 * model.n_parameters_ + 10_000


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_predicts_the_same(models, copied):
    for model, rows in models.values():
        assert_same_answers(copied(model), model, rows)


def test_a_clone_is_unfitted_and_fits_the_same(models):
    for name in ("numbers", "labels"):
        model, rows = models[name]
        again = clone(model)
        assert not hasattr(again, "_network")
        assert_same_answers(again.fit(rows, LABELS if name == "labels" else Y), model, rows)


def test_joblib(models, tmp_path):
    for name, (model, rows) in models.items():
        joblib.dump(model, tmp_path / name, compress=3)
        assert_same_answers(joblib.load(tmp_path / name), model, rows)


@pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")
def test_predictions_where_torch_is_missing(models):
    found = without_torch(
        """
        def answered(model, rows):
            if hasattr(model, "predict_log_proba"):
                return [model.predict_log_proba(rows), model.predict_proba(rows), model.decision_function(rows)]
            return [model.predict(rows), model.predict_var(rows)]

        out = {name: [*answered(model, rows), model.gate_proba(rows), model.routing_report(rows)]
               for name, (model, rows) in given.items()}
        """,
        models,
    )
    for name, (model, rows) in models.items():
        *numbers, report = found[name]
        for here, there in zip([*answered(model, rows), model.gate_proba(rows)], numbers, strict=True):
            assert_allclose(there, here, rtol=1e-5, atol=1e-8, err_msg=name)
        assert str(report) == str(model.routing_report(rows))


def test_training_where_torch_is_missing(models):
    model, rows = models["numbers"]
    found = without_torch(
        """
        model, rows, y = given
        before, out = model.predict(rows), []
        for train in (model.fit, model.partial_fit):
            try:
                train(rows, y)
            except ImportError as error:
                out.append(str(error))
        assert (model.predict(rows) == before).all()
        """,
        (model, rows, Y),
    )
    assert len(found) == 2
    for message in found:
        assert message == (
            "SparseMoERegressor needs torch to be trained, and torch is not installed: pip install "
            '"skmoe[neural]". Fitted estimators predict without it.'
        )


def test_gates_that_only_torch_knows_say_so(models):
    model = regressor(router=Soft(tree=(2, 2)), max_epochs=1).fit(X, Y)
    assert None in model._network.architecture.rules
    model.router = "topk"  # the record itself needs torch to be loaded, as is documented
    found = without_torch(
        """
        model, rows = given
        try:
            model.predict(rows)
        except ImportError as error:
            out = str(error)
        """,
        (model, X),
    )
    assert 'pip install "skmoe[neural]"' in found


@pytest.mark.parametrize("n_members", [1, 3])
def test_a_stream_goes_on_from_its_pickle(n_members):
    """To the last bit: the moments of the optimiser are kept."""
    straight, broken = regressor(n_members=n_members), regressor(n_members=n_members)
    for first in range(0, 120, 40):
        batch = slice(first, first + 40)
        straight.partial_fit(X[batch], Y[batch])
        broken = pickle.loads(pickle.dumps(broken.partial_fit(X[batch], Y[batch])))
    assert_same_answers(broken, straight, X)
    moments = straight._network.moments
    assert moments.n_steps == 6
    assert_array_equal(moments.n_steps, broken._network.moments.n_steps)


def test_moments_matter():
    """A witness: without them a stream goes elsewhere."""
    from dataclasses import replace

    straight = regressor().partial_fit(X[:60], Y[:60])
    forgetful = copy.copy(straight)
    forgetful._network = replace(straight._network, moments=None)
    straight.partial_fit(X[60:], Y[60:])
    forgetful.partial_fit(X[60:], Y[60:])
    assert np.abs(forgetful.predict(X) - straight.predict(X)).max() > 1e-4
