"""Folders that are written whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the target's place when the block ends well.

    It lies on the same file system, and is gone if the block fails; the target is as it was then.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".memotions-", dir=target.parent) as staging:
        draft = Path(staging) / "new"
        draft.mkdir()
        yield draft
        if target.exists():
            target.rename(Path(staging) / "old")
        draft.rename(target)


def write_texts(target: Path, files: Mapping[str, str], what: str) -> list[Path]:
    """Write text files into a folder that holds nothing else.

    Args:
        target: the folder; an earlier one of these files alone is replaced.
        files: the texts by file name.
        what: what the folder is, for messages.

    Returns:
        The files.

    Raises:
        InputError: the folder holds something else.
    """
    if target.exists() and not (target.is_dir() and _names(target) <= set(files)):
        raise InputError(f"{target} holds something else than {what}; name another folder")
    with replaced_folder(target) as draft:
        for name, text in files.items():
            (draft / name).write_text(text, encoding="utf-8")
    return [target / name for name in files]


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
