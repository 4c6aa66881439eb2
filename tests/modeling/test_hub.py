"""The mixin: saving, loading, Keras's and transformers' own loaders, and a Hub on this machine."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from huggingface_hub import ModelCard
from support.loopback_hub import OWNER, READ_TOKEN, WRITE_TOKEN, LoopbackHub, run_client
from support.small_models import NASTY_TEXTS, TEXTS, mirror_texts, random_keras_model, small_model
from transformers import AutoTokenizer

from memotions_hf.errors import InputError, MissingExtraError, ModelLoadError
from memotions_hf.modeling import hub as hub_module
from memotions_hf.modeling.artifact import INFERENCE_FILES
from memotions_hf.modeling.bilstm import BiLSTMConfig
from memotions_hf.modeling.export import keras_from_onnx
from memotions_hf.modeling.hub import (
    MemotionsBiLSTM,
    add_keras_files,
    fetch_model_folder,
    push_model_folder,
)
from memotions_hf.tokenization import encode_batch, pad_batch, save_tokenizer, train_tokenizer

CONTRACT = {
    "README.md",
    "config.json",
    "metadata.json",
    "model.onnx",
    "model.weights.h5",
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


@pytest.fixture
def loopback() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        yield server


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def assert_same_weights(model: Any, expected: Any) -> None:
    for after, before in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)


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
    (copy / "config.json").write_text(json.dumps(model.settings.to_json()))
    add_keras_files(copy)
    assert {path.name for path in copy.iterdir()} == CONTRACT
    config = json.loads((copy / "config.json").read_text("utf-8"))
    assert config["memotions"] == expected["memotions"]
    assert_same_weights(keras.saving.load_model(str(copy)), model.keras_model)


def test_add_keras_files_without_keras_changes_nothing(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (copy / "config.json").read_bytes()

    def missing(module: str, extra: str) -> Any:
        raise MissingExtraError(f"{module} is not installed; pip install 'memotions-hf[{extra}]'")

    monkeypatch.setattr(hub_module, "require", missing)
    with pytest.raises(MissingExtraError, match=r"\[train\]"):
        add_keras_files(copy)
    assert (copy / "config.json").read_bytes() == before


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


def test_loading_never_runs_what_the_folder_says(copy: Path, model: MemotionsBiLSTM) -> None:
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config |= {"module": "os", "class_name": "system", "config": {"command": "false"}}
    config["auto_map"] = {"AutoModel": "evil.Model"}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "evil.py").write_text("raise SystemExit('code was run')")
    again = MemotionsBiLSTM.from_pretrained(copy)
    assert_same_weights(again.keras_model, model.keras_model)


def test_onnx_of_the_folder_holds_the_same_weights(model: MemotionsBiLSTM, saved: Path) -> None:
    rebuilt = keras_from_onnx(saved / "model.onnx", model.settings.model)
    assert_same_weights(rebuilt, model.keras_model)


# transformers.


def test_auto_tokenizer_gives_our_ids(model: MemotionsBiLSTM, saved: Path) -> None:
    theirs = AutoTokenizer.from_pretrained(saved)
    for text in MIXED:
        assert theirs(text)["input_ids"] == model.tokenizer.encode(text).ids
    assert (theirs.pad_token_id, theirs.unk_token_id, theirs.model_max_length) == (0, 1, 64)
    batch = theirs([TEXTS[0], "aku"], padding=True, truncation=True, return_tensors="np")
    np.testing.assert_array_equal(
        batch["input_ids"], pad_batch(encode_batch(model.tokenizer, [TEXTS[0], "aku"], 64))
    )


def test_auto_tokenizer_gives_our_ids_on_10000_real_texts(saved: Path, tmp_path: Path) -> None:
    texts = mirror_texts(10_000)
    if not texts:
        pytest.skip("MEMOTIONS_MIRROR names no folder of corpora")
    assert len(texts) == 10_000
    tokenizer = train_tokenizer(texts[::5], vocab_size=2_000)
    shutil.copyfile(saved / "config.json", tmp_path / "config.json")
    save_tokenizer(tokenizer, tmp_path, max_length=512)
    theirs = AutoTokenizer.from_pretrained(tmp_path)(texts, truncation=True)["input_ids"]
    assert theirs == encode_batch(tokenizer, texts, 512)


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


# The Hub: the unmodified client against a server on the loopback interface.

ROUND_TRIP = """
import json, sys
import keras, numpy as np
from transformers import AutoTokenizer
from memotions_hf.modeling.hub import MemotionsBiLSTM

