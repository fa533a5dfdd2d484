"""The most memory that a process needs to capture prompts under both models into a store; llmood's environment."""

import json
import re
import sys
from pathlib import Path

from serving import serve

from llmood.config import EngineConfig, Models
from llmood.engines.observe import Observer, Prompt
from llmood.engines.store import Store
from llmood.engines.transformers import TransformersEngine
from llmood.records import CaptureSpec

task = json.loads(sys.argv[1])
engine = TransformersEngine(
    EngineConfig(dtype="float32", device="cpu"),
    Models.model_validate({"base": task["base"], "tuned": {"adapter": task["adapter"]}}),
)
words, tokens = task["vocabulary"], task["tokens"]
# Different texts, or the store would make each once.
prompts = [
    Prompt(
        f"s{index}",
        (0, *(3 + (index * 7919 + place * (index % 89 + 1)) % (words - 3) for place in range(1, tokens))),
    )
    for index in range(task["samples"])
]
observer = Observer(engine, prompts, Store(Path(task["store"])), private=False)


def run():
    """Both models, one after the other."""
    for role in ("base", "tuned"):
        observer.run(CaptureSpec.of("prompt_logprobs", role))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = re.search(r"VmHWM:\s+(\d+)", status)
    return {"peak": int(kilobytes[1]) * 1024 if kilobytes else 0}


serve(run)
