"""One text normalisation for the corpus, for training and for serving.

Every step is a normaliser of the ``tokenizers`` library, so the whole of it is stored in a model's
``tokenizer.json`` and any client that loads that file (``transformers.AutoTokenizer`` among them)
gets the same ids from raw text as this package does. Nothing here drops words: negations, slang and
emoji all survive.
"""

from __future__ import annotations

import re
from functools import cache

from tokenizers import Regex, normalizers

NORMALIZER_VERSION = 1
"""Raised whenever :func:`build_normalizer` changes what it returns for any text."""

PLACEHOLDERS: tuple[str, ...] = ("<url>", "<user>", "<email>", "<phone>")
"""What a masked URL, mention, e-mail address and telephone number is replaced with."""

_NAMES = "|".join(token.strip("<>") for token in PLACEHOLDERS)
_OPEN_BRACKET = rf"<(?!(?:{_NAMES})>)"
_CLOSE_BRACKET = rf"(?<!{'|'.join('<' + token.strip('<>') for token in PLACEHOLDERS)})>"

# Emoji that say the same feeling are read as one, since most of them are rare in any corpus. 😭 is
# typed in tears, in relief and in laughter alike: like 🥲, it must leave the words to decide. The
# journal entries hold it almost only in happy ones, and a model that learnt it from them read "aku
# gagal lagi 😭" as happy.
_EMOJI_FAMILIES: tuple[tuple[str, str], ...] = (
    ("😄", "😀😃😁😆😂🤣😹😸😺"),
    ("🙂", "☺😊😇😌😋"),
    ("❤", "🧡💛💚💙💜🤎🤍🩷🩵💕💖💗💓💞💘💝😍🥰😘😻"),
    ("🎉", "🎊🥳🤩"),
    ("😢", "😥😪😿😞😔🥺💔🥀"),
    ("🥲", "😭🥹"),
    ("🙁", "☹😟😕🫤"),
    ("😡", "😠🤬😤💢👿😾"),
    ("😱", "😨😰😧😦🙀"),
)

# Quantifiers over user text are bounded or start at a word boundary, so that a hostile text costs
# linear time.
_STEPS: tuple[tuple[str, str], ...] = (
    # White space of every kind, the line breaks among the control characters included.
    (r"[[\s\p{Z}]&&[^ ]]", " "),
    # Placeholders that the public corpora hold already.
    (r"\[url\]|\[link\]", " <url> "),
    (r"\[username\]|\[user\]|\[name\]", " <user> "),
    (r"\[sensitive-no\]", " <phone> "),
    (r"\[religion\]", " agama "),
    # E-mail before mentions (both hold "@"), and all of these before punctuation goes.
    (r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}", " <email> "),
    (r"(?:https?://|www\.)\S+", " <url> "),
    (
        r"(?<![\w@.-])[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,3}"
        r"\.(?:com|net|org|ly|gl|(?:co|ac|go|or|sch|web)\.id)(?![\w-])(?:/\S*)?",
        " <url> ",
    ),
    (r"(?<![\w@])@\w+", " <user> "),
    (r"(?<!\w)(?:\+?62[ .-]?8|08)\d(?:[ .-]?\d){6,10}(?!\w)", " <phone> "),
    (r"(?<!\w)(?:\(0\d{2,3}\)[ -]?|0\d{2,3}[ -])\d{3,4}[ -]?\d{3,4}(?!\w)", " <phone> "),
    (r"(?<!\w)\+\d{1,3}(?:[ -]?\d){7,12}(?!\w)", " <phone> "),
    # Emoticons carry feeling: each becomes the emoji that says the same.
    (r"<3+", " ❤ "),
    (r"(?<!\w)(?:[:=]['’]-?[(\[]+|t[_.]+t|;[_.];)(?!\w)", " 😢 "),
    (r"(?<!\w)[:=]['’]-?[)\]]+", " 🥲 "),
    (r"(?<!\w)(?:[:=]-?[(\[]+|[)\]]{1,64}-?[:=](?!\w))", " 🙁 "),
    (r"(?<!\w)(?:[:=;]-?[)\]]+|\^[_.]?\^)", " 🙂 "),
    (r"(?<!\w)(?:[:=]-?d+|xd+)(?!\w)", " 😄 "),
    *((f"[{others}]", emoji) for emoji, others in _EMOJI_FAMILIES),
    # A hashtag is read as its words.
    (r"[#_]+", " "),
    # "capeeek" -> "capek"; the doubled letters of "saat" or "maaf" stay.
    (r"(?<=(\p{L}))\1(?=\1)|(?<=(\p{L})\2)\2", ""),
    # Numbers say little about a feeling; a single digit stays ("teman2", "cuma 1").
    (r"\d[\d.,:]{0,30}\d", "0"),
    # Apostrophes join ("jum'at"); dots in a row are a pause; other punctuation only separates.
    (r"(?<=\p{L})['’`](?=\p{L})", ""),
    (r"\.{2,}", "…"),
    (rf"{_OPEN_BRACKET}|{_CLOSE_BRACKET}", " "),
    (r"[^\p{L}\p{M}\p{N}\p{So} !?…<>]+", " "),
    (r"([!?…])(?=\1)", ""),
    (r" {2,}", " "),
)

