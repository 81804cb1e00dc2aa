"""SparseMoEClassifier: parameters, documentation, and what is read as classes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted

from .._labels import class_weighted, classes_of_stream, codes_of, plain
from .._validation import check_labels
from ._estimator import SparseMixture
from .calibration import cooled, mean_log_prob, temperature_of_classes
from .carried import CarriedMixture, carried
from .class_mixtures import class_log_proba
from .fitted import FittedNetwork
from .forward.network import Read
from .holding_out import refuse_one_class


class SparseMoEClassifier(ClassifierMixin, SparseMixture):
    r"""Sparse neural mixture of experts for classification.

    .. math:: P(c \mid x) = \tfrac1M \sum_m \sum_{k \in S_m(x)} g_{mk}(x) \, \mathrm{softmax}(f_{mk}(x))_c

    Columns are embedded and pass blocks of experts, perceptrons of which a router chooses `top_k` for every row. The
    experts of the last block, the head, answer with probabilities of the classes, which are mixed, by member and by
    expert. All is trained together by AdamW, first with all experts for every row, then sparsely, and the epoch is kept
    that predicts rows held out best.

    Use it where rows are some thousands or more and classes are not divided by a few planes, and where columns are
    categories or have gaps. `skmoe.MoEClassifier` is trained in a fraction of the time, and can be read.

    Parameters
    ----------
    n_experts : int, default=8
        Experts of each block. With `init` it is the number of experts of that mixture, whatever is given here.
    top_k : int, default=2
        Experts that each row goes to once training is sparse, and at predict; at most `n_experts`.
    hidden : tuple of int, default=(64,)
        Widths of the hidden layers of an expert; ``()`` makes experts linear.
    n_blocks : int, default=2
        Layers of experts, the head included. With 1 the head is all: a mixture of perceptrons.
    width : int, default=128
        Columns between the blocks.
    router : {"topk", "soft", "noisy_topk", "switch", "gshard"} or Router, default="topk"
        How rows are sent to experts. ``"soft"`` sends each to all; ``"switch"`` to one and ``"gshard"`` to two,
        whatever `top_k` is. A record of `skmoe.neural` has settings of its own; an estimator that holds one cannot be
        unpickled where torch is missing.
    activation : {"relu", "gelu", "swiglu"}, default="relu"
        Between the linear maps of an expert.
    embedding : {"ple", "periodic", "linear"}, default="ple"
        What becomes of a number: a polyline; sines and cosines of learned frequencies, for columns along which things
        go up and down often; or a line. Beyond the numbers of the fit all is constant. Categories have a vector each.
    d_embedding : int, default=16
        Columns of an embedding.
    n_bins : int, default=64
        Bins of a polyline, at most: half of them where the rows are, half along the range, so that tails have some.
    n_frequencies : int, default=16
        Frequencies of a column, for ``embedding="periodic"``.
    n_members : int, default=4
        Networks that are trained at once, as one, and averaged. They share all weights but the signs in which they
        first see the embeddings (BatchEnsemble) and the sizes of their answers. Time grows with their number.
    soft_start : float in [0, 1], default=0.2
        Share of the epochs in which every row goes to all experts, so that all of them learn before any is left out.
    entropy : float >= 0, default=0.0
        Weight of the entropy of the gates, to which it rises along the soft start: above 0 they are sharp at its end.
    balance : float >= 0, default=0.01
        Weight of the loss that keeps all experts in use.
    z_loss : float >= 0, default=0.0
        Weight of the loss that keeps the logits of the gates small.
    capacity_factor : float > 0 or None, default=None
        In training an expert of a block before the head takes this many times its even share of the choices, the rest
        is dropped; None drops nothing. For `router` ``"topk"``, ``"switch"`` and ``"gshard"``; records have their own.
    categorical_features : "from_dtype", None, list of str, list of int, mask or slice, default="from_dtype"
        Columns that are categories. ``"from_dtype"``: of dataframes those of text and categories, of arrays none.
    early_stopping : bool, default=True
        Whether rows are held out, to keep the epoch that predicts them best. Without it the last epoch is kept.
    validation : {"stratified", "last"} or cross-validation splitter, default="stratified"
        Which rows are held out: the same share of every class; the last ones, where rows stand in the order of time; or
        the last split of a splitter, which may leave rows out. Rows of your own are passed to `fit`.
    validation_fraction : float in (0, 1), default=0.15
        Share of the rows that are held out. ``"stratified"`` leaves a row of every class on each side if it has two, so
        very small and very large shares are not met.
    scoring : str, callable or None, default=None
        What says how good an epoch is, as in scikit-learn; None is the mean log probability.
    calibrate : bool, default=True
        Whether log probabilities are divided by a temperature that the rows held out ask for, and an epoch is judged
        by what is left then: networks are too sure of themselves long before they stop to learn (Berta et al. 2025).
    n_iter_no_change : int, default=8
        Epochs of sparse training without a better score before it stops.
    max_epochs : int, default=40
        Epochs, at most; the learning rate falls to 0 along them. 0 leaves the network as it starts.
    batch_size : int, "auto" or None, default="auto"
        Rows of a step. ``"auto"`` makes about 64 steps an epoch of 8 to 1024 rows; None takes all rows at once.
    init : MoEClassifier or None, default=None
        A fitted mixture to begin with: its gate and its experts become part of the head, and everything else adds
        nothing at first, so that predictions before the first epoch are those of the mixture with all its experts (its
        `top_k` plays no part). These are scored, and kept if no epoch is better: `top_k_` is then `n_experts_`. In
        searches wrap it in `sklearn.frozen.FrozenEstimator`, as clones are not fitted.
    learning_rate : float > 0, default=2e-3
        Of AdamW, at the start.
    weight_decay : float >= 0, default=3e-4
        Of AdamW.
    averaging : float >= 0, default=2.0
        Epochs over which parameters are averaged along the way, by a moving average: what is validated, kept and
        predicts. It steadies training where rows are few or events rare; 0 takes the last parameters.
    gradient_clip : float > 0 or None, default=1.0
        Largest norm of a gradient; larger ones are shortened.
    warm_start : bool, default=False
        Whether `fit` goes on from the network of the last fit, with its bins and units. Give `random_state` an int
        then: with None other rows are held out each time, some of which the last fit was trained on.
    class_weight : dict, "balanced" or None, default=None
        What rows of a class count, times their sample weights; ``"balanced"`` makes all classes count alike.
        Probabilities are then those of classes so weighted; scales of columns are not. They also weigh the mean log
        probability that validates (for ``"balanced"`` the classes of `X_val` are counted anew), but not `scoring`.
    device : str or torch.device, default="auto"
        Where to train: ``"auto"`` is a GPU where there is one. A fitted estimator predicts anywhere.
    precision : {"auto", "float32", "float64", "bfloat16"}, default="auto"
        Of training. ``"auto"`` is double on the processor with ``batch_size=None``, which is for small tables, else
        single. In bfloat16 the gates stay in single precision. Predictions have the precision of X.
    random_state : int, RandomState or None, default=None
        Of the parameters, the order of the rows, and the rows held out. Nothing outside of the estimator is seeded.
    verbose : int, default=0
        Above 0 a line an epoch is printed; on a terminal it is one line with a bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_experts_, top_k_ : int
        Experts of a block, and of a row at predict.
    best_epoch_ : int
        The epoch that was kept; 0 is the start.
    validation_score_ : float or None
        Its score: by default the mean of `log_prob` of the rows held out, weighted as in training.
    history_ : list of dict
        Of every epoch: ``epoch``, ``loss``, ``k`` (experts of a row), ``learning_rate``, ``seconds``,
        ``validation_score``.
    n_iter_ : int
        Epochs made.
    n_parameters_ : int
    device_ : str
        Where it was trained.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    See Also
    --------
    skmoe.MoEClassifier : Logistic experts, trained by EM.
    SparseMoERegressor : The same for numbers.

    References
    ----------
    N. Shazeer et al. (2017). Outrageously large neural networks: the sparsely-gated mixture-of-experts layer. ICLR.
    https://arxiv.org/abs/1701.06538

    Y. Gorishniy, I. Rubachev, A. Babenko (2022). On embeddings for numerical features. https://arxiv.org/abs/2203.05556

    E. Berta, D. Holzmüller, M. I. Jordan, F. Bach (2025). Rethinking early stopping: refine, then calibrate.
    https://arxiv.org/abs/2501.19195

    Y. Gorishniy, A. Kotelnikov, A. Babenko (2025). TabM: advancing tabular deep learning with parameter-efficient
    ensembling. ICLR. https://arxiv.org/abs/2410.24210

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe.neural import SparseMoEClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(2000, 2))
    >>> y = np.where(np.sin(4 * X[:, 0]) * X[:, 1] > 0, "same", "opposite")
    >>> model = SparseMoEClassifier(4, n_members=2, max_epochs=15, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> model.gate_proba(X[:3]).shape
    (3, 4)
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **SparseMixture._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        n_experts: int = 8,
        *,
        top_k: int = 2,
        hidden: tuple[int, ...] = (64,),
        n_blocks: int = 2,
        width: int = 128,
        router: Any = "topk",
        activation: str = "relu",
        embedding: str = "ple",
        d_embedding: int = 16,
        n_bins: int = 64,
        n_frequencies: int = 16,
        n_members: int = 4,
        soft_start: float = 0.2,
        entropy: float = 0.0,
        balance: float = 0.01,
        z_loss: float = 0.0,
        capacity_factor: float | None = None,
        categorical_features: Any = "from_dtype",
        early_stopping: bool = True,
        validation: Any = "stratified",
        validation_fraction: float = 0.15,
        scoring: Any = None,
        calibrate: bool = True,
        n_iter_no_change: int = 8,
        max_epochs: int = 40,
        batch_size: int | str | None = "auto",
        init: Any = None,
        learning_rate: float = 2e-3,
        weight_decay: float = 3e-4,
        averaging: float = 2.0,
        gradient_clip: float | None = 1.0,
        warm_start: bool = False,
        class_weight: str | dict | None = None,
        device: Any = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_experts = n_experts
        self.top_k = top_k
        self.hidden = hidden
        self.n_blocks = n_blocks
        self.width = width
        self.router = router
        self.activation = activation
        self.embedding = embedding
        self.d_embedding = d_embedding
        self.n_bins = n_bins
        self.n_frequencies = n_frequencies
        self.n_members = n_members
        self.soft_start = soft_start
        self.entropy = entropy
        self.balance = balance
        self.z_loss = z_loss
        self.capacity_factor = capacity_factor
        self.categorical_features = categorical_features
        self.early_stopping = early_stopping
        self.validation = validation
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.calibrate = calibrate
        self.n_iter_no_change = n_iter_no_change
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.init = init
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.averaging = averaging
        self.gradient_clip = gradient_clip
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    # -- what the shell asks for ---------------------------------------------------------------------------------------

    def _code(self, y: Any, weight: np.ndarray) -> np.ndarray:
        y = _check_y(check_labels(y))
        check_classification_targets(y)
        if not hasattr(self, "classes_"):  # a warm start goes on with those of the fit before
            self.classes_ = np.unique(y[weight > 0])
        if len(self.classes_) < 2:
            raise ValueError(
                f"SparseMoEClassifier needs at least 2 classes, but y holds one class ({plain(self.classes_[0])!r})"
                + (" in the rows of positive weight." if (weight == 0).any() else ".")
            )
        # Rows of weight 0 are not there, so they may hold a label that no other row has.
        return codes_of(np.where(weight > 0, y, self.classes_[0]), self.classes_).astype(np.int64)

    def _code_batch(self, y: Any, weight: np.ndarray, classes: Any) -> np.ndarray:
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' counts the classes of all rows, and partial_fit sees a batch of them. Give "
                "class_weight as a dict, or pass sample_weight."
            )
        self.classes_ = classes_of_stream(classes, self.classes_ if hasattr(self, "_network") else None)
        return self._code(y, weight)

    def _coded_as_fitted(self, y: Any) -> np.ndarray:
        return codes_of(check_labels(y), self.classes_).astype(np.int64)

    def _trained_weight(self, coded: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return class_weighted(self.class_weight, self.classes_, coded, weight)

    def _strata(self, coded: np.ndarray) -> np.ndarray:
        return coded

    def _check_validation(self, held_out: np.ndarray) -> None:
        refuse_one_class(self.classes_[held_out])

    def _units(self, coded: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(1), np.ones(1)

    def _head(self) -> dict[str, Any]:
        return {"family": "multinomial", "n_outputs": len(self.classes_)}

    def _judged(
        self, network: FittedNetwork, read: Read, coded: np.ndarray, weight: np.ndarray, calibrate: bool
    ) -> tuple[float, float]:
        log_proba = class_log_proba(read)
        temperature = temperature_of_classes(log_proba, coded, weight) if calibrate else network.temperature
        return temperature, mean_log_prob(log_proba, coded, weight, temperature)

    def _carried(self) -> CarriedMixture:
        mixture = carried(self.init, ("bernoulli", "multinomial"), "init")
        if not np.array_equal(self.init.classes_, self.classes_):
            raise ValueError(
                f"init is a mixture for the classes {self.init.classes_}, but y has the classes {self.classes_}. Fit it"
                " to the same labels."
            )
        return mixture

    # -- read ----------------------------------------------------------------------------------------------------------

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Log probabilities of the classes, accurate where probabilities underflow.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        raw, network = self._raw(X), self._readable()
        return cooled(class_log_proba(network.read(raw)), network.temperature)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; rows sum to one.
        """
        proba = np.exp(self.predict_log_proba(X))
        return proba / proba.sum(axis=1, keepdims=True)

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds of the second of two classes; of more classes their log probabilities.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

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
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels among ``classes_``.
        """
        check_is_fitted(self)
        return self.classes_[self.predict_log_proba(X).argmax(axis=1)]

    def log_prob(self, X: Any, y: Any) -> np.ndarray:
        """Log probability of the label given x in nats.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        log_proba = self.predict_log_proba(X)
        coded = self._coded_as_fitted(y)
        check_consistent_length(log_proba, coded)
        return np.take_along_axis(log_proba, coded[:, None], axis=1)[:, 0]
