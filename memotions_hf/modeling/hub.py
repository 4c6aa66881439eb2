"""Models on the Hugging Face Hub: the mixin, and the functions that fetch and push a model folder.

Importing this module loads no Keras, TensorFlow or ONNX: inference uses its functions without them.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

import huggingface_hub
import numpy as np
import numpy.typing as npt
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelHubMixin
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

from .. import __version__
from ..errors import InputError, MemotionsError, ModelLoadError, require
from ..tokenization import PAD_ID, encode_batch, load_tokenizer, pad_batch, save_tokenizer
from .artifact import (
    ARTIFACT_FILES,
    BUNDLED_FOLDER,
    CARD_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    ONNX_FILE,
    PLOT_FILES,
    PLOTS_FOLDER,
    TRAINING_LOG_FILE,
    WEIGHTS_FILE,
    ArtifactConfig,
    read_artifact_config,
    read_json,
    write_folder_atomically,
)

if TYPE_CHECKING:
    import keras
    from tokenizers import Tokenizer

Token = str | bool | None

_LIBRARY = "memotions-hf"
_SECRET = re.compile(r"hf_\w+|(?i:bearer)\s+\S+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NO_TOKEN = "the Hub asks for a valid token; log in (hf auth login) or pass one"
# In this order: a gated repository is also one that was not found.
_MESSAGES: tuple[tuple[type[Exception], str], ...] = (
    (HFValidationError, "this is no repo id; write name/model, or the path of a model folder"),
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
    403: "the token does not allow this; use one with write permission for the repository",
    412: "the repository changed during the upload, so nothing was uploaded; try again",
}


def fetch_model_folder(
    name_or_path: str | Path,
    *,
    files: Sequence[str] = ARTIFACT_FILES,
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
    """
    inside = _check_subfolder(subfolder)
    local = Path(name_or_path)
    if name_or_path and local.is_dir():  # an empty name would be the working directory
        return local / inside
    if isinstance(name_or_path, Path) or _looks_like_path(name_or_path):
        raise ModelLoadError(f"there is no model folder {str(name_or_path)!r}; check the path")
    try:
        snapshot = huggingface_hub.snapshot_download(
            name_or_path,
            allow_patterns=[str(inside / name) for name in files],
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            library_name=_LIBRARY,
            library_version=__version__,
        )
    except Exception as error:  # the Hub client lets several unrelated types through
        message = explain(error, revision, token)
        raise ModelLoadError(f"cannot load {name_or_path!r}: {message}") from None
    folder = Path(snapshot) / inside
    if not (folder / CONFIG_FILE).is_file():
        where = f"{name_or_path!r}, revision {revision or 'main'!r}"
        raise ModelLoadError(
            f"cannot load {where}: it holds no {inside / CONFIG_FILE}; name a repository that "
            "push_to_hub has written"
        )
    return folder


def _check_subfolder(subfolder: str | None) -> PurePosixPath:
    inside = PurePosixPath(subfolder or "")
    if inside.is_absolute() or ".." in inside.parts:
        raise ModelLoadError(f"subfolder {subfolder!r} leads outside; name a folder inside")
    return inside


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1


def explain(error: Exception, revision: str | None, token: Token) -> str:
    """Return one line, without a token, that says what went wrong and what to do."""
    for kind, message in _MESSAGES:
        if isinstance(error, kind):
            return message.format(revision=revision)
    if isinstance(error, HfHubHTTPError) and error.response.status_code in _STATUS_MESSAGES:
        return _STATUS_MESSAGES[error.response.status_code]
    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error
    if cause is None or isinstance(cause, OfflineModeIsEnabled):
        return "the network is switched off and the cache holds no whole copy; allow the network"
    reason = _line(cause, token if isinstance(token, str) else None)
    return f"the Hub cannot be reached, or refuses ({reason}); check the network and try again"


def _line(error: BaseException | None, secret: str | None = None) -> str:
    """Return the first line of an error's message, short and without tokens."""
    text = str(error).strip() or type(error).__name__
    if secret and secret.strip():
        text = text.replace(secret.strip(), "***")
    return _SECRET.sub("***", text).splitlines()[0][:200]


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
) -> str:
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
        The address of the commit.

    Raises:
        ModelLoadError: the folder is incomplete, or the Hub cannot be reached or refuses.
        InputError: ``revision`` or ``commit_message`` cannot be used.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        raise InputError(f"cannot push to the commit {revision}; name a branch")
    if not commit_message.strip():
        raise InputError("commit_message is empty; say what the commit holds")
    inside = _check_subfolder(subfolder)
    read_artifact_config(folder)
    try:
        api = HfApi(token=token, library_name=_LIBRARY, library_version=__version__)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        head = _branch_head(api, repo_id, revision)
        additions = _additions(folder, inside, repo_id)
        new = {operation.path_in_repo for operation in additions}
        stale = {str(inside / name) for name in ARTIFACT_FILES} - new
        there = set(api.list_repo_files(repo_id, revision=head))
        deletions = [CommitOperationDelete(name) for name in sorted(stale & there)]
        commit = api.create_commit(
            repo_id,
            [*additions, *deletions],
            commit_message=commit_message,
            revision=revision,
            create_pr=create_pr,
            parent_commit=head,
        )
    except MemotionsError:
        raise
    except Exception as error:  # the Hub client lets several unrelated types through
        message = explain(error, revision, token)
        raise ModelLoadError(f"cannot push to {repo_id!r}: {message}") from None
    return str(commit.commit_url)


