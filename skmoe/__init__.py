"""skmoe: mixtures of experts for tabular data, as scikit-learn estimators."""

from .classification import MoEClassifier
from .regression import MoERegressor

__version__ = "0.1.0"

__all__ = ["MoEClassifier", "MoERegressor"]
