"""The loopback Hub, driven by the clients that users have: huggingface_hub, datasets, others."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    HfFileSystem,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars, get_session
from support.hub import Hub, loopback_hub, without_xet
from tokenizers import Tokenizer, models, pre_tokenizers

MODEL = "memotions/model"
WEIGHTS = bytes(range(256)) * 1000
CARD = """---
license: apache-2.0
language: id
library_name: keras
pipeline_tag: text-classification
tags: [emotion]
---
# A model
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    disable_progress_bars()
    with loopback_hub(tmp_path / "hub") as running, without_xet():
        yield running


@pytest.fixture
def api(hub: Hub) -> HfApi:
    return HfApi(endpoint=hub.url, token=hub.tokens.write)


@pytest.fixture
def stranger(hub: Hub) -> HfApi:
    return HfApi(endpoint=hub.url, token=hub.tokens.stranger)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    (path / "deep" / "er").mkdir(parents=True)
    (path / "README.md").write_text(CARD)
    (path / "config.json").write_text('{"a": 1}')
    (path / "deep" / "er" / "kata ñ.txt").write_text("halo\n")
    (path / "model.onnx").write_bytes(WEIGHTS)
    return path


def put(api: HfApi, path: str, data: bytes, repo: str = MODEL, **options: object) -> str:
    return api.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=repo, **options).oid  # type: ignore[attr-defined]


def contents(folder: Path | str) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


# Users


def test_a_token_says_who_it_is(hub: Hub, api: HfApi) -> None:
    me = api.whoami()
    assert (me["name"], me["auth"]["accessToken"]["role"]) == ("memotions", "write")
    assert [group["name"] for group in me["orgs"]] == ["memotions-lab"]
    assert api.whoami(token=hub.tokens.read)["auth"]["accessToken"]["role"] == "read"
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as error:
        api.whoami(token=hub.tokens.wrong)
    assert status(error) == 401


def test_who_may_create_and_write(hub: Hub, api: HfApi, stranger: HfApi) -> None:
    assert api.create_repo(MODEL) == f"{hub.url}/{MODEL}"
    assert api.create_repo("memotions-lab/x", repo_type="dataset").repo_id == "memotions-lab/x"
    assert api.create_repo(MODEL, exist_ok=True).repo_id == MODEL
    with pytest.raises(HfHubHTTPError, match="already created") as error:
        api.create_repo(MODEL)
    assert status(error) == 409
    refusals = (
        (HfApi(endpoint=hub.url, token=hub.tokens.read), 403),
        (stranger, 403),
        (HfApi(endpoint=hub.url, token=False), 401),
        (HfApi(endpoint=hub.url, token=hub.tokens.wrong), 401),
    )
    for other, code in refusals:
        with pytest.raises(HfHubHTTPError) as error:
            other.create_repo("memotions/new")
        assert status(error) == code
        with pytest.raises(HfHubHTTPError) as error:
            put(other, "a.txt", b"a")
        assert status(error) == code
    assert api.list_repo_files(MODEL) == [".gitattributes"]


def test_a_fine_grained_token_may_what_its_scopes_say(hub: Hub, api: HfApi) -> None:
    fine = HfApi(endpoint=hub.url, token=hub.tokens.fine)
    reader = HfApi(endpoint=hub.url, token=hub.tokens.fine_read)
    token = reader.whoami()["auth"]["accessToken"]
    (scope,) = token["fineGrained"]["scoped"]
    assert (token["role"], scope["permissions"]) == ("fineGrained", ["repo.content.read"])
    assert (scope["entity"]["type"], scope["entity"]["name"]) == ("user", "memotions")
    fine.create_repo(MODEL, private=True)
    put(fine, "a.txt", b"1")
    assert "a.txt" in reader.list_repo_files(MODEL)
    hub.put("memotions-lab/x", {"a.txt": "1"}, private=True)
    for forbidden in (
        lambda: fine.create_repo("memotions-lab/new"),
        lambda: reader.create_repo("memotions/new"),
        lambda: put(reader, "a.txt", b"2"),
    ):
        with pytest.raises(HfHubHTTPError) as error:
            forbidden()
        assert status(error) == 403
    with pytest.raises(RepositoryNotFoundError):
        fine.model_info("memotions-lab/x")


def test_repositories_are_listed_for_those_who_may_see_them(hub: Hub, api: HfApi) -> None:
    hub.put(MODEL, {"README.md": CARD})
    hub.put("memotions/secret", {"a.txt": "1"}, private=True)
    hub.put(
        "memotions/space",
        {"README.md": "---\nsdk: gradio\ntags: [metric]\n---\n"},
        repo_type="space",
    )

    def names(**options: object) -> list[str]:
        return [info.id for info in api.list_models(**options)]  # type: ignore[arg-type]

    assert names(author="memotions") == [MODEL, "memotions/secret"]
    assert names(author="memotions", token=False) == names(filter="emotion") == [MODEL]
    assert names(author="tetangga") == names(filter="none") == []
    assert [info.id for info in api.list_spaces(filter="metric")] == ["memotions/space"]


# Round trip


def test_a_folder_comes_back_as_it_was_pushed(hub: Hub, api: HfApi, folder: Path) -> None:
    api.create_repo(MODEL)
    commit = api.upload_folder(repo_id=MODEL, folder_path=folder, commit_message="All of it")
    got = snapshot_download(MODEL, endpoint=hub.url, token=False, cache_dir=folder.parent / "cache")
    assert Path(got).name == commit.oid
    assert contents(got) == contents(folder) | {
        ".gitattributes": Path(got, ".gitattributes").read_bytes()
    }
    # Only the large file went through LFS, and the whole was one commit.
    assert sum(line.startswith("PUT") for line in hub.requests) == 1
    assert [item.title for item in api.list_repo_commits(MODEL)] == ["All of it", "initial commit"]


def test_pushing_the_same_again_uploads_nothing(hub: Hub, api: HfApi, folder: Path) -> None:
    api.create_repo(MODEL)
    first = api.upload_folder(repo_id=MODEL, folder_path=folder)
    hub.faults.clear()
    second = api.upload_folder(repo_id=MODEL, folder_path=folder)
    assert second.oid == first.oid
    assert not [line for line in hub.requests if line.startswith("PUT") or "/commit/" in line]
    (folder / "config.json").write_text('{"a": 2}')
    third = api.upload_folder(repo_id=MODEL, folder_path=folder)
    assert third.oid != first.oid
    assert not [line for line in hub.requests if line.startswith("PUT")]


