"""A pass over the rows beside what no implementation can do without, on the same arrays and one thread.

A pass that gathers scores needs two matrix products, of the design with the coefficients of gate and experts and of
the design with what rows say of both, and two exponentials for every row and expert: of the gate's logits and of
densities. A pass with information needs weighted cross-products too; counted are those that it really forms: in numpy
one matrix product each, in compiled code all together, as `skmoe.kernels.cross_products` makes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skmoe.fused import FusedPass
from skmoe.kernels.compiled import kernel
from skmoe.kernels.cross_products import add, close, room_for
from skmoe.kernels.elementary import exp_of_negative
from skmoe.rows.tiles import tile_rows

from .problems import gaussian
from .report import Row, Tables
from .timing import alternated, ratio


class Blocks(NamedTuple):
    """Arrays of the unavoidable work.

    Attributes
    ----------
    designs : ndarray of shape (n_blocks | 1, n_coef, n_rows of a block)
    n_blocks : int
        Where there is one block it is worked on so many times.
    coef : ndarray of shape (2 * n_experts, n_coef)
        Of gate and experts.
    values : ndarray of shape (2 * n_experts, n_rows of a block)
    out : ndarray of shape (2 * n_experts, n_coef)
    gram : ndarray of shape (n_coef, n_coef)
    """

    designs: np.ndarray
    n_blocks: int
    coef: np.ndarray
    values: np.ndarray
    out: np.ndarray
    gram: np.ndarray


def blocks(n_rows: int, n_coef: int, n_experts: int, *, cached: bool) -> Blocks:
    """Blocks of as many rows as a pass works on together; ``cached`` is one block again and again."""
    rng = np.random.default_rng(0)
    n_block = tile_rows(n_coef)
    n_blocks = -(-n_rows // n_block)
    designs = rng.standard_normal((1 if cached else n_blocks, n_coef, n_block))
    coef = 0.1 * rng.standard_normal((2 * n_experts, n_coef))
    values = np.empty((2 * n_experts, n_block))
    return Blocks(designs, n_blocks, coef, values, np.empty((2 * n_experts, n_coef)), np.empty((n_coef, n_coef)))


def in_numpy(work: Blocks, n_grams: int = 0) -> None:
    """Two matrix products, exponentials of all values, and cross-products, block by block."""
    scores, other = np.empty_like(work.values), work.designs[0].copy()
    for t in range(work.n_blocks):
        design = work.designs[t % len(work.designs)]
        np.dot(work.coef, design, out=work.values)
        np.exp(work.values, out=scores)
        np.dot(scores, design.T, out=work.out)
        for _ in range(n_grams):
            np.dot(other, design.T, out=work.gram)


@kernel
def _compiled(
    designs: np.ndarray,
    n_blocks: int,
    coef: np.ndarray,
    values: np.ndarray,
    out: np.ndarray,
    gram: np.ndarray,
    n_grams: int,
) -> None:
    scores = np.empty_like(values)
    weights, grams = np.ones((n_grams, designs.shape[2])), np.zeros((n_grams, *gram.shape))
    room = room_for(designs.shape[1], n_grams, designs.shape[2])
    for t in range(n_blocks):
        design = designs[t % len(designs)]
        np.dot(coef, design, values)
        for k in range(len(values)):
            a, b = values[k], scores[k]
            for i in range(len(a)):
                b[i] = exp_of_negative(a[i])
        np.dot(scores, design.T, out)
        if n_grams:
            weights[0, 0] = out[0, 0]  # so that no compiler takes it for the same every time
            add(design, weights, room, grams)
    close(room, grams)


def compiled(work: Blocks, n_grams: int = 0) -> None:
    """The same with the exponential and the cross-products of the kernels, without Python between calls."""
    _compiled(*work, n_grams)


def measured(quick: bool) -> Tables:
    n_rows, n_columns, n_experts = (20_000 if quick else 1_000_000), 20, 8
    problem = gaussian(n_rows, n_columns, n_experts, alpha=1e-2)
    params = problem.started(0)
    grams = FusedPass(problem.mixture, params, problem.rows.n_gate_coef, information=True).n_grams
    cached = blocks(n_rows, n_columns + 1, n_experts, cached=True)
    streamed = blocks(n_rows, n_columns + 1, n_experts, cached=False)
    tables: dict[str, list[Row]] = {}
    for title, information in (("scores only", False), (f"with information, {grams} cross-products", True)):
        g = grams if information else 0
        functions: dict[str, Callable[[], Any]] = {
            "pass": lambda i=information: problem.mixture.sums(params, problem.rows, information=i),
            "unavoidable, numpy, a block in cache": lambda g=g: in_numpy(cached, g),
            "unavoidable, numpy, blocks from memory": lambda g=g: in_numpy(streamed, g),
            "unavoidable, compiled, a block in cache": lambda g=g: compiled(cached, g),
            "unavoidable, compiled, blocks from memory": lambda g=g: compiled(streamed, g),
        }
        seconds = alternated(functions, 3 if quick else 7)
        tables[f"{n_rows:,} × {n_columns}, K={n_experts}, {title}"] = [
            {
                "what": name,
                "seconds": float(np.median(s)),
                "ns a row": 1e9 * float(np.median(s)) / n_rows,
                "pass over it": ratio(seconds["pass"], s),
            }
            for name, s in seconds.items()
        ]
    return tables
