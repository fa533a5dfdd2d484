"""What every scorer is, in scikit-learn's manner, and how one is registered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, ClassVar, Literal, Self, get_type_hints

import numpy as np
from numpy.typing import NDArray

from llmood.engines.observations import Block, Observations
from llmood.errors import ConfigError
from llmood.records import OK, UNSCORED, CaptureSpec, Scores, Split
from llmood.registry import Registry, suggest

Probability = Literal["complement", "negative_log"]


class Scorer(ABC):
    """Observations in, one float a sample out; higher = more OOD / more uncertain.

    The constructor takes keyword arguments and only stores them (a ValueError for one that makes no sense is the user's
    mistake). A scorer that learns sets `fitted_on` and has `fit`; what it learns ends in `_`.
    """

    fitted_on: ClassVar[Split | None] = None
    """The split that `fit` learns from; None for a scorer that needs no fitting."""

    chosen_on: ClassVar[Split | None] = None
    """The split by which `fit` chooses, its second argument; None for a scorer that chooses nothing."""

    reads_correctness: ClassVar[bool] = False
    """Whether `fit`, or a prompt, reads which answers are right: a run that judges none can't be scored with it."""

    columns: ClassVar[Mapping[str, list[str]]] = {}
    """The columns it reads of each capture kind (all by default): what isn't named isn't loaded."""

    reads_text: ClassVar[bool] = False
    """Whether it reads the samples' `prompt`: a run that keeps no text can't be scored with it again."""

    reads_answers: ClassVar[bool] = False
    """Whether it reads the words of answers: a run that keeps no text can't be scored with it at all."""

    background: str | None = None
    """The task, beside the benchmark's, whose rows `fit` reads too: `train.background`. Most scorers have none."""

    probability: ClassVar[Probability | None] = None
    """How a score stands for a probability p that the judged answer is right: as `complement`, 1 − p, or as
    `negative_log`, −log p; None where it stands for none (of a class, of another answer, of a token on average)."""

    sureness: ClassVar[Probability | None] = None
    """How a score stands for how sure a model is of the class that it gives, or of the tokens that it reads or writes
    (on average): what tells rows that it was trained on from others (`measures.membership`). As in `probability`, and
    no probability that an answer is right; None where it says more, or something else."""

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        """The captures that it reads."""
        return ()

    @property
    def fit_needs(self) -> tuple[CaptureSpec, ...]:
        """The captures that only `fit` reads: they are made of the splits that it learns from, and of no other."""
        return ()

    @property
    def layers_read(self) -> tuple[tuple[CaptureSpec, float | str], ...]:
        """The layers that it was told to read, each with the capture of hidden states that has to hold it."""
        return ()

    @property
    def background_needs(self) -> tuple[CaptureSpec, ...]:
        """The captures that `fit` reads of the background's rows."""
        return () if self.background is None else (*self.needs, *self.fit_needs)

    @property
    def least_draws(self) -> int:
        """How many drawn answers to a prompt it needs; 0 for a scorer that reads none."""
        return 0

    @property
    def token_columns(self) -> Mapping[str, str]:
        """Of a capture kind, the column of numbers a token that it can't do without and that may be null."""
        return {}

    @property
    def definition(self) -> str | None:
        """What decides its numbers and its name leaves open (a rule of equivalence); written beside every score."""
        return None

    def check_train(self, texts: Sequence[str]) -> None:  # noqa: B027 - nothing to refuse by default
        """Refuse, before any model loads, what `fit` couldn't learn from; by default nothing.

        Args:
            texts: the prompts' words of the rows that it will learn from.

        Raises:
            ConfigError: they are too few.
        """

    def check_classes(self, labels: Sequence[str | None], domains: Sequence[str | None]) -> None:  # noqa: B027
        """Refuse, before any model loads, classes that `fit` couldn't learn from; by default nothing.

        Args:
            labels, domains: of the rows that it will learn from; None where a row has none.

        Raises:
            ConfigError: there are too few, and what would give it more.
        """

    def fit(self, train: Observations, validation: Observations | None = None) -> Self:
        """Learn from the ID task's `train` rows (and choose by its `validation` rows); nothing to learn by default."""
        return self

    @abstractmethod
    def score(self, block: Block) -> Scores:
        """One score a row, by that row alone: blocks concatenated equal the whole. NaN comes with a reason."""


