"""A mirror of a few rows, in the upstream files' own formats."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from memotions_hf.corpus.sources import SOURCES

TWEETS = {
    "train": "label,tweet\nhappy,aku senang sekali hari ini\nanger,kesal banget sama dia\n",
    "valid": "label,tweet\nfear,takut pulang malam sendirian\n",
    "test": "label,tweet\nsadness,sedih ditinggal pergi jauh\nlove,sayang kamu selamanya\n",
}
OPINION = "Tweet\tLabel\nharga naik terus bikin marah\tAnger\n"
DAIR = {
    "train": "i feel happy today;joy\ni am so sad;sadness\n",
    "val": "i feel afraid of the dark;fear\n",
    "test": "i am angry with you;anger\n",
}
KAGGLE = ",text,label\n0,i feel happy today,1\n1,i love my cat so much,2\n2,what a surprise,5\n"


def write_small_mirror(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Write EmoT, the opinion tweets, dair-emotion and the Kaggle set, and forget checksums."""
    contents = {f"emot/{part}_preprocess.csv": content for part, content in TWEETS.items()}
    contents |= {f"dair-emotion/{part}.txt": content for part, content in DAIR.items()}
    contents |= {file.path: OPINION for file in SOURCES["opinion"].files}
    contents["kaggle-emotions/text.csv"] = KAGGLE
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for name in ("emot", "opinion", "dair-emotion"):
        files = tuple(dataclasses.replace(file, sha256=None) for file in SOURCES[name].files)
        source = dataclasses.replace(SOURCES[name], files=files)
        patch.setitem(SOURCES, name, source)  # type: ignore[arg-type]
    patch.setenv("MEMOTIONS_MIRROR", str(folder))
    patch.setenv("MEMOTIONS_CACHE", str(folder / "cache"))
    return folder
