"""`make bench`: ratios measured within one run, so that they hold on any machine.

    python scripts/bench.py [--models FOLDER] [--data FOLDER] [--texts N] [--repeats N]

Scores clinc150's test texts under the base model three ways, alternating, and prints the best time of each:
one sequence at a time as a script would, a plain length-sorted padded batch, and llmood's transformers engine.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
AGREE = 1e-3  # a sum of some ten float32 log-probabilities
BATCH = 64

Score = Callable[[list[list[int]]], np.ndarray]


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = ROOT.parent / "shared"
    parser.add_argument(
        "--models", type=Path, default=Path(os.environ.get("LLMOOD_MODELS", shared / "models"))
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("LLMOOD_DATA", shared / "data")))
    parser.add_argument("--texts", type=int, default=4500)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    texts = read_texts(arguments.data / "clinc150" / "test.jsonl.gz")[: arguments.texts]
    compare_engine(arguments.models / "english-5m", texts, arguments.repeats)
    compare_bootstrap()


def read_texts(path: Path) -> list[str]:
    """The texts of a gzipped JSONL file."""
    if not path.is_file():
        raise SystemExit(f"bench: {path} is missing; set LLMOOD_DATA and LLMOOD_MODELS")
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line)["text"] for line in stream]


def compare_engine(folder: Path, texts: list[str], repeats: int) -> None:
    """The three ways on the same ids, and that they agree."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder)(texts)["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    ways: dict[str, Score] = {
        "one sequence at a time": lambda rows: one_at_a_time(model, rows),
        "plain length-sorted batches": lambda rows: sorted_batches(model, rows),
        "llmood, transformers engine": llmood_engine(folder),
    }
    tokens = sum(len(row) for row in ids)
    print(f"{len(ids)} texts, {tokens} tokens, best of {repeats}, alternating")
    times: dict[str, list[float]] = {name: [] for name in ways}
    sums: dict[str, np.ndarray] = {}
    for _ in range(repeats):
        for name, score in ways.items():
            started = time.perf_counter()
            sums[name] = score(ids)
            times[name].append(time.perf_counter() - started)
    slowest = min(times["one sequence at a time"])
    for name, taken in times.items():
        worst = float(np.abs(sums[name] - sums["one sequence at a time"]).max())
        print(
            f"{name:30} {min(taken):7.2f} s {tokens / min(taken):9.0f} tokens/s  ×{slowest / min(taken):.1f}  "
            f"largest difference {worst:.1e}"
        )
        if worst > AGREE:
            raise SystemExit(f"bench: {name} disagrees by {worst}")


def one_at_a_time(model: Any, rows: list[list[int]]) -> np.ndarray:
    """Sums as a simple script makes them."""
    import torch

    found = []
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([row])
            logprobs = model(ids).logits[0, :-1].log_softmax(-1)
            found.append(logprobs.gather(1, ids[0, 1:, None]).double().sum().item())
    return np.array(found)


def sorted_batches(model: Any, rows: list[list[int]]) -> np.ndarray:
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


def llmood_engine(folder: Path) -> Score:
    """The engine as a run uses it: planned batches through `capture`."""
    from llmood.config import EngineConfig, Models
    from llmood.engines.base import Request
    from llmood.engines.transformers import TransformersEngine
    from llmood.records import CaptureSpec

    engine = TransformersEngine(EngineConfig(dtype="float32"), Models.model_validate({"base": str(folder)}))
    spec = CaptureSpec.of("prompt_logprobs", "base")

    def score(rows: list[list[int]]) -> np.ndarray:
        requests = [Request(tuple(row)) for row in rows]
        found = np.zeros(len(rows))
        for batch in engine.plan(spec, requests):
            for index, captured in zip(
                batch, engine.capture(spec, [requests[i] for i in batch]), strict=True
            ):
                found[index] = sum(captured.values["logprobs"][1:])
        return found

    score([[0, 1, 2]])  # load the model before the clock starts, as for the others
    return score


def compare_bootstrap() -> None:
    """1,000 draws at n = 10,000."""
    from llmood.metrics import bootstrap_interval

    generator = np.random.default_rng(0)
    scores = np.concatenate([generator.normal(0, 1, 5000), generator.normal(1, 1, 5000)])
    is_ood = np.repeat([False, True], 5000)
    started = time.perf_counter()
    interval = bootstrap_interval("auroc", scores, is_ood, draws=1000)
    taken = time.perf_counter() - started
    print(
        f"AUROC interval, n = 10,000, 1,000 draws: {taken:.2f} s ([{interval.low:.4f}, {interval.high:.4f}])"
    )


if __name__ == "__main__":
    main()
