"""A corpus from English to Indonesian: resumable, and patient with a service that is not.

Every answer goes into the cache as soon as its batch is done, so a run that was stopped, by Ctrl-C
or by ``kill -9``, goes on where it stopped. A text that could not be translated is reported and
stays out of the cache. The texts themselves never appear in a log or an error message.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import CorpusError, InputError, MemotionsError, require
from ..ray_session import open_ray
from .translation_cache import TranslationCache, text_key
from .translators import (
    MARIAN_MODEL,
    TRANSLATORS,
    GoogleTranslator,
    MarianTranslator,
    RateLimitedError,
    TranslationError,
    Translator,
    is_error_page,
    make_translator,
)

__all__ = [
    "MARIAN_MODEL",
    "TRANSLATORS",
    "GoogleTranslator",
    "MarianTranslator",
    "RateLimitedError",
    "TranslationCache",
    "TranslationError",
    "TranslationReport",
    "Translator",
    "make_translator",
    "translate",
    "translate_with_ray",
]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_READ_AHEAD = 1_024
_LONGEST_BACK_OFF = 60.0
_LONGEST_PAUSE = 3_600.0
_GIVE_UP_AFTER = 20
_ECHO_WORDS = 3
Progress = Callable[[int], object]
"""Called with the number of texts that are done since the last call, as ``tqdm.update`` is."""


@dataclass
class TranslationReport:
    """What became of the texts of a run.

    ``requested`` counts all texts, the others distinct ones: ``distinct`` is the sum of ``cached``
    (translated before), ``translated`` (now) and the length of ``failed``.
    """

    engine: str
    requested: int = 0
    distinct: int = 0
    cached: int = 0
    translated: int = 0
    failed: list[tuple[int, str]] = field(default_factory=list)
    """The position of each text that has no translation, where it first stands, and the reason."""

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, and the number of failed texts by reason, for JSON."""
        return vars(self) | {"failed": dict(Counter(reason for _, reason in self.failed))}


_Item = tuple[int, str]
"""The position of a text among those of the run, and the text."""
_Outcome = tuple[str | None, str]
"""A translation, or None and the reason."""


class _Batches:
    """Translates batches for all workers: repeats failed calls, and pauses all when told to."""

    def __init__(
        self, translator: Translator, retries: int, sleep: Callable[[float], object] | None = None
    ) -> None:
        self._translator, self._retries = translator, retries
        self.stop = threading.Event()
        self._sleep = sleep or self.stop.wait  # a worker that waits must not delay Ctrl-C
        self._lock = threading.Lock()
        self._resume_at = 0.0
        self._failures_in_a_row = 0
        self._given_up: str | None = None

    def __call__(self, texts: Sequence[str]) -> list[_Outcome]:
        """Return the outcome of every text; of the first ones only where the run was stopped."""
        outcomes: list[_Outcome] = []
        size = len(texts)
        while len(outcomes) < len(texts) and not self.stop.is_set():
            rest = texts[len(outcomes) :][:size]
            answers, error = self._call(rest)
            outcomes += map(_outcome, rest, answers)
            if self._given_up:
                return outcomes + [(None, self._given_up)] * (len(texts) - len(outcomes))
            if error and size == 1:
                outcomes.append((None, error))
            elif error:
                size = 1  # one text may spoil the call for the others
        return outcomes

    def _call(self, texts: Sequence[str]) -> tuple[list[str | None], str | None]:
        """Return the answers to the first texts, and why there are no more of them."""
        answers: list[str | None] = []
        failures = 0
        while not (self._given_up or self.stop.is_set()):
            self._wait()
            before = len(answers)
            error = self._answer(texts, answers)
            if len(answers) == len(texts) or self.stop.is_set():
                break
            if len(answers) > before:
                failures = self._failures_in_a_row = 0
            failures += 1
            if failures > self._retries:
                self._note_failure(error)
                return answers, str(error)
            self._back_off(failures, error)
        return answers, None

    def _answer(self, texts: Sequence[str], answers: list[str | None]) -> TranslationError:
        """Add the answers to the rest of the texts; return what went wrong if they are not all."""
        rest = texts[len(answers) :]
        try:
            given = self._translator.translate(rest)
            if isinstance(given, Sized) and len(given) != len(rest):
                # Nobody can tell which answer belongs to which text.
                return TranslationError(f"{len(given)} answers to {len(rest)} texts")
            for answer in itertools.islice(given, len(rest)):
                answers.append(answer)
                if len(answers) < len(texts):
                    self._wait()  # another worker may have been told to pause meanwhile
                if self.stop.is_set():
                    break
        except TranslationError as error:
            return error
        return TranslationError("fewer answers than texts")

    def _wait(self) -> None:
        delay = self._resume_at - time.monotonic()
        if delay > 0:
            self._sleep(delay)

    def _back_off(self, failures: int, error: TranslationError) -> None:
        # Full jitter: workers that failed together must not all come back together.
        delay = random.uniform(0, min(_LONGEST_BACK_OFF, 2.0 ** (failures - 1)))
        delay = max(delay, error.retry_after or 0.0)
        if delay > _LONGEST_PAUSE:
            self._give_up(f"{error}, and asks for a pause of {delay:,.0f} s")
        elif isinstance(error, RateLimitedError):
            _log.info("%s: all workers pause for %.0f s", error, delay)
            with self._lock:
                self._resume_at = max(self._resume_at, time.monotonic() + delay)
        else:
            self._sleep(delay)

    def _note_failure(self, error: TranslationError) -> None:
        """Give up where call after call failed: more of them would only take more hours."""
        with self._lock:
            self._failures_in_a_row += 1
            out_of_order = self._failures_in_a_row >= _GIVE_UP_AFTER
        if out_of_order:
            self._give_up(f"{error}, {_GIVE_UP_AFTER} times in a row")

    def _give_up(self, reason: str) -> None:
        if self._given_up is None:
            self._given_up = f"not asked for: {reason}"
            _log.warning("no more texts are sent: %s", reason)


