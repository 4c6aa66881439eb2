"""``memotions compare``: recipes over several seeds beside the baselines, on the same rows."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..cards.comparison import comparison_markdown
from ..cards.names import LINEAR_SYSTEM
from ..corpus.merge import SPLITS, MergedCorpus, MergeOptions, MergeReport, to_example
from ..corpus.rows import read_source
from ..errors import InputError
from ..evaluation.evaluate import TestSet, build_test_sets
from ..evaluation.plots import plot_comparison
from ..labels import LABELS
from .recipes import Recipe
from .runs import AnyRecipe, Labels, Progress, score_baselines, score_recipe, to_json, write_whole

EMOT_LABELS: Labels = ("anger", "fear", "happy", "love", "sadness")
EMOT_OWN_LABELS_SET = "emot/official-test, own labels"

COMPARISON_FILE = "comparison.json"
_TABLE_FILE = "comparison.md"
_PLOT_FILE = "comparison.png"
_METRICS = ("macro_f1", "accuracy")


def summarise(by_seed: Mapping[str, float]) -> dict[str, Any]:
    """Return mean, standard deviation (of the sample; 0 for one seed), range and each value."""
    values = list(by_seed.values())
    return {
        "mean": round(statistics.fmean(values), 4),
        "std": round(statistics.stdev(values), 4) if len(values) > 1 else 0.0,
        "min": round(min(values), 4),
        "max": round(max(values), 4),
        "by_seed": {seed: round(value, 4) for seed, value in by_seed.items()},
    }


def compare_systems(
    recipes: Sequence[AnyRecipe],
    seeds: Sequence[int],
    corpus: MergedCorpus,
    test_sets: Sequence[TestSet],
    folder: Path,
    *,
    own_seeds: Mapping[str, Sequence[int]] = MappingProxyType({}),
    labels: Labels = LABELS,
    progress: Progress = lambda line: None,
) -> dict[str, Any]:
    """Train recipes with each seed, and the baselines once, and score all of them.

    Args:
        recipes: what to train.
        seeds: of each recipe.
        own_seeds: other seeds, by the name of the recipe that they are for.
        corpus: its training split is trained on; its validation split alone selects, within a run
            and among the seeds.
        test_sets: what to score on.
        folder: keeps the runs; those that stand there already are not made again.
        labels: class names by id.
        progress: told what goes on.

    Returns:
        As :func:`~memotions_hf.evaluation.evaluate.evaluate_systems`. A recipe's scores are those
        of the seed with the best validation macro-F1, with mean and spread over the seeds under
        ``seeds``. ``systems`` has the training time, the parameters and the selected seed of each.

    Raises:
        InputError: the folder holds runs of something else.
    """
    baselines = score_baselines(
        folder / "baselines", corpus, test_sets, labels=labels, progress=progress
    )
    parts, systems = [], {}
    for recipe in recipes:
        runs = {}
        for seed in own_seeds.get(recipe.name, seeds):
            seeded = dataclasses.replace(recipe, seed=seed)
            run_folder = folder / f"{recipe.name}-seed{seed}"
            runs[str(seed)] = score_recipe(
                seeded, run_folder, corpus, test_sets, labels=labels, progress=progress
            )
        evaluation, systems[recipe.name] = _over_seeds(recipe.name, runs)
        parts.append(evaluation)
    parts.append(baselines["evaluation"])
    for name in _system_names(baselines["evaluation"]):
        systems[name] = baselines["training"] if name == LINEAR_SYSTEM else {}
    return _joined(parts) | {"systems": systems}


def _system_names(evaluation: Mapping[str, Any]) -> list[str]:
    return list(next(iter(evaluation["sets"].values()))["systems"])


def _over_seeds(
    name: str, runs: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the selected seed's evaluation with the spread over all, and facts of the training."""
    training = {seed: run["training"] for seed, run in runs.items()}
    validation = {seed: facts["val_macro_f1"] for seed, facts in training.items()}
    selected = max(validation, key=validation.__getitem__)
    evaluation = dict(runs[selected]["evaluation"])
    evaluation["sets"] = {
        set_name: entry
        | {"systems": {name: entry["systems"][name] | {"seeds": _spread(name, set_name, runs)}}}
        for set_name, entry in evaluation["sets"].items()
    }
    facts = {
        "parameters": training[selected]["parameters"],
        "seconds": round(statistics.fmean(one["seconds"] for one in training.values()), 1),
        "validation_macro_f1": summarise(validation),
        "selected_seed": int(selected),
    }
    return evaluation, facts


