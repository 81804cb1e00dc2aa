"""What was measured, as JSON and as tables of a page in Markdown.

A part of the benchmarks is a dictionary of tables by title; a table is a list of rows, dictionaries with the same keys.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]

RESULTS = Path(__file__).with_name("results")
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"


def cell(name: str, value: Any) -> str:
    """A value of a column as a reader wants it: three digits, log-likelihoods to a thousandth of a nat; a dash where
    there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return number(value, in_nats=name.endswith(("nats", "log-likelihood"))).replace("-", "−")


def number(value: float, *, in_nats: bool) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if in_nats:
        return f"{value:,.3f}"
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.2e}" if decimals > 6 else f"{value:,.{max(decimals, 0)}f}"


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a table."""
    if not rows:
        return "Nothing was measured."
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(cell(name, row.get(name)) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def section(result: Mapping[str, Any]) -> str:
    """What a part found, and on which machine, in Markdown."""
    machine = result["machine"]
    words = (
        f"{name} {text}" if name[0].isupper() or name == text else f"{name}: {text}" for name, text in machine.items()
    )
    tables = [f"**{title}**\n\n{markdown(rows)}" for title, rows in result["tables"].items()]
    return "\n\n".join([f"`{result['command']}`", *tables, "Measured on: " + "; ".join(words) + "."])


def save(name: str, command: str, tables: Tables, machine: Mapping[str, str], folder: Path = RESULTS) -> Path:
    """Write what a part found."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    result = {"command": command, "machine": dict(machine), "tables": {t: list(rows) for t, rows in tables.items()}}
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False, default=float) + "\n", encoding="utf-8")
    return path


def results(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """What all parts found, by name. Files of commands of their own, which hold no tables, are left to these."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    return {name: result for name, result in found.items() if "tables" in result}


def inserted(page: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with what was found between ``<!-- NAME -->`` and ``<!-- end of NAME -->``."""
    for name, result in found.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if not between.search(page):
            raise ValueError(f"The page has no place for {name!r}: write <!-- {name} --> and <!-- end of {name} -->.")
        text = section(result)
        page = between.sub(lambda match, text=text: f"{match[1]}\n{text}\n\n{match[2]}", page)
    return page


def render(page: Path = PAGE, folder: Path = RESULTS) -> None:
    """Put what all parts found into the page."""
    page.write_text(inserted(page.read_text(encoding="utf-8"), results(folder)), encoding="utf-8")
