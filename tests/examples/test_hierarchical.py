"""The script on hierarchies finds the questions that its rows were made of."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "hierarchical.py"


def test_it_finds_the_questions(capsys):
    pytest.importorskip("pandas")
    runpy.run_path(str(SCRIPT), run_name="__main__")
    printed = capsys.readouterr().out
    questions = re.findall(r"where (\w+) [<>] ([\d.]+)", printed)
    assert [name for name, _ in questions] == ["temperature", "hour", "hour"]
    assert [float(value) for _, value in questions] == pytest.approx([15, 6, 11], abs=0.6)
    density = [float(v) for v in re.findall(r"(-\d\.\d\d)   \(", printed)]
    assert len(density) == 3
    assert density[0] < density[1] < density[2]  # one line, flat, tree: the rows were made by a tree
