"""Pictures of the corpus for its card, as PNG files."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..corpus.sources import EVALUATION_SOURCES
from ..corpus.statistics import Rows, WordCache, Words, config_statistics, vocabulary_growth
from ..errors import require
from ..labels import EMOTIONS, LABELS, Emotion

CLASS_DISTRIBUTION = "class_distribution.png"
TEXT_LENGTH = "text_length.png"
VOCABULARY_GROWTH = "vocabulary_growth.png"
WORD_CLOUDS: Mapping[str, str] = {label: f"wordcloud_{label}.png" for label in LABELS}

_EXTRA = "cards"
_DPI = 110
_INK = "#1f2937"
_MUTED = "#4b5563"
_GRID = "#e5e7eb"
# None of the classes' colours but the first, which is the text's; each keeps a contrast of at
# least 3:1 on white.
_CURVE_COLOURS = (
    _INK, "#0f766e", "#c2410c", "#1d4ed8", "#a21caf", "#4d7c0f", "#92400e", "#be123c", "#0e7490",
)  # fmt: skip
_MARKERS = "os^DvPX*p"
_LABELLED_SHARE = 0.07
_CURVE_POINTS = 200

_CLOUD_SIZE = (1000, 460)
_CLOUD_WORDS = 80
_CLOUD_SEED = 42
_SHADES = (1.0, 0.75, 0.5)
_SHORTEST_WORD = 3
_RAREST_WORD = 8
_RAREST_IN_SOURCE = 3
_PRIOR_ROWS = 200.0
_PRIOR_SHARE = 0.1
_LEAST_LOG_ODDS = math.log(2)


def write_plots(rows_by_split: Rows, folder: Path) -> list[Path]:
    """Draw the corpus: its classes, text lengths and vocabulary, and a word cloud a class.

    A word cloud shows the words that are typical of a class, and not those that are frequent
    everywhere: a word's size follows the log-odds of its being in a row of the class against the
    rows of the other classes, with the corpus as the prior (Monroe, Colaresi and Quinn 2008), in
    standard deviations; only words with at least twice the odds are shown. The odds are taken
    within each source and then combined, else the clouds would show what a source is about
    (parcels, say) instead of the emotion. Words are those without digits, emoji and placeholders
    that more than one source uses, where there are several. Sources that may only be evaluated on
    give no words.

    Args:
        rows_by_split: rows of one config with texts, labels and sources, ``merged`` as a rule.
        folder: where the files go; it is made if need be.

    Returns:
        The files. A class without a typical word has no cloud.

    Raises:
        InputError: there is no row.
        MissingExtraError: the ``cards`` extra is not installed.
    """
    require("matplotlib", _EXTRA)
    require("wordcloud", _EXTRA)
    words = WordCache()
    statistics = config_statistics(rows_by_split, words)
    rows = [row for part in rows_by_split.values() for row in part]
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in (CLASS_DISTRIBUTION, TEXT_LENGTH, VOCABULARY_GROWTH)]
    _plot_classes(statistics, paths[0])
    _plot_lengths(statistics, paths[1])
    _plot_vocabulary(statistics, rows, words, paths[2])
    typical = _typical_words(rows, words)
    for emotion in EMOTIONS:
        if typical[emotion.name]:
            paths.append(folder / WORD_CLOUDS[emotion.name])
            _draw_cloud(typical[emotion.name], emotion, paths[-1])
    return paths


# Charts -------------------------------------------------------------------------------------------


def _plot_classes(statistics: Mapping[str, Any], path: Path) -> None:
    sources: Mapping[str, Mapping[str, int]] = statistics["labels_by_source"]
    figure = _figure(10.0, max(3.0, 1.4 + 0.42 * max(len(sources), len(LABELS))))
    classes, shares = figure.subplots(1, 2, width_ratios=(2, 3))
    totals = [sum(statistics["labels"].get(label, {}).values()) for label in LABELS]
    colours = [emotion.colour for emotion in EMOTIONS]
    names = [f"{emotion.name} ({emotion.indonesian})" for emotion in EMOTIONS]
    bars = classes.barh(names, totals, color=colours, height=0.7)
    classes.bar_label(bars, [f"{total:,}" for total in totals], padding=4, color=_INK)
    classes.set_title("Rows of each class", loc="left", color=_INK)
    classes.set_xlim(0, max(totals) * 1.22)
    classes.set_xticks([])
    _stack_shares(shares, sources)
    for axes, bars_shown in ((classes, len(LABELS)), (shares, max(len(sources), len(LABELS)))):
        axes.set_ylim(bars_shown - 0.5, -0.5)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, labelcolor=_INK)
    _save(figure, path)


def _stack_shares(axes: Any, sources: Mapping[str, Mapping[str, int]]) -> None:
    """Draw one bar a source, cut into its classes; wide enough parts say how many percent."""
    totals = {source: sum(counts.values()) for source, counts in sources.items()}
    names = [f"{source}\n{total:,} rows" for source, total in totals.items()]
    left = [0.0] * len(sources)
    for emotion in EMOTIONS:
        parts = [counts.get(emotion.name, 0) / totals[source] for source, counts in sources.items()]
        bars = axes.barh(
            names, parts, left=left, color=emotion.colour, height=0.7, edgecolor="white"
        )
        shown = [f"{part:.0%}" if part >= _LABELLED_SHARE else "" for part in parts]
        axes.bar_label(bars, shown, label_type="center", color="white", weight="bold", fontsize=9)
        left = [start + part for start, part in zip(left, parts, strict=True)]
    axes.set_title("Classes within each source", loc="left", color=_INK)
    axes.set_xlim(0, 1)
    axes.set_xticks([])


def _plot_lengths(statistics: Mapping[str, Any], path: Path) -> None:
    lengths: Mapping[str, Mapping[str, int]] = statistics["words"]["by_source"]
    ordered = sorted(lengths, key=lambda source: lengths[source]["median"])
    boxes = [_box(source, lengths[source]) for source in ordered]
    figure = _figure(8.0, 1.5 + 0.45 * len(boxes))
    axes = figure.subplots()
    drawn = axes.bxp(
        boxes,
        orientation="horizontal",
        showfliers=False,
        patch_artist=True,
        widths=0.55,
        boxprops={"facecolor": "#bfdbfe", "edgecolor": _MUTED},
        medianprops={"color": _INK, "linewidth": 2},
        whiskerprops={"color": _MUTED},
        capprops={"color": _MUTED},
    )
    for median, box in zip(drawn["medians"], boxes, strict=True):
        at = (box["med"], max(median.get_ydata()))
        axes.annotate(f"{box['med']}", at, xytext=(0, 2), textcoords="offset points",
                      ha="center", va="bottom", fontsize=9, color=_INK)  # fmt: skip
    axes.set_title("Words in a text, by source", loc="left", color=_INK)
    axes.set_xlabel("words (box: middle half and median, line: shortest text to 95th percentile)")
    _plain(axes, "x")
    _save(figure, path)


def _box(source: str, lengths: Mapping[str, int]) -> dict[str, Any]:
    return {
        "label": source,
        "whislo": lengths["min"],
        "q1": lengths["q1"],
        "med": lengths["median"],
        "q3": lengths["q3"],
        "whishi": lengths["p95"],
    }


def _plot_vocabulary(
    statistics: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], words: Words, path: Path
) -> None:
    sources = list(statistics["sources"])
    texts = {"all": [row["text"] for row in rows]} if len(sources) > 1 else {}
    for source in sources:
        texts[source] = [row["text"] for row in rows if row["source"] == source]
    curves = {name: vocabulary_growth(own, _CURVE_POINTS, words) for name, own in texts.items()}
    figure = _figure(9.4, 4.4)
    axes = figure.subplots()
    # The legend lists the curves from top to bottom, as they end.
    for name in sorted(curves, key=lambda name: -curves[name][-1]["vocabulary"]):
        number = list(curves).index(name)
        counts = [point["texts"] for point in curves[name]]
        distinct = [point["vocabulary"] for point in curves[name]]
        axes.plot(
            counts,
            distinct,
            label=f"{name}: {distinct[-1]:,} words\nin {counts[-1]:,} texts",
            color=_CURVE_COLOURS[number % len(_CURVE_COLOURS)],
            marker=_MARKERS[number % len(_MARKERS)],
            markevery=[len(counts) - 1],
            markersize=8,
            linewidth=2,
        )
    axes.set_title("Distinct words by number of texts", loc="left", color=_INK)
    axes.set(xlabel="texts, in mixed order", ylabel="distinct words", xscale="log", yscale="log")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9, labelcolor=_INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _plain(axes, "both")
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def _plain(axes: Any, grid: str) -> None:
    axes.grid(axis=grid, color=_GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_MUTED, labelcolor=_INK)


def _save(figure: Any, path: Path) -> None:
    # Without the version in its metadata, the same numbers give the same file.
    figure.savefig(path, metadata={"Software": None})


# Word clouds --------------------------------------------------------------------------------------


_Counts = dict[str, dict[str, Counter[str]]]


def _typical_words(rows: Iterable[Mapping[str, Any]], words: Words) -> dict[str, dict[str, float]]:
    """Return for each class the weights of its most typical words, the heaviest first."""
    counts, sizes = _count_words(rows, words)
    used_by = Counter(word for found in counts.values() for word in found)
    known = [word for word, sources in used_by.items() if sources >= min(2, len(counts))]
    typical = {}
    for label in LABELS:
        # A source with one class alone says nothing about what sets that class apart.
        strata = [
            source for source in sorted(counts) if 0 < sizes[source][label] < sizes[source].total()
        ]
        weights = {}
        for word in known:
            held = [(counts[s][word], sizes[s]) for s in strata if word in counts[s]]
            in_class = [by_label[label] for by_label, _ in held]
            used = sum(rows >= _RAREST_IN_SOURCE for rows in in_class)
            if sum(in_class) >= _RAREST_WORD and used >= min(2, len(strata)):
                weights[word] = _weight(held, label)
        best = sorted(weights, key=lambda word: (-weights[word], word))[:_CLOUD_WORDS]
        typical[label] = {word: weights[word] for word in best if weights[word] > 0}
    return typical


def _count_words(
    rows: Iterable[Mapping[str, Any]], words: Words
) -> tuple[_Counts, dict[str, Counter[str]]]:
    """Return by source and word the rows of each label that hold it, and by source all rows."""
    counts: _Counts = defaultdict(lambda: defaultdict(Counter))
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        source, label = row["source"], row["label"]
        if source in EVALUATION_SOURCES:
            continue
        sizes[source][label] += 1
        for word in set(words(row["text"])):
            if len(word) >= _SHORTEST_WORD and word.isalpha():
                counts[source][word][label] += 1
    return counts, sizes


def _weight(held: Sequence[tuple[Counter[str], Counter[str]]], label: str) -> float:
    """Return how typical a word is of a label, in standard deviations; 0 where it hardly is.

    ``held`` has, for each source, the rows of each label with the word, and all rows. The sources'
    log-odds are averaged by their precision.
    """
    total = precision = 0.0
    for by_label, sizes in held:
        difference, variance = _log_odds(by_label, sizes, label)
        total += difference / variance
        precision += 1 / variance
    if total / precision < _LEAST_LOG_ODDS:
        return 0.0
    return total / math.sqrt(precision)


def _log_odds(by_label: Counter[str], sizes: Counter[str], label: str) -> tuple[float, float]:
    """Return the log-odds of a word in a label against the others, and their variance."""
    rows, inside = sizes.total(), sizes[label]
    prior_rows = min(_PRIOR_ROWS, _PRIOR_SHARE * rows)
    prior = prior_rows * by_label.total() / rows
    here, elsewhere = by_label[label] + prior, by_label.total() - by_label[label] + prior

    def log_odds(holding: float, size: int) -> float:
        # Half a row more, since a word may be in every row there is.
        return math.log(holding / (size + prior_rows + 0.5 - holding))

    difference = log_odds(here, inside) - log_odds(elsewhere, rows - inside)
    return difference, 1 / here + 1 / elsewhere


def _draw_cloud(words: Mapping[str, float], emotion: Emotion, path: Path) -> None:
    import matplotlib

    shades = [_darkened(emotion.colour, share) for share in _SHADES]

    def shade(word: str, **_: object) -> str:
        return shades[list(words).index(word) % len(shades)]

    cloud = require("wordcloud", _EXTRA).WordCloud(
        width=_CLOUD_SIZE[0],
        height=_CLOUD_SIZE[1],
        background_color="white",
        # Matplotlib brings this font along: the same picture everywhere.
        font_path=str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"),
        color_func=shade,
        prefer_horizontal=1.0,
        relative_scaling=0.6,
        min_font_size=13,
        max_font_size=88,
        margin=18,
        random_state=_CLOUD_SEED,
    )
    cloud.generate_from_frequencies(dict(words))
    cloud.to_image().save(path, format="PNG")


def _darkened(colour: str, share: float) -> str:
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part * share):02x}" for part in parts)
