"""The sections of the dataset card, each a function from statistics to Markdown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import __version__
from ..corpus.configs import MERGED, NAIVE, SUGGESTIONS
from ..corpus.merge import SPLITS
from ..corpus.near_duplicates import JACCARD_THRESHOLD, NGRAM, PREFIX_LENGTH, TWIN_THRESHOLD
from ..corpus.statistics import OWN_SOURCE
from ..labels import EMOTIONS, LABELS
from ..text import to_valid_unicode
from .dataset_plots import CLASS_DISTRIBUTION, TEXT_LENGTH, VOCABULARY_GROWTH, WORD_CLOUDS
from .tables import markdown_table

Facts = Mapping[str, Any]

HUB_LICENSES = frozenset(
    (
        "apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
        "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-3.0",
    )
)  # fmt: skip
"""The licences under which rows may come that the Hub knows by name."""

_TWEETS = ("emot", "saputri")
"""The same tweets, published twice."""
_REVIEWS = "prdect"
_WRITTEN = (OWN_SOURCE, "everyday")
"""What the project's authors wrote, to be left out together (``corpus.kin``)."""
_GATHERED_BY_KEYWORD = "opinion"

_LANGUAGE_NAMES = {"id": "Indonesian", "en": "English"}
_PERMISSIONS = {"yes": "yes", "no": "**no**", "unknown": "not settled, so **no**"}
_SOURCE_LABELS_SHOWN = 8
_LENGTHS_SHOWN = ("min", "median", "p95", "max")
_LENGTHS_TEXT = (
    "Shortest text / median / 95th percentile / longest text, in words (parted by white space) "
    "and in characters:"
)

_COLUMN_TEXTS = {
    "id": "the source's own id of the row, or the source's name, its file and the line",
    "text": "the text, as its source has it",
    "label": "the emotion",
    "source": "where the row is from; the name of a config, too",
    "source_label": "the source's own label",
    "lang": "the language that the text was first written in",
    "translated": "whether the text is a translation into Indonesian",
    "license": "the licence of the row",
}
_SUGGESTION_COLUMN_TEXTS = {
    "id": "the id of the pair",
    "entry": "a journal entry",
    "emotion": "the emotion in it",
    "topic": "what it is about",
    "advice": "the kinds of advice in the suggestion",
    "suggestion": "an answer to the entry",
}
_STEPS = {
    "read": "read",
    "untranslated": "not translated",
    "label_left_out": "label left out",
    "empty": "empty",
    "duplicate": "duplicates",
    "conflicting": "conflicting labels",
    "kept": "kept",
}

# What Markdown or HTML would take for its own, written so that no reader of either does.
_ENTITIES = {ord(mark): f"&#{ord(mark)};" for mark in "&<>|\\`*_~[]$@"}
# Marks that turn the reading direction of all that follows.
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


# What it is ---------------------------------------------------------------------------------------


def main_config(configs: Mapping[str, Facts]) -> str:
    """Return the config that the tables are about: the merged one, or else the first."""
    return MERGED if MERGED in configs else next(iter(configs))


def text_languages(counted: Facts) -> list[str]:
    """Return the languages that a config's texts are in; a translation is in Indonesian."""
    languages = {
        "id" if kind == "translated" else language
        for language, kinds in counted["languages"].items()
        for kind, rows in kinds.items()
        if rows
    }
    return sorted(languages, key=lambda name: (name != "id", name))


def summary(counted: Facts, main: str) -> str:
    """Say what the data set is, in numbers."""
    named = ", ".join(f"**{emotion.name}** ({emotion.indonesian})" for emotion in EMOTIONS)
    languages = " and ".join(_language_name(name) for name in text_languages(counted))
    sources = len(counted["sources"])
    origin = f" from {_count(sources, 'source')}" if sources else ""
    text = (
        f"{counted['rows']:,} short texts in {languages}{origin}, each with one of "
        f"{_count(len(EMOTIONS), 'emotion')}: {named}."
    )
    if main == MERGED:
        text += (
            " No text is in it twice, texts that are nearly the same are in the same split, and "
            "every row names its source, that source's own label, and its licence."
        )
    return text


