"""
skmoe in twenty lines
=====================

A fit, its predictive distribution, and what its experts are.
"""

import numpy as np

from skmoe import MoERegressor

rng = np.random.default_rng(0)
X = rng.uniform(-3, 3, size=(600, 1))
y = np.where(X[:, 0] < 0, 1 - X[:, 0], np.sin(X[:, 0])) + rng.normal(scale=0.1 + 0.1 * (X[:, 0] > 0))

model = MoERegressor(n_experts=4, random_state=0).fit(X[:500], y[:500])
mean, std = model.predict(X[500:505], return_std=True)
low, high = model.predict_interval(X[500:], coverage=0.9).T

print(f"R^2 on held-out rows     {model.score(X[500:], y[500:]):.3f}")
print(f"log density of a row     {model.log_prob(X[500:], y[500:]).mean():.3f} nats")
print(f"90 % intervals cover     {np.mean((low <= y[500:]) & (y[500:] <= high)):.2f}")
print(f"first rows               {', '.join(f'{m:.2f} ± {s:.2f}' for m, s in zip(mean, std, strict=True))}")
print("expert   share   slope   intercept   scale")
for k, share in enumerate(model.expert_share_):
    print(f"{k:6d}  {share:6.2f}  {model.expert_coef_[k, 0]:6.2f}  {model.expert_intercept_[k]:10.2f}", end="")
    print(f"  {model.expert_scale_[k]:6.2f}")
