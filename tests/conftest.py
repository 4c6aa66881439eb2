"""Fixtures that several test modules share: a small model folder, made without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings

from memotions_hf.inference import EmotionClassifier
from memotions_hf.labels import ID2LABEL, LABEL2ID
from memotions_hf.modeling.bilstm import BiLSTMConfig
from memotions_hf.modeling.export import arrays_to_onnx
from memotions_hf.tokenization import save_tokenizer, train_tokenizer

# A test is judged by what it finds, never by how busy the machine is.
settings.register_profile("memotions", deadline=None)
settings.load_profile("memotions")

TOY_MAX_LENGTH = 64
TOY_TEXTS = (
    "Hari ini aku gagal lagi, rasanya pengen nangis terus",
    "Akhirnya skripsiku di-ACC, senang banget!",
    "Aku takut pulang malam sendirian, gelap banget",
    "Kesel banget sama dia, nggak pernah nepatin janji!",
    "Tadi pagi naik kereta ke kantor, lalu rapat sampai siang",
    "Ibu masak sayur asem sama tempe goreng 🙂",
    "Kangen rumah, sudah dua tahun nggak pulang 😢",
    "Siapa yang tadi telepon? Nomornya nggak kukenal…",
    "Terima kasih ya semuanya, aku bahagia sekali ❤",
    "Jangan bohong lagi, aku sudah capek 😡",
    "@budi lihat ini https://contoh.id/a lalu tulis ke budi@contoh.id",
)


def toy_arrays(config: BiLSTMConfig) -> dict[str, npt.NDArray[Any]]:
    """Return random weights under the names and in the shapes of the ONNX export."""
    rng = np.random.default_rng(20)

    def weights(*shape: int) -> npt.NDArray[Any]:
        return (rng.standard_normal(shape) * 0.4).astype(np.float16).astype(np.float32)

    width = config.embedding_dim
    arrays = {"embedding": weights(config.vocab_size, width)}
    for number, units in enumerate(config.lstm_units, start=1):
        arrays[f"lstm_{number}.W"] = weights(2, 4 * units, width)
        arrays[f"lstm_{number}.R"] = weights(2, 4 * units, units)
        arrays[f"lstm_{number}.B"] = weights(2, 8 * units)
        width = 2 * units
    arrays["attention.kernel"], arrays["attention.bias"] = weights(width, 1), weights(1)
    arrays["logits.kernel"] = weights(2 * width, config.num_labels)
    arrays["logits.bias"] = weights(config.num_labels)
    return arrays


def write_toy_model(folder: Path, *, extra_vocabulary: int = 0) -> Path:
    """Write a model folder that answers at random, but always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(TOY_TEXTS * 3, vocab_size=300)
    config = BiLSTMConfig(
        tokenizer.get_vocab_size() + extra_vocabulary, embedding_dim=12, lstm_units=(8, 6)
    )
    save_tokenizer(tokenizer, folder, TOY_MAX_LENGTH)
    onnx_model = arrays_to_onnx(toy_arrays(config), config)
    (folder / "model.onnx").write_bytes(onnx_model.SerializeToString())
    settings = {
        "model_type": "memotions-bilstm",
        "id2label": {str(number): name for number, name in ID2LABEL.items()},
        "label2id": dict(LABEL2ID),
        "memotions": {
            "format": 1,
            "model": config.to_dict(),
            "recipe": "toy",
            "recipe_version": 1,
            "normalizer": 1,
            "max_length": TOY_MAX_LENGTH,
            "temperature": 1.0,
            "license": "Apache-2.0",
            "versions": {"memotions-hf": "0.1.0"},
        },
    }
    (folder / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def toy_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model folder with random weights; not to be written to."""
    return write_toy_model(tmp_path_factory.mktemp("toy") / "model")


@pytest.fixture(scope="session")
def toy_classifier(toy_model_folder: Path) -> EmotionClassifier:
    return EmotionClassifier.from_pretrained(toy_model_folder)
