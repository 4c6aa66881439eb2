"""Recipes: everything that decides what a training run gives, under a name and a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..corpus.sources import MERGED_SOURCES
from ..errors import InputError
from .reference_2024_recipe import REFERENCE_2024, Reference2024Recipe


@dataclass(frozen=True)
class Recipe:
    """Data, model and optimisation of one training run.

    ``train_max_length`` and ``max_length`` are in tokens: longer texts are cut in training, to
    bound the cost of a batch, and in serving. ``subword_dropout`` is the BPE-dropout rate of the
    training texts (Provilkov et al. 2020), ``token_dropout`` the share of their tokens read as
    unknown, ``class_balance`` the power of the weights that would make all classes count the same,
    ``neutral_tokens`` are always read as unknown in serving, ``weight_decay`` is AdamW's
    (Loshchilov and Hutter 2019), ``pair_buckets`` the size of the linear path beside the BiLSTM
    (:class:`~memotions_hf.modeling.bilstm.BiLSTMConfig`; 0 for none).
    """

    name: str
    version: int
    sources: tuple[str, ...] = MERGED_SOURCES
    vocab_size: int = 14_000
    train_max_length: int = 128
    max_length: int = 512
    embedding_dim: int = 128
    lstm_units: tuple[int, ...] = (128,)
    pair_buckets: int = 262_147
    embedding_dropout: float = 0.2
    dropout: float = 0.4
    subword_dropout: float = 0.1
    token_dropout: float = 0.1
    label_smoothing: float = 0.1
    class_balance: float = 0.7
    batch_size: int = 128
    learning_rate: float = 2e-3
    neutral_tokens: tuple[str, ...] = ("🥲",)
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    warmup_epochs: float = 0.5
    epochs: int = 5
    patience: int = 3
    seed: int = 42

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-ready values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


RECIPES: Mapping[str, Recipe | Reference2024Recipe] = {
    recipe.name: recipe for recipe in (Recipe(name="memotions-bilstm", version=4), REFERENCE_2024)
}


def get_recipe(name: str) -> Recipe | Reference2024Recipe:
    """Return a recipe by name.

    Raises:
        InputError: there is no recipe of that name.
    """
    if name not in RECIPES:
        raise InputError(f"unknown recipe {name!r}; expected one of: {', '.join(RECIPES)}")
    return RECIPES[name]
