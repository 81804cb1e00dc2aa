"""Simulated data whose truth is known, for examples, tests and benchmarks."""

from .moe import make_moe_classification, make_moe_regression
from .robot_arm import make_robot_arm
from .transactions import make_transactions

__all__ = ["make_moe_classification", "make_moe_regression", "make_robot_arm", "make_transactions"]
