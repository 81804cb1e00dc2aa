"""The table of payments: simulated, or read from a file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from skmoe.datasets import make_transactions

from .splits import Split, blocks, check_frauds, known_before, shuffled

DAY = 86_400

#: What a missed fraud costs where no column says it.
LOSS = 100.0


class Table(NamedTuple):
    """Payments, what is known of each, and how they are divided.

    ``folds`` are pairs of places in ``train``; ``scenario`` is known of simulated payments only.
    """

    X: pd.DataFrame
    y: np.ndarray
    weight: np.ndarray
    amount: np.ndarray
    day: np.ndarray
    card: np.ndarray
    train: np.ndarray
    test: np.ndarray
    folds: list[Split]
    story: str
    scenario: np.ndarray | None = None


def simulated(seed: int, quick: bool) -> Table:
    """Payments of 105 days, or of few customers over 80."""
    n_customers, n_days, test_day = (150, 80, 62) if quick else (600, 105, 82)
    payments = make_transactions(n_customers, 2 * n_customers, n_days, random_state=seed)
    X = pd.DataFrame(payments.data, columns=payments.feature_names)
    # Before day 37 the windows of 30 days, which end a week ago, are incomplete.
    known, test = known_before(test_day * DAY, payments.time, payments.label_time)
    train = known[payments.day[known] >= 37]
    folds = blocks(payments.time[train], payments.label_time[train], n_splits=2, share=0.35)
    return Table(
        X=X,
        y=payments.target,
        weight=np.ones(len(X)),
        amount=payments.amount,
        day=payments.day,
        card=payments.customer,
        train=train,
        test=test,
        folds=check_frauds(payments.target[train], folds),
        story=f"Train on days 37-{payments.day[train].max()}, test on days {test_day}-{n_days - 1}: "
        "a label is known after a week, and no row trains before that.",
        scenario=payments.scenario,
    )


def read_frame(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file, or an npz file: the columns of X, by ``names`` or as x0, x1, ..., and the other arrays."""
    if path.suffix in {".parquet", ".pq"}:
        return pd.read_parquet(path)
    if path.suffix != ".npz":
        return pd.read_csv(path, skipinitialspace=True)
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    X = arrays.pop("X")
    names = arrays.pop("names", [f"x{j}" for j in range(X.shape[1])])
    others = {name: values for name, values in arrays.items() if values.shape == (len(X),)}
    return pd.DataFrame(X, columns=[str(name) for name in names]).assign(**others)


def from_frame(frame: pd.DataFrame, options: Namespace) -> Table:
    """The table of a frame whose columns have the names in the options."""
    roles = (options.label, options.weight, options.time, options.amount, options.card)
    for name in (name for name in roles if name and name not in frame.columns):
        raise ValueError(f"The table has no column {name!r}: expected one of {list(frame.columns)}.")
    label = options.label or ("y" if "y" in frame.columns else frame.columns[-1])
    y = frame[label].to_numpy()
    if not np.isin(y, [0, 1]).all():
        raise ValueError(f"Column {label!r} must hold 1 for fraud and 0 else, got {pd.unique(y)[:5].tolist()}.")
    y = y.astype(np.int64)
    X = frame.drop(columns=[name for name in (label, options.weight, options.card, options.time) if name])
    time = None if options.time is None else seconds(frame[options.time])
    if time is not None:
        X = X.assign(**clock(time, options.day))
    train, test, folds, story = divided(y, time, options)
    return Table(
        X=X,
        y=y,
        weight=frame[options.weight].to_numpy(float) if options.weight else np.ones(len(y)),
        amount=frame[options.amount].to_numpy(float) if options.amount else np.full(len(y), LOSS),
        day=np.zeros(len(y), dtype=int) if time is None else (time // options.day).astype(int),
        card=frame[options.card].to_numpy() if options.card else np.arange(len(y)),
        train=train,
        test=test,
        folds=folds,
        story=story + ("" if options.amount else f" No --amount: every missed fraud costs {LOSS:.0f}."),
    )


def divided(y: np.ndarray, time: np.ndarray | None, options: Namespace) -> tuple[np.ndarray, np.ndarray, list, str]:
    """Rows to train and to test, folds among those to train, and the same in words."""
    if time is None:
        ((train, test),) = check_frauds(y, shuffled(y, 1, 0.3, options.seed))
        folds = shuffled(y[train], 2, 0.25, options.seed)
        return train, test, folds, "No --time: 70 % of the rows to train, 30 % to test, at random."
    label_time = time + options.delay
    ((train, test),) = check_frauds(y, blocks(time, label_time, 1, 0.3))
    folds = check_frauds(y[train], blocks(time[train], label_time[train], 2, 0.35))
    return (
        train,
        test,
        folds,
        f"Test on the last 30 % by {options.time}, train on labels known {options.delay:g} before.",
    )


def seconds(time: pd.Series) -> np.ndarray:
    """Numbers as they are; dates as seconds since the first Monday's midnight before them."""
    if pd.api.types.is_numeric_dtype(time):
        return time.to_numpy(float)
    when = pd.to_datetime(time)
    monday = when.min().normalize() - pd.Timedelta(days=when.min().weekday())
    return (when - monday).dt.total_seconds().to_numpy()


def clock(time: np.ndarray, day: float) -> dict[str, np.ndarray]:
    """Time of the day as two coordinates of a clock, without a jump at midnight; the weekday where weeks are seen."""
    angle = 2 * np.pi * (time % day) / day
    columns = {"noon": -np.cos(angle), "morning": np.sin(angle)}
    if np.ptp(time) >= 14 * day:
        columns["weekday"] = np.array([f"day {int(d)}" for d in time // day % 7], dtype=object)
    return columns
