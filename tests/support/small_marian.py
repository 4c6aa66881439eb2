"""A Marian model of a few kilobytes that has learned a few sentences, made on this machine."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

LEARNED = {
    "i feel happy": "aku merasa senang",
    "i feel sad": "aku merasa sedih",
    "i am afraid": "aku takut",
    "you are angry": "kamu marah",
    "mother cooks rice": "ibu masak nasi",
    "the rain fell all day": "hujan turun sepanjang hari",
    "i miss my home and my mother so much tonight": "malam ini aku kangen sekali rumah dan ibu",
    "thank you": "terima kasih",
}
POSITIONS = 48
_STEPS = 150


def make_small_marian(folder: Path) -> Path:
    """Write tokenizer and weights of a model that translates :data:`LEARNED`."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # for so small a model, threads only wait for each other
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*sacremoses")  # asked for, never used
        tokenizer = _make_tokenizer(folder)
    torch.manual_seed(1)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(tokenizer),
            decoder_vocab_size=len(tokenizer),
            d_model=48,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_position_embeddings=POSITIONS,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            forced_eos_token_id=tokenizer.eos_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
            num_beams=2,
            dropout=0.0,
        )
    )
    batch = tokenizer(
        list(LEARNED), text_target=list(LEARNED.values()), return_tensors="pt", padding=True
    )
    batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(_STEPS):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def _make_tokenizer(folder: Path):  # type: ignore[no-untyped-def]
    import sentencepiece
    from transformers import MarianTokenizer

    pieces: dict[str, int] = {"</s>": 0, "<unk>": 1}
    for name, lines in (("source", list(LEARNED)), ("target", list(LEARNED.values()))):
        with (folder / f"{name}.spm").open("wb") as stream:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines * 5),
                model_writer=stream,
                vocab_size=60,
                hard_vocab_limit=False,
                minloglevel=2,
            )
        spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{name}.spm"))
        for index in range(len(spm)):
            pieces.setdefault(spm.id_to_piece(index), len(pieces))
    pieces["<pad>"] = len(pieces)
    (folder / "vocab.json").write_text(json.dumps(pieces), encoding="utf-8")
    tokenizer = MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json"),
        source_lang="en", target_lang="id", model_max_length=POSITIONS,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return tokenizer
