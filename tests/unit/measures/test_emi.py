"""Effective mutual information: its truths, a world whose shift is known, and EMID against its bound."""

from __future__ import annotations

import re
from math import log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from llmood.measures.club import club
from llmood.measures.emi import Responses, cross_fitted_emi_terms, emi_terms, emid
from llmood.measures.emid_bound import emid_bound
from llmood.measures.gaussian_channel import channel_means, fit_channel
from llmood.measures.representation_jsd import representation_jsd
from llmood.measures.states import unit_rows
from llmood.metrics import bootstrap_interval, spearman

GRADES = 5


def made(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def responses_of(seed: int, n: int = 80, wrong: float = 0.5, moved: float = 0.0) -> Responses:
    """References that follow their prompts with noise, and answers of which a share is to other prompts."""
    generator, world = made(seed), made(99).normal(size=(6, 5))
    prompts = generator.normal(size=(n, 6)) + moved * np.eye(6)[0]
    references = prompts @ world + 2.0 * generator.normal(size=(n, 5))
    lost = generator.random(n) < wrong
    answers = np.where(lost[:, None], generator.permutation(references), references)
    # What an answer says wrongly has a manner of its own.
    answers = answers + lost[:, None] * np.array([0.0, 0.0, 0.0, 0.0, 8.0])
    return Responses(*(unit_rows(each) for each in (prompts, answers, references)))


def joined(*each: Responses) -> tuple[Responses, np.ndarray, np.ndarray]:
    """All of them, which population each row is of, and its fold."""
    stacked = Responses(*(np.concatenate(columns) for columns in zip(*each, strict=True)))
    populations = np.repeat(np.arange(len(each)), [len(one.prompts) for one in each])
    return stacked, populations, np.arange(len(populations)) % 4


def test_answers_that_are_the_references() -> None:
    prompts, _, references = responses_of(0)
    same = Responses(prompts, references, references)
    everyone = joined(same, responses_of(1))
    terms = cross_fitted_emi_terms(*everyone)
    assert (terms[everyone[1] == 0] == 0.0).all()
    assert terms[everyone[1] == 1].mean() < 0.0


def test_by_hand() -> None:
    # μ = x and σ² = ½: Î = 2 cov(x, y), the covariance over n − 1. Of the references 2, of the answers −2.
    x = np.array([[1.0], [-1.0], [0.0]])
    found = emi_terms(Responses(x, -x, x), x, 0.5)
    assert found.tolist() == [pytest.approx(value) for value in (-6.0, -6.0, 0.0)]
    assert found.mean() == club(-x, x, 0.5) - club(x, x, 0.5) == pytest.approx(-4.0)
    terms, is_ood = np.append(found, [1.0, 2.0]), np.repeat([False, True], [3, 2])
    assert emid(terms, is_ood) == pytest.approx(-5.5) == pytest.approx(-emid(terms, ~is_ood))


def test_each_fold_by_itself() -> None:
    """Against the definition: fit on the rest, judge the fold's rows of one population by covariances."""
    everyone, populations, folds = joined(responses_of(2), responses_of(3, wrong=0.9))
    terms = cross_fitted_emi_terms(everyone, populations, folds)
    rest, own = folds != 1, (folds == 1) & (populations == 1)
    channel = fit_channel(*(each[rest] for each in everyone))
    means = channel_means(everyone.prompts[own], channel)
    errors = (everyone.answers - everyone.references)[own]
    expected = sum(
        np.cov(errors[:, at], means[:, at])[0, 1] / channel.variances[at] for at in range(errors.shape[1])
    )
    assert terms[own].mean() == pytest.approx(expected)


def test_a_q_that_saw_its_rows_finds_what_is_not_there() -> None:
    prompts, answers, references = made(4).normal(size=(3, 100, 60))
    independent = Responses(prompts, answers, references)
    seen = np.linalg.lstsq(prompts, references, rcond=None)[0]
    own = ((references - prompts @ seen) ** 2).mean(axis=0)
    assert club(references, prompts @ seen, own) > 20.0
    terms = cross_fitted_emi_terms(independent, np.zeros(100, np.int64), np.arange(100) % 5)
    assert abs(terms.mean()) < 4 * terms.std() / sqrt(len(terms))


@given(st.integers(0, 200))
def test_order_and_turned_prompts_change_nothing(seed: int) -> None:
    everyone, populations, folds = joined(responses_of(seed, 24), responses_of(seed + 1, 16))
    terms = cross_fitted_emi_terms(everyone, populations, folds)
    order, turn = made(seed).permutation(len(terms)), ortho_group.rvs(6, random_state=seed)
    turned = Responses(*(each[order] for each in everyone))._replace(prompts=(everyone.prompts @ turn)[order])
    again = cross_fitted_emi_terms(turned, populations[order], folds[order])
    np.testing.assert_allclose(again, terms[order], atol=1e-6)


def test_a_grid_of_shifts_and_the_bound() -> None:
    """The more answers are wrong and the further prompts move, the larger are EMID and its bound: ranks agree."""
    grid = [(0.1, 0.0)] + [(0.1 + 0.15 * grade, 0.5 * grade) for grade in range(1, GRADES + 1)]
    worlds = [responses_of(10 + at, 600, *each) for at, each in enumerate(grid)]
    everyone, populations, folds = joined(*worlds)
    terms = cross_fitted_emi_terms(everyone, populations, folds)
    of_answers = [representation_jsd(each.answers, each.references) for each in worlds]
    home, found, bounds = worlds[0], [], []
    for grade in range(1, GRADES + 1):
        both = (populations == 0) | (populations == grade)
        is_ood = populations[both] == grade
        interval = bootstrap_interval(emid, terms[both], is_ood, draws=200)
        found.append(interval.value)
        assert interval.low is not None
        assert interval.high is not None
        assert interval.low < interval.value < interval.high
        moved = representation_jsd(home.prompts, worlds[grade].prompts)
        bounds.append(emid_bound([moved], of_answers[0], of_answers[grade]))
    assert found[-1] > found[0] > 0.0
    assert spearman(found, bounds) >= 0.9


def test_intervals_where_nothing_differs() -> None:
    """Of 200 pairs of populations that are drawn alike, EMID's 95 % interval leaves out 0 in about 5 %."""
    missed = 0
    for seed in range(200):
        everyone, populations, folds = joined(
            responses_of(2 * seed + 100, 60), responses_of(2 * seed + 101, 60)
        )
        terms = cross_fitted_emi_terms(everyone, populations, folds)
        interval = bootstrap_interval(emid, terms, populations == 1, draws=200, seed=seed)
        assert interval.low is not None
        assert interval.high is not None
        missed += not interval.low <= 0.0 <= interval.high
    # 5 % and two standard errors of what a percentile interval of 200 draws of 60 rows leaves out, 7 %.
    assert missed / 200 <= 0.07 + 2 * sqrt(0.07 * 0.93 / 200)


def test_what_the_guide_shows() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "pages" / "guide" / "report.md"
    shown = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(next(text for text in shown if "def loss_of_information" in text), names)
    everyone = joined(responses_of(20, 200, 0.1), responses_of(21, 200, 0.8, 1.0))
    alone, bound = names["loss_of_information"](*everyone, 0, 1)
    paired, same_bound = names["loss_of_information"](*everyone, 0, 1, np.tile(np.arange(200), 2))
    assert alone.low > 0.0
    assert paired.value == alone.value
    assert (paired.low, paired.high) != (alone.low, alone.high)
    assert bound == same_bound > 0.0


def test_the_bound_by_hand() -> None:
    # √0.25 + √0.09 = 0.8, and 0.0016^¼ + 0.0081^¼ = 0.2 + 0.3.
    given_of = ([0.25, 0.09], 0.0016, 0.0081)
    assert emid_bound(*given_of) == pytest.approx(1.3)
    assert emid_bound(*given_of, entropy=10.0) == pytest.approx(8.0 + 2.0)
    assert emid_bound([0.0], 0.0, 0.0) == 0.0
    assert emid_bound([log(2.0)], log(2.0), log(2.0)) == pytest.approx(sqrt(log(2.0)) + 2 * log(2.0) ** 0.25)


@given(*[st.floats(0, 0.69)] * 4)
def test_the_bound_grows_with_each_divergence(first: float, second: float, third: float, more: float) -> None:
    bound = emid_bound([first], second, third)
    larger = max(first, more)
    assert emid_bound([larger], second, third) >= bound
    assert emid_bound([first], max(second, more), third) >= bound
    assert emid_bound([first], third, second) == pytest.approx(bound)


def test_bad_input() -> None:
    everyone, populations, folds = joined(responses_of(7, 12), responses_of(8, 12))
    with pytest.raises(ValueError, match="two folds or more"):
        cross_fitted_emi_terms(everyone, populations, np.zeros_like(folds))
    with pytest.raises(ValueError, match="two rows or more"):
        cross_fitted_emi_terms(everyone, np.where(np.arange(24) == 3, 7, populations), folds)
    with pytest.raises(ValueError, match="one thing a row"):
        cross_fitted_emi_terms(everyone, populations[1:], folds)
    with pytest.raises(ValueError, match="the same samples"):
        cross_fitted_emi_terms(everyone._replace(prompts=everyone.prompts[1:]), populations, folds)
    with pytest.raises(ValueError, match="answers: row 0"):
        cross_fitted_emi_terms(everyone._replace(answers=np.full((24, 5), np.nan)), populations, folds)
    echo = Responses(everyone.prompts, everyone.prompts, everyone.prompts)
    with pytest.raises(ValueError, match="has no bound"):
        cross_fitted_emi_terms(echo, populations, folds)
    for divergences in ([-0.1], [0.7], [float("nan")]):
        with pytest.raises(ValueError, match="between 0 and log 2"):
            emid_bound(divergences, 0.0, 0.0)
    with pytest.raises(ValueError, match="at least one"):
        emid_bound([], 0.0, 0.0)
    with pytest.raises(ValueError, match="entropy"):
        emid_bound([0.1], 0.0, 0.0, entropy=0.0)
