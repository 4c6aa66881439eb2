"""Writes the README's tables from the bundled model's ``metrics.json`` and the benchmark results.

``python benchmarks/readme_tables.py`` rewrites the parts of README.md between its markers;
a test fails where they differ from the files, so no figure there is typed by hand. A section whose
markers README.md does not have is left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from explanation import faithfulness_table, overall_table, rest_table

from memotions_hf.cards.comparison import (
    DIARY_SET,
    format_over_seeds,
    has_several_seeds,
    over_seeds_table,
)
from memotions_hf.cards.names import LINEAR_SYSTEM, MAIN_SET, MAIN_SYSTEM, OPINION_FOUR_SET
from memotions_hf.cards.tables import (
    detail_table,
    format_interval,
    macro_f1_table,
    markdown_table,
    per_class_table,
)
from memotions_hf.training.comparison import EMOT_OWN_LABELS_SET

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BUNDLED = ROOT / "memotions_hf" / "bundled" / "memotions-bilstm"
RESULTS = ROOT / "benchmarks" / "results"
CORPUS = ROOT / "dataset_scripts" / "memotions-corpus"
MEASUREMENTS = ROOT / "memotions_hf" / "data" / "measurements.json"
SPLITS = ("train", "validation", "test")
# What the systems are compared by: the name of the column, the test set and the metric.
COMPARED = (
    ("merged/test", MAIN_SET, "macro_f1"),
    ("EmoT, own labels", EMOT_OWN_LABELS_SET, "macro_f1"),
    ("diary rows: accuracy", DIARY_SET, "accuracy"),
    ("journal/test", "journal/test", "macro_f1"),
    ("opinion, four emotions", OPINION_FOUR_SET, "macro_f1"),
)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        sys.exit(
            f"{path} is missing, and a part of README.md is made from it; "
            "write it with a target of the Makefile, or take the markers of that part out"
        )
    return value


def _metrics() -> dict[str, Any]:
    return _read_json(BUNDLED / "metrics.json")


def _facts() -> str:
    metrics = _metrics()
    training, sizes = metrics["training"], metrics["sizes"]
    splits = metrics["corpus"]["splits"]
    startup = _read_json(RESULTS / "startup.json")
    stream = _read_json(RESULTS / "predict_stream.json")
    parquet = _read_json(RESULTS / "predict_parquet.json")
    return markdown_table(
        ["what", "figure"],
        [
            ["training rows", f"{splits['train']:,}"],
            ["parameters", f"{training['parameters']:,}"],
            [
                "training time",
                f"{training['seconds'] / 60:.0f} min on {training['cpu_cores']} CPU cores",
            ],
            ["model.onnx", f"{sizes['model.onnx'] / 1e6:.1f} MB"],
            ["bundled files together", f"{sum(sizes.values()) / 1e6:.1f} MB"],
            [
                "`python -c 'import memotions_hf'`",
                f"{startup['seconds']['import_memotions_hf']:.3f} s",
            ],
            ["`memotions predict TEXT`", f"{startup['seconds']['predict']:.2f} s"],
            [f"peak memory, {stream['lines']:,} lines", f"{stream['peak_resident_mb']:.0f} MB"],
            [f"lines a second, {stream['lines']:,} lines", f"{stream['lines_per_second']:,.0f}"],
            *(
                [
                    f"{parquet['rows']:,} rows of Parquet ({way})",
                    f"{median(seconds):.0f} s",
                ]
                for way, seconds in parquet["seconds"].items()
            ),
        ],
    )


def _corpus() -> str:
    """Return the rows of the merged config by source and split, from the statistics of its card."""
    statistics = _read_json(CORPUS / "statistics.json")
    counts: Mapping[str, Mapping[str, int]] = statistics["configs"]["merged"]["sources"]
    licences = {name: source["license"] for name, source in statistics["sources"].items()}
    rows = [
        [name, *(f"{splits.get(split, 0):,}" for split in SPLITS), licences[name]]
        for name, splits in counts.items()
    ]
    total = [sum(splits.get(split, 0) for splits in counts.values()) for split in SPLITS]
    rows.append(["together", *(f"{count:,}" for count in total), ""])
    return markdown_table(["source", *SPLITS, "licence"], rows)


def _leak() -> str:
    leak = _read_json(MEASUREMENTS)["leak"]
    rows = [
        [name, f"{leak[key]['test_rows']:,}", f"{leak[key]['accuracy']:.3f}", f1(leak[key])]
        for name, key in (
            ("memotions-2024", "naive"),
            ("... its test rows with a copy in train", "naive_seen"),
            ("... its other test rows", "naive_unseen"),
            ("the same sources, leak-free", "leak_free"),
        )
    ]
    return markdown_table([leak["model"], "test rows", "accuracy", "macro-F1"], rows)


def f1(score: Mapping[str, float]) -> str:
    """Return a macro-F1 as it is printed."""
    return f"{score['macro_f1']:.3f}"


def _merge_speed() -> str:
    runs = _read_json(RESULTS / "merge_corpus.json")["runs"]
    rows = [
        [
            f"{run['english_rows']:,}",
            f"{run['rows_read']:,}",
            f"{run['seconds']:.0f} s",
            f"{run['peak_resident_mb'] / 1000:.1f} GB",
        ]
        for run in runs
    ]
    header = ["translated rows merged with all sources", "rows in all", "time", "peak memory"]
    return markdown_table(header, rows)


def _crisis() -> str:
    result = _read_json(RESULTS / "crisis_detector.json")
    rows = (
        ("crises that are found", "held_out", "recall"),
        ("... of what is found, crises", "held_out", "precision"),
        ("look-alikes taken for one", "held_out", "false_alarms"),
        ("ordinary entries taken for one", "journal_test", "false_alarms"),
        ("of a few words: crises that are found", "held_out_short", "recall"),
        ("of a few words: others taken for one", "held_out_short", "false_alarms"),
    )
    tiers = ("crisis", "crisis_or_concern")
    cells = [
        [name, *(_share(result[part][tier][key]) for tier in tiers)] for name, part, key in rows
    ]
    return markdown_table(["", "the message", "the message, or the line below"], cells)


def _share(value: Mapping[str, Any]) -> str:
    low, high = value["interval"]
    return f"{value['share']:.3f} [{low:.3f}, {high:.3f}]"


def _space() -> str:
    start = _read_json(RESULTS / "space_start.json")
    batch = _read_json(RESULTS / "space_batch.json")
    load = _read_json(RESULTS / "space_load.json")
    rows = [
        ["start to a usable page", _spread(start["usable_seconds"])],
        ["`import gradio` alone, as it comes", _spread(start["import_gradio_seconds"])],
    ]
    for kind in ("csv", "xlsx"):
        part = batch[kind]
        text = f"{part['seconds']:.0f} s, {part['peak_mb']} MB at most"
        rows.append([f"{part['rows']:,} rows of {kind.upper()}", text])
    for key, name in (
        ("paused", "50 visitors at once, `/predict`"),
        ("gemini_hangs", "20 of them, while Gemini hangs for 30 others"),
    ):
        part = load[key]["predict"]
        text = (
            f"median {part['seconds_p50']:.2f} s, p95 {part['seconds_p95']:.2f} s, "
            f"{load[key]['errors']} errors in {part['requests']:,} requests"
        )
        rows.append([name, text])
    return markdown_table(["the app, on two cores", "figure"], rows)


def _spread(value: Mapping[str, Any]) -> str:
    return f"{value['median']:.1f} s ({value['min']:.1f} to {value['max']:.1f})"


def _suggestions() -> str:
    local = _read_json(RESULTS / "local_engine.json")
    call, check = local["call_milliseconds"], local["crisis_check_milliseconds"]
    topics = local["topics"]
    return markdown_table(
        ["the embedded engine", "figure"],
        [
            ["a suggestion, with the crisis check", f"{call['median']} ms ({call['p99']} ms)"],
            ["the crisis check alone", f"{check['median']} ms ({check['p99']} ms)"],
            ["opening it", f"{local['open_seconds']:.1f} s"],
            ["entries that get a topic", f"{topics['given_a_topic']:.0%}"],
            ["... the one that a reader gave", f"{topics['of_those_the_readers']:.0%}"],
        ],
    )


def _interop() -> str:
    """Return what each client does in each condition, and the versions that did it."""
    result = _read_json(RESULTS / "interop.json")
    rows = [_interop_row(client) for client in result["clients"].values()]
    header = [
        "", "client", "online", "`HF_HUB_OFFLINE=1`", "private", "a revision", "other content",
        "half a file",
    ]  # fmt: skip
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return f"{markdown_table(header, rows)}\n\nTried with {versions}."


def _interop_row(client: Mapping[str, Any]) -> list[str]:
    outcomes = client["outcomes"]
    said = {condition: _said(outcome) for condition, outcome in outcomes.items()}
    token = "`HF_TOKEN`"
    if outcomes["private-token"] == "works":
        token = f"{client['token']} or {token}"
    revision = said["revision"]
    if revision == "works":
        revision = f"{client['revision']}; if absent: {said['absent-revision']}"
    halves = dict.fromkeys(said[name] for name in outcomes if name.endswith("-short"))
    return [
        client["artifact"],
        client["call"],
        said["online"],
        said["offline"],
        f"{token}; without: {said['private']}",
        revision,
        _other_content(said),
        ", ".join(halves) or "-",
    ]


def _said(outcome: str) -> str:
    """Return an outcome as briefly as a table needs it."""
    if outcome.startswith("raises "):
        return f"`{outcome.removeprefix('raises ')}`"
    return outcome.split(":", maxsplit=1)[0].removeprefix("works ")


def _other_content(said: Mapping[str, str]) -> str:
    at_once = dict.fromkeys(said[name] for name in said if name.endswith("-wrong"))
    later = dict.fromkeys(said[name] for name in said if name.endswith("-later"))
    return "; later: ".join(" or ".join(part) for part in (at_once, later)) if at_once else "-"


def _inference() -> str:
    result = _read_json(RESULTS / "inference.json")
    names = (
        ("ours", "memotions-hf"),
        ("ours_unseen", "... each text seen for the first time"),
        ("keras", "Keras, the same weights"),
        ("reference", "the 2024 system's style of serving"),
        ("tfidf_svc", "TF-IDF and SVC"),
        ("minilm", "all-MiniLM-L6-v2, ONNX, encoder alone"),
        ("minilm_int8", "... in int8 arithmetic"),
    )
    rows = [
        _inference_row(label, result["systems"][name], result["ratios"].get(name))
        for name, label in names
        if name in result["systems"]
    ]
    header = ["", "texts a second", "we are", "one text", "first answer", "peak memory"]
    return markdown_table(header, rows)


def _inference_row(
    label: str, figures: Mapping[str, Any], ratios: Mapping[str, Any] | None
) -> list[str]:
    ratio = ratios["texts_per_second"] if ratios else None
    cold = figures.get("cold_start_seconds")
    return [
        label,
        f"{figures['texts_per_second']['median']:,.0f}",
        f"{_times(ratio['median'])}x ({_times(ratio['low'])} to {_times(ratio['high'])})"
        if ratio
        else "",
        f"{figures['milliseconds_for_one']['median']:.2f} ms",
        f"{cold['median']:.2f} s" if cold else "",
        f"{figures['peak_memory'] / 1e6:.0f} MB" if "peak_memory" in figures else "",
    ]


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.1f}"


def _comparison() -> str:
    """Return what ``memotions compare`` found, a row per system, and its spread over the seeds."""
    comparison = _read_json(RESULTS / "comparison.json")
    sets = {**comparison["sets"], **comparison["emot_official"]["sets"]}
    costs: Mapping[str, Mapping[str, Any]] = comparison["systems"]
    rows = [
        [
            name,
            *_compared_scores(sets, name, _interval),
            format_interval(sets[MAIN_SET]["systems"][name]["ece"]),
            f"{cost['parameters']:,}" if "parameters" in cost else "-",
            _duration(cost["seconds"]) if "seconds" in cost else "-",
        ]
        for name, cost in costs.items()
    ]
    columns = ["", *(title for title, _, _ in COMPARED)]
    table = markdown_table([*columns, "ECE on merged/test", "parameters", "training"], rows)
    repeated = {
        name: cost["validation_macro_f1"]["by_seed"]
        for name, cost in costs.items()
        if "validation_macro_f1" in cost and len(cost["validation_macro_f1"]["by_seed"]) > 1
    }
    if not repeated:
        return table
    spread = [[name, *_compared_scores(sets, name, format_over_seeds)] for name in repeated]
    seeds = next(iter(repeated.values()))
    return f"{table}\n\n{_over_seeds(seeds)}\n\n{markdown_table(columns, spread)}"


def _compared_scores(
    sets: Mapping[str, Any], name: str, shown: Callable[[Mapping[str, Any], str], str]
) -> list[str]:
    """Return one system's figures; it has none on a set whose labels it does not know."""
    found = [(sets[test_set]["systems"].get(name), metric) for _, test_set, metric in COMPARED]
    return [shown(scores, metric) if scores else "-" for scores, metric in found]


