"""Model folders from strangers: what is refused before it is opened, and why.

Nothing here runs or unpickles anything, and no check takes much memory whatever a file claims to
hold. Needs no library but h5py, for the one function that looks into Keras's weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelLoadError, require
from ..strict_files import shorten

if TYPE_CHECKING:
    from .bilstm import BiLSTMConfig

_CODE = "opening it can run whatever code its author put in"
_UNREAD = "it is no file that save_pretrained writes"
UNOPENED_SUFFIXES: Mapping[str, str] = {
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".dill", ".bin", ".pt", ".pth", ".ckpt"), _CODE),
    **dict.fromkeys((".keras", ".h5", ".hdf5", ".pb"), _CODE),
    **dict.fromkeys((".npy", ".npz", ".msgpack", ".tflite", ".gguf", ".ot"), _UNREAD),
}
"""Ends of the names of other libraries' weights, and why this package never opens such a file."""

_WEIGHT_FILES = ("model.onnx", "model.weights.h5")

# Keras's own file format: what a Memotions model is built from, and what Keras writes around it.
_KERAS_OBJECTS = {
    *("Functional", "InputLayer", "Embedding", "SpatialDropout1D", "Bidirectional", "LSTM"),
    *("Dropout", "Dense", "Softmax", "Dot", "GlobalMaxPooling1D", "ReLU", "Concatenate"),
    *("NotEqual", "Squeeze", "Multiply", "Cast", "ExpandDims", "DTypePolicy"),
    *("Add", "Pad", "Roll", "Mod", "LogicalAnd", "Where", "Sum", "Maximum", "Sqrt", "Divide"),
    *("GlorotUniform", "Orthogonal", "RandomUniform", "Zeros", "__keras_tensor__"),
}
_LAMBDAS = ("Lambda", "__lambda__")
_OBJECT_KEYS = ("class_name", "module", "registered_name")
_SIZE_KEYS = ("input_dim", "output_dim", "units")
_MAX_SIZED_LAYERS = 64
_AUTO_MAP = {
    "AutoConfig": "modeling_memotions.MemotionsConfig",
    "AutoModelForSequenceClassification": ("modeling_memotions.MemotionsForSequenceClassification"),
}

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_DEPTH = 8
_MAX_GROUPS = 500
# Keras keeps the state of a random generator beside a layer, as two whole numbers.
_MAX_STATE = 2
# What a file may take beside its weights, and of how many bytes one weight may consist.
_FILE_OVERHEAD = 4_000_000
_BYTES_PER_WEIGHT = 8


def check_weights_present(folder: Path) -> None:
    """Refuse a folder whose only weights are files that this package never opens.

    A folder without any weights passes: what is missing is for the reader of a file to say.

    Raises:
        ModelLoadError: the folder holds a pickle or another library's weights, and none of ours.
    """
    if any((folder / name).is_file() for name in _WEIGHT_FILES) or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        reason = UNOPENED_SUFFIXES.get(path.suffix.lower())
        if reason:
            raise ModelLoadError(
                f"{folder} holds no {_WEIGHT_FILES[0]}, and {shorten(path.name)} is never opened: "
                f"{reason}; take a folder that save_pretrained wrote"
            )


def check_file_size(path: Path, config: BiLSTMConfig) -> None:
    """Refuse a file of weights that is larger than its model can need; a missing file passes.

    Raises:
        ModelLoadError: the file is too large.
    """
    limit = _FILE_OVERHEAD + _BYTES_PER_WEIGHT * config.count_parameters()
    if path.is_file() and (size := path.stat().st_size) > limit:
        raise ModelLoadError(
            f"{path} has {size:,} bytes, and a model of {config.count_parameters():,} parameters "
            f"takes at most {limit:,}; take both from one model"
        )


def check_links(folder: Path, names: Iterable[str]) -> None:
    """Refuse files that are links out of their folder, so that nothing else is copied or uploaded.

    A link into the blobs of the Hub's cache is how a downloaded folder looks, and passes.

    Raises:
        ModelLoadError: a file leads somewhere else.
    """
    home = folder.resolve()
    snapshots = next((parent for parent in home.parents if parent.name == "snapshots"), None)
    allowed = [home] if snapshots is None else [home, snapshots.parent / "blobs"]
    for name in names:
        target = (folder / name).resolve()
        if not any(target.is_relative_to(place) for place in allowed):
            raise ModelLoadError(
                f"{folder / name} is a link out of the model folder; put the file itself there"
            )


def check_keras_config(values: Mapping[str, Any]) -> None:
    """Check that ``config.json`` names nothing but the parts of a Memotions model.

    This package builds the network itself and runs none of what is named there, but Keras and
    transformers, given the same folder, would.

    Args:
        values: the whole of the file.

    Raises:
        ModelLoadError: another layer, a custom object, a size that is not the model's, or code of
            another module is named.
    """
    for key, allowed in (("auto_map", _AUTO_MAP), ("custom_pipelines", None)):
        if key in values and values[key] != allowed:
            raise ModelLoadError(
                f"config.json names other code to run ({key}: {shorten(values[key])}); a Memotions "
                f"model has {'no ' + key if allowed is None else shorten(allowed)}"
            )
    parts = list(_walk_objects(values))
    if any(part.get("class_name") in _LAMBDAS for part in parts):
        raise _foreign_object("a Lambda layer, which is code in a file")
    for part in parts:
        if any(key in part for key in _OBJECT_KEYS):
            _check_object(part)
    _check_sizes(parts, _model_sizes(values))


