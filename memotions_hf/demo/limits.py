"""How much one visitor may ask and send, the headers of every answer, and the health check.

Gradio has no rate limit of its own. An address gets an allowance, and each session of it a smaller
one, so that many people behind one address of a mobile network do not stop each other. Addresses
are kept in memory for two windows at most, and are never logged.
"""

from __future__ import annotations

import ipaddress
import math
import os
from typing import TYPE_CHECKING, Any, Self

from ..errors import InputError
from .markup import VisitorError, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from limits import RateLimitItem
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .service import Service

SESSION_VARIABLE = "MEMOTIONS_RATE_SESSION"
ADDRESS_VARIABLE = "MEMOTIONS_RATE_ADDRESS"
# Nobody writes an entry every second; a school or an office has one address.
DEFAULT_SESSION_RATE = "60/minute"
DEFAULT_ADDRESS_RATE = "300/minute"

MAX_BODY_BYTES = 4_000_000
MAX_UPLOAD_BYTES = 25_000_000

_MAX_COUNTERS = 50_000
_MCP_PATH = "/gradio_api/mcp"
_UPLOAD_PATH = "/gradio_api/upload"
_COUNTED_PATHS = tuple(
    f"/gradio_api/{name}" for name in ("api/", "call/", "mcp", "queue/join", "run/", "upload")
)
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


