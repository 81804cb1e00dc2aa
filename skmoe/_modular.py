"""Modularity: experts that are added or replaced after a fit, while the others stay what they are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ._validation import check_weight
from .diagnosis import Trouble, troubles_of_part, unseen, warn
from .mixture import Mixture, Params
from .model import FittedMixture
from .records import ravel, unravel
from .rows.source import Rows
from .training.adding import added
from .training.frozen import Frozen, experts_that_move, of_experts
from .training.loop import Run, Settings
from .training.restarts import held_to_one_thread, ranked
from .training.search import Found
from .training_rows import TrainingRows

#: Trains something of a fitted mixture on rows.
Training = Callable[[FittedMixture, Rows, Settings], Run]


class Modular:
    """What fitted estimators can learn without forgetting; a part of `skmoe._estimator.MixtureOfExperts`."""

    freeze: Any
    init: Any
    warm_start: bool
    n_jobs: int | None
    n_experts_: int
    _members: list[FittedMixture]
    _rows_and_response: Callable[[Any, Any], tuple[np.ndarray, np.ndarray]]
    _names: Callable[[], list[str]]
    _report: Callable[[Found], None]
    _batch: Callable[[np.ndarray, np.ndarray, np.ndarray], TrainingRows]
    _conclude: Callable[..., None]
    expert_share_: np.ndarray
    _settings: Callable[[], Settings]

    def _trained(self, coded: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weights of coded rows (n_rows, n_outputs) in training: sample weights times class weights."""
        return weight

    def add_expert(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Add an expert for the rows that the present ones explain worst, and leave those as they are.

        The root gets one branch more. Only the new expert and its branch of the gate are trained: the parameters of the
        other experts stay the same bit by bit, and so do the odds among the other branches, up to the rounding of the
        numbers in which they are told. The expert stands last.

        Use it when a new pattern appears, such as a new kind of fraud, and what is known and approved is to stay. Pass
        rows of both kinds, old and new: the gate learns from them where the new expert speaks. Where everything may
        change, a new fit is better.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            Counts, as in ``fit``.

        Returns
        -------
        self : object
            Columns and response stay in the units of the first fit. Shares and likelihoods are those of these rows.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For an average of fits: add the expert to one of its ``members_``.
        """
        warn(self._continued(X, y, sample_weight, lambda old, rows, s: added(old.mixture, old.params, rows, s)))
        return self

    def refit_expert(self, k: int, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train expert k on rows, and leave the gates and the other experts as they are.

        Where the expert answers does not change: every bit of ``gate_proba`` stays. What it answers there is learned
        anew, from where it stands and from nothing, whichever fits better.

        Parameters
        ----------
        k : int
            Number of the expert, as in ``expert_coef_``.
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            Counts, as in ``fit``.

        Returns
        -------
        self : object

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            Where there is no expert k, or for an average of fits: refit an expert of one of its ``members_``.
        """
        check_is_fitted(self)
        if not isinstance(k, Integral) or isinstance(k, bool) or not 0 <= k < self.n_experts_:
            raise ValueError(f"k={k!r}: expected the number of an expert, an int from 0 to {self.n_experts_ - 1}.")
        warn(self._continued(X, y, sample_weight, lambda old, rows, s: _refitted(old, int(k), rows, s)))
        return self

    def _fit_around(self, X: Any, y: Any, sample_weight: Any, init_labels: Any) -> list[Trouble]:
        """Train what `freeze` leaves free, from the fit that ``init`` or a warm start names; in place."""
        if init_labels is not None:
            raise ValueError(
                f"freeze={self.freeze!r} goes on from an earlier fit, so init_labels cannot say where to begin. Leave "
                "out one of them."
            )
        start = self.init if hasattr(self.init, "predict") else self if self.warm_start else None
        start = start.estimator if isinstance(start, FrozenEstimator) else start
        if not isinstance(start, type(self)) or not getattr(start, "_members", None):
            raise ValueError(
                f"freeze={self.freeze!r} keeps experts of an earlier fit. Say which: init=FrozenEstimator(model), or "
                f"warm_start=True on a fitted {type(self).__name__}."
            )
        frozen = np.atleast_1d(np.asarray(self.freeze))
        known = np.arange(start.n_experts_)
        if frozen.ndim != 1 or (frozen.size and frozen.dtype.kind not in "iu") or not np.isin(frozen, known).all():
            raise ValueError(
                f"freeze={self.freeze!r}: expected numbers of experts to keep, each from 0 to {start.n_experts_ - 1}."
            )
        fresh = copy.copy(self)
        fresh.__dict__.update({k: v for k, v in vars(start).items() if k.endswith("_") or k in ("_fitted", "_members")})
        found = fresh._continued(X, y, sample_weight, lambda old, rows, s: _around(old, frozen, rows, s))
        self.__dict__ = fresh.__dict__
        return found

    def _continued(self, X: Any, y: Any, sample_weight: Any, train: Training) -> list[Trouble]:
        """In place, what training of a part leads to; where it fails nothing has changed. What there is to warn of."""
        check_is_fitted(self)
        if len(self._members) > 1:
            raise ValueError(
                f"This is an average of {len(self._members)} fits, whose experts have nothing to do with each other. "
                "Work on one of members_, each an estimator of its own."
            )
        X, coded = self._rows_and_response(X, y)
        batch = self._batch(X, coded, check_weight(sample_weight, X))
        old, rows, settings = self._members[0], batch.rows, self._settings()
        run = train(old, rows, settings)
        mixture = Mixture(run.mixture.tree, run.mixture.gates, run.mixture.experts)
        fitted = FittedMixture(mixture, run.params, old.gate, old.expert)
        fresh = copy.copy(self)
        fresh._members = [fitted]
        for known in ("_streams", "n_batches_"):  # what a stream knew is not of this mixture
            fresh.__dict__.pop(known, None)
        fresh._report(Found([run], [run], [], float(run.n_passes)))
        fresh._conclude([run], batch, np.ones(1))
        mass = fresh.expert_share_ * rows.total
        found = troubles_of_part(run, fitted, mass, experts_that_move(run.mixture), settings.max_passes)
        self.__dict__ = fresh.__dict__
        return unseen(old, rows, self._names()) + found


def _around(old: FittedMixture, frozen: np.ndarray, rows: Rows, settings: Settings) -> Run:
    """Everything trained on but some experts."""
    mixture, params = old.mixture, old.params
    still = of_experts(mixture, params, frozen)
    active = unravel(params, ~ravel(still))
    free = Frozen(mixture.tree, mixture.gates, mixture.experts, active=active)
    with held_to_one_thread():
        return Run(free, params, rows, settings).advance(settings.max_passes)


def _refitted(old: FittedMixture, k: int, rows: Rows, settings: Settings) -> Run:
    """Expert k trained on, from where it stands and from its start."""
    mixture, params = old.mixture, old.params
    active = of_experts(mixture, params, np.array([k]))
    frozen = Frozen(mixture.tree, mixture.gates, mixture.experts, active=active)
    fresh = mixture.start(rows.n_gate_coef, rows.n_expert_coef)
    fresh = frozen.chosen(Params(params.gates, fresh.experts), params)
    with held_to_one_thread():
        runs = [Run(frozen, start, rows, settings).advance(settings.max_passes) for start in (params, fresh)]
    return runs[ranked(runs)[0]]
