"""Measure what people get when Gemini fails: every fault by itself, and many people at once.

    python benchmarks/gemini_faults.py [--repeats 5] [--calls 200]

Gemini is the loopback server of the tests, asked through the real SDK. Writes
benchmarks/results/gemini_faults.json and prints its table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

from google.oauth2.credentials import Credentials

from memotions_hf.suggestions import Suggestion, rules
from memotions_hf.suggestions.gemini import GeminiConfig, GeminiEngine
from memotions_hf.suggestions.prompt import SYSTEM_INSTRUCTION

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.vertex_server import (  # type: ignore[import-not-found]
    TOKEN,
    Behaviour,
    VertexServer,
)

RESULT = Path(__file__).parent / "results" / "gemini_faults.json"
ENTRY = "Aku nunggu temanku di halte tiga jam dan dia nggak datang juga. Kesal. Catatan ke-{}."
FAULT_TIMEOUT = 1.0
LOAD_TIMEOUT = 12.0  # the default
# What the service does, request by request; the last one goes on.
FAULTS: dict[str, list[Behaviour]] = {
    "none": ["good"],
    "429, then good": [429, "good"],
    "503, then good": [503, "good"],
    "connection cut before the answer, then good": ["cut_at_once", "good"],
    "429 inside the stream, then good": ["busy_in_stream", "good"],
    "unfit, then good": ["medicine", "second_good"],
    "400": [400],
    "401": [401],
    "403": [403],
    "404": [404],
    "429 always": [429],
    "500": [500],
    "503 always": [503],
    "hangs before the answer": ["hang"],
    "hangs inside the answer": ["hang_in_stream"],
    "drips without an end": ["drip"],
    "connection cut inside the answer": ["cut"],
    "entry blocked": ["blocked_prompt"],
    "answer stopped for safety": ["safety"],
    "answer cut at the token limit": ["max_tokens"],
    "no candidates": ["no_candidates"],
    "malformed JSON": ["malformed_json"],
    "HTML instead of events": ["malformed_events"],
    "four sentences": ["four_sentences"],
    "English": ["english"],
    "a link": ["link"],
    "a medicine": ["medicine"],
    "echo of the instruction": ["echo"],
}
LOAD_FAULTS: tuple[Behaviour, ...] = (
    *(429, 503, 500),
    *("hang", "cut", "blocked_prompt", "malformed_json"),
)


def engine_for(server: VertexServer, timeout: float, **settings: Any) -> GeminiEngine:
    credentials = Credentials(token=TOKEN)
    config = GeminiConfig(
        "loopback", credentials, base_url=server.url, timeout=timeout, retry_delay=0.1, **settings
    )
    return GeminiEngine(config)


def percentile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, round(len(ordered) * share) - 1)]


def is_good(answer: Suggestion, entry: str) -> bool:
    problems = rules.problems(answer.text, prompts=[SYSTEM_INSTRUCTION, entry])
    return answer.complete and not problems


def measure_fault(name: str, script: list[Behaviour], repeats: int) -> dict[str, Any]:
    seconds, outcomes, requests = [], set(), set()
    with VertexServer() as server, engine_for(server, FAULT_TIMEOUT, pause=0.0) as engine:
        engine.suggest(ENTRY.format(0), emotion="anger")  # loads what is loaded once
        for number in range(repeats):
            server.requests.clear()
            server.script, server.usual = script[:-1], script[-1]
            entry = ENTRY.format(number)
            started = time.perf_counter()
            answer = engine.suggest(entry, emotion="anger")
            seconds.append(time.perf_counter() - started)
            outcomes.add((answer.source, answer.fallback, is_good(answer, entry)))
            requests.add(len(server.requests))
    if len(outcomes) != 1 or len(requests) != 1:
        sys.exit(f"{name}: not always the same outcome: {outcomes}, {requests} requests")
    ((source, fallback, good),) = outcomes
    return {
        "fault": name,
        "source": source,
        "fallback": fallback,
        "requests": requests.pop(),
        "keeps_the_rules": good,
        "seconds_p50": round(statistics.median(seconds), 3),
        "seconds_max": round(max(seconds), 3),
    }


def measure_load(calls: int) -> dict[str, Any]:
    """Let everybody ask at the same moment, with a fault in every fifth request."""
    faults = cycle(LOAD_FAULTS)
    answers: list[tuple[Suggestion, float, bool]] = []
    ready = threading.Barrier(calls)

    def ask(number: int) -> None:
        entry = ENTRY.format(number)
        ready.wait()
        started = time.perf_counter()
        answer = engine.suggest(entry, emotion="anger")
        answers.append((answer, time.perf_counter() - started, is_good(answer, entry)))

    with VertexServer() as server:
        server.usual = lambda number: next(faults) if number % 5 == 4 else "good"
        server.pause, server.piece = 0.1, 120
        with engine_for(server, LOAD_TIMEOUT) as engine:
            threads = [threading.Thread(target=ask, args=(number,)) for number in range(calls)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        seconds = [taken for _, taken, _ in answers]
        return {
            "calls": calls,
            "answers": len(answers),
            "answers_that_keep_the_rules": sum(good for *_, good in answers),
            "requests": len(server.requests),
            "requests_with_a_fault": sum(seen.behaviour != "good" for seen in server.requests),
            "most_at_once": server.most_busy,
            "outcomes": Counter(answer.fallback or "gemini" for answer, *_ in answers),
            "timeout": LOAD_TIMEOUT,
            "seconds_p50": round(statistics.median(seconds), 2),
            "seconds_p99": round(percentile(seconds, 0.99), 2),
            "seconds_max": round(max(seconds), 2),
        }


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| Fault | Answered by | Reason | Requests | Seconds, median | Seconds, most |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row[key] for key in ("fault", "source", "fallback", "requests")]
        cells += [f"{row[key]:.2f}" for key in ("seconds_p50", "seconds_max")]
        lines.append("| " + " | ".join(str(cell or "") for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()

    rows = [measure_fault(name, script, args.repeats) for name, script in FAULTS.items()]
    load = measure_load(args.calls)
    result = {
        "faults": rows,
        "repeats": args.repeats,
        "timeout": FAULT_TIMEOUT,
        "load": load,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(rows))
    print(json.dumps(load, indent=2))


if __name__ == "__main__":
    main()
