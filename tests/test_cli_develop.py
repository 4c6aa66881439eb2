import os
import subprocess
import sys

import pytest

from memotions_hf.cli import main

needs_mirror = pytest.mark.skipif(
    "MEMOTIONS_MIRROR" not in os.environ, reason="needs the corpus mirror (MEMOTIONS_MIRROR)"
)


def error_line(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if line.startswith("memotions: error: ")]
    assert len(lines) == 1
    return lines[0]


def test_an_unknown_recipe_is_one_line_that_names_the_known_ones(capsys):
    assert main(["train", "--recipe", "nope"]) == 2
    assert "'nope'; expected one of: memotions-bilstm" in error_line(capsys)


@pytest.mark.parametrize(
    ("library", "command"),
    [("tensorflow", ["train"]), ("sklearn", ["evaluate"]), ("rensa", ["corpus", "stats"])],
)
@needs_mirror
def test_a_missing_extra_is_one_line_that_says_what_to_install(library, command, tmp_path):
    program = (
        f"import sys; sys.modules[{library!r}] = None; "
        f"from memotions_hf.cli import main; sys.exit(main({command!r}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 2
    assert "pip install 'memotions-hf[" in run.stderr.splitlines()[-1]
    assert library in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.iterdir())


def test_without_a_mirror_the_first_missing_file_and_its_licence_are_named(
    capsys, monkeypatch, tmp_path
):
    monkeypatch.delenv("MEMOTIONS_MIRROR", raising=False)
    monkeypatch.setenv("MEMOTIONS_CACHE", str(tmp_path))
    assert main(["corpus", "stats"]) == 2
    line = error_line(capsys)
    assert "emot/train_preprocess.csv" in line
    assert "CC-BY-NC-SA-4.0" in line
    assert "MEMOTIONS_MIRROR" in line


def test_update_needs_a_folder_to_write_to(capsys):
    assert main(["evaluate", "--update"]) == 2
    assert "--update needs --model" in error_line(capsys)
