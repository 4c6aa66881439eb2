"""The endpoints as MCP tools, called with the protocol's own client."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import pytest

gr = pytest.importorskip("gradio")
pytest.importorskip("mcp")

from mcp import ClientSession  # noqa: E402
from mcp.client.streamable_http import streamablehttp_client  # noqa: E402

from memotions_hf.demo.api import add_endpoints  # noqa: E402
from memotions_hf.demo.limits import RateLimiter, app_options  # noqa: E402
from memotions_hf.demo.service import Service  # noqa: E402
from memotions_hf.suggestions.local import LocalEngine  # noqa: E402

ENTRY = "Hari ini aku gagal lagi. Tapi ibu masak enak."
CRISIS = "aku udah gak mau hidup lagi"

_Found = TypeVar("_Found")


@contextmanager
def launched(limiter: RateLimiter) -> Iterator[str]:
    service = Service(make_engine=LocalEngine, limiter=limiter)
    with gr.Blocks(analytics_enabled=False) as page:
        box = gr.Textbox()
        box.submit(lambda text: text, box, box, api_visibility="private")
        add_endpoints(service)
    with service:
        _, address, _ = page.launch(
            prevent_thread_lock=True,
            quiet=True,
            ssr_mode=False,
            mcp_server=True,
            app_kwargs=app_options(service),
        )
        try:
            yield f"{address}gradio_api/mcp/"
        finally:
            page.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with launched(RateLimiter("10000/minute", "100000/minute")) as address:
        yield address


def from_elsewhere(**options: Any) -> httpx.AsyncClient:
    """A client whose address uvicorn does not trust, as it trusts 127.0.0.1."""
    transport = httpx.AsyncHTTPTransport(local_address="127.0.1.5")
    return httpx.AsyncClient(transport=transport, **{**options, "timeout": 120})


def in_session(
    address: str,
    use: Callable[[ClientSession], Awaitable[_Found]],
    headers: dict[str, str] | None = None,
) -> _Found:
    """Connect as an MCP client does, and use the session."""

    async def connect() -> _Found:
        client = streamablehttp_client(address, headers, httpx_client_factory=from_elsewhere)
        async with client as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return await use(session)

    return asyncio.run(connect())


# Gradio gives a dict to a tool's caller as Python writes it.


def call(
    address: str, tool: str, arguments: dict[str, Any], headers: dict[str, str] | None = None
) -> tuple[bool, str]:
    """Call a tool; returns whether that failed, and its text."""
    result = in_session(address, lambda session: session.call_tool(tool, arguments), headers)
    return bool(result.isError), "".join(part.text for part in result.content)


def test_the_tools_are_our_three_endpoints_and_no_event_of_the_page(address: str) -> None:
    tools = in_session(address, lambda session: session.list_tools()).tools
    assert [tool.name for tool in tools] == ["predict", "suggest", "batch"]


def test_the_tools_describe_themselves(address: str) -> None:
    tools = in_session(address, lambda session: session.list_tools()).tools
    predict, suggest, batch = tools
    for tool in (predict, suggest):
        assert "crisis" in tool.description
        assert "help_lines" in tool.description
        assert tool.inputSchema["properties"]["text"]["type"] == "string"
        assert "in Indonesian" in tool.inputSchema["properties"]["text"]["description"]
    assert set(predict.inputSchema["properties"]) == {"text", "threshold"}
    assert predict.inputSchema["properties"]["threshold"]["type"] == "number"
    assert set(suggest.inputSchema["properties"]) == {"text"}
    texts = batch.inputSchema["properties"]["texts"]
    assert (texts["type"], texts["items"]) == ("array", {"type": "string"})
    assert "1,000" in batch.description


def test_predict_is_called_over_mcp(address: str) -> None:
    failed, text = call(address, "predict", {"text": ENTRY})
    assert not failed
    answer = ast.literal_eval(text)
    assert answer["emotions"][0]["label"] == "sad"
    assert len(answer["sentences"]) == 2


def test_a_crisis_is_answered_with_help_lines_over_mcp(address: str) -> None:
    for tool in ("predict", "suggest"):
        failed, text = call(address, tool, {"text": CRISIS})
        assert not failed
        assert "https://www.healing119.id" in text
        assert ast.literal_eval(text)["emotions"] == []


def test_batch_is_called_over_mcp(address: str) -> None:
    failed, text = call(address, "batch", {"texts": [ENTRY, CRISIS]})
    assert not failed
    assert [answer["crisis"] for answer in ast.literal_eval(text)] == [False, True]


def test_a_mistake_is_told_in_one_line_over_mcp(address: str) -> None:
    failed, text = call(address, "predict", {"text": ""})
    assert failed
    assert text == "Please write a sentence or two first."


def test_a_header_of_his_own_gives_no_caller_of_a_tool_a_new_allowance() -> None:
    # Gradio calls the endpoint from this machine with the caller's headers, where uvicorn believes
    # them; the guard has put what is known of the caller in their place.
    with launched(RateLimiter("2/hour", "100/hour")) as address:
        answers = [
            call(address, "predict", {"text": ENTRY}, {"x-forwarded-for": f"9.9.9.{n}"})
            for n in range(4)
        ]
    assert [failed for failed, _ in answers] == [False, False, True, True]
