"""Uploads: what is read from every sort of file, and what is said of every bad one."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from memotions_hf.demo import tables
from memotions_hf.demo.markup import TEXT_FOLDER, VisitorError
from memotions_hf.demo.tables import Table, open_table

TEXT = "Hari ini aku capek, tapi lega"
Upload = Callable[..., Path]


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    """Write a file, text in UTF-8, and return its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def write_xlsx(path: Path, *sheets: list[list[object]]) -> Path:
    book = Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def refusal(path: Path) -> VisitorError:
    with pytest.raises(VisitorError) as caught:
        open_table(path)
    return caught.value


def cells(table: Table) -> list[list[str]]:
    return [row for _, row in table.rows()]


# What is read


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_of_every_delimiter_and_encoding(upload: Upload, delimiter: str, encoding: str) -> None:
    stream = io.StringIO(newline="")
    rows = [["1", "Baris satu\nbaris dua"], ["2", 'Kata "ya", lalu; | dia\tpergi 😢']]
    csv.writer(stream, delimiter=delimiter).writerows([["id", "teks"], *rows])
    table = open_table(upload("a.csv", stream.getvalue().encode(encoding)))
    assert (table.kind, table.columns, table.has_header) == ("csv", ["id", "teks"], True)
    assert (table.guess, table.total, table.delimiter) == (1, 2, delimiter)
    assert list(table.rows()) == [(2, rows[0]), (3, rows[1])]


def test_rows_are_numbered_as_a_spreadsheet_shows_them(upload: Upload) -> None:
    path = upload("a.csv", 'id,teks\n1,"dua\nbaris"\n\n2,senang\n  \n')
    assert list(open_table(path).rows()) == [(2, ["1", "dua\nbaris"]), (4, ["2", "senang"])]


def test_one_column_of_prose_is_not_cut_at_its_commas(upload: Upload) -> None:
    table = open_table(upload("a.csv", "Capek, tapi senang\nHujan, macet, telat\nSepi\n"))
    assert cells(table) == [["Capek, tapi senang"], ["Hujan, macet, telat"], ["Sepi"]]
    assert (table.has_header, table.columns, table.delimiter) == (False, ["A"], ",")


def test_txt_is_one_text_a_line_and_keeps_empty_lines(upload: Upload) -> None:
    table = open_table(upload("a.txt", 'teks\r\n\r\n"Capek", katanya, lalu\tpergi'))
    assert table.columns == ["teks"]
    expected = [(1, ["teks"]), (2, [""]), (3, ['"Capek", katanya, lalu\tpergi'])]
    assert list(table.rows()) == expected


def test_xlsx_takes_the_first_visible_sheet_that_has_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = Workbook()
    hidden = book.create_sheet()
    hidden.append(["rahasia"])
    hidden.sheet_state = "hidden"
    sheet = book.create_sheet()
    sheet["B3"], sheet["C3"] = "no", "curhatan"
    sheet["B5"], sheet["C5"] = 1, TEXT
    book.save(path)
    table = open_table(path)
    assert (table.columns, table.guess) == (["A", "no", "curhatan"], 2)
    assert list(table.rows()) == [(5, ["", "1", TEXT])]


def test_xlsx_values_become_what_a_person_sees(tmp_path: Path) -> None:
    values = [
        7, 7.0, 0.1, 1e21, True, None, datetime.date(2024, 5, 1), datetime.time(8, 30),
        datetime.datetime(2024, 5, 1, 8, 30, 1), "x_x000D_\ny",
    ]  # fmt: skip
    path = write_xlsx(tmp_path / "a.xlsx", [[*values, TEXT]])
    assert cells(open_table(path, header=False)) == [
        ["7", "7", "0.1", "1e+21", "TRUE", "", "2024-05-01", "08:30:00", "2024-05-01 08:30:01",
         "x\ny", TEXT]
    ]  # fmt: skip


