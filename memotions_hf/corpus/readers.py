"""Readers of the upstream files' own formats.

A reader turns one file into :class:`RawRow` values and nothing else: no cleaning, no label mapping.
Every reader names the file and the row of whatever it cannot read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ..errors import CorpusError

csv.field_size_limit(1 << 20)


@dataclass(frozen=True)
class RawRow:
    """One row as it stands upstream; ``id`` and ``split`` are None where the file has none."""

    text: str
    label: str
    id: str | None = None
    split: str | None = None


Reader = Callable[[Path], Iterator[RawRow]]
Quoting = Literal[0, 1, 2, 3]


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise CorpusError(
            f"{path.name}, line {line}: byte {error.start} is not UTF-8; "
            "convert the file to UTF-8 or download it again"
        ) from None


def _records(
    path: Path, delimiter: str, quoting: Quoting, strict: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of its first line, fields) of every record that is not blank."""
    reader = csv.reader(
        io.StringIO(_read_text(path), newline=""),
        delimiter=delimiter,
        quoting=quoting,
        strict=strict,
    )
    line = 1
    try:
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise CorpusError(
            f"{path.name}, line {line}: broken quoting or delimiter ({error})"
        ) from None


def _checked(path: Path, line: int, text: str, label: str) -> tuple[str, str]:
    if not text.strip():
        raise CorpusError(f"{path.name}, line {line}: the text is empty")
    if not label.strip():
        raise CorpusError(f"{path.name}, line {line}: the label is empty")
    return text.strip(), label.strip()


def _read_with_header(
    path: Path,
    *,
    delimiter: str,
    quoting: Quoting,
    text: str,
    label: str,
    id: str | None = None,
    split: str | None = None,
    strict: bool = True,
) -> Iterator[RawRow]:
    records = _records(path, delimiter, quoting, strict)
    line, header = next(records, (1, []))
    wanted = [name for name in (text, label, id, split) if name is not None]
    missing = [name for name in wanted if name not in header]
    if missing:
        raise CorpusError(
            f"{path.name}, line {line}: no column {missing[0]!r}; expected {', '.join(wanted)}, "
            f"found {', '.join(repr(name[:40]) for name in header[:12]) or 'nothing'}"
        )
    at = {name: header.index(name) for name in wanted}
    for line, fields in records:
        if len(fields) != len(header):
            raise CorpusError(
                f"{path.name}, line {line}: {len(fields)} fields where the header has {len(header)}"
            )
        row_text, row_label = _checked(path, line, fields[at[text]], fields[at[label]])
        yield RawRow(
            row_text,
            row_label,
            id=None if id is None else fields[at[id]],
            split=None if split is None else fields[at[split]],
        )


def _read_without_header(path: Path) -> Iterator[RawRow]:
    for line, fields in _records(path, "\t", csv.QUOTE_NONE):
        if len(fields) != 2:
            raise CorpusError(
                f"{path.name}, line {line}: {len(fields)} fields, expected label<TAB>text"
            )
        text, label = _checked(path, line, fields[1], fields[0])
        yield RawRow(text, label)


read_tweets: Reader = partial(
    _read_with_header, delimiter=",", quoting=csv.QUOTE_MINIMAL, text="tweet", label="label"
)
"""IndoNLU EmoT and the Saputri tweets: CSV ``label,tweet``."""

read_reviews: Reader = partial(
    _read_with_header,
    delimiter=",",
    quoting=csv.QUOTE_MINIMAL,
    text="Customer Review",
    label="Emotion",
)
"""PRDECT-ID: CSV of eleven columns."""

read_opinion: Reader = partial(
    _read_with_header,
    delimiter="\t",
    quoting=csv.QUOTE_MINIMAL,
    text="Tweet",
    label="Label",
    strict=False,
)
"""Opinion tweets: tab-separated, one file a label.

Read leniently: some fields go on after their closing quotation mark.
"""

read_translation: Reader = partial(
    _read_with_header, delimiter="\t", quoting=csv.QUOTE_NONE, text="text", label="label", id="id"
)
"""Translations made for this project: TSV ``id label text``, no quoting."""

read_split_translation: Reader = partial(
    _read_with_header,
    delimiter="\t",
    quoting=csv.QUOTE_NONE,
    text="text",
    label="label",
    id="id",
    split="split",
)
"""As :data:`read_translation`, with a column that names the upstream split."""

read_journal: Reader = _read_without_header
"""The project's own entries: ``label<TAB>text``, no header."""
