"""Which side of the input is new, from scores alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from llmood.config import BootstrapConfig
from llmood.picture_records import Control
from llmood.questions.modality import (
    CHANGE,
    CONTROL_OF,
    NEW_SIDES,
    ON_PART,
    PartScores,
    modality,
    verdict_of,
)
from llmood.questions.populations import Floats, Population, ScoredBenchmark
from llmood.records import MetricRecord
from llmood.scorers.base import scorers
from llmood.scorers.on_part import OnPart, Profile, WithOther

N = 60
ROWS = np.arange(N)
SHIFTS = {"picture": (0.0, 3.0), "question": (3.0, 0.0), "both": (3.0, 3.0), "neither": (0.0, 0.0)}


def profile_of(*controls: Control, left_out: Mapping[tuple[str, Control], str] | None = None) -> Profile:
    scorer = scorers.get("mahalanobis").make()
    made = {
        ("s", control): (OnPart if control in ("blank", "no_question") else WithOther)(
            scorer=scorer, control=control
        )
        for control in controls
    }
    return Profile(("s",), made, left_out or {})


def benchmark(names: tuple[str, ...] = ("ood",)) -> ScoredBenchmark:
    populations = [
        Population(name, "far" if place else "none", None, ROWS + place * N)
        for place, name in enumerate(("id", *names))
    ]
    total = N * len(populations)
    groups = np.array([f"g{row}" for row in range(total)])
    return ScoredBenchmark("b", populations[0], tuple(populations[1:]), {"s": np.zeros(total)}, groups)


def drawn(seed: int, text: float, image: float) -> dict[tuple[str, Control | None], Floats]:
    """Normal scores of both sides, those of the OOD samples higher by as much."""
    generator = np.random.default_rng(seed)
    is_ood = np.repeat([0.0, 1.0], N)
    parts = {
        control: generator.normal(size=2 * N) + shift * is_ood
        for control, shift in (("blank", text), ("no_question", image))
    }
    return {
        ("s", None): parts["blank"] + parts["no_question"],
        ("s", "blank"): parts["blank"],
        ("s", "no_question"): parts["no_question"],
    }


def measured(
    scores: dict[tuple[str, Control | None], Floats], profile: Profile, draws: int = 200
) -> list[MetricRecord]:
    found = PartScores(profile, scores)
    return list(modality(benchmark(), found, BootstrapConfig(draws=draws), seed=0))


def verdict(records: list[MetricRecord]) -> MetricRecord:
    (found,) = [record for record in records if record.metric == NEW_SIDES]
    return found


@pytest.mark.parametrize("side", SHIFTS)
def test_the_side_that_was_shifted_is_named(side: str) -> None:
    records = measured(drawn(1, *SHIFTS[side]), profile_of("blank", "no_question"))
    told = verdict(records)
    assert (told.params["verdict"], told.params["decides"]) == (side, True)
    assert told.value == {"neither": 0, "picture": 1, "question": 1, "both": 2}[side]
    assert [(record.metric, record.slice) for record in records[:3]] == [
        (ON_PART, part) for part in CONTROL_OF
    ]


def test_what_is_drawn_as_id_is_called_new_about_as_often_as_intervals_miss() -> None:
    """Each side by 2.5 % of draws: neither in 0.975² = 95 % of 300 seeds, give or take 3.8 % (three deviations)."""
    profile = profile_of("blank", "no_question")
    found = Counter(verdict(measured(drawn(seed, 0, 0), profile)).params["verdict"] for seed in range(300))
    assert found["neither"] / 300 == pytest.approx(0.95, abs=0.038)


def test_the_rule_at_its_edge() -> None:
    assert [verdict_of(*ends) for ends in [(0.5, 0.5), (0.51, 0.5), (0.5, 0.51), (0.51, 0.51)]] == [
        "neither",
        "question",
        "picture",
        "both",
    ]


def test_a_side_that_is_left_out_decides_nothing() -> None:
    scores = drawn(1, 3, 3)
    del scores["s", "no_question"]
    profile = profile_of("blank", left_out={("s", "no_question"): "it can't"})
    records = measured(scores, profile)
    image = next(record for record in records if record.slice == "image")
    assert (image.value, image.reason, image.n) == (None, "left out: it can't", 0)
    told = verdict(records)
    assert (told.value, told.params["verdict"], told.params["decides"]) == (None, None, False)
    assert told.reason == "of the image part: left out: it can't"


def test_a_side_of_few_scores_decides_nothing() -> None:
    scores = drawn(1, 0, 3)
    scores["s", "no_question"][N : N + 10] = np.nan
    told = verdict(measured(scores, profile_of("blank", "no_question")))
    assert told.value is None
    assert str(told.reason).startswith("of the image part: not compared: it scored under 90 %")
    scores["s", "no_question"][:] = np.nan
    told = verdict(measured(scores, profile_of("blank", "no_question")))
    assert told.reason == "of the image part: no sample was scored"


def test_one_side_alone_gives_no_verdict() -> None:
    scores = drawn(1, 3, 3)
    del scores["s", "no_question"]
    records = measured(scores, profile_of("blank"))
    assert [(record.metric, record.slice) for record in records] == [(ON_PART, "text"), (ON_PART, "both")]


def test_how_far_another_picture_moves_a_score() -> None:
    whole = np.tile([0.0, 2.0], N)  # of ID, a standard deviation of √(N/(N − 1))
    moved = whole + np.repeat([1.0, 0.0], N)
    moved[0] = np.nan
    scores: dict[tuple[str, Control | None], Floats] = {("s", None): whole, ("s", "noise"): moved}
    records = [record for record in measured(scores, profile_of("noise")) if record.metric == CHANGE]
    own, other = records
    assert (own.population, own.ood_task, own.slice, own.n, own.n_unscored) == ("id", None, "noise", N - 1, 1)
    assert (own.value, own.ci_low, own.ci_high) == (1.0, 1.0, 1.0)
    assert own.params["in_standard_deviations"] == pytest.approx(((N - 1) / N) ** 0.5)
    assert (own.params["share_higher"], own.params["share_unmoved"]) == (1.0, 0.0)
    assert (other.value, other.params["share_unmoved"]) == (0.0, 1.0)
