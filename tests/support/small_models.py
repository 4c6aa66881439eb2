"""Small models with random weights of a realistic scale, and real texts where there is a mirror."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from memotions_hf.corpus import read_source
from memotions_hf.modeling.artifact import ArtifactConfig
from memotions_hf.modeling.bilstm import BiLSTMConfig, build_bilstm
from memotions_hf.modeling.hub import MemotionsBiLSTM
from memotions_hf.tokenization import train_tokenizer

TEXTS = (
    "Hari ini aku gagal lagi, rasanya pengen nangis terus",
    "Akhirnya skripsiku di-ACC, senang banget!!!",
    "Aku takut pulang malam sendirian, gelap banget",
    "Kesel banget sama dia, nggak pernah nepatin janji!",
    "Tadi pagi naik kereta ke kantor, lalu rapat sampai siang",
    "Ibu masak sayur asem sama tempe goreng 🙂",
    "Kangen rumah, sudah dua tahun nggak pulang 😢😭",
    "Terima kasih ya semuanya, aku bahagia sekali ❤️",
    "@budi lihat https://contoh.id/a lalu tulis ke budi@contoh.id atau 0812 3456 7890",
)
NASTY_TEXTS = (
    "",
    " \t\r\n",
    "<pad>",
    "awal <pad> tengah <unk> akhir <PAD>",
    "capeeeeek bangeeet!!!!!! ???",
    "tidak bahagia, gak, nggak, ga, tdk, bukan, belum",
    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽 :( ;) <3 ^_^ T_T",
    "kata\u200bter\u00adsembunyi\ufeff dan \x00\x07 kendali",
    "ﬁnansial ＡＢＣ ｶﾅ ①②③",
    "Привет 你好 สวัสดี नमस्ते",
    "<url><user> <email> <phone> [USERNAME] [URL] [SENSITIVE-NO]",
    "a@b.co.id http://x.y/z?q=1&r=2 www.contoh.com +62 812-3456-7890 (021) 555 1234",
    "jum'at 1.000.000,50 #BahagiaItuSederhana _miring_ *tebal* ~coret~",
    "x" * 5_000,
    "ha" * 3_000 + " " + "!" * 3_000,
)


def random_keras_model(config: BiLSTMConfig, seed: int = 1) -> Any:
    """Return a model whose answers differ from text to text."""
    model = build_bilstm(config)
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            (rng.standard_normal(weight.shape) * _scale(weight.shape)).astype(np.float32)
            for weight in model.get_weights()
        ]
    )
    return model


def _scale(shape: tuple[int, ...]) -> float:
    if len(shape) == 1:
        return 0.3
    is_embedding = shape[0] > 200
    return 2.5 / float(np.sqrt(shape[1] if is_embedding else shape[0]))


@cache
def small_tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS * 3, vocab_size=300)


def small_model(seed: int = 1, **parts: Any) -> MemotionsBiLSTM:
    config = BiLSTMConfig(small_tokenizer().get_vocab_size(), 16, (8, 6), pair_buckets=257)
    settings = ArtifactConfig(
        model=config,
        recipe="small",
        recipe_version=1,
        license="CC-BY-NC-SA-4.0",
        max_length=64,
        temperature=1.25,
        versions={"memotions-hf": "0.1.0"},
    )
    return MemotionsBiLSTM(random_keras_model(config, seed), small_tokenizer(), settings, **parts)


def mirror_texts(count: int) -> list[str]:
    """Return real texts of several sources; none where there is no mirror."""
    mirror = os.environ.get("MEMOTIONS_MIRROR", "")
    if not mirror or not Path(mirror).is_dir():
        return []
    sources = ("journal", "emot", "prdect", "go-emotions-neutral-id", "dair-emotion-id", "everyday")
    texts: list[str] = []
    for number, name in enumerate(sources, start=1):
        share = count * number // len(sources)
        texts += [row.text for row in read_source(name)][: share - len(texts)]
    return texts + [row.text for row in read_source("saputri")][: count - len(texts)]
