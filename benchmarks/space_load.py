"""Let 50 visitors use the Space's ``/predict`` at once, through Gradio's own queue.

    python benchmarks/space_load.py [--visitors 50] [--seconds 60]

The server is a process of its own; everything stays on the loopback interface, where each visitor
has an address of its own, and every run ends by itself. Three runs: visitors who pause between
entries, visitors who do not (a stress figure), and visitors of whom most wait for a Gemini that
hangs. Writes benchmarks/results/space_load.json and prints it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from memotions_hf.corpus.rows import read_source
from memotions_hf.demo.limits import (
    ADDRESS_VARIABLE,
    DEFAULT_ADDRESS_RATE,
    DEFAULT_SESSION_RATE,
    SESSION_VARIABLE,
)

RESULT = Path(__file__).parent / "results" / "space_load.json"
PAUSE = (1.0, 3.0)
STRESS_SECONDS = 20
TARGET_P95 = 1.5
NO_LIMIT = "1000000/minute"
START_SECONDS = 60
ANSWER_SECONDS = 90


@dataclass
class Outcome:
    """What the visitors of a run met with, by endpoint."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    took: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return the errors, and for each endpoint how long its answers took."""
        return {
            "errors": len(self.errors),
            "first_errors": self.errors[:3],
            **{name: self._figures(values) for name, values in sorted(self.seconds.items())},
        }

    def _figures(self, values: list[float]) -> dict[str, Any]:
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        return {
            "requests": len(values),
            "requests_a_second": round(len(values) / self.took, 1),
            "seconds_p50": round(cuts[49], 3),
            "seconds_p95": round(cuts[94], 3),
            "seconds_p99": round(cuts[98], 3),
            "seconds_max": round(max(values), 3),
        }


def journal_texts() -> list[str]:
    return [row.text for row in read_source("journal")]


# The server


def server_command(port: int, gemini: str | None) -> list[str]:
    """Return the command that serves the Space; with Gemini at an address of this machine."""
    if gemini:
        return [sys.executable, __file__, "--serve", str(port), "--gemini", gemini]
    return [sys.executable, "-m", "memotions_hf", "space", "--port", str(port)]


def serve(port: int, gemini: str) -> None:
    """Serve the Space with the loopback Gemini of the tests, which no setting could name."""
    from google.oauth2.credentials import Credentials

    from memotions_hf.demo.app import build, launch_options
    from memotions_hf.demo.service import Service
    from memotions_hf.suggestions.gemini import GeminiConfig, GeminiEngine

    # Without a pause Gemini is asked again and again, however often it hung before.
    config = GeminiConfig(
        "loopback", Credentials(token=vertex_server().TOKEN), base_url=gemini, pause=0.0
    )
    with Service(make_engine=lambda: GeminiEngine(config)) as service:
        page = build(service)
        page.launch(server_port=port, **launch_options(service))
        page.block_thread()


