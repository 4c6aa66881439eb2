"""The app as a visitor meets it: Debian's Chromium, a phone and a desktop, every tab."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.space import CHROMIUM_OPTIONS, RunningSpace, chromium, free_port, running_space

pytest.importorskip("gradio", reason="the space extra is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="the dev extra is not installed")
expect = sync_api.expect

PATIENCE = 60.0
"""Seconds that a busy machine is given for anything that is waited for."""
expect.set_options(timeout=PATIENCE * 1000)
QUESTIONS = 3
"""What a page asks for an entry: its emotions, a suggestion, and what was reached with it."""
SILENCE = 10.0
"""Seconds without any word from a page or to it."""

VIEWPORTS = {"phone": (390, 844), "desktop": (1440, 900)}
ENTRY = (
    "Hari ini aku gagal ujian matematika lagi, padahal sudah belajar seminggu. Rasanya percuma. "
    "Pulangnya aku menangis di kamar sampai sore."
)
CRISIS = "aku udah gak mau hidup lagi"
# What a stranger may try: markup, scripts, Markdown, the template languages of Gradio's HTML.
HOSTILE = (
    'Senang sekali hari ini! <img src=x onerror="window.attacked=1"><script>window.attacked=2'
    "</script> **tebal** [klik](javascript:window.attacked=3) ${window.attacked=4} {{window}} "
    "`window.attacked=5` </span></p><h1>judul</h1> \\u003cb\\u003e &lt;b&gt;"
)
SECRET_WORD = "rahasiakuzx"
SCREENSHOTS = os.environ.get("MEMOTIONS_SCREENSHOTS")
"""A folder for pictures of every tab, to be looked at."""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSpace]:
    # One address does here in a minute what many visitors would.
    rates = {"MEMOTIONS_RATE_SESSION": "10000/minute", "MEMOTIONS_RATE_ADDRESS": "10000/minute"}
    with running_space(tmp_path_factory.mktemp("space"), rates) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_OPTIONS))
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, space: RunningSpace) -> Iterator[Any]:
    """Opens pages of visitors, each with a browser of their own; no error may be left in any."""
    contexts, wrong = [], []

    def note_message(message: Any) -> None:
        # What Gradio says when a page is left or loaded anew in the middle of a request.
        left = "AbortError" in message.text or "Connection errored out" in message.text
        if message.type in ("error", "warning") and not left:
            wrong.append(message.text)

    def open_page(
        size: str = "desktop", url: str = space.url, strict: bool = True, **options: Any
    ) -> Any:
        width, height = VIEWPORTS[size]
        # An English browser: the app speaks Indonesian all the same.
        options = {"locale": "en-US", "timezone_id": "Asia/Jakarta", **options}
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        if strict:
            page.on("console", note_message)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(f"a dialog: {dialog.message}"))
        page.on("request", lambda request: _check_host(request, wrong))
        page.goto(url)
        expect(page.locator("#mm-entry textarea")).to_be_visible()
        # Its parts come one by one, and who is early enough finds a textarea without its button.
        expect(page.locator("#mm-read")).to_be_visible()
        expect(page.locator("body")).to_have_attribute("data-mm-ready", "1")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def _check_host(request: Any, wrong: list[str]) -> None:
    parts = urlsplit(request.url)
    if parts.scheme in ("http", "https") and parts.hostname != "127.0.0.1":
        wrong.append(f"a request to {parts.hostname}")


def write(page: Any, entry: str) -> None:
    page.locator("#mm-entry textarea").fill(entry)
    page.locator("#mm-read").click()


def wait_until(page: Any, condition: Callable[[], bool]) -> None:
    """Wait for what no locator can tell."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        page.wait_for_timeout(20)  # unlike time.sleep, it lets the page's events come in


