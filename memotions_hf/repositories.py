"""Repositories of the Hugging Face Hub: one way to push, and one line for whatever goes wrong.

Models, data sets, metrics and Spaces are all pushed through here: a repository is opened, created
where it does not exist, and gets one commit on the parent that was seen when it was opened, so
that what somebody else pushes meanwhile is never overwritten.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from . import __version__
from .errors import HubError, InputError, MemotionsError

Token = str | bool | None
Content = Path | bytes

LIBRARY = "memotions-hf"

_ATTEMPTS = 3
_LONGEST_WAIT = 60.0
_SECRET = re.compile(r"hf_\w+|(?i:bearer)\s+\S+")
# What follows the name in an address, such as the signature that opens a large file to everybody.
_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_PART}/{_PART}")
_MAX_REPO = 96
_NO_TOKEN = "the Hub asks for a valid token; log in (hf auth login) or pass one"
_NO_ROOM = (
    "the storage or the limits of the account are used up, says the Hub ({said}); make room, or "
    "choose another plan, and try again"
)
# In this order: a gated repository is also one that was not found.
_MESSAGES: tuple[tuple[type[Exception], str], ...] = (
    (HFValidationError, "this is no name of a repository; write owner/name"),
    (GatedRepoError, "the repository is gated; ask for access on its page, and pass a token"),
    (RevisionNotFoundError, "it has no revision {revision!r}; name a branch, a tag or a commit"),
    (
        RepositoryNotFoundError,
        "there is no such repository, or it is private; check the name, and log in "
        "(hf auth login) or pass a token that may read it",
    ),
    (LocalTokenNotFoundError, _NO_TOKEN),
)
_STATUS_MESSAGES = {
    401: _NO_TOKEN,
    402: "the Hub asks for a paid plan (PRO or Team), as for a Space that runs an app on free "
    "hardware ({said})",
    403: "the token does not allow this; use one that does (pushing needs write permission)",
    412: "the repository was changed during the upload by somebody else; nothing of this was put "
    "there: try again",
    413: "a file is larger than the Hub takes ({said})",
    429: "the Hub has had too many requests of this account for now; wait some minutes, and try "
    "again",
}


@dataclass(frozen=True)
class Repository:
    """An open repository: where the next commit goes, and what it is put on.

    Args:
        api: the client, with its token.
        repo_id: the full name, ``owner/name``.
        repo_type: ``model``, ``dataset`` or ``space``.
        revision: the branch; None is ``main``.
        head: the branch's newest commit when the repository was opened.
        url: its page.
    """

    api: HfApi
    repo_id: str
    repo_type: str
    revision: str | None
    head: str | None
    url: str

    def commit(
        self,
        files: Mapping[str, Content],
        *,
        message: str,
        stale: Collection[str] = (),
        create_pr: bool = False,
    ) -> CommitInfo:
        """Upload files in one commit; a file that is there already, unchanged, is not sent.

        Args:
            files: what lies where in the repository.
            message: first line of the commit's message.
            stale: patterns of files to delete where they are not among ``files``.
            create_pr: open a pull request instead of committing to the branch.

        Returns:
            The commit; where nothing has changed there is none, and it is the branch's newest.

        Raises:
            HubError: the Hub cannot be reached or refuses; nothing has changed there.
            InputError: the revision is no branch.
        """
        with readable_errors(f"cannot push to {self.repo_id!r}", self.revision, self.api.token):
            gone = sorted(
                name
                for name in set(self.list_files()) - set(files)
                if any(fnmatchcase(name, pattern) for pattern in stale)
            )
            try:
                return _patiently(lambda: self._commit(files, gone, message, create_pr), create_pr)
            except RevisionNotFoundError:  # it was found before, so it is something else
                raise InputError(
                    f"cannot push to {self.revision!r} of {self.repo_id!r}, which is no branch; "
                    "name a branch: a tag does not move"
                ) from None

    def _commit(
        self, files: Mapping[str, Content], gone: list[str], message: str, create_pr: bool
    ) -> CommitInfo:
        additions = [
            CommitOperationAdd(name, str(content) if isinstance(content, Path) else content)
            for name, content in files.items()
        ]
        return self.api.create_commit(
            self.repo_id,
            [*additions, *(CommitOperationDelete(name) for name in gone)],
            repo_type=self.repo_type,
            commit_message=message,
            revision=self.revision,
            create_pr=create_pr,
            parent_commit=self.head,
        )

    def list_files(self) -> list[str]:
        """Return the files that there were when the repository was opened.

        Raises:
            HubError: the Hub cannot be reached or refuses.
        """
        with readable_errors(f"cannot push to {self.repo_id!r}", self.revision, self.api.token):
            return self.api.list_repo_files(
                self.repo_id, repo_type=self.repo_type, revision=self.head
            )


def open_repository(
    repo_id: str,
    repo_type: str = "model",
    *,
    revision: str | None = None,
    private: bool | None = None,
    token: Token = None,
    space_sdk: str | None = None,
) -> Repository:
    """Open a repository for a commit, created where there is none, and its branch too.

    Args:
        repo_id: ``owner/name``, or ``name`` for the token's owner.
        repo_type: ``model``, ``dataset`` or ``space``.
        revision: branch to commit to, created where needed; None is ``main``.
        private: visibility of a new repository; True refuses one that is public.
        token: access token, True for the stored one.
        space_sdk: what a new Space runs on.

    Raises:
        InputError: ``revision`` is a commit, or the repository is public and must not be.
        HubError: the Hub cannot be reached or refuses.
    """
    revision = revision or None
    if revision is not None and _COMMIT.fullmatch(revision):
        raise InputError(f"cannot push to the commit {revision}; name a branch")
    with readable_errors(f"cannot push to {repo_id!r}", revision, token):
        api = hub_api(token)
        url = api.create_repo(
            repo_id, repo_type=repo_type, private=private, exist_ok=True, space_sdk=space_sdk
        )
        info = api.repo_info(url.repo_id, repo_type=repo_type)
        if private and info.private is False:
            raise InputError(
                f"{url.repo_id} is there already and is public; nothing was pushed: make it "
                "private in its settings first"
            )
        head = _branch_head(api, url.repo_id, repo_type, revision)
    return Repository(api, url.repo_id, repo_type, revision, head, str(url))


def hub_api(token: Token = None) -> HfApi:
    """Return a client that tells the Hub which library it is.

    Raises:
        InputError: ``token`` is none.
    """
    check_token(token)
    return HfApi(token=token, library_name=LIBRARY, library_version=__version__)


def _branch_head(api: HfApi, repo_id: str, repo_type: str, revision: str | None) -> str | None:
    """Return the newest commit of a branch, which is created where it does not exist."""
    try:
        return api.repo_info(repo_id, repo_type=repo_type, revision=revision).sha
    except RevisionNotFoundError:
        if revision is None or revision.startswith("refs/"):
            raise
    api.create_branch(repo_id, branch=revision, repo_type=repo_type, exist_ok=True)
    return api.repo_info(repo_id, repo_type=repo_type, revision=revision).sha


def check_repo(repo: str) -> str:
    """Return the name of a repository if it has the form ``owner/name``.

    Raises:
        InputError: it has another one.
    """
    fits = _REPO.fullmatch(repo) and "--" not in repo and ".." not in repo
    if not fits or len(repo) > _MAX_REPO or repo.endswith(".git"):
        raise InputError(
            f"{repo!r:.120} is no name of a repository; write owner/name, as in someone/memotions"
        )
    return repo


def check_token(token: Token) -> None:
    """Refuse what cannot be sent as an access token.

    Raises:
        InputError: it is blank, or holds white space or letters that no token has.
    """
    if isinstance(token, str) and not re.fullmatch(r"[!-~]+", token):
        raise InputError("this is no access token: it is blank or was copied badly; copy it again")


def check_message(message: str) -> None:
    """Refuse an empty commit message, which the Hub does not take.

    Raises:
        InputError: there is nothing in it.
    """
    if not message.strip():
        raise InputError("commit_message is empty; say what the commit holds")


def _patiently(commit: Callable[[], CommitInfo], create_pr: bool) -> CommitInfo:
    """Try a commit again where the Hub is busy, which its client does for other requests only.

    A commit that was made although its answer was lost is not made twice: its files are then
    unchanged, or its parent is no longer the newest commit. A pull request would be, so it is
    tried again only where the Hub says that there were too many requests.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            return commit()
        except HfHubHTTPError as error:
            status = error.response.status_code
            wait = _wait(error, attempt)
            if wait > _LONGEST_WAIT or (status != 429 and (status < 500 or create_pr)):
                raise
            time.sleep(wait)
    return commit()


