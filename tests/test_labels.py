"""The five emotions, the labels that people type, and the labels that sources use."""

from __future__ import annotations

import pytest

from memotions_hf.corpus.readers import GO_EMOTIONS_LABELS
from memotions_hf.errors import InputError
from memotions_hf.labels import (
    EMOTIONS,
    GO_EMOTIONS,
    ID2LABEL,
    LABEL2ID,
    LABELS,
    map_source_label,
    parse_label,
    score_percent,
)


def test_ids_and_names_are_those_of_the_contract() -> None:
    assert LABELS == ("sad", "happy", "neutral", "anger", "fear")
    assert [emotion.indonesian for emotion in EMOTIONS] == [
        "sedih", "senang", "netral", "marah", "takut",
    ]  # fmt: skip
    assert [emotion.id for emotion in EMOTIONS] == [0, 1, 2, 3, 4]
    assert all(LABEL2ID[ID2LABEL[number]] == number for number in range(5))


def relative_luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("emotion", EMOTIONS, ids=LABELS)
def test_colours_can_be_read_on_white(emotion: object) -> None:
    assert 1.05 / (relative_luminance(emotion.colour) + 0.05) >= 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("sad", "sad"),
        ("SAD", "sad"),
        (" Sadness ", "sad"),
        ("sedih", "sad"),
        ("joy", "happy"),
        ("Senang", "happy"),
        ("love", "happy"),
        ("netral", "neutral"),
        ("ANGRY", "anger"),
        ("angry", "anger"),
        ("Marah", "anger"),
        ("SCARED", "fear"),
        ("takut", "fear"),
        (0, "sad"),
        ("4", "fear"),
    ],
)
def test_a_label_is_accepted_as_people_type_it(typed: str | int, label: str) -> None:
    assert parse_label(typed) == label


@pytest.mark.parametrize("typed", ["", "sadd", "surprise", "5", -1, "00", "1.0", "²", "9" * 5000])
def test_an_unknown_label_is_one_line_that_names_the_known_ones(typed: str | int) -> None:
    with pytest.raises(InputError) as caught:
        parse_label(typed)
    assert "sad, happy, neutral, anger, fear" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("line_break", ["\n", "\r", "\u2028", "\x85"])
def test_a_typed_line_break_does_not_break_the_message(line_break: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_label(f"sad{line_break}happy")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("source_label", "label"),
    [
        ("sadness", "sad"), ("Sad", "sad"), ("Sadness", "sad"),
        ("happy", "happy"), ("joy", "happy"), ("Joy", "happy"), ("Happy", "happy"),
        ("neutral", "neutral"), ("Neutral", "neutral"),
        ("anger", "anger"), ("Anger", "anger"), ("angry", "anger"),
        ("fear", "fear"), ("Fear", "fear"), ("scared", "fear"),
    ],
)  # fmt: skip
def test_every_upstream_name_maps(source_label: str, label: str) -> None:
    assert map_source_label(source_label) == label


@pytest.mark.parametrize("name", ["love", "Love"])
def test_love_is_happy_unless_it_is_dropped(name: str) -> None:
    assert map_source_label(name) == "happy"
    assert map_source_label(name, love="drop") is None


def test_surprise_is_dropped_unless_it_is_asked_for() -> None:
    assert map_source_label("surprise") is None
    assert map_source_label("Surprise", surprise="neutral") == "neutral"


@pytest.mark.parametrize("name", ["", "disgust", "shame", "0", "4", "٣", "sad,", ",", "joy,shame"])
def test_a_label_of_no_source_is_refused(name: str) -> None:
    # Numbers too: every upstream numbers its labels in its own order.
    with pytest.raises(InputError) as caught:
        map_source_label(name)
    assert len(str(caught.value).splitlines()) == 1


def test_the_labels_of_go_emotions_are_all_mapped() -> None:
    assert len(GO_EMOTIONS_LABELS) == len(set(GO_EMOTIONS_LABELS)) == 28
    assert set(GO_EMOTIONS) == set(GO_EMOTIONS_LABELS)
    assert GO_EMOTIONS_LABELS[-1] == "neutral"
    assert list(GO_EMOTIONS_LABELS[:-1]) == sorted(GO_EMOTIONS_LABELS[:-1])
    mapped = {name: map_source_label(name, names=GO_EMOTIONS) for name in GO_EMOTIONS}
    assert set(mapped.values()) == {*LABELS, None}
    assert {name for name, label in mapped.items() if label is None} == {
        "confusion", "curiosity", "disgust", "realization", "surprise",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["sad", "happy", "sedih", "27", "", "joy,happy", "x" * 5000])
def test_the_names_of_a_source_are_the_only_ones_that_it_has(name: str) -> None:
    with pytest.raises(InputError) as caught:
        map_source_label(name, names=GO_EMOTIONS)
    assert "grief" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("labels", "label"),
    [
        ("anger,annoyance", "anger"),
        ("Anger , DISAPPROVAL", "anger"),
        ("joy,love", "happy"),
        ("sadness,grief,remorse", "sad"),
        ("neutral", "neutral"),
        ("neutral,neutral", "neutral"),
        ("joy,sadness", None),
        ("anger,neutral", None),
        ("disgust", None),
        ("disgust,anger", None),
        ("anger,surprise", None),
        ("surprise,disgust", None),
    ],
)
def test_several_labels_map_where_all_of_them_agree(labels: str, label: str | None) -> None:
    assert map_source_label(labels, names=GO_EMOTIONS) == label
    turned = ",".join(reversed(labels.split(",")))
    assert map_source_label(turned, names=GO_EMOTIONS) == label


def test_several_labels_follow_the_options_too() -> None:
    assert map_source_label("joy,love", love="drop", names=GO_EMOTIONS) is None
    assert map_source_label("love,love", love="drop", names=GO_EMOTIONS) is None
    assert map_source_label("joy,pride", love="drop", names=GO_EMOTIONS) == "happy"
    assert (
        map_source_label("surprise,curiosity", surprise="neutral", names=GO_EMOTIONS) == "neutral"
    )
    assert map_source_label("surprise,neutral", surprise="neutral", names=GO_EMOTIONS) == "neutral"
    assert map_source_label("surprise,neutral", names=GO_EMOTIONS) is None


def test_usual_names_may_come_together_too() -> None:
    assert map_source_label("sad,Sadness") == "sad"
    assert map_source_label("sad,joy") is None


@pytest.mark.parametrize(
    ("score", "shown"), [(0.0, 0), (0.424, 42), (0.988, 99), (0.9999, 99), (1.0, 99)]
)
def test_nobody_is_told_that_a_model_is_certain(score: float, shown: int) -> None:
    assert score_percent(score) == shown
