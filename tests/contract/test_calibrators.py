"""One checklist for every registered calibrator."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from llmood.calibrators import CalibrationError, Calibrator, calibrators
from llmood.errors import NotFittedError, StoreError, UnknownNameError

ENTRIES = [pytest.param(calibrator, id=name) for name, calibrator in calibrators]
RANK_FREE = [entry for entry in ENTRIES if not entry.values[0].reads_probability]
MONOTONE = [entry for entry in ENTRIES if entry.values[0].monotone]

every = pytest.mark.parametrize("kind", ENTRIES)


def data(kind: type[Calibrator], rows: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of which higher ones are wrong more often, with ties; 1 − p for those that read probabilities."""
    rng = np.random.default_rng(seed)
    chance = np.round(rng.beta(3.0, 1.5, size=rows), 2)
    correct = rng.random(rows) < 0.1 + 0.7 * chance
    if kind.many_scores:
        return np.column_stack([1.0 - chance, rng.integers(0, 2, size=rows)]), correct
    return 1.0 - chance, correct


def grid(kind: type[Calibrator]) -> np.ndarray:
    """Scores to ask about, ascending; for several scorers all rise together."""
    line = np.linspace(0.0, 1.0, 501) if kind.reads_probability else np.linspace(-3.0, 4.0, 701)
    return np.column_stack([line, line]) if kind.many_scores else line


@every
def test_confidences_lie_inside_0_and_1(kind: type[Calibrator]) -> None:
    found = kind().fit(*data(kind)).confidence(grid(kind))
    assert found.dtype == np.float64
    assert found.shape == (len(grid(kind)),)
    assert (found > 0).all()
    assert (found < 1).all()


@pytest.mark.parametrize("kind", MONOTONE)
def test_a_higher_score_is_never_more_confident(kind: type[Calibrator]) -> None:
    found = kind().fit(*data(kind)).confidence(grid(kind))
    assert (np.diff(found) <= 0).all()
    assert found[0] > found[-1]


@pytest.mark.parametrize("kind", MONOTONE)
def test_not_even_where_right_answers_have_the_higher_scores(kind: type[Calibrator]) -> None:
    scores, correct = data(kind)
    found = kind().fit(scores, ~correct).confidence(grid(kind))
    assert (np.diff(found) <= 0).all()


@every
def test_its_state_gives_the_same_bits(kind: type[Calibrator]) -> None:
    fitted = kind().fit(*data(kind))
    written = json.dumps(fitted.state(), allow_nan=False)
    again = kind.from_state(json.loads(written))
    assert json.dumps(again.state(), allow_nan=False) == written
    assert again.confidence(grid(kind)).tobytes() == fitted.confidence(grid(kind)).tobytes()


@every
def test_fitted_twice_it_has_the_same_state(kind: type[Calibrator]) -> None:
    again = kind().fit(*data(kind, seed=1)).fit(*data(kind))
    assert json.dumps(again.state()) == json.dumps(kind().fit(*data(kind)).state())


@every
def test_the_order_of_rows_changes_no_bit(kind: type[Calibrator]) -> None:
    scores, correct = data(kind)
    order = np.random.default_rng(2).permutation(len(scores))
    shuffled = kind().fit(scores[order], correct[order])
    assert shuffled.state() == kind().fit(scores, correct).state()
    assert shuffled.confidence(scores[order]).tobytes() == shuffled.confidence(scores)[order].tobytes()


@every
def test_rows_are_calibrated_one_by_one(kind: type[Calibrator]) -> None:
    fitted = kind().fit(*data(kind))
    alone = np.concatenate([fitted.confidence(grid(kind)[row : row + 1]) for row in range(50)])
    assert alone.tobytes() == fitted.confidence(grid(kind))[:50].tobytes()


@every
def test_tied_scores_have_one_confidence(kind: type[Calibrator]) -> None:
    scores, correct = data(kind)
    found = kind().fit(scores, correct).confidence(scores)
    firsts, which, tied = np.unique(
        scores, axis=0, return_index=True, return_inverse=True, return_counts=True
    )[1:]
    assert (tied > 1).sum() > 50
    np.testing.assert_array_equal(found, found[firsts][which.ravel()])


@pytest.mark.parametrize("kind", RANK_FREE)
@pytest.mark.parametrize(
    ("factor", "offset"), [(1e-9, 0.0), (3.0, -1e5), (1e5, 7.0), (1e-200, 0.0), (1e100, 0.0)]
)
def test_the_unit_and_the_zero_of_scores_mean_nothing(
    kind: type[Calibrator], factor: float, offset: float
) -> None:
    scores, correct = data(kind)
    plain = kind().fit(scores, correct).confidence(scores)
    moved = kind().fit(scores * factor + offset, correct).confidence(scores * factor + offset)
    np.testing.assert_allclose(moved, plain, rtol=0, atol=1e-7)


