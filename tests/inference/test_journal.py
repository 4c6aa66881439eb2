"""analyze_journal(): sentences and the whole entry."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memotions_hf import LABELS, EmotionClassifier
from memotions_hf.inference.journal import split_sentences, split_thoughts

# Each bar is where a sentence ends.
CASES = (
    "",
    " \n \t ",
    # plain
    "Aku sedih. |Besok ujian! |Bisa nggak ya?",
    "hari ini capek. |besok libur",
    "tanpa tanda baca sama sekali",
    "Serius?! |Masa sih",
    "LAH?? |BEASISWA GUE TEMBUS??? |gila",
    "capek ! |besok libur",
    "Lulus!!!!! |Alhamdulillah",
    # no space after the mark
    "Capek banget.|Besok libur.|Asyik",
    "Serius?|Masa sih!|Bohong",
    # abbreviations
    "Aku ke dr. Rina di Jl. Melati No. 5 tadi.",
    "Drs. H. Amin dan Dra. Hj. Siti datang. |Ramai.",
    "Bpk. Joko dan Sdr. Budi, Yth. Ibu Ketua.",
    "Dr.Rina, Jl.Melati No.5, PT.Maju. |Sudah.",
    "Kerja di PT. Maju Jaya Tbk. sejak 2019. |Betah.",
    "Transfer a.n. Budi Santoso ke BCA. |Beres.",
    "Surat d/a. Kantor Pos, u.p. Bagian Umum. |Terkirim.",
    "Beli sayur, tahu, dsb. untuk besok.",
    "Beli sayur, tahu, dsb. |Lalu pulang.",
    "Ada Rani, Tio, dkk. di sana. |Rame (kopi, teh, dll.) dan murah.",
    "Baca hlm. 12 lalu tidur.",
    "Rapat tgl. 5 Des. 2025 pkl. 06.30 di lt. 3. |Ngantuk.",
    "Alamatnya RT. 05 RW. 02 Kec. Coblong. |Jauh.",
    "Kubilang no. |Dia diam.",
    "No. HP-ku ganti, no. absen 12 tetap.",
    "hal. |Itu saja halnya.",
    "Kata Ust. Hanan dan Pdt. Yosua sama. |Adem.",
    "temen2 yg. kemarin dgn. aku pulang. |seneng",
    # names and degrees
    "Jalan A. Yani macet.",
    "Karya W.R. Supratman dan B.J. Habibie. |Bangga.",
    "Dosen baru, Rina Wati, S.Pd., M.Si. mengajar kami. |Galak.",
    "Pembimbingku Budi, S.Kom. |Beliau baik.",
    "Namanya Budi, S.H. |Beliau pengacara.",
    "Ir. Sari, S.T. M.T. datang. |Telat.",
    "Nilaiku A. |Senang!",
    "Darahku golongan B. |Ibu juga.",
    # numbers, times, money
    "Harganya 10.000 rupiah. |Mahal.",
    "Bayar Rp. 5.000 atau Rp1.000.000, sisa 3.5 juta. |Bokek.",
    "Bangun jam 06.30. |Telat lagi.",
    "Nilai mtk 78. |seneng banget",
    "IPK 3.75! |Naik 0.2.",
    "Umurku 17. |Ibu 40.",
    # lists and line breaks
    "baris satu\n|baris dua\r\n\r\n|baris tiga",
    "1. Bangun pagi\n|2. Mandi\n|10. Tidur",
    "a. beli susu\n|b. masak",
    "1.1. Latar belakang\n|- capek\n|• senang. |Sekali.\n|* libur",
    "satu\u2028|dua\x85|tiga",
    # ellipses
    "Aku... capek banget… sungguh",
    "Aku capek... |Besok saja.",
    "Aku capek… |Besok saja.",
    "nama depannya Sa... nama gue Salsa.",
    'Di layar muncul "mengetik..." dari bos, hilang lagi.',
    'Dia diam... |"Kenapa?" tanyaku.',
    "... lalu aku pergi.",
    "gimana ya...? |bingung",
    "capek.. besok.. ujian.",
    # quotations
    'Dia bilang "pergi!" |Aku diam.',
    '"Kok nggak kerasa, Sus?" dan minta disuntik lagi.',
    "“Maaf ya, Pak.” |Aku malu.",
    '"Pergi!", katanya. |Aku pergi.',
    'Katanya "sabar aja". |ga.',
    "(Capek sekali.) |Besok lagi.",
    "*Capek sekali.* |Besok lagi.",
    "dia (!) datang juga",
    # emoji and emoticons
    "Gagal lagi. 😭😭 |Ya sudah.",
    "Gagal lagi.😭😭 |Ya sudah.",
    "buktinya gue kumpulin 😤 |bude nyaranin sabar",
    "Pecah telor juga 🥹 |Customer pertama datang",
    "gue ngetik di truk 👩🏽\u200d💻 👍🏽 |besok lagi deh",
    "gagal lagi hari ini :( |besok nyoba lagi",
    "gue nangis di kamar T_T |besok gimana ya",
    "aku ❤️ kamu",
    "😭 aku gagal lagi",
    "suka banget sama 😍 parah",
    "tunggu 1️⃣ jam saja",
    "Capek... 😭 |Besok lagi.",
    # addresses
    "Cek https://contoh.id/a.b?c=D&e=f! |Bagus.",
    "Tulis ke budi.s@contoh.co.id. |Nanti dibalas.",
    "Beli di Tokopedia.com atau www.Contoh.id saja.",
    "Lihat contoh.id. |Murah.",
)


@pytest.mark.parametrize("case", CASES)
def test_sentences(case: str) -> None:
    text = case.replace("|", "")
    sentences = [part.strip() for part in case.split("|") if part.strip()]
    assert [text[start:end] for start, end in split_sentences(text)] == sentences


@pytest.mark.parametrize(
    "case",
    [
        # What a short sentence tells is one thought.
        "capek tapi seneng",
        "tadi pagi seneng banget dapet kabar lolos magang di kantor impian |tapi sorenya bapak "
        "telepon katanya nenek masuk rumah sakit |abis itu gue nangis di kamar",
        "udah capek banget sama kerjaan yg nggak ada habisnya... |pengen pulang aja ketemu ibu "
        "di rumah... |semoga bulan depan bisa cuti",
        # Writers put no mark before half of their "terus" and "lalu".
        "gue bangun jam lima terus mandi terus sarapan lalu jalan kaki ke stasiun lalu naik "
        "kereta yang penuh terus sampai kantor jam delapan",
        # Who uses marks is not second-guessed.
        "Tadi pagi senang sekali, dapat kabar lolos magang di kantor impian tapi sorenya bapak "
        "telepon katanya nenek masuk rumah sakit dan aku menangis",
        # No piece is short.
        "gue udah nyoba ngomong baik baik sama dia dari kemarin sampai tadi pagi di depan kelas "
        "tapi nihil",
    ],
)
def test_long_stretches_without_a_mark_are_cut_where_a_thought_turns(case: str) -> None:
    text = case.replace("|", "")
    parts = [part.strip() for part in case.split("|")]
    assert [text[start:end] for start, end in split_thoughts(text)] == parts
    assert len(split_sentences(text)) == 1


PIECES = [
    "aku", "Dia", "sedih", "dr.", "No.", "A.", "S.Pd", "dll.", "5", "1.000", ".", "...", "…", "!",
    "?!", '"', "”", ")", "😭", "❤️", "👩🏽\u200d💻", ":(", "\n", "\r\n", "\u2028", " ", "  ", "\t",
    ",", "tapi", "abis itu", "https://a.id/B?c=D", "a.n.", "\ud83d", "\x00", "\u200b",
    "e\u0301", "한",
]  # fmt: skip
mixed = st.lists(st.sampled_from([*PIECES, " aku", " tapi ", " "]), max_size=80).map("".join)
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)


@given(text=st.one_of(mixed, anything, st.text("aA1 .!?…\n\u2028😭\"')dr", max_size=60)))
def test_spans_cover_everything_but_white_space(text: str) -> None:
    for split in (split_sentences, split_thoughts):
        end = 0
        for start, stop in split(text):
            assert end <= start < stop <= len(text)
            assert not text[end:start].strip()
            assert text[start:stop] == text[start:stop].strip()
            end = stop
        assert not text[end:].strip()


@given(text=mixed)
def test_thoughts_are_sentences_or_parts_of_one(text: str) -> None:
    starts = {start for start, _ in split_thoughts(text)}
    assert starts >= {start for start, _ in split_sentences(text)}


@given(text=mixed)
def test_a_sentence_holds_no_line_break(text: str) -> None:
    for start, end in split_sentences(text):
        assert len(text[start:end].splitlines()) == 1


HOSTILE = [
    ".", ". ", "...a", '."', "! ", "?a", "😭", "😭 ", "😭.", " ", "\n", "a", "a ", "A.", "aku. Dia",
    "1. ", ":( ", " :(", ":(", "<3 ", "T_T ", "^_^", "dr. ", "a.b.", "tapi ", "tapi... ", '"', ").",
    "\u200d",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece)) + "a"
    started = time.process_time()
    split_thoughts(text)
    split_thoughts("." + text)
    # About a second on a busy machine; the square of the length would be minutes.
    assert time.process_time() - started < 30


def test_an_entry_is_answered_whole_and_by_sentence(toy_classifier: EmotionClassifier) -> None:
    entry = "Hari ini aku gagal lagi. ...\nTapi ibu masak sayur asem 🙂"
    analysis = toy_classifier.analyze_journal(entry)
    assert analysis.label == toy_classifier(entry)[0]["label"]
    assert [sentence.text for sentence in analysis.sentences] == [
        "Hari ini aku gagal lagi.",
        "Tapi ibu masak sayur asem 🙂",
    ]
    for sentence in analysis.sentences:
        assert entry[sentence.start : sentence.end] == sentence.text
        assert sentence.label == toy_classifier(sentence.text)[0]["label"]
        assert set(sentence.scores) == set(LABELS)
        assert sum(sentence.scores.values()) == pytest.approx(1, abs=1e-5)


def test_the_end_of_a_long_entry_counts(toy_classifier: EmotionClassifier) -> None:
    size = toy_classifier.config.max_length
    beginning, end = "aku " * size, "senang " * size
    beginning_ids = len(toy_classifier.explain(beginning))
    assert beginning_ids == size  # one token a word, so that the beginning is one part
    expected = toy_classifier.predict_proba(beginning)[0]
    assert toy_classifier.predict_proba(beginning + end)[0] == pytest.approx(expected, abs=1e-5)
    scores = toy_classifier.analyze_journal(beginning + beginning).scores
    assert [scores[label] for label in LABELS] == pytest.approx(expected.tolist(), abs=1e-5)
    whole = toy_classifier.analyze_journal(beginning + end).scores
    assert [whole[label] for label in LABELS] != pytest.approx(expected.tolist(), abs=1e-3)
    assert sum(whole.values()) == pytest.approx(1, abs=1e-5)
