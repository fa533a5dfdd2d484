"""Scorers of one state a sample: against scikit-learn, in any batch, and where there is little to learn from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from llmood.engines.captures import all_needs
from llmood.engines.observations import Observations
from llmood.errors import ConfigError
from llmood.metrics.ood import auroc
from llmood.records import CaptureSpec
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.representation import Representation
from llmood.scoring import ScorerColumn, fit_all, score_all
from tests.planting import planted

STATES = {"layers": "all", "positions": "last_prompt,mean_prompt", "dtype": "float32"}
WIDTH, LAYERS = 8, 2
SIZES = {"train": 60, "validation": 40, "test": 60}
SPLITS = np.array([split for split, size in SIZES.items() for _ in range(size)])
NAMES = [
    name
    for name, entry in scorers
    if isinstance(entry.make(), Representation)
    and not name.endswith((".base", ".encoder"))
    # Classes so far apart have no best temperature: see test_head_temperature.
    and name != "msp.tempered"
]


def make(name: str, **arguments: Any) -> Scorer:
    return scorers.get(name).make(arguments, hidden_states=STATES)


def world(seed: int = 0, far: float = 8.0) -> tuple[NDArray[np.float64], list[str], NDArray[np.bool_]]:
    """Three classes on a plane, and half of the test rows off it."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, 3, len(SPLITS))
    centres = np.zeros((3, WIDTH))
    centres[:, :3] = 6.0 * np.eye(3)
    states = np.repeat(
        (centres[classes] + generator.normal(size=(len(SPLITS), WIDTH)))[:, None], LAYERS, axis=1
    )
    # The second layer is nearly a map of the first.
    states[:, 1] = states[:, 0] @ generator.normal(size=(WIDTH, WIDTH)) + 0.1 * states[:, 1]
    ood = (SPLITS == "test") & (np.arange(len(SPLITS)) % 2 == 0)
    states[ood] += far * np.sign(generator.normal(size=(ood.sum(), 1, WIDTH)))
    return states, [f"class {number}" for number in classes], ood


def observed(states: NDArray[np.floating], labels: Any, scorer: Scorer) -> Observations:
    found = planted(states, all_needs([scorer]), splits=SPLITS.tolist(), labels=labels)
    position = found.samples.schema.get_field_index("domain")
    domains = [
        None if label is None else f"domain {hash_of(label)}" for label in found.samples["label"].to_pylist()
    ]
    found.samples = found.samples.set_column(
        position, found.samples.schema.field(position), pa.array(domains, pa.string())
    )
    return found


def hash_of(label: str) -> int:
    return int(label.rsplit(maxsplit=1)[-1]) % 2


def run(scorer: Scorer, states: NDArray[np.floating], labels: Any) -> ScorerColumn:
    rows = observed(states, labels, scorer)
    fit_all({"it": scorer}, rows)
    return score_all(rows, {"it": scorer})[0]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_far_scores_higher(name: str) -> None:
    states, labels, ood = world()
    found = run(make(name), states, labels)
    test = SPLITS == "test"
    assert not np.isnan(found.values).any(), found.reasons[0]
    if name in ("msp", "gaussian_head", "max_logit", "energy", "mos"):
        return  # a head may be surest of what is farthest: that it can be is why the others exist
    # A verdict is 0 or 1: what is admitted is nearly all ID.
    assert auroc(found.values[test], ood[test]) > (0.7 if name == "sdm.rejected" else 0.9)


