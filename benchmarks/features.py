"""Columns as linear models see them: categories one-hot, gaps filled and told, numbers in one of three ways."""

from __future__ import annotations

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)

#: A number with at most so many distinct values has levels, each its own column if enough rows share it.
_MOST_LEVELS, _ROWS_OF_A_LEVEL = 256, 20


def one_hot() -> OneHotEncoder:
    """Categories as columns; rare and unseen levels share one."""
    return OneHotEncoder(sparse_output=False, handle_unknown="infrequent_if_exist", min_frequency=_ROWS_OF_A_LEVEL)


def numbers(kind: str) -> Pipeline:
    """Numbers as they are, as cubic splines, or with each frequent value a column of its own."""
    filled = SimpleImputer(add_indicator=True)
    if kind == "columns":
        return make_pipeline(filled, StandardScaler())
    if kind == "splines":
        return make_pipeline(filled, SplineTransformer(5, knots="quantile", extrapolation="linear", include_bias=False))
    return make_pipeline(filled, make_union(StandardScaler(), one_hot()))


def features(kind: str, X: np.ndarray, categorical: np.ndarray) -> ColumnTransformer:
    """A transformer of one of three kinds.

    Parameters
    ----------
    kind : {"columns", "splines", "levels"}
        ``"columns"``: numbers are scaled. ``"splines"``: they are cubic splines with knots at quantiles. ``"levels"``:
        scaled, and numbers of few distinct values (amounts that repeat, counts) are one-hot encoded besides.
    X : ndarray of shape (n_rows, n_columns)
    categorical : ndarray of int
        Columns that hold categories.
    """
    others = np.setdiff1d(np.arange(X.shape[1]), categorical)
    few = np.array([len(np.unique(X[:, j])) <= _MOST_LEVELS for j in others])
    parts = [("categories", one_hot(), categorical)]
    if kind == "levels":
        parts += [("levels", numbers("levels"), others[few]), ("numbers", numbers("columns"), others[~few])]
    else:
        parts += [("numbers", numbers(kind), others)]
    return ColumnTransformer(parts)


def squares(Z: np.ndarray) -> np.ndarray:
    """Columns and their squares."""
    return np.hstack([Z, np.square(Z)])


def quadratic(kind: str) -> Pipeline:
    """Scaled numbers as they are (``"columns"``), with their squares, or with all squares and products."""
    scaled = make_pipeline(StandardScaler())
    if kind == "squares":
        return make_pipeline(scaled, FunctionTransformer(squares))
    return make_pipeline(scaled, PolynomialFeatures(2, include_bias=False)) if kind == "products" else scaled
