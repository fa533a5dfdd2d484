"""clinc150's test texts under the small English base: short texts of mixed lengths, on real data."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import scoring
from benchmarks.agreement import compared
from benchmarks.context import Context
from benchmarks.one_at_a_time import one_at_a_time
from benchmarks.record import Record, Skip
from benchmarks.timing import alternate

BATCH = 64


@dataclass(frozen=True)
class Clinc150:
    """llmood, one text at a time, and plain length-sorted padded batches, on the same ids."""

    name: str = "clinc150"
    texts: int = 4500

    def measure(self, context: Context) -> list[Record]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from llmood.config import EngineConfig, Models
        from llmood.engines.transformers import TransformersEngine

        folder = context.models / "english-5m"
        texts = read_texts(context.data / "clinc150" / "test.jsonl.gz")[: self.texts]
        if not folder.is_dir():
            raise Skip(f"{folder} is missing; set LLMOOD_MODELS")
        rows = [tuple(ids) for ids in AutoTokenizer.from_pretrained(folder)(texts)["input_ids"]]
        model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
        engine = TransformersEngine(
            EngineConfig(dtype="float32", device="cpu"), Models.model_validate({"base": str(folder)})
        )
        ways: dict[str, Callable[[], scoring.Sums]] = {
            "ours": lambda: scoring.score(engine, rows, ["base"]),
            "one at a time": lambda: {"base": one_at_a_time(model, rows)},
            "sorted batches": lambda: {"base": sorted_batches(model, rows)},
        }
        scoring.score(engine, rows[:8], ["base"])  # loads the model
        best = alternate(ways, context.repeats)
        engine.close()
        tokens = sum(map(len, rows))
        return [
            record
            for way, peer in (
                ("one at a time", "a loop over single texts"),
                ("sorted batches", f"length-sorted batches of {BATCH}"),
            )
            for record in compared(
                f"{self.name}_{way.replace(' ', '_')}",
                peer,
                best["ours"],
                best[way],
                tokens=tokens // len(rows),
                texts=len(rows),
                dtype="float32",
                command=context.command,
            )
        ]


def read_texts(path: Path) -> list[str]:
    """The texts of a gzipped JSONL file.

    Raises:
        Skip: it isn't here.
    """
    if not path.is_file():
        raise Skip(f"{path} is missing; set LLMOOD_DATA")
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line)["text"] for line in stream]


def sorted_batches(model: Any, rows: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Sums from padded batches of similar lengths."""
    import torch

    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    found = np.zeros(len(rows))
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            longest = max(len(rows[index]) for index in batch)
            ids = torch.zeros((len(batch), longest), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for place, index in enumerate(batch):
                ids[place, : len(rows[index])] = torch.tensor(rows[index])
                mask[place, : len(rows[index])] = 1
            logprobs = model(ids, attention_mask=mask).logits[:, :-1].log_softmax(-1)
            own = logprobs.gather(2, ids[:, 1:, None])[..., 0].double() * mask[:, 1:]
            found[batch] = own.sum(1).numpy()
    return found
