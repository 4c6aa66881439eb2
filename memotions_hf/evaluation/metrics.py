"""Classification metrics with bootstrap intervals, from labels and probabilities alone.

A copy of this file is part of the metric's repository on the Hub, so it needs nothing but numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating[Any]]

BOOTSTRAP_SAMPLES = 1000
CONFIDENCE = 0.95
CALIBRATION_BINS = 15
SEED = 42


def confusion_matrix(y_true: IntArray, y_pred: IntArray, num_labels: int) -> IntArray:
    """Count rows by true label (axis 0) and predicted label (axis 1)."""
    cells = np.bincount(y_true * num_labels + y_pred, minlength=num_labels * num_labels)
    return cells.reshape(num_labels, num_labels)


def precision_recall_f1(confusion: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return each class's precision, recall and F1; 0 where a ratio has no rows."""
    hits = np.diagonal(confusion).astype(np.float64)
    predicted, actual = confusion.sum(0), confusion.sum(1)
    precision = np.divide(hits, predicted, out=np.zeros_like(hits), where=predicted > 0)
    recall = np.divide(hits, actual, out=np.zeros_like(hits), where=actual > 0)
    total = predicted + actual
    f1 = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return precision, recall, f1


def macro_f1(y_true: IntArray, y_pred: IntArray, num_labels: int) -> float:
    """Return the mean F1 of the classes that ``y_true`` holds."""
    present = np.unique(y_true)
    f1 = precision_recall_f1(confusion_matrix(y_true, y_pred, num_labels))[2]
    return float(f1[present].mean())


def confidence_bins(
    y_true: IntArray, probabilities: FloatArray, bins: int
) -> tuple[FloatArray, BoolArray, IntArray]:
    """Return of every row its confidence, whether it is right, and its bin, each of shape (n,).

    Args:
        y_true: class ids, shape (n,).
        probabilities: shape (n, labels), rows sum to 1.
        bins: bins of equal width over the probability of the predicted class.
    """
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == y_true
    return confidence, correct, np.minimum((confidence * bins).astype(np.int64), bins - 1)


def expected_calibration_error(
    y_true: IntArray, probabilities: FloatArray, bins: int = CALIBRATION_BINS
) -> float:
    """Return the mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017).

    Args:
        y_true: class ids, shape (n,).
        probabilities: shape (n, labels), rows sum to 1.
        bins: bins over the probability of the predicted class.
    """
    confidence, correct, bin_of = confidence_bins(y_true, probabilities, bins)
    gap = np.bincount(bin_of, weights=correct - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(y_true))


def _statistics(
    y_true: IntArray, y_pred: IntArray, size: int, probabilities: FloatArray | None
) -> FloatArray:
    """Return macro-F1, accuracy, each class's F1 and, with probabilities, the calibration error."""
    confusion = confusion_matrix(y_true, y_pred, size)
    f1 = precision_recall_f1(confusion)[2]
    present = confusion.sum(1) > 0
    values = [f1[present].mean(), np.trace(confusion) / len(y_true), *f1]
    if probabilities is not None:
        values.append(expected_calibration_error(y_true, probabilities))
    return np.array(values)


