"""Card fraud (ULB, five stratified splits): weighted average precision of the mixture and its rivals, paired.

python -m benchmarks.fraud
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoEClassifier

from .data import load, splits


def rivals(jobs: int) -> dict[str, tuple[Any, bool]]:
    """Models by name, and whether they are trained with the importance weights."""
    boosting = {
        "defaults": {},
        "lr .05, 15 leaves, 200 trees, l2 1": {
            "learning_rate": 0.05,
            "max_leaf_nodes": 15,
            "max_iter": 200,
            "l2_regularization": 1.0,
        },
        "lr .1, 15 leaves, 100 trees, l2 10": {
            "learning_rate": 0.1,
            "max_leaf_nodes": 15,
            "max_iter": 100,
            "l2_regularization": 10.0,
        },
        "lr .05, 7 leaves, 300 trees, l2 1": {
            "learning_rate": 0.05,
            "max_leaf_nodes": 7,
            "max_iter": 300,
            "l2_regularization": 1.0,
        },
    }
    mixture = MoEClassifier(8, n_init=5, combine_inits="average", random_state=0, n_jobs=jobs)
    found: dict[str, tuple[Any, bool]] = {"mixture of experts": (mixture, True)}
    for weighted in (False, True):
        suffix = " (weights)" if weighted else ""
        logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        forest = RandomForestClassifier(300, random_state=0, n_jobs=jobs)
        found["logistic regression" + suffix] = (logistic, weighted)
        found["random forest, 300 trees" + suffix] = (forest, weighted)
        for name, parameters in boosting.items():
            boosted = HistGradientBoostingClassifier(random_state=0, early_stopping=False, **parameters)
            found[f"boosting, {name}{suffix}"] = (boosted, weighted)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    arrays = load("creditcard_ulb")
    X, y, w = arrays["X"].astype(float), arrays["y"], arrays["w"].astype(float)
    ours: np.ndarray | None = None
    print(
        "model                                             AP, five splits                mean  ours - it (s.e.)  fit s"
    )
    for name, (model, weighted) in rivals(args.jobs).items():
        precision, seconds = [], []
        for train, test in splits(arrays, 5):
            weight = w[train] / w[train].mean()
            step = f"{model.steps[-1][0]}__sample_weight" if hasattr(model, "steps") else "sample_weight"
            began = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X[train], y[train], **({step: weight} if weighted else {}))
            seconds.append(time.perf_counter() - began)
            score = model.predict_proba(X[test])[:, 1]
            precision.append(average_precision_score(y[test], score, sample_weight=w[test]))
        found = np.array(precision)
        ours = found if ours is None else ours
        gap = ours - found
        print(
            f"{name:48s} {' '.join(f'{p:.3f}' for p in found)}  {found.mean():.4f}"
            f"  {gap.mean():+.3f} ({gap.std(ddof=1) / np.sqrt(len(gap)):.3f})    {np.mean(seconds):6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
