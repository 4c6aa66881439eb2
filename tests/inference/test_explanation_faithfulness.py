"""explain() of the bundled model names the words that its answers rest on."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from memotions_hf import EmotionClassifier
from memotions_hf.corpus import read_source
from memotions_hf.inference import WordContribution

ROWS, DRAWS, MIN_WORDS = 60, 3, 8


@pytest.fixture(scope="module")
def falls() -> dict[str, list[float]]:
    """How far the answer's probability falls without the first, the last and random words."""
    classifier = EmotionClassifier.from_pretrained()
    rng = random.Random(8)
    texts = [row.text for row in read_source("journal") if row.split == "test"]
    found: dict[str, list[float]] = {"first": [], "last": [], "random": []}
    for text in rng.sample(texts, ROWS):
        words = classifier.explain(text)
        if len(words) < MIN_WORDS:
            continue
        count = round(len(words) / 5)
        order = sorted(range(len(words)), key=lambda number: -words[number].contribution)
        chosen = [order[:count], order[-count:]]
        chosen += [rng.sample(order, count) for _ in range(DRAWS)]
        rows = classifier.predict_proba([text, *(without(text, words, some) for some in chosen)])
        fall = rows[0].max() - rows[1:, rows[0].argmax()]
        for name, value in zip(found, (fall[0], fall[1], fall[2:].mean()), strict=True):
            found[name].append(float(value))
    return found


def without(text: str, words: Sequence[WordContribution], chosen: Iterable[int]) -> str:
    for number in sorted(chosen, reverse=True):
        text = f"{text[: words[number].start]} {text[words[number].end :]}"
    return text


def test_the_sample_is_not_a_handful(falls: dict[str, list[float]]) -> None:
    assert len(falls["first"]) >= ROWS * 0.8


def test_without_the_first_fifth_the_probability_falls_far_more_than_without_any_fifth(
    falls: dict[str, list[float]],
) -> None:
    first, chance = (float(np.mean(falls[name])) for name in ("first", "random"))
    assert first > 0.2
    assert first > 3 * max(chance, 0.01)


def test_without_the_last_fifth_it_falls_less_than_without_any_fifth(
    falls: dict[str, list[float]],
) -> None:
    assert np.mean(falls["last"]) < np.mean(falls["random"])
