"""Which models a server serves, and what it can do for those that a run names."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from llmood.engines.base import Tokenizer
from llmood.engines.server.client import Client
from llmood.engines.server.fingerprint import Seen
from llmood.engines.server.pictures import Sight, probe_pictures
from llmood.engines.server.probe import Abilities, probe_again, probe_ids, probe_of, probe_wire
from llmood.engines.server.problems import RequestError, complaint
from llmood.engines.server.stream import finish
from llmood.errors import ConfigError
from llmood.registry import suggest
from llmood.server_config import ServerConfig

SAID = (
    "root",
    "parent",
    "owned_by",
    "max_model_len",
)  # of a model's card; what else is there differs at each call
NAMES_SHOWN = 12
WITH_VERSION = re.compile(r"/v\d")


@dataclass(frozen=True, slots=True)
class Served:
    """What was found out.

    Attributes:
        cards: what the server says of each model that it serves, by name; None where it has no list.
        abilities: of each model that the run names.
    """

    cards: Mapping[str, Mapping[str, Any]] | None
    abilities: Mapping[str, Abilities]

    def said(self, name: str) -> dict[str, Any]:
        """What the server says of a model, as far as that stays the same while it does."""
        card = (self.cards or {}).get(name, {})
        return {key: card[key] for key in SAID if isinstance(card.get(key), str | int)}

    def context(self, name: str) -> int | None:
        """How many tokens a model can read; an adapter as many as what it sits on."""
        said = self.said(name)
        if "max_model_len" not in said and said.get("parent") != name:
            said |= self.said(str(said.get("parent")))
        found = said.get("max_model_len")
        return found if isinstance(found, int) and found > 1 else None


def survey(server: ServerConfig, names: Mapping[str, str], tokenizer: Tokenizer) -> Served:
    """Ask a server for its models and for what it can do.

    Args:
        names: the model of each role.

    Raises:
        ConfigError: it serves no such model, or refuses the key, or is no such server.
        EngineError: it can't be asked.
    """
    return finish(_survey(server, names, tokenizer))


def served_names(server: ServerConfig) -> list[str]:
    """The names of the models that a server says it serves; none where it doesn't say."""
    return sorted(finish(_listed(server)) or ())


def look_again(
    server: ServerConfig, abilities: Abilities, tokenizer: Tokenizer, context: int | None
) -> Seen | None:
    """What a model gives now for the probe.

    Raises:
        EngineError: it can't be asked.
    """
    return finish(_look_again(server, abilities, probe_of(tokenizer, context)))


def look_at_pictures(server: ServerConfig, abilities: Abilities, tokenizer: Tokenizer) -> Sight:
    """What a model can do with pictures.

    Raises:
        EngineError: the server can't be asked.
    """
    return finish(_look_at_pictures(server, abilities, tokenizer))


async def _look_at_pictures(server: ServerConfig, abilities: Abilities, tokenizer: Tokenizer) -> Sight:
    async with _client(server, before=True) as client:
        return await probe_pictures(client, abilities, tokenizer)


async def _survey(server: ServerConfig, names: Mapping[str, str], tokenizer: Tokenizer) -> Served:
    async with _client(server, before=True) as client:
        found = Served(await _cards(client, server.url), {})
        if found.cards is not None:
            _check_names(server.url, names, found.cards)
        abilities = {
            name: await _abilities(client, server, found, name, tokenizer)
            for name in dict.fromkeys(names.values())
        }
    return Served(found.cards, abilities)


@asynccontextmanager
async def _client(server: ServerConfig, *, before: bool) -> AsyncIterator[Client]:
    """A connection whose problems are told to the user; `before` anything was asked in earnest, as of a set-up."""
    try:
        async with Client(server, first_contact=before) as client:
            yield client
    except RequestError as problem:
        raise complaint(problem, server.url, before=before) from None


async def _abilities(
    client: Client, server: ServerConfig, found: Served, name: str, tokenizer: Tokenizer
) -> Abilities:
    if server.tokenizer is None:
        return await probe_wire(client, name, tokenizer)
    limit = found.context(name)
    return await probe_ids(client, name, tokenizer, None if limit is None else limit - 1)


async def _listed(server: ServerConfig) -> dict[str, Mapping[str, Any]] | None:
    async with _client(server, before=True) as client:
        return await _cards(client, server.url)


async def _cards(client: Client, url: str) -> dict[str, Mapping[str, Any]] | None:
    """What the server says of each model; None where it has no list: whether it knows a name shows when it is asked."""
    try:
        return {card["id"]: card for card in await client.models()}
    except RequestError as problem:
        if problem.status in (404, 405) and not WITH_VERSION.search(url):
            raise ConfigError(
                f"engine.server.url: nothing at {url} speaks OpenAI's protocol ({problem.what} for /models)",
                hint=f"did you mean {url}/v1?",
            ) from None
        if problem.status in (400, 404, 405) or (problem.status is None and not problem.again):
            return None
        raise


async def _look_again(server: ServerConfig, abilities: Abilities, ids: tuple[int, ...]) -> Seen | None:
    async with _client(server, before=False) as client:
        return await probe_again(client, abilities, ids)


def _check_names(url: str, names: Mapping[str, str], cards: Mapping[str, Any]) -> None:
    for role, name in names.items():
        if name in cards:
            continue
        known = sorted(cards)
        listed = ", ".join(known[:NAMES_SHOWN]) + (", …" if len(known) > NAMES_SHOWN else "")
        hint = suggest(name, known)
        raise ConfigError(
            f"models.{role.replace(':', '.')}: {url} serves no '{name}'",
            hint=f"{hint} It serves {listed}"
            if hint.startswith("did")
            else f"it serves {listed or 'nothing'}",
        )
