"""Vectors of numbers in NumPy; the classes of the same names in `skmoe.neural.embeddings` say what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]


def embedded_numbers(z: np.ndarray, kind: str, arrays: Arrays) -> np.ndarray:
    """Vectors of numbers (n_rows, n_columns), NaN where there is a gap, (n_rows, n_columns, d_embedding)."""
    gap = np.isnan(z)
    z = np.where(gap, z.dtype.type(0), z)
    vectors = z[..., None] * arrays["numbers.slope"] + arrays["numbers.bias"]
    if arrays["numbers.weight"].shape[1]:
        vectors += (_ENCODED[kind](z.T[..., None], arrays) @ arrays["numbers.weight"]).transpose(1, 0, 2)
    if gap.any():
        vectors = np.where(gap[..., None], arrays["numbers.gap"], vectors)
    return vectors


def _piecewise_linear(z: np.ndarray, arrays: Arrays) -> np.ndarray:
    return np.clip((z - arrays["numbers.left"][:, None]) * arrays["numbers.inverse"][:, None], 0, 1)


def _periodic(z: np.ndarray, arrays: Arrays) -> np.ndarray:
    angle = z * (arrays["numbers.frequency"] * z.dtype.type(2 * np.pi))[:, None]
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)


#: Of numbers (n_columns, n_rows, 1) what their vectors are linear in, (n_columns, n_rows, n_features), by embedding.
_ENCODED: dict[str, Callable[[np.ndarray, Arrays], np.ndarray]] = {
    "ple": _piecewise_linear,
    "periodic": _periodic,
}
