"""The mixin: saving, loading, and Keras's and transformers' own loaders, on this machine.

What the Hub has to do with it is in tests/hub/test_model_round_trip.py.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from huggingface_hub import ModelCard
from support.hub import loopback_hub
from support.hub_client import client_of
from support.small_models import NASTY_TEXTS, TEXTS, mirror_texts, random_keras_model, small_model
from transformers import AutoTokenizer

from memotions_hf import EmotionClassifier
from memotions_hf.errors import InputError, MissingExtraError, ModelLoadError
from memotions_hf.modeling.artifact import INFERENCE_FILES, TWIN_FILES
from memotions_hf.modeling.bilstm import BiLSTMConfig
from memotions_hf.modeling.export import keras_from_onnx
from memotions_hf.modeling.hub import (
    MemotionsBiLSTM,
    commit_of,
    fetch_model_folder,
    hash_of,
    push_model_folder,
)
from memotions_hf.modeling.saving import add_keras_files, write_twin
from memotions_hf.modeling.torch_twin import CODE_PATH
from memotions_hf.tokenization import encode_batch, pad_batch, save_tokenizer, train_tokenizer

CONTRACT = {
    "README.md",
    "config.json",
    "metadata.json",
    "model.onnx",
    "model.safetensors",
    "model.weights.h5",
    "modeling_memotions.py",
    "tokenizer.json",
    "tokenizer_config.json",
}
MIXED = [*TEXTS, *NASTY_TEXTS]
METRICS = {"recipe": {"name": "small", "version": 1, "seed": 1}}


@pytest.fixture(scope="module")
def model() -> MemotionsBiLSTM:
    return small_model()


@pytest.fixture(scope="module")
def saved(model: MemotionsBiLSTM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model; not to be written to."""
    return model.save_pretrained(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "copy")


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def assert_same_weights(model: Any, expected: Any) -> None:
    for after, before in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Saving and loading on this machine.


