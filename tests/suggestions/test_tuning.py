"""Tuning on Vertex AI: the data, the job, what can go wrong, and the loss curve.

google-genai, google-cloud-storage and google-cloud-aiplatform are the real ones; they talk to
servers on the loopback interface.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tuning_server import (
    CUT,
    ENDPOINT,
    JOB,
    LOCATION,
    LOST,
    PARENT,
    PROJECT,
    STEPS,
    TOKEN,
    TRAIN_LOSS,
    VALIDATION_LOSS,
    CloudStorage,
    Reply,
    TuningServer,
    storage_program,
)

from memotions_hf.errors import EngineError, InputError, MissingExtraError
from memotions_hf.labels import LABELS
from memotions_hf.suggestions import tuning_data
from memotions_hf.suggestions.prompt import SYSTEM_INSTRUCTION, TRAINING_BOUNDARY, user_text
from memotions_hf.suggestions.tuning import (
    GoogleCloud,
    Outcome,
    Progress,
    TuningOptions,
    TuningRun,
    Waiting,
    cancel,
    saved_job,
)
from memotions_hf.suggestions.tuning_data import (
    Pair,
    TuningData,
    count_emotions,
    estimate_tokens,
    find_price,
    pricing_page,
    read_pairs,
    split_pairs,
    to_example,
)

BUCKET = "memotions-pairs"
PATIENT = Waiting(poll=0.01, give_up=60.0, upload=60.0)
HURRIED = Waiting(upload=0.2)
"""Where nobody answers."""
FORBIDDEN = Reply(403, "The caller has no permission.")


# What the tests share -----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def own_pairs() -> list[Pair]:
    return read_pairs()


@pytest.fixture(scope="module")
def data(own_pairs: list[Pair]) -> TuningData:
    """A few of the project's pairs: three to train on and one to validate with, per emotion."""
    few = [pair for pair in own_pairs if pair.id[-3:] in ("001", "002", "003", "004")]
    return split_pairs(few, 0.2, 1)


@pytest.fixture(scope="module")
def storage_server() -> Iterator[CloudStorage]:
    if storage_program() is None:
        pytest.skip("there is no fake-gcs-server for this machine")
    with CloudStorage() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture
def storage(
    storage_server: CloudStorage, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CloudStorage]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_server.url)
    yield storage_server
    storage_server.empty_bucket(BUCKET)


@pytest.fixture
def vertex() -> Iterator[TuningServer]:
    for module in ("google.genai", "google.cloud.storage", "google.cloud.aiplatform_v1"):
        pytest.importorskip(module, reason="the gemini extra is not installed")
    pytest.importorskip("matplotlib", reason="the cards extra is not installed")
    with TuningServer(metrics=False) as server:  # a picture costs time; some tests want one
        yield server


def cloud_of(server: TuningServer) -> GoogleCloud:
    from google.oauth2.credentials import Credentials

    return GoogleCloud(PROJECT, LOCATION, Credentials(token=TOKEN), server.url)


def options(**changes: Any) -> TuningOptions:
    return TuningOptions(**{"bucket": BUCKET, "project": PROJECT, **changes})


class Runner:
    """Runs in one folder, keeping what was said and shown."""

    def __init__(self, folder: Path, server: TuningServer, waiting: Waiting = PATIENT) -> None:
        self.folder, self.server, self.waiting = folder, server, waiting
        self.cloud = cloud_of(server)
        self.said: list[str] = []
        self.shown: list[Progress] = []

    def run(self, show: Callable[[Progress], None] | None = None) -> TuningRun:
        return TuningRun(
            self.folder,
            self.cloud,
            waiting=self.waiting,
            say=self.said.append,
            show=show or self.shown.append,
        )

    def tune(self, data: TuningData, **changes: Any) -> Outcome:
        return self.run().tune(data, options(**changes))

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.folder / "tuning.json").read_text("utf-8"))
        return state

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("memotions_hf.suggestions.tuning.time", clock)
    return clock


@pytest.fixture
def runner(tmp_path: Path, vertex: TuningServer) -> Runner:
    return Runner(tmp_path / "run", vertex)