@every
def test_infinite_scores_are_the_most_and_the_least_sure(kind: type[Calibrator]) -> None:
    scores, correct = data(kind)
    fitted = kind().fit(scores, correct)
    ends = np.array([-np.inf, np.inf])
    low, high = fitted.confidence(np.column_stack([ends, ends]) if kind.many_scores else ends)
    assert 0 < high <= low < 1
    with_one = scores.copy()
    with_one[3] = np.inf
    assert kind().fit(with_one, correct).state()


@every
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda scores, right: (scores[:5], right[:5]), "too few"),
        (lambda scores, right: (scores, np.ones_like(right)), "every answer to calibrate by is right"),
        (lambda scores, right: (scores, np.zeros_like(right)), "every answer to calibrate by is wrong"),
        (lambda scores, right: (np.full_like(scores, 0.3), right), "all scores are equal"),
        (lambda scores, right: (np.full_like(scores, np.inf), right), "no score is finite"),
    ],
)
def test_what_cannot_be_calibrated_has_a_reason(
    kind: type[Calibrator], change: Callable[..., tuple[np.ndarray, np.ndarray]], said: str
) -> None:
    with pytest.raises(CalibrationError, match=said) as caught:
        kind().fit(*change(*data(kind)))
    assert "\n" not in caught.value.reason


@every
def test_what_makes_no_sense_is_refused(kind: type[Calibrator]) -> None:
    scores, correct = data(kind)
    with pytest.raises(ValueError, match="boolean"):
        kind().fit(scores, correct.astype(int))
    with pytest.raises(ValueError, match="differ in shape"):
        kind().fit(scores, correct[:-1])
    with pytest.raises(ValueError, match="must have shape"):
        kind().fit(scores[None, None], correct)
    holed = scores.copy()
    holed[0] = np.nan
    with pytest.raises(ValueError, match="drop and count"):
        kind().fit(holed, correct)
    with pytest.raises(ValueError, match="drop and count"):
        kind().fit(scores, correct).confidence(holed)


@every
def test_unfitted_it_says_so(kind: type[Calibrator]) -> None:
    with pytest.raises(NotFittedError, match=kind.id):
        kind().confidence(grid(kind))
    with pytest.raises(NotFittedError, match=kind.id):
        kind().state()


@every
def test_a_damaged_state_is_refused(kind: type[Calibrator]) -> None:
    state = kind().fit(*data(kind)).state()
    with pytest.raises(StoreError, match="not the state of"):
        kind.from_state({**state, "calibrator": "other"})
    for name in state.keys() - {"calibrator"}:
        with pytest.raises(StoreError):
            kind.from_state({key: value for key, value in state.items() if key != name})
        for value in (None, "1", True, float("nan"), [float("inf")], ["1"], {}):
            with pytest.raises(StoreError):
                kind.from_state({**state, name: value})


@every
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data())
def test_any_scores_at_all(kind: type[Calibrator], drawn: st.DataObject) -> None:
    reach = (0.0, 1.0) if kind.reads_probability else (-1e12, 1e12)
    count = drawn.draw(st.integers(20, 60))
    values = st.floats(*reach, allow_nan=False) | st.sampled_from([0.0, 0.25, 1.0])
    scores = np.array(drawn.draw(st.lists(values, min_size=count, max_size=count)))
    correct = np.array(drawn.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    assume(correct.any() and not correct.all() and len(set(scores.tolist())) > 1)
    rows = np.column_stack([scores, scores[::-1]]) if kind.many_scores else scores
    try:
        fitted = kind().fit(rows, correct)
    except CalibrationError:
        # What separates right from wrong answers has no best curve of these; the others take anything.
        assert kind.reads_probability
        assume(False)
    found = fitted.confidence(rows)
    assert ((found > 0) & (found < 1)).all()
    json.dumps(fitted.state(), allow_nan=False)
    if kind.monotone and not kind.many_scores:
        assert (np.diff(found[np.argsort(scores)]) <= 0).all()


def test_the_names_are_fixed() -> None:
    """Users' configurations name these."""
    assert calibrators.names() == ["beta", "histogram", "isotonic", "logistic", "platt", "temperature"]
    with pytest.raises(UnknownNameError, match="did you mean 'platt'"):
        calibrators.get("plat")