class RateLimiter:
    """Says when an address or a session asks too much.

    Counts in windows that slide, in the memory of this process. Of the library's moving window,
    which keeps every request, the memory storage never forgets an address.
    """

    def __init__(
        self, session: str = DEFAULT_SESSION_RATE, address: str = DEFAULT_ADDRESS_RATE
    ) -> None:
        """Take two rates such as ``60/minute`` or ``1000 per 2 hours``.

        Raises:
            InputError: one of them is no rate.
        """
        from limits.storage import MemoryStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        self.session = _parse_rate("the rate of a session", session)
        self.address = _parse_rate("the rate of an address", address)
        self._storage = MemoryStorage()
        self._windows = SlidingWindowCounterRateLimiter(self._storage)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the rates from ``MEMOTIONS_RATE_SESSION`` and ``MEMOTIONS_RATE_ADDRESS``.

        Raises:
            InputError: a variable holds no rate.
        """
        session = os.environ.get(SESSION_VARIABLE, "").strip() or DEFAULT_SESSION_RATE
        address = os.environ.get(ADDRESS_VARIABLE, "").strip() or DEFAULT_ADDRESS_RATE
        _parse_rate(SESSION_VARIABLE, session)
        _parse_rate(ADDRESS_VARIABLE, address)
        return cls(session, address)

    def check(self, request: Any, cost: int = 1) -> None:
        """Count a request of a visitor.

        Args:
            request: the ``gr.Request``; None (a call from Python) is not counted.
            cost: how many requests it counts as; never more than the whole of a rate.

        Raises:
            VisitorError: there were too many; it was not counted.
        """
        if request is None:
            return
        if len(self._storage.storage) > _MAX_COUNTERS:
            # Better a new allowance for everybody than a memory that grows with every address.
            self._storage.reset()
        address = client_address(request)
        asked = [
            (self.address, (address,)),
            (self.session, (address, str(request.session_hash or "")[:64])),
        ]
        for rate, names in asked:
            if not self._windows.test(rate, *names, cost=min(cost, rate.amount)):
                seconds = math.ceil(self._wait(rate, min(cost, rate.amount), *names))
                raise VisitorError("common.too_fast", seconds=max(seconds, 1))
        for rate, names in asked:
            self._windows.hit(rate, *names, cost=min(cost, rate.amount))

    def is_used_up(self, connection: HTTPConnection) -> bool:
        """Whether an address has nothing left, so that its requests need not be looked at."""
        return not self._windows.test(self.address, client_address(connection))

    def _wait(self, rate: RateLimitItem, cost: int, *names: str) -> float:
        """Seconds until ``cost`` requests fit, if nothing else is asked until then."""
        length = rate.get_expiry()
        past, past_left, current, current_left = self._storage.get_sliding_window(
            rate.key_for(*names), length
        )
        until = 0.0
        room = rate.amount - cost - current
        if room < 0:  # the window that runs now has to become the past one
            until = current_left - length
            past, past_left, room = current, length, rate.amount - cost
        # The past window counts by how much of it the sliding one still covers, rounded down.
        wait: float = past_left - (room + 1) * length / max(past, 1)
        return until + max(0.0, wait) + 0.05


def _parse_rate(name: str, text: str) -> RateLimitItem:
    from limits import parse

    try:
        rate = parse(text)
    except ValueError:
        rate = None
    if rate is None or rate.amount < 1:
        raise InputError(f"{name} is {text!r:.60}; expected a number and a time, such as 60/minute")
    return rate


def client_address(request: HTTPConnection | Any) -> str:
    """Return who asks: an address of IPv4, or the network (/64) of one of IPv6.

    On a Space the socket is that of a proxy, and the header X-Forwarded-For ends with what the
    proxies have put there; what stands before that can be written by anybody. Elsewhere the socket
    counts, or what uvicorn takes for it behind a proxy on this machine.

    Args:
        request: a request of Gradio, or any connection of Starlette.
    """
    host = request.client.host if request.client else ""
    if os.environ.get("SPACE_ID"):
        forwarded = request.headers.get("x-forwarded-for") or ""
        host = _last_public(forwarded) or host
    return _network(host)


def _last_public(forwarded: str) -> str | None:
    names = [name for name in map(_without_port, forwarded.split(",")) if _parsed(name)]
    # The proxies of the hosting stand behind one another, with addresses of its inner network.
    public = [name for name in names if (address := _parsed(name)) and address.is_global]
    best = public or names
    return best[-1] if best else None


def _without_port(name: str) -> str:
    name = name.strip()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0] if name.count(":") == 1 else name


def _parsed(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(host: str) -> str:
    address = _parsed(host)
    if address is None:
        return host[:64]
    if address.version == 4:
        return str(address)
    # A customer of IPv6 has a whole network, and could ask from each of its addresses.
    return str(ipaddress.ip_network((int(address), 64), strict=False))


class Guard:
    """ASGI middleware: refuses what is too large or too much, and adds the security headers.

    An address that has used up its allowance is refused here, since Gradio spends more on a request
    than on its refusal before an endpoint is asked at all. No frame is forbidden: huggingface.co
    shows a Space in one.
    """

    def __init__(
        self,
        app: ASGIApp,
        limiter: RateLimiter,
        max_body: int = MAX_BODY_BYTES,
        max_upload: int = MAX_UPLOAD_BYTES,
    ) -> None:
        """Wrap an app; the limits of its bodies are in bytes."""
        self._app = app
        self._limiter = limiter
        self._max_body = max_body
        self._max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(_MCP_PATH):
            _name_client(scope)
        is_upload = scope["path"].startswith(_UPLOAD_PATH)
        body = _Body(receive, send, self._max_upload if is_upload else self._max_body)
        if self._asks_too_much(scope):
            await body.refuse(429, words("api.used_up", "en"))
        elif _declared_length(scope) > body.limit:
            await body.refuse_size()
        else:
            await self._pass_on(scope, body)

    def _asks_too_much(self, scope: Scope) -> bool:
        from starlette.requests import HTTPConnection

        is_counted = scope["method"] == "POST" and scope["path"].startswith(_COUNTED_PATHS)
        return is_counted and self._limiter.is_used_up(HTTPConnection(scope))

    async def _pass_on(self, scope: Scope, body: _Body) -> None:
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            if not body.is_too_large or body.is_answered:
                raise
        if body.is_too_large and not body.is_answered:
            await body.refuse_size()


class _Body:
    """A request whose body is counted, and whose answer becomes a 413 when there is too much."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self.limit = limit
        self.is_too_large = self.is_answered = False
        self._receive = receive
        self._send = send
        self._count = 0
        self._is_refused = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._count += len(message.get("body", b""))
        if self._count > self.limit:
            self.is_too_large = True
            return {"type": "http.disconnect"}  # makes the app stop reading
        return message

    async def send(self, message: Message) -> None:
        if self.is_too_large and not self.is_answered:
            await self.refuse_size()
            return
        if message["type"] == "http.response.start":
            self.is_answered = True
            message = {**message, "headers": [*message.get("headers", []), *_SECURITY_HEADERS]}
        await self._send(message)

    async def refuse_size(self) -> None:
        """Answer that the body is too large."""
        limit = f"{self.limit // 1_000_000} MB"
        await self.refuse(413, words("common.too_large", "en", limit=limit))

    async def refuse(self, status: int, line: str) -> None:
        """Answer with one line, once."""
        from starlette.responses import JSONResponse

        if self._is_refused:
            return
        self._is_refused = True
        response = JSONResponse({"detail": line}, status, {"connection": "close"})
        response.raw_headers.extend(_SECURITY_HEADERS)
        await response({"type": "http"}, self._receive, self._send)


def _declared_length(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def _name_client(scope: Scope) -> None:
    """Replace what a caller of an MCP tool says about his address by what is known of it.

    Gradio calls the endpoint from this machine then, with the caller's headers, and uvicorn
    believes such a header where it comes from this machine.
    """
    from starlette.requests import HTTPConnection

    address = client_address(HTTPConnection(scope)).partition("/")[0]
    headers = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-for"]
    scope["headers"] = [*headers, (b"x-forwarded-for", address.encode("ascii", "replace"))]


def app_options(service: Service) -> Mapping[str, Any]:
    """Return what ``launch(app_kwargs=...)`` takes: the guard and the health check.

    ``/health`` answers 200 once the models are loaded, and 503 before or when they cannot be.
    """
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from .. import __version__

    async def health(request: Request) -> Response:
        answer: dict[str, Any] = {"status": "loading", "version": __version__, "engine": None}
        if service.loaded:
            answer |= {"status": "ok", "engine": service.engine_name}
        return JSONResponse(
            {**answer, "model_loaded": service.loaded}, 200 if service.loaded else 503
        )

    return {
        "middleware": [Middleware(Guard, limiter=service.limiter)],
        "routes": [Route("/health", health)],
    }
