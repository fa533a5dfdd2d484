"""A run: everything that an evaluation made, in one folder. `evaluate` makes one, `rescore` scores one again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from llmood.config import RunConfig
from llmood.config_file import load_config
from llmood.engines.canary import examine
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.manifest import check_planned, check_samples, read_records
from llmood.plan import Plan, make_plan
from llmood.progress import Progress
from llmood.records import Check, MetricRecord, Reject
from llmood.report import write_report
from llmood.results import write_results
from llmood.run_folder import RunFolder, RunStatus, default_folder
from llmood.scorers.base import Scorer
from llmood.scorers.choose import make_scorers
from llmood.strict import parse
from llmood.tables import INDEX, SAMPLES, SCORES, read_table, write_table, write_text
from llmood.tokenise import without_text, without_values
from llmood.yaml_files import apply_overrides

if TYPE_CHECKING:
    import pandas as pd

WRITING_REPORT = "writing the report"
RESCORABLE = ("scorers", "bootstrap", "seed")


class Run:
    """A run folder, read.

    Args:
        folder: where `run.json` is.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = RunFolder(self.folder).manifest

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.status})"

    @property
    def status(self) -> str:
        """`running`, `complete`, `partial`, `failed` or `interrupted`."""
        return str(self.manifest["status"])

    @property
    def config(self) -> RunConfig:
        return parse(RunConfig, self.manifest["config"], place=f"{self.folder}/run.json: config")

    @property
    def scored_config(self) -> RunConfig:
        """The configuration of the scores and metrics as they stand: the last `rescore`'s, else the run's own."""
        changed = self.manifest.get("rescored")
        if changed is None:
            return self.config
        return parse(RunConfig, changed, place=f"{self.folder}/run.json: rescored")

    def samples(self) -> pd.DataFrame:
        """One row a sample."""
        return _read_table(self.folder / "samples.parquet", SAMPLES).to_pandas()

    def scores(self) -> pd.DataFrame:
        """One row a sample and scorer; higher = more OOD, NaN where `status` is not ok."""
        return _read_table(self.folder / "scores.parquet", SCORES).to_pandas()

    def metrics(self) -> pd.DataFrame:
        """One row a record of `metrics.json`."""
        import pandas as pd

        return pd.DataFrame(self.records())

    def records(self) -> list[dict[str, Any]]:
        """The records of `metrics.json` as they stand there."""
        return _read_records(self.folder / "metrics.json", MetricRecord)

    def checks(self) -> list[dict[str, Any]]:
        """The named warnings, as they stand in `checks.json`."""
        return _read_records(self.folder / "checks.json", Check)

    def rejects(self) -> list[dict[str, Any]]:
        """The rows that could not be read: file, line, reason."""
        return _read_records(self.folder / "rejects.jsonl", Reject)


