"""Translators, the cache and whole runs: with the real libraries, through the public functions."""

from __future__ import annotations

import functools
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from email.utils import formatdate
from pathlib import Path

import pytest
from corpus_support import one_line_error
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import translation_server as service
from support.small_marian import LEARNED, make_small_marian
from support.translation_server import Reply, TranslationServer, indonesian

from memotions_hf.corpus.translation import (
    GoogleTranslator,
    MarianTranslator,
    RateLimitedError,
    TranslationCache,
    TranslationError,
    Translator,
    make_translator,
    translate,
    translate_with_ray,
)
from memotions_hf.errors import (
    CorpusError,
    InputError,
    MemotionsError,
    MissingExtraError,
    ModelLoadError,
)

SECRET = "my very private diary line"
TEXTS = [f"i feel that this is line number {number}" for number in range(200)]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[TranslationCache]:
    with TranslationCache(tmp_path / "cache.sqlite") as opened:
        yield opened


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TranslationServer]:
    constants = pytest.importorskip("deep_translator.constants", reason="needs the translate extra")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with TranslationServer() as running:
        monkeypatch.setitem(constants.BASE_URLS, "GOOGLE_TRANSLATE", running.url)
        yield running


class Sleeps:
    """Takes the place of waiting: notes how long, by whom."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.threads: set[int] = set()

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.threads.add(threading.get_ident())


class Scripted:
    """A translator that answers with a function of the text."""

    name = "scripted"

    def __init__(self, answer: Callable[[str], str | None], *, lazy: bool = False) -> None:
        self.answer, self.lazy = answer, lazy
        self.calls: list[tuple[str, ...]] = []

    def translate(self, texts: Sequence[str]) -> Iterable[str | None]:
        self.calls.append(tuple(texts))
        answers = map(self.answer, texts)
        return answers if self.lazy else list(answers)


def failure(translator: Translator, text: str) -> TranslationError:
    """Return the error of a call; its message is one line, and no trace of it shows the text."""
    with pytest.raises(TranslationError) as caught:
        list(translator.translate([text]))
    error = caught.value
    assert len(str(error).splitlines()) == 1
    shown = "".join(traceback.format_exception(error))
    assert text not in shown
    assert text.replace(" ", "+") not in shown
    return error


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"},
    )


# Google ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["i feel fine", '  i don\'t know <b> & "so" ; on?=1#2 ', "ação, 日本 😀", "x" * 4_999],
)
def test_google_translates_what_the_page_shows(server: TranslationServer, text: str) -> None:
    assert list(GoogleTranslator().translate([text])) == [indonesian(text.strip())]
    assert server.asked == [text.strip()]
    assert (server.queries[0]["sl"], server.queries[0]["tl"]) == (["en"], ["id"])


def test_google_says_who_asks_and_keeps_its_connection(server: TranslationServer) -> None:
    list(GoogleTranslator().translate(TEXTS[:20]))
    assert server.connections == 1
    (agent,) = server.agents
    assert agent.startswith("memotions-hf/")


def test_google_is_not_asked_for_5000_characters(server: TranslationServer) -> None:
    answers = list(GoogleTranslator().translate(["y" * 5_000, "short"]))
    assert answers == [None, indonesian("short")]
    assert server.asked == ["short"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), (None, None), ("soon", None), ("", None), ("-3", None), ("\u00b2", None)],
)
def test_google_passes_on_how_long_to_pause(
    server: TranslationServer, status: int, header: str | None, seconds: float | None
) -> None:
    server.otherwise = Reply(status, retry_after=header)
    error = failure(GoogleTranslator(), SECRET)
    assert isinstance(error, RateLimitedError)
    assert str(status) in str(error)
    assert error.retry_after == seconds


@pytest.mark.parametrize(("ahead", "least", "most"), [(3_000, 2_000, 3_000), (-3_000, 0, 0)])
def test_google_passes_on_until_when_to_pause(
    server: TranslationServer, ahead: int, least: float, most: float
) -> None:
    server.otherwise = Reply(429, retry_after=formatdate(time.time() + ahead, usegmt=True))
    pause = failure(GoogleTranslator(), SECRET).retry_after
    assert pause is not None
    assert least <= pause <= most


@pytest.mark.parametrize(
    ("reply", "part"),
    [
        (service.BROKEN, "status 500"),
        (Reply(403), "status 403"),
        (service.CUT, "ConnectionError"),
        (service.NEVER, "ReadTimeout"),
        (service.NO_RESULT, "without a translation"),
        (service.BLOCKED, "error page"),
        (Reply(body="<![foo["), "ParserRejectedMarkup"),
        (Reply(body=""), "without a translation"),
    ],
)
def test_google_fails_without_showing_the_text(
    server: TranslationServer, reply: Reply, part: str
) -> None:
    server.otherwise = reply
    error = failure(GoogleTranslator(timeout=0.2), SECRET)
    assert part in str(error)
    assert not isinstance(error, RateLimitedError)


def test_google_without_a_network(server: TranslationServer, monkeypatch: object) -> None:
    server.__exit__()
    assert "ConnectionError" in str(failure(GoogleTranslator(), SECRET))


def test_google_keeps_the_answers_before_a_failure(server: TranslationServer) -> None:
    server.plans["three"] = [service.BROKEN]
    answers = iter(GoogleTranslator().translate(["one", "two", "three"]))
    assert [next(answers), next(answers)] == [indonesian("one"), indonesian("two")]
    with one_line_error(TranslationError, "500"):
        next(answers)


def test_deep_translator_itself_stays_as_it_is(server: TranslationServer) -> None:
    import deep_translator
    import requests

    list(GoogleTranslator().translate(["one"]))
    assert deep_translator.google.requests is requests
    assert deep_translator.GoogleTranslator("en", "id").translate("two") == indonesian("two")


# Marian ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def small_marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for module in ("torch", "transformers", "sentencepiece"):
        pytest.importorskip(module, reason="needs the transformers extra")
    return make_small_marian(tmp_path_factory.mktemp("marian") / "model")


@pytest.fixture
def marian_copy(small_marian: Path, tmp_path: Path) -> Path:
    """A copy of the model, to be damaged."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in small_marian.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_marian_translates_a_batch_as_it_translates_each_text(small_marian: Path) -> None:
    translator = MarianTranslator(small_marian)
    assert translator.translate(list(LEARNED)) == list(LEARNED.values())
    assert [translator.translate([text]) for text in LEARNED] == [[t] for t in LEARNED.values()]
    assert translator.translate([]) == []


