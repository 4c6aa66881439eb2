"""``memotions predict``: one text, lines of a file or a pipe, Parquet files, or a talk."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import tee
from typing import IO, TYPE_CHECKING, Any

from .errors import InputError, MemotionsError
from .labels import EMOTIONS, score_percent

if TYPE_CHECKING:
    from .inference import EmotionClassifier, EmotionScore

MAX_LINE_BYTES = 1_000_000
_BOM = b"\xef\xbb\xbf"
_FILE_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".parquet")
_BAR_WIDTH = 24
_MIN_CONTRIBUTION = 0.02
_WORDS_SHOWN = 3
_CONFIDENT = 0.5
_QUIT_WORDS = frozenset({"keluar", "exit", "quit"})
_ANSI = {"sad": "34", "happy": "33", "neutral": "90", "anger": "31", "fear": "35"}
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Messages:
    """What the command says to a visitor, in one language."""

    names: dict[str, str]
    welcome: str
    prompt: str
    empty: str
    bye: str
    confident: str
    unsure: str
    none_over: str
    words: str


MESSAGES = {
    "id": Messages(
        names={emotion.name: emotion.indonesian for emotion in EMOTIONS},
        welcome=(
            "Hai! Ceritakan harimu, satu kalimat pun cukup. Nanti aku tebak perasaanmu.\n"
            "Ceritamu hanya dibaca di komputer ini: tidak disimpan, tidak dikirim ke mana-mana.\n"
            "Tebakanku bisa salah, dan ini bukan nasihat medis. Kalau kamu sedang merasa tidak\n"
            "aman, kamu tidak sendirian: ada konselor di healing119.id, gratis dan tanpa nama.\n"
            'Kalau sudah selesai, ketik "keluar".'
        ),
        prompt="Ceritamu: ",
        empty='Belum ada kata yang bisa kubaca. Coba tulis, misalnya: "capek banget hari ini".',
        bye="Sampai jumpa. Jaga dirimu baik-baik, ya.",
        confident="Perasaan yang paling terasa: {name} ({percent})",
        unsure="Perasaannya campur aduk. Yang paling terasa: {name} ({percent})",
        none_over="Tidak ada perasaan yang melewati batas {threshold}.",
        words="Kata yang paling berpengaruh: {words}",
    ),
    "en": Messages(
        names={emotion.name: emotion.name for emotion in EMOTIONS},
        welcome=(
            "Hi! Tell me about your day in Indonesian; one sentence is enough. I will guess how "
            "you feel.\n"
            "What you write is read on this computer only: it is not kept and not sent anywhere.\n"
            "A guess can be wrong, and this is not medical advice. If you do not feel safe, you\n"
            "are not alone: there are counsellors at healing119.id, free and anonymous.\n"
            'When you are done, type "exit".'
        ),
        prompt="Your text: ",
        empty='There is no word to read yet. Try, for example: "capek banget hari ini".',
        bye="Goodbye. Take care of yourself.",
        confident="The strongest feeling: {name} ({percent})",
        unsure="Mixed feelings. The strongest: {name} ({percent})",
        none_over="No feeling is over the threshold {threshold}.",
        words="Words that mattered most: {words}",
    ),
}


def run(args: Namespace) -> int:
    """Run ``memotions predict`` with the parser's arguments; returns the exit code."""
    from .inference.classifier import check_choice

    prepare_streams()
    check_choice(args.top_k, args.threshold)
    if args.output is not None:
        return _predict_table(args)
    is_stream, source = _find_source(args)
    if args.explain and (is_stream or not args.json):
        raise InputError(
            "--explain goes with --json and one text; without --json the words are always shown"
        )
    if source is None and not is_stream:
        return _converse(args)
    if not is_stream:
        assert source is not None
        _print_one(_load(args), source, args)
        return 0
    if source is not None and source.lower().endswith(".parquet"):
        raise InputError(
            f"the answers to {source!r} go into a file; name it: --output NAME.parquet"
        )
    with _open_lines(source) as lines:
        _print_stream(_load(args), lines, args)
    return 0


