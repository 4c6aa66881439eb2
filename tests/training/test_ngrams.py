"""The linear path: its features, the character n-grams that its rows share, and what it learns."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memotions_hf.modeling.bilstm import BiLSTMConfig, build_bilstm
from memotions_hf.tokenization import encode_batch, train_tokenizer
from memotions_hf.training.ngrams import character_matrix, fit_ngrams, ngram_matrix

BUCKETS = 10_007
SAD = ["aku menangisi kepergiannya", "kami menangisi nasib", "dia menangisi hujan"]
HAPPY = ["aku mensyukuri kesempatan", "kami mensyukuri nasib", "dia mensyukuri hujan"]
TEXTS = SAD + HAPPY
LABELS = np.array([0, 0, 0, 1, 1, 1])
EVEN = np.ones(5, np.float32)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS * 3, 120)


def fitted(tokenizer, texts, labels):
    ids = encode_batch(tokenizer, texts, 64)
    matrix = ngram_matrix(ids, tokenizer.get_vocab_size(), BUCKETS)
    characters = character_matrix(tokenizer, ids, BUCKETS)
    return fit_ngrams(matrix, characters, labels, EVEN, seed=0)


def logits(tokenizer, texts, weights, biases):
    ids = encode_batch(tokenizer, texts, 64)
    return ngram_matrix(ids, tokenizer.get_vocab_size(), BUCKETS) @ weights + biases


@given(st.lists(st.lists(st.integers(1, 39), max_size=12), min_size=1, max_size=6))
def test_the_matrix_counts_as_the_network_does(rows: list[list[int]]) -> None:
    matrix = ngram_matrix(rows, 40, 23)
    assert matrix.shape == (len(rows), 63)
    for counts, row in zip(matrix.toarray(), rows, strict=True):
        expected = np.zeros(63)
        pairs = [40 + (a * 40 + b) % 23 for a, b in itertools.pairwise(row)]
        for number in [*row, *pairs]:
            expected[number] += 1 / np.sqrt(len(row) + len(pairs))
        np.testing.assert_allclose(counts, expected)


def test_the_network_gives_the_logits_that_were_fitted(tokenizer) -> None:
    weights, biases = fitted(tokenizer, TEXTS, LABELS)
    config = BiLSTMConfig(tokenizer.get_vocab_size(), 4, (3,), pair_buckets=BUCKETS)
    model = build_bilstm(config)
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([0 * kernel, bias + biases])
    model.get_layer("ngrams").set_weights([weights])
    for text, expected in zip(TEXTS, logits(tokenizer, TEXTS, weights, biases), strict=True):
        answer = np.log(model.predict_on_batch(np.array(encode_batch(tokenizer, [text], 64)))[0])
        np.testing.assert_allclose(answer - answer.mean(), expected - expected.mean(), atol=1e-5)


def test_it_learns_and_leaves_classes_without_texts_at_zero(tokenizer) -> None:
    weights, biases = fitted(tokenizer, TEXTS, LABELS)
    assert (logits(tokenizer, TEXTS, weights, biases).argmax(1) == LABELS).all()
    assert not weights[:, 2:].any()
    assert not biases[2:].any()


def test_texts_of_one_class_alone_teach_nothing(tokenizer) -> None:
    weights, biases = fitted(tokenizer, SAD, np.zeros(3, np.int64))
    assert not weights.any()
    assert not biases.any()


def test_a_token_learns_from_tokens_that_look_like_it() -> None:
    texts = ["kehilangan dompet", "kehilangan teman", "menemukan dompet", "menemukan teman"]
    tokenizer = train_tokenizer([*texts * 3, *["kehilanganku"] * 20], 200)
    (unseen,) = encode_batch(tokenizer, ["kehilanganku"], 8)[0]
    weights, _ = fitted(tokenizer, texts, np.array([0, 0, 1, 1]))
    assert weights[unseen, 0] > 0 > weights[unseen, 1]


def test_a_pair_stands_for_what_lies_across_its_seam(tokenizer) -> None:
    ids = encode_batch(tokenizer, ["menangisi hujan", "hujani"], 8)
    characters = character_matrix(tokenizer, ids, BUCKETS)
    size = tokenizer.get_vocab_size()
    pieces = {number: piece for piece, number in tokenizer.get_vocab().items()}
    (first, second), *_ = [row for row in ids if len(row) == 2]
    rows = size + (first * size + second) % BUCKETS
    left = f" {pieces[first]}"
    right = pieces[second].removeprefix("##") if pieces[second].startswith("##") else " "
    grams = {
        (left + right)[i : i + n]
        for n in range(2, 6)
        for i in range(len(left) + len(right[:4]) - n + 1)
        if i < len(left) < i + n
    }
    assert characters[rows].nnz == len(grams)
    assert characters[rows].sum() == pytest.approx(len(grams))
