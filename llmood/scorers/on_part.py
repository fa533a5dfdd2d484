"""A scorer on one part of the input, the words or the picture, or with another picture in place of the right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmood.engines.base import ENCODER
from llmood.engines.captures import EQUIVALENCE
from llmood.engines.states import HIDDEN_STATES
from llmood.errors import ConfigError
from llmood.modality_config import PARTS, ModalityConfig
from llmood.picture_records import Control
from llmood.records import CaptureSpec
from llmood.registry import suggest
from llmood.scorers.base import Scorer
from llmood.scorers.baselines import BASELINES
from llmood.scorers.elsewhere import Elsewhere
from llmood.scorers.on_adapter import is_on_adapter
from llmood.scorers.representation import Representation
from llmood.scorers.states import EYE

OF_WORDS = frozenset({"prompt_logprobs", "prompt_moments"})
"""What is captured of a prompt's words, one by one."""
LATER = frozenset({"generations", EQUIVALENCE})
ELSEWHERE = {"blank": "mean_image", "no_question": "mean_text"}
"""By control, the position whose tokens say nothing of the part that is left."""
OWN = {"blank": "mean_text", "no_question": "mean_image"}
"""And the one that takes its place: what a scorer reads of one side on the whole, it reads of the side that is left."""
IN_WORDS = {
    "blank": "its words, the picture grey",
    "no_question": "its picture, the question left out",
    "shuffled": "another sample’s picture in place of its own",
    "noise": "noise in place of its picture",
}


class OnPart(Elsewhere):
    """A scorer on the part of each sample that a control leaves: it learns from that part of `train`'s rows, too.

    One that reads states at the tokens of one side reads them at those of the side that is left.

    Args:
        scorer: the scorer on the whole; a copy of it is fitted.
    """

    def __init__(self, *, scorer: Scorer, control: Control) -> None:
        super().__init__(scorer, lambda spec: part_of(spec, control))
        if isinstance(self.scorer, Representation) and self.scorer.position == ELSEWHERE[control]:
            self.scorer.position = OWN[control]
        self.control = control

    @property
    def definition(self) -> str | None:
        return _described(self.scorer, self.control)


class WithOther(Elsewhere):
    """A scorer as it is, of samples with another picture: what it has learned is what it learned of the whole.

    Args:
        scorer: the scorer on the whole, which is fitted before this one scores.
    """

    def __init__(self, *, scorer: Scorer, control: Control) -> None:
        super().__init__(scorer, lambda spec: spec.under(control))
        self.scorer = scorer
        self.control = control
        self.fitted_on = self.chosen_on = None  # type: ignore[misc]  # by itself it learns nothing

    @property
    def fit_needs(self) -> tuple[CaptureSpec, ...]:
        return ()

    @property
    def definition(self) -> str | None:
        return _described(self.scorer, self.control)


def part_of(spec: CaptureSpec, control: Control) -> CaptureSpec:
    """A capture of one part; of hidden states without the position that says nothing of it, or that it doesn't have."""
    if spec.kind != HIDDEN_STATES or "positions" not in dict(spec.params):
        return spec.under(control)
    params = dict(spec.params)
    kept = [each for each in str(params["positions"]).split(",") if each.strip() != ELSEWHERE.get(control)]
    params["positions"] = ",".join(kept)
    return CaptureSpec.of(spec.kind, spec.model, spec.target, **params).under(control)


def _described(scorer: Scorer, control: Control) -> str:
    own = scorer.definition
    return f"{own}; of {IN_WORDS[control]}" if own else f"of {IN_WORDS[control]}"


@dataclass(frozen=True, slots=True)
class Profile:
    """What the modality profile of a run is made of.

    Attributes:
        scorers: the names of those that are profiled, in their order.
        parts: by (name, control), the scorer there.
        left_out: by (name, control), why there is none.
    """

    scorers: tuple[str, ...]
    parts: Mapping[tuple[str, Control], Elsewhere]
    left_out: Mapping[tuple[str, Control], str]

    @property
    def deciding(self) -> str | None:
        """The first scorer that reads both parts: its AUROC decide which side is new."""
        both = (name for name in self.scorers if all((name, control) in self.parts for control in PARTS))
        return next(both, None)

    @property
    def named(self) -> dict[str, Elsewhere]:
        """All of them, named for messages."""
        return {f"{name} ({control})": part for (name, control), part in self.parts.items()}

    def under(self, control: Control) -> dict[str, Elsewhere]:
        """The scorers of one part, by the scorer's own name."""
        return {name: part for (name, own), part in self.parts.items() if own == control}


