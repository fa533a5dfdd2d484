"""`llmood import` and its way back, as a user calls them."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.task_files import write_jsonl
from tests.worlds import llmood, refused, spawn, tree

FEW = ("--set", "bootstrap.draws=100")


def rows(first: int, count: int, **more: Any) -> list[dict[str, Any]]:
    """Rows whose tuned model is the surer the smaller their number."""
    return [
        {
            "question": f"what is {number}",
            "answer": f"it is {number}",
            "prompt_logprobs": {"tuned": [None, -0.01 * number], "base": [None, -0.02 * number - 1]},
            "response_logprobs": {"tuned": [-0.1, -0.03 * number], "base": [-0.2, -0.3]},
            "draws": [f"it is {number}", {"text": "who knows", "logprobs": [-0.5], "temperature": 0.7}],
            "user": "u",
            **more,
        }
        for number in range(first, first + count)
    ]


def test_from_a_log_to_a_report_and_back(tmp_path: Path) -> None:
    ours = write_jsonl(tmp_path / "traffic.jsonl", rows(1, 12))
    theirs = write_jsonl(tmp_path / "strangers.jsonl", rows(30, 10))
    run = tmp_path / "run"
    made = llmood("import", ours, "--ood", theirs, "--shift", "near", "-o", run, *FEW)
    assert made.code == 0, made.err
    assert "prompt ← question, response ← answer" in made.err
    assert "left out user (--keep puts them into 'meta')" in made.err
    assert "strangers (near)" in made.out
    assert {path.name for path in run.iterdir() if not path.name.startswith(".")} == {
        *("run.json", "samples.parquet", "observations", "scores.parquet", "metrics.json"),
        *("checks.json", "report.html", "rejects.jsonl"),
    }
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "strangers" in page
    assert "what is 39" in page
    checks = {check["code"] for check in json.loads((run / "checks.json").read_text())}
    assert not checks & {"tuned_equals_base", "failed", "unpinned", "fake_engine"}
    assert {"imported", "columns_left_out"} <= checks

    # The tuned model is surer of the smaller numbers: ID stands apart under it, whatever else is asked of the run.
    gate = "auroc[scorer=likelihood] >= 1"
    again = llmood("rescore", run, "--set", "scorers=[likelihood]", *FEW, "--gate", gate)
    assert again.code == 0, again.err
    assert llmood("report", run).code == 0

    exported = llmood("cache", "export", run, "-o", tmp_path / "export", "--json")
    assert {Path(entry["file"]).stem: entry["rows"] for entry in exported.json()} == {
        "samples": 22,
        "generations-tuned-prompt": 44,
        "response-tuned-prompt": 22,
        **{
            f"prompt_logprobs-{role}-{of}": 22
            for role in ("base", "tuned")
            for of in ("prompt", "prompt_response")
        },
    }
    draws = pq.read_table(tmp_path / "export" / "generations-tuned-prompt.parquet").to_pylist()
    assert {row["draw"] for row in draws} == {0, 1}
    assert {row["text"] for row in draws if row["draw"] == 1} == {"who knows"}
    back = llmood("import", tmp_path / "export", "-o", tmp_path / "back", *FEW)
    assert back.code == 0, back.err
    assert (tmp_path / "back" / "scores.parquet").read_bytes() == (run / "scores.parquet").read_bytes()

    assert llmood("cache", "export", run, "--jsonl", "-o", tmp_path / "export").code == 0
    line = llmood(
        "import", tmp_path / "export" / "rows.jsonl", "--scorer", "likelihood", "-o", tmp_path / "lines", *FEW
    )
    assert line.code == 0, line.err
    assert (tmp_path / "lines" / "scores.parquet").read_bytes() == (run / "scores.parquet").read_bytes()
    assert llmood("cache", "verify").code == 0


def test_what_cannot_be_used_is_a_table_and_exit_1(tmp_path: Path) -> None:
    lines = [*rows(1, 3), '{"question": ', {"question": "x", "prompt_logprobs": [-1.0, -2.0]}]
    path = write_jsonl(tmp_path / "t.jsonl", lines)
    outcome = llmood("import", path, "-o", tmp_path / "run", *FEW)
    assert outcome.code == 1
    assert "t.jsonl:4" in outcome.out
    assert "prompt_tokens is not there to tell whose it is" in outcome.out
    assert "status: partial" in outcome.out
    assert len((tmp_path / "run" / "rejects.jsonl").read_text().splitlines()) == 2


def test_prompts_and_answers_make_a_report(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [{"prompt": f"q{n}", "response": "a"} for n in range(4)])
    outcome = llmood("import", path, "-o", tmp_path / "run", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json()["status"] == "complete"
    assert "No scorer could be made" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    shown = llmood("import", path, "-o", tmp_path / "run")
    assert "warning: No scorer could be made" in shown.out
    assert "--train FILE" in shown.out

    train = write_jsonl(tmp_path / "u.jsonl", [{"prompt": f"p{n}", "response": "a"} for n in range(4)])
    learned = llmood("import", path, "--train", train, "-o", tmp_path / "learned")
    assert learned.code == 0, learned.err
    assert "No scorer" not in learned.out
    assert "tfidf_knn" in {
        r["scorer"] for r in json.loads((tmp_path / "learned" / "metrics.json").read_text())
    }


def test_lists_without_a_draw_are_a_mistake_that_names_its_rows(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [{"prompt": f"q{n}", "draws": []} for n in range(7)])
    outcome = llmood("import", path, "-o", tmp_path / "run")
    assert outcome.code == 2
    assert "every list is empty, in t.jsonl:1, t.jsonl:2" in outcome.err
    assert "t.jsonl:5 and 2 more" in outcome.err
    assert not (tmp_path / "run").exists()


def test_an_import_is_told_how_its_own_answers_are_judged(tmp_path: Path) -> None:
    lines = [{"prompt": f"q{n}", "response": "a", "correct": n % 2 == 0} for n in range(6)]
    run = tmp_path / "run"
    made = llmood("import", write_jsonl(tmp_path / "t.jsonl", lines), "-o", run, *FEW)
    assert "is an answer wrong? (right as the imported rows say)" in made.out
    assert "3 of 6 right as the imported rows say" in (run / "report.html").read_text(encoding="utf-8")
    refused(
        llmood("rescore", run, "--set", "correctness=exact_match"),
        "import rows that have",
        "--field references",
    )
    refused(llmood("rescore", run, "--set", "correctness=judge"), "an import runs", "another rule")


def test_with_ood_rows_and_no_number_at_all(tmp_path: Path) -> None:
    lines = [{"prompt": f"q{n}", **({"shift": "far"} if n % 2 else {})} for n in range(8)]
    outcome = llmood("import", write_jsonl(tmp_path / "t.jsonl", lines), "-o", tmp_path / "run", *FEW)
    assert outcome.code == 0, outcome.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    length = [record for record in metrics if record["scorer"] == "length" and record["metric"] == "auroc"]
    assert [(record["value"], record["n_unscored"]) for record in length] == [(None, 8)]
    assert length[0]["reason"] == "no sample was scored"


def test_mistakes_leave_nothing_behind(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", rows(1, 3))
    run = tmp_path / "run"
    refused(llmood("import", tmp_path / "none.jsonl", "-o", run), "none.jsonl", "is not there")
    refused(llmood("import", path, "--field", "promt=question", "-o", run), "did you mean 'prompt'")
    refused(llmood("import", path, "--scorer", "likelihood.response", "-o", run), "likelihood.response needs")
    refused(llmood("import", path, "--ood", path, "-o", run), "--shift near, far or covariate")
    refused(llmood("import", path, "--shift", "close", "-o", run), "near, far, covariate")
    refused(llmood("import", path, "--set", "limit=3", "-o", run), "scorers, bootstrap, seed")
    refused(llmood("import", path, "--gate", "aurok > 0", "-o", run), "no metric 'aurok'", "'auroc'")
    assert not run.exists()
    assert llmood("import", path, "-o", run, *FEW).code == 0
    before = tree(run)
    write_jsonl(path, rows(1, 4))
    refused(llmood("import", path, "-o", run, *FEW), "holds another run", "-o")
    assert tree(run) == before
    refused(llmood("run", write_config(tmp_path, run), "-o", tmp_path / "other"), "imported", "rescore")


def write_config(folder: Path, run: Path) -> Path:
    """The configuration of an import, as somebody might copy it out of its run.json."""
    path = folder / "copied.yaml"
    path.write_text(json.dumps(json.loads((run / "run.json").read_text())["config"]), encoding="utf-8")
    return path


@pytest.mark.slow
def test_killed_while_it_scores(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [*rows(1, 6), *rows(20, 6, shift="near")])
    patch = "import time, llmood.importing.run as r; r.write_results = lambda *a, **k: time.sleep(60)"
    command = ("import", path, "-o", tmp_path / "run", *FEW)
    with spawn(*command, cwd=tmp_path, patch=patch) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "observations" / "index.parquet").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "running"
    assert llmood(*command).code == 0
    assert llmood("import", path, "-o", tmp_path / "whole", *FEW).code == 0
    for name in ("scores.parquet", "metrics.json", "samples.parquet", "observations/index.parquet"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
