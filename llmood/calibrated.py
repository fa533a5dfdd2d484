"""The `calibration` rows of a run: asked for, checked, and scored as the measured ones are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmood.calibration_config import CalibrationConfig
from llmood.calibrators import calibrators
from llmood.config import RunConfig
from llmood.engines.observations import Observations
from llmood.errors import ConfigError
from llmood.halves import CALIBRATORS, halves
from llmood.progress import Progress
from llmood.questions.calibration import calibration, judged_populations, steps_of
from llmood.questions.calibration_rows import CalibrationRows
from llmood.questions.calibration_severity import severity_of_confidence
from llmood.questions.calibration_slices import calibration_slices
from llmood.questions.confidences import Confidence, confidences
from llmood.questions.judgements import Judgements, read_judgements
from llmood.questions.populations import ScoredBenchmark
from llmood.questions.promise import promise, scorers_of
from llmood.questions.severity import families
from llmood.records import CALIBRATION, MetricRecord
from llmood.run_folder import RunFolder
from llmood.scorers.base import Scorer
from llmood.scorers.baselines import BASELINES
from llmood.scorers.on_adapter import is_on_adapter
from llmood.scoring import ScorerColumn, score_all, scores_table
from llmood.tables import CALIBRATED, CONFIDENCES, CORRECTNESS, write_json, write_table
from llmood.tokenise import hidden_once

SLICED_BY = ("domain", "language")
PLACE = "calibration.calibrators"
IMPORT_ROWS = "import rows of the ID task whose 'split' is 'calibration'"
"""How an import has them."""


def check_calibrators(config: RunConfig, *, together: bool = False) -> None:
    """Refuse a calibrator that isn't there, or that reads several scorers at once.

    Args:
        together: whether several scorers have one confidence, as those of a detector do.

    Raises:
        ConfigError: there is one.
    """
    for position, name in enumerate(() if config.calibration is None else config.calibration.calibrators):
        if calibrators.get(name, place=f"{PLACE}[{position}]").many_scores and not together:
            raise ConfigError(
                f"{PLACE}[{position}]: '{name}' combines several scorers, and a run calibrates each by itself",
                hint=f"leave '{name}' out: 'llmood fit --calibrator {name}' makes one confidence of several scorers",
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
    """The `calibration` rows under fitted scorers.

    Attributes:
        samples, columns: the rows and their scores, in one order.
        rows: what questions read of them.
        confidences: by scorer, what makes confidences of its scores; none where no answer was judged, nor of baselines
            and of scorers of other adapters, whose answers aren't judged.
    """

    samples: pa.Table
    columns: Sequence[ScorerColumn]
    rows: CalibrationRows
    confidences: Mapping[str, Sequence[Confidence]]


def score_calibration(
    observations: Observations,
    scorers: Mapping[str, Scorer],
    judged: pa.Table | None,
    config: CalibrationConfig,
) -> ScoredCalibration:
    """Score the `calibration` rows, and fit calibrators by them.

    Args:
        observations: of all splits.
        judged: which answers are right, of all splits; None where nothing was judged.
    """
    samples = calibration_samples(observations.samples)
    columns = score_all(observations.only(samples["sample_id"].to_pylist()), scorers)
    rows = calibration_rows(samples, columns, judged)
    calibrated = {
        name: kind for name, kind in scorers.items() if name not in BASELINES and not is_on_adapter(name)
    }
    made = {} if judged is None else confidences(rows, calibrated, config.calibrators)
    return ScoredCalibration(samples, columns, rows, made)


def calibration_rows(
    samples: pa.Table, columns: Sequence[ScorerColumn], judged: pa.Table | None
) -> CalibrationRows:
    """These `calibration` rows as arrays, each in its half.

    Args:
        columns: their scores, in the samples' order.
        judged: which answers are right; None where nothing was judged.
    """
    judgements = read_judgements(CORRECTNESS.empty_table() if judged is None else judged, samples)
    return CalibrationRows(
        {column.scorer: column.values for column in columns},
        judgements.judged,
        judgements.wrong,
        np.array([each == CALIBRATORS for each in halves(samples)], dtype=np.bool_),
    )


def measure_calibration(
    found: ScoredCalibration,
    scored: ScoredBenchmark,
    samples: pa.Table,
    judgements: Judgements | None,
    config: RunConfig,
    progress: Progress,
) -> list[MetricRecord]:
    """What confidences and thresholds are worth on what is measured.

    Args:
        samples: the measured ones, in the order of the scores.
    """
    if config.calibration is None:
        return []
    steps = len(scorers_of(scored))
    if judgements is not None:
        steps += steps_of(scored, judgements, found.confidences) + len(judged_populations(scored, judgements))
        steps += len(families(scored))
    with progress.track("calibration", steps, unit="tables") as advance:
        kept = promise(
            scored,
            judgements,
            found.rows,
            config.calibration,
            bootstrap=config.bootstrap,
            seed=config.seed,
            on_step=lambda: advance(1),
        )
        measured = (
            []
            if judgements is None
            else _of_confidences(found, scored, samples, judgements, config, lambda: advance(1))
        )
        return [*measured, *kept]


def _of_confidences(
    found: ScoredCalibration,
    scored: ScoredBenchmark,
    samples: pa.Table,
    judgements: Judgements,
    config: RunConfig,
    on_step: Callable[[], None],
) -> list[MetricRecord]:
    made, bootstrap, seed = found.confidences, config.bootstrap, config.seed
    named = slice_columns(samples, text=config.text)
    return [
        *calibration(scored, judgements, made, bootstrap, seed, on_step),
        *calibration_slices(scored, judgements, made, named, bootstrap=bootstrap, seed=seed, on_step=on_step),
        *severity_of_confidence(scored, judgements, made, bootstrap, seed, on_step),
    ]


def slice_columns(samples: pa.Table, *, text: bool) -> dict[str, list[str | None]]:
    """What slices are made by → what each sample has there, by the names that the run's files have.

    Args:
        samples: of `tables.SAMPLES`, as they were read or as a run keeps them.
        text: whether the run keeps words.
    """
    shown = samples if text else hidden_once(samples)
    return {name: shown[name].to_pylist() for name in SLICED_BY}


def write_calibration(folder: RunFolder, found: ScoredCalibration | None) -> None:
    """Write `calibration.parquet` and `calibrators.json`; where nothing is calibrated, none is left of before."""
    if found is None:
        folder.file(CALIBRATED).unlink(missing_ok=True)
        folder.file(CONFIDENCES).unlink(missing_ok=True)
        return
    ids = found.samples["sample_id"].to_pylist()
    write_table(folder.file(CALIBRATED), scores_table(list(found.columns), ids))
    kept = [each.to_json() for made in found.confidences.values() for each in made]
    write_json(folder.file(CONFIDENCES), kept)
