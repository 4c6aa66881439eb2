"""The registry of sources: what each entry states, and how its files are found and verified."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from pathlib import Path

import pytest
from corpus_support import needs_mirror, one_line_error

from memotions_hf.corpus import EVALUATION_SOURCES, MERGED_SOURCES, SOURCES, read_source
from memotions_hf.corpus import sources as sources_module
from memotions_hf.corpus.readers import read_journal, read_split_translation
from memotions_hf.corpus.sources import Source, SourceFile, get_source, weights_license
from memotions_hf.errors import CorpusError, InputError
from memotions_hf.labels import map_source_label

ROWS = {
    "journal": 3_500,
    "emot": 3_521 + 440 + 440,
    "saputri": 4_401,
    "prdect": 5_400,
    "dair-emotion-id": 15_968 + 1_993,
    "go-emotions-neutral-id": 2_197,
    "opinion": 7_080,
}


def test_the_first_sources_are_there_and_opinion_is_only_evaluated_on() -> None:
    assert set(MERGED_SOURCES) == set(ROWS) - {"opinion"}
    assert EVALUATION_SOURCES == ("opinion",)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_source_states_its_terms(source: Source) -> None:
    assert source.license
    assert source.citation
    assert source.terms
    assert source.files
    assert len({file.part for file in source.files}) == len(source.files)
    for file in source.files:
        assert len(file.sha256) == 64
        assert not Path(file.path).is_absolute()


def test_no_source_of_unclear_terms_may_be_redistributed() -> None:
    assert get_source("opinion").redistribute == "no"
    assert get_source("opinion").train_weights == "no"
    assert get_source("dair-emotion-id").redistribute != "yes"


def test_the_strictest_licence_of_the_training_data_decides_on_the_weights() -> None:
    assert weights_license(["journal", "prdect"]) == "CC-BY-4.0"
    assert weights_license(["journal", "emot"]) == "CC-BY-NC-SA-4.0"
    with one_line_error(InputError, "opinion"):
        weights_license(["journal", "opinion"])


@pytest.mark.parametrize("name", ["", "Emot", "imdb"])
def test_an_unknown_source_is_refused_with_the_known_ones(name: str) -> None:
    with one_line_error(InputError, repr(name), "journal", "opinion"):
        list(read_source(name))


@pytest.mark.parametrize("name", SOURCES)
def test_without_a_mirror_the_message_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("MEMOTIONS_MIRROR", raising=False)
    source = SOURCES[name]
    file = source.files[0]
    origin = file.url or source.homepage or "the project's own data"
    with one_line_error(CorpusError, "MEMOTIONS_MIRROR", file.path, source.license, origin):
        next(read_source(name))


@pytest.mark.parametrize("name", SOURCES)
def test_a_missing_file_is_named_with_its_licence_and_origin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("MEMOTIONS_MIRROR", str(tmp_path))
    source = SOURCES[name]
    file = source.files[0]
    origin = file.url or source.homepage or "the project's own data"
    with one_line_error(CorpusError, str(tmp_path), file.path, source.license, origin):
        next(read_source(name))


def place(folder: Path, name: str, content: str) -> SourceFile:
    file = SOURCES[name].files[0]
    path = folder / file.path
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="utf-8")
    return file


@pytest.mark.parametrize("content", ["", "sad\tsedih\n"], ids=["empty", "changed"])
def test_a_file_that_is_not_the_recorded_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    file = place(tmp_path, "journal", content)
    monkeypatch.setenv("MEMOTIONS_MIRROR", str(tmp_path))
    digest = hashlib.sha256(content.encode()).hexdigest()
    with one_line_error(CorpusError, file.path, "sha256", digest[:12], file.sha256[:12]):
        next(read_source("journal"))


@pytest.fixture
def small_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Source:
    """A source of one file, ``small/rows.tsv``, which the test writes."""
    source = dataclasses.replace(
        SOURCES["journal"],
        name="small",
        files=(SourceFile("small/rows.tsv", "0" * 64, part="rows", split="validation"),),
        reader=read_journal,
    )
    monkeypatch.setattr(sources_module, "SOURCES", {"small": source})
    monkeypatch.setenv("MEMOTIONS_MIRROR", str(tmp_path))
    (tmp_path / "small").mkdir()
    return source


def test_rows_without_an_id_are_numbered_within_their_file(
    small_source: Source, tmp_path: Path
) -> None:
    (tmp_path / "small/rows.tsv").write_text("Sad\tsedih\nhappy\tsenang\n", encoding="utf-8")
    first, second = read_source("small", verify=False)
    assert (first.id, second.id) == ("small-rows-00000", "small-rows-00001")
    assert first.source_label == "sad"
    assert (first.text, first.split, first.source) == ("sedih", "validation", "small")


def test_a_file_without_rows_is_refused(small_source: Source, tmp_path: Path) -> None:
    (tmp_path / "small/rows.tsv").write_text("\n\n", encoding="utf-8")
    with one_line_error(CorpusError, "small/rows.tsv", "no row"):
        list(read_source("small", verify=False))


@pytest.mark.parametrize(
    ("upstream", "split"),
    [("train", "train"), ("dev", "validation"), ("valid", "validation"), ("test", "test")],
)
def test_upstream_splits_have_one_name_here(
    monkeypatch: pytest.MonkeyPatch,
    small_source: Source,
    tmp_path: Path,
    upstream: str,
    split: str,
) -> None:
    source = dataclasses.replace(small_source, reader=read_split_translation)
    monkeypatch.setattr(sources_module, "SOURCES", {"small": source})
    path = tmp_path / "small/rows.tsv"
    path.write_text(f"id\tlabel\ttext\tsplit\nx7\tneutral\tbiasa\t{upstream}\n", encoding="utf-8")
    (only,) = read_source("small", verify=False)
    assert (only.id, only.split) == ("x7", split)


@pytest.mark.parametrize("upstream", ["", "Train", "all"])
def test_an_unknown_split_is_named_with_its_row(
    monkeypatch: pytest.MonkeyPatch, small_source: Source, tmp_path: Path, upstream: str
) -> None:
    source = dataclasses.replace(small_source, reader=read_split_translation)
    monkeypatch.setattr(sources_module, "SOURCES", {"small": source})
    path = tmp_path / "small/rows.tsv"
    path.write_text(f"id\tlabel\ttext\tsplit\nx7\tneutral\tbiasa\t{upstream}\n", encoding="utf-8")
    with one_line_error(CorpusError, "small/rows.tsv", "x7", repr(upstream), "train"):
        list(read_source("small", verify=False))


@needs_mirror
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_of_the_mirror_reads_completely(name: str) -> None:
    rows = list(read_source(name))
    assert len(rows) == ROWS[name]
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.text.strip() and row.source == name for row in rows)
    for label in {row.source_label for row in rows}:
        map_source_label(label)


@needs_mirror
def test_official_splits_of_the_mirror() -> None:
    assert Counter(row.split for row in read_source("emot")) == {
        "train": 3_521,
        "validation": 440,
        "test": 440,
    }
    assert {row.split for row in read_source("saputri")} == {None}
    assert {row.split for row in read_source("opinion")} == {"test"}
    assert {row.split for row in read_source("go-emotions-neutral-id")} == {
        "train",
        "validation",
        "test",
    }


@needs_mirror
def test_the_journal_of_the_mirror_is_balanced() -> None:
    counts = Counter(row.source_label for row in read_source("journal"))
    assert counts == dict.fromkeys(("sad", "happy", "neutral", "anger", "fear"), 700)
