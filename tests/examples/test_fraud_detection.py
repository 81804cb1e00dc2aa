"""The fraud example: nothing trains on the future, money and cards are counted right, and the whole runs."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skmoe import MoEClassifier

pd = pytest.importorskip("pandas")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

import fraud_detection  # noqa: E402
from fraud.calibration import reliability  # noqa: E402
from fraud.columns import prepared  # noqa: E402
from fraud.money import card_precision, cost, saved  # noqa: E402
from fraud.scenarios import taken  # noqa: E402
from fraud.splits import blocks, check_frauds, known_before  # noqa: E402
from fraud.study import HEAD, worth  # noqa: E402
from fraud.tables import clock, from_frame, read_frame, seconds, simulated  # noqa: E402

rng = np.random.default_rng(0)


def options(**changes):
    names = {"label": None, "weight": None, "time": None, "day": 86_400.0, "delay": 0.0, "amount": None, "card": None}
    return Namespace(**{**names, "seed": 0, **changes})


def mixed(n=600):
    """A small table with numbers, a heavy tail, categories, gaps and dates."""
    risk = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "when": pd.Timestamp("2024-05-01") + pd.to_timedelta(np.sort(rng.uniform(0, 40, n)), unit="D"),
            "amount": np.exp(2 * rng.normal(size=n)) * 20,
            "risk": np.where(rng.uniform(size=n) < 0.1, np.nan, risk),
            "country": rng.choice(["FR", "DE", None], n),
            "card": rng.integers(0, 50, n),
            "w": rng.integers(1, 4, n),
            "fraud": (risk + rng.normal(size=n) > 1.2).astype(int),
        }
    )
    return frame


# -- splits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 1, 50, 300])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_no_row_trains_before_its_label_is_known(delay, ties, seed):
    time = np.random.default_rng(seed).uniform(0, 1000, 400)
    time = np.sort(np.round(time, -2) if ties else time)
    label_time = time + delay
    splits = blocks(time, label_time, n_splits=3, share=0.4)
    for train, test in splits:
        start = time[test].min()
        assert (label_time[train] <= start).all()
        assert not set(train) & set(test)
        assert len(test)
    tested = np.concatenate([test for _, test in splits])
    np.testing.assert_array_equal(tested, np.flatnonzero(time >= np.quantile(time, 0.6, method="higher")))


def test_simulated_splits_respect_the_delay():
    table = simulated(seed=0, quick=True)
    week = 7
    assert table.day[table.train].min() >= 37
    assert table.day[table.train].max() < table.day[table.test].min() - week + 1
    for train, test in table.folds:
        assert table.day[table.train][train].max() <= table.day[table.train][test].min() - week
    assert not set(table.train) & set(table.test)


def test_given_splits_respect_the_delay():
    frame, day = mixed(), 86_400
    table = from_frame(frame, options(label="fraud", time="when", delay=3 * day))
    time = seconds(frame["when"])
    assert (time[table.train] + 3 * day < time[table.test].min()).all()
    for train, test in table.folds:
        assert (time[table.train][train] + 3 * day < time[table.train][test].min()).all()


def test_rows_at_the_start_are_tested_and_do_not_train():
    time = np.array([0.0, 1.0, 2.0, 2.0, 3.0])
    train, test = known_before(2.0, time, time, stop=3.0)
    assert (train.tolist(), test.tolist()) == ([0, 1], [2, 3])


def test_splits_without_fraud_are_refused():
    y = np.array([0, 0, 0, 1])
    with pytest.raises(ValueError, match="Split 0 has 0 frauds in 2 rows to train"):
        check_frauds(y, [(np.array([0, 1]), np.array([2, 3]))])


# -- money and cards -----------------------------------------------------------------------------------------


def test_cost_by_hand():
    y, alert = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])
    amount, weight = np.array([100.0, 30.0, 7.0, 5.0]), np.array([1.0, 2.0, 3.0, 1.0])
    # An alert on a fraud: 10. A missed fraud, twice: 2 * 30. A false alert, three times: 3 * 10. Nothing: 0.
    assert cost(y, alert, amount, 10.0, weight) == 10 + 60 + 30
    assert saved(y, alert, amount=amount, fee=10.0, sample_weight=weight) == (100 + 60) - 100


def card_precision_by_hand(k, rows):
    """The handbook's words, one day after the other; rows are (day, card, score, y)."""
    blocked, precisions = set(), []
    for today in sorted({day for day, *_ in rows}):
        score, compromised = {}, {}
        for day, card, s, y in rows:
            if day == today and card not in blocked:
                score[card] = max(score.get(card, -np.inf), s)
                compromised[card] = compromised.get(card, 0) or y
        top = sorted(score, key=score.get, reverse=True)[:k]
        found = {card for card in top if compromised[card]}
        blocked |= found
        precisions.append(len(found) / k)
    return np.mean(precisions)


@pytest.mark.parametrize("k", [1, 3, 40])
def test_card_precision_equals_a_double_loop(k):
    n = 400
    day, card, y = rng.integers(0, 8, n), rng.integers(0, 30, n), (rng.uniform(size=n) < 0.2).astype(int)
    score = rng.permutation(n) / n
    expected = card_precision_by_hand(k, list(zip(day, card, score, y, strict=True)))
    np.testing.assert_allclose(card_precision(k, y, score, day, card), expected)


def test_a_card_found_is_not_found_again():
    y, score, day = np.array([1, 1, 0]), np.array([0.9, 0.9, 0.1]), np.array([0, 1, 1])
    assert card_precision(1, y, score, day, np.array([5, 5, 6])) == 0.5
    assert card_precision(1, y, score, day, np.array([5, 7, 6])) == 1.0


