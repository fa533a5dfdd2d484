"""`llmood doctor --engine`: what an engine can record, and hence which scorers it can serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llmood.cli.terminal import print_json, print_table, say
from llmood.config import EngineConfig, Models, RunConfig
from llmood.config_file import load_config
from llmood.engines.base import EMBEDDING, ENCODER, engines, why_never
from llmood.engines.captures import required_captures, richest_response
from llmood.engines.choose import choose_engine
from llmood.engines.encoder import EncoderEngine
from llmood.engines.server.survey import served_names
from llmood.errors import ConfigError
from llmood.records import CaptureSpec
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.choose import make_scorers
from llmood.scorers.states import ROLES as STATES
from llmood.strict import Strict, parse
from llmood.yaml_files import apply_overrides

Lacks = Callable[[CaptureSpec], str | None]
PARAMS = {"response": {"max_new_tokens": 64}}


class Found(NamedTuple):
    """One line of a table."""

    what: str
    served: str  # yes or no
    why_not: str


class Asked(Strict):
    """The two sections of a configuration that name an engine and its models."""

    engine: EngineConfig
    models: Models = Models()


def show_engine(target: str, model: str | None, sets: Sequence[str], *, as_json: bool) -> None:
    """Print what an engine can serve. Only a server is asked; nothing is loaded.

    Args:
        target: a configuration, an engine's kind, or a server's address.
        model: the name that a server serves it by, where the target is an address.

    Raises:
        ConfigError: it is none of these, or the server serves no such model.
        EngineError: the server can't be asked.
    """
    kind, roles, lacks = _engine(target, model, sets)
    captures, served = list(_captures(roles, lacks)), list(_scorers(roles, lacks))
    if as_json:
        rows = {"captures": captures, "scorers": served}
        print_json(
            {"engine": kind, **{name: [line._asdict() for line in lines] for name, lines in rows.items()}}
        )
        return
    print_table([f"capture ({kind})", "served", "why not"], captures)
    say()
    print_table(["scorer", "served", "why not"], served)


def _engine(target: str, model: str | None, sets: Sequence[str]) -> tuple[str, tuple[str, ...], Lacks]:
    """An engine's kind, the roles of its models, and what it lacks."""
    if target.startswith(("http://", "https://")):
        return _server(_address(target, model, sets), None)
    if model is not None:
        raise ConfigError(
            "--model: goes with a server's address", hint="a configuration names its models itself"
        )
    if target == ENCODER and not Path(target).exists():
        return ENCODER, (ENCODER,), _or_encoder(None)
    if target in engines and not Path(target).exists():
        return target, ("base", "tuned"), _lacking(target, ("base", "tuned"))
    config, folder, _ = load_config(target, sets)
    encoder = () if config.models.encoder is None else (ENCODER,)
    if encoder and config.models.base is None and config.models.tuned is None:
        return ENCODER, encoder, _or_encoder(None)
    captures = _captures_of(list(make_scorers(config).values()))
    kind = choose_engine(config.engine, [spec for spec in captures if spec.model != ENCODER]).kind
    roles = tuple(config.models.by_role)
    if kind == "openai":
        kind, roles, lacks = _server(config, folder)
    else:
        lacks = _lacking(kind, roles)
    return kind, (*roles, *encoder), _or_encoder(lacks) if encoder else lacks


def _address(url: str, model: str | None, sets: Sequence[str]) -> Asked:
    """An address as a configuration; the one model is base and tuned, whichever a scorer asks for."""
    data = {"engine": {"kind": "openai", "server": {"url": url}}}
    asked = parse(Asked, apply_overrides(data, sets), place="--set")
    if model is None and asked.engine.server is not None:
        names = served_names(asked.engine.server)
        if len(names) != 1:
            raise ConfigError(
                "--model: which one?", hint=f"{url} serves {', '.join(names) or 'no list of models'}"
            )
        (model,) = names
    return asked.model_copy(update={"models": Models.model_validate({"base": model, "tuned": model})})


def _server(config: RunConfig | Asked, folder: Path | None) -> tuple[str, tuple[str, ...], Lacks]:
    engine = engines.get("openai")(config.engine, config.models, folder)
    return engine.kind, engine.roles, engine.lacks


def _lacking(kind: str, roles: Sequence[str]) -> Lacks:
    """What an engine of this kind lacks whatever its models are."""
    engine = engines.get(kind, place="engine.kind")

    def lacks(spec: CaptureSpec) -> str | None:
        if spec.model not in roles:
            return f"models.{spec.model} is not configured"
        return why_never(engine, spec)

    return lacks


def _or_encoder(lacks: Lacks | None) -> Lacks:
    """What an encoder lacks, alone or beside the language models of an engine."""

    def either(spec: CaptureSpec) -> str | None:
        if spec.model == ENCODER:
            return None if (spec.kind, spec.fed) in EncoderEngine.captures else "it doesn't record that"
        return f"models.{spec.model} is not configured" if lacks is None else lacks(spec)

    return either


def _captures(roles: Sequence[str], lacks: Lacks) -> Iterator[Found]:
    """Every capture that some engine makes; a line for each role where they differ."""
    pairs = sorted({pair for _, engine in engines for pair in engine.captures})
    spoken = [role for role in roles if role != ENCODER]
    for kind, target in pairs:
        reasons = {role: lacks(CaptureSpec.of(kind, role, target, **PARAMS.get(kind, {}))) for role in spoken}
        if len(set(reasons.values())) == 1:
            yield _line(f"{kind}/{target}", next(iter(reasons.values())))
        else:
            for role, reason in reasons.items():
                yield _line(f"{kind}/{role}/{target}", reason)
    if ENCODER in roles:
        yield _line(f"{EMBEDDING}/{ENCODER}/prompt", lacks(CaptureSpec.of(EMBEDDING, ENCODER)))


def _scorers(roles: Sequence[str], lacks: Lacks) -> Iterator[Found]:
    # Those of one state a sample read that of the models that there are.
    settings: dict[str, Any] = {"states": next((role for role in STATES if role in roles), STATES[0])}
    for name, entry in scorers:
        try:
            needed = _captures_of([entry.make(**settings)])
        except ConfigError as error:  # it can't read that state
            yield _line(name, str(error).removeprefix(f"{name}: "))
            continue
        missing = [(spec, reason) for spec in needed if (reason := lacks(spec)) is not None]
        yield _line(name, f"{missing[0][0].id}: {missing[0][1]}" if missing else None)


def _captures_of(chosen: Sequence[Scorer]) -> list[CaptureSpec]:
    return required_captures(chosen, richest_response(chosen, PARAMS["response"]))


def _line(what: str, reason: str | None) -> Found:
    return Found(what, "yes" if reason is None else "no", reason or "")
