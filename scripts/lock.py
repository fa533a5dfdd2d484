"""Resolve requirements/cpu.lock and requirements/gpu.lock from pyproject.toml (`make lock`).

Pins that already stand in a lock are kept where they still fit; `--upgrade` lets everything move, within
pyproject.toml and requirements/constraints.txt. Needs a network and nothing else: the resolver is installed
into a throw-away environment.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESOLVER = "uv==0.13.9"
LOWEST_PYTHON = "3.11"

# What only the CUDA build of torch asks for: its CPU build has the same requirements less these.
CUDA_ONLY = (
    "cuda-bindings",
    "cuda-toolkit",
    "nvidia-cudnn-cu13",
    "nvidia-cusparselt-cu13",
    "nvidia-nccl-cu13",
    "nvidia-nvshmem-cu13",
    "triton",
)

HEADER = """\
# {title}
# Made by `make lock` (scripts/lock.py, {resolver}): one resolution for Python >={python} on every platform, hence
# the markers. Complete: install it with `pip install --no-deps -r {name}`, or let scripts/setup.sh do that.
"""
CPU_TITLE = (
    "CPU: these are the versions that CI runs. On Linux, torch must come from PyTorch's own CPU wheels."
)
GPU_TITLE = (
    "GPU (CUDA 13): cpu.lock plus what the CUDA build of torch needs. Resolved, not run: no CI job has a GPU."
)


def main() -> None:
    """Write both locks, the CPU one first: the GPU one may only add to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="let every pin move, not only those that must")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        resolver = _install_resolver(scratch / "resolver")
        excluded = scratch / "excluded.txt"
        excluded.write_text("\n".join(CUDA_ONLY) + "\n", encoding="utf-8")
        _resolve(resolver, "requirements/cpu.lock", CPU_TITLE, [*upgrade, "--excludes", str(excluded)])
        _resolve(
            resolver, "requirements/gpu.lock", GPU_TITLE, [*upgrade, "--constraint", "requirements/cpu.lock"]
        )

    cpu, gpu = _pins("requirements/cpu.lock"), _pins("requirements/gpu.lock")
    if missing := cpu - gpu:
        sys.exit(f"lock: gpu.lock lacks pins of cpu.lock: {', '.join(sorted(missing))}")
    if stray := {pin for pin in cpu if pin.startswith(("cuda", "nvidia", "triton"))}:
        sys.exit(f"lock: cpu.lock has CUDA packages, add them to CUDA_ONLY: {', '.join(sorted(stray))}")
    print(f"requirements/cpu.lock: {len(cpu)} packages; requirements/gpu.lock: {len(gpu)}")


def _install_resolver(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", RESOLVER], check=True)
    return folder / "bin" / "uv"


def _resolve(resolver: Path, name: str, title: str, options: list[str]) -> None:
    lock = ROOT / name
    command = [resolver, "pip", "compile", "pyproject.toml", "--extra", "hf", "--extra", "dev", "--universal"]
    command += ["--python-version", LOWEST_PYTHON, "--constraint", "requirements/constraints.txt"]
    command += ["--no-header", "--no-annotate", "--quiet", "--output-file", name, *options]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    header = HEADER.format(title=title, resolver=RESOLVER, python=LOWEST_PYTHON, name=name)
    lock.write_text(header + lock.read_text(encoding="utf-8"), encoding="utf-8")


def _pins(name: str) -> set[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line.split(" ;")[0].strip() for line in lines if line.strip() and not line.startswith("#")}


if __name__ == "__main__":
    main()
