"""A bar while it works: one line that is written anew on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
import time

WIDTH = 24


class Progress:
    """Counts fits towards a total."""

    def __init__(self, total: int):
        self.total, self.done, self.what = total, 0, ""
        self.began = time.perf_counter()

    def start(self, what: str) -> None:
        """Say what is being done."""
        self.what = what
        self._draw()

    def tick(self) -> None:
        """One fit more is done."""
        self.done += 1
        self._draw()

    def say(self, line: str) -> None:
        """Print a line where the bar is; the bar moves below it."""
        self._write("\r\033[K")
        print(line, flush=True)
        if self.done < self.total:
            self._draw()

    def _draw(self) -> None:
        full = WIDTH * self.done // self.total
        elapsed = time.perf_counter() - self.began
        bar = "█" * full + "░" * (WIDTH - full)
        self._write(f"\r\033[K{bar} {self.done} of {self.total} fits, {elapsed:.0f} s: {self.what}")

    @staticmethod
    def _write(text: str) -> None:
        if sys.stdout.isatty():
            sys.stdout.write(text)
            sys.stdout.flush()
