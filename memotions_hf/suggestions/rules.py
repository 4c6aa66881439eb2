"""What a suggestion must be, checked on our own data and on everything that Gemini writes.

One paragraph of at least five Indonesian sentences, without links, markup, diagnoses, medicines,
blame or talk of dying. The vocabularies err on the strict side: a good answer that names a
forbidden thing is replaced by another good answer, which costs little.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..inference.journal import split_sentences
from ..labels import LABELS

MIN_SENTENCES = 5
MAX_CHARACTERS = 1_600
MIN_PAIRS = 60
"""How many pairs our own data holds for each emotion, at least."""

_ECHO_WORDS = 8
_SHARED_WORDS = 6
_MAX_SAME_EDGE = 2
_MIN_INDONESIAN = 0.12

_LINK = re.compile(r"https?:|www\.|\b[\w-]+\.(?:com|net|org|id|co)\b|@\w", re.I)
_MARKUP = re.compile(r"[*_`#<>{}\[\]|\\]|^\s*(?:[-•]|\d+[.)])\s", re.M)
_MEDICINE = re.compile(
    r"\b(?:obat(?!i\b)\w*|dosis\w*|resep dokter|anti ?depres\w+|pil|kapsul|tablet|miligram|penenang"
    r"|(?:para[sc]etamol|ibuprofen|diazepam|alprazolam|xanax|prozac|sertralin\w*|melatonin|ctm))\b",
    re.I,
)
_DIAGNOSIS = re.compile(
    r"\b(?:(?:ter|di|men)?diagnos\w*|depresi\w*|bipolar\w*|skizo\w+|ptsd|adhd|ocd|autis\w*|psikosis"
    r"|gangguan (?:jiwa|mental|kecemasan|cemas|panik|mood|suasana hati|kepribadian|makan|tidur)"
    r"|anxiety(?: disorder)?|panic attack|halusinasi|trauma\w*|mental illness)\b",
    re.I,
)
_BLAME = re.compile(
    r"\b(?:salahmu|salah kamu|kesalahanmu|gara-gara kamu|kamu (?:terlalu |memang |cuma )?"
    r"(?:lemah|malas|manja|lebay|cengeng|bodoh|egois|baper|payah)|jangan (?:lebay|cengeng|manja"
    r"|baper|sedih|nangis|menangis)|kurang (?:bersyukur|iman|ibadah)|(?:se)?harusnya kamu"
    r"|kamu (?:se)?harusnya|masih banyak (?:orang )?yang lebih (?:susah|menderita))\b",
    re.I,
)
_DYING = re.compile(
    r"\b(?:bunuh\w*|bundir|mengakhiri hidup\w*|akhiri hidup\w*|mati saja|menyayat\w*|sayat\w*"
    r"|gantung diri|melukai diri\w*)\b",
    re.I,
)
_FAITH = re.compile(
    r"\b(?:salat|sholat|shalat|tuhan|allah|yesus|berdoa\w*|doakan|ibadah|gereja|masjid|vihara"
    r"|dosa\w*|zikir|dzikir|tahajud)\b",
    re.I,
)
_VOCABULARIES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a link", _LINK),
    ("markup", _MARKUP),
    ("a medicine", _MEDICINE),
    ("a diagnosis", _DIAGNOSIS),
    ("blame", _BLAME),
    ("dying or self-harm", _DYING),
    ("religious advice", _FAITH),
)
# The commonest words of any Indonesian paragraph; English, Malay spelling games or a list of names
# hold next to none of them.
_COMMON_WORDS = frozenset(
    re.findall(
        r"\w+",
        "yang dan di ke dari ini itu untuk dengan kamu aku tidak bisa ada juga atau pada akan "
        "sudah saja kalau lalu lebih satu hari apa karena jadi boleh coba tetap sampai dalam "
        "setelah mungkin seperti agar supaya hal orang rasa perasaan masih bukan tapi tetapi "
        "sedang nanti jangan cukup dulu sendiri ",
    )
)


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph that hold a word."""
    found = (text[start:end] for start, end in split_sentences(text))
    return [sentence for sentence in found if re.search(r"\w", sentence)]


