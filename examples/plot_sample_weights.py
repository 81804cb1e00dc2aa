"""
Sample weights
==============

Weights are counts: a row of weight 2 is that row twice, and a row of weight 0 is not there. Importance weights, which
make a sample look like another population, are no counts. Divide them by their mean, so that they count as many rows
as there are.
"""

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MoERegressor

# %%
# Weights are counts
# ------------------
# The same model from weights and from repeated rows, to the last digits that the order of summation leaves.

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, size=(200, 1))
y = np.abs(X[:, 0]) + 0.2 * rng.standard_normal(200)
count = rng.integers(0, 4, size=200)

weighted = MoERegressor(n_experts=2, random_state=0).fit(X, y, sample_weight=count)
repeated = MoERegressor(n_experts=2, random_state=0).fit(np.repeat(X, count, axis=0), np.repeat(y, count))
print(f"log-likelihood with weights  {weighted.log_likelihood_:.6f}")
print(f"with repeated rows           {repeated.log_likelihood_:.6f}")
print(f"largest difference of a prediction {np.abs(weighted.predict(X) - repeated.predict(X)).max():.1e}")

# %%
# So all weights times a hundred are a hundred times the data. The ridge then counts a hundredth, and BIC believes in a
# hundred times as many rows.

plain = MoERegressor(n_experts=2, random_state=0).fit(X, y)
hundred = np.full(200, 100.0)
print(f"log-likelihood {plain.log_likelihood_:.1f}; with weights of 100: ", end="")
print(f"{MoERegressor(n_experts=2, random_state=0).fit(X, y, sample_weight=hundred).log_likelihood_:.1f}")

# %%
# Importance weights
# ------------------
# A tenth of the rows on the left was kept, all on the right. A row's weight is one over the probability that it was
# kept; divided by the mean, the weights say how the population is divided, not how large it is. One line shows the
# effect best: it has to compromise, and the weights say between whom.

population = rng.uniform(-2, 2, size=4000)
response = np.abs(population) + 0.2 * rng.standard_normal(4000)
probability = np.where(population < 0, 0.1, 1.0)
kept = rng.random(4000) < probability
X, y, weight = population[kept, None], response[kept], 1 / probability[kept]
weight = weight / weight.mean()

grid = np.linspace(-2, 2, 200)[:, None]
figure, panels = plt.subplots(1, 2, sharey=True, figsize=(8, 3.6), layout="constrained")
for panel, n_experts in zip(panels, (1, 2), strict=True):
    panel.plot(X[:, 0], y, ".", color="0.75", markersize=2)
    for name, sample_weight, style in (("as sampled", None, "--"), ("weighted", weight, "-")):
        model = MoERegressor(n_experts, random_state=0).fit(X, y, sample_weight=sample_weight)
        panel.plot(grid[:, 0], model.predict(grid), f"C1{style}" if sample_weight is None else "k-", label=name)
        print(
            f"{n_experts} expert{'s' if n_experts > 1 else ' '} {name:10s}  mean prediction over the population ",
            end="",
        )
        print(f"{model.predict(population[:, None]).mean():.3f}, mean response {response.mean():.3f}")
    panel.set(xlabel="x", title=f"{n_experts} expert{'s' if n_experts > 1 else ''}")
panels[0].set_ylabel("y")
panels[0].legend(frameon=False)
plt.show()

# %%
# Two experts describe both sides, so the weights change little: where the model is right everywhere, it does not matter
# how rows were sampled along x. They matter for the shares of the experts, and for every model that is too simple.
