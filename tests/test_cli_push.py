"""``memotions push --space``: what it shows, what a Hub on this machine gets, what goes wrong."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest
from huggingface_hub import RepoCard
from support.loopback_hub import (
    OWNER,
    READ_TOKEN,
    WRITE_TOKEN,
    LoopbackHub,
    _Handler,
    _HubError,
    run_client,
)

import memotions_hf
from memotions_hf.cli import main

pytest.importorskip("gradio", reason="the space extra is not installed")

SPACE = f"{OWNER}/journal"
REPO = f"spaces/{SPACE}"
SECRET = "AIza-very-secret\nsecond-line-of-it"
PUSH = """
import json, os, sys
os.environ.update(json.loads(sys.argv[1]))
from memotions_hf.cli import main
sys.exit(main(["push", *sys.argv[2:]]))
"""


class SpaceHandler(_Handler):
    """The loopback Hub's interface, with Spaces, their secrets and their variables."""

    hub: ClassVar[SpaceHub]
    routes = (
        ("POST", r"/api/(spaces/[^/]+/[^/]+)/(secrets|variables)", "set_value"),
        *(
            (
                methods,
                pattern.replace("models|datasets", "models|datasets|spaces").replace(
                    "(?:datasets/)?", "(?:(?:datasets|spaces)/)?"
                ),
                name,
            )
            for methods, pattern, name in _Handler.routes
        ),
    )

    def create_repo(self) -> None:
        request = json.loads(self.body)
        if request.get("type") != "space":
            super().create_repo()
            return
        self.require_write()
        if self.hub.unpaid:
            raise _HubError(402, "", "Payment required")
        if request["organization"] != OWNER:
            raise _HubError(403, "", "you may not write to this namespace")
        assert request["sdk"] == "gradio"
        repo_id = f"spaces/{request['organization']}/{request['name']}"
        exists = repo_id in self.hub.repos
        if not exists:
            self.hub.create(repo_id, private=request.get("visibility") == "private")
        self.reply_json({"url": f"{self.hub.url}/{repo_id}"}, 409 if exists else 200)

    def set_value(self, repo_id: str, kind: str) -> None:
        self.require_write()
        self.repo(repo_id)
        pair = json.loads(self.body)
        if self.hub.refuses_values:
            raise _HubError(400, "", f"cannot use {pair['value']}")
        self.hub.values[f"{kind}/{pair['key']}"] = pair["value"]
        self.reply_json({})


