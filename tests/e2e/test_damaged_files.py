"""Every file of a run folder and of an export, damaged in every way: what reads it says so, and never breaks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.worlds import Outcome, llmood, tree, write_world

TEXTS = {"empty": b"", "object": b"{}", "list": b"[]", "null": b"null", "words": b"garbage\n"}
VERBS = {
    "report": ("report", "{run}", "-o", "{out}"),
    "card": ("report", "{run}", "--model-card", "-o", "{out}"),
    "first": ("compare", "{run}", "{sound}", "-o", "{out}/comparison"),
    "second": ("compare", "{sound}", "{run}", "-o", "{out}/comparison"),
    "export": ("cache", "export", "{run}", "-o", "{out}/export"),
    "rows": ("cache", "export", "{run}", "--jsonl", "-o", "{out}/export"),
    "import": ("import", "{run}", "-o", "{out}/imported"),
    "rescore": ("rescore", "{run}"),
}
# Who reads which file.
RUN_FILES = {
    "run.json": tuple(VERBS),
    "samples.parquet": tuple(VERBS),
    "observations/index.parquet": ("export", "rows", "import", "rescore"),
    "scores.parquet": ("report", "card", "first", "second", "rescore"),
    "metrics.json": ("report", "card", "rescore"),
    "checks.json": ("report", "card", "rescore"),
    "explanations.json": ("report", "card"),
    "observations/pieces.json": ("rescore",),
    "rejects.jsonl": ("export", "rescore"),
}
EXPORT_FILES = (
    *("run.json", "samples.parquet", "rejects.jsonl", "response-tuned-prompt-max_new_tokens=64.parquet"),
    *("prompt_logprobs-base-prompt.parquet", "prompt_logprobs-tuned-prompt.parquet"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a row that could not be read, a sound one, and an export."""
    folder = tmp_path_factory.mktemp("made")
    near = [*({"text": f"the weather of town {i} today"} for i in range(6)), "broken"]
    world = write_world(
        folder / "world", near=near, far=None, scorers=["likelihood_ratio", "likelihood.response"]
    )
    for name in ("run", "sound"):
        assert llmood("run", world.config, "-o", folder / name).code == 1
    assert llmood("cache", "export", folder / "run", "-o", folder / "export").code == 0
    return folder


def damages(path: Path) -> Iterator[str]:
    """Damage a file in one way after the other, and put it back."""
    whole = path.read_bytes()
    ways = TEXTS | {"cut": whole[: len(whole) // 2]}
    for way, content in ways.items():
        path.write_bytes(content)
        yield way
    if path.suffix == ".parquet":
        path.write_bytes(whole)
        table = pq.read_table(path)
        for rows in (0, 1):
            pq.write_table(table.slice(0, rows), path)
            yield f"{rows} rows"
    path.write_bytes(whole)


def is_said(outcome: Outcome) -> bool:
    """Whether it did what it was asked, or said on one line why it could not; a traceback fails before."""
    refusals = [line for line in outcome.err.splitlines() if line.startswith("llmood: ")]
    if not refusals or "left out, rows have no place" in outcome.err:
        return outcome.code in (0, 1) and bool(outcome.out)
    return outcome.code in (1, 2) and len(refusals) == 1 and outcome.err.endswith(refusals[0] + "\n")


@pytest.fixture(autouse=True)
def _no_second_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring again and importing write none: 'report' reads the same files."""
    for module in ("llmood.run", "llmood.rescoring"):
        monkeypatch.setattr(f"{module}.write_report", lambda *_, **__: None)


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_damaged_run_folder(made: Path, tmp_path: Path, name: str) -> None:
    run = shutil.copytree(made / "run", tmp_path / "run")
    whole = tree(run)
    for way in damages(run / name):
        damaged = (run / name).read_bytes()
        for verb in RUN_FILES[name]:
            places = {"run": run, "sound": made / "sound", "out": tmp_path}
            outcome = llmood(*(word.format(**places) for word in VERBS[verb]))
            assert is_said(outcome), (way, verb, outcome)
            if (
                way == "cut" and verb != "import" and outcome.err
            ):  # an import's file is its input, as a task's is
                assert outcome.code == 1, (way, verb, outcome)  # damaged JSON as damaged Parquet
            if name == "run.json" or (name == "samples.parquet" and verb != "import"):
                assert outcome.code in (1, 2), (way, verb, outcome)
                assert outcome.err, (way, verb, outcome)
        for file, content in whole.items():  # scoring again makes some of them anew
            (run / file).write_bytes(content)
        (run / name).write_bytes(damaged)


@pytest.mark.parametrize("name", EXPORT_FILES)
def test_a_damaged_export(made: Path, tmp_path: Path, name: str) -> None:
    export = shutil.copytree(made / "export", tmp_path / "export")
    for way in damages(export / name):
        for arguments in (
            ("import", export, "-o", tmp_path / "imported"),
            ("report", export, "-o", tmp_path),
        ):
            outcome = llmood(*arguments)
            assert is_said(outcome), (way, arguments, outcome)
        if name != "rejects.jsonl" and not way.endswith("rows"):
            assert not (tmp_path / "imported").exists(), way
        shutil.rmtree(tmp_path / "imported", ignore_errors=True)
