"""What a configuration says of a server and of the models that it serves, held to what can be."""

from __future__ import annotations

from llmood.config import Adapter, EngineConfig, FullModel
from llmood.errors import ConfigError
from llmood.server_config import ServerConfig


def server_section(config: EngineConfig) -> ServerConfig:
    """The section `engine.server`.

    Raises:
        ConfigError: it is missing, or says two things that exclude each other.
    """
    server = config.server
    if server is None:
        raise ConfigError("engine.server: is missing", hint="write engine: {kind: openai, server: {url: …}}")
    if server.tokenizer is not None and server.api == "chat":
        raise ConfigError(
            "engine.server.api: 'chat' takes messages, no token ids, and a tokenizer makes ids",
            hint="leave one of the two out",
        )
    if server.tokenizer is None and config.max_length is not None:
        raise ConfigError(
            "engine.max_length: counts tokens, and without engine.server.tokenizer nobody can",
            hint="leave it out, or name the tokenizer",
        )
    return server


def served_name(role: str, model: Adapter | FullModel) -> str:
    """What the server calls the model of a role.

    Raises:
        ConfigError: what is asked for is the server's to decide.
    """
    place = f"models.{role.replace(':', '.')}"
    if isinstance(model, Adapter):
        raise ConfigError(
            f"{place}.adapter: the engine 'openai' can't put an adapter on a server's model",
            hint=f"serve it (vLLM: --lora-modules NAME={model.adapter}) and write {place}: NAME",
        )
    if model.revision is not None:
        raise ConfigError(
            f"{place}.revision: a server serves what it serves: no revision can be asked for",
            hint="leave it out",
        )
    return model.model
