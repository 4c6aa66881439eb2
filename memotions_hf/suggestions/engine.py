"""What every suggestion engine has in common: its answer, its input, and safety before all else.

An engine is asked for a suggestion to a journal entry and its emotion. Whatever the engine, the
entry is checked for a crisis first; a crisis is answered with a fixed message and the help lines,
and the engine never sees the entry. Nothing here logs or keeps what a person wrote.
"""

from __future__ import annotations

import logging
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from ..errors import EngineError, InputError, MissingExtraError
from ..labels import parse_label
from ..text import to_valid_unicode
from .safety import CrisisDetector, SafetyCheck, concern_note, crisis_message

MAX_ENTRY_CHARACTERS = 20_000
PROJECT_VARIABLE = "GOOGLE_CLOUD_PROJECT"

# A line about counsellors below an answer to plain or happy news would only puzzle.
_HEAVY = frozenset({"sad", "anger", "fear"})

logger = logging.getLogger(__name__)

# Everything that is not shown but could steer a terminal, a prompt or a reader: controls other than
# white space, zero-width and bidirectional marks (the joiner of emoji stays), private use.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"
    "\ue000-\uf8ff\U000e0000-\U000e007f]"
)


class Suggestion(BaseModel):
    """An answer to a journal entry.

    While an answer is streamed, every element holds all of the text so far and ``complete`` is
    false; a later element may begin anew with another text, when what had come so far turned out
    not to be fit to be shown.
    """

    model_config = ConfigDict(frozen=True)

    text: str = Field(description="One paragraph in Indonesian; in a crisis, the fixed message.")
    source: Literal["local", "gemini", "crisis"] = Field(
        description="Who wrote the text: the embedded engine, Gemini, or the fixed crisis message."
    )
    emotion: str | None = Field(
        default=None,
        description="The leading emotion it answers: sad, happy, neutral, anger, fear.",
    )
    safety: SafetyCheck = Field(description="What the crisis detector said about the entry.")
    note: str | None = Field(
        default=None, description="A fixed line to show below the text, when the entry is in doubt."
    )
    model: str | None = Field(
        default=None, description="The Gemini model or endpoint, if it wrote."
    )
    fallback: str | None = Field(
        default=None,
        description="Why Gemini did not write although it is configured: timeout, blocked, ...",
    )
    complete: bool = Field(default=True, description="False while an answer is being streamed.")


Emotions = str | Sequence[str] | Callable[[str], str | Sequence[str]]
"""An emotion, several with the leading one first, or a function that tells them from the entry."""


@dataclass(frozen=True)
class Request:
    """A checked request: an entry that holds something, its emotions, and its session."""

    entry: str
    emotions: tuple[str, ...]
    session: str
    safety: SafetyCheck

    @property
    def emotion(self) -> str:
        """The leading emotion."""
        return self.emotions[0]


class SuggestionEngine(ABC):
    """Writes one warm, concrete, safe paragraph for a journal entry and its emotion.

    >>> engine = SuggestionEngine.auto()
    >>> engine.suggest("Hari ini aku gagal lagi", emotion="sad").text

    One engine may be used from several threads. It is a context manager; :meth:`close` frees what
    it holds.
    """

    name: Literal["local", "gemini"]

    def __init__(self, detector: CrisisDetector | None = None) -> None:
        """Keep the crisis detector; the default is the one that comes with the package."""
        self._detector = detector or CrisisDetector.load()

    @staticmethod
    def auto() -> SuggestionEngine:
        """Return the Gemini engine when it is configured, else the embedded one.

        Gemini is configured where ``GOOGLE_CLOUD_PROJECT`` is set, the ``gemini`` extra is
        installed and there are application-default credentials; where only the first is true, a
        warning in the log names what is missing, as ``memotions doctor`` does.
        """
        from .local import LocalEngine

        if not os.environ.get(PROJECT_VARIABLE, "").strip():
            return LocalEngine()
        from .gemini import GeminiEngine

        try:
            return GeminiEngine.from_environment()
        except (EngineError, MissingExtraError) as error:
            logger.warning("the embedded engine is used instead of Gemini: %s", error)
            return LocalEngine()

    def suggest(self, entry: str, *, emotion: Emotions, session: str = "") -> Suggestion:
        """Answer a journal entry.

        Args:
            entry: what a person wrote, 1 to 20,000 characters.
            emotion: the emotion of the entry, or several with the leading one first; names,
                Indonesian names and aliases in any case (``sad``, ``SAD``, ``sedih``). A function
                of the entry is called only when there is no crisis.
            session: any key of a visitor; an engine does not repeat to a session what it was just
                given.

        Raises:
            InputError: the entry is empty or too long, or an emotion is unknown.
        """
        *_, last = self.stream(entry, emotion=emotion, session=session)
        return last

    def stream(self, entry: str, *, emotion: Emotions, session: str = "") -> Iterator[Suggestion]:
        """Answer a journal entry as it is being written; the last element is the whole answer.

        Args and errors as in :meth:`suggest`; the errors are raised at the call.
        """
        entry = clean_entry(entry)
        if not callable(emotion):
            emotion = _as_labels(emotion)
        safety = self._detector.check(entry)
        if safety.crisis:
            return iter([crisis_suggestion(safety)])
        if callable(emotion):
            emotion = _as_labels(emotion(entry))
        request = Request(entry, tuple(emotion), session, safety)
        note = concern_note() if safety.concern and request.emotion in _HEAVY else None
        return (answer.model_copy(update={"note": note}) for answer in self._answer(request))

    @abstractmethod
    def _answer(self, request: Request) -> Iterator[Suggestion]:
        """Yield the answer as it grows, the whole of it last; never called in a crisis."""

    def close(self) -> None:  # noqa: B027  (an engine that holds nothing has nothing to do)
        """Free threads and connections; the engine cannot be used afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def clean_entry(entry: str) -> str:
    """Return a journal entry without what cannot be seen.

    Raises:
        InputError: it is no text, has nothing to read, or is too long.
    """
    if not isinstance(entry, str):
        raise InputError(f"the entry is a {type(entry).__name__}; expected a text")
    if len(entry) > MAX_ENTRY_CHARACTERS:
        raise InputError(
            f"the entry has {len(entry):,} characters; at most {MAX_ENTRY_CHARACTERS:,} are read: "
            "send a shorter part of it"
        )
    cleaned = _INVISIBLE.sub("", to_valid_unicode(entry)).replace("\ufffd", "").strip()
    if not cleaned:
        raise InputError("the entry is empty; write at least a few words")
    return cleaned


def crisis_suggestion(safety: SafetyCheck) -> Suggestion:
    """Return the fixed answer to an entry that may be about a crisis."""
    return Suggestion(text=crisis_message(safety.kind), source="crisis", safety=safety)


def _as_labels(emotion: str | Sequence[str]) -> tuple[str, ...]:
    names = [emotion] if isinstance(emotion, str) else list(emotion)
    if not names:
        raise InputError("no emotion is given; expected one of the five, or several")
    return tuple(dict.fromkeys(parse_label(name) for name in names))
