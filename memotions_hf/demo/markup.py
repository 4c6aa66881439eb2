"""What visitors read: texts in both languages, and HTML in which their own words are only words.

Texts live in ``data/space/*.json``, one file a tab. HTML carries both languages, and the style
sheet shows one of them, so that switching needs no answer to be drawn again.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from functools import cache
from typing import Literal

from ..corpus.download import DATA_FOLDER
from ..errors import InputError

Language = Literal["id", "en"]
LANGUAGES: tuple[Language, Language] = ("id", "en")
TEXT_FOLDER = DATA_FOLDER / "space"

# gr.HTML runs its value through JavaScript template strings and Handlebars: their marks are
# entities here, so that no text of a visitor is ever a template.
_TEMPLATE_MARKS = {ord(mark): f"&#{ord(mark)};" for mark in "{}$`\\"}


class VisitorError(InputError):
    """Something that a visitor can mend, in both languages; ``str()`` is the English line.

    ``VisitorError("batch.binary", row=5)`` takes the text ``binary`` of ``batch.json``.
    """

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(words(key, "en", **values))

    def html(self) -> str:
        """The line in both languages, as HTML."""
        return both(self.key, **self.values)


def words(key: str, lang: Language, **values: object) -> str:
    """A text of the app as plain text, its ``{names}`` filled with ``values``.

    Raises:
        KeyError: there is no such text.
    """
    return _texts()[key][lang].format(**values)


def both(key: str, **values: object) -> str:
    """A text as HTML in both languages; ``values`` are escaped, the text itself may hold tags."""
    safe = {name: escape(str(value)) for name, value in values.items()}
    return two(words(key, "id", **safe), words(key, "en", **safe))


def both_of(key: str, **keys: str) -> str:
    """A text as HTML in both languages, its ``{names}`` filled with other texts, by their keys."""
    indonesian, english = (
        words(key, lang, **{name: words(other, lang) for name, other in keys.items()})
        for lang in LANGUAGES
    )
    return two(indonesian, english)


def two(indonesian: str, english: str) -> str:
    """HTML that shows the first in Indonesian and the second in English."""
    if indonesian == english:
        return indonesian
    return (
        f'<span class="mm-id" lang="id">{indonesian}</span>'
        f'<span class="mm-en" lang="en">{english}</span>'
    )


def escape(text: str) -> str:
    """Text as HTML that shows exactly this text, whatever markup or template it looks like."""
    return html.escape(text).translate(_TEMPLATE_MARKS)


def emotion(label: str) -> str:
    """The name of an emotion as HTML in both languages."""
    return both(f"common.{label}")


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    return {
        f"{path.stem}.{key}": text
        for path in sorted(TEXT_FOLDER.glob("*.json"))
        for key, text in json.loads(path.read_text(encoding="utf-8")).items()
    }
