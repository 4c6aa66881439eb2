"""``memotions push``: what this package makes, to the Hugging Face Hub.

Nothing heavy is imported before the command runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .errors import InputError


def add_parser(commands: Any) -> None:
    """Add the command to the parser of ``memotions``."""
    parser = commands.add_parser(
        "push",
        help="publish the app as a Space of the Hugging Face Hub",
        description="Write the repository of a Space and push it to the Hugging Face Hub in one "
        "commit. The stored token is used (hf auth login), or HF_TOKEN. --dry-run shows what "
        "would be pushed and needs neither a token nor a network.",
        epilog="Values of secrets and variables are taken from the environment variables of these "
        "names; those of secrets are sent to the Hub and neither shown nor written anywhere.",
    )
    parser.add_argument("--space", metavar="REPO", help="the Space, as owner/name")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be pushed, and push nothing"
    )
    parser.add_argument(
        "--private", action="store_true", help="make a new repository private; never push to a "
        "public one"
    )  # fmt: skip
    parser.add_argument(
        "--package",
        metavar="R",
        help="how the Space installs this package: a requirement such as "
        "'memotions-hf[space] @ git+https://...', or the address of a wheel (this version from "
        "the index)",
    )
    for kind, what in (("secret", "kept secret"), ("variable", "which everybody can read")):
        parser.add_argument(
            f"--{kind}",
            dest=f"{kind}s",
            action="extend",
            nargs="+",
            default=[],
            metavar="NAME",
            help=f"environment variable to set for the Space, {what}",
        )
    parser.add_argument(
        "--message", default="Upload the Memotions Space", metavar="M", help="title of the commit"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``memotions push``; returns the exit code."""
    if args.space is None:
        raise InputError("say what to push: memotions push --space owner/name")
    from .demo import publish
    from .suggestions.engine import PROJECT_VARIABLE

    publish.check_repo(args.space)
    secrets, variables = publish.read_settings(args.secrets, args.variables)
    package = publish.requirement(args.package, gemini=PROJECT_VARIABLE in {**secrets, **variables})
    with tempfile.TemporaryDirectory(prefix="memotions-") as staging:
        folder = Path(staging) / "space"
        files = publish.assemble(folder, repo=args.space, package=package)
        output = sys.stdout if args.dry_run else sys.stderr  # the plan, or progress
        for line in _plan(args, files, package, publish.gradio_version()):
            print(line, file=output, flush=True)
        if args.dry_run:
            print("Nothing was pushed (--dry-run).")
            return 0
        url = publish.push_space(
            folder,
            args.space,
            private=args.private,
            secrets=secrets,
            variables=variables,
            message=args.message,
        )
    print(url)
    return 0


def _plan(
    args: argparse.Namespace, files: Sequence[Path], package: str, gradio: str
) -> Iterator[str]:
    private = ", private" if args.private else ""
    yield f"Space      {args.space} (gradio {gradio}{private})"
    for path in files:
        yield f"file       {path.name} ({path.stat().st_size:,} bytes)"
    yield f"installs   {package}"
    for name in args.secrets:
        yield f"secret     {name} (its value is not shown)"
    for name in args.variables:
        yield f"variable   {name} (everybody can read it)"
