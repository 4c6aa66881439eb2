"""From sources to one corpus: labels mapped, duplicates removed, groups split without leaks."""

from __future__ import annotations

import gc
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from ..errors import CorpusError, InputError
from ..labels import LovePolicy, SurprisePolicy, map_source_label
from ..text import grouping_key
from .near_duplicates import group_near_duplicates
from .rows import Row, originals, read_source
from .sources import (
    ENGLISH_SOURCES,
    EVALUATION_SOURCES,
    MERGED_SOURCES,
    Split,
    get_source,
)

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Progress = Callable[[str, int, int | None], None]
"""Called with the name of a step, what is done of it, and of how many where that is known."""

_key = lru_cache(maxsize=1 << 17)(grouping_key)
"""Remembered, since every source's own corpus is put beside the merged one."""

_PRIORITY: Mapping[Split, int] = {"train": 0, "validation": 1, "test": 2}
_BLOCK = 10_000


def silent(step: str, done: int, total: int | None) -> None:
    """Take no notice of progress."""


def _refuse_evaluation_only(name: str) -> None:
    if name in EVALUATION_SOURCES:
        raise InputError(
            f"source {name!r} may only be evaluated on ({get_source(name).license}); "
            "leave it out of the merge"
        )
    get_source(name)


@dataclass(frozen=True)
class MergeOptions:
    """How sources become one corpus; the defaults make the ``merged`` config.

    ``translations`` is the file of a translation cache, in which an English source's rows are
    looked up as ``translator`` has translated them.
    """

    sources: tuple[str, ...] = MERGED_SOURCES
    love: LovePolicy = "happy"
    surprise: SurprisePolicy = "drop"
    validation_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 42
    translations: Path | None = None
    translator: str = "google"

    def __post_init__(self) -> None:
        for name in self.sources:
            _refuse_evaluation_only(name)
            if name in ENGLISH_SOURCES and self.translations is None:
                raise InputError(
                    f"source {name!r} is in English: name the file of its translations, or make "
                    f"them with: memotions corpus translate {name}"
                )
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
    """What each step of the merge removed or moved, counted by source.

    Every row that was read is counted in one of ``untranslated``, ``label_left_out``, ``empty``,
    ``duplicate``, ``conflicting`` and ``kept``.
    """

    read: Counter[str] = field(default_factory=Counter)
    untranslated: Counter[str] = field(default_factory=Counter)
    label_left_out: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    duplicate: Counter[str] = field(default_factory=Counter)
    conflicting: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    conflicts_by_majority: int = 0
    groups_of_several: int = 0
    rows_in_groups_of_several: int = 0
    groups_of_several_labels: int = 0

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
    label: str | None
    key: str
    link: str | None
    """What it shares with the other translations of one English text."""
    official: Split | None
    """The most protected official split among the row and the copies that it stands for."""


# Reading -----------------------------------------------------------------------------------------


def read_in_indonesian(
    rows: Iterable[Row], options: MergeOptions, report: MergeReport
) -> Iterator[Row]:
    """Yield the rows, those of English sources as their translations."""
    if options.translations is None:
        for row in rows:
            report.read[row.source] += 1
            yield row
        return
    from .translation_cache import TranslationCache

    with TranslationCache(options.translations, read_only=True) as cache:
        engine = _engine(cache.engines(), options)
        rows = iter(rows)
        while block := list(islice(rows, _BLOCK)):
            report.read.update(row.source for row in block)
            english = [row for row in block if row.source in ENGLISH_SOURCES]
            found = iter(cache.lookup(engine, [row.text for row in english]))
            for row in block:
                text = next(found) if row.source in ENGLISH_SOURCES else row.text
                if text is None:
                    report.untranslated[row.source] += 1
                elif row.source in ENGLISH_SOURCES:
                    yield Row(row.id, text, row.source, row.source_label, row.split, row.text)
                else:
                    yield row


def _engine(engines: Iterable[str], options: MergeOptions) -> str:
    """Return whose translations to take: a name in the cache, or one that its model completes."""
    known = list(engines)
    name = options.translator
    found = [e for e in known if e == name] or [e for e in known if e.startswith(f"{name}:")]
    if len(found) != 1:
        raise InputError(
            f"{options.translations} holds {'several kinds of' if found else 'no'} translations "
            f"by {name!r}; expected one of: {', '.join(known) or 'none, translate first'}"
        )
    return found[0]


def _link(original: str | None) -> str | None:
    return None if original is None else re.sub(r"[\W_]+", " ", original.lower()).strip() or None


