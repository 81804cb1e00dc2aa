"""Warnings of skmoe. Non-convergence is scikit-learn's `sklearn.exceptions.ConvergenceWarning`."""


class CollapseWarning(UserWarning):
    """A fitted mixture is degenerate: an expert without mass, a scale at its floor, a gate that separates perfectly."""