def prepare_streams() -> None:
    """Let nothing that a user types or a file holds fail on its way in or out."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "replace")):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=errors)


def _load(args: Namespace) -> EmotionClassifier:
    from .inference import EmotionClassifier

    return EmotionClassifier.from_pretrained(args.model, revision=args.revision)


def _find_source(args: Namespace) -> tuple[bool, str | None]:
    """Return whether lines are read, and the path (None: standard input) or the one text.

    (False, None) is a talk on the terminal.
    """
    if args.file is not None:
        return True, args.file
    if args.input is None:
        return bool(args.json) or not sys.stdin.isatty(), None
    if args.input == "-":
        return True, None
    if os.path.exists(args.input) and not os.path.isdir(args.input):  # noqa: PTH110, PTH112
        return True, args.input  # unlike pathlib's, these accept any string
    if _looks_like_path(args.input):
        raise InputError(
            f"there is no file {args.input!r}; check the path (to classify those very characters, "
            "send them through a pipe)"
        )
    return False, args.input


def _looks_like_path(text: str) -> bool:
    if not text or any(char.isspace() for char in text) or "://" in text:
        return False
    if text.lower().endswith(_FILE_SUFFIXES):
        return True
    # "/" alone says little: ":/" is an emoticon.
    parts = re.split(r"[/\\]", text)
    return len(parts) > 1 and any(parts) and all(re.fullmatch(r"[\w.~-]*", p) for p in parts)


# One text


def _print_one(clf: EmotionClassifier, text: str, args: Namespace) -> None:
    scores = clf(text, top_k=None)
    chosen = _choose(scores, args)
    if not args.json:
        print(_describe(clf, text, scores, chosen, args))
        return
    answer = _as_json(text, scores, chosen)
    if args.explain:
        answer["words"] = [
            {**word._asdict(), "contribution": round(word.contribution, 4)}
            for word in clf.explain(text)
        ]
    print(dump_json(answer))


def _choose(scores: Sequence[EmotionScore], args: Namespace) -> list[EmotionScore]:
    """Apply --top-k and --threshold; with neither, every class is shown."""
    from .inference.classifier import select

    is_default = args.top_k == "best" and args.threshold is None
    return select(scores, None if is_default else args.top_k, args.threshold)


def _describe(
    clf: EmotionClassifier,
    text: str,
    scores: Sequence[EmotionScore],
    chosen: Sequence[EmotionScore],
    args: Namespace,
) -> str:
    """Return the answer for a person: the emotion, bars, and the words that led to it."""
    say = MESSAGES[args.lang]
    best = scores[0]
    headline = say.confident if best["score"] >= _CONFIDENT else say.unsure
    name = _coloured(say.names[best["label"]], best["label"])
    lines = [headline.format(name=name, percent=f"{score_percent(best['score'])}%"), ""]
    width = max(len(name) for name in say.names.values())
    for item in chosen:
        label, score = item["label"], item["score"]
        bar = _coloured(_bar(score), label)
        lines.append(f"  {say.names[label]:<{width}}  {bar} {score_percent(score):>4}%")
    if not chosen:
        lines.append("  " + say.none_over.format(threshold=args.threshold))
    words = [word for word in clf.explain(text) if word.contribution >= _MIN_CONTRIBUTION]
    words.sort(key=lambda word: -word.contribution)
    if words:
        quoted = ", ".join(f'"{_one_line(word.token)}"' for word in words[:_WORDS_SHOWN])
        lines += ["", say.words.format(words=quoted)]
    return "\n".join(lines)


def _bar(score: float) -> str:
    eighths = round(score * _BAR_WIDTH * 8)
    blocks = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
    try:
        blocks.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        blocks = "#" * round(score * _BAR_WIDTH)
    return f"{blocks:<{_BAR_WIDTH}}"


def _coloured(text: str, label: str) -> str:
    dumb = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if dumb or not sys.stdout.isatty() else f"\x1b[1;{_ANSI[label]}m{text}\x1b[0m"


def _one_line(text: str) -> str:
    """Keep line breaks, tabs and terminal commands of a text out of a line of output."""
    return "".join(char if char.isprintable() or char == "\u200d" else " " for char in text)


# A talk on a terminal


def _converse(args: Namespace) -> int:
    with suppress(ImportError):
        import readline  # noqa: F401  (line editing; its history is never written)
    say = MESSAGES[args.lang]
    print(say.welcome)
    clf = _load(args)
    while True:
        try:
            text = input("\n" + say.prompt)
        except EOFError:
            print()
            break
        except KeyboardInterrupt:
            print()
            raise
        if text.strip().lower() in _QUIT_WORDS:
            break
        _answer(clf, text, args)
    print(say.bye)
    return 0


def _answer(clf: EmotionClassifier, text: str, args: Namespace) -> None:
    try:
        scores = clf(text, top_k=None)
    except MemotionsError:  # the text has nothing to read
        print(MESSAGES[args.lang].empty)
        return
    print(_describe(clf, text, scores, _choose(scores, args), args))


# Rows of Parquet files


def _predict_table(args: Namespace) -> int:
    from .inference.parquet import predict_parquet

    source = args.file if args.file is not None else args.input
    if source is None or source == "-":
        raise InputError("--output goes with a Parquet file, or with a folder of them; name it")
    if args.json or args.explain or args.threshold is not None or args.top_k != "best":
        raise InputError(
            "--json, --explain, --top-k and --threshold do not go with --output: the file has a "
            "column for every label's score"
        )
    progress = _Progress("rows")
    rows = predict_parquet(
        source,
        args.output,
        column=args.column,
        model=args.model,
        revision=args.revision,
        batch_size=args.batch_size,
        engine=args.engine,
        workers=args.workers,
        progress=progress.step,
    )
    progress.close()
    print(f"{args.output}: {rows:,} rows")
    return 0


# Lines of a file or a pipe


def _print_stream(clf: EmotionClassifier, lines: Iterable[str], args: Namespace) -> None:
    # A program that sends a line and waits for the answer must get it.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)
    texts, to_classify = tee(lines)
    answers = clf.predict_stream(to_classify, top_k=None, batch_size=args.batch_size)
    write = _json_line if args.json else _tsv_line
    progress = _Progress("lines")
    for text, scores in zip(texts, answers, strict=True):
        assert isinstance(scores, list)
        print(write(text, scores, args))
        progress.step()
    progress.close()


def _tsv_line(text: str, scores: Sequence[EmotionScore], args: Namespace) -> str:
    from .inference.classifier import select

    chosen = select(scores, args.top_k, args.threshold)
    labels = ",".join(item["label"] for item in chosen)
    numbers = ",".join(f"{item['score']:.4f}" for item in chosen)
    return f"{labels}\t{numbers}\t{_one_line(text)}"


def _json_line(text: str, scores: Sequence[EmotionScore], args: Namespace) -> str:
    return dump_json(_as_json(text, scores, _choose(scores, args)))


def _as_json(
    text: str, scores: Sequence[EmotionScore], chosen: Sequence[EmotionScore]
) -> dict[str, Any]:
    return {
        "text": text,
        "label": scores[0]["label"] if scores else None,
        "score": round(scores[0]["score"], 4) if scores else None,
        "emotions": [{"label": item["label"], "score": round(item["score"], 4)} for item in chosen],
    }


def dump_json(value: dict[str, Any]) -> str:
    """Return JSON that the output can hold: lone surrogates stay escaped."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    line = json.dumps(value, ensure_ascii=not is_utf8)
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", line)


