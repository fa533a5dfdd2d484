"""Answers of the transformers engine: against `generate`, whole passes and themselves in other company."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from llmood.engines.base import Request
from llmood.engines.decoding import Decoding, why_unusable
from llmood.engines.models.causal_lm import CausalLM
from llmood.engines.transformers import TransformersEngine
from llmood.measures.token_entropy import (
    fisher_rao_from_uniform,
    renyi_divergence_from_uniform,
    self_certainty,
)
from llmood.records import CaptureSpec
from tests import tiny_models
from tests.tiny_models import (
    ARCHITECTURES,
    CONTEXT,
    END,
    ROWS,
    TOLERANCE,
    VOCABULARY,
    captured,
    engine_of,
    far,
    log_softmax,
    plain_logits,
    plain_model,
    respond,
    rows_of,
)

_FEW = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "initializer_range": 0.25}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48}
# What models keep of a text beside keys and values: none of these can be picked by row.
OTHERS: dict[str, dict[str, Any]] = {
    "MambaConfig": _FEW | {"state_size": 4},
    "RwkvConfig": _FEW | {"attention_hidden_size": 32, "context_length": CONTEXT},
    "RecurrentGemmaConfig": _FEW
    | _HEADS
    | {"num_hidden_layers": 3, "lru_width": 32, "attention_window_size": 16},
    "Lfm2Config": _FEW | _HEADS | {"layer_types": ["conv", "full_attention"]},
}


def draw(role: str = "base", **params: Any) -> CaptureSpec:
    usual = {"n": 3, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 8, "seed": 0}
    return CaptureSpec.of("generations", role, **(usual | params))


def drawn(
    engine: TransformersEngine, spec: CaptureSpec, requests: list[Request]
) -> list[list[dict[str, Any]]]:
    results = engine.capture(spec, requests)
    assert [result.status for result in results] == ["ok"] * len(requests)
    return [[dict(each) for each in result.draws] for result in results]


def requests_of(rows: list[tuple[int, ...]]) -> list[Request]:
    return [Request(row, seed=100 * index) for index, row in enumerate(rows)]


def ids_of(draws: list[list[dict[str, Any]]]) -> list[list[list[int]]]:
    return [[each["token_ids"] for each in own] for own in draws]


def generated(model: Any, row: tuple[int, ...], steps: int) -> tuple[list[int], list[float]]:
    """What transformers' own `generate` gives, with the log-probabilities of its raw logits."""
    settings = transformers.GenerationConfig(
        do_sample=False,
        max_new_tokens=steps,
        eos_token_id=END,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
    )
    ids = torch.tensor([row])
    output = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    answer = output.sequences[0, len(row) :].tolist()
    logprobs = torch.cat(output.logits).double().log_softmax(dim=-1)
    return answer, [float(logprobs[step, token]) for step, token in enumerate(answer)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_is_what_generate_gives(architecture: str, tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    engine = engine_of(folder)
    rows = [*ROWS, *rows_of(9, 30)]
    answers = captured(engine, respond("base", new=12), rows)
    assert engine._model("base").decoder.steps_are_right
    model = plain_model(folder)
    for row, answer in zip(rows, answers, strict=True):
        ids, logprobs = generated(model, row, 12)
        assert answer["token_ids"] == ids
        assert far(answer["logprobs"], logprobs) < 1e-5


@pytest.mark.parametrize("name", OTHERS)
def test_models_that_keep_no_keys_and_values_answer_too(name: str, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = transformers.AutoModelForCausalLM.from_config(getattr(transformers, name)(**OTHERS[name]))
        for weights in made.parameters():  # some start out so small that what they have read doesn't show
            if weights.dim() > 1:
                torch.nn.init.normal_(weights, std=0.4)
    made.save_pretrained(tmp_path)
    model = CausalLM(tmp_path, {}, dtype="float32", device="cpu")
    rows = [*ROWS[1:], rows_of(9)[0]]
    greedy = Decoding(1, 0.0, 1.0, 0, (END,))
    answers = model.answers(rows, greedy, seeds=[0] * len(rows), max_new_tokens=6, adapter=None)
    assert not model.decoder.steps_are_right
    for row, (answer,) in zip(rows, answers, strict=True):
        text = list(row)
        for token, logprob in zip(answer.ids, answer.logprobs, strict=True):
            with torch.inference_mode():
                logits = model.model(input_ids=torch.tensor([text]), use_cache=False).logits[0, -1]
            logprobs = log_softmax(logits.double().numpy())
            assert token == logprobs.argmax()
            assert logprob == pytest.approx(logprobs[token], abs=TOLERANCE)
            text.append(token)
    warm = Decoding(3, 1.0, 0.9, 0, (END,))
    seeds = list(range(0, 100 * len(rows), 100))
    together = model.answers(rows, warm, seeds=seeds, max_new_tokens=6, adapter=None)
    for row, seed, draws in zip(rows, seeds, together, strict=True):
        (alone,) = model.answers([row], warm, seeds=[seed], max_new_tokens=6, adapter=None)
        assert [each.ids for each in alone] == [each.ids for each in draws]


def test_steps_that_forget_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_models.save_model(tmp_path)
    expected = captured(engine_of(folder), respond("base"), ROWS)
    original = transformers.DynamicCache.batch_select_indices

    def other_rows(self: Any, indices: torch.Tensor) -> None:
        original(self, indices.flip(0))

    monkeypatch.setattr(transformers.DynamicCache, "batch_select_indices", other_rows)
    engine = engine_of(folder)
    found = captured(engine, respond("base"), ROWS)
    assert not engine._model("base").decoder.steps_are_right
    assert [answer["token_ids"] for answer in found] == [answer["token_ids"] for answer in expected]


# ------------------------------------------------------------------------------------------------------- draws


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.9)])
def test_a_draw_depends_on_its_seed_alone(llama: Path, temperature: float, top_p: float) -> None:
    engine = engine_of(llama)
    spec = draw(temperature=temperature, top_p=top_p, max_new_tokens=12)
    requests = requests_of([*ROWS, ROWS[3]])
    together = drawn(engine, spec, requests)
    assert ids_of(drawn(engine, spec, requests[::-1]))[::-1] == ids_of(together)
    assert [ids_of(drawn(engine, spec, [request]))[0] for request in requests] == ids_of(together)
    more = drawn(engine, draw(n=5, temperature=temperature, top_p=top_p, max_new_tokens=12), requests[:2])
    assert [own[:3] for own in ids_of(more)] == ids_of(together)[:2]
    assert ids_of(together)[3] != ids_of(together)[-1]  # the same text with another seed
    assert [each["seed"] for each in together[2]] == [200, 201, 202]
    assert len({tuple(each) for own in ids_of(together) for each in own}) > len(requests)


