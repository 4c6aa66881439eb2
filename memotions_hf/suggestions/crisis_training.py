"""Training and measuring the crisis detector, from our own examples alone.

The held-out examples were written first, and apart from the training ones. Thresholds are chosen by
cross-validation on the training examples, never on the held-out ones.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ..corpus.download import DATA_FOLDER
from ..corpus.rows import read_source
from ..errors import CorpusError, require
from .crisis_model import FEATURES, CrisisModel, Floats, Settings, vectorise

VERSION = 1
CRISIS_FALSE_ALARMS = 0.08
"""Share of the look-alikes, and of the ordinary entries, that may be called a crisis."""
AIMED_RECALL = 0.95
"""Share of the crises that must be in doubt at least."""
_FOLDS = 6
_PENALTY = 2.0
_HARM_KINDS = frozenset({"harmed"})
_SELF_KINDS = frozenset({"explicit", "veiled", "plan", "selfharm", "farewell", "relapse"})


@dataclass(frozen=True)
class Example:
    """A text, whether it is a crisis, and which kind of text it is."""

    id: str
    crisis: bool
    kind: str
    text: str


def read_examples(path: Path) -> list[Example]:
    """Read a file of examples: ``id, crisis, kind, text``, separated by tabs.

    Raises:
        CorpusError: a line is not as expected.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, start=2):
        if row.get("crisis") not in {"0", "1"} or not row.get("text") or None in row:
            raise CorpusError(
                f"{path.name}, line {number}: expected id, crisis (0 or 1), kind, text"
            )
    return [Example(row["id"], row["crisis"] == "1", row["kind"], row["text"]) for row in rows]


def training_examples() -> list[Example]:
    """Return our examples, and as harmless ones our journal entries but their test split."""
    journal = [
        Example(row.id, False, "journal", row.text)
        for row in read_source("journal")
        if row.split != "test"
    ]
    return read_examples(DATA_FOLDER / "crisis" / "train.tsv") + journal


def train(examples: Sequence[Example]) -> tuple[CrisisModel, dict[str, Any]]:
    """Train the detector.

    Args:
        examples: as :func:`training_examples` returns them.

    Returns:
        The model, and what cross-validation measured on the way.

    Raises:
        MissingExtraError: the ``train`` extra is not installed.
    """
    idf = _inverse_frequencies([example.text for example in examples])
    matrix = _matrix([example.text for example in examples], idf)
    labels = np.array([example.crisis for example in examples])
    folds = np.array([crc32(_group(example.id).encode()) % _FOLDS for example in examples])
    raw = np.zeros(len(examples))
    for fold in range(_FOLDS):
        inside = folds != fold
        row = _fit(matrix[inside], labels[inside])
        raw[~inside] = matrix[~inside] @ row[:-1] + row[-1]
    crisis_row = _fit(matrix, labels)
    harm_row = _fit_harm(matrix, examples)
    settings, measured = _decide(raw, labels, examples)
    weights = np.stack([crisis_row[:-1], harm_row[:-1]]).astype(np.float32)
    bias = np.array([crisis_row[-1], harm_row[-1]], np.float32)
    return CrisisModel(idf, weights, bias, settings), measured


def _group(example_id: str) -> str:
    """Return the id without the letter that tells the two texts of a minimal pair apart."""
    return example_id.rstrip("ab")


def _inverse_frequencies(texts: Sequence[str]) -> Floats:
    ones = np.ones(FEATURES, np.float32)
    counts = np.zeros(FEATURES)
    for text in texts:
        counts[vectorise(text, ones).indices] += 1
    return (np.log((1 + len(texts)) / (1 + counts)) + 1).astype(np.float16).astype(np.float32)


def _matrix(texts: Sequence[str], idf: Floats) -> Any:
    """Return the texts' features as a SciPy CSR matrix (texts, features)."""
    sparse = require("scipy.sparse", "train")
    vectors = [vectorise(text, idf) for text in texts]
    ends = np.cumsum([0, *(len(vector.indices) for vector in vectors)])
    indices = np.concatenate([vector.indices for vector in vectors])
    values = np.concatenate([vector.values for vector in vectors])
    return sparse.csr_matrix((values, indices, ends), shape=(len(texts), FEATURES))


def _fit(matrix: Any, labels: npt.NDArray[np.bool_]) -> Any:
    """Fit one linear row; its last element is the bias."""
    svm = require("sklearn.svm", "train")
    model = svm.LinearSVC(C=_PENALTY, random_state=0)
    model.fit(matrix, labels)
    return np.append(model.coef_[0], model.intercept_[0])


