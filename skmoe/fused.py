"""Fused passes: evaluate and gather in one compiled loop, for mixtures whose blocks all are linear.

What rows meet are coefficients and a few numbers an expert; what they leave are sums of the simplest kind. Blocks say
what of theirs rows meet (``coef``, ``constants``), and make their own sums of what rows left (``condensed``). Every
other mixture makes its passes chunk by chunk in numpy, through `skmoe.mixture.Mixture.gather`.
"""

from __future__ import annotations

from functools import lru_cache, partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from . import kernels
from .block import Gathered
from .records import add
from .tree import Tree

if TYPE_CHECKING:
    from .mixture import Mixture, Params
    from .rows.source import Rows


class FusedPass:
    """One pass of a mixture with parameters, in compiled code.

    Parameters
    ----------
    mixture : Mixture
        One for which `fusable` holds.
    params : Params
    n_gate_coef : int
        Coefficients of a branch.
    information : bool
        Whether cross-products are gathered.
    """

    def __init__(self, mixture: Mixture, params: Params, n_gate_coef: int, information: bool):
        self._mixture, self._params, self._information = mixture, params, information
        expert, found = mixture.experts[0].expert, params.experts[0]
        self._family = expert.kernel
        self._routes = routes(mixture.tree)
        gates = list(zip(mixture.gates, params.gates, strict=True))
        coef = np.concatenate([gate.coef(p, n_gate_coef) for gate, p in gates])
        self._view = kernels.gather.View(coef, np.ascontiguousarray(found.coef), expert.constants(found))
        wanted = [gate.wanted(p) if information else kernels.codes.NONE for gate, p in gates]
        self._wanted = np.array(wanted)
        self._sizes = [len(node.branches) for node in mixture.tree.nodes]
        self._n_grams = [_count(w, n) for w, n in zip(wanted, self._sizes, strict=True)]
        self._n_curves = expert.n_curves(found.coef.shape[1]) if information else 0

    @property
    def n_grams(self) -> int:
        """Weighted cross-products that this pass forms."""
        return len(self._view.coef) * self._n_curves + sum(self._n_grams)

    def _zeros(self, alike: bool) -> Any:
        view = self._view
        n_coef, n_gate_coef = view.coef.shape[2], view.gate.shape[1]
        n_curves, n_gate_grams = len(view.coef) * self._n_curves, sum(self._n_grams)
        n_apart = 0 if alike else n_gate_grams
        return kernels.gather.Totals(
            np.zeros(1),
            np.zeros(1),
            np.zeros(len(view.gate)),
            np.zeros(len(view.coef)),
            np.zeros_like(view.gate),
            np.zeros_like(view.coef),
            np.zeros_like(self._params.experts[0].shape),
            np.zeros((n_curves + n_gate_grams - n_apart, n_coef, n_coef)),
            np.zeros((n_apart, n_gate_coef, n_gate_coef)),
        )

    def sums(self, rows: Rows) -> tuple[float, float, tuple, tuple]:
        """Log-likelihood, weight, and the sums of gates and experts, over all rows."""
        base_measure = rows.base_measure
        totals = reduce(add, rows.mapped(partial(self._part, rows)))
        return self._condensed(totals, base_measure)

    def _part(self, rows: Rows, numbers: range) -> Any:
        """Totals over some chunks, which add up to those of all."""
        alike, view, gather = rows.gate is rows.expert, self._view, kernels.gather
        totals, task = self._zeros(alike), gather.Pass(self._family, self._routes, alike, self._n_curves, self._wanted)
        if rows.kept:
            for number in numbers:
                gather.gather(rows.tiles(number), task, view, totals)
        else:
            place = slice(rows.place(numbers[0]).start, rows.place(numbers[-1]).stop)
            gather.gather_raw(rows.raw(place), rows.n_tile, task, view, totals)
        return totals

    def _condensed(self, totals: Any, base_measure: float) -> tuple[float, float, tuple, tuple]:
        curves, gate_grams = self._grams(totals)
        node, end, gates = 0, 0, []
        found = zip(self._mixture.gates, self._params.gates, self._sizes, self._n_grams, strict=True)
        for gate, p, size, n_grams in found:
            of, grams = slice(node, node + size), gate_grams[end : end + n_grams] if self._information else None
            gates.append(gate.condensed(p, Gathered(totals.branch[of], totals.gate[of], grams)))
            node, end = of.stop, end + n_grams
        expert = self._mixture.experts[0].expert.condensed(
            self._params.experts[0], Gathered(totals.mass, totals.coef, curves, totals.shape)
        )
        return float(totals.log_likelihood[0]) + base_measure, float(totals.weight[0]), tuple(gates), (expert,)

    def _grams(self, totals: Any) -> tuple[np.ndarray | None, np.ndarray]:
        """Cross-products of the experts (n_experts, n_curves, n_coef, n_coef), None after a score-only pass, and those
        of the gates, which may lie behind them."""
        if not self._information:
            return None, totals.gate_grams
        n_experts, n_coef = len(totals.coef), totals.coef.shape[2]
        own, behind = np.split(totals.grams, [n_experts * self._n_curves])
        curves = own.reshape(n_experts, self._n_curves, n_coef, n_coef)
        return curves, behind if len(behind) else totals.gate_grams


def fusable(mixture: Mixture) -> bool:
    """Whether compiled code knows all blocks of a mixture."""
    return (
        mixture.coldness == 1.0
        and len(mixture.experts) == 1
        and mixture.experts[0].expert.kernel is not None
        and all(gate.linear for gate in mixture.gates)
    )


@lru_cache(maxsize=64)
def routes(tree: Tree) -> Any:
    """A tree as compiled code sees it."""
    branches = tree.branches
    return kernels.routes.Routes(
        np.cumsum([0] + [len(node.branches) for node in tree.nodes]),
        np.array([branch.leaves.start for branch in branches]),
        np.array([branch.leaves.stop for branch in branches]),
    )


def _count(wanted: int, n_branches: int) -> int:
    codes = kernels.codes
    return (
        n_branches * bool(wanted & codes.BLOCKS)
        + n_branches * (n_branches - 1) // 2 * bool(wanted & codes.PAIRS)
        + bool(wanted & codes.EVEN)
    )
