"""The parts of a model card about what it was tested on: scores and calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .names import (
    KEYWORD_SYSTEM,
    LINEAR_SYSTEM,
    MAIN_SET,
    MAIN_SYSTEM,
    MAJORITY_SYSTEM,
    OPINION_SET,
)
from .tables import (
    class_table,
    detail_table,
    folded,
    format_interval,
    macro_f1_table,
    one_line,
    reliability_table,
)

Facts = Mapping[str, Any]

NOT_EVALUATED = "This model has not been evaluated; do not rely on it before it is."
_SYSTEMS = {
    LINEAR_SYSTEM: "TF-IDF of words and characters with a linear SVC, trained on the same rows",
    KEYWORD_SYSTEM: "a rule that counts plain emotion words, and learns nothing",
    MAJORITY_SYSTEM: "always the most frequent class of the training rows",
}


def own_scores(evaluation: Facts) -> dict[str, Facts]:
    """Return the scores of the model itself by test set, where it was tested."""
    sets: Mapping[str, Facts] = evaluation.get("sets") or {}
    return {
        name: entry["systems"][MAIN_SYSTEM]
        for name, entry in sets.items()
        if MAIN_SYSTEM in entry["systems"]
    }


def headline(evaluation: Facts) -> str:
    """Return the scores on the main test set, and what comparing comes to, in two sentences."""
    scores = own_scores(evaluation).get(MAIN_SET)
    if scores is None:
        return NOT_EVALUATED
    rows = evaluation["sets"][MAIN_SET]["rows"]
    macro_f1, accuracy = (format_interval(scores[key]) for key in ("macro_f1", "accuracy"))
    text = (
        f"On the {rows:,} rows of `{MAIN_SET}` its macro-F1 is {macro_f1} and its accuracy "
        f"{accuracy}."
    )
    return f"{text} {_comparison(evaluation)}".strip()


def _comparison(evaluation: Facts) -> str:
    """Return on how many test sets the linear baseline is better, which no reader should miss."""
    pairs = [
        (ours["macro_f1"]["value"], linear["macro_f1"]["value"])
        for name, ours in own_scores(evaluation).items()
        if (linear := evaluation["sets"][name]["systems"].get(LINEAR_SYSTEM))
    ]
    if not pairs:
        return ""
    better = sum(theirs > ours for ours, theirs in pairs)
    return (
        "A linear model over TF-IDF, trained on the same rows, scores higher on "
        f"{better} of the {len(pairs)} test sets."
    )


def evaluation_section(evaluation: Facts, confusion_plot: str | None) -> str:
    """Return the scores by test set, by class and beside the baselines.

    Args:
        evaluation: the part of ``metrics.json`` of that name.
        confusion_plot: path of the confusion matrix, where there is one.
    """
    sets: Mapping[str, Facts] = evaluation.get("sets") or {}
    if not sets:
        return NOT_EVALUATED
    ours = own_scores(evaluation)
    parts = [_introduction(evaluation), _system_list(sets), macro_f1_table(_filled(evaluation))]
    parts += [_set_list(sets), *_notes(sets)]
    if ours:
        chosen = {**evaluation, "sets": {name: sets[name] for name in ours}}
        parts.append("The model itself, with the F1 of each class:")
        parts.append(detail_table(chosen, MAIN_SYSTEM))
    if MAIN_SET in ours:
        parts.append(f"Each class on `{MAIN_SET}`, and what is taken for what:")
        parts.append(class_table(evaluation["labels"], ours[MAIN_SET]))
    if confusion_plot:
        parts.append(f"![Confusion matrix on the merged test split]({confusion_plot})")
    return "\n\n".join(parts)


def _introduction(evaluation: Facts) -> str:
    bootstrap = evaluation["bootstrap"]
    return (
        f"Macro-F1 is the mean of the F1 of the classes that a test set holds. Intervals are "
        f"{bootstrap['confidence']:.0%} intervals from {bootstrap['samples']:,} bootstrap samples."
    )


def _filled(evaluation: Facts) -> dict[str, Any]:
    """Return an evaluation in which a system that was not run on a set has no macro-F1 there."""
    sets: Mapping[str, Facts] = evaluation["sets"]
    names = dict.fromkeys(name for entry in sets.values() for name in entry["systems"])
    absent = {"macro_f1": None}
    filled = {
        key: {**entry, "systems": {name: entry["systems"].get(name, absent) for name in names}}
        for key, entry in sets.items()
    }
    return {**evaluation, "sets": filled}


def _system_list(sets: Mapping[str, Facts]) -> str:
    used = {name for entry in sets.values() for name in entry["systems"]}
    lines = [f"- `{name}`: {text}" for name, text in _SYSTEMS.items() if name in used]
    return "\n".join(["Beside the model stand:", "", *lines]) if lines else ""


def _set_list(sets: Mapping[str, Facts]) -> str:
    return "\n".join(
        f"- `{name}`: {one_line(entry['description'])}"
        for name, entry in sets.items()
        if entry.get("description")
    )


def _notes(sets: Mapping[str, Facts]) -> Iterator[str]:
    """Yield what has to be known to read the table rightly."""
    single = [
        f"`{name}`"
        for name, entry in sets.items()
        if any(len(scores["per_class"]) == 1 for scores in entry["systems"].values())
    ]
    if single:
        yield (
            f"A set of one class only ({', '.join(single)}) shows how often that class is found; "
            "an answer that is always this class would score 1."
        )
    rule = (sets.get(OPINION_SET) or {"systems": {}})["systems"].get(KEYWORD_SYSTEM)
    if rule is not None:
        yield (
            f"The `{OPINION_SET}` tweets were gathered by emotion words: the rule that only looks "
            f"for such words scores {rule['macro_f1']['value']:.3f} on them. Read every figure on "
            "this set beside that one."
        )


def calibration_section(evaluation: Facts, plot: str | None) -> str:
    """Return whether the probabilities can be believed, on every test set and bin by bin.

    Args:
        evaluation: the part of ``metrics.json`` of that name.
        plot: path of the picture, where there is one.
    """
    ours = {name: scores for name, scores in own_scores(evaluation).items() if scores["ece"]}
    if not ours:
        return "The calibration of this model has not been measured."
    parts = [
        "A calibrated model is right in 70% of the answers to which it gives a probability of 70%. "
        "The expected calibration error (ECE) is the mean gap between the two, and stands in the "
        f"table above: {_spread(ours)}."
    ]
    if OPINION_SET in ours and ours[OPINION_SET]["ece"]["value"] == _highest(ours):
        parts[0] += (
            f" It is highest on `{OPINION_SET}`: on texts of another origin than the training "
            "data, believe the order of the answers rather than their probabilities."
        )
    if plot:
        parts.append(f"![Reliability: confidence against accuracy]({plot})")
    bins = ours.get(MAIN_SET, {}).get("reliability")
    if bins:
        parts.append(folded(f"The bins on {MAIN_SET}", reliability_table(bins)))
    return "\n\n".join(parts)


def _highest(scores: Mapping[str, Facts]) -> float:
    return max(float(entry["ece"]["value"]) for entry in scores.values())


def _spread(scores: Mapping[str, Facts]) -> str:
    named = [
        f"{format_interval(scores[name]['ece'])} on `{name}`"
        for name in (MAIN_SET, OPINION_SET)
        if name in scores
    ]
    low = min(float(entry["ece"]["value"]) for entry in scores.values())
    return ", ".join([*named, f"and from {low:.3f} to {_highest(scores):.3f} over all sets"])
