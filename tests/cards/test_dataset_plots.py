"""Pictures of the corpus: which are drawn, from which rows, and that they are always the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from memotions_hf.cards.dataset_plots import (
    CLASS_DISTRIBUTION,
    TEXT_LENGTH,
    VOCABULARY_GROWTH,
    WORD_CLOUDS,
    write_plots,
)
from memotions_hf.errors import InputError, MissingExtraError
from memotions_hf.labels import LABELS

pytest.importorskip("matplotlib", reason="the cards extra is not installed")
pytest.importorskip("wordcloud", reason="the cards extra is not installed")
image_module = pytest.importorskip("PIL.Image", reason="the cards extra is not installed")

Rows = dict[str, list[dict[str, Any]]]
CHARTS = (CLASS_DISTRIBUTION, TEXT_LENGTH, VOCABULARY_GROWTH)
TYPICAL = {
    "sad": "sedih kecewa kehilangan",
    "happy": "senang bahagia bersyukur",
    "neutral": "rapat jadwal fotokopi",
    "anger": "marah kesal muak",
    "fear": "takut cemas panik",
}


def row(text: str, label: str, source: str = "journal") -> dict[str, Any]:
    return {
        "id": text,
        "text": text,
        "label": label,
        "source": source,
        "source_label": label,
        "lang": "id",
        "translated": False,
        "license": "CC-BY-4.0",
    }


def rows_of(*labels: str, sources: tuple[str, ...] = ("journal", "emot")) -> Rows:
    """Return rows in which a few words give each label away, and others say nothing."""
    texts = [
        row(f"hari ini aku {TYPICAL[label]} sejak pagi {source} {number} 😭 @budi", label, source)
        for source in sources
        for label in labels
        for number in range(12)
    ]
    return {"train": texts[::2], "test": texts[1::2]}


def colours(path: Path) -> set[tuple[int, ...]]:
    with image_module.open(path) as image:
        return {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_all_pictures_are_drawn(tmp_path: Path) -> None:
    paths = write_plots(rows_of(*LABELS), tmp_path / "new" / "plots")
    assert [path.name for path in paths] == [*CHARTS, *WORD_CLOUDS.values()]
    assert set(paths) == set((tmp_path / "new" / "plots").iterdir())
    for path in paths:
        with image_module.open(path) as image:
            assert image.format == "PNG"
            assert image.width >= 800
            assert image.height >= 240
        assert len(colours(path)) > 20
        assert path.stat().st_size < 300_000


def test_the_same_rows_give_the_same_pictures(tmp_path: Path) -> None:
    rows = rows_of(*LABELS)
    write_plots(rows, tmp_path / "first")
    write_plots({split: part[::-1] for split, part in rows.items()}, tmp_path / "second")
    first, second = contents(tmp_path / "first"), contents(tmp_path / "second")
    assert first.keys() == second.keys()
    for name in WORD_CLOUDS.values():
        assert first[name] == second[name]
    write_plots(rows, tmp_path / "third")
    assert contents(tmp_path / "third") == first


def test_a_class_is_drawn_in_its_colour(tmp_path: Path) -> None:
    write_plots(rows_of(*LABELS), tmp_path)
    assert (0x3B, 0x6F, 0xB6) in colours(tmp_path / WORD_CLOUDS["sad"])
    assert (0xC2, 0x36, 0x2B) not in colours(tmp_path / WORD_CLOUDS["sad"])
    assert (0xC2, 0x36, 0x2B) in colours(tmp_path / CLASS_DISTRIBUTION)


def test_a_class_without_typical_words_has_no_cloud(tmp_path: Path) -> None:
    paths = write_plots(rows_of("sad", "fear"), tmp_path)
    clouds = {path.name for path in paths} - set(CHARTS)
    assert clouds == {WORD_CLOUDS["sad"], WORD_CLOUDS["fear"]}


def test_one_class_or_few_rows_give_charts_alone(tmp_path: Path) -> None:
    for number, rows in enumerate(
        (rows_of("sad"), {"train": [row("aku sedih", "sad"), row("aku senang", "happy")]})
    ):
        paths = write_plots(rows, tmp_path / str(number))
        assert [path.name for path in paths] == list(CHARTS)


def test_one_source_is_enough(tmp_path: Path) -> None:
    paths = write_plots(rows_of("sad", "happy", sources=("journal",)), tmp_path)
    assert {path.name for path in paths} >= {WORD_CLOUDS["sad"], WORD_CLOUDS["happy"]}


def cloud_bytes(rows: Rows, folder: Path) -> bytes:
    write_plots(rows, folder)
    return (folder / WORD_CLOUDS["sad"]).read_bytes()


def test_words_of_evaluation_sources_are_not_shown(tmp_path: Path) -> None:
    rows = rows_of("sad", "happy")
    plain = cloud_bytes(rows, tmp_path / "plain")
    extra = [row(f"nestapa duka {number}", "sad", "opinion") for number in range(30)]
    extra += [row(f"ceria {number}", "happy", "opinion") for number in range(30)]
    with_opinion = {**rows, "validation": extra}
    assert cloud_bytes(with_opinion, tmp_path / "opinion") == plain


def test_words_of_one_source_alone_are_not_shown(tmp_path: Path) -> None:
    rows = rows_of("sad", "happy")
    plain = cloud_bytes(rows, tmp_path / "plain")
    named = [{**r, "text": r["text"] + " sutarjo"} if r["source"] == "emot" else r
             for r in rows["train"]]  # fmt: skip
    assert cloud_bytes({**rows, "train": named}, tmp_path / "named") == plain


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row"):
        write_plots({}, tmp_path)


@pytest.mark.parametrize("library", ["matplotlib", "wordcloud"])
def test_a_missing_library_names_its_extra(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"memotions-hf\[cards\]"):
        write_plots(rows_of("sad", "happy"), tmp_path)
