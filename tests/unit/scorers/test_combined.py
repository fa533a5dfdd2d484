"""One score of several: ranks without labels, and a regression that has seen which answers were wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llmood.config import RunConfig
from llmood.engines.observations import Block, Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.metrics import auroc
from llmood.records import Scores
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.choose import make_scorers
from llmood.scorers.ensemble import REMEDIES, RIDGES, Ensemble
from llmood.scorers.rank_average import RankAverage
from llmood.scoring import fit_all
from llmood.tables import INDEX, SAMPLES

NAMES = ("likelihood", "length", "random")  # any that there are: what they score is made up here


class Planted(Scorer):
    """Scores by sample id, as they were made up; a missing one says so."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = values

    def score(self, block: Block) -> Scores:
        found = np.array([self.values.get(name, np.nan) for name in block.samples["sample_id"].to_pylist()])
        return Scores(found, ["not there" if np.isnan(value) else None for value in found])


class Planning:
    """Samples of some splits, wrong or right, and the scores that members give them."""

    def __init__(self, seed: int = 0, signal: Sequence[float] = (2.0, -1.0, 0.0), size: int = 300) -> None:
        rng = np.random.default_rng(seed)
        self.splits = np.repeat(["train", "validation", "test"], size)
        self.names = [f"s{place}" for place in range(3 * size)]
        self.wrong = rng.random(3 * size) < 0.4
        self.table = rng.normal(size=(3 * size, len(signal))) + np.outer(self.wrong, signal)

    def observations(self, split: str | None = None) -> Observations:
        rows = [
            {"sample_id": name, "split": own}
            for name, own in zip(self.names, self.splits, strict=True)
            if split in (None, own)
        ]
        verdicts = {name: not wrong for name, wrong in zip(self.names, self.wrong.tolist(), strict=True)}
        samples = pa.Table.from_pylist(rows, schema=SAMPLES)
        return Observations(samples, INDEX.empty_table(), Store(), verdicts)

    @property
    def make(self) -> Callable[[str], Scorer]:
        columns = dict(zip(NAMES, self.table.T, strict=False))
        return lambda name: Planted(dict(zip(self.names, columns[name].tolist(), strict=True)))

    def scored(self, scorer: Scorer, split: str = "test") -> np.ndarray:
        own = self.observations(split)
        (block,) = own.blocks(sorted(scorer.needs)) if not isinstance(scorer, Ensemble) else own.blocks([])
        return scorer.score(block).values

    def found(self, scorer: Scorer) -> float:
        return auroc(self.scored(scorer), self.wrong[self.splits == "test"])


@pytest.fixture
def planned(fresh_cache: object, monkeypatch: pytest.MonkeyPatch) -> Planning:
    # Members here read nothing, so the answers need no capture either.
    monkeypatch.setattr(Ensemble, "needs", ())
    return Planning()


def fitted(planned: Planning, kind: type[RankAverage | Ensemble], count: int = 3) -> Any:
    scorer = kind(of=NAMES[:count], make=planned.make)
    fit_all({"it": scorer}, planned.observations())
    return scorer


def test_an_ensemble_weighs_its_members(planned: Planning) -> None:
    ensemble = fitted(planned, Ensemble)
    first, second, third = ensemble.weights_
    assert first > 0 > second
    assert abs(third) < 0.4
    alone = max(
        auroc(values[planned.splits == "test"], planned.wrong[planned.splits == "test"])
        for values in planned.table.T
    )
    # Of two independent signals of 2 and 1 standard deviations: Φ(√5/√2) = 0.943, alone Φ(2/√2) = 0.921.
    assert planned.found(ensemble) > alone
    assert planned.found(ensemble) == pytest.approx(0.943, abs=0.03)


def test_poisoning_the_test_rows_moves_nothing(planned: Planning) -> None:
    before = fitted(planned, Ensemble), fitted(planned, RankAverage)
    measured = planned.splits == "test"
    planned.table[measured] *= -50
    planned.wrong[measured] = ~planned.wrong[measured]
    after = fitted(planned, Ensemble), fitted(planned, RankAverage)
    assert before[0].weights_ == after[0].weights_
    assert before[0].ridge_ == after[0].ridge_
    assert before[1].references_ == after[1].references_


def test_on_noise_the_ridge_is_strong_and_on_a_signal_it_is_not(
    fresh_cache: object, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Ensemble, "needs", ())
    noise = [fitted(Planning(seed, (0.0, 0.0, 0.0), 60), Ensemble).ridge_ for seed in range(10)]
    signal = [fitted(Planning(seed, (2.0, -1.0, 0.0), 300), Ensemble).ridge_ for seed in range(10)]
    assert np.median(noise) > np.median(signal)
    assert {*noise, *signal} <= {*RIDGES}


def test_ranks_are_those_among_validation_rows(planned: Planning) -> None:
    found = planned.scored(fitted(planned, RankAverage, 2))
    reference = planned.table[planned.splits == "validation"][:, :2]
    values = planned.table[planned.splits == "test"][:, :2]
    below = (reference[None] < values[:, None]).mean(axis=1)  # no two are equal
    np.testing.assert_allclose(found, below.mean(axis=1))


def test_ranks_know_no_scale(planned: Planning) -> None:
    before = planned.scored(fitted(planned, RankAverage))
    planned.table[:, 0] = np.exp(3 * planned.table[:, 0])
    np.testing.assert_array_equal(planned.scored(fitted(planned, RankAverage)), before)