class _Progress:
    """One line on the error output, on a terminal only, twice a second at most."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._shown = sys.stderr.isatty()
        self._count = 0
        self._started = self._last = time.monotonic()

    def step(self, count: int = 1) -> None:
        self._count += count
        if self._shown and time.monotonic() - self._last >= 0.5:
            self._last = time.monotonic()
            self._print("")

    def close(self) -> None:
        if self._shown:
            self._print("\n")

    def _print(self, end: str) -> None:
        rate = self._count / max(time.monotonic() - self._started, 1e-9)
        print(f"\r{self._count:,} {self._unit}, {rate:,.0f} a second", end=end, file=sys.stderr)
        sys.stderr.flush()


@contextmanager
def _open_lines(path: str | None) -> Iterator[Iterator[str]]:
    """Open a file (None: standard input) as an iterator over its lines."""
    if path is None:
        yield _read_lines(sys.stdin.buffer, "standard input")
        return
    try:
        file = open(path, "rb")  # noqa: PTH123, SIM115  (any string is accepted)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the file {path!r} cannot be read: {reason}") from None
    with file:
        yield _read_lines(file, path)


def _read_lines(file: IO[bytes], name: str) -> Iterator[str]:
    """Yield the lines of a UTF-8 file; of a huge line only the first million bytes.

    Raises:
        InputError: a line is not UTF-8.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if not line.endswith(b"\n") and len(line) >= MAX_LINE_BYTES - len(_BOM):
            line = _skip_rest(file, line, f"{name}: line {number}")
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}: line {number} is not UTF-8 (byte {line[error.start]:#04x} at position "
                f"{error.start + 1}); save the file as UTF-8"
            ) from None


def _skip_rest(file: IO[bytes], line: bytes, where: str) -> bytes:
    """Read on to the line's end, and cut its beginning at a whole character."""
    was_cut = False
    while rest := file.readline(MAX_LINE_BYTES):
        was_cut = was_cut or bool(rest.strip(b"\r\n"))
        if rest.endswith(b"\n"):
            break
    if was_cut:
        print(f"memotions: {where} is cut after {MAX_LINE_BYTES:,} bytes", file=sys.stderr)
        for size in range(1, 4):
            if line[-size] >= 0xC0:  # the first byte of a character that lost its end
                return line[:-size]
            if line[-size] < 0x80:
                break
    return line
