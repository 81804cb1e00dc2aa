"""Simulated data whose truth is known, for examples, tests and benchmarks."""

from .moe import make_moe_classification, make_moe_regression
from .transactions import make_transactions

__all__ = ["make_moe_classification", "make_moe_regression", "make_transactions"]
