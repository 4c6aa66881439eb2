"""The crisis detector's small linear model: n-grams and curated patterns in, scores out.

Three kinds of n-grams (words, word stems with gaps, characters across words) are hashed, weighted
as TF-IDF (1 + log of the count, times the inverse document frequency, each kind scaled to length 1)
and joined by the pattern features. Two linear rows score them: one says crisis or not, the other
whether the danger comes from oneself or from somebody else. It runs on NumPy alone, and in linear
time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from zlib import crc32

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ..errors import ModelLoadError
from ..modeling.artifact import write_folder_atomically
from .crisis_patterns import pattern_features
from .crisis_text import unmask

BUCKETS = 2**18
"""Hash buckets of each kind of n-gram."""
KINDS = 3
PATTERN_SCALE = 0.2
"""How loud a pattern is beside the n-grams, whose vectors have length 1."""
FEATURES = KINDS * BUCKETS + len(pattern_features(""))

_PREFIX = re.compile(r"^(?:ku|kau|di|ter|ke|ber|be|per|me(?:ng|ny|m|n)?|nge|ng|ny|se)(?=\w{4,})")
_SUFFIX = re.compile(r"(?<=\w{4})(?:kan|nya|ku|mu|in|an|i|lah|kah)$")
_WEIGHTS, _SETTINGS = "weights.safetensors", "detector.json"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Settings:
    """What turns scores into decisions, from ``detector.json``."""

    version: int
    crisis_from: float
    """Probability from which an entry counts as a crisis."""
    concern_from: float
    """Probability from which an entry is in doubt."""
    slope: float
    """Of the logistic curve from the first row's score to a probability."""
    offset: float


@dataclass(frozen=True)
class Vector:
    """A text as a sparse vector: indices below :data:`FEATURES` and their values."""

    indices: npt.NDArray[np.int64]
    values: Floats


class CrisisModel:
    """Scores a text; :meth:`load` reads it from a folder, training makes it."""

    def __init__(self, idf: Floats, weights: Floats, bias: Floats, settings: Settings) -> None:
        """Take the inverse document frequencies (features,), weights (2, features), bias (2,)."""
        self.idf = idf
        self.weights = weights
        self.bias = bias
        self.settings = settings

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder; nothing in it is executed.

        Raises:
            ModelLoadError: a file is missing or damaged.
        """
        try:
            settings = Settings(**json.loads((folder / _SETTINGS).read_text(encoding="utf-8")))
            tensors = load_file(folder / _WEIGHTS)
            idf, weights, bias = (tensors[name] for name in ("idf", "weights", "bias"))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ModelLoadError(
                f"the crisis detector in {folder} cannot be read ({error}); reinstall memotions-hf"
            ) from None
        if weights.shape != (2, FEATURES) or idf.shape != (FEATURES,):
            raise ModelLoadError(
                f"the crisis detector in {folder} has {weights.shape[-1]:,} features; expected "
                f"{FEATURES:,}: reinstall memotions-hf"
            )
        idf, weights, bias = (array.astype(np.float32) for array in (idf, weights, bias))
        return cls(idf, weights, bias, settings)

    def save(self, folder: Path) -> None:
        """Write the model's two files into a folder, whole or not at all."""
        half = {"idf": self.idf.astype(np.float16), "weights": self.weights.astype(np.float16)}
        settings = json.dumps(asdict(self.settings), indent=2)
        with write_folder_atomically(folder) as draft:
            save_file({**half, "bias": self.bias}, draft / _WEIGHTS)
            (draft / _WEIGHTS).chmod(0o644)  # safetensors writes for the user alone
            (draft / _SETTINGS).write_text(settings + "\n", encoding="utf-8")

    def scores(self, text: str) -> tuple[float, float]:
        """Return a text's probability of a crisis, and a score above 0 for harm by others."""
        vector = vectorise(text, self.idf)
        raw = self.weights[:, vector.indices] @ vector.values + self.bias
        settings = self.settings
        probability = 1 / (1 + np.exp(-(settings.slope * float(raw[0]) + settings.offset)))
        return float(probability), float(raw[1])


def vectorise(text: str, idf: Floats) -> Vector:
    """Turn a text into the model's features.

    Args:
        text: any text.
        idf: inverse document frequencies (features,); ones count plainly.
    """
    plain = unmask(text)
    indices, values = [], []
    for kind, hashes in enumerate((_words(plain), _stems(plain), _characters(plain))):
        buckets, counts = np.unique(
            np.fromiter(hashes, np.int64) % BUCKETS + kind * BUCKETS, return_counts=True
        )
        weighted = (1 + np.log(counts)) * idf[buckets]
        length = np.sqrt((weighted**2).sum())
        indices.append(buckets)
        values.append(weighted / length if length else weighted)
    patterns = pattern_features(plain)
    found = np.flatnonzero(patterns)
    indices.append(found + KINDS * BUCKETS)
    values.append(patterns[found] * PATTERN_SCALE)
    return Vector(np.concatenate(indices), np.concatenate(values).astype(np.float32))


def _hash_runs(words: Sequence[str], gaps: Sequence[tuple[int, ...]]) -> Iterator[int]:
    """Hash the words found at each pattern of offsets, such as (0, 1) for two neighbours."""
    for gap in gaps:
        for start in range(len(words) - gap[-1]):
            yield crc32(" ".join([words[start + step] for step in gap]).encode()) + gap[-1]


def _words(text: str) -> Iterator[int]:
    return _hash_runs(text.split(), ((0,), (0, 1), (0, 1, 2)))


def _stems(text: str) -> Iterator[int]:
    stems = [_stem(word) for word in text.split()]
    return _hash_runs(stems, ((0,), (0, 1), (0, 2), (0, 3)))


def _stem(word: str) -> str:
    """Strip the commonest affixes; rough, but the same in training and in use."""
    return _SUFFIX.sub("", _PREFIX.sub("", word)) if len(word) > 4 else word


def _characters(text: str) -> Iterator[int]:
    data = text.encode()
    for size in range(3, 8):
        for start in range(len(data) - size + 1):
            yield crc32(data[start : start + size])
