"""Models on the Hugging Face Hub: the mixin, and the functions that fetch and push a model folder.

Importing this module loads no Keras, TensorFlow or ONNX: inference uses its functions without them.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

import httpx2
import huggingface_hub
import numpy as np
import numpy.typing as npt
from huggingface_hub import CommitInfo, ModelHubMixin
from huggingface_hub.errors import LocalEntryNotFoundError

from .. import __version__
from ..errors import InputError, MissingExtraError, ModelLoadError, require
from ..repositories import (
    LIBRARY,
    Content,
    Token,
    check_message,
    check_token,
    explain,
    first_line,
    open_repository,
)
from ..tokenization import (
    PAD_ID,
    TOKENIZER_FILE,
    encode_batch,
    load_tokenizer,
    pad_batch,
    save_tokenizer,
)
from .artifact import (
    ARTIFACT_FILES,
    BUNDLED_FOLDER,
    CARD_FILE,
    CONFIG_FILE,
    COPIED_FILES,
    KERAS_FILES,
    METRICS_FILE,
    ONNX_FILE,
    PLOT_FILES,
    PLOTS_FOLDER,
    TRAINING_LOG_FILE,
    TWIN_CODE_FILE,
    WEIGHTS_FILE,
    ArtifactConfig,
    check_repo_name,
    check_subfolder,
    read_artifact_config,
    read_json,
    write_folder_atomically,
)
from .saving import copy_file, render_card, write_card, write_json, write_keras_files, write_twin
from .torch_twin import CODE_PATH
from .untrusted import check_links, check_weights_file

if TYPE_CHECKING:
    import keras
    from tokenizers import Tokenizer

_COMMIT = re.compile(r"[0-9a-f]{40}")
_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def fetch_model_folder(
    name_or_path: str | Path,
    *,
    files: Sequence[str] = COPIED_FILES,
    revision: str | None = None,
    token: Token = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    subfolder: str | None = None,
) -> Path:
    """Return a model folder on this machine, downloaded from the Hub where it is a repository.

    Args:
        name_or_path: a folder, or a repo id such as ``someone/memotions-bilstm``.
        files: which files to download; a folder on this machine is taken as it is.
        revision: branch, tag or commit of the repository.
        token: access token, True for the stored one, False for none.
        cache_dir: where downloads are kept.
        force_download: download again what is in the cache already.
        local_files_only: use the cache only.
        subfolder: folder inside the repository or the folder.

    Raises:
        ModelLoadError: there is no such folder or repository, or it cannot be reached or read.
        InputError: ``token`` is none.
    """
    inside = check_subfolder(subfolder)
    local = Path(name_or_path)
    if name_or_path and local.is_dir():  # an empty name would be the working directory
        return local / inside
    check_repo_name(name_or_path)
    name = str(name_or_path)
    check_token(token)
    snapshot = functools.partial(
        huggingface_hub.snapshot_download,
        name,
        allow_patterns=[str(inside / file) for file in files],
        revision=revision or None,
        token=token,
        cache_dir=cache_dir,
        library_name=LIBRARY,
        library_version=__version__,
    )
    try:
        folder = Path(
            snapshot(force_download=force_download, local_files_only=local_files_only), inside
        )
    except Exception as error:  # the Hub client lets several unrelated types through
        cached = None if force_download else _cached_copy(error, snapshot)
        if cached is None or not _is_whole(cached / inside, files):
            message = explain(error, revision, token)
            raise ModelLoadError(f"cannot load {name!r}: {message}") from None
        folder = cached / inside
    _check_hashes(name, [folder / file for file in files])
    if not (folder / CONFIG_FILE).is_file():
        why = f"it holds no {inside / CONFIG_FILE}; name a repository that push_to_hub has written"
        if local_files_only or huggingface_hub.is_offline_mode():
            why = "the network is switched off and the cache holds no whole copy; allow the network"
        raise ModelLoadError(f"cannot load {name!r}, revision {revision or 'main'!r}: {why}")
    return folder


def _cached_copy(error: Exception, snapshot: Callable[..., str]) -> Path | None:
    """Return the copy in the cache where a connection broke.

    The Hub's client does so itself where a connection is refused or takes too long, but not where
    it is reset.
    """
    if isinstance(error, httpx2.TransportError):
        with suppress(LocalEntryNotFoundError):
            return Path(snapshot(local_files_only=True))
    return None


def _is_whole(folder: Path, files: Sequence[str]) -> bool:
    needed = (CONFIG_FILE, TOKENIZER_FILE, ONNX_FILE, WEIGHTS_FILE)
    return all((folder / name).is_file() for name in needed if name in files)


def _check_hashes(name: str, paths: Sequence[Path]) -> None:
    """Refuse files of the cache whose content is not what the Hub said it would be.

    The Hub's client looks at a file's size only. In its cache a file is a link to one that is named
    by its hash: SHA-256 for large files, git's SHA-1 for others. Where a file system has no links
    there is no such name, and nothing to compare with.
    """
    for path in paths:
        blob = path.resolve()
        if not path.is_symlink() or not blob.is_file() or not _BLOB.fullmatch(blob.name):
            continue
        if hash_of(blob, git=len(blob.name) == 40) != blob.name:
            with suppress(OSError):  # a cache that may only be read
                path.unlink(missing_ok=True)
                blob.unlink(missing_ok=True)
            left = f"; remove {blob}, and" if blob.exists() else ", and is removed from the cache;"
            raise ModelLoadError(
                f"cannot load {name!r}: {path.name} was damaged on its way or on this disk{left} "
                "load the model again"
            )


def commit_of(folder: Path) -> str | None:
    """Return the commit that a folder of the Hub's cache is of."""
    parents = zip(folder.parts, folder.parts[1:], strict=False)
    commits = (
        name for parent, name in parents if parent == "snapshots" and _COMMIT.fullmatch(name)
    )
    return next(commits, None)


