"""
Predictive distributions
========================

A helmet in a simulated crash: nothing happens at first, then the head is slowed down hard, swings back, and comes to
rest, and the measurements scatter most where most happens. A curve with one error bar cannot say that. A mixture of
linear experts predicts a distribution for every time, with a width and a shape of its own.

The numbers are drawn here, in the manner of a well-known set of accelerations measured in motorcycle crashes.
"""

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MoERegressor
from skmoe.inspection import BandDisplay

# %%
# Rows
# ----
# Acceleration in g against milliseconds.


def crash(n, rng):
    """Draw n times and accelerations."""
    time = np.sort(rng.uniform(2, 58, size=n))
    knots = [0, 14, 21, 32, 42, 60], [0, 0, -115, 35, 0, 0]
    scatter = np.interp(time, [0, 13, 17, 35, 48, 60], [1.5, 1.5, 22, 24, 9, 9])
    return time[:, None], np.interp(time, *knots) + scatter * rng.standard_normal(n)


rng = np.random.default_rng(0)
X, y = crash(250, rng)
X_new, y_new = crash(4000, rng)

# %%
# Fit
# ---
# Averages of several starts predict better than the best of them, and their borders are softer.

model = MoERegressor(n_experts=6, n_init=10, combine_inits="average", random_state=0).fit(X, y)

for coverage in (0.5, 0.9):
    low, high = model.predict_interval(X_new, coverage=coverage).T
    inside = np.mean((low <= y_new) & (y_new <= high))
    print(f"{coverage:.0%} intervals cover {inside:.1%} of {len(y_new):,} new rows")

one_line = MoERegressor(n_experts=1).fit(X, y)
for name, fit in (("mixture", model), ("one line", one_line)):
    print(f"log density of a new row, {name}: {fit.log_prob(X_new, y_new).mean():.2f} nats")

# %%
# Bands
# -----

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
BandDisplay.from_estimator(model, X, y, center="mean", experts=False, ax=axes)
axes.set(xlabel="time, ms", ylabel="acceleration, g")
plt.show()

# %%
# Densities
# ---------
# `predict_dist` gives the distribution itself: densities, quantiles, draws and scores. Early it is a needle; at 16 ms,
# where the fall begins, it has two peaks; later it is wide.

times = np.array([8.0, 16.0, 21.0, 32.0, 50.0])
dist = model.predict_dist(times[:, None])
values = np.linspace(-190, 110, 800)
density = dist.pdf(values[None, :])

figure, panels = plt.subplots(len(times), 1, sharex=True, figsize=(7, 6), layout="constrained")
for panel, time, curve, (low, high) in zip(panels, times, density, dist.interval(0.9), strict=True):
    panel.plot(values, curve, color="black", linewidth=1)
    panel.fill_between(values, curve, where=(low <= values) & (values <= high), color="0.8", linewidth=0)
    panel.set(yticks=[], ylim=(0, None))
    panel.set_ylabel(f"{time:.0f} ms", rotation=0, ha="right", va="center")
panels[0].set_title("predictive density at five times; 90 % in grey", fontsize="medium")
panels[-1].set_xlabel("acceleration, g")
plt.show()

# %%
# Scores of single responses
# --------------------------
# The continuous ranked probability score is in the units of y; lower is better.

crps = model.predict_dist(X_new[::20]).crps(y_new[::20]).mean()
print(f"mean CRPS {crps:.1f} g, of one line {one_line.predict_dist(X_new[::20]).crps(y_new[::20]).mean():.1f} g")
