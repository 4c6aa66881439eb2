import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_figure_is_what_the_result_files_say():
    tables = load_script("readme_tables")
    assert tables.render(README) == README, "run: make readme"


def test_the_python_example_runs():
    example = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)[1]
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    shown = re.search(r"clf\(\"(.*?)\"\) +# \[{'label': '(\w+)'", example)
    assert names["clf"](shown[1])[0]["label"] == shown[2]


def test_what_it_links_to_and_names_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make ([a-z]+)", README)):
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
