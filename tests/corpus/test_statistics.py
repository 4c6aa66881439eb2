"""What is counted about the corpus, and guards on the project's own texts."""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_support import one_line_error
from hypothesis import given
from hypothesis import strategies as st

from memotions_hf.corpus import SOURCES, MergeOptions, MergeReport, read_source
from memotions_hf.corpus.configs import read_suggestions
from memotions_hf.corpus.download import DATA_FOLDER
from memotions_hf.corpus.statistics import (
    WordCache,
    cohens_kappa,
    config_statistics,
    corpus_statistics,
    journal_agreement,
    ngram_repetition,
    repeated_openings,
    source_facts,
    vocabulary_growth,
    words_of,
)
from memotions_hf.errors import CorpusError, InputError
from memotions_hf.labels import LABELS
from memotions_hf.text import PLACEHOLDERS, normalise

JOURNAL = DATA_FOLDER / "journal"


def labelled(
    text: str, label: str = "sad", source: str = "journal", source_label: str | None = None
) -> dict[str, Any]:
    facts = SOURCES[source]
    return {
        "id": f"{source}-{text}",
        "text": text,
        "label": label,
        "source": source,
        "source_label": source_label or label,
        "lang": facts.language,
        "translated": facts.translated,
        "license": facts.license,
    }


SMALL = {
    "train": [
        labelled("aku sedih", "sad"),
        labelled("aku senang sekali!", "happy", "emot", "joy"),
        labelled("cinta ibu", "happy", "emot", "love"),
        labelled("takut gelap", "fear", "isear-id"),
    ],
    "test": [labelled("sedih sekali", "sad"), labelled("rapat jam dua", "neutral")],
}


# One config ---------------------------------------------------------------------------------------


def test_rows_are_counted_by_split_label_and_source() -> None:
    statistics = config_statistics(SMALL)
    assert statistics["rows"] == 6
    assert statistics["splits"] == {"train": 4, "test": 2}
    assert statistics["labels"] == {
        "sad": {"train": 1, "test": 1},
        "happy": {"train": 2},
        "neutral": {"test": 1},
        "fear": {"train": 1},
    }
    assert statistics["sources"] == {
        "journal": {"train": 1, "test": 2},
        "emot": {"train": 2},
        "isear-id": {"train": 1},
    }
    assert statistics["labels_by_source"] == {
        "journal": {"sad": 2, "neutral": 1},
        "emot": {"happy": 2},
        "isear-id": {"fear": 1},
    }
    assert statistics["source_labels"]["happy"] == {"joy": 1, "love": 1}


def test_languages_licences_and_vocabulary() -> None:
    statistics = config_statistics(SMALL)
    assert statistics["languages"] == {
        "en": {"original": 0, "translated": 1},
        "id": {"original": 5, "translated": 0},
    }
    assert statistics["licenses"] == {
        "CC-BY-4.0": 3,
        "CC-BY-NC-SA-4.0": 2,
        "other-isear-research": 1,
    }
    # aku sedih senang sekali cinta ibu takut gelap rapat jam dua
    assert statistics["vocabulary"]["size"] == 11
    assert statistics["vocabulary"]["words"] == 14
    assert statistics["vocabulary"]["growth"][-1] == {"texts": 6, "words": 14, "vocabulary": 11}


def test_names_are_in_the_order_of_the_package() -> None:
    mixed = {"test": SMALL["test"][::-1], "train": SMALL["train"][::-1]}
    assert list(config_statistics(mixed)["splits"]) == ["train", "test"]
    assert list(config_statistics(mixed)["labels"]) == ["sad", "happy", "neutral", "fear"]
    assert list(config_statistics(mixed)["sources"]) == ["journal", "emot", "isear-id"]
    first, second = config_statistics(SMALL), config_statistics(mixed)
    assert first["source_labels"].keys() == second["source_labels"].keys()
    assert first["vocabulary"] == second["vocabulary"]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_lengths_are_lengths_that_occur(lengths: list[int]) -> None:
    rows = {"train": [labelled("x" * length) for length in lengths]}
    shares = {"min": 0, "q1": 25, "median": 50, "q3": 75, "p95": 95, "max": 100}
    assert config_statistics(rows)["characters"]["all"] == {
        name: np.percentile(lengths, share, method="inverted_cdf") for name, share in shares.items()
    }
    assert config_statistics(rows)["words"]["all"]["max"] == 1


