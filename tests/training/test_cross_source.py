import dataclasses
import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="training needs the train extra")
pytest.importorskip("sklearn", reason="the baselines need the train extra")

from support.small_training import TINY, learnable_rows

from memotions_hf.cards.comparison import cross_source_markdown
from memotions_hf.cli import main
from memotions_hf.corpus import Row
from memotions_hf.corpus.merge import MergeOptions, merge
from memotions_hf.errors import InputError
from memotions_hf.evaluation.evaluate import TestSet, evaluate_systems
from memotions_hf.training import RECIPES, trainer
from memotions_hf.training.cross_source import (
    CROSS_SOURCE_FILE,
    leave_one_source_out,
    leave_out,
    mean_over_sources,
)
from memotions_hf.training.runs import fingerprint

SOURCES = ("emot", "saputri", "prdect", "isear-id")
LONG = "kemarin sore kami duduk lama di teras sambil menunggu hujan reda dan {} sekali rasanya"
NEAR = LONG.format("senang") + " ya"
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def corpus():
    rows = learnable_rows("emot", 40, ("sad", "happy", "anger"))
    rows += learnable_rows("saputri", 40) + learnable_rows("prdect", 60)
    rows += learnable_rows("isear-id", 60)
    rows.append(Row("emot-long", LONG.format("senang"), "emot", "happy", None))
    rows.append(Row("prdect-near", NEAR, "prdect", "happy", None))
    return merge(MergeOptions(sources=SOURCES), rows=rows)


def watch_trainer(patch):
    """Return a list that gets the seed and the corpus of all that reaches the trainer."""
    seen, train = [], trainer.train

    def watched(recipe, folder, *, corpus, **options):
        seen.append((recipe.seed, corpus))
        return train(recipe, folder, corpus=corpus, **options)

    patch.setattr(trainer, "train", watched)
    return seen


@pytest.fixture(scope="module")
def finished(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        seen = watch_trainer(patch)
        result = leave_one_source_out(TINY, corpus, folder, held_out=["emot"], seeds=SEEDS)
    return folder, result, seen


def test_neither_the_source_nor_its_kin_nor_what_is_near_equal_to_them_is_left(corpus):
    kept, held = leave_out(corpus, "emot")
    assert {example.source for example in kept.examples} == {"prdect", "isear-id"}
    assert kept.options.sources == ("prdect", "isear-id")
    assert "prdect-near" in {example.id for example in corpus.examples}
    assert NEAR not in {example.text for example in kept.examples}
    # All of prdect but the near-equal row stays, and all of emot is tested on, whatever its split.
    assert sum(example.source == "prdect" for example in kept.examples) == 60
    assert [example for example in corpus.examples if example.source == "emot"] == held
    assert {example.split for example in held} == {"train", "validation", "test"}
    assert kept.split("validation")


def test_what_was_left_out_reaches_neither_the_trainer_nor_the_baselines(finished, corpus):
    folder, result, trained = finished
    assert [seed for seed, _ in trained] == list(SEEDS)
    for _, seen in trained:
        assert {example.source for example in seen.examples} == {"prdect", "isear-id"}
        assert NEAR not in {example.text for example in seen.examples}
    for run in ("baselines", "tiny-seed1", "tiny-seed2"):
        claim = json.loads((folder / "emot" / run / "claim.json").read_text())
        assert claim["rows"] == fingerprint(leave_out(corpus, "emot")[0])
    entry = result["sets"]["emot"]
    assert entry["rows"] == 41
    assert entry["left_out"] == ["emot", "saputri"]
    assert entry["near_equal_rows_left_out"] == 1


def test_the_scores_are_over_the_labels_that_the_source_has(finished):
    from sklearn.metrics import f1_score

    _, result, _ = finished
    assert set(result["sets"]["emot"]["systems"]) == {
        "tiny", "tfidf-svc", "keyword-rule", "majority",
    }  # fmt: skip
    for scores in result["sets"]["emot"]["systems"].values():
        assert set(scores["per_class"]) == {"sad", "happy", "anger"}
        cells = np.array(scores["confusion"])
        truth, answers = (np.repeat(ids.ravel(), cells.ravel()) for ids in np.indices(cells.shape))
        expected = f1_score(truth, answers, labels=[0, 1, 3], average="macro", zero_division=0)
        assert scores["macro_f1"]["value"] == pytest.approx(expected, abs=1e-4)
        assert scores["macro_f1"]["low"] <= expected <= scores["macro_f1"]["high"]


def test_an_answer_outside_of_the_source_labels_is_an_error():
    class Fixed:
        def scores(self, texts):
            return np.eye(5)[[0, 2, 1, 0, 3]]

    test_set = TestSet("three", ["teks"] * 5, np.array([0, 0, 1, 1, 3]), "")
    (scores,) = evaluate_systems({"s": Fixed()}, [test_set], samples=20)["sets"]["three"][
        "systems"
    ].values()
    # sad: 1 right, 1 missed (as neutral), 1 too many; happy: 1 right, 1 missed; anger: right.
    assert scores["macro_f1"]["value"] == pytest.approx((1 / 2 + 2 / 3 + 1) / 3, abs=1e-4)
    assert scores["accuracy"]["value"] == 0.6


def test_a_finished_source_is_not_trained_again(finished, corpus, monkeypatch):
    folder, result, _ = finished
    trained = watch_trainer(monkeypatch)
    again = leave_one_source_out(TINY, corpus, folder, held_out=["emot"], seeds=SEEDS)
    assert trained == []
    assert json.dumps(again) == json.dumps(result)
    assert json.loads((folder / CROSS_SOURCE_FILE).read_text()) == json.loads(json.dumps(result))


def test_an_interrupted_run_keeps_what_it_has_and_goes_on(corpus, tmp_path, monkeypatch):
    train = trainer.train

    def stop_at_isear(recipe, folder, *, corpus, **options):
        if "isear-id" not in corpus.options.sources:
            raise KeyboardInterrupt
        return train(recipe, folder, corpus=corpus, **options)

    held_out = ("prdect", "isear-id")
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "train", stop_at_isear)
        with pytest.raises(KeyboardInterrupt):
            leave_one_source_out(TINY, corpus, tmp_path, held_out=held_out)
    first = json.loads((tmp_path / "cross_source.json").read_text())
    assert list(first["sets"]) == ["prdect"]

    trained = watch_trainer(monkeypatch)
    assert not list(tmp_path.glob("*.png"))
    result = leave_one_source_out(TINY, corpus, tmp_path, held_out=held_out)
    assert (tmp_path / "cross_source.png").read_bytes().startswith(b"\x89PNG")
    assert [seen.options.sources for _, seen in trained] == [("emot", "saputri", "prdect")]
    assert list(result["sets"]) == list(held_out)
    assert json.loads(json.dumps(result["sets"]["prdect"])) == first["sets"]["prdect"]
    assert not list(tmp_path.rglob("new-*"))


