"""The merged corpus of the real files, and what load_corpus makes of it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from corpus_support import needs_mirror, one_line_error

from memotions_hf import load_corpus
from memotions_hf.corpus import (
    CONFIGS,
    MERGED_SOURCES,
    MergedCorpus,
    config_corpus,
    merge,
    read_source,
    source_corpus,
)
from memotions_hf.corpus import configs as configs_module
from memotions_hf.corpus.merge import SPLITS, Example, evaluation_examples
from memotions_hf.corpus.rows import originals
from memotions_hf.errors import CorpusError, InputError
from memotions_hf.labels import LABELS
from memotions_hf.text import grouping_key

LATER_WORLDS = ("far", "near", "plain", "teen", "adult")
JOURNAL_TEST_IDS = "d962b44df4f33204cef95146971a8d7477c39d8d37e79ab7cb60015583c4f6b5"
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
    minimums = (("emot", 430), ("go-emotions-neutral-id", 150), ("go-emotions-id", 400))
    for name, at_least in minimums:
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
        held = [e for e in real_corpus.examples if e.source == source]
        if source == "journal":  # the files that came later hold no test row
            assert not any(e.split == "test" for e in held if e.id.split("-")[1] in LATER_WORLDS)
            held = [e for e in held if e.id.split("-")[1] not in LATER_WORLDS]
        sizes = Counter(e.split for e in held)
        for split in ("validation", "test"):
            assert 0.09 < sizes[split] / sizes.total() < 0.155, (source, sizes)


@needs_mirror
def test_the_test_rows_of_the_journal_are_those_it_first_had(real_corpus: MergedCorpus) -> None:
    ids = {e.id for e in real_corpus.examples if e.source == "journal" and e.split == "test"}
    assert len(ids) == 524
    digest = hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
    assert digest == JOURNAL_TEST_IDS


@needs_mirror
@pytest.mark.parametrize("name", ["journal", "everyday", "go-emotions-id"])
def test_fixed_splits_are_kept_as_their_files_state_them(
    real_corpus: MergedCorpus, name: str
) -> None:
    stated = {row.id: row.split for row in read_source(name)}
    kept = {e.id: e.split for e in real_corpus.examples if e.source == name}
    assert kept == stated  # no row is a copy of another, nor near-equal to one held out elsewhere


@needs_mirror
def test_no_later_row_of_the_projects_own_is_near_equal_to_a_row_held_out_before(
    real_corpus: MergedCorpus,
) -> None:
    def later(example: Example) -> bool:
        world = example.id.split("-")[1]
        return example.source in ("everyday", "go-emotions-id") or world in LATER_WORLDS

    members = defaultdict(list)
    for example in real_corpus.examples:
        members[example.group].append(example)
    for group in members.values():
        if any(later(example) for example in group):
            assert {e.split for e in group if not later(e)} <= {"train"}


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


@needs_mirror
@pytest.mark.parametrize("name", ["emot", "saputri", "dair-emotion-id", "isear-id"])
def test_a_config_of_one_source_has_the_splits_of_the_merged_one(
    real_corpus: MergedCorpus, key_of: dict[str, str], name: str
) -> None:
    split_of_key = {key_of[example.id]: example.split for example in real_corpus.examples}
    own = source_corpus(name, real_corpus)
    shared = [e for e in own.examples if grouping_key(e.text) in split_of_key]
    assert len(shared) > 0.99 * len(own.examples)
    for example in shared:
        assert example.split == split_of_key[grouping_key(example.text)]


@needs_mirror
def test_an_english_text_has_the_split_of_its_translation(real_corpus: MergedCorpus) -> None:
    split_of = {example.id: example.split for example in real_corpus.examples}
    own = source_corpus("dair-emotion", real_corpus)
    both = [example for example in own.examples if example.id in split_of]
    assert len(both) > 16_000
    different = [example for example in both if example.split != split_of[example.id]]
    # Where English near-copies join two groups, the more protected split is taken.
    assert len(different) < 50
    assert {example.split for example in different} <= {"test", "validation"}
    assert {example.translated for example in own.examples} == {False}


@needs_mirror
def test_go_emotions_and_its_translations_agree_on_the_split(real_corpus: MergedCorpus) -> None:
    translated = {e.id: e for e in real_corpus.examples if e.source == "go-emotions-id"}
    own = source_corpus("go-emotions", real_corpus)
    english = {e.id: e.split for e in own.examples if e.id in translated}
    assert len(english) > 0.99 * len(translated)
    assert all(translated[row_id].split == split for row_id, split in english.items())


@needs_mirror
def test_translations_have_the_labels_of_their_originals() -> None:
    for name in ("dair-emotion-id", "go-emotions-neutral-id", "go-emotions-id"):
        source_label = {
            row.id: row.source_label
            for row in read_source(name.removesuffix("-id").removesuffix("-neutral"))
        }
        texts = originals(name)
        for row in read_source(name):
            assert source_label[row.id] == row.source_label
            assert texts[row.id]


@needs_mirror
def test_the_naive_config_repeats_what_the_merged_one_does_not() -> None:
    corpus = config_corpus("memotions-2024")
    keys = Counter(grouping_key(example.text) for example in corpus.examples)
    assert sum(count - 1 for count in keys.values()) > 4_000
    sizes = Counter(example.split for example in corpus.examples)
    assert sizes["test"] == sizes["validation"] == round(len(corpus.examples) / 10)
    train = {grouping_key(example.text) for example in corpus.split("train")}
    leaked = [e for e in corpus.split("test") if grouping_key(e.text) in train]
    assert len(leaked) > 0.2 * sizes["test"]


# load_corpus -------------------------------------------------------------------------------------


@pytest.fixture
def built_once(real_corpus: MergedCorpus, monkeypatch: pytest.MonkeyPatch) -> MergedCorpus:
    """Let load_corpus have the corpus that is built already."""
    pytest.importorskip("datasets", reason="the data extra is not installed")
    monkeypatch.setattr(configs_module, "merge", lambda options, progress: real_corpus)
    monkeypatch.setattr(configs_module, "_LAST_MERGE", {})
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
def test_one_source_is_a_config(built_once: MergedCorpus) -> None:
    journal = load_corpus("journal")
    assert {name: len(part) for name, part in journal.items()} == Counter(
        row.split for row in read_source("journal")
    )
    assert set(journal["test"]["source"]) == {"journal"}


@needs_mirror
def test_a_source_for_evaluation_has_a_test_split_alone(built_once: MergedCorpus) -> None:
    opinion = load_corpus("opinion")
    assert list(opinion) == ["test"]
    assert set(opinion["test"]["source"]) == {"opinion"}
    with one_line_error(InputError, "'opinion'", "'train'", "test"):
        load_corpus("opinion", split="train")


def test_suggestions_need_no_upstream_file(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets", reason="the data extra is not installed")
    monkeypatch.delenv("MEMOTIONS_MIRROR", raising=False)
    suggestions = load_corpus("suggestions", split="train")
    assert suggestions.features["emotion"].names == list(LABELS)
    assert min(Counter(suggestions["emotion"]).values()) >= 60
    assert len(set(suggestions["suggestion"])) == len(suggestions) >= 300
    assert all(isinstance(advice, list) for advice in suggestions["advice"])


@pytest.mark.parametrize("config", ["", "Merged", "imdb", "default"])
def test_an_unknown_config_is_refused_with_the_known_ones(config: str) -> None:
    assert config not in CONFIGS
    with one_line_error(InputError, repr(config), "merged, journal, emot"):
        load_corpus(config)


@pytest.mark.parametrize("split", ["", "dev", "train[:10%]"])
def test_an_unknown_split_is_refused_with_the_known_ones(split: str) -> None:
    with one_line_error(InputError, repr(split), "train, validation, test"):
        load_corpus("merged", split=split)


def test_without_a_mirror_the_message_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MEMOTIONS_MIRROR", raising=False)
    monkeypatch.setenv("MEMOTIONS_CACHE", str(tmp_path))
    with one_line_error(CorpusError, "MEMOTIONS_MIRROR", "emot/", "corpus download emot"):
        load_corpus()
