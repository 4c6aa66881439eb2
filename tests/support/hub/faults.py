"""Troubles that the loopback Hub can be told to have, request by request.

Each method takes a regular expression that is searched in "METHOD /path", and how many requests it
concerns: one, unless it says otherwise; ``ALWAYS`` for all. The troubles lie around the
application, at the level of the connection, so the server's own logic knows nothing of them.

    status, rate_limit                          an answer that is a refusal
    network_down, cut_upload, cut_download      a connection that breaks
    slow                                        a wait
    shorten_download, corrupt_download,
    corrupt_upload, wrong_hash                  a content that is not what it should be
    meanwhile                                   something else happens first
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = sys.maxsize


@dataclass
class Fault:
    """One kind of trouble, for the requests that match."""

    pattern: re.Pattern[str]
    times: int
    apply: Callable[[ASGIApp, Scope, Receive, Send], Any]
    happened: int = 0


class Faults:
    """ASGI middleware around the Hub; it also notes every request in ``requests``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.requests: list[str] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["raw_path"].startswith(b"http://"):  # as a proxy is asked
            scope["raw_path"] = b"/" + scope["raw_path"].split(b"/", 3)[3]
            scope["path"] = "/" + scope["path"].split("/", 3)[3]
        line = f"{scope['method']} {scope['raw_path'].decode('ascii')}"
        with self._lock:
            self.requests.append(line)
            fault = next((f for f in self._faults if f.times and f.pattern.search(line)), None)
            if fault:
                fault.times -= 1
                fault.happened += 1
        if fault is None:
            await self.app(scope, receive, send)
        else:
            await fault.apply(self.app, scope, receive, send)

    def clear(self) -> None:
        """Forget all troubles and the requests so far."""
        with self._lock:
            self._faults.clear()
            self.requests.clear()

    def _add(self, pattern: str, times: int, apply: Callable[..., Any]) -> Fault:
        fault = Fault(re.compile(pattern), times, apply)
        with self._lock:
            self._faults.append(fault)
        return fault

    def status(
        self,
        pattern: str,
        status: int,
        *,
        message: str = "",
        times: int = 1,
        headers: dict[str, str] | None = None,
    ) -> Fault:
        """Answer with a status, such as 500, and a message instead of doing anything."""
        text = message or f"Injected fault {status}"

        async def apply(_: ASGIApp, __: Scope, receive: Receive, send: Send) -> None:
            await _drain(receive)
            body = json.dumps({"error": text}).encode()
            fields = {"content-type": "application/json", "content-length": str(len(body))}
            fields |= {"x-error-message": text} | (headers or {})
            raw = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
            await send({"type": "http.response.start", "status": status, "headers": raw})
            await send({"type": "http.response.body", "body": body})

        return self._add(pattern, times, apply)

    def rate_limit(self, pattern: str, *, retry_after: int = 0, times: int = 1) -> Fault:
        """Answer 429 and say when to come back; the client waits a second longer."""
        headers = {
            "Retry-After": str(retry_after),
            "RateLimit": f'"api";r=0;t={retry_after}',
            "RateLimit-Policy": '"fixed window";"api";q=1000;w=300',
        }
        message = "We had to rate limit you: 1000 api requests per 5 minutes"
        return self.status(pattern, 429, message=message, times=times, headers=headers)

    def network_down(self, pattern: str = "", *, times: int = ALWAYS) -> Fault:
        """Reset the connection of every request, without an answer, until ``clear``."""

        async def apply(_: ASGIApp, __: Scope, ___: Receive, send: Send) -> None:
            _close(send, reset=True)

        return self._add(pattern, times, apply)

    def cut_download(
        self, pattern: str, *, after: int = 0, times: int = 1, reset: bool = False
    ) -> Fault:
        """Close the connection after so many bytes of the answer's body.

        Args:
            pattern: Which requests.
            after: How many bytes still arrive.
            times: How many requests it concerns.
            reset: Reset the connection, as a crashed host does, in place of an orderly close.
        """

        async def apply(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            left = after
            cut = False

            async def cutting(message: Message) -> None:
                nonlocal left, cut
                if cut or message["type"] != "http.response.body":
                    if not cut:
                        await send(message)
                    return
                piece = message.get("body", b"")[:left]
                left -= len(piece)
                if left > 0 and message.get("more_body"):
                    await send(message)
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                cut = True
                # A reset throws away what is not sent yet: let the bytes leave first.
                await asyncio.sleep(0.05)
                _close(send, reset)

            await app(scope, receive, cutting)

        return self._add(pattern, times, apply)

    def cut_upload(self, pattern: str, *, after: int = 0, times: int = 1) -> Fault:
        """Reset the connection after so many bytes of the request's body, without an answer."""

        async def apply(_: ASGIApp, __: Scope, receive: Receive, send: Send) -> None:
            seen = 0
            while seen <= after:
                message = await receive()
                seen += len(message.get("body", b""))
                if not message.get("more_body"):
                    break
            _close(send, reset=True)

        return self._add(pattern, times, apply)

    def slow(
        self, pattern: str, *, before: float = 0.0, between: float = 0.0, times: int = 1
    ) -> Fault:
        """Wait before the answer, and between the pieces of its body (64 KiB each)."""

        async def apply(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            async def dawdling(message: Message) -> None:
                waiting = before if message["type"] == "http.response.start" else between
                await asyncio.sleep(waiting)
                await send(message)

            await app(scope, receive, dawdling)

        return self._add(pattern, times, apply)

    def shorten_download(self, pattern: str, *, after: int = 0, times: int = 1) -> Fault:
        """End the answer's body after so many bytes, as if there had never been more."""

        async def apply(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            left = after

            async def shortened(message: Message) -> None:
                nonlocal left
                if message["type"] == "http.response.start":
                    kept = [pair for pair in message["headers"] if pair[0] != b"content-length"]
                    message["headers"] = [*kept, (b"content-length", b"%d" % after)]
                else:
                    message["body"] = message.get("body", b"")[:left]
                    left -= len(message["body"])
                await send(message)

            await app(scope, receive, shortened)

        return self._add(pattern, times, apply)

    def corrupt_download(self, pattern: str, *, at: int = 0, times: int = 1) -> Fault:
        """Change one byte of the answer's body; length and ETag stay the right ones."""

        async def apply(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            flip = _flipper(at)

            async def corrupting(message: Message) -> None:
                await send(flip(message))

            await app(scope, receive, corrupting)

        return self._add(pattern, times, apply)

    def corrupt_upload(self, pattern: str, *, times: int = 1) -> Fault:
        """Change the first byte of the request's body, so that its hash is wrong."""

        async def apply(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            flip = _flipper()

            async def corrupted() -> Message:
                return flip(await receive())

            await app(scope, corrupted, send)

        return self._add(pattern, times, apply)

    def wrong_hash(self, pattern: str, *, times: int = 1) -> Fault:
        """Name the content by a wrong hash in the answer's headers."""

        async def apply(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            async def lying(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [
                        (name, b'"%s"' % (b"0" * 64) if name.endswith(b"etag") else value)
                        for name, value in message["headers"]
                    ]
                await send(message)

            await app(scope, receive, lying)

        return self._add(pattern, times, apply)

    def meanwhile(self, pattern: str, action: Callable[[], object], *, times: int = 1) -> Fault:
        """Do something just before the request is handled, such as someone else's commit."""

        async def apply(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            action()
            await app(scope, receive, send)

        return self._add(pattern, times, apply)


async def _drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


def _close(send: Send, reset: bool) -> None:
    # ASGI has no word for it; uvicorn's ``send`` is a method of the object with the connection.
    transport = send.__self__.transport  # type: ignore[attr-defined]
    if reset:
        # Lingering for no time at all makes the system send a reset in place of an orderly end.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()


def _flipper(at: int = 0) -> Callable[[Message], Message]:
    seen = 0

    def flip(message: Message) -> Message:
        nonlocal seen
        body = bytearray(message.get("body", b""))
        here, seen = at - seen, seen + len(body)
        if 0 <= here < len(body):
            body[here] ^= 0xFF
            return {**message, "body": bytes(body)}
        return message

    return flip
