"""skmoe: mixtures of experts for tabular data, as scikit-learn estimators."""

__version__ = "0.1.0"
