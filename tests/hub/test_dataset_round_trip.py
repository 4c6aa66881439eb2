"""The corpus is built, published to the loopback Hub, and loaded by the clients that users have."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard, HfApi
from huggingface_hub.utils.tqdm import disable_progress_bars
from support.hub import Hub, loopback_hub, without_xet
from support.small_corpus import write_small_mirror

from memotions_hf.cards.dataset_folder import build_with_card, name_repository
from memotions_hf.corpus import MergeOptions
from memotions_hf.corpus.publish import publish_folder, published_files
from memotions_hf.labels import LABELS

pytest.importorskip("datasets", reason="the data extra is not installed")
pytest.importorskip("wordcloud", reason="the cards extra is not installed")
matplotlib = pytest.importorskip("matplotlib", reason="the cards extra is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="the data extra is not installed")

REPO = "memotions/corpus"
PRIVATE = "memotions/private-corpus"
CONFIGS = ("merged", "emot", "memotions-2024", "suggestions")
MORE_TWEETS = [
    f"{label},{who} {feels} {why} {when}"
    for label, feels in {"happy": "senang", "anger": "kesal", "sadness": "sedih"}.items()
    for who in ("aku", "ibu", "adik", "teman", "tetangga")
    for why in ("dapat kabar", "ditinggal kereta", "menunggu hujan", "membaca surat")
    for when in ("pagi ini", "kemarin sore", "malam minggu", "sepulang kerja")
]
OLD_TEXT, NEW_TEXT = "takut pulang malam sendirian", "takut pulang malam sendirian lagi"

Facts = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """Two builds in one repository: the first is ``main`` and ``v1``, the second is ``next``."""

    hub: Hub
    first: Path
    commits: tuple[str, str]
    uploaded: tuple[list[str], list[str]]


def build(folder: Path, change: tuple[str, str] = ("", "")) -> Path:
    """Build a small corpus with its card; ``change`` replaces a part of the upstream files."""
    with pytest.MonkeyPatch.context() as patch:
        mirror = write_small_mirror(folder.parent / f"{folder.name}-mirror", patch)
        with (mirror / "emot/train_preprocess.csv").open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in MORE_TWEETS)
        for path in mirror.glob("emot/*.csv"):
            path.write_text(path.read_text("utf-8").replace(*change), "utf-8")
        return build_with_card(folder, options=MergeOptions(sources=("emot",)), configs=CONFIGS)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    disable_progress_bars()
    with (
        loopback_hub(tmp_path_factory.mktemp("hub") / "hub") as running,
        without_xet(),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        yield running


@pytest.fixture(scope="module")
def published(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("builds")
    first, second = build(folder / "first"), build(folder / "second", (OLD_TEXT, NEW_TEXT))
    old = publish(hub, first, REPO)
    uploaded = hub.uploads
    HfApi(token=hub.tokens.write).create_tag(REPO, tag="v1", repo_type="dataset")
    hub.clear()
    new = publish(hub, second, REPO, revision="next")
    uploads = (uploaded, hub.uploads)
    publish(hub, first, PRIVATE, private=True)
    hub.clear()
    return Published(hub, first, (old, new), uploads)


@pytest.fixture(autouse=True)
def no_trouble_is_left(hub: Hub) -> Iterator[None]:
    yield
    hub.clear()


def publish(hub: Hub, folder: Path, repo: str, **options: Any) -> str:
    options = {"token": hub.tokens.write, "card": name_repository, **options}
    return publish_folder(folder, repo, **options).oid


def ask(hub: Hub, code: str, *arguments: str, home: Path, **variables: str) -> Facts:
    """Run code in a process of its own; what it prints last is JSON."""
    done = hub.run(code, *arguments, home=home, **variables)
    assert done.returncode == 0, done.stderr[-3000:]
    facts: Facts = json.loads(done.stdout.splitlines()[-1])
    return facts


def parts_of(folder: Path, config: str) -> dict[str, list[Path]]:
    """Return the files of each split of a config."""
    parts: dict[str, list[Path]] = {}
    for path in sorted((folder / config).glob("*.parquet")):
        parts.setdefault(path.name.split("-")[0], []).append(path)
    return parts


def row_counts(folder: Path, config: str) -> dict[str, int]:
    return {
        split: sum(parquet.read_metadata(path).num_rows for path in paths)
        for split, paths in parts_of(folder, config).items()
    }


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# Loading ------------------------------------------------------------------------------------------

PRELUDE = """
import json, sys
from pathlib import Path
import datasets, pyarrow.parquet
from datasets import load_dataset

