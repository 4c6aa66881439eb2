"""Supervised tuning of a Gemini model on Vertex AI: upload, start, follow, keep what came of it.

A run lives in a folder. ``tuning.json`` there is written before and after every step that costs
something, so that a stopped run goes on with the job it started instead of paying for another. A
job carries a label that the folder knows beforehand: where Google's answer to the request got lost,
the job is found by it.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from ..errors import EngineError, InputError, require
from .gemini import CLOUD_SCOPE, DEFAULT_MODEL
from .tuning_data import TuningData
from .tuning_loss import CurveReader, LossPoint, curve_table, draw_curve, last_loss

DEFAULT_LOCATION = "us-central1"
ADAPTER_SIZES: Mapping[int, str] = {
    1: "ADAPTER_SIZE_ONE",
    2: "ADAPTER_SIZE_TWO",
    4: "ADAPTER_SIZE_FOUR",
    8: "ADAPTER_SIZE_EIGHT",
    16: "ADAPTER_SIZE_SIXTEEN",
    32: "ADAPTER_SIZE_THIRTY_TWO",
}
BASE_URL_VARIABLE = "GOOGLE_VERTEX_BASE_URL"  # that of the SDK itself

STATE_FILE = "tuning.json"
CSV_FILE = "loss.csv"
PNG_FILE = "loss.png"

_LABEL = "memotions-run"
_JOB_NAME = re.compile(r"projects/([^/\s]+)/locations/([a-z]+-[a-z]+\d+)/tuningJobs/[^/\s]+")
_SUCCEEDED = ("SUCCEEDED", "PARTIALLY_SUCCEEDED")
_LOST = ("FAILED", "CANCELLED", "EXPIRED")
_TIMEOUT = 60.0
_MAX_MESSAGE = 300


# What is asked for --------------------------------------------------------------------------------


@dataclass(frozen=True)
class TuningOptions:
    """The options of a job; the defaults are those of the reference system where it has them."""

    bucket: str
    project: str
    location: str = DEFAULT_LOCATION
    prefix: str = "memotions-tuning"
    model: str = DEFAULT_MODEL
    name: str = "memotions-suggestions"
    epochs: int = 3
    learning_rate_multiplier: float = 0.1
    adapter_size: int = 16
    validation_fraction: float = 0.1
    seed: int = 42

    def __post_init__(self) -> None:
        """Refuse values that Google would refuse after the upload.

        Raises:
            InputError: an option has a value that cannot be used.
        """
        check_location(self.location)
        if self.project and not re.fullmatch(r"[a-z0-9][a-z0-9.:-]{0,62}", self.project):
            raise InputError(f"project {self.project!r:.80} is no id of a Google Cloud project")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", self.bucket):
            raise InputError(
                f"bucket {self.bucket!r:.80} is no name of a bucket; expected only its name, as "
                "in my-bucket; --prefix takes the path inside it"
            )
        if self.epochs < 1:
            raise InputError(f"epochs is {self.epochs}; expected 1 or more")
        if not 0 < self.learning_rate_multiplier < math.inf:
            raise InputError(
                f"the learning-rate multiplier is {self.learning_rate_multiplier}; expected a "
                "number over 0"
            )
        if self.adapter_size not in ADAPTER_SIZES:
            sizes = ", ".join(map(str, ADAPTER_SIZES))
            raise InputError(f"adapter size {self.adapter_size} is not offered; choose of {sizes}")
        if not 1 <= len(self.name) <= 128:
            raise InputError(f"the name has {len(self.name)} characters; expected 1 to 128")

    def object_name(self, part: str, content: bytes) -> str:
        """Return the name in the bucket, of its content's own: other data never takes its place."""
        name = f"{part}-{sha256(content).hexdigest()[:12]}.jsonl"
        return "/".join(filter(None, (self.prefix.strip("/"), name)))


def check_location(location: str) -> None:
    """Refuse what is no region, such as the ``global`` that Gemini itself may be asked at.

    Raises:
        InputError: the location is no region.
    """
    if not re.fullmatch(r"[a-z]+-[a-z]+\d+", location):
        raise InputError(
            f"location {location!r:.40} is no region, and tuning runs in one; give --location, "
            "such as us-central1 or europe-west4"
        )


