"""The rows of a source: ids, splits and labels, and what is said of files that cannot be used."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_support import needs_mirror, one_line_error

from memotions_hf.corpus import SOURCES, read_source
from memotions_hf.corpus import download as download_module
from memotions_hf.corpus import sources as sources_module
from memotions_hf.corpus.readers import (
    Reader,
    read_dair_lines,
    read_go_emotions,
    read_split_rows,
    read_tweets,
)
from memotions_hf.corpus.rows import originals
from memotions_hf.corpus.sources import SourceFile
from memotions_hf.errors import CorpusError, InputError
from memotions_hf.labels import GO_EMOTIONS, LABELS, map_source_label

ROWS = {
    "journal": 3_484 + 4_500,
    "emot": 3_521 + 440 + 440,
    "saputri": 4_401,
    "prdect": 5_400,
    "dair-emotion-id": 15_968 + 1_993,
    "go-emotions-neutral-id": 2_197,
    "go-emotions-id": 4_808 + 556 + 595,
    "isear-id": 1_360,
    "everyday": 899 + 900 + 960 + 900,
    "opinion": 7_080,
    "dair-emotion": 16_000 + 2_000 + 2_000,
    "go-emotions": 43_410 + 5_426 + 5_427,
}
SPLITS = {
    "journal": {"train": 2_610 + 4_050, "validation": 350 + 450, "test": 524},
    "everyday": {"train": 2_929, "validation": 365, "test": 365},
    "go-emotions-id": {"train": 4_808, "validation": 556, "test": 595},
    "emot": {"train": 3_521, "validation": 440, "test": 440},
    "saputri": {None: 4_401},
    "prdect": {None: 5_400},
    "isear-id": {None: 1_360},
    "opinion": {"test": 7_080},
    "dair-emotion-id": {"train": 15_968, "validation": 1_993},
    "dair-emotion": {"train": 16_000, "validation": 2_000, "test": 2_000},
    "go-emotions": {"train": 43_410, "validation": 5_426, "test": 5_427},
}
UPSTREAM = [name for name, source in SOURCES.items() if not source.bundled]
BUNDLED = [name for name, source in SOURCES.items() if source.bundled]


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEMOTIONS_CACHE", str(folder))
    return folder


Place = Callable[..., Path]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_cache: Path) -> Place:
    """Make ``small`` a source of one file, ``small/rows.tsv``, with this content."""

    def make(content: str, reader: Reader = read_split_rows, **settings: object) -> Path:
        file = SourceFile("small/rows.tsv", "0" * 64, part="rows", split="validation")
        settings = {"name": "small", "files": (file,), "reader": reader} | settings
        source = dataclasses.replace(SOURCES["emot"], **settings)  # type: ignore[arg-type]
        monkeypatch.setattr(sources_module, "SOURCES", {"small": source})
        monkeypatch.setenv("MEMOTIONS_MIRROR", str(tmp_path))
        path = tmp_path / "small" / "rows.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    return make


HEADER = "id\tlabel\tsplit\ttext\n"


# Rows ---------------------------------------------------------------------------------------------


def test_rows_without_an_id_are_numbered_within_their_file(place: Place) -> None:
    place("label,tweet\nSadness,sedih\n\nhappy,senang\n", read_tweets)
    first, second = read_source("small", verified=False)
    assert (first.id, second.id) == ("small-rows-00000", "small-rows-00001")
    assert first.source_label == "sadness"
    assert (first.text, first.split, first.source) == ("sedih", "validation", "small")
    assert first.original is None


def test_rows_with_an_id_keep_it(place: Place) -> None:
    place("i feel low;sadness\n", read_dair_lines)
    (only,) = read_source("small", verified=False)
    assert only.id == "dair-rows-00000"


@pytest.mark.parametrize(
    ("upstream", "split"),
    [
        ("train", "train"),
        ("dev", "validation"),
        ("val", "validation"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("test", "test"),
    ],
)
def test_upstream_splits_have_one_name_here(place: Place, upstream: str, split: str) -> None:
    place(f"{HEADER}x7\tneutral\t{upstream}\tbiasa\n")
    (only,) = read_source("small", verified=False)
    assert (only.id, only.split) == ("x7", split)


@pytest.mark.parametrize("upstream", ["", "Train", "all", "x" * 5000])
def test_an_unknown_split_is_named_with_its_row(place: Place, upstream: str) -> None:
    place(f"{HEADER}x7\tneutral\t{upstream}\tbiasa\n")
    with one_line_error(CorpusError, "small/rows.tsv", "x7", f"{upstream!r:.20}", "train"):
        list(read_source("small", verified=False))


@pytest.mark.parametrize("label", ["happ", "surprised", "4", "joy;", "x" * 5000])
def test_an_unknown_label_is_named_with_its_file_and_row(place: Place, label: str) -> None:
    place(f"{HEADER}x6\tjoy\ttrain\tsenang\nx7\t{label}\ttrain\tbiasa\n")
    rows = read_source("small", verified=False)
    assert next(rows).id == "x6"
    with pytest.raises(CorpusError) as caught:
        next(rows)
    message = str(caught.value)
    assert message.startswith("small/rows.tsv, row x7: ")
    assert f"{label!r:.20}" in message
    assert len(message) < 300


def test_labels_that_are_left_out_of_a_merge_are_known(place: Place) -> None:
    place(f"{HEADER}x6\tsurprise\ttrain\twah\n")
    assert [row.source_label for row in read_source("small", verified=False)] == ["surprise"]
    place("eww\t11,2\tx\n", read_go_emotions, label_names=GO_EMOTIONS)
    assert [row.source_label for row in read_source("small", verified=False)] == ["disgust,anger"]


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Emot", "imdb"])
def test_an_unknown_source_is_refused_with_the_known_ones(name: str) -> None:
    with one_line_error(InputError, repr(name), "journal", "opinion"):
        list(read_source(name))
    with one_line_error(InputError, repr(name), "journal", "opinion"):
        originals(name)


@pytest.mark.parametrize("name", UPSTREAM)
def test_without_a_mirror_the_message_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path, name: str
) -> None:
    monkeypatch.delenv("MEMOTIONS_MIRROR", raising=False)
    source = SOURCES[name]
    file = source.files[0]
    origin = file.url or source.homepage
    with one_line_error(CorpusError, "MEMOTIONS_MIRROR", file.path, source.license, origin):
        next(read_source(name))
    assert not empty_cache.exists()


@pytest.mark.parametrize("name", UPSTREAM)
def test_a_missing_file_is_named_with_its_licence_and_origin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_cache: Path, name: str
) -> None:
    monkeypatch.setenv("MEMOTIONS_MIRROR", str(tmp_path))
    source = SOURCES[name]
    file = source.files[0]
    origin = file.url or source.homepage
    how = f"memotions corpus download {name}" if file.url or source.kaggle else f"leave {name} out"
    with one_line_error(CorpusError, str(tmp_path), file.path, source.license, origin, how):
        next(read_source(name))


def test_a_missing_translation_can_be_made_anew(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    monkeypatch.delenv("MEMOTIONS_MIRROR", raising=False)
    with one_line_error(CorpusError, "memotions corpus translate dair-emotion "):
        next(read_source("dair-emotion-id"))


def test_a_package_without_its_data_is_to_be_installed_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(download_module, "DATA_FOLDER", tmp_path)
    with one_line_error(
        CorpusError, "journal/family.tsv", str(tmp_path), "CC-BY-4.0", "install it again"
    ):
        next(read_source("journal"))


def test_the_projects_own_data_is_never_read_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_cache: Path
) -> None:
    monkeypatch.setenv("MEMOTIONS_MIRROR", str(tmp_path))
    (tmp_path / "journal").mkdir()
    for file in SOURCES["journal"].files:
        (tmp_path / file.path).write_text("sad\tsedih\n", encoding="utf-8")
    assert sum(1 for _ in read_source("journal")) == ROWS["journal"]


@pytest.mark.parametrize("content", ["", HEADER + "x\tsad\ttrain\tsedih\n"], ids=["empty", "other"])
def test_a_file_that_is_not_the_recorded_one_is_refused(place: Place, content: str) -> None:
    path = place(content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    with one_line_error(
        CorpusError, "small/rows.tsv", str(path), "sha256", digest[:12], "0" * 12, "CC-BY-NC-SA-4.0"
    ):
        next(read_source("small"))


def test_a_file_without_rows_is_refused(place: Place) -> None:
    place(HEADER)
    with one_line_error(CorpusError, "small/rows.tsv", "no row"):
        list(read_source("small", verified=False))


def test_a_file_that_may_not_be_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place(HEADER + "x\tsad\ttrain\tsedih\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Permissions themselves do not keep out a test that runs as an administrator.
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with one_line_error(CorpusError, "small/rows.tsv", "cannot be read (Permission denied"):
        next(read_source("small"))
    with one_line_error(CorpusError, "rows.tsv", "cannot be read (Permission denied"):
        next(read_source("small", verified=False))


# The real files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [*BUNDLED, *(pytest.param(name, marks=needs_mirror) for name in ROWS if name in UPSTREAM)],
)
def test_a_source_reads_completely(name: str) -> None:
    source = SOURCES[name]
    rows = list(read_source(name))
    assert len(rows) == ROWS[name]
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.text.strip() and row.source == name for row in rows)
    mapped = {map_source_label(r.source_label, names=source.label_names) for r in rows}
    assert len(mapped - {None}) > 1 or name == "go-emotions-neutral-id"
    if name in SPLITS:
        assert Counter(row.split for row in rows) == SPLITS[name]


def test_every_source_with_files_is_counted() -> None:
    assert set(SOURCES) - set(ROWS) == {"kaggle-emotions"}


@pytest.mark.parametrize("name", ["journal", "everyday"])
def test_own_texts_have_every_label_in_every_file(name: str) -> None:
    rows = list(read_source(name))
    parts = {file.part for file in SOURCES[name].files}
    counts = Counter((row.id.split("-")[1], row.source_label) for row in rows)
    assert set(counts) == {(part, label) for part in parts for label in LABELS}
    labels = Counter(row.source_label for row in rows)
    assert max(labels.values()) < 1.1 * min(labels.values())
    assert {row.split for row in rows} == {"train", "validation", "test"}


def test_the_rows_of_go_emotions_map_after_the_groups_of_its_paper() -> None:
    groups = {"fear": "nervousness", "sadness": "grief disappointment remorse"}
    groups |= {"joy": "love excitement", "anger": "annoyance"}
    ours = {"fear": "fear", "sadness": "sad", "joy": "happy", "anger": "anger"}
    expected = {name: ours[group] for group in groups for name in (group, *groups[group].split())}
    names = SOURCES["go-emotions-id"].label_names
    labels = {row.source_label for row in read_source("go-emotions-id")}
    assert {label: map_source_label(label, names=names) for label in labels} == expected


def test_the_rows_of_go_emotions_are_in_the_order_of_their_ids() -> None:
    ids = [row.id for row in read_source("go-emotions-id")]
    assert ids == sorted(ids)


@needs_mirror
def test_the_translation_of_dair_shares_the_ids_of_its_original() -> None:
    english = {row.id: row for row in read_source("dair-emotion")}
    rows = list(read_source("dair-emotion-id"))
    assert {row.id for row in rows} <= set(english)
    for row in rows:
        assert row.source_label == english[row.id].source_label
        assert row.split == english[row.id].split


@needs_mirror
def test_the_translations_of_go_emotions_share_the_ids_of_their_originals() -> None:
    english = {row.id: row for row in read_source("go-emotions")}
    neutral = list(read_source("go-emotions-neutral-id"))
    assert {row.source_label for row in neutral} == {"neutral"}
    for row in (*neutral, *read_source("go-emotions-id")):
        assert english[row.id].source_label == row.source_label
        assert row.split == english[row.id].split


@needs_mirror
@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("dair-emotion-id", "dair-emotion"),
        ("go-emotions-neutral-id", "go-emotions"),
        ("go-emotions-id", "go-emotions"),
    ],
)
def test_originals_are_found_by_the_ids_of_a_translation(name: str, original: str) -> None:
    texts = originals(name)
    assert len(texts) == ROWS[original]
    assert all(texts[row.id] != row.text for row in read_source(name) if len(row.text) > 40)


@pytest.mark.parametrize("name", ["emot", "journal", "everyday", "isear-id"])
def test_what_is_no_translation_of_a_source_has_no_originals(name: str) -> None:
    assert originals(name) == {}