def intervals(
    y_true: IntArray,
    y_pred: IntArray,
    size: int,
    probabilities: FloatArray | None = None,
    *,
    samples: int = BOOTSTRAP_SAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = SEED,
) -> FloatArray:
    """Return every figure with its percentile bootstrap interval (Efron 1979).

    The interval is shifted by the bootstrap's own estimate of the bias: resampled rows can only
    look less calibrated, so that without it the calibration error may fall outside its interval.

    Args:
        y_true: true class ids, shape (n,).
        y_pred: predicted class ids, shape (n,).
        size: number of classes.
        probabilities: shape (n, size), or None for a system that has none.
        samples: bootstrap samples.
        confidence: share of the bootstrap samples inside the interval.
        seed: of the generator that draws them.

    Returns:
        A row of value, lower and upper bound for macro-F1 (over the classes present in
        ``y_true``), accuracy, the F1 of each class and, with probabilities, the calibration error.

    Raises:
        ValueError: there is no row, or the arrays differ in length.
    """
    if len(y_true) == 0 or len(y_true) != len(y_pred):
        raise ValueError(
            f"expected as many predictions as labels, at least one; got {len(y_pred)} predictions "
            f"and {len(y_true)} labels"
        )
    rng = np.random.default_rng(seed)
    drawn = np.empty((samples, size + 2 + (probabilities is not None)))
    for sample in range(samples):
        rows = rng.integers(0, len(y_true), len(y_true))
        chosen = None if probabilities is None else probabilities[rows]
        drawn[sample] = _statistics(y_true[rows], y_pred[rows], size, chosen)
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    values = _statistics(y_true, y_pred, size, probabilities)
    bias = drawn.mean(axis=0) - values
    low, high = np.clip((low - bias, high - bias), 0, 1)
    return np.stack([values, low, high], axis=1)


def flat_scores(
    y_true: IntArray,
    y_pred: IntArray,
    labels: Sequence[str],
    probabilities: FloatArray | None = None,
    *,
    samples: int = BOOTSTRAP_SAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = SEED,
) -> dict[str, float]:
    """Return the figures of :func:`intervals` by name, each with its bounds as ``_low``, ``_high``.

    The names are ``macro_f1``, ``accuracy``, ``f1_`` and the label of each class that ``y_true``
    holds, and with probabilities ``ece``.
    """
    table = intervals(
        y_true,
        y_pred,
        len(labels),
        probabilities,
        samples=samples,
        confidence=confidence,
        seed=seed,
    ).tolist()
    present = [int(k) for k in np.unique(y_true)]
    named = {"macro_f1": table[0], "accuracy": table[1]}
    named |= {f"f1_{labels[k]}": table[2 + k] for k in present}
    if probabilities is not None:
        named["ece"] = table[-1]
    return {
        name + suffix: number
        for name, row in named.items()
        for suffix, number in zip(("", "_low", "_high"), row, strict=True)
    }


def score(
    y_true: IntArray,
    y_pred: IntArray,
    labels: Sequence[str],
    probabilities: FloatArray | None = None,
    samples: int = BOOTSTRAP_SAMPLES,
) -> dict[str, Any]:
    """Return all metrics of one system on one test set, ready for JSON.

    Args:
        y_true: true class ids, shape (n,).
        y_pred: predicted class ids, shape (n,).
        labels: class names by id.
        probabilities: shape (n, labels), or None for a system that has none.
        samples: bootstrap samples.

    Returns:
        ``macro_f1`` (over the classes present in ``y_true``), ``accuracy`` and ``ece``, each with a
        95% interval (``ece`` is None without probabilities), ``per_class`` precision, recall, F1
        (with its interval as ``f1_low`` and ``f1_high``) and support, and the ``confusion`` matrix
        with true classes as rows.

    Raises:
        ValueError: there is no row, or the arrays differ in length.
    """
    size = len(labels)
    table = intervals(y_true, y_pred, size, probabilities, samples=samples)
    confusion = confusion_matrix(y_true, y_pred, size)
    precision, recall, _ = precision_recall_f1(confusion)
    macro, accuracy, *rest = (
        {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
        for value, low, high in table.tolist()
    )
    return {
        "macro_f1": macro,
        "accuracy": accuracy,
        "ece": None if probabilities is None else rest[size],
        "per_class": {
            label: {
                "precision": round(float(precision[k]), 4),
                "recall": round(float(recall[k]), 4),
                "f1": rest[k]["value"],
                "f1_low": rest[k]["low"],
                "f1_high": rest[k]["high"],
                "support": int(confusion[k].sum()),
            }
            for k, label in enumerate(labels)
            if confusion[k].sum() > 0
        },
        "confusion": confusion.tolist(),
    }
