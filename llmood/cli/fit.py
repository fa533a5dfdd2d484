"""`llmood fit`: configuration → detector."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmood.cli import options
from llmood.cli.errors import FAILED, reader_may_leave
from llmood.cli.terminal import print_json, say

if TYPE_CHECKING:
    from llmood.detector.detector import Detector
    from llmood.detector.planning import FitPlan, Options

NAME = "fit"
EPILOG = """Examples:

  llmood fit mine.yaml -o detectors/mine

  llmood fit mine.yaml -o detectors/mine --scorer likelihood_ratio --scorer tfidf_knn --false-alarms 0.01

  llmood fit mine.yaml -o detectors/mine --delta 0.1
"""
PROMISE = "What to promise"

Configuration = Annotated[str, typer.Argument(help="A YAML file, or the name of a built-in configuration.")]
Folder = Annotated[
    Path, typer.Option("--output-dir", "-o", help="The detector's folder.", rich_help_panel=options.OUTPUT)
]
Scorers = Annotated[
    list[str] | None,
    typer.Option(
        "--scorer",
        metavar="NAME",
        help="Which scorer; several are combined. By default the configuration's first.",
        rich_help_panel=options.INPUT,
    ),
]
FalseAlarms = Annotated[
    float | None,
    typer.Option(
        help="Of rows like the calibration rows, flag at most this share: 0.05.", rich_help_panel=PROMISE
    ),
]
Delta = Annotated[
    float | None,
    typer.Option(
        help="Keep the promise for all but this share of calibration sets, not only on average over them.",
        rich_help_panel=PROMISE,
    ),
]
WrongAnswered = Annotated[
    float | None,
    typer.Option(
        help="Of all rows like the calibration rows, answer at most this share wrongly (answers are judged).",
        rich_help_panel=PROMISE,
    ),
]
ErrorAmongAnswered = Annotated[
    float | None,
    typer.Option(
        help="Of the answers that are given, at most this share is wrong, for all but delta (or 0.1) of "
        "calibration sets.",
        rich_help_panel=PROMISE,
    ),
]
CalibratorName = Annotated[
    str | None,
    typer.Option(
        help="Makes a confidence of the score, where answers are judged: platt (the default), isotonic, histogram; "
        "logistic of several scorers' scores.",
        rich_help_panel=PROMISE,
    ),
]
KeptQuestions = Annotated[
    int,
    typer.Option(
        metavar="ROWS",
        help="Keep so many calibration questions in the detector, for the page of 'llmood serve' to show beside a "
        "new one. Whoever has the folder can read them.",
        rich_help_panel=options.OUTPUT,
    ),
]


def command(
    config: Configuration,
    output_dir: Folder,
    scorer: Scorers = None,
    false_alarms: FalseAlarms = None,
    delta: Delta = None,
    wrong_answered: WrongAnswered = None,
    error_among_answered: ErrorAmongAnswered = None,
    calibrator: CalibratorName = None,
    keep_questions: KeptQuestions = 0,
    sets: options.Set = None,
    limit: options.Limit = None,
    seed: options.Seed = None,
    include_path: options.IncludePath = None,
    as_json: options.AsJson = False,
    no_text: options.NoText = False,
    dry_run: options.DryRun = False,
) -> None:
    """Fit a detector: the calibration rows of the ID task decide what it flags."""
    from llmood.cli.progress import Bars
    from llmood.detector.fitting import fit_detector
    from llmood.detector.folder import check_free
    from llmood.detector.planning import plan_fit

    chosen: Options = {
        "overrides": options.overrides_of(sets, limit=limit, seed=seed, no_text=no_text),
        "include": include_path or [],
        "scorers": scorer or [],
        "calibrator": calibrator,
        "false_alarms": false_alarms,
        "delta": delta,
        "wrong_answered": wrong_answered,
        "error_among_answered": error_among_answered,
        "keep_questions": keep_questions,
    }
    if dry_run:
        check_free(output_dir)
        _print_plan(plan_fit(config, **chosen), output_dir, as_json=as_json)
        return
    detector = fit_detector(config, **chosen, output_dir=output_dir, progress=Bars())
    with reader_may_leave():
        _print(detector, as_json=as_json)
    if detector.content.data["rejects"]:
        raise typer.Exit(FAILED)


def _print(detector: Detector, *, as_json: bool) -> None:
    from llmood.detector.card import confidence_of
    from llmood.detector.folder import CARD
    from llmood.detector.targets import range_of

    content = detector.content
    if as_json:
        print_json(
            {
                "detector": str(detector.folder),
                "name": content.name,
                "stage": content.stage,
                "scorers": list(content.scorers),
                "thresholds": [threshold.to_json() for threshold in content.thresholds],
                "captures": list(content.captures),
                "data": content.data,
                "questions": len(content.questions),
            }
        )
        return
    data, moment = content.data, "before" if content.stage == "pre" else "after"
    say(f"{content.name}: {', '.join(content.scorers)}, decides {moment} the model answers")
    say(f"fitted on {data['halves']['thresholds']} of {data['rows']} calibration rows of {data['task']}")
    for threshold in content.thresholds:
        say(f"\n{threshold.guarantee}\n{range_of(threshold)}")
    say(f"\nconfidence: {confidence_of(data['confidence'])}")
    for reason, rows in data["unscored"].items():
        say(f"warning: {rows} calibration rows have no score: {reason}")
    if data["rejects"]:
        say(f"warning: {data['rejects']} rows of the task can't be read: 'llmood validate' shows them")
    if detector.folder:
        folder = shlex.quote(str(detector.folder))
        say(f"\ndetector: {detector.folder}\ncard: {detector.folder / CARD}")
        say(f"next: llmood score {folder} FILE -o scored.jsonl, or llmood serve {folder}")


def _print_plan(planned: FitPlan, folder: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    from llmood.cli.dry_run import print_captures, print_comparing
    from llmood.forecast import forecast, forecast_comparing

    plan = planned.plan
    costs, comparing = forecast(plan), forecast_comparing(plan)
    if as_json:
        print_json(
            {
                "detector": str(folder),
                "scorers": list(planned.scorers),
                "calibration": planned.rows,
                "engine": {"kind": plan.engine.kind, "why": plan.engine_why},
                "captures": [asdict(cost) for cost in costs],
                "comparing": [asdict(cost) for cost in comparing],
            }
        )
        return
    print_captures(costs)
    print_comparing(comparing)
    say(f"engine: {plan.engine.kind} ({plan.engine_why})")
    say(f"scorers: {', '.join(planned.scorers)}")
    rows = planned.rows
    say(
        f"calibration rows: {rows.get('calibrators', 0)} for calibrators, {rows.get('thresholds', 0)} for thresholds"
    )
    say(f"detector: {folder}")
