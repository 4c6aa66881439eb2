"""Writing a model folder: Keras's files, the torch twin, the card, and copies of the rest.

The same model gives the same bytes each time, so that the Hub sees no change where there is none.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, MissingExtraError, require
from .artifact import (
    ARTIFACT_FILES,
    CARD_FILE,
    CONFIG_FILE,
    COPIED_FILES,
    METADATA_FILE,
    METRICS_FILE,
    ONNX_FILE,
    WEIGHTS_FILE,
    ArtifactConfig,
    read_artifact_config,
    read_json,
)
from .torch_twin import twin_settings, write_torch_twin
from .untrusted import check_links, check_weights_file

if TYPE_CHECKING:
    import keras


def render_card(folder: Path, repo_id: str | None = None) -> str:
    """Return the model card of a model folder, from its settings, metrics and other files.

    Raises:
        ModelLoadError: the folder cannot be read.
        InputError: its metrics have another form than the evaluation writes.
    """
    from ..cards.model_card import render_model_card

    metrics = read_json(folder / METRICS_FILE) if (folder / METRICS_FILE).is_file() else {}
    files = [name for name in ARTIFACT_FILES if (folder / name).is_file()]
    settings = read_artifact_config(folder)
    return render_model_card(settings, metrics, files=files, repo_id=repo_id)


def add_keras_files(folder: Path) -> None:
    """Make Keras's files from the ONNX file of a model folder, or check those that are there.

    Raises:
        MissingExtraError: the ``train`` extra is not installed; the folder holds none of them then.
        ModelLoadError: the folder cannot be read.
    """
    settings = read_artifact_config(folder)
    try:
        if (folder / WEIGHTS_FILE).is_file():
            check_weights_file(folder / WEIGHTS_FILE, settings.model)
            return
        require("keras", "train")
    except MissingExtraError:
        for name in (WEIGHTS_FILE, METADATA_FILE):
            (folder / name).unlink(missing_ok=True)
        raise
    from .export import keras_from_onnx

    write_keras_files(keras_from_onnx(folder / ONNX_FILE, settings.model), settings, folder)


def write_card(folder: Path) -> None:
    """Write the model card into a model folder."""
    (folder / CARD_FILE).write_text(render_card(folder), encoding="utf-8")


def write_twin(folder: Path) -> None:
    """Write the torch twin into a model folder, and into ``config.json`` how it is found.

    After Keras's files, which bring a ``config.json`` of their own.
    """
    write_torch_twin(folder)
    write_json(folder / CONFIG_FILE, read_json(folder / CONFIG_FILE) | twin_settings())


def copy_files(source: Path, folder: Path) -> None:
    """Copy into an empty folder what is passed on of a model folder as it is.

    The torch twin is not: its code is this package's own, and is written anew.

    Raises:
        ModelLoadError: a file is missing, or leads out of its folder.
        InputError: a file cannot be copied.
    """
    check_links(source, COPIED_FILES)
    for name in COPIED_FILES:
        if (source / name).is_file():
            copy_file(source / name, folder / name)
    config = read_json(folder / CONFIG_FILE)
    twin = twin_settings()
    write_json(folder / CONFIG_FILE, {key: config[key] for key in config if key not in twin})


def write_keras_files(model: keras.Model, settings: ArtifactConfig, folder: Path) -> None:
    """Write what ``keras.saving.load_model(folder)`` reads, our own settings beside it.

    Raises:
        MissingExtraError: the ``train`` extra is not installed.
    """
    keras = require("keras", "train")
    keras.saving.save_model(model, str(folder), zipped=False)
    assets = folder / "assets"
    if assets.is_dir() and not any(assets.iterdir()):
        assets.rmdir()
    config = _with_steady_names(read_json(folder / CONFIG_FILE)) | settings.to_json()
    write_json(folder / CONFIG_FILE, config)
    # Without the date, so that a model that has not changed gives files that have not either.
    metadata = read_json(folder / METADATA_FILE)
    write_json(folder / METADATA_FILE, {"keras_version": metadata["keras_version"]})


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file as all of a model folder's are written.

    Raises:
        InputError: it cannot hold the value.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        content = text.encode()
    except ValueError as error:  # a number that is none, or half of a character
        raise InputError(f"{path.name} cannot hold this ({error}); correct the value") from None
    path.write_bytes(content)


def _with_steady_names(config: dict[str, Any]) -> dict[str, Any]:
    """Return Keras's configuration without what changes from one process to the next.

    Keras numbers nameless operations through the life of a process, and names objects that stand in
    several places by their address in memory.
    """
    names: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for layer in config["config"]["layers"]:
        if layer["module"] != "keras.layers":
            kind = layer["class_name"]
            seen[kind] += 1
            names[layer["name"]] = f"{kind}_{seen[kind]}"
    numbers: dict[int, int] = {}

    def steady(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: steady(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [steady(item) for item in value]
        if key == "shared_object_id":
            return numbers.setdefault(value, len(numbers) + 1)
        return names.get(value, value) if isinstance(value, str) else value

    return {key: steady(value, key) for key, value in config.items()}


def copy_file(source: Path, target: Path) -> None:
    """Copy a file into a model folder.

    Raises:
        InputError: it cannot be copied.
    """
    target.parent.mkdir(exist_ok=True)
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise InputError(f"cannot copy {source} into the model ({error.strerror})") from None
