"""Entries, points and the reading of exports."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from datetime import timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memotions_hf.demo.journal import (
    MAX_ENTRIES,
    MAX_TEXT,
    Entry,
    read_export,
    read_points,
    read_time,
)
from memotions_hf.demo.markup import VisitorError
from memotions_hf.labels import LABELS

COLUMNS = ["id", "at", "emotion", "score", "text", "vote"]
SECRET = "rahasia-zx81"


def an_entry(**changes: Any) -> dict[str, Any]:
    entry = {
        "id": str(uuid4()),
        "at": "2026-11-21T20:15:03+07:00",
        "text": "Hari ini aku gagal lagi",
        "emotions": [{"label": "sad", "score": 0.91}, {"label": "fear", "score": 0.3}],
        "vote": 1,
    }
    return entry | changes


def as_json(*entries: Any, **changes: Any) -> str:
    return json.dumps({"app": "memotions", "version": 1, "entries": list(entries)} | changes)


def a_row(**changes: str) -> dict[str, str]:
    cells = [str(uuid4()), "2026-11-21T20:15:03+07:00", "sad", "0.91", "Capek", ""]
    row = dict(zip(COLUMNS, cells, strict=True))
    return row | changes


def protected(cell: str) -> str:
    """A cell as the browser's exporter writes it."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t")) else cell


def as_csv(*rows: dict[str, str], delimiter: str = ",", mark: str = "\ufeff") -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow(COLUMNS)
    writer.writerows([protected(row[name]) for name in COLUMNS] for row in rows)
    return mark + stream.getvalue()


def refused(text: str, existing: list[str] | None = None) -> VisitorError:
    with pytest.raises(VisitorError) as caught:
        read_export(text, existing or [])
    assert SECRET not in str(caught.value)
    assert SECRET not in caught.value.html()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert 'lang="id"' in caught.value.html()
    return caught.value


TEXTS = st.text(min_size=1, max_size=200).filter(
    lambda text: text.strip() and not text.startswith("'")
)
ENTRIES = st.builds(
    lambda identifier, at, text, emotions, vote: {
        "id": str(identifier),
        "at": at.replace(microsecond=0).isoformat(),
        "text": text,
        "emotions": [{"label": label, "score": score} for label, score in emotions],
        "vote": vote,
    },
    st.uuids(),
    st.datetimes(
        min_value=read_time("1970-01-02").replace(tzinfo=None),
        max_value=read_time("8999-01-01").replace(tzinfo=None),
        timezones=st.just(timezone(timedelta(hours=8))),
    ),
    TEXTS,
    st.lists(st.tuples(st.sampled_from(LABELS), st.floats(0, 1)), max_size=5),
    st.sampled_from([1, -1, None]),
)


@given(st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry["id"]))
def test_json_comes_back_as_it_was(entries: list[dict[str, Any]]) -> None:
    imported = read_export(as_json(*entries), [])
    by_time = sorted(entries, key=lambda entry: read_time(entry["at"]))
    assert [entry.model_dump(mode="json") for entry in imported.entries] == by_time
    assert imported.already_there == 0


@given(st.lists(TEXTS, max_size=5), st.sampled_from(",;\t"), st.sampled_from(["", "\ufeff"]))
@example(["=1+1", "-aduh", "@budi", "\tmasuk", "+62"], ";", "")
@example(['dua\nbaris; titik koma, "kutip"', "a\r\nb"], ";", "\ufeff")
def test_csv_comes_back_as_it_was(texts: list[str], delimiter: str, mark: str) -> None:
    rows = [a_row(text=text) for text in texts]
    imported = read_export(as_csv(*rows, delimiter=delimiter, mark=mark), [])
    assert [entry.text for entry in imported.entries] == texts
    assert [str(entry.id) for entry in imported.entries] == [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"emotion": "Sedih"}, {"emotions": [{"label": "sad", "score": 0.91}]}),
        ({"emotion": "ANGRY"}, {"emotions": [{"label": "anger", "score": 0.91}]}),
        ({"score": "0,91"}, {"emotions": [{"label": "sad", "score": 0.91}]}),
        ({"emotion": "", "score": ""}, {"emotions": []}),
        ({"vote": "1"}, {"vote": 1}),
        ({"vote": "-1"}, {"vote": -1}),
        ({"vote": ""}, {"vote": None}),
        ({"at": "2026-11-21T20:15:03"}, {"at": "2026-11-21T20:15:03+07:00"}),
        ({"at": "2026-11-21T20:15:03-08:00"}, {"at": "2026-11-21T20:15:03-08:00"}),
    ],
)
def test_csv_cells(changes: dict[str, str], expected: dict[str, Any]) -> None:
    (entry,) = read_export(as_csv(a_row(**changes)), []).entries
    assert entry.model_dump(mode="json") | expected == entry.model_dump(mode="json")


def test_a_vote_without_its_apostrophe_and_empty_rows_of_a_spreadsheet() -> None:
    row = a_row(vote="-1")
    text = ";".join(COLUMNS) + "\n" + ";".join(row.values()) + "\n;;;;;\n\n"
    (entry,) = read_export(text, []).entries
    assert entry.vote == -1


def test_entries_are_sorted_by_time_across_offsets() -> None:
    later = an_entry(at="2026-11-21T10:00:00+00:00")
    earlier = an_entry(at="2026-11-21T16:00:00+07:00")
    ids = [str(entry.id) for entry in read_export(as_json(later, earlier), []).entries]
    assert ids == [earlier["id"], later["id"]]