def test_workbook_called_csv_is_read_as_workbook(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", [["teks"], [TEXT]]).rename(tmp_path / "a.csv")
    assert open_table(tmp_path / "a.csv").kind == "xlsx"


@pytest.mark.parametrize(
    ("content", "has_header", "guess"),
    [
        ("teks\nsedih\n", True, 0),
        ("Komentar bagus\nsedih\n", False, 0),
        ("umpan,poin\nsenang sekali,5\nbiasa saja,3\n", True, 0),
        ("A1,sedih\nA2,senang\n", False, 1),
        ("1;aku sedih hari ini\n2;capek\n", False, 1),
        ("nama,komentar,kota\nBudi Santoso,capek,Jakarta\n", True, 1),
        ("nama;kode;cerita singkat\nBudi;AB CD EF GH IJ;sedih\n", True, 2),
        ("id_teks,isi\n1,capek sekali\n2,senang\n", True, 1),
    ],
)
def test_header_and_column_are_guessed(
    upload: Upload, content: str, has_header: bool, guess: int
) -> None:
    table = open_table(upload("a.csv", content))
    assert (table.has_header, table.guess) == (has_header, guess)


def test_visitor_may_say_whether_there_is_a_header(upload: Upload) -> None:
    path = upload("a.csv", "teks\nsedih\n")
    assert cells(open_table(path, header=False)) == [["teks"], ["sedih"]]
    path = upload("b.csv", "Aku,kamu\nsedih,senang\n")
    assert open_table(path, header=True).columns == ["Aku", "kamu"]


def test_unnamed_columns_get_letters(upload: Upload) -> None:
    content = ",".join(["id", "teks", *[""] * 26]) + "\n" + ",".join(["x"] * 28)
    assert open_table(upload("a.csv", content)).columns[-3:] == ["Z", "AA", "AB"]


def test_limits_themselves_are_allowed(upload: Upload) -> None:
    rows = ["teks", "x" * tables.MAX_CHARACTERS, *["ya"] * (tables.MAX_ROWS - 1)]
    assert open_table(upload("a.csv", "\n".join(rows))).total == tables.MAX_ROWS


# What is refused


@pytest.mark.parametrize(
    ("name", "content", "key", "row"),
    [
        ("a.csv", b"", "empty", None),
        ("a.csv", b"\n\n \n", "empty", None),
        ("a.csv", b"\xef\xbb\xbf", "empty", None),
        ("a.csv", b"id,teks\n", "only_header", None),
        ("a.csv", b"id,teks\n1,ya\n2,a,b\n", "width", 3),
        ("a.csv", b'id,teks\n1,"a\nb"\n2\n', "width", 3),
        ("a.csv", b"id;teks\n1;a\xe9\n", "not_utf8", 2),
        ("a.csv", b'id;teks\n1;"a\nb"\n2;a\xe9\n', "not_utf8", 3),
        ("a.txt", b"satu\ndua\nti\xffga\n", "not_utf8", 3),
        ("a.csv", b"\xff\xfea\x00b", "not_utf8", 1),
        ("a.csv", b"id,teks\n1,a\x00b\n", "binary", 2),
        ("a.txt", b"satu\na\x00b\n", "binary", 2),
        ("a.csv", b'id,teks\n1,"belum ditutup\n2,ya\n', "quote", 2),
        ("a.csv", b'id,teks\n1,"aku" sedih\n', "quote", 2),
        ("a.csv", b'id,teks\n1,"' + b"a\n" * 100_000, "too_long", 2),
        ("a.csv", b"id,teks\n1," + b"a" * 1_500_000, "too_long", 2),
        ("a.csv", b"id,teks\n1," + b"a" * 20_001, "too_long", 2),
        ("a.txt", b"ya\n" + b"a" * 20_001, "too_long", 2),
        ("a.csv", b"teks," + b"," * 200 + b"\n", "too_many_columns", 1),
        ("a.csv", b"teks\n" + b"ya\n" * 50_001, "too_many_rows", None),
        ("a.txt", b"ya\n" * 50_001, "too_many_rows", None),
        ("a.txt", b"ya\n" * 7_000_000, "too_big", None),
        ("a.xls", b"\xd0\xcf\x11\xe0" + b"x" * 600, "old_excel", None),
        ("a.csv", b"\xd0\xcf\x11\xe0" + b"x" * 600, "old_excel", None),
        ("a.xls", b"<html><table>", "old_excel", None),
        ("a.xlsx", b"\xd0\xcf\x11\xe0" + b"x" * 600, "locked", None),
        ("a.xlsx", b"id,teks\n", "damaged", None),
        ("a.xlsx", b"PK\x03\x04" + b"x" * 600, "damaged", None),
        ("a.pdf", b"%PDF-1.7", "kind", None),
    ],
)  # fmt: skip
def test_bad_file_gets_a_message_that_names_the_row(
    upload: Upload, name: str, content: bytes, key: str, row: int | None
) -> None:
    error = refusal(upload(name, content))
    assert (error.key, error.values.get("row")) == (f"batch.{key}", row)
    if row is not None:
        assert f"{row}" in str(error)
        assert f"{row}" in error.html()


def test_xlsx_with_too_much_in_it_names_the_row(tmp_path: Path) -> None:
    long = write_xlsx(tmp_path / "a.xlsx", [["teks"], ["ya"], ["a" * 20_001]])
    assert (refusal(long).key, refusal(long).values["row"]) == ("batch.too_long", 3)
    wide = write_xlsx(tmp_path / "b.xlsx", [["teks"], ["ya"] * 201])
    assert (refusal(wide).key, refusal(wide).values["row"]) == ("batch.too_many_columns", 2)
    assert refusal(write_xlsx(tmp_path / "c.xlsx", [[]], [])).key == "batch.empty"
    many = write_xlsx(tmp_path / "d.xlsx", *[[["ya"]]] * 31)
    assert refusal(many).key == "batch.too_many_sheets"


def test_xlsx_with_cells_in_far_corners_costs_nothing(tmp_path: Path) -> None:
    book = Workbook()
    book.active["A1"], book.active["A1048576"] = TEXT, TEXT
    book.save(tmp_path / "a.xlsx")
    assert list(open_table(tmp_path / "a.xlsx").rows()) == [(1, [TEXT]), (1_048_576, [TEXT])]
    book.active["XFD2"] = TEXT
    book.save(tmp_path / "a.xlsx")
    assert refusal(tmp_path / "a.xlsx").key == "batch.too_many_columns"


def rewrite_xlsx(
    path: Path, change: Callable[[str, bytes], bytes], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path) as archive:
        parts = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [[TEXT]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", bytes(tables.MAX_UNPACKED_BYTES))
    assert path.stat().st_size < 200_000
    assert refusal(path).key == "batch.unpacked"


def test_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [[TEXT]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/zeros.xml", bytes(3_333_333))
    content = path.read_bytes()
    size = (3_333_333).to_bytes(4, "little")
    assert content.count(size) == 2  # of the part itself and in the directory
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    assert refusal(path).key == "batch.damaged"


def test_xlsx_with_other_compression_or_entities_is_refused(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [[TEXT]])
    assert open_table(rewrite_xlsx(path, lambda name, part: part)).total == 1
    bomb = rewrite_xlsx(path, lambda name, part: part, zipfile.ZIP_BZIP2)
    assert refusal(bomb).key == "batch.damaged"

    def declare(name: str, part: bytes) -> bytes:
        return b'<!DOCTYPE x [<!ENTITY y "zz">]>' + part if "sheet1" in name else part

    path = write_xlsx(tmp_path / "b.xlsx", [[TEXT]])
    assert refusal(rewrite_xlsx(path, declare)).key == "batch.damaged"


def test_xlsx_with_very_many_cells_is_refused_unparsed(tmp_path: Path) -> None:
    def fill(name: str, part: bytes) -> bytes:
        if "sheet1" not in name:
            return part
        row = b"<row>" + b"<c/>" * 100_000 + b"</row>"
        return part.replace(b"</sheetData>", row * 11 + b"</sheetData>")

    path = rewrite_xlsx(write_xlsx(tmp_path / "a.xlsx", [[TEXT]]), fill)
    assert refusal(path).key == "batch.too_many_cells"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'r="1"', b'r="satu"'),
        (b't="inlineStr"><is><t>teks</t></is>', b't="s"><v>99</v>'),
        (b't="inlineStr"><is><t>teks</t></is>', b"><v>satu</v>"),
        (b"<sheetData>", b"<sheetData"),
        (b"<is>", b"<is>" * 50_000),
    ],
)
def test_xlsx_with_bad_parts_is_damaged(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [["teks"]])
    rewrite_xlsx(path, lambda name, part: part.replace(old, new))
    assert refusal(path).key == "batch.damaged"


