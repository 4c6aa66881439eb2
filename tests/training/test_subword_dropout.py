import numpy as np
import pytest

from memotions_hf.tokenization import UNK_ID, train_tokenizer
from memotions_hf.training.subword_dropout import SubwordSampler

TEXTS = [
    "Hari ini aku gagal lagi, rasanya ingin menangis saja",
    "senang sekali bertemu teman lama di stasiun 😀 😀",
    "kereta berangkat pukul tujuh dari peron dua https://contoh.id/jadwal",
    "takut banget sendirian di rumah, lampunya mati @budi",
    "",
    "\ud83d kata 你 asing",
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS[:4] * 3, vocab_size=160)


def test_without_dropout_the_ids_are_the_tokenizers_own(tokenizer):
    sampler = SubwordSampler(tokenizer, TEXTS, rate=0, max_length=1000)
    clean = [text.replace("\ud83d", "\ufffd") for text in TEXTS]
    expected = [encoding.ids for encoding in tokenizer.encode_batch(clean)]
    assert sampler.sample(np.random.default_rng(0)) == expected
    assert UNK_ID in expected[5]


def test_dropout_cuts_words_finer_but_keeps_the_text(tokenizer):
    sampler = SubwordSampler(tokenizer, TEXTS, rate=0.5, max_length=1000)
    whole = SubwordSampler(tokenizer, TEXTS, rate=0, max_length=1000)
    rng = np.random.default_rng(1)
    cut, uncut = sampler.sample(rng), whole.sample(rng)
    assert sum(map(len, cut)) > sum(map(len, uncut))

    def joined(ids):
        return "".join(tokenizer.id_to_token(i).removeprefix("##") for i in ids)

    assert [joined(ids) for ids in cut] == [joined(ids) for ids in uncut]


def test_the_seed_decides_the_sample(tokenizer):
    sampler = SubwordSampler(tokenizer, TEXTS, rate=0.3, max_length=1000)
    first, again, other = (sampler.sample(np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_texts_are_cut_to_the_maximum_length(tokenizer):
    sampler = SubwordSampler(tokenizer, TEXTS, rate=0.1, max_length=3)
    assert max(map(len, sampler.sample(np.random.default_rng(0)))) == 3
