"""The Hub's HTTP interface over a :class:`Store`, as the Python clients use it.

The application stands on two addresses. One is the Hub; the other plays the storage host that large
files go to and come from, by links that expire with the process and without the Hub's token.
Request and answer shapes follow the clients' own source.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

import yaml  # type: ignore[import-untyped,unused-ignore]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .store import MAIN, Commit, Entry, HubError, Repo, Store, is_large, matches, now
from .viewer import Splits, describe_config, parquet_splits

PIECE = 64 * 1024
SPACE_SDKS = ("gradio", "docker", "static")
SPACE_COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"]
_API = r"/api/(models|datasets|spaces)/([^/]+/[^/]+)"
_PAGE = r"/(?!api/)(?:(datasets|spaces)/)?([^/]+/[^/]+?)"
_REPO_GROUPS = 2


@dataclass(frozen=True)
class Scope:
    """What a fine-grained token may do, and with what: a user, an org, or one repository."""

    kind: str
    name: str
    permissions: tuple[str, ...]


@dataclass(frozen=True)
class User:
    """Who a token stands for, and what it may do."""

    name: str
    role: str
    organisations: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces in which the user's repositories may be."""
        return (self.name, *self.organisations)

    def may(self, permission: str, namespace: str, repo: Repo | None = None) -> bool:
        """Tell whether the token allows something in a namespace, or with one repository."""
        if namespace not in self.namespaces:
            return False
        if self.role != "fineGrained":
            return self.role == "write" or permission != "repo.write"
        there = {("user", namespace), ("org", namespace)}
        there |= {(repo.kind, repo.repo_id)} if repo else set()
        return any(
            permission in scope.permissions and (scope.kind, scope.name) in there
            for scope in self.scopes
        )


