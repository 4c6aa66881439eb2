"""The classifier and an engine in one call: a journal entry in, emotions and a suggestion out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from ..errors import InputError
from .engine import Suggestion, SuggestionEngine
from .safety import NO_CRISIS, HelpLine, SafetyCheck, help_lines

if TYPE_CHECKING:
    from ..inference import EmotionClassifier

DEFAULT_THRESHOLD = 0.2
"""Emotions over this probability are answered with, as the first Memotions service did."""


class FoundEmotion(BaseModel):
    """An emotion of an entry and its probability."""

    model_config = ConfigDict(frozen=True)

    label: str = Field(description="sad, happy, neutral, anger or fear.")
    score: float = Field(ge=0, le=1, description="Its probability, rounded to three places.")


class JournalReply(BaseModel):
    """The answer to a journal entry; ``JournalReply.model_json_schema()`` describes its JSON."""

    model_config = ConfigDict(frozen=True)

    emotions: list[FoundEmotion] = Field(
        description="Every emotion over the threshold, the most probable first; in a crisis none."
    )
    suggestion: str = Field(
        description="One paragraph in Indonesian; in a crisis the fixed message and help lines."
    )
    note: str | None = Field(
        default=None, description="A fixed line to show below it, when the entry is in doubt."
    )
    engine: Literal["local", "gemini", "crisis"] = Field(description="Who wrote the suggestion.")
    model: str | None = Field(default=None, description="The Gemini model, if it wrote.")
    fallback: str | None = Field(
        default=None, description="Why Gemini did not write although it is configured."
    )
    safety: SafetyCheck = Field(description="What the crisis detector said about the entry.")
    help_lines: list[HelpLine] = Field(
        default=[], description="In a crisis, the places that help, the first to try first."
    )
    complete: bool = Field(default=True, description="False while an answer is being streamed.")


class Companion:
    """Reads a journal entry: safety first, then its emotions, then a suggestion.

    >>> companion = Companion()
    >>> companion.reply("Hari ini aku gagal lagi").suggestion

    It may be used from several threads, and is a context manager, as its engine is.
    """

    def __init__(
        self,
        classifier: EmotionClassifier | None = None,
        engine: SuggestionEngine | None = None,
        *,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        """Take a classifier (default: the bundled one) and an engine (default: ``auto()``).

        Raises:
            InputError: the threshold is no probability.
        """
        from ..inference import EmotionClassifier

        if not 0 <= threshold < 1:
            raise InputError(f"the threshold is {threshold}; expected 0 or more and less than 1")
        self._classifier = classifier or EmotionClassifier.from_pretrained()
        self._engine = engine or SuggestionEngine.auto()
        self._threshold = threshold

    def reply(self, entry: str, *, session: str = "") -> JournalReply:
        """Answer an entry.

        Args:
            entry: what a person wrote, 1 to 20,000 characters.
            session: any key of a visitor, so that a suggestion is not repeated to them at once.

        Raises:
            InputError: the entry is empty, too long, or has no word or emoji to read.
        """
        *_, last = self.stream(entry, session=session)
        return last

    def stream(self, entry: str, *, session: str = "") -> Iterator[JournalReply]:
        """Answer an entry as the suggestion is being written; the last element is all of it.

        The first element holds the emotions, before an engine has written a word. Args and errors
        as in :meth:`reply`.
        """
        found: list[FoundEmotion] = []

        def classify(text: str) -> list[str]:
            found.extend(self._find_emotions(text))
            return [emotion.label for emotion in found]

        suggestions = self._engine.stream(entry, emotion=classify, session=session)
        return self._replies(found, suggestions)

    def _replies(
        self, found: list[FoundEmotion], suggestions: Iterator[Suggestion]
    ) -> Iterator[JournalReply]:
        if found:
            begun = Suggestion(text="", source=self._engine.name, safety=NO_CRISIS, complete=False)
            yield _as_reply(found, begun)
        for suggestion in suggestions:
            yield _as_reply(found, suggestion)

    def _find_emotions(self, entry: str) -> list[FoundEmotion]:
        scores = self._classifier(entry, top_k=None)
        return found_emotions({item["label"]: item["score"] for item in scores}, self._threshold)

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def found_emotions(scores: Mapping[str, float], threshold: float) -> list[FoundEmotion]:
    """Return every emotion over the threshold, and at least the best one, the best first."""
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    over = [item for item in ranked if item[1] > threshold] or ranked[:1]
    return [FoundEmotion(label=label, score=round(score, 3)) for label, score in over]


def _as_reply(found: list[FoundEmotion], suggestion: Suggestion) -> JournalReply:
    return JournalReply(
        emotions=found,
        suggestion=suggestion.text,
        note=suggestion.note,
        engine=suggestion.source,
        model=suggestion.model,
        fallback=suggestion.fallback,
        safety=suggestion.safety,
        help_lines=help_lines(suggestion.safety.kind) if suggestion.safety.crisis else [],
        complete=suggestion.complete,
    )
