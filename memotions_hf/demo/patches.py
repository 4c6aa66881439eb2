"""What the app changes about Gradio 6.31: a faster import, logs without texts, small sessions.

Each is a workaround, and the reason why pyproject.toml holds Gradio to this minor version.
"""

from __future__ import annotations

import gc
import inspect
import logging
import os
import sys
import traceback
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..errors import require

if TYPE_CHECKING:
    import gradio as gr

logger = logging.getLogger(__name__)


def import_gradio() -> ModuleType:
    """Import gradio without letting it write type stubs; returns the module.

    Each component class of Gradio 6 parses its own source file to write a ``.pyi`` beside it, for
    editors. That is some three of the six seconds that the import takes on two cores. It leaves
    this out for classes whose file cannot be found, so here none is, until the import is over. Nor
    is garbage looked for among the many objects that it makes, and keeps.

    Raises:
        MissingExtraError: the ``space`` extra is not installed.
    """
    original = inspect.getfile

    def getfile(thing: Any) -> str:
        if str(getattr(thing, "__module__", "")).startswith("gradio"):
            raise OSError("no type stubs while gradio is imported")
        return original(thing)

    inspect.getfile = getfile  # type: ignore[assignment]
    collects = gc.isenabled()
    gc.disable()
    try:
        return require("gradio", "space")
    finally:
        inspect.getfile = original
        if collects:
            gc.enable()


def apply() -> None:
    """Change Gradio for the app; a second time changes nothing."""
    keep_texts_out_of_the_log()
    keep_sessions_small()
    # Or Gradio imports pyplot to find a backend, at the first call, while everybody waits.
    os.environ.setdefault("MPLBACKEND", "agg")


def keep_texts_out_of_the_log() -> None:
    """Make Gradio and uvicorn log the kind and the place of an error, and never its message.

    Gradio prints the traceback of every error in a handler, and an error may quote what a visitor
    wrote: Gradio's own does where a caller sends too few values.
    """
    import gradio.queueing
    import gradio.route_utils
    import gradio.routes
    import gradio.utils

    for module in (gradio.queueing, gradio.routes, gradio.route_utils, gradio.utils):
        vars(module)["traceback"] = _Traceback
    for name in ("uvicorn.error", "asyncio", "mcp.server.lowlevel.server"):
        if _without_message not in logging.getLogger(name).filters:
            logging.getLogger(name).addFilter(_without_message)


def keep_sessions_small() -> None:
    """Make Gradio describe a component to a new session only when an event of it needs that.

    It describes every component at once, for links to a state of the page, which there are none
    of: some ten milliseconds in which nobody is served, and 90 kB, for each visitor and each call
    without a session.
    """
    import gradio.state_holder

    original = gradio.state_holder.SessionState
    if original.__module__ != __name__:
        gradio.state_holder.SessionState = _small_session(original)


def _small_session(original: Any) -> Any:
    class SmallSession(original):  # type: ignore[misc]
        def __init__(self, blocks: gr.Blocks) -> None:
            super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks={}))

    return SmallSession


class _Traceback:
    """Stands in for the module ``traceback`` inside Gradio."""

    @staticmethod
    def print_exc() -> None:
        error = sys.exc_info()[1]
        if error is not None:
            logger.error("a handler failed: %s", kind_and_place(error))

    @staticmethod
    def format_exc() -> str:
        error = sys.exc_info()[1]
        return kind_and_place(error) if error is not None else ""


def _without_message(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        record.msg, record.args = "%s", (kind_and_place(error),)
        record.exc_info = record.exc_text = None
    return True


def kind_and_place(error: BaseException) -> str:
    """What may be logged of an error: its message may quote what a visitor wrote."""
    places = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__, limit=-4)
    ]
    return f"{type(error).__name__} at {' < '.join(reversed(places))}"
