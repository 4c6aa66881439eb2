"""explain(): spans of the original text, and contributions by occlusion."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memotions_hf import EmotionClassifier
from memotions_hf.errors import InputError
from memotions_hf.inference.explanation import Word, group_words

PIECES = [
    "aku", "sediiiih", "nggak", "@budi_99", "https://contoh.id/a?b=c", "a.b@surat.co.id", ":(",
    ":)", "<3", "t_t", "!!!", "...", "…", "😭😭", "❤️", "👍🏽", "👨\u200d👩", "0812 3456 7890",
    "10.000", "½", "ﬁne", "e\u0301", "\u200b", "\ud83d", "\x00", "[USERNAME]", "#hariIni", "Jum'at",
    "İ", "한국어", " ", "  ", "\n", "\t", ",", "<pad>", "<user>", "(", ")", "İİ", "ǅ", "ß", "٣",
    "👨\u200d👩\u200d👧", "👩🏽\u200d💻", "🇮🇩", "🇮", "1️⃣",
    "🏴\U000e0067\U000e0062\U000e007f", "❤️\u200d🔥", "👍🏿", "\u0301", "\u20e3", "\u200d", "\ufe0f",
    "ａｋｕ　１", "سلام", "שלום", "\u202e", "\u1112\u1161\u11ab", "क्षि",
    "ﷺ", "Ⅳ", "①", "⁉️", "!️", "kata" * 60, "z" * 300, "www.a.id/😭", "<url>",
    "[URL]", "<3", "a\u0308\u0323\u0334", "\ufeff", "\u00ad", "ŉ", "𝓪",
]  # fmt: skip
mixed = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)


@given(text=st.one_of(mixed, anything))
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_spans_are_ordered_and_in_bounds(toy_classifier: EmotionClassifier, text: str) -> None:
    try:
        words = toy_classifier.explain(text)
    except InputError:
        return
    end = 0
    for word in words:
        assert end <= word.start < word.end <= len(text)
        assert word.token == text[word.start : word.end]
        assert -1 <= word.contribution <= 1
        assert word.token == word.token.strip()
        end = word.end


# Characters of several code points, which a page would show torn where a span ends inside one.
WHOLE = [
    "👨\u200d👩\u200d👧", "👩🏽\u200d💻", "🤷🏻\u200d♀️", "🏳️\u200d🌈", "❤️\u200d🔥", "🇮🇩",
    "👍🏿", "❤️", "1️⃣", "🏴\U000e0067\U000e0062\U000e007f", "e\u0301", "a\u0308\u0323", "क्षि",
    "\u1112\u1161\u11ab", "😭\u0301",
]  # fmt: skip


@given(
    before=st.sampled_from(["", "aku ", "aku", "😭", "🇲🇾", "!", "\t", "(", "a."]),
    character=st.sampled_from(WHOLE),
    after=st.sampled_from(["", " sedih", "sedih", "😭", "🇸🇬", "!", "\n", ")"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_span_ends_inside_a_character(
    toy_classifier: EmotionClassifier, before: str, character: str, after: str
) -> None:
    start, end = len(before), len(before) + len(character)
    words = toy_classifier.explain(before + character + after)
    assert any(word.start <= start and end <= word.end for word in words)
    for word in words:
        assert not start < word.start < end
        assert not start < word.end < end


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hari ini aku gagal", ["Hari", "ini", "aku", "gagal"]),
        ("halo @budi_99, apa kabar", ["halo", "@budi_99", "apa", "kabar"]),
        ("[USERNAME] sini", ["[USERNAME]", "sini"]),
        ("cek (https://contoh.id/a?b=c) ya", ["cek", "https://contoh.id/a?b=c)", "ya"]),
        ("surel a.b@surat.co.id dong", ["surel", "a.b@surat.co.id", "dong"]),
        ("telepon 0812 3456 7890 ya", ["telepon", "0812 3456 7890", "ya"]),
        ("capeeeeek kabaaaaarrr!!!", ["capeeeeek", "kabaaaaarrr", "!!!"]),
        ("aku capek... banget", ["aku", "capek", "...", "banget"]),
        ("senang :) sedih :'(", ["senang", ":)", "sedih", ":'("]),
        ("😭😭 suka ❤️ 👍🏽", ["😭", "😭", "suka", "❤️", "👍🏽"]),
        ("bayar 10.000,50 saja", ["bayar", "10.000,50", "saja"]),
        ("Jum'at #hariIni", ["Jum'at", "hariIni"]),
        ("aku,kamu", ["aku", "kamu"]),
        ("se\u200bdih \ud83d \x00ya", ["se\u200bdih", "ya"]),
        ("caf\u00e9 cafe\u0301", ["caf\u00e9", "cafe\u0301"]),
        ("½ jam", ["½", "jam"]),
        ("ha <user> hi", ["ha", "<user>", "hi"]),
        ("suka <3 <3<3 (<3)", ["suka", "<3", "<3", "<3", "<3"]),
        ("👨\u200d👩\u200d👧🇮🇩🇲🇾🇮 halo", ["👨\u200d👩\u200d👧", "🇮🇩", "🇲🇾", "🇮", "halo"]),
        ("aku\tke\u3000ｐａｓａｒ\n1️⃣ kali‼️", ["aku", "ke", "ｐａｓａｒ", "1️⃣", "kali", "‼️"]),
        ("سلام \u202eaku\u202c שלום", ["سلام", "aku\u202c", "שלום"]),
    ],
)
def test_spans_are_whole_pieces(
    toy_classifier: EmotionClassifier, text: str, tokens: list[str]
) -> None:
    assert [word.token for word in toy_classifier.explain(text)] == tokens


def test_contributions_are_what_leaving_the_word_out_changes(
    toy_classifier: EmotionClassifier,
) -> None:
    full = toy_classifier.predict_proba("aku senang banget")[0]
    words = toy_classifier.explain("aku senang banget", label="marah")
    without = toy_classifier.predict_proba(["senang banget", "aku banget", "aku senang"])
    expected = full[3] - without[:, 3]
    assert [word.contribution for word in words] == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_predicted_class_is_explained_by_default(toy_classifier: EmotionClassifier) -> None:
    text = "Kesel banget sama dia"
    best = toy_classifier(text)[0]["label"]
    assert toy_classifier.explain(text) == toy_classifier.explain(text, label=best)
    with pytest.raises(InputError, match="unknown label"):
        toy_classifier.explain(text, label="bingung")


def test_words_beyond_the_length_that_is_read_are_left_out(
    toy_classifier: EmotionClassifier,
) -> None:
    words = toy_classifier.explain("aku " * 500)
    assert [word.token for word in words] == ["aku"] * toy_classifier.config.max_length


def test_many_words_are_joined_to_phrases() -> None:
    words = [Word(4 * n, 4 * n + 3, 2 * n, 2 * n + 2) for n in range(10)]
    assert group_words(words, 10) == words
    assert group_words(words, 4) == [
        Word(0, 11, 0, 6),
        Word(12, 23, 6, 12),
        Word(24, 35, 12, 18),
        Word(36, 39, 18, 20),
    ]
    assert group_words([], 4) == []
