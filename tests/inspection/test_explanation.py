"""Explanations: what is exact, what is said, and that they can be drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmoe import MoEClassifier, MoERegressor
from skmoe.inspection import ExplanationDisplay, explain

rng = np.random.default_rng(0)
X = rng.normal(size=(500, 3)) * [1.0, 10.0, 100.0] + [0, 5, 1000]
z = (X - [0, 5, 1000]) / [1.0, 10.0, 100.0]
binary = np.where(z[:, 0] * z[:, 1] + 0.3 * rng.normal(size=500) > 0.5, "fraud", "genuine")
three = np.select([z[:, 0] > 0.5, z[:, 1] > 0.2], ["a", "b"], "c")
row = X[[7]]

CLASSIFIERS = {
    "flat": {"n_experts": 3},
    "tree": {"n_experts": (2, 2)},
    "average": {"n_experts": 2, "n_init": 3, "combine_inits": "average"},
    "one": {"n_experts": 1},
    "some columns": {"n_experts": 2, "gate_features": [0], "expert_features": [1, 2]},
    "top": {"n_experts": 3, "top_k": 1},
}


def classifier(y, **params):
    return MoEClassifier(**{"n_init": 2, "random_state": 0, **params}).fit(X, y)


@pytest.fixture(scope="module")
def model():
    return classifier(binary, n_experts=3)


# -- exactness -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", CLASSIFIERS.values(), ids=list(CLASSIFIERS))
@pytest.mark.parametrize("target", ["fraud", "genuine"])
def test_contributions_add_up_within_every_expert(params, target):
    model = classifier(binary, **params)
    why = explain(model, row, X, target=target)
    np.testing.assert_allclose(why.at_average + why.by_expert.sum(axis=1), logit(why.alone), rtol=1e-8)
    average = model.predict_experts(X.mean(axis=0, keepdims=True))[0, :, model.classes_ == target][0]
    np.testing.assert_allclose(why.at_average, logit(average), rtol=1e-8)


@pytest.mark.parametrize("params", CLASSIFIERS.values(), ids=list(CLASSIFIERS))
def test_parts_of_the_probability(params):
    model = classifier(binary, **params)
    why = explain(model, row, X, target="fraud")
    assert why.answer == model.predict_proba(row)[0, 0]
    np.testing.assert_allclose([why.weight.sum(), why.part.sum()], 1)
    np.testing.assert_allclose(why.weight @ why.alone, why.answer)
    np.testing.assert_allclose(why.base, model.predict_proba(X)[:, 0].mean())
    if model.top_k is None:
        np.testing.assert_allclose(why.weight, model.gate_proba(row)[0])
        np.testing.assert_allclose(why.part, model.responsibilities(row, ["fraud"])[0])
    np.testing.assert_allclose(why.contributions, why.part @ why.by_expert)


def test_three_classes_against_their_mean():
    model = classifier(three, n_experts=2)
    for target in "abc":
        why = explain(model, row, X, target=target)
        log_prob = np.log(model.predict_experts(row)[0])
        expected = log_prob[:, model.classes_ == target][:, 0] - log_prob.mean(axis=1)
        np.testing.assert_allclose(why.at_average + why.by_expert.sum(axis=1), expected, rtol=1e-8)
    assert explain(model, row, X).target == model.predict(row)[0]


@pytest.mark.parametrize("combine", ["best", "average"])
def test_contributions_of_a_regressor_add_up_to_the_mean(combine):
    y = np.abs(z[:, 0]) + 0.1 * rng.normal(size=500)
    model = MoERegressor(3, n_init=2, combine_inits=combine, random_state=0).fit(X, y)
    why = explain(model, row, X)
    np.testing.assert_allclose(why.at_average + why.by_expert.sum(axis=1), why.alone)
    np.testing.assert_allclose(why.part @ why.at_average + why.contributions.sum(), model.predict(row)[0])
    assert why.target is None
    assert str(why).startswith("Predicted ")


def test_routing_adds_up_to_the_log_odds_of_the_gate():
    model = classifier(binary, n_experts=3)
    why = explain(model, row, X)
    log_gate = [np.log(model.gate_proba(x)[0]) for x in (row, X.mean(axis=0, keepdims=True))]
    change = log_gate[0] - log_gate[1]
    np.testing.assert_allclose(why.routing.sum(), why.part @ (change - change.mean()), rtol=1e-8)


def test_log_odds_of_the_mixture_move_as_stated():
    # d log-odds / d eta_k = s_k (1 - P_k) / (1 - P), here by finite differences through the intercept of an expert.
    why = explain(classifier(binary, n_experts=3), row, X, target="fraud")
    eta, step = logit(why.alone), 1e-6
    for k in range(3):
        moved = [why.weight @ (1 / (1 + np.exp(-(eta + s * step * (np.arange(3) == k))))) for s in (1, -1)]
        slope = (logit(moved[0]) - logit(moved[1])) / (2 * step)
        np.testing.assert_allclose(slope, why.part[k] * (1 - why.alone[k]) / (1 - why.answer), rtol=1e-5, atol=1e-9)


def test_weighted_reference(model):
    weight = rng.integers(0, 3, len(X))
    weighted, repeated = explain(model, row, X, sample_weight=weight), explain(model, row, np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(weighted.by_expert, repeated.by_expert, rtol=1e-8)
    np.testing.assert_allclose(weighted.base, repeated.base)


# -- names and values ----------------------------------------------------------------------------------------


def test_pipelines_show_names_and_raw_values():
    pd = pytest.importorskip("pandas")
    country = np.where(z[:, 2] > 0, "FR", "DE")
    frame = pd.DataFrame({"amount": X[:, 2], "country": country, "age": X[:, 1]})
    columns = make_column_transformer(
        (StandardScaler(), ["amount"]), (OneHotEncoder(sparse_output=False), ["country"]), remainder="passthrough"
    )
    pipeline = make_pipeline(columns, MoEClassifier(2, n_init=1, random_state=0)).fit(frame, binary)
    why = explain(pipeline, frame.iloc[[3]], frame)
    assert why.columns[0] == "standardscaler__amount"
    assert why.values[0] == frame["amount"].iloc[3]
    assert why.values[3] == frame["age"].iloc[3]
    assert why.values[1:3] == [float(country[3] == "DE"), float(country[3] == "FR")]
    np.testing.assert_allclose(
        why.alone, pipeline[-1].predict_experts(pipeline[:-1].transform(frame.iloc[[3]]))[0, :, 1]
    )


def test_polars_frames():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(X, schema=["a", "b", "c"], orient="row")
    model = MoEClassifier(2, n_init=1, random_state=0).fit(frame, binary)
    why = explain(model, frame[7:8], frame)
    assert why.columns == ["a", "b", "c"]
    np.testing.assert_array_equal(why.values, row[0])


# -- words ---------------------------------------------------------------------------------------------------


def test_words(model):
    why = explain(model, row, X, target="fraud")
    lines = str(why).splitlines()
    assert why.answer / why.base < 10
    times = f"{why.answer / why.base:.2g}"
    assert lines[0] == f"Probability of fraud: {why.answer:.3f}, {times} times the base rate of {why.base:.2g}."
    k = int(why.part.argmax())
    assert lines[1].startswith(f"Expert {k} answers with weight {why.weight[k]:.2f}: alone it says ")
    assert why.words("a chargeback").startswith("Probability of a chargeback")
    speaks = next(line for line in lines if line.startswith("What speaks for it: "))
    j = int(why.contributions.argmax())
    assert speaks.startswith(f"What speaks for it: x{j} ")
    assert f"({why.contributions[j]:+.2f})" in speaks


def test_experts_that_say_little_are_told_together():
    model = MoEClassifier(4, n_init=3, combine_inits="average", random_state=0).fit(X, binary)
    why = explain(model, row, X)
    named = [line for line in str(why).splitlines() if " answers with weight " in line]
    assert len(named) == len(why.telling) <= 5
    assert " of fit " in named[0]
    others = 12 - len(named)
    assert f"The {others} other experts have weight" in str(why)


@pytest.mark.parametrize(
    ("value", "text"),
    [(412.0, "412"), (1234.5, "1,234.50"), (0.12345, "0.123"), (np.nan, "missing"), ("FR", "FR"), (None, "missing")],
)
def test_values_as_people_write_them(value, text):
    from skmoe.inspection.explanation import shown

    assert shown(value) == text


# -- what is refused -----------------------------------------------------------------------------------------


def test_more_than_one_row(model):
    with pytest.raises(ValueError, match=r"one row: .* got shape \(2, 3\)"):
        explain(model, X[:2], X)


def test_unknown_target(model):
    with pytest.raises(ValueError, match=r"target='theft' is no class of the fit: expected one of \['fraud', 'gen"):
        explain(model, row, X, target="theft")


def test_other_estimators():
    with pytest.raises(TypeError, match="got LogisticRegression"):
        explain(LogisticRegression().fit(X, binary), row, X)


# -- figures -------------------------------------------------------------------------------------------------


def test_bars_add_up_to_the_contributions(model):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    display = ExplanationDisplay.from_estimator(model, row, X, target="fraud", n_columns=2)
    why = display.explanation
    largest = np.argsort(-np.abs(why.contributions))[:2]
    widths = [[bar.get_width() for bar in container] for container in display.ax_.containers]
    np.testing.assert_allclose(np.sum(widths, axis=0), why.contributions[largest])
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert [label.split(" = ")[0] for label in labels] == [f"x{j}" for j in largest]
    _, ax = matplotlib.pyplot.subplots()
    assert display.plot(ax=ax, event="theft").ax_ is ax
    assert ax.get_title(loc="left").startswith("Probability of theft")
    matplotlib.pyplot.close("all")


def test_weights_and_targets_are_checked():
    X, y = np.arange(20.0).reshape(10, 2), np.arange(10.0)
    model = MoERegressor(1).fit(X, y)
    with pytest.raises(ValueError, match="sample_weight"):
        explain(model, X[:1], X, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="zero"):
        explain(model, X[:1], X, sample_weight=np.zeros(10))
    with pytest.raises(ValueError, match=r"target=1: this MoERegressor has one output\. Leave target out"):
        explain(model, X[:1], X, target=1)


def test_a_regressor_says_where_contributions_start():
    X = np.arange(20.0).reshape(10, 2)
    model = MoERegressor(1).fit(X, X @ [1.0, 2.0])
    why = explain(model, X[9:], X)
    start = float(why.part @ why.at_average)
    assert start + why.contributions.sum() == pytest.approx(why.answer)
    assert f"have the mean {start:.3g}; from there:" in str(why)
