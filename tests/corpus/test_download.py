"""Downloads from a real server on the loopback interface, and what is said where they fail."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from corpus_support import needs_mirror, one_line_error
from support.file_server import Cut, FileServer, Status, unused_url

from memotions_hf.corpus import SOURCES, Source, read_source
from memotions_hf.corpus import download as download_module
from memotions_hf.corpus import sources as sources_module
from memotions_hf.corpus.download import cache_folder, download, download_folder, missing_files
from memotions_hf.corpus.readers import read_translation
from memotions_hf.corpus.sources import SourceFile
from memotions_hf.errors import CorpusError, InputError, MissingExtraError

pytest.importorskip("httpx2", reason="the data extra is not installed")

ROWS = 4_000
CONTENT = "id\tlabel\ttext\n" + "".join(
    f"row-{number:05d}\tjoy\thari ini aku senang sekali, yang ke-{number}\n"
    for number in range(ROWS)
)
DATA = CONTENT.encode()
NAME = "small/rows.tsv"
MIRROR = os.environ.get("MEMOTIONS_MIRROR")
PROXY_VARIABLES = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        running.files["/rows.tsv"] = DATA
        yield running


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, no mirror, no proxy, and no waiting between attempts."""
    monkeypatch.setenv("MEMOTIONS_CACHE", str(tmp_path / "cache"))
    for variable in ("MEMOTIONS_MIRROR", *PROXY_VARIABLES, *map(str.upper, PROXY_VARIABLES)):
        monkeypatch.delenv(variable, raising=False)
    attempts = len(download_module._PAUSES_S)
    monkeypatch.setattr(download_module, "_PAUSES_S", (0.0,) * attempts)


Offer = Callable[..., Source]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, server: FileServer) -> Offer:
    """Make ``small`` a source of one file that the server has, or with other settings."""

    def make(url: str | None = None, **settings: object) -> Source:
        digest = hashlib.sha256(DATA).hexdigest()
        file = SourceFile(NAME, digest, part="rows", url=url or f"{server.url}/rows.tsv")
        settings = {"name": "small", "files": (file,), "reader": read_translation} | settings
        source = dataclasses.replace(SOURCES["emot"], **settings)  # type: ignore[arg-type]
        monkeypatch.setattr(sources_module, "SOURCES", {source.name: source})
        return source

    make()
    return make


@pytest.fixture
def small(offer: Offer) -> Source:
    return offer()


@pytest.fixture
def target(small: Source) -> Path:
    """Where the file of ``small`` is kept."""
    return download_folder() / NAME


@pytest.fixture
def part(target: Path) -> Path:
    """Where it is kept before it is complete."""
    target.parent.mkdir(parents=True)
    return target.with_name(target.name + ".part")


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


# What arrives -------------------------------------------------------------------------------------


def test_a_file_arrives_under_its_name_and_is_read_from_there(
    server: FileServer, target: Path
) -> None:
    assert [file.path for file in missing_files("small")] == [NAME]
    assert download("small") == [target]
    assert target.read_bytes() == DATA
    assert left_in(cache_folder()) == ["rows.tsv"]
    assert server.asked == [None]
    assert missing_files("small") == []
    assert sum(1 for _ in read_source("small")) == ROWS


def test_progress_goes_up_to_the_size(server: FileServer, small: Source) -> None:
    server.failures = [Cut(100_000)]
    seen: list[tuple[str, int, int | None]] = []
    download("small", progress=lambda *values: seen.append(values))
    assert {(name, size) for name, _, size in seen} == {(NAME, len(DATA))}
    done = [have for _, have, _ in seen]
    assert done == sorted(done)
    assert 100_000 in done
    assert done[-1] == len(DATA)


def test_a_compressing_server_is_asked_for_the_plain_file(server: FileServer, target: Path) -> None:
    server.compresses = True
    server.failures = [Cut(100_000)]
    seen: list[tuple[str, int, int | None]] = []
    download("small", progress=lambda *values: seen.append(values))
    assert target.read_bytes() == DATA
    assert {size for _, _, size in seen} == {len(DATA)}
    assert server.sent == [100_000, len(DATA) - 100_000]


def test_a_server_need_not_say_how_much_it_sends(server: FileServer, target: Path) -> None:
    server.lengths = False
    seen: list[int | None] = []
    download("small", progress=lambda name, have, size: seen.append(size))
    assert target.read_bytes() == DATA
    assert seen[0] is None
    assert seen[-1] == len(DATA)


