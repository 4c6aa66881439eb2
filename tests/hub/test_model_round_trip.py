"""A model pushed to a Hub and pulled again, whatever else happens there or on the way."""

from __future__ import annotations

import functools
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import HfApi, constants
from support.hub import ALWAYS, Hub, loopback_hub
from support.hub_client import client_of, emptied
from support.small_models import TEXTS, small_model
from transformers.utils import cached_file

from memotions_hf import EmotionClassifier
from memotions_hf.errors import (
    HubError,
    InputError,
    MemotionsError,
    MissingExtraError,
    ModelLoadError,
)
from memotions_hf.modeling.artifact import (
    CARD_FILE,
    INFERENCE_FILES,
    KERAS_FILES,
    METADATA_FILE,
    ONNX_FILE,
    PLOT_FILES,
    TWIN_FILES,
    WEIGHTS_FILE,
)
from memotions_hf.modeling.hub import MemotionsBiLSTM, fetch_model_folder

REPO = "memotions/small"
CONTRACT = {*INFERENCE_FILES, METADATA_FILE, WEIGHTS_FILE, *TWIN_FILES, CARD_FILE}
RECORDS = {"metrics.json", "training_log.csv", "plots/learning_curve.png"}
# A picture is a large file for the Hub, and so are the weights; the rest are small ones.
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)
METRICS = {"recipe": {"name": "small", "version": 1, "seed": 1}}

both = pytest.mark.parametrize("loader", [EmotionClassifier, MemotionsBiLSTM])
Loader = type[EmotionClassifier] | type[MemotionsBiLSTM]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with all that it may hold; not to be written to."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "learning_curve.png").write_bytes(PICTURE)
    (folder / "log.csv").write_text("epoch,loss\n1,0.5\n")
    model = small_model(
        metrics=METRICS,
        training_log=folder / "log.csv",
        plots=[folder / "learning_curve.png"],
    )
    return model.save_pretrained(folder / "model")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of another model, without records; not to be written to."""
    return small_model(seed=2).save_pretrained(tmp_path_factory.mktemp("other") / "model")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with loopback_hub(tmp_path_factory.mktemp("server")) as hub:
        yield hub


@pytest.fixture
def hub(server: Hub) -> Hub:
    return emptied(server)


@pytest.fixture
def waits(hub: Hub, tmp_path: Path) -> Iterator[list[float]]:
    """The client, logged in, and each wait that it was asked for."""
    with client_of(hub, tmp_path / "home", hub.tokens.write) as waits:
        yield waits


pytestmark = pytest.mark.usefixtures("waits")


def contents(folder: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def commits(hub: Hub) -> list[str]:
    return [line for line in hub.uploads if line.startswith("commit ")]


def head(hub: Hub, revision: str = "main", repo_id: str = REPO) -> str:
    repo = hub.repo(repo_id)
    assert repo is not None
    return repo.refs[revision if revision.startswith("refs/") else f"refs/heads/{revision}"]


def downloads(hub: Hub) -> set[str]:
    """Return the names of the files whose content was asked for."""
    pattern = rf"(?:HEAD|GET) /{REPO}/resolve/[^/]+/(.+)"
    return {match[1] for line in hub.requests if (match := re.fullmatch(pattern, line))}


def refused(call: Callable[[], Any], hub: Hub, kind: type[MemotionsError] = HubError) -> str:
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert not re.search(r"hf_loopback|Bearer|Signature", message)
    assert caught.value.__cause__ is None
    return message


def answers(model: EmotionClassifier | MemotionsBiLSTM) -> Any:
    """Return what tells one model from another: Keras's weights are sooner read than asked."""
    if isinstance(model, EmotionClassifier):
        return model.predict_proba(TEXTS)
    return np.concatenate([weight.ravel() for weight in model.keras_model.get_weights()])


# Pushing


