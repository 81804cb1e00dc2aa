"""Where figures are drawn: matplotlib, asked for when it is needed, its axes, and the legend above them."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def pyplot() -> ModuleType:
    """``matplotlib.pyplot``, or a sentence on how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('Drawing needs matplotlib: pip install "skmoe[plot]".') from error
    return plt


def axes(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """The axes given, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    return pyplot().subplots(figsize=size, layout="constrained")[1]


def side_by_side(ax: Axes | Sequence[Axes] | None, size: tuple[float, float]) -> tuple[Axes, Axes]:
    """Two axes: those given, two within one that is given, or those of a new figure of a size in inches."""
    if ax is None:
        left, right = pyplot().subplots(1, 2, figsize=size, layout="constrained")[1]
        return left, right
    if hasattr(ax, "inset_axes"):
        ax.set_axis_off()
        return ax.inset_axes((0.0, 0.0, 0.42, 1.0)), ax.inset_axes((0.58, 0.0, 0.42, 1.0))
    try:
        left, right = ax
    except (TypeError, ValueError):
        raise ValueError(f"ax must be None, one Axes, or a pair of them, got {ax!r}.") from None
    return left, right


def legend_above(ax: Axes, handles: Sequence[Any]) -> None:
    """A legend above the axes, in as many columns as its labels leave room for."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    width = ax.get_window_extent().width / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    columns = max(1, min(len(handles), int(width / (0.35 + 0.075 * longest))))
    ax.legend(
        handles=handles,
        ncols=columns,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        frameon=False,
        fontsize="small",
        handlelength=1.6,
        columnspacing=1.0,
    )