def _interval(scores: Mapping[str, Any], metric: str) -> str:
    return format_interval(scores[metric])


def _over_seeds(seeds: Iterable[object]) -> str:
    *first, last = map(str, seeds)
    return f"Mean ± standard deviation (range) over the seeds {', '.join(first)} and {last}:"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _cross_source() -> str:
    """Return what each system makes of a source that it has not seen, and the mean of that."""
    result = _read_json(RESULTS / "cross_source.json")
    ours, mean = result["recipe"]["name"], result["mean"]
    rows = [
        [name, f"{entry['rows']:,}"]
        + [_interval(entry["systems"][system], "macro_f1") for system in mean]
        + [_difference(entry["systems"], ours)]
        for name, entry in result["sets"].items()
    ]
    values = [f"{scores['macro_f1']['value']:.3f}" for scores in mean.values()]
    rows.append(["mean", "", *values, _difference(mean, ours)])
    header = ["left out of training", "rows", *mean, f"over {LINEAR_SYSTEM}"]
    table = markdown_table(header, rows)
    if not has_several_seeds(result):
        return table
    return f"{table}\n\n{_over_seeds(result['seeds'])}\n\n{over_seeds_table(result, 'macro_f1')}"


def _difference(systems: Mapping[str, Any], ours: str) -> str:
    value, other = (systems[name]["macro_f1"]["value"] for name in (ours, LINEAR_SYSTEM))
    return f"{value - other:+.3f}"