def test_a_redirect_is_followed(server: FileServer, offer: Offer) -> None:
    server.redirects["/old.tsv"] = "/rows.tsv"
    offer(url=f"{server.url}/old.tsv")
    (path,) = download("small")
    assert path.read_bytes() == DATA


def test_an_error_of_the_progress_display_is_not_taken_for_one_of_the_download(
    small: Source,
) -> None:
    def broken(name: str, have: int, size: int | None) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        download("small", progress=broken)


@needs_mirror
def test_a_real_source_is_downloaded_and_read_without_a_mirror(
    monkeypatch: pytest.MonkeyPatch, server: FileServer
) -> None:
    assert MIRROR is not None
    mirror = Path(MIRROR)
    files = tuple(
        dataclasses.replace(file, url=f"{server.url}/{file.path}") for file in SOURCES["emot"].files
    )
    for file in files:
        server.files[f"/{file.path}"] = (mirror / file.path).read_bytes()
    emot = dataclasses.replace(SOURCES["emot"], files=files)
    monkeypatch.setattr(sources_module, "SOURCES", {"emot": emot})
    assert len(download("emot")) == 3
    assert sum(1 for _ in read_source("emot")) == 4_401


# Cut off ------------------------------------------------------------------------------------------


def test_a_cut_connection_is_taken_up_where_it_ended(server: FileServer, target: Path) -> None:
    server.failures = [Cut(70_001), Cut(50_000)]
    download("small")
    assert target.read_bytes() == DATA
    assert server.asked == [None, "bytes=70001-", "bytes=120001-"]
    assert server.sent == [70_001, 50_000, len(DATA) - 120_001]


def test_a_small_part_counts_too(server: FileServer, target: Path) -> None:
    server.failures = [Cut(10), Cut(10)]
    download("small")
    assert server.asked == [None, "bytes=10-", "bytes=20-"]
    assert target.read_bytes() == DATA


def test_a_download_that_ended_goes_on_the_next_time(
    server: FileServer, small: Source, target: Path
) -> None:
    server.failures = [Cut(10_000)] * 4
    with one_line_error(CorpusError, NAME, small.license, server.url, "run the same command again"):
        download("small")
    assert left_in(cache_folder()) == ["rows.tsv.part"]
    assert [file.path for file in missing_files("small")] == [NAME]
    with one_line_error(CorpusError, NAME, "missing"):
        next(read_source("small"))
    assert download("small") == [target]
    assert target.read_bytes() == DATA
    assert server.sent[-1] == len(DATA) - 40_000
    assert left_in(cache_folder()) == ["rows.tsv"]


def test_a_server_without_ranges_sends_all_of_it_again(server: FileServer, target: Path) -> None:
    server.ranges = False
    server.failures = [Cut(70_001)]
    download("small")
    assert target.read_bytes() == DATA
    assert server.asked == [None, "bytes=70001-"]
    assert server.sent == [70_001, len(DATA)]


def test_a_part_that_is_complete_is_kept(server: FileServer, part: Path, target: Path) -> None:
    part.write_bytes(DATA)
    download("small")
    assert target.read_bytes() == DATA
    assert server.asked == [f"bytes={len(DATA)}-"]
    assert server.sent == [0]
    assert left_in(cache_folder()) == ["rows.tsv"]


@pytest.mark.parametrize("stale", [b"<html>", DATA + b"more"], ids=["other", "longer"])
def test_a_part_of_something_else_is_dropped(
    server: FileServer, part: Path, target: Path, stale: bytes
) -> None:
    part.write_bytes(stale)
    with one_line_error(CorpusError, NAME, "sha256", "run the same command again"):
        download("small")
    assert left_in(cache_folder()) == []
    download("small")
    assert target.read_bytes() == DATA


# Failing servers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_not_offered_is_asked_for_once(
    server: FileServer, small: Source, status: int
) -> None:
    server.failures = [Status(status)]
    with one_line_error(
        CorpusError,
        NAME,
        f"HTTP status {status}",
        small.license,
        f"{server.url}/rows.tsv",
        small.homepage,
        "MEMOTIONS_MIRROR",
    ):
        download("small")
    assert len(server.requests) == 1
    assert left_in(cache_folder()) == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_server_is_asked_again(server: FileServer, target: Path, status: int) -> None:
    server.failures = [Status(status), Status(status)]
    download("small")
    assert len(server.requests) == 3
    assert target.read_bytes() == DATA


