"""The head against scikit-learn's probabilities, and what its logits have in common."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from llmood.measures.linear_head import fit_head, head_logits, standardised
from llmood.measures.subspace import vim_origin


def data(classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(90) % classes
    return 4.0 * generator.normal(size=(classes, 6))[labels] + generator.normal(size=(90, 6)), labels


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_its_softmax_is_scikit_learns(classes: int) -> None:
    states, labels = data(classes)
    head = fit_head(states, labels, 0.01)
    model = LogisticRegression(C=1 / 0.9, tol=1e-8, max_iter=10_000).fit(standardised(states, head), labels)
    logits = head_logits(states, head)
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    # Two classes are one row of weights to scikit-learn, of half the penalty.
    assert found == pytest.approx(
        model.predict_proba(standardised(states, head)), abs=0.05 if classes == 2 else 1e-4
    )
    assert (logits.argmax(axis=1) == labels).mean() > 0.95
    assert logits.sum(axis=1) == pytest.approx(np.zeros(len(labels)), abs=1e-9)


def test_the_origin_of_vim_is_no_rounding() -> None:
    states, labels = data(5)
    head = fit_head(states, labels)
    other = fit_head(states + 1e-9 * np.random.default_rng(1).normal(size=states.shape), labels)
    origins = [vim_origin(each.weights, each.bias) for each in (head, other)]
    assert origins[0] == pytest.approx(origins[1], abs=1e-3)
    # It is where all classes are as likely.
    assert head.weights @ origins[0] + head.bias == pytest.approx(np.zeros(5), abs=1e-6)


def test_one_class_is_no_head() -> None:
    with pytest.raises(ValueError, match="one class"):
        fit_head(np.eye(3), np.zeros(3, np.int64))
