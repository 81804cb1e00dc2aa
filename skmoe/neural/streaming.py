"""Streams of rows for the neural estimators: `partial_fit`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length

from .._callbacks import with_callbacks
from .._validation import check_weight
from .fitted import Encoding, FittedNetwork
from .fitting.settings import Settings
from .given import Given
from .raw_columns import read_columns
from .watching import Watch


class Streaming:
    """What learns from streams; a part of `skmoe.neural._estimator.SparseMixture`."""

    history_: list[dict[str, Any]]
    n_iter_: int
    best_epoch_: int
    _network: FittedNetwork
    _validate_params: Callable[[], None]
    _categorical: Callable[[bool], Any]
    _code_batch: Callable[..., np.ndarray]
    _check_given: Callable[[Any], None]
    _check_init: Callable[[Any, np.ndarray], None]
    _trained_weight: Callable[[np.ndarray, np.ndarray], np.ndarray]
    _encoding: Callable[[Given], Encoding]
    _settings: Callable[..., Settings]
    _train: Callable[..., None]

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn a batch of rows, by one epoch, and go on from what earlier batches taught.

        Columns and responses keep the units, the bins and the levels of the first batch, so let it be a good one, drawn
        from everywhere. Nothing is held out, so what an earlier fit has calibrated no longer is; the learning rate
        stays, and there is no soft start.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or (n_samples, n_outputs)
        classes : array-like of shape (n_classes,), default=None
            For a classifier: all labels that will ever come; to be given on the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            How much rows count, beside the mean weight of the first batch.

        Returns
        -------
        self : object
            A failed or interrupted call leaves all as it was.

        Raises
        ------
        ImportError
            Where torch is not installed.
        ValueError
            Where rows are not like those of the first batch, or the parameters make no sense.
        FloatingPointError
            Where training left the numbers.
        """
        self._validate_params()
        fresh = copy.copy(self)
        fresh._learn_batch(X, y, classes, sample_weight)
        self.__dict__ = fresh.__dict__
        return self

    @with_callbacks
    def _learn_batch(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> None:
        self._check_given(y)
        first = not hasattr(self, "_network")
        raw = read_columns(self, X, reset=first, categorical_features=self._categorical(first))
        weight = check_weight(sample_weight, raw.numbers)
        check_consistent_length(raw.numbers, y)
        coded = self._code_batch(y, weight, classes)
        if first:
            self._check_init(raw, coded)
        seen = np.flatnonzero(weight > 0)
        given = Given(raw, coded, weight, self._trained_weight(coded, weight)).rows(seen)
        encoding = self._encoding(given) if first else self._network.encoding
        usual = self._settings(len(seen), soft=False)
        k = usual.k if first else self._network.k  # which may have been pruned
        settings = replace(usual, k=k, n_epochs=1, annealed=False, patience=None, averaging=0.0)
        before = [] if first else self.history_
        previous = None if first else self._network
        with Watch(self, 1, {"X": X, "y": y}) as watch:
            self._train(encoding, settings, given, None, previous, watch, n_before=len(before))
            self.history_ = [*before, {**self.history_[0], "epoch": len(before) + 1}]
            self.n_iter_ = self.best_epoch_ = len(self.history_)
