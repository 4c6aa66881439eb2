"""``memotions suggest`` and ``memotions doctor``."""

import io
import json

import pytest

from memotions_hf.cli import main
from memotions_hf.suggestions.safety import concern_note, crisis_message


@pytest.fixture(autouse=True)
def no_gemini(monkeypatch):
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_shows_emotions_a_paragraph_and_who_wrote_it(capsys):
    code, out, err = run(capsys, "suggest", "Hari ini aku gagal lagi, sedih sekali")
    assert (code, err) == (0, "")
    first, _, rest = out.partition("\n\n")
    assert first.startswith("Perasaan yang terbaca: sedih (")
    assert rest.rstrip().endswith("tanpa internet.")
    assert max(map(len, out.splitlines())) <= 88


def test_speaks_english_around_the_suggestion(capsys):
    _, out, _ = run(capsys, "suggest", "Senang banget lulus ujian", "--lang", "en")
    assert out.startswith("Feelings found: happy (")
    assert "without the internet" in out


@pytest.mark.parametrize("lang", ["id", "en"])
def test_a_crisis_shows_only_the_message(capsys, lang):
    code, out, _ = run(capsys, "suggest", "aku mau bunuh diri", "--lang", lang)
    assert code == 0
    assert out.split() == crisis_message("self", lang).split()


def test_json_is_one_object(capsys):
    _, out, _ = run(capsys, "suggest", "Senang banget lulus ujian", "--json")
    reply = json.loads(out)
    assert reply["emotions"][0]["label"] == "happy"
    assert reply["engine"] == "local"
    assert reply["complete"] is True


def test_streamed_json_is_one_object_a_line(capsys):
    _, out, _ = run(capsys, "suggest", "Senang banget lulus ujian", "--json", "--stream")
    replies = [json.loads(line) for line in out.splitlines()]
    assert [reply["complete"] for reply in replies] == [False, True]
    assert replies[0]["suggestion"] == ""


def test_streamed_text_reads_as_the_whole_one(capsys):
    _, streamed, _ = run(capsys, "suggest", "Senang banget lulus ujian", "--stream")
    assert streamed.count("Perasaan yang terbaca") == 1
    assert "tanpa internet" in streamed


def test_reads_standard_input(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("Rapat lalu makan siang.\n"))
    code, out, _ = run(capsys, "suggest", "-")
    assert code == 0
    assert out.startswith("Perasaan yang terbaca")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["suggest", ""], "empty"),
        (["suggest", "..."], "nothing to read"),
        (["suggest", "x" * 20_001], "at most 20,000"),
        (["suggest", "halo", "--threshold", "3"], "threshold"),
        (["suggest", "halo", "--engine", "gemini"], "GOOGLE_CLOUD_PROJECT"),
        (["suggest", "halo", "--model", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_errors_are_one_line(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("memotions: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_doubtful_entry_ends_with_the_line_about_counsellors(capsys, monkeypatch):
    from memotions_hf.suggestions import safety

    def doubt(self, entry):
        return safety.SafetyCheck(crisis=False, concern=True, score=0.4)

    monkeypatch.setattr(safety.CrisisDetector, "check", doubt)
    _, out, _ = run(capsys, "suggest", "sedih sekali, aku gagal lagi")
    assert concern_note() in " ".join(out.split())


def test_doctor_says_what_is_missing_for_gemini(capsys, monkeypatch, tmp_path):
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert "GOOGLE_CLOUD_PROJECT is not set" in out
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    _, out, _ = run(capsys, "doctor")
    assert "--  Gemini" in out
    assert "missing.json" in out


def test_doctor_says_what_is_configured_and_no_secret(capsys, monkeypatch, tmp_path):
    key = tmp_path / "adc.json"
    secret = "very-secret-refresh-token"
    key.write_text(
        json.dumps(
            {
                "type": "authorized_user",
                "client_id": "client",
                "client_secret": "also-secret",
                "refresh_token": secret,
            }
        )
    )
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv("MEMOTIONS_GEMINI_MODEL", "gemini-3.5-flash")
    _, out, _ = run(capsys, "doctor", "--json")
    findings = {row["name"]: row for row in map(json.loads, out.splitlines())}
    assert findings["Gemini"]["ok"]
    assert "a-project" in findings["Gemini"]["text"]
    assert "gemini-3.5-flash" in findings["Gemini"]["text"]
    assert "secret" not in out