def notice(statistics: Facts) -> str:
    """Warn of a folder with rows that may not be passed on."""
    kept_back = [
        name
        for name in _sources_with_rows(statistics["configs"])
        if statistics["sources"][name]["redistribute"] != "yes"
    ]
    if not kept_back:
        return ""
    return (
        f"> **For local use only.** This folder holds rows of {_listed(kept_back)}, which may not "
        "be passed on (see [Licences](#licences)). Do not publish it as it is."
    )


def _sources_with_rows(configs: Mapping[str, Facts]) -> list[str]:
    return list(dict.fromkeys(name for counted in configs.values() for name in counted["sources"]))


def configs(statistics: Facts) -> str:
    """List the configs with their languages and sizes."""
    counted: Mapping[str, Facts] = statistics["configs"]
    rows = [
        [
            f"`{name}`",
            _config_text(name, statistics["sources"]),
            _language_text(facts),
            *(_number(facts["splits"].get(split)) for split in SPLITS),
        ]
        for name, facts in counted.items()
    ]
    parts = [markdown_table(["config", "what it holds", "language", *SPLITS], rows)]
    if MERGED in counted and len(counted) > 1:
        apart = f", `{NAIVE}` apart" if NAIVE in counted else ""
        parts.append(
            f"A text that stands in several configs is in the same split in all of them{apart}."
        )
        if any("en" in text_languages(facts) for facts in counted.values()):
            parts[-1] += (
                " English rows are split by their publishers' own test rows first, so a text may "
                "be in another split than its translation."
            )
    return "\n\n".join(parts)


def _config_text(name: str, sources: Mapping[str, Facts]) -> str:
    if name == MERGED:
        return "all sources together, without duplicates (the default)"
    if name == NAIVE:
        return "sources put together with no care, as they first were; kept to measure the leak"
    if name == SUGGESTIONS:
        return "journal entries, each with a suggestion written for it"
    evaluation = "; **to evaluate on only**" if sources[name]["train_weights"] == "no" else ""
    return _cell(sources[name]["title"]) + evaluation


def _language_text(counted: Facts) -> str:
    named = " and ".join(_language_name(name) for name in text_languages(counted))
    translated = _translated(counted)
    if not translated:
        return named
    if translated == counted["rows"]:
        return f"{named}, translated"
    return f"{named}, {_percent(translated, counted['rows'])} translated"


def _language_name(code: str) -> str:
    return _LANGUAGE_NAMES.get(code, code)


def columns(infos: Mapping[str, Any], main: str) -> str:
    """List the columns with their types."""
    parts = [_column_table(infos[main], main)]
    if SUGGESTIONS in infos and main != SUGGESTIONS:
        parts += [f"Those of `{SUGGESTIONS}`:", _column_table(infos[SUGGESTIONS], SUGGESTIONS)]
    return "\n\n".join(parts)


def _column_table(info: Any, config: str) -> str:
    texts = _SUGGESTION_COLUMN_TEXTS if config == SUGGESTIONS else _COLUMN_TEXTS
    rows = [
        [f"`{column}`", _type_text(feature), texts.get(column, "")]
        for column, feature in info.features.items()
    ]
    return markdown_table(["column", "type", "what it holds"], rows)


def _type_text(feature: Any) -> str:
    if hasattr(feature, "names"):
        return f"class label ({len(feature.names)})"
    if hasattr(feature, "feature"):
        return f"list of {_type_text(feature.feature)}"
    return str(feature.dtype)


def labels(counted: Facts, options: Facts | None) -> str:
    """List the labels, what the sources call them, and what became of the other two."""
    rows = []
    for emotion in EMOTIONS:
        total = sum(counted["labels"].get(emotion.name, {}).values())
        upstream = _source_labels(counted["source_labels"].get(emotion.name, {}))
        rows.append([str(emotion.id), emotion.name, emotion.indonesian, f"{total:,}", upstream])
    table = markdown_table(["id", "label", "in Indonesian", "rows", "sources' own labels"], rows)
    if options is None:
        return table
    love = (
        "*Love* is affection in every source and counts as happy"
        if options["love"] == "happy"
        else "Rows that a source labels *love* are left out"
    )
    surprise = (
        "*surprise* may be good or bad, so rows with that label are left out"
        if options["surprise"] == "drop"
        else "*surprise* counts as neutral"
    )
    return f"{table}\n\n{love}; {surprise}. What the source said is kept in `source_label`."


