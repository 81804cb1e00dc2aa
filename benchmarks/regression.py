"""Is a commit slower than another? Both are checked out and measured in alternation, on one thread.

python -m benchmarks regression BASE                  BASE against what is committed (HEAD)
python -m benchmarks regression BASE HEAD --rounds 9

Both run the tasks of ``benchmarks/tasks.py`` as it is here, each in a process with its own checkout. What is said of a
task is the median of the ratios of seconds of the same round, HEAD over BASE. It counts as slower where the median and
the ratio of the fastest rounds both exceed the threshold, because noise makes one of them large now and then; the exit
status is then 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from .report import Row, markdown
from .timing import ratio

_ROOT = Path(__file__).parents[1]
#: Slower by more than this part is slower.
THRESHOLD = 0.1


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A commit in a folder of its own, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "checkout"
        git = ["git", "-C", str(_ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", "--quiet", str(place), commit], check=True)
        try:
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", str(place)], check=True)


@contextmanager
def worker(checkout: Path) -> Iterator[subprocess.Popen]:
    """A process that carries out tasks with the library of a checkout."""
    script = Path(__file__).with_name("tasks.py")
    environment = os.environ | {"PYTHONPATH": str(checkout), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-W", "ignore", str(script)]
    process = subprocess.Popen(command, cwd=checkout, env=environment, stdin=-1, stdout=-1, text=True, bufsize=1)
    try:
        yield process
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        process.wait()


def asked(process: subprocess.Popen, task: str) -> str:
    """What a worker answers."""
    process.stdin.write(task + "\n")  # type: ignore[union-attr]
    answer = process.stdout.readline().strip()  # type: ignore[union-attr]
    if not answer:
        raise RuntimeError(f"The process for {task!r} ended; what it said stands above.")
    return answer


def compared(base: Path, head: Path, rounds: int, tasks: Sequence[str] = ()) -> list[Row]:
    """Seconds of the tasks with two checkouts, in alternation."""
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(place)) for place in (base, head)]
        names = tasks or asked(workers[0], "tasks").split("\t")
        rows: list[Row] = []
        for name in names:
            for process in workers:
                asked(process, name)  # compiles what is not compiled yet
            seconds = np.empty((rounds, 2))
            for r in range(rounds):
                for i in (0, 1) if r % 2 == 0 else (1, 0):
                    seconds[r, i] = float(asked(workers[i], name))
            rows.append(judged(name, seconds[:, 0], seconds[:, 1]))
            print("  " + ", ".join(f"{k}: {v}" for k, v in rows[-1].items()), flush=True)
    return rows


def judged(name: str, base: np.ndarray, head: np.ndarray, threshold: float = THRESHOLD) -> Row:
    """A row of the table, from seconds of rounds."""
    if not (np.isfinite(base).all() and np.isfinite(head).all()):
        return {"task": name, "verdict": "not in both"}
    middle, fastest = ratio(head, base), float(head.min() / base.min())
    verdict = ""
    if min(middle, fastest) > 1 + threshold:
        verdict = "slower"
    elif max(middle, fastest) < 1 - threshold:
        verdict = "faster"
    return {
        "task": name,
        "base, s": float(np.median(base)),
        "head, s": float(np.median(head)),
        "head over base": middle,
        "of the fastest": fastest,
        "verdict": verdict,
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "benchmarks regression", None, __doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="a commit")
    parser.add_argument("head", nargs="?", default="HEAD", help="another")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tasks", nargs="+", default=[], help="only these")
    args = parser.parse_args(arguments)
    with checked_out(args.base) as base, checked_out(args.head) as head:
        rows = compared(base, head, args.rounds, args.tasks)
    print("\n" + markdown(rows))
    return int(any(row["verdict"] == "slower" for row in rows))
