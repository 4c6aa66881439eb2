"""The card that is checked in beside the loading script is that of the corpus."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard
from support.hub import loopback_hub
from support.small_corpus import write_small_mirror

from memotions_hf.cards.dataset_folder import (
    build_publishable,
    build_with_card,
    name_repository,
    read_config,
)
from memotions_hf.corpus import SOURCES, MergeOptions
from memotions_hf.corpus.configs import config_rows
from memotions_hf.corpus.publish import (
    build_folder,
    check_folder,
    check_redistribution,
    default_configs,
    unpublishable_sources,
    without,
)
from memotions_hf.corpus.statistics import config_statistics
from memotions_hf.errors import CorpusError

pytest.importorskip("datasets", reason="the data extra is not installed")
pytest.importorskip("wordcloud", reason="the cards extra is not installed")

FOLDER = Path(__file__).parents[2] / "dataset_scripts" / "memotions-corpus"
OWN = MergeOptions(sources=("journal",))
needs_mirror = pytest.mark.skipif(
    "MEMOTIONS_MIRROR" not in os.environ, reason="needs the corpus mirror (MEMOTIONS_MIRROR)"
)


@pytest.fixture(scope="module")
def statistics() -> Any:
    return json.loads((FOLDER / "statistics.json").read_text(encoding="utf-8"))


@needs_mirror
def test_the_checked_in_statistics_are_those_of_the_files(statistics: Any) -> None:
    counted = config_statistics(config_rows("merged"))
    assert statistics["configs"]["merged"] == json.loads(json.dumps(counted))


def test_the_checked_in_card_prints_the_checked_in_statistics(statistics: Any) -> None:
    card = DatasetCard.load(FOLDER / "README.md")
    infos = {info["config_name"]: info for info in card.data.to_dict()["dataset_info"]}
    assert set(infos) == set(statistics["configs"])
    for name, counted in statistics["configs"].items():
        stated = {split["name"]: split["num_examples"] for split in infos[name]["splits"]}
        assert stated == counted["splits"]
    assert f"{statistics['configs']['merged']['rows']:,}" in card.text


def test_the_checked_in_card_shows_its_pictures() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    pictures = sorted(path.name for path in (FOLDER / "plots").glob("*.png"))
    assert len(pictures) == 8
    for name in pictures:
        assert f"plots/{name}" in text


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build") / "corpus"
    return build_with_card(folder, options=OWN, configs=("merged", "suggestions"))


def test_the_files_say_what_was_merged(build: Path) -> None:
    assert read_config(build, "merged") == config_rows("merged", OWN)
    assert read_config(build, "suggestions") == config_rows("suggestions", OWN)


def test_for_the_hub_the_card_names_its_repository(build: Path) -> None:
    before = (build / "README.md").read_text(encoding="utf-8")
    card = name_repository(build, "memotions/small-corpus")
    assert 'load_dataset("memotions/small-corpus", "merged"' in card
    assert "memotions/small-corpus" not in before
    assert DatasetCard(card).data.license == "cc-by-4.0"


def test_the_command_publishes_with_a_card_of_the_repository(build: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(build, tmp_path / "copy")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    arguments = ["corpus", "publish", "small-corpus", "--folder", str(folder)]
    code = f"from memotions_hf.cli import main; main({arguments})"
    with loopback_hub(tmp_path / "hub") as hub:
        push = hub.run(code, home=tmp_path / "home", token=hub.tokens.write)
        assert push.stdout.startswith(hub.url), push.stderr
        files = hub.files("memotions/small-corpus", repo_type="dataset")
    assert files["README.md"].decode() == name_repository(build, "memotions/small-corpus")
    assert "plots/text_length.png" in files
    # What was built is as it was: it may be published under another name, too.
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_may_be_published_is_built_without_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small_mirror(tmp_path / "mirror", monkeypatch)
    options = MergeOptions(sources=("emot", "isear-id"))
    left_out = build_publishable(tmp_path / "corpus", options=options)
    assert left_out == [name for name, source in SOURCES.items() if source.redistribute != "yes"]
    check_folder(tmp_path / "corpus")
    configs = {path.parent.name for path in (tmp_path / "corpus").glob("*/*.parquet")}
    # The small mirror has dair-emotion, whose rows may not be passed on.
    assert configs == {
        *("merged", "journal", "everyday", "go-emotions-id", "emot", "memotions-2024"),
        "suggestions",
    }
    assert "isear" not in (tmp_path / "corpus/README.md").read_text(encoding="utf-8")


@needs_mirror
def test_what_may_be_published_of_the_real_corpus_passes_the_gate(tmp_path: Path) -> None:
    excluded = unpublishable_sources()
    options = without(MergeOptions(), excluded)
    configs = default_configs(options, excluded)
    assert not set(configs) & set(excluded)
    # The other configs hold rows of the source that they are named after, alone.
    mixed = [name for name in configs if name not in SOURCES]
    assert mixed == ["merged", "memotions-2024", "suggestions"]
    check_redistribution(build_folder(tmp_path / "corpus", options=options, configs=mixed))


def test_a_folder_without_its_statistics_is_refused(build: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(build, tmp_path / "copy"))
    (folder / "statistics.json").unlink()
    with pytest.raises(CorpusError, match="no whole build"):
        name_repository(folder, "memotions/small-corpus")
