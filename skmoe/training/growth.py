"""Growth: a tree of experts grown from one by splitting leaves, then pruned from the bottom.

The leaf k, with responsibilities h, is tried as a node of two leaves by a fit of two experts to its own rows, weighted
by h. What that gains over the leaf on these rows the whole gains at least, by Jensen's inequality:

    log p'(y | x) - log p(y | x)  >=  h (log f_pair - log f_k)

So a leaf is tried on the rows that it holds, all leaves for what one pass over all rows costs times the passes of one
trial, all that pay are split at once, and no accepted split can make the fit worse. The same inequality says which
pairs of leaves may be merged. Moves follow every round of splits: without them a tree keeps the root that its first,
poor question made.

References
----------
Waterhouse & Robinson (1995), Constructive algorithms for hierarchical mixtures of experts, NIPS 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed

from ..experts.protocol import Expert
from ..gates.protocol import Gate
from ..mixture import Mixture, Params
from ..records import stacked
from ..rows.source import Rows
from ..rows.thinning import held_out, thinned
from ..tree import Path, Tree
from .loop import Run, Settings
from .reseating import sides, walk
from .restarts import held_to_one_thread, ranked
from .search import SEARCH_ROWS, Found
from .starts.division import even, trained_on
from .watch import Watch

#: Directions in which a leaf is tried, passes for each, and passes for the best of them.
_TRIES, _TRY_PASSES, _PAIR_PASSES = 4, 10, 40
#: Responsibilities below this are not worth a row in the fit to a leaf.
_LEAST_SHARE = 1e-4
#: Largest number of rounds; each at most doubles the leaves.
_MOST_ROUNDS = 50
#: Part of the budget of moves of one round that the next round has: early questions are the ones to mend, and moves of
#: large trees are dear. Test NLL of trees grown by held-out rows, three splits (kin8nm: two), at 1, .5 and 0: concrete
#: 3.11 3.13 3.20, airfoil 2.06 1.98 2.23, puma8NH 2.43 2.44 2.43, kin8nm - -.96 -.93; seconds on airfoil 49 6 2.
_LATER_MOVES = 0.5


@dataclass(frozen=True)
class Growth:
    """How a tree of experts is grown; ``n_experts="auto"`` is ``Growth()``.

    Parameters
    ----------
    criterion : {"bic", "held_out"}, default="bic"
        What a split must earn. ``"bic"``: on the training rows, half the log of the number of rows for every
        parameter that it adds. ``"held_out"``: one standard error on rows that do not train (a fifth, along an order
        of their contents). BIC asks which tree made the data; held-out rows ask which predicts best, and let the tree
        grow further where no tree of lines is true.
    max_experts : int >= 1, default=64
        Most leaves: six questions one after the other, more than anyone will read.

    Notes
    -----
    ``n_init`` trees are grown and the best by the criterion is kept, or all are averaged. Each begins anew, also where
    ``warm_start=True``.

    References
    ----------
    Waterhouse & Robinson (1995), Constructive algorithms for hierarchical mixtures of experts. Advances in Neural
    Information Processing Systems 8.
    https://proceedings.neurips.cc/paper/1995/hash/a8240cb8235e9c493a0c30607586166c-Abstract.html

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.selection import Growth
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(300, 1))
    >>> y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(300)
    >>> MoERegressor(Growth("held_out", max_experts=8), n_init=1, random_state=0).fit(X, y).n_experts_
    2
    """

    criterion: str = "bic"
    max_experts: int = 64

    def __post_init__(self) -> None:
        if self.criterion not in ("bic", "held_out"):
            raise ValueError(f"criterion={self.criterion!r}: expected 'bic' or 'held_out'.")
        if not isinstance(self.max_experts, Integral) or isinstance(self.max_experts, bool) or self.max_experts < 1:
            raise ValueError(f"max_experts={self.max_experts!r}: expected an int of at least 1.")

    @property
    def judged(self) -> bool:
        """Whether rows that do not train judge."""
        return self.criterion == "held_out"


def grown(
    mixture: Mixture,
    rows: Rows,
    growth: Growth,
    seeds: Sequence[int],
    *,
    settings: Settings,
    move_budget: float = 0.0,
    keep_all: bool,
    n_jobs: int | None = None,
    watch: Watch | None = None,
) -> Found:
    """Grow a tree from every seed; keep the one that the criterion likes best, or all of them.

    Trees grow on at most `skmoe.training.search.SEARCH_ROWS` rows, and are then trained on all.

    Parameters
    ----------
    mixture : Mixture
        A mixture of one expert, whose gate and expert all nodes and leaves are like.
    """
    watch = Watch() if watch is None else watch
    if len(seeds) > 1:
        rows = rows.in_turn()
    few = thinned(rows, SEARCH_ROWS)
    train, judges = held_out(few) if growth.judged else (few, None)

    def one(i: int) -> Grown:
        watch.began(i)
        rng, passed = np.random.default_rng(seeds[i]), partial(watch.passed, i)
        grower = Grower(growth, mixture.gates[0], mixture.experts[0].expert, train, judges, settings, rng, move_budget)
        run = grower.grown(passed)
        worth, n_passes = grower.worth(run), grower.n_passes * train.n_rows / rows.n_rows
        if train is not rows and not run.interrupted:
            run = Run(run.mixture, run.params, rows, settings).advance(settings.max_passes, passed)
            grower.note(run)
            n_passes += run.n_passes
        run.history = grower.history
        watch.ended(i, run)
        return Grown(run, worth, n_passes)

    with held_to_one_thread():
        trees = Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(one)(i) for i in range(len(seeds)))
    runs = [tree.run for tree in trees]
    order = sorted(range(len(runs)), key=lambda i: -round(trees[i].worth, 6))
    kept = [runs[i] for i in order] if keep_all else [runs[order[0]]]
    return Found(kept, runs, [], sum(tree.n_passes for tree in trees))


class Grown(NamedTuple):
    """A tree, what the criterion makes of it in nats, and the passes over all rows that growing it took."""

    run: Run
    worth: float
    n_passes: float


class Parts(NamedTuple):
    """A tree taken apart: parameters of the gate of every node, and of the expert of every leaf, by their paths."""

    gates: dict[Path, Any]
    experts: dict[Path, Any]


class Change(NamedTuple):
    """A leaf made a node of two, or a node of two made a leaf: new parts at a path, and its profit in nats."""

    path: Path
    params: Params
    profit: float


@dataclass
class Grower:
    """Tries, grafts and prunes binary trees of one kind of gate and expert.

    Parameters
    ----------
    growth : Growth
    gate : Gate
    expert : Expert
    rows : Rows
        Rows that train.
    judges : Rows or None
        Rows that judge; none for BIC.
    settings : Settings
    rng : Generator
        Draws directions in which leaves are tried.
    move_budget : float, default=0.0
        What moves of the next round may cost (see `skmoe.training.reseating`).
    n_passes : float, default=0.0
        Passes so far; one over a part of the rows counts for that part.
    history : list of dict
        What `Run.history` holds, over all rounds.
    """

    growth: Growth
    gate: Gate
    expert: Expert
    rows: Rows
    judges: Rows | None
    settings: Settings
    rng: np.random.Generator
    move_budget: float = 0.0
    n_passes: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    def grown(self, passed: Callable[[Run], bool] | None = None) -> Run:
        """The tree at which no split and no merger pays."""
        one = self._of(Tree(()))
        run = self._run(one, even(one, self.rows), passed)
        for seek in (self._splits, self._mergers):
            for _ in range(_MOST_ROUNDS):
                changes = seek(run)
                if not changes or run.interrupted:
                    break
                run = self._run(*assembled(self._of, changed(taken_apart(run), changes)), passed)
                if seek == self._splits and not run.interrupted:
                    run = self._moved(run)
        return run

    def worth(self, run: Run) -> float:
        """What the criterion makes of a tree, in nats: log-likelihood of those who judge, or minus half of BIC."""
        if self.growth.judged:
            if not self.judges:
                return 0.0
            judged = run.mixture.evaluate(run.params, self.judges).log_prob
            return float(judged @ np.concatenate([chunk.weight for chunk in self.judges]))
        n_rows = self.rows.total
        return run.point.sums.log_likelihood - 0.5 * float(np.log(n_rows)) * run.mixture.n_free(run.params)

    def _of(self, tree: Tree) -> Mixture:
        return Mixture.of(tree, self.gate, self.expert)

    def note(self, run: Run, above: float = -np.inf) -> None:
        """Enter what a run of the whole tree passed through once it was above an objective."""
        passed = (entry for entry in run.history if entry["objective"] > above)
        self.history += [entry | {"pass": self.n_passes + entry["pass"]} for entry in passed]

    def _run(self, mixture: Mixture, params: Params, passed: Callable[[Run], bool] | None) -> Run:
        run = Run(mixture, params, self.rows, self.settings).advance(self.settings.max_passes, passed)
        self.note(run)
        return self._counted(run)

    def _counted(self, run: Run) -> Run:
        self.n_passes += run.n_passes * run.rows.n_rows / self.rows.n_rows
        return run

    # -- what pays ---------------------------------------------------------------------------------------------------

    def _splits(self, run: Run) -> list[Change]:
        """Splits that pay, the most profitable first, as many as there is room for."""
        parts, tried = taken_apart(run), []
        for leaf, path in enumerate(parts.experts):
            rows = self._rows(run, self.rows, [leaf])
            if rows:
                single = Params((even(self._of(Tree(())), rows).gates), (parts.experts[path],))
                tried.append(self._change(run, path, [leaf], rows, single, self._pair(rows, single)))
        paying = sorted((c for c in tried if self._pays(c)), key=lambda c: -c.profit)
        return paying[: self.growth.max_experts - len(parts.experts)]

    def _moved(self, run: Run) -> Run:
        """The best of the tree and what moves from it lead to: a split that was made early, when there was little to
        judge it by, may stand in the wrong place."""
        moves = walk([run], self.move_budget, self.rng, self.settings, Watch())
        self.move_budget *= _LATER_MOVES
        best = [run, *moves][ranked([run, *moves])[0]]
        for move in moves:
            if move is best:
                self.note(move, above=run.objective)
            self._counted(move)
        return best

    def _mergers(self, run: Run) -> list[Change]:
        """Mergers of two leaves that pay."""
        parts, tried = taken_apart(run), []
        leaves = {path: leaf for leaf, path in enumerate(parts.experts)}
        for path, gate in parts.gates.items():
            pair = [(*path, 0), (*path, 1)]
            if not all(branch in leaves for branch in pair):
                continue
            index = [leaves[branch] for branch in pair]
            rows = self._rows(run, self.rows, index)
            if rows:
                old = Params((gate,), (stacked([parts.experts[branch] for branch in pair]),))
                one = self._of(Tree(()))
                new = self._counted(Run(one, even(one, rows), rows, self.settings).advance(_PAIR_PASSES)).params
                tried.append(self._change(run, path, index, rows, old, new))
        return [change for change in tried if self._pays(change)]

    def _pays(self, change: Change) -> bool:
        """Whether a change earns more than training would go on for."""
        return change.profit > self.settings.tol

    def _change(self, run: Run, path: Path, leaves: list[int], rows: Rows, old: Params, new: Params) -> Change:
        """What a new part earns in the place of an old one on the rows that these leaves hold."""
        before, after = (self._of(Tree(((),) * width(p)) if width(p) > 1 else Tree(())) for p in (old, new))
        if self.growth.judged:
            judged = self._rows(run, self.judges, leaves) if self.judges else ()
            weight = np.concatenate([chunk.weight for chunk in judged]) if judged else np.zeros(0)
            gain = (after.evaluate(new, judged).log_prob - before.evaluate(old, judged).log_prob) if judged else weight
            return Change(path, new, float(weight @ gain - np.sqrt(weight @ np.square(gain))))
        gain = self._objective(after, new, rows) - self._objective(before, old, rows)
        n_rows = self.rows.total
        return Change(path, new, gain - 0.5 * float(np.log(n_rows)) * (after.n_free(new) - before.n_free(old)))

    @staticmethod
    def _objective(mixture: Mixture, params: Params, rows: Rows) -> float:
        return mixture.objective(params, mixture.sums(params, rows, information=False))

    def _pair(self, rows: Rows, single: Params) -> Params:
        """Two experts in the place of one, fitted to its rows: the best of a few directions."""
        pair, tries = self._of(Tree(((), ()))), []
        twice = stacked([single.experts[0]] * 2)
        for _ in range(_TRIES):
            side = sides(rows, [np.ones_like(chunk.weight) for chunk in rows], self.rng)
            params = trained_on(pair, rows, [np.stack([1 - s, s]) for s in side], (twice,))
            tries.append(Run(pair, params, rows, self.settings).advance(_TRY_PASSES))
        best = tries[ranked(tries)[0]].advance(_PAIR_PASSES)
        for run in tries:
            self._counted(run)
        return best.params

    def _rows(self, run: Run, rows: Rows, leaves: list[int]) -> Rows | None:
        """The rows that some leaves hold, weighted by the part they hold; none where they are too few to divide."""
        held = np.concatenate([run.mixture.posterior(run.params, chunk)[leaves].sum(axis=0) for chunk in rows])
        index = np.flatnonzero(held > _LEAST_SHARE)
        weight = rows.weight[index] * held[index]
        return rows.taken(index, weight) if weight.sum() > 1 else None


def width(params: Params) -> int:
    """Number of experts of a flat mixture."""
    return len(params.experts[0][0])


def taken_apart(run: Run) -> Parts:
    """The parts of the tree of a run, experts in the order of its leaves."""
    tree, (gates, (experts,)) = run.mixture.tree, run.params
    expert = run.mixture.experts[0].expert
    nodes = {node.path: params for node, params in zip(tree.nodes, gates, strict=True)} if tree.nested else {}
    leaves = {path: expert.take(experts, np.array([leaf])) for leaf, path in enumerate(tree.leaf_paths)}
    return Parts(nodes, leaves)


def changed(parts: Parts, changes: Sequence[Change]) -> Parts:
    """The parts after changes at different places."""
    gates, experts = dict(parts.gates), dict(parts.experts)
    for path, params, _ in changes:
        block, below = params.experts[0], [(*path, 0), (*path, 1)]
        if width(params) == 1:
            gates.pop(path)
            experts[path] = block
            for branch in below:
                experts.pop(branch)
        else:
            gates[path] = params.gates[0]
            experts.pop(path)
            for b, branch in enumerate(below):
                experts[branch] = type(block)(*(array[b : b + 1] for array in block))
    return Parts(gates, experts)


def assembled(of: Callable[[Tree], Mixture], parts: Parts) -> tuple[Mixture, Params]:
    """The mixture of a binary tree of parts, and its parameters."""

    def nested(path: Path) -> tuple:
        return () if path in parts.experts else (nested((*path, 0)), nested((*path, 1)))

    mixture = of(Tree(nested(())))
    tree = mixture.tree
    experts = stacked([parts.experts[path] for path in tree.leaf_paths])
    if not tree.nested:
        return mixture, Params((mixture.gates[0].start(1, 1),), (experts,))
    return mixture, Params(tuple(parts.gates[node.path] for node in tree.nodes), (experts,))
