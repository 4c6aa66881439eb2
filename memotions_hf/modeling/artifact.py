"""The model folder: its file names, its settings, and writing it whole or not at all.

Imports no TensorFlow, ONNX Runtime or Hub client, so that inference can read a folder quickly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InputError, ModelLoadError
from ..labels import ID2LABEL, LABEL2ID, LABELS
from ..strict_files import read_json_object, shorten
from ..text import NORMALIZER_VERSION
from ..tokenization import TOKENIZER_CONFIG_FILE, TOKENIZER_FILE
from .bilstm import MODEL_TYPE, BiLSTMConfig
from .untrusted import check_file_size, check_keras_config, check_weights_present

FORMAT = 1
"""Raised when a folder is written that older versions of the package cannot read."""

CONFIG_FILE = "config.json"
METADATA_FILE = "metadata.json"
WEIGHTS_FILE = "model.weights.h5"
ONNX_FILE = "model.onnx"
METRICS_FILE = "metrics.json"
TRAINING_LOG_FILE = "training_log.csv"
CARD_FILE = "README.md"
PLOTS_FOLDER = "plots"
PLOT_FILES = tuple(
    f"{PLOTS_FOLDER}/{name}.png" for name in ("confusion_matrix", "learning_curve", "calibration")
)
TWIN_CODE_FILE = "modeling_memotions.py"
TWIN_WEIGHTS_FILE = "model.safetensors"
TWIN_FILES = (TWIN_CODE_FILE, TWIN_WEIGHTS_FILE)
"""The torch twin, which transformers reads. It is written anew from the ONNX file each time: code
that lay in a folder is neither run nor passed on."""

_TOKENIZER_FILES = (TOKENIZER_FILE, TOKENIZER_CONFIG_FILE)
_RECORD_FILES = (METRICS_FILE, TRAINING_LOG_FILE, *PLOT_FILES)

INFERENCE_FILES = (CONFIG_FILE, ONNX_FILE, *_TOKENIZER_FILES)
"""What inference needs of a model folder."""

KERAS_FILES = (CONFIG_FILE, WEIGHTS_FILE, *_TOKENIZER_FILES, *_RECORD_FILES)
"""What the Keras model needs, and what it hands on when it is saved again."""

COPIED_FILES = (*INFERENCE_FILES, METADATA_FILE, WEIGHTS_FILE, *_RECORD_FILES)
"""What is passed on as it is when a folder is saved again."""

ARTIFACT_FILES = (*COPIED_FILES, *TWIN_FILES, CARD_FILE)
"""Every file that a model folder may hold; nothing else is uploaded or downloaded."""

BUNDLED_FOLDER = Path(__file__).resolve().parent.parent / "bundled" / "memotions-bilstm"
"""Where the model that comes with the package lies."""

_SETTINGS_KEY = "memotions"
_MAX_JSON_BYTES = 5_000_000
_MAX_LENGTH = 10_000
_MAX_TEXT = 200


@dataclass(frozen=True)
class ArtifactConfig:
    """What ``config.json`` says about a model beside Keras's own keys.

    Args:
        model: sizes of the network.
        recipe: name of the training recipe.
        recipe_version: its version, from 1.
        license: SPDX id of the weights' licence.
        normalizer: version of the text normalisation that the tokenizer holds.
        max_length: tokens that are read of a text; the rest is cut off.
        temperature: what the BiLSTM's logits were divided by for calibration. It is folded into
            the weights already and only recorded here.
        versions: versions of the libraries that made the model.
        format: version of the folder's format.

    Raises:
        InputError: a value has the wrong type or is out of range.
    """

    model: BiLSTMConfig
    recipe: str
    recipe_version: int
    license: str
    normalizer: int = NORMALIZER_VERSION
    max_length: int = 512
    temperature: float = 1.0
    versions: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not isinstance(self.model, BiLSTMConfig):
            raise InputError(f"model must be a BiLSTMConfig, got {shorten(self.model)}")
        if self.model.num_labels != len(LABELS):
            raise InputError(f"num_labels must be {len(LABELS)}, got {self.model.num_labels}")
        _check_whole("format", self.format, FORMAT)
        _check_whole("max_length", self.max_length, _MAX_LENGTH)
        _check_whole("recipe_version", self.recipe_version)
        _check_whole("normalizer", self.normalizer)
        _check_name("recipe", self.recipe)
        _check_name("license", self.license)
        if not _is_positive_number(self.temperature):
            raise InputError(
                f"temperature must be a number over 0, got {shorten(self.temperature)}"
            )
        if not isinstance(self.versions, Mapping):
            raise InputError(f"versions must map names to versions, got {shorten(self.versions)}")
        for name, version in self.versions.items():
            _check_name("versions", name)
            _check_name(f"versions.{name}", version)

    def to_json(self) -> dict[str, Any]:
        """Return the keys of ``config.json`` that are not Keras's own."""
        return {
            "model_type": MODEL_TYPE,
            "id2label": {str(label_id): name for label_id, name in ID2LABEL.items()},
            "label2id": dict(LABEL2ID),
            _SETTINGS_KEY: {
                "format": self.format,
                "model": self.model.to_dict(),
                "recipe": self.recipe,
                "recipe_version": self.recipe_version,
                "normalizer": self.normalizer,
                "max_length": self.max_length,
                "temperature": self.temperature,
                "license": self.license,
                "versions": dict(self.versions),
            },
        }


