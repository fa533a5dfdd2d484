"""The `calibration` rows of a run: asked for, checked, and scored as the measured ones are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmood.calibrators import calibrators
from llmood.config import RunConfig
from llmood.engines.observations import Observations
from llmood.errors import ConfigError
from llmood.halves import CALIBRATORS, halves
from llmood.questions.calibration_rows import CalibrationRows
from llmood.questions.judgements import read_judgements
from llmood.records import CALIBRATION
from llmood.scorers.base import Scorer
from llmood.scoring import ScorerColumn, score_all
from llmood.tables import CORRECTNESS

PLACE = "calibration.calibrators"
IMPORT_ROWS = "import rows of the ID task whose 'split' is 'calibration'"
"""How an import has them."""


def check_calibrators(config: RunConfig) -> None:
    """Refuse a calibrator that isn't there, or that reads several scorers at once.

    Raises:
        ConfigError: there is one.
    """
    for position, name in enumerate(() if config.calibration is None else config.calibration.calibrators):
        if calibrators.get(name, place=f"{PLACE}[{position}]").many_scores:
            raise ConfigError(
                f"{PLACE}[{position}]: '{name}' combines several scorers, and a run calibrates each by itself",
                hint=f"leave '{name}' out: 'llmood fit' combines scorers",
            )


def calibration_samples(samples: pa.Table) -> pa.Table:
    """The ID task's `calibration` rows of all samples."""
    own = pc.and_(pc.equal(samples["split"], CALIBRATION), pc.equal(samples["population"], "id"))
    return samples.filter(own)


def check_calibrated(config: RunConfig, samples: pa.Table, place: str, *, hint: str) -> None:
    """Refuse a calibration where no `calibration` row was read.

    Args:
        place: of what the samples are, for the message.
        hint: how to have them.

    Raises:
        ConfigError: there is none.
    """
    check_calibrators(config)
    if config.calibration is not None and calibration_samples(samples).num_rows == 0:
        raise ConfigError(f"calibration: {place} holds no '{CALIBRATION}' rows of the ID task", hint=hint)


@dataclass(frozen=True, slots=True)
class ScoredCalibration:
    """The `calibration` rows under fitted scorers: their samples, their scores, and what questions read of them."""

    samples: pa.Table
    columns: Sequence[ScorerColumn]
    rows: CalibrationRows


def score_calibration(
    observations: Observations, scorers: Mapping[str, Scorer], judged: pa.Table | None
) -> ScoredCalibration:
    """Score the `calibration` rows.

    Args:
        observations: of all splits.
        judged: which answers are right, of all splits; None where nothing was judged.
    """
    half = np.array([each == CALIBRATORS for each in halves(observations.samples)], dtype=np.bool_)
    own = pc.is_in(observations.samples["sample_id"], calibration_samples(observations.samples)["sample_id"])
    kept = own.to_numpy(zero_copy_only=False)
    samples = observations.samples.filter(own)
    columns = score_all(observations.only(samples["sample_id"].to_pylist()), scorers)
    judgements = read_judgements(CORRECTNESS.empty_table() if judged is None else judged, samples)
    rows = CalibrationRows(
        {column.scorer: column.values for column in columns}, judgements.judged, judgements.wrong, half[kept]
    )
    return ScoredCalibration(samples, columns, rows)
