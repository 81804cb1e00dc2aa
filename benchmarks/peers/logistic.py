"""Peers in R on simulated rows of logistic experts, 20,000 rows, 10 columns, three experts."""

from __future__ import annotations

from ..problems import logistic
from ..report import Tables
from .race import LIMIT, Peer, raced


def measured(quick: bool) -> Tables:
    n_rows = 1000 if quick else 20_000
    # With its tight tolerance flexmix was not done after five minutes.
    peers = [Peer("flexmix", "default", 1 if quick else 3), Peer("depmixS4", "default")]
    limit = 2 if quick else LIMIT
    race = raced(logistic(n_rows, 10, 3), "binomial", peers, starts=3 if quick else 20, limit=limit)
    return {f"{n_rows:,} × 10, K=3, logistic": race.table, "Optima of our starts": race.optima}
