"""Measure how fast a model answers and what memory that takes, for its card.

    python benchmarks/model_facts.py [--model FOLDER] [--repeats 7] [--texts 4096]

Keras runs the same weights on the same batches in the same run, to compare with. Writes what it
measured into metrics.json and the card of the model folder (default: the bundled model), and to
benchmarks/results/model_facts.json. Texts come from the corpora at MEMOTIONS_MIRROR where that is
set, else from a few sentences.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from inference_systems import System, keras_same_weights, ours
from predict_stream import source_texts
from startup import wall_time

from memotions_hf.modeling.artifact import BUNDLED_FOLDER

RESULT = Path(__file__).parent / "results" / "model_facts.json"
BATCH_SIZE = 256
TEXTS_ONE_BY_ONE = 100
TEXT = "akhirnya skripsiku di-ACC, nangis saking leganya"
FIRST_ANSWER = """
import sys
from memotions_hf import EmotionClassifier
EmotionClassifier.from_pretrained(sys.argv[1])(sys.argv[2])
"""
PEAK_MEMORY = """
import json, resource, sys
from memotions_hf import EmotionClassifier
classifier = EmotionClassifier.from_pretrained(sys.argv[1])
classifier.predict_proba(json.load(sys.stdin), batch_size=int(sys.argv[2]))
unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""

Probabilities = npt.NDArray[np.float32]
Answer = Callable[[Sequence[str]], Probabilities]


def peak_memory(folder: Path, texts: Sequence[str]) -> int:
    """Return the peak of resident memory, in bytes, of a process that answers the texts.

    A process inherits the peak of the one that starts it, so this one must still be small.
    """
    command = [sys.executable, "-c", PEAK_MEMORY, str(folder), str(BATCH_SIZE)]
    run = subprocess.run(
        command, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    return int(run.stdout)


def open_answers(folder: Path) -> dict[str, Answer]:
    """Return the functions to compare, from texts to probabilities."""
    systems = {"onnx": ours(folder), "keras": keras_same_weights(folder)}
    return {name: in_batches(system) for name, system in systems.items()}


def in_batches(system: System) -> Answer:
    """Return the function that answers texts by the batch."""
    return lambda texts: system.batch(texts, BATCH_SIZE)


def batched_rates(answer: Answer, texts: Sequence[str]) -> tuple[float, float]:
    """Return texts a second, and milliseconds of processor time a text.

    The second hardly depends on what else the machine is busy with.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    answer(texts)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return len(texts) / seconds, cpu_seconds / len(texts) * 1000


def milliseconds_for_one(answer: Answer, texts: Sequence[str]) -> float:
    times = []
    for text in texts:
        started = time.perf_counter()
        answer([text])
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
    }


def compare(answers: dict[str, Answer], texts: Sequence[str], repeats: int) -> dict[str, Any]:
    """Time every function round by round, so that a busy moment of the machine hits all alike."""
    few = texts[:TEXTS_ONE_BY_ONE]
    first, *others = [answer(texts) for answer in answers.values()]
    if not all(np.allclose(first, other, atol=1e-4) for other in others):
        sys.exit("the back ends give different answers, so that their speed says nothing")
    for answer in answers.values():
        milliseconds_for_one(answer, few)
    figures: dict[str, dict[str, list[float]]] = {
        figure: {name: [] for name in answers}
        for figure in ("texts_per_second", "cpu_milliseconds_a_text", "milliseconds_for_one")
    }
    for _ in range(repeats):
        for name, answer in answers.items():
            rates = (*batched_rates(answer, texts), milliseconds_for_one(answer, few))
            for figure, value in zip(figures, rates, strict=True):
                figures[figure][name].append(value)
    return {
        figure: {name: spread(values) for name, values in by_name.items()}
        for figure, by_name in figures.items()
    }


def machine() -> dict[str, Any]:
    """Return the machine in words that name no host."""
    import tensorflow

    libraries = {name: version(name) for name in ("onnxruntime", "tokenizers", "keras")}
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {**libraries, "tensorflow": tensorflow.__version__},
    }


def measure(folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Return what the card says of a model's speed."""
    load = round(os.getloadavg()[0], 1)
    source, corpus = source_texts()
    texts = random.Random(1).choices(corpus, k=count)
    del corpus
    memory = peak_memory(folder, texts)  # first, while this process is small
    first = [
        wall_time([sys.executable, "-c", FIRST_ANSWER, str(folder), TEXT]) for _ in range(repeats)
    ]
    return {
        "texts": {
            "count": count,
            "source": source,
            "mean_characters": round(statistics.mean(map(len, texts)), 1),
        },
        "batch_size": BATCH_SIZE,
        "repeats": repeats,
        **compare(open_answers(folder), texts, repeats),
        "first_answer": spread(first),
        "peak_memory": memory,
        "machine": {**machine(), "load": load},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, default=BUNDLED_FOLDER, help="model folder")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--texts", type=int, default=4096)
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()

    speed = measure(args.model, args.texts, args.repeats)
    load = speed["machine"]["load"]
    if load >= 1:
        print(f"the machine was busy (load {load}); measure again when it is not", file=sys.stderr)
    from memotions_hf.evaluation.record import record_speed

    record_speed(args.model, speed)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(speed, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(speed, indent=2))


if __name__ == "__main__":
    main()
