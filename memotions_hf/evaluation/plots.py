"""Pictures of a training run and of an evaluation, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import require
from .metrics import FloatArray

_DPI = 110
_INK = "#1f2937"
_GREY = "#9ca3af"
_BLUE = "#3b6fb6"
_RED = "#c2362b"
_NORMAL_QUANTILE = 1.96
# Those that are compared, the first ones in colour: apart for red-green colour blindness too.
_SYSTEM_STYLES = (
    (_RED, "o"),
    (_BLUE, "s"),
    ("#b8860b", "D"),
    ("#7c4dbe", "^"),
    (_INK, "v"),
    (_GREY, "P"),
)


def plot_learning_curve(log: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw training and validation loss and validation macro-F1 by epoch, the best one marked."""
    require("matplotlib", "train")
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [int(row["epoch"]) for row in log]
    figure = Figure(figsize=(8, 3.4), dpi=_DPI, layout="constrained")
    losses, scores = figure.subplots(1, 2)
    # Regularisation makes the first one the higher of the two, which puzzles who is not told.
    for key, label, colour in (
        ("loss", "training, as regularised", _GREY),
        ("val_loss", "validation", _BLUE),
    ):
        losses.plot(epochs, [row[key] for row in log], marker="o", label=label, color=colour)
    losses.set(title="Loss (cross-entropy)", xlabel="epoch")
    losses.legend(frameon=False)
    _plot_scores(scores, epochs, [row["val_macro_f1"] for row in log])
    for axes in (losses, scores):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def _plot_scores(axes: Any, epochs: Sequence[int], values: Sequence[float]) -> None:
    best = int(np.argmax(values))
    axes.plot(epochs, values, marker="o", color=_BLUE)
    axes.plot(epochs[best], values[best], marker="o", markersize=9, color=_RED)
    axes.margins(y=0.15)
    axes.annotate(
        f"epoch {epochs[best]}: {values[best]:.3f}",
        (epochs[best], values[best]),
        xytext=(0, 9),
        textcoords="offset points",
        ha="right" if best > len(values) / 2 else "left",
        color=_INK,
    )
    axes.set(title="Validation macro-F1", xlabel="epoch")


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
    colours = figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    colours.ax.yaxis.set_major_formatter("{x:.0%}")
    _save(figure, path)


