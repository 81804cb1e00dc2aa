"""
Experts that look at neighbours
===============================

On a graph of rows, how far should a model look? The sales of a shop follow those who pass the shops next to it in town,
and those of the whole area in the country. A mixture of graph layers with different radii (Wang et al. 2023,
https://arxiv.org/abs/2304.02806) sends every row to the radius that suits it. Needs torch.
"""

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import nn

from skmoe.neural import MoELayer, NoisyTopK, importance_loss, load_loss

# %%
# Rows and their graph
# --------------------
# All of it is simulated, so that rows of two kinds need two radii. In the east, the town, the response is the mean
# footfall of a shop and its seven nearest ones. In the west it is the mean of these means: neighbours of neighbours
# count as well. Two columns are known of a shop: its own footfall, and its rent, higher in town but not surely. Where
# it lies is not told; that only makes the graph.

rng = np.random.default_rng(0)
N, LABELLED = 3000, 600
place, footfall = rng.uniform(-1, 1, size=(N, 2)), rng.standard_normal(N)
near = NearestNeighbors(n_neighbors=8).fit(place).kneighbors(place, return_distance=False)  # a row is its own nearest
town = place[:, 0] > 0
rent = np.where(town, 1.0, -1.0) + 0.5 * rng.standard_normal(N)

next_door = footfall[near].mean(1)
area = next_door[near].mean(1)
sales = np.where(town, next_door / next_door.std(), area / area.std()) + 0.2 * rng.standard_normal(N)

x = torch.tensor(np.column_stack([footfall, rent]), dtype=torch.float32)
y, near, town = torch.tensor(sales, dtype=torch.float32), torch.tensor(near), torch.tensor(town)
known, held_out = torch.tensor(rng.permutation(N)).split([LABELLED, N - LABELLED])

# %%
# Experts
# -------
# An expert takes the mean over neighbours once, or once more over theirs, and a small network answers. Called as
# ``layer(x, near)``, a layer shows its experts the whole table, says which rows to answer, and hands on what else it
# was called with.


class Hops(nn.Module):
    """A graph layer: a network of a row and of the means so many steps around it."""

    def __init__(self, *steps, d_in=2, d_hidden=32):
        super().__init__()
        self.steps = steps
        d_seen = (1 + len(steps)) * d_in
        self.network = nn.Sequential(nn.Linear(d_seen, d_hidden), nn.ReLU(), nn.Linear(d_hidden, 1))

    def forward(self, x, rows, near):
        seen, mean = [x[rows]], x
        for step in range(1, max(self.steps, default=0) + 1):
            mean = mean[near].mean(1)
            if step in self.steps:
                seen.append(mean[rows])
        return self.network(torch.cat(seen, dim=1))


def mixture():
    """Two experts of each radius, of which every row goes to two."""
    return MoELayer(2, 1, experts=[Hops(1), Hops(1), Hops(2), Hops(2)], router=NoisyTopK(k=2))


# %%
# Training
# --------
# All rows and links are known, and the response of one row in five. Its noise has deviation 0.2, which no model can get
# below.


def trained(model, answers, n_steps=400):
    """Minimise the squared error of the known rows; mixtures also the losses that keep experts in use."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
    for _ in range(n_steps):
        loss = (answers(model)[known, 0] - y[known]).square().mean()
        if isinstance(model, MoELayer):
            loss = loss + 0.01 * (importance_loss(model.routing) + load_loss(model.routing))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


every = torch.arange(N)
contenders = {
    "no neighbours": (lambda: Hops(), lambda model: model(x, every, near)),
    "1 step": (lambda: Hops(1), lambda model: model(x, every, near)),
    "2 steps": (lambda: Hops(2), lambda model: model(x, every, near)),
    "both in one": (lambda: Hops(1, 2, d_hidden=64), lambda model: model(x, every, near)),
    "mixture of 1 and 2": (mixture, lambda model: model(x, near)),
}
kinds = {"town": town, "country": ~town}

print("root mean square error    town  country")
for name, (make, answers) in contenders.items():
    torch.manual_seed(0)
    model = trained(make(), answers)
    with torch.no_grad():
        error = (answers(model)[:, 0] - y).square()
    parts = [error[held_out][kind[held_out]].mean().sqrt() for kind in kinds.values()]
    print(f"{name:20s}" + "".join(f"{part:9.3f}" for part in parts))

# %%
# On rows of either kind the mixture is nearly as good as the layer of the radius that they need. A single network that
# is given both means is as good, for it can learn when to look at which. What the mixture adds is that this can be
# read.
#
# Who is sent where
# -----------------

print("share of experts  1 step    1 step   2 steps   2 steps")
for name, kind in kinds.items():
    usage = model.routing.combine_weights()[kind].mean(0)
    print(f"{name:14s}" + "".join(f"{share:10.3f}" for share in usage))
