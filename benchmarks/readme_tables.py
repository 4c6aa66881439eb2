"""Writes the README's tables from the bundled model's ``metrics.json`` and the benchmark results.

``python benchmarks/readme_tables.py`` rewrites the parts of README.md between its markers;
a test fails where they differ from the files, so no figure there is typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memotions_hf.cards.names import MAIN_SET, MAIN_SYSTEM
from memotions_hf.cards.tables import (
    detail_table,
    macro_f1_table,
    markdown_table,
    per_class_table,
)

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BUNDLED = ROOT / "memotions_hf" / "bundled" / "memotions-bilstm"
RESULTS = ROOT / "benchmarks" / "results"
CORPUS = ROOT / "dataset_scripts" / "memotions-corpus"
MEASUREMENTS = ROOT / "memotions_hf" / "data" / "measurements.json"
SPLITS = ("train", "validation", "test")


def _read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _facts(metrics: Mapping[str, Any]) -> str:
    training, sizes = metrics["training"], metrics["sizes"]
    splits = metrics["corpus"]["splits"]
    startup = _read_json(RESULTS / "startup.json")
    stream = _read_json(RESULTS / "predict_stream.json")
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
            ["first answer from a cold start", f"{startup['seconds']['predict']:.2f} s"],
            [f"peak memory, {stream['lines']:,} lines", f"{stream['peak_resident_mb']:.0f} MB"],
            [f"lines a second, {stream['lines']:,} lines", f"{stream['lines_per_second']:,.0f}"],
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


def sections() -> dict[str, str]:
    """Return what belongs between each pair of markers."""
    metrics = _read_json(BUNDLED / "metrics.json")
    evaluation = metrics["evaluation"]
    return {
        "macro-f1": macro_f1_table(evaluation),
        "per-class": per_class_table(evaluation, MAIN_SET),
        "details": detail_table(evaluation, MAIN_SYSTEM),
        "facts": _facts(metrics),
        "corpus": _corpus(),
        "leak": _leak(),
        "merge-speed": _merge_speed(),
        "crisis": _crisis(),
        "space": _space(),
        "suggestions": _suggestions(),
        "interop": _interop(),
        "inference": _inference(),
    }


def render(readme: str) -> str:
    """Return the README with every marked part replaced."""
    for name, content in sections().items():
        pattern = rf"(<!-- begin: {name} -->\n).*?(\n<!-- end: {name} -->)"
        parts = re.split(pattern, readme, flags=re.DOTALL)
        if len(parts) != 4:
            sys.exit(f"README.md needs the markers of {name!r} exactly once")
        before, begin, end, after = parts
        readme = "".join((before, begin, content, end, after))
    return readme


def main() -> None:
    README.write_text(render(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
