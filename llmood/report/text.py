"""Numbers and texts as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import yaml

from llmood.clean import clean
from llmood.metrics import metrics_registry
from llmood.questions.concepts import COMPLETENESS, SEPARABILITY
from llmood.questions.effective_information import BOUND, EMI, EMID, FULL_BOUND, WITH_BOUND
from llmood.questions.error_quality import PRR
from llmood.questions.error_quality import SPEARMAN as SPEARMAN_QUALITY
from llmood.questions.errors import ACCURACY
from llmood.questions.familiarity import GAP, IN_SLICE
from llmood.questions.length_confound import METRIC as SPEARMAN
from llmood.questions.modality import CHANGE, NEW_SIDES, ON_PART
from llmood.questions.ood_detection import BEHIND_BEST
from llmood.questions.population_shift import MISMATCH, MISTAKEN, MMD
from llmood.questions.rater_disagreement import CORRELATION as WITH_VOTES
from llmood.questions.rater_disagreement import SPLIT
from llmood.questions.severity import CORRELATION, SHIFT
from llmood.questions.yes_no import F1_YES, YES_RATE

MAX_TEXT = 20_000  # characters of one text in the page; the whole stands in samples.parquet

# Metrics that compare scores with something else than the populations: no function of scores alone, not registered.
OTHER_TITLES = {
    BEHIND_BEST: "AUROC behind the best",
    SPEARMAN: "Rank correlation with length",
    CORRELATION: "Rank correlation with severity",
    SHIFT: "Shift of the scores, in standard deviations of ID",
    IN_SLICE: "AUROC of a slice",
    GAP: "AUROC on unfamiliar OOD minus that on familiar OOD",
    COMPLETENESS: "Completeness of concepts",
    SEPARABILITY: "Separability of concepts",
    ON_PART: "AUROC of one side of the input",
    NEW_SIDES: "Sides of the input that are new",
    CHANGE: "Change of the score with another picture",
    MMD: "MMD² of states",
    MISMATCH: "Mismatch of activations",
    MISTAKEN: "Share taken for rows of train",
    WITH_VOTES: "Rank correlation with the raters' disagreement",
    SPLIT: "AUROC of split votes",
    EMI: "Effective mutual information",
    EMID: "Loss of effective mutual information",
    BOUND: "Bound of EMID, scaled",
    FULL_BOUND: "Bound of EMID",
    WITH_BOUND["pearson"]: "Correlation of EMID and bound",
    WITH_BOUND["spearman"]: "Rank correlation of EMID and bound",
    ACCURACY: "Right answers",
    PRR: "PRR of graded quality",
    YES_RATE: "Answers that say yes",
    F1_YES: "F1 of yes",
    SPEARMAN_QUALITY: "Rank correlation with the lack of quality",
}


def number(value: float, places: int = 3) -> str:
    """A number that never shows as a whole 0 or 1 it isn't: 0.99992 is 0.9999, not 1.000.

    >>> number(0.98123), number(0.99992), number(1.0), number(-0.25)
    ('0.981', '0.9999', '1.000', '−0.250')
    """
    text = ""
    for digits in range(places, 7):
        text = f"{value:.{digits}f}"
        if float(text) not in (0.0, 1.0, -1.0) or float(text) == value:
            break
    return _minus(text.removeprefix("-") if float(text) == 0 else text)


def percent(value: float) -> str:
    """A share as a percentage, one place, more near 0 and 100.

    >>> percent(0.0716), percent(0.0), percent(0.00002)
    ('7.2', '0.0', '0.002')
    """
    text = ""
    for digits in range(1, 6):
        text = f"{value * 100:.{digits}f}"
        if float(text) not in (0.0, 100.0) or math.isclose(float(text), value * 100, abs_tol=1e-12):
            break
    return _minus(text)


def shown(metric: str, value: float) -> str:
    """A metric's value, with its unit."""
    return f"{percent(value)}\u00a0%" if _is_percent(metric) else number(value)


def interval(record: Mapping[str, Any]) -> str | None:
    """The interval of a record: `0.978–0.984`; None where it has none."""
    if record["ci_low"] is None or record["ci_high"] is None:
        return None
    one = percent if _is_percent(record["metric"]) else number
    low, high = one(record["ci_low"]), one(record["ci_high"])
    between = " to " if "−" in low + high else "–"  # 'minus' beside a dash can't be read
    return f"{low}{between}{high}"


def count(value: int) -> str:
    """A whole number with thin spaces: 10 966."""
    return f"{value:,}".replace(",", "\u202f")


def score(value: float) -> str:
    """A score: four significant digits, trailing zeros kept."""
    return _minus(f"{value:#.4g}".removesuffix("."))


def shorten(text: str, limit: int = 300) -> str:
    """The first `limit` characters, cut at a word where one ends nearby."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    space = head.rfind(" ")
    return (head[:space] if space > limit * 0.8 else head).rstrip() + "…"


def as_yaml(value: Any) -> str:
    """A mapping as YAML, for reading and for copying into a file."""
    return clean(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))


def metric_name(metric: str) -> str:
    """A metric in words; its id where it has none here."""
    if metric in metrics_registry:
        return metrics_registry.get(metric).title
    return OTHER_TITLES.get(metric, metric)


def _is_percent(metric: str) -> bool:
    return metric in metrics_registry and metrics_registry.get(metric).unit == "percent"


def _minus(shown: str) -> str:
    return shown.replace("-", "−")
