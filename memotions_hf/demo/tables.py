"""What visitors upload, read as a table: CSV, XLSX or TXT, with a message for every bad file.

:func:`open_table` goes through the whole file once, so that a bad row is named before any work is
done; :meth:`Table.rows` reads it again, row by row.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ..errors import require
from .markup import VisitorError

MAX_ROWS = 50_000
MAX_BYTES = 20_000_000
MAX_COLUMNS = 200
MAX_CHARACTERS = 20_000
"""Of one cell."""

MAX_UNPACKED_BYTES = 100_000_000
"""Of all parts of an XLSX file together."""
MAX_CELLS = 1_000_000
"""Of all sheets and of the strings that they share."""

Kind = Literal["csv", "txt", "xlsx"]
Record = tuple[int, list[str]]

_KINDS: dict[str, Kind] = {".csv": "csv", ".tsv": "csv", ".txt": "txt", ".xlsx": "xlsx"}
_ZIP_MARK = b"PK\x03\x04"
_OLD_OFFICE_MARK = b"\xd0\xcf\x11\xe0"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_DELIMITERS = (",", ";", "\t", "|")
# Stands for "one column": a character that nobody types.
_NO_DELIMITER = "\x1f"
_SAMPLE_CHARACTERS = 65_536
_SAMPLE_ROWS = 200
_MAX_LINE = 1_000_000

_MAX_PARTS = 500
_MAX_SHEETS = 30
_MAX_SHEET_ROWS = 1_048_576
_CHUNK_BYTES = 1 << 18
_COUNTED = re.compile(rb"<(?:\w+:)?(?:(sheet)|c|si)[\s/>]")
_NEVER_IN_XLSX = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_UTF16_XML = (*_UTF16_MARKS, b"<\0", b"\0<")

_TEXT_NAMES = (
    "teks|text|isi|cerita|curhat|curhatan|tweet|cuitan|komentar|comments?|ulasan|reviews?|jurnal|"
    "journal|catatan|notes?|kalimat|sentence|pesan|messages?|content|konten|caption|entry|diary|"
    "status|jawaban|answer|feedback|masukan|body|post"
)
_OTHER_NAMES = (
    "id|no|nomor|number|nama|name|tanggal|date|waktu|time|timestamp|jam|label|emosi|emotion|"
    "sentimen|sentiment|kelas|class|kategori|category|user|username|akun|judul|title|umur|usia|"
    "age|kota|city|rating|skor|score|sumber|source|split|url|link|email"
)
_TEXT_NAME = re.compile(rf"(?<![^\W\d_])(?:{_TEXT_NAMES})(?![^\W\d_])", re.IGNORECASE)
_KNOWN_NAME = re.compile(
    rf"(?<![^\W\d_])(?:{_TEXT_NAMES}|{_OTHER_NAMES})(?![^\W\d_])", re.IGNORECASE
)
_NUMBER = re.compile(r"[-+]?\d[\d.,:/ %-]*")
_MAX_HEADER_LENGTH = 60
# What a telling name is worth, in words.
_NAME_BONUS = 20.0
_MANY_WORDS = 60


@dataclass(frozen=True)
class Table:
    """An upload that is known to be readable.

    Attributes:
        kind: what sort of file it is.
        columns: their names; without a header, letters as in a spreadsheet.
        has_header: whether the first row holds names.
        guess: the column that most looks like free text.
        total: how many rows :meth:`rows` yields.
        delimiter: what a CSV file with these rows should separate its cells with.
    """

    kind: Kind
    columns: list[str]
    has_header: bool
    guess: int
    total: int
    delimiter: str
    _read: Callable[[], Iterator[Record]] = field(repr=False, compare=False)

    def rows(self) -> Iterator[Record]:
        """Yield every row below the header, with its number in a spreadsheet or an editor.

        Raises:
            VisitorError: the file has changed since it was opened, and for the worse.
        """
        records = self._read()
        for number, cells in islice(records, int(self.has_header), None):
            yield number, cells + [""] * (len(self.columns) - len(cells))


def open_table(path: Path, *, header: bool | None = None) -> Table:
    """Go through an upload, and tell what is in it.

    Args:
        path: a CSV, XLSX or TXT file; TXT is one text a line.
        header: whether the first row holds the names of the columns; None decides by looking.

    Raises:
        VisitorError: the file cannot be used; the message names the row where there is one.
    """
    kind = _find_kind(path)
    if kind == "xlsx":
        _check_archive(path)
        return _describe("xlsx", ",", partial(_read_xlsx, path), header)
    encoding = _find_encoding(path, kind)
    if kind == "txt":
        return _describe("txt", "\t", partial(_read_txt, path, encoding), False)
    delimiter = _guess_delimiter(_read_sample(path, encoding))
    read = partial(_read_csv, path, encoding, delimiter)
    return _describe("csv", "," if delimiter == _NO_DELIMITER else delimiter, read, header)


def thousands(name: str, value: int) -> dict[str, str]:
    """A number for a text in both languages: ``{name_id}`` 12.300 and ``{name_en}`` 12,300."""
    english = f"{value:,}"
    return {f"{name}_id": english.replace(",", "."), f"{name}_en": english}


# What sort of file


def _find_kind(path: Path) -> Kind:
    size = path.stat().st_size
    if size == 0:
        raise VisitorError("batch.empty")
    if size > MAX_BYTES:
        raise VisitorError("batch.too_big", limit=f"{MAX_BYTES // 1_000_000} MB")
    with path.open("rb") as stream:
        start = stream.read(4)
    suffix = path.suffix.lower()
    if start == _OLD_OFFICE_MARK:
        # A workbook with a password is such a file too, whatever it is called.
        raise VisitorError("batch.locked" if suffix == ".xlsx" else "batch.old_excel")
    if suffix == ".xls":
        raise VisitorError("batch.old_excel")
    if suffix not in _KINDS:
        raise VisitorError("batch.kind")
    if start == _ZIP_MARK:
        return "xlsx"
    if suffix == ".xlsx":
        raise VisitorError("batch.damaged")
    return _KINDS[suffix]


def _find_encoding(path: Path, kind: Kind) -> str:
    with path.open("rb") as stream:
        encoding = "utf-16" if stream.read(2) in _UTF16_MARKS else "utf-8-sig"
    try:
        with path.open(encoding=encoding, newline="") as text:
            while text.read(_SAMPLE_CHARACTERS):
                pass
    except UnicodeDecodeError:
        row = _first_undecodable_row(path.read_bytes(), encoding, kind)
    else:
        return encoding
    raise VisitorError("batch.not_utf8", row=row)


def _first_undecodable_row(content: bytes, encoding: str, kind: Kind) -> int:
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, errors="ignore") + "x"
        if kind == "txt":
            return len(before.splitlines())
        delimiter = _guess_delimiter(before[:_SAMPLE_CHARACTERS])
        try:
            return sum(1 for _ in _as_csv(io.StringIO(before, newline=""), delimiter))
        except csv.Error:
            return len(before.splitlines())
    return 1


# Lines and CSV


class _LineError(Exception):
    """A line that cannot be read; the argument is the key of what to say."""


def _lines(path: Path, encoding: str) -> Iterator[str]:
    with path.open(encoding=encoding, newline="") as stream:
        while line := stream.readline(_MAX_LINE + 1):
            if len(line) > _MAX_LINE:
                raise _LineError("batch.too_long")
            if "\0" in line:
                raise _LineError("batch.binary")
            yield line


def _read_txt(path: Path, encoding: str) -> Iterator[Record]:
    number = 0
    try:
        for number, line in enumerate(_lines(path, encoding), start=1):
            yield number, [line.rstrip("\r\n")]
    except _LineError as error:
        raise _row_error(str(error), number + 1) from None


def _read_csv(path: Path, encoding: str, delimiter: str) -> Iterator[Record]:
    rows = _as_csv(_lines(path, encoding), delimiter, strict=True)
    number = width = 0
    while True:
        number += 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except _LineError as error:
            raise _row_error(str(error), number) from None
        except csv.Error as error:
            is_long = "larger than" in str(error)
            raise _row_error("batch.too_long" if is_long else "batch.quote", number) from None
        if delimiter == _NO_DELIMITER and cells:
            cells = [delimiter.join(cells)]
        is_short = len(cells) < width or not width
        if not cells or (is_short and not "".join(cells).strip()):
            continue  # a blank line
        width = width or len(cells)
        if len(cells) != width:
            raise VisitorError("batch.width", row=number, found=len(cells), expected=width)
        yield number, cells


def _as_csv(lines: Iterable[str], delimiter: str, *, strict: bool = False) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=delimiter, strict=strict)


def _read_sample(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, newline="") as stream:
        return stream.read(_SAMPLE_CHARACTERS)


def _guess_delimiter(sample: str) -> str:
    """The delimiter by which most rows are as wide as the first one, which must be cut by it."""
    best, chosen = (0.0, 0), _NO_DELIMITER
    for delimiter in _DELIMITERS:
        try:
            parsed = _as_csv(io.StringIO(sample, newline=""), delimiter)
            rows = [row for row in islice(parsed, _SAMPLE_ROWS) if row]
        except csv.Error:
            continue
        if not rows or len(rows[0]) == 1 or _is_prose(rows[0]):
            continue
        width = len(rows[0])
        rating = (sum(len(row) == width for row in rows) / len(rows), width)
        if rating > best:
            best, chosen = rating, delimiter
    return chosen


def _is_prose(cells: Sequence[str]) -> bool:
    """Tell whether a row is one text with commas rather than cells: "Capek, tapi senang"."""
    return all(cell.startswith(" ") for cell in cells[1:]) and not any(map(_is_known, cells))


# XLSX


def _check_archive(path: Path) -> None:
    """Refuse what would take much memory or time, or what no spreadsheet program writes.

    The sizes in the directory are claims, but claims that hold: ``zipfile`` gives no more bytes of
    a part than its claim, and fails where the part goes on.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > _MAX_PARTS or sum(p.file_size for p in parts) > MAX_UNPACKED_BYTES:
                raise VisitorError("batch.unpacked", limit=f"{MAX_UNPACKED_BYTES // 1_000_000} MB")
            _check_parts(archive, parts)
    except VisitorError:
        raise
    except Exception:  # zipfile lets a dozen kinds through, from struct.error to zlib.error
        raise VisitorError("batch.damaged") from None


