"""``memotions corpus``: what a person at a terminal gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.small_corpus import write_small_mirror
from support.translation_server import TranslationServer

from memotions_hf.cli import main
from memotions_hf.cli_corpus import ProgressLine
from memotions_hf.corpus.translation_cache import TranslationCache

datasets = pytest.importorskip("datasets", reason="the data extra is not installed")
pytest.importorskip("wordcloud", reason="the cards extra is not installed")

needs_mirror = pytest.mark.skipif(
    "MEMOTIONS_MIRROR" not in os.environ, reason="needs the corpus mirror (MEMOTIONS_MIRROR)"
)
OTHERS = "saputri,prdect,dair-emotion-id,go-emotions-neutral-id,isear-id"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_small_mirror(tmp_path / "mirror", monkeypatch)


def error_line(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> str:
    """Expect one line of error and exit code 2; return the line."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("memotions: error: ")]
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


def test_a_build_is_a_folder_that_load_dataset_reads(
    mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["corpus", "build", "out/corpus", "--exclude", OTHERS]) == 0
    captured = capsys.readouterr()
    assert captured.out == "out/corpus\n"
    assert "left out: opinion (only for evaluation; --config opinion builds it" in captured.err
    assert "left out: prdect (its files are missing)" in captured.err
    own = ("journal", "everyday", "go-emotions-id", "suggestions")
    for config in ("merged", "emot", *own, "dair-emotion", "memotions-2024"):
        loaded = datasets.load_dataset("out/corpus", config, cache_dir=str(tmp_path / "cache"))
        assert sum(len(part) for part in loaded.values()) > 0
    merged = datasets.load_dataset("out/corpus", "merged", cache_dir=str(tmp_path / "cache"))
    assert merged["test"].features["label"].names[4] == "fear"
    streamed = datasets.load_dataset("out/corpus", "merged", split="test", streaming=True)
    assert sum(1 for _ in streamed) == len(merged["test"])
    assert {path.name for path in Path("out/corpus/plots").iterdir()}
    card = Path("out/corpus/README.md").read_text(encoding="utf-8")
    assert f"{len(merged['train']):,}" in card


