import json
import shutil

import numpy as np
import pytest

from memotions_hf.errors import InputError, ModelLoadError
from memotions_hf.evaluation.baselines import MajorityClass
from memotions_hf.evaluation.evaluate import ProbabilitySystem, TestSet, evaluate_systems
from memotions_hf.evaluation.record import record_evaluation, record_speed

PNG = b"\x89PNG"


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
    assert (model_folder / "plots" / "confusion_matrix.png").read_bytes().startswith(PNG)
    assert "merged/test" in (model_folder / "README.md").read_text()
    assert not list(model_folder.glob("tmp*"))


def test_the_plots_of_a_model_with_probabilities_and_a_log_are_drawn_and_shown(model_folder):
    uniform = ProbabilitySystem(lambda texts: np.full((len(texts), 5), 0.2))
    sets = [
        TestSet(name, [str(n) for n in range(20)], np.arange(20) % 5, "toy rows")
        for name in ("merged/test", "opinion")
    ]
    (model_folder / "training_log.csv").write_text(
        "epoch,loss,val_loss,val_accuracy,val_macro_f1,seconds\n1,1.4,1.2,0.5,0.4,9\n"
    )
    name = "memotions-bilstm"
    record_evaluation(model_folder, evaluate_systems({name: uniform}, sets, samples=10), name)
    card = (model_folder / "README.md").read_text()
    for plot in ("calibration", "confusion_matrix", "learning_curve"):
        assert f"(plots/{plot}.png)" in card
        assert (model_folder / "plots" / f"{plot}.png").read_bytes().startswith(PNG)


def spread(median):
    return {"median": median, "low": median - 1, "high": median + 1}


SPEED = {
    "texts": {"count": 4096, "source": "corpora", "mean_characters": 101.6},
    "batch_size": 256,
    "repeats": 7,
    "texts_per_second": {"onnx": spread(3210), "keras": spread(1050)},
    "cpu_milliseconds_a_text": {"onnx": spread(0.62), "keras": spread(1.87)},
    "milliseconds_for_one": {"onnx": spread(4.2), "keras": spread(31.7)},
    "first_answer": spread(1.44),
    "peak_memory": 251_900_000,
    "machine": {
        "cores": 2,
        "load": 0.3,
        "architecture": "x86_64",
        "system": "Linux",
        "python": "3.11.7",
        "libraries": {"onnxruntime": "1.29.0"},
    },
}


def test_a_measured_speed_is_kept_beside_the_evaluation(model_folder, evaluation):
    record_evaluation(model_folder, evaluation, "ours")
    record_speed(model_folder, SPEED)
    metrics = json.loads((model_folder / "metrics.json").read_text())
    assert (metrics["speed"], metrics["evaluation"]) == (SPEED, evaluation)
    assert "3,210 (3,209 to 3,211)" in (model_folder / "README.md").read_text()
    assert not list(model_folder.glob("tmp*"))


def test_what_no_card_can_be_made_from_changes_nothing(model_folder, evaluation):
    record_evaluation(model_folder, evaluation, "ours")
    before = {path: path.read_bytes() for path in model_folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="another form"):
        record_speed(model_folder, {"repeats": 7})
    assert {p: p.read_bytes() for p in model_folder.rglob("*") if p.is_file()} == before


def test_nothing_is_written_where_there_is_no_model(model_folder, evaluation):
    (model_folder / "config.json").unlink()
    with pytest.raises(ModelLoadError):
        record_evaluation(model_folder, evaluation, "ours")
    assert not (model_folder / "metrics.json").exists()
    assert not list(model_folder.glob("tmp*"))
