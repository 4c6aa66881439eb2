"""Suggestions for a journal entry: safety first, Gemini when it is configured, else embedded."""

from .companion import Companion, JournalReply
from .engine import Suggestion, SuggestionEngine
from .safety import SafetyCheck

__all__ = ["Companion", "JournalReply", "SafetyCheck", "Suggestion", "SuggestionEngine"]
