"""A run folder, read: everything that an evaluation made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from llmood.config import RunConfig
from llmood.config_file import recorded_config
from llmood.errors import ConfigError
from llmood.manifest import read_records
from llmood.records import EVALUATED, Check, MetricRecord, Reject
from llmood.run_folder import RunFolder, ShardFolder
from llmood.tables import CALIBRATED, CORRECTNESS, INDEX, JUDGED, SAMPLES, SCORES, read_table

if TYPE_CHECKING:
    import pandas as pd

    from llmood.scorers.artefacts import Fitted

NOT_YET = "the run didn't get that far: 'llmood run' goes on with it"


class Run:
    """A run folder, read.

    Args:
        folder: where `run.json` is.
    """

    _kind: ClassVar[type[RunFolder]] = RunFolder
    _not_there: ClassVar[str] = NOT_YET

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = self._kind(self.folder).manifest

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r}, {self.status})"

    @property
    def status(self) -> str:
        """`running`, `complete`, `partial`, `failed` or `interrupted`."""
        return str(self.manifest["status"])

    @property
    def config(self) -> RunConfig:
        return recorded_config(
            self.manifest["config"], place=f"{self.folder}/{self._kind.manifest_name}: config"
        )

    @property
    def scored_config(self) -> RunConfig:
        """The configuration of the scores and metrics as they stand: the last `rescore`'s, else the run's own."""
        changed = self.manifest.get("rescored")
        if changed is None:
            return self.config
        return recorded_config(changed, place=f"{self.folder}/run.json: rescored")

    def samples(self) -> pd.DataFrame:
        """One row a sample."""
        return read_there(self.folder / "samples.parquet", SAMPLES, self._not_there).to_pandas()

    def scores(self) -> pd.DataFrame:
        """One row a sample and scorer; higher = more OOD, NaN where `status` is not ok."""
        return read_there(self.folder / "scores.parquet", SCORES, self._not_there).to_pandas()

    def calibration_scores(self) -> pd.DataFrame:
        """One row a `calibration` row and scorer, as `scores`; none where the run calibrates nothing."""
        path = self.folder / CALIBRATED
        table = read_table(path, SCORES) if path.is_file() else SCORES.empty_table()
        return table.to_pandas()

    def scored_with(self, fitted: str | Path | Fitted) -> pd.DataFrame:
        """This run's samples scored with another run's fitted scorer; no model loads, and nothing is written.

        Args:
            fitted: an artefact's folder, or one that is loaded.

        Raises:
            ConfigError: it learned from another model or from other layers, or reads text that this run didn't keep.
            StoreError: the store no longer has the run's observations.
        """
        from llmood.engines.observations import Observations
        from llmood.engines.store import Store
        from llmood.scorers.artefact_folder import identities
        from llmood.scorers.artefacts import load_scorer, roles_of
        from llmood.scoring import score_all, scores_table

        loaded = load_scorer(fitted) if isinstance(fitted, str | Path) else fitted
        samples = read_there(self.folder / "samples.parquet", SAMPLES, self._not_there)
        index = read_there(self.folder / "observations/index.parquet", INDEX, self._not_there)
        observations = Observations(samples, index, Store()).of(EVALUATED)
        models = identities(self.manifest, roles_of(loaded.scorer.needs))
        loaded.check(models, observations)
        if loaded.scorer.reads_text and not self.config.text:
            raise ConfigError(
                f"{loaded.name}: reads the prompts' text, and {self.folder} kept none (--no-text)"
            )
        columns = score_all(observations, {loaded.name: loaded.scorer})
        return scores_table(columns, observations.samples["sample_id"].to_pylist()).to_pandas()

    def correctness(self) -> pd.DataFrame:
        """One row a judged answer of the tuned model; none where the run judged nothing."""
        path = self.folder / JUDGED
        if not path.is_file():
            return CORRECTNESS.empty_table().to_pandas()
        return read_table(path, CORRECTNESS).to_pandas()

    def metrics(self) -> pd.DataFrame:
        """One row a record of `metrics.json`."""
        import pandas as pd

        return pd.DataFrame(self.records())

    def records(self) -> list[dict[str, Any]]:
        """The records of `metrics.json` as they stand there."""
        return self._records(self.folder / "metrics.json", MetricRecord)

    def checks(self) -> list[dict[str, Any]]:
        """The named warnings, as they stand in `checks.json`."""
        return self._records(self.folder / "checks.json", Check)

    def rejects(self) -> list[dict[str, Any]]:
        """The rows that could not be read: file, line, reason."""
        return self._records(self.folder / "rejects.jsonl", Reject)

    def _records(self, path: Path, kind: type[Any]) -> list[dict[str, Any]]:
        _check_there(path, self._not_there)
        return read_records(path, kind)


class ShardRun(Run):
    """One shard of a run, read. It has samples and observations; scores and what follows come with the merge."""

    _kind = ShardFolder
    _not_there = "this is one shard of a run: 'llmood merge' scores them together"


def read_there(path: Path, schema: pa.Schema, hint: str = NOT_YET) -> pa.Table:
    """A table of a run.

    Raises:
        ConfigError: the run didn't get so far.
        StoreError: the table is broken.
    """
    _check_there(path, hint)
    return read_table(path, schema)


def _check_there(path: Path, hint: str) -> None:
    if not path.is_file():
        raise ConfigError(f"{path}: is not there yet", hint=hint)
