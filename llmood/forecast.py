"""What a plan will cost: requests, tokens, cache hits and a time, without loading a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmood.engines.captures import asked_draws, compared, shown_shots
from llmood.engines.observe import Observer
from llmood.engines.pace import answer_room
from llmood.engines.store import Store
from llmood.judging.shown import judge_of
from llmood.plan import Plan
from llmood.records import CaptureSpec

# What a model does where nothing was measured yet: useful operations a second, for one token's 2 · parameters.
# A modest machine each; a forecast that is too long disappoints nobody.
GUESSED_FLOPS: Mapping[str, float] = {"cpu": 3e10, "cuda": 3e13, "mps": 1e12}
GUESSED_SERVER = 1000.0  # tokens a second of a model whose size nobody knows


@dataclass(frozen=True, slots=True)
class Forecast:
    """One capture's cost.

    Attributes:
        capture: its id.
        requests: different inputs (the same text is run once); at most so many where they need a response.
        cached: how many of them the store already holds; None where that isn't known before all responses are there.
        tokens: of the requests that the store lacks.
        seconds: how long that may take.
        measured: whether the rate was measured in an earlier run (or nothing is left to run), else it is guessed, from
            the model's size where that is known.
    """

    capture: str
    requests: int
    cached: int | None
    tokens: int
    seconds: float
    measured: bool


def forecast(plan: Plan) -> list[Forecast]:
    """The cost of each capture, in the order in which it is run."""
    store = Store()
    observer = Observer(
        plan.engine,
        plan.prompts,
        store,
        private=not plan.config.text,
        splits=plan.splits,
        judge=judge_of(plan.judging, plan.samples),
    )
    recalled: set[CaptureSpec] = set()  # what is all stored, so that what needs it can be asked for
    found = []
    for spec in plan.captures:
        context = observer.context(spec)
        cached: int | None = None
        prompts = observer.prompts_of(spec)
        requests, tokens = len(prompts), sum(len(prompt.token_ids) for prompt in prompts)
        known = _needed(spec, plan.captures) <= recalled
        if known:
            wanted = observer.want(spec)
            located = observer.located(wanted)
            # Of several answers to a request, all have to be there.
            there = {key for key in wanted.requests if all(own in located for own in wanted.own_keys(key))}
            requests, cached = len(wanted.requests), len(there)
            tokens = sum(
                len(request.token_ids) for key, request in wanted.requests.items() if key not in there
            )
            if cached == requests and spec.kind in ("response", "generations"):
                observer.run(spec)  # reads the store; nothing is left for an engine
                recalled.add(spec)
        if (spec.kind == "response" and not spec.is_derived) or not known:
            tokens += (requests - (cached or 0)) * plan.config.response.max_new_tokens
        if not known and (shown := shown_shots(spec)) is not None:
            tokens += tokens * shown[0]  # each about as long as the prompt that it stands before
        if spec.kind == "generations":
            tokens += (requests - (cached or 0)) * answer_room(spec)
        if spec.kind == "response" and spec.is_derived:
            # The reply, behind prompt and answer.
            tokens += (requests - (cached or 0)) * int(dict(spec.params)["max_new_tokens"])
        rate = context.rate()
        seconds = tokens / (
            rate or _guessed_rate(plan.engine.describe(spec.model), plan.engine.identity(spec.model))
        )
        found.append(Forecast(spec.id, requests, cached, tokens, seconds, rate is not None or tokens == 0))
    return found


@dataclass(frozen=True, slots=True)
class Comparing:
    """What comparing answers may take, which is known when they are there.

    Attributes:
        capture: the comparison's id.
        reads: what a model reads: `pairs` of answers, or `texts`, of an encoder.
        most: at most so many; None where it depends on how many sentences or tokens the answers have.
    """

    capture: str
    reads: str
    most: int | None


def forecast_comparing(plan: Plan) -> list[Comparing]:
    """Upper bounds of what a model reads for each comparison; equal words and what is stored are not read."""
    found = []
    for spec in plan.comparisons:
        params = dict(spec.params)
        if params["rule"] not in ("nli", "judge", "embedding"):
            continue
        texts = params["rule"] == "embedding"
        splits = plan.splits.get(compared(spec)[0])
        samples = sum(splits is None or prompt.split in splits for prompt in plan.prompts)
        draws = int(params.get("n", 0))
        of_one = {
            "openers": draws if texts else draws * (draws - 1),
            "all": draws if texts else draws * (draws - 1),
            "spread": draws,
            "answer": draws + 1 if texts else 2 * draws,
        }.get(str(params["pairs"]))
        most = None if of_one is None else samples * of_one
        found.append(Comparing(spec.id, "texts" if texts else "pairs", most))
    return found


def _needed(spec: CaptureSpec, captures: Sequence[CaptureSpec]) -> set[CaptureSpec]:
    """The captures of a plan that have to be there before this one can be asked for."""
    if not spec.needs_response:
        return set()
    answer = ("response", spec.responder, "prompt")
    found = {each for each in captures if (each.kind, each.model, each.target) == answer}
    draws = asked_draws(spec)
    return found if draws is None else {*found, draws}


def _guessed_rate(described: Mapping[str, Any], identity: Mapping[str, Any]) -> float:
    """Tokens a second."""
    if described["parameters"] is None:
        return GUESSED_SERVER
    operations = 2.0 * max(int(described["parameters"]), 100_000)
    return GUESSED_FLOPS.get(str(identity.get("device")), GUESSED_FLOPS["cpu"]) / operations
