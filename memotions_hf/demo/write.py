"""The tab in which a visitor writes: an entry in, what was read in it and a suggestion out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from ..suggestions.engine import MAX_ENTRY_CHARACTERS
from .answers import error_html, reading_html, suggestion_html
from .api import SUGGEST_PLACES, cost_of_entry
from .calls import PRIVATE, answered, streamed
from .charts import newest_awards
from .markup import VisitorError, both, words
from .reading import Reader
from .words import show_html

if TYPE_CHECKING:
    from .service import Service
    from .words import Wording

_EXAMPLES = ("example_1", "example_2", "example_3", "example_4")


class _Parts(NamedTuple):
    """The components that events read or change."""

    entry: gr.Textbox
    read: gr.Button
    keep: gr.Checkbox
    answer: gr.HTML
    keep_anyway: gr.Button
    suggestion: gr.HTML
    votes: gr.Row
    up: gr.Button
    down: gr.Button
    awards: gr.HTML
    reply: gr.JSON


def add_write_tab(
    wording: Wording, service: Service, history: gr.BrowserState, *, gemini: bool
) -> gr.Textbox:
    """Add the tab's components and events to the current Blocks; returns the entry's box."""
    parts = _add_parts(wording, gemini)
    _connect_reading(parts, service, history)
    _connect_keeping(parts, history)
    return parts.entry


def _add_parts(wording: Wording, gemini: bool) -> _Parts:
    show_html(_intro())
    entry = wording.make(
        gr.Textbox,
        {"label": "write.entry", "placeholder": "write.placeholder"},
        lines=5,
        max_lines=16,
        max_length=MAX_ENTRY_CHARACTERS,
        elem_id="mm-entry",
    )
    read = wording.make(gr.Button, {"value": "write.read"}, variant="primary", elem_id="mm-read")
    keep = wording.make(gr.Checkbox, {"label": "write.keep"}, value=True, elem_id="mm-keep")
    show_html(_privacy(gemini))
    show_html(f'<p class="mm-page mm-small">{both("write.examples")}</p>')
    with gr.Row(elem_id="mm-examples"):
        for name in _EXAMPLES:
            _add_example(wording, name, entry)
    answer = show_html(elem_id="mm-answer")
    keep_anyway = wording.make(
        gr.Button, {"value": "write.keep_anyway"}, visible=False, elem_id="mm-keep-anyway"
    )
    show_html(_status(), elem_id="mm-kept")
    suggestion = show_html(elem_id="mm-suggestion")
    with gr.Row(visible=False, elem_id="mm-votes") as votes:
        up = wording.make(gr.Button, {"value": "write.vote_up"}, elem_id="mm-up")
        down = wording.make(gr.Button, {"value": "write.vote_down"}, elem_id="mm-down")
    show_html(_status(), elem_id="mm-voted")
    awards = show_html(elem_id="mm-awards")
    reply = gr.JSON(visible=False)
    return _Parts(
        entry, read, keep, answer, keep_anyway, suggestion, votes, up, down, awards, reply
    )


def _connect_reading(parts: _Parts, service: Service, history: gr.BrowserState) -> None:
    """The emotions at once; then, side by side, the entry is kept and the suggestion written."""
    shown = parts.read.click(
        _read(service),
        parts.entry,
        [
            parts.answer,
            parts.reply,
            parts.suggestion,
            parts.awards,
            parts.votes,
            parts.keep_anyway,
        ],
        concurrency_limit=4,
        concurrency_id="read",
        **PRIVATE,
    )
    shown.then(
        None,
        [history, parts.reply, parts.keep],
        history,
        js="(history, reply, keep) => [mm.save(history, reply, keep)]",
        **PRIVATE,
    ).then(
        _awards(service), history, parts.awards, js="(history) => [mm.newest(history)]", **PRIVATE
    )
    shown.then(
        _suggest(service),
        parts.reply,
        [parts.suggestion, parts.votes],
        # Shared with the endpoint: what waits for Gemini never keeps a reading waiting.
        concurrency_limit=SUGGEST_PLACES,
        concurrency_id="suggest",
        **PRIVATE,
    )


def _connect_keeping(parts: _Parts, history: gr.BrowserState) -> None:
    parts.keep_anyway.click(
        None,
        [history, parts.reply],
        history,
        js="(history, reply) => [mm.keep(history, reply)]",
        **PRIVATE,
    )
    for button, value in ((parts.up, 1), (parts.down, -1)):
        js = f"(history) => [mm.vote(history, {value})]"
        button.click(None, history, history, js=js, **PRIVATE)


def _read(service: Service) -> Any:
    def show_reading(entry: str, request: gr.Request) -> tuple[Any, ...]:
        def action() -> tuple[Any, ...]:
            reading = Reader(service.classifier, service.detector).read(entry)
            crisis = reading.safety.crisis
            emotions = [found.model_dump() for found in reading.emotions]
            # With the text that was read: the visitor may be writing the next one already.
            reply = {"text": entry, "crisis": crisis, "emotions": emotions}
            return reading_html(entry, reading), reply, "", "", _show(False), _show(crisis)

        def on_error(error: VisitorError) -> tuple[Any, ...]:
            return error_html(error), None, "", "", _show(False), _show(False)

        return answered(service, request, action, on_error, cost_of_entry(entry))

    return show_reading


def _awards(service: Service) -> Any:
    def show_awards(received: dict[str, Any] | None, request: gr.Request) -> str:
        def action() -> str:
            # Nothing is sent where nothing was kept, as in a crisis.
            return newest_awards(received["points"], received["today"]) if received else ""

        return answered(service, request, action, error_html, cost=0)

    return show_awards


def _suggest(service: Service) -> Any:
    def show_suggestion(
        reply: dict[str, Any] | None, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        text, crisis = (str(reply.get("text")), reply.get("crisis")) if reply else ("", False)

        def action() -> Iterator[tuple[Any, ...]]:
            for part in service.companion.stream(text, session=str(request.session_hash or "")):
                votable = part.complete and not part.safety.crisis
                yield suggestion_html(part), _show(votable)

        def on_error(error: VisitorError) -> tuple[Any, ...]:
            return error_html(error), _show(False)

        if text and not crisis:
            # It belongs to the reading, which has been counted.
            yield from streamed(service, request, action, on_error, cost=0)

    return show_suggestion


def _add_example(wording: Wording, name: str, entry: gr.Textbox) -> None:
    button = wording.make(gr.Button, {"value": f"write.{name}"}, size="sm")
    # Entries are Indonesian in both languages, as the model's words are.
    text = json.dumps(words(f"write.{name}_text", "id"))
    button.click(None, None, entry, js=f"() => {text}", api_visibility="private")


def _intro() -> str:
    return (
        f'<div class="mm-page mm-intro"><h2>{both("write.heading")}</h2>'
        f"<p>{both('write.hint')}</p></div>"
    )


def _privacy(gemini: bool) -> str:
    key = "write.privacy_gemini" if gemini else "write.privacy"
    return f'<p class="mm-page mm-small">{both(key)}</p>'


def _status() -> str:
    return '<p class="mm-status" role="status" aria-live="polite"></p>'


def _show(visible: bool) -> dict[str, Any]:
    update: dict[str, Any] = gr.update(visible=visible)
    return update
