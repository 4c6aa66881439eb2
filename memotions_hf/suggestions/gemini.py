"""Suggestions written by Gemini on Vertex AI; whenever it does not, the embedded engine answers.

Gemini gets one total time for everything: connecting, retries, a slow answer, a second call after
an unfit one. Nothing that it writes is shown before the sentence is whole and keeps the rules.
Neither the entry nor the answer is ever logged.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any, Generic, Literal, Self, TypeVar

from ..errors import EngineError, require
from ..inference.journal import split_sentences
from . import rules
from .engine import PROJECT_VARIABLE, Request, Suggestion, SuggestionEngine
from .prompt import SYSTEM_INSTRUCTION, build_contents
from .safety import CrisisDetector

DEFAULT_MODEL = "gemini-3.5-flash-lite"
"""Generally available and tunable; Gemini 2.5 Flash stops on 1 December 2026."""

FallbackReason = Literal[
    "timeout",  # no whole answer within the total time
    "unavailable",  # no connection, a cut one, or a failure of the service (5xx)
    "quota",  # the service says that too much was asked (429)
    "blocked",  # Gemini's safety filters stopped the entry or the answer
    "empty",  # an answer without text, twice
    "unfit",  # an answer that breaks our rules, twice
    "denied",  # the credentials are not accepted (401, 403)
    "not_found",  # there is no such model or endpoint here (404)
    "budget",  # the tokens of this day are spent
    "paused",  # too many failures in a row: Gemini is not asked for a while
    "error",  # anything else, such as an answer that cannot be read
]
"""Why Gemini did not write a suggestion; the values of :attr:`Suggestion.fallback`."""

_FAULTS: frozenset[str] = frozenset(
    {"timeout", "unavailable", "quota", "denied", "not_found", "error"}
)
_WORTH_A_SECOND_CALL: frozenset[str] = frozenset({"empty", "unfit"})
_REASON_BY_STATUS: dict[int, FallbackReason] = {
    401: "denied",
    403: "denied",
    404: "not_found",
    408: "timeout",
    429: "quota",
    504: "timeout",
}
_RETRIED_STATUS = frozenset({429, 503})
_UNBILLED: frozenset[str] = frozenset({"unavailable", "quota", "denied", "not_found"})

MAX_OUTPUT_TOKENS = 600
_CHARACTERS_PER_TOKEN = 3
_MAX_CONNECTIONS = 256
_GRACE = 0.2
# Kept back of the total time, so that the embedded engine has answered when it is over.
_RESERVED_SHARE = 0.1
_MAX_RESERVED = 1.0
_CLOSE_SECONDS = 5.0

MODEL_VARIABLE = "MEMOTIONS_GEMINI_MODEL"
LOCATION_VARIABLE = "GOOGLE_CLOUD_LOCATION"
TIMEOUT_VARIABLE = "MEMOTIONS_GEMINI_TIMEOUT"
BUDGET_VARIABLE = "MEMOTIONS_GEMINI_TOKEN_BUDGET"
_CREDENTIALS_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]{0,62}")
_LOCATION = re.compile(r"[a-z][a-z0-9-]{0,62}")
_MODEL = re.compile(r"[a-z0-9][a-z0-9.@-]{0,99}", re.I)
_ENDPOINT = re.compile(r"projects/([a-z0-9.:-]+)/locations/([a-z0-9-]+)/endpoints/[\w-]+")

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GeminiConfig:
    """Where Gemini is, and how long and how much it may be asked."""

    project: str
    """The Google Cloud project; of no account where the model is an endpoint of another one."""
    credentials: Any = field(repr=False)
    """Google credentials, as ``google.auth.default()`` returns them."""
    location: str = "global"
    """Where the model runs; an endpoint brings its own."""
    model: str = DEFAULT_MODEL
    """A model's name, or ``projects/P/locations/L/endpoints/N`` for a tuned one."""
    base_url: str | None = None
    """Another address of the service, such as a private one."""
    connect_timeout: float = 3.0
    """Seconds for one connection to come about."""
    timeout: float = 12.0
    """Seconds until there is an answer, the embedded engine's where Gemini is late."""
    max_attempts: int = 3
    """How often a call is made, where the service is busy (429, 503) or the connection fails."""
    retry_delay: float = 0.5
    """Seconds before the second attempt, on average; doubled with each further one."""
    token_budget: int = 500_000
    """Tokens that this process may use in a day (UTC); 0 sets no limit."""
    failures_before_pause: int = 5
    """After so many failures in a row Gemini is left alone for a while."""
    pause: float = 30.0
    """How many seconds it is left alone."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read the configuration from the environment; see :meth:`GeminiEngine.from_environment`.

        Raises:
            EngineError: a variable is missing or cannot be used, or there are no credentials.
        """
        model = _read(MODEL_VARIABLE, DEFAULT_MODEL)
        if not _MODEL.fullmatch(model) and not _ENDPOINT.fullmatch(model):
            expected = "a model's name or projects/PROJECT/locations/LOCATION/endpoints/NUMBER"
            raise _unusable(MODEL_VARIABLE, model, expected)
        return cls(
            project=_read(PROJECT_VARIABLE, "", _PROJECT, "the id of your Google Cloud project"),
            location=_read(LOCATION_VARIABLE, "global", _LOCATION, "'global' or a region's name"),
            model=model,
            timeout=_read_seconds(TIMEOUT_VARIABLE, cls.timeout),
            token_budget=_read_count(BUDGET_VARIABLE, cls.token_budget),
            credentials=_default_credentials(),
        )

    @property
    def place(self) -> tuple[str, str]:
        """The project and the location that are asked."""
        endpoint = _ENDPOINT.fullmatch(self.model)
        return (endpoint[1], endpoint[2]) if endpoint else (self.project, self.location)


