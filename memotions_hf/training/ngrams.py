"""The linear path beside the BiLSTM: its rows are learnt with a linear SVC.

The two are learnt apart, and their logits are weighed on validation rows: a BiLSTM that learnt only
what the linear path leaves soon knew the training texts by heart (``benchmarks/flagship.md``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from ..errors import require
from ..tokenization import SUBWORD_PREFIX

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

_COST = 0.3
_GRAM_SIZES = range(2, 6)
# A feature of one text alone would only say whose it is.
_LEAST_TEXTS = 2


def ngram_matrix(ids: Sequence[Sequence[int]], vocab_size: int, pair_buckets: int) -> csr_matrix:
    """Return how often each row of the linear path counts for each text, shape (n, rows).

    As :func:`~memotions_hf.modeling.bilstm.build_bilstm` reads them: counts of tokens and pairs,
    divided by the square root of how many there are in the text.
    """
    sparse = require("scipy.sparse", "train")
    numbers = [_ngrams(np.array(row, dtype=np.int64), vocab_size, pair_buckets) for row in ids]
    starts = np.cumsum([0, *(len(row) for row in numbers)])
    values = [np.full(len(row), 1 / np.sqrt(max(len(row), 1))) for row in numbers]
    shape = (len(ids), vocab_size + pair_buckets)
    parts = (_joined(values, np.float64), _joined(numbers, np.int64), starts)
    matrix = sparse.csr_matrix(parts, shape=shape)
    matrix.sum_duplicates()
    return matrix


def _ngrams(row: IntArray, vocab_size: int, pair_buckets: int) -> IntArray:
    pairs = (row[:-1] * vocab_size + row[1:]) % pair_buckets + vocab_size
    return np.concatenate([row, pairs])


def _joined(parts: Sequence[npt.NDArray[np.generic]], dtype: type) -> npt.NDArray[np.generic]:
    return np.concatenate([np.zeros(0, dtype), *parts])


def character_matrix(
    tokenizer: Tokenizer, ids: Sequence[Sequence[int]], pair_buckets: int
) -> csr_matrix:
    """Return which character n-grams each row of the linear path stands for, shape (rows, n-grams).

    Those of 2 to 5 characters within words: a token's own, and for a pair those across the seam. A
    bucket of several pairs has the mean over them, by how often they stand in the texts.

    Args:
        tokenizer: whose ids they are.
        ids: of the training texts.
        pair_buckets: of the model.
    """
    sparse = require("scipy.sparse", "train")
    pieces = {number: _as_in_a_text(piece) for piece, number in tokenizer.get_vocab().items()}
    size = tokenizer.get_vocab_size()
    counts = Counter(pair for row in ids for pair in pairwise(row))
    bucket_of = {pair: (pair[0] * size + pair[1]) % pair_buckets + size for pair in counts}
    totals: Counter[int] = Counter()
    for pair, count in counts.items():
        totals[bucket_of[pair]] += count
    columns: dict[str, int] = {}
    entries = [
        (number, columns.setdefault(gram, len(columns)), 1.0)
        for number, piece in pieces.items()
        for gram in _grams(piece)
    ]
    entries += [
        (bucket_of[pair], columns.setdefault(gram, len(columns)), count / totals[bucket_of[pair]])
        for pair, count in counts.items()
        for gram in _grams_across(pieces[pair[0]], pieces[pair[1]])
    ]
    rows, places, values = zip(*entries, strict=True)
    return sparse.csr_matrix((values, (rows, places)), shape=(size + pair_buckets, len(columns)))


def _as_in_a_text(piece: str) -> str:
    """Return a token with the space before it, unless it goes on with a word."""
    inside = piece.startswith(SUBWORD_PREFIX)
    return piece.removeprefix(SUBWORD_PREFIX) if inside else f" {piece}"


def _grams(text: str) -> list[str]:
    return [text[i : i + n] for n in _GRAM_SIZES for i in range(len(text) - n + 1)]


def _grams_across(first: str, second: str) -> list[str]:
    """Return the n-grams that begin in one token and end in the next, or end with its word."""
    longest = _GRAM_SIZES[-1] - 1
    left, right = first[-longest:], " " if second.startswith(" ") else second[:longest]
    text, seam = left + right, len(left)
    return [
        text[i : i + n]
        for n in _GRAM_SIZES
        for i in range(max(0, seam - n + 1), min(seam, len(text) - n + 1))
    ]


def fit_ngrams(
    matrix: csr_matrix,
    characters: csr_matrix,
    labels: IntArray,
    class_weights: FloatArray,
    seed: int,
) -> tuple[FloatArray, FloatArray]:
    """Fit one linear SVC for each class against the rest.

    The rows share weights through the character n-grams they stand for, so that a row of few texts
    learns from words that look like it (the idea of fastText, Bojanowski et al. 2017); what a row
    has of its own and of its n-grams is summed up at the end, so that serving needs no characters.
    Rarer features count for more, by their inverse document frequency, as in TF-IDF.

    Args:
        matrix: of :func:`ngram_matrix`, shape (n, rows).
        characters: of :func:`character_matrix`, shape (rows, n-grams).
        labels: class ids, shape (n,).
        class_weights: what a row of each class counts, shape (classes,).
        seed: of the solver's order.

    Returns:
        The weights (rows, classes) and biases (classes,). A class without texts, or with nothing
        but texts of its own, gets zeros.
    """
    sparse, svm = require("scipy.sparse", "train"), require("sklearn.svm", "train")
    # The weight of a row is then this matrix's row times the weights that are learnt.
    own, shared = matrix, (matrix @ characters).tocsr()
    shares = sparse.hstack([_scaled(own), characters @ _scaled(shared)]).tocsr()
    features = (matrix @ shares).tocsr()
    weights = np.zeros((matrix.shape[1], len(class_weights)), np.float32)
    biases = np.zeros(len(class_weights), np.float32)
    for label, weight in enumerate(class_weights):
        is_label = labels == label
        if is_label.any() and not is_label.all():
            machine = svm.LinearSVC(C=_COST, class_weight={True: weight}, random_state=seed)
            machine.fit(features, is_label)
            weights[:, label] = shares @ machine.coef_[0]
            biases[label] = machine.intercept_[0]
    return weights, biases


def _scaled(features: csr_matrix) -> Any:
    """Return a diagonal matrix: what to scale features by to weigh rare ones and get norm 1."""
    sparse = require("scipy.sparse", "train")
    texts = np.bincount(features.indices, minlength=features.shape[1])
    rarity = np.log((1 + features.shape[0]) / (1 + texts)) + 1
    rarity[texts < _LEAST_TEXTS] = 0
    weighed = features @ sparse.diags(rarity)
    norm = float(np.sqrt(weighed.multiply(weighed).sum(1)).mean())
    return sparse.diags(rarity / max(norm, 1e-9))
