"""What is read in an entry: the crisis check first, then its emotions, words and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from ..errors import InputError
from ..suggestions.companion import DEFAULT_THRESHOLD, FoundEmotion, found_emotions
from ..suggestions.engine import MAX_ENTRY_CHARACTERS, clean_entry
from ..suggestions.safety import SafetyCheck
from .markup import VisitorError

if TYPE_CHECKING:
    from ..inference import EmotionClassifier
    from ..inference.journal import SentenceEmotion
    from ..suggestions.safety import CrisisDetector


class ReadWord(BaseModel):
    """A word of the entry, ``text[start:end]``, and how much it speaks for the first emotion."""

    model_config = ConfigDict(frozen=True)

    text: str
    start: int
    end: int
    contribution: float


class ReadSentence(BaseModel):
    """A sentence of the entry, ``text[start:end]``, and its most probable emotion."""

    model_config = ConfigDict(frozen=True)

    text: str
    start: int
    end: int
    label: str
    score: float


class Reading(BaseModel):
    """What was read in an entry; in a crisis there is only the safety check."""

    model_config = ConfigDict(frozen=True)

    safety: SafetyCheck
    emotions: list[FoundEmotion] = Field(
        default=[], description="Every emotion over the threshold, the most probable first."
    )
    words: list[ReadWord] = []
    sentences: list[ReadSentence] = []


class Reader:
    """Reads entries: safety first, and where that finds a crisis, nothing else."""

    def __init__(self, classifier: EmotionClassifier, detector: CrisisDetector) -> None:
        self._classifier = classifier
        self._detector = detector

    def read(self, entry: str, threshold: float = DEFAULT_THRESHOLD) -> Reading:
        """Read an entry.

        Args:
            entry: what a person wrote, 1 to 20,000 characters.
            threshold: emotions over this probability are found; the best one always is.

        Raises:
            VisitorError: the entry is empty, too long, or has no word or emoji to read.
        """
        safety = self._detector.check(checked_entry(entry))
        if safety.crisis:
            return Reading(safety=safety)
        try:
            words = self._classifier.explain(entry)
        except InputError:
            raise VisitorError("write.unreadable") from None
        analysis = self._classifier.analyze_journal(entry)
        return Reading(
            safety=safety,
            emotions=found_emotions(analysis.scores, threshold),
            words=[
                ReadWord(text=token, start=start, end=end, contribution=round(value, 4))
                for token, start, end, value in words
            ],
            sentences=[_as_sentence(sentence) for sentence in analysis.sentences],
        )


def checked_entry(entry: str) -> str:
    """Return an entry without what cannot be seen.

    Raises:
        VisitorError: it is empty or too long.
    """
    if len(entry) > MAX_ENTRY_CHARACTERS:
        raise VisitorError("write.too_long", length=len(entry), limit=MAX_ENTRY_CHARACTERS)
    try:
        return clean_entry(entry)
    except InputError:
        raise VisitorError("write.empty") from None


def _as_sentence(sentence: SentenceEmotion) -> ReadSentence:
    return ReadSentence(
        text=sentence.text,
        start=sentence.start,
        end=sentence.end,
        label=sentence.label,
        score=round(sentence.scores[sentence.label], 3),
    )
