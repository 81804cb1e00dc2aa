"""Parts that need no other package, on little data, and what is said of peers that are not there."""

import importlib.util
import json
import math
import runpy
import sys

import numpy as np
import pytest

from benchmarks import limit, regression, scaling, starting
from benchmarks.__main__ import PARTS, listed, main
from benchmarks.peers import race
from benchmarks.problems import gaussian
from benchmarks.process import Ended, answered
from skmoe.fused import FusedPass


def numbers(rows):
    return [value for row in rows for value in row.values() if isinstance(value, float)]


def test_every_part_is_there_and_described():
    for name, module in PARTS.items():
        assert importlib.util.find_spec(module)
        assert f"  {name} " in listed()


def test_a_part_that_is_not_there_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["nothing"])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["limit", "scaling"])
def test_parts_measure(name, capsys):
    main([name, "--quick"])
    found = capsys.readouterr().out
    assert f"\n{name} took " in found
    assert "nan" not in found


def test_the_unavoidable_is_done():
    work = limit.blocks(2500, 5, 2, cached=False)
    assert work.designs.shape == (3, 5, 1000)
    limit.in_numpy(work)
    product = np.exp(work.coef @ work.designs[-1])
    in_numpy = work.out.copy()
    np.testing.assert_allclose(in_numpy, product @ work.designs[-1].T, rtol=1e-12)
    work.designs[:] = -np.abs(work.designs)  # the compiled exponential is for numbers that are at most zero
    work.coef[:] = np.abs(work.coef)
    limit.compiled(work, 1)
    expected = np.exp(work.coef @ work.designs[-1]) @ work.designs[-1].T
    np.testing.assert_allclose(work.out, expected, rtol=1e-12)
    np.testing.assert_allclose(np.diag(work.gram).shape, (5,))


def test_cross_products_are_counted():
    for n_columns, of_gates in ((3, 4 * 3 // 2), (30, 4)):  # pairs of branches, or one a branch
        problem = gaussian(200, n_columns, 4)
        made = [
            FusedPass(problem.mixture, problem.started(0), n_columns + 1, information) for information in (True, False)
        ]
        assert [one.n_grams for one in made] == [of_gates + 4, 0]


def test_a_mapped_file_is_passed_like_an_array(tmp_path):
    mapped = scaling.mapped(tmp_path / "X.bin", 500, 3, 2)
    assert isinstance(mapped.X, np.memmap)
    copied = mapped.rows.__class__(**{**vars(mapped.rows), "X": np.array(mapped.X)})
    params = mapped.started(0)
    assert mapped.mixture.sums(params, mapped.rows).log_likelihood == pytest.approx(
        mapped.mixture.sums(params, copied).log_likelihood, rel=1e-12
    )


def test_processes_tell_seconds():
    assert 0 < starting.told("pass") < 5


def test_a_peer_that_is_not_there_is_left_out_with_a_sentence(monkeypatch):
    missing = Ended('{"missing": "flexmix"}', "", 0.1, 1.0, False, False)
    monkeypatch.setattr(race, "_run", lambda *args: missing)
    found = race.raced(gaussian(200, 2, 2), "gaussian", [race.Peer("flexmix")], starts=2)
    ours, own_end, theirs = found.table
    assert 0 < ours["seconds"] <= own_end["seconds"]
    assert theirs == {"package": "flexmix", "tolerance": "default", "starts": 0, "note": "not installed: flexmix"}
    assert found.optima[0]["starts"] == 2


OURS = [{"optimum": -10.0}, {"optimum": -9.0}]


def test_a_peer_is_compared_start_by_start(monkeypatch):
    answers = iter([(5.0, -10.5), (4.0, -9.25)])

    def run(*args):
        seconds, likelihood = next(answers)
        return Ended(json.dumps({"seconds": seconds, "log_likelihood": likelihood}), "", 9.0, 50.0, False, False)

    monkeypatch.setattr(race, "_run", run)
    monkeypatch.setattr(race, "_beside", lambda folder, start: [0.5, 0.25][start])
    row, best = race._peer_row(None, race.Peer("flexmix", starts=2), OURS, 300)
    assert row["times ours"] == np.median([5.0 / 0.5, 4.0 / 0.25])
    assert (row["ours less theirs, nats"], row["least, nats"]) == (0.375, 0.25)
    assert best == -9.25


def test_a_peer_that_is_stopped_is_a_bound(monkeypatch):
    monkeypatch.setattr(race, "_run", lambda *args: Ended("", "", 300.0, 70.0, True, False))
    monkeypatch.setattr(race, "_beside", lambda folder, start: 0.5)
    row, best = race._peer_row(None, race.Peer("flexmix"), OURS, 300)
    assert (row["seconds"], row["times ours"], row["log-likelihood"]) == ("more than 300", "more than 600", None)
    assert math.isnan(best)


def test_a_peer_that_fails_says_why(monkeypatch):
    failed = Ended("", "Warning\nError: no", 1.0, 70.0, False, True)
    monkeypatch.setattr(race, "_run", lambda *args: failed)
    assert race._peer_row(None, race.Peer("flexmix"), OURS, 300)[0]["note"] == "failed: Error: no"


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        ([1.0, 1.02, 1.3], ""),
        ([1.2, 1.3, 1.25], "slower"),
        ([0.5, 0.6, 0.7], "faster"),
        ([math.inf] * 3, "not in both"),
    ],
)
def test_slower_is_slower_in_the_middle_and_at_best(head, verdict):
    assert regression.judged("fit", np.array([1.0, 1.1, 1.05]), np.array(head))["verdict"] == verdict


def test_a_commit_is_compared_with_itself():
    root = regression._ROOT
    rows = regression.compared(root, root, 2, ["default fit, 30 x 10"])
    assert [row["task"] for row in rows] == ["default fit, 30 x 10"]
    assert all(0 < value < 60 for value in numbers(rows))


def test_peers_in_python_that_are_not_there(monkeypatch, capsys):
    script = str(race._SCRIPTS / "python_peers.py")
    monkeypatch.setattr(sys, "argv", [script, "no_such_package", ""])
    runpy.run_path(script, run_name="__main__")
    assert json.loads(capsys.readouterr().out) == {"missing": "no_such_package"}


def test_a_process_that_takes_too_long_or_fails_says_so():
    with pytest.raises(RuntimeError, match=r"benchmarks\.peers was stopped after 0 s"):
        answered("benchmarks.peers", limit=0)
    with pytest.raises(RuntimeError, match=r"No module named benchmarks\.nothing"):
        answered("benchmarks.nothing")


def test_expert_layers_are_measured(capsys):
    torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')
    n_threads = torch.get_num_threads()
    try:
        main(["neural", "--quick"])
    finally:
        torch.set_num_threads(n_threads)
    found = capsys.readouterr().out
    assert "| training | loop over experts |" in found
    assert "nan" not in found


def test_what_expert_layers_are_measured_beside_gives_the_same():
    torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')
    from benchmarks import neural

    shape = (64, 16, 24, 4, 2)
    x, made = neural.layers(shape, ("loop",))
    torch.testing.assert_close(neural.loop_over_experts(made["loop"])(x), made["loop"](x))
    products = sum(p.numel() for p in neural.perceptron(shape).parameters() if p.dim() == 2)
    assert products == 2 * made["loop"].experts.products
