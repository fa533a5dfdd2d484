"""The OpenAPI document of the guard, attacked: every answer is one that it names, and none is a 5xx."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from llmood.serve.settings import Settings
from tests.serving import serving
from tests.traffic_rows import fit_two

EXAMPLES = 40
SEED = 7


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    detector = fit_two(tmp_path / "detectors") / "cheap"
    options = ["--max-examples", str(EXAMPLES), "--seed", str(SEED), "--phases", "examples,coverage,fuzzing"]
    with serving(detector, Settings(drain=5)) as served:
        done = subprocess.run(
            [Path(sys.executable).with_name("schemathesis"), "run", f"{served.url}/openapi.json", *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "No issues found" in done.stdout
