"""The log of a training run: a CSV file with a row an epoch, kept through interruptions."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

LOG_FIELDS = (
    "epoch", "loss", "val_loss", "val_accuracy", "val_macro_f1", "seconds", "cpu_seconds",
)  # fmt: skip

Log = Sequence[Mapping[str, float]]


def read_log(path: Path) -> list[dict[str, float]]:
    """Read a training log; an absent file is an empty log, and an empty cell is left out."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {key: float(value) for key, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


def write_log(path: Path, log: Log) -> None:
    """Write a training log, whole or not at all."""
    temporary = path.with_name(f"new-{path.name}")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, LOG_FIELDS, lineterminator="\n")
        writer.writeheader()
        for row in log:
            # An epoch from before processor time was recorded has none.
            values = {key: round(row[key], 5) for key in LOG_FIELDS if key in row}
            writer.writerow(values | {"epoch": int(row["epoch"])})
    temporary.replace(path)


def epochs_since_best(log: Log) -> int:
    """Return how many epochs have passed since the best validation macro-F1."""
    values = [row["val_macro_f1"] for row in log]
    return len(values) - 1 - int(np.argmax(values)) if values else 0


def total_times(log: Log) -> dict[str, float]:
    """Return the clock and processor time of a run over all its interruptions, in seconds.

    Processor time is left out where it is not known of every epoch.
    """
    known = [name for name in ("seconds", "cpu_seconds") if all(name in row for row in log)]
    return {name: round(sum(row[name] for row in log), 1) for name in known}
