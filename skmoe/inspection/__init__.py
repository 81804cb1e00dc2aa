"""Figures of fitted mixtures: each display computes once and draws any number of times."""

from .band import BandDisplay
from .convergence import ConvergenceDisplay
from .expert import ExpertDisplay
from .gate import GateDisplay
from .routing import RoutingDisplay

__all__ = ["BandDisplay", "ConvergenceDisplay", "ExpertDisplay", "GateDisplay", "RoutingDisplay"]
