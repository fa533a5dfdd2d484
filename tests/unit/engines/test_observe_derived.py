"""Prompts derived from answers: made after them, sent as their template and the chat template say."""

from __future__ import annotations

import pytest

from llmood.engines.captures import asked_draws, capture_splits, derived_capture, required_captures
from llmood.engines.drawn_texts import draws_texts
from llmood.engines.fake_model import SAYINGS, FakeTokenizer
from llmood.engines.observe import Observer
from llmood.engines.prompts import Prompt, Unmade
from llmood.engines.store import Store
from llmood.prompting.base import Material, Template
from llmood.prompting.confidence import CONFIDENCE
from llmood.prompting.judge import JUDGE
from llmood.prompting.p_true import P_TRUE
from llmood.prompting.p_true_sampled import P_TRUE_SAMPLED
from llmood.records import UNSCORED, CaptureSpec, Message
from tests.observing import RESPONSE, Spy, prompts_of

TEXTS = [f"what is number {number}" for number in range(12)]
DRAWN = {"n": 4, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 20, "seed": 7}
DRAWS = CaptureSpec.of("generations", "tuned", **DRAWN)
ASKED = derived_capture("next_token", "tuned", P_TRUE, labels="A|B", top=0)
SAMPLED = derived_capture("next_token", "tuned", P_TRUE_SAMPLED, DRAWN, labels="A|B", top=0)
SAID = derived_capture("response", "tuned", CONFIDENCE, max_new_tokens=20)


class Needing:
    fitted_on = None
    chosen_on = None
    fit_needs: tuple[CaptureSpec, ...] = ()
    background_needs: tuple[CaptureSpec, ...] = ()

    def __init__(self, *needs: CaptureSpec) -> None:
        self.needs = needs


def observed(prompts: list[Prompt], *specs: CaptureSpec, private: bool = False) -> tuple[Observer, Spy]:
    engine = Spy(batch_tokens=4000)
    observer = Observer(engine, prompts, Store(), private=private)
    for spec in specs:
        observer.run(spec)
    return observer, engine


def sent(engine: Spy, spec: CaptureSpec) -> set[str]:
    return {FakeTokenizer().decode(row) for rows in engine.batches(spec) for row in rows}


def expected(
    template: Template, observer: Observer, prompts: list[Prompt], *, chat: bool = False
) -> set[str]:
    found = set()
    for prompt in prompts:
        answer = observer.answers("tuned").get(prompt.sample_id, "")
        if answer:
            turns = template.make(Material(prompt.messages, answer))
            found.add(FakeTokenizer().render(turns.messages) if chat else turns.text)
    return found


def test_what_it_is_made_of_comes_first() -> None:
    order = required_captures([Needing(SAMPLED), Needing(SAID), Needing(ASKED)], {"max_new_tokens": 20})
    assert set(order) == {RESPONSE, DRAWS, SAMPLED, SAID, ASKED}
    place = {spec: index for index, spec in enumerate(order)}
    assert place[RESPONSE] < min(place[SAMPLED], place[SAID], place[ASKED])
    assert place[DRAWS] < place[SAMPLED]
    splits = capture_splits([Needing(SAMPLED)], {"max_new_tokens": 20}, "test")
    assert splits == {spec: frozenset({"test"}) for spec in (RESPONSE, DRAWS, SAMPLED)}


def test_another_adapter_answers_and_draws_for_itself() -> None:
    other = SAMPLED.on_adapter("tuned:1")
    assert asked_draws(other) == DRAWS.on_adapter("tuned:1")
    order = required_captures([Needing(other)], {"max_new_tokens": 20})
    assert {spec.model for spec in order} == {"tuned:1"}


@pytest.mark.parametrize("spec", [ASKED, SAID])
def test_the_template_s_words_are_sent(spec: CaptureSpec) -> None:
    prompts = prompts_of(TEXTS)
    observer, engine = observed(prompts, RESPONSE, spec)
    template = P_TRUE if spec is ASKED else CONFIDENCE
    assert sent(engine, spec) == expected(template, observer, prompts)
    assert len(sent(engine, spec)) > 5


def test_a_chat_goes_through_the_chat_template() -> None:
    prompts = [
        Prompt(each.sample_id, each.token_ids, messages=each.messages, chat=True)
        for each in prompts_of(TEXTS)
    ]
    observer, engine = observed(prompts, RESPONSE, SAID)
    texts = sent(engine, SAID)
    assert texts == expected(CONFIDENCE, observer, prompts, chat=True)
    assert all(text.endswith("[assistant] ") and text.count("[assistant]") == 2 for text in texts)


def test_draws_stand_in_the_prompt_also_when_they_were_stored_before() -> None:
    prompts = prompts_of(TEXTS[:3])
    observed(prompts, RESPONSE, DRAWS)
    observer, engine = observed(prompts, RESPONSE, DRAWS, SAMPLED)
    assert not engine.batches(DRAWS)
    drawn = draws_texts(DRAWS, observer.index().to_pylist(), Store())
    for prompt in prompts:
        draws, answer = drawn[prompt.sample_id], observer.answers("tuned")[prompt.sample_id]
        assert not isinstance(draws, Unmade)
        assert len(draws) == 4
        said = [draw for draw in dict.fromkeys(draws) if draw]
        if answer:
            assert P_TRUE_SAMPLED.make(Material(prompt.messages, answer, said)).text in sent(engine, SAMPLED)


def test_an_empty_answer_is_asked_nothing_about() -> None:
    prompts = prompts_of(TEXTS)
    observer, _ = observed(prompts, RESPONSE, ASKED)
    empty = {name for name, text in observer.answers("tuned").items() if not text}
    rows = [row for row in observer.index().to_pylist() if row["capture"] == ASKED.id]
    assert empty
    assert {row["sample_id"]: row["reason"] for row in rows if row["status"] == UNSCORED} == dict.fromkeys(
        empty, "empty answer"
    )


def test_what_is_said_about_an_answer_is_not_the_answer() -> None:
    prompts = prompts_of(TEXTS)
    observer, _ = observed(prompts, RESPONSE, SAID)
    answers, said = observer.answers("tuned"), observer.answers("tuned", SAID.target)
    assert set(said.values()) <= {text[:20] for text in SAYINGS}
    assert set(said) <= set(answers)
    assert not set(answers.values()) & set(said.values()) - {"yes"}


def test_a_private_run_asks_with_the_words_that_it_has_in_memory() -> None:
    prompts = prompts_of(TEXTS)
    open_, _ = observed(prompts, RESPONSE, ASKED)
    observer, engine = observed(prompts, RESPONSE, ASKED, private=True)
    assert sent(engine, ASKED) == expected(P_TRUE, open_, prompts)
    assert observer.answers("tuned") == open_.answers("tuned")


def test_a_judge_needs_a_reference() -> None:
    spec = derived_capture("response", "tuned", JUDGE, max_new_tokens=8)
    ids = prompts_of(TEXTS)[1].token_ids
    asking = (Message("user", "what"),)
    prompts = [
        Prompt("with", ids, messages=asking, references=("seven",)),
        Prompt("without", ids, messages=asking),
    ]
    observer, engine = observed(prompts, RESPONSE, spec)
    reasons = {
        row["sample_id"]: row["reason"] for row in observer.index().to_pylist() if row["capture"] == spec.id
    }
    assert reasons == {"with": None, "without": "no reference"}
    assert "- seven\n" in next(iter(sent(engine, spec)))
