"""The endpoints for developers, called as they call them: gradio_client and plain HTTP."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

gr = pytest.importorskip("gradio")

from gradio_client import Client  # noqa: E402
from gradio_client.exceptions import AppError  # noqa: E402

from memotions_hf import __version__  # noqa: E402
from memotions_hf.demo.api import SUGGEST_PLACES, add_endpoints  # noqa: E402
from memotions_hf.demo.limits import RateLimiter, app_options  # noqa: E402
from memotions_hf.demo.service import Service  # noqa: E402
from memotions_hf.errors import ModelLoadError  # noqa: E402
from memotions_hf.inference import EmotionClassifier  # noqa: E402
from memotions_hf.inference.explanation import WordContribution  # noqa: E402
from memotions_hf.suggestions import JournalReply, Suggestion  # noqa: E402
from memotions_hf.suggestions.engine import Request  # noqa: E402
from memotions_hf.suggestions.local import LocalEngine  # noqa: E402

ENTRY = "🙂 Hari ini aku gagal lagi. Tapi ibu masak enak."
CRISIS = "aku udah gak mau hidup lagi"
SECRET = "rahasiaku yang paling dalam"
LEAK = f"bocor {SECRET}"
HANG = "macet di jalan sejak pagi"
PATIENCE = 120  # seconds that a busy machine is given to answer
get = partial(httpx.get, timeout=PATIENCE)
post = partial(httpx.post, timeout=PATIENCE)
LABELS = {"sad", "happy", "neutral", "anger", "fear"}


class LeakyClassifier(EmotionClassifier):
    """Fails with the text in its message, where that asks for it."""

    def explain(self, text: str, *, label: str | int | None = None) -> list[WordContribution]:
        if text.startswith("bocor"):
            raise RuntimeError(f"cannot explain {text!r}")
        return super().explain(text, label=label)


class HangingEngine(LocalEngine):
    """Writes nothing to an entry that asks for it, until it is let go."""

    go = threading.Event()
    held = threading.Semaphore(0)

    def _answer(self, request: Request) -> Iterator[Suggestion]:
        if request.entry.startswith("macet"):
            self.held.release()
            self.go.wait(PATIENCE)
        return super()._answer(request)


@dataclass
class Space:
    """A launched app."""

    address: str
    service: Service

    def client(self) -> Client:
        return Client(
            self.address,
            verbose=False,
            analytics_enabled=False,
            httpx_kwargs={"timeout": PATIENCE},
        )

    def call(self, endpoint: str, data: list[Any]) -> tuple[str, Any]:
        """Call an endpoint by plain HTTP; returns its event and its data."""
        path = f"{self.address}gradio_api/call/{endpoint}"
        joined = post(path, json={"data": data}).raise_for_status()
        lines = get(f"{path}/{joined.json()['event_id']}").text.split("\n")
        event, text = (line.partition(": ")[2] for line in lines[:2])
        return event, json.loads(text)


@contextmanager
def launched(service: Service) -> Iterator[Space]:
    with gr.Blocks(analytics_enabled=False) as page:
        box = gr.Textbox()

        def show(text: str, twice: str) -> str:  # an event of the page
            return text + twice

        box.submit(show, [box, box], box, api_visibility="private")
        add_endpoints(service)
    _, address, _ = page.launch(
        prevent_thread_lock=True, quiet=True, ssr_mode=False, app_kwargs=app_options(service)
    )
    try:
        yield Space(address, service)
    finally:
        page.close()


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    service = Service(
        make_classifier=LeakyClassifier.from_pretrained,
        make_engine=HangingEngine,
        limiter=RateLimiter("10000/minute", "100000/minute"),
    )
    with service, launched(service) as space:
        yield space


@pytest.fixture(scope="module")
def client(space: Space) -> Client:
    return space.client()


# What the endpoints answer


def test_predict_reads_the_entry_its_sentences_and_its_words(client: Client) -> None:
    answer = client.predict(ENTRY, api_name="/predict")
    assert (answer["crisis"], answer["help_lines"]) == (False, [])
    assert answer["emotions"][0]["label"] == "sad"
    assert answer["emotions"][0]["label_id"] == "sedih"
    assert all(emotion["score"] > 0.2 for emotion in answer["emotions"])
    assert [part["label"] for part in answer["sentences"]] == ["sad", "happy"]
    for part in (*answer["sentences"], *answer["words"]):
        assert part["text"] == ENTRY[part["start"] : part["end"]]
    best = max(answer["words"], key=lambda word: word["contribution"])
    assert best["text"] == "gagal"


def test_the_threshold_says_how_many_emotions(client: Client) -> None:
    every = client.predict(ENTRY, threshold=0.0, api_name="/predict")["emotions"]
    assert {emotion["label"] for emotion in every} == LABELS
    scores = [emotion["score"] for emotion in every]
    assert scores == sorted(scores, reverse=True)
    assert len(client.predict(ENTRY, threshold=0.999, api_name="/predict")["emotions"]) == 1


def test_a_crisis_gets_help_lines_and_no_emotion(client: Client) -> None:
    answer = client.predict(CRISIS, api_name="/predict")
    assert answer["crisis"] is True
    assert answer["help_lines"][0]["link"] == "https://www.healing119.id"
    assert (answer["emotions"], answer["sentences"], answer["words"]) == ([], [], [])
    reply = JournalReply.model_validate(client.predict(CRISIS, api_name="/suggest"))
    assert (reply.engine, reply.emotions) == ("crisis", [])
    assert reply.help_lines


def test_suggest_answers_with_a_whole_reply(client: Client) -> None:
    reply = JournalReply.model_validate(client.predict(ENTRY, api_name="/suggest"))
    assert reply.engine == "local"
    assert reply.complete
    assert reply.emotions[0].label == "sad"
    assert len(reply.suggestion) > 100


def test_batch_keeps_the_order_and_answers_every_text(client: Client) -> None:
    texts = ["senang banget, akhirnya lulus!", "", CRISIS, "...", "\u200b", "aku sedih"]
    answers = client.predict(texts, api_name="/batch")
    labels = [answer["emotions"][0]["label"] if answer["emotions"] else None for answer in answers]
    assert labels == ["happy", None, None, None, None, "sad"]
    assert [answer["crisis"] for answer in answers] == [False, False, True, False, False, False]
    assert answers[2]["help_lines"]
    assert client.predict([], api_name="/batch") == []


def test_batch_agrees_with_predict(client: Client) -> None:
    (answer,) = client.predict([ENTRY], threshold=0.1, api_name="/batch")
    alone = client.predict(ENTRY, threshold=0.1, api_name="/predict")
    assert answer["emotions"] == alone["emotions"]


def test_half_a_surrogate_pair_is_answered(space: Space) -> None:
    body = b'{"data": ["\\ud83d aku sedih sekali", 0.2]}'
    path = f"{space.address}gradio_api/call/predict"
    joined = post(path, content=body, headers={"content-type": "application/json"})
    answer = get(f"{path}/{joined.json()['event_id']}").text
    assert answer.startswith("event: complete")
    assert '"label": "sad"' in answer


# What a caller did wrong


@pytest.mark.parametrize(
    ("endpoint", "data", "line"),
    [
        ("predict", ["", 0.2], "Please write a sentence or two first."),
        ("predict", ["...", 0.2], "There is no word to read yet."),
        ("predict", ["x" * 20_001, 0.2], "This entry has 20001 characters."),
        ("predict", [["a"], 0.2], "text must be a text."),
        ("predict", [None, 0.2], "text must be a text."),
        ("predict", ["sedih", 1], "The threshold must be a number"),
        ("predict", ["sedih", "0.2"], "The threshold must be a number"),
        ("predict", ["sedih", True], "The threshold must be a number"),
        ("suggest", [""], "the entry is empty"),
        ("suggest", [{"a": 1}], "the entry is a dict; expected a text"),
        ("batch", ["sedih", 0.2], "texts must be a list of texts."),
        ("batch", [["sedih", 5], 0.2], "Item 2 of texts is not a text."),
        ("batch", [["x" * 20_001], 0.2], "Item 1 of texts is too long."),
        ("batch", [["sedih"] * 1_001, 0.2], "At most 1,000 texts at once, and these are 1,001."),
        ("batch", [["x" * 9_999] * 21, 0.2], "At most 200,000 characters in all"),
        ("batch", [["sedih"], -1], "The threshold must be a number"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    space: Space, endpoint: str, data: list[Any], line: str
) -> None:
    event, answer = space.call(endpoint, data)
    assert event == "error"
    assert answer["error"].startswith(line)
    assert "\n" not in answer["error"]


def test_as_many_texts_as_are_allowed_are_answered(client: Client) -> None:
    answers = client.predict(["aku sedih"] * 1_000, api_name="/batch")
    assert {answer["emotions"][0]["label"] for answer in answers} == {"sad"}
    assert len(answers) == 1_000


# What must never be in the log


def test_a_failure_of_ours_puts_its_kind_into_the_log_and_no_text(
    space: Space, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(AppError) as failed:
        space.client().predict(LEAK, api_name="/predict")
    assert str(failed.value) == "Sorry, something went wrong on our side. Please try once more."
    out, err = capfd.readouterr()
    log = caplog.text + out + err
    assert "an endpoint failed: RuntimeError" in log
    assert "test_api.py" in log  # the place
    assert SECRET not in log


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("call/predict", {"data": [SECRET]}),  # Gradio's own message quotes what it got
        ("run/predict", {"data": [SECRET]}),
        ("call/predict", {"data": ["", SECRET]}),
        ("call/predict", {"data": SECRET}),
        ("call/v2/predict", {SECRET: SECRET}),
        ("call/nothing", {"data": [SECRET]}),
    ],
)
def test_whatever_a_caller_sends_no_text_is_in_the_log(
    space: Space,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    path: str,
    body: dict[str, Any],
) -> None:
    address = f"{space.address}gradio_api/{path}"
    with caplog.at_level(logging.INFO):
        answer = post(address, json=body)
        if "event_id" in answer.text:
            assert "error" in get(f"{address}/{answer.json()['event_id']}").text
        else:
            assert answer.status_code >= 400
    out, err = capfd.readouterr()
    assert SECRET not in caplog.text + out + err


def test_an_error_in_an_event_of_the_page_is_logged_without_its_message(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    import gradio.queueing

    try:
        raise ValueError(SECRET)
    except ValueError:
        gradio.queueing.traceback.print_exc()
        assert SECRET not in gradio.queueing.traceback.format_exc()
    assert "a handler failed: ValueError" in caplog.text
    assert SECRET not in caplog.text + "".join(capfd.readouterr())


# Many at once


def test_a_session_holds_no_description_of_the_page() -> None:
    from gradio.state_holder import SessionState

    with gr.Blocks(analytics_enabled=False) as page:
        boxes = [gr.Textbox(f"{number}") for number in range(5)]
    session = SessionState(page)
    assert session.config_values == {}
    session._update_value_in_config(boxes[3]._id, "changed")  # what an event does
    assert [config["props"]["value"] for config in session.config_values.values()] == ["changed"]
    assert session.blocks_config.blocks[boxes[0]._id] is boxes[0]


def test_suggestions_that_hang_never_keep_predict_waiting(space: Space) -> None:
    HangingEngine.go.clear()
    with ThreadPoolExecutor(24) as pool:
        hanging = [pool.submit(space.call, "suggest", [HANG]) for _ in range(24)]
        try:
            for _ in range(SUGGEST_PLACES):
                assert HangingEngine.held.acquire(timeout=PATIENCE)
            assert space.call("predict", [ENTRY, 0.2])[0] == "complete"
            assert space.call("batch", [[ENTRY], 0.2])[0] == "complete"
            assert not any(call.done() for call in hanging)
        finally:
            HangingEngine.go.set()
        assert {call.result()[0] for call in hanging} == {"complete"}


def test_the_rate_limit_counts_sessions_and_addresses() -> None:
    service = Service(make_engine=LocalEngine, limiter=RateLimiter("3/hour", "8/hour"))
    with service, launched(service) as space:
        first, second = space.client(), space.client()
        for _ in range(3):
            first.predict("aku sedih", api_name="/predict")
        with pytest.raises(AppError, match="Too many requests from here"):
            first.predict("aku sedih", api_name="/predict")
        long = "aku sedih " * 40  # counts as two
        second.predict(long, api_name="/predict")
        with pytest.raises(AppError, match="Too many requests"):
            second.predict(long, api_name="/predict")
        for _ in range(3):
            space.client().predict("aku sedih", api_name="/suggest")
        refused = post(f"{space.address}gradio_api/call/predict", json={"data": ["a", 0.2]})
        assert refused.status_code == 429


# The service


def test_health_waits_for_the_models_and_predict_too() -> None:
    may_load = threading.Event()

    def slowly() -> EmotionClassifier:
        may_load.wait(PATIENCE)
        return EmotionClassifier.from_pretrained()

    service = Service(make_classifier=slowly, make_engine=LocalEngine, limiter=RateLimiter())
    with service, launched(service) as space:
        answer = get(f"{space.address}health")
        assert answer.status_code == 503
        assert answer.json() == {
            "status": "loading",
            "version": __version__,
            "engine": None,
            "model_loaded": False,
        }
        with ThreadPoolExecutor(1) as pool:
            early = pool.submit(space.call, "predict", [ENTRY, 0.2])
            time.sleep(0.5)
            assert get(space.address).status_code == 200  # the page is there already
            assert not early.done()
            may_load.set()
            assert early.result()[0] == "complete"
        answer = get(f"{space.address}health")
        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"
        assert (answer.json()["engine"], answer.json()["model_loaded"]) == ("local", True)
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_error_of_the_loading_is_raised_to_whoever_asks() -> None:
    def missing() -> EmotionClassifier:
        raise ModelLoadError("there is no model here")

    with Service(make_classifier=missing, limiter=RateLimiter()) as service:
        for _ in range(2):
            with pytest.raises(ModelLoadError, match="no model here"):
                _ = service.companion
        assert not service.loaded


def test_the_models_are_loaded_once_and_the_engine_is_closed() -> None:
    made, closed = [], []

    class Engine(LocalEngine):
        def __init__(self) -> None:
            made.append(self)
            super().__init__()

        def close(self) -> None:
            closed.append(self)

    with Service(make_engine=Engine, limiter=RateLimiter()) as service:
        assert service.start() is service
        assert service.companion is service.companion
        assert service.classifier is service.classifier
        assert service.engine_name == "local"
    assert len(made) == 1
    assert closed == made


# The sizes


def test_a_body_that_is_too_large_is_answered_413(space: Space) -> None:
    path = f"{space.address}gradio_api/call/predict"
    for body in (b"x" * 4_000_001, iter([b"x" * 1_000_000] * 5)):
        answer = post(path, content=body)
        assert answer.status_code == 413
        assert answer.json() == {"detail": "That is too large to send. At most 4 MB."}


def test_an_upload_may_be_larger(space: Space) -> None:
    path = f"{space.address}gradio_api/upload"
    uploaded = post(path, files={"files": ("a.txt", b"x" * 5_000_000)})
    assert uploaded.status_code == 200
    for _ in range(2):
        refused = post(path, files={"files": ("a.txt", b"x" * 25_000_001)})
        assert refused.status_code == 413
