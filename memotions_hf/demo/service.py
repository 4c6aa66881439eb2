"""What all visitors of the app share: the models, loaded once, and the rate limiter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from .limits import RateLimiter

if TYPE_CHECKING:
    from ..inference import EmotionClassifier
    from ..suggestions import Companion, SuggestionEngine
    from ..suggestions.safety import CrisisDetector

# ONNX Runtime and the tokenizer let go of Python's lock, and there are two cores.
_READING_THREADS = 2


@dataclass(frozen=True)
class _Models:
    classifier: EmotionClassifier
    detector: CrisisDetector
    engine: SuggestionEngine
    companion: Companion


def _bundled_classifier() -> EmotionClassifier:
    from ..inference import EmotionClassifier

    return EmotionClassifier.from_pretrained()


def _engine_of_environment() -> SuggestionEngine:
    from ..suggestions import SuggestionEngine

    return SuggestionEngine.auto()


class Service:
    """The models that all visitors share; they load in the background, so that a page shows first.

    >>> with Service() as service:
    ...     service.companion.reply("Hari ini aku gagal lagi").suggestion

    What has not been loaded yet is waited for, and an error of the loading is raised there.
    """

    def __init__(
        self,
        *,
        make_classifier: Callable[[], EmotionClassifier] = _bundled_classifier,
        make_engine: Callable[[], SuggestionEngine] = _engine_of_environment,
        limiter: RateLimiter | None = None,
    ) -> None:
        """Take what makes the models, and a limiter (default: that of the environment).

        Raises:
            InputError: a variable of the environment holds no rate.
        """
        self.limiter = limiter or RateLimiter.from_environment()
        self.reading = ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="memotions-reading")
        """Threads for reading entries, which no engine that hangs can ever hold."""
        self._make_classifier = make_classifier
        self._make_engine = make_engine
        self._models: Future[_Models] = Future()
        self._starting = threading.Lock()

    def start(self) -> Self:
        """Begin to load the models, unless that has begun already; returns at once."""
        with self._starting:
            if not self._models.running() and not self._models.done():
                self._models.set_running_or_notify_cancel()
                threading.Thread(target=self._load, name="memotions-loading", daemon=True).start()
        return self

    @property
    def loaded(self) -> bool:
        """Whether the models can be used at once."""
        return self._models.done() and self._models.exception() is None

    @property
    def classifier(self) -> EmotionClassifier:
        """The classifier."""
        return self._wait().classifier

    @property
    def detector(self) -> CrisisDetector:
        """The crisis detector, which is asked before anything else."""
        return self._wait().detector

    @property
    def companion(self) -> Companion:
        """The classifier and the engine in one."""
        return self._wait().companion

    @property
    def engine_name(self) -> str:
        """Who writes the suggestions: ``local`` or ``gemini``."""
        return self._wait().engine.name

    def close(self) -> None:
        """Close the engine and the threads; the service cannot be used afterwards."""
        self.reading.shutdown(wait=False, cancel_futures=True)
        if self._models.running() or self.loaded:
            self.companion.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self) -> _Models:
        return self.start()._models.result()

    def _load(self) -> None:
        try:
            self._models.set_result(self._make_models())
        except BaseException as error:  # raised again to whoever asks for a model
            self._models.set_exception(error)

    def _make_models(self) -> _Models:
        from ..suggestions import Companion
        from ..suggestions.safety import CrisisDetector

        classifier, engine = self._make_classifier(), self._make_engine()
        companion = Companion(classifier, engine)
        return _Models(classifier, CrisisDetector.load(), engine, companion)
