"""Card fraud, from payments to decisions: a mixture of experts beside what one would use else.

    python examples/fraud_detection.py                                        simulated payments, nothing to download
    python examples/fraud_detection.py --data cards.csv --label Class --time Time --amount Amount
    python examples/fraud_detection.py --data cards.parquet --weight w        Parquet, or npz with arrays X, y, w

Settings are chosen, and thresholds tuned, on days before the test, and no row trains before its label is known. The
parts are in `examples/fraud/`, a concept a file.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sklearn
from fraud.calibration import reliability
from fraud.columns import prepared
from fraud.models import candidates
from fraud.progress import Progress
from fraud.scenarios import taken
from fraud.study import HEAD, Result, n_fits, study
from fraud.tables import Table, from_frame, read_frame, simulated
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skmoe.exceptions import CollapseWarning
from skmoe.inspection import Explanation, explain


def main(argv: Sequence[str] | None = None) -> list[Result]:
    """The story, top to bottom."""
    options = arguments(argv)
    began = time.perf_counter()
    table = (
        simulated(options.seed, options.quick)
        if options.data is None
        else from_frame(read_frame(options.data), options)
    )
    print(introduction(table, options))
    # One OpenMP thread: a boosting fit takes a second, and with two it waits for the other wherever cores are shared.
    with (
        sklearn.config_context(enable_metadata_routing=True),
        threadpool_limits(1, "openmp"),
        warnings.catch_warnings(),
    ):
        # While settings are tried, a fit that stops early or has an idle expert is an answer like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", CollapseWarning)
        results = compare(table, options)
    mixture = results[-1]
    print(settings(results))
    print(calibration(mixture, table))
    if table.scenario is not None:
        print(scenarios(mixture, table))
    reasons = why(mixture, table)
    for title, reason in reasons.items():
        print(f"\n{title}\n{reason.words('fraud')}")
    if not options.no_figures:
        save_figures(results, reasons, table, options)
    print(f"\nAll of it took {time.perf_counter() - began:.0f} s.")
    return results


def introduction(table: Table, options: argparse.Namespace) -> str:
    """How many payments, which are tested, and what can be gained there."""
    y, n_days = table.y[table.test], len(np.unique(table.day[table.test]))
    lost = np.sum((table.weight * table.amount)[table.test] * y)
    rate = np.average(table.y, weights=table.weight)
    n_cards = len(np.unique(table.card[table.test][y == 1]))
    ceiling = min(1.0, n_cards / (options.alerts * n_days))
    return (
        f"{len(table.y):,} payments, {table.y.sum():,} frauds ({rate:.2%}), {table.X.shape[1]} columns\n{table.story}\n"
        f"{len(table.train):,} payments to train ({table.y[table.train].sum():,} frauds), {len(y):,} to test on "
        f"{n_days} days ({y.sum():,} frauds, which cost {lost:,.0f})\n"
        f"A missed fraud costs its amount, an alert {options.fee:g}. {n_cards} cards are compromised: with "
        f"{options.alerts} alerts a day, each card found once, card precision is at most {ceiling:.3f}.\n"
    )


def compare(table: Table, options: argparse.Namespace) -> list[Result]:
    """Every model, tuned with the same number of fits; a line each as soon as it is there."""
    columns = prepared(table.X.iloc[table.train])
    models = candidates(columns, options.seed, options.jobs, options.quick)
    progress = Progress(sum(n_fits(model, table) for model in models))
    progress.say(HEAD.format(k=options.alerts))
    results = []
    for model in models:
        results.append(study(model, table, options.fee, options.alerts, progress))
        progress.say(str(results[-1]))
    return results


def settings(results: Sequence[Result]) -> str:
    """What every model chose."""
    lines = ["\nChosen by average precision on earlier days, and the threshold by money"]
    for result in results:
        chosen = ", ".join(f"{name.removeprefix('model__')}={value}" for name, value in result.chosen.items())
        lines.append(f"{result.name:20s}  {chosen}; alert from {result.threshold:.3f}")
    return "\n".join(lines)


def calibration(result: Result, table: Table) -> str:
    """Bins of the mixture's probabilities against what happened."""
    lines = [f"\nDo the probabilities of the {result.name} hold?", "  payments  predicted  observed"]
    for b in reliability(table.y[table.test], result.score, table.weight[table.test]):
        lines.append(f"{b.payments:10,.0f}  {b.predicted:9.2%}  {b.observed:8.2%}")
    return "\n".join(lines)


