"""The script on tasks, run small: a gate for each task keeps what sharing gains when tasks part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="skmoe.neural needs torch")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "multi_task.py"
WHOLE = "CORRELATIONS, SEEDS = (1.0, 0.5, 0.0), range(7)"
SMALL = "CORRELATIONS, SEEDS = (1.0, 0.0), range(3)"


@pytest.mark.usefixtures("threads")
def test_gates_of_tasks_keep_what_sharing_gains(capsys):
    text = SCRIPT.read_text(encoding="utf-8")
    assert text.count(WHOLE) == 1
    exec(compile(text.replace(WHOLE, SMALL), str(SCRIPT), "exec"), {"__name__": "__main__"})
    errors, gates = capsys.readouterr().out.split("expert   ")
    found = {
        name: (int(size), float(related), float(unrelated))
        for name, size, related, unrelated in re.findall(r"^(.*?) +(\d+) +(\d+\.\d+) +(\d+\.\d+)$", errors, re.M)
    }
    sizes = [size for size, *_ in found.values()]
    assert len(sizes) == 4
    assert max(sizes) < 1.1 * min(sizes)
    _, related, unrelated = found["experts, a gate a task"]
    assert unrelated < 2 * related
    assert unrelated < 0.8 * min(error for name, (*_, error) in found.items() if name != "experts, a gate a task")
    _, related, unrelated = found["experts, one gate"]
    assert unrelated > 2 * related
    assert errors.rstrip().endswith("3 of 3")

    shares = [
        [float(share) for share in row.split()] for row in re.findall(r"^p = \d\.\d, task \d +([\d. ]+)$", gates, re.M)
    ]
    assert len(shares) == 4
    assert all(sum(row) == pytest.approx(1, abs=0.021) for row in shares)
    related, unrelated = (int(part) for part in re.findall(r"about (\d+)%", gates))
    assert unrelated > related + 10
