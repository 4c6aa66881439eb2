"""Reading config.json with all that can be wrong in it, and writing a folder whole or not."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from memotions_hf.errors import InputError, ModelLoadError
from memotions_hf.modeling.artifact import (
    ARTIFACT_FILES,
    COPIED_FILES,
    INFERENCE_FILES,
    KERAS_FILES,
    TWIN_CODE_FILE,
    TWIN_FILES,
    ArtifactConfig,
    read_artifact_config,
    read_json,
    write_folder_atomically,
)
from memotions_hf.modeling.bilstm import BiLSTMConfig

CONFIG = ArtifactConfig(
    model=BiLSTMConfig(300, embedding_dim=16, lstm_units=(8, 6), pair_buckets=97),
    recipe="memotions-bilstm",
    recipe_version=2,
    license="CC-BY-NC-SA-4.0",
    max_length=128,
    temperature=1.5,
    versions={"memotions-hf": "0.1.0", "keras": "3.15.1"},
)


def write_config(folder: Path, values: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def changed(**settings: Any) -> dict[str, Any]:
    values = CONFIG.to_json()
    return values | {"memotions": values["memotions"] | settings}


def refusal(folder: Path) -> str:
    with pytest.raises(ModelLoadError) as caught:
        read_artifact_config(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1_000
    assert str(folder) in message
    return message


def files_of(folder: Path) -> Mapping[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write(target: Path, *names: str, error: BaseException | None = None) -> None:
    with write_folder_atomically(target) as draft:
        for name in names:
            (draft / name).write_text("new")
        if error is not None:
            raise error


def test_round_trip(tmp_path: Path) -> None:
    assert read_artifact_config(write_config(tmp_path, CONFIG.to_json())) == CONFIG


def test_keras_keys_and_unknown_settings_are_left_alone(tmp_path: Path) -> None:
    values = changed(later_addition=1) | {"module": "keras", "class_name": "Functional"}
    assert read_artifact_config(write_config(tmp_path, values)) == CONFIG


def test_missing_folder_and_file(tmp_path: Path) -> None:
    assert "no model folder" in refusal(tmp_path / "nowhere")
    assert "missing" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\xff", b"[" * 100_000, b"9" * 9_000])
def test_damaged_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    assert "not JSON" in refusal(tmp_path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = json.dumps(CONFIG.to_json()).encode()
    for size in range(0, len(whole), 37):
        (tmp_path / "config.json").write_bytes(whole[:size])
        refusal(tmp_path)


@pytest.mark.parametrize("value", [[], "text", 3, None])
def test_no_object(tmp_path: Path, value: Any) -> None:
    assert "JSON object" in refusal(write_config(tmp_path, value))


def test_a_very_large_file(tmp_path: Path) -> None:
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(6_000_000)
    assert "6,000,000 bytes" in refusal(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"model_type": "bert"},
        {"model_type": "memotions-bilstm"},
        CONFIG.to_json() | {"model_type": "bert"},
        CONFIG.to_json() | {"memotions": []},
    ],
)
def test_foreign_models(tmp_path: Path, values: Any) -> None:
    assert "another kind of model" in refusal(write_config(tmp_path, values))


def test_newer_format(tmp_path: Path) -> None:
    assert "pip install --upgrade" in refusal(write_config(tmp_path, changed(format=2)))


@pytest.mark.parametrize(
    "labels",
    [
        {"id2label": None},
        {"id2label": {"0": "sad"}},
        {"label2id": {"sad": 1, "happy": 0, "neutral": 2, "anger": 3, "fear": 4}},
    ],
)
def test_other_labels(tmp_path: Path, labels: Mapping[str, Any]) -> None:
    assert "labels" in refusal(write_config(tmp_path, CONFIG.to_json() | dict(labels)))


@pytest.mark.parametrize(
    "settings",
    [
        {"format": 0},
        {"format": "1"},
        {"format": True},
        {"max_length": 0},
        {"max_length": 10**9},
        {"max_length": 12.5},
        {"temperature": 0},
        {"temperature": float("nan")},
        {"temperature": "1"},
        {"recipe": ""},
        {"recipe": "a\nb"},
        {"recipe_version": None},
        {"normalizer": -1},
        {"license": 5},
        {"versions": ["keras"]},
        {"versions": {"keras": 3}},
        {"model": None},
        {"model": {}},
        {"model": CONFIG.model.to_dict() | {"num_labels": 7}},
        {"model": CONFIG.model.to_dict() | {"vocab_size": 10**12}},
        {"model": CONFIG.model.to_dict() | {"vocab_size": 10**4000}},
        {"model": CONFIG.model.to_dict() | {"lstm_units": [1] * 1_000}},
        {"model": CONFIG.model.to_dict() | {"lstm_units": {"a": 1}}},
        {"model": CONFIG.model.to_dict() | {"dropout": []}},
        {"model": CONFIG.model.to_dict() | {"x" * 5_000: 1}},
    ],
    ids=lambda settings: str(settings)[:60],
)
def test_impossible_settings(tmp_path: Path, settings: Mapping[str, Any]) -> None:
    refusal(write_config(tmp_path, changed(**settings)))


@pytest.mark.parametrize("name", [*CONFIG.to_json()["memotions"]])
def test_missing_settings(tmp_path: Path, name: str) -> None:
    values = CONFIG.to_json()
    del values["memotions"][name]
    assert name in refusal(write_config(tmp_path, values))


def test_a_configuration_is_checked_when_made() -> None:
    with pytest.raises(InputError, match="max_length"):
        ArtifactConfig(CONFIG.model, "r", 1, "MIT", max_length=0)


def test_read_json_names_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="missing"):
        read_json(tmp_path)


def test_writes_a_new_folder_with_usual_permissions(tmp_path: Path) -> None:
    target = tmp_path / "a" / "model"
    with write_folder_atomically(target) as draft:
        (draft / "plots").mkdir()
        (draft / "plots" / "x.png").write_text("plot")
        (draft / "config.json").write_text("new")
        assert not target.exists()
    assert files_of(target) == {"config.json": "new", "plots/x.png": "plot"}
    plain = tmp_path / "plain"
    plain.mkdir()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert sorted(path.name for path in target.parent.iterdir()) == ["model"]


def test_replaces_ours_and_keeps_the_rest(tmp_path: Path) -> None:
    old = {"config.json": "old", "model.weights.h5": "stale", "README.md": "mine", "n.txt": "note"}
    for name, text in old.items():
        (tmp_path / name).write_text(text)
    write(tmp_path, "config.json", "model.onnx")
    expected = {"config.json": "new", "model.onnx": "new", "README.md": "mine", "n.txt": "note"}
    assert files_of(tmp_path) == expected
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    existing = tmp_path / "existing"
    existing.mkdir()
    (existing / "config.json").write_text("old")
    for target in (existing, tmp_path / "new" / "deep"):
        with pytest.raises(error):
            write(target, "config.json", error=error())
    assert files_of(tmp_path) == {"existing/config.json": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["existing"]


def test_a_move_that_fails_is_undone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("old")
    (tmp_path / "metadata.json").write_text("old")
    (tmp_path / "model.onnx").mkdir()
    before = files_of(tmp_path)
    with pytest.raises(InputError, match=r"model\.onnx") as caught:
        write(tmp_path, "config.json", "model.onnx", "tokenizer.json")
    assert "\n" not in str(caught.value)
    assert files_of(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 3


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    for target in (file, file / "below", tmp_path / ("x" * 300)):
        with pytest.raises(InputError) as caught:
            write(target, error=RuntimeError("the block must not run"))
        assert "\n" not in str(caught.value)
    assert files_of(tmp_path) == {"file": "text"}


def test_no_pickle_among_the_files() -> None:
    assert not [name for name in ARTIFACT_FILES if name.endswith((".pkl", ".pt", ".bin"))]


def test_the_only_code_is_the_twin_s_and_it_is_written_anew() -> None:
    assert [name for name in ARTIFACT_FILES if name.endswith(".py")] == [TWIN_CODE_FILE]
    assert not {*TWIN_FILES} & {*INFERENCE_FILES, *KERAS_FILES, *COPIED_FILES}
    assert {*INFERENCE_FILES, *KERAS_FILES} <= {*COPIED_FILES} < {*ARTIFACT_FILES}
    assert len(set(ARTIFACT_FILES)) == len(ARTIFACT_FILES)
