"""What users get wrong, and the sentence that each mistake is answered with: what was received, and what to do."""

from __future__ import annotations

import datetime
import re
import warnings
from functools import partial

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_regression
from skmoe.exceptions import CollapseWarning
from skmoe.scoring import neg_crps
from skmoe.training.loop import Run

#: Small random tables may well collapse.
pytestmark = pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")

N_ROWS, NAMES = 40, ["age", "amount", "hour"]
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N_ROWS, 3))
NUMBERS = X[:, 0] + RNG.standard_normal(N_ROWS)
LABELS = (NUMBERS > 0).astype(int)
WORDS = np.array(["none", "fraud"], dtype=object)[LABELS]
ONES = np.ones(N_ROWS)
FRAME, POLARS = pd.DataFrame(X, columns=NAMES), pl.DataFrame(X, schema=NAMES)
DAYS = np.datetime64("2024-01-01") + np.arange(N_ROWS)
DATE = datetime.datetime(2024, 1, 1)

ESTIMATORS = {MoERegressor: NUMBERS, MoEClassifier: LABELS}
BOTH = pytest.mark.parametrize("make", ESTIMATORS)
TEXT = "X holds text .*OneHotEncoder"
TIMES = "holds dates or times .*Turn them into numbers"


def put(values, at, value):
    """A copy of an array with another value at a place."""
    changed = np.array(values, dtype=np.result_type(values, type(value)))
    changed[at] = value
    return changed


def table(cases):
    """Parametrise by a dict of cases."""
    return [pytest.param(*case, id=name) for name, case in cases.items()]


def fitted(make, data=X, **params):
    return make(2, n_init=1, random_state=0, **params).fit(data, ESTIMATORS[make])


# -- X -----------------------------------------------------------------------------------------------------------------

BAD_X = {
    "nan": (put(X, (3, 1), np.nan), ValueError, r"NaN \(first in row 3, column 1; 1 of 120.*add_indicator=True\)"),
    "nan, pandas": (
        pd.DataFrame(put(X, (3, 1), np.nan), columns=NAMES),
        ValueError,
        r"NaN \(first in row 3, column 'amount'.*SimpleImputer",
    ),
    "null, polars": (
        POLARS.with_columns(hour=pl.Series([None, *X[1:, 2]])),
        ValueError,
        r"NaN \(first in row 0, column 'hour'.*SimpleImputer",
    ),
    "inf": (put(X, (5, 0), -np.inf), ValueError, r"infinity \(first in row 5, column 0; 1 of 120.*Replace it"),
    "1-d": (X[:, 0], ValueError, "Expected 2D array, got 1D array(.|\n)*Reshape your data"),
    "3-d": (X[:, :, None], ValueError, "dim 3, while dim <= 2 is required"),
    "no rows": (X[:0], ValueError, "0 sample.*minimum of 1 is required"),
    "text": (np.full((N_ROWS, 3), "shop"), ValueError, TEXT),
    "text, object": (put(X.astype(object), (0, 1), "shop"), ValueError, TEXT),
    "text, pandas": (FRAME.assign(amount="shop"), ValueError, TEXT),
    "categories, pandas": (FRAME.assign(amount=pd.Categorical(["shop"] * N_ROWS)), ValueError, TEXT),
    "text, polars": (POLARS.with_columns(amount=pl.lit("shop")), ValueError, TEXT),
    "datetimes": (np.column_stack([DAYS] * 3), ValueError, f"X {TIMES}"),
    "timedeltas": (np.column_stack([DAYS - DAYS[0]] * 3), ValueError, f"X {TIMES}"),
    "datetimes, object": (put(X.astype(object), (0, 1), DATE), ValueError, f"X {TIMES}"),
    "datetimes, list": ([[np.datetime64("2024-01-01")] * 3] * N_ROWS, ValueError, f"X {TIMES}"),
    "datetimes, pandas": (FRAME.assign(amount=DAYS), ValueError, f"X {TIMES}"),
    "time zone, pandas": (FRAME.assign(amount=pd.to_datetime(DAYS).tz_localize("UTC")), ValueError, f"X {TIMES}"),
    "timedeltas, pandas": (FRAME.assign(amount=DAYS - DAYS[0]), ValueError, f"X {TIMES}"),
    "periods, pandas": (FRAME.assign(amount=pd.to_datetime(DAYS).to_period("D")), ValueError, f"X {TIMES}"),
    "dates, polars": (POLARS.with_columns(amount=pl.lit(DATE.date())), ValueError, f"X {TIMES}"),
    "datetimes, polars": (POLARS.with_columns(amount=pl.lit(DATE)), ValueError, f"X {TIMES}"),
    "durations, polars": (POLARS.with_columns(amount=pl.lit(datetime.timedelta(1))), ValueError, f"X {TIMES}"),
    "times, polars": (POLARS.with_columns(amount=pl.lit(datetime.time(12))), ValueError, f"X {TIMES}"),
    "complex": (X + 1j, ValueError, "Complex data not supported"),
    "complex, sparse": (sp.csr_array(X + 1j), ValueError, "Complex data not supported"),
}


