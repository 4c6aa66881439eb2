"""BPE-dropout (Provilkov et al. 2020) that follows a seed.

The tokenizers library has the same in Rust, drawn from a generator that cannot be seeded; a recipe
that names its seed needs one that can.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from tokenizers import Tokenizer

from ..tokenization import SUBWORD_PREFIX, UNK_ID, split_words

# How many ways of cutting each distinct word are drawn per epoch; its occurrences share them.
_VARIANTS = 4


class SubwordSampler:
    """Encodes a fixed list of texts, every time with other merges left out.

    Args:
        tokenizer: a tokenizer of :func:`memotions_hf.tokenization.train_tokenizer`.
        texts: raw texts.
        rate: the share of merges that is left out; 0 gives the tokenizer's own encoding.
        max_length: tokens kept of each text.
    """

    def __init__(
        self, tokenizer: Tokenizer, texts: Sequence[str], rate: float, max_length: int
    ) -> None:
        model = json.loads(tokenizer.to_str())["model"]
        self._vocab: dict[str, int] = model["vocab"]
        self._ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}
        self._added = {
            token.content: index for index, token in tokenizer.get_added_tokens_decoder().items()
        }
        self._rate = rate
        self._max_length = max_length
        word_ids: dict[str, int] = {}
        self._texts = [
            [word_ids.setdefault(word, len(word_ids)) for word in split_words(tokenizer, text)]
            for text in texts
        ]
        self._words = list(word_ids)

    def sample(self, rng: np.random.Generator) -> list[list[int]]:
        """Encode all texts once; the same generator state gives the same ids."""
        # For single numbers the standard library's generator is several times faster.
        words_rng = random.Random(int(rng.integers(2**63)))
        count = _VARIANTS if self._rate else 1
        variants = [[self._cut(word, words_rng) for _ in range(count)] for word in self._words]
        encoded = []
        for words in self._texts:
            draws = rng.integers(0, count, len(words))
            ids: list[int] = []
            for word, draw in zip(words, draws, strict=True):
                ids += variants[word][draw]
            encoded.append(ids[: self._max_length])
        return encoded

    def _cut(self, word: str, rng: random.Random) -> list[int]:
        if word in self._added:
            return [self._added[word]]
        pieces = [word[0], *(SUBWORD_PREFIX + letter for letter in word[1:])]
        while len(pieces) > 1:
            ranked = [
                (self._ranks[pair], at)
                for at, pair in enumerate(pairwise(pieces))
                if pair in self._ranks and rng.random() >= self._rate
            ]
            if not ranked:
                break
            at = min(ranked)[1]
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1].removeprefix(SUBWORD_PREFIX)]
        return [self._vocab.get(piece, UNK_ID) for piece in pieces]
