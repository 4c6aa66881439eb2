"""The corpus as a folder of Parquet: built, loaded again, refused where a licence forbids it."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from corpus_support import one_line_error
from support.loopback_hub import LoopbackHub, run_client
from support.small_corpus import write_small_mirror

from memotions_hf.corpus import MergeOptions, load_corpus
from memotions_hf.corpus import publish as publish_module
from memotions_hf.corpus.configs import CONFIGS
from memotions_hf.corpus.publish import (
    build_folder,
    check_redistribution,
    default_configs,
    publish_folder,
    without,
)
from memotions_hf.corpus.sources import EVALUATION_SOURCES, MERGED_SOURCES, SOURCES
from memotions_hf.errors import CorpusError, InputError
from memotions_hf.labels import LABELS

datasets = pytest.importorskip("datasets", reason="the data extra is not installed")
pytest.importorskip("rensa", reason="the data extra is not installed")

OWN = MergeOptions(sources=("journal", "emot"))
OWN_CONFIGS = ("merged", "journal", "emot", "memotions-2024", "suggestions")


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def mirror_module(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch_module: pytest.MonkeyPatch
) -> Path:
    return write_small_mirror(tmp_path_factory.mktemp("upstream"), monkeypatch_module)


@pytest.fixture
def mirror(mirror_module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small mirror, which a test may damage."""
    folder = Path(shutil.copytree(mirror_module, tmp_path / "mirror"))
    monkeypatch.setenv("MEMOTIONS_MIRROR", str(folder))
    return folder


@pytest.fixture(scope="module")
def build_module(mirror_module: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build") / "built"
    return build_folder(folder, options=OWN, configs=OWN_CONFIGS, finish=write_small_card)


@pytest.fixture
def build(build_module: Path, tmp_path: Path) -> Path:
    """What a build of the small mirror gives, with a card of one line."""
    return Path(shutil.copytree(build_module, tmp_path / "built"))


def write_small_card(folder: Path, infos: dict[str, Any]) -> None:
    assert set(infos) == {path.name for path in folder.iterdir() if path.is_dir()}
    (folder / "README.md").write_text("# small\n", encoding="utf-8")


def load(folder: Path, config: str, **options: Any) -> Any:
    return datasets.load_dataset(
        "parquet",
        data_files={
            path.name.split("-")[0]: str(path) for path in (folder / config).glob("*.parquet")
        },
        cache_dir=str(folder.parent / "datasets"),
        **options,
    )


# Building ----------------------------------------------------------------------------------------


def test_a_config_is_a_folder_of_shards_by_split(build: Path) -> None:
    configs = sorted(path.name for path in build.iterdir() if path.is_dir())
    assert configs == ["emot", "journal", "memotions-2024", "merged", "suggestions"]
    for config in ("emot", "merged", "journal"):
        names = {path.name for path in (build / config).iterdir()}
        assert "train-00000-of-00001.parquet" in names
        assert "test-00000-of-00001.parquet" in names
    assert [path.name for path in (build / "suggestions").iterdir()] == [
        "train-00000-of-00001.parquet"
    ]


def test_what_is_loaded_is_what_load_corpus_gives(build: Path) -> None:
    for config in ("merged", "emot", "memotions-2024", "suggestions"):
        loaded = load(build, config)
        made = load_corpus(config, options=OWN)
        assert set(loaded) == set(made)
        for split in made:
            assert loaded[split].features == made[split].features
            assert loaded[split].to_list() == made[split].to_list()


def test_labels_keep_their_names(build: Path) -> None:
    merged = load(build, "merged", split="test")
    assert merged.features["label"].names == list(LABELS)
    labels = {row["text"]: merged.features["label"].int2str(row["label"]) for row in merged}
    assert labels["sayang kamu selamanya"] == "happy"
    assert labels["sedih ditinggal pergi jauh"] == "sad"


def test_rows_can_be_streamed(build: Path) -> None:
    streamed = load(build, "merged", split="train", streaming=True)
    assert next(iter(streamed))["source"] in {"journal", "emot"}
    assert sum(1 for _ in streamed) == len(load(build, "merged", split="train"))


def test_the_facts_of_each_config_are_kept(build: Path) -> None:
    infos = json.loads((build / "infos.json").read_text(encoding="utf-8"))
    rows = Counter({s["name"]: s["num_examples"] for s in infos["merged"]["splits"]})
    assert rows == {split: len(part) for split, part in load(build, "merged").items()}
    size = sum(path.stat().st_size for path in (build / "merged").iterdir())
    assert infos["merged"]["download_size"] == size


def test_an_evaluation_source_is_built_only_where_it_is_named(mirror: Path, tmp_path: Path) -> None:
    assert not set(default_configs(OWN)) & set(EVALUATION_SOURCES)
    folder = build_folder(tmp_path / "own", options=OWN, configs=["opinion"])
    assert [path.name for path in (folder / "opinion").iterdir()] == ["test-00000-of-00001.parquet"]


def test_default_configs_are_those_whose_files_are_there(mirror: Path) -> None:
    own = ["merged", "journal", "emot", "dair-emotion", "kaggle-emotions"]
    assert default_configs(OWN) == [*own, "memotions-2024", "suggestions"]
    assert "emot" not in default_configs(OWN, ["emot"])
    assert "memotions-2024" not in default_configs(without(OWN, ["emot"]))


def test_sources_can_be_left_out() -> None:
    assert without(OWN, ["emot"]).sources == ("journal",)
    with one_line_error(InputError, "every source"):
        without(OWN, ["emot", "journal"])
    with one_line_error(InputError, "'imdb'"):
        without(OWN, ["imdb"])


def test_a_folder_is_not_overwritten_unasked(build: Path) -> None:
    before = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}
    with one_line_error(InputError, str(build), "exists already"):
        build_folder(build, options=OWN)
    assert {path: path.read_bytes() for path in build.rglob("*") if path.is_file()} == before


