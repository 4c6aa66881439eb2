"""The metric's repository: its folder and card, its figures, and how evaluate loads it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import HfApi, SpaceCard
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from support.hub import loopback_hub, without_xet

from memotions_hf.errors import InputError
from memotions_hf.evaluation import metrics as package_metrics
from memotions_hf.evaluation.metric import EVALUATE, METRIC_SDK, assemble_metric
from memotions_hf.evaluation.metrics import expected_calibration_error, score
from memotions_hf.labels import LABELS

evaluate = pytest.importorskip("evaluate", reason="the data extra is not installed")

ROOT = Path(__file__).resolve().parents[2]
CHECKED_IN = ROOT / "metrics" / "memotions-emotion"
REPO = "someone/memotions-emotion"
NAME = "memotions-emotion"
FILES = {"README.md", "index.html", "memotions-emotion.py", "metrics.py"}
# https://huggingface.co/docs/hub/spaces-config-reference
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
MAX_DESCRIPTION = 60
FIGURES = ("macro_f1", "accuracy", "ece", *(f"f1_{label}" for label in LABELS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembled repository, below its owner's folder; not to be written to."""
    target = tmp_path_factory.mktemp("metric") / REPO
    assemble_metric(target, repo=REPO)
    return target


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keeps evaluate, in this process, out of the caches of the machine."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", home / "modules")
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", home / "metrics")
        yield home


@pytest.fixture(scope="module")
def metric(folder: Path, caches: Path) -> Any:
    return evaluate.load(str(folder))


def random_rows(seed: int = 0, rows: int = 200) -> tuple[Any, Any, Any]:
    """Return references, predictions and probabilities of a system that is often right."""
    rng = np.random.default_rng(seed)
    references = rng.integers(0, 5, rows)
    probabilities = rng.dirichlet(np.ones(5), rows) + 0.4 * np.eye(5)[references]
    probabilities /= probabilities.sum(1, keepdims=True)
    return references, probabilities.argmax(1), probabilities


def read(place: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(place.iterdir())}


# The folder ---------------------------------------------------------------------------------------


def test_the_checked_in_metric_is_what_assemble_makes(folder: Path) -> None:
    assert read(CHECKED_IN) == read(folder), (
        "write it anew: python -c 'from pathlib import Path; from memotions_hf.evaluation.metric "
        'import assemble_metric; assemble_metric(Path("metrics/memotions-emotion"), '
        'repo="someone/memotions-emotion")\''
    )


def test_the_card_is_one_that_the_hub_lists_among_the_metrics(folder: Path) -> None:
    data: Any = SpaceCard.load(folder / "README.md").data
    assert data.sdk == METRIC_SDK == "static"
    assert data.tags == ["evaluate", "metric", "memotions"]
    assert {data.colorFrom, data.colorTo} <= COLOURS
    assert 0 < len(data.short_description) <= MAX_DESCRIPTION
    assert data.license == "apache-2.0"
    assert REPO in (folder / "index.html").read_text(encoding="utf-8")


def test_the_formulas_are_those_of_the_package(folder: Path) -> None:
    published = (folder / "metrics.py").read_bytes()
    assert published == Path(package_metrics.__file__).read_bytes()


def test_the_code_needs_nothing_but_numpy_datasets_and_evaluate(folder: Path) -> None:
    allowed = {"__future__", "collections", "typing", "numpy", "datasets", "evaluate"}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed
            elif isinstance(node, ast.ImportFrom):
                own = node.level == 1 and node.module == "metrics" and path.stem == NAME
                assert own or (node.level == 0 and str(node.module).split(".")[0] in allowed)


