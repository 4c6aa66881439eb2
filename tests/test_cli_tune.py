"""``memotions tune``: what a person at a terminal gets."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.tuning_server import (
    ENDPOINT,
    JOB,
    LOCATION,
    PARENT,
    PROJECT,
    TOKEN,
    CloudStorage,
    Reply,
    TuningServer,
    storage_program,
)

from memotions_hf import cli_tune
from memotions_hf.cli import main
from memotions_hf.cli_tune import StatusLine, describe_progress
from memotions_hf.suggestions.tuning import Progress

BUCKET = "memotions-pairs"
VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_VERTEX_BASE_URL")


def tune(*arguments: str) -> int:
    return main(["tune", *arguments])


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Expect one line of error and exit code 2; return the line."""
    assert tune(*arguments) == 2
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if line.startswith("memotions: error: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    assert TOKEN not in err
    return lines[0]


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def storage() -> Iterator[CloudStorage]:
    if storage_program() is None:
        pytest.skip("there is no fake-gcs-server for this machine")
    with CloudStorage() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture
def vertex(
    storage: CloudStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TuningServer]:
    """Google as the environment describes it: a key file, and addresses on this machine."""
    for module in ("google.genai", "google.cloud.storage", "google.cloud.aiplatform_v1"):
        pytest.importorskip(module, reason="the gemini extra is not installed")
    pytest.importorskip("matplotlib", reason="the cards extra is not installed")
    with TuningServer(metrics=False) as server:
        key = tmp_path / "key.json"
        key.write_text(json.dumps(workload_identity(f"{server.url}/token", tmp_path / "token.jwt")))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", LOCATION)
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", server.url)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage.url)
        yield server
    storage.empty_bucket(BUCKET)


def workload_identity(token_url: str, token_file: Path) -> dict[str, Any]:
    """Return a credentials file whose tokens come from this machine.

    A service account's would not do: google-auth asks Google where such an account may be used.
    """
    token_file.write_text("a token of another identity provider")
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/loopback",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": token_url,
        "credential_source": {"file": str(token_file)},
    }


# Without Google -----------------------------------------------------------------------------------


