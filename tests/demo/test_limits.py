"""The limits of the app: rates, addresses, sizes of bodies, headers and the health check."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from memotions_hf.demo import limits
from memotions_hf.demo.limits import Guard, RateLimiter, client_address
from memotions_hf.demo.markup import VisitorError
from memotions_hf.errors import InputError


def visitor(host: str = "36.72.1.2", session: str = "s", forwarded: str = "") -> Any:
    """A request as Gradio hands it on: Starlette's, with a session."""
    headers = [(b"x-forwarded-for", forwarded.encode("latin-1", "replace"))] if forwarded else []
    request = Request({"type": "http", "client": (host, 1), "headers": headers})
    request.session_hash = session  # type: ignore[attr-defined]
    return request


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", limits.SESSION_VARIABLE, limits.ADDRESS_VARIABLE):
        monkeypatch.delenv(name, raising=False)


class Clock:
    """The time of day as the limiter's storage sees it: it stands still until it is set forward."""

    now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("limits.storage.memory.time", clock)
    return clock


@pytest.fixture
def on_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "memotions/memotions")


def allowed(limiter: RateLimiter, *requests: Any) -> int:
    """How many of the requests are let through."""
    count = 0
    for request in requests:
        try:
            limiter.check(request)
            count += 1
        except VisitorError:
            pass
    return count


# Rates


def test_a_session_has_its_rate() -> None:
    limiter = RateLimiter("3/hour", "100/hour")
    assert allowed(limiter, *[visitor()] * 5) == 3
    assert allowed(limiter, *[visitor(session="other")] * 5) == 3


def test_an_address_has_its_rate_whatever_sessions_it_names() -> None:
    limiter = RateLimiter("3/hour", "10/hour")
    assert allowed(limiter, *[visitor(session=str(number)) for number in range(30)]) == 10
    assert allowed(limiter, visitor("36.72.1.3", session="0")) == 1


@pytest.mark.parametrize("into_the_window", [0.0, 0.3, 1.0, 1.999])
def test_a_refusal_says_when_and_means_it(clock: Clock, into_the_window: float) -> None:
    limiter = RateLimiter("4/2 second", "100/hour")
    clock.now += into_the_window
    while allowed(limiter, visitor()):
        pass
    with pytest.raises(VisitorError) as refused:
        limiter.check(visitor())
    seconds = refused.value.values["seconds"]
    assert refused.value.key == "common.too_fast"
    assert isinstance(seconds, int)
    assert 1 <= seconds <= 3
    clock.now += seconds
    limiter.check(visitor())


def test_a_costly_request_waits_for_its_room_and_a_refused_one_costs_nothing() -> None:
    limiter = RateLimiter("10/hour", "100/hour")
    limiter.check(visitor(), cost=6)
    with pytest.raises(VisitorError):
        limiter.check(visitor(), cost=6)
    limiter.check(visitor(), cost=4)


def test_a_request_over_the_whole_rate_can_be_made_once() -> None:
    limiter = RateLimiter("10/hour", "100/hour")
    limiter.check(visitor(), cost=50)
    assert allowed(limiter, visitor()) == 0


def test_a_call_without_a_request_is_not_counted() -> None:
    assert allowed(RateLimiter("1/hour", "1/hour"), None, None, None) == 3


def test_rates_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.SESSION_VARIABLE, " 2 per hour ")
    monkeypatch.setenv(limits.ADDRESS_VARIABLE, "5/day")
    limiter = RateLimiter.from_environment()
    assert allowed(limiter, *[visitor()] * 4) == 2
    assert allowed(limiter, *[visitor(session=str(number)) for number in range(9)]) == 3


@pytest.mark.parametrize("variable", [limits.SESSION_VARIABLE, limits.ADDRESS_VARIABLE])
@pytest.mark.parametrize("value", ["many", "10", "10/fortnight", "-1/minute", "0/minute"])
def test_a_bad_rate_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=variable) as refused:
        RateLimiter.from_environment()
    assert repr(value) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_memory_stays_bounded_with_many_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MAX_COUNTERS", 500)
    limiter = RateLimiter("1/hour", "1/hour")
    most = 0
    for number in range(2_000):
        limiter.check(visitor(str(ipaddress.ip_address(0x24480000 + number))))
        most = max(most, len(limiter._storage.storage), len(limiter._storage.locks))
    assert 400 < most <= 504


def test_addresses_that_are_gone_are_forgotten(clock: Clock) -> None:
    limiter = RateLimiter("5/second", "5/second")
    for number in range(200):
        limiter.check(visitor(f"36.72.1.{number}"))
    assert len(limiter._storage.storage) == 400
    clock.now += 2.1  # a window, and the one before
    end = time.monotonic() + 60
    while len(limiter._storage.storage) > 2 and time.monotonic() < end:
        allowed(limiter, visitor("36.72.2.1"))
        time.sleep(0.02)  # the storage looks through its addresses in a thread of its own
    assert len(limiter._storage.storage) == 2


# Addresses


def test_elsewhere_the_socket_counts_and_no_header() -> None:
    assert client_address(visitor("36.72.1.2", forwarded="9.9.9.9")) == "36.72.1.2"