class SpaceHub(LoopbackHub):
    """The loopback Hub with Spaces."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.refuses_values = self.unpaid = False
        self._server.RequestHandlerClass = type("Handler", (SpaceHandler,), {"hub": self})

    def files(self) -> dict[str, bytes]:
        repo = self.repos[REPO]
        return repo.commits[repo.branches["main"]]


@pytest.fixture
def hub() -> Iterator[SpaceHub]:
    with SpaceHub() as server:
        yield server


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS_JSON", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def push(
    endpoint: str,
    cache: Path,
    *arguments: str,
    token: str | None = WRITE_TOKEN,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    return run_client(PUSH, endpoint, cache, json.dumps(environment), *arguments, token=token)


def one_line(run: subprocess.CompletedProcess[str]) -> str:
    """Expect exit code 2 and one line of error below the plan; return the line."""
    assert (run.returncode, run.stdout) == (2, "")
    assert "Traceback" not in run.stderr
    lines = [line for line in run.stderr.splitlines() if line.startswith("memotions: error: ")]
    assert lines == run.stderr.splitlines()[-1:]
    return lines[0]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["push", "--dry-run", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


# On this machine ----------------------------------------------------------------------------------


def test_a_dry_run_shows_the_plan(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMOTIONS_RATE_SESSION", "7/minute")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS_JSON", SECRET)
    out = shown(
        capsys, "--space", SPACE, "--private", "--variable", "MEMOTIONS_RATE_SESSION",
        "--secret", "GOOGLE_APPLICATION_CREDENTIALS_JSON",
    )  # fmt: skip
    assert f"{SPACE} (gradio " in out
    assert "private" in out
    for name in ("README.md", "app.py", "requirements.txt"):
        assert name in out
    assert f"memotions-hf[space]=={memotions_hf.__version__}" in out
    assert "secret     GOOGLE_APPLICATION_CREDENTIALS_JSON" in out
    assert "variable   MEMOTIONS_RATE_SESSION" in out
    assert "AIza" not in out
    assert "7/minute" not in out
    assert out.endswith("Nothing was pushed (--dry-run).\n")


def test_gemini_is_installed_where_its_project_is_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "some-project")
    out = shown(capsys, "--space", SPACE, "--variable", "GOOGLE_CLOUD_PROJECT")
    assert f"installs   memotions-hf[space,gemini]=={memotions_hf.__version__}\n" in out


def test_the_package_can_come_from_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    address = "git+https://example.org/someone/memotions-hf@v1"
    out = shown(capsys, "--space", SPACE, "--package", address)
    assert f"installs   memotions-hf[space] @ {address}\n" in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "--space owner/name"),
        (["--space", "journal"], "owner/name"),
        (["--space", "some one/journal"], "owner/name"),
        (["--space", "spaces/someone/journal"], "owner/name"),
        (["--space", "someone/a--b"], "owner/name"),
        (["--space", SPACE, "--package", "./memotions.whl"], "cannot install a file"),
        (["--space", SPACE, "--package", "https://me:pw@example.org/x.whl"], "user or a token"),
        (["--space", SPACE, "--secret", "MISSING_ONE"], "no environment variable MISSING_ONE"),
        (["--space", SPACE, "--secret", "NAME=hunter2"], "by name alone"),
        (["--space", SPACE, "--variable", "GIVEN", "--secret", "GIVEN"], "use --secret"),
        (["--space", SPACE, "--secret", "GOOGLE_APPLICATION_CREDENTIALS"], "names a file"),
    ],
)
def test_what_cannot_be_pushed_is_one_line(
    arguments: list[str],
    part: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GIVEN", "value")
    for dry_run in (["--dry-run"], []):
        assert main(["push", *dry_run, *arguments]) == 2
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        assert part in line
        assert "hunter2" not in line
        assert captured.out == ""


# A Hub on this machine ----------------------------------------------------------------------------


def test_the_hub_gets_the_files_the_secrets_and_the_variables(
    hub: SpaceHub, tmp_path: Path
) -> None:
    arguments = (
        "--space", SPACE, "--secret", "KEY", "OTHER", "--variable", "GOOGLE_CLOUD_PROJECT",
        "--message", "The first one",
    )  # fmt: skip
    environment = {"KEY": SECRET, "OTHER": "hush-hush", "GOOGLE_CLOUD_PROJECT": "some-project"}
    run = push(hub.url, tmp_path, *arguments, **environment)
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"{hub.url}/{REPO}\n"
    assert hub.values == {
        "secrets/KEY": SECRET,
        "secrets/OTHER": "hush-hush",
        "variables/GOOGLE_CLOUD_PROJECT": "some-project",
    }
    files = hub.files()
    assert files["requirements.txt"].decode().startswith("memotions-hf[space,gemini]==")
    assert b"launch()" in files["app.py"]
    card = RepoCard(files["README.md"].decode())
    assert card.data.sdk == "gradio"
    assert f'Client("{SPACE}")' in card.text
    assert not hub.repos[REPO].private
    commits = [name for name in hub.requests if "/commit/" in name]
    assert commits == [f"POST /api/spaces/{SPACE}/commit/main"]
    everything = run.stdout + run.stderr + "".join(map(bytes.decode, files.values()))
    for secret in (*SECRET.splitlines(), "hush-hush"):
        assert secret not in everything
    assert hub.requests.index(f"POST /api/spaces/{SPACE}/secrets") < hub.requests.index(commits[0])


def test_a_second_push_leaves_other_files_and_a_private_space_stays_private(
    hub: SpaceHub, tmp_path: Path
) -> None:
    assert push(hub.url, tmp_path, "--space", SPACE, "--private").returncode == 0
    assert hub.repos[REPO].private
    hub.repos[REPO].commit(hub.files() | {"note.txt": b"mine\n", "app.py": b"old\n"})
    run = push(hub.url, tmp_path, "--space", SPACE)
    assert run.returncode == 0, run.stderr
    assert hub.files()["note.txt"] == b"mine\n"
    assert b"launch()" in hub.files()["app.py"]
    assert hub.repos[REPO].private


def test_private_is_never_pushed_to_a_public_space(hub: SpaceHub, tmp_path: Path) -> None:
    hub.create(REPO)
    before = hub.files()
    run = push(hub.url, tmp_path, "--space", SPACE, "--private", "--secret", "KEY", KEY="hush-hush")
    assert "is public; nothing was pushed" in one_line(run)
    assert hub.files() == before
    assert hub.values == {}


@pytest.mark.parametrize(
    ("space", "token", "part"),
    [
        (SPACE, None, "valid token; log in"),
        (SPACE, "hf_loopbackWrongToken", "valid token; log in"),
        (SPACE, READ_TOKEN, "write permission"),
        ("somebody-else/journal", WRITE_TOKEN, "write permission"),
    ],
)
def test_who_may_not_push_is_told_in_one_line(
    hub: SpaceHub, tmp_path: Path, space: str, token: str | None, part: str
) -> None:
    line = one_line(push(hub.url, tmp_path, "--space", space, token=token))
    assert part in line
    assert str(token) not in line
    assert hub.repos == {}


def test_a_hub_that_wants_to_be_paid_is_one_line(hub: SpaceHub, tmp_path: Path) -> None:
    hub.unpaid = True
    assert "paid plan" in one_line(push(hub.url, tmp_path, "--space", SPACE))


def test_a_space_of_somebody_else_gets_no_secret(hub: SpaceHub, tmp_path: Path) -> None:
    hub.create(REPO)
    arguments = ("--space", SPACE, "--secret", "KEY")
    run = push(hub.url, tmp_path, *arguments, token=READ_TOKEN, KEY="hush-hush")
    assert "write permission" in one_line(run)
    assert hub.values == {}


@pytest.mark.parametrize("secret", ["AIza-very-secret", SECRET])  # the second breaks the answer
def test_a_refused_secret_is_not_repeated(hub: SpaceHub, tmp_path: Path, secret: str) -> None:
    hub.refuses_values = True
    run = push(hub.url, tmp_path, "--space", SPACE, "--secret", "KEY", KEY=secret)
    assert "the secret KEY was not taken" in one_line(run)
    for line in secret.splitlines():
        assert line not in run.stderr
    assert "README.md" not in hub.files()


def test_a_commit_in_between_is_not_overwritten(hub: SpaceHub, tmp_path: Path) -> None:
    hub.create(REPO)
    hub.interfere = True
    assert "changed during the upload" in one_line(push(hub.url, tmp_path, "--space", SPACE))
    assert "app.py" not in hub.files()


def test_a_network_that_is_down_is_one_line(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    run = push(f"http://127.0.0.1:{port}", tmp_path, "--space", SPACE)
    assert "check the network" in one_line(run)


def test_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["push", "--help"])
    assert stop.value.code == 0
    out: Any = capsys.readouterr().out
    assert "--dry-run" in out