def test_the_runs_of_other_rows_or_of_another_recipe_are_not_gone_on_with(finished, corpus):
    folder, _, _ = finished
    fewer = dataclasses.replace(corpus, examples=corpus.examples[:-20])
    for recipe, rows in ((TINY, fewer), (dataclasses.replace(TINY, epochs=2), corpus)):
        with pytest.raises(InputError, match="something else than a run of this recipe"):
            leave_one_source_out(recipe, rows, folder, held_out=["emot"], seeds=SEEDS)


def test_the_mean_is_over_the_sources_and_its_spread_over_the_seeds():
    def scores(first, second):
        by_seed = {"1": first, "2": second}
        value = {"value": first, "low": 0.0, "high": 1.0}
        spread = {"by_seed": by_seed}
        return {
            "macro_f1": value,
            "accuracy": value,
            "seeds": {"macro_f1": spread, "accuracy": spread},
        }

    plain = {"macro_f1": {"value": 0.25}, "accuracy": {"value": 0.5}}
    sets = {
        "a": {"systems": {"ours": scores(0.2, 0.4), "rule": plain}},
        "b": {"systems": {"ours": scores(0.6, 0.8), "rule": plain}},
    }
    mean = mean_over_sources(sets)
    assert mean["ours"]["macro_f1"]["value"] == 0.4
    seeds = mean["ours"]["macro_f1"]["seeds"]
    assert seeds["by_seed"] == {"1": 0.4, "2": 0.6}
    assert (seeds["mean"], seeds["min"], seeds["max"]) == (0.5, 0.4, 0.6)
    assert seeds["std"] == pytest.approx(0.1414)
    assert mean["rule"] == plain


def test_the_tables_hold_every_source_the_mean_and_the_spread(finished):
    _, result, _ = finished
    tables = cross_source_markdown(result, "tiny")
    rows = [line for line in tables.splitlines() if line.startswith("| mean")]
    spread = result["mean"]["tiny"]["macro_f1"]["seeds"]
    assert len(rows) == 2  # macro-F1 and accuracy
    assert f"{spread['mean']:.3f} ± {spread['std']:.3f}" in rows[0]
    assert "| emot      | emot, saputri    | 1 " in tables
    assert "nan" not in tables


