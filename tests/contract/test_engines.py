"""One checklist for every registered engine, each with models of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmood.config import EngineConfig, Models
from llmood.engines.base import EMBEDDING, BatchedEngine, Captured, Engine, Request, engines
from llmood.errors import ConfigError
from llmood.records import CaptureSpec
from llmood.tables import CAPTURE_SCHEMAS
from tests import tiny_models
from tests.stub_http import serving
from tests.stub_server import Stub

TEXTS = ["a", "bc", "", "defghij", "k" * 20, "lm", "n" * 9]
# What is one number a token, and its sign.
TOKEN_COLUMNS = {
    "prompt_logprobs": {"logprobs": -1},
    "prompt_moments": {"logprob_mean": -1, "logprob_std": 1},
}
Make = Callable[..., Engine]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    base = tiny_models.save_model(root / "base", head_dim=HEAD)
    return {
        "base": base,
        "other": tiny_models.save_model(root / "other", seed=5, head_dim=HEAD),
        "adapter": tiny_models.save_adapter(root / "adapter", base),
        "second": tiny_models.save_adapter(root / "second", base, seed=9),
    }


# What each engine takes for models; an engine that isn't here fails `test_every_engine_is_on_the_list`.
FOLDERS = {"fake": False, "openai": False, "transformers": True, "vllm": True}
SLOW = {"vllm"}
HEAD = 32  # the smallest that vLLM's attention has on a processor


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    """What the engine for servers asks."""
    with serving(Stub(models=("base", "other", "adapter", "second"))) as stub:
        yield stub


@pytest.fixture(
    params=[pytest.param(kind, marks=[pytest.mark.slow] if kind in SLOW else []) for kind in sorted(FOLDERS)]
)
def make(
    request: pytest.FixtureRequest, folders: dict[str, Path], server: Stub, fake_tokenizer: Path
) -> Make:
    kind = request.param
    if kind == "vllm":
        request.getfixturevalue("vllm")
    own: dict[str, Any] = {}
    if kind == "openai":
        own = {"server": {"url": server.url, "tokenizer": str(fake_tokenizer)}}

    def engine(base: str = "base", adapter: str = "adapter", **config: Any) -> Engine:
        named = {key: str(path) if FOLDERS[kind] else key for key, path in folders.items()}
        tuned = {"model" if kind == "openai" else "adapter": named[adapter]}  # a server puts it on by itself
        return engines.get(kind)(
            EngineConfig.model_validate(
                {"dtype": "float32", "device": "cpu", "batch_tokens": 64} | own | config
            ),
            Models.model_validate({"base": named[base], "tuned": tuned}),
        )

    return engine


def capture(engine: Engine, spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
    """All results in the order of the requests; each came once."""
    found = [item for finished in engine.run(spec, requests) for item in finished]
    assert sorted(index for index, _ in found) == list(range(len(requests)))
    return [captured for _, captured in sorted(found, key=lambda item: item[0])]


def specs_of(engine: Engine) -> list[CaptureSpec]:
    draws = {"n": 3, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 6, "seed": 0}
    params: dict[str, dict[str, Any]] = {
        "response": {"max_new_tokens": 6},
        "generations": draws | {"entropy": True},
        "next_token": {"top": 4, "labels": "a|b|k"},
        "attention": {"layers": "all", "statistic": "previous"},
    }
    spans = {"prompt": "prompt", "response": "response", "prompt_response": "response"}
    return [
        CaptureSpec.of(kind, role, target, **params.get(kind, {}))
        if kind != "hidden_states"
        else CaptureSpec.of(
            kind, role, target, layers="0,0.5,-1", positions=f"last_{spans[target]},mean_{spans[target]}"
        )
        for kind, target in sorted(engine.captures)
        if kind != EMBEDDING  # made of pictures: test_eye
        for role in engine.roles
    ] + [
        CaptureSpec.of("prompt_logprobs", role, target, exit=layer)
        for target in ("prompt", "prompt_response")
        for role in engine.roles
        for layer in ("0", "0.5", "-1")
        if engine.reads_exits
    ]


def columns_of(engine: Engine) -> dict[str, dict[str, int]]:
    """Those of the kinds that it can capture."""
    kinds = {kind for kind, _ in engine.captures}
    return {kind: columns for kind, columns in TOKEN_COLUMNS.items() if kind in kinds}


def requests_of(engine: Engine) -> list[Request]:
    rows = engine.tokenizer("tuned").encode(TEXTS, rendered=False)
    return [
        Request(ids, (("prompt", 0, len(ids)), ("response", 0, len(ids))), seed)
        for seed, ids in enumerate(rows)
    ]


def test_every_engine_is_on_the_list() -> None:
    assert set(engines.names()) == set(FOLDERS)


def test_it_names_itself_and_what_it_can_do(make: Make) -> None:
    engine = make()
    assert engines.get(engine.kind) is type(engine)
    assert (type(engine).__doc__ or "").strip()
    assert engine.roles == ("base", "tuned")
    for spec in specs_of(engine):
        assert spec.kind in CAPTURE_SCHEMAS
        assert engine.supports(spec)
    assert not engine.supports(CaptureSpec.of("prompt_logprobs", "judge"))
    assert not engine.supports(CaptureSpec.of("mind_reading", "base"))


def test_results_are_aligned_with_the_requests(make: Make) -> None:
    engine = make()
    requests = requests_of(engine)
    for spec in specs_of(engine):
        results = capture(engine, spec, requests)
        assert len(results) == len(requests)
        backwards = capture(engine, spec, requests[::-1])[::-1]
        for request, result, other in zip(requests, results, backwards, strict=True):
            assert (result.status, result.reason) == ("ok", None)
            assert set(result.values) <= set(CAPTURE_SCHEMAS[spec.kind].names)
            for name, sign in TOKEN_COLUMNS.get(spec.kind, {}).items():
                values = result.values[name]
                assert len(values) == len(request.token_ids)
                assert values[0] is None
                assert all(isinstance(value, float) and value * sign >= 0 for value in values[1:])
                assert values[1:] == pytest.approx(other.values[name][1:], abs=1e-4)
            if spec.kind == "response":
                ids, logprobs = result.values["token_ids"], result.values["logprobs"]
                assert 1 <= len(ids) == len(logprobs) <= 6
                ends = engine.tokenizer(spec.model).end_ids
                assert result.values["finish"] == ("stop" if ids[-1] in ends else "length")
                assert not set(ids[:-1]) & ends
                assert result.values["text"] == engine.tokenizer(spec.model).decode(ids)
                assert ids == other.values["token_ids"]
            if spec.kind == "generations":
                check_draws(result, other, engine.tokenizer(spec.model).end_ids)
            if spec.kind == "next_token":
                check_next_token(result, other)
            if spec.kind == "attention":
                check_attention(result, other, len(request.token_ids))
    engine.close()


def check_draws(result: Captured, other: Captured, ends: Collection[int]) -> None:
    """Three of them, each the same in other company, with a number for each token."""
    assert len(result.draws) == 3
    for draw, again in zip(result.draws, other.draws, strict=True):
        assert set(draw) <= set(CAPTURE_SCHEMAS["generations"].names)
        ids = draw["token_ids"]
        assert ids == again["token_ids"]
        assert 1 <= len(ids) == len(draw["logprobs"]) == len(draw["entropy"]) <= 6
        assert all(value <= 0 for value in draw["logprobs"])
        assert all(value >= 0 for value in draw["entropy"])
        assert draw["entropy"] == pytest.approx(again["entropy"], abs=1e-4)
        assert draw["finish"] == ("stop" if ids[-1] in ends else "length")
    assert [draw["seed"] - result.draws[0]["seed"] for draw in result.draws] == [0, 1, 2]


def check_next_token(result: Captured, other: Captured) -> None:
    """Four alternatives, what they leave, and the labels' logits; the same in other company."""
    values = result.values
    top = values["top_logprobs"]
    assert len(set(values["top_ids"])) == len(top) == 4
    assert list(top) == sorted(top, reverse=True)
    assert values["residual_mass"] == pytest.approx(1 - sum(math.exp(value) for value in top), abs=1e-6)
    assert values["entropy"] >= 0
    assert len(set(values["label_ids"])) == len(values["label_logits"]) == 3
    likely = dict(zip(values["top_ids"], top, strict=True))
    labels = zip(values["label_ids"], values["label_logits"], strict=True)
    shift = [logit - likely[label] for label, logit in labels if label in likely]
    assert max(shift, default=0) - min(shift, default=0) < 1e-4  # logits, but for a constant, are log p
    assert values["label_logits"] == pytest.approx(other.values["label_logits"], abs=1e-4)
    assert values["entropy"] == pytest.approx(other.values["entropy"], abs=1e-4)


