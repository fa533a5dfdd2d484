"""What models say of answers, for the rules that ask one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.judging.base import Rule
from llmood.judging.equivalence.draws import questions
from llmood.judging.equivalence.nli_model import NliModel
from llmood.judging.equivalence.rules import AnswerPair, NliRule
from llmood.judging.equivalence.rules import Rule as Equivalence
from llmood.judging.equivalence.verdicts import Verdicts
from llmood.prompting.judge import JUDGE
from llmood.records import OK, CaptureSpec, Status


@dataclass(frozen=True, slots=True)
class Reply:
    """What a judge said of an answer, or why it said nothing."""

    text: str | None
    status: Status = OK
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What models said of answers, by sample id.

    Attributes:
        replies: a judge's.
        entailed: whether an answer and one of its references entail each other.
    """

    replies: Mapping[str, Reply] = field(default_factory=dict)
    entailed: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """The tuned model's answers by sample id, and the judge's replies: also where no file keeps them."""

    answers: Mapping[str, str]
    replies: Mapping[str, str]


def ask_models(
    rule: Rule | None,
    observations: Observations,
    said: Said,
    nli: NliModel | None,
    store: Store,
    *,
    question: bool,
) -> Asked:
    """What a rule has to be told of the answers.

    Args:
        rule: the one of all tasks, if there is one.
        nli: the inference model, where the rule asks one.
        question: whether that reads an answer behind its question.
    """
    reads = frozenset[str]() if rule is None else rule.reads
    spec = answers_spec(observations)
    if "reply" in reads:
        return Asked(replies=judge_replies(observations, said.replies))
    if "entailed" not in reads or spec is None or nli is None:
        return Asked()
    verdicts = Verdicts(nli.ask, nli.identity, store)
    try:
        same = NliRule(verdicts, question=question)
        return Asked(entailed=entailed_answers(observations, spec, same, said.answers))
    finally:
        verdicts.flush()  # also when interrupted: what a model has read is not read again
        nli.close()


def answers_spec(observations: Observations) -> CaptureSpec | None:
    """The capture of the tuned model's own answers; None where they weren't captured."""
    return _response_to("prompt", ("tuned",), observations)


def replies_spec(observations: Observations) -> CaptureSpec | None:
    """The capture of a judge's replies, a model's of its own before the tuned one's; None where nobody was asked."""
    return _response_to(JUDGE.target, ("judge", "tuned"), observations)


def _response_to(target: str, roles: Sequence[str], observations: Observations) -> CaptureSpec | None:
    found = [CaptureSpec.from_id(capture) for capture in observations.captures]
    wanted = (("response", role, target) for role in roles)
    own = [spec for spec in found if spec.control is None]
    return next(
        (spec for each in wanted for spec in own if (spec.kind, spec.model, spec.target) == each), None
    )


def judge_replies(observations: Observations, said: Mapping[str, str] | None = None) -> dict[str, Reply]:
    """What the judge replied of each sample; none where it wasn't asked.

    Args:
        said: the replies, where the store keeps no text.
    """
    spec = replies_spec(observations)
    if spec is None:
        return {}
    found = {}
    made = observations.having(spec)
    for block in made.blocks([spec], {"response": ["text"]}):
        names = block.samples["sample_id"].to_pylist()
        for name, row in zip(names, block[spec].to_pylist(), strict=True):
            text = row["text"] if said is None else said.get(name)
            found[name] = Reply(text, row["status"], row["reason"])
    return found


def entailed_answers(
    observations: Observations, spec: CaptureSpec, rule: Equivalence, answers: Mapping[str, str]
) -> dict[str, bool]:
    """Of each answer that says something, whether it and one of its references say the same by a rule.

    Args:
        observations: with the samples' questions and references.
        spec: the capture of the answers.
        answers: by sample id.
    """
    samples = observations.having(spec).samples
    columns = (samples[name].to_pylist() for name in ("sample_id", "references"))
    pairs = [
        (name, AnswerPair(question, answers[name].strip(), reference.strip()))
        for name, references, question in zip(*columns, questions(samples), strict=True)
        if answers.get(name, "").strip()
        for reference in references or ()
    ]
    same = rule.same([pair for _, pair in pairs])
    verdicts = zip((name for name, _ in pairs), same, strict=True)
    return {name: any(each for _, each in own) for name, own in groupby(verdicts, key=lambda each: each[0])}
