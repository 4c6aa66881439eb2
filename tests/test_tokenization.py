"""The subword tokenizer: training, its files, and what cannot be loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

import memotions_hf
from memotions_hf.errors import ModelLoadError
from memotions_hf.text import PLACEHOLDERS, build_normalizer, to_valid_unicode
from memotions_hf.tokenization import (
    PAD_ID,
    PAD_TOKEN,
    TOKENIZER_CONFIG_FILE,
    TOKENIZER_FILE,
    UNK_ID,
    UNK_TOKEN,
    encode_batch,
    load_tokenizer,
    pad_batch,
    save_tokenizer,
    train_tokenizer,
)

TEXTS = [
    "Hari ini aku gagal lagi, rasanya pengen nangis terus 😭",
    "Akhirnya skripsiku di-ACC, senang banget!!!",
    "Aku takut pulang malam sendirian, gelap banget 😱",
    "Kesel banget sama dia, nggak pernah nepatin janji 😡",
    "Tadi pagi naik kereta ke kantor, lalu rapat sampai siang.",
    "Ibu masak sayur asem sama tempe goreng :)",
    "Kangen rumah, sudah dua tahun nggak pulang... 😢",
    "@budi lihat https://contoh.id/a lalu tulis ke budi@contoh.id atau 0812 3456 7890",
    "Aku tidak bahagia, aku bahagia, aku nggak tahu",
] * 3
RAW = [
    "",
    " ",
    "aku GAGALLL lagi 😭😭",
    "tidak bahagia",
    "cek https://t.co/x @ani ani@a.id 0812-3456-7890",
    "kata yang belum pernah dibaca: quokka",
    "<url><user> <pad> <unk>",
    "!!! ??? ... 😡😡",
    "你好",
    "a\x00\u200bb\tc",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, vocab_size=400)


@pytest.fixture
def folder(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    save_tokenizer(tokenizer, tmp_path, max_length=64)
    return tmp_path


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    encoded: list[int] = tokenizer.encode(to_valid_unicode(text), add_special_tokens=False).ids
    return encoded


def test_padding_is_0_and_unknown_is_1(tokenizer: Tokenizer) -> None:
    assert tokenizer.token_to_id(PAD_TOKEN) == PAD_ID == 0
    assert tokenizer.token_to_id(UNK_TOKEN) == UNK_ID == 1


def test_ids_are_consecutive_and_no_more_than_asked_for(tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.get_vocab()
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert len(train_tokenizer(TEXTS, vocab_size=120).get_vocab()) <= 120


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_placeholders_are_single_tokens(tokenizer: Tokenizer, placeholder: str) -> None:
    known = tokenizer.token_to_id(placeholder)
    assert known not in (None, PAD_ID, UNK_ID)
    assert ids(tokenizer, placeholder) == [known]
    assert ids(tokenizer, f"aku{placeholder}lagi").count(known) == 1


def test_what_is_masked_becomes_a_placeholder(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("@ani: https://a.id/b ani@a.id 0812-3456-7890").tokens
    assert tokens == ["<user>", "<url>", "<email>", "<phone>"]


@pytest.mark.parametrize("emoji", ["🥲", "😱", "😡", "🙂", "😢"])
def test_emoji_are_single_tokens(tokenizer: Tokenizer, emoji: str) -> None:
    assert tokenizer.encode(f"aku{emoji}{emoji}lagi").tokens.count(emoji) == 2


def test_strong_punctuation_is_a_token_of_its_own(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("banget!").tokens[-1] == "!"
    assert tokenizer.encode("banget!").tokens[:-1] == tokenizer.encode("banget").tokens


def test_negation_reaches_the_model(tokenizer: Tokenizer) -> None:
    assert ids(tokenizer, "tidak bahagia") != ids(tokenizer, "bahagia")
    assert ids(tokenizer, "tidak bahagia")[-1:] == ids(tokenizer, "bahagia")[-1:]


def test_offsets_point_into_the_raw_text(tokenizer: Tokenizer) -> None:
    text = "  AKU  gagal lagi 😭"
    encoded = tokenizer.encode(text)
    pieces = [text[start:end] for start, end in encoded.offsets]
    assert "".join(pieces) == "AKUgagallagi😭"


def test_unknown_characters_are_unknown_tokens(tokenizer: Tokenizer) -> None:
    assert UNK_ID in ids(tokenizer, "你好")
    assert ids(tokenizer, "") == []


def test_training_twice_gives_the_same_file(tokenizer: Tokenizer) -> None:
    again = train_tokenizer(TEXTS, vocab_size=400)
    assert again.to_str() == tokenizer.to_str()
    assert train_tokenizer(TEXTS[:3], vocab_size=400).to_str() != tokenizer.to_str()


def test_a_saved_tokenizer_loads_as_it_was(tokenizer: Tokenizer, folder: Path) -> None:
    loaded = load_tokenizer(folder)
    assert loaded.to_str() == tokenizer.to_str()
    assert [ids(loaded, text) for text in RAW] == [ids(tokenizer, text) for text in RAW]


def test_auto_tokenizer_reads_the_folder(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = load_tokenizer(folder)
    for text in (*TEXTS, *RAW):
        assert theirs(text, add_special_tokens=False)["input_ids"] == ids(ours, text), text
    assert (theirs.pad_token_id, theirs.unk_token_id) == (PAD_ID, UNK_ID)
    assert theirs.model_max_length == 64
    assert theirs.padding_side == "right"


def test_the_config_names_no_class_of_ours(folder: Path) -> None:
    config = json.loads((folder / TOKENIZER_CONFIG_FILE).read_text(encoding="utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "auto_map" not in config


def test_a_batch_is_cut_and_padded_at_the_end(tokenizer: Tokenizer) -> None:
    rows = encode_batch(tokenizer, ["aku gagal lagi", "", "\ud800"], max_length=2)
    assert rows[0] == ids(tokenizer, "aku gagal lagi")[:2]
    assert rows[1:] == [[], []]
    batch = pad_batch(rows)
    assert batch.tolist() == [rows[0], [PAD_ID] * 2, [PAD_ID] * 2]


def test_a_written_padding_token_does_not_end_the_text(tokenizer: Tokenizer) -> None:
    (row,) = encode_batch(tokenizer, ["aku <pad> gagal"], max_length=64)
    assert PAD_ID not in row
    assert row[-1] == ids(tokenizer, "gagal")[-1]


def test_the_bundled_tokenizer_normalises_as_this_package_does() -> None:
    bundled = Path(memotions_hf.__file__).parent / "bundled" / "memotions-bilstm" / TOKENIZER_FILE
    if not bundled.is_file():
        pytest.skip("no model is bundled in this tree")
    ours = Tokenizer(models.BPE())
    ours.normalizer = build_normalizer()
    stored = json.loads(bundled.read_text(encoding="utf-8"))["normalizer"]
    assert stored == json.loads(ours.to_str())["normalizer"]


def foreign() -> str:
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[UNK]", "[PAD]"])
    return str(tokenizer.to_str())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"{\n",
        b"not\njson",
        b"\xff\xfe\x00",
        b'{"model": null}',
        foreign().encode(),
    ],
    ids=["empty", "object", "list", "cut", "text", "binary", "no model", "foreign"],
)
def test_a_damaged_or_foreign_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TOKENIZER_FILE).write_bytes(content)
    with pytest.raises(ModelLoadError) as caught:
        load_tokenizer(tmp_path)
    assert TOKENIZER_FILE in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_one_line(folder: Path) -> None:
    path = folder / TOKENIZER_FILE
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelLoadError) as caught:
        load_tokenizer(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["file", "folder"])
def test_a_missing_file_is_one_line(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ModelLoadError, match=TOKENIZER_FILE) as caught:
        load_tokenizer(tmp_path if missing == "file" else tmp_path / "nowhere")
    assert "\n" not in str(caught.value)
