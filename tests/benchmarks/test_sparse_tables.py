"""Models of the tables of quality on simulated rows, and the tables of what was found."""

import json
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from benchmarks import quality_page, sparse_tables  # noqa: E402
from benchmarks.data import FOLDER  # noqa: E402
from benchmarks.sparse_models import BASELINES, CLASSES, FRAUD, NUMBERS, OURS, RARE, Problem  # noqa: E402


@pytest.fixture(params=[NUMBERS, CLASSES, RARE])
def problem(request):
    """Four numbers, one with gaps, and a category with a gap."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    X[:, 4] = rng.integers(3, size=300)
    level = X[:, 0] + X[:, 4] + 0.1 * rng.normal(size=300)
    X[::7, 1], X[::50, 4] = np.nan, np.nan
    y = level if request.param == NUMBERS else (level > 1).astype(int)
    splits = [(np.arange(200), np.arange(200, 300))]
    weight = 1 + (y == 0) if request.param == RARE else None
    return Problem(request.param, X, y, weight, np.array([4]), splits, ("squares", 2, 1.0, 1), resolution=0.01)


@pytest.mark.parametrize("name", [*BASELINES, *OURS, *FRAUD])
@pytest.mark.filterwarnings("ignore")
def test_models_are_measured(name, problem, monkeypatch):
    monkeypatch.setattr(sparse_tables, "_TIMED_ROWS", 100)
    if name == "tabm":
        pytest.importorskip("tabm", reason="tabm is not installed: pip install tabm")
    found = sparse_tables.measured(problem, 0, name, quick=True)
    asked = {NUMBERS: {"RMSE", "NLL"}, CLASSES: {"error", "log loss"}, RARE: {"AP", "log loss"}}[problem.asks]
    assert asked <= set(found)
    numbers = {key: value for key, value in found.items() if key != "effective experts"}
    assert name.endswith("-fraud") == (numbers.get("validation", 0.0) is None)  # which hold no rows out
    assert all(np.isfinite(value) for value in numbers.values() if value is not None)
    if problem.asks == RARE:
        assert sparse_tables.measured(problem, 0, name + ", weighted", quick=True)["log loss"] != found["log loss"]


def test_the_spread_of_errors_makes_a_density():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2))
    y = 2 * X[:, 0] + rng.normal(size=3000)
    splits = [(np.arange(2000), np.arange(2000, 3000))]
    problem = Problem(NUMBERS, X, y, None, np.array([], dtype=int), splits, ("columns", 1, 0.0, 1))
    noise = 0.5 * np.log(2 * np.pi * np.e)
    for name in ("boosting", "mixture"):
        assert noise - 0.02 < sparse_tables.measured(problem, 0, name)["NLL"] < noise + 0.2


def test_what_is_there_is_not_measured_again(tmp_path, monkeypatch, capsys):
    if not (FOLDER / "yacht.npz").exists():
        pytest.skip(f"{FOLDER} does not hold yacht.npz")
    monkeypatch.setattr(sparse_tables, "FOUND", tmp_path / "found.json")
    monkeypatch.setattr(sys, "argv", ["sparse_tables", "--sets", "yacht", "--models", "boosting", "--splits", "2"])
    sparse_tables.main()
    assert capsys.readouterr().out.count("yacht") == 2
    sparse_tables.main()
    assert not capsys.readouterr().out
    found = json.loads(sparse_tables.FOUND.read_text())
    assert list(found["yacht"]) == ["0", "1"]
    assert found["yacht"]["1"]["boosting"]["RMSE"] > 0


def test_tables_have_means_errors_and_gaps():
    found = {"yacht": {str(split): {"boosting": {"RMSE": 1.0 + split}} for split in range(2)}}
    found["yacht"]["0"]["forest"] = {"RMSE": 0.5}
    column = quality_page.Column("yacht", "RMSE")
    table = quality_page.table(found, [column], {"boosting": "boosting", "forest": "forest", "tabm": "TabM"})
    assert table.splitlines() == [
        "| model | yacht |",
        "| --- | --- |",
        "| boosting | **1.500 ± 0.500** |",
        "| forest | 0.5000 (1 of 2) |",
    ]


def test_every_table_has_a_place_on_the_page():
    page = quality_page.PAGE.read_text(encoding="utf-8")
    for name in quality_page.columns():
        assert f"<!-- {name} -->\n\n| model |" in quality_page.inserted(page, {})
