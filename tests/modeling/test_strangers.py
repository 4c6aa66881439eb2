"""Model folders from strangers: refused in one line, before anything runs or takes much memory."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hub import loopback_hub
from support.small_models import small_model

from memotions_hf import EmotionClassifier
from memotions_hf.errors import InputError, ModelLoadError
from memotions_hf.modeling.artifact import BUNDLED_FOLDER, read_artifact_config, read_json
from memotions_hf.modeling.bilstm import BiLSTMConfig
from memotions_hf.modeling.export import (
    arrays_to_onnx,
    keras_from_onnx,
    read_onnx_arrays,
)
from memotions_hf.modeling.hub import MemotionsBiLSTM, push_model_folder
from memotions_hf.modeling.onnx_graph import check_onnx, weight_shapes
from memotions_hf.modeling.torch_twin import twin_settings
from memotions_hf.modeling.untrusted import (
    check_file_size,
    check_keras_config,
    check_links,
    check_weights_file,
    check_weights_present,
)
from memotions_hf.strict_files import parse_json
from memotions_hf.tokenization import load_tokenizer

onnx = pytest.importorskip("onnx", reason="needs the train extra")
h5py = pytest.importorskip("h5py", reason="needs the train extra")

TEXT = "Hari ini aku gagal lagi"
MEGABYTE = 2**20
# What a process may need beyond what loading an honest model takes.
ALLOWANCE = 250 * MEGABYTE


@pytest.fixture
def folder(toy_model_folder: Path, tmp_path: Path) -> Path:
    """A model folder that a test may spoil."""
    return shutil.copytree(toy_model_folder, tmp_path / "model")


@pytest.fixture(scope="module")
def keras_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with Keras's files; not to be written to."""
    folder = tmp_path_factory.mktemp("keras") / "model"
    small_model().save_pretrained(folder)
    return folder


