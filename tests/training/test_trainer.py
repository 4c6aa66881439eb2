import dataclasses
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("keras", reason="training needs the train extra")

from memotions_hf.corpus import Row
from memotions_hf.corpus.merge import MergeOptions, merge
from memotions_hf.errors import InputError
from memotions_hf.labels import LABELS
from memotions_hf.modeling.artifact import TRAINING_LOG_FILE as LOG_FILE
from memotions_hf.tokenization import encode_batch
from memotions_hf.training import RECIPES, Recipe, get_recipe
from memotions_hf.training.log import epochs_since_best, read_log, total_times, write_log
from memotions_hf.training.trainer import (
    BestOnMacroF1,
    balanced_class_weights,
    cpu_time,
    fit_scales,
    predict_ids,
    train,
    write_model,
)

WORDS = {
    "sad": "sedih murung menangis kehilangan sepi",
    "happy": "senang gembira tertawa bahagia lega",
    "neutral": "rapat jadwal pukul makan berangkat",
    "anger": "marah kesal geram dongkol jengkel",
    "fear": "takut cemas gemetar ngeri panik",
}
TINY = Recipe(
    name="tiny",
    version=1,
    sources=("journal",),
    vocab_size=200,
    embedding_dim=16,
    lstm_units=(8,),
    pair_buckets=1_009,
    embedding_dropout=0.0,
    dropout=0.0,
    subword_dropout=0.1,
    token_dropout=0.05,
    learning_rate=2e-2,
    batch_size=16,
    epochs=4,
    patience=4,
)


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)
    rows = []
    for number in range(300):
        label = LABELS[number % 5]
        words = rng.permutation(WORDS[label].split())[:3]
        text = f"catatan {number * 7919 % 9973} {' '.join(words)} {rng.integers(10**9)}"
        rows.append(Row(f"row-{number}", text, "journal", label, None))
    return merge(MergeOptions(sources=("journal",)), rows=rows)


@pytest.fixture(scope="module")
def result(corpus, tmp_path_factory):
    return train(TINY, tmp_path_factory.mktemp("run"), corpus=corpus)


def test_training_learns_what_is_easy(result, corpus):
    test = corpus.split("test")
    ids = encode_batch(result.tokenizer, [example.text for example in test], TINY.max_length)
    predicted = predict_ids(result.model, ids).argmax(1)
    correct = [LABELS[p] == example.label for p, example in zip(predicted, test, strict=True)]
    assert np.mean(correct) > 0.9


def test_the_facts_and_the_log_tell_the_same(result, corpus):
    log = read_log(result.log_path)
    training = result.facts["training"]
    assert training["epochs"] == len(log) <= TINY.epochs
    best = max(log, key=lambda row: row["val_macro_f1"])
    assert training["best_val_macro_f1"] == best["val_macro_f1"]
    # The linear path takes a little more than the epochs do.
    assert training["cpu_seconds"] >= sum(row["cpu_seconds"] for row in log) - 0.1 > 0
    assert training["val_macro_f1"] > 0.9
    assert training["parameters"] == result.model.count_params()
    assert result.facts["recipe"] == TINY.to_dict()
    assert sum(result.facts["corpus"]["splits"].values()) == len(corpus.examples)


def test_the_model_folder_answers_as_the_trained_model_does(result, corpus, tmp_path):
    from memotions_hf import EmotionClassifier
    from memotions_hf.modeling.hub import MemotionsBiLSTM

    folder = write_model(result, tmp_path / "model")
    texts = [example.text for example in corpus.split("test")]
    expected = predict_ids(result.model, encode_batch(result.tokenizer, texts, TINY.max_length))
    onnx = EmotionClassifier.from_pretrained(folder).predict_proba(texts)
    reloaded = MemotionsBiLSTM.from_pretrained(folder).predict_proba(texts)
    np.testing.assert_allclose(onnx, expected, atol=1e-4)
    np.testing.assert_allclose(reloaded, expected, atol=1e-4)
    assert (folder / "plots" / "learning_curve.png").is_file()
    assert (folder / LOG_FILE).read_bytes() == result.log_path.read_bytes()


