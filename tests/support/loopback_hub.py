"""A small Hugging Face Hub on the loopback interface, for the unmodified Hub client.

Keeps model and data set repositories in memory: commits, branches, regular and LFS files. It speaks
the part of the Hub's HTTP interface that creating, pushing, listing and downloading them need.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, unquote, urlsplit

WRITE_TOKEN = "hf_loopbackWriteToken"
READ_TOKEN = "hf_loopbackReadToken"
OWNER = "memotions"
_LFS_SUFFIXES = (".onnx", ".h5", ".png", ".parquet")


@dataclass
class Repo:
    """One model repository; a commit is all files of a state, by path."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        parent = self.branches.get(branch)
        names = "".join(f"{path}{_sha256(data)}" for path, data in sorted(files.items()))
        sha = hashlib.sha1(f"{parent}{len(self.commits)}{names}".encode()).hexdigest()
        self.commits[sha], self.parents[sha], self.branches[branch] = files, parent, sha
        return sha

    def resolve(self, revision: str) -> str | None:
        sha = self.branches.get(revision, revision)
        return sha if sha in self.commits else None


class LoopbackHub:
    """The server; use it as a context manager."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.lfs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.interfere = False  # let somebody else commit just before the next commit
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def create(self, repo_id: str, **settings: bool) -> Repo:
        repo = self.repos[repo_id] = Repo(**settings)
        repo.commit({".gitattributes": b"*.onnx filter=lfs\n"})
        return repo


def run_client(
    code: str, endpoint: str, cache: Path, *arguments: str, token: str | None = WRITE_TOKEN
) -> subprocess.CompletedProcess[str]:
    """Run Python code whose Hub client talks to ``endpoint``, which it reads when imported."""
    kept = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ} | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache),
        "HOME": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_PROXY": "127.0.0.1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    if token is not None:
        environment["HF_TOKEN"] = token
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _is_lfs(path: str) -> bool:
    return path.endswith(_LFS_SUFFIXES)


class _HubError(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message or code


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[LoopbackHub]
    protocol_version = "HTTP/1.1"

    # The first pattern that matches names the method; its groups are the method's arguments.
    routes: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("GET", r"/api/whoami-v2", "whoami"),
        ("POST", r"/api/validate-yaml", "validate_yaml"),
        ("POST", r"/api/repos/create", "create_repo"),
        ("GET", r"/api/((?:models|datasets)/[^/]+/[^/]+)(?:/revision/([^/]+))?", "model_info"),
        ("GET", r"/api/((?:models|datasets)/[^/]+/[^/]+)/tree/([^/]+)/?(.*)", "tree"),
        ("POST", r"/api/((?:models|datasets)/[^/]+/[^/]+)/preupload/([^/]+)", "preupload"),
        ("POST", r"/api/((?:models|datasets)/[^/]+/[^/]+)/commit/([^/]+)", "commit"),
        ("POST", r"/api/((?:models|datasets)/[^/]+/[^/]+)/branch/([^/]+)", "create_branch"),
        ("POST", r"/((?:datasets/)?[^/]+/[^/]+)\.git/info/lfs/objects/batch", "lfs_batch"),
        ("PUT", r"/lfs/([0-9a-f]{64})", "lfs_upload"),
        ("HEAD|GET", r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)", "download"),
    )

    def handle_any(self) -> None:
        split = urlsplit(self.path)
        self.query = parse_qs(split.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            with self.hub.lock:
                self.hub.requests.append(f"{self.command} {split.path}")
                for methods, pattern, name in self.routes:
                    match = re.fullmatch(pattern, split.path)
                    if match and self.command in methods.split("|"):
                        groups = [unquote(group or "") for group in match.groups()]
                        # Model repositories are known without their type.
                        groups[:1] = [group.removeprefix("models/") for group in groups[:1]]
                        getattr(self, name)(*groups)
                        return
                raise _HubError(404, "", f"no route for {self.command} {split.path}")
        except _HubError as problem:
            headers = {"X-Error-Code": problem.code, "X-Error-Message": problem.message}
            body = json.dumps({"error": problem.message}).encode()
            self.reply(body, problem.status, {k: v for k, v in headers.items() if v})

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def reply(
        self, body: bytes = b"", status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, value: Any, status: int = 200) -> None:
        self.reply(json.dumps(value).encode(), status, {"Content-Type": "application/json"})

    @property
    def token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def require_write(self) -> None:
        if self.token not in (READ_TOKEN, WRITE_TOKEN):
            raise _HubError(401, "", "Invalid username or password.")
        if self.token != WRITE_TOKEN:
            raise _HubError(403, "", "you need write access")

    def repo(self, repo_id: str) -> Repo:
        repo = self.hub.repos.get(repo_id)
        known = self.token in (READ_TOKEN, WRITE_TOKEN)
        if repo is None or (repo.private and not known):
            raise _HubError(404 if known else 401, "RepoNotFound", "Repository not found")
        if repo.gated:
            raise _HubError(403, "GatedRepo", "Access to this model is restricted")
        return repo

    def state(self, repo_id: str, revision: str) -> tuple[Repo, str]:
        repo = self.repo(repo_id)
        sha = repo.resolve(revision or "main")
        if sha is None:
            raise _HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repo, sha

    def whoami(self) -> None:
        if self.token not in (READ_TOKEN, WRITE_TOKEN):
            raise _HubError(401, "", "Invalid username or password.")
        self.reply_json({"type": "user", "name": OWNER, "orgs": [], "auth": {}})

    def validate_yaml(self) -> None:
        content = json.loads(self.body)["content"]
        if not content.startswith("---\n") or "\nlicense: " not in content:
            self.reply_json({"errors": [{"message": '"license" is required'}]}, 400)
            return
        self.reply_json({"errors": [], "warnings": []})

    def create_repo(self) -> None:
        self.require_write()
        request = json.loads(self.body)
        repo_id = f"{request.get('organization') or OWNER}/{request['name']}"
        if not repo_id.startswith(f"{OWNER}/"):
            raise _HubError(403, "", "you may not write to this namespace")
        if request.get("type") == "dataset":
            repo_id = f"datasets/{repo_id}"
        exists = repo_id in self.hub.repos
        if not exists:
            self.hub.create(repo_id, private=request.get("visibility") == "private")
        self.reply_json({"url": f"{self.hub.url}/{repo_id}"}, 409 if exists else 200)

    def model_info(self, repo_id: str, revision: str) -> None:
        repo, sha = self.state(repo_id, revision)
        files = [{"rfilename": path} for path in sorted(repo.commits[sha])]
        self.reply_json(
            {
                "id": repo_id.removeprefix("datasets/"),
                "sha": sha,
                "private": repo.private,
                "siblings": files,
            }
        )

    def tree(self, repo_id: str, revision: str, folder: str) -> None:
        repo, sha = self.state(repo_id, revision)
        prefix = f"{folder}/" if folder else ""
        deep = self.query.get("recursive") == ["true"]
        entries: dict[str, dict[str, Any]] = {}
        for path, data in sorted(repo.commits[sha].items()):
            if not path.startswith(prefix):
                continue
            name, *below = path.removeprefix(prefix).split("/")
            if below and not deep:
                entry = {"type": "directory", "path": prefix + name, "size": 0, "oid": "0" * 40}
                entries[prefix + name] = entry
                continue
            entry = {"type": "file", "path": path, "size": len(data), "oid": _blob_id(data)}
            if _is_lfs(path):
                entry["lfs"] = {"oid": _sha256(data), "size": len(data), "pointerSize": 130}
            entries[path] = entry
        if folder and not entries:
            raise _HubError(404, "EntryNotFound", f"{folder} does not exist")
        self.reply_json(list(entries.values()))

    def preupload(self, repo_id: str, revision: str) -> None:
        self.require_write()
        repo, sha = self.state(repo_id, revision)
        answers = []
        for file in json.loads(self.body)["files"]:
            path = file["path"]
            there = repo.commits[sha].get(path)
            mode = "lfs" if _is_lfs(path) else "regular"
            oid = None if there is None else (_sha256 if _is_lfs(path) else _blob_id)(there)
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.reply_json({"files": answers})

    def lfs_batch(self, repo_id: str) -> None:
        self.require_write()
        self.repo(repo_id)
        answers = []
        for item in json.loads(self.body)["objects"]:
            answer = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.hub.lfs:
                answer["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{item['oid']}"}}
            answers.append(answer)
        self.reply_json({"transfer": "basic", "objects": answers})

    def lfs_upload(self, oid: str) -> None:
        if _sha256(self.body) != oid:
            raise _HubError(400, "", "the content is not what its name says")
        self.hub.lfs[oid] = self.body
        self.reply()

    def commit(self, repo_id: str, revision: str) -> None:
        self.require_write()
        repo, sha = self.state(repo_id, revision)
        if self.hub.interfere:
            self.hub.interfere = False
            sha = repo.commit(repo.commits[sha] | {"other.txt": b"someone else\n"}, revision)
        header, *operations = map(json.loads, self.body.splitlines())
        parent = header["value"].get("parentCommit")
        if parent not in (None, sha):
            raise _HubError(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(repo.commits[sha])
        for operation in operations:
            self.apply(operation["key"], operation["value"], files)
        branch = "refs/pr/1" if "create_pr" in self.query else revision
        new = repo.commit(files, branch)
        answer = {"commitUrl": f"{self.hub.url}/{repo_id}/commit/{new}", "commitOid": new}
        answer["pullRequestUrl"] = f"{self.hub.url}/{repo_id}/discussions/1"
        self.reply_json({"success": True} | answer)

    def apply(self, key: str, value: dict[str, Any], files: dict[str, bytes]) -> None:
        if key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile" and value["oid"] in self.hub.lfs:
            files[value["path"]] = self.hub.lfs[value["oid"]]
        elif key == "deletedFile" and value["path"] in files:
            del files[value["path"]]
        else:
            raise _HubError(400, "", f"cannot apply {key} {value.get('path')}")

    def create_branch(self, repo_id: str, branch: str) -> None:
        self.require_write()
        repo, sha = self.state(repo_id, "main")
        if branch in repo.branches:
            raise _HubError(409, "", "Reference already exists")
        repo.branches[branch] = sha
        self.reply_json({}, 201)

    def download(self, repo_id: str, revision: str, path: str) -> None:
        repo, sha = self.state(repo_id, revision)
        data = repo.commits[sha].get(path)
        if data is None:
            raise _HubError(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": sha, "ETag": f'"{_blob_id(data)}"'}
        if _is_lfs(path):
            # The real Hub redirects to a storage host and names the content by its SHA-256.
            headers |= {"X-Linked-ETag": f'"{_sha256(data)}"', "X-Linked-Size": str(len(data))}
        self.reply(data, headers=headers)
