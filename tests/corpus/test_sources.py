"""The registry of sources: what each entry states of its files, terms and citation."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from corpus_support import one_line_error

from memotions_hf.corpus import (
    ENGLISH_SOURCES,
    EVALUATION_SOURCES,
    MERGED_SOURCES,
    SOURCES,
    Source,
    kin,
)
from memotions_hf.corpus.sources import get_source, weights_license
from memotions_hf.errors import InputError
from memotions_hf.labels import map_source_label

EVERY_SOURCE = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
LICENCES = re.compile(r"CC-BY(-NC)?(-SA|-ND)?-4\.0|other-[a-z]+(-[a-z]+)*")


def bibtex_fields(entry: str) -> tuple[str, str, dict[str, str]]:
    """Return an entry's kind, key and fields, and fail where it is not well formed."""
    head = re.match(r"@([a-z]+)\{([\w:-]+),\n", entry)
    assert head, entry
    fields: dict[str, str] = {}
    at = head.end()
    while name := re.compile(r"\s*([a-z]+) = \{").match(entry, at):
        depth, end = 1, name.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(entry[end], 0)  # runs off the end where unbalanced
            end += 1
        assert name[1] not in fields, f"{name[1]} twice in {entry}"
        fields[name[1]] = entry[name.end() : end - 1]
        assert entry[end] == ",", entry[end - 20 : end + 5]
        at = end + 1
    assert entry[at:].strip() == "}", entry[at:]
    return head[1], head[2], fields


def test_which_sources_are_merged_translated_or_only_evaluated_on() -> None:
    assert MERGED_SOURCES == (
        "journal",
        "emot",
        "saputri",
        "prdect",
        "dair-emotion-id",
        "go-emotions-neutral-id",
        "go-emotions-id",
        "isear-id",
        "everyday",
    )
    assert ENGLISH_SOURCES == ("dair-emotion", "kaggle-emotions", "go-emotions")
    assert EVALUATION_SOURCES == ("opinion",)
    assert sorted((*MERGED_SOURCES, *ENGLISH_SOURCES, *EVALUATION_SOURCES)) == sorted(SOURCES)


def test_names_and_titles_name_one_source_each() -> None:
    assert all(source.name == name for name, source in SOURCES.items())
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in SOURCES)
    assert len({source.title for source in SOURCES.values()}) == len(SOURCES)


@EVERY_SOURCE
def test_a_source_states_its_terms(source: Source) -> None:
    assert source.title.strip()
    assert LICENCES.fullmatch(source.license)
    assert source.terms.endswith(".")
    assert source.citation.endswith(".")
    assert source.language in ("en", "id")
    assert source.homepage.startswith("https://") or source.bundled
    for text in (source.title, source.terms, source.citation):
        assert len(text.splitlines()) == 1


@EVERY_SOURCE
def test_a_source_states_its_files(source: Source) -> None:
    assert source.files
    assert len({file.part for file in source.files}) == len(source.files)
    assert len({file.path for file in source.files}) == len(source.files)
    for file in source.files:
        path = PurePosixPath(file.path)
        folder = path.parts[0].replace("_", "-")
        assert source.name == folder or (source.bundled and source.name == f"{folder}-id")
        assert not path.is_absolute()
        assert ".." not in path.parts
        for sha256 in (file.sha256, *file.other_sha256):
            assert re.fullmatch(r"[0-9a-f]{64}", sha256 or "") or sha256 is None
        # Only what comes with this package or from Kaggle has no recorded checksum.
        assert file.sha256 or source.bundled or source.kaggle
        if file.url is not None:
            assert urlsplit(file.url).scheme == "https"
            assert " " not in file.url
        assert file.split in ("train", "validation", "test", None)


def test_a_file_belongs_to_one_source() -> None:
    files = [file for source in SOURCES.values() for file in source.files]
    assert len({file.path for file in files}) == len(files)
    checksums = [file.sha256 for file in files if file.sha256]
    assert len(set(checksums)) == len(checksums)


@EVERY_SOURCE
def test_a_citation_is_well_formed_bibtex(source: Source) -> None:
    kind, key, fields = bibtex_fields(source.bibtex)
    assert key == source.citation_key
    assert {"author", "title"} <= set(fields)
    assert all(value.strip() for value in fields.values())
    needed = {"article": {"journal", "year"}, "inproceedings": {"booktitle", "year"}, "misc": set()}
    assert needed[kind] <= set(fields)
    if "year" in fields:
        assert re.fullmatch(r"(19|20)\d\d", fields["year"])
    # "A and B and C", as BibTeX wants it: an "et al." would be taken for a name.
    assert "et al" not in fields["author"]


