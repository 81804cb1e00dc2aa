"""A race: the same rows, the same responsibilities to start with, nobody with a ridge, everybody on one thread."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..problems import NEAR, Problem
from ..process import Ended, carried_out
from ..report import Row
from .folder import write

_SCRIPTS = Path(__file__).parent
_QUARTILES = ("lowest", "lower quartile", "median", "upper quartile", "highest")
#: Seconds after which a peer is stopped.
LIMIT = 300.0
#: Runs of ours from the same start after each run of a peer.
_AGAIN = 5


class Peer(NamedTuple):
    """A package of R, its tolerance, and from how many of the starts it is run."""

    package: str
    tolerance: str = "default"
    starts: int = 1


class Race(NamedTuple):
    """Rows of the table, and of the table of the optima of our own starts."""

    table: list[Row]
    optima: list[Row]


def raced(problem: Problem, family: str, peers: Sequence[Peer], starts: int, limit: float = LIMIT) -> Race:
    """Run everybody. Ours is a program of its own too, and goes first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, problem, family, max([peer.starts for peer in peers], default=1))
        ours, peak = _ours(folder, range(starts))
        table = _own_rows(ours, peak)
        best: dict[str, float] = {}
        for peer in peers:
            row, likelihood = _peer_row(folder, peer, ours, limit)
            table.append(row)
            best[f"{peer.package}, {peer.tolerance}"] = likelihood
            print("  " + ", ".join(f"{k}: {v}" for k, v in row.items() if v is not None), flush=True)
    return Race(table, _optima(ours, best))


def _ours(folder: Path, starts: Iterable[int]) -> tuple[list[dict[str, Any]], float]:
    """What our own runs tell, one a start, and their peak memory."""
    command = [sys.executable, "-m", "benchmarks.peers.ours", str(folder), *map(str, starts)]
    ended = carried_out(command, limit=3600)
    if ended.failed or ended.stopped:
        raise RuntimeError(ended.errors)
    return [json.loads(line) for line in ended.output.splitlines()], ended.peak


def _beside(folder: Path, start: int) -> float:
    """Seconds of our run from a start, again: what else the machine does changes while a peer is at work."""
    again, _ = _ours(folder, [start] * _AGAIN)
    return float(np.median([run["near"] for run in again]))


def _own_rows(ours: Sequence[dict[str, Any]], peak: float) -> list[Row]:
    def median(name: str) -> float:
        return float(np.median([np.inf if run[name] is None else run[name] for run in ours]))

    common = {"starts": len(ours), "peak MiB": peak}
    return [
        {
            "package": "skmoe",
            "tolerance": f"within {NEAR} nats",
            "seconds": median("near"),
            "times ours": 1.0,
            **common,
        },
        {"package": "skmoe", "tolerance": "default", "seconds": median("converged"), **common},
    ]


def _peer_row(folder: Path, peer: Peer, ours: Sequence[dict[str, Any]], limit: float) -> tuple[Row, float]:
    seconds, beside, likelihoods, peaks, bound, note, iterations = [], [], [], [], False, None, []
    for start in range(min(peer.starts, len(ours))):
        ended = _run(folder, peer, start, limit)
        found = _told(ended)
        if "missing" in found:
            note = f"not installed: {found['missing']}"
            break
        if ended.failed or not (found or ended.stopped):
            note = f"failed: {ended.errors.strip().splitlines()[-1] if ended.errors.strip() else 'said nothing'}"
            break
        if "version" in found:
            iterations.append(found["iterations"])
            note = f"R {found['version']}, {np.median(iterations):.0f} iterations"
        peaks.append(ended.peak)
        beside.append(_beside(folder, start))
        bound |= ended.stopped
        seconds.append(limit if ended.stopped else found["seconds"])
        likelihoods.append(np.nan if ended.stopped else found["log_likelihood"])
    row: dict[str, Any] = {"package": peer.package, "tolerance": peer.tolerance, "starts": len(seconds)}
    if not seconds:
        return {**row, "note": note}, np.nan
    times = float(np.median(np.array(seconds) / beside))
    ahead = np.array([run["optimum"] - theirs for theirs, run in zip(likelihoods, ours, strict=False)])
    more = "more than " if bound else ""
    row |= {
        "seconds": f"{more}{np.median(seconds):.3g}" if bound else float(np.median(seconds)),
        "ours": float(np.median(beside)),
        "times ours": f"{more}{times:.0f}" if bound else times,
        "log-likelihood": None if bound else float(np.median(likelihoods)),
        "ours less theirs, nats": None if bound else float(np.median(ahead)),
        "least, nats": None if bound else float(ahead.min()),
        "peak MiB": float(np.max(peaks)),
        "note": note,
    }
    return row, float(np.nanmax(likelihoods)) if not bound else np.nan


def _run(folder: Path, peer: Peer, start: int, limit: float) -> Ended:
    if shutil.which("Rscript") is None:
        return Ended('{"missing": "R"}', "", 0.0, np.nan, False, False)
    script = _SCRIPTS / f"{peer.package}.R"
    return carried_out(["Rscript", "--vanilla", str(script), str(folder), str(start), peer.tolerance], limit)


def _told(ended: Ended) -> dict[str, Any]:
    lines = [line for line in ended.output.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {}


def _optima(ours: Sequence[dict[str, Any]], theirs: dict[str, float]) -> list[Row]:
    """Where our starts end: the runs' own optima, and how many are at least as good as what a peer found."""
    found = np.array([run["optimum"] for run in ours])
    row: dict[str, Any] = {"starts": len(found)}
    quartiles = np.quantile(found, [0, 0.25, 0.5, 0.75, 1])
    row |= {f"{name}, nats": float(value) for name, value in zip(_QUARTILES, quartiles, strict=True)}
    row["at the highest"] = int((found >= found.max() - NEAR).sum())
    row |= {
        f"no worse than {who}'s best": int((found >= best - NEAR).sum()) for who, best in theirs.items() if best == best
    }
    return [row]
