"""Which captures a set of scorers needs, and in which order they are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any, Protocol

from llmood.engines.base import Engine
from llmood.prompting.base import Template
from llmood.records import BACKGROUND, CaptureSpec, Part, Split


class Needs(Protocol):
    """What declares captures: a scorer."""

    @property
    def needs(self) -> Sequence[CaptureSpec]: ...

    @property
    def fit_needs(self) -> Sequence[CaptureSpec]: ...

    @property
    def background_needs(self) -> Sequence[CaptureSpec]: ...

    @property
    def fitted_on(self) -> Split | None: ...

    @property
    def chosen_on(self) -> Split | None: ...


def all_needs(scorers: Iterable[Needs]) -> list[CaptureSpec]:
    """What they read, for scoring or only for learning."""
    return [spec for scorer in scorers for spec in (*scorer.needs, *scorer.fit_needs)]


def required_response(spec: CaptureSpec, response_params: Mapping[str, Any]) -> CaptureSpec:
    """The response that has to be there before `spec` can be captured."""
    return CaptureSpec.of("response", spec.responder, **response_params).under(spec.control)


RESPONSE = "response"
ENOUGH = 20
"""How many of the likeliest tokens bound an entropy that nobody gives; vLLM gives no more unless it is told to."""


def richest_response(scorers: Iterable[Needs], response_params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run's one response: what it has anyway, and all that scorers ask to have recorded with it."""
    found = dict(response_params)
    given = given_for(all_needs(scorers))
    for name, value in (pair for spec in given if _is_response(spec) for pair in spec.params):
        if name in ("entropy", "statistics", "top"):
            found[name] = max(value, found.get(name, value))
    return found


def within_reach(engine: Engine, response_params: Mapping[str, Any]) -> dict[str, Any]:
    """The same; where the engine doesn't give the entropy, enough of the likeliest tokens to bound it."""
    found = dict(response_params)
    bounded = {name: value for name, value in found.items() if name != "entropy"}
    bounded["top"] = max(ENOUGH, found.get("top", 0))
    able = [engine.supports(CaptureSpec.of(RESPONSE, "tuned", **params)) for params in (found, bounded)]
    return bounded if found.get("entropy") and able == [False, True] else found


def serves(recorded: CaptureSpec, wanted: CaptureSpec) -> bool:
    """Whether a response that was recorded has what is wanted of one, maybe with more.

    The entropy isn't asked for here: some engines give it unasked, others bounds in its place, and its column tells.

    Args:
        recorded: of an id, with its parameters as texts.
    """
    if (recorded.kind, recorded.model, recorded.target) != (RESPONSE, wanted.model, wanted.target):
        return False
    if recorded.control != wanted.control:
        return False
    known, asked = dict(recorded.params), dict(wanted.params)
    top = int(asked.pop("top", 0))
    asked.pop("entropy", None)
    return int(known.get("top", 0)) >= top and all(known.get(name) == str(asked[name]) for name in asked)


DRAWN = "drawn_"
"""How the parameters of a derived capture begin that are those of the draws in its prompt."""


def derived_capture(
    kind: str,
    model: str,
    template: Template,
    draws: Mapping[str, str | int | float | bool] | None = None,
    **params: str | int | float | bool,
) -> CaptureSpec:
    """A capture of what a template makes; `draws` are the parameters of those that it asks for."""
    drawn = {f"{DRAWN}{name}": value for name, value in (draws or {}).items()}
    return CaptureSpec.of(kind, model, template.target, **params, **drawn)


def asked_draws(spec: CaptureSpec) -> CaptureSpec | None:
    """The draws that the prompt of a derived capture holds; None where it holds none."""
    params = {name.removeprefix(DRAWN): value for name, value in spec.params if name.startswith(DRAWN)}
    return CaptureSpec.of("generations", spec.responder, "prompt", **params) if params else None


SHOTS = "shots"
"""How many judged answers the prompt of a derived capture shows; SHOT_SEED draws them, SHOT_RULE judges them."""
SHOT_SEED, SHOT_RULE = "shot_seed", "shot_rule"
SHOWN: Split = "train"
"""The split that they are of: what is tuned on, never what is chosen by or measured."""


def shown_shots(spec: CaptureSpec) -> tuple[int, int] | None:
    """How many judged answers the prompt of a derived capture shows, and the seed that draws them; None: none."""
    params = dict(spec.params)
    return (int(params[SHOTS]), int(params[SHOT_SEED])) if SHOTS in params else None


def shows_shots(needs: Iterable[CaptureSpec]) -> bool:
    """Whether one of these shows judged answers."""
    return any(shown_shots(spec) is not None for spec in needs)


def required_before(spec: CaptureSpec, response_params: Mapping[str, Any]) -> list[CaptureSpec]:
    """What has to be there before `spec` can be captured."""
    if not spec.needs_response:
        return []
    draws = asked_draws(spec)
    return [required_response(spec, response_params), *([] if draws is None else [draws])]


EQUIVALENCE = "equivalence"
"""What a sample's answers have in common: observed of other observations, after them."""
COMPARING = frozenset({"rule", "mode", "prompt", "question", "threshold", "chosen_on", "pairs"})
"""Its own parameters. Those that begin with ANSWER are the given answer's, the others those of the draws."""
ANSWER = "answer_"
SPREAD = "spread"
OF_DRAWS = ("openers", "all", "tokens", "sentences", SPREAD)
OF_BOTH = ("answer",)
ALTERNATIVES = "alternatives"
OF_ANSWER = ("answer_tokens", ALTERNATIVES)
"""What `pairs` may be, by what it reads: the draws, the given answer too, or that alone."""
OF_TOKENS = ("tokens", *OF_ANSWER)
"""Those that take a tokenizer."""