def evaluate(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    output_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    include: Sequence[Path] = (),
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Run a configuration, or go on with it where it stopped.

    Args:
        config: a YAML file, a built-in configuration's name, a mapping, or a `RunConfig`.
        output_dir: the run folder; by default `runs/<config name>-<8 hex of the configuration>`.
        overrides: `key.path=value` on top of the configuration.
        include: folders with further tasks and benchmarks.
        progress: shows how far it is; silent by default.
        command: what to record as the command.

    Raises:
        ConfigError: a mistake found before any model loads; nothing is written.
    """
    parsed, folder, name = load_config(config, overrides)
    progress = progress or Progress()
    target = RunFolder(Path(output_dir) if output_dir else default_folder(parsed, name))
    target.claim(parsed)
    progress.say("reading tasks")
    plan = make_plan(parsed, folder=folder, include=include)
    progress.say(f"engine: {plan.engine.kind} ({plan.engine_why})")
    with target.locked():
        target.claim(parsed)  # again: another run may have ended here since
        target.claim_content(plan.describe())
        try:
            target.begin(parsed, name, command)
            status = _execute(plan, target, progress)
        except KeyboardInterrupt:
            target.write_manifest("interrupted")
            raise
        except BaseException as error:
            # A message may quote a prompt.
            said = f": {error}" if parsed.text else ""
            target.write_manifest("failed", error=type(error).__name__ + said)
            raise
        target.write_manifest(status)
    return Run(target.path)


def rescore(
    run: str | Path,
    *,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Run:
    """Score a run's stored observations again, and everything after; no model loads.

    Args:
        overrides: `scorers=[…]`, `bootstrap.draws=…`, `seed=…` on top of the run's own configuration.

    Raises:
        ConfigError: a scorer needs what the run didn't capture, or another key is overridden.
        StoreError: the store no longer has the run's observations.
    """
    folder = RunFolder(Path(run))
    manifest = folder.manifest
    config = parse(RunConfig, apply_overrides(manifest["config"], overrides), place=f"{run}: configuration")
    _check_rescorable(config, Run(run).config)
    if folder.file("rejects.jsonl").is_file():
        Run(run).rejects()  # they are shown at the end: what is damaged is said before the work
    chosen = make_scorers(config)
    _check_text(chosen, config)
    progress = progress or Progress()
    with folder.locked():
        samples = _read_table(folder.file("samples.parquet"), SAMPLES)
        check_planned(folder.path, manifest)
        check_samples(folder.path, manifest, samples)
        index = _read_table(folder.file("observations/index.parquet"), INDEX)
        observations = Observations(samples, index, Store())
        _check_captured(chosen, observations, folder)
        status = write_results(folder, config, observations, chosen, progress)
        changed = config.model_dump(mode="json") if overrides else None
        folder.write_manifest(status, error=None, rescored=changed)
        progress.say(WRITING_REPORT)
        write_report([folder.path], folder.file("report.html"))
    return Run(folder.path)


def _execute(plan: Plan, target: RunFolder, progress: Progress) -> RunStatus:
    target.write_manifest("running", **plan.describe())
    samples = plan.samples if plan.config.text else without_text(plan.samples)
    write_table(target.file("samples.parquet"), samples)
    rejects = plan.rejects if plan.config.text else [without_values(reject) for reject in plan.rejects]
    write_text(target.file("rejects.jsonl"), "".join(json.dumps(asdict(row)) + "\n" for row in rejects))
    store = Store()
    private = not plan.config.text
    observer = Observer(
        plan.engine,
        plan.prompts,
        store,
        private=private,
        splits=plan.splits,
        watch=plan.config.engine.canary,
        progress=progress,
    )
    try:
        for spec in plan.captures:
            observer.run(spec)
        progress.say("scoring some samples a second way")
        canary = examine(plan.engine, store, observer.watched)
    finally:
        plan.engine.close()
    target.write_manifest("running", canary=canary)
    index = observer.index()
    write_table(target.file("observations/index.parquet"), index)
    # With the words that a scorer may read, also where no file keeps them.
    observations = Observations(plan.samples, index, store)
    status = write_results(target, plan.config, observations, plan.scorers, progress)
    progress.say(WRITING_REPORT)
    # Before `run.json` says how the run ended: a folder that is complete holds its report.
    write_report([target.path], target.file("report.html"), status=status)
    return status


def _check_rescorable(config: RunConfig, made: RunConfig) -> None:
    for key in type(config).model_fields:
        if key not in RESCORABLE and getattr(config, key) != getattr(made, key):
            raise ConfigError(
                f"--set {key}: scoring again can change only {', '.join(RESCORABLE)}",
                hint=f"another {key} is another run: 'llmood run'",
            )


def _check_text(chosen: Mapping[str, Scorer], config: RunConfig) -> None:
    reading = next((name for name, scorer in chosen.items() if scorer.reads_text), None)
    if reading and not config.text:
        raise ConfigError(
            f"scorers: {reading} reads the prompts' text, and this run kept none (--no-text)",
            hint="'llmood run' scores with it while it has the text",
        )


def _check_captured(chosen: Mapping[str, Scorer], observations: Observations, folder: RunFolder) -> None:
    for name, scorer in chosen.items():
        for spec in scorer.needs:
            if not observations.has(spec):
                raise ConfigError(
                    f"scorers: {name} needs {spec.id}, which {folder.path} didn't capture",
                    hint="'llmood run' with that scorer in the configuration captures it",
                )


def _read_records(path: Path, kind: type[Any]) -> list[dict[str, Any]]:
    _check_there(path)
    return read_records(path, kind)


def _read_table(path: Path, schema: pa.Schema) -> pa.Table:
    _check_there(path)
    return read_table(path, schema)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(
            f"{path}: is not there yet", hint="the run didn't get that far: 'llmood run' goes on with it"
        )
