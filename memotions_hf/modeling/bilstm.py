"""The Memotions BiLSTM classifier: configuration and Keras functional model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError, require
from ..labels import LABELS
from ..strict_files import shorten

if TYPE_CHECKING:
    import keras

MODEL_TYPE = "memotions-bilstm"
INPUT_NAME = "input_ids"
OUTPUT_NAME = "probabilities"
_MAX_PARAMETERS = 100_000_000
_MAX_LAYERS = 16
_MAX_PAIRED_VOCAB = 46_340


@dataclass(frozen=True)
class BiLSTMConfig:
    """Sizes and regularisation of the BiLSTM.

    Args:
        vocab_size: rows of the embedding; id 0 is padding and is masked.
        embedding_dim: width of the embedding.
        lstm_units: units per direction of each stacked bidirectional LSTM.
        embedding_dropout: share of embedding channels dropped for a whole text.
        dropout: dropout after each LSTM and before the classifier.
        num_labels: classes.
        pair_buckets: rows of the linear path for pairs of neighbouring tokens, which share them by
            remainder; 0 for a model without that path. Needs a vocabulary of at most 46,340, so
            that the number of a pair fits 32 bits.

    Raises:
        InputError: a size or a rate is out of range.
    """

    vocab_size: int
    embedding_dim: int = 128
    lstm_units: tuple[int, ...] = (128, 128)
    embedding_dropout: float = 0.3
    dropout: float = 0.4
    num_labels: int = len(LABELS)
    pair_buckets: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "lstm_units", tuple(self.lstm_units))
        if not 1 <= len(self.lstm_units) <= _MAX_LAYERS:
            raise InputError(
                f"lstm_units must name 1 to {_MAX_LAYERS} layers, got {len(self.lstm_units):,}"
            )
        for size in (self.vocab_size, self.embedding_dim, self.num_labels, *self.lstm_units):
            if not _is_size(size):
                raise InputError(
                    f"sizes of a BiLSTM must be whole numbers from 1 to {_MAX_PARAMETERS:,}, got "
                    f"{shorten(size)}"
                )
        if not (self.pair_buckets == 0 or _is_size(self.pair_buckets)):
            raise InputError(
                f"pair_buckets must be a whole number from 0 to {_MAX_PARAMETERS:,}, got "
                f"{shorten(self.pair_buckets)}"
            )
        if self.pair_buckets and self.vocab_size > _MAX_PAIRED_VOCAB:
            raise InputError(
                f"a model with pair_buckets has at most {_MAX_PAIRED_VOCAB:,} tokens, got "
                f"{self.vocab_size:,}"
            )
        for rate in (self.embedding_dropout, self.dropout):
            if not 0 <= rate < 1:
                raise InputError(
                    f"dropout rates must be at least 0 and under 1, got {shorten(rate)}"
                )
        if self.count_parameters() > _MAX_PARAMETERS:
            raise InputError(
                f"{self.count_parameters():,} parameters are more than the {_MAX_PARAMETERS:,} "
                "that this package builds"
            )

    def count_parameters(self) -> int:
        """Return the number of parameters of the model that this configuration describes."""
        count, width = self.vocab_size * self.embedding_dim, self.embedding_dim
        for units in self.lstm_units:
            count += 2 * 4 * units * (width + units + 1)
            width = 2 * units
        ngrams = self.vocab_size + self.pair_buckets if self.pair_buckets else 0
        return count + (width + 1) + self.num_labels * (2 * width + 1 + ngrams)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON-ready values."""
        return asdict(self) | {"lstm_units": list(self.lstm_units)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BiLSTMConfig:
        """Build a configuration from :meth:`to_dict`'s result.

        Raises:
            InputError: a key is unknown or missing, or a value is out of range.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"not a BiLSTM configuration: {str(error)[:200]}") from None


def _is_size(value: object) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return 1 <= value <= _MAX_PARAMETERS


def build_bilstm(config: BiLSTMConfig) -> keras.Model:
    """Build the classifier from built-in Keras layers only, so that any Keras 3 loads it.

    Input ``input_ids``: int32 (batch, length), padded with 0 at the end. Output
    ``probabilities``: float32 (batch, num_labels), rows sum to 1.

    Stacked bidirectional LSTMs (Graves and Schmidhuber 2005) read the embedded text; an attention
    average and a rectified maximum over the real tokens are concatenated for the classifier. The
    maximum is rectified so that padding, held at zero, changes nothing, and an empty text has a
    defined answer.

    With ``pair_buckets``, a linear classifier of the tokens and of the pairs of neighbours stands
    beside them, and the logits of both are added (the wide path of Cheng et al. 2016, "Wide & Deep
    Learning for Recommender Systems"). Its rows are the layer ``ngrams``: one for each token, then
    one for each remainder of a pair's number, ``previous * vocab_size + token``. Their sum is
    divided by the square root of how many there are, so that long texts are not surer for length
    alone.
    """
    keras = require("keras", "train")
    layers, ops = keras.layers, keras.ops

    input_ids = keras.Input((None,), dtype="int32", name=INPUT_NAME)
    embedding = layers.Embedding(
        config.vocab_size, config.embedding_dim, mask_zero=True, name="embedding"
    )
    hidden = layers.SpatialDropout1D(config.embedding_dropout, name="embedding_dropout")(
        embedding(input_ids)
    )
    for number, units in enumerate(config.lstm_units, start=1):
        lstm = layers.LSTM(units, return_sequences=True, name=f"lstm_{number}")
        hidden = layers.Bidirectional(lstm, name=f"bilstm_{number}")(hidden)
        hidden = layers.Dropout(config.dropout, name=f"dropout_{number}")(hidden)

    is_token = ops.not_equal(input_ids, 0)
    score = ops.squeeze(layers.Dense(1, name="attention")(hidden), -1)
    weight = layers.Softmax(axis=-1, name="attention_weights")(score, mask=is_token)
    zeroed = ops.multiply(hidden, ops.expand_dims(ops.cast(is_token, "float32"), -1))
    average = layers.Dot(axes=1, name="attention_average")([weight, zeroed])
    maximum = layers.GlobalMaxPooling1D(name="token_maximum")(zeroed)
    maximum = layers.ReLU(name="rectified_maximum")(maximum)

    pooled = layers.Concatenate(name="pooled")([average, maximum])
    pooled = layers.Dropout(config.dropout, name="pooled_dropout")(pooled)
    logits = layers.Dense(config.num_labels, name="logits")(pooled)
    if config.pair_buckets:
        linear = _ngram_logits(config, input_ids)
        logits = layers.Add(name="summed_logits")([logits, linear])
    probabilities = layers.Softmax(name=OUTPUT_NAME)(logits)
    return keras.Model(input_ids, probabilities, name="memotions_bilstm")


def _ngram_logits(config: BiLSTMConfig, input_ids: keras.KerasTensor) -> keras.KerasTensor:
    """Return the logits of the linear path, shape (batch, num_labels)."""
    keras = require("keras", "train")
    ops = keras.ops
    tokens = ops.pad(input_ids, [[0, 0], [0, 1]])
    previous = ops.roll(tokens, 1, axis=1)  # the padding comes round to the front
    numbers = ops.add(ops.multiply(previous, config.vocab_size), tokens)
    pairs = ops.add(ops.mod(numbers, config.pair_buckets), config.vocab_size)
    is_pair = ops.logical_and(ops.not_equal(previous, 0), ops.not_equal(tokens, 0))
    ngrams = ops.concatenate([tokens, ops.where(is_pair, pairs, 0)], axis=1)
    rows = keras.layers.Embedding(
        config.vocab_size + config.pair_buckets, config.num_labels, name="ngrams"
    )(ngrams)
    is_ngram = ops.cast(ops.not_equal(ngrams, 0), "float32")
    total = ops.sum(ops.multiply(rows, ops.expand_dims(is_ngram, -1)), axis=1)
    count = ops.sum(is_ngram, axis=1, keepdims=True)
    return ops.divide(total, ops.sqrt(ops.maximum(count, 1.0)))
