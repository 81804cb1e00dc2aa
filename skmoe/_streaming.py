"""Streams: `partial_fit`, for rows that come in batches and are not kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from ._validation import check_weight
from .diagnosis import Trouble, unseen, warn
from .model import FittedMixture
from .rows.source import Rows, array_rows
from .training.loop import Settings
from .training.search import Found
from .training.stream import Stream, begun, learned, resumed
from .training_rows import TrainingRows, counted


class Streaming:
    """What learns from streams; a part of `skmoe._estimator.MixtureOfExperts`."""

    freeze: Any
    n_jobs: int | None
    weight_seen_: float
    _members: list[FittedMixture]
    _streams: list[Stream]
    _conclude: Callable[..., None]
    _trained: Callable[[np.ndarray, np.ndarray], np.ndarray]
    _fit: Callable[..., tuple[list[Trouble], TrainingRows]]
    _names: Callable[[], list[str]]
    _report: Callable[[Found], None]
    _rows_and_response: Callable[[Any, Any], tuple[np.ndarray, np.ndarray]]
    _settings: Callable[[], Settings]
    _validate_params: Callable[[], None]

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn a batch of rows, and what earlier batches said with it.

        The first batch is fitted as `fit` does it, with all that the parameters say of starts and moves. Of its rows
        sums stay, a quadratic model of their log-likelihood, which later batches find, move to the present parameters,
        and add to (stepwise EM, Cappe & Moulines 2009). Memory does not grow with the stream.

        .. math:: S \\leftarrow \\rho S + (1 - \\rho) s, \\qquad \\rho = \\Bigl(\\frac{W}{W + w}\\Bigr)^8

        with S the sums of a unit of weight, s those of the batch, W the weight seen before and w that of the batch: of
        two equal batches the second leaves the first .4 per cent. The parameters told are their mean along the way,
        which fades by the third power. So a stream that changes is followed, and one that does not ends near the fit to
        all of its rows; not at it, for some two thirds of the rows count, and standard errors as if all did are too
        small.

        A batch after the first makes at most 20 passes (``max_iter`` where that is less) and ends sooner where its next
        step promises less than a tenth of a nat (``tol`` where that is more).

        Use it where rows do not fit into memory, or keep coming. Let the first batch be a good one, drawn from
        everywhere: units, scale floors and the experts themselves begin with it. Where all rows are at hand `fit` is
        better and sees every optimum that its starts lead to.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
            One row is enough, after the first batch.
        y : array-like of shape (n_samples,), or (n_samples, n_outputs)
        classes : array-like of shape (n_classes,), default=None
            For a classifier: all labels that will ever come. To be given on the first call; a class without rows then
            begins with half a row in the middle of the others. Not for regressors.
        sample_weight : array-like of shape (n_samples,), default=None
            Counts, as in ``fit``, also beside the rows of other batches.

        Returns
        -------
        self : object
            Columns and response stay in the units of the first batch, and so do the structure and the penalties, and
            experts keep their numbers. After ``fit`` the stream goes on from there. The fitted attributes are as after
            ``fit``, with `objective_` that of the whole stream as far as it is remembered, and `log_likelihood_`,
            shares, `tree_` and `history_` those of the latest batch. A failed or interrupted call leaves all as it was.

        Raises
        ------
        ValueError
            Where X or y is none that ``fit`` would take, their columns, outputs or labels are not those of the first
            batch, the mixture gives the batch no finite density, or a parameter has no meaning for streams: ``freeze``,
            and ``class_weight="balanced"``.
        TypeError
            Where a gate or an expert of your own has no `recentred`, `gain` and `balanced`.

        References
        ----------
        Cappe & Moulines (2009), On-line expectation-maximization algorithm for latent data models.
        https://doi.org/10.1111/j.1467-9868.2009.00698.x

        Polyak & Juditsky (1992), Acceleration of stochastic approximation by averaging.
        https://doi.org/10.1137/0330046

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MoERegressor
        >>> rng = np.random.default_rng(0)
        >>> model = MoERegressor(n_experts=2, random_state=0)
        >>> for _ in range(10):
        ...     X = rng.uniform(-1, 1, size=(300, 1))
        ...     y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(300)
        ...     model = model.partial_fit(X, y)
        >>> np.sort(model.expert_coef_.ravel()).round(1).tolist()
        [-1.0, 1.0]
        >>> model.n_batches_, model.weight_seen_
        (10, 3000.0)
        """
        self._validate_params()
        self._check_streams(classes)
        fresh = copy.copy(self)
        begun_before = hasattr(self, "_members")
        warn(fresh._learn(X, y, sample_weight) if begun_before else fresh._begin(X, y, classes, sample_weight))
        self.__dict__ = fresh.__dict__
        return self

    def _check_streams(self, classes: Any) -> None:
        """Raise ValueError where a parameter has no meaning for streams."""
        if self.freeze is not None:
            raise ValueError(
                f"freeze={self.freeze!r} keeps experts while fit trains the others, and partial_fit trains all. Leave "
                "freeze at None, or use fit."
            )

    def _begin(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> list[Trouble]:
        """Fit the first batch; what there is to warn of."""
        found, batch = self._fit(X, y, sample_weight, None, [], classes)
        _check_blocks(self._members)
        self._keep([begun(member.mixture, member.params, batch.rows) for member in self._members])
        return found

    def _learn(self, X: Any, y: Any, sample_weight: Any) -> list[Trouble]:
        """Learn a later batch; what there is to warn of."""
        old = self._members
        _check_blocks(old)
        X, coded = self._rows_and_response(X, y)
        weight = check_weight(sample_weight, X)
        batch = self._batch(X, coded, weight)
        with np.errstate(all="ignore"):  # what is not finite is found, and refused in words
            done = [learned(stream, batch.rows, self._settings()) for stream in self._known(batch.rows)]
        streams, runs = [stream for stream, _ in done], [run for _, run in done]
        if not all(run.point.finite for run in runs):
            raise ValueError(_not_finite(old, batch.rows, np.flatnonzero(weight)))
        self._members = [
            replace(member, mixture=stream.mixture, params=stream.mean)
            for member, stream in zip(old, streams, strict=True)
        ]
        self._conclude(runs, batch, getattr(self, "member_weights_", np.ones(1)))
        self._keep(streams)
        return unseen(old[0], batch.rows, self._names())

    def _batch(self, X: np.ndarray, coded: np.ndarray, weight: np.ndarray) -> TrainingRows:
        """Rows of positive weight, in the units of the first fit or batch."""
        one = self._members[0]
        seen, weight, coded = counted(weight, coded)
        trained = self._trained(coded, weight)
        rows = array_rows(one.mixture, one.gate, one.expert, X, coded, trained, seen, n_jobs=self.n_jobs)
        return TrainingRows(rows, coded, weight)

    def _known(self, rows: Rows) -> list[Stream]:
        """What is known before a batch; after a fit, whose rows are gone, the batch says what a row of it knew."""
        if hasattr(self, "_streams"):
            return self._streams
        return [
            resumed(member.mixture, member.params, rows, _usual(member, rows.y), self.weight_seen_)
            for member in self._members
        ]

    def _keep(self, streams: list[Stream]) -> None:
        """Note what is known now, also on the members of an average."""
        for view, part in [(self, streams), *zip(getattr(self, "members_", []), ([s] for s in streams), strict=False)]:
            view._streams, view.weight_seen_, view.n_batches_ = part, part[0].weight, part[0].n_batches


def _usual(member: FittedMixture, coded: np.ndarray) -> Rows:
    """Rows whose columns have the means and variances of those of a fit, and do not depend on each other.

    Two rows a column lie the root of the number of columns away from the centre: a rule that integrates polynomials of
    degree three over normal columns. Where information is a diagonal two rows are enough, a scale away in all columns.
    """
    n_features = member.gate.n_features
    center, scale = np.zeros(n_features), np.zeros(n_features)
    for columns in (member.gate, member.expert):
        varies = np.isfinite(columns.units.scale)
        center[columns.index] = columns.units.center
        scale[columns.index[varies]] = columns.units.scale[varies]
    rough = member.mixture.rough(member.params)
    away = scale[None] if rough else np.diag(scale)[scale > 0] * np.sqrt((scale > 0).sum())
    X = center + (np.concatenate([away, -away]) if len(away) else np.zeros((1, n_features)))
    y = coded[np.arange(len(X)) % len(coded)]
    return array_rows(member.mixture, member.gate, member.expert, X, y, np.ones(len(X)))


def _check_blocks(members: Sequence[FittedMixture]) -> None:
    """Raise TypeError where a gate or an expert cannot stream."""
    for block in members[0].mixture.cannot_stream:
        raise TypeError(
            f"{block!r} cannot stream: sums of rows that are gone must follow the parameters, and "
            f"{type(block).__name__} has no recentred, gain and balanced (see skmoe.block.Block). Use fit, or define "
            "them."
        )


def _not_finite(members: Sequence[FittedMixture], rows: Rows, seen: np.ndarray) -> str:
    """A sentence about a batch that is not finite where the stream stands."""
    with np.errstate(all="ignore"):
        log_prob = [member.mixture.evaluate(member.params, rows).log_prob for member in members]
    bad = np.flatnonzero(~np.isfinite(log_prob).all(axis=0))
    where = f"no finite density to row {seen[bad[0]]} of the batch" if bad.size else "no finite sums to the batch"
    return (
        f"The mixture gives {where}, so nothing was learned of it. Columns and response are in the units of the first "
        "batch: look for values that lie far from all before, and mend or leave out their rows."
    )
