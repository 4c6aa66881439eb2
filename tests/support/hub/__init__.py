"""A Hugging Face Hub on the loopback interface, for the unmodified Python clients.

    with loopback_hub(tmp_path / "hub") as hub:
        HfApi(endpoint=hub.url, token=hub.tokens.write).create_repo("memotions/a")
        hub.run("from datasets import load_dataset; ...", home=tmp_path / "home")

Where it is and who asks
    ``hub.url``, ``hub.storage_url`` (large files), ``hub.dead_url`` (nothing listens there: the
    network is down). ``hub.tokens.write``, ``.read``, ``.fine`` (fine-grained: may write in
    ``memotions`` only), ``.fine_read`` (fine-grained: may only read there), ``.stranger`` (another
    user), ``.wrong`` (unknown). ``memotions`` owns the first four and, but for the fine-grained
    ones, writes in ``memotions-lab`` too. ``hub.environment(home, token, **variables)`` and
    ``hub.run(code, *arguments, home=, token=, **variables)`` are for a process of its own.

What is there, without the wire
    ``hub.put(repo_id, {path: bytes or text}, repo_type="model", revision="main", private=False,
    gated=False, sdk="gradio") -> commit``: a commit by the owner; the repository and the branch
    come to be where missing (``private``, ``gated`` and ``sdk`` count only then). Paths are not
    checked, so ``hub.put(repo_id, {"../../evil": b""})`` makes a hostile listing.
    ``hub.files(repo_id, revision="main", repo_type="model") -> {path: bytes}`` without
    .gitattributes. ``hub.repo(repo_id, repo_type="model") -> Repo | None`` with ``private``,
    ``gated``, ``refs``, ``discussions`` and ``space`` (``sdk``, ``restarts``, ``paused``).
    ``hub.space_values(repo_id) -> {"secrets/NAME": value, "variables/NAME": value}``.

What was asked
    ``hub.requests``: "METHOD /path" of every request. ``hub.uploads``: "object SHA256" of every
    content that was uploaded and "commit models/OWNER/NAME SHA" of every commit that a client
    made; empty means that nothing was uploaded. ``hub.clear()`` forgets both, and all troubles.

Somebody else, and a wire that cannot be trusted (each returns a Fault; ``.happened`` counts)
    ``hub.interfere(repo_id, files=..., repo_type=, revision=, times=1)``: somebody else's commit
    lands just before the client's. ``hub.corrupt(repo_id, path, repo_type=, revision=, at=0)``: the
    byte at this place is another one, the size stays right. ``hub.truncate(repo_id, path, after=0,
    repo_type=, revision=)``: the body ends early and its Content-Length says so. ``hub.faults`` has
    more (statuses, rate limits, cut and slow connections, wrong hashes), by request.

Refusals (attributes of ``hub.app``)
    ``quota_bytes = 1000``: 403 where a namespace would hold more than that. ``max_body_bytes``: 413
    for a larger request body. ``spaces_need_payment = True``: 402 for a Gradio or Docker Space on
    free hardware, even one that exists. ``repos_per_day = 0``: 429 with Retry-After for one more
    new repository. ``refuses_values = True``: 400 that repeats the value, for a secret or variable.
    Always: 401 for no or an unknown token, 403 for a token that may not or a namespace that is not
    one's own, 409 for a name that is taken, 401/403 GatedRepo, 404 for what is private.

Spaces and data sets
    ``hub.spaces_run_at["owner/space"] = "http://127.0.0.1:7860"`` says where a Space runs, for
    gradio_client (``gradio.load`` has the real Hub's address built in). The data set viewer (/info,
    /parquet, /is-valid) answers to the host name "datasets-server." and the Hub's, which
    ``environment`` makes reachable; ``hub.app.viewer = False`` switches it off.

One setting of the client is needed, ``HF_HUB_DISABLE_XET=1``: where the package hf_xet is installed
(huggingface_hub 2 brings it along) the client sends every large file that it has as a path or
as bytes to Xet storage and asks the server nothing that could change its mind. Downloads need no
setting. ``environment`` sets it; ``without_xet`` does the same inside a process that has already
imported the client.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import uvicorn

from .faults import ALWAYS, Fault, Faults
from .server import HubApp, Scope, User, new_space
from .store import Entry, Repo, Store

__all__ = ["ALWAYS", "Hub", "Tokens", "loopback_hub", "without_xet"]

OWNER = "memotions"
ORGANISATION = "memotions-lab"
STRANGER = "tetangga"


@dataclass(frozen=True)
class Tokens:
    """Tokens that the Hub knows; ``wrong`` it does not know."""

    write: str = "hf_loopbackWrite"
    read: str = "hf_loopbackRead"
    fine: str = "hf_loopbackFine"
    fine_read: str = "hf_loopbackFineRead"
    stranger: str = "hf_loopbackStranger"
    wrong: str = "hf_loopbackWrong"

    def users(self) -> dict[str, User]:
        """Return whom each token stands for."""
        read = ("repo.content.read",)
        fine = Scope("user", OWNER, (*read, "repo.write"))
        fine_read = Scope("user", OWNER, read)
        return {
            self.fine: User(OWNER, "fineGrained", (ORGANISATION,), (fine,)),
            self.fine_read: User(OWNER, "fineGrained", (ORGANISATION,), (fine_read,)),
            self.write: User(OWNER, "write", (ORGANISATION,)),
            self.read: User(OWNER, "read", (ORGANISATION,)),
            self.stranger: User(STRANGER, "write"),
        }


@dataclass(frozen=True)
class Hub:
    """A running Hub."""

    url: str
    storage_url: str
    dead_url: str
    tokens: Tokens
    store: Store
    faults: Faults
    app: HubApp

    @property
    def requests(self) -> list[str]:
        """Every request so far, as "METHOD /path"."""
        return list(self.faults.requests)

    @property
    def uploads(self) -> list[str]:
        """What clients uploaded so far, as "object SHA256" and "commit KINDs/OWNER/NAME SHA"."""
        return list(self.app.uploads)

    @property
    def spaces_run_at(self) -> dict[str, str]:
        """The address at which each Space runs; a test fills it in."""
        return self.app.spaces_run_at

    def clear(self) -> None:
        """Forget the requests and uploads so far, and all troubles; the switches stay."""
        self.faults.clear()
        self.app.uploads.clear()

    # What is there

    def put(
        self,
        repo_id: str,
        files: Mapping[str, bytes | str],
        *,
        repo_type: str = "model",
        revision: str = "main",
        private: bool = False,
        gated: bool | str = False,
        sdk: str = "gradio",
    ) -> str:
        """Commit files as the owner, without a request; paths are not checked.

        Args:
            repo_id: The repository; it is created if it is not there.
            files: The content of each path.
            repo_type: "model", "dataset" or "space".
            revision: The branch or full reference; a new one starts from main.
            private: Whether a new repository is private.
            gated: Whether a new repository is gated: False, "auto" or "manual".
            sdk: The kind of a new Space.

        Returns:
            The commit's hash.
        """
        with self.store.lock:
            repo = self.repo(repo_id, repo_type)
            if repo is None:
                space = new_space({"sdk": sdk}) if repo_type == "space" else {}
                settings: dict[str, Any] = {"private": private, "gated": gated, "space": space}
                repo = self.store.create(repo_type, repo_id, **settings)
            start = self.store.resolve(repo, "main")
            there = self.store.read_commit(repo, start).files
            changes: dict[str, Entry | None] = {
                path: self.store.entry(there, path, _bytes(data)) for path, data in files.items()
            }
            reference = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
            options = {"author": repo.owner, "base": start}
            return self.store.commit(repo, reference, changes, title="Put", **options).sha

    def files(
        self, repo_id: str, revision: str = "main", repo_type: str = "model"
    ) -> dict[str, bytes]:
        """Return the content of each file but .gitattributes.

        Raises:
            KeyError: There is no such repository.
        """
        repo = self._known(repo_id, repo_type)
        entries = self.store.read_commit(repo, self.store.resolve(repo, revision)).files
        return {
            path: self.store.read(entry)
            for path, entry in entries.items()
            if path != ".gitattributes"
        }

    def repo(self, repo_id: str, repo_type: str = "model") -> Repo | None:
        """Return a repository's settings and references, or None."""
        return self.store.find(repo_type, repo_id)

    def _known(self, repo_id: str, repo_type: str) -> Repo:
        repo = self.repo(repo_id, repo_type)
        if repo is None:
            raise KeyError(f"There is no {repo_type} {repo_id}")
        return repo

    def space_values(self, repo_id: str) -> dict[str, str]:
        """Return a Space's secrets and variables, by "secrets/NAME" and "variables/NAME"."""
        space = self._known(repo_id, "space").space
        return {
            f"{which}/{name}": item["value"]
            for which in ("secrets", "variables")
            for name, item in space[which].items()
        }

    # Somebody else, and a wire that cannot be trusted

    def interfere(
        self,
        repo_id: str,
        files: Mapping[str, bytes | str] | None = None,
        *,
        repo_type: str = "model",
        revision: str = "main",
        times: int = 1,
    ) -> Fault:
        """Let somebody else's commit land just before a client's next one to a repository.

        Args:
            repo_id: The repository; the client may create it first.
            files: What the other commit holds; a file that differs each time if nothing is said.
            repo_type: "model", "dataset" or "space".
            revision: The branch of the other commit.
            times: How many of the client's commits it comes before.
        """

        def commit() -> None:
            others = files or {"other.txt": f"{time.monotonic_ns()}\n"}
            self.put(repo_id, others, repo_type=repo_type, revision=revision)

        pattern = f"^POST /api/{repo_type}s/{re.escape(repo_id)}/commit/"
        return self.faults.meanwhile(pattern, commit, times=times)

    def corrupt(
        self,
        repo_id: str,
        path: str,
        *,
        repo_type: str = "model",
        revision: str = "main",
        at: int = 0,
        times: int = ALWAYS,
    ) -> Fault:
        """Serve a file, as it is now, with another byte at one place: the size stays right."""
        pattern = self._content_requests(repo_id, path, repo_type, revision)
        return self.faults.corrupt_download(pattern, at=at, times=times)

    def truncate(
        self,
        repo_id: str,
        path: str,
        *,
        after: int = 0,
        repo_type: str = "model",
        revision: str = "main",
        times: int = ALWAYS,
    ) -> Fault:
        """Serve only the beginning of a file, as it is now, as if that were the whole answer."""
        pattern = self._content_requests(repo_id, path, repo_type, revision)
        return self.faults.shorten_download(pattern, after=after, times=times)

    def _content_requests(self, repo_id: str, path: str, repo_type: str, revision: str) -> str:
        repo = self._known(repo_id, repo_type)
        commit = self.store.read_commit(repo, self.store.resolve(repo, revision))
        entry = commit.files[path]
        if entry.lfs:
            return f"^GET /object/{entry.sha256}$"
        kind, name = f"{repo.kind}s", re.escape(quote(path))
        return f"^GET /api/resolve-cache/{kind}/{re.escape(repo_id)}/{commit.sha}/{name}$"

    # Clients

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
            # The data set viewer's host has a name that nobody could look up: what has another
            # name than this machine's is asked through the Hub, as through a proxy.
            "http_proxy": self.url,
            "no_proxy": "127.0.0.1,localhost",
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
    sockets, unheard = [_listen(), _listen()], _listen()
    app.url, app.storage_url, dead = map(_address, (*sockets, unheard))
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
        yield Hub(app.url, app.storage_url, dead, tokens, store, faults, app)
    finally:
        unheard.close()
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


def _address(bound: socket.socket) -> str:
    return f"http://127.0.0.1:{bound.getsockname()[1]}"


def _bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content
