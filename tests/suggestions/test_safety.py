"""The crisis detector and the fixed answer: what is found, what is not, and that it comes first."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memotions_hf.corpus.download import DATA_FOLDER
from memotions_hf.errors import CorpusError, ModelLoadError
from memotions_hf.suggestions import crisis_training
from memotions_hf.suggestions.crisis_model import CrisisModel
from memotions_hf.suggestions.crisis_text import unmask
from memotions_hf.suggestions.local import LocalEngine
from memotions_hf.suggestions.safety import (
    BUNDLED_DETECTOR,
    CrisisDetector,
    concern_note,
    crisis_message,
    help_lines,
)

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "crisis_detector.json"


@pytest.fixture(scope="module")
def detector() -> CrisisDetector:
    return CrisisDetector.load()


@pytest.mark.parametrize(
    "entry",
    [
        "Saya ingin mengakhiri hidup saya.",
        "aku mau bunuh diri",
        "gue udah ga kuat, pengen mati aja",
        "pngn mati aj rasanya, cape bgt hidup",
        "b u n u h  d i r i kayaknya jalan satu-satunya",
        "pengen bund1r aja",
        "mending gue gantung diri drpd jadi beban keluarga",
        "aku kepikiran gantung diri terus",
        "i want to kill myself, capek banget",
        "pengen tidur terus ga usah bangun lagi selamanya",
        "semua orang bakal lebih bahagia tanpa aku",
        "tadi malam aku nyilet tangan lagi",
        "Aku menyayat lenganku lagi, sudah tidak terhitung.",
        "HARI INI AKU MAU MATI SAJA",
    ],
)
def test_says_that_somebody_is_in_danger_from_themselves(detector, entry):
    check = detector.check(entry)
    assert check.crisis, check
    assert check.kind == "self"


@pytest.mark.parametrize(
    "entry",
    [
        "barusan dipukul bapak lagi, kepalaku berdarah",
        "Suami saya memukul saya lagi tadi malam di depan anak.",
        "pacarku ngancam mau nyebar foto bugilku kalau aku minta putus",
        "aku diperkosa pamanku dan nggak berani cerita ke siapa-siapa",
        "aku dikurung di kamar sama ayah tiri, dia di luar bawa golok",
    ],
)
def test_says_that_somebody_is_being_harmed(detector, entry):
    check = detector.check(entry)
    assert check.crisis, check
    assert check.kind == "harm"


@pytest.mark.parametrize(
    "entry",
    [
        "mati gaya di kos karena wifi mati dari pagi",
        "capek setengah mati habis pindahan, tapi seru",
        "ngakak sampai mau mati nonton stand up tadi",
        "Nenek meninggal minggu lalu, aku kangen masakannya.",
        "nonton film tentang pembunuh berantai sama teman-teman, seru",
        "hp mau mati, nanti kabarin lagi ya",
        "Hari ini rapat tiga jam lalu makan siang di warung Bu Siti.",
        "Aku gagal ujian lagi dan nangis di kamar mandi sekolah.",
        "lampu mati dua jam, untung ada lilin",
        "akhirnya skripsiku di-acc, nangis bahagia",
        "kopinya pembunuh ngantuk, melek sampai subuh ngerjain tugas",
    ],
)
def test_tells_the_harmless_apart(detector, entry):
    assert not detector.check(entry).crisis


def test_the_checked_in_figures_are_those_of_the_bundled_detector():
    recorded = json.loads(RESULTS.read_text(encoding="utf-8"))
    model = CrisisModel.load(BUNDLED_DETECTOR)
    held_out = crisis_training.read_examples(DATA_FOLDER / "crisis" / "held_out.tsv")
    assert len(held_out) >= 300
    assert crisis_training.measure(model, held_out) == recorded["held_out"]
    short = crisis_training.read_examples(DATA_FOLDER / "crisis" / "held_out_short.tsv")
    assert crisis_training.measure(model, short) == recorded["held_out_short"]
    shipped = json.loads((BUNDLED_DETECTOR / "metrics.json").read_text(encoding="utf-8"))
    assert shipped["recall"] == recorded["held_out"]["crisis"]["recall"]
    assert shipped["false_alarms_ordinary"] == recorded["journal_test"]["crisis"]["false_alarms"]


@pytest.mark.parametrize("who", ["Aku", "aku", "Saya", "Gue", "Hari ini aku"])
@pytest.mark.parametrize(
    "how",
    ["senang", "seneng banget", "lega", "capek", "baik-baik saja", "kecewa", "lapar", "sedih"],
)
def test_a_few_plain_words_are_no_crisis(who, how):
    detector = CrisisDetector.load()
    assert not detector.check(f"{who} {how}").crisis
    assert not detector.check(f"{who} {how}.").crisis


def test_no_training_example_is_in_the_held_out_ones():
    train = crisis_training.read_examples(DATA_FOLDER / "crisis" / "train.tsv")
    held_out = [
        *crisis_training.read_examples(DATA_FOLDER / "crisis" / "held_out.tsv"),
        *crisis_training.read_examples(DATA_FOLDER / "crisis" / "held_out_short.tsv"),
    ]

    def runs(text: str) -> set[tuple[str, ...]]:
        words = re.findall(r"\w+", text.lower())
        return {tuple(words[i : i + 7]) for i in range(len(words) - 6)}

    seen = set().union(*(runs(example.text) for example in train))
    assert [example.id for example in held_out if not seen.isdisjoint(runs(example.text))] == []
    assert {e.text.lower() for e in train}.isdisjoint(e.text.lower() for e in held_out)
    assert len({e.id for e in train}) == len(train)


def test_the_examples_hold_both_sides_of_every_kind():
    examples = crisis_training.read_examples(DATA_FOLDER / "crisis" / "held_out.tsv")
    kinds = {example.kind: example.crisis for example in examples}
    for kind in ("explicit", "veiled", "selfharm", "farewell", "harmed", "masked"):
        assert kinds[kind]
    for kind in ("idiom", "fiction", "grief", "past"):
        assert not kinds[kind]
    crises = sum(example.crisis for example in examples)
    assert 0.4 < crises / len(examples) < 0.6


def test_training_learns_from_examples_and_comes_back_from_its_folder(tmp_path):
    examples = crisis_training.read_examples(DATA_FOLDER / "crisis" / "train.tsv")[::8]
    ordinary = [dataclasses.replace(e, kind="journal") for e in examples if not e.crisis][:50]
    model, measured = crisis_training.train([*examples, *ordinary])
    # Far from the whole set's figures, but far above chance.
    assert measured["crisis"]["recall"] > 0.35
    assert measured["crisis"]["false_alarms_hard"] <= 0.1
    model.save(tmp_path)
    again = CrisisModel.load(tmp_path)
    for example in examples[:30]:
        np.testing.assert_allclose(
            again.scores(example.text), model.scores(example.text), atol=5e-3
        )


def test_bad_examples_are_named(tmp_path):
    path = tmp_path / "bad.tsv"
    path.write_text("id\tcrisis\tkind\ttext\nx-1\tyes\tidiom\thalo\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"bad\.tsv, line 2"):
        crisis_training.read_examples(path)


@pytest.mark.parametrize("name", ["detector.json", "weights.safetensors"])
def test_a_damaged_detector_is_an_error(tmp_path, name):
    for path in BUNDLED_DETECTOR.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes(b"nonsense")
    with pytest.raises(ModelLoadError, match="crisis detector"):
        CrisisDetector.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelLoadError, match="crisis detector"):
        CrisisDetector.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("b u n u h  d i r i", "bunuh diri"),
        ("b.u.n.u.h d.i.r.i", "bunuh diri"),
        ("Gw pgn m4t1", "aku ingin mati"),
        ("capeeeek bgt", "capek banget"),
        ("anak2 di rumah, 10rb", "anak di rumah 10rb"),
        ("Aku nggak kuat. Selesai!", "aku tidak kuat | selesai |"),
        ("ma\u200bti", "mati"),
    ],
)
def test_disguises_are_undone(text, plain):
    assert unmask(text) == plain


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=400))
def test_any_text_can_be_checked(detector, text):
    check = detector.check(text)
    assert 0 <= check.score <= 1
    assert not (check.crisis and check.concern)
    assert (check.kind is not None) == check.crisis


@pytest.mark.parametrize("piece", ["mau mau ", "a b c ", "mati.", "((((", "bapak memukul ", "m-"])
def test_a_long_hostile_text_is_checked(detector, piece):
    assert 0 <= detector.check((piece * 20_000)[:20_000]).score <= 1


class NotAsked(LocalEngine):
    """An engine that must not be asked."""

    def _answer(self, request):
        raise AssertionError("the engine was asked in a crisis")


def test_in_a_crisis_no_engine_and_no_classifier_is_asked():
    def classify(entry: str) -> str:
        raise AssertionError("the classifier was asked in a crisis")

    answer = NotAsked().suggest("aku mau bunuh diri malam ini", emotion=classify)
    assert answer.source == "crisis"
    assert answer.text == crisis_message("self")
    assert answer.emotion is None


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("kind", ["self", "harm"])
def test_the_crisis_message_is_fixed_and_names_every_help_line(kind, lang):
    message = crisis_message(kind, lang)
    assert message == crisis_message(kind, lang)
    for number in ("healing119.id", "119", "112", "129"):
        assert number in message
    assert len(message.splitlines()) == 2 + len(help_lines(kind))


def test_help_lines_are_dated_sourced_and_ready_to_tap():
    data = json.loads((DATA_FOLDER / "help_lines.json").read_text(encoding="utf-8"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", data["checked"])
    for kind in ("self", "harm"):
        assert {line.id for line in help_lines(kind)} >= {"healing119", "112", "119", "sapa129"}
        for line in help_lines(kind):
            assert line.source.startswith("https://")
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", line.source_date)
            assert line.link is None or re.fullmatch(r"tel:\d+|https://\S+", line.link)
    assert help_lines("harm")[0].id == "112"


def test_the_check_holds_nothing_of_the_entry(detector):
    check = detector.check("rahasiaku: aku mau mati, namaku Sekarwangi")
    assert "ekarwangi" not in check.model_dump_json()


@pytest.mark.parametrize(("emotion", "has_note"), [("sad", True), ("fear", True), ("happy", False)])
def test_an_entry_in_doubt_gets_a_line_about_counsellors(emotion, has_note):
    model = CrisisModel.load(BUNDLED_DETECTOR)
    model.settings = dataclasses.replace(model.settings, crisis_from=1.1, concern_from=0.0)
    engine = LocalEngine(CrisisDetector(model))
    answer = engine.suggest("capek banget sama semuanya", emotion=emotion)
    assert answer.source == "local"
    assert answer.safety.concern
    assert answer.note == (concern_note() if has_note else None)