@pytest.fixture
def keras_copy(keras_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(keras_folder, tmp_path / "keras")


def refusal(load: Callable[[], object]) -> str:
    """Return the one line in which something is refused."""
    with pytest.raises(ModelLoadError) as caught:
        load()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1_000
    return message


def refuse_folder(folder: Path) -> str:
    return refusal(lambda: EmotionClassifier.from_pretrained(folder))


def name_of(parameter: Any) -> str:
    return getattr(parameter, "__name__", "")


def change_json(path: Path, change: Callable[[Any], object]) -> None:
    values = json.loads(path.read_bytes())
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


# --- Pickles and archives --------------------------------------------------------------------


class Payload:
    """What runs when the pickle is opened: it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.target)!r}, 'w').close()",)


def test_the_payload_would_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.onnx"])
@pytest.mark.parametrize("protocol", [0, 4])
def test_a_disguised_pickle_is_refused(
    folder: Path, tmp_path: Path, name: str, protocol: int
) -> None:
    (folder / name).write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol))
    assert name in refuse_folder(folder)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_as_keras_weights_is_refused(keras_copy: Path, tmp_path: Path) -> None:
    path = keras_copy / "model.weights.h5"
    config = read_artifact_config(keras_copy).model
    path.write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    assert "no HDF5 file" in refusal(lambda: check_weights_file(path, config))
    assert not (tmp_path / "ran").exists()


FOREIGN_WEIGHTS = ("pytorch_model.bin", "model.pkl", "model.keras", "saved_model.pb", "model.h5")


@pytest.mark.parametrize("name", FOREIGN_WEIGHTS)
def test_a_folder_with_other_weights_only_is_refused_by_name(
    folder: Path, tmp_path: Path, name: str
) -> None:
    (folder / "model.onnx").unlink()
    (folder / name).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    message = refuse_folder(folder)
    assert name in message
    assert "never opened" in message
    assert "code" in message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", FOREIGN_WEIGHTS)
def test_other_weights_beside_ours_are_never_opened(
    folder: Path, tmp_path: Path, name: str
) -> None:
    (folder / name).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    check_weights_present(folder)
    assert EmotionClassifier.from_pretrained(folder)(TEXT)
    assert not (tmp_path / "ran").exists()


def write_zip_bomb(path: Path) -> None:
    """Write a small archive that unpacks to twice what a process is allowed here."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("model.weights.h5", "w") as member,
    ):
        for _ in range(2 * ALLOWANCE // MEGABYTE):
            member.write(bytes(MEGABYTE))


# --- config.json -----------------------------------------------------------------------------


def wrapped(layer: Mapping[str, Any], depth: int) -> Any:
    for _ in range(depth):
        layer = {
            "module": "keras.layers",
            "class_name": "Bidirectional",
            "registered_name": None,
            "config": {"layer": layer},
        }
    return layer


LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}}
DENSE: dict[str, Any] = {
    "module": "keras.layers",
    "class_name": "Dense",
    "registered_name": None,
    "config": {},
}
FOREIGN_LAYERS: dict[str, Any] = {
    "Lambda": LAMBDA,
    "nested Lambda": wrapped(LAMBDA, 5),
    "very deep Lambda": wrapped(LAMBDA, 5_000),
    "Lambda of a Sequential": {
        "class_name": "Sequential",
        "config": {"layers": [DENSE, {"class_name": "Functional", "config": {"layers": [LAMBDA]}}]},
    },
    "a Python lambda": DENSE | {"config": {"activation": {"class_name": "__lambda__"}}},
    "a function": DENSE
    | {"config": {"activation": {"class_name": "function", "module": "os", "config": "abort"}}},
    "os": DENSE | {"module": "os"},
    "builtins": DENSE | {"module": "builtins", "class_name": "exec"},
    "keras_evil": DENSE | {"module": "keras_evil.layers"},
    "a module that is no name": DENSE | {"module": ["keras"]},
    "a custom object": DENSE | {"registered_name": "my_package>Evil"},
    "TFSMLayer": DENSE | {"class_name": "TFSMLayer"},
    "TorchModuleWrapper": DENSE | {"class_name": "TorchModuleWrapper"},
    "a class that is no name": DENSE | {"class_name": {"a": 1}},
    "a loss": {"compile_config": {"loss": DENSE | {"class_name": "function"}}},
}


@pytest.mark.parametrize(
    ("layer", "is_lambda"),
    [(layer, "ambda" in name) for name, layer in FOREIGN_LAYERS.items()],
    ids=FOREIGN_LAYERS,
)
def test_keras_parts_that_are_not_ours_are_refused(
    keras_folder: Path, layer: Any, is_lambda: bool
) -> None:
    values = read_json(keras_folder / "config.json")
    values["config"]["layers"][3:3] = [layer]
    message = refusal(lambda: check_keras_config(values))
    assert message.startswith("config.json names ")
    assert ("a Lambda layer" in message) == is_lambda


@pytest.mark.parametrize("path", [BUNDLED_FOLDER, None], ids=["bundled", "saved"])
def test_our_own_configurations_pass(keras_folder: Path, path: Path | None) -> None:
    values = read_json((path or keras_folder) / "config.json")
    check_keras_config(values)
    check_keras_config(values | twin_settings())
    check_keras_config({})


@pytest.mark.parametrize(
    "size", [10**12, 7, 10**3_000, -1, 1.5, None, True, [3], {"a": 1}, "16"], ids=str
)
@pytest.mark.parametrize("key", ["input_dim", "units"])
def test_a_size_of_keras_part_that_is_not_the_models_is_refused(
    keras_folder: Path, key: str, size: Any
) -> None:
    values = read_json(keras_folder / "config.json")
    layers = [layer for layer in values["config"]["layers"] if key in layer["config"]]
    layers[0]["config"][key] = size
    if size is True:  # as a number, it is 1
        check_keras_config(values)
    else:
        assert "do not fit" in refusal(lambda: check_keras_config(values))


def test_many_layers_are_refused(keras_folder: Path) -> None:
    values = read_json(keras_folder / "config.json")
    values["config"]["layers"] += [DENSE | {"config": {"units": 5}}] * 1_000
    assert "layers" in refusal(lambda: check_keras_config(values))