datasets.disable_progress_bars()

def attempt(*arguments, **options):
    try:
        return sum(map(len, load_dataset(*arguments, **options).values()))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def takut(repo, revision):
    texts = load_dataset(repo, "emot", split="validation", revision=revision)["text"]
    return [text for text in texts if text.startswith("takut")]
"""

LOAD = (
    PRELUDE
    + """
from datasets import (
    get_dataset_config_names, get_dataset_default_config_name, get_dataset_split_names,
    load_dataset_builder,
)
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard

repo, private, folder, old, new, read_token, stranger, wrong = sys.argv[1:]
facts = {"configs": {}, "same": {}, "labels": {}, "bytes": {}}
for config in get_dataset_config_names(repo):
    loaded = load_dataset(repo, config)
    facts["configs"][config] = {split: len(part) for split, part in loaded.items()}
    facts["bytes"][config] = {s: part.info.splits[s].num_bytes for s, part in loaded.items()}
    facts["same"][config] = all(
        part.to_list() == pyarrow.parquet.read_table(sorted(Path(folder, config).glob(f"{s}-*"))[0])
        .to_pylist() for s, part in loaded.items()
    )
    features = next(iter(loaded.values())).features
    facts["labels"][config] = features["emotion" if config == "suggestions" else "label"].names
