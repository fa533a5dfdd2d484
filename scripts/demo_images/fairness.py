"""Measures whether the demo is fair, and chooses its scorer without a look at anything that is OOD.

A scorer is chosen by how well it tells `id_validation` from what is made of it: pictures spoilt in every way that
llmood can, noise in their place, and questions whose words are shuffled. The test populations are measured and
choose nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from demo_images.looking import Asked, Floats, Found, asked, load, look
from demo_images.scenes import SEED, Row
from llmood.measures.covariance import StateStatistics
from llmood.measures.mahalanobis import mahalanobis, relative_mahalanobis, shared_gaussians
from llmood.measures.nearest import knn_distance
from llmood.tasks.images.controls import noise_image
from llmood.tasks.images.corrupt import IMAGE_CORRUPTIONS, corrupt_image

ACCURACY = (0.6, 0.98)
FAR = ("outline_test", "hatched_test", "night_test", "flags_test")
OOD = ("near_test", *FAR, "questions_test")
GRADE = 5  # of the corruptions that stand in for what is new

Scores = dict[str, Floats]


def made_of(rows: Sequence[Row]) -> Iterator[tuple[str, Asked]]:
    """What is made of ID rows, to choose by."""
    questions, pictures = asked(rows)
    for name in sorted(IMAGE_CORRUPTIONS.names()):
        spoilt = [
            corrupt_image(picture, name, GRADE, seed=SEED, key=row.id)
            for row, picture in zip(rows, pictures, strict=True)
        ]
        yield name, Asked(questions, spoilt)
    noise = [
        noise_image(picture.size, seed=SEED, key=row.id) for row, picture in zip(rows, pictures, strict=True)
    ]
    yield "noise picture", Asked(questions, noise)
    yield "shuffled words", Asked([_shuffled(row) for row in rows], pictures)


def _shuffled(row: Row) -> str:
    words = row.question.removesuffix("?").split()
    random.Random(f"{SEED}:{row.id}").shuffle(words)
    return " ".join(words) + "?"


class Candidates:
    """Every scorer that may be chosen, learned from `id_train`."""

    def __init__(self, train: Found, kinds: Sequence[str]) -> None:
        names = sorted(set(kinds))
        classes = np.array([names.index(kind) for kind in kinds])
        self._banks = train.states
        self._gaussians = {}
        for key, states in train.states.items():
            found = StateStatistics()
            found.add(states, classes)
            whole = found.overall()
            self._gaussians[key] = (
                shared_gaussians(found.class_means(), found.within_covariance().matrix),
                shared_gaussians(whole.mean[None], found.overall_covariance().matrix),
            )

    def scores(self, found: Found) -> Scores:
        """All scores of a population, oriented so that higher means more OOD."""
        ratio = found.base - found.tuned
        scores = {
            "likelihood_ratio": ratio,
            "likelihood_ratio.mean": ratio / found.length,
            "likelihood": -found.tuned,
            "likelihood.mean": -found.tuned / found.length,
        }
        for (layer, position), states in found.states.items():
            classes, whole = self._gaussians[layer, position]
            place = f"{position}, layer {layer}"
            scores[f"knn at {place}"] = knn_distance(states, self._banks[layer, position], 1)
            scores[f"mahalanobis at {place}"] = mahalanobis(states, classes)
            scores[f"relative_mahalanobis at {place}"] = relative_mahalanobis(states, classes, whole)
        return scores


def auroc(negative: Floats, positive: Floats) -> float:
    """Share of pairs in which the positive has the higher score, ties half."""
    truth = np.repeat([0, 1], [len(negative), len(positive)])
    return float(roc_auc_score(truth, np.concatenate([negative, positive])))


def _against(known: Scores, other: Scores) -> dict[str, float]:
    return {name: auroc(known[name], other[name]) for name in known}


def _accuracy(found: Found, rows: Sequence[Row]) -> float:
    return float(np.mean([answer == row.answer for answer, row in zip(found.answers, rows, strict=True)]))


def measure(folder: Path, splits: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """All figures, as plain data."""
    models = load(folder)
    train = splits["id_train"]
    candidates = Candidates(look(models, asked(train)), [row.kind for row in train])
    known = candidates.scores(look(models, asked(splits["id_validation"])))
    made = {
        name: _against(known, candidates.scores(look(models, each)))
        for name, each in made_of(splits["id_validation"])
    }
    means = {name: float(np.mean([each[name] for each in made.values()])) for name in known}
    chosen = max(means, key=means.__getitem__)
    test = {name: look(models, asked(splits[name])) for name in ("id_test", *OOD)}
    of_id = candidates.scores(test["id_test"])
    return {
        "chosen": chosen,
        "chosen_by": {name: each[chosen] for name, each in made.items()},
        "mean_auroc_of_candidates": means,
        "accuracy": {name: _accuracy(found, splits[name]) for name, found in test.items()},
        "auroc_of_chosen": {
            name: auroc(of_id[chosen], candidates.scores(test[name])[chosen]) for name in OOD
        },
        "auroc_of_likelihood_ratio": {
            name: auroc(of_id["likelihood_ratio"], candidates.scores(test[name])["likelihood_ratio"])
            for name in OOD
        },
    }


def unfair(figures: Mapping[str, Any]) -> list[str]:
    """What the demo misses of what is asked of it, in words; empty for a fair one."""
    lowest, highest = ACCURACY
    asked_for = {
        f"ID accuracy is between {lowest} and {highest}": lowest <= figures["accuracy"]["id_test"] <= highest,
        "the chosen scorer finds each far set with AUROC 0.9": min(
            figures["auroc_of_chosen"][name] for name in FAR
        )
        > 0.9,
    }
    return [claim for claim, holds in asked_for.items() if not holds]


def describe(figures: Mapping[str, Any]) -> str:
    """The figures as text for a terminal."""
    return json.dumps(figures, indent=2)


def write(figures: Mapping[str, Any], path: Path) -> None:
    """Store the figures, rounded to what a re-run on the same machine repeats."""
    rounded = json.loads(json.dumps(figures, default=float), parse_float=lambda text: round(float(text), 4))
    path.write_text(json.dumps(rounded, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
