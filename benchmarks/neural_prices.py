"""Measure the prices by which "auto" chooses an implementation, and print them as ``dispatch/choose.py`` has them.

``python -m benchmarks.neural_prices`` takes some ten minutes on a machine that does nothing else. Every implementation
is timed on a grid of shapes, with one thread and with all. Prices are fitted to relative errors, then moved so that
what they choose loses least. What "auto" loses with them, on the same grid, is printed beside them.
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
        size = Size(n_experts, first.experts.width, first.experts.products, first.experts.weights)
        places = dict.fromkeys(names, n_rows * k) | {"padded": room * n_experts, "dense": n_rows * n_experts}
        for training in (True, False):
            rounds = 5 if n_rows * k * width * hidden > 5e7 else 11
            seconds = alternated(steps(x, made, training=training), rounds, shuffle=True)
            medians = {name: float(np.median(s)) for name, s in seconds.items()}
            found.append(Case(shape, n_threads, training, medians, places, size))
    return found


def touched(case: Case, name: str) -> np.ndarray:
    """What each price is multiplied with, one by one."""
    from skmoe.neural.dispatch.choose import Price, cost

    n_rows, *_, k = case.shape
    ones = [cost(Price(*row), case.size, case.n_threads) for row in np.eye(len(Price._fields))]
    return np.array([one.of(n_rows * k, case.places[name]) for one in ones])


class Fit(NamedTuple):
    """Cases of one step as arrays: terms (n_cases, n_names, n_prices), and microseconds (n_cases, n_names), infinite
    where an implementation was not timed."""

    terms: np.ndarray
    taken: np.ndarray


def fit_of(found: list[Case], training: bool) -> Fit:
    of = [case for case in found if case.training == training]
    terms = [[touched(case, name) if name in case.seconds else np.zeros(6) for name in NAMES] for case in of]
    taken = [[1e6 * case.seconds.get(name, np.inf) for name in NAMES] for case in of]
    return Fit(np.array(terms), np.array(taken))


def fitted(fit: Fit) -> np.ndarray:
    """Prices (n_names, n_prices) by non-negative least squares of relative errors."""
    prices = []
    for terms, taken in zip(fit.terms.swapaxes(0, 1), fit.taken.T, strict=True):
        timed = np.isfinite(taken)
        prices.append(nnls(terms[timed] / taken[timed, None], np.ones(timed.sum()))[0])
    return np.array(prices)


def lost(fit: Fit, prices: np.ndarray) -> np.ndarray:
    """Time of the implementation that the prices choose, over that of the fastest, case by case."""
    costs = np.where(np.isfinite(fit.taken), np.einsum("cip,ip->ci", fit.terms, prices), np.inf)
    rows = np.arange(len(costs))
    return fit.taken[rows, costs.argmin(1)] / fit.taken.min(1)


def refined(fit: Fit, prices: np.ndarray, steps: int = 1500) -> np.ndarray:
    """Prices moved so that what they choose loses least, above all less than a tenth; they stay near what was measured.

    The choice is smoothed, a softmax of logarithms of costs, so that it has a gradient.
    """
    import torch

    terms, taken = torch.from_numpy(fit.terms), torch.from_numpy(fit.taken)
    timed = torch.isfinite(taken)
    over = torch.where(timed, taken / taken.min(1, keepdim=True).values, 9.0)
    taken = torch.where(timed, taken, 1.0)
    logarithms = torch.from_numpy(np.log(np.maximum(prices, 1e-3))).requires_grad_(True)
    optimizer = torch.optim.Adam([logarithms], lr=0.01)
    for _ in range(steps):
        costs = (torch.einsum("cip,ip->ci", terms, logarithms.exp()) + 1e-9).log()
        share = torch.where(timed, -costs / 0.03, -torch.inf).softmax(1)
        error = ((costs - taken.log()).square() * timed).sum() / timed.sum()
        loss = (share * (over + 3 * (over - 1.07).clamp_min(0))).sum(1).mean() + 0.3 * error
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = logarithms.detach().exp().numpy()
    return found if lost(fit, found).mean() < lost(fit, prices).mean() else prices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a small grid")
    quick = parser.parse_args().quick
    small = {"rows": (32, 256), "width": ((16, 32),), "experts": (4, 8), "k": (1, 2)}
    threads = sorted({1, os.cpu_count() or 1})
    found = [case for n in threads for case in cases(n, small if quick else GRID)]
    for training in (True, False):
        fit = fit_of(found, training)
        prices = refined(fit, fitted(fit))
        print("TRAIN = {" if training else "PREDICT = {")
        for name, price in zip(NAMES, prices, strict=True):
            print(f'    "{name}": Price({", ".join(f"{p:.3g}" for p in price)}),')
        print("}")
        ratios = lost(fit, prices)
        print(
            f"# over {len(ratios)} cases: mean {ratios.mean():.3f}, {np.mean(ratios > 1.1):.1%} above 1.1, "
            f"worst {ratios.max():.2f}"
        )


if __name__ == "__main__":
    main()
