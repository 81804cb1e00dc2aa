"""Where figures are drawn: matplotlib, asked for when it is needed, its axes, and the legend above them."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Inches from which two panels stand side by side.
_WIDE = 4.5


def pyplot() -> ModuleType:
    """``matplotlib.pyplot``, or a sentence on how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("Drawing needs matplotlib: pip install matplotlib.") from error
    return plt


def axes(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """The axes given, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    return pyplot().subplots(figsize=size, layout="constrained")[1]


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of axes, once the figure has found room for all labels drawn so far."""
    figure = ax.figure.canvas.figure
    figure.draw_without_rendering()
    box = ax.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi


def pair(ax: Any, size: tuple[float, float]) -> tuple[Axes, Axes]:
    """Two axes: those given, two within one that is given, or those of a new figure of a size in inches.

    One that is given is divided in left and right where it is wide, else in upper and lower.
    """
    if ax is None:
        first, second = pyplot().subplots(1, 2, figsize=size, layout="constrained")[1]
    elif hasattr(ax, "inset_axes"):
        ax.set_axis_off()
        wide = inches(ax)[0] > _WIDE
        first = ax.inset_axes((0.0, 0.0, 0.42, 1.0) if wide else (0.0, 0.66, 1.0, 0.34))
        second = ax.inset_axes((0.58, 0.0, 0.42, 1.0) if wide else (0.0, 0.0, 1.0, 0.34))
    else:
        try:
            first, second = ax
        except (TypeError, ValueError):
            raise ValueError(f"ax must be None, one Axes, or a pair of them, got {ax!r}.") from None
    return first, second


def legend_above(ax: Axes, handles: Sequence[Any], title: str | None = None) -> None:
    """A legend above the axes, in as many columns as its labels leave room for."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(inches(ax)[0] / (0.4 + 0.06 * longest))))
    ax.legend(
        handles=handles,
        ncols=columns,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        frameon=False,
        fontsize="small",
        title=title,
        title_fontsize="small",
        handlelength=1.6,
        columnspacing=1.0,
    )
