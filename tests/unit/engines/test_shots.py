"""Which judged answers are shown: balanced, by hash, of `train` alone, and as many as the context has room for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmood.engines.captures import capture_splits, derived_capture, required_captures, shown_shots
from llmood.engines.fake_model import FakeTokenizer
from llmood.engines.observe import Observer
from llmood.engines.prompts import Prompt, Unmade
from llmood.engines.shots import Shots, choose_shots
from llmood.engines.store import Store
from llmood.prompting.base import Shot
from llmood.prompting.p_true_few_shot import P_TRUE_FEW_SHOT
from llmood.records import UNSCORED, CaptureSpec
from tests.observing import RESPONSE, Spy, prompts_of

SHOWING: dict[str, Any] = {"shots": 4, "shot_seed": 0, "shot_rule": "task"}
ASKED = derived_capture("next_token", "tuned", P_TRUE_FEW_SHOT, labels="A|B", top=0, **SHOWING)
JUDGED = {f"s{place:03}": Shot(f"q{place}?", f"a{place}", place % 3 == 0) for place in range(30)}


def chosen(judged: dict[str, Shot], count: int = 4, seed: int = 0) -> Shots:
    found = choose_shots(judged, count, seed)
    assert isinstance(found, Shots)
    return found


class Needing:
    fit_needs = ()
    background_needs = ()
    fitted_on = None
    chosen_on = None
    needs = (ASKED,)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2, 4, 10])
def test_right_and_wrong_take_turns(seed: int, count: int) -> None:
    found = chosen(JUDGED, count, seed)
    assert len(set(found.sample_ids)) == count
    assert [JUDGED[name] for name in found.sample_ids] == list(found.shots)
    letters = [shot.right for shot in found.shots]
    assert letters == [letters[0], not letters[0]] * (count // 2)


def test_the_seed_decides_and_order_and_the_others_do_not() -> None:
    found = chosen(JUDGED)
    assert chosen(dict(reversed(JUDGED.items()))) == found
    fewer = {name: shot for place, (name, shot) in enumerate(JUDGED.items()) if place < 20}
    assert chosen({**fewer, **{name: JUDGED[name] for name in found.sample_ids}}) == found
    assert len({chosen(JUDGED, 4, seed).sample_ids for seed in range(10)}) > 5
    assert {chosen(JUDGED, 4, seed).shots[-1].right for seed in range(10)} == {True, False}
    assert chosen(JUDGED, 8).sample_ids[:4] == found.sample_ids


def test_too_few_of_a_kind_is_a_reason_with_a_remedy() -> None:
    found = choose_shots({name: shot for name, shot in JUDGED.items() if not shot.right}, 4, 0)
    assert isinstance(found, Unmade)
    assert found.status == UNSCORED
    assert "2 right and 2 wrong ones are needed, there are 0 and 20" in found.reason
    assert "fewer 'shots'" in found.reason


def test_rows_that_are_shown_answer_and_are_asked_nothing_about() -> None:
    splits = capture_splits([Needing()], {"max_new_tokens": 20}, "test")
    assert splits == {ASKED: frozenset({"test"}), RESPONSE: frozenset({"train", "test"})}
    assert required_captures([Needing()], {"max_new_tokens": 20}) == [RESPONSE, ASKED]
    assert shown_shots(CaptureSpec.from_id(ASKED.id)) == (4, 0)


def observed(
    wrong: str = "seven", limit: int | None = None, test: str = "what is"
) -> tuple[Observer, Spy, list[Prompt]]:
    """24 rows of `train` and 8 of `test`; every answer but one is right."""
    texts = [f"train question {place}" for place in range(24)] + [f"{test} {place}" for place in range(8)]
    prompts = [
        replace(prompt, split="train" if place < 24 else "test")
        for place, prompt in enumerate(prompts_of(texts))
    ]
    engine = Spy(batch_tokens=4000, max_length=limit)
    splits = capture_splits([Needing()], {"max_new_tokens": 20}, "test")
    observer = Observer(
        engine, prompts, Store(), private=False, splits=splits, judge=lambda _, answer: answer != wrong
    )
    for spec in (RESPONSE, ASKED):
        observer.run(spec)
    return observer, engine, prompts


def sent(engine: Spy) -> set[str]:
    return {FakeTokenizer().decode(row) for rows in engine.batches(ASKED) for row in rows}


def test_prompts_show_answers_of_train_to_questions_of_test() -> None:
    observer, engine, prompts = observed(wrong="no")
    texts, answers = sent(engine), observer.answers("tuned")
    names = observer.shown[ASKED.id]
    train = {prompt.sample_id: prompt for prompt in prompts if prompt.split == "train"}
    assert len(names) == 4
    assert set(names) <= set(train)
    shown = "".join(
        f"Question: {train[name].messages[0].content}\nPossible answer: {answers[name]}\nIs" for name in names
    )
    assert sorted(answers[name] == "no" for name in names) == [False, False, True, True]
    assert len(texts) > 3
    for text in texts:
        parts = text.split("Question: ")
        assert len(parts) == 6
        assert "what is" in parts[-1]
        assert "".join(f"Question: {part.partition(' the possible')[0]}" for part in parts[1:-1]) == shown
    assert all(row["reason"] in (None, "empty answer") for row in observer.index().to_pylist())


def test_other_rows_of_test_leave_the_shots_as_they_are() -> None:
    first, other = observed(wrong="no"), observed(wrong="no", test="tell me of")
    assert first[0].shown == other[0].shown
    assert {text.rpartition("Question: ")[0] for text in sent(first[1]) | sent(other[1])} == {
        next(iter(sent(first[1]))).rpartition("Question: ")[0]
    }


def test_other_shots_are_another_observation() -> None:
    first, other = observed(wrong="no")[0], observed(wrong="yes")[0]
    assert first.shown != other.shown
    keys = [
        {row["key"] for row in each.index().to_pylist() if row["capture"] == ASKED.id and row["key"]}
        for each in (first, other)
    ]
    assert keys[0]
    assert not keys[0] & keys[1]


def test_a_short_context_shows_fewer_and_says_so() -> None:
    _, engine, _ = observed(wrong="no")
    longest = max(len(row) for rows in engine.batches(ASKED) for row in rows)
    observer, engine, _ = observed(wrong="no", limit=longest - 1)
    rows = [row for row in observer.index().to_pylist() if row["capture"] == ASKED.id]
    noted = [row for row in rows if row["reason"] == "shows 2 of 4 shots"]
    assert noted
    assert all(row["status"] == "ok" for row in noted)
    assert {text.count("Question: ") for text in sent(engine)} <= {3, 5}
    observer, _, _ = observed(wrong="no", limit=250)
    rows = [row for row in observer.index().to_pylist() if row["capture"] == ASKED.id]
    assert all(row["status"] == UNSCORED for row in rows)
    assert any("over the context of 250" in row["reason"] for row in rows)


def test_without_wrong_answers_nothing_is_asked() -> None:
    observer, engine, _ = observed(wrong="a word that nobody says")
    rows = [row for row in observer.index().to_pylist() if row["capture"] == ASKED.id]
    assert not sent(engine)
    assert {row["status"] for row in rows} == {UNSCORED}
    assert any("there are 2" in row["reason"] and row["reason"].count("and 0") for row in rows)