def test_a_second_build_asks_for_overwrite(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = ["corpus", "build", "out", "--exclude", OTHERS, "--config", "suggestions"]
    assert main(build) == 0
    assert "--overwrite" in error_line(capsys, build)
    assert main([*build, "--overwrite"]) == 0


def test_english_rows_are_merged_with_their_translations(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TranslationCache(mirror / "translations.sqlite") as cache:
        cache.put("google", [("i feel happy today", "aku senang hari ini")])
    arguments = [
        "corpus", "stats", "--json", "--exclude", OTHERS, "--with", "kaggle-emotions",
        "--translations", str(mirror / "translations.sqlite"),
    ]  # fmt: skip
    assert main(arguments) == 0
    merge = json.loads(capsys.readouterr().out)["merge"]
    assert merge["read"]["kaggle-emotions"] == 3
    assert merge["untranslated"] == {"kaggle-emotions": 2}
    assert merge["kept"]["kaggle-emotions"] == 1


def test_a_translation_is_kept_and_merged(
    mirror: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    constants = pytest.importorskip("deep_translator.constants", reason="needs the translate extra")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    translate = ["corpus", "translate", "dair-emotion", "--cache", "cache.sqlite"]
    with TranslationServer() as server:
        monkeypatch.setitem(constants.BASE_URLS, "GOOGLE_TRANSLATE", server.url)
        assert main([*translate, "--limit", "3"]) == 0
        assert "3 texts by google: 0 were translated before, 3 now" in capsys.readouterr().out
        assert main(translate) == 0
    captured = capsys.readouterr()
    assert "4 texts by google: 3 were translated before, 1 now, 0 failed" in captured.out
    assert "translating dair-emotion: 4 of 4 texts" in captured.err
    assert "happy" not in captured.err  # no text in a log
    merged = ["--exclude", OTHERS, "--with", "dair-emotion", "--translations", "cache.sqlite"]
    assert main(["corpus", "stats", "--json", *merged]) == 0
    assert json.loads(capsys.readouterr().out)["merge"]["kept"]["dair-emotion"] == 4


def test_stats_print_tables(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "stats", "--exclude", OTHERS]) == 0
    out = capsys.readouterr().out
    for word in (
        "journal",
        "everyday",
        "go-emotions-id",
        "emot",
        "train",
        "validation",
        "sad",
        "duplicate",
    ):
        assert word in out
    assert main(["corpus", "stats", "--config", "suggestions"]) == 0
    assert "words" in capsys.readouterr().out


@needs_mirror
def test_stats_of_the_real_files_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "stats", "--json"]) == 0
    statistics = json.loads(capsys.readouterr().out)
    assert statistics["rows"] > 40_000
    for key in ("sources", "labels"):
        counts = statistics[key].values()
        assert sum(sum(splits.values()) for splits in counts) == statistics["rows"]
    merge = statistics["merge"]
    assert sum(merge["kept"].values()) == statistics["rows"]
    removed = ("untranslated", "label_left_out", "empty", "conflicting", "duplicate", "kept")
    for name, read in merge["read"].items():
        assert read == sum(merge[step].get(name, 0) for step in removed)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["build", "out", "--config", "imdb"], ["'imdb'", "merged"]),
        (["build", "out", "--exclude", "imdb"], ["'imdb'", "emot"]),
        (["build", "out", "--with", "opinion"], ["'opinion'", "evaluated"]),
        (["build", "out", "--with", "kaggle-emotions", "--exclude", OTHERS], ["translations"]),
        (["build", "out"], ["saputri/", "CC-BY-NC-SA-4.0", "corpus download saputri"]),
        (["build", "mirror", "--exclude", OTHERS], ["mirror", "something else"]),
        (["stats", "--config", "imdb"], ["'imdb'"]),
        (["translate", "emot"], ["'emot'", "no English source", "kaggle-emotions"]),
        (["translate", "dair-emotion", "--translator", "bing"], ["'bing'", "google"]),
        (["download", "imdb"], ["'imdb'", "emot"]),
        (["download", "isear-id"], ["isear-id/situations.tsv", "other-isear-research"]),
        (["publish", "someone/corpus"], ["memotions-corpus", "memotions corpus build"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_one_line(
    mirror: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    parts: list[str],
) -> None:
    before = sorted(str(path) for path in Path.cwd().rglob("*"))
    line = error_line(capsys, ["corpus", *arguments])
    for part in parts:
        assert part in line
    after = sorted(str(path) for path in Path.cwd().rglob("*") if "translations" not in path.name)
    assert [path for path in after if path not in before and not path.endswith("cache")] == []


def test_opinion_rows_are_refused_on_the_way_to_the_hub(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["corpus", "build", "own", "--config", "opinion", "--exclude", OTHERS]) == 0
    capsys.readouterr()
    line = error_line(capsys, ["corpus", "publish", "someone/corpus", "--folder", "own"])
    assert "CC-BY-NC-ND-4.0" in line
    assert "--exclude opinion" in line


def test_a_csv_of_ones_own_is_taken_for_the_kaggle_set(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.csv").write_text("text,label\ni am fine,1\n", encoding="utf-8")
    assert main(["corpus", "download", "kaggle-emotions", "--csv", "mine.csv"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.read_text(encoding="utf-8") == "text,label\ni am fine,1\n"
    Path("bad.csv").write_text("text;label\ni am fine;1\n", encoding="utf-8")
    line = error_line(capsys, ["corpus", "download", "kaggle-emotions", "--csv", "bad.csv"])
    assert "no column 'text'" in line
    assert path.read_text(encoding="utf-8") == "text,label\ni am fine,1\n"


@pytest.mark.parametrize("library", ["datasets", "wordcloud"])
def test_a_missing_extra_is_said_before_the_work(
    mirror: Path, tmp_path: Path, library: str
) -> None:
    program = (
        f"import sys; sys.modules[{library!r}] = None; "
        "from memotions_hf.cli import main; sys.exit(main(['corpus', 'build', 'out']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "pip install 'memotions-hf[cards]'" in run.stderr
    assert "reading" not in run.stderr
    assert not Path("out").exists()


def test_progress_in_a_log_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine("texts")
    for done in range(0, 1_001, 10):
        line("translating", done, 1_000)
    line("writing", 5)
    line.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "translating: 0 of 1,000 texts"
    assert lines[-2] == "translating: 1,000 of 1,000 texts"
    assert lines[-1] == "writing"
    assert len(lines) == 7


@pytest.mark.parametrize("action", ["download", "translate", "build", "stats", "publish"])
def test_every_action_explains_itself(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["corpus", action, "--help"])
    assert stop.value.code == 0
    assert "usage: memotions corpus" in capsys.readouterr().out
