"""The ``datasets`` builder of the corpus: it makes every config from the upstream files.

Loading scripts no longer run from the Hub, so the builder runs where the files are and writes
Parquet (:mod:`memotions_hf.corpus.publish`), which ``load_dataset`` then reads anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError, require
from .configs import CONFIGS, MERGED, SUGGESTIONS, config_features, config_rows
from .merge import MergeOptions, Progress, silent
from .sources import SOURCES

datasets = require("datasets", "data")

DATASET_NAME = "memotions-corpus"
_VERSION = "1.0.0"


@dataclass
class MemotionsCorpusConfig(datasets.BuilderConfig):  # type: ignore[misc, name-defined]
    """A config of the corpus; ``options`` make the merged config and the splits of all others."""

    options: MergeOptions = field(default_factory=MergeOptions)
    progress: Progress = silent


class MemotionsCorpus(datasets.GeneratorBasedBuilder):  # type: ignore[misc, name-defined]
    """Builds one config of the corpus: ``merged``, a source, ``memotions-2024``, ``suggestions``.

    ``MemotionsCorpus(config_name="merged").download_and_prepare()`` and ``.as_dataset()`` work as
    with any builder; the upstream files are found as :mod:`memotions_hf.corpus.download` says.
    """

    BUILDER_CONFIG_CLASS = MemotionsCorpusConfig
    BUILDER_CONFIGS: Sequence[Any] = [
        MemotionsCorpusConfig(name=name, version=datasets.Version(_VERSION)) for name in CONFIGS
    ]
    DEFAULT_CONFIG_NAME = MERGED

    def _info(self) -> Any:
        names = [*self.config.options.sources]
        if self.config.name in SOURCES:
            names = [self.config.name]
        elif self.config.name == SUGGESTIONS:
            names = ["journal"]  # the project's own, as the suggestions are
        sources = [SOURCES[name] for name in names]
        return datasets.DatasetInfo(
            description=f"The {self.config.name} config of the Memotions corpus.",
            features=config_features(self.config.name),
            license=", ".join(dict.fromkeys(source.license for source in sources)),
            citation="\n".join(dict.fromkeys(source.bibtex for source in sources)),
        )

    def _split_generators(self, dl_manager: object) -> list[Any]:
        rows = config_rows(self.config.name, self.config.options, self.config.progress)
        if not rows:
            raise InputError(f"config {self.config.name!r} holds no row with these options")
        # A list would be taken for shards.
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"rows": tuple(part)})
            for split, part in rows.items()
        ]

    def _generate_examples(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Mapping[str, Any]]]:
        yield from enumerate(rows)
