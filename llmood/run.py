"""`evaluate` makes a run, or one shard of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from llmood import interrupts
from llmood.config import RunConfig
from llmood.config_file import load_config
from llmood.engines.canary import examine
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.errors import ConfigError, StoreError
from llmood.judged import judge_run, settled
from llmood.judging.asked import Said
from llmood.judging.equivalence.compare import compare_all
from llmood.judging.judge_model import replies_of
from llmood.judging.shown import judge_of
from llmood.pieces import explained_captures, pieces_of, write_pieces
from llmood.plan import Plan
from llmood.planning import make_plan
from llmood.progress import Progress
from llmood.records import EVALUATED, FAILED, Reject
from llmood.report import write_report
from llmood.report.kept_pictures import FILE as PICTURES
from llmood.report.kept_pictures import Kept, kept_pictures, write_pictures
from llmood.results import write_judged, write_results
from llmood.run_folder import RunFolder, RunStatus, default_folder
from llmood.runs import Run, ShardRun
from llmood.scorers.base import Scorer
from llmood.sharding import Cut, Shard, cut, outcomes
from llmood.tables import write_table, write_text

WRITING_REPORT = "writing the report"


def evaluate(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    output_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    include: Sequence[Path] = (),
    shard: tuple[int, int] | None = None,
    carry: bool = False,
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Run a configuration, or go on with it where it stopped.

    Args:
        config: a YAML file, a built-in configuration's name, a mapping, or a `RunConfig`.
        output_dir: the run folder; by default `runs/<config name>-<8 hex of the configuration>`.
        overrides: `key.path=value` on top of the configuration.
        include: folders with further tasks and benchmarks.
        shard: (i, n): of n shards only the i-th, counted from 0, and of that only what the models say; `merge` does
            the rest. It lies in the run folder, under `shards`, and what comes back is a `ShardRun`.
        carry: copy the shard's observations into its folder, for a merge where its store can't be read.
        progress: shows how far it is; silent by default.
        command: what to record as the command.

    Raises:
        ConfigError: a mistake found before any model loads; nothing is written.
    """
    if carry and shard is None:
        raise ConfigError("--carry: is for a shard", hint="--shard I/N")
    parsed, folder, name = load_config(config, overrides)
    progress = progress or Progress()
    target = RunFolder(Path(output_dir) if output_dir else default_folder(parsed, name))
    target.claim(parsed)
    part = None if shard is None else Shard(*shard)
    if part is not None:
        target = target.shard(part.index, part.count)
    progress.say("reading tasks")
    plan = make_plan(parsed, folder=folder, include=include)
    progress.say(f"engine: {plan.engine.kind} ({plan.engine_why})")
    own = None if part is None else cut(plan, part)
    with target.locked():
        target.claim(parsed)  # again: another run may have ended here since
        target.claim_content(plan.describe())
        with target.ending(text=parsed.text):
            target.begin(parsed, name, command, **({} if own is None else {"shard": own.described}))
            if own is None:
                status = _execute(plan, target, progress)
            else:
                status = _execute_shard(own, target, progress, carry=carry)
        target.write_manifest(status)
    return Run(target.path) if own is None else ShardRun(target.path)


def conclude(
    target: RunFolder,
    config: RunConfig,
    observations: Observations,
    scorers: Mapping[str, Scorer],
    progress: Progress,
    *,
    judged: pa.Table | None = None,
) -> RunStatus:
    """Write all that follows the observations, and say how the run ended."""
    status = write_results(target, config, observations, scorers, progress, judged=judged)
    progress.say(WRITING_REPORT)
    # Before `run.json` says how the run ended: a folder that is complete holds its report.
    write_report([target.path], target.file("report.html"), status=status)
    return status


def _execute(plan: Plan, target: RunFolder, progress: Progress) -> RunStatus:
    target.write_manifest("running", **plan.describe(), shards=None)
    write_inputs(target, plan.kept_samples, plan.kept_rejects)
    write_pictures(target.file(PICTURES), _pictures(plan))
    store = Store()
    index, said = observe_plan(plan, target, store, progress)
    judged = judge_run(plan, Observations(plan.samples, index, store), said, store)
    plan = settled(plan, index, store, judged, target)
    index = compare_plan(plan, target, store, index, progress)
    # With the words that a scorer may read, also where no file keeps them.
    observations = Observations(plan.samples, index, store)
    return conclude(target, plan.config, observations, plan.scorers, progress, judged=judged)


