"""A training run's own folder: made once, and gone on with only by the same run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError

_RECIPE_FILE = "recipe.json"


def prepare_run_folder(folder: Path, description: Mapping[str, Any], differs_in: str) -> None:
    """Make the folder of a run, or check that the run in it may go on.

    Args:
        folder: the run's own folder.
        description: all that decides what the run gives.
        differs_in: what a run of another description is called in the message.

    Raises:
        InputError: the folder holds another run, or something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / _RECIPE_FILE
    text = json.dumps(description, indent=2) + "\n"
    if marker.exists():
        if marker.read_text(encoding="utf-8") != text:
            raise InputError(f"{folder} holds a run {differs_in}; name another folder or remove it")
        return
    temporary = folder / f"new-{_RECIPE_FILE}"
    if {path.name for path in folder.iterdir()} - {temporary.name}:
        raise InputError(f"{folder} is not empty and holds no training run; name another folder")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(marker)