# Zero-width and other format characters, controls that are not white space, private use, the
# replacement character, and what only varies an emoji's look (variation selectors, skin tones).
_INVISIBLE = r"[[\p{Cc}&&[^\s]]\p{Cf}\p{Co}\x{FE00}-\x{FE0F}\x{FFFD}\x{1F3FB}-\x{1F3FF}\x{20E3}]"

# Words of a to z, single spaces, commas or full stops at the ends of words: more than half of the
# corpus. Nothing happens to such a text but that its case and its punctuation go, unless it holds
# an elongated word or the emoticon "xd", and telling so costs far less than running every step.
_PLAIN = re.compile(r"[a-z]+(?:[,.]? [a-z]+)*[,.]?")
_NOT_PLAIN = re.compile(r"([a-z])\1\1|\bxd")
_NO_PUNCTUATION = str.maketrans("", "", ",.")

_NOT_IN_KEY = re.compile("|".join((*PLACEHOLDERS, "[!?…]")))
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def build_normalizer() -> normalizers.Normalizer:
    """Return the normaliser that a tokenizer holds (``tokenizer.json``, key ``normalizer``)."""
    return normalizers.Sequence(
        [
            normalizers.Replace(Regex(_INVISIBLE), ""),
            normalizers.NFKC(),
            normalizers.Lowercase(),
            *(normalizers.Replace(Regex(pattern), content) for pattern, content in _STEPS),
            normalizers.Strip(),
        ]
    )


@cache
def _normalizer() -> normalizers.Normalizer:
    return build_normalizer()


def to_valid_unicode(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot hold, by U+FFFD; offsets stay as they are."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def _plain_form(text: str) -> str | None:
    """Return the normal form of a plain text; None for any other."""
    lower = text.lower()
    if _PLAIN.fullmatch(lower) and text.isascii() and not _NOT_PLAIN.search(lower):
        return lower.translate(_NO_PUNCTUATION)
    return None


def normalise(text: str) -> str:
    """Normalise one text, exactly as the model's tokenizer does before it splits words.

    URLs, mentions, hashtags, e-mail addresses and telephone numbers are handled first, then
    elongated letters, numbers and punctuation; emoji and every word are kept.

    Args:
        text: any string, of any length; lone surrogates are accepted.

    Returns:
        The text in lower case, words separated by single spaces; empty where nothing is left.
    """
    plain = _plain_form(text)
    return plain if plain is not None else _normalizer().normalize_str(to_valid_unicode(text))


def grouping_key(text: str) -> str:
    """Return the key by which two texts count as the same.

    That is their normalised letters, digits and emoji, without punctuation or placeholders (one
    tweet is often found with and without the names it was sent to).
    """
    plain = _plain_form(text)
    if plain is not None:
        return plain
    return " ".join(_NOT_IN_KEY.sub(" ", normalise(text)).split())
