"""Keeping an evaluation in the model folder that it is about."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..modeling.artifact import (
    CARD_FILE,
    INFERENCE_FILES,
    METRICS_FILE,
    PLOT_FILES,
    read_artifact_config,
    read_json,
)
from ..modeling.hub import render_card, write_json
from .evaluate import MAIN_SET
from .plots import plot_confusion_matrix

_CONFUSION_PLOT = PLOT_FILES[0]


def record_evaluation(folder: Path, evaluation: Mapping[str, Any], system: str) -> None:
    """Write an evaluation into a model folder: ``metrics.json``, the confusion matrix and the card.

    Args:
        folder: a model folder.
        evaluation: what :func:`memotions_hf.evaluation.evaluate.evaluate_systems` returned.
        system: the name under which the folder's model was evaluated.

    Raises:
        ModelLoadError: the folder cannot be read.
    """
    read_artifact_config(folder)
    path = folder / METRICS_FILE
    metrics = read_json(path) if path.is_file() else {}
    metrics["evaluation"] = dict(evaluation)
    metrics["sizes"] = {name: (folder / name).stat().st_size for name in INFERENCE_FILES}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        draft = Path(name)
        write_json(draft / METRICS_FILE, metrics)
        plot_confusion_matrix(
            evaluation["sets"][MAIN_SET]["systems"][system]["confusion"],
            evaluation["labels"],
            MAIN_SET,
            draft / _CONFUSION_PLOT,
        )
        (folder / _CONFUSION_PLOT).parent.mkdir(exist_ok=True)
        for file in (METRICS_FILE, _CONFUSION_PLOT):
            (draft / file).replace(folder / file)
        (draft / CARD_FILE).write_text(render_card(folder), encoding="utf-8")
        (draft / CARD_FILE).replace(folder / CARD_FILE)
