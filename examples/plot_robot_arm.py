"""
Several outputs: a robot arm
============================

Positions, velocities and torques of the four joints of an arm, and the accelerations that follow: the problem on which
Jordan and Jacobs introduced the hierarchical mixture of experts in 1994 (https://doi.org/10.1162/neco.1994.6.2.181).
One tree of sixteen linear experts predicts all four accelerations, each with its own uncertainty.
"""

import warnings

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from skmoe import MoERegressor
from skmoe.datasets import make_robot_arm
from skmoe.inspection import BandDisplay

warnings.simplefilter("ignore", ConvergenceWarning)  # runs are stopped on purpose below

# %%
# Rows
# ----
# Simulated rigid links in three-dimensional space: accelerations are quadratic in velocities, linear in torques with
# factors that depend on the positions, and periodic in positions. 15,000 rows to train and 5,000 to test, as then.

joints = ["yaw", "pitch", "roll", "elbow"]
X, y = make_robot_arm(20_000, random_state=0)
X = pd.DataFrame(X, columns=[f"{what} of {joint}" for what in ("position", "velocity", "torque") for joint in joints])
y = pd.DataFrame(y, columns=joints)
train, test = slice(0, 15_000), slice(15_000, None)


def relative_error(model):
    """Mean square error of each joint over that of predicting the mean."""
    return ((model.predict(X[test]) - y[test]) ** 2).mean() / y[test].var(ddof=0)


# %%
# A tree of four binary levels
# ----------------------------
# From one start, for 35 passes over the rows: that is what the tree of 1994 took to a relative error of .10, where
# linear regression had .31.

tree = MoERegressor(n_experts=(2, 2, 2, 2), n_init=1, move_budget=0, max_iter=35, random_state=0).fit(
    X[train], y[train]
)
linear = LinearRegression().fit(X[train], y[train])
table = pd.DataFrame({"linear regression": relative_error(linear), "tree of 16 experts": relative_error(tree)})
table.loc["mean"] = table.mean()
print(table.round(3))

# %%
# How many passes?
# ----------------
# The same run, stopped earlier and later.

passes = [2, 3, 5, 8, 12, 18, 25, 35, 60]
errors = [relative_error(clone(tree).set_params(max_iter=n).fit(X[train], y[train])).mean() for n in passes]

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.loglog(passes, errors, "o-", color="black", label="tree of 16 experts")
axes.axhline(table.loc["mean", "linear regression"], color="grey", linestyle="--", label="linear regression")
axes.plot(35, 0.10, "D", color="tab:red", label="Jordan & Jacobs (1994)")
axes.set(xlabel="passes over the rows", ylabel="relative error", xticks=[2, 5, 10, 20, 50], yticks=[0.1, 0.2, 0.3])
axes.set(xticklabels=["2", "5", "10", "20", "50"], yticklabels=["0.1", "0.2", "0.3"])
axes.minorticks_off()
axes.legend(frameon=False)
plt.show()

# %%
# Each output by itself
# ---------------------
# What is said of each output has the outputs on a last axis: intervals are (n_rows, 2, 4), and each should hold 90 % of
# its own accelerations. Figures show one output, named by ``target``.

low, high = tree.predict_interval(X[test], 0.9).swapaxes(0, 1)
inside = ((low <= y[test]) & (y[test] <= high)).mean()
print(f"90 % intervals hold {', '.join(f'{share:.0%} ({joint})' for joint, share in inside.items())}")

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
BandDisplay.from_estimator(tree, X[test], feature="velocity of yaw", target="elbow", experts=False, ax=axes)
axes.set_ylabel("acceleration of the elbow (rad/s²)")
plt.show()
