"""Watch: who looks on while the starts of a fit run, and may ask one of them to stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .loop import Run


class Watch:
    """Looks on at the runs of a fit. This one does nothing; starts in threads call it from their threads."""

    def began(self, start: int) -> None:
        """A start is about to be made."""

    def passed(self, start: int, run: Run) -> bool:
        """A pass over the rows was made; True asks the run to stop where it is."""
        return False

    def ended(self, start: int, run: Run) -> None:
        """A start will not go on."""


class Watches(Watch):
    """Several that look on together."""

    def __init__(self, watches: Sequence[Watch]):
        self._watches = watches

    def began(self, start: int) -> None:
        for watch in self._watches:
            watch.began(start)

    def passed(self, start: int, run: Run) -> bool:
        return any([watch.passed(start, run) for watch in self._watches])  # noqa: C419 -- every one is to see it

    def ended(self, start: int, run: Run) -> None:
        for watch in self._watches:
            watch.ended(start, run)


class Printed(Watch):
    """One line a start or move, once it has ended; moves come after the starts."""

    def __init__(self, n_starts: int):
        self._n_starts = n_starts

    def ended(self, start: int, run: Run) -> None:
        number = f"start {start + 1} of {self._n_starts}"
        if start >= self._n_starts:
            number = f"move {start + 1 - self._n_starts}"
        print(
            f"{number}: {run.n_passes} passes, objective {run.objective:.6g}, "
            f"decrement {run.decrement:.2g}, {run.state}",
            flush=True,
        )
