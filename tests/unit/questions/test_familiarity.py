"""Slices by the base model's likelihood: who is in them, against whom, and what is only counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from llmood.config import BootstrapConfig
from llmood.metrics import auroc
from llmood.questions.familiarity import GAP, SLICES, BaseLikelihood, familiarity
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord

N_ID, N_OOD = 60, 90
RNG = np.random.default_rng(5)
ID_SCORES = RNG.normal(size=N_ID)
NLL = np.arange(N_OOD) / 10.0  # of the OOD rows: the first third is the familiar one
NOISE = RNG.normal(size=N_OOD)
PLANTED = NOISE + np.repeat([0.3, 1.5, 3.0], 30)  # what the base model knows scores hardly above ID


def benchmark(scores: Mapping[str, Floats]) -> ScoredBenchmark:
    ood = Population("away", "near", None, np.arange(N_ID, N_ID + N_OOD))
    groups = np.array([f"sample:{row}" for row in range(N_ID + N_OOD)])
    whole = {name: np.concatenate([ID_SCORES, values]) for name, values in scores.items()}
    return ScoredBenchmark("b", Population("home", "none", None, np.arange(N_ID)), (ood,), whole, groups)


def base(nll: Floats, reason: str | None = None) -> BaseLikelihood:
    # No slice looks at ID: what the base model says of it is nothing that a third could depend on.
    values = np.concatenate([np.full(N_ID, 1e6), nll])
    return BaseLikelihood(values, np.where(np.isnan(values), reason, None).astype(object))


def measure(
    scored: ScoredBenchmark, likelihood: BaseLikelihood
) -> dict[tuple[str | None, str | None], MetricRecord]:
    records = list(familiarity(scored, likelihood, BootstrapConfig(draws=300), seed=0))
    return {(record.scorer, record.slice): record for record in records}


def test_familiar_text_that_is_harder_has_a_clear_gap() -> None:
    blind_scores = np.tile(NOISE[:30], 3)  # the same in each third
    found = measure(benchmark({"planted": PLANTED, "blind": blind_scores}), base(NLL))
    values = [found["planted", part].value for part in SLICES]
    expected = [
        auroc(np.append(ID_SCORES, PLANTED[rows]), np.repeat([False, True], [N_ID, 30]))
        for rows in (slice(0, 30), slice(30, 60), slice(60, 90))
    ]
    assert values == expected
    gap = found["planted", None]
    assert (gap.metric, gap.question, gap.slice) == (GAP, "familiarity", None)
    assert gap.value == pytest.approx(expected[2] - expected[0])
    assert gap.ci_low is not None
    assert gap.ci_low > 0.2
    blind = found["blind", None]
    assert blind.ci_low is not None
    assert blind.ci_high is not None
    assert blind.ci_low < 0 == blind.value < blind.ci_high


def test_a_record_says_what_its_slice_is() -> None:
    record = measure(benchmark({"s": PLANTED}), base(NLL))["s", "familiar"]
    assert (record.question, record.metric, record.ood_task, record.shift) == (
        "familiarity",
        "auroc_in_slice",
        "away",
        "near",
    )
    assert (record.n, record.n_negative, record.n_positive, record.n_unscored) == (90, 60, 30, 0)
    assert record.params == {"by": "likelihood.base.mean", "from": 0.0, "to": 2.9, "not_sliced": {}}
    assert record.ci_low is not None
    assert record.value is not None
    assert record.ci_low < record.value


def test_no_scorer_moves_an_edge_and_no_base_likelihood_is_counted() -> None:
    nll = np.where(np.arange(N_OOD) % 9 == 0, np.nan, NLL)
    gone = PLANTED.copy()
    gone[1:11] = np.nan  # nine of them familiar ones that have a base likelihood
    found = measure(benchmark({"all": PLANTED, "some": gone}), base(nll, "over the context"))
    for part in SLICES:
        whole, some = found["all", part], found["some", part]
        assert whole.params == some.params
        assert whole.params["not_sliced"] == {"over the context": 10}
    whole, some = found["all", "familiar"], found["some", "familiar"]
    assert whole.n_positive is not None
    assert some.n_positive == whole.n_positive - 9
    assert (whole.n_unscored, some.n_unscored) == (0, 9)
    assert found["some", None].n_unscored == 9


def test_unscored_id_samples_are_counted_once() -> None:
    scored = benchmark({"s": PLANTED})
    values = scored.scores["s"].copy()
    values[:4] = np.nan
    found = measure(replace(scored, scores={"s": values}), base(NLL))
    assert [found["s", part].n_unscored for part in (*SLICES, None)] == [4, 4, 4, 4]
    assert [found["s", part].n_negative for part in (*SLICES, None)] == [56] * 4


def test_ties_on_an_edge_do_not_depend_on_the_order_of_rows() -> None:
    tied = np.repeat([0.0, 1.0, 2.0], [20, 40, 30])
    order = np.random.default_rng(0).permutation(N_OOD)
    first = measure(benchmark({"s": PLANTED}), base(tied))
    second = measure(benchmark({"s": PLANTED[order]}), base(tied[order]))
    assert [first["s", part].value for part in (*SLICES, None)] == pytest.approx(
        [second["s", part].value for part in (*SLICES, None)]
    )
    assert [first["s", part].n_positive for part in SLICES] == [20, 40, 30]


def test_where_all_are_alike_outer_slices_are_undefined_and_say_so() -> None:
    found = measure(benchmark({"s": PLANTED}), base(np.ones(N_OOD)))
    assert found["s", "middle"].n_positive == N_OOD
    assert found["s", "middle"].value is not None
    for part in ("familiar", "unfamiliar"):
        record = found["s", part]
        assert (record.value, record.reason) == (None, "no scored OOD sample is in this slice")
        assert record.params["from"] is None
    assert found["s", None].value is None
    assert found["s", None].reason == "no familiar OOD samples"


def test_without_any_base_likelihood_nothing_is_sliced() -> None:
    found = measure(benchmark({"s": PLANTED}), base(np.full(N_OOD, np.nan), "one token"))
    assert {record.value for record in found.values()} == {None}
    assert all(record.params["not_sliced"] == {"one token": N_OOD} for record in found.values())


def test_an_infinite_likelihood_is_unfamiliar_and_no_number() -> None:
    nll = NLL.copy()
    nll[0] = np.inf
    record = measure(benchmark({"s": PLANTED}), base(nll))["s", "unfamiliar"]
    assert record.n_positive == 30
    assert record.params["to"] is None
    assert record.params["from"] == pytest.approx(6.1)


def test_other_adapters_have_no_slices() -> None:
    found = measure(benchmark({"s": PLANTED, "s@tuned:1": PLANTED}), base(NLL))
    assert {scorer for scorer, _ in found} == {"s"}
