"""Who looks on while epochs go by: the history, a line of progress, and scikit-learn's callbacks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Self

from .fitted import FittedNetwork


class Watch:
    """Notes every epoch, and tells those who want to know; a context, that of the fit.

    Parameters
    ----------
    estimator : estimator
        In whose name callbacks are called; its ``verbose`` says whether lines are printed.
    n_epochs : int
    data : dict
        ``X`` and ``y`` of the training rows, for callbacks that want them.

    Attributes
    ----------
    history : list of dict
        What was told of each epoch.
    """

    def __init__(self, estimator: Any, n_epochs: int, data: dict[str, Any]) -> None:
        self._estimator, self._n_epochs, self._data = estimator, n_epochs, data
        self.history: list[dict[str, Any]] = []
        self.network: Callable[[Any, int], FittedNetwork] | None = None
        self._fit = None
        if getattr(estimator, "_skl_callbacks", []):
            self._fit = estimator._init_callback_context(max_subtasks=n_epochs)
            self._fit.call_on_fit_task_begin(estimator=estimator, **self._told)

    @property
    def _told(self) -> dict[str, Any]:
        return {**self._data, "metadata": None}

    def __call__(self, told: dict[str, Any], reader: Any) -> bool:
        """An epoch is over; True asks to stop."""
        self.history.append(told)
        if self._estimator.verbose:
            self._print(told)
        if self._fit is None:
            return False
        task = self._fit.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(estimator=self._estimator, **self._told)
        return bool(
            task.call_on_fit_task_end(
                estimator=self._estimator,
                reconstruction_attributes=lambda: self._attributes(reader, told["k"]),
                **self._told,
            )
        )

    def _attributes(self, reader: Any, k: int) -> dict[str, Any]:
        """What makes the estimator one that predicts with the network as it is now."""
        return {} if self.network is None else {"_network": self.network(reader, k)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """The fit has ended, and the estimator is fitted if there was no failure."""
        if self._estimator.verbose and self.history and sys.stdout.isatty():
            print()
        if self._fit is not None and failure is None:
            self._fit.call_on_fit_task_end(estimator=self._estimator, reconstruction_attributes=dict, **self._told)

    def _print(self, told: dict[str, Any]) -> None:
        """A line an epoch; on a terminal one line that changes, with a bar."""
        text = f"epoch {told['epoch']} of {self._n_epochs}, loss {told['loss']:.4f}, {told['k']} experts a row"
        if told["validation_score"] is not None:
            text += f", validation {told['validation_score']:.4f}"
        if not sys.stdout.isatty():
            print(text, flush=True)
            return
        done = round(20 * told["epoch"] / max(self._n_epochs, 1))
        print(f"\r[{'#' * done}{'.' * (20 - done)}] {text}\x1b[K", end="", flush=True)
