"""F1: how many words the answer and the best fitting reference share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmood.judging.base import Judgement, by_quality, register
from llmood.judging.normalise import tokens


@register(graded=True)
def f1(answer: str, references: Sequence[str], *, threshold: float = 0.5) -> Judgement:
    """The share of words in common with a reference reaches the threshold; the quality is that share.

    Source: the official evaluation script of SQuAD 2.0 (Rajpurkar et al., ACL 2018), which has no threshold; 0.5 is
    what semantic entropy was measured with (Farquhar et al., Nature 630, 2024).

    Args:
        threshold: the F1, in (0, 1], from which on an answer is called right.
    """
    qualities = (token_f1(answer, reference) for reference in references)
    return by_quality(answer, references, threshold, qualities)


def token_f1(answer: str, reference: str) -> float:
    """2·common / (words of one + words of the other), words counted as often as they stand there; in [0, 1].

    Where one of the two normalises to nothing, whether they are the same as they stand.
    """
    said, wanted = tokens(answer), tokens(reference)
    if not said or not wanted:
        return float(answer.strip() == reference.strip())
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2.0 * common / (len(said) + len(wanted))
