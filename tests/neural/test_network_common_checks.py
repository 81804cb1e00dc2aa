"""scikit-learn's common checks of the two estimators."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

torch = pytest.importorskip("torch", reason='torch is not installed: pip install "skmoe[neural]"')

from sklearn.base import clone  # noqa: E402
from sklearn.utils import estimator_checks, get_tags  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from skmoe.neural import SparseMoEClassifier, SparseMoERegressor  # noqa: E402

KINDS = (SparseMoERegressor, SparseMoEClassifier)
ESTIMATORS = pytest.mark.parametrize("estimator", [kind() for kind in KINDS], ids=["regressor", "classifier"])

#: All rows at once, and none held out: then weights are counts.
WHOLE = {
    "early_stopping": False,
    "batch_size": None,
    "max_epochs": 8,
    "learning_rate": 0.01,
    "n_members": 2,
    "width": 32,
    "hidden": (16,),
}
#: The defaults, but for what takes time.
QUICK = {"n_members": 1, "width": 16, "hidden": (16,), "max_epochs": 4, "learning_rate": 0.02}


@parametrize_with_checks([kind(**WHOLE) for kind in KINDS])
def test_every_check_where_all_rows_are_one_batch(estimator, check):
    check(estimator)


def excused(estimator):
    """The one check that cannot hold by default."""
    return {
        "check_sample_weight_equivalence_on_dense_data": (
            "Which rows are held out and which share a batch is drawn by their order, and the check shuffles them."
        )
    }


@parametrize_with_checks([kind(**QUICK) for kind in KINDS], expected_failed_checks=excused)
def test_every_check_but_one_by_default(estimator, check):
    check(estimator)


@ESTIMATORS
def test_what_is_excused_does_fail(estimator):
    """Or else it would have to be taken off the list."""
    name = type(estimator).__name__
    for check in excused(estimator):
        with pytest.raises(AssertionError, match="sample_weight"):
            getattr(estimator_checks, check)(name, clone(estimator).set_params(**QUICK))


@ESTIMATORS
@pytest.mark.parametrize(
    "check",
    ["check_param_validation", "check_dataframe_column_names_consistency", "check_inplace_ensure_writeable"],
)
def test_check_that_check_estimator_leaves_out(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, clone(estimator).set_params(**WHOLE))


@ESTIMATORS
def test_tags_excuse_nothing(estimator):
    tags = get_tags(estimator)
    assert tags.target_tags.required
    assert not tags.non_deterministic
    assert not tags.no_validation
    assert not tags._skip_test
    assert not (tags.regressor_tags or tags.classifier_tags).poor_score
    assert tags.input_tags.allow_nan
    assert tags.input_tags.categorical
    assert not tags.input_tags.sparse
    assert tags.target_tags.multi_output == (tags.estimator_type == "regressor")
    if tags.classifier_tags:
        assert tags.classifier_tags.multi_class


def test_the_check_that_asks_for_array_api_dispatch():
    """Where scipy accepts foreign arrays `check_array_api_input` is not skipped."""
    script = textwrap.dedent(
        f"""
        import warnings
        from sklearn.utils.estimator_checks import check_array_api_input
        from skmoe.neural import SparseMoEClassifier, SparseMoERegressor

        warnings.simplefilter("error", RuntimeWarning)
        for estimator in (SparseMoERegressor(**{WHOLE!r}), SparseMoEClassifier(**{WHOLE!r})):
            for values in (False, True):
                check_array_api_input(type(estimator).__name__, estimator, "numpy", check_values=values)
        print("passed")
        """
    )
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.endswith("passed\n"), done.stderr
