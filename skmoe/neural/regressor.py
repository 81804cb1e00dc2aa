"""SparseMoERegressor: parameters, documentation, and what is read as numbers."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_consistent_length

from .._distributional import Distributional
from .._validation import check_numbers, check_responses, kind_of
from ..outputs import output_names
from ..predictive import MixtureDistribution
from ..rows.design import Standardizer
from ._estimator import SparseMixture
from .calibration import temperature_of_mixtures
from .carried import CarriedMixture, carried
from .fitted import FittedNetwork
from .forward.network import Read
from .gaussian_mixtures import GaussianMixtures
from .holding_out import groups_by_size


class SparseMoERegressor(Distributional, RegressorMixin, SparseMixture):
    r"""Sparse neural mixture of experts for regression, with a full predictive distribution.

    .. math:: p(y \mid x) = \tfrac1M \sum_m \sum_{k \in S_m(x)} g_{mk}(x) \, N(y; \mu_{mk}(x), s_{mk}(x)^2)

    Columns are embedded and pass blocks of experts, perceptrons of which a router chooses `top_k` for every row. The
    experts of the last block, the head, answer with normal distributions, which are mixed as densities, by member and
    by expert. All is trained together by AdamW, first with all experts for every row, then sparsely, and the epoch is
    kept that predicts rows held out best.

    Use it where rows are some thousands or more and the relation between x and y is neither smooth nor simple, where
    columns are categories or have gaps, and where a predictive distribution is wanted. `skmoe.MoERegressor` is trained
    in a fraction of the time, and is a model that can be read.

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
        Weight of the entropy of the gates at the end of the soft start, to which it rises from 0: above 0 the gates are
        sharp before routing becomes sparse.
    balance : float >= 0, default=0.01
        Weight of the loss that keeps all experts in use.
    z_loss : float >= 0, default=0.0
        Weight of the loss that keeps the logits of the gates small.
    capacity_factor : float > 0 or None, default=None
        In training an expert of a block before the head takes this many times its even share of the choices, the rest
        is dropped. None drops nothing. At predict nothing ever is. For `router` ``"topk"``, ``"switch"`` and
        ``"gshard"``; records have their own.
    categorical_features : "from_dtype", None, list of str, list of int, mask or slice, default="from_dtype"
        Columns that are categories. ``"from_dtype"``: of dataframes those of text and categories, of arrays none.
    early_stopping : bool, default=True
        Whether rows are held out, to keep the epoch that predicts them best. Without it the last epoch is kept.
    validation : {"stratified", "last"} or cross-validation splitter, default="stratified"
        Which rows are held out: the same share of small and large responses; the last ones, where rows stand in the
        order of time; or the last split of a splitter, which may leave rows out. Your own are passed to `fit`.
    validation_fraction : float in (0, 1), default=0.15
        Share of the rows that are held out. ``"stratified"`` leaves a row of every size of y on each side, so that very
        small and very large shares are not met.
    scoring : str, callable or None, default=None
        What says how good an epoch is, as in scikit-learn; None is the mean log density in units of y, that of
        `log_prob`.
    calibrate : bool, default=True
        Whether scales are multiplied by a temperature that the rows held out ask for, and an epoch is judged
        by what is left then: networks are too sure of themselves long before they stop to learn (Berta et al. 2025).
    n_iter_no_change : int, default=8
        Epochs of sparse training without a better score before it stops.
    max_epochs : int, default=40
        Epochs, at most; the learning rate falls to 0 along them. 0 leaves the network as it starts.
    batch_size : int, "auto" or None, default="auto"
        Rows of a step. ``"auto"`` makes about 64 steps an epoch of 8 to 1024 rows; None takes all rows at once.
    init : MoERegressor or None, default=None
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
    mean_weight : float >= 0, default=10.0
        How much the squared error of the mean counts, in units of the variance of y, beside the log density. The log
        density alone learns little of the mean where it believes in a large spread, and where rows are few it then
        predicts worse; 0 is maximum likelihood.
    device : str or torch.device, default="auto"
        Where to train: ``"auto"`` is a GPU where there is one. A fitted estimator predicts anywhere.
    precision : {"auto", "float32", "float64", "bfloat16"}, default="auto"
        Of training. ``"auto"`` is double on the processor with ``batch_size=None``, which is for small tables, else
        single. In bfloat16 the gates stay in single precision. Predictions have the precision of X;
        means are in double where single precision has no digits left beside their offset.
    random_state : int, RandomState or None, default=None
        Of the parameters, the order of the rows, and the rows held out. Nothing outside of the estimator is seeded.
    verbose : int, default=0
        Above 0 a line an epoch is printed; on a terminal it is one line with a bar.

    Attributes
    ----------
    n_outputs_ : int
    output_names_ : list of str
        Where there are several outputs: the columns of a dataframe y, else ``y0``, ``y1``, ...
    n_experts_, top_k_ : int
        Experts of a block, and of a row at predict.
    best_epoch_ : int
        The epoch that was kept; 0 is the start.
    validation_score_ : float or None
        Its score: by default the weighted mean of `log_prob` of the rows held out.
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
    skmoe.MoERegressor : Linear experts, trained by EM.
    SparseMoEClassifier : The same for labels.

    References
    ----------
    N. Shazeer et al. (2017). Outrageously large neural networks: the sparsely-gated mixture-of-experts layer. ICLR.
    https://arxiv.org/abs/1701.06538

    Y. Gorishniy, I. Rubachev, A. Babenko (2022). On embeddings for numerical features in tabular deep learning.
    NeurIPS. https://arxiv.org/abs/2203.05556

    E. Berta, D. Holzmüller, M. I. Jordan, F. Bach (2025). Rethinking early stopping: refine, then calibrate.
    https://arxiv.org/abs/2501.19195

    Y. Gorishniy, A. Kotelnikov, A. Babenko (2025). TabM: advancing tabular deep learning with parameter-efficient
    ensembling. ICLR. https://arxiv.org/abs/2410.24210

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe.neural import SparseMoERegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(2000, 2))
    >>> y = np.where(X[:, 0] > 0, np.sin(6 * X[:, 1]), X[:, 1]) + 0.1 * rng.normal(size=2000)
    >>> model = SparseMoERegressor(4, n_members=2, max_epochs=15, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> model.predict_interval(X[:3], coverage=0.9).shape
    (3, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **SparseMixture._parameter_constraints,
        "mean_weight": [Interval(Real, 0, None, closed="left")],
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
        mean_weight: float = 10.0,
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
        self.mean_weight = mean_weight
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    # -- what the shell asks for ---------------------------------------------------------------------------------------

    def _code_batch(self, y: Any, weight: np.ndarray, classes: Any) -> np.ndarray:
        if classes is not None:
            raise ValueError(
                "classes, the third argument of partial_fit, has no meaning for SparseMoERegressor, which predicts "
                f"numbers: got {kind_of(classes)}. Leave it out, and pass weights by name, sample_weight=...; for "
                "labels use SparseMoEClassifier."
            )
        return self._code(y, weight)

    def _code(self, y: Any, weight: np.ndarray) -> np.ndarray:
        if hasattr(self, "n_outputs_"):  # of the fit before, or of the first batch
            return self._coded_as_fitted(y)
        coded = check_numbers(y)
        coded = coded.reshape(len(coded), -1)
        self.n_outputs_ = coded.shape[1]
        if self.n_outputs_ > 1:
            self.output_names_ = output_names(y, self.n_outputs_)
        return coded

    def _coded_as_fitted(self, y: Any) -> np.ndarray:
        return check_responses(y, self.n_outputs_, self._output_labels()).reshape(-1, self.n_outputs_)

    def _trained_weight(self, coded: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return weight

    def _strata(self, coded: np.ndarray) -> np.ndarray:
        return groups_by_size(coded[:, 0])

    def _check_validation(self, held_out: np.ndarray) -> None:
        """Numbers can always be scored."""

    def _units(self, coded: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        units = Standardizer.of(coded, weight)
        return units.center, np.where(np.isfinite(units.scale), units.scale, 1.0)

    def _head(self) -> dict[str, Any]:
        return {"family": "heteroscedastic_gaussian", "n_outputs": self.n_outputs_}

    def _carried(self) -> CarriedMixture:
        return carried(self.init, ("gaussian",), "init")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # -- read ----------------------------------------------------------------------------------------------------------

    def _reading(self, X: Any, top_k: int | None = None) -> GaussianMixtures:
        raw = self._raw(X)
        network = self._readable()
        return self._mixtures(network, network.read(raw)).widened(network.temperature)

    @staticmethod
    def _mixtures(network: FittedNetwork, read: Read) -> GaussianMixtures:
        """Of what the head says, before it is calibrated."""
        return GaussianMixtures.of(read, network.encoding, network.architecture.scale_floor)

    def _judged(
        self, network: FittedNetwork, read: Read, coded: np.ndarray, weight: np.ndarray, calibrate: bool
    ) -> tuple[float, float]:
        mixtures = self._mixtures(network, read)
        temperature = temperature_of_mixtures(mixtures, coded, weight) if calibrate else network.temperature
        return temperature, float(np.average(mixtures.widened(temperature).log_prob(coded), weights=weight))

    def _distribution(self, X: Any) -> MixtureDistribution:
        return self._reading(X).distribution()

    def log_prob(self, X: Any, y: Any) -> np.ndarray:
        """Log density of the response given x in nats.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or (n_samples, n_outputs)

        Returns
        -------
        ndarray of shape (n_samples,)
            Of several outputs together.
        """
        reading = self._reading(X)
        coded = self._coded_as_fitted(y)
        check_consistent_length(X, coded)
        return reading.log_prob(coded)
