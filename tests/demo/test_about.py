"""The page about the model: every figure is read from the model's folder, and both languages are
there."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from memotions_hf import __version__, load_corpus
from memotions_hf.cli import main
from memotions_hf.corpus.sources import MERGED_SOURCES, SOURCES
from memotions_hf.demo.about import about_html
from memotions_hf.demo.markup import TEXT_FOLDER
from memotions_hf.errors import ModelLoadError
from memotions_hf.inference import EmotionClassifier
from memotions_hf.labels import LABELS
from memotions_hf.modeling.artifact import BUNDLED_FOLDER

OURS, LINEAR, KEYWORDS = "memotions-bilstm", "tfidf-svc", "keyword-rule"
TEXTS: dict[str, dict[str, str]] = json.loads((TEXT_FOLDER / "about.json").read_text("utf-8"))
METRICS: dict[str, Any] = json.loads((BUNDLED_FOLDER / "metrics.json").read_text("utf-8"))
VERDICTS = [
    f"verdict_{name}"
    for name in ("above", "below", "even", "close", "clearly_above", "clearly_below")
]
VOID = {"br", "hr", "img", "input", "link", "meta"}
Change = Callable[[dict[str, Any]], None]


class Page(HTMLParser):
    """Checks that tags are balanced; collects what the tests look at."""

    def __init__(self, html: str, lang: str = "id") -> None:
        super().__init__()
        self.open: list[str] = []
        self.shown: list[bool] = []
        self.ids: list[str] = []
        self.levels: list[int] = []
        self.links: list[dict[str, str | None]] = []
        self.code: list[str] = []
        self.text = ""
        self._other = "mm-en" if lang == "id" else "mm-id"
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert len(values) == len(attrs), f"an attribute twice in {tag}"
        if identifier := values.get("id"):
            self.ids.append(identifier)
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "a":
            self.links.append(values)
        if tag == "pre":
            self.code.append("")
        if tag not in VOID:
            self.open.append(tag)
            self.shown.append(self._other not in (values.get("class") or "").split())

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"<{tag}/> is an open tag outside of SVG"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.shown.pop()
        self.text += " "

    def handle_data(self, data: str) -> None:
        if "pre" in self.open:
            self.code[-1] += data
        elif all(self.shown):
            self.text += data


def changed_model(folder: Path, change: Change, pair_buckets: int | None = None) -> Path:
    """Write the bundled model's settings, card and changed metrics into a folder.

    Args:
        folder: to write into.
        change: what to do to the metrics.
        pair_buckets: size of the linear path to claim, 0 for none; None leaves the model's own.
    """
    metrics = json.loads(json.dumps(METRICS))
    change(metrics)
    for name in ("config.json", "README.md"):
        shutil.copy(BUNDLED_FOLDER / name, folder)
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    if pair_buckets is not None:
        text = (folder / "config.json").read_text("utf-8")
        sizes = json.loads(text)["memotions"]["model"]
        # The layer of Keras's part has a row for each token and bucket, or would not fit.
        rows = sizes["vocab_size"] + sizes["pair_buckets"]
        config = json.loads(text.replace(str(rows), str(sizes["vocab_size"] + pair_buckets)))
        config["memotions"]["model"]["pair_buckets"] = pair_buckets
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def keep(metrics: dict[str, Any]) -> None:
    """Change nothing."""


def plain(key: str, lang: str = "en", **values: str) -> str:
    """Return a text of the page without its tags."""
    return re.sub(r"<[^>]+>", "", TEXTS[key][lang].format(**values))


def shown(html: str, lang: str = "en") -> str:
    return " ".join(Page(html, lang).text.split())


def squeeze(text: str) -> str:
    """Compare without spaces, which tags inside a sentence add."""
    return re.sub(r"\s+", "", text)


def test_html_is_well_formed_and_safe_for_gradio() -> None:
    html = about_html()
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert page.levels[0] == 2
    steps = zip(page.levels, page.levels[1:], strict=False)
    assert all(later <= earlier + 1 for earlier, later in steps)
    assert not re.search(r"[{}$`\\]", html), "gr.HTML would read these as a template"
    outside = [link for link in page.links if (link["href"] or "").startswith("http")]
    assert outside
    assert all(link.get("rel") == "noopener" for link in outside)
    assert "tel:112" in {link["href"] for link in page.links}


def test_every_text_is_in_both_languages_and_used(tmp_path: Path) -> None:
    for text in TEXTS.values():
        assert set(text) == {"id", "en"}
        assert text["id"].strip()
        assert text["en"].strip()
        fields = [set(re.findall(r"{(\w+)}", text[lang])) for lang in ("id", "en")]
        assert fields[0] == fields[1]
    html = about_html(changed_model(tmp_path, keep, pair_buckets=7_919)) + about_html(gemini=True)
    for lang in ("id", "en"):
        page = squeeze(shown(html, lang))
        for key, text in TEXTS.items():
            if key.startswith(("verdict_", "code_")) or key in ("no_figures", "data_unknown"):
                continue
            pieces = re.split(r"{\w+}", re.sub(r"<[^>]+>", "", text[lang]))
            assert any(piece.strip() for piece in pieces)
            assert all(squeeze(piece) in page for piece in pieces), key


def test_languages_do_not_mix() -> None:
    html = about_html()
    assert TEXTS["quality"]["id"] in shown(html, "id")
    assert TEXTS["quality"]["en"] not in shown(html, "id")
    assert TEXTS["quality"]["id"] not in shown(html, "en")


def numbers_of(value: object) -> set[float]:
    if isinstance(value, dict):
        return set().union(*(numbers_of(part) for part in value.values()), set())
    if isinstance(value, list):
        return set().union(*(numbers_of(part) for part in value), set())
    return {float(value)} if isinstance(value, int | float) else set()


def test_every_score_and_count_is_in_the_metrics() -> None:
    text = shown(about_html())
    known = numbers_of(METRICS)
    scores = re.findall(r"(?<![\d.])[01]\.\d{3}(?!\d)", text)
    assert len(scores) > 100
    assert set(scores) <= {f"{number:.3f}" for number in known}
    sources = METRICS["corpus"]["sources"].values()
    totals = {sum(source[split] for split in ("train", "validation", "test")) for source in sources}
    allowed = {f"{n:,.0f}" for n in known | totals | {float(sum(totals))}}
    config = json.loads((BUNDLED_FOLDER / "config.json").read_text("utf-8"))
    allowed |= {f"{n:,.0f}" for n in numbers_of(config["memotions"])}
    allowed.add(f"{linear_parameters(config['memotions']['model']):,}")
    counts = re.findall(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d.])", text)
    assert len(counts) > 10
    assert set(counts) - allowed == set()


def linear_parameters(model: dict[str, Any]) -> int:
    """Return how many weights the linear path has: one for each class and token or bucket."""
    buckets = int(model.get("pair_buckets", 0))
    return int(model["num_labels"]) * (int(model["vocab_size"]) + buckets) if buckets else 0


LINEAR_TEXTS = ("inside_linear", "inside_learning", "inside_weighing", "fact_linear")


def beginning(key: str, lang: str) -> str:
    """Return a text up to its first blank."""
    return squeeze(re.sub(r"<[^>]+>", "", TEXTS[key][lang]).partition("{")[0])


@pytest.mark.parametrize("lang", ["id", "en"])
def test_a_linear_path_is_explained_with_its_papers(tmp_path: Path, lang: str) -> None:
    html = about_html(changed_model(tmp_path, keep, pair_buckets=7_919))
    text = squeeze(shown(html, lang))
    assert all(beginning(key, lang) in text for key in ("inside_bilstm", *LINEAR_TEXTS))
    papers = {str(a["href"]) for a in Page(html).links if "arxiv.org" in str(a["href"])}
    assert len(papers) == 3
    assert all(f"({name})" in text for name in ("Chengetal.2016", "Guoetal.2017"))
    model = json.loads((tmp_path / "config.json").read_text("utf-8"))["memotions"]["model"]
    expected = f"{linear_parameters(model):,}"
    label = beginning("fact_linear", lang)
    assert label + (expected if lang == "en" else expected.replace(",", ".")) in text


@pytest.mark.parametrize("lang", ["id", "en"])
def test_a_model_without_a_linear_path_says_nothing_of_one(tmp_path: Path, lang: str) -> None:
    html = about_html(changed_model(tmp_path, keep, pair_buckets=0))
    text = squeeze(shown(html, lang))
    assert beginning("inside_bilstm", lang) in text
    assert not any(beginning(key, lang) in text for key in LINEAR_TEXTS)
    assert "arxiv.org" not in html


def test_the_epochs_are_those_of_the_bilstm(tmp_path: Path) -> None:
    def change(metrics: dict[str, Any]) -> None:
        metrics["training"] |= {"seconds": 41 * 60, "epochs": 37, "cpu_cores": 3}

    text = squeeze(shown(about_html(changed_model(tmp_path, change))))
    assert squeeze("41 minutes on 3 CPU cores, with 37 epochs of the BiLSTM") in text


def test_texts_hold_no_figures() -> None:
    for key, text in TEXTS.items():
        if not key.startswith(("code_", "license_code", "emotions_note", "scores_note")):
            # Names of measures and of interfaces hold digits; figures stand by themselves.
            assert not re.search(r"(?<![\w-])\d", re.sub(r"{\w+}", "", text["en"])), key


@pytest.mark.parametrize(
    "part", ["main score", "interval", "class", "accuracy", "rows", "confusion"]
)
def test_a_changed_metric_changes_the_page(tmp_path: Path, part: str) -> None:
    before = shown(about_html())
    value = next(
        number / 10_000
        for number in range(4321, 10_000, 111)
        if f"{number / 10_000:.3f}" not in before and f"{number / 10_000:.0%}" not in before
    )

    def change(metrics: dict[str, Any]) -> None:
        entry = metrics["evaluation"]["sets"]["merged/test"]
        scores = entry["systems"][OURS]
        if part == "main score":
            scores["macro_f1"]["value"] = value
        elif part == "interval":
            scores["macro_f1"]["high"] = value
        elif part == "class":
            scores["per_class"]["happy"]["f1"] = value
        elif part == "accuracy":
            scores["accuracy"]["value"] = value
        elif part == "rows":
            metrics["corpus"]["sources"]["journal"]["train"] = 4321
        else:
            scores["confusion"][0][4] = 4321

    html = about_html(changed_model(tmp_path, change))
    journal = METRICS["corpus"]["sources"]["journal"]
    rows = f"{4321 + journal['validation'] + journal['test']:,}"
    own = {"accuracy": f"{value:.0%}", "rows": rows, "confusion": "4321"}
    expected = own.get(part, f"{value:.3f}")
    assert expected not in before
    assert expected in shown(html)
    if part == "main score":
        assert expected.replace(".", ",") in shown(html, "id")


def test_limits_follow_the_figures(tmp_path: Path) -> None:
    def change(metrics: dict[str, Any]) -> None:
        sets = metrics["evaluation"]["sets"]
        sets["merged/test"]["systems"][OURS]["per_class"]["happy"]["f1"] = 0.111
        sets["merged/test"]["systems"][OURS]["confusion"][4][2] = 5000
        sets["prdect/test"]["systems"][OURS]["macro_f1"]["value"] = 0.222

    text = squeeze(shown(about_html(changed_model(tmp_path, change))))
    assert squeeze(plain("limit_class", emotion="happy", score="0.111")) in text
    assert squeeze("Most often mixed up: afraid taken for neutral.") in text
    weakest = plain("limit_source", set=TEXTS["set_prdect/test"]["en"], score="0.222")
    assert squeeze(weakest) in text


def with_margin(margin: float, width: float = 0.01) -> Change:
    """Return a change that puts the model this far over the linear baseline, on every test set."""

    def change(metrics: dict[str, Any]) -> None:
        for entry in metrics["evaluation"]["sets"].values():
            for name, value in ((LINEAR, 0.5), (OURS, 0.5 + margin)):
                entry["systems"][name]["macro_f1"] = {
                    "value": value,
                    "low": value - width,
                    "high": value + width,
                }

    return change


@pytest.mark.parametrize(
    ("margin", "outcome", "clearness"),
    [
        (0.1, "verdict_above", "verdict_clearly_above"),
        (0.005, "verdict_above", "verdict_close"),
        (0.0, "verdict_even", "verdict_close"),
        (-0.005, "verdict_below", "verdict_close"),
        (-0.1, "verdict_below", "verdict_clearly_below"),
    ],
)
def test_verdict_follows_the_figures(
    tmp_path: Path, margin: float, outcome: str, clearness: str
) -> None:
    html = about_html(changed_model(tmp_path, with_margin(margin)))
    total = str(len(METRICS["evaluation"]["sets"]))
    for lang in ("id", "en"):
        text = squeeze(shown(html, lang))
        told = {
            key for key in VERDICTS if squeeze(plain(key, lang, total=total, count=total)) in text
        }
        assert told == {outcome, clearness}


def test_verdict_of_the_bundled_model_counts_its_tests() -> None:
    sets = METRICS["evaluation"]["sets"].values()
    pairs = [
        [entry["systems"][name]["macro_f1"]["value"] for name in (OURS, LINEAR)] for entry in sets
    ]
    below, above = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    one_sided = {(len(pairs), 0): "verdict_below", (0, len(pairs)): "verdict_above"}
    key = one_sided.get((below, above), "verdict_mixed")
    told = plain(key, total=str(len(pairs)), below=str(below), above=str(above))
    assert squeeze(told) in squeeze(shown(about_html()))


def test_keyword_rule_is_named_only_where_it_is_better(tmp_path: Path) -> None:
    def change(metrics: dict[str, Any]) -> None:
        for entry in metrics["evaluation"]["sets"].values():
            entry["systems"][KEYWORDS]["macro_f1"]["value"] = 0.0

    start = squeeze(plain("verdict_keywords", sets=""))[:40]
    assert start in squeeze(shown(about_html()))
    assert start not in squeeze(shown(about_html(changed_model(tmp_path, change))))


@pytest.mark.parametrize("content", [None, "", "{}", '{"evaluation": {}, "corpus": null}'])
def test_without_metrics_there_are_no_figures(tmp_path: Path, content: str | None) -> None:
    shutil.copy(BUNDLED_FOLDER / "config.json", tmp_path)
    if content is not None:
        (tmp_path / "metrics.json").write_text(content, encoding="utf-8")
    html = about_html(tmp_path)
    text = shown(html)
    assert TEXTS["no_figures"]["en"] in text
    assert TEXTS["data_unknown"]["en"] in text
    assert not re.search(r"0\.\d{3}", text)
    assert "mm-about-scores" not in html
    assert TEXTS["privacy"]["en"] in text


def test_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError):
        about_html(tmp_path / "nothing")


def test_licence_of_the_weights_and_its_reason(tmp_path: Path) -> None:
    text = squeeze(shown(about_html()))
    assert squeeze(plain("license_weights", license="CC BY-NC-SA 4.0")) in text
    titles = METRICS["corpus"]["sources"]["emot"]["title"]
    assert squeeze(plain("license_same", titles=titles)) in text
    link = {"https://creativecommons.org/licenses/by-nc-sa/4.0/"}
    assert link <= {str(a["href"]) for a in Page(about_html()).links}

    def free(metrics: dict[str, Any]) -> None:
        sources = metrics["corpus"]["sources"]
        metrics["corpus"]["sources"] = {"journal": sources["journal"]}

    folder = changed_model(tmp_path, free)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["memotions"]["license"] = "CC-BY-4.0"
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    text = squeeze(shown(about_html(folder)))
    assert squeeze(plain("license_weights", license="CC BY 4.0")) in text
    assert squeeze(TEXTS["license_noncommercial"]["en"]) not in text


def test_sources_name_their_rows_and_translation() -> None:
    text = shown(about_html())
    for source in METRICS["corpus"]["sources"].values():
        assert source["title"] in text
        assert source["terms"] in text
        assert source["citation"] in text
    assert text.count(TEXTS["translated"]["en"] + " ") >= 3
    assert TEXTS["emptied"]["en"] in text
    assert TEXTS["only_test"]["en"] in text


def test_metrics_are_shown_as_text_only(tmp_path: Path) -> None:
    def change(metrics: dict[str, Any]) -> None:
        metrics["corpus"]["sources"]["journal"]["title"] = "<script>alert(1)</script>${x}"
        sets = metrics["evaluation"]["sets"]
        sets["<b>new"] = sets["journal/test"]
        sets["<b>new"]["systems"]["<i>other"] = sets["<b>new"]["systems"][LINEAR]

    html = about_html(changed_model(tmp_path, change))
    page = Page(html)
    assert "<script" not in html
    assert "${" not in html
    assert "<script>alert(1)</script>${x}" in page.text
    assert "<b>new" in page.text
    assert "<i>other" in page.text


def test_privacy_says_whether_entries_go_to_google() -> None:
    here, google = (squeeze(plain(f"privacy_{name}")) for name in ("local", "gemini"))
    with_gemini, without = (squeeze(shown(about_html(gemini=gemini))) for gemini in (True, False))
    assert google in with_gemini
    assert here not in with_gemini
    assert here in without
    assert google not in without
    assert "Google" not in without


def test_the_snippet_runs() -> None:
    (snippet,) = (code for code in Page(about_html()).code if "EmotionClassifier" in code)
    lines = snippet.strip().splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(lines[:-1]), names)
    (answer,) = eval(lines[-1], names)
    assert isinstance(names["clf"], EmotionClassifier)
    assert answer["label"] in LABELS


def test_the_data_snippets_are_true(capsys: pytest.CaptureFixture[str]) -> None:
    code = "\n".join(Page(about_html()).code)
    assert 'load_corpus("suggestions", split="train")' in code
    assert len(load_corpus("suggestions", split="train")) > 0
    build = next(line for line in code.splitlines() if line.startswith("memotions corpus build"))
    with pytest.raises(SystemExit):
        main(["corpus", "build", "--help"])
    assert "--exclude SOURCES" in capsys.readouterr().out
    left = set(MERGED_SOURCES) - set(build.split("--exclude ")[1].split(","))
    assert {"journal", "emot", "prdect"} <= left
    assert all(SOURCES[name].bundled or SOURCES[name].files[0].url for name in left)


def test_citation_and_versions_come_from_the_card_and_the_package(tmp_path: Path) -> None:
    entry = next(code for code in Page(about_html()).code if code.startswith("@"))
    assert entry in (BUNDLED_FOLDER / "README.md").read_text("utf-8")
    assert __version__ in shown(about_html())
    folder = changed_model(tmp_path, keep)
    (folder / "README.md").unlink()
    assert not any(code.startswith("@") for code in Page(about_html(folder)).code)