def _source_labels(counts: Mapping[str, int]) -> str:
    named = [f"{_cell(name)} ({rows:,})" for name, rows in counts.items()]
    rest = len(named) - _SOURCE_LABELS_SHOWN
    text = ", ".join(named[:_SOURCE_LABELS_SHOWN])
    return f"{text} and {_count(rest, 'other')}" if rest > 0 else text


# Size ---------------------------------------------------------------------------------------------


def sizes(counted: Facts, main: str, pictures: Mapping[str, str]) -> str:
    """Give rows by label, split and source, and lengths and vocabulary, with their pictures."""
    parts = [
        f"### Rows of `{main}`",
        _cross_table("label", counted["labels"], SPLITS),
        _picture(CLASS_DISTRIBUTION, "Rows of each class, and classes of each source", pictures),
    ]
    if counted["sources"]:
        parts += [
            "By source and split:",
            _cross_table("source", counted["sources"], SPLITS),
            "By source and label:",
            _cross_table("source", counted["labels_by_source"], LABELS),
        ]
    vocabulary = counted["vocabulary"]
    parts += [
        "### Lengths and words",
        _LENGTHS_TEXT,
        _length_table(counted),
        _picture(TEXT_LENGTH, "Words in a text by source, as box plots", pictures),
        f"Once normalised, the texts have {vocabulary['words']:,} words, "
        f"{vocabulary['size']:,} of them distinct.",
        _picture(VOCABULARY_GROWTH, "Distinct words by number of texts, by source", pictures),
        _word_clouds(pictures),
    ]
    return "\n\n".join(part for part in parts if part)


def statistics_tables(statistics: Facts, report: Facts | None = None) -> str:
    """Return the numbers of one config as Markdown tables, to be read on a terminal, too.

    Args:
        statistics: what :func:`memotions_hf.corpus.statistics.config_statistics` returned.
        report: the ``MergeReport.as_dict()`` of the config, if it has one.
    """
    vocabulary = statistics["vocabulary"]
    licenses = [[name, f"{rows:,}"] for name, rows in statistics["licenses"].items()]
    parts = [_cross_table("label", statistics["labels"], SPLITS)]
    if statistics["sources"]:
        parts += [
            _cross_table("source", statistics["sources"], SPLITS),
            _cross_table("source", statistics["labels_by_source"], LABELS),
        ]
    parts += [
        markdown_table(["licence", "rows"], licenses),
        _LENGTHS_TEXT,
        _length_table(statistics),
        f"{vocabulary['words']:,} words, {vocabulary['size']:,} of them distinct.",
    ]
    if report:
        parts += ["What became of the rows that were read:", _step_table(report)]
    return "\n\n".join(parts)


def _cross_table(head: str, counts: Mapping[str, Mapping[str, int]], names: Sequence[str]) -> str:
    rows = [
        [row, *(_number(inner.get(name)) for name in names), _number(sum(inner.values()))]
        for row, inner in counts.items()
    ]
    totals = [sum(inner.get(name, 0) for inner in counts.values()) for name in names]
    rows.append(["**all**", *(f"**{total:,}**" for total in (*totals, sum(totals)))])
    return markdown_table([head, *names, "all"], rows)


def _length_table(counted: Facts) -> str:
    units = ("words", "characters")

    def shown(lengths: Mapping[str, int]) -> str:
        return " / ".join(f"{lengths[name]:,}" for name in _LENGTHS_SHOWN)

    rows = [
        [source, *(shown(counted[unit]["by_source"][source]) for unit in units)]
        for source in counted["words"]["by_source"]
    ]
    rows.append(["**all**", *(shown(counted[unit]["all"]) for unit in units)])
    return markdown_table(["source", *units], rows)


def _picture(name: str, caption: str, pictures: Mapping[str, str]) -> str:
    return f"![{caption}]({pictures[name]})" if name in pictures else ""


def _word_clouds(pictures: Mapping[str, str]) -> str:
    shown = [
        part
        for label, name in WORD_CLOUDS.items()
        if name in pictures
        for part in (f"**{label}**", _picture(name, f"Words typical of {label}", pictures))
    ]
    if not shown:
        return ""
    first = (
        "Words that are typical of each label, against the other labels of the same source. The "
        "bigger a word, the surer a sign it is; alone it decides nothing."
    )
    return "\n\n".join(["### Typical words", first, *shown])


# Licences -----------------------------------------------------------------------------------------