def values(name: str, **arguments: Any) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Scores of all rows, their states at the last layer, and the classes of train rows."""
    states, labels, _ = world()
    found = run(make(name, **arguments), states, labels).values
    classes = np.array([int(label[-1]) for label in labels])
    return found, states[:, 1].astype(np.float32).astype(np.float64), classes


TRAIN = SPLITS == "train"


def distances(states: NDArray[np.float64], mean: NDArray[np.float64], precision: Any) -> NDArray[np.float64]:
    away = states - mean
    return np.einsum("ij,jk,ik->i", away, precision, away)


def test_mahalanobis_is_scikit_learns_ledoit_wolf() -> None:
    found, states, classes = values("mahalanobis")
    means = np.array([states[TRAIN & (classes == number)].mean(axis=0) for number in range(3)])
    fitted = LedoitWolf(assume_centered=True).fit(states[TRAIN] - means[classes[TRAIN]])
    expected = np.min([distances(states, mean, fitted.precision_) for mean in means], axis=0)
    assert found == pytest.approx(expected, rel=1e-6)


def test_one_class_and_relative_mahalanobis() -> None:
    one, states, _ = values("mahalanobis.one_class")
    whole = LedoitWolf().fit(states[TRAIN])
    expected = distances(states, states[TRAIN].mean(axis=0), whole.precision_)
    assert one == pytest.approx(expected, rel=1e-6)
    classes = values("mahalanobis")[0]
    assert values("relative_mahalanobis")[0] == pytest.approx(classes - one, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("k", [1, 5])
def test_knn_is_scikit_learns(k: int) -> None:
    found, states, _ = values("knn", k=k)
    neighbours = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(states[TRAIN])
    assert found == pytest.approx(neighbours.kneighbors(states)[0][:, -1], abs=1e-9)
    if k == 1:
        assert (np.abs(found[TRAIN]) < 1e-12).all()


def test_pca_reconstruction_is_scikit_learns() -> None:
    found, states, _ = values("pca_reconstruction", dimensions=3)
    plane = PCA(3).fit(states[TRAIN])
    expected = np.linalg.norm(states - plane.inverse_transform(plane.transform(states)), axis=1)
    assert found == pytest.approx(expected, rel=1e-6)


def test_msp_is_scikit_learns() -> None:
    found, states, classes = values("msp")
    standard = (states - states[TRAIN].mean(axis=0)) / states[TRAIN].std(axis=0)
    head = LogisticRegression(C=1 / (0.001 * TRAIN.sum()), max_iter=5000, tol=1e-8)
    head.fit(standard[TRAIN], classes[TRAIN])
    assert found == pytest.approx(1 - head.predict_proba(standard).max(axis=1), abs=1e-3)


def test_another_position_and_layer() -> None:
    states, labels, _ = world()
    first, last = (run(make("knn", layer=layer), states, labels).values for layer in (0, -1))
    assert not np.allclose(first, last)
    assert run(make("knn", layer="0.5"), states, labels).values == pytest.approx(
        last
    )  # rounds up, of one block
    assert run(make("knn", position="last_prompt"), states, labels).values == pytest.approx(last)


# ------------------------------------------------------------------------------------------------------ little to go by


@pytest.mark.parametrize("name", NAMES)
def test_rows_without_states_are_not_scored_nor_learned_from(name: str) -> None:
    states, labels, _ = world()
    states[[0, 70, 159]] = np.nan
    found = run(make(name), states, labels)
    assert np.flatnonzero(np.isnan(found.values)).tolist() == [0, 70, 159]
    assert set(found.status[[0, 70, 159]]) == {"failed"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "kind", ["fewer rows than dimensions", "one class", "a class of one", "constant features"]
)
def test_it_is_a_number_or_a_reason(name: str, kind: str) -> None:
    states, labels, _ = world()
    known: list[str | None] = [*labels]
    if kind == "fewer rows than dimensions":
        states[np.flatnonzero(TRAIN)[5:]] = np.nan
    elif kind == "one class":
        known = [None] * len(labels)
    elif kind == "a class of one":
        known[0] = "class 7"
    else:
        states[:, :, :3] = 0.1
    found = run(make(name), states, known)
    assert all(
        np.isnan(value) == bool(reason) for value, reason in zip(found.values, found.reasons, strict=True)
    )
    assert np.isfinite(found.values[~np.isnan(found.values)]).all()
    if kind == "constant features" or (kind == "a class of one" and not name.startswith("sdm")):
        assert not np.isnan(found.values).any(), found.reasons[0]


@pytest.mark.parametrize("name", NAMES)
def test_states_that_are_all_the_same_teach_nothing(name: str) -> None:
    states, labels, _ = world()
    states[TRAIN] = 1.0
    found = run(make(name), states, labels)
    gone = np.isnan(found.values)
    assert all("nothing can be learned from train" in str(reason) for reason in found.reasons[gone])
    assert np.isfinite(found.values[~gone]).all()


def test_a_state_of_zeros_has_no_direction() -> None:
    states, labels, _ = world()
    states[-1] = 0.0
    states[0] = 0.0
    found = run(make("knn"), states, labels)
    assert np.flatnonzero(np.isnan(found.values)).tolist() == [0, 159]
    assert found.reasons[159] == "a state of zeros has no direction"


def test_a_layer_that_the_run_does_not_keep() -> None:
    states, labels, _ = world()
    with pytest.raises(ConfigError, match=r"there is no layer 9"):
        run(make("knn", layer=9), states, labels)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_learned_from_what_is_measured(name: str) -> None:
    scorer = make(name)
    states, labels, _ = world()
    rows = observed(states, labels, scorer)
    for given in ((rows.of("test"), None), (rows.of("train"), rows.of("test")), (rows, None)):
        with pytest.raises(ValueError, match=r"not on .*test"):
            scorer.fit(*given)


def test_references_are_drawn_evenly_from_the_classes() -> None:
    states, labels, _ = world()
    labels = [
        label if number < 50 or label != "class 0" else "class 1" for number, label in enumerate(labels)
    ]
    scorer = make("knn", references=12)
    run(scorer, states, labels)
    assert len(scorer.bank_) == 12  # type: ignore[attr-defined]
    again = make("knn", references=12)
    run(again, states, labels)
    assert scorer.bank_.tolist() == again.bank_.tolist()  # type: ignore[attr-defined]


def test_a_block_and_a_fraction_are_not_the_same_layer() -> None:
    """As numbers, 1 (the first block) and 1.0 (the last layer) are equal."""
    states, labels, _ = world()
    states = np.concatenate([states, states[:, :1] ** 2], axis=1)
    chosen = {"first": make("knn", layer=1), "last": make("mahalanobis", layer=1.0)}
    rows = planted(states, all_needs(chosen.values()), splits=SPLITS.tolist(), labels=labels)
    fit_all(chosen, rows)
    together = score_all(rows, chosen)[1].values
    assert together == pytest.approx(run(make("mahalanobis", layer=-1), states, labels).values)


def test_sdm_says_which_classes_it_cannot_calibrate() -> None:
    states, labels, _ = world()
    known = [
        label if split != "validation" else "class 0" for label, split in zip(labels, SPLITS, strict=True)
    ]
    found = run(make("sdm"), states, known)
    assert np.isnan(found.values).all()
    assert "2 of 3 classes have no row of validation" in str(found.reasons[0])


def test_a_class_of_zeros_has_no_mean_direction() -> None:
    states, labels, _ = world()
    states[np.array(labels) == "class 2"] = 0.0
    found = run(make("cosine"), states, labels)
    assert np.isfinite(found.values[np.array(labels) != "class 2"]).all()


@pytest.mark.parametrize(
    "given",
    [{"layer": 3}, {"layer": "0.5"}, {"position": "last_prompt"}, {"layer": 0, "position": "mean_prompt"}],
)
def test_an_encoder_has_no_layers_and_no_positions(given: dict[str, Any]) -> None:
    named = next(iter(given))
    for name, states in (
        ("knn", {"states": "encoder"}),
        ("knn.encoder", {}),
        ("mahalanobis.one_class", {"states": "encoder"}),
    ):
        with pytest.raises(ConfigError, match=f"{name}: {named}: an encoder has one embedding.*leave it out"):
            make(name, **states, **given)


@pytest.mark.parametrize("name", ["knn", "mahalanobis", "vim"])
def test_the_variant_is_the_argument(name: str) -> None:
    named, argued = make(f"{name}.encoder"), make(name, states="encoder")
    assert named.needs == argued.needs == (CaptureSpec.of("embedding", "encoder"),)
    assert vars(named) == vars(argued)
