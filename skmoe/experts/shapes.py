"""Parameters of a family after the first, one number an expert: all that they say whatever the rows."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..families.links import Link, Linked
from ..families.protocol import Family


class Shapes(NamedTuple):
    """What the parameters after the first say by themselves, whatever the rows.

    Attributes
    ----------
    value, first, second : ndarray of shape (n_experts, n_outputs, n_links)
        Their values and derivatives in the coordinates of training.
    precision : ndarray of shape (n_experts, n_outputs)
        One over the square of the scale; 1 where the family has no scale of the predictor.
    curvature : tuple of ndarray of shape (n_experts, n_outputs, 1)
        Of the predictor, where it is the same at every row, and of the other parameters.
    """

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray
    precision: np.ndarray
    curvature: tuple[np.ndarray, ...]


@lru_cache(maxsize=64)
def known_of(family: Family, links: tuple[Link, ...], coordinates: bytes, shape: tuple[int, ...]) -> Shapes:
    """Coordinates (n_experts, n_outputs, n_links) as `Shapes`, which several verbs of a pass ask for."""
    values = np.frombuffer(coordinates).reshape(shape)
    linked = Linked(*np.empty((3, *shape)))
    for j, link in enumerate(links):
        for whole, part in zip(linked, link(values[..., j]), strict=True):
            whole[..., j] = part
    precision = np.exp(-2 * linked.value[..., 0]) if family.location_scale else np.ones(shape[:2])
    for whole in (*linked, precision):
        whole.flags.writeable = False
    # Curvatures that are the same at every row can be had at any.
    theta = (np.zeros((*shape[:2], 1)), *(linked.value[..., j, None] for j in range(shape[-1])))
    curvature = family.terms(np.zeros((shape[1], 1)), theta).curvature
    assert curvature is not None
    return Shapes(*linked, precision, curvature)
