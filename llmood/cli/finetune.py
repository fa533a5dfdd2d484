"""`llmood finetune`: base model and ID task → adapter."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmood.cli import options
from llmood.cli.errors import FAILED, reader_may_leave
from llmood.cli.terminal import print_json, print_table, say
from llmood.errors import ConfigError

if TYPE_CHECKING:
    from llmood.records import Reject
    from llmood.training.plan import TuningPlan
    from llmood.tuning import Tuned

NAME = "finetune"
EPILOG = """Examples:

  llmood finetune mine.yaml --profile small

  llmood finetune mine.yaml --seeds 0,1,2 --set finetune.epochs=3

  llmood finetune configs/clinc150.yaml --set models.base=FOLDER -o adapters/clinc150 --dry-run
"""
PROFILES = (
    "Settings to start from: 'default' for models of 1 to 8 billion parameters, 'small' for some millions."
)
# Operations a parameter and token: forward, and back through the activations; once more forward where they aren't kept.
OPERATIONS = {False: 4.0, True: 6.0}


def command(
    config: Annotated[str, typer.Argument(help="A YAML file, or the name of a built-in configuration.")],
    profile: Annotated[
        Literal["default", "small"] | None, typer.Option(help=PROFILES, rich_help_panel=options.INPUT)
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="One adapter each: 0,1,2.", metavar="K,…", rich_help_panel=options.INPUT),
    ] = None,
    sets: options.Set = None,
    limit: options.Limit = None,
    seed: options.Seed = None,
    include_path: options.IncludePath = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            help="The adapter's folder, by default the one that models.tuned names.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    as_json: options.AsJson = False,
    no_text: options.NoText = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be trained, and how long it may take; load no model."),
    ] = False,
) -> None:
    """Tune a LoRA adapter on a configuration's ID task, or go on with it where it stopped."""
    from llmood.cli.progress import Bars
    from llmood.config_file import load_config
    from llmood.training.outputs import named_adapters
    from llmood.tuning import finetune, plan_finetune

    overrides = options.overrides_of(sets, limit=limit, seed=seed, no_text=no_text)
    overrides += [f"finetune.profile={profile}"] if profile else []
    if seeds is not None:
        if not seeds.strip():
            raise ConfigError("--seeds: names no seed", hint="write --seeds 0,1,2, or leave it out")
        overrides.append(f"finetune.seeds=[{seeds}]")
    include = include_path or []
    if dry_run:
        plan = plan_finetune(config, output_dir=output_dir, overrides=overrides, include=include)
        _print_plan(plan, as_json=as_json)
        return
    made = finetune(config, output_dir=output_dir, overrides=overrides, include=include, progress=Bars())
    named = named_adapters(load_config(config, sets or [])[0])
    other = [] if [tuned.name for tuned in made] == named else made
    following = next_command(config, other, sets or [], include, no_text=no_text)
    rejects = made[0].rejects
    with reader_may_leave():
        if as_json:
            shown = [asdict(reject) for reject in rejects]
            print_json({"adapters": [_json(tuned) for tuned in made], "rejects": shown, "next": following})
        else:
            _print_made(made)
            _print_rejects(rejects)
            say(f"\nnext: {following}")
    if rejects:
        raise typer.Exit(FAILED)


def next_command(
    config: str,
    adapters: Sequence[Tuned],
    sets: Sequence[str],
    include: Sequence[Path],
    *,
    no_text: bool = False,
) -> str:
    """The `llmood run` that reads what was made; `adapters`: those that the configuration doesn't name itself."""
    words = ["llmood", "run", config]
    for text in sets:
        key = text.partition("=")[0].strip()
        if not key.startswith("finetune.") and not (adapters and key.startswith("models.tuned")):
            words += ["--set", text]
    if len(adapters) == 1:
        words += ["--set", f"models.tuned.adapter={adapters[0].name}"]
    elif adapters:
        listed = ", ".join("{adapter: " + _yaml(tuned.name) + "}" for tuned in adapters)
        words += ["--set", f"models.tuned=[{listed}]"]
    for folder in include:
        words += ["--include-path", str(folder)]
    words += ["--no-text"] if no_text else []
    return shlex.join(words)


def _yaml(text: str) -> str:
    """A text as YAML reads it within a list."""
    import json

    plain = all(character.isalnum() or character in "/._-" for character in text)
    return text if plain and not text.startswith("-") else json.dumps(text)


