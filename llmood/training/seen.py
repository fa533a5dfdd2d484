"""Was an adapter tuned on the rows that a run takes for `train`?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmood.config import RunConfig
from llmood.engines.folders import ModelFolder
from llmood.errors import ConfigError, DataError
from llmood.finetune_config import PROFILES, Settings
from llmood.records import Check, Sample
from llmood.training.examples import make_examples
from llmood.training.folder import RECORD
from llmood.training.pictures import EndingTokenizer, ending_tokenizer

CODE = "train_is_another"
DECIDING = (
    "loss_on",
    "answers",
    "max_length",
    "end_token",
)  # what of a tuning's settings decides its examples


def compare_train(
    adapters: Mapping[str, ModelFolder],
    base: ModelFolder,
    samples: Sequence[Sample],
    config: RunConfig,
) -> list[Check]:
    """A check of each adapter whose `training.json` has another digest of its examples than these rows give.

    What llmood didn't make, or made with another task's rows mixed in, says nothing of it.

    Args:
        adapters: by role.
        samples: the run's `train`, in its order.
    """
    found = []
    made: dict[tuple[Any, ...], tuple[str, int]] = {}
    tokenizer: EndingTokenizer | None = None
    for role, adapter in adapters.items():
        said = _recorded(adapter)
        if said is None:
            continue
        settings, digest, rows = said
        key = tuple(getattr(settings, name) for name in DECIDING)
        if key not in made:
            tokenizer = tokenizer or ending_tokenizer(base, trust=config.engine.trust_remote_code)
            made[key] = _examples(samples, tokenizer, settings, base, config)
        if made[key][0] != digest:
            found.append(_check(role, adapter.name, rows, made[key][1], samples[0].task))
    return found


def _recorded(adapter: ModelFolder) -> tuple[Settings, str, int] | None:
    """How its examples were made, their digest and number; None where no record says it, or it is damaged."""
    try:
        record = json.loads((adapter.folder / RECORD).read_text(encoding="utf-8"))
        if any(data["mixed_rows"] for data in record["data"]):
            return None
        given = {name: record["settings"][name] for name in DECIDING}
        settings = Settings.model_validate({**PROFILES["default"].model_dump(), **given})
        return settings, str(record["train"]["digest"]), int(record["train"]["rows"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _examples(
    samples: Sequence[Sample],
    tokenizer: EndingTokenizer,
    settings: Settings,
    base: ModelFolder,
    config: RunConfig,
) -> tuple[str, int]:
    """The digest of the examples that these rows give, and how many there are; "" where they can't be made."""
    limits = (settings.max_length, base.context_length, config.engine.max_length)
    try:
        made = make_examples(
            samples,
            tokenizer,
            settings,
            chat=config.chat,
            end_id=tokenizer.end_id if settings.end_token else None,
            longest=min(limit for limit in limits if limit is not None),
        )
    except (ConfigError, DataError):  # no reference, where one was learned
        return "", len(samples)
    return made.digest, len(made.rows)


def _check(role: str, name: str, tuned_on: int, here: int, task: str) -> Check:
    return Check(
        code=CODE,
        severity="warning",
        title="Tuned on other rows",
        detail=(
            f"The adapter {name} ({role}) was tuned on {tuned_on} texts, and the {here} of {task}'s train that scorers "
            "learn from here are others (or a limit, a seed or a template is): what is called train is not what the "
            "model knows, and what it knows may be measured."
        ),
        task=task,
        values={"role": role, "tuned_on": tuned_on, "train": here},
    )
