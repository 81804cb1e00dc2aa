"""Look inside a fitted mixture."""

from .explanation import Explanation, explain
from .explanation_display import ExplanationDisplay

__all__ = ["Explanation", "ExplanationDisplay", "explain"]
