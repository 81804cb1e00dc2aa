"""TreeDisplay: its texts are those of the tree, its ribbons as thick as the shares."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MoERegressor
from skmoe.inspection import TreeDisplay
from skmoe.inspection.palette import COLORS
from skmoe.inspection.tree_layout import THICK


def texts(display):
    return [text.get_text() for text in display.ax_.texts]


def ribbons(display):
    """Colour and thickness at its right end of each ribbon, in the order drawn."""
    found = []
    for patch in display.ax_.collections:
        x, y = patch.get_paths()[0].vertices.T
        found.append((to_hex(patch.get_facecolor()[0]).upper(), np.ptp(y[x == x.max()]), x.max()))
    return found


def test_texts_and_ribbons(tree):
    display = TreeDisplay.from_estimator(tree)
    shown = texts(display)
    notes = tree.tree_.notes
    for path, note in notes.items():
        if path and note.split is not None:
            assert any(text.startswith(f"{note.share:.0%}, ") for text in shown)
    question = notes[()].split.question(0, tree.tree_.names, 2)[0].removeprefix("where ")
    assert question.replace("-", "\N{MINUS SIGN}") in [text.replace("\n", " ").split(" (+")[0] for text in shown]
    table = ["0 (0.0)", "1 (0.1)", "2 (1.0)", "3 (1.1)", *(f"{scale:.2g}" for scale in tree.expert_scale_)]
    assert set(table) <= set(shown)
    assert {"all rows", "expert", "share", "mean", "scale"} <= set(shown)
    assert any(text.startswith("thickness: share of the training mass") for text in shown)

    drawn = ribbons(display)
    paths = [(), *(branch.path for branch in tree.tree_.branches)]
    assert_allclose([thick for _, thick, _ in drawn], [THICK * notes[path].share for path in paths], rtol=1e-6)
    assert [own for own, _, _ in drawn][-4:] == list(COLORS[:4])
    assert len({own for own, _, _ in drawn[:3]}) == 1  # what divides further is grey
    assert len({end for _, _, end in drawn[-4:]}) == 1  # experts end below each other


@pytest.mark.parametrize("shape", [1, 2, ((2, 1), 1), (8, 2)], ids=str)
def test_every_shape(shape, data):
    X, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MoERegressor(shape, n_init=1, max_iter=20, random_state=0).fit(X, y)
    display = TreeDisplay.from_estimator(model)
    assert len(display.ax_.collections) == 1 + len(model.tree_.branches)
    assert len(display.labels) == model.n_experts_
    names = [text for text in texts(display) if text in {label.removeprefix("expert ") for label in display.labels}]
    assert len(set(names)) == model.n_experts_


def test_many_experts_stay_apart(data):
    """Of 64 experts no two texts of the table overlap."""
    X, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MoERegressor((2,) * 6, n_init=1, max_iter=3, random_state=0).fit(X, y)
    display = TreeDisplay.from_estimator(model)
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.ax_.texts if text.get_text()]
    apart = [
        one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
        for i, one in enumerate(boxes)
        for other in boxes[:i]
    ]
    assert all(apart)


def test_shares_of_other_rows(tree, data):
    X = data[0][:40]
    weight = np.arange(40.0)
    display = TreeDisplay.from_estimator(tree, X, sample_weight=weight)
    prior = np.average(tree.gate_proba(X), axis=0, weights=weight)
    notes = display.tree.notes
    for branch in tree.tree_.branches:
        assert notes[branch.path].share == pytest.approx(prior[list(branch.leaves)].sum())
        assert np.isnan(notes[branch.path].response).all()  # of rows without responses nothing is known
    assert "mean" not in texts(display)
    assert any("share of the rows (gate)" in text for text in texts(display))
    assert tree.tree_.notes[()].split is notes[()].split


def test_responses_of_other_rows(tree, data):
    X, y = data[0][:40], data[1][:40]
    display = TreeDisplay.from_estimator(tree, X, y)
    h = tree.responsibilities(X, y)
    for branch in tree.tree_.branches:
        mass = h[:, list(branch.leaves)].sum(axis=1)
        note = display.tree.notes[branch.path]
        assert note.share == pytest.approx(mass.mean())
        assert note.response[0] == pytest.approx(np.average(y, weights=mass))
    assert "mean" in texts(display)


def test_rates_of_classes(classifier, data):
    X, y = data[0], data[1] > np.median(data[1])
    display = TreeDisplay.from_estimator(classifier, X, y)
    rate = classifier.responsibilities(X, y).T @ y / classifier.responsibilities(X, y).sum(axis=0)
    assert_allclose([display.tree.notes[(k,)].response[1] for k in range(2)], rate)
    assert "rate of True" in texts(display)
    assert "scale" not in texts(display)


def test_three_classes(three_classes):
    shown = texts(TreeDisplay.from_estimator(three_classes))
    share = three_classes.tree_.notes[(0,)].response
    assert f"{share.argmax()} ({share.max():.0%})" in shown


def test_names_behind_a_pipeline(data):
    X = pd.DataFrame(data[0], columns=["age", "dose", "height"])
    columns = make_column_transformer((StandardScaler(), ["dose"]), ("passthrough", ["age"]))
    model = make_pipeline(columns, MoERegressor((2, 2), n_init=1, random_state=0)).fit(X, data[1])
    display = TreeDisplay.from_estimator(model, X)
    assert display.tree.names == ("standardscaler__dose", "passthrough__age")
    assert any("passthrough__age" in text for text in texts(display))


def test_small_axes_leave_out_what_branches_ask(tree):
    import matplotlib.pyplot as plt

    display = TreeDisplay.from_estimator(tree, ax=plt.subplots(figsize=(2, 1.5))[1])
    assert "elsewhere" not in texts(display)
    assert "0 (0.0)" in texts(display)
    assert "elsewhere" in texts(display.plot())


def test_max_features(tree):
    full = texts(TreeDisplay.from_estimator(tree, max_features=3))
    one = TreeDisplay.from_estimator(tree, max_features=1)
    assert sum(text.count("*") for text in texts(one)) == 0 < sum(text.count("*") for text in full)
    assert "(+n): n columns left out" in texts(one)[-1]
    for wrong in (0, 1.5, "2"):
        with pytest.raises(ValueError, match="max_features must be an int of at least 1"):
            one.plot(max_features=wrong)


def test_long_questions_are_broken(data):
    X = pd.DataFrame(data[0], columns=["customer_mean_amount_30d", "terminal_payments_7d", "weekend"])
    model = MoERegressor((2, 2), n_init=1, random_state=0, gate_alpha=1.0).fit(X, data[1])
    lines = [text.split("\n") for text in texts(TreeDisplay.from_estimator(model, max_features=3))]
    broken = [line for line in lines if len(line) > 1]
    assert broken
    assert all(part[0] in "+\N{MINUS SIGN}<>(" for line in broken for part in line[1:])
    assert max(len(part) for line in broken for part in line) <= 45  # a name and its slope are not divided


def test_responses_without_rows_are_refused(tree, data):
    with pytest.raises(ValueError, match="y is given without X"):
        TreeDisplay.from_estimator(tree, y=data[1])


def test_an_unfitted_estimator_says_so_before_all_else():
    with pytest.raises(NotFittedError):
        TreeDisplay.from_estimator(MoERegressor(), y=[1.0])