def _wait(error: HfHubHTTPError, attempt: int) -> float:
    """Return for how many seconds the Hub asks to wait, or what is usual."""
    try:
        return max(int(error.response.headers.get("Retry-After", "")), 0)
    except ValueError:
        return 2.0**attempt


# Errors -------------------------------------------------------------------------------------------


@contextmanager
def readable_errors(
    failed: str, revision: str | None = None, token: Token = None
) -> Iterator[None]:
    """Turn whatever the Hub's client raises into one line that begins with ``failed``.

    Raises:
        HubError: the Hub cannot be reached or refuses.
    """
    try:
        yield
    except MemotionsError:
        raise
    except OfflineModeIsEnabled:
        raise HubError(
            f"{failed}: the network is switched off (HF_HUB_OFFLINE); switch it on"
        ) from None
    except Exception as error:  # the Hub client lets several unrelated types through
        raise HubError(f"{failed}: {explain(error, revision, token)}") from None


def explain(error: Exception, revision: str | None = None, token: Token = None) -> str:
    """Return one line, without a token, that says what went wrong and what to do."""
    for kind, message in _MESSAGES:
        if isinstance(error, kind):
            return message.format(revision=revision)
    secret = token if isinstance(token, str) else None
    answer = answer_of(error)
    refusal = None if answer is None else _explain_refusal(answer, secret)
    if refusal is not None:
        return refusal
    if "Consistency check failed" in str(error):  # the client has no type for it
        return "a file did not arrive whole; try again"
    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error
    if cause is None or isinstance(cause, OfflineModeIsEnabled):
        return "the network is switched off and the cache holds no whole copy; allow the network"
    reason = first_line(cause, secret)
    if _is_local(cause):
        return (
            f"a file on this machine cannot be read or written ({reason}); mend that, or name "
            "another folder"
        )
    return f"the Hub cannot be reached, or refuses ({reason}); check the network and try again"


