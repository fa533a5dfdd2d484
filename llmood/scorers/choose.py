"""From a configuration's list of scorers to the scorers themselves, of each adapter."""

from __future__ import annotations

from typing import Any

from llmood.config import RunConfig
from llmood.correctness_choice import TASK, Choice
from llmood.drawing_config import CHOSEN
from llmood.errors import ConfigError
from llmood.prompting.same_answer import SAME_ANSWER
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.baselines import BASELINES
from llmood.scorers.on_adapter import OnAdapter, name_on, reads_adapter


def make_scorers(config: RunConfig, *, threshold: float | None = None) -> dict[str, Scorer]:
    """The chosen scorers and the baselines behind them; then those that read the tuned model, of each other adapter.

    Args:
        threshold: that of `equivalence`, where it was chosen on `validation`.

    Raises:
        ConfigError: there is no such scorer, it takes no such argument, or it is asked for twice with two arguments.
    """
    settings = _settings(config, threshold)
    given_to = {
        name: given
        for choice in config.scorers
        if not isinstance(choice, str)
        for name, given in choice.items()
    }

    def make(name: str) -> Scorer:
        """A member of a combination: as the run has it."""
        return scorers.get(name).make(given_to.get(name), **settings)

    settings["make"] = make
    chosen: dict[str, Scorer] = {}
    arguments: dict[str, object] = {}
    for position, choice in enumerate(config.scorers):
        name, given = (choice, {}) if isinstance(choice, str) else next(iter(choice.items()))
        entry = scorers.get(name, place=f"scorers[{position}]")
        if arguments.setdefault(name, given) != given:
            raise ConfigError(
                f"scorers[{position}]: {name} stands there twice, with other arguments",
                hint="make a run of each, and 'llmood compare' them",
            )
        chosen[name] = entry.make(given, **settings)
        # How many draws an import has, its rows tell; only a run that draws can be told here.
        least, drawn = chosen[name].least_draws, config.generations.n
        if config.engine.kind != "imported" and least > drawn:
            raise ConfigError(
                f"scorers[{position}]: {name} compares at least {least} answers to a prompt, and generations.n is "
                f"{drawn}",
                hint=f"set generations.n to {least} or more (10 is usual), or leave {name} out",
            )
    for name in BASELINES:
        chosen.setdefault(name, scorers.get(name).make(**settings))
    others = [role for role in config.models.by_role if role.startswith("tuned:")]
    reading = {name: scorer for name, scorer in chosen.items() if reads_adapter(scorer)}
    return chosen | {
        name_on(name, role): OnAdapter(scorer=scorer, role=role)
        for role in others
        for name, scorer in reading.items()
    }


def _settings(config: RunConfig, threshold: float | None) -> dict[str, Any]:
    """What a run's configuration says of scorers that ask for it by name."""
    drawn = config.generations
    generations = {
        "n": drawn.n,
        "temperature": drawn.temperature,
        "top_p": drawn.top_p,
        "max_new_tokens": drawn.max_new_tokens or config.response.max_new_tokens,
        "top": drawn.top,
        "seed": config.seed,
    }
    imported = config.engine.kind == "imported"  # its draws were made however they were made
    rule = config.equivalence.rule or ("nli" if config.models.nli else "exact")
    question = config.equivalence.question
    reading: dict[str, dict[str, Any]] = {
        "exact": {},
        "numeric": {},
        "nli": {"mode": config.equivalence.mode, "question": True if question is None else question},
        "embedding": {**_chosen(config.equivalence.threshold, threshold), "question": bool(question)},
        "judge": {"prompt": SAME_ANSWER.target, "question": True if question is None else question},
    }
    return {
        "seed": config.seed,
        "response": {} if imported else {"max_new_tokens": config.response.max_new_tokens},
        "generations": {} if imported else generations,
        "equivalence": {"rule": rule, **reading[rule]},
        "states": next(
            (role for role in ("tuned", "base", "encoder") if getattr(config.models, role) is not None),
            "tuned",
        ),
        "hidden_states": config.hidden_states.model_dump(),
        "correctness": _named(config.correctness),
    }


def _named(choice: Choice | None) -> str:
    """What judges answers, on one line; a task's own rule where nothing is chosen."""
    if choice is None or isinstance(choice, str):
        return choice or TASK
    ((name, given),) = choice.items()
    shown = given if isinstance(given, str) else ", ".join(f"{key}={given[key]}" for key in sorted(given))
    return f"{name}({shown})"


def _chosen(configured: float | str, threshold: float | None) -> dict[str, float | str]:
    """The threshold, and where it comes from if it was chosen; before it is, the word stands for it."""
    if configured != CHOSEN or threshold is None:
        return {"threshold": configured}
    return {"threshold": threshold, "chosen_on": CHOSEN}
