"""The rules that ask a model: how a judge's reply is read, and what entails what."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from llmood.config import Models
from llmood.engines.observations import Observations
from llmood.judging.asked import entailed_answers, judge_replies
from llmood.judging.base import Known, rules
from llmood.judging.equivalence.rules import AnswerPair, ExactRule
from llmood.judging.judge_model import replies_of, yes_or_no
from llmood.records import OK
from llmood.tables import INDEX, SAMPLES
from tests.observing import RESPONSE, observe


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("Yes", True),
        (" **No**, it says another town.", False),
        ("yes. There is no difference.", True),
        ("I would say no.", False),
        ("The answer is YES!", True),
        ("Both yes and no", None),
        ("", None),
        ("I can't say", None),
        ("No idea", None),
        ("Norway", None),
        ("yesterday", None),
    ],
)
def test_a_reply_is_yes_or_no_or_neither(reply: str, verdict: bool | None) -> None:
    assert yes_or_no(reply) is verdict


@pytest.mark.parametrize(("rule", "given"), [("judge", "reply"), ("entailment", "entailed")])
def test_the_model_s_verdict_is_the_rule_s(rule: str, given: str) -> None:
    yes, no = ("yes", "no") if given == "reply" else (True, False)
    judge = rules.get(rule).judge
    assert judge("7", Known(["7"], **{given: yes})).correct is True  # type: ignore[arg-type]
    assert judge("7", Known(["7"], **{given: no})).correct is False  # type: ignore[arg-type]
    assert judge(" ", Known(["7"], **{given: yes})) == (False, 0.0, "empty answer")  # type: ignore[arg-type]
    assert judge("7", Known([], **{given: yes})).reason == "no reference"  # type: ignore[arg-type]
    assert "not asked" in str(judge("7", Known(["7"])).reason)


def test_a_reply_that_can_t_be_read_is_no_verdict() -> None:
    judgement = rules.get("judge").judge("7", Known(["7"], reply="maybe"))
    assert judgement == (None, None, "the judge says neither yes nor no")


def test_replies_come_from_the_store_or_from_memory() -> None:
    texts = ["what is one", "what is two", "what is three"]
    _, observed = observe(texts, [RESPONSE])
    assert judge_replies(observed) == {}
    replies = replies_of(Models())
    assert replies.id == "response/tuned/derived:judge@1?max_new_tokens=16"
    renamed = [{**row, "capture": replies.id} for row in observed._index.to_pylist()]
    index = pa.concat_tables([observed._index, pa.Table.from_pylist(renamed, schema=INDEX)])
    both = Observations(observed.samples, index, observed._store)
    stored = judge_replies(both)
    assert set(stored) == set(observed.samples["sample_id"].to_pylist())
    assert all(reply.status == OK and reply.text is not None for reply in stored.values())
    assert judge_replies(both, {"s000": "yes"})["s000"].text == "yes"
    assert judge_replies(both, {"s000": "yes"})["s001"].text is None


def test_an_answer_is_compared_with_each_of_its_references() -> None:
    observer, observed = observe([f"what is {number}" for number in range(8)], [RESPONSE])
    answers = observer.answers("tuned")
    rows = observed.samples.to_pylist()
    for place, row in enumerate(rows):
        row["references"] = [None, ["other"], ["other", answers[row["sample_id"]]], []][place % 4]
    with_references = Observations(
        observed.samples.from_pylist(rows, schema=SAMPLES), observed._index, observed._store
    )
    asked: list[AnswerPair] = []

    class Spying(ExactRule):
        def same(self, pairs):  # type: ignore[no-untyped-def]
            asked.extend(pairs)
            return super().same(pairs)

    found = entailed_answers(with_references, RESPONSE, Spying(), answers)
    said = {name for name, text in answers.items() if text}
    expected = {row["sample_id"]: place % 4 == 2 for place, row in enumerate(rows) if place % 4 in (1, 2)}
    assert found == {name: verdict for name, verdict in expected.items() if name in said}
    assert {pair.question for pair in asked} <= {f"what is {number}" for number in range(8)}
    assert np.count_nonzero(list(found.values())) >= 1
