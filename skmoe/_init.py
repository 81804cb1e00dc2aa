"""Where a fit begins: ``init``, ``init_labels`` and ``warm_start`` as functions that make first parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator

from .gates import Gate
from .mixture import Mixture, Params
from .model import FittedMixture, Task
from .records import same_kind
from .rows.source import Rows
from .training.growth import Growth
from .training.search import Start
from .training.starts import PORTFOLIO, STARTS
from .training.starts.division import trained_to
from .training.starts.splitting import nested
from .tree import Tree

#: What ``init`` may hold as arrays, named like the fitted attributes.
_ARRAYS = ("gate_coef", "gate_intercept", "expert_coef", "expert_intercept", "expert_scale")


class Beginning(NamedTuple):
    """First parameters, and whether to search on from them or to take the optimum that they lead to."""

    starts: list[Start]
    searched: bool


def beginning(
    init: Any,
    labels: np.ndarray | None,
    previous: Sequence[FittedMixture],
    task: Task,
    shape: Any,
    seeds: Sequence[int],
) -> Beginning:
    """Starts of a fit.

    Parameters
    ----------
    init : str, list of str, dict of arrays or fitted estimator
    labels : ndarray of shape (n_rows, n_experts) or None
        Responsibilities to start from, their columns in the order of the leaves of the mixture.
    previous : sequence of FittedMixture
        Fits that a warm start continues, where they have this structure.
    shape : int or tuple
        ``n_experts`` as the user gave it.
    seeds : sequence of int
        One a start.
    """
    if labels is not None:
        return Beginning([partial(_divided, labels)], False)
    if isinstance(init, Mapping):
        return Beginning([_always(_of_arrays(init, task, shape))], False)
    if not isinstance(init, str | list):
        return Beginning(_of_estimator(init, task, seeds[0]), False)
    old = [member.canonical() for member in previous]
    if old and all(_same_structure(member, task) for member in old):
        return Beginning([_always(member.continued(task)) for member in old], False)
    kinds = list(PORTFOLIO) if init == "auto" else np.atleast_1d(init).tolist()
    if not kinds or any(kind not in STARTS for kind in kinds):
        raise ValueError(
            f"init={init!r}: expected 'auto', names among {sorted(STARTS)} (alone or in a list), a fitted estimator, "
            f"or a dict of arrays {list(_ARRAYS)}."
        )
    return Beginning([partial(_drawn, kinds[i % len(kinds)], seed) for i, seed in enumerate(seeds)], True)


def growth_of(n_experts: Any) -> Growth | None:
    """How ``n_experts`` says that a tree is to be grown; None where it says which tree."""
    if isinstance(n_experts, str):  # "auto", as validated
        return Growth()
    return n_experts if isinstance(n_experts, Growth) else None


def check_can_grow(estimator: Any, labels: Any, gate: Gate) -> None:
    """Raise ValueError where a parameter asks for what has no meaning in a tree that grows."""
    given = [name for name, value in (("init", estimator.init), ("init_labels", labels)) if not _plain(value)]
    if isinstance(getattr(estimator, "expert", None), list):
        given.append("expert (as a list)")
    if gate.em_only:
        raise ValueError(f"n_experts={estimator.n_experts!r} grows a tree, and {gate!r} divides flat mixtures only.")
    if given:
        raise ValueError(
            f"n_experts={estimator.n_experts!r} grows a tree from one expert, so {' and '.join(given)} cannot say "
            "where to begin. Leave it out, or give n_experts as a number or a tuple."
        )


def _plain(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value == "auto")


def _drawn(kind: str, seed: int, mixture: Mixture, rows: Rows) -> Params:
    return STARTS[kind](mixture, rows, np.random.default_rng(seed))


def _always(params: Params) -> Start:
    return lambda mixture, rows: params


def _divided(labels: np.ndarray, mixture: Mixture, rows: Rows) -> Params:
    """Trained on given responsibilities (n_rows, n_leaves)."""
    return trained_to(mixture, rows, [part.T for part in rows.split(labels)])


def _nested(member: FittedMixture, task: Task, first: int, seed: int) -> Start:
    """A start from a fit of fewer experts, of which one is split first."""
    small = Mixture.of(member.tree, task.mixture.gates[0], task.mixture.experts[0].expert)
    params = member.continued(task._replace(mixture=small))
    return lambda mixture, rows: nested(small, params, first, mixture, rows, np.random.default_rng(seed))


def _of_estimator(init: Any, task: Task, seed: int) -> list[Start]:
    """Starts at the fits of an estimator, or from one of fewer experts."""
    model = init.estimator if isinstance(init, FrozenEstimator) else init
    if not hasattr(type(model), "responsibilities"):
        raise TypeError(
            f"init={init!r}: expected 'auto', names among {sorted(STARTS)}, a fitted mixture of experts, or a dict of "
            f"arrays {list(_ARRAYS)}."
        )
    members = getattr(model, "_members", None)
    if not members:
        raise ValueError(
            f"init={init!r} is not fitted. Fit it first; where the estimator is cloned, as in searches, wrap it in "
            "sklearn.frozen.FrozenEstimator, or the clone forgets the fit."
        )
    old = [member.canonical() for member in members]
    if all(_same_structure(member, task) for member in old):
        return [_always(member.continued(task)) for member in old]
    if len(old) > 1 or not _nests(old[0], task):
        difference = next(_differences(old[0], task), "it is an average, of which not every fit is like this one")
        raise ValueError(
            f"init cannot start this fit: {difference}.\nTrees, gates, experts and the columns they see must agree; a "
            "fit of fewer experts may start a flat one of more."
        )
    return [_nested(old[0], task, first, seed) for first in range(old[0].n_experts)]


def _of_arrays(init: Mapping[str, Any], task: Task, shape: Any) -> Params:
    """Parameters of arrays in the user's units, named and shaped like the fitted attributes."""
    if not {"expert_coef", "expert_intercept"} <= set(init) <= set(_ARRAYS):
        raise ValueError(
            f"init is a dict with the keys {sorted(init)}: expected {list(_ARRAYS)}, of which the gate's two and "
            "expert_scale may be left out."
        )
    mixture = Mixture(Tree.parse(shape), task.mixture.gates, task.mixture.experts)
    params = mixture.start(len(task.gate.index) + 1, len(task.expert.index) + 1)
    start = FittedMixture(mixture, params, task.gate, task.expert)
    arrays = {name: _numbers(name, value) for name, value in init.items()}
    n_branches, n_features = len(start.tree.branches), task.expert.n_features
    wanted = {
        "gate_coef": (n_branches, n_features),
        "gate_intercept": (n_branches,),
        "expert_coef": _shape_of(start, n_features),
        "expert_intercept": _shape_of(start),
        "expert_scale": _shape_of(start),
    }
    for name, value in arrays.items():
        if value.shape != wanted[name]:
            raise ValueError(f"init[{name!r}] has shape {value.shape}, expected {wanted[name]}, as {name}_ of the fit.")
        if not np.isfinite(value).all() or (name == "expert_scale" and (value <= 0).any()):
            raise ValueError(f"init[{name!r}] must hold finite numbers, and scales above zero, got {value}.")
    return start.given(arrays).canonical().params


