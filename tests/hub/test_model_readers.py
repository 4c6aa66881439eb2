"""The bundled model on a Hub, loaded by every library that can, in a process of its own."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.hub import Hub, loopback_hub
from support.hub_client import client_of
from support.small_models import NASTY_TEXTS

import memotions_hf
from memotions_hf import EmotionClassifier
from memotions_hf.labels import LABELS

REPO = "memotions/bilstm"
TOLERANCE = 1e-4

# Everything is loaded from the repository; what it gives is written down for the tests below.
READ = """
import json, sys
from pathlib import Path

import keras, numpy as np, torch
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from memotions_hf import EmotionClassifier
from memotions_hf.errors import HubError
from memotions_hf.modeling.hub import MemotionsBiLSTM

repo, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
texts = json.loads(source.read_text())
found = {}

classifier = EmotionClassifier.from_pretrained(repo)
found["classifier"] = classifier.predict_proba(texts).tolist()
ours = MemotionsBiLSTM.from_pretrained(repo)
found["ours"] = ours.predict_proba(texts).tolist()

tokenizer = AutoTokenizer.from_pretrained(repo, trust_remote_code=False)
loaded = keras.saving.load_model("hf://" + repo)
found["keras"] = []
for start in range(0, len(texts), 16):
    # Few lengths, because Keras prepares itself for each one that is new.
    batch = tokenizer(
        texts[start:start + 16],
        truncation=True,
        padding=True,
        pad_to_multiple_of=64,
        return_tensors="np",
    )
    found["keras"] += loaded.predict_on_batch(batch["input_ids"].astype("int32")).tolist()

pipe = pipeline("text-classification", model=repo, trust_remote_code=True)
found["length"] = pipe.tokenizer.model_max_length
answers = pipe(texts, top_k=None, truncation=True, batch_size=16)
labels = classifier.labels
scores = [{item["label"]: item["score"] for item in answer} for answer in answers]
found["transformers"] = [[answer[label] for label in labels] for answer in scores]
found["best"] = pipe(texts[0])

try:
    AutoModelForSequenceClassification.from_pretrained(repo, trust_remote_code=False)
except ValueError as error:
    found["refusal"] = str(error)

card = ModelCard.load(repo)
results = card.data.eval_results or []
found["results"] = [[r.dataset_type, r.metric_type, r.metric_value] for r in results]
try:
    card.validate()
    # What has been loaded is what is there: nothing is uploaded.
    found["pushed"] = [model.push_to_hub(repo).oid for model in (classifier, ours)]
    found["pushed"].append(EmotionClassifier.from_pretrained().push_to_hub(repo).oid)
except HubError as error:
    found["push"] = str(error)
except Exception as error:
    found["validate"] = type(error).__name__
target.write_text(json.dumps(found))
"""


def journal_texts() -> list[str]:
    """Return the texts of the journal that comes with the package."""
    texts: list[str] = []
    for path in sorted(Path(memotions_hf.__file__).parent.glob("data/journal/*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            texts += [row["text"] for row in rows if row.get("text")]
    return texts


# In order of length, so that little is padded. A text that spells out "<pad>" is left out: it is
# the one that transformers' tokenizer reads otherwise.
TEXTS = sorted(
    [
        *journal_texts()[::16],
        *(text for text in NASTY_TEXTS if "<" not in text and text.strip(" x\t\r\n")),
    ],
    key=len,
)
# For the second process, which is about what it can reach.
FEW = TEXTS[::8]


@dataclass(frozen=True)
class Readers:
    """What was found online and offline, and what the Hub saw."""

    hub: Hub
    commit: str
    online: dict[str, Any]
    offline: dict[str, Any]
    uploads: list[str]


def read(hub: Hub, folder: Path, texts: list[str], **variables: str) -> dict[str, Any]:
    source, target = folder / "texts.json", folder / "found.json"
    source.write_text(json.dumps(texts))
    arguments = (REPO, str(source), str(target))
    home = folder / "home"
    variables |= {"CUDA_VISIBLE_DEVICES": "-1"}
    run = hub.run(READ, *arguments, home=home, token=hub.tokens.write, **variables)
    assert run.returncode == 0, run.stderr[-4_000:]
    assert hub.tokens.write not in run.stdout + run.stderr
    found: dict[str, Any] = json.loads(target.read_text())
    return found


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    folder = tmp_path_factory.mktemp("readers")
    with loopback_hub(folder / "server") as hub:
        with client_of(hub, folder / "pusher", hub.tokens.write):
            commit = EmotionClassifier.from_pretrained().push_to_hub(REPO, private=True)
        hub.clear()
        online = read(hub, folder, TEXTS)
        uploads = hub.uploads
        hub.clear()
        offline = read(hub, folder, FEW, HF_HUB_OFFLINE="1")
        yield Readers(hub, commit.oid, online, offline, uploads)


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    answers = EmotionClassifier.from_pretrained().predict_proba(TEXTS)
    return {"online": answers, "offline": answers[::8]}


@pytest.mark.parametrize("where", ["online", "offline"])
@pytest.mark.parametrize("library", ["classifier", "ours", "keras", "transformers"])
def test_all_libraries_give_the_same_probabilities(
    library: str, where: str, readers: Readers, expected: dict[str, Any]
) -> None:
    assert len(TEXTS) >= 200
    assert len(set(expected["online"].argmax(1))) == len(LABELS)
    found = np.array(getattr(readers, where)[library])
    np.testing.assert_allclose(found, expected[where], rtol=0, atol=TOLERANCE)


def test_the_pipeline_answers_with_our_labels(readers: Readers, expected: dict[str, Any]) -> None:
    (best,) = readers.online["best"]
    assert best["label"] == LABELS[expected["online"][0].argmax()]
    assert readers.online["length"] == EmotionClassifier.from_pretrained().config.max_length


def test_code_is_run_only_where_it_is_trusted(readers: Readers) -> None:
    assert "trust_remote_code" in readers.online["refusal"]
    assert "trust_remote_code" in readers.offline["refusal"]


def test_the_card_is_valid_and_holds_the_results(readers: Readers) -> None:
    assert "validate" not in readers.online
    results = readers.online["results"]
    metrics = json.loads(readers.hub.files(REPO)["metrics.json"])
    system = metrics["evaluation"]["sets"]["merged/test"]["systems"]["memotions-bilstm"]
    value = system["macro_f1"]["value"]
    assert any(kind == "f1" and abs(found - value) < 1e-4 for _, kind, found in results)


def test_what_was_loaded_is_what_is_there(readers: Readers) -> None:
    assert readers.online["pushed"] == [readers.commit] * 3
    assert readers.uploads == []


def test_nothing_is_asked_offline(readers: Readers) -> None:
    assert readers.hub.requests == []
    assert "pushed" not in readers.offline
