"""What a run is measured on: `benchmark`, and the files that benchmarks stand in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, StrictInt, model_validator

from llmood.strict import Strict


class ShiftedTask(Strict):
    """One OOD task of a benchmark. `note` is shown beside its numbers (a known overlap, say).

    `corruption` makes it of a task's own texts (the ID task's, where `task` is left out), in the grade `severity`, or
    in all of them. Tasks of one `family` are grades of one shift: they make a severity curve.
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


class BenchmarkSpec(Strict):
    """One ID task and its OOD tasks; the OOD list may be empty."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    id: str
    ood: tuple[ShiftedTask, ...] = ()


def name_or_benchmark(value: Any) -> Any:
    """A benchmark that stands in the configuration itself, or the name of one."""
    if not isinstance(value, str | Mapping | BenchmarkSpec):
        raise ValueError(
            f"a benchmark's name, or a mapping with its 'id' and 'ood', is needed, not {value!r}"
        )
    return BenchmarkSpec.model_validate(value) if isinstance(value, Mapping) else value