def test_what_is_kept_of_a_draw_is_raw(llama: Path, adapter: Path) -> None:
    engine = engine_of(llama, {"adapter": str(adapter)})
    spec = draw("tuned", temperature=0.5, top_p=0.8, top=4)
    model = plain_model(llama, adapter)
    for row, draws in zip(ROWS, drawn(engine, spec, requests_of(ROWS)), strict=True):
        for each in draws:
            ids = each["token_ids"]
            whole = log_softmax(plain_logits(model, [*row, *ids]))[len(row) - 1 : -1]
            assert far(each["logprobs"], [float(whole[i, token]) for i, token in enumerate(ids)]) < TOLERANCE
            assert far(each["entropy"], (-(np.exp(whole) * whole).sum(axis=-1)).tolist()) < TOLERANCE
            assert each["top_ids"] == np.argsort(-whole, axis=-1)[:, :4].tolist()
            for top, own, left in zip(each["top_logprobs"], whole, each["residual_mass"], strict=True):
                assert far(top, np.sort(own)[::-1][:4].tolist()) < TOLERANCE
                assert left == pytest.approx(1 - np.exp(top).sum(), abs=1e-6)
            assert (each["temperature"], each["top_p"]) == (0.5, 0.8)


MEASURES = {
    "self_certainty": self_certainty,
    "renyi": renyi_divergence_from_uniform,
    "fisher_rao": fisher_rao_from_uniform,
}


