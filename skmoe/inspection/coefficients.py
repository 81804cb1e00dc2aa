"""What an expert learned: its coefficients for a class, and the facts that stand above them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from .._estimator import MixtureOfExperts
from ..digits import percent


def check_target(model: MixtureOfExperts, target: Any) -> Any:
    """The class whose coefficients are shown; None for a regressor."""
    if not is_classifier(model):
        if target is not None:
            raise ValueError(f"target={target!r} names a class, but {type(model).__name__} predicts numbers.")
        return None
    classes = model.classes_.tolist()
    if target is None and len(classes) == 2:
        return classes[1]
    if target not in classes:
        raise ValueError(f"target={target!r}: name the class whose coefficients to show, one of {classes}.")
    return target


def slopes(model: MixtureOfExperts, target: Any) -> np.ndarray:
    """Slopes (n_experts, n_features) in the user's units, of the log-odds of the target."""
    if target is None:
        return model.expert_coef_
    position = model.classes_.tolist().index(target)
    if model.expert_coef_.ndim == 3:
        return model.expert_coef_[:, :, position]
    return model.expert_coef_ if position == 1 else -model.expert_coef_


def facts(model: MixtureOfExperts, X: Any, y: Any, target: Any) -> dict[str, list[str]]:
    """Share of each expert, its scale, and the rate of a class among its rows, each where there is such."""
    rows = {"share": [percent(share) for share in model.expert_share_]}
    if hasattr(model, "expert_scale_"):
        rows["scale"] = ["-" if np.isnan(scale) else f"{scale:.2g}" for scale in model.expert_scale_]
    if target is not None and X is not None and y is not None:
        h = model.responsibilities(X, y)
        rate = h.T @ (np.asarray(y) == target) / np.maximum(h.sum(axis=0), 1e-300)
        rows[f"rate of {target}"] = [percent(r) for r in rate]
    return rows
