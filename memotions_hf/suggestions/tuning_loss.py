"""The loss curve of a tuning job: read from its Vertex AI TensorBoard, kept as a table and drawn.

A tuning job names an experiment. The experiment's metadata names a TensorBoard, and there an
experiment of the same name holds the job's run with the series ``/train_total_loss`` and
``/eval_total_loss``. The SDK's ``ExperimentRun`` can write while it looks these up (it assigns a
TensorBoard where there is none), so they are read directly.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import EngineError, require

REFERENCE_LOSS = 1.86
"""The final loss of the reference system, drawn beside ours."""

_SERIES = ("train_total_loss", "eval_total_loss")
_TENSORBOARD_KEY = "backing_tensorboard_resource"
_ALL_POINTS = -1
_TIMEOUT = 30.0
_DPI = 110
_COLOURS = ("#6b7280", "#3b6fb6")
_REFERENCE_COLOUR = "#c2362b"


@dataclass(frozen=True)
class LossPoint:
    """What is known of one tuning step; None where nothing was measured or reported."""

    step: int
    epoch: float | None
    train_loss: float | None
    validation_loss: float | None


class CurveReader:
    """Reads the losses of tuning jobs in one region; its clients are made once."""

    def __init__(self, credentials: Any, endpoint: str) -> None:
        """Make the clients.

        Args:
            credentials: of google-auth.
            endpoint: host of Vertex AI in the job's region, or an address with its scheme.
        """
        services = require("google.cloud.aiplatform_v1", "gemini")
        settings = {
            "credentials": credentials,
            "transport": "rest",
            "client_options": {"api_endpoint": endpoint},
        }
        self._metadata = services.MetadataServiceClient(**settings)
        self._tensorboards = services.TensorboardServiceClient(**settings)
        self._found: dict[str, dict[str, str]] = {}

    def read(self, experiment: str, steps: int | None, epochs: int) -> list[LossPoint]:
        """Return the losses by step, as far as the job has come.

        Args:
            experiment: resource name of the job's experiment.
            steps: how many steps the whole job has, where Google has said so.
            epochs: how many epochs these are.

        Raises:
            EngineError: the experiment has no losses, or none yet.
            GoogleAPIError: and the other errors of the SDK; the caller puts them into words.
        """
        series = self._find_series(experiment)
        train, validation = (self._values(series.get(name)) for name in _SERIES)
        per_step = epochs / steps if steps else None
        return [
            LossPoint(
                step=step,
                epoch=round(step * per_step, 3) if per_step else None,
                train_loss=train.get(step),
                validation_loss=validation.get(step),
            )
            for step in sorted({*train, *validation})
        ]

    def _find_series(self, experiment: str) -> dict[str, str]:
        """Return the resource names of the two series; they stay the same, so once is enough."""
        if experiment in self._found:
            return self._found[experiment]
        context = self._metadata.get_context(name=experiment, timeout=_TIMEOUT)
        tensorboard = (context.metadata or {}).get(_TENSORBOARD_KEY)
        if not tensorboard:
            raise EngineError("the job's experiment names no TensorBoard")
        parent = f"{tensorboard}/experiments/{experiment.rsplit('/', 1)[-1]}"
        runs = self._tensorboards.list_tensorboard_runs(parent=parent, timeout=_TIMEOUT)
        for run in sorted(runs, key=lambda run: str(run.create_time), reverse=True):
            listed = self._tensorboards.list_tensorboard_time_series(
                parent=run.name, timeout=_TIMEOUT
            )
            series = {one.display_name.strip("/"): one.name for one in listed}
            if _SERIES[0] in series:
                self._found[experiment] = series
                return series
        raise EngineError("Google has not written any losses yet")

    def _values(self, series: str | None) -> dict[int, float]:
        if series is None:
            return {}
        # Without a limit Google leaves out points of a long series at random.
        response = self._tensorboards.read_tensorboard_time_series_data(
            request={"tensorboard_time_series": series, "max_data_points": _ALL_POINTS},
            timeout=_TIMEOUT,
        )
        return {point.step: point.scalar.value for point in response.time_series_data.values}

    def close(self) -> None:
        """Close the connections."""
        self._metadata.transport.close()
        self._tensorboards.transport.close()


def last_loss(
    curve: Sequence[LossPoint], which: Callable[[LossPoint], float | None]
) -> float | None:
    """Return the last loss of one kind, if any was measured."""
    return next((value for point in reversed(curve) if (value := which(point)) is not None), None)


def curve_table(curve: Sequence[LossPoint]) -> bytes:
    """Return a curve as CSV with the columns ``step,epoch,train_loss,validation_loss``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "epoch", "train_loss", "validation_loss"])
    writer.writerows(
        [point.step, point.epoch, point.train_loss, point.validation_loss] for point in curve
    )
    return text.getvalue().encode()


def draw_curve(curve: Sequence[LossPoint], title: str) -> bytes:
    """Draw a curve, with the reference system's final loss as a line, and return the PNG file.

    Args:
        curve: at least one point.
        title: of the picture.

    Raises:
        MissingExtraError: the ``cards`` extra is not installed.
    """
    require("matplotlib", "cards")
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.2, 4), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    kinds: Mapping[str, dict[int, float | None]] = {
        "training": {point.step: point.train_loss for point in curve},
        "validation": {point.step: point.validation_loss for point in curve},
    }
    for (label, values), colour in zip(kinds.items(), _COLOURS, strict=True):
        points = [(s, v) for s, v in values.items() if v is not None and math.isfinite(v)]
        if points:
            # A few points, as validation has, would not be seen as a line alone.
            marker = "o" if len(points) <= 30 else None
            axes.plot(*zip(*points, strict=True), label=label, color=colour, marker=marker, ms=4)
    reference = f"reference system, final: {REFERENCE_LOSS}"
    axes.axhline(REFERENCE_LOSS, color=_REFERENCE_COLOUR, lw=0.8, ls="--", label=reference)
    axes.set(title=title, xlabel="tuning step", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
