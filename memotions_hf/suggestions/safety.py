"""The crisis detector, which runs before anything else, and the fixed answer to a crisis."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from ..corpus.download import DATA_FOLDER
from .crisis_model import CrisisModel

BUNDLED_DETECTOR = Path(__file__).parent.parent / "bundled" / "crisis-detector"

Danger = Literal["self", "harm"]
Language = Literal["id", "en"]


class SafetyCheck(BaseModel):
    """What the crisis detector said about an entry; it holds none of the entry's words."""

    model_config = ConfigDict(frozen=True)

    crisis: bool = Field(description="Whether the entry may be about a crisis.")
    concern: bool = Field(
        default=False,
        description="No crisis, but in doubt: a line about counsellors goes below the suggestion.",
    )
    kind: Danger | None = Field(
        default=None,
        description="self: suicidal thoughts, self-harm, a farewell; harm: by somebody else.",
    )
    score: float = Field(ge=0, le=1, description="How probable the detector finds a crisis.")


NO_CRISIS = SafetyCheck(crisis=False, score=0.0)


class HelpLine(BaseModel):
    """A place that helps, from the dated file ``data/help_lines.json``."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    english_name: str | None = None
    link: str | None = Field(description="What a tap opens (tel: or https:), if anything.")
    indonesian: str
    english: str
    source: str
    source_date: str

    def text(self, lang: Language = "id") -> str:
        """Return the name and what to know about it, in one line."""
        if lang == "en":
            return f"{self.english_name or self.name}: {self.english}"
        return f"{self.name}: {self.indonesian}"


@cache
def _help_data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DATA_FOLDER / "help_lines.json").read_text(encoding="utf-8"))
    return data


def help_lines(kind: Danger | None = "self") -> list[HelpLine]:
    """Return the help lines for a kind of danger, the first to try first."""
    lines = {line["id"]: HelpLine(**line) for line in _help_data()["lines"]}
    return [lines[name] for name in _help_data()["order"][kind or "self"]]


def crisis_message(kind: Danger | None = "self", lang: Language = "id") -> str:
    """Return the fixed message for a kind of danger: a paragraph, then one help line a line."""
    lines = (line.text(lang) for line in help_lines(kind))
    return "\n".join([crisis_opening(kind, lang), "", *lines])


def crisis_opening(kind: Danger | None = "self", lang: Language = "id") -> str:
    """Return the paragraph of the fixed message, without the help lines."""
    opening: str = _help_data()["messages"][kind or "self"][lang]
    return opening


def help_lines_checked() -> date:
    """Return the day on which the help lines were last checked."""
    return date.fromisoformat(_help_data()["checked"])


def concern_note(lang: Language = "id") -> str:
    """Return the sentence that goes below a suggestion when an entry is in doubt."""
    note: str = _help_data()["messages"]["concern"][lang]
    return note


class CrisisDetector:
    """Tells whether an entry may be about a crisis: suicide, self-harm, a farewell, being harmed.

    A small linear model over n-grams and curated patterns; how good it is stands in
    ``benchmarks/results/crisis_detector.json``. It errs in both directions, and in doubt it leans
    to care: an entry that is not certain enough for the crisis message is marked as a concern.

    >>> CrisisDetector.load().check("aku udah gak mau hidup lagi").crisis
    True
    """

    def __init__(self, model: CrisisModel) -> None:
        """Take a trained model; most callers want :meth:`load`."""
        self._model = model

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """Load a detector from a folder; None is the one that comes with the package.

        Raises:
            ModelLoadError: a file of the folder is missing or damaged.
        """
        return cls(_bundled_model() if folder is None else CrisisModel.load(folder))

    def check(self, entry: str) -> SafetyCheck:
        """Check an entry; the time it takes grows with its length only."""
        score, harm = self._model.scores(entry)
        crisis = score >= self._model.settings.crisis_from
        return SafetyCheck(
            crisis=crisis,
            concern=not crisis and score >= self._model.settings.concern_from,
            kind=("harm" if harm > 0 else "self") if crisis else None,
            score=round(score, 4),
        )


@cache
def _bundled_model() -> CrisisModel:
    return CrisisModel.load(BUNDLED_DETECTOR)
