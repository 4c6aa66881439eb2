"""The metric as a repository of the Hub, which ``evaluate.load`` loads.

Its templates are in ``data/metric_repo``, and ``metrics/memotions-emotion`` is what
:func:`assemble_metric` makes of them for ``someone/memotions-emotion``. The code beside them is not
written twice: it is copied from this package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

import numpy as np

from ..corpus.download import DATA_FOLDER
from ..errors import InputError
from ..folders import write_texts
from ..labels import LABELS
from ..repositories import check_repo
from .metrics import BOOTSTRAP_SAMPLES, CALIBRATION_BINS, CONFIDENCE, SEED, flat_scores

METRIC_SDK = "static"
"""The kind of Space that the repository is: a page without an app, for which nobody has to pay."""
EVALUATE = ">=0.4.6,<0.5"
"""The versions of evaluate that the metric is tested with."""

_TEMPLATES = DATA_FOLDER / "metric_repo"
_PAGES = ("README.md", "index.html")
_MODULE = re.compile(r"[A-Za-z0-9_-]+")
_EXAMPLE_REFERENCES = [0, 0, 1, 2, 3, 4]
_EXAMPLE_PROBABILITIES = [
    [0.8, 0.0, 0.1, 0.1, 0.0],
    [0.3, 0.0, 0.1, 0.2, 0.4],
    [0.0, 0.9, 0.1, 0.0, 0.0],
    [0.1, 0.2, 0.6, 0.1, 0.0],
    [0.2, 0.0, 0.1, 0.7, 0.0],
    [0.3, 0.0, 0.0, 0.2, 0.5],
]
_EXAMPLE_FIGURES = ("macro_f1", "accuracy", "ece", "f1_sad")


def assemble_metric(target: Path, *, repo: str) -> list[Path]:
    """Write the repository of the metric into a folder, whole or not at all.

    ``evaluate.load`` also takes the folder itself, where that has the name of the repository, or
    else the path of the script in it.

    Args:
        target: the folder; an earlier one of these files alone is replaced.
        repo: the repository, ``someone/memotions-emotion``; evaluate wants a script of its name.

    Returns:
        The files.

    Raises:
        InputError: the name cannot be used, or the folder holds something else.
    """
    return write_texts(target, _files(check_repo(repo)), "this metric")


def _files(repo: str) -> Mapping[str, str]:
    """Return the text of each file by its name."""
    name = repo.split("/")[1]
    if not _MODULE.fullmatch(name) or name == "metrics":
        raise InputError(
            f"{repo!r:.120} cannot name a metric, whose script evaluate imports by that name; use "
            "letters, digits, - and _ only, and not 'metrics'"
        )
    script = f"{name}.py"
    values = _values(repo, script)
    pages = {
        page: Template((_TEMPLATES / page).read_text(encoding="utf-8")).substitute(values)
        for page in _PAGES
    }
    code = {
        target: Path(__file__).with_name(source).read_text(encoding="utf-8")
        for target, source in ((script, "hub_metric.py"), ("metrics.py", "metrics.py"))
    }
    return pages | code


def _values(repo: str, script: str) -> dict[str, object]:
    """Return what the templates are filled with."""
    named = [f"{number} {label}" for number, label in enumerate(LABELS)]
    rows = "".join(f"    {row},\n" for row in _EXAMPLE_PROBABILITIES)
    return {
        "repo": repo,
        "script": script,
        "evaluate": EVALUATE,
        "tested_evaluate": EVALUATE.split(",", maxsplit=1)[0].removeprefix(">="),
        "references": _EXAMPLE_REFERENCES,
        "probabilities": f"[\n{rows}]",
        "output": _example_output(),
        "classes": ", ".join(named[:-1]) + f" and {named[-1]}",
        "samples": f"{BOOTSTRAP_SAMPLES:,}",
        "confidence": CONFIDENCE,
        "seed": SEED,
        "bins": CALIBRATION_BINS,
    }


def _example_output() -> str:
    """Return what the README's example prints."""
    probabilities = np.array(_EXAMPLE_PROBABILITIES)
    scores = flat_scores(
        np.array(_EXAMPLE_REFERENCES), probabilities.argmax(1), LABELS, probabilities
    )
    return "\n".join(
        f"{name}: {scores[name]:.3f} ({scores[name + '_low']:.3f} to {scores[name + '_high']:.3f})"
        for name in _EXAMPLE_FIGURES
    )
