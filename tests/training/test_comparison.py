import dataclasses
import importlib
import json
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="training needs the train extra")
pytest.importorskip("sklearn", reason="the baselines need the train extra")

from support.small_corpus import write_small_mirror
from support.small_training import TINY, learnable_rows

from memotions_hf.cards.comparison import comparison_markdown
from memotions_hf.cli import main
from memotions_hf.corpus.merge import MergeOptions, merge
from memotions_hf.errors import InputError
from memotions_hf.evaluation.plots import plot_comparison
from memotions_hf.training import get_recipe, trainer
from memotions_hf.training.comparison import (
    EMOT_LABELS,
    compare,
    official_emot,
    summarise,
)
from memotions_hf.training.runs import train_recipe

SOURCES = ("dair-emotion-id", "prdect", "journal")
SEEDS = (1, 2)
OWN_SET = "emot/official-test, own labels"


@pytest.fixture(scope="module")
def corpus():
    rows = [row for source in SOURCES for row in learnable_rows(source, 60)]
    return merge(MergeOptions(sources=SOURCES), rows=rows)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """EmoT's official splits, of rows that can be learned, and one opinion tweet."""
    folder = tmp_path_factory.mktemp("mirror")
    with pytest.MonkeyPatch.context() as patch:
        write_small_mirror(folder, patch)
        rows = iter(learnable_rows("emot", 70, EMOT_LABELS))
        for part, count in (("train", 40), ("valid", 15), ("test", 15)):
            lines = [f"{row.source_label},{row.text}" for row in islice(rows, count)]
            text = "\n".join(["label,tweet", *lines]) + "\n"
            (folder / "emot" / f"{part}_preprocess.csv").write_text(text, encoding="utf-8")
        yield folder


