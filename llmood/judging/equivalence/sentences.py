"""Where a sentence ends: a small splitter for the languages that punctuate as Latin, CJK, Arabic or Devanagari do."""

from __future__ import annotations

import re

# Before the full stop of one of these the sentence goes on.
ABBREVIATIONS = frozenset(
    "al approx art ca capt cf co col corp dept dr ed e.g eq est etc fig gen gov hon i.e inc jr lt ltd mr mrs ms mt "
    "no nr op p.m a.m pp prof rep rev sen sgt sr st u.k u.s vol vs".split()
)
# Full stops that a space may follow end one at once; others where a space, a quote or a bracket follows.
_END = re.compile(r"[。！？｡]+[”’」』）)]*|[.!?…؟।۔]+[”’\"')\]»]*(?=\s|$)|\s*\n\s*")


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order, without the space around them.

    A line break ends a sentence too: lists and verses have no full stops. A full stop behind a known abbreviation, a
    single letter ("J. Smith") or the number that begins a line ("1. First") ends none. What holds no letter and no
    digit is no sentence.
    """
    found, start = [], 0
    for match in _END.finditer(text):
        so_far = text[start : match.start()]
        if match.group()[0] == "." and _goes_on(so_far):
            continue
        found.append(text[start : match.end()])
        start = match.end()
    found.append(text[start:])
    return [part.strip() for part in found if any(letter.isalnum() for letter in part)]


def _goes_on(so_far: str) -> bool:
    words = so_far.split()
    if not words:
        return False
    last = words[-1].lstrip("(\"'“‘[").lower()
    numbered = len(words) == 1 and last.isdigit()
    return last in ABBREVIATIONS or numbered or (len(last) == 1 and last.isalpha())
