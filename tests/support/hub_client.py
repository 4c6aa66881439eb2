"""The Hub's client in this process, led to a loopback Hub as the environment leads a new one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from huggingface_hub import constants
from huggingface_hub.utils.tqdm import disable_progress_bars

from .hub import Hub, without_xet
from .hub.store import Store


def emptied(hub: Hub) -> Hub:
    """Return the same Hub as new, which is sooner done than to stop it and start another."""
    shutil.rmtree(hub.store.folder)
    Store(hub.store.folder)
    hub.clear()
    hub.app.quota_bytes = hub.app.max_body_bytes = hub.app.repos_per_day = None
    hub.app.spaces_need_payment = False
    return hub


@contextmanager
def client_of(hub: Hub, home: Path, token: str | None = None) -> Iterator[list[float]]:
    """Lead what has no endpoint of its own to this Hub; nobody waits, however long it is asked to.

    Args:
        hub: The Hub.
        home: The folder for the cache, and for a token, so that none of the machine's is used.
        token: The token that the client is logged in with, if any.

    Yields:
        The seconds of each wait that was asked for so far.
    """
    disable_progress_bars()
    waits: list[float] = []
    page = "/{repo_id}/resolve/{revision}/{filename}"
    values: dict[str, Any] = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + page,
        "HF_URL_HOSTS": constants.HF_URL_HOSTS | {"127.0.0.1"},
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
    }
    tokens = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
    environment = {name: value for name, value in os.environ.items() if name not in tokens}
    environment |= {"HF_TOKEN": token} if token else {}
    with (
        patch.multiple(constants, **values),
        patch.dict(os.environ, environment, clear=True),
        patch("time.sleep", waits.append),
        without_xet(),
    ):
        yield waits
