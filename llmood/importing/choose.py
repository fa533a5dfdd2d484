"""Which scorers can be computed from what was imported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from llmood.config import RunConfig
from llmood.engines.captures import EQUIVALENCE, all_needs, by_words, given_for, serves
from llmood.errors import ConfigError
from llmood.records import CaptureSpec, Check
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.baselines import BASELINES
from llmood.scorers.choose import make_scorers
from llmood.scorers.combined import Combination
from llmood.scorers.on_adapter import reads_adapter
from llmood.scoring import check_background

# The first that is there is the report's headline.
FIRST = ("likelihood_ratio", "likelihood", "perplexity")

# A list of English words: alone it would look as if there were something to go by.
BY_NAME = ("linguistic_confidence",)
SETTINGS: Mapping[str, Any] = {"generations": {}, "response": {}}  # of answers that were made somehow

PROMPT_LOGPROBS = (
    "prompt_logprobs, the log-probability of each prompt token (log it where the model runs: vLLM has "
    "prompt_logprobs, completions APIs echo with logprobs; a column of another name is given by --field "
    "prompt_logprobs=COLUMN)"
)
ANSWER_LOGPROBS = (
    "for scorers of the answers, response_alone_logprobs, or response_logprobs beside prompt_logprobs "
    "(prompt_response_logprobs: both in one list)"
)


def default_scorers(
    captures: Collection[str],
    roles: Collection[str],
    splits: Collection[str],
    *,
    text: bool,
    absent: Collection[tuple[str, str]] = (),
) -> list[str]:
    """Every registered scorer that has all it needs, in a sensible order; `length` where there is none.

    Args:
        captures: the ids of what there is.
        roles: the models that were imported.
        splits: those of the ID task.
        text: whether the run keeps the prompts: without them some could not be scored again.
        absent: (kind, column) of numbers a token that no sample has all of.
    """
    found = []
    for name, entry in scorers:
        scorer = entry.make(**SETTINGS)
        fitted = scorer.fitted_on is None or scorer.fitted_on in splits
        readable = _readable(scorer) if text else not (scorer.reads_text or scorer.reads_answers)
        # Combinations are asked for by what they join.
        own = name not in (*BASELINES, *BY_NAME) and not isinstance(scorer, Combination)
        wanted = own and fitted and readable
        if (
            wanted
            and not set(scorer.token_columns.items()) & set(absent)
            and not _missing(scorer, captures, roles)
        ):
            found.append(name)
    return sorted(found, key=_order) or ["length"]


def no_scorer(task: str, captures: Sequence[str], *, text: bool) -> Check:
    """What is to be said where `default_scorers` found none.

    Args:
        task: the ID task.
        captures: the ids of what there is, which is not enough.
        text: as there.
    """
    made = {name: entry.make(**SETTINGS) for name, entry in scorers if "." not in name}  # without variants
    learning = [
        name
        for name, scorer in made.items()
        if scorer.fitted_on == "train" and not all_needs([scorer]) and (text or not scorer.reads_text)
    ]
    ways = [PROMPT_LOGPROBS, ANSWER_LOGPROBS]
    if learning:
        ways.append(f"rows of {task} to learn from, of split train, for {', '.join(learning)} (--train FILE)")
    alone = f" What was read ({', '.join(captures)}) feeds none by itself." if captures else ""
    detail = (
        "No scorer could be made of these rows: there are only the baselines (length, random, constant), which tell "
        f"nothing.{alone} Missing: {'; or '.join(ways)}."
    )
    return Check("no_scorer", "warning", "No scorer", detail, task)


def check_scorers(
    config: RunConfig, captures: Collection[str], source: str, background: str | None = None
) -> dict[str, Scorer]:
    """The scorers of a configuration.

    Args:
        background: the one whose rows there are.

    Raises:
        ConfigError: one needs what the file doesn't give.
    """
    chosen = make_scorers(config)
    check_background(chosen, background, source)
    for name, scorer in chosen.items():
        missing = [spec.id for spec in given_for(all_needs([scorer])) if not _gives(captures, spec)]
        if missing:
            raise ConfigError(f"scorers: {name} needs {missing[0]}, and nothing in {source} gives it")
    return chosen


def _gives(captures: Collection[str], spec: CaptureSpec) -> bool:
    """Whether there is that capture, or a response that has more."""
    return spec.id in captures or any(serves(CaptureSpec.from_id(name), spec) for name in captures)


def _readable(scorer: Scorer) -> bool:
    """Whether what it compares takes no tokenizer and no model, which an import doesn't have."""
    return all(by_words(spec) for spec in all_needs([scorer]) if spec.kind == EQUIVALENCE)


def _missing(scorer: Scorer, captures: Collection[str], roles: Collection[str]) -> list[str]:
    adapters = [role for role in roles if role.startswith("tuned:")] if reads_adapter(scorer) else []
    needed = [
        spec.on_adapter(role).id for role in ("tuned", *adapters) for spec in given_for(all_needs([scorer]))
    ]
    return [capture for capture in needed if capture not in captures]


def _order(name: str) -> tuple[int, str, int, str]:
    family = name.partition(".")[0]
    return FIRST.index(family) if family in FIRST else len(FIRST), family, name.count("."), name
