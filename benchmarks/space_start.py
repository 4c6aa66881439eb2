"""How long a start of the app takes, until a visitor can type.

    python benchmarks/space_start.py [--runs 5]

Each run starts ``memotions space`` in a process of its own, waits until the page is served, opens
it in a fresh profile of Chromium (which is already running, as a visitor's browser is), and waits
until an entry can be written and the button pressed, and then until it is answered. Between the
runs the baseline is timed, ``import gradio`` alone. Writes benchmarks/results/space_start.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

RESULT = Path(__file__).parent / "results" / "space_start.json"
BROWSER_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="starts measured (5)")
    runs = parser.parse_args().runs
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("error: Chromium is not on the path; on Debian: apt-get install chromium")
    load_before = round(os.getloadavg()[0], 2)
    starts, imports = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_OPTIONS)
        for _ in range(runs):
            starts.append(seconds_to_a_usable_page(browser))
            imports.append(seconds_of("import gradio"))
        browser.close()
    result = {
        "runs": runs,
        "cores": os.cpu_count(),
        "load_before": load_before,
        "served_seconds": _summary([start["served"] for start in starts]),
        "usable_seconds": _summary([start["usable"] for start in starts]),
        "answered_seconds": _summary([start["answered"] for start in starts]),
        "import_gradio_seconds": _summary(imports),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def seconds_to_a_usable_page(browser: Browser) -> dict[str, float]:
    """Seconds from the start of the process until the page is served, usable, has answered."""
    port = _free_port()
    started = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "memotions_hf", "space", "--port", str(port), "--no-browser"],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_served(port)
        served = time.perf_counter() - started
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}", wait_until="commit")
        page.locator("#mm-entry textarea").fill("Hari ini aku gagal lagi.")
        page.locator("#mm-read").wait_for()
        usable = time.perf_counter() - started
        page.locator("#mm-read").click()
        page.locator("#mm-answer .mm-card").first.wait_for()
        answered = time.perf_counter() - started
        context.close()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
    return {"served": served, "usable": usable, "answered": answered}


def seconds_of(code: str) -> float:
    """Seconds that a fresh interpreter takes for a line of code."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def _wait_until_served(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit("error: the app did not start within a minute")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _summary(values: list[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), 2),
        "min": round(min(values), 2),
        "max": round(max(values), 2),
    }


if __name__ == "__main__":
    main()