def test_a_large_file_goes_in_parts(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    hub.app.multipart_from, hub.app.part_size = 200_000, 100_000
    api.create_repo(MODEL)
    put(api, "model.onnx", WEIGHTS)
    put(api, "small.onnx", WEIGHTS[:1000])
    sent = [line.split("/")[1] for line in hub.requests if line.startswith("PUT")]
    assert sent == ["part"] * 3 + ["upload"]
    got = hf_hub_download(MODEL, "model.onnx", endpoint=hub.url, cache_dir=tmp_path / "cache")
    assert Path(got).read_bytes() == WEIGHTS
    assert not list((tmp_path / "hub" / "incoming").iterdir())


def test_binary_content_goes_through_lfs_whatever_its_name(api: HfApi) -> None:
    api.create_repo(MODEL)
    put(api, "nul.txt", b"a\0b")
    put(api, "text.txt", "halo ñ".encode())
    put(api, "long.txt", ("x" * 511 + "ñ" * 300).encode())  # the sample ends inside a character
    lfs = {file.path: file.lfs for file in api.list_repo_tree(MODEL)}
    assert lfs["nul.txt"] is not None
    assert lfs["text.txt"] is lfs["long.txt"] is None


def test_the_server_can_be_restarted_on_its_folder(tmp_path: Path) -> None:
    with loopback_hub(tmp_path / "hub") as first, without_xet():
        old = HfApi(endpoint=first.url, token=first.tokens.write)
        old.create_repo(MODEL)
        oid = put(old, "model.onnx", WEIGHTS)
    with loopback_hub(tmp_path / "hub") as second:
        info = HfApi(endpoint=second.url, token=False).model_info(MODEL)
        assert info.sha == oid


def test_repositories_are_set_up_without_a_request(hub: Hub, api: HfApi) -> None:
    first = hub.put(MODEL, {"a.txt": "1", "model.onnx": WEIGHTS}, private=True)
    hub.put(MODEL, {"a.txt": b"2"}, revision="new")
    assert hub.files(MODEL) == {"a.txt": b"1", "model.onnx": WEIGHTS}
    assert hub.files(MODEL, "new")["a.txt"] == b"2"
    assert hub.repo(MODEL).private
    assert hub.repo("memotions/none") is None
    with pytest.raises(KeyError):
        hub.files(MODEL, repo_type="dataset")
    assert hub.requests == hub.uploads == []
    info = api.model_info(MODEL, files_metadata=True)
    assert info.sha == first
    assert [item.rfilename for item in info.siblings if item.lfs] == ["model.onnx"]
    new = put(api, "model.onnx", WEIGHTS + b"1")
    sha256 = hashlib.sha256(WEIGHTS + b"1").hexdigest()
    assert hub.uploads == [f"object {sha256}", f"commit models/{MODEL} {new}"]
    hub.clear()
    assert hub.requests == hub.uploads == []
    hub.put("memotions/data", {"a.csv": "a\n"}, repo_type="dataset", gated="manual")
    assert api.dataset_info("memotions/data").gated == "manual"


# Commits


def test_a_commit_upon_an_outdated_parent_is_refused(hub: Hub, api: HfApi) -> None:
    interference = hub.interfere(MODEL, {"b.txt": "theirs"})
    api.create_repo(MODEL)
    interference.times = 0
    first = put(api, "a.txt", b"1")
    interference.times = 1
    with pytest.raises(HfHubHTTPError, match="has happened since") as error:
        put(api, "b.txt", b"mine", parent_commit=first)
    assert status(error) == 412
    newest = api.model_info(MODEL).sha
    assert newest != first
    assert (hub.files(MODEL)["b.txt"], interference.happened) == (b"theirs", 1)
    put(api, "c.txt", b"mine", parent_commit=newest)
    assert {"a.txt", "b.txt", "c.txt"} < set(api.list_repo_files(MODEL))


def test_deleting_copying_and_what_cannot_be(hub: Hub, api: HfApi, folder: Path) -> None:
    api.create_repo(MODEL)
    api.upload_folder(repo_id=MODEL, folder_path=folder)
    operations = [
        CommitOperationDelete("deep/"),
        CommitOperationDelete("config.json"),
        CommitOperationCopy("model.onnx", "copy.onnx"),
        CommitOperationAdd("new.txt", b"new"),
    ]
    api.create_commit(MODEL, operations, commit_message="Tidy")
    expected = {".gitattributes", "README.md", "copy.onnx", "model.onnx", "new.txt"}
    assert set(api.list_repo_files(MODEL)) == expected
    with pytest.raises(EntryNotFoundError):
        api.delete_file("config.json", MODEL)
    # What the client itself would never send.
    for path in ("../x", "a/../../x", "/x", ".git/config", "a\\x"):
        lines = [
            {"key": "header", "value": {"summary": "bad"}},
            {"key": "file", "value": {"path": path, "content": "", "encoding": "base64"}},
        ]
        answer = get_session().post(
            f"{hub.url}/api/models/{MODEL}/commit/main",
            headers={"Authorization": f"Bearer {hub.tokens.write}"},
            content="\n".join(map(json.dumps, lines)),
        )
        assert answer.status_code == 400, path
    assert set(api.list_repo_files(MODEL)) == expected


def test_revisions_stay_what_they_were(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    api.create_repo(MODEL)
    first = put(api, "a.txt", b"1")
    api.create_tag(MODEL, tag="v1", tag_message="First")
    api.create_branch(MODEL, branch="new/one", revision="v1")
    api.create_branch(MODEL, branch="new/one", exist_ok=True)
    second = put(api, "a.txt", b"2")
    third = put(api, "a.txt", b"3", revision="new/one")

    def read(revision: str | None) -> bytes:
        got = hf_hub_download(
            MODEL, "a.txt", revision=revision, endpoint=hub.url, cache_dir=tmp_path / "cache"
        )
        return Path(got).read_bytes()

    pairs = {None: b"2", "v1": b"1", "new/one": b"3", first: b"1", second: b"2", third: b"3"}
    assert {revision: read(revision) for revision in pairs} == pairs
    refs = api.list_repo_refs(MODEL)
    assert {ref.name: ref.target_commit for ref in refs.branches} == {
        "main": second,
        "new/one": third,
    }
    assert [(ref.ref, ref.target_commit) for ref in refs.tags] == [("refs/tags/v1", first)]
    for create in (
        lambda: api.create_tag(MODEL, tag="v1"),
        lambda: api.create_branch(MODEL, branch="new/one"),
    ):
        with pytest.raises(HfHubHTTPError) as error:
            create()
        assert status(error) == 409
    with pytest.raises(RevisionNotFoundError):
        read("v2")
    with pytest.raises(RevisionNotFoundError):
        put(api, "a.txt", b"4", revision="v1")  # a tag does not move
    api.delete_tag(MODEL, tag="v1")
    api.delete_branch(MODEL, branch="new/one")
    api.super_squash_history(MODEL)
    assert len(api.list_repo_commits(MODEL)) == 1
    assert api.list_repo_commits(MODEL)[0].title.startswith("Super-squash")
    assert [ref.name for ref in api.list_repo_refs(MODEL).branches] == ["main"]


def test_a_pull_request_changes_main_only_when_merged(
    hub: Hub, api: HfApi, stranger: HfApi
) -> None:
    api.create_repo(MODEL)
    put(api, "a.txt", b"1")
    commit = stranger.upload_file(
        path_or_fileobj=WEIGHTS,
        path_in_repo="model.onnx",
        repo_id=MODEL,
        create_pr=True,
        commit_message="Weights",
    )
    assert (commit.pr_num, commit.pr_revision) == (1, "refs/pr/1")
    assert "model.onnx" not in api.list_repo_files(MODEL)
    assert "model.onnx" in api.list_repo_files(MODEL, revision="refs/pr/1")
    put(api, "b.txt", b"more", revision="refs/pr/1")
    put(api, "c.txt", b"meanwhile")
    (shown,) = api.get_repo_discussions(MODEL)
    assert (shown.title, shown.author, shown.is_pull_request) == ("Weights", "tetangga", True)
    details = api.get_discussion_details(MODEL, 1)
    assert sum(event.type == "commit" for event in details.events) == 2
    with pytest.raises(HfHubHTTPError) as error:
        stranger.merge_pull_request(MODEL, 1)
    assert status(error) == 403
    api.merge_pull_request(MODEL, 1)
    assert {"a.txt", "b.txt", "c.txt", "model.onnx"} < set(api.list_repo_files(MODEL))
    assert api.get_discussion_details(MODEL, 1).status == "merged"
    draft = api.create_pull_request(MODEL, "Second", description="By hand")
    assert (draft.num, draft.git_reference) == (2, "refs/pr/2")


# Listings


def test_the_tree_comes_in_pages(hub: Hub, api: HfApi, folder: Path) -> None:
    api.create_repo(MODEL)
    api.upload_folder(repo_id=MODEL, folder_path=folder)
    hub.app.page_size = 2
    top = {item.path for item in api.list_repo_tree(MODEL)}
    assert top == {".gitattributes", "README.md", "config.json", "deep", "model.onnx"}
    hub.faults.clear()
    deep = list(api.list_repo_tree(MODEL, recursive=True, expand=True))
    assert {item.path for item in deep} == top | {"deep/er", "deep/er/kata ñ.txt"}
    assert sum("/tree/" in line for line in hub.requests) == 4
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    (weights,) = (item for item in deep if item.path == "model.onnx")
    assert (weights.lfs.sha256, weights.size) == (sha256, len(WEIGHTS))
    assert weights.last_commit.title.startswith("Upload folder")
    (attributes,) = (item for item in deep if item.path == ".gitattributes")
    assert attributes.last_commit.title == "initial commit"
    below = {item.path for item in api.list_repo_tree(MODEL, "deep/er")}
    assert below == {"deep/er/kata ñ.txt"}
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(MODEL, "shallow"))
    found = api.get_paths_info(MODEL, ["deep", "deep/er/kata ñ.txt", "none"], expand=True)
    assert [item.path for item in found] == ["deep", "deep/er/kata ñ.txt"]
    assert api.file_exists(MODEL, "config.json")
    assert not api.file_exists(MODEL, "none")


def test_info_tells_files_and_card(api: HfApi, folder: Path) -> None:
    api.create_repo(MODEL)
    api.upload_folder(repo_id=MODEL, folder_path=folder)
    info = api.model_info(MODEL, files_metadata=True)
    assert info.card_data.license == "apache-2.0"
    assert (info.pipeline_tag, info.library_name) == ("text-classification", "keras")
    assert {"emotion", "license:apache-2.0", "language:id"} <= set(info.tags)
    sizes = {item.rfilename: item.size for item in info.siblings}
    assert sizes["model.onnx"] == len(WEIGHTS)
    assert info.private is False
    assert info.created_at <= info.last_modified
    assert api.model_info(MODEL, expand=["sha"]).siblings is None
    assert not api.repo_exists(MODEL, repo_type="dataset")


def test_a_card_is_checked_by_the_server(hub: Hub, api: HfApi) -> None:
    api.create_repo(MODEL)
    put(api, "README.md", CARD.encode())
    with pytest.raises(ValueError, match="Invalid metadata"):
        put(api, "README.md", b"---\nlicense: [\n---\n")
    # A client that skips the check is refused at the commit, and nothing of it stays.
    wrong = CommitOperationAdd("README.md", b"---\ntags: one\n---\n")
    hub.faults.status("POST /api/validate-yaml", 200)
    with pytest.raises(BadRequestError):
        api.create_commit(MODEL, [CommitOperationAdd("a.txt", b"a"), wrong], commit_message="x")
    assert "a.txt" not in api.list_repo_files(MODEL)
    assert api.model_info(MODEL).card_data.tags == ["emotion"]


# Downloads


def test_ranges_and_conditions(hub: Hub, api: HfApi) -> None:
    api.create_repo(MODEL)
    put(api, "model.onnx", WEIGHTS)
    oid = put(api, "a.txt", b"0123456789")
    files = HfFileSystem(endpoint=hub.url, token=hub.tokens.write)
    with files.open(f"{MODEL}/model.onnx", block_size=1000) as file:
        file.seek(-300, 2)
        assert file.read() == WEIGHTS[-300:]
        file.seek(100_000)
        assert file.read(10) == WEIGHTS[100_000:100_010]
    url = f"{hub.url}/{MODEL}/resolve/main/a.txt"
    whole = get_session().get(url)
    assert (whole.headers["X-Repo-Commit"], whole.content) == (oid, b"0123456789")
    etag = whole.headers["ETag"]
    expectations = (
        ({"Range": "bytes=2-4"}, 206, b"234"),
        ({"Range": "bytes=-3"}, 206, b"789"),
        ({"Range": "bytes=7-100"}, 206, b"789"),
        ({"Range": "bytes=7-", "If-Range": '"other"'}, 200, b"0123456789"),
        ({"If-None-Match": etag}, 304, b""),
    )
    for headers, code, body in expectations:
        answer = get_session().get(url, headers=headers)
        assert (answer.status_code, answer.content) == (code, body), headers
    beyond = get_session().get(url, headers={"Range": "bytes=10-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */10")
    assert get_session().get(url, headers={"If-Match": '"other"'}).status_code == 412


def test_large_files_come_from_the_storage_host_without_the_token(
    hub: Hub, api: HfApi, tmp_path: Path
) -> None:
    api.create_repo(MODEL, private=True)
    put(api, "model.onnx", WEIGHTS)
    got = api.hf_hub_download(MODEL, "model.onnx", cache_dir=tmp_path / "cache")
    assert Path(got).read_bytes() == WEIGHTS
    answer = get_session().get(
        f"{hub.url}/{MODEL}/resolve/main/model.onnx",
        headers={"Authorization": f"Bearer {hub.tokens.write}"},
        follow_redirects=False,
    )
    link = answer.headers["Location"]
    assert link.startswith(hub.storage_url)
    assert get_session().get(link).content == WEIGHTS
    assert get_session().get(link[:-3]).status_code == 403
    again = get_session().get(link, headers={"Authorization": f"Bearer {hub.tokens.write}"})
    assert again.status_code == 400


def test_what_is_cached_is_not_fetched_again(hub: Hub, api: HfApi, folder: Path) -> None:
    api.create_repo(MODEL)
    api.upload_folder(repo_id=MODEL, folder_path=folder)
    cache = folder.parent / "cache"
    options = {"endpoint": hub.url, "cache_dir": cache, "token": False}
    first = hf_hub_download(MODEL, "model.onnx", **options)
    hub.faults.clear()
    assert hf_hub_download(MODEL, "model.onnx", **options) == first
    assert [line.split()[0] for line in hub.requests] == ["HEAD"]
    hf_hub_download(MODEL, "model.onnx", force_download=True, **options)
    assert "GET" in [line.split()[0] for line in hub.requests]
    hub.faults.clear()
    assert hf_hub_download(MODEL, "model.onnx", local_files_only=True, **options) == first
    with pytest.raises(LocalEntryNotFoundError):
        hf_hub_download(MODEL, "config.json", local_files_only=True, **options)
    assert hub.requests == []
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(MODEL, "none.json", **options)


# Private, gated, moved, deleted


def test_a_private_repository_does_not_exist_for_others(
    hub: Hub, api: HfApi, stranger: HfApi, tmp_path: Path
) -> None:
    api.create_repo(MODEL, private=True)
    put(api, "a.txt", b"1")
    for token, code in ((False, 401), (hub.tokens.stranger, 404)):
        with pytest.raises(RepositoryNotFoundError) as error:
            api.model_info(MODEL, token=token)
        assert status(error) == code
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download(MODEL, "a.txt", token=token, cache_dir=tmp_path / "none")
    assert api.hf_hub_download(MODEL, "a.txt", token=hub.tokens.read, cache_dir=tmp_path / "cache")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("memotions/none")
    api.update_repo_settings(MODEL, private=False)
    assert stranger.model_info(MODEL).private is False


def test_a_gated_repository_shows_itself_but_not_its_files(
    hub: Hub, api: HfApi, stranger: HfApi, tmp_path: Path
) -> None:
    api.create_repo(MODEL)
    put(api, "a.txt", b"1")
    api.update_repo_settings(MODEL, gated="manual")
    for token, code in ((False, 401), (hub.tokens.stranger, 403)):
        assert api.model_info(MODEL, token=token).gated == "manual"
        with pytest.raises(GatedRepoError) as error:
            api.hf_hub_download(MODEL, "a.txt", token=token, cache_dir=tmp_path / "cache")
        assert status(error) == code
    api.grant_access(MODEL, "tetangga")
    stranger.auth_check(MODEL)
    assert stranger.hf_hub_download(MODEL, "a.txt", cache_dir=tmp_path / "cache")


def test_moving_and_deleting(hub: Hub, api: HfApi, stranger: HfApi, tmp_path: Path) -> None:
    api.create_repo(MODEL)
    put(api, "model.onnx", WEIGHTS)
    with pytest.raises(HfHubHTTPError) as error:
        stranger.move_repo(MODEL, "tetangga/mine")
    assert status(error) == 403
    api.move_repo(MODEL, "memotions-lab/renamed")
    # The old name leads to the new one, for reading and for writing.
    assert api.model_info(MODEL).id == "memotions-lab/renamed"
    put(api, "a.txt", b"1")
    assert api.hf_hub_download(MODEL, "a.txt", cache_dir=tmp_path / "cache")
    assert api.hf_hub_download(MODEL, "model.onnx", cache_dir=tmp_path / "cache")
    api.create_repo("memotions/other")
    with pytest.raises(HfHubHTTPError) as error:
        api.move_repo("memotions/other", "memotions-lab/renamed")
    assert status(error) == 409
    api.delete_repo("memotions-lab/renamed")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("memotions-lab/renamed")
    api.delete_repo("memotions-lab/renamed", missing_ok=True)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("memotions-lab/renamed")


# Spaces


def test_a_space_with_its_secrets_and_variables(hub: Hub, api: HfApi) -> None:
    space = "memotions/space"
    with pytest.raises(ValueError, match="space_sdk"):
        api.create_repo(space, repo_type="space")
    api.create_repo(
        space,
        repo_type="space",
        space_sdk="gradio",
        space_secrets=[{"key": "TOKEN", "value": "rahasia"}],
        space_variables=[{"key": "MODE", "value": "a"}],
    )
    assert api.get_space_runtime(space).stage == "NO_APP_FILE"
    card = b"---\nsdk: gradio\ncolorFrom: blue\n---\n"
    files = {"README.md": card, "app.py": b"import gradio\n"}
    operations = [CommitOperationAdd(path, data) for path, data in files.items()]
    api.create_commit(space, operations, commit_message="App", repo_type="space")
    info = api.space_info(space)
    assert (info.sdk, info.runtime.stage, info.card_data.colorFrom) == ("gradio", "RUNNING", "blue")
    api.add_space_secret(space, "OTHER", "rahasia", description="what for")
    secrets = api.get_space_secrets(space)
    assert set(secrets) == {"TOKEN", "OTHER"}
    assert secrets["OTHER"].description == "what for"
    assert "rahasia" not in str(vars(secrets["OTHER"]))
    api.delete_space_secret(space, "TOKEN")
    assert set(api.get_space_secrets(space)) == {"OTHER"}
    assert api.add_space_variable(space, "MODE", "b")["MODE"].value == "b"
    assert api.delete_space_variable(space, "MODE") == {}
    assert api.pause_space(space).stage == "PAUSED"
    assert api.restart_space(space, factory_reboot=True).stage == "RUNNING"
    assert hub.store.find("space", space).space["restarts"] == 1
    assert api.request_space_hardware(space, "t4-small").hardware == "t4-small"
    with pytest.raises(HfHubHTTPError) as error:
        api.restart_space(space, token=hub.tokens.read)
    assert status(error) == 403
    hub.spaces_run_at[space] = "http://127.0.0.1:7860/"
    assert api.space_info(space).host == "http://127.0.0.1:7860"
    url = f"{hub.url}/api/spaces/{space}/host"  # what gradio.load asks, at an address of its own
    assert get_session().get(url).json() == {"host": "http://127.0.0.1:7860"}
    values = {"secrets/OTHER": "rahasia"}
    assert hub.space_values(space) == values
    hub.app.refuses_values = True
    with pytest.raises(BadRequestError, match="rahasia 2"):
        api.add_space_secret(space, "OTHER", "rahasia 2")
    assert hub.space_values(space) == values
    with pytest.raises(ValueError, match="colorFrom"):
        put(api, "README.md", card.replace(b"blue", b"beige"), space, repo_type="space")


CARDS = """
from huggingface_hub import HfApi, ModelCard, metadata_update
card = ModelCard.load("memotions/model")
card.validate()
metadata_update("memotions/model", {"tags": ["emotion", "more"]}, overwrite=True)
print(card.data.license, ModelCard.load("memotions/model").data.tags)
card.text += "More words."
card.push_to_hub("memotions/model", create_pr=True)
try:
    HfApi().upload_file(path_or_fileobj=b"x", path_in_repo="a.onnx", repo_id="memotions/model")
except ConnectionError as problem:
    print("404 Not Found" in str(problem), "/xet-write-token/main" in str(problem))
"""


def test_cards_load_and_change_but_xet_is_not_served(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    """With the variable that switches Xet off unset, small files go and large ones cannot."""
    api.create_repo(MODEL)
    put(api, "README.md", CARD.encode())
    done = hub.run(CARDS, home=tmp_path / "home", token=hub.tokens.write, HF_HUB_DISABLE_XET="0")
    assert done.stdout == "apache-2.0 ['emotion', 'more']\nTrue True\n", done.stderr
    assert hub.files(MODEL, "refs/pr/1")["README.md"].endswith(b"More words.")


# Data sets

PUSH = """
from datasets import Dataset, DatasetDict
rows = {"text": [f"teks {n}" for n in range(200)], "label": [n % 5 for n in range(200)]}
train, test = Dataset.from_dict(rows), Dataset.from_dict({"text": ["x"], "label": [0]})
parts = DatasetDict(train=train, test=test)
commit = parts.push_to_hub("memotions/data", "merged", private=True)
again = parts.push_to_hub("memotions/data", "merged", private=True)
parts.push_to_hub("memotions/data", "merged", revision="other")
print("nothing new" if commit.oid == again.oid else "pushed again")
"""
LOAD = """
from datasets import load_dataset, get_dataset_config_names, load_dataset_builder
whole = load_dataset("memotions/data", "merged")
part = load_dataset("memotions/data", "merged", split="train[:1%]")
stream = load_dataset("memotions/data", "merged", split="train", streaming=True)
other = load_dataset("memotions/data", "merged", split="test", revision="other")
print(whole["train"].num_rows, whole["test"][0]["text"], list(part["text"]))
print(next(iter(stream))["text"])
print(other.num_rows, get_dataset_config_names("memotions/data"))
"""
REFUSED = """
from datasets import load_dataset
from datasets.exceptions import DatasetNotFoundError
for arguments in ({"revision": "none"}, {"token": False}, {"token": "hf_loopbackStranger"}):
    try:
        load_dataset("memotions/data", "merged", **arguments)
    except DatasetNotFoundError as problem:
        print(problem)
"""


def test_a_data_set_is_pushed_and_loaded(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = hub.run(PUSH + LOAD, home=home, token=hub.tokens.write)
    assert done.stdout.splitlines() == [
        "nothing new",
        "200 x ['teks 0', 'teks 1']",
        "teks 0",
        "1 ['merged']",
    ], done.stderr
    files = api.list_repo_files("memotions/data", repo_type="dataset")
    assert "merged/train-00000-of-00001.parquet" in files
    card = api.dataset_info("memotions/data").card_data
    assert card["configs"][0]["config_name"] == "merged"
    # In another home: what is cached would be used whoever asks.
    refused = hub.run(REFUSED, home=tmp_path / "other", token=hub.tokens.write)
    assert refused.stdout.splitlines() == [
        "Revision 'none' doesn't exist for dataset 'memotions/data' on the Hub.",
        *["Dataset 'memotions/data' doesn't exist on the Hub or cannot be accessed."] * 2,
    ], refused.stderr


# The data set viewer

VIEW = """
import sys
from datasets import load_dataset, load_dataset_builder
from datasets.utils._dataset_viewer import DatasetViewerError, get_exported_parquet_files
info = load_dataset_builder("memotions/plain").info
whole = load_dataset("memotions/plain")
try:
    files = get_exported_parquet_files("memotions/plain", None, None)
except DatasetViewerError:
    files = []
labels = info.features and info.features["label"].names
print(labels, info.splits and info.splits["train"].num_examples, whole.num_rows, len(files))
"""


def viewer(hub: Hub, path: str, **headers: str) -> httpx2.Response:
    """Ask the host of the viewer, whose name only the client's proxy setting makes reachable."""
    host = hub.url.replace("http://", "datasets-server.")
    return get_session().get(hub.url + path, headers={"Host": host, **headers})


def labelled(rows: int) -> bytes:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["a", "b"])})
    columns = {"text": [f"teks {n}" for n in range(rows)], "label": [n % 2 for n in range(rows)]}
    buffer = io.BytesIO()
    Dataset.from_dict(columns, features=features).to_parquet(buffer)
    return buffer.getvalue()


def test_datasets_asks_the_viewer_and_does_without_it(hub: Hub, tmp_path: Path) -> None:
    files = {"data/train-0.parquet": labelled(8), "data/test-0.parquet": labelled(2)}
    hub.put("memotions/plain", files, repo_type="dataset")
    known = hub.run(VIEW, home=tmp_path / "known")
    assert known.stdout == "['a', 'b'] 8 {'train': 8, 'test': 2} 2\n", known.stderr
    assert {"GET /info", "GET /parquet"} <= set(hub.requests)
    # As in a process that has no way to the viewer: its name is not to be found.
    without = hub.run(VIEW, home=tmp_path / "without", http_proxy="")
    assert without.stdout == "None None {'train': 8, 'test': 2} 0\n", without.stderr


def test_the_viewer_knows_the_parquet_files(hub: Hub) -> None:
    card = {
        "configs": [
            {
                "config_name": "merged",
                "data_files": [
                    {"split": "train", "path": ["merged/train-*"]},
                    {"split": "test", "path": "merged/test-0.parquet"},
                ],
            },
            {"config_name": "small", "data_files": "small/*.parquet"},
        ]
    }
    train = labelled(8)
    files = {
        "README.md": f"---\n{json.dumps(card)}\n---\n",
        "merged/train-0.parquet": train,
        "merged/train-1.parquet": labelled(3),
        "merged/test-0.parquet": labelled(2),
        "small/a.parquet": labelled(1),
    }
    commit = hub.put("memotions/data", files, repo_type="dataset")
    listed = viewer(hub, "/parquet?dataset=memotions/data")
    assert listed.headers["X-Revision"] == commit
    assert {
        (item["config"], item["split"], item["filename"], item["size"])
        for item in listed.json()["parquet_files"]
    } == {
        ("merged", "train", "0000.parquet", len(train)),
        ("merged", "train", "0001.parquet", len(files["merged/train-1.parquet"])),
        ("merged", "test", "0000.parquet", len(files["merged/test-0.parquet"])),
        ("small", "train", "0000.parquet", len(files["small/a.parquet"])),
    }
    described = viewer(hub, "/info?dataset=memotions/data").json()["dataset_info"]
    assert described["merged"]["splits"]["train"]["num_examples"] == 11
    assert described["small"]["features"]["label"]["names"] == ["a", "b"]
    urls = get_session().get(f"{hub.url}/api/datasets/memotions/data/parquet").json()
    assert get_session().get(urls["merged"]["train"][0]).content == train
    assert urls["small"]["train"][0] == listed.json()["parquet_files"][-1]["url"]


def test_the_viewer_shows_nothing_private_nor_what_it_cannot_read(hub: Hub) -> None:
    hub.put("memotions/secret", {"train.parquet": labelled(1)}, repo_type="dataset", private=True)
    hub.put("memotions/text", {"train.csv": "a\n1\n"}, repo_type="dataset")
    hub.put(MODEL, {"train.parquet": labelled(1)})
    token = {"Authorization": f"Bearer {hub.tokens.write}"}
    hub.put("memotions/off", {"train.parquet": labelled(1)}, repo_type="dataset")
    assert viewer(hub, "/info?dataset=memotions/off").status_code == 200
    hub.app.viewer = False
    assert viewer(hub, "/info?dataset=memotions/off").status_code == 404
    hub.app.viewer = True
    for name in ("secret", "text", "model", "none"):
        answer = viewer(hub, f"/info?dataset=memotions/{name}", **token)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "ResponseNotFound")


