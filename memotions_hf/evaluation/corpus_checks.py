"""What a corpus does to a score: how much a leak inflates it, and how far one source carries.

Both are measured with TF-IDF and a linear SVC, the same small model everywhere, in one run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..corpus.merge import Example, MergedCorpus, MergeOptions, merge
from ..corpus.naive import NAIVE_SOURCES, naive_concatenation
from ..corpus.near_duplicates import group_near_duplicates
from ..corpus.sources import kin
from ..labels import LABEL2ID, LABELS
from ..text import grouping_key
from .baselines import IntArray, TfidfSVC
from .metrics import macro_f1

MODEL = "TF-IDF + linear SVC"
Progress = Callable[[str], None]


def _labels(examples: Sequence[Example]) -> IntArray:
    return np.array([LABEL2ID[example.label] for example in examples], dtype=np.int64)


def _train(examples: Sequence[Example]) -> TfidfSVC:
    return TfidfSVC([example.text for example in examples], _labels(examples))


def _predict(model: TfidfSVC, examples: Sequence[Example]) -> IntArray:
    scores = model.scores([example.text for example in examples])
    return np.asarray(scores.argmax(1), dtype=np.int64)


def _score(true: IntArray, predicted: IntArray) -> dict[str, Any]:
    """Return accuracy, and macro-F1 over the labels that the test rows have."""
    return {
        "test_rows": len(true),
        "accuracy": round(float((true == predicted).mean()), 4),
        "macro_f1": round(macro_f1(true, predicted, len(LABELS)), 4),
    }


def _has_copy(test: Sequence[Example], train: Sequence[Example]) -> list[bool]:
    """Tell for each test row whether a text equal or near-equal to it is in train."""
    keys = [grouping_key(example.text) for example in (*train, *test)]
    groups = group_near_duplicates(keys).groups
    seen = set(groups[: len(train)])
    return [group in seen for group in groups[len(train) :]]


def measure_leak(options: MergeOptions | None = None, progress: Progress = print) -> dict[str, Any]:
    """Score one model on the naive concatenation and on the leak-free merge of the same sources.

    Each is trained on its own training rows and tested on its own test rows; those of the naive
    one are scored apart by whether their text, or a near-equal one, is among its training rows.

    Raises:
        CorpusError: a file of a source is missing or damaged.
        MissingExtraError: scikit-learn is not installed.
    """
    options = options or MergeOptions()
    progress("the naive concatenation")
    naive = naive_concatenation(options)
    train, test = naive.split("train"), naive.split("test")
    predicted, true = _predict(_train(train), test), _labels(test)
    copied = np.array(_has_copy(test, train))
    progress("the leak-free merge of the same sources")
    same = tuple(name for name in options.sources if name in (*NAIVE_SOURCES, "kaggle-emotions"))
    clean = merge(replace(options, sources=same))
    clean_test = clean.split("test")
    leak_free = _score(_labels(clean_test), _predict(_train(clean.split("train")), clean_test))
    whole = _score(true, predicted)
    return {
        "model": MODEL,
        "sources": list(same),
        "naive": whole,
        "naive_test_rows_with_a_copy_in_train": int(copied.sum()),
        "naive_seen": _score(true[copied], predicted[copied]),
        "naive_unseen": _score(true[~copied], predicted[~copied]),
        "leak_free": leak_free,
        "inflation": {
            key: round(whole[key] - leak_free[key], 4) for key in ("accuracy", "macro_f1")
        },
    }


def measure_manner(corpus: MergedCorpus, progress: Progress = print) -> dict[str, Any]:
    """Score one model on journal entries and diary rows, trained on them and on other sources.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    journal = [example for example in corpus.examples if example.source == "journal"]
    diary = [e for e in corpus.examples if e.source == "dair-emotion-id"]
    others = [example for example in corpus.examples if example.source not in kin("journal")]
    train = [example for example in journal if example.split == "train"]
    tests = {
        "journal/test": [example for example in journal if example.split == "test"],
        "every row of dair-emotion-id": diary,
    }
    rows = []
    progress("trained on the journal")
    model = _train(train)
    for name, test in tests.items():
        rows.append(_manner_row("journal/train", len(train), name, model, test))
    progress("trained on every other source")
    model = _train(others)
    rows.append(
        _manner_row("every other source", len(others), "every row of journal", model, journal)
    )
    return {"model": MODEL, "rows": rows}


def _manner_row(
    trained_on: str, training_rows: int, tested_on: str, model: TfidfSVC, test: Sequence[Example]
) -> dict[str, Any]:
    score = _score(_labels(test), _predict(model, test))
    return {
        "trained_on": trained_on,
        "training_rows": training_rows,
        "tested_on": tested_on,
        **score,
    }
