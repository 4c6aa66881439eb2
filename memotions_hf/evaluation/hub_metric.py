"""The metric of Memotions for the library evaluate: macro-F1, F1 by class, calibration, intervals.

A copy of this file and of the ``metrics.py`` beside it is all that ``evaluate.load`` runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
import numpy.typing as npt

from .metrics import BOOTSTRAP_SAMPLES, CONFIDENCE, SEED, FloatArray, IntArray, flat_scores

LABELS = ("sad", "happy", "neutral", "anger", "fear")
SUM_TOLERANCE = 0.01
"""How far the sum of a row's probabilities may be from 1: they may be rounded, or half floats."""

DESCRIPTION = """\
Scores a classifier of emotions: macro-F1, accuracy, the F1 of each class and, from probabilities,
the expected calibration error, each with a bootstrap interval.
"""
INPUTS = """
Args:
    predictions: the predicted class of each row, as id or name; default: the most probable one.
    references: the true class of each row, as id or name.
    probabilities: of each row, the probability of every class; shape (rows, classes).
    bootstrap_samples: how many bootstrap samples the intervals are drawn from (compute only).
    confidence: share of them inside an interval, between 0 and 1 (compute only).
    seed: of the generator that draws them (compute only).
"""
CITATION = """\
@software{memotions_hf,
  title = {memotions-hf: the Indonesian emotion corpus and the small BiLSTM classifier behind
           Memotions},
  author = {{The Memotions team}}
}
"""


