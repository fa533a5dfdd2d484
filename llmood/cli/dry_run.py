"""`llmood run --dry-run`: what would be run, and how long it may take."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmood.cli.terminal import print_json, print_table, say
from llmood.config_file import load_config
from llmood.forecast import Comparing, Forecast, forecast, forecast_comparing
from llmood.plan import Plan
from llmood.planning import make_plan
from llmood.records import BACKGROUND, EVALUATED
from llmood.run_folder import RunFolder, default_folder
from llmood.sharding import Cut, Shard, cut
from llmood.tokenise import PlannedTask

PROMPTS_SHOWN = 2
PROMPT_CHARACTERS = 300


def print_dry_run(
    config: str,
    overrides: list[str],
    include: list[Path],
    output_dir: Path | None,
    *,
    as_json: bool,
    shard: Shard | None = None,
) -> None:
    """Resolve and check everything that a run would, load no model, and print what it found."""
    parsed, folder, name = load_config(config, overrides)
    target = RunFolder(output_dir or default_folder(parsed, name))
    target.claim(parsed)
    if shard is not None:
        target.shard(shard.index, shard.count).claim(parsed)
    plan = make_plan(parsed, folder=folder, include=include)
    own = None if shard is None else cut(plan, shard)
    planned = plan if own is None else own.plan
    costs, comparing = forecast(planned), forecast_comparing(planned)
    if as_json:
        found = {
            "run": str(target.path),
            "engine": {"kind": plan.engine.kind, "why": plan.engine_why},
            "tasks": _tasks_json(plan),
            "captures": [asdict(cost) for cost in costs],
            "comparing": [asdict(cost) for cost in comparing],
        }
        print_json(found if own is None else {**found, "shard": _shard_json(own)})
        return
    _print_tasks(plan)
    if own is not None:
        say(f"of these, shard {shard}: {own.described['samples']} of {own.described['of']} samples read\n")
    print_captures(costs)
    print_comparing(comparing)
    say(f"engine: {plan.engine.kind} ({plan.engine_why})")
    say(f"scorers: {', '.join(plan.scorers)}")
    say(f"run folder: {target.path}")
    for check in plan.foreseen():
        say(f"{check.severity}: {check.detail}")
    if plan.rejects:
        first = plan.rejects[0]
        say(
            f"warning: {len(plan.rejects)} rows can't be read, the first: {first.file}:{first.line}: {first.reason}"
        )


def _shard_json(own: Cut) -> dict[str, Any]:
    return {key: own.described[key] for key in ("index", "count", "samples", "of")}


def _print_tasks(plan: Plan) -> None:
    header = ["task", "population", "shift", "samples", "tokens", "longest", "rejects"]
    tokens = _tokens_by_task(plan)
    rows = [
        [
            task.name,
            task.population,
            task.shift,
            str(len(task.samples)),
            str(sum(tokens[task.name])),
            str(max(tokens[task.name], default=0)),
            str(len(task.loaded.rejects)),
        ]
        for task in plan.read
    ]
    print_table(header, rows)
    both = [task for task in plan.tasks if _is_joint(task)]
    if both:
        samples = sum(len(task.samples) for task in both)
        say(f"grid: {len(both)} of these have corrupted pictures and words at once, {samples} samples")
    for task in plan.tasks:
        if task.calibrated:
            say(f"calibration: {len(task.calibration)} further samples of {task.name} are scored")
    say()
    for task in plan.read:
        if _is_joint(task):
            continue  # its words are those of the words' corruption alone
        for prompt in _prompts(plan, task):
            say(f"--- {task.name}\n{prompt}")
    say("---\n")


def _is_joint(task: PlannedTask) -> bool:
    return task.corruptions is not None and task.corruptions.is_joint


def print_captures(costs: list[Forecast]) -> None:
    """The table of captures, and the time they may take together."""
    header = ["capture", "requests", "in store", "tokens to run", "about"]
    rows = [
        [
            cost.capture,
            str(cost.requests),
            "?" if cost.cached is None else str(cost.cached),
            str(cost.tokens),
            f"{duration(cost.seconds)}{'' if cost.measured else ' (guessed)'}",
        ]
        for cost in costs
    ]
    print_table(header, rows)
    say(f"in all about {duration(sum(cost.seconds for cost in costs))}, metrics and report not counted")


def print_comparing(comparing: list[Comparing]) -> None:
    """What comparing answers takes at most, beside that time."""
    for cost in comparing:
        most = f"at most {cost.most}" if cost.most is not None else "an unknown number of"
        say(f"comparing, not in that time: {most} {cost.reads} for {cost.capture}")


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _tokens_by_task(plan: Plan) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {task.name: [] for task in plan.read}
    columns = (plan.samples[name].to_pylist() for name in ("task", "split", "prompt_tokens"))
    for name, split, count in zip(*columns, strict=True):
        if split in (EVALUATED, BACKGROUND):
            found[name].append(count)
    return found


def _prompts(plan: Plan, task: PlannedTask) -> list[str]:
    # With --no-text a terminal is a place too where prompts don't belong: it may be a pipeline's log.
    column = "prompt" if plan.config.text else "prompt_hash"
    names, prompts = plan.samples["task"].to_pylist(), plan.samples[column].to_pylist()
    chosen = [prompt for name, prompt in zip(names, prompts, strict=True) if name == task.name][
        :PROMPTS_SHOWN
    ]
    return [text if len(text) <= PROMPT_CHARACTERS else text[:PROMPT_CHARACTERS] + " …" for text in chosen]


def _tasks_json(plan: Plan) -> list[dict[str, Any]]:
    tokens = _tokens_by_task(plan)
    return [
        {
            "name": task.name,
            "population": task.population,
            "shift": task.shift,
            "corruptions": None if task.corruptions is None else asdict(task.corruptions),
            "samples": len(task.samples),
            "calibration": len(task.calibration),
            "tokens": sum(tokens[task.name]),
            "longest": max(tokens[task.name], default=0),
            "rejects": len(task.loaded.rejects),
            "prompts": _prompts(plan, task),
        }
        for task in plan.read
    ]
