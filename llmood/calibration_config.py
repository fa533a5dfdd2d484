"""What a run makes of its `calibration` rows: `calibration`."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from llmood.strict import Strict, not_empty

Rate = Annotated[float, Field(gt=0, lt=1)]


Names = TypeVar("Names", bound=tuple[str, ...])


def each_once(value: Names) -> Names:
    """What holds no name twice, and at least one."""
    repeated = next((name for name in value if value.count(name) > 1), None)
    if repeated is not None:
        raise ValueError(f"'{repeated}' stands there twice")
    not_empty(value)
    return value


def switch(value: Any) -> Any:
    """`true` for all defaults, `false` for no calibration."""
    return {} if value is True else None if value is False else value


class CalibrationConfig(Strict):
    """The ID task's `calibration` rows are scored too: one half makes confidences of scores, the other thresholds.

    `calibrators` are fitted on judged answers. `false_alarms` is the share of ID samples that a threshold may flag, on
    average over calibration sets, and with probability 1 − `delta` for the one that is there. `wrong_answered` is the
    share of all samples that may be answered wrongly when flagged ones aren't answered; `error_among_answered` that of
    wrong answers among those that are given, with probability 1 − `delta`.
    """

    calibrators: Annotated[tuple[str, ...], AfterValidator(each_once)] = ("platt", "isotonic")
    false_alarms: Rate = 0.05
    delta: Rate = 0.1
    wrong_answered: Rate | None = None
    error_among_answered: Rate | None = None
