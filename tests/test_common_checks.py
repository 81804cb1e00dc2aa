"""scikit-learn's common checks: all that apply, with no expected failure."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmoe import MoEClassifier, MoERegressor
from skmoe.gates import GaussianGate

#: The checks fit tiny random tables, on which experts may well collapse.
pytestmark = pytest.mark.filterwarnings("ignore::skmoe.exceptions.CollapseWarning")

ESTIMATORS = pytest.mark.parametrize("estimator", [MoERegressor(), MoEClassifier()], ids=["regressor", "classifier"])


@parametrize_with_checks(
    [
        make(n_experts, combine_inits=combine_inits)
        for make in (MoERegressor, MoEClassifier)
        for n_experts in (1, 3, (2, 2))
        for combine_inits in ("best", "average")
    ]
    + [make(3, n_init=2, combine_inits="stack") for make in (MoERegressor, MoEClassifier)]
    + [make(2, gate=GaussianGate("diag"), n_init=2) for make in (MoERegressor, MoEClassifier)]
)
def test_common_check(estimator, check):
    check(estimator)


@ESTIMATORS
@pytest.mark.parametrize(
    "check",
    [
        "check_param_validation",
        "check_dataframe_column_names_consistency",
        "check_inplace_ensure_writeable",
    ],
)
def test_check_that_check_estimator_leaves_out(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_decisions_are_predictions(n_classes):
    X, y = make_classification(120, n_informative=4, n_classes=n_classes, random_state=0)
    estimator_checks.check_classifiers_predictions(X, y, "MoEClassifier", MoEClassifier(2))


@ESTIMATORS
def test_tags_excuse_nothing(estimator):
    tags = get_tags(estimator)
    assert tags.target_tags.required
    assert not tags.non_deterministic
    assert not tags.no_validation
    assert not tags._skip_test
    assert not (tags.regressor_tags or tags.classifier_tags).poor_score
    assert not tags.input_tags.allow_nan
    assert tags.input_tags.sparse
    assert not get_tags(clone(estimator).set_params(gate="gaussian")).input_tags.sparse
    if tags.classifier_tags:
        assert tags.classifier_tags.multi_class


def test_checks_with_array_api_dispatch():
    """All checks once more where scipy accepts foreign arrays: there `check_array_api_input` is not skipped."""
    script = textwrap.dedent(
        """
        import warnings
        from sklearn.utils.estimator_checks import check_estimator
        from skmoe import MoEClassifier, MoERegressor

        warnings.simplefilter("error", RuntimeWarning)
        for estimator in (MoERegressor(2, n_init=2), MoEClassifier(2, n_init=2)):
            for check in check_estimator(estimator, on_skip=None, on_fail=None):
                print(type(estimator).__name__, check["check_name"], check["status"], check["exception"] or "")
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "SCIPY_ARRAY_API": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line.split()[2] not in ("passed", "skipped")], done.stdout
    assert sum("check_array_api_input passed" in line for line in lines) == 2
    assert np.mean([line.split()[2] == "passed" for line in lines]) > 0.95
