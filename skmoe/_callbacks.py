"""scikit-learn's callbacks, where it has them (experimental since 1.9): a bar over starts and passes."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from .training.loop import Run
from .training.watch import Watch

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""

    def with_callbacks(method: Callable) -> Callable:
        """The method as it is."""
        return method


#: What scikit-learn notes on an estimator that has callbacks.
NOTES = ("_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx", "_parent_callback_ctx")


class Callbacks(Watch):
    """Tells the callbacks of an estimator of its starts and passes.

    The fit is a task, every start a task within it, every pass a task within that. Hooks are called one at a time,
    although starts may run in threads.

    Parameters
    ----------
    estimator : estimator
        In whose name the callbacks are called.
    n_starts : int or None
        None where it is not known beforehand.
    fitted : callable
        Attributes that make the estimator one that predicts with the parameters of a run.
    data : dict
        ``X``, ``y`` and ``metadata`` of the training rows, for callbacks that want them.
    """

    def __init__(
        self, estimator: Any, n_starts: int | None, fitted: Callable[[Run], dict[str, Any]], data: dict[str, Any]
    ):
        self._estimator, self._fitted, self._data = estimator, fitted, data
        self._fit = estimator._init_callback_context(max_subtasks=n_starts, sequential_subtasks=False)
        self._fit.call_on_fit_task_begin(estimator=estimator, **data)
        self._starts: dict[int, Any] = {}
        self._lock = Lock()

    def began(self, start: int) -> None:
        with self._lock:
            self._starts[start] = self._begin(self._fit, task_name="start", task_id=start, max_subtasks=None)

    def passed(self, start: int, run: Run) -> bool:
        with self._lock:
            return self._end(self._begin(self._starts[start], task_name="pass"), lambda: self._fitted(run))

    def ended(self, start: int, run: Run) -> None:
        with self._lock:
            self._end(self._starts[start], lambda: self._fitted(run))

    def finish(self) -> None:
        """The fit has ended, and the estimator is fitted."""
        self._end(self._fit, dict)

    def _begin(self, within: Any, **task: Any) -> Any:
        return within.subcontext(**task).call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def _end(self, task: Any, attributes: Callable[[], dict[str, Any]]) -> bool:
        told = {"estimator": self._estimator, "reconstruction_attributes": attributes, **self._data}
        return bool(task.call_on_fit_task_end(**told))