def check_attention(result: Captured, other: Captured, tokens: int) -> None:
    """A share for each token but the first under every head of every layer; the same in other company."""
    values = result.values
    pairs = list(zip(values["layer"], values["head"], strict=True))
    assert pairs == sorted(set(pairs))
    assert len(pairs) == len(values["values"])
    for one, again in zip(values["values"], other.values["values"], strict=True):
        assert len(one) == max(tokens - 1, 0)
        assert all(0 <= value <= 1 for value in one)
        assert one == pytest.approx(again, abs=1e-4)


def test_what_no_engine_could_draw_is_refused(make: Make) -> None:
    engine = make()
    for spec in specs_of(engine):
        if spec.kind == "generations":
            for name, value in {"n": 0, "temperature": -1.0, "top_p": 0.0, "max_new_tokens": 0}.items():
                bad = CaptureSpec.of(spec.kind, spec.model, **(dict(spec.params) | {name: value}))
                assert f"{name} is {value}" in str(engine.lacks(bad))
        if spec.kind == "next_token":
            alike = CaptureSpec.of(spec.kind, spec.model, top=1, labels="ka|kb")
            assert "begin with the same token" in str(engine.lacks(alike))


def test_alone_as_in_a_padded_batch(make: Make) -> None:
    engine = make()
    requests = requests_of(engine)
    for spec in specs_of(engine):
        for name in TOKEN_COLUMNS.get(spec.kind, {}):
            together = capture(engine, spec, requests)
            for request, result in zip(requests, together, strict=True):
                (alone,) = capture(engine, spec, [request])
                assert alone.values[name][1:] == pytest.approx(result.values[name][1:], abs=1e-4)
    engine.close()