@both
def test_one_commit_holds_the_whole_contract(loader: Loader, saved: Path, hub: Hub) -> None:
    commit = loader.from_pretrained(saved).push_to_hub(REPO, commit_message="First")
    assert commit.oid == head(hub)
    assert str(commit) == f"{hub.url}/{REPO}/commit/{commit.oid}"
    assert commits(hub) == [f"commit models/{REPO} {commit.oid}"]
    assert [item.title for item in HfApi().list_repo_commits(REPO)] == ["First", "initial commit"]
    pushed = hub.files(REPO)
    assert set(pushed) == CONTRACT | RECORDS
    card = pushed.pop(CARD_FILE).decode()
    assert pushed == {name: data for name, data in contents(saved).items() if name != CARD_FILE}
    snippet = rf'pipeline\(\s*"text-classification",[^)]*"{REPO}"[^)]*trust_remote_code=True'
    assert re.search(snippet, card)
    assert f'EmotionClassifier.from_pretrained("{REPO}")' in card
    assert f'load_model("hf://{REPO}")' in card
    info = HfApi().model_info(REPO)
    assert (info.library_name, info.pipeline_tag) == ("keras", "text-classification")


def test_nothing_new_is_no_commit(saved: Path, hub: Hub) -> None:
    first = EmotionClassifier.from_pretrained(saved).push_to_hub(REPO)
    hub.clear()
    for loader in (EmotionClassifier, MemotionsBiLSTM):
        for source in (saved, REPO):
            again = loader.from_pretrained(source).push_to_hub(REPO)
            assert (again.oid, str(again)) == (first.oid, str(first))
    assert MemotionsBiLSTM.from_pretrained(REPO).push_to_hub(REPO, create_pr=True).pr_url is None
    assert hub.uploads == []


@both
def test_a_changed_model_replaces_ours_and_nothing_else(
    loader: Loader, saved: Path, other: Path, hub: Hub
) -> None:
    EmotionClassifier.from_pretrained(saved).push_to_hub(REPO)
    own = {"notes.md": b"mine\n", "plots/mine.png": PICTURE, "data/config.json": b"{}"}
    hub.put(REPO, {**own, "plots/calibration.png": PICTURE})
    hub.clear()
    loader.from_pretrained(other).push_to_hub(REPO)
    assert len(commits(hub)) == 1
    files = hub.files(REPO)
    assert set(files) == CONTRACT | set(own)
    assert {name: files[name] for name in own} == own
    expected = contents(other)
    assert all(files[name] == expected[name] for name in CONTRACT - {CARD_FILE})


@pytest.mark.parametrize(
    ("loader", "name"),
    [
        (EmotionClassifier, "README.md"),
        (EmotionClassifier, "model.onnx"),
        (EmotionClassifier, "theirs.txt"),
        (MemotionsBiLSTM, "theirs.txt"),
    ],
)
def test_what_somebody_else_pushes_meanwhile_is_kept(
    loader: Loader, name: str, saved: Path, other: Path, hub: Hub
) -> None:
    EmotionClassifier.from_pretrained(other).push_to_hub(REPO)
    model = loader.from_pretrained(saved)
    hub.clear()
    hub.interfere(REPO, {name: b"theirs"})
    assert "try again" in refused(lambda: model.push_to_hub(REPO), hub)
    assert commits(hub) == []
    assert hub.files(REPO)[name] == b"theirs"
    theirs = head(hub)
    second = model.push_to_hub(REPO)
    assert head(hub) == second.oid != theirs
    assert [item.commit_id for item in HfApi().list_repo_commits(REPO)][1] == theirs
    assert set(hub.files(REPO)) == CONTRACT | RECORDS | ({name} - CONTRACT)


def test_a_first_push_does_not_overwrite_either(saved: Path, hub: Hub) -> None:
    hub.interfere(REPO, {"theirs.txt": b"theirs"})
    refused(lambda: EmotionClassifier.from_pretrained(saved).push_to_hub(REPO), hub)
    assert hub.files(REPO) == {"theirs.txt": b"theirs"}


@both
def test_a_pull_request(loader: Loader, saved: Path, other: Path, hub: Hub) -> None:
    EmotionClassifier.from_pretrained(other).push_to_hub(REPO)
    before = head(hub)
    model = loader.from_pretrained(saved)
    for number, token in enumerate((None, hub.tokens.stranger), start=1):
        commit = model.push_to_hub(REPO, create_pr=True, token=token, commit_message="Look")
        assert (commit.pr_num, head(hub, f"refs/pr/{number}")) == (number, commit.oid)
        assert set(hub.files(REPO, f"refs/pr/{number}")) == CONTRACT | RECORDS
    assert head(hub) == before
    titles = [item.title for item in HfApi().get_repo_discussions(REPO)]
    assert titles == ["Look", "Look"]
    # A later commit upon the first pull request, which is a revision as any other.
    loader.from_pretrained(other).push_to_hub(REPO, revision="refs/pr/1")
    assert set(hub.files(REPO, "refs/pr/1")) == CONTRACT
    pulled = loader.from_pretrained(REPO, revision="refs/pr/2")
    np.testing.assert_array_equal(answers(pulled), answers(model))


