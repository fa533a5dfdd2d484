"""The section `engine.server`: addresses without secrets, and the name of a key's variable, never the key."""

from __future__ import annotations

from typing import Any

import pytest

from llmood.config import EngineConfig, RunConfig
from llmood.errors import ConfigError
from llmood.run_folder import config_hash
from llmood.sameness import BESIDE, deciding
from llmood.server_config import PACING, ServerConfig
from llmood.strict import parse


def engine(**server: Any) -> EngineConfig:
    return parse(
        EngineConfig, {"kind": "openai", "server": {"url": "http://x:8000/v1", **server}}, place="f.yaml"
    )


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/v1", "https://api.example.com/v1/", "http://[::1]:80/v1"]
)
def test_addresses(url: str) -> None:
    server = engine(url=url).server
    assert server is not None
    assert server.url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://x/v1",
        "http://",
        "http://x:port/v1",
        "http://[::1/v1",
        "",
        "http://a b/v1",
        "file:///x",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match=r"f.yaml: server.url: is no address; one looks like"):
        engine(url=url)


@pytest.mark.parametrize(
    "url", ["http://me:tulips@x/v1", "http://tulips@x/v1", "http://x/v1?api-key=tulips", "http://x/v1#tulips"]
)
def test_an_address_holds_no_secret_and_none_is_shown(url: str) -> None:
    with pytest.raises(
        ConfigError, match="a key belongs in the environment variable that key_env names"
    ) as refused:
        engine(url=url)
    assert "tulips" not in str(refused.value)


@pytest.mark.parametrize("key", ["sk-abc123", "two words", "", "1KEY"])
def test_a_key_in_place_of_a_name_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(
        ConfigError, match="is the name of an environment variable, never the key itself"
    ) as refused:
        engine(key_env=key)
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [{"concurrency": 0}, {"timeout": 0}, {"retries": -1}, {"max_tokens": 0}, {"api": "soap"}, {"urll": "x"}],
)
def test_wrong_values(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"server.{next(iter(wrong))}"):
        engine(**wrong)


def test_patience_is_no_part_of_a_run_and_the_address_is() -> None:
    def of(**server: Any) -> RunConfig:
        return RunConfig(benchmark="demo", engine=engine(**server))

    assert config_hash(of()) == config_hash(of(concurrency=2, timeout=5, max_requests=10, key_env="K"))
    assert config_hash(of()) != config_hash(of(url="http://y/v1"))
    assert config_hash(of()) != config_hash(of(tokenizer="folder"))
    assert set(BESIDE["engine"]["server"]) == PACING < set(ServerConfig.model_fields)
    manifest = {"config": of(retries=1).model_dump(mode="json"), "models": {}, "captures": [], "tasks": []}
    kept = deciding(manifest)["config"]
    assert set(kept["engine"]["server"]) == {"url", "tokenizer", "api"}
    assert "finetune" not in kept
    assert kept["engine"]["kind"] == "openai"


def test_no_server_is_a_configuration_too() -> None:
    assert config_hash(RunConfig(benchmark="demo")) == config_hash(RunConfig(benchmark="demo"))
    manifest = {"config": RunConfig(benchmark="demo").model_dump(mode="json"), "models": {}, "captures": []}
    assert deciding({**manifest, "tasks": []})["config"]["engine"]["server"] is None
