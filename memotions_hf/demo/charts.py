"""Drawings as HTML strings: no script, both languages, colours from the style sheet's variables.

Every emotion has a face beside its colour, and every drawing has its content as text for screen
readers. Show them with ``gr.HTML(apply_default_css=False)``: Gradio's own rules for lists and
tables would win over ``assets/charts.css``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from ..labels import LABELS, score_percent
from .achievements import (
    Achievement,
    Icon,
    Streak,
    find_achievements,
    find_streak,
    new_since,
)
from .journal import Point, read_points, read_time
from .markup import escape, two, words

_WEEKS = 18
_TIMELINE_POINTS = 60
_TIMELINE_ROWS = ("happy", "neutral", "sad", "fear", "anger")
_ROW_HEIGHT = 48  # Pixels, as in charts.css.
_MARGIN = 3.0  # Percent of the timeline's width left free at both ends, for half a dot.
_WEAK = 0.15  # Words below this share of the strongest one are not marked.
_DEEPEST_SHADE = 35  # Percent of the accent colour in a matrix cell: ink stays readable on it.

# Strokes of 24x24 pictures. The faces differ in eyes and mouth, so that they are told apart
# without their colour and at 16 pixels.
_EYES = '<path d="M8.5 9v.6M15.5 9v.6"/>'
_FACES: Mapping[str | None, str] = {
    "happy": f'{_EYES}<path d="M7 14c1.4 2.6 3 3.6 5 3.6s3.6-1 5-3.6"/>',
    "sad": f'{_EYES}<path d="M7.5 17c1.2-2 2.7-2.9 4.5-2.9s3.3.9 4.5 2.9"/>',
    "neutral": f'{_EYES}<path d="M7.5 15.5h9"/>',
    "anger": '<path d="M6.5 7l4 2.5M17.5 7l-4 2.5M8 17c1-1.5 2.3-2.1 4-2.1s3 .6 4 2.1"/>',
    "fear": '<path d="M6.5 8.5l3-1.8M17.5 8.5l-3-1.8"/><circle cx="12" cy="15" r="2.8"/>',
    None: '<path d="M7 12v.01M12 12v.01M17 12v.01"/>',
}
_ICONS: Mapping[Icon, str] = {
    "days": '<path d="M12 20v-8M12 12c0-3.5-2.5-6-7-6 0 4 2.5 6 7 6zM12 14c0-3 2.2-5 7-5 0 '
    '3.5-2.7 5-7 5z"/>',
    "entries": '<path d="M5 19l1-4L15.5 5.5l3 3L9 18zM13.5 7.5l3 3"/>',
    "emotions": f'<circle cx="12" cy="12" r="8.5"/>{_EYES}'
    '<path d="M8.5 13.8c1 1.7 2.1 2.2 3.5 2.2s2.5-.5 3.5-2.2"/>',
    "comeback": '<path d="M5 8v4h4M5.5 12a7 7 0 1 1 2 4.8"/>',
    "morning": '<path d="M7.5 16a4.5 4.5 0 0 1 9 0M3.5 19.5h17M12 4.5v3M4.5 9.5l2 '
    '1.5M19.5 9.5l-2 1.5"/>',
    "weeks": '<path d="M5 6.5h14v13H5zM5 10.5h14M9 4.5v3.5M15 4.5v3.5"/>',
}
_CHECK = '<path d="M6 12.5l4 4 8-9"/>'

_Pair = tuple[str, str]
"""The same plain text in Indonesian and in English."""


class Bar(NamedTuple):
    """A row of :func:`bars`: ``label`` and ``text`` are HTML, ``share`` is the bar's length.

    ``tone`` is the emotion whose colour the bar has; without one it has the accent colour.
    """

    label: str
    share: float
    text: str
    tone: str | None = None


class Sentence(NamedTuple):
    """A sentence of an entry with its emotion."""

    text: str
    label: str
    score: float


def face(label: str | None) -> str:
    """The face of an emotion (None: three dots) in its colour, as decoration beside its name."""
    picture = _picture(_FACES[label])
    return f'<span class="mm-face {_tone(label)}" aria-hidden="true">{picture}</span>'


def feeling(label: str) -> str:
    """The face and the name of an emotion."""
    return f'<span class="mm-feeling">{face(label)}<span>{_html(_emotion(label))}</span></span>'


def bars(rows: Sequence[Bar]) -> str:
    """Horizontal bars, which a screen reader reads as a list of terms and their values."""
    return f'<dl class="mm-bars">{"".join(map(_bar, rows))}</dl>'


def probabilities(scores: Iterable[tuple[str, float]]) -> str:
    """Bars of emotions and their probabilities, in the order given."""
    return bars(
        [Bar(feeling(label), score, f"{score_percent(score)}%", label) for label, score in scores]
    )


def distribution(points: Iterable[Point]) -> str:
    """Bars of how often each of the five emotions came up, the most frequent first."""
    counts = Counter(point.label for point in points if point.label is not None)
    total = counts.total()
    if not total:
        return _note("journey.no_labels")
    ordered = sorted(LABELS, key=lambda label: -counts[label])
    return bars([_count_bar(label, counts[label], total) for label in ordered])


def calendar(points: Iterable[Point], today: date, weeks: int = _WEEKS) -> str:
    """A grid of days, a column a week from Monday, the newest week last.

    A day shows its most frequent emotion (of equals the one that came later), and how many
    entries it has if there are more than one.
    """
    first = today - timedelta(days=today.weekday() + 7 * (weeks - 1))
    days: dict[date, list[str | None]] = defaultdict(list)
    for point in points:
        if first <= point.day <= today:
            days[point.day].append(point.label)
    cells = "".join(
        _day(first + timedelta(days=n), days, first, today) for n in range((today - first).days + 1)
    )
    grid = f"{_weekdays()}{_months(first, weeks)}<ol>{cells}</ol>"
    return (
        f'<div class="mm-calendar-and-legend">{_calendar_box(grid, weeks)}{_legend()}</div>'
        f"{'' if days else _note('journey.calendar_empty')}"
    )


def timeline(points: Iterable[Point]) -> str:
    """The last entries as dots over time, one row an emotion, joined by a thin line."""
    known = [point for point in points if point.label is not None][-_TIMELINE_POINTS:]
    if not known:
        return _note("journey.no_labels")
    places = _places(known)
    lines = "".join(
        f'<line class="mm-thread" x1="{x1:.2f}%" y1="{y1}" x2="{x2:.2f}%" y2="{y2}"/>'
        for (x1, y1), (x2, y2) in pairwise(places)
    )
    dots = "".join(
        f'<circle class="mm-dot {_tone(point.label)}" cx="{x:.2f}%" cy="{y}" r="6.5"/>'
        for point, (x, y) in zip(known, places, strict=True)
    )
    names = "".join(f"<li>{feeling(label)}</li>" for label in _TIMELINE_ROWS)
    height = _ROW_HEIGHT * len(_TIMELINE_ROWS)
    return (
        f'{_timeline_told(known)}<div class="mm-timeline" aria-hidden="true"><ul>{names}</ul>'
        f'<svg width="100%" height="{height + 34}">{_timeline_rows()}{lines}{dots}'
        f"{_timeline_dates(known, height + 26)}</svg></div>"
    )


def streak_card(streak: Streak) -> str:
    """The days in a row and a kind word, whatever their number."""
    key = "none" if not streak.current else "day" if streak.current == 1 else "days"
    headline = _text(f"journey.streak_{key}", days=streak.current)
    word = "today" if streak.wrote_today else "open" if streak.current else "rest"
    longest = (
        f'<dl class="mm-longest"><dt>{_text("journey.longest")}</dt>'
        f"<dd>{_html(_days(streak.longest))}</dd></dl>"
        if streak.longest
        else ""
    )
    return (
        f'<div class="mm-streak"><span class="mm-streak-icon" aria-hidden="true">'
        f'{_picture(_ICONS["days"])}</span><div class="mm-streak-words">'
        f'<p class="mm-streak-days">{headline}</p><p>{_text(f"journey.streak_{word}")}</p>'
        f"</div>{longest}</div>"
    )


def achievement_grid(achievements: Sequence[Achievement]) -> str:
    """All achievements: the reached ones with their date, the others with their progress."""
    have = sum(achievement.reached_on is not None for achievement in achievements)
    count = _text("journey.awards_count", have=have, need=len(achievements))
    cards = "".join(map(_award, achievements))
    return f'<p class="mm-count">{count}</p><ul class="mm-awards">{cards}</ul>'


def new_awards(achievements: Iterable[Achievement]) -> str:
    """A line for each achievement just reached; nothing where there is none."""
    lines = "".join(
        f'<p class="mm-award-new">{_picture(_ICONS[achievement.icon])}<span>'
        f"{_text('journey.award_new', name=_award_name(achievement))}</span></p>"
        for achievement in achievements
    )
    return f'<div role="status">{lines}</div>' if lines else ""


def matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """A confusion matrix as a table: rows are the true emotions, columns the model's answers."""
    heads = "".join(f'<th scope="col">{feeling(label)}</th>' for label in labels)
    body = "".join(
        f'<tr><th scope="row">{feeling(label)}</th>{_matrix_row(number, row)}</tr>'
        for number, (label, row) in enumerate(zip(labels, counts, strict=True))
    )
    return (
        f'<div class="mm-matrix-box" tabindex="0" role="group" aria-labelledby="mm-matrix-name">'
        f'<table class="mm-matrix"><caption id="mm-matrix-name">{_text("journey.matrix_caption")}'
        f'</caption><thead><tr><th scope="col">{_text("journey.matrix_true")}</th>{heads}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def arc(sentences: Iterable[Sentence]) -> str:
    """The sentences of an entry in order, each with its emotion, joined by a thin line."""
    items = "".join(
        f'<li class="{_tone(sentence.label)}">{face(sentence.label)}<div>'
        f"<p>{escape(sentence.text)}</p>"
        f'<p class="mm-arc-label">{_scored(sentence.label, sentence.score)}</p></div></li>'
        for sentence in sentences
    )
    return f'<ol class="mm-arc">{items}</ol>'


def highlighted(text: str, pieces: Iterable[tuple[int, int, float]], label: str) -> str:
    """A text with the words that led to a label marked, in three steps of strength.

    Args:
        text: the entry.
        pieces: start, end and contribution of its words; only positive contributions that are not
            much smaller than the largest one are marked.
        label: the emotion that they speak for.
    """
    marks = _marks(len(text), pieces)
    parts: list[str] = []
    position = 0
    for start, end, step in marks:
        parts.append(escape(text[position:start]))
        parts.append(f'<mark class="mm-step-{step}">{escape(text[start:end])}</mark>')
        position = end
    parts.append(escape(text[position:]))
    told = _text("journey.words_told", emotion=_emotion(label)) if marks else ""
    return (
        f'<div class="mm-words {_tone(label)}"><p class="mm-words-text">{"".join(parts)}</p>'
        f'<p class="mm-note">{told or _text("journey.words_none")}</p></div>'
    )


def journey(points: Sequence[object], today: str) -> str:
    """All of the history that is drawn, or an invitation where there is nothing yet.

    Args:
        points: ``{"at": ..., "label": ...}`` as the browser sent them; whatever is none is left
            out, and so are days after today.
        today: the visitor's own date, ISO; one that cannot be read is the server's.
    """
    now = _read_day(today)
    past = [point for point in read_points(points) if point.day <= now]
    if not past:
        return _empty()
    return (
        '<div class="mm-journey">'
        + _panel("streak", streak_card(find_streak(past, now)))
        + _panel("calendar", calendar(past, now))
        + _panel("timeline", timeline(past))
        + _panel("distribution", distribution(past))
        + _panel("awards", achievement_grid(find_achievements(past, now)))
        + "</div>"
    )


def newest_awards(points: Sequence[object], today: str) -> str:
    """A line for each achievement that the newest entry reached; nothing where it reached none.

    Args:
        points: as in :func:`journey`, the newest last.
        today: as in :func:`journey`.
    """
    now = _read_day(today)
    past = [point for point in read_points(points) if point.day <= now]
    before = find_achievements(past[:-1], now)
    return new_awards(new_since(before, find_achievements(past, now)))


def _read_day(today: object) -> date:
    try:
        return read_time(today).date()
    except ValueError:
        return date.today()


def _panel(name: str, content: str) -> str:
    note = "" if name == "streak" else _note(f"journey.{name}_note")
    return (
        f'<section class="mm-panel mm-panel-{name}" aria-labelledby="mm-{name}-title">'
        f'<h3 id="mm-{name}-title">{_text(f"journey.{name}_title")}</h3>{note}{content}</section>'
    )


def _empty() -> str:
    faces = "".join(face(label) for label in _TIMELINE_ROWS)
    return (
        f'<section class="mm-panel mm-empty"><div class="mm-empty-faces">{faces}</div>'
        f"<h3>{_text('journey.empty_title')}</h3><p>{_text('journey.empty_text')}</p>"
        f"{_note('journey.empty_private')}</section>"
    )


# Words: pairs of plain text, escaped where they become HTML.


def _told(key: str, **values: _Pair | int) -> _Pair:
    """A text in both languages; a pair among its values gives each language its own."""
    first, second = (
        {name: value[n] if isinstance(value, tuple) else value for name, value in values.items()}
        for n in (0, 1)
    )
    return words(key, "id", **first), words(key, "en", **second)


def _html(pair: _Pair) -> str:
    return two(escape(pair[0]), escape(pair[1]))


def _text(key: str, **values: _Pair | int) -> str:
    return _html(_told(key, **values))


def _note(key: str) -> str:
    return f'<p class="mm-note">{_text(key)}</p>'


def _emotion(label: str | None) -> _Pair:
    return _told(f"common.{label}") if label is not None else _told("journey.no_emotion")


def _scored(label: str, score: float) -> str:
    return _text("journey.sentence_score", emotion=_emotion(label), percent=score_percent(score))


def _days(days: int) -> _Pair:
    return _told("journey.days", days=days) if days != 1 else _told("journey.day")


def _date(day: date) -> _Pair:
    return _told("journey.date", day=day.day, month=_told(f"journey.month_{day.month}"))


def _short_date(day: date) -> _Pair:
    return _told("journey.date", day=day.day, month=_month(day.month))


def _date_with_year(day: date) -> _Pair:
    return _told("journey.date_year", day=day.day, month=_month(day.month), year=day.year)


def _month(month: int) -> _Pair:
    return _told(f"journey.month_short_{month}")


def _percent(share: float) -> int:
    return round(100 * share)


def _tone(label: str | None) -> str:
    return f"mm-tone-{label or 'none'}"


def _picture(strokes: str) -> str:
    return f'<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">{strokes}</svg>'


def _bar(row: Bar) -> str:
    width = 100 * min(max(row.share, 0.0), 1.0)
    tone = f" {_tone(row.tone)}" if row.tone is not None else ""
    return (
        f'<div class="mm-bar{tone}"><dt>{row.label}</dt><dd><span class="mm-track" '
        f'aria-hidden="true"><span style="width:{width:.1f}%"></span></span>'
        f'<span class="mm-value">{row.text}</span></dd></div>'
    )


def _count_bar(label: str, count: int, total: int) -> Bar:
    key = "journey.distribution_row" if count != 1 else "journey.distribution_row_one"
    text = _text(key, percent=_percent(count / total), count=count)
    return Bar(feeling(label), count / total, text, label)


# The calendar.


def _place(row: int, column: int) -> str:
    return f'style="grid-area:{row}/{column}"'


def _calendar_box(grid: str, weeks: int) -> str:
    # From right to left, so that the box begins at its right end: the newest weeks.
    return (
        '<div class="mm-calendar-box" dir="rtl" tabindex="0" role="group" '
        'aria-labelledby="mm-calendar-name"><div class="mm-calendar" dir="ltr" '
        f'style="--mm-weeks:{weeks}"><span class="mm-hidden" id="mm-calendar-name">'
        f"{_text('journey.calendar_box')}</span>{grid}</div></div>"
    )


def _weekdays() -> str:
    names = "".join(
        f"<span {_place(number + 2, 1)}>{_text(f'journey.weekday_{number}')}</span>"
        for number in range(7)
    )
    return f'<div class="mm-weekdays" aria-hidden="true">{names}</div>'


def _months(first: date, weeks: int) -> str:
    starts: list[tuple[int, int]] = []
    for week in range(weeks):
        month = (first + timedelta(days=7 * week)).month
        if not starts or starts[-1][1] != month:
            starts.append((week, month))
    # A month of which only one column is left has no room for its name.
    if len(starts) > 1 and starts[1][0] == 1:
        del starts[0]
    names = "".join(
        f"<span {_place(1, week + 2)}>{_text(f'journey.month_short_{month}')}</span>"
        for week, month in starts
    )
    return f'<div class="mm-months" aria-hidden="true">{names}</div>'


def _day(day: date, days: Mapping[date, list[str | None]], first: date, today: date) -> str:
    labels = days.get(day, [])
    week, weekday = divmod((day - first).days, 7)
    place = _place(weekday + 2, week + 2)
    now = " mm-today" if day == today else ""
    if not labels:
        return f'<li class="mm-day{now}" aria-hidden="true" {place}></li>'
    label = _most_frequent(labels)
    key = "journey.day_one" if len(labels) == 1 else "journey.day_many"
    told = _text(key, date=_date(day), emotion=_emotion(label), count=len(labels))
    count = f'<b aria-hidden="true">{len(labels)}</b>' if len(labels) > 1 else ""
    return (
        f'<li class="mm-day mm-written {_tone(label)}{now}" {place}>{_picture(_FACES[label])}'
        f'{count}<span class="mm-hidden">{told}</span></li>'
    )


def _most_frequent(labels: Sequence[str | None]) -> str | None:
    """The most frequent of a day's emotions in the order of writing; of equals the later one."""
    counts = Counter(label for label in labels if label is not None)
    newest_first = dict.fromkeys(label for label in reversed(labels) if label is not None)
    return max(newest_first, key=counts.__getitem__, default=None)


def _legend() -> str:
    names = "".join(f"<li>{feeling(label)}</li>" for label in _TIMELINE_ROWS)
    return f'<ul class="mm-legend" aria-hidden="true">{names}</ul>'


# The timeline. Its places are percentages across and pixels down, so that it fills any width
# without growing its dots and letters.


def _row_middle(label: str | None) -> int:
    return _ROW_HEIGHT // 2 + _ROW_HEIGHT * _TIMELINE_ROWS.index(label or "neutral")


def _places(points: Sequence[Point]) -> list[tuple[float, int]]:
    first, length = points[0].at, (points[-1].at - points[0].at).total_seconds()
    shares = [(p.at - first).total_seconds() / length if length else 0.5 for p in points]
    return [
        (_MARGIN + share * (100 - 2 * _MARGIN), _row_middle(point.label))
        for share, point in zip(shares, points, strict=True)
    ]


def _timeline_rows() -> str:
    return "".join(
        f'<line class="mm-rule" x1="0" y1="{middle}" x2="100%" y2="{middle}"/>'
        for middle in map(_row_middle, _TIMELINE_ROWS)
    )


def _timeline_dates(points: Sequence[Point], height: int) -> str:
    first, last = points[0].at, points[-1].at
    if first.date() == last.date():
        return _axis_date(first.date(), 50, height, "middle")
    ends = _axis_date(first.date(), 0, height, "start") + _axis_date(
        last.date(), 100, height, "end"
    )
    middle = (first + (last - first) / 2).date()
    if middle in (first.date(), last.date()):
        return ends
    return ends + _axis_date(middle, 50, height, "middle")


def _axis_date(day: date, percent: int, height: int, anchor: str) -> str:
    place = f'x="{percent}%" y="{height}" text-anchor="{anchor}"'
    indonesian, english = _short_date(day)
    return (
        f'<text class="mm-id" lang="id" {place}>{escape(indonesian)}</text>'
        f'<text class="mm-en" lang="en" {place}>{escape(english)}</text>'
    )


def _timeline_told(points: Sequence[Point]) -> str:
    key = "journey.timeline_told" if len(points) > 1 else "journey.timeline_one"
    told = _text(
        key,
        count=len(points),
        first=_date_with_year(points[0].day),
        last=_date_with_year(points[-1].day),
        emotion=_emotion(points[-1].label),
    )
    return f'<p class="mm-hidden">{told}</p>'


# Achievements, matrix and words.


def _award_name(achievement: Achievement) -> _Pair:
    return _told(f"journey.award_{achievement.id}")


def _award(achievement: Achievement) -> str:
    reached = achievement.reached_on
    have, need = achievement.progress
    if reached is not None:
        state = _text("journey.award_reached", date=_date_with_year(reached))
        foot = f'<p class="mm-award-state">{_picture(_CHECK)}{state}</p>'
    else:
        foot = (
            f'<div class="mm-award-state"><span class="mm-track" aria-hidden="true"><span '
            f'style="width:{100 * have / need:.0f}%"></span></span>'
            f"<span>{_text('journey.award_progress', have=have, need=need)}</span></div>"
        )
    return (
        f'<li class="mm-award{"" if reached is None else " mm-reached"}">'
        f'<span class="mm-badge" aria-hidden="true">{_picture(_ICONS[achievement.icon])}</span>'
        f"<h4>{_html(_award_name(achievement))}</h4>"
        f"<p>{_text(f'journey.award_{achievement.id}_how')}</p>{foot}</li>"
    )


def _matrix_row(number: int, row: Sequence[int]) -> str:
    total = sum(row) or 1
    return "".join(
        f"<td{' class=mm-right' if column == number else ''} "
        f'style="--mm-shade:{_DEEPEST_SHADE * count / total:.1f}%">{count}'
        f"<span>{_percent(count / total)}%</span></td>"
        for column, count in enumerate(row)
    )


def _marks(length: int, pieces: Iterable[tuple[int, int, float]]) -> list[tuple[int, int, int]]:
    """Start, end and step (1 to 3) of the pieces to mark, in order, none over another."""
    spans = [(s, e, c) for s, e, c in pieces if 0 <= s < e <= length and c > 0]
    strongest = max((contribution for _, _, contribution in spans), default=0.0)
    marks: list[tuple[int, int, int]] = []
    for start, end, contribution in sorted(spans):
        share = contribution / strongest
        if share >= _WEAK and (not marks or start >= marks[-1][1]):
            marks.append((start, end, 1 + (share > 1 / 3) + (share > 2 / 3)))
    return marks
