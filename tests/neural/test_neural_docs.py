"""The table of routers in the documentation says what the classes say, of all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

neural = pytest.importorskip("skmoe.neural")
pytest.importorskip("torch", reason="skmoe.neural needs torch")

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "neural" / "index.md").read_text(encoding="utf-8")
ROUTERS = {
    name
    for name in neural.__all__
    if isinstance(public := getattr(neural, name), type) and issubclass(public, neural.Router) and name != "Router"
}
#: Columns of the table, and the attribute each holds.
ATTRIBUTES = {
    "experts computed": "computes",
    "independent of the batch": "batch_independent",
    "gradient reaches": "gradient",
    "balanced by": "balanced_by",
}


def _table():
    """The rows of the two tables of routers, by name: cells by heading."""
    section = PAGE.split("\n## Routers\n")[1].split("\n## ")[0]
    rows = {}
    for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
        heads, _, *lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()]
        for line in lines:
            name = re.match(r"\[`(\w+)`\]", line[0])[1]
            rows.setdefault(name, {}).update(zip(heads, line, strict=True))
    return rows


def test_the_table_has_every_router():
    assert set(_table()) == ROUTERS


@pytest.mark.parametrize("name", sorted(ROUTERS))
def test_the_table_says_what_the_class_says(name):
    record, row = getattr(neural, name), _table()[name]
    assert {head: row[head] for head in ATTRIBUTES} == {head: getattr(record, a) for head, a in ATTRIBUTES.items()}


@pytest.mark.parametrize("name", sorted(ROUTERS))
def test_losses_of_the_table_are_public(name):
    row = _table()[name]
    named = re.findall(r"`(\w+)`", row["balanced by"] + row["other losses"])
    assert set(named) <= set(neural.__all__)
