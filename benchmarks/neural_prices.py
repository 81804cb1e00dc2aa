"""Measure the prices by which "auto" chooses an implementation, and print them as ``dispatch/choose.py`` has them.

``python -m benchmarks.neural_prices`` takes some ten minutes on a machine that does nothing else. Every implementation
is timed on a grid of shapes, with one thread and with all; prices are the non-negative least squares solution of
relative errors. What "auto" loses with them, on the same grid, is printed beside them.
"""

from __future__ import annotations

import argparse
import os
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

from .neural import NAMES, layers, steps
from .timing import alternated

GRID = {
    "rows": (32, 256, 2048, 8192),
    "width": ((16, 32), (32, 64), (64, 128), (256, 256)),
    "experts": (4, 8, 16, 32, 64),
    "k": (1, 2, 4),
}
#: Shapes with more products than this many are left out: there all that counts is the price of a product.
MOST_PRODUCTS = 3e8


class Case(NamedTuple):
    """A shape, a number of threads, and seconds and places by implementation."""

    shape: tuple[int, ...]
    n_threads: int
    training: bool
    seconds: dict[str, float]
    places: dict[str, int]
    size: Any


def cases(n_threads: int, grid: dict[str, Any]) -> list[Case]:
    import torch

    from skmoe.neural.dispatch.choose import Size

    torch.set_num_threads(n_threads)
    found = []
    for n_rows, (width, hidden), n_experts, k in product(*grid.values()):
        if k >= n_experts or n_rows * k * width * hidden > MOST_PRODUCTS:
            continue
        shape = (n_rows, width, hidden, n_experts, k)
        names = NAMES if n_rows * n_experts * width * hidden < 4 * MOST_PRODUCTS else NAMES[:3]
        x, made = layers(shape, names)
        first = made[names[0]]
        first(x)
        room = int(first.routing.counts().max())
        size = Size(n_rows, n_rows * k, n_experts, first.experts.width, first.experts.products, first.experts.weights)
        places = dict.fromkeys(names, n_rows * k) | {"padded": room * n_experts, "dense": n_rows * n_experts}
        for training in (True, False):
            rounds = 9 if n_rows * k * width * hidden > 5e7 else 21
            seconds = alternated(steps(x, made, training=training), rounds)
            medians = {name: float(np.median(s)) for name, s in seconds.items()}
            found.append(Case(shape, n_threads, training, medians, places, size))
    return found


def touched(case: Case, name: str) -> np.ndarray:
    """What each price is multiplied with: the terms of ``choose.microseconds``, one by one."""
    from skmoe.neural.dispatch.choose import Price, microseconds

    one = np.eye(len(Price._fields))
    return np.array([microseconds(Price(*row), case.size, case.places[name], case.n_threads) for row in one])


def fitted(found: list[Case], name: str, training: bool) -> np.ndarray:
    """Prices of an implementation in microseconds."""
    of = [case for case in found if case.training == training and name in case.seconds]
    terms = np.stack([touched(case, name) for case in of])
    taken = np.array([1e6 * case.seconds[name] for case in of])
    prices, _ = nnls(terms / taken[:, None], np.ones(len(of)))
    return prices


def lost(found: list[Case], prices: dict[str, np.ndarray], training: bool) -> np.ndarray:
    """Seconds of the implementation that the prices choose, over those of the fastest."""
    ratios = []
    for case in found:
        if case.training == training:
            cost = {name: touched(case, name) @ prices[name] for name in case.seconds}
            chosen = min(cost, key=cost.__getitem__)
            ratios.append(case.seconds[chosen] / min(case.seconds.values()))
    return np.array(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a small grid")
    quick = parser.parse_args().quick
    small = {"rows": (32, 256), "width": ((16, 32),), "experts": (4, 8), "k": (1, 2)}
    threads = sorted({1, os.cpu_count() or 1})
    found = [case for n in threads for case in cases(n, small if quick else GRID)]
    for training in (True, False):
        prices = {name: fitted(found, name, training) for name in NAMES}
        print("TRAIN = {" if training else "PREDICT = {")
        for name, price in prices.items():
            print(f'    "{name}": Price({", ".join(f"{p:.3g}" for p in price)}),')
        print("}")
        ratios = lost(found, prices, training)
        print(
            f"# over {len(ratios)} cases: mean {ratios.mean():.3f}, {np.mean(ratios > 1.1):.0%} above 1.1, "
            f"worst {ratios.max():.2f}"
        )


if __name__ == "__main__":
    main()