@dataclass(frozen=True)
class Waiting:
    """Seconds: between two looks at a job, and how long to bear a Google that does not answer."""

    poll: float = 30.0
    give_up: float = 600.0
    upload: float = 60.0


@dataclass(frozen=True)
class Progress:
    """How far a job is, as far as Google says."""

    state: str
    elapsed: float | None = None
    step: int | None = None
    steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    loss: float | None = None
    trouble: str | None = None


@dataclass(frozen=True)
class Outcome:
    """A job that succeeded, and its losses; ``curve_problem`` says why there are none."""

    job: Mapping[str, Any]
    curve: list[LossPoint] = field(default_factory=list)
    curve_problem: str | None = None

    @property
    def endpoint(self) -> str:
        """The endpoint of the tuned model."""
        return str(self.job["endpoint"])


# Google Cloud -------------------------------------------------------------------------------------


@dataclass
class GoogleCloud:
    """A project and a region of Google Cloud, and the clients to talk to them.

    ``base_url`` takes the place of Vertex AI's own address, as a proxy or a private endpoint does.
    """

    project: str
    location: str
    credentials: Any = field(repr=False)
    base_url: str | None = None

    @classmethod
    def connect(cls, project: str, location: str) -> Self:
        """Use the credentials that this machine offers.

        Raises:
            MissingExtraError: the ``gemini`` extra is not installed.
            EngineError: there are no credentials.
        """
        check_location(location)
        auth = require("google.auth", "gemini")
        try:
            credentials, _ = auth.default(scopes=[CLOUD_SCOPE])
        except auth.exceptions.GoogleAuthError:
            variable = "GOOGLE_APPLICATION_CREDENTIALS"
            what = f"{variable} names no usable key file" if os.environ.get(variable) else "none"
            raise EngineError(
                f"Google Cloud credentials: {what}; run 'gcloud auth application-default login', "
                f"or set {variable} to a service account's key file"
            ) from None
        return cls(project, location, credentials, os.environ.get(BASE_URL_VARIABLE) or None)

    @cached_property
    def tunings(self) -> Any:
        """The tuning jobs, through google-genai."""
        genai = require("google.genai", "gemini")
        client = genai.Client(
            vertexai=True,
            project=self.project,
            location=self.location,
            credentials=self.credentials,
            http_options={"base_url": self.base_url, "timeout": int(_TIMEOUT * 1000)},
        )
        self._client = client  # the SDK closes the connection once nobody holds the client
        return client.tunings

    @cached_property
    def storage(self) -> Any:
        """Cloud Storage."""
        storage = require("google.cloud.storage", "gemini")
        return storage.Client(project=self.project, credentials=self.credentials)

    @cached_property
    def curves(self) -> CurveReader:
        """The losses of jobs."""
        endpoint = self.base_url or f"{self.location}-aiplatform.googleapis.com"
        return CurveReader(self.credentials, endpoint)


def require_libraries() -> None:
    """Import all that a run needs at some time: what is missing is said before a job is paid for.

    Raises:
        MissingExtraError: a library is not installed.
    """
    for module in ("google.genai", "google.cloud.storage", "google.cloud.aiplatform_v1"):
        require(module, "gemini")
    require("matplotlib", "cards")


def split_job_name(name: str) -> tuple[str, str]:
    """Return the project and the region that the full name of a tuning job holds.

    Raises:
        InputError: it is no such name.
    """
    match = _JOB_NAME.fullmatch(name)
    if not match:
        raise InputError(
            f"{name!r:.120} is no name of a tuning job; expected "
            "projects/PROJECT/locations/REGION/tuningJobs/ID"
        )
    return match[1], match[2]


# What can go wrong --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Trouble:
    """An error of one of Google's libraries, in our words; a passing one may be gone next time."""

    text: str
    code: int = 0
    passing: bool = False


