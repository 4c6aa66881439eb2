"""What importing the package loads: nothing heavy, so that every command starts fast."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "tensorflow", "keras", "torch", "gradio", "transformers", "datasets", "sklearn", "matplotlib",
    "pandas", "onnx",
}  # fmt: skip


def modules_after(code: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return set(json.loads(result.stdout))


@pytest.mark.parametrize("code", ["import memotions_hf", "import memotions_hf.cli"])
def test_the_package_and_the_command_import_nothing_heavy(code: str) -> None:
    loaded = modules_after(code)
    assert not loaded & (HEAVY | {"onnxruntime", "tokenizers", "huggingface_hub", "numpy"})


def test_the_classifier_needs_onnxruntime_only() -> None:
    loaded = modules_after("from memotions_hf import EmotionClassifier")
    assert not loaded & (HEAVY | {"huggingface_hub"})


def test_answering_needs_onnxruntime_only(toy_model_folder: object) -> None:
    loaded = modules_after(
        "from memotions_hf import EmotionClassifier\n"
        f"EmotionClassifier.from_pretrained({str(toy_model_folder)!r}).explain('aku sedih')"
    )
    assert "onnxruntime" in loaded
    assert not loaded & (HEAVY | {"huggingface_hub"})


def test_the_first_answer_loads_and_compiles_only_what_it_needs(toy_model_folder: object) -> None:
    libraries = modules_after("import numpy.typing, onnxruntime, tokenizers")
    loaded = modules_after(
        "from memotions_hf import EmotionClassifier\n"
        f"EmotionClassifier.from_pretrained({str(toy_model_folder)!r})('aku sedih')\n"
        "import re\n"
        "from memotions_hf.inference import journal\n"
        "assert not any(isinstance(value, re.Pattern) for value in vars(journal).values())"
    )
    assert not (loaded - libraries) & {"tempfile", "shutil", "random", "huggingface_hub"}


def test_every_public_name_can_be_listed() -> None:
    import memotions_hf

    assert set(memotions_hf.__all__) <= set(dir(memotions_hf))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = memotions_hf.nothing
