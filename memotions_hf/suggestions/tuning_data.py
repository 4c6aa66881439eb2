"""The data of a tuning run: checked pairs, as Vertex AI's JSON lines, split, counted and priced."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..corpus.configs import read_suggestions
from ..corpus.download import DATA_FOLDER
from ..errors import CorpusError, InputError
from ..labels import LABELS, parse_label
from .engine import clean_entry
from .prompt import SYSTEM_INSTRUCTION, training_user_text
from .rules import pair_problems, problems

CHARACTERS_PER_TOKEN = 3.5
"""Google speaks of about 4 characters a token; Indonesian words are split a little more often, so
this errs on the dear side. Gemini's own tokenizer cannot be had offline."""

RECOMMENDED_ROWS = 100
"""Fewer rows to train on than this, and Google expects little of the tuning."""

OWN_PAIRS = "the project's own pairs"
_PRICES_FILE = DATA_FOLDER / "gemini_prices.json"
_KEYS = ("entry", "emotion", "suggestion")


@dataclass(frozen=True)
class Pair:
    """A journal entry, its emotion, and the suggestion that answers it."""

    id: str
    entry: str
    emotion: str
    suggestion: str

    @property
    def user_text(self) -> str:
        """The user's part of the row, worded as Gemini is asked later."""
        return training_user_text(self.entry, self.emotion)

    @property
    def characters(self) -> int:
        """How long the row is for the model, the instruction included."""
        return len(SYSTEM_INSTRUCTION) + len(self.user_text) + len(self.suggestion)


@dataclass(frozen=True)
class TuningData:
    """The pairs to train on and to validate with, and where they came from."""

    source: str
    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]

    @property
    def files(self) -> dict[str, bytes]:
        """The files to upload by their part: ``train`` and, where there is any, ``validation``."""
        parts = {"train": self.train, "validation": self.validation}
        return {part: to_jsonl(pairs) for part, pairs in parts.items() if pairs}

    def describe(self) -> dict[str, Any]:
        """Return what tells one set of data from another: rows and a checksum by file."""
        rows = {"train": len(self.train), "validation": len(self.validation)}
        facts: dict[str, Any] = {
            part: {"rows": rows[part], "sha256": sha256(content).hexdigest()}
            for part, content in self.files.items()
        }
        return {"source": self.source, **facts}


# Reading and checking -----------------------------------------------------------------------------


def read_pairs(path: Path | None = None) -> list[Pair]:
    """Return checked pairs: the project's own, or those of a file.

    Args:
        path: JSON lines with ``entry``, ``emotion`` and ``suggestion``, and an ``id`` if you like;
            None reads the project's own pairs.

    Raises:
        CorpusError: the project's own pairs break a rule.
        InputError: the file cannot be read, or a line of it is no good pair.
    """
    if path is not None:
        return _read_file(path)
    rows = list(read_suggestions())
    found = pair_problems(rows)
    if found:
        raise CorpusError(f"{OWN_PAIRS}: {found[0]}{_and_more(len(found) - 1)}")
    return [_as_pair(row, row["id"]) for row in rows]


def _read_file(path: Path) -> list[Pair]:
    try:
        # Not splitlines(): a JSON string may hold U+2028, which is no end of a line here.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{path} is no UTF-8 text; expected one JSON object a line") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check --data") from None
    pairs: dict[int, Pair] = {}
    found: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                pairs[number] = _parse_line(line, number)
            except InputError as error:
                found.append(f"line {number}: {error}")
    found = found or _repeated(pairs)
    found = found or pair_problems([vars(pair) for pair in pairs.values()], min_pairs=0)
    if found:
        raise InputError(f"{path}, {found[0]}{_and_more(len(found) - 1)}")
    if not pairs:
        raise InputError(f"{path} holds no pairs; expected one JSON object a line")
    return list(pairs.values())


def _parse_line(line: str, number: int) -> Pair:
    try:
        row = json.loads(line)
    except ValueError as error:
        reason = getattr(error, "msg", "invalid")
        raise InputError(f"no JSON ({reason}, column {getattr(error, 'colno', 1)})") from None
    if not isinstance(row, dict):
        raise InputError(f"a JSON {type(row).__name__}; expected an object with {', '.join(_KEYS)}")
    for key in _KEYS:
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise InputError(f"no text under {key!r}; expected the keys {', '.join(_KEYS)}")
    pair = _as_pair(row, str(row.get("id") or f"line-{number}"))
    wrong = problems(pair.suggestion, prompts=[pair.entry])
    if wrong:
        raise InputError(f"the suggestion {'; it '.join(wrong)}")
    return pair


