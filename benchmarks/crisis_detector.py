"""Train the crisis detector and measure it on examples that it has not seen.

    python benchmarks/crisis_detector.py [--keep]

Needs the train extra. Trains on memotions_hf/data/crisis/train.tsv and the journal, writes the
model to memotions_hf/bundled/crisis-detector (with --keep the one there is measured instead), and
the measurements to benchmarks/results/crisis_detector.json: recall, precision and false alarms on
memotions_hf/data/crisis/held_out.tsv, which was written by other hands and before the detector, and
false alarms on the journal's test split; and the same on held_out_short.tsv, entries of a few
words. Prints the table of the README. Two minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from memotions_hf.corpus.download import DATA_FOLDER
from memotions_hf.corpus.rows import read_source
from memotions_hf.modeling.artifact import METRICS_FILE
from memotions_hf.suggestions import crisis_training
from memotions_hf.suggestions.crisis_model import CrisisModel
from memotions_hf.suggestions.crisis_training import Example
from memotions_hf.suggestions.safety import BUNDLED_DETECTOR

RESULT = Path(__file__).parent / "results" / "crisis_detector.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--keep", action="store_true", help="measure the bundled detector as it is")
    args = parser.parse_args()

    result: dict[str, Any] = json.loads(RESULT.read_text()) if args.keep else {}
    if not args.keep:
        examples = crisis_training.training_examples()
        model, result["cross_validation"] = crisis_training.train(examples)
        model.save(BUNDLED_DETECTOR)
        result["training_examples"] = count(examples)
    # As users get it, after its weights have been rounded.
    model = CrisisModel.load(BUNDLED_DETECTOR)
    held_out = crisis_training.read_examples(DATA_FOLDER / "crisis" / "held_out.tsv")
    ordinary = [
        Example(row.id, False, "journal", row.text)
        for row in read_source("journal")
        if row.split == "test"
    ]
    result["held_out"] = crisis_training.measure(model, held_out)
    short = crisis_training.read_examples(DATA_FOLDER / "crisis" / "held_out_short.tsv")
    result["held_out_short"] = crisis_training.measure(model, short)
    result["journal_test"] = crisis_training.measure(model, ordinary)
    result["milliseconds"] = round(1000 * seconds_a_text(model, ordinary), 2)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    metrics = json.dumps(shipped(result), indent=2) + "\n"
    (BUNDLED_DETECTOR / METRICS_FILE).write_text(metrics, encoding="utf-8")
    print(table(result))


def shipped(result: dict[str, Any]) -> dict[str, Any]:
    """Return what comes with the package: the figures of the crisis message, for the app."""
    held_out, ordinary = result["held_out"]["crisis"], result["journal_test"]["crisis"]
    return {
        "recall": held_out["recall"],
        "false_alarms_look_alikes": held_out["false_alarms"],
        "false_alarms_ordinary": ordinary["false_alarms"],
    }


def count(examples: list[Example]) -> dict[str, int]:
    return {
        "crisis": sum(example.crisis for example in examples),
        "harmless": sum(not example.crisis and example.kind != "journal" for example in examples),
        "journal": sum(example.kind == "journal" for example in examples),
    }


def seconds_a_text(model: CrisisModel, examples: list[Example]) -> float:
    started = time.perf_counter()
    for example in examples:
        model.scores(example.text)
    return (time.perf_counter() - started) / len(examples)


def table(result: dict[str, Any]) -> str:
    """Return the measurements as a Markdown table."""
    lines = ["| | crisis message | crisis message or line about counsellors |", "|---|---|---|"]
    held_out, ordinary = result["held_out"], result["journal_test"]
    short = result["held_out_short"]
    rows = (
        ("crises found (recall)", held_out, "recall"),
        ("of what is found, crises (precision)", held_out, "precision"),
        ("false alarms among look-alikes", held_out, "false_alarms"),
        ("false alarms among ordinary entries", ordinary, "false_alarms"),
        ("crises found among a few words", short, "recall"),
        ("false alarms among a few words", short, "false_alarms"),
    )
    for name, part, key in rows:
        cells = [share(part[tier][key]) for tier in ("crisis", "crisis_or_concern")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for kind in held_out["crisis"]["by_kind"]:
        cells = [share(held_out[tier]["by_kind"][kind]) for tier in ("crisis", "crisis_or_concern")]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def share(value: dict[str, Any]) -> str:
    low, high = value["interval"]
    return f"{value['share']:.3f} [{low:.3f}, {high:.3f}] ({value['part']} of {value['of']})"


if __name__ == "__main__":
    main()
