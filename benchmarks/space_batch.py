"""Measure the Space's tab for many texts at once: seconds and memory of 50,000 rows.

    python benchmarks/space_batch.py [--rows 50000]

Rows are made of the journal's entries, cut to about 100 characters each, hardly two alike. Every
kind of file is read and labelled by the bundled model in a process of its own. Writes
benchmarks/results/space_batch.json: seconds to check the upload and to label it, the longest wait
for a sign of progress, and resident memory with the model alone and at its peak. ``load_before``
above 1 means that others had the cores too.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from memotions_hf.corpus.rows import read_source
from memotions_hf.errors import require

RESULT = Path(__file__).parent / "results" / "space_batch.json"
KINDS = ("csv", "xlsx", "txt")
CHARACTERS = 100
LIMIT_SECONDS = 60


def make_rows(count: int) -> Iterator[tuple[int, str]]:
    """Yield texts of 40 to 160 characters, always the same ones."""
    entries = [row.text for row in read_source("journal")]
    rng = random.Random(1)
    for number in range(1, count + 1):
        text = f"{rng.choice(entries)} {rng.choice(entries)}"
        length = rng.randint(CHARACTERS - 60, CHARACTERS + 60)
        yield number, text[:length].rsplit(" ", 1)[0]


def write_upload(path: Path, count: int) -> None:
    if path.suffix == ".xlsx":
        book = require("openpyxl", "space").Workbook(write_only=True)
        sheet = book.create_sheet()
        sheet.append(["id", "teks"])
        for row in make_rows(count):
            sheet.append(row)
        book.save(path)
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        if path.suffix == ".txt":
            stream.writelines(f"{text}\n" for _, text in make_rows(count))
        else:
            csv.writer(stream).writerows([("id", "teks"), *make_rows(count)])


def measure(path: Path) -> dict[str, float]:
    """Label an upload, in a process that does nothing else."""
    from memotions_hf.demo.batch import label_table
    from memotions_hf.demo.tables import open_table
    from memotions_hf.inference import EmotionClassifier

    classifier = EmotionClassifier.from_pretrained()
    classifier("Hari ini aku capek banget.")
    before = peak_mb()
    load = os.getloadavg()[0]
    started = time.perf_counter()
    table = open_table(path)
    opened = last = time.perf_counter()
    waits = []
    for _ in label_table(table, table.guess, classifier, path.with_suffix(".result.csv")):
        waits.append(time.perf_counter() - last)
        last = time.perf_counter()
    return {
        "rows": table.total,
        "check_seconds": round(opened - started, 2),
        "label_seconds": round(last - opened, 2),
        "seconds": round(last - started, 1),
        "longest_wait_seconds": round(max(waits), 2),
        "load_before": round(load, 1),
        "cpu_seconds": round(time.process_time(), 1),
        "model_mb": before,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> int:
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure)))
        return
    result: dict[str, object] = {"cores": os.cpu_count(), "python": platform.python_version()}
    lengths = [len(text) for _, text in make_rows(args.rows)]
    result["mean_characters"] = round(sum(lengths) / len(lengths), 1)
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"upload.{kind}"
            write_upload(path, args.rows)
            command = [sys.executable, __file__, "--measure", str(path)]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        result[kind] = json.loads(answer.stdout)
        print(kind, answer.stdout.decode().strip(), file=sys.stderr)
        if json.loads(answer.stdout)["seconds"] > LIMIT_SECONDS:
            print(f"{kind}: more than {LIMIT_SECONDS} s", file=sys.stderr)
    args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
