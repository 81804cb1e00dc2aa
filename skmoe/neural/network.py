"""The network of the estimators: embeddings, members, blocks, and a head that mixes distributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.distributed import ProcessGroup
from torch.distributions import Distribution

from . import noise
from .architecture import Architecture
from .carried import CarriedMixture
from .embeddings import (
    CategoryEmbedding,
    LinearEmbedding,
    NumberEmbedding,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
)
from .forward.rule import Rule
from .heads import MixtureHead
from .layer import MoELayer
from .routers.protocol import Router
from .routers.soft import Soft
from .routing import Routing


class Inputs(NamedTuple):
    """Rows as the network takes them.

    Attributes
    ----------
    numbers : Tensor of shape (n_rows, n_numbers)
        NaN where there is a gap.
    codes : Tensor of shape (n_rows, n_categories), int64
    lines : Tensor of shape (n_rows, n_columns) or None
        Standardised columns, where a mixture is carried.
    """

    numbers: Tensor
    codes: Tensor
    lines: Tensor | None = None

    def some(self, which: Tensor | slice) -> Inputs:
        """Some of the rows."""
        return Inputs(self.numbers[which], self.codes[which], None if self.lines is None else self.lines[which])


class Answer(NamedTuple):
    """What the head says of rows and members.

    Attributes
    ----------
    routing : Routing
        Of rows times members, the members of a row one after the other.
    answers : Tensor of shape (n_rows * n_members, k, n_answers)
    """

    routing: Routing
    answers: Tensor


class Block(nn.Module):
    """A mixture of experts that is added to what it sees."""

    def __init__(self, layer: MoELayer) -> None:
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(layer.d_in), layer

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layer(self.norm(h))


class Carried(nn.Module):
    """The gate and the linear experts of a fitted mixture, which the head begins with and goes on to train.

    Parameters
    ----------
    n_experts, n_columns, n_answers : int
    router : Router
        `Soft`, over the tree of the mixture.
    """

    def __init__(self, n_experts: int, n_columns: int, n_answers: int, router: Router) -> None:
        super().__init__()
        self.gate = router.module(n_columns, n_experts)
        self.weight = nn.Parameter(torch.zeros(n_experts, n_columns, n_answers))
        self.bias = nn.Parameter(torch.zeros(n_experts, n_answers))

    def forward(self, lines: Tensor) -> tuple[Tensor, Tensor]:
        """Log priors (n_rows, n_experts) and answers (n_rows, n_experts, n_answers)."""
        answers = torch.einsum("nd,kda->nka", lines, self.weight) + self.bias
        return self.gate(lines).logits.log_softmax(-1).to(lines.dtype), answers


class Head(nn.Module):
    """The last block: its experts answer with distributions, which are mixed as densities.

    Parameters
    ----------
    layer : MoELayer
    mixing : MixtureHead
    n_members : int
        Every member has sizes and shifts of the answers of its own.
    carried : Carried or None
    """

    def __init__(self, width: int, layer: MoELayer, mixing: MixtureHead, n_members: int, carried: Carried | None):
        super().__init__()
        self.norm, self.layer, self.mixing, self.carried = nn.LayerNorm(width), layer, mixing, carried
        self.size = nn.Parameter(torch.ones(n_members, layer.d_out))
        self.shift = nn.Parameter(torch.zeros(n_members, layer.d_out))

    def forward(self, h: Tensor, lines: Tensor | None) -> Answer:
        h, n_members = self.norm(h), len(self.size)
        carried = None
        if self.carried is not None and lines is not None:
            prior, carried = (part.repeat_interleave(n_members, 0) for part in self.carried(lines))
            h = torch.cat([h, prior], dim=1)
        routing, answers = self.layer.answers(h)
        answers = answers.unflatten(0, (-1, n_members)) * self.size[:, None] + self.shift[:, None]
        answers = answers.flatten(0, 1)
        if carried is not None:
            chosen = routing.index[..., None].expand(-1, -1, carried.shape[-1])
            answers = answers + carried.gather(1, chosen)
        return Answer(routing, answers)


class Network(nn.Module):
    """From columns to a mixture of distributions a row and member; see `Architecture` for the equations.

    Its ``temperature`` plays no part here: it is for who reads the fitted network, see `skmoe.neural.calibration`.

    Parameters
    ----------
    architecture : Architecture
    edges : sequence of ndarray
        Of every column of numbers the edges of its bins.
    router, head_router : Router
        Of the blocks, and of the head, where every row must get an expert.
    generator : torch.Generator or None
        Source of the parameters, and of noise in training.
    group : ProcessGroup or None
        Processes that hold the other rows of a batch.
    """

    temperature: Tensor

    def __init__(
        self,
        architecture: Architecture,
        edges: Sequence[np.ndarray],
        router: Router,
        head_router: Router,
        generator: Generator | None = None,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        a = self.architecture = architecture
        shared: dict[str, Any] = {
            "hidden": a.hidden,
            "activation": a.activation,
            "generator": generator,
            "dp_group": group,
        }
        self.numbers = _number_embedding(a, edges)
        self.categories = CategoryEmbedding(a.n_codes, a.d_embedding) if a.n_codes else None
        self.members = nn.Parameter(torch.ones(a.n_members, a.n_embedded))
        self.stem = nn.utils.skip_init(nn.Linear, a.n_embedded, a.width)  # drawn below, not from torch's own source
        self.blocks: Any = nn.ModuleList(
            Block(MoELayer(a.width, n_experts=a.n_experts, router=router, **shared)) for _ in range(a.n_blocks - 1)
        )
        layer = MoELayer(a.d_head, a.n_answers, n_experts=a.n_experts, router=head_router, **shared)
        mixing = MixtureHead(a.family, a.n_experts, a.n_outputs, scale_floor=a.scale_floor)
        carried = None
        if a.carried is not None:
            carried = Carried(a.n_experts, a.n_numbers, a.n_answers, Soft(tree=a.carried if a.n_experts > 1 else None))
        self.register_buffer("temperature", torch.ones(()))
        self.head = Head(a.width, layer, mixing, a.n_members, carried)
        self._draw(generator)

    @torch.no_grad()
    def _draw(self, generator: Generator | None) -> None:
        """Draw what layers did not draw for themselves; the signs of the members are fair."""
        for embedding in (self.numbers, self.categories):
            if embedding is not None:
                embedding.reset_parameters(generator)
        if self.architecture.n_members > 1:
            self.members.copy_(torch.randint(0, 2, self.members.shape, generator=generator) * 2.0 - 1.0)
        bound = self.stem.in_features**-0.5
        for parameter in self.stem.parameters():
            noise.draw(parameter, generator, lambda drawn: nn.init.uniform_(drawn, -bound, bound, generator=generator))

    @property
    def layers(self) -> list[MoELayer]:
        """The layers of experts, the head's last."""
        return [*(block.layer for block in self.blocks), self.head.layer]

    def choose(self, k: int) -> None:
        """Send rows to k experts from now on."""
        for layer in self.layers:
            layer.router.choose(k)

    def update(self) -> None:
        """What is to be done once an optimiser step."""
        for layer in self.layers:
            layer.update()

    @property
    def rules(self) -> tuple[Rule | None, ...]:
        """How the gates choose at predict."""
        return tuple(layer.router.rule() for layer in self.layers)

    def forward(self, rows: Inputs) -> Answer:
        """What the head says of rows and members."""
        parts = [] if self.numbers is None else [self.numbers(rows.numbers).flatten(1)]
        if self.categories is not None:
            parts.append(self.categories(rows.codes).flatten(1))
        embedded = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        h = self.stem((embedded[:, None] * self.members).flatten(0, 1)).relu()
        for block in self.blocks:
            h = block(h)
        return self.head(h, rows.lines)

    def distribution(self, answer: Answer) -> Distribution:
        """Distributions of the responses, in units of training, of rows times members."""
        return self.head.mixing(*answer)

    def each_member(self, y: Tensor) -> Tensor:
        """Responses of rows, once for every member."""
        return y.repeat_interleave(self.architecture.n_members, 0)

    def by_member(self, values: Tensor) -> Tensor:
        """Values of rows times members, as (n_rows, n_members, ...)."""
        return values.unflatten(0, (-1, self.architecture.n_members))

    def log_prob(self, rows: Inputs, y: Tensor) -> Tensor:
        """Log densities of responses, (n_rows, n_members).

        ``y`` are classes (n_rows,), or numbers (n_rows, n_outputs) in units of training.
        """
        return self.by_member(self.distribution(self(rows)).log_prob(self.each_member(y)))

    @torch.no_grad()
    def stand_in(self, rows: Inputs, weight: Tensor, n_rows: int = 4096) -> None:
        """Give the gaps of columns in which training never met one the mean vector of the column.

        Nothing else has taught them what to be, and so they would stay as they were drawn.
        """
        for embedding, values in ((self.numbers, rows.numbers), (self.categories, rows.codes)):
            if embedding is not None:
                embedding.met_gap |= embedding.is_gap(values).any(0)
                blocks = zip(values.split(n_rows), weight.split(n_rows), strict=True)
                total: Any = sum((w[:, None, None] * embedding(block)).sum(0) for block, w in blocks)
                embedding.set_gaps(total / weight.sum(), ~embedding.met_gap)

    @torch.no_grad()
    def carry(self, mixture: CarriedMixture, center: np.ndarray, unit: np.ndarray) -> None:
        """Begin as a fitted mixture: everything else adds nothing yet.

        Parameters
        ----------
        mixture : CarriedMixture
        center, unit : ndarray of shape (n_outputs,)
            Of the responses as they are trained on; unused for classes.
        """
        carried, layer = self.head.carried, self.head.layer
        assert carried is not None
        weight, bias = _answers(mixture, self.architecture, center, unit)
        gate: Any = carried.gate.gate
        for parameter, value in [
            (gate.weight, mixture.gate[:, 1:]),
            (gate.bias, mixture.gate[:, 0]),
            (carried.weight, weight),
            (carried.bias, bias),
        ]:
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
        for parameter in [*layer.experts.maps[-1].parameters(), *layer.router.gate.parameters()]:
            parameter.zero_()
        layer.router.gate.weight[:, self.architecture.width :].fill_diagonal_(1.0)


