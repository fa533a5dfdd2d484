"""vLLM called by itself: the same prompts under base and adapter, in as many calls as there are models."""

import json
import os
import sys

import numpy as np
from serving import serve

task = json.loads(sys.argv[1])
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
on_cpu = task["device"] == "cpu"
if on_cpu:
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    os.environ.setdefault(
        "TORCH_COMPILE_DISABLE", "1"
    )  # else a kernel for ranks is compiled at the first call

from vllm import LLM, SamplingParams, TokensPrompt  # noqa: E402 - it reads the environment
from vllm.lora.request import LoRARequest  # noqa: E402

longest = max(map(len, task["rows"]))
llm = LLM(
    task["base"],
    dtype=task["dtype"],
    seed=0,
    generation_config="vllm",
    skip_tokenizer_init=True,
    max_model_len=longest + 16,
    enforce_eager=on_cpu,
    enable_lora=True,
    max_loras=2,
    max_lora_rank=8,
    lora_target_modules=["q_proj", "v_proj"],
    use_tqdm_on_load=False,
    **({"kv_cache_memory_bytes": 1 << 30} if on_cpu else {"gpu_memory_utilization": task["memory_share"]}),
)
adapters = {"base": None, "tuned": LoRARequest("tuned", 1, task["adapter"])}
settings = SamplingParams(
    max_tokens=1, temperature=0, prompt_logprobs=0, flat_logprobs=True, detokenize=False
)
prompts = [TokensPrompt(prompt_token_ids=row) for row in task["rows"]]


def run():
    """Both models, one after the other."""
    found = {}
    for role, adapter in adapters.items():
        outputs = llm.generate(prompts, settings, lora_request=adapter, use_tqdm=False)
        found[role] = [float(np.sum(output.prompt_logprobs.logprobs)) for output in outputs]
    return found


serve(run)