def _spread(name: str, set_name: str, runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    scores = {
        seed: run["evaluation"]["sets"][set_name]["systems"][name] for seed, run in runs.items()
    }
    return {
        metric: summarise({seed: one[metric]["value"] for seed, one in scores.items()})
        for metric in _METRICS
    }


def _joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return evaluations of several systems on the same sets as one."""
    sets = {
        name: entry
        | {"systems": {k: v for part in parts for k, v in part["sets"][name]["systems"].items()}}
        for name, entry in parts[0]["sets"].items()
    }
    return {**parts[0], "sets": sets}


def official_emot() -> tuple[MergedCorpus, TestSet]:
    """Return EmoT as its leaderboard has it: official splits, every row, its own five labels.

    Raises:
        CorpusError: a file of EmoT is missing or damaged.
    """
    rows = list(read_source("emot"))
    examples = tuple(
        to_example(row, row.source_label, row.split, number)
        for number, row in enumerate(rows)
        if row.split in ("train", "validation")
    )
    test = [row for row in rows if row.split == "test"]
    test_set = TestSet(
        EMOT_OWN_LABELS_SET,
        [row.text for row in test],
        np.array([EMOT_LABELS.index(row.source_label) for row in test], dtype=np.int64),
        "EmoT's official test split with its own labels, trained on its official train split alone",
        tuple(range(len(EMOT_LABELS))),
    )
    return MergedCorpus(examples, MergeOptions(sources=("emot",)), MergeReport()), test_set


def compare(
    recipes: Sequence[AnyRecipe],
    seeds: Sequence[int],
    corpus: MergedCorpus,
    folder: Path,
    *,
    own_seeds: Mapping[str, Sequence[int]] = MappingProxyType({}),
    emot_official: bool = False,
    progress: Progress = lambda line: None,
) -> dict[str, Any]:
    """Compare recipes on every test set of the protocol, and write table, plot and JSON file.

    Args:
        recipes: what to train.
        seeds: of each recipe.
        corpus: the merged corpus, all that is trained on.
        own_seeds: other seeds, by the name of the recipe that they are for: fewer for a slow one.
        folder: where the runs and the results go; an interrupted comparison goes on there.
        emot_official: also train on EmoT's official train split alone, with its own labels.
        progress: told what goes on.

    Returns:
        As :func:`compare_systems`, with the size of the ``splits`` and, where it was asked for,
        the same for ``emot_official``.

    Raises:
        InputError: the folder holds runs of something else, a recipe or a seed is named twice or
            none is, or ``own_seeds`` names a recipe that is not compared.
        CorpusError: a file of a test set is missing or damaged.
    """
    check_what_to_compare(recipes, seeds, own_seeds)
    test_sets = build_test_sets(corpus)
    comparison = compare_systems(
        recipes, seeds, corpus, test_sets, folder, own_seeds=own_seeds, progress=progress
    )
    comparison["splits"] = {split: len(corpus.split(split)) for split in SPLITS}
    if emot_official:
        comparison["emot_official"] = _compare_on_emot(
            recipes, seeds, folder, own_seeds=own_seeds, progress=progress
        )
    write_whole(folder / COMPARISON_FILE, to_json(comparison))
    write_whole(folder / _TABLE_FILE, comparison_markdown(comparison))
    plot_comparison(comparison, folder / _PLOT_FILE)
    return comparison


def _compare_on_emot(
    recipes: Sequence[AnyRecipe], seeds: Sequence[int], folder: Path, **options: Any
) -> dict[str, Any]:
    """Compare what can be given other labels: the reference system has the five built in."""
    corpus, test_set = official_emot()
    able = [recipe for recipe in recipes if isinstance(recipe, Recipe)]
    emot = folder / "emot-official"
    result = compare_systems(able, seeds, corpus, [test_set], emot, labels=EMOT_LABELS, **options)
    splits = {split: len(corpus.split(split)) for split in ("train", "validation")}
    return result | {"splits": splits | {"test": len(test_set.texts)}}


def check_what_to_compare(
    recipes: Sequence[AnyRecipe], seeds: Sequence[int], own_seeds: Mapping[str, Sequence[int]]
) -> None:
    """Refuse what :func:`compare` would refuse, before a corpus is read for it.

    Raises:
        InputError: a recipe or a seed is named twice or none is, or ``own_seeds`` names a recipe
            that is not compared.
    """
    names = [recipe.name for recipe in recipes]
    lists = [("recipe", names), ("seed", seeds)]
    lists += [(f"seed of {name}", own) for name, own in own_seeds.items()]
    for what, values in lists:
        if not values or len(set(values)) < len(values):
            named = ", ".join(str(value) for value in values) or "none"
            raise InputError(f"expected at least one {what}, each once; got: {named}")
    for name in own_seeds:
        if name not in names:
            raise InputError(
                f"seeds are given for the recipe {name!r}, which is not among those to compare "
                f"({', '.join(names)}); name it there, too"
            )
