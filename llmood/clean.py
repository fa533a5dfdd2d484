"""Text that came from elsewhere, made fit to be shown."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_UNSHOWABLE = re.compile(r"[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    r"""Text with stand-ins for what no page can hold.

    Control characters become visible ones; halves of surrogate pairs, and marks that turn the reading direction
    around, become U+FFFD.

    >>> clean("bell\x07, half \ud83d")
    'bell␇, half �'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub(_picture, text)
    return _BIDI.sub("\ufffd", _UNSHOWABLE.sub("\ufffd", text))


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"
