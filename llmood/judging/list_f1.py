"""F1 over the items of a list, whatever their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmood.judging.base import Judgement, by_quality, register
from llmood.judging.items import keys_of, readings


@register(graded=True)
def list_f1(answer: str, references: Sequence[str], *, threshold: float = 1.0) -> Judgement:
    """F1 over the items of the answer's list and the references, which together are the wanted list.

    Items are those of a JSON list, of lines, or between commas or semicolons; a last "and" may join two items or be in
    one, whichever is better.

    Args:
        threshold: the F1 from which on an answer is called right; 1: all items, and no other.
    """
    qualities = (items_f1(items, references) for items in readings(answer))
    return by_quality(answer, references, threshold, qualities)


def items_f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    """2·common / (items of one + items of the other), items counted as often as they stand there; in [0, 1]."""
    ours, theirs = Counter(keys_of(said)), Counter(keys_of(wanted))
    total = ours.total() + theirs.total()
    return 2.0 * (ours & theirs).total() / total if total else 0.0
