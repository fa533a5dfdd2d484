"""The cosine from which on two answers say the same, chosen by judged answers that are not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmood.drawing_config import CHOSEN
from llmood.engines.captures import OF_BOTH, OF_DRAWS, compared_answers
from llmood.engines.observations import Observations
from llmood.errors import ConfigError
from llmood.judging.equivalence.between_draws import BetweenDraws
from llmood.judging.equivalence.count import Count
from llmood.judging.equivalence.draws import Draws, read_draws
from llmood.judging.equivalence.embeddings import Embeddings
from llmood.judging.equivalence.rules import EmbeddingRule
from llmood.measures.semantic_entropy import discrete_semantic_entropy
from llmood.metrics.ood import auroc
from llmood.records import CaptureSpec

GRID = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
USUAL = 0.8
PLACE = "equivalence.threshold: validation"
REMEDY = f"'threshold: {USUAL}' needs none of that"


@dataclass(frozen=True, slots=True)
class Threshold:
    """What was chosen, and by what.

    Attributes:
        value: of `GRID`.
        auroc: by each of `GRID`, how well discrete semantic entropy tells wrong from right answers.
        right, wrong: how many judged answers that is of.
    """

    value: float
    auroc: dict[str, float]
    right: int
    wrong: int


def asked_threshold(rule: Mapping[str, object]) -> bool:
    """Whether an equivalence's threshold is to be chosen."""
    return rule.get("threshold") == CHOSEN


def chosen_by(comparisons: Sequence[CaptureSpec]) -> CaptureSpec | None:
    """The comparison of draws whose threshold is to be chosen; None where none is.

    Raises:
        ConfigError: one is, and no draws are compared.
    """
    asking = [spec for spec in comparisons if asked_threshold(dict(spec.params)) and spec.model == "tuned"]
    if not asking:
        return None
    drawn = [spec for spec in asking if dict(spec.params)["pairs"] in (*OF_DRAWS, *OF_BOTH)]
    if not drawn:
        raise ConfigError(f"{PLACE} is chosen by draws, and no scorer compares any", hint=REMEDY)
    return drawn[0]


def best_threshold(aurocs: Mapping[float, float]) -> float:
    """The threshold of the highest AUROC; of equals the one nearest to 0.8, of two as near the lower."""
    best = max(aurocs.values())
    equal = [threshold for threshold, value in aurocs.items() if value >= best - 1e-12]
    return min(equal, key=lambda threshold: (round(abs(threshold - USUAL), 9), threshold))


def choose_threshold(
    comparison: CaptureSpec, observations: Observations, verdicts: Mapping[str, bool], embeddings: Embeddings
) -> Threshold:
    """By the `validation` rows that are judged and have two draws that say something.

    Args:
        comparison: of draws; its threshold is not read.
        verdicts: sample id → whether its answer is right.

    Raises:
        ConfigError: there are no such rows, or their answers are all right or all wrong.
    """
    samples = _compared(comparison, observations.of(CHOSEN), verdicts)
    wrong = np.array([not verdicts[sample.sample_id] for sample in samples], dtype=np.bool_)
    if not 0 < wrong.sum() < len(wrong):
        raise ConfigError(
            f"{PLACE} tells wrong from right answers, and of those with two draws {int((~wrong).sum())} are right "
            f"and {int(wrong.sum())} wrong",
            hint=REMEDY,
        )
    question = bool(dict(comparison.params)["question"])
    aurocs = {
        threshold: auroc(
            _entropies(
                comparison, samples, EmbeddingRule(embeddings, threshold=threshold, question=question)
            ),
            wrong,
        )
        for threshold in GRID
    }
    return Threshold(
        best_threshold(aurocs),
        {f"{threshold:g}": value for threshold, value in aurocs.items()},
        int((~wrong).sum()),
        int(wrong.sum()),
    )


def _compared(
    comparison: CaptureSpec, observations: Observations, verdicts: Mapping[str, bool]
) -> list[Draws]:
    drawn = compared_answers(comparison)
    found = []
    for block in observations.blocks([drawn], {"generations": ["text"]}):
        for draws in read_draws(block, drawn):
            if not isinstance(draws, Draws) or draws.sample_id not in verdicts:
                continue
            if sum(place >= 0 for place in draws.place) > 1:
                found.append(draws)
    return found


def _entropies(comparison: CaptureSpec, samples: Sequence[Draws], rule: EmbeddingRule) -> NDArray[np.float64]:
    """Discrete semantic entropy under a rule, (n,)."""
    rows = BetweenDraws(comparison, every=False).observe(samples, rule, Count())
    clusters = [[number for number in row["cluster"] if number is not None] for row in rows]
    offsets = np.concatenate([[0], np.cumsum([len(own) for own in clusters])]).astype(np.int64)
    return discrete_semantic_entropy(
        np.array([number for own in clusters for number in own], np.int64), offsets
    )