def _trouble_of(error: Exception) -> _Trouble | None:
    """Put an error of Google's libraries, or of what they stand on, into words, if it is one."""
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from google.genai import errors as genai

    corruption = require("google.cloud.storage.exceptions", "gemini").DataCorruption
    if isinstance(error, (genai.UnknownApiResponseError, corruption)):
        return _Trouble("what arrived was damaged", passing=True)
    if isinstance(error, genai.APIError | api.GoogleAPICallError):
        code = int(error.code or 0)
        return _Trouble(_google_text(error), code, passing=code in (408, 429) or code >= 500)
    if isinstance(error, auth.RefreshError | auth.DefaultCredentialsError):
        passing = isinstance(error, auth.RefreshError) and bool(error.retryable)
        return _Trouble("Google does not take the credentials", 401, passing)
    origin = type(error).__module__.split(".")[0]
    if isinstance(error, api.RetryError | auth.TransportError | ConnectionError | TimeoutError) or (
        origin in ("httpx", "httpcore", "httpx2", "requests", "urllib3")
    ):
        return _Trouble(f"Google cannot be reached ({type(error).__name__})", passing=True)
    return None


def _google_text(error: Any) -> str:
    """Return what Google itself says about a refusal, on one short line."""
    text = error.message
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        # Cloud Storage's library puts the request and its answer around it.
        text = error.response.json()["error"]["message"] or text
    return _short(text) or "no reason given"


_ADVICE: Mapping[int, str] = {
    0: "check the network and run the same command again",
    400: "check the options",
    401: "run 'gcloud auth application-default login' again",
    403: "ask for the right to do it, and see that the API is enabled in the project",
    404: "check the name, --project and --location",
    429: "the quota is used up: try again later, or ask for more of it in the console",
}


@contextmanager
def _says(doing: str, advice: Mapping[int, str] | None = None) -> Iterator[None]:
    """Turn the errors of Google's libraries into one line that says what failed and what to do."""
    try:
        yield
    except Exception as error:
        trouble = _trouble_of(error)
        if trouble is None:
            raise
        what = {**_ADVICE, **(advice or {})}.get(trouble.code, "look at the console")
        if trouble.code >= 500:
            what = "Google has a problem of its own: try again later"
        code = f" ({trouble.code})" if trouble.code else ""
        raise EngineError(f"{doing} failed: {trouble.text}{code}; {what}") from None


# The folder of a run ------------------------------------------------------------------------------


def read_state(folder: Path) -> dict[str, Any]:
    """Return what a run's folder remembers; nothing where there was no run.

    Raises:
        InputError: the file of an earlier run is damaged.
    """
    path = folder / STATE_FILE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        state = None
    if not isinstance(state, dict):
        raise InputError(f"{path} cannot be read; choose another --output, or delete the file")
    return state


def saved_job(folder: Path) -> str | None:
    """Return the name of the job that a folder's run has started, if it has."""
    name = (read_state(folder).get("job") or {}).get("name")
    return str(name) if name else None


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); choose another --output"
        ) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


# A run --------------------------------------------------------------------------------------------


def _nothing(_: object) -> None:
    pass


