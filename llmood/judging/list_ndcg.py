"""nDCG@10 of a list whose order counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from llmood.judging.base import Judgement, by_quality, register
from llmood.judging.items import keys_of, readings

DEPTH = 10


@register(graded=True)
def list_ndcg(answer: str, references: Sequence[str], *, threshold: float = 1.0) -> Judgement:
    """nDCG@10 of the answer's list against the references, which are the wanted list in its order.

    Items that stand behind the wanted ones cost nothing; `list_f1` counts them.

    Args:
        threshold: the nDCG from which on an answer is called right; 1: the first ten items in their order.
    """
    qualities = (ndcg(items, references) for items in readings(answer))
    return by_quality(answer, references, threshold, qualities)


def ndcg(said: Sequence[str], wanted: Sequence[str], depth: int = DEPTH) -> float:
    """Σᵢ gain(saidᵢ)/log₂(i + 1) over the first `depth`, divided by that of `wanted` itself; in [0, 1].

    The gain of the first of n wanted items is n, of the last 1, of any other 0; each counts as often as it is wanted.
    Source: Järvelin and Kekäläinen, ACM TOIS 2002, with gains by place, since these lists come without any.
    """
    theirs = _numbered(wanted)
    gains = {key: float(len(theirs) - place) for place, key in enumerate(theirs)}
    ideal = _dcg(list(gains.values()), depth)
    return _dcg([gains.get(key, 0.0) for key in _numbered(said)], depth) / ideal if ideal else 0.0


def _numbered(items: Sequence[str]) -> list[tuple[str, int]]:
    """What items are compared by; one that stands there again is another one."""
    seen: Counter[str] = Counter()
    found = []
    for key in keys_of(items):
        found.append((key, seen[key]))
        seen[key] += 1
    return found


def _dcg(gains: Sequence[float], depth: int) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:depth]))
