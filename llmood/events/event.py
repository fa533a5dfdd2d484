"""One decision of a guard, as a record, as JSON and as a row of Arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal, Self

import pyarrow as pa

from llmood.records import OK, Status
from llmood.tokenise import unquoted

Source = Literal["score", "chat", "completions"]
Stage = Literal["pre", "post"]
Action = Literal["scored", "passed", "refused"]

_TEXT, _NUMBER, _TRUTH = pa.string(), pa.float64(), pa.bool_()
SCHEMA = pa.schema(
    [
        pa.field("event_id", _TEXT, nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("request_id", _TEXT, nullable=False),
        pa.field("source", _TEXT, nullable=False),
        pa.field("detector", _TEXT, nullable=False),
        pa.field("model", _TEXT),
        pa.field("stage", _TEXT, nullable=False),
        pa.field("score", _NUMBER),
        pa.field("p_value", _NUMBER),
        pa.field("flag", _TRUTH),
        pa.field("confidence", _NUMBER),
        pa.field("answers", pa.map_(_TEXT, _TRUTH), nullable=False),
        pa.field("parts", pa.map_(_TEXT, _NUMBER), nullable=False),
        pa.field("status", _TEXT, nullable=False),
        pa.field("reason", _TEXT),
        pa.field("action", _TEXT, nullable=False),
        pa.field("text", _TEXT),
        pa.field("text_hash", _TEXT),
        pa.field("seconds", _NUMBER, nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Event:
    """One decision.

    Attributes:
        event_id: no other event has it.
        time: when the question came, with its zone.
        request_id: that of the request; one request may ask several questions.
        source: the route that it came by.
        detector: the digest of the detector that decided.
        model: that the request asked for.
        stage: whether it was decided before or after the answer.
        score: None where the status is not `ok`, and so is `flag`.
        answers: for each promise about wrong answers, whether the question may be answered.
        parts: the score of each scorer.
        text: what was asked; None where no text is kept.
        text_hash: `identity.digest` of it.
        seconds: from arrival to decision.
    """

    event_id: str
    time: datetime
    request_id: str
    source: Source
    detector: str
    model: str | None
    stage: Stage
    score: float | None
    p_value: float | None
    flag: bool | None
    confidence: float | None
    answers: Mapping[str, bool | None]
    parts: Mapping[str, float | None]
    status: Status
    reason: str | None
    action: Action
    text: str | None
    text_hash: str | None
    seconds: float

    def without_text(self) -> Event:
        """The same without a user's words, also in its reason."""
        return replace(self, text=None, reason=None if self.reason is None else unquoted(self.reason))

    def to_json(self) -> dict[str, Any]:
        """Plain values; the time as ISO 8601 in UTC, with microseconds.

        Raises:
            ValueError: a value is of another kind: `from_json` would refuse it.
        """
        if self.time.tzinfo is None:
            raise ValueError("time: has no zone")
        found = {name: getattr(self, name) for name in NAMES}
        found["time"] = self.time.astimezone(UTC).isoformat(timespec="microseconds")
        found |= {"answers": dict(self.answers), "parts": dict(self.parts)}
        _check_all(found)
        return found

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """What `to_json` gave.

        Raises:
            ValueError: another key, or a value of another kind.
        """
        if not isinstance(value, dict) or {*value} != {*NAMES}:
            raise ValueError(f"an event has the keys {', '.join(NAMES)}")
        _check_all(value)
        time = datetime.fromisoformat(value["time"])
        if time.tzinfo is None:
            raise ValueError("time: has no zone")
        return cls(**value | {"time": time})


NAMES = tuple(field.name for field in fields(Event))


def _check_all(value: Mapping[str, Any]) -> None:
    for name, fits, nullable in _RULES:
        own = value[name]
        if not (fits(own) or (nullable and own is None)):
            raise ValueError(f"{name}: is {own!r:.40}")
    scored = value["score"] is not None and value["flag"] is not None
    if scored != (value["status"] == OK):
        raise ValueError(
            f"status: is {value['status']!r:.40}, with{'' if scored else 'out'} a score and a flag"
        )


def _is_number(value: Any) -> bool:
    kind = type(value)
    return (kind is float or kind is int or isinstance(value, float)) and isfinite(value)


def _fits(kind: pa.DataType) -> Callable[[Any], bool]:
    """The rule for a field of this type, worked out once: events are checked whenever they are written or read."""
    if pa.types.is_map(kind):
        each = _fits(kind.item_type)
        return lambda value: (
            isinstance(value, dict) and all(own is None or each(own) for own in value.values())
        )
    if kind == _TRUTH:
        return lambda value: value is True or value is False
    return _is_number if kind == _NUMBER else lambda value: isinstance(value, str)


_RULES = [(field.name, _fits(field.type), field.nullable) for field in SCHEMA]


def table_of(events: Sequence[Event]) -> pa.Table:
    """Events as a table of `SCHEMA`; half a surrogate pair, which no UTF-8 holds, is written as its escape."""
    return pa.table([_column(events, field) for field in SCHEMA], schema=SCHEMA)


def _column(events: Sequence[Event], field: pa.Field) -> pa.Array:
    values = [getattr(event, field.name) for event in events]
    if pa.types.is_map(field.type):
        values = [[(_storable(name), each) for name, each in value.items()] for value in values]
    elif field.type == _TEXT:
        values = [None if value is None else _storable(value) for value in values]
    return pa.array(values, field.type)


def _storable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def events_of(table: pa.Table) -> list[Event]:
    """The events of a table of `SCHEMA`."""
    rows = table.select(SCHEMA.names).to_pylist()
    return [Event(**row | {"answers": dict(row["answers"]), "parts": dict(row["parts"])}) for row in rows]