# Other libraries

LIBRARIES = """
import json
import keras, numpy
from transformers import AutoConfig, AutoTokenizer, pipeline
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.save("hf://memotions/keras")
loaded = keras.saving.load_model("hf://memotions/keras")
row = numpy.ones((1, 2))
print(numpy.allclose(model(row).detach(), loaded(row).detach()))
# Without the argument it would ask, on the terminal, whether to run the model's code.
tokenizer = AutoTokenizer.from_pretrained("memotions/twin", trust_remote_code=False)
print(tokenizer("aku senang")["input_ids"])
print(type(AutoConfig.from_pretrained("memotions/twin", trust_remote_code=True)).__name__)
classify = pipeline("text-classification", model="memotions/twin", trust_remote_code=True)
print(classify("aku senang"))
"""
REMOTE_CODE = """
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

class TwinConfig(PretrainedConfig):
    model_type = "twin"

class Twin(PreTrainedModel):
    config_class = TwinConfig

    def __init__(self, config):
        super().__init__(config)
        self.scores = torch.nn.Embedding(4, 2)
        self.post_init()

    def forward(self, input_ids, **others):
        return SequenceClassifierOutput(logits=self.scores(input_ids).mean(1))
"""


def twin() -> dict[str, bytes | str]:
    """Return the files of a model whose code comes with it."""
    from safetensors.numpy import save

    vocabulary = {"[UNK]": 0, "[PAD]": 1, "aku": 2, "senang": 3}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    classes = {"AutoConfig": "TwinConfig", "AutoModelForSequenceClassification": "Twin"}
    config = {
        "model_type": "twin",
        "architectures": ["Twin"],
        "auto_map": {name: f"modeling_twin.{value}" for name, value in classes.items()},
        "id2label": {"0": "a", "1": "b"},
    }
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    weights = {"scores.weight": np.array([[0, 0], [0, 0], [0, 9], [0, 9]], dtype=np.float32)}
    return {
        "config.json": json.dumps(config),
        "modeling_twin.py": REMOTE_CODE,
        "tokenizer.json": tokenizer.to_str(),
        "tokenizer_config.json": json.dumps(special | {"pad_token": "[PAD]"}),
        "model.safetensors": save(weights, {"format": "pt"}),
    }