FOREIGN_CODE: dict[str, Mapping[str, Any]] = {
    "another repository": {"auto_map": {"AutoConfig": "someone/else--modeling.Config"}},
    "our name in another repository": {
        "auto_map": {
            name: f"someone/else--{value}" for name, value in twin_settings()["auto_map"].items()
        }
    },
    "another module": {"auto_map": {"AutoModelForSequenceClassification": "evil.Model"}},
    "one class more": {"auto_map": twin_settings()["auto_map"] | {"AutoTokenizer": "evil.T"}},
    "no object": {"auto_map": "evil"},
    "a pipeline": {"custom_pipelines": {"text-classification": {"impl": "evil.Pipeline"}}},
}


@pytest.mark.parametrize("change", FOREIGN_CODE.values(), ids=FOREIGN_CODE)
def test_other_code_to_run_is_refused(change: Mapping[str, Any]) -> None:
    assert "other code" in refusal(lambda: check_keras_config(change))


HOSTILE_CONFIGS: dict[str, Callable[[Any], object]] = {
    "Lambda": lambda values: values.update(LAMBDA),
    "auto_map": lambda values: values.update(auto_map={"AutoConfig": "evil.Config"}),
    "rows": lambda values: values["memotions"]["model"].update(vocab_size=10**12),
    "units": lambda values: values["memotions"]["model"].update(lstm_units=[10**9]),
    "layers": lambda values: values["memotions"]["model"].update(lstm_units=[1] * 1_000_000),
    "length": lambda values: values["memotions"].update(max_length=10**12),
    "digits": lambda values: values["memotions"]["model"].update(embedding_dim=10**4_000),
    "not a number": lambda values: values["memotions"].update(temperature=float("nan")),
    "infinity": lambda values: values["memotions"].update(temperature=float("inf")),
}


@pytest.mark.parametrize("change", HOSTILE_CONFIGS.values(), ids=HOSTILE_CONFIGS)
def test_a_hostile_config_is_refused(folder: Path, change: Callable[[Any], object]) -> None:
    change_json(folder / "config.json", change)
    assert "config.json" in refuse_folder(folder)


@pytest.mark.parametrize(
    "content",
    [
        b'{"a":' * 800_000,
        b"[" * 4_900_000,
        b'{"a": ' + b"9" * 4_900_000 + b"}",
        b'{"model_type": "a", "model_type": "memotions-bilstm"}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
    ],
    ids=["objects", "lists", "digits", "twice", "NaN", "infinity"],
)
def test_hostile_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    assert "config.json is not JSON" in refuse_folder(folder)
    with pytest.raises((ValueError, RecursionError)):
        parse_json(content)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_strict_json_reads_what_is_written(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("size", [10**12, 10**4_000, 10**9, True, 0])
@pytest.mark.parametrize("key", ["vocab_size", "embedding_dim", "num_labels", "lstm_units"])
def test_absurd_sizes_are_refused_before_anything_is_built(key: str, size: int) -> None:
    change = {key: [size] if key == "lstm_units" else size}
    with pytest.raises(InputError) as caught:
        BiLSTMConfig.from_dict({"vocab_size": 300} | change)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


# --- tokenizer.json --------------------------------------------------------------------------

CATASTROPHIC = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}
LARGE_PATTERN = {"type": "Replace", "pattern": {"Regex": r"\p{L}" * 400_000}, "content": ""}