def _check_sizes(parts: Iterable[Mapping[str, Any]], allowed: AbstractSet[object]) -> None:
    layers = [part for part in parts if any(key in part for key in _SIZE_KEYS)]
    if len(layers) > _MAX_SIZED_LAYERS:
        raise ModelLoadError(f"config.json has {len(layers):,} layers; save the model again")
    for size in (layer[key] for layer in layers for key in _SIZE_KEYS if key in layer):
        if not isinstance(size, int) or size not in allowed:
            raise ModelLoadError(
                "config.json describes two models that do not fit: a layer of Keras's part has the "
                f"size {shorten(size)}, and none of the model has; save the model again"
            )


def _model_sizes(values: Mapping[str, Any]) -> frozenset[object]:
    """Return the sizes that Keras's layers may have: our own part is checked for itself."""
    settings = values.get("memotions")
    model = settings.get("model") if isinstance(settings, dict) else None
    if not isinstance(model, dict):
        return frozenset()
    units = model.get("lstm_units")
    sizes = [model.get(key) for key in ("vocab_size", "embedding_dim", "num_labels")]
    sizes += units if isinstance(units, list) else []
    sizes += [_ngram_rows(model)]
    return frozenset({1, *(size for size in sizes if isinstance(size, int))})


def _ngram_rows(model: Mapping[str, Any]) -> int | None:
    tokens, buckets = model.get("vocab_size"), model.get("pair_buckets")
    return tokens + buckets if isinstance(tokens, int) and isinstance(buckets, int) else None


def _walk_objects(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every object in a JSON value, however deep, without recursion."""
    waiting: list[Any] = [values]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)


def _check_object(part: Mapping[str, Any]) -> None:
    name, module = part.get("class_name"), part.get("module")
    registered = part.get("registered_name")
    if not isinstance(name, str) or name not in _KERAS_OBJECTS:
        kind = f"the object {shorten(name)}"
    elif module is not None and not _is_keras(module):
        kind = f"the module {shorten(module)}"
    elif registered not in (None, name):
        kind = f"the custom object {shorten(registered)}"
    else:
        return
    raise _foreign_object(kind)


def _foreign_object(kind: str) -> ModelLoadError:
    return ModelLoadError(
        f"config.json names {kind}, and a Memotions model has only built-in layers of Keras; take "
        "a folder that save_pretrained wrote"
    )


def _is_keras(module: object) -> bool:
    return isinstance(module, str) and (module == "keras" or module.startswith("keras."))


def check_weights_file(path: Path, config: BiLSTMConfig) -> None:
    """Check that Keras's weights are plain numbers in the file itself, as many as the model has.

    Reads the file's table of contents and none of its numbers.

    Raises:
        ModelLoadError: the file is too large, damaged, refers to other files, claims sizes that it
            does not hold, or holds the weights of another model.
        MissingExtraError: h5py, which comes with Keras, is not installed.
    """
    if not path.is_file():
        raise ModelLoadError(f"{path} is missing; a Keras model needs it")
    check_file_size(path, config)
    try:
        with path.open("rb") as file:
            is_hdf5 = file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read ({error.strerror or error})") from None
    if not is_hdf5:
        raise ModelLoadError(f"{path} is damaged or no HDF5 file; save or download the model again")
    h5py = require("h5py", "train")
    try:
        with h5py.File(path, "r") as file:
            datasets = list(_walk_datasets(file))
            count = sum(map(_count_weights, datasets))
            claimed = sum(dataset.nbytes for dataset in datasets)
        if claimed > path.stat().st_size:
            raise _ForeignPartError("claims more than it holds")
    except _ForeignPartError as error:
        raise ModelLoadError(
            f"{path} {error}; a Memotions model holds plain arrays only, so nothing of it is read"
        ) from None
    except Exception as error:  # h5py raises several unrelated types for damage
        raise ModelLoadError(
            f"{path} is damaged ({shorten(str(error))}); save or download the model again"
        ) from None
    if count != config.count_parameters():
        raise ModelLoadError(
            f"{path} is damaged or does not fit config.json: it holds {count:,} weights, and "
            f"{config.count_parameters():,} are expected; save or download the model again"
        )


class _ForeignPartError(Exception):
    """The file holds something that no file of ours has."""


def _walk_datasets(root: Any) -> Iterator[Any]:
    """Yield every dataset of a file, before anything is asked of it but where it lies."""
    h5py = require("h5py", "train")
    waiting, groups = [(root, 0)], 0
    while waiting:
        group, depth = waiting.pop()
        groups += 1
        if depth > _MAX_DEPTH or groups + len(group) > _MAX_GROUPS:
            raise _ForeignPartError("holds too many groups, or too deep ones")
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise _ForeignPartError(f"refers to another place ({shorten(name)})")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                yield item
            else:
                raise _ForeignPartError(f"holds a type of its own ({shorten(name)})")


def _count_weights(dataset: Any) -> int:
    """Return how many weights a dataset holds: none where it is a random generator's state."""
    name = shorten(dataset.name)
    if dataset.is_virtual or dataset.external:
        raise _ForeignPartError(f"refers to another file ({name})")
    kind, size = dataset.dtype.kind, int(math.prod(dataset.shape))
    if kind not in "fiu" or dataset.dtype.itemsize > _BYTES_PER_WEIGHT:
        raise _ForeignPartError(f"holds something else than numbers ({name})")
    # Stored whole, so that a small file cannot stand for a large array.
    stored = dataset.id.get_storage_size()
    if dataset.chunks is not None or stored != size * dataset.dtype.itemsize:
        raise _ForeignPartError(f"claims an array that it does not hold ({name})")
    if kind == "f":
        return size
    if size > _MAX_STATE:
        raise _ForeignPartError(f"holds whole numbers as weights ({name})")
    return 0