def test_a_server_that_stays_busy_is_not_asked_for_ever(server: FileServer, small: Source) -> None:
    server.failures = [Status(503)] * 100
    with one_line_error(CorpusError, NAME, "HTTP status 503", small.license, server.url):
        download("small")
    assert 1 < len(server.requests) < 10


def test_a_server_that_does_not_answer(offer: Offer) -> None:
    url = unused_url()
    source = offer(url=f"{url}/rows.tsv")
    with one_line_error(CorpusError, NAME, "ConnectError", source.license, url, "MEMOTIONS_MIRROR"):
        download("small")
    assert left_in(cache_folder()) == []


@pytest.mark.parametrize("sent", [b"", b"<html>Sign in</html>", DATA[:-1], DATA + b"\n"])
def test_wrong_content_is_not_kept(
    server: FileServer, small: Source, target: Path, sent: bytes
) -> None:
    server.files["/rows.tsv"] = sent
    digest = hashlib.sha256(sent).hexdigest()
    expected = small.files[0].sha256
    assert expected is not None
    with one_line_error(
        CorpusError, NAME, digest[:12], expected[:12], small.license, server.url, "nothing was kept"
    ):
        download("small")
    assert left_in(cache_folder()) == []
    server.files["/rows.tsv"] = DATA
    assert download("small") == [target]


@pytest.mark.parametrize(
    ("variable", "value"), [("HTTP_PROXY", "foo://proxy"), ("SSL_CERT_FILE", "no/such/file.pem")]
)
def test_settings_of_the_network_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, small: Source, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with one_line_error(CorpusError, NAME, small.license, "proxy or certificate settings"):
        download("small")


def test_without_the_client_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, small: Source
) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with one_line_error(MissingExtraError, "httpx2", "memotions-hf[data]"):
        download("small")


# Folders ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_leaves_nothing_under_the_name(
    part: Path, small: Source, server: FileServer
) -> None:
    part.symlink_to("/dev/full")
    with one_line_error(
        CorpusError,
        NAME,
        small.license,
        server.url,
        "No space left on device",
        str(download_folder()),
        "MEMOTIONS_CACHE",
    ):
        download("small")
    assert left_in(cache_folder()) == ["rows.tsv.part"]
    assert len(server.requests) == 1


def test_a_disk_that_fills_up_on_the_way_keeps_what_arrived(
    server: FileServer, target: Path
) -> None:
    resource = pytest.importorskip("resource", reason="the system has no file size limit to set")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with one_line_error(CorpusError, NAME, "could not be kept", "MEMOTIONS_CACHE"):
            download("small")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert left_in(cache_folder()) == ["rows.tsv.part"]
    download("small")
    assert target.read_bytes() == DATA
    assert server.asked == [None, "bytes=100000-"]


def test_a_cache_that_is_not_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: Source, server: FileServer
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEMOTIONS_CACHE", str(tmp_path / "file"))
    with one_line_error(CorpusError, NAME, small.license, str(tmp_path / "file"), "could not be"):
        download("small")
    assert server.requests == []


def test_a_file_that_is_there_is_not_fetched_again(server: FileServer, target: Path) -> None:
    download("small")
    seen: list[tuple[str, int, int | None]] = []
    assert download("small", progress=lambda *values: seen.append(values)) == [target]
    assert len(server.requests) == 1
    assert seen == [(NAME, len(DATA), len(DATA))]


def test_a_downloaded_file_that_was_damaged_is_fetched_anew(
    server: FileServer, small: Source, target: Path
) -> None:
    download("small")
    target.write_bytes(DATA[:1000])
    with one_line_error(
        CorpusError, NAME, str(target), "truncated", small.license, "corpus download small"
    ):
        next(read_source("small"))
    assert download("small") == [target]
    assert target.read_bytes() == DATA
    assert server.asked == [None, None]


def test_a_damaged_file_stays_until_the_new_one_is_complete(
    server: FileServer, target: Path
) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(DATA[:1000])
    server.failures = [Cut(2000)] * 4
    with one_line_error(CorpusError, NAME):
        download("small")
    assert target.read_bytes() == DATA[:1000]


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: Source) -> Path:
    folder = tmp_path / "mirror"
    (folder / NAME).parent.mkdir(parents=True)
    monkeypatch.setenv("MEMOTIONS_MIRROR", str(folder))
    return folder


