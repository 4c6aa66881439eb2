"""A journal entry, sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_EMOJI = "\u2600-\u27bf\ufe0f\u200d\U0001f000-\U0001faff"
# End punctuation with its closing quotes, and the emoji after it, which belong to what they follow.
_END = re.compile(rf"[.!?…]++[\"'”’)\]]*+(?=\s|$|[{_EMOJI}])(?:\s*+[{_EMOJI}]++)*+")
_WORD_BEFORE = re.compile(r"[^\W_]{1,12}\Z")
_CONTEXT = 16

# No sentence ends after these; after the second kind none does where a number follows; after the
# third one does where the next word is capitalised.
_TITLES = frozenset(
    {"dr", "drg", "drs", "ir", "prof", "jl", "jln", "gg", "bpk", "sdr", "sdri", "yth"}
)
_BEFORE_NUMBER = frozenset({"no", "hlm", "hal", "vol", "bab", "ayat", "telp", "rp", "pkl", "tgl"})
_OFTEN_LAST = frozenset({"dsb", "dll", "dst", "dkk", "tsb", "dsbnya", "dllnya"})


@dataclass(frozen=True)
class SentenceEmotion:
    """One sentence of an entry: ``entry[start:end]``, its best label and every class's score."""

    text: str
    start: int
    end: int
    label: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class JournalAnalysis:
    """The emotion of a whole entry and of each of its sentences, in order.

    ``label`` and ``scores`` are the model's answer to the entry as one text, not an average over
    the sentences. Sentences without a word or an emoji ("...") are left out.
    """

    label: str
    scores: Mapping[str, float]
    sentences: tuple[SentenceEmotion, ...]


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Split a text at line breaks and end punctuation.

    Abbreviations ("dr.", "hlm. 5", "Jl."), initials, numbered lists and an ellipsis in the middle
    of a thought end no sentence; a text without punctuation is one sentence.

    Returns:
        Start and end of every sentence in characters, white space trimmed, none of them empty.
    """
    spans: list[tuple[int, int]] = []
    for line in _LINE.finditer(text):
        start = line.start()
        for end in (*_ends(text, line.start(), line.end()), line.end()):
            spans.append(_trim(text, start, end))
            start = end
    return [(start, end) for start, end in spans if start < end]


def _ends(text: str, start: int, stop: int) -> Iterator[int]:
    for match in _END.finditer(text, start, stop):
        # Slices of bounded length: a long line may hold an end at every second character.
        before = text[max(start, match.start() - _CONTEXT) : match.start()]
        after = text[match.end() : min(stop, match.end() + _CONTEXT)]
        if _is_end(before, match.group(), after, match.start() - start < _CONTEXT):
            yield match.end()


def _is_end(before: str, mark: str, after: str, at_line_start: bool) -> bool:
    following = after.lstrip()[:1]
    if "!" in mark or "?" in mark:
        return True
    if mark.startswith(("..", "…")):
        return following.isupper()
    word = _WORD_BEFORE.search(before)
    if word is None:
        return True
    name = word.group().lower()
    if name in _TITLES or (name in _BEFORE_NUMBER and following.isdecimal()):
        return False
    if name in _OFTEN_LAST:
        return following.isupper()
    is_initial = len(name) == 1 and word.group().isupper()
    is_list_number = at_line_start and name.isdecimal() and before.strip() == name
    return not (is_initial or is_list_number)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
