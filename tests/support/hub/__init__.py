"""A Hugging Face Hub on the loopback interface, for the unmodified Python clients.

    with loopback_hub(tmp_path / "hub") as hub:
        HfApi(endpoint=hub.url, token=hub.tokens.write).create_repo("memotions/a")
        hub.run("from datasets import load_dataset; ...", home=tmp_path / "home")

One setting of the client is needed, ``HF_HUB_DISABLE_XET=1``: where the package hf_xet is installed
(huggingface_hub 2 brings it along) the client sends every large file that it has as a path or
as bytes to Xet storage and asks the server nothing that could change its mind. ``environment`` sets
it; ``without_xet`` does the same inside a process that has already imported the client.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import uvicorn

from .faults import Faults
from .server import HubApp, User
from .store import Store

__all__ = ["Hub", "Tokens", "loopback_hub", "without_xet"]

OWNER = "memotions"
ORGANISATION = "memotions-lab"
STRANGER = "tetangga"


@dataclass(frozen=True)
class Tokens:
    """Tokens that the Hub knows; ``wrong`` it does not know."""

    write: str = "hf_loopbackWrite"
    read: str = "hf_loopbackRead"
    stranger: str = "hf_loopbackStranger"
    wrong: str = "hf_loopbackWrong"

    def users(self) -> dict[str, User]:
        """Return whom each token stands for."""
        return {
            self.write: User(OWNER, "write", (ORGANISATION,)),
            self.read: User(OWNER, "read", (ORGANISATION,)),
            self.stranger: User(STRANGER, "write"),
        }


@dataclass(frozen=True)
class Hub:
    """A running Hub."""

    url: str
    storage_url: str
    tokens: Tokens
    store: Store
    faults: Faults
    app: HubApp

    @property
    def requests(self) -> list[str]:
        """Every request so far, as "METHOD /path"."""
        return list(self.faults.requests)

    def environment(self, home: Path, token: str | None = None, **more: str) -> dict[str, str]:
        """Return the environment for a process whose clients use this Hub.

        Args:
            home: The folder for its caches, so that nothing of the machine's own is used.
            token: The token that it is logged in with, if any.
            more: Further variables, such as HF_HUB_OFFLINE.
        """
        kept = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
        environment = {name: os.environ[name] for name in kept if name in os.environ} | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0",
            "NO_PROXY": "127.0.0.1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        return environment | ({"HF_TOKEN": token} if token else {}) | more

    def run(
        self, code: str, *arguments: str, home: Path, token: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Python code in a process of its own whose clients use this Hub."""
        home.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=self.environment(home, token, **more),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@contextmanager
def loopback_hub(folder: Path, tokens: Tokens | None = None) -> Iterator[Hub]:
    """Serve a Hub from a folder until the block ends.

    Args:
        folder: Where it keeps everything; a folder that an earlier Hub left is taken up again.
        tokens: Other tokens than the usual ones.

    Yields:
        The Hub, ready to answer.
    """
    tokens = tokens or Tokens()
    store = Store(folder)
    app = HubApp(store, tokens.users())
    faults = Faults(app.app)
    sockets = [_listen(), _listen()]
    app.url, app.storage_url = (f"http://127.0.0.1:{s.getsockname()[1]}" for s in sockets)
    config = uvicorn.Config(
        faults,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=0,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield Hub(app.url, app.storage_url, tokens, store, faults, app)
    finally:
        server.should_exit = True
        thread.join(timeout=5)


@contextmanager
def without_xet() -> Iterator[None]:
    """Do in this process what HF_HUB_DISABLE_XET=1 does in a new one."""
    with patch("huggingface_hub.constants.HF_HUB_DISABLE_XET", True):
        yield


def _listen() -> socket.socket:
    # asyncio sends small pieces at once only where the protocol is named: 40 ms a request else.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener
