"""Groups of texts that are equal or nearly equal, so that no group is cut by a split."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..errors import require

NGRAM = 5
JACCARD_THRESHOLD = 0.7
TWIN_THRESHOLD = 0.9
PREFIX_LENGTH = 60
_PERMUTATIONS = 128
_BANDS = 32
_SEED = 42
_BLOCK = 10_000
# An estimate from 128 permutations is off by 0.04 (one standard deviation) at 0.7, so hardly one
# pair in ten thousand that belongs together is estimated this low.
_ESTIMATE_MARGIN = 0.15

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Grouping:
    """For each text the index of the first member of its group, and of its twins.

    ``groups`` hold near-equal texts, ``twins`` those of them that are all but equal.
    """

    groups: list[int]
    twins: list[int]


class _DisjointSets:
    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def union(self, first: int, second: int) -> None:
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low

    def joined(self, first: int, second: int) -> bool:
        return self.find(first) == self.find(second)

    def roots(self) -> list[int]:
        return [self.find(item) for item in range(len(self._parent))]


def _ngram_list(key: str) -> list[str]:
    return [key[i : i + NGRAM] for i in range(max(1, len(key) - NGRAM + 1))]


# Most candidates stand near each other in the corpus or are asked for again soon.
@lru_cache(maxsize=20_000)
def _ngrams(key: str) -> set[str]:
    return set(_ngram_list(key))


def _jaccard(first: str, second: str) -> float:
    grams, others = _ngrams(first), _ngrams(second)
    shared = len(grams & others)
    return shared / (len(grams) + len(others) - shared)


def _signatures(keys: Sequence[str], progress: Progress) -> list[Any]:
    """Return the MinHash of every key, in blocks, since sets of n-grams take far more memory."""
    rensa = require("rensa", "data")
    hashes: list[Any] = []
    for start in range(0, len(keys), _BLOCK):
        # Lists serve as well as sets here, since a token that comes twice changes no minimum.
        grams = [_ngram_list(key) for key in keys[start : start + _BLOCK]]
        hashes.extend(rensa.RMinHash.from_token_sets(grams, _PERMUTATIONS, _SEED))
        progress(len(hashes), len(keys))
    return hashes


def _candidate_pairs(hashes: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Yield pairs whose MinHash signatures agree in at least one band (Broder 1997)."""
    rensa = require("rensa", "data")
    index = rensa.RMinHashLSH(JACCARD_THRESHOLD, _PERMUTATIONS, _BANDS)
    index.insert_many(hashes)
    for start in range(0, len(hashes), _BLOCK):
        block = index.query_all(hashes[start : start + _BLOCK])
        for first, candidates in enumerate(block, start):
            for second in candidates:
                if first < second:
                    yield first, second


def _union_by(sets: _DisjointSets, items: Iterable[int], key: Callable[[int], Hashable]) -> None:
    first_with: dict[Hashable, int] = {}
    for item in items:
        sets.union(item, first_with.setdefault(key(item), item))


def group_near_duplicates(
    keys: Sequence[str],
    links: Sequence[Hashable | None] | None = None,
    progress: Progress = lambda done, total: None,
) -> Grouping:
    """Find the groups of equal and near-equal texts.

    Two keys (see :func:`memotions_hf.text.grouping_key`) fall in one group when they are equal,
    when their sets of character 5-grams have a Jaccard similarity of at least 0.7 (candidates by
    MinHash, then compared exactly), or when both are at least 60 characters long and begin with
    the same 60 (tweets that were cut off at different lengths). They are twins when they are
    equal, or when that similarity is at least 0.9.

    Args:
        keys: one a text.
        links: texts with one link are in one group too, whatever their keys; None links nothing.
        progress: called with the number of keys hashed, and of all.
    """
    groups, twins = _DisjointSets(len(keys)), _DisjointSets(len(keys))
    for sets in (groups, twins):
        _union_by(sets, range(len(keys)), lambda i: keys[i])
    long = [i for i in range(len(keys)) if len(keys[i]) >= PREFIX_LENGTH]
    _union_by(groups, long, lambda i: keys[i][:PREFIX_LENGTH])
    if links is not None:
        linked = [i for i in range(len(keys)) if links[i] is not None]
        _union_by(groups, linked, lambda i: links[i])

    distinct = [i for i in range(len(keys)) if twins.find(i) == i]
    hashes = _signatures([keys[i] for i in distinct], progress)
    for first, second in _candidate_pairs(hashes):
        one, other = distinct[first], distinct[second]
        needed = TWIN_THRESHOLD if groups.joined(one, other) else JACCARD_THRESHOLD
        if twins.joined(one, other):
            continue
        if hashes[first].jaccard(hashes[second]) < needed - _ESTIMATE_MARGIN:
            continue
        similarity = _jaccard(keys[one], keys[other])
        if similarity >= JACCARD_THRESHOLD:
            groups.union(one, other)
        if similarity >= TWIN_THRESHOLD:
            twins.union(one, other)
    return Grouping(groups.roots(), twins.roots())
