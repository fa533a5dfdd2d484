"""The transformers engine against transformers alone: no batch, padding, adapter switch or setting changes a number."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmood.engines.base import Request
from llmood.engines.models import head
from llmood.engines.transformers import TransformersEngine
from llmood.records import CaptureSpec
from tests import tiny_models
from tests.tiny_models import (
    ARCHITECTURES,
    BASE,
    CONTEXT,
    END,
    ROWS,
    TOLERANCE,
    TUNED,
    VOCABULARY,
    captured,
    engine_of,
    far,
    respond,
    rows_of,
)


@pytest.fixture(scope="module")
def engine(llama: Path, adapter: Path) -> Iterator[TransformersEngine]:
    made = engine_of(llama, {"adapter": str(adapter)})
    yield made
    made.close()


# ------------------------------------------------------------------------------------------- log-probabilities


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_alone_in_a_padded_batch_and_by_transformers_itself(architecture: str, tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    engine = engine_of(folder)
    together = captured(engine, BASE, ROWS)
    assert engine._model("base")._head is not None  # the chunked head is this architecture's own
    for row, values in zip(ROWS, together, strict=True):
        assert values["logprobs"][0] is None
        alone = captured(engine, BASE, [row])[0]
        assert far(values["logprobs"], alone["logprobs"]) < TOLERANCE
        assert far(values["logprobs"][1:], tiny_models.plain_logprobs(folder, row)) < TOLERANCE


def test_a_head_that_is_not_known_is_left_to_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Told nothing of the cap, the engine finds that the head alone doesn't give the model's logits.
    folder = tiny_models.save_model(tmp_path, "gemma2")
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    cap = model.config.final_logit_softcapping
    plain = {index: tiny_models.plain_logprobs(folder, row) for index, row in enumerate(ROWS)}

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        result.logits = cap * (result.logits / cap).tanh()
        return result

    original = type(model).forward
    tiny_models.change_json(folder / "config.json", final_logit_softcapping=None)
    monkeypatch.setattr(type(model), "forward", forward)
    engine = engine_of(folder)
    results = captured(engine, BASE, ROWS)
    assert engine._model("base")._head is None
    for index, values in enumerate(results):
        assert far(values["logprobs"][1:], plain[index]) < TOLERANCE


def test_the_adapter_is_applied_and_padding_changes_nothing(
    engine: TransformersEngine, llama: Path, adapter: Path
) -> None:
    together = captured(engine, TUNED, ROWS)
    for row, values in zip(ROWS, together, strict=True):
        assert far(values["logprobs"], captured(engine, TUNED, [row])[0]["logprobs"]) < TOLERANCE
        assert far(values["logprobs"][1:], tiny_models.plain_logprobs(llama, row, adapter)) < TOLERANCE


def test_switched_off_the_adapter_is_not_there(engine: TransformersEngine, llama: Path) -> None:
    alone = engine_of(llama)
    for _ in range(2):  # back and forth
        captured(engine, TUNED, ROWS)
        base, plain = captured(engine, BASE, ROWS), captured(alone, BASE, ROWS)
        assert [values["logprobs"] for values in base] == [values["logprobs"] for values in plain]
    tuned = captured(engine, TUNED, ROWS)
    assert far(base[-1]["logprobs"], tuned[-1]["logprobs"]) > 0.01


def test_a_batch_of_single_tokens_has_nothing_to_predict(engine: TransformersEngine) -> None:
    assert captured(engine, BASE, rows_of(1, 1)) == [{"logprobs": [None]}] * 2


def test_the_vocabulary_is_never_there_for_all_tokens(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(*[20] * 6)
    tokens = 6 * 19  # the scored ones, each once; no padding, no last token
    whole = captured(engine, BASE, rows)
    monkeypatch.setattr(head, "LOGITS_AT_ONCE", 70 * tokens)
    monkeypatch.setattr(head, "LEAST_COLUMNS", 1)
    seen: list[tuple[int, ...]] = []
    finished = head.Head._finished

    def spy(self: head.Head, logits: Any) -> Any:
        seen.append(tuple(logits.shape))
        return finished(self, logits)

    monkeypatch.setattr(head.Head, "_finished", spy)
    sliced = captured(engine, BASE, rows)
    # Slices of whole blocks of 64 words, as many as fit.
    assert seen == [(tokens, 64)] * (VOCABULARY // 64) + [(tokens, VOCABULARY % 64)]
    for ours, theirs in zip(whole, sliced, strict=True):
        assert far(ours["logprobs"], theirs["logprobs"]) < 1e-5


def test_moments_see_the_whole_vocabulary_of_a_few_tokens(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, moments = rows_of(*[20] * 6), CaptureSpec.of("prompt_moments", "base")
    whole = captured(engine, moments, rows)
    monkeypatch.setattr(head, "LOGITS_AT_ONCE", 10 * VOCABULARY)
    monkeypatch.setattr(head, "LEAST_ROWS", 1)
    model = engine._model("base").model
    seen: list[int] = []
    hook = model.get_output_embeddings().register_forward_hook(
        lambda _module, _given, logits: seen.append(logits.numel() // VOCABULARY)
    )
    try:
        chunked = captured(engine, moments, rows)
    finally:
        hook.remove()
    assert sum(seen) == 6 * 19
    assert max(seen) == 10
    for ours, theirs in zip(whole, chunked, strict=True):
        assert far(ours["logprob_mean"], theirs["logprob_mean"]) < 1e-5


# --------------------------------------------------------------------------------------------------- responses


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2"])
def test_greedy_is_the_likeliest_token_again_and_again(architecture: str, tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path, architecture)
    rows = ROWS[1:]
    engine = engine_of(folder)
    together = captured(engine, respond("base"), rows)
    assert engine._model("base").decoder.padding_is_unseen  # so they were one batch
    for row, values in zip(rows, together, strict=True):
        ids, logprobs = tiny_models.plain_greedy(folder, row, steps=8, ends=[END])
        assert values["token_ids"] == ids
        assert far(values["logprobs"], logprobs) < TOLERANCE
        assert captured(engine, respond("base"), [row])[0]["token_ids"] == ids
        assert values["finish"] == ("stop" if ids[-1] == END else "length")


def test_a_model_that_sees_padding_gets_none(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    expected = captured(engine_of(llama), respond("base"), ROWS)
    original = transformers.LlamaModel.forward

    def forward(
        self: Any, *args: Any, attention_mask: Any = None, position_ids: Any = None, **kwargs: Any
    ) -> Any:
        return original(self, *args, **kwargs)  # as recurrent models do that know no mask

    monkeypatch.setattr(transformers.LlamaModel, "forward", forward)
    rows = [*ROWS, ROWS[2]]
    engine = engine_of(llama)
    found = captured(engine, respond("base"), rows)
    assert not engine._model("base").decoder.padding_is_unseen
    for ours, theirs in zip(found, [*expected, expected[2]], strict=True):
        assert ours["token_ids"] == theirs["token_ids"]
        assert far(ours["logprobs"], theirs["logprobs"]) < TOLERANCE


def test_the_adapter_answers_and_the_base_does_too(
    engine: TransformersEngine, llama: Path, adapter: Path
) -> None:
    for role, folder in (("tuned", adapter), ("base", None)):
        for row, values in zip(ROWS, captured(engine, respond(role), ROWS), strict=True):
            ids, logprobs = tiny_models.plain_greedy(llama, row, steps=8, ends=[END], adapter=folder)
            assert values["token_ids"] == ids
            assert far(values["logprobs"], logprobs) < TOLERANCE


def test_a_response_is_scored_as_it_was_decoded(engine: TransformersEngine) -> None:
    answers = captured(engine, respond(), ROWS)
    fed = [(*row, *answer["token_ids"]) for row, answer in zip(ROWS, answers, strict=True)]
    scored = captured(engine, CaptureSpec.of("prompt_logprobs", "tuned", "prompt_response"), fed)
    for row, answer, values in zip(ROWS, answers, scored, strict=True):
        assert far(values["logprobs"][len(row) :], answer["logprobs"]) < TOLERANCE


def test_what_the_model_says_about_generating_is_not_asked(llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "m"))
    tiny_models.change_json(
        folder / "generation_config.json",
        do_sample=True,
        temperature=5.0,
        top_k=3,
        repetition_penalty=50.0,
        no_repeat_ngram_size=1,
        min_new_tokens=7,
        max_length=3,
        num_beams=3,
        suppress_tokens=list(range(4, 200)),
        forced_eos_token_id=END,
    )
    quiet, loud = (captured(engine_of(path), respond("base"), ROWS) for path in (llama, folder))
    assert [answer["token_ids"] for answer in loud] == [answer["token_ids"] for answer in quiet]
    assert [answer["logprobs"] for answer in loud] == [answer["logprobs"] for answer in quiet]


def test_an_answer_ends_at_any_of_the_end_tokens(llama: Path, tmp_path: Path) -> None:
    free = captured(engine_of(llama), respond("base"), ROWS)
    ends = sorted({answer["token_ids"][2] for answer in free})
    folder = Path(shutil.copytree(llama, tmp_path / "m"))
    tiny_models.change_json(folder / "generation_config.json", eos_token_id=[*ends, END])
    for before, after in zip(free, captured(engine_of(folder), respond("base"), ROWS), strict=True):
        cut = 1 + next(index for index, token in enumerate(before["token_ids"]) if token in {*ends, END})
        assert after["token_ids"] == before["token_ids"][:cut]  # the end token is kept
        assert far(after["logprobs"], before["logprobs"][:cut]) < TOLERANCE
        assert after["finish"] == "stop"


def test_an_answer_cut_by_the_context_does_not_depend_on_its_batch(engine: TransformersEngine) -> None:
    rows = rows_of(CONTEXT - 3, 5, CONTEXT - 8, CONTEXT - 1, 12)
    spec = respond("tuned", 8)
    requests = [Request(row) for row in rows]
    batches = engine.plan(spec, requests)
    assert sorted(index for batch in batches for index in batch) == [0, 1, 2, 3, 4]
    answers: dict[int, dict[str, Any]] = {}
    for batch in batches:
        answers |= zip(batch, captured(engine, spec, [rows[index] for index in batch]), strict=True)
    for index, row in enumerate(rows):
        assert captured(engine, spec, [row])[0]["token_ids"] == answers[index]["token_ids"]
        room = min(8, CONTEXT - len(row))
        ended = answers[index]["token_ids"][-1] == END
        assert len(answers[index]["token_ids"]) == room or ended
        assert answers[index]["finish"] == ("stop" if ended else "length")