class GeminiEngine(SuggestionEngine):
    """Writes suggestions with Gemini; the embedded engine answers whenever Gemini does not.

    Such an answer has ``source="local"`` and says why in ``fallback``; see :data:`FallbackReason`.
    One engine may be used from many threads.
    """

    name = "gemini"

    def __init__(
        self,
        config: GeminiConfig,
        *,
        fallback: SuggestionEngine | None = None,
        detector: CrisisDetector | None = None,
    ) -> None:
        """Prepare the engine; nothing is sent before the first suggestion.

        Args:
            config: where Gemini is, and how long and how much it may be asked.
            fallback: who answers when Gemini does not, closed with this engine; default: the
                embedded engine.
            detector: the crisis detector; default: the one that comes with the package.

        Raises:
            MissingExtraError: the ``gemini`` extra is not installed.
        """
        super().__init__(detector)
        self._config = config
        self._circuit = _Circuit(config.failures_before_pause, config.pause)
        self._budget = _TokenBudget(config.token_budget)
        self._http = _http_client(config)
        self._client = _genai_client(config, self._http)
        self._generation = _generation_config(config.model)
        self._loop = _LoopThread()
        self._fallback = fallback or self._embedded_engine()

    def _embedded_engine(self) -> SuggestionEngine:
        from .local import LocalEngine

        return LocalEngine(detector=self._detector)

    @classmethod
    def from_environment(cls) -> Self:
        """Return an engine configured by the environment.

        ``GOOGLE_CLOUD_PROJECT`` is needed, and application-default credentials. These may be set:
        ``GOOGLE_CLOUD_LOCATION`` ("global"), ``MEMOTIONS_GEMINI_MODEL`` (a name, or the full name
        of an endpoint), ``MEMOTIONS_GEMINI_TIMEOUT`` (seconds for everything, 12) and
        ``MEMOTIONS_GEMINI_TOKEN_BUDGET`` (tokens a day of this process, 500,000; 0: no limit).

        Raises:
            EngineError: a variable is missing or cannot be used, or there are no credentials.
            MissingExtraError: the ``gemini`` extra is not installed.
        """
        return cls(GeminiConfig.from_environment())

    def close(self) -> None:
        """Close connections and threads; calls that wait are answered by the embedded engine."""
        self._loop.close(self._http.aclose)
        self._client.close()
        self._fallback.close()

    def _answer(self, request: Request) -> Iterator[Suggestion]:
        started = time.monotonic()
        reason = yield from self._ask(request)
        if reason is None:
            return
        level = logging.WARNING if reason in _FAULTS else logging.INFO
        seconds = time.monotonic() - started
        logger.log(level, "Gemini did not write (%s, %.2f s)", reason, seconds)
        for suggestion in self._fallback._answer(request):
            yield suggestion.model_copy(update={"fallback": reason})

    def _ask(self, request: Request) -> Generator[Suggestion, None, FallbackReason | None]:
        """Stream Gemini's answer; return why there is none, or None."""
        if not self._circuit.admits():
            return "paused"
        healthy: bool | None = None  # as long as nothing is known, or when the caller leaves
        try:
            total = self._config.timeout
            reserved = min(_RESERVED_SHARE * total, _MAX_RESERVED)
            deadline = time.monotonic() + total - reserved
            reason = yield from self._call(request, deadline)
            if reason in _WORTH_A_SECOND_CALL and time.monotonic() < deadline:
                again = yield from self._call(request, deadline)
                reason = reason if again == "budget" else again
            if reason != "budget":
                healthy = reason not in _FAULTS
            return reason
        finally:
            self._circuit.record(healthy)

    def _call(
        self, request: Request, deadline: float
    ) -> Generator[Suggestion, None, FallbackReason | None]:
        call = _Call(build_contents(request.entry, request.emotions))
        estimate = call.estimated_tokens
        if not self._budget.reserve(estimate):
            return "budget"
        job = self._loop.submit(self._stream(call, deadline - time.monotonic()))
        job.future.add_done_callback(call.end)
        try:
            return (yield from self._show(request, call, deadline))
        finally:
            self._loop.cancel(job)  # of no effect on a call that has ended
            self._budget.settle(estimate, call.tokens)

    def _show(
        self, request: Request, call: _Call, deadline: float
    ) -> Generator[Suggestion, None, FallbackReason | None]:
        """Stream what comes of a call, as far as it is fit to be shown."""
        gate = _Gate([call.contents, SYSTEM_INSTRUCTION])
        while isinstance(piece := call.next_piece(deadline), str):
            text = gate.push(piece)
            if gate.unfit:
                return "unfit"
            if text:
                yield self._suggestion(request, text, complete=False)
        if piece.reason is not None:
            return piece.reason
        if not gate.has_text:
            return "empty"
        text = gate.finish()
        if text is None:
            return "unfit"
        self._circuit.record(True)  # now, since many a caller leaves with the last element
        yield self._suggestion(request, text, complete=True)
        return None

    def _suggestion(self, request: Request, text: str, *, complete: bool) -> Suggestion:
        return Suggestion(
            text=text,
            source="gemini",
            emotion=request.emotion,
            safety=request.safety,
            model=self._config.model,
            complete=complete,
        )

    async def _stream(self, call: _Call, seconds: float) -> FallbackReason | None:
        """Pass on text as it comes, in the loop's thread; return why it is of no use, or None."""
        with require("anyio", "gemini").move_on_after(seconds):
            return await self._attempts(call)
        return call.failure or "timeout"

    async def _attempts(self, call: _Call) -> FallbackReason | None:
        """Read an answer, again where the service is busy or cannot be reached."""
        for attempt in range(self._config.max_attempts):
            if attempt:
                delay = self._config.retry_delay * 2 ** (attempt - 1)
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            call.failure = call.tokens = None
            if not await self._attempt(call):
                break
        return call.failure

    async def _attempt(self, call: _Call) -> bool:
        """Read an answer and note why it is of no use; tell whether another attempt may help."""
        opened: list[Any] = []
        _opened_responses.set(opened)
        try:
            call.failure = await self._read(call)
            return False
        except Exception as error:  # an SDK that stumbles must not cost anyone the answer
            # Its message may hold a part of the answer, hence only its name.
            logger.debug("Gemini: %s", type(error).__name__)
            call.failure = _reason(error)
            if call.failure in _UNBILLED and not call.has_text:
                call.tokens = 0
            return not call.has_text and _is_transient(error)
        finally:
            with require("anyio", "gemini").CancelScope(shield=True):
                await _close_all(opened)

    async def _read(self, call: _Call) -> FallbackReason | None:
        """Read one answer to its end."""
        chunks = await self._client.aio.models.generate_content_stream(
            model=self._config.model, contents=call.contents, config=self._generation
        )
        finish = None
        blocked = False
        async for chunk in chunks:
            usage, feedback = chunk.usage_metadata, chunk.prompt_feedback
            if usage and usage.total_token_count:
                call.tokens = usage.total_token_count
            blocked = blocked or bool(feedback and feedback.block_reason)
            finish = (chunk.candidates and chunk.candidates[0].finish_reason) or finish
            if chunk.text:
                call.has_text = True
                call.pieces.put(chunk.text)
        if blocked:
            return "blocked"
        return _reason_of_finish(finish, call.has_text)