@dataclass
class Call:
    """One request: its parts, and who sends it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    user: User | None

    @property
    def fields(self) -> dict[str, Any]:
        """The body, as JSON or as a form."""
        if "x-www-form-urlencoded" in self.headers.get("content-type", ""):
            return dict(parse_qs(self.body.decode()))
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise HubError(400, "", "The body is not JSON") from None
        if not isinstance(value, dict):
            raise HubError(400, "", "The body is not a JSON object")
        return value

    def asks(self, name: str) -> bool:
        """Tell whether the query, or a form, switches something on."""
        return self.query.get(name, [""])[0].lower() in ("1", "true")


class HubApp:
    """The application; ``app`` is what a server serves."""

    # The first pattern that matches names the method; its groups are the method's arguments.
    routes: tuple[tuple[str, str, str], ...] = (
        ("GET", r"/api/whoami-v2", "whoami"),
        ("POST", r"/api/validate-yaml", "validate_yaml"),
        ("POST", r"/api/repos/create", "create_repo"),
        ("DELETE", r"/api/repos/delete", "delete_repo"),
        ("POST", r"/api/repos/move", "move_repo"),
        ("GET|HEAD", rf"/api/resolve-cache{_API[4:]}/([0-9a-f]{{40}})/(.+)", "resolved"),
        ("GET", r"/api/(models|datasets|spaces)", "list_repos"),
        ("GET", rf"{_API}", "info"),
        ("GET", rf"{_API}/revision/([^/]+)", "info"),
        ("GET", rf"{_API}/auth-check", "auth_check"),
        ("GET", rf"{_API}/auth-check/(write)", "auth_check"),
        ("PUT", rf"{_API}/settings", "settings"),
        ("POST", rf"{_API}/user-access-request/grant", "grant"),
        ("GET", rf"{_API}/tree/([^/]+)/?(.*)", "tree"),
        ("POST", rf"{_API}/paths-info/([^/]+)", "paths_info"),
        ("GET", rf"{_API}/commits/([^/]+)", "commits"),
        ("GET", rf"{_API}/refs", "refs"),
        ("GET", rf"{_API}/parquet", "parquet_urls"),
        ("GET|HEAD", rf"{_API}/parquet/([^/]+)/([^/]+)/([0-9]+)\.parquet", "parquet_file"),
        ("POST|DELETE", rf"{_API}/branch/([^/]+)", "branch"),
        ("POST|DELETE", rf"{_API}/tag/([^/]+)", "tag"),
        ("POST", rf"{_API}/super-squash/([^/]+)", "squash"),
        ("POST", rf"{_API}/preupload/([^/]+)", "preupload"),
        ("POST", rf"{_API}/commit/([^/]+)", "commit"),
        ("GET", rf"{_API}/xet-(?:read|write)-token/[^/]+", "xet_token"),
        ("GET|POST", rf"{_API}/discussions", "discussions"),
        ("GET", rf"{_API}/discussions/([0-9]+)", "discussion"),
        ("POST", rf"{_API}/discussions/([0-9]+)/merge", "merge"),
        ("GET|POST|DELETE", rf"{_API}/(secrets|variables)", "space_settings"),
        ("GET", rf"{_API}/(runtime)", "space_runtime"),
        ("GET", rf"{_API}/host", "space_host"),
        ("POST", rf"{_API}/(restart|pause|hardware|sleeptime)", "space_runtime"),
        ("POST", rf"{_PAGE}\.git/info/lfs/objects/batch", "lfs_batch"),
        ("POST", rf"{_PAGE}\.git/info/lfs/verify", "lfs_verify"),
        ("GET|HEAD", rf"{_PAGE}/resolve/([^/]+)/(.+)", "resolve"),
    )
    # The host of the data set viewer, which clients call "datasets-server." and the Hub's name.
    viewer_routes: tuple[tuple[str, str, str], ...] = (
        ("GET", r"/info", "viewer_info"),
        ("GET", r"/parquet", "viewer_parquet"),
        ("GET", r"/is-valid", "viewer_is_valid"),
    )
    storage_routes: tuple[tuple[str, str, str], ...] = (
        ("GET|HEAD", r"/object/([0-9a-f]{64})", "storage_get"),
        ("PUT", r"/upload/([0-9a-f]{64})", "storage_put"),
        ("PUT", r"/part/([0-9a-f]{64})/([0-9]+)", "storage_part"),
        ("POST", r"/complete/([0-9a-f]{64})", "storage_complete"),
    )

    def __init__(self, store: Store, users: Mapping[str, User]) -> None:
        self.store, self.users = store, users
        self.url = self.storage_url = ""  # known once the sockets are bound
        self.multipart_from = 5 * 1024 * 1024 * 1024
        self.part_size = 64 * 1024 * 1024
        self.page_size = 1000
        self.quota_bytes: int | None = None
        self.max_body_bytes: int | None = None
        self.repos_per_day: int | None = None
        self.spaces_need_payment = False
        self.refuses_values = False
        self.viewer = True
        self.spaces_run_at: dict[str, str] = {}
        self.uploads: list[str] = []
        self._signing_key = secrets.token_bytes()
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=_METHODS)])

    # Requests

    async def _answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("ascii")
        routes = self._routes_of(request.headers.get("host", ""))
        try:
            for methods, pattern, name in routes:
                match = re.fullmatch(pattern, path)
                if match and request.method in methods.split("|"):
                    groups = [unquote(group or "") for group in match.groups()]
                    if routes is self.storage_routes:
                        return await self._storage(request, path, name, groups)
                    body = await request.body()
                    if self.max_body_bytes is not None and len(body) > self.max_body_bytes:
                        raise HubError(413, "", "Payload Too Large")
                    return self._hub(request, path, name, groups, body)
            raise HubError(404, "", f"There is nothing here for {request.method} {path}")
        except HubError as problem:
            fields = {"X-Error-Code": problem.code, "X-Error-Message": problem.message}
            headers = {name: value for name, value in fields.items() if value} | problem.headers
            return JSONResponse({"error": problem.message}, problem.status, headers)

    def _routes_of(self, host: str) -> tuple[tuple[str, str, str], ...]:
        if f"http://{host}" == self.storage_url:
            return self.storage_routes
        return self.viewer_routes if host.startswith("datasets-server.") else self.routes

    def _hub(
        self, request: Request, path: str, name: str, groups: list[str], body: bytes
    ) -> Response:
        query = parse_qs(request.url.query, keep_blank_values=True)
        call = Call(request.method, path, query, request.headers, body, self._user(request))
        method: Callable[..., Response] = getattr(self, name)
        if len(groups) < _REPO_GROUPS:
            return method(call, *groups)
        kind = groups[0].removesuffix("s") or "model"
        repo = self.store.find(kind, groups[1])
        moved = None if repo else self.store.moved_to(kind, groups[1])
        if moved:
            location = request.url.path.replace(groups[1], moved, 1)
            if request.url.query:
                location += f"?{request.url.query}"
            return Response(status_code=307, headers={"Location": location})
        return method(call, self._readable(repo, call.user), *groups[_REPO_GROUPS:])

    def _user(self, request: Request) -> User | None:
        authorization = request.headers.get("authorization")
        if authorization is None:
            return None
        user = self.users.get(authorization.removeprefix("Bearer "))
        if user is None:
            raise HubError(401, "", "Invalid credentials in Authorization header")
        return user

    @staticmethod
    def _readable(repo: Repo | None, user: User | None) -> Repo:
        """Return the repository; a private one does not exist for those who may not see it."""
        allowed = user is not None and repo and user.may("repo.content.read", repo.owner, repo)
        if repo is None or (repo.private and not allowed):
            raise HubError(401 if user is None else 404, "RepoNotFound", "Repository not found")
        return repo

    @staticmethod
    def _require_content(repo: Repo, user: User | None) -> None:
        """Refuse the files of a gated repository to those who were not let in."""
        if not repo.gated:
            return
        if user is None:
            message = f"Access to {repo.kind} {repo.repo_id} is restricted. You must be logged in."
            raise HubError(401, "GatedRepo", message)
        if repo.owner not in user.namespaces and user.name not in repo.granted:
            message = f"Access to {repo.kind} {repo.repo_id} is restricted. Ask for access."
            raise HubError(403, "GatedRepo", message)

    @staticmethod
    def _writer(call: Call, repo: Repo | None = None) -> User:
        """Return who writes, if the token may write, and to this repository."""
        if call.user is None:
            raise HubError(401, "", "Invalid username or password.")
        if call.user.role == "read":
            message = "Forbidden: you must use a write token to write to a repository."
            raise HubError(403, "", message)
        if repo is not None and not call.user.may("repo.write", repo.owner, repo):
            raise HubError(403, "", "Authorization error.")
        return call.user

    def _creator(self, call: Call, kind: str, namespace: str) -> None:
        """Refuse who may not create a repository in this namespace, which need not exist."""
        if not self._writer(call).may("repo.write", namespace):
            message = (
                f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"'
            )
            raise HubError(403, "", message)

    # Users and repositories

    def whoami(self, call: Call) -> Response:
        user = call.user
        if user is None:
            raise HubError(401, "", "Invalid username or password.")
        organisations = [
            {"type": "org", "name": name, "roleInOrg": "admin"} for name in user.organisations
        ]
        token: dict[str, Any] = {"displayName": "loopback", "role": user.role, "createdAt": now()}
        if user.role == "fineGrained":
            scoped = [
                {
                    "entity": {"_id": _id(scope.name), "type": scope.kind, "name": scope.name},
                    "permissions": list(scope.permissions),
                }
                for scope in user.scopes
            ]
            token["fineGrained"] = {"canReadGatedRepos": False, "global": [], "scoped": scoped}
        auth = {"type": "access_token", "accessToken": token}
        return JSONResponse(
            {
                "type": "user",
                "id": _id(user.name),
                "name": user.name,
                "fullname": user.name.title(),
                "isPro": False,
                "orgs": organisations,
                "auth": auth,
            }
        )

    def validate_yaml(self, call: Call) -> Response:
        fields = call.fields
        _, errors, warnings = _check_card(
            str(fields.get("content", "")), str(fields.get("repoType", "model"))
        )
        answer = {
            "errors": [{"message": text} for text in errors],
            "warnings": [{"message": text} for text in warnings],
        }
        return JSONResponse(answer, 400 if errors else 200)

    def create_repo(self, call: Call) -> Response:
        fields = call.fields
        kind, name = fields.get("type") or "model", str(fields["name"])
        if kind not in ("model", "dataset", "space"):
            raise HubError(400, "", f'"type" must not be {kind}')
        user = self._writer(call)
        namespace = fields.get("organization") or user.name
        self._creator(call, kind, namespace)
        self._payment(kind, fields)
        if not re.fullmatch(r"(?![.-])[\w.-]{1,96}(?<![.-])", name) or ".." in name:
            raise HubError(400, "", f"Invalid repository name: {name}")
        repo_id = f"{namespace}/{name}"
        prefix = "" if kind == "model" else f"{kind}s/"
        answer = {"url": f"{self.url}/{prefix}{repo_id}", "name": repo_id}
        self._daily_limit(kind, repo_id)
        try:
            self.store.create(
                kind,
                repo_id,
                private=fields.get("visibility") == "private" or fields.get("private") is True,
                space=new_space(fields) if kind == "space" else {},
            )
        except HubError as problem:
            # The client reads the address from the refusal too.
            return JSONResponse(answer | {"error": problem.message}, problem.status)
        return JSONResponse(answer)

    def _payment(self, kind: str, fields: dict[str, Any]) -> None:
        # As on the real Hub, this comes before the question whether the Space exists.
        free = fields.get("hardware", "cpu-basic") == "cpu-basic" and fields.get("sdk") != "static"
        if kind == "space" and free and self.spaces_need_payment:
            message = "Hosting Gradio and Docker Spaces on cpu-basic requires a PRO subscription."
            raise HubError(402, "", message)

    def _daily_limit(self, kind: str, repo_id: str) -> None:
        if self.repos_per_day is None or self.store.find(kind, repo_id):
            return
        if self.repos_per_day == 0:
            message = "You have exceeded the rate limit for repository creation. Retry later."
            raise HubError(429, "", message, **{"Retry-After": str(24 * 60 * 60)})
        self.repos_per_day -= 1

    def _quota(self, repo: Repo, new: dict[str, int]) -> None:
        if self.quota_bytes is None:
            return
        if sum((self.store.held_by(repo.owner) | new).values()) <= self.quota_bytes:
            return
        which = "Private repository storage" if repo.private else "Public repository storage"
        raise HubError(403, "", f"{which} limit reached, please upgrade your plan")

    def _named(self, call: Call, kind: str, repo_id: str) -> Repo:
        repo = self._readable(self.store.find(kind, repo_id), call.user)
        self._writer(call, repo)
        return repo

    def delete_repo(self, call: Call) -> Response:
        fields = call.fields
        namespace = fields.get("organization") or self._writer(call).name
        kind = fields.get("type") or "model"
        self.store.delete(self._named(call, kind, f"{namespace}/{fields['name']}"))
        return Response("OK")

    def move_repo(self, call: Call) -> Response:
        fields = call.fields
        repo = self._named(call, fields.get("type") or "model", fields["fromRepo"])
        self._creator(call, repo.kind, fields["toRepo"].split("/")[0])
        self.store.move(repo, fields["toRepo"])
        return Response("OK")

    def settings(self, call: Call, repo: Repo) -> Response:
        self._writer(call, repo)
        fields = call.fields
        if "visibility" in fields or "private" in fields:
            repo.private = fields.get("visibility") == "private" or fields.get("private") is True
        repo.gated = fields.get("gated", repo.gated)
        self.store.save(repo)
        return JSONResponse({"private": repo.private, "gated": repo.gated})

    def grant(self, call: Call, repo: Repo) -> Response:
        self._writer(call, repo)
        repo.granted.append(str(call.fields["user"]))
        self.store.save(repo)
        return JSONResponse({})

    def auth_check(self, call: Call, repo: Repo, write: str = "") -> Response:
        self._require_content(repo, call.user)
        if write:
            self._writer(call, repo)
        return Response("OK")

    # What is in a repository

    def _state(self, repo: Repo, revision: str) -> Commit:
        return self.store.read_commit(repo, self.store.resolve(repo, revision or "main"))

    def list_repos(self, call: Call, kinds: str) -> Response:
        wanted = {name: call.query.get(name, [""])[0] for name in ("author", "search")}
        tags = set(call.query.get("filter", []))
        shown = []
        for repo in self.store.all(kinds.removesuffix("s")):
            hidden = repo.private and not (
                call.user and call.user.may("repo.content.read", repo.owner, repo)
            )
            if hidden or wanted["author"] not in ("", repo.owner):
                continue
            answer = self._info(call, repo, self._state(repo, "main"))
            if wanted["search"] in repo.repo_id and tags <= set(answer["tags"]):
                shown.append(answer)
        return self._page(call, shown, self.page_size)

    def info(self, call: Call, repo: Repo, revision: str = "") -> Response:
        answer = self._info(call, repo, self._state(repo, revision))
        wanted = [*call.query.get("expand", []), *call.query.get("expand[]", [])]
        if wanted:
            answer = {name: answer[name] for name in ("_id", "id", *wanted) if name in answer}
        return JSONResponse(answer)

    def _info(self, call: Call, repo: Repo, commit: Commit) -> dict[str, Any]:
        card = self._card(repo, commit)
        tags = [*card.get("tags", []), *_prefixed("license", card), *_prefixed("language", card)]
        answer = {
            "_id": _id(repo.repo_id),
            "id": repo.repo_id,
            "author": repo.owner,
            "sha": commit.sha,
            "lastModified": commit.date,
            "createdAt": repo.created,
            "private": repo.private,
            "gated": repo.gated,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": tags,
            "cardData": card,
            "siblings": [
                _sibling(path, entry, call.asks("blobs")) for path, entry in commit.files.items()
            ],
        }
        return answer | self._kind_info(repo, commit, card)

    def _kind_info(self, repo: Repo, commit: Commit, card: dict[str, Any]) -> dict[str, Any]:
        if repo.kind == "model":
            names = ("library_name", "pipeline_tag", "model-index")
            fields = {name: card[name] for name in names if name in card}
            return fields | {"modelId": repo.repo_id, "spaces": []}
        if repo.kind == "space":
            return {
                "sdk": card.get("sdk", repo.space["sdk"]),
                "runtime": self._runtime(repo, commit),
                "subdomain": repo.repo_id.replace("/", "-").lower(),
                "host": self._host(repo),
            }
        return {}

    def _host(self, repo: Repo) -> str:
        somewhere = f"{self.url}/{repo.repo_id.replace('/', '-').lower()}"
        return self.spaces_run_at.get(repo.repo_id, somewhere).rstrip("/")

    def _card(self, repo: Repo, commit: Commit) -> dict[str, Any]:
        readme = commit.files.get("README.md")
        if readme is None:
            return {}
        text = self.store.read(readme).decode(errors="replace")
        return _check_card(text, repo.kind)[0]

    def tree(self, call: Call, repo: Repo, revision: str, folder: str) -> Response:
        commit = self._state(repo, revision)
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        inside = {path for path in commit.files if path.startswith(prefix)}
        if prefix and not inside:
            message = f"{folder} does not exist on {revision}"
            raise HubError(404, "EntryNotFound", message)
        names = _folders(inside, prefix) | inside
        if not call.asks("recursive"):
            names = {name for name in names if "/" not in name.removeprefix(prefix)}
        described = [self._describe(repo, commit, name, call) for name in sorted(names)]
        return self._page(call, described, self.page_size)

    def _page(self, call: Call, items: list[Any], size: int) -> Response:
        start = int(call.query.get("cursor", ["0"])[0])
        headers = {"X-Total-Count": str(len(items))}
        if start + size < len(items):
            query = urlencode(call.query | {"cursor": [str(start + size)]}, doseq=True)
            headers["Link"] = f'<{self.url}{call.path}?{query}>; rel="next"'
        return JSONResponse(items[start : start + size], headers=headers)

    def _describe(self, repo: Repo, commit: Commit, path: str, call: Call) -> dict[str, Any]:
        entry = commit.files.get(path)
        if entry is None:
            below = [
                f"{name}{file.etag}"
                for name, file in commit.files.items()
                if name.startswith(f"{path}/")
            ]
            oid = hashlib.sha1("".join([path, *below]).encode()).hexdigest()
            answer: dict[str, Any] = {"type": "directory", "oid": oid, "size": 0, "path": path}
        else:
            answer = {"type": "file", "oid": entry.blob_id, "size": entry.size, "path": path}
            if entry.lfs:
                answer["lfs"] = {
                    "oid": entry.sha256,
                    "size": entry.size,
                    "pointerSize": entry.pointer_size,
                }
        form = call.fields if call.method == "POST" else call.query
        if str(form.get("expand", [""])[0]).lower() == "true":
            last = self._last_commit(repo, commit, path)
            answer["lastCommit"] = {"id": last.sha, "title": last.title, "date": last.date}
        return answer

    def _last_commit(self, repo: Repo, commit: Commit, path: str) -> Commit:
        def below(state: Commit) -> dict[str, Entry]:
            return {
                name: entry
                for name, entry in state.files.items()
                if name == path or name.startswith(f"{path}/")
            }

        last = commit
        for older in self.store.history(repo, commit.sha):
            if below(older) != below(commit):
                break
            last = older
        return last

    def paths_info(self, call: Call, repo: Repo, revision: str) -> Response:
        commit = self._state(repo, revision)
        there = set(commit.files) | _folders(set(commit.files), "")
        wanted = [path.strip("/") for path in call.fields.get("paths", [])]
        answer = [self._describe(repo, commit, path, call) for path in wanted if path in there]
        return JSONResponse(answer)

    def commits(self, call: Call, repo: Repo, revision: str) -> Response:
        sha = self.store.resolve(repo, revision)
        items = [
            {
                "id": commit.sha,
                "title": commit.title,
                "message": commit.message,
                "authors": [{"user": commit.author}],
                "date": commit.date,
                "formatted": {"title": commit.title, "message": commit.message},
            }
            for commit in self.store.history(repo, sha)
        ]
        return self._page(call, items, min(50, self.page_size))

    def refs(self, call: Call, repo: Repo) -> Response:
        groups = {"branches": "heads", "converts": "convert", "tags": "tags"}
        if call.asks("include_prs"):
            groups["pullRequests"] = "pr"
        answer = {
            group: [
                {"name": ref.removeprefix(f"refs/{folder}/"), "ref": ref, "targetCommit": sha}
                for ref, sha in repo.refs.items()
                if ref.startswith(f"refs/{folder}/")
            ]
            for group, folder in groups.items()
        }
        return JSONResponse(answer)

    def resolve(self, call: Call, repo: Repo, revision: str, path: str) -> Response:
        self._require_content(repo, call.user)
        commit = self._state(repo, revision)
        entry = self._entry(commit, path)
        headers = {"X-Repo-Commit": commit.sha, "X-Linked-ETag": f'"{entry.etag}"'}
        headers |= {"X-Linked-Size": str(entry.size), "Vary": "Origin"}
        if entry.lfs:
            name = quote(PurePosixPath(path).name)
            headers["Location"] = self._signed(f"/object/{entry.sha256}", filename=name)
            return Response(status_code=302, headers=headers)
        # A small file is answered by the same host, at an address that never changes its content.
        kind = f"{repo.kind}s"
        headers["Location"] = f"/api/resolve-cache/{kind}/{repo.repo_id}/{commit.sha}/{quote(path)}"
        return Response(status_code=307, headers=headers)

    def resolved(self, call: Call, repo: Repo, sha: str, path: str) -> Response:
        self._require_content(repo, call.user)
        entry = self._entry(self._state(repo, sha), path)
        headers = {"X-Repo-Commit": sha}
        return _send_file(call, self.store.object_path(entry.sha256), entry.etag, headers)

    @staticmethod
    def _entry(commit: Commit, path: str) -> Entry:
        if path not in commit.files:
            headers = {"X-Repo-Commit": commit.sha}
            raise HubError(404, "EntryNotFound", "Entry not found", **headers)
        return commit.files[path]

    # Branches, tags, history

    def branch(self, call: Call, repo: Repo, name: str) -> Response:
        self._writer(call, repo)
        return self._reference(call, repo, f"refs/heads/{name}", call.fields.get("startingPoint"))

    def tag(self, call: Call, repo: Repo, name: str) -> Response:
        self._writer(call, repo)
        # To create a tag the path names its target; to delete one, the tag itself.
        tag = name if call.method == "DELETE" else str(call.fields["tag"])
        return self._reference(call, repo, f"refs/tags/{tag}", name)

    def _reference(self, call: Call, repo: Repo, reference: str, start: str | None) -> Response:
        with self.store.lock:
            if call.method == "DELETE":
                if reference == MAIN:
                    raise HubError(403, "", "Cannot delete the default branch")
                if repo.refs.pop(reference, None) is None:
                    raise HubError(404, "RevisionNotFound", f"{reference} does not exist")
            elif reference in repo.refs:
                raise HubError(409, "", f"Reference already exists: {reference}")
            else:
                repo.refs[reference] = self.store.resolve(repo, start or "main")
            self.store.save(repo)
        return Response(status_code=204 if call.method == "DELETE" else 201)

    def squash(self, call: Call, repo: Repo, name: str) -> Response:
        user = self._writer(call, repo)
        reference = self._target(repo, name)
        self.store.squash(repo, reference, str(call.fields.get("message", "squash")), user.name)
        return Response("OK")

    # Uploads

    def _uploader(self, call: Call, repo: Repo) -> User:
        # Whoever may read may open a pull request.
        return self._writer(call, None if call.asks("create_pr") else repo)

    def preupload(self, call: Call, repo: Repo, revision: str) -> Response:
        self._uploader(call, repo)
        commit, fields = self._state(repo, revision), call.fields
        patterns = self.store.lfs_patterns(commit.files)
        ignored = fields.get("gitIgnore")
        if ignored is None and ".gitignore" in commit.files:
            ignored = self.store.read(commit.files[".gitignore"]).decode()
        answers = []
        for file in fields["files"]:
            sample = base64.b64decode(file["sample"])
            lfs = is_large(file["path"], int(file["size"]), sample, patterns)
            entry = commit.files.get(file["path"])
            answers.append(
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if lfs else "regular",
                    "shouldIgnore": matches(file["path"], (ignored or "").splitlines()),
                    "oid": entry.etag if entry else None,
                }
            )
        return JSONResponse({"files": answers, "commitOid": commit.sha})

    def xet_token(self, call: Call, repo: Repo) -> Response:
        raise HubError(404, "", "This Hub has no Xet storage: set HF_HUB_DISABLE_XET=1")

    def lfs_batch(self, call: Call, repo: Repo) -> Response:
        # A pull request's content comes without a revision, from anyone who may write anywhere.
        self._writer(call, repo if "ref" in call.fields else None)
        multipart = "multipart" in call.fields.get("transfers", [])
        self._quota(repo, {str(item["oid"]): int(item["size"]) for item in call.fields["objects"]})
        answers = []
        for item in call.fields["objects"]:
            sha256, size = str(item["oid"]), int(item["size"])
            answer: dict[str, Any] = {"oid": sha256, "size": size}
            if not re.fullmatch(r"[0-9a-f]{64}", sha256):
                answer["error"] = {"code": 422, "message": "Invalid object identifier"}
            elif not self.store.has_object(sha256):
                large = multipart and size >= self.multipart_from
                upload = self._multipart(sha256, size) if large else self._single(sha256)
                verify = {"href": f"{self.url}/{repo.page}.git/info/lfs/verify"}
                answer["actions"] = {"upload": upload, "verify": verify}
            answers.append(answer)
        return JSONResponse({"transfer": "basic", "objects": answers})

    def _single(self, sha256: str) -> dict[str, Any]:
        return {"href": self._signed(f"/upload/{sha256}")}

    def _multipart(self, sha256: str, size: int) -> dict[str, Any]:
        header = {"chunk_size": str(self.part_size)}
        for number in range(1, ceil(size / self.part_size) + 1):
            header[f"{number:05d}"] = self._signed(f"/part/{sha256}/{number}")
        return {"href": self._signed(f"/complete/{sha256}"), "header": header}

    def lfs_verify(self, call: Call, repo: Repo) -> Response:
        self._writer(call)
        path = self.store.object_path(str(call.fields["oid"]))
        if not path.is_file() or path.stat().st_size != call.fields["size"]:
            raise HubError(422, "", "The uploaded object is missing or has another size")
        return JSONResponse({"message": "ok"})

    def commit(self, call: Call, repo: Repo, revision: str) -> Response:
        pull = call.asks("create_pr")
        user = self._uploader(call, repo)
        header, changes = self._changes(call, repo, revision)
        title, message = str(header["summary"]), str(header.get("description") or "")
        base, parent = self.store.resolve(repo, revision), header.get("parentCommit")
        self._quota(repo, {entry.sha256: entry.size for entry in changes.values() if entry})
        answer: dict[str, Any] = {"success": True}
        with self.store.lock:
            if pull:
                if parent not in (None, base):
                    raise HubError(412, "", "The base of the pull request has moved since")
                number = self._open(repo, user, title, message, base, pull=True)
                reference, parent = f"refs/pr/{number}", None
                answer["pullRequestUrl"] = f"{self.url}/{repo.page}/discussions/{number}"
            else:
                reference = self._target(repo, revision)
            commit = self.store.commit(
                repo,
                reference,
                changes,
                title=title,
                message=message,
                author=user.name,
                base=base,
                expected_parent=parent,
            )
        self.uploads.append(f"commit {repo.kind}s/{repo.repo_id} {commit.sha}")
        url = f"{self.url}/{repo.page}/commit/{commit.sha}"
        return JSONResponse(answer | {"commitUrl": url, "commitOid": commit.sha, "hookOutput": ""})

    @staticmethod
    def _target(repo: Repo, revision: str) -> str:
        """Return the branch or pull request that a commit goes to: nothing else moves."""
        for reference in (f"refs/heads/{revision}", revision):
            if reference in repo.refs and not reference.startswith("refs/tags/"):
                return reference
        raise HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def _changes(
        self, call: Call, repo: Repo, revision: str
    ) -> tuple[dict[str, Any], dict[str, Entry | None]]:
        try:
            lines = [json.loads(line) for line in call.body.splitlines()]
            header, operations = lines[0]["value"], lines[1:]
            changes: dict[str, Entry | None] = {}
            files = self._state(repo, revision).files
            for operation in operations:
                changes |= self._change(operation["key"], operation["value"], files, repo)
        except (ValueError, KeyError, TypeError, IndexError, binascii.Error) as problem:
            raise HubError(400, "", f"Malformed commit: {problem!r}") from problem
        return header, changes

    def _change(
        self, key: str, value: dict[str, Any], files: dict[str, Entry], repo: Repo
    ) -> dict[str, Entry | None]:
        path = _safe_path(value["path"])
        if key == "file":
            data = base64.b64decode(value["content"], validate=True)
            if path == "README.md":
                errors = _check_card(data.decode(errors="replace"), repo.kind)[1]
                if errors:
                    raise HubError(400, "", f"Invalid metadata in README.md: {'; '.join(errors)}")
            return {path: self.store.regular_entry(data)}
        if key == "lfsFile":
            return {path: self.store.lfs_entry(value["oid"])}
        gone = [
            name
            for name in files
            if (name == path if key == "deletedFile" else name.startswith(f"{path}/"))
        ]
        if key not in ("deletedFile", "deletedFolder"):
            raise HubError(400, "", f"Unknown operation {key}")
        if not gone:
            raise HubError(404, "EntryNotFound", f"A file with this name doesn't exist: {path}")
        return dict.fromkeys(gone)

    # Discussions and pull requests

    def _open(self, repo: Repo, user: User, title: str, text: str, base: str, *, pull: bool) -> int:
        number, created = len(repo.discussions) + 1, now()
        repo.discussions.append(
            {
                "num": number,
                "title": title,
                "author": {"name": user.name},
                "createdAt": created,
                "status": "open",
                "isPullRequest": pull,
                "base": base,
                "text": text,
            }
        )
        if pull:
            repo.refs[f"refs/pr/{number}"] = base
        self.store.save(repo)
        return number

    def discussions(self, call: Call, repo: Repo) -> Response:
        if call.method == "POST":
            user, fields = self._writer(call), call.fields
            pull = bool(fields.get("pullRequest"))
            base = repo.refs[MAIN]
            title, text = str(fields["title"]), str(fields.get("description", ""))
            number = self._open(repo, user, title, text, base, pull=pull)
            url = f"{self.url}/{repo.page}/discussions/{number}"
            return JSONResponse({"num": number, "pullRequest": pull, "url": url})
        shown = [self._summary(repo, item) for item in reversed(repo.discussions)]
        return JSONResponse({"discussions": shown, "count": len(shown), "start": 0})

    @staticmethod
    def _summary(repo: Repo, item: dict[str, Any]) -> dict[str, Any]:
        shown = {key: value for key, value in item.items() if key not in ("base", "text", "merged")}
        return shown | {"repo": {"name": repo.repo_id, "type": repo.kind}}

    def discussion(self, call: Call, repo: Repo, number: str) -> Response:
        item = self._discussion(repo, number)
        event = {"createdAt": item["createdAt"], "author": item["author"]}
        comment = {"edited": False, "hidden": False, "latest": {"raw": item["text"]}}
        events: list[dict[str, Any]] = [event | {"id": "0", "type": "comment", "data": comment}]
        answer = self._summary(repo, item)
        if item["isPullRequest"]:
            for commit in self.store.history(repo, repo.refs[f"refs/pr/{number}"]):
                if commit.sha == item["base"]:
                    break
                data = {"subject": commit.title, "oid": commit.sha}
                events.append(event | {"id": commit.sha, "type": "commit", "data": data})
            changes = {"base": MAIN, "mergeCommitId": item.get("merged")}
            answer |= {"changes": changes, "filesWithConflicts": [], "diff": ""}
        return JSONResponse(answer | {"events": events})

    @staticmethod
    def _discussion(repo: Repo, number: str) -> dict[str, Any]:
        if not 0 < int(number) <= len(repo.discussions):
            raise HubError(404, "", "Discussion not found")
        return repo.discussions[int(number) - 1]

    def merge(self, call: Call, repo: Repo, number: str) -> Response:
        user = self._writer(call, repo)
        item = self._discussion(repo, number)
        if not item["isPullRequest"] or item["status"] != "open":
            raise HubError(400, "", "There is nothing to merge")
        base = self.store.read_commit(repo, item["base"]).files
        theirs = self._state(repo, f"refs/pr/{number}").files
        ours = self._state(repo, "main").files
        changes = {
            path: theirs.get(path)
            for path in base.keys() | theirs.keys()
            if base.get(path) != theirs.get(path)
        }
        if any(base.get(path) != ours.get(path) for path in changes):
            raise HubError(409, "", "The pull request has conflicts")
        title = f"{item['title']} (#{number})"
        commit = self.store.commit(repo, MAIN, changes, title=title, author=user.name)
        item |= {"status": "merged", "merged": commit.sha}
        self.store.save(repo)
        return JSONResponse({"success": True})

    # Spaces

    def space_settings(self, call: Call, repo: Repo, which: str) -> Response:
        self._writer(call, repo)
        values = _space(repo)[which]
        if call.method == "POST" and self.refuses_values:
            raise HubError(400, "", f"Cannot use this value: {call.fields['value']}")
        if call.method == "POST":
            values[call.fields["key"]] = _space_value(call.fields)
        elif call.method == "DELETE" and values.pop(call.fields["key"], None) is None:
            raise HubError(404, "", f"There is no such entry among the {which}")
        self.store.save(repo)
        # Nobody gets a secret's value back, not even its owner.
        hidden = ("value",) if which == "secrets" else ()
        return JSONResponse(
            {
                key: {name: part for name, part in value.items() if name not in hidden}
                for key, value in values.items()
            }
        )

    def space_runtime(self, call: Call, repo: Repo, action: str) -> Response:
        space = _space(repo)
        if call.method == "POST":
            self._writer(call, repo)
            if action == "restart":
                space |= {"restarts": space["restarts"] + 1, "paused": False}
            elif action == "pause":
                space["paused"] = True
            elif action == "hardware":
                space["hardware"] = call.fields["flavor"]
            else:
                space["sleep"] = call.fields["seconds"]
            self.store.save(repo)
        return JSONResponse(self._runtime(repo, self._state(repo, "main")))

    def space_host(self, call: Call, repo: Repo) -> Response:
        return JSONResponse({"host": self._host(repo)})

    @staticmethod
    def _runtime(repo: Repo, commit: Commit) -> dict[str, Any]:
        space = repo.space
        stage = "RUNNING" if {"app.py", "index.html", "Dockerfile"} & set(commit.files) else ""
        stage = "PAUSED" if space["paused"] else stage or "NO_APP_FILE"
        hardware = {"current": space["hardware"], "requested": space["hardware"]}
        return {
            "stage": stage,
            "hardware": hardware,
            "gcTimeout": space["sleep"],
            "storage": None,
            "sha": commit.sha,
            "restarts": space["restarts"],
        }

    # The data set viewer

    def _exported(self, call: Call) -> tuple[Repo, Commit, dict[str, Splits]]:
        name = call.query.get("dataset", [""])[0]
        found = self.store.find("dataset", name) if name else None
        # As for accounts that do not pay: there is no viewer for a private data set.
        if found is None or found.private or not self.viewer:
            raise HubError(404, "ResponseNotFound", "The data set viewer has nothing to show.")
        commit = self._state(found, "main")
        return found, commit, parquet_splits(commit, self._card(found, commit))

    def _viewed(self, commit: Commit, answer: dict[str, Any]) -> Response:
        complete = {"pending": [], "failed": [], "partial": False}
        return JSONResponse(answer | complete, headers={"X-Revision": commit.sha})

    def viewer_is_valid(self, call: Call) -> Response:
        names = ("preview", "viewer", "search", "filter", "statistics")
        _, commit, _ = self._exported(call)
        return JSONResponse(dict.fromkeys(names, True), headers={"X-Revision": commit.sha})

    def viewer_info(self, call: Call) -> Response:
        repo, commit, configs = self._exported(call)
        dataset = repo.repo_id.split("/")[1].replace("-", "_").lower()
        described = {
            config: describe_config(self.store, commit, dataset, config, splits)
            for config, splits in configs.items()
        }
        return self._viewed(commit, {"dataset_info": described})

    def viewer_parquet(self, call: Call) -> Response:
        repo, commit, configs = self._exported(call)
        files = [
            {
                "dataset": repo.repo_id,
                "config": config,
                "split": split,
                "url": self._parquet_url(repo, config, split, number),
                "filename": f"{number:04d}.parquet",
                "size": commit.files[path].size,
            }
            for config, splits in configs.items()
            for split, paths in splits.items()
            for number, path in enumerate(paths)
        ]
        return self._viewed(commit, {"parquet_files": files})

    def _parquet_url(self, repo: Repo, config: str, split: str, number: int) -> str:
        return f"{self.url}/api/datasets/{repo.repo_id}/parquet/{config}/{split}/{number}.parquet"

    def _splits(self, repo: Repo) -> dict[str, Splits]:
        commit = self._state(repo, "main")
        return parquet_splits(commit, self._card(repo, commit))

    def parquet_urls(self, call: Call, repo: Repo) -> Response:
        return JSONResponse(
            {
                config: {
                    split: [
                        self._parquet_url(repo, config, split, number)
                        for number in range(len(paths))
                    ]
                    for split, paths in splits.items()
                }
                for config, splits in self._splits(repo).items()
            }
        )

    def parquet_file(
        self, call: Call, repo: Repo, config: str, split: str, number: str
    ) -> Response:
        paths = self._splits(repo).get(config, {}).get(split, [])
        if int(number) >= len(paths):
            raise HubError(404, "EntryNotFound", "There is no such Parquet file")
        location = f"{self.url}/{repo.page}/resolve/main/{quote(paths[int(number)])}"
        return Response(status_code=302, headers={"Location": location})

    # The storage host

    def _signature(self, path: str) -> str:
        return hmac.new(self._signing_key, path.encode(), hashlib.sha256).hexdigest()

    def _signed(self, path: str, **query: str) -> str:
        parts = urlencode(query | {"X-Amz-Signature": self._signature(path)})
        return f"{self.storage_url}{path}?{parts}"

    async def _storage(self, request: Request, path: str, name: str, groups: list[str]) -> Response:
        # As S3 does: a signed link and a token together are refused.
        if "authorization" in request.headers:
            raise HubError(400, "", "InvalidArgument: only one auth mechanism allowed")
        if request.query_params.get("X-Amz-Signature") != self._signature(path):
            raise HubError(403, "", "SignatureDoesNotMatch")
        method: Callable[..., Awaitable[Response]] = getattr(self, name)
        return await method(request, *groups)

    async def storage_get(self, request: Request, sha256: str) -> Response:
        call = Call(request.method, "", {}, request.headers, b"", None)
        return _send_file(call, self.store.object_path(sha256), sha256, {})

    async def _receive(self, request: Request) -> Path:
        with tempfile.NamedTemporaryFile(dir=self.store.folder / "incoming", delete=False) as file:
            path = Path(file.name)
            try:
                async for piece in request.stream():
                    file.write(piece)
            except BaseException:
                path.unlink()  # an upload that broke off leaves nothing behind
                raise
        return path

    async def storage_put(self, request: Request, sha256: str) -> Response:
        self.store.adopt(await self._receive(request), sha256)
        self.uploads.append(f"object {sha256}")
        return Response(headers={"ETag": f'"{sha256[:32]}"'})

    def _part(self, sha256: str, number: int) -> Path:
        return self.store.folder / "incoming" / f"{sha256}.{number}"

    async def storage_part(self, request: Request, sha256: str, number: str) -> Response:
        path = await self._receive(request)
        etag = hashlib.md5(path.read_bytes()).hexdigest()
        path.replace(self._part(sha256, int(number)))
        return Response(headers={"ETag": f'"{etag}"'})

    async def storage_complete(self, request: Request, sha256: str) -> Response:
        parts = (await request.json())["parts"]
        whole = self.store.folder / "incoming" / sha256
        with whole.open("wb") as file:
            for number, part in enumerate(parts, start=1):
                path = self._part(sha256, number)
                data = path.read_bytes() if path.is_file() else b""
                etag = hashlib.md5(data).hexdigest()
                if part["partNumber"] != number or part["etag"].strip('"') != etag:
                    raise HubError(400, "", f"InvalidPart: part {number} is not what was uploaded")
                file.write(data)
        self.store.adopt(whole, sha256)
        self.uploads.append(f"object {sha256}")
        for number in range(1, len(parts) + 1):
            self._part(sha256, number).unlink()
        return JSONResponse({"success": True})


def _id(name: str) -> str:
    return hashlib.md5(name.encode()).hexdigest()[:24]


def new_space(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a new Space, as asked for when it is created."""
    if fields.get("sdk") not in SPACE_SDKS:
        raise HubError(400, "", '"sdk" must be one of [gradio, docker, static]')
    space: dict[str, Any] = {"sdk": fields["sdk"], "secrets": {}, "variables": {}}
    for name in ("secrets", "variables"):
        for item in fields.get(name) or []:
            space[name][item["key"]] = _space_value(item)
    hardware = fields.get("hardware") or "cpu-basic"
    return space | {"hardware": hardware, "paused": False, "restarts": 0, "sleep": None}


