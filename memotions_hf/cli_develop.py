"""What ``memotions train``, ``memotions evaluate`` and ``memotions corpus`` do."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError, require

if TYPE_CHECKING:
    from .corpus.merge import MergedCorpus


def _say(line: str) -> None:
    """Print progress, on standard error so that standard output holds results alone."""
    print(line, file=sys.stderr, flush=True)


def run_train(args: argparse.Namespace) -> int:
    """Train a recipe and write the model folder."""
    from .training.recipes import get_recipe

    recipe = get_recipe(args.recipe)
    # TensorFlow's start-up notes hide our own lines, and it reads this only when imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    require("tensorflow", "train")
    from .training.trainer import train, write_model

    run = Path(args.output or f"runs/{recipe.name}")
    _say(f"training {recipe.name} version {recipe.version} in {run}")
    result = train(recipe, run)
    folder = write_model(result, run / "model")
    training = result.facts["training"]
    _say(
        f"best validation macro-F1 {training['best_val_macro_f1']:.4f} in epoch "
        f"{training['best_epoch']} of {training['epochs']}, {training['seconds']:.0f} s"
    )
    print(folder)
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    """Evaluate a model beside the baselines and print, and optionally keep, the results."""
    from .cards.tables import detail_table, macro_f1_table, per_class_table
    from .corpus.merge import merge
    from .evaluation.evaluate import (
        MAIN_SET,
        MAIN_SYSTEM,
        ProbabilitySystem,
        build_test_sets,
        evaluate_systems,
        train_baselines,
    )
    from .inference import EmotionClassifier

    require("sklearn", "train")
    folder = None if args.model is None else Path(args.model)
    if args.update and (folder is None or not folder.is_dir()):
        raise InputError("--update needs --model with a model folder that it may write to")
    classifier = EmotionClassifier.from_pretrained(args.model)
    _say("merging the corpus")
    corpus = merge()
    _say("training the baselines on the same rows")
    systems = {MAIN_SYSTEM: ProbabilitySystem(classifier.predict_proba), **train_baselines(corpus)}
    evaluation = evaluate_systems(systems, build_test_sets(corpus), progress=_say)
    if args.update and folder is not None:
        from .evaluation.record import record_evaluation

        record_evaluation(folder, evaluation, MAIN_SYSTEM)
    if args.json:
        print(json.dumps(evaluation, indent=1))
    else:
        print(f"Macro-F1 [95% interval]\n\n{macro_f1_table(evaluation)}\n")
        print(f"F1 by class on {MAIN_SET}\n\n{per_class_table(evaluation, MAIN_SET)}\n")
        print(f"{MAIN_SYSTEM}\n\n{detail_table(evaluation, MAIN_SYSTEM)}")
    return 0


def _corpus_statistics(corpus: MergedCorpus) -> dict[str, Any]:
    def count(key: str) -> dict[str, dict[str, int]]:
        counts = Counter((getattr(e, key), e.split) for e in corpus.examples)
        names = sorted({name for name, _ in counts})
        return {
            name: {split: counts[name, split] for split in ("train", "validation", "test")}
            for name in names
        }

    return {
        "rows": len(corpus.examples),
        "by_source": count("source"),
        "by_label": count("label"),
        "merge": corpus.report.as_dict(),
    }


def _print_counts(title: str, counts: dict[str, dict[str, int]]) -> None:
    from .cards.tables import markdown_table

    rows = [[name, *(f"{n:,}" for n in splits.values())] for name, splits in counts.items()]
    print(f"{markdown_table([title, 'train', 'validation', 'test'], rows)}\n")


def run_corpus_stats(args: argparse.Namespace) -> int:
    """Merge the corpus and print what is in it and what each step removed."""
    from .corpus.merge import merge

    _say("merging the corpus")
    statistics = _corpus_statistics(merge())
    if args.json:
        print(json.dumps(statistics, indent=1))
        return 0
    from .cards.tables import markdown_table

    _print_counts("source", statistics["by_source"])
    _print_counts("label", statistics["by_label"])
    merged = statistics["merge"]
    steps = ("read", "label_left_out", "empty", "conflicting", "duplicate", "kept")
    rows = [
        [name, *(f"{merged[step].get(name, 0):,}" for step in steps)] for name in merged["read"]
    ]
    print(markdown_table(["source", *(step.replace("_", " ") for step in steps)], rows))
    print(
        f"\n{merged['rows_in_groups_of_several']:,} rows stand in "
        f"{merged['groups_of_several']:,} groups of near-equal texts; each group is in one split."
    )
    return 0
