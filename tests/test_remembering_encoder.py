"""Remembered words give the ids that the tokenizer itself gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import memotions_hf
from memotions_hf import tokenization
from memotions_hf.corpus.rows import read_source
from memotions_hf.tokenization import RememberingEncoder, encode_batch, load_tokenizer

TOKENIZER = load_tokenizer(Path(memotions_hf.__file__).parent / "bundled" / "memotions-bilstm")
# What the normaliser looks for, in parts, so that spaces fall between them, and plain words.
PIECES = (
    *("kata", "Aku", "capeeek", "xd", "t", "_", ".", "..", "...", "…", "!", "?", "?!", ",", ";"),
    *(":", ")", "(", "'(", ":-", "^", "<", ">", "3", "<3", "=", "/", "//", "www.", "http:", "com"),
    *(".id", "co", "@", "#", "[", "]", "url", "[url]", "<user>", "<pad>", "<unk>", "[name]", "-"),
    *(
        "0",
        "08",
        "0812",
        "345",
        "6789",
        "+62",
        "8",
        "(021)",
        "teman2",
        "2",
        "a1",
        "😭",
        "👍🏽",
        "👨‍👩‍👧",
    ),
    *(
        "❤️",
        "\u0301",
        "é",
        "ｆｕｌｌ",
        "ﬁ",
        "\u200b",
        "\n",
        "\t",
        "\u00a0",
        "\u3000",
        "\ud800",
        " ",
        "  ",
    ),
)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example("08 12 345 6789")
@example("a-08123 456 7890")
@example("kata <pad> kata")
def test_any_mix_is_encoded_alike(text: str) -> None:
    texts = [text, text.replace("kata", "kata ")]
    encoder = RememberingEncoder(TOKENIZER)
    for _ in range(2):  # once learning, once from memory
        assert encoder(texts, 64) == encode_batch(TOKENIZER, texts, 64)


@given(st.lists(st.text(max_size=40), max_size=4))
def test_any_text_is_encoded_alike(texts: list[str]) -> None:
    assert RememberingEncoder(TOKENIZER)(texts, 64) == encode_batch(TOKENIZER, texts, 64)


def test_the_journal_is_encoded_alike_and_mostly_from_memory() -> None:
    texts = [row.text for row in read_source("journal")]
    encoder = RememberingEncoder(TOKENIZER)
    assert encoder(texts, 512) == encode_batch(TOKENIZER, texts, 512)
    plain = ["hari ini aku pulang lebih awal", "kata-kata itu, ya (lagi?)", 'bilang "iya"!! 😭']
    encoder(plain, 512)
    assert all(encoder._from_memory(text, 512) for text in plain)


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenization, "_MAX_REMEMBERED", 10)
    encoder = RememberingEncoder(TOKENIZER)
    texts = [f"{letter * 2} kata" for letter in "abcdefghijklmnopqrstuvw"]
    for text in texts:
        assert encoder([text], 8) == encode_batch(TOKENIZER, [text], 8)
        assert len(encoder._ids) <= 13


def test_no_texts_and_empty_texts() -> None:
    assert RememberingEncoder(TOKENIZER)([], 8) == []
    assert RememberingEncoder(TOKENIZER)(["", "   ", "aku"], 8) == encode_batch(
        TOKENIZER, ["", "   ", "aku"], 8
    )
