"""Training the 2024 reference system, on its own rows or on the same ones as ours."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from ..corpus.merge import Example, MergedCorpus, MergeOptions
from ..corpus.naive import naive_concatenation
from ..errors import InputError, require
from ..evaluation.metrics import macro_f1
from ..labels import LABEL2ID, LABELS
from ..modeling.artifact import TRAINING_LOG_FILE
from .log import Log, read_log, total_times, write_log
from .reference_2024_model import (
    TrainedReference,
    build_reference_2024,
    count_parameters,
    predict_padded,
)
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
from .run_folder import prepare_run_folder
from .trainer import balanced_class_weights, cpu_time

__all__ = [
    "REFERENCE_2024",
    "BestOnAccuracy",
    "Reference2024Recipe",
    "TrainedReference",
    "best_epoch",
    "build_reference_2024",
    "count_parameters",
    "learning_rate_after",
    "prepare",
    "train_reference_2024",
]

_BEST_WEIGHTS = "best.weights.h5"
_STATE_FOLDER = "backup"
# What Keras's ReduceLROnPlateau takes for a rise unless it is told.
_RISE = 1e-4


# Rows --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """The words and the label of every row, and how many rows each source has."""

    words: list[list[str]]
    labels: npt.NDArray[np.int64]
    sources: Counter[str]

    @classmethod
    def of(cls, examples: Iterable[Example]) -> _Rows:
        """Prepare examples; those of which nothing is left are dropped, as they were in 2024."""
        prepared = [(words_of(prepare(example.text)), example) for example in examples]
        kept = [(words, example) for words, example in prepared if words]
        labels = [LABEL2ID[example.label] for _, example in kept]
        sources = Counter(example.source for _, example in kept)
        return cls([words for words, _ in kept], np.array(labels, np.int64), sources)


@dataclass(frozen=True)
class _Data:
    """What a run trains and is measured on; ``ids`` and ``labels`` by split."""

    vocabulary: list[str]
    ids: dict[str, IntArray]
    labels: dict[str, npt.NDArray[np.int64]]
    facts: dict[str, Any]

    @property
    def longest(self) -> int:
        """The length of the longest text, to which all are padded."""
        return int(self.ids["train"].shape[1])

    def digest(self) -> str:
        """Return a digest of all that a run sees."""
        digest = hashlib.sha256(json.dumps(self.vocabulary).encode())
        for split, ids in self.ids.items():
            digest.update(ids.tobytes() + self.labels[split].tobytes())
        return digest.hexdigest()


def _read_data(corpus: MergedCorpus, recipe: Reference2024Recipe) -> _Data:
    """Index, pad and split the rows of a corpus; its test split is not looked at.

    Vocabulary and length are those of the validation rows too, and so are the class weights: in
    2024 the rows were split last. A word that no training row has keeps its first, random vector.
    """
    given = [corpus.split("train"), corpus.split("validation")]
    parts = [_Rows.of(examples) for examples in given]
    words = [row for part in parts for row in part.words]
    if not parts[0].words or len(words) < 2:
        raise InputError(
            f"{len(parts[0].words)} of the corpus's {len(given[0])} training rows have words left "
            "after preparation; name a corpus that can be trained on"
        )
    vocabulary = sorted({word for row in words for word in row})
    ids = pad_indices(words, word_indices(vocabulary), max(map(len, words)))
    labels = np.concatenate([part.labels for part in parts])
    chosen = _choose(len(parts[0].words), len(ids), recipe)
    facts = {
        "splits": {split: len(indices) for split, indices in chosen.items()},
        "sources": dict(parts[0].sources + parts[1].sources),
        "without_words": sum(map(len, given)) - len(ids),
    }
    return _Data(
        vocabulary,
        {split: ids[indices] for split, indices in chosen.items()},
        {split: labels[indices] for split, indices in chosen.items()},
        facts,
    )


def _choose(trained: int, total: int, recipe: Reference2024Recipe) -> dict[str, Any]:
    """Return which rows to train on, in random order, and which to measure on.

    Args:
        trained: rows of the training split, which come first.
        total: all rows.
        recipe: seed and fraction, where there are no others.
    """
    if trained < total:
        order = np.random.default_rng(recipe.seed).permutation(trained)
        return {"train": order, "validation": np.arange(trained, total)}
    require("sklearn", "train")
    from sklearn.model_selection import train_test_split

    train, validation = train_test_split(
        np.arange(total), test_size=recipe.validation_fraction, random_state=recipe.seed
    )
    return {"train": train, "validation": validation}


# Training ----------------------------------------------------------------------------------------


def learning_rate_after(accuracies: Sequence[float], recipe: Reference2024Recipe) -> float:
    """Return the learning rate of the epoch that follows those with these accuracies.

    As Keras's ReduceLROnPlateau, whose memory would not outlive an interruption.
    """
    rate, best, waited = recipe.learning_rate, -np.inf, 0
    for accuracy in accuracies:
        if accuracy - _RISE > best:
            best, waited = accuracy, 0
            continue
        waited += 1
        if waited >= recipe.plateau_patience:
            rate, waited = max(rate * recipe.plateau_factor, recipe.minimum_learning_rate), 0
    return rate


def best_epoch(log: Log) -> int:
    """Return the number of the first epoch with the best validation accuracy."""
    return 1 + int(np.argmax([row["val_accuracy"] for row in log]))


def _is_finished(log: Log, recipe: Reference2024Recipe) -> bool:
    if not log:
        return False
    return len(log) >= recipe.epochs or len(log) - best_epoch(log) >= recipe.patience


class BestOnAccuracy(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures, keeps the weights that are best by accuracy, sets the learning rate, and stops.

    The log on disk is its only memory, so that a resumed run goes on where the last one stopped.
    """

    def __init__(self, data: _Data, folder: Path, recipe: Reference2024Recipe) -> None:
        super().__init__()
        self._ids, self._labels = data.ids["validation"], data.labels["validation"]
        self._folder, self._recipe = folder, recipe
        self._started = self._cpu_started = 0.0

    def _history(self, epoch: int) -> list[dict[str, float]]:
        # A run that was stopped between this log and Keras's own state does its last epoch again.
        log = read_log(self._folder / TRAINING_LOG_FILE)
        return [row for row in log if row["epoch"] <= epoch]

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Set the learning rate and start the clocks."""
        accuracies = [row["val_accuracy"] for row in self._history(epoch)]
        self.model.optimizer.learning_rate = learning_rate_after(accuracies, self._recipe)
        self._started, self._cpu_started = time.monotonic(), cpu_time()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Measure, log, keep the weights if they are the best, and stop if it is time."""
        logs = {} if logs is None else logs
        logs.update(self._measure())
        logs["seconds"] = time.monotonic() - self._started
        logs["cpu_seconds"] = cpu_time() - self._cpu_started
        history = self._history(epoch)
        if logs["val_accuracy"] > max((row["val_accuracy"] for row in history), default=-1.0):
            temporary = self._folder / f"new-{_BEST_WEIGHTS}"
            self.model.save_weights(temporary)
            temporary.replace(self._folder / _BEST_WEIGHTS)
        history.append({"epoch": epoch + 1, **logs})
        write_log(self._folder / TRAINING_LOG_FILE, history)
        if _is_finished(history, self._recipe):
            self.model.stop_training = True

    def _measure(self) -> dict[str, float]:
        probabilities = predict_padded(self.model, self._ids, self._recipe.batch_size)
        predicted = probabilities.argmax(1)
        chosen = probabilities[np.arange(len(self._labels)), self._labels]
        accuracy = float((predicted == self._labels).mean())
        return {
            "val_loss": float(-np.log(np.maximum(chosen, 1e-12)).mean()),
            # As the log will hold it: what is decided must be the same after an interruption.
            "val_accuracy": round(accuracy, 5),
            "val_macro_f1": macro_f1(self._labels, predicted, len(LABELS)),
        }