def _reason_of_finish(finish: str | None, has_text: bool) -> FallbackReason | None:
    """Return why an answer that ended so is of no use, or None."""
    if finish == "STOP":
        return None
    if finish in ("MAX_TOKENS", "CONTINUATION"):
        return "unfit"  # it breaks off in the middle of a sentence
    if finish is None:
        return "unavailable" if has_text else "empty"
    return "blocked"


def _reason(error: Exception) -> FallbackReason:
    """Return which fault an exception of the SDK, of httpx or of google-auth stands for."""
    httpx = require("httpx", "gemini")
    auth = require("google.auth.exceptions", "gemini")
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        return "timeout"
    if isinstance(error, httpx.TransportError):
        return "unavailable"
    if isinstance(error, auth.GoogleAuthError):
        lost = error.retryable or isinstance(error, auth.TransportError)
        return "unavailable" if lost else "denied"
    status = _status(error)
    if status in _REASON_BY_STATUS:
        return _REASON_BY_STATUS[status]
    return "unavailable" if 500 <= status < 600 else "error"


def _is_transient(error: Exception) -> bool:
    """Tell whether the same call may well succeed a moment later."""
    httpx = require("httpx", "gemini")
    auth = require("google.auth.exceptions", "gemini")
    lost = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
    if isinstance(error, (*lost, auth.TransportError)):
        return True
    return _status(error) in _RETRIED_STATUS