def test_the_mirror_comes_first(mirror: Path, server: FileServer, target: Path) -> None:
    assert download("small") == [target]  # the mirror does not have it yet
    (mirror / NAME).write_bytes(DATA)
    assert download("small") == [mirror / NAME]
    assert len(server.requests) == 1
    target.write_bytes(b"")
    assert sum(1 for _ in read_source("small")) == ROWS


def test_a_damaged_file_of_the_mirror_is_the_users_to_mend(
    mirror: Path, server: FileServer, small: Source
) -> None:
    (mirror / NAME).write_bytes(DATA[:1000])
    with one_line_error(CorpusError, NAME, str(mirror / NAME), small.license, server.url, "delete"):
        download("small")
    assert server.requests == []
    assert (mirror / NAME).read_bytes() == DATA[:1000]


def test_a_second_recorded_checksum_will_do(offer: Offer, target: Path) -> None:
    source = offer()
    digest = hashlib.sha256(DATA).hexdigest()
    file = dataclasses.replace(source.files[0], sha256="0" * 64, other_sha256=(digest,))
    offer(files=(file,))
    assert download("small") == [target]


def test_where_downloads_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert download_folder() == tmp_path / "cache" / "corpora"
    monkeypatch.delenv("MEMOTIONS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "memotions"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "memotions"
    monkeypatch.setenv("MEMOTIONS_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"


def test_without_a_home_folder_only_the_cache_must_be_named(
    monkeypatch: pytest.MonkeyPatch, mirror: Path
) -> None:
    pwd = pytest.importorskip("pwd", reason="the system has no user database")

    def unknown(user: int) -> None:
        raise KeyError(user)

    for variable in ("MEMOTIONS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with one_line_error(CorpusError, "no home folder", "MEMOTIONS_CACHE"):
        download("small")
    (mirror / NAME).write_bytes(DATA)
    assert sum(1 for _ in read_source("small")) == ROWS


# Kaggle -------------------------------------------------------------------------------------------

KAGGLE = "kaggle-emotions"
KAGGLE_FILE = "kaggle-emotions/text.csv"
GOOD_CSV = b',text,label\n0,i feel good,1\n1,"i feel, well, low",0\n'
BAD_CSV = {
    "no rows": (b",text,label\n", "holds no row"),
    "empty": (b"", "no column 'text'"),
    "other columns": (b"tweet,label\na,1\n", "no column 'text'"),
    "an unknown label": (GOOD_CSV + b"2,x,6\n", "line 4: unknown label '6'"),
    "cut off": (GOOD_CSV + b'2,"i feel', "line 4"),
    "an archive": (b"PK\x03\x04\x14\0\0\0", "ZIP archive"),
    "another encoding": (GOOD_CSV + b"2,caf\xe9,1\n", "line 4: byte 0xe9 is not UTF-8"),
    "a page": (b"<!doctype html>\n<html></html>\n", "no column 'text'"),
}


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "my emotions.csv"
    path.write_bytes(GOOD_CSV)
    return path


def test_a_csv_of_the_users_is_copied(csv: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    (path,) = download(KAGGLE, csv=csv, progress=lambda *values: seen.append(values))
    assert path == download_folder() / KAGGLE_FILE
    assert path.read_bytes() == csv.read_bytes() == GOOD_CSV
    assert seen[-1] == (KAGGLE_FILE, len(GOOD_CSV), len(GOOD_CSV))
    assert [(row.text, row.source_label) for row in read_source(KAGGLE)] == [
        ("i feel good", "joy"),
        ("i feel, well, low", "sadness"),
    ]
    csv.unlink()
    assert download(KAGGLE) == [path]


def test_a_new_csv_takes_the_place_of_the_old_one(csv: Path) -> None:
    (path,) = download(KAGGLE, csv=csv)
    csv.write_bytes(GOOD_CSV + b"2,again,4\n")
    download(KAGGLE, csv=csv)
    assert len(list(read_source(KAGGLE))) == 3
    assert download(KAGGLE, csv=path) == [path]  # its own copy
    assert len(list(read_source(KAGGLE))) == 3


@pytest.mark.parametrize("kind", BAD_CSV)
def test_a_csv_that_cannot_be_read_is_not_kept(csv: Path, kind: str) -> None:
    content, problem = BAD_CSV[kind]
    (kept,) = download(KAGGLE, csv=csv)
    bad = csv.with_name("bad.csv")
    bad.write_bytes(content)
    source = SOURCES[KAGGLE]
    with one_line_error(
        CorpusError, KAGGLE_FILE, str(bad), problem, source.license, source.homepage
    ):
        download(KAGGLE, csv=bad)
    assert kept.read_bytes() == GOOD_CSV
    assert left_in(cache_folder()) == ["text.csv"]


@pytest.mark.parametrize("name", ["missing.csv", ""], ids=["missing", "folder"])
def test_a_csv_that_is_not_there(tmp_path: Path, name: str) -> None:
    with one_line_error(CorpusError, KAGGLE_FILE, str(tmp_path), "cannot be read"):
        download(KAGGLE, csv=tmp_path / name)
    assert left_in(cache_folder()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_while_a_csv_is_copied(csv: Path) -> None:
    folder = download_folder() / "kaggle-emotions"
    folder.mkdir(parents=True)
    (folder / "text.csv.part").symlink_to("/dev/full")
    with one_line_error(CorpusError, KAGGLE_FILE, "No space left on device", "MEMOTIONS_CACHE"):
        download(KAGGLE, csv=csv)
    assert not (folder / "text.csv").exists()


def test_only_a_kaggle_source_takes_a_csv(csv: Path) -> None:
    with one_line_error(InputError, "--csv", "'emot'"):
        download("emot", csv=csv)


def test_without_kagglehub_the_extra_and_the_other_way_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    source = SOURCES[KAGGLE]
    with one_line_error(
        MissingExtraError,
        "kagglehub is not installed",
        "pip install 'memotions-hf[kaggle]'",
        KAGGLE_FILE,
        source.license,
        source.homepage,
        "--csv",
    ):
        download(KAGGLE)


def stand_in(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str, str], str]) -> None:
    """Replace ``kagglehub``, which would want an account, by a module that answers so."""
    module = types.ModuleType("kagglehub")
    module.dataset_download = answer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", module)


def test_kagglehub_fetches_the_file(monkeypatch: pytest.MonkeyPatch, csv: Path) -> None:
    asked = []

    def answer(handle: str, path: str) -> str:
        asked.append((handle, path))
        return str(csv)

    stand_in(monkeypatch, answer)
    (path,) = download(KAGGLE)
    assert path.read_bytes() == GOOD_CSV
    assert download(KAGGLE) == [path]
    assert asked == [("nelgiriyewithana/emotions", "text.csv")]


@pytest.mark.parametrize(
    "error", [RuntimeError("403 Client Error.\n\nYou don't have permission"), OSError(), KeyError()]
)
def test_whatever_kagglehub_raises_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def answer(handle: str, path: str) -> str:
        raise error

    stand_in(monkeypatch, answer)
    source = SOURCES[KAGGLE]
    with one_line_error(
        CorpusError, type(error).__name__, KAGGLE_FILE, source.license, source.homepage, "--csv"
    ):
        download(KAGGLE)
    assert left_in(cache_folder()) == []


def test_a_wrong_file_from_kagglehub_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, csv: Path
) -> None:
    csv.write_bytes(b"")
    stand_in(monkeypatch, lambda handle, path: str(csv))
    with one_line_error(CorpusError, KAGGLE_FILE, "no column 'text'"):
        download(KAGGLE)
    assert left_in(cache_folder()) == []


# What is not offered ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [name for name, source in SOURCES.items() if not (source.files[0].url or source.kaggle)]
)
def test_a_source_that_is_not_offered_says_where_it_is_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(download_module, "DATA_FOLDER", tmp_path / "data")
    source = SOURCES[name]
    origin = "part of this package" if source.bundled else source.homepage
    assert origin
    with one_line_error(CorpusError, source.files[0].path, source.license, origin):
        download(name)
    assert left_in(cache_folder()) == []


@pytest.mark.parametrize("name", ["", "small", "Emot"])
def test_an_unknown_source_is_refused_with_the_known_ones(name: str) -> None:
    with one_line_error(InputError, repr(name), "emot", "go-emotions"):
        download(name)
    with one_line_error(InputError, repr(name)):
        missing_files(name)


@pytest.mark.parametrize(
    ("name", "folder", "files"),
    [("journal", "journal", 12), ("everyday", "everyday", 4), ("go-emotions-id", "go_emotions", 1)],
)
def test_the_projects_own_data_is_there_and_complete(name: str, folder: str, files: int) -> None:
    paths = download(name)
    assert len(paths) == files
    assert all(path.parent == download_module.DATA_FOLDER / folder for path in paths)