def test_lengths_are_given_by_source() -> None:
    words = config_statistics(SMALL)["words"]
    assert set(words["by_source"]) == {"journal", "emot", "isear-id"}
    assert words["by_source"]["emot"]["max"] == 3
    assert words["all"]["min"] == 2


def test_suggestions_are_counted_by_emotion_and_are_the_projects_own() -> None:
    rows = [
        {"entry": "aku capek", "emotion": "sad", "suggestion": "Istirahat dulu, ya."},
        {"entry": "aku senang hari ini", "emotion": "happy", "suggestion": "Bagus! Rayakan."},
    ]
    statistics = config_statistics({"train": rows})
    assert statistics["labels"] == {"sad": {"train": 1}, "happy": {"train": 1}}
    assert statistics["sources"] == statistics["labels_by_source"] == {}
    assert statistics["source_labels"] == {}
    assert statistics["licenses"] == {"CC-BY-4.0": 2}
    assert statistics["words"]["all"]["max"] == 4
    assert statistics["suggestions"]["words"]["max"] == 3


@pytest.mark.parametrize("rows", [{}, {"train": []}])
def test_a_config_without_rows_is_refused(rows: dict[str, list[Any]]) -> None:
    with one_line_error(InputError, "no row"):
        config_statistics(rows)


# Words --------------------------------------------------------------------------------------------


def test_words_are_normalised_and_bare() -> None:
    assert words_of("LAGI, lagi!! @budi 🙂") == ["lagi", "lagi", "🙂"]
    cache = WordCache()
    assert cache("LAGI, lagi!!") == cache("LAGI, lagi!!") == ["lagi", "lagi"]


@given(st.lists(st.text("abc ", max_size=8), max_size=30), st.integers(1, 12), st.randoms())
def test_vocabulary_growth(texts: list[str], points: int, shuffler: random.Random) -> None:
    growth = vocabulary_growth(texts, points)
    shuffled = texts[:]
    shuffler.shuffle(shuffled)
    assert vocabulary_growth(shuffled, points) == growth
    if not texts:
        assert growth == []
        return
    assert len(growth) == min(points, len(texts))
    assert growth[-1] == {
        "texts": len(texts),
        "words": sum(len(words_of(text)) for text in texts),
        "vocabulary": len({word for text in texts for word in words_of(text)}),
    }
    for key in ("texts", "words", "vocabulary"):
        values = [point[key] for point in growth]
        assert values == sorted(values)


def test_growth_needs_a_point() -> None:
    with one_line_error(InputError, "points", "0"):
        vocabulary_growth(["a"], 0)


# All configs --------------------------------------------------------------------------------------


def small_report() -> dict[str, Any]:
    report = MergeReport()
    report.read.update({"journal": 3, "emot": 2, "saputri": 2, "isear-id": 1})
    report.duplicate.update({"saputri": 2})
    report.kept.update({"journal": 3, "emot": 2, "isear-id": 1})
    return report.as_dict()


def test_corpus_statistics_are_ready_for_json() -> None:
    statistics = corpus_statistics({"merged": SMALL}, {"merged": small_report()}, MergeOptions())
    assert json.loads(json.dumps(statistics)) == statistics
    assert statistics["configs"] == {"merged": config_statistics(SMALL)}
    assert statistics["merge"] == small_report()
    assert statistics["options"]["love"] == "happy"
    assert statistics["options"]["test_fraction"] == 0.1
    assert statistics["journal_repetition"] == {"words": 6, "share": 0.0}
    assert statistics["journal_agreement"] == journal_agreement()


