"""How sure the model says it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from llmood.engines.captures import derived_capture
from llmood.engines.observations import Block
from llmood.measures.stated_confidence import Stated, best_guess, stated_confidence
from llmood.prompting.answer_with_confidence import ANSWER_WITH_CONFIDENCE
from llmood.prompting.base import Template
from llmood.prompting.confidence import CONFIDENCE
from llmood.prompting.top_guesses import TOP_GUESSES
from llmood.records import OK, CaptureSpec, Scores
from llmood.scorers.base import Probability, Scorer, register
from llmood.scorers.spans import status_of
from llmood.scorers.text import NO_TEXT

Way = Literal["two_turn", "one_turn", "top_k"]


@dataclass(frozen=True, slots=True)
class _Asking:
    """How a confidence is asked for, how long a reply may be, and how it is read."""

    template: Template
    room: int
    read: Callable[[str], Stated]


WAYS: Mapping[Way, _Asking] = {
    "two_turn": _Asking(CONFIDENCE, 24, stated_confidence),
    "one_turn": _Asking(ANSWER_WITH_CONFIDENCE, 96, lambda said: stated_confidence(said, named=True)),
    "top_k": _Asking(TOP_GUESSES, 128, best_guess),
}


@register(
    "verbalised_confidence",
    {"": {"way": "two_turn"}, ".one_turn": {"way": "one_turn"}, ".top_k": {"way": "top_k"}},
)
class VerbalisedConfidence(Scorer):
    """1 − the confidence that the model states when it is asked for one.

    Formula: `measures.stated_confidence` (Tian et al., EMNLP 2023; Xiong et al., ICLR 2024). A reply that states none,
    or one out of range, is unscored, and never 0.

    Args:
        way: `two_turn` asks how sure it is of the answer that it gave. `one_turn` asks for answer and confidence at
            once, `top_k` for the best guesses with their probabilities, of which the highest counts: what those say is
            of another answer than the one that is judged, maybe.
    """

    columns: ClassVar[Mapping[str, list[str]]] = {"response": ["text"]}
    reads_answers: ClassVar[bool] = True

    def __init__(self, *, way: Way = "two_turn") -> None:
        self.way = way

    @property
    def probability(self) -> Probability | None:  # type: ignore[override]
        """Of being right, where it is stated of the answer that is judged."""
        return "complement" if self.way == "two_turn" else None

    @property
    def definition(self) -> str | None:
        return f"prompt: {WAYS[self.way].template.target}"

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        asking = WAYS[self.way]
        return (derived_capture("response", "tuned", asking.template, max_new_tokens=asking.room),)

    def score(self, block: Block) -> Scores:
        (spec,) = self.needs
        values = np.full(len(block), np.nan)
        status, why = status_of(block, spec)
        reasons: list[str | None] = []
        for row, said in enumerate(block[spec]["text"].to_pylist()):
            if status[row] != OK:
                reasons.append(why[row] or status[row])
                continue
            stated = Stated(None, NO_TEXT) if said is None else WAYS[self.way].read(said)
            if stated.confidence is not None:
                values[row] = 1.0 - stated.confidence
            reasons.append(stated.reason)
        return Scores(values, reasons)
