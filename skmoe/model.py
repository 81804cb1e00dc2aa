"""A fitted mixture: structure, parameters, and the columns that its gates and experts see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .fused_reading import FusedReading, readable
from .gates import ConstantGate, EqualGate, Gate
from .mixture import Evaluation, Mixture, Params, normalized
from .reading import Reading
from .records import stacked
from .rows.chunk import CHUNK_ROWS
from .rows.columns import Columns
from .rows.source import Rows, array_rows
from .rows.sparse import SparseRows
from .tree import Tree

#: What a reader is given of some rows: log prior (n_experts, n_rows), and the experts' distributions.
Reader = Callable[[np.ndarray, list], np.ndarray]


@dataclass(frozen=True)
class FittedMixture:
    """A mixture with its parameters, in the user's rows and units."""

    mixture: Mixture
    params: Params
    gate: Columns
    expert: Columns

    @property
    def tree(self) -> Tree:
        return self.mixture.tree

    @property
    def n_experts(self) -> int:
        return self.mixture.tree.n_leaves

    # -- rows ----------------------------------------------------------------------------------------------------------

    def view(self, X: np.ndarray, top_k: int | None = None) -> tuple[np.ndarray, list]:
        """Log prior (n_experts, n_rows) of rows, of the ``top_k`` most probable experts only, and the experts there."""
        expert = self.expert.design(X)
        gate = expert if self.gate is self.expert else self.gate.design(X)
        return _top(self.mixture.log_prior(self.params, gate), top_k), self.mixture.predictives(self.params, expert)

    def read(self, X: np.ndarray, reader: Reader, top_k: int | None = None) -> np.ndarray:
        """Read something of every row, chunk by chunk: the reader's arrays are joined along their first axis."""
        starts = range(0, len(X), CHUNK_ROWS)
        return np.concatenate([reader(*self.view(X[first : first + CHUNK_ROWS], top_k)) for first in starts])

    def reading(self, X: np.ndarray, top_k: int | None = None, n_jobs: int | None = None) -> Reading:
        """What the mixture says of rows: in compiled code where that knows all blocks, and how the rows are stored.

        This is the one place where it is decided who reads.
        """
        fused = readable(self) and not isinstance(X, SparseRows)
        return (FusedReading if fused else Reading)(self, X, top_k, n_jobs)

    def evaluate(self, X: np.ndarray, y: np.ndarray) -> Evaluation:
        """Log density and responsibilities of rows with their responses (n_rows, n_outputs)."""
        chunks = array_rows(self.mixture, self.gate, self.expert, X, y, np.ones(len(X)))
        return self.mixture.evaluate(self.params, chunks)

    # -- coefficients in the user's units ------------------------------------------------------------------------------

    def gate_attributes(self) -> dict[str, np.ndarray]:
        """Fitted attributes of the gates: coefficients where log-odds are linear in x, moments where gates model x."""
        gates = list(zip(self.mixture.gates, self.params.gates, strict=True))
        n_coef, units = len(self.gate.index) + 1, self.gate.units
        coef = [c for gate, params in gates if (c := gate.coef(params, n_coef)) is not None]
        moments = [m for gate, params in gates if (m := gate.moments(params)) is not None]
        found = {}
        if len(coef) == len(gates):
            slopes, found["gate_intercept_"] = units.original(np.concatenate(coef))
            found["gate_coef_"] = self.gate.spread(slopes)
        if moments:
            mean, covariance, found["gate_weight_"] = (np.concatenate(parts) for parts in zip(*moments, strict=True))
            found["gate_mean_"] = units.center + mean * units.scale
            found["gate_covariance_"] = covariance * np.outer(units.scale, units.scale)
        return found

    def gate_slopes(self, x: np.ndarray) -> np.ndarray:
        """Slopes (n_branches, n_features) of the gates' log-odds at a point, in the order of ``tree.branches``."""
        z = (x[self.gate.index] - self.gate.units.center) * self.gate.units.inverse
        slopes = [gate.slopes(params, z) for gate, params in zip(self.mixture.gates, self.params.gates, strict=True)]
        return self.gate.spread(np.concatenate(slopes) / self.gate.units.scale)

    def expert_coef(self) -> tuple[np.ndarray, np.ndarray]:
        """Slopes (n_experts, n_outputs, n_features) and intercepts (n_experts, n_outputs)."""
        slopes = intercepts = None
        for (expert, leaves), params in zip(self.mixture.experts, self.params.experts, strict=True):
            b, a = expert.original(params, self.expert.units)
            if slopes is None or intercepts is None:
                slopes = np.empty((self.n_experts, b.shape[1], self.expert.n_features))
                intercepts = np.empty((self.n_experts, a.shape[1]))
            slopes[leaves], intercepts[leaves] = self.expert.spread(b), a
        assert slopes is not None
        assert intercepts is not None
        return slopes, intercepts

    def expert_scale(self) -> np.ndarray | None:
        """Scales (n_experts, n_outputs) in units of y, NaN for experts without one; None where none has one."""
        out = None
        for (expert, leaves), params in zip(self.mixture.experts, self.params.experts, strict=True):
            scale = expert.scale(params)
            if scale is not None:
                out = np.full((self.n_experts, scale.shape[1]), np.nan) if out is None else out
                out[leaves] = scale
        return out

    def given(self, arrays: Mapping[str, np.ndarray]) -> FittedMixture:
        """This mixture with parameters named and shaped like the fitted attributes; others stay."""
        gates = self._given_gates(arrays) if {"gate_coef", "gate_intercept"} & set(arrays) else self.params.gates
        b = arrays["expert_coef"]  # (n_experts, n_features[, n_outputs])
        slopes = (b[:, None] if b.ndim == 2 else np.swapaxes(b, 1, 2))[..., self.expert.index]
        intercept = arrays["expert_intercept"].reshape(slopes.shape[:2])
        scale = arrays["expert_scale"].reshape(slopes.shape[:2]) if "expert_scale" in arrays else None
        experts = tuple(
            expert.given(p, slopes[k], intercept[k], None if scale is None else scale[k], self.expert.units)
            for (expert, k), p in zip(self.mixture.experts, self.params.experts, strict=True)
        )
        return replace(self, params=Params(gates, experts))

    def _given_gates(self, arrays: Mapping[str, np.ndarray]) -> tuple:
        zero = np.zeros((len(self.tree.branches), self.gate.n_features + 1))
        slopes, intercept = arrays.get("gate_coef", zero[:, 1:]), arrays.get("gate_intercept", zero[:, 0])
        coef = self.gate.units.standardized(slopes[:, self.gate.index], intercept)
        ends = np.cumsum([len(node.branches) for node in self.tree.nodes])[:-1]
        return tuple(gate.given(part) for gate, part in zip(self.mixture.gates, np.split(coef, ends), strict=True))

    def canonical(self) -> FittedMixture:
        """The same density with the branches of its tree in an order that depends on their shapes alone."""
        mixture, params = self.mixture.rearranged(self.params, self.tree.canonical())
        return FittedMixture(mixture, params, self.gate, self.expert)

    def scale_floor(self) -> np.ndarray | None:
        """Smallest scales (n_outputs,) in units of y; None where no expert has a scale."""
        floors = (block.expert.floor() for block in self.mixture.experts)
        return next((floor for floor in floors if floor is not None), None)

    def restandardized(self, mixture: Mixture, gate: Columns, expert: Columns) -> Params:
        """These parameters in the units of a mixture of the same structure made for other rows."""
        gates = tuple(
            g.restandardized(p, self.gate.units, gate.units)
            for g, p in zip(self.mixture.gates, self.params.gates, strict=True)
        )
        experts = tuple(
            new.expert.restandardized(p, old.expert, self.expert.units, expert.units)
            for new, old, p in zip(mixture.experts, self.mixture.experts, self.params.experts, strict=True)
        )
        return Params(gates, experts)

    def continued(self, task: Task) -> Params:
        """These parameters as a start on other rows: in the user's units, or, where columns were rescaled in between,
        on the standardised columns; whichever fits the rows better."""
        mixture = task.mixture
        starts = [self.restandardized(mixture, task.gate, task.expert), self.params]
        with np.errstate(all="ignore"):
            fits = [mixture.objective(p, mixture.sums(p, task.rows, information=False)) for p in starts]
        return starts[int(np.argmax(np.nan_to_num(fits, nan=-np.inf)))]


