"""The ``memotions corpus`` commands: download, translate, build, stats and publish.

Nothing heavy is imported before one of them runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError

if TYPE_CHECKING:
    from .corpus.merge import MergeOptions
    from .corpus.translation import TranslationReport

DEFAULT_FOLDER = "memotions-corpus"


def say(line: str) -> None:
    """Print progress, on standard error so that standard output holds results alone."""
    print(line, file=sys.stderr, flush=True)


class ProgressLine:
    """Progress of named steps: a bar on a terminal, a plain line now and then in a log.

    Call it with a step's name, what is done, and of how many where that is known.
    """

    def __init__(self, unit: str = "rows") -> None:
        self._unit = unit
        self._step = ""
        self._next = 0
        self._bar: Any = None

    def __call__(self, step: str, done: int, total: int | None = None) -> None:
        """Show that ``done`` of ``total`` are done in this step."""
        if sys.stderr.isatty():
            self._draw(step, done, total)
        elif step != self._step or (total and done >= self._next):
            self._next = done + max(1, (total or 0) // 5)
            amount = f": {done:,} of {total:,} {self._unit}" if total else ""
            say(f"{step}{amount}")
        self._step = step

    def _draw(self, step: str, done: int, total: int | None) -> None:
        from tqdm import tqdm

        if self._bar is None or step != self._step:
            self.close()
            # A bar that has reached its end goes away, so that steps do not fill the screen.
            self._bar = tqdm(desc=step, unit=f" {self._unit}", leave=False, dynamic_ncols=True)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


# Arguments ----------------------------------------------------------------------------------------


def add_parser(commands: Any) -> None:
    """Add ``corpus`` and its actions to the command line."""
    parser = commands.add_parser(
        "corpus",
        help="download, translate, build, describe and publish the corpus",
        description="The merged Indonesian emotion corpus. Upstream files are taken from the "
        "folder that MEMOTIONS_MIRROR names, then from the download folder (MEMOTIONS_CACHE, else "
        "the user's cache).",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_download(actions)
    _add_translate(actions)
    _add_build(actions)
    _add_stats(actions)
    _add_publish(actions)


def _add_download(actions: Any) -> None:
    parser = actions.add_parser(
        "download",
        help="fetch and verify upstream files",
        description="Fetch the upstream files that are not there yet and verify all of them. An "
        "interrupted download goes on where it stopped.",
    )
    parser.add_argument(
        "source", nargs="*", metavar="SOURCE", help="sources to fetch (all that are offered)"
    )
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="take kaggle-emotions from this CSV (columns text, label) instead of kagglehub",
    )
    parser.set_defaults(run=run_download)


def _add_translate(actions: Any) -> None:
    parser = actions.add_parser(
        "translate",
        help="translate an English source into Indonesian",
        description="Translate an English source into Indonesian. Every finished batch is kept in "
        "the cache at once, so an interrupted run goes on where it stopped. The google translator "
        "sends the texts to Google; marian translates on this machine.",
    )
    parser.add_argument("source", metavar="SOURCE", help="an English source, as kaggle-emotions")
    parser.add_argument(
        "--translator", default="google", metavar="T", help="google or marian (google)"
    )
    parser.add_argument("--model", metavar="NAME", help="model of marian; default: opus-mt-en-id")
    parser.add_argument("--revision", metavar="R", help="branch, tag or commit of the model")
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="where to run (local)"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FILE", help="translation cache; default: in the user's cache"
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="texts a call (32)")
    parser.add_argument(
        "--concurrency", type=int, metavar="N", help="calls at once (google: 4, marian: 1)"
    )
    parser.add_argument(
        "--retries", type=int, default=5, metavar="N", help="repetitions of a failed call (5)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N rows")
    parser.set_defaults(run=run_translate)


def _add_merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--exclude",
        type=_names,
        default=[],
        metavar="SOURCES",
        help="sources to leave out, joined by commas",
    )
    parser.add_argument(
        "--with",
        dest="added",
        type=_names,
        default=[],
        metavar="SOURCES",
        help="English sources to merge as their translations, joined by commas",
    )
    parser.add_argument(
        "--translations", type=Path, metavar="FILE", help="translation cache to look them up in"
    )
    parser.add_argument(
        "--translator", default="google", metavar="T", help="whose translations to take (google)"
    )
    parser.add_argument(
        "--love", choices=("happy", "drop"), default="happy", help="what love becomes (happy)"
    )
    parser.add_argument(
        "--surprise", choices=("drop", "neutral"), default="drop", help="and surprise (drop)"
    )
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="seed of the splits (42)")


def _add_build(actions: Any) -> None:
    parser = actions.add_parser(
        "build",
        help="write the corpus as Parquet with a card",
        description="Merge the corpus and write it as a folder of Parquet files with a data set "
        "card, which datasets.load_dataset(FOLDER, CONFIG) reads. Sources that may only be "
        "evaluated on are built where --config names them.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(DEFAULT_FOLDER),
        metavar="FOLDER",
        help=f"folder to make ({DEFAULT_FOLDER})",
    )
    parser.add_argument(
        "--config",
        dest="configs",
        type=_names,
        metavar="CONFIGS",
        help="configs to write, joined by commas (all whose files are there)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier build")
    _add_merge_arguments(parser)
    parser.set_defaults(run=run_build)


def _add_stats(actions: Any) -> None:
    parser = actions.add_parser(
        "stats",
        help="rows by source, label and split, and what was removed",
        description="Merge the corpus and print what it holds and what each step removed.",
    )
    parser.add_argument(
        "--config", default="merged", metavar="CONFIG", help="config to describe (merged)"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")
    _add_merge_arguments(parser)
    parser.set_defaults(run=run_stats)


def _add_publish(actions: Any) -> None:
    parser = actions.add_parser(
        "publish",
        help="push a built corpus to the Hub",
        description="Push a built corpus to a data set repository of the Hub, in one commit. Rows "
        "whose licence forbids it, or does not clearly allow it, are refused: build without them.",
    )
    parser.add_argument("repo", metavar="REPO", help="repository, as name/dataset")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(DEFAULT_FOLDER),
        metavar="FOLDER",
        help=f"what 'corpus build' made ({DEFAULT_FOLDER})",
    )
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--revision", metavar="R", help="branch to commit to")
    parser.add_argument(
        "--create-pr", action="store_true", help="open a pull request instead of committing"
    )
    parser.add_argument(
        "--commit-message", default="Upload the Memotions corpus", metavar="TEXT", help="its title"
    )
    parser.set_defaults(run=run_publish)


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


# Commands -----------------------------------------------------------------------------------------


def run_download(args: argparse.Namespace) -> int:
    """Fetch and verify the files of some sources."""
    from .corpus.download import download, missing_files
    from .corpus.sources import SOURCES

    names = args.source or [
        name
        for name, source in SOURCES.items()
        # Kaggle wants an account, so its file comes only when it is asked for.
        if not missing_files(name) or all(file.url for file in source.files)
    ]
    progress = ProgressLine("bytes")
    for name in names:
        for path in download(name, csv=args.csv, progress=progress):
            progress.close()
            print(path)
    for name in SOURCES:
        if not args.source and name not in names:
            say(f"left out: {name} is not offered for download without an account")
    return 0


def _translations_file(path: Path | None) -> Path:
    from .corpus.download import cache_folder

    return path or cache_folder() / "translations.sqlite"


def run_translate(args: argparse.Namespace) -> int:
    """Translate an English source into the cache."""
    from itertools import islice

    from .corpus.rows import read_source
    from .corpus.sources import ENGLISH_SOURCES
    from .corpus.translation import (
        TranslationCache,
        make_translator,
        translate,
        translate_with_ray,
    )

    if args.source not in ENGLISH_SOURCES:
        raise InputError(
            f"{args.source!r} is no English source; expected one of: {', '.join(ENGLISH_SOURCES)}"
        )
    make = partial(make_translator, args.translator, args.model, args.revision)
    texts = [row.text for row in islice(read_source(args.source), args.limit)]
    path = _translations_file(args.cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = ProgressLine("texts")
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        line(f"translating {args.source}", done, len(texts))

    numbers = {
        "batch_size": args.batch_size,
        "retries": args.retries,
        "concurrency": args.concurrency,
    }
    if args.concurrency is None:  # a model on this machine uses every core for one call
        numbers["concurrency"] = 1 if args.translator == "marian" else 4
    with TranslationCache(path) as cache:
        if args.engine == "ray":
            report = translate_with_ray(texts, make, cache, progress=progress, **numbers)
        else:
            report = translate(texts, make(), cache, progress=progress, **numbers)
    line.close()
    return _report_translation(report, path)


def _report_translation(report: TranslationReport, path: Path) -> int:
    facts = report.as_dict()
    print(
        f"{facts['distinct']:,} texts by {facts['engine']}: {facts['cached']:,} were translated "
        f"before, {facts['translated']:,} now, {len(report.failed):,} failed; in {path}"
    )
    for reason, count in facts["failed"].items():
        say(f"failed: {count:,} ({reason}); run the same command again to retry")
    return 0 if not report.failed else 1


def _merge_options(args: argparse.Namespace) -> MergeOptions:
    from .corpus.merge import MergeOptions
    from .corpus.publish import without
    from .corpus.sources import MERGED_SOURCES

    translations = args.translations
    if args.added and translations is None:
        translations = _translations_file(None)
    options = MergeOptions(
        sources=(*MERGED_SOURCES, *args.added),
        love=args.love,
        surprise=args.surprise,
        seed=args.seed,
        translations=translations,
        translator=args.translator,
    )
    return without(options, args.exclude)


def run_build(args: argparse.Namespace) -> int:
    """Write the corpus as Parquet with a card."""
    from .cards.dataset_folder import build_with_card
    from .corpus.publish import default_configs

    options = _merge_options(args)
    configs = args.configs or default_configs(options, args.exclude)
    progress = ProgressLine()
    build_with_card(
        args.folder, options=options, configs=configs, overwrite=args.overwrite, progress=progress
    )
    progress.close()
    if args.configs is None:
        _say_left_out(configs)
    print(args.folder)
    return 0


def _say_left_out(configs: Sequence[str]) -> None:
    from .corpus.download import missing_files
    from .corpus.sources import EVALUATION_SOURCES, SOURCES

    for name in SOURCES:
        if name in configs:
            continue
        if name in EVALUATION_SOURCES:
            reason = f"only for evaluation; --config {name} builds it for yourself"
        else:
            reason = "its files are missing" if missing_files(name) else "excluded"
        say(f"left out: {name} ({reason})")


def run_stats(args: argparse.Namespace) -> int:
    """Print what a config holds and what each step of the merge removed."""
    from .cards.dataset_card import statistics_tables
    from .corpus.configs import NAIVE, SUGGESTIONS, check_config, config_corpus, config_rows
    from .corpus.statistics import config_statistics

    check_config(args.config)
    options = _merge_options(args)
    progress: Callable[..., None] = ProgressLine()
    statistics = config_statistics(config_rows(args.config, options, progress))
    report = None
    if args.config not in (SUGGESTIONS, NAIVE):
        report = config_corpus(args.config, options, progress).report.as_dict()
    if args.json:
        print(json.dumps({**statistics, "merge": report}, indent=1))
    else:
        print(statistics_tables(statistics, report))
    return 0


def run_publish(args: argparse.Namespace) -> int:
    """Push a built corpus to the Hub."""
    from .cards.dataset_folder import name_repository
    from .corpus.publish import publish_folder

    say(f"publishing {args.folder} to {args.repo}")
    print(
        publish_folder(
            args.folder,
            args.repo,
            revision=args.revision,
            private=args.private or None,
            create_pr=args.create_pr,
            commit_message=args.commit_message,
            card=name_repository,
        )
    )
    return 0
