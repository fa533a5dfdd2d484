"""What every registered rule of correctness keeps to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.errors import ConfigError
from llmood.judging.base import Known, Rule, rules

RULES = [pytest.param(rule, id=name) for name, rule in rules]
TEXTS = st.lists(st.text(max_size=20), max_size=3)
KNOWN = st.builds(
    Known,
    TEXTS,
    TEXTS,
    st.none() | st.text(max_size=5),
    st.none() | st.text(max_size=9),
    st.none() | st.booleans(),
)


@pytest.mark.parametrize("rule", RULES)
@given(answer=st.text(max_size=40), known=KNOWN)
def test_a_judgement_is_whole(rule: Rule, answer: str, known: Known) -> None:
    """Right or wrong with a quality in [0, 1], or undefined with a reason; the same again."""
    judgement = rule.judge(answer, known)
    if judgement.correct is None:
        assert judgement.quality is None
        assert judgement.reason
    else:
        assert isinstance(judgement.correct, bool)
        assert judgement.quality is not None
        assert 0.0 <= judgement.quality <= 1.0
        if not rule.graded:
            assert judgement.quality == float(judgement.correct)
    assert rule.judge(answer, known) == judgement


@pytest.mark.parametrize("rule", RULES)
def test_nothing_to_judge_by_is_undefined_and_an_empty_answer_wrong(rule: Rule) -> None:
    this, other = ("yes", "no") if rule.name == "yes_no" else ("7", "8")
    assert rule.judge(this, Known()).correct is None
    for answer, right in (("", False), (this, True), (other, False)):
        # A model that was asked says what is right.
        known = Known(
            references=[this], choices=[this, other], reply="yes" if right else "no", entailed=right
        )
        assert rule.judge(answer, known).correct is right


@pytest.mark.parametrize("rule", RULES)
@given(answer=st.text(alphabet="xqz", min_size=4, max_size=40))
def test_no_reason_quotes_the_answer(rule: Rule, answer: str) -> None:
    reason = rule.judge(answer, Known(references=["7"], choices=["7", "8"])).reason
    assert answer not in (reason or "")


@pytest.mark.parametrize("rule", RULES)
def test_its_arguments_are_numbers_with_defaults_and_stand_in_its_id(rule: Rule) -> None:
    assert rule.id == rule.name
    assert rule.summary
    for name, default in rule.options.items():
        assert isinstance(default, int | float)
        assert rule.made({name: default}, place="p").id == rule.name  # a default goes without saying
        assert rule.made({name: 0.25}, place="p").id == f"{rule.name}({name}=0.25)"
    with pytest.raises(ConfigError, match="no argument 'nothing'"):
        rule.made({"nothing": 1}, place="p")
