"""Between Keras weights and ONNX: export, rounding, and the way back.

Keras exports a masked LSTM as ONNX ``Loop`` nodes, about four times slower than ONNX's own
``LSTM``; so the graph is built here node by node from the Keras weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelLoadError, require
from .bilstm import INPUT_NAME, OUTPUT_NAME, BiLSTMConfig, build_bilstm

if TYPE_CHECKING:
    import keras
    import onnx

Array = npt.NDArray[Any]

OPSET = 17
# ONNX Runtime 1.20, the oldest that the package admits, reads this version of the file format.
_IR_VERSION = 9
_KERAS_GATES = "ifco"
_ONNX_GATES = "iofc"
_DIRECTIONS = ("forward", "backward")


def _reorder_gates(array: Array, source: str, target: str) -> Array:
    """Reorder the four gates along the last axis, which holds them one after another."""
    gates = dict(zip(source, np.split(array, 4, axis=-1), strict=True))
    return np.concatenate([gates[gate] for gate in target], axis=-1)


def round_to_half(model: keras.Model) -> None:
    """Round every weight to the nearest float16 value, in place.

    The Keras weights, the ONNX file and whatever is rebuilt from it then hold the same numbers.
    """
    model.set_weights(
        [np.asarray(weight, np.float16).astype(np.float32) for weight in model.get_weights()]
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
    nodes: list[Any] = []
    initializers: list[Any] = []

    def constant(name: str, value: Any, dtype: Any) -> str:
        initializers.append(onnx.numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    for name, array in arrays.items():
        half = array.astype(np.float16)
        if np.array_equal(half.astype(np.float32), array):
            constant(f"{name}.half", half, np.float16)
            node("Cast", [f"{name}.half"], name, to=types.FLOAT)
        else:
            constant(name, array, np.float32)

    zero = constant("zero", 0, np.int64)
    first_axis = constant("first_axis", [0], np.int64)
    last_axis = constant("last_axis", [-1], np.int64)
    # One step of padding lets a batch of empty texts through operators that need a length.
    padding = constant("padding", [0, 0, 1, 0], np.int64)
    ids = node("Pad", [node("Transpose", [INPUT_NAME], "ids_by_time", perm=[1, 0]), padding], "ids")
    is_padding = node("Equal", [ids, zero], "is_padding")
    is_token = node("Cast", [node("Not", [is_padding], "is_token")], "token_int", to=types.INT32)
    lengths = node("ReduceSum", [is_token, first_axis], "lengths", keepdims=0)

    hidden = node("Gather", ["embedding", ids], "embedded", axis=0)
    for number, units in enumerate(config.lstm_units, start=1):
        name = f"lstm_{number}"
        node(
            "LSTM",
            [hidden, f"{name}.W", f"{name}.R", f"{name}.B", lengths],
            f"{name}.Y",
            hidden_size=units,
            direction="bidirectional",
        )
        shape = constant(f"{name}.shape", [0, 0, 2 * units], np.int64)
        by_text = node("Transpose", [f"{name}.Y"], f"{name}.by_text", perm=[0, 2, 1, 3])
        hidden = node("Reshape", [by_text, shape], f"{name}.output")

    score = node("MatMul", [hidden, "attention.kernel"], "attention.product")
    score = node("Add", [score, "attention.bias"], "attention.score")
    mask = node("Unsqueeze", [is_padding, last_axis], "attention.mask")
    low = constant("attention.low", -1e9, np.float32)
    score = node("Where", [mask, low, score], "attention.masked")
    weight = node("Softmax", [score], "attention.weight", axis=0)
    weighted = node("Mul", [weight, hidden], "attention.weighted")
    average = node("ReduceSum", [weighted, first_axis], "attention.average", keepdims=0)
    maximum = node("ReduceMax", [hidden], "maximum", axes=[0], keepdims=0)
    maximum = node("Relu", [maximum], "rectified_maximum")
    pooled = node("Concat", [average, maximum], "pooled", axis=-1)
    logits = node("Gemm", [pooled, "logits.kernel", "logits.bias"], "logits")
    node("Softmax", [logits], OUTPUT_NAME, axis=-1)

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


def export_onnx(model: keras.Model, config: BiLSTMConfig, path: Path) -> None:
    """Write the ONNX file of a Keras model that :func:`build_bilstm` built."""
    path.write_bytes(arrays_to_onnx(keras_to_arrays(model, config), config).SerializeToString())


def read_onnx_arrays(path: Path) -> dict[str, Array]:
    """Read the weights back from an ONNX file of ours, as float32.

    Raises:
        ModelLoadError: the file is missing or is no ONNX model.
    """
    onnx = require("onnx", "train")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises several unrelated types for damage
        raise ModelLoadError(f"{path} is not an ONNX model ({error})") from None
    return {
        tensor.name.removesuffix(".half"): onnx.numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    }


def keras_from_onnx(path: Path, config: BiLSTMConfig) -> keras.Model:
    """Rebuild the Keras model from an ONNX file of ours.

    Raises:
        ModelLoadError: the file is damaged, or its weights do not fit the configuration.
    """
    arrays = read_onnx_arrays(path)
    try:
        return arrays_to_keras(arrays, config)
    except (KeyError, ValueError) as error:
        raise ModelLoadError(f"{path} does not fit the model's configuration ({error})") from None
