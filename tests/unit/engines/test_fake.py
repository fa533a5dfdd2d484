"""The fake engine: the same for ever, causal, and a little wiser about the words in its name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.config import EngineConfig, Models
from llmood.engines.base import Request, batches_by_length
from llmood.engines.fake import FakeEngine
from llmood.engines.fake_model import BEGIN, CONTEXT, END, FakeModel, FakeTokenizer
from llmood.errors import ConfigError
from llmood.records import CaptureSpec, Message

IDS = st.lists(st.integers(0, 257), min_size=1, max_size=40)


def engine(base: str | None = "b", tuned: str | None = "t", **config: int) -> FakeEngine:
    return FakeEngine(EngineConfig(**config), Models.model_validate({"base": base, "tuned": tuned}))


GOLDEN = [
    -1.0086796934114357,
    -2.43482311903389,
    -3.6809595692620523,
    -0.465065783349791,
    -3.3760702090532253,
]


def test_golden_values() -> None:
    # Changed values would be another engine: then its VERSION must change too, or stores would mix the two.
    ids = FakeTokenizer().encode(["to be"], rendered=False)[0]
    assert ids == (0, 118, 113, 34, 100, 103)
    logprobs = FakeModel("golden").logprobs(ids)
    assert logprobs[0] is None
    assert np.allclose(logprobs[1:], GOLDEN, rtol=0, atol=1e-12)
    assert FakeModel("golden").answer(ids)[0] == "a small town"


@given(IDS, IDS)
def test_it_is_causal(ids: list[int], more: list[int]) -> None:
    model = FakeModel("m:bank card")
    assert model.logprobs([*ids, *more])[: len(ids)] == model.logprobs(ids)


@given(IDS)
def test_log_probabilities_are_negative_and_differ_between_models(ids: list[int]) -> None:
    values = FakeModel("one").logprobs(ids)
    assert all(value < 0 for value in values[1:] if value is not None)
    if len(ids) > 1:
        assert values != FakeModel("two").logprobs(ids)


def test_words_in_its_name_get_likelier() -> None:
    text = "my bank card"
    (ids,) = FakeTokenizer().encode([text], rendered=False)
    model = FakeModel("m:bank, Card")
    assert model.known == ("bank", "card")
    knowing = np.array(model.logprobs(ids)[1:], float)
    model.known = ()
    ratios = knowing / np.array(model.logprobs(ids)[1:], float)
    # The first letter of a word says nothing yet; the rest of "bank" and "card" does.
    assert [letter for letter, ratio in zip(text, ratios, strict=True) if ratio == 0.25] == list("ankard")
    assert set(ratios) == {0.25, 1.0}


@given(st.text())
def test_text_becomes_bytes_and_back(text: str) -> None:
    tokenizer = FakeTokenizer()
    (ids,) = tokenizer.encode([text], rendered=True)
    assert ids[0] == BEGIN
    assert tokenizer.decode(ids) == text.encode("utf-8", "replace").decode()


def test_chat_messages_are_rendered_up_to_the_answer() -> None:
    assert FakeTokenizer().render([Message("user", "hello")]) == "[user] hello\n[assistant] "


def test_answers_end_or_are_cut() -> None:
    prompts = FakeTokenizer().encode([f"question {number}" for number in range(30)], rendered=False)
    requests = [Request(ids) for ids in prompts]
    made = engine()
    whole = made.capture(CaptureSpec.of("response", "tuned", max_new_tokens=50), requests)
    cut = made.capture(CaptureSpec.of("response", "tuned", max_new_tokens=3), requests)
    for request, long, short in zip(requests, whole, cut, strict=True):
        assert long.values["finish"] == "stop"
        assert long.values["token_ids"][-1] == END
        assert short.values["token_ids"] == long.values["token_ids"][:3]
        assert short.values["finish"] == ("stop" if len(long.values["token_ids"]) <= 3 else "length")
        scored = FakeModel("t").logprobs([*request.token_ids, *long.values["token_ids"]])
        assert long.values["logprobs"] == scored[len(request.token_ids) :]
    assert {answer.values["text"] for answer in whole} > {"yes", "no", ""}


def test_the_context_bounds_an_answer() -> None:
    request = Request(tuple(range(2, 10)))
    made = engine(max_length=10)
    assert made.context_length("tuned") == 10
    (answer,) = made.capture(CaptureSpec.of("response", "tuned", max_new_tokens=50), [request])
    assert len(answer.values["token_ids"]) <= 2
    assert engine(max_length=10**6).context_length("base") == CONTEXT


def test_roles_are_those_of_the_configuration() -> None:
    assert engine().roles == ("base", "tuned")
    assert engine(tuned=None).roles == ("base",)
    assert not engine(tuned=None).supports(CaptureSpec.of("prompt_logprobs", "tuned"))
    assert not engine().supports(CaptureSpec.of("attention", "base"))
    with pytest.raises(ConfigError, match=r"models\.base: is missing"):
        engine(base=None).identity("base")


# ------------------------------------------------------------------------------------------------------ batches


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200))
def test_batches_are_a_partition_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = batches_by_length(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or longest * len(batch) <= budget
    assert batches == batches_by_length(lengths, budget)
    # Longest first, and no batch that the next one's first text would have fitted into.
    flat = [lengths[index] for batch in batches for index in batch]
    assert flat == sorted(flat, reverse=True)
    for batch in batches[:-1]:
        assert lengths[batch[0]] * (len(batch) + 1) > budget
