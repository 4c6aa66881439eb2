import dataclasses
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("keras", reason="training needs the train extra")
pytest.importorskip("Sastrawi", reason="the reference system needs PySastrawi")

import keras
from support.small_corpus import write_small_mirror

from memotions_hf.cli import main
from memotions_hf.corpus import Row
from memotions_hf.corpus.merge import MergeOptions, merge
from memotions_hf.errors import InputError, MissingExtraError, ModelLoadError
from memotions_hf.labels import LABELS
from memotions_hf.training import RECIPES, Recipe, get_recipe, reference_2024_recipe
from memotions_hf.training.log import read_log
from memotions_hf.training.reference_2024 import (
    REFERENCE_2024,
    BestOnAccuracy,
    Reference2024Recipe,
    TrainedReference,
    build_reference_2024,
    count_parameters,
    learning_rate_after,
    prepare,
    train_reference_2024,
)
from memotions_hf.training.reference_2024_recipe import (
    new_stop_word_remover,
    pad_indices,
    word_indices,
    words_of,
)

WORDS = {
    "sad": "sedih murung menangis kehilangan sepi",
    "happy": "senang gembira tertawa bahagia lega",
    "neutral": "rapat jadwal kereta makan berangkat",
    "anger": "marah kesal geram dongkol jengkel",
    "fear": "takut cemas gemetar ngeri panik",
}
TINY = Reference2024Recipe(
    name="tiny-2024",
    version=1,
    embedding_dim=16,
    lstm_units=(8,),
    lstm_dropout=0.0,
    recurrent_dropout=0.05,
    dropout=0.0,
    dense_units=8,
    l2=1e-3,
    learning_rate=2e-2,
    batch_size=8,
    epochs=5,
)


def rows(count, label_of=lambda number: LABELS[number % 5]):
    rng = np.random.default_rng(0)
    for number in range(count):
        label = label_of(number)
        words = rng.permutation(WORDS[label].split())[:3]
        # A name of its own, in letters: rows that differ in their digits alone count as the same.
        name = "".join(chr(ord("a") + int(digit)) for digit in str(number * 7919 + 10_000))
        text = f"Catatan {name}: {' '.join(words)}!"
        yield Row(f"row-{number}", text, "journal", label, None)


@pytest.fixture(scope="module")
def corpus():
    return merge(MergeOptions(sources=("journal",)), rows=rows(200))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "run"
    return train_reference_2024(TINY, folder, corpus), folder


# Network -----------------------------------------------------------------------------------------


def test_the_network_has_the_published_number_of_parameters():
    model = build_reference_2024(73_173)
    assert model.count_params() == count_parameters(73_173) == 4_017_503


def test_the_network_is_built_as_it_was():
    model = build_reference_2024(100)
    embedding, *lstms, dropout, dense, answer = model.layers
    cells = [layer.forward_layer for layer in lstms]
    assert [cell.units for cell in cells] == [32, 64, 128]
    assert [cell.return_sequences for cell in cells] == [True, True, False]
    assert {(cell.dropout, cell.recurrent_dropout) for cell in cells} == {(0.3, 0.3)}
    assert (embedding.output_dim, dropout.rate, dense.units, answer.units) == (50, 0.3, 32, 5)
    assert dense.kernel_regularizer.l2 == pytest.approx(0.3)
    assert (dense.activation.__name__, answer.activation.__name__) == ("relu", "softmax")


def test_padding_is_read_like_a_word():
    model = build_reference_2024(10, TINY)
    short, padded = np.array([[3, 4]], np.int32), np.array([[3, 4, 0, 0]], np.int32)
    assert not model.layers[0].mask_zero
    assert np.abs(np.asarray(model(short)) - np.asarray(model(padded))).max() > 1e-6