def _json(tuned: Tuned) -> dict[str, Any]:
    return {"name": tuned.name, "folder": str(tuned.folder), "made": tuned.made, **tuned.record}


def _print_made(made: Sequence[Tuned]) -> None:
    say("validation loss a token\n")
    epochs = made[0].record["settings"]["epochs"]
    header = ["adapter", "seed", "before", *(f"epoch {epoch + 1}" for epoch in range(epochs)), "best", ""]
    rows = []
    for tuned in made:
        loss = tuned.record["loss"]
        rows.append(
            [
                str(tuned.folder),
                str(tuned.record["seed"]),
                f"{tuned.loss_before:.4f}",
                *(f"{epoch['validation_loss']:.4f}" for epoch in loss["epochs"]),
                f"{tuned.loss:.4f}",
                "" if tuned.made else "was there already",
            ]
        )
    print_table(header, rows)
    for split in ("train", "validation"):
        for reason, count in made[0].left_out[split].items():
            say(f"warning: {count} texts of {split} were left out: {reason}")
    for tuned in made:
        if tuned.loss >= tuned.loss_before:
            say(f"warning: {tuned.folder}: tuning did not lower the validation loss")


def _print_rejects(rejects: Sequence[Reject]) -> None:
    if rejects:
        first = rejects[0]
        say(
            f"warning: {len(rejects)} rows can't be read, the first: {first.file}:{first.line}: {first.reason}"
        )


def _print_plan(plan: TuningPlan, *, as_json: bool) -> None:
    from llmood.cli.dry_run import duration
    from llmood.tuning import rejects_of

    seconds = estimate(plan)
    if as_json:
        print_json(
            {
                "adapters": [
                    {
                        "name": output.name,
                        "folder": str(output.folder),
                        "seed": output.seed,
                        "there": plan.folder(output).record is not None,
                    }
                    for output in plan.outputs
                ],
                "splits": {
                    split: {
                        "rows": len(examples.rows),
                        "tokens": examples.tokens,
                        "learned_tokens": examples.learned,
                        "longest": examples.longest,
                        "pictures": examples.pictures,
                        "left_out": dict(examples.left_out),
                    }
                    for split, examples in (("train", plan.train), ("validation", plan.validation))
                },
                "steps": plan.steps,
                "settings": {**plan.settings.model_dump(mode="json"), "targets": plan.targets},
                "seconds": seconds,
                "rejects": len(rejects_of(plan)),
            }
        )
        return
    print_table(
        ["split", "texts", "tokens", "of them learned", "pictures", "longest", "left out"],
        [
            [
                split,
                str(len(examples.rows)),
                str(examples.tokens),
                str(examples.learned),
                str(examples.pictures),
                str(examples.longest),
                ", ".join(f"{count} {reason}" for reason, count in examples.left_out.items()) or "0",
            ]
            for split, examples in (("train", plan.train), ("validation", plan.validation))
        ],
    )
    settings = plan.settings
    say(f"\n{settings.epochs} epochs, {plan.steps} steps of up to {settings.batch_size} texts an adapter")
    targets = plan.targets if isinstance(plan.targets, str) else ", ".join(plan.targets)
    if settings.targets is None and plan.base.sees:
        targets += ", of its language model alone"
    say(f"LoRA of rank {settings.rank} on {targets}; base {plan.base.name} in {plan.dtype} on {plan.device}")
    for output in plan.outputs:
        there = ", there already" if plan.folder(output).record is not None else ""
        say(f"adapter: {output.folder} (seed {output.seed}{there})")
    say(f"in all about {duration(seconds)} (guessed from the size)")
    _print_rejects(rejects_of(plan))


def estimate(plan: TuningPlan) -> float:
    """A guess of the seconds that the adapters which are not there yet take, from the model's size."""
    import math

    from llmood.forecast import GUESSED_FLOPS

    device = plan.device.split(":")[0]
    parameters = sum(math.prod(shape) for shape in plan.base.shapes().values())
    twice = plan.settings.gradient_checkpointing
    operations = OPERATIONS[device != "cpu" if twice is None else twice]
    learning = operations * plan.settings.epochs * plan.train.tokens
    reading = 2.0 * (plan.settings.epochs + 1) * plan.validation.tokens
    rate = GUESSED_FLOPS.get(device, GUESSED_FLOPS["cpu"])
    missing = sum(plan.folder(output).record is None for output in plan.outputs)
    return missing * parameters * (learning + reading) / rate
