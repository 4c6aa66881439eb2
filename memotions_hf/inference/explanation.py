"""Which words led to an answer: words of the original text, each left out in turn."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from ..text import PLACEHOLDERS, to_valid_unicode

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_URL, _USER, _EMAIL, _PHONE = PLACEHOLDERS
_BRACKETS = "[]-"
# Which characters a masked piece of text is made of, seen backwards from its last character.
_MASKED: dict[str, Callable[[str], bool]] = {
    _URL: lambda char: not char.isspace(),
    _USER: lambda char: char.isalnum() or char in "_@" + _BRACKETS,
    _EMAIL: lambda char: char.isalnum() or char in "_.+-@",
    _PHONE: lambda char: char.isalnum() or char in " .()+" + _BRACKETS,
}
_EMOTICON = frozenset(":;=-()[]'’^_.<3tTdDxX")
_REGIONAL = re.compile("[\U0001f1e6-\U0001f1ff]")


class WordContribution(NamedTuple):
    """How much one word of a text adds to the probability of a class.

    ``token`` is ``text[start:end]``; ``contribution`` is the probability of the class minus that
    of the text without the word, so that a positive one speaks for the class.
    """

    token: str
    start: int
    end: int
    contribution: float


@dataclass
class Word:
    """A word as the model reads it: characters ``start:end``, token ids ``first:last``."""

    start: int
    end: int
    first: int
    last: int


def read_words(tokenizer: Tokenizer, text: str, max_length: int) -> list[Word]:
    """Find the words that the first ``max_length`` tokens of a text stand for.

    Spans lie inside the text, in order, and never overlap. The tokenizer's offsets of a replaced
    piece ("@budi", ":(", "capeeeek") cover only a part of it; a span is widened to the whole.
    """
    encoding = tokenizer.encode(to_valid_unicode(text), add_special_tokens=False)
    word_ids, offsets = encoding.word_ids[:max_length], encoding.offsets[:max_length]
    words: list[Word] = []
    for _, group in groupby(range(len(word_ids)), key=word_ids.__getitem__):
        indices = list(group)
        start = min(offsets[index][0] for index in indices)
        end = max(offsets[index][1] for index in indices)
        # "½" is read as the words 1 and 2, which share one character of the text.
        if words and start < words[-1].end:
            words[-1].end, words[-1].last = max(end, words[-1].end), indices[-1] + 1
        else:
            words.append(Word(start, max(end, start), indices[0], indices[-1] + 1))
    _widen(text, words, [encoding.tokens[word.first] for word in words])
    return _join_characters(text, words)


def _join_characters(text: str, words: Sequence[Word]) -> list[Word]:
    """Join words that a reader sees as one character: families, flags, accents of an emoji."""
    joined: list[Word] = []
    for word in words:
        if joined and joined[-1].end == word.start and _is_one_character(text, joined[-1], word):
            joined[-1].end, joined[-1].last = word.end, word.last
        else:
            joined.append(word)
    return joined


def _is_one_character(text: str, left: Word, right: Word) -> bool:
    first = text[right.start]
    if unicodedata.category(first).startswith("M"):
        return True
    if unicodedata.category(first) != "So":
        return False
    # A flag is two letters; the third one begins the next flag.
    is_flag = _REGIONAL.fullmatch(text, left.start, left.end) and _REGIONAL.match(first)
    return text[left.end - 1] == "\u200d" or is_flag is not None


def _widen(text: str, words: Sequence[Word], tokens: Sequence[str]) -> None:
    """Widen spans over the characters that a replacement hid, in place, never over a neighbour."""
    floor = 0
    for number, (word, token) in enumerate(zip(words, tokens, strict=True)):
        ceiling = words[number + 1].start if number + 1 < len(words) else len(text)
        word.start = _widened_start(text, word, token, floor)
        last = text[word.end - 1 : word.end]
        while word.end < ceiling and _continues(last, text[word.end]):
            word.end += 1
        floor = word.end


def _widened_start(text: str, word: Word, token: str, floor: int) -> int:
    first, start = text[word.start : word.start + 1], word.start
    belongs = _MASKED.get(token)
    if belongs is None:
        if unicodedata.category(token[0]) == "So" and first in _EMOTICON:
            belongs = _EMOTICON.__contains__
        elif first.isdecimal():
            belongs = _is_number
        else:
            return _grow_left(text, start, floor, lambda char: _continues(first, char, True))
    elif word.end - start > 1:
        return start  # the text holds the placeholder itself
    start = _grow_left(text, start, floor, belongs)
    # An opening bracket belongs to the piece only where the piece closes it: "[USERNAME]".
    opening = " ({<\"'" if text[word.end - 1] == "]" else " ([{<\"'"
    while start < word.start and text[start] in opening and not text.startswith("<3", start):
        start += 1
    return start


def _grow_left(text: str, start: int, floor: int, belongs: Callable[[str], bool]) -> int:
    while start > floor and belongs(text[start - 1]):
        start -= 1
    return start


def _is_number(char: str) -> bool:
    return char.isalnum() or char in ".,:"


def _continues(neighbour: str, char: str, leftwards: bool = False) -> bool:
    """Tell whether ``char`` belongs to the same piece of text as ``neighbour`` beside it."""
    category = unicodedata.category(char)
    if category in ("Mn", "Me", "Mc", "Sk", "Cf"):  # accents, the look of an emoji, zero width
        return not leftwards
    if neighbour in ("!", "?"):
        return char == neighbour
    if neighbour in (".", "…"):
        return char in ".…"
    return neighbour.isalnum() and char.isalnum()


def group_words(words: Sequence[Word], max_pieces: int) -> list[Word]:
    """Join neighbouring words to phrases where there are more than ``max_pieces`` of them."""
    size = -(-len(words) // max_pieces)
    if size <= 1:
        return list(words)
    groups = [words[at : at + size] for at in range(0, len(words), size)]
    return [Word(g[0].start, g[-1].end, g[0].first, g[-1].last) for g in groups]