# Preparation -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Senang BANGET!!!", "senang banget"),
        ("capek\n\tbanget…  😢", "capek banget"),
        ("rumah-nya (baru)", "rumah"),
        ("skor_ujian 90", "skor_ujian 90"),
        ("", ""),
        ("?!", ""),
    ],
)
def test_a_text_is_read_as_lower_case_words(text, expected):
    assert prepare(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kesal #macet @budi", "kesal macet budi"),
        ("cek www.contoh.id/berita", "cek www contoh id berita"),
        ("cek http://contoh.id", "cek http contoh id"),
        # The one thing that the pattern still finds, in lower case only, is this word itself.
        ("cek https://contoh.id", "cek contoh id"),
        ("cek HTTPS://contoh.id", "cek https contoh id"),
    ],
)
def test_addresses_mentions_and_hashtags_stay_since_punctuation_goes_first(text, expected):
    assert prepare(text) == expected


@pytest.mark.parametrize(
    "negation", ["tidak", "bukan", "belum", "jangan", "tak", "enggak", "tanpa", "kurang"]
)
def test_most_negations_are_dropped(negation):
    assert prepare(f"{negation} bahagia") == prepare("bahagia") == "bahagia"


@pytest.mark.parametrize("negation", ["gak", "nggak", "ga"])
def test_short_negations_are_not_in_the_list(negation):
    assert prepare(f"{negation} bahagia") == f"{negation} bahagia"


def test_several_stop_words_in_a_row_all_go():
    assert prepare("Aku merasa sendirian dan tidak bisa tidur") == "tidur"


def test_stop_words_are_whole_words():
    assert prepare("tidakpastian di dinding") == "tidakpastian dinding"


def test_the_list_is_of_words_and_those_with_a_hyphen_never_match():
    hyphened = "berkali-kali"
    stop_words = new_stop_word_remover().dictionary.words
    assert {"tidak", "aku", "merasa", "kali", hyphened} <= set(stop_words)
    assert prepare(f"menangis {hyphened}") == "menangis berkali"


@given(st.text(max_size=80))
def test_any_text_is_prepared_to_words_without_stop_words(text):
    prepared = prepare(text)
    assert prepared == " ".join(prepared.split()) == prepared.lower()
    assert not set(prepared.split(" ")) & set(new_stop_word_remover().dictionary.words)
    assert all(word.replace("_", "x").isalnum() for word in words_of(prepared))


def test_without_pysastrawi_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, reference_2024_recipe._FACTORY_MODULE, None)
    with pytest.raises(MissingExtraError, match=r"^Sastrawi is not installed.*hf\[train") as error:
        new_stop_word_remover()
    assert "\n" not in str(error.value)


def test_another_package_in_its_place_is_refused(tmp_path, monkeypatch):
    module = tmp_path / "Sastrawi" / "StopWordRemover" / "StopWordRemoverFactory.py"
    module.parent.mkdir(parents=True)
    module.write_text(
        "class StopWordRemoverFactory:\n    def get_stop_words(self):\n        return ['yang']\n"
    )
    for folder in (module.parent, module.parent.parent):
        (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "Sastrawi"]:
        monkeypatch.delitem(sys.modules, name)
    try:
        with pytest.raises(MissingExtraError, match="not that of PySastrawi") as error:
            new_stop_word_remover()
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "Sastrawi"]:
            del sys.modules[name]
    assert "\n" not in str(error.value)


def test_texts_are_padded_behind_and_cut_at_the_end():
    indices = word_indices(["cemas", "lega", "sepi"])
    assert indices == {"cemas": 1, "lega": 2, "sepi": 3}
    padded = pad_indices([["lega"], ["sepi", "asing", "cemas"], ["sepi"] * 5, []], indices, 4)
    # An unknown word is the same 0 as the padding, in its place.
    assert padded.tolist() == [[2, 0, 0, 0], [3, 0, 1, 0], [3, 3, 3, 3], [0, 0, 0, 0]]


# Training ----------------------------------------------------------------------------------------