@BOTH
@pytest.mark.parametrize(("bad", "error", "sentence"), table(BAD_X))
def test_X(make, bad, error, sentence):
    with pytest.raises(error, match=sentence):
        make(2, n_init=1).fit(bad, ESTIMATORS[make])
    like = {pd.DataFrame: FRAME, pl.DataFrame: POLARS}.get(type(bad), X)
    model = fitted(make, like)
    for read in (model.predict, model.gate_proba):
        with pytest.raises(error, match=sentence):
            read(bad)


@BOTH
def test_no_columns(make):
    with pytest.raises(ValueError, match=r"0 feature\(s\).*minimum of 1 is required"):
        make(2).fit(X[:, :0], ESTIMATORS[make])


@BOTH
@pytest.mark.parametrize(
    ("trained", "bad", "sentence"),
    table(
        {
            "fewer": (X, X[:, :2], "X has 2 features, but .* expecting 3 features"),
            "renamed": (FRAME, FRAME.rename(columns={"age": "years"}), "unseen at fit time:\n- years\n(.|\n)*- age"),
            "missing": (FRAME, FRAME[["age", "hour"]], "yet now missing:\n- amount"),
            "reordered": (FRAME, FRAME[NAMES[::-1]], "must be in the same order"),
            "reordered, polars": (POLARS, POLARS[NAMES[::-1]], "must be in the same order"),
        }
    ),
)
def test_other_columns_at_predict(make, trained, bad, sentence):
    with pytest.raises(ValueError, match=sentence):
        fitted(make, trained).predict(bad)


# -- y -----------------------------------------------------------------------------------------------------------------

BAD_Y = {
    "nan": (lambda y: put(y, 0, np.nan), "Input y contains NaN"),
    "inf": (lambda y: put(y, 0, np.inf), "Input y contains infinity"),
    "short": (lambda y: y[:-1], r"inconsistent numbers of samples: \[40, 39\]|X has 40 rows, but y has 39"),
    "scalar": (lambda y: y[0], r"y should be a 1d array, got an array of shape \(\)"),
    "complex": (lambda y: y + 1j, "Complex data not supported"),
    "datetimes": (lambda y: DAYS, f"y {TIMES}"),
    "timedeltas, pandas": (lambda y: pd.Series(DAYS - DAYS[0]), f"y {TIMES}"),
}
BAD_LABELS = {
    "two outputs": (lambda y: np.column_stack([y, y]), r"y should be a 1d array, got an array of shape \(40, 2\)"),
}
NO_NUMBERS = "y holds values that are no numbers .*for labels use MoEClassifier"
BAD_NUMBERS = {
    "three axes": (
        lambda y: y[:, None, None].repeat(2, 1),
        "dim 3, while dim <= 2 is required",
    ),
    "no output": (lambda y: y[:, None][:, :0], r"0 feature\(s\).*minimum of 1 is required"),
    "nan in one of two outputs": (lambda y: put(np.column_stack([y, y]), (0, 1), np.nan), "Input y contains NaN"),
    "text in one of two outputs": (lambda y: np.column_stack([y.astype(object), np.full(len(y), "shop")]), NO_NUMBERS),
    "dates in one of two outputs": (lambda y: pd.DataFrame({"a": y, "b": DAYS}), f"y {TIMES}"),
    "two outputs, short": (
        lambda y: np.column_stack([y, y])[1:],
        r"inconsistent numbers of samples: \[40, 39\]|y has shape \(39, 2\)",
    ),
    "None": (lambda y: put(y.astype(object), 0, None), "y contains NaN"),
    "text": (lambda y: np.where(y > 0, "fraud", "none"), NO_NUMBERS),
    "text, object": (lambda y: np.where(y > 0, "fraud", "none").astype(object), NO_NUMBERS),
    "text, pandas": (lambda y: pd.Series(np.where(y > 0, "fraud", "none")), NO_NUMBERS),
    "text, polars": (lambda y: pl.Series(np.where(y > 0, "fraud", "none")), NO_NUMBERS),
}