def _check_parts(archive: zipfile.ZipFile, parts: Iterable[zipfile.ZipInfo]) -> None:
    cells = sheets = 0
    for part in parts:
        # Other methods unpack a whole block at once, however large.
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise VisitorError("batch.damaged")
        with archive.open(part) as stream:
            for chunk in iter(partial(stream.read, _CHUNK_BYTES), b""):
                if _NEVER_IN_XLSX.search(chunk) or chunk.startswith(_UTF16_XML):
                    raise VisitorError("batch.damaged")
                found = _COUNTED.findall(chunk)
                named = sum(map(bool, found))
                sheets, cells = sheets + named, cells + len(found) - named
                if cells > MAX_CELLS:
                    raise VisitorError("batch.too_many_cells", **thousands("limit", MAX_CELLS))
    if sheets > _MAX_SHEETS:
        raise VisitorError("batch.too_many_sheets", limit=_MAX_SHEETS)


def _read_xlsx(path: Path) -> Iterator[Record]:
    """The rows of the first visible sheet that has any."""
    # Not calamine, which is faster: it makes room for every cell between the first and the last
    # one, and a file of 5 KB with cells in two corners ends the whole process.
    load_workbook = require("openpyxl", "space").load_workbook
    # Its warnings may quote the upload, and end in the server's log.
    warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
    try:
        # A stream, since openpyxl goes by the suffix of a path.
        with path.open("rb") as stream:
            book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            yield from _first_records(book)
    except Exception:  # openpyxl fails on bad XML with whatever its own code trips over
        raise VisitorError("batch.damaged") from None


