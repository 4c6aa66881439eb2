"""What ``memotions train`` and ``memotions evaluate`` do."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from .cli_corpus import say
from .errors import InputError, require


def run_train(args: argparse.Namespace) -> int:
    """Train a recipe and write the model folder."""
    from .training.recipes import get_recipe

    recipe = get_recipe(args.recipe)
    # TensorFlow's start-up notes hide our own lines, and it reads this only when imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    require("tensorflow", "train")
    from .training.trainer import train, write_model

    run = Path(args.output or f"runs/{recipe.name}")
    say(f"training {recipe.name} version {recipe.version} in {run}")
    result = train(recipe, run)
    folder = write_model(result, run / "model")
    training = result.facts["training"]
    say(
        f"best validation macro-F1 {training['best_val_macro_f1']:.4f} in epoch "
        f"{training['best_epoch']} of {training['epochs']}, {training['seconds']:.0f} s"
    )
    print(folder)
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    """Evaluate a model beside the baselines and print, and optionally keep, the results."""
    from .cards.names import MAIN_SET, MAIN_SYSTEM
    from .cards.tables import detail_table, macro_f1_table, per_class_table
    from .corpus.merge import merge
    from .evaluation.evaluate import (
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
    say("merging the corpus")
    corpus = merge()
    say("training the baselines on the same rows")
    systems = {MAIN_SYSTEM: ProbabilitySystem(classifier.predict_proba), **train_baselines(corpus)}
    evaluation = evaluate_systems(systems, build_test_sets(corpus), progress=say)
    if args.update and folder is not None:
        from .evaluation.record import record_evaluation

        record_evaluation(folder, evaluation, MAIN_SYSTEM)
        say(f"wrote the metrics, the plots and the card into {folder}")
    if args.json:
        print(json.dumps(evaluation, indent=1))
    else:
        print(f"Macro-F1 [95% interval]\n\n{macro_f1_table(evaluation)}\n")
        print(f"F1 by class on {MAIN_SET}\n\n{per_class_table(evaluation, MAIN_SET)}\n")
        print(f"{MAIN_SYSTEM}\n\n{detail_table(evaluation, MAIN_SYSTEM)}")
    return 0
