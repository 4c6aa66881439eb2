"""The five emotions of Memotions, and how every source's own labels map to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .errors import InputError

LovePolicy = Literal["happy", "drop"]
SurprisePolicy = Literal["drop", "neutral"]


@dataclass(frozen=True)
class Emotion:
    """One class: its id, its name in the API, its Indonesian name and its display colour."""

    id: int
    name: str
    indonesian: str
    colour: str


# The colours keep a contrast of at least 3:1 on white and differ for red-green colour blindness.
EMOTIONS: tuple[Emotion, ...] = (
    Emotion(0, "sad", "sedih", "#3b6fb6"),
    Emotion(1, "happy", "senang", "#b8860b"),
    Emotion(2, "neutral", "netral", "#6b7280"),
    Emotion(3, "anger", "marah", "#c2362b"),
    Emotion(4, "fear", "takut", "#7c4dbe"),
)
LABELS: tuple[str, ...] = tuple(emotion.name for emotion in EMOTIONS)
LABEL2ID: Mapping[str, int] = {emotion.name: emotion.id for emotion in EMOTIONS}
ID2LABEL: Mapping[int, str] = {emotion.id: emotion.name for emotion in EMOTIONS}

_ALIASES: Mapping[str, str] = {
    "sadness": "sad",
    "sedih": "sad",
    "joy": "happy",
    "happiness": "happy",
    "senang": "happy",
    "love": "happy",
    "netral": "neutral",
    "angry": "anger",
    "marah": "anger",
    "scared": "fear",
    "takut": "fear",
}


def score_percent(score: float) -> int:
    """Return a probability in whole percent, as people are shown it.

    Never 100: no model is certain, and least of all about somebody's feelings.
    """
    return min(round(100 * score), 99)


def parse_label(value: str | int) -> str:
    """Return the canonical name of a label as a person may type it.

    Accepts ids (``0`` or ``"0"``), names and aliases in any case (``SAD``, ``angry``, ``Takut``).

    Raises:
        InputError: the value names none of the five emotions.
    """
    text = str(value).strip().lower()
    if text in LABEL2ID:
        return text
    if text in _ALIASES:
        return _ALIASES[text]
    for emotion in EMOTIONS:
        if text == str(emotion.id):
            return emotion.name
    raise InputError(f"unknown label {value!r:.60}; expected one of: {', '.join(LABELS)}")


GO_EMOTIONS: Mapping[str, str | None] = {
    **dict.fromkeys(("anger", "annoyance", "disapproval"), "anger"),
    **dict.fromkeys(("fear", "nervousness"), "fear"),
    **dict.fromkeys(("disappointment", "embarrassment", "grief", "remorse", "sadness"), "sad"),
    **dict.fromkeys(("admiration", "amusement", "approval", "caring", "desire"), "happy"),
    **dict.fromkeys(("excitement", "gratitude", "joy", "optimism", "pride", "relief"), "happy"),
    **dict.fromkeys(("confusion", "curiosity", "realization", "surprise"), "surprise"),
    "love": "love",
    "neutral": "neutral",
    "disgust": None,
}
"""The 28 labels of GoEmotions by the groups of its paper (Demszky et al. 2020); disgust is none of
the five."""


def map_source_label(
    source_label: str,
    love: LovePolicy = "happy",
    surprise: SurprisePolicy = "drop",
    names: Mapping[str, str | None] | None = None,
) -> str | None:
    """Map a source's own label to one of the five, or to None where the row is left out.

    ``love`` is affection in every source and maps to happy unless it is dropped; ``surprise``
    has no valence and is dropped unless it is asked for as neutral. Several labels, joined by
    commas, map where all of them map to the same one.

    Args:
        source_label: the label as the source has it, in any case.
        love: what becomes of love.
        surprise: what becomes of surprise.
        names: the source's own names for our labels, where it has other ones (None: left out).

    Raises:
        InputError: the label is known to no source.
    """
    several = {_map_one(name, love, surprise, names) for name in source_label.split(",")}
    return several.pop() if len(several) == 1 else None


def _map_one(
    source_label: str,
    love: LovePolicy,
    surprise: SurprisePolicy,
    names: Mapping[str, str | None] | None,
) -> str | None:
    name = source_label.strip().lower()
    if names is not None:
        if name not in names:
            raise InputError(
                f"unknown label {source_label!r:.60}; expected one of: {', '.join(names)}"
            )
        mapped = names[name]
        if mapped is None:
            return None
        name = mapped
    if name == "love":
        return None if love == "drop" else "happy"
    if name == "surprise":
        return None if surprise == "drop" else "neutral"
    if name.isdecimal():
        # Each upstream numbers its labels in an order of its own: these would be read as ours.
        raise InputError(f"source label {source_label!r:.60} is a number; expected its name")
    return parse_label(name)
