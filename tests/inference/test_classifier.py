"""EmotionClassifier: answers, batches, streams, and every way a call can be wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from memotions_hf import LABELS, EmotionClassifier
from memotions_hf.errors import InputError
from memotions_hf.inference.runtime import length_batches

TEXTS = [
    "Hari ini aku gagal lagi",
    "senang",
    "Aku takut pulang malam sendirian, gelap banget, nggak ada orang sama sekali di jalan",
    "kesel banget!",
    "Ibu masak sayur asem sama tempe goreng 🙂",
]


def test_one_text_answers_with_its_best_class(toy_classifier: EmotionClassifier) -> None:
    answer = toy_classifier(TEXTS[0])
    probabilities = toy_classifier.predict_proba(TEXTS[0])[0]
    assert answer == [
        {"label": LABELS[probabilities.argmax()], "score": pytest.approx(probabilities.max())}
    ]
    assert isinstance(answer[0]["score"], float)


def test_a_list_answers_as_the_transformers_pipeline_does(
    toy_classifier: EmotionClassifier,
) -> None:
    flat = toy_classifier(TEXTS)
    nested = toy_classifier(TEXTS, top_k=1)
    assert all(set(item) == {"label", "score"} for item in flat)
    assert nested == [[item] for item in flat]
    assert toy_classifier(TEXTS[:1]) == flat[:1]
    assert toy_classifier([]) == []
    assert toy_classifier([], top_k=None) == []


def test_top_k_is_sorted_and_none_is_every_class(toy_classifier: EmotionClassifier) -> None:
    scores = toy_classifier(TEXTS[0], top_k=None)
    assert {item["label"] for item in scores} == set(LABELS)
    assert [item["score"] for item in scores] == sorted(
        (item["score"] for item in scores), reverse=True
    )
    assert toy_classifier(TEXTS[0], top_k=2) == scores[:2]
    assert toy_classifier(TEXTS[0], top_k=99) == scores


def test_threshold_keeps_every_class_over_it(toy_classifier: EmotionClassifier) -> None:
    scores = toy_classifier(TEXTS[0], top_k=None)
    limit = scores[1]["score"]
    assert toy_classifier(TEXTS[0], threshold=limit) == scores[:1]
    assert toy_classifier(TEXTS[0], threshold=0) == scores
    assert toy_classifier(TEXTS[0], threshold=0, top_k=2) == scores[:2]
    assert toy_classifier(TEXTS[0], threshold=1) == []
    assert all(toy_classifier(TEXTS, threshold=0.2))  # the best of five is never under 0.2


def test_probabilities_are_rows_that_sum_to_one(toy_classifier: EmotionClassifier) -> None:
    probabilities = toy_classifier.predict_proba(TEXTS)
    assert probabilities.shape == (len(TEXTS), len(LABELS))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert toy_classifier.predict_proba([]).shape == (0, len(LABELS))


def test_order_is_kept_whatever_the_batches(toy_classifier: EmotionClassifier) -> None:
    texts = [" ".join(TEXTS[(3 * n) % 5 : (3 * n) % 5 + n % 4 + 1]) for n in range(67)]
    one_by_one = np.concatenate([toy_classifier.predict_proba(text) for text in texts])
    for batch_size in (1, 2, 7, 256):
        batched = toy_classifier.predict_proba(texts, batch_size=batch_size)
        np.testing.assert_allclose(batched, one_by_one, atol=1e-5)


def test_many_batches_at_once_answer_as_each_text_alone(toy_classifier: EmotionClassifier) -> None:
    words = ["aku", "senang", "sedih", "marah", "takut", "biasa", "saja", "hari", "ini"]
    texts = [
        " ".join((words * 20)[number % 7 : number % 7 + 1 + number % 90]) for number in range(400)
    ]
    alone = np.concatenate([toy_classifier.predict_proba(text) for text in texts])
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(toy_classifier.predict_proba, [texts, texts[::-1]] * 4))
    for answer in answers[::2]:
        np.testing.assert_allclose(answer, alone, atol=1e-6)
    for answer in answers[1::2]:
        np.testing.assert_allclose(answer[::-1], alone, atol=1e-6)


def test_batches_hold_every_text_once_within_the_budget() -> None:
    lengths = [5, 0, 512, 3, 90, 511, 90, 1]
    batches = list(length_batches(lengths, batch_size=3, token_budget=1024))
    assert sorted(itertools.chain(*batches)) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= 3
        assert len(batch) * max(lengths[position] for position in batch) <= 1024
    assert list(length_batches([900], 4, token_budget=100)) == [[0]]


def test_a_stream_is_read_little_by_little(toy_classifier: EmotionClassifier) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        for text in itertools.cycle(TEXTS):
            read += 1
            yield text

    answers = list(itertools.islice(toy_classifier.predict_stream(endless(), batch_size=2), 9))
    assert answers == toy_classifier(TEXTS + TEXTS[:4], batch_size=2)
    assert read <= 32

    read = 0
    next(toy_classifier.predict_stream(endless(), batch_size=1))
    assert read == 1


def test_blank_texts_keep_a_batch_aligned(toy_classifier: EmotionClassifier) -> None:
    texts = ["senang", "", "  \n", "...", "\u200b", "https://contoh.id/a", "@budi", "senang"]
    answers = toy_classifier(texts)
    assert answers[0] == answers[-1]
    assert answers[1:-1] == [{"label": None, "score": None}] * 6
    assert toy_classifier(texts, top_k=None)[1:-1] == [[]] * 6
    assert toy_classifier.predict_proba(texts).shape == (8, 5)
    assert toy_classifier(["", " "], threshold=0.2) == [[], []]


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u200b\u200d", "?!...", ",,;", "\x00"])
def test_one_text_with_nothing_to_read_is_refused(
    toy_classifier: EmotionClassifier, text: str
) -> None:
    for call in (toy_classifier, toy_classifier.explain, toy_classifier.analyze_journal):
        with pytest.raises(InputError, match="nothing to read"):
            call(text)


@pytest.mark.parametrize(
    "text",
    [
        "aku sedih " * 10_000,
        "a" * 100_000,
        "😭😂❤️👨‍👩‍👧🇮🇩",
        "한국어 日本語 العربية",
        "sedih \ud83d banget \udc00",
        "ha\x00lo\x07 \x1b[31mmerah",
        "e\u0301\u0323" * 50,
        "<pad> <unk> <user>",
        "12345",
    ],
    ids=[
        "long",
        "one-letter",
        "emoji",
        "scripts",
        "surrogates",
        "control",
        "marks",
        "ids",
        "digits",
    ],
)
def test_odd_texts_get_an_answer(toy_classifier: EmotionClassifier, text: str) -> None:
    assert toy_classifier(text)[0]["label"] in LABELS
    np.testing.assert_allclose(toy_classifier.predict_proba(text).sum(), 1, atol=1e-5)


@pytest.mark.parametrize("texts", [None, 3, b"halo", {"text": "halo"}, {"halo"}, 1.5])
def test_other_types_are_named(toy_classifier: EmotionClassifier, texts: Any) -> None:
    with pytest.raises(InputError, match="texts must be a str or a list of str, got"):
        toy_classifier(texts)
    with pytest.raises(InputError, match="got"):
        toy_classifier.predict_proba(texts)
    with pytest.raises(InputError, match="a text must be a str"):
        toy_classifier.explain(texts)


def test_the_place_of_a_wrong_text_is_named(toy_classifier: EmotionClassifier) -> None:
    with pytest.raises(InputError, match="position 2 is None"):
        toy_classifier(["a", "b", None])  # type: ignore[list-item]
    with pytest.raises(InputError, match="wrap it"):
        toy_classifier.predict_stream("halo")


@pytest.mark.parametrize(
    "arguments",
    [
        {"top_k": 0},
        {"top_k": -1},
        {"top_k": 1.5},
        {"top_k": "three"},
        {"top_k": True},
        {"threshold": -0.1},
        {"threshold": 1.1},
        {"threshold": float("nan")},
        {"threshold": "0.2"},
        {"batch_size": 0},
        {"batch_size": 2.0},
    ],
)
def test_arguments_out_of_range_are_named(
    toy_classifier: EmotionClassifier, arguments: dict[str, Any]
) -> None:
    name = next(iter(arguments))
    with pytest.raises(InputError, match=f"{name} must be"):
        toy_classifier(TEXTS, **arguments)
    with pytest.raises(InputError, match=f"{name} must be"):
        toy_classifier.predict_stream(TEXTS, **arguments)
    with pytest.raises(InputError, match=f"{name} must be"):
        toy_classifier(TEXTS[0], **arguments)


def test_properties(toy_classifier: EmotionClassifier) -> None:
    assert toy_classifier.labels == LABELS
    assert toy_classifier.config.max_length == 64
    assert "EmotionClassifier(" in repr(toy_classifier)
