"""The corpus as it was first put together in 2024, kept so that its leak can be measured.

Its sources are concatenated and the rows dealt into splits at random: nothing is deduplicated, the
tweets that EmoT and the Saputri set share come in twice, and near-equal texts part. The English
Kaggle set stands for itself where translations of it are given, and otherwise dair-ai/emotion, a
sample of it, does; rows of GoEmotions stand for the neutral rows, which were never published.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..labels import map_source_label
from .merge import (
    MergedCorpus,
    MergeOptions,
    MergeReport,
    Progress,
    read_in_indonesian,
    silent,
    to_example,
)
from .rows import read_source
from .sources import Split, get_source

NAIVE_SOURCES = ("dair-emotion-id", "emot", "saputri", "go-emotions-neutral-id")


def naive_concatenation(
    options: MergeOptions | None = None, *, progress: Progress = silent
) -> MergedCorpus:
    """Build the ``memotions-2024`` config: every row in it, split by row, 80/10/10.

    Args:
        options: label policies, fractions, seed and translations; its sources decide only whether
            ``kaggle-emotions`` takes the place of ``dair-emotion-id``, and which are left out.
        progress: told how far reading is.

    Raises:
        CorpusError: a file of a source is missing or damaged.
    """
    options = options or MergeOptions()
    names = [name for name in NAIVE_SOURCES if name in options.sources]
    if "kaggle-emotions" in options.sources:
        names = ["kaggle-emotions", *(name for name in names if name != "dair-emotion-id")]
    options = replace(options, sources=tuple(names))
    report = MergeReport()
    rows = (row for name in names for row in read_source(name))
    labelled = []
    for row in read_in_indonesian(rows, options, report):
        own = get_source(row.source).label_names
        label = map_source_label(row.source_label, options.love, options.surprise, own)
        if label is None:
            report.label_left_out[row.source] += 1
        else:
            labelled.append((row, label))
            report.kept[row.source] += 1
        if len(labelled) % 10_000 == 0:
            progress("reading", len(labelled), None)
    splits = _deal(len(labelled), options)
    examples = tuple(
        to_example(row, label, splits[index], index) for index, (row, label) in enumerate(labelled)
    )
    return MergedCorpus(examples, options, report)


def _deal(count: int, options: MergeOptions) -> list[Split]:
    test = round(options.test_fraction * count)
    validation = round(options.validation_fraction * count)
    order = np.random.default_rng(options.seed).permutation(count)
    splits: list[Split] = ["train"] * count
    for rank, index in enumerate(order[: test + validation]):
        splits[int(index)] = "test" if rank < test else "validation"
    return splits
