"""vLLM's CPU build against transformers and peft alone; each of its traps is a test here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmood.engines.base import Captured, Request
from llmood.engines.captures import within_reach
from llmood.engines.decoding import Decoding
from llmood.engines.vllm import VllmEngine
from llmood.engines.vllm_build import shows_logits
from llmood.errors import ConfigError, EngineError, MissingExtraError
from llmood.measures.token_entropy import (
    fisher_rao_from_uniform,
    renyi_divergence_from_uniform,
    self_certainty,
)
from llmood.records import CaptureSpec
from llmood.scorers.token_entropy import least_entropies
from tests.tiny_models import (
    BASE,
    CONTEXT,
    END,
    ROWS,
    TOLERANCE,
    TUNED,
    far,
    log_softmax,
    plain_greedy,
    plain_logits,
    plain_logprobs,
    plain_model,
    respond,
    rows_of,
    save_adapter,
    save_model,
)
from tests.vllm_engines import run_all, run_well, vllm_engine

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("vllm")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    # vLLM's attention on a CPU has no heads as small as these models'.
    base = save_model(root / "base", tie_word_embeddings=False, head_dim=32)
    return {
        "base": base,
        "tuned": save_adapter(root / "adapter", base),
        "second": save_adapter(root / "second", base, seed=7, targets=("q_proj", "down_proj")),
        "head": save_adapter(root / "head", base, seed=3, targets=("q_proj", "lm_head")),
    }


def engine_of(folders: dict[str, Path], *tuned: str, **config: Any) -> VllmEngine:
    return vllm_engine(folders["base"], *(folders[name] for name in tuned), **config)


@pytest.fixture(scope="module")
def engine(folders: dict[str, Path]) -> Iterator[VllmEngine]:
    made = engine_of(folders, "tuned", "second")
    yield made
    made.close()


def captured(engine: VllmEngine, spec: CaptureSpec, rows: list[tuple[int, ...]]) -> list[Captured]:
    return run_all(engine, spec, [Request(row) for row in rows])


def values(engine: VllmEngine, spec: CaptureSpec, rows: list[tuple[int, ...]]) -> list[Any]:
    results = run_well(engine, spec, [Request(row) for row in rows])
    name = "token_ids" if spec.kind == "response" else "logprobs"
    return [result.values[name] for result in results]


@pytest.mark.parametrize(("spec", "adapter"), [(BASE, None), (TUNED, "tuned"), (None, "second")])
def test_prompts_as_transformers_scores_them(
    engine: VllmEngine, folders: dict[str, Path], spec: CaptureSpec | None, adapter: str | None
) -> None:
    spec = spec or CaptureSpec.of("prompt_logprobs", "tuned:1")
    for row, found in zip(ROWS, values(engine, spec, ROWS), strict=True):
        plain = plain_logprobs(folders["base"], row, folders[adapter] if adapter else None)
        assert far(found, [None, *plain]) < TOLERANCE


def test_base_and_adapters_mixed_in_one_batch(engine: VllmEngine, folders: dict[str, Path]) -> None:
    values(engine, TUNED, ROWS[:2])  # loads what serves all three
    row = ROWS[-1]
    names = [None, "tuned", "tuned:1"] * 4
    model = engine._loaded
    assert model is not None
    mixed = model.token_logprobs([row] * len(names), names)
    folder = {None: None, "tuned": folders["tuned"], "tuned:1": folders["second"]}
    for name, found in zip(names, mixed, strict=True):
        assert not isinstance(found, str)
        assert far(found.tolist(), plain_logprobs(folders["base"], row, folder[name])) < TOLERANCE


def test_greedy_is_greedy_and_the_same_in_any_company(engine: VllmEngine, folders: dict[str, Path]) -> None:
    rows = ROWS[1:]
    results = captured(engine, respond(), rows)
    for row, result in zip(rows, results, strict=True):
        ids, logprobs = plain_greedy(
            folders["base"], row, steps=min(8, CONTEXT - 1 - len(row)), ends=[END], adapter=folders["tuned"]
        )
        assert result.values["token_ids"] == ids
        assert far(result.values["logprobs"], list(logprobs)) < TOLERANCE
        assert result.values["finish"] == ("stop" if ids[-1] == END else "length")
    assert values(engine, respond(), rows[::-1])[::-1] == values(engine, respond(), rows)
    assert [values(engine, respond(), [row])[0] for row in rows] == values(engine, respond(), rows)


DRAWS = CaptureSpec.of(
    "generations", "tuned", n=10, temperature=1.0, top_p=1.0, max_new_tokens=5, top=3, seed=0
)


def drawn(engine: VllmEngine, seeds: list[int], spec: CaptureSpec = DRAWS) -> list[list[dict[str, Any]]]:
    """What is drawn behind one prompt with each seed."""
    row = ROWS[3]
    found: dict[int, Captured] = {}
    for finished in engine.run(spec, [Request(row, seed=seed) for seed in seeds]):
        found |= dict(finished)
    assert [found[index].status for index in range(len(seeds))] == ["ok"] * len(seeds)
    return [[dict(each) for each in found[index].draws] for index in range(len(seeds))]


def test_all_draws_are_one_request(
    engine: VllmEngine, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    values(engine, TUNED, ROWS[:2])
    sent: list[int] = []
    model = engine._loaded
    assert model is not None
    plain = model.llm.generate

    def counted(prompts: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(len(prompts))
        return plain(prompts, *args, **kwargs)

    monkeypatch.setattr(model.llm, "generate", counted)
    first, second = drawn(engine, [5, 500])
    assert sent == [2]
    assert len(first) == len(second) == 10
    assert len({tuple(each["token_ids"]) for each in first}) > 5
    assert first != second
    assert [each["seed"] for each in second] == list(range(500, 510))
    # The same seeds give the same draws, in whatever company.
    assert drawn(engine, [500, 7, 5])[::2] == [second, first]
    for each in first[:3]:
        ids, logprobs = each["token_ids"], each["logprobs"]
        # Raw log-probabilities, as teacher forcing gives them, and the likeliest tokens with what they leave.
        plain_all = plain_logprobs(folders["base"], (*ROWS[3], *ids), folders["tuned"])
        assert far(list(logprobs), plain_all[-len(ids) :]) < TOLERANCE
        for top, own, left in zip(each["top_logprobs"], logprobs, each["residual_mass"], strict=True):
            assert len(top) == 3
            assert top == sorted(top, reverse=True)
            assert own <= top[0] + 1e-6
            assert left == pytest.approx(1 - np.exp(top).sum(), abs=1e-5)


def test_temperature_changes_draws_and_not_their_log_probabilities(
    engine: VllmEngine, folders: dict[str, Path]
) -> None:
    cold = CaptureSpec.of(
        "generations", "tuned", n=3, temperature=0.01, top_p=1.0, max_new_tokens=4, top=0, seed=0
    )
    (draws,) = drawn(engine, [1], cold)
    ids, logprobs = plain_greedy(folders["base"], ROWS[3], steps=4, ends=[END], adapter=folders["tuned"])
    assert [each["token_ids"] for each in draws] == [ids] * 3
    assert far(list(draws[0]["logprobs"]), list(logprobs)) < TOLERANCE
    assert "top_ids" not in draws[0]


def test_nothing_is_drawn_at_temperature_zero(engine: VllmEngine, folders: dict[str, Path]) -> None:
    greedy = CaptureSpec.of("generations", "tuned", n=3, temperature=0.0, top_p=1.0, max_new_tokens=4, seed=0)
    (draws,) = drawn(engine, [1], greedy)
    ids, _ = plain_greedy(folders["base"], ROWS[3], steps=4, ends=[END], adapter=folders["tuned"])
    assert [each["token_ids"] for each in draws] == [ids] * 3
    assert [each["seed"] for each in draws] == [1, 2, 3]


def plain_entropies(
    folder: Path, row: tuple[int, ...], answer: list[int], adapter: Path | None
) -> list[float]:
    """Of each token of an answer, by one pass of transformers and peft alone."""
    logprobs = log_softmax(plain_logits(plain_model(folder, adapter), [*row, *answer]))
    return (-(np.exp(logprobs) * logprobs).sum(axis=-1))[len(row) - 1 : -1].tolist()  # type: ignore[no-any-return]


def test_each_token_has_its_own_entropy(engine: VllmEngine, folders: dict[str, Path]) -> None:
    spec = CaptureSpec.of(
        "generations", "tuned", n=4, temperature=1.5, top_p=1.0, max_new_tokens=12, seed=0, entropy=True
    )
    rows = [*ROWS, *rows_of(CONTEXT - 4, CONTEXT - 8)]  # the last two end early, at the context's
    found: dict[int, Captured] = {}
    for finished in engine.run(spec, [Request(row, seed=10 * i) for i, row in enumerate(rows)]):
        found |= dict(finished)
    lengths = set()
    for index, row in enumerate(rows):
        for each in found[index].draws:
            lengths.add(len(each["token_ids"]))
            expected = plain_entropies(folders["base"], row, each["token_ids"], folders["tuned"])
            assert far(each["entropy"], expected) < TOLERANCE
    assert len(lengths) > 1
    (answer,) = captured(
        engine, CaptureSpec.of("response", "base", max_new_tokens=5, entropy=True), ROWS[3:4]
    )
    expected = plain_entropies(folders["base"], ROWS[3], answer.values["token_ids"], None)
    assert far(answer.values["entropy"], expected) < TOLERANCE
    assert "entropy" not in captured(engine, respond("base"), ROWS[3:4])[0].values  # nobody asked


def test_how_far_from_uniform_each_distribution_was(engine: VllmEngine, folders: dict[str, Path]) -> None:
    spec = CaptureSpec.of("response", "tuned", max_new_tokens=6, statistics=True)
    model = plain_model(folders["base"], folders["tuned"])
    for row, result in zip(ROWS, captured(engine, spec, ROWS), strict=True):
        whole = log_softmax(plain_logits(model, [*row, *result.values["token_ids"]]))[len(row) - 1 : -1]
        measures = {
            "self_certainty": self_certainty,
            "renyi": renyi_divergence_from_uniform,
            "fisher_rao": fisher_rao_from_uniform,
        }
        for name, measure in measures.items():
            assert far(result.values[name], measure(whole).tolist()) < TOLERANCE
    entropy = captured(engine, CaptureSpec.of("response", "tuned", max_new_tokens=6, entropy=True), ROWS[3:4])
    assert "renyi" not in entropy[0].values  # nobody asked


def test_entropies_of_base_and_adapter_in_one_batch(engine: VllmEngine, folders: dict[str, Path]) -> None:
    from llmood.engines.models.vllm_answers import decode

    values(engine, TUNED, ROWS[:2])
    model = engine._loaded
    assert model is not None
    names = [None, "tuned", "tuned:1"] * 2
    rows = [ROWS[3], ROWS[4], ROWS[3], ROWS[2], ROWS[3], ROWS[4]]
    # The smallest of them end by themselves, the others by their room.
    answers = decode(
        model,
        rows,
        names,
        Decoding(draws=2, temperature=1.0, top_p=1.0, alternatives=0, end_ids=(END,), entropy=True),
        max_new_tokens=[1, 6, 3, 2, 5, 4],
        seeds=list(range(0, 60, 10)),
    )
    folder = {None: None, "tuned": folders["tuned"], "tuned:1": folders["second"]}
    for row, name, draws in zip(rows, names, answers, strict=True):
        for answer in draws:
            assert answer.entropy is not None
            expected = plain_entropies(folders["base"], row, answer.ids, folder[name])
            assert far(list(answer.entropy), expected) < TOLERANCE


def test_prompts_that_are_read_in_parts_have_no_entropy_before_their_end(engine: VllmEngine) -> None:
    from llmood.engines.models.vllm_logits import Seen, _look

    class Runner:
        input_batch = type(
            "Batch", (), {"req_ids": ["7-abc", "1_7-def"], "num_prompt_tokens": np.array([9, 4])}
        )()
        optimistic_seq_lens_cpu = np.array([6, 4])

    seen = Seen()
    _look(Runner(), torch.tensor([[1.0], [2.0]]), lambda logits: logits, seen)
    assert seen.of("7", 1, 1) == [[2.0]]
    with pytest.raises(EngineError, match="whose logits nobody saw"):
        seen.of("7", 0, 1)


NEXT = {"top": 30, "labels": "k|b|z"}


@pytest.mark.parametrize(("role", "adapter"), [("base", None), ("tuned", "tuned")])
def test_the_next_token_is_transformers_own(
    engine: VllmEngine, folders: dict[str, Path], role: str, adapter: str | None
) -> None:
    results = captured(engine, CaptureSpec.of("next_token", role, **NEXT), ROWS)  # type: ignore[arg-type]
    model = plain_model(folders["base"], folders[adapter] if adapter else None)
    labels = [ids[0] for ids in engine.tokenizer(role).encode(["k", "b", "z"], rendered=True)]
    for row, result in zip(ROWS, results, strict=True):
        logits = plain_logits(model, row)[-1]
        logprobs = log_softmax(logits)
        found = result.values
        assert found["top_ids"] == np.argsort(-logprobs)[:30].tolist()
        assert far(found["top_logprobs"], np.sort(logprobs)[::-1][:30].tolist()) < TOLERANCE
        assert far([found["entropy"]], [-(np.exp(logprobs) * logprobs).sum()]) < TOLERANCE
        assert found["label_ids"] == labels
        assert far(found["label_logits"], logits[labels].tolist()) < TOLERANCE
        assert found["residual_mass"] == pytest.approx(1 - np.exp(found["top_logprobs"]).sum(), abs=1e-6)


def test_what_needs_logits_is_refused_where_they_are_hidden(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    entropy = CaptureSpec.of("response", "base", max_new_tokens=5, entropy=True)
    statistics = CaptureSpec.of("response", "base", max_new_tokens=5, statistics=True)
    specs = [entropy, statistics, CaptureSpec.of("next_token", "base", **NEXT)]  # type: ignore[arg-type]
    assert [engine.lacks(spec) for spec in specs] == [None] * 3
    monkeypatch.setattr(engine, "shows_logits", False)
    assert all("shows no logits" in str(engine.lacks(spec)) for spec in specs)
    assert engine.lacks(CaptureSpec.of("next_token", "base", top=3)) is None


def test_the_older_runner_shows_logits_on_a_gpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_USE_V2_MODEL_RUNNER", raising=False)
    assert (shows_logits("cpu"), shows_logits("cuda")) == (True, False)
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "0")
    assert shows_logits("cuda")


def test_on_a_gpu_the_likeliest_tokens_bound_the_entropy(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"max_new_tokens": 5, "entropy": True}
    assert within_reach(engine, asked) == asked
    monkeypatch.setattr(engine, "shows_logits", False)
    bounded = within_reach(engine, asked)
    assert bounded == {"max_new_tokens": 5, "top": 20}
    monkeypatch.undo()
    (exact,) = captured(engine, CaptureSpec.of("response", "tuned", **asked), ROWS[3:4])
    (found,) = captured(engine, CaptureSpec.of("response", "tuned", **bounded), ROWS[3:4])
    assert "entropy" not in found.values
    least = least_entropies(found.values["top_logprobs"], found.values["residual_mass"])
    entropies = np.array(exact.values["entropy"])
    assert (least <= entropies + TOLERANCE).all()
    assert (least > 0.2 * entropies).all()


def test_the_prefix_cache_is_not_read_for_log_probabilities(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As long as several of the cache's blocks would be, were they that small; the second time it is there.
    row = rows_of(CONTEXT - 2)[0]
    values(engine, respond(new=1), [row])
    first, second = values(engine, TUNED, [row])[0], values(engine, TUNED, [row, row])[1]
    assert far(first, second) < TOLERANCE
    # If vLLM read it all the same, each sample would say so.
    from llmood.engines.models import vllm_model

    class Cached:
        num_cached_tokens = 16
        prompt_logprobs = type("Flat", (), {"token_ids": row[1:], "logprobs": [0.0] * (len(row) - 1)})()

    assert "prefix cache" in str(vllm_model._own_logprobs(Cached(), row))
    assert "other tokens" in str(vllm_model._own_logprobs(Cached(), row[:-1]))
    monkeypatch.setattr(vllm_model.VllmModel, "generate", lambda *_: [Cached()])
    (result,) = captured(engine, TUNED, [row])
    assert (result.status, "prefix cache" in str(result.reason)) == ("failed", True)


def test_an_adapter_of_the_head_is_merged(folders: dict[str, Path], fresh_cache: Path) -> None:
    engine = engine_of(folders, "head", "tuned")
    assert set(engine.merged) == {"tuned"}
    assert "lm_head" in engine.describe("tuned")["merged"]
    assert engine.describe("tuned:1")["merged"] is None
    for row, found in zip(ROWS, values(engine, TUNED, ROWS), strict=True):
        assert far(found, [None, *plain_logprobs(folders["base"], row, folders["head"])]) < TOLERANCE
    # The base beside it is the base.
    assert (
        far(values(engine, BASE, [ROWS[-1]])[0], [None, *plain_logprobs(folders["base"], ROWS[-1])])
        < TOLERANCE
    )
    assert list(fresh_cache.glob("merged-*"))
    engine.close()
    assert not list(fresh_cache.glob("merged-*"))


def test_memory_that_runs_out_halves_the_window(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from llmood.engines.models.vllm_model import VllmModel

    plain = VllmModel.token_logprobs
    sizes: list[int] = []

    def small(self: VllmModel, rows: Any, adapters: Any) -> Any:
        sizes.append(len(rows))
        if len(rows) > 2 or len(rows[0]) == 30:
            raise torch.OutOfMemoryError("too much")
        return plain(self, rows, adapters)

    monkeypatch.setattr(VllmModel, "token_logprobs", small)
    monkeypatch.setattr(engine, "_window", None)
    results = captured(engine, BASE, ROWS)
    assert sizes == [6, 3, 1, 1, 1, 1, 1, 1]
    assert [result.status for result in results] == ["ok"] * 5 + ["failed"]
    assert "too little memory" in str(results[-1].reason)
    monkeypatch.undo()
    assert values(engine, BASE, ROWS)


def test_an_engine_that_breaks_is_started_again_once(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmood.engines.models.vllm_model import VllmModel

    engine = engine_of(folders, "tuned")
    plain = VllmModel.token_logprobs
    broken: list[VllmModel] = []

    def breaks(self: VllmModel, rows: Any, adapters: Any) -> Any:
        if not broken:
            broken.append(self)
            raise RuntimeError("the engine is dead\nand more")
        return plain(self, rows, adapters)

    monkeypatch.setattr(VllmModel, "token_logprobs", breaks)
    assert len(values(engine, BASE, ROWS)) == len(ROWS)
    assert engine._loaded is not broken[0]
    broken.clear()
    with pytest.raises(EngineError, match=r"broke down twice: the engine is dead \(what is finished"):
        values(engine, BASE, ROWS)
    engine.close()


def test_a_longer_request_gets_its_room(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmood.engines.vllm_memory.LEAST_ROOM", 16)
    engine = engine_of(folders)
    short, longest = rows_of(5, CONTEXT - 1)
    assert engine.context_length("base") == CONTEXT - 1
    for row in (short, longest, short):
        assert far(values(engine, BASE, [row])[0], [None, *plain_logprobs(folders["base"], row)]) < TOLERANCE
    engine.close()


def test_nothing_is_left_behind(folders: dict[str, Path]) -> None:
    before = set(Path("/dev/shm").iterdir())
    engine = engine_of(folders)
    assert np.isfinite(values(engine, BASE, [ROWS[3]])[0][1:]).all()
    engine.close()
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    names = [
        Path(f"/proc/{child}/comm").read_text().strip()
        for child in children
        if Path(f"/proc/{child}").exists()
    ]
    assert not [name for name in names if "VLLM" in name.upper()]
    assert set(Path("/dev/shm").iterdir()) <= before


def test_the_wrong_build_is_one_line(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmood.engines.vllm.installed_build", lambda: ("vllm", "0.32.0"))
    with pytest.raises(ConfigError, match="CUDA build is installed, and the device is cpu"):
        engine_of(folders)
    monkeypatch.undo()
    monkeypatch.setattr("llmood.engines.local.choose_device", lambda _: "cuda")
    with pytest.raises(ConfigError, match="CPU build is installed, and the device is cuda"):
        engine_of(folders)
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("llmood.engines.vllm_build.version", missing)
    with pytest.raises(MissingExtraError, match=r"'vllm' is not installed \(pip install 'llmood\[vllm\]'"):
        engine_of(folders)
