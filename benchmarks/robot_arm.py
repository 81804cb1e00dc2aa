"""Forward dynamics of a robot arm with four joints: Jordan & Jacobs (1994), Table 1, run again.

OPENBLAS_NUM_THREADS=1 python -m benchmarks.robot_arm                      the table, about half an hour on one thread
OPENBLAS_NUM_THREADS=1 python -m benchmarks.robot_arm --models tree flat --seeds 3
OPENBLAS_NUM_THREADS=1 python -m benchmarks.robot_arm --variants           the tree of 1994 with other settings
OPENBLAS_NUM_THREADS=1 python -m benchmarks.robot_arm --curve              error after so many passes

15,000 rows to train and 5,000 to test, from `skmoe.datasets.make_robot_arm`. The relative error is the mean square
error over test rows over that of predicting the training mean, averaged over the joints. Passes are counted in rows
that were evaluated, those that make the start included.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MoERegressor
from skmoe.datasets import make_robot_arm
from skmoe.mixture import Mixture

N_TRAIN, N_TEST = 15_000, 5_000

#: What Jordan & Jacobs print: relative error and passes.
PRINTED = {
    "linear": (0.31, "1"),
    "backpropagation": (0.09, "5,500"),
    "mixture, binary tree of 16 experts": (0.10, "35"),
    "CART": (0.17, ""),
    "MARS": (0.16, ""),
}


class Rows(NamedTuple):
    """Columns and accelerations to train and to test."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    @classmethod
    def drawn(cls, seed: int) -> Rows:
        X, y = make_robot_arm(N_TRAIN + N_TEST, random_state=seed)
        return cls(X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:], y[N_TRAIN:])

    def relative_error(self, model: Any) -> np.ndarray:
        """Of each joint."""
        off = np.square(model.predict(self.X_test) - self.y_test).mean(axis=0)
        return off / np.square(self.y_test - self.y.mean(axis=0)).mean(axis=0)


# -- models ------------------------------------------------------------------------------------------------------------


class Model(NamedTuple):
    """A label, an estimator for each seed, how many seeds are worth their time, and the most passes of one start."""

    label: str
    make: Callable[[int], BaseEstimator]
    seeds: int = 1
    most_passes: int | None = None


def mixture(shape: int | tuple, degree: int = 1, **params: Any) -> Callable[[int], Pipeline]:
    """Experts that are polynomials of the scaled columns, behind gates that see the columns themselves."""

    def make(seed: int) -> Pipeline:
        settings = {"n_init": 1, "init": "hyperplanes", "gate_features": slice(12), "random_state": seed, **params}
        features = PolynomialFeatures(degree, include_bias=False)
        return make_pipeline(StandardScaler(), features, MoERegressor(shape, **settings))

    return make


def average(shape: int | tuple, n_init: int, degree: int = 1, **params: Any) -> Callable[[int], Pipeline]:
    """The average of several starts."""
    return mixture(shape, degree, n_init=n_init, combine_inits="average", **params)


def held_out(estimator: BaseEstimator, **grid: list) -> GridSearchCV:
    """Settings that do best on a fifth of the training rows."""
    return GridSearchCV(estimator, grid, cv=ShuffleSplit(1, test_size=0.2, random_state=0))


def polynomial(degree: int) -> Pipeline:
    return make_pipeline(StandardScaler(), PolynomialFeatures(degree), StandardScaler(), RidgeCV(np.logspace(-4, 4, 9)))


def network(seed: int, *layers: int) -> Pipeline:
    """Backpropagation by Adam, until a tenth of the rows say that it is enough."""
    settings = {"activation": "tanh", "early_stopping": True, "n_iter_no_change": 20, "max_iter": 2000}
    one = MLPRegressor(hidden_layer_sizes=layers, random_state=seed, **settings)
    return make_pipeline(StandardScaler(), TransformedTargetRegressor(one, transformer=StandardScaler()))


def boosting(seed: int) -> GridSearchCV:
    one = HistGradientBoostingRegressor(max_iter=3000, early_stopping=True, random_state=seed)
    return held_out(MultiOutputRegressor(one), estimator__max_leaf_nodes=[7, 15, 31])


BINARY = {depth: (2,) * depth for depth in (4, 5, 6)}

