"""A small Vertex AI on the loopback interface, for the unmodified google-genai SDK.

It streams answers in the service's wire format, well and in every way that can go wrong. A
behaviour is an HTTP status, or the name of a text in `TEXTS` or of a `_Handler.behave_...` method.
"""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self

TOKEN = "ya29.loopbackAccessToken"
GOOD = (
    "Pulang dengan tangan kosong setelah menunggu sepanjang sore memang melelahkan, dan wajar "
    "kalau kamu masih kesal. Kamu sudah berusaha datang tepat waktu, jadi rasa kecewa itu punya "
    "tempatnya sendiri. Tidak perlu buru-buru merasa baik lagi. Malam ini, coba ganti baju, minum "
    "teh hangat, lalu duduk sepuluh menit tanpa ponsel. Setelah itu, tulis satu kalimat yang ingin "
    "kamu katakan kepada temanmu, untuk dikirim besok atau disimpan saja. Pelan-pelan, satu hal "
    "kecil sudah cukup untuk hari ini."
)
SECOND_GOOD = (
    "Menunggu lama lalu tetap pulang sendiri itu rasanya seperti tidak dianggap, dan hatimu boleh "
    "kesal. Janji kecil pun penting, apalagi kamu sudah menyisihkan waktu untuk itu. Biarkan dulu "
    "rasa itu ada tanpa harus dijelaskan. Kalau badanmu lelah, mandi air hangat lalu makan sesuatu "
    "yang kamu suka. Setelahnya, kirim satu pesan pendek kepada orang yang biasa mendengarkanmu. "
    "Sisanya boleh menunggu sampai besok."
)
_OPENING = "Menunggu sepanjang sore itu melelahkan, dan wajar kalau kamu masih kesal."
_CLOSING = (
    "Tidak apa-apa kalau hari ini terasa berat. Coba minum teh hangat dan duduk sebentar. Setelah "
    "itu kamu boleh tidur lebih awal. Besok masih ada waktu untuk yang lain."
)
TEXTS: dict[str, str] = {
    "good": GOOD,
    "second_good": SECOND_GOOD,
    "four_sentences": _CLOSING,
    "english": (
        "Waiting all afternoon for nothing is exhausting. It makes sense that you are upset. "
        "Take your time with it. Tonight, have a cup of tea. Tomorrow you can write to a friend."
    ),
    "link": f"{_OPENING} {_CLOSING} Baca juga di https://contoh.example/tenang kalau kamu mau.",
    "medicine": f"{_OPENING} Malam ini kamu bisa minum ibuprofen dulu. {_CLOSING}",
    "list": f"{_OPENING}\n\n1. Minum teh hangat dulu.\n2. Duduk sebentar saja. {_CLOSING}",
    "hidden": f"{_OPENING} Minum\u200b teh\u202e hangat dulu. {_CLOSING}",
    "paragraphs": GOOD.replace(" Malam ini,", "\n\nMalam ini,"),
    "too_long": " ".join([GOOD, SECOND_GOOD] * 2),
}
_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_PATH = re.compile(
    r"/v1beta1/projects/[^/]+/locations/[^/]+/(?:publishers/google/models|endpoints)/[^/]+"
    r":streamGenerateContent\?alt=sse"
)
_USAGE = {"promptTokenCount": 700, "candidatesTokenCount": 200, "totalTokenCount": 900}

Behaviour = str | int


