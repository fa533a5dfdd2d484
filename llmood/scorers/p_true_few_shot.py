"""Whether the model finds its own answer true, once it has seen which of its other answers were."""

from __future__ import annotations

from typing import Any, ClassVar

from llmood.engines.captures import SHOT_RULE, SHOT_SEED, SHOTS, SHOWN, derived_capture
from llmood.prompting.base import FALSE, TRUE
from llmood.prompting.p_true_few_shot import P_TRUE_FEW_SHOT
from llmood.records import CaptureSpec
from llmood.scorers.base import register
from llmood.scorers.p_true import PTrue


@register("p_true.few_shot")
class PTrueFewShot(PTrue):
    """1 − p(True), when the model is first shown other answers of its own, and which of them are right.

    Formula: `measures.p_true.probability_false` (Kadavath et al., 2022). The shots are greedy answers to rows of
    `train` (`engines.shots.choose_shots`); what is measured and what is chosen by is never shown. A prompt that is too
    long for the context shows fewer, by pairs.

    Args:
        shots: how many, half of them right and half wrong.
        seed: draws them (the run's `seed`).
        correctness: what judges them (the run's `correctness`).
    """

    reads_correctness: ClassVar[bool] = True

    def __init__(self, *, shots: int = 4, seed: int = 0, correctness: str = "task") -> None:
        super().__init__()
        if type(shots) is not int or shots < 2 or shots % 2:
            raise ValueError(f"'shots' is an even number from 2, half right and half wrong, not {shots!r}")
        self.shots = shots
        self.seed = seed
        self.correctness = correctness

    @property
    def definition(self) -> str | None:
        return (
            f"prompt: {P_TRUE_FEW_SHOT.target}, {self.shots} shots of {SHOWN} by seed {self.seed}, "
            f"judged by {self.correctness}"
        )

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        shown: dict[str, Any] = {SHOTS: self.shots, SHOT_SEED: self.seed, SHOT_RULE: self.correctness}
        labels = f"{TRUE}|{FALSE}"
        return (derived_capture("next_token", "tuned", P_TRUE_FEW_SHOT, None, labels=labels, top=0, **shown),)