def test_an_earlier_metric_is_replaced_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / NAME
    assemble_metric(target, repo=REPO)
    (target / "README.md").write_text("old", encoding="utf-8")
    files = assemble_metric(target, repo=REPO)
    assert {path.name for path in files} == FILES
    assert read(target) == read(folder)
    (target / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="something else than this metric"):
        assemble_metric(target, repo=REPO)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (target / "mine.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("repo", ["metric", "a/b/c", "a/memotions.emotion", "a/metrics", "a/b c"])
def test_what_cannot_name_a_metric(repo: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        assemble_metric(tmp_path / "a" / "metric", repo=repo)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_metric_names_the_emotions_of_the_package_and_its_source(
    metric: Any, folder: Path
) -> None:
    assert metric.labels == LABELS
    assert metric.citation.strip() in (folder / "README.md").read_text(encoding="utf-8")


# The figures --------------------------------------------------------------------------------------

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(pairs)
def test_the_figures_agree_with_scikit_learn(metric: Any, rows: list[tuple[int, int]]) -> None:
    references, predictions = (list(column) for column in zip(*rows, strict=True))
    scores = metric.compute(predictions=predictions, references=references, bootstrap_samples=2)
    present = sorted(set(references))
    each = f1_score(references, predictions, labels=present, average=None, zero_division=0)
    expected = {f"f1_{LABELS[k]}": value for k, value in zip(present, each, strict=True)}
    expected["macro_f1"] = f1_score(
        references, predictions, labels=present, average="macro", zero_division=0
    )
    expected["accuracy"] = accuracy_score(references, predictions)
    values = {name: v for name, v in scores.items() if not name.endswith(("_low", "_high"))}
    assert values == pytest.approx(expected)  # no class that is absent, and no ece


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_those_that_memotions_reports(metric: Any, seed: int) -> None:
    references, predictions, probabilities = random_rows(seed)
    scores = metric.compute(
        predictions=predictions, references=references, probabilities=probabilities
    )
    reported = score(references, predictions, LABELS, probabilities)
    for name in ("macro_f1", "accuracy", "ece"):
        found = {key: scores[name + end] for key, end in (("value", ""), ("low", "_low"))}
        assert found | {"high": scores[name + "_high"]} == pytest.approx(reported[name], abs=5e-5)
    for label, row in reported["per_class"].items():
        for key in ("f1", "f1_low", "f1_high"):
            name = key.replace("f1", f"f1_{label}")
            assert scores[name] == pytest.approx(row[key], abs=5e-5)
    assert scores["ece"] == pytest.approx(expected_calibration_error(references, probabilities))


@pytest.mark.parametrize(("seed", "rows"), [(1, 1), (2, 2), (3, 5), (4, 20), (5, 100), (6, 400)])
def test_the_intervals_hold_the_value(metric: Any, seed: int, rows: int) -> None:
    references, _, probabilities = random_rows(seed, rows)
    scores = metric.compute(
        references=references, probabilities=probabilities, bootstrap_samples=200
    )
    for name in set(FIGURES) & set(scores):
        assert 0 <= scores[name + "_low"] <= scores[name] + 1e-12
        assert scores[name] - 1e-12 <= scores[name + "_high"] <= 1


def test_a_seed_and_a_confidence_choose_the_intervals(metric: Any) -> None:
    references, predictions, _ = random_rows()

    def interval(**options: Any) -> tuple[float, float]:
        scores = metric.compute(
            predictions=predictions, references=references, bootstrap_samples=200, **options
        )
        return scores["macro_f1_low"], scores["macro_f1_high"]

    assert interval(seed=1) == interval(seed=1)
    assert interval(seed=1) != interval(seed=2)
    narrow, wide = interval(confidence=0.5), interval(confidence=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_all_ways_to_give_the_same_rows_are_the_same(metric: Any) -> None:
    torch = pytest.importorskip("torch", reason="the transformers extra is not installed")
    references, predictions, probabilities = random_rows(rows=60)

    def scores(**rows: Any) -> dict[str, float]:
        found: dict[str, float] = metric.compute(**rows, bootstrap_samples=20)
        return found

    expected = scores(predictions=predictions, references=references, probabilities=probabilities)
    assert set(expected) == {name + end for name in FIGURES for end in ("", "_low", "_high")}
    assert expected == scores(references=references.tolist(), probabilities=probabilities.tolist())
    assert expected == scores(
        predictions=[LABELS[k] for k in predictions],
        references=references.astype(float),
        probabilities=torch.tensor(probabilities),
    )
    for start in range(0, 60, 25):
        part = slice(start, start + 25)
        metric.add_batch(references=references[part], probabilities=probabilities[part])
    assert expected == scores()
    for reference, row in zip(references, probabilities, strict=True):
        metric.add(prediction=row.argmax(), reference=reference, probabilities=row)
    assert expected == scores()
    assert len(metric) == 0


def test_other_classes_than_the_five(folder: Path, caches: Path) -> None:
    two = evaluate.load(str(folder), labels=["negative", "positive"])
    scores = two.compute(
        references=["negative", "positive"], predictions=[0, 0], bootstrap_samples=2
    )
    assert (scores["f1_negative"], scores["f1_positive"]) == (pytest.approx(2 / 3), 0)
    for labels in ("sad", [], ["sad"], ["sad", "sad"]):
        with pytest.raises(ValueError, match="expected different names"):
            evaluate.load(str(folder), labels=labels)


# Errors -------------------------------------------------------------------------------------------

HALF = [[0.5, 0.5, 0, 0, 0]]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({}, "no rows"),
        ({"predictions": [], "references": []}, "at least one row"),
        ({"predictions": [0]}, "references are missing"),
        ({"references": [0]}, "predictions are missing"),
        ({"probabilities": HALF}, "references are missing"),
        ({"predictions": [0, 1, 1], "references": [0, 1]}, "2 references and 3 predictions"),
        ({"probabilities": HALF, "references": [0, 1]}, "2 references and 1 probabilities"),
        ({"predictions": ["surprise"], "references": [0]}, "'surprise'; expected one of 0 (sad)"),
        ({"predictions": ["Sad"], "references": [0]}, "'Sad'"),
        ({"predictions": [0], "references": [5]}, "references hold 5"),
        ({"predictions": [-1], "references": [0]}, "predictions hold -1"),
        ({"predictions": [0.7], "references": [0]}, "0.7"),
        ({"predictions": [float("nan")], "references": [0]}, "nan"),
        ({"predictions": [None], "references": [0]}, "None"),
        ({"predictions": [True], "references": [0]}, "True"),
        ({"predictions": [{"label": "sad"}], "references": [0]}, "{'label': 'sad'}"),
        ({"predictions": HALF, "references": [0]}, "shape (1, 5); expected one class a row"),
        ({"predictions": 0, "references": [0]}, "no table"),
        ({"probabilities": [0.5], "references": [0]}, "shape (1,); expected 5 numbers a row"),
        ({"probabilities": [[0.5, 0.5]], "references": [0]}, "shape (1, 2)"),
        ({"probabilities": [[1], [0, 1]], "references": [0, 1]}, "rows of one length"),
        ({"probabilities": [list("abcde")], "references": [0]}, "expected 5 numbers"),
        ({"probabilities": [[2.0, -1, 0, 0, 0]], "references": [0]}, "from 0 to 1"),
        ({"probabilities": [[3.0, 1, 0, 0, 0]], "references": [0]}, "no logits"),
        ({"probabilities": [[float("nan")] * 5], "references": [0]}, "row 0"),
    ],
)
def test_inputs_that_cannot_be_used(metric: Any, rows: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)) as error:
        metric.compute(**rows)
    assert "\n" not in str(error.value)
    assert len(metric) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"bootstrap_samples": 0},
        {"bootstrap_samples": 1.5},
        {"confidence": 0},
        {"confidence": 95},
        {"seed": -1},
        {"seed": None},
    ],
)
def test_a_refused_option_keeps_the_rows(metric: Any, options: dict[str, Any]) -> None:
    metric.add_batch(predictions=[0, 1], references=[0, 0])
    with pytest.raises(ValueError, match=next(iter(options))) as error:
        metric.compute(**options)
    assert "\n" not in str(error.value)
    assert metric.compute(bootstrap_samples=2)["accuracy"] == 0.5


