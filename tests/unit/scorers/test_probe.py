"""Probes on planted states: they find what is there, choose by validation, and never see the test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmood.engines.captures import all_needs, capture_splits
from llmood.engines.observations import Observations
from llmood.errors import ConfigError
from llmood.metrics import bootstrap_interval
from llmood.metrics.ood import auroc
from llmood.scorers.accuracy_probe import AccuracyProbe
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.semantic_entropy_probe import SemanticEntropyProbe
from llmood.scorers.state_probe import StateProbe
from llmood.scoring import ScorerColumn, fit_all, score_all
from tests.planting import planted

LAYERS, WIDTH, DRAWS = 4, 6, 4
SETTINGS: dict[str, Any] = {
    "generations": {"n": DRAWS, "seed": 0},
    "hidden_states": {"layers": "all", "positions": "last_prompt", "dtype": "float32"},
    "response": {"max_new_tokens": 3},
}
SIZES = {"train": 60, "validation": 40, "test": 50}
SPLITS = [split for split, size in SIZES.items() for _ in range(size)]


def probe(name: str, **arguments: Any) -> StateProbe:
    found = scorers.get(name).make(arguments, **SETTINGS)
    assert isinstance(found, StateProbe)
    return found


def drawn(uncertain: NDArray[np.bool_]) -> list[list[str]]:
    """All draws different where it is uncertain, all the same elsewhere."""
    return [[f"answer {n if unsure else 0}" for n in range(DRAWS)] for unsure in uncertain]


def world(
    seed: int, scorer: Scorer, *, strength: float = 3.0, layers: tuple[int, ...] = (2, 3)
) -> tuple[Observations, NDArray[np.bool_]]:
    """Half of the rows are uncertain and wrong, and some layers' states say which."""
    generator = np.random.default_rng(seed)
    states = generator.normal(size=(len(SPLITS), LAYERS, WIDTH))
    uncertain = generator.permutation(np.arange(len(SPLITS)) % 2 == 0)
    for layer in layers:
        states[uncertain, layer] += strength
    return observed(states, uncertain, scorer), uncertain


def observed(states: NDArray[np.floating], uncertain: NDArray[np.bool_], scorer: Scorer) -> Observations:
    return planted(
        states, all_needs([scorer]), splits=SPLITS, draws=drawn(uncertain), correct=list(~uncertain)
    )


def run(scorer: Scorer, observations: Observations) -> ScorerColumn:
    """Scores of all rows, after learning as a run does."""
    fit_all({"probe": scorer}, observations)
    return score_all(observations, {"probe": scorer})[0]


TEST = np.array(SPLITS) == "test"
TRAINED = ["semantic_entropy_probe", "accuracy_probe"]
NAMES = [*TRAINED, *(f"{name}.held_out" for name in TRAINED)]


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_direction_is_found(name: str) -> None:
    scorer = probe(name)
    observations, uncertain = world(0, scorer)
    found = run(scorer, observations)
    assert auroc(found.values[TEST], uncertain[TEST]) > 0.95
    assert scorer.layers_ == [2, 3]
    assert scorer.curve_[3] > 0.95
    assert scorer.curve_[0] < 0.75
    assert scorer.ridge_ is not None


@pytest.mark.parametrize("name", NAMES)
def test_noise_is_no_better_than_chance(name: str) -> None:
    found = []
    for seed in range(6):
        scorer = probe(name)
        observations, uncertain = world(seed, scorer, layers=())
        found.append(auroc(run(scorer, observations).values[TEST], uncertain[TEST]))
    # 25 of each kind: an AUROC has a standard error of 0.083, their mean one of 0.034.
    assert abs(np.mean(found) - 0.5) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_poisoned_test_rows_move_nothing(name: str) -> None:
    generator = np.random.default_rng(1)
    states = generator.normal(size=(len(SPLITS), LAYERS, WIDTH))
    uncertain = generator.permutation(np.arange(len(SPLITS)) % 2 == 0)
    states[uncertain, 2] += 2.0
    plain, poisoned = probe(name), probe(name)
    run(plain, observed(states, uncertain, plain))
    # In the test rows the first layer tells, the other way round, and the answers are others.
    states[TEST, 0] = np.where(uncertain[TEST, None], -9.0, 9.0)
    uncertain = np.where(TEST, ~uncertain, uncertain)
    run(poisoned, observed(states, uncertain, poisoned))
    assert repr(learned(plain)) == repr(learned(poisoned))


def learned(scorer: Scorer) -> dict[str, Any]:
    return {name: value for name, value in vars(scorer).items() if name.endswith("_")}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_measured_cannot_be_learned_from(name: str) -> None:
    scorer = probe(name)
    observations, _ = world(0, scorer)
    test, own = observations.of("test"), observations.of(scorer.fitted_on)
    for rows in ((test, None), (own, test), (observations, None)):
        with pytest.raises(ValueError, match=r"not on .*test"):
            scorer.fit(*rows)