def _explain_refusal(answer: HfHubHTTPError, secret: str | None) -> str | None:
    """Return what the Hub's answer means, unless it is that the Hub itself is in trouble."""
    said = first_line(answer.server_message or answer, secret)
    status = answer.response.status_code
    if status == 403 and re.search(r"storage|quota|limit", said, re.IGNORECASE):
        return _NO_ROOM.format(said=said)
    if status == 403 and re.search(r"namespace|rights to create", said, re.IGNORECASE):
        return (
            "the token may not create anything under this name; check the owner's name, or "
            "use a token that may write there"
        )
    if status in _STATUS_MESSAGES:
        return _STATUS_MESSAGES[status].format(said=said)
    if status < 500:
        return f"the Hub refuses this ({said}); change what it names, and try again"
    return None


def _is_local(error: BaseException) -> bool:
    """Tell trouble with a disk from trouble with the network, which are of one type in Python."""
    network = (ConnectionError, TimeoutError, socket.gaierror, HfHubHTTPError)
    return isinstance(error, OSError) and error.errno is not None and not isinstance(error, network)


def answer_of(error: BaseException) -> HfHubHTTPError | None:
    """Return the Hub's answer; the client wraps that to an upload in an error of another type."""
    for candidate in (error, error.__cause__):
        if isinstance(candidate, HfHubHTTPError):
            return candidate
    return None


def first_line(error: BaseException | str, secret: str | None = None) -> str:
    """Return the first line of an error's message, short and without tokens and signatures."""
    text = str(error).strip() or type(error).__name__
    if secret and secret.strip():
        text = text.replace(secret.strip(), "***")
    return _SECRET.sub("***", _QUERY.sub(r"\1", text)).splitlines()[0][:200]
