"""Labelling a table in steps: the file that comes out, what is told on the way, and the HTML."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from memotions_hf.demo import batch
from memotions_hf.demo.batch import (
    PreviewRow,
    Progress,
    label_table,
    preview_html,
    progress_html,
    summary_html,
)
from memotions_hf.demo.markup import VisitorError
from memotions_hf.demo.tables import open_table
from memotions_hf.errors import InputError
from memotions_hf.inference import EmotionClassifier
from memotions_hf.labels import EMOTIONS, LABELS

TEXTS = (
    "Hari ini aku gagal lagi",
    "Akhirnya skripsiku di-ACC, senang banget!",
    "Aku takut pulang malam sendirian",
    "Kesel banget sama dia",
    "capek",
)
INDONESIAN = {emotion.name: emotion.indonesian for emotion in EMOTIONS}
Labelled = tuple[list[dict[str, str]], list[Progress]]
Label = Callable[..., Labelled]


@pytest.fixture
def label(tmp_path: Path, toy_classifier: EmotionClassifier) -> Label:
    """Write an upload, label its guessed column, and return the result's rows and all steps."""

    def run(content: str, name: str = "a.csv", **options: float) -> Labelled:
        path = tmp_path / name
        path.write_bytes(content.encode())
        table = open_table(path)
        target = tmp_path / "hasil.csv"
        steps = list(label_table(table, table.guess, toy_classifier, target, **options))
        assert target.read_bytes().startswith(b"\xef\xbb\xbf")  # or Excel takes it for cp1252
        with target.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream, delimiter=table.delimiter)), steps

    return run


def progress(**changes: object) -> Progress:
    values: dict[str, object] = {
        "done": 12_300,
        "total": 50_000,
        "counts": dict.fromkeys(LABELS, 0) | {"sad": 12_000, "happy": 298},
        "unreadable": 2,
        "unreadable_rows": (7, 19),
        "preview": (PreviewRow(2, "capek", "sad", 0.915), PreviewRow(7, "...", None, None)),
    }
    return Progress(**(values | changes))  # type: ignore[arg-type]


def test_result_has_the_upload_and_the_classifiers_answers_in_order(
    label: Label, toy_classifier: EmotionClassifier
) -> None:
    texts = [f"{TEXTS[number % 5]} {number % 700}" for number in range(1000)]
    rows, steps = label("id;teks\n" + "".join(f"{n};{text}\n" for n, text in enumerate(texts)))
    assert [(row["id"], row["teks"]) for row in rows] == [
        (str(number), text) for number, text in enumerate(texts)
    ]
    answers = toy_classifier(texts)
    assert [row["label"] for row in rows] == [answer["label"] for answer in answers]
    assert [row["emosi"] for row in rows] == [INDONESIAN[row["label"]] for row in rows]
    # Cells between semicolons mean decimal commas.
    scores = [float(row["score"].replace(",", ".")) for row in rows]
    assert scores == pytest.approx([answer["score"] for answer in answers], abs=1e-4)
    assert all("," in row["score"] for row in rows)
    assert steps[-1].counts == {**dict.fromkeys(LABELS, 0), **Counter(r["label"] for r in rows)}


def test_labels_are_all_over_the_threshold(label: Label, toy_classifier: EmotionClassifier) -> None:
    content = "teks\n" + "\n".join(TEXTS).replace(", ", " ")
    for threshold in (0.0, 0.2, 0.99):
        rows, _ = label(content, threshold=threshold)
        for row in rows:
            over = toy_classifier(row["teks"], threshold=threshold)
            assert row["labels"] == "+".join(item["label"] for item in over)
            assert row["label"]
    with pytest.raises(InputError):
        label(content, threshold=1.5)


def test_steps_count_up_to_the_whole_table(label: Label) -> None:
    texts = [f"{TEXTS[number % 5]} {number}" for number in range(600)]
    _, steps = label("\n".join(texts), "a.txt")
    done = [step.done for step in steps]
    assert done[0] == 0
    assert done[-1] == 600
    assert done == sorted(done)
    assert max(after - before for before, after in pairwise(done)) <= 128
    for step in steps:
        assert sum(step.counts.values()) + step.unreadable == step.done <= step.total == 600


def test_long_texts_are_worked_off_in_smaller_steps(label: Label) -> None:
    texts = "\n".join(f"{number} {'capek ' * 400}" for number in range(60))
    _, steps = label(texts, "a.txt")
    assert len(steps) >= 60 // 7


def test_rows_with_nothing_to_read_are_counted_and_left_empty(label: Label) -> None:
    rows, steps = label("id,teks\n1,capek\n2,\n3,...\n4,https://contoh.id\n5,senang\n")
    assert [bool(row["label"]) for row in rows] == [True, False, False, False, True]
    assert all(row["emosi"] == row["score"] == row["labels"] == "" for row in rows[1:4])
    assert (steps[-1].unreadable, steps[-1].unreadable_rows) == (3, (3, 4, 5))


def test_preview_holds_the_first_rows_cut_to_size(label: Label) -> None:
    rows, steps = label("\n".join([*TEXTS * 5, "x" * 900]), "a.txt")
    preview = steps[-1].preview
    assert [row.number for row in preview] == list(range(1, 21))
    assert [row.text for row in preview] == [*TEXTS * 4]
    assert [row.label for row in preview] == [row["label"] for row in rows[:20]]
    _, steps = label("x" * 900, "a.txt")
    assert steps[-1].preview[0].text == "x" * 159 + "…"


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", " =1+1", "＝1+1", "- capek"]
)
def test_no_cell_is_a_formula(label: Label, cell: str) -> None:
    rows, _ = label(f'id,teks,"{cell}"\n"{cell}",capek,x\n')
    assert list(rows[0])[2] == f"'{cell.strip()}" or list(rows[0])[2] == f"'{cell}"
    assert rows[0]["id"] == f"'{cell}"


