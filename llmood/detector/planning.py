"""What `llmood fit` will do, resolved and checked before any model loads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from llmood.calibrated import calibration_samples
from llmood.config import RunConfig
from llmood.config_file import load_config
from llmood.detector.confidence import check_calibrator, default_calibrator
from llmood.detector.kept_questions import check_keeping
from llmood.detector.observing import check_no_shots
from llmood.detector.targets import Targets
from llmood.engines.captures import RESPONSE
from llmood.errors import ConfigError
from llmood.halves import THRESHOLDS, halves
from llmood.plan import Plan
from llmood.planning import make_plan
from llmood.records import Reject
from llmood.registry import suggest
from llmood.scorers.base import Scorer
from llmood.scorers.choose import make_scorers
from llmood.scorers.combined import Combination


class Options(TypedDict, total=False):
    """How a detector may be fitted: see `fit_detector`."""

    overrides: Sequence[str]
    include: Sequence[Path]
    scorers: Sequence[str]
    calibrator: str | None
    false_alarms: float | None
    delta: float | None
    wrong_answered: float | None
    error_among_answered: float | None
    keep_questions: int


@dataclass(frozen=True, slots=True)
class FitPlan:
    """A detector before it is fitted: the plan of a run that observes the calibration rows, and what to promise.

    Attributes:
        scorers: those of the plan that are the detector's.
        folder: where relative paths of models start.
        keep_questions: so many calibration questions stay in the detector.
    """

    name: str
    plan: Plan
    scorers: tuple[str, ...]
    targets: Targets
    calibrator: str
    folder: Path | None
    keep_questions: int = 0

    @property
    def chosen(self) -> dict[str, Scorer]:
        """The detector's scorers."""
        return {name: self.plan.scorers[name] for name in self.scorers}

    @property
    def rows(self) -> dict[str, int]:
        """How many calibration rows each half has."""
        return dict(Counter(halves(calibration_samples(self.plan.samples))))

    @property
    def rejects(self) -> list[Reject]:
        """The rows that can't be read."""
        return self.plan.rejects


def plan_fit(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    overrides: Sequence[str] = (),
    include: Sequence[Path] = (),
    scorers: Sequence[str] = (),
    calibrator: str | None = None,
    keep_questions: int = 0,
    **promises: float | None,
) -> FitPlan:
    """Resolve what is to be fitted: see `fit_detector`."""
    parsed, folder, name = load_config(config, overrides)
    check_keeping(parsed, keep_questions)
    targets = Targets.of(parsed.calibration, promises)
    chosen, parsed = _choose(parsed, scorers)
    kind = calibrator or default_calibrator(parsed.calibration, chosen)
    check_calibrator(kind, chosen)
    plan = make_plan(parsed, folder=folder, include=include, measured=False)
    own = {each: plan.scorers[each] for each in chosen}
    check_no_shots(own)
    _check_words(own, parsed)
    label = Path(name).name.removesuffix(".yaml")
    found = FitPlan(label, plan, chosen, targets, kind, folder, keep_questions)
    _check_judged(found)
    targets.check(found.rows.get(THRESHOLDS, 0))
    return found


def _choose(config: RunConfig, wanted: Sequence[str]) -> tuple[tuple[str, ...], RunConfig]:
    """The scorers' names, and a configuration that asks for no more than these.

    A scorer of a combination keeps the arguments that the configuration gives it.
    """
    given = {(each if isinstance(each, str) else next(iter(each))): each for each in config.scorers}
    names = tuple(dict.fromkeys(wanted)) or (next(iter(given)),)
    asked = {name: given.get(name, name) for name in (each.partition("@")[0] for each in names)}
    made = make_scorers(config.model_copy(update={"scorers": tuple({**given, **asked}.values())}))
    for name in names:
        if name not in made:
            raise ConfigError(f"--scorer {name}: is none of the configuration's", hint=suggest(name, made))
    members = {member for name in asked for member in _members(made[name])}
    kept = {name: each for name, each in given.items() if name in members}
    return names, config.model_copy(update={"scorers": tuple({**asked, **kept}.values())})


def _members(scorer: Scorer) -> Sequence[str]:
    return list(scorer.members) if isinstance(scorer, Combination) else []


def _check_words(chosen: Mapping[str, Scorer], config: RunConfig) -> None:
    learning = next((name for name, each in chosen.items() if each.reads_text and each.fitted_on), None)
    if learning is not None and not config.text:
        raise ConfigError(
            f"scorers: {learning} keeps words of train in the detector, and this configuration keeps none (--no-text)",
            hint="leave it out, or keep the text",
        )


def _check_judged(planned: FitPlan) -> None:
    """Refuse a promise about wrong answers where nothing tells which are wrong."""
    plan, option = planned.plan, planned.targets.needs_verdicts
    answered = any(spec.kind == RESPONSE and not spec.is_derived for spec in plan.captures)
    if option is None or (plan.judging is not None and (answered or plan.judging.labels is not None)):
        return
    raise ConfigError(
        f"{option}: takes answers that are known to be right or wrong, and none is judged here",
        hint="--set correctness=task has answers given and judged; rows need references, choices or labels",
    )
