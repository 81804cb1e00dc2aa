"""The shape of a network for tables: everything but its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from ..tree import Shape
from .forward.rule import Rule


@dataclass(frozen=True)
class Architecture:
    """What is to be known of a network, beside its parameters, to compute with it.

    .. math:: h_0 = \\mathrm{relu}(W (r_m \\odot e(x)) + b), \\qquad h_i = h_{i-1} + \\mathrm{MoE}_i(h_{i-1}), \\qquad
              p(y \\mid x) = \\tfrac1M \\sum_m \\sum_{k \\in S_m(x)} g_{mk}(x) f_{mk}(y \\mid x)

    Columns are embedded, e; each of M members sees the embeddings in signs or sizes of its own, r; the blocks before
    the last add a mixture to what they got; the last is the head, whose experts answer with distributions.

    Attributes
    ----------
    n_numbers : int
        Columns of numbers.
    n_codes : tuple of int
        Of every column of categories, the number of codes.
    embedding : {"ple", "periodic", "linear"}
        How numbers are embedded.
    d_embedding, n_frequencies : int
        Columns of an embedding; frequencies of a periodic one.
    width : int
        Columns between the blocks.
    n_blocks, n_experts, n_members : int
        Blocks with the head, experts of each, members.
    hidden : tuple of int
        Widths of the hidden layers of an expert.
    activation : str
    family : {"heteroscedastic_gaussian", "multinomial"}
        Distribution that an expert of the head answers with.
    n_outputs : int
        Outputs, or classes.
    scale_floor : float
        Smallest scale of an expert, in units of y as it is trained on.
    carried : tuple or int or None
        Shape of the tree of a mixture whose gate and experts the head begins with.
    rules : tuple of Rule or None
        How the gate of each block chooses at predict; None where only torch knows.
    """

    n_numbers: int
    n_codes: tuple[int, ...]
    embedding: str
    d_embedding: int
    n_frequencies: int
    width: int
    n_blocks: int
    n_experts: int
    n_members: int
    hidden: tuple[int, ...]
    activation: str
    family: str
    n_outputs: int
    scale_floor: float
    carried: Shape | None = None
    rules: tuple[Rule | None, ...] = ()

    @property
    def n_embedded(self) -> int:
        """Columns of all embeddings together."""
        return (self.n_numbers + len(self.n_codes)) * self.d_embedding

    @property
    def n_answers(self) -> int:
        """Columns of an answer of the head: a mean and a log scale an output, or a logit a class."""
        return 2 * self.n_outputs if self.family == "heteroscedastic_gaussian" else self.n_outputs

    @property
    def d_head(self) -> int:
        """Columns that the head sees: where a mixture is carried, the log priors of its experts come behind."""
        return self.width + (self.n_experts if self.carried is not None else 0)

    def as_dict(self) -> dict[str, Any]:
        """Shapes that decide whether parameters of one network fit another."""
        return {name: value for name, value in vars(self).items() if name != "rules"}


def checked_widths(hidden: Any) -> tuple[int, ...]:
    """Widths of the hidden layers of an expert.

    Raises
    ------
    ValueError
        Where they are no whole numbers of at least 1.
    """
    for i, width in enumerate(hidden):
        if not isinstance(width, Integral) or isinstance(width, bool):
            raise ValueError(f"hidden[{i}] must be a whole number of at least 1, got {width!r}.")
        if width < 1:
            raise ValueError(f"hidden[{i}] must be at least 1, got {width!r}.")
    return tuple(int(width) for width in hidden)
