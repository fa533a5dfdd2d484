"""What makes likelihoods fast changes none of them: slices of the vocabulary, packed texts, batches in flight."""

from __future__ import annotations

import ctypes
import functools
import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmood.engines.base import Request
from llmood.engines.models import checked, head, memory, packing
from llmood.engines.models.layout import packed, padded
from llmood.engines.models.of_logits import own_logprobs, own_logprobs_of_tiles
from llmood.engines.transformers import TransformersEngine
from llmood.records import CaptureSpec
from tests import tiny_models
from tests.tiny_models import (
    ARCHITECTURES,
    BASE,
    ROWS,
    TOLERANCE,
    TUNED,
    captured,
    engine_of,
    far,
    respond,
    rows_of,
)

# ------------------------------------------------------------------------------------- slices of the vocabulary


def test_worked_by_hand() -> None:
    # Logits ln 1, ln 2 | ln 4, ln 1: they sum to 8, so the third word has probability 4/8.
    logits = torch.tensor([[1.0, 2.0, 4.0, 1.0]]).log()
    found = own_logprobs_of_tiles(logits.split(2, dim=1), torch.tensor([2]))
    assert found.tolist() == pytest.approx([np.log(0.5)])


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("spread", [0.01, 5.0, 60.0])
def test_slices_give_what_the_whole_gives(size: int, spread: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 20 + spread * torch.randn(50, 300, generator=generator)
    wanted = torch.randint(0, 300, (50,), generator=generator)
    wanted[:2] = torch.tensor([0, 299])
    exact = logits.double().log_softmax(-1).gather(1, wanted[:, None])[:, 0]
    found = own_logprobs_of_tiles([tile.clone() for tile in logits.split(size, dim=1)], wanted)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), exact.numpy(), atol=TOLERANCE)
    np.testing.assert_allclose(own_logprobs(logits, wanted).numpy(), exact.numpy(), atol=TOLERANCE)


def test_half_precision_is_summed_in_float32() -> None:
    # 4,096 words of equal logits: in bfloat16 a sum of ones would stop at 256.
    logits = torch.zeros(3, 4096, dtype=torch.bfloat16)
    found = own_logprobs_of_tiles(logits.split(512, dim=1), torch.tensor([0, 1, 4095]))
    assert found.tolist() == pytest.approx([-np.log(4096)] * 3)


