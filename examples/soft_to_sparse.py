"""
From soft to sparse
===================

A gate that sends every row to one expert learns nothing of the others, and they learn nothing of the row. So the
estimators on torch begin softly: for a share of the epochs every row goes to all experts, and then to `top_k` of them.
This script shows what the soft start does, what the entropy of the gate adds, and what is lost where rows are sent to
fewer experts after training. Needs torch.
"""

import copy
import warnings

import numpy as np
import torch

from skmoe.exceptions import CollapseWarning
from skmoe.neural import SparseMoERegressor

warnings.simplefilter("ignore", CollapseWarning)  # experts without rows are what is shown
N_ROWS, N_EXPERTS, N_EPOCHS, SEEDS = 2000, 8, 24, range(3)
torch.set_num_threads(1)  # networks so small are faster on one

# %%
# Rows
# ----
# The first two columns say to which of eight centres a row is nearest, and each of the eight regions has a plane of its
# own in all six columns. Noise has deviation 0.1.


def rows(seed):
    """Rows to train on, and twice as many to test."""
    rng = np.random.default_rng(seed)
    centre, slope = rng.uniform(-1, 1, (8, 2)), rng.normal(size=(8, 6))
    X = rng.uniform(-1, 1, (3 * N_ROWS, 6))
    region = np.square(X[:, None, :2] - centre).sum(axis=2).argmin(axis=1)
    y = (X * slope[region]).sum(axis=1) + 0.1 * rng.normal(size=len(X))
    return X[:N_ROWS], y[:N_ROWS], X[N_ROWS:], y[N_ROWS:]


# %%
# Training
# --------
# One member and one block: a gate, its experts, and nothing else that could make up for a bad routing.

NETWORK = {"embedding": "linear", "n_members": 1, "n_blocks": 1, "width": 64, "hidden": (16,), "batch_size": 128}
TRAINING = {"max_epochs": N_EPOCHS, "n_iter_no_change": N_EPOCHS, "learning_rate": 0.01}
DATA = [rows(seed) for seed in SEEDS]


def trained(**how):
    """An estimator for every seed."""
    return [
        SparseMoERegressor(N_EXPERTS, **NETWORK, **TRAINING, **how, random_state=seed).fit(X, y)
        for seed, (X, y, *_) in zip(SEEDS, DATA, strict=True)
    ]


def error(models):
    """Root mean square error on the test rows, median over seeds."""
    errors = [np.sqrt(np.square(m.predict(X) - y).mean()) for m, (*_, X, y) in zip(models, DATA, strict=True)]
    return np.median(errors)


def shared(models):
    """By how many experts a test row is shared, in the eyes of the gate: the exponential of its entropy."""
    entropies = []
    for model, (*_, X, _) in zip(models, DATA, strict=True):
        g = model.gate_proba(X)
        entropies.append(-(g * np.log(np.maximum(g, 1e-30))).sum(axis=1).mean())
    return np.exp(np.median(entropies))


def used(models):
    """Effective experts of the routing at predict, over all rows."""
    return np.median([m.routing_report(X).effective_experts for m, (*_, X, _) in zip(models, DATA, strict=True)])


ONE = {
    "no soft start": trained(top_k=1, soft_start=0.0),
    "soft start 0.2": trained(top_k=1, soft_start=0.2),
    "soft start 0.5": trained(top_k=1, soft_start=0.5),
    "0.5 and entropy": trained(top_k=1, soft_start=0.5, entropy=0.3),
}

print("One expert a row. Log density of the rows held out, by epoch:\n")
shown = [epoch for epoch in (1, 4, 8, 12, 13, 14, 16, 18, 20, 24) if epoch <= N_EPOCHS]
print(f"{'':16s}" + "".join(f"{epoch:7d}" for epoch in shown))
for name, models in ONE.items():
    scores = np.median([[epoch["validation_score"] for epoch in m.history_] for m in models], axis=0)
    print(f"{name:16s}" + "".join(f"{scores[epoch - 1]:7.2f}" for epoch in shown))

print(f"\n{'':16s}  test error   experts used   of the gate a row")
for name, models in ONE.items():
    print(f"{name:16s}{error(models):12.2f}{used(models):15.1f}{shared(models):20.1f}")

# %%
# Without a soft start the gate stays about as it was drawn, and all experts are used alike: the weight of a single
# expert is 1 whatever the gate says, so its choice has no gradient. With `top_k=1` a gate learns in the soft start
# alone, apart from the balance loss. The score of an epoch is that of the sparse network, so it is low while experts
# answer together, and rises as the gate learns to tell them apart. The longer start pays off by a little. Entropy makes
# the gate sharper, and here predictions no better; experts that hardly any row needs are left behind.
#
# Fewer experts after training
# ----------------------------
# `prune_routing` changes no parameter. What it costs depends on how much weight the gate gives to those left out.

MORE = {
    "two": trained(top_k=2, soft_start=0.5),
    "two, entropy": trained(top_k=2, soft_start=0.5, entropy=0.3),
    "all": trained(top_k=N_EXPERTS),
}

print(f"\n{'trained with':16s}  test error   pruned to one")
for name, models in MORE.items():
    pruned = [copy.deepcopy(model).prune_routing(1) for model in models]
    print(f"{name:16s}{error(models):12.2f}{error(pruned):16.2f}")
print(f"{'one, 0.5':16s}{error(ONE['soft start 0.5']):12.2f}")

# %%
# Pruned to one expert, networks are about as good as those that were trained with one from the soft start on. The
# second expert is worth its price: train with `top_k=2`, and prune where predictions must be fast. A gate that the
# entropy made sharp loses no less by it, here.
