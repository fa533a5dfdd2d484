"""How answers are decoded, and what comes of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from llmood.records import CaptureSpec

STATISTICS = ("self_certainty", "renyi", "fisher_rao")
"""How far a distribution is from the uniform one, higher = farther: `measures.token_entropy`, at temperature 1 and of
order 1/2."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a request's answers are decoded.

    Attributes:
        draws: how many answers a request has; one where the spec asks for the likeliest alone.
        temperature: 0 is greedy, the likeliest token again and again.
        alternatives: how many of the likeliest tokens are kept beside each.
        end_ids: what ends an answer.
        entropy: whether each token's entropy is asked for; an engine that has it at hand gives it anyhow.
        statistics: whether `STATISTICS` are asked for.
    """

    draws: int
    temperature: float
    top_p: float
    alternatives: int
    end_ids: tuple[int, ...]
    entropy: bool = False
    statistics: bool = False

    @classmethod
    def of(cls, spec: CaptureSpec, end_ids: Collection[int]) -> Decoding:
        """How a spec of `response` or `generations` wants its answers."""
        params = dict(spec.params)
        several = spec.kind == "generations"
        return cls(
            draws=int(params["n"]) if several else 1,
            temperature=float(params["temperature"]) if several else 0.0,
            top_p=float(params["top_p"]) if several else 1.0,
            alternatives=int(params.get("top", 0)),
            end_ids=tuple(sorted(end_ids)),
            entropy=bool(params.get("entropy", False)),
            statistics=bool(params.get("statistics", False)),
        )

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn: then all answers to a request are one."""
        return self.temperature == 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, its end token with it.

    Attributes:
        logprobs: of each token, raw: before temperature and top-p.
        top_ids, top_logprobs: of each token the likeliest tokens in its place, if they were asked for.
        seed: what it was drawn with.
        entropy: of the whole raw distribution in each token's place, in nats; None where nobody saw it whole.
        statistics: of that distribution, `STATISTICS` in each token's place, if they were asked for.
    """

    ids: list[int]
    logprobs: list[float]
    top_ids: Sequence[Sequence[int]] = ()
    top_logprobs: Sequence[Sequence[float]] = ()
    seed: int | None = None
    entropy: Sequence[float] | None = None
    statistics: Sequence[Sequence[float]] = ()


@dataclass(frozen=True, slots=True)
class NextToken:
    """The distribution after a prompt.

    Attributes:
        top_ids, top_logprobs: the likeliest tokens, as many as were asked for.
        entropy: of the whole distribution, in nats; None where nobody saw it whole.
        label_logits: raw, of the labels' tokens, if there are labels.
    """

    top_ids: Sequence[int]
    top_logprobs: Sequence[float]
    entropy: float | None
    label_logits: Sequence[float] = ()


def needs_logits(spec: CaptureSpec) -> bool:
    """Whether a spec asks for what only the whole distribution tells."""
    params = dict(spec.params)
    return bool(params.get("entropy") or params.get("statistics") or params.get("labels"))


# What the numbers of a spec may be: the least, whether that itself may be, and the most.
_RANGES: dict[str, tuple[float, bool, float]] = {
    "n": (1, True, 32_767),  # the index counts draws in 16 bits
    "temperature": (0.0, True, float("inf")),
    "top_p": (0.0, False, 1.0),
    "max_new_tokens": (1, True, float("inf")),
    "top": (0, True, float("inf")),
}
_NEEDED = {
    "response": ("max_new_tokens",),
    "generations": ("n", "temperature", "top_p", "max_new_tokens", "seed"),
}


def why_unusable(spec: CaptureSpec) -> str | None:
    """Why no engine could give what a spec asks for, in words that follow a colon; None where one could."""
    params = dict(spec.params)
    for name in _NEEDED.get(spec.kind, ()):
        if name not in params:
            return f"{name} is missing"
    for name, (least, included, most) in _RANGES.items():
        value: Any = params.get(name, most)
        if not (least <= value if included else least < value) or value > most:
            shown = f"at least {least:g}" if included else f"over {least:g}"
            return f"{name} is {value}, and has to be {shown}{'' if most == float('inf') else f', at most {most:g}'}"
    return None