def licences(statistics: Facts) -> str:
    """Say under which licence the rows of each source are, what it permits, and why."""
    counted: Mapping[str, Facts] = statistics["configs"]
    sources: Mapping[str, Facts] = statistics["sources"]
    main = main_config(counted)
    present = _sources_with_rows(counted)
    rows = [
        [
            name,
            _number(sum(counted[main]["sources"].get(name, {}).values())),
            _cell(sources[name]["license"]),
            _PERMISSIONS[sources[name]["redistribute"]],
            _PERMISSIONS[sources[name]["train_weights"]],
        ]
        for name in present
    ]
    head = ["source", f"rows in `{main}`", "licence", "pass rows on", "train and share models"]
    parts = []
    if rows:
        parts += [
            "Every row keeps the licence of its source, in the column `license`.",
            markdown_table(head, rows),
            _terms({name: sources[name]["terms"] for name in present}),
        ]
    if SUGGESTIONS in counted:
        own = ", ".join(map(_cell, counted[SUGGESTIONS]["licenses"]))
        parts.append(f"The texts of `{SUGGESTIONS}` were written for this project: {own}.")
    limited = [name for name in present if not _is_free(sources[name]["license"])]
    if limited:
        parts.append(
            f"Rows of {_listed(limited)} are for research or non-commercial use alone, and so is "
            "every set with such rows in it."
        )
        parts += _free_rows(counted[main], main)
    return "\n\n".join(parts)


def _terms(terms: Mapping[str, str]) -> str:
    """Return a list of the terms; sources with the same ones share a line."""
    by_terms: dict[str, list[str]] = {}
    for name, text in terms.items():
        by_terms.setdefault(text, []).append(name)
    return "\n".join(f"- {_listed(names)}: {_cell(text)}" for text, names in by_terms.items())


def _is_free(license_name: str) -> bool:
    """Return whether a licence permits every use, commercial use and changes among them."""
    name = license_name.lower()
    return name in HUB_LICENSES and not {"nc", "nd"} & set(name.split("-"))


def _free_rows(counted: Facts, main: str) -> list[str]:
    free = [name for name in counted["licenses"] if _is_free(name)]
    if not free or len(free) == len(counted["licenses"]):
        return []
    rows = sum(counted["licenses"][name] for name in free)
    quoted = [f'"{name}"' for name in free]
    test = f"== {quoted[0]}" if len(quoted) == 1 else f"in ({', '.join(quoted)})"
    return [
        f"The {_count(rows, 'row')} of `{main}` without such a limit:",
        f'```python\nfree = corpus.filter(lambda row: row["license"] {test})\n```',
    ]


# How it was made ----------------------------------------------------------------------------------


def making(statistics: Facts) -> str:
    """Tell the steps of the merge, and how many rows each of them left out."""
    made = f"Made by memotions-hf {__version__}."
    merge: Facts | None = statistics["merge"]
    if not merge or MERGED not in statistics["configs"]:
        return f"Each source's own labels are mapped to those above. {made}"
    totals = {step: sum(merge[step].values()) for step in _STEPS}
    steps = [
        "**Reading.** The files are taken as their publishers offer them, and compared with a "
        f"recorded checksum where there is one: {_count(totals['read'], 'row')}.",
        _translation_step(statistics["configs"][MERGED], totals["untranslated"]),
        "**Labels.** Each source's own labels are mapped to those above. "
        f"{_count(totals['label_left_out'], 'row')} with a label that has no place among them, "
        f"and {totals['empty']:,} with nothing to read, are left out.",
        "**Duplicates.** Texts with the same letters, digits and emoji after normalisation count "
        f"as one: {_count(totals['duplicate'], 'copy', 'copies')} left out.{_same_tweets(merge)}",
        _conflict_step(merge, totals["conflicting"]),
        _group_step(merge),
    ]
    numbered = enumerate(filter(None, steps), start=1)
    return "\n\n".join(
        [
            "\n".join(f"{number}. {step}" for number, step in numbered),
            "What became of the rows that were read, by source:",
            _step_table(merge),
            made,
        ]
    )


def _step_table(merge: Facts) -> str:
    rows = [[name, *(f"{merge[step].get(name, 0):,}" for step in _STEPS)] for name in merge["read"]]
    rows.append(["**all**", *(f"**{sum(merge[step].values()):,}**" for step in _STEPS)])
    return markdown_table(["source", *_STEPS.values()], rows)


