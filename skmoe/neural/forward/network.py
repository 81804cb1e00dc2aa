"""The network in NumPy: the same equations as `skmoe.neural.network`, from arrays by the names torch gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from ...tree import Tree
from ..architecture import Architecture
from ..table import Table
from .embeddings import embedded_numbers
from .experts import answered, relu
from .gate import Chosen, chosen

Arrays = Mapping[str, np.ndarray]

#: Rows computed together, so that what is between them stays in the cache.
_BLOCK_ROWS = 512

#: Of the normalisation of torch.nn.LayerNorm.
_LAYER_EPS = 1e-5


class Read(NamedTuple):
    """What the head says of rows.

    Attributes
    ----------
    log_weight : ndarray of shape (n_rows, n_members, k)
        Logarithms of the weights of the experts of a row; those of a member sum to one.
    answers : ndarray of shape (n_rows, n_members, k, n_answers)
    """

    log_weight: np.ndarray
    answers: np.ndarray


class Gated(NamedTuple):
    """What a gate says of rows.

    Attributes
    ----------
    proba : ndarray of shape (n_rows, n_members, n_experts)
        Probabilities of all experts.
    weights : ndarray of shape (n_rows, n_members, n_experts)
        Weights that sum to one, 0 for experts that a row does not go to.
    """

    proba: np.ndarray
    weights: np.ndarray


class NumpyNetwork:
    """The network of an `Architecture` and arrays, in the precision of the arrays.

    Parameters
    ----------
    architecture : Architecture
        With a rule for every gate.
    arrays : mapping of str to ndarray
        Parameters and buffers by name.
    """

    def __init__(self, architecture: Architecture, arrays: Arrays) -> None:
        self.architecture, self._arrays = architecture, arrays

    @property
    def temperature(self) -> float:
        """How sure the network is to be of what it says."""
        return float(self._arrays["temperature"])

    def read(self, table: Table, lines: np.ndarray | None = None) -> Read:
        """What the head says of rows."""
        parts = [self._head(h, lines) for h, lines in self._blocks(table, lines)]
        return Read(*(np.concatenate(values) for values in zip(*parts, strict=True)))

    def gated(self, table: Table, block: int, lines: np.ndarray | None = None) -> Gated:
        """What the gate of a block says of rows; the head is the last."""
        parts = [self._gated(h, lines, block) for h, lines in self._blocks(table, lines, until=block)]
        return Gated(*(np.concatenate(values) for values in zip(*parts, strict=True)))

    # -- blocks --------------------------------------------------------------------------------------------------------

    def _blocks(
        self, table: Table, lines: np.ndarray | None, until: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """What arrives at a block, the head where none is named, some rows at a time."""
        n_rows = len(table.numbers)
        until = self.architecture.n_blocks - 1 if until is None else until
        for first in range(0, max(n_rows, 1), _BLOCK_ROWS):
            at = slice(first, first + _BLOCK_ROWS)
            h = self._stem(table.numbers[at], table.codes[at])
            for i in range(until):
                h = h + self._block(h, f"blocks.{i}.", i)
            yield h, None if lines is None else lines[at]

    def _stem(self, numbers: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Embeddings as every member sees them, and the first linear map, (n_rows * n_members, width)."""
        a, arrays = self.architecture, self._arrays
        parts = [embedded_numbers(numbers, a.embedding, arrays).reshape(len(numbers), -1)] if a.n_numbers else []
        if a.n_codes:
            vectors = arrays["categories.weight"][codes + arrays["categories.first"]]
            parts.append(vectors.reshape(len(codes), -1))
        embedded = np.concatenate(parts, axis=1)
        seen = embedded[:, None] * arrays["members"]
        return relu(seen.reshape(-1, embedded.shape[1]) @ arrays["stem.weight"].T + arrays["stem.bias"])

    def _block(self, h: np.ndarray, name: str, number: int) -> np.ndarray:
        """What a block adds."""
        x = self._normed(h, name)
        gate = self._chosen(x, name, number)
        answers = self._answered(x, gate, name)
        added: np.ndarray = (gate.weight[..., None] * answers).sum(axis=1)
        return added

    def _head(self, h: np.ndarray, lines: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Log weights and answers of the experts that the head chose."""
        a, arrays = self.architecture, self._arrays
        x, carried = self._seen_by_head(h, lines)
        gate = self._chosen(x, "head.", a.n_blocks - 1)
        by_member = self._answered(x, gate, "head.").reshape(-1, a.n_members, gate.index.shape[1], a.n_answers)
        by_member = by_member * arrays["head.size"][:, None] + arrays["head.shift"][:, None]
        if carried is not None:
            along = gate.index.reshape(*by_member.shape[:3])
            by_member = by_member + np.take_along_axis(carried[:, None], along[..., None], axis=2)
        return gate.log_weight().reshape(by_member.shape[:3]), by_member

    def _seen_by_head(self, h: np.ndarray, lines: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Columns of the head, and the answers of the carried experts (n_rows, n_experts, n_answers)."""
        x, arrays = self._normed(h, "head."), self._arrays
        if lines is None:
            return x, None
        logits = lines @ arrays["head.carried.gate.gate.weight"].T + arrays["head.carried.gate.gate.bias"]
        assert self.architecture.carried is not None
        prior = _log_prior(logits, Tree.parse(self.architecture.carried))
        weight, bias = arrays["head.carried.weight"], arrays["head.carried.bias"]
        flat = lines @ weight.transpose(1, 0, 2).reshape(lines.shape[1], -1)
        answers = flat.reshape(len(lines), *bias.shape) + bias
        return np.concatenate([x, np.repeat(prior, self.architecture.n_members, axis=0)], axis=1), answers

    def _gated(self, h: np.ndarray, lines: np.ndarray | None, block: int) -> tuple[np.ndarray, np.ndarray]:
        last = block == self.architecture.n_blocks - 1
        name = "head." if last else f"blocks.{block}."
        x = self._seen_by_head(h, lines)[0] if last else self._normed(h, name)
        gate = self._chosen(x, name, block)
        shape = (-1, self.architecture.n_members, self.architecture.n_experts)
        weights = np.zeros_like(gate.proba)
        np.put_along_axis(weights, gate.index, np.exp(gate.log_weight()), axis=1)
        return gate.proba.reshape(shape), weights.reshape(shape)

    def _normed(self, h: np.ndarray, name: str) -> np.ndarray:
        centered = h - h.mean(axis=1, keepdims=True)
        sd = np.sqrt(np.square(centered).mean(axis=1, keepdims=True) + _LAYER_EPS)
        return centered / sd * self._arrays[name + "norm.weight"] + self._arrays[name + "norm.bias"]

    # -- gates and experts ---------------------------------------------------------------------------------------------

    def _chosen(self, x: np.ndarray, name: str, number: int) -> Chosen:
        rule = self.architecture.rules[number]
        assert rule is not None
        gate = name + "layer.router."
        logits = x @ self._arrays[gate + "gate.weight"].T
        bias = self._arrays.get(gate + "gate.bias")
        return chosen(logits if bias is None else logits + bias, rule, self._arrays.get(gate + "balance_bias"))

    def _answered(self, x: np.ndarray, gate: Chosen, name: str) -> np.ndarray:
        """Answers of the chosen experts, (n_rows, k, d_out)."""
        names = [f"{name}layer.experts.maps.{i}." for i in range(len(self.architecture.hidden) + 1)]
        maps = [(self._arrays[one + "weight"], self._arrays[one + "bias"]) for one in names]
        return answered(x, gate.index, maps, self.architecture.activation)


def _log_prior(logits: np.ndarray, tree: Tree) -> np.ndarray:
    """Log probabilities of the leaves (n_rows, n_leaves) of logits of the branches: sums along the way to a leaf."""
    ends = np.cumsum([len(node.branches) for node in tree.nodes])
    branches = np.concatenate([log_softmax(node, axis=1) for node in np.split(logits, ends[:-1], axis=1)], axis=1)
    above = np.zeros((branches.shape[1], tree.n_leaves), dtype=branches.dtype)
    for row, branch in zip(above, tree.branches, strict=True):
        row[branch.leaves.start : branch.leaves.stop] = 1
    return branches @ above