def test_a_dry_run_shows_rows_tokens_and_cost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "google", None)  # it needs no library, no account, no network
    assert tune("--dry-run", "--model", "gemini-2.5-flash-lite") == 0
    out = capsys.readouterr().out
    assert out.startswith("dry run: nothing is sent, nothing is written\n")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line[:16].isspace()}
    assert rows["sad"] == ["happy", "neutral", "anger", "fear", "all"]
    assert rows["train"] == ["58"] * 5 + ["290"]
    assert rows["validation"] == ["6"] * 5 + ["30"]
    (tokens,) = re.findall(r"tokens +about ([\d,]+);", out)
    training = 3 * int(tokens.replace(",", ""))
    assert f"about {training:,} training tokens ({tokens} x 3 epochs)" in out
    assert f"about ${training * 1.5 / 1e6:.2f} at $1.50 a million training tokens" in out
    assert "an estimate, characters / 3.5" in out
    assert "project not set: --project or GOOGLE_CLOUD_PROJECT, location us-central1" in out
    assert "adapter size 16" in out
    assert re.search(r"gs://BUCKET/memotions-tuning/train-[0-9a-f]{12}\.jsonl", out)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_sends_nothing(vertex: TuningServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune("--dry-run", "--bucket", BUCKET) == 0
    assert f"gs://{BUCKET}/memotions-tuning/" in capsys.readouterr().out
    assert not vertex.requests
    assert not Path("runs").exists()


def test_a_price_that_is_not_known_is_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert tune("--dry-run") == 0
    out = capsys.readouterr().out
    assert "price not known: see https://cloud.google.com/" in out
    assert "$" not in out
    assert tune("--dry-run", "--price", "2", "--epochs", "10") == 0
    out = capsys.readouterr().out
    (training,) = re.findall(r"about ([\d,]+) training tokens", out)
    usd = int(training.replace(",", "")) * 2 / 1e6
    assert f"about ${usd:.2f} at $2.00 a million training tokens (--price)" in out


def test_a_dry_run_of_ones_own_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "entry": "Tadi siang hujan deras dan aku lupa bawa payung ke kantor",
        "emotion": "sad",
        "suggestion": "Basah kuyup di tengah hari memang bikin lelah. Ganti dulu bajumu dengan "
        "yang kering. Setelah itu seduh minuman hangat dan duduk sebentar. Besok taruh payung di "
        "dekat pintu supaya tidak lupa. Malam ini kamu boleh tidur lebih awal.",
    }
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert tune("--dry-run", "--data", str(path)) == 0
    out = capsys.readouterr().out
    assert f"{path}; rows by split" in out
    assert "1 rows (Google advises 100 or more)" in out
    assert "payung" not in out
    path.write_text(json.dumps(row) + "\n{}\n", encoding="utf-8")
    assert f"{path}, line 2: no text under 'entry'" in error_of(
        capsys, "--dry-run", "--data", str(path)
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--project", "p"], "--bucket is missing"),
        (["--bucket", BUCKET], "--project is missing"),
        (["--dry-run", "--bucket", "gs://a/b"], "--prefix takes the path inside it"),
        (["--dry-run", "--location", "global"], "is no region"),
        (["--dry-run", "--validation-fraction", "1"], "expected 0 to 0.5"),
        (["--resume", "12345"], "projects/PROJECT/locations/REGION/tuningJobs/ID"),
        (["--cancel", "12345"], "projects/PROJECT/locations/REGION/tuningJobs/ID"),
    ],
)
def test_arguments_that_cannot_be_used_are_said(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in error_of(capsys, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [["--poll", "0"], ["--price", "-1"], ["--dry-run", "--resume", JOB], ["--epochs", "x"]],
)
def test_arguments_that_are_none_are_refused_by_the_parser(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        tune(*arguments)
    assert caught.value.code == 2


def test_the_location_of_the_engine_is_no_location_to_tune_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "global")
    assert "'global' is no region" in error_of(capsys, "--dry-run")


# With Google --------------------------------------------------------------------------------------


def run_arguments(output: str = "run") -> list[str]:
    return ["--bucket", BUCKET, "--output", output, "--poll", "0.02"]


def test_a_run_ends_with_the_variable_to_set(
    vertex: TuningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    vertex.metrics = True
    assert tune(*run_arguments()) == 0
    captured = capsys.readouterr()
    assert captured.out == f"export MEMOTIONS_GEMINI_MODEL={ENDPOINT}\n"
    for line in (
        "price not known",
        f"uploading gs://{BUCKET}/memotions-tuning/train-",
        f"starting a job in {PROJECT}, {LOCATION}",
        "RUNNING, tuning, 0 min, step 12 of 12, training loss 1.900",
        "billable tokens, as Google counts them: 4,321",
        "final loss: training 1.900, validation 2.125 (reference system: 1.86)",
        "loss curve: run/loss.csv, run/loss.png",
    ):
        assert line in captured.err
    assert captured.err.count("RUNNING") == 1  # a log is not filled with lines that say the same
    assert TOKEN not in captured.err
    (creation,) = vertex.creations
    assert creation.authorization == f"Bearer {TOKEN}"
    assert Path("run/loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_without_a_curve_says_why(
    vertex: TuningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(*run_arguments()) == 0
    captured = capsys.readouterr()
    assert captured.out == f"export MEMOTIONS_GEMINI_MODEL={ENDPOINT}\n"
    (line,) = [line for line in captured.err.splitlines() if line.startswith("no loss curve: ")]
    assert "Google has not written any losses yet" in line
    assert f"memotions tune --resume {JOB} --output run" in line


def start_process(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "memotions_hf", "tune", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT for another process")
def test_ctrl_c_leaves_the_job_and_says_how_to_go_on(
    vertex: TuningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    vertex.states = deque(["RUNNING"])
    process = start_process(run_arguments())
    vertex.wait_for_looks(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    *_, last = err.splitlines()
    assert last == (
        f"the job goes on at Google; follow it: memotions tune --resume {JOB} --output run; "
        f"cancel it: memotions tune --cancel {JOB}, or in the console"
    )
    vertex.states = deque(["SUCCEEDED"])
    assert tune(*run_arguments()) == 0
    assert f"going on with {JOB}; no other job is started" in capsys.readouterr().err
    assert tune("--resume", JOB, "--output", "run") == 0
    assert len(vertex.creations) == 1


@pytest.mark.parametrize(
    ("looked", "line"),
    [
        (False, "stopped before a job was started: nothing runs at Google"),
        (True, "stopped while a job was asked for; the same command looks whether there is one"),
    ],
)
def test_ctrl_c_before_the_job_is_known_says_what_may_run(
    vertex: TuningServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    looked: bool,
    line: str,
) -> None:
    def stop(said: str) -> None:
        if said.startswith("starting a job" if looked else "uploading"):
            raise KeyboardInterrupt

    monkeypatch.setattr(StatusLine, "say", lambda self, said: (cli_tune.say(said), stop(said)))
    assert tune(*run_arguments()) == 130
    assert capsys.readouterr().err.splitlines()[-1] == line
    assert not vertex.creations


def test_cancel_asks_google(vertex: TuningServer, capsys: pytest.CaptureFixture[str]) -> None:
    name = vertex.add_job()
    assert tune("--cancel", name) == 0
    assert capsys.readouterr().err == f"asked Google to cancel {name}\n"
    assert len(vertex.sent("POST", f"/v1beta1/{name}:cancel")) == 1
    assert "is CANCELLED" in error_of(capsys, "--resume", name)
    vertex.plans["cancel"].append(Reply(400, "Job is already done."))
    assert "Job is already done (400)" in error_of(capsys, "--cancel", name)
    assert f"there is no job {PARENT}/tuningJobs/9" in error_of(
        capsys, "--resume", f"{PARENT}/tuningJobs/9", "--output", "other"
    )


# Progress -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"state": "PENDING"}, "PENDING"),
        (
            {"state": "RUNNING", "elapsed": 4000.0, "epoch": 1, "epochs": 3, "step": 1200},
            "RUNNING, 1 h 6 min, step 1,200, epoch 1 of 3",
        ),
        (
            {"state": "RUNNING, tuning", "elapsed": 59.0, "step": 4, "steps": 12, "loss": 1.8765},
            "RUNNING, tuning, 0 min, step 4 of 12, training loss 1.877",
        ),
        ({"state": "UNKNOWN", "trouble": "oops"}, "oops; trying again"),
    ],
)
def test_progress_is_one_line(facts: dict[str, Any], line: str) -> None:
    assert describe_progress(Progress(**facts)) == line


def test_a_terminal_gets_one_line_that_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    line = StatusLine()
    line(Progress("RUNNING", step=1))
    line(Progress("RUNNING, waiting for capacity", elapsed=60.0, step=2))
    line.say("a line that stays")
    line.clear()
    shown = capsys.readouterr().err
    assert shown == (
        "\r\x1b[KRUNNING, step 1\r\x1b[KRUNNING, waiting for capacity\r\x1b[Ka line that stays\n"
    )


def test_a_log_gets_a_line_when_something_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    line = StatusLine()
    for step in range(5):
        line(Progress("RUNNING", step=step))
    line(Progress("SUCCEEDED"))
    assert capsys.readouterr().err == "RUNNING, step 0\nSUCCEEDED\n"
