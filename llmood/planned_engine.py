"""The engine of a plan: made for a configuration's models, and asked whether it can capture what scorers need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from llmood.config import RunConfig
from llmood.engines.base import ENCODER, Engine, engines
from llmood.engines.captures import all_needs, shown_shots
from llmood.engines.choose import able, choose_engine
from llmood.engines.encoder import EncoderEngine, SeeingEncoderTokenizer
from llmood.engines.exits import exit_of
from llmood.engines.layers import layers_of
from llmood.engines.pictures import PictureTokenizer
from llmood.engines.states import states_of
from llmood.engines.with_encoder import WithEncoder
from llmood.errors import ConfigError
from llmood.prompting.judge import JUDGE
from llmood.prompting.same_answer import SAME_ANSWER
from llmood.records import CaptureSpec, Sample
from llmood.scorers.base import Scorer

ALONE = "models.encoder is the only model, and reads words by itself"


def make_engine(
    config: RunConfig, folder: Path | None, captures: Sequence[CaptureSpec]
) -> tuple[Engine, str]:
    """An engine for a configuration's models, which are found and checked; none is loaded.

    Args:
        captures: what it will be asked for. An encoder that none of them asks for is left alone, unless it is all
            that there is.

    Returns:
        (engine, why it is this one).

    Raises:
        ConfigError: there is no model, or the engine takes none.
    """
    if config.engine.kind == "imported":
        raise ConfigError(
            "engine.kind: 'imported' runs no model: its run was made by 'llmood import'",
            hint="'llmood rescore' scores that run again",
        )
    if config.models.base is None and config.models.tuned is None:
        return _alone(config, folder), ALONE
    captures = [spec.plain for spec in captures]
    spoken = [spec for spec in captures if spec.model != ENCODER]
    choice = choose_engine(config.engine, spoken)
    engine = engines.get(choice.kind, place="engine.kind")(config.engine, config.models, folder)
    if config.models.encoder is None or len(spoken) == len(captures):
        return engine, choice.why
    return WithEncoder(engine, EncoderEngine(config.engine, config.models, folder)), choice.why


def _alone(config: RunConfig, folder: Path | None) -> Engine:
    """The encoder of a run that has no language model."""
    if config.models.encoder is None:
        raise ConfigError(
            "models: is empty", hint="name at least models.base, models.tuned or models.encoder"
        )
    if config.engine.kind != "auto":
        engines.get(config.engine.kind, place="engine.kind")
    if config.chat:
        raise ConfigError(
            "chat: an encoder reads the bare words, and this run has no language model",
            hint="leave it out, or name models.base or models.tuned",
        )
    return EncoderEngine(config.engine, config.models, folder)


def check_captures(
    engine: Engine,
    chosen: Mapping[str, Scorer],
    captures: Sequence[CaptureSpec],
    beside: Sequence[CaptureSpec] = (),
) -> None:
    """Refuse what the engine can't capture.

    Args:
        captures: all of them.
        beside: those of them that `emi` asks for.

    Raises:
        ConfigError: a scorer needs it.
    """
    for name, scorer in chosen.items():
        for spec in all_needs([scorer]):
            if spec.model not in engine.roles:
                raise ConfigError(
                    f"scorers: {name} needs models.{spec.model}, which the configuration lacks",
                    hint=f"name one there, or leave {name} out",
                )
    for spec in captures:
        lacking = engine.lacks(spec.plain)
        if lacking is not None:
            others = ", ".join(kind for kind in able(spec) if kind != engine.kind)
            needed_by = _needed_by(spec, chosen, beside)
            raise ConfigError(
                f"{needed_by} needs {spec.id}, which the engine '{engine.kind}' can't capture: {lacking}",
                hint=f"engines that can: {others or 'none'}",
            )
        _check_exit(engine, spec, chosen)
        engine.check(spec.plain)
    for name, scorer in chosen.items():
        _check_layers(engine, name, scorer)


def check_pictures(
    engine: Engine, chosen: Mapping[str, Scorer], captures: Sequence[CaptureSpec], samples: Iterable[Sample]
) -> None:
    """Refuse what would leave pictures out, where a sample has one.

    Raises:
        ConfigError: the engine or a model takes none, or a scorer needs what shows none.
    """
    first = next((sample for sample in samples if sample.pictures), None)
    if first is None:
        return
    reason = engine.refuses_pictures()
    if reason is not None:
        raise ConfigError(
            f"{reason}, and {first.task} has them",
            hint="engine.kind: transformers, vllm or openai, and a model that sees",
        )
    for spec in captures:
        blind = engine.lacks_of_pictures(spec) or _why_blind(engine, spec)
        if blind is not None:
            raise ConfigError(
                f"{_needed_by(spec, chosen)} needs {spec.id}: {blind}, and {first.task} has pictures",
                hint="likelihood, likelihood_ratio, and scorers of the answer alone can see",
            )


def _why_blind(engine: Engine, spec: CaptureSpec) -> str | None:
    """Why a capture would leave pictures out, in words that follow a colon; None where it shows them."""
    if spec.model == ENCODER and not isinstance(engine.tokenizer(ENCODER), SeeingEncoderTokenizer):
        return "models.encoder reads words alone"
    if shown_shots(spec) is not None:
        return "examples in a prompt would stand there without their pictures"
    if spec.model == "judge" and not isinstance(engine.tokenizer("judge"), PictureTokenizer):
        return "models.judge sees no pictures"
    return None


def _check_exit(engine: Engine, spec: CaptureSpec, chosen: Mapping[str, Scorer]) -> None:
    """Refuse an exit that the model doesn't have, or that is its last layer: all scores would be 0, but for rounding.

    Raises:
        ConfigError: it is one of these.
    """
    named, depth = exit_of(spec), engine.depth(spec.model)
    if named is None or depth is None:
        return
    place = f"{_needed_by(spec, chosen)}: exit"
    try:
        found = layers_of(named, depth)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error.args[0]}", hint=error.hint) from None
    if found == (depth,):
        raise ConfigError(
            f"{place}: layer {named} is the model's last, and to that its upper layers add nothing",
            hint=f"name one of 0 to {depth - 1}, or a part of the depth such as 0.5",
        )


def _check_layers(engine: Engine, name: str, scorer: Scorer) -> None:
    """Refuse a layer that a scorer names and the run doesn't keep, or the model doesn't have.

    Raises:
        ConfigError: there is one.
    """
    for spec, layer in scorer.layers_read:
        depth = engine.depth(spec.model)
        if depth is None:
            continue
        try:
            (number,) = layers_of(str(layer), depth)
        except ConfigError as error:
            raise ConfigError(f"scorers: {name}: {error.args[0]}", hint=error.hint) from None
        kept = states_of(spec.plain, depth).layers
        if number not in kept:
            named = str(layer) if str(layer) == str(number) else f"{layer} ({number} of {depth})"
            raise ConfigError(
                f"scorers: {name} reads layer {named}, and the run keeps {', '.join(map(str, kept))}",
                hint=f"add {number} to hidden_states.layers, or read one of these",
            )


def _needed_by(spec: CaptureSpec, chosen: Mapping[str, Scorer], beside: Sequence[CaptureSpec] = ()) -> str:
    """Who asks for a capture, as a message begins."""
    if spec.target == SAME_ANSWER.target:
        return "equivalence.rule: judge"
    if spec.target == JUDGE.target:
        return "correctness:"
    for name, scorer in chosen.items():
        if _needs(scorer, spec):
            return f"scorers: {name}"
    if spec in beside:
        return "emi:"
    responding = any(need.needs_response for need in all_needs(chosen.values()))
    return "scorers: a response scorer" if responding else "correctness:"


def _needs(scorer: Scorer, spec: CaptureSpec) -> bool:
    needs = all_needs([scorer])
    responses = [need for need in needs if need.kind == spec.kind == "response"]
    return spec in needs or any(need.model == spec.model for need in responses)
