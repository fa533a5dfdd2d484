"""Paired differences between runs, models or scorers, corrected for how many there are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmood.comparison.checks import comparison_checks
from llmood.comparison.contest import Contest, Settings, adjusted, results_of, tests_of
from llmood.comparison.pairing import pair
from llmood.comparison.sides import Side, shared_scorers, sides_of_runs, sides_of_scorers
from llmood.config import BootstrapConfig
from llmood.config_file import recorded_config
from llmood.errors import ConfigError
from llmood.metrics import Metric, metrics_registry
from llmood.questions.ood_detection import HEADLINE
from llmood.questions.ood_detection import QUESTION as DETECTION
from llmood.report.comparison import FRAME_COLUMNS, frame_row, write_comparison

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_METRICS = (HEADLINE,)


@dataclass(frozen=True)
class Comparison:
    """Paired differences, each the first side minus another one.

    Attributes:
        sides: what the letters A, B, … stand for.
        records: as in `metrics.json`, with the question `comparison`; `params` names the two sides, their values,
            the p-value, the one adjusted after Holm and who is better. Where both sides gave every common sample the
            same score, `params` says `identical`: the difference is 0, its p 1, and Holm's count leaves it out.
        checks: named warnings that travel with the numbers.
    """

    sides: list[dict[str, Any]]
    records: list[dict[str, Any]]
    checks: list[dict[str, Any]]

    def frame(self) -> pd.DataFrame:
        """One row a difference."""
        import pandas as pd

        return pd.DataFrame([frame_row(record) for record in self.records], columns=list(FRAME_COLUMNS))

    def to_json(self) -> dict[str, Any]:
        """What `comparison.json` holds."""
        return {"schema": 1, "sides": self.sides, "checks": self.checks, "metrics": self.records}

    def write(self, target: str | Path) -> Path:
        """Write the page and its JSON; returns the page's path.

        Args:
            target: a folder for `comparison.html` and `comparison.json`, or a file `….html` with its JSON beside.
        """
        return write_comparison(self.to_json(), Path(target))


def compare_runs(
    runs: Sequence[str | Path],
    *,
    scorers: Sequence[str] = (),
    metrics: Sequence[str] = DEFAULT_METRICS,
    seed: int | None = None,
) -> Comparison:
    """Compare the first run with each other one, or the first of a run's scorers with each other one.

    Samples are paired by id, over what both sides scored; what one of them lacks is counted in every record. Draws,
    level and seed are those of the first run; more is drawn where that many comparisons need it.

    Args:
        runs: run folders. Of one run, `scorers` are compared; of several, they choose which.
        scorers: by default, of several runs, all that both have, without the baselines.
        metrics: ids of OOD detection.
        seed: another seed of the resamples.

    Raises:
        ConfigError: a folder is no run with scores, a name is unknown, or two runs have nothing in common.
    """
    if not runs:
        raise ConfigError("compare: no run to compare", hint="name two run folders")
    chosen = [_metric(name) for name in dict.fromkeys(metrics)]
    folders = [Path(run) for run in runs]
    first, *others = (
        sides_of_runs(folders)
        if len(folders) > 1
        else sides_of_scorers(folders[0], list(dict.fromkeys(scorers)))
    )
    wanted = scorers if len(folders) > 1 else ()
    contests = [contest for other in others for contest in _contests(first, other, wanted)]
    bootstrap, own_seed = _settings(first)
    planned = len(chosen) * sum(tests_of(contest) for contest in contests)
    draws = max(bootstrap.draws, math.ceil(4 * planned / (1.0 - bootstrap.level)))
    settings = Settings(draws, bootstrap.level, own_seed if seed is None else seed)
    results = [result for contest in contests for result in results_of(contest, chosen, settings)]
    return Comparison(
        [side.describe() for side in (first, *others)],
        [asdict(record) for record in adjusted(results, settings.level)],
        [
            asdict(check)
            for check in comparison_checks([c.sides for c in contests], [c.pairing for c in contests])
        ],
    )


def _metric(name: str) -> Metric:
    metric = metrics_registry.get(name, place="--metric")
    if metric.question != DETECTION:
        raise ConfigError(
            f"--metric: {name} measures {metric.question}; compare takes metrics of {DETECTION}"
        )
    return metric


def _settings(first: Side) -> tuple[BootstrapConfig, int]:
    config = recorded_config(first.run.files.config, place=f"{first.run.folder}/run.json: config")
    return config.bootstrap, config.seed


def _contests(first: Side, other: Side, wanted: Sequence[str]) -> Iterator[Contest]:
    pairing = pair(first.run, other.run)
    if first.scorer is not None and other.scorer is not None:
        yield Contest(first, other, first.scorer, other.scorer, pairing)
        return
    for scorer in shared_scorers(first.run, other.run, wanted):
        yield Contest(first, other, scorer, scorer, pairing)
