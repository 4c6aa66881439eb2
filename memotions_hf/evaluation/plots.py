"""Pictures of a training run and of an evaluation, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import require

_DPI = 110
_INK = "#1f2937"
_LOSS_COLOURS = ("#6b7280", "#3b6fb6")
_F1_COLOUR = "#c2362b"


def plot_learning_curve(log: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw training and validation loss and validation macro-F1 by epoch, the best one marked."""
    require("matplotlib", "train")
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [int(row["epoch"]) for row in log]
    figure = Figure(figsize=(8, 3.4), dpi=_DPI, layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for key, label, colour in zip(
        ("loss", "val_loss"), ("training", "validation"), _LOSS_COLOURS, strict=True
    ):
        losses.plot(epochs, [row[key] for row in log], marker="o", label=label, color=colour)
    losses.set(title="Cross-entropy", xlabel="epoch")
    losses.legend(frameon=False)
    values = [row["val_macro_f1"] for row in log]
    best = int(np.argmax(values))
    scores.plot(epochs, values, marker="o", color=_F1_COLOUR)
    scores.annotate(
        f"best {values[best]:.3f}",
        (epochs[best], values[best]),
        xytext=(0, -16),
        textcoords="offset points",
        ha="right" if best > len(values) / 2 else "left",
        color=_INK,
    )
    scores.set(title="Validation macro-F1", xlabel="epoch")
    for axes in (losses, scores):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def plot_confusion_matrix(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], title: str, path: Path
) -> None:
    """Draw a confusion matrix, each row divided by its sum, with the counts."""
    require("matplotlib", "train")
    from matplotlib.figure import Figure

    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(5.4, 4.8), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(labels)):
        for column in range(len(labels)):
            axes.text(
                column,
                row,
                f"{shares[row, column]:.0%}\n{counts[row, column]:,}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if shares[row, column] > 0.5 else _INK,
            )
    ticks = range(len(labels))
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    _save(figure, path)


def _save(figure: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version in its metadata, the same numbers give the same file.
    figure.savefig(path, metadata={"Software": None})  # type: ignore[attr-defined]
