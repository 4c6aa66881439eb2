"""A translation service on the loopback interface, in the shape of Google's page for mobiles.

deep-translator itself talks to it: it looks its address up in ``constants.BASE_URLS``.
"""

from __future__ import annotations

import html
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Self
from urllib.parse import parse_qs, urlsplit

PAGE = """<!DOCTYPE html><html><head><title>Google Translate</title></head><body>
<div class="root-container"><div class="header">Google Translate</div>
<a class="languages">English</a><div class="result-container">{}</div>
<div class="links-container">About</div></div></body></html>"""
ERROR_PAGE = (
    "<title>Error 500 (Server Error)!!1</title><b>500.</b> <ins>That’s an error.</ins>"
    "<p>There was an error. Please try again later. <ins>That’s all we know.</ins>"
)


def indonesian(text: str) -> str:
    """What the service makes of a text."""
    return f"terjemahan dari <{' '.join(reversed(text.split()))}> & lain-lain"


@dataclass(frozen=True)
class Reply:
    """How the service treats one request; all of it left as it is, it translates."""

    status: int = 200
    retry_after: str | None = None
    body: str | None = None
    cut: bool = False
    never: bool = False


LIMITED = Reply(429, retry_after="7")
BROKEN = Reply(500)
EMPTY = Reply(body=PAGE.format(""))
NO_RESULT = Reply(body="<html><body>Before you continue to Google</body></html>")
BLOCKED = Reply(body=PAGE.format(ERROR_PAGE))
CUT = Reply(cut=True)
NEVER = Reply(never=True)


@dataclass
class TranslationServer:
    """The server; use it as a context manager.

    ``plans`` holds the replies to the first requests for a text; after them, ``otherwise`` is the
    reply to every request.
    """

    plans: dict[str, list[Reply]] = field(default_factory=lambda: defaultdict(list))
    otherwise: Reply = Reply()
    asked: list[str] = field(default_factory=list)
    queries: list[dict[str, list[str]]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    connections: int = 0

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/m"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, *texts: str) -> None:
        """Wait until each of the texts has been asked for."""
        with self.changed:
            assert self.changed.wait_for(lambda: set(texts) <= set(self.asked), timeout=60)

    def note(self, query: dict[str, list[str]], agent: str) -> Reply:
        text = query["q"][0]
        with self.changed:
            self.asked.append(text)
            self.queries.append(query)
            self.agents.add(agent)
            self.changed.notify_all()
            plan = self.plans.get(text)
            return plan.pop(0) if plan else self.otherwise


class _Handler(BaseHTTPRequestHandler):
    service: ClassVar[TranslationServer]
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        with self.service.changed:
            self.service.connections += 1

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        reply = self.service.note(query, self.headers.get("User-Agent", ""))
        if reply.never:
            self.service.closing.wait()
        if reply.cut or reply.never:
            self.close_connection = True
            return
        body = reply.body
        if body is None:
            body = PAGE.format(html.escape(indonesian(query["q"][0])))
        payload = body.encode()
        self.send_response(reply.status)
        if reply.retry_after is not None:
            self.send_header("Retry-After", reply.retry_after)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        pass
