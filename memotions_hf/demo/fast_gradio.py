"""Gradio, imported in half the time."""

from __future__ import annotations

import gc
import inspect
from types import ModuleType
from typing import Any

from ..errors import require


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
