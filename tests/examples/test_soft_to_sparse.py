"""The script on soft starts, run small: without one a gate for one expert learns nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="skmoe.neural needs torch")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "soft_to_sparse.py"
WHOLE = "N_ROWS, N_EXPERTS, N_EPOCHS, SEEDS = 2000, 8, 24, range(3)"
SMALL = "N_ROWS, N_EXPERTS, N_EPOCHS, SEEDS = 1000, 8, 16, range(1)"


@pytest.mark.usefixtures("threads")
@pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")
def test_a_gate_for_one_expert_learns_in_the_soft_start(capsys):
    text = SCRIPT.read_text(encoding="utf-8")
    assert text.count(WHOLE) == 1
    exec(compile(text.replace(WHOLE, SMALL), str(SCRIPT), "exec"), {"__name__": "__main__"})
    scores, one, more = re.split(r"\n +test error.*|\ntrained with.*", capsys.readouterr().out)
    by_epoch, of_one, of_more = (
        {line[:16].strip(): np.array(line[16:].split(), dtype=float) for line in part.splitlines() if "." in line[16:]}
        for part in (scores.split("by epoch:")[1], one, more)
    )
    assert list(by_epoch) == list(of_one)
    assert all(len(values) == 7 for values in by_epoch.values())
    shared = {name: values[2] for name, values in of_one.items()}
    assert shared["no soft start"] > 7.5
    assert shared["0.5 and entropy"] < shared["soft start 0.5"] < shared["soft start 0.2"] < 6
    assert of_one["soft start 0.5"][0] < of_one["no soft start"][0]
    for name in ("two", "two, entropy", "all"):
        trained, pruned = of_more[name]
        assert trained < pruned
    assert of_more["one, 0.5"] == of_one["soft start 0.5"][0]
