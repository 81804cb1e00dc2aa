"""Dataframes, lists and series: the same fit as of the arrays they hold."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')
pd = pytest.importorskip("pandas")

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from sklearn.model_selection import KFold  # noqa: E402
from small import GAPS, LABELS, OUTPUTS, WHOLE, X, Y, assert_same_answers, classifier, regressor  # noqa: E402

CITY = np.array(["Rome", "Bern", None, "Oslo"], dtype=object)[np.digitize(X[:, 1], [-0.5, 0, 0.5])]
#: The cities as numbers, gaps as NaN, in the order of the codes.
NUMBERED = np.array([{"Bern": 1.0, "Oslo": 2.0, "Rome": 3.0}.get(city, np.nan) for city in CITY])
ARRAY = np.column_stack([GAPS[:, :2], NUMBERED])


def pandas_frame():
    return pd.DataFrame({"a": GAPS[:, 0], "b": GAPS[:, 1], "city": CITY}, index=np.arange(len(X))[::-1])


def polars_frame():
    polars = pytest.importorskip("polars")
    columns = {"a": GAPS[:, 0], "b": GAPS[:, 1], "city": polars.Series(CITY.tolist(), dtype=polars.Categorical)}
    return polars.DataFrame(columns).with_columns(polars.col("a", "b"))


FRAMES = pytest.mark.parametrize("frame", [pandas_frame, polars_frame], ids=["pandas", "polars"])


@FRAMES
@pytest.mark.parametrize("validation", ["stratified", "last", KFold(4)], ids=["stratified", "last", "splitter"])
@pytest.mark.parametrize("scoring", [None, "r2"])
def test_of_a_frame_and_of_its_array(frame, validation, scoring):
    settings = {"validation": validation, "scoring": scoring}
    of_frame = regressor(**settings).fit(frame(), Y)
    of_array = regressor(**settings, categorical_features=[2]).fit(ARRAY, Y)
    assert of_frame.validation_score_ == of_array.validation_score_
    assert_array_equal(of_frame.predict(frame()), of_array.predict(ARRAY))
    assert of_frame.feature_names_in_.tolist() == ["a", "b", "city"]


def test_categories_are_learned_from():
    """Three cities and the gap are four predictions."""
    rows = pandas_frame()[["city"]]
    predicted = regressor(max_epochs=15).fit(rows, Y).predict(rows)
    assert len(np.unique(predicted.round(6))) == 4
    assert np.ptp(predicted) > 0.1


@FRAMES
def test_rows_of_ones_own(frame):
    rows = frame()
    split = (lambda a, b: rows.iloc[a:b]) if hasattr(rows, "iloc") else (lambda a, b: rows[a:b])
    for scoring in (None, "r2"):
        passed = regressor(scoring=scoring).fit(split(0, 90), Y[:90], X_val=split(90, 120), y_val=Y[90:])
        own = regressor(scoring=scoring, validation="last", validation_fraction=0.25).fit(rows, Y)
        assert passed.validation_score_ == own.validation_score_


def test_series_and_lists():
    plain = regressor(scoring="r2").fit(X, Y, WHOLE)
    assert_same_answers(
        regressor(scoring="r2").fit(X, pd.Series(Y, index=np.arange(120)[::-1]), pd.Series(WHOLE)), plain, X
    )
    assert_same_answers(regressor(scoring="r2").fit(X.tolist(), Y.tolist(), WHOLE.tolist()), plain, X)
    labels = classifier(scoring="neg_log_loss").fit(X, LABELS)
    for y in (pd.Series(LABELS, dtype="string"), pd.Series(LABELS, dtype="category"), LABELS.tolist()):
        assert_same_answers(classifier(scoring="neg_log_loss").fit(X, y), labels, X)


def test_names_of_outputs():
    model = regressor(scoring="r2").fit(X, pd.DataFrame(OUTPUTS, columns=["u", "v"]))
    assert model.output_names_ == ["u", "v"]
    assert_same_answers(model, regressor(scoring="r2").fit(X, OUTPUTS), X)
    assert not hasattr(model.fit(X, Y), "output_names_")


def test_levels_that_are_new_are_gaps():
    model = classifier().fit(pandas_frame(), LABELS)
    rows = pandas_frame()[:4].assign(city=["Lima", None, "Quito", np.nan], a=0.0, b=0.0)
    assert_allclose(np.ptp(model.predict_proba(rows), axis=0), 0, atol=1e-12)


def test_other_names_are_refused():
    model = regressor().fit(pandas_frame(), Y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(pandas_frame()[["b", "a", "city"]])
    with pytest.raises(ValueError, match="feature names"):
        regressor().fit(pandas_frame(), Y, X_val=pandas_frame().rename(columns={"a": "z"}), y_val=Y)
    with pytest.raises(ValueError, match="Column 'a' of X holds values that are no numbers, such as 'one'"):
        model.predict(pandas_frame().astype({"a": object}).assign(a="one"))