@pytest.mark.parametrize(
    ("make", "bad", "sentence"),
    [
        pytest.param(make, *case, id=f"{make.__name__}-{name}")
        for make, cases in [(MoERegressor, BAD_Y | BAD_NUMBERS), (MoEClassifier, BAD_Y | BAD_LABELS)]
        for name, case in cases.items()
    ],
)
def test_y(make, bad, sentence):
    y = bad(ESTIMATORS[make])
    with pytest.raises(ValueError, match=sentence):
        make(2, n_init=1).fit(X, y)
    model = fitted(make)
    for read in (model.log_prob, model.responsibilities, model.bic):
        with pytest.raises(ValueError, match=f"{sentence}|y holds the label"):
            read(X, y)


@pytest.mark.parametrize(("trained", "given"), [(1, 2), (2, 1), (2, 3)])
def test_another_number_of_outputs_than_the_fit_had(trained, given):
    y = np.column_stack([NUMBERS] * max(trained, given))
    model = MoERegressor(2, n_init=1).fit(X, y[:, :trained].squeeze())
    of_fit = r"\(n_rows,\)" if trained == 1 else rf"\(n_rows, {trained}\)"
    sentence = rf"y has shape \(40.*\), but the fit was to y of shape {of_fit}\. Pass the outputs of the fit"
    for read in (model.log_prob, model.responsibilities, model.bic, partial(neg_crps, model)):
        with pytest.raises(ValueError, match=sentence):
            read(X, y[:, :given].squeeze())


@pytest.mark.parametrize(
    ("y", "sentence"),
    table(
        {
            "continuous": (NUMBERS, "continuous.*expects discrete classes"),
            "None beside text": (
                put(WORDS, 5, None),
                "y holds None beside the label 'fraud': expected labels of one kind",
            ),
            "a number beside text": (
                put(WORDS, 5, 3),
                "y holds 3 beside the label 'fraud': .*turn those of another kind",
            ),
            "NaN beside text": (
                put(WORDS, 5, np.nan),
                "y holds nan beside the label 'fraud': .*none missing. Drop rows",
            ),
            "None beside numbers": (put(LABELS.astype(object), 5, None), "y holds None: expected labels of one kind"),
            "one class": (np.full(N_ROWS, 7), r"at least 2 classes, but y holds one class \(7\)"),
            "one class, text": (np.full(N_ROWS, "fraud"), r"at least 2 classes, but y holds one class \('fraud'\)"),
        }
    ),
)
def test_labels(y, sentence):
    with pytest.raises(ValueError, match=sentence):
        MoEClassifier(2).fit(X, y)


def test_labels_of_several_kinds_where_they_are_listed_or_read():
    with pytest.raises(ValueError, match="classes holds None beside the label 'none'"):
        MoEClassifier(2).partial_fit(X, WORDS, classes=np.array(["none", "fraud", None], dtype=object))
    with pytest.raises(ValueError, match="y holds None beside the label"):
        MoEClassifier(2, n_init=1).fit(X, WORDS).log_prob(X, put(WORDS, 5, None))


