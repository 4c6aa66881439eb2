"""Measure whether explain() names the words that count, and how a journal entry is best summed up.

    python benchmarks/explanation.py [--rows 300] [--model FOLDER]

Needs the corpus files (MEMOTIONS_MIRROR) and the data extra; some minutes on two cores. Writes
benchmarks/results/explanation.json and prints it as tables:

- faithfulness, on a fixed sample of test rows: how far the predicted label's probability falls
  without the fifth of the words that explain() puts first, and with these words alone, beside as
  many words chosen at random (the mean of several draws), the first ones, the longest ones, and
  those that explain() puts last;
- overall_answer, on validation rows of two sentences or more: the answer to the whole text beside
  averages of the answers to its sentences;
- long_entries, validation rows joined to entries longer than the model reads at once, half of them
  of one label: the answer to the beginning beside analyze_journal();
- thoughts, on validation rows whose marks and capitals are removed: how often split_thoughts() cuts
  where the writer had put a mark, beside any gap between two words.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from memotions_hf import LABELS, EmotionClassifier
from memotions_hf.cards.tables import markdown_table
from memotions_hf.corpus import load_corpus
from memotions_hf.evaluation.metrics import BOOTSTRAP_SAMPLES, CONFIDENCE, SEED, intervals
from memotions_hf.inference.explanation import WordContribution
from memotions_hf.inference.journal import split_sentences, split_thoughts

RESULT = Path(__file__).parent / "results" / "explanation.json"
EXPLAINED = ("journal", "dair-emotion-id")
SUMMED_UP = ("journal", "emot", "prdect")
PARTS = ("deleted", "kept")
SHARE, MIN_WORDS, DRAWS = 0.2, 5, 10
LONG_ENTRIES, ROWS_OF_ONE = 100, 40
_MARKS = r"[^\w\s'’-]"

FloatArray = npt.NDArray[np.float64]
Words = Sequence[WordContribution]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=300, help="explained rows of each source")
    parser.add_argument("--model", help="model folder; default: the bundled model")
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()

    classifier = EmotionClassifier.from_pretrained(args.model)
    journal = list(load_corpus("journal", "validation"))
    result = {
        "deleted_share": SHARE,
        "random_draws": DRAWS,
        "bootstrap": {"samples": BOOTSTRAP_SAMPLES, "confidence": CONFIDENCE},
        "faithfulness": {
            name: faithfulness(classifier, load_corpus(name, "test")["text"], args.rows)
            for name in EXPLAINED
        },
        "overall_answer": {
            name: overall_answer(classifier, load_corpus(name, "validation")) for name in SUMMED_UP
        },
        "long_entries": long_entries(classifier, journal),
        "thoughts": thoughts([row["text"] for row in journal]),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("\n\n".join((faithfulness_table(result), overall_table(result), rest_table(result))))


def faithfulness(classifier: EmotionClassifier, texts: Sequence[str], rows: int) -> dict[str, Any]:
    """Return what deleting and keeping words does to the predicted label, each way of choosing."""
    rng = random.Random(SEED)
    falls = [
        fall
        for text in rng.sample(texts, min(rows, len(texts)))
        if (fall := falls_of_one(classifier, text, rng)) is not None
    ]
    values = {name: np.array([fall[name] for fall in falls]) for name in falls[0]}
    deleted = {name: value[:, 0] for name, value in values.items()}
    return {
        "rows": len(falls),
        "deleted": {name: mean(value) for name, value in deleted.items()},
        "kept": {name: mean(value[:, 1]) for name, value in values.items()},
        "gap": mean(deleted["explain"] - deleted["random"]),
        "times_random": times(deleted["explain"], deleted["random"]),
    }


def falls_of_one(
    classifier: EmotionClassifier, text: str, rng: random.Random
) -> dict[str, FloatArray] | None:
    """Return of each choice the fall of the probability without its words, and with them alone."""
    words = classifier.explain(text)
    if len(words) < MIN_WORDS:
        return None
    choices = choices_of(words, max(1, round(SHARE * len(words))), rng)
    flat = [chosen for draws in choices.values() for chosen in draws]
    everything = set(range(len(words)))
    variants = [without(text, words, chosen) for chosen in flat]
    variants += [without(text, words, everything.difference(chosen)) for chosen in flat]
    rows = classifier.predict_proba([text, *variants])
    fall = (rows[0].max() - rows[1:, rows[0].argmax()]).astype(np.float64).reshape(2, -1)
    ends = np.cumsum([len(draws) for draws in choices.values()])
    parts = np.split(fall, ends[:-1], axis=1)
    return {name: part.mean(axis=1) for name, part in zip(choices, parts, strict=True)}


def choices_of(words: Words, count: int, rng: random.Random) -> dict[str, list[list[int]]]:
    """Return the words that each way chooses, by their numbers; for chance, one list a draw."""
    numbers = range(len(words))
    by_weight = sorted(numbers, key=lambda number: -words[number].contribution)
    by_length = sorted(numbers, key=lambda number: -len(words[number].token))
    return {
        "explain": [by_weight[:count]],
        "random": [rng.sample(numbers, count) for _ in range(DRAWS)],
        "first": [list(numbers[:count])],
        "longest": [by_length[:count]],
        "explain_last": [by_weight[-count:]],
    }


def without(text: str, words: Words, chosen: Iterable[int]) -> str:
    """Return a text without some words; white space keeps their neighbours apart."""
    for number in sorted(chosen, reverse=True):
        text = f"{text[: words[number].start]} {text[words[number].end :]}"
    return text


def overall_answer(classifier: EmotionClassifier, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return how often each way to sum up a text of several sentences is right."""
    labels, answers = [], []
    for row in rows:
        parts = [row["text"][start:end] for start, end in split_sentences(row["text"])]
        parts = [part for part in parts if re.search(r"\w", part)]
        if len(parts) > 1:
            labels.append(row["label"])
            probabilities = classifier.predict_proba([row["text"], *parts]).astype(np.float64)
            answers.append([way(probabilities, parts) for way in WAYS.values()])
    truth, found = np.array(labels), np.array(answers)
    ways = {name: scores(truth, found[:, number]) for number, name in enumerate(WAYS)}
    return {"rows": len(truth), "ways": ways}


