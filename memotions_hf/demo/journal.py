"""A visitor's journal entries, which live in their own browser, and the exports made of them.

The server sees entries only while an export is read, and points (a time and an emotion, never a
text) only while they are drawn.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..labels import LABELS, parse_label
from ..text import to_valid_unicode
from .markup import VisitorError

MAX_ENTRIES = 10_000
"""More than a decade of two entries a day; drawing them still takes well under a second."""
MAX_CHARACTERS = 3_000_000
"""All texts of a history: browsers give a site about 5 MB, and encrypting takes a third of it."""
MAX_TEXT = 20_000
"""One entry, as long as the model's own limit."""
_MAX_FILE = 4 * MAX_CHARACTERS  # Quotes, line breaks, times and ids around the texts.

_APP, _VERSION = "memotions", 1
_COLUMNS = frozenset({"id", "at", "emotion", "score", "text", "vote"})
_DELIMITERS = ",;\t"  # Excel saves with a semicolon where the comma is the decimal sign.
_FORMULA_MARKS = ("=", "+", "-", "@", "\t")
# The offset of a time that has none (typed by hand, or lost in a spreadsheet): Jakarta's. The
# date and the clock time stay as the file has them, and only they are counted and shown.
_DEFAULT_OFFSET = timezone(timedelta(hours=7))
# Python's years end at 1 and 9999, and a year at the edge breaks sums of days.
_YEARS = range(1970, 9000)


def read_time(value: object) -> datetime:
    """A time as the browser wrote it: ISO 8601, by the clock of the place of writing.

    Args:
        value: the text; one without an offset is taken as the local time that it shows.

    Raises:
        ValueError: it is no such time, or its year is before 1970 or after 8999.
    """
    if not isinstance(value, str):
        raise ValueError("a time is a text")
    at = datetime.fromisoformat(value.strip())
    if at.year not in _YEARS:
        raise ValueError("the year is out of range")
    return at if at.tzinfo is not None else at.replace(tzinfo=_DEFAULT_OFFSET)


