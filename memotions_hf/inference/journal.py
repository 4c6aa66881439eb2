"""A journal entry, sentence by sentence.

The rules are our own: the libraries that were tried (sentencex, pySBD, syntok) know neither
Indonesian abbreviations nor texts in small letters or with emoji, and fail many of the cases in
tests/inference/test_journal.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

# Patterns are compiled when a text is first split: the first answer of a new process needs none.
_LINE = r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+"
_LOOK = "\ufe0f\u200d\u20e3\U000e0020-\U000e007f"
_SYMBOLS = "\u2300-\u23ff\u2600-\u27bf\u2b05-\u2b55\U0001f000-\U0001faff"
_EMOTICON = r"(?<=\s)(?:[:;=]['’]?-?[()DdPp]+|[Tt]_+[Tt]|\^_*\^|<3+)(?=\s|$)"
_FEELING = rf"(?:[{_SYMBOLS}][{_LOOK}]*+|{_EMOTICON})"
# End punctuation with its closing quotes and the emoji after it, which belong to what they follow;
# or emoji alone. No match is tried twice inside a row of marks or emoji: that would take time in
# the square of its length.
_END = (
    rf"(?<![.!?…])(?P<mark>[.!?…]++)(?P<closing>[\"'”’»)\]*_]*+)"
    rf"(?=\s|$|[A-Z][a-z]|[{_SYMBOLS}])(?P<feelings>(?:\s*+{_FEELING})*+)"
    rf"|{_FEELING}(?:\s*+{_FEELING})*+"
)
_NOT_SPACE = r"\S+"
_WORD = r"[^\W_]+"
_WORD_BEFORE = r"[^\W_]{1,12}\Z"
_OPENING = " \t\"'“‘«([*_"
_CONTEXT = 64

# No sentence ends after these; after the second kind none does where a number or one of the words
# below follows; after the third one does where the next word is capitalised.
_NEVER_LAST = frozenset(
    re.findall(
        r"\w+",
        "dr drg drs dra ir prof hj ust ustadz pdt tn ny nn bpk sdr sdri alm yth jl jln gg kec kab "
        "pt cv mr mrs st yg dgn utk krn dlm kpd ttg spt vs",
    )
)
_BEFORE_NUMBER = frozenset(
    re.findall(
        r"\w+",
        "no nomor hlm hal vol bab ayat pasal ps telp tlp hp wa rp pkl tgl rt rw lt km kav blok min "
        "maks jan feb mar apr jun jul agt ags sep sept okt nov des",
    )
)
_NUMBERED = r"(?i)\s*(?:\d|(?:hp|wa|rek|rekening|ktp|telp|absen|urut)\b)"
_OFTEN_LAST = frozenset(
    re.findall(r"\w+", "dsb dll dst dkk tsb ybs ttd sbb tbk dsbnya dllnya"),
)
_SLASHED = r"(?<![^\W_])(?:[a-z][./]){1,3}[a-z]\Z"  # a.n., u.p., d/a.
_DEGREE = r",\s*(?:[A-Z][A-Za-z]{0,3}\.)+[A-Z][A-Za-z]{0,4}\Z|\.[A-Z][a-z]{1,4}\Z"
_NEXT_DEGREE = r"\s*(?:[A-Z][A-Za-z]{0,3}\.){2}"
# "Nilaiku A." ends, "Jalan A. Yani" does not.
_LETTER_LAST = r"(?i)\b(?:nilai\w*|kelas|vitamin|golongan|darah\w*|huruf|tipe) .\Z"
_LIST_NUMBER = r"\s*(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z])\Z"
# "capek.Besok" is two sentences, "S.Pd" and "contoh.id/Buku" are none.
_GLUED = r"(?:\A|\s|[\"'“‘(])[^\W\d_]{2,}\Z"
_GLUED_NEXT = r"[A-Z][a-z]+(?:[\s,!?…]|\.(?:\s|\Z)|\Z)"

# Words on either side of an emoji that ends a sentence: "aku ❤️ kamu" is one.
_WORDS_BEFORE_EMOJI, _WORDS_AFTER_EMOJI = 3, 2

# What begins a new thought wherever it stands. "lalu", "terus", "dan" and "jadi" are not among
# them: people put no mark before half of theirs.
_TURNS = frozenset(
    re.findall(
        r"\w+",
        "tapi tp tetapi padahal soalnya makanya untungnya besoknya paginya siangnya sorenya "
        "malamnya malemnya",
    )
)
_LONG_TURNS = frozenset({"setelah itu", "habis itu", "abis itu", "habis gitu", "abis gitu"})
# Words of a sentence that is long, and of a part of one at least.
_LONG, _PART = 20, 5
_STOP = r"(?:[,;:!?]|(?<!\.)\.)(?=\s)|[—–]"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


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
    the sentences: what a sentence tells often shows only beside the others, and on labelled entries
    every average was worse (benchmarks/explanation.py). An entry longer than the model reads at
    once is read in parts of equal length, and the answers are averaged. Sentences without a word or
    an emoji ("...") are left out.
    """

    label: str
    scores: Mapping[str, float]
    sentences: tuple[SentenceEmotion, ...]


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Split a text at line breaks, at end punctuation and after emoji.

    Abbreviations ("dr.", "hlm. 5", "a.n."), initials, numbered lists, an ellipsis in the middle of
    a thought and a quotation that goes on in small letters end no sentence; a line without
    punctuation is one sentence.

    Returns:
        Start and end of every sentence in characters, white space trimmed, none of them empty.
    """
    spans: list[tuple[int, int]] = []
    for line in _compiled(_LINE).finditer(text):
        start = line.start()
        for end in (*_ends(text, line.start(), line.end()), line.end()):
            spans.append(_trim(text, start, end))
            start = end
    return [(start, end) for start, end in spans if start < end]


def split_thoughts(text: str) -> list[tuple[int, int]]:
    """Split a text into sentences, and a long one without any punctuation into its thoughts.

    Chats are often written without a mark, and several feelings in one such sentence would be
    shown as one. It is cut only where nearly every writer who uses punctuation puts some: at dots
    in a row, before "tapi", "padahal", "abis itu" and the like; never into short pieces.

    Returns:
        Spans as :func:`split_sentences` gives them.
    """
    return [
        _trim(text, *part)
        for start, end in split_sentences(text)
        for part in _thoughts(text, start, end)
    ]


def _thoughts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    words = list(_compiled(_NOT_SPACE).finditer(text, start, end))
    # What the last word ends with is the sentence's own end.
    if len(words) >= _LONG and not _compiled(_STOP).search(text, start, words[-1].start()):
        first = 0
        for number in range(_PART, len(words) - _PART + 1):
            before, word, after = (match.group() for match in words[number - 1 : number + 2])
            if number - first >= _PART and _is_turn(before, word, after):
                yield start, words[number].start()
                start, first = words[number].start(), number
    yield start, end


def _is_turn(before: str, word: str, after: str) -> bool:
    if before.endswith(("..", "…")) or word.lower() in _TURNS:
        return True
    return f"{word} {after}".lower() in _LONG_TURNS


def _ends(text: str, start: int, stop: int) -> Iterator[int]:
    begin = start
    for match in _compiled(_END).finditer(text, start, stop):
        # Slices of bounded length: a long line may hold an end at every second character.
        before = text[max(begin, match.start() - _CONTEXT) : match.start()]
        after = text[match.end() : min(stop, match.end() + _CONTEXT)]
        if _is_end(before, match, after, begin == start):
            begin = match.end()
            yield begin


def _is_end(before: str, match: re.Match[str], after: str, is_first: bool) -> bool:
    mark, following = match["mark"], after.lstrip(_OPENING)[:1]
    if (mark is None or match["feelings"]) and _is_between_sentences(before, after):
        return True
    if mark is None or (match["closing"] and following.islower()):
        return False
    if not match["feelings"] and not _stands_apart(before, after):
        return False
    if "!" in mark or "?" in mark:
        return True
    if mark.startswith(("..", "…")):
        return following.isupper()
    word = _compiled(_WORD_BEFORE).search(before)
    is_list_number = is_first and _compiled(_LIST_NUMBER).match(before) is not None
    return not is_list_number and (
        word is None or _is_full_stop(before, word.group(), after, following.isupper())
    )


def _stands_apart(before: str, after: str) -> bool:
    """Tell whether white space follows a mark, or was left out between two words."""
    if not after or after[0].isspace():
        return True
    return (
        _compiled(_GLUED).search(before) is not None
        and _compiled(_GLUED_NEXT).match(after) is not None
    )


def _is_between_sentences(before: str, after: str) -> bool:
    """Tell whether emoji between these two end a sentence: they may stand for a word, too."""
    return (
        after[:1].isspace()
        and after.lstrip(_OPENING)[:1].isalnum()
        and len(_compiled(_WORD).findall(before)) >= _WORDS_BEFORE_EMOJI
        and len(_compiled(_WORD).findall(after)) >= _WORDS_AFTER_EMOJI
    )


def _is_full_stop(before: str, word: str, after: str, is_capital_next: bool) -> bool:
    """Tell whether the stop after a word ends a sentence, and not only an abbreviation."""
    name = word.lower()
    if name in _NEVER_LAST or _compiled(_SLASHED).search(before):
        return False
    if name in _BEFORE_NUMBER:
        return _compiled(_NUMBERED).match(after) is None
    if name in _OFTEN_LAST:
        return is_capital_next
    if _compiled(_DEGREE).search(before):
        return is_capital_next and _compiled(_NEXT_DEGREE).match(after) is None
    is_initial = len(word) == 1 and word.isupper()
    return not is_initial or (
        is_capital_next and _compiled(_LETTER_LAST).search(before) is not None
    )


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