def test_the_folder_holds_the_whole_contract(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == CONTRACT
    config = json.loads((saved / "config.json").read_text("utf-8"))
    keras_keys = {"module", "class_name", "config", "registered_name", "build_config"}
    assert set(config) >= keras_keys | {"model_type", "id2label", "label2id", "memotions"}
    assert not config["compile_config"]
    assert config["memotions"]["temperature"] == 1.25
    assert ModelCard.load(saved / "README.md").data.license == "cc-by-nc-sa-4.0"


def test_loading_gives_the_same_answers(model: MemotionsBiLSTM, saved: Path) -> None:
    again = MemotionsBiLSTM.from_pretrained(saved)
    assert again.settings == model.settings
    expected = model.predict_proba(MIXED)
    assert expected.dtype == np.float32
    assert expected.shape == (len(MIXED), 5)
    assert expected.std(0).min() > 0.005
    np.testing.assert_array_equal(again.predict_proba(MIXED), expected)


def test_weights_are_rebuilt_from_onnx_where_they_are_missing(
    model: MemotionsBiLSTM, copy: Path
) -> None:
    for name in CONTRACT - set(INFERENCE_FILES):
        (copy / name).unlink()
    again = MemotionsBiLSTM.from_pretrained(str(copy))
    assert_same_weights(again.keras_model, model.keras_model)


def test_keras_loads_the_folder_without_custom_objects(model: MemotionsBiLSTM, copy: Path) -> None:
    loaded = keras.saving.load_model(str(copy))
    assert not loaded.compiled
    ids = pad_batch(encode_batch(model.tokenizer, MIXED, 64))
    expected = model.keras_model.predict_on_batch(ids)
    np.testing.assert_array_equal(loaded.predict_on_batch(ids), expected)


def test_a_compiled_model_is_saved_uncompiled(tmp_path: Path) -> None:
    model = small_model()
    model.keras_model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.save_pretrained(tmp_path)
    assert model.keras_model.compiled
    assert not keras.saving.load_model(str(tmp_path)).compiled


def test_add_keras_files(model: MemotionsBiLSTM, copy: Path) -> None:
    expected = json.loads((copy / "config.json").read_text("utf-8"))
    (copy / "metadata.json").unlink()
    (copy / "model.weights.h5").unlink()
    (copy / "model.safetensors").unlink()
    (copy / "modeling_memotions.py").write_text("raise SystemExit('code was run')")
    (copy / "config.json").write_text(json.dumps(model.settings.to_json()))
    add_keras_files(copy)
    write_twin(copy)
    assert {path.name for path in copy.iterdir()} == CONTRACT
    config = json.loads((copy / "config.json").read_text("utf-8"))
    assert config == expected
    assert (copy / "modeling_memotions.py").read_bytes() == CODE_PATH.read_bytes()
    assert_same_weights(keras.saving.load_model(str(copy)), model.keras_model)


@pytest.mark.parametrize("module", ["keras", "h5py"])
def test_add_keras_files_without_keras_leaves_none(
    copy: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    if module == "keras":
        (copy / "model.weights.h5").unlink()
    before = (copy / "config.json").read_bytes()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"\[train\]"):
        add_keras_files(copy)
    assert (copy / "config.json").read_bytes() == before
    assert not (copy / "model.weights.h5").exists()
    assert not (copy / "metadata.json").exists()


def test_metrics_log_and_plots_travel_along(tmp_path: Path) -> None:
    log, plot = tmp_path / "log-of-today.csv", tmp_path / "learning_curve.png"
    log.write_text("epoch,loss\n1,0.5\n")
    plot.write_bytes(b"\x89PNG")
    model = small_model(metrics=METRICS, training_log=log, plots=[plot])
    again = MemotionsBiLSTM.from_pretrained(model.save_pretrained(tmp_path / "one"))
    assert again.metrics == METRICS
    folder = again.save_pretrained(tmp_path / "two")
    assert (folder / "training_log.csv").read_text() == "epoch,loss\n1,0.5\n"
    assert (folder / "plots" / "learning_curve.png").read_bytes() == b"\x89PNG"
    assert "plots/learning_curve.png" in (folder / "README.md").read_text("utf-8")
    again.save_pretrained(tmp_path / "one")
    assert (tmp_path / "one" / "plots" / "learning_curve.png").read_bytes() == b"\x89PNG"


def test_saving_again_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    """A later model of a process has other numbers and addresses inside, and its files have not."""
    expected = contents(saved)
    assert contents(small_model().save_pretrained(tmp_path / "new")) == expected
    loaded = MemotionsBiLSTM.from_pretrained(saved)
    assert contents(loaded.save_pretrained(tmp_path / "loaded")) == expected
    classifier = EmotionClassifier.from_pretrained(saved)
    assert contents(classifier.save_pretrained(tmp_path / "inference")) == expected
    other = contents(small_model(seed=2).save_pretrained(tmp_path / "other"))
    assert {name for name in expected if other[name] != expected[name]} == {
        "model.onnx",
        "model.safetensors",
        "model.weights.h5",
    }


def test_what_no_file_can_hold_is_refused(copy: Path, tmp_path: Path) -> None:
    config = copy / "config.json"
    config.write_text(config.read_text("utf-8").replace("{", r'{"extra": "\ud800",', 1))
    with pytest.raises(InputError, match=r"config\.json") as error:
        EmotionClassifier.from_pretrained(copy).save_pretrained(tmp_path / "new")
    one_line(error)
    assert not (tmp_path / "new").exists()


def test_saving_over_another_model_leaves_none_of_it(model: MemotionsBiLSTM, copy: Path) -> None:
    (copy / "metrics.json").write_text("{}")
    (copy / "note.txt").write_text("mine")
    other = small_model(seed=2)
    other.save_pretrained(copy)
    assert {path.name for path in copy.iterdir()} == CONTRACT | {"note.txt"}
    again = MemotionsBiLSTM.from_pretrained(copy).keras_model
    assert_same_weights(again, other.keras_model)
    with pytest.raises(AssertionError):
        assert_same_weights(again, model.keras_model)


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    model = small_model(training_log=tmp_path / "absent.csv")
    with pytest.raises(InputError, match=r"absent\.csv") as error:
        model.save_pretrained(tmp_path / "deep" / "model")
    one_line(error)
    assert list(tmp_path.iterdir()) == []


def test_parts_that_do_not_fit_are_refused(model: MemotionsBiLSTM, tmp_path: Path) -> None:
    larger = train_tokenizer([*TEXTS, *NASTY_TEXTS] * 3, vocab_size=400)
    with pytest.raises(InputError, match="tokenizer"):
        MemotionsBiLSTM(model.keras_model, larger, model.settings)
    with pytest.raises(InputError, match=r"curve\.png"):
        small_model(plots=[Path("curve.png")])
    other = random_keras_model(BiLSTMConfig(300, embedding_dim=8, lstm_units=(4,)))
    with pytest.raises(InputError, match="do not fit") as error:
        MemotionsBiLSTM(other, model.tokenizer, model.settings).save_pretrained(tmp_path / "m")
    one_line(error)


def test_predict_proba_does_not_depend_on_the_batch(model: MemotionsBiLSTM) -> None:
    together = model.predict_proba(MIXED)
    alone = np.concatenate([model.predict_proba([text]) for text in MIXED])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(MIXED, batch_size=3), together, atol=1e-5)
    assert model.predict_proba([]).shape == (0, 5)


