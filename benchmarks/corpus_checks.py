"""Measure how much the leak of the naive corpus inflates a score, and how far one source carries.

    python benchmarks/corpus_checks.py

Needs the corpus files (MEMOTIONS_MIRROR) and the train extra; takes some minutes. The result is
kept as data of the package, where the dataset card reads it.
"""

from __future__ import annotations

import json

from memotions_hf.corpus import merge
from memotions_hf.corpus.download import DATA_FOLDER
from memotions_hf.evaluation.corpus_checks import measure_leak, measure_manner

RESULT = DATA_FOLDER / "measurements.json"


def main() -> None:
    measurements = {"leak": measure_leak(), "manner": measure_manner(merge())}
    RESULT.write_text(json.dumps(measurements, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(measurements, indent=1))


if __name__ == "__main__":
    main()
