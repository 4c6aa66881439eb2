"""``memotions evaluate --leave-one-source-out``: what a model makes of a source it has not seen."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..corpus.merge import Example, MergedCorpus, MergeReport
from ..corpus.sources import get_source, kin
from ..errors import InputError, require
from ..evaluation.evaluate import TestSet
from ..evaluation.plots import plot_comparison
from ..labels import LABELS
from .comparison import compare_systems, summarise
from .runs import AnyRecipe, Progress, label_ids, to_json, write_whole

HELD_OUT = ("journal", "isear-id", "dair-emotion-id", "emot", "prdect")
CROSS_SOURCE_FILE = "cross_source.json"
_PLOT_FILE = "cross_source.png"
_METRICS = ("macro_f1", "accuracy")


def leave_out(corpus: MergedCorpus, name: str) -> tuple[MergedCorpus, list[Example]]:
    """Take a source out of a corpus, with its kin and all that is near-equal to a row of them.

    Args:
        corpus: the merged corpus.
        name: the source.

    Returns:
        What is left to train on, and every row of the source, of whatever split.

    Raises:
        InputError: the corpus has no such source, or nothing to train and select on without it.
    """
    sources = corpus.options.sources
    if name not in sources:
        raise InputError(f"cannot hold out {name!r}; expected one of: {', '.join(sources)}")
    family = kin(name)
    groups = {example.group for example in corpus.examples if example.source in family}
    left = tuple(example for example in corpus.examples if example.group not in groups)
    kept = MergedCorpus(
        left,
        replace(corpus.options, sources=tuple(one for one in sources if one not in family)),
        MergeReport(kept=Counter(example.source for example in left)),
    )
    held = [example for example in corpus.examples if example.source == name]
    train, validation = len(kept.split("train")), len(kept.split("validation"))
    if not (held and train and validation):
        raise InputError(
            f"cannot hold out {name!r}: {len(held)} rows of it, and {train} to train on and "
            f"{validation} to select on without it; expected some of each"
        )
    return kept, held


def leave_one_source_out(
    recipe: AnyRecipe,
    corpus: MergedCorpus,
    folder: Path,
    *,
    held_out: Sequence[str] = HELD_OUT,
    seeds: Sequence[int] = (),
    progress: Progress = lambda line: None,
) -> dict[str, Any]:
    """Train without each source in turn and test on all of it, beside the baselines.

    ``cross_source.json`` is written after each source, and what the folder holds is not trained
    again, so that an interrupted run goes on. The picture is drawn at the end.

    Args:
        recipe: what to train.
        corpus: the merged corpus.
        folder: where the runs and the result go.
        held_out: the sources.
        seeds: of the recipe; its own where there is none.
        progress: told what goes on.

    Returns:
        The ``sets`` by source, as :func:`.compare_systems` returns them, each with what was left
        out, and the ``mean`` over the sources by system, with its spread over the seeds.

    Raises:
        InputError: a source cannot be held out, or the folder holds runs of something else.
        MissingExtraError: matplotlib is not installed.
    """
    # Neither this nor a mistake in the last name must come to light hours later.
    require("matplotlib", "train")
    parts = {name: leave_out(corpus, name) for name in held_out}
    result: dict[str, Any] = {"recipe": recipe.to_dict(), "seeds": list(seeds or (recipe.seed,))}
    for number, (name, (kept, held)) in enumerate(parts.items(), start=1):
        progress(f"{name} ({number} of {len(parts)}): {len(held):,} rows held out")
        one = compare_systems(
            [recipe], result["seeds"], kept, [_test_set(name, held)], folder / name,
            progress=progress,
        )  # fmt: skip
        entry = one["sets"][name] | _what_was_left_out(corpus, kept, name)
        entry["training"] = one.pop("systems")
        result = {**one, **result, "sets": {**result.get("sets", {}), name: entry}}
        result["mean"] = mean_over_sources(result["sets"])
        write_whole(folder / CROSS_SOURCE_FILE, to_json(result))
    plot_comparison(result | {"systems": result["mean"]}, folder / _PLOT_FILE)
    return result


def _test_set(name: str, held: Sequence[Example]) -> TestSet:
    return TestSet(
        name,
        [example.text for example in held],
        label_ids(held, LABELS),
        f"{get_source(name).title}: every row, after training without it",
    )


def _what_was_left_out(corpus: MergedCorpus, kept: MergedCorpus, name: str) -> dict[str, Any]:
    family = [one for one in kin(name) if one in corpus.options.sources]
    own = sum(example.source in family for example in corpus.examples)
    return {
        "left_out": family,
        "near_equal_rows_left_out": len(corpus.examples) - len(kept.examples) - own,
        "splits": {split: len(kept.split(split)) for split in ("train", "validation")},
    }


def mean_over_sources(sets: dict[str, Any]) -> dict[str, Any]:
    """Return each system's mean over the sources of macro-F1 and accuracy.

    ``value`` is the mean of what the sets hold, that is of each source's selected seed; ``seeds``
    has the mean over the sources of every seed, and their spread.
    """
    names = next(iter(sets.values()))["systems"]
    return {
        name: {
            metric: _mean([entry["systems"][name] for entry in sets.values()], metric)
            for metric in _METRICS
        }
        for name in names
    }


def _mean(scores: Sequence[dict[str, Any]], metric: str) -> dict[str, Any]:
    mean: dict[str, Any] = {
        "value": round(float(np.mean([one[metric]["value"] for one in scores])), 4)
    }
    if "seeds" in scores[0]:
        by_source = [one["seeds"][metric]["by_seed"] for one in scores]
        mean["seeds"] = summarise(
            {seed: statistics.fmean(one[seed] for one in by_source) for seed in by_source[0]}
        )
    return mean