HOSTILE_TOKENIZERS: dict[str, Callable[[Any], object]] = {
    "another normaliser": lambda values: values.update(normalizer=CATASTROPHIC),
    "one step more": lambda values: values["normalizer"]["normalizers"].append(CATASTROPHIC),
    "a large pattern": lambda values: values.update(normalizer=LARGE_PATTERN),
    "no normaliser": lambda values: values.update(normalizer=None),
    "another splitter": lambda values: values["pre_tokenizer"]["pretokenizers"].append(
        {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    ),
    "random merges": lambda values: values["model"].update(dropout=0.5),
    "another model": lambda values: values["model"].update(type="WordPiece"),
    "an added token": lambda values: values["added_tokens"].append(
        values["added_tokens"][-1] | {"id": 10**6, "content": "aku"}
    ),
    "a huge id": lambda values: values["model"]["vocab"].update(aku=2**32 - 1),
    "a negative id": lambda values: values["model"]["vocab"].update(aku=-1),
    "an id that is no number": lambda values: values["model"]["vocab"].update(aku=[1]),
    "a huge id of a placeholder": lambda values: values["added_tokens"][-1].update(id=10**9),
    "merges of nothing": lambda values: values["model"].update(merges=[["x", "y"]] * 9),
    "merges that are none": lambda values: values["model"].update(merges=[1, 2]),
    "no merges": lambda values: values["model"].pop("merges"),
}


@pytest.mark.parametrize("change", HOSTILE_TOKENIZERS.values(), ids=HOSTILE_TOKENIZERS)
def test_a_hostile_tokenizer_is_refused(folder: Path, change: Callable[[Any], object]) -> None:
    change_json(folder / "tokenizer.json", change)
    assert "tokenizer.json" in refusal(lambda: load_tokenizer(folder))


def test_a_second_normaliser_is_refused(folder: Path) -> None:
    path = folder / "tokenizer.json"
    text = path.read_text(encoding="utf-8")
    second = json.dumps({"normalizer": CATASTROPHIC})[1:-1]
    path.write_text(text.replace("{", "{" + second + ",", 1), encoding="utf-8")
    assert "twice" in refusal(lambda: load_tokenizer(folder))


def test_a_large_tokenizer_is_refused_unread(folder: Path) -> None:
    os.truncate(folder / "tokenizer.json", 10**12)
    assert "1,000,000,000,000 bytes" in refusal(lambda: load_tokenizer(folder))


@pytest.mark.parametrize(
    "change",
    [
        {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}},
        {"tokenizer_class": "TransfoXLTokenizer"},
        {"tokenizer_class": ["PreTrainedTokenizerFast"]},
    ],
)
def test_a_tokenizer_of_other_code_is_refused(folder: Path, change: Mapping[str, Any]) -> None:
    change_json(folder / "tokenizer_config.json", lambda values: values.update(change))
    assert "other code" in refusal(lambda: load_tokenizer(folder))


def test_what_other_libraries_store_in_our_tokenizer_changes_nothing(folder: Path) -> None:
    expected = load_tokenizer(folder).encode(TEXT).ids
    change_json(
        folder / "tokenizer.json",
        lambda values: values.update(
            truncation={
                "direction": "Right",
                "max_length": 1,
                "strategy": "LongestFirst",
                "stride": 0,
            },
            padding={
                "strategy": {"Fixed": 10**9},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "<pad>",
            },
        ),
    )
    assert load_tokenizer(folder).encode(TEXT).ids == expected


# --- model.onnx ------------------------------------------------------------------------------


def loop_for_ever(graph: Any) -> None:
    helper, types = onnx.helper, onnx.TensorProto
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in ("go", "value")],
        "body",
        [
            helper.make_tensor_value_info("turn", types.INT64, []),
            helper.make_tensor_value_info("go", types.BOOL, []),
            helper.make_tensor_value_info("value", types.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_out", types.BOOL, []),
            helper.make_tensor_value_info("value_out", types.FLOAT, None),
        ],
    )
    for name, value in (("turns", np.array(2**62)), ("true", np.array(True))):
        graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    graph.node[-1].output[0] = "answer"
    inputs = ["turns", "true", "answer"]
    graph.node.append(helper.make_node("Loop", inputs, ["probabilities"], body=body))


def double_often(graph: Any) -> None:
    graph.node[-1].output[0] = "double_0"
    for number in range(60):
        inputs, output = [f"double_{number}"] * 2, f"double_{number + 1}"
        graph.node.append(onnx.helper.make_node("Concat", inputs, [output], axis=0))
    graph.node[-1].output[0] = "probabilities"


