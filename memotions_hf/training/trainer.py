"""The trainer: a recipe in, a model folder with its log, plots and metrics out."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from ..corpus.merge import SPLITS, Example, MergedCorpus, MergeOptions, merge
from ..corpus.sources import get_source, weights_license
from ..errors import InputError
from ..evaluation.metrics import macro_f1
from ..evaluation.plots import plot_learning_curve
from ..labels import LABELS
from ..modeling.artifact import TRAINING_LOG_FILE, ArtifactConfig
from ..modeling.bilstm import BiLSTMConfig, build_bilstm
from ..modeling.export import round_weights
from ..modeling.hub import MemotionsBiLSTM
from ..tokenization import UNK_ID, encode_batch, pad_batch, train_tokenizer
from .batches import TrainingBatches
from .log import epochs_since_best, read_log, total_times, write_log
from .ngrams import character_matrix, fit_ngrams, ngram_matrix
from .recipes import Recipe
from .run_folder import prepare_run_folder
from .subword_dropout import SubwordSampler

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

_BEST_WEIGHTS = "best.weights.h5"
_STATE_FOLDER = "backup"
_PREDICT_BATCH = 256
# The parts of a model that are useless on validation must not be turned round either.
_SCALES = (0.05, 20.0)


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their class ids, shape (n,)."""

    texts: list[str]
    labels: IntArray

    @classmethod
    def of(cls, examples: Sequence[Example], labels: Sequence[str] = LABELS) -> LabelledTexts:
        """Take the texts and labels of corpus examples; the place of a label is its id."""
        place = {label: number for number, label in enumerate(labels)}
        ids = [place[example.label] for example in examples]
        return cls([example.text for example in examples], np.array(ids, dtype=np.int64))


@dataclass(frozen=True)
class TrainingResult:
    """What a run leaves: the model at its best epoch, and the facts for ``metrics.json``."""

    model: keras.Model
    config: BiLSTMConfig
    tokenizer: Tokenizer
    recipe: Recipe
    temperature: float
    log_path: Path
    facts: dict[str, Any]
    labels: tuple[str, ...] = LABELS

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Return the model's probabilities for raw texts, shape (n, labels)."""
        ids = encode_batch(self.tokenizer, texts, self.recipe.max_length)
        return predict_ids(self.model, ids)


def balanced_class_weights(labels: IntArray, classes: int = len(LABELS)) -> FloatArray:
    """Return n / (classes x rows of the class): every class weighs the same, shape (classes,)."""
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)


def predict_ids(model: keras.Model, ids: Sequence[Sequence[int]]) -> FloatArray:
    """Return probabilities for encoded texts in their order, shape (n, labels)."""
    probabilities = np.zeros((len(ids), model.output_shape[-1]), np.float32)
    order = np.argsort([len(row) for row in ids], kind="stable")
    for start in range(0, len(order), _PREDICT_BATCH):
        rows = order[start : start + _PREDICT_BATCH]
        batch = pad_batch([ids[row] for row in rows])
        probabilities[rows] = np.asarray(model(batch, training=False))
    return probabilities


def _negative_log_likelihood(probabilities: FloatArray, labels: IntArray) -> float:
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def fit_scales(logits: Sequence[FloatArray], labels: IntArray) -> list[float]:
    """Return what to multiply logits of several parts with, so that their sum explains the labels.

    Those that make the likelihood of the labels highest. For one part that is temperature scaling
    (Guo et al. 2017), the temperature being one over the scale.

    Args:
        logits: of each part, shape (n, classes); log-probabilities are logits too.
        labels: class ids, shape (n,).
    """
    from scipy.optimize import minimize

    parts = np.stack(logits).astype(np.float64)
    rows = np.arange(len(labels))

    def loss(scales: npt.NDArray[np.float64]) -> float:
        summed = np.tensordot(scales, parts, axes=1)
        summed -= summed.max(1, keepdims=True)
        return float((np.log(np.exp(summed).sum(1)) - summed[rows, labels]).mean())

    start = np.ones(len(parts)) / len(parts)
    found = minimize(loss, start, method="L-BFGS-B", bounds=[_SCALES] * len(parts))
    return [float(scale) for scale in found.x]


