"""The one ONNX graph of a Memotions model, and the check that a file holds exactly that graph.

A graph is no code, but a stranger's can loop for ever, build an array of any size, or name other
files as its weights. The sizes of the network settle ours down to the last node, so a file is
compared with it before ONNX Runtime sees it. Reads the file format itself: ``onnx`` is needed for
training only, and is slow to import.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import ModelLoadError
from ..labels import LABELS
from ..strict_files import read_bounded, shorten
from .bilstm import INPUT_NAME, OUTPUT_NAME, BiLSTMConfig

Array = npt.NDArray[Any]
Value = TypeVar("Value")
Attribute = int | bytes | tuple[int, ...]

OPSET = 17
HALF_SUFFIX = ".half"
"""What the name of a weight ends with that is stored as float16."""

MAX_MODEL_BYTES = 500_000_000

# Numbers of the file format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_FLOAT, _INT32, _BOOL = 1, 6, 9
_DATA_TYPES: Mapping[int, np.dtype[Any]] = {
    _FLOAT: np.dtype("<f4"),
    7: np.dtype("<i8"),
    10: np.dtype("<f2"),
}
_INT, _STRING, _INTS = 2, 3, 7
_VARINT, _BYTES = 0, 2
# What our files hold of each kind of message, by field number; everything else is refused.
_SCHEMA: Mapping[str, Mapping[int, int]] = {
    "model": {1: _VARINT, 2: _BYTES, 7: _BYTES, 8: _BYTES},
    "opset": {1: _BYTES, 2: _VARINT},
    "graph": {1: _BYTES, 2: _BYTES, 5: _BYTES, 11: _BYTES, 12: _BYTES},
    "value": {1: _BYTES, 2: _BYTES},
    "node": {1: _BYTES, 2: _BYTES, 3: _BYTES, 4: _BYTES, 5: _BYTES},
    "attribute": {1: _BYTES, 3: _VARINT, 4: _BYTES, 8: _VARINT, 20: _VARINT},
    "tensor": {1: _VARINT, 2: _VARINT, 8: _BYTES, 9: _BYTES},
}
_REPEATED = {
    *(("graph", number) for number in (1, 5, 11, 12)),
    *(("node", number) for number in (1, 2, 5)),
    ("attribute", 8),
    ("tensor", 1),
}
_FOREIGN = {
    ("model", 25): "holds functions of its own",
    ("node", 7): "holds operators of another library",
    ("attribute", 6): "holds a graph inside a node",
    ("attribute", 11): "holds a graph inside a node",
    ("tensor", 13): "keeps weights in other files",
    ("tensor", 14): "keeps weights in other files",
}
_MAX_FIELDS = 2_000


class _ForeignPartError(ValueError):
    """The file holds something that no file of ours has."""


@dataclass(frozen=True)
class Node:
    """One step of the graph, which has one result.

    Args:
        op: name of the ONNX operator.
        inputs: what it reads.
        attributes: its settings.
    """

    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphPlan:
    """The graph beside its weights: nodes by what they compute, and constants by name."""

    nodes: Mapping[str, Node]
    constants: Mapping[str, Array]


def weight_shapes(config: BiLSTMConfig) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the weights in a model's ONNX file."""
    width = config.embedding_dim
    shapes: dict[str, tuple[int, ...]] = {"embedding": (config.vocab_size, width)}
    for number, units in enumerate(config.lstm_units, start=1):
        shapes[f"lstm_{number}.W"] = (2, 4 * units, width)
        shapes[f"lstm_{number}.R"] = (2, 4 * units, units)
        shapes[f"lstm_{number}.B"] = (2, 8 * units)
        width = 2 * units
    shapes |= {"attention.kernel": (width, 1), "attention.bias": (1,)}
    if config.pair_buckets:
        shapes["ngrams"] = (config.vocab_size + config.pair_buckets, config.num_labels)
    return shapes | {
        "logits.kernel": (2 * width, config.num_labels),
        "logits.bias": (config.num_labels,),
    }


