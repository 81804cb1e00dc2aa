"""MoERegressor: parameters and documentation."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions

from ._distributional import Distributional
from ._estimator import MixtureOfExperts, Training
from ._validation import check_responses, check_weight, check_X_y, kind_of
from .experts import BinaryExpert, ClassExpert, Expert, LinearExpert
from .families import FAMILIES, Family
from .outputs import joined, output_names
from .predictive import MixtureDistribution
from .responses import MeanResponse
from .tree import Tree


class MoERegressor(Distributional, RegressorMixin, MixtureOfExperts):
    r"""Mixture of experts for regression, with a full predictive distribution.

    .. math:: p(y \mid x) = \sum_k g_k(x) \, f_k(y \mid x)

    Every expert is a linear model with its own noise, and the gate says which expert answers where: a softmax of
    linear predictors at each node of a tree. All is trained together, by EM and accelerated EM, towards one number
    in total nats,

    .. math:: \sum_i w_i \log p(y_i \mid x_i) - \tfrac{\alpha}{2} \sum_k \lVert b_k / s_k \rVert^2
              - \tfrac{\alpha_g}{2} \sum_{nodes} \lVert W \rVert^2

    with slopes b and W on standardised columns and s the scale of the expert, so answers do not depend on the units
    of any column or of y.

    Of several outputs, y of shape (n_samples, n_outputs), an expert predicts each with a line and a scale of its own,
    independently of the others: it is the choice of the expert, one for all outputs of a row, by which they depend on
    each other.

    Use it where the relation between x and y changes from region to region, where the noise does, or where y has
    several branches; where a calibrated predictive distribution is wanted; and where the model must be read. Where only
    the mean matters and rows are many, gradient boosting is often more accurate.

    Parameters
    ----------
    n_experts : int, tuple, "auto" or Growth, default=4
        An int is a flat mixture. A tuple of ints is a regular tree: ``(2, 3)`` is a root of 2 branches, each gating
        3 experts. A tuple that holds tuples is an unbalanced tree, such as ``((2, 2), 3)``. ``"auto"`` grows a binary
        tree from one expert while splits pay by BIC; `skmoe.selection.Growth` says so by held-out rows instead.
    expert : {"gaussian", "student_t", "poisson"}, Family, Expert, or a list, default="gaussian"
        Distribution of the response given x: ``"student_t"`` where outliers occur, ``"poisson"`` for counts. A list
        has one entry a leaf; then experts keep the order of the list.
    gate : {"softmax", "gaussian", "constant", "equal"} or Gate, default="softmax"
        ``"gaussian"`` has a normal density of x for each branch and is trained by EM on the joint density of x and y:
        for rows that come in clouds, and for very few rows; flat mixtures only (`skmoe.gates.GaussianGate` has the
        forms of its covariances). ``"constant"`` learns mixing weights that ignore x (mixture of regressions);
        ``"equal"`` fixes them.
    gate_features : None, str, list of str, list of int, mask, slice or callable, default=None
        Columns that the gate sees; None means all. A callable is given X and returns one of the others.
    expert_features : None, str, list of str, list of int, mask, slice or callable, default=None
        Columns that the experts see; None means all, an empty list means experts that are constant.
    alpha : float >= 0, default=1e-2
        Ridge on the slopes of the experts, in units of each expert's own scale: one expert is ``Ridge(alpha)``. The
        default keeps fits with few rows an expert from collapsing and changes little elsewhere; 0 is maximum
        likelihood.
    gate_alpha : float >= 0, default=1e-2
        Ridge on the slopes of the gates: regions that columns separate perfectly would send them to infinity. For
        ``gate="gaussian"`` the rows' worth of the unit covariance in every covariance.
    scale_floor : float > 0, default=1e-3
        Smallest scale of an expert, in weighted standard deviations of y. It is part of the model, because the
        likelihood of a mixture is unbounded as an expert shrinks onto a few rows. Raise it where y is rounded.
    init : str, list of str, fitted estimator or dict of arrays, default="auto"
        Where training begins. A name, or a list of names taken in turn over the starts: ``"hyperplanes"``, ``"tilt"``,
        ``"k_regressions"``, ``"lloyd"``, ``"lloyd_xy"``, ``"tree_leaves"``, ``"splitting"``, ``"gaussian_gate"``,
        ``"annealing"``. ``"auto"`` takes hyperplanes, tilts, Lloyd's clusters of (x, y) and splitting, since none wins
        everywhere. A fitted estimator (in searches within `sklearn.frozen.FrozenEstimator`) is continued; where it has
        fewer experts, its experts are split one by one. A dict holds ``expert_coef``, ``expert_intercept`` and, if
        wanted, ``expert_scale``, ``gate_coef``, ``gate_intercept``, like the fitted attributes.
    n_init : int >= 1, default=5
        Number of starts. Raise it for averages; for the best single fit ``move_budget`` is worth more.
    move_budget : float >= 0, default=22
        What is spent on moves from the best start, in passes of a run that goes to its end: a move takes an expert
        from its rows, sets it down among the rows of another, and trains on. The default makes a fit cost up to
        twenty-five single ones, and on small data ends at the best optimum known in four fits of five; 0 takes the
        best start as it is. Averages, fits that begin where ``init`` or ``init_labels`` says,
        and fits of no more rows than parameters make none.
    combine_inits : {"best", "average", "stack"}, default="best"
        ``"best"``: short runs of all starts, the best two go on, the best one is kept. ``"average"``: all run to the
        end and their densities are averaged, which predicts better and can still be read expert by expert, at
        ``n_init`` times the cost. ``"stack"``: the fits are weighed by what they say of held-out rows, five folds.
    top_k : int >= 1 or None, default=None
        Predict with the k most probable experts of each row, renormalised (1 is a hard choice); None means all. Acts on
        ``predict*`` and ``sample``, never on ``log_prob``, ``gate_proba`` or ``responsibilities``.
    memory : int >= 0, default=10
        Pairs of the quasi-Newton memory that accelerates EM; 0 is plain EM.
    max_iter : int >= 1, default=1000
        Most passes over the rows of one run.
    tol : float > 0, default=1e-4
        A run stops when its next step promises less, in total nats (weights count rows).
    warm_start : bool, default=False
        Whether ``fit`` continues from the previous fit, where that had the same structure.
    freeze : list of int or None, default=None
        Experts of an earlier fit (``init``, or a warm start) that stay as they are, bit by bit, while ``fit`` trains
        the others and the gates on new rows. Structure, penalties and units are those of the earlier fit.
    random_state : int, RandomState instance or None, default=None
        Draws the starts, as directions in the space of the columns: so integer weights equal repeated rows.
    n_jobs : int or None, default=None
        Threads. Several starts are divided among them; of one start, and of predictions, the rows are. None is one
        thread (or what `joblib.parallel_config` says), -1 is all cores. The result has the same bits for any number.
    verbose : int, default=0
        1 prints a line a start or move.

    Attributes
    ----------
    n_experts_ : int
        Number of experts; of an average, over all its members.
    n_outputs_ : int
        Number of outputs. Of several, everything that is said of each has them on a last axis.
    output_names_ : list of str
        Where there are several outputs: the columns of a dataframe y, else ``y0``, ``y1``, ...
    tree_ : FittedTree
        ``print`` shows its branches with their shares, mean responses and splits; ``tree_.branches`` says what the
        rows of `gate_coef_` are.
    expert_coef_ : ndarray of shape (n_experts_, n_features[, n_outputs_])
        Slopes in the user's units. Experts of a flat mixture stand in falling order of their share, in a tree the
        branches of every node, in an average the experts of each fit.
    expert_intercept_, expert_scale_ : ndarray of shape (n_experts_[, n_outputs_])
        Intercepts and scales in units of y (scales only where the family has one).
    expert_share_ : ndarray of shape (n_experts_,)
        Shares of the training mass.
    gate_coef_ : ndarray of shape (n_branches, n_features)
        Slopes of the gates, summing to zero within a node, where log-odds are linear in x: Gaussian gates have them
        only where their covariance is tied.
    gate_intercept_ : ndarray of shape (n_branches,)
    gate_weight_ : ndarray of shape (n_experts_,)
        Mixing weights of the branches, summing to one within a fit; Gaussian gates only.
    gate_mean_ : ndarray of shape (n_experts_, n_gate_features)
        Means of the columns that the gate sees in each branch, in their units; Gaussian gates only.
    gate_covariance_ : ndarray of shape (n_experts_, n_gate_features, n_gate_features)
        Their covariances, whatever their form; Gaussian gates only.
    scale_floor_ : float, or ndarray of shape (n_outputs_,)
        Smallest scale in units of y.
    log_likelihood_ : float
        Total weighted log-likelihood of the training rows, of y given x, in nats.
    objective_, decrement_ : float
        Penalised log-likelihood at the end, and what the next step would have promised. With a Gaussian gate that of
        x and y together, x in standardised columns.
    history_ : list of dict
        ``pass``, ``objective`` and ``decrement`` before each step of the best run, and ``information``: whether that
        pass formed the information, which costs more than the gradient alone.
    start_objectives_ : ndarray of shape (n_init,)
        Objective of every start at the end of its run, short or full: a view of how many optima there are.
    start_histories_ : list of list of dict
        `history_` of every start, in the order of `start_objectives_`.
    move_objectives_, move_histories_ : ndarray of shape (n_moves,), list of list of dict
        The same of every move.
    n_iter_ : int
        Passes over the rows of the run that was kept; of an average, of all runs.
    n_passes_ : float
        Passes of all starts and moves together; one over a part of the rows counts for that part.
    converged_ : bool
    n_parameters_ : int
        Free parameters.
    weight_seen_, n_batches_ : float, int
        Sum of the weights that trained, and the number of batches in which a stream brought them (`partial_fit` only).
    members_ : list of MoERegressor
        The single fits of an average, best objective first.
    member_weights_ : ndarray of shape (n_init,)
        How much each of them weighs: equal in an average, chosen where fits are stacked.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    See Also
    --------
    MoEClassifier : The same for classes.

    Notes
    -----
    K by BIC in one line:
    ``min((MoERegressor(k).fit(X, y) for k in range(1, 9)), key=lambda m: m.bic(X, y))``.

    References
    ----------
    Jacobs, Jordan, Nowlan & Hinton (1991), Adaptive mixtures of local experts.
    https://doi.org/10.1162/neco.1991.3.1.79

    Jordan & Jacobs (1994), Hierarchical mixtures of experts and the EM algorithm.
    https://doi.org/10.1162/neco.1994.6.2.181

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(300, 1))
    >>> y = np.abs(X[:, 0]) + 0.05 * rng.standard_normal(300)
    >>> model = MoERegressor(n_experts=2, random_state=0).fit(X, y)
    >>> model.expert_coef_.round(1).ravel().tolist()
    [1.0, -1.0]
    >>> model.predict_interval([[0.5]], coverage=0.9).round(1)
    array([[0.4, 0.6]])
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **MixtureOfExperts._parameter_constraints,
        "expert": [StrOptions(set(FAMILIES)), Family, Expert, list],
        "scale_floor": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        n_experts: Any = 4,
        *,
        expert: str | Family | Expert | list = "gaussian",
        gate: Any = "softmax",
        gate_features: Any = None,
        expert_features: Any = None,
        alpha: float = 1e-2,
        gate_alpha: float = 1e-2,
        scale_floor: float = 1e-3,
        init: Any = "auto",
        n_init: int = 5,
        move_budget: float = 22,
        combine_inits: str = "best",
        top_k: int | None = None,
        memory: int = 10,
        max_iter: int = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        freeze: Any = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.n_experts = n_experts
        self.expert = expert
        self.gate = gate
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.alpha = alpha
        self.gate_alpha = gate_alpha
        self.scale_floor = scale_floor
        self.init = init
        self.n_init = n_init
        self.move_budget = move_budget
        self.combine_inits = combine_inits
        self.top_k = top_k
        self.memory = memory
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.freeze = freeze
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    # -- what the shell asks for ---------------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _check_streams(self, classes: Any) -> None:
        if classes is not None:
            raise ValueError(
                "classes, the third argument of partial_fit, has no meaning for MoERegressor, which predicts numbers; "
                f"got {kind_of(classes)}. Leave it out, and pass weights by name, sample_weight=...; for labels use "
                "MoEClassifier."
            )
        super()._check_streams(classes)

    def _check_training(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Training:
        X, checked = check_X_y(self, X, y, numeric=True)
        weight = check_weight(sample_weight, X)
        coded = checked.reshape(len(X), -1)
        self.n_outputs_ = coded.shape[1]
        if self.n_outputs_ > 1:
            self.output_names_ = output_names(y, self.n_outputs_)
        return X, coded, weight

    def _check_coded(self, y: Any) -> np.ndarray:
        coded = check_responses(y, self.n_outputs_, self._output_labels()).reshape(-1, self.n_outputs_)
        for block in self._fitted.mixture.experts:
            block.expert.check_response(coded)
        return coded

    def _experts(self, tree: Tree) -> Expert | list[Expert]:
        if not isinstance(self.expert, list):
            return self._expert(self.expert)
        if len(self.expert) != tree.n_leaves:
            raise ValueError(
                f"expert is a list of {len(self.expert)}, but n_experts={self.n_experts!r} has {tree.n_leaves} experts."
                " Give one family an expert, or a single family for all."
            )
        return [self._expert(one) for one in self.expert]

    def _expert(self, one: str | Family | Expert) -> Expert:
        if isinstance(one, ClassExpert | BinaryExpert):
            raise TypeError(f"expert={one!r} predicts classes. MoERegressor predicts numbers; use MoEClassifier.")
        if isinstance(one, Expert):
            return one
        family = FAMILIES[one]() if isinstance(one, str) and one in FAMILIES else one
        if not isinstance(family, Family):
            raise ValueError(f"expert contains {one!r}: expected a Family, or one of {sorted(FAMILIES)}.")
        return LinearExpert(family, alpha=self.alpha, scale_floor=self.scale_floor)

    def _summarized(self, coded: np.ndarray, weight: np.ndarray) -> MeanResponse:
        return MeanResponse.of(coded, weight)

    def _describe(self) -> None:
        scale, floor = self._fitted.expert_scale(), self._fitted.scale_floor()
        if scale is not None and floor is not None:
            self.expert_scale_, self.scale_floor_ = joined(scale.T), joined(floor.tolist())

    def _distribution(self, X: Any) -> MixtureDistribution:
        X = self._rows(X)
        return MixtureDistribution(*self._fitted.view(X, self.top_k))

    def predict_experts(self, X: Any) -> np.ndarray:
        """Mean of each expert's own distribution.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_experts_[, n_outputs_])
        """
        X = self._rows(X)
        return self._fitted.read(X, lambda *parts: MixtureDistribution(*parts).expert_means().swapaxes(0, 1))
