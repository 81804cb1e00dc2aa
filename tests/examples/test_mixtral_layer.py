"""The script on Mixtral finds equal answers, and the two conventions of the balance, with and without transformers."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="skmoe.neural needs torch")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "mixtral_layer.py"


@pytest.mark.parametrize("installed", [True, False], ids=["transformers", "torch alone"])
def test_it_finds_equal_answers(installed, capsys, monkeypatch):
    if installed:
        pytest.importorskip("transformers", reason="the block to compare with is that of transformers")
    else:
        monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not there
        for name in [name for name in sys.modules if name.startswith("transformers.")]:
            monkeypatch.delitem(sys.modules, name)
    runpy.run_path(str(SCRIPT), run_name="__main__")
    printed = capsys.readouterr().out
    assert ("MixtralSparseMoeBlock and" in printed) is installed
    answers, difference = re.search(r"up to ([\d.]+), largest difference (\S+)", printed).groups()
    assert float(answers) > 1 > 1e-5 > float(difference)
    ours, by_k = map(float, re.search(r"balance loss\s+([\d.]+), times k ([\d.]+)", printed).groups())
    assert by_k == pytest.approx(2 * ours, abs=2e-4)
    assert ours > 1
    assert "effective experts" in printed
    theirs = re.search(r"in transformers\s+([\d.]+)", printed)
    assert bool(theirs) is installed
    assert not installed or float(theirs[1]) == by_k
