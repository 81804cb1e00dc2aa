"""The script on drift: one expert more finds the new fraud, and the approved ones stay."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "drift.py"


def test_one_expert_more_finds_the_new_fraud(capsys):
    runpy.run_path(str(SCRIPT), run_name="__main__")
    printed = capsys.readouterr().out
    rows = [
        [float(v) for v in re.findall(r"\d\.\d\d", line)]
        for line in printed.splitlines()
        if line.endswith(tuple("0123456789"))
    ]
    (approved, extended, retrained), slopes = rows[:3], rows[3:]
    assert approved[2] < 0.05 < 0.5 < extended[2]
    assert approved[0] < 0.3
    assert extended[0] > retrained[0] - 0.05
    assert "bit by bit: True" in printed
    assert len(slopes) == 3
    assert "terminal_risk" in printed.split("slopes")[1].splitlines()[1]
