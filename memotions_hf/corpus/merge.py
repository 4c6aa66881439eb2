"""From sources to one corpus: labels mapped, duplicates removed, groups split without leaks."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from ..errors import CorpusError, InputError, require
from ..labels import LABEL2ID, LABELS, LovePolicy, SurprisePolicy, map_source_label
from ..text import grouping_key
from .near_duplicates import group_near_duplicates
from .sources import EVALUATION_SOURCES, MERGED_SOURCES, Row, Split, get_source, read_source

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_PRIORITY: Mapping[Split, int] = {"train": 0, "validation": 1, "test": 2}


def _refuse_evaluation_only(name: str) -> None:
    if name in EVALUATION_SOURCES:
        raise InputError(
            f"source {name!r} may only be evaluated on ({get_source(name).license}); "
            "leave it out of the merge"
        )
    get_source(name)


@dataclass(frozen=True)
class MergeOptions:
    """How sources become one corpus; the defaults make the ``merged`` config."""

    sources: tuple[str, ...] = MERGED_SOURCES
    love: LovePolicy = "happy"
    surprise: SurprisePolicy = "drop"
    validation_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 42

    def __post_init__(self) -> None:
        for name in self.sources:
            _refuse_evaluation_only(name)
        for option, value, known in (
            ("love", self.love, get_args(LovePolicy)),
            ("surprise", self.surprise, get_args(SurprisePolicy)),
        ):
            if value not in known:
                raise InputError(f"{option} is {value!r}; expected one of: {', '.join(known)}")
        fractions = (self.validation_fraction, self.test_fraction)
        if min(fractions) < 0 or sum(fractions) >= 1:
            raise InputError(
                f"validation_fraction and test_fraction are {fractions[0]} and {fractions[1]}; "
                "neither may be negative, and together they must be below 1"
            )


@dataclass(frozen=True, slots=True)
class Example:
    """One row of the merged corpus. ``group`` is shared by near-equal texts."""

    id: str
    text: str
    label: str
    source: str
    source_label: str
    lang: str
    translated: bool
    license: str
    split: Split
    group: int


@dataclass
class MergeReport:
    """What each step of the merge removed or moved, counted by source."""

    read: Counter[str] = field(default_factory=Counter)
    label_left_out: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    duplicate: Counter[str] = field(default_factory=Counter)
    conflicting: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    conflicts_by_majority: int = 0
    groups_of_several: int = 0
    rows_in_groups_of_several: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain dictionaries and numbers, for JSON."""
        return {
            name: dict(value) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }


@dataclass(frozen=True)
class MergedCorpus:
    """The examples in a fixed order, the options that made them, and the report."""

    examples: tuple[Example, ...]
    options: MergeOptions
    report: MergeReport

    def split(self, name: str) -> list[Example]:
        """Return the examples of one split.

        Raises:
            InputError: there is no split of that name.
        """
        if name not in SPLITS:
            raise InputError(f"unknown split {name!r}; expected one of: {', '.join(SPLITS)}")
        return [example for example in self.examples if example.split == name]


@dataclass(slots=True)
class _Candidate:
    row: Row
    label: str
    key: str
    official: Split | None
    """The most protected official split among the row and the copies that it stands for."""


def _candidates(
    rows: Iterable[Row], options: MergeOptions, report: MergeReport
) -> Iterator[_Candidate]:
    for row in rows:
        report.read[row.source] += 1
        try:
            label = map_source_label(row.source_label, options.love, options.surprise)
        except InputError as error:
            raise CorpusError(f"{row.source}, row {row.id}: {error}") from None
        key = grouping_key(row.text)
        if label is None:
            report.label_left_out[row.source] += 1
        elif not key:
            report.empty[row.source] += 1
        else:
            yield _Candidate(row, label, key, row.split)


def _official_rank(candidate: _Candidate) -> int:
    """Return 0 for a row without an official split, and more the more its split must be kept."""
    split = candidate.official
    return 0 if split is None else 1 + _PRIORITY[split]


def _agreed_label(copies: Sequence[_Candidate]) -> str | None:
    """Return the label of most copies of a text; None where two labels are equally frequent."""
    counts = Counter(copy.label for copy in copies).most_common(2)
    if len(counts) == 2 and counts[0][1] == counts[1][1]:
        return None
    return counts[0][0]


