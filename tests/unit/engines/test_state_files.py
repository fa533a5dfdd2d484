"""Hidden states beside their shard: read back as they were, one layer at a time, and never when they are damaged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from llmood.engines import observe as observing_module
from llmood.engines.fake_states import DEPTH, SIZE, fake_states
from llmood.engines.observations import Observations
from llmood.engines.state_files import beside
from llmood.engines.states import states_of
from llmood.engines.store import Store
from llmood.errors import ConfigError, StoreError
from llmood.records import CaptureSpec
from tests.observing import BASE, RESPONSE, Spy, observe, prompts_of

STATES = CaptureSpec.of("hidden_states", "tuned", layers="0,2,-1", positions="last_prompt,mean_prompt")
TEXTS = ["one", "two words", "three more words", "another one", "", "a last text that is longer"]


def expected(spec: CaptureSpec, texts: list[str]) -> np.ndarray:
    """(n, layers, positions, SIZE), of prompts alone."""
    states = states_of(spec, DEPTH)
    rows = [prompt.token_ids for prompt in prompts_of(texts)]
    return np.stack([fake_states("t", row, states, (("prompt", 0, len(row)),)) for row in rows])


def read(observations: Observations, spec: CaptureSpec, layer: int | str, position: str) -> np.ndarray:
    """In the samples' order."""
    found = None
    for block in observations.blocks([spec], size=4):
        values = block.states(spec, layer, position)
        if found is None:
            found = np.zeros((observations.samples.num_rows, values.shape[1]), np.float32)
        found[block.positions] = values
    assert found is not None
    return found


@pytest.mark.parametrize(("dtype", "apart"), [("float32", 0.0), ("float16", 1e-3)])
def test_what_was_captured_is_read_back(dtype: str, apart: float) -> None:
    spec = CaptureSpec.of("hidden_states", "tuned", **dict(STATES.params), dtype=dtype)
    _, observations = observe(TEXTS, [spec])
    theirs = expected(spec, TEXTS)
    for i, layer in enumerate([0, 2, DEPTH]):
        for j, position in enumerate(["last_prompt", "mean_prompt"]):
            ours = read(observations, spec, layer, position)
            assert ours.dtype == np.float32
            assert ours.shape == (len(TEXTS), SIZE)
            assert np.abs(ours - theirs[:, i, j]).max() <= apart
    assert np.array_equal(
        read(observations, spec, -1, "last_prompt"), read(observations, spec, DEPTH, "last_prompt")
    )
    assert np.array_equal(
        read(observations, spec, "0.5", "last_prompt"), read(observations, spec, 2, "last_prompt")
    )


def test_a_row_says_what_its_states_are() -> None:
    _, observations = observe(["abc"], [STATES])
    (block,) = observations.blocks([STATES])
    (row,) = block[STATES].to_pylist()
    assert row["layer"] == [0, 2, DEPTH]
    assert row["position"] == ["last_prompt", "mean_prompt"]
    assert row["token_index"] == [3, None]  # behind the begin token
    assert (row["row"], row["dim"], row["dtype"], row["depth"]) == (0, SIZE, "float32", DEPTH)


@pytest.mark.parametrize(
    ("layer", "position"), [(1, "last_prompt"), (0, "prompt-2"), ("0.75", "mean_prompt")]
)
def test_what_was_not_captured(layer: int | str, position: str) -> None:
    _, observations = observe(TEXTS, [STATES])
    with pytest.raises(KeyError):
        read(observations, STATES, layer, position)
    with pytest.raises(ConfigError, match="there is no layer 9"):
        read(observations, STATES, 9, "last_prompt")


def test_a_sample_without_states_is_nan_with_its_reason() -> None:
    spec = CaptureSpec.of("hidden_states", "tuned", "prompt_response", layers="1", positions="response-5")
    _, observations = observe(TEXTS, [RESPONSE, spec])
    values = read(observations, spec, 1, "response-5")
    known = {}
    for block in observations.blocks([spec, RESPONSE]):
        rows = zip(block[spec].to_pylist(), block[RESPONSE]["token_ids"].to_pylist(), strict=True)
        known |= dict(zip(block.positions.tolist(), rows, strict=True))
    short = {row for row, (_, answer) in known.items() if len(answer) < 5}
    assert 0 < len(short) < len(TEXTS)
    for row, (captured, answer) in known.items():
        assert np.isnan(values[row]).all() == (row in short)
        assert captured["status"] == ("unscored" if row in short else "ok")
        if row in short and len(answer) > 1:
            assert captured["reason"] == f"response-5: its response has {len(answer)} tokens"
        elif row in short:
            assert captured["reason"] == "empty answer"


def test_none_at_all_has_no_size() -> None:
    spec = CaptureSpec.of("hidden_states", "tuned", layers="1", positions="prompt-99")
    _, observations = observe(TEXTS, [spec])
    assert read(observations, spec, 1, "prompt-99").shape == (len(TEXTS), 0)


