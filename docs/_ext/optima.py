"""Draw, during the build, how likely each kind of start is to find the best optimum, from `benchmarks/optima.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from sphinx.application import Sphinx


def _draw(app: Sphinx) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    results = json.loads((app.srcdir.parent / "benchmarks" / "optima.json").read_text(encoding="utf-8"))
    folder = Path(app.srcdir) / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(2, 5, figsize=(11, 4.6), sharex=True, sharey=True, layout="constrained")
    colors = plt.colormaps["tab10"]
    budget = np.linspace(1, 27, 200)
    for ax, (name, result) in zip(axes.flat, results.items(), strict=True):
        for i, (kind, hit) in enumerate(result["hit"].items()):
            # Independent starts of one kind: one of them finds it unless all of them miss.
            ax.plot(budget, 1 - (1 - hit) ** (budget / result["cost_of_one"][kind]), color=colors(i), lw=1, label=kind)
        curve = result["curve"]
        ax.plot(np.arange(1, len(curve) + 1), curve, color="black", lw=2, label="default fit")
        ax.set_title(f"{name}, K = {result['n_experts']}", fontsize=9)
    axes[1, 2].set_xlabel("cost, in single starts", fontsize=9)
    figure.supylabel("probability of the best of 200 starts", fontsize=9)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    figure.savefig(folder / "optima.svg")
    plt.close(figure)


def setup(app: Sphinx) -> dict[str, Any]:
    """Draw before pages are read."""
    app.connect("builder-inited", _draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
