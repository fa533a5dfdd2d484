"""Folders of a process's own, for copies that live as long as it; what killed processes left is removed."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

PREFIX = "merged-"


def scratch_folder(root: Path) -> Path:
    """A new folder under `root`, once what killed processes of this machine left there is gone."""
    root.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname()
    for left in root.glob(f"{PREFIX}{host}-*"):
        number = left.name.removeprefix(f"{PREFIX}{host}-").partition("-")[0]
        if number.isdecimal() and not _is_alive(int(number)):
            shutil.rmtree(left)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{host}-{os.getpid()}-", dir=root))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
