"""The recipe of the 2024 reference system and how it prepared text, its flaws among it.

Kept as it was, so that it can be measured beside ours; nothing else here prepares text like this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..corpus.naive import NAIVE_SOURCES
from ..errors import InputError, MissingExtraError, require
from ..strict_files import shorten

IntArray = npt.NDArray[np.int32]

# In the order in which they ran: once punctuation has gone, no "#", "@" or "://" is left to match.
# All that the last pattern still finds is a word such as "https" itself; the address stays, in
# pieces. It ran before lower-casing.
_STEPS = (
    (re.compile(r"[^\w\s]"), " "),
    (re.compile(r"#\w+"), ""),
    (re.compile(r"@\w+"), ""),
    (re.compile(r"(?:http|www)\S+"), ""),
)
_WORD = re.compile(r"\w+")
_FACTORY_MODULE = "Sastrawi.StopWordRemover.StopWordRemoverFactory"
# PySastrawi's list has it. The older package Sastrawi, of the same module name, has another list,
# and its remover leaves the second of two stop words in a row.
_WORD_OF_THE_LIST = "aku"


@dataclass(frozen=True)
class Reference2024Recipe:
    """Data, model and optimisation of the 2024 reference system.

    ``l2`` regularises the hidden layer. The ``plateau_`` fields reduce the learning rate where
    validation accuracy does not rise, ``patience`` is early stopping's. ``validation_fraction`` is
    of the rows, where the corpus has no validation split of its own.
    """

    name: str
    version: int
    sources: tuple[str, ...] = NAIVE_SOURCES
    embedding_dim: int = 50
    lstm_units: tuple[int, ...] = (32, 64, 128)
    lstm_dropout: float = 0.3
    recurrent_dropout: float = 0.3
    dropout: float = 0.3
    dense_units: int = 32
    l2: float = 0.3
    learning_rate: float = 1e-3
    plateau_factor: float = 0.3
    plateau_patience: int = 1
    minimum_learning_rate: float = 1e-6
    batch_size: int = 512
    epochs: int = 9
    patience: int = 5
    validation_fraction: float = 0.1
    seed: int = 42

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-ready values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Reference2024Recipe:
        """Build a recipe from :meth:`to_dict`'s result.

        Raises:
            InputError: a key is missing or unknown, or a value has another type.
        """
        own = cls(name="", version=1).to_dict()
        if set(values) != set(own):
            wrong = sorted(set(values) ^ set(own))
            raise InputError(f"expected the keys {', '.join(own)}; see {shorten(wrong)}")
        for key, value in values.items():
            if not _is_like(value, own[key]):
                raise InputError(f"{key} is {shorten(value)}; expected a value like {own[key]!r}")
        kept: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**kept)


def _is_like(value: object, example: object) -> bool:
    """Say whether a value of a file can stand where a recipe has the example."""
    if isinstance(value, bool):
        return False
    if isinstance(example, list):
        return (
            isinstance(value, list) and bool(value) and all(_is_like(v, example[0]) for v in value)
        )
    if isinstance(example, float):
        return isinstance(value, int | float) and 0 <= value < 1
    if isinstance(example, int):
        return isinstance(value, int) and 0 <= value < 1 << 32
    return isinstance(value, str)


REFERENCE_2024 = Reference2024Recipe(name="memotions-2024", version=1)


def new_stop_word_remover() -> Any:
    """Return a stop-word remover of PySastrawi, built anew, which takes milliseconds.

    It drops whole words between spaces, by a list of about 800, and knows no patterns. The list
    holds most negations ("tidak", "bukan", "belum", "jangan", "tak", "enggak", "tanpa"), though
    not their short forms ("gak", "nggak", "ga"), and words of feeling ("merasa", "enak", "baik",
    "sendirian", "percuma").

    Raises:
        MissingExtraError: PySastrawi is not installed, or another package stands in its place.
    """
    factory = require(_FACTORY_MODULE, "train").StopWordRemoverFactory()
    if _WORD_OF_THE_LIST not in factory.get_stop_words():
        raise MissingExtraError(
            "the module Sastrawi is not that of PySastrawi, whose stop words are needed: "
            "pip uninstall Sastrawi, then pip install --force-reinstall PySastrawi"
        )
    return factory.create_stop_word_remover()


_kept_remover = cache(new_stop_word_remover)


def prepare(text: str, remover: Any = None) -> str:
    """Return a text as the reference system read it.

    Two flaws are kept. Punctuation goes first, so that hashtags and mentions are never found, nor
    is an address but for the word "https". Stop words go last, and most negations with them:
    "tidak bahagia" is read as "bahagia".

    Args:
        text: any text.
        remover: a stop-word remover; None takes one that is kept.

    Returns:
        Lower-case words with single spaces between them, or nothing.

    Raises:
        MissingExtraError: PySastrawi is not installed.
    """
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    remover = _kept_remover() if remover is None else remover
    return str(remover.remove(" ".join(text.split()).lower()))


def words_of(prepared: str) -> list[str]:
    """Return the words of a prepared text."""
    return _WORD.findall(prepared)


def word_indices(vocabulary: Sequence[str]) -> dict[str, int]:
    """Return the index of every word, from 1: 0 is padding and every other word."""
    return {word: index for index, word in enumerate(vocabulary, start=1)}


def pad_indices(
    texts: Sequence[Iterable[str]], indices: Mapping[str, int], length: int
) -> IntArray:
    """Return the indices of texts' words, zeros behind them, shape (n, length).

    A longer text loses its end. A word without an index is a zero as well, in its place.
    """
    padded = np.zeros((len(texts), length), np.int32)
    for row, words in zip(padded, texts, strict=True):
        found = [indices.get(word, 0) for word in words][:length]
        row[: len(found)] = found
    return padded
