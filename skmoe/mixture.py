"""Mixture: a tree, a gate at each node, experts at its leaves, as functions of parameters.

    p(y | x) = sum_k g_k(x) f_k(y | x)

Evaluate the rows, gather additive sums, spend the sums on new parameters: each verb is the same verb of the gates and
experts, and the tree stands between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from . import kernels
from .block import Block
from .experts.protocol import Expert
from .fused import FusedPass, fusable
from .gates.protocol import Gate
from .records import add
from .rows.chunk import Chunk
from .rows.design import Design
from .rows.source import Rows
from .tree import Ordering, Tree


class Params(NamedTuple):
    """Parameters of the gate of each node and of each expert block."""

    gates: tuple
    experts: tuple


class Sums(NamedTuple):
    """What one pass over the rows gathers: log-likelihood, sum of weights, and the sums of every block.

    The log-likelihood is that of y given x, or of x and y where the gate models x.
    """

    log_likelihood: float
    weight: float
    gates: tuple
    experts: tuple


class Leaves(NamedTuple):
    """An expert block and the leaves that it serves."""

    expert: Expert
    leaves: np.ndarray


class Forward(NamedTuple):
    """Log prior (n_leaves, n_rows | 1) and joint log density (n_leaves, n_rows) of leaf and y given x, log density of x
    where gates model it, (n_rows,), and the caches of the blocks."""

    log_prior: np.ndarray
    joint: np.ndarray
    log_marginal: np.ndarray | float
    gate_caches: list
    expert_caches: list


class Evaluation(NamedTuple):
    """Log density (n_rows,) in nats and responsibilities (n_rows, n_experts)."""

    log_prob: np.ndarray
    responsibilities: np.ndarray


@dataclass(frozen=True)
class Mixture:
    """A mixture of experts without parameters: structure and hyper-parameters only.

    Parameters
    ----------
    tree : Tree
    gates : tuple of Gate
        One a node, in the order of ``tree.nodes``.
    experts : tuple of Leaves
        Expert blocks with the leaves they serve; usually one block for all.
    coldness : float, default=1.0
        Below one responsibilities are those of joint densities to that power: softer, as deterministic annealing wants
        them at first (Ueda & Nakano 1998, https://doi.org/10.1016/S0893-6080(97)00133-0).
    """

    tree: Tree
    gates: tuple[Gate, ...]
    experts: tuple[Leaves, ...]
    coldness: float = 1.0

    @classmethod
    def of(cls, tree: Tree, gate: Gate, expert: Expert | Sequence[Expert]) -> Mixture:
        """The same gate at every node; one expert block for all leaves, or a list with one expert a leaf."""
        if isinstance(expert, Expert):
            experts: tuple[Leaves, ...] = (Leaves(expert, np.arange(tree.n_leaves)),)
        else:
            experts = tuple(Leaves(one, np.array([leaf])) for leaf, one in enumerate(expert))
        return cls(tree, (gate,) * len(tree.nodes), experts)

    def damped(self) -> Mixture:
        """The same mixture with shorter steps (see `skmoe.block.Block.damped`)."""
        gates = tuple(gate.damped() for gate in self.gates)
        return replace(
            self, gates=gates, experts=tuple(Leaves(expert.damped(), leaves) for expert, leaves in self.experts)
        )

    @property
    def curved(self) -> bool:
        """Whether any block of experts asks to be trained in the metric of its information; one expert always does."""
        return self.tree.n_leaves == 1 or any(block.expert.curved for block in self.experts)

    @property
    def em_only(self) -> bool:
        """Whether any block keeps training to EM."""
        return any(block.em_only for block in self._blocks())

    @property
    def cannot_stream(self) -> list[Block]:
        """Blocks whose sums cannot follow the parameters once the rows are gone."""
        return [block for block in self._blocks() if not block.streams]

    def rough(self, params: Params) -> bool:
        """Whether the information of any block is a diagonal (see `skmoe.block.Block.rough`)."""
        return any(b.rough(p) for b, p in zip(self._blocks(), (*params.gates, *params.experts), strict=True))

    # -- rows ------------------------------------------------------------------------------------------------

    def forward(self, params: Params, chunk: Chunk) -> Forward:
        """Evaluate the rows of a chunk."""
        gates = [g.forward(p, chunk.gate) for g, p in zip(self.gates, params.gates, strict=True)]
        log_prior = self.tree.leaf_log_prior([forward.log_prob for forward in gates])
        parts = [
            expert.forward(p, chunk.expert, response)
            for (expert, _), p, response in zip(self.experts, params.experts, chunk.responses, strict=True)
        ]
        caches = [cache for _, cache in parts]
        if len(parts) == 1:
            joint = parts[0].log_prob
            joint += chunk.responses[0].base_measure
        else:
            joint = np.empty((self.tree.n_leaves, chunk.expert.n_rows))
            for (_, index), (log_prob, _), response in zip(self.experts, parts, chunk.responses, strict=True):
                joint[index] = log_prob + response.base_measure
        joint += log_prior
        log_marginal = sum(forward.log_marginal for forward in gates)
        return Forward(log_prior, joint, log_marginal, [forward.cache for forward in gates], caches)

    def gather(
        self, params: Params, chunk: Chunk, *, information: bool = True, responsibilities: np.ndarray | None = None
    ) -> Sums:
        """Sums over the rows of a chunk; with given responsibilities (n_leaves, n_rows), those instead of our own."""
        forward = self.forward(params, chunk)
        log_prob, posterior = self._posterior(forward.joint, responsibilities)
        mass = posterior * chunk.weight
        held = [mass] if len(self.experts) == 1 else [mass[index] for _, index in self.experts]
        gates = tuple(
            gate.gather(p, chunk.gate, m, cache, information=information)
            for gate, p, m, cache in zip(
                self.gates, params.gates, self.tree.branch_mass(mass), forward.gate_caches, strict=True
            )
        )
        experts = tuple(
            expert.gather(p, chunk.expert, response, part, cache, information=information)
            for (expert, _), p, response, part, cache in zip(
                self.experts, params.experts, chunk.responses, held, forward.expert_caches, strict=True
            )
        )
        log_likelihood = float(chunk.weight @ (log_prob + forward.log_marginal))
        return Sums(log_likelihood, float(chunk.weight.sum()), gates, experts)

    def _posterior(self, joint: np.ndarray, given: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """What a row adds to the log-likelihood, (n_rows,), and who is responsible for it, (n_leaves, n_rows).

        Given responsibilities make it the expected complete-data log-likelihood; a coldness below one makes it the
        free energy of deterministic annealing, ``log(sum_k joint_k^coldness) / coldness``.
        """
        if given is not None:
            return np.where(given > 0, given * joint, 0.0).sum(axis=0), np.ascontiguousarray(given)
        if self.coldness == 1.0:
            return normalized(joint)
        log_norm, posterior = normalized(self.coldness * joint)
        return log_norm / self.coldness, posterior

    def sums(
        self,
        params: Params,
        rows: Rows,
        *,
        information: bool = True,
        responsibilities: Iterable[np.ndarray] | None = None,
    ) -> Sums:
        """One pass: sums over all rows, added in their order. Given responsibilities are one array a chunk."""

        def gathered(chunks: Iterable[Chunk], given: Iterable[np.ndarray | None]) -> Sums:
            # A trial step may overshoot; the line search turns away from what is not finite.
            with np.errstate(over="ignore", invalid="ignore"):
                parts = (
                    self.gather(params, chunk, information=information, responsibilities=part)
                    for chunk, part in zip(chunks, given, strict=False)
                )
                total: Sums = reduce(add, parts)
                return total

        if responsibilities is not None:
            return gathered(rows, responsibilities)
        if self._fusable and rows.fusable:
            fused = FusedPass(self, params, rows.n_gate_coef, information)
            with np.errstate(over="ignore", invalid="ignore"):
                return Sums(*fused.sums(rows))
        return reduce(add, rows.mapped(lambda numbers: gathered(map(rows.chunk, numbers), repeat(None))))

    @cached_property
    def _fusable(self) -> bool:
        return fusable(self)

    def posterior(self, params: Params, chunk: Chunk) -> np.ndarray:
        """Responsibilities of the leaves, (n_leaves, n_rows)."""
        return normalized(self.forward(params, chunk).joint)[1]

    def evaluate(self, params: Params, rows: Rows) -> Evaluation:
        """Log density and responsibilities of every row."""
        parts = [normalized(self.forward(params, chunk).joint) for chunk in rows]
        return Evaluation(np.concatenate([p[0] for p in parts]), np.concatenate([p[1].T for p in parts]))

    def share(self, params: Params, rows: Rows) -> np.ndarray:
        """Share of the mass that each leaf takes, (n_leaves,)."""

        def part(numbers: range) -> np.ndarray:
            chunks = map(rows.chunk, numbers)
            return np.sum([self.posterior(params, chunk) @ chunk.weight for chunk in chunks], axis=0)

        mass = np.sum(list(rows.mapped(part)), axis=0)
        return np.asarray(mass / mass.sum())

    # -- spend -----------------------------------------------------------------------------------------------

    def _blocks(self) -> list[Block]:
        return [*self.gates, *(block.expert for block in self.experts)]

    def _record(self, parts: list) -> Params:
        return Params(tuple(parts[: len(self.gates)]), tuple(parts[len(self.gates) :]))

    def _spend(self, verb: str, *records: Params | Sums) -> Params:
        """A verb of every block on its own parts of records of parameters, sums and vectors."""
        flat = [(*record.gates, *record.experts) for record in records]
        return self._record([getattr(b, verb)(*args) for b, *args in zip(self._blocks(), *flat, strict=True)])

    def penalty(self, params: Params) -> float:
        return sum(b.penalty(p) for b, p in zip(self._blocks(), (*params.gates, *params.experts), strict=True))

    def objective(self, params: Params, sums: Sums) -> float:
        """Penalised log-likelihood in total nats."""
        return sums.log_likelihood - self.penalty(params)

    def gradient(self, params: Params, sums: Sums) -> Params:
        return self._spend("gradient", params, sums)

    def precondition(self, params: Params, sums: Sums, vector: Params) -> Params:
        return self._spend("precondition", params, sums, vector)

    def m_step(self, params: Params, sums: Sums) -> Params:
        return self._spend("m_step", params, sums)

    def recentred(self, sums: Sums, old: Params, new: Params) -> Sums:
        """Sums with information, gathered at old parameters, as they would be at new ones if masses stayed."""
        moved, gains = self._spend("recentred", sums, old, new), self._spend("gain", sums, old, new)
        gain = sum((*gains.gates, *gains.experts))
        return Sums(sums.log_likelihood + gain, sums.weight, moved.gates, moved.experts)

    def balanced(self, params: Params, sums: Sums) -> Sums:
        """Sums of the same mass and information, of which these parameters are the optimum."""
        return sums._replace(**self._spend("balanced", params, sums)._asdict())

    def n_free(self, params: Params) -> int:
        return sum(b.n_free(p) for b, p in zip(self._blocks(), (*params.gates, *params.experts), strict=True))

    # -- parameters ------------------------------------------------------------------------------------------

    def start(self, n_gate_coef: int, n_expert_coef: int) -> Params:
        """Parameters of experts that are all alike behind gates that are all even."""
        gates = tuple(
            gate.start(len(node.branches), n_gate_coef) for gate, node in zip(self.gates, self.tree.nodes, strict=True)
        )
        return Params(gates, tuple(expert.start(len(index), n_expert_coef) for expert, index in self.experts))

    def rearranged(self, params: Params, ordering: Ordering) -> tuple[Mixture, Params]:
        """The same density with branches in another order (experts given as a list stay in place)."""
        if len(self.experts) > 1:
            return self, params
        gates = tuple(self.gates[i] for i in ordering.nodes)
        gate_params = tuple(
            self.gates[i].permuted(params.gates[i], order)
            for i, order in zip(ordering.nodes, ordering.branches, strict=True)
        )
        expert = self.experts[0].expert
        experts = (expert.take(params.experts[0], ordering.leaves),)
        return Mixture(ordering.tree, gates, self.experts), Params(gate_params, experts)

    # -- read ------------------------------------------------------------------------------------------------

    def log_prior(self, params: Params, design: Design) -> np.ndarray:
        """Log prior probabilities of the leaves, (n_leaves, n_rows)."""
        log_prob = [g.forward(p, design).log_prob for g, p in zip(self.gates, params.gates, strict=True)]
        return np.broadcast_to(self.tree.leaf_log_prior(log_prob), (self.tree.n_leaves, design.n_rows))

    def predictives(self, params: Params, design: Design) -> list[tuple[np.ndarray, Any]]:
        """The leaves and distributions of each expert block at the rows of a design."""
        return [
            (index, expert.predictive(p, design))
            for (expert, index), p in zip(self.experts, params.experts, strict=True)
        ]


def normalized(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log of the sum over leaves, (n_rows,), and the shares of the leaves in it, (n_leaves, n_rows).

    Where a row is impossible under every leaf the log is minus infinity and the shares are even.
    """
    joint = np.ascontiguousarray(joint)  # so that reshaped arrays are views, into which the kernel writes
    share, log_norm = np.empty_like(joint), np.empty(joint.shape[1:])
    kernels.softmax.shares(joint.reshape(len(joint), -1), share.reshape(len(joint), -1), log_norm.reshape(-1))
    return log_norm, share
