"""The embedded engine: retrieves and adapts our own paragraphs, with no account and no network.

What an entry is about is found by ranking (BM25, library ``bm25s``): our journal entries and
suggestion pairs, whose topics are known, are ranked against it, and the nearest ones vote. A topic
counts only when the entry also holds one of its nouns in so many words; the paragraph then mentions
that noun, which is all that is ever repeated of an entry. Where no topic is certain, a paragraph
answers that takes nothing for granted but the emotion. Among the paragraphs that fit, those come
first that give the kind of advice which the nearest pairs give, and none comes twice to a session
before the others have been used.
"""

from __future__ import annotations

import csv
import json
import re
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..corpus.configs import read_suggestions
from ..corpus.download import DATA_FOLDER
from ..corpus.rows import read_source
from ..errors import CorpusError
from ..text import normalise
from .engine import Request, Suggestion, SuggestionEngine
from .safety import CrisisDetector

ADVICE_FOLDER = DATA_FOLDER / "advice"
ANY_TOPIC = "any"
SLOT = "{hal}"

# Chosen on our own entries, each ranked against the others: of the entries that get a topic so, two
# thirds get the one that a reader gave (benchmarks/local_engine.py).
_NEIGHBOURS = 20
_WEIGHT_OF_WORDS = 0.5
_WEIGHT_OF_NOUN = 0.1
_MAX_NOUNS = 3
_MIN_SHARE = 0.28

_MAX_CHARACTERS = 4_000
_MAX_SESSIONS = 10_000
_REMEMBERED = 40
_LONG_WORD = 6
_PREFIX = 5
_ENDINGS = re.compile(r"(?:nya|ku|mu|lah|kah)$")


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of ours: true for every entry with its emotion and its topic."""

    id: str
    emotion: str
    topic: str
    advice: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Topic:
    """A topic of entries: nouns that name it, and further words that hint at it."""

    nouns: re.Pattern[str]
    words: tuple[str, ...]


@dataclass(frozen=True)
class About:
    """What an entry is about: a topic, the noun it is named by, and the advice that suits it."""

    topic: str
    noun: str
    advice: Mapping[str, float]


class AdviceLibrary:
    """Our paragraphs, topics and labelled entries, with an index over the entries."""

    def __init__(self, folder: Path = ADVICE_FOLDER) -> None:
        """Read the data and build the index; takes a few tenths of a second.

        Raises:
            CorpusError: a file is missing or is not as expected.
        """
        import bm25s

        self.paragraphs = _read_paragraphs(folder)
        self.topics = _read_topics(folder / "topics.json")
        self._names = [*self.topics, ANY_TOPIC]
        examples = [*_read_pairs(), *_read_journal(folder / "journal_topics.tsv")]
        self._topic_of = np.array([self._names.index(topic) for _, topic, _ in examples])
        self._advice = [advice for _, _, advice in examples]
        documents = [words_of(normalise(text)) for text, _, _ in examples]
        documents += [list(topic.words) for topic in self.topics.values()]
        self._index = bm25s.BM25(k1=1.2, b=0.6)
        self._index.index(documents, show_progress=False)

    def read(self, entry: str) -> About:
        """Say what an entry is about; the topic is ``any`` where none is certain."""
        text = normalise(entry[:_MAX_CHARACTERS])
        scores = self._rank(text)
        examples = scores[: len(self._topic_of)]
        nearest = np.argsort(-examples)[:_NEIGHBOURS]
        nouns = [topic.nouns.findall(text) for topic in self.topics.values()]
        votes = self._vote(examples, nearest, scores[len(examples) :], nouns)
        best = int(votes.argmax())
        advice: Counter[str] = Counter()
        for i in nearest:
            advice.update(dict.fromkeys(self._advice[i], float(examples[i])))
        is_named = best < len(nouns) and bool(nouns[best])
        if not is_named or votes[best] < _MIN_SHARE * votes.sum():
            return About(ANY_TOPIC, "", advice)
        return About(self._names[best], nouns[best][0], advice)

    def _rank(self, text: str) -> npt.NDArray[np.float32]:
        known = [word for word in words_of(text) if word in self._index.vocab_dict]
        if not known:
            return np.zeros(len(self._topic_of) + len(self.topics), np.float32)
        return np.asarray(self._index.get_scores(known), np.float32)

    def _vote(
        self,
        examples: npt.NDArray[np.float32],
        nearest: npt.NDArray[np.intp],
        words: npt.NDArray[np.float32],
        nouns: Sequence[Sequence[str]],
    ) -> npt.NDArray[np.float64]:
        votes = np.zeros(len(self._names))
        np.add.at(votes, self._topic_of[nearest], examples[nearest].astype(float) ** 2)
        votes /= votes.sum() + 1e-9
        votes[:-1] += _WEIGHT_OF_WORDS * words / (words.sum() + 1e-9)
        votes[:-1] += [_WEIGHT_OF_NOUN * min(len(set(found)), _MAX_NOUNS) for found in nouns]
        return votes


class LocalEngine(SuggestionEngine):
    """Answers from our own paragraphs; see the module's text for how one is chosen."""

    name: Literal["local"] = "local"

    def __init__(
        self, detector: CrisisDetector | None = None, library: AdviceLibrary | None = None
    ) -> None:
        """Take a crisis detector and a library; the defaults come with the package."""
        super().__init__(detector)
        self._library = library or _bundled_library()
        self._sessions: OrderedDict[str, deque[str]] = OrderedDict()
        self._lock = threading.Lock()

    def _answer(self, request: Request) -> Iterator[Suggestion]:
        about = self._library.read(request.entry)
        paragraph = self._choose(request, about)
        text = paragraph.text.replace(SLOT, about.noun)
        yield Suggestion(text=text, source="local", emotion=request.emotion, safety=request.safety)

    def _choose(self, request: Request, about: About) -> Paragraph:
        """Take the best paragraph that the session was not just given, and remember it."""
        fitting = self._library.paragraphs[request.emotion, about.topic]
        others = self._library.paragraphs[request.emotion, ANY_TOPIC]

        def suits(paragraph: Paragraph) -> float:
            return -sum(about.advice.get(kind, 0.0) for kind in paragraph.advice) / len(
                paragraph.advice
            )

        ranked = sorted(fitting, key=suits)
        if fitting is not others:
            ranked += sorted(others, key=suits)
        with self._lock:
            given = self._recent(request.session)
            fresh = (paragraph for paragraph in ranked if paragraph.id not in given)
            # Once all have been given, the one given longest ago comes again.
            oldest = min(ranked, key=lambda p: given.index(p.id) if p.id in given else -1)
            chosen = next(fresh, oldest)
            if chosen.id in given:
                given.remove(chosen.id)
            given.append(chosen.id)
        return chosen

    def _recent(self, session: str) -> deque[str]:
        recent = self._sessions.setdefault(session, deque(maxlen=_REMEMBERED))
        self._sessions.move_to_end(session)
        while len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return recent