def test_a_slice_of_masked_words_adds_nothing() -> None:
    logits = torch.tensor([[-torch.inf, -torch.inf, 0.0, 0.0]])
    for size in (1, 2, 4):
        tiles = [tile.clone() for tile in logits.split(size, dim=1)]
        assert own_logprobs_of_tiles(tiles, torch.tensor([3])).tolist() == pytest.approx([-np.log(2)])
        tiles = [tile.clone() for tile in logits.split(size, dim=1)]
        assert own_logprobs_of_tiles(tiles, torch.tensor([1])).tolist() == [-np.inf]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_a_number_stays_none(bad: float) -> None:
    logits = torch.tensor([[0.0, bad, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    found = own_logprobs_of_tiles(logits.split(2, dim=1), torch.tensor([3, 3]))
    assert found[0].isnan()
    assert found[1] == pytest.approx(-np.log(4))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_head_in_slices(architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    engine = engine_of(folder)
    whole = captured(engine, BASE, ROWS)
    monkeypatch.setattr(head, "LOGITS_AT_ONCE", 1)
    monkeypatch.setattr(head, "LEAST_COLUMNS", 64)
    for ours, theirs in zip(captured(engine, BASE, ROWS), whole, strict=True):
        assert far(ours["logprobs"], theirs["logprobs"]) < 1e-5


def test_an_adapter_on_the_head_is_not_sliced_away(llama: Path, tmp_path: Path) -> None:
    untied = tiny_models.save_model(tmp_path / "base", tie_word_embeddings=False)
    adapter = tiny_models.save_adapter(tmp_path / "adapter", untied, targets=["lm_head"])
    values = captured(engine_of(untied, {"adapter": str(adapter)}), TUNED, ROWS)[-1]["logprobs"]
    assert far(values[1:], tiny_models.plain_logprobs(untied, ROWS[-1], adapter)) < TOLERANCE
    assert far(values[1:], tiny_models.plain_logprobs(untied, ROWS[-1])) > 0.01


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_has_its_model_s_dtype(llama: Path, adapter: Path, dtype: str) -> None:
    engine = engine_of(llama, {"adapter": str(adapter)}, dtype=dtype)
    captured(engine, TUNED, ROWS)
    parameters = dict(engine._model("tuned").model.named_parameters())
    assert {parameter.dtype for parameter in parameters.values()} == {getattr(torch, dtype)}
    assert any("lora_" in name for name in parameters)


# -------------------------------------------------------------------------------------------------- packed texts


def test_side_by_side_and_behind_each_other() -> None:
    rows = [(5, 6, 7), (8,), (1, 2)]
    wide = padded(rows)
    assert wide.ids.tolist() == [[5, 6, 7], [8, 0, 0], [1, 2, 0]]
    assert wide.places.tolist() == [0, 1, 6]
    assert wide.wanted.tolist() == [6, 7, 2]
    assert not wide.arguments
    long = packed(rows)
    assert long.ids.tolist() == [[5, 6, 7, 8, 1, 2]]
    assert long.places.tolist() == [0, 1, 4]
    assert long.wanted.tolist() == [6, 7, 2]
    assert long.arguments["position_ids"].tolist() == [[0, 1, 2, 0, 0, 1]]
    assert long.arguments["cu_seq_lens_q"].tolist() == [0, 3, 4, 6]
    assert long.arguments["cu_seq_lens_q"].dtype == torch.int32
    assert long.arguments["max_length_q"] == 3


def kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    _starts: torch.Tensor,
    longest: int,
    _longest: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """torch's `varlen_attn` written out, a text at a time."""
    parts = []
    for start, stop in zip(starts.tolist(), starts.tolist()[1:], strict=False):
        assert stop - start <= longest
        place = torch.arange(stop - start)
        seen = place[:, None] >= place
        if window_size[0] >= 0:
            seen &= place[:, None] - place <= window_size[0]
        assert window_size[1] == 0
        q, k, v = (states[start:stop].transpose(0, 1) for states in (query, key, value))
        mixed = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=seen, scale=scale, enable_gqa=enable_gqa
        )
        parts.append(mixed.transpose(0, 1))
    return torch.cat(parts)


@pytest.fixture
def packs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    def use(stand_in: Any) -> None:
        monkeypatch.setattr(checked, "kernel_for", lambda device, dtype: stand_in)

    return use


@pytest.mark.parametrize("architecture", ["llama", "cohere", "granite", "mistral"])
def test_packed_texts_are_scored_as_padded_ones(
    architecture: str, tmp_path: Path, packs: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A window shorter than the longest text.
    monkeypatch.setitem(
        ARCHITECTURES, "mistral", ("MistralConfig", ARCHITECTURES["llama"][1] | {"sliding_window": 8})
    )
    folder = tiny_models.save_model(tmp_path, architecture)
    padded_, asked = (
        captured(engine_of(folder), BASE, ROWS),
        captured(engine_of(folder), respond("base"), ROWS),
    )
    packs(kernel)
    engine = engine_of(folder)
    found = captured(engine, BASE, ROWS)
    model = engine._model("base")
    assert model._packing is not None
    assert model._packing.used
    for ours, theirs in zip(found, padded_, strict=True):
        assert far(ours["logprobs"], theirs["logprobs"]) < TOLERANCE
    # Decoding is as it was.
    for ours, theirs in zip(captured(engine, respond("base"), ROWS), asked, strict=True):
        assert ours["token_ids"] == theirs["token_ids"]


def test_an_adapter_over_packed_texts(llama: Path, adapter: Path, packs: Callable[[Any], None]) -> None:
    packs(kernel)
    engine = engine_of(llama, {"adapter": str(adapter)})
    for spec, folder in ((TUNED, adapter), (BASE, None), (TUNED, adapter)):
        for row, values in zip(ROWS, captured(engine, spec, ROWS), strict=True):
            assert far(values["logprobs"][1:], tiny_models.plain_logprobs(llama, row, folder)) < TOLERANCE
    assert engine._model("base")._packing is not None


def test_states_of_packed_texts(llama: Path, adapter: Path, packs: Callable[[Any], None]) -> None:
    positions = "prompt+0,last_prompt,mean_prompt"
    specs = [
        CaptureSpec.of("hidden_states", role, layers="all", positions=positions) for role in ("base", "tuned")
    ]
    requests = [Request(row, (("prompt", 0, len(row)),)) for row in ROWS]

    def states(engine: TransformersEngine) -> list[Any]:
        return [result.states for spec in specs for result in engine.capture(spec, requests)]

    padded_ = states(engine_of(llama, {"adapter": str(adapter)}))
    packs(kernel)
    engine = engine_of(llama, {"adapter": str(adapter)})
    for ours, theirs in zip(states(engine), padded_, strict=True):
        assert np.abs(ours - theirs).max() < TOLERANCE
    assert engine._model("base")._packing is not None


def test_a_kernel_that_isn_t_told_of_shared_keys(llama: Path, packs: Callable[[Any], None]) -> None:
    """torch 2.11's sees by itself that fewer heads hold keys than ask for them."""
    expected = captured(engine_of(llama), BASE, ROWS)

    def older(*states: Any, scale: float | None, window_size: tuple[int, int]) -> torch.Tensor:
        assert states[0].shape[1] == 2 * states[1].shape[1]
        return kernel(*states, scale=scale, window_size=window_size, enable_gqa=True)

    packs(older)
    engine = engine_of(llama)
    for ours, theirs in zip(captured(engine, BASE, ROWS), expected, strict=True):
        assert far(ours["logprobs"], theirs["logprobs"]) < TOLERANCE
    assert engine._model("base")._packing is not None


@functools.wraps(kernel)
def blind(*args: Any, **kwargs: Any) -> torch.Tensor:
    """Lets texts see each other."""
    starts = torch.tensor([0, len(args[0])])
    return kernel(*args[:3], starts, starts, len(args[0]), len(args[0]), **kwargs)


def broken(*_: Any, **__: Any) -> torch.Tensor:
    raise RuntimeError("no kernel for this head")


@pytest.mark.parametrize(
    ("architecture", "stand_in"),
    [
        ("gemma2", kernel),  # asks its attention for a cap
        ("llama", blind),
        ("llama", broken),
    ],
)
def test_what_can_t_be_packed_is_padded(
    architecture: str, stand_in: Any, tmp_path: Path, packs: Callable[[Any], None]
) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    packs(stand_in)
    engine = engine_of(folder)
    found = captured(engine, BASE, ROWS)
    assert engine._model("base")._packing is None
    for row, values in zip(ROWS, found, strict=True):
        assert far(values["logprobs"][1:], tiny_models.plain_logprobs(folder, row)) < TOLERANCE


def test_a_model_that_doesn_t_ask_by_name_is_padded(
    llama: Path, packs: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    packs(kernel)
    monkeypatch.setattr(transformers.LlamaForCausalLM, "set_attn_implementation", lambda *_: None)
    engine = engine_of(llama)
    captured(engine, BASE, ROWS)
    assert engine._model("base")._packing is None


def test_a_packed_model_goes_when_it_is_closed(llama: Path, packs: Callable[[Any], None]) -> None:
    packs(kernel)
    engine = engine_of(llama)
    captured(engine, BASE, ROWS)
    states = CaptureSpec.of("hidden_states", "base", layers="0,1", positions="last_prompt")
    engine.capture(states, [Request(row, (("prompt", 0, len(row)),)) for row in ROWS])
    model = weakref.ref(engine._model("base").model)
    engine.close()
    gc.collect()
    assert model() is None


def test_the_kernel_is_for_half_precision_on_cuda() -> None:
    assert packing.kernel_for(torch.device("cpu"), torch.bfloat16) is None
    assert packing.kernel_for(torch.device("cuda"), torch.float32) is None
    found = packing.kernel_for(torch.device("cuda"), torch.bfloat16)
    assert found is None or found.__name__ == "varlen_attn"


# --------------------------------------------------------------------------------------------- batches in flight


def test_an_accelerator_has_the_next_batch_before_the_last_is_read(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(llama, batch_tokens=20)
    requests = [Request(row) for row in rows_of(*[10] * 6, 7)]
    plain = {index: result for batch in engine.run(BASE, requests) for index, result in batch}
    events: list[str] = []
    begin = engine._begin

    def spy(spec: Any, some: Any) -> Any:
        events.append("begun")
        reading = begin(spec, some)
        return lambda: events.append("read") or reading()

    monkeypatch.setattr(engine, "_begin", spy)
    monkeypatch.setattr(engine, "device", "an accelerator")
    found = {index: result for batch in engine.run(BASE, requests, done={0, 1}) for index, result in batch}
    assert sorted(found) == [2, 3, 4, 5, 6]
    for index, result in found.items():
        assert result.status == "ok"
        assert far(result.values["logprobs"], plain[index].values["logprobs"]) < TOLERANCE
    assert events == ["begun", "begun", "read", "begun", "read", "read"]


# ------------------------------------------------------------------------------------------------------- memory


class Library:
    """A C library that notes what it is told."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.told: list[tuple[int, int]] = []

    def mallopt(self, which: int, size: int) -> int:
        self.told.append((which, size))
        return int(size <= self.largest or which == memory.M_TRIM_THRESHOLD)

    def malloc_trim(self, pad: int) -> int:
        self.told.append((0, pad))
        return 1


@pytest.mark.parametrize("largest", [memory.MOST, memory.USUAL_MAPPED])
def test_large_blocks_are_kept_as_far_as_the_library_lets(
    largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(largest)
    monkeypatch.setattr(memory, "_glibc", lambda: library)
    assert memory.keep_freed_memory()
    assert library.told[-2:] == [(memory.M_MMAP_THRESHOLD, largest), (memory.M_TRIM_THRESHOLD, memory.MOST)]
    memory.give_back_freed_memory()
    assert library.told[-1] == (0, 0)


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    assert not memory.keep_freed_memory()
    memory.give_back_freed_memory()
    monkeypatch.undo()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert memory._glibc() is None
