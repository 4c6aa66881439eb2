"""Training batches: texts of like length together, cut into subwords anew in every epoch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from ..tokenization import PAD_ID, UNK_ID, pad_batch
from .subword_dropout import SubwordSampler

IntArray = npt.NDArray[np.int64]
# Texts are sorted by length within this many batches: padding stays small, order stays random.
_BUCKET_BATCHES = 50


class TrainingBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of (ids, one-hot labels, class weights) for ``Model.fit``.

    What an epoch holds depends on the seed and the epoch's number alone, so that a resumed run
    sees what an unbroken one would have seen.
    """

    def __init__(
        self,
        sampler: SubwordSampler,
        labels: IntArray,
        *,
        class_weights: npt.NDArray[np.float32],
        batch_size: int,
        token_dropout: float,
        seed: int,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self._sampler = sampler
        self._labels = labels
        self._one_hot = np.eye(len(class_weights), dtype=np.float32)
        self._class_weights = class_weights
        self._batch_size = batch_size
        self._token_dropout = token_dropout
        self._seed = seed
        self._epoch = first_epoch
        self._ids: list[list[int]] = []
        self._batches: list[IntArray] = []
        self._prepare()

    def _prepare(self) -> None:
        rng = np.random.default_rng((self._seed, self._epoch))
        self._ids = self._sampler.sample(rng)
        lengths = np.array([len(ids) for ids in self._ids])
        order = rng.permutation(len(lengths))
        bucket = self._batch_size * _BUCKET_BATCHES
        batches: list[IntArray] = []
        for start in range(0, len(order), bucket):
            rows = order[start : start + bucket]
            rows = rows[np.argsort(lengths[rows], kind="stable")]
            batches += np.split(rows, range(self._batch_size, len(rows), self._batch_size))
        self._batches = [batches[i] for i in rng.permutation(len(batches))]

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        """Return ids (batch, length), one-hot labels (batch, classes) and weights (batch,)."""
        rows = self._batches[index]
        ids = pad_batch([self._ids[row] for row in rows]).astype(np.int32)
        if index == 1:
            # Keras reads the shapes of all batches off the first two, and fixes a length that they
            # share: one more column of padding keeps it free, and is masked.
            ids = np.pad(ids, ((0, 0), (0, 1)), constant_values=PAD_ID)
        rng = np.random.default_rng((self._seed, self._epoch, index))
        dropped = (ids != PAD_ID) & (rng.random(ids.shape) < self._token_dropout)
        labels = self._labels[rows]
        return np.where(dropped, UNK_ID, ids), self._one_hot[labels], self._class_weights[labels]

    def on_epoch_end(self) -> None:
        """Prepare the next epoch."""
        self._epoch += 1
        self._prepare()
