"""The evaluation protocol: our classifier and the baselines on every test set, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cards.names import (
    EMOT_OFFICIAL_SET,
    KEYWORD_SYSTEM,
    LINEAR_SYSTEM,
    MAIN_SET,
    MAJORITY_SYSTEM,
    OPINION_FOUR_SET,
    OPINION_SET,
)
from ..corpus.merge import Example, MergedCorpus, evaluation_examples
from ..corpus.rows import read_source
from ..corpus.sources import get_source
from ..labels import LABEL2ID, LABELS, map_source_label
from ..text import grouping_key
from .baselines import KeywordRule, MajorityClass, System, TfidfSVC
from .calibration import reliability_bins
from .metrics import BOOTSTRAP_SAMPLES, CONFIDENCE, score

IntArray = npt.NDArray[np.int64]
Progress = Callable[[str], None]

_OPINION_SOURCE = "opinion"


@dataclass(frozen=True)
class TestSet:
    """Texts and true class ids; ``allowed`` are the only labels that a system may answer."""

    __test__ = False  # not a test class, whatever its name

    name: str
    texts: list[str]
    labels: IntArray
    description: str
    allowed: tuple[int, ...] = tuple(range(len(LABELS)))


def _test_set(name: str, examples: Sequence[Example], description: str) -> TestSet:
    labels = np.array([LABEL2ID[example.label] for example in examples], dtype=np.int64)
    return TestSet(name, [example.text for example in examples], labels, description)


def _official_emot_test() -> TestSet:
    """Return all 440 rows of EmoT's test split, with its labels mapped to ours."""
    rows = [row for row in read_source("emot") if row.split == "test"]
    names = [map_source_label(row.source_label) or "" for row in rows]
    return TestSet(
        EMOT_OFFICIAL_SET,
        [row.text for row in rows],
        np.array([LABEL2ID[name] for name in names], dtype=np.int64),
        "EmoT's official test split, every row, love counted as happy",
    )


def _unseen_opinion(corpus: MergedCorpus) -> list[Example]:
    seen = {grouping_key(example.text) for example in corpus.examples}
    return [
        example
        for example in evaluation_examples(_OPINION_SOURCE)
        if grouping_key(example.text) not in seen
    ]


def build_test_sets(corpus: MergedCorpus) -> list[TestSet]:
    """Return the protocol's test sets for a merged corpus.

    Raises:
        CorpusError: a file of EmoT or of the opinion tweets is missing or damaged.
    """
    test = corpus.split("test")
    sets = [_test_set(MAIN_SET, test, "the merged test split")]
    if "emot" in corpus.options.sources:
        sets.append(_official_emot_test())
    for source in corpus.options.sources:
        rows = [example for example in test if example.source == source]
        if rows:
            description = f"{get_source(source).title}: its rows in the merged test split"
            sets.append(_test_set(f"{source}/test", rows, description))
    opinion = _unseen_opinion(corpus)
    sets.append(_test_set(OPINION_SET, opinion, "tweets of another origin, never trained on"))
    four = [example for example in opinion if example.label != "neutral"]
    whole = _test_set(
        OPINION_FOUR_SET, four, "those of them with an emotion, systems choosing among the four"
    )
    allowed = tuple(sorted({LABEL2ID[example.label] for example in four}))
    sets.append(TestSet(whole.name, whole.texts, whole.labels, whole.description, allowed))
    return sets


def train_baselines(corpus: MergedCorpus) -> dict[str, System]:
    """Train the baselines on the rows that our model was trained on."""
    train = corpus.split("train")
    texts = [example.text for example in train]
    labels = np.array([LABEL2ID[example.label] for example in train], dtype=np.int64)
    return {
        LINEAR_SYSTEM: TfidfSVC(texts, labels),
        KEYWORD_SYSTEM: KeywordRule(labels),
        MAJORITY_SYSTEM: MajorityClass(labels),
    }


class ProbabilitySystem:
    """Adapts a classifier's ``predict_proba`` to :class:`System`."""

    def __init__(self, predict_proba: Callable[[Sequence[str]], npt.NDArray[np.float32]]) -> None:
        self._predict_proba = predict_proba

    def scores(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return probabilities, shape (n, 5)."""
        return np.asarray(self._predict_proba(texts), dtype=np.float64)


def _evaluate_one(
    system: System, test_set: TestSet, labels: Sequence[str], samples: int
) -> dict[str, Any]:
    scores = np.asarray(system.scores(test_set.texts))
    allowed = np.array(test_set.allowed)
    predicted = allowed[scores[:, allowed].argmax(1)]
    probabilities = None
    if isinstance(system, ProbabilitySystem) and len(allowed) == len(labels):
        probabilities = scores
    scored = score(test_set.labels, predicted, labels, probabilities, samples)
    if probabilities is not None:
        scored["reliability"] = reliability_bins(test_set.labels, probabilities)
    return scored


def evaluate_systems(
    systems: Mapping[str, System],
    test_sets: Sequence[TestSet],
    *,
    labels: Sequence[str] = LABELS,
    samples: int = BOOTSTRAP_SAMPLES,
    progress: Progress = lambda line: None,
) -> dict[str, Any]:
    """Score every system on every test set.

    Args:
        systems: by name; those with probabilities as :class:`ProbabilitySystem`.
        test_sets: all of the same labels.
        labels: class names by id, where a task has its own.
        samples: bootstrap samples.
        progress: told of each test set.

    Returns:
        The ``evaluation`` part of ``metrics.json``: of every set and system what
        :func:`~memotions_hf.evaluation.metrics.score` returns, and where there are probabilities
        their ``reliability``, as :func:`~memotions_hf.evaluation.calibration.reliability_bins`
        returns it.
    """
    sets: dict[str, Any] = {}
    for test_set in test_sets:
        progress(f"{test_set.name}: {len(test_set.texts):,} rows")
        sets[test_set.name] = {
            "rows": len(test_set.texts),
            "description": test_set.description,
            "systems": {
                name: _evaluate_one(system, test_set, labels, samples)
                for name, system in systems.items()
            },
        }
    return {
        "labels": list(labels),
        "bootstrap": {"samples": samples, "confidence": CONFIDENCE},
        "sets": sets,
    }