def fill(graph: Any) -> None:
    shape = onnx.numpy_helper.from_array(np.array([10**6, 10**6]), "huge")
    graph.initializer.append(shape)
    graph.node.append(onnx.helper.make_node("ConstantOfShape", ["huge"], ["filled"]))


def of_another_library(graph: Any) -> None:
    graph.node[-1].domain = "com.microsoft"


def pad_more(graph: Any) -> None:
    (padding,) = [array for array in graph.initializer if array.name == "padding"]
    padding.CopyFrom(onnx.numpy_helper.from_array(np.array([0, 0, 10**11, 0]), "padding"))


def claim_more(graph: Any) -> None:
    (embedding,) = [array for array in graph.initializer if array.name.startswith("embedding")]
    embedding.dims[0] = 10**12


def claim_overflow(graph: Any) -> None:
    (embedding,) = [array for array in graph.initializer if array.name.startswith("embedding")]
    embedding.dims[:] = [2**62, 4, *embedding.dims]


def read_password_file(graph: Any) -> None:
    array = graph.initializer[0]
    array.ClearField("raw_data")
    array.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "/etc/passwd"), ("length", "64")):
        array.external_data.add(key=key, value=value)


def change_units(graph: Any) -> None:
    (node,) = [node for node in graph.node if node.name == "lstm_1.Y"]
    (units,) = [attribute for attribute in node.attribute if attribute.name == "hidden_size"]
    units.i = 10**9


def add_array(graph: Any) -> None:
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1_000), "extra"))


def add_sparse_array(graph: Any) -> None:
    graph.sparse_initializer.add().dims[:] = [10**6, 10**6]


def many_nodes(graph: Any) -> None:
    for number in range(5_000):
        graph.node.append(onnx.helper.make_node("Identity", ["ids"], [f"n{number}"]))


HOSTILE_GRAPHS = {
    loop_for_ever: "a graph inside a node",
    double_often: "node",
    fill: "node",
    of_another_library: "another library",
    pad_more: "'padding'",
    claim_more: "size or type",
    claim_overflow: "size or type",
    read_password_file: "weights in other files",
    change_units: "'lstm_1.Y'",
    add_array: "size or type",
    add_sparse_array: "none that is read",
    many_nodes: "fields",
}


@pytest.mark.parametrize(("change", "reason"), HOSTILE_GRAPHS.items(), ids=name_of)
def test_a_hostile_graph_is_refused(
    folder: Path, change: Callable[[Any], None], reason: str
) -> None:
    path = folder / "model.onnx"
    model = onnx.load(str(path))
    change(model.graph)
    path.write_bytes(model.SerializeToString())
    assert reason in refuse_folder(folder)
    assert reason in refusal(lambda: read_onnx_arrays(path))


def test_functions_and_other_operator_sets_are_refused(folder: Path) -> None:
    path = folder / "model.onnx"
    content = path.read_bytes()
    for change, reason in (
        (lambda model: model.functions.add(name="f", domain="d"), "functions"),
        (lambda model: model.opset_import.add(domain="d", version=1), "twice"),
        (lambda model: setattr(model.opset_import[0], "version", 99), "opset"),
    ):
        model = onnx.load_from_string(content)
        change(model)
        path.write_bytes(model.SerializeToString())
        assert reason in refuse_folder(folder)


def test_two_graphs_in_one_file_are_refused(folder: Path) -> None:
    """Protobuf would merge them: what was checked would not be what is run."""
    path = folder / "model.onnx"
    model = onnx.load(str(path))
    extra = onnx.ModelProto()
    extra.graph.name = "second"
    path.write_bytes(model.SerializeToString() + extra.SerializeToString())
    assert "twice" in refuse_folder(folder)


