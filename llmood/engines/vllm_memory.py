"""How much vLLM is asked to reserve and to do at once: pure arithmetic, on the safe side.

Its start-up doesn't count the logits of scored prompts, which exist as float32 beside the model's own: tokens of one
step times vocabulary. A step is therefore bounded by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

GIB = 1 << 30
LOGITS_BYTES = GIB  # of one step: 4 bytes of float32 beside 2 of the model's own, a word of the vocabulary
LEAST_STEP = 512
CPU_STEP = 4096
CUDA_STEP = 8192
LEAST_ROOM = 256
LEAST_KV_CACHE = GIB // 2
WINDOW_REQUESTS = 512
WINDOW_TOKENS = 131_072
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def request_room(tokens: int, context: int | None) -> int:
    """The longest request to make room for: a power of two, so that few models have to be loaded anew for a longer one.

    >>> request_room(300, 4096), request_room(300, 400), request_room(3, None)
    (512, 400, 256)
    """
    room = LEAST_ROOM
    while room < tokens:
        room *= 2
    return room if context is None else min(room, context)


def step_tokens(wanted: int | None, room: int, vocabulary: int | None, *, on_cpu: bool) -> int:
    """The most tokens of one step.

    Args:
        wanted: what the user asks for; it wins, as far as the longest request allows.
        on_cpu: there a prompt isn't split over steps, so a step holds the longest.

    >>> step_tokens(None, 512, 8192, on_cpu=True), step_tokens(None, 512, 150_000, on_cpu=True)
    (4096, 1193)
    """
    most = CPU_STEP if on_cpu else CUDA_STEP
    fitting = most if vocabulary is None else LOGITS_BYTES // (6 * vocabulary)
    chosen = wanted if wanted is not None else max(LEAST_STEP, min(most, fitting))
    return max(chosen, room) if on_cpu else max(chosen, LEAST_STEP)


def kv_cache_bytes(config: Mapping[str, Any], room: int, dtype: str) -> int:
    """Keys and values of two of the longest requests, and half a GiB at least."""
    text = config.get("text_config") or config
    layers = int(text.get("num_hidden_layers") or text.get("n_layer") or 1)
    heads = int(text.get("num_attention_heads") or text.get("n_head") or 1)
    hidden = int(text.get("hidden_size") or text.get("n_embd") or 1)
    width = int(text.get("head_dim") or hidden // heads)
    a_token = 2 * layers * int(text.get("num_key_value_heads") or heads) * width * BYTES[dtype]
    return max(LEAST_KV_CACHE, 2 * room * a_token)


def windows(
    lengths: Sequence[int], wanted: Sequence[int], most: int = WINDOW_REQUESTS
) -> Iterator[list[int]]:
    """Indices in the order to send them, longest first, as many at once as their answers may stay in memory.

    >>> list(windows([2, 9, 5], [0, 1, 2]))
    [[1, 2, 0]]
    """
    window: list[int] = []
    tokens = 0
    for index in sorted(wanted, key=lambda index: (-lengths[index], index)):
        if window and (len(window) == most or tokens + lengths[index] > WINDOW_TOKENS):
            yield window
            window, tokens = [], 0
        window.append(index)
        tokens += lengths[index]
    if window:
        yield window
