"""Measure speed: ``python -m benchmarks`` lists the parts, ``python -m benchmarks PART ...`` measures some of them.

python -m benchmarks limit steps              two parts; results/NAME.json and the page docs/speed.md are written
python -m benchmarks --quick limit            the same on little data, printed only
python -m benchmarks --render                 docs/speed.md from the results that are there
python -m benchmarks regression BASE [HEAD]   one commit against another, before a change lands

Everything runs on one thread but where threads are what is measured. Every comparison is a ratio of seconds of the same
run. Tables of accuracy have commands of their own, ``python -m benchmarks.NAME``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib import import_module

#: Modules of the parts, by name.
PARTS = {
    "peers": "benchmarks.peers.gaussian",
    "peers_large": "benchmarks.peers.large",
    "peers_logistic": "benchmarks.peers.logistic",
    "peers_small": "benchmarks.peers.small",
    "limit": "benchmarks.limit",
    "scaling": "benchmarks.scaling",
    "steps": "benchmarks.steps",
    "predict": "benchmarks.predict",
    "fraud": "benchmarks.fraud_seconds",
    "memory": "benchmarks.footprint",
    "sparse": "benchmarks.sparse",
    "stream": "benchmarks.stream",
    "starting": "benchmarks.starting",
    "neural": "benchmarks.neural",
}


def measure(name: str, quick: bool) -> None:
    """Measure a part, print what was found, and keep it unless it was quick."""
    from . import machine, report

    began = time.perf_counter()
    before = machine.load()
    tables = import_module(PARTS[name]).measured(quick)
    for title, rows in tables.items():
        print(f"\n{title}\n\n{report.markdown(rows)}", flush=True)
    print(f"\n{name} took {time.perf_counter() - began:.0f} s", flush=True)
    if not quick:
        report.save(name, f"python -m benchmarks {name}", tables, machine.described() | {"load": before})
        report.render()


def listed() -> str:
    """The parts, each with its first line."""
    found = {name: (import_module(path).__doc__ or "").split("\n")[0] for name, path in PARTS.items()}
    return "\n".join(f"  {name:15s} {line}" for name, line in found.items())


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["regression"]:
        from .regression import main as regression

        return regression(arguments[1:])
    parser = argparse.ArgumentParser("benchmarks", None, __doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="parts to measure")
    parser.add_argument("--quick", action="store_true", help="little data, few rounds, nothing is written")
    parser.add_argument("--render", action="store_true", help="write docs/speed.md from the results that are there")
    args = parser.parse_args(arguments)
    for name in set(args.parts).difference(PARTS):
        parser.error(f"invalid choice: {name!r} (choose from {', '.join(PARTS)})")
    if args.render and args.parts:
        parser.error("--render writes the page from what was measured, and measures nothing: give no PART")
    if args.render:
        from . import report

        report.render()
    elif not args.parts:
        print(f"{__doc__}\n{listed()}")
    for name in args.parts:
        measure(name, args.quick)
    return 0


if __name__ == "__main__":
    # Before numpy is loaded: it and everything that is started from here takes one thread.
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    sys.exit(main(sys.argv[1:]))