def test_one_class_left_after_zero_weights():
    with pytest.raises(ValueError, match=r"holds one class .* in the rows of positive weight"):
        MoEClassifier(2).fit(X, LABELS, sample_weight=LABELS)


@pytest.mark.parametrize(
    ("trained", "unknown", "sentence"),
    [
        (LABELS, put(LABELS, 3, 9), r"y holds the label 9, but the classes of the fit are \[0,? 1\]"),
        (LABELS - 5, LABELS, r"y holds the label [01], but the classes"),
        (np.array(["a", "b"])[LABELS], np.array(["a", "z"])[LABELS], r"y holds the label 'z', but the classes .*'a'"),
    ],
    ids=["one row", "smaller labels", "text"],
)
def test_labels_that_fit_has_not_seen(trained, unknown, sentence):
    model = MoEClassifier(2, n_init=1).fit(X, trained)
    for read in (model.log_prob, model.responsibilities, model.icl):
        with pytest.raises(ValueError, match=sentence):
            read(X, unknown)


@pytest.mark.parametrize(
    ("bad", "named"), [(-1 - LABELS, "-[12]"), (LABELS + 0.5, "[01].5")], ids=["negative", "halves"]
)
def test_poisson_is_for_counts(bad, named):
    sentence = f"poisson family is for counts 0, 1, 2, ..., but y contains {named}.*Use expert='gaussian'"
    with pytest.raises(ValueError, match=sentence):
        MoERegressor(2, expert="poisson").fit(X, bad)
    with pytest.raises(ValueError, match=sentence):
        MoERegressor(2, expert=["gaussian", "poisson"]).fit(X, bad)
    model = MoERegressor(2, n_init=1, expert="poisson").fit(X, LABELS)
    with pytest.raises(ValueError, match=sentence):
        model.log_prob(X, bad)
    np.testing.assert_array_equal(model.predict_dist(X).pdf(bad), 0.0)


# -- weights and numbers of rows ---------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("weight", "sentence"),
    table(
        {
            "short": (ONES[:-1], r"sample_weight.shape == \(39,\), expected \(40,\)"),
            "two columns": (np.column_stack([ONES, ONES]), "must be 1D array or scalar, got 2D array"),
            "negative": (put(ONES, 0, -1.0), "Negative values in data passed to `sample_weight`"),
            "zero": (0 * ONES, "at least one non-zero|zero for every row"),
            "nan": (put(ONES, 0, np.nan), "sample_weight contains NaN"),
            "inf": (put(ONES, 0, np.inf), "sample_weight contains infinity"),
        }
    ),
)
def test_sample_weight(make, weight, sentence):
    y = ESTIMATORS[make]
    with pytest.raises(ValueError, match=sentence):
        make(2, n_init=1).fit(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match=sentence):
        fitted(make).bic(X, y, sample_weight=weight)


@BOTH
@pytest.mark.parametrize(("n_experts", "n_leaves"), [(4, 4), ((2, 2), 4), (((2, 2), 3), 7)])
def test_fewer_rows_than_experts(make, n_experts, n_leaves):
    sentence = f"n_samples={{}} is fewer than n_experts={n_leaves}.*Pass more rows, or fewer experts"
    rows = np.arange(n_leaves - 1)
    with pytest.raises(ValueError, match=sentence.format(n_leaves - 1)):
        make(n_experts).fit(X[rows], rows % 2)
    seen = np.isin(np.arange(N_ROWS), [LABELS.argmin(), LABELS.argmax()])
    with pytest.raises(ValueError, match=sentence.format(2)):
        make(n_experts).fit(X, LABELS, sample_weight=seen)


