"""The hook of docs/mkdocs.yml: pages and tables that are made of the program and of files beside the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from docs_tables import GENERATED, table
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from llmood.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
MARKER = re.compile(r"^<!-- generated: (.+) -->$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#]+)(#[^)]*)?\)")
COMMANDS = "reference/commands.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the navigation."""
    pages = [f"decisions/{path.name}" for path in _decisions()]
    config.nav = [*(config.nav or []), {"Decisions": pages}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are written elsewhere."""
    pages = {f"decisions/{path.name}": _text(path) for path in _decisions()}
    pages["contributing.md"] = _text(ROOT / "CONTRIBUTING.md")
    pages["changelog.md"] = _text(ROOT / "CHANGELOG.md")
    pages[COMMANDS] = commands_page()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put tables where a page names them."""
    return MARKER.sub(_generated, markdown)


def commands_page() -> str:
    """Every command, with what `--help` says of it."""
    root = typer.main.get_command(app)
    parts = ["# Commands", *(_command(name, command) for name, command in walk(root, "llmood"))]
    return "\n\n".join(parts) + "\n"


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The commands below a group, with their whole names."""
    for sub, inner in getattr(command, "commands", {}).items():
        whole = f"{name} {sub}"
        if hasattr(inner, "commands"):
            yield from walk(inner, whole)
        else:
            yield whole, inner


def _command(name: str, command: Any) -> str:
    arguments = [_argument(one) for one in command.params if one.param_type_name == "argument"]
    rows = [
        [", ".join(f"`{flag}`" for flag in (*one.opts, *one.secondary_opts)), one.help or ""]
        for one in command.params
        if one.param_type_name == "option"
    ]
    usage = " ".join([name, *(["[OPTIONS]"] if rows else []), *arguments])
    text = [f"## {name}", _plain(command.help), f"```\n{usage}\n```"]
    text += [
        f"`{_argument(one)}`: {_plain(one.help)}"
        for one in command.params
        if one.param_type_name == "argument" and one.help
    ]
    text += [table(["option", "what it does"], rows)] if rows else []
    return "\n\n".join([*text, _plain(command.epilog)]).strip()


def _argument(one: Any) -> str:
    return str(one.name).upper()


def _plain(text: str | None) -> str:
    return (text or "").replace("\b", "").strip()


def _decisions() -> list[Path]:
    return sorted((ROOT / "docs" / "decisions").glob("*.md"))


def _text(path: Path) -> str:
    """A file of the repository, its links as they go on the site."""

    def moved(match: re.Match[str]) -> str:
        target = (path.parent / match[1]).resolve()
        if target.parent.name == "decisions" and target.suffix == ".md":
            inner = target.name if path.parent == target.parent else f"decisions/{target.name}"
            return f"]({inner}{match[2] or ''})"
        if target == ROOT / "docs" / "decisions":
            return "](decisions/0001-dependencies.md)"
        return match[0]

    return LINK.sub(moved, path.read_text(encoding="utf-8"))


def _generated(match: re.Match[str]) -> str:
    if match[1] not in GENERATED:
        raise PluginError(f"a page asks for '{match[1]}', which scripts/docs_tables.py doesn't make")
    return GENERATED[match[1]]()