def test_two_plateaus_bring_the_rate_from_the_first_to_the_last_that_was_published():
    rising = [0.1, 0.2, 0.3]
    assert learning_rate_after([], REFERENCE_2024) == 1e-3
    assert learning_rate_after([*rising, 0.3, 0.4, 0.4], REFERENCE_2024) == pytest.approx(9e-5)
    assert learning_rate_after([0.5] * 50, REFERENCE_2024) == 1e-6


@pytest.mark.parametrize("patience", [1, 2])
def test_the_learning_rate_falls_as_with_kerass_own_callback(patience):
    recipe = dataclasses.replace(REFERENCE_2024, plateau_patience=patience)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(recipe.learning_rate), "mse")
    callback = keras.callbacks.ReduceLROnPlateau(
        "val_accuracy", factor=0.3, patience=patience, min_lr=1e-6, mode="max"
    )
    callback.set_model(model)
    callback.on_train_begin()
    # Steps of less than what counts as a rise are among them.
    accuracies = (0.5 + np.random.default_rng(3).normal(0, 1e-4, 40).cumsum()).tolist()
    seen = set()
    for epoch, accuracy in enumerate(accuracies):
        callback.on_epoch_end(epoch, {"val_accuracy": accuracy})
        theirs = float(model.optimizer.learning_rate.numpy())
        assert learning_rate_after(accuracies[: epoch + 1], recipe) == pytest.approx(theirs)
        seen.add(theirs)
    assert len(seen) > 3


def test_training_learns_what_is_easy(trained, corpus):
    model, _ = trained
    test = corpus.split("test")
    scores = model.scores([example.text for example in test])
    assert scores.shape == (len(test), 5)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    correct = [
        LABELS[label] == one.label for label, one in zip(scores.argmax(1), test, strict=True)
    ]
    assert np.mean(correct) > 0.6  # by chance: 0.2


def test_the_facts_and_the_log_tell_the_same(trained, corpus):
    model, folder = trained
    log, training = read_log(folder / "training_log.csv"), model.facts["training"]
    best = max(log, key=lambda row: row["val_accuracy"])
    assert training["epochs"] == len(log) <= TINY.epochs
    assert training["best_epoch"] == best["epoch"]
    assert training["best_val_accuracy"] == best["val_accuracy"]
    assert training["best_val_macro_f1"] == best["val_macro_f1"]
    assert training["seconds"] > 0
    assert training["cpu_seconds"] > 0
    assert training["parameters"] == model.model.count_params()
    assert training["vocabulary"] == len(model.vocabulary)
    assert training["longest_text"] == model.longest == 5
    assert set(training["versions"]) == {"memotions-hf", "keras", "tensorflow", "PySastrawi"}
    assert model.facts["recipe"] == TINY.to_dict()
    splits = {name: len(corpus.split(name)) for name in ("train", "validation")}
    assert model.facts["corpus"]["splits"] == splits
    json.dumps(model.facts)


def test_the_best_epoch_is_what_is_kept(trained, corpus):
    model, _ = trained
    validation = corpus.split("validation")
    predicted = model.scores([example.text for example in validation]).argmax(1)
    correct = [LABELS[label] == one.label for label, one in zip(predicted, validation, strict=True)]
    assert np.mean(correct) == pytest.approx(model.facts["training"]["best_val_accuracy"], abs=1e-5)


def test_the_vocabulary_is_of_every_row_but_those_of_the_test(trained, corpus):
    model, _ = trained

    def words(*splits):
        texts = [one.text for split in splits for one in corpus.split(split)]
        return {word for text in texts for word in words_of(prepare(text))}

    assert model.vocabulary == sorted(words("train", "validation"))
    assert words("validation") - words("train")
    assert words("test") - set(model.vocabulary)


