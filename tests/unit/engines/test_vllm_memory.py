"""What vLLM is asked to reserve: worked out by hand, and true of all sizes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmood.engines.vllm_memory import (
    LEAST_KV_CACHE,
    LOGITS_BYTES,
    WINDOW_REQUESTS,
    WINDOW_TOKENS,
    kv_cache_bytes,
    request_room,
    step_tokens,
    windows,
)

LLAMA = {
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
}


def test_keys_and_values_of_an_8b_llama() -> None:
    # 2 (keys, values) × 32 layers × 8 heads × 128 × 2 bytes = 131,072 bytes a token.
    assert kv_cache_bytes(LLAMA, 8192, "bfloat16") == 2 * 8192 * 131_072
    assert kv_cache_bytes(LLAMA, 256, "bfloat16") == LEAST_KV_CACHE
    assert kv_cache_bytes({"text_config": LLAMA}, 8192, "float32") == 2 * 8192 * 262_144
    # GPT-2's names; no grouped heads.
    assert (
        kv_cache_bytes({"n_layer": 12, "n_head": 12, "n_embd": 768}, 16_384, "float32") == 2 * 16_384 * 73_728
    )


@given(st.integers(1, 100_000), st.integers(1, 200_000))
def test_a_request_has_room_as_far_as_the_context_goes(tokens: int, context: int) -> None:
    room = request_room(tokens, context)
    assert min(tokens, context) <= room <= context
    assert request_room(tokens, None) >= tokens


@given(st.integers(100, 300_000), st.integers(256, 4096))
def test_the_logits_of_a_step_are_bounded(vocabulary: int, room: int) -> None:
    on_gpu = step_tokens(None, room, vocabulary, on_cpu=False)
    assert on_gpu == 512 or on_gpu * vocabulary * 6 <= LOGITS_BYTES
    # On a CPU a prompt isn't split: a step holds the longest, whatever its logits take.
    assert step_tokens(None, room, vocabulary, on_cpu=True) >= room
    assert step_tokens(100_000, room, vocabulary, on_cpu=True) == 100_000


@given(st.lists(st.integers(1, 3000), max_size=2000), st.data())
def test_windows_are_a_partition_longest_first(lengths: list[int], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(range(len(lengths))), unique=True)) if lengths else []
    found = list(windows(lengths, wanted))
    sent = [index for window in found for index in window]
    assert sorted(sent) == sorted(wanted)
    assert [lengths[index] for index in sent] == sorted((lengths[index] for index in wanted), reverse=True)
    for window in found:
        assert 0 < len(window) <= WINDOW_REQUESTS
        assert len(window) == 1 or sum(lengths[index] for index in window) <= WINDOW_TOKENS