OTHERS = [
    Model("linear regression", lambda seed: LinearRegression()),
    Model(
        "CART, depth and leaves by held-out rows",
        lambda seed: held_out(
            DecisionTreeRegressor(random_state=seed), max_depth=[6, 8, 10, 12, None], min_samples_leaf=[1, 5, 20]
        ),
    ),
    Model(
        "additive splines, for MARS",
        lambda seed: make_pipeline(SplineTransformer(12), RidgeCV(np.logspace(-4, 4, 9))),
    ),
    Model("quadratic regression", lambda seed: polynomial(2)),
    Model("cubic regression", lambda seed: polynomial(3)),
    Model("boosting, one a joint, leaves by held-out rows", boosting),
    Model("network, one layer of 64", lambda seed: network(seed, 64), seeds=3),
    Model("network, two layers of 256", lambda seed: network(seed, 256, 256), seeds=3),
    Model(
        "network, two layers of 256, five averaged",
        lambda seed: BaggingRegressor(network(seed, 256, 256), 5, bootstrap=False, random_state=seed),
    ),
]

#: What the position of an arm decides is how velocities and torques act: the gates need not see these.
POSITIONS: dict[str, Any] = {"gate_features": slice(4), "alpha": 1.0}

MIXTURES = [
    Model("tree of 16", mixture(BINARY[4]), seeds=10, most_passes=35),
    Model("tree of 16, tilted starts", mixture(BINARY[4], init="tilt"), seeds=10, most_passes=35),
    Model("tree of 16, to convergence", mixture(BINARY[4]), seeds=10),
    Model("tree of 16, best of five", mixture(BINARY[4], n_init=5), seeds=3),
    Model("tree of 16, average of five", average(BINARY[4], 5)),
    Model("tree of 4 x 4", mixture((4, 4)), seeds=10, most_passes=35),
    Model("flat, 16", mixture(16), seeds=10, most_passes=35),
    Model("tree of 32", mixture(BINARY[5]), seeds=10, most_passes=35),
    Model("tree of 32, average of five", average(BINARY[5], 5)),
    Model("flat, 32", mixture(32), seeds=10, most_passes=35),
    Model("tree of 64", mixture(BINARY[6]), seeds=5, most_passes=35),
    Model(
        "tree of 16, a mixture for each joint", lambda seed: MultiOutputRegressor(mixture(BINARY[4], max_iter=34)(seed))
    ),
    Model("quadratic experts, tree of 16", mixture(BINARY[4], 2), seeds=5, most_passes=35),
    Model("quadratic experts, flat, 16", mixture(16, 2), seeds=5, most_passes=35),
    Model("quadratic experts, flat, 16, average of ten", average(16, 10, 2, max_iter=34)),
    Model("cubic experts, flat, 4", mixture(4, 3, alpha=0.1), seeds=3, most_passes=35),
    Model("cubic experts, flat, 8", mixture(8, 3, alpha=1.0), seeds=3, most_passes=35),
    Model("cubic experts, flat, 8, average of five", average(8, 5, 3, alpha=1.0, max_iter=34)),
    Model("quadratic experts, flat, 32, gates see positions", mixture(32, 2, **POSITIONS), seeds=3, most_passes=35),
    Model("cubic experts, flat, 8, gates see positions", mixture(8, 3, **POSITIONS), seeds=3, most_passes=35),
    Model("cubic experts, flat, 8, gates see positions, average of five", average(8, 5, 3, max_iter=34, **POSITIONS)),
]

#: The tree of 1994 from one start, with one setting changed.
VARIANTS = [
    Model(f"{name}={value!r}", mixture(BINARY[4], **{name: value}), seeds=5, most_passes=35)
    for name, values in {
        "alpha": [1e-4, 1e-2, 1.0, 10.0],
        "gate_alpha": [1e-4, 1.0, 10.0],
        "scale_floor": [0.1, 0.2, 0.3],
        "memory": [0, 30],
        "expert": ["student_t"],
    }.items()
    for value in values
]
VARIANTS.append(
    Model(
        "gates that see squares and products",
        mixture(BINARY[4], 2, gate_features=None, expert_features=slice(12)),
        5,
        35,
    )
)


# -- passes ------------------------------------------------------------------------------------------------------------


class Count:
    """Passes so far."""

    passes = 0.0


@contextmanager
def counted() -> Iterator[Count]:
    """Counts rows whose sums were gathered, whoever asked for them, in passes over the training rows."""
    count, gather = Count(), Mixture.gather

    def counting(self: Mixture, params: Any, chunk: Any, **options: Any) -> Any:
        count.passes += len(chunk.weight) / N_TRAIN
        return gather(self, params, chunk, **options)

    Mixture.gather = counting  # type: ignore[method-assign]
    try:
        yield count
    finally:
        Mixture.gather = gather  # type: ignore[method-assign]


