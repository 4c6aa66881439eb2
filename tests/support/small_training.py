"""A recipe that trains in seconds, and rows of several sources that it can learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from memotions_hf.corpus import Row
from memotions_hf.labels import LABELS
from memotions_hf.training import Recipe

WORDS: Mapping[str, str] = {
    "sad": "sedih murung menangis kehilangan sepi",
    "happy": "senang gembira tertawa bahagia lega",
    "neutral": "rapat jadwal pukul makan berangkat",
    "anger": "marah kesal geram dongkol jengkel",
    "fear": "takut cemas gemetar ngeri panik",
    "love": "sayang rindu cinta peluk kangen",
    "sadness": "sedih murung menangis kehilangan sepi",
}
TINY = Recipe(
    name="tiny",
    version=1,
    vocab_size=200,
    embedding_dim=16,
    lstm_units=(8,),
    pair_buckets=257,
    embedding_dropout=0.0,
    dropout=0.0,
    subword_dropout=0.0,
    learning_rate=2e-2,
    batch_size=16,
    epochs=1,
    patience=1,
)


def learnable_rows(source: str, count: int, labels: Sequence[str] = LABELS) -> list[Row]:
    """Return rows of one source, each with words of its label among others that say nothing.

    No two are near-equal, whatever their sources.
    """
    rng = np.random.default_rng(sum(source.encode()))
    rows = []
    for number in range(count):
        label = labels[number % len(labels)]
        words = rng.permutation(WORDS[label].split())[:3]
        noise = ["".join(rng.choice(list("bdgklmprst"), 9)) for _ in range(5)]
        text = " ".join([*noise, *words])
        rows.append(Row(f"{source}-{number}", text, source, label, None))
    return rows