def test_our_own_files_pass(folder: Path) -> None:
    for path in (BUNDLED_FOLDER / "model.onnx", folder / "model.onnx"):
        found = check_onnx(path, path.read_bytes())
        model = onnx.load(str(path))
        stored = {array.name: array for array in model.graph.initializer}
        for name, array in found.items():
            expected = onnx.numpy_helper.to_array(stored.get(name) or stored[f"{name}.half"])
            np.testing.assert_array_equal(array, expected)


def test_a_configuration_that_does_not_fit_builds_no_network(folder: Path) -> None:
    large = BiLSTMConfig(90_000, embedding_dim=1_000)
    message = refusal(lambda: keras_from_onnx(folder / "model.onnx", large))
    assert "does not fit" in message


def test_a_file_larger_than_its_model_is_refused(folder: Path) -> None:
    config = read_artifact_config(folder).model
    path = folder / "model.onnx"
    check_file_size(path, config)
    check_file_size(folder / "absent.onnx", config)
    os.truncate(path, 10**11)
    assert "100,000,000,000 bytes" in refusal(lambda: check_file_size(path, config))
    assert "bytes" in refuse_folder(folder)


@given(st.data())
def test_a_damaged_graph_is_refused_or_is_the_same(
    toy_model_folder: Path, data: st.DataObject
) -> None:
    path = toy_model_folder / "model.onnx"
    content = bytearray(path.read_bytes())
    expected = check_onnx(path, bytes(content))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    try:
        found = check_onnx(path, bytes(content))
    except ModelLoadError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert {name: array.shape for name, array in found.items()} == {
            name: array.shape for name, array in expected.items()
        }


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_a_device_is_not_read(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    assert "missing" in refuse_folder(folder)


# --- model.weights.h5 ------------------------------------------------------------------------

KERNEL = "layers/embedding/vars/0"


def replaced(file: Any, name: str = KERNEL) -> Any:
    shape = file[name].shape
    del file[name]
    return shape


def shape_bomb(file: Any, outside: Path) -> None:
    replaced(file)
    file.create_dataset(
        KERNEL, (10**6, 10**6), "f4", chunks=(1_000, 1_000), compression="gzip", fillvalue=1
    )


def never_written(file: Any, outside: Path) -> None:
    file.create_dataset(KERNEL, replaced(file), "f4", fillvalue=1)


def compressed(file: Any, outside: Path) -> None:
    file.create_dataset(KERNEL, data=np.zeros(replaced(file), "f4"), compression="gzip")


def external_storage(file: Any, outside: Path) -> None:
    shape = replaced(file)
    file.create_dataset(KERNEL, shape, "f4", external=[(str(outside), 0, h5py.h5f.UNLIMITED)])


def virtual(file: Any, outside: Path) -> None:
    shape = replaced(file)
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource(str(outside), "data", shape)
    file.create_virtual_dataset(KERNEL, layout)


def external_link(file: Any, outside: Path) -> None:
    replaced(file)
    file[KERNEL] = h5py.ExternalLink(str(outside), "data")


def soft_link(file: Any, outside: Path) -> None:
    replaced(file)
    file[KERNEL] = h5py.SoftLink("/layers/dense/vars/0")


def linked_group(file: Any, outside: Path) -> None:
    del file["layers"]
    file["layers"] = h5py.ExternalLink(str(outside), "/")


def texts(file: Any, outside: Path) -> None:
    replaced(file)
    file.create_dataset(KERNEL, data=["a", "b"], dtype=h5py.string_dtype())


def references(file: Any, outside: Path) -> None:
    replaced(file)
    file.create_dataset(KERNEL, data=[file.ref], dtype=h5py.ref_dtype)


def lists(file: Any, outside: Path) -> None:
    replaced(file)
    file.create_dataset(KERNEL, (3,), dtype=h5py.vlen_dtype(np.float32))


def own_type(file: Any, outside: Path) -> None:
    file["layers/type"] = np.dtype("f4")


def whole_numbers(file: Any, outside: Path) -> None:
    file.create_dataset("layers/numbers", data=np.zeros(1_000, "i8"))


def deep(file: Any, outside: Path) -> None:
    file.create_group("/".join("a" * 500))


def many(file: Any, outside: Path) -> None:
    for number in range(2_000):
        file.create_group(f"layers/{number}")


def circle(file: Any, outside: Path) -> None:
    file["layers/again"] = file["layers"]


def one_weight_more(file: Any, outside: Path) -> None:
    file.create_dataset("layers/more", data=np.zeros(1, "f4"))


def one_weight_twice(file: Any, outside: Path) -> None:
    file["layers/twice"] = file[KERNEL]


def fewer(file: Any, outside: Path) -> None:
    replaced(file)


HOSTILE_WEIGHTS = {
    shape_bomb: "claims an array",
    never_written: "claims an array",
    compressed: "claims an array",
    external_storage: "another file",
    virtual: "another file",
    external_link: "another place",
    soft_link: "another place",
    linked_group: "another place",
    texts: "something else than numbers",
    references: "something else than numbers",
    lists: "something else than numbers",
    own_type: "a type of its own",
    whole_numbers: "whole numbers",
    deep: "too deep",
    many: "too many",
    circle: "too deep",
    one_weight_more: "are expected",
    one_weight_twice: "claims more|are expected",
    fewer: "are expected",
}


@pytest.mark.parametrize(("change", "reason"), HOSTILE_WEIGHTS.items(), ids=name_of)
def test_hostile_weights_are_refused(
    keras_copy: Path, tmp_path: Path, change: Callable[[Any, Path], None], reason: str
) -> None:
    path, outside = keras_copy / "model.weights.h5", tmp_path / "outside.h5"
    config = read_artifact_config(keras_copy).model
    with h5py.File(outside, "w") as file:
        file.create_dataset("data", data=np.ones((215, 16), "f4"))
    with h5py.File(path, "a") as file:
        change(file, outside)
    message = refusal(lambda: check_weights_file(path, config))
    assert any(part in message for part in reason.split("|")), message


def test_hostile_weights_are_refused_before_the_network_is_built(keras_copy: Path) -> None:
    with h5py.File(keras_copy / "model.weights.h5", "a") as file:
        shape_bomb(file, keras_copy)
    message = refusal(lambda: MemotionsBiLSTM.from_pretrained(keras_copy))
    assert "claims an array" in message


def test_our_own_weights_pass(keras_copy: Path) -> None:
    path, config = keras_copy / "model.weights.h5", read_artifact_config(keras_copy).model
    check_weights_file(path, config)
    with h5py.File(path, "a") as file:  # as Keras keeps it where dropout has a state
        state = file.create_group("layers/dropout/seed_generator/vars")
        state.create_dataset("0", data=np.array([1, 2], "u4"))
    check_weights_file(path, config)


def test_weights_larger_than_the_model_are_refused_unread(keras_copy: Path) -> None:
    path, config = keras_copy / "model.weights.h5", read_artifact_config(keras_copy).model
    os.truncate(path, 10**11)
    assert "100,000,000,000 bytes" in refusal(lambda: check_weights_file(path, config))


@given(st.data())
def test_damaged_weights_are_refused_or_pass_in_peace(
    keras_folder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    source = keras_folder / "model.weights.h5"
    content = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / source.name
    path.write_bytes(content)
    try:
        check_weights_file(path, read_artifact_config(keras_folder).model)
    except ModelLoadError as error:
        assert "\n" not in str(error)  # noqa: PT017


# --- Links and folders -----------------------------------------------------------------------


def test_a_link_out_of_the_folder_is_not_handed_on(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    (folder / "training_log.csv").symlink_to(tmp_path / "key")
    message = refusal(lambda: check_links(folder, ("config.json", "training_log.csv")))
    assert "training_log.csv" in message
    assert "secret" not in message
    (folder / "log").symlink_to("training_log.csv")
    refusal(lambda: check_links(folder, ("log",)))
    check_links(folder, ("config.json", "absent.png"))


def test_links_of_the_hub_cache_pass(folder: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models--a--b"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path in folder.iterdir():
        path.rename(repository / "blobs" / path.name)
        (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    check_links(snapshot, [path.name for path in snapshot.iterdir()])
    assert EmotionClassifier.from_pretrained(snapshot)(TEXT)
    (snapshot / "README.md").symlink_to("/etc/hostname")
    refusal(lambda: check_links(snapshot, ("README.md",)))


def test_a_link_out_of_the_folder_is_not_pushed(folder: Path) -> None:
    (folder / "training_log.csv").symlink_to("/etc/hostname")
    assert "link" in refusal(lambda: push_model_folder(folder, "memotions/model", token="none"))


def test_paths_of_a_hostile_listing_are_not_written(folder: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    names = ("../../../evil", "plots/../../../../evil", "/evil", "evil.py", "evil.bin", "model.pkl")
    home = tmp_path / "home"
    with loopback_hub(tmp_path / "hub") as hub:
        hub.put("memotions/hostile", files | dict.fromkeys(names, b"evil"))
        code = (
            "import sys; from memotions_hf import EmotionClassifier\n"
            "print(EmotionClassifier.from_pretrained('memotions/hostile')(sys.argv[1]))"
        )
        result = hub.run(code, TEXT, home=home)
    assert result.stdout.startswith("[{'label'"), result.stderr[-500:]
    written = {path.name for path in home.rglob("*")}
    assert "model.onnx" in written
    assert not written & {"evil", "evil.py", "evil.bin", "model.pkl"}
    assert not [path for path in tmp_path.rglob("evil*") if "hub" not in path.parts]


# --- Memory and time -------------------------------------------------------------------------

LOAD = """
import resource, sys, time
from pathlib import Path
from memotions_hf import EmotionClassifier
from memotions_hf.errors import ModelLoadError
EmotionClassifier.from_pretrained()("aku")
def used():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = used() + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for folder in sys.argv[2:]:
    start = time.perf_counter()
    try:
        EmotionClassifier.from_pretrained(folder)
        print("loaded")
    except ModelLoadError as error:
        print(error)
    assert time.perf_counter() - start < 20
"""


def test_hostile_folders_take_little_memory_and_time(
    toy_model_folder: Path, tmp_path: Path
) -> None:
    """In a process that may take no more memory than an honest model and a bit."""
    folders = {
        name: shutil.copytree(toy_model_folder, tmp_path / name)
        for name in ("bomb beside", "bomb alone", "pattern", "doubling", "sizes", "digits", "large")
    }
    write_zip_bomb(folders["bomb beside"] / "model.keras")
    (folders["bomb alone"] / "model.onnx").unlink()
    shutil.copy(folders["bomb beside"] / "model.keras", folders["bomb alone"])
    change_json(folders["pattern"] / "tokenizer.json", HOSTILE_TOKENIZERS["a large pattern"])
    for name, change in (("doubling", double_often), ("sizes", pad_more)):
        model = onnx.load(str(folders[name] / "model.onnx"))
        change(model.graph)
        (folders[name] / "model.onnx").write_bytes(model.SerializeToString())
    change_json(folders["digits"] / "config.json", HOSTILE_CONFIGS["digits"])
    os.truncate(folders["large"] / "model.onnx", 10**11)
    result = subprocess.run(
        [sys.executable, "-c", LOAD, str(ALLOWANCE), *map(str, folders.values())],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "loaded"
    assert len(lines) == len(folders)
    for line, name in zip(lines[1:], [*folders][1:], strict=True):
        assert str(tmp_path / name) in line


def test_a_graph_of_random_weights_and_sizes_passes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for units in ((1,), (3, 2), (2,) * 16):
        config = BiLSTMConfig(9, embedding_dim=2, lstm_units=units)
        arrays = {
            name: rng.standard_normal(shape).astype(np.float32)
            for name, shape in weight_shapes(config).items()
        }
        path = tmp_path / "model.onnx"
        path.write_bytes(arrays_to_onnx(arrays, config).SerializeToString())
        found = read_onnx_arrays(path)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
