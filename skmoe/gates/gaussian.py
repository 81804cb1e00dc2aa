"""The Gaussian gate: each branch is a normal density of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from ..rows.design import Design, Standardizer
from ..rows.source import Rows
from ..tree import Tree
from .constant import ConstantGate, ConstantParams, ConstantSums
from .contrasts import contrasts
from .normals import FORMS, NormalParams, Normals, NormalSums
from .protocol import Gate, GateForward, Moments
from .softmax import SoftmaxGate, SoftmaxParams

if TYPE_CHECKING:
    from ..mixture import Mixture, Params

#: A column is a linear combination of others where this part of its standard deviation is left beside them.
_COLLINEAR = 1e-7
#: Most columns that a sentence names.
_MOST_NAMED = 5

_WEIGHTS, _SOFTMAX = ConstantGate(), SoftmaxGate()


class GaussianParams(NamedTuple):
    """Mixing weights of the branches, and their normal densities."""

    weights: ConstantParams
    normals: NormalParams


class GaussianSums(NamedTuple):
    """What moves the mixing weights, and what moves the densities."""

    weights: ConstantSums
    normals: NormalSums


@dataclass(frozen=True)
class GaussianGate(Gate):
    """Gate whose branches are normal densities of the columns.

    .. math:: g_c(x) = \\frac{\\pi_c N(x; m_c, S_c)}{\\sum_d \\pi_d N(x; m_d, S_d)}

    It is trained on the joint density of x and y,

    .. math:: p(x, y) = \\sum_c \\pi_c N(x; m_c, S_c) f_c(y \\mid x)

    so its M-step has a closed form: weighted shares, means and covariances (Xu, Jordan & Hinton 1995). Borders between
    branches are quadrics, with ``"tied"`` hyperplanes. Use it where rows come in clouds, or where they are very few. It
    also explains x: where the rows of an expert are no cloud, or columns that say nothing about y fall into clouds of
    their own, `SoftmaxGate` predicts y better, because it is trained for that alone. Flat mixtures only.

    Parameters
    ----------
    covariance : {"full", "tied", "diag", "spherical"}, default="full"
        Each branch its own; one for all; none between columns; one variance for all standardised columns of a branch.
    alpha : float >= 0, default=1e-2
        Rows' worth of the unit covariance (of standardised columns) in every covariance: the objective loses
        ``alpha / 2 * (tr S^-1 + log|S| - p)`` for each, and the M-step is ``(scatter + alpha I) / (mass + alpha)``.
        A little is needed where a branch holds fewer rows than columns.
    scale_floor : float > 0, default=0.1
        Smallest standard deviation of a branch in any direction, in those of the columns. It is part of the model: the
        likelihood of normal densities is unbounded as one shrinks onto few rows, or onto rows that share the value of a
        column, such as an indicator. It also bounds how much x says beside y: with .01 the density of y came out worse
        on two of the sets of ``benchmarks/gates.py`` (yacht, airfoil) and much the same on the others.

    Raises
    ------
    ValueError
        Where a setting is out of range; by ``fit``, where n_experts is a tree, a column does not vary, or (full and
        tied) is an exact linear combination of others.

    References
    ----------
    Xu, Jordan & Hinton (1995), An alternative model for mixtures of experts. Advances in Neural Information Processing
    Systems 7. https://proceedings.neurips.cc/paper/1994/hash/c8fbbc86abe8bd6a5eb6a3b4d0411301-Abstract.html

    Examples
    --------
    Two clouds of rows, and a line for each:

    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.gates import GaussianGate
    >>> rng = np.random.default_rng(0)
    >>> cloud = rng.integers(2, size=300)
    >>> X = rng.standard_normal((300, 2)) + 4 * cloud[:, None]
    >>> y = np.where(cloud, X[:, 0], -X[:, 1]) + 0.1 * rng.standard_normal(300)
    >>> model = MoERegressor(n_experts=2, gate=GaussianGate("tied"), random_state=0).fit(X, y)
    >>> model.gate_mean_.round().tolist()
    [[4.0, 4.0], [0.0, -0.0]]
    >>> model.gate_proba([[0.0, 1.0], [4.0, 3.0]]).round(2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """

    covariance: str = "full"
    alpha: float = 1e-2
    scale_floor: float = 0.1

    em_only = True
    dense = True

    def __post_init__(self) -> None:
        if self.covariance not in FORMS:
            raise ValueError(f"covariance={self.covariance!r}: expected one of {sorted(FORMS)}.")
        if not isinstance(self.alpha, Real) or not self.alpha >= 0:
            raise ValueError(f"alpha={self.alpha!r}: expected a number of at least 0.")
        if not isinstance(self.scale_floor, Real) or not self.scale_floor > 0:
            raise ValueError(f"scale_floor={self.scale_floor!r}: expected a number above 0.")

    @property
    def normals(self) -> Normals:
        """The densities of the branches."""
        return Normals(FORMS[self.covariance], self.alpha, self.scale_floor)

    def check(self, tree: Tree, rows: Rows, names: Sequence[str] | None) -> None:
        if len(tree.nodes) > 1:
            raise ValueError(
                f"A Gaussian gate divides flat mixtures only, but n_experts is a tree with {len(tree.nodes)} gates. "
                f"Use n_experts={tree.n_leaves}, or gate='softmax'."
            )
        ways_out = "Drop them, leave them out by gate_features, or use gate='softmax'"
        columns = rows.gate
        constant = np.flatnonzero(~np.isfinite(columns.units.scale))
        if constant.size:
            raise ValueError(
                "A Gaussian gate needs columns that vary, but these hold one value only: "
                f"{_named(columns.index[constant], names)}. {ways_out}."
            )
        dependent = _dependent(rows) if self.normals.form.whole else constant
        n_rows, n_columns = _n_distinct(rows) if dependent.size else 0, len(columns.index)
        if dependent.size and n_rows <= n_columns:
            raise ValueError(
                f"A Gaussian gate with covariance={self.covariance!r} needs more distinct rows than columns, but there "
                f"are {n_rows} for {n_columns} columns. Pass more rows, fewer columns by gate_features, "
                "gate=GaussianGate('diag'), which takes each column by itself, or gate='softmax'."
            )
        if dependent.size:
            raise ValueError(
                f"A Gaussian gate with covariance={self.covariance!r} needs columns of which none is an exact linear "
                f"combination of those before it, but these are: {_named(columns.index[dependent], names)}. "
                f"{ways_out}, or gate=GaussianGate('diag'), which takes each column by itself."
            )

    # -- rows --------------------------------------------------------------------------------------------------------

    def start(self, n_branches: int, n_coef: int) -> GaussianParams:
        return GaussianParams(_WEIGHTS.start(n_branches, n_coef), self.normals.start(n_branches, n_coef - 1))

    def forward(self, params: GaussianParams, design: Design) -> GateForward:
        joint, residual = self.normals.forward(params.normals, design)
        joint += _WEIGHTS.forward(params.weights, design).log_prob
        top = joint.max(axis=0)
        joint -= top
        total = np.log(np.exp(joint).sum(axis=0))
        return GateForward(joint - total, residual, top + total)

    def gather(
        self, params: GaussianParams, design: Design, mass: np.ndarray, cache: Any, *, information: bool = True
    ) -> GaussianSums:
        return GaussianSums(
            _WEIGHTS.gather(params.weights, design, mass, None),
            self.normals.gather(params.normals, design, mass, cache),
        )

    # -- spend -------------------------------------------------------------------------------------------------------

    def _spend(self, verb: str, *records: Any) -> GaussianParams:
        """A verb of the mixing weights and of the densities, each on its own part of the records."""
        weights, normals = (list(parts) for parts in zip(*records, strict=True))
        return GaussianParams(getattr(_WEIGHTS, verb)(*weights), getattr(self.normals, verb)(*normals))

    def penalty(self, params: GaussianParams) -> float:
        return self.normals.penalty(params.normals)

    def gradient(self, params: GaussianParams, sums: GaussianSums) -> GaussianParams:
        return self._spend("gradient", params, sums)

    def precondition(self, params: GaussianParams, sums: GaussianSums, vector: GaussianParams) -> GaussianParams:
        return self._spend("precondition", params, sums, vector)

    def m_step(self, params: GaussianParams, sums: GaussianSums) -> GaussianParams:
        return self._spend("m_step", params, sums)

    def recentred(self, sums: GaussianSums, old: GaussianParams, new: GaussianParams) -> GaussianSums:
        return GaussianSums(sums.weights, self.normals.recentred(sums.normals, old.normals, new.normals))

    def gain(self, sums: GaussianSums, old: GaussianParams, new: GaussianParams) -> float:
        weights = _WEIGHTS.gain(sums.weights, old.weights, new.weights)
        return weights + self.normals.gain(sums.normals, old.normals, new.normals)

    def balanced(self, params: GaussianParams, sums: GaussianSums) -> GaussianSums:
        weights = _WEIGHTS.balanced(params.weights, sums.weights)
        return GaussianSums(weights, self.normals.balanced(params.normals, sums.normals._replace(mass=weights.mass)))

    def n_free(self, params: GaussianParams) -> int:
        return _WEIGHTS.n_free(params.weights) + self.normals.n_free(params.normals)

    # -- read --------------------------------------------------------------------------------------------------------

    def coef(self, params: GaussianParams, n_coef: int) -> np.ndarray | None:
        if len(params.normals.offset) == 1:
            return np.zeros((1, n_coef))
        return _SOFTMAX.coef(self.as_softmax(params), n_coef) if self.normals.form.tied_branches else None

    def given(self, coef: np.ndarray) -> GaussianParams:
        raise ValueError(
            "init holds coefficients of the gate, and a Gaussian gate is not determined by them. "
            "Leave gate_coef and gate_intercept out, or begin from init_labels or from a fitted estimator."
        )

    def extended(self, params: GaussianParams) -> GaussianParams:
        return GaussianParams(_WEIGHTS.extended(params.weights), self.normals.extended(params.normals))

    def extension(self, params: GaussianParams) -> GaussianParams:
        return GaussianParams(_WEIGHTS.extension(params.weights), self.normals.extension(params.normals))

    def slopes(self, params: GaussianParams, z: np.ndarray) -> np.ndarray:
        mean, covariance, _ = self.moments(params)
        pull = np.linalg.solve(covariance, (mean - z)[..., None])[..., 0]
        return pull - pull.mean(axis=0)

    def moments(self, params: GaussianParams) -> Moments:
        logits = contrasts(len(params.normals.offset)) @ params.weights.logits
        return Moments(*self.normals.moments(params.normals), np.exp(logits - logsumexp(logits)))

    def permuted(self, params: GaussianParams, order: np.ndarray) -> GaussianParams:
        return GaussianParams(_WEIGHTS.permuted(params.weights, order), self.normals.take(params.normals, order))

    def restandardized(self, params: GaussianParams, old: Standardizer, new: Standardizer) -> GaussianParams:
        return GaussianParams(params.weights, self.normals.restandardized(params.normals, old, new))

    def as_softmax(self, params: GaussianParams) -> SoftmaxParams:
        """The same gate as a softmax: what ``covariance="tied"`` is exactly.

        .. math:: w_c = S^{-1} m_c, \\qquad v_c = \\log \\pi_c - \\tfrac12 m_c^\\top S^{-1} m_c

        Raises
        ------
        ValueError
            Where branches have covariances of their own: their log-odds are not linear.
        """
        if not self.normals.form.tied_branches:
            raise ValueError(
                f"covariance={self.covariance!r} has log-odds that are not linear in x, and a softmax has. "
                "Use covariance='tied'."
            )
        offset = params.normals.offset
        slopes = offset @ self.normals.factors(params.normals)[0]
        intercept = contrasts(len(offset)) @ params.weights.logits - 0.5 * np.square(offset).sum(axis=1)
        return SoftmaxParams((contrasts(len(offset)).T @ np.column_stack([intercept, slopes]))[None])


def softmax_from_gaussian(mixture: Mixture, params: Params) -> Params:
    """Parameters for softmax gates, of a mixture with tied Gaussian gates: the same gates, the same experts.

    So a run with softmax gates can start where EM on the joint density stands.
    """
    gates: Any = zip(mixture.gates, params.gates, strict=True)
    return params._replace(gates=tuple(gate.as_softmax(p) for gate, p in gates))


def _dependent(rows: Rows) -> np.ndarray:
    """Numbers of the columns that are exact linear combinations of those before them."""
    root = np.zeros((0, rows.n_gate_coef - 1))
    for chunk in rows:
        part = chunk.gate.columns[1:].T * np.sqrt(chunk.weight / rows.total)[:, None]
        root = np.asarray(np.linalg.qr(np.concatenate([root, part]), mode="r"))
    left = np.zeros(root.shape[1])  # standard deviation left beside the columns before; none where rows are too few
    left[: len(root)] = np.abs(np.diagonal(root))
    return np.flatnonzero(left < _COLLINEAR)


def _n_distinct(rows: Rows) -> int:
    """Number of rows that differ in what the gate sees."""
    return len(np.unique(np.concatenate([chunk.gate.columns[1:] for chunk in rows], axis=1), axis=1).T)


def _named(index: np.ndarray, names: Sequence[str] | None) -> str:
    """Columns as a sentence names them."""
    shown = ", ".join(str(j) if names is None else repr(names[j]) for j in index[:_MOST_NAMED])
    return shown + (f" and {len(index) - _MOST_NAMED} more" if len(index) > _MOST_NAMED else "")