def refusal(call: Callable[[], object], kind: type[Exception] = EngineError) -> str:
    """Expect an error on one line that gives no secret away; return the line."""
    with pytest.raises(kind) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line
    assert TOKEN not in line
    return line


# The data -----------------------------------------------------------------------------------------


def test_a_pair_becomes_a_row_of_supervised_tuning() -> None:
    pair = Pair("x", "Hari ini aku gagal lagi", "sad", "Kamu sudah berusaha.")
    assert to_example(pair) == {
        "systemInstruction": {"role": "system", "parts": [{"text": SYSTEM_INSTRUCTION}]},
        "contents": [
            {
                "role": "user",
                "parts": [{"text": user_text(pair.entry, ["sad"], TRAINING_BOUNDARY)}],
            },
            {"role": "model", "parts": [{"text": "Kamu sudah berusaha."}]},
        ],
    }


def test_the_projects_own_pairs_are_all_fit(own_pairs: list[Pair]) -> None:
    assert len(own_pairs) == 320
    assert set(count_emotions(own_pairs)) == set(LABELS)
    for pair in own_pairs:
        text = to_example(pair)["contents"][0]["parts"][0]["text"]
        assert pair.entry in text
        assert text.count(TRAINING_BOUNDARY) == 2


def test_the_split_is_stratified_whole_and_always_the_same(own_pairs: list[Pair]) -> None:
    first = split_pairs(own_pairs, 0.1, 42)
    assert count_emotions(first.validation) == dict.fromkeys(LABELS, 6)
    assert {pair.id for pair in (*first.train, *first.validation)} == {p.id for p in own_pairs}
    assert len(first.train) + len(first.validation) == len(own_pairs)
    assert split_pairs(own_pairs[::-1], 0.1, 42) == first
    assert split_pairs(own_pairs, 0.1, 43).validation != first.validation
    # Rows of one emotion after another would be learnt, and forgotten, one after another.
    assert len({pair.emotion for pair in first.train[:20]}) == len(LABELS)


def test_every_emotion_keeps_a_row_to_train_on(own_pairs: list[Pair]) -> None:
    split = split_pairs(own_pairs[:1], 0.5, 1)
    assert len(split.train) == 1
    assert split.files.keys() == {"train"}
    assert not split_pairs(own_pairs, 0, 1).validation
    assert "0 to 0.5" in refusal(lambda: split_pairs(own_pairs, 0.6, 1), InputError)


GOOD = {
    "entry": "Tadi siang hujan deras dan aku lupa bawa payung ke kantor",
    "emotion": "sedih",
    "suggestion": "Basah kuyup di tengah hari memang bikin lelah. Ganti dulu bajumu dengan yang "
    "kering. Setelah itu seduh minuman hangat dan duduk sebentar. Besok taruh payung di dekat "
    "pintu supaya tidak lupa. Malam ini kamu boleh tidur lebih awal.",
}


def write_pairs(path: Path, *rows: Any) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_ones_own_pairs_are_read(tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "pairs.jsonl", "", {**GOOD, "id": 7, "topic": "rain"})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as some editors begin a file
    (pair,) = read_pairs(path)
    assert pair == Pair("7", GOOD["entry"], "sad", GOOD["suggestion"])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"entry": ', "no JSON"),
        ("[1]", "a JSON list"),
        ({**GOOD, "entry": "  "}, "no text under 'entry'"),
        ({**GOOD, "suggestion": 5}, "no text under 'suggestion'"),
        ({"entry": "x", "suggestion": "y"}, "no text under 'emotion'"),
        ({**GOOD, "emotion": GOOD["entry"]}, "the emotion is none of sad, happy"),
        ({**GOOD, "entry": GOOD["entry"] * 500}, "characters"),
        ({**GOOD, "entry": f"aku {TRAINING_BOUNDARY}"}, "boundary"),
        ({**GOOD, "entry": "\u200b"}, "empty"),
        ({**GOOD, "suggestion": "Minum obat saja."}, "a medicine"),
        ({**GOOD, "suggestion": "Minum saja."}, "has 1 sentences"),
    ],
)
def test_a_bad_line_is_named_without_what_it_says(tmp_path: Path, row: Any, reason: str) -> None:
    other = {**GOOD, "entry": "Kemarin kucingku sakit", "id": "cat"}
    path = write_pairs(tmp_path / "pairs.jsonl", other, row)
    line = refusal(lambda: read_pairs(path), InputError)
    assert line.startswith(f"{path}, line 2: ")
    assert reason in line
    assert "payung" not in line


