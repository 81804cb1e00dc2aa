"""Which rows are held out, what scores them, and which epoch is kept."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from sklearn.metrics import get_scorer, log_loss, make_scorer, mean_pinball_loss, r2_score, roc_auc_score  # noqa: E402
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, ShuffleSplit, TimeSeriesSplit  # noqa: E402
from small import GAPS, KINDS, LABELS, OUTPUTS, THREE, X, Y, assert_same_answers, classifier, regressor  # noqa: E402

from skmoe import MoERegressor  # noqa: E402
from skmoe.neural.holding_out import groups_by_size, held_out  # noqa: E402

LAST = np.arange(len(Y)) >= len(Y) - round(0.15 * len(Y))
KIND = pytest.mark.parametrize("kind", KINDS)


# -- which rows --------------------------------------------------------------------------------------------------------


def divided(strata, how="stratified", fraction=0.15, seed=0):
    passed, seen = (np.zeros((len(strata), 2)), np.zeros(len(strata))), np.arange(len(strata))
    train, test = held_out(np.asarray(strata), how, fraction, np.random.RandomState(seed), passed, seen)
    assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(strata)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()
    return train, test


def test_of_every_group_the_same_share_is_held_out():
    strata = np.repeat([0, 1, 2], [200, 60, 4])
    _, test = divided(strata, fraction=0.25)
    assert_array_equal(np.bincount(strata[test]), [50, 15, 1])
    assert (divided(strata, fraction=0.25, seed=1)[1] != test).any()
    assert_array_equal(divided(strata, fraction=0.25)[1], test)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_a_rare_group_has_rows_on_both_sides(fraction):
    strata = np.repeat([0, 1, 2], [100, 2, 1])
    train, test = divided(strata, fraction=fraction)
    assert {0, 1, 2} == set(strata[train])
    assert {0, 1} == set(strata[test])


def test_the_last_rows_are_held_out_in_their_order():
    assert_array_equal(divided(np.zeros(10), "last", 0.3)[1], [7, 8, 9])


@pytest.mark.parametrize(
    "splitter",
    [KFold(4), TimeSeriesSplit(3, test_size=8, gap=2), ShuffleSplit(1, test_size=0.1, train_size=0.2, random_state=0)],
)
def test_of_a_splitter_both_sides_of_the_last_split_are_taken(splitter):
    X, y = np.zeros((40, 2)), np.zeros(40)
    sides = held_out(y.astype(int), splitter, 0.15, np.random.RandomState(0), (X, y), np.arange(40))
    for found, wanted in zip(sides, list(splitter.split(X))[-1], strict=True):
        assert_array_equal(found, np.sort(wanted))


def test_a_splitter_divides_the_rows_that_were_passed():
    seen = np.arange(0, 40, 2)  # the others have no weight
    fold = PredefinedSplit(np.where(np.arange(40) >= 30, 0, -1))
    train, test = held_out(
        np.zeros(20, int), fold, 0.15, np.random.RandomState(0), (np.zeros((40, 2)), np.zeros(40)), seen
    )
    assert_array_equal(seen[train], np.arange(0, 30, 2))
    assert_array_equal(seen[test], np.arange(30, 40, 2))


class Sides:
    """A splitter of one split, which is given."""

    def __init__(self, *splits):
        self.splits = splits

    def split(self, X, y=None, groups=None):
        return iter(self.splits)

    def get_n_splits(self, X=None, y=None, groups=None):
        return len(self.splits)


def test_a_splitter_may_speak_as_numpy_does():
    """Masks and numbers from the end."""
    late = np.arange(40) >= 30
    for sides in [(~late, late), (np.arange(30), np.arange(-10, 0)), (list(range(30)), list(range(30, 40)))]:
        train, test = divided_by(Sides(sides))
        assert_array_equal(train, np.arange(30))
        assert_array_equal(test, np.arange(30, 40))


@pytest.mark.parametrize("splitter", [Sides(), PredefinedSplit([-1] * 40)])
def test_a_splitter_without_a_split_is_refused(splitter):
    with pytest.raises(ValueError, match=r"(?s)validation=.* has no split: expected one at least"):
        divided_by(splitter)


def test_a_splitter_of_other_rows_is_refused():
    with pytest.raises(ValueError, match=r"validation=.* names rows that are not among the 40 of X \(index 40 is out"):
        divided_by(Sides((np.arange(30), np.arange(30, 41))))


def test_splits_that_follow_time_end_with_the_last_row():
    """The first split of them would leave out most rows, and those the latest."""
    train, test = divided_by(TimeSeriesSplit(3, gap=2))
    assert_array_equal(train, np.arange(28))
    assert_array_equal(test, np.arange(30, 40))


@pytest.mark.parametrize(
    ("splitter", "message"),
    [
        (GroupKFold(3), r"cannot divide the rows: The 'groups' parameter should not be None\. Pass .* X_val and y_val"),
        (KFold(50), r"cannot divide the rows: Cannot have number of splits n_splits=50 greater than .*\. Pass another"),
        (KFold, r"validation=KFold is a class: expected a splitter, KFold\(\.\.\.\)"),
        (Sides((np.arange(9),) * 3), r"divides the rows into 3 parts: expected two"),
        (Sides((np.arange(30), np.arange(28, 40))), r"has 2 rows on both sides: expected rows .* not trained on"),
    ],
    ids=["groups", "too many", "class", "three parts", "both sides"],
)
def test_a_splitter_that_does_not_divide_is_refused(splitter, message):
    with pytest.raises(ValueError, match=message):
        divided_by(splitter)


def divided_by(splitter):
    return held_out(
        np.zeros(40, int), splitter, 0.15, np.random.RandomState(0), (np.zeros((40, 2)), np.zeros(40)), np.arange(40)
    )


@pytest.mark.parametrize(
    ("n_rows", "how", "fraction"), [(1, "stratified", 0.5), (1, "last", 0.9), (3, "last", 0.1), (3, "last", 0.9)]
)
def test_rows_are_needed_on_both_sides(n_rows, how, fraction):
    with pytest.raises(ValueError, match=rf"n_samples={n_rows} leaves \d rows to train on and \d to validate by"):
        divided(np.zeros(n_rows), how, fraction)


def test_numbers_are_grouped_by_size():
    y = np.random.default_rng(0).standard_normal(1000)
    groups = groups_by_size(y)
    assert_array_equal(np.bincount(groups), np.full(10, 100))
    assert (np.diff(groups[np.argsort(y)]) >= 0).all()
    assert_array_equal(groups_by_size(y[:9]), np.zeros(9))
    tied = groups_by_size(np.repeat([0.0, 1.0], [900, 100]))
    assert len(set(tied[:900])) == len(set(tied[900:])) == 1


# -- the same as rows of one's own -------------------------------------------------------------------------------------


@KIND
@pytest.mark.parametrize("how", ["last", PredefinedSplit(np.where(LAST, 0, -1)), TimeSeriesSplit(2, test_size=9)])
def test_rows_held_out_are_as_rows_that_are_passed(kind, how):
    make, y = KINDS[kind]
    train, out = ~LAST, LAST
    if isinstance(how, TimeSeriesSplit):
        train, out = (np.isin(np.arange(len(y)), side) for side in list(how.split(X))[-1])
    own = make(validation=how).fit(GAPS, y)
    passed = make().fit(GAPS[train], y[train], X_val=GAPS[out], y_val=y[out])
    assert own.validation_score_ == passed.validation_score_
    assert_same_answers(own, passed, GAPS)


def test_rows_that_validate_do_not_train():
    spoiled = np.where(LAST, 1e6, Y)
    settings = {"validation": "last", "max_epochs": 1}
    clean, dirty = regressor(**settings).fit(X, Y), regressor(**settings).fit(X, spoiled)
    assert_array_equal(clean.predict(X), dirty.predict(X))
    assert clean.validation_score_ != dirty.validation_score_


def test_weights_of_rows_that_validate():
    weight = np.arange(LAST.sum()) % 3.0
    one = regressor(max_epochs=1).fit(X, Y, X_val=X[LAST], y_val=Y[LAST], sample_weight_val=weight)
    twice = np.repeat(np.flatnonzero(LAST), weight.astype(int))
    other = regressor(max_epochs=1).fit(X, Y, X_val=X[twice], y_val=Y[twice])
    assert one.validation_score_ == pytest.approx(other.validation_score_, rel=1e-6)


# -- what scores -------------------------------------------------------------------------------------------------------


def fit(kind, y, **changed):
    model = kind(max_epochs=8, learning_rate=0.02, **changed)
    return model.fit(X[~LAST], y[~LAST], X_val=X[LAST], y_val=y[LAST])


@pytest.mark.parametrize(
    ("kind", "y", "scoring", "score"),
    [
        (regressor, Y, None, lambda m, X, y: m.log_prob(X, y).mean()),
        (regressor, OUTPUTS, None, lambda m, X, y: m.log_prob(X, y).mean()),
        (regressor, Y, "r2", lambda m, X, y: m.score(X, y)),
        (regressor, OUTPUTS, "neg_mean_squared_error", lambda m, X, y: -np.square(m.predict(X) - y).mean()),
        (classifier, THREE, None, lambda m, X, y: m.log_prob(X, y).mean()),
        (classifier, THREE, "neg_log_loss", lambda m, X, y: -log_loss(y, m.predict_proba(X))),
        (classifier, THREE, "accuracy", lambda m, X, y: m.score(X, y)),
        (classifier, LABELS, "roc_auc", lambda m, X, y: roc_auc_score(y == "same", m.predict_proba(X)[:, 1])),
        (
            regressor,
            Y,
            lambda m, X, y: -mean_pinball_loss(y, m.predict_quantile(X, 0.9), alpha=0.9),
            lambda m, X, y: -mean_pinball_loss(y, m.predict_quantile(X, 0.9), alpha=0.9),
        ),
        (
            classifier,
            LABELS,
            make_scorer(lambda y, p: -np.abs((y == "same") - p).mean(), response_method="predict_proba"),
            lambda m, X, y: -np.abs((y == "same") - m.predict_proba(X)[:, 1]).mean(),
        ),
    ],
)
def test_the_best_epoch_is_kept(kind, y, scoring, score):
    """The network predicts as it did when it scored best, which the rows that validated say themselves."""
    model = fit(kind, y, scoring=scoring)
    sparse = [told["validation_score"] for told in model.history_ if told["k"] == 2]
    every = [told["validation_score"] for told in model.history_]
    assert model.validation_score_ == max(sparse) == every[model.best_epoch_ - 1]
    assert model.validation_score_ == pytest.approx(score(model, X[LAST], y[LAST]), abs=1e-3)
    assert len(set(every)) > 1


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("y", [Y, OUTPUTS], ids=["one", "outputs"])
def test_the_log_density_that_validates_is_in_units_of_y(y, precision):
    """Of a thousand times y it is lower by log 1000 for every output, and the epochs are the same."""
    weight = 1 + np.arange(LAST.sum()) % 3.0
    passed = {"X_val": X[LAST], "sample_weight_val": weight}
    one, other = (
        regressor(precision=precision).fit(X[~LAST], times * y[~LAST], **passed, y_val=times * y[LAST])
        for times in (1, 1000)
    )
    for model, times in ((one, 1), (other, 1000)):
        expected = np.average(model.log_prob(X[LAST], times * y[LAST]), weights=weight)
        assert model.validation_score_ == pytest.approx(expected, abs=2e-5)
    lower = np.log(1000) * y.reshape(len(y), -1).shape[1]
    scores = [np.array([told["validation_score"] for told in model.history_]) for model in (one, other)]
    assert_allclose(scores[0] - scores[1], lower, atol=1e-3)
    assert one.best_epoch_ == other.best_epoch_


def test_stopping_changes_no_epoch_before():
    model = regressor(max_epochs=30, learning_rate=0.05, n_iter_no_change=6, soft_start=0.0).fit(X, Y)
    assert 1 <= model.best_epoch_ < model.n_iter_ < 30
    last = regressor(max_epochs=30, learning_rate=0.05, soft_start=0.0, n_iter_no_change=30).fit(X, Y)
    assert [told["loss"] for told in last.history_][: model.n_iter_] == [told["loss"] for told in model.history_]


@pytest.mark.parametrize("patience", [1, 3])
def test_patience(patience):
    model = regressor(max_epochs=40, learning_rate=0.05, n_iter_no_change=patience).fit(X, Y)
    assert model.n_iter_ == model.best_epoch_ + patience < 40
    scores = [told["validation_score"] for told in model.history_]
    assert max(scores[model.best_epoch_ :]) <= model.validation_score_


def test_the_soft_start_is_waited_for():
    """Patience begins after it."""
    model = regressor(max_epochs=20, soft_start=0.5, n_iter_no_change=1, learning_rate=0.05).fit(X, Y)
    assert [told["k"] for told in model.history_[:11]] == [4] * 10 + [2] * 1
    assert model.best_epoch_ > 10


def test_a_score_that_is_not_a_number_is_the_worst():
    scores = iter([np.nan, 1.0, np.nan, 2.0, np.nan, np.nan])
    model = regressor(max_epochs=6, soft_start=0.0, scoring=lambda model, X, y: next(scores)).fit(X, Y)
    assert (model.best_epoch_, model.validation_score_) == (4, 2.0)


@pytest.mark.parametrize(
    ("kind", "y", "scoring", "message"),
    [
        (regressor, Y, lambda model, X, y: np.nan, r"scoring=<function .*lambda.* by was never finite \(at first nan"),
        (classifier, THREE, lambda model, X, y: np.inf, r"scoring=<function .* was never finite \(at first inf"),
        (
            regressor,
            Y,
            "r2",
            r"scoring='r2' of the rows to validate by was never finite \(at first nan\), so no epoch is",
        ),
        (
            regressor,
            np.where(LAST, 1e300, Y),
            None,
            r"The mean log density of the rows .* never finite \(at first -?(inf|nan)",
        ),
    ],
    ids=["nan", "inf", "r2 of one row", "density of a far row"],
)
@pytest.mark.filterwarnings("ignore:R.2 score is not well-defined")
def test_a_score_that_is_never_finite_says_so(kind, y, scoring, message):
    """And what was fitted before stays."""
    model = kind(max_epochs=1).fit(X, THREE if kind is classifier else Y)
    before = copy.deepcopy(model)
    model.set_params(scoring=scoring, max_epochs=3)
    out = LAST & (np.arange(len(y)) == len(y) - 1) if scoring == "r2" else LAST
    with pytest.raises(ValueError, match=message):
        model.fit(X[~LAST], y[~LAST], X_val=X[out], y_val=y[out])
    assert_same_answers(model, before, X)
    assert model.history_ == before.history_


@pytest.mark.parametrize("returned", [None, {"r2": 1.0}, "high"], ids=["nothing", "several", "text"])
def test_a_score_that_is_no_number_is_refused(returned):
    with pytest.raises(ValueError, match=r"scoring=<function .* returned .* of the rows to validate by: expected one"):
        regressor(scoring=lambda model, X, y: returned).fit(X, Y)


def test_of_a_mixture_whose_score_is_not_finite_an_epoch_is_kept():
    mixture = MoERegressor(3, n_init=1, random_state=0).fit(X, Y)
    scores = iter([np.nan, np.nan, 1.0])
    model = regressor(init=mixture, max_epochs=2, scoring=lambda model, X, y: next(scores)).fit(X, Y)
    assert (model.best_epoch_, model.validation_score_, model.top_k_) == (2, 1.0, 2)
    assert [told["validation_score"] for told in model.history_] == [-np.inf, 1.0]


def test_without_it_the_last_epoch_is_kept():
    model = regressor(early_stopping=False).fit(X, Y)
    assert (model.best_epoch_, model.n_iter_, model.validation_score_) == (4, 4, None)
    assert {told["validation_score"] for told in model.history_} == {None}


@KIND
def test_no_epoch_at_all(kind):
    make, y = KINDS[kind]
    model = make(max_epochs=0).fit(GAPS, y)
    assert (model.best_epoch_, model.n_iter_, model.history_, model.top_k_) == (0, 0, [], 2)
    assert model.n_parameters_ > 100
    assert np.isfinite(model.log_prob(GAPS, y)).all()
    assert_allclose(model.gate_proba(GAPS).sum(1), 1)


def test_scores_are_weighted_where_rows_are():
    seen = []

    def score(model, X, y, sample_weight=None):
        seen.append(sample_weight)
        return 0.0

    weight = np.linspace(1, 2, len(Y))
    regressor(max_epochs=1, validation="last", scoring=score).fit(X, Y, weight)
    assert_array_equal(seen[-1], weight[LAST])
    regressor(max_epochs=1, scoring=score).fit(X, Y)
    assert seen[-1] is None


@pytest.mark.parametrize(
    ("kind", "y", "scoring"),
    [
        (regressor, Y, "neg_max_error"),
        (classifier, THREE, "adjusted_rand_score"),
        (classifier, LABELS, make_scorer(lambda y, predicted: np.mean(y == predicted))),
        (regressor, Y, lambda model, X, y: model.score(X, y)),
    ],
    ids=["max error", "clusters", "a metric of one's own", "a scorer of one's own"],
)
def test_weights_are_kept_from_metrics_that_take_none(kind, y, scoring):
    model = kind(validation="last", scoring=scoring).fit(X, y, np.linspace(1, 2, len(y)))
    scorer = get_scorer(scoring)
    assert model.validation_score_ == pytest.approx(scorer(model, X[LAST], y[LAST]), rel=1e-5)


@pytest.mark.parametrize("scoring", ["neg_mean_absolute_error", make_scorer(r2_score)], ids=["name", "scorer"])
def test_metrics_that_take_weights_get_them(scoring):
    weight = np.where(np.arange(len(Y)) % 2, 9.0, 1.0)
    model = regressor(validation="last", scoring=scoring).fit(X, Y, weight)
    weighted = get_scorer(scoring)(model, X[LAST], Y[LAST], sample_weight=weight[LAST])
    assert model.validation_score_ == pytest.approx(weighted, rel=1e-4)
    assert model.validation_score_ != pytest.approx(get_scorer(scoring)(model, X[LAST], Y[LAST]), rel=1e-3)


@KIND
def test_scorers_see_how_many_experts_there_are(kind):
    """Those of the network that they score, also of the mixture that training begins with."""
    make, y = KINDS[kind]
    seen = []

    def score(model, X, y):
        seen.append((model.n_experts_, model.top_k_, (model._gated(X, -1).weights > 0).sum(-1).max()))
        return 0.0

    make(max_epochs=2, top_k=3, scoring=score).fit(X, y)
    assert seen == [(4, 3, 3)] * 2
    if kind == "regressor":
        seen.clear()
        mixture = MoERegressor(3, n_init=1, random_state=0).fit(X, y)
        make(max_epochs=1, top_k=1, scoring=score, init=mixture).fit(X, y)
        assert seen == [(3, 3, 3), (3, 1, 1)]
