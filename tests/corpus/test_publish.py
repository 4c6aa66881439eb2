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
from huggingface_hub import CommitInfo, HfApi
from huggingface_hub.utils.tqdm import disable_progress_bars
from support.hub import ALWAYS, Hub, loopback_hub, without_xet
from support.small_corpus import write_small_mirror

from memotions_hf.corpus import MergeOptions, load_corpus
from memotions_hf.corpus import publish as publish_module
from memotions_hf.corpus.configs import CONFIGS
from memotions_hf.corpus.publish import (
    build_folder,
    check_folder,
    check_redistribution,
    default_configs,
    publish_folder,
    unpublishable_sources,
    without,
)
from memotions_hf.corpus.sources import EVALUATION_SOURCES, MERGED_SOURCES, SOURCES
from memotions_hf.errors import CorpusError, HubError, InputError
from memotions_hf.labels import LABELS

datasets = pytest.importorskip("datasets", reason="the data extra is not installed")
pytest.importorskip("rensa", reason="the data extra is not installed")

OWN = MergeOptions(sources=("journal", "emot"))
CARD = "---\nlicense: cc-by-nc-sa-4.0\n---\n# small\n"
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
    (folder / "README.md").write_text(CARD, encoding="utf-8")


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
    bundled = ["journal", "go-emotions-id", "everyday"]
    own = [*bundled, "emot", "dair-emotion", "kaggle-emotions"]
    assert sorted(default_configs(OWN)) == sorted(["merged", *own, "memotions-2024", "suggestions"])
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

REPO = "memotions/corpus"
COMMIT = "POST /api/datasets/.*/commit/"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    disable_progress_bars()
    with loopback_hub(tmp_path / "hub") as running, without_xet():
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        yield running


def push(hub: Hub, folder: Path, repo: str = REPO, **options: Any) -> CommitInfo:
    return publish_folder(folder, repo, **{"token": hub.tokens.write, **options})


def files_of(hub: Hub, revision: str = "main") -> dict[str, bytes]:
    return hub.files(REPO, revision, repo_type="dataset")


def drop_config(folder: Path, config: str) -> None:
    """Leave what a build without this config would have made."""
    shutil.rmtree(folder / config)
    infos = json.loads((folder / "infos.json").read_text(encoding="utf-8"))
    del infos[config]
    (folder / "infos.json").write_text(json.dumps(infos), encoding="utf-8")


def test_the_card_the_parquet_files_and_the_plots_are_published(hub: Hub, build: Path) -> None:
    (build / "plots").mkdir()
    (build / "plots/text_length.png").write_bytes(b"\x89PNG")
    (build / "plots/notes.txt").write_text("not a part of the corpus")
    (build / "notes.txt").write_text("nor is this")
    rows = {path.relative_to(build).as_posix(): path for path in build.glob("*/*.parquet")}
    commit = push(hub, build, card=lambda folder, repo: f"{CARD}{folder.name} as {repo}\n")
    assert str(commit) == f"{hub.url}/datasets/{REPO}/commit/{commit.oid}"
    assert files_of(hub) == {
        "README.md": f"{CARD}{build.name} as {REPO}\n".encode(),
        "plots/text_length.png": b"\x89PNG",
        **{name: path.read_bytes() for name, path in rows.items()},
    }
    assert (build / "README.md").read_text(encoding="utf-8") == CARD


def test_the_same_again_makes_no_commit(hub: Hub, build: Path) -> None:
    first = push(hub, build)
    hub.clear()
    assert push(hub, build).oid == first.oid
    assert hub.uploads == []


def test_a_later_version_leaves_no_old_file_and_all_others(hub: Hub, build: Path) -> None:
    others = {
        "notes.md": b"mine",
        "mine/train-00000-of-00001.parquet": b"mine",
        "emot/more.parquet": b"mine",
        "plots/mine.png": b"mine",
    }
    shards = ("train-00000-of-00002", "train-00001-of-00002")
    old = {f"merged/{name}.parquet": b"old" for name in shards}
    hub.put(REPO, {**others, **old, "plots/wordcloud_sad.png": b"old"}, repo_type="dataset")
    push(hub, build)
    assert files_of(hub).items() >= others.items()
    assert not files_of(hub).keys() & {*old, "plots/wordcloud_sad.png"}
    drop_config(build, "emot")
    hub.clear()
    push(hub, build)
    built = {path.relative_to(build).as_posix() for path in build.glob("*/*.parquet")}
    assert files_of(hub).keys() == {*built, *others, "README.md"}
    assert [line.split()[0] for line in hub.uploads] == ["commit"]


def test_somebody_else_s_commit_is_not_lost(hub: Hub, build: Path) -> None:
    push(hub, build)
    before = files_of(hub)
    drop_config(build, "emot")
    hub.interfere(REPO, {"theirs.txt": "theirs"}, repo_type="dataset")
    with one_line_error(HubError, REPO, "changed during the upload", "try again"):
        push(hub, build)
    assert files_of(hub) == {**before, "theirs.txt": b"theirs"}
    push(hub, build)
    assert files_of(hub)["theirs.txt"] == b"theirs"
    assert not [path for path in files_of(hub) if path.startswith("emot/")]