def _status(error: Exception) -> int:
    errors = require("google.genai.errors", "gemini")
    code = error.code if isinstance(error, errors.APIError) else 0
    return code if isinstance(code, int) else 0


@dataclass(frozen=True)
class _End:
    """The end of a call: why its text is of no use, or None."""

    reason: FallbackReason | None


@dataclass(repr=False)  # whatever prints a call, prints no entry
class _Call:
    """One call: what is sent, and what has come of it so far."""

    contents: str
    pieces: SimpleQueue[str | _End] = field(default_factory=SimpleQueue)
    has_text: bool = False
    tokens: int | None = None
    """What was billed; None while nobody has said."""
    failure: FallbackReason | None = None
    """What the latest attempt failed of."""

    @property
    def estimated_tokens(self) -> int:
        """What the call will cost, rather too much than too little."""
        characters = len(SYSTEM_INSTRUCTION) + len(self.contents)
        return characters // _CHARACTERS_PER_TOKEN + MAX_OUTPUT_TOKENS

    def end(self, future: Future[FallbackReason | None]) -> None:
        """Put the outcome of the call behind its text."""
        if future.cancelled():
            self.pieces.put(_End("unavailable"))
        else:
            self.pieces.put(_End("error" if future.exception() else future.result()))

    def next_piece(self, deadline: float) -> str | _End:
        """Wait for text or for the end, hardly longer than the call may take, come what may."""
        try:
            return self.pieces.get(timeout=max(deadline - time.monotonic(), 0) + _GRACE)
        except Empty:
            return _End(self.failure or "timeout")


