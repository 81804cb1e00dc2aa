"""What the estimators refuse, and what they say."""

from __future__ import annotations

import copy
import re
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import KFold  # noqa: E402
from small import KINDS, LABELS, OUTPUTS, THREE, X, Y, assert_same_answers, classifier, regressor  # noqa: E402

from skmoe.neural import Attentive, ExpertChoice, GShard, Gumbel, MultiTask, Soft, Switch, TopK  # noqa: E402

KIND = pytest.mark.parametrize("kind", KINDS)


def holed(values, hole):
    values = values.copy()
    values[3, 1] = hole
    return values


def refused(fit, error, message):
    """A call raises an error whose text begins so."""
    with pytest.raises(error) as caught:
        fit()
    assert str(caught.value).startswith(message), str(caught.value)


# -- parameters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_k": 5}, "top_k=5 asks for 5 experts of a row, but there are n_experts=4. Lower top_k, or raise n_exp"),
        (
            {"router": "gshard", "n_experts": 1, "top_k": 1},
            "router='gshard' asks for 2 experts of a row, but there are n_experts=1.",
        ),
        ({"router": TopK(k=7)}, "router=TopK(k=7, "),
        ({"router": TopK}, "router must be a Router record such as TopK(k=2), got the class TopK: call it."),
        ({"router": ExpertChoice()}, "router=ExpertChoice(capacity_factor="),
        ({"router": MultiTask(n_tasks=2)}, "router=MultiTask(n_tasks=2"),
        (
            {"router": "soft", "capacity_factor": 1.5},
            "capacity_factor=1.5 goes with router='topk', 'switch' and 'gshard', but router='soft' drops no rows.",
        ),
        ({"router": "noisy_topk", "capacity_factor": 1.5}, "capacity_factor=1.5 goes with router='topk', 'switch' and"),
        ({"router": TopK(k=1), "capacity_factor": 1.5}, "capacity_factor=1.5 goes with router='topk', 'switch' and"),
        ({"router": Soft(tree=(2, 3))}, "tree=(2, 3) of Soft has 6 leaves and the layer has n_experts=4"),
        ({"device": "gpu"}, "device='gpu' is not on this machine ("),
        ({"device": "meta"}, "device='meta' is not on this machine ("),
        ({"device": "cuda:77"}, "device='cuda:77' is not on this machine ("),
        ({"hidden": (0,)}, "hidden[0] must be at least 1, got 0."),
        ({"hidden": (8, 8.7)}, "hidden[1] must be a whole number of at least 1, got 8.7."),
        ({"hidden": 8}, "The 'hidden' parameter of SparseMoERegressor must be an array-like"),
        ({"validation": "first"}, "The 'validation' parameter of SparseMoERegressor must be a str among {"),
        ({"device": 3}, "The 'device' parameter of SparseMoERegressor must be an instance of 'str'"),
        ({"categorical_features": ["a"]}, "categorical_features names column 'a', but X has no column names."),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:30],
)
def test_parameters(settings, message):
    refused(lambda: regressor(**settings).fit(X, Y), ValueError, message)


def test_devices_that_are_here():
    for device in ("cpu", torch.device("cpu"), "auto"):
        model = regressor(device=device, max_epochs=1).fit(X, Y)
        assert torch.device(model.device_).type in ("cpu", "cuda")
        assert model.predict(X).shape == Y.shape


@pytest.mark.parametrize(
    ("router", "k"), [(Switch(), 1), (GShard(), 2), (Soft(), 4), (TopK(k=3), 3), (Gumbel(), 4), (Attentive(), 4)]
)
def test_records_of_routers_say_how_many_experts_a_row_has(router, k):
    """Whatever top_k is."""
    for top_k in (1, 2, 4):
        model = regressor(router=router, top_k=top_k, max_epochs=2, capacity_factor=None).fit(X, Y)
        assert model.top_k_ == k
        assert ((model._gated(X, -1).weights > 0).sum(-1) == k).all()


# -- rows to fit to ----------------------------------------------------------------------------------------------------


