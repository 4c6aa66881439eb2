"""The Space as a repository of the Hub: its files written into a folder, and the folder pushed.

Its templates are in ``data/space_repo``, and ``spaces/memotions`` is what :func:`assemble` makes of
them for ``someone/memotions``.
"""

from __future__ import annotations

import atexit
import importlib.metadata
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .. import __version__
from ..corpus.download import DATA_FOLDER
from ..errors import HubError, InputError, MissingExtraError
from ..folders import write_texts
from ..repositories import (
    Repository,
    answer_of,
    check_message,
    check_repo,
    explain,
    open_repository,
    readable_errors,
)

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

SPACE_FILES = ("README.md", "app.py", "requirements.txt")
PYTHON_VERSION = "3.11"
CREDENTIALS_SECRET = "GOOGLE_APPLICATION_CREDENTIALS_JSON"
"""The secret of a Space that holds the content of a key file of Google Cloud."""

_CREDENTIALS_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_TEMPLATES = DATA_FOLDER / "space_repo"
_NAME = "memotions-hf"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


# The folder ---------------------------------------------------------------------------------------


def assemble(
    target: Path,
    *,
    repo: str,
    package: str | None = None,
    models: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
) -> list[Path]:
    """Write the repository of the Space into a folder, whole or not at all.

    Args:
        target: the folder; an earlier one of these files alone is replaced.
        repo: the Space's name, ``someone/memotions``, which the examples in its README use.
        package: how its ``requirements.txt`` names this package; see :func:`requirement`.
        models: models that its page links to; default: ``someone/memotions-bilstm``.
        datasets: data sets that its page links to; default: ``someone/memotions-corpus``.

    Returns:
        The files.

    Raises:
        InputError: a name or the requirement cannot be used, or the folder holds something else.
        MissingExtraError: the ``space`` extra is not installed.
    """
    values = _values(repo, requirement(package), models, datasets)
    files = {
        name: Template((_TEMPLATES / name).read_text(encoding="utf-8")).substitute(values)
        for name in SPACE_FILES
    }
    return write_texts(target, files, "a Space")


def _values(
    repo: str, package: str, models: Sequence[str] | None, datasets: Sequence[str] | None
) -> dict[str, str]:
    """Return what the templates are filled with."""
    from ..modeling.artifact import BUNDLED_FOLDER, read_artifact_config
    from .limits import DEFAULT_ADDRESS_RATE, DEFAULT_SESSION_RATE

    owner, name = check_repo(repo).split("/")
    models = [f"{owner}/memotions-bilstm"] if models is None else models
    datasets = [f"{owner}/memotions-corpus"] if datasets is None else datasets
    terms = read_artifact_config(BUNDLED_FOLDER).license
    return {
        "repo": repo,
        "name": name,
        "url": app_address(repo),
        "requirement": package,
        "sdk_version": gradio_version(),
        "python_version": PYTHON_VERSION,
        "license": terms.lower(),
        "license_name": terms,
        "session_rate": DEFAULT_SESSION_RATE,
        "address_rate": DEFAULT_ADDRESS_RATE,
        "models": json.dumps([check_repo(model) for model in models]),
        "datasets": json.dumps([check_repo(dataset) for dataset in datasets]),
    }


def gradio_version() -> str:
    """Return the version of gradio that is installed, which is the one tested here.

    Raises:
        MissingExtraError: there is none.
    """
    try:
        return importlib.metadata.version("gradio")
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtraError(
            f"gradio is not installed, and this needs it: pip install '{_NAME}[space]'"
        ) from None


def app_address(repo: str) -> str:
    """Return the address at which the Hub serves the app of a Space."""
    return f"https://{re.sub('[^a-z0-9]+', '-', repo.lower())}.hf.space"


