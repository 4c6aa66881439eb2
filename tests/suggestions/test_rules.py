"""The rules for suggestions find what they are there to find."""

import pytest

from memotions_hf.corpus.configs import read_suggestions
from memotions_hf.suggestions import rules

GOOD = next(read_suggestions())["suggestion"]


def test_a_good_suggestion_has_no_problem():
    assert rules.problems(GOOD) == []


@pytest.mark.parametrize(
    ("addition", "problem"),
    [
        ("Baca lagi di https://contoh.id ya.", "a link"),
        ("Cek contoh.com kalau sempat.", "a link"),
        ("**Semangat** ya.", "markup"),
        ("<b>Semangat</b> ya.", "markup"),
        ("Minum obat penenang dulu.", "a medicine"),
        ("Coba paracetamol satu tablet.", "a medicine"),
        ("Sepertinya kamu depresi.", "a diagnosis"),
        ("Itu tanda gangguan kecemasan.", "a diagnosis"),
        ("Kamu terlalu manja.", "blame"),
        ("Jangan lebay, ya.", "blame"),
        ("Kamu kurang bersyukur.", "blame"),
        ("Jangan sampai bunuh diri.", "dying"),
        ("Coba salat dulu.", "religious"),
    ],
)
def test_forbidden_words_are_found(addition, problem):
    found = rules.problems(f"{GOOD} {addition}")
    assert any(problem in line for line in found), found


@pytest.mark.parametrize(
    "text", ["Kamu mengobati rindu dengan cerita.", "Pura-pura tidak tahu juga boleh."]
)
def test_harmless_words_are_not(text):
    assert rules.forbidden(text) == []


def test_length_and_form_are_checked():
    four = " ".join(rules.sentences(GOOD)[:4])
    assert any("4 sentences" in line for line in rules.problems(four))
    assert any("paragraph" in line for line in rules.problems(GOOD.replace(". ", ".\n\n", 1)))
    assert any("characters" in line for line in rules.problems(f"{GOOD} " * 4))


def test_other_languages_are_found():
    english = "I am sorry to hear that. You are not alone. Take a walk. Call a friend. Sleep well."
    assert any("Indonesian" in line for line in rules.problems(english))
    assert all(rules.is_indonesian(row["suggestion"]) for row in read_suggestions())


def test_an_echo_of_the_prompt_is_found():
    entry = "hari ini aku pulang sekolah sambil hujan hujanan sama tiga temanku yang baru"
    assert any("repeats" in line for line in rules.problems(f"{GOOD} {entry}.", prompts=[entry]))


def test_a_set_of_pairs_is_checked_as_a_whole():
    rows = [dict(row) for row in read_suggestions()]
    assert rules.pair_problems(rows) == []
    rows[1]["suggestion"] = rows[0]["suggestion"]
    found = rules.pair_problems(rows)
    assert any("the suggestion" in line and "2 times" in line for line in found)
    assert any("share the words" in line for line in found)
    assert any("fewer than" in line for line in rules.pair_problems(rows[:100]))