def _translation_step(counted: Facts, untranslated: int) -> str:
    translated = _translated(counted)
    if not translated and not untranslated:
        return ""
    lost = f" {_count(untranslated, 'row')} without a translation left out." if untranslated else ""
    return (
        f"**Translation.** {_count(translated, 'row')} of `{MERGED}` were first written in another "
        f"language and stand here in Indonesian.{lost}"
    )


def _same_tweets(merge: Facts) -> str:
    first, second = _TWEETS
    if not {first, second} <= set(merge["read"]):
        return ""
    return (
        f" `{first}` and `{second}` are the same tweets, published twice: of the "
        f"{_count(merge['read'][second], 'row')} of `{second}`, {merge['kept'].get(second, 0):,} "
        f"are left beside those of `{first}`."
    )


def _conflict_step(merge: Facts, conflicting: int) -> str:
    return (
        "**Conflicting labels.** Copies, and texts that are all but equal (the Jaccard similarity "
        f"of their character {NGRAM}-grams is {TWIN_THRESHOLD:g} or more), keep the label that "
        f"most of them have ({_count(merge['conflicts_by_majority'], 'case')}). Without such a "
        f"majority all of them go. {_count(conflicting, 'row')} left out."
    )


def _group_step(merge: Facts) -> str:
    return (
        f"**Groups.** Texts that are near-equal (similarity {JACCARD_THRESHOLD:g} or more, or the "
        f"same first {PREFIX_LENGTH} characters) or that translate one and the same text form a "
        f"group, which always stays in one split: {_count(merge['groups_of_several'], 'group')} "
        f"of several texts, {_count(merge['rows_in_groups_of_several'], 'row')} in all. They keep "
        f"their labels, different ones in {_count(merge['groups_of_several_labels'], 'group')}: "
        "most of those are true contrasts, such as *nyaman dipakai* (comfortable to wear) and "
        "*tidak nyaman dipakai* (not comfortable to wear)."
    )


def splits(statistics: Facts) -> str:
    """Tell how rows came into their splits."""
    options: Facts | None = statistics["options"]
    fractions = ""
    if options:
        held = (options["validation_fraction"], options["test_fraction"])
        shares = "/".join(f"{100 * share:.0f}" for share in (1 - sum(held), *held))
        fractions = f", {shares} (train/validation/test, seed {options['seed']})"
    return (
        f"Rows are dealt to the splits group by group, by source and label{fractions}. A source's "
        "official test rows stay in test, and so do texts that are near-equal to one of them: no "
        "model that is trained on the other splits has seen a test text, nor one that is nearly "
        "the same. Select on validation, and use test once."
    )


# The project's own texts --------------------------------------------------------------------------


def own_texts(statistics: Facts) -> str:
    """Tell how the project's own texts were written, and how far their labels are checked."""
    counted: Mapping[str, Facts] = statistics["configs"]
    holder = counted.get(OWN_SOURCE, counted[main_config(counted)])
    parts = []
    if OWN_SOURCE in holder["sources"]:
        by_split: Mapping[str, int] = holder["sources"][OWN_SOURCE]
        parts.append(_journal_text(by_split, statistics["journal_repetition"]))
        if statistics["journal_agreement"]:
            parts.append(_agreement_text(statistics["journal_agreement"], sum(by_split.values())))
    if SUGGESTIONS in counted:
        parts.append(_suggestions_text(counted[SUGGESTIONS]))
    return "\n\n".join(["## The project's own texts", *parts]) if parts else ""


def _journal_text(by_split: Mapping[str, int], repetition: Facts) -> str:
    rows = sum(by_split.values())
    test, validation = (_percent(by_split.get(name, 0), rows) for name in ("test", "validation"))
    return (
        f"The {rows:,} entries of `{OWN_SOURCE}` were written for this project. They were not "
        "collected from users, and no diary of a real person is in them: take them as synthetic "
        "text. Each is a few sentences "
        "about a day, in the manner of people of many ages, trades, regions and registers. The "
        "emotion is meant to be clear from what happens, and many entries do not name it; neutral "
        "ones are plain reports. No entry comes from a template: "
        f"{100 * repetition['share']:.1f}% share a run of {repetition['words']} words with "
        "another. Crises were left out on purpose. The split of each entry is fixed: "
        f"{test} test and {validation} validation, in each label."
    )


