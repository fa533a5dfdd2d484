"""configs/deploy against the program: no container runs here, but what the files say of it can be held against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client.parser import text_string_to_metric_families

from llmood.cli.app import app
from llmood.paths import builtin_root
from llmood.serve.meters import Meters
from llmood.serve.settings import Settings

FOLDER = builtin_root() / "configs" / "deploy"
CONTAINERFILE = (FOLDER / "Containerfile").read_text(encoding="utf-8")
PORT = 8080


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def compose() -> Any:
    (found,) = documents("compose.yaml")
    return found


@pytest.fixture(scope="module")
def pod() -> Any:
    (found,) = (each for each in documents("kubernetes.yaml") if each["kind"] == "StatefulSet")
    return found["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod: Any) -> Any:
    (found,) = pod["containers"]
    return found


def entrypoint() -> list[str]:
    found = re.search(r"^ENTRYPOINT (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    assert found
    words: list[str] = json.loads(found[1])
    return words


def values(words: list[str]) -> dict[str, str]:
    """Options and their values, in either spelling."""
    joined = [part for word in words for part in word.split("=", 1)]
    return {
        name: value for name, value in zip(joined, [*joined[1:], ""], strict=True) if name.startswith("--")
    }


def test_options_are_those_of_llmood_serve(compose: Any, container: Any) -> None:
    program, name, *own = entrypoint()
    assert program == "llmood"
    command: Any = typer.main.get_command(app)
    serve = command.commands[name]
    assert str(serve.make_context(name, [*own]).params["detector"]) == "/detector"
    for more in (compose["services"]["guard"]["command"], container["args"]):
        with serve.make_context(name, [*own, *more]) as context:  # as the program reads them, in their ranges
            assert context.params["upstream"] == "http://vllm:8000/v1"
            assert context.params["drain"] == Settings().drain
            assert context.params["latency"] == Settings().latency


def test_variables_that_options_name_are_set(compose: Any, container: Any) -> None:
    guard = compose["services"]["guard"]
    for words, names in (
        (guard["command"], set(guard["environment"])),
        (container["args"], {each["name"] for each in container["env"]}),
    ):
        asked = {value for name, value in values(words).items() if name.endswith("-env")}
        assert len(asked) == 2
        assert asked <= names


def test_ports_agree(compose: Any, container: Any) -> None:
    assert values(entrypoint())["--port"] == str(PORT)
    assert re.search(rf"^EXPOSE {PORT}$", CONTAINERFILE, re.MULTILINE)
    assert f"http://127.0.0.1:{PORT}/healthz" in CONTAINERFILE
    assert compose["services"]["guard"]["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert container["ports"] == [{"name": "http", "containerPort": PORT}]
    (service,) = (each for each in documents("kubernetes.yaml") if each["kind"] == "Service")
    assert service["spec"]["ports"] == [{"name": "http", "port": PORT, "targetPort": "http"}]
    assert service["spec"]["selector"] == {"app": "guard"}
    (scraped,) = documents("prometheus.yaml")[0]["scrape_configs"]
    assert scraped["static_configs"] == [{"targets": [f"guard:{PORT}"]}]


def test_it_asks_where_the_program_answers(container: Any) -> None:
    from fastapi.routing import APIRoute

    from llmood.serve.health_routes import health_routes

    guard: Any = None
    paths = {each.path for each in health_routes(guard, guard).routes if isinstance(each, APIRoute)}
    asked = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    scraped = documents("prometheus.yaml")[0]["scrape_configs"][0]["metrics_path"]
    assert asked | {scraped} <= paths
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"  # loading is no reason to be killed


def test_the_image_runs_as_nobody_and_writes_nowhere(compose: Any, pod: Any, container: Any) -> None:
    stages = re.split(r"^FROM ", CONTAINERFILE, flags=re.MULTILINE)
    user = re.search(r"^USER (\d+):(\d+)$", stages[-1], re.MULTILINE)
    assert user
    assert int(user[1]) >= 1000
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (
        int(user[1]),
        int(user[2]),
    )
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert compose["services"]["guard"]["read_only"]
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert {values(entrypoint())["--events"], "/tmp", entrypoint()[2], "/models"} == mounted
    assert {
        each.split(":")[-1 if each.startswith("events") else -2]
        for each in compose["services"]["guard"]["volumes"]
    } == (mounted - {"/tmp"})


def test_what_was_begun_may_end_before_the_kill(compose: Any, pod: Any, container: Any) -> None:
    drain = Settings().drain
    guard = compose["services"]["guard"]
    assert float(values(guard["command"])["--drain"]) == drain
    assert float(guard["stop_grace_period"].removesuffix("s")) > drain
    pause = float(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod["terminationGracePeriodSeconds"] > pause + float(values(container["args"])["--drain"])


def test_the_image_is_made_of_what_is_there() -> None:
    root = builtin_root()
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", CONTAINERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert copied
    sent = (FOLDER / "Containerfile.dockerignore").read_text(encoding="utf-8").split()
    assert sent[0] == "*"
    for name in copied:
        assert (root / name).exists()
        assert f"!{name.split('/')[0]}" in sent


def test_alerts_ask_for_series_that_there_are() -> None:
    meters = Meters(frozenset(), lambda: 0, lambda: True)
    families = text_string_to_metric_families(meters.text().decode())
    known = {name for family in families for name in names_of(family.name, family.type)}
    asked = {name for rule in rules() for name in re.findall(r"\bllmood_\w+", rule["expr"])}
    assert {"llmood_flagged_total", "llmood_ready", "llmood_requests_total"} <= asked
    assert asked <= known
    assert all(rule["annotations"]["summary"] for rule in rules())


def names_of(name: str, kind: str) -> set[str]:
    ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(kind, [""])
    return {name + end for end in ends}


def rules() -> Iterator[Any]:
    for group in documents("alerts.yaml")[0]["groups"]:
        yield from group["rules"]


def test_compose_mounts_files_that_there_are(compose: Any) -> None:
    root = Path(builtin_root())
    own = [
        each.split(":")[0] for each in compose["services"]["prometheus"]["volumes"] if each.startswith("./")
    ]
    assert len(own) == 2
    assert all((root / each).is_file() for each in own)
    assert (root / compose["services"]["guard"]["build"]["dockerfile"]).is_file()
    (rule_file,) = documents("prometheus.yaml")[0]["rule_files"]
    assert (FOLDER / rule_file).is_file()
