"""The card that is checked in beside the loading script is that of the corpus."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard
from support.loopback_hub import LoopbackHub, run_client

from memotions_hf.cards.dataset_folder import name_repository, read_config, write_card
from memotions_hf.corpus import MergeOptions
from memotions_hf.corpus.configs import config_rows
from memotions_hf.corpus.publish import build_folder
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
    def finish(folder: Path, infos: Any) -> None:
        write_card(folder, infos, options=OWN)

    folder = tmp_path_factory.mktemp("build") / "corpus"
    return build_folder(folder, options=OWN, configs=("merged", "suggestions"), finish=finish)


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
    arguments = ["corpus", "publish", "small-corpus", "--folder", str(folder)]
    publish = f"from memotions_hf.cli import main; main({arguments})"
    load = (
        "import datasets; merged = datasets.load_dataset('memotions/small-corpus'); "
        "print(sum(map(len, merged.values())))"
    )
    with LoopbackHub() as hub:
        push = run_client(publish, hub.url, tmp_path / "hf")
        repo = hub.repos["datasets/memotions/small-corpus"]
        files = repo.commits[repo.branches["main"]]
        rows = run_client(load, hub.url, tmp_path / "other").stdout.split()
    assert push.stdout.startswith(hub.url), push.stderr
    assert 'load_dataset("memotions/small-corpus", "merged"' in files["README.md"].decode()
    assert "plots/text_length.png" in files
    assert rows[-1:] == [str(sum(map(len, config_rows("merged", OWN).values())))]


def test_a_folder_without_its_statistics_is_refused(build: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(build, tmp_path / "copy"))
    (folder / "statistics.json").unlink()
    with pytest.raises(CorpusError, match="no whole build"):
        name_repository(folder, "memotions/small-corpus")
