"""What a configuration asks of models: captures and comparisons, and what makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmood.config import RunConfig
from llmood.correctness_choice import asks_for_answers
from llmood.drawing_config import CHOSEN
from llmood.engines.base import Engine
from llmood.engines.captures import (
    Needs,
    capture_splits,
    compared,
    required_captures,
    required_comparisons,
    richest_response,
    within_reach,
)
from llmood.engines.prompts import Prompt
from llmood.errors import ConfigError
from llmood.judging.choose import chosen_rule
from llmood.judging.equivalence.choose import Readers, asked_of_engine, make_readers
from llmood.judging.equivalence.judge_reader import JudgeReader
from llmood.judging.equivalence.threshold import chosen_by
from llmood.judging.judge_model import replies_of
from llmood.planned_engine import check_captures, make_engine
from llmood.records import EVALUATED, CaptureSpec, Part, Split
from llmood.scorers.base import Scorer
from llmood.scorers.on_part import Profile


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be captured and compared, before anything is read.

    Attributes:
        needing: scorers and judged answers, with what each needs.
        response: the parameters of the one response that serves all of them.
        choosing: the comparison whose threshold is chosen by judged answers.
        prompted: the captures that a judge asks the engine for when it compares.
        profile: the scorers on parts of the input; they read measured rows, and what they learn from.
    """

    scorers: dict[str, Scorer]
    needing: Sequence[Needs]
    response: Mapping[str, Any]
    captures: list[CaptureSpec]
    comparisons: list[CaptureSpec]
    choosing: CaptureSpec | None
    prompted: Sequence[CaptureSpec]
    readers: Readers
    engine: Engine
    engine_why: str
    profile: Profile | None = None

    def splits(self, *scored: Split) -> Mapping[CaptureSpec, frozenset[Part]]:
        """Of which rows each capture is made, where these are scored."""
        found = dict(capture_splits(self.needing, self.response, *scored))
        if self.profile is not None:
            found |= capture_splits(self.profile.parts.values(), self.response, EVALUATED)
        return found

    def readers_of(self, prompts: Sequence[Prompt]) -> Readers:
        """What compares answers to these prompts."""
        if not self.prompted:
            return self.readers
        chat = any(prompt.chat for prompt in prompts)
        return replace(self.readers, judge=JudgeReader(self.engine, self.prompted[0], chat=chat))


def ask(
    config: RunConfig,
    scorers: dict[str, Scorer],
    folder: Path | None,
    beside: Sequence[CaptureSpec] = (),
    profile: Profile | None = None,
) -> Asked:
    """What these scorers and the answers that are judged need, on an engine that can give it.

    Args:
        folder: where the configuration's relative paths start.
        beside: what else is captured of the rows that are scored, for `emi`.
        profile: what is asked for beside the scorers, of parts of the input.

    Raises:
        ConfigError: nothing that is there can.
    """
    parts = {} if profile is None else profile.named
    comparisons = required_comparisons(scorers.values())
    choosing = chosen_by(comparisons)
    needing: list[Needs] = [*scorers.values(), *_answers(config, choosing, scorers)]
    needing += [_Answers(tuple(beside))] if beside else []
    response = richest_response(needing, {"max_new_tokens": config.response.max_new_tokens})
    everything = [*needing, *parts.values()]
    captures = required_captures(everything, response)
    check_words(scorers, config)
    rule = chosen_rule(config.correctness)
    judges = rule is not None and "entailed" in rule.reads
    readers = make_readers(config, folder, comparisons, judges=judges)
    prompted = asked_of_engine(config.models, comparisons)
    engine, why = make_engine(config, folder, [*captures, *prompted])
    response = within_reach(engine, response)
    captures = required_captures(everything, response)
    check_captures(engine, {**scorers, **parts}, [*captures, *prompted], beside)
    return Asked(
        scorers, needing, response, captures, comparisons, choosing, prompted, readers, engine, why, profile
    )


@dataclass(frozen=True, slots=True)
class _Answers:
    """What asks for captures beside the scorers: answers that are to be judged, say, whatever the scorers need."""

    needs: tuple[CaptureSpec, ...]
    fit_needs: tuple[CaptureSpec, ...] = ()
    background_needs: tuple[CaptureSpec, ...] = ()
    fitted_on: Split | None = None
    chosen_on: Split | None = None


def _answers(
    config: RunConfig, choosing: CaptureSpec | None, scorers: Mapping[str, Scorer]
) -> list[_Answers]:
    """Whether correctness is asked for: then the tuned model answers, also where no scorer needs that.

    Args:
        choosing: the comparison whose threshold is chosen by judged answers, and so asks for them.
        scorers: where one learns from which answers are right, a judge is asked about those that it learns from too.
    """
    split: Split | None = None if choosing is None else CHOSEN
    chosen = [] if choosing is None else [_Answers((), compared(choosing)[:1], fitted_on=split)]
    if not asks_for_answers(config.correctness) and choosing is None:
        return []
    if "tuned" not in config.models.by_role:
        raise ConfigError("correctness: judges the tuned model's answers, and models.tuned is missing")
    response = CaptureSpec.of("response", "tuned", max_new_tokens=config.response.max_new_tokens)
    rule = chosen_rule(config.correctness)
    judged = rule is not None and "reply" in rule.reads
    needs = (response, replies_of(config.models)) if judged else (response,)
    learning = [
        _Answers((), needs, fitted_on=scorer.fitted_on, chosen_on=scorer.chosen_on)
        for scorer in scorers.values()
        if judged and scorer.reads_correctness
    ]
    return [*chosen, *learning, _Answers(needs, fitted_on=split)]


def check_words(chosen: Mapping[str, Scorer], config: RunConfig) -> None:
    """Refuse what compares answers where none of their words are kept.

    Raises:
        ConfigError: a scorer reads them.
    """
    reading = next((name for name, scorer in chosen.items() if scorer.reads_answers), None)
    if reading and not config.text:
        raise ConfigError(
            f"scorers: {reading} reads the answers' words, and this run keeps none (--no-text)",
            hint="leave out the scorers that compare answers, or keep the text",
        )
