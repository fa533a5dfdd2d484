"""A language model that says whether two answers mean the same: what it is asked, and what is made of its word."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pytest

from llmood.config import Models
from llmood.engines.captures import comparison_of
from llmood.engines.fake_model import FakeTokenizer
from llmood.engines.labels import label_ids
from llmood.engines.store import Store
from llmood.errors import EngineError
from llmood.judging.equivalence.judge_reader import JudgeReader, verdicts_of
from llmood.judging.equivalence.rules import AnswerPair, JudgeRule
from llmood.judging.equivalence.verdicts import NoVerdictError, Verdicts
from llmood.records import FAILED, CaptureSpec
from tests import tiny_models
from tests.answering import Said, observed
from tests.observing import Captured, Request, Spy

ASKED = re.compile(r"(?:Question: (.*)\n)?Answer 1: (.*)\nAnswer 2: (.*)\nDo these answers mean the same\?")
YES, NO = [2.0, -1.0], [0.0, 0.5]
EITHER_WAY = {("Paris", "the city of Paris"), ("the city of Paris", "Paris")}


def judging(same: Collection[tuple[str, str]], **config: int) -> Spy:
    """An engine that says Yes of these two answers in this order."""
    engine = Spy(**{"batch_tokens": 100_000} | config)

    def answer(spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        pairs = [shown[1:] for shown in (read(request.token_ids) for request in requests)]
        return [Captured({"label_logits": YES if pair in same else NO}) for pair in pairs]

    engine.before = answer
    return engine


def read(ids: Sequence[int]) -> tuple[str | None, str, str]:
    """The question and the answers in a prompt."""
    found = ASKED.search(FakeTokenizer().decode(ids))
    assert found is not None
    return found[1], found[2], found[3]


def sent(engine: Spy) -> list[tuple[str | None, str, str]]:
    return [read(ids) for _, rows in engine.sent for ids in rows]


def reader_of(engine: Spy, *, chat: bool = False) -> JudgeReader:
    return JudgeReader(engine, verdicts_of(engine.models), chat=chat)


def rule_of(reader: JudgeReader, store: Store | None = None, *, question: bool = True) -> JudgeRule:
    verdicts = Verdicts(reader.ask, reader.identity, store or Store(), contradicts=reader.contradicts)
    return JudgeRule(verdicts, question=question)


def test_draws_are_together_where_the_judge_says_yes_in_both_orders() -> None:
    engine = judging({*EITHER_WAY, ("Paris", "Lyon")})
    params = {"rule": "judge", "prompt": "derived:same_answer@1", "question": True}
    spec = comparison_of("openers", params, {"n": 5, "seed": 0})
    draws = [Said(text) for text in ("Paris", "the city of Paris", "Lyon", "", "Paris")]
    observations = observed([(Said("Paris"), draws)], [spec], judge=reader_of(engine))
    (block,) = observations.blocks([spec])
    assert block[spec]["cluster"].to_pylist() == [[0, 0, 1, None, 0]]
    pairs = [pair[1:] for pair in sent(engine)]
    # The other order only where the first said Yes; each of them once.
    assert sorted(pairs) == sorted([*EITHER_WAY, ("Paris", "Lyon"), ("Lyon", "Paris")])
    (question,) = {pair[0] for pair in sent(engine)}
    assert question is not None
    assert question.startswith("question 0 ")


def test_a_verdict_is_a_probability_of_the_two_letters_alone() -> None:
    engine = Spy()
    engine.before = lambda spec, requests: (
        [Captured({"label_logits": [np.log(3.0) + 90, 90.0]})] * len(requests)
    )
    reader = reader_of(engine)
    assert reader.ask([("q", "a", "b")]) == pytest.approx(np.array([[0.25, 0.0, 0.75]]))
    pair = AnswerPair("q", "a", "b")
    assert rule_of(reader).entailment([pair]) == pytest.approx(np.array([[0.25, 0.75]]))
    assert rule_of(reader).support([pair]).tolist() == [0.75]


def test_one_that_cannot_decide_says_no() -> None:
    engine = Spy()
    engine.before = lambda spec, requests: [Captured({"label_logits": [1.0, 1.0]})] * len(requests)
    assert rule_of(reader_of(engine)).same([AnswerPair("q", "a", "b")]) == [False]


def test_what_was_judged_is_not_judged_again_but_by_another_judge() -> None:
    engine, store, pairs = judging(EITHER_WAY), Store(), [AnswerPair("q", "Paris", "the city of Paris")]
    rule = rule_of(reader_of(engine), store)
    assert rule.same(pairs) == [True]
    assert len(engine.sent) == 2
    rule.verdicts.flush()
    later = judging(())
    assert rule_of(reader_of(later), store).same(pairs) == [True]
    assert later.sent == []
    # Another model, another way to address it, no question: another verdict.
    other = judging(())
    other.models = Models.model_validate({"base": "b", "tuned": "u"})
    assert rule_of(reader_of(other), store).same(pairs) == [False]
    assert rule_of(reader_of(later, chat=True), store).same(pairs) == [False]
    assert rule_of(reader_of(later), store, question=False).same(pairs) == [False]
    assert sent(later)[-1][0] is None


def test_a_round_is_one_call_of_the_engine() -> None:
    engine = judging(())
    pairs = [AnswerPair("q", str(number), "x") for number in range(7)]
    assert rule_of(reader_of(engine)).same(pairs) == [False] * 7
    assert [len(rows) for _, rows in engine.sent] == [7]


@pytest.mark.parametrize(("chat", "begin"), [(False, "Question: q\n"), (True, "[user] Question: q\n")])
def test_the_tuned_model_is_addressed_as_the_run_addresses_it(chat: bool, begin: str) -> None:
    engine = judging(())
    reader_of(engine, chat=chat).ask([("q", "a", "b")])
    ((spec, (ids,)),) = engine.sent
    assert FakeTokenizer().decode(ids).startswith(begin)
    assert spec.id == "next_token/tuned/derived:same_answer@1?labels=A|B,top=0"


def test_a_judge_of_its_own_is_addressed_as_a_chat() -> None:
    engine = judging(())
    engine.models = Models.model_validate({"base": "b", "tuned": "t", "judge": "j"})
    reader_of(engine, chat=False).ask([("q", "a", "b")])
    ((spec, (ids,)),) = engine.sent
    assert spec.model == "judge"
    assert FakeTokenizer().decode(ids).startswith("[user] Question: q\n")


def test_a_pair_over_the_context_is_undecided_and_counted() -> None:
    engine = judging({("a", "b"), ("b", "a")}, max_length=200)
    reader = reader_of(engine)
    pairs = [AnswerPair("q", "a", "b" * 200), AnswerPair("q", "a", "b")]
    assert rule_of(reader).same(pairs) == [False, True]
    assert reader.unread == 1
    assert sent(engine) == [("q", "a", "b"), ("q", "b", "a")]
    assert reader.ask([("q", "a", "b" * 200)]).tolist() == [[0.5, 0.0, 0.5]]


def breaking(engine: Spy, word: str) -> None:
    """The engine fails on every pair with this word in it."""
    answer = engine.before
    assert answer is not None

    def answer_or_fail(spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        said = zip(answer(spec, requests), requests, strict=True)
        broken = Captured(status=FAILED, reason="broke")
        return [broken if word in "".join(read(request.token_ids)[1:]) else each for each, request in said]

    engine.before = answer_or_fail


def test_a_pair_that_fails_leaves_its_sample_out_and_no_other() -> None:
    params = {"rule": "judge", "prompt": "derived:same_answer@1", "question": True}
    spec = comparison_of("openers", params, {"n": 2, "seed": 0})
    good, bad = [Said("Paris"), Said("the city of Paris")], [Said("Paris"), Said("Broken")]
    engine = judging(EITHER_WAY)
    breaking(engine, "Broken")
    observations = observed([(None, good), (None, bad)], [spec], judge=reader_of(engine))
    (block,) = observations.blocks([spec])
    rows = sorted(
        block[spec].select(["status", "cluster", "reason"]).to_pylist(), key=lambda row: row["status"]
    )
    failed = {
        "status": FAILED,
        "cluster": None,
        "reason": "the model that compares failed on a pair of these answers",
    }
    assert rows == [failed, {"status": "ok", "cluster": [0, 0], "reason": None}]
    assert sum("Broken" in pair for pair in sent(engine)) == 1  # not asked again for the samples beside it


def test_what_failed_is_not_stored() -> None:
    store, engine = Store(), judging({("a", "b"), ("b", "a")})
    breaking(engine, "b")
    rule = rule_of(reader_of(engine), store)
    with pytest.raises(NoVerdictError):
        rule.same([AnswerPair("q", "a", "b")])
    rule.verdicts.flush()
    again = judging({("a", "b"), ("b", "a")})
    assert rule_of(reader_of(again), store).same([AnswerPair("q", "a", "b")]) == [True]


def test_an_engine_that_gives_no_number_at_all_ends_the_comparison_in_a_line() -> None:
    engine = judging(())
    breaking(engine, "")
    params = {"rule": "judge", "prompt": "derived:same_answer@1", "question": True}
    spec = comparison_of("openers", params, {"n": 2, "seed": 0})
    with pytest.raises(EngineError, match=r"equivalence\.rule: judge: models\.tuned gives no verdict: broke"):
        observed([(None, [Said("a"), Said("b")])], [spec], judge=reader_of(engine))


@pytest.mark.slow
def test_a_verdict_is_the_model_s_own_whatever_it_is_read_with(tmp_path: Path) -> None:
    folder = tiny_models.save_model(tmp_path / "model", max_position_embeddings=512)
    engine = tiny_models.engine_of(folder, folder)
    spec = verdicts_of(engine.models)
    reader = JudgeReader(engine, spec, chat=True)
    pairs = [
        ("q", "yes", "no"),
        ("a longer question, to be padded against", "b " * 60, "c"),
        ("", "d", "e" * 90),
    ]
    together = reader.ask(pairs)
    assert np.allclose(together, np.concatenate([reader.ask([pair]) for pair in pairs]), atol=1e-4)
    plain, letters = tiny_models.plain_model(folder), label_ids(spec, engine.tokenizer("tuned"))
    for ours, ids in zip(together, reader._encode(pairs), strict=True):
        logits = tiny_models.plain_logits(plain, ids)[-1][letters]
        assert ours[[2, 0]] == pytest.approx(np.exp(tiny_models.log_softmax(logits)), abs=1e-4)
    assert np.ptp(together[:, 2]) > 0.01
    reader.close()
    assert np.allclose(reader.ask(pairs[:1]), together[:1], atol=1e-4)  # it loads again
