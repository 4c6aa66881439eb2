"""The ``memotions tune`` command: a Gemini model of one's own, tuned on Vertex AI.

Nothing heavy is imported before it runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli_corpus import say
from .errors import InputError

if TYPE_CHECKING:
    from .suggestions.tuning import (
        GoogleCloud,
        Outcome,
        Progress,
        TuningOptions,
        TuningRun,
    )
    from .suggestions.tuning_data import TuningData

DEFAULT_FOLDER = "runs/gemini-tuning"
PROJECT_VARIABLE = "GOOGLE_CLOUD_PROJECT"
LOCATION_VARIABLE = "GOOGLE_CLOUD_LOCATION"
_LOG_EVERY = 300.0


# Arguments ----------------------------------------------------------------------------------------


def add_parser(commands: Any) -> None:
    """Add ``tune`` to the command line."""
    parser = commands.add_parser(
        "tune",
        help="tune a Gemini model on Vertex AI with the suggestion pairs",
        description="Tune a Gemini model on Vertex AI with pairs of a journal entry and a "
        "suggestion: they are checked, uploaded to a bucket of yours, and a supervised tuning job "
        "is started and followed. Google charges for the job: see --dry-run first. The same "
        "command in the same folder goes on with its job and never pays for a second one.",
        epilog="Ctrl-C stops following; the job goes on at Google. The run folder holds "
        "train.jsonl, validation.jsonl, tuning.json (options, job and state) and in the end "
        "loss.csv and loss.png. Standard output gets one line: the tuned model as the variable "
        "that 'memotions' reads.",
    )
    _add_job_arguments(parser)
    _add_data_arguments(parser)
    _add_run_arguments(parser)
    parser.set_defaults(run=run_tune)


def _add_job_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the job")
    group.add_argument("--bucket", metavar="NAME", help="Cloud Storage bucket to upload to")
    group.add_argument(
        "--prefix",
        default="memotions-tuning",
        metavar="PATH",
        help="path in the bucket (memotions-tuning)",
    )
    group.add_argument(
        "--project", metavar="ID", help=f"Google Cloud project; default: {PROJECT_VARIABLE}"
    )
    group.add_argument(
        "--location",
        metavar="REGION",
        help=f"region of the job; default: {LOCATION_VARIABLE}, else us-central1",
    )
    group.add_argument("--model", metavar="NAME", help="base model to tune (gemini-3.5-flash-lite)")
    group.add_argument(
        "--name",
        default="memotions-suggestions",
        metavar="NAME",
        help="name of the tuned model (memotions-suggestions)",
    )
    group.add_argument("--epochs", type=int, default=3, metavar="N", help="epochs (3)")
    group.add_argument(
        "--learning-rate-multiplier",
        type=float,
        default=0.1,
        metavar="X",
        help="times Google's own learning rate (0.1)",
    )
    group.add_argument(
        "--adapter-size",
        type=int,
        default=16,
        metavar="N",
        help="1, 2, 4, 8, 16 or 32, not all of them for every model (16)",
    )


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the data")
    group.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="your own pairs: JSON lines with entry, emotion and suggestion; default: the "
        "project's 320",
    )
    group.add_argument(
        "--validation-fraction",
        type=float,
        default=0.1,
        metavar="P",
        help="share of each emotion to validate with, 0 to 0.5 (0.1)",
    )
    group.add_argument("--seed", type=int, default=42, metavar="N", help="seed of the split (42)")


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the run")
    group.add_argument(
        "--output",
        type=Path,
        default=Path(DEFAULT_FOLDER),
        metavar="FOLDER",
        help=f"folder of the run ({DEFAULT_FOLDER})",
    )
    group.add_argument(
        "--poll", type=_seconds, default=30.0, metavar="S", help="seconds between two looks (30)"
    )
    group.add_argument(
        "--price",
        type=_dollars,
        metavar="USD",
        help="dollars for a million training tokens, for the estimate",
    )
    instead = group.add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run",
        action="store_true",
        help="show rows, tokens and cost; send nothing, write nothing",
    )
    instead.add_argument("--resume", metavar="JOB", help="follow a job that was started before")
    instead.add_argument("--cancel", metavar="JOB", help="cancel a job")


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{value!r} is no number of seconds from 0 to 3600")
    return seconds


def _dollars(value: str) -> float:
    try:
        dollars = float(value)
    except ValueError:
        dollars = -1.0
    if not 0 <= dollars < 1e6:
        raise argparse.ArgumentTypeError(f"{value!r} is no price in dollars")
    return dollars


# Commands -----------------------------------------------------------------------------------------


def run_tune(args: argparse.Namespace) -> int:
    """Tune a model, or follow or cancel a job."""
    from .suggestions.tuning import GoogleCloud, cancel, saved_job, split_job_name

    if args.cancel:
        cancel(args.cancel, GoogleCloud.connect(*split_job_name(args.cancel)))
        say(f"asked Google to cancel {args.cancel}")
        return 0
    if args.resume:
        cloud = GoogleCloud.connect(*split_job_name(args.resume))
        return _follow(args, cloud, lambda run: run.resume(args.resume))
    data, options = _data(args), _options(args)
    if args.dry_run:
        print(describe_plan(args, data, options))
        return 0
    for value, name, variable in (
        (args.bucket, "--bucket", "a Cloud Storage bucket that you may write to"),
        (options.project, "--project", f"or set {PROJECT_VARIABLE}"),
    ):
        if not value:
            raise InputError(f"{name} is missing: give it, {variable}; --dry-run needs neither")
    if not saved_job(args.output):
        say(f"{_training_line(data, options)}; {_cost_line(args, data, options)}")
    cloud = GoogleCloud.connect(options.project, options.location)
    return _follow(args, cloud, lambda run: run.tune(data, options))


def _data(args: argparse.Namespace) -> TuningData:
    from .suggestions.tuning_data import OWN_PAIRS, read_pairs, split_pairs

    source = str(args.data) if args.data else OWN_PAIRS
    return split_pairs(read_pairs(args.data), args.validation_fraction, args.seed, source)


def _options(args: argparse.Namespace) -> TuningOptions:
    from .suggestions.gemini import DEFAULT_MODEL
    from .suggestions.tuning import DEFAULT_LOCATION, TuningOptions

    return TuningOptions(
        bucket=(args.bucket or "bucket").removeprefix("gs://").rstrip("/"),
        project=args.project or os.environ.get(PROJECT_VARIABLE, "").strip(),
        location=args.location or os.environ.get(LOCATION_VARIABLE, "").strip() or DEFAULT_LOCATION,
        prefix=args.prefix,
        model=args.model or DEFAULT_MODEL,
        name=args.name,
        epochs=args.epochs,
        learning_rate_multiplier=args.learning_rate_multiplier,
        adapter_size=args.adapter_size,
        validation_fraction=args.validation_fraction,
        seed=args.seed,
    )


def _follow(
    args: argparse.Namespace, cloud: GoogleCloud, work: Callable[[TuningRun], Outcome]
) -> int:
    from .cli import EXIT_INTERRUPTED
    from .suggestions.tuning import TuningRun, Waiting

    line = StatusLine()
    waiting = Waiting(poll=args.poll)
    try:
        outcome = work(TuningRun(args.output, cloud, waiting=waiting, say=line.say, show=line))
    except KeyboardInterrupt:
        line.say(_interrupted(args))
        return EXIT_INTERRUPTED
    finally:
        line.clear()
    _report(args, outcome)
    return 0


def _interrupted(args: argparse.Namespace) -> str:
    from .suggestions.tuning import read_state, saved_job

    job = args.resume or saved_job(args.output)
    if job:
        folder = "" if args.output == Path(DEFAULT_FOLDER) else f" --output {args.output}"
        return (
            f"the job goes on at Google; follow it: memotions tune --resume {job}{folder}; "
            f"cancel it: memotions tune --cancel {job}, or in the console"
        )
    if read_state(args.output).get("label"):
        return "stopped while a job was asked for; the same command looks whether there is one"
    return "stopped before a job was started: nothing runs at Google"


def _report(args: argparse.Namespace, outcome: Outcome) -> None:
    from .suggestions.gemini import MODEL_VARIABLE
    from .suggestions.tuning import CSV_FILE, PNG_FILE
    from .suggestions.tuning_loss import REFERENCE_LOSS, last_loss

    job = outcome.job
    if job["left_out_rows"]:
        say(f"Google left out {job['left_out_rows']:,} of the rows")
    if job["billable_tokens"]:
        say(f"billable tokens, as Google counts them: {job['billable_tokens']:,}")
    if outcome.curve_problem:
        say(
            f"no loss curve: {outcome.curve_problem}; "
            f"try again with: memotions tune --resume {job['name']} --output {args.output}"
        )
    else:
        losses = {
            "training": last_loss(outcome.curve, lambda point: point.train_loss),
            "validation": last_loss(outcome.curve, lambda point: point.validation_loss),
        }
        values = ", ".join(f"{key} {value:.3f}" for key, value in losses.items() if value)
        say(f"final loss: {values} (reference system: {REFERENCE_LOSS})")
        say(f"loss curve: {args.output / CSV_FILE}, {args.output / PNG_FILE}")
    print(f"export {MODEL_VARIABLE}={outcome.endpoint}")


# What would happen --------------------------------------------------------------------------------


def describe_plan(args: argparse.Namespace, data: TuningData, options: TuningOptions) -> str:
    """Return what a run would do, for people to read before they pay for it."""
    bucket = f"gs://{options.bucket if args.bucket else 'BUCKET'}"
    facts = {
        "data": f"{data.source}; rows by split and emotion:",
        "": _table(data),
        **_size_facts(data),
        "training": _training_line(data, options),
        "cost": _cost_line(args, data, options),
        "job": f"project {options.project or f'not set: --project or {PROJECT_VARIABLE}'}, "
        f"location {options.location}",
        "model": f"{options.model}, tuned as {options.name!r}",
        "options": f"learning-rate multiplier {options.learning_rate_multiplier}, adapter size "
        f"{options.adapter_size}, validation fraction {options.validation_fraction}, "
        f"seed {options.seed}",
        "folder": f"{args.output}: train.jsonl, validation.jsonl, tuning.json; in the end loss.csv "
        "and loss.png",
        **{
            f"{part} file": f"{bucket}/{options.object_name(part, content)}"
            for part, content in data.files.items()
        },
    }
    lines = [f"{key:<16}{value}" if key else value for key, value in facts.items()]
    return "\n".join(["dry run: nothing is sent, nothing is written", "", *lines])


def _size_facts(data: TuningData) -> dict[str, str]:
    from .suggestions.tuning_data import CHARACTERS_PER_TOKEN, RECOMMENDED_ROWS, estimate_tokens

    lengths = [pair.characters for pair in data.train]
    few = f" (Google advises {RECOMMENDED_ROWS} or more)" if len(lengths) < RECOMMENDED_ROWS else ""
    return {
        "to train on": f"{len(lengths):,} rows{few}",
        "characters": f"{sum(lengths):,} with the instruction; "
        f"{round(sum(lengths) / len(lengths)):,} in the mean row, {max(lengths):,} in the longest",
        "tokens": f"about {estimate_tokens(data.train):,}; an estimate, characters / "
        f"{CHARACTERS_PER_TOKEN}, as Gemini's tokenizer is not on this machine",
    }


def _table(data: TuningData) -> str:
    from .labels import LABELS
    from .suggestions.tuning_data import count_emotions

    rows = [["", *LABELS, "all"]]
    for name, pairs in (("train", data.train), ("validation", data.validation)):
        counts = count_emotions(pairs)
        rows.append([name, *(f"{counts[label]:,}" for label in LABELS), f"{len(pairs):,}"])
    return "\n".join(
        " " * 16 + f"{row[0]:<10}" + "".join(f"{cell:>9}" for cell in row[1:]) for row in rows
    )


def _training_line(data: TuningData, options: TuningOptions) -> str:
    from .suggestions.tuning_data import estimate_tokens

    tokens = estimate_tokens(data.train)
    whole = tokens * options.epochs
    return f"about {whole:,} training tokens ({tokens:,} x {options.epochs} epochs)"


def _cost_line(args: argparse.Namespace, data: TuningData, options: TuningOptions) -> str:
    from .suggestions.tuning_data import Price, estimate_tokens, find_price, pricing_page

    price = Price(args.price, "--price") if args.price is not None else find_price(options.model)
    if price is None:
        return f"price not known: see {pricing_page()}, and put it in with --price USD"
    usd = estimate_tokens(data.train) * options.epochs / 1e6 * price.usd
    return f"about ${usd:.2f} at ${price.usd:.2f} a million training tokens ({price.origin})"


# Progress -----------------------------------------------------------------------------------------


class StatusLine:
    """The progress of a job: one line that changes on a terminal, a line now and then in a log."""

    def __init__(self) -> None:
        self._shown = False
        self._last: tuple[object, ...] = ()
        self._said = 0.0

    def __call__(self, progress: Progress) -> None:
        """Show how far the job is."""
        text = describe_progress(progress)
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{text[:width]}")
            sys.stderr.flush()
            self._shown = True
            return
        news = (progress.state, progress.epoch, progress.trouble)
        if news != self._last or time.monotonic() - self._said >= _LOG_EVERY:
            self._last, self._said = news, time.monotonic()
            say(text)

    def say(self, line: str) -> None:
        """Say a line that stays."""
        self.clear()
        say(line)

    def clear(self) -> None:
        """Take the changing line off the terminal."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False


def describe_progress(progress: Progress) -> str:
    """Return how far a job is, on one line."""
    if progress.trouble:
        return f"{progress.trouble}; trying again"
    parts = [progress.state]
    if progress.elapsed is not None:
        minutes = int(progress.elapsed // 60)
        parts.append(f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min")
    for name, done, total in (
        ("step", progress.step, progress.steps),
        ("epoch", progress.epoch, progress.epochs),
    ):
        if done is not None:
            parts.append(f"{name} {done:,} of {total:,}" if total else f"{name} {done:,}")
    if progress.loss is not None:
        parts.append(f"training loss {progress.loss:.3f}")
    return ", ".join(parts)