model = MemotionsBiLSTM.from_pretrained(sys.argv[1])
texts = json.loads(sys.argv[2])
expected = model.predict_proba(texts)
url = model.push_to_hub("memotions/small", private=True)
commit = url.rsplit("/", 1)[1]
pulled = MemotionsBiLSTM.from_pretrained("memotions/small", revision=commit)
assert np.array_equal(pulled.predict_proba(texts), expected)

branch = model.push_to_hub("memotions/small", revision="dev", subfolder="models/bilstm")
pulled = MemotionsBiLSTM.from_pretrained(
    "memotions/small", revision="dev", subfolder="models/bilstm"
)
for ours, theirs in zip(model.keras_model.weights, pulled.keras_model.weights):
    assert np.array_equal(ours, theirs)
request = model.push_to_hub("small", create_pr=True, commit_message="A request")

ids = AutoTokenizer.from_pretrained("memotions/small")(texts[:1], return_tensors="np")["input_ids"]
loaded = keras.saving.load_model("hf://memotions/small")
assert np.allclose(loaded.predict_on_batch(ids), expected[:1], atol=1e-6)
print(json.dumps({"main": commit, "dev": branch, "pr": request}))
"""


def test_push_and_pull(saved: Path, loopback: LoopbackHub, tmp_path: Path) -> None:
    texts = json.dumps(TEXTS)
    run = run_client(ROUND_TRIP, loopback.url, tmp_path, str(saved), texts)
    assert run.returncode == 0, run.stderr
    assert WRITE_TOKEN not in run.stdout + run.stderr
    commits = json.loads(run.stdout.splitlines()[-1])

    repo = loopback.repos["memotions/small"]
    assert repo.private
    assert repo.branches["main"] == commits["main"]
    files = repo.commits[commits["main"]]
    assert set(files) == CONTRACT | {".gitattributes"}
    assert files["model.onnx"] == (saved / "model.onnx").read_bytes()
    assert files["tokenizer.json"] == (saved / "tokenizer.json").read_bytes()
    assert b'EmotionClassifier.from_pretrained("memotions/small")' in files["README.md"]
    assert set(repo.branches) == {"main", "dev", "refs/pr/1"}
    assert commits["dev"].endswith(repo.branches["dev"])
    assert "models/bilstm/model.onnx" in repo.commits[repo.branches["dev"]]
    assert sum("/commit/" in line for line in loopback.requests) == 3


# Each case is one call, and prints the error's one line or what the call returned.
CALL = """
import json, sys
from pathlib import Path
from memotions_hf.errors import MemotionsError
from memotions_hf.modeling.hub import fetch_model_folder, push_model_folder

for name, arguments, keywords in json.loads(sys.argv[1]):
    function = {"fetch": fetch_model_folder, "push": push_model_folder}[name]
    if name == "push":
        arguments[0] = Path(arguments[0])
    try:
        print(json.dumps(str(function(*arguments, **keywords))))
    except MemotionsError as error:
        print(json.dumps([type(error).__name__, str(error)]))