class TuningRun:
    """One tuning job and the folder that remembers it."""

    def __init__(
        self,
        folder: Path,
        cloud: GoogleCloud,
        *,
        waiting: Waiting | None = None,
        say: Callable[[str], None] = _nothing,
        show: Callable[[Progress], None] = _nothing,
    ) -> None:
        """Prepare a run; nothing is read, written or sent yet.

        Args:
            folder: of the run; made where needed.
            cloud: where the job runs.
            waiting: how long to wait for what.
            say: takes the lines that are said once.
            show: takes the progress at every look at the job.
        """
        self._folder = folder
        self._cloud = cloud
        self._waiting = waiting or Waiting()
        self._say = say
        self._show = show
        self._state: dict[str, Any] = {}

    def tune(self, data: TuningData, options: TuningOptions) -> Outcome:
        """Tune a model, or go on with the job that the folder has started with the same options.

        Args:
            data: checked and split pairs.
            options: of the job.

        Raises:
            InputError: the folder holds another run.
            MissingExtraError: a library is not installed.
            EngineError: Google refuses or cannot be reached, or the job ends without a model.
        """
        require_libraries()
        asked = {"options": asdict(options), "data": data.describe()}
        name = self._earlier_job(asked)
        if name is None:
            self._prepare(asked, data)
            uris = self._upload(data, options)
            name = self._start(options, uris)
        return self._finish(self._follow(name))

    def resume(self, name: str) -> Outcome:
        """Follow a job that was started before, here or elsewhere.

        Args:
            name: full name of the job.

        Raises:
            InputError: this is no name of a job, or the folder holds another one.
            MissingExtraError: a library is not installed.
            EngineError: Google refuses or cannot be reached, or the job ends without a model.
        """
        split_job_name(name)
        require_libraries()
        self._state = read_state(self._folder)
        known = (self._state.get("job") or {}).get("name")
        # Google names a project by its number or by its id.
        if known and known.split("/")[2:] != name.split("/")[2:]:
            raise InputError(f"{self._folder} holds another job, {known}; choose another --output")
        return self._finish(self._follow(name))

    # Before the job

    def _earlier_job(self, asked: dict[str, Any]) -> str | None:
        """Return the job to go on with, or None where one is to be started."""
        self._state = state = read_state(self._folder)
        job = state.get("job") or {}
        if not state.get("label") and not job:
            return None
        lost = job.get("state") in _LOST
        differences = _differences(state, asked)
        if differences and not lost:
            raise InputError(
                f"{self._folder} holds another run ({differences}); choose another --output"
            )
        if lost:
            self._say(f"the earlier job {job['name']} is {job['state']}; another is started")
            return None
        name = job.get("name") or self._find_job(state["label"])
        if name:
            self._say(f"going on with {name}; no other job is started")
        return name

    def _prepare(self, asked: dict[str, Any], data: TuningData) -> None:
        label = None if self._state.get("job") else self._state.get("label")
        for part, content in data.files.items():
            _write(self._folder / f"{part}.jsonl", content)
        if not data.validation:
            (self._folder / "validation.jsonl").unlink(missing_ok=True)
        self._state = {**asked, "label": label, "files": {}, "job": None}
        self._save()

    def _save(self) -> None:
        text = json.dumps(self._state, indent=1, ensure_ascii=False)
        _write(self._folder / STATE_FILE, f"{text}\n".encode())

    def _upload(self, data: TuningData, options: TuningOptions) -> dict[str, str]:
        retry = require("google.cloud.storage.retry", "gemini").DEFAULT_RETRY
        patience = {"retry": retry.with_timeout(self._waiting.upload), "timeout": _TIMEOUT}
        bucket = self._open_bucket(options, patience)
        uris = {}
        for part, content in data.files.items():
            name = options.object_name(part, content)
            uris[part] = f"gs://{options.bucket}/{name}"
            advice = {403: "the account needs the role Storage Object User on the bucket"}
            with _says(f"uploading {uris[part]}", advice):
                if _is_there(bucket, name, content, patience):
                    self._say(f"already there: {uris[part]}")
                    continue
                self._say(f"uploading {uris[part]} ({len(content):,} bytes)")
                bucket.blob(name).upload_from_string(
                    content, content_type="application/jsonl", checksum="crc32c", **patience
                )
        self._state["files"] = uris
        self._save()
        return uris

    def _open_bucket(self, options: TuningOptions, patience: Mapping[str, Any]) -> Any:
        from google.api_core.exceptions import Forbidden

        storage = self._cloud.storage
        make = (
            f"make it (gcloud storage buckets create gs://{options.bucket} --location "
            f"{options.location}) or check --bucket"
        )
        with _says(f"opening gs://{options.bucket}", {404: make}):
            try:
                bucket = storage.get_bucket(options.bucket, **patience)
            except Forbidden:  # who may write objects need not be allowed to see the bucket itself
                return storage.bucket(options.bucket)
        where = str(bucket.location or "").lower()
        if bucket.location_type == "region" and where != options.location:
            raise EngineError(
                f"gs://{options.bucket} is in {where} and the job would run in "
                f"{options.location}; take a bucket in {options.location}, or --location {where}"
            )
        return bucket

    # The job

    def _start(self, options: TuningOptions, uris: Mapping[str, str]) -> str:
        self._state["label"] = self._state.get("label") or uuid.uuid4().hex
        self._save()  # before it is asked for: a stop from here on must not cost a second job
        self._say(f"starting a job in {options.project}, {options.location}")
        try:
            job = self._ask_for_job(options, uris)
        except EngineError:
            self._state["label"] = None
            self._save()
            raise
        if job is None:
            name = self._find_job(self._state["label"])
            if name is None:
                raise EngineError(
                    "Google did not answer the request for the job; run the same command again: "
                    "it looks whether there is a job before it starts one"
                )
            return name
        self._remember(job)
        return str(job.name)

    def _ask_for_job(self, options: TuningOptions, uris: Mapping[str, str]) -> Any:
        """Ask for the job once; None: no telling whether it was made."""
        from google.genai import types

        tunings = self._cloud.tunings
        advice = {
            400: "check --model, --adapter-size and --location",
            403: f"the account needs the role Vertex AI User in {options.project}, and the "
            "Vertex AI API must be enabled there",
        }
        with _says("starting the job", advice), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the SDK calls all of its tuning experimental
            try:
                return tunings.tune(
                    base_model=options.model,
                    training_dataset=types.TuningDataset(gcs_uri=uris["train"]),
                    config=types.CreateTuningJobConfig(
                        **_job_config(options, uris, self._state["label"])
                    ),
                )
            except Exception as error:
                trouble = _trouble_of(error)
                # Told to wait (429) is told no; any other passing trouble may have come after it.
                if trouble is None or not trouble.passing or trouble.code == 429:
                    raise
                return None

    def _find_job(self, label: str) -> str | None:
        """Return the job that carries our label."""
        with _says("looking for the job that may have been started before"):
            for job in self._cloud.tunings.list():
                if (job.labels or {}).get(_LABEL) == label:
                    self._remember(job)
                    return str(job.name)
        return None

    def _remember(self, job: Any) -> None:
        self._state["job"] = _record(job)
        self._save()

    def _follow(self, name: str) -> Any:
        """Look at a job until it has ended."""
        hint = f"the job goes on at Google; follow it with: memotions tune --resume {name}"
        silent_since: float | None = None
        while True:
            try:
                job = self._cloud.tunings.get(name=name)
            except Exception as error:
                trouble = _trouble_of(error)
                if trouble is None:
                    raise
                now = time.monotonic()
                silent_since = silent_since if silent_since is not None else now
                if not trouble.passing or now - silent_since >= self._waiting.give_up:
                    raise _unfollowed(name, trouble, now - silent_since, hint) from None
                self._show(Progress("UNKNOWN", trouble=trouble.text))
            else:
                silent_since = None
                self._remember(job)
                if self._state["job"]["state"] in (*_SUCCEEDED, *_LOST):
                    return job
                self._show(self._progress(job))
            time.sleep(self._waiting.poll)

    def _progress(self, job: Any) -> Progress:
        curve: list[LossPoint] = []
        if job.experiment:
            try:
                curve = self._read_curve(job)
            except EngineError:  # there may be none yet, or never; the end of the job says so
                curve = []
        detail = job.tuning_job_state.name if job.tuning_job_state else ""
        detail = detail.removeprefix("TUNING_JOB_STATE_").replace("_", " ").lower()
        state = _state_of(job)
        epochs = _epochs(job)
        done = job.tuning_job_metadata and job.tuning_job_metadata.completed_epoch_count
        return Progress(
            state=f"{state}, {detail}" if detail and detail != "unspecified" else state,
            elapsed=_elapsed(job),
            step=curve[-1].step if curve else None,
            steps=_steps(job),
            epoch=done or None,
            epochs=epochs or None,
            loss=last_loss(curve, lambda point: point.train_loss),
        )

    def _read_curve(self, job: Any) -> list[LossPoint]:
        advice = {403: "the account needs the role Vertex AI User to read them"}
        with _says("reading the losses", advice):
            return self._cloud.curves.read(job.experiment, _steps(job), _epochs(job))

    # After the job

    def _finish(self, job: Any) -> Outcome:
        record = self._state["job"]
        if record["state"] in _LOST:
            reason = record["error"] or "Google gives no reason"
            raise EngineError(f"the tuning job {record['name']} is {record['state']}: {reason}")
        if not record["endpoint"]:
            raise EngineError(
                f"the tuning job {record['name']} succeeded, but names no endpoint; look for the "
                "model in the console"
            )
        try:
            if not job.experiment:
                raise EngineError("the job names no experiment")
            curve = self._read_curve(job)
            if not curve:
                raise EngineError("Google has not written any losses yet")
        except EngineError as error:
            return Outcome(record, curve_problem=str(error))
        self._keep_curve(curve)
        return Outcome(record, curve)

    def _keep_curve(self, curve: list[LossPoint]) -> None:
        title = f"Tuning of {self._state['job']['base_model'] or 'Gemini'}"
        _write(self._folder / CSV_FILE, curve_table(curve))
        _write(self._folder / PNG_FILE, draw_curve(curve, title))
        self._state["loss"] = {
            "train": last_loss(curve, lambda point: point.train_loss),
            "validation": last_loss(curve, lambda point: point.validation_loss),
        }
        self._save()


