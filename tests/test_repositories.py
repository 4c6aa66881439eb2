"""One way to push to any repository of the Hub, and one line for whatever goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
)
from hypothesis import given
from hypothesis import strategies as st
from support.hub import ALWAYS, Hub, loopback_hub
from support.hub_client import client_of, emptied

from memotions_hf.errors import HubError, InputError
from memotions_hf.repositories import (
    Content,
    check_message,
    explain,
    first_line,
    hub_api,
    open_repository,
    readable_errors,
)

KINDS = ("model", "dataset", "space")
REPO = "memotions/any"
CARD = "---\nlicense: apache-2.0\nsdk: static\n---\n"
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with loopback_hub(tmp_path_factory.mktemp("server")) as hub:
        yield hub


@pytest.fixture
def hub(server: Hub, tmp_path: Path) -> Iterator[Hub]:
    with client_of(emptied(server), tmp_path, server.tokens.write):
        yield server


def space_sdk(kind: str) -> str | None:
    return "static" if kind == "space" else None


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert "hf_loopback" not in message
    return message


# Commits


@every_kind
def test_any_kind_of_repository(kind: str, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(10_000))
    files: dict[str, Content] = {
        "README.md": CARD.encode(),
        "data/large.bin": tmp_path / "large.bin",
    }
    repository = open_repository(REPO, kind, space_sdk=space_sdk(kind))
    commit = repository.commit(files, message="First")
    assert commit.oid != repository.head
    pushed = hub.files(REPO, repo_type=kind)
    assert pushed == {"README.md": CARD.encode(), "data/large.bin": bytes(10_000)}
    assert repository.url in str(commit)
    prefix = "" if kind == "model" else f"{kind}s/"
    assert repository.url == f"{hub.url}/{prefix}{REPO}"

    hub.clear()
    again = open_repository(REPO, kind, space_sdk=space_sdk(kind))
    assert again.head == commit.oid
    assert again.commit(files, message="Again").oid == again.head
    assert hub.uploads == []


@every_kind
def test_stale_files_go_and_others_stay(kind: str, hub: Hub) -> None:
    there = ("data/a-0.parquet", "data/a-1.parquet", "data/notes.md", "a.parquet", "[x].md")
    hub.put(REPO, dict.fromkeys(there, b"old"), repo_type=kind, sdk="static")
    repository = open_repository(REPO, kind, space_sdk=space_sdk(kind))
    new = {"data/a-0.parquet": b"new"}
    repository.commit(new, message="Newer", stale=["data/*.parquet", "absent.txt"])
    files = hub.files(REPO, repo_type=kind)
    assert set(files) == set(there) - {"data/a-1.parquet"}
    assert files["data/a-0.parquet"] == b"new"


def test_only_deletions_are_a_commit_too(hub: Hub) -> None:
    hub.put(REPO, {"a.txt": "a", "b.txt": "b"})
    repository = open_repository(REPO)
    commit = repository.commit({"a.txt": b"a"}, message="-", stale=["*.txt"])
    assert commit.oid != repository.head
    assert hub.files(REPO) == {"a.txt": b"a"}


@every_kind
def test_a_commit_lies_on_what_was_seen_when_it_was_opened(kind: str, hub: Hub) -> None:
    repository = open_repository(REPO, kind, space_sdk=space_sdk(kind))
    hub.put(REPO, {"theirs.txt": "theirs"}, repo_type=kind)
    with pytest.raises(HubError, match="try again") as error:
        repository.commit({"ours.txt": b"ours"}, message="Ours")
    assert one_line(error).startswith(f"cannot push to '{REPO}'")
    assert hub.files(REPO, repo_type=kind) == {"theirs.txt": b"theirs"}


@every_kind
def test_a_branch_of_any_kind(kind: str, hub: Hub) -> None:
    hub.put(REPO, {"a.txt": "a"}, repo_type=kind, sdk="static")
    options = {"revision": "dev", "space_sdk": space_sdk(kind)}
    repository = open_repository(REPO, kind, **options)  # type: ignore[arg-type]
    repository.commit({"b.txt": b"b"}, message="More")
    assert set(hub.files(REPO, "dev", kind)) == {"a.txt", "b.txt"}
    assert set(hub.files(REPO, repo_type=kind)) == {"a.txt"}


def test_what_is_no_branch(hub: Hub) -> None:
    commit = hub.put(REPO, {"a.txt": "a"})
    HfApi().create_tag(REPO, tag="v1")
    with pytest.raises(InputError, match="name a branch") as error:
        open_repository(REPO, revision=commit)
    one_line(error)
    repository = open_repository(REPO, revision="v1")
    with pytest.raises(InputError, match="a tag does not move") as error:
        repository.commit({"b.txt": b"b"}, message="More")
    one_line(error)
    with pytest.raises(HubError, match="no revision 'refs/pr/9'"):
        open_repository(REPO, revision="refs/pr/9")


@every_kind
def test_a_public_repository_does_not_become_private(kind: str, hub: Hub) -> None:
    hub.put(REPO, {}, repo_type=kind, sdk="static")
    with pytest.raises(InputError, match="is public") as error:
        open_repository(REPO, kind, private=True, space_sdk=space_sdk(kind))
    one_line(error)
    open_repository("memotions/new", kind, private=True, space_sdk=space_sdk(kind))
    assert hub.repo("memotions/new", kind).private  # type: ignore[union-attr]


def test_a_lost_answer_makes_no_second_commit(hub: Hub) -> None:
    """The commit is made, but the connection breaks before the client hears of it."""
    repository = open_repository(REPO)
    hub.faults.cut_download(rf"^POST /api/models/{REPO}/commit/main", reset=True)
    with pytest.raises(HubError, match="cannot be reached") as error:
        repository.commit({"a.txt": b"a"}, message="A")
    one_line(error)
    made = hub.repo(REPO).refs["refs/heads/main"]  # type: ignore[union-attr]
    assert made != repository.head
    assert repository.commit({"a.txt": b"a"}, message="A").oid == made
    assert len(hub.uploads) == 1


def test_a_pull_request_is_not_opened_twice(hub: Hub) -> None:
    repository = open_repository(REPO)
    address = rf"^POST /api/models/{REPO}/commit/main"
    fault = hub.faults.status(address, 500, times=ALWAYS)
    with pytest.raises(HubError):
        repository.commit({"b.txt": b"b"}, message="B", create_pr=True)
    assert fault.happened == 1
    hub.clear()
    fault = hub.faults.rate_limit(address, retry_after=1)
    repository.commit({"b.txt": b"b"}, message="B", create_pr=True)
    assert fault.happened == 1
    assert len(hub.repo(REPO).discussions) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("asked", ["soon", "-3", "nan", ""])
def test_a_wait_that_is_none(asked: str, hub: Hub, tmp_path: Path) -> None:
    address = rf"^POST /api/models/{REPO}/commit/main"
    with client_of(hub, tmp_path, hub.tokens.write) as waits:
        repository = open_repository(REPO)
        hub.faults.status(address, 429, headers={"Retry-After": asked})
        repository.commit({"b.txt": b"b"}, message="B")
        assert waits == [0 if asked == "-3" else 2.0]


# Who may


@pytest.mark.parametrize(
    ("name", "owner", "words"),
    [
        ("write", "tetangga", "may not create anything under this name"),
        ("write", "nobody", "may not create anything under this name"),
        ("read", "memotions", "write permission"),
        ("fine", "memotions-lab", "may not create anything under this name"),
        ("fine_read", "memotions", "may not create anything under this name"),
        ("wrong", "memotions", "log in"),
    ],
)
@every_kind
def test_who_may_not_create(kind: str, name: str, owner: str, words: str, hub: Hub) -> None:
    token = getattr(hub.tokens, name)
    with pytest.raises(HubError, match=words) as error:
        open_repository(f"{owner}/new", kind, token=token, space_sdk=space_sdk(kind))
    one_line(error)
    assert hub.repo(f"{owner}/new", kind) is None


@pytest.mark.parametrize("name", ["a/b/c", "bad name", "", "-x", "x" * 200, "owner/.."])
def test_names_that_are_none(name: str, hub: Hub) -> None:
    with pytest.raises(HubError, match="no name of a repository") as error:
        open_repository(name)
    one_line(error)
    assert not [line for line in hub.requests if "/create" in line]


def test_limits_of_the_account(hub: Hub) -> None:
    hub.app.repos_per_day = 0
    with pytest.raises(HubError, match="too many requests"):
        open_repository(REPO)
    hub.app.repos_per_day, hub.app.spaces_need_payment = None, True
    with pytest.raises(HubError, match="paid plan"):
        open_repository(REPO, "space", space_sdk="gradio")
    hub.app.quota_bytes = 100
    repository = open_repository(REPO)
    with pytest.raises(HubError, match="make room") as error:
        repository.commit({"large.bin": bytes(10_000)}, message="Too much")
    assert "storage limit reached" in one_line(error)


def test_an_empty_message() -> None:
    check_message("Something")
    for message in ("", " \n"):
        with pytest.raises(InputError, match="commit_message"):
            check_message(message)


def test_the_client_says_which_library_asks() -> None:
    agent = hub_api()._build_hf_headers()["user-agent"]
    assert agent.startswith("memotions-hf/")


# One line


@given(st.text(), st.text(min_size=4, alphabet="abcXYZ019"))
def test_a_first_line_is_one_short_line_without_the_token(text: str, secret: str) -> None:
    line = first_line(f"{text}{secret} Bearer {secret}{text}", secret)
    assert len(line.splitlines()) <= 1
    assert len(line) <= 200
    assert secret not in line.replace("Bearer", "") or secret in text.replace(secret, "")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\ntwo", "one"),
        ("\n\n  one  \n", "one"),
        ("token hf_abcDEF123 is bad", "token *** is bad"),
        ("authorization: Bearer abc.def/ghi", "authorization: ***"),
        ("for 'http://h/object/1?X-Sig=aa&b=c' no", "for 'http://h/object/1' no"),
        ("for https://h/a?X-Sig=aa#b", "for https://h/a"),
        ("is it there? http://h/a", "is it there? http://h/a"),
        ("x" * 500, "x" * 200),
    ],
)
def test_first_lines(text: str, line: str) -> None:
    assert first_line(text) == line
    assert first_line(ValueError(text)) == line


def test_an_error_without_a_message_has_its_name() -> None:
    assert first_line(KeyError()) == "KeyError"
    assert first_line("my pass-word", "pass-word") == "my ***"


def test_what_each_error_means() -> None:
    offline = LocalEntryNotFoundError("not here")
    assert "switched off" in explain(offline)
    offline.__cause__ = OfflineModeIsEnabled("no")
    assert "switched off" in explain(offline)
    offline.__cause__ = ConnectionError("no route")
    assert "cannot be reached, or refuses (no route)" in explain(offline)
    assert "log in" in explain(LocalTokenNotFoundError("none"))
    assert "cannot be reached, or refuses (odd)" in explain(RuntimeError("odd"))


def test_errors_of_ours_pass_through_and_others_become_one_line() -> None:
    with pytest.raises(InputError, match=r"^ours$"), readable_errors("cannot do it"):
        raise InputError("ours")
    with pytest.raises(HubError) as error, readable_errors("cannot do it", None, "s3cret"):
        raise OSError("s3cret\nmore")
    assert one_line(error).startswith("cannot do it: ")
    assert "s3cret" not in one_line(error)
    assert error.value.__cause__ is None
    with pytest.raises(KeyboardInterrupt), readable_errors("cannot do it"):
        raise KeyboardInterrupt


def test_what_the_hub_says_about_a_refusal(hub: Hub) -> None:
    repository = open_repository(REPO)
    address = rf"^POST /api/models/{REPO}/commit/main"
    hub.faults.status(
        address, 400, message="README.md: token hf_loopbackWrite is odd", times=ALWAYS
    )
    with pytest.raises(HubError, match=r"README\.md: token \*\*\* is odd") as error:
        repository.commit({"a.txt": b"a"}, message="A")
    one_line(error)
    assert not isinstance(error.value, HfHubHTTPError)


@pytest.mark.parametrize("token", ["  ", "two words", "line\nbreak", "hf_s\u00e9cret"])
def test_a_token_that_is_none_is_not_repeated(token: str) -> None:
    with pytest.raises(InputError, match="no access token") as error:
        open_repository(REPO, token=token)
    assert token.strip() not in str(error.value) or not token.strip()


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError(28, "No space left on device"), "on this machine .*No space left"),
        (PermissionError(13, "Permission denied", "/cache"), "on this machine .*denied"),
        (ConnectionResetError(104, "Connection reset by peer"), "check the network"),
        (TimeoutError(110, "timed out"), "check the network"),
        (OSError("Consistency check failed: file should be of size 3"), "did not arrive whole"),
    ],
)
def test_a_full_disk_is_no_trouble_of_the_network(error: Exception, part: str) -> None:
    assert re.search(part, explain(error))
