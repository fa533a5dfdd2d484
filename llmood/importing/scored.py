"""Which token each log-probability of a row belongs to. What could be off by one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmood.importing import values
from llmood.importing.values import Logprobs, Tokens
from llmood.tasks.row_errors import RowError


@dataclass(frozen=True, slots=True)
class Answer:
    """A response or a draw."""

    text: str
    tokens: Tokens | None = None
    logprobs: Logprobs | None = None
    finish: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """Log-probabilities of what a model was fed, one a token.

    Attributes:
        spans: its parts as (name, start, end).
    """

    logprobs: Logprobs
    spans: tuple[tuple[str, int, int], ...]
    ids: tuple[int, ...] | None


def check_answer(name: str, logprobs: Logprobs, tokens: Tokens | None) -> None:
    """R log-probabilities of R tokens.

    Raises:
        RowError: one is null, or they are not as many.
    """
    if None in logprobs:
        raise RowError(f"{name}[{logprobs.index(None)}] is null: every answer token has a log-probability")
    if tokens is not None and len(logprobs) != tokens.count:
        raise RowError(f"{name}: {len(logprobs)} numbers for {tokens.count} tokens")


def read_scored(
    row: Mapping[str, Any], response: Answer | None
) -> tuple[Tokens | None, dict[tuple[str, str], Scored]]:
    """The prompt's tokens, and by model role and target what was fed with its log-probabilities.

    Raises:
        RowError: they don't fit the tokens, or one another.
    """
    asked = values.tokens("prompt_tokens", row["prompt_tokens"]) if "prompt_tokens" in row else None
    found: dict[tuple[str, str], Scored] = {}
    for role, logprobs in _given(row, "prompt_logprobs").items():
        aligned = align_prompt(f"prompt_logprobs ({role})", logprobs, asked)
        asked = asked or Tokens(len(aligned))
        found[role, "prompt"] = Scored(aligned, (("prompt", 0, asked.count),), asked.ids)
    if response is None:
        for key in ("response_alone_logprobs", "prompt_response_logprobs"):
            if key in row:
                raise RowError(f"{key} without a response")
        return asked, found
    given = _given(row, "response_logprobs")
    alone, whole = _given(row, "response_alone_logprobs"), _given(row, "prompt_response_logprobs")
    said = response.tokens
    for role, logprobs in given.items():
        check_answer(f"response_logprobs ({role})", logprobs, said)
        said = said or Tokens(len(logprobs))
    for role, logprobs in alone.items():
        said = _check_alone(f"response_alone_logprobs ({role})", logprobs, said)
        found[role, "response"] = Scored(logprobs, (("response", 0, said.count),), said.ids)
    for role, logprobs in whole.items():
        said = _check_whole(f"prompt_response_logprobs ({role})", logprobs, asked, said)
    for role in dict.fromkeys((*given, *whole)):
        before = found.get((role, "prompt"))
        if role != "tuned" and role not in whole and before is None:
            raise RowError(
                f"response_logprobs ({role}) without prompt_logprobs of that model: nothing could be made of them"
            )
        joined = whole.get(role) or ((*before.logprobs, *given[role]) if before else None)
        if joined and asked and said:
            found[role, "prompt_response"] = _both(joined, asked, said)
    return asked, found


def _given(row: Mapping[str, Any], key: str) -> dict[str, Logprobs]:
    return values.by_role(key, row[key]) if key in row else {}


def align_prompt(name: str, logprobs: Logprobs, tokens: Tokens | None) -> Logprobs:
    """T log-probabilities of T tokens, the first null.

    Raises:
        RowError: they are not as many as the tokens, or it can't be told which token each belongs to.
    """
    if None in logprobs[1:]:
        raise RowError(
            f"{name}[{logprobs.index(None, 1)}] is null: only the first token has nothing before it"
        )
    if logprobs[0] is None:
        if tokens is not None and len(logprobs) != tokens.count:
            raise RowError(f"{name}: {len(logprobs)} entries for {tokens.count} tokens")
        return logprobs
    if tokens is None:
        raise RowError(
            f"{name} begins with a number, and prompt_tokens is not there to tell whose it is: "
            "put null before it if it is the second token's"
        )
    if len(logprobs) == tokens.count:
        raise RowError(
            f"{name}: {tokens.count} numbers for {tokens.count} tokens, but the first token has nothing before "
            "it: its entry is null"
        )
    if len(logprobs) != tokens.count - 1:
        raise RowError(f"{name}: {len(logprobs)} numbers for {tokens.count} tokens")
    return (None, *logprobs)


def _check_alone(name: str, logprobs: Logprobs, tokens: Tokens | None) -> Tokens:
    # Fed with nothing before it, an answer's first token has no log-probability; behind a begin token it has one.
    if None in logprobs[1:]:
        raise RowError(
            f"{name}[{logprobs.index(None, 1)}] is null: only the first token may have nothing before it"
        )
    if tokens is not None and len(logprobs) != tokens.count:
        raise RowError(f"{name}: {len(logprobs)} entries for {tokens.count} tokens")
    return tokens or Tokens(len(logprobs))


def _check_whole(name: str, logprobs: Logprobs, asked: Tokens | None, said: Tokens | None) -> Tokens:
    if logprobs[0] is not None or None in logprobs[1:]:
        raise RowError(f"{name}: the first entry is null, and no other is")
    if asked is None:
        raise RowError(f"{name} without prompt_tokens: it can't be told where the answer begins")
    count = len(logprobs) - asked.count
    if count < 1 or asked.count < 1 or (said is not None and count != said.count):
        answer = f"{said.count} tokens of answer" if said else "an answer"
        raise RowError(f"{name}: {len(logprobs)} entries for {asked.count} tokens of prompt and {answer}")
    return said or Tokens(count)


def _both(logprobs: Logprobs, asked: Tokens, said: Tokens) -> Scored:
    ids = (*asked.ids, *said.ids) if asked.ids is not None and said.ids is not None else None
    end = asked.count + said.count
    return Scored(logprobs, (("prompt", 0, asked.count), ("response", asked.count, end)), ids)