class _Gate:
    """Lets an answer out sentence by sentence, and only what is fit to be shown.

    ``unfit`` becomes true as soon as a whole sentence holds something that none may hold.
    """

    def __init__(self, prompts: list[str]) -> None:
        self.unfit = False
        self._prompts = prompts
        self._raw = ""
        self._checked = ""

    @property
    def has_text(self) -> bool:
        return bool(self._raw.strip())

    def push(self, piece: str) -> str | None:
        """Take a piece; return all the text that can be shown, if that is more than before."""
        self._raw += piece
        # The last sentence may go on with the next piece, even after a full stop.
        whole = split_sentences(self._raw)[:-1]
        raw = self._raw[: whole[-1][1]] if whole else ""
        if raw == self._checked:
            return None
        self._checked = raw
        text = _collapse(raw)
        self.unfit = _is_forbidden(raw)
        return text if not self.unfit and self._is_good(text, whole=False) else None

    def finish(self) -> str | None:
        """Return the whole text, or None where it is not fit to be shown."""
        text = _collapse(self._raw)
        return text if not _is_forbidden(self._raw) and self._is_good(text, whole=True) else None

    def _is_good(self, text: str, *, whole: bool) -> bool:
        # A part of a good text has one problem at most: that it is short.
        short = not whole and len(rules.sentences(text)) < rules.MIN_SENTENCES
        return len(rules.problems(text, prompts=self._prompts)) <= short


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _is_forbidden(text: str) -> bool:
    # Read with its line breaks, without which a list is not seen to be one. What is not printable
    # could steer a terminal or hide a word from the rules.
    return bool(rules.forbidden(text)) or not _collapse(text).isprintable()


class _Circuit:
    """Pauses the service after failures in a row, then tries it with one call."""

    def __init__(self, failures: int, pause: float) -> None:
        breaker = require("pybreaker", "gemini")
        self._storage = breaker.CircuitMemoryStorage(breaker.STATE_CLOSED)
        self._breaker = breaker.CircuitBreaker(
            failures, pause, state_storage=self._storage, throw_new_error_on_trip=False
        )
        self._pause = timedelta(seconds=pause)
        self._tried_at = datetime.min.replace(tzinfo=UTC)
        self._errors = (breaker.CircuitBreakerError, _ServiceError)
        self._lock = threading.Lock()

    def admits(self) -> bool:
        """Tell whether the service may be asked now; `record` takes the outcome."""
        with self._lock:
            if self._breaker.current_state == "closed":
                return True
            # Open, or a trial is under way; one that tells nothing is followed by another.
            now = datetime.now(UTC)
            if now < max(self._storage.opened_at, self._tried_at) + self._pause:
                return False
            self._tried_at = now
            self._breaker.half_open()
            return True

    def record(self, healthy: bool | None) -> None:
        """Count the outcome of a call; None stands for a call that tells nothing."""
        if healthy is None:
            return
        with self._lock, suppress(*self._errors):  # it is counted, which is all that is wanted
            self._breaker.call(_fail_unless, healthy)


class _ServiceError(Exception):
    pass


def _fail_unless(healthy: bool) -> None:
    if not healthy:
        raise _ServiceError


class _TokenBudget:
    """Counts the tokens of a day (UTC): first what a call may cost, then what it did cost."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._spent = 0
        self._day = _today()
        self._lock = threading.Lock()

    def reserve(self, tokens: int) -> bool:
        """Set tokens aside, unless that would be more than the day's."""
        with self._lock:
            if (today := _today()) != self._day:
                self._day, self._spent = today, 0
            if self._limit and self._spent + tokens > self._limit:
                return False
            self._spent += tokens
            return True

    def settle(self, reserved: int, used: int | None) -> None:
        """Replace what was set aside by what was used, where that is known."""
        if used is not None:
            with self._lock:
                self._spent = max(0, self._spent + used - reserved)


def _today() -> date:
    return datetime.now(UTC).date()


