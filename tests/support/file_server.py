"""A small HTTP server on the loopback interface that sends files, and fails as real ones do."""

from __future__ import annotations

import gzip
import re
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class Status:
    """A failure: the answer is this status and no file."""

    code: int


@dataclass(frozen=True)
class Cut:
    """A failure: the connection ends after this many bytes of what was announced."""

    after: int


@dataclass
class Request:
    """A request that arrived, and how many bytes of a file it was sent."""

    path: str
    range: str | None
    sent: int = 0


class FileServer:
    """The server; use it as a context manager.

    ``files`` are its files by path, ``redirects`` other paths; ``failures`` are used up one by one,
    a request each. ``ranges``, ``lengths`` and ``compresses`` say what it can do.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.failures: list[Status | Cut] = []
        self.ranges = True
        self.lengths = True
        self.compresses = False
        self.requests: list[Request] = []
        handler = type("Handler", (_Handler,), {"server_state": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def sent(self) -> list[int]:
        """How many bytes of a file each request was sent."""
        return [request.sent for request in self.requests]

    @property
    def asked(self) -> list[str | None]:
        """The range that each request asked for."""
        return [request.range for request in self.requests]


def unused_url() -> str:
    """Return a URL at which nothing answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that goes away is no news


class _Handler(BaseHTTPRequestHandler):
    server_state: ClassVar[FileServer]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server_state
        self.request_seen = Request(self.path, self.headers.get("Range"))
        server.requests.append(self.request_seen)
        failure = server.failures.pop(0) if server.failures else None
        if self.path in server.redirects:
            self.answer(302, b"", {"Location": server.redirects[self.path]})
        elif isinstance(failure, Status):
            self.answer(failure.code, b"")
        elif self.path not in server.files:
            self.answer(404, b"")
        else:
            self.send_file(server.files[self.path], failure)

    def send_file(self, data: bytes, cut: Cut | None) -> None:
        status, headers = 200, {}
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and self.server_state.ranges:
            start = int(wanted[1])
            if start >= len(data):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            data = data[start:]
        if self.server_state.compresses and "gzip" in self.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            data = gzip.compress(data)
        self.answer(status, data, headers, cut)

    def answer(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        cut: Cut | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.server_state.lengths:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        if cut is not None:
            body = body[: cut.after]
            self.close_connection = True
        self.request_seen.sent = len(body)  # before the client can see the end of it
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