def _execute_shard(own: Cut, target: RunFolder, progress: Progress, *, carry: bool) -> RunStatus:
    target.write_manifest("running", **own.plan.describe())
    write_inputs(target, own.samples, own.plan.kept_rejects)
    write_pictures(target.file(PICTURES), _pictures(own.plan))
    store = Store()
    index, said = observe_plan(own.plan, target, store, progress)
    index = compare_plan(own.plan, target, store, index, progress)
    # Here, where the words still are: the merge may find none.
    judged = judge_run(own.plan, Observations(own.plan.samples, index, store), said, store)
    write_judged(target, judged)
    if carry:
        gone = Store(target.file("observations")).take(store, set(index["shard"].drop_null().to_pylist()))
        if gone:
            raise StoreError(
                f"observations are missing from the store: {gone[0]}", hint="run the shard again"
            )
    rows = None if judged is None else judged.num_rows
    target.write_manifest("running", observed=outcomes(index), carried=carry, judged=rows)
    # Rows that can't be read are the whole run's: the merge says them, and no shard fails for them.
    return "partial" if FAILED in index["status"].to_pylist() else "complete"


def write_inputs(target: RunFolder, samples: pa.Table, rejects: Sequence[Reject]) -> None:
    """Write what a run is made of: its samples, and the rows that could not be read."""
    write_table(target.file("samples.parquet"), samples)
    write_text(target.file("rejects.jsonl"), "".join(json.dumps(asdict(row)) + "\n" for row in rejects))


def _pictures(plan: Plan) -> dict[str, Kept]:
    """Where the pictures are that the report may show: of what is measured, grades of a family left out."""
    if not plan.config.text:
        return {}
    graded = {task.name for task in plan.tasks if task.family is not None and task.severity is not None}
    tasks = plan.samples["task"].to_pylist()
    return kept_pictures(
        picture
        for prompt, task in zip(plan.prompts, tasks, strict=True)
        if prompt.split == EVALUATED and task not in graded
        for picture in prompt.pictures
    )


def observe_plan(plan: Plan, target: RunFolder, store: Store, progress: Progress) -> tuple[pa.Table, Said]:
    """Capture what the scorers need of engines; where it is, and what the tuned model said."""
    private = not plan.config.text
    observer = Observer(
        plan.engine,
        plan.prompts,
        store,
        private=private,
        splits=plan.splits,
        watch=plan.config.engine.canary,
        judge=judge_of(plan.judging, plan.samples),
        progress=progress,
    )
    try:
        for spec in plan.captures:
            observer.run(spec)
        progress.say("scoring some samples a second way")
        canary = examine(plan.engine, store, observer.watched)
    finally:
        plan.engine.close()
    interrupts.check()
    target.write_manifest("running", canary=canary, shots=observer.shown or None)
    replies = replies_of(plan.config.models)
    said = Said(observer.answers("tuned"), observer.answers(replies.model, replies.target))
    return observer.index(), said


def compare_plan(
    plan: Plan, target: RunFolder, store: Store, index: pa.Table, progress: Progress
) -> pa.Table:
    """Compare the answers that were captured; write and return where all observations are."""
    if plan.comparisons:
        observed = Observations(plan.samples, index, store)
        compared, counts = compare_all(
            plan.comparisons,
            observed,
            store,
            plan.readers.nli,
            progress,
            encoder=plan.readers.encoder,
            judge=plan.readers.judge,
            decoder=lambda role: plan.engine.tokenizer(role).decode,
        )
        index = pa.concat_tables([index, compared])
        target.write_manifest("running", compared=counts)
    write_table(target.file("observations/index.parquet"), index)
    explained = explained_captures(plan.captures)
    decode = plan.engine.tokenizer("tuned").decode if explained and plan.config.text else None
    observed = Observations(plan.samples, index, store)
    write_pieces(target, pieces_of(observed, explained, decode) if decode else {})
    return index
