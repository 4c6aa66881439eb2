"""Readers on small files: what they read, and how they say what they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_support import one_line_error

from memotions_hf.corpus import readers
from memotions_hf.corpus.readers import RawRow, Reader
from memotions_hf.errors import CorpusError

TWEETS = "label,tweet\n"
TRANSLATION = "id\tlabel\ttext\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "upstream.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(reader: Reader, folder: Path, content: str | bytes) -> list[RawRow]:
    return list(reader(write(folder, content)))


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
    content = "id\tlabel\ttext\tsplit\nx1\tneutral\tbiasa\tdev\n"
    assert read(readers.read_split_translation, tmp_path, content) == [
        RawRow("biasa", "neutral", id="x1", split="dev")
    ]


def test_the_journal_has_no_header(tmp_path: Path) -> None:
    assert read(readers.read_journal, tmp_path, 'sad\tsedih, "sekali"\nhappy\tsenang\n') == [
        RawRow('sedih, "sekali"', "sad"),
        RawRow("senang", "happy"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("takut", "  takut "),
    ],
    ids=["byte order mark", "CRLF", "blank lines", "no last line break", "spaces"],
)
@pytest.mark.parametrize(
    ("reader", "content"),
    [
        (readers.read_tweets, TWEETS + "fear,takut\nlove,sayang\n"),
        (readers.read_translation, TRANSLATION + "1\tfear\ttakut\n2\tlove\tsayang\n"),
        (readers.read_journal, "fear\ttakut\nlove\tsayang\n"),
    ],
    ids=["tweets", "translation", "journal"],
)
def test_harmless_differences_change_nothing(
    tmp_path: Path, reader: Reader, content: str, change: object
) -> None:
    changed = change(content)  # type: ignore[operator]
    assert changed != content
    rows = [(row.text, row.label) for row in read(reader, tmp_path, changed)]
    assert rows == [("takut", "fear"), ("sayang", "love")]


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
        (readers.read_tweets, TWEETS.encode() + b"fear,a\nlove,\xe9\n", ["line 3", "UTF-8"]),
        (readers.read_tweets, "label,tweet\nfear,a\n".encode("utf-16"), ["line 1", "UTF-8"]),
        (readers.read_tweets, "", ["no column 'tweet'", "nothing"]),
        (readers.read_tweets, "label,text\nfear,a\n", ["line 1", "no column 'tweet'", "'text'"]),
        (readers.read_tweets, "label;tweet\nfear;a\n", ["no column 'tweet'", "'label;tweet'"]),
        (readers.read_tweets, '"label\ntweet",x\nfear,a\n', ["no column 'tweet'"]),
        (readers.read_tweets, "x" * 100_000 + "\nfear\n", ["no column 'tweet'"]),
        (readers.read_tweets, TWEETS + "fear," + "x" * (1 << 21), ["line 2", "field"]),
        (readers.read_reviews, "Customer Review\nbagus\n", ["no column 'Emotion'"]),
        (readers.read_translation, TRANSLATION + "1\tjoy a\n", ["line 2", "2 fields", "has 3"]),
        (readers.read_translation, "label\ttext\njoy\ta\n", ["no column 'id'"]),
        (readers.read_split_translation, TRANSLATION, ["no column 'split'"]),
        (readers.read_journal, "sad\ta\nsad a\n", ["line 2", "1 fields", "label<TAB>text"]),
        (readers.read_journal, "sad\ta\tb\n", ["line 1", "3 fields"]),
        (readers.read_journal, "sad\t \n", ["line 1", "text is empty"]),
        (readers.read_journal, "\ta\n", ["line 1", "label is empty"]),
    ],
    ids=lambda value: None if callable(value) else ascii(value)[:50],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path,
    reader: Reader,
    content: str | bytes,
    parts: list[str],
) -> None:
    with one_line_error(CorpusError, "upstream.csv", *parts):
        read(reader, tmp_path, content)


def test_an_error_message_stays_short(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        read(readers.read_tweets, tmp_path, "x" * 100_000)
    assert len(str(caught.value)) < 300