def test_states_with_other_captures_and_in_their_order() -> None:
    _, observations = observe(TEXTS, [BASE, STATES])
    for block in observations.blocks([BASE, STATES], size=2):
        theirs = expected(STATES, [TEXTS[position] for position in block.positions])
        assert np.array_equal(block.states(STATES, 0, "mean_prompt"), theirs[:, 0, 1])
        assert [len(row) for row in block[BASE]["logprobs"].to_pylist()] == [
            len(TEXTS[position]) + 1 for position in block.positions
        ]


def test_a_run_goes_on_with_what_is_there() -> None:
    _, observations = observe(TEXTS[:4], [STATES])
    engine = Spy()
    observe(TEXTS, [STATES], engine)
    assert sorted(row for batch in engine.batches(STATES) for row in batch) == sorted(
        prompt.token_ids for prompt in prompts_of(TEXTS[4:])
    )
    assert read(observations, STATES, 0, "last_prompt").shape == (4, SIZE)


def test_rows_are_written_before_they_weigh_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing_module, "SHARD_BYTES", 2 * 6 * SIZE * 4)  # two rows of six states
    observer, observations = observe(TEXTS, [STATES], Spy(batch_tokens=1))
    assert len(observer.store.shards()) == 3
    assert np.array_equal(read(observations, STATES, 2, "mean_prompt"), expected(STATES, TEXTS)[:, 1, 1])


def read_all(observations: Observations) -> list[np.ndarray]:
    return [
        read(observations, STATES, layer, position)
        for layer in (0, 2, DEPTH)
        for position in ("last_prompt", "mean_prompt")
    ]


def shard_of(store: Store) -> Path:
    (shard,) = store.shards()
    return shard


@pytest.mark.parametrize("damage", ["flipped", "header", "cut", "gone", "swapped"])
def test_damaged_states_are_named_and_made_anew(damage: str) -> None:
    observer, observations = observe(TEXTS, [STATES])
    store, whole = observer.store, read(observations, STATES, 0, "last_prompt")
    shard = shard_of(store)
    path = beside(shard)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-1] ^= 1
    elif damage == "header":
        content[20] ^= 1
    elif damage == "swapped":  # whole, and the states of something else
        observe(["other"], [STATES])
        (other,) = (each for each in store.shards() if each != shard)
        content = bytearray(beside(other).read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:200] if damage == "cut" else content)
    broken = [found for found, _ in store.broken()]
    assert broken == [shard] if damage == "gone" else broken == [shard, path]
    with pytest.raises(
        StoreError, match=r"\.safetensors: its states are missing, or .* \('llmood cache prune --broken'"
    ):
        read_all(observations)
    again = Spy()
    _, observations = observe(TEXTS, [STATES], again)
    assert len(again.batches(STATES)) > 0
    assert list(store.broken()) == []
    assert np.array_equal(read(observations, STATES, 0, "last_prompt"), whole)


def test_one_layer_is_read_without_the_others() -> None:
    observer, observations = observe(TEXTS, [STATES])
    path = beside(shard_of(observer.store))
    content = path.read_bytes()
    with safe_open(path, framework="numpy") as file:
        target = file.get_tensor("2/last_prompt").tobytes()
    assert content.count(target) == 1
    start = content.index(target)
    path.write_bytes(content[:start] + b"\0" * len(target) + content[start + len(target) :])
    assert np.array_equal(read(observations, STATES, 0, "mean_prompt"), expected(STATES, TEXTS)[:, 0, 1])
    with pytest.raises(StoreError, match="are not those that were written with it"):
        read(observations, STATES, 2, "last_prompt")


def test_states_without_a_shard_are_left_by_a_kill() -> None:
    observer, _ = observe(TEXTS, [STATES])
    shard = shard_of(observer.store)
    shard.unlink()
    assert list(observer.store.broken()) == []  # maybe a run is about to write the shard
    os.utime(beside(shard), (0, 0))
    assert [path for path, _ in observer.store.broken()] == [beside(shard)]
    assert observer.store.older_than(1.0) == [beside(shard)]
    observer.store.remove([beside(shard)])
    assert not shard.parent.exists()


def test_pruning_takes_both() -> None:
    observer, _ = observe(TEXTS, [STATES])
    shard = shard_of(observer.store)
    (summary,) = observer.store.summaries()
    assert summary.size == shard.stat().st_size + beside(shard).stat().st_size
    assert (summary.rows, summary.shards) == (len(TEXTS), 1)
    chosen = observer.store.older_than(0.0)
    assert sorted(chosen) == [shard, beside(shard)]
    observer.store.remove(chosen)
    assert not shard.parent.exists()


def test_another_store_is_given_both(tmp_path: Path) -> None:
    observer, observations = observe(TEXTS, [STATES])
    name = shard_of(observer.store).relative_to(observer.store.root).as_posix()
    other = Store(tmp_path / "other")
    assert other.take(observer.store, [name]) == []
    moved = Observations(observations.samples, observer.index(), other)
    assert np.array_equal(read(moved, STATES, 2, "last_prompt"), expected(STATES, TEXTS)[:, 1, 0])
    beside(other.root / name).unlink()
    assert other.take(observer.store, [name]) == []  # a shard without its states isn't there
    assert list(other.broken()) == []
    shutil.rmtree(other.root)
    beside(shard_of(observer.store)).unlink()
    assert other.take(observer.store, [name]) == [name]
    assert other.shards() == []
