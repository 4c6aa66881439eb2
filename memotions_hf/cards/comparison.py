"""What ``memotions compare`` and the cross-source evaluation found, as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .tables import detail_table, format_interval, macro_f1_table, markdown_table

DIARY_SET = "dair-emotion-id/test"
_METRICS = {"macro_f1": "Macro-F1", "accuracy": "Accuracy"}


def format_over_seeds(scores: Mapping[str, Any], metric: str) -> str:
    """Return mean, deviation and range over several seeds, else the value with its interval."""
    seeds = scores.get("seeds", {}).get(metric)
    if seeds is None or len(seeds["by_seed"]) == 1:
        return format_interval(scores[metric])
    return _spread(seeds)


def _spread(seeds: Mapping[str, Any]) -> str:
    return f"{seeds['mean']:.3f} ± {seeds['std']:.3f} ({seeds['min']:.3f} to {seeds['max']:.3f})"


def over_seeds_table(evaluation: Mapping[str, Any], metric: str) -> str:
    """Return one metric with its spread over the seeds, a row per set and a column per system."""
    sets: Mapping[str, Any] = evaluation["sets"]
    systems = list(next(iter(sets.values()))["systems"])
    rows = [
        [name, f"{entry['rows']:,}"]
        + [format_over_seeds(entry["systems"][system], metric) for system in systems]
        for name, entry in sets.items()
    ]
    if "mean" in evaluation:
        rows.append(
            ["mean", ""] + [_format_mean(evaluation["mean"][one][metric]) for one in systems]
        )
    return markdown_table(["test set", "rows", *systems], rows)


def _format_mean(mean: Mapping[str, Any]) -> str:
    seeds = mean.get("seeds")
    if seeds is None or len(seeds["by_seed"]) == 1:
        return f"{mean['value']:.3f}"
    return _spread(seeds)


def systems_table(systems: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what each trained system cost: parameters, time, and how its seed was selected."""
    rows = [
        [
            name,
            f"{facts['parameters']:,}",
            f"{facts['seconds']:,.0f}",
            _spread(facts["validation_macro_f1"]) if "validation_macro_f1" in facts else "-",
            str(facts.get("selected_seed", "-")),
        ]
        for name, facts in systems.items()
        if "parameters" in facts
    ]
    header = ["system", "parameters", "seconds to train", "validation macro-F1", "seed selected"]
    return markdown_table(header, rows)


def comparison_markdown(comparison: Mapping[str, Any]) -> str:
    """Return the tables of a comparison.

    Args:
        comparison: as :func:`memotions_hf.training.comparison.compare` returns it.
    """
    parts = ["# Comparison", *_comparison_tables(comparison, "merged/train", "merged/validation")]
    if DIARY_SET in comparison["sets"]:
        parts.append(f"`{DIARY_SET}` holds the diary rows.")
    if "emot_official" in comparison:
        parts.append("## EmoT as its leaderboard has it")
        emot = comparison["emot_official"]
        parts += _comparison_tables(emot, "EmoT's train split", "EmoT's validation split")
    return "\n\n".join(parts) + "\n"


def _comparison_tables(comparison: Mapping[str, Any], train: str, validation: str) -> list[str]:
    splits = comparison["splits"]
    parts = [
        f"Trained on the {splits['train']:,} rows of {train}, selected on the "
        f"{splits['validation']:,} of {validation}. Mean over the seeds ± standard deviation "
        "(range) where there are several, else the value and its 95% interval.",
        systems_table(comparison["systems"]),
    ]
    for metric, title in _METRICS.items():
        parts += [f"**{title}**", over_seeds_table(comparison, metric)]
    if has_several_seeds(comparison):
        parts += [
            "**Macro-F1 of the seed that validation selected, 95% interval**",
            macro_f1_table(comparison),
        ]
    return parts


def has_several_seeds(evaluation: Mapping[str, Any]) -> bool:
    """Return whether any system was trained with more than one seed."""
    systems = next(iter(evaluation["sets"].values()))["systems"].values()
    return any(len(one["seeds"]["macro_f1"]["by_seed"]) > 1 for one in systems if "seeds" in one)


def cross_source_markdown(result: Mapping[str, Any], system: str) -> str:
    """Return the tables of a cross-source evaluation.

    Args:
        result: as :func:`memotions_hf.training.cross_source.leave_one_source_out` returns it.
        system: the recipe that was trained.
    """
    parts = []
    for metric, title in _METRICS.items():
        parts += [f"{title} on sources left out of training", over_seeds_table(result, metric)]
    if has_several_seeds(result):
        parts += ["Macro-F1 of each source's selected seed [95% interval]", macro_f1_table(result)]
    parts += ["What was left out, and the rows that stayed", _left_out_table(result["sets"])]
    parts += [f"{system}, each source's selected seed", detail_table(result, system)]
    return "\n\n".join(parts)


def _left_out_table(sets: Mapping[str, Mapping[str, Any]]) -> str:
    rows: list[Sequence[str]] = [
        [
            name,
            ", ".join(entry["left_out"]),
            f"{entry['near_equal_rows_left_out']:,}",
            f"{entry['splits']['train']:,}",
            f"{entry['splits']['validation']:,}",
        ]
        for name, entry in sets.items()
    ]
    header = ["tested on", "sources left out", "near-equal rows too", "train", "validation"]
    return markdown_table(header, rows)
