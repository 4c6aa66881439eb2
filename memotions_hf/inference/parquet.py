"""Emotions for every row of Parquet files of any size, written to a Parquet file.

Rows are read, answered and written a few thousand at a time, so that memory does not grow with the
files. The result has the input's columns and, behind them, ``label``, ``score`` (of that label) and
``score_LABEL`` for every label; all of these are null where a text is null or has nothing to read.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import InputError, MemotionsError, require
from ..labels import LABELS
from ..strict_files import shorten
from . import runtime
from .classifier import EmotionClassifier

CHUNK_ROWS = 4096
"""Rows that a worker is given at once, at most."""

_CHUNK_BYTES = 32_000_000
_GROUP_ROWS = 16 * CHUNK_ROWS
_GROUP_BYTES = 4 * _CHUNK_BYTES
_CHUNKS_AHEAD = 2  # of every worker: while one is answered, the next one waits
# What the library `datasets` notes of the columns; it would refuse the file with more of them.
_STALE_METADATA = b"huggingface"

Progress = Callable[[int], object]
"""Called with the number of rows that are done since the last call, as ``tqdm.update`` is."""


@dataclass(frozen=True)
class ParquetSource:
    """Parquet files with the same columns, one of which holds texts."""

    files: tuple[Path, ...]
    column: str
    schema: Any
    """The ``pyarrow.Schema`` of the files."""
    rows: int
    chunk_rows: int

    def chunks(self) -> Iterator[Any]:
        """Yield the rows in order, as a ``pyarrow.Table`` of a few thousand each.

        Raises:
            InputError: a file is damaged.
        """
        for path in self.files:
            with _readable(path), _open(path) as file:
                # Not a row group at a time: there are files with one only, of many gigabytes.
                for batch in file.iter_batches(batch_size=self.chunk_rows):
                    yield require("pyarrow", "data").Table.from_batches([batch])


def open_parquet(source: str | Path, column: str) -> ParquetSource:
    """Look at a Parquet file, or at a folder of them, without reading their rows.

    Args:
        source: the file or the folder; a folder's files are taken in the order of their names.
        column: the column with the texts.

    Raises:
        InputError: there is no such file, it cannot be read, or it has no such column of texts.
        MissingExtraError: pyarrow is not installed.
    """
    require("pyarrow.parquet", "data")
    files = _files(Path(source))
    rows = size = 0
    schema = None
    for path in files:
        with _readable(path), _open(path) as file:
            found, metadata = file.schema_arrow, file.metadata
        if schema is None:
            schema = _checked_schema(found, column, path)
        elif not found.equals(schema):
            raise InputError(
                f"{path} has other columns than {files[0]}; the files of a folder must have the "
                "same ones"
            )
        rows += metadata.num_rows
        size += sum(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups))
    fitting = _CHUNK_BYTES * rows // max(size, 1)
    return ParquetSource(files, column, schema, rows, max(1, min(CHUNK_ROWS, fitting or 1)))


def _files(source: Path) -> tuple[Path, ...]:
    if not source.is_dir():
        if not source.exists():
            raise InputError(f"there is no file {str(source)!r}; check the path")
        return (source,)
    found = sorted(path for path in source.glob("*.parquet") if path.name[0] not in "._")
    if not found:
        raise InputError(f"the folder {str(source)!r} holds no .parquet file; check the path")
    return tuple(found)


def _checked_schema(schema: Any, column: str, path: Path) -> Any:
    count = schema.names.count(column)
    if count != 1:
        has = "several columns" if count else "no column"
        raise InputError(
            f"{path} has {has} {column!r}; it has {shorten(', '.join(schema.names))}; "
            "name the one with the texts: --column NAME"
        )
    types = require("pyarrow", "data").types
    kind = schema.field(column).type
    stored = kind.value_type if types.is_dictionary(kind) else kind
    is_text = types.is_string(stored) or types.is_large_string(stored)
    if not (is_text or types.is_string_view(stored) or types.is_null(stored)):
        raise InputError(
            f"the column {column!r} of {path} holds {shorten(str(kind))}, not text; "
            "name the one with the texts: --column NAME"
        )
    return schema


def _open(path: Path) -> Any:
    return require("pyarrow.parquet", "data").ParquetFile(path, buffer_size=1 << 20)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (require("pyarrow", "data").ArrowException, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text[:200] + "…" * (len(text) > 200)


# The answers


def answer_texts(classifier: EmotionClassifier, texts: Any, batch_size: int) -> Any:
    """Classify a chunk of texts.

    Args:
        classifier: the classifier.
        texts: a ``pyarrow.ChunkedArray`` or ``Array`` of texts and nulls.
        batch_size: texts that are run at once, at most.

    Returns:
        A ``pyarrow.Table`` with the columns of :func:`answer_fields`.

    Raises:
        InputError: a text is not UTF-8.
    """
    pyarrow = require("pyarrow", "data")
    try:
        read = [text or "" for text in texts.to_pylist()]
    except UnicodeDecodeError:
        raise InputError("a text is not UTF-8; save the file with valid texts") from None
    scores = np.zeros((len(read), len(LABELS)), np.float32)
    labels: list[str | None] = []
    answers = classifier.predict_stream(read, top_k=None, batch_size=batch_size)
    for row, answer in zip(scores, answers, strict=True):
        assert isinstance(answer, list)
        labels.append(answer[0]["label"] if answer else None)
        for item in answer:
            row[LABELS.index(item["label"])] = item["score"]
    unread = np.array([label is None for label in labels], bool)
    columns = [scores.max(axis=1), *scores.T]
    arrays = [pyarrow.array(np.ascontiguousarray(column), mask=unread) for column in columns]
    fields = answer_fields()
    return pyarrow.table(
        [pyarrow.array(labels, pyarrow.string()), *arrays], schema=pyarrow.schema(fields)
    )


def answer_fields() -> list[Any]:
    """Return the ``pyarrow`` fields of an answer: label, score, and the score of every label."""
    pyarrow = require("pyarrow", "data")
    names = ["score", *(f"score_{name}" for name in LABELS)]
    return [
        pyarrow.field("label", pyarrow.string()),
        *(pyarrow.field(name, pyarrow.float32()) for name in names),
    ]


def answer_locally(
    chunks: Iterable[Any], classifier: EmotionClassifier, batch_size: int, workers: int
) -> Iterator[Any]:
    """Answer chunks of texts in order, in this process or in several others."""
    if workers == 1:
        for texts in chunks:
            yield answer_texts(classifier, texts, batch_size)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    opened = (str(classifier._folder), share_of_cores(workers))
    with ProcessPoolExecutor(workers, get_context("spawn"), _open_worker, opened) as pool:
        try:
            waiting: deque[Any] = deque()
            for texts in chunks:
                waiting.append(pool.submit(_answer_in_worker, texts, batch_size))
                if len(waiting) >= workers * _CHUNKS_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise MemotionsError(
                "a worker has stopped, perhaps for want of memory; try fewer: --workers 1"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


_in_worker: list[EmotionClassifier] = []


def _open_worker(folder: str, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the workers
    _in_worker.append(open_with_threads(threads, folder))


def _answer_in_worker(texts: Any, batch_size: int) -> Any:
    return answer_texts(_in_worker[0], texts, batch_size)


def open_with_threads(
    threads: int, model: str | None, revision: str | None = None
) -> EmotionClassifier:
    """Open a classifier in a worker, which is not alone on this machine."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    runtime.MAX_THREADS = threads
    return EmotionClassifier.from_pretrained(model, revision=revision)


