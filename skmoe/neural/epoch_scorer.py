"""Scores of epochs on the rows held out, by the log density or a metric of the user's, and scores that say nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from .fitted import Encoding, FittedNetwork
from .given import Validation

#: Of who reads the network, the experts of a row, and whether the temperature may be changed.
Score = Callable[[Any, int, bool], float]


def epoch_scorer(estimator: Any, encoding: Encoding, out: Validation, dtype: Any) -> Score:
    """A function that scores the rows held out, and finds the temperature at which their responses are likeliest.

    Parameters
    ----------
    estimator : estimator
        Its ``scoring`` is asked; what it is asked of is a copy that predicts with the network as it is now.
    encoding : Encoding
    out : Validation
    dtype : dtype
        In which the rows are read.
    """
    table, lines = encoding.inputs(out.given.raw, dtype)
    weight = out.given.trained / out.given.trained.mean()  # their sum, beside the prior of temperatures, is rows
    metric = None if estimator.scoring is None else _metric(estimator, out)

    def score(reader: Any, k: int, calibrate: bool) -> float:
        network = FittedNetwork(encoding, reader.architecture, {}, k, reader=reader)
        calibrate = calibrate and estimator.calibrate
        if metric is not None and not calibrate:
            return metric(network)
        judged = network, reader.read(table, lines), out.given.coded, weight
        reader.temperature, log_density = estimator._judged(*judged, calibrate)
        return log_density if metric is None else metric(network)

    return score


def _metric(estimator: Any, out: Validation) -> Callable[[FittedNetwork], float]:
    """What ``scoring`` says of a network."""
    scorer = check_scoring(estimator, estimator.scoring)
    view = copy.copy(estimator)
    weights = {"sample_weight": out.given.weight} if np.ptp(out.given.weight) > 0 and _takes_weights(scorer) else {}

    def metric(network: FittedNetwork) -> float:
        view._network = network
        view.n_experts_, view.top_k_ = network.architecture.n_experts, network.k
        return _number(scorer(view, out.X, out.y, **weights), estimator.scoring)

    return metric


def check_scored(scoring: Any, score: float | None) -> None:
    """ValueError where the best score of a training is not finite: then none was, and no epoch is better than others.

    Parameters
    ----------
    scoring : str, callable or None
    score : float or None
        None where nothing was validated.
    """
    if score is None or np.isfinite(score):
        return
    name = "The mean log density" if scoring is None else f"scoring={scoring!r}"
    raise ValueError(
        f"{name} of the rows to validate by was never finite (at first {score}), so no epoch is the best: expected a "
        "finite number after one epoch at least. Validate by more rows (validation_fraction, or X_val and y_val) or by "
        "none (early_stopping=False), choose another scoring, or look for responses out of all proportion there."
    )


def _number(score: Any, scoring: Any) -> float:
    """What a scorer returned, as a number."""
    try:
        return float(score)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"scoring={scoring!r} returned {score!r} of the rows to validate by: expected one number, higher for a "
            "better network. Pass a name of scikit-learn's, or a function of an estimator, X and y."
        ) from error


def _takes_weights(scorer: Any) -> bool:
    """Whether a scorer has a use for weights. Those of scikit-learn all take them, and pass them to their metric."""
    return "sample_weight" in signature(getattr(scorer, "_score_func", scorer)).parameters
