import os

import numpy as np
import pytest

from memotions_hf.cards.names import OPINION_FOUR_SET, OPINION_SET
from memotions_hf.cards.tables import detail_table, macro_f1_table, per_class_table
from memotions_hf.corpus import Row
from memotions_hf.corpus.merge import MergeOptions, merge
from memotions_hf.evaluation.baselines import KEYWORDS, KeywordRule, MajorityClass, TfidfSVC
from memotions_hf.evaluation.calibration import reliability_bins
from memotions_hf.evaluation.evaluate import (
    ProbabilitySystem,
    TestSet,
    build_test_sets,
    evaluate_systems,
)
from memotions_hf.evaluation.metrics import expected_calibration_error
from memotions_hf.evaluation.plots import (
    plot_calibration,
    plot_confusion_matrix,
    plot_learning_curve,
)
from memotions_hf.labels import LABEL2ID, LABELS
from memotions_hf.text import grouping_key

TEXTS = [
    "aku sedih sekali",
    "senang banget hari ini",
    "makan siang jam dua",
    "marah besar",
    "takut",
]
LABEL_IDS = np.arange(5)
BINS = [  # nobody right, and everybody right
    {"low": 0.2, "high": 0.4, "rows": 2, "confidence": 0.31, "accuracy": 0.0},
    {"low": 0.8, "high": 1.0, "rows": 900, "confidence": 0.97, "accuracy": 1.0},
]

needs_mirror = pytest.mark.skipif(
    "MEMOTIONS_MIRROR" not in os.environ, reason="needs the corpus mirror (MEMOTIONS_MIRROR)"
)


def test_majority_class_answers_the_most_frequent_training_class():
    assert MajorityClass(np.array([3, 3, 1])).scores(["apa saja"]).argmax(1).tolist() == [3]


def test_keyword_rule_counts_words_and_falls_back_to_neutral_or_to_the_majority():
    scores = KeywordRule(np.array([1, 1, 0])).scores(
        ["Aku SEDIH, tapi takut dan cemas", "rapat pukul dua", "tidak bahagiakah?"]
    )
    assert scores.argmax(1)[:2].tolist() == [LABEL2ID["fear"], LABEL2ID["neutral"]]
    without_neutral = np.delete(scores, LABEL2ID["neutral"], axis=1)
    assert without_neutral[1].argmax() == LABEL2ID["happy"]


def test_the_keyword_rule_has_the_42_words_that_the_card_speaks_of():
    words = [word for words in KEYWORDS.values() for word in words]
    assert len(words) == len(set(words)) == 42
    assert set(KEYWORDS) == set(LABELS) - {"neutral"}


def test_tfidf_svc_learns_and_never_answers_a_class_it_has_not_seen():
    texts = [f"{word} {i}" for word in ("sedih banget aku", "senang sekali kami") for i in range(9)]
    svc = TfidfSVC(texts, np.repeat([0, 1], 9))
    scores = svc.scores(["aku sedih banget", "kami senang sekali"])
    assert scores.argmax(1).tolist() == [0, 1]
    assert np.isneginf(scores[:, 2:]).all()


def test_evaluate_systems_restricts_answers_to_the_allowed_labels():
    always_neutral = np.tile([0.0, 0.3, 0.7, 0.0, 0.0], (5, 1))
    system = ProbabilitySystem(lambda texts: always_neutral[: len(texts)])
    sets = [
        TestSet("all", TEXTS, LABEL_IDS, ""),
        TestSet("four", TEXTS[:2], LABEL_IDS[:2], "", allowed=(0, 1, 3, 4)),
    ]
    result = evaluate_systems({"s": system}, sets, samples=20)["sets"]
    assert result["all"]["systems"]["s"]["accuracy"]["value"] == 0.2
    assert result["all"]["systems"]["s"]["ece"]["value"] == pytest.approx(0.5)
    assert result["four"]["systems"]["s"]["accuracy"]["value"] == 0.5
    assert result["four"]["systems"]["s"]["ece"] is None


