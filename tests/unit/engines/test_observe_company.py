"""A sample's observations are the same alone and in any company, in this run's or in an earlier one's."""

from collections.abc import Sequence

import pytest

from llmood.engines.base import Captured, Request
from llmood.engines.fake_model import END, FIRST_BYTE, FakeTokenizer
from llmood.engines.observe import Observer
from llmood.engines.prompts import Prompt
from llmood.engines.store import Store
from llmood.records import CaptureSpec
from llmood.scorers.base import scorers
from llmood.scoring import score_all
from tests.observing import RESPONSE, Spy, observe, prompts_of

SCORERS = ["likelihood.response_given_prompt", "likelihood.prompt_response", "likelihood.response"]
ANSWERS = {"ab": " yes", "ab y": "es"}  # prompt and answer together are the same bytes


def answering(spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured] | None:
    if spec.kind != "response":
        return None
    answers = [ANSWERS[FakeTokenizer().decode(request.token_ids)] for request in requests]
    ids = [[*(byte + FIRST_BYTE for byte in text.encode()), END] for text in answers]
    return [
        Captured({"text": text, "token_ids": row, "logprobs": [-1.0] * len(row), "finish": "stop"})
        for text, row in zip(answers, ids, strict=True)
    ]


def scores_of(*texts: str) -> dict[str, list[float]]:
    engine = Spy()
    engine.before = answering
    made = {name: scorers.get(name).make() for name in SCORERS}
    specs = [RESPONSE, *dict.fromkeys(spec for scorer in made.values() for spec in scorer.needs)]
    _, observations = observe(texts, specs, engine)
    return {column.scorer: column.values.tolist() for column in score_all(observations, made)}


@pytest.mark.parametrize("company", [("ab", "ab y"), ("ab y", "ab")])
def test_the_same_ids_cut_elsewhere_are_another_observation(company: tuple[str, str]) -> None:
    alone = {text: scores_of(text) for text in ANSWERS}
    together = scores_of(*company)
    for position, text in enumerate(company):
        for name in SCORERS:
            assert together[name][position] == alone[text][name][0]
    # The answers differ, so something would be seen if they were mixed up.
    cut = "likelihood.response_given_prompt"
    assert alone["ab"][cut] != alone["ab y"][cut]
    assert alone["ab"]["likelihood.prompt_response"] == alone["ab y"]["likelihood.prompt_response"]


def test_both_models_read_an_answer_behind_the_same_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare(FakeTokenizer):
        prefix_ids = ()

    engine = Spy()
    engine.before = answering
    tokenizer = engine.tokenizer
    monkeypatch.setattr(engine, "tokenizer", lambda role: Bare() if role == "base" else tokenizer(role))
    specs = [CaptureSpec.of("prompt_logprobs", role, "response") for role in ("tuned", "base")]
    observe(["ab"], [RESPONSE, *specs], engine)
    (tuned,), (base,) = (engine.batches(spec) for spec in specs)
    assert tuned == base


def test_a_prompt_of_no_token_is_unscored_and_the_rest_goes_on() -> None:
    prompts = [Prompt("empty", ()), *prompts_of(["some text"])]
    observer = Observer(Spy(), prompts, Store(), private=False)
    spec = CaptureSpec.of("prompt_logprobs", "tuned")
    observer.run(spec)
    empty, full = observer.index().to_pylist()
    assert (empty["status"], empty["reason"]) == ("unscored", "the tokenizer makes no token of this text")
    assert full["status"] == "ok"
