"""The language model that says whether two answers say the same: one of the run's own, asked through its engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood import interrupts
from llmood.config import Models
from llmood.engines.base import Engine, Request
from llmood.engines.captures import derived_capture
from llmood.errors import EngineError
from llmood.measures.nli import Verdict
from llmood.measures.p_true import probability_false
from llmood.prompting.base import FALSE, TRUE, Material, user
from llmood.prompting.same_answer import SAME_ANSWER
from llmood.records import OK, CaptureSpec

VERSION = 1
NO_VERDICT = (0.5, 0.0, 0.5)
AskedPair = tuple[str, str, str]
"""A question, empty where it isn't shown, and two answers to it."""


def verdicts_of(models: Models) -> CaptureSpec:
    """What is captured of the judge: `models.judge`, or the tuned model where there is none."""
    role = "judge" if models.judge is not None else "tuned"
    return derived_capture("next_token", role, SAME_ANSWER, labels=f"{TRUE}|{FALSE}", top=0)


class JudgeReader:
    """Verdicts of a language model, read off its distribution over the two letters.

    Args:
        engine: can give the capture; it loads the model when first asked.
        spec: `verdicts_of` the run's models.
        chat: whether the run's own prompts go through the chat template.

    Attributes:
        unread: how many pairs were over the judge's context, and have no verdict.
        given: how many pairs the engine had a number for.
        reason: why the engine had none for the last of the others; None where it had one for all.
    """

    def __init__(self, engine: Engine, spec: CaptureSpec, *, chat: bool) -> None:
        self.unread = 0
        self.given = 0
        self.reason: str | None = None
        self._engine = engine
        self._spec = spec
        self._tokenizer = engine.tokenizer(spec.model)
        # A judge is addressed as it is used to be, the tuned model as the run addresses it.
        self._chat = self._tokenizer.has_chat_template if spec.model == "judge" else chat

    @property
    def identity(self) -> dict[str, Any]:
        return {
            **self._engine.identity(self._spec.model),
            "judge": [VERSION, self._spec.target],
            "tokenizer": self._tokenizer.identity,
            "chat": self._chat,
            "context_length": self._engine.context_length(self._spec.model),
        }

    @property
    def contradicts(self) -> bool:
        """Whether it tells a contradiction from what merely says something else."""
        return False

    def ask(self, pairs: Sequence[AskedPair]) -> NDArray[np.float32]:
        """Probabilities (n, 3): of No, 0, and of Yes, in the order of `Verdict`.

        A pair over the context is left undecided; one that the engine has no number for is NaN.
        """
        found = np.tile(np.array(NO_VERDICT, dtype=np.float32), (len(pairs), 1))
        rows = self._encode(pairs)
        limit = self._engine.context_length(self._spec.model)
        fitting = [place for place, row in enumerate(rows) if len(row) <= limit]
        self.unread += len(pairs) - len(fitting)
        requests = [Request(rows[place], (("prompt", 0, len(rows[place])),)) for place in fitting]
        for finished in self._engine.run(self._spec, requests) if requests else ():
            for index, captured in finished:
                if captured.status != OK:
                    self.reason = captured.reason or captured.status
                    found[fitting[index]] = np.nan
                    continue
                self.given += 1
                no = probability_false(np.array(captured.values["label_logits"]))[0]
                found[fitting[index], [Verdict.CONTRADICTION, Verdict.ENTAILMENT]] = no, 1.0 - no
            interrupts.check()
        return found

    def check_alive(self) -> None:
        """Refuse to go on where the engine had a number for none of all the pairs.

        Raises:
            EngineError: it had none.
        """
        if self.reason is not None and not self.given:
            raise EngineError(
                f"equivalence.rule: judge: models.{self._spec.model} gives no verdict: {self.reason}",
                hint="choose another engine.dtype, a lower engine.max_length, or another rule",
            )

    def close(self) -> None:
        """Free the model."""
        self._engine.close()

    def _encode(self, pairs: Sequence[AskedPair]) -> list[tuple[int, ...]]:
        made = [SAME_ANSWER.make(Material(user(question), draws=answers)) for question, *answers in pairs]
        texts = [self._tokenizer.render(turns.messages) if self._chat else turns.text for turns in made]
        return self._tokenizer.encode(texts, rendered=self._chat)
