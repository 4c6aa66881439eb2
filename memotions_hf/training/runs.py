"""Training runs that are scored once: what stands in a run's folder is not made again.

A run's folder holds ``claim.json`` (what the run is of), ``run/`` (the trainer's own folder, to
resume from) and, once it is finished, ``result.json`` (its scores).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..cards.names import KEYWORD_SYSTEM, LINEAR_SYSTEM, MAJORITY_SYSTEM
from ..corpus.merge import Example, MergedCorpus
from ..errors import InputError
from ..evaluation.baselines import MajorityClass, System, TfidfSVC
from ..evaluation.evaluate import (
    ProbabilitySystem,
    TestSet,
    evaluate_systems,
    train_baselines,
)
from ..labels import LABELS
from .recipes import Recipe
from .reference_2024_recipe import Reference2024Recipe

RESULT_FILE = "result.json"
_CLAIM_FILE = "claim.json"
_RUN_FOLDER = "run"

AnyRecipe = Recipe | Reference2024Recipe
Labels = tuple[str, ...]
Progress = Callable[[str], None]


class TrainedModel(Protocol):
    """What training any recipe leaves."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts for ``metrics.json``, those of the training under ``training``."""

    def scores(self, texts: Sequence[str]) -> npt.NDArray[np.floating[Any]]:
        """Return probabilities, shape (n, labels)."""


def train_recipe(
    recipe: AnyRecipe, folder: Path, corpus: MergedCorpus, labels: Labels = LABELS
) -> TrainedModel:
    """Train a recipe of any kind, or go on with an interrupted run of it.

    Args:
        recipe: of any kind.
        folder: the trainer's own folder.
        corpus: the rows to train on and to select on.
        labels: class names by id; the reference system knows the five of this package alone.

    Raises:
        InputError: the folder holds something else, or the recipe cannot have these labels.
    """
    if isinstance(recipe, Recipe):
        from .trainer import train

        return train(recipe, folder, corpus=corpus, labels=labels)
    if labels != LABELS:
        raise InputError(f"{recipe.name} knows no labels but {', '.join(LABELS)}; leave it out")
    from .reference_2024 import train_reference_2024

    return train_reference_2024(recipe, folder, corpus)


def score_recipe(
    recipe: AnyRecipe,
    folder: Path,
    corpus: MergedCorpus,
    test_sets: Sequence[TestSet],
    *,
    labels: Labels = LABELS,
    progress: Progress = lambda line: None,
) -> dict[str, Any]:
    """Train a recipe and score it, unless that has been done in this folder.

    Args:
        recipe: what to train, its seed among it.
        folder: of this run alone.
        corpus: its training split is trained on, its validation split selects the epoch.
        test_sets: what to score on.
        labels: class names by id.
        progress: told what goes on.

    Returns:
        The facts of the ``training`` and the ``evaluation``, as
        :func:`~memotions_hf.evaluation.evaluate.evaluate_systems` returns it.

    Raises:
        InputError: the folder holds a run of something else.
    """

    def make() -> dict[str, Any]:
        import keras

        progress(f"{recipe.name}, seed {recipe.seed}: training in {folder}")
        trained = train_recipe(recipe, folder / _RUN_FOLDER, corpus, labels)
        training = dict(trained.facts["training"])
        progress(
            f"{recipe.name}, seed {recipe.seed}: validation macro-F1 "
            f"{training['val_macro_f1']:.4f}, {training['seconds']:.0f} s; scoring"
        )
        systems = {recipe.name: ProbabilitySystem(trained.scores)}
        evaluation = evaluate_systems(systems, test_sets, labels=labels)
        # Many models are built in one process, and Keras keeps what they share.
        keras.utils.clear_session(free_memory=True)
        return {"training": training, "evaluation": evaluation}

    claim = {"recipe": recipe.to_dict(), "labels": labels, "rows": fingerprint(corpus)}
    return _kept_or_made(folder, claim, test_sets, make)


def score_baselines(
    folder: Path,
    corpus: MergedCorpus,
    test_sets: Sequence[TestSet],
    *,
    labels: Labels = LABELS,
    progress: Progress = lambda line: None,
) -> dict[str, Any]:
    """Train the baselines on the same rows and score them, unless that has been done here.

    Returns:
        As :func:`score_recipe`, ``training`` holding the facts of the linear system.

    Raises:
        InputError: the folder holds a run of something else.
    """

    def make() -> dict[str, Any]:
        progress(f"the baselines: training in {folder}")
        started = time.monotonic()
        systems = _baselines(corpus, labels)
        training: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1)}
        linear = systems[LINEAR_SYSTEM]
        if isinstance(linear, TfidfSVC):
            training["parameters"] = linear.count_parameters()
        evaluation = evaluate_systems(systems, test_sets, labels=labels)
        return {"training": training, "evaluation": evaluation}

    claim = {
        "systems": [LINEAR_SYSTEM, KEYWORD_SYSTEM, MAJORITY_SYSTEM],
        "labels": labels,
        "rows": fingerprint(corpus),
    }
    return _kept_or_made(folder, claim, test_sets, make)


def _baselines(corpus: MergedCorpus, labels: Labels) -> dict[str, System]:
    """Train the baselines; the keyword rule knows the words of the five labels alone."""
    if labels == LABELS:
        return train_baselines(corpus)
    train = corpus.split("train")
    texts, ids = [example.text for example in train], label_ids(train, labels)
    return {
        LINEAR_SYSTEM: TfidfSVC(texts, ids, len(labels)),
        MAJORITY_SYSTEM: MajorityClass(ids, len(labels)),
    }


def label_ids(examples: Sequence[Example], labels: Labels) -> npt.NDArray[np.int64]:
    """Return the place of each example's label among the labels, shape (n,)."""
    return np.array([labels.index(example.label) for example in examples], dtype=np.int64)


def fingerprint(corpus: MergedCorpus) -> str:
    """Return a digest of the rows that training sees: its own and those that select."""
    return _digest(
        (example.id, example.text, example.label, example.split)
        for split in ("train", "validation")
        for example in corpus.split(split)
    )


def _digest(rows: Any) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _kept_or_made(
    folder: Path,
    claim: Mapping[str, Any],
    test_sets: Sequence[TestSet],
    make: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Return the result in a folder, or make it and keep it there."""
    _claim(folder, claim)
    tests = _digest(
        (test_set.name, test_set.texts, test_set.labels.tolist(), test_set.allowed)
        for test_set in test_sets
    )
    path = folder / RESULT_FILE
    if path.is_file():
        kept = read_result(path)
        if kept.get("tests") == tests:
            return kept
    made = {"tests": tests, **make()}
    write_whole(path, to_json(made))
    return made


def _claim(folder: Path, claim: Mapping[str, Any]) -> None:
    """Say in a new folder what the run is of, or check that an old one is of the same.

    The trainer itself goes on with whatever run of the recipe it finds, on whatever rows.
    """
    path = folder / _CLAIM_FILE
    description = to_json(claim)
    held = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    if held <= {f"new-{_CLAIM_FILE}"}:
        write_whole(path, description)
    elif not path.is_file() or path.read_text(encoding="utf-8") != description:
        raise InputError(
            f"{folder} holds something else than a run of this recipe on these rows; "
            "name another --output, or remove it"
        )


def to_json(value: Mapping[str, Any]) -> str:
    """Return a result as the text of its file."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"new-{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def read_result(path: Path) -> dict[str, Any]:
    """Read a result that a run left.

    Raises:
        InputError: it is not as it was written.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise InputError(f"{path} is damaged; remove it, and the run is scored again")
    return result
