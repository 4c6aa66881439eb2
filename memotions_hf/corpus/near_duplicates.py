"""Groups of texts that are equal or nearly equal, so that no group is cut by a split."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from ..errors import require

NGRAM = 5
JACCARD_THRESHOLD = 0.7
PREFIX_LENGTH = 60
_PERMUTATIONS = 128
_BANDS = 32
_SEED = 42


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


def _ngrams(key: str) -> set[str]:
    return {key[i : i + NGRAM] for i in range(max(1, len(key) - NGRAM + 1))}


def _jaccard(first: set[str], second: set[str]) -> float:
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)


def _candidate_pairs(grams: Sequence[set[str]]) -> Iterator[tuple[int, int]]:
    """Yield pairs whose MinHash signatures agree in at least one band (Broder 1997)."""
    rensa = require("rensa", "data")
    hashes = rensa.RMinHash.from_token_sets(grams, _PERMUTATIONS, _SEED)
    index = rensa.RMinHashLSH(JACCARD_THRESHOLD, _PERMUTATIONS, _BANDS)
    index.insert_many(hashes)
    for first, candidates in enumerate(index.query_all(hashes)):
        for second in candidates:
            if first < second:
                yield first, second


def _union_by(sets: _DisjointSets, items: Iterable[int], key: Callable[[int], Hashable]) -> None:
    first_with: dict[Hashable, int] = {}
    for item in items:
        sets.union(item, first_with.setdefault(key(item), item))


def group_near_duplicates(keys: Sequence[str]) -> list[int]:
    """Return for each key the index of its group, which is that of the group's first member.

    Two keys (see :func:`memotions_hf.text.grouping_key`) fall in one group when they are equal,
    when their sets of character 5-grams have a Jaccard similarity of at least 0.7 (candidates by
    MinHash, then compared exactly), or when both are at least 60 characters long and begin with
    the same 60 (tweets that were cut off at different lengths).
    """
    sets = _DisjointSets(len(keys))
    _union_by(sets, range(len(keys)), lambda i: keys[i])
    long = [i for i in range(len(keys)) if len(keys[i]) >= PREFIX_LENGTH]
    _union_by(sets, long, lambda i: keys[i][:PREFIX_LENGTH])

    unique = [i for i in range(len(keys)) if sets.find(i) == i]
    grams = [_ngrams(keys[i]) for i in unique]
    for first, second in _candidate_pairs(grams):
        if sets.find(unique[first]) == sets.find(unique[second]):
            continue
        if _jaccard(grams[first], grams[second]) >= JACCARD_THRESHOLD:
            sets.union(unique[first], unique[second])
    return [sets.find(i) for i in range(len(keys))]