@pytest.mark.parametrize("kind", ["response", "generations"])
def test_how_far_from_uniform_each_distribution_was(kind: str, llama: Path) -> None:
    drawing = {"n": 2, "temperature": 1.0, "top_p": 1.0, "seed": 0} if kind == "generations" else {}
    engine, model = engine_of(llama), plain_model(llama)
    spec = CaptureSpec.of(kind, "base", max_new_tokens=6, statistics=True, **drawing)
    for row, result in zip(ROWS, engine.capture(spec, requests_of(ROWS)), strict=True):
        for each in result.draws or [result.values]:
            whole = log_softmax(plain_logits(model, [*row, *each["token_ids"]]))[len(row) - 1 : -1]
            for name, measure in MEASURES.items():
                assert far(each[name], measure(whole).tolist()) < 1e-5
    (unasked,) = engine.capture(CaptureSpec.of("response", "base", max_new_tokens=6), requests_of(ROWS[:1]))
    assert not set(MEASURES) & set(unasked.values)


def test_draws_follow_their_distribution(llama: Path) -> None:
    engine = engine_of(llama)
    (draws,) = drawn(engine, draw(n=3000, temperature=1.3, max_new_tokens=1), [Request(ROWS[3], seed=0)])
    logits = plain_logits(plain_model(llama), ROWS[3])[-1]
    expected = np.exp(log_softmax(logits / 1.3))
    found = np.bincount([each["token_ids"][0] for each in draws], minlength=VOCABULARY) / 3000
    # Five standard deviations of a share.
    assert (np.abs(found - expected) <= 5 * np.sqrt(expected * (1 - expected) / 3000) + 1e-9).all()


def test_prompts_are_read_once_for_all_draws(llama: Path) -> None:
    engine = engine_of(llama)
    drawn(engine, draw(), requests_of(ROWS))
    read: list[tuple[int, ...]] = []
    body = engine._model("base").model.base_model
    hook = body.register_forward_pre_hook(
        lambda _module, _args, given: read.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    try:
        drawn(engine, draw(n=4, max_new_tokens=3), requests_of(ROWS))
    finally:
        hook.remove()
    assert read[0] == (len(ROWS), 30)
    assert all(shape[1] == 1 for shape in read[1:])
    assert len(read) <= 3
    assert read[1][0] == 4 * len(ROWS)


def test_rows_that_have_ended_leave_the_batch(llama: Path, tmp_path: Path) -> None:
    engine = engine_of(llama)
    spec = draw(n=4, max_new_tokens=8)
    free = drawn(engine, spec, requests_of(ROWS))
    # Whatever most draws begin with ends an answer here.
    first = [each["token_ids"][0] for own in free for each in own]
    ends = sorted(set(first))[: 3 * len(set(first)) // 4]
    model = engine._model("base")
    sizes: list[int] = []
    hook = model.model.base_model.register_forward_pre_hook(
        lambda _module, _args, given: sizes.append(len(given["input_ids"])), with_kwargs=True
    )
    decoding = Decoding(4, 1.0, 1.0, 0, tuple(ends))
    try:
        answers = model.answers(
            ROWS, decoding, seeds=list(range(0, 600, 100)), max_new_tokens=8, adapter=None
        )
    finally:
        hook.remove()
    assert min(sizes[1:]) <= 4 * len(ROWS) // 2
    for own, before in zip(answers, free, strict=True):
        for answer, each in zip(own, before, strict=True):
            whole = each["token_ids"]
            # END ended what was drawn before, and ends nothing here: only what stands before it is compared.
            stop = next((i + 1 for i, token in enumerate(whole) if token in ends), len(whole))
            assert answer.ids[:stop] == whole[:stop]
            assert far(answer.logprobs[:stop], each["logprobs"][:stop]) < TOLERANCE
            if whole[stop - 1] in ends:
                assert len(answer.ids) == stop


def test_at_temperature_zero_all_draws_are_the_greedy_answer(llama: Path) -> None:
    engine = engine_of(llama)
    answers = captured(engine, respond("base"), ROWS)
    for answer, own in zip(answers, drawn(engine, draw(temperature=0.0), requests_of(ROWS)), strict=True):
        assert [each["token_ids"] for each in own] == [answer["token_ids"]] * 3
        assert len({each["seed"] for each in own}) == 3
    (one,) = drawn(engine, draw(n=1), requests_of(ROWS[:1]))
    assert len(one) == 1


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"n": 0}, "n is 0, and has to be at least 1"),
        ({"temperature": -1.0}, "temperature is -1.0, and has to be at least 0"),
        ({"top_p": 0.0}, "top_p is 0.0, and has to be over 0, at most 1"),
        ({"top_p": 1.5}, "top_p is 1.5, and has to be over 0, at most 1"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"top": -1}, "top is -1"),
    ],
)
def test_what_nobody_can_draw_is_refused_before(llama: Path, params: dict[str, Any], said: str) -> None:
    reason = engine_of(llama).lacks(draw(**params))
    assert reason is not None
    assert reason.startswith(said)
    assert why_unusable(draw()) is None
    assert why_unusable(CaptureSpec.of("generations", "base", temperature=1.0)) == "n is missing"


