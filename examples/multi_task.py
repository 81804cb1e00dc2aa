"""
A gate for each task
====================

One network learns two tasks. The usual way is a shared bottom: hidden layers that both tasks read, and a small tower
for each. It suffers where tasks have little in common. The multi-gate mixture of experts (MMoE, Ma et al. 2018,
https://doi.org/10.1145/3219819.3220007) has experts at the bottom, and every task mixes them by a gate of its own. The
tasks are simulated as in section 3.2 of the paper, so one number says how related they are. Needs torch.
"""

import math

import torch
from torch import nn

from skmoe.neural import MoELayer, MultiTask, Soft
from skmoe.routing import expert_usage

D, TASKS = 10, 2
CORRELATIONS, SEEDS = (1.0, 0.5, 0.0), range(7)
N_STEPS, BATCH, RATE = 300, 128, 0.03
torch.set_num_threads(1)  # networks so small are faster on one

# %%
# Two tasks
# ---------
# A task has a direction among the columns. Its response is a line along this direction, and three sines on top of it;
# the function is the same for both tasks. The cosine of the angle between the directions is the correlation p. With
# p = 1 both tasks are one, up to noise of deviation 0.01. With p = 0 one tells nothing about the other, but that the
# functions are alike.

frequency, phase = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0, 4.0])


def tasks(p, generator):
    """A function that draws rows, and the responses of two tasks with this correlation."""
    u, _ = torch.linalg.qr(torch.randn(D, 2, generator=generator))
    w = torch.stack([u[:, 0], p * u[:, 0] + math.sqrt(1 - p**2) * u[:, 1]], dim=1)

    def draw(n):
        x = torch.randn(n, D, generator=generator)
        z = x @ w
        y = z + torch.sin(frequency * z[..., None] + phase).sum(-1)
        return x, y + 0.01 * torch.randn(n, TASKS, generator=generator)

    return draw


# %%
# Four networks
# -------------
# Towers are the same everywhere, and so are the eight columns that they read. What lies below differs: a network for
# each task, of half the width; one for both; four experts behind one gate, whose mixture both tasks read; and the same
# experts behind a gate for each task. Widths are such that all have about as many parameters, gates and towers
# included. Gates are soft, so every expert answers every row, and as many parameters are at work as there are.

SEEN = 8


def perceptron(d_in, width, d_out, generator):
    """One hidden layer, with parameters as torch draws them, but from this generator."""
    network = nn.Sequential(nn.Linear(d_in, width), nn.ReLU(), nn.Linear(width, d_out))
    for linear in network[::2]:
        bound = linear.in_features**-0.5
        for parameter in linear.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return network


class Apart(nn.ModuleList):
    """A network for each task, (n_rows, n_tasks, d_out)."""

    def forward(self, x):
        return torch.stack([network(x) for network in self], dim=1)


class Network(nn.Module):
    """A bottom that answers a row once, or once for each task, and a tower for each task."""

    def __init__(self, bottom, generator):
        super().__init__()
        self.bottom = bottom
        self.towers = nn.ModuleList(perceptron(SEEN, 8, 1, generator) for _ in range(TASKS))

    def forward(self, x):
        seen = self.bottom(x).relu()
        if seen.dim() == 2:
            seen = seen[:, None].expand(-1, TASKS, -1)
        return torch.cat([tower(seen[:, m]) for m, tower in enumerate(self.towers)], dim=1)


def experts(router, generator):
    """Four experts, mixed as the router says."""
    return MoELayer(D, SEEN, n_experts=4, hidden=(8,), router=router, generator=generator)


bottoms = {
    "a network a task": lambda generator: Apart(perceptron(D, 19, SEEN, generator) for _ in range(TASKS)),
    "shared bottom": lambda generator: perceptron(D, 38, SEEN, generator),
    "experts, one gate": lambda generator: experts(Soft(), generator),
    "experts, a gate a task": lambda generator: experts(MultiTask(n_tasks=TASKS, router=Soft()), generator),
}

# %%
# Training
# --------
# No row is seen twice, so nothing can be overfitted: what counts is how far a network comes in so many steps. A seed
# draws first directions, rows and parameters, which are the same for every correlation. Errors are mean squared errors
# on new rows, in per cent of the variance of the response, medians over seeds.


def trained(bottom, p, seed):
    """A network after Adam with a falling rate, and rows that it has not seen."""
    draw = tasks(p, torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(100 + seed)
    network = Network(bottom(generator), generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    batches = zip(*(part.split(BATCH) for part in draw(N_STEPS * BATCH)), strict=True)
    for step, (x, y) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / N_STEPS)
        loss = (network(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval(), *draw(4000)


@torch.no_grad()
def error(network, x, y):
    """Mean squared error in per cent of the variance, mean of the tasks."""
    return 100 * ((network(x) - y).square().mean(0) / y.var(0)).mean()


runs = {name: [[trained(bottom, p, seed) for seed in SEEDS] for p in CORRELATIONS] for name, bottom in bottoms.items()}
errors = {name: torch.tensor([[error(*run) for run in of_p] for of_p in of_name]) for name, of_name in runs.items()}

print(f"{'median error':24s}parameters" + "".join(f"  p = {p:.1f}" for p in CORRELATIONS))
for name, values in errors.items():
    network, *_ = runs[name][0][0]
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"{name:24s}{n_parameters:10d}" + "".join(f"{median:9.2f}" for median in values.median(1).values))
better = (errors["experts, a gate a task"] < errors["shared bottom"]).sum(1)
print(f"{'a gate a task beats shared bottom':34s}" + "".join(f"   {n} of {len(SEEDS)}" for n in better))

# %%
# While both tasks are one, it pays to learn them together. As they part, the shared bottom and the single gate lose
# more than they had gained, and a network for each task is better. A gate for each task keeps most of the gain, without
# having been told how related the tasks are.
#
# Not all of it is owed to these gates. With p = 1 a single gate is as good, with half the error of the shared bottom:
# that much is due to the experts alone. Nor do errors rise steadily: directions 60 degrees apart, p = 0.5, are already
# as hard to share as orthogonal ones.
#
# Who uses which experts
# ----------------------
# First the mean weight of every expert, by task, in the run of the first seed. Then how far the gates of the two tasks
# disagree about a row: the part of its weight that they give to different experts, mean over rows, median over seeds.


@torch.no_grad()
def weights(network, x):
    """Combine weights of a trained network, (n_rows, n_tasks, n_experts)."""
    network(x)
    return network.bottom.routing.combine_weights()


print("expert                   0         1         2         3")
disagreement = {}
for p, of_p in zip(CORRELATIONS, runs["experts, a gate a task"], strict=True):
    gates = [weights(network, x) for network, x, _ in of_p]
    disagreement[p] = torch.stack([(g[:, 0] - g[:, 1]).abs().sum(1).mean() / 2 for g in gates]).median()
    for m in range(TASKS):
        usage = expert_usage(gates[0][:, m].numpy())
        print(f"p = {p:.1f}, task {m}" + "".join(f"{share:10.2f}" for share in usage))
for p, part in disagreement.items():
    print(f"p = {p:.1f}: gates disagree about {part:.0%} of a row")

# %%
# Mean weights tell little: tasks that use an expert equally often may use it for different rows. Row by row the gates
# of unrelated tasks disagree about half of the weight. Those of equal tasks come closer, but not to the same gate, for
# nothing in the loss asks them to.
