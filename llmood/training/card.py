"""What an adapter was made of, for a program (`training.json`) and for a person (`README.md`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

import yaml

from llmood.engines.folders import is_folder_name
from llmood.markdown import code, one_line, plain, table
from llmood.records import Reject
from llmood.tasks import LoadedTask
from llmood.training.examples import Examples
from llmood.training.loop import History
from llmood.training.outputs import Output
from llmood.training.plan import TuningPlan

SCHEMA_VERSION = 1
PACKAGES = ("llmood", "torch", "transformers", "peft", "accelerate", "numpy", "tokenizers")
# What the hub takes for a language: a code, with a script or a region behind it.
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def make_record(
    plan: TuningPlan, output: Output, history: History, rejects: Sequence[Reject]
) -> dict[str, Any]:
    """All that there is to know of a finished adapter, as JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "base": {"name": plan.base.name, "commit": plan.base.commit, "digest": plan.base.digest},
        "profile": plan.config.finetune.profile,
        "settings": {
            **plan.settings.model_dump(mode="json"),
            "targets": plan.targets,
            "dtype": plan.dtype,
        },
        "seed": output.seed,
        "limit": plan.config.limit,
        "data": [_data(plan.task), *(_data(task, rows) for task, rows in plan.mixed)],
        "train": _counts(plan.train),
        "validation": _counts(plan.validation),
        "rejects": [asdict(reject) for reject in rejects],
        "loss": {
            "before": history.before,
            "epochs": [asdict(epoch) for epoch in history.epochs],
            "best": asdict(history.best),
        },
        "steps": history.step,
        "seconds": round(history.seconds, 1),
        "device": plan.device,
        "versions": _versions(),
    }


def _data(task: LoadedTask, mixed: int | None = None) -> dict[str, Any]:
    spec = task.spec
    return {
        "task": spec.name,
        "version": spec.version,
        "description": spec.description,
        "licence": spec.licence,
        "citation": spec.citation,
        "homepage": spec.homepage,
        "language": spec.language,
        "source": task.source,
        "samples": {split: len(samples) for split, samples in task.samples.items()},
        "carved": dict(task.carved),
        "mixed_rows": mixed,
    }


def _counts(examples: Examples) -> dict[str, Any]:
    return {
        "rows": len(examples.rows),
        "tokens": examples.tokens,
        "learned_tokens": examples.learned,
        "longest": examples.longest,
        "pictures": examples.pictures,
        "left_out": dict(examples.left_out),
        "digest": examples.digest,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def make_card(record: Mapping[str, Any]) -> str:
    """The model card of a record: front matter for the hub, then tables.

    What a task's or a model's files say stays words: it can open no front matter, no table and no HTML.
    """
    return f"---\n{yaml.safe_dump(_front_matter(record), sort_keys=False, allow_unicode=True)}---\n\n{_body(record)}"


def _front_matter(record: Mapping[str, Any]) -> dict[str, Any]:
    front: dict[str, Any] = {
        "base_model": one_line(_short(record["base"]["name"])),
        "library_name": "peft",
        "tags": ["lora", "llmood"],
    }
    named = {data["language"] for data in record["data"] if data["language"]}
    languages = sorted(language for language in named if LANGUAGE.fullmatch(language))
    # The hub's `license` is the adapter's own, which is its maker's to say; the data's stands in the table below.
    return {**front, **({"language": languages} if languages else {})}


def _body(record: Mapping[str, Any]) -> str:
    names = " and ".join(plain(data["task"]) for data in record["data"])
    loss, best = record["loss"], record["loss"]["best"]
    parts = [
        f"# LoRA adapter of {plain(_short(record['base']['name']))}, tuned on {names}",
        _headline(loss),
        *([] if best["validation_loss"] < loss["before"] else [NO_HELP]),
        "## Data",
        *(_data_text(data) for data in record["data"]),
        table(
            ("", "rows", "tokens", "of them learned", "longest", "left out"),
            [_counts_row(split, record[split]) for split in ("train", "validation")],
        ),
        "## Loss",
        table(
            ("epoch", "training", "validation"),
            [
                ("before", "", f"{loss['before']:.4f}"),
                *(
                    (
                        f"{epoch['epoch']}{' (kept)' if epoch['epoch'] == best['epoch'] else ''}",
                        f"{epoch['training_loss']:.4f}",
                        f"{epoch['validation_loss']:.4f}",
                    )
                    for epoch in loss["epochs"]
                ),
            ],
        ),
        LOSS_MEANS,
        "## Settings",
        table(
            ("setting", "value"), [(name, plain(_shown(value))) for name, value in _settings(record).items()]
        ),
        _base(record["base"]),
        "Versions: " + ", ".join(f"{name} {number}" for name, number in record["versions"].items()) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _short(name: str) -> str:
    """A hub name as it is; of a folder the last part, for where it lies is nobody else's business."""
    return PurePath(name).name if is_folder_name(name) else name


def _headline(loss: Mapping[str, Any]) -> str:
    best = loss["best"]
    return (
        f"Validation loss {best['validation_loss']:.4f} a token (epoch {best['epoch']}, the best of "
        f"{len(loss['epochs'])}), {loss['before']:.4f} before tuning."
    )


def _base(base: Mapping[str, Any]) -> str:
    name, commit = plain(_short(base["name"])), plain(base["commit"] or "unknown")
    return f"Base model: {name}, commit {commit}, digest of its files {code(base['digest'])}."


LOSS_MEANS = (
    "Mean negative log-likelihood of a learned token, natural logarithm. The training loss is the epoch's while it "
    "learned, with dropout."
)
NO_HELP = "**Tuning did not lower the validation loss.** Change the rate, or train on more data."


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "profile": record["profile"],
        **record["settings"],
        "seed": record["seed"],
        "limit": record["limit"],
        "steps": record["steps"],
        "device": record["device"],
    }


def _data_text(data: Mapping[str, Any]) -> str:
    mixed = "" if data["mixed_rows"] is None else f", {data['mixed_rows']} rows of its train mixed in"
    description = plain(data["description"] or "no description")
    lines = [f"- **{plain(data['task'])}**, version {data['version']}{mixed}: {description}"]
    about = ("licence", "citation", "homepage", "language")
    lines += [f"  - {name}: {plain(data[name] or 'not stated')}" for name in about]
    lines.append(f"  - source: {_source(data['source'])}")
    splits = ", ".join(f"{split} {count}" for split, count in data["samples"].items())
    carved = "".join(f"; {split} carved from {origin}" for split, origin in data["carved"].items())
    lines.append(f"  - splits: {splits}{carved}")
    return "\n".join(lines)


def _source(source: Mapping[str, Any]) -> str:
    """A task's source in words: files with their digests, or a hub repository with its commit."""
    files = source.get("files")
    if isinstance(files, Mapping):
        return ", ".join(f"{plain(file['name'])} ({code(file['digest'])})" for file in files.values())
    said = [f"{key} {value}" for key, value in source.items() if value is not None]
    return plain(", ".join(said) or "not stated")


def _counts_row(split: str, counts: Mapping[str, Any]) -> tuple[str, ...]:
    left_out = plain(", ".join(f"{count} {reason}" for reason, count in counts["left_out"].items()))
    numbers = (str(counts[name]) for name in ("rows", "tokens", "learned_tokens", "longest"))
    return (split, *numbers, left_out or "none")


def _shown(value: Any) -> str:
    if value is None:
        return "default"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
