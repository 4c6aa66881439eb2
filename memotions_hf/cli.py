"""The ``memotions`` command: its parser, and how errors become one line and an exit code.

Nothing heavy is imported before a subcommand runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from . import __version__, cli_corpus, cli_doctor, cli_push, cli_space, cli_suggest, cli_tune
from .errors import InputError, MemotionsError

EXIT_OK = 0
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; None takes those of the process.

    Returns:
        The exit code: 0, 2 for an error that the user can mend, 130 for Ctrl-C.
    """
    args = _build_parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except MemotionsError as error:
        return _report(str(error))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return EXIT_OK
    except OSError as error:  # a full disk, a file that vanished
        name = f"{error.filename}: " if error.filename else ""
        return _report(f"{name}{error.strerror or error}")
    return code


def _report(message: str) -> int:
    """Print an error on one line, whatever the message holds."""
    line = " ".join(message.split())
    printable = "".join(char if char.isprintable() else "?" for char in line)
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(
        f"memotions: error: {printable}\n".encode(encoding, "backslashreplace").decode(encoding)
    )
    return EXIT_USER_ERROR


def _discard_output() -> None:
    """Let the interpreter flush into nothing once the reader of our output has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all of ours are."""

    def error(self, message: str) -> NoReturn:
        self.exit(_report(f"{message} (see {self.prog} --help)"))


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="memotions",
        description="Emotions in Indonesian text: tell them, answer them, train, evaluate.",
    )
    parser.add_argument("--version", action="version", version=f"memotions-hf {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_predict_parser(commands)
    cli_suggest.add_parser(commands)
    cli_space.add_parser(commands)
    _add_train_parser(commands)
    _add_evaluate_parser(commands)
    _add_compare_parser(commands)
    cli_corpus.add_parser(commands)
    cli_tune.add_parser(commands)
    cli_push.add_parser(commands)
    cli_doctor.add_parser(commands)
    return parser


def _add_predict_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "predict",
        help="tell the emotion of a text, or of every line of a file",
        description="Tell the emotion of Indonesian text, on this machine only. "
        "Without INPUT, asks for text on a terminal and reads lines from a pipe.",
        epilog="Lines are answered as 'label<TAB>score<TAB>text', several labels and scores joined "
        "by commas; a line with nothing to read has an empty label and score. With --json, one "
        "object a line: text, label and score of the best class (null where there is nothing to "
        "read) and emotions, the list that --top-k and --threshold choose (all by default).",
    )
    parser.add_argument(
        "input",
        nargs="?",
        metavar="INPUT",
        help="a text, a UTF-8 file with one text a line, or - for standard input",
    )
    parser.add_argument("--file", metavar="PATH", help="a file with one text a line, by any name")
    parser.add_argument("--json", action="store_true", help="answer as JSON, one object a line")
    parser.add_argument(
        "--top-k", type=_top_k, default="best", metavar="N", help="N best emotions, or 'all'"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="every emotion more probable than P (0 to 1)"
    )
    parser.add_argument(
        "--explain", action="store_true", help="add the words' contributions to --json (one text)"
    )
    parser.add_argument(
        "--model", metavar="NAME_OR_PATH", help="model folder or Hub repository; default: bundled"
    )
    parser.add_argument("--revision", metavar="R", help="branch, tag or commit of the repository")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=256,
        metavar="N",
        help="texts run at once (256); 1 answers every line before reading the next",
    )
    parser.add_argument(
        "--lang", choices=("id", "en"), default="id", help="language of the answers (id)"
    )
    table = parser.add_argument_group("very large jobs")
    table.add_argument(
        "--output",
        metavar="NAME.parquet",
        help="read INPUT, a Parquet file or a folder of them, and write its columns, the label and "
        "every label's score into this file",
    )
    table.add_argument("--column", default="text", metavar="C", help="column of the texts (text)")
    table.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="where to run (local)"
    )
    table.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes, or actors of Ray (by the cores)",
    )
    parser.set_defaults(run=_run_predict)


def _add_train_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a recipe from the corpus files",
        description="Train a recipe on this machine's CPU; MEMOTIONS_MIRROR names the folder of "
        "the corpus files. An interrupted run goes on where it stopped.",
    )
    parser.add_argument(
        "--recipe", default="memotions-bilstm", metavar="R", help="recipe (memotions-bilstm)"
    )
    parser.add_argument(
        "--output", metavar="FOLDER", help="folder of the run (runs/RECIPE); the model is in model/"
    )
    parser.set_defaults(run=_run_develop("run_train"))


