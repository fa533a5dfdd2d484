"""What flagged questions are about: texts that share words and pieces of words, put together.

Texts become TF-IDF vectors of their words and of runs of three characters, so that no language is left out, and these
their leading principal coordinates. Ward's clustering puts these together, into as many clusters as have the largest
mean silhouette. Nothing is drawn: the same texts give the same clusters.

Sources: Ward, "Hierarchical Grouping to Optimize an Objective Function" (1963); Rousseeuw, "Silhouettes" (1987).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.traffic_report.flagged import FlaggedText

READ = 500  # characters of a text
COORDINATES = 50
MOST_CLUSTERS = 12
LEAST_SILHOUETTE = 0.05  # of two clusters or more; below it the texts are one
WORDS, EXAMPLES = 8, 3
_WORD = re.compile(r"\w+")
_OF_WORD, _OF_RUN, _NOTHING = "w", "c", "∅"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Texts that belong together.

    Attributes:
        decisions: how many flagged decisions were about its texts.
        texts: how many different ones.
        words: those that tell it from the other clusters, the most telling first.
        examples: the texts nearest to its centre.
    """

    decisions: int
    texts: int
    words: tuple[str, ...]
    examples: tuple[FlaggedText, ...]


def clusters_of(texts: Sequence[FlaggedText]) -> list[Cluster]:
    """Clusters of some different texts, the one with most decisions first."""
    if not texts:
        return []
    weights, names = _vectors([each.text for each in texts])
    places = principal_coordinates(weights, COORDINATES)
    labels = cluster_labels(places)
    found = [
        _cluster(texts, np.flatnonzero(labels == label), places, weights, names) for label in set(labels)
    ]
    return sorted(found, key=lambda own: (-own.decisions, -own.texts, own.examples[0].text))


def features(text: str) -> list[str]:
    """The words of a text, and its runs of three characters.

    >>> features("Ab, ab")
    ['wab', 'wab', 'cab,', 'cb, ', 'c, a', 'c ab']
    """
    folded = " ".join(text[:READ].casefold().split())
    words = [f"{_OF_WORD}{word}" for word in _WORD.findall(folded)]
    runs = [f"{_OF_RUN}{folded[start : start + 3]}" for start in range(len(folded) - 2)]
    return [*words, *runs] or [_NOTHING]


def principal_coordinates(weights: Any, most: int) -> Floats:
    """The leading principal coordinates of unit vectors, (n, d), each row of length 1; a row of nothing stays 0.

    Args:
        weights: (n, features), sparse.
    """
    from scipy.linalg import eigh

    alike = (weights @ weights.T).toarray()
    count = len(alike)
    values, vectors = eigh(alike, subset_by_index=[max(0, count - most), count - 1])
    places = vectors * np.sqrt(np.maximum(values, 0.0))
    lengths = np.linalg.norm(places, axis=1, keepdims=True)
    return np.asarray(places / np.where(lengths > 1e-9, lengths, 1.0), dtype=np.float64)


def cluster_labels(places: Floats, most: int = MOST_CLUSTERS) -> NDArray[np.int64]:
    """Ward's clusters of rows, (n,), as many as have the largest mean silhouette."""
    count = len(places)
    one = np.zeros(count, dtype=np.int64)
    if count < 3:
        return one
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist, squareform
    from sklearn.metrics import silhouette_score

    apart = pdist(places)
    tree, square = linkage(apart, "ward"), squareform(apart)
    best, chosen = LEAST_SILHOUETTE, one
    for wanted in range(2, min(most, count - 1) + 1):
        labels = fcluster(tree, wanted, "maxclust").astype(np.int64)
        if not 2 <= len(np.unique(labels)) < count:
            continue
        silhouette = float(silhouette_score(square, labels, metric="precomputed"))
        if silhouette > best + 1e-9:  # of equals, the fewest
            best, chosen = silhouette, labels
    return chosen


def _vectors(texts: Sequence[str]) -> tuple[Any, NDArray[np.str_]]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=features, sublinear_tf=True)
    return vectorizer.fit_transform(texts), vectorizer.get_feature_names_out()


def _cluster(
    texts: Sequence[FlaggedText], rows: NDArray[np.int64], places: Floats, weights: Any, names: Any
) -> Cluster:
    centre = places[rows].mean(axis=0)
    far = np.linalg.norm(places[rows] - centre, axis=1).round(9)
    nearest = sorted(
        zip(far.tolist(), rows.tolist(), strict=True), key=lambda pair: (pair[0], texts[pair[1]].text)
    )
    own = [texts[row] for row in rows.tolist()]
    return Cluster(
        sum(each.decisions for each in own),
        len(own),
        _telling(rows, weights, names),
        tuple(texts[row] for _, row in nearest[:EXAMPLES]),
    )


def _telling(rows: NDArray[np.int64], weights: Any, names: Any) -> tuple[str, ...]:
    """Words that weigh more in these rows than in the others, on average; of one cluster, those that weigh most."""
    count = weights.shape[0]
    inside = np.asarray(weights[rows].mean(axis=0)).ravel()
    all_of_them = np.asarray(weights.mean(axis=0)).ravel()
    others = count - len(rows)
    outside = (all_of_them * count - inside * len(rows)) / others if others else np.zeros_like(inside)
    more = (inside - outside).round(12)
    found = [
        (-float(more[place]), str(names[place]).removeprefix(_OF_WORD))
        for place in np.flatnonzero(more > 0).tolist()
        if _tells(str(names[place]))
    ]
    return tuple(word for _, word in sorted(found)[:WORDS])


def _tells(feature: str) -> bool:
    """Whether it is a word of two characters or more, and no number."""
    return feature.startswith(_OF_WORD) and len(feature) > 2 and not feature[1:].isdecimal()