def test_probabilities_are_given_for_all_rows_or_none(metric: Any) -> None:
    metric.add_batch(predictions=[0], references=[0])
    with pytest.raises(ValueError, match="all or none"):
        metric.add_batch(predictions=[0], references=[0], probabilities=HALF)
    assert "ece" not in metric.compute(bootstrap_samples=2)
    assert "ece" in metric.compute(references=[0], probabilities=HALF, bootstrap_samples=2)


# The rest of evaluate -----------------------------------------------------------------------------


def test_it_combines_with_other_metrics(metric: Any, folder: Path, caches: Path) -> None:
    two = evaluate.load(str(folder), labels=["calm", *LABELS[1:]])
    both = evaluate.combine({"ours": metric, "other": two})
    references, predictions, probabilities = random_rows(rows=30)
    once = both.compute(predictions=predictions, references=references, bootstrap_samples=5)
    assert once["ours_accuracy"] == once["other_accuracy"] == np.mean(references == predictions)
    assert {"f1_sad", "f1_calm"} <= set(once)
    both.add_batch(predictions=predictions, references=references, probabilities=None)
    assert both.compute(bootstrap_samples=5) == once
    for prediction, reference, row in zip(predictions, references, probabilities, strict=True):
        both.add(prediction=prediction, reference=reference, probabilities=row)
    assert "ours_ece" in both.compute(bootstrap_samples=5)


def test_the_evaluator_uses_it_with_a_model(metric: Any) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra is not installed")
    import torch
    from datasets import ClassLabel, Dataset, Features, Value
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(
        models.WordLevel({"[PAD]": 0, "?": 1, "aku": 2, "sedih": 3}, unk_token="?")
    )  # fmt: skip
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="?", model_max_length=16
    )
    config = transformers.BertConfig(
        vocab_size=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, max_position_embeddings=16, id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([9.0, 0, 0, 0, 0]))  # it says sad, always
    features = Features({"text": Value("string"), "label": ClassLabel(names=list(LABELS))})
    data = Dataset.from_dict({"text": ["aku", "sedih", "aku"], "label": [0, 0, 1]}, features)
    evaluator = evaluate.evaluator("text-classification")
    for mapping in (None, {label: float(number) for number, label in enumerate(LABELS)}):
        scores = evaluator.compute(
            model, data, metric=metric, tokenizer=tokenizer, label_mapping=mapping
        )
        assert scores["f1_sad"] == pytest.approx(0.8)
        assert scores["macro_f1"] == pytest.approx(0.4)


