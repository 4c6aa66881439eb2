"""What the cards and ``memotions corpus stats`` say about the corpus, all of it counted here.

Every function returns plain dictionaries, lists, strings and numbers, ready for JSON. Splits,
labels and sources are in the order in which the package names them.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import CorpusError, InputError
from ..labels import LABELS
from ..text import grouping_key
from .configs import MERGED
from .download import DATA_FOLDER
from .merge import SPLITS, MergeOptions
from .rows import read_source
from .sources import SOURCES, get_source

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""The rows of one config by split, as :func:`memotions_hf.corpus.configs.config_rows` has them."""

Words = Callable[[str], Sequence[str]]
"""What splits a text into words."""

OWN_SOURCE = "journal"
"""The project's own entries: the only rows that a card may show."""

_GROWTH_POINTS = 20
_REPEATED_WORDS = 6
_EXAMPLES_PER_LABEL = 2
_EXAMPLE_LENGTH = 160
_SECOND_READING_COLUMNS = ["id", "first", "second", "doubt"]


# Words --------------------------------------------------------------------------------------------


def words_of(text: str) -> list[str]:
    """Return the normalised words of a text, without punctuation and placeholders.

    Emoji count as words; ``lagi`` and ``lagi!`` are one and the same.
    """
    return grouping_key(text).split()


class WordCache:
    """:func:`words_of` that does each text once: the configs share most of their texts."""

    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text; the list is shared and not to be changed."""
        if text not in self._known:
            # Interned, since a few thousand words make up most of a million.
            self._known[text] = [sys.intern(word) for word in words_of(text)]
        return self._known[text]


def _mixed(texts: Iterable[str]) -> list[str]:
    """Return the texts in an order that is always the same and follows neither source nor label."""

    def digest(text: str) -> bytes:
        return hashlib.sha256(text.encode("utf-8", "replace")).digest()

    return sorted(texts, key=digest)


def vocabulary_growth(
    texts: Iterable[str],
    points: int = _GROWTH_POINTS,
    words: Words = words_of,
) -> list[dict[str, int]]:
    """Count how the vocabulary grows with the number of texts.

    The texts are taken in an order that mixes sources and labels and is always the same, else the
    curve would show the order of the files.

    Args:
        texts: any number of texts.
        points: how many points to return, evenly spaced, the last one after the last text.
        words: what splits a text into words.

    Returns:
        One dictionary a point: ``texts``, ``words`` (running) and ``vocabulary`` (distinct) so far.

    Raises:
        InputError: ``points`` is below 1.
    """
    if points < 1:
        raise InputError(f"points is {points}; expected 1 or more")
    mixed = _mixed(texts)
    marks = {math.ceil(number * len(mixed) / points) for number in range(1, points + 1)}
    seen: set[str] = set()
    running = 0
    growth = []
    for count, text in enumerate(mixed, start=1):
        found = words(text)
        running += len(found)
        seen.update(found)
        if count in marks:
            growth.append({"texts": count, "words": running, "vocabulary": len(seen)})
    return growth


# One config ---------------------------------------------------------------------------------------


def config_statistics(rows: Rows, words: Words = words_of) -> dict[str, Any]:
    """Count the rows of one config.

    Args:
        rows: the config's rows by split; those of ``suggestions`` hold ``entry``, ``emotion`` and
            ``suggestion`` where the others hold ``text`` and ``label``.
        words: what splits a text into words; a :class:`WordCache` where texts come again.

    Returns:
        A dictionary of

        - ``rows``, and ``splits``: rows of each split;
        - ``labels``: rows of each label by split, and ``source_labels``: by the source's own label;
        - ``sources``: rows of each source by split, and ``labels_by_source``;
        - ``languages``: rows of each language that a text was first written in, ``original`` and
          ``translated``;
        - ``licenses``: rows of each licence;
        - ``characters`` and ``words``: lengths of ``all`` texts and ``by_source``, each with
          ``min, q1, median, q3, p95, max``;
        - ``vocabulary``: ``size``, running ``words``, and ``growth`` (see
          :func:`vocabulary_growth`);
        - for suggestions also ``suggestions``: ``characters`` and ``words`` of the answers.

    Raises:
        InputError: there is no row.
    """
    flat = [(split, row) for split, part in rows.items() for row in part]
    if not flat:
        raise InputError("there is no row to count")
    suggestions = "entry" in flat[0][1]
    counted = _suggestion_rows(flat) if suggestions else flat
    texts = [row["text"] for _, row in counted]
    growth = vocabulary_growth(texts, words=words)
    statistics = {
        "rows": len(flat),
        "splits": _ordered(Counter(split for split, _ in flat), SPLITS),
        **_label_counts(counted),
        **_source_counts(counted),
        "languages": _languages(row for _, row in counted),
        "licenses": dict(Counter(row["license"] for _, row in counted).most_common()),
        "characters": _lengths(counted, len),
        "words": _lengths(counted, lambda text: len(text.split())),
        "vocabulary": {
            "size": growth[-1]["vocabulary"],
            "words": growth[-1]["words"],
            "growth": growth,
        },
    }
    if suggestions:
        answers = [row["suggestion"] for _, row in flat]
        statistics["suggestions"] = {
            "characters": _quantiles([len(answer) for answer in answers]),
            "words": _quantiles([len(answer.split()) for answer in answers]),
        }
    return statistics


_SplitRow = tuple[str, Mapping[str, Any]]


def _suggestion_rows(flat: Iterable[_SplitRow]) -> list[_SplitRow]:
    """Return suggestions as labelled texts; they are the project's own, as its journal is."""
    own = get_source(OWN_SOURCE)
    stated = {"lang": own.language, "translated": own.translated, "license": own.license}
    return [
        (split, {**stated, "text": row["entry"], "label": row["emotion"]}) for split, row in flat
    ]


