"""The dataset card: README.md of the published corpus, with every number taken from its statistics.

The card says what the statistics hold and nothing else: it is refused where the files that it
goes with have other splits or sizes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from importlib import resources
from pathlib import PurePath
from string import Template
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from ..corpus.configs import MERGED
from ..errors import InputError, require
from . import dataset_sections as sections
from .dataset_sections import (
    HUB_LICENSES,
    Facts,
    main_config,
    statistics_tables,
    text_languages,
)

__all__ = ["render_dataset_card", "statistics_tables"]

_TITLE = "Memotions: emotions in Indonesian text"
_FOLDER_PLACEHOLDER = "path/to/this/folder"
_HUB = "https://huggingface.co/datasets/"
_MIXED_LICENSE = "mixed-see-licences"
_SIZE_CATEGORIES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
)


def render_dataset_card(
    statistics: Facts,
    *,
    infos: Mapping[str, Any],
    measurements: Facts | None = None,
    plots: Collection[str | PurePath] = (),
    repo_id: str | None = None,
) -> str:
    """Return the dataset card as Markdown with a YAML header.

    Args:
        statistics: what :func:`memotions_hf.corpus.statistics.corpus_statistics` returned.
        infos: for each config its ``datasets.DatasetInfo``: features, splits, sizes in bytes.
        measurements: scores that show what the splits and the manner of a source are worth, as
            a dictionary with the keys ``leak`` and ``manner``; either may be missing.
        plots: paths of pictures beside the card, by the names that
            :mod:`memotions_hf.cards.dataset_plots` gives them (``plots/text_length.png``).
        repo_id: the repository that the card is for, named in the examples.

    Raises:
        InputError: statistics, infos or measurements have another form than expected, or the
            infos are those of other data than the statistics.
        MissingExtraError: the ``data`` extra is not installed.
    """
    try:
        _check_same_data(statistics, infos)
        metadata = _metadata(statistics, infos, repo_id)
        text = _fill_template(statistics, infos, measurements or {}, plots, repo_id)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            "the statistics or measurements have another form than expected "
            f"({type(error).__name__}: {error}); make them again"
        ) from None
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return str(DatasetCard(f"---\n{metadata.to_yaml()}\n---\n\n{text}\n"))


def _check_same_data(statistics: Facts, infos: Mapping[str, Any]) -> None:
    configs: Mapping[str, Facts] = statistics["configs"]
    if not configs or set(configs) != set(infos):
        raise InputError(
            f"the statistics are of the configs {', '.join(configs) or 'none'} and the infos of "
            f"{', '.join(infos) or 'none'}; expected the same, and at least one"
        )
    for name, counted in configs.items():
        stated = {split: part.num_examples for split, part in (infos[name].splits or {}).items()}
        if stated != counted["splits"]:
            raise InputError(
                f"config {name!r} has the splits {counted['splits']} in the statistics and "
                f"{stated} in its info; count the rows that were written"
            )
    merge = statistics["merge"]
    if merge and MERGED in configs and sum(merge["kept"].values()) != configs[MERGED]["rows"]:
        raise InputError(
            f"the merge kept {sum(merge['kept'].values())} rows and config {MERGED!r} has "
            f"{configs[MERGED]['rows']}; give the report of the merge that was written"
        )


# Metadata -----------------------------------------------------------------------------------------


def _metadata(statistics: Facts, infos: Mapping[str, Any], repo_id: str | None) -> DatasetCardData:
    info_module = require("datasets.info", "data")
    metadata_module = require("datasets.utils.metadata", "data")
    configs: Mapping[str, Facts] = statistics["configs"]
    languages = {language for counted in configs.values() for language in text_languages(counted)}
    data = DatasetCardData(
        pretty_name=_TITLE,
        language=sorted(languages, key=lambda name: (name != "id", name)),
        task_categories=["text-classification"],
        size_categories=[_size_category(configs[main_config(configs)]["rows"])],
        source_datasets=_source_datasets(statistics["sources"]),
        tags=["memotions", "emotion", "indonesian", "journal", "multi-source"],
        ignore_metadata_errors=False,
        **_license_fields(configs.values(), repo_id),
    )
    info_module.DatasetInfosDict(infos).to_dataset_card_data(data)
    metadata_module.MetadataConfigs(
        {name: _data_files(name, counted) for name, counted in configs.items()}
    ).to_dataset_card_data(data)
    return data


def _data_files(name: str, counted: Facts) -> dict[str, Any]:
    files = [{"split": split, "path": f"{name}/{split}-*.parquet"} for split in counted["splits"]]
    return {"data_files": files, **({"default": True} if name == MERGED else {})}


def _license_fields(configs: Iterable[Facts], repo_id: str | None) -> dict[str, Any]:
    names = list(dict.fromkeys(name for counted in configs for name in counted["licenses"]))
    only = names[0].lower() if len(names) == 1 else None
    if only in HUB_LICENSES:
        return {"license": str(only)}
    fields = {"license": "other", "license_name": only or _MIXED_LICENSE}
    if repo_id:
        fields["license_link"] = f"{_HUB}{repo_id}#licences"
    return fields


def _size_category(rows: int) -> str:
    return next((name for limit, name in _SIZE_CATEGORIES if rows < limit), "n>10M")


def _source_datasets(sources: Mapping[str, Facts]) -> list[str]:
    names = []
    for name, source in sources.items():
        homepage = source["homepage"]
        if not homepage:
            names.append("original")
        elif homepage.startswith(_HUB):
            names.append(homepage.removeprefix(_HUB))
        else:
            names.append(f"extended|other-{name}")
    return list(dict.fromkeys(names))


# The text -----------------------------------------------------------------------------------------


def _fill_template(
    statistics: Facts,
    infos: Mapping[str, Any],
    measurements: Facts,
    plots: Collection[str | PurePath],
    repo_id: str | None,
) -> str:
    template = Template(resources.files(__package__).joinpath("dataset_card.md").read_text("utf-8"))
    configs: Mapping[str, Facts] = statistics["configs"]
    main = main_config(configs)
    pictures = {PurePath(path).name: PurePath(path).as_posix() for path in plots}
    return template.substitute(
        title=_TITLE,
        summary=sections.summary(configs[main], main),
        notice=sections.notice(statistics),
        name=repo_id or _FOLDER_PLACEHOLDER,
        main=main,
        split=next(iter(configs[main]["splits"])),
        configs=sections.configs(statistics),
        columns=sections.columns(infos, main),
        labels=sections.labels(configs[main], statistics["options"]),
        sizes=sections.sizes(configs[main], main, pictures),
        licences=sections.licences(statistics),
        making=sections.making(statistics),
        splits=sections.splits(statistics),
        own_texts=sections.own_texts(statistics),
        measurements=sections.measured(measurements, statistics),
        limits=sections.limits(statistics),
        examples=sections.examples(statistics["examples"]),
        citations=sections.citations(statistics["sources"]),
    )
