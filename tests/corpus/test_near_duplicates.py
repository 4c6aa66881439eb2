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
    return together_in(group_near_duplicates(keys(first, second, *others)).groups)


def keys(*texts: str) -> list[str]:
    return [grouping_key(text) for text in texts]


def together_in(groups: list[int]) -> bool:
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
    assert group_near_duplicates(chain).groups == [0, 0, 0, 0]


def test_a_group_has_the_number_of_its_first_member() -> None:
    texts = ["hujan turun sejak pagi", TWEET, SHORT, TWEET, "hujan turun sejak pagi"]
    assert group_near_duplicates(texts).groups == [0, 1, 2, 1, 0]


def test_nothing_gives_no_groups() -> None:
    assert group_near_duplicates([]).groups == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("abc ", max_size=12), max_size=20))
def test_equal_keys_are_always_grouped(texts: list[str]) -> None:
    grouping = group_near_duplicates(texts)
    for groups in (grouping.groups, grouping.twins):
        assert len(groups) == len(texts)
        assert all(groups[group] == group <= i for i, group in enumerate(groups))
        for i, text in enumerate(texts):
            assert groups[i] == groups[texts.index(text)]


@pytest.mark.parametrize(
    ("first", "second", "twins"),
    [
        (TWEET, TWEET + " a", True),
        (TWEET, TWEET.replace("skripsiku", "skripsi"), False),
        (TWEET, TWEET + " dan sekarang aku mau tidur seharian tanpa diganggu siapa pun", False),
        ("nyaman dipakai seharian penuh", "tidak nyaman dipakai seharian penuh", False),
    ],
)
def test_twins_are_all_but_equal(first: str, second: str, twins: bool) -> None:
    grouping = group_near_duplicates(keys(first, second))
    assert together_in(grouping.groups)
    assert together_in(grouping.twins) == twins


def test_texts_of_one_link_are_grouped_and_no_twins() -> None:
    texts = ["aku senang sekali", "saya sangat bahagia", "hujan turun sejak pagi", "lain lagi"]
    grouping = group_near_duplicates(texts, ["one", "one", None, None])
    assert grouping.groups == [0, 0, 2, 3]
    assert grouping.twins == [0, 1, 2, 3]


def test_texts_that_begin_alike_are_compared_by_the_rest_too() -> None:
    # The second is in the first one's group by its beginning; the third resembles only it.
    start = "promo gratis ongkir untuk semua pelanggan setia toko kami hari "
    ends = [
        "senin " * 12,
        "ini kakak kandungku akhirnya lulus kuliah dengan nilai tertinggi di kampusnya yang jauh",
    ]
    third = "x" + start[20:] + ends[1]
    grouping = group_near_duplicates(keys(start + ends[0], start + ends[1], third))
    assert grouping.groups == [0, 0, 0]
