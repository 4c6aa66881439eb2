"""The page about the model: its card in brief, with every figure read from the model's folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..cards.names import KEYWORD_SYSTEM, MAIN_SET, OPINION_SET
from ..cards.names import MAIN_SYSTEM as SYSTEM
from ..corpus.download import DATA_FOLDER
from ..corpus.sources import EVALUATION_SOURCES, MERGED_SOURCES, SOURCES
from ..errors import ModelLoadError
from ..modeling.artifact import (
    BUNDLED_FOLDER,
    CARD_FILE,
    METRICS_FILE,
    ArtifactConfig,
    read_artifact_config,
    read_json,
)
from ..suggestions.safety import BUNDLED_DETECTOR, HelpLine, help_lines
from . import charts
from .markup import Language, escape, two, words

Facts = Mapping[str, Any]

_LINEAR_SYSTEM = "tfidf-svc"
_JOURNAL_SET = "journal/test"
_SPLITS = ("train", "validation", "test")
_PURPOSES = ("guess", "diary", "diagnosis", "others", "crisis")
_FIXED_LIMITS = ("sarcasm", "dialects", "english", "short", "long", "minors", "crisis")
_PAPERS = {
    "wide": ("Cheng et al. 2016", "https://arxiv.org/abs/1606.07792"),
    "shared": ("Bojanowski et al. 2017", "https://arxiv.org/abs/1607.04606"),
    "temperature": ("Guo et al. 2017", "https://arxiv.org/abs/1706.04599"),
}
_INDONESIAN_MARKS = str.maketrans(",.", ".,")
_CREATIVE_COMMONS = re.compile(r"CC-(BY(?:-(?:NC|SA|ND))*)-(\d\.\d)")
_BIBTEX = re.compile(r"```bibtex\n(.*?)\n```", re.DOTALL)


def about_html(model_folder: Path = BUNDLED_FOLDER, *, gemini: bool = False) -> str:
    """Return the page about a model as HTML in both languages.

    Args:
        model_folder: a model folder; without ``metrics.json`` the page has no figures.
        gemini: whether Gemini is configured, so that entries go to Google too.

    Raises:
        ModelLoadError: there is no model in the folder.
    """
    config = read_artifact_config(model_folder)
    metrics = _read_metrics(model_folder)
    evaluation: Facts = metrics.get("evaluation") or {}
    corpus: Facts = metrics.get("corpus") or {}
    sections = (
        _section("purpose", _purpose()),
        _section("quality", _quality(evaluation)),
        _section("limits", _limits(evaluation, corpus, config)),
        _section("data", _data(evaluation, corpus, config)),
        _section("privacy", _privacy(gemini)),
        _section("developers", _developers(model_folder, metrics, config)),
    )
    intro = f'<h2 class="mm-about-title">{_told("title")}</h2>{_paragraph("lead", "lead")}'
    return f'<article class="mm-about">{intro}{"".join(sections)}</article>'


def _read_metrics(folder: Path) -> Facts:
    try:
        return read_json(folder / METRICS_FILE)
    except ModelLoadError:  # a page without figures is better than none
        return {}


# Words and numbers --------------------------------------------------------------------------------


class _Phrase(NamedTuple):
    """A piece of HTML in both languages."""

    indonesian: str
    english: str

    @property
    def html(self) -> str:
        return two(self.indonesian, self.english)

    def says(self, lang: Language) -> str:
        return self.indonesian if lang == "id" else self.english


def _phrase(key: str, **values: str | _Phrase) -> _Phrase:
    """Return a text of the page; plain strings among the values are escaped."""
    return _Phrase(_filled(key, "id", values), _filled(key, "en", values))


def _filled(key: str, lang: Language, values: Mapping[str, str | _Phrase]) -> str:
    safe = {
        name: value.says(lang) if isinstance(value, _Phrase) else escape(value)
        for name, value in values.items()
    }
    return words(key if "." in key else f"about.{key}", lang, **safe)


def _told(key: str, **values: str | _Phrase) -> str:
    return _phrase(key, **values).html


def _number(value: float, form: str = ",") -> _Phrase:
    """Return a number as each language writes it: 3.614 and 0,71 in Indonesian."""
    english = f"{value:{form}}"
    return _Phrase(english.translate(_INDONESIAN_MARKS), english)


def _score(value: float) -> _Phrase:
    return _number(value, ".3f")


def _share(value: float) -> _Phrase:
    return _number(value, ".0%")


def _day(day: date) -> _Phrase:
    month = _phrase(f"journey.month_{day.month}")
    return _phrase("journey.date_year", day=str(day.day), month=month, year=str(day.year))


def _emotion(label: str) -> _Phrase:
    return _phrase(f"common.{label}")


def _named(kind: str, name: str) -> _Phrase:
    """Return what a test set or a system is called; one that has no text keeps its own name."""
    try:
        return _phrase(f"about.{kind}_{name}")
    except KeyError:
        return _Phrase(escape(name), escape(name))


def _listed(phrases: Iterable[_Phrase]) -> _Phrase:
    every = list(phrases)
    return _Phrase(*(", ".join(phrase.says(lang) for phrase in every) for lang in ("id", "en")))


# Pieces of HTML -----------------------------------------------------------------------------------


def _section(name: str, content: str) -> str:
    heading = f'<h3 id="mm-about-{name}">{_told(name)}</h3>'
    opening = f'<section class="mm-about-part" aria-labelledby="mm-about-{name}">'
    return f"{opening}{heading}{content}</section>"


def _paragraph(key: str, kind: str = "", **values: str | _Phrase) -> str:
    style = f' class="mm-about-{kind}"' if kind else ""
    return f"<p{style}>{_told(key, **values)}</p>"


def _points(items: Iterable[str], kind: str = "points") -> str:
    return f'<ul class="mm-about-{kind}">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _fold(title: str, content: str) -> str:
    return (
        f'<details class="mm-about-fold"><summary><h4>{_told(title)}</h4></summary>'
        f'<div class="mm-about-folded">{content}</div></details>'
    )


def _code(key: str, **values: str) -> str:
    return _block(words(f"about.{key}", "en", **values))


def _block(code: str) -> str:
    return f'<pre class="mm-about-code" tabindex="0"><code>{escape(code)}</code></pre>'


def _table(caption: str, header: Sequence[str], rows: Iterable[str], kind: str) -> str:
    """Return a table; the roles keep it one where the style sheet lays its rows out as cards."""
    columns = "".join(f'<th scope="col" role="columnheader">{cell}</th>' for cell in header)
    body = "".join(f'<tr role="row">{row}</tr>' for row in rows)
    return (
        f'<table class="mm-about-table mm-about-{kind}" role="table">'
        f'<caption class="mm-hidden">{_told(caption)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{columns}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def _row_head(content: str) -> str:
    return f'<th scope="row" role="rowheader">{content}</th>'


def _cell(content: str, kind: str = "") -> str:
    style = f' class="mm-about-{kind}"' if kind else ""
    return f'<td role="cell"{style}>{content}</td>'


def _link(address: str, content: str) -> str:
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">{content}</a>'


# What it is for -----------------------------------------------------------------------------------


def _purpose() -> str:
    checked = date.fromisoformat(read_json(DATA_FOLDER / "help_lines.json")["checked"])
    return (
        _points(_told(f"purpose_{name}") for name in _PURPOSES)
        + f'<div class="mm-about-help"><h4>{_told("help")}</h4>'
        + _points((_help_line(line) for line in help_lines()), "lines")
        + _paragraph("help_checked", "note", day=_day(checked))
        + "</div>"
    )


def _help_line(line: HelpLine) -> str:
    name = two(escape(line.name), escape(line.english_name or line.name))
    # A telephone number opens in no new page.
    target = "" if (line.link or "").startswith("tel:") else ' target="_blank" rel="noopener"'
    if line.link:
        name = f'<a href="{escape(line.link)}"{target}>{name}</a>'
    return f"<strong>{name}</strong> {two(escape(line.indonesian), escape(line.english))}"


# How good it is -----------------------------------------------------------------------------------


def _quality(evaluation: Facts) -> str:
    sets = _tested(evaluation)
    if not sets:
        return _paragraph("no_figures")
    parts = [_tiles(sets), _verdict(sets)]
    if MAIN_SET in sets:
        scores = _ours(sets[MAIN_SET])
        parts += [f"<h4>{_told('emotions')}</h4>", _emotion_bars(scores["per_class"])]
        parts.append(_paragraph("emotions_note", "note"))
    parts.append(_fold("scores", _all_scores(evaluation, sets)))
    if MAIN_SET in sets:
        matrix = charts.matrix(evaluation["labels"], scores["confusion"])
        parts.append(_fold("confusion", _paragraph("confusion_note", "note") + matrix))
    return "".join(parts)


def _tested(evaluation: Facts) -> dict[str, Facts]:
    """Return the test sets on which the model itself was tested."""
    sets: Mapping[str, Facts] = evaluation.get("sets") or {}
    return {name: entry for name, entry in sets.items() if SYSTEM in entry["systems"]}


def _ours(entry: Facts) -> Facts:
    scores: Facts = entry["systems"][SYSTEM]
    return scores


def _tiles(sets: Mapping[str, Facts]) -> str:
    tiles = [
        f"<li><strong>{_share(_ours(sets[name])['accuracy']['value']).html}</strong> "
        f"<span>{_told(key, rows=_number(sets[name]['rows']))}</span></li>"
        for name, key in ((MAIN_SET, "tile_main"), (_JOURNAL_SET, "tile_journal"))
        if name in sets
    ]
    return f'<ul class="mm-about-tiles">{"".join(tiles)}</ul>' if tiles else ""


def _verdict(sets: Mapping[str, Facts]) -> str:
    """Return what the comparison with the linear baseline comes to, in words."""
    pairs = [
        (_ours(entry)["macro_f1"], entry["systems"][_LINEAR_SYSTEM]["macro_f1"])
        for entry in sets.values()
        if _LINEAR_SYSTEM in entry["systems"]
    ]
    if not pairs:
        return ""
    outcome = " ".join([_wins(pairs), *_clear_cases(pairs)])
    return (
        f"<h4>{_told('verdict')}</h4>{_paragraph('verdict_intro')}"
        f"{_points([outcome, *_keyword_case(sets)])}{_paragraph('verdict_note', 'note')}"
    )


def _wins(pairs: Sequence[tuple[Facts, Facts]]) -> str:
    below = sum(ours["value"] < theirs["value"] for ours, theirs in pairs)
    above = sum(ours["value"] > theirs["value"] for ours, theirs in pairs)
    outcome = {(0, 0): "even", (len(pairs), 0): "below", (0, len(pairs)): "above"}
    return _told(
        f"verdict_{outcome.get((below, above), 'mixed')}",
        total=_number(len(pairs)),
        below=_number(below),
        above=_number(above),
    )


def _clear_cases(pairs: Sequence[tuple[Facts, Facts]]) -> Iterator[str]:
    below = sum(ours["high"] < theirs["low"] for ours, theirs in pairs)
    above = sum(ours["low"] > theirs["high"] for ours, theirs in pairs)
    if below:
        yield _told("verdict_clearly_below", count=_number(below))
    if above:
        yield _told("verdict_clearly_above", count=_number(above))
    if not below and not above:
        yield _told("verdict_close")


def _keyword_case(sets: Mapping[str, Facts]) -> Iterator[str]:
    better = [
        _named("set", name)
        for name, entry in sets.items()
        if (rule := entry["systems"].get(KEYWORD_SYSTEM))
        and rule["macro_f1"]["value"] > _ours(entry)["macro_f1"]["value"]
    ]
    if better:
        yield _told("verdict_keywords", sets=_listed(better))


def _emotion_bars(per_class: Mapping[str, Facts]) -> str:
    return charts.bars(
        [
            charts.Bar(charts.feeling(label), scores["f1"], _score(scores["f1"]).html, label)
            for label, scores in per_class.items()
        ]
    )


def _all_scores(evaluation: Facts, sets: Mapping[str, Facts]) -> str:
    systems = list(dict.fromkeys(name for entry in sets.values() for name in entry["systems"]))
    header = [_told("column_set"), *(_named("system", name).html for name in systems)]
    rows = (
        _row_head(_set_head(name, entry)) + _set_cells(entry["systems"], systems)
        for name, entry in sets.items()
    )
    bootstrap = evaluation["bootstrap"]
    return (
        _paragraph(
            "scores_note",
            "note",
            confidence=_share(bootstrap["confidence"]),
            samples=_number(bootstrap["samples"]),
        )
        + _table("scores_caption", header, rows, "scores")
        + _paragraph("system_note", "note")
    )


def _set_head(name: str, entry: Facts) -> str:
    rows = _told("rows", rows=_number(entry["rows"]))
    return f"{_named('set', name).html}<small><code>{escape(name)}</code> · {rows}</small>"


def _set_cells(scores: Mapping[str, Facts], systems: Sequence[str]) -> str:
    best = max(system["macro_f1"]["value"] for system in scores.values())
    cells = []
    for name in systems:
        if name not in scores:
            cells.append(_cell("-"))
            continue
        macro = scores[name]["macro_f1"]
        value, (low, high) = _score(macro["value"]).html, _interval(macro)
        if macro["value"] == best:
            told = f'<span class="mm-hidden">{_told("best")}</span>'
            value = f'<strong><span aria-hidden="true">★</span> {value} {told}</strong>'
        cells.append(_cell(f"{value}<small>{two(low, high)}</small>"))
    return "".join(cells)


def _interval(macro: Facts) -> _Phrase:
    low, high = _score(macro["low"]), _score(macro["high"])
    return _Phrase(f"{low.indonesian}–{high.indonesian}", f"{low.english}–{high.english}")


# What it is bad at --------------------------------------------------------------------------------


def _limits(evaluation: Facts, corpus: Facts, config: ArtifactConfig) -> str:
    sets = _tested(evaluation)
    measured: list[str] = []
    if MAIN_SET in sets:
        scores = _ours(sets[MAIN_SET])
        measured += [_weakest_class(scores), _worst_confusion(evaluation["labels"], scores)]
    measured += _weakest_source(sets, corpus)
    measured += _unseen(sets)
    tokens = _number(config.max_length)
    fixed = [_told(f"limit_{name}", tokens=tokens) for name in _FIXED_LIMITS]
    return _points([*measured, *fixed, *_missed_crises()])


def _missed_crises() -> list[str]:
    detector = _read_metrics(BUNDLED_DETECTOR)
    if not detector:
        return []
    found, ordinary = detector["recall"], detector["false_alarms_ordinary"]
    return [
        _told(
            "limit_crisis_measured",
            crises=_number(found["of"]),
            missed=_number(found["of"] - found["part"]),
            ordinary=_number(ordinary["of"]),
            alarms=_number(ordinary["part"]),
        )
    ]


def _weakest_class(scores: Facts) -> str:
    per_class: Mapping[str, Facts] = scores["per_class"]
    label = min(per_class, key=lambda name: float(per_class[name]["f1"]))
    return _told("limit_class", emotion=_emotion(label), score=_score(per_class[label]["f1"]))


def _worst_confusion(labels: Sequence[str], scores: Facts) -> str:
    counts: Sequence[Sequence[int]] = scores["confusion"]
    numbers = range(len(labels))
    wrong = [(counts[row][column], row, column) for row in numbers for column in numbers]
    count, row, column = max(cell for cell in wrong if cell[1] != cell[2])
    return _told(
        "limit_confusion",
        actual=_emotion(labels[row]),
        guessed=_emotion(labels[column]),
        count=_number(count),
        share=_share(count / max(1, sum(counts[row]))),
    )


def _weakest_source(sets: Mapping[str, Facts], corpus: Facts) -> list[str]:
    scores = {
        name: float(_ours(sets[name])["macro_f1"]["value"])
        for name in (f"{source}/test" for source in corpus.get("sources") or ())
        if name in sets
    }
    if not scores:
        return []
    name = min(scores, key=scores.__getitem__)
    return [_told("limit_source", set=_named("set", name), score=_score(scores[name]))]


def _unseen(sets: Mapping[str, Facts]) -> list[str]:
    if MAIN_SET not in sets or OPINION_SET not in sets:
        return []
    scores = [_score(_ours(sets[name])["macro_f1"]["value"]) for name in (OPINION_SET, MAIN_SET)]
    unseen = _named("set", OPINION_SET)
    return [_told("limit_unseen", set=unseen, score=scores[0], main=scores[1])]


# The data -----------------------------------------------------------------------------------------


def _data(evaluation: Facts, corpus: Facts, config: ArtifactConfig) -> str:
    sources: Mapping[str, Facts] = corpus.get("sources") or {}
    if not sources:
        return _paragraph("data_unknown") + _license(sources, config)
    train, validation, test = (
        sum(int(source[split]) for source in sources.values()) for split in _SPLITS
    )
    summary = _paragraph(
        "data_summary",
        total=_number(train + validation + test),
        count=_number(sum(_rows(source) > 0 for source in sources.values())),
        train=_number(train),
        validation=_number(validation),
        test=_number(test),
    )
    tested = _evaluation_rows(evaluation, sources)
    return summary + _license(sources, config) + _fold("sources", _sources(sources, tested))


def _rows(source: Facts) -> int:
    return sum(int(source[split]) for split in _SPLITS)


def _evaluation_rows(evaluation: Facts, sources: Mapping[str, Facts]) -> dict[str, int]:
    """Return the sources that the model was only tested on, with their rows."""
    sets = evaluation.get("sets") or {}
    return {
        name: int(sets[name]["rows"])
        for name in EVALUATION_SOURCES
        if name in sets and name not in sources
    }


def _sources(sources: Mapping[str, Facts], tested: Mapping[str, int]) -> str:
    header = [_told(f"column_{name}") for name in ("source", "rows", "language", "license")]
    rows = [
        _source_row(name, source["title"], source["license"], _source_rows(source))
        for name, source in sources.items()
    ]
    for name, count in tested.items():
        source = SOURCES[name]
        note = f"{_number(count).html}<small>{_told('only_test')}</small>"
        rows.append(_source_row(name, source.title, source.license, note))
    known = [(source["title"], source["terms"]) for source in sources.values()]
    known += [(SOURCES[name].title, SOURCES[name].terms) for name in tested]
    terms = _points(
        (f"<strong>{escape(title)}</strong>: {escape(terms)}" for title, terms in known), "small"
    )
    return (
        _table("sources_caption", header, rows, "sources")
        + f'<h5>{_told("terms")}</h5><div lang="en">{terms}</div>'
    )


def _source_rows(source: Facts) -> str:
    rows = _rows(source)
    note = "" if rows else f"<small>{_told('emptied')}</small>"
    return f"{_number(rows).html}{note}"


def _source_row(name: str, title: str, license_id: str, rows: str) -> str:
    source = SOURCES.get(name)
    shown = escape(title)
    if source is not None and source.homepage:
        shown = _link(source.homepage, shown)
    translated = source is not None and source.translated
    language = _told("translated" if translated else "original")
    cells = (_cell(rows), _cell(language), _cell(_license_link(license_id)))
    return _row_head(f'<span lang="en">{shown}</span>') + "".join(cells)


def _license_link(license_id: str) -> str:
    parts = _CREATIVE_COMMONS.fullmatch(license_id)
    if parts is None:
        # The Hub's name for a licence of no known kind: other-NAME.
        research = license_id.startswith("other-")
        return _told("research") if research else escape(license_id)
    kind, version = parts.groups()
    address = f"https://creativecommons.org/licenses/{kind.lower()}/{version}/"
    return _link(address, escape(f"CC {kind} {version}"))


def _license(sources: Mapping[str, Facts], config: ArtifactConfig) -> str:
    """Return the licence of the weights, and which of the data it follows from."""
    used = [source for source in sources.values() if source["train"]]
    linked = _license_link(config.license)
    parts = [_told("license_weights", license=_Phrase(linked, linked))]
    if "NC" in config.license:
        same = [source["title"] for source in used if source["license"] == config.license]
        research = [source["title"] for source in used if source["license"].startswith("other-")]
        if same:
            parts.append(_told("license_same", titles=", ".join(same)))
        if research:
            parts.append(_told("license_research", titles=", ".join(research)))
        if "SA" in config.license:
            parts.append(_told("license_noncommercial"))
    parts.append(_told("license_code"))
    return _points(parts)


# Privacy ------------------------------------------------------------------------------------------


def _privacy(gemini: bool) -> str:
    engine = "gemini" if gemini else "local"
    names = ("server", engine, "history", "import", "batch", "analytics")
    return _points(_told(f"privacy_{name}") for name in names)


# For developers -----------------------------------------------------------------------------------


def _developers(folder: Path, metrics: Facts, config: ArtifactConfig) -> str:
    model = _code("code_install") + _paragraph("use_model_note") + _code("code_model")
    app = _points((_told("use_api"), _told("use_mcp")))
    parts = [_fold("use_model", model), _fold("use_data", _use_data()), _fold("use_app", app)]
    parts.append(_fold("inside", _facts(metrics, config) + _how_it_works(config)))
    citation = _citation(folder, metrics.get("corpus") or {})
    if citation:
        parts.append(_fold("cite", citation))
    return "".join(parts)


def _use_data() -> str:
    missing = ",".join(name for name in MERGED_SOURCES if not _is_offered(name))
    return (
        _code("code_install_data")
        + _paragraph("use_suggestions_note")
        + _code("code_suggestions")
        + _paragraph("use_data_note")
        + _code("code_build", missing=missing)
        + _code("code_data")
    )


def _is_offered(name: str) -> bool:
    source = SOURCES[name]
    return source.bundled or bool(source.kaggle) or all(file.url for file in source.files)


def _facts(metrics: Facts, config: ArtifactConfig) -> str:
    model, training, sizes = config.model, metrics.get("training") or {}, metrics.get("sizes") or {}
    recipe = {"name": config.recipe, "version": str(config.recipe_version)}
    facts = {
        "recipe": _told("recipe", **recipe),
        "layers": escape(" + ".join(str(units) for units in model.lstm_units)),
        "vocabulary": _number(model.vocab_size).html,
        "parameters": _number(model.count_parameters()).html,
    }
    if model.pair_buckets:
        bilstm = replace(model, pair_buckets=0).count_parameters()
        facts["linear"] = _number(model.count_parameters() - bilstm).html
    if sizes:
        facts["size"] = f"{_number(sum(sizes.values()) / 1e6, '.1f').html} MB"
    if training:
        facts["training"] = _told(
            "training",
            minutes=_number(training["seconds"] / 60, ".0f"),
            epochs=_number(training["epochs"]),
            cores=_number(training["cpu_cores"]),
        )
    facts["version"] = escape(__version__)
    facts["made_with"] = escape(", ".join(f"{name} {v}" for name, v in config.versions.items()))
    rows = (f"<dt>{_told(f'fact_{name}')}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'<dl class="mm-about-facts">{"".join(rows)}</dl>'


def _how_it_works(config: ArtifactConfig) -> str:
    """Return what the model is made of and how it learned, without a formula."""
    names = ["bilstm"]
    if config.model.pair_buckets:
        names += ["linear", "learning", "weighing"]
    links = {name: _link(address, escape(paper)) for name, (paper, address) in _PAPERS.items()}
    papers = {name: _Phrase(link, link) for name, link in links.items()}
    return _points(_told(f"inside_{name}", **papers) for name in names)


def _citation(folder: Path, corpus: Facts) -> str:
    """Return how to cite the model, as its card says, and the data that it learned from."""
    card = folder / CARD_FILE
    entry = _BIBTEX.search(card.read_text(encoding="utf-8")) if card.is_file() else None
    citations = [source["citation"] for source in (corpus.get("sources") or {}).values()]
    parts = [_block(entry.group(1))] if entry else []
    if citations:
        items = _points((escape(citation) for citation in citations), "small")
        parts.append(f'{_paragraph("cite_data")}<div lang="en">{items}</div>')
    return "".join(parts)
