"""analyze_journal(): sentences and the whole entry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memotions_hf import LABELS, EmotionClassifier
from memotions_hf.inference.journal import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "Aku sedih. Besok ujian! Bisa nggak ya?",
            ["Aku sedih.", "Besok ujian!", "Bisa nggak ya?"],
        ),
        ("hari ini capek. besok libur", ["hari ini capek.", "besok libur"]),
        ("tanpa tanda baca sama sekali", ["tanpa tanda baca sama sekali"]),
        ("baris satu\nbaris dua\r\n\r\nbaris tiga", ["baris satu", "baris dua", "baris tiga"]),
        (
            "Aku ke dr. Rina di Jl. Melati No. 5 tadi.",
            ["Aku ke dr. Rina di Jl. Melati No. 5 tadi."],
        ),
        ("Baca hlm. 12 lalu tidur.", ["Baca hlm. 12 lalu tidur."]),
        ("Kubilang no. Dia diam.", ["Kubilang no.", "Dia diam."]),
        ("Beli sayur, tahu, dsb. untuk besok.", ["Beli sayur, tahu, dsb. untuk besok."]),
        ("Beli sayur, tahu, dsb. Lalu pulang.", ["Beli sayur, tahu, dsb.", "Lalu pulang."]),
        ("Aku... capek banget… sungguh", ["Aku... capek banget… sungguh"]),
        ("Aku capek... Besok saja.", ["Aku capek...", "Besok saja."]),
        ("Harganya 10.000 rupiah. Mahal.", ["Harganya 10.000 rupiah.", "Mahal."]),
        ("Jalan A. Yani macet.", ["Jalan A. Yani macet."]),
        ("1. Bangun pagi\n2. Mandi", ["1. Bangun pagi", "2. Mandi"]),
        ("Gagal lagi. 😭😭 Ya sudah.", ["Gagal lagi. 😭😭", "Ya sudah."]),
        ('Dia bilang "pergi!" Aku diam.', ['Dia bilang "pergi!"', "Aku diam."]),
        ("Serius?! Masa sih", ["Serius?!", "Masa sih"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in split_sentences(text)] == sentences


@given(st.text("aA1 .!?…\n\u2028😭\"')dr", max_size=60))
def test_spans_cover_everything_but_white_space(text: str) -> None:
    end = 0
    for start, stop in split_sentences(text):
        assert end <= start < stop
        assert not text[end:start].strip()
        end = stop
    assert not text[end:].strip()


def test_an_entry_is_answered_whole_and_by_sentence(toy_classifier: EmotionClassifier) -> None:
    entry = "Hari ini aku gagal lagi. ...\nTapi ibu masak sayur asem 🙂"
    analysis = toy_classifier.analyze_journal(entry)
    assert analysis.label == toy_classifier(entry)[0]["label"]
    assert [sentence.text for sentence in analysis.sentences] == [
        "Hari ini aku gagal lagi.",
        "Tapi ibu masak sayur asem 🙂",
    ]
    for sentence in analysis.sentences:
        assert entry[sentence.start : sentence.end] == sentence.text
        assert sentence.label == toy_classifier(sentence.text)[0]["label"]
        assert set(sentence.scores) == set(LABELS)
        assert sum(sentence.scores.values()) == pytest.approx(1, abs=1e-5)