@contextmanager
def answered(page: Any, questions: int) -> Iterator[None]:
    """Wait until what a page asks meanwhile, so many questions at least, has been answered.

    The browser does not always say that a stream has ended: silence for a while is an end, too.
    """
    asked: list[str] = []
    under_way: list[Any] = []
    latest = time.monotonic()

    def begin(request: Any) -> None:
        nonlocal latest
        if "/queue/" in request.url:
            latest = time.monotonic()
            under_way.append(request)
            asked.extend(["question"] * request.url.endswith("/queue/join?"))

    def end(request: Any) -> None:
        nonlocal latest
        if request in under_way:
            latest = time.monotonic()
            under_way.remove(request)

    def is_over() -> bool:
        if len(asked) >= questions and not under_way:
            return True
        return time.monotonic() - latest > SILENCE

    listeners = {"request": begin, "requestfinished": end, "requestfailed": end}
    for event, listener in listeners.items():
        page.on(event, listener)
    yield
    wait_until(page, is_over)
    for event, listener in listeners.items():
        page.remove_listener(event, listener)


def write_and_wait(page: Any, entry: str) -> None:
    """Write an entry and wait until all of it has been dealt with, well or badly."""
    before = int(page.evaluate("document.body.dataset.mmRead ?? 0"))
    with answered(page, QUESTIONS):
        write(page, entry)
        expect(page.locator("body")).to_have_attribute("data-mm-read", str(before + 1))


def read_answer(page: Any, entry: str) -> None:
    """Write an entry and wait for all of its answer."""
    write_and_wait(page, entry)
    expect(page.locator("#mm-votes")).to_be_visible()
    expect(page.locator(".mm-cursor")).to_have_count(0)


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def entries(page: Any) -> Any:
    return page.locator(".mm-entry")


def export(page: Any, kind: str) -> str:
    with page.expect_download() as download:
        page.locator(f"#mm-export-{kind}").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert download.value.suggested_filename.endswith(f".{kind}")
    return text


def bring_back(page: Any, name: str, content: str) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#mm-import").click()
    chooser.value.set_files(
        {"name": name, "mimeType": "text/plain", "buffer": content.encode("utf-8")}
    )


