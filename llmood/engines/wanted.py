"""What is wanted of an engine for one capture, and the rows that the store keeps of what it gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmood.engines.base import Captured, Request
from llmood.engines.prompts import Unmade
from llmood.engines.requests import draw_key
from llmood.engines.store import Context, Location
from llmood.records import CaptureSpec
from llmood.tables import SEVERAL_ROWS


@dataclass(frozen=True, slots=True)
class Wanted:
    """One capture of one run, before anything is run: each sample's request, or why there is none."""

    spec: CaptureSpec
    context: Context
    requests: dict[str, Request]
    keys: dict[str, str]
    unmade: dict[str, Unmade]

    def own_keys(self, key: str) -> Sequence[str]:
        """The keys of a request's rows in the store: its own, or one for each of several answers."""
        if self.spec.kind not in SEVERAL_ROWS:
            return [key]
        return [draw_key(key, draw) for draw in range(int(dict(self.spec.params)["n"]))]

    def rows(self, key: str, captured: Captured, *, private: bool) -> list[dict[str, Any]]:
        """All of one request that the store may keep, a row for each of its keys.

        Args:
            private: whether what an engine said of a failure is left out; see `without_words` for the rest.
        """
        values = captured.draws or [captured.values]
        own = zip(self.own_keys(key), values, strict=True)
        return [self._row(name, self.requests[key], captured, each, private=private) for name, each in own]

    def _row(
        self, key: str, request: Request, captured: Captured, values: Mapping[str, Any], *, private: bool
    ) -> dict[str, Any]:
        row = {
            "key": key,
            "status": captured.status,
            "reason": reason_of(captured, private=private),
            **values,
        }
        if self.spec.kind in ("prompt_logprobs", "prompt_moments"):
            spans = [{"name": name, "start": start, "end": end} for name, start, end in request.spans]
            row |= {"token_ids": list(request.token_ids), "spans": spans}
        if captured.states is not None:
            row["states"] = captured.states
        if self.spec.kind == "response":
            row |= {"temperature": 0.0, "top_p": 1.0, "seed": None}
        return row


def placed(key: str | None, draw: int, located: Mapping[str, Location], spec: CaptureSpec) -> dict[str, Any]:
    """What the index says of where an observation is; nulls where it is nowhere."""
    place = located.get(key) if key else None
    return {
        "key": key,
        "shard": place.shard if place else None,
        "row": place.row if place else None,
        "draw": draw if spec.kind in SEVERAL_ROWS and place else None,
    }


def without_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a private run: no text, and no tokens that spell one."""
    return {**row, "token_ids": None, "top_ids": None, "text": None}


def reason_of(captured: Captured, *, private: bool) -> str | None:
    """Why an engine gave nothing; of a private run without what it said, which may quote the prompt."""
    return captured.reason if captured.said is None or private else f"{captured.reason}: {captured.said}"
