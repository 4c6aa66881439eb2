import importlib
from pathlib import Path

import numpy as np
import pytest

from memotions_hf.modeling.artifact import BUNDLED_FOLDER

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("inference")


@pytest.fixture
def systems(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("inference_systems")


def test_ratios_are_within_a_round_and_above_one_where_we_are_better(benchmark):
    ours = [{"texts_per_second": 600.0, "peak_memory": 10}, {"texts_per_second": 60.0} | MEMORY]
    other = [{"texts_per_second": 2.0, "peak_memory": 30}, {"texts_per_second": 0.3} | MEMORY]
    ratios = benchmark.ratios_to_ours(ours, other)
    assert ratios["texts_per_second"] == {"median": 250.0, "low": 200.0, "high": 300.0}
    assert ratios["peak_memory"]["high"] == 3.0


MEMORY = {"peak_memory": 10}


@pytest.mark.parametrize(("value", "met"), [(500.0, True), (499.9, False), (None, None)])
def test_a_target_is_met_from_its_bound_on(benchmark, value, met):
    target = benchmark.Target("times", ("ratios", "median"), at_least=500)
    assert target.judge({"ratios": None if value is None else {"median": value}})["met"] is met


def test_a_bound_from_above_is_not_met_at_the_bound(benchmark):
    target = benchmark.Target("seconds", ("seconds",), below=0.5)
    assert target.judge({"seconds": 0.5})["met"] is False
    assert target.judge({"seconds": 0.49})["met"] is True


def test_texts_have_the_length_that_is_asked_for(benchmark):
    texts = benchmark.texts_of_length(["aku senang sekali", "capek"], words=64, count=5)
    assert [len(text.split()) for text in texts] == [64] * 5


def test_a_process_measures_our_classifier(benchmark):
    with benchmark.open_workers({"ours": BUNDLED_FOLDER}) as workers:
        alone = workers["ours"].ask(["aku senang", "aku takut"])
        batched = workers["ours"].ask(["aku senang"] * 5, 4)
    assert (len(alone["seconds"]), len(batched["seconds"])) == (2, 1)
    assert min(alone["seconds"]) > 0
    assert 20e6 < batched["peak_memory"] < 2e9


def test_the_svc_scores_alike_from_its_files(systems, tmp_path):
    from memotions_hf.evaluation.baselines import TfidfSVC

    texts = ["aku senang sekali hari ini", "aku sedih sekali hari ini", "aku takut sekali"] * 4
    labels = [1, 0, 4] * 4
    systems.save_svc(texts, labels, tmp_path)
    expected = TfidfSVC(texts, np.array(labels)).scores(texts)
    found = systems.tfidf_svc(tmp_path).batch(texts, 256)
    np.testing.assert_array_equal(found, expected)
