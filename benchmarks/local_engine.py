"""Measure the embedded engine: how fast it answers, and how well it tells what an entry is about.

    python benchmarks/local_engine.py

Writes to benchmarks/results/local_engine.json: milliseconds of a call over the journal's test
split, with and without the crisis check, of the crisis check alone, and seconds to open the engine;
and for the entries whose topic a reader has named, each ranked against all the others, how many get
a topic and how many of those get the reader's. Prints answers to five everyday entries of each
emotion.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from memotions_hf.corpus.configs import read_suggestions
from memotions_hf.corpus.rows import read_source
from memotions_hf.suggestions.engine import Request
from memotions_hf.suggestions.local import ADVICE_FOLDER, ANY_TOPIC, AdviceLibrary, LocalEngine
from memotions_hf.suggestions.safety import NO_CRISIS, CrisisDetector

RESULT = Path(__file__).parent / "results" / "local_engine.json"
SAMPLES = {
    "sad": (
        "Hari ini aku gagal ujian matematika lagi, padahal sudah belajar seminggu.",
        "Pacarku minta putus lewat chat. Lima tahun selesai dalam tiga kalimat.",
        "Udah setahun nenek nggak ada, tadi aku nemu resep tulisan tangannya.",
        "Temen-temen jalan bareng dan aku tahunya dari story.",
        "Lamaran kerja ditolak lagi. Ini yang kesembilan bulan ini.",
    ),
    "happy": (
        "AKHIRNYA skripsi di-acc dospem!! Tinggal sidang.",
        "Gaji pertama, langsung traktir ibu makan bakso.",
        "Kucingku yang hilang seminggu pulang sendiri tadi pagi.",
        "Hari ini cerah, jalan pagi sendirian, entah kenapa enak banget rasanya.",
        "Aku kepilih jadi ketua OSIS, nggak nyangka.",
    ),
    "neutral": (
        "Rapat mulai pukul sembilan, lalu makan siang di kantin.",
        "Pulang kuliah mampir fotokopi, terus nyuci baju.",
        "Hujan dari siang. Di rumah saja, beresin lemari.",
        "Bangun jam lima, masak nasi, antar adik sekolah.",
        "Tadi servis motor, ganti oli sama kampas rem.",
    ),
    "anger": (
        "Bosku marah-marah di depan semua orang, padahal itu salah dia.",
        "Tetangga karaokean sampai jam dua pagi. Tiap malam begini.",
        "Uang yang dipinjam sepupu nggak balik-balik, malah beli HP baru.",
        "Teman sekelompok nggak kerja apa-apa tapi namanya ikut dikumpul.",
        "Adikku buka-buka HP-ku lagi tanpa izin!",
    ),
    "fear": (
        "Besok sidang skripsi dan aku nggak bisa tidur.",
        "Uang kos bulan ini belum ada, tanggalnya tinggal tiga hari lagi.",
        "Ibu dirawat di rumah sakit, hasil pemeriksaannya baru keluar besok.",
        "Pertama kali merantau, semua terasa asing dan aku takut nggak kuat.",
        "Aku takut ditanya-tanya kapan nikah waktu lebaran nanti.",
    ),
}


def main() -> None:
    started = time.perf_counter()
    engine = LocalEngine()
    opening = time.perf_counter() - started
    entries = [row for row in read_source("journal") if row.split == "test"]
    detector = CrisisDetector.load()

    def suggest(row: Any) -> None:
        engine.suggest(row.text, emotion=row.source_label, session=row.id)

    def answer(row: Any) -> None:
        request = Request(row.text, (row.source_label,), row.id, NO_CRISIS)
        for _ in engine._answer(request):
            pass

    result = {
        "open_seconds": round(opening, 2),
        "call_milliseconds": milliseconds(suggest, entries),
        "call_without_crisis_check_milliseconds": milliseconds(answer, entries),
        "crisis_check_milliseconds": milliseconds(lambda row: detector.check(row.text), entries),
        "entries": len(entries),
        "topics": measure_topics(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    show_samples(engine)


def milliseconds(call: Callable[[Any], object], rows: Iterable[Any]) -> dict[str, float]:
    times = []
    for row in rows:
        started = time.perf_counter()
        call(row)
        times.append(1000 * (time.perf_counter() - started))
    ordered = sorted(times)
    return {
        "median": round(statistics.median(times), 2),
        "p99": round(ordered[round(0.99 * len(ordered)) - 1], 2),
    }


def measure_topics() -> dict[str, float | int]:
    """Rank every entry with a known topic against the others."""
    lines = (ADVICE_FOLDER / "journal_topics.tsv").read_text(encoding="utf-8").splitlines()[1:]
    topics = dict(line.split("\t") for line in lines)
    texts = {row.id: row.text for row in read_source("journal")}
    known = [(pair["entry"], pair["topic"]) for pair in read_suggestions()]
    journal = [(texts[entry_id], topic) for entry_id, topic in topics.items()]
    named = right = 0
    for entry, topic in known + journal:
        about = _Without(entry).read(entry)
        named += about.topic != ANY_TOPIC
        right += about.topic == topic != ANY_TOPIC
    total = len(known) + len(journal)
    return {
        "entries": total,
        "given_a_topic": round(named / total, 3),
        "of_those_the_readers": round(right / named, 3),
    }


class _Without(AdviceLibrary):
    """The library without one entry, so that it cannot find itself."""

    shared: AdviceLibrary | None = None

    def __init__(self, entry: str) -> None:
        if _Without.shared is None:
            _Without.shared = AdviceLibrary()
        self.__dict__.update(_Without.shared.__dict__)

    def _rank(self, text: str) -> Any:
        scores = super()._rank(text)
        examples = scores[: len(self._topic_of)]
        examples[int(np.argmax(examples))] = 0.0
        return scores


def show_samples(engine: LocalEngine) -> None:
    for label, entries in SAMPLES.items():
        for entry in entries:
            answer = engine.suggest(entry, emotion=label, session=f"sample {label}")
            print(f"\n[{label}] {entry}\n({answer.source}) {answer.text}")


if __name__ == "__main__":
    main()