merged = load_dataset(repo, "merged")
facts["default"] = [get_dataset_default_config_name(repo), attempt(repo)]
facts["splits"] = get_dataset_split_names(repo, "merged")
part = load_dataset(repo, "merged", split="train[:1%]")
facts["part"] = [len(part), part["id"] == merged["train"]["id"][: len(part)]]
stream = load_dataset(repo, "merged", split="train", streaming=True)
facts["stream"] = list(stream) == merged["train"].to_list()
facts["stream_labels"] = stream.features["label"].names
facts["revisions"] = {
    name: takut(repo, revision) for name, revision in {
        "none": None, "branch": "next", "tag": "v1", "old": old, "new": new
    }.items()
}
facts["private"] = {
    "nobody": attempt(private),
    "stranger": attempt(private, token=stranger),
    "wrong": attempt(private, token=wrong),
    "read": attempt(private, token=read_token),
    "nobody then": attempt(private),
}
facts["wrong"] = {
    "config": attempt(repo, "no-such"),
    "split": attempt(repo, "merged", split="no-such"),
    "revision": attempt(repo, "merged", revision="no-such"),
    "repo": attempt("memotions/no-such", "merged"),
}
card = DatasetCard.load(repo)
card.validate()
configs = MetadataConfigs.from_dataset_card_data(card.data)
facts["card"] = {
    "default": configs.get_default_config_name(),
    "files": {name: {entry["split"]: entry["path"] for entry in config["data_files"]}
              for name, config in configs.items()},
    "infos": {name: {
        "splits": {s: [part.num_examples, part.num_bytes] for s, part in info.splits.items()},
        "download": info.download_size,
        "size": info.dataset_size,
        "columns": list(info.features),
        "features as loaded": info.features == load_dataset_builder(repo, name).info.features,
    } for name, info in DatasetInfosDict.from_dataset_card_data(card.data).items()},
    "data": {key: card.data.get(key) for key in (
        "language", "license", "license_name", "license_link", "task_categories",
        "size_categories")},
}
print(json.dumps(facts))
"""
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def loaded(published: Published, home: Path) -> Facts:
    tokens = published.hub.tokens
    return ask(
        published.hub, LOAD, REPO, PRIVATE, str(published.first), *published.commits,
        tokens.read, tokens.stranger, tokens.wrong, home=home,
    )  # fmt: skip


def test_every_config_is_loaded_as_it_was_built(published: Published, loaded: Facts) -> None:
    assert loaded["configs"] == {name: row_counts(published.first, name) for name in CONFIGS}
    assert loaded["same"] == dict.fromkeys(CONFIGS, True)
    assert loaded["labels"] == {name: list(LABELS) for name in CONFIGS}


def test_merged_is_the_default(published: Published, loaded: Facts) -> None:
    assert loaded["default"] == ["merged", sum(row_counts(published.first, "merged").values())]
    assert loaded["splits"] == ["train", "validation", "test"]


def test_a_part_of_a_split_is_its_beginning(published: Published, loaded: Facts) -> None:
    rows = row_counts(published.first, "merged")["train"]
    assert loaded["part"] == [round(rows / 100), True]


def test_a_stream_gives_the_same_rows(loaded: Facts) -> None:
    assert loaded["stream"]
    assert loaded["stream_labels"] == list(LABELS)


def test_a_revision_is_a_branch_a_tag_or_a_commit(loaded: Facts) -> None:
    old, new = [OLD_TEXT], [NEW_TEXT]
    texts = {"none": old, "tag": old, "old": old, "branch": new, "new": new}
    assert loaded["revisions"] == texts


def test_a_private_repository_needs_a_token_that_may_read_it(
    published: Published, loaded: Facts
) -> None:
    hidden = f"DatasetNotFoundError: Dataset '{PRIVATE}' doesn't exist on the Hub or cannot be"
    private = loaded["private"]
    assert private["read"] == sum(row_counts(published.first, "merged").values())
    assert private["nobody"].startswith(hidden)
    assert private["stranger"].startswith(hidden)
    assert "401 Unauthorized" in private["wrong"]
    assert published.hub.tokens.wrong not in private["wrong"]
    # What is in the cache is given to whoever asks on this machine.
    assert private["nobody then"] == private["read"]


def test_what_is_not_there_is_named(loaded: Facts) -> None:
    wrong = loaded["wrong"]
    available = str(sorted(CONFIGS))
    assert wrong["config"] == (
        f"ValueError: BuilderConfig 'no-such' not found. Available: {available}"
    )
    assert "'no-such'" in wrong["split"]
    assert wrong["revision"].startswith("DatasetNotFoundError: Revision 'no-such' doesn't exist")
    assert wrong["repo"].startswith("DatasetNotFoundError: Dataset 'memotions/no-such' doesn't")


OFFLINE = (
    PRELUDE
    + """
repo, private = sys.argv[1:]
facts = {
    "merged": attempt(repo, "merged"),
    "part": len(load_dataset(repo, "merged", split="train[:1%]")),
    "stream": sum(1 for _ in load_dataset(repo, "emot", split="train", streaming=True)),
    "private": attempt(private),
    "no config": next(iter(load_dataset(repo).values())).info.config_name,
    "old revision": takut(repo, "v1"),
    "config": attempt(repo, "no-such"),
    "repo": attempt("memotions/no-such", "merged"),
}
print(json.dumps(facts))
"""
)


def test_what_was_loaded_once_is_there_without_a_network(
    published: Published, loaded: Facts, home: Path
) -> None:
    published.hub.clear()
    facts = ask(published.hub, OFFLINE, REPO, PRIVATE, home=home, HF_HUB_OFFLINE="1")
    rows = sum(row_counts(published.first, "merged").values())
    assert facts["merged"] == rows
    assert facts["part"] == loaded["part"][0]
    assert facts["stream"] == row_counts(published.first, "emot")["train"]
    assert facts["private"] == rows
    # Neither the card nor the revision is looked at: what was made last is taken.
    assert facts["no config"] == "emot"
    assert facts["old revision"] == [NEW_TEXT]
    assert facts["config"].startswith(f"ValueError: Couldn't find cache for {REPO} for config")
    assert "memotions/no-such" in facts["repo"]
    assert published.hub.requests == []


# What arrives is not what was sent ----------------------------------------------------------------

DAMAGED = (
    PRELUDE
    + """
