"""What llmood adds to vLLM: the same requests through its engine, and to vLLM directly."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks import random_llama
from benchmarks.agreement import PER_TOKEN, agreement
from benchmarks.context import Context
from benchmarks.peer import Peer
from benchmarks.record import Record, Skip
from benchmarks.scoring import ROLES
from benchmarks.timing import alternate

TARGET = 1 / 1.1  # at most a tenth more


@dataclass(frozen=True)
class VllmOverhead:
    """Each in a process of its own, since vLLM keeps to itself what it does to one."""

    name: str = "vllm_overhead"
    dtype: str = "float32"
    shape: random_llama.Shape = random_llama.HUNDRED_MILLION
    prompts: int = 64
    tokens: int = 64

    def measure(self, context: Context) -> list[Record]:
        for module in ("vllm", "llmood.engines.vllm"):
            if find_spec(module) is None:
                raise Skip(f"{module} is not here")
        folders = random_llama.save(context.folder, self.shape, dtype=self.dtype, device=context.device)
        texts = random_llama.texts(self.shape, self.prompts, self.tokens - 1)
        task = {
            "base": str(folders.base),
            "adapter": str(folders.adapter),
            "dtype": self.dtype,
            "device": context.device,
            "memory_share": 0.45,  # of a GPU: both are loaded at once
            "rows": random_llama.token_ids(texts),
        }
        with (
            Peer.of_llmood("llmood_vllm", task) as ours,
            Peer(Path(sys.executable), "bare_vllm", task) as bare,
        ):
            for peer in (ours, bare):
                peer.run()  # warms up
            best = alternate({"ours": ours.run, "theirs": bare.run}, context.repeats)
        mine, theirs = best["ours"].result, best["theirs"].result
        tokens = len(ROLES) * self.prompts * self.tokens
        difference = max(float(np.abs(np.subtract(mine[role], theirs[role])).max()) for role in ROLES)
        return [
            Record(
                self.name,
                tokens / mine["seconds"],
                "tokens/s",
                f"bare vLLM: {tokens / theirs['seconds']:.0f} tokens/s",
                theirs["seconds"] / mine["seconds"],
                TARGET,
                context.command,
            ),
            agreement(
                self.name, "bare vLLM", difference, self.tokens * PER_TOKEN[self.dtype], context.command
            ),
        ]
