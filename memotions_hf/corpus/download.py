"""Where the files of the sources are found, and how they are fetched and verified.

A file is looked for in the folder that ``MEMOTIONS_MIRROR`` names, then in the download folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ..errors import CorpusError, InputError, MissingExtraError, require
from .sources import Source, SourceFile, get_source

Progress = Callable[[str, int, int | None], None]
"""Called with a file's path, the bytes there are of it, and its size where that is known."""

DATA_FOLDER = Path(__file__).parent.parent / "data"
"""The project's own data, part of the package."""

_TIMEOUT_S = 30.0
_PAUSES_S = (0.0, 1.0, 2.0, 4.0)
"""How long to wait before each attempt."""
_BUSY = (408, 425, 429)
"""The client errors of HTTP after which another attempt may succeed."""
_BY_HAND = "put the file under that name into the folder that MEMOTIONS_MIRROR names"


def cache_folder() -> Path:
    """Return the folder of downloads and translations: ``MEMOTIONS_CACHE``, or the user's cache."""
    named = os.environ.get("MEMOTIONS_CACHE")
    if named:
        return _expanded(named)
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "memotions"


def download_folder() -> Path:
    """Return the folder that downloaded files are kept in, laid out as the mirror is."""
    return cache_folder() / "corpora"


def _expanded(folder: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError:
        raise CorpusError(
            f"there is no home folder for {folder!r}: set MEMOTIONS_CACHE to a whole path"
        ) from None


def _folders(source: Source) -> Iterator[Path]:
    if source.bundled:
        yield DATA_FOLDER
        return
    mirror = os.environ.get("MEMOTIONS_MIRROR")
    if mirror:
        yield _expanded(mirror)
    yield download_folder()


def find_file(source: Source, file: SourceFile) -> Path | None:
    """Return where a file is, or None where it is in none of the folders."""
    paths = (folder / file.path for folder in _folders(source))
    return next((path for path in paths if path.is_file()), None)


def _origin(source: Source, file: SourceFile) -> str:
    """Say what licence a file has, where it comes from, and how it is had."""
    if source.bundled:
        how = "part of this package: install it again"
    elif file.url or source.kaggle:
        how = f"from {file.url or source.homepage}: memotions corpus download {source.name}"
    else:
        how = (
            f"made for this project from {source.homepage} and not offered for download: "
            f"{_BY_HAND}, or leave {source.name} out"
        )
        if source.translation_of:
            anew = f"memotions corpus translate {source.translation_of}"
            how += f" ({anew} makes a translation anew)"
    return f"licence {source.license}; {how}"


def locate(source: Source, file: SourceFile) -> Path:
    """Return where a file is.

    Raises:
        CorpusError: it is nowhere; the message names its licence, its origin and what to do.
    """
    path = find_file(source, file)
    if path is None:
        raise _missing(source, file)
    return path


def _missing(source: Source, file: SourceFile) -> CorpusError:
    mirror = os.environ.get("MEMOTIONS_MIRROR")
    where = f"MEMOTIONS_MIRROR={mirror}" if mirror else "MEMOTIONS_MIRROR is not set"
    if source.bundled:
        where = f"not in {DATA_FOLDER}"
    return CorpusError(f"{file.path} is missing ({where}; {_origin(source, file)})")


def missing_files(name: str) -> list[SourceFile]:
    """Return the files of a source that are neither in the mirror nor downloaded.

    Raises:
        InputError: there is no source of that name.
    """
    source = get_source(name)
    return [file for file in source.files if find_file(source, file) is None]


def verify(path: Path, source: Source, file: SourceFile) -> None:
    """Compare a file with its recorded checksum.

    Raises:
        CorpusError: they differ, or the file cannot be read.
    """
    try:
        difference = _difference(path, file)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    else:
        problem = f"is truncated or was changed ({difference}): delete it and get it again"
        if not difference:
            return
    raise CorpusError(f"{file.path}: {path} {problem} ({_origin(source, file)})")


def _difference(path: Path, file: SourceFile) -> str:
    """Say how a file differs from the recorded one; nothing where it does not."""
    if file.sha256 is None:
        return ""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest in (file.sha256, *file.other_sha256):
        return ""
    return f"sha256 is {digest[:12]}..., expected {file.sha256[:12]}..."


def download(
    name: str, *, csv: Path | None = None, progress: Progress = lambda *_: None
) -> list[Path]:
    """Fetch the files of a source that are not there yet, and verify all of them.

    A download that was cut off goes on where it stopped; a file has its name only once it is
    complete and verified. A downloaded file that was damaged since is fetched anew.

    Args:
        name: the source.
        csv: for ``kaggle-emotions``, the file that the user has already; it is copied.
        progress: told of every part that arrived.

    Returns:
        Where each of the source's files is.

    Raises:
        InputError: there is no source of that name, or it does not take a CSV.
        CorpusError: a file cannot be had or kept, or is not the recorded one.
        MissingExtraError: ``kagglehub`` is needed and not installed.
    """
    source = get_source(name)
    if csv is not None and source.kaggle is None:
        raise InputError(f"--csv is for a Kaggle source, which {name!r} is not")
    return [_obtain(source, file, csv, progress) for file in source.files]


def _obtain(source: Source, file: SourceFile, csv: Path | None, progress: Progress) -> Path:
    path = None if csv is not None else find_file(source, file)
    if path is not None:
        try:
            verify(path, source, file)
        except CorpusError:
            if file.url is None or path != download_folder() / file.path:
                raise
            path = None
    if path is None:
        path = _fetch(source, file, csv, progress)
    size = path.stat().st_size
    progress(file.path, size, size)
    return path


def _fetch(source: Source, file: SourceFile, csv: Path | None, progress: Progress) -> Path:
    if file.url is None and source.kaggle is None:
        raise _missing(source, file)
    path = download_folder() / file.path
    part = path.with_name(path.name + ".part")
    with _keeping(source, file):
        path.parent.mkdir(parents=True, exist_ok=True)
    if file.url is None:
        _copy(source, file, csv or _from_kaggle(source, file), part)
    else:
        _from_url(source, file, part, progress)
    with _keeping(source, file):
        part.replace(path)
    return path


@contextmanager
def _keeping(source: Source, file: SourceFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CorpusError(
            f"{file.path} (licence {source.license}, from {file.url or source.homepage}) could not "
            f"be kept in {download_folder()} ({error.strerror or error}): mend that, or name "
            "another folder in MEMOTIONS_CACHE"
        ) from None


def _copy(source: Source, file: SourceFile, csv: Path, part: Path) -> None:
    """Copy a file without a recorded checksum, once it was read to its end."""
    try:
        problem = "" if sum(1 for _ in source.reader(csv)) else f"{csv.name} holds no row"
    except CorpusError as error:
        problem = str(error)
    if problem:
        raise CorpusError(
            f"{file.path} (licence {source.license}, from {source.homepage}) was not kept from "
            f"{csv}: {problem}"
        )
    with _keeping(source, file):
        shutil.copyfile(csv, part)


def _from_kaggle(source: Source, file: SourceFile) -> Path:
    by_hand = (
        f"{file.path} (licence {source.license}) can also be downloaded from {source.homepage} in "
        f"a browser: memotions corpus download {source.name} --csv FILE"
    )
    try:
        kagglehub = require("kagglehub", "kaggle")
    except MissingExtraError as error:
        raise MissingExtraError(f"{error}; {by_hand}") from error
    try:
        return Path(kagglehub.dataset_download(source.kaggle, path=Path(file.path).name))
    except Exception as error:  # the client raises errors of its own, of requests and of the system
        raise CorpusError(f"kagglehub failed ({_in_one_line(error)}); {by_hand}") from None


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _from_url(source: Source, file: SourceFile, part: Path, progress: Progress) -> None:
    httpx2 = require("httpx2", "data")

    def failed(why: str, advice: str) -> CorpusError:
        return CorpusError(
            f"{file.path} could not be downloaded from {file.url} ({why}; licence "
            f"{source.license}): {advice}, or {_BY_HAND}"
        )

    try:
        client = httpx2.Client(timeout=_TIMEOUT_S, follow_redirects=True)
    except (ImportError, OSError, ValueError) as error:
        raise failed(_in_one_line(error), "mend the proxy or certificate settings") from None
    why = ""
    with client:
        for pause in _PAUSES_S:
            time.sleep(pause)
            try:
                for have, size in _receive(client, source, file, part):
                    progress(file.path, have, size)
                break
            except httpx2.HTTPStatusError as error:
                status = error.response.status_code
                why = f"HTTP status {status}"
                if status < 500 and status not in _BUSY:
                    raise failed(why, f"look for it at {source.homepage}") from None
            except httpx2.HTTPError as error:
                why = _in_one_line(error)
        else:
            raise failed(why, "run the same command again, which goes on from what has arrived")
    with _keeping(source, file):
        difference = _difference(part, file)
        if difference:
            part.unlink()  # a resumed download would end in the same wrong file
            raise failed(difference, "nothing was kept: run the same command again")


def _receive(
    client: Any, source: Source, file: SourceFile, part: Path
) -> Iterator[tuple[int, int | None]]:
    """Append to ``part`` what it lacks; yield the bytes there are, and of how many."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", file.url, headers=headers) as response:
        if have and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is there; its checksum decides
        response.raise_for_status()
        if response.status_code != HTTPStatus.PARTIAL_CONTENT:
            have = 0  # the server sends the whole file again
        length = response.headers.get("Content-Length")
        plain = "Content-Encoding" not in response.headers
        size = have + int(length) if length is not None and plain else None
        with _keeping(source, file), part.open("ab" if have else "wb") as stream:
            for chunk in response.iter_bytes():
                stream.write(chunk)
                have += len(chunk)
                yield have, size
