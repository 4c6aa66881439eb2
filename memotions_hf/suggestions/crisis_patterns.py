"""Curated patterns of danger, and of what is often mistaken for it, over an unmasked text.

No pattern decides by itself: each is a feature whose weight is learnt from the training examples,
beside the text's n-grams. The names say what a pattern is after.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

_FEW_WORDS = r"(?:\w+ ){0,3}"
_DEATH = (
    r"(?:mati|meninggal|bunuh diri|membunuh diri\w*|ngebunuh diri\w*|gantung diri"
    r"|(?:meng)?akhiri (?:hidup|nyawa|semua)\w*|(?:ng)?akhirin hidup\w*|menyudahi hidup\w*"
    r"|nyudahin hidup\w*|(?:meng)?habisi nyawa\w*|menghilangkan nyawa\w*|cabut nyawa\w*|lenyap"
    r"|tiada|wafat|die|modar|nglalu|pateni awak\w*|maot)"
    # "mati lampu", "mati gaya" and their like are no death.
    r"(?!\w| lampu| gaya| kutu| rasa| suri| matian| angin| langkah| penasaran| listrik| total| air)"
)
_OTHERS = (
    r"\b(?:suami|bapak|ayah|pacar|mantan|om|paman|kakak|abang|ibu|guru|ustad|ustaz|majikan|senior"
    r"|mandor|pelatih|mertua|ipar|dia|istri|pengurus|kakek|laki|tiri|musyrif)\w*\b"
)
_BODY = (
    r"(?:lengan|tangan|paha|pergelangan|perut|kulit|nadi|kepala|diri|sendiri|kaki|betis|muka"
    r"|dinding"
    r"|tembok|rambut|dada|jidat)\w*"
)
_CUT = (
    r"\b(?:sayat|nyayat|menyayat|silet|nyilet|iris|ngiris|goresin|goresan|menggores|cutting"
    r"|self ?harm|melukai diri|nyakitin diri|menyakiti diri|lukain diri|nyakarin|cakar|mencakar"
    r"|benturin|benturkan|jedotin|gigit|cabutin|pukul pukul|memukul|hantamkan|menusuk|nusuk|nyundut"
    r"|membakar)\w*\b"
)

DANGERS: dict[str, str] = {
    "wants to die": r"\b(?:ingin|mau|kepikiran|kepikir|mikirin|mikir|terpikir|niat|berniat|pilih"
    r"|butuh|siap|berani|coba|nyoba|mencoba|rencana|rindu|pikiran|keinginan|hasrat|dorongan|want to"
    rf"|wanna)\b {_FEW_WORDS}{_DEATH}",
    "would rather die": r"\b(?:mending|mendingan|lebih baik|mendinglah|better|enakan|lebih enak)\b "
    rf"{_FEW_WORDS}{_DEATH}",
    "asks how or when to die": r"\b(?:cara|kapan|bagaimana|bisa|boleh|tinggal|cepat|cepet|segera"
    rf"|langsung)\b {_FEW_WORDS}{_DEATH}",
    "tells oneself to die": rf"\b{_DEATH} (?:saja|ae|wae|jo|lah|sekarang|malam ini|besok"
    rf"|sendiri)\b",
    "names suicide": r"\b(?:bunuh diri|suicid\w*|gantung diri|kill myself|end my life|end it all"
    r"|membunuh diriku|bunuh diriku|akhiri hidupku|mengakhiri hidupku|hidupku kuakhiri"
    r"|unalive\w*)\b",
    "does not want to live": r"\b(?:tidak|no longer) (?:ingin|mau|sanggup|kuat|tahan|niat|pantas"
    r"|layak|want to|butuh) (?:\w+ )?(?:hidup|bernapas|napas|ada di dunia|live|bangun)\b"
    r"(?! di| susah| dengan| bareng| miskin| serumah| begini)",
    "is tired of living": r"\b(?:capek|muak|bosan|bosen|jenuh|males|malas|benci|sick)"
    r"(?: banget| sekali| dengan| jadi| of)* (?:hidup|bernapas|napas|jantungku|living)\b",
    "wishes not to wake": r"\b(?:tidur|merem|tdr)\b.{0,40}\b(?:tidak|jangan|never)\b.{0,16}"
    r"\b(?:bangun|kebangun|melek|buka|wake)",
    "will not wake": r"\b(?:tidak|jangan) (?:pernah |usah |perlu |akan |mau |ingin )*"
    r"(?:bangun|kebangun|terbangun|melek)\w*(?: \w+)? (?:lagi|selamanya)\b",
    "sleep for ever": r"\btid[uo]r\w* (?:\w+ )?(?:terus selamanya|selamanya|abadi"
    r"|panjang sekali)\b",
    "gone for ever": r"\b(?:hilang|menghilang|ngilang|pergi|pulang|disappear) (?:\w+ )?"
    r"(?:selamanya|selama lamanya|for good|dari dunia|dari muka bumi|dari semuanya)\b",
    "better without me": r"\b(?:dunia|mereka|semua|keluarga|orang|anak anak|rumah"
    r"|everyone)\b.{0,40}"
    r"\b(?:tanpaku|tanpa aku|without me|aku tidak ada|kalau aku (?:hilang|mati|pergi))\b",
    "if I were gone": r"\b(?:kalau|andai|misal|seandainya|semisal|if) (?:\w+ )?(?:aku|saya) "
    r"(?:\w+ )?(?:tidak ada|mati|hilang|pergi|meninggal|tiada|gone|tidak bangun|dead)\b",
    "never born": r"\b(?:menyesal|nyesel|kenapa|harusnya|mending|salah|tidak (?:pernah )?minta)\b"
    r".{0,20}\b(?:lahir|dilahirin|dilahirkan|lahirin|born)\b",
    "is a burden": r"\b(?:beban|nyusahin|merepotkan|ngerepotin|burden|menyusahkan)\b.{0,40}"
    r"\b(?:keluarga|semua|orang tua|kalian|ibu|everyone|mereka)\b",
    "jumps": r"\b(?:lompat|loncat|terjun|jatuh|nyebur|menjatuhkan diri|jatuhin diri|malompek"
    r"|nabrakin diri|tabrakin diri|ditabrak)\b.{0,40}\b(?:jembatan|rel|kereta|atap|gedung|lantai"
    r"|balkon|sungai|laut|tebing|truk|flyover|rooftop|kali|sumur|bawah)\b",
    "stands at a place": r"\b(?:di|ke|pinggir|tepi|atas|dari) (?:\w+ )?(?:jembatan|atap|rooftop|rel"
    r"|balkon|tebing|flyover)\b.{0,60}\b(?:lompat|loncat|tenang|pikir|mikir|berdiri|duduk|lama"
    r"|bawah"
    r"|selesai|gampang|panggil)",
    "hurts oneself": rf"{_CUT}.{{0,40}}\b{_BODY}",
    "is hurt by oneself": r"\b(?:lengan|tangan|paha|pergelangan|perut|betis|kulit|kepala|dahi"
    r"|jidat)"
    r"\w*\b.{0,30}\b(?:sayat|silet|goresan|kugores|kusayat|disayat|luka baru|berdarah lagi"
    r"|kubenturkan|kubenturin|kucakar|kugigit)",
    "hurts oneself again": r"\b(?:nyilet|cutting|self ?harm|sh|nyayat|silet) (?:lagi|terus|tiap"
    r"|tadi"
    r"|semalam|barusan)\b|\b(?:tadi|barusan|semalam|tiap malam|lagi) (?:\w+ )?(?:nyilet|cutting"
    r"|self ?harm|nyayat|sh)\b",
    "is abused": r"\b(?:diperkosa|perkosa|memperkosa|dicabuli|cabuli|dilecehkan|dilecehin|diraba"
    r"|meraba|digrepe|grepe|disodomi|dipaksa (?:melayani|buka|telanjang|tidur|main)|dipegang pegang"
    r"|megang megang|pegang pegang|ngelus ngelus|vcs|bugil)",
    "somebody hits": rf"{_OTHERS}.{{0,50}}\b(?:memukul|mukul|tampar|menampar|tendang|menendang"
    rf"|hajar"
    r"|gebuk|jambak|seret|nyeret|menyeret|cekik|nyekik|mencekik|banting|dorong|injak|cambuk|siram"
    r"|sundut|nyundut|menyundut|tonjok|bogem|sabet|nyabet|bacok|tusuk|parang|golok|pisau|ikat"
    r"|kurung"
    r"|sekap|kunci|ngunci|mengunci|siksa|bentur)",
    "is hit": r"\b(?:dipukul|ditampar|ditendang|dihajar|digebuk|dijambak|diseret|dicekik|dibanting"
    r"|didorong|diinjak|dicambuk|disiram|disundut|ditonjok|disabet|dibacok|ditusuk|diikat|dikurung"
    r"|disekap|dikunci|disiksa|dibentur|ditempeleng|dianiaya|digilir|dijepit)",
    "is threatened": r"\b(?:ancam|diancam|ngancam|mengancam|ngancem|neror|diteror|sebar|disebar"
    r"|nyebar|menyebar)\w*\b.{0,60}\b(?:foto|video|bunuh|sebar|celaka|habis|mati|sekolah|keluarga"
    r"|grup|bayar|uang|polisi|pisau|siapa)",
    "hides": r"\b(?:sembunyi|ngumpet|bersembunyi|kabur|lari|ganjal|mengganjal|kunci)\w*\b.{0,50}"
    r"\b(?:kamar|pintu|lemari|kolong|meja|mandi|rumah|dia|bapak|suami)",
    "is bruised": r"\b(?:lebam|memar|biru|bengkak|berdarah|bekas|melepuh|retak|patah)\w*\b.{0,50}"
    r"\b(?:suami|bapak|ayah|pacar|dia|ibu|majikan|tiri|kakak|mertua|pengurus)",
    "leaves a letter": r"\b(?:surat|note|pesan|catatan|wasiat|password|sandi|pin|atm)\b.{0,50}"
    r"\b(?:terakhir|laci|di bawah|untuk mereka|kalau aku|setelah aku|sesudah aku|kutinggal|kutaruh"
    r"|wasiat|pamit)",
    "says goodbye": r"\b(?:maaf|maafkan|terima kasih|selamat tinggal|pamit|goodbye|titip|jaga)\b"
    r".{0,70}\b(?:aku pergi|anak yang|terakhir|selamanya|tidak bisa lagi|sampai sini|sampai di sini"
    r"|tidak kuat|di sana|tidak sanggup|jangan cari|jangan nangis|tanpa aku|gagal|aku sayang"
    r"|ikhlas)",
    "has means": r"\b(?:pil|obat|tali|tambang|racun|baygon|pestisida|cutter|silet|pisau|potas"
    r"|bensin)\w*\b.{0,40}\b(?:simpan|kusimpan|siap|disiapin|kusiapkan|kumpul|kukumpulin|nimbun"
    r"|stok"
    r"|laci|sudah|cukup|beli|kubeli|sekaligus|semuanya)",
    "has decided": r"\b(?:malam ini|besok|nanti malam|minggu ini|tanggal|lusa|jam \d+"
    r"|sudah kuputuskan|keputusanku|hari terakhir)\b.{0,40}\b(?:selesai|terakhir|berakhir|tamat"
    r"|tidak ada lagi|semuanya|akhir|pergi|sudahi|kuakhiri)",
    "somebody near is in danger": r"\b(?:teman|sahabat|adik|kakak|pacar|tetangga|anak)\w*\b.{0,60}"
    r"\b(?:bunuh diri|mau mati|ingin mati|nyilet|dipukul|sayat|pamit|gantung diri|akhiri hidup)",
}
"""What a person in danger may say."""

CONTEXTS: dict[str, str] = {
    "fiction or news": r"\b(?:film|novel|drama|drakor|series|sinetron|episode|tokoh|karakter|aktor"
    r"|game|komik|anime|cerpen|bioskop|netflix|youtube|podcast|lagu|lirik|berita|seminar|webinar"
    r"|skripsi|jurnal|poster|kampanye|dokumenter|teater|naskah|adegan|pahlawan|wattpad|true crime)",
    "the past": r"\b(?:dulu|waktu itu|tahun lalu|tahun yang lalu|pernah|sempat|jaman|zaman"
    r"|(?:waktu|pas) (?:smp|sma|kuliah|kecil)|setahun lalu|masa lalu)\b",
    "better now": r"\b(?:sekarang|kini|saiki|ayeuna|hari ini|today) (?:\w+ )?(?:sudah|bisa|lebih"
    r"|malah|aku|punya|syukur|tenang|enak|baik|jadi|masih bersih|bahagia|kerja|rutin|tinggal)\b",
    "help and relief": r"\b(?:sembuh|pulih|psikolog|psikiater|terapi|konselor|cerai|bebas|bersih"
    r"|relawan|syukur|alhamdulillah|untung|bersyukur|lega|bertahan)",
    "figure of speech": r"\b(?:setengah mati|samp[ae]i? mau mati|mati (?:gaya|kutu|lampu|rasa|suri)"
    r"|cinta mati|harga mati|kayak mau mati|serasa mau mati|ngakak|wkwk\w*|haha\w*)\b",
    "a natural death": r"\b(?:almarhum\w*|nenek|kakek|mbah|eyang|oma|opa|makam|kubur|tahlil|melayat"
    r"|takziah|nyekar|ziarah|pemakaman|kucing\w*|hamster)\b",
}
"""What makes the same words harmless."""

_COMPILED = [re.compile(pattern) for pattern in (*DANGERS.values(), *CONTEXTS.values())]
_NAMES = [*DANGERS, *CONTEXTS]
_DEATH_WISHES = [
    _NAMES.index(name)
    for name in (
        "wants to die",
        "would rather die",
        "names suicide",
        "does not want to live",
        "tells oneself to die",
    )
]
_SELF_HARM = [
    _NAMES.index(name) for name in ("hurts oneself", "is hurt by oneself", "hurts oneself again")
]
_HARM = [_NAMES.index(name) for name in ("somebody hits", "is hit", "is abused", "is threatened")]
_FICTION, _PAST = _NAMES.index("fiction or news"), _NAMES.index("the past")


def pattern_features(text: str) -> npt.NDArray[np.float32]:
    """Return which patterns an unmasked text holds, alone and together with a context.

    Args:
        text: what :func:`~memotions_hf.suggestions.crisis_text.unmask` returns.

    Returns:
        float32 (k,) of zeros and ones; k is the same for every text.
    """
    found = np.array([pattern.search(text) is not None for pattern in _COMPILED])
    groups = np.array([found[members].any() for members in (_DEATH_WISHES, _SELF_HARM, _HARM)])
    dangers = int(found[: len(DANGERS)].sum())
    in_context = bool(found[len(DANGERS) :].any())
    together = [
        dangers >= 1,
        dangers >= 2,
        dangers >= 3,
        dangers >= 1 and not in_context,
    ]
    with_context = np.concatenate(
        [groups & (not in_context), groups & found[_PAST], groups & found[_FICTION]]
    )
    return np.concatenate([found, groups, together, with_context]).astype(np.float32)
