"""Readers on small files: what they read, and how they say what they cannot."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from corpus_support import needs_mirror, one_line_error
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from memotions_hf.corpus import SOURCES, readers
from memotions_hf.corpus.download import find_file
from memotions_hf.corpus.readers import GO_EMOTIONS_LABELS, KAGGLE_LABELS, RawRow, Reader
from memotions_hf.errors import CorpusError

Pairs = list[tuple[str, str]]
LABELS = ("sadness", "Joy", "love", "takut sekali")


class Format(NamedTuple):
    """A reader, how a file that it reads is written, and what a text and a label there may be."""

    reader: Reader
    write: Callable[[Pairs], str]
    labels: tuple[str, ...] = LABELS
    not_in_text: str = ""
    has_header: bool = True


def as_csv(header: list[str], fields: Iterable[list[str]], delimiter: str = ",") -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows([header, *fields])
    return stream.getvalue()


def as_lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def write_reviews(pairs: Pairs) -> str:
    return as_csv(
        ["Price", "Customer Review", "Star", "Emotion"], [["10", t, "5", e] for t, e in pairs]
    )


def write_go_emotions(pairs: Pairs) -> str:
    def numbers(label: str) -> str:
        return ",".join(str(GO_EMOTIONS_LABELS.index(name)) for name in label.split(","))

    return as_lines(f"{text}\t{numbers(label)}\tc{i}" for i, (text, label) in enumerate(pairs))


def write_translation(pairs: Pairs) -> str:
    return as_lines(["id\tlabel\ttext", *(f"x{i}\t{e}\t{t}" for i, (t, e) in enumerate(pairs))])


def write_split_rows(pairs: Pairs) -> str:
    rows = (f"x{i}\t{label}\tdev\t{text}" for i, (text, label) in enumerate(pairs))
    return as_lines(["id\tlabel\tsplit\ttext", *rows])


def write_kaggle(pairs: Pairs) -> str:
    return as_csv(
        ["", "text", "label"],
        [[str(i), t, str(KAGGLE_LABELS.index(name))] for i, (t, name) in enumerate(pairs)],
    )


FORMATS = {
    "tweets": Format(
        readers.read_tweets, lambda pairs: as_csv(["label", "tweet"], [[e, t] for t, e in pairs])
    ),
    "reviews": Format(readers.read_reviews, write_reviews),
    "opinion": Format(
        readers.read_opinion,
        lambda pairs: as_csv(["Tweet", "Label"], [list(pair) for pair in pairs], "\t"),
    ),
    "translation": Format(readers.read_translation, write_translation, not_in_text="\t\r\n"),
    "split rows": Format(readers.read_split_rows, write_split_rows, not_in_text="\t\r\n"),
    "dair": Format(
        readers.read_dair_lines,
        lambda pairs: as_lines(f"{text};{label}" for text, label in pairs),
        not_in_text="\r\n",
        has_header=False,
    ),
    "go emotions": Format(
        readers.read_go_emotions,
        write_go_emotions,
        labels=("joy", "neutral", "sadness,grief", "admiration,neutral"),
        not_in_text="\t\r\n",
        has_header=False,
    ),
    "kaggle": Format(readers.read_kaggle_emotions, write_kaggle, labels=KAGGLE_LABELS),
}
EVERY_FORMAT = pytest.mark.parametrize("name", FORMATS)
QUOTED = ("tweets", "reviews", "opinion", "kaggle")


def pairs_of(rows: Iterable[RawRow]) -> Pairs:
    return [(row.text, row.label) for row in rows]


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "upstream.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(reader: Reader, folder: Path, content: str | bytes) -> list[RawRow]:
    return list(reader(write(folder, content)))


def sample(name: str, *texts: str) -> str:
    """Return a good file of that format with these texts."""
    labels = FORMATS[name].labels
    return FORMATS[name].write([(t, labels[i % len(labels)]) for i, t in enumerate(texts)])


def test_every_reader_is_tested() -> None:
    tested = {id(form.reader) for form in FORMATS.values()}
    assert {id(source.reader) for source in SOURCES.values()} <= tested


# What they read -----------------------------------------------------------------------------------

TWEETS = "label,tweet\n"
TRANSLATION = "id\tlabel\ttext\n"


def test_tweets(tmp_path: Path) -> None:
    content = TWEETS + 'fear,takut\nlove,"sayang, kamu"\nanger,"kata ""dia"" lho"\n'
    assert read(readers.read_tweets, tmp_path, content) == [
        RawRow("takut", "fear"),
        RawRow("sayang, kamu", "love"),
        RawRow('kata "dia" lho', "anger"),
    ]


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    content = "Price,Customer Review,Star,Emotion\n10,Barang bagus,5,Happy\n"
    assert read(readers.read_reviews, tmp_path, content) == [RawRow("Barang bagus", "Happy")]


def test_opinion_tweets_go_on_after_their_quotation(tmp_path: Path) -> None:
    content = 'Tweet\tLabel\n"kata" dia\tSad\n\n\nbiasa, saja\tNeutral\n'
    rows = read(readers.read_opinion, tmp_path, content)
    assert [row.label for row in rows] == ["Sad", "Neutral"]
    assert "kata" in rows[0].text
    assert "dia" in rows[0].text


def test_translations_keep_their_ids_and_quotation_marks(tmp_path: Path) -> None:
    content = TRANSLATION + 'dair-train-0\tjoy\t"aku senang\n'
    assert read(readers.read_translation, tmp_path, content) == [
        RawRow('"aku senang', "joy", id="dair-train-0")
    ]


def test_a_split_column_is_read(tmp_path: Path) -> None:
    content = "id\tlabel\ttext\tsplit\nx1\tneutral\tbiasa\tdev\r\n"
    assert read(readers.read_split_rows, tmp_path, content) == [
        RawRow("biasa", "neutral", id="x1", split="dev")
    ]


def test_dair_lines_are_numbered_without_the_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "val.txt"
    path.write_text("\ni feel low; really;sadness\n\ni feel good;joy", encoding="utf-8")
    assert list(readers.read_dair_lines(path)) == [
        RawRow("i feel low; really", "sadness", id="dair-val-00000"),
        RawRow("i feel good", "joy", id="dair-val-00001"),
    ]


def test_go_emotions_have_several_labels_and_the_id_of_their_comment(tmp_path: Path) -> None:
    path = tmp_path / "dev.tsv"
    path.write_text('"so it goes\t27\ted00q6i\nGreat, "thanks"!\t0, 15\tx\n', encoding="utf-8")
    assert list(readers.read_go_emotions(path)) == [
        RawRow('"so it goes', "neutral", id="goemo-dev-ed00q6i"),
        RawRow('Great, "thanks"!', "admiration,gratitude", id="goemo-dev-x"),
    ]


def test_kaggle_rows_may_be_numbered(tmp_path: Path) -> None:
    rows = [RawRow("i feel low", "sadness"), RawRow("a, b", "surprise")]
    content = 'text,label\ni feel low,0\n"a, b",5\n'
    numbered = ',text,label\n0,i feel low,0\n1,"a, b",5\n'
    assert read(readers.read_kaggle_emotions, tmp_path, content) == rows
    assert read(readers.read_kaggle_emotions, tmp_path, numbered) == rows


@needs_mirror
def test_the_labels_of_go_emotions_are_in_the_order_of_its_list() -> None:
    train = find_file(SOURCES["go-emotions"], SOURCES["go-emotions"].files[0])
    assert train is not None
    listed = train.with_name("labels.txt").read_text(encoding="utf-8").split()
    assert tuple(listed) == GO_EMOTIONS_LABELS


# Whatever the text --------------------------------------------------------------------------------


LIKELY = "\";, \\'\t\r\n\u2028\u0085\x0b\x1c\ufeff#0aé😢"


@st.composite
def files(draw: st.DrawFn, name: str) -> tuple[Pairs, bytes]:
    """Rows of any text, and the file of that format that holds them."""
    form = FORMATS[name]
    excluded = "\0" + form.not_in_text
    characters = st.characters(exclude_categories=["Cs"], exclude_characters=excluded)
    likely = st.sampled_from([character for character in LIKELY if character not in excluded])
    texts = st.text(st.one_of(characters, likely), max_size=20).filter(str.strip)
    pairs = draw(st.lists(st.tuples(texts, st.sampled_from(form.labels)), min_size=1, max_size=4))
    content = form.write(pairs)
    mark = draw(st.booleans())
    assume(mark or form.has_header or not content.startswith("\ufeff"))
    if draw(st.booleans()):
        content = content.removesuffix("\n").removesuffix("\r")
    return pairs, content.encode("utf-8-sig" if mark else "utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readers")


several_examples = settings(
    max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@EVERY_FORMAT
@several_examples
@given(data=st.data())
def test_what_was_written_is_read_back(folder: Path, name: str, data: st.DataObject) -> None:
    pairs, content = data.draw(files(name))
    rows = read(FORMATS[name].reader, folder, content)
    assert pairs_of(rows) == [(text.strip(), label) for text, label in pairs]


def read_or_one_line(reader: Reader, folder: Path, content: bytes) -> None:
    """Read rows that are filled, or find an error of one short line that names file and line."""
    try:
        rows = read(reader, folder, content)
    except CorpusError as error:
        message = str(error)
        assert len(message.splitlines()) == 1, message
        assert len(message) < 500
        assert re.match(r"upstream\.csv(, line \d+:| is a ZIP)", message), message
        return
    for row in rows:
        assert row.text == row.text.strip() != ""
        assert row.label == row.label.strip() != ""
        assert row.id is None or row.id.strip()


@EVERY_FORMAT
@several_examples
@given(content=st.binary(max_size=80))
@example(content=b"PK\x03\x04")
@example(content=b"\xef\xbb\xbf")
@example(content=b"\xef\xbb")
def test_any_bytes_are_read_or_refused(folder: Path, name: str, content: bytes) -> None:
    read_or_one_line(FORMATS[name].reader, folder, content)


PIECES = (b"", b"\0", b"\r", b"\n", b'"', b"\t", b",", b";", b"\xe9", b"\xff\xfe", b"9" * 5000)


@EVERY_FORMAT
@several_examples
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(folder: Path, name: str, data: st.DataObject) -> None:
    _, content = data.draw(files(name))
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 8)))
    piece = data.draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)))
    read_or_one_line(FORMATS[name].reader, folder, content[:start] + piece + content[end:])


# Harmless differences -----------------------------------------------------------------------------


def with_line_ends(end: str) -> Callable[[str], str]:
    return lambda content: content.replace("\r\n", "\n").replace("\n", end)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: "\ufeff" + content,
        with_line_ends("\n"),
        with_line_ends("\r\n"),
        with_line_ends("\r"),
        with_line_ends("\n\n"),
        lambda content: content.rstrip("\r\n"),
        lambda content: content.replace("takut", "  takut "),
    ],
    ids=["byte order mark", "LF", "CRLF", "CR", "blank lines", "no last line break", "spaces"],
)
@EVERY_FORMAT
def test_harmless_differences_change_nothing(
    tmp_path: Path, name: str, change: Callable[[str], str]
) -> None:
    content = sample(name, "takut", "sayang")
    rows = read(FORMATS[name].reader, tmp_path, change(content))
    assert rows == read(FORMATS[name].reader, tmp_path, content)
    assert [row.text for row in rows] == ["takut", "sayang"]


@pytest.mark.parametrize("character", list("\u2028\u2029\u0085\x0b\x0c\x1c\ufeff"))
@EVERY_FORMAT
def test_only_line_breaks_break_lines(tmp_path: Path, name: str, character: str) -> None:
    text = f"satu{character}dua"
    rows = read(FORMATS[name].reader, tmp_path, sample(name, text, "tiga"))
    assert [row.text for row in rows] == [text, "tiga"]


@pytest.mark.parametrize("name", QUOTED)
def test_a_quoted_text_may_hold_line_breaks(tmp_path: Path, name: str) -> None:
    text = 'satu\ndua\r\n\n"tiga",\t\rempat'
    rows = read(FORMATS[name].reader, tmp_path, sample(name, text, "lima"))
    assert [row.text for row in rows] == [text, "lima"]


# Damage -------------------------------------------------------------------------------------------


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old, new, 1)


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a Latin-1 line": (replaced(b"kedua", b"k\xe9dua"), "byte 0xe9 is not UTF-8"),
    "a cut character": (replaced("é".encode(), b"\xc3"), "byte 0xc3 is not UTF-8"),
    "a NUL byte": (replaced(b"kedua", b"ked\0ua"), "NUL byte"),
    "a bare CR in a text": (replaced(b"yang kedua", b"yang\rkedua"), ""),
    "a line break in a text": (replaced(b"yang kedua", b"yang\nkedua"), ""),
    "an empty text": (replaced("yang kedua é".encode(), b" "), "text is empty"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "after a byte order mark"])
@EVERY_FORMAT
def test_damage_in_a_row_is_named_with_its_line(
    tmp_path: Path, name: str, kind: str, mark: bytes
) -> None:
    damage, problem = DAMAGE[kind]
    form = FORMATS[name]
    content = sample(name, "pertama", "yang kedua é", "ketiga").encode()
    damaged = damage(content)
    assert damaged != content
    line = 3 if form.has_header else 2
    # The rest of a broken row may look like one, so the line after it may be the first bad one.
    lines = f"line ({line}|{line + 1}):" if not problem else f"line {line}:"
    with pytest.raises(CorpusError, match=rf"^upstream\.csv, {lines}.*{problem}") as caught:
        read(form.reader, tmp_path, mark + damaged)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@EVERY_FORMAT
def test_another_encoding_is_named_from_the_first_line(
    tmp_path: Path, name: str, encoding: str
) -> None:
    content = sample(name, "pertama", "kedua").encode(encoding)
    with one_line_error(CorpusError, "upstream.csv, line 1:", "convert the file to UTF-8"):
        read(FORMATS[name].reader, tmp_path, content)


@EVERY_FORMAT
def test_an_archive_is_called_one(tmp_path: Path, name: str) -> None:
    with one_line_error(CorpusError, "upstream.csv", "ZIP archive"):
        read(FORMATS[name].reader, tmp_path, b"PK\x03\x04\x14\0\0\0\x08\0")


@EVERY_FORMAT
def test_a_file_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    with one_line_error(CorpusError, "nowhere.csv", "cannot be read"):
        list(FORMATS[name].reader(tmp_path / "nowhere.csv"))
    with one_line_error(CorpusError, tmp_path.name, "cannot be read"):
        list(FORMATS[name].reader(tmp_path))


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("tweets", "Joy"),
        ("tweets", 'Joy,"ked'),
        ("reviews", "10,ked"),
        ("opinion", "ked"),
        ("opinion", '"ked'),
        ("translation", "x1\tJo"),
        ("split rows", "x1\tJoy\tdev"),
        ("dair", "ked"),
        ("dair", "ked;"),
        ("go emotions", "ked\t2"),
        ("go emotions", "ked\t27\t"),
        ("kaggle", '1,"ked'),
        ("kaggle", "1,ked,"),
    ],
)
def test_a_last_line_that_was_cut_off(tmp_path: Path, name: str, cut: str) -> None:
    content = sample(name, "pertama") + cut
    line = 3 if FORMATS[name].has_header else 2
    with one_line_error(CorpusError, f"upstream.csv, line {line}:"):
        read(FORMATS[name].reader, tmp_path, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [(name, "") for name, form in FORMATS.items() if form.has_header]
    + [(name, "\n\n") for name, form in FORMATS.items() if form.has_header]
    + [
        ("tweets", "label,text\nfear,a\n"),
        ("tweets", "label;tweet\nfear;a\n"),
        ("tweets", "label\ttweet\nfear\ta\n"),
        ("tweets", '"label\ntweet",x\nfear,a\n'),
        ("tweets", "fear,a\nlove,b\n"),
        ("tweets", "x" * 100_000 + "\nfear\n"),
        ("reviews", "Customer Review\nbagus\n"),
        ("opinion", "Tweet,Label\na,Sad\n"),
        ("translation", "label\ttext\njoy\ta\n"),
        ("split rows", TRANSLATION + "1\tjoy\ta\n"),
        ("kaggle", "text;label\na;1\n"),
        ("kaggle", "i feel good,1\n"),
    ],
)
def test_a_missing_column_is_named_with_those_that_there_are(
    tmp_path: Path, name: str, content: str
) -> None:
    with one_line_error(CorpusError, "upstream.csv, line 1:", "no column", "expected", "found"):
        read(FORMATS[name].reader, tmp_path, content)


@pytest.mark.parametrize(
    ("reader", "content", "parts"),
    [
        (readers.read_tweets, TWEETS + 'fear,a\nlove,"b" c\n', ["line 3", "quoting"]),
        (readers.read_tweets, TWEETS + 'fear,a\nlove,"b\nsad,c\nsad,d\n', ["line 3", "quoting"]),
        (readers.read_tweets, TWEETS + "fear,a\nlove,b,c\n", ["line 3", "3 fields", "has 2"]),
        (readers.read_tweets, TWEETS + "fear,a\nlove\n", ["line 3", "1 fields"]),
        (readers.read_tweets, TWEETS + "\n\nfear,a,b\n", ["line 4"]),
        (readers.read_tweets, TWEETS + 'fear,"a\nb"\nlove, \n', ["line 4", "text is empty"]),
        (readers.read_tweets, TWEETS + "fear,a\n ,b\n", ["line 3", "label is empty"]),
        (readers.read_tweets, TWEETS + "fear," + "x" * (1 << 21), ["line 2", "field"]),
        (readers.read_translation, TRANSLATION + "1\tjoy a\n", ["line 2", "2 fields", "has 3"]),
        (readers.read_translation, TRANSLATION + " \tjoy\ta\n", ["line 2", "id is empty"]),
        (readers.read_dair_lines, "a;joy\nb,joy\n", ["line 2", "text;label"]),
        (readers.read_dair_lines, "a;joy\n;joy\n", ["line 2", "text is empty"]),
        (readers.read_dair_lines, "a;joy\n\nb; \n", ["line 3", "label is empty"]),
        (readers.read_go_emotions, "a\t1\tx\nb,2,y\n", ["line 2", "1 fields", "<TAB>"]),
        (readers.read_go_emotions, "a\t1\tx\tz\n", ["line 1", "4 fields"]),
        (readers.read_go_emotions, "a\t1\tx\nb\t28\ty\n", ["line 2", "'28'", "from 0 to 27"]),
        (readers.read_go_emotions, "a\t1,joy\tx\n", ["line 1", "'joy'"]),
        (readers.read_go_emotions, "a\t1,,2\tx\n", ["line 1", "''"]),
        (readers.read_go_emotions, "a\t-1\tx\n", ["line 1", "'-1'"]),
        (readers.read_go_emotions, "a\t²\tx\n", ["line 1", "'²'"]),
        (readers.read_go_emotions, "a\t" + "9" * 5000 + "\tx\n", ["line 1", "999"]),
        (readers.read_go_emotions, "a\t\tx\n", ["line 1", "label is empty"]),
        (readers.read_go_emotions, "a\t1\t \n", ["line 1", "id is empty"]),
        (readers.read_kaggle_emotions, "text,label\na,6\n", ["line 2", "'6'", "from 0 to 5"]),
        (readers.read_kaggle_emotions, "text,label\na,joy\n", ["line 2", "'joy'"]),
        (readers.read_kaggle_emotions, 'text,label\na,"0,1"\n', ["line 2", "'0,1'"]),
        (readers.read_kaggle_emotions, 'text,label\n\n"a\nb",1\nc,1.0\n', ["line 5", "'1.0'"]),
    ],
    ids=lambda value: None if callable(value) else ascii(value)[:50],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, reader: Reader, content: str, parts: list[str]
) -> None:
    with one_line_error(CorpusError, "upstream.csv", *parts):
        read(reader, tmp_path, content)


@pytest.mark.parametrize(
    "content", ["x" * 100_000, TWEETS + "a,b," * 50_000, TWEETS + "x" * 200_000 + ",b\n"]
)
def test_an_error_message_stays_short(tmp_path: Path, content: str) -> None:
    for form in FORMATS.values():
        with pytest.raises(CorpusError) as caught:
            read(form.reader, tmp_path, content)
        assert len(str(caught.value)) < 300


def test_importing_the_readers_leaves_the_csv_module_as_it_was() -> None:
    # A limit that a program has set for its own files is not ours to change.
    code = (
        "import csv; csv.field_size_limit(7_654_321); import memotions_hf.corpus.readers; "
        "assert csv.field_size_limit() == 7_654_321"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