def _as_pair(row: Mapping[str, Any], name: str) -> Pair:
    """Return a pair whose row can be written, as the engines would clean its entry."""
    try:
        emotion = parse_label(row["emotion"])
    except InputError:  # whose message would show the value, which may be an entry by mistake
        raise InputError(f"the emotion is none of {', '.join(LABELS)}") from None
    pair = Pair(name, clean_entry(row["entry"]), emotion, row["suggestion"].strip())
    training_user_text(pair.entry, pair.emotion)  # refuses an entry that holds the boundary
    return pair


def _repeated(pairs: Mapping[int, Pair]) -> list[str]:
    """Name the lines that repeat another one, without showing what they say."""
    found = []
    for key in ("id", "entry", "suggestion"):
        first: dict[str, int] = {}
        for number, pair in pairs.items():
            earlier = first.setdefault(getattr(pair, key), number)
            if earlier != number:
                found.append(f"line {number}: the {key} is that of line {earlier}")
    return found


def _and_more(count: int) -> str:
    return f" (and {count:,} more)" if count > 0 else ""


# Converting and splitting -------------------------------------------------------------------------


def to_example(pair: Pair) -> dict[str, Any]:
    """Return a pair as one row of Vertex AI's supervised tuning."""
    return {
        "systemInstruction": {"role": "system", "parts": [{"text": SYSTEM_INSTRUCTION}]},
        "contents": [
            {"role": "user", "parts": [{"text": pair.user_text}]},
            {"role": "model", "parts": [{"text": pair.suggestion}]},
        ],
    }


def to_jsonl(pairs: Iterable[Pair]) -> bytes:
    """Return pairs as a file for Vertex AI: UTF-8, a row a line."""
    rows = (json.dumps(to_example(pair), ensure_ascii=False) for pair in pairs)
    return "".join(f"{row}\n" for row in rows).encode()


def split_pairs(
    pairs: Sequence[Pair], fraction: float, seed: int, source: str = OWN_PAIRS
) -> TuningData:
    """Split pairs by emotion; the same pairs and seed are always split alike.

    Args:
        pairs: checked pairs, in any order.
        fraction: share of each emotion that validates, 0 to 0.5; 0 leaves validation out.
        seed: another one draws other rows, and orders those to train on otherwise.
        source: where the pairs came from, for people.

    Raises:
        InputError: the fraction is no such share.
    """
    if not 0 <= fraction <= 0.5:
        raise InputError(f"the validation fraction is {fraction}; expected 0 to 0.5")
    chosen: set[str] = set()
    ordered = sorted(pairs, key=lambda pair: pair.id)
    for label in LABELS:
        names = [pair.id for pair in ordered if pair.emotion == label]
        random.Random(f"{seed}-{label}").shuffle(names)
        wanted = max(1, round(fraction * len(names))) if fraction else 0
        chosen.update(names[: min(wanted, max(0, len(names) - 1))])  # one at least stays to train
    random.Random(seed).shuffle(ordered)  # the pairs come emotion by emotion; training wants a mix
    return TuningData(
        source,
        train=tuple(pair for pair in ordered if pair.id not in chosen),
        validation=tuple(pair for pair in ordered if pair.id in chosen),
    )


# Counting and pricing -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Price:
    """US dollars for a million training tokens, and where that was read."""

    usd: float
    origin: str


def count_emotions(pairs: Iterable[Pair]) -> dict[str, int]:
    """Return how many pairs there are of each of the five emotions."""
    counts = Counter(pair.emotion for pair in pairs)
    return {label: counts[label] for label in LABELS}


def estimate_tokens(pairs: Iterable[Pair]) -> int:
    """Return about how many Gemini tokens the rows have; see :data:`CHARACTERS_PER_TOKEN`."""
    return sum(math.ceil(pair.characters / CHARACTERS_PER_TOKEN) for pair in pairs)


def pricing_page() -> str:
    """Return the address of Google's own price list."""
    return str(_prices()["source"])


def find_price(model: str) -> Price | None:
    """Return what tuning a base model costs, or None where no source was found for it."""
    name = re.sub(r"-\d{3}$", "", model.rsplit("/", maxsplit=1)[-1].split("@", maxsplit=1)[0])
    prices = _prices()
    usd = prices["per_million_training_tokens_usd"].get(name)
    if usd is None:
        return None
    return Price(
        float(usd), f"{prices['provenance']}, {prices['checked']}; check {prices['source']}"
    )


def _prices() -> dict[str, Any]:
    prices: dict[str, Any] = json.loads(_PRICES_FILE.read_text(encoding="utf-8"))
    return prices
