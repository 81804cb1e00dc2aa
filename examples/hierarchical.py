"""
A hierarchy that can be read
============================

The demand of a town for electricity, hour by hour. Below some 15 degrees it is heated and above it is cooled, and each
of the two begins at an hour of its own. A mixture with a tree of gates finds these questions, one below the other, and
prints them.
"""

import numpy as np
import pandas as pd

from skmoe import MoERegressor


def demand(n, rng):
    """Draw n hours: temperature, hour of the day and whether people work, and the demand in MW."""
    temperature, hour, workday = rng.normal(14, 8, n), rng.uniform(0, 24, n), rng.random(n) < 5 / 7
    degrees = temperature - 15 + rng.normal(scale=0.7, size=n)  # not all begin to heat at the same degree
    heating = np.where(hour < 6, 42 - 0.4 * degrees, 55 - 1.6 * degrees + 6 * workday)
    cooling = np.where(hour < 11, 45 + 0.2 * degrees, 58 + 2.5 * degrees + 6 * workday)
    X = pd.DataFrame({"temperature": temperature, "hour": hour, "workday": workday.astype(float)})
    return X, np.where(degrees < 0, heating, cooling) + rng.normal(scale=1.5, size=n)


rng = np.random.default_rng(0)
(X, y), (X_new, y_new) = demand(2000, rng), demand(2000, rng)

line = MoERegressor(1).fit(X, y)
flat = MoERegressor(4, random_state=0).fit(X, y)
tree = MoERegressor((2, 2), random_state=0).fit(X, y)

print("A root with two branches, each with two experts; means in MW")
print(tree.tree_)

print("\nThe experts")
print(tree.summary().round(2).to_string())

print("\nThe first new hours: who answers, along which way, and what the mixture predicts")
path = {branch.leaves[0]: str(branch) for branch in tree.tree_.branches if len(branch.leaves) == 1}
table = X_new.head(4).round(1).assign(expert=tree.apply(X_new.head(4)))
table["way"] = table.expert.map(path)
table["MW"] = [f"{m:.0f} ± {s:.0f}" for m, s in zip(*tree.predict(X_new.head(4), return_std=True), strict=True)]
print(table.to_string(index=False))

print("\nLog density of a new hour, nats")
for name, model in [("one line", line), ("flat, 4 experts", flat), ("tree, 2 x 2 experts", tree)]:
    print(f"{name:20s} {model.log_prob(X_new, y_new).mean():6.2f}   ({model.n_parameters_} parameters)")