class _Job(Generic[T]):
    """Work in the loop's thread, which AnyIO cancels.

    httpcore shields from AnyIO's cancelling what it closes. asyncio's goes through that shield, and
    leaves open for ever the connections that the pool has already forgotten.
    """

    future: Future[T]

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._scope: Any = None
        self._cancelled = False

    def cancel(self) -> None:
        """Cancel the work, in the loop's thread, whether or not it has begun."""
        self._cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    async def run(self) -> T:
        with require("anyio", "gemini").CancelScope() as self._scope:
            if self._cancelled:
                self._scope.cancel()
            return await self._work
        raise asyncio.CancelledError  # for whoever waits for the future


class _LoopThread:
    """An event loop in a thread of its own, which starts with the first call."""

    def __init__(self) -> None:
        # The garbage collector cancels a forgotten stream, in whatever thread it happens to run.
        self._lock = threading.RLock()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._jobs: set[_Job[Any]] = set()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> _Job[T]:
        """Run a coroutine.

        Raises:
            EngineError: the thread has ended.
        """
        with self._lock:
            if self._closed:
                coroutine.close()
                raise EngineError("this Gemini engine is closed; make another one")
            if self._loop is None:
                self._start()
            assert self._loop is not None
            job = _Job(coroutine)
            job.future = asyncio.run_coroutine_threadsafe(job.run(), self._loop)
            self._jobs.add(job)
        job.future.add_done_callback(lambda _: self._forget(job))
        return job

    def _forget(self, job: _Job[Any]) -> None:
        with self._lock:
            self._jobs.discard(job)

    def cancel(self, job: _Job[Any]) -> None:
        """Cancel what has not ended by itself, without waiting for its end."""
        with self._lock:
            if self._loop is not None and not job.future.done():
                self._loop.call_soon_threadsafe(job.cancel)

    def _start(self) -> None:
        self._loop = asyncio.new_event_loop()
        # Our own, since closing must not wait for a name server or a token server that hangs.
        self._executor = ThreadPoolExecutor(8, thread_name_prefix="memotions-gemini-io")
        self._loop.set_default_executor(self._executor)
        self._thread = threading.Thread(
            target=_run_until_stopped, args=(self._loop,), name="memotions-gemini", daemon=True
        )
        self._thread.start()

    def close(self, farewell: Any) -> None:
        """End everything that runs, await ``farewell()``, and end the thread.

        What takes long is not waited for, yet goes on: the thread ends by itself.
        """
        with self._lock:
            self._closed = True
            jobs = tuple(self._jobs)
            loop, thread, executor = self._loop, self._thread, self._executor
            self._loop = self._thread = self._executor = None
        if loop is None or thread is None or executor is None:
            return
        ending = asyncio.run_coroutine_threadsafe(_end_all(jobs, farewell), loop)
        ending.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
        try:
            ending.result(_CLOSE_SECONDS)
            thread.join(_CLOSE_SECONDS)
        except TimeoutError:
            logger.warning("connections to Gemini do not close in time")
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


async def _close_all(responses: Sequence[Any]) -> None:
    for response in responses:
        with suppress(Exception):
            await response.aclose()


async def _end_all(jobs: Sequence[_Job[Any]], farewell: Any) -> None:
    for job in jobs:
        job.cancel()
    await asyncio.gather(*(asyncio.wrap_future(job.future) for job in jobs), return_exceptions=True)
    await _end_others(asyncio.all_tasks() - {asyncio.current_task()})
    await asyncio.get_running_loop().shutdown_asyncgens()
    await farewell()


async def _end_others(tasks: Collection[asyncio.Task[Any]]) -> None:
    """End what jobs have left behind, such as the closing of a generator that nobody read out."""
    if not tasks:
        return
    await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)  # it may be closing connections, too
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_opened_responses: ContextVar[list[Any]] = ContextVar("opened_responses")
"""The responses of the attempt that this task makes.

An error inside a stream leaves the SDK's generators, and the connection with them, to the garbage
collector, which may take its time: whoever makes an attempt closes its responses.
"""