def _valid_text(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("the text is empty")
    return to_valid_unicode(value) if isinstance(value, str) else value


_Time = Annotated[datetime, BeforeValidator(read_time)]
_Label = Annotated[str, BeforeValidator(parse_label)]
_Text = Annotated[str, BeforeValidator(_valid_text), Field(max_length=MAX_TEXT)]


class EntryEmotion(BaseModel):
    """An emotion found in an entry; its label may be any name that ``parse_label`` knows."""

    model_config = ConfigDict(frozen=True)

    label: _Label
    score: float = Field(ge=0, le=1)


class Entry(BaseModel):
    """A journal entry as the browser keeps it; ``model_dump(mode="json")`` is its JSON."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    at: _Time
    text: _Text
    emotions: list[EntryEmotion] = Field(default=[], max_length=len(LABELS))
    vote: Literal[1, -1] | None = None


class Imported(NamedTuple):
    """What an export holds: the new entries, oldest first, and how many are known already."""

    entries: list[Entry]
    already_there: int


@dataclass(frozen=True)
class Point:
    """What the server needs of an entry to draw it: when, and its emotion (in a crisis none)."""

    at: datetime
    label: str | None

    @property
    def day(self) -> date:
        """The date on the calendar of the place of writing."""
        return self.at.date()


def read_points(values: object) -> list[Point]:
    """Points as a browser sent them, oldest first, at most the newest 10,000.

    Visitors can edit what their browser keeps, so that whatever is no point is left out.
    """
    if not isinstance(values, Sequence):
        return []
    points = [point for value in values if (point := _read_point(value)) is not None]
    return sorted(points, key=lambda point: point.at)[-MAX_ENTRIES:]


def _read_point(value: object) -> Point | None:
    if not isinstance(value, dict):
        return None
    label = value.get("label")
    if label is not None and label not in LABELS:
        return None
    try:
        return Point(read_time(value.get("at")), label)
    except ValueError:
        return None


def read_export(text: str, existing_ids: Sequence[str]) -> Imported:
    """Read an export of this app, all of it or nothing.

    Args:
        text: our JSON, or our CSV, also as Excel saved it again (semicolons, tabs, no BOM).
        existing_ids: the ids in the visitor's browser; entries with one of them are skipped, and
            so are repetitions within the file.

    Raises:
        VisitorError: it is no export of ours, has an entry that cannot be read (the message gives
            its row or number, never its text), or is more than a browser can keep.
    """
    if len(text) > _MAX_FILE:
        raise _too_large()
    text = text.removeprefix("\ufeff").lstrip()
    found = _read_json(text) if text.startswith(("{", "[")) else _read_csv(text)
    return _choose_new(found, {str(identifier).lower() for identifier in existing_ids})


def _choose_new(found: Iterator[Entry], known: set[str]) -> Imported:
    new: list[Entry] = []
    already_there = characters = 0
    for entry in found:
        if str(entry.id) in known:
            already_there += 1
            continue
        known.add(str(entry.id))
        new.append(entry)
        characters += len(entry.text)
        if len(known) > MAX_ENTRIES:
            raise VisitorError("journey.import_too_many", limit=f"{MAX_ENTRIES:,}")
        if characters > MAX_CHARACTERS:
            raise _too_large()
    return Imported(sorted(new, key=lambda entry: entry.at), already_there)


def _too_large() -> VisitorError:
    return VisitorError("journey.import_too_large", limit=f"{MAX_CHARACTERS // 1_000_000} MB")


def _read_json(text: str) -> Iterator[Entry]:
    try:
        export = json.loads(text)
    except (ValueError, RecursionError):
        raise VisitorError("journey.import_not_ours") from None
    if not isinstance(export, dict) or export.get("app") != _APP:
        raise VisitorError("journey.import_not_ours")
    if export.get("version") != _VERSION:
        raise VisitorError("journey.import_version")
    entries = export.get("entries")
    if not isinstance(entries, list):
        raise VisitorError("journey.import_not_ours")
    for number, values in enumerate(entries, start=1):
        yield _read_entry(values, "entry", number)


def _read_csv(text: str) -> Iterator[Entry]:
    first_line = text.partition("\n")[0].strip()
    delimiter = max(_DELIMITERS, key=first_line.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip().lower() for name in _next_row(rows, 1) or []]
    if set(header) != _COLUMNS or len(header) != len(_COLUMNS):
        raise VisitorError("journey.import_not_ours")
    # Rows are counted as a spreadsheet counts them, whatever line breaks their texts have.
    number = 2
    while (row := _next_row(rows, number)) is not None:
        if any(row):
            yield _read_entry(_row_values(header, row), "row", number)
        number += 1


def _next_row(rows: Iterator[list[str]], number: int) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error:
        raise VisitorError("journey.row_shape", number=number) from None


def _row_values(header: list[str], row: list[str]) -> object:
    if len(row) != len(header):
        return None
    cells = dict(zip(header, map(_plain_cell, row), strict=True))
    emotion, score = cells["emotion"].strip(), cells["score"].strip()
    found = [{"label": emotion, "score": _read_number(score)}] if emotion or score else []
    vote = _read_number(cells["vote"]) if cells["vote"].strip() else None
    return {key: cells[key] for key in ("id", "at", "text")} | {"emotions": found, "vote": vote}


def _plain_cell(cell: str) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from reading it as a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_MARKS) else cell


def _read_number(cell: str) -> float:
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return math.nan  # No field takes it, so that the message names the field.


def _read_entry(values: Any, kind: Literal["row", "entry"], number: int) -> Entry:
    try:
        return Entry.model_validate(values)
    except ValidationError as error:
        # Only the field's name is taken: pydantic's own message quotes what the visitor wrote.
        place = error.errors(include_input=False, include_context=False, include_url=False)[0]
        field = str(place["loc"][0]) if place["loc"] else "shape"
    raise VisitorError(f"journey.{kind}_{field}", number=number)