def _add_evaluate_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="score a model beside the baselines on every test set",
        description="Score a model on every test set, beside TF-IDF + linear SVC trained on the "
        "same rows, a keyword rule and the majority class. MEMOTIONS_MIRROR names the folder of "
        "the corpus files.",
    )
    parser.add_argument(
        "--model", metavar="NAME_OR_PATH", help="model folder or Hub repository; default: bundled"
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="write metrics.json, the confusion matrix and the card into the model folder",
    )
    parser.add_argument("--json", action="store_true", help="print all metrics as JSON")
    _add_leave_one_source_out(parser)
    parser.set_defaults(run=_run_develop("run_evaluate"))


def _add_leave_one_source_out(parser: argparse.ArgumentParser) -> None:
    unseen = parser.add_argument_group("a recipe on sources that it has not seen")
    unseen.add_argument(
        "--leave-one-source-out",
        action="store_true",
        help="train a recipe without each source in turn, without its kin and all that is "
        "near-equal to them, and test on all of it, beside the baselines; takes hours, and an "
        "interrupted run goes on where it stopped",
    )
    unseen.add_argument("--recipe", metavar="R", help="recipe (memotions-bilstm)")
    unseen.add_argument(
        "--held-out",
        type=_names,
        metavar="NAMES",
        help="sources, joined by commas (journal,isear-id,dair-emotion-id,emot,prdect)",
    )
    unseen.add_argument(
        "--seeds", type=_seeds, metavar="N,N", help="seeds, joined by commas (the recipe's own)"
    )
    unseen.add_argument(
        "--output", metavar="FOLDER", help="folder of runs and result (runs/cross-source/RECIPE)"
    )


def _add_compare_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help="train recipes over several seeds and score them beside the baselines",
        description="Train recipes on the same rows with several seeds, and score them on every "
        "test set beside TF-IDF + linear SVC, a keyword rule and the majority class. Writes "
        "comparison.json, comparison.md and comparison.png. MEMOTIONS_MIRROR names the folder of "
        "the corpus files. An interrupted run goes on where it stopped.",
    )
    parser.add_argument(
        "--recipes",
        type=_names,
        default="memotions-2024,memotions-bilstm",
        metavar="NAMES",
        help="recipes, joined by commas (memotions-2024,memotions-bilstm)",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default="42,43,44",
        metavar="N,N",
        help="seeds of each recipe, joined by commas (42,43,44)",
    )
    parser.add_argument(
        "--seeds-of",
        type=_own_seeds,
        action="append",
        default=[],
        metavar="RECIPE=N,N",
        help="other seeds for one recipe: fewer for memotions-2024, which takes an hour with each",
    )
    parser.add_argument(
        "--emot-official",
        action="store_true",
        help="also train on EmoT's official train split alone, with its own five labels",
    )
    parser.add_argument(
        "--output", metavar="FOLDER", help="folder of runs and results (runs/comparison)"
    )
    parser.add_argument("--json", action="store_true", help="print all metrics as JSON")
    parser.set_defaults(run=_run_develop("run_compare"))


def _run_develop(name: str) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        from . import cli_develop

        code: int = getattr(cli_develop, name)(args)
        return code

    return run


def _top_k(value: str) -> int | str | None:
    if value == "best":  # the default, which argparse sends through here too
        return value
    if value == "all":
        return None
    try:
        return int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is neither a whole number nor 'all'") from None


def _names(value: str) -> tuple[str, ...]:
    """Return names that are joined by commas, each once."""
    names = dict.fromkeys(name.strip() for name in value.split(","))
    if "" in names:
        raise argparse.ArgumentTypeError(f"{value!r} holds an empty name")
    return tuple(names)


def _seeds(value: str) -> tuple[int, ...]:
    """Return whole numbers that are joined by commas, each once."""
    names = _names(value)
    # What numpy and TensorFlow take as a seed.
    if not all(name.isascii() and name.isdigit() and int(name) < 2**32 for name in names):
        raise argparse.ArgumentTypeError(
            f"{value!r} is no list of whole numbers from 0 to 4294967295, joined by commas"
        )
    return tuple(dict.fromkeys(int(name) for name in names))


def _own_seeds(value: str) -> tuple[str, tuple[int, ...]]:
    """Return a recipe's name and its seeds."""
    recipe, equals, seeds = value.partition("=")
    if not recipe or not equals:
        raise argparse.ArgumentTypeError(f"{value!r} is no recipe with its seeds (RECIPE=N,N)")
    return recipe, _seeds(seeds)


def _run_predict(args: argparse.Namespace) -> int:
    from . import cli_predict

    if args.file is not None and args.input is not None:
        raise InputError("give either INPUT or --file, not both")
    return cli_predict.run(args)
