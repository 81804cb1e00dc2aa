"""
How many experts?
=================

Two answers, each in one line. The Bayesian information criterion takes the fit with the best trade of likelihood
against parameters, from the training rows alone. Cross-validation takes the one that predicts held-out rows best. BIC
asks which model made the data, cross-validation which model predicts; on few rows they may differ.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from skmoe import MoERegressor
from skmoe.datasets import make_moe_regression
from skmoe.scoring import neg_log_score

# %%
# Rows
# ----
# Drawn from a mixture of three experts, so that the truth is known.

X, y = make_moe_regression(500, 4, n_experts=3, noise=0.3, random_state=1)
numbers = range(1, 8)

# %%
# By BIC
# ------

best = min((MoERegressor(k, random_state=0).fit(X, y) for k in numbers), key=lambda model: model.bic(X, y))
print(f"BIC chooses {best.n_experts_} experts")

# %%
# By cross-validation
# -------------------
# On the mean log density of held-out rows: a proper score of the whole distribution, where R² would look at the mean
# alone.

search = GridSearchCV(MoERegressor(random_state=0), {"n_experts": list(numbers)}, scoring=neg_log_score, cv=5)
search.fit(X, y)
print(f"cross-validation chooses {search.best_params_['n_experts']} experts")

# %%
# Curves
# ------
# The score of five folds varies more between folds than between neighbouring numbers of experts, because some folds
# hold harder rows than others. Look at the differences on the same folds before a larger number is taken.

bic = [MoERegressor(k, random_state=0).fit(X, y).bic(X, y) for k in numbers]
folds = np.array([search.cv_results_[f"split{i}_test_score"] for i in range(5)])
gain = folds - folds[:, [search.best_index_]]

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
left.plot(numbers, bic, "o-", color="black")
left.set(xlabel="experts", ylabel="BIC (lower is better)", title="training rows")
right.errorbar(numbers, gain.mean(axis=0), gain.std(axis=0, ddof=1) / np.sqrt(5), fmt="o-", color="black", capsize=3)
right.set(xlabel="experts", ylabel="log density, nats a row,\nagainst the chosen number", title="held-out rows")
plt.show()
