"""The card, the plots and the statistics of a built corpus, computed from the files in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..corpus.configs import MERGED, config_corpus, config_features
from ..corpus.download import DATA_FOLDER
from ..corpus.merge import SPLITS, MergeOptions, Progress, silent
from ..corpus.publish import (
    CARD_FILE,
    INFOS_FILE,
    build_folder,
    default_configs,
    unpublishable_sources,
    without,
)
from ..corpus.statistics import corpus_statistics
from ..errors import CorpusError, require
from .dataset_card import render_dataset_card
from .dataset_plots import write_plots

PLOTS_FOLDER = "plots"
STATISTICS_FILE = "statistics.json"
MEASUREMENTS_FILE = DATA_FOLDER / "measurements.json"


def build_with_card(
    target: Path,
    *,
    options: MergeOptions | None = None,
    configs: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write configs of the corpus as Parquet with their card, plots and statistics.

    The arguments and the errors are those of :func:`memotions_hf.corpus.publish.build_folder`.

    Raises:
        MissingExtraError: the ``cards`` extra is not installed.
    """
    for module in ("datasets", "matplotlib", "wordcloud"):  # before the work, not after it
        require(module, "cards")
    options = options or MergeOptions()
    return build_folder(
        target,
        options=options,
        configs=configs,
        overwrite=overwrite,
        finish=partial(write_card, options=options),
        progress=progress,
    )


def build_publishable(
    target: Path,
    *,
    options: MergeOptions | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> list[str]:
    """Write all of the corpus that may be published, with its card.

    Args:
        target: folder to make, which :func:`memotions_hf.corpus.publish.publish_folder` takes.
        options: how to merge; sources that may not be published are left out.
        overwrite: replace an earlier build.
        progress: told of each step and how far it is.

    Returns:
        The sources that are left out.

    Raises:
        InputError: the folder is taken, or no source may be published.
        CorpusError: an upstream file is missing or damaged.
        MissingExtraError: the ``cards`` extra is not installed.
    """
    excluded = unpublishable_sources()
    options = without(options or MergeOptions(), excluded)
    configs = default_configs(options, excluded)
    build_with_card(
        target, options=options, configs=configs, overwrite=overwrite, progress=progress
    )
    return excluded


def read_config(folder: Path, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a config of a built corpus by split, labels by name.

    Raises:
        MissingExtraError: the ``data`` extra is not installed.
    """
    parquet = require("pyarrow.parquet", "data")
    features = config_features(name)
    rows: dict[str, list[dict[str, Any]]] = {}
    for split in SPLITS:
        for path in sorted((folder / name).glob(f"{split}-*.parquet")):
            rows.setdefault(split, []).extend(parquet.read_table(path).to_pylist())
    for column in {"label", "emotion"} & set(features):
        for part in rows.values():
            for row in part:
                row[column] = features[column].int2str(row[column])
    return rows


def write_card(folder: Path, infos: Mapping[str, Any], *, options: MergeOptions) -> None:
    """Write the card, its plots and its statistics into a folder that holds built configs.

    Args:
        folder: the build, a sub-folder a config.
        infos: the ``datasets.DatasetInfo`` of every config.
        options: what the merged config was made with.

    Raises:
        MissingExtraError: the ``cards`` extra is not installed.
    """
    configs = {name: read_config(folder, name) for name in infos}
    reports = {}
    if MERGED in infos:
        reports[MERGED] = config_corpus(MERGED, options).report.as_dict()
    statistics = corpus_statistics(configs, reports, options)
    if MERGED in configs:
        write_plots(configs[MERGED], folder / PLOTS_FOLDER)
    text = json.dumps(statistics, indent=1, ensure_ascii=False)
    (folder / STATISTICS_FILE).write_text(text + "\n", encoding="utf-8")
    (folder / CARD_FILE).write_text(_render(folder, statistics, infos), encoding="utf-8")


def name_repository(folder: Path, repo_id: str) -> str:
    """Return the card of a built corpus, for a repository of the Hub.

    Raises:
        CorpusError: the folder lacks what the build wrote beside the card.
    """
    info_module = require("datasets.info", "data")
    try:
        statistics = json.loads((folder / STATISTICS_FILE).read_text(encoding="utf-8"))
        facts = json.loads((folder / INFOS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{folder} is no whole build ({error}); build it anew") from None
    infos = {name: info_module.DatasetInfo._from_yaml_dict(info) for name, info in facts.items()}
    return _render(folder, statistics, infos, repo_id)


def _render(
    folder: Path, statistics: dict[str, Any], infos: Mapping[str, Any], repo_id: str | None = None
) -> str:
    plots = sorted((folder / PLOTS_FOLDER).glob("*.png"))
    return render_dataset_card(
        statistics,
        infos=infos,
        measurements=json.loads(MEASUREMENTS_FILE.read_text(encoding="utf-8")),
        plots=[path.relative_to(folder) for path in plots],
        repo_id=repo_id,
    )