class MemotionsEmotion(evaluate.Metric):  # type: ignore[misc]
    """Scores with intervals; see ``metric.inputs_description``.

    Args:
        labels: the names of the classes by id; default: the five emotions of Memotions.
        options: what ``evaluate.load`` hands on.

    Raises:
        ValueError: the labels cannot be told apart.
    """

    def __init__(self, *, labels: Sequence[str] = LABELS, **options: Any) -> None:
        self.labels = tuple(labels)
        if isinstance(labels, str) or not 2 <= len(set(self.labels)) == len(self.labels):
            raise ValueError(f"labels are {labels!r:.100}; expected different names, at least two")
        self._has_probabilities = False
        super().__init__(**options)

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.Value("int64"),
                    "references": datasets.Value("int64"),
                    "probabilities": datasets.List(datasets.Value("float64")),
                }
            ),
            license="Apache-2.0",
        )

    def add(self, *, prediction: Any = None, reference: Any = None, **inputs: Any) -> None:
        """Add one row."""
        # evaluate.combine calls this with the plural names.
        row = {"predictions": prediction, "references": reference, **inputs}
        self.add_batch(**{name: None if value is None else [value] for name, value in row.items()})

    def add_batch(
        self, *, predictions: Any = None, references: Any = None, probabilities: Any = None
    ) -> None:
        """Add rows."""
        if references is None:
            raise ValueError("references are missing; give the true class of each row")
        if predictions is None and probabilities is None:
            raise ValueError("predictions are missing; give them, or probabilities, or both")
        batch: dict[str, Any] = {"references": self._class_ids("references", references)}
        rows = len(batch["references"])
        if probabilities is not None:
            batch["probabilities"] = self._distributions(probabilities)
        if predictions is not None:
            batch["predictions"] = self._class_ids("predictions", predictions)
        if any(len(column) != rows for column in batch.values()):
            lengths = " and ".join(f"{len(column)} {name}" for name, column in batch.items())
            raise ValueError(f"there are {lengths}; expected as many of each")
        if len(self) and self._has_probabilities != (probabilities is not None):
            raise ValueError("some rows have probabilities and some have none; give all or none")
        self._has_probabilities = probabilities is not None
        if predictions is None:
            batch["predictions"] = batch["probabilities"].argmax(1)
        super().add_batch(**{"probabilities": [[]] * rows, **batch})

    def compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        probabilities: Any = None,
        bootstrap_samples: int = BOOTSTRAP_SAMPLES,
        confidence: float = CONFIDENCE,
        seed: int = SEED,
    ) -> dict[str, float] | None:
        """Return the figures of all rows that were added, or that are given here."""
        # Checked before the rows are taken: after an error they are still there.
        if not _is_whole(bootstrap_samples) or bootstrap_samples < 1:
            raise ValueError(f"bootstrap_samples is {bootstrap_samples!r:.60}; expected 1 or more")
        if not 0 < confidence < 1:
            raise ValueError(f"confidence is {confidence!r:.60}; expected between 0 and 1")
        if not _is_whole(seed) or seed < 0:
            raise ValueError(f"seed is {seed!r:.60}; expected a whole number, 0 or more")
        inputs = {
            "predictions": predictions,
            "references": references,
            "probabilities": probabilities,
        }
        if not len(self) and self.num_process == 1 and all(v is None for v in inputs.values()):
            raise ValueError("there are no rows; give predictions and references, or add some")
        options = {"bootstrap_samples": bootstrap_samples, "confidence": confidence, "seed": seed}
        return super().compute(**inputs, **options)  # type: ignore[no-any-return]

    def _compute(
        self,
        *,
        predictions: list[int],
        references: list[int],
        probabilities: list[list[float]],
        bootstrap_samples: int,
        confidence: float,
        seed: int,
    ) -> dict[str, float]:
        return flat_scores(
            np.array(references),
            np.array(predictions),
            self.labels,
            np.array(probabilities) if probabilities[0] else None,
            samples=bootstrap_samples,
            confidence=confidence,
            seed=seed,
        )

    def _class_ids(self, name: str, values: Iterable[Any]) -> IntArray:
        """Return classes, given as ids or names, as ids."""
        column = _as_array(name, values)
        if column.ndim != 1 or not len(column):
            raise ValueError(
                f"{name} have the shape {column.shape}; expected one class a row, at least one row"
            )
        known = dict(zip(self.labels, range(len(self.labels)), strict=True))
        if column.dtype.kind not in "iuf":  # names
            given = column.tolist()
            ids = np.array([known.get(v, -1) if isinstance(v, str) else -1 for v in given])
        else:
            whole = (column >= 0) & (column < len(known)) & (column == np.floor(column))
            ids = np.where(whole, column, -1).astype(np.int64)
        if (ids < 0).any():
            value = column[ids < 0].tolist()[0]
            expected = ", ".join(f"{number} ({label})" for label, number in known.items())
            raise ValueError(f"{name} hold {value!r:.60}; expected one of {expected}")
        return ids

    def _distributions(self, values: Iterable[Any]) -> FloatArray:
        """Return probabilities as an array of a row for each row and a column for each class."""
        table = _as_array("probabilities", values)
        if table.ndim != 2 or table.shape[1] != len(self.labels) or table.dtype.kind not in "iuf":
            raise ValueError(
                f"probabilities have the shape {table.shape}; expected {len(self.labels)} numbers "
                "a row, one for each class"
            )
        table = np.asarray(table, dtype=np.float64)
        is_off = ~(np.abs(table.sum(1) - 1) <= SUM_TOLERANCE) | (table < 0).any(1)
        if is_off.any():
            row = int(is_off.argmax())
            raise ValueError(
                f"probabilities of row {row} are {table[row].round(4).tolist()!s:.100}; expected "
                "numbers from 0 to 1 that sum to 1 (no logits)"
            )
        return table


def _as_array(name: str, values: Iterable[Any]) -> npt.NDArray[Any]:
    """Return a list, an array, a tensor or a column of a data set as an array."""
    try:
        return np.asarray(values if hasattr(values, "__array__") else list(values))
    except (TypeError, ValueError):  # no sequence, or rows of different lengths
        raise ValueError(
            f"{name} are no table; expected a list or an array, with rows of one length"
        ) from None


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
