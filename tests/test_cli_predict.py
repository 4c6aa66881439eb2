"""``memotions predict`` as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from memotions_hf import LABELS, EmotionClassifier, cli
from memotions_hf.cli_predict import MAX_LINE_BYTES, MESSAGES

SAD = "Hari ini aku gagal lagi"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "memotions_hf", *arguments]


@pytest.fixture
def predict(toy_model_folder: Path) -> Any:
    """Run ``memotions predict`` with the toy model; never with a traceback."""

    def run(
        *arguments: str,
        stdin: str | bytes = b"",
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            command("predict", "--model", str(toy_model_folder), *arguments),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})},
            cwd=cwd,
            check=False,
        )
        stderr = result.stderr.decode()
        assert "Traceback" not in stderr
        return subprocess.CompletedProcess(
            result.args, result.returncode, result.stdout.decode(), stderr
        )

    return run


def refused(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("memotions: error: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr


def test_one_text_for_a_person(predict: Any) -> None:
    result = predict(SAD)
    assert result.returncode == 0
    assert result.stderr == ""
    assert "█" in result.stdout
    assert "\x1b" not in result.stdout
    for name in ("sedih", "senang", "netral", "marah", "takut"):
        assert name in result.stdout
    english = predict(SAD, "--lang", "en").stdout
    assert "strongest" in english
    assert all(name in english for name in LABELS)


def test_one_text_as_json(predict: Any, toy_classifier: EmotionClassifier) -> None:
    answer = json.loads(predict(SAD, "--json").stdout)
    scores = toy_classifier(SAD, top_k=None)
    assert answer["text"] == SAD
    assert answer["label"] == scores[0]["label"]
    assert [item["label"] for item in answer["emotions"]] == [item["label"] for item in scores]
    assert answer["score"] == pytest.approx(scores[0]["score"], abs=1e-4)
    assert "words" not in answer


def test_top_k_threshold_and_explain(predict: Any, toy_classifier: EmotionClassifier) -> None:
    answer = json.loads(predict(SAD, "--json", "--top-k", "2", "--explain").stdout)
    assert len(answer["emotions"]) == 2
    assert [word["token"] for word in answer["words"]] == SAD.split()
    over = json.loads(predict(SAD, "--json", "--threshold", "0.2").stdout)["emotions"]
    assert [item["label"] for item in over] == [
        item["label"] for item in toy_classifier(SAD, threshold=0.2)
    ]
    none = json.loads(predict(SAD, "--json", "--threshold", "1").stdout)
    assert none["emotions"] == []
    assert none["label"] in LABELS
    assert predict(SAD, "--threshold", "1").returncode == 0
    assert len(json.loads(predict(SAD, "--json", "--top-k", "all").stdout)["emotions"]) == 5


def test_a_file_is_answered_line_by_line_in_order(predict: Any, tmp_path: Path) -> None:
    texts = [f"teks {number} " + "aku " * (number % 7) for number in range(50)]
    path = tmp_path / "diary.txt"
    path.write_text("\n".join(texts), encoding="utf-8-sig")
    for arguments in ([str(path)], ["--file", str(path)]):
        result = predict(*arguments, "--json", "--batch-size", "4")
        assert result.returncode == 0
        assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == texts


def test_lines_of_a_pipe_stay_aligned(predict: Any) -> None:
    lines = "senang\n\n  \n...\r\naku\tsedih\x1b[31m\nakhir"
    for arguments in (["-"], []):
        rows = [row.split("\t") for row in predict(*arguments, stdin=lines).stdout.splitlines()]
        assert [row[2] for row in rows] == ["senang", "", "  ", "...", "aku sedih [31m", "akhir"]
        assert [row[0] in LABELS for row in rows] == [True, False, False, False, True, True]
        assert [row[1] == "" for row in rows] == [False, True, True, True, False, False]
    objects = [json.loads(row) for row in predict("--json", stdin=lines).stdout.split("\n")[:-1]]
    assert [item["label"] is None for item in objects] == [False, True, True, True, False, False]
    assert objects[1] == {"text": "", "label": None, "score": None, "emotions": []}
    both = predict("-", "--top-k", "2", stdin="senang\n").stdout.split("\t")
    assert len(both[0].split(",")) == len(both[1].split(",")) == 2
    assert predict("-", stdin="").stdout == ""


@pytest.mark.parametrize("text", ["", "   ", "...!?", "\u200b"])
def test_nothing_to_read(predict: Any, text: str) -> None:
    refused(predict(text), "nothing to read")
    refused(predict(text, "--json"), "nothing to read")


@pytest.mark.parametrize(
    "text",
    [
        "😭😂",
        "한국어",
        "halo\x07\x1b[2Jdunia",
        "sedih \udcff banget",
        "sedih / senang",
        "a " * 50_000,
    ],
    ids=["emoji", "script", "control", "surrogate", "slash", "long"],
)
def test_odd_texts_are_answered(predict: Any, text: str) -> None:
    if len(text) < 1000:
        result = predict(text)
        assert result.returncode == 0
        assert "\x1b" not in result.stdout
        assert json.loads(predict(text, "--json").stdout)["label"] in LABELS
    result = predict("--json", stdin=text.encode("utf-8", "replace"))
    assert result.returncode == 0
    assert json.loads(result.stdout.splitlines()[0])["label"] in LABELS


def test_bad_input_is_one_line(predict: Any, tmp_path: Path) -> None:
    refused(predict("nowhere.txt"), "nowhere.txt", "check the path")
    refused(predict("some/where"), "some/where")
    refused(predict("--file", "nowhere"), "nowhere", "No such file")
    refused(predict("--file", str(tmp_path)), "directory")
    refused(predict(SAD, "--file", "x"), "not both")
    refused(predict(SAD, "--top-k", "0"), "top_k")
    refused(predict(SAD, "--top-k", "x"), "--top-k")
    refused(predict(SAD, "--threshold", "2"), "threshold")
    refused(predict("-", "--batch-size", "0", stdin="a\n"), "batch_size")
    refused(predict("-", "--json", "--explain", stdin="a\n"), "--explain")
    refused(predict(SAD, "--unknown"), "--unknown")
    refused(predict(SAD, "--model", str(tmp_path / "none")), "none")
    refused(predict(SAD, "--model", str(tmp_path)), "config.json")
    refused(predict(SAD, "--model", "a\nb"), "a")


def test_a_file_that_is_not_utf8(predict: Any, tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("baik\nsenang di caf\u00e9\n".encode("latin-1"))
    refused(predict(str(path)), "latin.txt", "line 2", "UTF-8", "0xe9")
    refused(predict("-", stdin="aku sedih".encode("utf-16")), "standard input", "line 1")


def test_a_huge_line_is_cut(predict: Any) -> None:
    huge = "aku sedih é " * (MAX_LINE_BYTES // 10)
    result = predict("--json", stdin=huge + "\nsenang\n")
    assert result.returncode == 0
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert huge.startswith(first["text"])
    assert MAX_LINE_BYTES - 3 <= len(first["text"].encode()) <= MAX_LINE_BYTES
    assert second["text"] == "senang"
    assert result.stderr.count("\n") == 1
    assert "line 1" in result.stderr


def test_other_encodings_of_the_output(predict: Any) -> None:
    env = {"PYTHONIOENCODING": "ascii"}
    shown = predict("senang 😭", env=env)
    assert shown.returncode == 0
    assert "#" in shown.stdout
    assert json.loads(predict("senang 😭 é", "--json", env=env).stdout)["text"] == "senang 😭 é"


def test_a_text_named_like_a_folder_is_a_text(predict: Any, tmp_path: Path) -> None:
    (tmp_path / "sedih").mkdir()
    assert "%" in predict("sedih", cwd=tmp_path).stdout


@pytest.mark.skipif(os.name == "nt", reason="no such pipes on Windows")
def test_a_closed_pipe_ends_quietly(toy_model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("aku senang sekali\n" * 20_000, encoding="utf-8")
    with subprocess.Popen(
        command("predict", "--model", str(toy_model_folder), "--json", str(path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def test_a_line_is_answered_before_the_next_is_sent(toy_model_folder: Path) -> None:
    with subprocess.Popen(
        command("predict", "--model", str(toy_model_folder), "--batch-size", "1", "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in ("aku senang", "aku sedih"):
            process.stdin.write(text + "\n")
            process.stdin.flush()
            assert process.stdout.readline().endswith(f"\t{text}\n")
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def talk(toy_model_folder: Path, typed: bytes, *arguments: str) -> tuple[int, str]:
    """Run the command on a terminal and type into it."""
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    with subprocess.Popen(
        command("predict", "--model", str(toy_model_folder), *arguments),
        stdin=child,
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm", "PYTHONUTF8": "1"},
    ) as process:
        os.close(child)
        output = b""
        while not any(message.prompt.encode() in output for message in MESSAGES.values()):
            output += os.read(parent, 4096)
        os.write(parent, typed)
        try:
            while chunk := os.read(parent, 4096):
                output += chunk
        except OSError:  # the terminal has no other end any more
            pass
        os.close(parent)
        return process.wait(timeout=60), output.decode()


def test_a_talk_on_a_terminal(toy_model_folder: Path) -> None:
    code, output = talk(toy_model_folder, "aku sedih 😭\n\n...\nkeluar\n".encode())
    assert code == 0
    assert "healing119.id" in output
    assert "bukan nasihat medis" in output
    assert output.count("Belum ada kata") == 2
    assert "\x1b[1;" in output
    assert "Sampai jumpa" in output
    assert "Traceback" not in output


def test_a_talk_ends_with_the_input(toy_model_folder: Path) -> None:
    code, output = talk(toy_model_folder, b"\x04", "--lang", "en")
    assert code == 0
    assert "Take care of yourself" in output


def test_ctrl_c_ends_a_talk(
    toy_model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupt)
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: True))
    assert cli.main(["predict", "--model", str(toy_model_folder)]) == 130
    assert capsys.readouterr().err == ""


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.startswith("memotions-hf ")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["predict", "--help"])
    assert "--threshold" in capsys.readouterr().out
