"""Streaks and achievements: what counts, and what never breaks them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memotions_hf.demo.achievements import (
    Achievement,
    Streak,
    find_achievements,
    find_streak,
    new_since,
)
from memotions_hf.demo.journal import Point
from memotions_hf.demo.markup import TEXT_FOLDER
from memotions_hf.labels import LABELS

TODAY = date(2026, 11, 21)
WIB = timezone(timedelta(hours=7))


def on(days_ago: int, label: str | None = "happy", hour: int = 20) -> Point:
    day = TODAY - timedelta(days=days_ago)
    return Point(datetime(day.year, day.month, day.day, hour, 15, tzinfo=WIB), label)


def judged(points: list[Point], today: date = TODAY) -> dict[str, Achievement]:
    return {achievement.id: achievement for achievement in find_achievements(points, today)}


POINTS = st.lists(
    st.builds(
        Point,
        st.datetimes(timezones=st.sampled_from([WIB, UTC, timezone(timedelta(hours=-11))])),
        st.sampled_from([*LABELS, None]),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("days_ago", "streak"),
    [
        ([], Streak(0, 0, False)),
        ([0], Streak(1, 1, True)),
        ([0, 0, 0], Streak(1, 1, True)),
        ([2, 1, 0], Streak(3, 3, True)),
        ([2, 1], Streak(2, 2, False)),
        ([3, 2], Streak(0, 2, False)),
        ([9, 8, 7, 6, 1, 0], Streak(2, 4, True)),
        ([1, 0, 2], Streak(3, 3, True)),
        ([0, -1, -2], Streak(1, 1, True)),
    ],
)
def test_streak(days_ago: list[int], streak: Streak) -> None:
    assert find_streak([on(days) for days in days_ago], TODAY) == streak


def test_a_day_is_that_of_the_place_of_writing() -> None:
    just_after_midnight = Point(datetime(2026, 11, 21, 0, 30, tzinfo=WIB), "sad")  # 20 Nov in UTC
    just_before = Point(datetime(2026, 11, 20, 23, 30, tzinfo=WIB), "sad")
    assert find_streak([just_before, just_after_midnight], TODAY) == Streak(2, 2, True)


def test_a_streak_crosses_months_and_years() -> None:
    points = [
        Point(datetime(2027, 12, 30, 9, tzinfo=WIB) + timedelta(days=n), "sad") for n in range(5)
    ]
    assert find_streak(points, date(2028, 1, 3)).current == 5


@pytest.mark.parametrize(
    ("identifier", "points", "days_ago"),
    [
        ("first_entry", [on(4), on(1)], 4),
        ("ten_entries", [on(30 - n) for n in range(12)], 21),
        ("fifty_entries", [on(60 - n) for n in range(50)], 11),
        ("three_days", [on(9), on(8), on(5), on(4), on(3), on(2)], 3),
        ("seven_days", [on(20 - n) for n in range(8)], 14),
        ("thirty_days", [on(40 - n) for n in range(31)], 11),
        ("five_emotions", [on(9 - n, label) for n, label in enumerate(LABELS)], 5),
        ("comeback", [on(20), on(12)], 12),
        ("morning", [on(5, hour=3), on(4, hour=10), on(3, hour=4)], 3),
        ("every_weekday", [on(7 * n + n) for n in range(7)], 0),
        ("five_weeks", [on(7 * n) for n in range(5)], 0),
        ("five_weeks", [on(364), *(on(7 * n) for n in range(4))], 0),  # One week, two years.
    ],
)
def test_an_achievement_is_reached_on_the_day_of_its_last_step(
    identifier: str, points: list[Point], days_ago: int
) -> None:
    reached = judged(points)[identifier]
    assert reached.reached_on == TODAY - timedelta(days=days_ago)
    assert reached.progress.have == reached.progress.need
    before = [point for point in points if point.day < reached.reached_on]
    assert judged(before)[identifier].reached_on is None


@pytest.mark.parametrize(
    ("identifier", "points"),
    [
        ("comeback", [on(10), on(3)]),  # Six days without an entry between them.
        ("three_days", [on(4), on(3), on(1), on(0)]),
        ("five_emotions", [on(3, "sad"), on(2, "happy"), on(1, "fear"), on(0, None)]),
        ("five_weeks", [on(n) for n in range(20)]),
        ("morning", [on(1, hour=3), on(0, hour=10)]),
        ("first_entry", [on(-1)]),
    ],
)
def test_an_achievement_not_reached(identifier: str, points: list[Point]) -> None:
    assert judged(points)[identifier].reached_on is None


def test_progress_is_kept_when_a_streak_ends() -> None:
    points = [on(30), on(29), on(28), on(27), on(3)]
    assert judged(points)["seven_days"].progress == (4, 7)


def test_bad_feelings_are_worth_as_much_as_good_ones() -> None:
    good, bad = ([on(n, label) for n in range(60)] for label in ("happy", "sad"))
    assert find_achievements(good, TODAY) == find_achievements(bad, TODAY)


def test_new_since() -> None:
    before = find_achievements([on(2), on(1)], TODAY)
    after = find_achievements([on(2), on(1), on(0)], TODAY)
    assert [achievement.id for achievement in new_since(before, after)] == ["three_days"]
    assert new_since(after, after) == []
    assert new_since(after, before) == []


def test_every_achievement_has_its_texts() -> None:
    texts = json.loads((TEXT_FOLDER / "journey.json").read_text(encoding="utf-8"))
    for identifier in judged([]):
        assert {f"award_{identifier}", f"award_{identifier}_how"} <= set(texts)


@given(POINTS, st.dates(), st.randoms())
def test_rules_hold_for_any_times(points: list[Point], today: date, random: object) -> None:
    streak = find_streak(points, today)
    assert 0 <= streak.current <= streak.longest <= len(points)
    achievements = find_achievements(points, today)
    for achievement in achievements:
        have, need = achievement.progress
        assert 0 <= have <= need
        assert (achievement.reached_on is not None) == (have == need)
        assert achievement.reached_on is None or achievement.reached_on <= today
    random.shuffle(points)  # type: ignore[attr-defined]
    assert find_achievements(points, today) == achievements
    assert find_streak(points, today) == streak


@given(POINTS, POINTS)
def test_writing_more_never_lowers_progress(points: list[Point], more: list[Point]) -> None:
    cap = date(2100, 1, 1)
    before, after = find_achievements(points, cap), find_achievements([*points, *more], cap)
    for old, new in zip(before, after, strict=True):
        # A late entry of an old day may close a break that had been a comeback.
        if old.id != "comeback":
            assert new.progress.have >= old.progress.have
