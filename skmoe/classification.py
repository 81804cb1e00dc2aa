"""MoEClassifier: parameters, documentation, and what it predicts."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ._class_streaming import ClassStreaming
from ._estimator import MixtureOfExperts, Training
from ._labels import class_weighted, codes_of, plain
from ._validation import check_labels, check_n_samples, check_weight, check_X_y
from .experts import BinaryExpert, ClassExpert, Expert
from .responses import ClassShares
from .tree import Tree


class MoEClassifier(ClassifierMixin, ClassStreaming, MixtureOfExperts):
    r"""Mixture of logistic experts for classification.

    .. math:: P(y \mid x) = \sum_k g_k(x) \, P_k(y \mid x)

    Every expert is a logistic regression (multinomial for more than two classes), and the gate says which expert
    answers where: a softmax of linear predictors at each node of a tree. All is trained together towards one number in
    total nats,

    .. math:: \sum_i w_i \log P(y_i \mid x_i) - \tfrac{\alpha}{2} \sum_k \lVert b_k \rVert^2
              - \tfrac{\alpha_g}{2} \sum_{nodes} \lVert W \rVert^2

    with slopes b and W on standardised columns, so answers do not depend on the units of any column.

    Use it where one logistic regression is too simple but its coefficients are wanted, as in fraud detection: each
    expert is a scorecard, and the gate says for whom it speaks. An average of a few starts
    (``combine_inits="average"``) ranks rare classes better than most single fits. Where classes meet along many
    axis-parallel borders, trees are the better choice.

    Parameters
    ----------
    n_experts : int, tuple, "auto" or Growth, default=4
        An int is a flat mixture. A tuple of ints is a regular tree: ``(2, 3)`` is a root of 2 branches, each gating
        3 experts. A tuple that holds tuples is an unbalanced tree, such as ``((2, 2), 3)``. ``"auto"`` grows a binary
        tree from one expert while splits pay by BIC; `skmoe.selection.Growth` says so by held-out rows instead.
    gate : {"softmax", "gaussian", "constant", "equal"} or Gate, default="softmax"
        ``"gaussian"`` has a normal density of x for each branch and is trained by EM on the joint density of x and y:
        for rows that come in clouds, and for very few rows; flat mixtures only (`skmoe.gates.GaussianGate` has the
        forms of its covariances). ``"constant"`` learns mixing weights that ignore x (mixture of regressions);
        ``"equal"`` fixes them.
    gate_features : None, str, list of str, list of int, mask, slice or callable, default=None
        Columns that the gate sees; None means all. A callable is given X and returns one of the others.
    expert_features : None, str, list of str, list of int, mask, slice or callable, default=None
        Columns that the experts see; None means all, an empty list means experts that are constant.
    alpha : float >= 0, default=1.0
        Ridge on the slopes of the experts: one expert is ``LogisticRegression(C=1/alpha)`` on standardised columns.
    gate_alpha : float >= 0, default=1.0
        Ridge on the slopes of the gates: regions that columns separate perfectly would send them to infinity. For
        ``gate="gaussian"`` the rows' worth of the unit covariance in every covariance.
    class_weight : dict, "balanced" or None, default=None
        Factors on the sample weights by class, in training only; ``"balanced"`` counts classes with their sample
        weights. It shifts the probabilities: leave it at None where calibrated ones are wanted.
    init : str, list of str, fitted estimator or dict of arrays, default="auto"
        Where training begins. A name, or a list of names taken in turn over the starts: ``"hyperplanes"``, ``"tilt"``,
        ``"k_regressions"``, ``"lloyd"``, ``"lloyd_xy"``, ``"tree_leaves"``, ``"splitting"``, ``"gaussian_gate"``,
        ``"annealing"``. ``"auto"`` takes hyperplanes, tilts, Lloyd's clusters of (x, y) and splitting, since none wins
        everywhere. A fitted estimator (in searches within `sklearn.frozen.FrozenEstimator`) is continued; where it has
        fewer experts, its experts are split one by one. A dict holds ``expert_coef``, ``expert_intercept`` and, if
        wanted, ``expert_scale``, ``gate_coef``, ``gate_intercept``, like the fitted attributes.
    n_init : int >= 1, default=5
        Number of starts: likelihoods of mixtures have many optima. Of an average the number of its fits.
    move_budget : float >= 0, default=0
        What is spent on moves from the best start, in passes of a run that goes to its end: a move takes an expert
        from its rows, sets it down among the rows of another, and trains on. 0 takes the best start as it
        is. Averages, fits that begin where ``init`` or ``init_labels`` says,
        and fits of no more rows than parameters make none.
    combine_inits : {"best", "average", "stack"}, default="best"
        ``"best"``: short runs of all starts, the best two go on, the best one is kept. ``"average"``: all run to the
        end and their densities are averaged, which predicts better and can still be read expert by expert, at
        ``n_init`` times the cost. ``"stack"``: the fits are weighed by what they say of held-out rows, five folds.
    top_k : int >= 1 or None, default=None
        Predict with the k most probable experts of each row, renormalised (1 is a hard choice); None means all. Acts on
        ``predict*``, ``predict_proba`` and ``sample``, never on ``log_prob``, ``gate_proba`` or ``responsibilities``.
    memory : int >= 0, default=10
        Pairs of the quasi-Newton memory; 0 is plain EM. Logistic experts are trained by score-only passes in which the
        memory is all that is known of the curvature: on card payments 40 pairs took a half to two thirds of the passes
        of 10 and ranked alike.
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
    classes_ : ndarray of shape (n_classes,)
        Labels of the rows of positive weight, sorted; of a stream the ``classes`` of its first call.
    n_experts_ : int
        Number of experts; of an average, over all its members.
    tree_ : FittedTree
        ``print`` shows its branches with their shares, mean responses and splits; ``tree_.branches`` says what the
        rows of `gate_coef_` are.
    expert_coef_ : ndarray of shape (n_experts_, n_features) or (n_experts_, n_features, n_classes)
        Slopes of the log-odds of ``classes_[1]``, or of every class (summing to zero), in the user's units. Experts
        of a flat mixture stand in falling order of their share, in a tree the branches of every node, in an average
        the experts of each fit.
    expert_intercept_ : ndarray of shape (n_experts_,) or (n_experts_, n_classes)
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
    log_likelihood_ : float
        Total weighted log-likelihood of the training rows, of y given x, in nats; class weights are not counted.
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
    members_ : list of MoEClassifier
        The single fits of an average, best objective first.
    member_weights_ : ndarray of shape (n_init,)
        How much each of them weighs: equal in an average, chosen where fits are stacked.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    See Also
    --------
    MoERegressor : The same for numbers.

    References
    ----------
    Jacobs, Jordan, Nowlan & Hinton (1991), Adaptive mixtures of local experts.
    https://doi.org/10.1162/neco.1991.3.1.79

    Jordan & Jacobs (1994), Hierarchical mixtures of experts and the EM algorithm.
    https://doi.org/10.1162/neco.1994.6.2.181

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MoEClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(400, 2))
    >>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "opposite")  # no single hyperplane divides these
    >>> model = MoEClassifier(n_experts=2, alpha=0.1, gate_alpha=0.1, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.95)
    True
    >>> model.predict([[0.5, 0.5], [-0.5, 0.5]]).tolist()
    ['same', 'opposite']
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **MixtureOfExperts._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        n_experts: Any = 4,
        *,
        gate: Any = "softmax",
        gate_features: Any = None,
        expert_features: Any = None,
        alpha: float = 1.0,
        gate_alpha: float = 1.0,
        class_weight: str | dict | None = None,
        init: Any = "auto",
        n_init: int = 5,
        move_budget: float = 0,
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
        self.gate = gate
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.alpha = alpha
        self.gate_alpha = gate_alpha
        self.class_weight = class_weight
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

    def _check_training(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Training:
        X, y = check_X_y(self, X, y, numeric=False)
        check_classification_targets(y)
        weight = check_weight(sample_weight, X)
        if classes is not None:
            return self._check_first_batch(X, y, weight, np.unique(check_labels(classes, "classes")))
        self.classes_ = np.unique(y[weight > 0])
        if len(self.classes_) < 2:
            raise ValueError(
                f"MoEClassifier needs at least 2 classes, but y holds one class ({plain(self.classes_[0])!r})"
                + (" in the rows of positive weight." if (weight == 0).any() else ".")
            )
        codes = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        return X, codes[:, None].astype(np.float64), weight

    def _trained(self, coded: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return class_weighted(self.class_weight, self.classes_, coded[:, 0].astype(np.intp), weight)

    def _check_coded(self, y: Any) -> np.ndarray:
        return codes_of(check_labels(y), self.classes_)[:, None].astype(np.float64)

    def _experts(self, tree: Tree) -> Expert | list[Expert]:
        return BinaryExpert(alpha=self.alpha) if len(self.classes_) == 2 else ClassExpert(self.alpha)

    def _summarized(self, coded: np.ndarray, weight: np.ndarray) -> ClassShares:
        return ClassShares(tuple(self.classes_.tolist()))

    def _output_labels(self) -> list:
        return list(self.classes_) if len(self.classes_) > 2 else []

    # -- predict -------------------------------------------------------------------------------------------------------

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Log probabilities of the classes, accurate where probabilities underflow.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._reading(X, self.top_k).class_log_proba()

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; rows sum to one.
        """
        return self._reading(X, self.top_k).class_proba()

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds of the second of two classes; of more classes their log probabilities.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        log_proba = self.predict_log_proba(X)
        return log_proba[:, 1] - log_proba[:, 0] if len(self.classes_) == 2 else log_proba

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of each row.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels among ``classes_``.
        """
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_experts(self, X: Any) -> np.ndarray:
        """Class probabilities of each expert alone.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_experts_, n_classes)
        """
        return self._reading(X).classes(lambda _, log_prob: np.exp(log_prob).transpose(2, 0, 1))

    def sample(self, X: Any, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Draw labels from the predicted probabilities.

        Parameters
        ----------
        X : array-like, sparse matrix or RowSource of shape (n_rows, n_features)
        n_samples : int >= 1, default=1
            Draws for each row.
        random_state : int, RandomState instance or None, default=None
            An int makes the same draws every time.

        Returns
        -------
        ndarray of shape (n_rows, n_samples)
        """
        n_samples = check_n_samples(n_samples)
        cumulative = np.cumsum(self.predict_proba(X), axis=1)
        cumulative[:, -1] = 1.0
        draws = check_random_state(random_state).random_sample((len(cumulative), n_samples, 1))
        return self.classes_[(draws > cumulative[:, None, :]).sum(axis=2)]
