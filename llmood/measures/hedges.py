"""How sure an answer sounds, by the words that it hedges with."""

from __future__ import annotations

import re
from collections.abc import Mapping

HEDGES: Mapping[str, float] = {
    "certainly": 1.0,
    "definitely": 1.0,
    "undoubtedly": 1.0,
    "without a doubt": 1.0,
    "almost certain": 0.95,
    "almost certainly": 0.95,
    "highly likely": 0.9,
    "very likely": 0.9,
    "most likely": 0.85,
    "very good chance": 0.8,
    "i'm fairly sure": 0.8,
    "i am fairly sure": 0.8,
    "fairly certain": 0.8,
    "i believe": 0.75,
    "likely": 0.7,
    "probable": 0.7,
    "probably": 0.7,
    "presumably": 0.7,
    "i think": 0.7,
    "it seems": 0.6,
    "appears to be": 0.6,
    "better than even": 0.6,
    "perhaps": 0.5,
    "maybe": 0.5,
    "possibly": 0.5,
    "might be": 0.5,
    "could be": 0.5,
    "may be": 0.5,
    "about even": 0.5,
    "i guess": 0.4,
    "i'm not sure": 0.3,
    "i am not sure": 0.3,
    "not certain": 0.3,
    "unsure": 0.3,
    "probably not": 0.25,
    "doubtful": 0.2,
    "unlikely": 0.2,
    "not likely": 0.2,
    "little chance": 0.1,
    "improbable": 0.1,
    "chances are slight": 0.1,
    "highly unlikely": 0.05,
    "very unlikely": 0.05,
    "almost no chance": 0.02,
    "i don't know": 0.0,
    "i do not know": 0.0,
    "no idea": 0.0,
}
"""What probability each phrase stands for.

In the manner of words of estimative probability (Kent, 1964) and of surveys of how people read them, rounded; the first
person's phrases ("I think") are valued by us. English alone.
"""

# The longest first: "highly unlikely" is not "unlikely" as well.
_PHRASES = re.compile(
    r"\b(?:"
    + "|".join(re.escape(phrase) for phrase in sorted(HEDGES, key=lambda each: (-len(each), each)))
    + r")\b"
)


def linguistic_confidence(text: str) -> float:
    """The least sure phrase of a text in [0, 1]; 1 where it hedges nothing, for it asserts then.

    >>> linguistic_confidence("I think it is probably not Paris.")
    0.25
    """
    folded = " ".join(text.casefold().replace("\u2019", "'").split())
    return min((HEDGES[phrase] for phrase in _PHRASES.findall(folded)), default=1.0)