@KIND
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_rows(kind, how):
    make, y = KINDS[kind]

    def fit(rows, responses, weight=None):
        model = make()
        classes = {"classes": np.unique(y)} if (kind, how) == ("classifier", "partial_fit") else {}
        return lambda: getattr(model, how)(rows, responses, sample_weight=weight, **classes)

    refused(fit(holed(X, np.inf), y), ValueError, "Input X contains infinity (first in row 3, column 1; 1 of 360")
    refused(fit(X, y[:50]), ValueError, "Found input variables with inconsistent numbers of samples: [120, 50]")
    refused(fit(X, y, -np.ones(len(X))), ValueError, "Negative values in data passed to `sample_weight`")
    refused(fit(X, y, np.full(len(X), np.nan)), ValueError, "Input sample_weight contains NaN")
    refused(fit(X, y, np.zeros(len(X))), ValueError, "Sample weights must contain at least one non-zero number")
    refused(fit(X, y, np.ones(7)), ValueError, "sample_weight.shape == (7,), expected (120,)!")
    refused(fit(sp.csr_array(X), y), TypeError, "Sparse data was passed for X, but dense data is required.")
    refused(fit(X[:0], y[:0]), ValueError, "Found array with 0 sample(s)")
    refused(fit(X[:, :0], y), ValueError, "Found array with 0 feature(s)")
    refused(fit(X.astype(str).astype(object) + "a", y), ValueError, "X holds text (could not convert string to float")
    refused(fit(X[:, 0], y), ValueError, "Expected 2D array, got 1D array instead")


@KIND
def test_no_response(kind):
    make, _ = KINDS[kind]
    name = type(make()).__name__
    for method in (make().fit, make().partial_fit):
        refused(partial(method, X, None), ValueError, f"{name} requires y to be passed, but the target y is None.")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(Y > 0, np.nan, Y), "Input y contains NaN"),
        (np.where(Y > 0, np.inf, Y), "Input y contains infinity"),
        (holed(OUTPUTS, np.nan), "Input y contains NaN"),
        (LABELS, "y holds values that are no numbers (could not convert string to float"),
    ],
    ids=["NaN", "infinity", "outputs", "labels"],
)
def test_numbers(y, message):
    refused(lambda: regressor().fit(X, y), ValueError, message)


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (np.where(Y > 0, np.nan, 1.0), None, "Input y contains NaN"),
        (Y, None, "Unknown label type: continuous."),
        (np.where(Y > 0, LABELS, None), None, "y holds None beside the label '"),
        (np.where(Y > 0, LABELS.astype(object), 3), None, "y holds 3 beside the label '"),
        (np.column_stack([LABELS, LABELS]), None, "y should be a 1d array, got an array of shape (120, 2) instead."),
        (np.full(120, 3), None, "SparseMoEClassifier needs at least 2 classes, but y holds one class (3)."),
        (
            LABELS,
            LABELS == "same",
            "SparseMoEClassifier needs at least 2 classes, but y holds one class ('same') in the rows of positive wei",
        ),
    ],
    ids=["NaN", "numbers", "None", "mixed", "two columns", "one class", "one class that weighs"],
)
def test_labels(y, weight, message):
    refused(lambda: classifier().fit(X, y, weight), ValueError, message)


def test_one_row():
    message = "n_samples=1 leaves 1 rows to train on and 0 to validate by, with validation='stratified' and validatio"
    refused(lambda: regressor().fit(X[:1], Y[:1]), ValueError, message)
    model = regressor(early_stopping=False, max_epochs=1).fit(X[:1], Y[:1])
    assert np.isfinite(model.predict(X)).all()


# -- rows to validate by -----------------------------------------------------------------------------------------------

ONE_CLASS = (
    " rows to validate by are all of class 'same', which says nothing of the others: expected rows of two classes at "
    "least. Hold out more rows (validation_fraction), others (validation, or X_val and y_val), or none "
    "(early_stopping=False)."
)


