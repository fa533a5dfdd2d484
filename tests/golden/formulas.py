"""Formulas of `llmood.measures` on the recorded answers, by the estimators whose numbers they are.

What is a registered scorer's is compared as such (`test_lm_polygraph.py`); these are compared as formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmood.measures import claim_conditioned, clustering, cocoa, rauq, semantic_density, semantic_entropy
from llmood.measures import luq as long_text
from llmood.measures import shifting_attention as sar
from llmood.measures import token_entropy as entropy
from llmood.measures.nli import combined_verdict, equivalent
from tests.golden.recorded import DRAWS, QUESTIONS

Scores = NDArray[np.float64]
Answer = dict[str, NDArray[Any]]
"""What was recorded of a greedy answer."""


def each_answer(measure: Callable[[Answer], float]) -> Callable[[], Scores]:
    """A measure of one greedy answer's arrays, of each question."""

    def of_all() -> Scores:
        answers = [
            {name: np.array(value) for name, value in question["greedy"].items()} for question in QUESTIONS
        ]
        return np.array([measure(answer) for answer in answers])

    return of_all


def distribution(answer: Answer) -> Scores:
    """Log-probabilities (tokens, vocabulary)."""
    logits = answer["logits"]
    return np.asarray(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))


def one_row(values: NDArray[Any]) -> NDArray[np.int64]:
    return np.array([0, len(values)])


def mean_entropy(answer: Answer) -> float:
    entropies = entropy.entropy(distribution(answer))
    return float(entropy.mean_token_entropy(entropies, one_row(entropies))[0])


def claims(answer: Answer) -> float:
    width = answer["forward"].shape[1]
    verdicts = combined_verdict(answer["forward"], answer["backward"])
    ratios = claim_conditioned.claim_conditioned_log_probability(distribution(answer)[:, :width], verdicts)
    return float(claim_conditioned.claim_conditioned_uncertainty(ratios, one_row(ratios))[0])


def attended(answer: Answer) -> float:
    # lm-polygraph's choice of layers: the middle third, and two behind it.
    layers = answer["attention"].shape[0]
    middle = slice(layers // 3, int(np.ceil(2 * layers / 3)) + 1)
    return rauq.rauq(answer["logprobs"], answer["attention"][middle], 0.2)


def relevant(logprobs: Scores, relevances: Scores) -> float:
    return float(sar.token_sar(logprobs, relevances, one_row(logprobs))[0])


def combined(uncertainty: Callable[[Answer], float]) -> Callable[[], Scores]:
    return each_answer(
        lambda answer: float(
            cocoa.cocoa(
                np.array([uncertainty(answer)]), answer["similarities"], one_row(answer["similarities"])
            )[0]
        )
    )


def all_of_sar() -> Scores:
    found = []
    for question in QUESTIONS:
        own = [
            relevant(np.array(draw["logprobs"]), np.array(draw["relevances"])) for draw in question["draws"]
        ]
        entails = np.array(question["entailment"])
        found.append(float(sar.sar(np.array(own), (entails + entails.T) / 2)))
    return np.array(found)


def supported() -> Scores:
    found = []
    for question in QUESTIONS:
        with np.errstate(divide="ignore"):  # a text doesn't contradict itself at all
            logits = [np.log(np.array(question[name])) for name in ("entailment", "contradiction")]
        support = long_text.entailment_over_contradiction(*logits)
        found.append(long_text.luq(support, np.arange(DRAWS), DRAWS))
    return np.array(found)


def dense() -> Scores:
    """References are the different draws and the answer itself."""
    found = []
    for question in QUESTIONS:
        texts = [draw["text"] for draw in question["draws"]]
        first = [texts.index(text) for text in dict.fromkeys(texts)]
        answer = question["greedy"]
        against, follows = np.array(answer["contradiction"]), np.array(answer["entailment"])
        distances = semantic_density.squared_distance(against, 1 - against - follows)[first]
        means = [np.mean(question["draws"][at]["logprobs"]) for at in first]
        own = [*means, np.mean(answer["logprobs"])]
        found.append(
            semantic_density.semantic_density(np.append(distances, 0.0), np.array(own), one_row(own))[0]
        )
    return np.array(found)


def sampled(*, sequences: bool) -> Scores:
    """Monte-Carlo semantic entropy as lm-polygraph has it: the mean over draws."""
    against = np.array([question["contradiction"] for question in QUESTIONS])
    follows = np.array([question["entailment"] for question in QUESTIONS])
    labels = np.stack([against, 1 - against - follows, follows]).argmax(axis=0)

    def same(question: Any, opener: Any, answer: Any) -> NDArray[np.bool_]:
        return equivalent(labels[question, opener, answer], labels[question, answer, opener])

    clusters = clustering.opener_clusters(np.full(len(QUESTIONS), DRAWS), same)
    draws = [draw for question in QUESTIONS for draw in question["draws"]]
    _, number = np.unique(
        [f"{at // DRAWS} {draw['text']}" for at, draw in enumerate(draws)], return_inverse=True
    )
    likelihoods = np.array([sum(draw["logprobs"]) for draw in draws])
    offsets = DRAWS * np.arange(len(QUESTIONS) + 1)
    return semantic_entropy.monte_carlo_semantic_entropy(
        clusters, likelihoods, offsets, number if sequences else None, over="draws"
    )


MEASURES: dict[str, Callable[[], Scores]] = {
    "MeanTokenEntropy": each_answer(mean_entropy),
    "SelfCertainty": each_answer(lambda answer: -float(entropy.self_certainty(distribution(answer)).mean())),
    # At its temperature of 2; its log V has the wrong sign.
    "RenyiNeg": each_answer(
        lambda answer: float(
            entropy.renyi_divergence_from_uniform(distribution(answer), 0.5, 2.0).mean()
            - 2 * np.log(answer["logits"].shape[1])
        )
    ),
    # At its temperature of 2; high for what is sure, as the quantity is.
    "FisherRao": each_answer(
        lambda answer: float(entropy.fisher_rao_from_uniform(distribution(answer), 2.0).mean())
    ),
    # − the product, ours 1 − the product.
    "CCP": each_answer(lambda answer: claims(answer) - 1),
    # It adds 1.
    "RAUQ": each_answer(lambda answer: attended(answer) + 1),
    "TokenSAR": each_answer(lambda answer: relevant(answer["logprobs"], answer["relevances"])),
    "SAR": all_of_sar,
    "SemanticEntropy": lambda: sampled(sequences=False),
    "SemanticEntropyUnique": lambda: sampled(sequences=True),
    # Negated; ours is the density.
    "SemanticDensity": lambda: -dense(),
    "LUQ": supported,
    "CocoaMSP": combined(lambda answer: -float(answer["logprobs"].sum())),
    "CocoaPPL": combined(lambda answer: -float(answer["logprobs"].mean())),
    "CocoaMTE": combined(mean_entropy),
}