def plot_calibration(panels: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Draw how often the answers were right, by how sure the system was of them.

    Each bin has its 95% interval (Wilson 1927), so that one of a few rows is not taken for a fact.

    Args:
        panels: reliability bins, as :func:`.calibration.reliability_bins` returns them, by the
            title of their panel.
        path: the PNG file.
    """
    require("matplotlib", "train")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * len(panels), 4.2), dpi=_DPI, layout="constrained")
    every = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, bins) in zip(every, panels.items(), strict=True):
        _plot_bins(axes, bins)
        axes.set(title=title, xlabel="confidence: probability of the answer", aspect="equal")
    every[0].set_ylabel("share of the answers")
    every[0].legend(frameon=False, loc="upper left", fontsize=9)
    _save(figure, path)


def _plot_bins(axes: Any, bins: Sequence[Mapping[str, float]]) -> None:
    rows = sum(entry["rows"] for entry in bins)
    axes.bar(
        [entry["low"] for entry in bins],
        [entry["rows"] / rows for entry in bins],
        width=[entry["high"] - entry["low"] for entry in bins],
        align="edge",
        color="#dbe4f0",
        edgecolor="white",
        label="answers of this confidence",
    )
    axes.plot([0, 1], [0, 1], linestyle="--", color=_GREY, label="perfectly calibrated")
    accuracy = np.array([entry["accuracy"] for entry in bins])
    lows, highs = _wilson_interval(accuracy, np.array([entry["rows"] for entry in bins]))
    axes.errorbar(
        [entry["confidence"] for entry in bins],
        accuracy,
        # Rounding may put a share of 0 or 1 just outside its interval.
        yerr=np.maximum(0, [accuracy - lows, highs - accuracy]),
        fmt="o",
        capsize=2,
        color=_BLUE,
        label="right among them, 95% interval",
    )
    axes.set(xlim=(0, 1), ylim=(0, 1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:.0%}")
    axes.spines[["top", "right"]].set_visible(False)


def plot_comparison(comparison: Mapping[str, Any], path: Path) -> None:
    """Draw the macro-F1 of every system on every test set, with its 95% interval.

    A recipe's marker is its mean over the seeds, which are small dots on the line of the interval
    of the one that validation selected.

    Args:
        comparison: as :func:`memotions_hf.training.comparison.compare` returns it.
        path: the PNG file, written whole or not at all.
    """
    require("matplotlib", "train")
    from matplotlib.figure import Figure

    sets: dict[str, Any] = {**comparison["sets"]}
    sets |= comparison.get("emot_official", {}).get("sets", {})
    systems = [*comparison["systems"]]
    step = 1 / (len(systems) + 1.5)
    height = 1.4 + len(sets) * max(0.5, 0.16 * len(systems))
    figure = Figure(figsize=(9, height), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    for number, system in enumerate(systems):
        rows = {
            row + (number - (len(systems) - 1) / 2) * step: entry["systems"][system]
            for row, entry in enumerate(sets.values())
            if system in entry["systems"]
        }
        _plot_system(axes, system, rows, *_SYSTEM_STYLES[number % len(_SYSTEM_STYLES)])
    for row in range(0, len(sets), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f3f4f6", zorder=0, linewidth=0)
    named = [f"{name}\n{entry['rows']:,} rows" for name, entry in sets.items()]
    axes.set_yticks(range(len(sets)), named)
    key = "macro-F1\nmarker: mean over the seeds (dots), line: 95% interval of the one selected"
    axes.set(ylim=(len(sets) - 0.5, -0.5), xlabel=key, xlim=(0, 1))
    axes.grid(axis="x", color="#e5e7eb")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=min(5, len(systems)), frameon=False)
    _save_whole(figure, path)


def _plot_system(
    axes: Any, name: str, rows: Mapping[float, Mapping[str, Any]], colour: str, marker: str
) -> None:
    """Draw one system: intervals, markers, and a dot for every seed, by height in the picture."""
    heights = list(rows)
    scores = [row["macro_f1"] for row in rows.values()]
    spreads = [row["seeds"]["macro_f1"] for row in rows.values() if "seeds" in row]
    axes.hlines(
        heights,
        [score["low"] for score in scores],
        [score["high"] for score in scores],
        color=colour,
        linewidth=1.2,
    )
    values = [spread["mean"] for spread in spreads] or [score["value"] for score in scores]
    look: dict[str, Any] = {"linestyle": "", "clip_on": False}
    axes.plot(values, heights, marker=marker, markersize=6, color=colour, label=name, **look)
    for height, spread in zip(heights, spreads, strict=False):
        seeds = list(spread["by_seed"].values())
        axes.plot(
            seeds,
            [height] * len(seeds),
            **look,
            marker=".",
            markersize=4,
            color="white",
            markeredgecolor=colour,
            markeredgewidth=0.8,
        )


def _save_whole(figure: Any, path: Path) -> None:
    temporary = path.with_name(f"new-{path.name}")
    _save(figure, temporary)
    temporary.replace(path)


def _wilson_interval(share: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    centre = share + _NORMAL_QUANTILE**2 / (2 * rows)
    spread = share * (1 - share) / rows + (_NORMAL_QUANTILE / (2 * rows)) ** 2
    half, scale = _NORMAL_QUANTILE * spread**0.5, 1 + _NORMAL_QUANTILE**2 / rows
    return (centre - half) / scale, (centre + half) / scale


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version in its metadata, the same numbers give the same file.
    figure.savefig(path, metadata={"Software": None})