def scenarios(result: Result, table: Table) -> str:
    """Which expert of the best single fit takes which kind of fraud of the test days."""
    frauds = table.test[table.y[table.test] == 1]
    best = result.model[-1].members_[0]
    h = best.responsibilities(result.model[:-1].transform(table.X.iloc[frauds]), table.y[frauds])
    lines = ["\nWho takes which kind of fraud? (best of the averaged fits, frauds of the test days)"]
    for found in taken(h, table.scenario[frauds]):
        lines.append(
            f"{found.scenario:22s} {found.frauds:3d} frauds: expert {found.expert} takes {found.share:.0%} of them, "
            f"and {found.purity:.0%} of its frauds are of this kind"
        )
    return "\n".join(lines)


def why(result: Result, table: Table) -> dict[str, Explanation]:
    """Reasons of the payment with the highest score, and of the largest fraud that went unseen."""
    X, y, amount = table.X.iloc[table.test], table.y[table.test], table.amount[table.test]
    reference, weight = table.X.iloc[table.train], table.weight[table.train]
    payments = {"Why was this payment stopped? The highest score of the test days": int(result.score.argmax())}
    missed = np.where((y == 1) & (result.score < result.threshold), amount, -np.inf)
    if np.isfinite(missed).any():
        payments["Why was this fraud missed? The largest amount below the threshold"] = int(missed.argmax())
    return {
        title: explain(result.model, X.iloc[[i]], reference, target=1, sample_weight=weight)
        for title, i in payments.items()
    }


def save_figures(
    results: Sequence[Result], reasons: dict[str, Explanation], table: Table, options: argparse.Namespace
) -> None:
    """Draw everything and say where it is."""
    from fraud import figures

    drawn = {
        "precision_recall": figures.precision_recall(results, table),
        "reliability": figures.calibration(results, table),
        "money": figures.money(results, table, options.fee),
        "experts": figures.experts(results[-1], table),
        "gate": figures.gate(results[-1], table),
    }
    drawn |= {f"why_{name}": figures.why(r) for name, r in zip(("stopped", "missed"), reasons.values(), strict=False)}
    options.figures.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        figure.savefig(options.figures / f"{name}.png", dpi=130)
    print(f"\nFigures in {options.figures}/: {', '.join(drawn)}")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="CSV, Parquet or npz file; default: simulated payments")
    parser.add_argument("--label", help="column of labels, 1 = fraud (default: y, or the last)")
    parser.add_argument("--weight", help="column of importance weights")
    parser.add_argument("--time", help="column to order by: numbers in any unit, or dates (counted in seconds)")
    parser.add_argument("--day", type=float, default=86_400, help="length of a day in units of --time (default: 86400)")
    parser.add_argument(
        "--delay", type=float, default=0, help="until a label is known, in units of --time (default: 0)"
    )
    parser.add_argument("--amount", help="column of amounts: what a missed fraud costs")
    parser.add_argument("--card", help="column of cards or customers (default: every payment is one)")
    parser.add_argument("--fee", type=float, default=10, help="cost of an alert (default: 10)")
    parser.add_argument("--alerts", type=int, default=10, help="alerts that can be looked at in a day (default: 10)")
    parser.add_argument("--figures", type=Path, default=Path("fraud_figures"), help="folder (default: fraud_figures)")
    parser.add_argument("--no-figures", action="store_true")
    parser.add_argument("--quick", action="store_true", help="few payments and settings: a look at what happens")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="threads of the mixture and the forest (default: 2)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