def test_a_branch_is_made_where_it_is_missing(saved: Path, other: Path, hub: Hub) -> None:
    first = EmotionClassifier.from_pretrained(saved).push_to_hub(REPO, revision="new/idea")
    assert first.oid == head(hub, "new/idea")
    assert hub.files(REPO) == {}
    hub.clear()
    again = MemotionsBiLSTM.from_pretrained(saved).push_to_hub(REPO, revision="new/idea")
    assert (again.oid, hub.uploads) == (first.oid, [])
    second = MemotionsBiLSTM.from_pretrained(other).push_to_hub(REPO, revision="new/idea")
    assert head(hub, "new/idea") == second.oid != first.oid
    pulled = EmotionClassifier.from_pretrained(REPO, revision="new/idea")
    expected = answers(EmotionClassifier.from_pretrained(other))
    np.testing.assert_array_equal(answers(pulled), expected)


def test_commits_and_tags_do_not_move(saved: Path, other: Path, hub: Hub) -> None:
    commit = EmotionClassifier.from_pretrained(saved).push_to_hub(REPO)
    HfApi().create_tag(REPO, tag="v1")
    hub.clear()
    newer = EmotionClassifier.from_pretrained(other)
    for revision in (commit.oid, "v1"):
        call = functools.partial(newer.push_to_hub, REPO, revision=revision)
        assert "name a branch" in refused(call, hub, InputError)
    assert commits(hub) == []


def test_private_repositories(saved: Path, other: Path, hub: Hub) -> None:
    model = EmotionClassifier.from_pretrained(saved)
    model.push_to_hub(REPO, private=True)
    assert hub.repo(REPO).private  # type: ignore[union-attr]
    EmotionClassifier.from_pretrained(other).push_to_hub(REPO, private=True)
    hub.put("memotions/open", {"notes.md": "mine"})
    hub.clear()
    call = lambda: model.push_to_hub("memotions/open", private=True)  # noqa: E731
    assert "is public" in refused(call, hub, InputError)
    assert (hub.uploads, set(hub.files("memotions/open"))) == ([], {"notes.md"})


def test_the_token_s_owner_is_the_default(saved: Path, hub: Hub) -> None:
    EmotionClassifier.from_pretrained(saved).push_to_hub("small")
    assert f'"{REPO}"' in hub.files(REPO)[CARD_FILE].decode()


def test_an_organisation(saved: Path, hub: Hub) -> None:
    EmotionClassifier.from_pretrained(saved).push_to_hub("memotions-lab/small")
    assert set(hub.files("memotions-lab/small")) == CONTRACT | RECORDS


def test_whose_token_it_is(saved: Path, hub: Hub, tmp_path: Path) -> None:
    model = EmotionClassifier.from_pretrained(saved)
    with client_of(hub, tmp_path / "nobody"):
        for token in (None, True, False, hub.tokens.wrong):
            message = refused(functools.partial(model.push_to_hub, REPO, token=token), hub)
            assert "log in" in message
        assert hub.repo(REPO) is None
        model.push_to_hub(REPO, token=hub.tokens.write)
    with client_of(hub, tmp_path / "reader", hub.tokens.read):
        hub.clear()
        assert "write" in refused(lambda: model.push_to_hub(REPO), hub)
        assert "write" in refused(lambda: model.push_to_hub("memotions/never"), hub)
        model.push_to_hub(REPO, token=hub.tokens.fine)
    assert (hub.repo("memotions/never"), hub.uploads) == (None, [])


