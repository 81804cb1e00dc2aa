"""A network that begins as a fitted mixture: the same predictions before the first epoch, and none worse after."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from numpy.testing import assert_allclose  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.frozen import FrozenEstimator  # noqa: E402
from sklearn.linear_model import LinearRegression  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from small import GAPS, LABELS, OUTPUTS, THREE, X, Y, classifier, regressor  # noqa: E402

from skmoe import MoEClassifier, MoERegressor  # noqa: E402
from skmoe.gates import GaussianGate  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")

QUICK = {"n_init": 2, "max_iter": 200, "random_state": 0}
MIXTURES = {
    "one": (MoERegressor, Y, {"n_experts": 1}),
    "flat": (MoERegressor, Y, {"n_experts": 3}),
    "tree": (MoERegressor, Y, {"n_experts": (2, 2)}),
    "crooked": (MoERegressor, Y, {"n_experts": (((2,), 1), 1)}),
    "average": (MoERegressor, Y, {"n_experts": 2, "combine_inits": "average"}),
    "gate columns": (MoERegressor, Y, {"n_experts": 3, "gate_features": [0], "expert_features": [1, 2]}),
    "outputs": (MoERegressor, OUTPUTS, {"n_experts": (2, 2), "expert_features": [0, 1]}),
    "large": (MoERegressor, 1e5 + 1e3 * Y, {"n_experts": 3}),
    "two classes": (MoEClassifier, LABELS, {"n_experts": 3}),
    "tree of classes": (MoEClassifier, THREE, {"n_experts": (2, 2)}),
    "average of classes": (MoEClassifier, THREE, {"n_experts": 2, "combine_inits": "average"}),
    "columns of classes": (MoEClassifier, THREE, {"n_experts": 3, "gate_features": [0, 1], "expert_features": [2]}),
}


@pytest.fixture(scope="module", params=MIXTURES)
def mixture(request):
    kind, y, settings = MIXTURES[request.param]
    return kind(**QUICK, **settings).fit(X, y), y


def begun(mixture, **changed):
    kind = classifier if isinstance(mixture, MoEClassifier) else regressor
    return kind(init=mixture, **{"top_k": min(2, getattr(mixture, "n_experts_", 2)), **changed})


def assert_is_the_mixture(model, mixture, y, tolerance):
    scale = np.std(y, axis=0) if isinstance(mixture, MoERegressor) else 1.0
    assert_allclose(model.log_prob(X, y), mixture.log_prob(X, y), rtol=0, atol=tolerance)
    if isinstance(mixture, MoEClassifier):
        assert_allclose(model.predict_proba(X), mixture.predict_proba(X), rtol=0, atol=tolerance)
        assert (model.predict(X) == mixture.predict(X)).all()
    else:
        assert_allclose(model.predict(X) / scale, mixture.predict(X) / scale, rtol=0, atol=tolerance)
        assert_allclose(model.predict_var(X) / scale**2, mixture.predict_var(X) / scale**2, rtol=0, atol=tolerance)
        quantiles = [one.predict_quantile(X, [0.1, 0.5]) / scale for one in (model, mixture)]
        assert_allclose(*quantiles, rtol=0, atol=max(tolerance, 1e-6))


@pytest.mark.parametrize("settings", [{}, {"n_blocks": 1}, {"embedding": "periodic"}, {"n_members": 1}], ids=str)
def test_before_the_first_epoch_it_is_the_mixture(mixture, settings):
    model, y = mixture
    start = begun(model, max_epochs=0, precision="float64", **settings).fit(X, y)
    assert start.n_experts_ == start.top_k_ == model.n_experts_
    assert (start.best_epoch_, start.n_iter_, start.history_) == (0, 0, [])
    assert_is_the_mixture(start, model, y, 1e-6)
    assert_allclose(start.gate_proba(X), model.gate_proba(X), rtol=0, atol=1e-6)
    if len(start.gate_proba(X)[0]) > 1:  # a witness that the gates are not all alike
        assert np.ptp(model.gate_proba(X)) > 0.01


def test_in_single_precision_to_five_digits(mixture):
    model, y = mixture
    assert_is_the_mixture(begun(model, max_epochs=0).fit(X, y), model, y, 2e-4)


def test_by_default_it_is_the_mixture_in_double_precision_of_full_batches(mixture):
    model, y = mixture
    assert_is_the_mixture(begun(model, max_epochs=0, batch_size=None).fit(X, y), model, y, 1e-6)


@pytest.mark.parametrize("learning_rate", [2e-3, 0.1], ids=["usual", "ruinous"])
def test_no_epoch_is_kept_that_predicts_worse(mixture, learning_rate):
    model, y = mixture
    start = begun(model, max_epochs=0).fit(X, y)
    trained = begun(model, max_epochs=4, learning_rate=learning_rate).fit(X, y)
    assert trained.validation_score_ >= start.validation_score_
    scores = [start.validation_score_, *(told["validation_score"] for told in trained.history_)]
    assert trained.best_epoch_ == 0 or trained.validation_score_ == scores[trained.best_epoch_]
    if trained.best_epoch_ == 0:
        assert trained.top_k_ == trained.n_experts_
        assert_is_the_mixture(trained, model, y, 2e-4)
    else:
        assert trained.top_k_ == min(2, trained.n_experts_)


def test_a_ruinous_epoch_is_never_kept():
    mixture = MoERegressor(3, **QUICK).fit(X, Y)
    trained = begun(mixture, learning_rate=0.1).fit(X, Y)
    assert max(told["validation_score"] for told in trained.history_) < trained.validation_score_
    assert (trained.best_epoch_, trained.top_k_) == (0, 3)


def test_training_goes_on_from_the_mixture():
    mixture = MoERegressor(3, **QUICK).fit(X, Y)
    trained = begun(mixture, max_epochs=10, early_stopping=False, batch_size=None).fit(X, Y)
    plain = regressor(n_experts=3, max_epochs=10, early_stopping=False, batch_size=None).fit(X, Y)
    assert trained.log_prob(X, Y).mean() > mixture.log_prob(X, Y).mean() > plain.log_prob(X, Y).mean()
    assert trained.top_k_ == 2


def test_routers_that_take_all_experts_at_first():
    mixture = MoERegressor(4, **QUICK).fit(X, Y)
    for router in ("soft", "topk", "noisy_topk", "switch"):
        start = begun(mixture, router=router, max_epochs=0, precision="float64").fit(X, Y)
        assert_is_the_mixture(start, mixture, Y, 1e-6)


def test_what_cannot_be_carried_over():
    student = MoERegressor(2, expert="student_t", **QUICK).fit(X, Y)
    with pytest.raises(ValueError, match="init has experts of student_t, which cannot be carried over here: expected"):
        begun(student).fit(X, Y)
    several = MoERegressor(2, expert=["gaussian", "student_t"], **QUICK).fit(X, Y)
    with pytest.raises(ValueError, match="experts of gaussian, student_t, which cannot be carried over"):
        begun(several).fit(X, Y)
    with pytest.raises(
        NotFittedError, match=r"init carries over .* this MoERegressor is not fitted\. .*FrozenEstimator"
    ):
        begun(MoERegressor(2)).fit(X, Y)
    with pytest.raises(ValueError, match="init: X contains NaN"):
        begun(MoERegressor(2, **QUICK).fit(X, Y)).fit(GAPS, Y)
    with pytest.raises(ValueError, match="init carries over a fitted MoERegressor or MoEClassifier, got LinearRegr"):
        regressor(init=LinearRegression().fit(X, Y)).fit(X, Y)
    classes = MoEClassifier(2, **QUICK).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"init is a mixture for the classes \['opposite' 'same'\], but y has the cla"):
        begun(classes).fit(X, THREE)
    with pytest.raises(ValueError, match="cannot be carried over here: expected one family of gaussian"):
        regressor(init=classes).fit(X, Y)
    with pytest.raises(ValueError, match="cannot be carried over here: expected one family of bernoulli, multinomial"):
        classifier(init=MoERegressor(2, **QUICK).fit(X, Y)).fit(X, LABELS)
    modelled = MoERegressor(2, gate=GaussianGate("diag"), **QUICK).fit(X, Y)
    with pytest.raises(ValueError, match="A gate of this mixture models x"):
        begun(modelled).fit(X, Y)


@pytest.mark.parametrize("rows", [X[:, :2], np.column_stack([X, X])], ids=["fewer", "more"])
def test_a_mixture_of_other_columns_is_refused(rows):
    with pytest.raises(ValueError, match=r"init is a mixture of 3 features, but X has \d features"):
        begun(MoERegressor(2, **QUICK).fit(X, Y)).fit(rows, Y)


def test_a_mixture_of_other_outputs_is_refused():
    with pytest.raises(ValueError, match="init is a mixture for 1 outputs, but y has 2 outputs"):
        begun(MoERegressor(2, **QUICK).fit(X, Y)).fit(X, OUTPUTS)


def test_columns_that_a_mixture_cannot_see_are_refused():
    mixture = MoERegressor(2, **QUICK).fit(X, Y)
    with pytest.raises(ValueError, match=r"X contains NaN \(first in row .* a linear model, .* needs every number"):
        begun(mixture).fit(GAPS, Y)
    with pytest.raises(ValueError, match="X contains NaN"):
        begun(mixture).fit(X, Y).predict(GAPS)
    with pytest.raises(ValueError, match="init is a mixture of columns of numbers, but 1 columns of X are categories"):
        begun(mixture, categorical_features=[2]).fit(np.column_stack([X[:, :2], np.arange(len(X)) % 3]), Y)


def test_more_experts_a_row_than_the_mixture_has():
    with pytest.raises(ValueError, match="there are 2 experts in the mixture of init"):
        begun(MoERegressor(2, **QUICK).fit(X, Y), top_k=3).fit(X, Y)


def test_a_frozen_mixture_survives_a_clone():
    mixture = MoERegressor(2, **QUICK).fit(X, Y)
    scores = cross_val_score(begun(FrozenEstimator(mixture), max_epochs=0), X, Y, cv=2, error_score="raise")
    assert np.isfinite(scores).all()


def test_columns_of_other_names():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    mixture = MoERegressor(2, **QUICK).fit(frame, Y)
    with pytest.raises(ValueError, match=r"init is a mixture of the columns \['a', 'b', 'c'\], but X has the columns"):
        begun(mixture).fit(frame[["c", "b", "a"]], Y)
    begun(mixture, max_epochs=0).fit(frame, Y)


def test_gaps_are_refused_by_their_row():
    mixture = MoERegressor(2, **QUICK).fit(X, Y)
    rows = X.copy()
    rows[77, 1] = np.nan
    for learn in (begun(mixture).fit, begun(mixture).partial_fit):
        with pytest.raises(ValueError, match="first in row 77, column 1; 1 of 360"):
            learn(rows, Y)
