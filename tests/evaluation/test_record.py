import json
import shutil

import numpy as np
import pytest

from memotions_hf.errors import ModelLoadError
from memotions_hf.evaluation.baselines import MajorityClass
from memotions_hf.evaluation.evaluate import TestSet, evaluate_systems
from memotions_hf.evaluation.record import record_evaluation


@pytest.fixture
def model_folder(toy_model_folder, tmp_path):
    return shutil.copytree(toy_model_folder, tmp_path / "model")


@pytest.fixture
def evaluation():
    test_set = TestSet("merged/test", [str(n) for n in range(20)], np.arange(20) % 5, "toy rows")
    return evaluate_systems({"ours": MajorityClass(np.array([4]))}, [test_set], samples=10)


def test_an_evaluation_is_kept_beside_what_training_wrote(model_folder, evaluation):
    (model_folder / "metrics.json").write_text('{"kept": 7}')
    record_evaluation(model_folder, evaluation, "ours")
    metrics = json.loads((model_folder / "metrics.json").read_text())
    assert metrics["kept"] == 7
    assert metrics["evaluation"] == evaluation
    assert metrics["sizes"]["model.onnx"] == (model_folder / "model.onnx").stat().st_size
    assert (model_folder / "plots" / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    assert "merged/test" in (model_folder / "README.md").read_text()
    assert not list(model_folder.glob("tmp*"))


def test_nothing_is_written_where_there_is_no_model(model_folder, evaluation):
    (model_folder / "config.json").unlink()
    with pytest.raises(ModelLoadError):
        record_evaluation(model_folder, evaluation, "ours")
    assert not (model_folder / "metrics.json").exists()
    assert not list(model_folder.glob("tmp*"))
