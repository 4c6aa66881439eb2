"""Compare one process with several, and with Ray, on a Parquet file of texts.

    python benchmarks/predict_parquet.py [--rows 20000] [--repeats 3] [--ray]

Every way is run in a process of its own, in turn, and compared by its fastest run: other work on
the machine only ever slows a run down. The start of the program is part of a run. Writes
benchmarks/results/predict_parquet.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from predict_stream import lines, source_texts

RESULT = Path(__file__).parent / "results" / "predict_parquet.json"


def write_rows(path: Path, count: int) -> str:
    import pyarrow
    import pyarrow.parquet

    source, texts = source_texts()
    table = pyarrow.table({"id": range(count), "text": list(lines(texts, count))})
    pyarrow.parquet.write_table(table, path)
    return source


def seconds(source: Path, output: Path, engine: str, workers: int) -> float:
    started = time.perf_counter()
    subprocess.run(
        [
            sys.executable, "-m", "memotions_hf", "predict", str(source), "--output", str(output),
            "--engine", engine, "--workers", str(workers),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - started


def are_equal(files: list[Path]) -> bool:
    """Tell whether files hold the same rows, their scores but for rounding."""
    import numpy as np
    import pyarrow.parquet

    first, *others = (pyarrow.parquet.read_table(path).to_pandas() for path in files)
    numbers = [name for name in first.columns if name.startswith("score")]
    return all(
        first.drop(columns=numbers).equals(other.drop(columns=numbers))
        and np.allclose(first[numbers], other[numbers], atol=1e-4, equal_nan=True)
        for other in others
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ray", action="store_true", help="also with Ray")
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()

    cores = os.cpu_count() or 1
    ways = [("local", 1), ("local", cores), *([("ray", cores)] if args.ray else [])]
    runs: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "rows.parquet"
        kind = write_rows(source, args.rows)
        for _ in range(args.repeats):
            for engine, workers in ways:
                way = f"{engine}, workers: {workers}"
                taken = seconds(source, Path(name) / f"{way}.parquet", engine, workers)
                runs.setdefault(way, []).append(round(taken, 2))
                print(f"{way}: {taken:.1f} s", file=sys.stderr)
        equal = are_equal([Path(name) / f"{way}.parquet" for way in runs])
    alone = min(next(iter(runs.values())))
    result = {
        "rows": args.rows,
        "source": kind,
        "cores": cores,
        "same_rows_and_scores": equal,
        "seconds": runs,
        "times_as_fast_as_one_process": {
            way: round(alone / min(taken), 2) for way, taken in runs.items()
        },
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
