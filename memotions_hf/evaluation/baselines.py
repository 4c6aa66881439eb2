"""The systems that every evaluation prints beside ours.

Each has ``scores(texts)``: an array (n, classes), the highest of a row being the prediction. The
classes are the five labels, except where a task has its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import require
from ..labels import LABEL2ID, LABELS
from ..text import normalise

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]


class System(Protocol):
    """Anything that can be scored on a test set."""

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Return one row of class scores per text, shape (n, classes)."""


class MajorityClass:
    """Answers the most frequent class of the training rows, whatever the text."""

    def __init__(self, y_train: IntArray, classes: int = len(LABELS)) -> None:
        self._counts = np.bincount(y_train, minlength=classes).astype(np.float64)

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Return the training counts for every text, shape (n, classes)."""
        return np.tile(self._counts, (len(texts), 1))


class TfidfSVC:
    """TF-IDF of words (1-2) and characters (2-5 within words) with a linear SVC, class-balanced."""

    def __init__(self, texts: Sequence[str], y_train: IntArray, classes: int = len(LABELS)) -> None:
        require("sklearn", "train")
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline, make_union
        from sklearn.svm import LinearSVC

        words = TfidfVectorizer(
            preprocessor=normalise, ngram_range=(1, 2), min_df=2, sublinear_tf=True
        )
        characters = TfidfVectorizer(
            preprocessor=normalise,
            analyzer="char_wb",
            ngram_range=(2, 5),
            min_df=3,
            sublinear_tf=True,
        )
        self._pipeline = make_pipeline(
            make_union(words, characters),
            LinearSVC(C=0.3, class_weight="balanced", random_state=0),
        )
        self._pipeline.fit(list(texts), y_train)
        self._seen = self._pipeline[-1].classes_
        self._classes = classes

    def count_parameters(self) -> int:
        """Return how many numbers the classifier holds, its vocabulary not counted."""
        classifier = self._pipeline[-1]
        return int(classifier.coef_.size + classifier.intercept_.size)

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Return the margins; a class without training rows gets minus infinity."""
        margins = self._pipeline.decision_function(list(texts))
        if margins.ndim == 1:  # scikit-learn gives one column for two classes
            margins = np.stack([-margins, margins], axis=1)
        scores = np.full((len(texts), self._classes), -np.inf)
        scores[:, self._seen] = margins
        return scores


# Plain words for a feeling, formal and everyday, chosen from a dictionary's point of view and not
# from any test set: 42 in all.
_WORDS: Mapping[str, str] = {
    "sad": "sedih kecewa galau menangis nangis duka kesepian menyesal hampa pilu murung",
    "happy": (
        "senang seneng bahagia gembira suka cinta sayang bersyukur alhamdulillah bangga rindu "
        "semangat"
    ),
    "anger": "marah kesal kesel benci jengkel emosi bangsat anjing muak murka",
    "fear": "takut cemas khawatir panik ngeri seram gelisah merinding gentar",
}
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    label: tuple(words.split()) for label, words in _WORDS.items()
}


class KeywordRule:
    """Answers the emotion whose plain words a text holds most often; neutral where it holds none.

    Where neutral is not among the answers that are allowed, a text without a word gets the most
    frequent class of the training rows.
    """

    def __init__(self, y_train: IntArray) -> None:
        self._prior = np.zeros(len(LABELS))
        self._prior[np.bincount(y_train, minlength=len(LABELS)).argmax()] = 0.1
        self._prior[LABEL2ID["neutral"]] = 0.5
        self._patterns = {
            LABEL2ID[label]: re.compile(rf"\b(?:{'|'.join(words)})\b")
            for label, words in KEYWORDS.items()
        }

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Return how many of its words each emotion has in a text, shape (n, 5)."""
        scores = np.tile(self._prior, (len(texts), 1))
        for row, text in enumerate(texts):
            normalised = normalise(text)
            for label, pattern in self._patterns.items():
                scores[row, label] += len(pattern.findall(normalised))
        return scores
