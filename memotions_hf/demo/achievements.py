"""Streaks and achievements: kind rules over the days of a journal, and nothing to lose.

Every rule counts steps that were once taken, so that progress never goes down by itself; no rule
asks for a feeling to be good or bad.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Literal, NamedTuple

from .journal import Point

_BREAK_DAYS = 7
_MORNING = range(4, 10)  # "Pagi", by the clock of the place of writing.

Icon = Literal["days", "entries", "emotions", "comeback", "morning", "weeks"]


@dataclass(frozen=True)
class Streak:
    """Days in a row with an entry; ``current`` lives on until the end of the day after the last."""

    current: int
    longest: int
    wrote_today: bool


class Progress(NamedTuple):
    """How much of what an achievement needs is there."""

    have: int
    need: int


@dataclass(frozen=True)
class Achievement:
    """One achievement; its name and how to reach it are ``award_ID`` texts of ``journey.json``."""

    id: str
    icon: Icon
    reached_on: date | None
    progress: Progress


def find_streak(points: Iterable[Point], today: date) -> Streak:
    """The days in a row up to today, and the most that there ever were.

    Args:
        points: the entries in any order; those of a day after today do not count yet.
        today: the date where the visitor is.
    """
    days = {point.day.toordinal() for point in points if point.day <= today}
    newest = today.toordinal()
    wrote_today = newest in days
    current, day = 0, newest if wrote_today else newest - 1
    while day - current in days:
        current += 1
    return Streak(current, _longest_run(days), wrote_today)


def find_achievements(points: Iterable[Point], today: date) -> list[Achievement]:
    """All achievements, reached or not, the easiest first.

    Args:
        points: the entries in any order; those of a day after today do not count yet.
        today: the date where the visitor is.
    """
    past = sorted((p for p in points if p.day <= today), key=lambda p: (p.day, p.at))
    return [rule.judge(past) for rule in _RULES]


def new_since(before: Iterable[Achievement], after: Iterable[Achievement]) -> list[Achievement]:
    """The achievements reached in ``after`` and not yet in ``before``."""
    known = {achievement.id for achievement in before if achievement.reached_on is not None}
    return [a for a in after if a.reached_on is not None and a.id not in known]


def _longest_run(days: set[int]) -> int:
    longest = 0
    for day in days:
        if day - 1 in days:
            continue
        length = 1
        while day + length in days:
            length += 1
        longest = max(longest, length)
    return longest


# Each of these returns the dates of the steps towards an achievement, in order: it is reached on
# the date of the last one needed.


def _entries(points: Sequence[Point]) -> list[date]:
    return [point.day for point in points]


def _mornings(points: Sequence[Point]) -> list[date]:
    return [point.day for point in points if point.at.hour in _MORNING]


def _days_in_a_row(points: Sequence[Point]) -> list[date]:
    steps: list[date] = []
    run, last = 0, 0
    for day in dict.fromkeys(point.day for point in points):
        run = run + 1 if day.toordinal() == last + 1 else 1
        last = day.toordinal()
        if run > len(steps):
            steps.append(day)
    return steps


def _comebacks(points: Sequence[Point]) -> list[date]:
    days = [point.day for point in points]
    pairs = pairwise(days)
    return [day for before, day in pairs if (day - before).days > _BREAK_DAYS]


def _first_of_each(points: Iterable[Point], key: Callable[[Point], Hashable]) -> list[date]:
    first: dict[Hashable, date] = {}
    for point in points:
        first.setdefault(key(point), point.day)
    return list(first.values())


def _emotions(points: Sequence[Point]) -> list[date]:
    return _first_of_each((p for p in points if p.label is not None), lambda p: p.label)


def _weekdays(points: Sequence[Point]) -> list[date]:
    return _first_of_each(points, lambda point: point.day.weekday())


def _weeks(points: Sequence[Point]) -> list[date]:
    return _first_of_each(points, lambda point: point.day.isocalendar()[:2])


class _Rule(NamedTuple):
    id: str
    icon: Icon
    need: int
    steps: Callable[[Sequence[Point]], list[date]]

    def judge(self, points: Sequence[Point]) -> Achievement:
        steps = self.steps(points)
        reached_on = steps[self.need - 1] if len(steps) >= self.need else None
        return Achievement(
            self.id, self.icon, reached_on, Progress(min(len(steps), self.need), self.need)
        )


_RULES = (
    _Rule("first_entry", "entries", 1, _entries),
    _Rule("morning", "morning", 1, _mornings),
    _Rule("three_days", "days", 3, _days_in_a_row),
    _Rule("ten_entries", "entries", 10, _entries),
    _Rule("seven_days", "days", 7, _days_in_a_row),
    _Rule("five_emotions", "emotions", 5, _emotions),
    _Rule("comeback", "comeback", 1, _comebacks),
    _Rule("every_weekday", "weeks", 7, _weekdays),
    _Rule("five_weeks", "weeks", 5, _weeks),
    _Rule("fifty_entries", "entries", 50, _entries),
    _Rule("thirty_days", "days", 30, _days_in_a_row),
)
