"""What visitors read: complete in both languages, and there for every place that asks for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import memotions_hf.demo
from memotions_hf.demo.markup import LANGUAGES, TEXT_FOLDER, VisitorError, both, escape, words

CODE = Path(memotions_hf.demo.__file__).parent
TEXTS = {
    f"{path.stem}.{key}": text
    for path in TEXT_FOLDER.glob("*.json")
    for key, text in json.loads(path.read_text(encoding="utf-8")).items()
}
# Said in one language only: entries are Indonesian, and so are suggestions.
ONE_LANGUAGE = re.compile(r"write\.(example_\d_text|suggestion_language)")


def fields(text: str) -> set[str]:
    """The names that a text asks for; a number may be written in one way for each language."""
    names = {name for _, name, _, _ in Formatter().parse(text) if name}
    return {re.sub(r"_(id|en)$", "", name) for name in names}


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_a_text_is_whole_in_both_languages(key):
    assert set(TEXTS[key]) == set(LANGUAGES)
    if not ONE_LANGUAGE.fullmatch(key):
        assert all(TEXTS[key][lang].strip() for lang in LANGUAGES)
        assert fields(TEXTS[key]["id"]) == fields(TEXTS[key]["en"])


def test_every_text_that_the_code_names_is_there():
    names = "|".join(path.stem for path in TEXT_FOLDER.glob("*.json"))
    code = "\n".join(path.read_text(encoding="utf-8") for path in CODE.glob("*.py"))
    named = set(re.findall(rf"[\"\'](({names})\.[a-z0-9_]+)[\"\']", code))
    keys = {key for key, _ in named if not key.endswith((".js", ".css", ".json"))}
    assert len(keys) > 60
    assert keys - set(TEXTS) == set()


def test_the_script_of_the_page_has_its_texts():
    script = (CODE / "assets" / "client.js").read_text(encoding="utf-8")
    said = set(re.findall(r"say\(\"(\w+)\"", script)) | {"voted", "vote_unkept", "helpful"}
    assert said - {key.partition(".")[2] for key in TEXTS if key.startswith("client.")} == set()


@given(st.text())
def test_what_a_visitor_wrote_is_neither_markup_nor_template(text):
    escaped = escape(text)
    assert not set(escaped) & set("<>{}$`\\\"'")
    assert json.loads(json.dumps(escaped)) == escaped


def test_values_are_escaped_and_texts_are_not():
    html = both("write.call", name="<b>{112}</b>")
    assert "<b>" not in html
    assert html.count("<span") == 2


def test_an_error_for_a_visitor_is_one_english_line_and_html_in_both_languages():
    error = VisitorError("common.too_fast", seconds=7)
    assert str(error) == words("common.too_fast", "en", seconds=7)
    assert "7" in str(error)
    assert "\n" not in str(error)
    assert words("common.too_fast", "id", seconds=7) in error.html()
