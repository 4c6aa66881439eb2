"""Keeping an evaluation, and a measured speed, in the model folder that they are about."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..cards.model_card import render_model_card
from ..cards.names import MAIN_SET, OPINION_SET
from ..modeling.artifact import (
    CARD_FILE,
    INFERENCE_FILES,
    METRICS_FILE,
    PLOT_FILES,
    TRAINING_LOG_FILE,
    read_artifact_config,
    read_json,
)
from ..modeling.saving import render_card, write_json
from ..training.log import read_log
from .plots import plot_calibration, plot_confusion_matrix, plot_learning_curve

_CONFUSION_PLOT, _CURVE_PLOT, _CALIBRATION_PLOT = PLOT_FILES


def record_evaluation(folder: Path, evaluation: Mapping[str, Any], system: str) -> None:
    """Write an evaluation into a model folder: ``metrics.json``, the plots and the card.

    The learning curve is drawn anew too where the folder holds the log of the training.

    Args:
        folder: a model folder.
        evaluation: what :func:`memotions_hf.evaluation.evaluate.evaluate_systems` returned.
        system: the name under which the folder's model was evaluated.

    Raises:
        ModelLoadError: the folder cannot be read.
        InputError: ``metrics.json`` has another form than we write; the folder is as it was.
    """
    read_artifact_config(folder)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        draft = Path(name)
        _draw_plots(folder / TRAINING_LOG_FILE, evaluation, system, draft)
        _record(folder, draft, {"evaluation": dict(evaluation)})


def record_speed(folder: Path, speed: Mapping[str, Any]) -> None:
    """Write how fast a model is into its folder: ``metrics.json`` and the card.

    Args:
        folder: a model folder.
        speed: what ``benchmarks/model_facts.py`` measured.

    Raises:
        ModelLoadError: the folder cannot be read.
        InputError: ``metrics.json`` or the measurements have another form than we write; the folder
            is as it was.
    """
    read_artifact_config(folder)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        _record(folder, Path(name), {"speed": dict(speed)})


def _draw_plots(log: Path, evaluation: Mapping[str, Any], system: str, draft: Path) -> None:
    sets: Mapping[str, Any] = evaluation["sets"]
    main = sets[MAIN_SET]
    title = f"{MAIN_SET}, {main['rows']:,} rows"
    confusion = main["systems"][system]["confusion"]
    plot_confusion_matrix(confusion, evaluation["labels"], title, draft / _CONFUSION_PLOT)
    panels = {
        f"{name}: ECE {scores['ece']['value']:.3f}": scores["reliability"]
        for name in (MAIN_SET, OPINION_SET)
        if name in sets and (scores := sets[name]["systems"][system]).get("reliability")
    }
    if panels:
        plot_calibration(panels, draft / _CALIBRATION_PLOT)
    if log.is_file():
        plot_learning_curve(read_log(log), draft / _CURVE_PLOT)


def _record(folder: Path, draft: Path, facts: Mapping[str, Any]) -> None:
    """Add facts to ``metrics.json``, and move it and the plots of a draft into a model folder."""
    path = folder / METRICS_FILE
    metrics = (read_json(path) if path.is_file() else {}) | dict(facts)
    metrics["sizes"] = {name: (folder / name).stat().st_size for name in INFERENCE_FILES}
    # What no card can be made from is refused before anything is replaced.
    render_model_card(read_artifact_config(folder), metrics)
    write_json(draft / METRICS_FILE, metrics)
    for name in (METRICS_FILE, *PLOT_FILES):
        if (draft / name).is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            (draft / name).replace(folder / name)
    (draft / CARD_FILE).write_text(render_card(folder), encoding="utf-8")
    (draft / CARD_FILE).replace(folder / CARD_FILE)
