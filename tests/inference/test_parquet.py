"""Very large jobs: Parquet files in and out, in one process, in several, and on Ray."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memotions_hf import LABELS, EmotionClassifier, cli
from memotions_hf.errors import InputError, MemotionsError, MissingExtraError
from memotions_hf.inference import parquet
from memotions_hf.inference.parquet import open_parquet, predict_parquet

pa = pytest.importorskip("pyarrow", reason="the data extra is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the data extra is not installed")

SCORES = [f"score_{name}" for name in LABELS]


def rows(count: int, first: int = 0) -> Any:
    """A table with texts of many lengths, nulls, and texts with nothing to read."""
    odd = {0: None, 1: "", 2: "...", 3: "aku\nsedih 😭"}
    texts = [
        odd.get(number % 50, f"hari ke {number} aku " + "senang " * (number % 9))
        for number in range(first, first + count)
    ]
    return pa.table(
        {
            "id": pa.array(range(first, first + count), pa.int16()),
            "text": texts,
            "tags": [["a"] * (number % 3) for number in range(count)],
            "kind": pa.array(["x", "y"] * (count // 2), pa.string()).dictionary_encode(),
        }
    )


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "CHUNK_ROWS", 100)
    monkeypatch.setattr(parquet, "_GROUP_ROWS", 300)


@pytest.fixture
def predict(tmp_path: Path, toy_model_folder: Path) -> Callable[..., Any]:
    """Write a table (or take a path), predict it, and return the result."""

    def run(source: Any, name: str = "out.parquet", **options: Any) -> Any:
        if isinstance(source, pa.Table):
            pq.write_table(source, tmp_path / "in.parquet", row_group_size=130)
            source = tmp_path / "in.parquet"
        options = {"model": str(toy_model_folder), **options}
        count = predict_parquet(source, tmp_path / name, **options)
        result = pq.read_table(tmp_path / name)
        assert result.num_rows == count
        return result

    return run


@pytest.mark.usefixtures("small_chunks")
def test_every_row_keeps_its_columns_and_gets_its_scores(
    predict: Any, tmp_path: Path, toy_classifier: EmotionClassifier
) -> None:
    table = rows(1000)
    done: list[int] = []
    result = predict(table, batch_size=16, progress=done.append)
    assert result.select(table.column_names).equals(table)
    assert result.column_names == [*table.column_names, "label", "score", *SCORES]
    for row in result.to_pylist():
        answer = toy_classifier([row["text"] or ""], top_k=None)[0]
        if not answer:
            assert row["label"] is row["score"] is row["score_sad"] is None
            continue
        assert row["label"] == answer[0]["label"]
        assert row["score"] == row[f"score_{row['label']}"]
        assert [row[f"score_{item['label']}"] for item in answer] == pytest.approx(
            [item["score"] for item in answer], abs=1e-5
        )
    assert sum(done) == 1000
    assert len(done) >= 10
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


@pytest.mark.usefixtures("small_chunks")
def test_several_processes_answer_as_one_does(predict: Any) -> None:
    alone = predict(rows(800), workers=1)
    assert predict(rows(800), workers=2).equals(alone)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.null()])
def test_every_kind_of_text_is_read(predict: Any, kind: Any) -> None:
    texts = pa.array([None, None] if kind == pa.null() else ["aku sedih", None], kind)
    result = predict(pa.table({"cerita": texts}), column="cerita")
    assert result["label"].null_count == (2 if kind == pa.null() else 1)
    coded = predict(
        pa.table({"cerita": pa.array(["aku", "aku"]).dictionary_encode()}), column="cerita"
    )
    assert coded["label"].null_count == 0


def test_columns_of_the_same_name_are_kept(predict: Any) -> None:
    table = pa.table({"label": [7], "text": ["aku sedih"], "label_2": ["b"], "score_fear": [1]})
    result = predict(table)
    assert result.column_names == [
        *table.column_names, "label_3", "score", *SCORES[:-1], "score_fear_2",
    ]  # fmt: skip
    assert result.select(table.column_names).equals(table)
    assert result["label_3"][0].as_py() in LABELS


def test_no_rows_make_an_empty_result(predict: Any) -> None:
    assert predict(rows(0)).column_names[-1] == SCORES[-1]


def test_the_result_is_a_dataset_of_hugging_face(predict: Any, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the data extra is not installed")
    source = tmp_path / "hf.parquet"
    datasets.Dataset.from_dict({"text": ["aku sedih", None]}).to_parquet(source)
    predict(source)
    read = datasets.Dataset.from_parquet(
        str(tmp_path / "out.parquet"), cache_dir=str(tmp_path / "cache")
    )
    assert read.column_names == ["text", "label", "score", *SCORES]


def test_a_folder_is_read_file_by_file(predict: Any, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in (2, 0, 1):
        pq.write_table(rows(50, 50 * number), folder / f"part-{number}.parquet")
    (folder / "_metadata.parquet").write_bytes(b"")
    (folder / "readme.txt").write_bytes(b"")
    result = predict(folder)
    assert result["id"].to_pylist() == list(range(150))
    pq.write_table(pa.table({"text": ["a"]}), folder / "part-3.parquet")
    refused(lambda: predict(folder), "part-3.parquet has other columns than")
    (tmp_path / "empty").mkdir()
    refused(lambda: predict(tmp_path / "empty"), "holds no .parquet file")


def test_long_texts_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    texts = [f"{number} " + "aku " * 250_000 for number in range(50)]
    pq.write_table(pa.table({"text": texts}), path, compression="none", use_dictionary=False)
    table = open_parquet(path, "text")
    assert 20 <= table.chunk_rows <= 32
    assert next(table.chunks()).num_rows == table.chunk_rows


def refused(call: Callable[[], object], *parts: str, kind: type[Exception] = InputError) -> None:
    with pytest.raises(kind) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def not_utf8() -> Any:
    return pa.table({"text": pa.array([b"aku \xff"]).view(pa.string())})


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"column": "teks"}, ["no column 'teks'", "id, text, tags, kind", "--column"]),
        ({"column": "id"}, ["'id'", "int16", "not text"]),
        ({"column": "tags"}, ["list", "not text"]),
        ({"name": "out.csv"}, ["out.csv", "NAME.parquet"]),
        ({"name": "out"}, ["NAME.parquet"]),
        ({"name": "none/out.parquet"}, ["no folder", "none"]),
        ({"name": "in.parquet"}, ["is the input"]),
        ({"workers": 0}, ["workers"]),
        ({"batch_size": 0}, ["batch_size"]),
    ],
)
def test_what_cannot_be_used_is_one_line_and_leaves_nothing(
    predict: Any, tmp_path: Path, options: dict[str, Any], parts: list[str]
) -> None:
    refused(lambda: predict(rows(10), **options), *parts)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_files_that_cannot_be_read(predict: Any, tmp_path: Path) -> None:
    refused(lambda: predict(tmp_path / "none.parquet"), "no file", "none.parquet")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing of the kind")
    refused(lambda: predict(broken), "broken.parquet cannot be read as Parquet")
    pq.write_table(rows(1000), broken, compression="zstd", row_group_size=500)
    content = bytearray(broken.read_bytes())
    content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 4)
    broken.write_bytes(content)
    refused(lambda: predict(broken), "broken.parquet cannot be read as Parquet")
    refused(lambda: predict(not_utf8()), "not UTF-8")
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    refused(lambda: predict(twice), "several columns 'text'")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.parquet", "in.parquet"]


@pytest.mark.parametrize(
    ("module", "engine", "extra"),
    [("pyarrow.parquet", "local", "data"), ("ray.data", "ray", "ray"), ("ray", "ray", "ray")],
)
def test_a_missing_extra_is_named(
    predict: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    module: str,
    engine: str,
    extra: str,
) -> None:
    pq.write_table(rows(10), tmp_path / "rows.parquet")
    monkeypatch.setitem(sys.modules, module, None)
    name = module.split(".", maxsplit=1)[0]
    refused(
        lambda: predict(tmp_path / "rows.parquet", engine=engine),
        f"{name} is not installed",
        f"memotions-hf[{extra}]",
        kind=MissingExtraError,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


# The command


def test_the_command(
    tmp_path: Path, toy_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(rows(120).rename_columns(["id", "cerita", "tags", "kind"]), source)
    base = ["predict", str(source), "--model", str(toy_model_folder)]
    assert cli.main([*base, "--output", str(output), "--column", "cerita", "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{output}: 120 rows\n", "")
    assert pq.read_table(output)["id"].to_pylist() == list(range(120))
    for arguments, part in (
        (base, "--output NAME.parquet"),
        ([*base, "--output", str(output)], "no column 'text'"),
        ([*base, "--output", str(output), "--json"], "--json"),
        ([*base, "--output", str(output), "--top-k", "2"], "--top-k"),
        (["predict", "-", "--output", str(output)], "--output goes with a Parquet file"),
        (["predict", "none.parquet"], "none.parquet"),
    ):
        assert cli.main(arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("memotions: error: ")
        assert said.err.count("\n") == 1
        assert part in said.err


# Ray


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    """A Ray with two CPUs on this machine, which the tests use as it runs."""
    ray = pytest.importorskip("ray", reason="the ray extra is not installed")
    pytest.importorskip("ray.data", reason="the ray extra is not installed")
    quiet = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_BACKEND_LOG_LEVEL": "fatal",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet.items():
            patch.setenv(name, value)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()


@pytest.mark.usefixtures("two_workers", "small_chunks")
def test_ray_answers_as_one_process_does(predict: Any, tmp_path: Path) -> None:
    import ray

    folder = tmp_path / "parts"
    folder.mkdir()
    pq.write_table(rows(900), folder / "a.parquet", row_group_size=333)
    pq.write_table(rows(300, 900), folder / "b.parquet")
    alone = predict(folder, "alone.parquet", workers=1)
    assert predict(folder, engine="ray", workers=2).equals(alone)
    assert ray.is_initialized()  # it was not ours to stop
    assert not ray.data.DataContext.get_current().execution_options.preserve_order


@pytest.mark.usefixtures("two_workers")
def test_ray_says_what_an_actor_cannot_read(predict: Any, tmp_path: Path) -> None:
    refused(lambda: predict(not_utf8(), engine="ray", workers=2), "not UTF-8", kind=MemotionsError)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]