@cache
def _bundled_library() -> AdviceLibrary:
    return AdviceLibrary()


def words_of(text: str) -> list[str]:
    """Return the words by which normalised texts are ranked, without suffixed pronouns.

    The first letters of a long word stand beside it, so that "belajar" meets "belajarnya" and
    "kerjaan" meets "kerja".
    """
    found: list[str] = []
    for word in re.findall(r"\w{2,}", text):
        stem = _ENDINGS.sub("", word) if len(word) >= _LONG_WORD else word
        found.append(stem)
        if len(stem) >= _LONG_WORD:
            found.append(f"^{stem[:_PREFIX]}")
    return found


def _read_paragraphs(folder: Path) -> dict[tuple[str, str], list[Paragraph]]:
    found: dict[tuple[str, str], list[Paragraph]] = defaultdict(list)
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                row = json.loads(line)
                row["advice"] = tuple(row["advice"])
                paragraph = Paragraph(**row)
            except (ValueError, TypeError, KeyError) as error:
                raise CorpusError(f"{path.name}, line {number}: no paragraph ({error})") from None
            found[paragraph.emotion, paragraph.topic].append(paragraph)
    if not found:
        raise CorpusError(f"{folder} holds no paragraphs; reinstall memotions-hf")
    return found


def _read_topics(path: Path) -> dict[str, Topic]:
    topics = {}
    for name, words in json.loads(path.read_text(encoding="utf-8")).items():
        # The longest first: "teman kantor" is more telling than "teman".
        nouns = "|".join(sorted(map(re.escape, words["nouns"]), key=len, reverse=True))
        pattern = re.compile(rf"(?<!\w)({nouns})(?:nya|ku|mu)?(?!\w)")
        weighted = " ".join([*words["nouns"], *words["nouns"], *words["words"]])
        topics[name] = Topic(pattern, tuple(words_of(normalise(weighted))))
    return topics


def _read_pairs() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for pair in read_suggestions():
        yield f"{pair['entry']} {pair['suggestion']}", pair["topic"], tuple(pair["advice"])


def _read_journal(path: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the journal entries whose topic a reader has named, with no advice."""
    with path.open(encoding="utf-8", newline="") as file:
        topics = dict(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in read_source("journal", verified=False):
        if row.id in topics:
            yield row.text, topics[row.id], ()
