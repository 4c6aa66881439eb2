"""What the loopback Hub keeps, on disk: file contents by their SHA-256, and repositories.

A commit is written once and never changed; branches, tags and pull requests only point to commits.
So a revision that was handed out stays what it was, as on the real Hub. The folder can be served
again by another process: nothing but the lock lives in memory.
"""

from __future__ import annotations

import codecs
import fnmatch
import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

MAIN = "refs/heads/main"
LARGE_FILE = 10 * 1024 * 1024
SAMPLE = 512
_SHA = re.compile(r"[0-9a-f]{40}")
_LFS_SUFFIXES = (
    "7z arrow avro bin bz2 ckpt ftz gz h5 joblib keras mlmodel model msgpack npy npz onnx ot"
    " parquet pb pickle pkl png pt pth rar safetensors tar tflite tgz wasm xz zip zst"
)
GIT_ATTRIBUTES = "".join(
    f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in _LFS_SUFFIXES.split()
).encode()


class HubError(Exception):
    """A refusal, in the form in which the Hub sends it."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


@dataclass(frozen=True)
class Entry:
    """One file of a commit."""

    sha256: str
    size: int
    blob_id: str
    lfs: bool

    @property
    def etag(self) -> str:
        """The name of the content: its SHA-256 for an LFS file, else what git calls it."""
        return self.sha256 if self.lfs else self.blob_id

    @property
    def pointer_size(self) -> int:
        """The length of the text that stands in git for an LFS file."""
        return len(_pointer(self.sha256, self.size))


@dataclass(frozen=True)
class Commit:
    """One state of a repository and how it came about."""

    sha: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    files: dict[str, Entry]


@dataclass
class Repo:
    """One repository: its settings, and where its branches, tags and pull requests point."""

    kind: str
    repo_id: str
    private: bool = False
    gated: str | bool = False
    created: str = ""
    refs: dict[str, str] = field(default_factory=dict)
    discussions: list[dict[str, Any]] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)
    space: dict[str, Any] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """The namespace."""
        return self.repo_id.split("/")[0]

    @property
    def page(self) -> str:
        """The path of the repository's page: models have no prefix."""
        return self.repo_id if self.kind == "model" else f"{self.kind}s/{self.repo_id}"


