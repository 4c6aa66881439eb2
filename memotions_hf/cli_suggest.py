"""``memotions suggest``: the emotions of a journal entry, and a suggestion for who wrote it.

Nothing heavy is imported before the command runs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from .cli_predict import MESSAGES, dump_json, prepare_streams
from .labels import score_percent

if TYPE_CHECKING:
    from .suggestions import JournalReply, SuggestionEngine
    from .suggestions.safety import Language

_MAX_WIDTH = 88

_WORDS = {
    "id": {
        "emotions": "Perasaan yang terbaca: {names}",
        "local": "Saran ini disusun di komputer ini, tanpa internet.",
        "gemini": "Saran ini ditulis oleh Gemini ({model}). Bisa saja keliru.",
        "fallback": "Gemini tidak bisa dipakai saat ini ({reason}), jadi saran ini disusun di "
        "komputer ini.",
    },
    "en": {
        "emotions": "Feelings found: {names}",
        "local": "This suggestion was put together on this computer, without the internet.",
        "gemini": "This suggestion was written by Gemini ({model}). It may be wrong.",
        "fallback": "Gemini could not be used now ({reason}), so this suggestion was put together "
        "on this computer.",
    },
}


def add_parser(commands: Any) -> None:
    """Add the command to the parser of ``memotions``."""
    parser = commands.add_parser(
        "suggest",
        help="answer a journal entry with a kind, concrete suggestion",
        description="Tell the emotions of a journal entry and answer it with one paragraph in "
        "Indonesian. An entry that may be about a crisis is answered with help lines instead. "
        "Entries are neither kept nor logged; they leave this machine only when Gemini is "
        "configured and used (see memotions doctor).",
        epilog="With --json, one object: emotions, suggestion, note, engine, model, fallback, "
        "safety, help_lines, complete; with --stream too, one object a line as the answer grows.",
    )
    parser.add_argument("entry", metavar="ENTRY", help="the entry, or - to read standard input")
    parser.add_argument(
        "--engine",
        choices=("auto", "gemini", "local"),
        default="auto",
        help="who writes; auto is Gemini when GOOGLE_CLOUD_PROJECT is set, else local (auto)",
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument("--stream", action="store_true", help="show the answer as it is written")
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.2,
        metavar="P",
        help="every emotion more probable than P (0.2)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        help="classifier folder or Hub repository; default: bundled",
    )
    parser.add_argument(
        "--lang", choices=("id", "en"), default="id", help="language around the suggestion (id)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``memotions suggest`` with the parser's arguments; returns the exit code."""
    prepare_streams()
    entry = sys.stdin.read() if args.entry == "-" else args.entry
    from .inference import EmotionClassifier
    from .suggestions import Companion

    classifier = EmotionClassifier.from_pretrained(args.model)
    with Companion(classifier, _open_engine(args.engine), threshold=args.threshold) as companion:
        show = _ShowJson() if args.json else _ShowText(args.lang)
        last = None
        for last in companion.stream(entry):
            if args.stream:
                show.part(last)
        assert last is not None
        if not args.stream or not args.json:
            show.whole(last)
    return 0


def _open_engine(name: str) -> SuggestionEngine:
    if name == "gemini":
        from .suggestions.gemini import GeminiEngine

        return GeminiEngine.from_environment()
    if name == "local":
        from .suggestions.local import LocalEngine

        return LocalEngine()
    from .suggestions import SuggestionEngine

    return SuggestionEngine.auto()


class _ShowJson:
    """Answers as JSON objects."""

    def part(self, reply: JournalReply) -> None:
        print(dump_json(reply.model_dump()), flush=True)

    whole = part


class _ShowText:
    """The answer for a person: emotions, the paragraph, and who wrote it."""

    def __init__(self, lang: Language) -> None:
        self._lang = lang
        self._words = _WORDS[lang]
        self._shown = ""
        self._has_emotions = False

    def part(self, reply: JournalReply) -> None:
        """Print what is new; an answer that begins anew starts a new paragraph."""
        if reply.safety.crisis:
            return
        self._print_emotions(reply)
        if not reply.suggestion.startswith(self._shown):
            print("\n")
            self._shown = ""
        print(reply.suggestion[len(self._shown) :], end="", flush=True)
        self._shown = reply.suggestion

    def whole(self, reply: JournalReply) -> None:
        """Print what has not been printed yet, and the line below it."""
        if reply.safety.crisis:
            print(self._crisis(reply))
            return
        self._print_emotions(reply)
        print("\n" if self._shown else _wrap(reply.suggestion) + "\n")
        if reply.note:
            from .suggestions.safety import concern_note

            print(_wrap(concern_note(self._lang)) + "\n")
        print(self._source(reply))

    def _print_emotions(self, reply: JournalReply) -> None:
        if self._has_emotions:
            return
        self._has_emotions = True
        names = MESSAGES[self._lang].names
        found = (
            f"{names[emotion.label]} ({score_percent(emotion.score)}%)"
            for emotion in reply.emotions
        )
        print(self._words["emotions"].format(names=", ".join(found)) + "\n")

    def _source(self, reply: JournalReply) -> str:
        if reply.engine == "gemini":
            return self._words["gemini"].format(model=reply.model)
        if reply.fallback:
            return self._words["fallback"].format(reason=reply.fallback)
        return self._words["local"]

    def _crisis(self, reply: JournalReply) -> str:
        from .suggestions.safety import crisis_message

        lines = crisis_message(reply.safety.kind, self._lang).splitlines()
        return "\n".join(
            _wrap(line, indent="  " if number > 1 else "") for number, line in enumerate(lines)
        )


def _wrap(text: str, indent: str = "") -> str:
    width = min(_MAX_WIDTH, shutil.get_terminal_size((_MAX_WIDTH, 24)).columns)
    return textwrap.fill(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + indent,
        break_on_hyphens=False,
    )