@BOTH
def test_fewer_distinct_rows_than_experts_only_warn(make):
    rows = np.arange(20) % 2
    with pytest.warns(CollapseWarning, match="Only 2 distinct rows for 4 experts. Use fewer experts"):
        make(4, random_state=0).fit(X[rows], np.arange(20) // 2 % 2)


# -- parameters --------------------------------------------------------------------------------------------------------


def shown(value):
    return "function" if callable(value) else repr(value)


def same(sentence, *values):
    """Values that are answered with one sentence, in which {} is the value."""
    return [(value, sentence.replace("{}", re.escape(repr(value)))) for value in values]


BAD_PARAMETERS = {
    "n_experts": [
        *same("'n_experts' parameter of .* must be an int .* Got {} instead", 0, -1, 2.5, "best", None),
        *same("n_experts={} is no tree: expected an int of at least 1, or a", (), (2, 0), (2, (2, 0)), (2, 2.5)),
    ],
    "gate": same("'gate' parameter of .*'softmax'.* Got {} instead", "router", None, 3),
    "gate_features": [
        *same(
            r"gate_features names column 'weight', but the columns of X are \['age', 'amount', 'hour'\]",
            ["weight"],
            "weight",
            slice("age", "weight"),
            lambda X: ["weight"],
        ),
        ([0, 3], "gate_features names column 3, but X has 3 columns"),
        ([-4], "gate_features names column -4, but X has 3 columns"),
        ([True, False], r"gate_features is a mask of shape \(2,\), but X has 3 columns"),
        *same("gate_features selects no column.*use gate='constant'", [], [False] * 3, slice(0), lambda X: []),
        (3, "'gate_features' parameter of .* must be .* Got 3 instead"),
    ],
    "expert_features": same("expert_features names column 'weight', but the columns of X are", ["weight"]),
    "alpha": same(r"'alpha' parameter of .* float in the range \[0.0, inf\). Got {}", -1, float("nan"), "1"),
    "gate_alpha": same(r"'gate_alpha' parameter of .* float in the range \[0.0, inf\). Got {}", -0.5, float("inf")),
    "init": [
        ("kmeans", "'init' parameter of .*'hyperplanes'.* Got 'kmeans'"),
        *same("init={}: expected 'auto', names among .*'gaussian_gate', 'hyperplanes'", [], ["tilt", "kmeans"]),
    ],
    "n_init": same(r"'n_init' parameter of .* int in the range \[1, inf\). Got {}", 0, 1.5),
    "combine_inits": same("'combine_inits' parameter of .*'average'.* Got {}", "mean"),
    "top_k": same(r"'top_k' parameter of .* int in the range \[1, inf\) or None. Got {}", 0, 1.5),
    "memory": same(r"'memory' parameter of .* int in the range \[0, inf\). Got {}", -1, 1.5),
    "max_iter": same(r"'max_iter' parameter of .* int in the range \[1, inf\). Got {}", 0, 1.5),
    "tol": same(r"'tol' parameter of .* float in the range \(0.0, inf\). Got {}", 0, -1e-3),
    "warm_start": same("'warm_start' parameter of .* Got {}", "yes"),
    "random_state": same("'random_state' parameter of .* Got {}", -1, "a"),
    "n_jobs": [
        *same("'n_jobs' parameter of .* Got {}", 1.5),
        (0, "n_jobs=0 is no number of threads: expected None, a positive int, or a negative one.*-1 for all cores"),
    ],
    "verbose": same("'verbose' parameter of .* Got {}", -1),
}
BAD_REGRESSOR_PARAMETERS = {
    "expert": [
        *same("'expert' parameter of .*'gaussian'.* Got {}", "normal", "bernoulli", None),
        (["gaussian", "normal"], r"expert contains 'normal': expected a Family, or one of \['gaussian'"),
        (["gaussian", 3], r"expert contains 3: expected a Family, or one of \['gaussian'"),
        (["gaussian"], "expert is a list of 1, but n_experts=2 has 2 experts. Give one family an expert"),
        ([], "expert is a list of 0, but n_experts=2 has 2 experts. Give one family an expert"),
    ],
    "scale_floor": same(r"'scale_floor' parameter of .* float in the range \(0.0, inf\). Got {}", 0, -1),
}
BAD_CLASSIFIER_PARAMETERS = {
    "class_weight": [
        ("even", "'class_weight' parameter of .*'balanced'.* Got 'even'"),
        ({5: 2.0}, "classes, .*, are not in class_weight"),
        *same("class_weight must .* got {}", {0: -1.0}, {0: float("nan")}, {0: float("inf")}),
    ]
}


@pytest.mark.parametrize(
    ("make", "name", "value", "sentence"),
    [
        pytest.param(make, name, value, sentence, id=f"{make.__name__}-{name}={shown(value)}")
        for makes, parameters in [
            (ESTIMATORS, BAD_PARAMETERS),
            ([MoERegressor], BAD_REGRESSOR_PARAMETERS),
            ([MoEClassifier], BAD_CLASSIFIER_PARAMETERS),
        ]
        for make in makes
        for name, cases in parameters.items()
        for value, sentence in cases
    ],
)
def test_parameter(make, name, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**{"n_experts": 2, "n_init": 1, name: value}).fit(FRAME, ESTIMATORS[make])


@BOTH
def test_names_are_asked_of_an_array(make):
    with pytest.raises(ValueError, match=r"X has no column names\. Use positions, or a table with names"):
        make(2, gate_features=["age"]).fit(X, ESTIMATORS[make])


# -- arguments of methods ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [0, 1.0, [0.5, 1.5], np.nan, [[0.5]]])
def test_quantile_level(q):
    with pytest.raises(ValueError, match=r"q must be a level, or a list of levels, between 0 and 1.*got"):
        fitted(MoERegressor).predict_quantile(X, q)


@pytest.mark.parametrize("coverage", [0, 1.0, 90, np.nan])
def test_coverage(coverage):
    with pytest.raises(ValueError, match=r"coverage must be between 0 and 1 \(exclusive\), got"):
        fitted(MoERegressor).predict_interval(X, coverage)


@pytest.mark.parametrize("shape", [(3,), (3, 2), (N_ROWS, 1, 1)])
def test_shape_of_arguments_of_a_predictive_distribution(shape):
    dist = fitted(MoERegressor).predict_dist(X)
    for read in (dist.pdf, dist.cdf, dist.ppf, dist.crps):
        with pytest.raises(ValueError, match=r"a scalar or an array of shape \(40,\), \(40, m\) or \(1, m\).*got"):
            read(np.full(shape, 0.5))


@BOTH
def test_no_thread_to_predict(make):
    model = fitted(make).set_params(n_jobs=0)
    with pytest.raises(ValueError, match="n_jobs=0 is no number of threads"):
        model.predict(X)


def test_weights_in_the_place_of_classes():
    """What a third argument by position is; its numbers are not printed."""
    streams = {MoERegressor(2): r"got ndarray of shape \(40,\).* pass weights by name, sample_weight="}
    streams[fitted(MoEClassifier)] = r"classes holds \[.* \.\.\. .*\], but those of the first call are \[0 1\]"
    for model, sentence in streams.items():
        with pytest.raises(ValueError, match=sentence) as told:
            model.partial_fit(X, LABELS, np.linspace(1, 2, N_ROWS))
        assert len(str(told.value)) < 300


@BOTH
@pytest.mark.parametrize("n_samples", [0, -1, 2.5])
def test_number_of_samples(make, n_samples):
    with pytest.raises(ValueError, match=f"n_samples.*{n_samples}"):
        fitted(make).sample(X, n_samples)


@BOTH
@pytest.mark.parametrize("criterion", ["aic", "bic", "icl"])
def test_criteria_of_an_average(make, criterion):
    model = make(2, n_init=2, combine_inits="average").fit(X, ESTIMATORS[make])
    sentence = rf"{criterion} compares .* average of 2 fits is none. Use members_\[0\].{criterion}\(X, y\), or"
    with pytest.raises(ValueError, match=sentence):
        getattr(model, criterion)(X, ESTIMATORS[make])
    assert np.isfinite(getattr(model.members_[0], criterion)(X, ESTIMATORS[make]))


@BOTH
def test_read_before_fit(make):
    model, y = make(), ESTIMATORS[make]
    of_rows = ["predict", "gate_proba", "predict_experts", "apply", "sample", "routing_report"]
    of_responses = ["log_prob", "responsibilities", "score", "aic", "bic", "icl"]
    if make is MoERegressor:
        of_rows += ["predict_var", "predict_interval", "predict_dist"]
    else:
        of_rows += ["predict_proba", "predict_log_proba", "decision_function"]
    calls = [(name, (X,)) for name in of_rows] + [(name, (X, y)) for name in of_responses] + [("summary", ())]
    for name, args in calls:
        with pytest.raises(NotFittedError, match=f"This {make.__name__} instance is not fitted yet. Call 'fit'"):
            getattr(model, name)(*args)


# -- a fit that fails leaves the last one as it was --------------------------------------------------------------------


def interrupt(monkeypatch, error):
    """Raise an error in the middle of training."""
    steps, step = iter(range(100)), Run._step

    def failing(self, direction):
        if next(steps) == 2:
            raise error
        step(self, direction)

    monkeypatch.setattr(Run, "_step", failing)


@BOTH
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("combine_inits", ["best", "average"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_interrupted_fit_changes_nothing(make, warm_start, combine_inits, error, monkeypatch):
    y = ESTIMATORS[make]
    model = make(3, n_init=3, combine_inits=combine_inits, warm_start=warm_start, random_state=0).fit(FRAME, y)
    before, read = dict(vars(model)), joblib.hash([model.predict(FRAME), model.log_prob(FRAME, y), vars(model)])
    interrupt(monkeypatch, error)
    with pytest.raises(error):
        model.fit(2 * X[::-1] + 1, 1 - y)  # columns without names, other units
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    assert joblib.hash([model.predict(FRAME), model.log_prob(FRAME, y), vars(model)]) == read


@BOTH
@pytest.mark.parametrize(
    ("refit", "error"),
    [
        (lambda model, y: model.fit(put(X, (0, 0), np.nan), y), ValueError),
        (lambda model, y: model.fit(X[:, :2], y[:-1]), ValueError),
        (lambda model, y: model.fit(np.column_stack([X, X]), y, sample_weight=-ONES), ValueError),
        (lambda model, y: model.set_params(tol=1e-300, max_iter=2).fit(X[::-1], y), ConvergenceWarning),
    ],
)
def test_failed_fit_changes_nothing(make, refit, error):
    y = ESTIMATORS[make]
    model = make(2, n_init=2, random_state=0).fit(FRAME, y)
    params, before = model.get_params(), joblib.hash([model.predict(FRAME), vars(model)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(error):
            refit(model, y)
    model.set_params(**params)
    assert joblib.hash([model.predict(FRAME), vars(model)]) == before


# -- warnings ----------------------------------------------------------------------------------------------------------


def caught(estimator, data, y):
    """The warnings of a fit; all of them point at this file."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        estimator.fit(data, y)
    assert all(one.filename == __file__ for one in seen)
    return [(one.category, str(one.message)) for one in seen]


@BOTH
def test_warns_of_a_fit_that_stopped_early(make):
    model = make(2, n_init=3, max_iter=1, random_state=0)
    ((category, message),) = caught(model, X, ESTIMATORS[make])
    assert category is ConvergenceWarning
    assert "3 of 3" in message or "1 of 1" in message
    assert "stopped before convergence (at most 1 passes; the next step still promised" in message
    assert "Raise max_iter or tol" in message
    assert not model.converged_


@BOTH
def test_warns_of_experts_without_mass(make):
    # 31 rows on a line that 30 random gates divide: most gates get none of them.
    model = make(30, init="hyperplanes", n_init=1, max_iter=1, random_state=0)
    seen = caught(model, X[:31, :1], ESTIMATORS[make][:31])
    empty = np.flatnonzero(model.expert_share_ * 31 < 0.5)
    assert empty.size
    (message,) = (message for kind, message in seen if kind is CollapseWarning)
    assert f"Experts {', '.join(map(str, empty))} (of 30) have no mass" in message
    assert "Use fewer experts" in message


def test_warns_of_a_scale_at_its_floor():
    x = np.linspace(-1, 1, 101)[:, None]
    model = MoERegressor(2, alpha=0, random_state=0)  # y is a broken line without noise
    ((category, message),) = caught(model, x, np.abs(x[:, 0]))
    assert category is CollapseWarning
    assert "Experts 0, 1 (of 2) have a scale at its floor" in message
    assert "Raise scale_floor or alpha" in message
    np.testing.assert_allclose(model.expert_scale_, model.scale_floor_, rtol=0.05)


@pytest.mark.parametrize("n_experts", [2, (2, 2)])
def test_warns_of_a_gate_that_separates(n_experts):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(300, 1))
    x += 0.05 * np.sign(x)
    y = 5 * np.sign(x[:, 0]) + rng.standard_normal(300)
    messages = [m for kind, m in caught(MoERegressor(n_experts, gate_alpha=0, random_state=0), x, y)]
    assert any("gate at the root separates its branches perfectly (slopes of up to" in m for m in messages)
    assert all("Raise gate_alpha" in m for m in messages if "separates" in m)
    assert not caught(MoERegressor(n_experts, random_state=0), x, y)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("params", [{}, {"combine_inits": "average"}, {"n_experts": (2, 2)}, {"expert": "student_t"}])
def test_ordinary_data_warn_of_nothing(params, seed):
    assert not caught(MoERegressor(random_state=0, **params), *make_moe_regression(400, random_state=seed))


# -- the last resort ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_experts", [2, 4, 8])
def test_experts_without_mass_do_not_spoil_the_predictive_distribution(n_experts):
    """One plane explains everything: experts that lose their rows must not send their scale to infinity."""
    data, y = make_regression(100, 3, noise=1.0, random_state=0)
    for seed in range(5):
        model = MoERegressor(n_experts, random_state=seed).fit(data, y)
        assert model.converged_
        _, std = model.predict(data, return_std=True)
        assert std.max() < 2 * y.std()


@pytest.mark.parametrize("size", [1e30, 1e150])
@BOTH
def test_far_rows_are_read_without_overflow(make, size):
    model = fitted(make)
    assert np.isfinite(model.predict(size * X)).all()
    np.testing.assert_allclose(model.gate_proba(size * X).sum(axis=1), 1)


def test_responses_at_infinity_have_no_density():
    model = fitted(MoERegressor)
    dist = model.predict_dist(X)
    for y in (np.inf, -np.inf, 1e200):
        np.testing.assert_array_equal(dist.pdf(y), 0.0)
        np.testing.assert_allclose(dist.cdf(y), float(y > 0))


def test_experts_of_classes_are_refused_by_the_regressor():
    from skmoe.experts import BinaryExpert, ClassExpert

    for expert in (BinaryExpert(), ClassExpert(3), [BinaryExpert(), "gaussian"]):
        with pytest.raises(TypeError, match="predicts classes"):
            MoERegressor(2, expert=expert).fit(np.arange(20.0)[:, None], np.arange(20.0))


def test_class_weights_that_leave_nothing_to_learn():
    X, label = np.arange(12.0)[:, None], np.repeat(["a", "b", "c"], 4)
    nothing = r"class_weight=\{.*\} gives every row of positive weight the weight 0"
    with pytest.raises(ValueError, match=nothing):
        MoEClassifier(2, class_weight={"a": 0, "b": 0, "c": 0}).fit(X, label)
    stream = MoEClassifier(2, n_init=1, class_weight={"a": 0, "b": 1, "c": 1}).partial_fit(
        X, label, classes=["a", "b", "c"]
    )
    before = stream.log_prob(X, label)
    with pytest.raises(ValueError, match=nothing):
        stream.partial_fit(X[:4], label[:4])
    np.testing.assert_array_equal(stream.log_prob(X, label), before)
