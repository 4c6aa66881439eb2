"""The dataset card: a header that the Hub's own tools read, and every number counted."""

from __future__ import annotations

import copy
import html
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from huggingface_hub import DatasetCard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memotions_hf.cards.dataset_card import render_dataset_card, statistics_tables
from memotions_hf.cards.dataset_plots import CLASS_DISTRIBUTION, TEXT_LENGTH, WORD_CLOUDS
from memotions_hf.corpus import SOURCES, MergeOptions, MergeReport, config_corpus
from memotions_hf.corpus.configs import config_features, config_rows, to_dataset
from memotions_hf.corpus.statistics import corpus_statistics
from memotions_hf.errors import InputError
from memotions_hf.labels import LABELS

datasets = pytest.importorskip("datasets", reason="the data extra is not installed")

Configs = dict[str, dict[str, list[dict[str, Any]]]]
SPLITS = ("train", "validation", "test")
# How many rows of each source, label and split the small corpus has.
SIZES = {
    ("journal", "sad"): (1_230, 12, 13),
    ("journal", "neutral"): (5, 4, 3),
    ("emot", "happy"): (17, 6, 7),
    ("emot", "anger"): (9, 8, 2),
    ("isear-id", "fear"): (14, 0, 1),
}
MEASUREMENTS: dict[str, Any] = {
    "leak": {
        "model": "TF-IDF + linear SVC",
        "sources": ["emot", "saputri"],
        "naive": {"test_rows": 4_321, "accuracy": 0.81234, "macro_f1": 0.79876},
        "naive_test_rows_with_a_copy_in_train": 1_296,
        "naive_seen": {"test_rows": 1_296, "accuracy": 0.9711, "macro_f1": 0.9622},
        "naive_unseen": {"test_rows": 3_025, "accuracy": 0.7433, "macro_f1": None},
        "leak_free": {"test_rows": 3_456, "accuracy": 0.7255, "macro_f1": 0.7166},
        "inflation": {"accuracy": 0.0868, "macro_f1": 0.0821},
    },
    "manner": {
        "model": "TF-IDF + linear SVC",
        "rows": [
            {
                "trained_on": "journal/train",
                "training_rows": 2_611,
                "tested_on": "journal/test",
                "test_rows": 525,
                "macro_f1": 0.8312,
            }
        ],
    },
}


def labelled(source: str, label: str, split: str, number: int) -> dict[str, Any]:
    facts = SOURCES[source]
    return {
        "id": f"{source}-{label}-{split}-{number}",
        "text": f"tulisan {number} tentang {label}",
        "label": label,
        "source": source,
        "source_label": {"happy": "love"}.get(label, label),
        "lang": facts.language,
        "translated": facts.translated,
        "license": facts.license,
    }


def suggestion(number: int) -> dict[str, Any]:
    return {
        "id": f"sad-{number}",
        "entry": f"hari ke-{number} aku lelah",
        "emotion": "sad",
        "topic": "work",
        "advice": ["rest", "talk"],
        "suggestion": "Istirahat dulu. Ceritakan pada seorang teman.",
    }


def small_corpus() -> Configs:
    merged: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for (source, label), sizes in SIZES.items():
        for split, size in zip(SPLITS, sizes, strict=True):
            merged[split] += [labelled(source, label, split, number) for number in range(size)]
    journal = {s: [r for r in part if r["source"] == "journal"] for s, part in merged.items()}
    return {
        "merged": merged,
        "journal": journal,
        "suggestions": {"train": [suggestion(number) for number in range(21)]},
    }