def _fit_harm(matrix: Any, examples: Sequence[Example]) -> Any:
    clear = [
        number
        for number, example in enumerate(examples)
        if example.crisis and example.kind in _HARM_KINDS | _SELF_KINDS
    ]
    labels = np.array([examples[number].kind in _HARM_KINDS for number in clear])
    return _fit(matrix[clear], labels)


def _decide(
    raw: npt.NDArray[Any], labels: npt.NDArray[np.bool_], examples: Sequence[Example]
) -> tuple[Settings, dict[str, Any]]:
    """Fit the probability curve and choose the thresholds on cross-validated scores."""
    linear = require("sklearn.linear_model", "train")
    curve = linear.LogisticRegression(C=1e6).fit(raw[:, None], labels)
    slope, offset = float(curve.coef_[0, 0]), float(curve.intercept_[0])
    hard = np.array([example.kind != "journal" for example in examples])
    crisis_from = max(
        float(np.quantile(raw[harmless], 1 - CRISIS_FALSE_ALARMS))
        for harmless in (hard & ~labels, ~hard)
    )
    concern_from = min(crisis_from, float(np.quantile(raw[labels], 1 - AIMED_RECALL)))

    def probability(score: float) -> float:
        return float(1 / (1 + np.exp(-(slope * score + offset))))

    settings = Settings(VERSION, probability(crisis_from), probability(concern_from), slope, offset)
    return settings, {
        "crisis": _rates(raw >= crisis_from, labels, hard),
        "crisis_or_concern": _rates(raw >= concern_from, labels, hard),
    }


def _rates(
    flagged: npt.NDArray[np.bool_], labels: npt.NDArray[np.bool_], hard: npt.NDArray[np.bool_]
) -> dict[str, float]:
    return {
        "recall": round(float(flagged[labels].mean()), 4),
        "false_alarms_hard": round(float(flagged[hard & ~labels].mean()), 4),
        "false_alarms_journal": round(float(flagged[~hard & ~labels].mean()), 4),
    }


def measure(model: CrisisModel, examples: Sequence[Example]) -> dict[str, Any]:
    """Measure a detector on examples that it has not seen.

    Returns:
        For ``crisis`` and for ``crisis_or_concern``: recall, precision and false alarms, each with
        its 95% Wilson interval, and the share that is called so of each kind of example. Where
        there are both crises and harmless examples also ``best_case``: what a threshold chosen on
        these very examples would reach, which no real threshold can promise.
    """
    scores = np.array([model.scores(example.text)[0] for example in examples])
    report: dict[str, Any] = {"examples": len(examples)}
    for name, threshold in (
        ("crisis", model.settings.crisis_from),
        ("crisis_or_concern", model.settings.concern_from),
    ):
        report[name] = _measure_at(scores >= threshold, examples)
    labels = np.array([example.crisis for example in examples])
    if labels.any() and not labels.all():
        report["best_case"] = _best_case(scores, labels)
    return report


def _best_case(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_]) -> dict[str, float]:
    aim = np.quantile(scores[labels], 1 - AIMED_RECALL, method="lower")
    limit = np.quantile(scores[~labels], 1 - CRISIS_FALSE_ALARMS, method="higher")
    return {
        "false_alarms_at_95_percent_recall": round(float((scores[~labels] >= aim).mean()), 4),
        "recall_at_8_percent_false_alarms": round(float((scores[labels] > limit).mean()), 4),
    }


def _measure_at(flagged: npt.NDArray[np.bool_], examples: Sequence[Example]) -> dict[str, Any]:
    labels = np.array([example.crisis for example in examples])
    by_kind: dict[str, Any] = {}
    for kind in sorted({example.kind for example in examples}):
        members = np.array([example.kind == kind for example in examples])
        by_kind[kind] = _share(int(flagged[members].sum()), int(members.sum()))
    found: dict[str, Any] = {"by_kind": by_kind}
    if labels.any():
        found["recall"] = _share(int(flagged[labels].sum()), int(labels.sum()))
        found["precision"] = _share(int(flagged[labels].sum()), int(flagged.sum()))
    if not labels.all():
        found["false_alarms"] = _share(int(flagged[~labels].sum()), int((~labels).sum()))
    return found


def _share(part: int, whole: int) -> dict[str, Any]:
    """Return a share with its Wilson score interval (Wilson 1927)."""
    if whole == 0:
        return {"share": None, "part": part, "of": whole}
    z, share = 1.96, part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    root = (share * (1 - share) / whole + (z / (2 * whole)) ** 2) ** 0.5
    spread = z / (1 + z * z / whole) * root
    return {
        "share": round(share, 4),
        "interval": [round(max(0.0, middle - spread), 4), round(min(1.0, middle + spread), 4)],
        "part": part,
        "of": whole,
    }
