"""How much a leak inflates a score, on corpora small enough to know the answer."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from support.small_corpus import write_small_mirror

from memotions_hf.corpus import MergeOptions, Row, config_corpus, merge
from memotions_hf.corpus.download import DATA_FOLDER
from memotions_hf.evaluation.corpus_checks import measure_leak, measure_manner

pytest.importorskip("sklearn", reason="the train extra is not installed")
pytest.importorskip("rensa", reason="the data extra is not installed")

MEASUREMENTS = json.loads((DATA_FOLDER / "measurements.json").read_text(encoding="utf-8"))
needs_mirror = pytest.mark.skipif(
    "MEMOTIONS_MIRROR" not in os.environ, reason="needs the corpus mirror (MEMOTIONS_MIRROR)"
)

SYLLABLES = ("ba", "ci", "du", "ge", "ho", "ka", "li", "mu", "ne", "po", "ra", "si", "tu", "wa")


def nonsense(number: int) -> str:
    """A text that says nothing: words at random."""
    rng = random.Random(number)
    return " ".join(rng.choice(SYLLABLES) + rng.choice(SYLLABLES) for _ in range(8))


def test_a_model_that_has_seen_the_test_rows_scores_above_one_that_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_small_mirror(tmp_path, monkeypatch)
    labels = ("happy", "anger", "fear", "sadness")
    lines = [f"{labels[n % 4]},{nonsense(n)}" for n in range(160)]
    # Every text three times: most test rows of the naive split stand in its training rows.
    (folder / "emot/train_preprocess.csv").write_text("label,tweet\n" + "\n".join(lines * 3) + "\n")
    leak = measure_leak(MergeOptions(sources=("emot",)), progress=lambda line: None)
    assert leak["sources"] == ["emot"]
    copies = leak["naive_test_rows_with_a_copy_in_train"]
    assert copies > 0.8 * leak["naive"]["test_rows"]
    assert copies == leak["naive_seen"]["test_rows"]
    rest = leak["naive_unseen"]["test_rows"]
    assert copies + rest == leak["naive"]["test_rows"]
    assert leak["naive_seen"]["accuracy"] > 0.9
    assert leak["leak_free"]["accuracy"] < 0.6
    for key in ("accuracy", "macro_f1"):
        difference = leak["naive"][key] - leak["leak_free"][key]
        assert leak["inflation"][key] == pytest.approx(difference, abs=1e-3)


def test_what_one_source_teaches_is_scored_at_home_and_abroad() -> None:
    home = {"happy": "mentari pagi cerah", "sad": "hujan malam kelabu"}
    abroad = {"happy": "hujan malam kelabu", "sad": "mentari pagi cerah"}
    rows = []
    for number in range(120):
        label = ("happy", "sad")[number % 2]
        for source, words in (("journal", home), ("dair-emotion-id", abroad)):
            split = "test" if number % 5 == 0 else "train"
            text = f"{words[label]} {nonsense(number + 500 * (source == 'journal'))}"
            rows.append(Row(f"{source}-{number}", text, source, label, split))
    corpus = merge(MergeOptions(sources=("journal", "dair-emotion-id")), rows=rows)
    scores = {
        (row["trained_on"], row["tested_on"]): row
        for row in measure_manner(corpus, progress=lambda line: None)["rows"]
    }
    assert scores["journal/train", "journal/test"]["macro_f1"] > 0.9
    assert scores["journal/train", "every row of dair-emotion-id"]["macro_f1"] < 0.2
    assert scores["every other source", "every row of journal"]["macro_f1"] < 0.2


@needs_mirror
def test_the_recorded_measurements_are_of_this_corpus() -> None:
    corpus = config_corpus("merged")
    journal = [example for example in corpus.examples if example.source == "journal"]
    sizes = {(row["trained_on"], row["tested_on"]): row for row in MEASUREMENTS["manner"]["rows"]}
    own = sizes["journal/train", "journal/test"]
    assert own["training_rows"] == sum(example.split == "train" for example in journal)
    assert own["test_rows"] == sum(example.split == "test" for example in journal)
    other = sizes["every other source", "every row of journal"]
    # The everyday texts were written by the same authors.
    kin = [example for example in corpus.examples if example.source in ("journal", "everyday")]
    assert other["training_rows"] == len(corpus.examples) - len(kin)
    assert other["test_rows"] == len(journal)
    naive = config_corpus("memotions-2024")
    assert MEASUREMENTS["leak"]["naive"]["test_rows"] == len(naive.split("test"))
