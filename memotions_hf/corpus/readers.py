"""Readers of the upstream files' own formats.

A reader turns one file into :class:`RawRow` values and nothing else: no cleaning, no label mapping.
Every reader names the file and the row of whatever it cannot read.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ..errors import CorpusError


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
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path.name} cannot be read ({error.strerror})") from None
    if data.startswith(b"PK\x03\x04"):
        raise CorpusError(f"{path.name} is a ZIP archive or a spreadsheet: unpack or export it")
    data = data.removeprefix(codecs.BOM_UTF8)
    at, problem = data.find(b"\0"), "a NUL byte"
    if at < 0:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            at, problem = error.start, f"byte 0x{data[error.start]:02x} is not UTF-8"
    line = data.count(b"\n", 0, at) + 1
    raise CorpusError(
        f"{path.name}, line {line}: {problem}; convert the file to UTF-8 or download it again"
    )


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


def _filled(path: Path, line: int, name: str, value: str) -> str:
    value = value.strip()
    if not value:
        raise CorpusError(f"{path.name}, line {line}: the {name} is empty")
    return value


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
    label_numbers: Mapping[str, str] | None = None,
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
        name = _filled(path, line, "label", fields[at[label]])
        yield RawRow(
            _filled(path, line, "text", fields[at[text]]),
            name if label_numbers is None else _label_name(path, line, name, label_numbers),
            id=None if id is None else _filled(path, line, "id", fields[at[id]]),
            split=None if split is None else fields[at[split]].strip(),
        )


def read_dair_lines(path: Path) -> Iterator[RawRow]:
    """dair-ai/emotion: lines ``text;label``, with ids that its Indonesian translation shares."""
    number = -1
    for line, content in enumerate(io.StringIO(_read_text(path), newline=None), start=1):
        if not content.strip():
            continue
        number += 1
        text, separator, label = content.rpartition(";")
        if not separator:
            raise CorpusError(f"{path.name}, line {line}: no ';', expected text;label")
        yield RawRow(
            _filled(path, line, "text", text),
            _filled(path, line, "label", label),
            id=f"dair-{path.stem}-{number:05d}",
        )


GO_EMOTIONS_LABELS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion",
    "curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment",
    "excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism", "pride",
    "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip
KAGGLE_LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")


def _numbered(names: tuple[str, ...]) -> Mapping[str, str]:
    return {str(number): name for number, name in enumerate(names)}


def _label_name(path: Path, line: int, number: str, names: Mapping[str, str]) -> str:
    if number not in names:
        raise CorpusError(
            f"{path.name}, line {line}: unknown label {number[:40]!r}; expected a number from 0 "
            f"to {len(names) - 1}"
        )
    return names[number]


def read_go_emotions(path: Path) -> Iterator[RawRow]:
    """GoEmotions, simplified: TSV ``text, label numbers, comment id``, no header, no quoting.

    The label of a row is the names of its labels, joined by commas.
    """
    names = _numbered(GO_EMOTIONS_LABELS)
    for line, fields in _records(path, "\t", csv.QUOTE_NONE):
        if len(fields) != 3:
            raise CorpusError(
                f"{path.name}, line {line}: {len(fields)} fields, "
                "expected text<TAB>label numbers<TAB>comment id"
            )
        text = _filled(path, line, "text", fields[0])
        numbers = _filled(path, line, "label", fields[1]).split(",")
        labels = [_label_name(path, line, number.strip(), names) for number in numbers]
        row_id = _filled(path, line, "id", fields[2])
        yield RawRow(text, ",".join(labels), id=f"goemo-{path.stem}-{row_id}")


read_kaggle_emotions: Reader = partial(
    _read_with_header,
    delimiter=",",
    quoting=csv.QUOTE_MINIMAL,
    text="text",
    label="label",
    label_numbers=_numbered(KAGGLE_LABELS),
)
"""The Kaggle set "emotions": CSV with columns ``text`` and ``label``, a number from 0 to 5."""

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

read_split_rows: Reader = partial(
    _read_with_header,
    delimiter="\t",
    quoting=csv.QUOTE_NONE,
    text="text",
    label="label",
    id="id",
    split="split",
)
"""As :data:`read_translation`, with a column that names the split."""
