"""How two texts are compared but for their spelling: case, punctuation, English articles, spacing, widths of letters.

A text in any script stays what it is: nothing is dropped but punctuation, the English articles and spaces.
"""

from __future__ import annotations

import re
import string
import unicodedata

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
# What is a form of writing to NFKC, and a meaning to a reader: 10² is no 102, ½ is no 12.
_MEANT = ("<super>", "<sub>", "<fraction>")
# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(
    r"([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])"
)


def normalise(text: str) -> str:
    """Case folded, without punctuation and English articles, runs of spaces as one; the same text again stays the same.

    Source: the official evaluation script of SQuAD (Rajpurkar et al., EMNLP 2016), here for every script: punctuation
    is Unicode's, and letters of another width or form are one (NFKC, but for super- and subscripts and fractions).
    """
    before = None
    # Dropping a mark may bring letters together that compose, or make an article: until nothing changes.
    while text != before:
        before, text = text, _step(text)
    return text


def match_key(text: str) -> str:
    """What two texts are compared by: normalised; where nothing is left then ("+", "the"), as they stand."""
    return normalise(text) or text.strip()


def tokens(text: str) -> tuple[str, ...]:
    """The words of the normalised text; of a script without spaces, its characters.

    Source of the latter: the evaluation of MLQA (Lewis et al., ACL 2020).
    """
    return tuple(_UNSPACED.sub(r" \1 ", normalise(text)).split())


def _step(text: str) -> str:
    folded = text.lower() if text.isascii() else compatible(text).casefold()
    return " ".join(_ARTICLES.sub(" ", _without_punctuation(folded)).split())


def compatible(text: str) -> str:
    """Letters and digits of another width or form as the plain ones; what raises, lowers or divides stays."""
    kept = (
        letter
        if unicodedata.decomposition(letter).startswith(_MEANT)
        else unicodedata.normalize("NFKC", letter)
        for letter in text
    )
    return unicodedata.normalize("NFC", "".join(kept))


def _without_punctuation(text: str) -> str:
    plain = text.translate(_ASCII_PUNCTUATION)
    if plain.isascii():
        return plain
    return "".join(letter for letter in plain if not unicodedata.category(letter).startswith("P"))