repo, = sys.argv[1:]
facts = {
    "short": attempt(repo, "merged"),
    "short again": attempt(repo, "merged"),
    "footer": attempt(repo, "suggestions"),
    "footer again": attempt(repo, "suggestions"),
    "footer anew": attempt(repo, "suggestions", download_mode="force_redownload"),
    "text": attempt(repo, "memotions-2024"),
}
try:
    facts["read"] = load_dataset(repo, "memotions-2024", split="test")["text"][:]
except UnicodeDecodeError as error:
    facts["read"] = type(error).__name__
print(json.dumps(facts))
"""
)


def test_what_datasets_notices_of_a_damaged_file(published: Published, tmp_path: Path) -> None:
    """It checks the size, and not the content: that is up to the Parquet reader."""
    hub, folder = published.hub, published.first
    merged = "merged/train-00000-of-00001.parquet"
    suggestions = "suggestions/train-00000-of-00001.parquet"
    naive = "memotions-2024/test-00000-of-00001.parquet"
    end = (folder / suggestions).stat().st_size - 10
    text = parquet.read_table(folder / naive)["text"][0].as_py()
    inside = (folder / naive).read_bytes().index(text[:8].encode())
    faults = (
        hub.truncate(REPO, merged, after=1000, repo_type="dataset", times=1),
        hub.corrupt(REPO, suggestions, at=end, repo_type="dataset", times=1),
        hub.corrupt(REPO, naive, at=inside, repo_type="dataset", times=1),
    )
    facts = ask(hub, DAMAGED, REPO, home=tmp_path)
    assert [fault.happened for fault in faults] == [1, 1, 1]
    size = (folder / merged).stat().st_size
    assert facts["short"].startswith("OSError: Consistency check failed: file should be of size")
    assert f"{size} but has size 1000" in facts["short"]
    assert facts["short again"] == sum(row_counts(folder, "merged").values())
    assert facts["footer"].startswith("DatasetGenerationError")
    assert facts["footer again"].startswith("DatasetGenerationError")  # the cache keeps it
    assert facts["footer anew"] == sum(row_counts(folder, "suggestions").values())
    # One changed byte in a text is loaded, and found by nobody but who reads the text.
    assert facts["text"] == sum(row_counts(folder, "memotions-2024").values())
    assert facts["read"] == "UnicodeDecodeError"


# The card -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def card(loaded: Facts) -> Facts:
    facts: Facts = loaded["card"]
    return facts


def test_the_card_names_the_files_of_every_config(published: Published, card: Facts) -> None:
    assert card["default"] == "merged"
    assert set(card["files"]) == set(CONFIGS)
    files = set(published.hub.files(REPO, repo_type="dataset"))
    for config, patterns in card["files"].items():
        parts = parts_of(published.first, config)
        assert patterns == {split: f"{config}/{split}-*.parquet" for split in patterns}
        assert set(patterns) == set(parts)
        assert {f"{config}/{path.name}" for paths in parts.values() for path in paths} <= files


def test_the_card_states_the_sizes_of_the_real_files(
    published: Published, card: Facts, loaded: Facts
) -> None:
    files = published.hub.files(REPO, repo_type="dataset")
    for config, info in card["infos"].items():
        assert {s: rows for s, (rows, _) in info["splits"].items()} == loaded["configs"][config]
        for split, (rows, size) in info["splits"].items():
            # As Arrow, in memory: what is read has a bit more for each row that may be missing.
            assert 0 <= loaded["bytes"][config][split] - size <= rows / 8 + 1
        assert info["size"] == sum(size for _, size in info["splits"].values())
        sizes = [len(content) for path, content in files.items() if path.startswith(f"{config}/")]
        assert info["download"] == sum(sizes)
        assert info["features as loaded"]
    columns = ["id", "text", "label", "source", "source_label", "lang", "translated", "license"]
    assert card["infos"]["merged"]["columns"] == columns


def test_the_card_can_be_found(published: Published, card: Facts) -> None:
    data = card["data"]
    assert data["language"] == ["id"]
    assert (data["license"], data["license_name"]) == ("other", "mixed-see-licences")
    assert data["license_link"] == f"https://huggingface.co/datasets/{REPO}#licences"
    assert data["task_categories"] == ["text-classification"]
    assert data["size_categories"] == ["n<1K"]
    info = HfApi(token=False).dataset_info(REPO)
    assert info.card_data is not None
    assert info.card_data.language == ["id"]
    assert "## Licences" in published.hub.files(REPO, repo_type="dataset")["README.md"].decode()


def test_the_card_of_the_whole_corpus_has_indonesian_first() -> None:
    folder = Path(__file__).parents[2] / "dataset_scripts" / "memotions-corpus"
    assert DatasetCard.load(folder / "README.md").data.language == ["id", "en"]


# Publishing again ---------------------------------------------------------------------------------

BUILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
sys.path.insert(0, str(Path(sys.argv[2]) / "hub"))
from test_dataset_round_trip import build
build(Path(sys.argv[1]))
"""