def _fit(model: keras.Model, data: _Data, recipe: Reference2024Recipe, folder: Path) -> None:
    weights = balanced_class_weights(np.concatenate([*data.labels.values()]))
    model.compile(
        keras.optimizers.Adam(recipe.learning_rate), loss="sparse_categorical_crossentropy"
    )
    model.fit(
        data.ids["train"],
        data.labels["train"],
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        class_weight=dict(enumerate(weights.tolist())),
        shuffle=False,  # mixed once, when they were split
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[
            BestOnAccuracy(data, folder, recipe),
            keras.callbacks.BackupAndRestore(str(folder / _STATE_FOLDER)),
        ],
    )


def train_reference_2024(
    recipe: Reference2024Recipe, folder: Path, corpus: MergedCorpus | None = None
) -> TrainedReference:
    """Train the reference system, or go on with a run that was interrupted.

    Args:
        recipe: what to train.
        folder: the run's own folder: log, best weights and the state to resume from.
        corpus: the corpus to train on. Its validation split selects the epoch; without one, rows
            are put aside at random. None concatenates the recipe's sources, as was done in 2024.

    Returns:
        The model of the epoch with the best validation accuracy.

    Raises:
        InputError: the folder holds something else, or the corpus has next to no rows.
        CorpusError: a source is missing or damaged.
        MissingExtraError: PySastrawi is not installed.
    """
    new_stop_word_remover()  # is it there? before the long reading
    if corpus is None:
        whole = MergeOptions(recipe.sources, validation_fraction=0.0, test_fraction=0.0)
        corpus = naive_concatenation(whole)
    data = _read_data(corpus, recipe)
    description = recipe.to_dict() | {"rows": data.digest()}
    prepare_run_folder(folder, description, "of another recipe or version, or on other rows")
    keras.utils.set_random_seed(recipe.seed)
    vocab_size = len(data.vocabulary) + 1
    if not _is_finished(read_log(folder / TRAINING_LOG_FILE), recipe):
        _fit(build_reference_2024(vocab_size, recipe), data, recipe, folder)
    # Another one than was trained, whose saved weights would be Adam's moments as well.
    model = build_reference_2024(vocab_size, recipe)
    model.load_weights(folder / _BEST_WEIGHTS)
    facts = _facts(data, recipe, read_log(folder / TRAINING_LOG_FILE))
    return TrainedReference(recipe, model, data.vocabulary, data.longest, facts)


def _versions() -> dict[str, str]:
    import tensorflow

    from .. import __version__

    return {
        "memotions-hf": __version__,
        "keras": keras.__version__,
        "tensorflow": tensorflow.__version__,
        "PySastrawi": version("PySastrawi"),
    }


def _facts(data: _Data, recipe: Reference2024Recipe, log: Log) -> dict[str, Any]:
    best = log[best_epoch(log) - 1]
    return {
        "recipe": recipe.to_dict(),
        "training": {
            **total_times(log),
            "epochs": len(log),
            "best_epoch": best_epoch(log),
            "best_val_accuracy": best["val_accuracy"],
            "best_val_macro_f1": best["val_macro_f1"],
            "val_macro_f1": best["val_macro_f1"],
            "parameters": count_parameters(len(data.vocabulary) + 1, recipe),
            "vocabulary": len(data.vocabulary),
            "longest_text": data.longest,
            "cpu_cores": os.cpu_count(),
            "seed": recipe.seed,
            "versions": _versions(),
        },
        "corpus": data.facts,
    }
