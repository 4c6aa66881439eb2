"""The configs of the published data set, and each of them as Hugging Face datasets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CorpusError, InputError, require
from ..labels import LABEL2ID, LABELS, parse_label
from .download import DATA_FOLDER, find_file
from .merge import (
    SPLITS,
    Example,
    MergedCorpus,
    MergeOptions,
    Progress,
    merge,
    silent,
    source_corpus,
)
from .naive import naive_concatenation
from .sources import SOURCES

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

MERGED = "merged"
NAIVE = "memotions-2024"
SUGGESTIONS = "suggestions"
CONFIGS: tuple[str, ...] = (MERGED, *SOURCES, NAIVE, SUGGESTIONS)
COLUMNS = ("id", "text", "label", "source", "source_label", "lang", "translated", "license")
_SUGGESTION_COLUMNS = ("id", "entry", "emotion", "topic", "advice", "suggestion")


def check_config(name: str) -> None:
    """Refuse a name that is no config.

    Raises:
        InputError: there is no config of that name.
    """
    if name not in CONFIGS:
        raise InputError(f"unknown config {name!r}; expected one of: {', '.join(CONFIGS)}")


def config_columns(name: str) -> tuple[str, ...]:
    """Return the names of a config's columns.

    Raises:
        InputError: there is no config of that name.
    """
    check_config(name)
    return _SUGGESTION_COLUMNS if name == SUGGESTIONS else COLUMNS


def config_features(name: str) -> Features:
    """Return the columns and types of a config.

    Raises:
        InputError: there is no config of that name.
        MissingExtraError: the ``data`` extra is not installed.
    """
    columns = config_columns(name)
    datasets = require("datasets", "data")
    special = {
        "label": datasets.ClassLabel(names=list(LABELS)),
        "emotion": datasets.ClassLabel(names=list(LABELS)),
        "translated": datasets.Value("bool"),
        "advice": datasets.List(datasets.Value("string")),
    }
    string = datasets.Value("string")
    return datasets.Features({column: special.get(column, string) for column in columns})


def config_rows(
    name: str, options: MergeOptions | None = None, progress: Progress = silent
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a config by split; splits without a row are left out.

    Args:
        name: one of :data:`CONFIGS`.
        options: sources, label policies, seed and translations of the merged config, which decide
            on the splits of all others.
        progress: told of each step and how far it is.

    Raises:
        InputError: there is no config of that name.
        CorpusError: a file that it is made from is missing or damaged.
    """
    check_config(name)
    if name == SUGGESTIONS:
        return {"train": list(read_suggestions())}
    corpus = config_corpus(name, options, progress)
    rows = {split: [_as_row(e) for e in corpus.split(split)] for split in SPLITS}
    return {split: part for split, part in rows.items() if part}


def config_corpus(
    name: str, options: MergeOptions | None = None, progress: Progress = silent
) -> MergedCorpus:
    """Return the examples of a config other than ``suggestions``, with what their making removed.

    Raises:
        InputError: there is no such config.
        CorpusError: a file that it is made from is missing or damaged.
    """
    options = options or MergeOptions()
    if name == NAIVE:
        return naive_concatenation(options, progress=progress)
    merged = _merged_once(options, progress)
    if name == MERGED:
        return merged
    if name not in SOURCES:
        raise InputError(f"{name!r} is no config of labelled texts")
    progress(f"reading {name}", 0, None)
    return source_corpus(name, merged)


def _file_states(options: MergeOptions) -> tuple[tuple[str, int, int], ...]:
    """Return path, size and time of every file that a merge reads."""
    files = [(SOURCES[name], file) for name in options.sources for file in SOURCES[name].files]
    paths = [path for source, file in files if (path := find_file(source, file)) is not None]
    if options.translations is not None:
        paths.append(options.translations)
    stats = [(path, path.stat()) for path in paths if path.exists()]
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)


_LAST_MERGE: dict[Any, MergedCorpus] = {}


def _merged_once(options: MergeOptions, progress: Progress) -> MergedCorpus:
    """Merge, or return the last merge where neither its options nor its files have changed."""
    key = (options, _file_states(options))
    if key not in _LAST_MERGE:
        merged = merge(options, progress=progress)
        _LAST_MERGE.clear()
        _LAST_MERGE[key] = merged
    return _LAST_MERGE[key]


def _as_row(example: Example) -> dict[str, Any]:
    return {column: getattr(example, column) for column in COLUMNS}


def read_suggestions(folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """Yield the project's own pairs of a journal entry and a suggestion.

    Raises:
        CorpusError: a line is no object with the columns of the config.
    """
    folder = folder or DATA_FOLDER / "suggestions"
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            yield _suggestion(path, number, line)


def _suggestion(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise CorpusError(f"{path.name}, line {number}: no JSON ({error})") from None
    if not isinstance(row, dict) or set(row) != set(_SUGGESTION_COLUMNS):
        raise CorpusError(
            f"{path.name}, line {number}: expected the keys {', '.join(_SUGGESTION_COLUMNS)}"
        )
    row["emotion"] = parse_label(row["emotion"])
    return dict(row)


def to_dataset(name: str, rows: Sequence[Mapping[str, Any]]) -> Dataset:
    """Return rows of a config as a ``datasets.Dataset``.

    Raises:
        InputError: there is no config of that name.
        MissingExtraError: the ``data`` extra is not installed.
    """
    datasets = require("datasets", "data")
    features = config_features(name)
    columns = {column: [row[column] for row in rows] for column in features}
    for column in {"label", "emotion"} & set(columns):
        columns[column] = [LABEL2ID[label] for label in columns[column]]
    return datasets.Dataset.from_dict(columns, features=features)


def load_corpus(
    config: str = MERGED, split: str | None = None, *, options: MergeOptions | None = None
) -> Dataset | DatasetDict:
    """Build a config of the corpus as Hugging Face datasets.

    Args:
        config: ``merged``, the name of one source (the same labels and splits), ``memotions-2024``
            or ``suggestions``.
        split: ``train``, ``validation`` or ``test``; None gives a ``DatasetDict`` of all there are.
        options: sources, label policies, seed and translations of the merged config.

    Returns:
        A ``datasets.Dataset`` with columns ``id, text, label, source, source_label, lang,
        translated, license`` (``label`` is a ``ClassLabel``), or a dictionary of them;
        ``suggestions`` has ``id, entry, emotion, topic, advice, suggestion``.

    Raises:
        InputError: there is no such config, or it has no such split.
        CorpusError: a file of a source is missing or damaged.
        MissingExtraError: the ``data`` extra is not installed.
    """
    check_config(config)
    if split is not None and split not in SPLITS:
        raise InputError(f"unknown split {split!r}; expected one of: {', '.join(SPLITS)}")
    datasets = require("datasets", "data")
    rows = config_rows(config, options)
    if split is None:
        return datasets.DatasetDict({name: to_dataset(config, part) for name, part in rows.items()})
    if split not in rows:
        raise InputError(f"config {config!r} has no split {split!r}; it has: {', '.join(rows)}")
    return to_dataset(config, rows[split])
