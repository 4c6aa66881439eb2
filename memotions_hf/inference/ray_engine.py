"""The same classifier as a pool of Ray actors, for Parquet files larger than one machine likes.

Ray Data reads the column of texts and hands it to the actors; this process reads the other columns
and writes the result. Every worker must therefore see the files under the same path.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import MemotionsError, require
from ..ray_session import open_ray
from ..strict_files import shorten
from .classifier import EmotionClassifier

if TYPE_CHECKING:
    from .parquet import ParquetSource

_PROBLEM = "problem"


class _Actor:
    """Opens the classifier once, with its first block, and answers the blocks it is given."""

    def __init__(
        self, column: str, model: str | None, revision: str | None, batch_size: int, threads: int
    ) -> None:
        self._column, self._batch_size = column, batch_size
        self._opening = (threads, model, revision)
        self._classifier: EmotionClassifier | None = None

    def __call__(self, block: Any) -> Any:
        from .parquet import answer_texts, open_with_threads

        pyarrow = require("pyarrow", "ray")
        try:
            if self._classifier is None:
                self._classifier = open_with_threads(*self._opening)
            answers = answer_texts(self._classifier, block[self._column], self._batch_size)
        except MemotionsError as error:  # raised from here, it would come with pages of traces
            return pyarrow.table({_PROBLEM: [str(error)]})
        return answers.append_column("text", block[self._column].cast(pyarrow.large_string()))


def answer_with_ray(
    table: ParquetSource,
    chunks: Iterable[Any],
    model: str | None,
    revision: str | None,
    batch_size: int,
    actors: int,
) -> Iterator[Any]:
    """Answer the rows of Parquet files in order.

    Args:
        table: the files.
        chunks: the same rows as read here, whose sizes the answers get.
        model: a model folder or a repository that every worker can reach.
        revision: a branch, tag or commit of the repository.
        batch_size: texts that are run at once, at most.
        actors: how many there are, each with a classifier of its own.

    Yields:
        The answers to each chunk, as a ``pyarrow.Table``.

    Raises:
        MissingExtraError: the ``ray`` extra is not installed.
        ModelLoadError: the model cannot be loaded here.
        MemotionsError: an actor failed or was lost.
    """
    EmotionClassifier.from_pretrained(model, revision=revision)  # before Ray starts, for its errors
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with open_ray(actors + 1) as ray, _data_context(ray):
        errors = (ray.exceptions.RayError, require("ray.data.exceptions", "ray").SystemException)
        try:
            blocks = _blocks(ray, table, (table.column, model, revision, batch_size), actors)
            yield from _align(blocks, (chunk[table.column] for chunk in chunks))
        except errors as error:
            raise MemotionsError(f"Ray failed: {shorten(_last_line(error))}") from None


def _blocks(ray: Any, table: ParquetSource, arguments: tuple[Any, ...], actors: int) -> Any:
    from .parquet import share_of_cores

    # Reading needs a CPU too, and waits for ever where the actors hold them all.
    free = ray.cluster_resources().get("CPU", 1) - 1
    answered = (
        ray.data.read_parquet([str(path) for path in table.files], partitioning=None)
        .select_columns([table.column])
        .repartition(target_num_rows_per_block=table.chunk_rows)
        .map_batches(
            _Actor,
            fn_constructor_args=(*arguments, share_of_cores(actors)),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=max(0.01, min(1.0, free / actors)),
        )
    )
    return answered.iter_batches(batch_size=None, batch_format="pyarrow")


def _align(blocks: Iterable[Any], chunks: Iterable[Any]) -> Iterator[Any]:
    """Cut Ray's blocks to the chunks, and make sure that they belong together."""
    pyarrow = require("pyarrow", "ray")
    blocks = iter(blocks)
    waiting = None
    for texts in chunks:
        while waiting is None or waiting.num_rows < len(texts):
            block = next(blocks, None)
            if block is None:
                raise MemotionsError("Ray answered fewer rows than there are; run it again")
            if _PROBLEM in block.column_names:
                raise MemotionsError(block[_PROBLEM][0].as_py())
            waiting = block if waiting is None else pyarrow.concat_tables([waiting, block])
        answers, waiting = waiting.slice(0, len(texts)), waiting.slice(len(texts))
        if not answers["text"].equals(texts.cast(pyarrow.large_string())):
            raise MemotionsError("Ray answered the rows in another order; run it again")
        yield answers.drop_columns(["text"])


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


@contextmanager
def _data_context(ray: Any) -> Iterator[None]:
    """Keep the rows in order, and leave the caller's settings as they were."""
    options = ray.data.DataContext.get_current().execution_options
    before, options.preserve_order = options.preserve_order, True
    try:
        yield
    finally:
        options.preserve_order = before