def _log(probabilities: FloatArray) -> FloatArray:
    return np.log(np.maximum(probabilities, 1e-12))


def scale_logits(model: keras.Model, scale: float, bias: FloatArray | float = 0.0) -> None:
    """Multiply the logits' weights and add to their bias: every back end is calibrated then."""
    kernel, own_bias = (weight * scale for weight in model.get_layer("logits").get_weights())
    model.get_layer("logits").set_weights([kernel, own_bias + bias])


class BestOnMacroF1(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures validation macro-F1, keeps the best weights, stops early and writes the log.

    The log on disk is its only memory, so that a resumed run goes on where the last one stopped.
    """

    def __init__(
        self, ids: Sequence[Sequence[int]], labels: IntArray, folder: Path, patience: int
    ) -> None:
        super().__init__()
        self._ids, self._labels, self._folder, self._patience = ids, labels, folder, patience
        self._started = self._cpu_started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Start the clocks."""
        self._started, self._cpu_started = time.monotonic(), cpu_time()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Measure, log, keep the weights if they are the best, and stop if it is time."""
        logs = {} if logs is None else logs
        probabilities = predict_ids(self.model, self._ids)
        predicted = probabilities.argmax(1)
        value = macro_f1(self._labels, predicted, probabilities.shape[1])
        logs["val_loss"] = _negative_log_likelihood(probabilities, self._labels)
        logs["val_accuracy"] = float((predicted == self._labels).mean())
        logs["val_macro_f1"] = value
        seconds = time.monotonic() - self._started
        cpu_seconds = cpu_time() - self._cpu_started
        # A run that was stopped between this log and Keras's own state does its last epoch again.
        log = read_log(self._folder / TRAINING_LOG_FILE)
        history = [row for row in log if row["epoch"] <= epoch]
        if value > max((row["val_macro_f1"] for row in history), default=-1.0):
            temporary = self._folder / f"new-{_BEST_WEIGHTS}"
            self.model.save_weights(temporary)
            temporary.replace(self._folder / _BEST_WEIGHTS)
        times = {"seconds": seconds, "cpu_seconds": cpu_seconds}
        history.append({"epoch": epoch + 1, **times, **logs})
        write_log(self._folder / TRAINING_LOG_FILE, history)
        if epochs_since_best(history) >= self._patience:
            self.model.stop_training = True


def cpu_time() -> float:
    """Return the processor time of this process and of its ended children, all cores together."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _class_weights(recipe: Recipe, labels: IntArray, classes: int) -> FloatArray:
    return balanced_class_weights(labels, classes) ** np.float32(recipe.class_balance)


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    warmup = int(recipe.warmup_epochs * steps_per_epoch)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 10,
        decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup),
        alpha=0.02,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
    )
    return keras.optimizers.AdamW(
        schedule, weight_decay=recipe.weight_decay, clipnorm=recipe.clip_norm
    )


def _fit(
    model: keras.Model,
    tokenizer: Tokenizer,
    recipe: Recipe,
    train: LabelledTexts,
    measure: BestOnMacroF1,
    folder: Path,
) -> None:
    log = read_log(folder / TRAINING_LOG_FILE)
    classes = model.output_shape[-1]
    weights = _class_weights(recipe, train.labels, classes)
    batches = TrainingBatches(
        SubwordSampler(tokenizer, train.texts, recipe.subword_dropout, recipe.train_max_length),
        np.eye(classes, dtype=np.float32)[train.labels],
        weights[train.labels],
        batch_size=recipe.batch_size,
        token_dropout=recipe.token_dropout,
        seed=recipe.seed,
    )
    model.compile(
        _optimizer(recipe, len(batches)),
        keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
    )
    model.fit(
        batches.as_dataset(first_epoch=len(log)),
        steps_per_epoch=len(batches),
        shuffle=False,
        epochs=recipe.epochs,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[
            measure,
            keras.callbacks.BackupAndRestore(str(folder / _STATE_FOLDER)),
        ],
    )


