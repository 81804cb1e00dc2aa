"""The shell that both estimators wear: validate, make rows, train, set the fitted attributes."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._callbacks import NOTES, Callbacks, CallbackSupportMixin, with_callbacks
from ._criteria import Criteria
from ._init import beginning, check_can_grow, growth_of
from ._modular import Modular
from ._readable import Readable
from ._streaming import Streaming
from ._validation import check_enough_rows, check_labels_of_experts, check_n_jobs, check_storage, check_X
from .diagnosis import Trouble, troubles, warn
from .experts.protocol import Expert
from .fitted_tree import described
from .gates import GATES, Gate
from .mixture import Mixture
from .model import FittedMixture, Task, averaged
from .outputs import joined
from .reading import Reading
from .responses import Summary
from .rows.columns import Columns, selected
from .rows.source import Rows, array_rows
from .training.growth import Growth, grown
from .training.loop import Run, Settings
from .training.search import Found, search
from .training.stacking import stacked
from .training.starts import DENSE, STARTS
from .training.watch import Printed, Watch, Watches
from .training_rows import TrainingRows, counted
from .tree import Tree

#: What is trained on: X, coded y and sample weights.
Training = tuple[np.ndarray, np.ndarray, np.ndarray]


class Plan(NamedTuple):
    """How a fit will be searched for: the number of starts, whether moves follow, and the search."""

    n_starts: int
    moves: bool
    carry_out: Callable[..., Found]


class MixtureOfExperts(Readable, Modular, Streaming, Criteria, CallbackSupportMixin, BaseEstimator, ABC):
    """Base of `MoERegressor` and `MoEClassifier`; not for direct use."""

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "n_experts": [Interval(Integral, 1, None, closed="left"), tuple, StrOptions({"auto"}), Growth],
        "gate": [StrOptions(set(GATES)), Gate],
        "gate_features": [str, "array-like", slice, callable, None],
        "expert_features": [str, "array-like", slice, callable, None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "gate_alpha": [Interval(Real, 0, None, closed="left")],
        "init": [StrOptions({"auto", *STARTS}), list, dict, HasMethods(["fit", "predict"])],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "move_budget": [Interval(Real, 0, None, closed="left")],
        "combine_inits": [StrOptions({"best", "average", "stack"})],
        "top_k": [Interval(Integral, 1, None, closed="left"), None],
        "memory": [Interval(Integral, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
        "freeze": ["array-like", None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    _fitted: FittedMixture
    _members: list[FittedMixture]

    # -- what an estimator adds ----------------------------------------------------------------------------------------

    @abstractmethod
    def _check_training(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Training:
        """X, coded y (n_rows, n_outputs) and sample weights.

        Where classes are given, those are the classes, and of each of them there is a row.
        """

    @abstractmethod
    def _check_coded(self, y: Any) -> np.ndarray:
        """The response of rows for evaluation, coded as in training, (n_rows, n_outputs)."""

    @abstractmethod
    def _experts(self, tree: Tree) -> Expert | list[Expert]:
        """Expert blocks for a tree."""

    @abstractmethod
    def _summarized(self, coded: np.ndarray, weight: np.ndarray) -> Summary:
        """What is said of the responses of some rows, their mean or the shares of classes."""

    @abstractmethod
    def _output_labels(self) -> list:
        """Labels of the last axis of `expert_coef_`, outputs or classes; none where it has no such axis."""

    def _describe(self) -> None:
        """Set the fitted attributes that only this estimator has."""

    # -- fit -----------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, init_labels: Any = None) -> Self:
        """Fit the mixture to rows.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)
            Numbers without gaps. Units do not matter: columns are standardised inside. Arrays may be mapped from a file
            (``numpy.load(file, mmap_mode="r")``), and a `skmoe.rows.RowSource` is a table in files. Sparse matrices
            stay sparse; all but CSR are converted to it.
        y : array-like of shape (n_samples,), or (n_samples, n_outputs)
            Responses, or labels. Several outputs are for a regressor; names are taken from a dataframe.
        sample_weight : array-like of shape (n_samples,), default=None
            Counts: a row of weight 2 is that row twice, and a row of weight 0 is not there. Nothing is divided by their
            sum, so all weights times c is the data c times, and the ridge counts 1/c. For importance weights pass
            ``w / w.mean()``.
        init_labels : array-like of shape (n_samples,) or (n_samples, n_experts), default=None
            Where training starts: the number of an expert for every row, or its responsibilities. Experts are first
            trained on these groups and the gate on finding them, then everything together; `init` and `n_init` play
            no part.

        Returns
        -------
        self : object
            A failed or interrupted fit leaves the previous fitted state as it was.

        Raises
        ------
        ValueError
            Where X or y holds NaN, infinity, text or times, weights are negative or all zero, rows are fewer than
            experts, or a parameter is out of range.
        """
        self._validate_params()
        if self.freeze is not None:
            warn(self._fit_around(X, y, sample_weight, init_labels))
            return self
        fresh = copy.copy(self)
        for name in [name for name in vars(fresh) if name.endswith("_") or name in ("_fitted", "_members", "_streams")]:
            delattr(fresh, name)
        found, _ = fresh._fit(
            X, y, sample_weight, init_labels, getattr(self, "_members", []) if self.warm_start else []
        )
        warn(found)
        self.__dict__ = fresh.__dict__
        return self

    @with_callbacks
    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        init_labels: Any,
        previous: list[FittedMixture],
        classes: Any = None,
    ) -> tuple[list[Trouble], TrainingRows]:
        """Set the fitted attributes; what there is to warn of, and the rows as they were trained on."""
        growth = growth_of(self.n_experts)
        if growth is not None:
            check_can_grow(self, init_labels, self._gate())
        tree = Tree(()) if growth is not None else Tree.parse(self.n_experts)
        leaves = np.arange(tree.n_leaves)
        if not isinstance(getattr(self, "expert", None), list):  # the leaves of a list of experts stay in place
            tree, _, _, leaves = tree.canonical()  # branches are ordered by their share at the end
        given = {"X": X, "y": y, "metadata": None if sample_weight is None else {"sample_weight": sample_weight}}
        X, coded, weight = self._check_training(X, y, sample_weight, classes)
        self._check_storage(X)
        n_distinct = check_enough_rows(X, weight, tree.n_leaves)
        labels = None if init_labels is None else check_labels_of_experts(init_labels, len(X), tree.n_leaves)[:, leaves]
        seen, weight, coded = counted(weight, coded)
        labels = labels if labels is None or seen is None else labels[seen]
        trained = self._trained(coded, weight)
        mixture = self._mixture(tree, coded, trained)
        gate, expert = self._columns(given["X"], X, trained, seen)
        task = Task(mixture, array_rows(mixture, gate, expert, X, coded, trained, seen, n_jobs=self.n_jobs))
        mixture.gates[0].check(tree, task.rows, getattr(self, "feature_names_in_", None))

        plan = self._plan(task, labels, previous)
        callbacks = self._callbacks(task, None if plan.moves else plan.n_starts, given)
        watches: list[Watch] = [Printed(plan.n_starts)] * (self.verbose > 0)
        runs = self._train(plan, Watches([*watches, *callbacks]))
        self._members = [task.fitted(run.mixture, run.params) for run in runs]
        rows = TrainingRows(task.rows, coded, weight)
        self._conclude(runs, rows, self._weights(runs, task.rows))
        for watch in callbacks:
            watch.finish()
        mass = self.expert_share_ * len(runs) * task.rows.total
        return troubles(runs, self._fitted, mass, task.rows, n_distinct, self.max_iter), rows

    def _validate_params(self) -> None:
        super()._validate_params()
        check_n_jobs(self.n_jobs)

    def _check_storage(self, X: np.ndarray) -> None:
        """ValueError where X is sparse and the gate or a start cannot work on it."""
        starts = [] if hasattr(self.init, "fit") or isinstance(self.init, dict) else np.atleast_1d(self.init).tolist()
        for start in DENSE.intersection(starts):
            check_storage(X, True, f"init={start!r}", "use init='auto'")
        check_storage(X, self._gate().dense, f"gate={self.gate!r}", "use gate='softmax'")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        gate = GATES[self.gate](0.0) if isinstance(self.gate, str) and self.gate in GATES else self.gate
        tags.input_tags.sparse = not getattr(gate, "dense", False)
        return tags

    def _mixture(self, tree: Tree, coded: np.ndarray, weight: np.ndarray) -> Mixture:
        experts = self._experts(tree)
        if isinstance(experts, list):
            return Mixture.of(tree, self._gate(), [expert.adapted(coded, weight) for expert in experts])
        return Mixture.of(tree, self._gate(), experts.adapted(coded, weight))

    def _gate(self) -> Gate:
        return GATES[self.gate](self.gate_alpha) if isinstance(self.gate, str) else self.gate

    def _columns(
        self, original: Any, X: np.ndarray, weight: np.ndarray, seen: np.ndarray | None
    ) -> tuple[Columns, Columns]:
        """What gates and experts see of the rows; one object where both see the same."""
        names = getattr(self, "feature_names_in_", None)
        gate = selected(self.gate_features, original, names, X.shape[1], "gate_features")
        expert = selected(self.expert_features, original, names, X.shape[1], "expert_features")
        if not gate.size:
            raise ValueError(
                "gate_features selects no column. For a gate that ignores x leave it out and use gate='constant'."
            )
        expert_columns = Columns.of(X, weight, expert, seen)
        return (expert_columns if np.array_equal(gate, expert) else Columns.of(X, weight, gate, seen)), expert_columns

    def _callbacks(self, task: Task, n_starts: int | None, data: dict[str, Any]) -> list[Callbacks]:
        """Those who tell scikit-learn's callbacks, where there are any."""
        if not getattr(self, "_skl_callbacks", []):
            return []

        def attributes(run: Run) -> dict[str, Any]:
            fitted = task.fitted(run.mixture, run.params)
            return {"_fitted": fitted, "n_experts_": fitted.n_experts}

        return [Callbacks(self, n_starts, attributes, data)]

    def _plan(self, task: Task, labels: np.ndarray | None, previous: list[FittedMixture]) -> Plan:
        """How the fit will be searched for: by starts and moves, or by growing trees."""
        how = {"settings": self._settings(), "keep_all": self.combine_inits != "best", "n_jobs": self.n_jobs}
        rng = check_random_state(self.random_state)
        *seeds, last = rng.randint(np.iinfo(np.int32).max, size=self.n_init + 1).tolist()
        growth = growth_of(self.n_experts)
        if growth is not None:
            return Plan(
                len(seeds),
                False,
                partial(grown, task.mixture, task.rows, growth, seeds, move_budget=self.move_budget, **how),
            )
        begin = beginning(self.init, labels, previous, task, self.n_experts, seeds)
        # Moves seek the best optimum: not for averages, nor where the user says where to begin.
        seeking = begin.searched and self.combine_inits == "best" and task.mixture.tree.n_leaves > 1
        move_budget = self.move_budget if seeking else 0
        how |= {"thin": begin.searched, "move_budget": move_budget, "rng": np.random.default_rng(last)}
        return Plan(len(begin.starts), move_budget > 0, partial(search, task.mixture, task.rows, begin.starts, **how))

    def _settings(self) -> Settings:
        return Settings(memory=self.memory, tol=self.tol, max_passes=self.max_iter)

    def _train(self, plan: Plan, watch: Watch) -> list[Run]:
        """The runs that are kept, best first."""
        found = plan.carry_out(watch=watch)
        self._report(found)
        return found.kept

    def _weights(self, runs: Sequence[Run], rows: Rows) -> np.ndarray:
        """How much each of the runs weighs in their average."""
        if self.combine_inits != "stack" or len(runs) == 1:
            return np.full(len(runs), 1.0 / len(runs))
        weights, n_passes = stacked(runs, rows, self._settings(), self.n_jobs)
        self.n_passes_ += n_passes
        return weights

    # -- fitted attributes ---------------------------------------------------------------------------------------------

    def _report(self, found: Found) -> None:
        """What the search met."""
        self.start_objectives_ = np.array([run.objective for run in found.starts])
        self.start_histories_ = [run.history for run in found.starts]
        self.move_objectives_ = np.array([run.objective for run in found.moves])
        self.move_histories_ = [run.history for run in found.moves]
        self.n_passes_ = found.n_passes

    def _conclude(self, runs: Sequence[Run], rows: TrainingRows, weights: np.ndarray) -> None:
        """What the fits of ``_members`` say together, and each for itself where they are averaged."""
        self._record(averaged(self._members, weights), runs, rows)
        if self.combine_inits != "best":
            views = zip(self._members, runs, strict=True)
            self.members_, self.member_weights_ = [self._member(m, run, rows) for m, run in views], weights

    def _record(self, fitted: FittedMixture, runs: Sequence[Run], rows: TrainingRows) -> None:
        best, summary = runs[0], self._summarized(rows.y, rows.weight)
        said = rows.say(fitted, summary)
        self._fitted = fitted
        self.tree_ = described(fitted, said, summary, self._names())
        self.n_experts_ = fitted.n_experts
        self.n_parameters_ = fitted.mixture.n_free(fitted.params)
        self.log_likelihood_ = said.log_likelihood
        self.expert_share_ = said.trained / said.trained.sum()
        self.weight_seen_ = rows.rows.total
        self.objective_ = best.objective
        self.decrement_ = best.decrement
        self.history_ = best.history
        self.n_iter_ = sum(run.n_passes for run in runs)
        self.converged_ = all(run.converged for run in runs)
        self.__dict__.update(fitted.gate_attributes())
        coef, intercept = fitted.expert_coef()
        self.expert_coef_, self.expert_intercept_ = joined(coef.swapaxes(0, 1)), joined(intercept.T)
        self._describe()

    def _member(self, member: FittedMixture, run: Run, rows: TrainingRows) -> Self:
        """One fit of an average, as an estimator of its own."""
        view = copy.copy(self)
        for note in NOTES:
            view.__dict__.pop(note, None)
        view.combine_inits, view.n_init, view._members = "best", 1, [member]
        view._report(Found([run], [run], [], float(run.n_passes)))
        view._record(member, [run], rows)
        return view

    # -- read ----------------------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        """Names of the features."""
        return list(getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)]))

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        check_n_jobs(self.n_jobs)
        X = check_X(self, X)
        for gate in self._fitted.mixture.gates:
            check_storage(X, gate.dense, f"the gate of this fit, {gate!r},", "fit anew with gate='softmax'")
        return X

    def _reading(self, X: Any, top_k: int | None = None) -> Reading:
        """What the fitted mixture says of rows, in this thread or several."""
        X = self._rows(X)
        return self._fitted.reading(X, top_k, self.n_jobs)

    def _rows_and_response(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        X = self._rows(X)
        coded = self._check_coded(y)
        if len(coded) != len(X):
            raise ValueError(f"X has {len(X)} rows, but y has {len(coded)}.")
        return X, coded