def make_profile(config: ModalityConfig | None, scorers: Mapping[str, Scorer]) -> Profile | None:
    """The scorers of each part; None where no profile is asked for.

    Args:
        scorers: the run's.

    Raises:
        ConfigError: a name is not among them.
    """
    if config is None:
        return None
    own = [name for name in scorers if name not in BASELINES and not is_on_adapter(name)]
    for position, name in enumerate(config.scorers or ()):
        if name not in own:
            raise ConfigError(
                f"modality.scorers[{position}]: {name} is not among the run's scorers",
                hint=suggest(name, own) or "name it in 'scorers' too",
            )
    whys = {
        (name, control): why_not(scorers[name], control)
        for name in config.scorers or [name for name in own if _is_cheap(scorers[name])]
        for control in config.controls
    }
    # Named ones stay, with their reasons; of those that nobody named, what reads none of it is no part of the profile.
    names = tuple(
        name
        for name in dict.fromkeys(name for name, _ in whys)
        if config.scorers is not None or any(whys[name, control] is None for control in config.controls)
    )
    parts = {
        (name, control): _placed(scorers[name], control)
        for (name, control), why in whys.items()
        if why is None
    }
    left_out = {key: why for key, why in whys.items() if why is not None and key[0] in names}
    return Profile(names, parts, left_out)


def _placed(scorer: Scorer, control: Control) -> Elsewhere:
    made = OnPart if control in PARTS else WithOther
    return made(scorer=scorer, control=control)


def _is_cheap(scorer: Scorer) -> bool:
    """Whether it reads the prompt in one pass: a profile that nobody asked that of decodes no answers."""
    needs = (*scorer.needs, *scorer.fit_needs)
    return bool(needs) and not any(spec.needs_response or spec.kind == "response" for spec in needs)


def why_not(scorer: Scorer, control: Control) -> str | None:
    """Why a scorer can't be had under a control; None where it can."""
    needs = (*scorer.needs, *scorer.fit_needs)
    if not needs:
        return "it reads nothing of a model that is shown the picture"
    encoded = any(spec.model == ENCODER for spec in needs)
    if encoded or scorer.reads_text:
        return "an encoder reads it, outside of any prompt" if encoded else "it reads the words by themselves"
    if scorer.reads_correctness:
        return "it learns from which answers are right, and none of a part is judged"
    if scorer.reads_answers or any(spec.is_derived or spec.kind in LATER for spec in needs):
        return "it takes more than one answer, or asks about one"
    if scorer.background is not None:
        return "it reads a background, which has no such part"
    if control == "no_question" and any(spec.kind in OF_WORDS and spec.target == "prompt" for spec in needs):
        return "it scores the question’s words, and none are left"
    return _why_not_there(scorer, control) if isinstance(scorer, Representation) else None


def _why_not_there(scorer: Representation, control: Control) -> str | None:
    """Why a scorer's position says nothing of a part."""
    if control == "blank" and scorer.position == EYE:
        return f"it reads {EYE}, which says nothing of this part"
    if control in PARTS and scorer.position == ELSEWHERE[control]:
        kept = str(scorer.hidden_states.get("positions", ""))
        if OWN[control] not in {each.strip() for each in kept.split(",")}:
            return f"it reads {scorer.position}, and of this side the run keeps no {OWN[control]}"
    return None


def check_profile(config: ModalityConfig, found: Profile) -> None:
    """Refuse a profile that can't say what it is for.

    Raises:
        ConfigError: no scorer can be had under one of its controls, or none reads both parts and both are asked for.
    """
    lacking = [control for control in config.controls if not found.under(control)]
    if not lacking and (found.deciding or not set(PARTS) <= set(config.controls)):
        return
    shown = "; ".join(dict.fromkeys(f"{name}: {why}" for (name, _), why in found.left_out.items()))
    what = IN_WORDS[lacking[0]] if lacking else "both parts"
    raise ConfigError(
        f"modality: no scorer of the run can be had of {what}{f' ({shown})' if shown else ''}",
        hint="add a scorer of hidden states, such as mahalanobis, to 'scorers'",
    )
