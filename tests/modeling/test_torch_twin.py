"""The torch twin: transformers' answers from a model folder, beside our own."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file

from memotions_hf.errors import ModelLoadError
from memotions_hf.inference import EmotionClassifier
from memotions_hf.labels import LABELS
from memotions_hf.modeling.artifact import (
    BUNDLED_FOLDER,
    INFERENCE_FILES,
    read_artifact_config,
    read_json,
)
from memotions_hf.modeling.export import arrays_to_onnx, read_onnx_arrays
from memotions_hf.modeling.hub import write_json
from memotions_hf.modeling.torch_twin import (
    TWIN_CODE_FILE,
    TWIN_FILES,
    TWIN_WEIGHTS_FILE,
    twin_settings,
    write_torch_twin,
)
from memotions_hf.tokenization import load_tokenizer

ODD_TEXTS = (
    "",
    " \n\t",
    "😭😭😭",
    "🙂",
    "?!…",
    "Q",
    "aku <pad> sedih <unk>",
    "@budi lihat https://contoh.id/a",
    "ジャカルタは暑い",
    "AKU MARAH!!!! 😡😡 " * 3,
    "sedih " * 63,
    "senang sekali hari ini, tapi besok ujian. " * 400,
    "kata" * 5_000,
)
TOLERANCE = 1e-4
FloatArray = npt.NDArray[Any]


def journal_texts(count: int) -> list[str]:
    """Return texts of the bundled journal entries, evenly from all of its files."""
    import memotions_hf

    folder = Path(memotions_hf.__file__).parent / "data" / "journal"
    texts: list[str] = []
    for path in sorted(folder.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            texts += [row["text"] for row in rows if "text" in row]
    return texts[:: len(texts) // count][:count]


TEXTS = [*journal_texts(200 - len(ODD_TEXTS)), *ODD_TEXTS]


def add_twin(folder: Path) -> Path:
    write_torch_twin(folder)
    write_json(folder / "config.json", read_json(folder / "config.json") | twin_settings())
    return folder


def copy_model(source: Path, target: Path) -> Path:
    target.mkdir()
    for name in INFERENCE_FILES:
        shutil.copyfile(source / name, target / name)
    return target


@pytest.fixture(scope="module")
def code_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Transformers copies a folder's code into a cache before it runs it: not into the user's."""
    torch = pytest.importorskip("torch", reason="needs the transformers extra")
    pytest.importorskip("transformers", reason="needs the transformers extra")
    from transformers import dynamic_module_utils

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other where processors are shared
    with pytest.MonkeyPatch.context() as patch:
        cache = str(tmp_path_factory.mktemp("code"))
        patch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", cache)
        patch.setattr(sys, "path", [*sys.path])
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=["bundled", "toy"])
def twin(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    toy_model_folder: Path,
    code_cache: None,
) -> Path:
    source = BUNDLED_FOLDER if request.param == "bundled" else toy_model_folder
    return add_twin(copy_model(source, tmp_path_factory.mktemp(request.param) / "model"))


@pytest.fixture(scope="module")
def expected(twin: Path) -> FloatArray:
    return EmotionClassifier.from_pretrained(twin).predict_proba(TEXTS)


@pytest.fixture
def toy_copy(toy_model_folder: Path, tmp_path: Path) -> Path:
    return copy_model(toy_model_folder, tmp_path / "model")


def load(folder: Path, **options: Any) -> Any:
    import transformers

    return transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, trust_remote_code=True, **options
    )


def load_auto_tokenizer(folder: Path) -> Any:
    import transformers

    # Without the argument, it asks on the terminal: for the model's configuration, not for itself.
    return transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def probabilities(
    folder: Path, model: Any, texts: list[str], *, batch_size: int = 25, **options: Any
) -> FloatArray:
    """Return what the model answers to padded batches of texts."""
    import torch

    tokenizer = load_auto_tokenizer(folder)
    rows = []
    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        inputs = tokenizer(batch, padding=True, return_tensors="pt", **options)
        with torch.no_grad():
            rows.append(model(**inputs).logits.softmax(-1).numpy())
    return np.concatenate(rows)