# -- tables and columns --------------------------------------------------------------------------------------


def test_files_give_equal_tables(tmp_path):
    pytest.importorskip("pyarrow")
    X, y, when = rng.normal(size=(80, 3)), rng.integers(0, 2, 80), np.sort(rng.uniform(0, 3e6, 80))
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y, when=when)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", X=X, names=np.array(["a", "b", "c"]), y=y, when=when, other=np.zeros((2, 2)))
    tables = [
        from_frame(read_frame(tmp_path / f"t.{kind}"), options(time="when", delay=1e5))
        for kind in ("csv", "parquet", "npz")
    ]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table.X, tables[0].X)
        for name in ("y", "weight", "amount", "day", "train", "test"):
            np.testing.assert_array_equal(getattr(table, name), getattr(tables[0], name))
    assert list(tables[0].X.columns) == ["a", "b", "c", "noon", "morning", "weekday"]


def test_roles_leave_the_columns():
    table = from_frame(mixed(), options(label="fraud", weight="w", time="when", amount="amount", card="card"))
    assert list(table.X.columns) == ["amount", "risk", "country", "noon", "morning", "weekday"]
    assert set(table.weight) == {1.0, 2.0, 3.0}


def test_unknown_columns_and_labels_are_refused():
    with pytest.raises(ValueError, match="no column 'Amount': expected one of"):
        from_frame(mixed(), options(amount="Amount"))
    with pytest.raises(ValueError, match="'card' must hold 1 for fraud and 0 else"):
        from_frame(mixed(), options(label="card"))


def test_the_clock_has_no_jump_at_midnight():
    columns = clock(np.array([0.0, 6, 12, 18, 24]), day=24)
    np.testing.assert_allclose(columns["noon"], [-1, 0, 1, 0, -1], atol=1e-12)
    np.testing.assert_allclose(columns["morning"], [0, 1, 0, -1, 0], atol=1e-12)


def test_mixed_columns_with_gaps_and_levels_never_seen():
    table = from_frame(mixed(), options(label="fraud", time="when", amount="amount"))
    X = table.X.iloc[table.train]
    columns = prepared(X).fit(X)
    names = columns.get_feature_names_out().tolist()
    seen = pd.DataFrame(columns.transform(X), columns=names)
    np.testing.assert_allclose(seen["amount"], np.log1p(X["amount"]))
    np.testing.assert_array_equal(seen["missingindicator_risk"], X["risk"].isna())
    assert seen["risk"][X["risk"].isna().to_numpy()].nunique() == 1
    new = X.iloc[[0]].assign(country="XX", risk=np.nan)
    coded = pd.DataFrame(columns.transform(new), columns=names)
    assert (coded.filter(like="country_") == 0).all(axis=None)
    model = make_pipeline(prepared(X), MoEClassifier(2, n_init=1, random_state=0)).fit(X, table.y[table.train])
    assert np.isfinite(model.predict_proba(new)).all()


# -- what is reported ----------------------------------------------------------------------------------------


def test_bins_hold_all_payments_and_calibrated_scores_lie_on_the_line():
    score = rng.uniform(size=20_000) ** 4
    y, weight = (rng.uniform(size=20_000) < score).astype(int), rng.uniform(0.5, 1.5, 20_000)
    bins = reliability(y, score, weight)
    np.testing.assert_allclose(sum(b.payments for b in bins), weight.sum())
    for b in bins:
        assert abs(b.observed - b.predicted) < 4 * np.sqrt(b.predicted * (1 - b.predicted) / b.payments) + 1e-3


def test_scenarios_by_hand():
    h = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    first, second = taken(h, np.array([1, 1, 3]))
    assert (first.scenario, first.frauds, first.expert, first.share, first.purity) == (
        "amounts above 220",
        2,
        0,
        0.75,
        1,
    )
    assert (second.frauds, second.expert, second.share) == (1, 1, 1.0)
    np.testing.assert_allclose(second.purity, 1 / 1.5)


def test_worth_of_perfect_scores():
    table = simulated(seed=0, quick=True)
    figures = worth(table, table.y[table.test].astype(float), threshold=0.5, fee=0.0, k=1)
    assert figures["average precision"] == figures["ROC-AUC"] == figures["saved"] == 1.0
    n_days = len(np.unique(table.day[table.test]))
    np.testing.assert_allclose(figures["alerts"], table.y[table.test].sum() / n_days)


def test_the_story_runs(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    results = fraud_detection.main(["--quick", "--figures", str(tmp_path)])
    said = capsys.readouterr().out
    assert HEAD.format(k=10) in said
    for result in results:
        assert str(result) in said
        assert np.isfinite(list(result.figures.values())).all()
    assert "Who takes which kind of fraud?" in said
    assert "Why was this payment stopped?" in said
    assert "\r" not in said  # a bar is for terminals
    assert {path.stem for path in tmp_path.iterdir()} >= {"precision_recall", "reliability", "experts", "gate", "money"}


def test_the_story_runs_on_a_table_of_ones_own(tmp_path, capsys):
    mixed().to_csv(tmp_path / "t.csv", index=False)
    named = ["--label", "fraud", "--weight", "w", "--time", "when", "--amount", "amount", "--card", "card"]
    file = ["--data", str(tmp_path / "t.csv"), "--delay", "86400"]
    results = fraud_detection.main([*file, *named, "--quick", "--no-figures"])
    assert len(results) == 4
    assert "country" in str(results[0].model[:-1].get_feature_names_out())
    assert "Who takes which kind" not in capsys.readouterr().out
