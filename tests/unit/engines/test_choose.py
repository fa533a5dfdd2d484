"""Which engine `auto` means, on machines that this one is not."""

from __future__ import annotations

import pytest

from llmood.config import EngineConfig
from llmood.engines import choose
from llmood.engines.choose import Choice, able, choose_engine
from llmood.records import CaptureSpec

PROMPTS = [CaptureSpec.of("prompt_logprobs", role) for role in ("base", "tuned")]
RESPONSE = CaptureSpec.of("response", "tuned", max_new_tokens=8)
ENTROPY = CaptureSpec.of("response", "tuned", max_new_tokens=8, entropy=True)
NEXT = CaptureSpec.of("next_token", "tuned", top=5)
MOMENTS = CaptureSpec.of("prompt_moments", "tuned")


def chosen(
    monkeypatch: pytest.MonkeyPatch,
    *captures: CaptureSpec,
    device: str = "cuda",
    vllm: bool = True,
    **config: str,
) -> Choice:
    monkeypatch.setattr(choose, "choose_device", lambda _: device)
    monkeypatch.setattr(choose, "_has_vllm", lambda: vllm)
    return choose_engine(EngineConfig.model_validate(config), captures)


def test_what_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, RESPONSE, kind="fake").kind == "fake"


def test_a_server_is_asked_where_one_is_named() -> None:
    config = EngineConfig.model_validate({"server": {"url": "http://localhost:8000/v1"}})
    assert choose_engine(config, [RESPONSE]).kind == "openai"


@pytest.mark.parametrize(
    ("captures", "options", "kind", "why"),
    [
        (PROMPTS, {}, "transformers", "no answer"),
        ([], {}, "transformers", "no answer"),
        ([*PROMPTS, RESPONSE], {}, "vllm", "is decoded, on a GPU"),
        ([RESPONSE], {"device": "cpu"}, "transformers", "no GPU"),
        ([RESPONSE], {"device": "mps"}, "transformers", "no GPU"),
        ([RESPONSE], {"vllm": False}, "transformers", "not installed"),
        ([RESPONSE, MOMENTS], {}, "transformers", "prompt_moments/tuned/prompt"),
        ([ENTROPY], {}, "transformers", "response/tuned/prompt?entropy=True"),
        ([RESPONSE, NEXT], {}, "vllm", "is decoded, on a GPU"),
    ],
)
def test_the_captures_and_the_machine_decide(
    monkeypatch: pytest.MonkeyPatch,
    captures: list[CaptureSpec],
    options: dict[str, object],
    kind: str,
    why: str,
) -> None:
    choice = chosen(monkeypatch, *captures, **options)  # type: ignore[arg-type]
    assert choice.kind == kind
    assert why in choice.why


def test_engines_that_can() -> None:
    assert {"fake", "transformers"} <= set(able(MOMENTS))
    assert "vllm" not in able(MOMENTS)
    assert "vllm" in able(RESPONSE)
    assert able(CaptureSpec.of("mind_reading", "base")) == []
    assert able(CaptureSpec.of("next_token", "base", top=-1)) == []  # nobody can
