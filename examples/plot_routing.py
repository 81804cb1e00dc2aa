"""
Where routers send rows
=======================

Rows of two columns, and a response that is another plane in each of four regions. The same four linear experts are
trained with five routers, and each panel shows who answers where after the same number of steps. Needs torch.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.optimize import linear_sum_assignment

from skmoe.inspection.palette import GREY, INK, color
from skmoe.neural import ExpertChoice, MoELayer, NoisyTopK, Soft, TopK, balance_loss, importance_loss, load_loss

torch.manual_seed(0)
E = 4

# %%
# Rows
# ----
# A row belongs to the nearest of four centres, and every region has a plane of its own. Noise has deviation 0.1.

centre = torch.tensor([[-0.9, -0.8], [0.9, -0.6], [-0.5, 0.9], [1.0, 0.9]])
slope = torch.tensor([[2.0, 0.0], [-2.0, 1.0], [0.0, -2.0], [1.0, 2.0]])
level = torch.tensor([1.0, 2.0, 1.0, -3.0])


def region(x):
    """Number of the nearest centre."""
    return torch.cdist(x, centre).argmin(1)


def rows(n):
    """Rows from a square, and their response."""
    x = 4 * torch.rand(n, 2) - 2
    y = (x * slope[region(x)]).sum(1) + level[region(x)]
    return x, y + 0.1 * torch.randn(n)


x, y = rows(800)
x_new, y_new = rows(4000)

# %%
# Training
# --------
# Every router gets the loss that keeps its experts in use. A layer that trains routes with noise, or by choosing among
# the rows of a batch; what is drawn below is how it routes at predict, where a row depends on nothing but itself.

routers = {
    "Soft()": (Soft(), lambda routing: 0.0),
    "TopK(k=1, renormalize=False)": (TopK(k=1, renormalize=False), balance_loss),
    "TopK(k=2)": (TopK(k=2), balance_loss),
    "NoisyTopK(k=2)": (NoisyTopK(k=2), lambda routing: importance_loss(routing) + load_loss(routing)),
    "ExpertChoice(capacity_factor=1)": (ExpertChoice(capacity_factor=1), lambda routing: 0.0),
}


def trained(router, balance, n_steps=800):
    """Four linear experts behind a router, after Adam on batches of 200 rows."""
    torch.manual_seed(1)
    layer = MoELayer(2, 1, n_experts=E, hidden=(), router=router)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.03)
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / n_steps)
        batch = torch.randperm(len(x))[:200]
        loss = (layer(x[batch])[:, 0] - y[batch]).square().mean() + 0.01 * balance(layer.routing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return layer.eval()


layers = {name: trained(*how) for name, how in routers.items()}

# %%
# Picture
# -------
# Experts come out in any order; here each has the colour of the region whose rows it answers most. Dots are training
# rows, in the colour of the expert that counts most. A soft gate, and two experts a row, blur the borders. The
# thresholds of `ExpertChoice` leave rows near the borders to nobody, and the layer answers them with 0.

n = 240
ticks = torch.linspace(-2, 2, n)
grid, shown = torch.cartesian_prod(ticks, ticks), x[:200]
colours = np.array([to_rgb(color(k)) for k in range(E)])


@torch.no_grad()
def weights(layer, *tables):
    """Combine weights of the rows of each table, experts in the order of the regions."""
    layer(x)
    share = torch.zeros(E, E).index_add(0, region(x), layer.routing.combine_weights())
    order = linear_sum_assignment(-share)[1]
    for table in tables:
        layer(table)
        yield layer.routing.combine_weights()[:, order].numpy()


def draw(ax, field, dots, title):
    """The likeliest expert of every point, the lighter the less its weight, and that of some rows."""
    strength = 0.6 * field.max(1, keepdims=True)
    image = strength * colours[field.argmax(1)] + 1 - strength
    ax.imshow(image.reshape(n, n, 3).transpose(1, 0, 2), origin="lower", extent=(-2, 2, -2, 2))
    for k in range(E):  # the border of a region is where its centre is as near as the nearest other one
        distance = torch.cdist(grid, centre)
        nearer = distance[:, [other for other in range(E) if other != k]].amin(1) - distance[:, k]
        ax.contour(ticks, ticks, nearer.reshape(n, n).T, levels=[0.0], colors=INK, linewidths=0.9)
    colour = np.where(dots.max(1, keepdims=True) > 0, colours[dots.argmax(1)], to_rgb(GREY))
    ax.scatter(*shown.T, s=16, c=colour, edgecolors="white", linewidths=0.5, zorder=2)
    ax.set(xlim=(-2, 2), ylim=(-2, 2), xticks=[-2, 0, 2], yticks=[-2, 0, 2])
    ax.set_title(title, fontsize="medium")


figure, axes = plt.subplots(2, 3, figsize=(10, 7.6), sharex=True, sharey=True, layout="constrained")
truth = torch.eye(E).numpy()
draw(axes[0, 0], truth[region(grid)], truth[region(shown)], "the regions\ndeviation of the noise 0.10")
for ax, (name, layer) in zip(axes.flat[1:], layers.items(), strict=True):
    with torch.no_grad():
        error = (layer(x_new)[:, 0] - y_new).square().mean().sqrt()
    draw(ax, *weights(layer, grid, shown), f"{name}\nroot mean square error {error:.2f}")
handles = [Patch(facecolor=color(k), alpha=0.6, label=f"expert {k}") for k in range(E)]
dot = {"marker": "o", "markersize": 5, "linestyle": "", "markeredgecolor": "white"}
handles += [
    Line2D([], [], color=INK, linewidth=0.9, label="border of a region"),
    Line2D([], [], color=GREY, label="row without expert", **dot),
]
figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
plt.show()

# %%
# Do not rank routers by this picture. Training ends in one of several optima, here as with every mixture: with five
# seeds the error of one expert a row was between 0.40 and 0.76, of two experts a row between 0.41 and 0.58, of the soft
# gate between 0.45 and 0.54.
