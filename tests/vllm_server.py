"""A real vLLM server on loopback, in a process group of its own, for the tests that need one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PATIENCE = 1200.0  # seconds until it is up: 45 on an idle machine, minutes on a loaded one
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TORCH_COMPILE_DISABLE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}


@contextmanager
def vllm_server(
    model: Path, adapters: Mapping[str, Path], log: Path, *, name: str = "base", arguments: Sequence[str] = ()
) -> Iterator[str]:
    """Serve a model as `name` and its adapters by their names, in float32; gives the address.

    There is always one slot for adapters more than there are adapters: on a CPU, requests without an adapter would
    else be given the last one's.
    """
    port = _free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += [
        "--model",
        str(model),
        "--served-model-name",
        name,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--dtype", "float32", "--enforce-eager", "--generation-config", "vllm"]
    if adapters:
        command += ["--enable-lora", "--max-loras", str(len(adapters) + 1), "--max-lora-rank", "8"]
        command += ["--lora-target-modules", "q_proj", "v_proj", "--lora-modules"]
        command += [f"{key}={path}" for key, path in adapters.items()]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **QUIET},
            start_new_session=True,
        )
        try:
            _wait(process, port, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"vLLM's server ended by itself:\n{log.read_text()[-3000:]}", pytrace=False)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"vLLM's server is not up after {PATIENCE:.0f} s:\n{log.read_text()[-3000:]}", pytrace=False)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and all that it started."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
