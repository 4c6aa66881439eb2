"""The endpoints for developers: ``/predict``, ``/suggest`` and ``/batch``, also as MCP tools.

Nothing that goes wrong in them puts a word of an entry into the log: what a caller can mend is told
to the caller in one line, and of anything else the log gets the kind and the place.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import gradio as gr
from gradio.events import api

from ..errors import InputError
from ..labels import EMOTIONS
from ..suggestions.companion import DEFAULT_THRESHOLD, FoundEmotion, found_emotions
from ..suggestions.engine import MAX_ENTRY_CHARACTERS
from ..suggestions.safety import NO_CRISIS, SafetyCheck, help_lines
from ..text import to_valid_unicode
from . import patches
from .markup import VisitorError, words
from .reading import Reader, checked_entry
from .service import Service

if TYPE_CHECKING:
    from ..inference.classifier import EmotionScore

MAX_BATCH_TEXTS = 1_000
MAX_BATCH_CHARACTERS = 200_000

# An entry is asked about once for each word, so a long one takes a hundred times what a short one
# takes, up to a length from which on words are asked about in groups.
_CHARACTERS_PER_REQUEST = 250
_MAX_REQUESTS_PER_ENTRY = 10
_BATCH_TEXTS_PER_REQUEST = 20
_BATCH_CHARACTERS_PER_REQUEST = 4_000

# Of Gradio's forty places for work in progress. A suggestion may hang for as long as Gemini may be
# asked, and must leave places for everything else.
_PREDICT_PLACES = 8
SUGGEST_PLACES = 16
_BATCH_PLACES = 1

_INDONESIAN = {emotion.name: emotion.indonesian for emotion in EMOTIONS}

logger = logging.getLogger(__name__)


def add_endpoints(service: Service) -> None:
    """Add the three endpoints to the ``gr.Blocks`` that is being built."""
    patches.apply()

    async def predict(  # noqa: D417  (the request comes from Gradio)
        text: str, request: gr.Request, threshold: float = DEFAULT_THRESHOLD
    ) -> dict[str, Any]:
        """Find the emotions of an Indonesian mood-journal entry, sentence by sentence and by word.

        Every entry is checked for a crisis first (suicidal thoughts, self-harm, violence). In a
        crisis no emotion is given, and help_lines lists the places in Indonesia to turn to: show
        them to the person.

        Args:
            text: the entry, in Indonesian, 1 to 20,000 characters.
            threshold: emotions over this probability are answered with, or else the best one.

        Returns:
            crisis, concern, help_lines, emotions, and the sentences and words of the entry.
        """
        with told_errors():
            service.limiter.check(request, cost_of_entry(text))
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(service.reading, read_entry, service, text, threshold)

    def suggest(text: str, request: gr.Request) -> dict[str, Any]:  # noqa: D417
        """Answer an Indonesian mood-journal entry with its emotions and one warm suggestion.

        Every entry is checked for a crisis first; in a crisis the suggestion is a fixed message,
        and help_lines lists the places in Indonesia to turn to: show them to the person.

        Args:
            text: the entry, in Indonesian, 1 to 20,000 characters.

        Returns:
            emotions, suggestion (a paragraph in Indonesian), note, engine, safety, help_lines.
        """
        with told_errors():
            service.limiter.check(request, cost_of_entry(text))
            session = request.session_hash or "" if request else ""
            return service.companion.reply(text, session=session).model_dump(mode="json")

    async def batch(  # noqa: D417
        texts: list[str], request: gr.Request, threshold: float = DEFAULT_THRESHOLD
    ) -> list[dict[str, Any]]:
        """Find the emotions of many Indonesian texts, at most 1,000 and 200,000 characters in all.

        Args:
            texts: the texts, in Indonesian.
            threshold: emotions over this probability are answered with, or else the best one.

        Returns:
            For each text, in order: crisis, concern, help_lines and emotions; no emotion in a
            crisis, nor for a text with nothing to read.
        """
        with told_errors():
            check_batch(texts)
            service.limiter.check(request, cost_of_batch(texts))
            return await asyncio.to_thread(read_batch, service, texts, threshold)

    _register(predict, _PREDICT_PLACES)
    _register(suggest, SUGGEST_PLACES)
    _register(batch, _BATCH_PLACES)


def _register(endpoint: Any, places: int) -> None:
    name = endpoint.__name__
    api(endpoint, api_name=name, concurrency_id=name, concurrency_limit=places)


def read_entry(service: Service, text: str, threshold: float) -> dict[str, Any]:
    """Answer ``/predict``: the crisis check, then emotions, sentences and words.

    Raises:
        InputError: the text is empty, too long or unreadable, or the threshold is no probability.
    """
    threshold = _checked_threshold(threshold)
    if not isinstance(text, str):
        raise VisitorError("api.not_a_text")
    # Half a surrogate pair, which JSON may hold, becomes a character that answers may hold too.
    reading = Reader(service.classifier, service.detector).read(to_valid_unicode(text), threshold)
    return {
        **_safety_answer(reading.safety),
        "emotions": _with_names(reading.emotions),
        "sentences": [sentence.model_dump() for sentence in reading.sentences],
        "words": [word.model_dump() for word in reading.words],
    }


def read_batch(service: Service, texts: list[str], threshold: float) -> list[dict[str, Any]]:
    """Answer ``/batch``; texts in which there is nothing to read get no emotion.

    Raises:
        InputError: the threshold is no probability.
    """
    threshold = _checked_threshold(threshold)
    answers = [_safety_answer(_check_safety(service, text)) for text in texts]
    safe = [number for number, answer in enumerate(answers) if not answer["crisis"]]
    rows = service.classifier.predict_stream((texts[number] for number in safe), top_k=None)
    for number, row in zip(safe, rows, strict=True):
        scores = {score["label"]: score["score"] for score in cast("list[EmotionScore]", row)}
        answers[number]["emotions"] = _with_names(found_emotions(scores, threshold))
    return answers


def check_batch(texts: Any) -> None:
    """Check the texts of ``/batch``.

    Raises:
        VisitorError: they are no list of texts, or too many, or too long together.
    """
    if not isinstance(texts, list):
        raise VisitorError("api.no_list")
    if len(texts) > MAX_BATCH_TEXTS:
        limit = f"{MAX_BATCH_TEXTS:,}"
        raise VisitorError("api.too_many_texts", limit=limit, count=f"{len(texts):,}")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise VisitorError("api.no_text", number=number)
        if len(text) > MAX_ENTRY_CHARACTERS:
            limit = f"{MAX_ENTRY_CHARACTERS:,}"
            raise VisitorError("api.too_long", number=number, limit=limit)
    count = sum(map(len, texts))
    if count > MAX_BATCH_CHARACTERS:
        limit = f"{MAX_BATCH_CHARACTERS:,}"
        raise VisitorError("api.too_many_characters", limit=limit, count=f"{count:,}")


def cost_of_entry(text: Any) -> int:
    """Return how many requests an entry counts as, for the rate limit."""
    length = len(text) if isinstance(text, str) else 0
    return min(1 + length // _CHARACTERS_PER_REQUEST, _MAX_REQUESTS_PER_ENTRY)


def cost_of_batch(texts: list[str]) -> int:
    """Return how many requests checked texts count as, for the rate limit."""
    by_length = sum(map(len, texts)) // _BATCH_CHARACTERS_PER_REQUEST
    return max(1, -(-len(texts) // _BATCH_TEXTS_PER_REQUEST), by_length)


@contextmanager
def told_errors() -> Iterator[None]:
    """Turn errors into one line for the caller, without anything of an entry in the log.

    Raises:
        gr.Error: what the caller can mend in so many words; anything else as our fault.
    """
    try:
        yield
    except InputError as error:
        raise gr.Error(str(error), print_exception=False) from None
    except Exception as error:
        logger.error("an endpoint failed: %s", patches.kind_and_place(error))
        raise gr.Error(words("common.broken", "en"), print_exception=False) from None


def _check_safety(service: Service, text: str) -> SafetyCheck:
    try:
        return service.detector.check(checked_entry(text))
    except VisitorError:  # there is nothing to be seen in it
        return NO_CRISIS


def _safety_answer(safety: SafetyCheck) -> dict[str, Any]:
    lines = help_lines(safety.kind) if safety.crisis else []
    return {
        "crisis": safety.crisis,
        "concern": safety.concern,
        "help_lines": [line.model_dump(mode="json") for line in lines],
        "emotions": [],
    }


def _with_names(emotions: list[FoundEmotion]) -> list[dict[str, Any]]:
    return [
        {"label": found.label, "label_id": _INDONESIAN[found.label], "score": found.score}
        for found in emotions
    ]


def _checked_threshold(threshold: Any) -> float:
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not is_number or not 0 <= threshold < 1:
        raise VisitorError("api.threshold")
    return float(threshold)
