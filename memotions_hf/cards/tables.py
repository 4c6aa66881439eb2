"""Evaluation results as plain Markdown tables, for the terminal, cards and READMEs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def format_interval(metric: Mapping[str, float] | None) -> str:
    """Return ``0.712 [0.690, 0.734]``, or a dash where there is no value."""
    if metric is None:
        return "-"
    return f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"


def one_line(value: object) -> str:
    """Return a value as one line that breaks no table; None is nothing."""
    return "" if value is None else " ".join(str(value).split()).replace("|", "\\|")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with padded columns."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(header), rule, *(line(row) for row in rows)])


def folded(summary: str, content: str) -> str:
    """Return Markdown that is shown once the reader opens it."""
    return f"<details>\n<summary>{summary}</summary>\n\n{content}\n\n</details>"


def macro_f1_table(evaluation: Mapping[str, Any]) -> str:
    """Return macro-F1 with intervals, a row per test set and a column per system."""
    sets: Mapping[str, Any] = evaluation["sets"]
    systems = list(next(iter(sets.values()))["systems"])
    rows = [
        [name, f"{entry['rows']:,}"]
        + [format_interval(entry["systems"][system]["macro_f1"]) for system in systems]
        for name, entry in sets.items()
    ]
    return markdown_table(["test set", "rows", *systems], rows)


def per_class_table(evaluation: Mapping[str, Any], test_set: str) -> str:
    """Return the F1 of every class with intervals on one test set, a column per system."""
    systems: Mapping[str, Any] = evaluation["sets"][test_set]["systems"]
    first = next(iter(systems.values()))["per_class"]
    rows = [
        [label, f"{entry['support']:,}"]
        + [format_class_f1(metrics["per_class"][label]) for metrics in systems.values()]
        for label, entry in first.items()
    ]
    return markdown_table(["class", "rows", *systems], rows)


def format_class_f1(entry: Mapping[str, float]) -> str:
    """Return one class's F1 with its interval, where it has one."""
    if "f1_low" not in entry:
        return f"{entry['f1']:.3f}"
    return format_interval({"value": entry["f1"], "low": entry["f1_low"], "high": entry["f1_high"]})


def class_table(labels: Sequence[str], scores: Mapping[str, Any]) -> str:
    """Return precision, recall and F1 of every class that one system was scored on."""
    rows = [
        [
            label,
            f"{values['precision']:.3f}",
            f"{values['recall']:.3f}",
            format_class_f1(values),
            f"{values['support']:,}",
        ]
        for label in labels
        if (values := scores["per_class"].get(label))
    ]
    return markdown_table(["class", "precision", "recall", "F1", "rows"], rows)


def detail_table(evaluation: Mapping[str, Any], system: str) -> str:
    """Return accuracy, calibration error and per-class F1 of one system on every test set."""
    labels: Sequence[str] = evaluation["labels"]
    rows = []
    for name, entry in evaluation["sets"].items():
        metrics = entry["systems"][system]
        f1 = [
            f"{metrics['per_class'][label]['f1']:.3f}" if label in metrics["per_class"] else "-"
            for label in labels
        ]
        rows.append(
            [name, format_interval(metrics["accuracy"]), format_interval(metrics["ece"]), *f1]
        )
    return markdown_table(["test set", "accuracy", "ECE", *(f"F1 {name}" for name in labels)], rows)


def reliability_table(bins: Sequence[Mapping[str, float]]) -> str:
    """Return how often answers were right, a row per bin of confidence."""
    rows = [
        [
            f"{entry['low']:.0%} to {entry['high']:.0%}",
            f"{entry['rows']:,}",
            f"{entry['confidence']:.3f}",
            f"{entry['accuracy']:.3f}",
        ]
        for entry in bins
    ]
    header = ["probability of the answer", "rows", "mean probability", "share that was right"]
    return markdown_table(header, rows)
