"""Ratio scoring against a loop over single texts, as a simple script does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import random_llama, scoring
from benchmarks.agreement import compared
from benchmarks.context import Context
from benchmarks.record import Record
from benchmarks.timing import alternate


@dataclass(frozen=True)
class AgainstOneAtATime:
    """transformers and peft, a text at a time, each model in turn."""

    name: str = "against_one_at_a_time"
    dtype: str = "float32"
    shape: random_llama.Shape = random_llama.HUNDRED_MILLION
    prompts: int = 32
    tokens: int = 64

    def measure(self, context: Context) -> list[Record]:
        folders = random_llama.save(context.folder, self.shape, dtype=self.dtype, device=context.device)
        rows = random_llama.token_ids(random_llama.texts(self.shape, self.prompts, self.tokens - 1))
        engine = scoring.transformers_engine(folders, dtype=self.dtype, device=context.device)
        model = load(folders, dtype=self.dtype, device=context.device)
        ways = {"ours": lambda: scoring.score(engine, rows), "theirs": lambda: loop(model, rows)}
        for way in ways.values():
            way()  # loads, warms up
        best = alternate(ways, context.repeats)
        engine.close()
        return compared(
            self.name,
            "a loop over single texts",
            best["ours"],
            best["theirs"],
            tokens=self.tokens,
            texts=self.prompts,
            dtype=self.dtype,
            command=context.command,
        )


def load(folders: random_llama.Folders, *, dtype: str, device: str) -> Any:
    """The base with its adapter, by peft."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folders.base, dtype=getattr(torch, dtype))
    return PeftModel.from_pretrained(model, folders.adapter).to(device).eval()


def loop(model: Any, rows: Sequence[tuple[int, ...]]) -> scoring.Sums:
    """Sums as a simple script makes them."""
    with model.disable_adapter():
        base = one_at_a_time(model, rows)
    return {"base": base, "tuned": one_at_a_time(model, rows)}


def one_at_a_time(model: Any, rows: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
    """Each text's log-likelihood, text after text."""
    import torch

    found = []
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([row], device=model.device)
            logprobs = model(ids).logits[0, :-1].float().log_softmax(-1)
            found.append(float(logprobs.gather(1, ids[0, 1:, None]).double().sum()))
    return np.array(found)
