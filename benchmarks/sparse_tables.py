"""Quality of the sparse mixtures of neural experts, beside boosting, a forest, perceptrons, TabM and linear experts.

python -m benchmarks.sparse_tables                                 sets and models that are not measured yet
python -m benchmarks.sparse_tables --sets yacht --models baselines --splits 5
python -m benchmarks.sparse_tables --models ablations large        one parameter at a time; many experts
python -m benchmarks.sparse_tables --again --models sparse         those that are, once more
python -m benchmarks.sparse_tables --render                        docs/neural/quality.md from what is there
python -m benchmarks.sparse_tables --quick                         few rows and epochs, printed only

Every model sees the same rows on one thread, with the number of the split as its seed. Each measurement is written as
soon as it is made.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from . import quality_page
from .report import RESULTS
from .sparse_models import (
    ABLATION_SETS,
    ABLATIONS,
    BASELINES,
    FRAUD,
    GROUPS,
    LARGE,
    LARGE_SETS,
    MODELS,
    NUMBERS,
    OURS,
    RARE,
    SETS,
    WEIGHTED,
    Problem,
)

FOUND = RESULTS / "sparse_tables.json"
_TIMED_ROWS, _ROUNDS = 20_000, 3

#: Rows to train on and settings of a quick run.
_QUICK_ROWS = 2_000
_QUICK = {"max_epochs": 2, "n_estimators": 20, "max_iter": 10, "n_init": 1, "combine_inits": "best"}

#: Measurements by set, split and model.
Found = dict[str, dict[str, dict[str, dict[str, Any]]]]


# -- one measurement ---------------------------------------------------------------------------------------------------


def measured(problem: Problem, split: int, name: str, quick: bool = False) -> dict[str, Any]:
    """Scores of the test rows, seconds of a fit, microseconds of a row, and what the model tells of itself."""
    train, test = problem.split(split)
    if quick:
        train = np.sort(np.random.default_rng(0).permutation(train)[:_QUICK_ROWS])
    model = MODELS[name.removesuffix(WEIGHTED)](problem, split)
    if quick:
        known = model.get_params()
        lowered = {key: value for key, value in _QUICK.items() for key in (key, f"model__{key}") if key in known}
        model.set_params(**lowered)
    weights = {}
    if name.endswith(WEIGHTED):
        key = "model__sample_weight" if isinstance(model, Pipeline) else "sample_weight"
        weights[key] = problem.weight[train] / problem.weight[train].mean()
    began = time.perf_counter()
    model.fit(problem.X[train], problem.y[train], **weights)
    found = {"fit": time.perf_counter() - began}
    found |= scores(problem, model, train, test)
    found["predict"] = microseconds(model, problem.X[test], problem.asks)
    return {key: rounded(value) for key, value in (found | told(model, problem.X[test])).items()}


def scores(problem: Problem, model: Any, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """What is asked of a set: two figures of the test rows."""
    X, y = problem.X[test], problem.y[test]
    if problem.asks == NUMBERS:
        error = model.predict(X) - y
        return {"RMSE": np.sqrt(np.mean(error**2)), "NLL": -np.mean(log_density(problem, model, error, train, test))}
    proba = model.predict_proba(X)
    if problem.asks == RARE:
        weight = None if problem.weight is None else problem.weight[test]
        return {
            "AP": average_precision_score(y, proba[:, 1], sample_weight=weight),
            "log loss": log_loss(y, proba, sample_weight=weight),
        }
    loss = log_loss(y, proba, labels=model.classes_)
    return {"error": np.mean(model.classes_[proba.argmax(axis=1)] != y), "log loss": loss}


def log_density(problem: Problem, model: Any, error: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Of the model's own distribution, or of a normal one of the spread of errors on rows it was not trained on."""
    X, last = problem.X[test], model
    if isinstance(model, Pipeline):
        X, last = model[:-1].transform(X), model[-1]
    if hasattr(last, "log_prob"):
        return last.log_prob(X, problem.y[test])
    sd = spread(model, last, problem.X[train], problem.y[train])
    return -0.5 * (error / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)


