"""What a metric is, and the registry that lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from numpy.typing import ArrayLike

from llmood.metrics.counts import Counts
from llmood.metrics.inputs import FloatArray
from llmood.registry import Registry

Unit = Literal["share", "percent"]
LAST = 1000  # the order of a metric that asks for no place

MetricFunction = Callable[[ArrayLike, ArrayLike], float]
F = TypeVar("F", bound=Callable[..., float])


@dataclass(frozen=True)
class Bound:
    """An interval from theory, for values where resampling shows no spread; `method` names the theory."""

    low: float
    high: float
    method: str


class GroupCounts(NamedTuple):
    """How many independent groups hold negative samples (ID, right answers), and how many positive (OOD, wrong)."""

    n_negative: int
    n_positive: int


ExactBound = Callable[[Counts, GroupCounts, float], Bound | None]


@dataclass(frozen=True)
class Metric:
    """One number that a population has, and how to read it.

    Attributes:
        id: its name in metrics.json and on the command line.
        question: what it answers ("ood_detection", "error_detection", "calibration").
        function: (scores (n,), labels (n,)) to the value; raises `UndefinedMetric` where there is none. What the score
            is meant to be high for has the label true: OOD samples, wrong answers, or (confidences) right ones.
        higher_is_better: the direction of a good scorer; None where a value between is best.
        positive_class: the class that counts as a hit ("ood", "id", "wrong" or "right").
        bounds: the smallest and the largest value that it can take.
        title: what tables call it.
        unit: how a value is shown: a "share" (0.981) or a "percent" (98.1 %).
        order: where its table stands among those of its question, smallest first; pairs stand together.
        depends_on_prevalence: the share of positives in the samples decides its value, and belongs beside it.
        description: one line for tables and `llmood ls metrics`.
        vectorised: the same number from `Counts`, (..., T) to (...); None sends the bootstrap down the slow
            path.
        pooled: the samples are resampled as one population (`PooledResamples`), so that the share of positives varies
            with the draw, rather than each class to its own size.
        exact: (counts, groups, level) to a bound where the value sits at an end of its range
            and resampling would show no spread, else None.
    """

    id: str
    question: str
    function: MetricFunction
    higher_is_better: bool | None
    positive_class: str
    bounds: tuple[float, float]
    description: str
    title: str
    unit: Unit = "share"
    order: int = LAST
    depends_on_prevalence: bool = False
    vectorised: Callable[[Counts], FloatArray] | None = None
    pooled: bool = False
    exact: ExactBound | None = None

    def __call__(self, scores: ArrayLike, labels: ArrayLike) -> float:
        """The value of `function`."""
        return self.function(scores, labels)


metrics_registry: Registry[Metric] = Registry("metric", "llmood.metrics", "llmood.metrics")


def register_metric(
    name: str,
    *,
    question: str,
    higher_is_better: bool,
    positive_class: str,
    description: str,
    title: str | None = None,
    unit: Unit = "share",
    order: int = LAST,
    depends_on_prevalence: bool = False,
    bounds: tuple[float, float] = (0.0, 1.0),
    vectorised: Callable[[Counts], FloatArray] | None = None,
    pooled: bool = False,
    exact: ExactBound | None = None,
) -> Callable[[F], F]:
    """Decorator that lists a function of (scores, labels) as a metric; see `Metric` for the fields."""

    def decorate(function: F) -> F:
        metrics_registry.add(
            name,
            Metric(
                id=name,
                question=question,
                function=function,
                higher_is_better=higher_is_better,
                positive_class=positive_class,
                bounds=bounds,
                description=description,
                title=title or name,
                unit=unit,
                order=order,
                depends_on_prevalence=depends_on_prevalence,
                vectorised=vectorised,
                pooled=pooled,
                exact=exact,
            ),
        )
        return function

    return decorate


def resolve_metric(metric: str | Metric) -> Metric:
    """The metric itself, or the registered one of that id; `UnknownNameError` suggests another."""
    return metrics_registry.get(metric) if isinstance(metric, str) else metric