def neutralise(model: keras.Model, token_ids: Iterable[int]) -> None:
    """Give tokens the embedding of the unknown one, so that they say nothing on their own.

    The emoji of tears stands in sad, relieved and laughing texts alike, but in the journal entries
    almost only in happy ones: what a model learns from it is an accident of the data. The unknown
    token is at hand, since token dropout taught the model to read past it.
    """
    embedding = model.get_layer("embedding")
    (weights,) = embedding.get_weights()
    for token_id in token_ids:
        weights[token_id] = weights[UNK_ID]
    embedding.set_weights([weights])


@dataclass(frozen=True)
class _Finished:
    """The whole model, after the BiLSTM's own training."""

    model: keras.Model
    config: BiLSTMConfig
    temperature: float
    macro_f1: float
    times: Mapping[str, float]


def _finish(
    bilstm: keras.Model,
    config: BiLSTMConfig,
    tokenizer: Tokenizer,
    recipe: Recipe,
    train: LabelledTexts,
    validation: LabelledTexts,
    validation_ids: Sequence[Sequence[int]],
) -> _Finished:
    """Put the linear path beside the BiLSTM, weigh both on validation, and calibrate them."""
    started, cpu_started = time.monotonic(), cpu_time()
    found = map(tokenizer.token_to_id, recipe.neutral_tokens)
    neutral_ids = {token_id for token_id in found if token_id is not None}
    neutralise(bilstm, neutral_ids)
    logits = [_log(predict_ids(bilstm, validation_ids))]
    model = bilstm
    if recipe.pair_buckets:
        config = replace(config, pair_buckets=recipe.pair_buckets)
        weights, biases = _learn_ngrams(tokenizer, recipe, train, config, neutral_ids)
        matrix = ngram_matrix(validation_ids, config.vocab_size, config.pair_buckets)
        logits.append(np.asarray(matrix @ weights + biases))
    scales = fit_scales(logits, validation.labels)
    if recipe.pair_buckets:
        model = _with_ngrams(bilstm, config, weights * scales[1])
        scale_logits(model, scales[0], biases * scales[1])
    else:
        scale_logits(model, scales[0])
    round_weights(model)
    predicted = predict_ids(model, validation_ids).argmax(1)
    value = macro_f1(validation.labels, predicted, config.num_labels)
    times = {"seconds": time.monotonic() - started, "cpu_seconds": cpu_time() - cpu_started}
    return _Finished(model, config, 1 / scales[0], value, times)


def _learn_ngrams(
    tokenizer: Tokenizer,
    recipe: Recipe,
    train: LabelledTexts,
    config: BiLSTMConfig,
    neutral_ids: Collection[int],
) -> tuple[FloatArray, FloatArray]:
    """Return the weights of the linear path, shape (rows, labels), and its biases."""
    ids = encode_batch(tokenizer, train.texts, recipe.max_length)
    # Neither the neutral tokens nor their pairs are learnt from.
    ids = [[one for one in row if one not in neutral_ids] for row in ids]
    matrix = ngram_matrix(ids, config.vocab_size, config.pair_buckets)
    characters = character_matrix(tokenizer, ids, config.pair_buckets)
    classes = _class_weights(recipe, train.labels, config.num_labels)
    weights, biases = fit_ngrams(matrix, characters, train.labels, classes, recipe.seed)
    weights[sorted(neutral_ids)] = weights[UNK_ID]
    return weights, biases


def _with_ngrams(bilstm: keras.Model, config: BiLSTMConfig, ngrams: FloatArray) -> keras.Model:
    model = build_bilstm(config)
    for layer in bilstm.layers:
        model.get_layer(layer.name).set_weights(layer.get_weights())
    model.get_layer("ngrams").set_weights([ngrams])
    return model