def test_a_citation_key_stands_for_one_entry() -> None:
    entries = {(source.citation_key, source.bibtex) for source in SOURCES.values()}
    assert len({key for key, _ in entries}) == len(entries)


@pytest.mark.parametrize(
    "broken",
    [
        "@misc{x,\n  title = {a {b},\n}",
        "@misc{x,\n  title = {a}}\n}",
        "@misc{x,\n  title = {a},\n  title = {b},\n}",
        "misc{x}",
    ],
)
def test_the_check_of_bibtex_finds_what_is_broken(broken: str) -> None:
    with pytest.raises((AssertionError, IndexError)):
        bibtex_fields(broken)


def test_no_source_of_unclear_terms_may_be_redistributed() -> None:
    assert {name: source.redistribute for name, source in SOURCES.items()} == {
        "journal": "yes",
        "emot": "yes",
        "saputri": "yes",
        "prdect": "yes",
        "dair-emotion-id": "unknown",
        "go-emotions-neutral-id": "yes",
        "go-emotions-id": "yes",
        "isear-id": "unknown",
        "everyday": "yes",
        "opinion": "no",
        "dair-emotion": "unknown",
        "kaggle-emotions": "unknown",
        "go-emotions": "yes",
    }
    for source in SOURCES.values():
        assert (source.redistribute == "unknown") == source.license.startswith("other-")
        if source.redistribute == "unknown":
            assert "Decided here" in source.terms
        if "-ND" in source.license:
            assert source.redistribute == source.train_weights == "no"


def test_the_strictest_licence_of_the_training_data_decides_on_the_weights() -> None:
    free = ["journal", "everyday", "prdect", "go-emotions-neutral-id", "go-emotions-id"]
    assert weights_license(free) == "CC-BY-4.0"
    assert weights_license(["journal", "emot"]) == "CC-BY-NC-SA-4.0"
    assert weights_license(["isear-id"]) == "CC-BY-NC-SA-4.0"
    assert weights_license(MERGED_SOURCES) == "CC-BY-NC-SA-4.0"
    with one_line_error(InputError, "opinion"):
        weights_license(["journal", "opinion"])
    with one_line_error(InputError, "'imdb'", "journal"):
        weights_license(["imdb"])


@EVERY_SOURCE
def test_a_translation_is_of_a_source_in_english(source: Source) -> None:
    assert not (source.translated and source.language == "id")
    assert source.text_language == ("en" if source.name in ENGLISH_SOURCES else "id")
    if source.translation_of is not None:
        assert source.translated
        assert source.translation_of in ENGLISH_SOURCES
        original = get_source(source.translation_of)
        assert (original.license, original.redistribute) == (source.license, source.redistribute)


@EVERY_SOURCE
def test_its_own_names_for_labels_are_known_here(source: Source) -> None:
    for name in source.label_names or ():
        map_source_label(name, names=source.label_names)


def test_the_projects_own_data_has_no_other_origin() -> None:
    bundled = {name: source for name, source in SOURCES.items() if source.bundled}
    assert set(bundled) == {"journal", "everyday", "go-emotions-id"}
    for source in bundled.values():
        assert source.fixed_splits
        assert (source.license, source.redistribute) == ("CC-BY-4.0", "yes")
        assert all(file.url is None for file in source.files)


# Kinship ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "family",
    [
        {"emot", "saputri"},
        {"journal", "everyday"},
        {"go-emotions-neutral-id", "go-emotions-id", "go-emotions"},
        {"dair-emotion-id", "dair-emotion", "kaggle-emotions"},
        {"prdect"},
        {"isear-id"},
        {"opinion"},
    ],
    ids=lambda family: ",".join(sorted(family)),
)
def test_kin_are_left_out_together(family: set[str]) -> None:
    for name in family:
        assert sorted(kin(name)) == sorted(family)


@EVERY_SOURCE
def test_a_source_is_kin_to_what_it_was_made_from(source: Source) -> None:
    for origin in (source.name, source.translation_of, source.part_of):
        assert origin is None or kin(origin) == kin(source.name)
    same_work = {name for name, other in SOURCES.items() if other.bibtex == source.bibtex}
    assert same_work <= set(kin(source.name))


def test_an_unknown_source_has_no_kin() -> None:
    with one_line_error(InputError, "'imdb'", "journal"):
        kin("imdb")


@pytest.mark.parametrize("name", ["", "Emot", "imdb", "emot\n", "sad\nhappy"])
def test_an_unknown_source_is_refused_with_the_known_ones(name: str) -> None:
    with one_line_error(InputError, repr(name), "journal", "opinion", "go-emotions"):
        get_source(name)
