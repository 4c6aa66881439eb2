"""The embedded engine: what it answers, how it adapts, and that it does not repeat itself."""

import dataclasses
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memotions_hf import EMOTIONS, LABELS, SuggestionEngine
from memotions_hf.corpus.configs import read_suggestions
from memotions_hf.errors import CorpusError, InputError
from memotions_hf.suggestions import rules
from memotions_hf.suggestions.crisis_model import CrisisModel
from memotions_hf.suggestions.local import ADVICE_FOLDER, ANY_TOPIC, AdviceLibrary, LocalEngine
from memotions_hf.suggestions.safety import BUNDLED_DETECTOR, CrisisDetector

ENTRIES = {
    "sad": "Aku gagal ujian matematika lagi, padahal udah belajar seminggu.",
    "happy": "Akhirnya skripsi gue di acc dospem!!",
    "neutral": "Rapat mulai pukul sembilan, lalu makan siang.",
    "anger": "Bosku marah-marah di depan semua orang. Gaji juga telat.",
    "fear": "Kucingku sakit, nggak mau makan dari kemarin.",
}


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    """The engine with a detector that stays silent: what it answers is looked at here."""
    model = CrisisModel.load(BUNDLED_DETECTOR)
    model.settings = dataclasses.replace(model.settings, crisis_from=1.1, concern_from=1.1)
    return LocalEngine(CrisisDetector(model))


@pytest.fixture(scope="module")
def library() -> AdviceLibrary:
    return AdviceLibrary()


@pytest.mark.parametrize("label", LABELS)
def test_answers_every_emotion_with_a_paragraph_that_keeps_the_rules(engine, label):
    answer = engine.suggest(ENTRIES[label], emotion=label, session="rules")
    assert answer.source == "local"
    assert answer.emotion == label
    assert answer.complete
    assert answer.fallback is None
    assert not answer.safety.crisis
    assert rules.problems(answer.text, prompts=[ENTRIES[label]]) == []
    assert "{" not in answer.text


@pytest.mark.parametrize(
    ("emotion", "entry", "noun"),
    [
        ("happy", "Akhirnya skripsi gue di acc dospem!!", "skripsi"),
        ("fear", "Kucingku sakit, nggak mau makan dari kemarin", "kucing"),
        ("anger", "Bosku marah-marah di depan semua orang. Gaji juga telat.", "bos"),
        ("sad", "pacarku minta putus tadi malam", "pacar"),
        ("fear", "Uang kos bulan ini belum kebayar", "uang kos"),
    ],
)
def test_mentions_what_the_entry_is_about(engine, emotion, entry, noun):
    assert noun in engine.suggest(entry, emotion=emotion, session=entry).text


def test_takes_nothing_for_granted_where_no_topic_is_certain(engine, library):
    entry = "Entah kenapa rasanya begini terus."
    assert library.read(entry).topic == ANY_TOPIC
    given_text = engine.suggest(entry, emotion="sad", session="unclear").text
    assert given_text in {p.text for p in library.paragraphs["sad", ANY_TOPIC]}


@settings(max_examples=60, deadline=None)
@given(entry=st.text(min_size=1, max_size=300), label=st.sampled_from(LABELS))
def test_repeats_of_an_entry_nothing_but_a_noun_from_our_list(engine, library, entry, label):
    if not entry.strip():
        return
    nouns = json.loads((ADVICE_FOLDER / "topics.json").read_text(encoding="utf-8"))
    known = {noun for words in nouns.values() for noun in words["nouns"]} | {""}
    assert library.read(entry).noun in known


def test_does_not_repeat_itself_to_a_session(engine):
    entry = ENTRIES["sad"]
    told = [engine.suggest(entry, emotion="sad", session="ayu").text for _ in range(17)]
    assert len(set(told)) == 17  # 3 of the topic and 14 that fit anything
    again = engine.suggest(entry, emotion="sad", session="ayu").text
    assert again == told[0]  # the one given longest ago


def test_sessions_do_not_share_what_they_were_given(engine):
    entry = ENTRIES["anger"]
    first = engine.suggest(entry, emotion="anger", session="budi").text
    assert engine.suggest(entry, emotion="anger", session="citra").text == first


def test_keeps_no_entry_and_a_bounded_number_of_sessions(monkeypatch):
    monkeypatch.setattr("memotions_hf.suggestions.local._MAX_SESSIONS", 5)
    small = LocalEngine()
    for number in range(20):
        small.suggest("rahasia sekali", emotion="sad", session=str(number))
    assert len(small._sessions) == 5
    assert "rahasia" not in repr(vars(small))


def test_the_leading_emotion_is_answered(engine):
    assert engine.suggest("hari ini", emotion=["fear", "sad"]).emotion == "fear"
    for emotion in EMOTIONS:
        answer = engine.suggest("hari ini", emotion=emotion.indonesian.upper())
        assert answer.emotion == emotion.name


@pytest.mark.parametrize("emotion", ["joyful", "", [], ["sad", "nothing"]])
def test_an_unknown_emotion_is_an_error(engine, emotion):
    with pytest.raises(InputError):
        engine.suggest("hari ini", emotion=emotion)


def test_auto_is_the_embedded_engine_without_a_project(monkeypatch):
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with SuggestionEngine.auto() as chosen:
        assert chosen.name == "local"


def test_auto_says_why_it_does_not_use_gemini(monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with SuggestionEngine.auto() as chosen:
        assert chosen.name == "local"
    assert "instead of Gemini" in caplog.text


def test_every_emotion_and_topic_has_paragraphs(library):
    for label in LABELS:
        for topic in (*library.topics, ANY_TOPIC):
            assert len(library.paragraphs[label, topic]) >= 2, (label, topic)
        assert len(library.paragraphs[label, ANY_TOPIC]) >= 10


def test_every_paragraph_keeps_the_rules_with_every_kind_of_noun(library):
    nouns = json.loads((ADVICE_FOLDER / "topics.json").read_text(encoding="utf-8"))
    for (_, topic), paragraphs in library.paragraphs.items():
        for paragraph in paragraphs:
            assert paragraph.text.count("{hal}") == (topic != ANY_TOPIC), paragraph.id
            for noun in nouns.get(topic, {"nouns": [""]})["nouns"][:3]:
                assert rules.problems(paragraph.text.replace("{hal}", noun)) == [], paragraph.id


def test_no_two_paragraphs_are_alike(library):
    rows = [
        {"id": p.id, "entry": p.id, "suggestion": p.text, "emotion": p.emotion}
        for paragraphs in library.paragraphs.values()
        for p in paragraphs
    ]
    shared = [x for x in rules.pair_problems(rows) if re.search(r"share the words|id ", x)]
    assert shared == []


def test_nouns_belong_to_one_topic_and_are_safe_to_say():
    topics = json.loads((ADVICE_FOLDER / "topics.json").read_text(encoding="utf-8"))
    nouns = [noun for words in topics.values() for noun in words["nouns"]]
    assert len(nouns) == len(set(nouns))
    assert all(noun == noun.lower() and not rules.forbidden(noun) for noun in nouns)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "sad.jsonl").write_text('{"id": "x"}\n', encoding="utf-8")
    with pytest.raises(CorpusError, match=r"sad\.jsonl, line 1"):
        AdviceLibrary(tmp_path)


def test_our_pairs_keep_the_rules():
    assert rules.pair_problems(read_suggestions()) == []
