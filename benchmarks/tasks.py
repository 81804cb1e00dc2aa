"""Tasks of which a commit is not to be slower, with public names only, so that any commit can be asked.

A program of its own: it reads names of tasks from its input, a line each, and answers with seconds; ``tasks`` asks for
their names. It is run from here with the library of another checkout.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from skmoe import MoEClassifier, MoERegressor
from skmoe.datasets import make_moe_classification, make_moe_regression

_FIT = {"n_init": 1, "move_budget": 0, "max_iter": 25, "tol": 1e-6, "random_state": 0}


@cache
def regression(n_rows: int, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    return make_moe_regression(n_rows, n_columns, n_experts=4, noise=0.5, random_state=0)


@cache
def classes(n_rows: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    return make_moe_classification(n_rows, 10, n_experts=3, n_classes=n_classes, random_state=0)


@cache
def fitted() -> MoERegressor:
    return MoERegressor(8, **_FIT).fit(*regression(5_000, 20))


@cache
def fitted_classes() -> MoEClassifier:
    return MoEClassifier(8, **_FIT).fit(*classes(5_000, 2))


#: What is measured, by name.
TASKS: dict[str, Callable[[], Any]] = {
    "fit, Gaussian, 20,000 x 10, K=4": lambda: MoERegressor(4, **_FIT).fit(*regression(20_000, 10)),
    "fit, Gaussian, 50,000 x 20, K=8": lambda: MoERegressor(8, **_FIT).fit(*regression(50_000, 20)),
    "fit, Student-t, 10,000 x 10, K=4": lambda: MoERegressor(4, expert="student_t", **_FIT).fit(
        *regression(10_000, 10)
    ),
    "fit, tree (2, 2, 2), 10,000 x 10": lambda: MoERegressor((2, 2, 2), **_FIT).fit(*regression(10_000, 10)),
    "fit, logistic, 20,000 x 10, K=3": lambda: MoEClassifier(3, **_FIT).fit(*classes(20_000, 2)),
    "fit, four classes, 3,000 x 10, K=3": lambda: MoEClassifier(3, **_FIT).fit(*classes(3_000, 4)),
    "default fit, 30 x 10": lambda: MoERegressor(random_state=0).fit(*regression(30, 10)),
    "predict, 100,000 x 20, K=8": lambda: fitted().predict(regression(100_000, 20)[0]),
    "log_prob, 100,000 x 20, K=8": lambda: fitted().log_prob(*regression(100_000, 20)),
    "predict_quantile, 2,000 x 20, K=8": lambda: fitted().predict_quantile(regression(2_000, 20)[0], [0.1, 0.9]),
    "predict_proba, 100,000 x 10, K=8": lambda: fitted_classes().predict_proba(classes(100_000, 2)[0]),
}


def main() -> None:
    for line in sys.stdin:
        name = line.strip()
        if name == "tasks":
            print("\t".join(TASKS), flush=True)
            continue
        began = time.perf_counter()
        try:
            TASKS[name]()
        except (TypeError, ValueError, AttributeError) as error:  # what this commit does not know yet
            print(f"{name}: {error}", file=sys.stderr)
            began = -math.inf
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
