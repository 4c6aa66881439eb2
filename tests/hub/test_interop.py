"""Every client, artifact and condition of the interop matrix, against the table's file."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from support.interop_matrix import CLIENTS, RESULT, Matrix, read_result, run_matrix

LIBRARIES = (
    "datasets", "evaluate", "gradio", "keras", "onnxruntime", "pandas", "torch", "transformers",
    "wordcloud",
)  # fmt: skip
# Looked for and not imported, which their own processes do.
if missing := [name for name in LIBRARIES if find_spec(name) is None]:
    pytest.skip(f"extras are not installed: {missing}", allow_module_level=True)

OURS = ("classifier", "bilstm")
CELLS = [(name, condition) for name, client in CLIENTS.items() for condition in client.conditions()]
FAILURES = ("private", "small-wrong", "small-short", "large-wrong", "large-short",
            "absent-revision", "offline-uncached")  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """A run of the whole matrix, a minute or two."""
    return run_matrix(tmp_path_factory.mktemp("interop"))


@pytest.mark.parametrize(("client", "condition"), CELLS, ids=["-".join(cell) for cell in CELLS])
def test_a_client_does_what_the_table_says(client: str, condition: str, run: Matrix) -> None:
    assert run[client][condition] == read_result()[client][condition], "run: make interop readme"


def test_the_table_s_file_has_every_cell_and_no_other() -> None:
    cells = [(name, condition) for name, row in read_result().items() for condition in row]
    assert cells == CELLS


@pytest.mark.parametrize("client", CLIENTS)
def test_everything_can_be_loaded_in_public_and_in_private(client: str) -> None:
    outcomes = read_result()[client]
    assert (outcomes["online"], outcomes["private-login"]) == ("works", "works")
    assert outcomes["private"].startswith(("one line: ", "raises "))
    assert {outcomes["private-token"], outcomes["revision"]} <= {"works", "no such argument"}


@pytest.mark.parametrize("client", OURS)
def test_our_own_loaders_work_or_say_in_one_line_why_not(client: str) -> None:
    for condition, outcome in read_result()[client].items():
        if condition in FAILURES:
            assert outcome.startswith("one line: "), condition
        else:
            expected = "works from the cache" if condition == "offline" else "works"
            assert outcome == expected, condition


def test_no_token_got_into_the_file() -> None:
    assert "hf_loopback" not in RESULT.read_text(encoding="utf-8")