@pytest.mark.parametrize("validation", ["last", KFold(3)], ids=["last", "splitter"])
def test_rows_held_out_of_one_class(validation):
    order = np.argsort(LABELS)
    n_out = 18 if validation == "last" else 40
    fit = classifier(validation=validation).fit
    refused(lambda: fit(X[order], LABELS[order]), ValueError, f"The {n_out}{ONE_CLASS}")


def test_rows_of_ones_own():
    def fit(model=None, y=LABELS, **validation):
        return lambda: (model or classifier()).fit(X, y, **validation)

    same = {"X_val": X[:9], "y_val": np.full(9, "same")}
    refused(fit(**same), ValueError, f"The 9{ONE_CLASS}")
    other = {"X_val": X[:9], "y_val": np.full(9, "other")}
    refused(
        fit(**other), ValueError, "y_val: y holds the label 'other', but the classes of the fit are ['opposite' 'sa"
    )
    half = "Rows to validate by have an X and a y, but only one of X_val and y_val"
    refused(fit(X_val=X), ValueError, half)
    refused(fit(y_val=LABELS), ValueError, half)
    refused(fit(sample_weight_val=np.ones(9)), ValueError, half)
    both = {"X_val": X, "y_val": Y}
    refused(fit(regressor(early_stopping=False), Y, **both), ValueError, "X_val was passed, but early_stopping=False")
    refused(fit(regressor(), Y, X_val=X[:, :2], y_val=Y), ValueError, "X_val: X has 2 features, but SparseMoERegressor")
    refused(fit(regressor(), Y, X_val=X, y_val=Y[:9]), ValueError, "X_val and y_val: Found input variables with incon")
    refused(
        fit(regressor(), Y, X_val=X, y_val=OUTPUTS), ValueError, "y_val: y has shape (120, 2), but the fit was to y"
    )
    refused(fit(regressor(), Y, X_val=X, y_val=Y + np.nan), ValueError, "y_val: Input y contains NaN")


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(9), "sample_weight_val: Sample weights must contain at least one non-zero number"),
        (-np.ones(9), "sample_weight_val: Negative values in data passed to `sample_weight`"),
        (np.full(9, np.nan), "sample_weight_val: Input sample_weight contains NaN"),
        (np.ones(4), "sample_weight_val: sample_weight.shape == (4,), expected (9,)!"),
    ],
    ids=["zero", "negative", "NaN", "short"],
)
def test_weights_of_rows_of_ones_own(weight, message):
    passed = {"X_val": X[:9], "y_val": Y[:9], "sample_weight_val": weight}
    refused(lambda: regressor().fit(X, Y, **passed), ValueError, message)


def test_class_weights_that_leave_nothing_to_validate_by():
    model = classifier(class_weight={"same": 0.0, "opposite": 1.0})
    passed = {"X_val": X, "y_val": LABELS, "sample_weight_val": np.where(LABELS == "same", 1.0, 0.0)}
    refused(
        lambda: model.fit(X, LABELS, **passed), ValueError, "y_val: class_weight={'same': 0.0, 'opposite': 1.0} giv"
    )


# -- training that fails -----------------------------------------------------------------------------------------------


@KIND
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize(("clip", "advice"), [(None, ", set gradient_clip"), (1.0, " or gradient_clip")])
def test_training_that_leaves_the_numbers(kind, how, clip, advice):
    """It says where, in one sentence after the other, and what was fitted stays."""
    make, y = KINDS[kind]
    model = make().fit(X, y)
    before, state = copy.deepcopy(model), dict(vars(model))
    model.set_params(learning_rate=1e30, gradient_clip=clip)
    with pytest.raises(FloatingPointError) as caught:
        getattr(model, how)(X, y)
    message = str(caught.value)
    assert re.match(r"Training left the numbers in batch \d of epoch 1: ", message)
    assert f"What was fitted before this call is kept as it was. Lower learning_rate{advice}, or look" in message
    assert ".." not in message
    assert len(re.findall("[Ll]ower (the )?learning.rate|[Ll]ook for", message)) == 2  # each piece of advice once
    model.set_params(learning_rate=before.learning_rate, gradient_clip=1.0)
    assert_same_answers(model, before, X)
    fitted = [name for name in state if name.endswith("_") or name == "_network"]
    assert all(vars(model)[name] is state[name] for name in fitted)


