"""Experts: what is predicted once the gate has chosen, one file each."""

from .classes import BinaryExpert, ClassExpert
from .linear import LinearExpert
from .protocol import Expert

__all__ = ["BinaryExpert", "ClassExpert", "Expert", "LinearExpert"]
