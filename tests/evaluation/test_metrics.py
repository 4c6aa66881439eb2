import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support

from memotions_hf.evaluation.metrics import (
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    precision_recall_f1,
    score,
)
from memotions_hf.labels import LABELS

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(pairs)
def test_metrics_agree_with_scikit_learn(rows):
    y_true, y_pred = (np.array(column) for column in zip(*rows, strict=True))
    expected = precision_recall_fscore_support(
        y_true, y_pred, labels=range(5), average=None, zero_division=0
    )
    ours = precision_recall_f1(confusion_matrix(y_true, y_pred, 5))
    for mine, theirs in zip(ours, expected, strict=False):
        np.testing.assert_allclose(mine, theirs)
    present = np.unique(y_true)
    assert macro_f1(y_true, y_pred, 5) == pytest.approx(
        f1_score(y_true, y_pred, labels=present, average="macro", zero_division=0)
    )


def test_confusion_matrix_has_true_classes_as_rows():
    matrix = confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), 3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_calibration_error_is_zero_for_a_calibrated_system_and_large_for_a_boastful_one():
    y_true = np.array([0] * 8 + [1] * 2)
    calibrated = np.tile([0.8, 0.2], (10, 1))
    boastful = np.tile([1.0, 0.0], (10, 1))
    assert expected_calibration_error(y_true, calibrated) == pytest.approx(0, abs=1e-9)
    assert expected_calibration_error(y_true, boastful) == pytest.approx(0.2)


def test_score_gives_intervals_around_the_value_that_shrink_with_more_rows():
    rng = np.random.default_rng(0)

    def interval(rows):
        y_true = rng.integers(0, 5, rows)
        y_pred = np.where(rng.random(rows) < 0.7, y_true, rng.integers(0, 5, rows))
        result = score(y_true, y_pred, LABELS, samples=200)["accuracy"]
        assert result["low"] <= result["value"] <= result["high"]
        return result["high"] - result["low"]

    assert interval(4000) < interval(100) / 3


def test_score_leaves_out_absent_classes_and_calibration_without_probabilities():
    result = score(np.array([0, 1, 1]), np.array([0, 1, 4]), LABELS, samples=10)
    assert list(result["per_class"]) == ["sad", "happy"]
    assert result["ece"] is None
    assert result["macro_f1"]["value"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-4)


@pytest.mark.parametrize(("y_true", "y_pred"), [([], []), ([0, 1], [0])])
def test_score_refuses_what_it_cannot_compare(y_true, y_pred):
    with pytest.raises(ValueError, match="as many predictions as labels"):
        score(np.array(y_true, int), np.array(y_pred, int), LABELS)