def upload(page: Any, name: str, content: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#mm-upload").click()
    chooser.value.set_files({"name": name, "mimeType": "text/plain", "buffer": content})


# Writing


@pytest.mark.parametrize("size", VIEWPORTS)
def test_an_entry_gets_its_emotions_words_arc_and_suggestion(visit, size):
    page = visit(size)
    read_answer(page, ENTRY)
    answer = page.locator("#mm-answer")
    expect(answer).to_contain_text("sedih")
    expect(answer).to_contain_text(re.compile(r"\d+%"))
    marked = answer.locator("mark").all_inner_texts()
    assert marked
    assert all(word in ENTRY for word in marked)
    arc = answer.locator("ol li")
    expect(arc).to_have_count(3)
    expect(arc.last).to_contain_text("sedih")
    suggestion = page.locator(".mm-suggestion-text")
    assert len(re.findall(r"[.!?]", suggestion.inner_text())) >= 5
    expect(page.locator("#mm-suggestion")).to_contain_text("mesin bawaan Memotions")
    expect(answer).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == VIEWPORTS[size][0]


def test_an_example_fills_the_entry(visit):
    page = visit("phone")
    page.locator("#mm-examples button").first.click()
    expect(page.locator("#mm-entry textarea")).to_have_value(re.compile("gagal ujian"))


@pytest.mark.parametrize(
    ("entry", "said"),
    [("", "Tulis dulu"), ("   \n ", "Tulis dulu"), ("... !!", "Belum ada kata")],
)
def test_an_entry_with_nothing_to_read_is_told_so(visit, entry, said):
    page = visit()
    write(page, entry)
    expect(page.locator("#mm-answer .mm-error")).to_contain_text(said)
    expect(page.locator("#mm-votes")).to_be_hidden()


def test_the_keyboard_alone_is_enough(visit):
    page = visit()
    page.locator("#mm-entry textarea").focus()
    page.keyboard.type("Akhirnya lulus, senang sekali!")
    expect(page.locator("#mm-entry textarea")).to_have_value("Akhirnya lulus, senang sekali!")
    expect(page.locator("#mm-entry textarea")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#mm-read")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#mm-votes")).to_be_visible()
    page.get_by_role("tab", name="Tulis", exact=True).focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("tab", name="Perjalanan", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(entries(page)).to_have_count(1)


@pytest.mark.parametrize("size", VIEWPORTS)
def test_a_crisis_gets_the_safety_card_and_nothing_cheerful(visit, size):
    page = visit(size)
    read_answer(page, "Hari ini senang sekali bertemu teman lama.")
    write_and_wait(page, CRISIS)
    card = page.locator(".mm-safety")
    expect(card).to_be_visible()
    links = card.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert "tel:112" in links
    assert "tel:119" in links
    assert "https://www.healing119.id" in links
    heights = card.locator("a").evaluate_all("links => links.map(link => link.offsetHeight)")
    assert min(heights) >= 44
    expect(page.locator("#mm-votes")).to_be_hidden()
    expect(page.locator(".mm-suggestion")).to_have_count(0)
    expect(page.locator("#mm-answer mark")).to_have_count(0)
    # It is kept only when the visitor asks for that: somebody else may open this browser.
    open_tab(page, "Perjalanan")
    expect(entries(page)).to_have_count(1)
    open_tab(page, "Tulis")
    page.locator("#mm-keep-anyway").click()
    expect(page.locator("#mm-kept .mm-status")).to_contain_text("Tersimpan")
    open_tab(page, "Perjalanan")
    expect(entries(page)).to_have_count(2)
    expect(entries(page).first).to_contain_text("tanpa tebakan")


def test_a_kept_entry_names_what_it_reached_and_one_that_is_not_kept_does_not(visit):
    page = visit("phone")
    page.locator("#mm-keep input").uncheck()
    read_answer(page, ENTRY)
    expect(page.locator("#mm-awards")).to_have_text("")
    page.locator("#mm-keep input").check()
    read_answer(page, ENTRY)
    expect(page.locator("#mm-awards")).to_contain_text("Langkah pertama")
    # Nothing cheerful stays beside the safety card, nor comes with it.
    write_and_wait(page, CRISIS)
    expect(page.locator(".mm-safety")).to_be_visible()
    expect(page.locator("#mm-awards")).not_to_contain_text("Langkah pertama")


def test_an_entry_is_kept_as_it_was_read_whatever_is_written_meanwhile(visit):
    page = visit()
    write(page, "Aku senang hari ini.")
    page.locator("#mm-entry textarea").fill("Sedih sekali rasanya.")
    expect(page.locator("body")).to_have_attribute("data-mm-read", "1")
    open_tab(page, "Perjalanan")
    expect(entries(page)).to_have_count(1)
    expect(entries(page).locator(".mm-entry-text")).to_have_text("Aku senang hari ini.")


def test_a_file_that_is_too_large_is_not_sent(visit):
    page = visit()
    open_tab(page, "Perjalanan")
    bring_back(page, "a.json", "x" * 3_100_000)
    expect(page.locator("#mm-imported .mm-status")).to_contain_text("terlalu besar")


def test_a_vote_stays_in_the_browser(visit):
    page = visit()
    read_answer(page, ENTRY)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))
    with answered(page, 1):
        page.locator("#mm-up").click()
        expect(page.locator("#mm-voted .mm-status")).to_contain_text("browser ini saja")
    # The drawing is made anew, from dates and emotions; the vote is in none of it.
    assert [request for request in sent if '"points"' in request]
    assert not [request for request in sent if "vote" in request]
    open_tab(page, "Perjalanan")
    expect(entries(page).first).to_contain_text("saran membantu")


def test_what_a_visitor_wrote_is_never_markup(visit):
    page = visit()
    read_answer(page, HOSTILE)
    answer = page.locator("#mm-answer")
    assert HOSTILE in answer.locator("p", has_text="attacked").first.inner_text()
    expect(answer.locator("img, script, h1, b, strong, a")).to_have_count(0)
    open_tab(page, "Perjalanan")
    expect(entries(page).locator(".mm-entry-text")).to_have_text(HOSTILE)
    expect(page.locator("#mm-entries img")).to_have_count(0)
    open_tab(page, "Banyak sekaligus")
    rows = io.StringIO()
    csv.writer(rows).writerows([["<b>teks</b>", "id"], [HOSTILE, "1"]])
    upload(page, "<i>x</i>.csv", rows.getvalue().encode())
    page.locator("#mm-start").click()
    expect(page.locator("#mm-result td", has_text="attacked")).to_be_visible()
    expect(page.locator("#mm-result img, #mm-result b")).to_have_count(0)
    assert page.evaluate("window.attacked") is None


# The history


def test_the_history_outlives_a_reload_and_a_restart_of_the_server(
    browser, tmp_path_factory, visit
):
    folder = tmp_path_factory.mktemp("restarted")
    with running_space(folder) as first:
        page = visit(url=first.url, strict=False)  # the server goes away while the page is open
        read_answer(page, ENTRY)
        expect(page.locator("#mm-kept .mm-status")).to_contain_text("Tersimpan")
        page.reload()
        open_tab(page, "Perjalanan")
        expect(entries(page)).to_have_count(1)
        port = first.port
        page.goto("about:blank")
    with running_space(folder, port=port) as second:
        page.goto(second.url)
        open_tab(page, "Perjalanan")
        expect(entries(page)).to_have_count(1)
        expect(entries(page).first).to_contain_text("gagal ujian matematika")
        expect(page.locator("#mm-drawing")).to_contain_text("Kalender perasaan")


@pytest.mark.parametrize("size", VIEWPORTS)
def test_entries_are_deleted_one_by_one_and_all_at_once(visit, size):
    page = visit(size)
    for text in ("Aku senang hari ini.", "Sedih sekali rasanya.", "Besok ujian, takut."):
        read_answer(page, text)
    open_tab(page, "Perjalanan")
    expect(entries(page)).to_have_count(3)
    entries(page).first.locator(".mm-entry-delete").click()
    page.get_by_role("button", name="Batal").click()
    expect(entries(page)).to_have_count(3)
    entries(page).first.locator(".mm-entry-delete").click()
    page.get_by_role("button", name="Ya, hapus").click()
    expect(entries(page)).to_have_count(2)
    expect(page.locator("#mm-entries")).not_to_contain_text("Besok ujian")
    page.locator("#mm-clear").click()
    expect(page.locator("dialog")).to_contain_text("(2)")
    page.keyboard.press("Escape")
    expect(entries(page)).to_have_count(2)
    page.locator("#mm-clear").click()
    page.get_by_role("button", name="Ya, hapus").click()
    expect(entries(page)).to_have_count(0)
    expect(page.locator("#mm-drawing")).to_contain_text("mulai dari satu catatan")
    page.reload()
    open_tab(page, "Perjalanan")
    expect(page.locator("#mm-drawing")).to_contain_text("mulai dari satu catatan")
    expect(entries(page)).to_have_count(0)


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_an_export_comes_back_in_another_browser(visit, kind):
    page = visit()
    texts = [HOSTILE, "=1+1 aku senang", 'Baris satu\nbaris "dua"; tiga, empat 😢']
    for text in texts:
        read_answer(page, text)
    open_tab(page, "Perjalanan")
    expect(entries(page)).to_have_count(3)
    exported = export(page, kind)
    other = visit()
    open_tab(other, "Perjalanan")
    bring_back(other, f"a.{kind}", exported)
    expect(other.locator("#mm-imported .mm-status")).to_contain_text("3 catatan ditambahkan")
    expect(entries(other)).to_have_count(3)
    shown = other.locator(".mm-entry-text").evaluate_all("all => all.map(one => one.textContent)")
    assert shown == texts[::-1]
    bring_back(other, f"a.{kind}", exported)
    expect(other.locator("#mm-imported .mm-status")).to_contain_text("3 sudah ada")
    expect(entries(other)).to_have_count(3)


def test_a_file_that_is_no_export_changes_nothing(visit):
    page = visit()
    read_answer(page, ENTRY)
    open_tab(page, "Perjalanan")
    expect(entries(page)).to_have_count(1)
    broken = json.loads(export(page, "json"))
    broken["entries"][0]["id"] = "11111111-1111-4111-8111-111111111111"
    broken["entries"].append({"id": 5, "text": "tanpa waktu"})
    bring_back(page, "a.json", json.dumps(broken))
    expect(page.locator(".mm-error")).to_contain_text("2")
    expect(entries(page)).to_have_count(1)


def test_nothing_is_lost_between_two_tabs(visit):
    page = visit()
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator("#mm-entry textarea")).to_be_visible()
    other.evaluate("addEventListener('storage', () => { window.told = true })")
    read_answer(page, "Aku senang hari ini.")
    other.wait_for_function("window.told")
    read_answer(other, "Sedih sekali rasanya.")
    expect(other.locator("#mm-kept .mm-status")).to_contain_text("Muat ulang")
    other.reload()
    expect(other.locator("#mm-entry textarea")).to_have_value("Sedih sekali rasanya.")
    other.locator("#mm-read").click()
    expect(other.locator("#mm-kept .mm-status")).to_contain_text("Tersimpan")
    open_tab(other, "Perjalanan")
    expect(entries(other)).to_have_count(2)