def hash_of(path: Path, *, git: bool) -> str:
    """Return the hash by which the Hub names a file: git's for a blob, or SHA-256."""
    digest = hashlib.sha1(usedforsecurity=False) if git else hashlib.sha256()
    if git:
        digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def push_model_folder(
    folder: Path,
    repo_id: str,
    *,
    revision: str | None = None,
    private: bool | None = None,
    token: Token = None,
    create_pr: bool = False,
    commit_message: str = "Upload a Memotions model",
    subfolder: str | None = None,
) -> CommitInfo:
    """Upload a model folder to the Hub in one commit, and create the repository where needed.

    Only the files of a model folder are uploaded. Those of an earlier model that this one has not
    are deleted, and the model card is replaced by one that names the repository.

    Args:
        folder: a model folder, checked before anything is sent.
        repo_id: ``name/model``, or ``model`` for the token's owner.
        revision: branch to commit to, created where needed.
        private: visibility of a new repository.
        token: access token, True for the stored one.
        create_pr: open a pull request instead of committing to the branch.
        commit_message: first line of the commit's message.
        subfolder: folder inside the repository.

    Returns:
        The commit, which is also its address as a string; the newest one where nothing is new.

    Raises:
        ModelLoadError: the folder is incomplete.
        HubError: the Hub cannot be reached or refuses.
        MissingExtraError: the repository holds Keras's weights, and the folder none.
        InputError: ``revision`` or ``commit_message`` cannot be used, or ``private`` was asked for
            and the repository is public.
    """
    check_message(commit_message)
    inside = check_subfolder(subfolder)
    check_links(folder, ARTIFACT_FILES)
    read_artifact_config(folder)
    repository = open_repository(repo_id, revision=revision, private=private, token=token)
    contents = _contents(folder, inside, repository.repo_id)
    weights = str(inside / WEIGHTS_FILE)
    if weights not in contents and weights in repository.list_files():
        raise MissingExtraError(
            f"{repository.repo_id} holds Keras's weights, and the new model has none to take their "
            "place: pip install 'memotions-hf[train]', and push again"
        )
    return repository.commit(
        contents,
        message=commit_message,
        stale=[str(inside / name) for name in ARTIFACT_FILES],
        create_pr=create_pr,
    )


