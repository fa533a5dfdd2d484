"""What the alternatives to an answer's tokens claim, by hand: words for tokens, and a table for a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from llmood.config import RunConfig
from llmood.engines.captures import comparison_of, given_answer
from llmood.engines.observations import Block
from llmood.errors import ConfigError
from llmood.judging.equivalence.alternatives import Alternatives, Claims
from llmood.judging.equivalence.choose import make_readers
from llmood.judging.equivalence.count import Count
from llmood.judging.equivalence.rules import AnswerPair
from llmood.records import CaptureSpec
from llmood.scorers.base import scorers
from llmood.scoring import score_all
from llmood.tables import CAPTURE_SCHEMAS, SAMPLES
from tests.nli_models import save_cross_encoder
from tests.observing import observe

WORDS = ["", "Paris", "Lyon", "Lutetia", "today", "perhaps", "Paris"]
END, PARIS, LYON, LUTETIA, TODAY, PERHAPS, TWIN = range(7)
SPEC = comparison_of("alternatives", {"rule": "nli"}, response={"max_new_tokens": 9, "top": 4})


def decode(ids: Sequence[int]) -> str:
    return " ".join(WORDS[each] for each in ids if WORDS[each])


def log(*shares: float) -> list[float]:
    return [math.log(share) for share in shares]


class Table:
    """Contradiction and entailment of pairs of texts; what it doesn't hold is neutral."""

    identity: Mapping[str, Any] = {}

    def __init__(self, **known: tuple[float, float]) -> None:
        self.known = {tuple(name.split("_")): value for name, value in known.items()}
        self.asked: list[AnswerPair] = []

    def entailment(self, pairs: Sequence[AnswerPair]) -> NDArray[np.float32]:
        self.asked += pairs
        found = [self.known.get((pair.first, pair.second), (0.2, 0.2)) for pair in pairs]
        return np.array(found, np.float32).reshape(-1, 2)

    def same(self, pairs: Sequence[AnswerPair]) -> Sequence[bool]:
        pytest.fail("alternatives are asked what follows, not what says the same")

    support = entailment


def row_of(**changes: Any) -> dict[str, Any]:
    row = {
        "status": "ok",
        "text": "Paris",
        "token_ids": [PARIS, END],
        "logprobs": log(0.5, 0.9),
        "top_ids": [[PARIS, LYON, LUTETIA, TODAY], [END, TODAY]],
        "top_logprobs": [log(0.5, 0.2, 0.1, 0.1), log(0.9, 0.1)],
    }
    return row | changes


def read(*rows: dict[str, Any], spec: CaptureSpec = SPEC) -> list[Any]:
    source = given_answer(spec)
    samples = [{"sample_id": str(at), "prompt": "Which city?"} for at in range(len(rows))]
    block = Block(
        np.arange(len(rows)),
        pa.Table.from_pylist(samples, schema=SAMPLES),
        {source: pa.Table.from_pylist(list(rows), schema=CAPTURE_SCHEMAS["response"])},
    )
    return list(Alternatives(spec, decode).read(block))


def claimed(table: Table, *rows: dict[str, Any]) -> list[list[float]]:
    found = Alternatives(SPEC, decode).observe(read(*rows), table, Count())
    return [each["claim_logprobs"] for each in found]


def test_what_claims_otherwise_counts_against_and_another_kind_of_claim_does_not() -> None:
    table = Table(
        Paris_Lyon=(0.9, 0.0), Lyon_Paris=(0.9, 0.0), Paris_Lutetia=(0.0, 0.9), Lutetia_Paris=(0.1, 0.8)
    )
    (values,) = claimed(table, row_of())
    # Paris and Lutetia say it, Lyon says otherwise, today is another kind of claim; the end adds no words.
    assert values == pytest.approx([math.log(0.6 / 0.8), 0.0])
    assert {(pair.first, pair.second) for pair in table.asked} == {
        ("Paris", other) for other in ("Lyon", "Lutetia", "today")
    } | {(other, "Paris") for other in ("Lyon", "Lutetia", "today")}
    assert {pair.question for pair in table.asked} == {"Which city?"}


