"""The emotion of every text of an upload: the work in small steps, its result file, its HTML."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..labels import EMOTIONS, LABELS
from .charts import Bar, bars, feeling
from .markup import VisitorError, both, emotion, escape, two
from .tables import Record, Table, thousands

if TYPE_CHECKING:
    from ..inference import EmotionClassifier, EmotionScore

PREVIEW_ROWS = 20
PREVIEW_CHARACTERS = 160
NAMED_ROWS = 10
"""Unreadable rows whose numbers are told."""

RESULT_COLUMNS = ("label", "emosi", "score", "labels")
"""What the result adds to the columns of the upload; ``labels`` are all over the threshold."""

# Texts of a block are sorted by length, so that little of what the model reads is padding.
# The first block is small, so that the preview comes soon.
_FIRST_BLOCK = 256
_BLOCK = 4096
_BLOCK_CHARACTERS = 4_000_000
# A step is a fraction of a second of work: these many texts or, of long texts, these many
# characters, of which the model reads only the first.
_STEP_TEXTS = 128
_STEP_CHARACTERS = 12_500
_READ_CHARACTERS = 2_000

_INDONESIAN = {item.name: item.indonesian for item in EMOTIONS}
# Full-width signs start a formula too where the keyboard is Japanese or Chinese.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMBER = re.compile(r"[-+]?\d[\d.,]*%?")


class PreviewRow(NamedTuple):
    """A row of the result; without a label there was nothing to read."""

    number: int
    text: str
    label: str | None
    score: float | None


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    Attributes:
        done: rows classified, the unreadable ones included.
        total: rows of the table.
        counts: rows of every label.
        unreadable: rows with nothing to read.
        unreadable_rows: the numbers of the first of them.
        preview: the first rows of the table with their labels.
    """

    done: int
    total: int
    counts: Mapping[str, int]
    unreadable: int
    unreadable_rows: tuple[int, ...]
    preview: tuple[PreviewRow, ...]


def label_table(
    table: Table,
    column: int,
    classifier: EmotionClassifier,
    target: Path,
    *,
    threshold: float = 0.2,
) -> Iterator[Progress]:
    """Classify a column of a table in steps, and write the table with its labels as CSV.

    The file has its name only when it is complete, which it is before the last step is told. A
    generator that is closed earlier, or fails, leaves nothing behind.

    Args:
        table: what :func:`~memotions_hf.demo.tables.open_table` returned.
        column: the position of the column with the texts.
        classifier: what tells the emotions.
        target: the file to write.
        threshold: the column ``labels`` lists every label whose probability is over it.

    Yields:
        The state after every fraction of a second of work, first of all before any.

    Raises:
        VisitorError: there is no such column.
        InputError: the threshold is not from 0 to 1.
    """
    from ..inference.classifier import check_choice

    check_choice(None, threshold)
    if not 0 <= column < len(table.columns):
        raise VisitorError("batch.no_column")
    work = _Work(table, column, threshold)
    draft = target.with_name(f"{target.name}.part")
    yield work.progress()
    try:
        with draft.open("w", encoding="utf-8-sig", errors="replace", newline="") as stream:
            writer = csv.writer(stream, delimiter=table.delimiter)
            writer.writerow(map(_harmless, _result_columns(table.columns)))
            for block in _blocks(table.rows()):
                yield from work.classify(block, classifier)
                writer.writerows(work.finish(block))
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    yield work.progress()


class _Work:
    """The state of :func:`label_table`: the tally, and the answers of the block at hand."""

    def __init__(self, table: Table, column: int, threshold: float) -> None:
        self._total = table.total
        self._column = column
        self._threshold = threshold
        # Where cells are separated by semicolons, Excel reads decimal commas.
        self._decimal = "," if table.delimiter == ";" else "."
        self._answers: dict[str, list[EmotionScore]] = {}
        self._counts: Counter[str | None] = Counter()
        self._unreadable_rows: list[int] = []
        self._preview: list[PreviewRow] = []

    def classify(
        self, block: Sequence[Record], classifier: EmotionClassifier
    ) -> Iterator[Progress]:
        """Answer every text of a block, equal ones once, in steps."""
        times = Counter(cells[self._column] for _, cells in block)
        self._answers = {}
        for texts in _steps(sorted(times, key=len)):
            answers = classifier.predict_stream(texts, top_k=None, batch_size=_STEP_TEXTS)
            for text, scores in zip(texts, answers, strict=True):
                assert isinstance(scores, list)  # with top_k every answer is one
                self._answers[text] = scores
                self._counts[scores[0]["label"] if scores else None] += times[text]
            yield self.progress()

    def finish(self, block: Iterable[Record]) -> Iterator[list[str]]:
        """The rows of a block that was answered, as they stand in the result."""
        for number, cells in block:
            text = cells[self._column]
            scores = self._answers[text]
            if not scores and len(self._unreadable_rows) < NAMED_ROWS:
                self._unreadable_rows.append(number)
            if len(self._preview) < PREVIEW_ROWS:
                self._preview.append(_preview_row(number, text, scores))
            yield [*map(_harmless, cells), *self._result_cells(scores)]

    def progress(self) -> Progress:
        return Progress(
            done=self._counts.total(),
            total=self._total,
            counts={label: self._counts[label] for label in LABELS},
            unreadable=self._counts[None],
            unreadable_rows=tuple(self._unreadable_rows),
            preview=tuple(self._preview),
        )

    def _result_cells(self, scores: Sequence[EmotionScore]) -> tuple[str, ...]:
        if not scores:
            return ("",) * len(RESULT_COLUMNS)
        best = scores[0]["label"]
        score = f"{scores[0]['score']:.4f}".replace(".", self._decimal)
        over = [item["label"] for item in scores if item["score"] > self._threshold]
        return best, _INDONESIAN[best], score, "+".join(over)