def _contents(folder: Path, inside: PurePosixPath, repo_id: str) -> dict[str, Content]:
    """Return what is uploaded of a model folder, by its path in the repository."""
    contents: dict[str, Content] = {
        name: folder / name for name in ARTIFACT_FILES if (folder / name).is_file()
    }
    if TWIN_CODE_FILE in contents:
        contents[TWIN_CODE_FILE] = CODE_PATH
    loading_name = repo_id if not inside.parts else None
    contents[CARD_FILE] = render_card(folder, loading_name).encode()
    return {str(inside / name): content for name, content in contents.items()}


class KerasHubMixin(ModelHubMixin):
    """Saves, loads and pushes a Keras model as a model folder, whole or not at all.

    Differs from :class:`huggingface_hub.ModelHubMixin` on purpose: a revision and a subfolder can
    be named everywhere, a model is saved before a repository is created, an upload is one commit
    on a known parent, the model card is replaced, and a failed save leaves nothing behind. A class
    implements ``_save_pretrained(folder)`` and ``_from_folder(folder)``.
    """

    @classmethod
    def _from_folder(cls, folder: Path) -> Self:
        raise NotImplementedError

    def save_pretrained(self, save_directory: str | Path) -> Path:  # type: ignore[override]
        """Write the model folder; other files there stay.

        Returns:
            The folder.

        Raises:
            InputError: the folder cannot be written.
        """
        target = Path(save_directory)
        with write_folder_atomically(target) as draft:
            self._save_pretrained(draft)
        return target

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path | None = None,
        *,
        revision: str | None = None,
        token: Token = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        subfolder: str | None = None,
    ) -> Self:
        """Load a model from a folder, from the Hub, or by default the one of this package.

        No code of the folder is run: the network is built here from its checked configuration.
        The arguments are those of :func:`fetch_model_folder`.

        Raises:
            ModelLoadError: the model cannot be found, reached or read; the message says which.
            MissingExtraError: the ``train`` extra is not installed.
        """
        if pretrained_model_name_or_path is None:
            return cls._from_folder(BUNDLED_FOLDER)
        fetch = functools.partial(
            fetch_model_folder,
            pretrained_model_name_or_path,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            subfolder=subfolder,
        )
        folder = fetch(files=KERAS_FILES)
        if not (folder / WEIGHTS_FILE).is_file():
            folder = fetch(files=(*KERAS_FILES, ONNX_FILE))
        return cls._from_folder(folder)

    def push_to_hub(  # type: ignore[override]
        self,
        repo_id: str,
        *,
        revision: str | None = None,
        private: bool | None = None,
        token: Token = None,
        create_pr: bool = False,
        commit_message: str = "Upload a Memotions model",
        subfolder: str | None = None,
    ) -> CommitInfo:
        """Save the model and upload it in one commit; see :func:`push_model_folder`.

        Returns:
            The commit, which is also its address as a string.

        Raises:
            HubError: the Hub cannot be reached or refuses.
            InputError: an argument cannot be used.
            ModelLoadError: ``subfolder`` leads outside.
        """
        with tempfile.TemporaryDirectory() as name:
            self._save_pretrained(Path(name))
            return push_model_folder(
                Path(name),
                repo_id,
                revision=revision,
                private=private,
                token=token,
                create_pr=create_pr,
                commit_message=commit_message,
                subfolder=subfolder,
            )