def test_marian_never_cuts_a_text(small_marian: Path) -> None:
    translator = MarianTranslator(small_marian)
    answers = translator.translate(["i feel happy", "i feel sad " * 30, "thank you"])
    assert answers == [LEARNED["i feel happy"], None, LEARNED["thank you"]]
    assert translator.translate(["i feel sad " * 30]) == [None]


def test_marian_refuses_a_translation_without_an_end(marian_copy: Path) -> None:
    import torch
    from transformers import MarianMTModel

    model = MarianMTModel.from_pretrained(marian_copy)
    with torch.no_grad():
        model.final_logits_bias[0, model.config.eos_token_id] = -1e4
    model.save_pretrained(marian_copy)
    assert MarianTranslator(marian_copy).translate(["i feel happy"]) == [None]


def test_marian_in_a_run_of_many_threads(small_marian: Path, cache: TranslationCache) -> None:
    translator = MarianTranslator(small_marian)
    report = translate(LEARNED, translator, cache, batch_size=2, concurrency=4)
    assert report.translated == len(LEARNED)
    assert cache.lookup(translator.name, LEARNED) == list(LEARNED.values())


def test_marian_that_runs_out_of_memory_may_be_asked_again(
    small_marian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import MarianMTModel

    def generate(*_: object, **__: object) -> None:
        raise RuntimeError(f"not enough memory for {SECRET}")

    monkeypatch.setattr(MarianMTModel, "generate", generate)
    with one_line_error(TranslationError, "RuntimeError"):
        MarianTranslator(small_marian).translate(["thank you"])


def drop(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def pickle_the_weights(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()


def forget_a_weight(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop("model.encoder.layers.0.fc1.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    "damage",
    [
        drop("config.json"),
        drop("model.safetensors"),
        drop("source.spm"),
        drop("vocab.json"),
        write("config.json", "{"),
        write("config.json", '{"model_type": "bert"}'),
        write("config.json", '{"model_type": "unheard-of"}'),
        write("model.safetensors", "no tensors"),
        write("source.spm", "no pieces"),
        write("vocab.json", "[]"),
        pickle_the_weights,
        forget_a_weight,
    ],
)
def test_marian_refuses_a_damaged_model(
    marian_copy: Path, damage: Callable[[Path], object]
) -> None:
    damage(marian_copy)
    with one_line_error(ModelLoadError, str(marian_copy)):
        MarianTranslator(marian_copy).translate(["thank you"])


def test_marian_runs_no_code_of_the_model(marian_copy: Path, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    code = f"open({str(proof)!r}, 'w')"
    config = '{"model_type": "mine", "auto_map": {"AutoConfig": "mine.A", "AutoModelForSeq2SeqLM": '
    write("mine.py", code)(marian_copy)
    write("config.json", config + '"mine.B"}}')(marian_copy)
    with one_line_error(ModelLoadError, str(marian_copy)):
        MarianTranslator(marian_copy).translate(["thank you"])
    assert not proof.exists()


def test_marian_offline_names_the_repository(tmp_path: Path) -> None:
    for module in ("torch", "transformers", "sentencepiece"):
        pytest.importorskip(module, reason="needs the transformers extra")
    code = """if True:
        from memotions_hf.corpus.translation import make_translator
        from memotions_hf.errors import ModelLoadError
        try:
            make_translator("marian", revision="v1").translate(["a text"])
        except ModelLoadError as error:
            assert str(error).startswith("Helsinki-NLP/opus-mt-en-id "), error
            assert len(str(error).splitlines()) == 1, error
        else:
            raise AssertionError
        """
    process = run_python(code)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr


# By name -----------------------------------------------------------------------------------------


def test_translators_by_name_and_what_their_answers_depend_on() -> None:
    assert make_translator("google").name == "google"
    assert make_translator("marian").name == "marian:Helsinki-NLP/opus-mt-en-id"
    assert make_translator("marian", "me/mine", "v2").name == "marian:me/mine@v2"
    with one_line_error(InputError, "'bing'", "google, marian"):
        make_translator("bing")
    for parts in ({"model": "me/mine"}, {"revision": "v2"}):
        with one_line_error(InputError, "google", "marian"):
            make_translator("google", **parts)


@pytest.mark.parametrize(
    ("library", "name", "extra"),
    [
        ("requests", "google", "translate"),
        ("deep_translator.google", "google", "translate"),
        ("transformers", "marian", "transformers"),
        ("torch", "marian", "transformers"),
        ("sentencepiece", "marian", "transformers"),
        ("ray.data", "ray", "ray"),
        ("pyarrow", "ray", "ray"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    cache: TranslationCache, monkeypatch: pytest.MonkeyPatch, library: str, name: str, extra: str
) -> None:
    for other in ("requests", "deep_translator", "transformers", "torch", "pyarrow"):
        if other != library.split(".", maxsplit=1)[0]:
            pytest.importorskip(other, reason="needs the other extras")
    monkeypatch.setitem(sys.modules, library, None)
    with one_line_error(MissingExtraError, library.split(".", maxsplit=1)[0], f"[{extra}]"):
        if name == "ray":
            translate_with_ray(TEXTS[:4], Missing, cache)
        else:
            translate(TEXTS[:4], make_translator(name, None), cache)


def test_importing_loads_no_heavy_library() -> None:
    code = """if True:
        import sys
        import memotions_hf.corpus.translation as translation
        translation.make_translator("google"), translation.make_translator("marian")
        heavy = {"torch", "transformers", "ray", "deep_translator", "requests", "pyarrow"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """
    process = run_python(code)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr


# The cache ---------------------------------------------------------------------------------------

ODD_TEXTS = (
    "",
    " ",
    "a",
    "A",
    "a ",
    "a\x00b",
    "a\nb",
    "é",
    "e\u0301",
    "😀",
    "\ud800",
    "'; --",
    "x" * 9_999,
)


def test_the_cache_holds_exactly_these_texts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "what? a #1 %20 cache.sqlite"
    pairs = [(text, f"t{number}\x00\n😀") for number, text in enumerate(ODD_TEXTS)]
    with TranslationCache(path) as cache:
        cache.put("google", pairs)
        cache.put("marian:x", [("a", "lain")])
        cache.put("google", [])
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with TranslationCache(path, read_only=True) as cache:
        assert cache.lookup("google", ODD_TEXTS) == [translation for _, translation in pairs]
        assert cache.lookup("google", iter(["b", "a", "b", "a"])) == [None, "t2\x00\n😀"] * 2
        assert cache.lookup("marian:x", ["a", "A"]) == ["lain", None]
        assert cache.lookup("marian", ["a"]) == [None]
        assert cache.lookup("google", []) == []
        assert cache.engines() == {"google": len(ODD_TEXTS), "marian:x": 1}


def test_many_texts_are_looked_up_in_their_order(cache: TranslationCache) -> None:
    texts = [f"text {number}" for number in range(5_000)]
    cache.put("google", [(text, text.upper()) for text in texts[::2]])
    expected = [text.upper() if number % 2 == 0 else None for number, text in enumerate(texts)]
    assert cache.lookup("google", texts) == expected


def test_the_first_translation_stays(cache: TranslationCache) -> None:
    cache.put("google", [("a", "satu"), ("a", "dua")])
    cache.put("google", [("a", "tiga"), ("b", "empat")])
    assert cache.lookup("google", ["a", "b"]) == ["satu", "empat"]


def test_a_batch_is_kept_whole_or_not_at_all(cache: TranslationCache) -> None:
    with one_line_error(CorpusError, "cache.sqlite"):
        cache.put("google", [("a", "satu"), ("b", None)])  # type: ignore[list-item]
    assert cache.lookup("google", ["a"]) == [None]
    cache.put("google", [("a", "satu")])
    assert cache.lookup("google", ["a"]) == ["satu"]


def test_the_cache_is_read_while_another_one_writes(cache: TranslationCache) -> None:
    with TranslationCache(cache.path, read_only=True) as reader:
        cache.put("google", [("a", "satu")])
        assert reader.lookup("google", ["a"]) == ["satu"]
        with one_line_error(CorpusError, "cache.sqlite", "readonly"):
            reader.put("google", [("b", "dua")])


def test_a_cache_is_read_in_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with TranslationCache(tmp_path / "cache.sqlite") as cache:
        cache.put("google", [("a", "satu")])
    tmp_path.chmod(0o555)
    try:
        with TranslationCache(tmp_path / "cache.sqlite", read_only=True) as cache:
            assert cache.lookup("google", ["a"]) == ["satu"]
    finally:
        tmp_path.chmod(0o755)


def make_other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE translations (engine, key, text)")
    connection.close()


def make_newer_format(path: Path) -> None:
    TranslationCache(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()


def cut_short(path: Path) -> None:
    with TranslationCache(path) as cache:
        cache.put("google", [(f"text {number}", "x" * 500) for number in range(200)])
    os.truncate(path, 5_000)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda path: path.write_text("label,text\n" * 1_000), "not a database"),
        (make_other_database, "no translation cache"),
        (make_newer_format, "format 2"),
        (lambda path: path.mkdir(), ""),
        (lambda path: path.symlink_to(path.parent / "nowhere" / "else"), ""),
        (cut_short, "malformed"),
    ],
)
def test_a_file_that_is_no_cache_is_named_on_one_line(
    tmp_path: Path, make: Callable[[Path], object], part: str, read_only: bool
) -> None:
    path = tmp_path / "corpus.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with one_line_error(CorpusError, str(path), part):
        TranslationCache(path, read_only=read_only).lookup("google", ["text 7"])
    assert before == (path.read_bytes() if path.is_file() else None)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "cache.sqlite", tmp_path / "file" / "more" / "cache.sqlite"):
        with one_line_error(CorpusError, str(path)):
            TranslationCache(path)


def test_an_empty_file_becomes_a_cache_but_is_none_to_read(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with one_line_error(CorpusError, str(path)):
        TranslationCache(path, read_only=True)
    path.touch()
    with one_line_error(CorpusError, str(path)):
        TranslationCache(path, read_only=True)
    TranslationCache(path).close()
    with TranslationCache(path, read_only=True) as cache:
        assert cache.engines() == {}


def test_a_cache_in_use_is_named(cache: TranslationCache) -> None:
    other = sqlite3.connect(cache.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with TranslationCache(cache.path, timeout=0.01) as second:
        with one_line_error(CorpusError, "cache.sqlite", "another run"):
            second.put("google", [("a", "satu")])
        assert second.lookup("google", ["a"]) == [None]
        other.execute("ROLLBACK")
        second.put("google", [("a", "satu")])
        assert second.lookup("google", ["a"]) == ["satu"]
    other.close()


def test_no_room_on_the_disk_costs_the_last_batch_only(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits need a POSIX system")
    del resource
    code = """if True:
        import resource, sys
        from memotions_hf.corpus.translation import TranslationCache
        from memotions_hf.errors import CorpusError
        with TranslationCache(sys.argv[1]) as cache:
            cache.put("google", [("first", "pertama")])
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
            try:
                cache.put("google", [(str(number), "x" * 999) for number in range(1_000)])
            except CorpusError as error:
                assert sys.argv[1] in str(error) and len(str(error).splitlines()) == 1, error
                raise SystemExit(7)
        """
    process = run_python(code, tmp_path / "cache.sqlite")
    _, stderr = process.communicate()
    assert process.returncode == 7, stderr
    with TranslationCache(tmp_path / "cache.sqlite") as cache:
        assert cache.engines() == {"google": 1}
        assert cache.lookup("google", ["first"]) == ["pertama"]


# Runs --------------------------------------------------------------------------------------------


def test_a_run_sends_each_distinct_text_once(cache: TranslationCache) -> None:
    cache.put("scripted", [("old text", "teks lama")])
    translator = Scripted(lambda text: f"id {text}")
    done: list[int] = []
    texts = ["a", "old text", "b", "a", "c", "old text", "b"]
    report = translate(iter(texts), translator, cache, batch_size=2, progress=done.append)
    assert Counter(itertools.chain(*translator.calls)) == {"a": 1, "b": 1, "c": 1}
    assert report.as_dict() == {
        "engine": "scripted",
        "requested": 7,
        "distinct": 4,
        "cached": 1,
        "translated": 3,
        "failed": {},
    }
    assert sum(done) == 7
    expected = ["id a", "teks lama", "id b", "id a", "id c", "teks lama", "id b"]
    assert cache.lookup("scripted", texts) == expected

    translator.calls.clear()
    again = translate(texts, translator, cache)
    assert (again.cached, again.translated, again.failed, translator.calls) == (4, 0, [], [])


@pytest.mark.parametrize(
    ("text", "answer", "reason"),
    [
        ("a text", None, "no translation"),
        ("a text", "", "empty"),
        ("a text", " \n\u00a0", "empty"),
        ("a text", "Error 500 (Server Error)!!1500.That’s an error.There was an error.", "page"),
        ("a text", "<!DOCTYPE HTML><HTML lang=en>", "page"),
        ("a text", "half a \udc00 pair", "Unicode"),
        ("i feel like this", " I feel  like this", "itself"),
        ("New York Times", "New York Times", None),
        ("ok", "ok", None),
        ("😀 !!", "😀 !!", None),
        ("i feel like this", "aku merasa begini", None),
        ("", "apa?", "nothing"),
        (" \n", "apa?", "nothing"),
        ("half a \ud800 pair", "setengah", "Unicode"),
    ],
)
def test_what_is_no_translation_is_reported_and_never_kept(
    cache: TranslationCache, text: str, answer: str | None, reason: str | None
) -> None:
    report = translate([text, "other"], Scripted(lambda t: answer if t == text else "lain"), cache)
    if reason is None:
        assert (report.translated, report.failed) == (2, [])
        assert cache.lookup("scripted", [text]) == [answer]
    else:
        ((index, why),) = report.failed
        assert index == 0
        assert reason in why
        assert cache.lookup("scripted", [text, "other"]) == [None, "lain"]


def test_what_failed_is_sent_again_by_the_next_run(cache: TranslationCache) -> None:
    assert translate(["a", "b"], Scripted({"a": "satu"}.get), cache).failed == [
        (1, "no translation")
    ]
    translator = Scripted({"b": "dua"}.get)
    assert translate(["a", "b"], translator, cache).failed == []
    assert translator.calls == [("b",)]


def test_one_text_does_not_spoil_its_batch(cache: TranslationCache) -> None:
    def answer(text: str) -> str:
        if text == TEXTS[5]:
            raise TranslationError("cannot")
        return f"id {text}"

    translator = Scripted(answer)
    report = translate(TEXTS[:12], translator, cache, batch_size=12, retries=2, sleep=Sleeps())
    assert report.failed == [(5, "cannot")]
    assert report.translated == 11
    assert translator.calls[:3] == [tuple(TEXTS[:12])] * 3
    assert translator.calls[3:] == [(text,) for text in TEXTS[:5] + [TEXTS[5]] * 3 + TEXTS[6:12]]


def test_answers_before_a_failure_are_not_asked_for_again(cache: TranslationCache) -> None:
    failures = iter(range(3))

    def answer(text: str) -> str:
        if text == TEXTS[5] and next(failures, None) is not None:
            raise TranslationError("not now")
        return f"id {text}"

    translator = Scripted(answer, lazy=True)
    report = translate(TEXTS[:12], translator, cache, batch_size=12, retries=3, sleep=Sleeps())
    assert (report.translated, report.failed) == (12, [])
    assert translator.calls == [tuple(TEXTS[:12])] + [tuple(TEXTS[5:12])] * 3


@pytest.mark.parametrize("change", [lambda given: given[:-1], lambda given: [*given, "lagi"]])
def test_answers_that_cannot_be_told_apart_are_not_kept(
    cache: TranslationCache, change: Callable[[list[str]], list[str]]
) -> None:
    class Miscounting:
        name = "miscounting"

        def translate(self, texts: Sequence[str]) -> list[str]:
            answers = [f"id {text}" for text in texts]
            return answers if len(texts) == 1 else change(answers)

    report = translate(TEXTS[:6], Miscounting(), cache, batch_size=3, retries=0, sleep=Sleeps())
    assert (report.translated, report.failed) == (6, [])
    assert cache.lookup("miscounting", TEXTS[:6]) == [f"id {text}" for text in TEXTS[:6]]


def test_pauses_grow_with_every_failure(cache: TranslationCache) -> None:
    def fail(_: str) -> str:
        raise TranslationError("down")

    longest = [0.0] * 9
    for _ in range(40):
        sleeps = Sleeps()
        translate(["a"], Scripted(fail), cache, retries=9, sleep=sleeps)
        longest = list(map(max, longest, sleeps.taken[:9]))
        assert all(0 <= seconds <= 60 for seconds in sleeps.taken)
        for number, seconds in enumerate(sleeps.taken[:9]):
            assert seconds <= 2**number
    assert longest[8] > longest[4] > longest[0]


def test_a_service_that_wants_a_pause_gets_it_from_all_workers(cache: TranslationCache) -> None:
    both, paused = threading.Barrier(2, timeout=60), threading.Event()
    sleeps = Sleeps()

    def sleep(seconds: float) -> None:
        sleeps(seconds)
        paused.set()

    def answer(text: str) -> str:
        if text in ("limited", "first") and not paused.is_set():
            both.wait()
        if text == "limited" and not paused.is_set():
            raise RateLimitedError("too many", retry_after=50)
        paused.wait()  # the other worker answers only after the first one was told
        return f"id {text}"

    translator = Scripted(answer, lazy=True)
    texts = ["limited", "also limited", "first", "second"]
    report = translate(texts, translator, cache, batch_size=2, concurrency=2, sleep=sleep)
    assert report.translated == 4
    assert len(sleeps.threads) == 2
    assert all(49 < seconds <= 50 for seconds in sleeps.taken)


def test_a_service_that_is_down_is_left_alone_after_a_while(
    cache: TranslationCache, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(text: str) -> str:
        if int(text.rsplit(maxsplit=1)[-1]) >= 50:
            raise TranslationError("down")
        return f"id {text}"

    translator = Scripted(answer)
    report = translate(
        TEXTS, translator, cache, batch_size=10, concurrency=2, retries=1, sleep=Sleeps()
    )
    assert report.translated == 50
    assert [index for index, _ in report.failed] == list(range(50, 200))
    assert len(translator.calls) < 60
    assert "down, 20 times in a row" in report.failed[-1][1]
    assert "no more texts are sent" in caplog.text
    assert sum(report.as_dict()["failed"].values()) == 150


def test_a_service_that_wants_hours_is_left_alone_at_once(cache: TranslationCache) -> None:
    def answer(_: str) -> str:
        raise RateLimitedError("full for today", retry_after=80_000)

    sleeps = Sleeps()
    translator = Scripted(answer)
    report = translate(TEXTS, translator, cache, batch_size=10, concurrency=1, sleep=sleeps)
    assert len(report.failed) == 200
    assert {reason for _, reason in report.failed} == {
        "not asked for: full for today, and asks for a pause of 80,000 s"
    }
    assert (len(translator.calls), sleeps.taken) == (1, [])


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_batches_are_under_way_than_allowed(cache: TranslationCache, limit: int) -> None:
    class Counting:
        name = "counting"
        together = threading.Barrier(limit, timeout=60)
        lock = threading.Lock()
        active = most = 0

        def translate(self, texts: Sequence[str]) -> list[str | None]:
            with self.lock:
                self.active += 1
                self.most = max(self.most, self.active)
            self.together.wait()  # as many as are allowed have to be here at once
            with self.lock:
                self.active -= 1
            return [f"id {text}" for text in texts]

    translator = Counting()
    report = translate(TEXTS[: 12 * limit], translator, cache, batch_size=2, concurrency=limit)
    assert report.translated == 12 * limit
    assert translator.most == limit


def test_texts_are_read_as_they_are_needed(cache: TranslationCache) -> None:
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        for read in range(1, 6_001):
            yield f"text number {read}"

    class Watching(Scripted):
        answered = 0
        ahead: list[int]

    translator = Watching(lambda text: f"id {text}")
    translator.ahead = []

    def note(count: int) -> None:
        translator.answered += count
        translator.ahead.append(read - translator.answered)

    translate(texts(), translator, cache, batch_size=10, concurrency=2, progress=note)
    assert translator.answered == 6_000
    assert max(translator.ahead) <= 1_024 + 5 * 10


@pytest.mark.parametrize("error", [ModelLoadError("no such model"), ZeroDivisionError("a bug")])
def test_an_error_that_no_repetition_mends_ends_the_run(
    cache: TranslationCache, error: Exception
) -> None:
    def answer(text: str) -> str:
        if text == TEXTS[100]:
            raise error
        return f"id {text}"

    with pytest.raises(type(error), match=str(error)):
        translate(TEXTS, Scripted(answer), cache, batch_size=5, concurrency=2)
    kept = [text for text in cache.lookup("scripted", TEXTS) if text]
    assert 80 <= len(kept) < 200


def test_a_cache_that_cannot_be_written_ends_the_run(cache: TranslationCache) -> None:
    with (
        TranslationCache(cache.path, read_only=True) as reader,
        one_line_error(CorpusError, "cache.sqlite", "readonly"),
    ):
        translate(TEXTS, Scripted(lambda text: f"id {text}"), reader)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"concurrency": 0}, {"retries": -1}])
def test_numbers_that_make_no_sense_are_refused(
    cache: TranslationCache, options: dict[str, int]
) -> None:
    (name,) = options
    with one_line_error(InputError, name, str(options[name])):
        translate(TEXTS, Scripted(str), cache, **options)  # type: ignore[arg-type]


def test_no_text_appears_in_a_log(
    cache: TranslationCache, server: TranslationServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "memotions_hf")
    replies = (service.LIMITED, service.BROKEN, service.CUT, service.BLOCKED, service.NO_RESULT)
    server.otherwise = service.BROKEN
    texts = [f"{SECRET} {number}" for number in range(30)]
    server.plans.update({text: list(replies) for text in texts})
    report = translate(texts, GoogleTranslator(), cache, retries=0, sleep=Sleeps())
    assert report.failed
    assert caplog.records
    assert "diary" not in caplog.text + str(report)


BEHAVIOURS = ("fine", "none", "empty", "page", "echo", "fails once", "limited once", "fails")


def expected_answer(text: str, behaviour: str) -> str | None:
    """What the run has to keep of a text."""
    if not text.strip() or behaviour in ("none", "empty", "page", "fails"):
        return None
    if behaviour == "echo":
        return text if len(text.split()) <= 3 else None
    return f"terjemahan {text}"


class Unreliable:
    """Treats every text as its behaviour says."""

    name = "unreliable"

    def __init__(self, behaviours: dict[str, str], lazy: bool) -> None:
        self.behaviours, self.lazy = behaviours, lazy
        self.failed: set[str] = set()
        self.active = self.most = 0
        self.lock = threading.Lock()

    def answer(self, text: str) -> str | None:
        behaviour = self.behaviours[text]
        fails = behaviour == "fails" or (behaviour.endswith("once") and text not in self.failed)
        if fails:
            self.failed.add(text)
            limited = behaviour == "limited once"
            raise RateLimitedError("limit") if limited else TranslationError("failure")
        fixed = {"none": None, "empty": "", "page": "<html><body>", "echo": text}
        return fixed.get(behaviour, f"terjemahan {text}")

    def translate(self, texts: Sequence[str]) -> Iterable[str | None]:
        if self.lazy:
            return map(self.answer, texts)
        with self.lock:
            self.active += 1
            self.most = max(self.most, self.active)
        try:
            return [self.answer(text) for text in texts]
        finally:
            with self.lock:
                self.active -= 1


SOME_TEXT = st.one_of(
    st.text(max_size=8),
    st.lists(st.sampled_from(["i", "feel", "so", "tired"]), max_size=6).map(" ".join),
)


@settings(max_examples=40)
@given(
    behaviours=st.dictionaries(SOME_TEXT, st.sampled_from(BEHAVIOURS), max_size=15),
    repeated=st.lists(st.integers(0, 99), max_size=10),
    before=st.sets(st.integers(0, 14)),
    lazy=st.booleans(),
    batch_size=st.integers(1, 6),
    concurrency=st.integers(1, 4),
    retries=st.integers(1, 2),
)
@example({"\ud800": "fine"}, [], set(), False, 1, 1, 1)
def test_every_text_is_translated_or_reported(
    behaviours: dict[str, str],
    repeated: list[int],
    before: set[int],
    lazy: bool,
    batch_size: int,
    concurrency: int,
    retries: int,
) -> None:
    texts = list(behaviours)
    texts += [texts[number % len(texts)] for number in repeated if texts]
    expected = {text: expected_answer(text, how) for text, how in behaviours.items()}
    expected |= {"\ud800": None} if "\ud800" in expected else {}
    cached = [(text, f"old {n}") for n, text in enumerate(behaviours) if n in before]
    expected |= dict(cached)
    translator = Unreliable(behaviours, lazy)
    done: list[int] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        TranslationCache(Path(folder) / "cache.sqlite") as cache,
    ):
        cache.put(translator.name, cached)
        report = translate(
            texts, translator, cache, batch_size=batch_size, concurrency=concurrency,
            retries=retries, progress=done.append, sleep=Sleeps(),
        )  # fmt: skip
        kept = cache.lookup(translator.name, texts)
    assert kept == [expected[text] for text in texts]
    failed = [index for index, _ in report.failed]
    assert failed == [n for n, text in enumerate(behaviours) if expected[text] is None]
    assert all(reason for _, reason in report.failed)
    assert (report.requested, report.distinct) == (len(texts), len(behaviours))
    assert report.cached == len(cached)
    assert report.cached + report.translated + len(failed) == len(behaviours)
    assert sum(done) == len(texts)
    assert translator.most <= concurrency


# Runs against the service ------------------------------------------------------------------------


def test_workers_never_mix_their_texts(cache: TranslationCache, server: TranslationServer) -> None:
    report = translate(TEXTS, GoogleTranslator(), cache, batch_size=3, concurrency=8)
    assert (report.translated, report.failed) == (200, [])
    assert cache.lookup("google", TEXTS) == [indonesian(text) for text in TEXTS]
    assert Counter(server.asked) == Counter(TEXTS)


def test_a_run_outlasts_all_that_a_service_does(
    cache: TranslationCache, server: TranslationServer
) -> None:
    troubles = (service.LIMITED, service.BROKEN, service.CUT, service.BLOCKED, service.NO_RESULT)
    for number, text in enumerate(TEXTS[:40]):
        server.plans[text] = [troubles[number % 5], troubles[number % 3]]
    server.plans[TEXTS[50]] = [service.NEVER]
    for text in TEXTS[60:63]:
        server.plans[text] = [service.EMPTY] * 9
    server.plans[TEXTS[70]] = [service.BROKEN] * 99
    sleeps = Sleeps()
    report = translate(TEXTS, GoogleTranslator(timeout=1.0), cache, sleep=sleeps)
    assert [index for index, _ in report.failed] == [60, 61, 62, 70]
    assert report.as_dict()["failed"] == {
        "an empty answer": 3, "google answers with status 500": 1,
    }  # fmt: skip
    assert cache.lookup("google", TEXTS) == [
        None if number in (60, 61, 62, 70) else indonesian(text)
        for number, text in enumerate(TEXTS)
    ]
    assert max(sleeps.taken) > 6  # the pause that the service asked for


RUN = """if True:
    import signal, sys
    # A shell starts what runs in the background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from deep_translator.constants import BASE_URLS
    from memotions_hf.corpus.translation import GoogleTranslator, TranslationCache, translate
    BASE_URLS["GOOGLE_TRANSLATE"] = sys.argv[1]
    texts = [f"i feel that this is line number {number}" for number in range(200)]
    with TranslationCache(sys.argv[2]) as cache:
        translate(texts, GoogleTranslator(timeout=1.0), cache, batch_size=5, concurrency=2)
    """
IN_FLIGHT = 2 * 2 * 5  # what two workers have under way, and what waits for them


@pytest.fixture
def stuck(server: TranslationServer) -> tuple[str, str]:
    """Two texts that the service never answers; two workers hang on them for good."""
    for text in (TEXTS[100], TEXTS[105]):
        server.plans[text] = [service.NEVER] * 99
    return TEXTS[100], TEXTS[105]


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_killed_run_goes_on_where_it_stopped(
    server: TranslationServer, stuck: tuple[str, str], tmp_path: Path
) -> None:
    process = run_python(RUN, server.url, tmp_path / "cache.sqlite")
    server.wait_for(*stuck)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    server.plans.clear()
    before = Counter(server.asked)

    with (
        TranslationCache(tmp_path / "cache.sqlite") as cache,
        TranslationCache(tmp_path / "undisturbed.sqlite") as undisturbed,
    ):
        kept = [text for text in cache.lookup("google", TEXTS) if text]
        assert 100 - IN_FLIGHT <= len(kept) <= 100
        server.asked.clear()
        report = translate(TEXTS, GoogleTranslator(), cache, batch_size=5)
        assert (report.cached, report.translated) == (len(kept), 200 - len(kept))
        assert len(server.asked) == len(set(server.asked)) == 200 - len(kept)
        assert (before & Counter(server.asked)).total() <= IN_FLIGHT
        translate(TEXTS, GoogleTranslator(), undisturbed)
        assert cache.lookup("google", TEXTS) == undisturbed.lookup("google", TEXTS)
        assert cache.engines() == undisturbed.engines() == {"google": 200}


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_keeps_what_is_done_and_says_how_much(
    server: TranslationServer, stuck: tuple[str, str], tmp_path: Path
) -> None:
    process = run_python(RUN, server.url, tmp_path / "cache.sqlite")
    server.wait_for(*stuck)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    with TranslationCache(tmp_path / "cache.sqlite") as cache:
        kept = cache.engines()["google"]
    assert kept == 100
    assert "stopped: 100 texts are translated and kept" in stderr
    assert "line number 1" not in stderr


# Ray ---------------------------------------------------------------------------------------------


class Slow:
    """Answers as the service does; in the file that it is told of, it counts its calls."""

    name = "slow"

    def __init__(self, calls: str | None = None) -> None:
        self.calls = calls

    def translate(self, texts: Sequence[str]) -> Iterator[str | None]:
        for text in texts:
            number = int(text.split()[-1])
            if self.calls:
                with Path(self.calls).open("a") as stream:
                    stream.write(f"{number}\n")
            if number == 7:
                raise TranslationError("cannot")
            yield None if number == 8 else indonesian(text)


class Missing:
    name = "missing"

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        raise ModelLoadError("no such model")


RAY_RUN = """if True:
    import functools, sys, time
    from memotions_hf.corpus.translation import TranslationCache, translate_with_ray
    texts = [f"i feel that this is line number {number}" for number in range(200)]

    class Stuck:
        name = "slow"

        def translate(self, texts):
            for text in texts:
                if int(text.split()[-1]) >= int(sys.argv[2]):
                    time.sleep(600)
                yield f"id {text}"

    def note(count):
        print(count, file=sys.stderr, flush=True)

    with TranslationCache(sys.argv[1]) as cache:
        translate_with_ray(texts, Stuck, cache, batch_size=10, concurrency=1, progress=note)
    """


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """A Ray on this machine, for all tests that need one; this process uses it too."""
    ray = pytest.importorskip("ray", reason="needs the ray extra")
    pytest.importorskip("ray.data", reason="needs the ray extra")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the workers import this module
        started = ray.init(
            num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
    yield started.address_info["address"]
    ray.shutdown()


def test_ray_goes_on_after_a_kill_and_does_what_a_local_run_does(
    ray_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", ray_address)
    process = run_python(RAY_RUN.replace("int(sys.argv[2])", "100"), tmp_path / "ray.sqlite")
    assert process.stderr is not None
    rows = 0
    for line in process.stderr:
        rows += int(line) if line.strip().isdecimal() else 0
        if rows >= 40:
            break
    process.kill()
    process.communicate()

    make = functools.partial(Slow, str(tmp_path / "calls"))
    with (
        TranslationCache(tmp_path / "ray.sqlite") as cache,
        TranslationCache(tmp_path / "local.sqlite") as local,
    ):
        kept = {n for n, text in enumerate(cache.lookup("slow", TEXTS)) if text}
        assert 40 <= len(kept) <= 100
        done: list[int] = []
        report = translate_with_ray(
            TEXTS, make, cache, batch_size=10, retries=0, progress=done.append
        )
        expected = translate(TEXTS, Slow(), local, batch_size=10, retries=0, sleep=Sleeps())
        calls = {int(line) for line in (tmp_path / "calls").read_text().split()}
        assert calls == set(range(200)) - kept
        assert (report.cached, report.requested) == (len(kept), 200)
        assert report.cached + report.translated + len(report.failed) == 200
        assert sum(done) == 200
        assert report.failed == [failure for failure in expected.failed if failure[0] not in kept]
        for number, (answer, other) in enumerate(
            zip(cache.lookup("slow", TEXTS), local.lookup("slow", TEXTS), strict=True)
        ):
            assert answer == (f"id {TEXTS[number]}" if number in kept else other)


def test_ray_reports_what_a_worker_cannot_mend(ray_address: str, cache: TranslationCache) -> None:
    with one_line_error(MemotionsError, "no such model"):
        translate_with_ray(TEXTS[:4], Missing, cache)
    with one_line_error(InputError, "batch_size"):
        translate_with_ray(TEXTS[:4], Missing, cache, batch_size=0)


def test_ray_is_started_and_stopped_where_none_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray.data", reason="needs the ray extra")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    check = "    import ray; assert not ray.is_initialized()"
    process = run_python(RAY_RUN.replace("int(sys.argv[2])", "200") + check, tmp_path / "a.sqlite")
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert "number 1" not in stderr
    assert sum(int(line) for line in stderr.splitlines() if line.isdecimal()) == 200
    with TranslationCache(tmp_path / "a.sqlite", read_only=True) as cache:
        assert cache.lookup("slow", TEXTS) == [f"id {text}" for text in TEXTS]


def test_ray_is_not_started_for_nothing(cache: TranslationCache) -> None:
    pytest.importorskip("pyarrow", reason="needs the ray extra")
    cache.put("slow", [(text, "lama") for text in TEXTS])
    assert translate_with_ray(TEXTS, Slow, cache).cached == 200
