"""The models that comparing answers takes, found and checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmood.config import Models, RunConfig
from llmood.engines.captures import ALTERNATIVES, SPREAD
from llmood.engines.encoder_model import EncoderModel
from llmood.errors import ConfigError
from llmood.judging.equivalence.judge_reader import JudgeReader, verdicts_of
from llmood.judging.equivalence.nli_model import NliModel
from llmood.records import CaptureSpec


@dataclass(frozen=True, slots=True)
class Readers:
    """What reads answers; None where no comparison asks it. None of them is loaded yet."""

    nli: NliModel | None = None
    encoder: EncoderModel | None = None
    judge: JudgeReader | None = None

    def describe(self) -> dict[str, Any]:
        """What `run.json` says of them; the judge is among the models that it names anyway."""
        return {
            name: None if model is None else {"name": model.weights.name, "identity": model.identity}
            for name, model in (("nli", self.nli), ("encoder", self.encoder))
        }


def make_readers(
    config: RunConfig, folder: Path | None, comparisons: Sequence[CaptureSpec], *, judges: bool = False
) -> Readers:
    """The models that comparisons ask.

    Args:
        judges: whether the rule of correctness asks the inference model too.

    Raises:
        ConfigError: the configuration lacks one.
    """
    rules = {dict(spec.params)["rule"] for spec in comparisons}
    nli, encoder = config.models.nli, config.models.encoder
    inferring = judges or "nli" in rules
    if inferring and nli is None:
        who, other = (
            ("correctness: entailment", "another rule")
            if judges
            else ("equivalence.rule: nli", "rule: exact")
        )
        raise ConfigError(
            f"{who} needs models.nli, which the configuration lacks",
            hint=f"name a natural-language-inference model there, or take {other}",
        )
    spread = any(dict(spec.params)["pairs"] == SPREAD for spec in comparisons)
    if spread and encoder is None:
        raise ConfigError(
            "scorers: eigenscore needs models.encoder, which the configuration lacks",
            hint="name a sentence-transformers folder there, or leave eigenscore out",
        )
    if "embedding" in rules and encoder is None:
        raise ConfigError(
            "equivalence.rule: embedding needs models.encoder, which the configuration lacks",
            hint="name a sentence-transformers folder there, or take rule: exact",
        )
    model = NliModel(nli, config.engine, folder=folder) if nli and inferring else None
    claims = next((spec for spec in comparisons if dict(spec.params)["pairs"] == ALTERNATIVES), None)
    if claims and model and not model.contradicts:
        raise ConfigError(
            f"models.nli: {model.weights.name} knows no contradiction, by which {claims.id} tells claims apart",
            hint="name a model with the classes entailment, neutral and contradiction",
        )
    return Readers(
        model,
        EncoderModel(encoder, config.engine, folder=folder) if encoder and "embedding" in rules else None,
    )


def asked_of_engine(models: Models, comparisons: Sequence[CaptureSpec]) -> list[CaptureSpec]:
    """What comparisons ask the run's engine once it has answered: a judge's verdicts, or nothing."""
    judged = any(dict(spec.params)["rule"] == "judge" for spec in comparisons)
    return [verdicts_of(models)] if judged else []
