import importlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


# Their files come from runs of hours; each leaves this set once README.md has its markers.
NOT_YET_SHOWN: set[str] = set()


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("readme_tables")


def marked(name, content=""):
    return f"before\n\n<!-- begin: {name} -->\n{content}<!-- end: {name} -->\n\nafter\n"


def test_every_figure_is_what_the_result_files_say(tables):
    assert tables.render(README) == README, "run: make readme"


def test_no_section_is_forgotten(tables):
    shown = set(re.findall(r"<!-- begin: (.*?) -->", README))
    assert set(tables.SECTIONS) - shown <= NOT_YET_SHOWN


def test_only_what_is_between_the_markers_is_written_anew(tables):
    rendered = tables.render(marked("leak", "| old |\n") + marked("merge-speed"))
    assert tables.render(rendered) == rendered
    leak, speed = (tables.SECTIONS[name]() for name in ("leak", "merge-speed"))
    assert rendered == marked("leak", f"{leak}\n") + marked("merge-speed", f"{speed}\n")
    assert "old" not in rendered


@pytest.mark.parametrize(
    ("readme", "message"),
    [
        (marked("laek"), "markers of 'laek'; expected one of: macro-f1, per-class"),
        ("<!-- begin: leak -->\n", "needs the markers of 'leak' exactly once"),
        ("<!-- end: leak -->\n<!-- begin: leak -->\n", "needs the markers of 'leak' exactly once"),
        (marked("leak") * 2, "needs the markers of 'leak' exactly once"),
    ],
)
def test_markers_that_are_wrong_are_one_line(tables, readme, message):
    with pytest.raises(SystemExit) as stop:
        tables.render(readme)
    assert message in stop.value.code
    assert "\n" not in stop.value.code


@pytest.mark.parametrize("name", ["comparison", "cross-source", "explanation"])
def test_a_missing_result_file_is_one_line_and_only_where_it_is_shown(
    tables, name, tmp_path, monkeypatch
):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert tables.render(marked("leak")) != marked("leak")
    with pytest.raises(SystemExit) as stop:
        tables.render(marked(name))
    file = tmp_path / f"{name.replace('-', '_')}.json"
    assert stop.value.code.startswith(f"{file} is missing")
    assert "\n" not in stop.value.code


def test_the_section_on_explanations_shows_its_file(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    result = json.loads((ROOT / "benchmarks" / "results" / "explanation.json").read_text())
    part = result["faithfulness"]["journal"]
    part["rows"] = 1234
    part["deleted"]["explain"] = {"value": 0.1234, "interval": [0.0126, 0.2345]}
    part["times_random"] = {"value": 77.77, "interval": [55.55, 99.99]}
    result["overall_answer"]["emot"]["ways"]["last_sentence"]["accuracy"]["value"] = 0.4321
    result["thoughts"]["at_a_mark"]["value"] = 0.6543
    (tmp_path / "explanation.json").write_text(json.dumps(result))
    section = tables.render(marked("explanation"))
    for shown in (
        "(1,234 of journal",
        "| the words that `explain()` puts first    | 0.123 [0.013, 0.234]",
        "| 77.8 [55.5, 100.0]",
    ):
        assert shown in section
    (last,) = (line for line in section.splitlines() if line.startswith("| last sentence "))
    assert "| 0.432 [" in last
    assert "where a mark was | 0.654 [" in section


def test_the_python_example_runs():
    example = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)[1]
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    shown = re.search(r"clf\(\"(.*?)\"\) +# \[{'label': '(\w+)'", example)
    assert names["clf"](shown[1])[0]["label"] == shown[2]


def test_what_it_links_to_and_names_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make ([a-z]+(?:-[a-z]+)*)", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("command", re.findall(r"memotions ([a-z]+)", README))
def test_every_command_it_shows_exists(command, capsys):
    from memotions_hf.cli import main

    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert command in capsys.readouterr().out