def test_keras_and_transformers_use_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.put("memotions/twin", twin(), private=True)
    quiet = {"KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": "-1"}
    done = hub.run(LIBRARIES, home=tmp_path / "home", token=hub.tokens.write, **quiet)
    lines = done.stdout.splitlines()[-4:]
    assert lines[:3] == ["True", "[2, 3]", "TwinConfig"], done.stderr
    assert lines[3].startswith("[{'label': 'b', 'score': 0.999"), done.stderr
    assert {"config.json", "model.weights.h5"} < set(hub.files("memotions/keras"))


METRIC = """
import datasets
import evaluate
from .share import share

class Small(evaluate.Metric):
    def _info(self):
        number = datasets.Value("int32")
        features = datasets.Features({"predictions": number, "references": number})
        return evaluate.MetricInfo("what", "", features, inputs_description="")

    def _compute(self, predictions, references):
        return {"share": share(predictions, references)}
"""
EVALUATE = """
import evaluate
print(evaluate.load("memotions/small").compute(predictions=[1, 2], references=[1, 1]))
print(evaluate.list_evaluation_modules("metric"))
"""


def test_evaluate_loads_a_metric_from_a_space(hub: Hub, tmp_path: Path) -> None:
    pytest.importorskip("evaluate")
    files = {
        "README.md": "---\nsdk: gradio\ntags: [evaluate, metric]\n---\n",
        "small.py": METRIC,
        "share.py": "def share(a, b):\n    return sum(x == y for x, y in zip(a, b)) / len(a)\n",
    }
    hub.put("memotions/small", files, repo_type="space")
    done = hub.run(EVALUATE, home=tmp_path / "home")
    assert done.stdout.splitlines() == ["{'share': 0.5}", "['memotions/small']"], done.stderr
    # It asks for the tag of its own version first.
    assert re.search(r"/resolve/v[\d.]+/small\.py$", hub.requests[0])


