"""Training batches: texts of like length together, cut into subwords anew in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..tokenization import PAD_ID, UNK_ID, pad_batch
from .subword_dropout import SubwordSampler

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Batch = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32]]
# Texts are sorted by length within this many batches: padding stays small, order stays random.
_BUCKET_BATCHES = 50


class TrainingBatches:
    """Batches of (ids, targets, weights), without end, for ``Model.fit``.

    Args:
        sampler: encodes the n texts anew in every epoch.
        targets: what each text should be answered with, shape (n, classes), rows sum to 1.
        weights: how much each text counts, shape (n,).
        batch_size: texts of a batch.
        token_dropout: share of the tokens that are read as unknown.
        seed: decides the order and what is dropped.

    What an epoch holds depends on the seed and the epoch's number alone, so that a resumed run
    sees what an unbroken one would have seen. ``len()`` is the number of batches of an epoch.
    """

    def __init__(
        self,
        sampler: SubwordSampler,
        targets: FloatArray,
        weights: FloatArray,
        *,
        batch_size: int,
        token_dropout: float,
        seed: int,
    ) -> None:
        self._sampler = sampler
        self._targets = targets
        self._weights = weights
        self._batch_size = batch_size
        self._token_dropout = token_dropout
        self._seed = seed

    def __len__(self) -> int:
        bucket = self._batch_size * _BUCKET_BATCHES
        full, rest = divmod(len(self._targets), bucket)
        return full * _BUCKET_BATCHES + -(-rest // self._batch_size)

    def as_dataset(self, first_epoch: int) -> Any:
        """Return a ``tf.data.Dataset`` of all batches from an epoch on.

        Its shapes are named here, (batch, length) for the ids, since Keras would take the length
        of the first two batches for that of all where they happen to agree.
        """
        signature = (
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, self._targets.shape[1]), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        )
        return tf.data.Dataset.from_generator(
            lambda: (batch for number in count(first_epoch) for batch in self.epoch(number)),
            output_signature=signature,
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield an epoch's batches: ids (batch, length), targets (batch, classes), weights."""
        rng = np.random.default_rng((self._seed, number))
        ids = self._sampler.sample(rng)
        lengths = np.array([len(row) for row in ids])
        order = rng.permutation(len(lengths))
        bucket = self._batch_size * _BUCKET_BATCHES
        batches: list[IntArray] = []
        for start in range(0, len(order), bucket):
            rows = order[start : start + bucket]
            rows = rows[np.argsort(lengths[rows], kind="stable")]
            batches += np.split(rows, range(self._batch_size, len(rows), self._batch_size))
        for index in rng.permutation(len(batches)):
            rows = batches[index]
            padded = pad_batch([ids[row] for row in rows]).astype(np.int32)
            dropped = (padded != PAD_ID) & (rng.random(padded.shape) < self._token_dropout)
            yield np.where(dropped, UNK_ID, padded), self._targets[rows], self._weights[rows]