def _summed(times: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {name: round(seconds + more[name], 1) for name, seconds in times.items()}


def _corpus_facts(corpus: MergedCorpus) -> dict[str, Any]:
    counts = Counter((example.source, example.split) for example in corpus.examples)
    sources: dict[str, dict[str, Any]] = {}
    for name in corpus.options.sources:
        source = get_source(name)
        splits = {split: counts[name, split] for split in SPLITS}
        sources[name] = splits | {
            "license": source.license,
            "title": source.title,
            "citation": source.citation,
            "terms": source.terms,
        }
    return {
        "splits": {split: len(corpus.split(split)) for split in SPLITS},
        "sources": sources,
        "merge": corpus.report.as_dict(),
    }


def _versions() -> dict[str, str]:
    import tensorflow
    import tokenizers

    from .. import __version__

    return {
        "memotions-hf": __version__,
        "keras": keras.__version__,
        "tensorflow": tensorflow.__version__,
        "tokenizers": tokenizers.__version__,
    }


def train(
    recipe: Recipe,
    folder: Path,
    *,
    corpus: MergedCorpus | None = None,
    labels: Sequence[str] = LABELS,
) -> TrainingResult:
    """Train a recipe, or go on with a run that was interrupted.

    Args:
        recipe: what to train.
        folder: the run's own folder: log, best weights and the state to resume from.
        corpus: the corpus to train on; None merges the recipe's sources.
        labels: the class names by id, where the corpus has others than the five.

    Returns:
        The BiLSTM of the epoch with the best validation macro-F1 with the linear path beside it,
        calibrated, and its weights rounded.

    Raises:
        InputError: the folder holds something else.
        CorpusError: a source is missing or damaged.
    """
    prepare_run_folder(folder, recipe.to_dict(), "of another recipe or version")
    keras.utils.set_random_seed(recipe.seed)
    corpus = corpus or merge(MergeOptions(sources=recipe.sources))
    training = LabelledTexts.of(corpus.split("train"), labels)
    tokenizer = train_tokenizer(training.texts, recipe.vocab_size)
    validation = LabelledTexts.of(corpus.split("validation"), labels)
    validation_ids = encode_batch(tokenizer, validation.texts, recipe.max_length)
    config = BiLSTMConfig(
        vocab_size=tokenizer.get_vocab_size(),
        embedding_dim=recipe.embedding_dim,
        lstm_units=recipe.lstm_units,
        embedding_dropout=recipe.embedding_dropout,
        dropout=recipe.dropout,
        num_labels=len(labels),
    )
    model = build_bilstm(config)
    log = read_log(folder / TRAINING_LOG_FILE)
    if len(log) < recipe.epochs and epochs_since_best(log) < recipe.patience:
        measure = BestOnMacroF1(validation_ids, validation.labels, folder, recipe.patience)
        _fit(model, tokenizer, recipe, training, measure, folder)
        log = read_log(folder / TRAINING_LOG_FILE)
    model.load_weights(folder / _BEST_WEIGHTS)

    finished = _finish(model, config, tokenizer, recipe, training, validation, validation_ids)
    facts = {
        "recipe": recipe.to_dict(),
        "training": {
            **_summed(total_times(log), finished.times),
            "epochs": len(log),
            "best_epoch": len(log) - epochs_since_best(log),
            "best_val_macro_f1": max(row["val_macro_f1"] for row in log),
            "val_macro_f1": round(finished.macro_f1, 4),
            "temperature": round(finished.temperature, 4),
            "parameters": finished.config.count_parameters(),
            "cpu_cores": os.cpu_count(),
            "seed": recipe.seed,
            "versions": _versions(),
        },
        "corpus": _corpus_facts(corpus),
    }
    return TrainingResult(
        finished.model,
        finished.config,
        tokenizer,
        recipe,
        finished.temperature,
        folder / TRAINING_LOG_FILE,
        facts,
        tuple(labels),
    )


def write_model(result: TrainingResult, folder: Path) -> Path:
    """Write the model folder of a finished run.

    Raises:
        InputError: the folder cannot be written, or the model has other labels than the five.
    """
    if result.labels != LABELS:
        raise InputError(
            f"a model folder holds a model of {', '.join(LABELS)}, and this one has "
            f"{', '.join(result.labels)}; keep its Keras weights instead"
        )
    curve = result.log_path.parent / "learning_curve.png"
    plot_learning_curve(read_log(result.log_path), curve)
    settings = ArtifactConfig(
        model=result.config,
        recipe=result.recipe.name,
        recipe_version=result.recipe.version,
        license=weights_license(result.recipe.sources),
        max_length=result.recipe.max_length,
        temperature=result.temperature,
        versions=result.facts["training"]["versions"],
    )
    model = MemotionsBiLSTM(
        result.model,
        result.tokenizer,
        settings,
        metrics=result.facts,
        training_log=result.log_path,
        plots=[curve],
    )
    return model.save_pretrained(folder)