GRADIO = """
import os
from gradio_client import Client
client = Client("memotions/space", verbose=False, token=os.environ["HF_TOKEN"])
print(client.predict("halo", api_name="/shout"))
"""


def test_gradio_client_finds_a_private_space(hub: Hub, tmp_path: Path) -> None:
    gradio = pytest.importorskip("gradio")
    page = gradio.Interface(str.upper, "text", "text", api_name="shout", analytics_enabled=False)
    hub.put("memotions/space", {"app.py": "..."}, repo_type="space", private=True)
    address = {"server_name": "127.0.0.1", "quiet": True, "prevent_thread_lock": True}
    try:
        hub.spaces_run_at["memotions/space"] = page.launch(**address)[1]
        done = hub.run(GRADIO, home=tmp_path / "home", token=hub.tokens.read)
    finally:
        page.close(verbose=False)
    assert done.stdout == "HALO\n", done.stderr
    assert hub.requests == [
        "GET /api/spaces/memotions/space",
        "GET /api/spaces/memotions/space/runtime",
    ]


# Refusals that a user must be told about


def refusal(action: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(HfHubHTTPError) as error:
        action()
    return status(error), str(error.value)


def test_a_namespace_that_is_full(hub: Hub, api: HfApi) -> None:
    hub.put(MODEL, {"a.txt": "1"}, private=True)
    hub.app.quota_bytes = 100_000
    code, message = refusal(lambda: put(api, "model.onnx", WEIGHTS))
    assert code == 403
    assert "Private repository storage limit reached" in message
    assert hub.uploads == []
    put(api, "b.txt", b"b" * 1000)
    put(api, "b.txt", b"b" * 1000)  # the same content takes no more room
    assert refusal(lambda: put(api, "c.txt", b"c" * 100_000))[0] == 403
    hub.put("tetangga/x", {"a.txt": "1"})
    stranger = HfApi(endpoint=hub.url, token=hub.tokens.stranger)
    put(stranger, "d.txt", b"d" * 10_000, "tetangga/x")  # the room is each namespace's own
    hub.app.max_body_bytes = 1000
    assert refusal(lambda: put(api, "d.txt", b"d" * 1000))[0] == 413
    assert set(hub.files(MODEL)) == {"a.txt", "b.txt"}


@pytest.fixture
def endpoint(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what HF_ENDPOINT sets: ``exist_ok`` fails for an endpoint that is only an argument."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)


@pytest.mark.usefixtures("endpoint")
def test_spaces_that_must_be_paid_for(hub: Hub, api: HfApi) -> None:
    hub.app.spaces_need_payment = True
    space = {"repo_type": "space", "space_sdk": "gradio"}
    code, message = refusal(lambda: api.create_repo("memotions/space", **space))
    assert code == 402
    assert "PRO" in message
    assert hub.repo("memotions/space", "space") is None
    api.create_repo("memotions/page", repo_type="space", space_sdk="static")
    api.create_repo("memotions/model")
    # What is there already is good enough for the client.
    hub.put("memotions/space", {"app.py": "..."}, repo_type="space")
    api.create_repo("memotions/space", exist_ok=True, **space)
    assert refusal(lambda: api.create_repo("memotions/space", **space))[0] == 402


def test_too_many_new_repositories(hub: Hub, api: HfApi) -> None:
    hub.app.repos_per_day = 1
    api.create_repo(MODEL)
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo("memotions/more")
    assert status(error) == 429
    assert int(error.value.response.headers["Retry-After"]) > 0
    api.create_repo(MODEL, exist_ok=True)
    assert hub.repo("memotions/more") is None


@pytest.mark.usefixtures("endpoint")
def test_a_namespace_that_is_not_ones_own(hub: Hub, api: HfApi) -> None:
    for namespace in ("tetangga", "nobody"):
        code, message = refusal(lambda name=namespace: api.create_repo(f"{name}/x"))
        assert code == 403
        assert f'rights to create a model under the namespace "{namespace}"' in message
    hub.put(MODEL, {"a.txt": "1"})
    reader = HfApi(endpoint=hub.url, token=hub.tokens.read)
    # The client takes what is there for created, so it is the upload that is refused.
    reader.create_repo(MODEL, exist_ok=True)
    code, message = refusal(lambda: put(reader, "b.txt", b"1"))
    assert code == 403
    assert "you must use a write token" in message


def test_a_network_that_is_down(hub: Hub, api: HfApi) -> None:
    with pytest.raises(httpx2.ConnectError):
        HfApi(endpoint=hub.dead_url, token=hub.tokens.write).whoami()
    hub.faults.network_down("whoami")
    with pytest.raises(httpx2.TransportError):
        api.whoami()
    hub.clear()
    assert api.whoami()["name"] == "memotions"


# Troubles


def test_being_told_to_wait_and_server_errors_are_outlived(hub: Hub, api: HfApi) -> None:
    api.create_repo(MODEL)
    limited = hub.faults.rate_limit("PUT /upload/")
    broken = hub.faults.status("POST .*/preupload/", 500)
    put(api, "model.onnx", WEIGHTS)
    assert (limited.happened, broken.happened) == (1, 1)
    assert sum(line.startswith("PUT") for line in hub.requests) == 2
    assert "model.onnx" in api.list_repo_files(MODEL)


def test_an_error_at_the_commit_itself_is_not_retried(hub: Hub, api: HfApi) -> None:
    api.create_repo(MODEL)
    hub.faults.status("POST .*/commit/", 500)
    with pytest.raises(HfHubHTTPError) as error:
        put(api, "a.txt", b"1")
    assert status(error) == 500
    hub.faults.rate_limit("POST .*/commit/", retry_after=7)
    with pytest.raises(HfHubHTTPError) as error:
        put(api, "a.txt", b"1")
    assert (status(error), error.value.response.headers["Retry-After"]) == (429, "7")
    assert api.list_repo_files(MODEL) == [".gitattributes"]


def test_an_upload_that_is_cut_is_sent_again(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    api.create_repo(MODEL)
    cut = hub.faults.cut_upload("PUT /upload/", after=100_000)
    put(api, "model.onnx", WEIGHTS)
    assert cut.happened == 1
    got = hf_hub_download(MODEL, "model.onnx", endpoint=hub.url, cache_dir=tmp_path / "cache")
    assert Path(got).read_bytes() == WEIGHTS


def test_an_upload_with_another_hash_is_refused(hub: Hub, api: HfApi) -> None:
    api.create_repo(MODEL)
    hub.faults.corrupt_upload("PUT /upload/")
    with pytest.raises(RuntimeError, match="Error while uploading") as error:
        put(api, "model.onnx", WEIGHTS)
    assert isinstance(error.value.__cause__, BadRequestError)
    assert not hub.store.has_object(hashlib.sha256(WEIGHTS).hexdigest())
    assert api.list_repo_files(MODEL) == [".gitattributes"]


def test_a_download_that_is_cut_goes_on_where_it_was(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    api.create_repo(MODEL)
    put(api, "model.onnx", WEIGHTS)
    cut = hub.faults.cut_download("GET /object/", after=100_000)
    got = hf_hub_download(MODEL, "model.onnx", endpoint=hub.url, cache_dir=tmp_path / "cache")
    assert Path(got).read_bytes() == WEIGHTS
    assert cut.happened == 1
    assert sum(line.startswith("GET /object/") for line in hub.requests) == 2


def test_a_reset_of_the_connection_ends_the_download(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    """Resuming is for orderly cuts: a reset ends in an error and leaves nothing in the cache."""
    api.create_repo(MODEL)
    put(api, "model.onnx", WEIGHTS)
    hub.faults.cut_download("GET /object/", after=100_000, reset=True)
    options = {"endpoint": hub.url, "cache_dir": tmp_path / "cache"}
    with pytest.raises(httpx2.ReadError):
        hf_hub_download(MODEL, "model.onnx", **options)
    assert not list((tmp_path / "cache").rglob("*.incomplete"))
    assert Path(hf_hub_download(MODEL, "model.onnx", **options)).read_bytes() == WEIGHTS


def test_a_slow_answer_is_outlived(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    api.create_repo(MODEL)
    put(api, "a.txt", b"1")
    slow = hub.faults.slow("HEAD /memotions", before=1, times=2)
    options = {"etag_timeout": 0.2, "cache_dir": tmp_path / "cache"}
    first = api.hf_hub_download(MODEL, "a.txt", **options)  # it asks again, with more patience
    assert (Path(first).read_bytes(), slow.happened) == (b"1", 2)
    slow.times = 1
    put(api, "a.txt", b"2")
    # What is in the cache is good enough when the Hub is too slow.
    assert api.hf_hub_download(MODEL, "a.txt", **options) == first
    assert slow.happened == 3
    dawdling = hub.faults.slow("GET /object/", between=0.1)
    put(api, "model.onnx", WEIGHTS)
    got = api.hf_hub_download(MODEL, "model.onnx", cache_dir=tmp_path / "cache")
    assert Path(got).read_bytes() == WEIGHTS
    assert dawdling.happened == 1


def test_a_file_with_wrong_content_or_a_part_of_it(hub: Hub, tmp_path: Path) -> None:
    hub.put(MODEL, {"model.onnx": WEIGHTS, "config.json": '{"a": 1}'})

    def get(path: str, cache: str) -> bytes:
        options = {"endpoint": hub.url, "cache_dir": tmp_path / cache}
        return Path(hf_hub_download(MODEL, path, **options)).read_bytes()

    corrupt = hub.corrupt(MODEL, "model.onnx", at=70_000)
    hub.corrupt(MODEL, "config.json")
    flipped = bytes([WEIGHTS[70_000] ^ 0xFF])
    assert get("model.onnx", "one") == WEIGHTS[:70_000] + flipped + WEIGHTS[70_001:]
    assert get("config.json", "one") == bytes([ord("{") ^ 0xFF]) + b'"a": 1}'
    assert corrupt.happened == 1
    hub.clear()
    assert get("model.onnx", "two") == WEIGHTS
    hub.truncate(MODEL, "model.onnx", after=1000)
    hub.truncate(MODEL, "config.json", after=3)
    for path in ("model.onnx", "config.json"):
        with pytest.raises(OSError, match="Consistency check failed"):
            get(path, "three")


def test_a_listing_that_leads_elsewhere_is_refused_by_the_client(hub: Hub, tmp_path: Path) -> None:
    for path in ("../../../evil.txt", "/etc/evil.txt"):
        hub.put("memotions/evil", {path: "x"})
        (listed,) = hub.files("memotions/evil")
        siblings = HfApi(endpoint=hub.url, token=False).model_info("memotions/evil").siblings
        assert listed == path
        assert path in {item.rfilename for item in siblings}
        with pytest.raises((ValueError, HfHubHTTPError)):
            snapshot_download("memotions/evil", endpoint=hub.url, cache_dir=tmp_path / "a" / "b")
        assert not list(tmp_path.rglob("*evil.txt"))
        hub.store.delete(hub.repo("memotions/evil"))


def test_the_client_does_not_notice_a_wrong_content(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    """huggingface_hub compares sizes only: whoever needs the hash must compare it."""
    api.create_repo(MODEL)
    put(api, "model.onnx", WEIGHTS)
    options = {"endpoint": hub.url, "cache_dir": tmp_path / "cache"}
    hub.faults.corrupt_download("GET /object/")
    got = Path(hf_hub_download(MODEL, "model.onnx", **options))
    assert got.read_bytes() == bytes([WEIGHTS[0] ^ 0xFF]) + WEIGHTS[1:]
    check = api.verify_repo_checksums(MODEL, cache_dir=tmp_path / "cache")
    assert [item["path"] for item in check.mismatches] == ["model.onnx"]
    hub.faults.wrong_hash("HEAD ")
    options["cache_dir"] = tmp_path / "other"
    other = Path(hf_hub_download(MODEL, "model.onnx", **options))
    assert (other.resolve().name, other.read_bytes()) == ("0" * 64, WEIGHTS)
