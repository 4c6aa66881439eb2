"""The corpus as a folder of Parquet files with a card, and its way to the Hub."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CorpusError, InputError, require
from ..folders import replaced_folder
from ..repositories import Content, check_message, open_repository
from .configs import CONFIGS, MERGED, NAIVE, SUGGESTIONS, check_config, config_columns
from .download import missing_files
from .merge import MergeOptions, Progress, silent
from .naive import NAIVE_SOURCES
from .sources import ENGLISH_SOURCES, EVALUATION_SOURCES, SOURCES, Source, get_source

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

CARD_FILE = "README.md"
INFOS_FILE = "infos.json"
_MAX_SHARD_SIZE = "500MB"
_UPLOADED = (CARD_FILE, "*/*.parquet", "plots/*.png")
# What a build may have written and a later one may lack; all else there is somebody's own.
_STALE = (
    *(f"{config}/*-{'[0-9]' * 5}-of-{'[0-9]' * 5}.parquet" for config in CONFIGS),
    "plots/wordcloud_*.png",
)


# Which configs ------------------------------------------------------------------------------------


def without(options: MergeOptions, excluded: Sequence[str]) -> MergeOptions:
    """Return the options with some sources left out of the merge.

    Raises:
        InputError: a source is unknown, or none is left.
    """
    for name in excluded:
        get_source(name)
    left = tuple(name for name in options.sources if name not in excluded)
    if not left:
        raise InputError("every source of the merge is left out; leave out fewer")
    return replace(options, sources=left)


def default_configs(options: MergeOptions, excluded: Sequence[str] = ()) -> list[str]:
    """Return the configs that can be built from the files that there are.

    Sources that are only evaluated on are left out: they must be asked for by name, and a folder
    that holds them cannot be published.
    """
    sources = [
        name
        for name in SOURCES
        if name not in (*EVALUATION_SOURCES, *excluded) and not missing_files(name)
    ]
    naive = [name for name in (*NAIVE_SOURCES, *ENGLISH_SOURCES) if name in options.sources]
    return [MERGED, *sources, *([NAIVE] if naive else []), SUGGESTIONS]


def unpublishable_sources() -> list[str]:
    """Return the sources whose rows may not be passed on, or of which nobody has said so.

    A folder built :func:`without` them, of the :func:`default_configs` without them, may be
    published.
    """
    return [name for name, source in SOURCES.items() if source.redistribute != "yes"]


# The folder ---------------------------------------------------------------------------------------


@contextmanager
def _new_folder(target: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a folder that becomes ``target`` when the block ends well, and else disappears."""
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is a file; name a folder to build the corpus in")
    if target.exists() and any(target.iterdir()):
        if not (target / INFOS_FILE).is_file():
            raise InputError(f"{target} holds something else than a corpus; name another folder")
        if not overwrite:
            raise InputError(f"{target} exists already; name another folder, or use --overwrite")
    with replaced_folder(target) as draft:
        yield draft


