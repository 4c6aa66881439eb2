"""The tab for many texts at once: a table in, the same table with labels out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from .answers import error_html
from .batch import Progress, label_table, preview_html, progress_html, summary_html
from .calls import PRIVATE, answered, streamed
from .markup import VisitorError, both
from .tables import MAX_BYTES, MAX_ROWS, Table, open_table, thousands
from .words import show_html

if TYPE_CHECKING:
    from .service import Service
    from .words import Wording


class _Parts(NamedTuple):
    """The components that events change."""

    upload: gr.UploadButton
    found: gr.HTML
    options: gr.Row
    column: gr.Dropdown
    header: gr.Checkbox
    start: gr.Button
    cancel: gr.Button
    result: gr.HTML
    download: gr.DownloadButton


def add_batch_tab(wording: Wording, service: Service) -> None:
    """Add the tab's components and events to the current Blocks."""
    show_html(_intro())
    parts = _add_parts(wording)
    described = [parts.found, parts.options, parts.column, parts.header, parts.start]
    parts.upload.upload(
        _describe(service, guess_header=True),
        [parts.upload, parts.header],
        [*described, parts.result, parts.download],
        **PRIVATE,
    )
    parts.header.input(
        _describe(service, guess_header=False),
        [parts.upload, parts.header],
        [*described, parts.result, parts.download],
        **PRIVATE,
    )
    work = parts.start.click(
        _label(service),
        [parts.upload, parts.column, parts.header],
        [parts.result, parts.download, parts.start, parts.cancel, parts.options],
        concurrency_limit=1,
        concurrency_id="table",
        **PRIVATE,
    )
    # Only then, or a last step that was under way would be shown after it.
    parts.cancel.click(None, cancels=[work]).then(
        _cancelled,
        None,
        [parts.result, parts.download, parts.start, parts.cancel, parts.options],
        **PRIVATE,
    )


def _add_parts(wording: Wording) -> _Parts:
    upload = wording.make(
        gr.UploadButton,
        {"label": "upload.choose"},
        variant="primary",
        elem_id="mm-upload",
    )
    found = show_html(elem_id="mm-found")
    with gr.Row(visible=False, elem_id="mm-options") as options:
        column = wording.make(gr.Dropdown, {"label": "batch.column"}, elem_id="mm-column")
        header = wording.make(gr.Checkbox, {"label": "batch.header"}, elem_id="mm-header")
    with gr.Row(elem_id="mm-batch-buttons"):
        start = wording.make(
            gr.Button,
            {"value": "batch.start"},
            variant="primary",
            visible=False,
            elem_id="mm-start",
        )
        cancel = wording.make(
            gr.Button, {"value": "batch.cancel"}, visible=False, elem_id="mm-cancel"
        )
        download = wording.make(
            gr.DownloadButton, {"label": "batch.download"}, visible=False, elem_id="mm-download"
        )
    result = show_html(elem_id="mm-result")
    return _Parts(upload, found, options, column, header, start, cancel, result, download)


def _describe(service: Service, *, guess_header: bool) -> Any:
    def describe(file: str | None, header: bool, request: gr.Request) -> tuple[Any, ...]:
        def action() -> tuple[Any, ...]:
            table = open_table(_chosen(file), header=None if guess_header else header)
            return (
                _found(table),
                gr.update(visible=table.kind != "txt"),
                gr.update(choices=_choices(table), value=table.guess),
                table.has_header,
                gr.update(visible=True),
                "",
                gr.update(visible=False),
            )

        def on_error(error: VisitorError) -> tuple[Any, ...]:
            _forget(file)
            hidden = gr.update(visible=False)
            return error_html(error), hidden, gr.skip(), gr.skip(), hidden, "", hidden

        return answered(service, request, action, on_error)

    return describe


def _label(service: Service) -> Any:
    def label(
        file: str | None, column: int | None, header: bool, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        def action() -> Iterator[tuple[Any, ...]]:
            table = open_table(_chosen(file), header=header)
            folder = Path(tempfile.mkdtemp(dir=_result_folder()))
            target = folder / f"{_stem(file)}-memotions.csv"
            try:
                steps = label_table(table, column or 0, service.classifier, target)
                for progress in steps:
                    yield _working(progress)
                yield _done(progress, target)
            finally:
                if not target.exists():
                    shutil.rmtree(folder, ignore_errors=True)

        def on_error(error: VisitorError) -> tuple[Any, ...]:
            return error_html(error), *_buttons(working=False)

        try:
            yield from streamed(service, request, action, on_error, cost=5)
        finally:
            # Also when it is cancelled: an upload is read once, and then it is gone.
            _forget(file)

    return label


def _working(progress: Progress) -> tuple[Any, ...]:
    return _page(progress_html(progress)), *_buttons(working=True)


def _done(progress: Progress, target: Path) -> tuple[Any, ...]:
    html = _page(summary_html(progress) + preview_html(progress))
    _, *others = _buttons(working=False)
    return html, gr.update(value=str(target), visible=True), *others


def _cancelled() -> tuple[Any, ...]:
    text = f'<p class="mm-muted" role="status">{both("batch.cancelled")}</p>'
    return _page(text), *_buttons(working=False)


def _buttons(*, working: bool) -> tuple[Any, ...]:
    """Download, start, cancel and the options; to start again needs the file again."""
    hidden = gr.update(visible=False)
    return hidden, hidden, gr.update(visible=working), hidden


def _chosen(file: str | None) -> Path:
    if not file or not Path(file).exists():
        raise VisitorError("batch.nothing_yet")
    return Path(file)


def _forget(file: str | None) -> None:
    if file:
        Path(file).unlink(missing_ok=True)


def _stem(file: str | None) -> str:
    return Path(file or "memotions").stem[:60]


def _result_folder() -> str:
    """Where Gradio may serve files from, and deletes them after an hour."""
    from gradio.utils import get_upload_folder

    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _choices(table: Table) -> list[tuple[str, int]]:
    return [(name or "—", position) for position, name in enumerate(table.columns)]


def _found(table: Table) -> str:
    key = "batch.found_header" if table.has_header else "batch.found_no_header"
    return _page(
        f'<p class="mm-muted" role="status">{both(key, **thousands("rows", table.total))}</p>'
    )


def _page(content: str) -> str:
    return f'<div class="mm-page">{content}</div>'


def _intro() -> str:
    hint = both(
        "batch.file_hint", **thousands("rows", MAX_ROWS), size=f"{MAX_BYTES // 1_000_000} MB"
    )
    return (
        f'<div class="mm-page mm-intro"><h2>{both("batch.title")}</h2>'
        f'<p>{both("batch.intro")}</p><p class="mm-small">{hint}</p>'
        f'<p class="mm-small">{both("upload.kept")}</p></div>'
    )
