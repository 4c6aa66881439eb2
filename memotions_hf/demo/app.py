"""The app: its page put together, and started on this machine or on a Space."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..suggestions.engine import PROJECT_VARIABLE
from .look import script, style, theme
from .markup import both, words
from .patches import import_gradio
from .service import Service

if TYPE_CHECKING:
    import gradio as gr

HISTORY_KEY = "memotions-journal"
SETTINGS_KEY = "memotions-settings"
# Fixed, or every restart of the server would lose what browsers keep. It is public, as this file
# is: it keeps nobody from reading who can open the browser, and the page says so.
BROWSER_SECRET = "memotions-journal-in-this-browser"
# The page promises an hour at most: every 15 minutes, files that are older than 45 are deleted.
FILE_SECONDS, SWEEP_SECONDS = 2700, 900
MAX_SESSIONS = 1000
# The models load when the first browser has its page, or when the first entry comes: loading takes
# the processor, and the lock, that serving the page needs.
LOADING_DELAY_SECONDS = 2.0

_LOGO = (
    '<svg viewBox="0 0 40 40" aria-hidden="true" fill="none" stroke-linecap="round">'
    '<rect width="40" height="40" rx="12" fill="var(--mm-accent)"/>'
    '<path d="M9 24c3-9 6-9 8.500 0s5.500 9 7.500-3 3.500-6 6-2" stroke="var(--mm-accent-ink)" '
    'stroke-width="3"/></svg>'
)


def build(service: Service) -> gr.Blocks:
    """Put the page together."""
    gr = import_gradio()
    from .about import about_html
    from .api import add_endpoints
    from .batch_tab import add_batch_tab
    from .journey import add_journey_tab
    from .words import Wording, show_html
    from .write import add_write_tab

    wording = Wording()
    gemini = _may_use_gemini()
    with gr.Blocks(
        title="Memotions",
        analytics_enabled=False,
        delete_cache=(SWEEP_SECONDS, FILE_SECONDS),
    ) as page:
        history = gr.BrowserState([], storage_key=HISTORY_KEY, secret=BROWSER_SECRET)
        settings = gr.BrowserState({}, storage_key=SETTINGS_KEY, secret=BROWSER_SECRET)
        language = _add_head(wording)
        with gr.Tabs():
            with wording.make(gr.Tab, {"label": "common.tab_write"}):
                entry = add_write_tab(wording, service, history, gemini=gemini)
            with wording.make(gr.Tab, {"label": "common.tab_journey"}) as journey:
                add_journey_tab(wording, service, journey, history)
            with wording.make(gr.Tab, {"label": "common.tab_batch"}):
                add_batch_tab(wording, service)
            with wording.make(gr.Tab, {"label": "common.tab_about"}):
                show_html(about_html(gemini=gemini))
        _add_language_events(wording, language, settings)
        page.load(
            None,
            settings,
            [language, entry],
            js="(settings) => mm.start(settings)",
            api_visibility="private",
        )
        add_endpoints(service)
    return page


def _add_head(wording: Any) -> gr.Radio:
    import gradio as gr

    from .words import show_html

    with gr.Row(elem_id="mm-head"):
        show_html(
            f'<div class="mm-page mm-brand">{_LOGO}<div><h1>{both("common.title")}</h1>'
            f"<p>{both('common.tagline')}</p></div></div>",
            scale=1,
        )
        language = wording.make(
            gr.Radio,
            {"label": "common.language"},
            choices=[("ID", "id"), ("EN", "en")],
            value="id",
            container=False,
            elem_id="mm-language",
            scale=0,
        )
        show_html(
            f'<button id="mm-theme" type="button" aria-label="{words("client.theme", "id")}">'
            '<svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">'
            '<circle cx="10" cy="10" r="7.500" fill="none" stroke="currentColor" stroke-width="2"/>'
            '<path d="M10 2.500a7.500 7.500 0 0 1 0 15z" fill="currentColor"/></svg></button>',
            elem_id="mm-theme-place",
            scale=0,
        )
    return language


def _add_language_events(wording: Any, language: gr.Radio, settings: Any) -> None:
    """Texts inside HTML are switched by the style sheet, those of components from here."""
    switch: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "queue": False,
    }
    language.change(
        wording.updates,
        language,
        wording.components,
        js="(language) => { mm.language(language); return language; }",
        **switch,
    )
    language.input(
        None, language, settings, js="(language) => ({language})", api_visibility="private"
    )


def launch(
    *,
    host: str | None = None,
    port: int | None = None,
    open_browser: bool = False,
) -> None:
    """Start the app and serve it until Ctrl-C.

    Args:
        host: the address to listen on; default: ``GRADIO_SERVER_NAME``, else this machine only.
        port: the port; default: ``GRADIO_SERVER_PORT``, else the next free one from 7860 on.
        open_browser: open the page in the default browser.

    Raises:
        MissingExtraError: the ``space`` extra is not installed.
        InputError: an environment variable holds a bad rate limit.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # A summary of its own calls that nobody looks at, made anew after every one that failed.
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    service = Service()
    with _stopped_by_terminate(), _upload_folder(), closing(service):
        page = build(service)
        page.launch(
            server_name=host,
            server_port=port,
            inbrowser=open_browser,
            **launch_options(service),
        )
        loading = threading.Timer(LOADING_DELAY_SECONDS, service.start)
        loading.daemon = True
        loading.start()
        try:
            page.block_thread()
        finally:
            loading.cancel()
            page.close()


def launch_options(service: Service) -> dict[str, Any]:
    """How the page is launched, here and on a Space; the address is not part of it."""
    from .limits import MAX_UPLOAD_BYTES, app_options

    return {
        "app_kwargs": app_options(service),
        "css": style(),
        "footer_links": [],
        "head": f"<script>{script()}</script>",
        "max_file_size": MAX_UPLOAD_BYTES,
        "mcp_server": True,
        "prevent_thread_lock": True,
        "quiet": True,
        "run_history": False,
        "share": False,
        "show_error": False,
        "ssr_mode": False,
        "state_session_capacity": MAX_SESSIONS,
        "theme": theme(),
    }


@contextmanager
def _stopped_by_terminate() -> Iterator[None]:
    """Let SIGTERM, which stops a container, end the app as Ctrl-C does: its files are deleted."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _upload_folder() -> Iterator[None]:
    """Give uploads and results a folder of their own, which goes when the app does."""
    folder = tempfile.mkdtemp(prefix="memotions-space-")
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if before is None:
            del os.environ["GRADIO_TEMP_DIR"]
        else:
            os.environ["GRADIO_TEMP_DIR"] = before


def _may_use_gemini() -> bool:
    """Whether entries may go to Gemini, told without opening the engine, which takes a while."""
    project = os.environ.get(PROJECT_VARIABLE, "").strip()
    return bool(project) and find_spec("google.genai") is not None
