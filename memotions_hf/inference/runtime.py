"""The ONNX Runtime session of a model folder, and the batches that it is given."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from ..errors import ModelLoadError
from ..modeling.bilstm import INPUT_NAME, OUTPUT_NAME
from ..modeling.onnx_graph import check_onnx, read_onnx_file
from ..strict_files import shorten
from ..tokenization import pad_batch

BATCH_TOKENS = 1024
"""Tokens of one batch at most, padding included: what a run takes in memory does not grow with its
texts. Larger batches are no faster, and few of them are hard to share out among the cores."""

TOKEN_BUDGET = 32_768
"""Tokens of all variants of a text at most, padding included, that an explanation runs."""

MAX_THREADS = 4
"""Batches run at once at most; a worker that is not alone on its machine lowers it."""

_ROOM_FOR_PADDING = 1.1  # or the longest text of a share would make a batch of its own
_WORTH_A_THREAD = 128
_FATAL_ONLY = 4


def length_batches(
    lengths: Sequence[int], batch_size: int, token_budget: int = BATCH_TOKENS
) -> Iterator[list[int]]:
    """Group texts of similar length, so that little of a batch is padding.

    Args:
        lengths: tokens of each text.
        batch_size: texts of a batch at most.
        token_budget: texts times the longest of them at most; one text alone may be over it.

    Yields:
        Positions in ``lengths``, shortest text first; every position once.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (
            len(batch) == batch_size or (len(batch) + 1) * lengths[position] > token_budget
        ):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


class OnnxModel:
    """An ONNX file of ours, ready to run; nothing is read but the file itself.

    Raises:
        ModelLoadError: the file is missing, too large, damaged, refers to other files, holds
            another graph than ours, or has not ``num_labels`` probabilities for ids below
            ``vocab_size``.
    """

    def __init__(self, path: Path, vocab_size: int, num_labels: int) -> None:
        self._session = _open_session(path)
        self._num_labels = num_labels
        self._check(path, vocab_size, num_labels)
        self._threads = max(1, min(available_cores(), MAX_THREADS))
        self._pool = ThreadPoolExecutor(self._threads)

    def answer(self, ids: Sequence[Sequence[int]], batch_size: int) -> npt.NDArray[np.float32]:
        """Return float32 probabilities (n, num_labels) for the ids of n texts of any lengths.

        Batches of similar lengths are run side by side, one on each core. That is faster than all
        cores on one batch: an LSTM's steps are small, and each has to wait for the one before it.
        """
        rows = np.empty((len(ids), self._num_labels), np.float32)

        def fill(batch: list[int]) -> None:
            rows[batch] = self(pad_batch([ids[position] for position in batch]))

        lengths = [len(text) for text in ids]
        batches = list(length_batches(lengths, batch_size, self._share(sum(lengths))))
        run = self._pool.map if min(self._threads, len(batches)) > 1 else map
        for _ in run(fill, batches):
            pass
        return rows

    def _share(self, tokens: int) -> int:
        """Return the tokens of a batch with which every thread gets as many batches."""
        rounds = max(1, math.ceil(tokens / (BATCH_TOKENS * self._threads)))
        share = math.ceil(_ROOM_FOR_PADDING * tokens / (rounds * self._threads))
        return min(BATCH_TOKENS, max(share, _WORTH_A_THREAD))

    def __call__(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return float32 probabilities (batch, num_labels) for int64 ids (batch, length)."""
        return np.asarray(self._session.run([OUTPUT_NAME], {INPUT_NAME: ids})[0], np.float32)

    def _check(self, path: Path, vocab_size: int, num_labels: int) -> None:
        try:
            # The largest id and an empty text: what a foreign graph or a shorter embedding fails.
            probe = self(np.array([[1, vocab_size - 1], [0, 0]], np.int64))
        except Exception as error:  # the library's own exception types share no base class
            raise ModelLoadError(
                f"{path} cannot read the {vocab_size:,} entries of its tokenizer "
                f"({shorten(str(error))}); save the model again"
            ) from None
        if probe.shape != (2, num_labels) or not np.allclose(probe.sum(axis=1), 1, atol=1e-3):
            raise ModelLoadError(
                f"{path} is not a Memotions model: it does not answer with the probabilities of "
                f"{num_labels} classes"
            )


def _open_session(path: Path) -> Any:
    content = read_onnx_file(path)
    # Before the library sees it, which computes what is constant while it loads.
    check_onnx(path, content)
    try:
        return ort.InferenceSession(content, _options(), providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own exception types share no base class
        raise ModelLoadError(
            f"{path} is damaged or no ONNX model ({shorten(str(error))})"
        ) from None


def _options() -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    # A batch has one thread, and several batches are run at once. A number of our own also keeps
    # the library from pinning threads to cores, which fails with a warning in containers.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Memory patterns are kept for every shape seen, and batches come in thousands of shapes.
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