def test_message_holds_nothing_of_the_upload(upload: Upload) -> None:
    error = refusal(upload("a.csv", 'id,teks\nrahasia,"rahasia" rahasia\n'))
    assert "rahasia" not in f"{error}{error.html()}{error.values}{error.__cause__}"


def test_every_text_stands_in_both_languages_with_the_same_values() -> None:
    for key, text in json.loads((TEXT_FOLDER / "batch.json").read_text("utf-8")).items():
        assert set(text) == {"id", "en"}, key
        fields = {lang: set(re.findall(r"\{(\w+)\}", text[lang])) for lang in text}
        # A number is written in each language's own way.
        english = {re.sub("_id$", "_en", field) for field in fields["id"]}
        assert english == fields["en"], key


# Anything at all

# What a row cannot hold: NUL, and lone surrogates, which UTF-8 does not have.
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_CELLS = st.text(_CHARACTERS, max_size=20)
# XML has no other control characters, and makes every line break one character.
_XML_CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=20)


@st.composite
def _tables(draw: st.DrawFn, cells: st.SearchStrategy[str]) -> list[list[str]]:
    width = draw(st.integers(1, 4))
    row = st.lists(cells, min_size=width, max_size=width).filter(
        lambda row: any(map(str.strip, row))
    )
    return [["teks", "id", "nama", "kota"][:width], *draw(st.lists(row, min_size=1, max_size=8))]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_tables(_CELLS), delimiter=st.sampled_from(",;\t|"))