def test_every_source_that_was_read_is_described() -> None:
    sources = corpus_statistics({"merged": SMALL}, {"merged": small_report()})["sources"]
    assert list(sources) == ["journal", "emot", "saputri", "isear-id"]
    for name, facts in sources.items():
        assert facts == source_facts(name)
        assert facts["bibtex"].startswith("@")
    with one_line_error(InputError, "imdb"):
        source_facts("imdb")


def test_without_own_entries_or_a_merge() -> None:
    rows = {"train": [labelled("cinta ibu", "happy", "emot", "love")]}
    statistics = corpus_statistics({"emot": rows}, {})
    assert list(statistics["sources"]) == ["emot"]
    assert statistics["merge"] is statistics["options"] is None
    assert statistics["examples"] == []
    assert statistics["journal_agreement"] is statistics["journal_repetition"] is None


def test_suggestions_name_the_projects_own_source() -> None:
    rows = {"train": [{"entry": "aku capek", "emotion": "sad", "suggestion": "Istirahat."}]}
    statistics = corpus_statistics({"suggestions": rows}, {})
    assert list(statistics["sources"]) == ["journal"]
    assert statistics["journal_agreement"] is None


def test_examples_are_own_training_rows_whatever_their_order() -> None:
    own = [labelled(f"entri {number} {label}", label) for number in range(9) for label in LABELS]
    others = [labelled(f"tweet {number}", "sad", "emot") for number in range(50)]
    rows = {"train": [*others, *own, labelled("x" * 500)], "test": [labelled("rahasia")]}
    examples = corpus_statistics({"merged": rows}, {})["examples"]
    assert [example["label"] for example in examples] == [label for label in LABELS for _ in "12"]
    assert {example["id"] for example in examples} <= {row["id"] for row in own}
    reversed_rows = {split: part[::-1] for split, part in rows.items()}
    assert corpus_statistics({"merged": reversed_rows}, {})["examples"] == examples


# The second reading -------------------------------------------------------------------------------


def test_kappa_of_a_known_table() -> None:
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([("y", "y")] * 3) == 1.0
    assert cohens_kappa([("y", "n"), ("n", "y")]) == pytest.approx(-1.0)
    with pytest.raises(InputError):
        cohens_kappa([])


def test_agreement_is_what_the_file_says() -> None:
    lines = (JOURNAL / "second_reading.tsv").read_text(encoding="utf-8").splitlines()[1:]
    readings = [line.split("\t") for line in lines]
    label_of = {row.id: row.source_label for row in read_source("journal")}
    agreement = journal_agreement()
    assert agreement["rows"] == len(lines) == len({reading[0] for reading in readings})
    assert agreement["agreeing"] == sum(first == second for _, first, second, _ in readings)
    assert agreement["agreement"] == agreement["agreeing"] / len(lines)
    assert agreement["doubted"] == sum(reading[3] == "yes" for reading in readings)
    assert agreement["taken_out"] == sum(reading[0] not in label_of for reading in readings)
    assert 0.9 < agreement["kappa"] < agreement["agreement"]
    for row_id, first, _, _ in readings:
        assert label_of.get(row_id, first) == first


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ("columns",)),
        ("id\tfirst\tsecond\n", ("columns",)),
        ("id\tfirst\tsecond\tdoubt\n", ("columns",)),
        ("id\tfirst\tsecond\tdoubt\na\tsad\n", ("line 2", "2 fields")),
    ],
)
def test_a_damaged_second_reading_is_refused(
    content: str, parts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "second_reading.tsv").write_text(content, encoding="utf-8")
    module = sys.modules["memotions_hf.corpus.statistics"]
    monkeypatch.setattr(module, "DATA_FOLDER", tmp_path)
    with one_line_error(CorpusError, "second_reading.tsv", *parts):
        journal_agreement()


# Repetition ---------------------------------------------------------------------------------------