def test_the_server_draws_without_the_texts(visit):
    page = visit()
    read_answer(page, f"Aku senang, {SECRET_WORD} sekali.")
    bodies: list[str] = []
    page.on("request", lambda request: bodies.append(request.post_data or ""))
    open_tab(page, "Perjalanan")
    expect(entries(page).first).to_contain_text(SECRET_WORD)
    expect(page.locator("#mm-drawing")).to_contain_text("Garis waktu")
    page.reload()
    open_tab(page, "Perjalanan")
    expect(entries(page).first).to_contain_text(SECRET_WORD)
    export(page, "json")
    entries(page).first.locator(".mm-entry-delete").click()
    page.get_by_role("button", name="Ya, hapus").click()
    expect(entries(page)).to_have_count(0)
    assert any("happy" in body for body in bodies)
    assert not any(SECRET_WORD in body for body in bodies)


# Language, light and dark, accessibility


def test_it_speaks_indonesian_until_english_is_asked_for(visit):
    page = visit("phone")
    expect(page.locator("html")).to_have_attribute("lang", "id")
    expect(page.locator("#mm-read")).to_have_text("Baca perasaanku")
    read_answer(page, ENTRY)
    page.get_by_text("EN", exact=True).click()
    expect(page.locator("#mm-read")).to_have_text("Read my feelings")
    expect(page.locator("#mm-answer")).to_contain_text("What your words seem to say")
    visible = page.locator("#mm-answer").inner_text()
    assert "Yang terbaca" not in visible
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(page.locator("#mm-read")).to_have_text("Read my feelings")
    open_tab(page, "Journey")
    expect(page.locator("#mm-drawing")).to_contain_text("Mood calendar")
    expect(entries(page).first).to_contain_text("sad")
    page.get_by_text("ID", exact=True).click()
    expect(page.get_by_role("tab", name="Perjalanan", exact=True)).to_be_visible()
    expect(entries(page).first).to_contain_text("sedih")