def weighted_mean(probabilities: FloatArray, parts: Sequence[str]) -> FloatArray:
    """Return the mean answer to the sentences, each counting with its number of words."""
    counts = [len(part.split()) for part in parts]
    return np.asarray(np.average(probabilities[1:], axis=0, weights=counts))


WAYS: dict[str, Callable[[FloatArray, Sequence[str]], FloatArray]] = {
    "whole_text": lambda probabilities, parts: probabilities[0],
    "mean": lambda probabilities, parts: probabilities[1:].mean(axis=0),
    "mean_by_length": weighted_mean,
    "whole_text_and_mean_by_length": lambda probabilities, parts: (
        (probabilities[0] + weighted_mean(probabilities, parts)) / 2
    ),
    "last_sentence": lambda probabilities, parts: probabilities[-1],
}


def scores(truth: npt.NDArray[np.int64], probabilities: FloatArray) -> dict[str, Any]:
    """Return accuracy and macro-F1 with intervals, and the mean negative log likelihood."""
    rows = intervals(truth, probabilities.argmax(axis=1), len(LABELS))
    chosen = probabilities[np.arange(len(truth)), truth]
    return {
        "macro_f1": as_interval(rows[0]),
        "accuracy": as_interval(rows[1]),
        "log_loss": round(float(-np.log(np.maximum(chosen, 1e-9)).mean()), 4),
    }


