"""Effective mutual information: does the model's answer go with its prompt as the reference does?

Source: Oh et al., "Understanding Multimodal LLMs Under Distribution Shifts: An Information-Theoretic Approach"
(ICML 2025).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmood.measures.club import club_terms
from llmood.measures.gaussian_channel import channel_means, fit_channel
from llmood.measures.states import check_states
from llmood.measures.token_statistics import Floats


class Responses(NamedTuple):
    """Embeddings, a row a sample: `prompts` (n, d), the model's `answers` (n, e) and `references` (n, e)."""

    prompts: NDArray[np.floating]
    answers: NDArray[np.floating]
    references: NDArray[np.floating]


def emi_terms(responses: Responses, means: NDArray[np.floating], variances: ArrayLike) -> Floats:
    """Î(X; Ŷ) − Î(X; Y) of one population by CLUB under one q, as terms whose mean is EMI, (n,).

    0 where the answers are the references; below 0 where they tell less of their prompts than the references do.

    Args:
        responses: of one population.
        means: μ of its prompts, (n, e), see `club_terms`.
        variances: σ².

    Raises:
        ValueError: what `club_terms` raises.
    """
    of_answers = club_terms(responses.answers, means, variances)
    return np.asarray(of_answers - club_terms(responses.references, means, variances))


def cross_fitted_emi_terms(
    responses: Responses,
    populations: NDArray[np.integer],
    folds: NDArray[np.integer],
    *,
    learned: NDArray[np.bool_] | None = None,
) -> Floats:
    """`emi_terms` of several populations, (n,), under channels that never saw the rows that they judge.

    For each fold one q is fitted on the rows outside it, of all populations, on answers and references alike
    (`fit_channel`); CLUB is then taken among the fold's rows of each population. A q that is fitted on the rows that it
    judges finds information where there is none: hundreds of dimensions can learn hundreds of rows by heart.

    Args:
        responses: of all populations; only what a channel is fitted on, or judges, is held as float64.
        populations: which one each row is of, (n,).
        folds: (n,), rows of one group in one fold, and at least two rows of a population where there are any.
        learned: (n,), the rows that channels may be fitted on; by default all of them.

    Raises:
        ValueError: NaN, other shapes, one fold, one row of a population alone in a fold, or what `fit_channel` raises.
    """
    _check_lengths(responses, populations, folds)
    if len(np.unique(folds)) < 2:
        raise ValueError("two folds or more are needed: a channel is fitted on the others")
    terms = np.empty(len(folds))
    for fold in np.unique(folds):
        inside = folds == fold
        fitted = ~inside if learned is None else ~inside & learned
        channel = fit_channel(*_checked(Responses(*(each[fitted] for each in responses))))
        for population in np.unique(populations[inside]):
            own = inside & (populations == population)
            judged = _checked(Responses(*(each[own] for each in responses)))
            terms[own] = emi_terms(judged, channel_means(judged.prompts, channel), channel.variances)
    return terms


def emid(terms: Floats, is_ood: NDArray[np.bool_]) -> float:
    """EMI on ID less EMI on OOD: above 0 where answers go with their prompts less well than at home.

    Its interval is `bootstrap_interval(emid, terms, is_ood, groups=groups)`; the channel is taken as given there.

    Args:
        terms: of `cross_fitted_emi_terms`, (n,), of both populations.
        is_ood: (n,), with rows of both.
    """
    return float(terms[~is_ood].mean() - terms[is_ood].mean())


def _checked(responses: Responses) -> Responses:
    prompts = check_states(responses.prompts, "prompts")
    answers = check_states(responses.answers, "answers")
    references = check_states(responses.references, "references", width=answers.shape[1])
    return Responses(prompts, answers, references)


def _check_lengths(
    responses: Responses, populations: NDArray[np.integer], folds: NDArray[np.integer]
) -> None:
    if len({len(each) for each in responses}) > 1:
        raise ValueError("prompts, answers and references must be of the same samples")
    if not len(responses.prompts) == len(populations) == len(folds):
        raise ValueError("populations and folds must say one thing a row")
