"""Translations on disk: one SQLite file that survives a stop at any moment."""

from __future__ import annotations

import hashlib
import itertools
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ..errors import CorpusError

_FORMAT = 1
_APPLICATION_ID = 0x4D656D6F  # "Memo": tells our file from any other SQLite database
_AT_ONCE = 900  # older builds of SQLite take 999 parameters
_ADVICE = {"SQLITE_BUSY": ": another run uses it", "SQLITE_FULL": ": make room"}


def text_key(text: str) -> bytes:
    """Return what stands for a text in the cache: the sha256 of exactly this text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class TranslationCache:
    """Translations by engine and exact source text, in one SQLite file.

    Use it as a context manager, or close it; one thread uses it. While one process writes, others
    may read. The source texts themselves are not in the file.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False, timeout: float = 30.0) -> None:
        """Open the file, and make it where there is none.

        Args:
            path: the file.
            read_only: never change it; it has to exist.
            timeout: seconds to wait for another process that is writing.

        Raises:
            CorpusError: the file cannot be used; the message names it and the reason.
        """
        self.path = Path(path)
        self._prepare(read_only)
        with self._one_line():
            # Autocommit: a transaction begins and ends where the methods below say so.
            self._connection = sqlite3.connect(
                self._uri(read_only), timeout=timeout, isolation_level=None, uri=True
            )
            try:
                self._connection.execute("PRAGMA cache_size = -65536")  # keys come in any order
                self._recognise(read_only)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, read_only: bool) -> None:
        if read_only and not self.path.is_file():
            raise CorpusError(f"translation cache {self.path}: there is no such file")
        try:
            if not read_only:
                self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CorpusError(f"translation cache {self.path}: {error.strerror}") from error

    def _uri(self, read_only: bool) -> str:
        uri = self.path.absolute().as_uri()
        if not read_only:
            return f"{uri}?mode=rwc"
        # Readers share a small file beside the database. In a folder where none can be made nobody
        # writes either, and where no changes wait in a log, SQLite can do without it.
        log = self.path.with_name(f"{self.path.name}-wal")
        waiting = log.exists() and log.stat().st_size
        alone = not waiting and not os.access(self.path.parent, os.W_OK)
        return f"{uri}?mode=ro" + ("&immutable=1" if alone else "")

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            advice = _ADVICE.get(getattr(error, "sqlite_errorname", ""), "")
            raise CorpusError(f"translation cache {self.path}: {error}{advice}") from error

    def _recognise(self, read_only: bool) -> None:
        """Check that the file is ours, or make an empty one ours."""
        ask = self._connection.execute
        (application,) = ask("PRAGMA application_id").fetchone()
        (version,) = ask("PRAGMA user_version").fetchone()
        (tables,) = ask("SELECT count(*) FROM sqlite_schema").fetchone()
        if not (application or version or tables or read_only):
            self._create()
        elif application != _APPLICATION_ID:
            raise CorpusError(f"{self.path} is no translation cache of memotions-hf")
        elif version > _FORMAT:
            raise CorpusError(
                f"translation cache {self.path} has format {version}, and this memotions-hf "
                f"knows {_FORMAT}: pip install -U memotions-hf"
            )

    def _create(self) -> None:
        with self._connection as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS translations (engine TEXT NOT NULL, key BLOB NOT NULL, "
                "text TEXT NOT NULL, PRIMARY KEY (engine, key)) WITHOUT ROWID"
            )
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")

    def lookup(self, engine: str, texts: Iterable[str]) -> list[str | None]:
        """Return the translation of every text, None where there is none.

        Raises:
            CorpusError: the file is damaged or in use.
        """
        translations: list[str | None] = []
        iterator = iter(texts)
        with self._one_line(), self._connection as connection:
            connection.execute("BEGIN")  # one look at the file for all of them saves time
            while keys := [text_key(text) for text in itertools.islice(iterator, _AT_ONCE)]:
                found = connection.execute(
                    "SELECT key, text FROM translations WHERE engine = ? "
                    f"AND key IN (?{', ?' * (len(keys) - 1)})",
                    (engine, *keys),
                )
                known = dict(found.fetchall())
                translations += [known.get(key) for key in keys]
        return translations

    def put(self, engine: str, pairs: Iterable[tuple[str, str]]) -> None:
        """Keep translations, all or none of them, as (source text, translation).

        They are on disk when this returns. A translation that was there before stays as it is.

        Raises:
            CorpusError: the disk is full, or the file is read-only, damaged or in use.
        """
        rows = [(engine, text_key(source), text) for source, text in pairs]
        with self._one_line(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO translations VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows
            )

    def engines(self) -> dict[str, int]:
        """Return the engines that there are translations of, each with their number.

        Raises:
            CorpusError: the file is damaged or in use.
        """
        query = "SELECT engine, count(*) FROM translations GROUP BY engine ORDER BY engine"
        with self._one_line():
            return dict(self._connection.execute(query).fetchall())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
