"""Contamination sweep: tune with m OOD rows mixed in, and see what that does to errors and to detection.

    python scripts/contamination.py                                     # the demo's near questions, some minutes
    python scripts/contamination.py mine.yaml --task other --rows 0 100 1000 -o runs/mine-sweep

Writes `contamination.json` (a record for each m) and `contamination.svg`, and prints the table. Interrupted, the same
command goes on: adapters and runs that are finished stay.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmood.cli.progress import Bars
from llmood.cli.terminal import print_table
from llmood.config_file import load_config
from llmood.engines.captures import required_captures
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError, DataError, LlmoodError
from llmood.judging.exact_match import exact_match
from llmood.records import EVALUATED, CaptureSpec
from llmood.registry import suggest
from llmood.run import evaluate
from llmood.runs import Run
from llmood.scorers.choose import make_scorers
from llmood.tables import INDEX, SAMPLES, read_table, write_json
from llmood.tuning import finetune, plan_finetune

ROOT = Path(__file__).resolve().parents[1]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", type=Path, default=ROOT / "configs" / "contamination.yaml")
    parser.add_argument("--task", default="demo_near", help="whose `train` rows are mixed in")
    parser.add_argument("--rows", type=int, nargs="+", default=[0, 50, 200, 640], help="how many of them")
    parser.add_argument("--scorer", default="likelihood_ratio", help="whose AUROC is shown")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/contamination"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Tune and evaluate for each m, then show them side by side."""
    options = parse(arguments)
    check(options)
    points = [_point(options, rows) for rows in options.rows]
    write_json(options.output / "contamination.json", points)
    _plot(points, options)
    sets = list(points[0]["auroc"])
    print_table(
        ["rows mixed in", "error on ID test", "loss on ID validation", *(f"AUROC {task}" for task in sets)],
        [
            [
                str(point["rows"]),
                f"{point['error']:.3f} (n = {point['n']})",
                f"{point['loss']:.4f}",
                *(_with_interval(point["auroc"][task]) for task in sets),
            ]
            for point in points
        ],
    )
    print(f"{options.output / 'contamination.svg'}")


def check(options: argparse.Namespace) -> None:
    """Find every mistake that can be found before anything is trained.

    Raises:
        ConfigError: no answer would be there to judge, or a scorer, a task or a number of rows is wrong.
    """
    config, _, _ = load_config(options.config, _overrides(options, options.rows[0]))
    scorers = make_scorers(config)
    if options.scorer not in scorers:
        raise ConfigError(
            f"--scorer: '{options.scorer}' is none of the configuration's",
            hint=suggest(options.scorer, scorers),
        )
    captures = required_captures(scorers.values(), {})
    if not any((spec.kind, spec.model) == ("response", "tuned") for spec in captures):
        raise ConfigError(
            f"{options.config}: no scorer needs the tuned model's answers, whose errors are counted",
            hint="add likelihood.response to its scorers",
        )
    for rows in options.rows:
        plan = plan_finetune(options.config, overrides=_overrides(options, rows))
    if not any(sample.references for sample in plan.task.samples[EVALUATED]):
        raise DataError(f"{plan.task.spec.name}: its test rows have no references to judge answers by")


def _overrides(options: argparse.Namespace, rows: int) -> list[str]:
    adapter = (options.output / f"adapter-{rows}").resolve()
    return [
        *options.overrides,
        f"finetune.mix=[{{task: {options.task}, rows: {rows}}}]",
        f"models.tuned.adapter={adapter}",
    ]


def _point(options: argparse.Namespace, rows: int) -> dict[str, Any]:
    overrides = _overrides(options, rows)
    (tuned,) = finetune(options.config, overrides=overrides, progress=Bars())
    folder = options.output / f"run-{rows}"
    run = evaluate(options.config, output_dir=folder, overrides=overrides, progress=Bars())
    right = _right(run)
    if not right:
        raise DataError(f"{folder}: the tuned model gave no answer that could be judged")
    return {
        "rows": rows,
        "error": 1 - sum(right) / len(right),
        "n": len(right),
        "loss": tuned.loss,
        "auroc": {
            record["ood_task"]: {key: record[key] for key in ("value", "ci_low", "ci_high")}
            for record in run.records()
            if record["question"] == "ood_detection"
            and (record["metric"], record["scorer"], record["slice"]) == ("auroc", options.scorer, None)
        },
    }


def _right(run: Run) -> list[bool]:
    """Whether each answered ID test question is answered as a reference says (exact match)."""
    samples = read_table(run.folder / "samples.parquet", SAMPLES)
    index = read_table(run.folder / "observations" / "index.parquet", INDEX)
    specs = [
        CaptureSpec.from_id(text) for text in run.manifest["captures"] if text.startswith("response/tuned/")
    ]
    observations = Observations(samples, index, Store()).of(EVALUATED)
    found = []
    for block in observations.blocks(specs[:1], {"response": ["text"]}):
        columns = (block.samples["population"], block.samples["references"], block[specs[0]]["text"])
        for population, references, answer in zip(*(column.to_pylist() for column in columns), strict=True):
            if population == "id" and answer is not None:
                found.append(exact_match(answer, references).correct)
    return [right for right in found if right is not None]


def _with_interval(record: dict[str, float | None]) -> str:
    if record["ci_low"] is None:
        return "undefined" if record["value"] is None else f"{record['value']:.3f}"
    return f"{record['value']:.3f} [{record['ci_low']:.3f}, {record['ci_high']:.3f}]"


def _plot(points: list[dict[str, Any]], options: argparse.Namespace) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mixed = [point["rows"] for point in points]
    places = range(len(points))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(places, [point["error"] for point in points], marker="o", color="#b2410f")
    left.set(ylabel="error on ID test", ylim=(0, None), title="What tuning is for")
    for task in points[0]["auroc"]:
        found = [point["auroc"][task] for point in points]
        values = [_drawn(record["value"]) for record in found]
        (line,) = right.plot(places, values, marker="o", label=task)
        low, high = ([_drawn(record[key]) for record in found] for key in ("ci_low", "ci_high"))
        right.fill_between(places, low, high, color=line.get_color(), alpha=0.15)
    right.axhline(0.5, color="0.6", linewidth=0.8, linestyle=":")
    right.set(ylabel=f"AUROC of {options.scorer}", ylim=(0, 1.02), title="Detection")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.set(xlabel=f"rows of {options.task} mixed into the tuning data")
        axes.set_xticks(list(places), [str(rows) for rows in mixed])
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(options.output / "contamination.svg")


def _drawn(value: float | None) -> float:
    """NaN, which no line goes through, for what is undefined."""
    return math.nan if value is None else value


if __name__ == "__main__":
    try:
        main()
    except LlmoodError as mistake:
        print(f"contamination: {mistake}", file=sys.stderr)
        raise SystemExit(mistake.exit_code) from None
