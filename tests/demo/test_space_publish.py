"""The Space's repository: its folder, its card, and its app in a fresh environment."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import SpaceCard, SpaceCardData, SpaceHardware
from huggingface_hub.utils import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

import memotions_hf
from memotions_hf.errors import InputError, MissingExtraError
from memotions_hf.modeling.artifact import BUNDLED_FOLDER, read_artifact_config

pytest.importorskip("gradio", reason="the space extra is not installed")

from memotions_hf.demo import publish
from memotions_hf.demo.publish import (
    app_address,
    assemble,
    check_repo,
    requirement,
    use_credentials_secret,
)

ROOT = Path(__file__).resolve().parents[2]
CHECKED_IN = ROOT / "spaces" / "memotions"
REPO = "someone/memotions"
SECONDS = 120
# https://huggingface.co/docs/hub/spaces-config-reference
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
KEYS = {
    "title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file",
    "fullWidth", "pinned", "license", "short_description", "suggested_hardware", "models",
    "datasets", "tags",
}  # fmt: skip
MAX_DESCRIPTION = 60


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembled folder; not to be written to."""
    folder = tmp_path_factory.mktemp("space") / "memotions"
    assemble(folder, repo=REPO)
    return folder


def read(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


# The folder ---------------------------------------------------------------------------------------


def test_the_checked_in_space_is_what_assemble_makes(space: Path) -> None:
    assert read(CHECKED_IN) == read(space), (
        "write it anew: python -c 'from pathlib import Path; from memotions_hf.demo.publish import "
        'assemble; assemble(Path("spaces/memotions"), repo="someone/memotions")\''
    )


def test_the_checked_in_space_has_the_pinned_gradio() -> None:
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    assert SpaceCard.load(CHECKED_IN / "README.md").data.sdk_version == pins["gradio"]


def test_the_card_is_one_that_the_hub_takes(space: Path) -> None:
    card = SpaceCard.load(space / "README.md")
    data: Any = card.data
    assert isinstance(data, SpaceCardData)
    assert set(data.to_dict()) == KEYS
    assert (data.sdk, data.app_file, data.python_version) == ("gradio", "app.py", "3.11")
    assert {data.colorFrom, data.colorTo} <= COLOURS
    assert re.fullmatch("[\U0001f300-\U0001faff]", data.emoji)
    assert 0 < len(data.short_description) <= MAX_DESCRIPTION
    assert data.suggested_hardware == SpaceHardware.CPU_BASIC
    assert "mcp-server" in data.tags
    assert (space / data.app_file).is_file()
    assert str(card) == SpaceCard(str(card)).content  # nothing is lost on the Hub's way


def test_the_card_states_the_licence_of_the_weights_that_it_serves(space: Path) -> None:
    terms = read_artifact_config(BUNDLED_FOLDER).license
    assert SpaceCard.load(space / "README.md").data.license == terms.lower()


def test_the_card_states_the_limits_that_hold(space: Path) -> None:
    from memotions_hf.demo.api import MAX_BATCH_CHARACTERS, MAX_BATCH_TEXTS
    from memotions_hf.demo.limits import (
        ADDRESS_VARIABLE,
        DEFAULT_ADDRESS_RATE,
        DEFAULT_SESSION_RATE,
        SESSION_VARIABLE,
    )
    from memotions_hf.suggestions import gemini
    from memotions_hf.suggestions.engine import MAX_ENTRY_CHARACTERS, PROJECT_VARIABLE

    text = (space / "README.md").read_text(encoding="utf-8")
    for number in (MAX_ENTRY_CHARACTERS, MAX_BATCH_TEXTS, MAX_BATCH_CHARACTERS):
        assert f" {number:,} " in text.replace("\n", " ")
    for name, default in {
        SESSION_VARIABLE: DEFAULT_SESSION_RATE,
        ADDRESS_VARIABLE: DEFAULT_ADDRESS_RATE,
        PROJECT_VARIABLE: "",
        gemini.LOCATION_VARIABLE: "",
        gemini.MODEL_VARIABLE: "",
        gemini.TIMEOUT_VARIABLE: f"{gemini.GeminiConfig.timeout:g}",
        gemini.BUDGET_VARIABLE: f"{gemini.GeminiConfig.token_budget:,}",
        publish.CREDENTIALS_SECRET: "",
    }.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}`")]
        assert default in row


def test_the_repository_links_to_what_it_is_told(tmp_path: Path) -> None:
    assemble(tmp_path / "a", repo="Mood.Team/My_App", models=["x/y"], datasets=[])
    data: Any = SpaceCard.load(tmp_path / "a" / "README.md").data
    assert (data.models, data.datasets) == (["x/y"], [])
    text = read(tmp_path / "a")["README.md"]
    assert 'Client("Mood.Team/My_App")' in text
    assert "https://mood-team-my-app.hf.space/gradio_api/mcp/" in text
    assert app_address("Mood.Team/My_App") == "https://mood-team-my-app.hf.space"


@given(st.text("aB1.-_/ é\n", max_size=12) | st.from_regex(r"[a-z.-]{1,60}/[\w.-]{1,60}"))
def test_a_name_that_is_taken_is_one_of_the_hubs(name: str) -> None:
    try:
        check_repo(name)
    except InputError:
        return
    validate_repo_id(name)
    assert name.count("/") == 1
    assert re.fullmatch(r"https://[a-z0-9-]+\.hf\.space", app_address(name))


def test_an_earlier_space_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    assemble(tmp_path / "space", repo="someone/old")
    files = assemble(tmp_path / "space", repo="someone/new")
    assert "someone/old" not in read(tmp_path / "space")["README.md"]
    assert sorted(files) == sorted((tmp_path / "space").iterdir())
    (tmp_path / "space" / "diary.txt").write_text("mine", encoding="utf-8")
    for taken in (tmp_path / "space", tmp_path / "space" / "diary.txt"):
        with pytest.raises(InputError, match="something else"):
            assemble(taken, repo=REPO)
    assert {path.name for path in tmp_path.iterdir()} == {"space"}


def test_without_gradio_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is installed is looked up along the path.
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingExtraError, match=r"memotions-hf\[space\]"):
        assemble(tmp_path / "space", repo=REPO)
    assert not list(tmp_path.iterdir())


# What it installs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "line"),
    [
        (None, f"memotions-hf[space]=={memotions_hf.__version__}"),
        ("memotions-hf[space]>=0.1,<0.2", "memotions-hf[space]>=0.1,<0.2"),
        ("Memotions_HF[gemini,space] @ https://example.org/m.whl", None),
        ("https://example.org/m.whl", "memotions-hf[space] @ https://example.org/m.whl"),
        ("git+https://example.org/m@v1", "memotions-hf[space] @ git+https://example.org/m@v1"),
    ],
)
def test_the_requirement(package: str | None, line: str | None) -> None:
    assert requirement(package) == (line or package)
    assert requirement(requirement(package)) == (line or package)


def test_the_requirement_with_gemini() -> None:
    assert requirement(gemini=True) == f"memotions-hf[space,gemini]=={memotions_hf.__version__}"


@pytest.mark.parametrize(
    "package",
    [
        "",
        "memotions-hf",
        "memotions-hf[gemini]==1",
        "other[space]==1",
        "./memotions.whl",
        "-e .",
        "-r other.txt",
        "memotions-hf[space]==1\nevil==1",
        "memotions-hf[space] @ file:///m.whl",
        "memotions-hf[space] @ http://example.org/m.whl",
        "memotions-hf[space] @ git+ssh://git@example.org/m",
        "https://token@example.org/m.whl",
        "git+https://user:token@example.org/m",
    ],
)
def test_what_is_no_requirement_of_a_space(package: str) -> None:
    with pytest.raises(InputError) as error:
        requirement(package)
    assert "\n" not in str(error.value)
    assert "token@" not in str(error.value)


# Credentials on a Space ---------------------------------------------------------------------------


def test_the_secret_becomes_a_file_that_goes_with_the_process() -> None:
    program = (
        "import os, pathlib; from memotions_hf.demo.publish import use_credentials_secret; "
        "use_credentials_secret(); path = os.environ['GOOGLE_APPLICATION_CREDENTIALS']; "
        "print(path, oct(os.stat(path).st_mode & 0o777), pathlib.Path(path).read_text(), "
        "'GOOGLE_APPLICATION_CREDENTIALS_JSON' in os.environ, sep='|')"
    )
    secret = '{"type": "service_account"}'
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "GOOGLE_APPLICATION_CREDENTIALS_JSON": secret},
        capture_output=True,
        text=True,
        check=True,
    )
    path, mode, content, is_left = run.stdout.strip().split("|")
    assert (mode, content, is_left) == ("0o600", secret, "False")
    assert not Path(path).exists()


def test_google_reads_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = pytest.importorskip("google.auth", reason="the gemini extra is not installed")
    user = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "no-such-file.json")
    monkeypatch.setenv(publish.CREDENTIALS_SECRET, json.dumps(user))
    use_credentials_secret()
    credentials, _ = auth.default()
    assert credentials.refresh_token == "r"


def test_without_the_secret_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "mine.json")
    monkeypatch.delenv(publish.CREDENTIALS_SECRET, raising=False)
    use_credentials_secret()
    assert os.environ["GOOGLE_APPLICATION_CREDENTIALS"] == "mine.json"


# The app, in an environment of its own ------------------------------------------------------------


@pytest.fixture(scope="module")
def running(space: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the Space's app, started as Hugging Face starts it."""
    folder = tmp_path_factory.mktemp("fresh")
    python = install(space, folder)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    log = folder / "log.txt"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [python, "app.py"], cwd=space, env=environment, stdout=output, stderr=output
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/health", process, log)
            yield url
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)
        finally:
            process.kill()
    assert "Traceback" not in log.read_text(encoding="utf-8")
    assert "gagal" not in log.read_text(encoding="utf-8")  # nor any entry


def install(space: Path, folder: Path) -> Path:
    """Install the Space's requirements, the package itself from this checkout."""
    source = folder / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE", "memotions_hf"):  # a build leaves traces
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            source.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    wanted = (space / "requirements.txt").read_text(encoding="utf-8")
    assert wanted == f"memotions-hf[space]=={memotions_hf.__version__}\n"
    requirements = folder / "requirements.txt"
    requirements.write_text(f"memotions-hf[space] @ {source.as_uri()}\n", encoding="utf-8")
    sdk = SpaceCard.load(space / "README.md").data.sdk_version
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    python = folder / "environment" / "bin" / "python"
    # The builder of Hugging Face adds gradio itself, of the version that the card names.
    installed = subprocess.run(
        [
            python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet",
            "--no-compile", "--constraint", ROOT / "constraints.txt", "--requirement", requirements,
            f"gradio[mcp]=={sdk}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    return python


def wait_for(url: str, process: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"no answer at {url}: {log.read_text(encoding='utf-8')}")


def snippets(space: Path, language: str, url: str) -> list[str]:
    """The README's examples in a language, with the running app for the Space."""
    text = (space / "README.md").read_text(encoding="utf-8")
    assert app_address(REPO) in text
    text = text.replace(f'Client("{REPO}"', f'Client("{url}"').replace(app_address(REPO), url)
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_the_space_answers_in_a_fresh_environment(running: str) -> None:
    from gradio_client import Client

    client = Client(running, verbose=False, httpx_kwargs={"timeout": SECONDS})
    answer = client.predict("Senang banget, akhirnya lulus ujian!", 0.2, api_name="/predict")
    assert answer["emotions"][0]["label"] == "happy"
    with urllib.request.urlopen(running, timeout=SECONDS) as page:
        assert b"Memotions" in page.read()


def test_the_python_example_of_the_readme_runs(running: str, space: Path) -> None:
    (program,) = snippets(space, "python", running)
    output = io.StringIO()
    with redirect_stdout(output):
        exec(compile(program, "README.md", "exec"), {})
    for key in ("'emotions'", "'suggestion'", "'engine'", "'crisis'"):
        assert key in output.getvalue()


def test_the_http_example_of_the_readme_runs(running: str, space: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    (program,) = [text for text in snippets(space, "sh", running) if "curl" in text]
    run = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True)
    event, data = run.stdout.strip().splitlines()[-2:]
    assert event == "event: complete"
    (answer,) = json.loads(data.removeprefix("data: "))
    assert answer["emotions"][0]["label"] == "sad"


def test_the_mcp_configuration_of_the_readme_reaches_the_tools(running: str, space: Path) -> None:
    (configuration,) = snippets(space, "json", running)
    (server,) = json.loads(configuration)["mcpServers"].values()

    async def call() -> tuple[set[str], Any]:
        from mcp import ClientSession
        from mcp.client.streamable_http import streamable_http_client

        async with (
            streamable_http_client(server["url"]) as (receive, send, _),
            ClientSession(receive, send) as session,
        ):
            await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}
            return tools, await session.call_tool("predict", {"text": "Hari ini aku gagal lagi"})

    tools, result = asyncio.run(call())
    assert {"predict", "suggest", "batch"} <= tools
    assert not result.isError
    assert "sad" in result.content[0].text