def test_a_branch_leaves_main_as_it_is(hub: Hub, build: Path) -> None:
    main = push(hub, build).oid
    drop_config(build, "emot")
    assert push(hub, build, revision="next").oid != main
    assert "emot/test-00000-of-00001.parquet" in files_of(hub)
    assert "emot/test-00000-of-00001.parquet" not in files_of(hub, "next")
    with one_line_error(InputError, main, "name a branch"):
        push(hub, build, revision=main)


def test_a_pull_request_leaves_main_as_it_is(hub: Hub, build: Path) -> None:
    push(hub, build)
    drop_config(build, "emot")
    before = files_of(hub)
    commit = push(hub, build, create_pr=True)
    assert commit.pr_url == f"{hub.url}/datasets/{REPO}/discussions/1"
    assert files_of(hub) == before
    HfApi(token=hub.tokens.write).merge_pull_request(REPO, 1, repo_type="dataset")
    assert "emot/test-00000-of-00001.parquet" not in files_of(hub)


def test_a_private_corpus_stays_private(hub: Hub, build: Path) -> None:
    push(hub, build, private=True)
    repo = hub.repo(REPO, "dataset")
    assert repo is not None
    assert repo.private
    push(hub, build, "memotions/public")
    hub.clear()
    with one_line_error(InputError, "memotions/public", "is public", "nothing was pushed"):
        push(hub, build, "memotions/public", private=True)
    assert hub.uploads == []


@pytest.mark.parametrize(
    ("token", "repo", "said"),
    [
        ("wrong", REPO, "asks for a valid token"),
        (None, REPO, "asks for a valid token"),
        ("read", REPO, "write permission"),
        ("fine_read", REPO, "a token that may write there"),
        ("write", "someone/corpus", "may not create anything under this name"),
        ("stranger", REPO, "may not create anything under this name"),
        ("write", "a/b/c", "no name of a repository"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    hub: Hub, build: Path, token: str | None, repo: str, said: str
) -> None:
    secret = getattr(hub.tokens, token) if token else False
    with pytest.raises(HubError) as refusal:
        push(hub, build, repo, token=secret)
    message = str(refusal.value)
    assert repr(repo) in message
    assert said in message
    assert "\n" not in message
    assert not secret or secret not in message
    assert hub.uploads == []
    assert hub.repo(repo, "dataset") is None


def test_a_busy_hub_is_waited_for(hub: Hub, build: Path) -> None:
    limited = hub.faults.rate_limit(COMMIT, retry_after=0)
    broken = hub.faults.status(COMMIT, 500, headers={"Retry-After": "0"})
    push(hub, build)
    assert (limited.happened, broken.happened) == (1, 1)
    assert "README.md" in files_of(hub)


@pytest.mark.parametrize(("status", "said"), [(429, "too many requests"), (500, "try again")])
def test_a_hub_that_stays_busy_is_one_line(hub: Hub, build: Path, status: int, said: str) -> None:
    hub.faults.status(COMMIT, status, headers={"Retry-After": "0"}, times=ALWAYS)
    with one_line_error(HubError, REPO, said):
        push(hub, build)
    assert files_of(hub) == {}


def test_no_room_is_one_line(hub: Hub, build: Path) -> None:
    hub.app.quota_bytes = 1000
    with one_line_error(HubError, REPO, "used up", "make room"):
        push(hub, build)
    assert files_of(hub) == {}


def test_no_network_is_one_line(hub: Hub, build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.dead_url)
    with one_line_error(HubError, REPO, "cannot be reached", "check the network"):
        push(hub, build)


def test_refused_rows_never_reach_the_hub(hub: Hub, build: Path) -> None:
    rewrite(build, "emot", source="opinion", license="CC-BY-NC-ND-4.0")
    with one_line_error(InputError, "opinion"):
        push(hub, build)
    assert hub.requests == []


@pytest.mark.parametrize(
    "damage", ["a config is gone", "a row is gone", "one more config", "other infos"]
)
def test_a_card_of_other_files_never_reaches_the_hub(hub: Hub, build: Path, damage: str) -> None:
    if damage == "a config is gone":  # as its rows may be quoted in the card
        shutil.rmtree(build / "emot")
    elif damage == "a row is gone":
        path = build / "emot/test-00000-of-00001.parquet"
        rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(build.parent / "rewrite"))
        rows.select([0]).to_parquet(str(path))
    elif damage == "one more config":
        shutil.copytree(build / "emot", build / "mine")
    else:
        (build / "infos.json").write_text('{"emot": 3}')
    named = {"one more config": "mine", "other infos": "infos.json"}.get(damage, "emot")
    with one_line_error(CorpusError, str(build), named, "build it anew"):
        push(hub, build)
    assert hub.requests == []


def test_a_commit_needs_a_message(hub: Hub, build: Path) -> None:
    with one_line_error(InputError, "commit_message"):
        push(hub, build, commit_message=" ")
    assert hub.requests == []


def test_sources_that_may_not_be_published_are_known() -> None:
    names = unpublishable_sources()
    assert set(EVALUATION_SOURCES) < set(names) < set(SOURCES)
    assert without(MergeOptions(), names).sources == tuple(
        name for name in MERGED_SOURCES if SOURCES[name].redistribute == "yes"
    )


def test_a_whole_build_is_accepted(build: Path) -> None:
    check_folder(build)