def _space(repo: Repo) -> dict[str, Any]:
    if repo.kind != "space":
        raise HubError(404, "", "Only a Space has this")
    return repo.space


def _space_value(item: dict[str, Any]) -> dict[str, Any]:
    described = {"description": item["description"]} if item.get("description") else {}
    return {"key": item["key"], "value": item["value"], "updatedAt": now()} | described


def _safe_path(path: str) -> str:
    parts = path.rstrip("/").split("/")
    if "\\" in path or "\0" in path or any(part in ("", ".", "..", ".git") for part in parts):
        raise HubError(400, "", f"Invalid path: {path!r}")
    return "/".join(parts)


def _folders(paths: set[str], below: str) -> set[str]:
    found = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    return {name for name in found if name != "." and name.startswith(below)}


def _sibling(path: str, entry: Entry, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": path}
    answer: dict[str, Any] = {"rfilename": path, "size": entry.size, "blobId": entry.blob_id}
    if entry.lfs:
        pointer = entry.pointer_size
        answer["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": pointer}
    return answer


def _prefixed(name: str, card: dict[str, Any]) -> list[str]:
    values = card.get(name) or []
    values = values if isinstance(values, list) else [values]
    return [f"{name}:{value}" for value in values]


def _check_card(text: str, kind: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the metadata of a README, what is wrong with it, and what is missing."""
    match = re.match(r"---[ \t]*\r?\n(.*?)\r?\n?---[ \t]*(?:\r?\n|$)", text, re.DOTALL)
    if match is None:
        return {}, [], ["empty or missing yaml metadata in repo card"]
    try:
        card = yaml.safe_load(match[1]) or {}
    except yaml.YAMLError as problem:
        return {}, [f"YAML metadata is not valid: {type(problem).__name__}"], []
    if not isinstance(card, dict):
        return {}, ["YAML metadata must be a mapping"], []
    errors = []
    if not isinstance(card.get("license", ""), str | list):
        errors.append('"license" must be a string')
    if not isinstance(card.get("tags") or [], list):
        errors.append('"tags" must be an array')
    if kind == "space":
        errors += _check_space_card(card)
    # JSON knows no dates.
    return json.loads(json.dumps(card, default=str)), errors, []


def _check_space_card(card: dict[str, Any]) -> Iterator[str]:
    if card.get("sdk") not in SPACE_SDKS:
        yield f'"sdk" must be one of [{", ".join(SPACE_SDKS)}]'
    for name in ("colorFrom", "colorTo"):
        if card.get(name, "red") not in SPACE_COLOURS:
            yield f'"{name}" must be one of [{", ".join(SPACE_COLOURS)}]'
    if len(str(card.get("short_description", ""))) > 60:
        yield '"short_description" length must be less than or equal to 60 characters long'


def _send_file(call: Call, path: Path, etag: str, headers: dict[str, str]) -> Response:
    """Answer with a file: the whole, one range, or that it has not changed."""
    quoted, size = f'"{etag}"', path.stat().st_size
    headers = headers | {"ETag": quoted, "Accept-Ranges": "bytes"}
    if call.headers.get("if-match", quoted) not in (quoted, "*"):
        raise HubError(412, "", "The content has another ETag")
    if call.headers.get("if-none-match") in (quoted, "*"):
        return Response(status_code=304, headers=headers)
    start, end, status = 0, size, 200
    wanted = call.headers.get("range")
    if wanted and call.headers.get("if-range", quoted) == quoted:
        start, end = _range(wanted, size)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        status = 206
    headers |= {"Content-Length": str(end - start), "Content-Type": "application/octet-stream"}
    if call.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_pieces(path, start, end), status, headers)


def _range(wanted: str, size: int) -> tuple[int, int]:
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted.strip())
    if match is None or match[0].endswith("=-"):
        raise HubError(416, "", "Invalid range", **{"Content-Range": f"bytes */{size}"})
    if match[1]:
        start, end = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
    else:
        start, end = max(size - int(match[2]), 0), size
    if start >= end:
        message = "The range is beyond the end"
        raise HubError(416, "", message, **{"Content-Range": f"bytes */{size}"})
    return start, end


async def _pieces(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0:
            piece = file.read(min(PIECE, left))
            left -= len(piece)
            yield piece