def test_unchanged_rows_built_anew_are_not_uploaded(published: Published, tmp_path: Path) -> None:
    hub, tests = published.hub, Path(__file__).parents[1]
    again = tmp_path / "again"
    variables = {"PYTHONHASHSEED": "7", "TZ": "Asia/Jakarta", "LC_ALL": "C"}
    variables["MPLCONFIGDIR"] = matplotlib.get_cachedir()  # where it knows the fonts already
    done = hub.run(BUILD, str(again), str(tests), home=tmp_path / "home", **variables)
    assert done.returncode == 0, done.stderr[-3000:]
    hub.clear()
    assert publish(hub, again, REPO) == published.commits[0]
    assert hub.uploads == []
    assert not [line for line in hub.requests if line.startswith("PUT") or "/commit/" in line]
    old, new = published_files(published.first), published_files(again)
    assert {name: path.read_bytes() for name, path in old.items()} == {
        name: path.read_bytes() for name, path in new.items()
    }


def test_a_changed_row_uploads_only_the_files_that_it_is_in(published: Published) -> None:
    before = published.hub.files(REPO, repo_type="dataset")
    after = published.hub.files(REPO, "next", repo_type="dataset")
    changed = {path for path, content in after.items() if content != before.get(path)}
    assert {path for path in changed if path.startswith("emot/")} == {
        "emot/validation-00000-of-00001.parquet"
    }
    assert {path.split("/")[0] for path in changed} >= {"README.md", "merged", "memotions-2024"}
    assert "suggestions/train-00000-of-00001.parquet" in set(after) - changed
    objects = {line.split()[1] for line in published.uploaded[1] if line.startswith("object")}
    assert objects == {digest(after[path]) for path in changed if path != "README.md"}
    commits = [line for line in published.uploaded[1] if line.startswith("commit")]
    assert commits == [f"commit datasets/{REPO} {published.commits[1]}"]


def test_the_first_push_is_one_commit_of_what_was_built(published: Published) -> None:
    files = published.hub.files(REPO, repo_type="dataset")
    built = {name: path.read_bytes() for name, path in published_files(published.first).items()}
    card = files.pop("README.md").decode()
    assert card != built.pop("README.md").decode()
    assert card == name_repository(published.first, REPO)
    assert files == built
    commits = [line for line in published.uploaded[0] if line.startswith("commit")]
    assert commits == [f"commit datasets/{REPO} {published.commits[0]}"]
    # No path of the machine that it was made on.
    for content in (card.encode(), *files.values()):
        assert os.fsencode(published.first.parent) not in content
