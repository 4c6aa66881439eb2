"""``memotions push``: what this package makes, to the Hugging Face Hub.

Nothing heavy is imported before the command runs.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli_corpus import ProgressLine, say
from .errors import InputError

if TYPE_CHECKING:
    from .publishing import Upload

_WHAT = {
    "dataset": "the corpus: Parquet files and their card",
    "model": "the classifier: ONNX, Keras and torch weights, tokenizer, card",
    "metric": "the metric that evaluate.load loads, as a Space",
    "space": "the app, as a Space",
}
_NAMES = {
    "dataset": "memotions-corpus",
    "model": "memotions-bilstm",
    "metric": "memotions-emotion",
    "space": "memotions",
}
_FOLDERS = {
    "dataset": "a corpus that 'memotions corpus build' made; without it one is built of the "
    "sources that may be passed on (needs the upstream files)",
    "model": "a model folder; without it, the bundled model",
}


def add_parser(commands: Any) -> None:
    """Add the command to the parser of ``memotions``."""
    parser = commands.add_parser(
        "push",
        help="publish the model, the corpus, the metric and the app on the Hugging Face Hub",
        description="Push to repositories of the Hugging Face Hub, which are made where needed, in "
        "one commit each; files that are there already, unchanged, are not sent again. The plan is "
        "shown first, and everything that can be checked is, before anything is pushed. --dry-run "
        "stops after the plan and needs neither a token nor a network.",
        epilog="The token is the stored one (hf auth login), or HF_TOKEN. Values of secrets and "
        "variables are taken from the environment variables of these names; those of secrets are "
        "sent to the Hub and neither shown nor written anywhere.",
    )
    _add_what(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be pushed, and push nothing"
    )
    parser.add_argument(
        "--private",
        action="store_true",
        help="make new repositories private; never push to public ones",
    )
    parser.add_argument("--message", metavar="M", help="title of the commits")
    _add_space_options(parser.add_argument_group("for the Space"))
    parser.set_defaults(run=run)


def _add_what(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to push")
    for kind, what in _WHAT.items():
        if kind in _FOLDERS:
            group.add_argument(
                f"--{kind}",
                nargs="?",
                const="",
                metavar="FOLDER",
                help=f"{what}. FOLDER: {_FOLDERS[kind]}",
            )
        else:
            group.add_argument(f"--{kind}", action="store_const", const="", help=what)
    group.add_argument("--all", action="store_true", help="all four")
    group = parser.add_argument_group("where to")
    group.add_argument(
        "--namespace", metavar="NAME", help="the user or organisation that owns the repositories"
    )
    for kind, name in _NAMES.items():
        group.add_argument(
            f"--{kind}-name", metavar="NAME", default=name, help=f"name of the {kind} ({name})"
        )


def _add_space_options(group: Any) -> None:
    group.add_argument(
        "--package",
        metavar="R",
        help="how the Space installs this package: a requirement such as "
        "'memotions-hf[space] @ git+https://...', or the address of a wheel (this version from "
        "the index)",
    )
    for kind, what in (("secret", "kept secret"), ("variable", "which everybody can read")):
        group.add_argument(
            f"--{kind}",
            dest=f"{kind}s",
            action="extend",
            nargs="+",
            default=[],
            metavar="NAME",
            help=f"environment variable to set for the Space, {what}",
        )
    group.add_argument(
        "--restart", action="store_true", help="start the Space anew, even if nothing has changed"
    )


def run(args: argparse.Namespace) -> int:
    """Run ``memotions push``; returns the exit code."""
    kinds = _chosen(args)
    # TensorFlow's start-up notes would hide the plan, and it reads these only when imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    from .repositories import check_message, check_repo

    names = {kind: f"{args.namespace}/{getattr(args, f'{kind}_name')}" for kind in _NAMES}
    repos = {kind: check_repo(names[kind]) for kind in kinds}
    if args.message is not None:
        check_message(args.message)
    with tempfile.TemporaryDirectory(prefix="memotions-") as staging:
        uploads = [_prepare(args, kind, repos, Path(staging)) for kind in kinds]
        output = sys.stdout if args.dry_run else sys.stderr  # the plan, or progress
        for line in _plan(uploads, private=args.private):
            print(line, file=output, flush=True)
        if args.dry_run:
            print("Nothing was pushed (--dry-run).")
            return 0
        _push(uploads, private=args.private)
    return 0


def _chosen(args: argparse.Namespace) -> list[str]:
    kinds = [kind for kind in _WHAT if args.all or getattr(args, kind) is not None]
    if not kinds:
        raise InputError(
            "say what to push: --model, --dataset, --metric, --space, or --all (see memotions push "
            "--help)"
        )
    if not args.namespace:
        raise InputError("say where to: --namespace NAME, a user or an organisation of the Hub")
    if "space" not in kinds and (args.secrets or args.variables or args.package or args.restart):
        raise InputError(
            "--secret, --variable, --package and --restart are for the Space; add --space"
        )
    return kinds


def _prepare(args: argparse.Namespace, kind: str, repos: dict[str, str], staging: Path) -> Upload:
    from . import publishing

    repo, folder = repos[kind], staging / kind
    source = Path(getattr(args, kind)) if getattr(args, kind) else None
    options = {
        "private": args.private or None,
        "commit_message": args.message or f"Upload the Memotions {kind}",
    }
    if kind == "dataset":
        return publishing.prepare_dataset(source or _build(folder), repo, **options)
    if kind == "model":
        return publishing.prepare_model(folder, repo, source=source, **options)
    if kind == "metric":
        return publishing.prepare_metric(folder, repo, **options)
    return publishing.prepare_space(
        folder,
        repo,
        package=args.package,
        models=[f"{args.namespace}/{args.model_name}"],
        datasets=[f"{args.namespace}/{args.dataset_name}"],
        secrets=args.secrets,
        variables=args.variables,
        restart=args.restart,
        **options,
    )


def _build(folder: Path) -> Path:
    from .cards.dataset_folder import build_publishable

    say("building the corpus of the sources that may be passed on")
    progress = ProgressLine()
    left_out = build_publishable(folder, progress=progress)
    progress.close()
    for name in left_out:
        say(f"left out: {name} (its rows may not be passed on)")
    return folder


def _plan(uploads: Sequence[Upload], *, private: bool) -> Iterator[str]:
    from .cards.model_cost import format_size

    visible = "private" if private else "public"
    for upload in uploads:
        size = f"{len(upload.files)} files, {format_size(upload.size)}"
        terms = f"licence {upload.license}, {visible} if new"
        yield f"{upload.kind:<8} {upload.repo}: {size}, {terms}"
        for name, path in upload.files.items():
            yield f"  {format_size(path.stat().st_size):>10}  {name}"
        for note in upload.notes:
            yield f"  {note}"


def _push(uploads: Sequence[Upload], *, private: bool) -> None:
    from huggingface_hub.utils.tqdm import disable_progress_bars

    from . import publishing

    if not sys.stderr.isatty():  # bars are unreadable in a log
        disable_progress_bars()
    # What the client would say of unchanged files is in the summary.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    heads = publishing.check_uploads(uploads, private=private)
    waiting = [f"pushing the {upload.kind} to {upload.repo}" for upload in uploads]
    say(waiting[0])
    for number, (upload, commit) in enumerate(publishing.push_uploads(uploads), start=1):
        is_new = commit.oid != heads[upload.kind]
        state = f"commit {commit.oid[:8]}" if is_new else "nothing new"
        print(f"{upload.kind:<8} {commit.repo_url}  ({state})", flush=True)
        if number < len(waiting):
            say(waiting[number])
