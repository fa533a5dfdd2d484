"""Which engine `engine.kind: auto` means, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from llmood.config import EngineConfig
from llmood.engines.base import engines, why_never
from llmood.engines.decoding import needs_logits, why_unusable
from llmood.engines.local import choose_device
from llmood.engines.requests import ANSWERS
from llmood.engines.vllm_build import shows_logits
from llmood.records import CaptureSpec


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine's kind, and why it was chosen, for people."""

    kind: str
    why: str


def choose_engine(config: EngineConfig, captures: Iterable[CaptureSpec]) -> Choice:
    """The engine that a configuration means.

    Scoring prompts is one product after another, which transformers does well with both models loaded once. Decoding is
    where vLLM's scheduling pays, on a GPU: on a CPU it takes longer to start than most runs take.

    Raises:
        ConfigError: the device that the configuration names isn't here.
    """
    if config.kind != "auto":
        return Choice(config.kind, "engine.kind names it")
    if config.server is not None:
        return Choice("openai", "engine.server names a server")
    wanted = list(captures)
    decoded = next((spec for spec in wanted if spec.kind in ANSWERS), None)
    if decoded is None:
        return Choice("transformers", "no answer has to be decoded")
    if not choose_device(config.device).startswith("cuda"):
        return Choice("transformers", "there is no GPU, on which vLLM would pay")
    if not _has_vllm():
        return Choice("transformers", "vLLM is not installed (pip install 'llmood[vllm]')")
    lacking = [spec for spec in wanted if not can_capture("vllm", spec)]
    lacking += [spec for spec in wanted if needs_logits(spec) and not shows_logits("cuda")]
    if lacking:
        return Choice("transformers", f"vLLM can't capture {lacking[0].id}")
    return Choice("vllm", f"{decoded.id} is decoded, on a GPU")


def can_capture(kind: str, spec: CaptureSpec) -> bool:
    """Whether an engine of this kind can ever give a capture; a server may give less."""
    return why_never(engines.get(kind), spec) is None and why_unusable(spec) is None


def able(spec: CaptureSpec) -> Sequence[str]:
    """The engines that can give a capture."""
    return [name for name in engines.names() if can_capture(name, spec)]


def _has_vllm() -> bool:
    try:
        version("vllm")
    except PackageNotFoundError:
        return False
    return True
