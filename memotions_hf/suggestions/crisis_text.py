"""How the crisis detector reads a text: disguises undone, spellings of one word made one.

People write what is hard to say in disguise: "b u n u h", "bund1r", "m.a.t.i", "capeeek". And they
write everyday Indonesian, in which a word has many spellings ("nggak", "gk", "kagak", "ora"). Both
are undone here, for the detector only: nothing of this is ever shown.
"""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\ufeff]")
_URL = re.compile(r"(?:https?://|www\.)\S+")
# Single letters with a gap between each two: at least three, so that "a b" stays.
_SPACED = re.compile(r"(?<!\w)(?:\w[\s.\-_*·•|/,]{1,3}){2,}\w(?!\w)")
_WIDE_GAP = re.compile(r"\s{2,}|\s[|/]\s")
_TOKEN = re.compile(r"[a-z0-9@$!]+")
_LEET = str.maketrans("013457@$!", "oieastasi")
# "anak2" and "10rb" are ordinary writing, and "mati!!" is only loud.
_NOT_LEET = re.compile(r"[a-z]+2|[\d.]+[a-z]+|\w+!+")
_INSIDE_WORD = re.compile(r"(?<=[a-z])[.\-_'’](?=[a-z]{1,2}(?:[.\-_'’]|\b))")
_ELONGATED = re.compile(r"(\w)\1{2,}")
_REDUPLICATED = re.compile(r"([a-z]{3,})2\b")
_SENTENCE_END = re.compile(r"[.!?…\n]+")
_PIECES = re.compile(r"[a-z0-9*]+|\||[^\w\s,;:\"“”()\-]")

SENTENCE_BREAK = "|"

# The first word stands for the others: everyday, chat, regional and English forms.
_SPELLINGS = {
    "tidak": "gak ga gk nggak ngga enggak engga ndak nda kagak kaga tdk g tak gaak ngak gag ora "
    "mboten teu henteu indak dak kgk ngk",
    "ingin": "pengen pgn pengin pingin kepengen kepengin pen pngn pngin pgen hayang wanna",
    "mau": "mo mw mao maw arep rek nak amau",
    "aku": "gw gue gua w ane saya sy q akuh aq ak gwe aing abdi urang awak den i'm im i",
    "yang": "yg yng",
    "banget": "bgt bngt bgtt banged",
    "sudah": "udah udh dah sdh uda wis wes geus alah",
    "dengan": "dgn dg sama ama sm",
    "saja": "aja aj ajah doang",
    "kalau": "kalo klo kl klu",
    "karena": "krn karna gara2 soalnya",
    "untuk": "utk buat bwt",
    "orang": "org wong urang",
    "semua": "smua semuanya smuanya kabeh",
    "sendiri": "sndiri sndr dewe sorangan",
    "hidup": "idup hdp urip hirup life",
    "mati": "mokad modar mampus mampos koit metong paeh die mt mti ded",
    "bunuh diri": "bundir bunuhdiri bnuhdiri bunvh bunvhdiri suicide kms bndr bd bnh sewerslide",
    "capek": "cape cpk cpek capekk lelah letih penat",
    "begini": "gini kaya gini kek gini kyk gini ngene kieu",
    "bagaimana": "gimana gmn piye",
    "lagi": "lg lgi",
    "dari": "dr",
    "pada": "pd",
    "tapi": "tp tpi tetapi",
    "jangan": "jgn jngn",
    "terima kasih": "makasih mksh makasi trims tq thx tengkyu nuhun suwun",
    "maaf": "maap maafin sorry sori mf hampura",
    "teman": "temen tmn temenku",
    "suami": "laki misua paksu",
    "bapak": "bokap ayah papa papah abah abi bapakku ayahku papaku",
    "ibu": "nyokap mama mamah bunda umi mak emak ibuku mamaku",
    "pacar": "cowokku cewekku pcr doi ayang",
    "hilang": "ilang lenyap",
    "bangun": "bngn",
    "selamanya": "slamanya forever",
    "tolong": "tlg tlong help",
    "memukul": "mukul mukulin gebukin ngegebuk nampar nampol nonjok nendang",
    "dipukul": "dipukulin digebukin digebuk ditampar ditampol ditonjok ditendang dihajar",
}
_STANDARD = {form: word for word, forms in _SPELLINGS.items() for form in forms.split()}


def unmask(text: str) -> str:
    """Return a text as the detector reads it.

    Args:
        text: any text; the time it takes grows with its length only.

    Returns:
        Lower-case words, signs and emoji with single spaces between them, and
        :data:`SENTENCE_BREAK` where a sentence or a line ends.
    """
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).lower()
    text = _SPACED.sub(_join_letters, _URL.sub(" ", text))
    text = _TOKEN.sub(_undo_digits, text)
    text = _INSIDE_WORD.sub("", text)
    text = _REDUPLICATED.sub(r"\1", _ELONGATED.sub(r"\1", text))
    text = _SENTENCE_END.sub(f" {SENTENCE_BREAK} ", text)
    return " ".join(_STANDARD.get(piece, piece) for piece in _PIECES.findall(text))


def _join_letters(match: re.Match[str]) -> str:
    """Join spaced-out letters; a wider gap parts two words."""
    words = _WIDE_GAP.split(match.group())
    return " " + " ".join("".join(re.findall(r"\w", word)) for word in words) + " "


def _undo_digits(match: re.Match[str]) -> str:
    word = match.group()
    has_both = re.search(r"[a-z]", word) and re.search(r"[0-9@$!]", word)
    return word.translate(_LEET) if has_both and not _NOT_LEET.fullmatch(word) else word
