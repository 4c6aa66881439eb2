"""Errors that a user can cause and mend, each with a one-line message.

The command line prints these without a traceback and exits with code 2.
"""

from __future__ import annotations

import importlib
from types import ModuleType


class MemotionsError(Exception):
    """A problem that the user can mend; the message says what was wrong and what to do."""


class CorpusError(MemotionsError, ValueError):
    """A corpus file is missing, damaged or not in the expected format."""


class ModelLoadError(MemotionsError, OSError):
    """A model folder or repository is missing, incomplete, damaged or not ours."""


class HubError(MemotionsError, OSError):
    """The Hugging Face Hub cannot be reached, or refuses what is pushed to it."""


class InputError(MemotionsError, ValueError):
    """An argument or an input text has a value that cannot be used."""


class EngineError(MemotionsError, RuntimeError):
    """Gemini or Cloud Storage is not configured, refuses, or cannot be reached."""


class MissingExtraError(MemotionsError, ImportError):
    """An optional library is needed for this call and is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Import ``module``, or say which extra of memotions-hf brings it.

    Raises:
        MissingExtraError: the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = (error.name or module).split(".")[0]
        raise MissingExtraError(
            f"{missing} is not installed, and this needs it: pip install 'memotions-hf[{extra}]'"
        ) from error
