"""``memotions doctor``: what is installed and configured, and what is missing for what.

Nothing is sent anywhere: it looks at this machine only.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import __version__
from .errors import MemotionsError

# What each extra is for, and a library that only it brings.
_EXTRAS = {
    "data": ("the corpus as datasets", "datasets"),
    "cards": ("cards with plots", "matplotlib"),
    "train": ("training and evaluation", "keras"),
    "translate": ("translating the corpus", "deep_translator"),
    "transformers": ("Marian translation, transformers models", "torch"),
    "gemini": ("suggestions by Gemini, tuning", "google.genai"),
    "space": ("the app, memotions space", "gradio"),
}


class Finding(NamedTuple):
    """One thing looked at: its name, whether it is there, and what to know or do."""

    name: str
    ok: bool
    text: str


def add_parser(commands: Any) -> None:
    """Add the command to the parser of ``memotions``."""
    parser = commands.add_parser(
        "doctor",
        help="say what is installed and configured, and what is missing",
        description="Say what is installed and configured on this machine, and what is missing for "
        "what. Nothing is sent anywhere, and no secret is shown.",
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON, one object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``memotions doctor``; returns the exit code, which is 0 whatever is missing."""
    for finding in (*_package(), *_extras(), *_corpus(), *_gemini()):
        if args.json:
            print(json.dumps(finding._asdict(), ensure_ascii=False))
        else:
            print(f"{'ok' if finding.ok else '--'}  {finding.name:<22}  {finding.text}")
    return 0


def _package() -> Iterator[Finding]:
    where = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Finding("memotions-hf", True, f"{__version__}; {where}")
    for name in ("onnxruntime", "tokenizers", "huggingface-hub"):
        yield Finding(name, True, importlib.metadata.version(name))


def _extras() -> Iterator[Finding]:
    for extra, (purpose, module) in _EXTRAS.items():
        installed = _is_installed(module)
        missing = f"{purpose}: pip install 'memotions-hf[{extra}]'"
        yield Finding(f"extra {extra}", installed, purpose if installed else missing)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package inside a package, when the outer one is missing
        return False


def _corpus() -> Iterator[Finding]:
    mirror = os.environ.get("MEMOTIONS_MIRROR", "")
    if not mirror:
        text = "MEMOTIONS_MIRROR is not set: memotions corpus download fetches the corpus files"
        yield Finding("corpus files", False, text)
    elif Path(mirror).is_dir():
        yield Finding("corpus files", True, f"MEMOTIONS_MIRROR is {mirror}")
    else:
        yield Finding(
            "corpus files", False, f"MEMOTIONS_MIRROR is {mirror}: there is no such folder"
        )


def _gemini() -> Iterator[Finding]:
    from .suggestions.engine import PROJECT_VARIABLE
    from .suggestions.gemini import GeminiConfig

    if not os.environ.get(PROJECT_VARIABLE, "").strip():
        text = f"{PROJECT_VARIABLE} is not set: suggestions come from the embedded engine"
        yield Finding("Gemini", False, text)
        return
    try:
        config = GeminiConfig.from_environment()
    except MemotionsError as error:
        yield Finding("Gemini", False, str(error))
        return
    project, location = config.place
    text = f"project {project}, location {location}, model {config.model}"
    yield Finding("Gemini", True, text)
    budget = f"{config.token_budget:,} tokens a day" if config.token_budget else "no token limit"
    yield Finding("Gemini limits", True, f"{config.timeout:g} s for an answer, {budget}")