def _explanation() -> str:
    result = _read_json(RESULTS / "explanation.json")
    rows = ", ".join(f"{part['rows']:,} of {name}" for name, part in result["faithfulness"].items())
    share = f"{result['deleted_share']:.0%}"
    return "\n\n".join(
        (
            f"How far the predicted label's probability falls without {share} of the words, and "
            f"with these words alone, on test rows ({rows}):",
            faithfulness_table(result),
            "How often each way to sum up a text of two sentences or more is right, on validation "
            "rows:",
            overall_table(result),
            f"{result['long_entries']['entries']:,} entries longer than the model reads at once, "
            f"and {result['thoughts']['cuts']:,} cuts in texts without marks:",
            rest_table(result),
        )
    )


SECTIONS: dict[str, Callable[[], str]] = {
    "macro-f1": lambda: macro_f1_table(_metrics()["evaluation"]),
    "per-class": lambda: per_class_table(_metrics()["evaluation"], MAIN_SET),
    "details": lambda: detail_table(_metrics()["evaluation"], MAIN_SYSTEM),
    "facts": _facts,
    "corpus": _corpus,
    "leak": _leak,
    "merge-speed": _merge_speed,
    "crisis": _crisis,
    "space": _space,
    "suggestions": _suggestions,
    "interop": _interop,
    "inference": _inference,
    "comparison": _comparison,
    "cross-source": _cross_source,
    "explanation": _explanation,
}


def render(readme: str) -> str:
    """Return the README with every marked part replaced."""
    for name in dict.fromkeys(re.findall(r"<!-- (?:begin|end): (.*?) -->", readme)):
        if name not in SECTIONS:
            sys.exit(f"README.md has markers of {name!r}; expected one of: {', '.join(SECTIONS)}")
        marks = re.findall(rf"<!-- (begin|end): {name} -->", readme)
        if marks != ["begin", "end"]:
            sys.exit(f"README.md needs the markers of {name!r} exactly once, begin before end")
        before, rest = readme.split(f"<!-- begin: {name} -->", maxsplit=1)
        after = rest.split(f"<!-- end: {name} -->", maxsplit=1)[1]
        content = SECTIONS[name]()
        readme = f"{before}<!-- begin: {name} -->\n{content}\n<!-- end: {name} -->{after}"
    return readme


def main() -> None:
    README.write_text(render(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
