"""vLLM through llmood: the same prompts under base and adapter."""

import json
import sys

from serving import serve

from llmood.config import EngineConfig, Models
from llmood.engines.base import Request
from llmood.engines.vllm import VllmEngine
from llmood.records import CaptureSpec

task = json.loads(sys.argv[1])
config = {"dtype": task["dtype"], "device": task["device"]}
if task["device"] != "cpu":
    config["gpu_memory_share"] = task["memory_share"]
engine = VllmEngine(
    EngineConfig.model_validate(config),
    Models.model_validate({"base": task["base"], "tuned": {"adapter": task["adapter"]}}),
)
requests = [Request(tuple(row)) for row in task["rows"]]


def run():
    """Both models, one after the other."""
    found = {}
    for role in ("base", "tuned"):
        sums = found[role] = [0.0] * len(requests)
        for finished in engine.run(CaptureSpec.of("prompt_logprobs", role), requests):
            for index, captured in finished:
                sums[index] = sum(captured.values["logprobs"][1:])
    return found


try:
    serve(run)
finally:
    engine.close()