def test_repeated_lines_are_named_without_what_they_say(tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "pairs.jsonl", GOOD, {**GOOD, "emotion": "fear"})
    line = refusal(lambda: read_pairs(path), InputError)
    assert "line 2: the entry is that of line 1 (and 1 more)" in line
    assert "payung" not in line


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(lambda: read_pairs(tmp_path / "none.jsonl"), InputError)
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes("é".encode("latin-1"))
    assert "no UTF-8" in refusal(lambda: read_pairs(latin), InputError)
    empty = write_pairs(tmp_path / "empty.jsonl", "")
    assert "holds no pairs" in refusal(lambda: read_pairs(empty), InputError)


def test_tokens_are_estimated_from_characters(own_pairs: list[Pair]) -> None:
    pair = own_pairs[0]
    whole = to_example(pair)
    texts = [whole["systemInstruction"], *whole["contents"]]
    characters = sum(len(part["parts"][0]["text"]) for part in texts)
    assert pair.characters == characters
    assert estimate_tokens([pair, pair]) == 2 * -(-characters // 3.5)


def test_prices_have_a_source_and_are_never_guessed() -> None:
    assert pricing_page().startswith("https://cloud.google.com/")
    price = find_price("gemini-2.5-flash-lite")
    assert price is not None
    assert price.usd == 1.5
    assert pricing_page() in price.origin
    assert find_price("publishers/google/models/gemini-2.5-flash-lite-001") == price
    assert find_price("gemini-3.5-flash-lite") is None
    file = json.loads(tuning_data._PRICES_FILE.read_text(encoding="utf-8"))
    assert len(file["checked"].split("-")) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bucket": "gs://x/y"}, "no name of a bucket"),
        ({"project": "my project"}, "no id of a Google Cloud project"),
        ({"location": "global"}, "'global' is no region"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate_multiplier": float("nan")}, "expected a number over 0"),
        ({"adapter_size": 3}, "1, 2, 4, 8, 16, 32"),
        ({"name": ""}, "expected 1 to 128"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(changes: dict[str, Any], reason: str) -> None:
    assert reason in refusal(lambda: options(**changes), InputError)


# A job --------------------------------------------------------------------------------------------


def test_a_job_from_the_upload_to_the_curve(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    runner.server.metrics = True
    outcome = runner.tune(data, prefix="/my/pairs/")
    assert outcome.endpoint == ENDPOINT
    train, validation = sorted(storage.objects(BUCKET))
    assert train.startswith("my/pairs/train-")
    for name, part in ((train, "train"), (validation, "validation")):
        content = (runner.folder / f"{part}.jsonl").read_bytes()
        assert storage.read(BUCKET, name) == content == data.files[part]
    (creation,) = runner.server.creations
    assert creation.path == f"/v1beta1/projects/{PROJECT}/locations/{LOCATION}/tuningJobs"
    assert creation.authorization == f"Bearer {TOKEN}"
    label = creation.body.pop("labels")
    assert creation.body == {
        "baseModel": "gemini-3.5-flash-lite",
        "supervisedTuningSpec": {
            "trainingDatasetUri": f"gs://{BUCKET}/{train}",
            "validationDatasetUri": f"gs://{BUCKET}/{validation}",
            "hyperParameters": {
                "epochCount": 3,
                "learningRateMultiplier": 0.1,
                "adapterSize": "ADAPTER_SIZE_SIXTEEN",
            },
        },
        "tunedModelDisplayName": "memotions-suggestions",
    }
    assert label == {"memotions-run": runner.state()["label"]}
    assert runner.state()["job"]["endpoint"] == ENDPOINT
    assert runner.files() == {
        "train.jsonl", "validation.jsonl", "tuning.json", "loss.csv", "loss.png",
    }  # fmt: skip


def test_every_option_reaches_the_job(
    runner: Runner, storage: CloudStorage, own_pairs: list[Pair]
) -> None:
    data = split_pairs(own_pairs[:3], 0, 1)
    runner.tune(
        data,
        model="gemini-3.5-flash",
        name="tuned on Tuesday",
        epochs=5,
        learning_rate_multiplier=2.5,
        adapter_size=4,
    )
    (creation,) = runner.server.creations
    body = {key: value for key, value in creation.body.items() if key != "labels"}
    (name,) = storage.objects(BUCKET)
    assert body == {
        "baseModel": "gemini-3.5-flash",
        "supervisedTuningSpec": {
            "trainingDatasetUri": f"gs://{BUCKET}/{name}",
            "hyperParameters": {
                "epochCount": 5,
                "learningRateMultiplier": 2.5,
                "adapterSize": "ADAPTER_SIZE_FOUR",
            },
        },
        "tunedModelDisplayName": "tuned on Tuesday",
    }
    assert "validation.jsonl" not in runner.files()


def test_progress_is_shown_as_far_as_google_tells_it(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    runner.server.metrics = True
    runner.tune(data)
    pending, running, again = runner.shown
    assert (pending.state, pending.step, pending.loss) == ("PENDING", None, None)
    assert running == again or running.elapsed != again.elapsed
    assert running.state == "RUNNING, tuning"
    assert (running.step, running.steps, running.epochs) == (STEPS, STEPS, 3)
    assert running.loss == pytest.approx(TRAIN_LOSS[STEPS])
    assert running.elapsed is not None
    assert 0 <= running.elapsed < 3600


def test_the_same_command_goes_on_with_its_job(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    first = runner.tune(data)
    uploaded = storage.objects(BUCKET)
    assert runner.tune(data) == first
    assert len(runner.server.creations) == 1
    assert storage.objects(BUCKET) == uploaded
    assert f"going on with {JOB}; no other job is started" in runner.said


def test_what_is_there_already_is_not_uploaded_again(
    runner: Runner, storage: CloudStorage, data: TuningData, tmp_path: Path
) -> None:
    runner.tune(data)
    uploaded = storage.objects(BUCKET)
    validation = max(uploaded)
    storage.write(BUCKET, validation, b"cut off")
    other = Runner(tmp_path / "other", runner.server)
    other.tune(data)
    kept = storage.objects(BUCKET)
    train = min(uploaded)
    assert kept[train]["generation"] == uploaded[train]["generation"]
    assert storage.read(BUCKET, validation) == data.files["validation"]
    assert f"already there: gs://{BUCKET}/{train}" in other.said
    assert len(runner.server.creations) == 2


def test_another_run_in_the_same_folder_is_refused(
    runner: Runner, storage: CloudStorage, data: TuningData, own_pairs: list[Pair]
) -> None:
    runner.tune(data)
    line = refusal(lambda: runner.tune(data, epochs=5), InputError)
    assert "holds another run (epochs 3, not 5); choose another --output" in line
    others = split_pairs(own_pairs[:5], 0.1, 1)
    assert "other data" in refusal(lambda: runner.tune(others), InputError)
    assert len(runner.server.creations) == 1


def test_a_damaged_state_starts_nothing(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    runner.folder.mkdir()
    (runner.folder / "tuning.json").write_text('{"job": ')
    assert "tuning.json cannot be read" in refusal(lambda: runner.tune(data), InputError)
    assert not runner.server.requests


def test_a_folder_that_cannot_be_written_is_named_and_left_clean(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    (runner.folder / "train.jsonl").mkdir(parents=True)
    assert "cannot be written" in refusal(lambda: runner.tune(data), InputError)
    assert runner.files() == {"train.jsonl"}
    assert not runner.server.requests


def test_nothing_private_is_kept_in_the_state(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    runner.tune(data)
    text = (runner.folder / "tuning.json").read_text(encoding="utf-8")
    assert TOKEN not in text + "".join(runner.said)
    assert not any(pair.entry[:20] in text for pair in data.train)


# Stops and failures -------------------------------------------------------------------------------


def test_a_stop_while_following_costs_no_second_job(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(show=stop).tune(data, options())
    assert saved_job(runner.folder) == JOB
    assert runner.tune(data).endpoint == ENDPOINT
    assert len(runner.server.creations) == 1


def test_a_job_whose_answer_was_lost_is_found(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    runner.server.jobs["other"] = {"name": f"{PARENT}/tuningJobs/1", "labels": {"team": "x"}}
    runner.server.plans["create"].append(LOST)
    assert runner.tune(data).job["name"].endswith("1234567891")
    assert len(runner.server.creations) == 1


@pytest.mark.parametrize("reply", [CUT, Reply(500, "Internal error encountered.")])
def test_a_request_that_may_have_been_lost_is_looked_for_before_it_is_sent_again(
    runner: Runner, storage: CloudStorage, data: TuningData, reply: Reply
) -> None:
    runner.server.plans["create"].append(reply)
    line = refusal(lambda: runner.tune(data))
    assert "run the same command again" in line
    assert saved_job(runner.folder) is None
    label = runner.state()["label"]
    assert label
    assert "label" in runner.state()
    assert runner.tune(data).endpoint == ENDPOINT
    assert len(runner.server.sent("GET", f"/v1beta1/{PARENT}/tuningJobs")) == 2
    assert {request.body["labels"]["memotions-run"] for request in runner.server.creations} == {
        label
    }
    assert len(runner.server.jobs) == 1


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (400, "Base model gemini-9 is not supported.", "check --model"),
        (401, "Request had invalid authentication credentials.", "gcloud auth"),
        (403, "Permission 'aiplatform.tuningJobs.create' denied.", "Vertex AI User"),
        (404, "Publisher Model was not found.", "--location"),
        (429, "Quota exceeded for tuning jobs.", "quota"),
    ],
)
def test_a_refused_job_says_why_and_what_to_do(
    runner: Runner, storage: CloudStorage, data: TuningData, status: int, message: str, advice: str
) -> None:
    runner.server.plans["create"].append(Reply(status, message))
    line = refusal(lambda: runner.tune(data))
    assert line.startswith(f"starting the job failed: {message.rstrip('.')} ({status}); ")
    assert advice in line
    assert runner.tune(data).endpoint == ENDPOINT  # nothing stands in the way of another try
    assert len(runner.server.jobs) == 1


def test_a_passing_failure_while_following_is_borne(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    runner.server.plans["get"].extend([CUT, Reply(500, "oops"), Reply(429, "slow down")])
    assert runner.tune(data).endpoint == ENDPOINT
    troubles = [progress.trouble for progress in runner.shown if progress.trouble]
    assert troubles[0].startswith("Google cannot be reached")
    assert troubles[1:] == ["oops", "slow down"]


@pytest.mark.usefixtures("clock")
def test_two_short_failures_are_no_lasting_one(runner: Runner) -> None:
    name = runner.server.add_job()
    runner.server.states = deque(["RUNNING", "SUCCEEDED"])
    runner.server.plans["get"].extend([CUT, CUT, Reply(), CUT])
    runner.waiting = Waiting(poll=0.4, give_up=1.0)
    assert runner.run().resume(name).endpoint == ENDPOINT


def test_a_lasting_failure_ends_the_following_with_a_way_back(
    runner: Runner, storage: CloudStorage, data: TuningData, clock: Clock
) -> None:
    runner.server.plans["get"].extend([CUT] * 200)
    runner.waiting = Waiting(poll=60.0, give_up=600.0)
    line = refusal(lambda: runner.tune(data))
    assert clock.now == 600
    assert f"no answer about {JOB} for 10 minutes" in line
    assert f"memotions tune --resume {JOB}" in line
    assert len(runner.server.looks) == 11
    runner.server.plans["get"].clear()
    assert runner.tune(data).endpoint == ENDPOINT
    assert len(runner.server.creations) == 1


def test_a_refusal_while_following_ends_it_at_once(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    runner.server.plans["get"].append(FORBIDDEN)
    line = refusal(lambda: runner.tune(data))
    assert "The caller has no permission (403)" in line
    assert f"--resume {JOB}" in line
    assert len(runner.server.looks) == 1


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "EXPIRED"])
def test_a_job_that_ends_without_a_model_says_googles_reason(
    runner: Runner, storage: CloudStorage, data: TuningData, state: str
) -> None:
    runner.server.states = deque(["RUNNING", state])
    runner.server.error = "Dataset is\nnot good."
    line = refusal(lambda: runner.tune(data))
    assert line == f"the tuning job {JOB} is {state}: Dataset is not good"
    runner.server.states, runner.server.error = deque(["SUCCEEDED"]), ""
    alone = TuningData(data.source, data.train, ())
    outcome = runner.tune(alone, epochs=4)  # another job, as this one came to nothing
    assert outcome.job["name"] != JOB
    assert "validation.jsonl" not in runner.files()
    assert f"the earlier job {JOB} is {state}; another is started" in runner.said
    first, second = (request.body["labels"] for request in runner.server.creations)
    assert first != second


def test_resume_follows_a_job_from_elsewhere(runner: Runner) -> None:
    runner.server.metrics = True
    name = runner.server.add_job("SUCCEEDED")
    assert runner.run().resume(name).endpoint == ENDPOINT
    assert runner.files() == {"tuning.json", "loss.csv", "loss.png"}
    assert not runner.server.creations
    # Google may name the project by its number.
    by_number = name.replace(PROJECT, "42")
    runner.server.jobs[by_number] = runner.server.jobs[name]
    assert runner.run().resume(by_number).endpoint == ENDPOINT
    line = refusal(lambda: runner.run().resume(f"{PARENT}/tuningJobs/2"), InputError)
    assert "holds another job" in line


def test_a_job_that_is_not_there_is_named(runner: Runner) -> None:
    name = f"{PARENT}/tuningJobs/404"
    line = refusal(lambda: runner.run().resume(name))
    assert line.startswith(f"there is no job {name}: ")
    assert not runner.files()
    line = refusal(lambda: runner.run().resume("tuningJobs/1"), InputError)
    assert "projects/PROJECT/locations/REGION/tuningJobs/ID" in line


def test_a_job_is_cancelled(runner: Runner) -> None:
    name = runner.server.add_job()
    cancel(name, cloud_of(runner.server))
    assert len(runner.server.sent("POST", f"/v1beta1/{name}:cancel")) == 1
    assert "is CANCELLED" in refusal(lambda: runner.run().resume(name))
    missing = f"{PARENT}/tuningJobs/2"
    line = refusal(lambda: cancel(missing, cloud_of(runner.server)))
    assert line.startswith(f"cancelling {missing} failed: ")


# Cloud Storage ------------------------------------------------------------------------------------


def test_a_bucket_that_is_not_there_is_named(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    line = refusal(lambda: runner.tune(data, bucket="no-such-bucket"))
    assert line.startswith("opening gs://no-such-bucket failed: ")
    assert "gcloud storage buckets create gs://no-such-bucket --location us-central1" in line
    assert not runner.server.requests


def test_a_bucket_in_another_region_is_refused(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    line = refusal(lambda: runner.tune(data, location="europe-west4"))
    assert "is in us-central1 and the job would run in europe-west4" in line
    assert not storage.objects(BUCKET)


def test_a_multi_region_is_no_other_region(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, data: TuningData
) -> None:
    with TuningServer() as bucket_server:
        bucket = {"name": BUCKET, "location": "US", "locationType": "multi-region"}
        bucket_server.plans["unknown"].extend([Reply(body=bucket), FORBIDDEN, FORBIDDEN])
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket_server.url)
        assert "uploading gs://" in refusal(lambda: runner.tune(data))


def test_a_bucket_that_may_not_be_written_to_is_named(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, data: TuningData
) -> None:
    with TuningServer() as bucket_server:
        bucket_server.plans["unknown"].extend([FORBIDDEN] * 3)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket_server.url)
        line = refusal(lambda: runner.tune(data))
        methods = [request.method for request in bucket_server.requests]
    assert methods == ["GET", "GET", "POST"]  # who may write objects need not be allowed to look
    assert f"uploading gs://{BUCKET}/memotions-tuning/train-" in line
    assert "failed: The caller has no permission (403); " in line
    assert "Storage Object User" in line
    assert not runner.server.requests


def test_a_network_that_is_down_is_said(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, data: TuningData
) -> None:
    runner.waiting = HURRIED
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    line = refusal(lambda: runner.tune(data))
    assert line.startswith(f"opening gs://{BUCKET} failed: Google cannot be reached (")
    assert line.endswith("check the network and run the same command again")


def test_a_network_that_breaks_before_the_job_is_said(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    with TuningServer() as server:
        runner.server, runner.cloud = server, cloud_of(server)
    line = refusal(lambda: runner.tune(data))
    assert "Google cannot be reached" in line
    with TuningServer() as server:
        runner.server, runner.cloud = server, cloud_of(server)
        assert runner.tune(data).endpoint == ENDPOINT


# The loss curve -----------------------------------------------------------------------------------


def test_the_curve_is_kept_as_a_table_and_a_picture(
    runner: Runner, storage: CloudStorage, data: TuningData
) -> None:
    runner.server.metrics = True
    runner.tune(data)
    header, *rows = (runner.folder / "loss.csv").read_text().splitlines()
    assert header == "step,epoch,train_loss,validation_loss"
    cells = [row.split(",") for row in rows]
    assert {int(row[0]): float(row[2]) for row in cells} == pytest.approx(TRAIN_LOSS)
    assert {int(row[0]): float(row[3]) for row in cells if row[3]} == VALIDATION_LOSS
    assert [row[1] for row in cells][:2] == ["0.25", "0.5"]  # 12 steps in 3 epochs
    reads = runner.server.sent("GET", ".*:read")
    assert {request.query["maxDataPoints"][0] for request in reads} == {"-1"}  # all of them
    picture = pytest.importorskip("matplotlib.image").imread(runner.folder / "loss.png")
    height, width, channels = picture.shape
    assert (width, height, channels) == (792, 440, 4)
    assert len(np.unique(picture.reshape(-1, channels), axis=0)) > 50  # not an empty page
    assert runner.state()["loss"] == {"train": TRAIN_LOSS[STEPS], "validation": 2.125}


@pytest.mark.parametrize(
    ("route", "reply", "reason"),
    [
        ("context", FORBIDDEN, "The caller has no permission (403)"),
        ("runs", Reply(404, "TensorBoard not found."), "TensorBoard not found (404)"),
        ("points", CUT, "Google cannot be reached"),
        ("", Reply(), "Google has not written any losses yet"),
    ],
)
def test_losses_that_cannot_be_read_are_never_invented(
    runner: Runner, storage: CloudStorage, data: TuningData, route: str, reply: Reply, reason: str
) -> None:
    runner.server.states = deque(["SUCCEEDED"])
    if route:
        runner.server.plans[route].append(reply)
    runner.server.metrics = bool(route)
    outcome = runner.tune(data)
    assert outcome.endpoint == ENDPOINT
    assert outcome.curve == []
    assert outcome.curve_problem is not None
    assert reason in outcome.curve_problem
    assert not runner.files() & {"loss.csv", "loss.png"}
    runner.server.metrics = True
    assert len(runner.run().resume(JOB).curve) == STEPS  # later they can be had
    assert "loss.png" in runner.files()


# What this machine lacks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "extra"),
    [("google.genai", "gemini"), ("google.cloud.storage", "gemini"), ("matplotlib", "cards")],
)
def test_a_missing_library_is_said_before_a_job_is_paid_for(
    runner: Runner, data: TuningData, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for call in (lambda: runner.tune(data), lambda: runner.run().resume(JOB)):
        assert f"memotions-hf[{extra}]" in refusal(call, MissingExtraError)
    assert not runner.server.requests
    assert not runner.files()


def test_missing_credentials_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("google.auth", reason="the gemini extra is not installed")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    line = refusal(lambda: GoogleCloud.connect(PROJECT, LOCATION))
    assert "names no usable key file" in line
    assert "gcloud auth application-default login" in line
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    line = refusal(lambda: GoogleCloud.connect(PROJECT, LOCATION))
    assert line.startswith("Google Cloud credentials: none; run 'gcloud auth")


def test_credentials_without_a_token_are_said(vertex: TuningServer, runner: Runner) -> None:
    from google.oauth2.credentials import Credentials

    cloud = GoogleCloud(PROJECT, LOCATION, Credentials(token=None), vertex.url)
    line = refusal(lambda: TuningRun(runner.folder, cloud, waiting=PATIENT).resume(JOB))
    assert "Google does not take the credentials" in line