def _preview_row(number: int, text: str, scores: Sequence[EmotionScore]) -> PreviewRow:
    if len(text) > PREVIEW_CHARACTERS:
        text = text[: PREVIEW_CHARACTERS - 1] + "…"
    if not scores:
        return PreviewRow(number, text, None, None)
    return PreviewRow(number, text, scores[0]["label"], scores[0]["score"])


def _blocks(rows: Iterable[Record]) -> Iterator[list[Record]]:
    block: list[Record] = []
    characters, size = 0, _FIRST_BLOCK
    for record in rows:
        block.append(record)
        characters += sum(map(len, record[1]))
        if len(block) == size or characters > _BLOCK_CHARACTERS:
            yield block
            block, characters, size = [], 0, _BLOCK
    if block:
        yield block


def _steps(texts: Iterable[str]) -> Iterator[list[str]]:
    step: list[str] = []
    characters = 0
    for text in texts:
        step.append(text)
        characters += min(len(text), _READ_CHARACTERS)
        if len(step) == _STEP_TEXTS or characters > _STEP_CHARACTERS:
            yield step
            step, characters = [], 0
    if step:
        yield step


def _result_columns(columns: Sequence[str]) -> list[str]:
    """The names of the result's columns; ours get a number where the upload has such a name."""
    names = list(columns)
    for name in RESULT_COLUMNS:
        number, free = 2, name
        while free in names:
            number, free = number + 1, f"{name}_{number}"
        names.append(free)
    return names


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet program runs as a formula; numbers stay numbers."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


# HTML


def progress_html(progress: Progress) -> str:
    """How far the work is: a bar, and the same in words."""
    share = 100 * progress.done / progress.total
    text = both(
        "batch.progress",
        **thousands("done", progress.done),
        **thousands("total", progress.total),
    )
    return (
        '<div class="mm-batch-progress">'
        '<div class="mm-batch-track" role="progressbar" aria-labelledby="mm-batch-progress-name" '
        f'aria-valuemin="0" aria-valuemax="{progress.total}" aria-valuenow="{progress.done}">'
        f'<div class="mm-batch-fill" style="width:{share:.1f}%"></div></div>'
        f'<span class="mm-hidden" id="mm-batch-progress-name">{both("batch.progress_name")}</span>'
        f'<p class="mm-batch-progress-text">{text}</p></div>'
    )


def summary_html(progress: Progress) -> str:
    """How often each emotion was found, and which rows could not be read."""
    lines = ""
    if progress.done == progress.total:
        lines += f"<p>{both('batch.summary_done', **thousands('rows', progress.total))}</p>"
    ordered = sorted(progress.counts.items(), key=lambda row: -row[1])
    total = sum(progress.counts.values()) or 1
    lines += bars([_bar(label, count, total) for label, count in ordered])
    if progress.unreadable:
        lines += f'<p class="mm-batch-unreadable">{_name_unreadable(progress)}</p>'
    return f'<section class="mm-batch-summary"><h3>{both("batch.summary")}</h3>{lines}</section>'


def preview_html(progress: Progress) -> str:
    """The first rows of the result as a table; empty until there are any."""
    if not progress.preview:
        return ""
    # The text comes last: on a phone it is what one scrolls to.
    keys = ("row", "emotion", "score", "text")
    head = "".join(f'<th scope="col">{both(f"batch.preview_{key}")}</th>' for key in keys)
    caption = both("batch.preview", count=len(progress.preview))
    body = "".join(map(_preview_html_row, progress.preview))
    return (
        '<div class="mm-batch-scroll" role="region" tabindex="0" '
        'aria-labelledby="mm-batch-caption"><table class="mm-batch-table">'
        f'<caption id="mm-batch-caption">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _bar(label: str, count: int, total: int) -> Bar:
    percent = _percent(count / total)
    value = both(
        "batch.bar_value",
        **thousands("count", count),
        percent_id=percent.replace(".", ","),
        percent_en=percent,
    )
    return Bar(feeling(label), count / total, value, label)


def _name_unreadable(progress: Progress) -> str:
    rows = ", ".join(map(str, progress.unreadable_rows))
    if progress.unreadable > len(progress.unreadable_rows):
        rows += ", …"
    return both("batch.unreadable", **thousands("count", progress.unreadable), rows=rows)


def _preview_html_row(row: PreviewRow) -> str:
    if row.label is None or row.score is None:
        answer = f'<td colspan="2" class="mm-batch-none">{both("batch.preview_none")}</td>'
    else:
        percent = _percent(min(row.score, 0.999))  # no model is certain
        answer = (
            f'<td class="mm-batch-emotion" style="--mm-tone:var(--mm-{row.label})">'
            f"{emotion(row.label)}</td>"
            f'<td class="mm-batch-score">{two(percent.replace(".", ","), percent)}</td>'
        )
    return (
        f'<tr><th scope="row">{row.number}</th>{answer}'
        f'<td class="mm-batch-text">{escape(row.text)}</td></tr>'
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