def test_what_csv_writer_writes_comes_back(
    tmp_path: Path, rows: list[list[str]], delimiter: str
) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    table = open_table(path)
    assert [table.columns, *cells(table)] == rows


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_tables(_XML_CELLS))
def test_what_openpyxl_writes_comes_back(tmp_path: Path, rows: list[list[str]]) -> None:
    # openpyxl writes a cell that begins with "=" as a formula, which has no value here.
    rows = [[cell.lstrip("=") or "x" for cell in row] for row in rows]
    table = open_table(write_xlsx(tmp_path / "a.xlsx", list(map(list, rows))))
    assert [table.columns, *cells(table)] == rows


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=300), st.text('a,;|\t\n\r" 1é\0', max_size=80).map(str.encode)
    ),
    suffix=st.sampled_from([".csv", ".tsv", ".txt", ".xlsx", ".xls", ""]),
)
def test_any_bytes_give_a_table_or_a_message(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    try:
        table = open_table(path)
    except VisitorError:
        return
    assert sum(1 for _ in table.rows()) == table.total > 0
    assert all(len(row) == len(table.columns) > table.guess for row in cells(table))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_workbook_gives_a_table_or_a_message(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", [["id", "teks"], [1, TEXT]])
    with zipfile.ZipFile(path) as archive:
        name = data.draw(st.sampled_from(archive.namelist()))
    position = data.draw(st.integers(0, 1000))
    junk = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from([b"<", b"-1", b'"', b"/>"])))

    def damage(part_name: str, part: bytes) -> bytes:
        where = position % (len(part) + 1)
        return part[:where] + junk + part[where + 1 :] if part_name == name else part

    rewrite_xlsx(path, damage)
    with suppress(VisitorError):
        assert open_table(path).total >= 1