def _agreement_text(agreement: Facts, rows: int) -> str:
    return (
        f"A second reader, a language model, labelled {agreement['rows']:,} of the entries anew "
        f"({_percent(agreement['rows'], rows)}, drawn at random from the first files) without "
        "seeing the first label. "
        f"Both gave the same label to {agreement['agreeing']:,} of them "
        f"({100 * agreement['agreement']:.1f}%, Cohen's kappa {agreement['kappa']:.3f}). The "
        f"reader was unsure about {agreement['doubted']:,}; {agreement['taken_out']:,} have been "
        "taken out since. This says that the labels are consistent. It does not say that people "
        "would agree as much."
    )


def _suggestions_text(counted: Facts) -> str:
    words = counted["suggestions"]["words"]
    return (
        f"`{SUGGESTIONS}` has {counted['rows']:,} more entries, written for this project by a "
        "language model and read over, "
        f"each with one paragraph of advice or encouragement ({words['min']:,} to "
        f"{words['max']:,} words, {words['median']:,} in the middle). They show a tone; they are "
        "no professional advice."
    )


# What was measured --------------------------------------------------------------------------------


def measured(measurements: Facts, statistics: Facts) -> str:
    """Show what careless splits hide, and what the manner of a source is worth."""
    counted: Mapping[str, Facts] = statistics["configs"]
    parts = []
    if measurements.get("leak") and {MERGED, NAIVE} & set(counted):
        parts += ["### What careless splits hide", *_leak(measurements["leak"])]
    if measurements.get("manner") and OWN_SOURCE in _sources_with_rows(counted):
        parts += ["### The manner of a source", *_manner(measurements["manner"])]
    return "\n\n".join(["## What was measured", *parts]) if parts else ""


def _leak(leak: Facts) -> list[str]:
    naive, copies = leak["naive"], leak["naive_test_rows_with_a_copy_in_train"]
    tested = (
        ("rows dealt at random: all test rows", naive),
        ("of these, rows with a copy in train", leak["naive_seen"]),
        ("of these, rows without", leak["naive_unseen"]),
        (f"made as `{MERGED}` is: all test rows", leak["leak_free"]),
    )
    rows = [
        [name, f"{scores['test_rows']:,}", _score(scores["accuracy"]), _score(scores["macro_f1"])]
        for name, scores in tested
    ]
    sources = f" ({_listed(leak['sources'])})" if leak.get("sources") else ""
    inflation = leak["inflation"]
    return [
        f"{_cell(leak['model'])}, trained and tested on the same sources{sources} twice: put "
        f"together with the rows dealt to the splits at random, which is `{NAIVE}`, and without "
        f"copies and split group by group, as `{MERGED}` is.",
        markdown_table(["test set", "rows", "accuracy", "macro-F1"], rows),
        f"{copies:,} of the {naive['test_rows']:,} random test rows "
        f"({_percent(copies, naive['test_rows'])}) have an equal or near-equal text among the "
        f"training rows. Careless splits change accuracy by {inflation['accuracy']:+.3f} and "
        f"macro-F1 by {inflation['macro_f1']:+.3f}: do not compare a score on `{NAIVE}` with one "
        f"on `{MERGED}`.",
    ]


def _manner(manner: Facts) -> list[str]:
    rows = [
        [
            _cell(row["trained_on"]),
            f"{row['training_rows']:,}",
            _cell(row["tested_on"]),
            f"{row['test_rows']:,}",
            _score(row["macro_f1"]),
        ]
        for row in manner["rows"]
    ]
    return [
        f"{_cell(manner['model'])}, trained on one kind of text and tested on others:",
        markdown_table(["trained on", "training rows", "tested on", "test rows", "macro-F1"], rows),
        f"A score on the test rows of `{OWN_SOURCE}` says less than it seems to, because the "
        "entries share a manner that a model can learn instead of the emotion. A score on a source "
        "that was left out of training says more.",
    ]


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


# Limits, examples, citations ----------------------------------------------------------------------


