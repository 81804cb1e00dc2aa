"""The script on graph experts sends rows to the radius that they were made with, and gains by it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="skmoe.neural needs torch")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "graph_experts.py"


def test_every_row_finds_its_radius(capsys):
    runpy.run_path(str(SCRIPT), run_name="__main__")
    errors, usage = capsys.readouterr().out.split("share of experts")
    error = {
        name.strip(): (float(a), float(b)) for name, a, b in re.findall(r"^(.*?) +(\d\.\d+) +(\d\.\d+)$", errors, re.M)
    }
    assert min(error["no neighbours"]) > 0.9
    town, country = error["mixture of 1 and 2"]
    assert max(town, country) < 0.25  # noise has deviation 0.2
    assert town == pytest.approx(error["1 step"][0], abs=0.03)
    assert country == pytest.approx(error["2 steps"][1], abs=0.03)
    assert min(error["1 step"][1], error["2 steps"][0]) > 0.4
    share = {
        name: [float(value) for value in values.split()]
        for name, values in re.findall(r"^(\w+) +([\d. ]+)$", usage, re.M)
    }
    assert sum(share["town"][:2]) > 0.9
    assert sum(share["country"][2:]) > 0.9
