"""The clients of the interop matrix, run in a process of their own as ``interop_clients.py``.

It reads a task a line (JSON: the client, the repository, whether to empty the caches, the token to
be logged in with, the arguments), and answers each with a line: what was loaded, or the error. The
clients are unmodified, and used as their documentation says; see interop_matrix.py.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEXT = "Hari ini aku gagal lagi"
CONFIG, SPLIT = "merged", "train"
PARQUET = f"{CONFIG}/{SPLIT}-00000-of-00001.parquet"

Task = dict[str, Any]


# The model ----------------------------------------------------------------------------------------


def emotion_classifier(repo: str, _: Task, **options: Any) -> Any:
    from memotions_hf import EmotionClassifier

    return EmotionClassifier.from_pretrained(repo, **options).predict_proba(TEXT)[0].tolist()


def keras_bilstm(repo: str, _: Task, **options: Any) -> Any:
    from memotions_hf import MemotionsBiLSTM

    return MemotionsBiLSTM.from_pretrained(repo, **options).predict_proba([TEXT])[0].tolist()


def keras_load_model(repo: str, task: Task, **options: Any) -> Any:
    import keras
    import numpy as np

    model: Any = keras.saving.load_model(f"hf://{repo}", **options)
    return model.predict_on_batch(np.array([task["ids"]]))[0].tolist()


def auto_tokenizer(repo: str, _: Task, **options: Any) -> Any:
    from transformers import AutoTokenizer

    # Without the argument it asks, on the terminal and for 15 seconds,
    # whether it may run the repository's code, though a tokenizer needs none of it.
    tokenizer: Any = AutoTokenizer.from_pretrained(repo, trust_remote_code=False, **options)
    return tokenizer(TEXT)["input_ids"]


def transformers_pipeline(repo: str, _: Task, **options: Any) -> Any:
    from transformers import pipeline

    pipe: Any = pipeline("text-classification", model=repo, trust_remote_code=True, **options)
    ids = pipe.model.config.label2id
    answers = sorted(pipe(TEXT, top_k=None), key=lambda answer: ids[answer["label"]])
    return [answer["score"] for answer in answers]


def onnx_runtime(repo: str, task: Task, **options: Any) -> Any:
    import numpy as np
    import onnxruntime
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(repo, "model.onnx", **options)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return session.run(None, {name: np.array([task["ids"]])})[0][0].tolist()


def model_card(repo: str, _: Task, **options: Any) -> Any:
    from huggingface_hub import ModelCard

    return ModelCard.load(repo, **options).content


# The data set -------------------------------------------------------------------------------------


def load_dataset(repo: str, _: Task, **options: Any) -> Any:
    import datasets

    return list(datasets.load_dataset(repo, CONFIG, split=SPLIT, **options)["text"])


def stream_dataset(repo: str, _: Task, **options: Any) -> Any:
    import datasets

    stream = datasets.load_dataset(repo, CONFIG, split=SPLIT, streaming=True, **options)
    return [row["text"] for row in stream]


def pandas_parquet(repo: str, _: Task, **options: Any) -> Any:
    import pandas  # type: ignore[import-untyped]

    revision = options.pop("revision", None)
    name = f"{repo}@{revision}" if revision else repo
    frame = pandas.read_parquet(f"hf://datasets/{name}/{PARQUET}", storage_options=options or None)
    return frame["text"].tolist()


def dataset_card(repo: str, _: Task, **options: Any) -> Any:
    from huggingface_hub import DatasetCard

    return DatasetCard.load(repo, **options).content


# The metric and the Space -------------------------------------------------------------------------


def evaluate_load(repo: str, _: Task, **options: Any) -> Any:
    evaluate = _evaluate_alone()
    from datasets import DownloadConfig

    if "token" in options:
        options["download_config"] = DownloadConfig(token=options.pop("token"))
    metric = evaluate.load(repo, **options)
    scores = metric.compute(predictions=[0, 1], references=[0, 1], bootstrap_samples=2)
    return [metric.description.strip().splitlines()[0], scores["macro_f1"]]


def _evaluate_alone() -> Any:
    """Import evaluate as where transformers is not installed, whose import takes the longest."""
    if "evaluate" not in sys.modules:
        sys.modules["transformers"] = None  # type: ignore[assignment]
        importlib.import_module("evaluate")
        del sys.modules["transformers"]
    return sys.modules["evaluate"]


def snapshot_download(repo: str, _: Task, **options: Any) -> Any:
    import huggingface_hub

    folder = Path(huggingface_hub.snapshot_download(repo, repo_type="space", **options))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".gitattributes"
    }


def gradio_call(repo: str, _: Task, **options: Any) -> Any:
    from gradio_client import Client

    client = Client(repo, verbose=False, analytics_enabled=False, **options)
    try:
        return client.predict(TEXT, api_name="/predict")["emotions"][0]["label"]
    finally:
        client.close()


CLIENTS: dict[str, Callable[..., Any]] = {
    "classifier": emotion_classifier,
    "bilstm": keras_bilstm,
    "keras-hf": keras_load_model,
    "tokenizer": auto_tokenizer,
    "pipeline": transformers_pipeline,
    "onnxruntime": onnx_runtime,
    "model-card": model_card,
    "load-dataset": load_dataset,
    "streaming": stream_dataset,
    "pandas": pandas_parquet,
    "dataset-card": dataset_card,
    "evaluate": evaluate_load,
    "snapshot": snapshot_download,
    "gradio-client": gradio_call,
}


# The process --------------------------------------------------------------------------------------


def empty_caches() -> None:
    """Delete what clients keep on disk, and the listings that file systems keep in memory."""
    for path in Path(os.environ["HF_HOME"]).iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if "huggingface_hub" in sys.modules:
        from huggingface_hub import HfFileSystem

        HfFileSystem.clear_instance_cache()


def answer(task: Task) -> dict[str, Any]:
    """Do a task, and return what was loaded, or the error's types and message."""
    os.environ.pop("HF_TOKEN", None)
    if task["login"]:
        os.environ["HF_TOKEN"] = task["login"]
    if task["empty"]:
        empty_caches()
    try:
        return {"loaded": CLIENTS[task["client"]](task["repo"], task, **task["options"])}
    except Exception as error:  # whatever a client raises is what the matrix is about
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"error": kinds, "message": str(error)}


def main() -> None:
    # What libraries print must not be taken for an answer, nor a task for what somebody types.
    tasks, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    # Clients wait before they try again, up to a minute in all.
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(float(seconds), 0.01))
    for line in tasks:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
