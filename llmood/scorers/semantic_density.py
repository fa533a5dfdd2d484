"""How little of what the model might say lies near what it said."""

from __future__ import annotations

from typing import Literal

import numpy as np

from llmood.measures.semantic_density import semantic_density, squared_distance
from llmood.measures.token_statistics import Floats
from llmood.scorers.answered import Answered, FromAnswer
from llmood.scorers.base import register


@register("semantic_density")
class SemanticDensity(FromAnswer):
    """1 − the density of the draws' meanings at the answer.

    Formula: `measures.semantic_density` (Qiu and Miikkulainen, NeurIPS 2024). References are the answer itself, at
    distance 0, and each different draw, at the distance that the model finds from the answer to it; of draws with the
    same words the likeliest counts.
    """

    reads_logprobs = True

    @property
    def token_values(self) -> Literal["logprobs"]:
        return "logprobs"

    def of_answers(self, answered: Answered) -> Floats:
        draws = answered.draws
        contradicts, entails = answered.contradiction[:, 0], answered.entailment[:, 0]
        distances = squared_distance(contradicts, np.clip(1.0 - contradicts - entails, 0.0, 1.0))
        means = draws.log_likelihoods / draws.tokens
        own = answered.sums / answered.tokens
        flat: list[Floats] = []
        offsets = [0]
        for row, answer in enumerate(answered.answers):
            places = range(draws.offsets[row], draws.offsets[row + 1])
            likeliest: dict[str, int] = {}
            for at in sorted(places, key=lambda at: means[at]):
                likeliest[draws.texts[at]] = at
            likeliest.pop(answer, None)
            kept = list(likeliest.values())
            flat.append(np.stack([np.append(distances[kept], 0.0), np.append(means[kept], own[row])], axis=1))
            offsets.append(offsets[-1] + len(kept) + 1)
        references = np.concatenate(flat)
        return 1.0 - semantic_density(references[:, 0], references[:, 1], np.array(offsets, np.int64))