class MemotionsBiLSTM(KerasHubMixin):
    """A trained BiLSTM with its tokenizer and settings.

    >>> model = MemotionsBiLSTM.from_pretrained()
    >>> model.predict_proba(["Hari ini aku gagal lagi"]).shape
    (1, 5)
    """

    def __init__(
        self,
        keras_model: keras.Model,
        tokenizer: Tokenizer,
        settings: ArtifactConfig,
        *,
        metrics: Mapping[str, Any] | None = None,
        training_log: Path | None = None,
        plots: Sequence[Path] = (),
    ) -> None:
        """Put the parts of a model together.

        Args:
            keras_model: what ``build_bilstm(settings.model)`` returned, trained.
            tokenizer: what turns texts into the model's ids.
            settings: what ``config.json`` will say.
            metrics: what ``metrics.json`` will say, and the model card is made from.
            training_log: a CSV file to save as ``training_log.csv``.
            plots: PNG files to save under ``plots/``, by the names that they have there.

        Raises:
            InputError: the tokenizer has more entries than the model, or a plot another name.
        """
        if tokenizer.get_vocab_size() > settings.model.vocab_size:
            raise InputError(
                f"the tokenizer has {tokenizer.get_vocab_size():,} entries, but the model knows "
                f"{settings.model.vocab_size:,}; train one for the other"
            )
        for plot in plots:
            if f"{PLOTS_FOLDER}/{plot.name}" not in PLOT_FILES:
                raise InputError(f"{plot} cannot be saved; plots are {', '.join(PLOT_FILES)}")
        self.keras_model = keras_model
        self.tokenizer = tokenizer
        self.settings = settings
        self.metrics = dict(metrics or {})
        self.training_log = training_log
        self.plots = tuple(plots)

    def predict_proba(
        self, texts: Sequence[str], *, batch_size: int = 128
    ) -> npt.NDArray[np.float32]:
        """Return the probability of every class.

        Args:
            texts: raw texts; none is allowed.
            batch_size: texts that are run at once.

        Returns:
            float32 (texts, 5), columns in the order of ``memotions_hf.LABELS``; rows sum to 1.
        """
        batches = [np.empty((0, self.settings.model.num_labels), np.float32)]
        for start in range(0, len(texts), batch_size):
            rows = encode_batch(
                self.tokenizer, texts[start : start + batch_size], self.settings.max_length
            )
            # Keras runs its LSTM backwards over one step at least.
            ids = pad_batch(rows if any(rows) else [[PAD_ID]] * len(rows))
            batches.append(self.keras_model.predict_on_batch(ids))
        result: npt.NDArray[np.float32] = np.concatenate(batches)
        return result

    def _save_pretrained(self, save_directory: Path) -> None:
        from .export import export_onnx

        write_keras_files(self._uncompiled(), self.settings, save_directory)
        export_onnx(self.keras_model, self.settings.model, save_directory / ONNX_FILE)
        save_tokenizer(self.tokenizer, save_directory, self.settings.max_length)
        if self.metrics:
            write_json(save_directory / METRICS_FILE, self.metrics)
        copies = {f"{PLOTS_FOLDER}/{plot.name}": plot for plot in self.plots}
        if self.training_log is not None:
            copies[TRAINING_LOG_FILE] = self.training_log
        for name, source in copies.items():
            copy_file(source, save_directory / name)
        write_twin(save_directory)
        write_card(save_directory)

    def _uncompiled(self) -> keras.Model:
        """Return the model without optimizer and loss, which a loaded model has no use for."""
        from .bilstm import build_bilstm

        model = build_bilstm(self.settings.model)
        try:
            model.set_weights(self.keras_model.get_weights())
        except ValueError as error:
            raise InputError(
                f"the weights do not fit settings.model ({first_line(error)}); use the "
                "configuration that the model was built from"
            ) from None
        return model

    @classmethod
    def _from_folder(cls, folder: Path) -> Self:
        settings = read_artifact_config(folder)
        check_links(folder, (TRAINING_LOG_FILE, *PLOT_FILES))
        tokenizer = load_tokenizer(folder)
        metrics = read_json(folder / METRICS_FILE) if (folder / METRICS_FILE).is_file() else {}
        log = folder / TRAINING_LOG_FILE
        try:
            return cls(
                _load_keras_model(folder, settings),
                tokenizer,
                settings,
                metrics=metrics,
                training_log=log if log.is_file() else None,
                plots=[folder / name for name in PLOT_FILES if (folder / name).is_file()],
            )
        except InputError as error:
            raise ModelLoadError(f"{folder} holds files of different models: {error}") from None


def _load_keras_model(folder: Path, settings: ArtifactConfig) -> keras.Model:
    require("keras", "train")
    from .bilstm import build_bilstm
    from .export import keras_from_onnx

    path = folder / WEIGHTS_FILE
    if not path.is_file():
        return keras_from_onnx(folder / ONNX_FILE, settings.model)
    check_weights_file(path, settings.model)
    model = build_bilstm(settings.model)
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise several unrelated types for damage
        raise ModelLoadError(
            f"{path} is damaged or does not fit {CONFIG_FILE} ({first_line(error)}); save or "
            "download the model again"
        ) from None
    return model
