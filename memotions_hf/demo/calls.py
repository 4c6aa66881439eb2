"""How an event of the page runs: within the limits, and failing in one line for the visitor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from .markup import VisitorError
from .patches import kind_and_place

if TYPE_CHECKING:
    import gradio as gr

    from .service import Service

_Outputs = TypeVar("_Outputs")

PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Options of every event of the page: no spinner of Gradio's, and no endpoint for others."""

logger = logging.getLogger(__name__)


def answered(
    service: Service,
    request: gr.Request,
    action: Callable[[], _Outputs],
    on_error: Callable[[VisitorError], _Outputs],
    cost: int = 1,
) -> _Outputs:
    """Run an event's action and return its outputs, or those for what went wrong."""
    try:
        service.limiter.check(request, cost)
        return action()
    except Exception as error:
        return on_error(visitor_error(error))


def streamed(
    service: Service,
    request: gr.Request,
    action: Callable[[], Iterator[_Outputs]],
    on_error: Callable[[VisitorError], _Outputs],
    cost: int = 1,
) -> Iterator[_Outputs]:
    """As :func:`answered`, for an action that yields its outputs again and again."""
    try:
        service.limiter.check(request, cost)
        yield from action()
    except Exception as error:
        yield on_error(visitor_error(error))


def visitor_error(error: Exception) -> VisitorError:
    """What to tell a visitor; of an error that is not theirs, the log gets the kind and place."""
    if isinstance(error, VisitorError):
        return error
    logger.error("an event of the page failed: %s", kind_and_place(error))
    return VisitorError("common.broken")