def compared_answers(spec: CaptureSpec) -> CaptureSpec:
    """The draws that an `equivalence` compares."""
    params = {
        name: value for name, value in spec.params if name not in COMPARING and not name.startswith(ANSWER)
    }
    return CaptureSpec.of("generations", spec.model, spec.target, **params)


def given_answer(spec: CaptureSpec) -> CaptureSpec:
    """The response that an `equivalence` holds against the draws, or looks at by itself."""
    params: dict[str, Any] = {
        name.removeprefix(ANSWER): value for name, value in spec.params if name.startswith(ANSWER)
    }
    return CaptureSpec.of("response", spec.model, **params)


def comparison_of(
    pairs: str,
    equivalence: Mapping[str, Any],
    generations: Mapping[str, Any] | None = None,
    response: Mapping[str, Any] | None = None,
) -> CaptureSpec:
    """An `equivalence` of draws, of a response, or of both, as `pairs` has it."""
    answer = {ANSWER + name: value for name, value in (response or {}).items()}
    params: dict[str, Any] = {**(generations or {}), **answer, **equivalence, "pairs": pairs}
    return CaptureSpec.of(EQUIVALENCE, "tuned", "prompt", **params)


def compared(spec: CaptureSpec) -> tuple[CaptureSpec, ...]:
    """All that an `equivalence` reads."""
    pairs = dict(spec.params)["pairs"]
    if pairs in OF_ANSWER:
        return (given_answer(spec),)
    draws = compared_answers(spec)
    return (draws, given_answer(spec)) if pairs in OF_BOTH else (draws,)


def by_words(spec: CaptureSpec) -> bool:
    """Whether it is an `equivalence` that takes no model: whoever has the answers can make it."""
    params = dict(spec.params)
    return (
        spec.kind == EQUIVALENCE
        and params["rule"] in ("exact", "numeric")
        and params["pairs"] not in OF_TOKENS
    )


def required_comparisons(scorers: Iterable[Needs]) -> list[CaptureSpec]:
    """What has to be compared once the models have said what they say."""
    return sorted({spec for spec in all_needs(scorers) if spec.kind == EQUIVALENCE})


def given_for(needs: Iterable[CaptureSpec]) -> list[CaptureSpec]:
    """What an engine, or a file, has to give for these."""
    given = (compared(spec) if spec.kind == EQUIVALENCE else (spec,) for spec in needs)
    return list(dict.fromkeys(spec for specs in given for spec in specs))


def required_captures(scorers: Iterable[Needs], response_params: Mapping[str, Any]) -> list[CaptureSpec]:
    """The union of what scorers need of engines, and what that needs in turn, in the order to run it.

    A role responds once: whatever is wanted of a response is recorded with that one (`richest_response`).

    Responses come before what scores them; within that, one role's captures stand together, so that two full models
    load one after the other and each once.
    """
    given = given_for(all_needs(scorers))
    needed = {_in_the_run(spec, response_params) for spec in given}
    needed |= {before for spec in needed for before in required_before(spec, response_params)}
    graph = {spec: set(required_before(spec, response_params)) for spec in needed}
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    order: list[CaptureSpec] = []
    ready: list[CaptureSpec] = []
    while sorter.is_active():
        ready += sorter.get_ready()
        # Stay with the model that is loaded; else a response first: others wait for it.
        current = order[-1].model if order else "tuned"
        chosen = min(ready, key=lambda spec: (spec.model != current, spec.kind != "response", spec))
        ready.remove(chosen)
        order.append(chosen)
        sorter.done(chosen)
    return order


def capture_splits(
    scorers: Iterable[Needs], response_params: Mapping[str, Any], *scored: Split
) -> dict[CaptureSpec, frozenset[Part]]:
    """For each capture, the rows that it is made of: what is scored, and what scorers learn from or choose by."""
    found: dict[CaptureSpec, set[Part]] = {}
    for scorer in scorers:
        learning = (scorer.fitted_on, scorer.chosen_on)
        learned: set[Part] = {split for split in learning if split is not None}
        beside: set[Part] = {BACKGROUND}
        for needs, splits in (
            (scorer.needs, learned | {*scored}),
            (scorer.fit_needs, learned),
            (scorer.background_needs, beside),
        ):
            for spec in given_for(needs):
                own = _in_the_run(spec, response_params)
                # Rows that are shown answer, and are asked nothing about.
                shown: set[Part] = {SHOWN} if shows_shots([own]) else set()
                found.setdefault(own, set()).update(splits - shown)
                for each in required_before(own, response_params):
                    found.setdefault(each, set()).update(splits | shown)
    return {spec: frozenset(splits) for spec, splits in found.items()}


def _in_the_run(spec: CaptureSpec, response_params: Mapping[str, Any]) -> CaptureSpec:
    own = CaptureSpec.of(RESPONSE, spec.model, **response_params).under(spec.control)
    return own if _is_response(spec) else spec


def _is_response(spec: CaptureSpec) -> bool:
    """Whether it is the answer to the prompt itself; what is answered to a prompt made of it is its own."""
    return spec.kind == RESPONSE and not spec.is_derived
