"""Measure how fast the package and its command start, in fresh processes.

    python benchmarks/startup.py [--model FOLDER] [--repeats 7]

Writes the medians, in seconds, to benchmarks/results/startup.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "startup.json"
TEXT = "akhirnya skripsiku di-ACC, nangis saking leganya"


def wall_time(command: list[str]) -> float:
    # What is installed has its bytecode; without it, compiling the package would be measured too.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", help="model folder; default: the bundled model")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()

    model = ["--model", args.model] if args.model else []
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import_memotions_hf": [sys.executable, "-c", "import memotions_hf"],
        "import_classifier": [sys.executable, "-c", "from memotions_hf import EmotionClassifier"],
        "predict": [sys.executable, "-m", "memotions_hf", "predict", *model, TEXT],
    }
    # Round by round, so that a busy moment of the machine hits every command alike.
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(args.repeats):
        for name, command in commands.items():
            times[name].append(wall_time(command))
    medians = {name: round(statistics.median(values), 3) for name, values in times.items()}
    result = {
        "seconds": medians,
        "import_memotions_hf_over_python": round(
            medians["import_memotions_hf"] - medians["python"], 3
        ),
        "repeats": args.repeats,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