def epochs(model: Any) -> float:
    """Passes of a network over its rows, summed over those of an average; none of models that make none."""
    if isinstance(model, BaggingRegressor):
        return sum(epochs(one) for one in model.estimators_)
    last = model[-1] if isinstance(model, Pipeline) else model
    return float(getattr(getattr(last, "regressor_", None), "n_iter_", 0))


class Fit(NamedTuple):
    """Relative error of each joint, passes, and seconds."""

    error: np.ndarray
    passes: float
    seconds: float


def fit(estimator: BaseEstimator, rows: Rows, most_passes: int | None = None) -> Fit:
    """Train and test; with ``most_passes`` the longest run of a mixture that makes no more."""
    most_steps = most_passes
    while True:
        if most_steps is not None:
            estimator.set_params(moeregressor__max_iter=most_steps)
        with counted() as count:
            began = time.perf_counter()
            estimator.fit(rows.X, rows.y)
            seconds = time.perf_counter() - began
        passes = round(count.passes, 1) or epochs(estimator)
        if most_passes is None or passes <= most_passes:
            return Fit(rows.relative_error(estimator), passes, seconds)
        most_steps -= int(np.ceil(passes - most_passes))


# -- tables ------------------------------------------------------------------------------------------------------------


def line(label: str, fits: list[Fit], linear: float) -> str:
    """A line of the table: means over seeds, with the smallest and the largest error."""
    error = np.array([one.error.mean() for one in fits])
    cells = [label, f"{error.mean():.4f}", f"{error.min():.4f}–{error.max():.4f}" if len(fits) > 1 else ""]
    passes, seconds = (float(np.mean([getattr(one, name) for one in fits])) for name in ("passes", "seconds"))
    joints = " ".join(f"{value:.3f}" for value in np.mean([one.error for one in fits], axis=0))
    cells += [f"{error.mean() / linear:.3f}", joints, f"{passes:,.0f}" if passes else "", f"{seconds:.1f}"]
    return "| " + " | ".join(cells) + " |"


def table(rows: Rows, models: list[Model], most_seeds: int) -> None:
    """Every model, a line each."""
    linear = fit(LinearRegression(), rows).error.mean()
    print("| model | relative error | seeds, smallest to largest | of linear | joints | passes | seconds |")
    print("|---|---|---|---|---|---|---|")
    for label, (error, passes) in PRINTED.items():
        print(f"| {label}, 1994 | {error:.2f} | | {error / 0.31:.3f} | | {passes} | |")
    for model in models:
        fits = [fit(model.make(seed), rows, model.most_passes) for seed in range(min(model.seeds, most_seeds))]
        print(line(model.label, fits, linear), flush=True)


def curve(rows: Rows, most_seeds: int) -> None:
    """Relative error after so many passes from one start: the mean over seeds, and of seed 0 alone."""
    shown = [2, 3, 5, 8, 10, 15, 20, 25, 30, 35, 50, 75, 100]
    models = {"tree of 16": mixture(BINARY[4]), "flat, 16": mixture(16), "tree of 32": mixture(BINARY[5])}
    models["quadratic experts, tree of 16"] = mixture(BINARY[4], 2)
    print("| passes | " + " | ".join(models) + " |\n|---" + "|---" * len(models) + "|")
    for most in shown:
        cells = []
        for make in models.values():
            errors = [fit(make(seed), rows, most).error.mean() for seed in range(most_seeds)]
            cells.append(f"{np.mean(errors):.4f}")
        print(f"| {most} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[""], help="only those whose label holds one of these")
    parser.add_argument("--draw", type=int, default=0, help="which rows are drawn")
    parser.add_argument("--seeds", type=int, default=10, help="at most so many a model")
    parser.add_argument("--variants", action="store_true", help="other settings of the tree of 1994 instead")
    parser.add_argument("--curve", action="store_true", help="error after so many passes instead of the table")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = Rows.drawn(args.draw)
    if args.curve:
        curve(rows, min(args.seeds, 5))
    else:
        models = VARIANTS if args.variants else OTHERS + MIXTURES
        table(rows, [model for model in models if any(part in model.label for part in args.models)], args.seeds)


if __name__ == "__main__":
    main()