@dataclass
class Seen:
    """A request that arrived; ``left`` tells that the client went before it had its answer."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    behaviour: Behaviour
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def user_text(self) -> str:
        """The one part of the one content that a request holds."""
        (content,) = self.body["contents"]
        (part,) = content["parts"]
        return str(part["text"])


# As /proc/net/tcp numbers them: established, two ways of having sent the last word, and of not.
_NOT_CLOSED = frozenset({"01", "04", "05", "08"})


class VertexServer:
    """The server; use it as a context manager.

    ``script`` is used up one behaviour a request; then ``usual`` says what to do, a behaviour or a
    function of the request's number.
    """

    def __init__(self) -> None:
        self.script: list[Behaviour] = []
        self.usual: Behaviour | Callable[[int], Behaviour] = "good"
        self.pause = 0.0  # after each piece of a text
        self.piece = 40  # characters of a text in one event
        self.requests: list[Seen] = []
        self.busy = self.most_busy = 0
        self.idle: set[socket.socket] = set()
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"vertex": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def connections(self) -> int:
        """Open or half-closed connections to this server, whoever else has some of their own."""
        port = f":{self._server.server_port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[2].endswith(port) and row[3] in _NOT_CLOSED for row in rows)

    def hang_up(self) -> None:
        """Close the connections on which nothing is asked, as any server does after a while."""
        with self.lock:
            for connection in self.idle:
                with suppress(OSError):  # the client has closed it
                    connection.shutdown(socket.SHUT_RDWR)

    def start(
        self, connection: socket.socket, path: str, headers: dict[str, str], body: dict[str, Any]
    ) -> Seen:
        """Note a request and choose what becomes of it."""
        with self.lock:
            self.idle.discard(connection)
            if self.script:
                behaviour = self.script.pop(0)
            else:
                usual = self.usual
                behaviour = usual(len(self.requests)) if callable(usual) else usual
            seen = Seen(path, headers, body, behaviour)
            self.requests.append(seen)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        return seen

    def end(self, connection: socket.socket) -> None:
        """Note that a request has been dealt with."""
        with self.lock:
            self.idle.add(connection)
            self.busy -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512  # every client at once

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that goes away is no news


class _Handler(BaseHTTPRequestHandler):
    vertex: ClassVar[VertexServer]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = dict(self.headers.items())
        self.seen = self.vertex.start(self.connection, self.path, headers, body)
        try:
            if not _PATH.fullmatch(self.path):
                self.send_status(404)
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.send_status(401)
            elif isinstance(self.seen.behaviour, int):
                self.send_status(self.seen.behaviour)
            elif self.seen.behaviour in TEXTS:
                self.stream(self.pieces(TEXTS[self.seen.behaviour]))
            else:
                getattr(self, f"behave_{self.seen.behaviour}")()
        except OSError:
            self.seen.left.set()
            self.close_connection = True
        finally:
            self.vertex.end(self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def send_status(self, code: int) -> None:
        body = json.dumps({"error": _error(code)}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_event(self, event: dict[str, Any] | str) -> None:
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        payload = f"data: {data}\r\n\r\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(payload), payload))
        self.wfile.flush()

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def pieces(self, text: str) -> list[str]:
        """Cut a text as the service does: at any place, also within words."""
        size = self.vertex.piece
        return [text[start : start + size] for start in range(0, len(text), size)]

    def stream(self, pieces: Iterable[str], finish: str | None = "STOP", wait: float = 0) -> None:
        """Stream a text; the finish reason comes with an empty last piece."""
        self.start_stream()
        for piece in pieces:
            self.send_event(_chunk(piece))
            time.sleep(wait or self.vertex.pause)
        if finish is not None:
            self.send_event(_chunk("", finish))
        self.end_stream()

    def send_events(self, *events: dict[str, Any] | str) -> None:
        self.start_stream()
        for event in events:
            self.send_event(event)
        self.end_stream()

    def wait_until_left(self) -> None:
        """Say nothing more until the client goes away or the server stops."""
        while not self.vertex.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                self.seen.left.set()
                break
        self.close_connection = True

    def behave_one_chunk(self) -> None:
        self.send_events(_chunk(GOOD, "STOP"))

    def behave_thoughts(self) -> None:
        thought = _chunk("I should be kind here.")
        thought["candidates"][0]["content"]["parts"][0]["thought"] = True
        self.send_events(thought, _chunk(GOOD, "STOP"))

    def behave_hang(self) -> None:
        self.wait_until_left()

    def behave_hang_in_stream(self) -> None:
        self.start_stream()
        for piece in self.pieces(GOOD)[:6]:
            self.send_event(_chunk(piece))
        self.wait_until_left()

    def behave_drip(self) -> None:
        self.stream([f"{word} " for word in GOOD.split()] * 20, wait=0.05)

    def behave_cut(self) -> None:
        self.start_stream()
        for piece in self.pieces(GOOD)[:6]:
            self.send_event(_chunk(piece))
        self.close_connection = True

    def behave_cut_at_once(self) -> None:
        self.close_connection = True

    def behave_unfinished(self) -> None:
        self.stream(self.pieces(GOOD)[:6], finish=None)

    def behave_blocked_prompt(self) -> None:
        feedback = {"blockReason": "PROHIBITED_CONTENT"}
        self.send_events({"promptFeedback": feedback, "usageMetadata": {"totalTokenCount": 700}})

    def behave_safety(self) -> None:
        self.stream(self.pieces(GOOD)[:6], finish="SAFETY")

    def behave_prohibited(self) -> None:
        self.send_events({"candidates": [{"finishReason": "PROHIBITED_CONTENT"}]})

    def behave_recitation(self) -> None:
        self.stream(self.pieces(GOOD)[:2], finish="RECITATION")

    def behave_max_tokens(self) -> None:
        self.stream(self.pieces(GOOD)[:-3], finish="MAX_TOKENS")

    def behave_continuation(self) -> None:
        last = _chunk("", "CONTINUATION")
        last["candidates"][0]["continuationToken"] = "bGFuanV0"
        self.send_events(_chunk(GOOD[:120]), last)

    def behave_no_candidates(self) -> None:
        self.send_events({"candidates": [], "usageMetadata": {"totalTokenCount": 700}})

    def behave_no_text(self) -> None:
        self.send_events(_chunk("", "STOP"))

    def behave_no_events(self) -> None:
        self.send_events()

    def behave_malformed_json(self) -> None:
        self.send_events(
            _chunk("Hari ini "), '{"candidates": [{"content": {"parts": [{"text": "istirahatlah'
        )

    def behave_malformed_events(self) -> None:
        page = b"<html>Rahasia: Bad gateway</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def behave_other_shape(self) -> None:
        self.send_events({"candidates": "Hari ini berat sekali ya."})

    def behave_busy_in_stream(self) -> None:
        self.send_events({"error": _error(429)})

    def behave_busy_after_text(self) -> None:
        self.send_events(_chunk(GOOD[:120]), {"error": _error(429)})

    def behave_echo(self) -> None:
        instruction = self.seen.body["systemInstruction"]["parts"][0]["text"]
        rules = " ".join(instruction.split("\n")[0].split())
        self.stream(self.pieces(f"{rules} {_CLOSING} {_OPENING}"))


def _chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
    chunk: dict[str, Any] = {"candidates": [candidate], "modelVersion": "loopback"}
    chunk["usageMetadata"] = {"trafficType": "ON_DEMAND"}
    if finish is not None:
        candidate["finishReason"] = finish
        chunk["usageMetadata"] |= _USAGE
    return chunk


def _error(code: int) -> dict[str, Any]:
    return {"code": code, "message": "A loopback error.", "status": _STATUS_NAMES[code]}
