"""Model cards: valid metadata, and every number from the metrics."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from memotions_hf.cards.energy import read_assumptions
from memotions_hf.cards.model_card import render_model_card
from memotions_hf.errors import InputError
from memotions_hf.labels import LABELS
from memotions_hf.modeling.artifact import (
    ARTIFACT_FILES,
    KERAS_FILES,
    TWIN_FILES,
    ArtifactConfig,
)
from memotions_hf.modeling.bilstm import BiLSTMConfig

CONFIG = ArtifactConfig(
    model=BiLSTMConfig(12_000),
    recipe="memotions-bilstm",
    recipe_version=3,
    license="CC-BY-NC-SA-4.0",
    max_length=512,
    temperature=1.25,
    versions={"memotions-hf": "9.8.7"},
)


BUCKETS = 50_021
WITH_LINEAR = replace(CONFIG, model=replace(CONFIG.model, pair_buckets=BUCKETS))


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.011, "high": value + 0.012}


def scores(value: float, ece: float | None = None) -> dict[str, Any]:
    return {
        "macro_f1": interval(value),
        "accuracy": interval(value + 0.1),
        "ece": None if ece is None else interval(ece),
        "per_class": {
            label: {
                "precision": 0.601 + number / 100,
                "recall": 0.702 + number / 100,
                "f1": 0.503 + number / 100,
                "support": 1_230 + number,
            }
            for number, label in enumerate(LABELS)
        },
        "confusion": [[1] * 5] * 5,
    }


BINS = [
    {"low": 0.4667, "high": 0.5333, "rows": 1_017, "confidence": 0.5012, "accuracy": 0.4321},
    {"low": 0.9333, "high": 1.0, "rows": 1_992, "confidence": 0.9812, "accuracy": 0.9123},
]


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": median * 0.9, "high": median * 1.1}


METRICS: dict[str, Any] = {
    "recipe": {"name": "memotions-bilstm", "version": 3, "batch_size": 64, "lstm_units": [128]},
    "training": {
        "seconds": 753.0,
        "epochs": 7,
        "best_epoch": 5,
        "parameters": 2_196_486,
        "cpu_cores": 2,
        "seed": 4242,
        "versions": {"keras": "3.15.1"},
    },
    "corpus": {
        "splits": {"train": 24_321, "validation": 3_003, "test": 3_009},
        "sources": {
            "emot": {
                "train": 2_800,
                "validation": 411,
                "test": 440,
                "license": "CC-BY-NC-SA-4.0",
                "title": "IndoNLU | EmoT",
                "citation": "Wilie et al. (2020)",
                "terms": "Share\nalike.",
            },
            "journal": {"train": 2_790, "validation": 350, "test": 349, "license": "CC-BY-4.0"},
        },
    },
    "evaluation": {
        "labels": list(LABELS),
        "bootstrap": {"samples": 1000, "confidence": 0.95},
        "sets": {
            "merged/test": {
                "rows": 3_009,
                "description": "the merged test split",
                "systems": {
                    "memotions-bilstm": scores(0.7123, 0.0371) | {"reliability": BINS},
                    "tfidf-svc": scores(0.6541),
                    "keyword-rule": scores(0.3021),
                    "majority": scores(0.0912),
                },
            },
            "opinion": {
                "rows": 6_999,
                "systems": {
                    "memotions-bilstm": scores(0.5512, 0.1111),
                    "keyword-rule": scores(0.7651),
                },
            },
        },
    },
    "sizes": {"model.onnx": 4_412_345, "tokenizer.json": 900_000},
    "speed": {
        "texts": {"count": 4_096, "source": "corpora", "mean_characters": 101.6},
        "batch_size": 256,
        "repeats": 7,
        "texts_per_second": {"onnx": spread(3_210), "keras": spread(1_050)},
        "cpu_milliseconds_a_text": {"onnx": spread(0.62), "keras": spread(1.87)},
        "milliseconds_for_one": {"onnx": spread(4.2), "keras": spread(31.7)},
        "first_answer": spread(0.44),
        "peak_memory": 251_900_000,
        "machine": {
            "cores": 2,
            "load": 0.3,
            "architecture": "x86_64",
            "system": "Linux",
            "python": "3.11.7",
            "libraries": {"onnxruntime": "1.29.0", "keras": "3.15.1"},
        },
    },
}


def metadata(card: str) -> Any:
    return ModelCard(card, ignore_metadata_errors=False).data


def test_metadata_and_model_index() -> None:
    data = metadata(render_model_card(CONFIG, METRICS))
    assert (data.language, data.license, data.library_name) == ("id", "cc-by-nc-sa-4.0", "keras")
    assert data.pipeline_tag == "text-classification"
    results = {(r.dataset_type, r.metric_type): r for r in data.eval_results}
    assert len(results) == 4
    assert results["merged", "f1"].metric_value == 0.7123
    assert results["merged", "f1"].metric_args == {"average": "macro"}
    assert results["opinion", "accuracy"].metric_value == 0.6512
    assert results["opinion", "f1"].dataset_split == "test"


def test_numbers_come_from_the_metrics() -> None:
    card = render_model_card(CONFIG, METRICS, files=ARTIFACT_FILES, repo_id="someone/model")
    for expected in (
        "0.712 [0.701, 0.724]",  # ours on merged/test
        "0.654 [0.643, 0.666]",  # the linear model beside it
        "0.302 [0.291, 0.314]",
        "0.091 [0.080, 0.103]",
        "0.812 [0.801, 0.824]",  # accuracy
        "0.037 [0.026, 0.049]",  # calibration error
        "95% intervals from 1,000",
        "scores 0.765 on them",  # the rule's score beside the opinion tweets
        "24,321",
        "2,196,230 parameters",
        "12.6 minutes on 2 CPU cores",
        "Seed 4242",
        "temperature 1.250",
        "4.4 MB",
        "keras 3.15.1",
        "version = {9.8.7}",
        "IndoNLU \\| EmoT",
        "Share alike.",
        "- Wilie et al. (2020)",
        "(plots/confusion_matrix.png)",
        "(plots/learning_curve.png)",
        "(plots/calibration.png)",
        "scores higher on 0 of the 1 test sets",
        "0.037 [0.026, 0.049] on `merged/test`, 0.111 [0.100, 0.123] on `opinion`",
        "3,210 (2,889 to 3,531)",
        "1,050 (945 to 1,155)",
        "0.62 (0.56 to 0.68)",
        "4.2 (3.8 to 4.6)",
        "0.44 (0.40 to 0.48)",
        "251.9 MB",
        "Median of 7 repetitions",
        "2 x86_64 cores, Linux, Python 3.11.7, onnxruntime 1.29.0, keras 3.15.1",
        "4,096 texts of 102 characters",
        'from_pretrained("someone/model")',
        'load_model("hf://someone/model")',
    ):
        assert expected in card, expected
    assert cells(card, "| fear ") == ["fear", "0.641", "0.742", "0.543", "1,234"]
    assert cells(card, "| 47% to 53% ") == ["47% to 53%", "1,017", "0.501", "0.432"]
    assert cells(card, "| together ") == ["together", "5.3 MB"]


LINEAR_WORDS = ("linear path", "Two parts", "buckets", "SVC", "weighed", "BiLSTM alone", "arxiv")


def training_of(card: str) -> str:
    """Return what a card says of the model and its training, where a linear path is explained."""
    opening = card.partition("\n# ")[2].partition("\n## ")[0]
    return opening.partition("A linear model over TF-IDF")[0] + section(card, "Training procedure")


def test_a_model_with_a_linear_path_says_what_it_is_and_how_it_was_made() -> None:
    card = render_model_card(WITH_LINEAR, METRICS, files=ARTIFACT_FILES)
    text = training_of(card)
    labels, tokens = WITH_LINEAR.model.num_labels, WITH_LINEAR.model.vocab_size
    linear = labels * (tokens + BUCKETS)
    for expected in (
        *LINEAR_WORDS[:-2],
        f"{tokens:,} subword tokens and of {BUCKETS:,} buckets",
        f"{linear:,} parameters",  # of the linear path
        "2,196,230 parameters",  # of the BiLSTM
        f"): {2_196_230 + linear:,} parameters.",  # of both
        "12.6 minutes on 2 CPU cores for all of it. Seed 4242.",
        "Of its 7 epochs, number 5 had the best",
        "divided by 1.250",
        "The curve is the BiLSTM's alone",
        "[Cheng et al. 2016, ",
        "[Bojanowski et al. 2017](",
        "[Guo et al. 2017](",
        "keras 3.15.1",
    ):
        assert expected in text, expected
    assert [line[:2] for line in text.splitlines() if re.match(r"\d\.", line)] == ["1.", "2.", "3."]
    assert "7 epochs in" not in text
    assert "Calibrated on validation" not in text


def test_a_model_without_a_linear_path_says_nothing_of_one() -> None:
    text = training_of(render_model_card(CONFIG, METRICS, files=ARTIFACT_FILES))
    assert [word for word in LINEAR_WORDS if word in text] == []
    assert "(plots/learning_curve.png)" in text
    assert "2,196,230 parameters" in text
    assert "7 epochs in 12.6 minutes" in text


def test_the_best_epoch_is_said_to_be_of_the_bilstm_alone() -> None:
    metrics = copy.deepcopy(METRICS)
    metrics["training"]["best_val_macro_f1"] = 0.68765
    assert "BiLSTM alone" not in render_model_card(WITH_LINEAR, metrics)
    metrics["training"]["val_macro_f1"] = 0.7319
    text = section(render_model_card(WITH_LINEAR, metrics), "Training procedure")
    assert "0.688 for the BiLSTM alone, at its best epoch, and is 0.732 for the finished" in text
    assert "0.732" not in training_of(render_model_card(CONFIG, metrics))


def cells(card: str, start: str) -> list[str]:
    """Return the cells of the first table row that starts so."""
    row = next(line for line in card.splitlines() if line.startswith(start))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_another_value_gives_another_card() -> None:
    metrics = copy.deepcopy(METRICS)
    sets = metrics["evaluation"]["sets"]
    sets["merged/test"]["systems"]["memotions-bilstm"]["macro_f1"] = interval(0.6)
    card = render_model_card(CONFIG, metrics)
    assert "0.712 [" not in card
    assert "0.600 [0.589, 0.612]" in card


def test_a_system_that_was_not_run_on_a_set_is_a_dash() -> None:
    card = render_model_card(CONFIG, METRICS)
    assert cells(card, "| opinion ")[3] == "-"


def test_a_set_of_one_class_and_a_source_without_rows_are_explained() -> None:
    metrics = copy.deepcopy(METRICS)
    only = metrics["evaluation"]["sets"]["opinion"]["systems"]["memotions-bilstm"]
    only["per_class"] = {"neutral": only["per_class"]["neutral"]}
    metrics["corpus"]["sources"]["saputri"] = {"title": "The same tweets", "train": 0}
    metrics["corpus"]["merge"] = {"read": {"saputri": 4_401}, "duplicate": {"saputri": 4_397}}
    card = render_model_card(CONFIG, metrics)
    assert "A set of one class only (`opinion`)" in card
    assert "The same tweets adds no row: 4,397 of its 4,401 rows" in card
    plain = render_model_card(CONFIG, METRICS)
    assert "one class only" not in plain
    assert "adds no row" not in plain


def test_the_linear_baseline_is_never_passed_over() -> None:
    metrics = copy.deepcopy(METRICS)
    systems = metrics["evaluation"]["sets"]["merged/test"]["systems"]
    systems["tfidf-svc"]["macro_f1"] = interval(0.9)
    card = render_model_card(CONFIG, metrics)
    assert "scores higher on 1 of the 1 test sets" in card[: card.index("## How to load it")]


def section(card: str, title: str) -> str:
    return card.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_energy_is_estimated_from_measured_processor_time() -> None:
    metrics = copy.deepcopy(METRICS)
    metrics["training"]["cpu_seconds"] = 7_200.0
    card = render_model_card(CONFIG, metrics)
    assumed = read_assumptions()
    watt_hours = 2 * assumed["core_power"]["value"]
    grams = watt_hours / 1000 * assumed["carbon_intensity"]["value"]
    text = section(card, "Energy and carbon")
    assert "2.00 core-hours of processor time, as measured" in text
    assert f"**{watt_hours:.1f} Wh** ({2 * assumed['core_power']['low']:.1f} to" in text
    assert f"**{grams:.1f} g**" in text
    assert "at most" not in text
    assert metadata(card).to_dict()["co2_eq_emissions"]["emissions"] == round(grams, 1)


def test_energy_of_a_run_without_processor_time_is_an_upper_bound() -> None:
    card = render_model_card(CONFIG, METRICS)
    hours = 753 * 2 / 3600
    text = section(card, "Energy and carbon")
    assert "753 s on 2 cores" in text
    assert f"more than {hours:.2f} core-hours" in text
    assert f"at most **{hours * read_assumptions()['core_power']['value']:.1f} Wh**" in text
    assert "co2_eq_emissions" not in metadata(card).to_dict()


def test_a_busy_machine_is_owned_up_to() -> None:
    metrics = copy.deepcopy(METRICS)
    metrics["speed"]["machine"]["load"] = 4.2
    assert "a load of 4.2 before it began" in render_model_card(CONFIG, metrics)
    assert "busy" not in section(render_model_card(CONFIG, METRICS), "Speed and size")


def test_energy_in_use_comes_from_the_measured_speed() -> None:
    power = read_assumptions()["core_power"]["value"]
    text = section(render_model_card(CONFIG, METRICS), "Energy and carbon")
    assert f"takes 0.62 s of processor time, about **{0.62 / 3.6 * power:.1f} mWh**" in text
    metrics = {key: METRICS[key] for key in METRICS if key != "speed"}
    assert "mWh" not in render_model_card(CONFIG, metrics)


def test_every_assumption_about_energy_names_its_source() -> None:
    assumed = read_assumptions()
    for name in ("core_power", "carbon_intensity"):
        assert assumed[name]["value"] > 0
        assert all(assumed[name][key] for key in ("unit", "source", "table", "date"))
    power = assumed["core_power"]
    assert power["low"] < power["value"] < power["high"]


def snippets(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)


def test_the_ways_to_load_it_run(bundled_folder: Path) -> None:
    """As a reader would copy them, on the bundled model saved whole."""
    pytest.importorskip("keras", reason="needs the train extra")
    pytest.importorskip("transformers", reason="needs the transformers extra")
    card = render_model_card(CONFIG, METRICS, files=ARTIFACT_FILES, repo_id=str(bundled_folder))
    package, keras, transformers = snippets(card.replace("hf://", ""))
    best = []
    for snippet in (package, transformers):
        best.append(answer_of(snippet)[0])
    probabilities = answer_of(keras)[0]
    assert best[0]["label"] == best[1]["label"] == LABELS[probabilities.argmax()]
    for score in (best[1]["score"], probabilities.max()):
        assert score == pytest.approx(best[0]["score"], abs=1e-4)


def answer_of(snippet: str) -> Any:
    """Run a snippet, and return what its last line comes to."""
    *lines, last = snippet.strip().splitlines()
    names: dict[str, Any] = {}
    exec(compile("\n".join(lines), "card", "exec"), names)
    return eval(compile(last, "card", "eval"), names)


@pytest.fixture(scope="module")
def bundled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from memotions_hf import EmotionClassifier

    return EmotionClassifier.from_pretrained().save_pretrained(tmp_path_factory.mktemp("m") / "m")


def test_other_libraries_are_shown_only_where_they_can_load_it() -> None:
    without = render_model_card(CONFIG, METRICS)
    assert len(snippets(without)) == 1
    assert "save_pretrained" in without
    with_keras = render_model_card(CONFIG, METRICS, files=KERAS_FILES, repo_id="someone/model")
    assert len(snippets(with_keras)) == 2
    assert 'load_model("hf://someone/model")' in with_keras
    assert "trust_remote_code=True" not in without
    assert "\n\n\n" not in without
    with_twin = render_model_card(CONFIG, METRICS, files=TWIN_FILES, repo_id="someone/model")
    assert 'model="someone/model", trust_remote_code=True' in with_twin
    for word in ("modeling_memotions.py", "revision="):
        assert word in with_twin


def test_tables_are_whole() -> None:
    card = render_model_card(CONFIG, METRICS)
    blocks = [block for block in card.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 8
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


@pytest.mark.parametrize("config", [CONFIG, WITH_LINEAR], ids=["bilstm", "with linear path"])
@pytest.mark.parametrize("part", [None, *METRICS])
def test_every_part_may_be_missing(part: str | None, config: ArtifactConfig) -> None:
    metrics = {} if part is None else {key: METRICS[key] for key in METRICS if key != part}
    card = render_model_card(config, metrics)
    assert metadata(card).license == "cc-by-nc-sa-4.0"
    assert "$" not in card
    assert "None" not in card.replace("top_k=None", "")
    assert "\n\n\n" not in card
    if part in (None, "evaluation"):
        assert "has not been evaluated" in card
        assert metadata(card).eval_results is None


def test_what_a_card_must_say() -> None:
    card = render_model_card(CONFIG, {})
    words = ("crisis", "Diagnosis", "Minors", "sarcasm", "mix languages", "dialects", "employees")
    for word in words:
        assert word in card
    assert "CC-BY-NC-SA-4.0" in card
    assert "path/to/this/folder" in card
    assert "plots/" not in card


def test_an_unknown_licence() -> None:
    config = ArtifactConfig(CONFIG.model, "mine", 1, license="My-Licence-1.0")
    data = metadata(render_model_card(config, {}))
    assert (data.license, data.license_name) == ("other", "my-licence-1.0")


@pytest.mark.parametrize(
    "metrics",
    [
        {"evaluation": {"sets": {"merged/test": {}}}},
        {"evaluation": {"sets": [1, 2]}},
        {"training": {"epochs": 3}},
        {"corpus": {"sources": {"emot": None}}},
        {"sizes": {"model.onnx": "big"}},
        {"speed": {"repeats": 7}},
    ],
)
def test_metrics_of_another_form_are_refused(metrics: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="evaluate") as caught:
        render_model_card(CONFIG, metrics)
    assert "\n" not in str(caught.value)