def state_specs(engine: Engine) -> list[CaptureSpec]:
    return [spec for spec in specs_of(engine) if spec.kind == "hidden_states"]


def states_of(results: Sequence[Captured]) -> list[NDArray[np.float64]]:
    assert [result.status for result in results] == ["ok"] * len(results)
    return [np.asarray(result.states, np.float64) for result in results]


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """1 − cosine, the largest over layers and positions."""
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return float((1 - (one * other).sum(-1) / lengths).max())


def test_states_are_the_same_in_any_company_and_twice(make: Make) -> None:
    engine, again = make(), make()
    requests = requests_of(engine)
    for spec in state_specs(engine):
        together = states_of(capture(engine, spec, requests))
        alone = [states_of(capture(engine, spec, [request]))[0] for request in requests]
        backwards = states_of(capture(engine, spec, requests[::-1]))[::-1]
        for row, values in enumerate(together):
            assert values.shape == together[0].shape
            assert values.ndim == 3
            assert max(apart(values, alone[row]), apart(values, backwards[row])) < 1e-4
        if engine.kind != "vllm":  # which has one model a process
            for one, other in zip(together, states_of(capture(again, spec, requests)), strict=True):
                assert np.array_equal(one, other)
    engine.close()
    again.close()


def test_base_and_tuned_have_other_states_of_the_same_embeddings(make: Make) -> None:
    engine = make()
    by_role = {spec.model: spec for spec in state_specs(engine) if spec.target == "prompt"}
    if not by_role:
        return
    base, tuned = (
        states_of(capture(engine, by_role[role], requests_of(engine)[4:5]))[0] for role in engine.roles
    )
    assert np.allclose(base[0], tuned[0], atol=1e-5)
    assert apart(base[1:], tuned[1:]) > 1e-3
    engine.close()


def test_a_state_knows_only_what_stands_before_it(make: Make) -> None:
    engine = make()
    ids = requests_of(engine)[4].token_ids
    positions = CaptureSpec.of("hidden_states", "tuned", layers="all", positions="prompt+8")
    if not engine.supports(positions):
        return
    whole, part = (Request(row, (("prompt", 0, len(row)),)) for row in (ids, ids[:9]))
    one, other = states_of(capture(engine, positions, [whole, part]))
    assert apart(one, other) < 1e-4
    engine.close()


def test_a_layer_that_there_is_not_is_refused_before_anything_loads(make: Make) -> None:
    engine = make()
    for spec in state_specs(engine):
        engine.check(spec)
        wrong = CaptureSpec.of(spec.kind, spec.model, spec.target, **(dict(spec.params) | {"layers": "99"}))
        with pytest.raises(ConfigError, match="there is no layer 99"):
            engine.check(wrong)
    assert getattr(engine, "_loaded", None) is None


