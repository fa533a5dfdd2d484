from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from llmood.identity import digest
from llmood.traffic_report.clusters import cluster_labels, clusters_of, principal_coordinates
from llmood.traffic_report.flagged import KEPT_CHARACTERS, FlaggedText, FlaggedTexts

SUBJECTS = {
    "wine": "which wine goes well with a roast number {}",
    "python": "a python function to sort a list in manner {}",
    "lisbon": "will it rain in lisbon on day {} of the month",
}


def of_subjects(count: int) -> list[FlaggedText]:
    return [FlaggedText(text.format(n), 1) for n in range(count) for text in SUBJECTS.values()]


def test_subjects_are_found() -> None:
    found = clusters_of(of_subjects(20))
    assert len(found) == 3
    for cluster in found:
        assert (cluster.texts, cluster.decisions) == (20, 20)
        (subject,) = [name for name in SUBJECTS if name in cluster.words]
        stem = SUBJECTS[subject].partition("{")[0]
        assert len(cluster.examples) == 3
        assert all(each.text.startswith(stem) for each in cluster.examples)


def test_the_cluster_with_most_decisions_comes_first() -> None:
    texts = [FlaggedText(each.text, 50 if "python" in each.text else 1) for each in of_subjects(10)]
    found = clusters_of(texts)
    assert "python" in found[0].words
    assert found[0].decisions == 500


def test_the_order_of_texts_changes_nothing() -> None:
    texts = of_subjects(15)
    shuffled = [texts[place] for place in np.random.default_rng(1).permutation(len(texts))]
    assert clusters_of(texts) == clusters_of(shuffled)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["one"],
        ["one", "two"],
        ["", " ", "\n", "?", "!?"],
        ["a", "A", "a ", " a"],
        ["same words " * 400 + str(n) for n in range(5)],
        ["\x00\ud83d", "<script>alert(1)</script>", "漢字かな混じり文", "漢字かな混じり", "\u202e evil"],
    ],
)
def test_odd_texts_are_put_somewhere(texts: list[str]) -> None:
    found = clusters_of([FlaggedText(text, 2) for text in texts])
    assert sum(cluster.texts for cluster in found) == len(texts)
    assert sum(cluster.decisions for cluster in found) == 2 * len(texts)
    assert all(cluster.examples for cluster in found)


def test_two_far_groups_of_places_are_two_clusters() -> None:
    places = np.repeat([[1.0, 0.0], [0.0, 1.0]], [4, 6], axis=0)
    places[:, 0] += np.arange(10) * 1e-3
    labels = cluster_labels(places)
    assert sorted(Counter(labels.tolist()).values()) == [4, 6]
    assert len({*labels[:4].tolist()}) == 1


def test_places_that_are_all_the_same_are_one_cluster() -> None:
    assert len(set(cluster_labels(np.ones((8, 2))).tolist())) == 1


def test_principal_coordinates_keep_the_cosines() -> None:
    from scipy.sparse import csr_matrix

    rows = np.random.default_rng(0).normal(size=(6, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    places = principal_coordinates(csr_matrix(rows), 4)
    assert np.allclose(places @ places.T, rows @ rows.T)


def test_the_smallest_digests_stay_and_all_of_their_decisions_count() -> None:
    generator = np.random.default_rng(0)
    stream = [f"text {int(n)}" for n in generator.integers(300, size=5000)]
    own = FlaggedTexts(most=20)
    for start in range(0, len(stream), 77):
        own.update(stream[start : start + 77])
    own.update([None, None])
    counts = Counter(stream)
    kept = sorted(counts, key=digest)[:20]
    assert own.texts() == [FlaggedText(text, counts[text]) for text in kept]
    assert (own.decisions, own.untold, own.all_kept) == (5002, 2, False)
    assert len(own._counts) < 40


def test_few_texts_are_all_kept_and_long_ones_cut() -> None:
    own = FlaggedTexts(most=3)
    own.update(["a", "b", "x" * (KEPT_CHARACTERS + 1), "a"])
    assert own.all_kept
    assert {(each.text[:1], len(each.text), each.decisions) for each in own.texts()} == {
        ("a", 1, 2),
        ("b", 1, 1),
        ("x", KEPT_CHARACTERS, 1),
    }
