"""What normalise() masks, joins and drops, and above all what it keeps."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from memotions_hf.text import (
    NORMALIZER_VERSION,
    PLACEHOLDERS,
    build_normalizer,
    grouping_key,
    normalise,
    to_valid_unicode,
)

GOLDEN = Path(__file__).with_name("normal_forms.json")
NASTY = [
    "",
    " \t\r\n",
    "\x00\x07\x1b[31m",
    "\ud800 \udfff",
    "a\u200bb\u200d\ufeffc",
    "\u202eterbalik\u202c",
    "👨‍👩‍👧‍👦👍🏽🇮🇩❤️‍🔥",
    "Z̷̢̛a̴l̵g̶o̷",
    "こんにちは 안녕 مرحبا привет",
    "<<url>> <user <pad> <unk> [URL]",
    "((((:((((",
    "ﷺ ﬁ ½ ① ㎏",
    "\U0010ffff\ue000\ufffe",
]
ANY_TEXT = st.text(st.characters(exclude_categories=()))
PIECES = [
    "aku", "tidak", "senang", "capeeek", "saat", "nggak", "jum'at", "teman2", "HARI", "Ｈａｌｏ",
    "😭", "😂😂", "👍🏽", "❤️", ":)", ":'(", "T_T", "<3", "!!!", "...", "?!", ",", "(", "]", "-",
    "https://contoh.id/a?b=c", "contoh.com", "@budi", "budi@contoh.id", "0812-3456-7890", "08.30",
    "#semangat", "[USERNAME]", "<url>", "<b>", "Rp100.000", "\n", "\u200b", "a\u0301", "&", "é",
]  # fmt: skip


def is_tidy(text: str) -> bool:
    """No control or format characters, single spaces between words, none at the ends."""
    hidden = any(unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs") for char in text)
    spaces = {char for char in text if char.isspace()} <= {" "}
    return not hidden and spaces and "  " not in text and text == text.strip(" ")


# Negation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        "tidak", "tdk", "tak", "gak", "nggak", "ngga", "ga", "g", "gk", "enggak", "engga", "kagak",
        "ndak", "nda", "bukan", "bkn", "belum", "blm", "jangan", "jgn", "tanpa", "anti", "mboten",
        "ora", "teu", "no", "not",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "template", ["{} bahagia", "aku {} bahagia", "bahagia? {}!", "#{}_bahagia"]
)
def test_negation_is_never_dropped(word: str, template: str) -> None:
    for typed in (word, word.upper(), word.capitalize()):
        assert word in normalise(template.format(typed)).replace("?", " ").replace("!", " ").split()


def test_a_negated_sentence_differs_from_the_plain_one() -> None:
    assert normalise("tidak bahagia") == "tidak bahagia"
    assert normalise("tidak bahagia") != normalise("bahagia")
    assert grouping_key("tidak bahagia") != grouping_key("bahagia")


def test_an_elongated_negation_is_still_one() -> None:
    assert normalise("GAAAK mau") == "gak mau"
    assert normalise("tidaaaak") == "tidak"


# Masks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://t.co/aB3x?q=1&r=2#z",
        "http://contoh.id",
        "HTTPS://CONTOH.ID/A",
        "www.contoh.id/jalan/ke/sana",
        "tokopedia.com",
        "shop.contoh.co.id/produk-1",
        "ui.ac.id",
        "bit.ly/3xYz",
        "goo.gl/maps",
        "kemkes.go.id",
        "[URL]",
        "<url>",
    ],
)
def test_urls_are_masked(url: str) -> None:
    assert normalise(f"lihat {url} ya") == "lihat <url> ya"


@pytest.mark.parametrize(
    "mention", ["@budi", "@budi_s99", "@BUDI", "[USERNAME]", "[NAME]", "<user>"]
)
def test_mentions_are_masked(mention: str) -> None:
    assert normalise(f"kata {mention} tadi") == "kata <user> tadi"


@pytest.mark.parametrize("address", ["budi@contoh.id", "budi.s+x@mail.contoh.co.id", "A_B@C-D.COM"])
def test_email_addresses_are_masked(address: str) -> None:
    assert normalise(f"tulis ke {address}, ya") == "tulis ke <email> ya"


@pytest.mark.parametrize(
    "number",
    [
        "081234567890",
        "0812-3456-7890",
        "0812 3456 7890",
        "0812.3456.7890",
        "+6281234567890",
        "+62 812-3456-7890",
        "6281234567890",
        "62 812 3456 7890",
        "(021) 555-1234",
        "(021)5551234",
        "021-5551234",
        "0274 512345",
        "+65 6123 4567",
        "[SENSITIVE-NO]",
        "０８１２３４５６７８９０",
    ],
)
def test_phone_numbers_are_masked(number: str) -> None:
    assert normalise(f"telepon {number} ya") == "telepon <phone> ya"


@pytest.mark.parametrize(
    "number",
    [
        "08.30", "08:30", "8:15", "08.00-17.00", "08-12-2021", "2021-08-12", "12/08/2021",
        "17.08.1945", "2024-08-12 10:00", "100.000", "1.500.000,00", "Rp 25.000", "3,5",
        "50%", "0812", "081", "1 2 3", "62", "1234567890123456",
    ],
)  # fmt: skip
def test_times_dates_and_prices_are_no_phone_numbers(number: str) -> None:
    normal = normalise(f"tadi {number} lho")
    assert "<phone>" not in normal
    assert normal.startswith("tadi ")
    assert normal.endswith(" lho")


@pytest.mark.parametrize(
    "text",
    ["aku.kamu", "capek.banget", "e.g", "jam 8.com", "dll.", "a@", "@", "www", "http", "com"],
)
def test_words_that_only_look_like_addresses_survive(text: str) -> None:
    normal = normalise(f"x {text} y")
    assert normal.startswith("x")
    assert normal.endswith("y")
    if text not in ("jam 8.com", "@"):
        assert not any(mask in normal for mask in PLACEHOLDERS)


def test_masks_come_before_punctuation_goes() -> None:
    assert (
        normalise("@ani: cek https://a.id/b-c, atau ani@a.id / 0812-3456-7890!")
        == "<user> cek <url> atau <email> <phone> !"
    )


def test_numbers_are_read_as_one_but_a_digit_stays() -> None:
    assert normalise("habis Rp1.500.000 buat 3 orang") == "habis rp0 buat 3 orang"
    assert normalise("teman2 cuma 1") == "teman2 cuma 1"


@pytest.mark.parametrize(
    ("hashtag", "words"),
    [("#bahagia", "bahagia"), ("#tidak_bahagia", "tidak bahagia"), ("##Senin", "senin"), ("#", "")],
)
def test_a_hashtag_is_read_as_its_words(hashtag: str, words: str) -> None:
    assert normalise(hashtag) == words


# Letters, emoji, emoticons, invisible characters -------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("capeeek", "capek"),
        ("CAPEEEEEEEK", "capek"),
        ("bangettttt", "banget"),
        ("sediiihhh", "sedih"),
        ("saat", "saat"),
        ("maaf", "maaf"),
        ("massa", "massa"),
        ("nggak", "nggak"),
        ("ｃａｐｅｅｅｋ", "capek"),
    ],
)
def test_only_elongated_letters_are_shortened(typed: str, read: str) -> None:
    assert normalise(typed) == read


@pytest.mark.parametrize(
    "emoji", ["😢", "😄", "😡", "😱", "❤", "🎉", "🙏", "🔥", "💪", "🤔", "🥲", "🐱"]
)
def test_emoji_are_kept(emoji: str) -> None:
    assert emoji in normalise(f"aduh{emoji}deh")
    assert grouping_key(f"aduh {emoji}") != grouping_key("aduh")


@pytest.mark.parametrize(
    "family", ["😀😁😂🤣", "😊☺🙂", "❤💕😍🥰", "😢😔💔", "😡😠🤬", "😱😨😰", "🥲😭🥹"]
)
def test_emoji_of_one_feeling_are_read_as_one(family: str) -> None:
    assert len({normalise(emoji) for emoji in family}) == 1


def test_emoji_families_are_not_mixed_up() -> None:
    assert len({normalise(emoji) for emoji in "😂😊❤😢😡😱😭🙁🎉"}) == 9


@pytest.mark.parametrize(("variant", "plain"), [("👍🏽", "👍"), ("❤️", "❤"), ("❤\ufe0e", "❤")])
def test_looks_of_an_emoji_do_not_matter(variant: str, plain: str) -> None:
    assert normalise(variant) == normalise(plain) == plain


@pytest.mark.parametrize(
    ("emoticon", "emoji"),
    [
        (":)", "🙂"), ("=)", "🙂"), (":-)", "🙂"), (";)", "🙂"), ("^_^", "🙂"), (":D", "😄"),
        ("xD", "😄"), (":(", "🙁"), (":-(((", "🙁"), ("):", "🙁"), (":'(", "😢"), ("T_T", "😢"),
        ("T.T", "😢"), (":')", "🥲"), ("<3", "❤"),
    ],
)  # fmt: skip
def test_emoticons_become_the_emoji_that_says_the_same(emoticon: str, emoji: str) -> None:
    assert normalise(f"hari ini {emoticon} deh") == f"hari ini {emoji} deh"


@pytest.mark.parametrize("text", ["nilai:dua", "tdt", "xdi", "3<30 kg", "jam 8:(pagi)"])
def test_emoticons_inside_words_are_not_read(text: str) -> None:
    assert not set(normalise(text)) & set("😄😢🙂🥲")


def test_compatibility_forms_are_unified() -> None:
    assert normalise("Ｈａｌｏ ﬁlm №") == "halo film no"
    assert normalise("cafe\u0301") == normalise("caf\u00e9") == "café"


@pytest.mark.parametrize("hidden", ["\u200b", "\u200d", "\u2060", "\ufeff", "\xad", "\x00", "\x7f"])
def test_invisible_characters_are_removed(hidden: str) -> None:
    assert normalise(f"ti{hidden}dak") == "tidak"


@pytest.mark.parametrize(
    "space", [" ", "\t", "\n", "\r\n", "\x0b", "\x85", "\xa0", "\u2028", "\u3000"]
)
def test_white_space_of_every_kind_separates(space: str) -> None:
    assert normalise(f"{space}aku{space}{space}sedih{space}") == "aku sedih"


def test_punctuation_separates_and_says_how_strongly_once() -> None:
    assert normalise("aku,kamu;dia—kita/mereka") == "aku kamu dia kita mereka"
    assert normalise("apa?!?! wah!!! jadi....") == "apa?!?! wah! jadi…"
    assert normalise("jum'at ma’af") == "jumat maaf"


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u200b", "...", ",;:-", "()", "\x00", "\ud800"])
def test_texts_without_words(text: str) -> None:
    assert normalise(text) in ("", "…")
    assert grouping_key(text) == ""


def test_other_scripts_are_kept() -> None:
    assert normalise("Привет, 你好 مرحبا") == "привет 你好 مرحبا"


def test_lone_surrogates_are_replaced_in_place() -> None:
    assert to_valid_unicode("a\ud83d\ude00b😀") == "a\ufffd\ufffdb😀"
    assert normalise("a\ud800b") == normalise("ab")


def test_the_grouping_key_ignores_masks_and_punctuation() -> None:
    assert (
        grouping_key("@budi Aku SEDIH!!! https://a.id") == grouping_key("aku sedih") == "aku sedih"
    )
    assert grouping_key("aku sedih 😢") != grouping_key("aku sedih 😡")


# For any text ------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT)
def test_any_text_gives_a_tidy_one(text: str) -> None:
    assert is_tidy(normalise(text))
    assert is_tidy(grouping_key(text))


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_give_tidy_ones(text: str) -> None:
    assert is_tidy(normalise(text))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES)), st.sampled_from([" ", ", ", "\n"]))
def test_a_normal_form_is_its_own_normal_form(pieces: list[str], separator: str) -> None:
    # Of what people write; it does not hold for every string ("_xd", "aa'a").
    once = normalise(separator.join(pieces))
    assert normalise(once) == once


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["tidak", "aku", "mau", "sedih", "gak", "saat", "🥲", "!"])))
def test_words_are_neither_dropped_nor_moved(words: list[str]) -> None:
    text = " ".join(words)
    assert normalise(text) == text or "! !" in text


REPEATS = 100_000


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("a", "a"),
        ("@", ""),
        ("<", ""),
        ("[", ""),
        ("#", ""),
        ("-", ""),
        ("+", ""),
        (" ", ""),
        ("\n", ""),
        ("\u200b", ""),
        ("(", ""),
        (")", ""),
        (")]", ""),
        (".", "…"),
        ("!", "!"),
        ("😭", None),
        ("\u0301", None),
        ("a@", None),
        ("a.", None),
        ("a-", None),
        ("08", None),
        ("+62 8", None),
        ("0 ", None),
        ("(021)", None),
        ("^_", None),
        ("t_", None),
        ("<url", None),
        ("www.", "<url>"),
        ("http://", "<url>"),
        ("a@b.", None),
        ("x" * 64 + ".", None),
    ],
    ids=ascii,
)
def test_hostile_texts_return(unit: str, expected: str | None) -> None:
    # A quantifier that is not bounded takes minutes here, not a moment.
    text = (unit * REPEATS)[:REPEATS]
    for hostile in (text, ":" + text, "x" + text):
        assert is_tidy(normalise(hostile))
    if expected is not None:
        assert normalise(text) == expected


# What tokenizer.json holds -----------------------------------------------------------------------


def reloaded() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = build_normalizer()
    return Tokenizer.from_str(tokenizer.to_str())


def golden() -> dict[str, object]:
    loaded: dict[str, object] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return loaded


def test_tokenizer_json_holds_every_step() -> None:
    stored = reloaded().normalizer
    for text in (*NASTY, *PIECES, *(text for text, _ in golden()["forms"])):  # type: ignore[attr-defined]
        assert stored.normalize_str(to_valid_unicode(text)) == normalise(text)


STORED = reloaded().normalizer


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT)
def test_tokenizer_json_holds_every_step_for_any_text(text: str) -> None:
    assert STORED.normalize_str(to_valid_unicode(text)) == normalise(text)


def test_normal_forms_change_with_the_version_only() -> None:
    recorded = golden()
    changed = {
        text: (normalise(text), form)
        for text, form in recorded["forms"]  # type: ignore[attr-defined]
        if normalise(text) != form
    }
    hint = f"raise NORMALIZER_VERSION, retrain, and then write {GOLDEN.name} anew"
    assert not changed, f"normalise() gives other forms than recorded: {hint}"
    assert recorded["normalizer_version"] == NORMALIZER_VERSION, hint


PLAIN_WORDS = st.text("abdotx", min_size=1, max_size=6)
PLAIN_TEXTS = st.lists(
    st.tuples(PLAIN_WORDS, st.sampled_from(["", "", ",", ".", "..", "!"])), min_size=1, max_size=8
).map(lambda pairs: " ".join(word + mark for word, mark in pairs))


@settings(max_examples=500)
@given(PLAIN_TEXTS, st.booleans())
def test_plain_texts_are_normalised_as_the_tokenizer_does(text, upper) -> None:
    text = text.title() if upper else text
    assert normalise(text) == build_normalizer().normalize_str(text)


@pytest.mark.parametrize(
    "text",
    [
        "aku senang",
        "Aku, dia. Kita.",
        "xd",
        "a xd b",
        "capeeek, sih",
        "a.b",
        "t.t",
        "İ a",
        "K a",
        "",
    ],
)
def test_what_only_looks_plain_is_normalised_as_the_tokenizer_does(text) -> None:
    assert normalise(text) == build_normalizer().normalize_str(text)