def _branch_head(api: HfApi, repo_id: str, revision: str | None) -> str | None:
    """Return the newest commit of a branch, which is created where it does not exist."""
    try:
        return api.repo_info(repo_id, revision=revision).sha
    except RevisionNotFoundError:
        if revision is None or revision.startswith("refs/"):
            raise
    api.create_branch(repo_id, branch=revision, exist_ok=True)
    return api.repo_info(repo_id, revision=revision).sha


def _additions(folder: Path, inside: PurePosixPath, repo_id: str) -> list[CommitOperationAdd]:
    sources: dict[str, str | bytes] = {
        name: str(folder / name) for name in ARTIFACT_FILES if (folder / name).is_file()
    }
    loading_name = repo_id if not inside.parts else None
    sources[CARD_FILE] = render_card(folder, loading_name).encode()
    return [CommitOperationAdd(str(inside / name), source) for name, source in sources.items()]


def render_card(folder: Path, repo_id: str | None = None) -> str:
    """Return the model card of a model folder, from its settings, metrics and plots."""
    from ..cards.model_card import render_model_card

    metrics = read_json(folder / METRICS_FILE) if (folder / METRICS_FILE).is_file() else {}
    plots = [name for name in PLOT_FILES if (folder / name).is_file()]
    return render_model_card(read_artifact_config(folder), metrics, plots=plots, repo_id=repo_id)


def add_keras_files(folder: Path) -> None:
    """Add Keras's own files to a model folder that holds the ONNX file only.

    Writes ``metadata.json`` and ``model.weights.h5``, and Keras's keys into ``config.json``.

    Raises:
        MissingExtraError: the ``train`` extra is not installed; nothing is changed.
        ModelLoadError: the folder cannot be read.
    """
    require("keras", "train")
    from .export import keras_from_onnx

    settings = read_artifact_config(folder)
    _write_keras_files(keras_from_onnx(folder / ONNX_FILE, settings.model), settings, folder)


def _write_keras_files(model: keras.Model, settings: ArtifactConfig, folder: Path) -> None:
    """Write what ``keras.saving.load_model(folder)`` reads, our own settings beside it."""
    keras = require("keras", "train")
    keras.saving.save_model(model, str(folder), zipped=False)
    assets = folder / "assets"
    if assets.is_dir() and not any(assets.iterdir()):
        assets.rmdir()
    config = read_json(folder / CONFIG_FILE) | settings.to_json()
    write_json(folder / CONFIG_FILE, config)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file as all of a model folder's are written."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


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
        folder = fetch_model_folder(
            pretrained_model_name_or_path,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            subfolder=subfolder,
        )
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
    ) -> str:
        """Save the model and upload it in one commit; see :func:`push_model_folder`.

        Returns:
            The address of the commit.

        Raises:
            ModelLoadError: the Hub cannot be reached or refuses.
            InputError: an argument cannot be used.
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
            plots: PNG files to save under ``plots/``, named ``confusion_matrix.png`` and
                ``learning_curve.png``.

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

        _write_keras_files(self._uncompiled(), self.settings, save_directory)
        export_onnx(self.keras_model, self.settings.model, save_directory / ONNX_FILE)
        save_tokenizer(self.tokenizer, save_directory, self.settings.max_length)
        if self.metrics:
            write_json(save_directory / METRICS_FILE, self.metrics)
        copies = {f"{PLOTS_FOLDER}/{plot.name}": plot for plot in self.plots}
        if self.training_log is not None:
            copies[TRAINING_LOG_FILE] = self.training_log
        for name, source in copies.items():
            _copy(source, save_directory / name)
        card = render_card(save_directory)
        (save_directory / CARD_FILE).write_text(card, encoding="utf-8")

    def _uncompiled(self) -> keras.Model:
        """Return the model without optimizer and loss, which a loaded model has no use for."""
        from .bilstm import build_bilstm

        model = build_bilstm(self.settings.model)
        try:
            model.set_weights(self.keras_model.get_weights())
        except ValueError as error:
            raise InputError(
                f"the weights do not fit settings.model ({_line(error)}); use the configuration "
                "that the model was built from"
            ) from None
        return model

    @classmethod
    def _from_folder(cls, folder: Path) -> Self:
        settings = read_artifact_config(folder)
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
    model = build_bilstm(settings.model)
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise several unrelated types for damage
        raise ModelLoadError(
            f"{path} is damaged or does not fit {CONFIG_FILE} ({_line(error)}); save or download "
            "the model again"
        ) from None
    return model


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise InputError(f"cannot copy {source} into the model ({error.strerror})") from None