def test_both_directions_make_one_verdict() -> None:
    # One says contradiction, the other nothing: contradiction. One entails, the other contradicts: nothing.
    row = row_of(top_ids=[[PARIS, LYON], [END]], top_logprobs=[log(0.5, 0.25), log(0.9)])
    for there, back, expected in (
        ((0.9, 0.0), (0.1, 0.1), math.log(0.5 / 0.75)),
        ((0.9, 0.0), (0.0, 0.9), 0.0),
        ((0.0, 0.9), (0.1, 0.1), 0.0),
    ):
        (values,) = claimed(Table(Paris_Lyon=there, Lyon_Paris=back), row)
        assert values[0] == pytest.approx(expected, abs=1e-7)


def test_an_alternative_is_read_behind_what_was_said_before() -> None:
    row = row_of(
        text="perhaps Paris",
        token_ids=[PERHAPS, PARIS],
        logprobs=log(0.9, 0.4),
        top_ids=[[PERHAPS], [LYON, PARIS]],
        top_logprobs=[log(0.9), log(0.6, 0.4)],
    )
    table = Table(**{"perhaps Paris_perhaps Lyon": (0.9, 0.0), "perhaps Lyon_perhaps Paris": (0.9, 0.0)})
    assert claimed(table, row) == [pytest.approx([0.0, math.log(0.4)])]


def test_the_same_text_needs_no_verdict_and_silence_is_another_kind_of_claim() -> None:
    row = row_of(
        token_ids=[PARIS], logprobs=log(0.3), top_ids=[[END, PARIS, TWIN]], top_logprobs=[log(0.5, 0.3, 0.2)]
    )
    table = Table()
    assert claimed(table, row) == [[0.0]]
    assert table.asked == []


def test_the_same_pairs_are_asked_once() -> None:
    table, count = Table(), Count()
    Alternatives(SPEC, decode).observe(read(row_of(), row_of()), table, count)
    assert len(table.asked) == len(set(table.asked)) == count.compared == 6
    assert count.pairs == 2 * 2 * 4


def test_only_the_likeliest_are_looked_at() -> None:
    spec = comparison_of("alternatives", {"rule": "nli"}, response={"max_new_tokens": 9, "top": 1})
    (sample,) = read(row_of(), spec=spec)
    assert isinstance(sample, Claims)
    assert [token.others for token in sample.tokens] == [("Lyon",), ("Paris today",)]


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"status": "failed", "reason": "broke"}, "failed", "broke"),
        ({"text": " "}, "unscored", "empty answer"),
        ({"top_ids": None}, "unscored", "the answer has no alternatives to its tokens"),
        ({"logprobs": None}, "unscored", "the answer has no alternatives to its tokens"),
    ],
)
def test_what_cannot_be_read_says_why(changes: dict[str, Any], status: str, reason: str) -> None:
    assert read(row_of(**changes)) == [{"sample_id": "0", "status": status, "reason": reason}]


def test_the_score_is_one_less_the_product() -> None:
    scorer = scorers.get("claim_conditioned").make()
    texts = [f"text {number}" for number in range(20)]
    _, observations = observe(texts, scorer.needs)
    (column,) = score_all(observations, {"claim_conditioned": scorer})
    (block,) = observations.blocks(scorer.needs)
    for row, values in enumerate(block[scorer.needs[1]]["claim_logprobs"].to_pylist()):
        at = block.positions[row]
        if values is None:
            assert column.reasons[at] == "empty answer"
        else:
            assert column.values[at] == pytest.approx(1 - math.exp(sum(values)))
            assert max(values) <= 0
    assert (column.status == "ok").sum() > 10
    assert np.ptp(column.values[column.status == "ok"]) > 0
    assert column.definition == "equivalence: rule=exact"


def test_a_model_without_contradiction_is_refused(tmp_path: Path) -> None:
    two = save_cross_encoder(tmp_path / "two", labels=("entailment", "not_entailment"))
    config = RunConfig.model_validate(
        {"benchmark": "b", "models": {"nli": str(two)}, "engine": {"device": "cpu"}}
    )
    with pytest.raises(ConfigError, match=r"models\.nli: .*two knows no contradiction"):
        make_readers(config, None, [SPEC])
    openers = comparison_of("openers", {"rule": "nli"}, generations={"n": 2})
    assert make_readers(config, None, [openers]).nli is not None


def test_at_least_one_alternative_is_needed() -> None:
    with pytest.raises(ConfigError, match="alternatives must be at least 1"):
        scorers.get("claim_conditioned").make({"alternatives": 0})
