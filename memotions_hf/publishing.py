"""What this package publishes on the Hugging Face Hub: prepared in folders, checked, then pushed.

Everything is prepared, and everything that can be known to go wrong is looked for, before the first
byte is sent; what is pushed is then one commit for each repository.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import CommitInfo, RepoCard
from huggingface_hub.errors import RepositoryNotFoundError

from .errors import HubError, InputError, MemotionsError
from .repositories import Token, hub_api, open_repository, readable_errors

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TAG = "memotions"
"""Stands among the tags of every card, and tells our repositories from others of the same name."""

METRIC_TAG = "metric"
"""Tells the metric from the app, which is a Space too."""

_CARD_FILE = "README.md"
_WRITES = ("admin", "write", "contributor")
_UNTOUCHED = frozenset((".gitattributes", _CARD_FILE))


@dataclass(frozen=True)
class Upload:
    """A repository that is ready to be pushed.

    Args:
        kind: ``dataset``, ``model``, ``metric`` or ``space``.
        repo: its name, ``owner/name``.
        files: the files by their path in the repository.
        notes: what else somebody who is asked should know.
        push: makes the commit.
    """

    kind: str
    repo: str
    files: Mapping[str, Path]
    notes: Sequence[str]
    push: Callable[[], CommitInfo]

    @property
    def repo_type(self) -> str:
        """What the Hub calls such a repository; a metric is a Space there."""
        return "space" if self.kind == "metric" else self.kind

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(path.stat().st_size for path in self.files.values())

    @property
    def license(self) -> str:
        """The licence that the card states."""
        data = RepoCard(self.files[_CARD_FILE].read_text(encoding="utf-8")).data
        stated = data.get("license")
        names = stated if isinstance(stated, list) else [stated]
        named = [data.get("license_name") or name if name == "other" else name for name in names]
        return ", ".join(str(name) for name in named if name) or "none stated"


# Preparing ----------------------------------------------------------------------------------------


def prepare_model(folder: Path, repo: str, *, source: Path | None = None, **options: Any) -> Upload:
    """Write the bundled model, or the one in ``source``, into a folder.

    Args:
        folder: where to write.
        repo: the repository.
        source: a model folder.
        options: ``private``, ``commit_message`` and ``token`` of the push.

    Raises:
        ModelLoadError: there is no model in ``source``.
    """
    from .inference import EmotionClassifier
    from .modeling.hub import push_model_folder

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        EmotionClassifier.from_pretrained(source).save_pretrained(folder)
    notes = [str(warning.message) for warning in caught if warning.category is UserWarning]
    push = partial(push_model_folder, folder, repo, **options)
    return Upload("model", repo, _files(folder), notes, push)


def prepare_dataset(folder: Path, repo: str, **options: Any) -> Upload:
    """Check a built corpus, and name the repository in its card.

    Args:
        folder: what :func:`memotions_hf.corpus.publish.build_folder` made.
        repo: the repository.
        options: ``private``, ``commit_message`` and ``token`` of the push.

    Raises:
        InputError: the folder is no build, or holds rows that may not be passed on.
        CorpusError: a file of it cannot be read, or is not the one that was built.
    """
    from .cards.dataset_folder import name_repository
    from .corpus.publish import check_folder, publish_folder, published_files, row_licenses

    check_folder(folder)
    push = partial(publish_folder, folder, repo, card=name_repository, **options)
    notes = [f"rows are under {', '.join(row_licenses(folder))}"]
    return Upload("dataset", repo, published_files(folder), notes, push)


def prepare_metric(folder: Path, repo: str, **options: Any) -> Upload:
    """Write the repository of the metric into a folder.

    Args:
        folder: where to write.
        repo: the repository, a Space.
        options: ``private``, ``commit_message`` and ``token`` of the push.

    Raises:
        InputError: a metric cannot have this name.
    """
    from .evaluation.metric import METRIC_SDK, assemble_metric

    assemble_metric(folder, repo=repo)
    files = _files(folder)

    def push(*, commit_message: str, **where: Any) -> CommitInfo:
        repository = open_repository(repo, "space", space_sdk=METRIC_SDK, **where)
        return repository.commit(files, message=commit_message)

    return Upload("metric", repo, files, [], partial(push, **options))


def prepare_space(
    folder: Path,
    repo: str,
    *,
    package: str | None = None,
    models: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    secrets: Sequence[str] = (),
    variables: Sequence[str] = (),
    restart: bool = False,
    **options: Any,
) -> Upload:
    """Write the repository of the Space into a folder.

    Args:
        folder: where to write.
        repo: the Space.
        package: how it installs this package.
        models: models that its page links to.
        datasets: data sets that its page links to.
        secrets: environment variables that become secrets.
        variables: environment variables that become variables.
        restart: start it anew after the push.
        options: ``private``, ``commit_message`` and ``token`` of the push.

    Raises:
        InputError: a value cannot be used, or there is no such environment variable.
        MissingExtraError: the ``space`` extra is not installed.
    """
    from .demo import publish
    from .suggestions.engine import PROJECT_VARIABLE

    hidden, shown = publish.read_settings(secrets, variables)
    line = publish.requirement(package, gemini=PROJECT_VARIABLE in {**hidden, **shown})
    publish.assemble(folder, repo=repo, package=line, models=models, datasets=datasets)
    notes = [
        f"runs on gradio {publish.gradio_version()}, installs {line}",
        *(f"secret {name} (its value is not shown)" for name in secrets),
        *(f"variable {name} (everybody can read it)" for name in variables),
        *(["is started anew afterwards"] if restart else []),
    ]
    push = partial(
        publish.push_space,
        folder,
        repo,
        secrets=hidden,
        variables=shown,
        restart=restart,
        **options,
    )
    return Upload("space", repo, _files(folder), notes, push)


def _files(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in paths}


# Checking -----------------------------------------------------------------------------------------


def check_uploads(
    uploads: Sequence[Upload], *, private: bool = False, token: Token = None
) -> dict[str, str | None]:
    """Look for what would go wrong, before anything is pushed.

    Args:
        uploads: what is to be pushed.
        private: whether nothing may go to a public repository.
        token: access token, True for the stored one.

    Returns:
        The newest commit of each repository by its kind; None where it does not exist yet.

    Raises:
        InputError: the token may not write there, a name is taken by something else, given twice,
            or is that of a public repository.
        HubError: the Hub cannot be reached or refuses.
    """
    places = Counter((upload.repo_type, upload.repo) for upload in uploads)
    for (repo_type, repo), count in places.items():
        if count > 1:
            raise InputError(
                f"{repo} would be two things, each of them a {repo_type}; give them different names"
            )
    api = hub_api(token)
    with readable_errors("cannot push", token=token):
        account = api.whoami()
    for owner in dict.fromkeys(upload.repo.split("/")[0] for upload in uploads):
        _check_namespace(account, owner)
    return {upload.kind: _check_name(api, upload, private, token) for upload in uploads}


def _check_namespace(account: Mapping[str, Any], owner: str) -> None:
    role, scopes = _permissions(account)
    if role == "read":
        raise InputError(
            "the token may only read; make one that may write, and log in with it (hf auth login)"
        )
    names = [account["name"]]
    names += [
        organisation["name"]
        for organisation in account.get("orgs") or ()
        if organisation.get("roleInOrg", "write") in _WRITES
    ]
    if owner not in names:
        raise InputError(
            f"{owner!r} is no name that this token may write under; it belongs to "
            f"{account['name']}, and may write as {' or '.join(names)}"
        )
    if scopes is not None and not scopes.get(owner):
        raise InputError(
            f"the fine-grained token may not write to repositories of {owner}; give it that "
            "permission in the settings of the Hub, or use another"
        )


def _permissions(account: Mapping[str, Any]) -> tuple[str | None, dict[str, bool] | None]:
    """Return a token's role and, of a fine-grained one, whose repositories it may write to.

    What is not known is left for the Hub to decide.
    """
    token = (account.get("auth") or {}).get("accessToken") or {}
    if token.get("role") != "fineGrained":
        return token.get("role"), None
    details = token.get("fineGrained") or {}
    if "scoped" not in details:
        return "fineGrained", None
    scopes: dict[str, bool] = {}
    for scope in details["scoped"]:
        entity = scope.get("entity") or {}
        if entity.get("type") not in ("user", "org"):
            return "fineGrained", None
        writes = "repo.write" in (scope.get("permissions") or ())
        name = str(entity.get("name"))
        scopes[name] = scopes.get(name, False) or writes
    return "fineGrained", scopes


def _check_name(api: HfApi, upload: Upload, private: bool, token: Token) -> str | None:
    """Refuse a name under which there is something else; return the newest commit there."""
    where: dict[str, Any] = {"repo_id": upload.repo, "repo_type": upload.repo_type}
    with readable_errors(f"cannot push to {upload.repo!r}", token=token):
        try:
            info = api.repo_info(**where)
        except RepositoryNotFoundError:
            return None
        others = set(api.list_repo_files(**where, revision=info.sha)) - _UNTOUCHED
    card = getattr(info, "card_data", None) or {}
    tags = card.get("tags") or ()
    is_ours = TAG in tags and (METRIC_TAG in tags) == (upload.kind == "metric")
    if others and not is_ours:
        raise InputError(
            f"the name {upload.repo} is taken by a {upload.repo_type} of another kind; choose "
            f"another name with --{upload.kind}-name"
        )
    if private and info.private is False:
        raise InputError(
            f"{upload.repo} is there already and is public; nothing was pushed: make it private "
            "in its settings first"
        )
    return info.sha


# Pushing ------------------------------------------------------------------------------------------


def push_uploads(uploads: Sequence[Upload]) -> Iterator[tuple[Upload, CommitInfo]]:
    """Push one upload after the other.

    Yields:
        Each upload with its commit, or the repository's newest commit where nothing was new.

    Raises:
        HubError: something cannot be pushed; what came before it is.
    """
    for upload in uploads:
        try:
            commit = upload.push()
        except MemotionsError as error:
            position = uploads.index(upload)
            left = " and ".join(other.kind for other in uploads[position + 1 :])
            after = f"; not pushed either: {left}" if left else ""
            raise HubError(f"{error}{after}") from None
        yield upload, commit
