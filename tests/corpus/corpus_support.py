"""What the tests of the corpus share: an expected one-line error, and rows made by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from memotions_hf.corpus import Row
from memotions_hf.errors import MemotionsError

needs_mirror = pytest.mark.skipif(
    not os.environ.get("MEMOTIONS_MIRROR"),
    reason="MEMOTIONS_MIRROR does not name a folder of upstream files",
)


@contextmanager
def one_line_error(kind: type[MemotionsError], *parts: str) -> Iterator[None]:
    """Expect an error whose message is one line and names every one of the parts."""
    with pytest.raises(kind) as caught:
        yield
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    for part in parts:
        assert part in message


def row(
    text: str,
    label: str = "happy",
    *,
    id: str | None = None,
    source: str = "journal",
    split: str | None = None,
) -> Row:
    return Row(id or f"{source}-{text}", text, source, label, split)  # type: ignore[arg-type]
