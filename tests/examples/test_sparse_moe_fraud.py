"""The script on networks for card fraud, run small: it shows all models and experts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="skmoe.neural needs torch")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "sparse_moe_fraud.py"
WHOLE = "N_CUSTOMERS, N_EPOCHS = 600, 16"
SMALL = "N_CUSTOMERS, N_EPOCHS = 200, 4"


@pytest.mark.usefixtures("threads")
def test_it_ranks_frauds_first(capsys):
    text = SCRIPT.read_text(encoding="utf-8")
    assert text.count(WHOLE) == 1
    names = {"__name__": "__main__"}
    exec(compile(text.replace(WHOLE, SMALL), str(SCRIPT), "exec"), names)
    printed = capsys.readouterr().out
    ranked = re.findall(r"^(\S.*?) +(\d\.\d{3}) +(\d\.\d\d) +\d+\.\d$", printed, re.M)
    assert [name for name, *_ in ranked] == [
        "SparseMoEClassifier",
        "last rows held out",
        "one expert",
        "HistGradientBoosting",
        "MoEClassifier",
    ]
    base_rate = names["y_test"].mean()
    assert all(float(precision) > 10 * base_rate for _, precision, _ in ranked)
    assert "effective experts" in printed
    shares = [
        [float(share) for share in row.split()]
        for row in re.findall(r"^(?:genuine|amounts|compromised|stolen).*? +[\d,]+((?: +\d\.\d\d){4})$", printed, re.M)
    ]
    assert len(shares) == 4
    assert all(sum(row) == pytest.approx(1, abs=0.03) for row in shares)
    # Rows that train come before those that validate, and those before the test.
    assert names["payments"].label_time[names["train"]].max() < names["payments"].time[names["test"]].min()