@dataclass(frozen=True, slots=True)
class ScorerEntry:
    """A registered scorer id: the class and the arguments that make this variant."""

    id: str
    factory: Callable[..., Scorer]
    arguments: Mapping[str, Any]
    summary: str

    def make(self, arguments: Mapping[str, Any] | None = None, *, seed: int = 0, **settings: Any) -> Scorer:
        """The scorer itself; one that draws takes the run's seed.

        Args:
            arguments: the constructor's, on top of the variant's own.
            settings: further ones of the run, for the constructors that know them.

        Raises:
            ConfigError: the constructor has no such argument, or refuses its value.
        """
        known = parameters_of(self.factory)
        given = arguments or {}
        for name in given:
            if name not in known:
                raise ConfigError(f"{self.id} has no argument '{name}'", hint=suggest(name, known))
            if name in self.arguments:
                raise ConfigError(f"{self.id}: '{name}' is what its name says: {self.arguments[name]!r}")
        run = {name: value for name, value in {"seed": seed, **settings}.items() if name in known}
        try:
            made = self.factory(**{**run, **self.arguments, **given})
        except ValueError as error:
            raise ConfigError(f"{self.id}: {error}") from None
        except (TypeError, AttributeError):
            check_kinds(self, given)
            raise
        check_kinds(self, given)
        return made


def check_kinds(entry: ScorerEntry, given: Mapping[str, Any]) -> None:
    """Refuse arguments of another kind than the constructor names: to Python, the text "false" is true.

    Raises:
        ConfigError: one is of another kind.
    """
    for name, value in given.items():
        _check_kind(entry, name, value)


def _check_kind(entry: ScorerEntry, name: str, value: Any) -> None:
    from pydantic import TypeAdapter, ValidationError

    parents = entry.factory.__mro__ if isinstance(entry.factory, type) else ()
    for parent in parents:
        kinds = get_type_hints(vars(parent).get("__init__", object.__init__))
        if name in kinds:
            try:
                TypeAdapter(kinds[name]).validate_python(value, strict=True)
            except ValidationError as error:
                said = error.errors()[0]["msg"]
                raise ConfigError(f"{entry.id}: {name}: {said[0].lower()}{said[1:]}, not {value!r}") from None
            return


def parameters_of(factory: Callable[..., Scorer]) -> dict[str, Parameter]:
    """What a constructor takes, by name; of one that hands the rest on (`**name`), the parent's too."""
    found: dict[str, Parameter] = {}
    for parent in factory.__mro__ if isinstance(factory, type) else (factory,):
        own = dict(signature(parent).parameters)
        rest = [name for name, each in own.items() if each.kind is Parameter.VAR_KEYWORD]
        found = {name: each for name, each in own.items() if name not in rest} | found
        if not rest:
            break
    return found


scorers: Registry[ScorerEntry] = Registry("scorer", "llmood.scorers", "llmood.scorers")


def register(
    name: str, variants: Mapping[str, Mapping[str, Any]] | None = None
) -> Callable[[type[Scorer]], type[Scorer]]:
    """List a scorer class under `name`, and under `name + suffix` for each variant's constructor arguments."""

    def decorate(scorer: type[Scorer]) -> type[Scorer]:
        summary = (scorer.__doc__ or "").strip().partition("\n")[0]
        for suffix, arguments in (variants or {"": {}}).items():
            entry = ScorerEntry(name + suffix, scorer, arguments, summary)
            scorers.add(entry.id, entry)
        return scorer

    return decorate


def with_reasons(
    values: NDArray[np.float64], status: Iterable[str], reasons: Iterable[str | None], undefined: str
) -> Scores:
    """Scores of rows whose observation is there; elsewhere NaN with the observation's own status and reason.

    Args:
        values: float64 (n,), maybe NaN.
        status, reasons: of the observations that the values came from.
        undefined: why a value is NaN although its observation is there.
    """
    shown: list[str | None] = []
    kept = np.array(values, dtype=np.float64)
    for row, (state, reason) in enumerate(zip(status, reasons, strict=True)):
        if state != OK:
            kept[row] = np.nan
            shown.append(reason or state)
        else:
            shown.append(undefined if np.isnan(kept[row]) else None)
    return Scores(kept, shown)


__all__ = ["OK", "UNSCORED", "Scorer", "ScorerEntry", "register", "scorers", "with_reasons"]
