"""The subword tokenizer: trained on the training split, loadable with AutoTokenizer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, trainers

from .errors import ModelLoadError
from .text import PLACEHOLDERS, build_normalizer, to_valid_unicode

PAD_TOKEN, UNK_TOKEN = "<pad>", "<unk>"
PAD_ID, UNK_ID = 0, 1
SUBWORD_PREFIX = "##"
TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
_ALPHABET_SIZE = 400


def split_words(tokenizer: Tokenizer, text: str) -> list[str]:
    """Return the words that a tokenizer cuts into subwords: normalised, placeholders included."""
    normalised = tokenizer.normalizer.normalize_str(to_valid_unicode(text))
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalised)]


def train_tokenizer(
    texts: Iterable[str], vocab_size: int = 12_000, min_frequency: int = 2
) -> Tokenizer:
    """Train a byte-pair-encoding tokenizer (Sennrich et al. 2016) with our normaliser in it.

    Punctuation and emoji are words of their own; subwords inside a word begin with ``##``.

    Args:
        texts: raw texts of the training split.
        vocab_size: entries at most, the special tokens included.
        min_frequency: how often a pair must occur to be merged.

    The same texts give the same tokenizer, whatever their order.

    Returns:
        A tokenizer whose padding id is 0 and unknown id is 1, without truncation or padding set.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNK_TOKEN, continuing_subword_prefix=SUBWORD_PREFIX))
    tokenizer.normalizer = build_normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(r"[!?…]|\p{So}"), behavior="isolated"),
        ]
    )
    words_of_texts = [  # placeholders are not learnt from
        [word for word in split_words(tokenizer, text) if word not in PLACEHOLDERS]
        for text in texts
    ]
    words = {word for words in words_of_texts for word in words}
    characters = Counter(char for words in words_of_texts for word in words for char in word)
    alphabet = sorted(characters, key=lambda char: (-characters[char], char))[:_ALPHABET_SIZE]
    inside = {char for word in words for char in word[1:]} & set(alphabet)
    # The trainer numbers characters inside words in the order of a hash table, which differs from
    # run to run and decides ties between merges. As special tokens they are numbered first.
    first = [PAD_TOKEN, UNK_TOKEN, *(SUBWORD_PREFIX + char for char in sorted(inside))]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(PLACEHOLDERS),
        min_frequency=min_frequency,
        special_tokens=first,
        continuing_subword_prefix=SUBWORD_PREFIX,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(map(" ".join, words_of_texts), trainer)
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = state["added_tokens"][:2]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    # Only now: tokens that are added before training keep ids that training gives to others.
    tokenizer.add_tokens([AddedToken(token, normalized=True) for token in PLACEHOLDERS])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, max_length: int) -> None:
    """Write ``tokenizer.json`` and the ``tokenizer_config.json`` that AutoTokenizer reads."""
    tokenizer.save(str(folder / TOKENIZER_FILE))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": "right",
        "truncation_side": "right",
        "pad_token": PAD_TOKEN,
        "unk_token": UNK_TOKEN,
        "clean_up_tokenization_spaces": False,
    }
    (folder / TOKENIZER_CONFIG_FILE).write_text(
        json.dumps(config, indent=2) + "\n", encoding="utf-8"
    )


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load the tokenizer of a model folder.

    Raises:
        ModelLoadError: the file is missing, damaged, or has other padding or unknown ids than ours.
    """
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise ModelLoadError(f"{path} is missing; a model folder needs it")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception for every kind of damage
        raise ModelLoadError(f"{path} is not a tokenizer file ({error})") from None
    if (tokenizer.token_to_id(PAD_TOKEN), tokenizer.token_to_id(UNK_TOKEN)) != (PAD_ID, UNK_ID):
        raise ModelLoadError(
            f"{path} was not made by memotions-hf: {PAD_TOKEN} and {UNK_TOKEN} must have ids 0, 1"
        )
    # Another library may have stored its own; cutting and padding are done below.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def encode_batch(tokenizer: Tokenizer, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Return the ids of raw texts, each cut to ``max_length`` and none of them padding.

    A text that spells out ``<pad>`` would have the padding id in its middle, and everything after
    it would be lost; it is read as an unknown word instead.
    """
    encodings = tokenizer.encode_batch_fast(
        [to_valid_unicode(text) for text in texts], add_special_tokens=False
    )
    rows = [encoding.ids[:max_length] for encoding in encodings]
    return [
        [UNK_ID if token_id == PAD_ID else token_id for token_id in row] if PAD_ID in row else row
        for row in rows
    ]


def pad_batch(rows: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """Return ids as an int64 array (texts, longest), padded at the end."""
    batch = np.full((len(rows), max(map(len, rows), default=0)), PAD_ID, np.int64)
    for number, row in enumerate(rows):
        batch[number, : len(row)] = row
    return batch
