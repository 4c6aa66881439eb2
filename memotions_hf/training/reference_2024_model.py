"""The 2024 reference system once it is trained: its network, its style of serving, its folder.

It is here to be measured beside ours, on its own rows or on the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import keras
import numpy as np
import numpy.typing as npt

from ..errors import InputError, ModelLoadError
from ..labels import ID2LABEL, LABELS
from ..modeling.artifact import METRICS_FILE, WEIGHTS_FILE, write_folder_atomically
from ..modeling.saving import write_json
from ..modeling.untrusted import check_weights_file
from ..strict_files import read_json_object, shorten
from .reference_2024_recipe import (
    REFERENCE_2024,
    IntArray,
    Reference2024Recipe,
    new_stop_word_remover,
    pad_indices,
    prepare,
    word_indices,
    words_of,
)

FloatArray = npt.NDArray[np.float32]

REFERENCE_FILE = "reference.json"
_THRESHOLD = 0.2
_DECIMALS = 3
_MAX_JSON_BYTES = 50_000_000
_MAX_PARAMETERS = 100_000_000
_MAX_LAYERS = 16
_MAX_LENGTH = 10_000


def count_parameters(vocab_size: int, recipe: Reference2024Recipe = REFERENCE_2024) -> int:
    """Return the number of parameters of the network of a recipe."""
    count, width = vocab_size * recipe.embedding_dim, recipe.embedding_dim
    for units in recipe.lstm_units:
        count += 2 * 4 * units * (width + units + 1)
        width = 2 * units
    return count + (width + 1) * recipe.dense_units + (recipe.dense_units + 1) * len(LABELS)


def build_reference_2024(
    vocab_size: int, recipe: Reference2024Recipe = REFERENCE_2024
) -> keras.Model:
    """Build the network, not compiled.

    Padding is not masked: 0 is an index like any other, and the network reads it to the end.

    Args:
        vocab_size: rows of the embedding, one more than there are words.
        recipe: sizes and rates.

    Returns:
        A model from int32 (batch, length) to probabilities (batch, 5).
    """
    layers = keras.layers
    model = keras.Sequential(name="memotions_2024")
    model.add(keras.Input((None,), dtype="int32"))
    model.add(layers.Embedding(vocab_size, recipe.embedding_dim))
    for number, units in enumerate(recipe.lstm_units, start=1):
        lstm = layers.LSTM(
            units,
            return_sequences=number < len(recipe.lstm_units),
            dropout=recipe.lstm_dropout,
            recurrent_dropout=recipe.recurrent_dropout,
        )
        model.add(layers.Bidirectional(lstm))
    model.add(layers.Dropout(recipe.dropout))
    penalty = keras.regularizers.L2(recipe.l2)
    model.add(layers.Dense(recipe.dense_units, activation="relu", kernel_regularizer=penalty))
    model.add(layers.Dense(len(LABELS), activation="softmax"))
    return model


def predict_padded(model: keras.Model, ids: IntArray, batch_size: int) -> FloatArray:
    """Return probabilities, shape (n, 5)."""
    if not len(ids):
        return np.zeros((0, len(LABELS)), np.float32)
    return np.asarray(model.predict(ids, batch_size=batch_size, verbose=0), np.float32)


@dataclass(frozen=True)
class TrainedReference:
    """The trained reference system.

    Args:
        recipe: what was trained.
        model: the network.
        vocabulary: its words in the order of their indices, the first of which is 1.
        longest: words that are read of a text; the rest is cut off.
        facts: for ``metrics.json``: the ``recipe``, the ``training`` and the ``corpus``.
    """

    recipe: Reference2024Recipe
    model: keras.Model
    vocabulary: list[str]
    longest: int
    facts: dict[str, Any]

    @cached_property
    def _indices(self) -> dict[str, int]:
        return word_indices(self.vocabulary)

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Return probabilities, shape (n, 5); a text without known words gets an answer too."""
        words = [words_of(prepare(text)) for text in texts]
        ids = pad_indices(words, self._indices, self.longest)
        return predict_padded(self.model, ids, self.recipe.batch_size)

    def serve_one(self, text: str) -> dict[str, float]:
        """Answer one entry as the service of 2024 did: for a benchmark, not for use.

        It is here to be measured: the stop-word remover is built anew for each call, and a single
        row goes through ``Model.predict``. :meth:`scores` gives the same answers, and faster.

        Args:
            text: one journal entry.

        Returns:
            The probability of every emotion over 0.2, rounded to three places.

        Raises:
            InputError: the entry is empty.
            MissingExtraError: PySastrawi is not installed.
        """
        if not text.strip():
            raise InputError("the entry is empty; write a few words")
        words = words_of(prepare(text, new_stop_word_remover()))
        row = pad_indices([words], self._indices, self.longest)
        probabilities = self.model.predict(row, verbose=0)[0]
        return {
            ID2LABEL[label]: round(float(value), _DECIMALS)
            for label, value in enumerate(probabilities)
            if value > _THRESHOLD
        }

    def save(self, folder: Path) -> Path:
        """Write the model folder, whole or not at all, and return it.

        Raises:
            InputError: the folder cannot be written.
        """
        settings = {
            "recipe": self.recipe.to_dict(),
            "longest": self.longest,
            "vocabulary": self.vocabulary,
        }
        with write_folder_atomically(folder) as draft:
            write_json(draft / REFERENCE_FILE, settings)
            write_json(draft / METRICS_FILE, self.facts)
            self.model.save_weights(draft / WEIGHTS_FILE)
        return folder

    @classmethod
    def load(cls, folder: Path) -> TrainedReference:
        """Read a model folder that :meth:`save` wrote; nothing in it is run or unpickled.

        Raises:
            ModelLoadError: a file is missing, damaged, or not as it is written.
        """
        path = folder / REFERENCE_FILE
        recipe, vocabulary, longest = _checked(path, read_json_object(path, _MAX_JSON_BYTES))
        facts = read_json_object(folder / METRICS_FILE, _MAX_JSON_BYTES)
        parameters = count_parameters(len(vocabulary) + 1, recipe)
        # The check asks a configuration for nothing but its number of parameters.
        sizes = cast(Any, SimpleNamespace(count_parameters=lambda: parameters))
        check_weights_file(folder / WEIGHTS_FILE, sizes)
        model = build_reference_2024(len(vocabulary) + 1, recipe)
        try:
            model.load_weights(folder / WEIGHTS_FILE)
        except Exception as error:  # h5py and Keras raise several unrelated types
            raise ModelLoadError(
                f"{folder / WEIGHTS_FILE} does not fit {REFERENCE_FILE} ({shorten(str(error))}); "
                "save the model again"
            ) from None
        return cls(recipe, model, vocabulary, longest, facts)


