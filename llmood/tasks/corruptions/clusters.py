"""What a reader takes for one character: a letter with its accents, an emoji of several parts."""

from __future__ import annotations

import unicodedata

ZERO_WIDTH_JOINER = "\u200d"


def clusters(text: str) -> list[str]:
    """The text cut where no character is torn apart; joined again they are the text.

    Coarser than Unicode's extended grapheme clusters (annex 29) where it differs: whatever follows a zero-width
    joiner is joined.
    """
    found: list[str] = []
    for char in text:
        if found and _joins(found[-1], char):
            found[-1] += char
        else:
            found.append(char)
    return found


def is_letter(cluster: str) -> bool:
    """Whether it begins with a letter of any script."""
    return cluster[0].isalpha()


def _joins(before: str, char: str) -> bool:
    last = before[-1]
    if last == "\r" and char == "\n":
        return True
    if unicodedata.category(last) in ("Cc", "Zl", "Zp"):
        return False
    if unicodedata.category(char) in ("Mn", "Me", "Mc") or char in (ZERO_WIDTH_JOINER, "\u200c"):
        return True
    if (
        last == ZERO_WIDTH_JOINER
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
    ):
        return True
    if _is_flag_half(char):
        return len(before) == 1 and _is_flag_half(before)
    return _is_hangul_part(char, syllable=_is_hangul_part(last)) and _is_hangul_part(last, syllable=True)


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_hangul_part(char: str, *, syllable: bool = False) -> bool:
    jamo = "\u1100" <= char <= "\u11ff" or "\ua960" <= char <= "\ua97c" or "\ud7b0" <= char <= "\ud7fb"
    return jamo or (syllable and "\uac00" <= char <= "\ud7a3")