def test_repetition_counts_texts_that_share_a_run_of_words() -> None:
    texts = [
        "satu dua tiga empat lima enam tujuh",
        "lalu dua tiga empat lima enam, TUJUH!",  # five and more of the first one's words
        "satu dua tiga dan empat lima enam",
        "ya ya ya ya ya ya ya ya ya",  # repeats only itself
    ]
    assert ngram_repetition(texts, 6) == 0.5
    assert ngram_repetition(texts, 7) == 0.0
    assert ngram_repetition(texts, 3) == 0.75
    assert ngram_repetition([], 6) == 0.0
    assert ngram_repetition(["satu dua"], 6) == 0.0
    with one_line_error(InputError, "0"):
        ngram_repetition(texts, 0)


def test_repeated_openings_are_counted() -> None:
    texts = ["Hari ini aku lelah", "hari ini aku", "Hari ini, AKU pulang", "Hari ini kami", "hari"]
    assert repeated_openings(texts) == Counter({"hari ini aku": 3})
    assert repeated_openings(texts, 2) == Counter({"hari ini": 4})
    assert repeated_openings(texts, 4) == Counter()
    with one_line_error(InputError, "0"):
        repeated_openings(texts, 0)


# Guards on the project's own texts ----------------------------------------------------------------

# Far above what is written by hand, and far below what a template gives.
MOST_REPETITION = 0.02
MOST_EQUAL_OPENINGS = 3
CONTACT = ("@", "http", "www.", "[", "<", "+62")


def own_texts() -> Iterator[tuple[str, list[str]]]:
    suggestions = list(read_suggestions())
    yield "journal", [row.text for row in read_source("journal")]
    # Comments and tweets name people and pages as the public corpora do.
    masked = re.compile(r"\[(?:USERNAME|URL)\]")
    yield "everyday", [masked.sub("", row.text) for row in read_source("everyday")]
    yield "entries", [row["entry"] for row in suggestions]
    yield "suggestions", [row["suggestion"] for row in suggestions]


OWN_TEXTS = dict(own_texts())


@pytest.mark.parametrize("texts", OWN_TEXTS.values(), ids=OWN_TEXTS)
def test_own_texts_hardly_repeat_each_other(texts: list[str]) -> None:
    assert len(texts) >= 300
    assert ngram_repetition(texts) < MOST_REPETITION
    assert max(repeated_openings(texts, 4).values(), default=0) <= MOST_EQUAL_OPENINGS


@pytest.mark.parametrize("texts", OWN_TEXTS.values(), ids=OWN_TEXTS)
def test_own_texts_hold_no_contact_and_no_placeholder(texts: list[str]) -> None:
    for text in texts:
        assert not any(mark in text for mark in CONTACT), text
        normalised = normalise(text)
        assert not any(placeholder in normalised for placeholder in PLACEHOLDERS), text


def test_every_world_of_the_journal_is_there() -> None:
    stated = {Path(file.path).name for file in SOURCES["journal"].files}
    assert {path.name for path in JOURNAL.glob("*.tsv")} == stated | {"second_reading.tsv"}
    assert len(stated) == 12


def test_ids_of_own_texts_are_unique() -> None:
    rows = [*read_source("journal"), *read_source("everyday")]
    assert len({row.id for row in rows}) == len(rows)
    assert len({row.text for row in rows}) == len(rows)
    assert {row.source_label for row in rows} == set(LABELS)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize(
    ("source", "parts", "validation", "test"),
    [
        ("journal", {"family", "inner", "school", "street", "turns", "work", "young"}, 0.10, 0.15),
        ("journal", {"far", "near", "plain", "teen", "adult"}, 0.10, 0.0),
        ("everyday", {"comments", "reactions", "situations", "feelings"}, 0.10, 0.10),
    ],
    ids=["first", "later", "everyday"],
)
def test_the_fixed_splits_of_own_texts(
    source: str, parts: set[str], validation: float, test: float, label: str
) -> None:
    rows = [row for row in read_source(source) if row.id.split("-")[1] in parts]
    splits = Counter(row.split for row in rows if row.source_label == label)
    assert splits["validation"] / splits.total() == pytest.approx(validation, abs=0.005)
    assert splits["test"] / splits.total() == pytest.approx(test, abs=0.005)


def test_suggestion_ids_are_unique() -> None:
    rows = list(read_suggestions())
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["emotion"] for row in rows} == set(LABELS)
