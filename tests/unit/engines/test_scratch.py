"""Copies of a process's own: what a killed one left is removed, what a living one has stays."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from llmood.engines.scratch import scratch_folder


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = scratch_folder(tmp_path)
    left = tmp_path / f"merged-{socket.gethostname()}-{ended.pid}-abc"
    elsewhere = tmp_path / f"merged-other-machine-{ended.pid}-abc"
    for folder in (left, elsewhere):
        (folder / "weights").mkdir(parents=True)
    again = scratch_folder(tmp_path)
    assert mine.is_dir()
    assert again.is_dir()
    assert again != mine
    assert not left.exists()
    assert elsewhere.exists()
