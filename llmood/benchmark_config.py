"""What a run is measured on: `benchmark`, and the files that benchmarks stand in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictInt, model_validator

from llmood.strict import Strict, not_empty


def _each_once(value: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = next((each for each in value if value.count(each) > 1), None)
    if repeated is not None:
        raise ValueError(f"{repeated!r} stands there twice")
    return value


class ShiftedTask(Strict):
    """One OOD task of a benchmark. `note` is shown beside its numbers (a known overlap, say).

    `corruption` makes it of a task's own texts or pictures (the ID task's, where `task` is left out), in the grade
    `severity`, or in all of them. Tasks of one `family` are grades of one shift: they make a severity curve.
    """

    task: str | None = None
    shift: Literal["near", "far", "covariate"] = "covariate"
    severity: StrictInt | None = Field(default=None, ge=0)
    corruption: str | None = None
    family: str | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _says_what_it_is(self) -> ShiftedTask:
        if self.corruption is None:
            missing = {"task", "shift"} - self.model_fields_set
            if missing:
                raise ValueError(f"'{min(missing, key=('task', 'shift').index)}' is missing")
            if self.family is not None and self.severity is None:
                raise ValueError("a family is made of grades: say which one this is with 'severity'")
        elif self.shift != "covariate":
            raise ValueError("a corruption keeps the meaning: its shift is 'covariate'")
        elif self.family is not None:
            raise ValueError("the grades of a corruption are a family already: leave 'family' out")
        return self


class Grid(Strict):
    """The ID task with corruptions of its pictures, of its words, and of both: each in each of the grades.

    The cells where one side is as it was are the same populations as those of `{corruption: NAME}`.
    """

    images: Annotated[tuple[str, ...], AfterValidator(_each_once), AfterValidator(not_empty)]
    texts: Annotated[tuple[str, ...], AfterValidator(_each_once), AfterValidator(not_empty)]
    grades: Annotated[
        tuple[Annotated[StrictInt, Field(ge=1, le=5)], ...],
        AfterValidator(_each_once),
        AfterValidator(not_empty),
    ] = (1, 3, 5)


class BenchmarkSpec(Strict):
    """One ID task and its OOD tasks; the OOD list may be empty. `grid` adds corrupted ones of a task with pictures."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    id: str
    ood: tuple[ShiftedTask, ...] = ()
    grid: Grid | None = None


def name_or_benchmark(value: Any) -> Any:
    """A benchmark that stands in the configuration itself, or the name of one."""
    if not isinstance(value, str | Mapping | BenchmarkSpec):
        raise ValueError(
            f"a benchmark's name, or a mapping with its 'id' and 'ood', is needed, not {value!r}"
        )
    return BenchmarkSpec.model_validate(value) if isinstance(value, Mapping) else value
