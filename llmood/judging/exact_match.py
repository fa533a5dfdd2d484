"""Exact match: the answer is one of the references, but for case, punctuation, articles and spacing."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without punctuation and English articles, runs of spaces as one.

    Source: the official evaluation script of SQuAD (Rajpurkar et al., EMNLP 2016).
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, references: Sequence[str]) -> bool | None:
    """Whether the answer is one of the references after `normalise`; None where there is no reference.

    What normalises to nothing ("+", "the") is compared as it stands: an answer of nothing is never right.
    """
    if not references:
        return None
    words = normalise(answer)
    if not words:
        return bool(answer.strip()) and answer.strip() in {reference.strip() for reference in references}
    return words in {normalise(reference) for reference in references}
