"""Figures and words of fitted mixtures: each display computes once and draws any number of times."""

from .band import BandDisplay
from .convergence import ConvergenceDisplay
from .expert import ExpertDisplay
from .explanation import Explanation, explain
from .explanation_display import ExplanationDisplay
from .gate import GateDisplay
from .routing import RoutingDisplay
from .tree import TreeDisplay

__all__ = [
    "BandDisplay",
    "ConvergenceDisplay",
    "ExpertDisplay",
    "Explanation",
    "ExplanationDisplay",
    "GateDisplay",
    "RoutingDisplay",
    "TreeDisplay",
    "explain",
]