def test_a_token_sees_only_what_stands_before_it(make: Make) -> None:
    engine = make()
    ids = requests_of(engine)[4].token_ids
    for kind, names in columns_of(engine).items():
        whole, part = capture(engine, CaptureSpec.of(kind, "tuned"), [Request(ids), Request(ids[:9])])
        for name in names:
            assert part.values[name][1:] == pytest.approx(whole.values[name][1:9], abs=1e-4)
    engine.close()


def test_moments_do_not_depend_on_the_token_itself(make: Make) -> None:
    engine = make()
    if "prompt_moments" not in columns_of(engine):
        return
    ids = requests_of(engine)[4].token_ids
    assert ids[8] == ids[7]
    one, other = capture(
        engine, CaptureSpec.of("prompt_moments", "tuned"), [Request(ids[:9]), Request((*ids[:8], ids[8] + 1))]
    )
    for name in TOKEN_COLUMNS["prompt_moments"]:
        assert one.values[name][8] == pytest.approx(other.values[name][8], abs=1e-4)
    engine.close()


def test_base_and_tuned_differ(make: Make) -> None:
    engine = make()
    request = requests_of(engine)[4:5]
    for kind, names in columns_of(engine).items():
        base, tuned = (capture(engine, CaptureSpec.of(kind, role), request)[0] for role in engine.roles)
        for name in names:
            assert base.values[name][1:] != pytest.approx(tuned.values[name][1:], abs=1e-3)
    engine.close()


def test_a_plan_is_a_partition_and_always_the_same(make: Make) -> None:
    engine = make()
    if not isinstance(engine, BatchedEngine):
        return  # it has no batches of its own
    requests = requests_of(engine) * 3
    for spec in specs_of(engine):
        plan = engine.plan(spec, requests)
        assert sorted(index for batch in plan for index in batch) == list(range(len(requests)))
        assert all(plan)
        again = make()
        assert isinstance(again, BatchedEngine)
        assert plan == again.plan(spec, requests)
        assert engine.plan(spec, []) == []
        assert len(plan) > 1


def test_what_is_there_is_not_run_again(make: Make) -> None:
    engine = make()
    requests = requests_of(engine)
    for spec in specs_of(engine):
        whole = capture(engine, spec, requests)
        rest = [item for finished in engine.run(spec, requests, done={0, 2, 5}) for item in finished]
        assert sorted(index for index, _ in rest) == [1, 3, 4, 6]
        for index, captured in rest:
            for name in columns_of(engine).get(spec.kind, {}):
                assert captured.values[name][1:] == pytest.approx(whole[index].values[name][1:], abs=1e-4)
        assert list(engine.run(spec, requests, done=range(len(requests)))) == []
        assert list(engine.run(spec, [])) == []
    engine.close()


def test_it_answers_the_same_twice(make: Make) -> None:
    found = []
    for engine in (make(), make()):  # one after the other: what is loaded may not fit beside another
        found.append([capture(engine, spec, requests_of(engine)) for spec in specs_of(engine)])
        engine.close()
    assert found[0] == found[1]


def test_identity_is_json_and_changes_with_what_decides_the_numbers(make: Make) -> None:
    engine = make()
    base, tuned = engine.identity("base"), engine.identity("tuned")
    assert json.loads(json.dumps(base)) == base
    assert base["engine"] == engine.kind
    assert base.get("version")
    assert base != tuned
    assert make().identity("tuned") == tuned
    assert make(adapter="second").identity("tuned") != tuned
    assert make(adapter="second").identity("base") == base
    assert make(base="other").identity("base") != base
    if "dtype" in base:
        assert make(dtype="bfloat16").identity("base") != base
    # What changes speed and not numbers is no part of it.
    assert make(batch_tokens=7).identity("tuned") == tuned


def test_a_description_is_json_and_names_the_model(make: Make) -> None:
    engine = make()
    for role in engine.roles:
        described = engine.describe(role)
        assert json.loads(json.dumps(described)) == described
        assert described["name"]
        assert described["parameters"] is None or described["parameters"] >= 0  # nobody may know


def test_the_context_can_be_lowered(make: Make) -> None:
    whole = make().context_length("base")
    assert make(max_length=5).context_length("base") == 5
    assert make(max_length=10**9).context_length("base") == whole


def test_base_and_tuned_read_a_text_alike(make: Make) -> None:
    engine = make()
    base, tuned = (engine.tokenizer(role) for role in engine.roles)
    assert base.identity == tuned.identity
    assert base.encode(TEXTS, rendered=False) == tuned.encode(TEXTS, rendered=False)
    assert base.prefix_ids == base.encode([""], rendered=False)[0]
    assert base.end_ids
