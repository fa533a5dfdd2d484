"""Tiny models of real architectures with random weights, made in moments, for tests of the transformers engine.

They know nothing, but their logits are spread widely enough that a wrong mask, position, scale or adapter shows.
torch and transformers are imported inside: a test that only borrows the tokenizer's ids shouldn't wait for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.config import EngineConfig, Models
from llmood.engines.base import Request
from llmood.engines.transformers import TransformersEngine
from llmood.records import CaptureSpec

BEGIN, END, PAD, TURN = 0, 1, 2, 3
SPECIAL = ["<s>", "</s>", "<pad>", "<turn>"]
VOCABULARY = len(SPECIAL) + 256
CONTEXT = 64
TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "<s>{{ m['content'] }}<turn>{% endfor %}"
)

_SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.25,
    "bos_token_id": BEGIN,
    "eos_token_id": END,
    "pad_token_id": PAD,
}
_GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": CONTEXT,
    "initializer_range": 0.25,
    "bos_token_id": BEGIN,
    "eos_token_id": END,
}
# Each with what its head does beside a matrix product, strong enough to show.
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _SMALL | {"tie_word_embeddings": True}),
    "gpt2": ("GPT2Config", _GPT2),
    "gemma2": ("Gemma2Config", _SMALL | {"final_logit_softcapping": 2.0, "sliding_window": 8}),
    "cohere": ("CohereConfig", _SMALL | {"logit_scale": 0.25}),
    "granite": ("GraniteConfig", _SMALL | {"logits_scaling": 4.0}),
}


def save_tokenizer(
    folder: Path, *, prefix: str = "<s> ", suffix: str = "", template: str | None = TEMPLATE
) -> Path:
    """UTF-8 bytes as tokens behind four special ones; `prefix` and `suffix` are put around every text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{prefix}$A{suffix}", special_tokens=[("<s>", BEGIN), ("</s>", END)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    wrapped.chat_template = template
    wrapped.save_pretrained(folder)
    return folder


def save_model(folder: Path, architecture: str = "llama", *, seed: int = 0, **changes: Any) -> Path:
    """A randomly initialised model and the byte tokenizer."""
    import torch
    import transformers

    name, values = ARCHITECTURES[architecture]
    config = getattr(transformers, name)(**(values | changes))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    return save_tokenizer(folder)


def save_adapter(
    folder: Path, base: Path, *, seed: int = 1, targets: Sequence[str] = ("q_proj", "v_proj"), **changes: Any
) -> Path:
    """A LoRA adapter whose B is not zero, so that it makes a difference."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LoraConfig(r=4, lora_alpha=8, target_modules=list(targets), task_type="CAUSAL_LM", **changes)
        tuned = get_peft_model(model, config)
        for parameter_name, parameter in tuned.named_parameters():
            if "lora_B" in parameter_name or "lora_embedding_B" in parameter_name:
                torch.nn.init.normal_(parameter, std=0.3)
    tuned.save_pretrained(folder, save_embedding_layers=False)
    return folder


def engine_of(base: Path, tuned: Mapping[str, str] | Path | None = None, **config: Any) -> TransformersEngine:
    """An engine in float32 on the CPU; `tuned` a folder of full weights or `{adapter: folder}`."""
    second = str(tuned) if isinstance(tuned, Path) else tuned
    models = Models.model_validate({"base": str(base), "tuned": second})
    return TransformersEngine(
        EngineConfig.model_validate({"dtype": "float32", "device": "cpu"} | config), models
    )


def plain_model(folder: Path, adapter: Path | None = None) -> Any:
    """The model by transformers and peft alone."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    return (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()


def plain_logits(model: Any, ids: Sequence[int]) -> NDArray[np.float64]:
    """Logits (T, V) of one text: no batch, no padding, no llmood."""
    import torch

    with torch.no_grad():
        logits = model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]
    found: NDArray[np.float64] = logits.double().numpy()
    return found


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def plain_logprobs(folder: Path, ids: Sequence[int], adapter: Path | None = None) -> list[float]:
    """Log p of tokens 2..T."""
    logprobs = log_softmax(plain_logits(plain_model(folder, adapter), ids))
    return [float(logprobs[position - 1, ids[position]]) for position in range(1, len(ids))]


def plain_greedy(
    folder: Path, ids: Sequence[int], *, steps: int, ends: Sequence[int], adapter: Path | None = None
) -> tuple[list[int], list[float]]:
    """The most likely token, again and again, each from a whole forward pass."""
    model = plain_model(folder, adapter)
    answer: list[int] = []
    values: list[float] = []
    while len(answer) < steps and not (answer and answer[-1] in ends):
        last = log_softmax(plain_logits(model, [*ids, *answer])[-1])
        answer.append(int(last.argmax()))
        values.append(float(last.max()))
    return answer, values


def change_json(path: Path, **changes: Any) -> None:
    """Put keys on top of a JSON file."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(known | changes), encoding="utf-8")


# ------------------------------------------------------------------------------------------- what tests ask of them

TOLERANCE = 1e-4  # DESIGN: alone and in a padded batch, a token
BASE = CaptureSpec.of("prompt_logprobs", "base")
TUNED = CaptureSpec.of("prompt_logprobs", "tuned")


def rows_of(*lengths: int) -> list[tuple[int, ...]]:
    """Token ids of such lengths."""
    generator = np.random.default_rng(3)
    return [(BEGIN, *generator.integers(4, VOCABULARY, length - 1).tolist()) for length in lengths]


ROWS = rows_of(1, 2, 4, 9, 17, 30)


def respond(role: str = "tuned", new: int = 8) -> CaptureSpec:
    return CaptureSpec.of("response", role, max_new_tokens=new)


def captured(
    engine: TransformersEngine, spec: CaptureSpec, rows: list[tuple[int, ...]]
) -> list[dict[str, Any]]:
    """What one batch gives, none of it failed."""
    results = engine.capture(spec, [Request(row) for row in rows])
    assert [result.status for result in results] == ["ok"] * len(rows)
    return [dict(result.values) for result in results]


def far(ours: list[float | None], theirs: list[float | None]) -> float:
    """The largest difference."""
    assert len(ours) == len(theirs)
    return max((abs(a - b) for a, b in zip(ours, theirs, strict=True) if a is not None), default=0.0)