def test_without_a_validation_split_a_tenth_of_the_rows_is_put_aside(tmp_path):
    options = MergeOptions(sources=("journal",), validation_fraction=0.0, test_fraction=0.0)
    whole = merge(options, rows=[*rows(100), Row("empty", "aku yang di?", "journal", "sad", None)])
    recipe = dataclasses.replace(TINY, epochs=1)
    facts = train_reference_2024(recipe, tmp_path / "run", whole).facts["corpus"]
    assert facts["splits"] == {"train": 90, "validation": 10}
    assert facts["sources"] == {"journal": 100}
    assert facts["without_words"] == 1


def test_training_stops_early_and_says_so(corpus, tmp_path):
    still = dataclasses.replace(TINY, learning_rate=0.0, patience=1)
    log = train_reference_2024(still, tmp_path / "run", corpus).facts["training"]
    assert (log["epochs"], log["best_epoch"]) == (2, 1)


@pytest.mark.parametrize("logged", [False, True], ids=["before-its-log", "after-its-log"])
def test_an_interrupted_run_goes_on_where_it_stopped(
    trained, corpus, tmp_path, monkeypatch, logged
):
    folder = tmp_path / "run"
    measure = BestOnAccuracy.on_epoch_end

    def stop_in_the_third_epoch(self, epoch, logs=None):
        if epoch < 2 or logged:
            measure(self, epoch, logs)
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BestOnAccuracy, "on_epoch_end", stop_in_the_third_epoch)
        with pytest.raises(KeyboardInterrupt):
            train_reference_2024(TINY, folder, corpus)
    epochs = [row["epoch"] for row in read_log(folder / "training_log.csv")]
    assert epochs == ([1, 2, 3] if logged else [1, 2])

    resumed = train_reference_2024(TINY, folder, corpus)
    log, unbroken = (read_log(where / "training_log.csv") for where in (folder, trained[1]))
    assert [row["epoch"] for row in log] == [row["epoch"] for row in unbroken]
    np.testing.assert_allclose(
        [row["loss"] for row in log], [row["loss"] for row in unbroken], rtol=0.05
    )
    finished = (folder / "training_log.csv").read_bytes()
    again = train_reference_2024(TINY, folder, corpus)
    assert (folder / "training_log.csv").read_bytes() == finished
    texts = [example.text for example in corpus.split("test")]
    np.testing.assert_array_equal(again.scores(texts), resumed.scores(texts))


