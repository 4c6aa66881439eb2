"""Whether a system's probabilities can be believed, bin by bin."""

from __future__ import annotations

from .metrics import CALIBRATION_BINS, FloatArray, IntArray, confidence_bins

Bin = dict[str, float | int]


def reliability_bins(
    y_true: IntArray, probabilities: FloatArray, bins: int = CALIBRATION_BINS
) -> list[Bin]:
    """Return how often a system was right, by how sure it was.

    The bins are those of the expected calibration error, which is the mean gap between a bin's
    confidence and its accuracy, weighted by its rows.

    Args:
        y_true: class ids, shape (n,).
        probabilities: shape (n, labels), rows sum to 1.
        bins: bins of equal width over the probability of the predicted class.

    Returns:
        Of each bin that holds a row, lowest first: its edges ``low`` and ``high``, its ``rows``,
        their mean ``confidence`` and their ``accuracy``.
    """
    confidence, correct, bin_of = confidence_bins(y_true, probabilities, bins)
    return [
        {
            "low": round(number / bins, 4),
            "high": round((number + 1) / bins, 4),
            "rows": int(inside.sum()),
            "confidence": round(float(confidence[inside].mean()), 4),
            "accuracy": round(float(correct[inside].mean()), 4),
        }
        for number in range(bins)
        if (inside := bin_of == number).any()
    ]
