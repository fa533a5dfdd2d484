"""The vectors that stand for prompts, answers and references: which captures they are, and what they are of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmood.emi_config import EmiConfig, StatesRole
from llmood.engines.base import EMBEDDING
from llmood.engines.observations import Observations
from llmood.engines.states import HIDDEN_STATES
from llmood.errors import ConfigError
from llmood.prompting.words import ANSWER_WORDS, REFERENCE_WORDS
from llmood.records import CaptureSpec
from llmood.scorers.drawn import reasons_of
from llmood.scorers.states import states_at

ENCODER: Literal["encoder"] = "encoder"
EMBEDDING_LAYER = 0
WORDS = "mean_prompt"
IMAGE, TEXT = "image", "text"
POSITIONS: Mapping[str, str] = {IMAGE: "mean_image", TEXT: "mean_text"}
ANSWER, REFERENCE = "answer", "reference"
LACKING = "no state"

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EmiCaptures:
    """What is read, of whose states.

    Attributes:
        parts: of the prompt, by name (`image`, `text`): the capture and the position in it.
        answer, reference: their words alone, so that the same words are the same vector.
    """

    role: str
    parts: Mapping[str, tuple[CaptureSpec, str]]
    answer: CaptureSpec
    reference: CaptureSpec

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        """All captures, each once."""
        own = (*(spec for spec, _ in self.parts.values()), self.answer, self.reference)
        return tuple(dict.fromkeys(own))

    @property
    def read(self) -> dict[str, tuple[CaptureSpec, str]]:
        """All that is read, by what it is of."""
        return {**self.parts, ANSWER: (self.answer, WORDS), REFERENCE: (self.reference, WORDS)}


def emi_captures(config: EmiConfig, roles: Collection[str], *, pictures: bool) -> EmiCaptures:
    """What EMI reads of a run whose models have these roles.

    Args:
        roles: `encoder` among them, where there is one.
        pictures: whether a task has some.

    Raises:
        ConfigError: nobody answers, or the states asked for are nobody's, or see no picture.
    """
    if "tuned" not in roles:
        raise ConfigError("emi: reads the tuned model's answers, and models.tuned is missing")
    able: Sequence[StatesRole] = ("base", "tuned") if pictures else (ENCODER, "base", "tuned")
    role: str = config.states or next(name for name in able if name in roles)
    if role not in roles:
        raise ConfigError(f"emi.states: {role}, and models.{role} is missing")
    if role not in able:
        raise ConfigError(
            "emi.states: encoder, which reads words alone, and a task has pictures",
            hint="write base or tuned, or leave it out",
        )
    words, answer, reference = (
        _capture(role, target, WORDS) for target in ("prompt", ANSWER_WORDS.target, REFERENCE_WORDS.target)
    )
    parts = {TEXT: (words, WORDS)}
    if pictures:
        seen = _capture(role, "prompt", ",".join(POSITIONS.values()))
        parts = {name: (seen, position) for name, position in POSITIONS.items()}
    return EmiCaptures(role, parts, answer, reference)


def _capture(role: str, target: str, positions: str) -> CaptureSpec:
    if role == ENCODER:
        return CaptureSpec.of(EMBEDDING, role, target)
    return CaptureSpec.of(HIDDEN_STATES, role, target, layers=str(EMBEDDING_LAYER), positions=positions)


def captured(config: EmiConfig, roles: Collection[str], observations: Observations) -> EmiCaptures:
    """What EMI reads of a run that is there.

    Raises:
        ConfigError: as `emi_captures`, or the run didn't capture that.
    """
    needed = emi_captures(config, roles, pictures=False)
    if needed.role != ENCODER or config.states is None:
        seeing = emi_captures(config, roles, pictures=True)
        if all(observations.has(spec) for spec in seeing.needs):
            return seeing
    lacking = next((spec for spec in needed.needs if not observations.has(spec)), None)
    if lacking is not None:
        raise ConfigError(
            f"emi: needs {lacking.id}, which the run didn't capture",
            hint="'llmood run' with 'emi' in the configuration captures it",
        )
    return needed


@dataclass(frozen=True, slots=True)
class EmiStates:
    """Vectors of length 1 of some of a run's rows, float32 (n, d) each.

    Attributes:
        rows: where these samples stand.
        parts: of the prompt, by name.
        lacking: of the rows that were asked for and have not all of these, why: row → reason.
    """

    rows: Rows
    parts: Mapping[str, NDArray[np.float32]]
    answers: NDArray[np.float32]
    references: NDArray[np.float32]
    lacking: Mapping[int, str]

    @property
    def prompts(self) -> NDArray[np.float32]:
        """x: the mean of the parts."""
        found = np.mean(list(self.parts.values()), axis=0, dtype=np.float32)
        return np.asarray(found, np.float32)


def read_states(observations: Observations, captures: EmiCaptures, rows: Rows) -> EmiStates:
    """The states of these rows of the observations, of those that have all."""
    ids = observations.samples["sample_id"].to_pylist()
    # In the order of the samples, as `only` gives them.
    rows = np.sort(rows)
    wanted = observations.only([ids[row] for row in rows])
    found: dict[str, NDArray[np.float32]] = {}
    reasons: dict[int, str] = {}
    for name, (spec, position) in captures.read.items():
        states = states_at(wanted, spec, EMBEDDING_LAYER, position)
        found[name] = _unit(states) if states.shape[1] else np.full((len(rows), 1), np.nan, np.float32)
        for place, reason in _reasons(wanted, spec).items():
            reasons.setdefault(place, reason)
        for place in np.flatnonzero(~np.isfinite(found[name]).all(axis=1)).tolist():
            reasons.setdefault(place, f"{name}: {LACKING}")
    kept = np.array([place not in reasons for place in range(len(rows))], dtype=np.bool_)
    own = {name: states[kept] for name, states in found.items()}
    return EmiStates(
        rows[kept],
        {name: own[name] for name in captures.parts},
        own[ANSWER],
        own[REFERENCE],
        {int(rows[place]): reason for place, reason in sorted(reasons.items())},
    )


def _reasons(observations: Observations, spec: CaptureSpec) -> dict[int, str]:
    """Of the rows without an observation, why."""
    return {
        place: reason
        for block in observations.blocks([spec], {spec.kind: []})
        for place, reason in zip(block.positions.tolist(), reasons_of(block[spec]), strict=True)
        if reason is not None
    }


def _unit(states: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of length 1; NaN where there is no state, or one of zeros."""
    lengths = np.sqrt((states.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(states / np.where(lengths > 0, lengths, np.nan), np.float32)