class _Builder:
    """Collects nodes and constants; each step returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.constants: dict[str, Array] = {}

    def constant(self, name: str, value: Any, dtype: Any = np.int64) -> str:
        self.constants[name] = np.array(value, dtype)
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Attribute) -> str:
        self.nodes[output] = Node(op, tuple(inputs), attributes)
        return output


def plan_graph(config: BiLSTMConfig, halves: Collection[str]) -> GraphPlan:
    """Return the graph of a model of the given sizes.

    Args:
        config: sizes of the network.
        halves: names of the weights that are stored as float16.
    """
    graph = _Builder()
    node, constant = graph.node, graph.constant
    for name in halves:
        node("Cast", [f"{name}{HALF_SUFFIX}"], name, to=_FLOAT)
    zero = constant("zero", 0)
    first_axis = constant("first_axis", [0])
    last_axis = constant("last_axis", [-1])
    # One step of padding lets a batch of empty texts through operators that need a length.
    padding = constant("padding", [0, 0, 1, 0])
    ids = node("Transpose", [INPUT_NAME], "ids_by_time", perm=(1, 0))
    ids = node("Pad", [ids, padding], "ids")
    is_padding = node("Equal", [ids, zero], "is_padding")
    is_token = node("Cast", [node("Not", [is_padding], "is_token")], "token_int", to=_INT32)
    lengths = node("ReduceSum", [is_token, first_axis], "lengths", keepdims=0)

    hidden = node("Gather", ["embedding", ids], "embedded", axis=0)
    for number, units in enumerate(config.lstm_units, start=1):
        name = f"lstm_{number}"
        parts = [hidden, f"{name}.W", f"{name}.R", f"{name}.B", lengths]
        node("LSTM", parts, f"{name}.Y", hidden_size=units, direction=b"bidirectional")
        shape = constant(f"{name}.shape", [0, 0, 2 * units])
        by_text = node("Transpose", [f"{name}.Y"], f"{name}.by_text", perm=(0, 2, 1, 3))
        hidden = node("Reshape", [by_text, shape], f"{name}.output")

    score = node("MatMul", [hidden, "attention.kernel"], "attention.product")
    score = node("Add", [score, "attention.bias"], "attention.score")
    mask = node("Unsqueeze", [is_padding, last_axis], "attention.mask")
    low = constant("attention.low", -1e9, np.float32)
    score = node("Where", [mask, low, score], "attention.masked")
    weight = node("Softmax", [score], "attention.weight", axis=0)
    weighted = node("Mul", [weight, hidden], "attention.weighted")
    average = node("ReduceSum", [weighted, first_axis], "attention.average", keepdims=0)
    maximum = node("ReduceMax", [hidden], "maximum", axes=(0,), keepdims=0)
    maximum = node("Relu", [maximum], "rectified_maximum")
    pooled = node("Concat", [average, maximum], "pooled", axis=-1)
    logits = node("Gemm", [pooled, "logits.kernel", "logits.bias"], "logits")
    if config.pair_buckets:
        logits = node("Add", [logits, _plan_ngrams(graph, config)], "summed_logits")
    node("Softmax", [logits], OUTPUT_NAME, axis=-1)
    return GraphPlan(graph.nodes, graph.constants)


def _plan_ngrams(graph: _Builder, config: BiLSTMConfig) -> str:
    """Add the linear path, which reads ``ids_by_time`` and the padded ``ids``."""
    node, constant = graph.node, graph.constant
    front = constant("ngrams.front", [1, 0, 0, 0])
    previous = node("Pad", ["ids_by_time", front], "ngrams.previous")
    vocab_size = constant("ngrams.vocab_size", config.vocab_size)
    number = node("Mul", [previous, vocab_size], "ngrams.previous_part")
    number = node("Add", [number, "ids"], "ngrams.number")
    bucket = node("Mod", [number, constant("ngrams.buckets", config.pair_buckets)], "ngrams.bucket")
    row = node("Add", [bucket, vocab_size], "ngrams.pair_row")
    has_previous = node("Cast", [previous], "ngrams.has_previous", to=_BOOL)
    is_pair = node("And", [has_previous, "is_token"], "ngrams.is_pair")
    pairs = node("Where", [is_pair, row, "zero"], "ngrams.pairs")
    rows = node("Concat", ["ids", pairs], "ngrams.rows", axis=0)
    is_ngram = node("Cast", [rows], "ngrams.is_ngram", to=_BOOL)
    counted = node("Cast", [is_ngram], "ngrams.counted", to=_FLOAT)
    mask = node("Unsqueeze", [counted, "last_axis"], "ngrams.mask")
    weights = node("Gather", ["ngrams", rows], "ngrams.weights", axis=0)
    weights = node("Mul", [weights, mask], "ngrams.real_weights")
    total = node("ReduceSum", [weights, "first_axis"], "ngrams.total", keepdims=0)
    count = node("ReduceSum", [mask, "first_axis"], "ngrams.count", keepdims=0)
    one = constant("ngrams.one", 1.0, np.float32)
    root = node("Sqrt", [node("Max", [count, one], "ngrams.at_least_one")], "ngrams.root")
    return node("Div", [total, root], "ngrams.logits")


def read_onnx_file(path: Path) -> bytes:
    """Return the content of an ONNX file, which is not checked yet.

    Raises:
        ModelLoadError: the file is missing, too large or unreadable.
    """
    return read_bounded(path, MAX_MODEL_BYTES)


def check_onnx(path: Path, content: bytes) -> dict[str, Array]:
    """Check that an ONNX file holds the graph of a Memotions model and nothing else.

    Args:
        path: where the content is from, for messages.
        content: the file.

    Returns:
        The weights by name, as they are stored (float16 or float32), without a copy.

    Raises:
        ModelLoadError: it is no ONNX file, keeps weights in other files, or holds another graph.
    """
    try:
        inputs, outputs, nodes, arrays = _read_model(memoryview(content))
    except _ForeignPartError as error:
        raise ModelLoadError(
            f"{path} {error}, which is not supported; take a model that save_pretrained wrote"
        ) from None
    except ValueError as error:
        raise ModelLoadError(
            f"{path} is damaged or no ONNX model ({error}); save or download it again"
        ) from None
    if (inputs, outputs) != ([INPUT_NAME], [OUTPUT_NAME]):
        raise ModelLoadError(
            f"{path} is not a Memotions model: it must turn {INPUT_NAME!r} (int64) into "
            f"{OUTPUT_NAME!r}, and has inputs {shorten(inputs)} and outputs {shorten(outputs)}"
        )
    try:
        return _match(nodes, arrays)
    except ValueError as error:  # InputError is one
        raise ModelLoadError(
            f"{path} is not a Memotions model: it does not work out the probabilities of "
            f"{len(LABELS)} classes by the graph that save_pretrained writes ({error})"
        ) from None


def _match(nodes: Mapping[str, Node], arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights of a graph; a ValueError says where it differs from the plan."""
    stored = {name.removesuffix(HALF_SUFFIX): name for name in arrays}
    config = _sizes({name: arrays[key].shape for name, key in stored.items()})
    halves = {name for name, key in stored.items() if name != key}
    plan = plan_graph(config, halves)
    shapes = weight_shapes(config)
    for name in [*nodes, *plan.nodes]:
        if nodes.get(name) != plan.nodes.get(name):
            raise ValueError(f"its node {shorten(name)} is another one, or is missing")
    for name in [*stored, *shapes, *plan.constants]:
        array = arrays.get(stored.get(name, ""))
        if name not in shapes:
            fits = _equal(array, plan.constants.get(name))
        else:
            kind = "f2" if name in halves else "f4"
            fits = array is not None and array.shape == shapes[name] and array.dtype == kind
        if not fits:
            raise ValueError(f"its array {shorten(name)} is another one, or is missing")
    return {name: arrays[stored[name]] for name in shapes}