def readme_section(result, folder, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    tables = import_module("readme_tables")
    (folder / "cross_source.json").write_text(json.dumps(result))
    monkeypatch.setattr(tables, "RESULTS", folder)
    return tables.SECTIONS["cross-source"]().split("\n\n")


def cells(table):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]


def test_the_readme_shows_each_source_the_mean_and_the_difference(finished, tmp_path, monkeypatch):
    result = json.loads(json.dumps(finished[1]))
    other = json.loads(json.dumps(result["sets"]["emot"])) | {"rows": 1234}
    scores = {"tiny": 0.5104, "tfidf-svc": 0.6, "keyword-rule": 0.2, "majority": 0.1}
    for name, value in scores.items():
        other["systems"][name]["macro_f1"] = {"value": value, "low": 0.0126, "high": 0.9}
    result["sets"]["prdect"] = other
    result["mean"] = mean_over_sources(result["sets"])
    table, seeds, over_seeds = readme_section(result, tmp_path, monkeypatch)
    header, _, emot, prdect, mean = cells(table)
    systems = [*scores]
    assert header == ["left out of training", "rows", *systems, "over tfidf-svc"]
    first = [result["sets"]["emot"]["systems"][name]["macro_f1"] for name in systems]
    shown = [f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" for one in first]
    assert emot[:-1] == ["emot", "41", *shown]
    assert prdect[:4] == ["prdect", "1,234", "0.510 [0.013, 0.900]", "0.600 [0.013, 0.900]"]
    assert prdect[-1] == "-0.090"
    means = [(one["value"] + scores[name]) / 2 for one, name in zip(first, systems, strict=True)]
    assert [float(cell) for cell in mean[2:6]] == pytest.approx(means, abs=6e-4)
    assert mean[0] == "mean"
    assert float(mean[-1]) == pytest.approx(means[0] - means[1], abs=6e-4)
    assert seeds.endswith("over the seeds 1 and 2:")
    assert f"{result['mean']['tiny']['macro_f1']['seeds']['mean']:.3f} ±" in over_seeds


def test_the_readme_shows_one_table_for_one_seed(finished, tmp_path, monkeypatch):
    result = json.loads(json.dumps(finished[1])) | {"seeds": [1]}
    for metric in result["sets"]["emot"]["systems"]["tiny"]["seeds"].values():
        del metric["by_seed"]["2"]
    (table,) = readme_section(result, tmp_path, monkeypatch)
    assert [row[0] for row in cells(table)[2:]] == ["emot", "mean"]


@pytest.mark.parametrize("name", ["nope", "journal"])
def test_a_source_that_cannot_be_held_out_is_refused_before_anything_is_trained(
    corpus, tmp_path, name
):
    folder = tmp_path / "out"
    with pytest.raises(InputError, match=f"'{name}'; expected one of: emot, saputri, prdect"):
        leave_one_source_out(TINY, corpus, folder, held_out=["emot", name])
    assert not folder.exists()


def test_a_corpus_with_nothing_to_train_on_without_the_source_is_refused():
    only = merge(MergeOptions(sources=("emot",)), rows=learnable_rows("emot", 20))
    with pytest.raises(InputError, match="'emot': 20 rows of it, and 0 to train on"):
        leave_out(only, "emot")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--leave-one-source-out", "--recipe", "nope"], "unknown recipe 'nope'; expected one of"),
        (["--leave-one-source-out", "--model", "here"], "--model is of a trained model"),
        (["--leave-one-source-out", "--update"], "--update is of a trained model"),
        (["--held-out", "emot"], "--held-out needs --leave-one-source-out"),
        (["--seeds", "1"], "--seeds needs --leave-one-source-out"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(options, message, capsys):
    assert main(["evaluate", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"memotions: error: {message}")


@pytest.mark.parametrize("seeds", ["1,x", "-1", "", "1,,2", "4294967296", "²"])
def test_seeds_that_are_none_are_one_line(seeds, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "--leave-one-source-out", f"--seeds={seeds}"])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "argument --seeds" in line


def test_the_command_prints_its_tables_alone_on_standard_output(
    corpus, capsys, tmp_path, monkeypatch
):
    monkeypatch.setitem(RECIPES, "tiny", TINY)
    # The package's own name "merge" is the function.
    monkeypatch.setattr(import_module("memotions_hf.corpus.merge"), "merge", lambda: corpus)
    command = ["evaluate", "--leave-one-source-out", "--recipe=tiny", "--held-out=emot", "--json"]
    assert main([*command, "--output", str(tmp_path / "out"), "--seeds", "7"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert printed["seeds"] == [7]
    assert printed == json.loads((tmp_path / "out" / CROSS_SOURCE_FILE).read_text())
    assert "emot (1 of 1): 41 rows held out" in captured.err