def _known_originals(sources: Iterable[str]) -> dict[str, str]:
    """Return the English texts of translated rows, wherever English rows may meet them.

    Two translations of one text are not near-equal, and yet one gives the other away.
    """
    names = tuple(sources)

    def met(name: str) -> bool:
        original = get_source(name).translation_of
        return original is not None and bool({original, get_source(original).part_of} & set(names))

    return {row_id: text for name in names if met(name) for row_id, text in originals(name).items()}


def _candidates(
    rows: Iterable[Row],
    options: MergeOptions,
    report: MergeReport,
    english: Mapping[str, str],
    progress: Progress = silent,
) -> Iterator[_Candidate]:
    for number, row in enumerate(rows):
        if number % _BLOCK == 0:
            progress("reading and normalising", number, None)
        names = get_source(row.source).label_names
        try:
            label = map_source_label(row.source_label, options.love, options.surprise, names)
        except InputError as error:
            raise CorpusError(f"{row.source}, row {row.id}: {error}") from None
        key = _key(row.text)
        if label is None:
            report.label_left_out[row.source] += 1
        elif not key:
            report.empty[row.source] += 1
        else:
            link = _link(row.original or english.get(row.id))
            yield _Candidate(row, label, key, link, row.split)


# Duplicates --------------------------------------------------------------------------------------


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
    """Return one copy of every text; its label is None where the text is left out.

    Of copies with one label, the first of the most protected official split stays (test before
    validation before train). Copies that disagree keep the label of the majority; where there is
    none, all of them go. One of them is returned nevertheless, so that a text of an official test
    split holds near-equal texts out of training even where its own label was outvoted.
    """
    by_key: dict[str, list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_key[candidate.key].append(candidate)
    distinct = []
    for copies in by_key.values():
        label = _agreed_label(copies)
        best = max(
            (copy for copy in copies if label is None or copy.label == label), key=_official_rank
        )
        if label is None:
            report.conflicting.update(copy.row.source for copy in copies)
        else:
            report.conflicts_by_majority += any(copy.label != label for copy in copies)
            report.duplicate.update(copy.row.source for copy in copies if copy is not best)
        best.label = label
        best.official = max(copies, key=_official_rank).official
        distinct.append(best)
    return distinct


def _drop_conflicting_twins(
    distinct: Sequence[_Candidate], twins: Sequence[int], report: MergeReport
) -> None:
    """Of texts that are all but equal, leave out those without the majority's label.

    Texts that are only near-equal keep their labels, whatever they are: most such pairs are true
    contrasts ("tidak nyaman dipakai", "nyaman dipakai").
    """
    members: dict[int, list[_Candidate]] = defaultdict(list)
    for candidate, twin in zip(distinct, twins, strict=False):
        if candidate.label is not None:
            members[twin].append(candidate)
    for group in members.values():
        if len({candidate.label for candidate in group}) == 1:
            continue
        label = _agreed_label(group)
        report.conflicts_by_majority += label is not None
        for candidate in group:
            if candidate.label != label:
                candidate.label = None
                report.conflicting[candidate.row.source] += 1


# Splits ------------------------------------------------------------------------------------------


def _pinned_splits(
    candidates: Sequence[_Candidate], groups: Sequence[int], held: Sequence[Example]
) -> dict[int, Split]:
    """Return the split that each group must be in, where anything decides it.

    Official test rows pin their whole group. So do near-equal texts of another config (``held``),
    whose splits begin at ``groups[len(candidates)]``, and then official validation rows. Official
    training rows pin nothing, since a source without an official test split gives a tenth of them
    to ours, unless the source keeps its splits as they are.
    """
    official: dict[int, set[Split]] = defaultdict(set)
    for candidate, group in zip(candidates, groups, strict=False):
        split = candidate.official
        if split is not None and (
            split != "train" or get_source(candidate.row.source).fixed_splits
        ):
            official[group].add(split)
    beside: dict[int, set[Split]] = defaultdict(set)
    for example, group in zip(held, groups[len(candidates) :], strict=True):
        beside[group].add(example.split)

    def decide(group: int) -> Split:
        pins = official.get(group, set())
        return "test" if "test" in pins else max(beside.get(group, pins), key=_PRIORITY.__getitem__)

    return {group: decide(group) for group in (*official, *beside)}


def _assign_splits(
    groups: Mapping[int, Sequence[_Candidate]], pinned: Mapping[int, Split], options: MergeOptions
) -> dict[int, Split]:
    """Give every group a split: pinned ones first, then by hash within (source, label).

    The hash depends on the seed and the group's smallest id alone, and quotas are counted within
    one source and label, so rows added to one source move no other source's rows.
    """
    assigned = {group: pinned[group] for group in groups if group in pinned}
    strata: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for group, members in groups.items():
        strata[members[0].row.source, members[0].label].append(group)

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


def _build(
    candidates: Iterable[_Candidate],
    options: MergeOptions,
    report: MergeReport,
    *,
    held: Sequence[Example] = (),
    english: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> MergedCorpus:
    """Deduplicate, group and split; near-equal texts of ``held`` examples share their split."""
    distinct = _deduplicate(candidates, report)
    english = english or {}
    grouping = group_near_duplicates(
        [*(candidate.key for candidate in distinct), *(_key(e.text) for e in held)],
        [*(candidate.link for candidate in distinct), *(_link(english.get(e.id)) for e in held)],
        lambda done, total: progress("finding near-equal texts", done, total),
    )
    _drop_conflicting_twins(distinct, grouping.twins, report)
    groups: dict[int, list[_Candidate]] = defaultdict(list)
    for candidate, group in zip(distinct, grouping.groups, strict=False):
        if candidate.label is not None:
            groups[group].append(candidate)
    splits = _assign_splits(groups, _pinned_splits(distinct, grouping.groups, held), options)

    several = [members for members in groups.values() if len(members) > 1]
    report.groups_of_several = len(several)
    report.rows_in_groups_of_several = sum(map(len, several))
    report.groups_of_several_labels = sum(
        len({member.label for member in members}) > 1 for members in several
    )
    examples = tuple(
        to_example(candidate.row, candidate.label, splits[group], group)
        for candidate, group in zip(distinct, grouping.groups, strict=False)
        if candidate.label is not None
    )
    report.kept.update(example.source for example in examples)
    return MergedCorpus(examples, options, report)


def to_example(row: Row, label: str, split: Split, group: int) -> Example:
    """Return a row with what its source states."""
    source = get_source(row.source)
    return Example(
        id=row.id,
        text=row.text,
        label=label,
        source=row.source,
        source_label=row.source_label,
        lang=source.language,
        translated=source.translated or row.original is not None,
        license=source.license,
        split=split,
        group=group,
    )


# What callers use --------------------------------------------------------------------------------


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the cyclic collector from walking over millions of rows, which form no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def merge(
    options: MergeOptions | None = None,
    *,
    rows: Iterable[Row] | None = None,
    progress: Progress = silent,
) -> MergedCorpus:
    """Build the merged corpus.

    Args:
        options: sources, label policies, fractions and seed.
        rows: rows to use instead of reading ``options.sources``.
        progress: told of each step and how far it is.

    Returns:
        The corpus, leak-free: no text is in it twice, and near-equal texts share a split.

    Raises:
        InputError: an option has a value that cannot be used.
        CorpusError: a file of a source is missing or damaged.
    """
    options = options or MergeOptions()
    report = MergeReport()
    english: Mapping[str, str] = {}
    with _without_collector():
        if rows is None:
            english = _known_originals(options.sources)
            rows = (row for name in options.sources for row in read_source(name))
        candidates = _candidates(
            read_in_indonesian(rows, options, report), options, report, english, progress
        )
        corpus = _build(candidates, options, report, progress=progress)
    for name in report.read:
        _refuse_evaluation_only(name)
    return corpus


def source_corpus(
    name: str, merged: MergedCorpus, *, rows: Iterable[Row] | None = None
) -> MergedCorpus:
    """Build the corpus of one source, in its own language, to be used beside the merged one.

    Args:
        name: the source; one that is only evaluated on gives a test split alone.
        merged: texts that are in it, or near-equal to one that is, have the split that they have
            there, so that training on one config and testing on another leaks nothing.
        rows: rows to use instead of reading the source.

    Raises:
        InputError: there is no such source.
        CorpusError: a file of the source is missing or damaged.
    """
    options, report = merged.options, MergeReport()
    english: dict[str, str] = {}
    if rows is None:
        rows = read_source(name)
        english = _known_originals((*options.sources, name))

    def counted() -> Iterator[Row]:
        for row in rows:
            report.read[row.source] += 1
            original = row.text if name in ENGLISH_SOURCES else row.original
            yield Row(row.id, row.text, row.source, row.source_label, row.split, original)

    candidates = _candidates(counted(), options, report, english)
    held = () if name in EVALUATION_SOURCES else merged.examples
    corpus = _build(candidates, options, report, held=held, english=english)
    if name not in ENGLISH_SOURCES:
        return corpus
    return MergedCorpus(
        tuple(_untranslated(example) for example in corpus.examples), options, report
    )


def _untranslated(example: Example) -> Example:
    fields = {name: getattr(example, name) for name in Example.__slots__}
    return Example(**{**fields, "translated": False})


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
    distinct = _deduplicate(_candidates(read_source(name), MergeOptions(), report, {}), report)
    return [
        to_example(candidate.row, candidate.label, "test", group)
        for group, candidate in enumerate(distinct)
        if candidate.label is not None
    ]