def test_a_build_replaces_an_earlier_one_when_asked(build: Path) -> None:
    build_folder(build, options=OWN, configs=["suggestions"], overwrite=True)
    assert [path.name for path in build.iterdir() if path.is_dir()] == ["suggestions"]
    assert not list(build.parent.glob(".memotions-*"))


def test_a_folder_of_something_else_is_never_replaced(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("draft")
    with one_line_error(InputError, "mine", "something else"):
        build_folder(tmp_path / "mine", options=OWN, overwrite=True)
    assert (tmp_path / "mine/thesis.txt").read_text() == "draft"


def test_a_file_in_the_way_is_named(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with one_line_error(InputError, str(tmp_path / "file")):
        build_folder(tmp_path / "file", options=OWN, overwrite=True)


@pytest.mark.parametrize("config", ["", "Merged", "default"])
def test_an_unknown_config_is_refused_before_anything_is_written(
    mirror: Path, tmp_path: Path, config: str
) -> None:
    with one_line_error(InputError, repr(config), "merged"):
        build_folder(tmp_path / "built", options=OWN, configs=[config])
    assert not (tmp_path / "built").exists()


def test_a_damaged_file_leaves_nothing_behind(mirror: Path, tmp_path: Path) -> None:
    (mirror / "emot/test_preprocess.csv").write_text("label,tweet\nhappy,\n", encoding="utf-8")
    with one_line_error(CorpusError, "test_preprocess.csv", "line 2", "text is empty"):
        build_folder(tmp_path / "built", options=OWN)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror"]


def test_an_unknown_label_is_named_with_its_source(mirror: Path, tmp_path: Path) -> None:
    (mirror / "emot/test_preprocess.csv").write_text("label,tweet\nhappi,aku\n", encoding="utf-8")
    with one_line_error(CorpusError, "emot", "'happi'"):
        build_folder(tmp_path / "built", options=OWN)


def test_a_full_disk_leaves_nothing_behind(mirror: Path, tmp_path: Path) -> None:
    def full(folder: Path, infos: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    with pytest.raises(OSError, match="No space left"):
        build_folder(tmp_path / "built", options=OWN, configs=["suggestions"], finish=full)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror"]


def test_large_configs_are_cut_into_shards(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_module, "_MAX_SHARD_SIZE", "50KB")
    monkeypatch.setattr(datasets.config, "DEFAULT_MAX_BATCH_SIZE", 100)
    folder = build_folder(tmp_path / "built", options=OWN, configs=["journal"])
    shards = sorted(path.name for path in (folder / "journal").glob("train-*"))
    assert len(shards) > 1
    assert shards[0] == f"train-00000-of-{len(shards):05d}.parquet"
    rows = datasets.load_dataset(
        "parquet", data_files=str(folder / "journal/train-*"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert rows["id"] == load_corpus("journal", split="train", options=OWN)["id"]


# The licence gate --------------------------------------------------------------------------------


def rewrite(folder: Path, config: str, **columns: str) -> None:
    """Give every row of a config's first file other values."""
    path = sorted((folder / config).glob("*.parquet"))[0]
    rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(folder.parent / "rewrite"))
    for column, value in columns.items():
        rows = rows.remove_columns(column).add_column(column, [value] * len(rows))
    rows.to_parquet(str(path))


def test_rows_that_may_be_redistributed_pass(build: Path) -> None:
    check_redistribution(build)


def test_opinion_rows_can_never_be_published(mirror: Path, tmp_path: Path) -> None:
    folder = build_folder(
        tmp_path / "own", options=OWN, configs=["opinion", "merged"], finish=write_small_card
    )
    with one_line_error(InputError, "opinion", "CC-BY-NC-ND-4.0", "--exclude opinion"):
        publish_folder(folder, "someone/corpus")
    # Nor under the name of another config.
    shutil.rmtree(folder / "merged")
    (folder / "opinion").rename(folder / "merged")
    with one_line_error(InputError, "opinion", "CC-BY-NC-ND-4.0"):
        publish_folder(folder, "someone/corpus")
    (folder / "merged").rename(folder / "suggestions")
    with one_line_error(InputError, "opinion", "CC-BY-NC-ND-4.0"):
        publish_folder(folder, "someone/corpus")


@pytest.mark.parametrize("name", [n for n, s in SOURCES.items() if s.redistribute != "yes"])
def test_a_source_that_nobody_has_allowed_is_refused_with_the_way_out(
    build: Path, name: str
) -> None:
    rewrite(build, "emot", source=name, license=SOURCES[name].license)
    with one_line_error(InputError, name, SOURCES[name].license, f"--exclude {name}"):
        publish_folder(build, "someone/corpus")


@pytest.mark.parametrize(
    "columns",
    [{"source": "imdb"}, {"license": "CC0-1.0"}, {"source": "opinion"}],
    ids=["unknown source", "another licence", "another source under its old licence"],
)
def test_rows_that_do_not_say_where_they_are_from_are_refused(
    build: Path, columns: dict[str, str]
) -> None:
    rewrite(build, "emot", **columns)
    with one_line_error(CorpusError, "no source", "build it anew"):
        publish_folder(build, "someone/corpus")


def test_rows_without_a_source_are_refused(build: Path) -> None:
    path = build / "emot/test-00000-of-00001.parquet"
    rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(build.parent / "rewrite"))
    rows.remove_columns("source").to_parquet(str(path))
    with one_line_error(CorpusError, "emot/test"):
        check_redistribution(build)


def test_a_truncated_file_is_refused(build: Path) -> None:
    path = build / "emot/test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with one_line_error(CorpusError, "emot/test", "cannot be read"):
        check_redistribution(build)


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_a_folder_without_a_build_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with one_line_error(InputError, name, "memotions corpus build"):
        publish_folder(tmp_path / name, "someone/corpus")


# The builder and the script -----------------------------------------------------------------------


def test_the_builder_works_as_any_other(mirror: Path, tmp_path: Path) -> None:
    from memotions_hf.corpus.builder import MemotionsCorpus

    assert list(MemotionsCorpus.builder_configs) == list(CONFIGS)
    builder = MemotionsCorpus(config_name="emot", cache_dir=str(tmp_path / "cache"), options=OWN)
    builder.download_and_prepare()
    emot = builder.as_dataset()
    assert {name: len(part) for name, part in emot.items()} == {
        "train": 2,
        "validation": 1,
        "test": 2,
    }
    assert "indonlu" in builder.info.citation.lower()
    assert builder.info.license == "CC-BY-NC-SA-4.0"


def test_options_make_another_data_set(mirror: Path, tmp_path: Path) -> None:
    from memotions_hf.corpus.builder import MemotionsCorpus

    made = []
    for love in ("happy", "drop"):
        options = dataclasses.replace(OWN, love=love)
        builder = MemotionsCorpus(
            config_name="emot", cache_dir=str(tmp_path / "cache"), options=options
        )
        builder.download_and_prepare()
        made.append(builder.as_dataset(split="test")["text"])
    assert "sayang kamu selamanya" in made[0]
    assert "sayang kamu selamanya" not in made[1]


def test_the_script_tells_how_to_use_it() -> None:
    script = Path(__file__).parents[2] / "dataset_scripts/memotions-corpus/build.py"
    # datasets 5 takes a folder that holds a script of its own name for a loading script.
    assert script.stem != script.parent.name
    run = subprocess.run(
        [sys.executable, str(script), "--help"], capture_output=True, text=True, check=True
    )
    assert "--exclude" in run.stdout
    assert "FOLDER" in run.stdout


def test_every_source_of_the_merge_is_a_config() -> None:
    assert set(MERGED_SOURCES) < set(CONFIGS)
    assert {"merged", "memotions-2024", "suggestions"} <= set(CONFIGS)


# The Hub -----------------------------------------------------------------------------------------

PUBLISH = """
import sys
from pathlib import Path
from memotions_hf.corpus.publish import publish_folder
print(publish_folder(Path(sys.argv[1]), *sys.argv[2:3]))
"""
LOAD = """
import datasets, sys
corpus = datasets.load_dataset(sys.argv[1], sys.argv[2])
print({split: len(part) for split, part in corpus.items()}, corpus["test"].features["label"].names)
"""


@pytest.fixture
def card_build(build: Path) -> Path:
    """A build whose card tells load_dataset of its configs, as the real one does."""
    (build / "README.md").write_text(
        "---\nlicense: cc-by-nc-sa-4.0\nconfigs:\n- config_name: merged\n  data_files:\n"
        + "".join(
            f"  - split: {split}\n    path: merged/{split}-*.parquet\n"
            for split in ("train", "validation", "test")
        )
        + "---\n# small\n",
        encoding="utf-8",
    )
    (build / "notes.txt").write_text("not a part of the corpus")
    return build


def test_a_published_corpus_is_loaded_from_the_hub(card_build: Path, tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        push = run_client(
            PUBLISH, hub.url, tmp_path / "hf", str(card_build), "memotions/memotions-corpus"
        )
        assert push.returncode == 0, push.stderr
        repo = hub.repos["datasets/memotions/memotions-corpus"]
        files = set(repo.commits[repo.branches["main"]])
        load_run = run_client(
            LOAD, hub.url, tmp_path / "other", "memotions/memotions-corpus", "merged"
        )
    assert "merged/train-00000-of-00001.parquet" in files
    assert "README.md" in files
    assert not {"notes.txt", "infos.json"} & files
    assert load_run.returncode == 0, load_run.stderr[-2000:]
    rows = {split: len(part) for split, part in load(card_build, "merged").items()}

    for split, count in rows.items():
        assert f"'{split}': {count}" in load_run.stdout
    assert str(list(LABELS)) in load_run.stdout


def test_a_later_version_leaves_no_old_shard(card_build: Path, tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        arguments = (str(card_build), "memotions/memotions-corpus")
        run_client(PUBLISH, hub.url, tmp_path / "hf", *arguments)
        shutil.rmtree(card_build / "emot")
        second = run_client(PUBLISH, hub.url, tmp_path / "hf", *arguments)
        assert second.returncode == 0, second.stderr
        repo = hub.repos["datasets/memotions/memotions-corpus"]
        files = repo.commits[repo.branches["main"]]
    assert not [path for path in files if path.startswith("emot/")]
    assert [path for path in files if path.startswith("merged/")]


def test_what_the_hub_refuses_is_one_line(card_build: Path, tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        run = run_client(PUBLISH, hub.url, tmp_path / "hf", str(card_build), "someone/corpus")
    assert run.returncode == 1
    assert "cannot publish to 'someone/corpus'" in run.stderr.splitlines()[-1]


def test_refused_rows_never_reach_the_hub(build: Path, tmp_path: Path) -> None:
    rewrite(build, "emot", source="opinion", license="CC-BY-NC-ND-4.0")
    with LoopbackHub() as hub:
        run = run_client(PUBLISH, hub.url, tmp_path / "hf", str(build), "memotions/corpus")
        assert run.returncode == 1
        assert "opinion" in run.stderr.splitlines()[-1]
        assert hub.requests == []
