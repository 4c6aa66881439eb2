"""The tab that shows a visitor's own history, which lives in their browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from . import charts
from .answers import error_html
from .calls import PRIVATE, answered
from .journal import read_export
from .markup import VisitorError, both
from .words import show_html

if TYPE_CHECKING:
    from .service import Service
    from .words import Wording

_FACTS = ("drawing", "import", "loss", "shared")


def add_journey_tab(
    wording: Wording, service: Service, tab: gr.Tab, history: gr.BrowserState
) -> None:
    """Add the tab's components and events to the current Blocks."""
    show_html(_intro())
    drawing = show_html(elem_id="mm-drawing")
    show_html(f'<h3 class="mm-page mm-title">{both("journal.keeping")}</h3>')
    with gr.Row(elem_id="mm-tools"):
        _add_exports(wording, history)
        bring = wording.make(gr.Button, {"value": "journal.import"}, elem_id="mm-import")
        clear = wording.make(
            gr.Button, {"value": "journal.clear"}, variant="stop", elem_id="mm-clear"
        )
    show_html('<p class="mm-status" role="status" aria-live="polite"></p>', elem_id="mm-imported")
    import_error = show_html()
    with gr.Column(elem_id="mm-kept-entries"):
        show_html(_entries(), elem_id="mm-entries")
    remove = gr.Button(visible="hidden", elem_id="mm-remove")

    _add_import(service, bring, history, import_error)
    _change_history(clear, history, "async (history) => [await mm.clear(history)]")
    _change_history(remove, history, "async (history) => [await mm.remove(history)]")
    for event in (tab.select, history.change):
        event(
            _draw(service),
            history,
            drawing,
            js="(history) => { mm.listEntries(history); return [mm.points(history)]; }",
            **PRIVATE,
        )


def _draw(service: Service) -> Any:
    def draw(received: dict[str, Any], request: gr.Request) -> str:
        def action() -> str:
            return charts.journey(received["points"], received["today"])

        return answered(service, request, action, error_html, cost=0)

    return draw


def _add_exports(wording: Wording, history: gr.BrowserState) -> None:
    """Exports are made in the browser: nothing is sent."""
    for kind in ("json", "csv"):
        button = wording.make(
            gr.Button, {"value": f"journal.export_{kind}"}, elem_id=f"mm-export-{kind}"
        )
        button.click(
            None,
            history,
            None,
            js=f"(history) => {{ mm.export{kind.capitalize()}(history); }}",
            api_visibility="private",
        )


def _add_import(
    service: Service, button: gr.Button, history: gr.BrowserState, error: gr.HTML
) -> None:
    """A file is read here, because its rules are, and joined to the history in the browser."""
    text, imported = gr.Textbox(visible=False), gr.JSON(visible=False)

    def read(text: str, ids: list[str], request: gr.Request) -> tuple[Any, str]:
        def action() -> tuple[Any, str]:
            if not text:
                return None, ""
            found = read_export(text, ids)
            entries = [entry.model_dump(mode="json") for entry in found.entries]
            return {"entries": entries, "already_there": found.already_there}, ""

        def on_error(error: VisitorError) -> tuple[Any, str]:
            return None, error_html(error)

        return answered(service, request, action, on_error)

    button.click(
        read,
        [text, history],
        [imported, error],
        js="async (text, history) => [await mm.chooseFile(), mm.ids(history)]",
        **PRIVATE,
    ).then(
        None,
        [history, imported],
        history,
        js="(history, imported) => [mm.join(history, imported)]",
        api_visibility="private",
    )


def _change_history(button: gr.Button, history: gr.BrowserState, js: str) -> None:
    button.click(None, history, history, js=js, api_visibility="private")


def _intro() -> str:
    facts = "".join(f"<li>{both(f'journal.privacy_{name}')}</li>" for name in _FACTS)
    return (
        f'<div class="mm-page mm-intro"><h2>{both("journal.heading")}</h2>'
        f"<p>{both('journal.privacy')}</p><details><summary>{both('journal.privacy_more')}"
        f"</summary><ul>{facts}</ul></details></div>"
    )


def _entries() -> str:
    return (
        f'<div class="mm-page"><h3 class="mm-title">{both("journal.entries")}</h3>'
        '<ol class="mm-entries" reversed></ol></div>'
    )
