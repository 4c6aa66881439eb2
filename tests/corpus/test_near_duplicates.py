"""Which texts count as nearly equal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memotions_hf.corpus.near_duplicates import PREFIX_LENGTH, group_near_duplicates
from memotions_hf.text import grouping_key

pytest.importorskip("rensa", reason="the data extra is not installed")

TWEET = "akhirnya skripsiku disetujui dosen pembimbing setelah tiga kali revisi besar"
SHORT = "barang bagus sesuai gambar"


def together(first: str, second: str, *others: str) -> bool:
    groups = group_near_duplicates([grouping_key(text) for text in (first, second, *others)])
    return groups[0] == groups[1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SHORT, SHORT),
        ("@ani " + TWEET.upper() + "!!!", TWEET + " https://contoh.id/a"),
        (TWEET, TWEET.replace("skripsiku", "skripsi")),
        (TWEET, TWEET + " lho"),
        (TWEET, TWEET + " dan sekarang aku mau tidur seharian tanpa diganggu siapa pun juga"),
        ("terima kasih banyak ya semuanya", "terima kasih banyak yaaa semuanya 🙂"),
    ],
    ids=["equal", "masks and case", "one letter", "one word", "cut off", "elongated"],
)
def test_near_equal_texts_are_grouped(first: str, second: str) -> None:
    assert together(first, second, "hujan turun sejak pagi di kota ini")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bahagia", "tidak bahagia"),
        ("aku sedih", "aku senang"),
        (SHORT, "barang jelek tidak sesuai gambar"),
        (TWEET, "dosen pembimbing itu marah karena skripsiku belum direvisi sama sekali"),
        ("😭", "😡"),
        ("a", "b"),
        (TWEET[: PREFIX_LENGTH - 1], TWEET[: PREFIX_LENGTH - 31] + " yang lain lagi sama sekali"),
    ],
)
def test_different_texts_are_not_grouped(first: str, second: str) -> None:
    assert not together(first, second)


def test_groups_are_joined_through_a_text_between_them() -> None:
    numbers = "satu dua tiga empat lima enam tujuh delapan sembilan sepuluh sebelas belasan"
    words = numbers.split(" ")
    chain = [" ".join(words[i : i + 9]) for i in range(4)]
    first, *_, last = chain
    assert not together(first, last)
    assert group_near_duplicates(chain) == [0, 0, 0, 0]


def test_a_group_has_the_number_of_its_first_member() -> None:
    keys = ["hujan turun sejak pagi", TWEET, SHORT, TWEET, "hujan turun sejak pagi"]
    assert group_near_duplicates(keys) == [0, 1, 2, 1, 0]


def test_nothing_gives_no_groups() -> None:
    assert group_near_duplicates([]) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("abc ", max_size=12), max_size=20))
def test_equal_keys_are_always_grouped(keys: list[str]) -> None:
    groups = group_near_duplicates(keys)
    assert len(groups) == len(keys)
    assert all(groups[group] == group <= i for i, group in enumerate(groups))
    for i, key in enumerate(keys):
        assert groups[i] == groups[keys.index(key)]
