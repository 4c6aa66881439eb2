"""``memotions space``: what a person at a terminal gets."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from memotions_hf.cli import main

pytest.importorskip("gradio", reason="the space extra is not installed")

SECONDS = 90


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the app was started with, each time; it is not really started, and no browser is."""
    from memotions_hf.demo import app

    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(app, "launch", lambda **options: calls.append(options))
    return calls


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def error_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Expect one line of error and exit code 2; return the line."""
    try:
        code = main(["space", *arguments])
    except SystemExit as stop:  # the parser's own
        code = stop.code
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    (line,) = captured.err.splitlines()
    assert line.startswith("memotions: error: ")
    return line


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"no answer at {url}")


def test_the_app_starts_says_where_and_stops_with_ctrl_c() -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "memotions_hf", "space", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{port} " in line
        assert "Ctrl-C" in line
        wait_for(f"http://127.0.0.1:{port}/health", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode in (0, 130)
    assert "Traceback" not in out + err
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_port_in_use_is_one_line(
    taken: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"port {taken} is in use" in error_line(capsys, "--port", str(taken))
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(taken))
    assert f"port {taken} is in use" in error_line(capsys)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "web", "٨٠", "9" * 5000])
def test_what_is_no_port_is_one_line(
    port: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--port" in error_line(capsys, f"--port={port}")
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    assert "GRADIO_SERVER_PORT" in error_line(capsys)


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid", "a" * 70])
def test_an_address_of_another_machine_is_one_line(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "cannot listen at" in error_line(capsys, "--host", host)


@pytest.mark.parametrize("library", ["gradio", "mcp", "limits"])
def test_a_missing_extra_is_one_line(
    library: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    line = error_line(capsys)
    assert library in line
    assert "pip install 'memotions-hf[space]'" in line


def test_without_a_port_the_first_free_one_is_taken(
    launched: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space"]) == 0
    first = launched[0]["port"]
    assert 7860 <= first < 7960
    with closing(socket.create_server(("127.0.0.1", first))):
        assert main(["space"]) == 0
    assert launched[1]["port"] > first
    assert f":{launched[1]['port']} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "localhost"), ("localhost", "localhost"), ("[::1]", "[::1]")]
)
def test_the_address_shown_can_be_opened(
    host: str, shown: str, launched: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    if host == "[::1]" and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    if main(["space", "--host", host]) and "::1" in host:
        pytest.skip("this machine has no IPv6 loopback")
    assert launched[0]["host"] == host
    assert f"http://{shown}:{launched[0]['port']} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "is_terminal", "display", "opened"),
    [
        ([], True, ":0", True),
        ([], True, "", False),
        ([], False, ":0", False),
        (["--no-browser"], True, ":0", False),
        (["--open"], False, "", True),
    ],
)
def test_the_browser_opens_where_somebody_can_see_it(
    arguments: list[str],
    is_terminal: bool,
    display: str,
    opened: bool,
    launched: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["space", *arguments]) == 0
    assert launched[0]["open_browser"] is opened


def test_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["space", "--help"])
    assert stop.value.code == 0
    assert "--no-browser" in capsys.readouterr().out
