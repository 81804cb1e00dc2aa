"""Peers in R on simulated rows of linear Gaussian experts, 100,000 rows, 20 columns, eight experts."""

from __future__ import annotations

from ..problems import gaussian
from ..report import Tables
from .race import LIMIT, Peer, raced


def measured(quick: bool) -> Tables:
    """Stopped after five minutes; with a tighter tolerance they would only take longer."""
    n_rows = 2000 if quick else 100_000
    peers = [Peer(package) for package in ("flexmix", "depmixS4", "MoEClust")]
    race = raced(gaussian(n_rows, 20, 8), "gaussian", peers, starts=2 if quick else 20, limit=2 if quick else LIMIT)
    return {f"{n_rows:,} × 20, K=8, Gaussian": race.table, "Optima of our starts": race.optima}