def limits(statistics: Facts) -> str:
    """List what is known to be biased or weak."""
    counted: Mapping[str, Facts] = statistics["configs"]
    main = counted[main_config(counted)]
    found = [
        *_source_limits(main, statistics["sources"]),
        "**Labels.** Each source had its own annotators, instructions and names for emotions, and "
        "some labels are wrong. One label a text leaves no room for mixed feelings.",
        _imbalance(main),
        "**Place.** Most of what was first written in Indonesian is the everyday language of Java "
        "and its cities. Other regions and languages are rarer; this has not been measured.",
        "**People.** Who wrote the texts is mostly unknown: age, gender and origin can be neither "
        "balanced nor checked. Offensive words are left as they are.",
    ]
    if _GATHERED_BY_KEYWORD in counted:
        found.append(
            f"**Keywords.** The tweets of `{_GATHERED_BY_KEYWORD}` were gathered by emotion words, "
            "so a rule that looks for such words does well on them."
        )
    return "\n".join(f"- {limit}" for limit in found if limit)


def _source_limits(counted: Facts, sources: Mapping[str, Facts]) -> list[str]:
    totals = {name: sum(by_split.values()) for name, by_split in counted["sources"].items()}

    def share(rows: int) -> str:
        return f"{_percent(rows, counted['rows'])} of the rows"

    found = []
    if translated := _translated(counted):
        found.append(
            f"**Translation.** {share(translated)} are translations. Such texts are not how "
            "Indonesians write, whether a machine or a hand translated them, and a label that "
            "fits the original does not always fit here."
        )
    if tweets := sum(totals.get(name, 0) for name in _TWEETS):
        years = sorted(filter(None, (_year(sources[name]) for name in _TWEETS if name in sources)))
        when = f" of {years[0]} or before" if years else ""
        found.append(
            f"**Tweets.** {share(tweets)} are tweets{when}, with the slang, topics and names of "
            "their time."
        )
    if _REVIEWS in totals:
        found.append(
            f"**Reviews.** {share(totals[_REVIEWS])} are product reviews, whose emotion is about "
            "a purchase and often plain praise."
        )
    if written := {name: totals[name] for name in _WRITTEN if name in totals}:
        found.append(
            f"**Written for the project.** {share(sum(written.values()))} were "
            f"({_listed(written)}). They are balanced and clear, which real diaries and messages "
            "are not, and they share a manner."
        )
    return found


def _year(source: Facts) -> str:
    found = re.search(r"year\s*=\s*\{(\d{4})\}", source["bibtex"])
    return found.group(1) if found else ""


def _imbalance(counted: Facts) -> str:
    totals = {label: sum(by_split.values()) for label, by_split in counted["labels"].items()}
    ordered = sorted(totals, key=totals.__getitem__)
    least, most = ordered[0], ordered[-1]
    if totals[most] == totals[least]:
        return ""
    return (
        f"**Balance.** {_percent(totals[most], counted['rows'])} of the rows are {most} and "
        f"{_percent(totals[least], counted['rows'])} {least}. The labels are not spread evenly "
        "over the sources either, so a model may learn to tell sources apart instead."
    )


def examples(rows: Sequence[Mapping[str, str]]) -> str:
    """Show texts of the project's own."""
    if not rows:
        return "A card shows only texts that were written for the project; there are none here."
    cells = [[_cell(row["label"]), _cell(row["text"]), _cell(row["id"])] for row in rows]
    table = markdown_table(["label", "text", "id"], cells)
    return (
        f"All of them are from the training split of `{OWN_SOURCE}`, the project's own:\n\n{table}"
    )


def citations(sources: Mapping[str, Facts]) -> str:
    """Return the BibTeX entry of every source, each once."""
    entries = "\n\n".join(dict.fromkeys(source["bibtex"] for source in sources.values()))
    return f"```bibtex\n{entries}\n```"


# Words and cells ----------------------------------------------------------------------------------


def _translated(counted: Facts) -> int:
    return sum(kinds["translated"] for kinds in counted["languages"].values())


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def _number(value: int | None) -> str:
    return f"{value:,}" if value else "-"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}%"


def _listed(names: Iterable[str]) -> str:
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} and {last}" if first else last


def _cell(value: object) -> str:
    """Return any text as one line that neither Markdown nor HTML nor a table takes for its own."""
    text = _DIRECTION.sub("", to_valid_unicode(str(value)))
    text = "".join(" " if unicodedata.category(mark) == "Cc" else mark for mark in text)
    return " ".join(text.split()).translate(_ENTITIES)