def share_of_cores(workers: int) -> int:
    """Return how many threads each of several workers may use."""
    return max(1, runtime.available_cores() // workers)


# The result


def predict_parquet(
    source: str | Path,
    output: str | Path,
    *,
    column: str = "text",
    model: str | None = None,
    revision: str | None = None,
    batch_size: int = 256,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Classify the texts of a Parquet file, or of a folder of them, into a new Parquet file.

    The rows keep their order and their columns. A new column whose name is taken already is called
    ``label_2`` and so on. The result appears whole or not at all.

    Args:
        source: a Parquet file, or a folder with Parquet files of the same columns.
        output: the result, ``NAME.parquet``; a file of that name is replaced.
        column: the column with the texts.
        model: a model folder or a repository; default: the bundled model.
        revision: a branch, tag or commit of the repository.
        batch_size: texts that are run at once, at most.
        engine: ``local``, or ``ray`` for the cluster of RAY_ADDRESS, else a Ray of this machine.
        workers: processes, or actors of Ray; default: one process for every four cores, or one
            actor for every core. Several processes need ``if __name__ == "__main__"`` in a script.
        progress: called with the number of rows done since its last call.

    Returns:
        How many rows there are.

    Raises:
        InputError: a file, the column or an argument cannot be used.
        MissingExtraError: pyarrow or Ray is not installed.
        ModelLoadError: the model cannot be loaded.
        MemotionsError: a worker was lost.
    """
    target = _check_output(Path(output))
    if workers is not None and workers < 1:
        raise InputError(f"workers must be a whole number from 1, got {workers!r}")
    if batch_size < 1:
        raise InputError(f"batch_size must be a whole number from 1, got {batch_size!r}")
    table = open_parquet(source, column)
    if target.resolve() in {path.resolve() for path in table.files}:
        raise InputError(f"{target} is the input; name another file for the result")
    chunks, others = tee(table.chunks())
    if engine == "ray":
        from .ray_engine import answer_with_ray

        chunk_count = -(-table.rows // table.chunk_rows)
        actors = max(1, min(workers or runtime.available_cores(), chunk_count))
        answers = answer_with_ray(table, others, model, revision, batch_size, actors)
    else:
        classifier = EmotionClassifier.from_pretrained(model, revision=revision)
        texts = (chunk[column] for chunk in others)
        answers = answer_locally(texts, classifier, batch_size, workers or default_workers(table))
    return _write(target, table, zip(chunks, answers, strict=True), progress)


def default_workers(table: ParquetSource) -> int:
    """Return how many processes are worth their start."""
    # One process has threads of its own, for as many cores as ONNX Runtime is given.
    wanted = runtime.available_cores() // runtime.MAX_THREADS
    return max(1, min(wanted, table.rows // _WORTH_A_PROCESS))


_WORTH_A_PROCESS = 10_000


def _check_output(target: Path) -> Path:
    if target.suffix.lower() != ".parquet":
        raise InputError(f"the result {str(target)!r} must be a Parquet file; name it NAME.parquet")
    if target.is_dir():
        raise InputError(f"{str(target)!r} is a folder; name a file for the result")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {str(target.parent)!r} for the result; make it")
    return target


def _write(
    target: Path,
    table: ParquetSource,
    answered: Iterable[tuple[Any, Any]],
    progress: Progress | None,
) -> int:
    """Write the rows with their answers under another name, and rename the whole file."""
    parquet, pyarrow = require("pyarrow.parquet", "data"), require("pyarrow", "data")
    schema = _result_schema(table.schema)
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    rows = 0
    try:
        with _writable(target), parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
            for group in _groups(answered, progress):
                columns = [c for side in zip(*group, strict=True) for c in _columns(pyarrow, side)]
                writer.write_table(pyarrow.table(columns, schema=schema))
                rows += sum(chunk.num_rows for chunk, _ in group)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return rows


def _columns(pyarrow: Any, tables: Sequence[Any]) -> list[Any]:
    return list(pyarrow.concat_tables(tables).columns)


def _groups(
    answered: Iterable[tuple[Any, Any]], progress: Progress | None
) -> Iterator[list[tuple[Any, Any]]]:
    """Gather chunks until they make a good row group."""
    group: list[tuple[Any, Any]] = []
    rows = size = 0
    for chunk, answers in answered:
        group.append((chunk, answers))
        rows += chunk.num_rows
        size += chunk.nbytes
        if progress is not None:
            progress(chunk.num_rows)
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _result_schema(schema: Any) -> Any:
    pyarrow = require("pyarrow", "data")
    taken = set(schema.names)
    fields = list(schema)
    for field in answer_fields():
        name, number = field.name, 2
        while name in taken:
            name, number = f"{field.name}_{number}", number + 1
        taken.add(name)
        fields.append(field.with_name(name))
    metadata = {k: v for k, v in (schema.metadata or {}).items() if k != _STALE_METADATA}
    return pyarrow.schema(fields, metadata)


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    try:
        yield
    except MemotionsError:
        raise
    except (require("pyarrow", "data").ArrowException, OSError) as error:
        raise InputError(f"{target} cannot be written: {_one_line(error)}") from None