def _deduplicate(candidates: Iterable[_Candidate], report: MergeReport) -> list[_Candidate]:
    """Keep one copy of every text.

    Of copies with one label, the first of the most protected official split stays (test before
    validation before train). Copies that disagree keep the label of the majority; where there is
    none, all of them go.
    """
    by_key: dict[str, list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_key[candidate.key].append(candidate)
    kept = []
    for copies in by_key.values():
        label = _agreed_label(copies)
        if label is None:
            report.conflicting.update(copy.row.source for copy in copies)
            continue
        report.conflicts_by_majority += any(copy.label != label for copy in copies)
        agreeing = [copy for copy in copies if copy.label == label]
        best = max(agreeing, key=_official_rank)
        report.duplicate.update(copy.row.source for copy in copies if copy is not best)
        # A text of an official test split is held out even where its own label was outvoted.
        best.official = max(copies, key=_official_rank).official
        kept.append(best)
    return kept


def _pinned_split(members: Sequence[_Candidate]) -> Split | None:
    """Return the split that a group must be in because of its rows' official splits.

    Official test and validation rows pin their whole group; official training rows pin nothing,
    since a source without an official test split gives a tenth of them to ours.
    """
    official = {member.official for member in members}
    if "test" in official:
        return "test"
    return "validation" if "validation" in official else None


def _assign_splits(
    groups: Mapping[int, Sequence[_Candidate]], options: MergeOptions
) -> dict[int, Split]:
    """Give every group a split: official rows first, then by hash within (source, label).

    The hash depends on the seed and the group's smallest id alone, and quotas are counted within
    one source and label, so rows added to one source move no other source's rows.
    """
    assigned: dict[int, Split] = {}
    strata: dict[tuple[str, str], list[int]] = defaultdict(list)
    for group, members in groups.items():
        strata[members[0].row.source, members[0].label].append(group)
        pinned = _pinned_split(members)
        if pinned is not None:
            assigned[group] = pinned

    def order(group: int) -> bytes:
        smallest = min(member.row.id for member in groups[group])
        return hashlib.sha256(f"{options.seed}:{smallest}".encode()).digest()

    fractions: dict[Split, float] = {
        "test": options.test_fraction,
        "validation": options.validation_fraction,
    }
    for stratum in strata.values():
        total = sum(len(groups[group]) for group in stratum)
        free = sorted((group for group in stratum if group not in assigned), key=order)
        for split, fraction in fractions.items():
            have = sum(len(groups[group]) for group in stratum if assigned.get(group) == split)
            room = round(fraction * total) - have
            for group in free:
                if group not in assigned and len(groups[group]) <= room:
                    assigned[group] = split
                    room -= len(groups[group])
        for group in free:
            assigned.setdefault(group, "train")
    return assigned


def merge(
    options: MergeOptions | None = None, *, rows: Iterable[Row] | None = None
) -> MergedCorpus:
    """Build the merged corpus.

    Args:
        options: sources, label policies, fractions and seed.
        rows: rows to use instead of reading ``options.sources``.

    Returns:
        The corpus, leak-free: no text is in it twice, and near-equal texts share a split.

    Raises:
        InputError: an option has a value that cannot be used.
        CorpusError: a file of a source is missing or damaged.
    """
    options = options or MergeOptions()
    report = MergeReport()
    if rows is None:
        rows = (row for name in options.sources for row in read_source(name))
    kept = _deduplicate(_candidates(rows, options, report), report)
    for name in report.read:
        _refuse_evaluation_only(name)

    group_of = group_near_duplicates([candidate.key for candidate in kept])
    groups: dict[int, list[_Candidate]] = defaultdict(list)
    for candidate, group in zip(kept, group_of, strict=True):
        groups[group].append(candidate)
    splits = _assign_splits(groups, options)

    several = [members for members in groups.values() if len(members) > 1]
    report.groups_of_several = len(several)
    report.rows_in_groups_of_several = sum(map(len, several))
    report.kept.update(candidate.row.source for candidate in kept)
    examples = tuple(
        _example(candidate, splits[group], group)
        for candidate, group in zip(kept, group_of, strict=True)
    )
    return MergedCorpus(examples, options, report)


def _example(candidate: _Candidate, split: Split, group: int) -> Example:
    row, source = candidate.row, get_source(candidate.row.source)
    return Example(
        id=row.id,
        text=row.text,
        label=candidate.label,
        source=row.source,
        source_label=row.source_label,
        lang=source.language,
        translated=source.translated,
        license=source.license,
        split=split,
        group=group,
    )


def evaluation_examples(name: str) -> list[Example]:
    """Return the rows of an evaluation-only source, mapped to the five labels, each text once.

    Raises:
        InputError: there is no such evaluation source.
        CorpusError: a file of the source is missing or damaged.
    """
    if name not in EVALUATION_SOURCES:
        raise InputError(
            f"{name!r} is no evaluation source; expected one of: {', '.join(EVALUATION_SOURCES)}"
        )
    report = MergeReport()
    kept = _deduplicate(_candidates(read_source(name), MergeOptions(), report), report)
    return [_example(candidate, "test", group) for group, candidate in enumerate(kept)]


_COLUMNS = ("id", "text", "label", "source", "source_label", "lang", "translated", "license")


def _to_dataset(examples: Sequence[Example]) -> Dataset:
    datasets = require("datasets", "data")
    features = datasets.Features(
        {name: datasets.Value("bool" if name == "translated" else "string") for name in _COLUMNS}
        | {"label": datasets.ClassLabel(names=list(LABELS))}
    )
    columns: dict[str, list[Any]] = {
        name: [getattr(example, name) for example in examples] for name in _COLUMNS
    }
    columns["label"] = [LABEL2ID[label] for label in columns["label"]]
    return datasets.Dataset.from_dict(columns, features=features)


def load_corpus(config: str = "merged", split: str | None = None) -> Dataset | DatasetDict:
    """Build a corpus config as Hugging Face datasets.

    Args:
        config: ``merged``, or the name of one source (the same labels, groups and split rules).
        split: ``train``, ``validation`` or ``test``; None gives a ``DatasetDict`` of all three.

    Returns:
        A ``datasets.Dataset`` with columns ``id, text, label, source, source_label, lang,
        translated, license`` (``label`` is a ``ClassLabel``), or a dictionary of them.

    Raises:
        InputError: there is no such config or split.
        CorpusError: a file of a source is missing or damaged.
        MissingExtraError: the ``data`` extra is not installed.
    """
    if config == "merged":
        options = MergeOptions()
    elif config in MERGED_SOURCES:
        options = MergeOptions(sources=(config,))
    else:
        known = ", ".join(("merged", *MERGED_SOURCES))
        raise InputError(f"unknown config {config!r}; expected one of: {known}")
    if split is not None and split not in SPLITS:
        raise InputError(f"unknown split {split!r}; expected one of: {', '.join(SPLITS)}")
    corpus = merge(options)
    if split is not None:
        return _to_dataset(corpus.split(split))
    datasets = require("datasets", "data")
    return datasets.DatasetDict({name: _to_dataset(corpus.split(name)) for name in SPLITS})
