"""From specs to observations: each capture once, each model once, nothing lost that was finished."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

import llmood.engines.observe as observing
from llmood import interrupts
from llmood.engines.base import Captured, Request
from llmood.engines.captures import required_captures
from llmood.engines.fake_model import FIRST_BYTE, FakeModel, FakeTokenizer
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.errors import StoreError
from llmood.progress import Progress
from llmood.records import CaptureSpec
from llmood.scorers.base import scorers
from tests.observing import AFTER, ALL, BASE, RESPONSE, TUNED, Spy, observe, prompts_of

TEXTS = [f"{'word ' * (number % 7)}text {number}" for number in range(40)]
PARAMS = {"max_new_tokens": 20}


def made(*names: str) -> list[Any]:
    return [scorers.get(name).make() for name in names]


def rows(observer: Observer, spec: CaptureSpec) -> list[dict[str, Any]]:
    return [row for row in observer.index().to_pylist() if row["capture"] == spec.id]


# ---------------------------------------------------------------------------------------------- which, in what order


def test_the_union_of_needs_each_once() -> None:
    order = required_captures(
        made("likelihood_ratio", "likelihood_ratio.mean", "likelihood", "length"), PARAMS
    )
    assert sorted(order) == [BASE, TUNED]


def test_a_response_comes_before_what_scores_it_and_each_model_loads_once() -> None:
    every = [entry.make() for _, entry in scorers]
    order = required_captures(every, PARAMS)
    assert len(order) == len(set(order))
    first = order.index(RESPONSE)
    assert all(order.index(spec) > first for spec in order if spec.needs_response)
    roles = [spec.model for spec in order]
    assert roles == sorted(roles, reverse=True)  # tuned, then the encoder, then base
    engine = Spy()
    observe(TEXTS, order, engine)
    assert engine.loads == ["tuned", "encoder", "base"]


def test_scorers_without_needs_need_nothing() -> None:
    assert required_captures(made("length", "random", "constant"), PARAMS) == []


# ------------------------------------------------------------------------------------------------------- observing


def test_each_text_is_run_once_and_every_sample_has_its_own_row() -> None:
    engine = Spy()
    observer, _ = observe(["same", "other", "same", "same"], [BASE], engine)
    assert sorted(row for batch in engine.batches(BASE) for row in batch) == sorted(
        FakeTokenizer().encode(["same", "other"], rendered=False)
    )
    index = rows(observer, BASE)
    assert [row["sample_id"] for row in index] == ["s000", "s001", "s002", "s003"]
    assert len({row["key"] for row in index}) == 2
    assert {row["status"] for row in index} == {"ok"}


def test_what_is_stored_is_what_the_engine_gave() -> None:
    _, observations = observe(["one", "three"], [BASE, RESPONSE])
    (block,) = observations.blocks([BASE, RESPONSE])
    for position, row in zip(block.positions, block[BASE].to_pylist(), strict=True):
        ids = prompts_of(["one", "three"])[position].token_ids
        assert row["token_ids"] == list(ids)
        assert row["logprobs"] == pytest.approx(FakeModel("b").logprobs(ids), abs=1e-6)
        assert row["spans"] == [{"name": "prompt", "start": 0, "end": len(ids)}]
        assert (row["status"], row["reason"]) == ("ok", None)
    for position, row in zip(block.positions, block[RESPONSE].to_pylist(), strict=True):
        text, ids = FakeModel("t").answer(prompts_of(["one", "three"])[position].token_ids)
        assert (row["text"], row["token_ids"], row["finish"]) == (text, ids, "stop")
        assert (row["temperature"], row["top_p"], row["seed"]) == (0.0, 1.0, None)


def test_a_response_is_scored_by_its_generated_ids_alone_and_after_its_prompt() -> None:
    _, observations = observe(TEXTS, [RESPONSE, *AFTER])
    alone, after = AFTER
    seen = 0
    for block in observations.blocks([RESPONSE, *AFTER]):
        for row in range(len(block)):
            answer, lone, both = (
                block[spec].slice(row, 1).to_pylist()[0] for spec in (RESPONSE, alone, after)
            )
            if lone["status"] != "ok":
                continue
            prompt = prompts_of(TEXTS)[block.positions[row]].token_ids
            assert lone["token_ids"] == [0, *answer["token_ids"]]  # behind <s>, as any text
            assert lone["spans"][1] == {"name": "response", "start": 1, "end": len(lone["token_ids"])}
            assert both["token_ids"] == [*prompt, *answer["token_ids"]]
            assert both["spans"][1]["start"] == len(prompt)
            assert both["logprobs"][len(prompt) :] == pytest.approx(answer["logprobs"], abs=1e-6)
            seen += 1
    assert seen > 20


def test_an_empty_answer_is_unscored() -> None:
    engine = Spy()
    observer, _ = observe(TEXTS, [RESPONSE, AFTER[1]], engine)
    empty = {
        f"s{index:03}"
        for index, prompt in enumerate(prompts_of(TEXTS))
        if FakeModel("t").answer(prompt.token_ids)[0] == ""
    }
    assert 0 < len(empty) < len(TEXTS)
    index = rows(observer, AFTER[1])
    assert {row["sample_id"] for row in index if row["status"] == "unscored"} == empty
    assert {row["reason"] for row in index if row["status"] == "unscored"} == {"empty answer"}
    assert {row["status"] for row in rows(observer, RESPONSE)} == {"ok"}
    assert sum(map(len, engine.batches(AFTER[1]))) == len(TEXTS) - len(empty)


def test_what_is_over_the_context_is_unscored_and_not_sent() -> None:
    texts = ["x" * 10, "x" * 18, "x" * 19, "x" * 20, "x" * 60]  # 11, 19, 20, 21 and 61 tokens
    engine = Spy(max_length=20)
    observer, _ = observe(texts, [BASE, RESPONSE, AFTER[1]], engine)
    over = "tokens are over the context of 20"
    assert [row["reason"] for row in rows(observer, BASE)] == [None, None, None, f"21 {over}", f"61 {over}"]
    # A response needs room for a token more.
    assert [row["status"] for row in rows(observer, RESPONSE)] == [
        "ok",
        "ok",
        "unscored",
        "unscored",
        "unscored",
    ]
    assert rows(observer, RESPONSE)[2]["reason"] == f"21 {over}"
    # What has no response has nothing that depends on one, for the same reason.
    assert rows(observer, AFTER[1])[2]["reason"] == f"21 {over}"
    assert max(len(row) for _, batch in engine.sent for row in batch) == 20


def test_a_second_run_answers_from_the_store() -> None:
    _, first = observe(TEXTS, ALL)
    engine = Spy()
    _, second = observe(TEXTS, ALL, engine)
    assert engine.sent == []
    for ours, theirs in zip(first.blocks(ALL), second.blocks(ALL), strict=True):
        for spec in ALL:
            assert ours[spec].equals(theirs[spec])


def test_a_longer_run_sends_only_what_is_new() -> None:
    observe(TEXTS[:25], [BASE])
    engine = Spy()
    observe(TEXTS, [BASE], engine)
    assert sorted(row for batch in engine.batches(BASE) for row in batch) == sorted(
        prompt.token_ids for prompt in prompts_of(TEXTS[25:])
    )


@pytest.mark.parametrize("change", [{"max_new_tokens": 5}, {"max_length": 300}])
def test_what_decides_a_response_is_part_of_its_key(change: dict[str, int]) -> None:
    new = change.get("max_new_tokens", 20)
    observe(TEXTS[:3], [RESPONSE])
    engine = Spy(**({} if "max_new_tokens" in change else change))
    observe(TEXTS[:3], [CaptureSpec.of("response", "tuned", max_new_tokens=new)], engine)
    assert sum(len(batch) for _, batch in engine.sent) == 3


def test_an_answer_cut_by_a_lower_context_is_not_reused() -> None:
    prompt = next(p for p in prompts_of(TEXTS) if len(FakeModel("t").answer(p.token_ids)[1]) > 3)
    question = [FakeTokenizer().decode(prompt.token_ids)]
    cut = _answers(question, max_length=len(prompt.token_ids) + 2)
    assert [row["finish"] for row in cut] == ["length"]
    assert [row["finish"] for row in _answers(question)] == ["stop"]


def _answers(texts: list[str], **config: int) -> list[dict[str, Any]]:
    _, observations = observe(texts, [RESPONSE], Spy(**config))
    return [row for block in observations.blocks([RESPONSE]) for row in block[RESPONSE].to_pylist()]


def test_end_tokens_are_part_of_a_responses_key(monkeypatch: pytest.MonkeyPatch) -> None:
    observe(TEXTS[:3], [RESPONSE])
    monkeypatch.setattr(FakeTokenizer, "end_ids", frozenset({1, 7}))
    engine = Spy()
    observe(TEXTS[:3], [RESPONSE], engine)
    assert engine.sent


# ------------------------------------------------------------------------------------------- failing and interrupted


def fail_on(letter: str) -> Any:
    def before(spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured]:
        token = ord(letter) + FIRST_BYTE
        return [
            Captured(status="failed", reason="it broke")
            if token in request.token_ids
            else Captured({"logprobs": FakeModel("b").logprobs(request.token_ids)})
            for request in requests
        ]

    return before


def test_failed_rows_are_rows_with_a_reason_and_are_tried_again() -> None:
    texts = ["good", "bzd", "fine", "zap", "bzd"]
    engine = Spy()
    engine.before = fail_on("z")
    observer, observations = observe(texts, [BASE], engine)
    assert [row["status"] for row in rows(observer, BASE)] == ["ok", "failed", "ok", "failed", "failed"]
    assert {row["reason"] for row in rows(observer, BASE)} == {None, "it broke"}
    (block,) = observations.blocks([BASE])
    by_position = dict(zip(block.positions.tolist(), block[BASE].to_pylist(), strict=True))
    assert by_position[1]["status"] == "failed"
    assert by_position[1]["logprobs"] is None

    again = Spy()
    observer, _ = observe(texts, [BASE], again)
    assert {row["status"] for row in rows(observer, BASE)} == {"ok"}
    assert sorted(row for batch in again.batches(BASE) for row in batch) == sorted(
        {prompt.token_ids for prompt in prompts_of(["bzd", "zap"])}
    )


def test_a_failed_response_fails_what_depends_on_it() -> None:
    engine = Spy()
    engine.before = lambda spec, requests: (
        [Captured(status="failed", reason="no answer")] * len(requests) if spec == RESPONSE else None
    )
    observer, _ = observe(TEXTS[:2], [RESPONSE, *AFTER], engine)
    for spec in (RESPONSE, *AFTER):
        assert [(row["status"], row["reason"]) for row in rows(observer, spec)] == [
            ("failed", "no answer")
        ] * 2


def test_what_reads_a_response_that_is_none_takes_its_reason_over() -> None:
    engine = Spy()
    engine.before = lambda spec, requests: (
        [Captured(status="unscored", reason="no words")] * len(requests) if spec == RESPONSE else None
    )
    for _ in range(2):  # from the engine, and from the store
        _, observations = observe(TEXTS[:2], [RESPONSE, *AFTER], engine)
        for block in observations.blocks([RESPONSE, *AFTER]):
            for spec in (RESPONSE, *AFTER):
                told = [(row["status"], row["reason"]) for row in block[spec].to_pylist()]
                assert told == [("unscored", "no words")] * 2
    assert len(engine.batches(RESPONSE)) == 1


def interrupt_after(batches: int, error: BaseException) -> Any:
    left = iter(range(batches))

    def before(*_: Any) -> None:
        if next(left, None) is None:
            raise error

    return before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("out of memory")])
def test_interrupted_it_keeps_finished_batches_and_sends_the_rest_alike(error: BaseException) -> None:
    whole = Spy()
    prompts = prompts_of(TEXTS)
    Observer(whole, prompts, Store(Store().root / "elsewhere"), private=False).run(BASE)
    planned = whole.batches(BASE)
    assert len(planned) > 6

    first, second = Spy(), Spy()
    first.before = interrupt_after(4, error)
    with pytest.raises(type(error)):
        observe(TEXTS, [BASE], first)
    observer, _ = observe(TEXTS, [BASE], second)
    assert first.batches(BASE) + second.batches(BASE) == planned
    assert {row["status"] for row in rows(observer, BASE)} == {"ok"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_library_swallows_still_ends_it(number: signal.Signals) -> None:
    whole, first, second = Spy(), Spy(), Spy()
    Observer(whole, prompts_of(TEXTS), Store(Store().root / "elsewhere"), private=False).run(BASE)
    left = iter(range(2))

    def before(*_: Any) -> None:
        if next(left, None) == 1:
            with suppress(BaseException):
                signal.raise_signal(number)

    first.before = before
    with interrupts.listening(), pytest.raises(KeyboardInterrupt):
        observe(TEXTS, [BASE], first)
    assert len(first.batches(BASE)) == 2  # the one that was made while it came is kept too
    observe(TEXTS, [BASE], second)
    assert first.batches(BASE) + second.batches(BASE) == whole.batches(BASE)


def test_shards_are_written_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "SHARD_ROWS", 10)
    observer, observations = observe(TEXTS, [BASE])
    shards = observer.store.shards()
    assert len(shards) > 2
    assert sum(len(block) for block in observations.blocks([BASE])) == len(TEXTS)
    monkeypatch.setattr(observing, "SHARD_ROWS", 10**6)
    monkeypatch.setattr(
        observing, "SHARD_SECONDS", -1.0
    )  # long ago: a slow engine's shard is written at once
    observe(TEXTS, [TUNED])
    assert len(observer.store.shards()) - len(shards) > 6


def test_a_full_disk_stops_the_run_and_keeps_finished_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "SHARD_ROWS", 5)
    from llmood.engines.store import Context

    original = Context.append
    written: list[int] = []

    def append(self: Context, batch: list[dict[str, Any]]) -> Any:
        if len(written) >= 2:
            raise StoreError("full")
        written.append(len(batch))
        return original(self, batch)

    monkeypatch.setattr(Context, "append", append)
    with pytest.raises(StoreError, match="full"):
        observe(TEXTS, [BASE])
    monkeypatch.setattr(Context, "append", original)
    engine = Spy()
    observe(TEXTS, [BASE], engine)
    assert sum(map(len, engine.batches(BASE))) == len(TEXTS) - sum(written)


# ---------------------------------------------------------------------------------------------------------- the rest


def test_progress_says_how_far_it_is() -> None:
    observe(TEXTS[:10], [BASE])
    told: list[Any] = []

    class Told(Progress):
        def track(self, label: str, total: int, *, done: int = 0, unit: str = "samples") -> Any:
            told.append((label, total, done))
            return super().track(label, total, done=done, unit=unit)

    Observer(Spy(), prompts_of(TEXTS), Store(), private=False, progress=Told()).run(BASE)
    assert told == [(BASE.id, 40, 10)]


def test_private_observations_hold_no_text_and_give_the_same_numbers() -> None:
    _, open_ = observe(TEXTS, ALL)
    open_blocks = list(open_.blocks(ALL))
    observer, private = observe(TEXTS, ALL, private=True)
    for ours, theirs in zip(open_blocks, private.blocks(ALL), strict=True):
        for spec in ALL:
            table = theirs[spec]
            assert table["token_ids"].null_count == len(theirs)
            if spec.kind == "response":
                assert table["text"].null_count == len(theirs)
            order = [theirs.positions.tolist().index(position) for position in ours.positions]
            assert table.take(order)["logprobs"].equals(ours[spec]["logprobs"])
    again = Spy()
    observe(TEXTS, ALL, again, private=True)
    # Without the text, what depends on it needs the response again; nothing else is run again.
    assert {spec for spec, _ in again.sent} == {RESPONSE}
    texts = [text.encode() for text in TEXTS if len(text) > 9]
    contexts = {row["shard"] for row in observer.index().to_pylist() if row["shard"]}
    for shard in contexts:
        content = (observer.store.root / shard).read_bytes()
        assert not any(text in content for text in texts)


def test_a_response_asked_for_too_late_is_a_bug() -> None:
    with pytest.raises(ValueError, match="before the response it needs"):
        observe(TEXTS[:2], AFTER)


def test_no_prompts_at_all() -> None:
    observer, observations = observe([], ALL)
    assert observer.index().num_rows == 0
    assert list(observations.blocks([])) == []
