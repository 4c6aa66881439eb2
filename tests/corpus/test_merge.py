"""The merge on rows made by hand: labels, duplicates, groups and splits."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from corpus_support import one_line_error, row
from hypothesis import given, settings
from hypothesis import strategies as st

from memotions_hf.corpus import MergedCorpus, MergeOptions, Row, merge, source_corpus
from memotions_hf.corpus.merge import SPLITS, Example
from memotions_hf.corpus.translation_cache import TranslationCache
from memotions_hf.errors import CorpusError, InputError
from memotions_hf.labels import LABELS
from memotions_hf.text import grouping_key

pytest.importorskip("rensa", reason="the data extra is not installed")

WORDS = ("hujan", "turun", "pagi", "aku", "tidak", "sedih", "senang", "kopi", "ibu", "pulang")
SOURCES = ("journal", "emot", "prdect")


def by_id(corpus: MergedCorpus) -> dict[str, Example]:
    return {example.id: example for example in corpus.examples}


def merged(*rows: Row, **options: object) -> MergedCorpus:
    return merge(MergeOptions(**options), rows=rows)  # type: ignore[arg-type]


def distinct(count: int, source: str = "journal", label: str = "happy") -> list[Row]:
    """Rows of which no two are near-equal."""
    rows = []
    for number in range(count):
        digest = hashlib.sha256(f"{source} {label} {number}".encode()).hexdigest()
        letters = "".join(chr(ord("a") + int(digit, 16)) for digit in digest[:24])
        rows.append(row(f"{letters[:8]} {letters[8:16]} {letters[16:]}", label, source=source))
    return rows


# Labels and texts --------------------------------------------------------------------------------


def test_a_row_keeps_what_it_was_and_gets_what_its_source_states() -> None:
    (example,) = merged(row("aku senang 😀", "joy", source="dair-emotion-id", id="x1")).examples
    assert (example.id, example.text, example.label) == ("x1", "aku senang 😀", "happy")
    assert (example.source, example.source_label) == ("dair-emotion-id", "joy")
    assert (example.lang, example.translated) == ("en", True)
    assert example.license == "other-dair-emotion-research"


def test_love_and_surprise_follow_the_options() -> None:
    rows = [row("sayang kamu", "love"), row("kaget sekali", "surprise")]
    assert [example.label for example in merged(*rows).examples] == ["happy"]
    assert merged(*rows).report.label_left_out == {"journal": 1}
    assert merged(*rows, love="drop").examples == ()
    both = merged(*rows, surprise="neutral").examples
    assert [example.label for example in both] == ["happy", "neutral"]
    assert [example.source_label for example in both] == ["love", "surprise"]


@pytest.mark.parametrize("text", ["...", "@budi https://a.id", "\u200b", "?!"])
def test_a_text_without_words_is_counted_and_left_out(text: str) -> None:
    corpus = merged(row(text))
    assert corpus.examples == ()
    assert corpus.report.empty == {"journal": 1}


@pytest.mark.parametrize("label", ["disgust", "0", "sad\nhappy"])
def test_an_unknown_label_is_named_with_its_row(label: str) -> None:
    with one_line_error(CorpusError, "prdect", "row r77", "label"):
        merged(row("apa", label, source="prdect", id="r77"))


def test_no_rows_give_an_empty_corpus() -> None:
    corpus = merged()
    assert corpus.examples == ()
    assert corpus.split("train") == []


# Duplicates --------------------------------------------------------------------------------------


def test_copies_of_one_label_become_one_row() -> None:
    corpus = merged(row("Aku senang!", id="a"), row("aku SENANG", id="b", source="emot"))
    assert [example.id for example in corpus.examples] == ["a"]
    assert corpus.report.duplicate == {"emot": 1}


@pytest.mark.parametrize(
    ("splits", "kept"),
    [
        (("train", "test", "validation"), "1"),
        (("train", "validation", None), "1"),
        ((None, "train", "train"), "1"),
        ((None, None, None), "0"),
    ],
)
def test_the_copy_of_the_most_protected_official_split_stays(
    splits: tuple[str | None, ...], kept: str
) -> None:
    copies = [row("aku senang", id=str(n), split=split) for n, split in enumerate(splits)]
    assert [example.id for example in merged(*copies).examples] == [kept]


def test_copies_that_disagree_keep_the_label_of_the_majority() -> None:
    corpus = merged(
        row("aku gitu", "sad", id="a"),
        row("aku gitu", "happy", id="b", source="emot"),
        row("aku gitu", "joy", id="c", source="prdect"),
    )
    assert [(example.id, example.label) for example in corpus.examples] == [("b", "happy")]
    assert corpus.report.conflicts_by_majority == 1
    assert corpus.report.duplicate == {"journal": 1, "prdect": 1}
    assert not corpus.report.conflicting


def test_copies_without_a_majority_all_go() -> None:
    corpus = merged(
        row("aku gitu", "sad", id="a"),
        row("aku gitu", "happy", id="b", source="emot"),
        row("lain sekali", "fear", id="c"),
    )
    assert [example.id for example in corpus.examples] == ["c"]
    assert corpus.report.conflicting == {"journal": 1, "emot": 1}
    assert corpus.report.conflicts_by_majority == 0


def test_an_outvoted_official_test_row_still_holds_its_text_out() -> None:
    corpus = merged(
        row("aku gitu", "sad", id="official", source="emot", split="test"),
        row("aku gitu", "happy", id="a", source="emot", split="train"),
        row("aku gitu", "happy", id="b", source="emot", split="train"),
        *distinct(50),
    )
    assert by_id(corpus)["a"].label == "happy"
    assert by_id(corpus)["a"].split == "test"


def test_every_row_is_accounted_for() -> None:
    corpus = merged(
        row("satu", "sad"), row("satu", "sad", id="copy"), row("dua", "surprise"), row("..."),
        row("tiga", "sad"), row("tiga", "fear", id="other"),
    )  # fmt: skip
    report = corpus.report
    gone = report.label_left_out + report.empty + report.duplicate + report.conflicting
    assert report.read == gone + report.kept
    assert report.as_dict()["read"] == {"journal": 6}


# Splits ------------------------------------------------------------------------------------------


def test_near_equal_texts_share_a_split_with_the_official_test_row() -> None:
    text = "akhirnya skripsiku disetujui dosen pembimbing setelah tiga kali revisi"
    corpus = merged(
        row(text, id="train", source="emot", split="train"),
        row(text + " lho", id="valid", source="emot", split="validation"),
        row(text + " ya", id="test", source="emot", split="test"),
        *distinct(30),
    )
    examples = by_id(corpus)
    assert {examples[name].split for name in ("train", "valid", "test")} == {"test"}
    assert len({examples[name].group for name in ("train", "valid", "test")}) == 1
    assert corpus.report.groups_of_several == 1
    assert corpus.report.rows_in_groups_of_several == 3


def test_official_test_and_validation_rows_stay() -> None:
    rows = [
        Row(r.id, r.text, r.source, r.source_label, split)  # type: ignore[arg-type]
        for r, split in zip(
            distinct(100, "emot"), ["test"] * 30 + ["validation"] * 20 + ["train"] * 50, strict=True
        )
    ]
    corpus = merged(*rows)
    for example, official in zip(corpus.examples, rows, strict=True):
        assert example.split == official.split


@pytest.mark.parametrize("count", [1, 4, 5, 10, 37, 200])
@pytest.mark.parametrize("fraction", [0.1, 0.25])
def test_every_source_and_label_is_split_by_the_fractions(count: int, fraction: float) -> None:
    rows = [
        r for source in SOURCES for label in ("sad", "fear") for r in distinct(count, source, label)
    ]
    corpus = merged(*rows, test_fraction=fraction, validation_fraction=fraction)
    assert len(corpus.examples) == len(rows)
    sizes = Counter((example.source, example.label, example.split) for example in corpus.examples)
    for source in SOURCES:
        for label in ("sad", "fear"):
            for split in ("validation", "test"):
                assert abs(sizes[source, label, split] - fraction * count) <= 0.5


def test_a_large_group_does_not_empty_the_held_out_splits() -> None:
    prefix = "promo gratis ongkir untuk semua pelanggan setia toko kami setiap hari "
    large = [row(prefix + word * 3, id=f"{n:03d}") for n, word in enumerate("abcdefghijklmnopqrst")]
    for seed in range(10):
        corpus = merged(*large, *distinct(80), seed=seed)
        sizes = Counter(example.split for example in corpus.examples)
        assert (sizes["test"], sizes["validation"]) == (10, 10)


def test_the_seed_decides() -> None:
    rows = distinct(100)
    first, again, other = (merged(*rows, seed=seed) for seed in (1, 1, 2))
    assert first.examples == again.examples
    assert first.examples != other.examples
    assert Counter(e.split for e in first.examples) == Counter(e.split for e in other.examples)


def test_the_order_of_rows_does_not_decide() -> None:
    rows = distinct(100)
    splits = [{e.id: e.split for e in merged(*r).examples} for r in (rows, rows[::-1])]
    assert splits[0] == splits[1]


TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
ROWS = st.lists(
    st.tuples(
        TEXTS,
        st.sampled_from([*LABELS, "love", "surprise"]),
        st.sampled_from(SOURCES),
        st.sampled_from([None, None, "train", "validation", "test"]),
    ),
    max_size=60,
).map(
    lambda drawn: [
        row(text, label, source=source, split=split, id=f"{source}-{number}")
        for number, (text, label, source, split) in enumerate(drawn)
    ]
)


CONTRAST = "nyaman dipakai seharian penuh di kantor"
LONG = "akhirnya skripsiku disetujui dosen pembimbing setelah tiga kali revisi besar di kampus"


def test_near_equal_texts_of_different_labels_are_contrasts_and_stay() -> None:
    corpus = merged(row(CONTRAST, "happy"), row("tidak " + CONTRAST, "sad"))
    assert [example.label for example in corpus.examples] == ["happy", "sad"]
    assert len({example.group for example in corpus.examples}) == 1
    assert corpus.report.groups_of_several_labels == 1


def test_of_texts_that_are_all_but_equal_the_majority_has_the_label() -> None:
    corpus = merged(
        row(LONG, "happy", id="a"),
        row(LONG + " a", "happy", id="b"),
        row(LONG + " i", "anger", id="c", source="emot", split="test"),
    )
    assert {example.id: example.split for example in corpus.examples} == {"a": "test", "b": "test"}
    assert corpus.report.conflicting == {"emot": 1}
    assert corpus.report.conflicts_by_majority == 1


def test_texts_that_are_all_but_equal_all_go_without_a_majority() -> None:
    corpus = merged(row(LONG, "happy"), row(LONG + " a", "anger", source="emot"))
    assert corpus.examples == ()
    assert corpus.report.conflicting == {"journal": 1, "emot": 1}


def test_a_conflicting_text_of_an_official_test_holds_near_equal_ones_out() -> None:
    corpus = merged(
        row(CONTRAST, "happy", id="a", source="emot", split="test"),
        row(CONTRAST, "sad", id="b", source="emot", split="train"),
        row("tidak " + CONTRAST, "sad", id="c", source="emot", split="train"),
        *distinct(50),
    )
    assert "a" not in by_id(corpus)
    assert by_id(corpus)["c"].split == "test"


def test_the_journal_keeps_its_splits_and_other_sources_give_a_tenth() -> None:
    journal = [replace(r, split="train") for r in distinct(40)]
    prdect = [replace(r, split="train") for r in distinct(40, "prdect")]
    sizes = Counter((e.source, e.split) for e in merged(*journal, *prdect).examples)
    assert sizes == {
        ("journal", "train"): 40,
        ("prdect", "train"): 32,
        ("prdect", "validation"): 4,
        ("prdect", "test"): 4,
    }


# Translations ------------------------------------------------------------------------------------

ENGLISH = ("i feel happy today", "i am so afraid of the dark", "nobody has translated this")


@pytest.fixture
def with_translations(tmp_path: Path) -> MergeOptions:
    path = tmp_path / "translations.sqlite"
    with TranslationCache(path) as cache:
        cache.put("google", [(ENGLISH[0], "aku senang hari ini"), (ENGLISH[1], "aku takut gelap")])
    return MergeOptions(sources=("journal", "kaggle-emotions"), translations=path)


def english(text: str, label: str, number: int = 0) -> Row:
    return row(text, label, source="kaggle-emotions", id=f"kaggle-{number}")


def test_an_english_source_is_merged_as_its_translations(with_translations: MergeOptions) -> None:
    rows = [english(text, "joy", number) for number, text in enumerate(ENGLISH)]
    corpus = merge(with_translations, rows=[*rows, row("biasa saja", "neutral")])
    assert [example.text for example in corpus.examples] == [
        "aku senang hari ini",
        "aku takut gelap",
        "biasa saja",
    ]
    assert [(e.lang, e.translated) for e in corpus.examples][1:] == [("en", True), ("id", False)]
    assert corpus.report.untranslated == {"kaggle-emotions": 1}
    assert corpus.report.read == {"kaggle-emotions": 3, "journal": 1}


def test_a_translator_is_named_with_or_without_its_model(tmp_path: Path) -> None:
    path = tmp_path / "translations.sqlite"
    with TranslationCache(path) as cache:
        cache.put("marian:one", [(ENGLISH[0], "aku senang")])
        cache.put("marian:two", [(ENGLISH[0], "aku gembira")])
        cache.put("google", [(ENGLISH[0], "saya senang")])

    def text(translator: str) -> str:
        options = MergeOptions(("kaggle-emotions",), translations=path, translator=translator)
        return merge(options, rows=[english(ENGLISH[0], "joy")]).examples[0].text

    assert (text("google"), text("marian:two")) == ("saya senang", "aku gembira")
    with one_line_error(InputError, "'marian'", "several", "marian:one, marian:two"):
        text("marian")
    with one_line_error(InputError, "'bing'", "no translations", "google"):
        text("bing")


def test_without_translations_an_english_source_is_refused() -> None:
    with one_line_error(InputError, "'kaggle-emotions'", "English", "corpus translate"):
        MergeOptions(sources=("kaggle-emotions",))


def test_two_translations_of_one_text_share_a_split(with_translations: MergeOptions) -> None:
    other = Row("x", "gue hepi banget", "dair-emotion-id", "joy", "test", original=ENGLISH[0])
    corpus = merge(with_translations, rows=[english("I feel happy, today!", "joy"), other])
    assert corpus.report.untranslated == {"kaggle-emotions": 1}  # the cache holds exact texts
    corpus = merge(with_translations, rows=[english(ENGLISH[0], "joy"), other, *distinct(30)])
    examples = by_id(corpus)
    assert examples["kaggle-0"].group == examples["x"].group
    assert examples["kaggle-0"].split == examples["x"].split == "test"


def test_an_untranslated_text_shares_the_split_of_its_translation() -> None:
    corpus = merged(
        replace(row("aku senang", id="t", source="emot", split="test"), original=ENGLISH[0]),
        *distinct(30),
    )
    # The merged corpus keeps no originals; equal ids would lead to them in the real files.
    own = source_corpus("dair-emotion", corpus, rows=[row("aku senang!", source="dair-emotion")])
    (example,) = own.examples
    assert (example.split, example.translated, example.lang) == ("test", False, "en")


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 3))
def test_no_rows_leak(rows: list[Row], seed: int) -> None:
    corpus = merged(*rows, seed=seed)
    examples = corpus.examples
    assert examples == merged(*rows, seed=seed).examples
    assert sum(len(corpus.split(split)) for split in SPLITS) == len(examples)

    splits_of_group = defaultdict(set)
    for example in examples:
        splits_of_group[example.group].add(example.split)
    assert all(len(splits) == 1 for splits in splits_of_group.values())

    keys = [grouping_key(example.text) for example in examples]
    assert len(set(keys)) == len(keys)

    official = {r.id: r.split for r in rows}
    held_out = {
        grouping_key(r.text) for r in rows if r.split == "test" and r.source_label != "surprise"
    }
    for example, key in zip(examples, keys, strict=True):
        if official[example.id] == "test" or key in held_out:
            assert example.split == "test"
        if official[example.id] == "validation":
            assert example.split != "train"

    report = corpus.report
    gone = report.label_left_out + report.empty + report.duplicate + report.conflicting
    assert report.read == gone + report.kept


@settings(max_examples=30, deadline=None)
@given(ROWS, ROWS)
def test_a_source_beside_the_merged_corpus_leaks_nothing(rows: list[Row], more: list[Row]) -> None:
    corpus = merged(*rows)
    own = source_corpus("isear-id", corpus, rows=[replace(r, source="isear-id") for r in more])
    split_of = {grouping_key(example.text): example.split for example in corpus.examples}
    official = {grouping_key(r.text) for r in more if r.split == "test"}
    for example in own.examples:
        key = grouping_key(example.text)
        if key in split_of and key not in official:
            assert example.split in (split_of[key], "test")
        if example.split == "train":
            assert split_of.get(key, "train") == "train"


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 3))
def test_more_rows_in_one_source_move_no_other_source(count: int, added: int, seed: int) -> None:
    journal, emot = distinct(60), distinct(count, "emot", "sad")
    before = by_id(merged(*journal, *emot, seed=seed))
    after = by_id(merged(*distinct(added, "prdect", "fear"), *journal, *emot, seed=seed))
    more = by_id(merged(*journal, *distinct(count + added, "emot", "sad"), seed=seed))
    for r in journal:
        assert before[r.id].split == after[r.id].split == more[r.id].split
    for r in emot:
        assert before[r.id].split == after[r.id].split


# Options -----------------------------------------------------------------------------------------


def test_opinion_tweets_are_refused() -> None:
    with one_line_error(InputError, "'opinion'", "evaluated", "CC-BY-NC-ND-4.0"):
        MergeOptions(sources=("journal", "opinion"))
    with one_line_error(InputError, "'opinion'", "evaluated"):
        merged(row("apa", source="opinion"))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"sources": ("imdb",)}, "'imdb'"),
        ({"love": "sad"}, "'sad'"),
        ({"surprise": "happy"}, "'happy'"),
        ({"test_fraction": -0.1}, "-0.1"),
        ({"test_fraction": 0.5, "validation_fraction": 0.5}, "below 1"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, object], part: str) -> None:
    with one_line_error(InputError, part):
        MergeOptions(**options)  # type: ignore[arg-type]


def test_an_unknown_split_is_refused() -> None:
    with one_line_error(InputError, "'dev'", "train, validation, test"):
        merged().split("dev")
