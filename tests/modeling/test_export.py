"""Keras and ONNX give the same answers, and either is rebuilt from the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from support.small_models import mirror_texts, random_keras_model
from tokenizers import Tokenizer

from memotions_hf.errors import ModelLoadError
from memotions_hf.modeling.artifact import BUNDLED_FOLDER, ONNX_FILE
from memotions_hf.modeling.bilstm import BiLSTMConfig
from memotions_hf.modeling.export import (
    arrays_to_onnx,
    export_onnx,
    keras_from_onnx,
    keras_to_arrays,
    read_onnx_arrays,
    round_weights,
)
from memotions_hf.modeling.hub import MemotionsBiLSTM
from memotions_hf.tokenization import UNK_ID, encode_batch, pad_batch, train_tokenizer

TOLERANCE = 1e-4
LONGEST = 400
# Every length from 0 to 400 twice and more, 1,000 in all.
LENGTHS = [*range(LONGEST + 1)] * 2 + [*range(0, 2 * (998 - 2 * LONGEST), 2)]


def config_of(*units: int, vocab_size: int = 300, pair_buckets: int = 0) -> BiLSTMConfig:
    return BiLSTMConfig(vocab_size, 16, units, pair_buckets=pair_buckets)


def run_onnx(path: Path, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (answers,) = session.run(None, {"input_ids": ids})
    return np.asarray(answers)


def random_rows(lengths: Sequence[int], seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(UNK_ID, 300, length).tolist() for length in lengths]


def largest_difference(model: Any, path: Path, rows: list[list[int]], batch: int = 125) -> float:
    """Compare Keras and ONNX on ids; also make sure that answers are no constant."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = sorted(rows, key=len)
    ours, theirs = [], []
    for start in range(0, len(rows), batch):
        ids = pad_batch(rows[start : start + batch])
        ours.append(model.predict_on_batch(ids))
        theirs.append(session.run(None, {"input_ids": ids})[0])
    keras_answers, onnx_answers = np.concatenate(ours), np.concatenate(theirs)
    assert keras_answers.std(0).min() > 0.005
    return float(np.abs(keras_answers - onnx_answers).max())


@pytest.mark.parametrize("pair_buckets", [0, 97])
@pytest.mark.parametrize("units", [(8,), (8, 6), (5, 4, 3)])
def test_parity_of_several_sizes(tmp_path: Path, units: tuple[int, ...], pair_buckets: int) -> None:
    config = config_of(*units, pair_buckets=pair_buckets)
    model = random_keras_model(config)
    rows = random_rows([*range(60), 0, 0, 1])
    export_onnx(model, config, tmp_path / "float32.onnx")
    assert largest_difference(model, tmp_path / "float32.onnx", rows) < TOLERANCE
    round_weights(model)
    export_onnx(model, config, tmp_path / "float16.onnx")
    assert largest_difference(model, tmp_path / "float16.onnx", rows) < TOLERANCE


def test_parity_on_1000_texts_of_every_length_to_400(tmp_path: Path) -> None:
    texts = mirror_texts(5_000)
    if texts:
        tokenizer = train_tokenizer(texts[:2_000], vocab_size=1_500)
        vocab_size, rows = tokenizer.get_vocab_size(), real_rows(tokenizer, texts)
    else:
        vocab_size, rows = 300, random_rows(LENGTHS)
    config = BiLSTMConfig(vocab_size, embedding_dim=24, lstm_units=(20, 16), pair_buckets=5_003)
    model = random_keras_model(config)
    round_weights(model)
    export_onnx(model, config, tmp_path / "model.onnx")
    assert largest_difference(model, tmp_path / "model.onnx", rows) < TOLERANCE


def test_parity_of_the_bundled_model_on_1000_texts_of_every_length_to_400() -> None:
    bundled = MemotionsBiLSTM.from_pretrained()
    texts = mirror_texts(5_000)
    rows = real_rows(bundled.tokenizer, texts) if texts else random_rows(LENGTHS)
    path = BUNDLED_FOLDER / ONNX_FILE
    assert largest_difference(bundled.keras_model, path, rows) < TOLERANCE


def real_rows(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """String real texts together until they are long enough, then cut at their tokens."""
    rng = np.random.default_rng(3)
    joined = [" ".join(rng.choice(texts, 2 + length // 8)) for length in LENGTHS]
    encoded = encode_batch(tokenizer, joined, LONGEST)
    rows = [row[:length] for row, length in zip(encoded, LENGTHS, strict=True)]
    assert len(rows) == 1000
    assert {len(row) for row in rows} == set(range(LONGEST + 1))
    return rows


def test_empty_texts(tmp_path: Path) -> None:
    config = config_of(8, 6)
    model = random_keras_model(config)
    export_onnx(model, config, tmp_path / "model.onnx")
    expected = model.predict_on_batch(np.zeros((1, 1), np.int64))[0]
    for shape in ((1, 0), (3, 0), (2, 1), (2, 7)):
        answers = run_onnx(tmp_path / "model.onnx", np.zeros(shape, np.int64))
        assert answers.shape == (shape[0], 5)
        np.testing.assert_allclose(answers, np.tile(expected, (shape[0], 1)), atol=1e-6)


def test_padding_changes_nothing_in_onnx(tmp_path: Path) -> None:
    config = config_of(8, 6)
    export_onnx(random_keras_model(config), config, tmp_path / "model.onnx")
    ids = pad_batch(random_rows([3, 0, 9, 1]))
    alone = run_onnx(tmp_path / "model.onnx", ids)
    wider = run_onnx(tmp_path / "model.onnx", np.pad(ids, ((0, 0), (0, 50))))
    np.testing.assert_allclose(wider, alone, atol=1e-6)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_the_way_back_is_exact(tmp_path: Path, half: bool) -> None:
    config = config_of(5, 4, 3)
    model = random_keras_model(config)
    if half:
        round_weights(model)
    export_onnx(model, config, tmp_path / "model.onnx")
    again = keras_from_onnx(tmp_path / "model.onnx", config)
    for before, after in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)
    export_onnx(again, config, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "model.onnx").read_bytes()


def test_onnx_has_lstm_nodes_and_float16_weights_where_exact() -> None:
    config = config_of(8, 6)
    model = random_keras_model(config)
    float_bytes = arrays_to_onnx(keras_to_arrays(model, config), config).ByteSize()
    round_weights(model)
    graph = arrays_to_onnx(keras_to_arrays(model, config), config).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("LSTM") == 2
    assert "Loop" not in kinds
    halves = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert {tensor.name for tensor in halves} >= {"embedding.half", "lstm_1.W.half"}
    assert graph.ByteSize() < 0.7 * float_bytes


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x09" * 50])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"model\.onnx") as caught:
        keras_from_onnx(path, config_of(8, 6))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"absent\.onnx"):
        read_onnx_arrays(tmp_path / "absent.onnx")


@pytest.mark.parametrize("units", [(8,), (8, 7), (8, 6, 4), (6, 8)])
def test_weights_of_another_size_are_refused(tmp_path: Path, units: tuple[int, ...]) -> None:
    config = config_of(8, 6)
    export_onnx(random_keras_model(config), config, tmp_path / "model.onnx")
    with pytest.raises(ModelLoadError, match="configuration") as caught:
        keras_from_onnx(tmp_path / "model.onnx", config_of(*units))
    assert "\n" not in str(caught.value)
