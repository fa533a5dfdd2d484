"""`rescore` scores a run again, from what it stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from llmood.asked import check_words
from llmood.calibrated import IMPORT_ROWS, check_calibrated
from llmood.config import RunConfig
from llmood.engines.captures import all_needs, by_words, compared, required_comparisons
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.judged import judge_again
from llmood.judging.equivalence.compare import compare_all
from llmood.manifest import check_planned, check_samples
from llmood.progress import Progress
from llmood.questions.emi_states import captured
from llmood.report import write_report
from llmood.results import write_results
from llmood.run import WRITING_REPORT
from llmood.run_folder import RunFolder
from llmood.runs import Run, read_there
from llmood.scorers.base import Scorer
from llmood.scorers.choose import make_scorers
from llmood.scorers.on_part import check_profile, make_profile
from llmood.scoring import check_background
from llmood.strict import parse
from llmood.tables import INDEX, SAMPLES, write_table
from llmood.yaml_files import apply_overrides

RESCORABLE = ("scorers", "bootstrap", "seed", "correctness", "calibration", "emi", "modality")


def rescore(
    run: str | Path,
    *,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Run:
    """Score a run's stored observations again, and everything after; no model loads.

    Args:
        overrides: `scorers=[…]`, `calibration=…`, `emi=…`, `modality=…`, `bootstrap.draws=…`, `seed=…` on top of the
            run's own configuration.

    Raises:
        ConfigError: a scorer needs what the run didn't capture, or another key is overridden.
        StoreError: the store no longer has the run's observations.
    """
    folder = RunFolder(Path(run))
    manifest = folder.manifest
    made = Run(run).config
    config = parse(RunConfig, apply_overrides(manifest["config"], overrides), place=f"{run}: configuration")
    _check_rescorable(config, made)
    if folder.file("rejects.jsonl").is_file():
        Run(run).rejects()  # they are shown at the end: what is damaged is said before the work
    chosen = make_scorers(config, threshold=(manifest.get("threshold") or {}).get("value"))
    profile = make_profile(config.modality, chosen)
    if config.modality is not None and profile is not None:
        check_profile(config.modality, profile)
    _check_text(chosen, config)
    check_background(chosen, (manifest.get("background") or {}).get("asked"), str(folder.path))
    progress = progress or Progress()
    with folder.locked():
        samples = read_there(folder.file("samples.parquet"), SAMPLES)
        check_planned(folder.path, manifest)
        check_samples(folder.path, manifest, samples)
        check_calibrated(config, samples, str(folder.path), hint=_how_to_calibrate(manifest))
        index = read_there(folder.file("observations/index.parquet"), INDEX)
        store = Store()
        observations = Observations(samples, index, store)
        _check_captured({**chosen, **({} if profile is None else profile.named)}, observations, folder)
        if config.emi is not None:
            captured(config.emi, config.models.roles, observations)
        # What words alone decide needs no model, and may be compared now.
        lacking = [spec for spec in required_comparisons(chosen.values()) if not observations.has(spec)]
        if lacking:
            further, _ = compare_all(lacking, observations, store, None, progress)
            index = pa.concat_tables([index, further])
            write_table(folder.file("observations/index.parquet"), index)
            observations = Observations(samples, index, store)
        judged = judge_again(folder, config, Run(run).scored_config, observations)
        status = write_results(folder, config, observations, chosen, progress, judged=judged)
        changed = config.model_dump(mode="json") if overrides else None
        folder.write_manifest(status, error=None, rescored=changed)
        progress.say(WRITING_REPORT)
        write_report([folder.path], folder.file("report.html"))
    return Run(folder.path)


def _how_to_calibrate(manifest: Mapping[str, Any]) -> str:
    if manifest.get("imported"):
        return IMPORT_ROWS
    return "'llmood run' with 'calibration' in the configuration reads them"


def _check_rescorable(config: RunConfig, made: RunConfig) -> None:
    for key in type(config).model_fields:
        if key not in RESCORABLE and getattr(config, key) != getattr(made, key):
            raise ConfigError(
                f"--set {key}: scoring again can change only {', '.join(RESCORABLE)}",
                hint=f"another {key} is another run: 'llmood run'",
            )


def _check_text(chosen: Mapping[str, Scorer], config: RunConfig) -> None:
    reading = next((name for name, scorer in chosen.items() if scorer.reads_text), None)
    check_words(chosen, config)
    if reading and not config.text:
        raise ConfigError(
            f"scorers: {reading} reads the prompts' text, and this run kept none (--no-text)",
            hint="'llmood run' scores with it while it has the text",
        )


def _check_captured(chosen: Mapping[str, Scorer], observations: Observations, folder: RunFolder) -> None:
    for name, scorer in chosen.items():
        for spec in all_needs([scorer]):
            for needed in compared(spec) if by_words(spec) else (spec,):
                if not observations.has(spec) and not observations.has(needed):
                    raise ConfigError(
                        f"scorers: {name} needs {needed.id}, which {folder.path} didn't capture",
                        hint="'llmood run' with that scorer in the configuration captures it",
                    )