def _equal(found: Array | None, planned: Array | None) -> bool:
    if found is None or planned is None or found.dtype != planned.dtype:
        return False
    return np.array_equal(found, planned)


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> BiLSTMConfig:
    """Return the configuration of the network whose weights have the given shapes."""
    units: list[int] = []
    while (recurrent := shapes.get(f"lstm_{len(units) + 1}.R")) is not None:
        units.append(recurrent[-1] if recurrent else 0)
    embedding, bias = shapes.get("embedding", ()), shapes.get("logits.bias", ())
    if len(embedding) != 2 or len(bias) != 1:
        raise ValueError("it has no embedding, or no classes")
    ngrams = shapes.get("ngrams")
    return BiLSTMConfig(
        embedding[0],
        embedding_dim=embedding[1],
        lstm_units=tuple(units),
        num_labels=bias[0],
        pair_buckets=ngrams[0] - embedding[0] if ngrams else 0,
    )


def _read_model(
    content: memoryview,
) -> tuple[list[str], list[str], dict[str, Node], dict[str, Array]]:
    """Return the names of inputs and outputs, the nodes by output, and the arrays by name."""
    model = _read_message("model", content)
    opset = _read_message("opset", _only(model, 8))
    if _text(opset, 1) or opset.get(2) != [OPSET]:
        raise _ForeignPartError(f"is not written in opset {OPSET}")
    graph = _read_message("graph", _only(model, 7))
    inputs, outputs = (
        [_text(_read_message("value", value), 1) for value in graph.get(number, [])]
        for number in (11, 12)
    )
    nodes = _unique(_read_node(node) for node in graph.get(1, []))
    arrays = _unique(_read_tensor(tensor) for tensor in graph.get(5, []))
    return inputs, outputs, nodes, arrays