@pytest.mark.usefixtures("on_space")
@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("36.72.1.2", "36.72.1.2"),
        ("36.72.1.2:4711", "36.72.1.2"),
        ("9.9.9.9, 36.72.1.2", "36.72.1.2"),
        ("9.9.9.9, 36.72.1.2, 10.0.3.4", "36.72.1.2"),
        ("text, 36.72.1.2, unknown", "36.72.1.2"),
        ("[2400:9800:1:2::3]:4711", "2400:9800:1:2::/64"),
        ("10.0.3.4", "10.0.3.4"),
        ("", "10.16.3.80"),
        ("unknown", "10.16.3.80"),
    ],
)
def test_on_a_space_the_last_public_address_counts(forwarded: str, expected: str) -> None:
    assert client_address(visitor("10.16.3.80", forwarded=forwarded)) == expected


@pytest.mark.usefixtures("on_space")
def test_a_header_of_his_own_gives_nobody_a_new_allowance() -> None:
    limiter = RateLimiter("100/hour", "3/hour")
    requests = [
        visitor("10.16.3.80", str(number), f"9.9.9.{number}, 36.72.1.2") for number in range(9)
    ]
    assert allowed(limiter, *requests) == 3


def test_a_network_of_ipv6_is_one_visitor() -> None:
    first, second = visitor("2400:9800:1:2::3"), visitor("2400:9800:1:2:ffff::9")
    assert client_address(first) == client_address(second)
    assert client_address(visitor("2400:9800:1:3::3")) != client_address(first)
    assert client_address(visitor("::ffff:36.72.1.2")) == "36.72.1.2"


@given(st.text(max_size=80))
def test_any_header_gives_an_address_or_the_socket(forwarded: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACE_ID", "a/b")
        address = client_address(visitor("10.16.3.80", forwarded=forwarded))
    assert ipaddress.ip_network(address)


# Bodies and headers


async def echo(request: Request) -> Response:
    try:
        body = await request.body()
    except Exception:  # as FastAPI does with whatever goes wrong while it reads
        return PlainTextResponse("bad body", 400)
    return PlainTextResponse(str(len(body)))


async def deaf(request: Request) -> Response:
    return PlainTextResponse("no body read")


async def broken(request: Request) -> Response:
    await request.body()
    raise AssertionError


APPS = {
    "/gradio_api/upload": echo,
    "/gradio_api/call/predict": echo,
    "/deaf": deaf,
    "/broken": broken,
}


def post(
    path: str, body: bytes, *, declared: bool = True, limiter: RateLimiter | None = None
) -> httpx.Response:
    """Post a body to a guarded app, at once or in pieces of undeclared length."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    async def ask() -> httpx.Response:
        app = Starlette(routes=[Route(path, app, methods=["POST"]) for path, app in APPS.items()])
        guard = Guard(app, limiter or RateLimiter(), max_body=1_000_000, max_upload=2_000_000)
        transport = httpx.ASGITransport(guard, client=("36.72.1.2", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://space") as client:
            return await client.post(path, content=body if declared else pieces())

    return asyncio.run(ask())


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("path", "limit"), [("/gradio_api/call/predict", 1_000_000), ("/gradio_api/upload", 2_000_000)]
)
def test_a_body_may_have_the_limit_and_no_byte_more(path: str, limit: int, declared: bool) -> None:
    fits = post(path, b"x" * limit, declared=declared)
    assert (fits.status_code, fits.text) == (200, str(limit))
    refused = post(path, b"x" * (limit + 1), declared=declared)
    assert refused.status_code == 413
    megabytes = limit // 1_000_000
    assert refused.json() == {"detail": f"That is too large to send. At most {megabytes} MB."}


def test_an_app_that_fails_while_it_reads_too_much_answers_413() -> None:
    assert post("/broken", b"x" * 1_000_001, declared=False).status_code == 413
    with pytest.raises(AssertionError):
        post("/broken", b"x")


def test_an_app_that_reads_nothing_answers_as_it_likes() -> None:
    assert post("/deaf", b"x" * 1_000_001, declared=False).text == "no body read"


def test_a_length_that_is_no_number_is_counted_all_the_same() -> None:
    assert limits._declared_length({"headers": [(b"content-length", b"-5")]}) == 0


@pytest.mark.parametrize("size", [1, 1_000_001])
def test_every_answer_has_the_security_headers(size: int) -> None:
    headers = post("/gradio_api/call/predict", b"x" * size).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "microphone=()" in headers["permissions-policy"]
    assert "x-frame-options" not in headers  # huggingface.co shows a Space in a frame


def test_an_address_without_allowance_is_refused_before_anything_is_done() -> None:
    limiter = RateLimiter("100/hour", "2/hour")
    assert post("/gradio_api/call/predict", b"x", limiter=limiter).status_code == 200
    limiter.check(visitor(), cost=2)
    refused = post("/gradio_api/call/predict", b"x", limiter=limiter)
    assert refused.status_code == 429
    assert refused.json()["detail"].startswith("Too many requests from this address.")
    assert post("/deaf", b"x", limiter=limiter).status_code == 200
