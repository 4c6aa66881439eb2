"""Two hundred people at once, a fifth of them meeting a fault: nobody is left without an answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle

from google.oauth2.credentials import Credentials
from support.vertex_server import GOOD, TOKEN, Behaviour, VertexServer

from memotions_hf.suggestions import Suggestion, SuggestionEngine, rules
from memotions_hf.suggestions.engine import Request
from memotions_hf.suggestions.gemini import GeminiConfig, GeminiEngine
from memotions_hf.suggestions.prompt import SYSTEM_INSTRUCTION

CALLS = 200
TIMEOUT = 25.0  # two hundred answers cost one core some three seconds, where it is free
MARGIN = 10.0
FAULTS: tuple[Behaviour, ...] = (429, 503, 500, "hang", "cut", "blocked_prompt", "malformed_json")
ENTRY = "Aku nunggu temanku di halte tiga jam dan dia nggak datang juga. Kesal. Catatan ke-{}."
LOCAL = (
    "Kehujanan sambil menunggu orang yang tidak datang itu bikin lelah dan kesal sekaligus. Kamu "
    "boleh merasa kecewa tanpa harus menjelaskannya. Malam ini, keringkan badan dulu. Setelah itu "
    "minum sesuatu yang hangat. Besok kamu bisa bertanya kepadanya dengan tenang."
)


class Embedded(SuggestionEngine):
    """A stand-in for the embedded engine."""

    name = "local"

    def _answer(self, request: Request) -> Iterator[Suggestion]:
        yield Suggestion(text=LOCAL, source="local", safety=request.safety)


def threads() -> set[threading.Thread]:
    """The threads of this process but those in which the server answers."""
    return {t for t in threading.enumerate() if "process_request_thread" not in t.name}


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def every_fifth_fails() -> Callable[[int], Behaviour]:
    faults = cycle(FAULTS)
    return lambda number: next(faults) if number % 5 == 4 else "good"


def ask_all_at_once(engine: GeminiEngine) -> list[tuple[list[Suggestion], float]]:
    answers: list[tuple[list[Suggestion], float]] = [([], 0.0)] * CALLS
    ready = threading.Barrier(CALLS)

    def ask(number: int) -> None:
        ready.wait()
        started = time.monotonic()
        stream = list(engine.stream(ENTRY.format(number), emotion="anger"))
        answers[number] = (stream, time.monotonic() - started)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CALLS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_two_hundred_at_once_with_faults() -> None:
    with VertexServer() as server:
        server.usual = every_fifth_fails()
        server.pause, server.piece = 0.2, 250  # half a second for an answer
        config = GeminiConfig(
            project="jurnal-uji",
            credentials=Credentials(token=TOKEN),
            base_url=server.url,
            timeout=TIMEOUT,
            connect_timeout=TIMEOUT,
            retry_delay=0.1,
            # Faults are told at once, and good answers only after their pauses: on a busy machine
            # faults alone may end before the last call begins.
            failures_before_pause=CALLS,
        )
        before = threads()
        engine = GeminiEngine(config, fallback=Embedded())
        answers = ask_all_at_once(engine)
        engine.close()
        assert wait_for(lambda: threads() <= before), threads() - before
        assert wait_for(lambda: server.connections == 0)

    seconds = sorted(taken for _, taken in answers)
    assert server.most_busy > CALLS / 4  # at once, not one after the other
    assert seconds[round(CALLS * 0.99) - 1] < TIMEOUT + MARGIN
    for number, (stream, _) in enumerate(answers):
        last = stream[-1]
        assert last.complete
        prompts = [SYSTEM_INSTRUCTION, ENTRY.format(number)]
        assert rules.problems(last.text, prompts=prompts) == []
        assert last.text == (LOCAL if last.fallback else GOOD)
    reasons = Counter(stream[-1].fallback for stream, _ in answers)
    assert reasons[None] >= CALLS * 0.8
    assert set(reasons) <= {None, "timeout", "unavailable", "quota", "blocked", "error"}
    assert reasons["blocked"] >= 3
    assert reasons["unavailable"] >= 6