def cancel(name: str, cloud: GoogleCloud) -> None:
    """Ask Google to cancel a job.

    Raises:
        InputError: this is no name of a job.
        EngineError: Google refuses or cannot be reached.
    """
    split_job_name(name)
    with _says(f"cancelling {name}", {400: "a job that has ended cannot be cancelled"}):
        cloud.tunings.cancel(name=name)


# Details ------------------------------------------------------------------------------------------


def _job_config(options: TuningOptions, uris: Mapping[str, str], label: str) -> dict[str, Any]:
    validation = uris.get("validation")
    return {
        "tuned_model_display_name": options.name,
        "epoch_count": options.epochs,
        "learning_rate_multiplier": options.learning_rate_multiplier,
        "adapter_size": ADAPTER_SIZES[options.adapter_size],
        "validation_dataset": {"gcs_uri": validation} if validation else None,
        "labels": {_LABEL: label},
    }


def _is_there(bucket: Any, name: str, content: bytes, patience: Mapping[str, Any]) -> bool:
    """Tell whether the bucket holds the very content under a name."""
    from google.api_core.exceptions import Forbidden

    try:
        blob = bucket.get_blob(name, **patience)
    except Forbidden:  # who may write an object need not be allowed to read it
        return False
    checksum = require("google_crc32c", "gemini").Checksum(content).digest()
    return blob is not None and blob.crc32c == base64.b64encode(checksum).decode()


