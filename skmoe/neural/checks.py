"""What settings have to be, and what is said of those that are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from numbers import Integral, Real
from typing import Any

from torch import nn


def check_whole(least: int = 1, *, none: bool = False, **values: Any) -> None:
    """Refuse settings that are no whole numbers, or too small; ``none`` says whether they may be None."""
    for setting, value in values.items():
        if value is None and none:
            continue
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise ValueError(f"{setting} must be a whole number of at least {least}, got {value!r}.")
        if value < least:
            raise ValueError(f"{setting} must be at least {least}, got {value!r}.")


def check_real(*, none: bool = False, **values: Any) -> None:
    """Refuse settings that are no numbers; ``none`` says whether they may be None."""
    for setting, value in values.items():
        if value is None and none:
            continue
        if not isinstance(value, Real) or isinstance(value, bool) or isnan(value):
            raise ValueError(f"{setting} must be a number, got {value!r}.")


def check_positive(*, none: bool = False, **values: Any) -> None:
    """Refuse settings that are not above zero; ``none`` says whether they may be None."""
    check_real(none=none, **values)
    for setting, value in values.items():
        if value is not None and not value > 0:
            raise ValueError(f"{setting} must be above 0, got {value!r}.")


def checked_widths(setting: str, widths: Any) -> tuple[int, ...]:
    """Widths of hidden layers."""
    if isinstance(widths, Integral) and not isinstance(widths, bool):
        raise ValueError(
            f"{setting} must be a sequence, the widths of the hidden layers, got {widths!r}: write "
            f"{setting}=({widths},)."
        )
    if not isinstance(widths, Iterable) or isinstance(widths, str):
        raise ValueError(
            f"{setting} must be a sequence, the widths of the hidden layers, such as (64,), got {widths!r}."
        )
    widths = tuple(widths)
    for number, width in enumerate(widths):
        check_whole(**{f"{setting}[{number}]": width})
    return tuple(map(int, widths))


def checked_shared(hidden: tuple[int, ...], n_shared: int, shared_hidden: Any, shared_gate: bool) -> tuple[int, ...]:
    """Widths of the hidden layers of shared experts, where there are such experts to be set."""
    for setting, given in {"shared_hidden": shared_hidden is not None, "shared_gate": bool(shared_gate)}.items():
        if given and not n_shared:
            raise ValueError(
                f"{setting} has no meaning without shared experts: expected n_shared of at least 1, got "
                f"n_shared={n_shared}. Give n_shared, or leave {setting} out."
            )
    return hidden if shared_hidden is None else checked_widths("shared_hidden", shared_hidden)


def check_experts(experts: Any) -> None:
    """Refuse experts of one's own that are no sequence of modules."""
    wanted = "experts must be a list of torch modules, one an expert"
    if not isinstance(experts, Sequence | nn.ModuleList) or isinstance(experts, str):
        kind = f"the class {experts.__name__}" if isinstance(experts, type) else f"a {type(experts).__name__}"
        raise ValueError(f"{wanted}; got {kind}. Make the modules and put them into a list.")
    if not len(experts):
        raise ValueError(f"{wanted}; got an empty one. Give at least one module, or leave experts out.")
    for number, expert in enumerate(experts):
        if not isinstance(expert, nn.Module):
            kind = f"the class {expert.__name__}: call it" if isinstance(expert, type) else f"{expert!r}"
            raise ValueError(f"{wanted}; experts[{number}] is {kind}.")


def check_reading(router: Any, **given: Any) -> None:
    """Refuse settings under which no router can see all experts."""
    for setting, value in given.items():
        if value is not None and router.reads_experts:
            raise ValueError(
                f"{setting} does not go with a router that sees the answers of all experts before it routes: they are "
                f"not all here. Use another router, or leave {setting} out."
            )


def check_among(setting: str, value: Any, possible: Iterable[str]) -> None:
    """Refuse names that are none of those there are."""
    if not isinstance(value, str) or value not in possible:
        raise ValueError(f"{setting} must be one of {tuple(possible)}, got {value!r}.")


def checked_impl(impl: Any, possible: tuple[str, ...]) -> str:
    """The name of an implementation that can compute the experts."""
    if not isinstance(impl, str) or impl not in ("auto", *possible):
        raise ValueError(f"impl must be 'auto' or, of these experts, one of {possible}; got {impl!r}.")
    return impl
