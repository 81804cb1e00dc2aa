"""Tables of docs/neural/quality.md: means and standard errors over splits of what `benchmarks.sparse_tables` found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .sparse_models import ABLATION_SETS, ABLATIONS, CLASSES, LARGE_SETS, NUMBERS, RARE, SETS, WEIGHTED

PAGE = Path(__file__).parents[1] / "docs" / "neural" / "quality.md"

#: Models by the names that readers know.
LABELS = {
    "sparse": "sparse mixture",
    "sparse-fraud": "sparse mixture, as for fraud",
    "perceptron-members": "perceptron, four members",
    "perceptron": "perceptron",
    "perceptron-fraud": "perceptron, as for fraud",
    "tabm": "TabM",
    "mixture": "mixture of linear experts",
    "boosting": "boosting",
    "boosting-tuned": "boosting, as for fraud",
    "forest": "forest",
}
LARGE_LABELS = {
    "sparse-32": "32 experts, four members",
    "sparse": "8 experts, four members",
    "perceptron-members": "perceptron, four members",
    "sparse-32-one": "32 experts",
    "n_members=1": "8 experts",
    "perceptron": "perceptron",
}
ABLATION_LABELS = {"sparse": "default"} | {name: f"`{name}`" for name in ABLATIONS}

#: Decimals of what has no unit of its own; the others have three or four digits.
_DECIMALS = {"AP": 3, "NLL": 3, "log loss": 4, "error": 4, "effective experts": 1}


class Column(NamedTuple):
    """A figure of a set, over the first splits; ``weighted`` is that of models that were given the set's weights."""

    name: str
    key: str
    most_splits: int = 100
    weighted: bool = False

    @property
    def is_cost(self) -> bool:
        return self.key in ("fit", "predict", "effective experts")

    def title(self, with_key: bool) -> str:
        return self.name + f", {self.key}" * with_key + ", weighted" * self.weighted

    def values(self, found: Any, model: str) -> np.ndarray:
        """Of the splits on which a model was measured; (n_splits, n_blocks) for the experts of blocks."""
        splits = [split for number, split in found.get(self.name, {}).items() if int(number) < self.most_splits]
        model += WEIGHTED * self.weighted
        return np.array([split[model][self.key] for split in splits if self.key in split.get(model, {})], dtype=float)

    def cell(self, values: np.ndarray, n_splits: int, best: bool) -> str:
        """Mean and standard error; and of how many splits, where others have more."""
        if not len(values):
            return "–"
        means = np.atleast_1d(values.mean(axis=0))
        size = 2 - int(np.floor(np.log10(max(abs(means[0]), 1e-9)))) + (self.key == "RMSE")
        decimals = _DECIMALS.get(self.key, max(size, 0))
        text = ", ".join(f"{mean:,.{decimals}f}" for mean in means)
        if len(values) > 1 and not self.is_cost:
            text += f" ± {values.std(ddof=1) / np.sqrt(len(values)):,.{decimals}f}"
        text = f"**{text}**" if best else text
        return (text + f" ({len(values)} of {n_splits})" * (len(values) < n_splits)).replace("-", "−")


def asking(asks: str) -> list[str]:
    return [name for name, rows in SETS.items() if rows.asks == asks]


def columns() -> dict[str, tuple[list[Column], Mapping[str, str]]]:
    """Columns and models of each table, by name."""
    rare, classes, numbers = (asking(asks) for asks in (RARE, CLASSES, NUMBERS))
    precision = [Column(name, "AP", weighted=weighted) for name in rare for weighted in (False, True)]
    large = [Column(name, "error" if name in classes else "NLL") for name in LARGE_SETS]
    large += [Column(name, "log loss" if name in classes else "RMSE") for name in LARGE_SETS]
    ablated = [
        Column(name, key, n_splits)
        for name, n_splits in ABLATION_SETS.items()
        for key in (["AP"] if name in rare else ["error", "log loss"] if name in classes else ["RMSE", "NLL"])
    ]
    return {
        "rare classes": (precision[:3], LABELS),  # payments of the handbook have no weights
        "classes": ([Column(name, key) for name in classes for key in ("error", "log loss")], LABELS),
        "RMSE": ([Column(name, "RMSE") for name in numbers], LABELS),
        "NLL": ([Column(name, "NLL") for name in numbers], LABELS),
        "seconds": ([Column(name, "fit") for name in SETS], LABELS),
        "microseconds": ([Column(name, "predict") for name in SETS], LABELS),
        "many experts": (large, LARGE_LABELS),
        "effective experts": ([Column(name, "effective experts") for name in LARGE_SETS], LARGE_LABELS),
        "one at a time": (ablated, ABLATION_LABELS),
    }


def table(found: Any, columns: list[Column], models: Mapping[str, str]) -> str:
    """A line a model, a column a figure, of which the best is bold."""
    cells: dict[str, list[str]] = {model: [] for model in models}
    for column in columns:
        values = {model: column.values(found, model) for model in models}
        n_splits = max(len(of) for of in values.values())
        sign = -1 if column.key == "AP" else 1
        means = {model: sign * of.mean() for model, of in values.items() if len(of) == n_splits > 0}
        best = min(means, key=means.__getitem__) if means and not column.is_cost else None
        for model in models:
            cells[model].append(column.cell(values[model], n_splits, model == best))
    with_key = len({column.key for column in columns}) > 1
    head = ["model", *(column.title(with_key) for column in columns)]
    rows = [[models[model], *cells[model]] for model in models if set(cells[model]) != {"–"}]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def inserted(page: str, found: Any) -> str:
    """The page with each table between ``<!-- NAME -->`` and ``<!-- end of NAME -->``."""
    for name, (of, models) in columns().items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if not between.search(page):
            raise ValueError(f"The page has no place for {name!r}: write <!-- {name} --> and <!-- end of {name} -->.")
        text = table(found, of, models)
        page = between.sub(lambda match, text=text: f"{match[1]}\n{text}\n\n{match[2]}", page)
    return page


def render(found: Any, page: Path = PAGE) -> None:
    """Put the tables into the page."""
    page.write_text(inserted(page.read_text(encoding="utf-8"), found), encoding="utf-8")
