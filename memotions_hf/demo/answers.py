"""The answer to an entry as HTML: its emotions, the words, the arc, the suggestion, help lines."""

from __future__ import annotations

from ..suggestions import JournalReply
from ..suggestions.safety import (
    Danger,
    HelpLine,
    concern_note,
    crisis_opening,
    help_lines,
    help_lines_checked,
)
from .charts import Sentence, arc, highlighted, probabilities
from .markup import LANGUAGES, VisitorError, both, both_of, escape, two
from .reading import Reading

MAX_SENTENCES = 40

_REASONS = {
    "timeout": "timeout",
    "quota": "quota",
    "budget": "quota",
    "blocked": "blocked",
    "empty": "other",
    "unfit": "other",
}


def reading_html(text: str, reading: Reading) -> str:
    """What was read in an entry; in a crisis the safety card, and nothing beside it."""
    if reading.safety.crisis:
        return safety_card(reading.safety.kind)
    parts = [_emotions(reading), _words(text, reading)]
    if len(reading.sentences) > 1:
        parts.append(_arc(reading))
    return f'<div class="mm-page" role="status">{"".join(parts)}</div>'


def _emotions(reading: Reading) -> str:
    scores = [(found.label, found.score) for found in reading.emotions]
    return _card(
        f'<div class="mm-lead"><h2>{both("write.found")}</h2>'
        f'<p class="mm-small">{both("write.found_hint")}</p></div>{probabilities(scores)}'
    )


def _words(text: str, reading: Reading) -> str:
    label = reading.emotions[0].label
    pieces = [(word.start, word.end, word.contribution) for word in reading.words]
    return _card(f"<h2>{both('write.words')}</h2>{highlighted(text, pieces, label)}")


def _arc(reading: Reading) -> str:
    shown = reading.sentences[:MAX_SENTENCES]
    sentences = [Sentence(part.text, part.label, part.score) for part in shown]
    left = len(reading.sentences) - len(shown)
    more = f'<p class="mm-small">{both("write.arc_more", count=left)}</p>' if left else ""
    return _card(f"<h2>{both('write.arc')}</h2>{arc(sentences)}{more}")


def suggestion_html(reply: JournalReply) -> str:
    """A suggestion as far as it is written, and who wrote it; nothing in a crisis."""
    if reply.safety.crisis:
        return ""
    writing = "" if reply.complete else " mm-cursor"
    text = escape(reply.suggestion) or both("write.suggestion_wait")
    parts = [
        f"<h2>{both('write.suggestion')}</h2>",
        f'<p class="mm-suggestion-text{writing}" lang="id">{text}</p>',
    ]
    if reply.complete:
        parts += [_note(reply), f'<p class="mm-small">{_author(reply)}</p>']
    return f'<div class="mm-page">{_card("".join(parts), "mm-suggestion")}</div>'


def _note(reply: JournalReply) -> str:
    if not reply.note:
        return ""
    note = two(escape(concern_note("id")), escape(concern_note("en")))
    return f'<p class="mm-counsel">{note}</p>'


def _author(reply: JournalReply) -> str:
    return f"{_engine(reply)} {both('write.suggestion_language')}"


def _engine(reply: JournalReply) -> str:
    if reply.engine == "gemini":
        return both("write.by_gemini", model=reply.model)
    if reply.fallback:
        reason = _REASONS.get(reply.fallback, "unavailable")
        return both_of("write.by_fallback", reason=f"write.reason_{reason}")
    return both("write.by_local")


def safety_card(kind: Danger | None) -> str:
    """The fixed message for a crisis, with help lines that a tap calls or opens."""
    lines = "".join(_help_line(line) for line in help_lines(kind))
    opening = two(*(escape(crisis_opening(kind, lang)) for lang in LANGUAGES))
    checked = both("write.crisis_checked", date=help_lines_checked().isoformat())
    return (
        '<div class="mm-page" role="alert">'
        + _card(
            f"<h2>{both('write.crisis_heading')}</h2>"
            f"<p>{opening}</p>"
            f"<h3>{both('write.crisis_lines')}</h3><ul>{lines}</ul>"
            f'<p class="mm-small">{checked}</p>'
            f'<p class="mm-small">{both("write.not_kept")}</p>',
            "mm-safety",
        )
        + "</div>"
    )


def _help_line(line: HelpLine) -> str:
    name = two(escape(line.name), escape(line.english_name or line.name))
    about = two(escape(line.indonesian), escape(line.english))
    return f"<li>{_link(line, name)}<p>{about}</p></li>"


def _link(line: HelpLine, name: str) -> str:
    if not line.link:
        return f'<span class="mm-place">{name}</span>'
    key = "write.call" if line.link.startswith("tel:") else "write.open"
    target = "" if line.link.startswith("tel:") else ' target="_blank" rel="noopener noreferrer"'
    text = both(key, name=line.name)
    return f'<a class="mm-call" href="{escape(line.link)}"{target}>{text}</a>'


def error_html(error: VisitorError) -> str:
    """Something that the visitor can mend."""
    return f'<div class="mm-page"><p class="mm-error" role="alert">{error.html()}</p></div>'


def _card(content: str, extra: str = "") -> str:
    return f'<section class="mm-card {extra}">{content}</section>'
