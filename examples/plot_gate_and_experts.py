"""
A gate and its experts
======================

One column, three lines, and a gate that says where each of them answers. The upper panel shows the gate: the
probability of each expert given x. The lower panel shows the experts: lines as strong as the gate makes them, the mean
of the mixture, and a band that holds 90 % of the responses.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection

from skmoe import MoERegressor
from skmoe.inspection import ConvergenceDisplay, GateDisplay

# %%
# Rows
# ----
# The response falls, rises and falls again, and its noise differs from piece to piece.

rng = np.random.default_rng(3)
x = np.sort(rng.uniform(0, 10, size=400))
piece = np.digitize(x + rng.normal(scale=0.3, size=x.size), [3.0, 7.0])
slope, intercept, noise = np.array([[-1.0, 1.4, -0.5], [4.0, -3.5, 10.5], [0.3, 0.6, 0.25]])
y = intercept[piece] + slope[piece] * x + noise[piece] * rng.standard_normal(x.size)

# %%
# Fit
# ---

model = MoERegressor(n_experts=3, random_state=0).fit(x[:, None], y)
print(model.summary().round(2))

# %%
# Picture
# -------

grid = np.linspace(0, 10, 501)
gate = model.gate_proba(grid[:, None])
lines = model.predict_experts(grid[:, None])
low, high = model.predict_interval(grid[:, None], coverage=0.9).T

figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5.5), height_ratios=[1, 2.2], layout="constrained")
below.fill_between(grid, low, high, color="0.88", label="90 % interval")
below.plot(x, y, ".", color="0.55", markersize=3, label="rows")
for k in range(model.n_experts_):
    colour = f"C{k}"
    above.plot(grid, gate[:, k], color=colour, label=f"expert {k}")
    points = np.column_stack([grid, lines[:, k]])
    segments = np.stack([points[:-1], points[1:]], axis=1)
    below.add_collection(LineCollection(segments, colors=colour, alpha=gate[:-1, k], linewidths=3.5))
below.plot(grid, model.predict(grid[:, None]), color="black", linewidth=1, label="mean of the mixture")
above.set(ylabel=r"gate  $g_k(x)$", ylim=(-0.04, 1.04))
above.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
below.set(xlabel="x", ylabel="y", ylim=(y.min() - 0.5, y.max() + 0.5))
below.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()

# %%
# Before and after y is seen
# --------------------------
# The gate is the prior of the experts given x, the responsibilities are their posterior given x and y. Near a border
# the gate hesitates. A response that only one of the lines explains settles it.

where = np.array([[3.0], [3.0]])
for y_seen, prior, posterior in zip(
    [0.7, 1.9], model.gate_proba(where), model.responsibilities(where, [0.7, 1.9]), strict=True
):
    print(f"x = 3, y = {y_seen}:  prior {prior.round(2)}  posterior {posterior.round(2)}")

# %%
# Ready-made
# ----------
# The displays of `skmoe.inspection` draw such pictures of any fitted mixture: here the gate, and the runs from the five
# starts.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
GateDisplay.from_estimator(model, x[:, None], ax=left)
ConvergenceDisplay.from_estimator(model, ax=right)
plt.show()
