"""The shell that both neural estimators wear: check, encode, hold out, train, set the fitted attributes."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, _safe_indexing, check_random_state, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._callbacks import CallbackSupportMixin, with_callbacks
from .._validation import check_weight, naming
from .carried import CarriedMixture
from .epoch_scorer import check_scored, epoch_scorer
from .fitted import Encoding, FittedNetwork
from .fitting.settings import Settings
from .forward.network import Read
from .gated import Gated
from .given import Given, Validation
from .holding_out import held_out
from .raw_columns import RawColumns, read_columns
from .streaming import Streaming
from .table import TableEncoder
from .torch_side import on_torch
from .watching import Watch

#: Batches of a table, about, and the smallest and largest that "auto" makes.
_N_BATCHES, _SMALLEST_BATCH, _LARGEST_BATCH = 64, 8, 1024

#: Attributes with which a warm start goes on.
_KEPT = ("n_features_in_", "feature_names_in_", "classes_", "n_outputs_", "output_names_")

#: Routers that have a name.
ROUTERS = ("topk", "soft", "noisy_topk", "switch", "gshard")


class SparseMixture(Gated, Streaming, CallbackSupportMixin, BaseEstimator, ABC):
    """Base of `SparseMoERegressor` and `SparseMoEClassifier`; not for direct use."""

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "n_experts": [Interval(Integral, 1, None, closed="left")],
        "top_k": [Interval(Integral, 1, None, closed="left")],
        "hidden": ["array-like", tuple],
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "router": [StrOptions(set(ROUTERS)), HasMethods(["module"])],
        "activation": [StrOptions({"relu", "gelu", "swiglu"})],
        "embedding": [StrOptions({"ple", "periodic", "linear"})],
        "d_embedding": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "n_frequencies": [Interval(Integral, 1, None, closed="left")],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "soft_start": [Interval(Real, 0, 1, closed="both")],
        "entropy": [Interval(Real, 0, None, closed="left")],
        "balance": [Interval(Real, 0, None, closed="left")],
        "z_loss": [Interval(Real, 0, None, closed="left")],
        "capacity_factor": [Interval(Real, 0, None, closed="neither"), None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), slice, None],
        "early_stopping": ["boolean"],
        "validation": [StrOptions({"stratified", "last"}), HasMethods(["split", "get_n_splits"])],  # text can split
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable, None],
        "calibrate": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "init": [HasMethods(["fit", "predict"]), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "averaging": [Interval(Real, 0, None, closed="left")],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "warm_start": ["boolean"],
        "device": [str, HasMethods(["__enter__", "__exit__"])],  # a torch.device is a context
        "precision": [StrOptions({"auto", "float32", "float64", "bfloat16"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _network: FittedNetwork
    history_: list[dict[str, Any]]

    # -- what an estimator adds ----------------------------------------------------------------------------------------

    @abstractmethod
    def _code(self, y: Any, weight: np.ndarray) -> np.ndarray:
        """Responses of training rows, coded; what they are is noted on the estimator."""

    @abstractmethod
    def _code_batch(self, y: Any, weight: np.ndarray, classes: Any) -> np.ndarray:
        """Responses of a batch of `partial_fit`, coded; on its first call what they are is noted on the estimator."""

    @abstractmethod
    def _coded_as_fitted(self, y: Any) -> np.ndarray:
        """Responses of other rows, coded as those of the fit."""

    @abstractmethod
    def _trained_weight(self, coded: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """What rows of some sample weight count for in training."""

    @abstractmethod
    def _strata(self, coded: np.ndarray) -> np.ndarray:
        """Groups of rows of which the same share is held out."""

    @abstractmethod
    def _check_validation(self, held_out: np.ndarray) -> None:
        """ValueError where coded responses cannot say how good a fit is."""

    @abstractmethod
    def _units(self, coded: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centre and unit of the responses, (n_outputs,)."""

    @abstractmethod
    def _head(self) -> dict[str, Any]:
        """``family`` and ``n_outputs`` of the head."""

    @abstractmethod
    def _judged(
        self, network: FittedNetwork, read: Read, coded: np.ndarray, weight: np.ndarray, calibrate: bool
    ) -> tuple[float, float]:
        """The temperature at which coded responses are likeliest, or that of the network; their mean log density."""

    @abstractmethod
    def _carried(self) -> CarriedMixture:
        """The mixture of `init`."""

    # -- fit -----------------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the network to rows.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Numbers, of which NaN is a gap; in dataframes also categories and text. Units do not matter.
        y : array-like of shape (n_samples,), or (n_samples, n_outputs)
            Responses, or labels. Several outputs are for a regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            How much rows count, beside each other: they are divided by their mean. A row of weight 0 is not there. Let
            them be like counts: their sum stands for the number of rows where the scale of a column is learned.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows to validate by, in the place of some that are held out.

        Returns
        -------
        self : object
            A failed or interrupted fit leaves the previous fitted state as it was.

        Raises
        ------
        ImportError
            Where torch is not installed.
        ValueError
            Where rows or parameters make no sense, the device is not here, or the validation score is never finite.
        FloatingPointError
            Where training left the numbers; it says in which epoch and batch.

        Warns
        -----
        skmoe.exceptions.LevelsWarning
            Where a column has about as many levels as rows, or the rows to validate by none that training has seen.
        sklearn.exceptions.EfficiencyWarning
            Where a step could not be captured as a CUDA graph.
        """
        self._validate_params()
        fresh = self._emptied()
        previous = getattr(self, "_network", None) if self.warm_start else None
        fresh._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), previous)
        self.__dict__ = fresh.__dict__
        return self

    def _emptied(self) -> Self:
        fresh = copy.copy(self)
        for name in [name for name in vars(fresh) if name.endswith("_") or name == "_network"]:
            if not (self.warm_start and name in _KEPT):
                delattr(fresh, name)
        return fresh

    @with_callbacks
    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple, previous: FittedNetwork | None) -> None:
        given, seen = self._given(X, y, sample_weight, previous)
        rows, out = self._divided(given, (X, y), seen, validation)
        begun = previous is not None
        encoding = self._encoding(rows) if previous is None else previous.encoding.weighing(rows.trained)
        settings = self._settings(len(rows.raw), soft=not begun)
        network = None if previous is None else replace(previous, moments=None)
        with Watch(self, settings.n_epochs, {"X": X, "y": y}) as watch:
            self._train(encoding, settings, rows, out, network, watch)

    def _given(self, X: Any, y: Any, sample_weight: Any, previous: FittedNetwork | None) -> tuple[Given, np.ndarray]:
        """Checked rows of positive weight, and their numbers in what the user passed."""
        self._check_given(y)
        categorical = self.categorical_features if previous is None else previous.encoding.encoder.is_categorical
        raw = read_columns(self, X, reset=previous is None, categorical_features=categorical)
        check_consistent_length(raw.numbers, y)
        weight = check_weight(sample_weight, raw.numbers)
        coded = self._code(y, weight)
        if previous is None:
            self._check_init(raw, coded)
        seen = np.flatnonzero(weight > 0)
        return Given(raw, coded, weight, self._trained_weight(coded, weight)).rows(seen), seen

    def _check_given(self, y: Any) -> None:
        if y is None:  # scikit-learn's own words
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")

    def _check_init(self, raw: RawColumns, coded: np.ndarray) -> None:
        """ValueError where rows are not of the columns and outputs of the mixture of `init`."""
        if self.init is not None:
            self._carried().check_rows(raw, coded.shape[1:])

    def _categorical(self, reset: bool) -> Any:
        return self.categorical_features if reset else self._network.encoding.encoder.is_categorical

    def _divided(
        self, given: Given, passed: tuple[Any, Any], seen: np.ndarray, validation: tuple
    ) -> tuple[Given, Validation | None]:
        """Rows that train, and those that validate."""
        if any(part is not None for part in validation):
            return given, self._brought(given.raw.is_categorical, *validation)
        if not self.early_stopping:
            return given, None
        X, y = indexable(*passed)
        how, rng = (self.validation, self.validation_fraction), check_random_state(self.random_state)
        train, test = held_out(self._strata(given.coded), *how, rng, (X, y), seen)
        self._check_validation(given.coded[test])
        if not given.trained[train].any():
            raise ValueError(
                f"The {len(train)} rows that are left to train on are all of weight 0, sample_weight and class_weight "
                "together: expected positive ones. Hold out others (validation), or none (early_stopping=False)."
            )
        X, y = (_safe_indexing(part, seen[test]) for part in (X, y))
        return given.rows(train), Validation(given.rows(test), X, y)

    def _brought(self, categorical: Any, X: Any, y: Any, sample_weight: Any) -> Validation:
        """Rows of the user's own to validate by."""
        if not self.early_stopping:
            raise ValueError(
                "X_val was passed, but early_stopping=False validates nothing. Leave X_val out, or set "
                "early_stopping=True."
            )
        if X is None or y is None:
            raise ValueError(
                "Rows to validate by have an X and a y, but only one of X_val and y_val, or their weights alone, were "
                "passed. Pass X_val and y_val together, or neither."
            )
        with naming("X_val"):
            raw = read_columns(self, X, reset=False, categorical_features=categorical)
        with naming("X_val and y_val"):
            check_consistent_length(raw.numbers, y)
        with naming("sample_weight_val"):
            weight = check_weight(sample_weight, raw.numbers)
        with naming("y_val"):
            coded = self._coded_as_fitted(y)
            trained = self._trained_weight(coded, weight)
        self._check_validation(coded[weight > 0])
        return Validation(Given(raw, coded, weight, trained), X, y)

    # -- what is trained -----------------------------------------------------------------------------------------------

    def _encoding(self, rows: Given) -> Encoding:
        lines = None
        if self.init is not None:
            lines = self._carried().units
        encoder = TableEncoder.learned(rows.raw, rows.weight, self.n_bins)
        return Encoding(encoder, lines, *self._units(rows.coded, rows.weight), float(rows.trained.mean()))

    def _settings(self, n_rows: int, *, soft: bool) -> Settings:
        k, n_experts = self._experts()
        return Settings(
            k=k,
            n_experts=n_experts,
            n_epochs=self.max_epochs,
            n_batches=self._n_batches(n_rows),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            gradient_clip=self.gradient_clip or np.inf,
            soft_start=self.soft_start if soft else 0.0,
            entropy=self.entropy,
            balance=self.balance,
            z_loss=self.z_loss,
            mean_weight=getattr(self, "mean_weight", 0.0),
            patience=self.n_iter_no_change if self.early_stopping else None,
            averaging=self.averaging,
        )

    def _n_batches(self, n_rows: int) -> int:
        """Batches of an epoch: none is larger than an int `batch_size`."""
        if self.batch_size is None:
            return 1
        if self.batch_size != "auto":
            return math.ceil(n_rows / self.batch_size)
        power = 2 ** round(np.log2(max(n_rows / _N_BATCHES, 1)))
        return max(round(n_rows / np.clip(power, _SMALLEST_BATCH, _LARGEST_BATCH)), 1)

    def _experts(self) -> tuple[int, int]:
        """Experts of a row, and experts."""
        n_experts = self.n_experts if self.init is None else self._carried().n_experts
        named = {"switch": 1, "gshard": 2, "soft": n_experts}
        computed = {"1": 1, "1 or 2": 2, "all": n_experts}
        record = getattr(self.router, "k", computed.get(getattr(self.router, "computes", "")))
        own = named.get(self.router) if isinstance(self.router, str) else record
        k = self.top_k if own is None else own
        if k > n_experts:
            asked = f"top_k={self.top_k}" if own is None else f"router={self.router!r}"
            there = f"n_experts={n_experts}" if self.init is None else f"{n_experts} experts in the mixture of init"
            lower = "Lower top_k" if own is None else "Take another router"
            raise ValueError(
                f"{asked} asks for {k} experts of a row, but there are {there}. {lower}, or "
                + ("raise n_experts." if self.init is None else "begin with a mixture of more experts.")
            )
        return k, n_experts

    def _train(
        self,
        encoding: Encoding,
        settings: Settings,
        rows: Given,
        out: Validation | None,
        previous: FittedNetwork | None,
        watch: Watch,
        n_before: int = 0,
    ) -> None:
        """Train, and set the fitted attributes."""
        torch_side = on_torch(self)
        precision = self._precision(torch_side)
        dtype = np.float64 if precision == "float64" else np.float32
        watch.network = lambda reader, k: reader.fitted(encoding, k)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max)) + n_before
        score = None if out is None else epoch_scorer(self, encoding, out, dtype)
        encoded = encoding.rows(rows.raw, rows.coded, rows.trained, dtype)
        trained = torch_side.trained(
            self, encoding, settings, encoded, previous, score, watch, precision=precision, seed=seed
        )
        check_scored(self.scoring, trained.score)
        self._network = trained.network
        self.n_experts_, self.top_k_ = settings.n_experts, trained.network.k
        self.n_parameters_ = trained.n_parameters
        self.best_epoch_, self.validation_score_ = trained.epoch, trained.score
        self.history_, self.n_iter_ = watch.history, len(watch.history)
        self.device_ = str(torch_side.device)

    def _precision(self, torch_side: Any) -> str:
        """Double where batches are full: such tables are small, and weights are then counts to many digits."""
        if self.precision != "auto":
            return self.precision
        return "float64" if self.batch_size is None and torch_side.device.type == "cpu" else "float32"

    # -- read ----------------------------------------------------------------------------------------------------------

    def _raw(self, X: Any) -> RawColumns:
        check_is_fitted(self, "_network")
        return read_columns(self, X, reset=False, categorical_features=self._categorical(False))

    def _readable(self) -> FittedNetwork:
        """The network, and who reads it: NumPy, but torch where there is a GPU, or where only torch knows the gate."""
        network = self._network
        if network.reader is not None or (self._predicts_on_processor() and None not in network.architecture.rules):
            return network
        return replace(network, reader=on_torch(self).reader(network, self))

    def _predicts_on_processor(self) -> bool:
        if str(self.device) == "cpu":
            return True
        try:
            return on_torch(self).device.type == "cpu"
        except (ImportError, ValueError):  # no torch here, or not that device
            return True

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_network")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags
