"""The subword tokenizer: trained on the training split, loadable with AutoTokenizer."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, trainers

from .errors import ModelLoadError
from .strict_files import read_json_object, shorten
from .text import NORMALIZER_VERSION, PLACEHOLDERS, build_normalizer, to_valid_unicode

PAD_TOKEN, UNK_TOKEN = "<pad>", "<unk>"
PAD_ID, UNK_ID = 0, 1
SUBWORD_PREFIX = "##"
TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
_ALPHABET_SIZE = 400

# No step of the normaliser looks across a space but the telephone numbers, which begin with a digit
# of their own: a word without digits, or with one after its letters ("teman2"), is read alike
# wherever it stands. White space other than the space, marks that combine with what stands before
# them, and scripts that nobody looked at are left out.
_SELF_CONTAINED = re.compile(
    r"[!-/:-~\u2013\u2014\u2018-\u201f\u2026\u2600-\u27bf\ufe0f\U0001f300-\U0001faff]{1,60}"
    r"|[A-Za-z]{1,40}[0-9]"
)
_MAX_REMEMBERED = 200_000

_FIXED_PARTS = ("normalizer", "pre_tokenizer", "model", "added_tokens")
# The second is what transformers 5 writes in place of the first.
_TOKENIZER_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
_MAX_TOKENIZER_BYTES = 5_000_000
_MAX_TOKENIZER_CONFIG_BYTES = 100_000


def split_words(tokenizer: Tokenizer, text: str) -> list[str]:
    """Return the words that a tokenizer cuts into subwords: normalised, placeholders included."""
    normalised = tokenizer.normalizer.normalize_str(to_valid_unicode(text))
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalised)]


def _build_tokenizer(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """Return our kind of tokenizer, as yet without added tokens."""
    tokenizer = Tokenizer(
        models.BPE(
            vocabulary, merges, unk_token=UNK_TOKEN, continuing_subword_prefix=SUBWORD_PREFIX
        )
    )
    tokenizer.normalizer = build_normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(r"[!?…]|\p{So}"), behavior="isolated"),
        ]
    )
    return tokenizer


def _add_placeholders(tokenizer: Tokenizer) -> None:
    tokenizer.add_tokens([AddedToken(token, normalized=True) for token in PLACEHOLDERS])


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
    tokenizer = _build_tokenizer({}, [])
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
    _add_placeholders(tokenizer)
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

    Only the vocabulary and its merges are taken from the file. Everything else must be ours and is
    built here: another normalisation would read texts as the model was not trained to, and a
    pattern from a stranger could take any time and memory. What another library has stored for
    cutting, padding and special tokens is left out.

    Raises:
        ModelLoadError: a file is missing, damaged or very large, names code to run, or holds
            another kind of tokenizer than ours.
    """
    path = folder / TOKENIZER_FILE
    values = read_json_object(path, _MAX_TOKENIZER_BYTES)
    _check_tokenizer(path, values)
    _check_tokenizer_config(folder / TOKENIZER_CONFIG_FILE)
    model = values["model"]
    try:
        tokenizer = _build_tokenizer(model["vocab"], [(a, b) for a, b in model["merges"]])
    except Exception as error:  # the library raises a bare Exception for every kind of damage
        raise ModelLoadError(f"{path} is not a tokenizer file ({shorten(str(error))})") from None
    tokenizer.add_special_tokens([PAD_TOKEN, UNK_TOKEN])
    _add_placeholders(tokenizer)
    return tokenizer