def as_rows(answers: list[list[dict[str, Any]]]) -> FloatArray:
    by_label = [{item["label"]: item["score"] for item in answer} for answer in answers]
    assert all(set(scores) == set(LABELS) for scores in by_label)
    return np.array([[scores[label] for label in LABELS] for scores in by_label])


def assert_close(found: FloatArray, expected: FloatArray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_pipeline_gives_our_probabilities(
    twin: Path, expected: FloatArray, batch_size: int
) -> None:
    import transformers

    pipeline = transformers.pipeline(
        "text-classification", model=str(twin), trust_remote_code=True, top_k=None, device="cpu"
    )
    assert_close(as_rows(pipeline(TEXTS, batch_size=batch_size)), expected)


def test_the_pipeline_answers_one_text(twin: Path, expected: FloatArray) -> None:
    import transformers

    pipeline = transformers.pipeline(
        "text-classification", model=str(twin), trust_remote_code=True, device="cpu"
    )
    for number in (0, TEXTS.index("")):
        (answer,) = pipeline(TEXTS[number])
        assert answer["label"] == LABELS[expected[number].argmax()]
        assert answer["score"] == pytest.approx(expected[number].max(), abs=TOLERANCE)


def test_the_model_gives_our_probabilities(twin: Path, expected: FloatArray) -> None:
    model = load(twin)
    assert not model.training
    assert [model.config.id2label[number] for number in range(len(LABELS))] == list(LABELS)
    assert_close(probabilities(twin, model, TEXTS, truncation=True), expected)
    assert_close(probabilities(twin, model, TEXTS, truncation=True, batch_size=1), expected)


def test_what_is_too_long_is_cut_as_the_tokenizer_cuts_it(twin: Path) -> None:
    model, limit = load(twin), read_json(twin / "config.json")["memotions"]["max_length"]
    text = "senang sekali " * limit
    cut = probabilities(twin, model, [text], truncation=True)
    np.testing.assert_array_equal(probabilities(twin, model, [text]), cut)
    assert_close(EmotionClassifier.from_pretrained(twin).predict_proba(text), cut)


def test_padding_and_neighbours_change_nothing(twin: Path, expected: FloatArray) -> None:
    import torch

    model = load(twin)
    ids = torch.tensor([[7, 8, 9, 0, 0], [5, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    with torch.no_grad():
        together = model(ids).logits
        masked = model(ids, attention_mask=(ids != 0).long()).logits
        alone = [model(row[row != 0][None]).logits for row in ids]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)
    torch.testing.assert_close(masked, together, atol=0, rtol=0)
    empty = together[2].softmax(-1).numpy()
    assert_close(empty, expected[TEXTS.index("")])


def test_a_batch_of_empty_texts(twin: Path, expected: FloatArray) -> None:
    rows = probabilities(twin, load(twin), ["", ""])
    assert_close(rows, expected[[TEXTS.index("")] * 2])


def test_transformers_own_saving_keeps_the_answers(
    twin: Path, expected: FloatArray, tmp_path: Path
) -> None:
    target = tmp_path / "saved"
    model = load(twin)
    model.save_pretrained(target)
    load_auto_tokenizer(twin).save_pretrained(target)
    again, info = load(target, output_loading_info=True)
    assert not any(info.values()), info
    assert_close(probabilities(target, again, TEXTS, truncation=True), expected)
    assert {path.suffix for path in target.iterdir()} <= {".json", ".py", ".safetensors"}
    assert (target / TWIN_CODE_FILE).read_bytes() == (twin / TWIN_CODE_FILE).read_bytes()
    settings = read_json(target / "config.json")
    ours = read_json(twin / "config.json")
    same = ("model_type", "id2label", "label2id", "memotions", "auto_map", "architectures")
    assert {key: settings[key] for key in same} == {key: ours[key] for key in same}
    assert not {"module", "class_name", "config", "build_config"} & set(settings)
    shutil.copyfile(twin / "model.onnx", target / "model.onnx")
    assert_close(EmotionClassifier.from_pretrained(target).predict_proba(TEXTS[:3]), expected[:3])


def test_it_can_be_trained_further(twin: Path) -> None:
    import torch

    model = load(twin).train()
    ids = torch.tensor([[7, 8, 9], [5, 0, 0]])
    model(ids, labels=torch.tensor([0, 3])).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())
    assert not torch.equal(model(ids).logits, model(ids).logits)  # dropout


def test_every_weight_is_that_of_the_onnx_file(twin: Path) -> None:
    model, info = load(twin, output_loading_info=True)
    assert not any(info.values()), info
    assert {str(weight.dtype) for weight in model.parameters()} == {"torch.float32"}
    arrays = read_onnx_arrays(twin / "model.onnx")
    weights = [weight.detach().numpy() for weight in model.parameters()]
    theirs, ours = (
        np.sort(np.concatenate([array.ravel() for array in group]))
        for group in (weights, arrays.values())
    )
    np.testing.assert_array_equal(theirs, ours)


def test_without_trust_nothing_of_the_folder_is_run(twin: Path) -> None:
    import transformers

    ids = load_tokenizer(twin).encode("aku sedih banget 😢").ids
    assert load_auto_tokenizer(twin)("aku sedih banget 😢")["input_ids"] == ids
    with pytest.raises(ValueError, match="trust_remote_code"):
        transformers.pipeline("text-classification", model=str(twin), trust_remote_code=False)


def test_the_code_loads_torch_and_transformers_only(toy_copy: Path) -> None:
    code, _ = write_torch_twin(toy_copy)
    source = code.read_text(encoding="utf-8")
    imported = [line.split()[1] for line in source.splitlines() if line.startswith(("from", "imp"))]
    roots = {name.split(".")[0] for name in imported}
    assert roots == {"__future__", "typing", "torch", "transformers"}


def test_only_weights_and_code_are_written_and_no_pickle(toy_copy: Path) -> None:
    before = {path.name: path.read_bytes() for path in toy_copy.iterdir()}
    written = write_torch_twin(toy_copy)
    assert written == [toy_copy / name for name in TWIN_FILES]
    after = {path.name: path.read_bytes() for path in toy_copy.iterdir()}
    assert set(after) == set(before) | set(TWIN_FILES)
    assert {name: after[name] for name in before} == before
    header_size = int.from_bytes(after[TWIN_WEIGHTS_FILE][:8], "little")
    header = json.loads(after[TWIN_WEIGHTS_FILE][8 : 8 + header_size])
    assert header.pop("__metadata__") == {"format": "pt"}
    assert {entry["dtype"] for entry in header.values()} == {"F16"}  # as the ONNX file holds them


def test_weights_that_do_not_fit_half_precision_stay_whole(toy_copy: Path) -> None:
    pytest.importorskip("onnx", reason="needs the train extra")
    path = toy_copy / "model.onnx"
    arrays = read_onnx_arrays(path)
    arrays["logits.bias"] = np.full(len(LABELS), np.float16(1 / 3), np.float32)
    arrays["attention.bias"] = np.array([1 / 3], np.float32)
    model = arrays_to_onnx(arrays, read_artifact_config(toy_copy).model)
    path.write_bytes(model.SerializeToString())
    write_torch_twin(toy_copy)
    tensors = load_file(toy_copy / TWIN_WEIGHTS_FILE)
    assert tensors["attention.bias"] == np.array([1 / 3], np.float32)
    assert tensors["logits.bias"].dtype == np.float16
    assert tensors["logits.bias"][0] == np.float16(1 / 3)


def test_writing_twice_gives_the_same_files_and_replaces_foreign_code(toy_copy: Path) -> None:
    first = [path.read_bytes() for path in write_torch_twin(toy_copy)]
    (toy_copy / TWIN_CODE_FILE).write_text("raise SystemExit", encoding="utf-8")
    assert [path.read_bytes() for path in write_torch_twin(toy_copy)] == first


@pytest.mark.parametrize(
    ("key", "value"), [("vocab_size", 999_999), ("lstm_units", [8, 6, 4]), ("lstm_units", [8])]
)
def test_a_config_of_other_sizes_is_refused(toy_copy: Path, key: str, value: Any) -> None:
    settings = read_json(toy_copy / "config.json")
    settings["memotions"]["model"][key] = value
    write_json(toy_copy / "config.json", settings)
    with pytest.raises(ModelLoadError, match="does not fit") as error:
        write_torch_twin(toy_copy)
    assert "\n" not in str(error.value)
    assert not any((toy_copy / name).exists() for name in TWIN_FILES)