def _differences(state: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Name what an earlier run had otherwise, with its values."""
    old, new = state.get("options"), asked["options"]
    if not old:
        return "a job that was followed with --resume"
    found = [f"{key} {old.get(key)}, not {new[key]}" for key in new if old.get(key) != new[key]]
    if state.get("data") != asked["data"]:
        found.append("other data")
    return "; ".join(found)


def _unfollowed(name: str, trouble: _Trouble, silence: float, hint: str) -> EngineError:
    if trouble.passing:
        return EngineError(
            f"no answer about {name} for {silence / 60:.0f} minutes ({trouble.text}); {hint}"
        )
    if trouble.code == 404:
        return EngineError(
            f"there is no job {name}: {trouble.text}; check its name, or choose another --output"
        )
    return EngineError(f"following {name} failed: {trouble.text} ({trouble.code}); {hint}")


def _state_of(job: Any) -> str:
    return job.state.name.removeprefix("JOB_STATE_") if job.state else "UNSPECIFIED"


def _stats(job: Any) -> Any:
    return job.tuning_data_stats and job.tuning_data_stats.supervised_tuning_data_stats


def _steps(job: Any) -> int | None:
    stats = _stats(job)
    return (stats and stats.tuning_step_count) or None


def _epochs(job: Any) -> int:
    spec = job.supervised_tuning_spec
    return int((spec and spec.hyper_parameters and spec.hyper_parameters.epoch_count) or 0)


def _elapsed(job: Any) -> float | None:
    if job.create_time is None:
        return None
    seconds: float = ((job.end_time or datetime.now(UTC)) - job.create_time).total_seconds()
    return max(0.0, seconds)


def _record(job: Any) -> dict[str, Any]:
    """Return what a run remembers of a job: no rows, of which Google sends some along."""
    stats, model = _stats(job), job.tuned_model
    return {
        "name": job.name,
        "state": _state_of(job),
        "base_model": job.base_model,
        "created": job.create_time and job.create_time.isoformat(),
        "ended": job.end_time and job.end_time.isoformat(),
        "steps": _steps(job),
        "billable_tokens": stats and stats.total_billable_token_count,
        "left_out_rows": stats and stats.total_truncated_example_count,
        "experiment": job.experiment,
        "model": model and model.model,
        "endpoint": model and model.endpoint,
        "error": job.error and _short(job.error.message),
    }


def _short(text: str | None) -> str:
    line = " ".join((text or "").split()).rstrip(". ")
    return line if len(line) <= _MAX_MESSAGE else f"{line[: _MAX_MESSAGE - 1]}…"
