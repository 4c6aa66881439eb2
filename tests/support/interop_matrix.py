"""The interop matrix: which client loads which artifact, in which condition, and what it does then.

:func:`run_matrix` publishes a small model, a small corpus, the metric and the Space with
``memotions push``, twice, and has every client of ``interop_clients.py`` load them in every
condition. Clients of one library have a Hub and a process of their own, and a second process with
HF_HUB_OFFLINE=1. ``benchmarks/results/interop.json`` holds the outcomes, in words; it is written by
``benchmarks/interop.py``, and tests/hub/test_interop.py compares a new run with it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from huggingface_hub import HfApi

from memotions_hf import EmotionClassifier
from memotions_hf.cards.dataset_folder import write_card
from memotions_hf.corpus.merge import MergeOptions
from memotions_hf.corpus.publish import build_folder
from memotions_hf.tokenization import encode_batch, load_tokenizer

from . import interop_clients
from .hub import Hub, loopback_hub
from .interop_clients import PARQUET, TEXT
from .small_corpus import write_small_mirror
from .small_models import small_model
from .space import running_space

RESULT = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "interop.json"

CONDITIONS = {
    "private": "no token",
    "private-token": "the token as an argument",
    "private-login": "the token in HF_TOKEN",
    "small-wrong": "a small file arrives in its right size, but with other words",
    "small-wrong-later": "loaded again from what that left in the cache",
    "small-short": "half of a small file arrives",
    "large-wrong": "a large file arrives in its right size, but with other content",
    "large-wrong-later": "loaded again from what that left in the cache",
    "large-short": "half of a large file arrives",
    "revision": "an older revision, a tag",
    "online": "the newest revision, public",
    "absent-revision": "a revision that does not exist, while the newest is in the cache",
    "offline": "HF_HUB_OFFLINE=1, with the newest revision in the cache",
    "offline-uncached": "HF_HUB_OFFLINE=1, with an empty cache",
}
"""Every condition, in the order in which they are tried, with an empty cache if nothing is said."""

_GO_ON = ("small-wrong-later", "large-wrong-later", "absent-revision", "offline")
_OWNER, _LAB = "memotions", "memotions-lab"
_NAMES = {
    "model": "memotions-bilstm",
    "dataset": "memotions-corpus",
    "metric": "memotions-emotion",
    "space": "memotions",
}
_OLD, _ABSENT = "v1", "v9"
_VERSIONS = (
    "datasets", "evaluate", "gradio_client", "huggingface_hub", "keras", "onnxruntime", "pandas",
    "transformers",
)  # fmt: skip
_TASK_SECONDS = 120
_OTHER_WORDS = {
    ".parquet": (b"senang", b"tenang"),
    **dict.fromkeys((".json", ".md", ".py"), (b"sad", b"mad")),
}

Matrix = dict[str, dict[str, str]]
"""The outcome, by client and condition."""


@dataclass(frozen=True)
class Client:
    """A client, and what it loads.

    Args:
        library: whose processes it runs in; the heavy ones are imported once for several clients.
        artifact: "model", "dataset", "metric" or "space".
        call: how it is written.
        small: a small file that it reads, if any.
        large: a large file that it reads, if any.
        token: how a token is handed over, beside HF_TOKEN.
        revision: how a revision is named.
    """

    library: str
    artifact: str
    call: str
    small: str | None = None
    large: str | None = None
    token: str = "`token=`"
    revision: str = "`revision=`"

    def conditions(self) -> list[str]:
        """Return the conditions in which the client can be."""
        absent = [
            size for size, path in (("small", self.small), ("large", self.large)) if path is None
        ]
        return [name for name in CONDITIONS if name.split("-")[0] not in absent]


CLIENTS = {
    "classifier": Client(
        "hub", "model", "`EmotionClassifier.from_pretrained`", "config.json", "model.onnx"
    ),
    "bilstm": Client(
        "keras", "model", "`MemotionsBiLSTM.from_pretrained`", "config.json", "model.weights.h5"
    ),
    "keras-hf": Client(
        "keras", "model", '`keras.saving.load_model("hf://...")`', "config.json", "model.weights.h5"
    ),
    "tokenizer": Client("torch", "model", "`transformers.AutoTokenizer`", "tokenizer.json"),
    "pipeline": Client(
        "torch", "model", "`transformers.pipeline`", "config.json", "model.safetensors"
    ),
    "onnxruntime": Client("hub", "model", "`onnxruntime`, `hf_hub_download`", None, "model.onnx"),
    "model-card": Client("hub", "model", "`ModelCard.load`", "README.md"),
    "load-dataset": Client("data", "dataset", "`datasets.load_dataset`", "README.md", PARQUET),
    "streaming": Client("data", "dataset", "... `streaming=True`", "README.md", PARQUET),
    "pandas": Client(
        "data", "dataset", '`pandas.read_parquet("hf://...")`', None, PARQUET,
        "`storage_options=`", "`hf://...@v1`",
    ),
    "dataset-card": Client("data", "dataset", "`DatasetCard.load`", "README.md"),
    "evaluate": Client(
        "data", "metric", "`evaluate.load`", "memotions-emotion.py", None, "`download_config=`"
    ),
    "snapshot": Client("hub", "space", "`snapshot_download`", "README.md"),
    "gradio-client": Client("gradio", "space", "`gradio_client.Client`"),
}  # fmt: skip
_LIBRARIES = ("keras", "gradio", "torch", "data", "hub")  # those that take longest first


# What is published --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """A Hub at rest that holds every artifact, twice in public and once in private.

    Args:
        store: its folder, to be copied.
        expected: what each client is to load, by revision.
        ids: the text as the model's ids.
    """

    store: Path
    expected: Mapping[str, Mapping[str, Any]]
    ids: list[int]


def publish(folder: Path) -> Published:
    """Publish an older and a newer revision of everything, and private copies of the newer one.

    What ``memotions push`` would publish alike both times gets another card, and the metric another
    description.
    """
    models = [small_model(seed=seed).save_pretrained(folder / f"model-{seed}") for seed in (2, 1)]
    corpora = [_build_corpus(folder / f"corpus-{number}", number) for number in (1, 2)]
    with loopback_hub(folder / "store") as hub:
        api = HfApi(endpoint=hub.url, token=hub.tokens.write)
        expected = {}
        for revision, model, corpus in zip((_OLD, "main"), models, corpora, strict=True):
            _push(hub, folder / "home", model, corpus)
            for artifact in _NAMES:
                _change_card(hub, artifact, revision)
                if revision == _OLD:
                    api.create_tag(_repo(artifact), tag=_OLD, repo_type=_repo_type(artifact))
            expected[revision] = _expected(hub, model)
        for artifact in _NAMES:
            hub.put(
                _repo(artifact, _LAB),
                _files(hub, artifact),
                repo_type=_repo_type(artifact),
                private=True,
            )
    tokenizer = load_tokenizer(models[1])
    return Published(folder / "store", expected, encode_batch(tokenizer, [TEXT], 64)[0])


def _build_corpus(folder: Path, number: int) -> Path:
    options = MergeOptions(sources=("emot",))
    with pytest.MonkeyPatch.context() as patch:
        mirror = write_small_mirror(folder.parent / f"{folder.name}-mirror", patch)
        train = mirror / "emot" / "train_preprocess.csv"
        train.write_text(train.read_text("utf-8") + f"happy,senang nomor {number}\n", "utf-8")
        return build_folder(
            folder,
            options=options,
            configs=["merged", "emot"],
            finish=lambda draft, infos: write_card(draft, infos, options=options),
        )


def _push(hub: Hub, home: Path, model: Path, corpus: Path) -> None:
    code = "import sys; from memotions_hf.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ("--all", "--namespace", _OWNER, "--model", str(model), "--dataset", str(corpus))
    done = hub.run(code, "push", *arguments, home=home, token=hub.tokens.write)
    if done.returncode:
        raise RuntimeError(f"memotions push failed: {done.stderr[-2000:]}")


def _change_card(hub: Hub, artifact: str, revision: str) -> None:
    files = _files(hub, artifact)
    changes = {"README.md": files["README.md"] + f"\nRevision {revision}.\n".encode()}
    if artifact == "metric":
        script = f"{_NAMES[artifact]}.py"
        changes[script] = files[script].replace(b"Scores", f"Scores ({revision})".encode())
    hub.put(_repo(artifact), changes, repo_type=_repo_type(artifact))


def _expected(hub: Hub, model: Path) -> dict[str, Any]:
    """Return what each client is to load from the newest revision, found without it."""
    files = {artifact: _files(hub, artifact) for artifact in _NAMES}
    cards = {artifact: content["README.md"].decode() for artifact, content in files.items()}
    probabilities = EmotionClassifier.from_pretrained(model).predict_proba(TEXT)[0].tolist()
    texts = pyarrow.parquet.read_table(io.BytesIO(files["dataset"][PARQUET]))["text"].to_pylist()
    script = files["metric"][f"{_NAMES['metric']}.py"].decode()
    return {
        **dict.fromkeys(("classifier", "bilstm", "keras-hf", "pipeline"), probabilities),
        "onnxruntime": probabilities,
        "tokenizer": encode_batch(load_tokenizer(model), [TEXT], 64)[0],
        **{f"{artifact}-card": cards[artifact] for artifact in ("model", "dataset")},
        **dict.fromkeys(("load-dataset", "streaming", "pandas"), texts),
        "evaluate": [*re.findall(r"^Scores.*$", script, re.M), 1.0],
        "snapshot": {
            name: hashlib.sha256(data).hexdigest() for name, data in files["space"].items()
        },
        "gradio-client": EmotionClassifier.from_pretrained()(TEXT)[0]["label"],
    }


def _files(hub: Hub, artifact: str) -> dict[str, bytes]:
    return hub.files(_repo(artifact), repo_type=_repo_type(artifact))


def _repo(artifact: str, owner: str = _OWNER) -> str:
    return f"{owner}/{_NAMES[artifact]}"


def _repo_type(artifact: str) -> str:
    return "space" if artifact == "metric" else artifact


# A client in every condition ----------------------------------------------------------------------


def run_matrix(folder: Path) -> Matrix:
    """Try all clients in all their conditions, two at a time; the folder is empty before."""
    published = publish(folder / "published")
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = [
            pool.submit(run_library, library, published, folder / library) for library in _LIBRARIES
        ]
        matrix = {name: outcomes for run in runs for name, outcomes in run.result().items()}
    return {name: matrix[name] for name in CLIENTS}


def run_library(library: str, published: Published, folder: Path) -> Matrix:
    """Try the clients of one library in all their conditions."""
    home = folder / "home"
    home.mkdir(parents=True)
    shutil.copytree(published.store, folder / "store")
    with ExitStack() as stack:
        hub = stack.enter_context(loopback_hub(folder / "store"))
        if library == "gradio":
            app = stack.enter_context(running_space(folder / "app"))
            hub.spaces_run_at.update({_repo("space", name): app.url for name in (_OWNER, _LAB)})
        online = stack.enter_context(_process(hub, home))
        offline = stack.enter_context(_process(hub, home, HF_HUB_OFFLINE="1"))
        return {
            name: {
                condition: _Trial(name, published, hub).outcome(
                    condition, offline if condition.startswith("offline") else online
                )
                for condition in client.conditions()
            }
            for name, client in CLIENTS.items()
            if client.library == library
        }


Ask = Callable[[dict[str, Any]], dict[str, Any]]


@contextmanager
def _process(hub: Hub, home: Path, **variables: str) -> Iterator[Ask]:
    """Start a process of clients, and yield what hands it a task and returns the reply."""
    # evaluate would count the download on another host.
    settings = {"HF_UPDATE_DOWNLOAD_COUNTS": "0", "CUDA_VISIBLE_DEVICES": "-1", **variables}
    with (home.parent / "client.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", interop_clients.__file__],
            cwd=home,
            env=hub.environment(home, **settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def ask(task: dict[str, Any]) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(_TASK_SECONDS, process.kill)
        watch.start()
        try:
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
            reply: dict[str, Any] = json.loads(process.stdout.readline() or "{}")
        except BrokenPipeError:
            return {}
        finally:
            watch.cancel()
        return reply

    try:
        yield ask
    finally:
        process.communicate()


@dataclass(frozen=True)
class _Trial:
    """A client that is to be tried."""

    name: str
    published: Published
    hub: Hub

    def outcome(self, condition: str, ask: Ask) -> str:
        """Bring a condition about, have the client load, and say in words what it did."""
        self.hub.clear()
        with self._damaged(condition):
            reply = ask(self._task(condition))
        if "loaded" in reply:
            return self._loaded(condition, reply["loaded"])
        if "error" in reply:
            return self._failed(reply["error"], reply["message"])
        return "does not answer"

    def _task(self, condition: str) -> dict[str, Any]:
        token = self.hub.tokens.read
        options = {
            "private-token": {"token": token},
            "revision": {"revision": _OLD},
            "absent-revision": {"revision": _ABSENT},
        }
        owner = _LAB if condition.startswith("private") else _OWNER
        return {
            "client": self.name,
            "repo": _repo(CLIENTS[self.name].artifact, owner),
            "options": options.get(condition, {}),
            "login": token if condition == "private-login" else None,
            "empty": condition not in _GO_ON,
            "ids": self.published.ids,
        }

    def _file(self, condition: str) -> tuple[str, bytes] | None:
        """Return the path and the content of the file that a condition is about."""
        client = CLIENTS[self.name]
        size = condition.split("-", maxsplit=1)[0]
        path = {"small": client.small, "large": client.large}.get(size)
        return (path, _files(self.hub, client.artifact)[path]) if path else None

    @contextmanager
    def _damaged(self, condition: str) -> Iterator[None]:
        """Let the Hub serve a damaged file for a while, as if it were the right one."""
        file = self._file(condition)
        if file and condition.endswith("-wrong"):
            path, content = file
            stored = self.hub.store.object_path(hashlib.sha256(content).hexdigest())
            stored.write_bytes(other_content(path, content))
            yield
            stored.write_bytes(content)
            return
        if file and condition.endswith("-short"):
            path, content = file
            artifact = CLIENTS[self.name].artifact
            self.hub.truncate(
                _repo(artifact), path, after=len(content) // 2, repo_type=_repo_type(artifact)
            )
        yield

    def _loaded(self, condition: str, loaded: Any) -> str:
        asked = self.hub.requests
        file = self._file(condition)
        if file:
            sha256 = hashlib.sha256(file[1]).hexdigest()
            content = rf"GET .*(/object/{sha256}|/{re.escape(file[0])})"
            is_read = any(re.fullmatch(content, line) for line in asked)
            if condition.endswith("-later"):
                return "works" if is_read else "keeps the damaged file"
            return "notices nothing" if is_read else "does not read it"
        revision = _OLD if condition == "revision" else "main"
        if not _same(loaded, self.published.expected[revision][self.name]):
            return "loads something else"
        if condition == "absent-revision":
            return "loads the newest one instead"
        if condition.startswith("offline"):
            return "asks the network all the same" if asked else "works from the cache"
        return "works"

    def _failed(self, kinds: list[str], message: str) -> str:
        if "MemotionsError" in kinds and "\n" not in message:
            message = re.sub(r"^cannot load '[^']*'(, revision '[^']*')?: ", "", message)
            # What follows in brackets are another library's words, sizes and paths.
            return "one line: " + re.sub(r" \(.*\);", ";", message)
        if kinds[0] == "TypeError" and "unexpected keyword" in message:
            return "no such argument"
        return f"raises {kinds[0]}"


def other_content(path: str, content: bytes) -> bytes:
    """Return another content of the same size that a program can read just as well."""
    old, new = _OTHER_WORDS.get(Path(path).suffix, (b"", b""))
    if path == "tokenizer.json":
        old, new = b"<url>", b"<urk>"
    middle = len(content) // 2
    changed = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
    other = content.replace(old, new) if old else changed
    if other == content or len(other) != len(content):
        raise ValueError(f"{path} does not say {old!r}")
    return other


def _same(loaded: Any, expected: Any) -> bool:
    if isinstance(expected, list) and isinstance(expected[0], float):
        return bool(np.allclose(loaded, expected, atol=1e-4))
    return bool(loaded == expected)


# The file -----------------------------------------------------------------------------------------


def write_result(matrix: Matrix, path: Path = RESULT) -> None:
    """Write what benchmarks/results/interop.json holds."""
    result = {
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONS},
        "conditions": CONDITIONS,
        "clients": {
            name: {
                "artifact": CLIENTS[name].artifact,
                "call": CLIENTS[name].call,
                "token": CLIENTS[name].token,
                "revision": CLIENTS[name].revision,
                "outcomes": outcomes,
            }
            for name, outcomes in matrix.items()
        },
    }
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_result(path: Path = RESULT) -> Matrix:
    """Return the outcomes in benchmarks/results/interop.json."""
    clients = json.loads(path.read_text(encoding="utf-8"))["clients"]
    return {name: client["outcomes"] for name, client in clients.items()}
