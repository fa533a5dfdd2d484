"""The site builds, and what it and the README tell people to type is what the program takes."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import llmood
from llmood.cli.app import app
from llmood.config import BenchmarkSpec, RunConfig
from llmood.scorers.choose import make_scorers
from llmood.strict import parse
from llmood.tasks import TaskSpec

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "pages").rglob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(llmood [^`]+)`")


def blocks(path: Path, *languages: str) -> Iterator[str]:
    for language, text in BLOCK.findall(path.read_text(encoding="utf-8")):
        if language in languages:
            yield text


def commands(path: Path) -> Iterator[list[str]]:
    """The words of each whole command in a page's blocks."""
    for text in blocks(path, "", "sh", "bash", "console"):
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("llmood "):
                yield shlex.split(line, comments=True)[1:]


def named(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and those behind its name."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words:
        assert words[0] in command.commands, f"no command '{words[0]}'"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


ALL_COMMANDS = [(ids(path), words) for path in TEXTS for words in commands(path)]


@pytest.mark.parametrize(
    ("page", "words"), ALL_COMMANDS, ids=[f"{page}: {' '.join(w)}" for page, w in ALL_COMMANDS]
)
def test_a_command_is_one_that_the_program_takes(page: str, words: list[str]) -> None:
    command, rest = named(words)
    command.make_context(words[0], list(rest))  # raises a usage error; runs nothing


@pytest.mark.parametrize("path", TEXTS, ids=ids)
def test_scripts_and_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in "\n".join(blocks(path, "", "sh", "bash", "console")).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["python"]:
            assert (ROOT / words[1]).is_file(), line
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if "=" not in word} <= targets, line


@pytest.mark.parametrize("path", TEXTS, ids=ids)
def test_commands_within_a_sentence_exist_with_their_options(path: Path) -> None:
    for text in INLINE.findall(BLOCK.sub("", path.read_text(encoding="utf-8"))):
        command, rest = named([word for word in shlex.split(text)[1:] if word != "…"])
        flags = {
            flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)
        }
        assert {word for word in rest if word.startswith("-")} <= flags | {"--help"}, text


def test_the_pages_do_show_commands() -> None:
    verbs = {words[0] for _, words in ALL_COMMANDS}
    assert set(typer.main.get_command(app).commands) - verbs <= {"demo"}  # `make demo`


YAML_BLOCKS = [(ids(path), text) for path in TEXTS for text in blocks(path, "yaml")]


@pytest.mark.parametrize(
    ("page", "text"), YAML_BLOCKS, ids=[f"{page}-{n}" for n, (page, _) in enumerate(YAML_BLOCKS)]
)
def test_a_yaml_block_is_a_valid_file(page: str, text: str) -> None:
    data = yaml.safe_load(text)
    if "benchmark" in data:
        assert make_scorers(parse(RunConfig, data, place=page))
    elif "id" in data:
        parse(BenchmarkSpec, data, place=page)
    else:
        parse(TaskSpec, data, place=page)


PYTHON_BLOCKS = [(path, text) for path in TEXTS for text in blocks(path, "python")]


@pytest.mark.parametrize(
    ("path", "text"), PYTHON_BLOCKS, ids=lambda value: ids(value) if isinstance(value, Path) else ""
)
def test_a_python_block_uses_names_that_are_there(path: Path, text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "llmood":
            assert hasattr(llmood, node.attr), f"llmood.{node.attr}"


class Fetched(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "edit", "next", "prev"):
            return
        key = {"script": "src", "img": "src", "link": "href", "iframe": "src"}.get(tag)
        self.found += [given[key] or ""] if key in given else []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: any warning (a broken link, a name that is gone) is an error."""
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "-f",
            ROOT / "docs" / "mkdocs.yml",
            "-d",
            target,
        ],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES)  # with decisions and generated pages
    for page in pages:
        parser = Fetched()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found
        assert not [url for url in parser.found if re.match(r"(?:https?:)?//", url)], page


def test_the_site_shows_what_the_registries_hold(site: Path) -> None:
    from llmood.scorers.base import scorers
    from llmood.tasks import list_tasks

    text = {
        name: (site / name).read_text(encoding="utf-8") for name in ("guide/scorers.html", "guide/tasks.html")
    }
    assert all(
        f"<code>{name.partition('.')[0]}</code>" in text["guide/scorers.html"] for name in scorers.names()
    )
    assert all(f">{task.name}<" in text["guide/tasks.html"] for task in list_tasks())
    assert "generated:" not in "".join(text.values())


def test_every_command_has_its_section(site: Path) -> None:
    text = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for name in typer.main.get_command(app).commands:
        assert f'id="llmood-{name}' in text, name
