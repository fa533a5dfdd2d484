"""How far do the numbers depend on one tuning run? The spread of each metric over several adapters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

from llmood.records import MetricRecord
from llmood.scorers.on_adapter import BETWEEN

OVER_ADAPTERS = "over_adapters"


def over_adapters(records: Sequence[MetricRecord]) -> Iterator[MetricRecord]:
    """For each metric of a scorer that reads the tuned model, its mean and standard deviation over the adapters.

    The interval of a single adapter says what other test samples would give; this says what another tuning run would.
    No interval is given: of a few runs it would say more than they know.

    Args:
        records: those of OOD detection; the scorers of other adapters are named `likelihood_ratio@tuned:1`, ….
    """
    found: dict[tuple[str, str | None, str], dict[str, MetricRecord]] = {}
    for record in records:
        scorer, _, role = (record.scorer or "").partition(BETWEEN)
        found.setdefault((scorer, record.ood_task, record.metric), {})[role or "tuned"] = record
    for (scorer, _, metric), by_role in found.items():
        if len(by_role) > 1:
            yield _summary(scorer, metric, by_role)


def _summary(scorer: str, metric: str, by_role: dict[str, MetricRecord]) -> MetricRecord:
    first = next(iter(by_role.values()))
    values = {role: record.value for role, record in by_role.items()}
    known = [value for value in values.values() if value is not None]
    whole = len(known) == len(values)
    missing = [role for role, value in values.items() if value is None]
    return MetricRecord(
        benchmark=first.benchmark,
        question=first.question,
        scorer=scorer,
        id_task=first.id_task,
        ood_task=first.ood_task,
        shift=first.shift,
        severity=first.severity,
        slice=OVER_ADAPTERS,
        metric=metric,
        params={
            **first.params,
            "adapters": values,
            "standard_deviation": stdev(known) if whole else None,
            "smallest": min(known, default=None),
            "largest": max(known, default=None),
        },
        value=fmean(known) if whole else None,
        reason=None if whole else f"undefined on {', '.join(missing)}",
        n=min(record.n for record in by_role.values()),
        n_negative=_common([record.n_negative for record in by_role.values()]),
        n_positive=_common([record.n_positive for record in by_role.values()]),
        n_unscored=max(record.n_unscored for record in by_role.values()),
        positive_class=first.positive_class,
        higher_is_better=first.higher_is_better,
    )


def _common(counts: list[int | None]) -> int | None:
    """What all adapters scored; null where one of them left other samples unscored than the rest."""
    return counts[0] if len(set(counts)) == 1 else None
