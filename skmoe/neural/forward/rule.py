"""How a gate chooses experts at predict, as a record that needs no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Which experts a row goes to, and with what weight, given its logits.

    Attributes
    ----------
    k : int or None
        Experts of a row; None are all.
    score : {"softmax", "sigmoid"}
        What logits are turned into.
    renormalize : bool
        Whether the weights of the chosen are divided by their sum.
    scale : float
        What weights are multiplied with.
    temperature : float
        What logits are divided by.
    """

    k: int | None = None
    score: str = "softmax"
    renormalize: bool = True
    scale: float = 1.0
    temperature: float = 1.0
