"""
A new kind of fraud, and one expert for it
==========================================

A bank has learned two kinds of fraud: very large payments, and stolen cards. Then a third appears: terminals are
compromised, and small payments at them are fraud. The model in use was approved and is to stay as it is. So one expert
is added for what the others explain worst. It learns the new kind from ten days of payments among the old ones, the
gate learns where to ask it, and no coefficient of the approved experts changes by a bit.
"""

import copy

import numpy as np
from sklearn.base import clone
from sklearn.metrics import average_precision_score

from skmoe import MoEClassifier
from skmoe.datasets import make_transactions

payments = make_transactions(n_customers=1000, n_terminals=2000, n_days=90, terminal_rate=4e-4, random_state=0)
X, y, day = payments.data, payments.target, payments.time // 86_400
compromised = payments.scenario == 2

past = (day >= 37) & (day < 60) & ~compromised  # compromised terminals are not there yet
recent = past | (day >= 60) & (day < 70)
future = (day >= 77) & (day < 90)  # labels are a week late

approved = MoEClassifier(4, random_state=0).fit(X[past], y[past])
extended = copy.deepcopy(approved).add_expert(X[recent], y[recent])
retrained = clone(approved).set_params(n_experts=5).fit(X[recent], y[recent])

print(f"Trained on {past.sum():,} payments, then on {recent.sum() - past.sum():,} more. Average precision among the")
print(f"{future.sum():,} payments that follow, of all fraud and of single kinds among honest payments:\n")
kinds = {"all": (1, 2, 3), "stolen cards": (3,), "compromised": (2,)}
print(f"{'':28s}" + "".join(f"{kind:>14s}" for kind in kinds))
for name, model in {"approved": approved, "with one expert more": extended, "all trained again": retrained}.items():
    risk = model.predict_proba(X[future])[:, 1]
    asked = [np.isin(payments.scenario[future], (0, *kind)) for kind in kinds.values()]
    print(f"{name:28s}" + "".join(f"{average_precision_score(y[future][a], risk[a]):14.2f}" for a in asked))

same = (extended.expert_coef_[:4] == approved.expert_coef_).all()
print(f"\nThe approved experts are the same bit by bit: {same}")

print("\nWhat the new expert looks at: slopes of its log-odds, per standard deviation of a column")
slopes = extended.expert_coef_[4] * X[recent].std(axis=0)
for column in np.argsort(-np.abs(slopes))[:3]:
    print(f"  {payments.feature_names[column]:24s} {slopes[column]:+.1f}")
