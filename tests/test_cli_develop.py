import json
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


def test_without_a_mirror_the_first_missing_file_and_its_licence_are_named(capsys, monkeypatch):
    monkeypatch.delenv("MEMOTIONS_MIRROR", raising=False)
    assert main(["corpus", "stats"]) == 2
    line = error_line(capsys)
    assert "journal/family.tsv" in line
    assert "CC-BY-4.0" in line
    assert "MEMOTIONS_MIRROR" in line


def test_update_needs_a_folder_to_write_to(capsys):
    assert main(["evaluate", "--update"]) == 2
    assert "--update needs --model" in error_line(capsys)


@needs_mirror
def test_corpus_stats_add_up(capsys):
    assert main(["corpus", "stats", "--json"]) == 0
    statistics = json.loads(capsys.readouterr().out)
    for key in ("by_source", "by_label"):
        counts = statistics[key].values()
        assert sum(sum(splits.values()) for splits in counts) == statistics["rows"] > 30_000
    merged = statistics["merge"]
    assert sum(merged["kept"].values()) == statistics["rows"]
    removed = ("label_left_out", "empty", "conflicting", "duplicate")
    for name, read in merged["read"].items():
        lost = sum(merged[step].get(name, 0) for step in removed)
        assert read == lost + merged["kept"].get(name, 0)


@needs_mirror
def test_corpus_stats_print_tables(capsys):
    assert main(["corpus", "stats"]) == 0
    out = capsys.readouterr().out
    assert "| journal " in out
    assert "| saputri " in out
    assert "groups of near-equal texts" in out