def _outcome(text: str, answer: str | None) -> _Outcome:
    reason = _why_refused(text, answer)
    return (None, reason) if reason else (answer, "")


def _why_refused(text: str, answer: str | None) -> str | None:
    if answer is None:
        return "no translation"
    if not answer.strip():
        return "an empty answer"
    if is_error_page(answer):
        return "an error page as the answer"
    # A few words may well stay as they are (ok, lol, New York Times). A whole English sentence
    # that comes back is the usual sign of a service that did not translate, and Indonesian words
    # are what the row is wanted for.
    words = text.casefold().split()
    if len(words) > _ECHO_WORDS and words == answer.casefold().split():
        return "the text itself as the answer"
    return "an answer in broken Unicode" if _is_broken(answer) else None


def _why_not_sent(text: str) -> str | None:
    if not text.strip():
        return "nothing to translate"
    return "broken Unicode" if _is_broken(text) else None


def _is_broken(text: str) -> bool:
    """Return whether half a surrogate pair stands in a text, which no file or request can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class _Run:
    """One run: which texts are to be translated, and what is kept and reported of the answers."""

    def __init__(self, engine: str, cache: TranslationCache, progress: Progress | None) -> None:
        self.report = TranslationReport(engine)
        self._cache, self._progress = cache, progress or (lambda _: None)

    def pending(self, texts: Iterable[str]) -> Iterator[_Item]:
        """Yield each distinct text that has no translation yet, reading a little ahead."""
        report = self.report
        seen: set[bytes] = set()
        for chunk in _chunks(enumerate(texts), _READ_AHEAD):
            new = []
            for item in chunk:
                key = text_key(item[1])
                if key not in seen:
                    seen.add(key)
                    new.append(item)
            found = self._cache.lookup(report.engine, [text for _, text in new])
            pending = []
            for item, translation in zip(new, found, strict=True):
                if translation is not None:
                    report.cached += 1
                elif reason := _why_not_sent(item[1]):
                    report.failed.append((item[0], reason))
                else:
                    pending.append(item)
            report.requested += len(chunk)
            report.distinct += len(new)
            self._progress(len(chunk) - len(pending))
            yield from pending

    def keep(self, items: Sequence[_Item], outcomes: Sequence[_Outcome]) -> None:
        """Write the translations of a batch, then count them; fewer outcomes where it stopped."""
        answered = [(*item, *outcome) for item, outcome in zip(items, outcomes, strict=False)]
        done = [(text, answer) for _, text, answer, _ in answered if answer is not None]
        self._cache.put(self.report.engine, done)
        self.report.translated += len(done)
        self.report.failed += [(index, why) for index, _, answer, why in answered if answer is None]
        self._progress(len(answered))

    @contextmanager
    def reported(self) -> Iterator[TranslationReport]:
        """Finish the report; on Ctrl-C say what is done, and that nothing of it is lost."""
        try:
            yield self.report
        except KeyboardInterrupt:
            done = self.report.cached + self.report.translated
            _log.warning("stopped: %d texts are translated and kept; run it again to go on", done)
            raise
        self.report.failed.sort()


def _chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def _check_numbers(batch_size: int, concurrency: int, retries: int) -> None:
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("concurrency", concurrency, 1),
        ("retries", retries, 0),
    ):
        if value < least:
            raise InputError(f"{name} is {value}; expected {least} or more")


def translate(
    texts: Iterable[str],
    translator: Translator,
    cache: TranslationCache,
    *,
    batch_size: int = 32,
    concurrency: int = 4,
    retries: int = 5,
    progress: Progress | None = None,
    sleep: Callable[[float], object] | None = None,
) -> TranslationReport:
    """Translate the texts that the cache does not hold yet, into the cache.

    A failed call is repeated with growing pauses, then its texts are sent one by one. Where call
    after call fails, no more are sent, and the rest is reported as failed. Ctrl-C waits for the
    requests under way and keeps their answers; run it again to go on.

    Args:
        texts: the texts; they are read little by little, and each distinct one is sent once.
        translator: where to send them.
        cache: where the answers go, batch by batch.
        batch_size: texts in a batch.
        concurrency: batches under way at once (a model on this machine runs one at a time).
        retries: how often a failed call is repeated.
        progress: called with the number of texts done since its last call.
        sleep: waits for the given seconds; None waits in real time, until Ctrl-C at most.

    Returns:
        What became of the texts. What failed is in the report only, and is sent again next time.

    Raises:
        InputError: a number is too small.
        CorpusError: the cache cannot be written; what it holds already stays.
        ModelLoadError: the translator's model cannot be loaded.
        MissingExtraError: the translator's library is not installed.
    """
    _check_numbers(batch_size, concurrency, retries)
    run = _Run(translator.name, cache, progress)
    batches = _Batches(translator, retries, sleep)
    running: dict[Future[list[_Outcome]], list[_Item]] = {}

    def keep_finished() -> None:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            run.keep(running[future], future.result())
            del running[future]

    with run.reported() as report, ThreadPoolExecutor(concurrency) as pool:
        try:
            for items in _chunks(run.pending(texts), batch_size):
                running[pool.submit(batches, [text for _, text in items])] = items
                # One batch waits for each that is under way; no more are read before one is done.
                if len(running) >= 2 * concurrency:
                    keep_finished()
            while running:
                keep_finished()
        except BaseException:
            batches.stop.set()
            pool.shutdown(cancel_futures=True)
            for future, items in running.items():
                if not future.cancelled() and future.exception() is None:
                    with suppress(CorpusError):  # the first error is the one to be shown
                        run.keep(items, future.result())
            raise
    return report


class _RayBatches:
    """Translates the blocks of a Ray dataset, in an actor that makes its translator once."""

    def __init__(self, make_translator: Callable[[], Translator], retries: int) -> None:
        self._batches = _Batches(make_translator(), retries)

    def __call__(self, block: Any) -> Any:
        pyarrow = require("pyarrow", "ray")
        texts, problem = block["text"].to_pylist(), ""
        try:
            outcomes = self._batches(texts)
        except MemotionsError as error:  # raised from here, it would come with pages of traces
            outcomes, problem = [(None, "")] * len(texts), str(error)
        answers, reasons = zip(*outcomes, strict=True)
        for name, values in (
            ("answer", answers), ("reason", reasons), ("problem", [problem] * len(texts)),
        ):  # fmt: skip
            block = block.append_column(name, pyarrow.array(values, pyarrow.string()))
        return block


def translate_with_ray(
    texts: Iterable[str],
    make_translator: Callable[[], Translator],
    cache: TranslationCache,
    *,
    batch_size: int = 32,
    concurrency: int = 2,
    retries: int = 5,
    progress: Progress | None = None,
) -> TranslationReport:
    """Do what :func:`translate` does on Ray: on the cluster of ``RAY_ADDRESS``, else locally.

    Every worker has a translator of its own, and retries and pauses on its own. Only this process
    writes to the cache, each batch as it arrives.

    Args:
        texts: the texts; all that are to be sent are held in memory.
        make_translator: makes a translator, here and in every worker; it has to be picklable.
        cache: where the answers go.
        batch_size: texts in a batch.
        concurrency: workers, each with one CPU.
        retries: how often a failed call is repeated.
        progress: called with the number of texts done since its last call.

    Returns:
        What became of the texts.

    Raises:
        InputError: a number is too small.
        CorpusError: the cache cannot be written.
        MissingExtraError: the ``ray`` extra, or the translator's, is not installed.
        MemotionsError: what a translator raised in a worker.
    """
    _check_numbers(batch_size, concurrency, retries)
    pyarrow = require("pyarrow", "ray")
    run = _Run(make_translator().name, cache, progress)
    with run.reported() as report:
        pending = _chunks(run.pending(texts), batch_size)
        blocks = [
            pyarrow.table(list(zip(*items, strict=True)), names=["index", "text"])
            for items in pending
        ]
        if blocks:
            workers = min(concurrency, len(blocks))
            with open_ray(workers) as ray:
                answered = ray.data.from_arrow(blocks).map_batches(
                    _RayBatches,
                    fn_constructor_args=(make_translator, retries),
                    batch_size=None,
                    batch_format="pyarrow",
                    compute=ray.data.ActorPoolStrategy(size=workers),
                    num_cpus=1,
                )
                for block in answered.iter_batches(batch_size=None, batch_format="pyarrow"):
                    columns = block.to_pydict()
                    if columns["problem"][0]:
                        raise MemotionsError(columns["problem"][0])
                    items = list(zip(columns["index"], columns["text"], strict=True))
                    outcomes = zip(columns["answer"], columns["reason"], strict=True)
                    run.keep(items, list(outcomes))
    return report
