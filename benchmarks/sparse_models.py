"""Sets and models of the tables of quality: sparse mixtures, and what they are to be compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline

from skmoe import MoEClassifier, MoERegressor
from skmoe.neural import SparseMoEClassifier, SparseMoERegressor

from .cards import boosting
from .data import Split, card, load, rare_class, splits
from .features import features, one_hot, quadratic

RARE, CLASSES, NUMBERS = "rare class", "classes", "numbers"

#: What the names of models end with that are given the weights of a set.
WEIGHTED = ", weighted"


class SetOfRows(NamedTuple):
    """What a set asks for, how many of its splits are measured, and which mixture it has been given before.

    The mixtures are those of docs/benchmarks.md, where each was chosen by held-out rows: columns, experts, ridge and
    averaged fits. California and bike are not there; they have those of the largest set that is.
    """

    asks: str
    n_splits: int
    mixture: tuple[str, int, float, int]


SETS = {
    "yacht": SetOfRows(NUMBERS, 20, ("squares", 8, 0.01, 10)),
    "concrete": SetOfRows(NUMBERS, 20, ("squares", 8, 0.01, 10)),
    "power": SetOfRows(NUMBERS, 3, ("squares", 16, 0.01, 5)),
    "kin8nm": SetOfRows(NUMBERS, 3, ("products", 8, 0.01, 5)),
    "letter": SetOfRows(CLASSES, 1, ("squares", 8, 1, 1)),
    "california": SetOfRows(NUMBERS, 3, ("squares", 16, 0.01, 5)),
    "bike": SetOfRows(NUMBERS, 3, ("squares", 16, 0.01, 5)),
    "adult": SetOfRows(CLASSES, 1, ("levels", 1, 10, 5)),
    "creditcard_ulb": SetOfRows(RARE, 5, ("splines", 4, 1, 5)),
    "fraud_handbook_dev": SetOfRows(RARE, 4, ("columns", 8, 1, 5)),
}


class Problem(NamedTuple):
    """Rows of a set, of which NaN is a gap.

    Attributes
    ----------
    asks : {"rare class", "classes", "numbers"}
    weight : ndarray of shape (n_rows,) or None
        How often a row stands for such rows, where a set has that.
    categorical : ndarray of int
        Columns that hold categories.
    ordered : bool
        Whether rows stand in the order of time.
    resolution : float
        Step of the grid on which targets lie, or 0.
    """

    asks: str
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    categorical: np.ndarray
    splits: list[Split]
    mixture: tuple[str, int, float, int]
    ordered: bool = False
    resolution: float = 0.0

    @classmethod
    def of(cls, name: str) -> Problem:
        asks, n_splits, mixture = SETS[name]
        if asks == RARE:
            rows = rare_class(name)
            weight = rows.weight if np.ptp(rows.weight) else None
            ordered = name == "fraud_handbook_dev"
            return cls(asks, rows.X, rows.y, weight, rows.categorical, rows.splits, mixture, ordered)
        arrays = load(name)
        X, y = arrays["X"].astype(float), arrays["y"].astype(float if asks == NUMBERS else int)
        categorical = np.flatnonzero(arrays.get("categorical", np.zeros(X.shape[1])))
        X[:, categorical] = np.where(X[:, categorical] < 0, np.nan, X[:, categorical])  # -1 is the code of a gap
        step = float(card(name).get("target_resolution", 0))
        return cls(asks, X, y, None, categorical, list(splits(arrays, n_splits)), mixture, resolution=step)

    def one_of(self, for_numbers: Any, for_classes: Any) -> Any:
        return for_numbers if self.asks == NUMBERS else for_classes

    def split(self, number: int) -> Split:
        """Training and test rows; of sets with one split it is always that one, and only seeds differ."""
        return self.splits[number % len(self.splits)]

    def filled(self, numbers: Pipeline) -> ColumnTransformer:
        """Categories one-hot; gaps of numbers filled by medians, and told."""
        others = np.setdiff1d(np.arange(self.X.shape[1]), self.categorical)
        imputer = SimpleImputer(strategy="median", add_indicator=True)
        parts = [("numbers", make_pipeline(imputer, numbers), others)]
        return ColumnTransformer(parts + [("categories", one_hot(), self.categorical)] * (len(self.categorical) > 0))


#: An estimator for a problem, with a seed.
Made = Callable[[Problem, int], Any]


def sparse(**parameters: Any) -> Made:
    """A sparse mixture of neural experts; with one expert it is a perceptron of the same embedding and head."""

    def made(problem: Problem, seed: int) -> Any:
        return problem.one_of(SparseMoERegressor, SparseMoEClassifier)(
            categorical_features=problem.categorical.tolist() or None,
            validation="last" if problem.ordered else "stratified",
            device="cpu",
            random_state=seed,
            **parameters,
        )

    return made


def mixture(problem: Problem, seed: int) -> Pipeline:
    """The mixture of linear experts that the page of benchmarks has; the last tenth of a nat is left alone."""
    kind, n_experts, ridge, n_init = problem.mixture
    settings = {"alpha": ridge, "gate_alpha": ridge, "n_init": n_init, "random_state": seed}
    settings |= {"memory": 40, "max_iter": 300, "tol": 0.1}
    if problem.asks == NUMBERS:
        settings["scale_floor"] = max(1e-3, problem.resolution / np.sqrt(12) / problem.y.std())  # the sd of rounding
    settings["combine_inits"] = "average" if n_init > 1 else "best"
    model = problem.one_of(MoERegressor, MoEClassifier)(n_experts, **settings)
    if kind in ("splines", "levels"):
        return Pipeline([("features", features(kind, problem.X, problem.categorical)), ("model", model)])
    return Pipeline([("features", problem.filled(quadratic(kind))), ("model", model)])


def default_boosting(problem: Problem, seed: int) -> Any:
    kind = problem.one_of(HistGradientBoostingRegressor, HistGradientBoostingClassifier)
    return kind(categorical_features=problem.categorical, random_state=seed)


def tuned_boosting(problem: Problem, seed: int) -> Any:
    model = boosting(problem.one_of(HistGradientBoostingRegressor, HistGradientBoostingClassifier))
    return model.set_params(categorical_features=problem.categorical, random_state=seed)


def forest(problem: Problem, seed: int) -> Pipeline:
    oob = {"oob_score": True} if problem.asks == NUMBERS else {}
    model = problem.one_of(RandomForestRegressor, RandomForestClassifier)(300, random_state=seed, **oob)
    return Pipeline([("features", problem.filled(quadratic("columns"))), ("model", model)])


def tabm(problem: Problem, seed: int) -> Any:
    from .peers.tabm_network import TabMClassifier, TabMRegressor

    return problem.one_of(TabMRegressor, TabMClassifier)(
        categorical_features=problem.categorical,
        validation="last" if problem.ordered else "stratified",
        random_state=seed,
    )


BASELINES: dict[str, Made] = {
    "boosting": default_boosting,
    "boosting-tuned": tuned_boosting,
    "forest": forest,
    "mixture": mixture,
    "tabm": tabm,
    "perceptron": sparse(n_experts=1, top_k=1, hidden=(128,), n_members=1),
    "perceptron-members": sparse(n_experts=1, top_k=1, hidden=(128,)),
}
OURS: dict[str, Made] = {"sparse": sparse()}

#: For few rows of a class: small networks, many members, no rows held out. Chosen on creditcard_ulb.
_AS_FOR_FRAUD = {
    "n_members": 16,
    "n_blocks": 1,
    "width": 64,
    "d_embedding": 8,
    "early_stopping": False,
    "max_epochs": 16,
}
FRAUD: dict[str, Made] = {
    "sparse-fraud": sparse(**_AS_FOR_FRAUD),
    "perceptron-fraud": sparse(**_AS_FOR_FRAUD, n_experts=1, top_k=1, hidden=(128,)),
}

#: As many active parameters as the perceptrons, and sixteen times as many experts as are active.
LARGE: dict[str, Made] = {
    "sparse-32": sparse(n_experts=32, top_k=2, hidden=(64,)),
    "sparse-32-one": sparse(n_experts=32, top_k=2, hidden=(64,), n_members=1),
    "n_members=1": sparse(n_members=1),
}
LARGE_SETS = ("california", "letter", "kin8nm")

#: Values of one parameter at a time, all else default.
VALUES: dict[str, tuple] = {
    "embedding": ("linear", "ple", "periodic"),
    "top_k": (1, 2, 4, 8),
    "soft_start": (0, 0.2, 0.5),
    "entropy": (0, 0.1),
    "n_members": (1, 4, 8),
    "balance": (0, 0.01, 0.1),
    "mean_weight": (0, 10, 100),
    "calibrate": (False, True),
}
ABLATIONS: dict[str, Made] = {
    f"{name}={value}": sparse(**{name: value})
    for name, values in VALUES.items()
    for value in values
    if value != getattr(SparseMoERegressor(), name)  # which is "sparse"
}
#: Where they are made, on so many splits.
ABLATION_SETS = {"concrete": 5, "kin8nm": 1, "california": 1, "adult": 1, "creditcard_ulb": 1}

GROUPS = {"baselines": BASELINES, "ours": OURS, "fraud": FRAUD, "large": LARGE, "ablations": ABLATIONS}
MODELS: dict[str, Made] = {name: made for group in GROUPS.values() for name, made in group.items()}