def test_light_and_dark_by_the_system_and_by_the_button(visit):
    page = visit(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    expect(page.locator("body.dark")).to_have_count(1)
    dark = page.evaluate(background)
    page.locator("#mm-theme").click()
    expect(page.locator("body.dark")).to_have_count(0)
    light = page.evaluate(background)
    assert dark != light
    page.reload()
    expect(page.locator("#mm-entry textarea")).to_be_visible()
    page.wait_for_function(f"{background} === '{light}'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", VIEWPORTS)
def test_every_tab_keeps_wcag_aa(visit, size, scheme):
    axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(size, color_scheme=scheme, reduced_motion="reduce")
    found: list[str] = []

    def check(name: str) -> None:
        expect(page.locator("p.loading")).to_have_count(0)  # Gradio's own, while a part is fetched
        if SCREENSHOTS:
            page.screenshot(path=Path(SCREENSHOTS) / f"{size}-{scheme}-{name}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS[size][0], name
        rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
        response = axe_module.Axe().run(page, options=rules).response
        assert len(response["passes"]) > 20
        for violation in response["violations"]:
            where = [node["html"][:100] for node in violation["nodes"]]
            found.append(f"{name}: {violation['id']}: {where}")

    check("empty")
    write_and_wait(page, CRISIS)
    expect(page.locator(".mm-safety")).to_be_visible()
    check("crisis")
    read_answer(page, ENTRY)
    check("write")
    open_tab(page, "Perjalanan")
    expect(page.locator("#mm-drawing")).to_contain_text("Kalender")
    expect(entries(page)).to_have_count(1)
    check("journey")
    open_tab(page, "Banyak sekaligus")
    upload(page, "a.csv", b"id;teks\n1;aku senang sekali\n2;takut besok ujian\n")
    expect(page.locator("#mm-start")).to_be_visible()
    check("batch before")
    page.locator("#mm-start").click()
    expect(page.locator("#mm-download")).to_be_visible()
    check("batch")
    open_tab(page, "Tentang model")
    expect(page.locator(".mm-about")).to_be_visible()
    for fold in page.locator(".mm-about details").all():
        fold.evaluate("fold => { fold.open = true }")
    check("about")
    assert found == []


# Many at once


@pytest.mark.parametrize("size", VIEWPORTS)
def test_a_table_gets_its_labels(visit, size):
    page = visit(size)
    open_tab(page, "Banyak sekaligus")
    upload(page, "data.csv", b"no;kota;cerita\n1;Bogor;aku senang\n2;Solo;takut ujian\n")
    expect(page.locator("#mm-found")).to_contain_text("2 baris")
    expect(page.locator("#mm-column input")).to_have_value("cerita")
    page.locator("#mm-start").click()
    expect(page.locator("#mm-result")).to_contain_text("Selesai: 2 baris")
    with page.expect_download() as download:
        page.locator("#mm-download").click()
    assert download.value.suggested_filename == "data-memotions.csv"
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [row["cerita"] for row in rows] == ["aku senang", "takut ujian"]
    assert [row["emosi"] for row in rows] == ["senang", "takut"]
    assert page.evaluate("document.documentElement.scrollWidth") == VIEWPORTS[size][0]


def test_a_bad_file_is_told_by_its_row(visit):
    page = visit()
    open_tab(page, "Banyak sekaligus")
    upload(page, "data.csv", b"no,cerita\n1,aku senang\n2,aku,sedih,sekali\n")
    expect(page.locator("#mm-found .mm-error")).to_contain_text("Baris 3")
    expect(page.locator("#mm-start")).to_be_hidden()
    upload(page, "foto.png", b"\x89PNG\r\n\x1a\n\x00\x00")
    expect(page.locator("#mm-found .mm-error")).to_contain_text("CSV, XLSX, atau TXT")


def test_work_that_is_cancelled_leaves_nothing_behind(visit, space):
    page = visit()
    open_tab(page, "Banyak sekaligus")
    lines = "\n".join(f"hari ke {n} aku senang {SECRET_WORD} lalu sedih" for n in range(40_000))
    upload(page, "panjang.txt", lines.encode())
    page.locator("#mm-start").click()
    expect(page.locator("[role=progressbar]")).to_be_visible()
    page.locator("#mm-cancel").click()
    expect(page.locator("#mm-result")).to_contain_text("Dibatalkan")
    expect(page.locator("#mm-cancel")).to_be_hidden()
    wait_until(page, lambda: files_with(space.folder, SECRET_WORD) == [])


# About the model


def test_the_about_tab_shows_the_artifacts_figures(visit):
    from memotions_hf.demo.about import BUNDLED_FOLDER

    page = visit("phone")
    open_tab(page, "Tentang model")
    metrics = json.loads((BUNDLED_FOLDER / "metrics.json").read_text(encoding="utf-8"))
    assert metrics
    about = page.locator(".mm-about")
    expect(about).to_contain_text("Seberapa bagus tebakannya")
    about.locator("summary").first.click()
    expect(about.locator("table").first).to_be_visible()


# What is left behind


def files_with(folder: Path, word: str) -> list[str]:
    """The files under a folder that hold a word."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and word.encode() in path.read_bytes():
                found.append(path.name)
        except FileNotFoundError:  # deleted a moment ago
            continue
    return found


def test_no_word_of_an_entry_stays_on_the_server(visit, space):
    page = visit()
    read_answer(page, f"Aku takut sekali, {SECRET_WORD} terus.")
    write_and_wait(page, f"{CRISIS}, {SECRET_WORD}")
    expect(page.locator(".mm-safety")).to_be_visible()
    write_and_wait(page, f"{SECRET_WORD} " * 3000)
    expect(page.locator("#mm-answer .mm-error, #mm-answer .mm-card").first).to_be_visible()
    open_tab(page, "Perjalanan")
    bring_back(page, "a.json", json.dumps({"app": "memotions", "entries": [SECRET_WORD]}))
    expect(page.locator(".mm-error").last).to_be_visible()
    open_tab(page, "Banyak sekaligus")
    upload(page, "a.txt", f"aku senang {SECRET_WORD}\n".encode())
    page.locator("#mm-start").click()
    expect(page.locator("#mm-download")).to_be_visible()
    # Only the result waits for its download, and nothing of it is in the log.
    wait_until(page, lambda: files_with(space.folder, SECRET_WORD) == ["a-memotions.csv"])
    assert "Traceback" not in space.log.read_text(encoding="utf-8")


# Gemini


def test_gemini_writes_and_a_gemini_that_hangs_holds_up_nothing(visit, monkeypatch):
    pytest.importorskip("google.genai", reason="the gemini extra is not installed")
    from google.oauth2.credentials import Credentials
    from support.vertex_server import TOKEN, VertexServer

    from memotions_hf.demo.app import build, launch_options
    from memotions_hf.demo.service import Service
    from memotions_hf.suggestions.gemini import GeminiConfig, GeminiEngine

    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "loopback")
    with VertexServer() as gemini:
        config = GeminiConfig(
            "loopback", Credentials(token=TOKEN), base_url=gemini.url, timeout=10.0, pause=0.0
        )
        with Service(make_engine=lambda: GeminiEngine(config)) as service:
            app = build(service)
            _, url, _ = app.launch(server_port=free_port(), **launch_options(service))
            try:
                page = visit(url=url)
                expect(page.locator("body")).to_contain_text("dikirim ke Gemini milik Google")
                read_answer(page, ENTRY)
                expect(page.locator("#mm-suggestion")).to_contain_text("Ditulis oleh Gemini")
                gemini.usual = "hang"
                write(page, "Takut sekali, besok ujian matematika.")
                expect(page.locator("#mm-answer")).to_contain_text("takut")
                wait_until(page, lambda: gemini.busy == 1)  # Gemini is still being waited for
                expect(page.locator("#mm-suggestion")).not_to_contain_text("Ditulis oleh")
                expect(page.locator("#mm-suggestion")).to_contain_text("terlalu lama menjawab")
                # A crisis is never sent.
                asked = len(gemini.requests)
                write_and_wait(page, CRISIS)
                expect(page.locator(".mm-safety")).to_be_visible()
                assert len(gemini.requests) == asked
            finally:
                app.close()
