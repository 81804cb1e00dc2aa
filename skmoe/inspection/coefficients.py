"""What an expert learned: its coefficients for a class or an output, and the facts that stand above them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from .._estimator import MixtureOfExperts
from ..digits import percent
from .targets import of_target


def slopes(model: MixtureOfExperts, target: Any) -> np.ndarray:
    """Slopes (n_experts, n_features) in the user's units, of an output or of the log-odds of a class."""
    if is_classifier(model) and model.classes_.tolist().index(target) == 0 and len(model.classes_) == 2:
        return -model.expert_coef_
    return of_target(model, model.expert_coef_, target)


def meaning(model: MixtureOfExperts, target: Any) -> str:
    """What the coefficients are, in words."""
    if is_classifier(model):
        return f"log-odds of {target}"
    return "coefficient" if target is None else f"coefficient for {target}"


def facts(model: MixtureOfExperts, X: Any, y: Any, target: Any) -> dict[str, list[str]]:
    """Share of each expert, its scale, and the rate of a class among its rows, each where there is such."""
    rows = {"share": [percent(share) for share in model.expert_share_]}
    if hasattr(model, "expert_scale_"):
        scales = of_target(model, model.expert_scale_, target)
        rows["scale"] = ["-" if np.isnan(scale) else f"{scale:.2g}" for scale in scales]
    if is_classifier(model) and X is not None and y is not None:
        h = model.responsibilities(X, y)
        rate = h.T @ (np.asarray(y) == target) / np.maximum(h.sum(axis=0), 1e-300)
        rows[f"rate of {target}"] = [percent(r) for r in rate]
    return rows