def report_of(merged: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    report = MergeReport(conflicts_by_majority=31, groups_of_several=37)
    report.rows_in_groups_of_several, report.groups_of_several_labels = 83, 1
    report.kept.update(row["source"] for part in merged.values() for row in part)
    report.duplicate.update({"emot": 41, "saputri": 2_345})
    report.conflicting.update({"saputri": 5})
    report.label_left_out.update({"isear-id": 67})
    for count in (report.kept, report.duplicate, report.conflicting, report.label_left_out):
        report.read += count
    return report.as_dict()


def info_of(name: str, rows: Mapping[str, list[dict[str, Any]]]) -> Any:
    splits = datasets.SplitDict()
    for number, (split, part) in enumerate(rows.items(), start=1):
        splits.add(datasets.SplitInfo(split, num_bytes=1_000 * number, num_examples=len(part)))
    return datasets.DatasetInfo(
        features=config_features(name), splits=splits, download_size=4_567, dataset_size=6_000
    )


def infos_of(configs: Configs) -> dict[str, Any]:
    return {name: info_of(name, rows) for name, rows in configs.items()}


CONFIGS = small_corpus()
INFOS = infos_of(CONFIGS)
STATISTICS = corpus_statistics(CONFIGS, {"merged": report_of(CONFIGS["merged"])}, MergeOptions())


def render(**changes: Any) -> str:
    arguments = {"statistics": STATISTICS, "infos": INFOS, "measurements": MEASUREMENTS, **changes}
    return render_dataset_card(arguments.pop("statistics"), **arguments)


def metadata(card: str) -> Any:
    return DatasetCard(card, ignore_metadata_errors=False).data


def only_from(*sources: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return statistics and infos of the rows of some sources."""
    kept = {
        split: [row for row in part if row["source"] in sources]
        for split, part in CONFIGS["merged"].items()
    }
    rows = {split: part for split, part in kept.items() if part}
    configs = {"merged": rows}
    return corpus_statistics(configs, {"merged": report_of(rows)}), infos_of(configs)


# Tables -------------------------------------------------------------------------------------------


def tables(card: str) -> Iterator[list[list[str]]]:
    """Yield every table as rows of cells, the header first."""
    for block in re.findall(r"(?:^\|.*\|$\n?)+", card, flags=re.MULTILINE):
        lines = [line[1:-1].split("|") for line in block.strip().splitlines()]
        yield [[cell.strip() for cell in line] for line in lines if set("".join(line)) != {"-"}]


def numbers(cells: list[str]) -> list[int]:
    plain = (cell.replace("*", "").replace(",", "") for cell in cells)
    return [0 if cell == "-" else int(cell) for cell in plain]


def named_table(card: str, *head: str) -> dict[str, list[int]]:
    """Return the numbers of the table with this header, by the first cell of a row."""
    (found,) = [table for table in tables(card) if tuple(table[0]) == head]
    return {cells[0].strip("*`"): numbers(cells[1:]) for cells in found[1:]}


def counted(*keys: str) -> Counter[tuple[str, ...]]:
    return Counter(
        tuple(split if key == "split" else str(row[key]) for key in keys)
        for split, part in CONFIGS["merged"].items()
        for row in part
    )


@pytest.mark.parametrize(
    ("head", "key", "names"),
    [("label", "split", SPLITS), ("source", "split", SPLITS), ("source", "label", LABELS)],
)
def test_size_tables_hold_what_was_counted(head: str, key: str, names: tuple[str, ...]) -> None:
    table = named_table(render(), head, *names, "all")
    inner, rows = counted(head, key), counted(head)
    outer = counted(key)
    assert set(table) == {name for (name,) in rows} | {"all"}
    for (name,), total in rows.items():
        assert table[name] == [*(inner[name, column] for column in names), total]
    assert table["all"] == [*(outer[(column,)] for column in names), rows.total()]


def test_the_step_table_is_the_report() -> None:
    report = STATISTICS["merge"]
    steps = ("read", "untranslated", "label_left_out", "empty", "duplicate", "conflicting", "kept")
    (table,) = [table for table in tables(render()) if table[0][1] == "read"]
    by_source = {cells[0].strip("*"): numbers(cells[1:]) for cells in table[1:]}
    assert set(by_source) == {"journal", "emot", "saputri", "isear-id", "all"}
    for name in report["read"]:
        assert by_source[name] == [report[step].get(name, 0) for step in steps]
    assert by_source["all"] == [sum(report[step].values()) for step in steps]


def test_the_config_table_has_every_config_and_split() -> None:
    (table,) = [table for table in tables(render()) if table[0][0] == "config"]
    found = {cells[0].strip("`"): cells for cells in table[1:]}
    assert set(found) == set(CONFIGS)
    for name, rows in CONFIGS.items():
        assert numbers(found[name][3:]) == [len(rows.get(split, [])) for split in SPLITS]
    assert found["merged"][2] == "Indonesian, 1% translated"
    assert found["journal"][2] == "Indonesian"


def test_the_label_table_names_the_sources_own_labels() -> None:
    (table,) = [table for table in tables(render()) if table[0][1] == "label"]
    assert table[1] == ["0", "sad", "sedih", "1,255", "sad (1,255)"]
    assert table[2] == ["1", "happy", "senang", "30", "love (30)"]
    assert [cells[1] for cells in table[1:]] == list(LABELS)


def test_the_length_table_holds_lengths_of_the_rows() -> None:
    (table,) = [
        table for table in tables(render()) if table[0] == ["source", "words", "characters"]
    ]
    found = {cells[0].strip("*"): cells[1:] for cells in table[1:]}
    lengths = sorted(len(row["text"]) for part in CONFIGS["merged"].values() for row in part)
    assert found["all"][0] == "4 / 4 / 4 / 4"
    assert found["all"][1].split(" / ")[0] == str(lengths[0])
    assert found["all"][1].split(" / ")[-1] == str(lengths[-1])
    assert set(found) == {"journal", "emot", "isear-id", "all"}


def test_the_licence_table_says_what_may_be_done() -> None:
    (table,) = [table for table in tables(render()) if "licence" in table[0]]
    found = {cells[0]: cells[1:] for cells in table[1:]}
    assert found["journal"] == ["1,267", "CC-BY-4.0", "yes", "yes"]
    assert found["isear-id"][1:3] == ["other-isear-research", "not settled, so **no**"]
    assert "saputri" not in found


def test_tables_are_whole() -> None:
    for block in re.findall(r"(?:^\|.*\|$\n?)+", render(), flags=re.MULTILINE):
        assert len({line.count("|") for line in block.strip().splitlines()}) == 1


def test_sentences_hold_the_numbers_of_the_statistics() -> None:
    card = render()
    agreement = STATISTICS["journal_agreement"]
    for expected in (
        "1,331 short texts in Indonesian from 3 sources",
        "3,789 rows.",  # read
        "2,386 copies left out",
        "of the 2,350 rows of `saputri`, 0 are left",
        "(31 cases)",
        "5 rows left out",
        "67 rows with a label",
        "37 groups of several texts, 83 rows in all",
        "different ones in 1 group:",
        "character 5-grams is 0.9 or more",
        "similarity 0.7 or more",
        "80/10/10 (train/validation/test, seed 42)",
        "The 1,267 entries of `journal`",
        f"labelled {agreement['rows']:,} of the entries",
        f"Cohen's kappa {agreement['kappa']:.3f}",
        "a language model",
        "not collected from users",
        "`suggestions` has 21 more entries",
        "The 1,267 rows of `merged` without such a limit",
        'row["license"] == "CC-BY-4.0"',
        "4% of the rows are tweets of 2018 or before",
        "94% of the rows are sad and 1% neutral",
    ):
        assert expected in card, expected


def test_another_count_gives_another_card() -> None:
    configs = small_corpus()
    configs["merged"]["test"].append(labelled("journal", "sad", "test", 99))
    report = report_of(configs["merged"])
    card = render(
        statistics=corpus_statistics(configs, {"merged": report}), infos=infos_of(configs)
    )
    assert "1,332 short texts" in card
    assert "1,331" not in card


def test_the_template_holds_no_number() -> None:
    folder = Path(__file__).parents[2] / "memotions_hf" / "cards"
    template = (folder / "dataset_card.md").read_text(encoding="utf-8")
    assert re.findall(r"\w*\d\w*", template) == ["int2str"]


@pytest.mark.parametrize(
    ("love", "surprise", "expected"),
    [
        ("happy", "drop", "counts as happy; *surprise* may be good or bad, so rows"),
        ("drop", "neutral", "labels *love* are left out; *surprise* counts as neutral"),
    ],
)
def test_what_became_of_love_and_surprise(love: str, surprise: str, expected: str) -> None:
    statistics = copy.deepcopy(STATISTICS)
    statistics["options"].update(love=love, surprise=surprise)
    assert expected in render(statistics=statistics)
    statistics["options"] = None
    assert "*surprise*" not in render(statistics=statistics)


# Measurements -------------------------------------------------------------------------------------


def test_measurements_are_shown_as_they_were_made() -> None:
    card = render()
    (leak,) = [table for table in tables(card) if table[0][0] == "test set"]
    assert [cells[1:] for cells in leak[1:]] == [
        ["4,321", "0.812", "0.799"],
        ["1,296", "0.971", "0.962"],
        ["3,025", "0.743", "-"],
        ["3,456", "0.726", "0.717"],
    ]
    (manner,) = [table for table in tables(card) if table[0][0] == "trained on"]
    assert manner[1] == ["journal/train", "2,611", "journal/test", "525", "0.831"]
    for expected in (
        "1,296 of the 4,321 random test rows (30%)",
        "accuracy by +0.087 and macro-F1 by +0.082",
        "the same sources (`emot` and `saputri`)",
        "says less than it seems to",
    ):
        assert expected in card, expected


@pytest.mark.parametrize("parts", [(), ("leak",), ("manner",)])
def test_only_what_was_measured_is_shown(parts: tuple[str, ...]) -> None:
    card = render(measurements={part: MEASUREMENTS[part] for part in parts})
    assert ("## What was measured" in card) == bool(parts)
    assert ("What careless splits hide" in card) == ("leak" in parts)
    assert ("The manner of a source" in card) == ("manner" in parts)
    assert "\n\n\n" not in card
    assert render(measurements=None).count("macro-F1") == 0


def test_what_was_measured_on_other_texts_is_left_out() -> None:
    configs = {"suggestions": CONFIGS["suggestions"]}
    card = render(statistics=corpus_statistics(configs, {}), infos=infos_of(configs))
    assert "## What was measured" not in card
    assert "21 short texts in Indonesian, each" in card
    assert "No text is in it twice" not in card
    assert metadata(card).license == "cc-by-4.0"


# The header ---------------------------------------------------------------------------------------


def test_metadata_is_what_the_hub_wants() -> None:
    data = metadata(render(repo_id="someone/memotions-corpus"))
    assert data.language == ["id"]
    assert (data.license, data.license_name) == ("other", "mixed-see-licences")
    assert data.license_link == "https://huggingface.co/datasets/someone/memotions-corpus#licences"
    assert data.task_categories == ["text-classification"]
    assert data.size_categories == ["1K<n<10K"]
    assert data.source_datasets[0] == "original"
    assert "extended|other-emot" in data.source_datasets
    assert "indonesian" in data.tags
    assert data.pretty_name.startswith("Memotions")


def test_configs_and_infos_are_read_back_by_datasets() -> None:
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs

    data = metadata(render())
    configs = MetadataConfigs.from_dataset_card_data(data)
    assert set(configs) == set(CONFIGS)
    assert configs.get_default_config_name() == "merged"
    assert configs["journal"]["data_files"] == [
        {"split": split, "path": f"journal/{split}-*.parquet"} for split in SPLITS
    ]
    infos = DatasetInfosDict.from_dataset_card_data(data)
    for name, info in INFOS.items():
        assert infos[name].features == info.features
        assert (infos[name].download_size, infos[name].dataset_size) == (4_567, 6_000)
        for split, part in info.splits.items():
            read = infos[name].splits[split]
            assert (read.num_examples, read.num_bytes) == (part.num_examples, part.num_bytes)
    assert infos["merged"].features["label"].names == list(LABELS)


def test_one_licence_is_named_as_the_hub_names_it() -> None:
    statistics, infos = only_from("journal")
    data = metadata(render(statistics=statistics, infos=infos, repo_id="a/b"))
    assert (data.license, data.get("license_name"), data.get("license_link")) == (
        "cc-by-4.0",
        None,
        None,
    )
    statistics, infos = only_from("isear-id")
    data = metadata(render(statistics=statistics, infos=infos))
    assert (data.license, data.license_name) == ("other", "other-isear-research")
    assert data.get("license_link") is None


def test_english_texts_and_their_home_are_named() -> None:
    row = labelled("dair-emotion", "sad", "train", 1)
    configs = {"merged": CONFIGS["merged"], "dair-emotion": {"train": [row]}}
    statistics = corpus_statistics(configs, {"merged": report_of(configs["merged"])})
    card = render(statistics=statistics, infos=infos_of(configs))
    assert metadata(card).language == ["id", "en"]
    assert "dair-ai/emotion" in metadata(card).source_datasets
    assert "than its translation" in card


def test_rows_that_may_not_be_passed_on_are_announced() -> None:
    assert "For local use only" in render()
    assert "rows of `isear-id`, which may not be passed on" in render()
    statistics, infos = only_from("journal", "emot")
    card = render(statistics=statistics, infos=infos)
    assert "For local use only" not in card
    assert "Rows of `emot` are for research or non-commercial use" in card


@pytest.mark.parametrize("repo_id", [None, "someone/memotions-corpus"])
def test_the_loading_lines_name_the_place(repo_id: str | None) -> None:
    card = render(repo_id=repo_id)
    name = repo_id or "path/to/this/folder"
    assert f'corpus = load_dataset("{name}", "merged")' in card
    assert f'load_dataset("{name}", "merged", split="train", streaming=True)' in card
    assert "$" not in card


def test_load_dataset_reads_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    folder = tmp_path / "corpus"
    for name, rows in CONFIGS.items():
        (folder / name).mkdir(parents=True)
        for split, part in rows.items():
            path = folder / name / f"{split}-00000-of-00001.parquet"
            to_dataset(name, part).to_parquet(path)
    (folder / "README.md").write_text(render(), encoding="utf-8")
    assert DatasetCard.load(folder / "README.md").data.license == "other"
    assert set(datasets.get_dataset_config_names(str(folder))) == set(CONFIGS)
    for name, rows in CONFIGS.items():
        loaded = datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))
        assert {split: len(part) for split, part in loaded.items()} == {
            split: len(part) for split, part in rows.items()
        }
        label = "emotion" if name == "suggestions" else "label"
        features = loaded["train"].features
        assert features[label].names == list(LABELS)
        assert features[label].int2str(loaded["train"][0][label]) == rows["train"][0][label]
    default = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert len(default["train"]) == len(CONFIGS["merged"]["train"])
    stream = datasets.load_dataset(str(folder), "merged", split="train", streaming=True)
    assert next(iter(stream))["text"] == CONFIGS["merged"]["train"][0]["text"]


# Pictures, citations, examples --------------------------------------------------------------------


def test_only_pictures_that_are_there_are_shown() -> None:
    assert "![" not in render()
    plots = [PurePosixPath("plots") / TEXT_LENGTH, f"plots/{WORD_CLOUDS['sad']}", "plots/odd.png"]
    card = render(plots=plots)
    assert f"](plots/{TEXT_LENGTH})" in card
    assert f"![Words typical of sad](plots/{WORD_CLOUDS['sad']})" in card
    assert card.count("![") == 2
    assert CLASS_DISTRIBUTION not in card


def test_every_source_is_cited_once() -> None:
    card = render()
    for name in ("journal", "emot", "saputri", "isear-id"):
        assert card.count(SOURCES[name].bibtex) == 1
    assert card.rstrip().endswith("```")


def test_examples_are_the_projects_own() -> None:
    (table,) = [table for table in tables(render()) if table[0] == ["label", "text", "id"]]
    assert {cells[0] for cells in table[1:]} == {"sad", "neutral"}
    assert all(cells[2].startswith("journal-") for cells in table[1:])
    statistics, infos = only_from("emot")
    assert "there are none here" in render(statistics=statistics, infos=infos)


PLAIN_CARD = render()
MARKS = "|`<>\\*_~[]()!#$@&\n\r\t\v\x00\x1b\x85\u2028\u202e\ud800{}-=+\"'abc 😭"


@settings(max_examples=60)
@given(st.text(st.sampled_from(MARKS), max_size=40) | st.text(max_size=40))
@example("a | b\n| --- |\n`x` <script>alert(1)</script> \\| [a](http://x) $x$ ```")
@example("---\nlicense: mit\n---")
@example("${title} &amp; &#124;")
def test_no_text_breaks_the_card(text: str) -> None:
    statistics = copy.deepcopy(STATISTICS)
    statistics["examples"] = [{"id": text, "label": "sad", "text": text}]
    statistics["sources"]["emot"]["title"] = text
    statistics["sources"]["emot"]["terms"] = text
    card, plain = render(statistics=statistics), PLAIN_CARD
    card.encode("utf-8")
    assert metadata(card).to_dict() == metadata(plain).to_dict()
    assert [len(table[0]) for table in tables(card)] == [len(t[0]) for t in tables(plain)]
    (table,) = [table for table in tables(card) if table[0] == ["label", "text", "id"]]
    ((_, shown, row_id),) = table[1:]
    assert shown == row_id
    assert not set("|`<>\\*_~[]$@") & set(shown)
    assert "&" not in re.sub(r"&#\d+;", "", shown)
    # What is shown is the text, white space and what cannot be seen apart.
    visible = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
    meant = re.sub("[\ud800-\udfff]", "\ufffd", text)
    assert visible.sub("", html.unescape(shown)) == visible.sub("", meant)


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("configs", "merged", "labels"), None),
        (("configs", "merged", "vocabulary"), {}),
        (("sources", "emot"), {}),
        (("merge", "duplicate"), [1]),
        (("examples",), [{"text": "a"}]),
        (("options",), {"love": "happy"}),
    ],
)
def test_statistics_of_another_form_are_refused(path: tuple[str, ...], value: Any) -> None:
    statistics = copy.deepcopy(STATISTICS)
    inner = statistics
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(InputError, match="make them again") as caught:
        render(statistics=statistics)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("measurements", [{"leak": {"model": "x"}}, {"manner": [1]}])
def test_measurements_of_another_form_are_refused(measurements: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="measurements"):
        render(measurements=measurements)


def test_a_card_of_other_files_is_refused() -> None:
    fewer = {name: info for name, info in INFOS.items() if name != "journal"}
    with pytest.raises(InputError, match="journal"):
        render(infos=fewer)
    configs = small_corpus()
    configs["journal"]["test"].pop()
    with pytest.raises(InputError, match="'journal' has the splits"):
        render(infos=infos_of(configs))
    statistics = copy.deepcopy(STATISTICS)
    statistics["merge"]["kept"]["emot"] += 1
    with pytest.raises(InputError, match="1332 rows"):
        render(statistics=statistics)
    with pytest.raises(InputError, match="at least one"):
        render(statistics={**STATISTICS, "configs": {}}, infos={})


# On a terminal, and for real ----------------------------------------------------------------------


def test_tables_for_a_terminal_hold_the_same_numbers() -> None:
    text = statistics_tables(STATISTICS["configs"]["merged"], STATISTICS["merge"])
    assert named_table(text, "label", *SPLITS, "all") == named_table(
        render(), "label", *SPLITS, "all"
    )
    assert len(list(tables(text))) == 6
    without_report = statistics_tables(STATISTICS["configs"]["suggestions"])
    assert named_table(without_report, "licence", "rows") == {"CC-BY-4.0": [21]}


@pytest.mark.skipif(
    not os.environ.get("MEMOTIONS_MIRROR"),
    reason="MEMOTIONS_MIRROR does not name a folder of upstream files",
)
def test_the_card_of_the_real_corpus() -> None:
    pytest.importorskip("rensa", reason="the data extra is not installed")
    configs = {name: config_rows(name) for name in ("merged", "suggestions")}
    report = config_corpus("merged").report.as_dict()
    statistics = corpus_statistics(configs, {"merged": report}, MergeOptions())
    card = render(statistics=statistics, infos=infos_of(configs))
    rows = sum(map(len, configs["merged"].values()))
    assert f"{rows:,} short texts in Indonesian from 8 sources" in card
    assert named_table(card, "label", *SPLITS, "all")["all"][-1] == rows
    assert set(named_table(card, "source", *LABELS, "all")) == {
        *(row["source"] for part in configs["merged"].values() for row in part),
        "all",
    }
    (examples,) = [table for table in tables(card) if table[0] == ["label", "text", "id"]]
    assert [cells[0] for cells in examples[1:]] == [label for label in LABELS for _ in "12"]
    assert "None" not in card
    assert "\n\n\n" not in card
