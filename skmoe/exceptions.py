"""Warnings of skmoe. Non-convergence is scikit-learn's `sklearn.exceptions.ConvergenceWarning`."""


class CollapseWarning(UserWarning):
    """A fitted mixture is degenerate: an expert without mass, a scale at its floor, a gate that separates perfectly."""


class UnseenColumnWarning(UserWarning):
    """Rows vary in a column that did not vary when the mixture was fitted, so that the mixture cannot see it."""


class LevelsWarning(UserWarning):
    """A column of categories tells nothing: most of its levels occur once, or none of those that come is known."""