def build_folder(
    target: Path,
    *,
    options: MergeOptions | None = None,
    configs: Sequence[str] | None = None,
    overwrite: bool = False,
    finish: Callable[[Path, dict[str, Any]], None] | None = None,
    progress: Progress = silent,
) -> Path:
    """Write configs of the corpus as Parquet, one sub-folder a config and one file a split.

    Args:
        target: folder to make, ``load_dataset(str(target), "merged")`` reads it.
        options: sources, label policies, seed and translations of the merged config.
        configs: the configs to write; None takes all whose files are there.
        overwrite: replace an earlier build.
        finish: called with the folder, before it has its name, and the ``DatasetInfo`` of every
            config; it writes the card.
        progress: told of each step and how far it is.

    Returns:
        ``target``.

    Raises:
        InputError: a config is unknown, or the folder is taken.
        CorpusError: an upstream file is missing or damaged.
        MissingExtraError: the ``data`` extra is not installed.
    """
    from .builder import DATASET_NAME, MemotionsCorpus

    options = options or MergeOptions()
    names = list(configs) if configs is not None else default_configs(options)
    for name in names:
        check_config(name)
    infos: dict[str, Any] = {}
    with _new_folder(target, overwrite) as draft, _quiet_bars():
        for name in names:
            with tempfile.TemporaryDirectory(prefix=".cache-", dir=draft) as cache:
                builder = MemotionsCorpus(
                    config_name=name,
                    cache_dir=cache,
                    dataset_name=DATASET_NAME,
                    options=options,
                    progress=progress,
                )
                made = Path(cache) / "made"
                builder.download_and_prepare(
                    str(made), file_format="parquet", max_shard_size=_MAX_SHARD_SIZE
                )
                infos[name] = _collect(made, draft / name, builder.info)
        if finish is not None:
            finish(draft, infos)
        facts = {name: json.loads(json.dumps(info._to_yaml_dict())) for name, info in infos.items()}
        (draft / INFOS_FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return target


@contextmanager
def _quiet_bars() -> Iterator[None]:
    """Leave progress to our own line: a bar for every split of every config says too much."""
    datasets = require("datasets", "data")
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _collect(made: Path, folder: Path, info: Any) -> Any:
    """Move a builder's shards to ``<split>-<shard>-of-<shards>.parquet``; return its info."""
    folder.mkdir()
    for split in info.splits:
        shards = sorted(
            path for path in made.glob("*.parquet") if path.stem.split("-")[2:3] == [split]
        )
        if not shards:
            raise CorpusError(f"the builder wrote no file for split {split!r}")
        for number, shard in enumerate(shards):
            shard.replace(folder / f"{split}-{number:05d}-of-{len(shards):05d}.parquet")
    info.download_size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    info.size_in_bytes = info.download_size + info.dataset_size
    return info


# The licence gate and the Hub ---------------------------------------------------------------------


def check_folder(folder: Path) -> None:
    """Refuse a folder that is no whole build, or holds a row which must not be passed on.

    Nothing is sent anywhere: it can be asked before there is a token or a network.

    Raises:
        InputError: the folder is no build, or rows in it may not be redistributed.
        CorpusError: its files are damaged, or others than those that were built.
    """
    if not (folder / CARD_FILE).is_file():
        raise InputError(f"{folder} is no built corpus; build it first: memotions corpus build")
    check_redistribution(folder)
    _check_whole(folder)


def _check_whole(folder: Path) -> None:
    """Refuse files other than those that the card describes: it may quote rows of what is gone."""
    try:
        facts = json.loads((folder / INFOS_FILE).read_text(encoding="utf-8"))
        stated = {name: info["download_size"] for name, info in facts.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        raise CorpusError(f"{folder} has no whole {INFOS_FILE}; build it anew") from None
    sizes: Counter[str] = Counter()
    for path in folder.glob("*/*.parquet"):
        sizes[path.parent.name] += path.stat().st_size
    changed = [name for name in {**stated, **sizes} if stated.get(name) != sizes.get(name)]
    if changed:
        raise CorpusError(
            f"{folder} holds other files than were built, in: {', '.join(sorted(changed))}; build "
            "it anew"
        )


def check_redistribution(folder: Path) -> None:
    """Refuse a folder that holds a row which must not be passed on.

    The rows themselves decide, whatever their config is called: every row names its source and
    licence, and the suggestions, which are the project's own, name neither.

    Raises:
        InputError: rows of some sources may not be redistributed, or nobody has allowed it.
        CorpusError: a file cannot be read, or its rows do not say where they are from.
    """
    refused = []
    for name, terms in sorted(_row_origins(folder)):
        source = SOURCES.get(name)
        if source is None or source.license != terms:
            raise CorpusError(
                f"{folder} holds rows of {name!r} under {terms!r}, which is no source and "
                "licence of this package; build it anew"
            )
        if source.redistribute != "yes":
            refused.append(name)
    if refused:
        named = ", ".join(f"{name} ({_why_refused(SOURCES[name])})" for name in refused)
        raise InputError(
            f"rows of these sources may not be published: {named}; leave them out: "
            f"memotions corpus build {folder} --overwrite --exclude {','.join(refused)}"
        )


def row_licenses(folder: Path) -> list[str]:
    """Return the licences of the rows in a built folder, whose card can name only their mixture."""
    return sorted({terms for _, terms in _row_origins(folder)})


def _why_refused(source: Source) -> str:
    why = "forbids it" if source.redistribute == "no" else "does not clearly permit it"
    return f"{source.license} {why}"


def _row_origins(folder: Path) -> set[tuple[str, str]]:
    """Return the pairs of source and licence in the rows of a built folder."""
    paths = sorted(folder.glob("*/*.parquet"))
    if not paths:
        raise InputError(f"{folder} holds no Parquet files; build it first: memotions corpus build")
    return set().union(*map(_origins, paths))


def _origins(path: Path) -> set[tuple[str, str]]:
    """Return the pairs of source and licence in a Parquet file."""
    parquet = require("pyarrow.parquet", "data")
    arrow = require("pyarrow", "data")
    try:
        columns = set(parquet.read_schema(path).names)
        if path.parent.name == SUGGESTIONS and columns == set(config_columns(SUGGESTIONS)):
            return set()
        if not {"source", "license"} <= columns:
            raise CorpusError(f"{path.parent.name}/{path.name} has no columns source and license")
        table = parquet.read_table(path, columns=["source", "license"])
    except (arrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path.parent.name}/{path.name} cannot be read ({reason})") from None
    pairs = zip(table["source"].to_pylist(), table["license"].to_pylist(), strict=True)
    return {(str(source), str(terms)) for source, terms in pairs}


def publish_folder(
    folder: Path,
    repo_id: str,
    *,
    revision: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    create_pr: bool = False,
    commit_message: str = "Upload the Memotions corpus",
    card: Callable[[Path, str], str] | None = None,
) -> CommitInfo:
    """Upload a built folder to a dataset repository of the Hub, in one commit.

    Parquet files of an earlier version that this one has not are deleted in the same commit. Files
    that are there already are not sent, and where nothing is new there is no commit: the same rows
    give the same files, as long as pyarrow, datasets and matplotlib stay the same.

    Args:
        folder: what :func:`build_folder` made.
        repo_id: ``name/dataset``, or ``dataset`` for the token's owner.
        revision: branch to commit to.
        private: visibility of a new repository.
        token: access token, True for the stored one.
        create_pr: open a pull request instead of committing to the branch.
        commit_message: first line of the commit's message.
        card: called with the folder and the repository's full name; what it returns is uploaded
            in place of the card in the folder.

    Returns:
        The commit, which is also its address as a string; the newest one where nothing is new.

    Raises:
        InputError: the folder is no build, or rows in it may not be redistributed.
        CorpusError: its files are damaged, or others than those that were built.
        HubError: the Hub cannot be reached or refuses.
    """
    check_message(commit_message)
    check_folder(folder)
    repository = open_repository(
        repo_id, "dataset", revision=revision, private=private, token=token
    )
    files: dict[str, Content] = {**published_files(folder)}
    if card is not None:
        files[CARD_FILE] = card(folder, repository.repo_id).encode()
    return repository.commit(files, message=commit_message, stale=_STALE, create_pr=create_pr)


def published_files(folder: Path) -> dict[str, Path]:
    """Return the files of a built folder that are uploaded, by their path in the repository."""
    paths = sorted(path for pattern in _UPLOADED for path in folder.glob(pattern))
    return {path.relative_to(folder).as_posix(): path for path in paths}
