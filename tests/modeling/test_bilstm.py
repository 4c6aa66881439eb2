"""The Keras BiLSTM: its configuration, and what padding and empty texts do to it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from support.small_models import random_keras_model

from memotions_hf.errors import InputError
from memotions_hf.modeling.bilstm import BiLSTMConfig, build_bilstm

CONFIG = BiLSTMConfig(300, embedding_dim=16, lstm_units=(8, 6), pair_buckets=97)


@pytest.fixture(scope="module")
def model() -> Any:
    return random_keras_model(CONFIG)


@pytest.mark.parametrize("pair_buckets", [0, 97])
@pytest.mark.parametrize("units", [(8,), (8, 6), (5, 4, 3)])
def test_count_parameters_agrees_with_keras(units: tuple[int, ...], pair_buckets: int) -> None:
    config = BiLSTMConfig(300, embedding_dim=16, lstm_units=units, pair_buckets=pair_buckets)
    assert build_bilstm(config).count_params() == config.count_parameters()


def test_dict_round_trip() -> None:
    values = CONFIG.to_dict()
    assert values["lstm_units"] == [8, 6]
    assert BiLSTMConfig.from_dict(values) == CONFIG


@pytest.mark.parametrize(
    "change",
    [
        {"vocab_size": 0},
        {"vocab_size": 1.5},
        {"lstm_units": []},
        {"lstm_units": [8, -1]},
        {"lstm_units": 8},
        {"embedding_dim": "16"},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": float("nan")},
        {"embedding_dropout": "much"},
        {"vocab_size": 2_000_000_000},
        {"pair_buckets": -1},
        {"pair_buckets": True},
        {"pair_buckets": 10**9},
        {"vocab_size": 46_341},
        {"unknown": 1},
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        BiLSTMConfig.from_dict(CONFIG.to_dict() | change)
    assert "\n" not in str(caught.value)


def test_a_missing_size_is_refused() -> None:
    with pytest.raises(InputError, match="vocab_size"):
        BiLSTMConfig.from_dict({"embedding_dim": 16})


def test_a_folder_from_before_the_linear_path_is_read() -> None:
    values = CONFIG.to_dict()
    del values["pair_buckets"]
    assert BiLSTMConfig.from_dict(values).pair_buckets == 0


def test_the_linear_path_adds_rows_over_the_root_of_their_number() -> None:
    model = random_keras_model(BiLSTMConfig(300, 8, (4,), pair_buckets=97))
    rows = np.asarray(model.get_layer("ngrams").embeddings)
    ids = [7, 9, 7]
    numbers = [*ids, 300 + (7 * 300 + 9) % 97, 300 + (9 * 300 + 7) % 97]
    expected = rows[numbers].sum(0) / np.sqrt(5)
    with_path = np.log(model.predict_on_batch(np.array([ids])))[0]
    model.get_layer("ngrams").set_weights([0 * rows])
    added = with_path - np.log(model.predict_on_batch(np.array([ids])))[0]
    np.testing.assert_allclose(added - added.mean(), expected - expected.mean(), atol=1e-5)


def test_the_largest_vocabulary_of_the_linear_path_overflows_nothing() -> None:
    model = random_keras_model(BiLSTMConfig(46_340, 2, (2,), pair_buckets=101))
    last = 46_339
    rows = np.asarray(model.get_layer("ngrams").embeddings)
    expected = (2 * rows[last] + rows[46_340 + (last * 46_340 + last) % 101]) / np.sqrt(3)
    with_path = np.log(model.predict_on_batch(np.array([[last, last]])))[0]
    model.get_layer("ngrams").set_weights([0 * rows])
    added = with_path - np.log(model.predict_on_batch(np.array([[last, last]])))[0]
    np.testing.assert_allclose(added - added.mean(), expected - expected.mean(), atol=1e-5)


def test_answers_are_probabilities_that_differ(model: Any) -> None:
    ids = np.random.default_rng(0).integers(2, 300, (50, 20))
    answers = model.predict_on_batch(ids)
    assert answers.shape == (50, 5)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(1), 1, atol=1e-6)
    assert answers.std(0).min() > 0.005


def test_padding_changes_nothing(model: Any) -> None:
    ids = np.random.default_rng(0).integers(2, 300, (30, 12))
    ids[:10, 7:] = 0
    ids[10, 1:] = 0
    alone = model.predict_on_batch(ids)
    for extra in (1, 5, 90):
        padded = np.pad(ids, ((0, 0), (0, extra)))
        np.testing.assert_allclose(model.predict_on_batch(padded), alone, atol=1e-6)


def test_every_token_counts(model: Any) -> None:
    ids = np.random.default_rng(0).integers(2, 300, (1, 10))
    before = model.predict_on_batch(ids)
    for position in range(10):
        changed = ids.copy()
        changed[0, position] = 2 if ids[0, position] != 2 else 3
        assert np.abs(model.predict_on_batch(changed) - before).max() > 1e-5


def test_an_empty_text_has_one_answer(model: Any) -> None:
    answers = [model.predict_on_batch(np.zeros((2, length), int)) for length in (1, 2, 9)]
    assert np.isfinite(answers).all()
    np.testing.assert_allclose(answers, np.broadcast_to(answers[0][0], (3, 2, 5)), atol=1e-6)


def test_only_built_in_layers(model: Any) -> None:
    modules = set(re.findall(r"'module': '([\w.]+)'", str(model.get_config())))
    assert modules
    assert all(name.split(".")[0] == "keras" for name in modules)