@pytest.fixture(scope="module")
def finished(corpus, mirror, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, compare([TINY], SEEDS, corpus, folder)


@pytest.fixture(scope="module")
def with_emot(finished, mirror, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("with-emot") / "runs"
    shutil.copytree(finished[0], folder, ignore=shutil.ignore_patterns("run"))
    return folder, compare([TINY], SEEDS, corpus, folder, emot_official=True)


def test_every_set_has_every_system_with_interval_and_spread(finished):
    _, result = finished
    assert {"merged/test", "dair-emotion-id/test", "prdect/test", "opinion"} <= set(result["sets"])
    for entry in result["sets"].values():
        assert list(entry["systems"]) == ["tiny", "tfidf-svc", "keyword-rule", "majority"]
        ours = entry["systems"]["tiny"]
        for metric in ("macro_f1", "accuracy"):
            assert {"value", "low", "high"} <= set(ours[metric])
            assert set(ours["seeds"][metric]["by_seed"]) == {"1", "2"}
        assert "seeds" not in entry["systems"]["tfidf-svc"]


def test_the_scores_are_those_of_the_seed_that_validation_selected(finished):
    folder, result = finished
    runs = {
        seed: json.loads((folder / f"tiny-seed{seed}" / "result.json").read_text())
        for seed in SEEDS
    }
    best = max(SEEDS, key=lambda seed: runs[seed]["training"]["val_macro_f1"])
    facts = result["systems"]["tiny"]
    assert facts["selected_seed"] == best
    assert facts["parameters"] == runs[best]["training"]["parameters"] > 0
    for name, entry in result["sets"].items():
        scored = {seed: runs[seed]["evaluation"]["sets"][name]["systems"]["tiny"] for seed in SEEDS}
        ours = entry["systems"]["tiny"]
        assert ours["macro_f1"] == scored[best]["macro_f1"]
        values = [scored[seed]["macro_f1"]["value"] for seed in SEEDS]
        assert ours["seeds"]["macro_f1"]["mean"] == pytest.approx(np.mean(values), abs=1e-4)


def test_selection_looks_at_validation_alone(finished, corpus, tmp_path):
    """A seed that is worst on every test set is chosen where validation says so."""
    folder, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("run"))
    for seed in SEEDS:
        path = copy / f"tiny-seed{seed}" / "result.json"
        result = json.loads(path.read_text())
        result["training"]["val_macro_f1"] = 0.5 + seed / 10
        for entry in result["evaluation"]["sets"].values():
            entry["systems"]["tiny"]["macro_f1"]["value"] = 0.9 - seed / 10
        path.write_text(json.dumps(result))
    result = compare([TINY], SEEDS, corpus, copy)
    assert result["systems"]["tiny"]["selected_seed"] == 2
    ours = result["sets"]["merged/test"]["systems"]["tiny"]
    assert ours["macro_f1"]["value"] == 0.7
    assert ours["seeds"]["macro_f1"]["mean"] == 0.75
    assert result["systems"]["tiny"]["validation_macro_f1"]["max"] == 0.7


def test_finished_runs_are_not_trained_again_and_a_new_seed_alone_is(finished, corpus, monkeypatch):
    folder, result = finished
    trained, train = [], trainer.train

    def watched(recipe, *arguments, **options):
        trained.append(recipe.seed)
        return train(recipe, *arguments, **options)

    monkeypatch.setattr(trainer, "train", watched)
    assert compare([TINY], SEEDS, corpus, folder) == result
    assert trained == []
    more = compare([TINY], (*SEEDS, 3), corpus, folder)
    assert trained == [3]
    assert set(more["systems"]["tiny"]["validation_macro_f1"]["by_seed"]) == {"1", "2", "3"}
    compare([TINY], SEEDS, corpus, folder)


def test_runs_on_other_rows_are_not_taken_for_these(finished, corpus):
    folder, _ = finished
    other = [
        dataclasses.replace(example, label="sad") if example.split == "validation" else example
        for example in corpus.examples
    ]
    changed = dataclasses.replace(corpus, examples=tuple(other))
    with pytest.raises(InputError, match="another --output"):
        compare([TINY], SEEDS, changed, folder)


def test_the_folder_holds_figures_table_and_picture(finished):
    folder, result = finished
    assert json.loads((folder / "comparison.json").read_text()) == json.loads(json.dumps(result))
    table = (folder / "comparison.md").read_text()
    assert table == comparison_markdown(result)
    diary = result["sets"]["dair-emotion-id/test"]["systems"]["tfidf-svc"]
    for metric in ("macro_f1", "accuracy"):
        assert f"{diary[metric]['value']:.3f} [{diary[metric]['low']:.3f}" in table
    assert f"| tiny      | {result['systems']['tiny']['parameters']:,} " in table
    assert (folder / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.rglob("new-*"))


def test_the_picture_is_the_same_for_the_same_figures(finished, tmp_path):
    folder, result = finished
    plot_comparison(result, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (folder / "comparison.png").read_bytes()


def test_the_official_emot_keeps_its_splits_and_its_own_labels(mirror):
    corpus, test_set = official_emot()
    assert [len(corpus.split(split)) for split in ("train", "validation", "test")] == [40, 15, 0]
    assert {example.label for example in corpus.examples} == set(EMOT_LABELS)
    assert len(test_set.texts) == 15
    assert not set(test_set.texts) & {example.text for example in corpus.examples}
    assert np.bincount(test_set.labels).tolist() == [3] * 5


def test_emot_is_learned_with_its_own_labels_beside_the_linear_model(with_emot):
    folder, comparison = with_emot
    result = comparison["emot_official"]
    assert result["labels"] == list(EMOT_LABELS)
    entry = result["sets"][OWN_SET]
    assert list(entry["systems"]) == ["tiny", "tfidf-svc", "majority"]
    assert set(entry["systems"]["tiny"]["per_class"]) == set(EMOT_LABELS)
    assert result["splits"] == {"train": 40, "validation": 15, "test": 15}
    assert "own labels" in (folder / "comparison.md").read_text()


def rows_of(table):
    """Return the cells of a Markdown table by the first cell of their row and their header."""
    header, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
    ]
    return {cells[0]: dict(zip(header, cells, strict=True)) for cells in lines}


def interval(metric):
    return f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"


def spread(metric):
    numbers = (metric[name] for name in ("mean", "std", "min", "max"))
    return "{:.3f} ± {:.3f} ({:.3f} to {:.3f})".format(*numbers)


@pytest.fixture
def readme_tables(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("readme_tables")


def test_the_readme_shows_every_system_and_the_spread_over_the_seeds(
    with_emot, readme_tables, monkeypatch
):
    folder, result = with_emot
    monkeypatch.setattr(readme_tables, "RESULTS", folder)
    scored, title, seeds = readme_tables.SECTIONS["comparison"]().split("\n\n")
    rows, over_seeds = rows_of(scored), rows_of(seeds)
    assert list(rows) == ["tiny", "tfidf-svc", "keyword-rule", "majority"]
    assert title.endswith("over the seeds 1 and 2:")
    assert list(over_seeds) == ["tiny"]
    for column, test_set, metric in (
        ("merged/test", "merged/test", "macro_f1"),
        ("EmoT, own labels", OWN_SET, "macro_f1"),
        ("diary rows: accuracy", "dair-emotion-id/test", "accuracy"),
        ("journal/test", "journal/test", "macro_f1"),
        ("opinion, four emotions", "opinion/four-emotions", "macro_f1"),
    ):
        part = result["emot_official"] if test_set == OWN_SET else result
        systems = part["sets"][test_set]["systems"]
        for name, cells in rows.items():
            assert cells[column] == (interval(systems[name][metric]) if name in systems else "-")
        assert over_seeds["tiny"][column] == spread(systems["tiny"]["seeds"][metric])
    assert rows["keyword-rule"]["EmoT, own labels"] == "-"


def test_the_readme_shows_what_the_systems_cost(with_emot, readme_tables, monkeypatch, tmp_path):
    _, result = with_emot
    result = json.loads(json.dumps(result))
    result["systems"]["tiny"]["seconds"] = 1230.0
    result["systems"]["tfidf-svc"] = {"seconds": 119.4, "parameters": 1234567}
    (tmp_path / "comparison.json").write_text(json.dumps(result))
    monkeypatch.setattr(readme_tables, "RESULTS", tmp_path)
    rows = rows_of(readme_tables.SECTIONS["comparison"]().split("\n\n")[0])
    error = result["sets"]["merged/test"]["systems"]["tiny"]["ece"]
    assert [tuple(cells.values())[-3:] for cells in rows.values()] == [
        (interval(error), f"{result['systems']['tiny']['parameters']:,}", "20 min"),
        ("-", "1,234,567", "119 s"),
        ("-", "-", "-"),
        ("-", "-", "-"),
    ]


def test_a_recipe_whose_labels_are_built_in_is_refused_others(tmp_path):
    emot = merge(MergeOptions(sources=("emot",)), rows=learnable_rows("emot", 20))
    with pytest.raises(InputError, match="memotions-2024 knows no labels but sad, happy"):
        train_recipe(get_recipe("memotions-2024"), tmp_path / "run", emot, EMOT_LABELS)
    assert not (tmp_path / "run").exists()


def test_the_spread_over_seeds():
    spread = summarise({"1": 0.5, "2": 0.6, "3": 0.7})
    assert (spread["mean"], spread["min"], spread["max"], spread["std"]) == (0.6, 0.5, 0.7, 0.1)
    assert summarise({"1": 0.5})["std"] == 0


@pytest.mark.parametrize(
    ("recipes", "seeds", "message"), [([], [1], "one recipe"), ([TINY], [1, 1], "got: 1, 1")]
)
def test_nothing_to_compare_or_something_twice_is_refused(
    corpus, tmp_path, recipes, seeds, message
):
    with pytest.raises(InputError, match=message):
        compare(recipes, seeds, corpus, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recipe_may_have_seeds_of_its_own(corpus, tmp_path, finished):
    folder, whole = finished
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    fewer = compare([TINY], (7, 8), corpus, copy, own_seeds={TINY.name: SEEDS[:1]})
    for name, entry in fewer["sets"].items():
        seeds = entry["systems"][TINY.name]["seeds"]["macro_f1"]["by_seed"]
        known = whole["sets"][name]["systems"][TINY.name]["seeds"]["macro_f1"]["by_seed"]
        assert seeds == {str(SEEDS[0]): known[str(SEEDS[0])]}
    with pytest.raises(InputError, match="'nope', which is not among those to compare"):
        compare([TINY], SEEDS, corpus, copy, own_seeds={"nope": (1,)})
    with pytest.raises(InputError, match="one seed of tiny, each once; got: none"):
        compare([TINY], SEEDS, corpus, copy, own_seeds={TINY.name: ()})


@pytest.mark.parametrize("options", [["--recipes", "memotions-bilstm,nope"], ["--recipes=nope"]])
def test_an_unknown_recipe_is_one_line_before_anything_is_read(options, capsys):
    assert main(["compare", *options]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("memotions: error: unknown recipe 'nope'; expected one of: ")
    assert captured.out == ""


def test_seeds_of_what_is_not_compared_are_one_line_before_anything_is_read(capsys):
    assert main(["compare", "--recipes=memotions-bilstm", "--seeds-of=memotions-2024=1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("memotions: error: seeds are given for the recipe 'memotions-2024'")


@pytest.mark.parametrize("value", ["memotions-2024", "=42", "memotions-2024=x"])
def test_seeds_of_nothing_are_one_line(value, capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--seeds-of", value])
    (line,) = capsys.readouterr().err.splitlines()
    assert "argument --seeds-of: " in line
    assert "(RECIPE=N,N)" in line or "'x' is no list of whole numbers" in line


def test_an_empty_name_is_one_line(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--recipes", "memotions-bilstm,"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "argument --recipes: 'memotions-bilstm,' holds an empty name" in line
