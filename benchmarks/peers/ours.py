"""Runs of skmoe on a problem of a folder, as a program of its own, like the peers.

python -m benchmarks.peers.ours FOLDER START ...        prints one JSON object a start, in their order
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..problems import path
from .folder import read


def main(folder: str, starts: list[int]) -> None:
    problem = read(Path(folder))
    path(problem, problem.started(0), most=10)  # compiles what is not compiled yet, and loads what is
    for start in starts:
        found = path(problem, problem.started(start))
        seconds, passes = found.near()
        print(
            json.dumps(
                {
                    "start": start,
                    "near": seconds,
                    "passes": passes,
                    "converged": None if found.converged is None else found.converged[0],
                    "log_likelihood": found.objective[-1] if found.converged is None else found.converged[2],
                    "optimum": found.optimum,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1], [int(start) for start in sys.argv[2:]])