def test_a_spelled_out_padding_token_does_not_hide_the_rest(model: MemotionsBiLSTM) -> None:
    rows = encode_batch(model.tokenizer, ["aku <pad> gagal", "aku <pad> senang", "\ud800 aku"], 64)
    assert all(0 not in row for row in rows)
    assert rows[0] != rows[1]
    answers = model.predict_proba(["aku <pad> gagal", "aku <pad> senang"])
    assert np.abs(answers[0] - answers[1]).max() > 1e-4


def test_texts_are_cut_at_max_length(model: MemotionsBiLSTM) -> None:
    ids = encode_batch(model.tokenizer, ["aku senang " * 1_000], model.settings.max_length)
    assert len(ids[0]) == 64


@pytest.mark.parametrize("size", [0, 100, 9_000])
def test_truncated_weights_are_refused(copy: Path, size: int) -> None:
    path = copy / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelLoadError, match=r"model\.weights\.h5") as error:
        MemotionsBiLSTM.from_pretrained(copy)
    one_line(error)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}"], ids=["missing", "empty", "foreign"])
def test_missing_and_foreign_files_are_refused(
    copy: Path, name: str, content: bytes | None
) -> None:
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    with pytest.raises(ModelLoadError, match=name) as error:
        MemotionsBiLSTM.from_pretrained(copy)
    one_line(error)


def test_a_config_of_another_size_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config["memotions"]["model"]["embedding_dim"] = 24
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="fit") as error:
        MemotionsBiLSTM.from_pretrained(copy)
    one_line(error)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"module": "os", "class_name": "system", "config": {"command": "false"}}, "object"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "code"),
    ],
)
def test_a_config_that_names_other_code_is_refused(
    copy: Path, change: dict[str, Any], words: str
) -> None:
    config = json.loads((copy / "config.json").read_text("utf-8"))
    (copy / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ModelLoadError, match=words) as error:
        MemotionsBiLSTM.from_pretrained(copy)
    one_line(error)


def test_loading_never_runs_what_the_folder_holds(copy: Path, model: MemotionsBiLSTM) -> None:
    for name in ("modeling_memotions.py", "evil.py"):
        (copy / name).write_text("raise SystemExit('code was run')")
    again = MemotionsBiLSTM.from_pretrained(copy)
    assert_same_weights(again.keras_model, model.keras_model)


def test_onnx_of_the_folder_holds_the_same_weights(model: MemotionsBiLSTM, saved: Path) -> None:
    rebuilt = keras_from_onnx(saved / "model.onnx", model.settings.model)
    assert_same_weights(rebuilt, model.keras_model)


# transformers.


def test_auto_tokenizer_gives_our_ids(model: MemotionsBiLSTM, saved: Path) -> None:
    theirs = AutoTokenizer.from_pretrained(saved, trust_remote_code=False)
    for text in MIXED:
        assert theirs(text)["input_ids"] == model.tokenizer.encode(text).ids
    assert (theirs.pad_token_id, theirs.unk_token_id, theirs.model_max_length) == (0, 1, 64)
    batch = theirs([TEXTS[0], "aku"], padding=True, truncation=True, return_tensors="np")
    np.testing.assert_array_equal(
        batch["input_ids"], pad_batch(encode_batch(model.tokenizer, [TEXTS[0], "aku"], 64))
    )


def test_auto_tokenizer_gives_our_ids_on_real_texts(saved: Path, tmp_path: Path) -> None:
    texts = mirror_texts(2_000)
    if not texts:
        pytest.skip("MEMOTIONS_MIRROR names no folder of corpora")
    assert len(texts) == 2_000
    tokenizer = train_tokenizer(texts, vocab_size=2_000)
    shutil.copyfile(saved / "config.json", tmp_path / "config.json")
    save_tokenizer(tokenizer, tmp_path, max_length=512)
    theirs = AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False)
    assert theirs(texts, truncation=True)["input_ids"] == encode_batch(tokenizer, texts, 512)