def test_known_ids_and_repetitions_are_skipped_and_counted() -> None:
    known, new = an_entry(id=str(uuid4()).upper()), an_entry()
    imported = read_export(as_json(known, new, new), [known["id"].lower()])
    assert [str(entry.id) for entry in imported.entries] == [new["id"]]
    assert imported.already_there == 2


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"id": SECRET}, "id"),
        ({"at": SECRET}, "at"),
        ({"at": 1_790_000_000}, "at"),
        ({"at": "2026-02-30T10:00:00+07:00"}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"text": " \n"}, "text"),
        ({"text": SECRET * MAX_TEXT}, "text"),
        ({"text": None}, "text"),
        ({"emotions": [{"label": SECRET, "score": 0.5}]}, "emotions"),
        ({"emotions": [{"label": "sad", "score": 1.5}]}, "emotions"),
        ({"emotions": [{"label": "sad", "score": float("nan")}]}, "emotions"),
        ({"emotions": SECRET}, "emotions"),
        ({"vote": 2}, "vote"),
    ],
)
def test_a_bad_entry_is_named(changes: dict[str, Any], key: str) -> None:
    error = refused(as_json(an_entry(), an_entry(text=SECRET) | changes))
    assert error.key == f"journey.entry_{key}"
    assert error.values == {"number": 2}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"id": "=1+1"}, "id"),
        ({"at": "21/11/2026"}, "at"),
        ({"text": "  "}, "text"),
        ({"emotion": SECRET}, "emotions"),
        ({"score": "910"}, "emotions"),
        ({"score": "", "emotion": "sad"}, "emotions"),
        ({"vote": SECRET}, "vote"),
    ],
)
def test_a_bad_row_is_named_as_a_spreadsheet_counts(changes: dict[str, str], key: str) -> None:
    error = refused(as_csv(a_row(text="dua\nbaris"), a_row(), a_row(text=SECRET) | changes))
    assert error.key == f"journey.row_{key}"
    assert error.values == {"number": 4}


def test_rows_of_a_wrong_shape_are_named() -> None:
    assert refused(as_csv(a_row()) + f"{SECRET},b\n").values == {"number": 3}
    assert refused(as_csv(a_row()) + f'"{SECRET}" x,b\n').key == "journey.row_shape"
    assert refused(as_json(SECRET)).key == "journey.entry_shape"


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET,
        f"text\n{SECRET}\n",
        ",".join([*COLUMNS, "id"]),
        "{" + SECRET,
        "[" * 100_000,
        as_json(app="other"),
        as_json(entries={}),
        json.dumps([SECRET]),
        '{"app":"memotions","version":1,"entries":[' + "9" * 5000 + "]}",
    ],
)
def test_what_is_not_ours_is_refused(text: str) -> None:
    assert refused(text).key == "journey.import_not_ours"


def test_another_version_is_refused() -> None:
    assert refused(as_json(version=2)).key == "journey.import_version"


def test_more_than_a_browser_keeps_is_refused() -> None:
    ids = [str(UUID(int=number)) for number in range(MAX_ENTRIES)]
    assert read_export(as_json(an_entry(id=ids[0])), ids).already_there == 1
    assert refused(as_json(an_entry()), ids).key == "journey.import_too_many"
    long = [an_entry(text="a" * MAX_TEXT) for _ in range(151)]
    assert len(read_export(as_json(*long[:150]), []).entries) == 150
    assert refused(as_json(*long)).key == "journey.import_too_large"
    assert refused(" " * 12_000_001).key == "journey.import_too_large"


def test_half_of_a_surrogate_pair_is_no_reason_to_refuse_a_journal() -> None:
    (entry,) = read_export(as_json(an_entry(text="aku \ud83d")), []).entries
    assert entry.text == "aku \ufffd"


@given(st.text(max_size=300) | st.text(alphabet="{}[]\",;:\n\r\t'=-id", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(VisitorError):
        assert read_export(text, []) == ([], 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "at", "label", "text", "emotions"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_entry_is_read_or_refused(value: Any) -> None:
    assert refused(as_json(value)).key.startswith("journey.entry_")


@given(JSON | st.lists(JSON))
def test_whatever_a_browser_keeps_makes_points(values: Any) -> None:
    for point in read_points(values):
        assert point.label is None or point.label in LABELS


def test_points_are_sorted_and_others_left_out() -> None:
    good = {"at": "2026-11-21T07:00:00+07:00", "label": "sad"}
    crisis = {"at": "2026-11-20T07:00:00+07:00", "label": None}
    broken = [None, "x", {}, {"at": None, "label": "sad"}, good | {"label": "<b>"}]
    broken += [good | {"label": ["sad"]}, good | {"at": "0001-01-01"}, good | {"at": "besok"}]
    points = read_points([good, *broken, crisis])
    assert [(point.day.day, point.label) for point in points] == [(20, None), (21, "sad")]


def test_only_the_newest_points_are_kept() -> None:
    start = read_time("2026-01-01T00:00:00+07:00")
    times = [(start + timedelta(minutes=n)).isoformat() for n in range(MAX_ENTRIES + 5)]
    points = read_points([{"at": at, "label": "sad"} for at in times])
    assert len(points) == MAX_ENTRIES
    assert points[-1].at.isoformat() == times[-1]


def test_an_entry_is_written_as_the_browser_keeps_it() -> None:
    values = an_entry()
    assert Entry.model_validate(values).model_dump(mode="json") == values