@pytest.mark.parametrize("cell", ["-5", "+62812345678", "-1.234,5", "a=b", "12%", ""])
def test_harmless_cells_stay_as_they_are(label: Label, cell: str) -> None:
    rows, _ = label(f'id,teks\n"{cell}",capek\n')
    assert rows[0]["id"] == cell


def test_columns_of_the_same_name_are_kept(label: Label) -> None:
    rows, _ = label("label,teks,label_2\nlama,capek,tua\n")
    assert list(rows[0]) == ["label", "teks", "label_2", "label_3", "emosi", "score", "labels"]
    assert (rows[0]["label"], rows[0]["label_2"]) == ("lama", "tua")


def test_closing_early_leaves_nothing_behind(
    tmp_path: Path, toy_classifier: EmotionClassifier
) -> None:
    (tmp_path / "a.txt").write_text("\n".join(f"capek {n}" for n in range(1000)), "utf-8")
    table = open_table(tmp_path / "a.txt")
    steps = label_table(table, 0, toy_classifier, tmp_path / "hasil.csv")
    for _ in range(4):
        assert next(steps).done < 1000
    assert len(list(tmp_path.iterdir())) == 2  # the work is under way
    steps.close()  # type: ignore[attr-defined]
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_failing_leaves_nothing_behind(tmp_path: Path, toy_classifier: EmotionClassifier) -> None:
    upload = tmp_path / "a.csv"
    upload.write_text("id,teks\n" + "1,capek\n" * 1000, "utf-8")
    table = open_table(upload)
    upload.write_text("id,teks\n" + "1,capek\n" * 900 + "1,2,3\n", "utf-8")
    with pytest.raises(VisitorError, match="902"):
        list(label_table(table, table.guess, toy_classifier, tmp_path / "hasil.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_result_is_complete_when_the_last_step_is_told(
    tmp_path: Path, toy_classifier: EmotionClassifier
) -> None:
    (tmp_path / "a.txt").write_text("capek\nsenang\n", "utf-8")
    target = tmp_path / "hasil.csv"
    table = open_table(tmp_path / "a.txt")
    finished = [
        target.exists() for step in label_table(table, 0, toy_classifier, target) if step.preview
    ]
    assert finished == [True]
    assert len(target.read_text("utf-8-sig").splitlines()) == 3


@pytest.mark.parametrize("column", [-1, 1])
def test_unknown_column_is_refused(
    tmp_path: Path, toy_classifier: EmotionClassifier, column: int
) -> None:
    (tmp_path / "a.txt").write_text("capek", "utf-8")
    table = open_table(tmp_path / "a.txt")
    with pytest.raises(VisitorError) as caught:
        next(label_table(table, column, toy_classifier, tmp_path / "hasil.csv"))
    assert caught.value.key == "batch.no_column"


# HTML


def test_progress_bar_tells_how_far_it_is_in_both_languages() -> None:
    html = progress_html(progress())
    assert 'role="progressbar"' in html
    assert 'aria-valuemin="0" aria-valuemax="50000" aria-valuenow="12300"' in html
    assert "12.300 dari 50.000 baris" in html
    assert "12,300 of 50,000 rows" in html
    assert "width:24.6%" in html


def test_summary_has_a_bar_for_every_emotion_and_names_unreadable_rows() -> None:
    html = summary_html(progress())
    assert html.count("<dt>") == len(LABELS)
    assert html.index("sedih") < html.index("senang") < html.index("takut")
    assert "12.000 baris (97,6%)" in html
    assert "12,000 rows (97.6%)" in html
    assert "baris 7, 19." in html
    assert "Selesai" not in html
    assert "Selesai" in summary_html(progress(done=50_000))
    assert "7, 19, …" in summary_html(progress(unreadable=3))
    assert "mm-batch-unreadable" not in summary_html(progress(unreadable=0))
    assert "0 baris (0,0%)" in summary_html(progress(counts=dict.fromkeys(LABELS, 0)))


def test_preview_is_a_table_in_which_texts_are_only_texts() -> None:
    evil = "<img src=x onerror=alert(1)> ${1} {{x}}"
    html = preview_html(progress(preview=(PreviewRow(2, evil, "sad", 0.915),)))
    assert "<img" not in html
    assert not set("${}") & set(html)
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "<caption" in html
    assert html.count('<th scope="col">') == 4
    assert '<th scope="row">2</th>' in html
    assert "91,5%" in html
    assert "91.5%" in html
    assert preview_html(progress(preview=())) == ""
    assert "tidak terbaca" in preview_html(progress())


def test_style_sheet_has_every_class_that_is_used() -> None:
    css = (Path(batch.__file__).parent / "assets" / "batch.css").read_text("utf-8")
    html = progress_html(progress()) + summary_html(progress()) + preview_html(progress())
    used = {part.split('"')[0] for part in html.split('class="')[1:]}
    own = {name for name in used if name.startswith("mm-batch")}
    assert len(own) > 10
    assert {name for name in own if f".{name}" not in css} == set()