def test_draws_are_made_of_the_rows_that_it_learns_from_only() -> None:
    scorer = probe("semantic_entropy_probe")
    splits = {spec.kind: made for spec, made in capture_splits([scorer], {}, "test").items()}
    assert splits == {
        "hidden_states": {"train", "validation", "test"},
        "generations": {"train", "validation"},
    }


def test_it_scores_rows_that_have_no_draws() -> None:
    scorer = probe("semantic_entropy_probe")
    observations, _ = world(0, scorer)
    fit_all({"probe": scorer}, observations)
    states = np.zeros((3, LAYERS, WIDTH))
    new = planted(states, scorer.needs, splits=["test"] * 3)
    found = score_all(new, {"probe": scorer})[0]
    assert not np.isnan(found.values).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_row_without_states_is_not_scored(name: str) -> None:
    scorer = probe(name)
    generator = np.random.default_rng(0)
    states = generator.normal(size=(len(SPLITS), LAYERS, WIDTH))
    uncertain = np.arange(len(SPLITS)) % 2 == 0
    states[uncertain] += 1.0
    states[[0, 70, 149]] = np.nan
    found = run(scorer, observed(states, uncertain, scorer))
    assert np.flatnonzero(np.isnan(found.values)).tolist() == [0, 70, 149]
    assert set(found.reasons[[0, 70, 149]]) == {"the model gave a state that is not a number"}
    assert set(found.status[[0, 70, 149]]) == {"failed"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("semantic_entropy_probe", "all semantic entropies of train are 0"),
        ("accuracy_probe", "no answer of train is wrong"),
    ],
)
def test_train_of_one_kind_scores_nothing(name: str, reason: str) -> None:
    scorer = probe(name)
    states = np.random.default_rng(0).normal(size=(len(SPLITS), LAYERS, WIDTH))
    found = run(scorer, observed(states, np.zeros(len(SPLITS), bool), scorer))
    assert np.isnan(found.values).all()
    assert all(reason in str(each) for each in found.reasons)


@pytest.mark.parametrize("name", TRAINED)
def test_validation_of_one_kind_chooses_nothing(name: str) -> None:
    scorer = probe(name)
    generator = np.random.default_rng(0)
    states = generator.normal(size=(len(SPLITS), LAYERS, WIDTH))
    uncertain = (np.arange(len(SPLITS)) % 2 == 0) & (np.array(SPLITS) != "validation")
    states[uncertain] += 3.0
    found = run(scorer, observed(states, uncertain, scorer))
    assert (scorer.layers_, scorer.ridge_, scorer.curve_) == ([0, 1, 2, 3], None, {})
    assert auroc(found.values[TEST], uncertain[TEST]) > 0.95


def test_constant_features_do_no_harm() -> None:
    scorer = probe("accuracy_probe")
    generator = np.random.default_rng(0)
    states = generator.normal(size=(len(SPLITS), LAYERS, WIDTH))
    uncertain = np.arange(len(SPLITS)) % 2 == 0
    states[uncertain] += 1.0
    states[:, :, 0] = 0.1
    found = run(scorer, observed(states, uncertain, scorer))
    assert auroc(found.values[TEST], uncertain[TEST]) > 0.9


def test_a_position_that_the_run_does_not_keep() -> None:
    with pytest.raises(
        ConfigError, match=r"keeps no states at mean_prompt: name it in hidden_states\.positions"
    ):
        probe("accuracy_probe", position="mean_prompt")
    with pytest.raises(ConfigError, match="position"):
        probe("accuracy_probe", position="nowhere")


def test_a_position_of_the_answer_needs_the_answer() -> None:
    states = {"layers": "all", "positions": "last_prompt,response-2", "dtype": "float32"}
    (spec,) = AccuracyProbe(hidden_states=states).needs
    assert spec.target == "prompt_response"
    (spec,) = SemanticEntropyProbe(hidden_states=SETTINGS["hidden_states"]).needs
    assert spec.target == "prompt"


def test_a_model_that_remembers_train_is_read_where_it_does_not() -> None:
    generator = np.random.default_rng(0)
    states = generator.normal(size=(len(SPLITS), LAYERS, WIDTH))
    uncertain = np.arange(len(SPLITS)) % 3 == 0
    train = np.array(SPLITS) == "train"
    # What is wrong elsewhere is known by heart in train, and its states say so in another place.
    states[uncertain & ~train, 2, 0] += 4.0
    states[uncertain & train, 2, 1] += 4.0
    found = {}
    for name in ("accuracy_probe", "accuracy_probe.held_out"):
        scorer = probe(name)
        found[name] = auroc(run(scorer, observed(states, uncertain, scorer)).values[TEST], uncertain[TEST])
    assert found["accuracy_probe"] < 0.8
    assert found["accuracy_probe.held_out"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["accuracy_probe"])
def test_on_noise_the_interval_covers_chance(name: str) -> None:
    covered = 0
    for seed in range(100):
        scorer = probe(name)
        observations, uncertain = world(seed, scorer, layers=())
        values = run(scorer, observations).values
        interval = bootstrap_interval("auroc", values[TEST], uncertain[TEST], draws=300, seed=seed)
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0.5 <= interval.high
    assert covered >= 90