def _check_whole(name: str, value: object, highest: int | None = None) -> None:
    is_whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not is_whole or (highest is not None and isinstance(value, int) and value > highest):
        limit = "" if highest is None else f" to {highest:,}"
        raise InputError(f"{name} must be a whole number from 1{limit}, got {shorten(value)}")


def _check_name(name: str, value: object) -> None:
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT or not value.isprintable():
        raise InputError(f"{name} must be a short text, got {shorten(value)}")


def _is_positive_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 < value < 1e6 and math.isfinite(value)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a model folder.

    Raises:
        ModelLoadError: the file is missing, unreadable, very large, or holds no JSON object.
    """
    return read_json_object(path, _MAX_JSON_BYTES)


def read_artifact_config(folder: Path) -> ArtifactConfig:
    """Read and check the settings of a model folder.

    Raises:
        ModelLoadError: there is no such folder, or its ``config.json`` is missing, damaged, from
            a newer version of the package, or describes another kind of model.
    """
    if not folder.is_dir():
        raise ModelLoadError(f"there is no model folder {str(folder)!r}; check the path")
    check_weights_present(folder)
    path = folder / CONFIG_FILE
    values = read_json(path)
    check_keras_config(values)
    settings = values.get(_SETTINGS_KEY)
    if values.get("model_type") != MODEL_TYPE or not isinstance(settings, dict):
        raise ModelLoadError(
            f"{path} describes another kind of model (model_type "
            f"{shorten(values.get('model_type'))}); expected {MODEL_TYPE!r} with the key "
            f"{_SETTINGS_KEY!r}, as save_pretrained writes them"
        )
    _check_format(path, settings.get("format"))
    _check_labels(path, values)
    try:
        known = {name: settings[name] for name in ArtifactConfig.__dataclass_fields__}
        if not isinstance(known["model"], dict):
            raise InputError(f"model must be an object, got {shorten(known['model'])}")
        known["model"] = BiLSTMConfig.from_dict(known["model"])
        config = ArtifactConfig(**known)
    except KeyError as error:
        raise ModelLoadError(
            f"{path} has no {error} under {_SETTINGS_KEY!r}; save the model again"
        ) from None
    # A number of thousands of digits is a ValueError where a message is made of it.
    except (ValueError, TypeError, OverflowError) as error:
        message = str(error)[: 2 * _MAX_TEXT]
        raise ModelLoadError(f"{path} cannot be used: {message}") from None
    check_file_size(folder / ONNX_FILE, config.model)
    return config


def _check_format(path: Path, version: object) -> None:
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        raise ModelLoadError(
            f"{path} has format {shorten(version)}, and this version of memotions-hf reads up to "
            f"{FORMAT}; upgrade it: pip install --upgrade memotions-hf"
        )


def _check_labels(path: Path, values: Mapping[str, Any]) -> None:
    expected = {str(label_id): name for label_id, name in ID2LABEL.items()}
    if values.get("id2label") != expected or values.get("label2id") != dict(LABEL2ID):
        raise ModelLoadError(
            f"{path} has other labels: id2label is {shorten(values.get('id2label'))}; expected "
            f"{expected} and label2id to match"
        )


def check_repo_name(name: str | Path) -> None:
    """Refuse what is no folder on this machine and cannot be a repository's ``owner/name`` either.

    Raises:
        ModelLoadError: it can only have been meant as a path.
    """
    text = str(name)
    is_path = text.startswith((".", "/", "~")) or "\\" in text or text.count("/") != 1
    if isinstance(name, Path) or is_path:
        raise ModelLoadError(
            f"there is no model folder {text!r}; check the path, or name a repository of the Hub "
            "as owner/name"
        )


def check_subfolder(subfolder: str | None) -> PurePosixPath:
    """Return the path of a subfolder, which has to lie inside its folder or repository.

    Raises:
        ModelLoadError: it leads outside.
    """
    inside = PurePosixPath(subfolder or "")
    if inside.is_absolute() or ".." in inside.parts:
        raise ModelLoadError(f"subfolder {subfolder!r} leads outside; name a folder inside")
    return inside


@contextmanager
def write_folder_atomically(target: Path) -> Iterator[Path]:
    """Write a model folder whole, or leave everything as it was.

    Yields an empty folder on the same file system. When the block ends its files are moved to
    ``target``, which is created where needed: a file there of the same name is replaced, a file of
    an earlier model that the new one has not is removed, and all other files stay. When the block
    or the move fails, ``target`` is as it was before.

    Raises:
        InputError: ``target`` is a file or cannot be written.
    """
    import shutil

    staging, created = _open_staging(target)
    done = False
    try:
        # mkdtemp's folder is private to the user; the model's has the usual permissions.
        draft = staging / "model"
        draft.mkdir()
        yield draft
        try:
            _move_into(draft, target, staging / "replaced")
        except OSError as error:
            raise InputError(
                f"cannot write {error.filename or target} ({error.strerror}); nothing was changed"
            ) from None
        done = True
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not done:
            _remove_folders(created)


def _open_staging(target: Path) -> tuple[Path, list[Path]]:
    """Make a private folder on ``target``'s file system; also return what else was created."""
    import tempfile

    created: list[Path] = []
    try:
        if target.exists() and not target.is_dir():
            raise InputError(f"{target} is a file; name a folder to write the model into")
        # Inside the target where there is one: its parent may not be ours to write into.
        beside = target if target.is_dir() else target.parent
        created = _create_folders(beside)
        return Path(tempfile.mkdtemp(prefix=".memotions-", dir=beside)), created
    except OSError as error:
        _remove_folders(created)
        raise InputError(
            f"cannot write into {target} ({error.strerror}); choose another folder"
        ) from None


def _create_folders(folder: Path) -> list[Path]:
    """Create a folder and its parents, and return the new ones, outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _remove_folders(created: list[Path]) -> None:
    """Remove what :func:`_create_folders` made, unless somebody has put a file there since."""
    for folder in reversed(created):
        with suppress(OSError):
            folder.rmdir()


def _move_into(draft: Path, target: Path, backup: Path) -> None:
    if not target.exists():
        draft.replace(target)
        return
    names = [path.relative_to(draft) for path in sorted(draft.rglob("*")) if path.is_file()]
    # The card stays out: a README.md that the new model does not bring may be the user's own.
    stale = {Path(PurePosixPath(name)) for name in ARTIFACT_FILES if name != CARD_FILE}
    moves = [(target / name, backup / name) for name in [*names, *sorted(stale - set(names))]]
    moves = [(old, kept) for old, kept in moves if old.is_file() or old.is_symlink()]
    moves += [(draft / name, target / name) for name in names]
    done: list[tuple[Path, Path]] = []
    try:
        for source, goal in moves:
            goal.parent.mkdir(parents=True, exist_ok=True)
            source.rename(goal)
            done.append((source, goal))
    except OSError:
        for source, goal in reversed(done):
            goal.replace(source)
        raise
