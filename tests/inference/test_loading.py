"""from_pretrained and save_pretrained: what is missing, damaged or foreign, in one line each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import TOY_TEXTS
from support.hub import loopback_hub
from support.hub_client import client_of

from memotions_hf import EmotionClassifier
from memotions_hf.errors import InputError, MissingExtraError, ModelLoadError
from memotions_hf.modeling import saving
from memotions_hf.modeling.artifact import CARD_FILE, INFERENCE_FILES, TWIN_FILES
from memotions_hf.modeling.torch_twin import CODE_PATH
from memotions_hf.tokenization import save_tokenizer, train_tokenizer

TEXTS = ["Hari ini aku gagal lagi", "senang banget"]
WRITTEN = {*INFERENCE_FILES, *TWIN_FILES, CARD_FILE}


@pytest.fixture
def model_folder(toy_model_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(toy_model_folder, tmp_path / "model")


def refuse(folder: Path | str, reason: str) -> str:
    with pytest.raises(ModelLoadError, match=reason) as caught:
        EmotionClassifier.from_pretrained(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["config.json", "model.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(model_folder: Path, name: str) -> None:
    (model_folder / name).unlink()
    assert name in refuse(model_folder, "missing|not found|no ")


@pytest.mark.parametrize("name", ["config.json", "model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("size", [0, 100, -100])
def test_a_truncated_file_is_named(model_folder: Path, name: str, size: int) -> None:
    path = model_folder / name
    path.write_bytes(path.read_bytes()[:size])
    assert name in refuse(model_folder, ".")


def test_missing_folders() -> None:
    refuse("./nowhere", "no model folder")
    refuse("/nowhere/at/all", "no model folder")
    refuse("nowhere", "no model folder")
    refuse(Path("some/where"), "no model folder")


def test_no_name_is_not_the_working_directory(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_folder)
    refuse("", "no model folder ''")
    assert EmotionClassifier.from_pretrained(".")(TEXTS[0])


def test_an_empty_folder(tmp_path: Path) -> None:
    refuse(tmp_path, "config.json")


def test_a_foreign_onnx_model(model_folder: Path) -> None:
    helper, types = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("Relu", ["pixels"], ["logits"])],
        "foreign",
        [helper.make_tensor_value_info("pixels", types.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("logits", types.FLOAT, [1, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (model_folder / "model.onnx").write_bytes(model.SerializeToString())
    assert "pixels" in refuse(model_folder, "not a Memotions model")


def test_an_onnx_model_with_other_classes(model_folder: Path) -> None:
    path = model_folder / "model.onnx"
    model = onnx.load(str(path))
    model.graph.node[-1].CopyFrom(
        onnx.helper.make_node("Identity", [model.graph.node[-1].input[0]], ["probabilities"])
    )
    path.write_bytes(model.SerializeToString())
    refuse(model_folder, "probabilities of 5 classes")


def test_weights_in_other_files_are_not_followed(model_folder: Path) -> None:
    path = model_folder / "model.onnx"
    onnx.save(
        onnx.load(str(path)),
        str(path),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    refuse(model_folder, "weights in other files")


def give_larger_tokenizer(folder: Path) -> None:
    words = ["membeli tembakau di warung pojok", "zaman bahagia yang fana"]
    tokenizer = train_tokenizer([*TOY_TEXTS, *words] * 3, vocab_size=300)
    save_tokenizer(tokenizer, folder, max_length=64)


def test_a_tokenizer_of_another_model(model_folder: Path) -> None:
    give_larger_tokenizer(model_folder)
    refuse(model_folder, "tokenizer.json has .* entries, but the model knows")


def test_a_configuration_that_promises_too_many_ids(model_folder: Path) -> None:
    give_larger_tokenizer(model_folder)
    config = json.loads((model_folder / "config.json").read_text(encoding="utf-8"))
    config["memotions"]["model"]["vocab_size"] += 100
    (model_folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    refuse(model_folder, "cannot read the .* entries of its tokenizer")


def test_a_subfolder_of_a_folder(model_folder: Path) -> None:
    clf = EmotionClassifier.from_pretrained(model_folder.parent, subfolder="model")
    assert clf(TEXTS[0])
    for outside in ("..", "/etc", "model/../.."):
        with pytest.raises(ModelLoadError, match="leads outside"):
            EmotionClassifier.from_pretrained(model_folder.parent, subfolder=outside)


def test_saving_writes_a_folder_that_loads_alike(
    toy_classifier: EmotionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[Path] = []
    monkeypatch.setattr(saving, "add_keras_files", added.append)
    folder = toy_classifier.save_pretrained(tmp_path / "new" / "saved")
    assert len(added) == 1
    assert {path.name for path in folder.iterdir()} == WRITTEN
    again = EmotionClassifier.from_pretrained(folder)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), toy_classifier.predict_proba(TEXTS))


def test_the_code_of_a_folder_is_not_passed_on(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model_folder / "modeling_memotions.py").write_text("raise SystemExit('code was run')")
    (model_folder / "evil.py").write_text("raise SystemExit('code was run')")
    monkeypatch.setattr(saving, "add_keras_files", lambda folder: None)
    folder = EmotionClassifier.from_pretrained(model_folder).save_pretrained(tmp_path / "saved")
    assert {path.name for path in folder.iterdir()} == WRITTEN
    assert (folder / "modeling_memotions.py").read_bytes() == CODE_PATH.read_bytes()


def without_keras(folder: Path) -> None:
    raise MissingExtraError("keras is not installed: pip install 'memotions-hf[train]'")


def test_saving_without_keras_says_what_is_left_out(
    toy_classifier: EmotionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "add_keras_files", without_keras)
    with pytest.warns(UserWarning, match=r"left out: .*memotions-hf\[train\]") as caught:
        folder = toy_classifier.save_pretrained(tmp_path / "saved")
    assert len(caught) == 1
    assert EmotionClassifier.from_pretrained(folder)(TEXTS[0])


def test_a_failed_save_leaves_nothing(
    toy_classifier: EmotionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise ModelLoadError("damaged")

    monkeypatch.setattr(saving, "add_keras_files", fail)
    with pytest.raises(ModelLoadError):
        toy_classifier.save_pretrained(tmp_path / "saved")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        toy_classifier.save_pretrained(tmp_path / "file")


def test_pushing_without_keras_uploads_what_there_is(
    toy_classifier: EmotionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "add_keras_files", without_keras)
    with (
        loopback_hub(tmp_path / "hub") as hub,
        client_of(hub, tmp_path / "home", hub.tokens.write),
    ):
        with pytest.warns(UserWarning, match="left out"):
            toy_classifier.push_to_hub("memotions/toy")
        pushed = hub.files("memotions/toy")
        again = EmotionClassifier.from_pretrained("memotions/toy")
    assert set(pushed) == WRITTEN
    assert b"trust_remote_code=True" in pushed[CARD_FILE]
    np.testing.assert_array_equal(again.predict_proba(TEXTS), toy_classifier.predict_proba(TEXTS))


def test_a_repository_that_cannot_be_reached(tmp_path: Path) -> None:
    code = (
        "from memotions_hf import EmotionClassifier\n"
        "from memotions_hf.errors import ModelLoadError\n"
        "try: EmotionClassifier.from_pretrained('someone/none', cache_dir='cache')\n"
        "except ModelLoadError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "HF_ENDPOINT": "http://127.0.0.1:9",
            "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        },
        cwd=tmp_path,
        check=True,
    )
    assert result.stdout.startswith("cannot load 'someone/none'")
    assert result.stdout.count("\n") == 1
