"""``memotions push``: what it shows, what a Hub on this machine gets, what goes wrong."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, RepoCard
from support.hub import ALWAYS, Hub, loopback_hub
from support.small_corpus import write_small_mirror
from support.small_models import small_model

import memotions_hf
from memotions_hf.cards.dataset_folder import write_card
from memotions_hf.cli import main
from memotions_hf.corpus.merge import MergeOptions
from memotions_hf.corpus.publish import build_folder

pytest.importorskip("gradio", reason="the space extra is not installed")

SPACE = "memotions/memotions"
METRIC = "memotions/memotions-emotion"
MODEL = "memotions/memotions-bilstm"
CORPUS = "memotions/memotions-corpus"
SECRET = "AIza-very-secret\nsecond-line-of-it"
TO_SPACE = ("--space", "--namespace", "memotions")
TO_METRIC = ("--metric", "--namespace", "memotions")
PUSH = """
import sys
from memotions_hf.cli import main
sys.exit(main(["push", *sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model().save_pretrained(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("corpus")
    options = MergeOptions(sources=("emot",))
    with pytest.MonkeyPatch.context() as patch:
        write_small_mirror(folder / "mirror", patch)
        yield build_folder(
            folder / "built",
            options=options,
            configs=["merged", "emot"],
            finish=lambda draft, infos: write_card(draft, infos, options=options),
        )


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with loopback_hub(tmp_path / "hub") as running:
        yield running


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS_JSON", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def push(
    hub: Hub, *arguments: str, token: str | None = "hf_loopbackWrite", **environment: str
) -> subprocess.CompletedProcess[str]:
    home = hub.store.folder.parent / "home"
    return hub.run(PUSH, *arguments, home=home, token=token, **environment)


def one_line(run: subprocess.CompletedProcess[str], *secrets: str) -> str:
    """Expect exit code 2 and one line of error below the plan; return the line."""
    assert (run.returncode, run.stdout) == (2, ""), run.stderr
    assert "Traceback" not in run.stderr
    lines = [line for line in run.stderr.splitlines() if line.startswith("memotions: error: ")]
    assert lines == run.stderr.splitlines()[-1:]
    for secret in ("hf_loopback", *secrets):
        assert secret not in run.stderr
    return lines[0]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["push", "--dry-run", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


# The plan -----------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_plan_of_everything(
    capsys: pytest.CaptureFixture[str], model_folder: Path, corpus_folder: Path
) -> None:
    out = shown(
        capsys, "--all", "--namespace", "someone", "--model", str(model_folder),
        "--dataset", str(corpus_folder), "--space-name", "jurnal", "--private",
    )  # fmt: skip
    heads = re.findall(r"^(\w+) +(\S+): (\d+) files, [\d.]+ [kM]B, licence (.+), (.+)$", out, re.M)
    assert [head[:2] for head in heads] == [
        ("dataset", "someone/memotions-corpus"),
        ("model", "someone/memotions-bilstm"),
        ("metric", "someone/memotions-emotion"),
        ("space", "someone/jurnal"),
    ]
    assert all(head[4] == "private if new" for head in heads)
    assert {head[0]: head[3] for head in heads}["model"] == "cc-by-nc-sa-4.0"
    files = re.findall(r"^ +[\d.]+ (?:bytes|kB|MB)  (\S+)$", out, re.M)
    assert len(files) == sum(int(head[2]) for head in heads)
    assert {"merged/train-00000-of-00001.parquet", "model.safetensors", "app.py"} <= set(files)
    assert "model.weights.h5" in files
    assert "  rows are under CC-BY-NC-SA-4.0\n" in out
    assert out.endswith("Nothing was pushed (--dry-run).\n")


def test_the_space_of_the_plan(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMOTIONS_RATE_SESSION", "7/minute")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS_JSON", SECRET)
    out = shown(
        capsys, *TO_SPACE, "--variable", "MEMOTIONS_RATE_SESSION", "--restart",
        "--secret", "GOOGLE_APPLICATION_CREDENTIALS_JSON",
    )  # fmt: skip
    assert "runs on gradio " in out
    assert f"installs memotions-hf[space]=={memotions_hf.__version__}\n" in out
    assert "secret GOOGLE_APPLICATION_CREDENTIALS_JSON (its value is not shown)" in out
    assert "variable MEMOTIONS_RATE_SESSION" in out
    assert "started anew" in out
    assert "AIza" not in out
    assert "7/minute" not in out


def test_gemini_is_installed_where_its_project_is_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "some-project")
    out = shown(capsys, *TO_SPACE, "--variable", "GOOGLE_CLOUD_PROJECT")
    assert f"installs memotions-hf[space,gemini]=={memotions_hf.__version__}\n" in out


def test_the_package_can_come_from_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    address = "git+https://example.org/someone/memotions-hf@v1"
    out = shown(capsys, *TO_SPACE, "--package", address)
    assert f"installs memotions-hf[space] @ {address}\n" in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "say what to push: --model"),
        (["--namespace", "memotions"], "say what to push: --model"),
        (["--metric"], "--namespace NAME"),
        (["--metric", "--namespace", "a/b"], "owner/name"),
        (["--metric", "--namespace", "some one"], "owner/name"),
        ([*TO_METRIC, "--metric-name", "a--b"], "owner/name"),
        ([*TO_METRIC, "--metric-name", "../x"], "owner/name"),
        ([*TO_METRIC, "--message", " "], "commit_message is empty"),
        ([*TO_METRIC, "--secret", "GIVEN"], "add --space"),
        ([*TO_METRIC, "--restart"], "add --space"),
        (["--model", "nowhere", "--namespace", "memotions"], "no model folder 'nowhere'"),
        (["--dataset", "nowhere", "--namespace", "memotions"], "nowhere is no built corpus"),
        ([*TO_SPACE, "--package", "./memotions.whl"], "cannot install a file"),
        ([*TO_SPACE, "--package", "https://me:pw@example.org/x.whl"], "user or a token"),
        ([*TO_SPACE, "--secret", "MISSING_ONE"], "no environment variable MISSING_ONE"),
        ([*TO_SPACE, "--secret", "NAME=hunter2"], "by name alone"),
        ([*TO_SPACE, "--variable", "GIVEN", "--secret", "GIVEN"], "use --secret"),
        ([*TO_SPACE, "--secret", "GOOGLE_APPLICATION_CREDENTIALS"], "names a file"),
    ],
)
def test_what_cannot_be_pushed_is_one_line(
    arguments: list[str],
    part: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIVEN", "value")
    for dry_run in (["--dry-run"], []):
        assert main(["push", *dry_run, *arguments]) == 2
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        assert part in line
        assert "hunter2" not in line
        assert captured.out == ""


def test_rows_that_may_not_be_passed_on_are_refused_before_anything_is_sent(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small_mirror(tmp_path / "mirror", monkeypatch)
    options = MergeOptions(sources=("emot",))
    folder = build_folder(
        tmp_path / "built",
        options=options,
        configs=["opinion"],
        finish=lambda draft, infos: write_card(draft, infos, options=options),
    )
    run = push(hub, "--dataset", str(folder), "--metric", "--namespace", "memotions")
    assert "opinion" in one_line(run)
    assert hub.requests == []


def test_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["push", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for option in ("--all", "--namespace", "--dry-run", "--metric-name"):
        assert option in out


# A Hub on this machine ----------------------------------------------------------------------------


def test_everything_is_pushed_once_and_summed_up(
    hub: Hub, model_folder: Path, corpus_folder: Path
) -> None:
    arguments = (
        "--all", "--namespace", "memotions", "--model", str(model_folder),
        "--dataset", str(corpus_folder),
    )  # fmt: skip
    run = push(hub, *arguments)
    assert run.returncode == 0, run.stderr
    summary = [line.split() for line in run.stdout.splitlines()]
    assert [line[:2] for line in summary] == [
        ["dataset", f"{hub.url}/datasets/{CORPUS}"],
        ["model", f"{hub.url}/{MODEL}"],
        ["metric", f"{hub.url}/spaces/{METRIC}"],
        ["space", f"{hub.url}/spaces/{SPACE}"],
    ]
    assert all(line[2] == "(commit" for line in summary)
    commits = [line for line in hub.uploads if line.startswith("commit ")]
    assert [line.split()[1] for line in commits] == [
        f"datasets/{CORPUS}", f"models/{MODEL}", f"spaces/{METRIC}", f"spaces/{SPACE}",
    ]  # fmt: skip
    for repo, kind in ((CORPUS, "dataset"), (MODEL, "model"), (METRIC, "space"), (SPACE, "space")):
        card = hub.files(repo, repo_type=kind)["README.md"].decode()
        assert "memotions" in RepoCard(card).data.tags
        assert repo in card
    space = RepoCard(hub.files(SPACE, repo_type="space")["README.md"].decode()).data
    assert (space.models, space.datasets) == ([MODEL], [CORPUS])

    hub.clear()
    again = push(hub, *arguments)
    assert again.returncode == 0, again.stderr
    assert [line.split("  ")[-1] for line in again.stdout.splitlines()] == ["(nothing new)"] * 4
    assert hub.uploads == []


def test_the_hub_gets_the_files_the_secrets_and_the_variables(hub: Hub) -> None:
    arguments = (
        *TO_SPACE, "--secret", "KEY", "OTHER", "--variable", "GOOGLE_CLOUD_PROJECT",
        "--message", "The first one",
    )  # fmt: skip
    environment = {"KEY": SECRET, "OTHER": "hush-hush", "GOOGLE_CLOUD_PROJECT": "some-project"}
    run = push(hub, *arguments, **environment)
    assert run.returncode == 0, run.stderr
    assert hub.space_values(SPACE) == {
        "secrets/KEY": SECRET,
        "secrets/OTHER": "hush-hush",
        "variables/GOOGLE_CLOUD_PROJECT": "some-project",
    }
    files = hub.files(SPACE, repo_type="space")
    assert files["requirements.txt"].decode().startswith("memotions-hf[space,gemini]==")
    assert b"launch()" in files["app.py"]
    card = RepoCard(files["README.md"].decode())
    assert card.data.sdk == "gradio"
    assert f'Client("{SPACE}")' in card.text
    repo = hub.repo(SPACE, "space")
    assert repo is not None
    assert not repo.private
    api = HfApi(endpoint=hub.url, token=hub.tokens.write)
    assert api.list_repo_commits(SPACE, repo_type="space")[0].title == "The first one"
    everything = run.stdout + run.stderr + "".join(map(bytes.decode, files.values()))
    for secret in (*SECRET.splitlines(), "hush-hush"):
        assert secret not in everything
    commit = f"POST /api/spaces/{SPACE}/commit/main"
    assert hub.requests.count(commit) == 1
    assert hub.requests.index(f"POST /api/spaces/{SPACE}/secrets") < hub.requests.index(commit)
    assert not any(name.endswith("/restart") for name in hub.requests)


def test_a_second_push_leaves_other_files_and_restarts_where_asked(hub: Hub) -> None:
    assert push(hub, *TO_SPACE, "--private").returncode == 0
    repo = hub.repo(SPACE, "space")
    assert repo is not None
    assert repo.private
    hub.put(SPACE, {"note.txt": b"mine\n", "app.py": b"old\n"}, repo_type="space")
    run = push(hub, *TO_SPACE, "--restart")
    assert run.returncode == 0, run.stderr
    assert hub.files(SPACE, repo_type="space")["note.txt"] == b"mine\n"
    assert b"launch()" in hub.files(SPACE, repo_type="space")["app.py"]
    assert f"POST /api/spaces/{SPACE}/restart" in hub.requests
    again = hub.repo(SPACE, "space")
    assert again is not None
    assert again.private


def test_private_is_never_pushed_to_what_is_public(hub: Hub) -> None:
    assert push(hub, *TO_SPACE).returncode == 0
    before = hub.files(SPACE, repo_type="space")
    hub.clear()
    run = push(hub, *TO_SPACE, "--private", "--secret", "KEY", KEY="hush-hush")
    assert "is public; nothing was pushed" in one_line(run, "hush-hush")
    assert hub.files(SPACE, repo_type="space") == before
    assert (hub.uploads, hub.space_values(SPACE)) == ([], {})


@pytest.mark.parametrize(
    ("namespace", "token", "part"),
    [
        ("memotions", None, "log in"),
        ("memotions", "hf_loopbackWrong", "valid token; log in"),
        ("memotions", "hf_loopbackRead", "may only read"),
        ("memotions", "hf_loopbackFineRead", "fine-grained token may not write"),
        ("memotions-lab", "hf_loopbackFine", "fine-grained token may not write"),
        ("tidak-ada", "hf_loopbackWrite", "may write as memotions or memotions-lab"),
    ],
)
def test_who_may_not_push_is_told_in_one_line(
    hub: Hub, namespace: str, token: str | None, part: str
) -> None:
    arguments = ("--metric", "--space", "--namespace", namespace, "--secret", "KEY")
    line = one_line(push(hub, *arguments, token=token, KEY="hush-hush"), "hush-hush")
    assert part in line
    assert hub.uploads == []
    assert not any("create" in name or "secrets" in name for name in hub.requests)


@pytest.mark.parametrize(
    ("namespace", "token"), [("memotions", "hf_loopbackFine"), ("memotions-lab", None)]
)
def test_who_may_push(hub: Hub, namespace: str, token: str | None) -> None:
    token = token or hub.tokens.write
    run = push(hub, "--metric", "--namespace", namespace, token=token)
    assert run.returncode == 0, run.stderr
    assert hub.files(f"{namespace}/memotions-emotion", repo_type="space")


def test_a_name_that_is_taken_is_told_before_anything_is_pushed(hub: Hub) -> None:
    hub.put(SPACE, {"README.md": "# Toko\n", "app.py": "jual()\n"}, repo_type="space")
    line = one_line(push(hub, "--metric", *TO_SPACE))
    assert f"{SPACE} is taken" in line
    assert "--space-name" in line
    assert hub.uploads == []
    assert hub.repo(METRIC, "space") is None


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (TO_METRIC, (*TO_SPACE, "--space-name", "memotions-emotion"), METRIC),
        (TO_SPACE, (*TO_METRIC, "--metric-name", "memotions"), SPACE),
    ],
)
def test_the_metric_and_the_app_never_replace_each_other(
    hub: Hub, first: tuple[str, ...], second: tuple[str, ...], name: str
) -> None:
    assert push(hub, *first).returncode == 0
    before = hub.files(name, repo_type="space")
    assert f"{name} is taken" in one_line(push(hub, *second))
    assert hub.files(name, repo_type="space") == before
    hub.clear()
    both = ("--metric", *TO_SPACE, "--metric-name", "same", "--space-name", "same")
    assert "memotions/same would be two things" in one_line(push(hub, *both))
    assert hub.requests == []


def test_private_is_checked_before_anything_is_pushed(hub: Hub) -> None:
    assert push(hub, *TO_SPACE).returncode == 0
    hub.clear()
    line = one_line(push(hub, "--metric", *TO_SPACE, "--private"))
    assert f"{SPACE} is there already and is public; nothing was pushed" in line
    assert hub.repo(METRIC, "space") is None


def test_what_was_not_pushed_is_named(hub: Hub) -> None:
    hub.faults.status(f"POST /api/spaces/{METRIC}/commit/", 403, message="no")
    line = one_line(push(hub, "--metric", *TO_SPACE))
    assert "write permission" in line
    assert line.endswith("not pushed either: space")
    assert hub.repo(SPACE, "space") is None


def test_what_was_pushed_before_is_summed_up(hub: Hub) -> None:
    hub.app.spaces_need_payment = True
    run = push(hub, "--metric", *TO_SPACE)
    assert run.returncode == 2
    assert run.stdout.startswith(f"metric   {hub.url}/spaces/{METRIC}")
    last = run.stderr.splitlines()[-1]
    assert last.startswith("memotions: error: cannot push to 'memotions/memotions'")
    assert "paid plan" in last


def test_no_room_on_the_hub(hub: Hub) -> None:
    hub.app.quota_bytes = 100
    line = one_line(push(hub, *TO_METRIC))
    assert "used up" in line
    assert "commit" not in " ".join(hub.uploads)


def test_too_many_repositories(hub: Hub) -> None:
    hub.app.repos_per_day = 0
    assert "wait some minutes" in one_line(push(hub, *TO_METRIC))


@pytest.mark.parametrize("secret", ["AIza-very-secret", SECRET])  # the second breaks the answer
def test_a_refused_secret_is_not_repeated(hub: Hub, secret: str) -> None:
    hub.app.refuses_values = True
    run = push(hub, *TO_SPACE, "--secret", "KEY", KEY=secret)
    assert "the secret KEY was not taken" in one_line(run, *secret.splitlines())
    assert hub.uploads == []


def test_a_commit_in_between_is_not_overwritten(hub: Hub) -> None:
    assert push(hub, *TO_SPACE).returncode == 0
    hub.put(SPACE, {"app.py": b"old\n"}, repo_type="space")
    hub.interfere(SPACE, files={"app.py": b"theirs\n"}, repo_type="space")
    assert "changed during the upload" in one_line(push(hub, *TO_SPACE))
    assert hub.files(SPACE, repo_type="space")["app.py"] == b"theirs\n"


def test_a_network_that_is_down_is_one_line(hub: Hub) -> None:
    line = one_line(push(hub, *TO_METRIC, HF_ENDPOINT=hub.dead_url))
    assert "check the network" in line


def test_a_hub_that_keeps_failing_is_one_line(hub: Hub) -> None:
    hub.faults.status("POST .*/commit/", 500, times=ALWAYS)
    assert "500" in one_line(push(hub, *TO_METRIC))
    hub.faults.clear()
    assert push(hub, *TO_METRIC).returncode == 0
