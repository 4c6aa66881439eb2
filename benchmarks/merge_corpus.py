"""Measure the merge with an English file of up to 416,809 rows and its translations.

    python benchmarks/merge_corpus.py [--rows 20000 50000 100000 200000 416809]

Needs the corpus files (MEMOTIONS_MIRROR). The Kaggle file is not among them, so a stand-in of its
size is made from the rows of dair-ai/emotion, its child, and their translations: each row of it is
one of those, or one in which half of the words are exchanged for others, in both languages. Every
size is merged in a process of its own, with all other sources. Writes
benchmarks/results/merge_corpus.json.
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

from memotions_hf.corpus import MergeOptions, merge, read_source
from memotions_hf.corpus.readers import KAGGLE_LABELS
from memotions_hf.corpus.sources import MERGED_SOURCES
from memotions_hf.corpus.translation_cache import TranslationCache

RESULT = Path(__file__).parent / "results" / "merge_corpus.json"
FULL = 416_809
ENGINE = "stand-in"


def pairs() -> list[tuple[str, str, str]]:
    """Return the English text, the Indonesian text and the label of every translated row."""
    english = {row.id: row.text for row in read_source("dair-emotion")}
    return [(english[row.id], row.text, row.source_label) for row in read_source("dair-emotion-id")]


def exchange_words(text: str, words: list[str], rng: random.Random) -> str:
    return " ".join(rng.choice(words) if rng.random() < 0.5 else word for word in text.split())


def stand_in(count: int) -> Iterator[tuple[str, str, str]]:
    rows = pairs()
    english = [word for row in rows for word in row[0].split()]
    indonesian = [word for row in rows for word in row[1].split()]
    rng = random.Random(1)
    for number in range(count):
        if number < len(rows):
            yield rows[number]
        else:
            one, other, label = rng.choice(rows)
            yield exchange_words(one, english, rng), exchange_words(other, indonesian, rng), label


def write_stand_in(folder: Path, count: int) -> None:
    path = folder / "corpora" / "kaggle-emotions" / "text.csv"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["", "text", "label"])
        with TranslationCache(folder / "translations.sqlite") as cache:
            translations = []
            for number, (english, indonesian, label) in enumerate(stand_in(count)):
                writer.writerow([number, english, KAGGLE_LABELS.index(label)])
                translations.append((english, indonesian))
            cache.put(ENGINE, translations)


def merge_once(folder: Path) -> None:
    """Merge in this process and print what it took, as JSON."""
    options = MergeOptions(
        sources=(*MERGED_SOURCES, "kaggle-emotions"),
        translations=folder / "translations.sqlite",
        translator=ENGINE,
    )
    started, cpu = time.perf_counter(), time.process_time()
    corpus = merge(options)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there
    report = corpus.report
    print(
        json.dumps(
            {
                "rows_read": report.read.total(),
                "rows_kept": report.kept.total(),
                "untranslated": report.untranslated.total(),
                "groups_of_several": report.groups_of_several,
                "seconds": round(seconds, 1),
                "cpu_seconds": round(cpu, 1),
                "peak_resident_mb": round(
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
                ),
            }
        )
    )


def measure(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stand_in(folder, count)
        answer = subprocess.run(
            [sys.executable, __file__, "--merge", name],
            env={**os.environ, "MEMOTIONS_CACHE": name},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    return {"english_rows": count, **json.loads(answer.stdout)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[20_000, 50_000, 100_000, 200_000, FULL]
    )
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--merge", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.merge is not None:
        merge_once(args.merge)
        return
    runs = []
    for count in args.rows:
        runs.append(measure(count))
        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    result = {
        "runs": runs,
        "cores": os.cpu_count(),
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