def _http_client(config: GeminiConfig) -> Any:
    """Return an HTTP client for many calls at once.

    The SDK hands every request one number for connecting, reading and waiting alike, so the shorter
    time for connecting is put into each request.
    """
    httpx = require("httpx", "gemini")

    async def prepare(request: Any) -> None:
        times = request.extensions.get("timeout", {})
        request.extensions = {
            **request.extensions,
            "timeout": {**times, "connect": config.connect_timeout},
            "trace": _closer_of_handshakes(),
        }

    async def note_opened(response: Any) -> None:
        _opened_responses.get().append(response)

    limits = httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=32)
    hooks = {"request": [prepare], "response": [note_opened]}
    return httpx.AsyncClient(limits=limits, event_hooks=hooks)


def _closer_of_handshakes() -> Callable[[str, dict[str, Any]], Coroutine[Any, Any, None]]:
    """Return a trace of httpcore that closes a connection whose handshake does not succeed.

    httpcore forgets one whose handshake is cancelled, and leaves it to the garbage collector.
    """
    streams: list[Any] = []

    async def trace(event: str, info: dict[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            streams.append(info["return_value"])
        elif event.endswith("start_tls.failed"):
            await _close_all(streams)

    return trace


def _genai_client(config: GeminiConfig, http: Any) -> Any:
    genai = require("google.genai", "gemini")
    debugging = require("google.genai.client", "gemini").DebugConfig
    project, location = config.place
    return genai.Client(
        vertexai=True,
        project=project,
        location=location,
        credentials=config.credentials,
        http_options=genai.types.HttpOptions(
            base_url=config.base_url,
            timeout=math.ceil(config.timeout * 1000),
            httpx_async_client=http,
        ),
        # Whatever the environment says, requests are not recorded in files.
        debug_config=debugging(client_mode=None, replays_directory=None, replay_id=None),
    )


def _generation_config(model: str) -> Any:
    types = require("google.genai.types", "gemini")
    categories = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
    return types.GenerateContentConfig(
        system_instruction=SYSTEM_INSTRUCTION,
        temperature=1.0,
        top_p=1.0,
        max_output_tokens=MAX_OUTPUT_TOKENS,
        candidate_count=1,
        thinking_config=_thinking(model),
        safety_settings=[
            types.SafetySetting(
                category=f"HARM_CATEGORY_{category}", threshold="BLOCK_MEDIUM_AND_ABOVE"
            )
            for category in categories
        ],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
    )


def _thinking(model: str) -> Any:
    """Return the least thinking that a model can be set to; a paragraph needs none."""
    types = require("google.genai.types", "gemini")
    if model.startswith("gemini-2.5"):
        return types.ThinkingConfig(thinking_budget=128 if "pro" in model else 0)
    if model.startswith("gemini-3") or _ENDPOINT.fullmatch(model):
        return types.ThinkingConfig(thinking_level="LOW" if "-pro" in model else "MINIMAL")
    return None


def _read(
    variable: str, default: str, pattern: re.Pattern[str] | None = None, expected: str = ""
) -> str:
    value = os.environ.get(variable, "").strip() or default
    if pattern is not None and not pattern.fullmatch(value):
        raise _unusable(variable, value, expected)
    return value


def _read_seconds(variable: str, default: float) -> float:
    text = _read(variable, str(default))
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 600:
        raise _unusable(variable, text, "a number of seconds over 0 and up to 600")
    return value


def _read_count(variable: str, default: int) -> int:
    text = _read(variable, str(default))
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise _unusable(variable, text, "a whole number of tokens, 0 for no limit")
    return int(text)


def _unusable(variable: str, value: str, expected: str) -> EngineError:
    return EngineError(f"{variable} is {value!r:.100}; expected {expected}")


def _default_credentials() -> Any:
    auth = require("google.auth", "gemini")
    try:
        credentials, _ = auth.default(scopes=[CLOUD_SCOPE])
    except auth.exceptions.GoogleAuthError:
        path = os.environ.get(_CREDENTIALS_VARIABLE)
        found = f"{_CREDENTIALS_VARIABLE} is {path!r}, which holds no usable credentials"
        raise EngineError(
            f"{found if path else 'there are no Google Cloud credentials'}; run "
            f"'gcloud auth application-default login' or set {_CREDENTIALS_VARIABLE} to a key file"
        ) from None
    return credentials