def _first_records(book: Any) -> Iterator[Record]:
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            continue
        sheet.reset_dimensions()  # what the file says of its own size is often wrong
        records = _nonempty(sheet.iter_rows(values_only=True))
        first = next(records, None)
        if first is not None:
            yield first
            yield from records
            return


def _nonempty(rows: Iterable[Sequence[Any]]) -> Iterator[Record]:
    gap: Sequence[Any] = ()
    for number, row in enumerate(islice(rows, _MAX_SHEET_ROWS), start=1):
        if row is gap:
            continue
        # Far to the right there are often cells that have a format and nothing in them.
        values = row if row and row[-1] is not None else row[: MAX_COLUMNS + 1]
        width = len(values)
        while width and values[width - 1] is None:
            width -= 1
        cells = [_as_seen(value) for value in values[:width]]
        if any(cells):
            yield number, cells
        elif not cells:
            gap = row  # openpyxl gives the same one for every row that the file leaves out


def _as_seen(value: Any) -> str:
    """A cell's value as a person sees it, or nearly so."""
    if isinstance(value, str):
        return value.replace("_x000D_", "")  # how Excel writes the half of a Windows line break
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        is_date = value.time() == datetime.time.min
        return value.date().isoformat() if is_date else value.isoformat(" ", "seconds")
    return str(value)