def _unique(items: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for name, value in items:
        if name in result:
            raise ValueError(f"it has {shorten(name)} twice")
        result[name] = value
    return result


def _read_node(content: memoryview) -> tuple[str, Node]:
    node = _read_message("node", content)
    attributes = _unique(_read_attribute(attribute) for attribute in node.get(5, []))
    inputs = tuple(_decode(name) for name in node.get(1, []))
    return _decode(_only(node, 2)), Node(_text(node, 4), inputs, attributes)


def _read_attribute(content: memoryview) -> tuple[str, Attribute]:
    attribute = _read_message("attribute", content)
    name, kind = _text(attribute, 1), _only(attribute, 20)
    value: Attribute
    if kind == _INT:
        value = _signed(_only(attribute, 3))
    elif kind == _STRING:
        value = bytes(_only(attribute, 4))
    elif kind == _INTS:
        value = tuple(_signed(number) for number in attribute.get(8, []))
    else:
        raise ValueError(f"its attribute {shorten(name)} is of kind {kind}")
    return name, value


def _read_tensor(content: memoryview) -> tuple[str, Array]:
    tensor = _read_message("tensor", content)
    name, shape = _text(tensor, 8), tensor.get(1, [])
    dtype, values = _DATA_TYPES.get(_only(tensor, 2)), _only(tensor, 9)
    if dtype is None or math.prod(shape) * dtype.itemsize != len(values):
        raise ValueError(f"its array {shorten(name)} has a size or type that does not fit")
    return name, np.frombuffer(values, dtype).reshape(shape)


def _read_message(kind: str, content: memoryview) -> dict[int, list[Any]]:
    """Return the values of a protobuf message by field number, numbers or bytes each."""
    schema = _SCHEMA[kind]
    message: dict[int, list[Any]] = {}
    for number, wire_type, value in _read_fields(content):
        if (kind, number) in _FOREIGN:
            raise _ForeignPartError(_FOREIGN[kind, number])
        if schema.get(number) != wire_type:
            raise ValueError(f"field {number} of a {kind} is none that is read")
        values = message.setdefault(number, [])
        if values and (kind, number) not in _REPEATED:
            raise ValueError(f"field {number} of a {kind} stands twice")
        values.append(value)
    return message


def _read_fields(content: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    position = 0
    for _ in range(_MAX_FIELDS):
        if position == len(content):
            return
        key, position = _read_varint(content, position)
        number, position = _read_varint(content, position)
        if key & 7 == _BYTES:
            end = position + number
            if end > len(content):
                raise ValueError("it was cut off")
            yield key >> 3, _BYTES, content[position:end]
            position = end
        else:
            yield key >> 3, key & 7, number
    raise ValueError(f"a message has more than {_MAX_FIELDS:,} fields")


def _read_varint(content: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if position == len(content):
            raise ValueError("it was cut off")
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("it holds a number that is too long")


def _only(message: Mapping[int, list[Any]], number: int) -> Any:
    values = message.get(number, [])
    if len(values) != 1:
        raise ValueError(f"field {number} is missing, or stands twice")
    return values[0]


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _text(message: Mapping[int, list[Any]], number: int) -> str:
    """Return a text; empty where there is none, as the format has it."""
    return "".join(_decode(value) for value in message.get(number, []))


def _decode(content: memoryview) -> str:
    return str(content, "utf-8")
