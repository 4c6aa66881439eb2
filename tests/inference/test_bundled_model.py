"""How the bundled model answers plain sentences."""

from __future__ import annotations

import pytest

from memotions_hf import LABELS, EmotionClassifier


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    return EmotionClassifier.from_pretrained()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Aku sedih banget, rasanya pengen nangis terus sejak dia pergi", "sad"),
        ("Senang banget hari ini, akhirnya aku lulus! Terima kasih semuanya", "happy"),
        ("Kesel banget sama dia, bohong terus, bikin emosi aja!", "anger"),
        ("Aku takut banget, jantungku deg-degan dan tanganku gemetar", "fear"),
        ("Tadi pagi aku naik bus ke kantor, lalu rapat sampai jam dua belas siang", "neutral"),
    ],
)
def test_plain_sentences(classifier: EmotionClassifier, text: str, label: str) -> None:
    assert classifier(text)[0]["label"] == label


def test_mixed_feelings_answer(classifier: EmotionClassifier) -> None:
    text = "akhirnya skripsiku di-ACC, nangis saking leganya"
    assert classifier(text)[0]["label"] in LABELS
    assert classifier(text, threshold=0.2)
    assert "nangis" in [word.token for word in classifier.explain(text)]


def test_negation_changes_the_answer(classifier: EmotionClassifier) -> None:
    happy = LABELS.index("happy")
    yes, no = classifier.predict_proba(["aku bahagia", "aku tidak bahagia"])
    assert no[happy] < yes[happy]


def test_the_feeling_word_speaks_for_the_answer(classifier: EmotionClassifier) -> None:
    words = classifier.explain("Hari ini aku takut sekali", label="fear")
    assert max(words, key=lambda word: word.contribution).token == "takut"


def test_a_journal_entry_with_two_moods(classifier: EmotionClassifier) -> None:
    entry = "Aku marah banget sama kakakku. Tapi malamnya ibu memelukku, aku bahagia sekali."
    labels = [sentence.label for sentence in classifier.analyze_journal(entry).sentences]
    assert labels == ["anger", "happy"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("aku gagal lagi 😭", "sad"),
        ("sumpah capek banget hari ini 😭😭", "sad"),
        ("lulus!! 😭😭", "happy"),
        ("takut banget sama besok 😭", "fear"),
    ],
)
def test_tears_leave_the_words_to_decide(
    classifier: EmotionClassifier, text: str, label: str
) -> None:
    assert classifier(text)[0]["label"] == label


def test_tears_alone_are_no_certain_joy(classifier: EmotionClassifier) -> None:
    assert classifier("😭😭😭")[0]["score"] < 0.9
