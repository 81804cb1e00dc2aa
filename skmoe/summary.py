"""The experts as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._estimator import MixtureOfExperts


def summary_table(model: MixtureOfExperts) -> Any:
    """A DataFrame with a row an expert: its share, scale and coefficients, of each output or class in turn."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("summary() returns a pandas DataFrame: pip install pandas.") from error
    labels, values = zip(("share", model.expert_share_), *_columns(model), strict=True)
    index = pd.RangeIndex(model.n_experts_, name="expert")
    return pd.DataFrame(np.column_stack(values), columns=list(labels), index=index)


def _columns(model: MixtureOfExperts) -> Iterator[tuple[str, np.ndarray]]:
    """Labels and values (n_experts,)."""
    names = list(getattr(model, "feature_names_in_", [f"x{j}" for j in range(model.n_features_in_)]))
    labels = model._output_labels()
    shape = (model.n_experts_, max(1, len(labels)))
    intercept = model.expert_intercept_.reshape(shape)
    coef = model.expert_coef_.reshape(shape[0], len(names), shape[1])
    scale = model.expert_scale_.reshape(shape) if hasattr(model, "expert_scale_") else None
    for j, suffix in enumerate([f" [{label}]" for label in labels] or [""]):
        if scale is not None:
            yield f"scale{suffix}", scale[:, j]
        yield f"intercept{suffix}", intercept[:, j]
        yield from ((f"{name}{suffix}", column) for name, column in zip(names, coef[:, :, j].T, strict=True))