def requirement(package: str | None = None, *, gemini: bool = False) -> str:
    """Return the line of ``requirements.txt`` that installs this package.

    Hugging Face's builder sees that file alone while it installs, so nothing else of the Space's
    repository can be named in it.

    Args:
        package: a requirement such as ``memotions-hf[space] @ git+https://...``, or only the
            ``https`` address of a wheel or a git repository; None: this version from the index.
        gemini: add what Gemini needs, where ``package`` does not name the extras itself.

    Raises:
        InputError: it is no requirement of this package with its ``space`` extra, or is not to be
            published.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    named = f"{_NAME}[space,gemini]" if gemini else f"{_NAME}[space]"
    line = f"{named}=={__version__}" if package is None else package.strip()
    if line.startswith(("https://", "git+https://")):
        line = f"{named} @ {line}"
    try:
        parsed = Requirement(line)
    except InvalidRequirement:
        parsed = None
    ours = parsed and canonicalize_name(parsed.name) == _NAME and "space" in parsed.extras
    if parsed is None or not ours or not line.isprintable():
        raise InputError(
            f"the package has to be a requirement such as '{_NAME}[space]=={__version__}', "
            f"'{_NAME}[space] @ git+https://...' or the https address of a wheel; a Space cannot "
            "install a file"
        )
    _check_address(parsed.url)
    return line


def _check_address(url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url.removeprefix("git+"))
    if parts.scheme != "https" or not parts.hostname:
        raise InputError("the package's address has to begin with https:// or git+https://")
    if parts.username is not None:
        raise InputError(
            "the package's address holds a user or a token, which everybody could read in the "
            "Space; leave it out"
        )


# On the Space -------------------------------------------------------------------------------------


def use_credentials_secret() -> None:
    """Put the secret with Google Cloud's credentials where Google's libraries look for them.

    They read a file only, and a Space has secrets only: the file lies in the temporary folder, for
    this user alone, and goes when the process ends, or with the Space's container when that is
    stopped. Without the secret nothing is done.
    """
    content = os.environ.pop(CREDENTIALS_SECRET, "")
    if not content.strip():
        return
    handle, name = tempfile.mkstemp(prefix="memotions-", suffix=".json")  # readable by us alone
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    atexit.register(Path(name).unlink, missing_ok=True)
    os.environ[_CREDENTIALS_FILE] = name


# The Hub ------------------------------------------------------------------------------------------


def read_settings(secrets: Sequence[str], variables: Sequence[str]) -> list[dict[str, str]]:
    """Return the values of a Space's secrets and variables, from this process's environment.

    Args:
        secrets: names of environment variables that become secrets.
        variables: names of those that become variables, which everybody can read.

    Returns:
        Two dictionaries, secrets and variables, of values by name.

    Raises:
        InputError: a name cannot be used, or there is no such environment variable; no message
            holds a value.
    """
    for name in (*secrets, *variables):
        _check_setting(name)
    if CREDENTIALS_SECRET in variables or set(secrets) & set(variables):
        named = ", ".join(sorted({CREDENTIALS_SECRET, *secrets} & set(variables)))
        raise InputError(f"{named} cannot be a variable, which everybody can read; use --secret")
    return [{name: os.environ[name] for name in names} for names in (secrets, variables)]


def _check_setting(name: str) -> None:
    if not _VARIABLE.fullmatch(name):  # perhaps NAME=VALUE, so it is not repeated
        raise InputError(
            "secrets and variables are given by name alone; their values are taken from the "
            "environment variables of these names"
        )
    if name == _CREDENTIALS_FILE:
        raise InputError(
            f"{name} names a file, which a Space does not have; put the file's content into "
            f"{CREDENTIALS_SECRET} and give --secret {CREDENTIALS_SECRET}"
        )
    if not os.environ.get(name, "").strip():
        raise InputError(f"there is no environment variable {name}; set it to the value to publish")


def push_space(
    folder: Path,
    repo: str,
    *,
    private: bool | None = None,
    secrets: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    commit_message: str = "Upload the Memotions Space",
    restart: bool = False,
    token: str | bool | None = None,
) -> CommitInfo:
    """Create a Space where needed, set its secrets and upload a folder in one commit.

    Args:
        folder: what :func:`assemble` made.
        repo: the Space, ``someone/memotions``.
        private: visibility of a new Space; True refuses to push to a public one.
        secrets: values by name; they are sent to the Hub and appear nowhere else.
        variables: values by name, which everybody can read.
        commit_message: first line of the commit's message.
        restart: start the Space anew afterwards, which the Hub does by itself only where a file, a
            secret or a variable has changed.
        token: access token, True for the stored one.

    Returns:
        The commit; the newest one where no file is new.

    Raises:
        InputError: an argument cannot be used, or the Space is public and must not be.
        HubError: the Hub cannot be reached or refuses.
    """
    check_repo(repo)
    check_message(commit_message)
    repository = open_repository(repo, "space", private=private, token=token, space_sdk="gradio")
    # Before the upload, so that the app finds them when it is started for the first time.
    _set_secrets(repository, secrets or {})
    with readable_errors(f"cannot push to {repo!r}", token=token):
        for name, value in (variables or {}).items():
            repository.api.add_space_variable(repo, name, value)
    commit = repository.commit(
        {name: folder / name for name in SPACE_FILES}, message=commit_message
    )
    if restart:
        with readable_errors(f"the files were pushed, but {repo!r} was not restarted", token=token):
            repository.api.restart_space(repo)
    return commit


def _set_secrets(repository: Repository, secrets: Mapping[str, str]) -> None:
    for name, value in secrets.items():
        try:
            repository.api.add_space_secret(repository.repo_id, name, value)
        except Exception as error:  # whose message may repeat the secret
            failed = f"cannot push to {repository.repo_id!r}"
            answer = answer_of(error)
            status = None if answer is None else answer.response.status_code
            if status in (401, 403):  # for which there is a line of our own
                raise HubError(f"{failed}: {explain(error, token=repository.api.token)}") from None
            kind = f"status {status}" if status else type(error).__name__
            raise HubError(
                f"{failed}: the secret {name} was not taken ({kind}), and no file was pushed; try "
                "again"
            ) from None