@contextmanager
def running_server(rates: dict[str, str], gemini: str | None = None) -> Iterator[tuple[str, int]]:
    """Start the server in a process of its own; yields its address and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, **rates}
    with subprocess.Popen(server_command(port, gemini), env=environment) as process:
        try:
            wait_until_loaded(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_until_loaded(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(START_SECONDS * 5):
        if process.poll() is not None:
            sys.exit(f"the server ended with code {process.returncode}")
        try:
            if httpx.get(f"{address}/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    sys.exit("the server did not load its models in time")


def peak_memory_mb(pid: int) -> int | None:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():  # not on Linux
        return None
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
    return round(int(found[1]) / 1000) if found else None


# The visitors


async def ask(client: httpx.AsyncClient, endpoint: str, text: str, session: str) -> str | None:
    """Call an endpoint, one session for a visitor, as a page or gradio_client has.

    Returns:
        What went wrong, if anything did.
    """
    body = {"data": [text, 0.2] if endpoint == "predict" else [text], "session_hash": session}
    joined = await client.post(f"/gradio_api/call/{endpoint}", json=body)
    if joined.status_code != 200:
        return f"{joined.status_code}: {joined.text:.100}"
    event, path = "", f"/gradio_api/call/{endpoint}/{joined.json()['event_id']}"
    async with client.stream("GET", path) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            if line.startswith("data: ") and event in ("complete", "error"):
                return None if event == "complete" else line[:200]
    return "the stream ended without an answer"


async def visit(
    number: int,
    address: str,
    endpoint: str,
    texts: Sequence[str],
    until: float,
    paused: bool,
    outcome: Outcome,
) -> None:
    """Be one visitor: write entries until the time is over."""
    chance = random.Random(number)
    transport = httpx.AsyncHTTPTransport(local_address=f"127.0.1.{number + 1}")
    async with httpx.AsyncClient(
        transport=transport, base_url=address, timeout=ANSWER_SECONDS
    ) as client:
        await asyncio.sleep(chance.uniform(0, PAUSE[1]) if paused else 0)
        while time.perf_counter() < until:
            started = time.perf_counter()
            try:
                error = await ask(client, endpoint, chance.choice(texts), f"visitor{number}")
            except httpx.HTTPError as problem:
                error = type(problem).__name__
            outcome.seconds.setdefault(endpoint, []).append(time.perf_counter() - started)
            if error:
                outcome.errors.append(error)
            await asyncio.sleep(chance.uniform(*PAUSE) if paused else 0)


async def visits(address: str, endpoints: Sequence[str], seconds: float, paused: bool) -> Outcome:
    """Let one visitor for each of the endpoints named use the server."""
    texts, outcome = journal_texts(), Outcome()
    started = time.perf_counter()
    await asyncio.gather(
        *(
            visit(number, address, endpoint, texts, started + seconds, paused, outcome)
            for number, endpoint in enumerate(endpoints)
        )
    )
    outcome.took = time.perf_counter() - started
    return outcome


def measure(
    endpoints: Sequence[str], seconds: float, paused: bool = True, hanging: bool = False
) -> dict[str, Any]:
    """Run a server and its visitors, and return the figures."""
    rate = None if paused else NO_LIMIT
    rates = {
        SESSION_VARIABLE: rate or DEFAULT_SESSION_RATE,
        ADDRESS_VARIABLE: rate or DEFAULT_ADDRESS_RATE,
    }
    with (
        hanging_gemini() if hanging else nullcontext(None) as gemini,
        running_server(rates, gemini) as (address, pid),
    ):
        outcome = asyncio.run(visits(address, endpoints, seconds, paused))
        memory = peak_memory_mb(pid)
    return {
        "visitors": {name: endpoints.count(name) for name in sorted(set(endpoints))},
        "seconds": seconds,
        "pause_seconds": list(PAUSE) if paused else None,
        "rate_session": rates[SESSION_VARIABLE],
        "rate_address": rates[ADDRESS_VARIABLE],
        **outcome.summary(),
        "server_peak_resident_mb": memory,
    }


@contextmanager
def hanging_gemini() -> Iterator[str]:
    with vertex_server().VertexServer() as server:
        server.usual = "hang"
        yield server.url


def vertex_server() -> Any:
    """The loopback Vertex AI of the tests."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from support import vertex_server  # type: ignore[import-not-found]

    return vertex_server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--gemini", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.gemini)
        return

    everybody = ["predict"] * args.visitors
    waiting = args.visitors * 3 // 5
    mixed = ["suggest"] * waiting + ["predict"] * (args.visitors - waiting)
    stress = min(args.seconds, STRESS_SECONDS)
    result: dict[str, Any] = {
        "paused": measure(everybody, args.seconds),
        "stress": measure(everybody, stress, paused=False),
        "gemini_hangs": measure(mixed, stress, hanging=True),
        "target": {"errors": 0, "predict_seconds_p95": TARGET_P95},
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    for name in ("paused", "gemini_hangs"):
        run = result[name]
        if run["errors"] or run["predict"]["seconds_p95"] > TARGET_P95:
            sys.exit(f"the target was missed: {name}")


if __name__ == "__main__":
    main()