def _ordered(counts: Mapping[str, Any], order: Iterable[str]) -> dict[str, Any]:
    """Return the counts in a given order, and what it does not name at the end."""
    known = [name for name in order if name in counts]
    return {name: counts[name] for name in dict.fromkeys((*known, *counts))}


def _nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for outer, inner in pairs:
        counts[outer][inner] += 1
    return counts


def _cross_table(
    pairs: Iterable[tuple[str, str]], outer_order: Iterable[str], inner_order: Iterable[str]
) -> dict[str, dict[str, int]]:
    counts = _nested(pairs)
    return {
        name: _ordered(inner, inner_order) for name, inner in _ordered(counts, outer_order).items()
    }


def _label_counts(counted: Sequence[_SplitRow]) -> dict[str, Any]:
    labels = ((row["label"], split) for split, row in counted)
    named = ((row["label"], row["source_label"]) for _, row in counted if "source_label" in row)
    return {
        "labels": _cross_table(labels, LABELS, SPLITS),
        "source_labels": {
            label: dict(counts.most_common())
            for label, counts in _ordered(_nested(named), LABELS).items()
        },
    }


def _source_counts(counted: Sequence[_SplitRow]) -> dict[str, Any]:
    sourced = [(split, row) for split, row in counted if "source" in row]
    splits = ((row["source"], split) for split, row in sourced)
    labels = ((row["source"], row["label"]) for _, row in sourced)
    return {
        "sources": _cross_table(splits, SOURCES, SPLITS),
        "labels_by_source": _cross_table(labels, SOURCES, LABELS),
    }