def test_a_plan_counts_every_draw(llama: Path) -> None:
    engine = engine_of(llama, batch_tokens=4 * 3 * (9 + 8))
    requests = requests_of(rows_of(*[9] * 8))
    assert [len(batch) for batch in engine.plan(draw(), requests)] == [4, 4]


# -------------------------------------------------------------------------------------------------- next token


@pytest.mark.parametrize("architecture", ["llama", "gemma2"])
def test_the_distribution_after_a_prompt(architecture: str, tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    engine = engine_of(folder)
    spec = CaptureSpec.of("next_token", "base", top=5, labels="a|no|z")
    labels = [ids[0] for ids in engine.tokenizer("base").encode(["a", "n", "z"], rendered=True)]
    model = plain_model(folder)
    for row, found in zip(ROWS, captured(engine, spec, ROWS), strict=True):
        logits = plain_logits(model, row)[-1]
        logprobs = log_softmax(logits)
        assert found["top_ids"] == np.argsort(-logprobs)[:5].tolist()
        assert far(found["top_logprobs"], np.sort(logprobs)[::-1][:5].tolist()) < TOLERANCE
        assert found["residual_mass"] == pytest.approx(1 - np.exp(found["top_logprobs"]).sum(), abs=1e-6)
        assert far([found["entropy"]], [-(np.exp(logprobs) * logprobs).sum()]) < TOLERANCE
        assert found["label_ids"] == labels
        assert far(found["label_logits"], logits[labels].tolist()) < TOLERANCE
        (alone,) = captured(engine, spec, [row])
        assert (
            far([alone["entropy"], *alone["label_logits"]], [found["entropy"], *found["label_logits"]])
            < TOLERANCE
        )


def test_a_head_that_is_not_known_has_next_tokens_too(llama: Path) -> None:
    engine, other = engine_of(llama), engine_of(llama)
    spec = CaptureSpec.of("next_token", "base", top=3)
    expected = captured(engine, spec, ROWS)
    model = other._model("base")
    model._head = model.decoder._head = None
    for ours, theirs in zip(captured(other, spec, ROWS), expected, strict=True):
        assert ours["top_ids"] == theirs["top_ids"]
        assert "label_ids" not in ours
    answers = captured(other, respond("base"), ROWS)
    assert model.decoder.steps_are_right
    assert [a["token_ids"] for a in answers] == [
        a["token_ids"] for a in captured(engine, respond("base"), ROWS)
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("yes|no|yet", "the labels 'yes' and 'yet' begin with the same token"),
        ("yes||no", "the tokenizer makes no token of the label ''"),
        ("yes|no", None),
    ],
)
def test_labels_that_begin_alike_are_refused_before(llama: Path, labels: str, said: str | None) -> None:
    assert engine_of(llama).lacks(CaptureSpec.of("next_token", "base", labels=labels)) == said
