"""What the wheel holds and asks for, and that no file names a place on somebody's machine."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from pathlib import Path, PurePosixPath

import pytest

import memotions_hf

ROOT = Path(__file__).resolve().parents[1]
MEGABYTES = 1_000_000
MODEL = "memotions_hf/bundled/memotions-bilstm"
BUNDLED = [f"{MODEL}/{name}" for name in (
    "model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json", "metrics.json",
    "README.md",
)]  # fmt: skip
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "memotions_hf", "tests")
# Somebody's folders; spelt so that this file does not hold them.
LOCAL_PATH = re.compile(rb"(?<![\w.:/])/(?:%s)/" % b"|".join([b"work", b"tmp", b"root", b"home"]))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing is left in the working tree."""
    pytest.importorskip("setuptools", minversion="80", reason="the dev extra is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    built = subprocess.run(
        [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet",
            "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source,
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def metadata(wheel: Path, names: list[str]) -> Message:
    (name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(name))


def base_requirements(metadata: Message) -> list[str]:
    required = metadata.get_all("Requires-Dist") or []
    return [requirement for requirement in required if "extra ==" not in requirement]


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= 10 * MEGABYTES


def test_the_wheel_holds_the_package_and_nothing_else(names: list[str]) -> None:
    top = {PurePosixPath(name).parts[0] for name in names}
    assert top == {"memotions_hf", f"memotions_hf-{memotions_hf.__version__}.dist-info"}
    assert "memotions_hf/py.typed" in names
    assert "memotions_hf/cards/model_card.md" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_every_module_is_in_the_wheel(names: list[str]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "memotions_hf").rglob("*.py")}
    assert modules <= set(names)


def test_the_bundled_model_is_in_the_wheel(names: list[str]) -> None:
    assert set(BUNDLED) <= set(names)


def test_the_wheel_holds_no_pickle_and_no_training_weights(names: list[str]) -> None:
    forbidden = (
        ".pkl",
        ".pickle",
        ".joblib",
        ".pt",
        ".pth",
        ".bin",
        ".npy",
        ".npz",
        ".h5",
        ".keras",
    )
    assert not [name for name in names if name.endswith(forbidden)]


def test_inference_asks_for_no_training_library(metadata: Message) -> None:
    required = {re.split(r"[^\w-]", name)[0].lower() for name in base_requirements(metadata)}
    inference = {"httpx2", "huggingface-hub", "numpy", "onnxruntime", "tokenizers"}
    assert required == inference | {"bm25s", "pydantic", "safetensors"}  # and for suggestions


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    for requirement in (*project["dependencies"], *(name for extra in extras for name in extra)):
        if not requirement.startswith("memotions-hf["):
            assert re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+,<[\d.]+", requirement), requirement


def test_the_metadata_states_licences_and_python(metadata: Message) -> None:
    assert metadata["Version"] == memotions_hf.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    for name in ("Apache-2.0", "CC-BY-NC-SA-4.0"):
        assert name in metadata["License-Expression"]


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {memotions_hf.__version__}\n" in citation


# The checked-in files ----------------------------------------------------------------------------


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    for line in wanted:
        assert re.fullmatch(r"[\w.-]+==[\w.+!]+", line), line
    return {name.lower().replace("_", "-"): version for name, _, version in
            (line.partition("==") for line in wanted)}  # fmt: skip


def test_constraints_pin_every_dependency_of_developers_and_of_users() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    pinned = pins()
    included = {"dev", *re.findall(r"[a-z]+", extras["dev"][0].partition("[")[2])}
    included |= {"data", "cards"}  # which those include
    for requirement in (
        *project["dependencies"],
        *(requirement for extra in sorted(included) for requirement in extras[extra]),
    ):
        name = re.split(r"[^\w-]", requirement)[0]
        assert name == "memotions-hf" or name in pinned, name
    assert not {"memotions-hf", "pip"} & set(pinned)


def checked_in() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    found = []
    for path in checked_in():
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" in content:
            continue
        for number, line in enumerate(content.splitlines(), start=1):
            if LOCAL_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert not found