def test_reliability_bins_count_every_row_and_give_the_calibration_error():
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.ones(5) * 0.4, size=500)
    probabilities[0] = [1, 0, 0, 0, 0]  # the upper edge belongs to the last bin
    labels = rng.integers(0, 5, 500)
    bins = reliability_bins(labels, probabilities)
    assert sum(entry["rows"] for entry in bins) == 500
    assert bins[-1]["high"] == 1
    assert all(entry["low"] <= entry["confidence"] <= entry["high"] for entry in bins)
    gaps = [entry["rows"] * abs(entry["confidence"] - entry["accuracy"]) for entry in bins]
    expected = expected_calibration_error(labels, probabilities)
    assert sum(gaps) / 500 == pytest.approx(expected, abs=1e-4)


def test_only_a_system_with_probabilities_of_every_class_has_reliability_bins():
    sure_of_happy = np.tile([0.0, 0.9, 0.1, 0.0, 0.0], (5, 1))
    systems = {
        "probable": ProbabilitySystem(lambda texts: sure_of_happy[: len(texts)]),
        "majority": MajorityClass(np.array([1])),
    }
    sets = [
        TestSet("all", TEXTS, LABEL_IDS, ""),
        TestSet("four", TEXTS[:2], LABEL_IDS[:2], "", allowed=(0, 1, 3, 4)),
    ]
    result = evaluate_systems(systems, sets, samples=20)["sets"]
    (only,) = result["all"]["systems"]["probable"]["reliability"]
    assert (only["rows"], only["confidence"], only["accuracy"]) == (5, 0.9, 0.2)
    assert "reliability" not in result["all"]["systems"]["majority"]
    assert "reliability" not in result["four"]["systems"]["probable"]


def test_tables_hold_every_set_and_system():
    system = MajorityClass(np.array([1]))
    result = evaluate_systems(
        {"ours": system, "other": system}, [TestSet("toy", TEXTS, LABEL_IDS, "")], samples=20
    )
    table = macro_f1_table(result)
    assert "ours" in table
    assert "| toy " in table
    assert "0.067 [" in table
    assert per_class_table(result, "toy").splitlines()[3].startswith("| happy   | 1    | 0.333 [")
    assert "F1 fear" in detail_table(result, "ours")
    assert len({len(line) for line in table.splitlines()}) == 1


def test_plots_are_png_files_and_the_same_for_the_same_numbers(tmp_path):
    log = [
        {"epoch": e, "loss": 1 / e, "val_loss": 1.2 / e, "val_macro_f1": 0.5 + e / 20}
        for e in (1, 2, 3)
    ]
    for name in ("a", "b"):
        plot_learning_curve(log, tmp_path / name / "curve.png")
        plot_confusion_matrix(np.eye(5, dtype=int) * 7, LABELS, "t", tmp_path / name / "cm.png")
        plot_calibration({"one": BINS, "other": BINS[:1]}, tmp_path / name / "bins.png")
    for file in ("curve.png", "cm.png", "bins.png"):
        first = (tmp_path / "a" / file).read_bytes()
        assert first.startswith(b"\x89PNG")
        assert first == (tmp_path / "b" / file).read_bytes()


@needs_mirror
def test_opinion_tweets_that_stand_in_the_corpus_are_left_out(corpus_with_an_opinion_tweet):
    corpus, tweet = corpus_with_an_opinion_tweet
    sets = {test_set.name: test_set for test_set in build_test_sets(corpus)}
    keys = {grouping_key(text) for text in sets[OPINION_SET].texts}
    assert grouping_key(tweet) not in keys
    assert len(keys) > 6000
    assert LABEL2ID["neutral"] not in sets[OPINION_FOUR_SET].labels
    assert sets[OPINION_FOUR_SET].allowed == (0, 1, 3, 4)


@pytest.fixture
def corpus_with_an_opinion_tweet():
    from memotions_hf.corpus.merge import evaluation_examples

    tweet = evaluation_examples("opinion")[0].text
    rows = [
        Row(f"r{i}", f"{tweet if i == 0 else 'catatan'} {i or ''}", "journal", label, None)
        for i, label in enumerate(LABELS * 4)
    ]
    return merge(MergeOptions(sources=("journal",)), rows=rows), tweet


@needs_mirror
def test_the_official_emot_test_is_whole_and_none_of_it_is_trained_on():
    corpus = merge(MergeOptions(sources=("emot", "saputri")))
    sets = {test_set.name: test_set for test_set in build_test_sets(corpus)}
    official = sets["emot/official-test"]
    assert len(official.texts) == 440
    trained = {grouping_key(example.text) for example in corpus.split("train")}
    assert not trained & {grouping_key(text) for text in official.texts}
