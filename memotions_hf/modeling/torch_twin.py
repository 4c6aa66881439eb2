"""The torch twin of a model folder: what transformers loads with ``trust_remote_code=True``.

Writing it needs neither torch nor transformers.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from ..errors import ModelLoadError
from .artifact import (
    ONNX_FILE,
    TWIN_CODE_FILE,
    TWIN_FILES,
    TWIN_WEIGHTS_FILE,
    read_artifact_config,
)
from .bilstm import BiLSTMConfig
from .export import read_onnx_arrays

Array = npt.NDArray[Any]

CODE_PATH = Path(__file__).resolve().parent / "remote" / TWIN_CODE_FILE
"""The twin's code, the only one that is ever written into or pushed with a model folder."""

_ONNX_GATES = "iofc"
_TORCH_GATES = "ifco"
_SUFFIXES = ("", "_reverse")


def twin_settings() -> dict[str, Any]:
    """Return the keys of ``config.json`` by which transformers finds the twin.

    ``dtype`` is what transformers computes in; without it, that would be the dtype of the first
    weight in the file, half precision, and the answers would differ from the other back ends'.
    """
    module = Path(TWIN_CODE_FILE).stem
    model_class = f"{module}.MemotionsForSequenceClassification"
    return {
        "architectures": [model_class.split(".")[1]],
        "auto_map": {
            "AutoConfig": f"{module}.MemotionsConfig",
            "AutoModelForSequenceClassification": model_class,
        },
        "dtype": "float32",
    }


def write_torch_twin(folder: Path) -> list[Path]:
    """Add the twin's code and weights to a model folder, from its ONNX file.

    The code is always the package's own: what lies there under that name is replaced. A weight is
    stored as float16 where that is exact, as in the ONNX file. ``config.json`` is left to the
    caller, who adds :func:`twin_settings` to it.

    Returns:
        The files written.

    Raises:
        ModelLoadError: the folder cannot be read, or its files do not fit each other.
    """
    settings = read_artifact_config(folder)
    path = folder / ONNX_FILE
    try:
        tensors = _to_torch(read_onnx_arrays(path), settings.model)
    except (KeyError, ValueError) as error:
        raise ModelLoadError(f"{path} does not fit the model's configuration ({error})") from None
    save_file(
        {name: np.ascontiguousarray(_smallest(tensor)) for name, tensor in tensors.items()},
        folder / TWIN_WEIGHTS_FILE,
        metadata={"format": "pt"},  # transformers refuses a file without it
    )
    shutil.copyfile(CODE_PATH, folder / TWIN_CODE_FILE)
    return [folder / name for name in TWIN_FILES]


def _to_torch(arrays: Mapping[str, Array], config: BiLSTMConfig) -> dict[str, Array]:
    """Return the ONNX initialisers under torch's names, in its shapes and order of gates."""
    tensors = {"embedding.weight": arrays["embedding"]}
    for name in ("attention", "logits"):
        tensors[f"{name}.weight"] = arrays[f"{name}.kernel"].T
        tensors[f"{name}.bias"] = arrays[f"{name}.bias"]
    if config.pair_buckets:
        tensors["ngrams.weight"] = arrays["ngrams"]
    for number in range(len(config.lstm_units)):
        w, r, b = (arrays[f"lstm_{number + 1}.{part}"] for part in "WRB")
        for direction, suffix in enumerate(_SUFFIXES):
            bias_ih, bias_hh = np.split(b[direction], 2)
            parts = {"weight_ih": w[direction], "weight_hh": r[direction]}
            parts |= {"bias_ih": bias_ih, "bias_hh": bias_hh}
            for part, array in parts.items():
                tensors[f"lstms.{number}.{part}_l0{suffix}"] = _reorder_gates(array)
    # Each direction of an LSTM has two biases here, and one in Keras, which is what is counted.
    expected = config.count_parameters() + sum(2 * 4 * units for units in config.lstm_units)
    found = sum(tensor.size for tensor in tensors.values())
    if found != expected:
        raise ValueError(f"it holds {found:,} weights, and {expected:,} are expected")
    return tensors


def _reorder_gates(array: Array) -> Array:
    """Reorder the four gates along the first axis, which holds them one after another."""
    gates = dict(zip(_ONNX_GATES, np.split(array, 4), strict=True))
    return np.concatenate([gates[gate] for gate in _TORCH_GATES])


def _smallest(array: Array) -> Array:
    half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else array