# Loading ------------------------------------------------------------------------------------------

# As where only evaluate is installed; importing transformers takes longer than all the rest.
WITHOUT_TRANSFORMERS = (
    "import sys; sys.modules['transformers'] = None; import evaluate; "
    "del sys.modules['transformers']\n"
)


def snippets(folder: Path, language: str) -> list[str]:
    text = (folder / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_the_example_of_the_readme_prints_what_it_says_from_the_folder_alone(
    folder: Path, tmp_path: Path
) -> None:
    kept = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"HF_HOME": str(tmp_path), "HOME": str(tmp_path), "HF_EVALUATE_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRANSFORMERS + snippets(folder, "python")[0]],
        cwd=folder.parents[1],  # where the repository's name is the folder's path
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == snippets(folder, "text")[0]
    assert f"evaluate{EVALUATE}" in snippets(folder, "sh")[0]


ONLINE = f"""{WITHOUT_TRANSFORMERS}
import json
from datasets import DownloadConfig
from huggingface_hub import snapshot_download

def load(repo, **options):
    try:
        metric = evaluate.load(repo, **options)
    except FileNotFoundError as error:
        return str(error)
    return metric.description.strip()

repo, private, first, token = sys.argv[1:]
folder = snapshot_download(repo, repo_type="space", revision=first)
answers = {{
    "newest": load(repo),
    "first": load(repo, revision=first),
    "tag": load(repo, revision="v1"),
    "folder": load(f"{{folder}}/memotions-emotion.py"),
    "no such": load("memotions/nothing"),
    "private": load(private),
    "private with a token": load(private, download_config=DownloadConfig(token=token)),
    "score": evaluate.load(repo).compute(predictions=[0], references=[0])["macro_f1"],
    "no such revision": load(repo, revision="nothing"),
}}
print(json.dumps(answers))
"""
OFFLINE = f"""{WITHOUT_TRANSFORMERS}
print(evaluate.load(sys.argv[1]).compute(predictions=[0], references=[0])["macro_f1"])
"""


def test_loading_from_the_hub(folder: Path, tmp_path: Path) -> None:
    repo, private = f"memotions/{NAME}", f"memotions-lab/{NAME}"
    newer = shutil.copytree(folder, tmp_path / "newer")
    script = newer / f"{NAME}.py"
    script.write_text(
        script.read_text(encoding="utf-8").replace("Scores a classifier", "Newer: scores one"),
        encoding="utf-8",
    )
    switched_off = {"HF_UPDATE_DOWNLOAD_COUNTS": "0"}  # it would look for Amazon
    with loopback_hub(tmp_path / "hub") as hub, without_xet():
        api = HfApi(endpoint=hub.url, token=hub.tokens.write)
        for name, is_private in ((repo, False), (private, True)):
            api.create_repo(name, repo_type="space", space_sdk=METRIC_SDK, private=is_private)
        upload = {"repo_type": "space", "folder_path": folder}
        first = api.upload_folder(repo_id=repo, **upload).oid
        api.upload_folder(repo_id=private, **upload)
        api.create_tag(repo, tag="v1", repo_type="space")
        api.upload_folder(repo_id=repo, repo_type="space", folder_path=newer)
        home = tmp_path / "home"
        run = hub.run(ONLINE, repo, private, first, hub.tokens.read, home=home, **switched_off)
        assert run.returncode == 0, run.stderr
        answers = json.loads(run.stdout)
        assert answers["newest"].startswith("Newer")
        for name in ("first", "tag", "folder", "private with a token"):
            assert answers[name].startswith("Scores a classifier"), name
        for name in ("no such", "private"):
            assert "doesn't exist on the Hugging Face Hub" in answers[name]
        assert answers["score"] == 1
        assert hub.tokens.read not in run.stdout + run.stderr
        # What the README warns of: a copy that was loaded before, with a warning alone.
        assert answers["no such revision"] in {answers["newest"], answers["first"]}
        assert "latest cached version" in run.stderr
        asked = len(hub.requests)
        offline = {**switched_off, "HF_EVALUATE_OFFLINE": "1"}
        run = hub.run(OFFLINE, repo, home=home, **offline)
        assert run.stdout == "1.0\n", run.stderr
        assert len(hub.requests) == asked
