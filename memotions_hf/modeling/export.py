"""Between Keras weights and ONNX: export, rounding, and the way back.

Keras exports a masked LSTM as ONNX ``Loop`` nodes, about four times slower than ONNX's own
``LSTM``; so the graph is written out node by node in
:mod:`memotions_hf.modeling.onnx_graph`, and gets its weights here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelLoadError, require
from .bilstm import INPUT_NAME, OUTPUT_NAME, BiLSTMConfig, build_bilstm
from .onnx_graph import (
    HALF_SUFFIX,
    OPSET,
    check_onnx,
    plan_graph,
    read_onnx_file,
    weight_shapes,
)

if TYPE_CHECKING:
    import keras
    import onnx

Array = npt.NDArray[Any]

# ONNX Runtime 1.20, the oldest that the package admits, reads this version of the file format.
_IR_VERSION = 9
_STEPS = 1024
_KERAS_GATES = "ifco"
_ONNX_GATES = "iofc"
_DIRECTIONS = ("forward", "backward")


def _reorder_gates(array: Array, source: str, target: str) -> Array:
    """Reorder the four gates along the last axis, which holds them one after another."""
    gates = dict(zip(source, np.split(array, 4, axis=-1), strict=True))
    return np.concatenate([gates[gate] for gate in target], axis=-1)


def round_weights(model: keras.Model) -> None:
    """Round every weight to a multiple of 1/1024 that float16 holds, in place.

    The Keras weights, the ONNX file and whatever is rebuilt from it then hold the same numbers, and
    their archives are a third smaller than with all the digits of float16, which tell nothing.
    """
    model.set_weights(
        [
            (np.round(np.asarray(weight) * _STEPS) / _STEPS).astype(np.float16).astype(np.float32)
            for weight in model.get_weights()
        ]
    )


def keras_to_arrays(model: keras.Model, config: BiLSTMConfig) -> dict[str, Array]:
    """Return the weights of :func:`build_bilstm`'s model as the ONNX file's initialisers.

    LSTM arrays have ONNX's shapes: ``W`` (2, 4 units, inputs), ``R`` (2, 4 units, units) and ``B``
    (2, 8 units), direction first, gates in the order i, o, f, c.
    """
    arrays: dict[str, Array] = {
        "embedding": np.asarray(model.get_layer("embedding").embeddings),
        "attention.kernel": np.asarray(model.get_layer("attention").kernel),
        "attention.bias": np.asarray(model.get_layer("attention").bias),
        "logits.kernel": np.asarray(model.get_layer("logits").kernel),
        "logits.bias": np.asarray(model.get_layer("logits").bias),
    }
    if config.pair_buckets:
        arrays["ngrams"] = np.asarray(model.get_layer("ngrams").embeddings)
    for number in range(1, len(config.lstm_units) + 1):
        layer = model.get_layer(f"bilstm_{number}")
        cells = (layer.forward_layer.cell, layer.backward_layer.cell)
        arrays[f"lstm_{number}.W"] = _stack([np.asarray(cell.kernel) for cell in cells])
        arrays[f"lstm_{number}.R"] = _stack([np.asarray(cell.recurrent_kernel) for cell in cells])
        biases = [
            _reorder_gates(np.asarray(cell.bias), _KERAS_GATES, _ONNX_GATES) for cell in cells
        ]
        arrays[f"lstm_{number}.B"] = np.stack([np.concatenate([b, 0 * b]) for b in biases])
    return arrays


def _stack(kernels: list[Array]) -> Array:
    return np.stack([_reorder_gates(k, _KERAS_GATES, _ONNX_GATES).T for k in kernels])


def arrays_to_keras(arrays: Mapping[str, Array], config: BiLSTMConfig) -> keras.Model:
    """Build the Keras model that holds the given arrays; undoes :func:`keras_to_arrays`."""
    model = build_bilstm(config)
    model.get_layer("embedding").set_weights([arrays["embedding"]])
    for name in ("attention", "logits"):
        model.get_layer(name).set_weights([arrays[f"{name}.kernel"], arrays[f"{name}.bias"]])
    if config.pair_buckets:
        model.get_layer("ngrams").set_weights([arrays["ngrams"]])
    for number in range(1, len(config.lstm_units) + 1):
        weights: list[Array] = []
        for direction in range(len(_DIRECTIONS)):
            w, r, b = (arrays[f"lstm_{number}.{part}"][direction] for part in "WRB")
            bias = b[: b.size // 2] + b[b.size // 2 :]
            weights += [
                _reorder_gates(w.T, _ONNX_GATES, _KERAS_GATES),
                _reorder_gates(r.T, _ONNX_GATES, _KERAS_GATES),
                _reorder_gates(bias, _ONNX_GATES, _KERAS_GATES),
            ]
        model.get_layer(f"bilstm_{number}").set_weights(weights)
    return model


def arrays_to_onnx(arrays: Mapping[str, Array], config: BiLSTMConfig) -> onnx.ModelProto:
    """Build the ONNX graph around the given arrays, stored as float16 where that is exact.

    Input ``input_ids``: int64 (batch, length), padded with 0 at the end only. Output
    ``probabilities``: float32 (batch, num_labels). Length 0 is allowed, a batch of no texts is not:
    ONNX Runtime's LSTM crashes on it.
    """
    onnx = require("onnx", "train")
    helper, types = onnx.helper, onnx.TensorProto
    stored = dict(map(_smallest, arrays, arrays.values()))
    halves = [name for name in arrays if name not in stored]
    plan = plan_graph(config, halves)
    nodes = [
        helper.make_node(node.op, node.inputs, [output], name=output, **node.attributes)
        for output, node in plan.nodes.items()
    ]
    initializers = [
        onnx.numpy_helper.from_array(array, name)
        for name, array in {**stored, **plan.constants}.items()
    ]
    graph = helper.make_graph(
        nodes,
        "memotions_bilstm",
        [helper.make_tensor_value_info(INPUT_NAME, types.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info(OUTPUT_NAME, types.FLOAT, ["batch", config.num_labels])],
        initializers,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="memotions-hf",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _smallest(name: str, array: Array) -> tuple[str, Array]:
    """Return a weight as float16 and under that name where that is exact, else as float32."""
    half = array.astype(np.float16)
    if np.array_equal(half.astype(np.float32), array):
        return f"{name}{HALF_SUFFIX}", half
    return name, array.astype(np.float32)


def export_onnx(model: keras.Model, config: BiLSTMConfig, path: Path) -> None:
    """Write the ONNX file of a Keras model that :func:`build_bilstm` built."""
    path.write_bytes(arrays_to_onnx(keras_to_arrays(model, config), config).SerializeToString())


def read_onnx_arrays(path: Path) -> dict[str, Array]:
    """Read the weights back from an ONNX file of ours, as float32.

    Raises:
        ModelLoadError: the file is missing or is no ONNX model of ours.
    """
    weights = check_onnx(path, read_onnx_file(path))
    return {name: array.astype(np.float32) for name, array in weights.items()}


def keras_from_onnx(path: Path, config: BiLSTMConfig) -> keras.Model:
    """Rebuild the Keras model from an ONNX file of ours.

    Raises:
        ModelLoadError: the file is damaged, or its weights do not fit the configuration.
    """
    arrays = read_onnx_arrays(path)
    # Before the network is built: a configuration could ask for a far larger one.
    if {name: array.shape for name, array in arrays.items()} != weight_shapes(config):
        raise ModelLoadError(
            f"{path} does not fit the model's configuration ({config.count_parameters():,} "
            "parameters); take both files from one model"
        )
    return arrays_to_keras(arrays, config)
