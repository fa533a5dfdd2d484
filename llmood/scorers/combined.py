"""What scorers of other scorers share: their members, and the members' scores side by side."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import ClassVar

import numpy as np

from llmood.engines.observations import Block, Observations
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec, Scores
from llmood.scorers.base import Scorer, scorers

Make = Callable[[str], Scorer]


class Combination(Scorer):
    """One score out of those of several scorers; a sample that one of them leaves unscored is unscored.

    Args:
        of: the scorers' names.
        make: how the run makes a scorer of that name; by default as it is when nothing is configured.
    """

    least: ClassVar[int] = 1
    members_: dict[str, Scorer]
    unfit_: str | None

    def __init__(self, *, of: Sequence[str], make: Make | None) -> None:
        if isinstance(of, str) or len(of) < self.least or len(set(of)) < len(of):
            raise ValueError(f"of is a list of at least {self.least} different scorers, not {of!r}")
        for name in of:
            factory = scorers.get(name).factory
            if isinstance(factory, type) and issubclass(factory, Combination):
                raise ValueError(f"{name} is made of scorers itself: name those")
        self.of = of
        self.make = make
        for name, member in self.members.items():
            # Those that show judged answers of train would show a row its own verdict.
            if member.chosen_on or member.reads_correctness or member.fitted_on not in (None, "train"):
                raise ValueError(f"{name} learns from validation or from verdicts, and can't be a member")

    @property
    def members(self) -> dict[str, Scorer]:
        """The scorers by name, not fitted."""
        make = self.make or (lambda name: scorers.get(name).make())
        return {name: make(name) for name in self.of}

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        return tuple(dict.fromkeys(spec for member in self.members.values() for spec in member.needs))

    @property
    def fit_needs(self) -> tuple[CaptureSpec, ...]:
        return tuple(dict.fromkeys(spec for member in self.members.values() for spec in member.fit_needs))

    @property
    def layers_read(self) -> tuple[tuple[CaptureSpec, float | str], ...]:
        return tuple(each for member in self.members.values() for each in member.layers_read)

    @property
    def background(self) -> str | None:  # type: ignore[override]  # the members' own
        named = {member.background for member in self.members.values() if member.background is not None}
        if len(named) > 1:
            raise ValueError(f"its members name several backgrounds, {' and '.join(sorted(named))}")
        return next(iter(named), None)

    @property
    def background_needs(self) -> tuple[CaptureSpec, ...]:
        return tuple(dict.fromkeys(s for member in self.members.values() for s in member.background_needs))

    @property
    def least_draws(self) -> int:
        return max(member.least_draws for member in self.members.values())

    @property
    def columns(self) -> Mapping[str, list[str]]:  # type: ignore[override]  # the members' own
        wanted: dict[str, set[str] | None] = {}
        for member in self.members.values():
            for kind in {spec.kind for spec in member.needs}:
                known = wanted.setdefault(kind, set())
                read = member.columns.get(kind)
                wanted[kind] = None if known is None or read is None else known | set(read)
        return {kind: sorted(names) for kind, names in wanted.items() if names is not None}

    @property
    def reads_text(self) -> bool:  # type: ignore[override]
        return any(member.reads_text for member in self.members.values())

    @property
    def reads_answers(self) -> bool:  # type: ignore[override]
        return any(member.reads_answers for member in self.members.values())

    @property
    def definition(self) -> str | None:
        shown = [
            name if member.definition is None else f"{name} ({member.definition})"
            for name, member in self.members.items()
        ]
        return f"of: {', '.join(shown)}"

    def check_train(self, texts: Sequence[str]) -> None:
        for member in self.members.values():
            if member.fitted_on == "train":
                member.check_train(texts)

    def check_classes(self, labels: Sequence[str | None], domains: Sequence[str | None]) -> None:
        for member in self.members.values():
            if member.fitted_on == "train":
                member.check_classes(labels, domains)

    def fit_members(self, train: Observations) -> None:
        """Fit those of the members that learn from `train`."""
        self.members_ = {
            name: copy(member).fit(train) if member.fitted_on else member
            for name, member in self.members.items()
        }

    def table(self, observations: Observations) -> Floats:
        """The members' scores of all rows, float64 (n, members), NaN where there is none."""
        found = np.full((observations.samples.num_rows, len(self.of)), np.nan)
        for block in observations.blocks(sorted(self.needs), dict(self.columns)):
            for place, member in enumerate(self.members_.values()):
                found[block.positions, place] = member.score(block).values
        return found

    @abstractmethod
    def combined(self, values: Floats) -> Floats:
        """From members' scores (n, members), without NaN, to one score a row."""

    def score(self, block: Block) -> Scores:
        if self.unfit_ is not None:
            return Scores(np.full(len(block), np.nan), [self.unfit_] * len(block))
        scores = {name: member.score(block) for name, member in self.members_.items()}
        values = np.column_stack([each.values for each in scores.values()])
        reasons: list[str | None] = [
            next((f"{name}: {each.reasons[row]}" for name, each in scores.items() if each.reasons[row]), None)
            for row in range(len(block))
        ]
        whole = ~np.isnan(values).any(axis=1)
        found = np.full(len(block), np.nan)
        if whole.any():
            found[whole] = self.combined(values[whole])
        return Scores(found, reasons)


def refuse_others(purpose: str, rows: Observations, *allowed: str) -> None:
    """Refuse rows of a split that this is not to learn from: the measured one first of all.

    Raises:
        ValueError: there are some.
    """
    others = set(rows.samples["split"].to_pylist()) - set(allowed)
    if others:
        raise ValueError(
            f"{purpose} is fitted on {' and '.join(allowed)}, not on {', '.join(sorted(map(str, others)))}"
        )