@pytest.mark.parametrize("kind", [RankAverage, Ensemble])
def test_fitting_on_test_raises(planned: Planning, kind: type[RankAverage | Ensemble]) -> None:
    scorer = kind(of=NAMES, make=planned.make)
    test = planned.observations("test")
    with pytest.raises(ValueError, match="not on test"):
        scorer.fit(test, test)
    with pytest.raises(ValueError, match="not on test"):
        scorer.fit(planned.observations("train"), test)
    with pytest.raises(ValueError, match="not on test"):
        scorer.fit(planned.observations(), None)


@pytest.mark.parametrize("kind", [RankAverage, Ensemble])
def test_what_it_learned_is_json(planned: Planning, kind: type[RankAverage | Ensemble]) -> None:
    scorer = fitted(planned, kind)
    state = {name: value for name, value in vars(scorer).items() if name.endswith("_") and name != "members_"}
    again = kind(of=NAMES, make=planned.make)
    vars(again).update(json.loads(json.dumps(state)), members_=scorer.members_)
    np.testing.assert_array_equal(planned.scored(again), planned.scored(scorer))


@pytest.mark.parametrize("kind", [RankAverage, Ensemble])
def test_a_sample_that_a_member_leaves_unscored_is_unscored(
    planned: Planning, kind: type[RankAverage | Ensemble]
) -> None:
    for split in ("train", "validation", "test"):
        planned.table[np.flatnonzero(planned.splits == split)[0], 1] = np.nan
    scorer = fitted(planned, kind)
    (block,) = planned.observations("test").blocks([])
    scores = scorer.score(block)
    assert scores.reasons[0] == "length: not there"
    assert np.isnan(scores.values).tolist() == [True, *[False] * 299]


@pytest.mark.parametrize(("known", "said"), [(True, "wrong"), (False, "right"), (None, "judged")])
def test_train_answers_of_one_kind_teach_nothing(planned: Planning, known: bool | None, said: str) -> None:
    observations = planned.observations()
    kept = {} if known is None else dict.fromkeys(observations.verdicts or {}, known)
    scorer = Ensemble(of=NAMES, make=planned.make)
    fit_all({"it": scorer}, observations.judged(kept))
    (block,) = planned.observations("test").blocks([])
    scores = scorer.score(block)
    assert np.isnan(scores.values).all()
    (reason,) = set(scores.reasons)
    assert str(reason).startswith(f"no answer of train is {said} and scored by all members: ")
    assert REMEDIES[said] in str(reason)
    if said == "wrong":
        assert "train rows it wasn't tuned on; or rank_average" in str(reason)


def test_without_verdicts_an_ensemble_is_refused(planned: Planning) -> None:
    scorer = Ensemble(of=NAMES, make=planned.make)
    with pytest.raises(ConfigError, match="it learns from which answers are right"):
        fit_all({"it": scorer}, planned.observations().judged(None))


@pytest.mark.parametrize(
    ("name", "of", "said"),
    [
        ("ensemble", ["likelihod"], "likelihood"),
        ("ensemble", [], "at least 1"),
        ("ensemble", "likelihood", "is a list"),
        ("ensemble", ["gzip_knn"], "learns from train itself"),
        ("rank_average", ["length"], "at least 2"),
        ("rank_average", ["length", "length"], "different"),
        ("rank_average", ["length", "ensemble"], "name those"),
    ],
)
def test_a_mistake_is_one_line(name: str, of: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        scorers.get(name).make({"of": of})


def test_members_are_as_the_run_has_them() -> None:
    config = RunConfig.model_validate(
        {
            "benchmark": "demo",
            "scorers": [
                {"gzip_knn": {"k": 3}},
                {"rank_average": {"of": ["gzip_knn", "semantic_entropy"]}},
                {"ensemble": {"of": ["semantic_entropy"]}},
            ],
            "generations": {"n": 4},
            "response": {"max_new_tokens": 7},
        }
    )
    made = make_scorers(config)
    average, ensemble = made["rank_average"], made["ensemble"]
    assert isinstance(average, RankAverage)
    assert average.members["gzip_knn"].k == 3  # type: ignore[attr-defined]
    assert average.fitted_on == "train"
    assert average.reads_text
    assert dict(average.needs[0].params)["n"] == 4
    assert [spec.id for spec in ensemble.needs if spec.kind == "response"] == [
        "response/tuned/prompt?max_new_tokens=7"
    ]
    assert average.definition == "of: gzip_knn, semantic_entropy (equivalence: rule=exact)"


def test_a_rank_average_alone_needs_no_train_rows() -> None:
    assert (RankAverage().fitted_on, RankAverage().chosen_on) == ("validation", "validation")


def test_what_scores_higher_under_the_members_ranks_higher(planned: Planning) -> None:
    average = fitted(planned, RankAverage)
    low, middle, high = average.combined(np.array([[-9.0] * 3, [0.5] * 3, [9.0] * 3]))
    assert (low, high) == (0.0, 1.0)
    assert low < middle < high


@pytest.mark.parametrize("member", ["sdm", "accuracy_probe", "semantic_entropy_probe.held_out"])
def test_what_learns_in_another_way_is_no_member(member: str) -> None:
    with pytest.raises(ConfigError, match=f"{member} learns from validation or from verdicts"):
        scorers.get("rank_average").make({"of": [member, "likelihood"]})


def test_a_member_is_not_shown_the_verdicts_that_it_is_fitted_on() -> None:
    with pytest.raises(ConfigError, match="learns from validation or from verdicts"):
        scorers.get("ensemble").make({"of": ["p_true.few_shot", "likelihood"]})
