"""Model cards: valid metadata, and every number from the metrics."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from huggingface_hub import ModelCard

from memotions_hf.cards.model_card import render_model_card
from memotions_hf.errors import InputError
from memotions_hf.labels import LABELS
from memotions_hf.modeling.artifact import PLOT_FILES, ArtifactConfig
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
                    "memotions-bilstm": scores(0.7123, 0.0371),
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
    "sizes": {"model.onnx": 4_412_345},
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
    card = render_model_card(CONFIG, METRICS, plots=PLOT_FILES, repo_id="someone/model")
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
        'from_pretrained("someone/model")',
        'load_model("hf://someone/model")',
    ):
        assert expected in card, expected
    row = next(line for line in card.splitlines() if line.startswith("| fear "))
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "fear",
        "0.641",
        "0.742",
        "0.543",
        "1,234",
    ]


def test_another_value_gives_another_card() -> None:
    metrics = copy.deepcopy(METRICS)
    sets = metrics["evaluation"]["sets"]
    sets["merged/test"]["systems"]["memotions-bilstm"]["macro_f1"] = interval(0.6)
    card = render_model_card(CONFIG, metrics)
    assert "0.712 [" not in card
    assert "0.600 [0.589, 0.612]" in card


def test_a_system_that_was_not_run_on_a_set_is_a_dash() -> None:
    card = render_model_card(CONFIG, METRICS)
    line = next(line for line in card.splitlines() if line.startswith("| opinion "))
    assert [cell.strip() for cell in line.strip("|").split("|")][3] == "-"


def test_tables_are_whole() -> None:
    card = render_model_card(CONFIG, METRICS)
    blocks = [block for block in card.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 5
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


@pytest.mark.parametrize("part", [None, "recipe", "training", "corpus", "evaluation", "sizes"])
def test_every_part_may_be_missing(part: str | None) -> None:
    metrics = {} if part is None else {key: METRICS[key] for key in METRICS if key != part}
    card = render_model_card(CONFIG, metrics)
    assert metadata(card).license == "cc-by-nc-sa-4.0"
    assert "$" not in card
    assert "None" not in card
    assert "\n\n\n" not in card
    if part in (None, "evaluation"):
        assert "has not been evaluated" in card
        assert metadata(card).eval_results is None


def test_what_a_card_must_say() -> None:
    card = render_model_card(CONFIG, {})
    for word in ("crisis", "diagnosis", "Minors", "sarcasm", "mix languages", "employees"):
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
    ],
)
def test_metrics_of_another_form_are_refused(metrics: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="evaluate") as caught:
        render_model_card(CONFIG, metrics)
    assert "\n" not in str(caught.value)
