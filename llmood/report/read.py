"""What the report reads of a run folder: its files, and nothing else. A run that broke off lacks some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from llmood.explanation_records import Explanation
from llmood.manifest import check_planned, read_manifest, read_records
from llmood.picture_records import Corruptions
from llmood.questions.errors import QUESTION as ERRORS
from llmood.questions.explanations import FILE as EXPLANATIONS
from llmood.questions.mistakes import asked_for
from llmood.records import EVALUATED, SHIFTS, Check, MetricRecord
from llmood.report.check_lines import gathered
from llmood.report.gallery import Gallery
from llmood.report.kept_pictures import FILE as PICTURES
from llmood.report.kept_pictures import read_pictures
from llmood.report.read_scores import Floats, check_scored, reasons_of, score_columns
from llmood.tables import SAMPLES, SCORES, read_table

GRAVITY = {"error": 0, "warning": 1, "info": 2}

Record = Mapping[str, Any]


@dataclass(frozen=True)
class RunFiles:
    """A run folder in memory.

    Attributes:
        manifest: `run.json`.
        samples: `samples.parquet`; None where the run didn't get so far.
        scores: scorer → float64 (samples,), NaN where unscored, in the samples' order; the user's scorers first,
            as they were asked for.
        unscored: scorer → status → how many samples; `ok` left out.
        records: `metrics.json`.
        checks: `checks.json`, the gravest first, those of one kind together; what says the same of several populations
            is one, and `tasks` are those that it is about.
        missing: the files that aren't there.
        reasons: scorer → why a sample was not scored → how many, the most frequent first.
        explanations: `explanations.json`; nothing where no scorer explains.
        others: sample id → the sample, of those that explanations name and that were not measured.
        gallery: the samples' pictures, small.
    """

    folder: Path
    manifest: Mapping[str, Any]
    samples: pa.Table | None
    scores: Mapping[str, Floats]
    unscored: Mapping[str, Mapping[str, int]]
    records: list[Record]
    checks: list[Record]
    missing: tuple[str, ...]
    reasons: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    explanations: Sequence[Record] = ()
    others: Mapping[str, Record] = field(default_factory=dict)
    gallery: Gallery = field(default_factory=lambda: Gallery({}))

    @property
    def tasks(self) -> list[Record]:
        """The tasks' entries in `run.json`, ID first."""
        return list(self.manifest.get("tasks") or [])

    @property
    def id_task(self) -> Record | None:
        return next((task for task in self.tasks if task["population"] == "id"), None)

    @property
    def ood_tasks(self) -> list[Record]:
        """Near first, then far, then covariate, each in the benchmark's order."""
        found = [task for task in self.tasks if task["population"] == "ood"]
        return sorted(found, key=lambda task: (SHIFTS.index(task["shift"]), task["severity"] or 0))

    @property
    def single_ood_tasks(self) -> list[Record]:
        """The OOD sets that are no grade of a family."""
        return [task for task in self.ood_tasks if not _is_grade(task)]

    @property
    def families(self) -> dict[str, list[Record]]:
        """The grades of each shift that has some, mildest first; those of a grid's cells not among them."""
        return {name: tasks for name, tasks in self._graded.items() if not _is_joint(tasks[0])}

    @property
    def crossed(self) -> dict[str, list[Record]]:
        """The cells of grids, where both the pictures and the words are corrupted, by what is done to each."""
        return {name: tasks for name, tasks in self._graded.items() if _is_joint(tasks[0])}

    @property
    def _graded(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for task in self.ood_tasks:
            if _is_grade(task):
                found.setdefault(task["family"], []).append(task)
        return {name: sorted(tasks, key=lambda task: task["severity"]) for name, tasks in found.items()}

    @property
    def scorers(self) -> list[str]:
        """The scorers that were asked for, on the first adapter, without the baselines."""
        return asked_for(self.scores)

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration of the numbers shown: the last scoring's."""
        return cast("Mapping[str, Any]", self.manifest.get("rescored") or self.manifest.get("config") or {})

    def rows(self, task: str) -> NDArray[np.int64]:
        """Where a task's samples stand."""
        if self.samples is None:
            return np.array([], dtype=np.int64)
        return np.flatnonzero(np.array(self.samples["task"].to_pylist(), dtype=object) == task)

    def contrast(self, ood_task: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Rows of the ID task and of one OOD set, and which are OOD."""
        id_rows = self.rows(self.id_task["name"]) if self.id_task else np.array([], dtype=np.int64)
        ood_rows = self.rows(ood_task)
        return np.concatenate([id_rows, ood_rows]), np.repeat([False, True], [len(id_rows), len(ood_rows)])

    def find(self, metric: str, scorer: str, ood_task: str | None) -> Record | None:
        """The unsliced record of one metric that tells populations apart."""
        return self._index.get((False, metric, scorer, ood_task))

    def find_error(self, metric: str, scorer: str | None, ood_task: str | None) -> Record | None:
        """The unsliced record of one metric of error detection; of the ID population where no OOD task is named."""
        return self._index.get((True, metric, scorer, ood_task))

    @cached_property
    def _index(self) -> Mapping[tuple[bool, str, str | None, str | None], Record]:
        return {
            (record["question"] == ERRORS, record["metric"], record["scorer"], record["ood_task"]): record
            for record in self.records
            if record["slice"] is None
        }


def _is_grade(task: Record) -> bool:
    # Runs of an older llmood have no families.
    return task.get("family") is not None and task["severity"] is not None


def _is_joint(task: Record) -> bool:
    made = Corruptions.from_json(task.get("corruptions"))
    return made is not None and made.is_joint


def read_run(folder: Path, status: str | None = None) -> RunFiles:
    """Read a run folder; `status` is how it ends, where `run.json` doesn't say so yet.

    Raises:
        ConfigError: it is no run.
        StoreError: one of its files is damaged, or of another version.
    """
    manifest = read_manifest(folder)
    if manifest["status"] in ("complete", "partial") or manifest.get("tasks"):
        check_planned(folder, manifest)
    if status is not None:
        manifest = {**manifest, "status": status}
    missing = [name for name in ("samples.parquet", "scores.parquet") if not (folder / name).is_file()]
    every = None if "samples.parquet" in missing else read_table(folder / "samples.parquet", SAMPLES)
    samples = None if every is None else _evaluated(every)
    table = None if "scores.parquet" in missing else read_table(folder / "scores.parquet", SCORES)
    check_scored(folder, samples, table)
    scores, unscored = score_columns(samples, table)
    records = _records(folder / "metrics.json", MetricRecord, missing)
    checks = _records(folder / "checks.json", Check, missing)
    codes = list(dict.fromkeys(check["code"] for check in checks))
    checks.sort(key=lambda check: (GRAVITY.get(check["severity"], 1), codes.index(check["code"])))
    explained = _explanations(folder / EXPLANATIONS)
    return RunFiles(
        folder,
        manifest,
        samples,
        scores,
        unscored,
        records,
        list(gathered(checks)),
        tuple(missing),
        reasons_of(table),
        explained,
        {} if every is None else _named(every, explained),
        Gallery(read_pictures(folder / PICTURES)),
    )


def _evaluated(samples: pa.Table) -> pa.Table:
    """The samples that were measured; those that scorers learned from are only named in explanations."""
    return samples.filter(pc.equal(samples["split"], EVALUATED))


def _explanations(path: Path) -> list[Record]:
    return list(read_records(path, Explanation)) if path.is_file() else []


def _named(samples: pa.Table, explained: Sequence[Record]) -> dict[str, Record]:
    names = pa.array({record["of"] for record in explained} - {None}, pa.string())
    own = samples.filter(pc.is_in(samples["sample_id"], names)).select(
        ["sample_id", "prompt", "label", "domain"]
    )
    return {row["sample_id"]: row for row in own.to_pylist()}


def _records(path: Path, kind: type[MetricRecord | Check], missing: list[str]) -> list[Record]:
    if not path.is_file():
        missing.append(path.name)
        return []
    return list(read_records(path, kind))
