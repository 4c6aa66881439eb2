"""Temperature scaling: how sure an answer should sound."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]


def fit_temperature(probabilities: FloatArray, labels: IntArray) -> float:
    """Return the temperature that makes the likelihood of the labels highest (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    log_probabilities = np.log(np.maximum(probabilities, 1e-12)).astype(np.float64)

    def loss(temperature: float) -> float:
        scaled = log_probabilities / temperature
        scaled -= scaled.max(1, keepdims=True)
        log_norm = np.log(np.exp(scaled).sum(1))
        return float((log_norm - scaled[np.arange(len(labels)), labels]).mean())

    return float(minimize_scalar(loss, bounds=(0.25, 4.0), method="bounded").x)
