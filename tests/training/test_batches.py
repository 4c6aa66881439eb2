from itertools import islice

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the train extra")

from memotions_hf.tokenization import PAD_ID, train_tokenizer
from memotions_hf.training.batches import TrainingBatches
from memotions_hf.training.subword_dropout import SubwordSampler

TEXTS = [f"catatan {'panjang ' * (number % 9)}nomor {number}" for number in range(37)]
LABELS = np.arange(37) % 5


def batches(batch_size, texts=TEXTS, seed=1):
    tokenizer = train_tokenizer(TEXTS, vocab_size=120)
    return TrainingBatches(
        SubwordSampler(tokenizer, texts, rate=0.1, max_length=50),
        np.eye(5, dtype=np.float32)[LABELS[: len(texts)]],
        (LABELS[: len(texts)] + 1).astype(np.float32),
        batch_size=batch_size,
        token_dropout=0.1,
        seed=seed,
    )


def test_an_epoch_holds_every_text_once_with_its_label_and_weight():
    rows = [row for batch in batches(8).epoch(0) for row in zip(*batch, strict=True)]
    labels = [int(one_hot.argmax()) for _, one_hot, _ in rows]
    assert sorted(labels) == sorted(LABELS.tolist())
    assert all(weight == label + 1 for label, (_, _, weight) in zip(labels, rows, strict=True))


@pytest.mark.parametrize("batch_size", [1, 8, 36, 37, 100])
def test_the_length_is_that_of_every_epoch(batch_size):
    made = batches(batch_size)
    assert [sum(1 for _ in made.epoch(number)) for number in range(2)] == [len(made)] * 2


def test_padding_stands_at_the_end_only():
    for ids, _, _ in batches(8).epoch(0):
        is_token = ids != PAD_ID
        assert (np.diff(is_token.astype(int), axis=1) <= 0).all()
        assert is_token.any(1).all()


def test_the_seed_and_the_epoch_decide():
    def first(seed, number):
        return next(batches(8, seed=seed).epoch(number))[0].tolist()

    assert first(1, 0) == first(1, 0)
    assert first(1, 0) != first(1, 1)
    assert first(1, 0) != first(2, 0)


def test_a_dataset_goes_on_from_an_epoch_and_takes_batches_of_any_length():
    made = batches(8)
    taken = list(islice(made.as_dataset(first_epoch=3).as_numpy_iterator(), 2 * len(made)))
    expected = [*made.epoch(3), *made.epoch(4)]
    assert len({batch[0].shape[1] for batch in taken}) > 1
    for ours, theirs in zip(taken, expected, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_a_single_batch_an_epoch_may_change_its_length():
    made = batches(100, texts=TEXTS[:5])
    shapes = {b[0].shape for b in islice(made.as_dataset(0).as_numpy_iterator(), 20)}
    assert len(shapes) > 1