def spread(model: Any, last: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Standard deviation of errors: out of bag, on rows held out, or in five folds."""
    if hasattr(last, "residual_sd_"):
        return last.residual_sd_
    if hasattr(last, "oob_prediction_"):
        predicted = last.oob_prediction_
    else:
        predicted = cross_val_predict(clone(model), X, y, cv=KFold(5, shuffle=True, random_state=0))
    return float(np.sqrt(np.mean((y - predicted) ** 2)))


def microseconds(model: Any, X: np.ndarray, asks: str) -> float:
    """Of a row on one thread, the median of three; few rows are repeated, or calls would be timed."""
    X = np.tile(X, (1 + _TIMED_ROWS // len(X), 1))[:_TIMED_ROWS]
    predict = model.predict if asks == NUMBERS else model.predict_proba
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        predict(X)
        seconds.append(time.perf_counter() - began)
    return 1e6 * float(np.median(seconds)) / len(X)


def told(model: Any, X: np.ndarray) -> dict[str, Any]:
    """Parameters and epochs of a network, and the effective experts of its blocks."""
    names = {"parameters": "n_parameters_", "epochs": "n_iter_", "best epoch": "best_epoch_"}
    if not hasattr(model, "best_epoch_"):
        return {}
    reports = [model.routing_report(X, block) for block in range(model.n_blocks)]
    return {key: getattr(model, name) for key, name in names.items()} | {
        "validation": model.validation_score_,
        "effective experts": [report.effective_experts for report in reports],
    }


def rounded(value: Any) -> Any:
    """Five digits."""
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return value if value is None or isinstance(value, int) else float(f"{value:.5g}")


# -- all of them -------------------------------------------------------------------------------------------------------


def wanted(sets: list[str], models: list[str], most_splits: int | None) -> Iterator[tuple[str, int, str]]:
    """Set, split and model of everything that was asked for, split by split."""
    for name in sets:
        for split in range(SETS[name].n_splits if most_splits is None else most_splits):
            for model in models:
                if is_made(name, split, model):
                    yield name, split, model


def is_made(name: str, split: int, model: str) -> bool:
    """Whether a model is made on that split: weighted where there are weights, others where they belong."""
    if model.endswith(WEIGHTED):
        return name == "creditcard_ulb"
    if model in BASELINES or model in OURS:
        return True
    if model in FRAUD:
        return SETS[name].asks == RARE
    if model.startswith("mean_weight") and SETS[name].asks != NUMBERS:
        return False
    return (model in LARGE and name in LARGE_SETS) or (model in ABLATIONS and split < ABLATION_SETS.get(name, 0))


def chosen(names: list[str]) -> list[str]:
    """Models of names and of groups; those of both tables also weighted."""
    models = [model for name in names for model in GROUPS.get(name, [name])]
    weighted = [model + WEIGHTED for model in models if model in {**BASELINES, **OURS, **FRAUD}]
    return list(dict.fromkeys(models + weighted))


def read() -> Found:
    return json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}


def keep(name: str, split: int, model: str, values: dict[str, Any]) -> None:
    """Write a measurement beside those that are there, a line each."""
    found = read()
    found.setdefault(name, {}).setdefault(str(split), {})[model] = values
    text = json.dumps(found, indent=1, sort_keys=True)
    text = re.sub(r"\{[^{}]*\}", lambda match: re.sub(r"\s+", " ", match[0]), text)
    partial = FOUND.with_suffix(".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, FOUND)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS), metavar="SET")
    parser.add_argument(
        "--models",
        nargs="+",
        default=["baselines", "ours"],
        help=f"groups: {', '.join(GROUPS)}; or {', '.join(MODELS)}",
    )
    parser.add_argument("--splits", type=int, help="at most so many; of a set with one split, so many seeds")
    parser.add_argument("--again", action="store_true", help="also what is measured already")
    parser.add_argument("--quick", action="store_true", help="few rows and epochs, printed only")
    parser.add_argument("--render", action="store_true", help="write the tables of docs/neural/quality.md")
    args = parser.parse_args()
    if args.render:
        quality_page.render(read())
        return
    torch.set_num_threads(1)
    problems: dict[str, Problem] = {}
    compiled: set[str] = set()
    for name, split, model in wanted(args.sets, chosen(args.models), 1 if args.quick else args.splits):
        if not (args.again or args.quick) and model in read().get(name, {}).get(str(split), {}):
            continue
        problem = problems.setdefault(name, Problem.of(name))
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            if model.startswith("mixture") and problem.asks not in compiled:
                measured(problem, split, model, quick=True)
                compiled.add(problem.asks)
            values = measured(problem, split, model, args.quick)
        print(f"{name} {split} {model}: {values}", flush=True)
        if not args.quick:
            keep(name, split, model, values)


if __name__ == "__main__":
    main()
