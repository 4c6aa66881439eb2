"""The drawings: what they say, that they are well-formed, and that a text stays a text."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memotions_hf.demo import charts
from memotions_hf.demo.achievements import Streak, find_achievements
from memotions_hf.demo.charts import Bar, Sentence
from memotions_hf.demo.journal import Point
from memotions_hf.labels import LABELS

TODAY = date(2026, 11, 21)  # A Saturday.
WIB = timezone(timedelta(hours=7))
NASTY = "<script>alert(1)</script> </p> \"' ${1} {{x}} `a` \\ &amp; <img src=x onerror=a>"
CSS = Path(charts.__file__).parent / "assets" / "charts.css"


class Page(HTMLParser):
    """The tags of a piece of HTML, and the text that one language shows."""

    def __init__(self, html: str, lang: str = "id") -> None:
        super().__init__()
        self.other = "mm-en" if lang == "id" else "mm-id"
        self.stack: list[tuple[str, bool]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.stack, self.stack

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        classes = (values.get("class") or "").split()
        skipped = self.other in classes or values.get("aria-hidden") == "true"
        self.tags.append((tag, values))
        self.stack.append((tag, skipped or (bool(self.stack) and self.stack[-1][1])))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, tag
        assert self.stack.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not (self.stack and self.stack[-1][1]):
            self.text += data

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        return [values for _, values in self.tags if name in (values.get("class") or "").split()]


def said(html: str, lang: str = "id") -> str:
    """What a screen reader is given."""
    return re.sub(r"\s+", " ", Page(html, lang).text)


def at(days_ago: int, label: str | None = "happy", hour: int = 20) -> Point:
    day = TODAY - timedelta(days=days_ago)
    return Point(datetime(day.year, day.month, day.day, hour, 15, tzinfo=WIB), label)


def sent(point: Point) -> dict[str, Any]:
    return {"at": point.at.isoformat(), "label": point.label}


MANY = [at(n, LABELS[n % 5], hour) for n in range(150, -1, -1) for hour in (8, 20)]


def test_bars_are_a_list_of_terms_and_values() -> None:
    page = Page(charts.bars([Bar("a", 0.5, "50%", "sad"), Bar("b", 7.0, "x"), Bar("c", -1, "y")]))
    assert [tag for tag, _ in page.tags if tag in ("dl", "dt", "dd")] == ["dl", *["dt", "dd"] * 3]
    widths = [values["style"] for tag, values in page.tags if tag == "span" and "style" in values]
    assert widths == ["width:50.0%", "width:100.0%", "width:0.0%"]
    assert "mm-tone-sad" in (page.with_class("mm-bar")[0]["class"] or "")


def test_probabilities_name_the_emotion_and_its_percent() -> None:
    html = charts.probabilities([("sad", 0.874), ("fear", 0.02)])
    assert said(html) == "sedih87%takut2%"
    assert said(html, "en") == "sad87%afraid2%"


def test_distribution_counts_the_labelled_entries() -> None:
    html = charts.distribution([at(0, "sad"), at(1, "sad"), at(2, "fear"), at(3, None), at(4)])
    assert said(html).startswith("sedih50% · 2 catatan")
    assert "takut25% · 1 catatan" in said(html)
    assert "afraid25% · 1 entry" in said(html, "en")
    assert "Belum ada perasaan" in said(charts.distribution([at(0, None)]))


def cell(points: list[Point], **options: Any) -> str:
    return charts.calendar(points, TODAY, **options)


def test_calendar_says_every_written_day() -> None:
    html = cell([at(9, "fear", 7), at(9, "sad", 9), at(9, "sad", 11), at(0, "happy")])
    assert "12 November: sedih, 3 catatan" in said(html)
    assert "12 November: sad, 3 entries" in said(html, "en")
    assert "21 November: senang, 1 catatan" in said(html)
    assert len(Page(html).with_class("mm-written")) == 2


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["sad", "fear"], "takut"),
        (["fear", "sad"], "sedih"),
        (["sad", "sad", "fear"], "sedih"),
        (["sad", "fear", "fear", "sad"], "sedih"),
        (["sad", None, None], "sedih"),
        ([None], "tanpa label"),
    ],
)
def test_a_day_shows_its_most_frequent_emotion_of_equals_the_later(
    labels: list[str | None], shown: str
) -> None:
    html = cell([at(1, label, hour) for hour, label in enumerate(labels)])
    assert f"20 November: {shown}, {len(labels)} catatan" in said(html)


def test_calendar_places_days_by_week_and_weekday() -> None:
    page = Page(cell([at(0), at(5), at(6)], weeks=18))
    places = [values["style"] for values in page.with_class("mm-written")]
    # Saturday and Monday of the last week (column 1 holds names), Sunday of the week before.
    assert places == ["grid-area:8/18", "grid-area:2/19", "grid-area:7/19"]
    assert len(page.with_class("mm-today")) == 1
    assert len(page.with_class("mm-day")) == 17 * 7 + 6


def test_calendar_leaves_out_days_outside_of_it() -> None:
    html = cell([at(7 * 18), at(-1)])
    assert not Page(html).with_class("mm-written")
    assert "Tidak ada catatan di minggu-minggu ini" in said(html)


def test_calendar_names_months_in_both_languages() -> None:
    html = charts.calendar([], date(2026, 12, 31))
    assert (
        '<span class="mm-id" lang="id">Des</span><span class="mm-en" lang="en">Dec</span>' in html
    )


def test_calendar_marks_differ_without_colour() -> None:
    marks = {re.search(r"<svg.*?</svg>", charts.face(label)).group() for label in [*LABELS, None]}  # type: ignore[union-attr]
    assert len(marks) == 6


def test_timeline_draws_the_last_sixty_in_their_rows() -> None:
    page = Page(charts.timeline(MANY))
    dots = page.with_class("mm-dot")
    assert len(dots) == 60
    assert len(page.with_class("mm-thread")) == 59
    across = [float((dot["cx"] or "").rstrip("%")) for dot in dots]
    assert across == sorted(across)
    assert across[0] >= 0
    assert across[-1] <= 100
    rows = {dot["class"]: dot["cy"] for dot in dots}
    assert len(set(rows.values())) == 5
    assert int(rows["mm-dot mm-tone-happy"] or 0) == min(int(row or 0) for row in rows.values())


def test_timeline_is_told_in_words_and_dated_in_both_languages() -> None:
    html = charts.timeline([at(100, "sad"), at(50), at(0, "fear")])
    assert said(html) == "3 catatan dari 13 Agu 2026 sampai 21 Nov 2026. Yang terbaru: takut."
    dates = re.findall(r"<text class=\"mm-(id|en)\".*?>(.*?)</text>", html)
    assert dates[:2] == [("id", "13 Agu"), ("en", "13 Aug")]
    assert len(dates) == 6


def test_timeline_of_one_entry_or_of_one_moment() -> None:
    one = charts.timeline([at(0, "sad")])
    assert said(one) == "Satu catatan, 21 Nov 2026: sedih."
    assert len(re.findall("<text", one)) == 2
    assert len(Page(charts.timeline([at(0, "sad"), at(0)])).with_class("mm-dot")) == 2
    assert "mm-dot" not in charts.timeline([at(0, None)])


@pytest.mark.parametrize(
    ("streak", "words"),
    [
        (Streak(0, 0, False), ["Kapan pun kamu siap"]),
        (Streak(0, 9, False), ["Istirahat", "Terpanjang9 hari"]),
        (Streak(1, 1, True), ["1 hari", "Hari ini kamu sudah"]),
        (Streak(4, 9, False), ["4 hari beruntun", "tidak apa-apa", "Terpanjang9 hari"]),
    ],
)
def test_streak_card(streak: Streak, words: list[str]) -> None:
    text = said(charts.streak_card(streak))
    assert all(word in text for word in words)


def test_achievements_show_their_date_or_their_progress() -> None:
    html = charts.achievement_grid(find_achievements([at(1), at(0)], TODAY))
    text = said(html)
    assert "Langkah pertamaCatatan pertamamuDiraih 20 Nov 2026" in text
    assert "3 hari berturut-turut2 dari 3" in text
    assert "1 dari 11 diraih" in text
    assert len(Page(html).with_class("mm-reached")) == 1


def test_new_awards_are_told() -> None:
    achievements = find_achievements([at(0)], TODAY)
    html = charts.new_awards(achievements[:1])
    assert said(html) == "Baru! Langkah pertama"
    assert said(html, "en") == "New! First step"
    assert charts.new_awards([]) == ""


def test_matrix_is_a_table_with_heads_and_row_shares() -> None:
    page = Page(charts.matrix(["sad", "fear"], [[3, 1], [0, 0]]))
    scopes = [values.get("scope") for tag, values in page.tags if tag == "th"]
    assert scopes == ["col", "col", "col", "row", "row"]
    assert "sedih375%125%takut00%00%" in page.text
    assert [tag for tag, _ in page.tags].count("caption") == 1
    assert len(page.with_class("mm-right")) == 2
    shades = [values["style"] for tag, values in page.tags if tag == "td"]
    assert shades[:3] == ["--mm-shade:26.2%", "--mm-shade:8.8%", "--mm-shade:0.0%"]


def test_arc_lists_the_sentences_in_order() -> None:
    html = charts.arc([Sentence("Aku takut.", "fear", 0.7), Sentence(NASTY, "happy", 0.618)])
    text = Page(html).text
    assert text == f"Aku takut.takut 70%{NASTY}senang 62%"
    assert [tag for tag, _ in Page(html).tags if tag in ("ol", "li")] == ["ol", "li", "li"]


def test_highlighted_marks_what_speaks_for_the_label() -> None:
    text = "aku gagal dan\nnangis, ibu datang"
    pieces = [(4, 9, 0.6), (14, 20, 0.3), (0, 3, 0.12), (10, 13, 0.02), (22, 25, -0.5)]
    html = charts.highlighted(text, pieces, "sad")
    found = re.findall(r'<mark class="mm-step-(\d)">(.*?)</mark>', html)
    assert found == [("1", "aku"), ("3", "gagal"), ("2", "nangis")]
    assert text in Page(html).text
    assert "paling mengarah ke sedih" in said(html)


def test_highlighted_without_a_word_that_stands_out() -> None:
    html = charts.highlighted("ya", [(0, 2, -0.1)], "sad")
    assert "<mark" not in html
    assert "Tidak ada satu kata yang menonjol" in said(html)


PIECES = st.lists(
    st.tuples(st.integers(-3, 90), st.integers(-3, 90), st.floats(-1, 1)), max_size=12
)


@given(st.text(max_size=80), PIECES)
@example(NASTY, [(0, 8, 0.5), (4, 20, 0.9), (20, 30, 0.9)])
@example("saling tumpuk", [(0, 6, 0.5), (5, 12, 0.5)])
def test_highlighted_shows_exactly_the_text(text: str, pieces: list[Any]) -> None:
    html = charts.highlighted(text, pieces, "fear")
    assert not set("{}$`\\") & set(html)
    page = Page(html)
    assert page.text.startswith(text)
    assert {tag for tag, _ in page.tags} <= {"div", "p", "mark", "span"}


def test_journey_has_everything_in_order_and_ids_once() -> None:
    html = charts.journey([sent(point) for point in MANY], TODAY.isoformat())
    page = Page(html)
    titles = ["Hari menulis", "Kalender perasaan", "Garis waktu", "Yang sering", "Pencapaian"]
    assert [page.text.find(title) for title in titles] == sorted(map(page.text.find, titles))
    assert page.text.find(titles[0]) >= 0
    ids = [values["id"] for _, values in page.tags if "id" in values]
    assert len(ids) == len(set(ids))
    named = [values["aria-labelledby"] for _, values in page.tags if "aria-labelledby" in values]
    assert set(named) <= set(ids)


@pytest.mark.parametrize("points", [[], [None, {"at": NASTY, "label": NASTY}], [sent(at(-1))]])
def test_journey_without_entries_invites(points: list[Any]) -> None:
    html = charts.journey(points, TODAY.isoformat())
    assert "Perjalananmu mulai dari satu catatan" in said(html)
    assert "Your journey starts with one entry" in said(html, "en")
    assert "mm-calendar" not in html


@pytest.mark.parametrize("today", ["", NASTY, "9999-12-31", "0001-01-01", None])
def test_journey_with_an_odd_date_uses_that_of_the_server(today: Any) -> None:
    assert "Kalender perasaan" in charts.journey([sent(at(400))], today)


def test_journey_says_nothing_in_one_language_only() -> None:
    html = charts.journey([sent(point) for point in MANY], TODAY.isoformat())
    assert "catatan" not in said(html, "en")
    assert "entries" not in said(html, "id")


def test_drawings_use_only_classes_and_colours_that_exist() -> None:
    css = CSS.read_text(encoding="utf-8")
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsl", css)
    classes = set(re.findall(r"\.(mm-[\w-]+)", css))
    html = charts.journey([sent(point) for point in MANY], TODAY.isoformat())
    used = {name for values in Page(html).tags for name in (values[1].get("class") or "").split()}
    assert used - classes == {
        *("mm-id", "mm-en", "mm-hidden"),  # In the style sheet of the whole app.
        *("mm-panel-timeline", "mm-panel-distribution"),  # Names without a rule of their own.
    }