def long_entries(classifier: EmotionClassifier, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how often the label of half an entry is found in its beginning, and in all of it."""
    rng = random.Random(SEED)
    labels = [rng.randrange(len(LABELS)) for _ in range(LONG_ENTRIES)]
    entries = []
    for label in labels:
        own = [row["text"] for row in rows if row["label"] == label]
        other = [row["text"] for row in rows if row["label"] != label]
        texts = rng.choices(own, k=ROWS_OF_ONE // 2) + rng.choices(other, k=ROWS_OF_ONE // 2)
        entries.append("\n".join(rng.sample(texts, len(texts))))
    truth = np.array(labels)
    beginning = classifier.predict_proba(entries).astype(np.float64)
    analyses = [classifier.analyze_journal(entry).scores for entry in entries]
    whole = np.array([[answer[label] for label in LABELS] for answer in analyses])
    return {
        "entries": LONG_ENTRIES,
        "ways": {"beginning": scores(truth, beginning), "all_parts": scores(truth, whole)},
    }


def thoughts(texts: Iterable[str]) -> dict[str, Any]:
    """Return how often a cut falls where a mark was, in texts whose marks are removed."""
    at_cuts: list[bool] = []
    at_gaps: list[bool] = []
    for text in texts:
        written = [word for word in text.split() if re.search(r"\w", word)]
        has_mark = [re.search(rf"{_MARKS}\Z", word) is not None for word in written[:-1]]
        bare = [re.sub(_MARKS, "", word).lower() for word in written]
        plain = " ".join(bare)
        cuts = [plain[:start].count(" ") for start, _ in split_thoughts(plain)[1:]]
        at_cuts += [has_mark[cut - 1] for cut in cuts]
        at_gaps += has_mark if len(written) >= 20 else []
    return {
        "cuts": len(at_cuts),
        "at_a_mark": mean(np.array(at_cuts, float)),
        "any_gap_at_a_mark": mean(np.array(at_gaps, float)),
    }


def mean(values: FloatArray) -> dict[str, Any]:
    """Return a mean with its bootstrap interval."""
    drawn = resampled(len(values), lambda rows: float(values[rows].mean()))
    return as_interval([float(values.mean()), *drawn])


def times(values: FloatArray, others: FloatArray) -> dict[str, Any]:
    """Return how many times one mean is another one, with its bootstrap interval."""
    drawn = resampled(len(values), lambda rows: float(values[rows].mean() / others[rows].mean()))
    return as_interval([float(values.mean() / others.mean()), *drawn])


def resampled(size: int, statistic: Callable[[npt.NDArray[np.int64]], float]) -> FloatArray:
    rng = np.random.default_rng(SEED)
    drawn = [statistic(rng.integers(0, size, size)) for _ in range(BOOTSTRAP_SAMPLES)]
    tail = (1 - CONFIDENCE) / 2
    return np.quantile(drawn, [tail, 1 - tail])


def as_interval(values: Iterable[float]) -> dict[str, Any]:
    value, low, high = (round(float(number), 4) for number in values)
    return {"value": value, "interval": [low, high]}


def faithfulness_table(result: dict[str, Any]) -> str:
    """Return how far the probability falls, by source and way of choosing words, as Markdown."""
    names = {
        "explain": "the words that `explain()` puts first",
        "random": "as many at random",
        "first": "the first words",
        "longest": "the longest words",
        "explain_last": "the words that `explain()` puts last",
    }
    sources = result["faithfulness"]
    header = [""]
    for name in sources:
        header += [f"{name}: left out", f"{name}: kept alone"]
    rows = [
        [text, *(shown(source[part][way]) for source in sources.values() for part in PARTS)]
        for way, text in names.items()
    ]
    ratio = ["`explain()`'s fall, times that of chance"]
    for source in sources.values():
        ratio += [shown(source["times_random"], 1), ""]
    return markdown_table(header, [*rows, ratio])


def overall_table(result: dict[str, Any]) -> str:
    """Return the accuracy of each way to sum up a text, by source, as Markdown."""
    sources = result["overall_answer"]
    header = ["", *(f"{name} ({source['rows']:,} rows)" for name, source in sources.items())]
    rows = [
        [
            way.replace("_", " "),
            *(shown(part["ways"][way]["accuracy"]) for part in sources.values()),
        ]
        for way in WAYS
    ]
    return markdown_table(header, rows)


def rest_table(result: dict[str, Any]) -> str:
    """Return the figures of long entries and of texts without marks, as Markdown."""
    ways, cuts = result["long_entries"]["ways"], result["thoughts"]
    return markdown_table(
        ["", "share"],
        [
            ["long entries: right from their beginning", shown(ways["beginning"]["accuracy"])],
            ["... from all their parts", shown(ways["all_parts"]["accuracy"])],
            ["cuts of texts without marks where a mark was", shown(cuts["at_a_mark"])],
            ["... any two words with a mark between", shown(cuts["any_gap_at_a_mark"])],
        ],
    )


def shown(value: dict[str, Any], digits: int = 3) -> str:
    low, high = value["interval"]
    return f"{value['value']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()