# The Hub: what needs no connection.


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere", "a/b/c", "~/model", Path("nowhere")])
def test_paths_are_not_taken_for_repositories(name: str | Path) -> None:
    with pytest.raises(ModelLoadError, match="no model folder") as error:
        fetch_model_folder(name)
    one_line(error)


@pytest.mark.parametrize("name", ["", "bad name", "-x", "a" * 200])
def test_invalid_repo_ids(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelLoadError) as error:
        fetch_model_folder(name)
    one_line(error)


def test_subfolders(saved: Path) -> None:
    assert fetch_model_folder(saved.parent, subfolder="model") == saved
    assert MemotionsBiLSTM.from_pretrained(saved.parent, subfolder="model").settings.max_length
    for outside in ("..", "/etc", "a/../../b"):
        with pytest.raises(ModelLoadError, match="outside"):
            fetch_model_folder(saved, subfolder=outside)


def test_offline_and_not_cached(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="cache") as error:
        fetch_model_folder("memotions/absent", cache_dir=tmp_path, local_files_only=True)
    one_line(error)


def test_impossible_pushes_are_refused_before_anything_is_sent(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="branch"):
        push_model_folder(saved, "memotions/x", revision="a" * 40)
    with pytest.raises(InputError, match="commit_message"):
        push_model_folder(saved, "memotions/x", commit_message=" ")
    with pytest.raises(ModelLoadError, match=r"config\.json"):
        push_model_folder(tmp_path, "memotions/x")


def test_a_model_that_cannot_be_saved_creates_no_repository(tmp_path: Path) -> None:
    model = small_model(training_log=tmp_path / "absent.csv")
    with (
        loopback_hub(tmp_path / "hub") as hub,
        client_of(hub, tmp_path / "home", hub.tokens.write),
    ):
        with pytest.raises(InputError, match=r"absent\.csv"):
            model.push_to_hub("memotions/never")
        assert hub.requests == []


@pytest.mark.parametrize(
    ("folder", "commit"),
    [
        ("/cache/hub/models--a--b/snapshots/COMMIT", "c" * 40),
        ("/cache/hub/models--a--b/snapshots/COMMIT/sub/folder", "c" * 40),
        ("/snapshots/hub/models--a--b/snapshots/COMMIT/snapshots/last", "c" * 40),
        ("/models/snapshots/best", None),
        ("/models/best", None),
    ],
)
def test_the_commit_of_a_folder(folder: str, commit: str | None) -> None:
    assert commit_of(Path(folder.replace("COMMIT", "c" * 40))) == commit


def test_hashes_are_git_s_and_sha_256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"halo\n" * 500_000)
    assert hash_of(path, git=False) == hashlib.sha256(b"halo\n" * 500_000).hexdigest()
    # What "git hash-object" says of these.
    path.write_bytes(b"halo\n")
    assert hash_of(path, git=True) == "1185b465e5d77cbaf348effaf07b801e63998d17"
    path.write_bytes(b"")
    assert hash_of(path, git=True) == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


LIGHT = """
import sys
from pathlib import Path
from memotions_hf.modeling.hub import fetch_model_folder, push_model_folder

push_model_folder(Path(sys.argv[1]), "memotions/light")
print(fetch_model_folder("memotions/light"))
loaded = {"keras", "tensorflow", "torch", "transformers", "onnx", "onnxruntime"} & set(sys.modules)
assert not loaded, loaded
"""


def test_fetching_and_pushing_load_no_heavy_library(saved: Path, tmp_path: Path) -> None:
    with loopback_hub(tmp_path / "hub") as hub:
        home = tmp_path / "home"
        run = hub.run(LIGHT, str(saved), home=home, token=hub.tokens.write)
        assert run.returncode == 0, run.stderr
        assert set(hub.files("memotions/light")) == CONTRACT
        # The card stays: nobody needs it in order to load or pass on the model.
        names = {path.name for path in Path(run.stdout.splitlines()[-1]).iterdir()}
    assert names == CONTRACT - {*TWIN_FILES, "README.md"}