class Task(NamedTuple):
    """What a fit is about: a mixture without parameters, and the rows as it sees them."""

    mixture: Mixture
    rows: Rows

    @property
    def gate(self) -> Columns:
        return self.rows.gate

    @property
    def expert(self) -> Columns:
        return self.rows.expert

    def fitted(self, mixture: Mixture, params: Params) -> FittedMixture:
        """A mixture of these columns with parameters, the branches of each node in falling order of their share."""
        order = mixture.tree.ordered(mixture.share(params, self.rows))
        return FittedMixture(*mixture.rearranged(params, order), self.gate, self.expert)


def averaged(members: Sequence[FittedMixture], weights: np.ndarray) -> FittedMixture:
    """The average of the densities of fits of the same kind: one tree whose root ignores x.

    .. math:: p(y \\mid x) = \\sum_m \\pi_m p_m(y \\mid x)
    """
    if len(members) == 1:
        return members[0]
    tree = Tree(tuple(member.tree.nested for member in members))
    root = EqualGate() if np.ptp(weights) == 0 else ConstantGate()
    gates: list[Gate] = [root]
    gate_params: list[Any] = [root.given(np.log(weights)[:, None])]
    for member in members:
        if member.tree.nested:  # a single expert hangs under the root without a gate of its own
            gates += member.mixture.gates
            gate_params += member.params.gates
    firsts = np.cumsum([0] + [member.n_experts for member in members])[:-1]
    blocks, block_params = [], []
    for b, block in enumerate(members[0].mixture.experts):
        leaves = np.concatenate(
            [m + member.mixture.experts[b].leaves for m, member in zip(firsts, members, strict=True)]
        )
        blocks.append(block._replace(leaves=leaves))
        block_params.append(stacked([member.params.experts[b] for member in members]))
    mixture = Mixture(tree, tuple(gates), tuple(blocks))
    return FittedMixture(mixture, Params(tuple(gate_params), tuple(block_params)), members[0].gate, members[0].expert)


def _top(log_prior: np.ndarray, k: int | None) -> np.ndarray:
    """Log priors of the k most probable experts of each row, renormalised; minus infinity for the others."""
    if k is None or k >= len(log_prior):
        return log_prior
    best = np.argsort(-log_prior, axis=0, kind="stable")[:k]
    kept = np.full(log_prior.shape, -np.inf)
    np.put_along_axis(kept, best, np.take_along_axis(log_prior, best, axis=0), axis=0)
    return kept - normalized(kept)[0]
