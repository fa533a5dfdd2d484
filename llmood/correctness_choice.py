"""What a configuration or a task may write under `correctness`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

TASK, NONE = "task", "none"  # as each task says; not at all
LABELS = "labels"

Choice = str | Mapping[str, Any]


def asks_for_answers(choice: Choice | None) -> bool:
    """Whether the model has to answer for this: labels are of answers that people have seen, wherever they were."""
    return choice not in (None, NONE) and not (isinstance(choice, Mapping) and LABELS in choice)


def correctness_choice(*, labels: bool) -> Callable[[Any], Any]:
    """A validator: a rule's name, or `{rule: {argument: number}}`; where a run chooses, `{labels: FILE}` too."""

    def check(value: Any) -> Any:
        if isinstance(value, str) or value is None:
            return value
        if not isinstance(value, Mapping) or len(value) != 1:
            raise ValueError(f"a rule's name, or {{name: {{argument: value}}}}, is needed, not {value!r}")
        ((name, given),) = value.items()
        if not isinstance(name, str):
            raise ValueError(f"a rule's name is a text, not {name!r}")
        if labels and name == LABELS:
            if not isinstance(given, str) or not given:
                raise ValueError(f"labels are a file, not {given!r}")
        elif not isinstance(given, Mapping):
            raise ValueError(f"the arguments of a rule are a mapping, not {given!r}")
        else:
            _check_arguments(given)
        return value

    return check


def _check_arguments(given: Mapping[Any, Any]) -> None:
    for name, argument in given.items():
        number = isinstance(argument, int | float) and not isinstance(argument, bool)
        if not isinstance(name, str) or not number or not math.isfinite(argument):
            raise ValueError(
                f"an argument of a rule is a name and a finite number, not {name!r}: {argument!r}"
            )
