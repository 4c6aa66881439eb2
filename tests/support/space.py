"""The app in a process of its own, as a user starts it, and the browser of the system."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)
START_SECONDS = 300


def chromium() -> str:
    """The path of Chromium; without one a test is skipped, but never where CI runs."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing = "no Chromium is installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


@dataclass(frozen=True)
class RunningSpace:
    """A running app, the folder it runs in, and where its output goes."""

    url: str
    port: int
    folder: Path
    log: Path
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """Return a port of the loopback address that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running_space(
    folder: Path, environment: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[RunningSpace]:
    """Start ``memotions space`` with a folder as its home, temporary and working folder."""
    port = port or free_port()
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    homes = {"HOME": str(folder), "TMPDIR": str(folder / "tmp"), "XDG_CACHE_HOME": str(folder)}
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GOOGLE_", "GRADIO_"))}
    log = folder / "space.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "memotions_hf", "space", "--port", str(port), "--no-browser"],
            cwd=folder,
            env={**clean, **homes, **(environment or {})},
            stdout=stream,
            stderr=stream,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, log)
        yield RunningSpace(url, port, folder, log, process)
    finally:
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the app has stopped: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"the app did not start: {log.read_text()[-2000:]}")