def now() -> str:
    """Return the time in the one form that the clients can read."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def git_blob_id(data: bytes) -> str:
    """Return the name that git gives to a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _pointer(sha256: str, size: int) -> bytes:
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    return text.encode()


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the patterns of a .gitattributes or .gitignore fits a path."""
    name = PurePosixPath(path).name
    return any(
        fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(name, pattern)
        for pattern in patterns
        if pattern and not pattern.startswith("#")
    )


def is_large(path: str, size: int, sample: bytes, patterns: Iterable[str]) -> bool:
    """Tell whether a file goes to the storage host: by its name, or because it is no short text.

    Args:
        path: The path in the repository.
        size: The length of the whole file.
        sample: The beginning of the file.
        patterns: What .gitattributes says.
    """
    if size > LARGE_FILE or matches(path, patterns):
        return True
    try:
        # A sample may end in the middle of a character: only a whole file must be whole text.
        text = codecs.getincrementaldecoder("utf-8")().decode(sample, len(sample) < SAMPLE)
    except UnicodeDecodeError:
        return True
    return "\0" in text


class Store:
    """The repositories and contents below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        for name in ("objects", "incoming", "repos"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    # Contents

    def object_path(self, sha256: str) -> Path:
        """Return where the content with this SHA-256 is or would be."""
        return self.folder / "objects" / sha256[:2] / sha256

    def has_object(self, sha256: str) -> bool:
        """Tell whether the content is here."""
        return self.object_path(sha256).is_file()

    def add_object(self, data: bytes) -> str:
        """Keep a content and return its SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.object_path(sha256)
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        return sha256

    def adopt(self, incoming: Path, sha256: str) -> None:
        """Take over an uploaded file, if it is what its name says.

        Args:
            incoming: The file; it is moved, or deleted where it is refused.
            sha256: What the uploader says its SHA-256 is.

        Raises:
            HubError: The content has another SHA-256.
        """
        with incoming.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            incoming.unlink()
            raise HubError(400, "", "BadDigest: the content does not match its SHA-256")
        path = self.object_path(sha256)
        path.parent.mkdir(exist_ok=True)
        incoming.replace(path)

    def regular_entry(self, data: bytes) -> Entry:
        """Keep a small file that came inside the commit."""
        return Entry(self.add_object(data), len(data), git_blob_id(data), lfs=False)

    def lfs_entry(self, sha256: str) -> Entry:
        """Return the entry for an uploaded LFS file.

        Raises:
            HubError: The content was never uploaded.
        """
        if not self.has_object(sha256):
            raise HubError(400, "", f"LFS pointer pointed to a file that does not exist: {sha256}")
        size = self.object_path(sha256).stat().st_size
        return Entry(sha256, size, git_blob_id(_pointer(sha256, size)), lfs=True)

    def entry(self, files: Mapping[str, Entry], path: str, data: bytes) -> Entry:
        """Keep a content as the kind of file that its path and content make it.

        Args:
            files: The files of the repository so far, with its .gitattributes.
            path: Where the file will be.
            data: The content.
        """
        if is_large(path, len(data), data[:SAMPLE], self.lfs_patterns(files)):
            return self.lfs_entry(self.add_object(data))
        return self.regular_entry(data)

    def lfs_patterns(self, files: Mapping[str, Entry]) -> list[str]:
        """Return the patterns of the files that .gitattributes sends to the storage host."""
        attributes = files.get(".gitattributes")
        lines = self.read(attributes).decode().splitlines() if attributes else []
        return [line.split()[0] for line in lines if "filter=lfs" in line]

    def held_by(self, owner: str) -> dict[str, int]:
        """Return the size of each content in the newest states of an owner's repositories."""
        return {
            entry.sha256: entry.size
            for kind in ("model", "dataset", "space")
            for repo in self.all(kind)
            if repo.owner == owner
            for sha in repo.refs.values()
            for entry in self.read_commit(repo, sha).files.values()
        }

    def read(self, entry: Entry) -> bytes:
        """Return a file's content."""
        return self.object_path(entry.sha256).read_bytes()

    # Repositories

    def _home(self, kind: str, repo_id: str) -> Path:
        return self.folder / "repos" / f"{kind}s" / repo_id

    def find(self, kind: str, repo_id: str) -> Repo | None:
        """Return the repository, or None."""
        path = self._home(kind, repo_id) / "repo.json"
        return Repo(**json.loads(path.read_text())) if path.is_file() else None

    def all(self, kind: str) -> list[Repo]:
        """Return every repository of a kind."""
        paths = (self.folder / "repos" / f"{kind}s").glob("*/*/repo.json")
        return [Repo(**json.loads(path.read_text())) for path in sorted(paths)]

    def save(self, repo: Repo) -> None:
        """Write the repository's settings and references, all or nothing."""
        path = self._home(repo.kind, repo.repo_id) / "repo.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(repo)))
        temporary.replace(path)

    def create(self, kind: str, repo_id: str, **settings: Any) -> Repo:
        """Create a repository with its first commit.

        Raises:
            HubError: There is one of this name.
        """
        with self.lock:
            if self.find(kind, repo_id):
                message = f"You already created this {kind} repo: {repo_id}"
                raise HubError(409, "", message)
            self._moved(f"{kind}s/{repo_id}", None)
            (self._home(kind, repo_id) / "commits").mkdir(parents=True)
            repo = Repo(kind, repo_id, created=now(), **settings)
            first = {".gitattributes": self.regular_entry(GIT_ATTRIBUTES)}
            self.commit(repo, MAIN, first, title="initial commit")
            return repo

    def delete(self, repo: Repo) -> None:
        """Delete a repository with its history."""
        with self.lock:
            shutil.rmtree(self._home(repo.kind, repo.repo_id))

    def move(self, repo: Repo, repo_id: str) -> None:
        """Rename a repository; its old name leads to the new one from now on.

        Raises:
            HubError: The new name is taken.
        """
        with self.lock:
            if self.find(repo.kind, repo_id):
                raise HubError(409, "", f"The {repo.kind} {repo_id} already exists")
            old, new = self._home(repo.kind, repo.repo_id), self._home(repo.kind, repo_id)
            new.parent.mkdir(parents=True, exist_ok=True)
            old.rename(new)
            self._moved(f"{repo.kind}s/{repo.repo_id}", repo_id)
            repo.repo_id = repo_id
            self.save(repo)

    def _moves(self) -> dict[str, str]:
        path = self.folder / "moved.json"
        moves: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}
        return moves

    def _moved(self, old: str, new: str | None) -> None:
        moves = self._moves()
        moves.pop(old, None)
        if new is not None:
            moves[old] = new
        (self.folder / "moved.json").write_text(json.dumps(moves))

    def moved_to(self, kind: str, repo_id: str) -> str | None:
        """Return the present name of a repository that was renamed, or None."""
        return self._moves().get(f"{kind}s/{repo_id}")

    # Commits

    def resolve(self, repo: Repo, revision: str) -> str:
        """Return the commit that a branch, tag, full reference or commit hash stands for.

        Raises:
            HubError: There is no such revision.
        """
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in repo.refs:
                return repo.refs[name]
        if _SHA.fullmatch(revision) and self._commit_path(repo, revision).is_file():
            return revision
        raise HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def _commit_path(self, repo: Repo, sha: str) -> Path:
        return self._home(repo.kind, repo.repo_id) / "commits" / f"{sha}.json"

    def read_commit(self, repo: Repo, sha: str) -> Commit:
        """Return a commit of the repository."""
        fields = json.loads(self._commit_path(repo, sha).read_text())
        files = {path: Entry(**entry) for path, entry in fields.pop("files").items()}
        return Commit(**fields, files=files)

    def history(self, repo: Repo, sha: str) -> Iterator[Commit]:
        """Yield a commit and those before it, newest first."""
        following: str | None = sha
        while following is not None:
            commit = self.read_commit(repo, following)
            yield commit
            following = commit.parent

    def commit(
        self,
        repo: Repo,
        reference: str,
        changes: Mapping[str, Entry | None],
        *,
        title: str = "commit",
        message: str = "",
        author: str = "memotions",
        base: str | None = None,
        expected_parent: str | None = None,
    ) -> Commit:
        """Add a commit to a branch or pull request and return it.

        Args:
            repo: The repository.
            reference: The full reference that moves, such as refs/heads/main.
            changes: The new entry of each changed path; None deletes it.
            title: The first line of the commit message.
            message: The rest of the commit message.
            author: Who commits.
            base: The commit that a new reference starts from.
            expected_parent: The commit that must still be the newest one.

        Raises:
            HubError: Another commit has happened since.
        """
        with self.lock:
            fresh = self.find(repo.kind, repo.repo_id)
            repo.refs = fresh.refs if fresh else repo.refs
            parent = repo.refs.get(reference, base)
            if expected_parent not in (None, parent):
                message = "A commit has happened since. Please refresh and try again."
                raise HubError(412, "", message)
            files = dict(self.read_commit(repo, parent).files) if parent else {}
            files |= {path: entry for path, entry in changes.items() if entry is not None}
            for path in [path for path, entry in changes.items() if entry is None]:
                del files[path]
            commit = self._write_commit(repo, parent, files, (title, message, author))
            repo.refs[reference] = commit.sha
            self.save(repo)
            return commit

    def squash(self, repo: Repo, reference: str, title: str, author: str) -> None:
        """Replace a branch's history by one commit; the old commits stay readable."""
        with self.lock:
            files = self.read_commit(repo, repo.refs[reference]).files
            commit = self._write_commit(repo, None, files, (title, "", author))
            repo.refs[reference] = commit.sha
            self.save(repo)

    def _write_commit(
        self, repo: Repo, parent: str | None, files: dict[str, Entry], words: tuple[str, str, str]
    ) -> Commit:
        title, message, author = words
        commit = Commit("", parent, title, message, author, now(), dict(sorted(files.items())))
        fields = asdict(commit)
        sha = hashlib.sha1(json.dumps(fields).encode()).hexdigest()
        self._commit_path(repo, sha).write_text(json.dumps(fields | {"sha": sha}))
        return Commit(**(vars(commit) | {"sha": sha}))
