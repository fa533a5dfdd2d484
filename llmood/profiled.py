"""The scores of a run's parts: learned, scored, written and measured beside those of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from llmood.config import RunConfig
from llmood.engines.observations import Observations
from llmood.picture_records import Control
from llmood.progress import Progress
from llmood.questions.modality import PartScores, modality, steps_of
from llmood.questions.populations import ScoredBenchmark
from llmood.records import EVALUATED, MetricRecord
from llmood.run_folder import RunFolder
from llmood.scorers.on_part import Profile
from llmood.scoring import ScorerColumn, fit_all, score_all, scores_table
from llmood.tables import MODALITY, PART_SCORES, write_table


@dataclass(frozen=True, slots=True)
class ScoredParts:
    """A profile with a column of scores for each scorer of a part, in the measured samples' order."""

    profile: Profile
    columns: Sequence[tuple[Control, ScorerColumn]]


def score_parts(
    profile: Profile | None, observations: Observations, learned: Observations
) -> ScoredParts | None:
    """Fit the scorers of each part and score the measured samples; None where no profile is asked for.

    Args:
        observations: of all splits.
        learned: the same, with which answers are right.
    """
    if profile is None:
        return None
    found: list[tuple[Control, ScorerColumn]] = []
    for control in dict.fromkeys(control for _, control in profile.parts):
        own = profile.under(control)
        fit_all(own, learned)
        found += [(control, column) for column in score_all(observations.of(EVALUATED), own)]
    return ScoredParts(profile, found)


def write_parts(folder: RunFolder, parts: ScoredParts | None, sample_ids: list[str]) -> None:
    """Write `modality.parquet`; without a profile, none is left of an earlier scoring."""
    path = folder.file(MODALITY)
    if parts is None:
        path.unlink(missing_ok=True)
        return
    tables = []
    for control, column in parts.columns:
        own = scores_table([column], sample_ids).replace_schema_metadata(None)
        named = pa.array([control] * own.num_rows, pa.string())
        tables.append(own.add_column(0, "control", named))
    write_table(path, pa.concat_tables(tables).cast(PART_SCORES))


def measure_parts(
    parts: ScoredParts,
    scored: ScoredBenchmark,
    columns: Sequence[ScorerColumn],
    config: RunConfig,
    progress: Progress,
) -> list[MetricRecord]:
    """The records of the profile.

    Args:
        columns: of the whole.
    """
    whole = {column.scorer: np.asarray(column.values) for column in columns}
    scores = {(name, None): whole[name] for name in parts.profile.scorers}
    own = PartScores(
        parts.profile, scores | {(column.scorer, control): column.values for control, column in parts.columns}
    )
    with progress.track("parts of the input", steps_of(scored, own), unit="tables") as advance:
        return list(modality(scored, own, config.bootstrap, config.seed, lambda: advance(1)))