loaded = {"keras", "tensorflow", "torch", "onnx", "onnxruntime"} & set(sys.modules)
assert not loaded, loaded
"""
Call = tuple[str, list[str], dict[str, Any]]


def call(server: str, cache: Path, *calls: Call, token: str | None = WRITE_TOKEN) -> list[Any]:
    run = run_client(CALL, server, cache, json.dumps(calls), token=token)
    assert run.returncode == 0, run.stderr
    for secret in (WRITE_TOKEN, READ_TOKEN):
        assert secret not in run.stdout + run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def assert_refused(answer: Any, *words: str) -> None:
    assert answer[0] == "ModelLoadError", answer
    assert "\n" not in answer[1]
    for word in words:
        assert word in answer[1]


def test_fetching_what_cannot_be_had(loopback: LoopbackHub, tmp_path: Path) -> None:
    loopback.create("memotions/empty")
    loopback.create("memotions/gated", gated=True)
    loopback.create("memotions/private", private=True)
    answers = call(
        loopback.url,
        tmp_path,
        ("fetch", ["memotions/absent"], {}),
        ("fetch", ["memotions/gated"], {}),
        ("fetch", ["memotions/private"], {"token": False}),
        ("fetch", ["memotions/empty"], {"revision": "v9"}),
        ("fetch", ["memotions/empty"], {}),
        ("fetch", ["memotions/empty"], {"subfolder": "deep"}),
    )
    assert_refused(answers[0], "memotions/absent", "no such repository")
    assert_refused(answers[1], "memotions/gated", "gated")
    assert_refused(answers[2], "memotions/private", "hf auth login")
    assert_refused(answers[3], "'v9'", "branch")
    assert_refused(answers[4], "no config.json")
    assert_refused(answers[5], "no deep/config.json")


def test_pushes_that_are_refused_change_nothing(
    saved: Path, loopback: LoopbackHub, tmp_path: Path
) -> None:
    push: Call = ("push", [str(saved), "memotions/mine"], {})
    assert_refused(call(loopback.url, tmp_path, push, token=None)[0], "hf auth login")
    wrong: Call = ("push", [str(saved), "memotions/mine"], {"token": "hf_wrongToken99"})
    answers = call(
        loopback.url,
        tmp_path,
        push,
        wrong,
        ("push", [str(saved), "memotions/bad name"], {}),
        token=READ_TOKEN,
    )
    assert_refused(answers[0], "write permission")
    assert_refused(answers[1], "token")
    assert "wrongToken" not in answers[1][1]
    assert_refused(answers[2], "no repo id")
    assert loopback.repos == {}


def test_a_model_that_cannot_be_saved_creates_no_repository(
    loopback: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", loopback.url)
    model = small_model(training_log=tmp_path / "absent.csv")
    with pytest.raises(InputError, match=r"absent\.csv"):
        model.push_to_hub(f"{OWNER}/never")
    assert loopback.requests == []


def test_a_push_replaces_the_earlier_model(
    copy: Path, loopback: LoopbackHub, tmp_path: Path
) -> None:
    repo = loopback.create("memotions/old")
    start = repo.commits[repo.branches["main"]]
    old = {"README.md": b"by hand", "metrics.json": b"{}", "notes.md": b"kept"}
    repo.commit(start | old | {"plots/learning_curve.png": b"old"})
    (copy / "diary.txt").write_text("private")
    answers = call(loopback.url, tmp_path / "cache", ("push", [str(copy), "memotions/old"], {}))
    files = repo.commits[answers[0].rsplit("/", 1)[1]]
    assert set(files) == CONTRACT | {".gitattributes", "notes.md"}
    assert files["README.md"].startswith(b"---\n")


def test_a_push_does_not_overwrite_a_commit_that_it_has_not_seen(
    saved: Path, loopback: LoopbackHub, tmp_path: Path
) -> None:
    repo = loopback.create("memotions/busy")
    loopback.interfere = True
    answers = call(loopback.url, tmp_path, ("push", [str(saved), "memotions/busy"], {}))
    assert_refused(answers[0], "try again")
    assert set(repo.commits[repo.branches["main"]]) == {".gitattributes", "other.txt"}


def test_without_a_connection(saved: Path, loopback: LoopbackHub, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    push: Call = ("push", [str(saved), "memotions/kept"], {})
    fetch: Call = ("fetch", ["memotions/kept"], {"files": list(INFERENCE_FILES)})
    folder = Path(call(loopback.url, tmp_path, push, fetch)[1])
    assert {path.name for path in folder.iterdir()} == set(INFERENCE_FILES)
    answers = call(
        nowhere,
        tmp_path,
        ("fetch", ["memotions/never-seen"], {}),
        push,
        fetch,
        ("fetch", ["memotions/kept"], {"local_files_only": True, "files": ["config.json"]}),
        ("fetch", ["memotions/kept"], {"local_files_only": True}),
    )
    assert_refused(answers[0], "never-seen", "cannot be reached")
    assert_refused(answers[1], "cannot be reached")
    assert answers[2] == str(folder)
    assert answers[3] == str(folder)
    assert_refused(answers[4], "no whole copy")