def test_a_run_of_something_else_is_refused_and_left_alone(trained, corpus, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no training run"):
        train_reference_2024(TINY, tmp_path, corpus)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    other = merge(MergeOptions(sources=("journal",)), rows=rows(150))
    for recipe, given_corpus in ((dataclasses.replace(TINY, seed=1), corpus), (TINY, other)):
        with pytest.raises(InputError, match="another recipe or version, or on other rows"):
            train_reference_2024(recipe, trained[1], given_corpus)


def test_a_corpus_without_words_is_refused(tmp_path):
    empty = merge(
        MergeOptions(sources=("journal",), validation_fraction=0.0, test_fraction=0.0),
        rows=[Row("one", "aku dan dia", "journal", "sad", None)],
    )
    with pytest.raises(InputError, match="0 of the corpus's 1 training rows"):
        train_reference_2024(TINY, tmp_path / "run", empty)
    assert not (tmp_path / "run").exists()


# The trained system ------------------------------------------------------------------------------


def test_serving_one_entry_gives_what_scores_gives_over_a_fifth(trained):
    model, _ = trained
    for text in ("Senang, gembira, lega!", "takut dan marah", "tak dikenal"):
        (scores,) = model.scores([text])
        over = {LABELS[label]: value for label, value in enumerate(scores) if value > 0.2}
        served = model.serve_one(text)
        assert served == pytest.approx(over, abs=6e-4)
        assert all(round(value, 3) == value for value in served.values())


def test_serving_builds_a_stop_word_remover_for_each_call(trained, monkeypatch):
    from memotions_hf.training import reference_2024_model

    built = []

    def build():
        built.append(new_stop_word_remover())
        return built[-1]

    monkeypatch.setattr(reference_2024_model, "new_stop_word_remover", build)
    model, _ = trained
    model.serve_one("lega")
    model.serve_one("lega")
    model.scores(["lega"])
    assert len(built) == 2


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_entry_is_refused(trained, text):
    with pytest.raises(InputError, match="empty"):
        trained[0].serve_one(text)


def test_no_texts_have_no_scores(trained):
    assert trained[0].scores([]).shape == (0, 5)
    assert trained[0].scores([""]).shape == (1, 5)


def test_a_saved_model_answers_as_before(trained, corpus, tmp_path):
    model, _ = trained
    folder = model.save(tmp_path / "model")
    names = {path.name for path in folder.iterdir()}
    assert names == {"reference.json", "model.weights.h5", "metrics.json"}
    loaded = TrainedReference.load(folder)
    texts = [example.text for example in corpus.split("test")]
    np.testing.assert_array_equal(loaded.scores(texts), model.scores(texts))
    assert (loaded.recipe, loaded.vocabulary) == (model.recipe, model.vocabulary)
    assert (loaded.longest, loaded.facts) == (model.longest, model.facts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": None}, "has no recipe"),
        ({"recipe": {"name": "x"}}, "expected the keys"),
        ({"recipe": TINY.to_dict() | {"epochs": "nine"}}, "epochs is 'nine'"),
        ({"recipe": TINY.to_dict() | {"dropout": float("1e9")}}, "dropout is 1000000000.0"),
        ({"recipe": TINY.to_dict() | {"lstm_units": [0]}}, "without a size"),
        ({"recipe": TINY.to_dict() | {"lstm_units": [1] * 99}}, "more than 16 layers"),
        ({"recipe": TINY.to_dict() | {"lstm_units": [10**6]}}, "more than 100,000,000 parameters"),
        ({"recipe": TINY.to_dict() | {"lstm_units": [8, 8]}}, "does not fit"),
        ({"vocabulary": ["a", 1]}, "must be a list of words"),
        ({"vocabulary": ["a", "a"]}, "stands twice"),
        ({"vocabulary": ["a"]}, "weights"),
        ({"longest": True}, "longest is True"),
        ({"longest": 10**9}, "longest is 1000000000"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(trained, tmp_path, change, message):
    folder = trained[0].save(tmp_path / "model")
    settings = json.loads((folder / "reference.json").read_text())
    (folder / "reference.json").write_text(json.dumps(settings | change))
    with pytest.raises(ModelLoadError, match=message) as error:
        TrainedReference.load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["reference.json", "model.weights.h5", "metrics.json"])
def test_a_missing_or_cut_file_is_refused(trained, tmp_path, name):
    folder = trained[0].save(tmp_path / "model")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelLoadError, match=name):
        TrainedReference.load(folder)
    (folder / name).unlink()
    with pytest.raises(ModelLoadError, match=f"{name} is missing"):
        TrainedReference.load(folder)


# The recipe --------------------------------------------------------------------------------------


def test_the_recipe_is_found_by_name_beside_ours():
    recipe = get_recipe("memotions-2024")
    assert recipe is REFERENCE_2024
    assert not isinstance(recipe, Recipe)
    assert Reference2024Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_the_command_line_trains_and_saves_it(tmp_path, monkeypatch, capsys):
    write_small_mirror(tmp_path / "mirror", monkeypatch)
    small = dataclasses.replace(TINY, name="memotions-2024", sources=("emot",), epochs=1)
    monkeypatch.setitem(RECIPES, "memotions-2024", small)
    run = tmp_path / "run"
    assert main(["train", "--recipe", "memotions-2024", "--output", str(run)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run / "model")
    model = TrainedReference.load(run / "model")
    assert model.recipe == small
    assert sum(model.facts["corpus"]["splits"].values()) == 5
    assert (run / "training_log.csv").is_file()