def _checked(path: Path, values: Mapping[str, Any]) -> tuple[Reference2024Recipe, list[str], int]:
    """Return recipe, vocabulary and length of a folder's settings, or refuse them."""
    recipe, vocabulary, longest = (values.get(key) for key in ("recipe", "vocabulary", "longest"))
    if not isinstance(recipe, dict):
        raise ModelLoadError(f"{path} has no recipe; save the model again")
    try:
        known = Reference2024Recipe.from_dict(recipe)
    except InputError as error:
        raise ModelLoadError(f"{path}: recipe: {error}; save the model again") from None
    if not isinstance(vocabulary, list) or not all(isinstance(word, str) for word in vocabulary):
        raise ModelLoadError(f"{path}: vocabulary must be a list of words; save the model again")
    if len(set(vocabulary)) < len(vocabulary):
        raise ModelLoadError(f"{path}: a word stands twice in the vocabulary; save the model again")
    if type(longest) is not int or not 1 <= longest <= _MAX_LENGTH:
        raise ModelLoadError(
            f"{path}: longest is {shorten(longest)}; expected a whole number from 1 to "
            f"{_MAX_LENGTH:,}; save the model again"
        )
    sizes = (known.embedding_dim, known.dense_units, *known.lstm_units)
    parameters = count_parameters(len(vocabulary) + 1, known)
    if min(sizes) < 1 or len(sizes) > _MAX_LAYERS or parameters > _MAX_PARAMETERS:
        raise ModelLoadError(
            f"{path} describes a network without a size, of more than {_MAX_LAYERS} layers or of "
            f"more than {_MAX_PARAMETERS:,} parameters; save the model again"
        )
    return known, vocabulary, longest
