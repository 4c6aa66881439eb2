"""Stream lines through ``memotions predict - --json`` and measure memory and speed.

    python benchmarks/predict_stream.py [--model FOLDER] [--lines 1000000]

Lines come from the corpora at MEMOTIONS_MIRROR where that is set, else from the sentences below.
Writes benchmarks/results/predict_stream.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

RESULT = Path(__file__).parent / "results" / "predict_stream.json"
SENTENCES = (
    "Hari ini aku gagal lagi, rasanya pengen nangis terus 😭",
    "Akhirnya skripsiku di-ACC, senang banget!",
    "Aku takut pulang malam sendirian, jalannya gelap banget dan nggak ada orang",
    "Kesel banget sama dia, nggak pernah nepatin janji!!!",
    "Tadi pagi naik kereta ke kantor, lalu rapat sampai siang",
    "capek",
    "@budi lihat https://contoh.id/berita deh, masa begitu sih pelayanannya :(",
)


def corpus_texts(mirror: Path) -> list[str]:
    """Return every cell of the mirror's TSV files that looks like a sentence."""
    texts = []
    for path in sorted(mirror.glob("*/*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            texts.append(max(line.split("\t"), key=len))
    return texts


def source_texts() -> tuple[str, list[str]]:
    mirror = os.environ.get("MEMOTIONS_MIRROR")
    texts = corpus_texts(Path(mirror)) if mirror else []
    return ("corpora", texts) if texts else ("built-in sentences", list(SENTENCES))


def lines(texts: list[str], count: int) -> Iterator[str]:
    """Yield lines of every length, hardly two alike, always the same ones."""
    rng = random.Random(1)
    for number in range(count):
        kind = rng.random()
        text = rng.choice(texts)
        if kind < 0.01:
            text = ""
        elif kind < 0.02:
            text = " ".join(rng.choices(texts, k=20))
        yield f"{text} {number}" if text else text


def feed(pipe: IO[bytes], texts: list[str], count: int) -> None:
    with pipe:
        for line in lines(texts, count):
            pipe.write(line.encode() + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", help="model folder; default: the bundled model")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()

    source, texts = source_texts()
    model = ["--model", args.model] if args.model else []
    started = time.perf_counter()
    answered = characters = 0
    with subprocess.Popen(
        [sys.executable, "-m", "memotions_hf", "predict", *model, "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        feeder = threading.Thread(target=feed, args=(process.stdin, texts, args.lines))
        feeder.start()
        for line, text in zip(process.stdout, lines(texts, args.lines), strict=True):
            if json.loads(line)["text"] != text:
                sys.exit(f"line {answered + 1} was answered out of order")
            answered += 1
            characters += len(text)
            if answered % 50_000 == 0:
                rate = answered / (time.perf_counter() - started)
                print(f"{answered:,} lines, {rate:,.0f} a second", file=sys.stderr)
        feeder.join()
    seconds = time.perf_counter() - started
    if process.returncode != 0 or answered != args.lines:
        sys.exit(f"{answered:,} of {args.lines:,} lines were answered, code {process.returncode}")

    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    result = {
        "lines": args.lines,
        "source": source,
        "mean_characters": round(characters / args.lines, 1),
        "seconds": round(seconds, 1),
        "lines_per_second": round(args.lines / seconds),
        "peak_resident_mb": round(peak / 1e6),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
