"""Does a model's confidence tell what it was trained on, and does that mistake other data for it?

A threshold on confidence that separates members (rows that the model was trained on) from others at home flags data
that the model is wrongly sure of: an over-confident model "remembers" what it never saw.

Source: Hintersdorf, Struppek & Kersting, "To Trust or Not To Trust Prediction Scores for Membership Inference Attacks"
(IJCAI 2022).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from llmood.measures.split_conformal import checked


class MembershipThreshold(NamedTuple):
    """A row counts as a member where its confidence is at least `value`."""

    value: float
    true_positives: float
    false_positives: float


class Mistaken(NamedTuple):
    """The share of rows that count as members and are none, and how sure the model is of these (None without any)."""

    rate: float
    mean_confidence: float | None


def youden_threshold(members: ArrayLike, others: ArrayLike) -> MembershipThreshold:
    """The confidence with the largest share of members above it less that of others; of equals the highest.

    Args:
        members: (n,), higher = surer, without NaN.
        others: (m,), of rows at home that the model was not trained on.

    Raises:
        ValueError: one of them is empty.
    """
    inside, outside = np.sort(checked(members)), np.sort(checked(others))
    if not len(inside) or not len(outside):
        raise ValueError("members and others are needed")
    candidates = np.unique(np.concatenate([inside, outside]))[::-1]
    hits = 1 - np.searchsorted(inside, candidates, side="left") / len(inside)
    alarms = 1 - np.searchsorted(outside, candidates, side="left") / len(outside)
    # What differs by rounding only is equal.
    best = int(np.argmax(hits - alarms >= (hits - alarms).max() - 1e-12))
    return MembershipThreshold(float(candidates[best]), float(hits[best]), float(alarms[best]))


def mistaken_for_members(confidence: ArrayLike, threshold: float) -> Mistaken:
    """Of rows (n,) that are no members.

    Raises:
        ValueError: there are none.
    """
    values = checked(confidence)
    if not len(values):
        raise ValueError("no row has a confidence")
    taken = values >= threshold
    return Mistaken(float(taken.mean()), float(values[taken].mean()) if taken.any() else None)
