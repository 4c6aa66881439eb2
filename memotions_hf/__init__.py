"""memotions-hf: the Indonesian emotion corpus and classifier behind the Memotions mood journal.

Importing this package loads no heavy library; each public name is imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "EMOTIONS": ".labels",
    "LABELS": ".labels",
    "Companion": ".suggestions",
    "EmotionClassifier": ".inference",
    "MemotionsBiLSTM": ".modeling.hub",
    "MemotionsError": ".errors",
    "Suggestion": ".suggestions",
    "SuggestionEngine": ".suggestions",
    "load_corpus": ".corpus",
    "normalise": ".text",
    "parse_label": ".labels",
}

if TYPE_CHECKING:
    from .corpus import load_corpus
    from .errors import MemotionsError
    from .inference import EmotionClassifier
    from .labels import EMOTIONS, LABELS, parse_label
    from .modeling.hub import MemotionsBiLSTM
    from .suggestions import Companion, Suggestion, SuggestionEngine
    from .text import normalise

__all__ = [
    "EMOTIONS",
    "LABELS",
    "Companion",
    "EmotionClassifier",
    "MemotionsBiLSTM",
    "MemotionsError",
    "Suggestion",
    "SuggestionEngine",
    "load_corpus",
    "normalise",
    "parse_label",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