def _number_embedding(a: Architecture, edges: Sequence[np.ndarray]) -> NumberEmbedding | None:
    if not a.n_numbers:
        return None
    if a.embedding == "ple":
        return PiecewiseLinearEmbedding(edges, a.d_embedding)
    if a.embedding == "periodic":
        return PeriodicEmbedding(a.n_numbers, a.n_frequencies, a.d_embedding)
    return LinearEmbedding(a.n_numbers, 0, a.d_embedding)


def _answers(
    mixture: CarriedMixture, a: Architecture, center: np.ndarray, unit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight (n_experts, n_columns, n_answers) and bias (n_experts, n_answers) of experts, as the head's answers."""
    experts = mixture.experts
    if a.family == "multinomial":
        if experts.family == "bernoulli":  # the logit of the second class, beside 0 of the first
            weight, bias = (np.concatenate([np.zeros_like(part), part], -1) for part in (experts.weight, experts.bias))
            return weight, bias
        return experts.weight, experts.bias
    assert experts.scale is not None
    free = np.square(experts.scale / unit) - a.scale_floor**2
    v = 0.5 * np.log(np.maximum(free, np.finfo(np.float64).tiny))
    weight = np.concatenate([experts.weight / unit, np.zeros_like(experts.weight)], -1)
    return weight, np.concatenate([(experts.bias - center) / unit, v], -1)
