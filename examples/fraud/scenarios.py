"""Which expert takes which kind of fraud, where the kinds are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NAMES = {1: "amounts above 220", 2: "compromised terminals", 3: "stolen cards"}


class Taken(NamedTuple):
    """A scenario: its frauds, the expert that takes most of them, and how pure that expert's frauds are.

    ``share`` is the part of the scenario's frauds that the expert takes, ``purity`` the part of the expert's frauds
    that are of the scenario; both by the responsibilities.
    """

    scenario: str
    frauds: int
    expert: int
    share: float
    purity: float


def taken(responsibilities: np.ndarray, scenario: np.ndarray) -> list[Taken]:
    """For each scenario, from responsibilities (n_frauds, n_experts) of frauds and their scenario (n_frauds,)."""
    found = []
    for kind, name in NAMES.items():
        own = responsibilities[scenario == kind]
        if not len(own):
            continue
        k = int(own.sum(axis=0).argmax())
        of_expert = responsibilities[:, k].sum()
        found.append(Taken(name, len(own), k, own[:, k].sum() / len(own), own[:, k].sum() / of_expert))
    return found
