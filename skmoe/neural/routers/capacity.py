"""Capacity: how many rows an expert takes, and which choices are dropped where more come."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..checks import check_among, check_real, check_whole
from ..routing import tally

POLICIES = ("position", "probability")


def check_capacity(factor: float | None, policy: str, least: int) -> None:
    """Refuse a capacity that takes no row, or an unknown way to choose among rows."""
    check_real(none=True, capacity_factor=factor)
    if factor is not None and not factor > 0:
        raise ValueError(
            f"capacity_factor must be above 0, got {factor!r}: a capacity of zero drops every row. None drops none."
        )
    check_among("capacity_policy", policy, POLICIES)
    check_whole(min_capacity=least)


def capacity(factor: float, k: int, n_rows: int, n_experts: int, least: int = 1) -> int:
    """Rows that an expert takes: ``factor`` times its even share of the choices, rounded up, between bounds.

    .. math:: C = \\min(T, \\max(C_{min}, \\lceil c\\,k\\,T / E \\rceil))
    """
    share = factor * k * n_rows / n_experts
    if math.isinf(share):
        return n_rows
    return min(n_rows, max(least, math.ceil(share - 1e-9)))  # 1.1 * 10 is 11, whatever its last digit says


def over_capacity(
    index: Tensor, weight: Tensor, n_experts: int, capacity: int, policy: str, skip: Tensor | None = None
) -> Tensor:
    """Choices beyond the capacity of their expert.

    Parameters
    ----------
    index, weight : Tensor of shape (n_rows, k)
        Experts of each row, and their weights.
    capacity : int
        Rows that an expert takes.
    policy : {"position", "probability"}
        Who stays. ``"position"``: first choices before second ones, and among these the rows that come first (Lepikhin
        et al. 2021). ``"probability"``: the choices with the largest weight (Riquelme et al. 2021).
    skip : Tensor of shape (n_rows, k), bool, or None
        Choices that take no place.

    Returns
    -------
    Tensor of shape (n_rows, k), bool
        True where a choice is dropped; those of ``skip`` are not marked.
    """
    choice = index.t().reshape(-1)  # first choices of all rows, then second ones
    if skip is not None:
        choice = torch.where(skip.t().reshape(-1), n_experts, choice)
    queue = torch.arange(len(choice), device=choice.device)
    if policy == "probability":
        queue = torch.argsort(weight.detach().t().reshape(-1), descending=True, stable=True)
    order = queue[torch.argsort(choice[queue], stable=True)]  # by expert, and by the policy within each
    counts = tally(choice, n_experts + 1)
    first = (counts.cumsum(0) - counts)[choice[order]]
    place = torch.arange(len(choice), device=choice.device) - first
    over = torch.empty_like(choice, dtype=torch.bool)
    over[order] = (place >= capacity) & (choice[order] < n_experts)
    return over.view(index.shape[1], -1).t()