def _numbers(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"init[{name!r}] is no array of numbers: {value!r}.") from error


def _shape_of(start: FittedMixture, *columns: int) -> tuple[int, ...]:
    """Shape of the attributes of experts: without an axis of outputs where there is one output."""
    n_outputs = start.expert_coef()[1].shape[1]
    return (start.n_experts, *columns, n_outputs) if n_outputs > 1 else (start.n_experts, *columns)


def _nests(old: FittedMixture, task: Task) -> bool:
    """Whether a fit of fewer experts can start this flat one."""
    if len(task.mixture.experts) > 1 or len(task.mixture.tree.nodes) > 1 or old.n_experts >= task.mixture.tree.n_leaves:
        return False
    small = Mixture.of(old.tree, task.mixture.gates[0], task.mixture.experts[0].expert)
    return _same_structure(old, task._replace(mixture=small))


def _same_structure(old: FittedMixture, task: Task) -> bool:
    """Whether the parameters of an earlier fit are a start for this one."""
    return not any(_differences(old, task))


def _differences(old: FittedMixture, task: Task) -> Iterator[str]:
    """What keeps the parameters of an earlier fit from being a start for this one."""
    new = task.mixture
    for name, was, now in (("gates", old.gate, task.gate), ("experts", old.expert, task.expert)):
        if not np.array_equal(was.index, now.index):
            yield f"its {name} see the columns {was.index.tolist()}, and here they are {now.index.tolist()}"
    if old.tree != new.tree:
        yield f"its tree is\n{old.tree}\nand here it is\n{new.tree}"
        return
    params = new.start(len(task.gate.index) + 1, len(task.expert.index) + 1)
    if _kinds(old.mixture) != _kinds(new):
        yield f"its parts are {_kinds(old.mixture)}, and here they are {_kinds(new)}"
    elif not same_kind(old.params, params):
        yield "it has another number of outputs or classes"


def _kinds(mixture: Mixture) -> str:
    """The kinds of gates and experts, each named once."""
    experts = [block.expert for block in mixture.experts]
    parts = [*mixture.gates, *(getattr(expert, "family", expert) for expert in experts)]
    return " and ".join(dict.fromkeys(type(part).__name__ for part in parts))
