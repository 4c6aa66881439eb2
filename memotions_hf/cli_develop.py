"""What ``memotions train``, ``memotions evaluate`` and ``memotions compare`` do."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from .cli_corpus import say
from .errors import InputError, require


def run_train(args: argparse.Namespace) -> int:
    """Train a recipe and write the model folder."""
    from .training.recipes import Recipe, get_recipe

    recipe = get_recipe(args.recipe)
    # TensorFlow's start-up notes hide our own lines, and it reads this only when imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    require("tensorflow", "train")
    from .training.reference_2024 import train_reference_2024
    from .training.trainer import train, write_model

    run = Path(args.output or f"runs/{recipe.name}")
    say(f"training {recipe.name} version {recipe.version} in {run}")
    if isinstance(recipe, Recipe):
        result = train(recipe, run)
        folder = write_model(result, run / "model")
        training = result.facts["training"]
    else:
        reference = train_reference_2024(recipe, run)
        folder = reference.save(run / "model")
        training = reference.facts["training"]
    say(
        f"validation macro-F1 {training['val_macro_f1']:.4f}, with epoch "
        f"{training['best_epoch']} of {training['epochs']}, {training['seconds']:.0f} s"
    )
    print(folder)
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    """Evaluate a model beside the baselines and print, and optionally keep, the results."""
    if args.leave_one_source_out:
        return _run_leave_one_source_out(args)
    for option in ("recipe", "held_out", "seeds", "output"):
        if getattr(args, option) is not None:
            raise InputError(f"--{option.replace('_', '-')} needs --leave-one-source-out")
    return _run_evaluate_model(args)


def _run_evaluate_model(args: argparse.Namespace) -> int:
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


def _run_leave_one_source_out(args: argparse.Namespace) -> int:
    if args.model is not None or args.update:
        option = "--update" if args.model is None else "--model"
        raise InputError(f"{option} is of a trained model; --leave-one-source-out trains its own")
    from .training.recipes import get_recipe

    recipe = get_recipe(args.recipe or "memotions-bilstm")
    _require_training()
    from .cards.comparison import cross_source_markdown
    from .corpus.merge import merge
    from .training.cross_source import CROSS_SOURCE_FILE, HELD_OUT, leave_one_source_out

    folder = Path(args.output or f"runs/cross-source/{recipe.name}")
    say("merging the corpus")
    corpus = merge()
    with redirect_stdout(sys.stderr):  # Keras prints its epochs
        result = leave_one_source_out(
            recipe,
            corpus,
            folder,
            held_out=args.held_out or HELD_OUT,
            seeds=args.seeds or (),
            progress=say,
        )
    say(f"wrote {folder / CROSS_SOURCE_FILE}")
    print(json.dumps(result, indent=1) if args.json else cross_source_markdown(result, recipe.name))
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """Train recipes over several seeds, score them beside the baselines, and print the tables."""
    from .training.recipes import get_recipe

    recipes = [get_recipe(name) for name in args.recipes]
    _require_training()
    require("matplotlib", "train")
    from .cards.comparison import comparison_markdown
    from .corpus.merge import merge
    from .training.comparison import check_what_to_compare, compare

    own_seeds = dict(args.seeds_of)
    check_what_to_compare(recipes, args.seeds, own_seeds)
    folder = Path(args.output or "runs/comparison")
    say("merging the corpus")
    corpus = merge()
    with redirect_stdout(sys.stderr):  # Keras prints its epochs
        result = compare(
            recipes,
            args.seeds,
            corpus,
            folder,
            own_seeds=own_seeds,
            emot_official=args.emot_official,
            progress=say,
        )
    say(f"wrote comparison.json, comparison.md and comparison.png into {folder}")
    print(json.dumps(result, indent=1) if args.json else comparison_markdown(result))
    return 0


def _require_training() -> None:
    # TensorFlow's start-up notes hide our own lines, and it reads this only when imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    require("tensorflow", "train")
    require("sklearn", "train")
