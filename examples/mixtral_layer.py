"""
Mixtral's layer, number by number
=================================

A `MoELayer` takes over the weights of a Mixtral block and answers as that does. The block is the one of transformers
where that is installed, with random weights, so nothing is downloaded; else it is a few lines that follow the paper
row by row. Needs torch.
"""

import torch
from torch.nn.functional import silu

from skmoe.neural import MoELayer, TopK, balance_loss

try:
    from transformers.models.mixtral import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock, load_balancing_loss_func
except ImportError:
    MixtralConfig = None

D, HIDDEN, EXPERTS, K = 32, 64, 8, 2


class RowByRow(torch.nn.Module):
    """Mixtral's formula and nothing else: the K best experts of a row, weighted by a softmax over these."""

    def __init__(self):
        super().__init__()
        self.gate, self.experts = torch.nn.Linear(D, EXPERTS, bias=False), torch.nn.Module()
        self.experts.gate_up_proj = torch.nn.Parameter(torch.empty(EXPERTS, 2 * HIDDEN, D))
        self.experts.down_proj = torch.nn.Parameter(torch.empty(EXPERTS, D, HIDDEN))

    def forward(self, x):
        return torch.stack([self.answer(row) for row in x.view(-1, D)]).view_as(x)

    def answer(self, row):
        logit, expert = self.gate(row).topk(K)
        gate, value = (self.experts.gate_up_proj[expert] @ row).chunk(2, dim=-1)
        return torch.einsum("k,kdh,kh->d", logit.softmax(0), self.experts.down_proj[expert], silu(gate) * value)


# %%
# The same weights in both
# ------------------------
# Theirs multiply a row as ``weight @ row``, ours as ``row @ weight``: transposed, they are the same numbers.

if MixtralConfig is None:
    block = RowByRow()
else:
    shape = {"hidden_size": D, "intermediate_size": HIDDEN, "experts_implementation": "eager"}
    block = MixtralSparseMoeBlock(MixtralConfig(**shape, num_local_experts=EXPERTS, num_experts_per_tok=K))
layer = MoELayer(D, n_experts=EXPERTS, hidden=(HIDDEN,), activation="swiglu", bias=False, router=TopK(k=K))

torch.manual_seed(0)
with torch.no_grad():
    for parameter in block.parameters():
        parameter.normal_(std=D**-0.5)
    layer.router.gate.weight.copy_(block.gate.weight)
    layer.experts.maps[0].weight.copy_(block.experts.gate_up_proj.mT)
    layer.experts.maps[1].weight.copy_(block.experts.down_proj.mT)

    x = torch.randn(4, 50, D)  # four sequences of 50 rows
    ours, theirs = layer(x), block(x)
print(f"{type(block).__name__} and {type(layer).__name__}: answers up to {ours.abs().max():.2f}, ", end="")
print(f"largest difference {(ours - theirs).abs().max():.0e}")

# %%
# Who takes which rows
# --------------------
# Random weights use all experts more or less alike. Training does not keep it so by itself: it needs a loss that is 1
# where they are used alike. Mixtral in transformers does not divide by the choices of a row: there it is k.

print(layer.routing_report(x.flatten(0, 1)))
print(f"balance loss        {balance_loss(layer.routing):.4f}, times k {K * balance_loss(layer.routing):.4f}")
if MixtralConfig is not None:
    print(f"in transformers     {load_balancing_loss_func((layer.routing.logits,), EXPERTS, K):.4f}")