def _check_tokenizer(path: Path, values: Mapping[str, Any]) -> None:
    """Compare everything but the vocabulary with ours, before the library compiles any of it."""
    model, added = values.get("model"), values.get("added_tokens")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict) or not _are_objects(added):
        raise ModelLoadError(f"{path} is not a tokenizer file: it has no vocabulary")
    if (vocabulary.get(PAD_TOKEN), vocabulary.get(UNK_TOKEN)) != (PAD_ID, UNK_ID):
        raise ModelLoadError(
            f"{path} was not made by memotions-hf: {PAD_TOKEN} and {UNK_TOKEN} must have ids 0, 1"
        )
    found, ours = _fixed_parts(values), _our_fixed_parts()
    for part in _FIXED_PARTS:
        if found[part] != ours[part]:
            raise ModelLoadError(
                f"{path} was not made by memotions-hf: its {part} is not the one of normaliser "
                f"version {NORMALIZER_VERSION}; take a folder that save_pretrained wrote"
            )
    size = len(vocabulary)
    ids = [*vocabulary.values(), *(token.get("id") for token in values["added_tokens"])]
    expected = [PAD_ID, UNK_ID, *range(size, size + len(PLACEHOLDERS))]
    if ids[size:] != expected or not all(type(n) is int and 0 <= n < size for n in ids[:size]):
        raise ModelLoadError(
            f"{path} is damaged: the ids of its {size:,} entries must count up from 0, those of "
            f"{', '.join(PLACEHOLDERS)} after them; save or download it again"
        )


def _are_objects(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, dict) for value in values)


def _fixed_parts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is the same in every ``tokenizer.json`` of ours."""
    parts = {part: values.get(part) for part in _FIXED_PARTS}
    parts["model"] = {
        key: value for key, value in values["model"].items() if key not in ("vocab", "merges")
    }
    parts["added_tokens"] = [
        {key: value for key, value in token.items() if key != "id"}
        for token in values["added_tokens"]
    ]
    return parts


@cache
def _our_fixed_parts() -> dict[str, Any]:
    tokenizer = _build_tokenizer({}, [])
    tokenizer.add_special_tokens([PAD_TOKEN, UNK_TOKEN])
    _add_placeholders(tokenizer)
    return _fixed_parts(json.loads(tokenizer.to_str()))


def _check_tokenizer_config(path: Path) -> None:
    """Refuse what AutoTokenizer would run or look for; this package does not read the file."""
    if not path.is_file():
        return
    values = read_json_object(path, _MAX_TOKENIZER_CONFIG_BYTES)
    if "auto_map" in values or values.get("tokenizer_class") not in _TOKENIZER_CLASSES:
        raise ModelLoadError(
            f"{path} names other code to run: tokenizer_class "
            f"{shorten(values.get('tokenizer_class'))}, auto_map "
            f"{shorten(values.get('auto_map'))}; a Memotions model has {_TOKENIZER_CLASSES[0]} "
            "and no auto_map"
        )


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


class RememberingEncoder:
    """Encodes texts exactly as :func:`encode_batch` does, several times faster.

    Nearly all of that function's time goes into normalising, and most words of most texts are plain
    ones that are read alike wherever they stand. Their ids are remembered one by one; a text with
    anything else in it is encoded whole. What is remembered are single words without their order,
    at most 200,000 of them, in this object alone.

    Args:
        tokenizer: a tokenizer of :func:`train_tokenizer`.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, list[int]] = {"": []}

    def __call__(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """Return the ids of raw texts, each cut to ``max_length`` and none of them padding."""
        self._learn(texts)
        rows = [self._from_memory(text, max_length) for text in texts]
        others = [position for position, row in enumerate(rows) if row is None]
        encoded = encode_batch(self._tokenizer, [texts[at] for at in others], max_length)
        for position, row in zip(others, encoded, strict=True):
            rows[position] = row
        return [row for row in rows if row is not None]

    def _from_memory(self, text: str, max_length: int) -> list[int] | None:
        try:
            return list(chain.from_iterable(map(self._ids.__getitem__, text.split(" "))))[
                :max_length
            ]
        except KeyError:
            return None

    def _learn(self, texts: Sequence[str]) -> None:
        if len(self._ids) > _MAX_REMEMBERED:
            self._ids = {"": []}
        new = set(chain.from_iterable(text.split(" ") for text in texts)).difference(self._ids)
        plain = [word for word in new if _SELF_CONTAINED.fullmatch(word)]
        for word, ids in zip(plain, encode_batch(self._tokenizer, plain, 100), strict=True):
            self._ids[word] = ids


def pad_batch(rows: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """Return ids as an int64 array (texts, longest), padded at the end."""
    batch = np.full((len(rows), max(map(len, rows), default=0)), PAD_ID, np.int64)
    for number, row in enumerate(rows):
        batch[number, : len(row)] = row
    return batch