# What stands in the table


def _describe(
    kind: Kind, delimiter: str, read: Callable[[], Iterator[Record]], header: bool | None
) -> Table:
    sample: list[list[str]] = []
    total = width = 0
    for number, cells in read():
        _check_cells(number, cells)
        width = max(width, len(cells))
        total += 1
        if total > MAX_ROWS + 1:
            break
        if total <= _SAMPLE_ROWS:
            sample.append(cells)
    if not total:
        raise VisitorError("batch.empty")
    has_header = _is_header(sample[0], sample[1:]) if header is None else header
    total -= has_header
    if total > MAX_ROWS:
        raise VisitorError("batch.too_many_rows", **thousands("limit", MAX_ROWS))
    if not total:
        raise VisitorError("batch.only_header")
    names = ["teks"] if kind == "txt" else _name_columns(sample[0] if has_header else [], width)
    guess = _guess_column(names, sample[has_header:])
    return Table(kind, names, has_header, guess, total, delimiter, read)


def _check_cells(number: int, cells: Sequence[str]) -> None:
    if len(cells) > MAX_COLUMNS:
        raise VisitorError("batch.too_many_columns", row=number, limit=MAX_COLUMNS)
    if max(map(len, cells)) > MAX_CHARACTERS:
        raise _row_error("batch.too_long", number)


def _row_error(key: str, row: int) -> VisitorError:
    return VisitorError(key, row=row, **thousands("limit", MAX_CHARACTERS))


def _is_header(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Tell whether a first row names the columns; a text taken for a name would be lost."""
    if any(len(cell) > _MAX_HEADER_LENGTH or _NUMBER.fullmatch(cell.strip()) for cell in first):
        return False
    # "Komentar bagus" alone may well be a text.
    if any(_is_known(cell, 1 if len(first) == 1 else 3) for cell in first):
        return True
    columns = [_column(others, index) for index in range(len(first))]
    return any(
        name.strip() and column and all(map(_NUMBER.fullmatch, column))
        for name, column in zip(first, columns, strict=True)
    )


def _is_known(name: str, max_words: int = 3) -> bool:
    return len(name.split()) <= max_words and _KNOWN_NAME.search(name) is not None


def _column(rows: Iterable[Sequence[str]], index: int) -> list[str]:
    """The cells of a column that hold something."""
    cells = (row[index].strip() for row in rows if index < len(row))
    return [cell for cell in cells if cell]


def _name_columns(header: Sequence[str], width: int) -> list[str]:
    names = [name.strip() for name in header] + [""] * (width - len(header))
    return [name or _letters(index) for index, name in enumerate(names)]


def _letters(index: int) -> str:
    """A column's letters in a spreadsheet: A for the first, AA for the twenty-seventh."""
    before, last = divmod(index, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + last)


def _guess_column(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    ratings = [_rate(name, _column(rows, index)) for index, name in enumerate(names)]
    return ratings.index(max(ratings))


def _rate(name: str, cells: Sequence[str]) -> float:
    """How much a column looks like free text: its words, its length, and what its name says."""
    if not cells or all(map(_NUMBER.fullmatch, cells)):
        return 0.0
    size = sum(min(len(cell.split()) + len(cell) / 20, _MANY_WORDS) for cell in cells) / len(cells)
    return size + (_NAME_BONUS if _TEXT_NAME.search(name) else 0.0)
