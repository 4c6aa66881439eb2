"""The merged corpus of the real files, and what load_corpus makes of it."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict

import pytest
from corpus_support import needs_mirror, one_line_error

from memotions_hf import load_corpus
from memotions_hf.corpus import MERGED_SOURCES, MergedCorpus, merge, read_source
from memotions_hf.corpus.merge import SPLITS, evaluation_examples
from memotions_hf.errors import CorpusError, InputError
from memotions_hf.labels import LABELS
from memotions_hf.text import grouping_key

COLUMNS = ["id", "text", "label", "source", "source_label", "lang", "translated", "license"]


@pytest.fixture(scope="module")
def real_corpus() -> MergedCorpus:
    """The ``merged`` config, built once; the tests that use it carry ``needs_mirror``."""
    pytest.importorskip("rensa", reason="the data extra is not installed")
    return merge()


@needs_mirror
def test_emot_and_saputri_are_the_same_tweets(real_corpus: MergedCorpus) -> None:
    assert real_corpus.report.read["saputri"] == real_corpus.report.read["emot"] == 4_401
    assert real_corpus.report.kept["saputri"] < 10
    assert real_corpus.report.kept["emot"] > 4_300


@pytest.fixture(scope="module")
def key_of(real_corpus: MergedCorpus) -> dict[str, str]:
    return {example.id: grouping_key(example.text) for example in real_corpus.examples}


@needs_mirror
def test_no_text_and_no_group_is_in_two_splits(
    real_corpus: MergedCorpus, key_of: dict[str, str]
) -> None:
    splits_of_key, splits_of_group = defaultdict(list), defaultdict(set)
    for example in real_corpus.examples:
        splits_of_key[key_of[example.id]].append(example.split)
        splits_of_group[example.group].add(example.split)
    assert all(len(splits) == 1 for splits in splits_of_key.values())
    assert all(len(splits) == 1 for splits in splits_of_group.values())
    assert real_corpus.report.groups_of_several > 50


@needs_mirror
def test_official_test_rows_that_are_kept_are_in_test(real_corpus: MergedCorpus) -> None:
    split_of = {example.id: example.split for example in real_corpus.examples}
    for name, at_least in (("emot", 430), ("go-emotions-neutral-id", 150)):
        official = [row for row in read_source(name) if row.split == "test" and row.id in split_of]
        assert len(official) >= at_least
        assert {split_of[row.id] for row in official} == {"test"}


@needs_mirror
def test_no_official_test_tweet_is_trained_on(
    real_corpus: MergedCorpus, key_of: dict[str, str]
) -> None:
    official = {grouping_key(row.text) for row in read_source("emot") if row.split == "test"}
    for split in ("train", "validation"):
        keys = {key_of[example.id] for example in real_corpus.split(split)}
        assert not keys & official


@needs_mirror
def test_every_source_is_held_out_in_part(real_corpus: MergedCorpus) -> None:
    for source in set(MERGED_SOURCES) - {"saputri"}:
        sizes = Counter(e.split for e in real_corpus.examples if e.source == source)
        for split in ("validation", "test"):
            assert 0.09 < sizes[split] / sizes.total() < 0.13, (source, sizes)


@needs_mirror
def test_ids_are_unique_and_every_label_occurs_in_every_split(real_corpus: MergedCorpus) -> None:
    assert len({example.id for example in real_corpus.examples}) == len(real_corpus.examples)
    for split in SPLITS:
        assert {example.label for example in real_corpus.split(split)} == set(LABELS)


@needs_mirror
def test_every_row_is_accounted_for(real_corpus: MergedCorpus) -> None:
    report = real_corpus.report
    gone = report.label_left_out + report.empty + report.duplicate + report.conflicting
    assert report.read == gone + report.kept
    assert report.kept.total() == len(real_corpus.examples)


@needs_mirror
def test_opinion_tweets_are_for_evaluation(real_corpus: MergedCorpus) -> None:
    examples = evaluation_examples("opinion")
    assert 6_500 < len(examples) <= 7_080
    assert {example.split for example in examples} == {"test"}
    assert {example.license for example in examples} == {"CC-BY-NC-ND-4.0"}
    keys = [grouping_key(example.text) for example in examples]
    assert len(set(keys)) == len(keys)
    assert "opinion" not in {example.source for example in real_corpus.examples}


def test_a_training_source_is_no_evaluation_source() -> None:
    with one_line_error(InputError, "'emot'", "opinion"):
        evaluation_examples("emot")


# load_corpus -------------------------------------------------------------------------------------


@pytest.fixture
def built_once(real_corpus: MergedCorpus, monkeypatch: pytest.MonkeyPatch) -> MergedCorpus:
    """Let load_corpus have the corpus that is built already."""
    pytest.importorskip("datasets", reason="the data extra is not installed")
    module = sys.modules["memotions_hf.corpus.merge"]
    monkeypatch.setattr(module, "merge", lambda options: real_corpus)
    return real_corpus


@needs_mirror
def test_one_split_has_the_columns_of_the_contract(built_once: MergedCorpus) -> None:
    train = load_corpus("merged", split="train")
    assert train.column_names == COLUMNS
    assert train.features["label"].names == list(LABELS)
    assert train.features["translated"].dtype == "bool"
    assert len(train) == len(built_once.split("train"))
    example = built_once.split("train")[0]
    assert train[0]["text"] == example.text
    assert train.features["label"].int2str(train[0]["label"]) == example.label


@needs_mirror
def test_without_a_split_all_three_come(built_once: MergedCorpus) -> None:
    corpus = load_corpus()
    assert list(corpus) == list(SPLITS)
    assert sum(len(part) for part in corpus.values()) == len(built_once.examples)


@needs_mirror
def test_one_source_is_a_config() -> None:
    pytest.importorskip("datasets", reason="the data extra is not installed")
    journal = load_corpus("journal")
    assert {name: len(part) for name, part in journal.items()} == {
        "train": 2_800,
        "validation": 350,
        "test": 350,
    }
    assert set(journal["test"]["source"]) == {"journal"}


@pytest.mark.parametrize("config", ["", "Merged", "imdb", "opinion"])
def test_an_unknown_config_is_refused_with_the_known_ones(config: str) -> None:
    with one_line_error(InputError, repr(config), "merged, journal, emot"):
        load_corpus(config)


@pytest.mark.parametrize("split", ["", "dev", "train[:10%]"])
def test_an_unknown_split_is_refused_with_the_known_ones(split: str) -> None:
    with one_line_error(InputError, repr(split), "train, validation, test"):
        load_corpus("merged", split=split)


def test_without_a_mirror_the_message_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMOTIONS_MIRROR", raising=False)
    with one_line_error(CorpusError, "MEMOTIONS_MIRROR"):
        load_corpus()