def _languages(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    pairs = ((row["lang"], "translated" if row["translated"] else "original") for row in rows)
    counts = _nested(pairs)
    return {
        language: {kind: counts[language][kind] for kind in ("original", "translated")}
        for language in sorted(counts)
    }


def _quantiles(values: Iterable[int]) -> dict[str, int]:
    """Return lengths that occur: each is the smallest that its share of the values stays within."""
    ordered = sorted(values)

    def rank(share: float) -> int:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return {
        "min": ordered[0],
        "q1": rank(0.25),
        "median": rank(0.5),
        "q3": rank(0.75),
        "p95": rank(0.95),
        "max": ordered[-1],
    }


def _lengths(counted: Sequence[_SplitRow], length: Callable[[str], int]) -> dict[str, Any]:
    by_source: dict[str, list[int]] = defaultdict(list)
    values = []
    for _, row in counted:
        values.append(length(row["text"]))
        if "source" in row:
            by_source[row["source"]].append(values[-1])
    return {
        "all": _quantiles(values),
        "by_source": {
            name: _quantiles(lengths) for name, lengths in _ordered(by_source, SOURCES).items()
        },
    }


# All configs --------------------------------------------------------------------------------------


def corpus_statistics(
    configs: Mapping[str, Rows],
    reports: Mapping[str, Mapping[str, Any]],
    options: MergeOptions | None = None,
) -> dict[str, Any]:
    """Count everything that the dataset card says.

    Args:
        configs: rows of each config by split.
        reports: for each config that has one, its ``MergeReport.as_dict()``.
        options: the options of the merge, which say what became of love and surprise.

    Returns:
        A dictionary of ``configs`` (see :func:`config_statistics`), ``merge`` (the report of the
        merged config, or None), ``options`` (or None), ``sources`` (what is stated about each
        source that is in a config or was read for the merge), and of the project's own entries
        ``examples`` (a few rows a label), ``journal_repetition`` (``words``, and the ``share`` of
        entries that share a run of so many) and ``journal_agreement`` (see
        :func:`journal_agreement`); without such entries, an empty list, None and None.

    Raises:
        InputError: a config has no row, or names an unknown source.
        CorpusError: the record of the second reading is damaged.
    """
    words = WordCache()
    counted = {name: config_statistics(rows, words) for name, rows in configs.items()}
    merge = reports.get(MERGED)
    names = _involved(counted.values(), merge)
    own = _own_rows(configs.values())
    return {
        "configs": counted,
        "merge": None if merge is None else dict(merge),
        "options": None if options is None else _options(options),
        "sources": {name: source_facts(name) for name in names},
        "examples": _examples(own),
        "journal_repetition": _repetition(own),
        "journal_agreement": journal_agreement() if own else None,
    }


def _involved(counted: Iterable[Mapping[str, Any]], merge: Mapping[str, Any] | None) -> list[str]:
    """Return every source that a config or the merge draws on, in the package's order."""
    names = set(merge["read"]) if merge else set()
    for statistics in counted:
        names.update(statistics["sources"])
        if "suggestions" in statistics:
            names.add(OWN_SOURCE)
    return list(_ordered(dict.fromkeys(sorted(names)), SOURCES))


def source_facts(name: str) -> dict[str, Any]:
    """Return what is stated about a source: title, licence, what it permits, and how to cite it.

    Raises:
        InputError: there is no source of that name.
    """
    source = get_source(name)
    stated = (
        "title", "license", "redistribute", "train_weights", "terms", "homepage", "citation",
        "bibtex", "language", "translated", "fixed_splits",
    )  # fmt: skip
    return {field: getattr(source, field) for field in stated}


def _options(options: MergeOptions) -> dict[str, Any]:
    stated = ("love", "surprise", "validation_fraction", "test_fraction", "seed")
    return {"sources": list(options.sources), **{name: getattr(options, name) for name in stated}}


def _own_rows(configs: Iterable[Rows]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return split and row of every entry of the project's own, by id."""
    return {
        row["id"]: (split, row)
        for rows in configs
        for split, part in rows.items()
        for row in part
        if row.get("source") == OWN_SOURCE
    }


def _examples(own: Mapping[str, tuple[str, Mapping[str, Any]]]) -> list[dict[str, str]]:
    """Return short training rows, the same ones whatever their order."""
    by_label: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row_id in _mixed(own):
        split, row = own[row_id]
        if split == "train" and len(row["text"]) <= _EXAMPLE_LENGTH:
            by_label[row["label"]].append({key: row[key] for key in ("id", "label", "text")})
    return [row for label in LABELS for row in by_label[label][:_EXAMPLES_PER_LABEL]]


def _repetition(own: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Any] | None:
    if not own:
        return None
    share = ngram_repetition(row["text"] for _, row in own.values())
    return {"words": _REPEATED_WORDS, "share": share}


# The project's own texts --------------------------------------------------------------------------


def journal_agreement() -> dict[str, Any]:
    """Compare the labels of the journal entries with those of their second reading.

    Returns:
        ``rows`` read twice, ``agreeing``, ``agreement`` (their share), ``kappa`` (Cohen's),
        ``doubted`` (rows that the second reader was not sure of) and ``taken_out`` (rows that
        have been removed from the journal since).

    Raises:
        CorpusError: a file of the journal is missing or damaged.
    """
    readings = list(_second_reading(DATA_FOLDER / "journal" / "second_reading.tsv"))
    kept = {row.id for row in read_source(OWN_SOURCE)}
    pairs = [(first, second) for _, first, second, _ in readings]
    agreeing = sum(first == second for first, second in pairs)
    return {
        "rows": len(pairs),
        "agreeing": agreeing,
        "agreement": agreeing / len(pairs),
        "kappa": cohens_kappa(pairs),
        "doubted": sum(doubt == "yes" for *_, doubt in readings),
        "taken_out": sum(row_id not in kept for row_id, *_ in readings),
    }


def _second_reading(path: Path) -> Iterator[list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path.name} cannot be read ({error})") from None
    if len(lines) < 2 or lines[0].split("\t") != _SECOND_READING_COLUMNS:
        raise CorpusError(
            f"{path.name}: expected the columns {', '.join(_SECOND_READING_COLUMNS)}, and rows"
        )
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        if len(fields) != len(_SECOND_READING_COLUMNS):
            raise CorpusError(
                f"{path.name}, line {number}: {len(fields)} fields where the header has "
                f"{len(_SECOND_READING_COLUMNS)}"
            )
        yield fields


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the agreement of two readers beyond chance; 1 where both know one label alone.

    Raises:
        InputError: there is no pair.
    """
    if not pairs:
        raise InputError("there is no pair of labels to compare")
    observed = sum(first == second for first, second in pairs) / len(pairs)
    firsts, seconds = (Counter(side) for side in zip(*pairs, strict=True))
    expected = sum(count * seconds[label] for label, count in firsts.items()) / len(pairs) ** 2
    return 1.0 if expected == 1 else (observed - expected) / (1 - expected)


def ngram_repetition(texts: Iterable[str], n: int = _REPEATED_WORDS) -> float:
    """Return the share of texts that share a run of ``n`` words with another text.

    Written texts hardly ever do; those that a template made do. A run that one text repeats
    within itself does not count.

    Raises:
        InputError: ``n`` is below 1.
    """
    if n < 1:
        raise InputError(f"n is {n}; expected 1 or more words")
    grams = [
        {tuple(words[start : start + n]) for start in range(len(words) - n + 1)}
        for words in map(words_of, texts)
    ]
    counts = Counter(gram for runs in grams for gram in runs)
    repeated = sum(any(counts[gram] > 1 for gram in runs) for runs in grams)
    return repeated / len(grams) if grams else 0.0


def repeated_openings(texts: Iterable[str], words: int = 3) -> Counter[str]:
    """Count the openings that more than one text begins with; shorter texts have none.

    Args:
        texts: any number of texts.
        words: how many words make an opening.

    Raises:
        InputError: ``words`` is below 1.
    """
    if words < 1:
        raise InputError(f"words is {words}; expected 1 or more")
    openings = Counter(
        " ".join(found[:words]) for found in map(words_of, texts) if len(found) >= words
    )
    return Counter({opening: count for opening, count in openings.items() if count > 1})
