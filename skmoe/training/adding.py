"""Adding an expert: for the rows that the present ones explain worst, while those stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..mixture import Leaves, Mixture, Params
from ..records import stacked
from ..rows.source import Rows
from ..tree import Tree
from .frozen import Frozen, all_of, of_experts
from .loop import Run, Settings
from .restarts import held_to_one_thread, ranked
from .starts.division import Divided, rounded

#: Parts of the weight that the new expert starts on, the worst explained first, and passes before they are compared.
_PARTS, _SHORT_PASSES = (0.02, 0.1, 0.3), 25
#: Passes of the fit to the rows that a new expert starts on.
_GIVEN_PASSES = 10


class Grafted(NamedTuple):
    """A mixture with one more expert, its parameters, and which of them are new."""

    mixture: Mixture
    params: Params
    new: Params


def with_one_more(mixture: Mixture, params: Params, n_gate_coef: int) -> Grafted:
    """One more branch at the root, with an expert that is like the first; the others keep their parameters.

    The gate of the root has one contrast more. The others, and so the odds among the old branches, are what they were.
    """
    tree, n_leaves = mixture.tree, mixture.tree.n_leaves
    single = not tree.nested
    new_tree = Tree((*(tree.nested or ((),)), ()))
    root = mixture.gates[0].start(2, n_gate_coef) if single else mixture.gates[0].extended(params.gates[0])
    active_root = all_of(root, True) if single else mixture.gates[0].extension(params.gates[0])
    (expert, leaves), *others = mixture.experts
    experts = (Leaves(expert, np.append(leaves, n_leaves)), *others)
    first = stacked([params.experts[0], expert.take(params.experts[0], np.array([0]))])
    grafted = replace(mixture, tree=new_tree, experts=experts)
    new_params = Params((root, *params.gates[1:]), (first, *params.experts[1:]))
    active = of_experts(grafted, new_params, np.array([n_leaves]))
    active = active._replace(gates=(active_root, *active.gates[1:]))
    return Grafted(grafted, new_params, active)


def added(mixture: Mixture, params: Params, rows: Rows, settings: Settings) -> Run:
    """The best of a few runs in which a new expert starts on the worst explained rows, more or fewer of them."""
    grafted = with_one_more(mixture, params, rows.n_gate_coef)
    frozen = Frozen(grafted.mixture.tree, grafted.mixture.gates, grafted.mixture.experts, active=grafted.new)
    with held_to_one_thread():
        runs = []
        for part in _PARTS:
            given = _FrozenDivided(
                frozen.tree,
                frozen.gates,
                frozen.experts,
                active=grafted.new,
                division=tuple(_worst(mixture, params, rows, part)),
            )
            start = Run(given, grafted.params, rows, settings).advance(min(_GIVEN_PASSES, settings.max_passes)).params
            runs.append(Run(frozen, start, rows, settings).advance(min(_SHORT_PASSES, settings.max_passes)))
        return runs[ranked(runs)[0]].advance(settings.max_passes)


@dataclass(frozen=True)
class _FrozenDivided(Frozen, Divided):
    """Given responsibilities, and only some coordinates that move."""


def _worst(mixture: Mixture, params: Params, rows: Rows, part: float) -> list[np.ndarray]:
    """The division in which the new expert, the last, takes a part of the weight: the rows of the lowest density."""
    log_prob, responsibilities = mixture.evaluate(params, rows)
    weight = rows.weight
    order = np.argsort(rounded(log_prob), kind="stable")
    level = rounded(log_prob)[order[np.searchsorted(np.cumsum(weight[order]), part * weight.sum())]]
    taken = rounded(log_prob) <= level
    division = np.vstack([responsibilities.T * ~taken, taken])
    return rows.split(division, axis=1)
