"""Reading files that anybody may have written: bounded, and strict about what they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import ModelLoadError

_MAX_TEXT = 100


def shorten(value: object) -> str:
    """Return a value for an error message: one line, however large the value is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # thousands of digits, or of brackets
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def parse_json(content: bytes) -> Any:
    """Parse JSON in which every key stands once and every number is finite.

    Python takes the last of two equal keys, and other readers of the same file may take the first.

    Raises:
        ValueError: the content is something else.
        RecursionError: it is nested too deeply.
    """
    return json.loads(content, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the content of a file of a model folder.

    Args:
        path: the file; links are followed, devices and pipes, which may never end, are not read.
        limit: bytes at most.

    Raises:
        ModelLoadError: the file is missing, larger or unreadable.
    """
    try:
        if not path.is_file():
            raise ModelLoadError(f"{path} is missing; a model folder needs it")
        size = path.stat().st_size
        if size > limit:
            raise ModelLoadError(
                f"{path} has {size:,} bytes; at most {limit:,} are loaded; check that it is the "
                "right file"
            )
        return path.read_bytes()
    except ModelLoadError:
        raise
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read ({error.strerror or error})") from None


def read_json_object(path: Path, limit: int) -> dict[str, Any]:
    """Read a JSON object, strictly.

    Args:
        path: the file.
        limit: bytes at most.

    Raises:
        ModelLoadError: the file is missing, unreadable, larger, or holds no JSON object.
    """
    content = read_bounded(path, limit)
    try:
        value = parse_json(content)
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(
            f"{path} is not JSON, or was cut off ({error}); save or download the model again"
        ) from None
    if not isinstance(value, dict):
        raise ModelLoadError(f"{path} must hold a JSON object, and holds a {type(value).__name__}")
    return value