Trouble = Callable[[Hub], Any]
COMMIT = f"^POST /api/models/{REPO}/commit/"
TROUBLES: dict[str, tuple[Trouble, str]] = {
    "not paid": (lambda hub: hub.faults.status(COMMIT, 402, times=ALWAYS), "paid plan"),
    "forbidden": (lambda hub: hub.faults.status(COMMIT, 403, times=ALWAYS), "write permission"),
    "too large": (lambda hub: setattr(hub.app, "max_body_bytes", 5_000), "larger than"),
    "quota": (lambda hub: setattr(hub.app, "quota_bytes", 1_000), "storage"),
    "rate limit": (lambda hub: hub.faults.rate_limit(COMMIT, retry_after=7, times=ALWAYS), "wait"),
    "busy": (lambda hub: hub.faults.status(COMMIT, 500, times=ALWAYS), "cannot be reached"),
    "busy at once": (lambda hub: hub.faults.status("", 503, times=ALWAYS), "cannot be reached"),
    "cut commit": (lambda hub: hub.faults.cut_upload(COMMIT, after=9_000), "cannot be reached"),
    "cut upload": (
        lambda hub: hub.faults.cut_upload("^PUT /upload/", after=5_000, times=ALWAYS),
        "cannot be reached",
    ),
    "other bytes": (
        lambda hub: hub.faults.corrupt_upload("^PUT /upload/", times=ALWAYS),
        "the Hub refuses this",
    ),
    "no network": (lambda hub: hub.faults.network_down(), "cannot be reached"),
    "no rest": (
        lambda hub: hub.faults.network_down("^POST /.*(preupload|commit)/"),
        "cannot be reached",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_push_that_fails_changes_nothing(
    trouble: str, saved: Path, other: Path, hub: Hub
) -> None:
    EmotionClassifier.from_pretrained(other).push_to_hub(REPO)
    model = EmotionClassifier.from_pretrained(saved)
    before = hub.files(REPO)
    hub.clear()
    cause, words = TROUBLES[trouble]
    cause(hub)
    message = refused(lambda: model.push_to_hub(REPO), hub)
    assert message.startswith(f"cannot push to '{REPO}': ")
    assert words in message
    assert hub.files(REPO) == before
    assert commits(hub) == []
    hub.clear()
    hub.app.max_body_bytes = hub.app.quota_bytes = None
    model.push_to_hub(REPO)
    assert set(hub.files(REPO)) == CONTRACT | RECORDS


@pytest.mark.parametrize(
    ("trouble", "waited"),
    [
        (lambda hub: hub.faults.rate_limit(COMMIT, retry_after=7), [7.0]),
        (lambda hub: hub.faults.rate_limit(COMMIT, retry_after=30, times=2), [30.0, 30.0]),
        (lambda hub: hub.faults.rate_limit("^POST /.*/preupload/", retry_after=7), [8.0]),
        (lambda hub: hub.faults.status(COMMIT, 500, times=2), [2.0, 4.0]),
        (lambda hub: hub.faults.status("^PUT /upload/", 500), [1.0]),
        (lambda hub: hub.faults.cut_upload("^PUT /upload/", after=5_000), [1.0]),
    ],
    ids=["rate limit", "two limits", "early limit", "busy", "busy storage", "cut upload"],
)
def test_a_push_waits_where_that_helps(
    trouble: Trouble, waited: list[float], saved: Path, hub: Hub, waits: list[float]
) -> None:
    fault = trouble(hub)
    EmotionClassifier.from_pretrained(saved).push_to_hub(REPO)
    assert fault.times == 0
    assert waits == waited
    assert len(commits(hub)) == 1
    assert set(hub.files(REPO)) == CONTRACT | RECORDS


def test_nobody_waits_for_a_day(saved: Path, hub: Hub, waits: list[float]) -> None:
    model = EmotionClassifier.from_pretrained(saved)
    hub.app.repos_per_day = 0
    assert "wait" in refused(lambda: model.push_to_hub(REPO), hub)
    hub.app.repos_per_day = None
    hub.faults.rate_limit(COMMIT, retry_after=86_400, times=ALWAYS)
    assert "wait" in refused(lambda: model.push_to_hub(REPO), hub)
    assert waits == []


# Pulling


@pytest.fixture
def history(saved: Path, other: Path, hub: Hub) -> dict[str | None, Path]:
    """A repository in which revisions hold different models: which folder each one holds."""
    first = hub.put(REPO, contents(saved))
    HfApi().create_tag(REPO, tag="v1")
    hub.put(REPO, contents(other))
    hub.put(REPO, contents(saved), revision="dev/next")
    nested = {f"models/best/{name}": data for name, data in contents(saved).items()}
    hub.put(REPO, nested, revision="nested")
    hub.clear()
    return {None: other, "main": other, "v1": saved, first: saved, "dev/next": saved}


@both
def test_revisions_are_cached_as_transformers_caches_them(
    loader: Loader, history: dict[str | None, Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    expected = {folder: answers(loader.from_pretrained(folder)) for folder in history.values()}
    for revision, folder in history.items():
        model = loader.from_pretrained(REPO, revision=revision, cache_dir=cache)
        np.testing.assert_array_equal(answers(model), expected[folder])
        options: dict[str, Any] = {"revision": revision, "cache_dir": cache}
        names = ("config.json", "tokenizer.json")
        ours = fetch_model_folder(REPO, local_files_only=True, files=names, **options)
        for name in names:
            theirs = cached_file(REPO, name, **options)
            assert theirs == str(ours / name)
    assert not (tmp_path / "home" / "hub").exists()


@both
def test_subfolders(
    loader: Loader, history: dict[str | None, Path], saved: Path, hub: Hub, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"revision": "nested", "subfolder": "models/best"}
    model = loader.from_pretrained(REPO, **options)
    np.testing.assert_array_equal(answers(model), answers(loader.from_pretrained(saved)))
    assert {name.split("/")[0] for name in downloads(hub)} == {"models"}
    ours = fetch_model_folder(REPO, local_files_only=True, files=["config.json"], **options)
    cache = tmp_path / "home" / "hub"
    theirs = cached_file(REPO, "config.json", cache_dir=cache, **options)
    assert theirs == str(ours / "config.json")
    copied = model.save_pretrained(tmp_path / "copy")
    assert contents(copied) == contents(saved)
    message = refused(lambda: loader.from_pretrained(REPO, subfolder="absent"), hub, ModelLoadError)
    assert "absent/config.json" in message


@pytest.mark.parametrize(
    ("loader", "names"),
    [
        (EmotionClassifier, set(INFERENCE_FILES)),
        (MemotionsBiLSTM, set(KERAS_FILES) - {*PLOT_FILES} | {"plots/learning_curve.png"}),
    ],
)
def test_only_what_is_needed_is_downloaded(
    loader: Loader, names: set[str], saved: Path, hub: Hub
) -> None:
    hub.put(REPO, {**contents(saved), "huge.bin": bytes(1_000), "evil.py": "raise SystemExit"})
    loader.from_pretrained(REPO)
    assert downloads(hub) == names
    assert not names & {*TWIN_FILES, "huge.bin"}
    hub.clear()
    loader.from_pretrained(REPO)
    assert downloads(hub) == set()
    loader.from_pretrained(REPO, force_download=True)
    assert downloads(hub) == names


def test_the_keras_model_of_a_repository_without_keras_files(saved: Path, hub: Hub) -> None:
    hub.put(REPO, {name: (saved / name).read_bytes() for name in INFERENCE_FILES})
    expected = answers(MemotionsBiLSTM.from_pretrained(saved))
    np.testing.assert_array_equal(answers(MemotionsBiLSTM.from_pretrained(REPO)), expected)


@both
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "main weights"])
def test_what_a_repository_lacks_is_named(loader: Loader, name: str, saved: Path, hub: Hub) -> None:
    files = contents(saved)
    gone = [WEIGHTS_FILE, ONNX_FILE] if name == "main weights" else [name]
    hub.put(REPO, {path: data for path, data in files.items() if path not in gone})
    message = refused(lambda: loader.from_pretrained(REPO), hub, ModelLoadError)
    assert gone[-1] in message


@both
def test_what_is_not_there_is_an_os_error_as_in_transformers(
    loader: Loader, history: dict[str | None, Path], hub: Hub, tmp_path: Path
) -> None:
    hub.put("memotions/gated", {"config.json": "{}"}, gated="manual")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("memotions/absent", {}, "no such repository"),
        ("memotions/gated", {"token": hub.tokens.stranger}, "gated"),
        ("memotions/gated", {"token": False}, "gated"),
        (REPO, {"revision": "v9"}, "'v9'"),
        (REPO, {"revision": "0" * 40}, "'" + "0" * 40 + "'"),
        (REPO, {"token": hub.tokens.wrong}, "log in"),
    ]
    for name, options, words in cases:
        message = refused(
            functools.partial(loader.from_pretrained, name, **options), hub, ModelLoadError
        )
        assert message.startswith(f"cannot load '{name}': ")
        assert words in message
        with pytest.raises(OSError, match=r"."):
            cached_file(name, "config.json", cache_dir=tmp_path / "theirs", **options)


@both
def test_private_repositories_need_a_token(
    loader: Loader, saved: Path, hub: Hub, tmp_path: Path
) -> None:
    hub.put(REPO, contents(saved), private=True)
    with client_of(hub, tmp_path / "nobody"):
        for token in (None, False, hub.tokens.stranger):
            message = refused(
                functools.partial(loader.from_pretrained, REPO, token=token), hub, ModelLoadError
            )
            assert "private" in message
        model = loader.from_pretrained(REPO, token=hub.tokens.fine_read)
        # The rest is fetched with the same token.
        assert contents(model.save_pretrained(tmp_path / "copy")) == contents(saved)
    loader.from_pretrained(REPO)
    loader.from_pretrained(REPO, token=True)


@both
def test_the_cache_alone(
    loader: Loader,
    history: dict[str | None, Path],
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache: dict[str, Any] = {"cache_dir": tmp_path / "cache"}

    def offline(**more: Any) -> EmotionClassifier | MemotionsBiLSTM:
        return loader.from_pretrained(REPO, local_files_only=True, **cache, **more)

    assert "cache holds no whole copy" in refused(offline, hub, ModelLoadError)
    with pytest.raises(OSError, match=r"local_files_only|cached files"):
        cached_file(REPO, "config.json", local_files_only=True, **cache)
    assert hub.requests == []
    expected = answers(loader.from_pretrained(REPO, **cache))
    hub.clear()
    np.testing.assert_array_equal(answers(offline()), expected)
    np.testing.assert_array_equal(answers(offline(revision=head(hub))), expected)
    assert "cache" in refused(lambda: offline(revision="v1"), hub, ModelLoadError)
    with monkeypatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        np.testing.assert_array_equal(answers(loader.from_pretrained(REPO, **cache)), expected)
        call = lambda: loader.from_pretrained("memotions/absent", **cache)  # noqa: E731
        assert "switched off" in refused(call, hub, ModelLoadError)
        call = lambda: loader.from_pretrained(REPO, force_download=True, cache_dir=tmp_path / "2")  # noqa: E731
        assert "switched off" in refused(call, hub, ModelLoadError)
    assert hub.requests == []
    # Where nobody answers, what is in the cache is good enough.
    monkeypatch.setattr(constants, "ENDPOINT", hub.dead_url)
    np.testing.assert_array_equal(answers(loader.from_pretrained(REPO, **cache)), expected)


def test_the_other_half_of_a_cached_model_is_not_there(saved: Path, hub: Hub) -> None:
    hub.put(REPO, contents(saved))
    EmotionClassifier.from_pretrained(REPO)
    call = lambda: MemotionsBiLSTM.from_pretrained(REPO, local_files_only=True)  # noqa: E731
    assert "no whole copy" in refused(call, hub, ModelLoadError)
    MemotionsBiLSTM.from_pretrained(REPO)
    MemotionsBiLSTM.from_pretrained(REPO, local_files_only=True)


def test_saving_fetches_the_rest_of_the_same_commit(
    saved: Path, other: Path, hub: Hub, tmp_path: Path
) -> None:
    hub.put(REPO, contents(saved))
    # A folder of this name above the cache does not hide the commit.
    cache = tmp_path / "snapshots" / "cache"
    classifier = EmotionClassifier.from_pretrained(REPO, cache_dir=cache)
    hub.put(REPO, dict.fromkeys(RECORDS, b"later") | contents(other))
    hub.clear()
    assert contents(classifier.save_pretrained(tmp_path / "copy")) == contents(saved)
    assert downloads(hub) == {*RECORDS, METADATA_FILE, WEIGHTS_FILE}
    keras = MemotionsBiLSTM.from_pretrained(tmp_path / "copy").predict_proba(TEXTS)
    np.testing.assert_allclose(keras, answers(classifier), atol=1e-5)
    unread = EmotionClassifier.from_pretrained(REPO, cache_dir=tmp_path / "second")
    hub.faults.network_down()
    refused(lambda: unread.save_pretrained(tmp_path / "not"), hub, ModelLoadError)
    assert not (tmp_path / "not").exists()


# Troubles on the way down

CONTENT = {"large": "^GET /object/", "small": "^GET /api/resolve-cache/"}


@pytest.mark.parametrize("size", CONTENT)
@pytest.mark.parametrize("trouble", ["limit", "cut"])
def test_a_download_goes_on_after_a_short_trouble(
    size: str, trouble: str, saved: Path, hub: Hub, waits: list[float]
) -> None:
    hub.put(REPO, contents(saved))
    if trouble == "limit":
        fault = hub.faults.rate_limit(CONTENT[size], retry_after=3)
    else:
        fault = hub.faults.cut_download(CONTENT[size], after=150)
    model = EmotionClassifier.from_pretrained(REPO)
    assert fault.happened == 1
    assert waits == [4.0 if trouble == "limit" else 1.0]
    expected = answers(EmotionClassifier.from_pretrained(saved))
    np.testing.assert_array_equal(answers(model), expected)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("trouble", ["busy", "limit", "cut", "reset", "short", "wrong"])
def test_a_download_that_fails_leaves_nothing_bad(
    name: str, trouble: str, saved: Path, hub: Hub, tmp_path: Path
) -> None:
    hub.put(REPO, contents(saved))
    pattern = CONTENT["large" if name == "model.onnx" else "small"]
    {
        # The client tries neither of these two again, so once is enough.
        "busy": lambda: hub.faults.status(pattern, 500),
        "reset": lambda: hub.faults.cut_download(pattern, after=150, reset=True),
        "limit": lambda: hub.faults.rate_limit(pattern, times=ALWAYS),
        "cut": lambda: hub.faults.cut_download(pattern, after=150, times=ALWAYS),
        "short": lambda: hub.truncate(REPO, name, after=1_000),
        "wrong": lambda: hub.corrupt(REPO, name, at=500),
    }[trouble]()
    message = refused(lambda: EmotionClassifier.from_pretrained(REPO), hub, ModelLoadError)
    assert message.startswith(f"cannot load '{REPO}': ")
    if trouble == "wrong":
        assert name in message
        assert "load the model again" in message
    if trouble == "short":
        assert "did not arrive whole" in message
    cached = [path for path in (tmp_path / "home").rglob("blobs/*") if path.is_file()]
    good = set(contents(saved).values())
    assert {path.read_bytes() for path in cached if path.suffix != ".incomplete"} <= good
    hub.clear()
    model = EmotionClassifier.from_pretrained(REPO)
    expected = answers(EmotionClassifier.from_pretrained(saved))
    np.testing.assert_array_equal(answers(model), expected)
    EmotionClassifier.from_pretrained(REPO, local_files_only=True)


def test_a_cache_that_cannot_be_written(saved: Path, hub: Hub, tmp_path: Path) -> None:
    hub.put(REPO, contents(saved))
    (tmp_path / "cache").write_text("a file")
    call = lambda: EmotionClassifier.from_pretrained(REPO, cache_dir=tmp_path / "cache")  # noqa: E731
    assert "on this machine" in refused(call, hub, ModelLoadError)


def test_a_damaged_file_that_cannot_be_removed_is_named(
    saved: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put(REPO, contents(saved))
    path = (fetch_model_folder(REPO) / ONNX_FILE).resolve()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")

    def unlink(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", unlink)
    call = lambda: EmotionClassifier.from_pretrained(REPO, local_files_only=True)  # noqa: E731
    message = refused(call, hub, ModelLoadError)
    assert "model.onnx was damaged" in message
    assert "; remove " in message


def test_a_push_without_keras_takes_nothing_from_a_repository_that_has_it(
    saved: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put(REPO, contents(saved))
    classifier = EmotionClassifier.from_pretrained(saved)
    monkeypatch.setitem(sys.modules, "h5py", None)
    hub.clear()
    with pytest.warns(UserWarning, match="left out"):
        message = refused(lambda: classifier.push_to_hub(REPO), hub, MissingExtraError)
    assert "memotions-hf[train]" in message
    assert hub.files(REPO) == contents(saved)
    assert hub.uploads == []


@both
def test_a_connection_that_is_reset_is_no_trouble_with_a_copy_in_the_cache(
    loader: Loader, saved: Path, hub: Hub
) -> None:
    hub.put(REPO, contents(saved))
    loader.from_pretrained(REPO)
    fault = hub.faults.network_down()
    expected = loader.from_pretrained(saved).predict_proba(TEXTS)
    np.testing.assert_array_equal(loader.from_pretrained(REPO).predict_proba(TEXTS), expected)
    assert fault.happened
    for call in (
        lambda: loader.from_pretrained(REPO, force_download=True),
        lambda: loader.from_pretrained(REPO, revision="other"),
        lambda: loader.from_pretrained("memotions/unread"),
    ):
        assert "cannot be reached" in refused(call, hub, ModelLoadError)


def test_half_a_copy_in_the_cache_is_not_taken(saved: Path, other: Path, hub: Hub) -> None:
    hub.put(REPO, contents(saved))
    EmotionClassifier.from_pretrained(REPO)
    hub.put(REPO, contents(other))
    hub.faults.cut_download(CONTENT["large"], after=150, reset=True)
    call = lambda: EmotionClassifier.from_pretrained(REPO)  # noqa: E731
    assert "cannot be reached" in refused(call, hub, ModelLoadError)
    expected = answers(EmotionClassifier.from_pretrained(other))
    np.testing.assert_array_equal(answers(EmotionClassifier.from_pretrained(REPO)), expected)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, "metrics.json", "plots/learning_curve.png"])
def test_wrong_content_for_keras(name: str, saved: Path, hub: Hub) -> None:
    hub.put(REPO, contents(saved))
    hub.corrupt(REPO, name, at=5)
    message = refused(lambda: MemotionsBiLSTM.from_pretrained(REPO), hub, ModelLoadError)
    assert Path(name).name in message
    hub.clear()
    MemotionsBiLSTM.from_pretrained(REPO)


def test_a_cache_that_rots_is_noticed(saved: Path, hub: Hub, tmp_path: Path) -> None:
    hub.put(REPO, contents(saved))
    folder = fetch_model_folder(REPO)
    path = folder / ONNX_FILE
    path.resolve().write_bytes(path.read_bytes()[:-1] + b"\0")
    call = lambda: EmotionClassifier.from_pretrained(REPO, local_files_only=True)  # noqa: E731
    assert "model.onnx was damaged" in refused(call, hub, ModelLoadError)
    assert "no whole copy" in refused(call, hub, ModelLoadError)
    hub.clear()
    EmotionClassifier.from_pretrained(REPO)
    assert downloads(hub) == {ONNX_FILE}


def test_a_name_that_lies_about_its_content(saved: Path, hub: Hub) -> None:
    hub.put(REPO, contents(saved))
    hub.faults.wrong_hash(rf"^HEAD /{REPO}/resolve/.*/model\.onnx", times=ALWAYS)
    call = lambda: EmotionClassifier.from_pretrained(REPO)  # noqa: E731
    assert "model.onnx was damaged" in refused(call, hub, ModelLoadError)


@both
@pytest.mark.parametrize("name", ["../../config.json", "../../../../evil.txt", "/abs/config.json"])
def test_names_that_lead_outside_are_not_followed(
    loader: Loader, name: str, saved: Path, hub: Hub, tmp_path: Path
) -> None:
    hub.put(REPO, {**contents(saved), name: b"{}"})
    loader.from_pretrained(REPO).save_pretrained(tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(saved)
    outside = {path.name for path in tmp_path.iterdir()}
    assert outside == {"home", "copy"}
    assert {path.name for path in (tmp_path / "home").iterdir()} == {"hub"}
    assert name not in downloads(hub)


def test_a_folder_of_the_same_name_comes_first(
    saved: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(saved, tmp_path / REPO)
    monkeypatch.chdir(tmp_path)
    for loader in (EmotionClassifier, MemotionsBiLSTM):
        loader.from_pretrained(REPO)
    assert hub.requests == []