def test_a_model_of_other_labels_is_no_model_folder(result, tmp_path):
    other = dataclasses.replace(result, labels=("anger", "fear", "happy", "love", "sadness"))
    with pytest.raises(InputError, match="love"):
        write_model(other, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_neutral_token_says_nothing(corpus, tmp_path):
    # With so many buckets, the pair that is not learnt from shares none with one that is.
    changes = {"epochs": 1, "pair_buckets": 100_003, "neutral_tokens": ("takut", "🥲")}
    recipe = dataclasses.replace(TINY, **changes)
    result = train(recipe, tmp_path / "run", corpus=corpus)
    texts = ["catatan takut cemas", "catatan \u4e00 cemas"]  # a character that it has never seen
    neutral, unknown = predict_ids(result.model, encode_batch(result.tokenizer, texts, 64))
    np.testing.assert_allclose(neutral, unknown, atol=1e-6)


def test_the_same_seed_gives_the_same_model(result, corpus, tmp_path):
    again = train(TINY, tmp_path / "again", corpus=corpus)
    for first, second in zip(result.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("logged", [False, True], ids=["before-its-log", "after-its-log"])
def test_an_interrupted_run_goes_on_where_it_stopped(result, corpus, tmp_path, monkeypatch, logged):
    folder = tmp_path / "run"
    measure = BestOnMacroF1.on_epoch_end

    def stop_in_the_third_epoch(self, epoch, logs=None):
        if epoch < 2 or logged:
            measure(self, epoch, logs)
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BestOnMacroF1, "on_epoch_end", stop_in_the_third_epoch)
        with pytest.raises(KeyboardInterrupt):
            train(TINY, folder, corpus=corpus)
    epochs = [row["epoch"] for row in read_log(folder / LOG_FILE)]
    assert epochs == ([1, 2, 3] if logged else [1, 2])

    resumed = train(TINY, folder, corpus=corpus)
    log, unbroken = read_log(folder / LOG_FILE), read_log(result.log_path)
    assert [row["epoch"] for row in log] == [1, 2, 3, 4]
    if not logged:
        np.testing.assert_allclose(
            [row["loss"] for row in log], [row["loss"] for row in unbroken], rtol=0.05
        )
    finished = (folder / LOG_FILE).read_bytes()
    started, cpu_started = time.monotonic(), cpu_time()
    again = train(TINY, folder, corpus=corpus).facts["training"]
    took = {"seconds": time.monotonic() - started, "cpu_seconds": cpu_time() - cpu_started}
    assert (folder / LOG_FILE).read_bytes() == finished
    assert resumed.facts["training"]["epochs"] == 4
    for name in ("seconds", "cpu_seconds"):
        total = sum(row[name] for row in log)
        # The epochs of all interruptions, and what this run adds to them: the linear path.
        assert total - 0.1 <= again[name] <= total + took[name] + 0.1
        assert resumed.facts["training"][name] >= total - 0.1


def test_processor_time_is_left_out_where_an_epoch_of_the_run_has_none(tmp_path):
    """As when a run is resumed that an earlier version began."""
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss,val_loss,val_accuracy,val_macro_f1,seconds\n1,1.4,1.2,0.5,0.4,9\n")
    log = [*read_log(path), {**read_log(path)[0], "epoch": 2.0, "cpu_seconds": 17.5}]
    write_log(path, log)
    assert read_log(path) == log
    assert total_times(read_log(path)) == {"seconds": 18.0}
    assert total_times(log[1:]) == {"seconds": 9.0, "cpu_seconds": 17.5}


def test_processor_time_counts_ended_children():
    before = cpu_time()
    subprocess.run([sys.executable, "-c", "sum(range(30_000_000))"], check=True)
    assert cpu_time() - before > 0.2


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path, corpus):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no training run"):
        train(TINY, tmp_path, corpus=corpus)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_of_another_recipe_is_refused(result, corpus):
    other = dataclasses.replace(TINY, seed=1)
    with pytest.raises(InputError, match="another recipe"):
        train(other, result.log_path.parent, corpus=corpus)


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(InputError, match=r"'nope'.*memotions-bilstm"):
        get_recipe("nope")
    assert all(name == recipe.name for name, recipe in RECIPES.items())


def test_class_weights_give_every_class_the_same_total():
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 3, 4])
    totals = np.bincount(labels, weights=balanced_class_weights(labels)[labels])
    np.testing.assert_allclose(totals, totals[0])


def test_the_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 5))
    truth = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (truth.cumsum(1) > rng.random((4000, 1))).argmax(1)
    boastful = np.exp(2 * logits) / np.exp(2 * logits).sum(1, keepdims=True)
    scales = fit_scales([np.log(boastful).astype(np.float32)], labels)
    assert scales == pytest.approx([0.5], abs=0.05)


def test_the_better_part_gets_the_larger_scale():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 4000)
    truth = 2 * np.eye(5)[labels] + rng.normal(size=(4000, 5))
    noise = rng.normal(size=(4000, 5))
    informed, useless = fit_scales([truth.astype(np.float32), noise.astype(np.float32)], labels)
    assert informed > 1
    assert 0 <= useless < 0.1


def test_epochs_since_best_counts_from_the_first_best():
    log = [{"val_macro_f1": value} for value in (0.5, 0.7, 0.7, 0.6)]
    assert epochs_since_best(log) == 2
    assert epochs_since_best([]) == 0
