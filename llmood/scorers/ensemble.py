"""Several scorers as one that has seen which answers were wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from llmood.engines.observations import Observations
from llmood.measures.logistic import fit_logistic, log_loss
from llmood.measures.token_statistics import Floats
from llmood.records import CaptureSpec, Split
from llmood.scorers.base import register
from llmood.scorers.combined import Combination, Make, refuse_others
from llmood.scorers.settings import SHORT_ANSWER, Params

RIDGES = (1.0, 0.1, 0.01, 0.001, 0.0001)
UNCHOSEN = 0.01
CHEAP = ("likelihood.response_given_prompt.mean", "likelihood.mean")
# Of what `train` lacks: how it comes to have it.
REMEDIES = {
    "judged": "name references, or other members",
    "right": "another rule of correctness may fit them; or rank_average, which needs no labels",
    "wrong": "give train rows it wasn't tuned on; or rank_average, which needs no labels",
}


@register("ensemble")
class Ensemble(Combination):
    """The log-odds that the answer is wrong, by a logistic regression on other scorers; learns from judged answers.

    Formula: `measures.logistic.fit_logistic`, on scores less their mean over their standard deviation. It is fitted on
    the ID task's `train` rows; how much it shrinks is chosen by the log loss on its `validation` rows.

    Args:
        of: the scorers' names; none that learns from `train` itself, whose scores of those rows say nothing.
        make: how the run makes them.
        response: how answers are decoded (the run's `response`).
    """

    fitted_on: ClassVar[Split | None] = "train"
    chosen_on: ClassVar[Split | None] = "validation"
    reads_correctness: ClassVar[bool] = True
    means_: list[float]
    scales_: list[float]
    weights_: list[float]
    bias_: float
    ridge_: float

    def __init__(
        self,
        *,
        of: Sequence[str] = CHEAP,
        make: Make | None = None,
        response: Params = SHORT_ANSWER,
    ) -> None:
        super().__init__(of=of, make=make)
        learning = next((name for name, member in self.members.items() if member.fitted_on), None)
        if learning is not None:
            raise ValueError(f"{learning} learns from train itself, and its scores of those rows say nothing")
        self.response = response

    @property
    def needs(self) -> tuple[CaptureSpec, ...]:
        answers = CaptureSpec.of("response", "tuned", "prompt", **self.response)
        return tuple(dict.fromkeys([*super().needs, answers]))

    @property
    def columns(self) -> Mapping[str, list[str]]:  # type: ignore[override]
        read = any(spec.kind == "response" for spec in super().needs)
        return {**({} if read else {"response": []}), **super().columns}

    def fit(self, train: Observations, validation: Observations | None = None) -> Self:
        refuse_others("ensemble", train, "train")
        self.fit_members(train)
        features, wrong = self._judged(train)
        self.means_, self.scales_, self.weights_ = [], [], []
        self.bias_, self.ridge_ = 0.0, UNCHOSEN
        self.unfit_ = None
        if not len(wrong) or wrong.all() or not wrong.any():
            kind = "judged" if not len(wrong) else "right" if wrong.all() else "wrong"
            self.unfit_ = f"no answer of train is {kind} and scored by all members: {REMEDIES[kind]}"
            return self
        means, scales = features.mean(axis=0), features.std(axis=0)
        scales[scales == 0.0] = 1.0  # what doesn't vary gets no weight
        self.means_, self.scales_ = means.tolist(), scales.tolist()
        held = (features[:0], wrong[:0])
        if validation is not None:
            refuse_others("ensemble", validation, "validation")
            held = self._judged(validation)
        fitted = {ridge: fit_logistic(self._standardised(features), wrong, ridge) for ridge in RIDGES}
        if len(held[1]):
            self.ridge_ = min(
                RIDGES, key=lambda ridge: _loss(self._standardised(held[0]), held[1], fitted[ridge])
            )
        weights, self.bias_ = fitted[self.ridge_]
        self.weights_ = weights.tolist()
        return self

    def combined(self, values: Floats) -> Floats:
        # Row by row: a product of matrices may round a row by how many others there are.
        return np.asarray((self._standardised(values) * self.weights_).sum(axis=1) + self.bias_)

    def _standardised(self, values: Floats) -> Floats:
        return np.asarray((values - np.array(self.means_)) / np.array(self.scales_))

    def _judged(self, rows: Observations) -> tuple[Floats, NDArray[np.bool_]]:
        """The members' scores of the judged rows that all of them score, and which are wrong; by sample id."""
        table, correct = self.table(rows), rows.correct()
        order = np.argsort(np.array(rows.samples["sample_id"].to_pylist(), dtype=np.str_), kind="stable")
        order = order[~np.isnan(table[order]).any(axis=1) & ~np.isnan(correct[order])]
        return table[order], correct[order] == 0.0


def _loss(features: Floats, wrong: NDArray[np.bool_], fitted: tuple[Floats, float]) -> float:
    weights, bias = fitted
    return log_loss(features @ weights + bias, wrong)
