"""Peers in R on simulated rows of linear Gaussian experts, 20,000 rows, 10 columns, four experts."""

from __future__ import annotations

from ..problems import gaussian
from ..report import Tables
from .race import Peer, raced


def measured(quick: bool) -> Tables:
    n_rows = 1000 if quick else 20_000
    n = 1 if quick else 3
    peers = [
        Peer(package, tolerance, n if tolerance == "default" else 1)
        for package in ("flexmix", "depmixS4", "MoEClust")
        for tolerance in ("default", "1e-10")
    ]
    race = raced(gaussian(n_rows, 10, 4), "gaussian", peers, starts=3 if quick else 20)
    return {f"{n_rows:,} × 10, K=4, Gaussian": race.table, "Optima of our starts": race.optima}
