"""Try what Python's clients do with a published model, corpus, metric and Space.

    python benchmarks/interop.py

A Hub on the loopback interface stands for the real one; see tests/support/interop_matrix.py. Writes
benchmarks/results/interop.json, which tests/hub/test_interop.py compares with a run of its own, and
the README's table is made from.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.interop_matrix import run_matrix, write_result  # type: ignore[import-not-found]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        matrix = run_matrix(Path(name))
    write_result(matrix)
    for client, outcomes in matrix.items():
        for condition, outcome in outcomes.items():
            print(f"{client:<15}{condition:<19}{outcome:.100}")


if __name__ == "__main__":
    main()