def forbidden(text: str) -> list[str]:
    """Name what a part of a suggestion holds that none may hold, each with the words found."""
    found = ((name, pattern.search(text)) for name, pattern in _VOCABULARIES)
    return [f"holds {name} ({match.group().strip()!r})" for name, match in found if match]


def problems(text: str, *, prompts: Sequence[str] = ()) -> list[str]:
    """Say what keeps a text from being a suggestion; an empty list is a good one.

    Args:
        text: the suggestion.
        prompts: texts that it must not repeat, such as the entry and the instructions.
    """
    found = forbidden(text)
    if "\n" in text.strip():
        found.append("is more than one paragraph")
    count = len(sentences(text))
    if count < MIN_SENTENCES:
        found.append(f"has {count} sentences, fewer than {MIN_SENTENCES}")
    if len(text) > MAX_CHARACTERS:
        found.append(f"has {len(text):,} characters, more than {MAX_CHARACTERS:,}")
    if not is_indonesian(text):
        found.append("is not Indonesian")
    if any(_shares_words(text, prompt, _ECHO_WORDS) for prompt in prompts):
        found.append("repeats the prompt")
    return found


def is_indonesian(text: str) -> bool:
    """Tell whether enough of a text's words are the commonest ones of Indonesian."""
    words = _words(text)
    common = sum(word in _COMMON_WORDS for word in words)
    return bool(words) and common / len(words) >= _MIN_INDONESIAN


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _grams(text: str, size: int) -> set[tuple[str, ...]]:
    words = _words(text)
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def _shares_words(text: str, other: str, size: int) -> bool:
    return not _grams(text, size).isdisjoint(_grams(other, size))


def pair_problems(rows: Iterable[Mapping[str, Any]], *, min_pairs: int = MIN_PAIRS) -> list[str]:
    """Say what is wrong with a set of suggestion pairs; an empty list is a good set.

    Every suggestion keeps the rules of :func:`problems`, no paragraph or entry is used twice, no
    two paragraphs share six words in a row or too often an opening or an ending, and every emotion
    has enough pairs.

    Args:
        rows: pairs with ``id, entry, emotion, suggestion``.
        min_pairs: how many pairs every emotion must have.
    """
    rows = list(rows)
    found = [
        f"{row['id']}: the suggestion {problem}"
        for row in rows
        for problem in problems(row["suggestion"], prompts=[row["entry"]])
    ]
    for key in ("id", "entry", "suggestion"):
        found += _repeated([row[key] for row in rows], f"the {key}", 1)
    words = [_words(row["suggestion"]) for row in rows]
    found += _repeated([" ".join(part[:2]) for part in words], "the opening", _MAX_SAME_EDGE)
    found += _repeated([" ".join(part[-3:]) for part in words], "the ending", _MAX_SAME_EDGE)
    found += _shared(rows)
    counts = Counter(row["emotion"] for row in rows)
    found += [
        f"{label} has {counts[label]} pairs, fewer than {min_pairs}"
        for label in LABELS
        if counts[label] < min_pairs
    ]
    return found


def _repeated(values: Iterable[str], what: str, at_most: int) -> list[str]:
    counts = Counter(values)
    return [
        f"{what} {value!r:.60} is used {count} times"
        for value, count in counts.items()
        if count > at_most
    ]


def _shared(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    holders: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        for gram in _grams(row["suggestion"], _SHARED_WORDS):
            holders[gram].add(row["id"])
    return [
        f"{' and '.join(sorted(ids)[:3])} share the words {' '.join(gram)!r}"
        for gram, ids in holders.items()
        if len(ids) > 1
    ]
