"""The contamination sweep finds what is wrong with its command line before anything is trained."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from llmood.errors import ConfigError
from tests.task_files import write_task

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "contamination.py"
SPEC = importlib.util.spec_from_file_location("contamination", SCRIPT)
assert SPEC is not None
assert SPEC.loader is not None
contamination = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(contamination)


def check(folder: Path, *arguments: str) -> None:
    contamination.check(contamination.parse([*arguments, "-o", str(folder / "sweep")]))


def test_the_configuration_that_ships_has_no_mistake(tmp_path: Path) -> None:
    check(tmp_path, "--rows", "0", "640")
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scorer", "likelihood_ratoi"], "--scorer: 'likelihood_ratoi' .*did you mean 'likelihood_ratio'"),
        (["--scorer", "perplexity"], "--scorer: 'perplexity' is none of the configuration's"),
        (
            ["--set", "scorers=[likelihood_ratio, likelihood]"],
            r"no scorer needs .* answers.*likelihood\.response",
        ),
        (["--rows", "-1"], r"finetune\.mix\.0\.rows: .*greater than or equal to 0, not -1"),
        (["--rows", "0", "100000"], r"finetune\.mix\[0\]\.rows: 100000, and the 'train' of demo_near has "),
        (["--task", "demo_naer", "--rows", "0"], r"finetune\.mix\[0\]\.task: .*demo_near"),
        (["nowhere.yaml"], r"no configuration file 'nowhere\.yaml'"),
    ],
)
def test_a_mistake_is_found_before_anything_is_trained(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        check(tmp_path, *arguments)
    assert not (tmp_path / "sweep").exists()


def test_without_references_no_error_can_be_counted(tmp_path: Path) -> None:
    asked = {
        split: [{"text": f"{split} {n}", "answer": "a"} for n in range(8)]
        for split in ("train", "validation")
    }
    splits = {**asked, "test": [{"text": f"test {n}", "answer": None} for n in range(8)]}
    fields = {"references": "answer"}
    write_task(tmp_path, splits, name="mine", fields=fields)
    benchmark = f"benchmark={{name: mine, id: {tmp_path / 't.yaml'}}}"
    with pytest.raises(ConfigError, match=r"mine: its test rows have no references"):
        check(tmp_path, "--rows", "0", "--set", benchmark)


def test_a_mistake_is_one_line_and_exit_2(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--scorer", "nope", "-o", str(tmp_path / "sweep")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("contamination: --scorer: 'nope'")
    assert done.stderr.count("\n") == 1