@KIND
@pytest.mark.parametrize("bad", [{"learning_rate": 1e30, "gradient_clip": None}, {"top_k": 9}, {"device": "gpu"}])
def test_a_first_fit_that_fails_leaves_nothing(kind, bad):
    make, y = KINDS[kind]
    model = make(**bad)
    before = dict(vars(model))
    with pytest.raises((ValueError, FloatingPointError)):
        model.fit(X, y)
    assert vars(model) == before


# -- what is asked of a fitted estimator -------------------------------------------------------------------------------


def test_questions():
    model = regressor().fit(X, Y)
    refused(lambda: model.predict(X[:, :2]), ValueError, "X has 2 features, but SparseMoERegressor is expecting 3 feat")
    refused(lambda: model.predict(holed(X, np.inf)), ValueError, "Input X contains infinity (first in row 3, column 1")
    refused(lambda: model.log_prob(X, Y[:5]), ValueError, "Found input variables with inconsistent numbers of samples")
    refused(lambda: model.log_prob(X, OUTPUTS), ValueError, "y has shape (120, 2), but the fit was to y of shape (n_r")
    refused(lambda: model.predict_quantile(X, 1.2), ValueError, "q must be a level, or a list of levels, between 0")
    refused(lambda: model.predict_quantile(X, "median"), ValueError, "q must be a level, or a list of levels, between")
    refused(lambda: model.predict_interval(X, 1.0), ValueError, "coverage must be between 0 and 1 (exclusive), got 1.0")
    refused(lambda: model.predict_interval(X, "a"), ValueError, "coverage must be between 0 and 1 (exclusive), got 'a'")
    refused(lambda: model.predict_dist(X).rvs((2, 3)), ValueError, "size must be None, or an int, the draws of each")
    refused(lambda: model.sample(X, 0), ValueError, "n_samples must be an int of at least 1, got 0.")
    for block in (2, -3, 0.5):
        refused(lambda b=block: model.gate_proba(X, b), ValueError, f"block={block}: expected an int from -2 to 1.")
    labels = classifier().fit(X, LABELS)
    refused(lambda: labels.log_prob(X, THREE), ValueError, "y holds the label 'high', but the classes of the fit are [")
    refused(lambda: labels.log_prob(X, LABELS[:5]), ValueError, "Found input variables with inconsistent numbers of sa")


def test_pruning():
    model = regressor().fit(X, Y)
    for k in (0, 3, 1.5, True, "a", None):
        refused(lambda k=k: model.prune_routing(k), ValueError, f"k={k!r}: expected an int from 1 to top_k_=2.")
    assert model.prune_routing(np.int64(1)).top_k_ == 1
    refused(lambda: model.prune_routing(2), ValueError, "k=2: expected an int from 1 to top_k_=1. Routing is pruned")
    tree = regressor(router=Soft(tree=(2, 2)), max_epochs=1).fit(X, Y)
    refused(lambda: tree.prune_routing(1), ValueError, "This router does not choose a number of experts, so there is")


@KIND
def test_unfitted(kind):
    make, y = KINDS[kind]
    asked = [
        lambda model: model.predict(X),
        lambda model: model.log_prob(X, y),
        lambda model: model.gate_proba(X),
        lambda model: model.apply(X),
        lambda model: model.routing_report(X),
        lambda model: model.prune_routing(1),
    ]
    for ask in asked:
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            ask(make())


def test_classes_of_several_kinds():
    classes = np.array(["same", "opposite", None], dtype=object)
    message = "classes holds None beside the label 'same': expected labels of one kind"
    refused(lambda: classifier().partial_fit(X, LABELS, classes=classes), ValueError, message)


def test_balanced_classes_of_a_stream():
    model = classifier(class_weight="balanced")
    message = "class_weight='balanced' counts the classes of all rows, and partial_fit sees a batch of them."
    refused(lambda: model.partial_fit(X, LABELS, classes=np.unique(LABELS)), ValueError, message)
