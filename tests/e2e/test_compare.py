"""`llmood compare` as a user calls it: two runs, two scorers, a gate, a page; and a model card out of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tests.unit.report.html_reading import Page
from tests.worlds import BANK, LETTERS, World, llmood, no_model_runs, refused, write_world

TUNED = {"base": "fake", "tuned": "fake-tuned:bank card travel"}
OTHER = {"base": "fake", "tuned": "fake-other:the weather of town"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("world"), bootstrap={"draws": 200})


@pytest.fixture(scope="module")
def runs(world: World) -> dict[str, Path]:
    """Two models over the same samples, and the first one over fewer."""
    from llmood import evaluate

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmood.run.write_report", lambda *_, **__: None)
        made = {}
        for name, keys in {"one": {"models": TUNED}, "two": {"models": OTHER}, "few": {"limit": 10}}.items():
            settings: dict[str, Any] = {**world.settings(), **keys}
            made[name] = evaluate(settings, output_dir=world.folder / name).folder
    return made


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    no_model_runs(monkeypatch)


def values(run: Path) -> dict[tuple[str, str], float]:
    records = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {(r["scorer"], r["ood_task"]): r["value"] for r in records if r["metric"] == "auroc"}


@pytest.mark.usefixtures("no_model")
def test_two_runs(runs: dict[str, Path]) -> None:
    found = llmood("compare", runs["one"], runs["two"], "--json").json()
    one, two = values(runs["one"]), values(runs["two"])
    pairs = [(r["scorer"], r["ood_task"]) for r in found["metrics"]]
    assert pairs == [(s, t) for s in ("likelihood_ratio", "likelihood") for t in ("near", "far")]
    for record in found["metrics"]:
        key = record["scorer"], record["ood_task"]
        assert record["value"] == one[key] - two[key]
        assert record["params"]["a"]["value"] == one[key]
        assert record["ci_low"] <= record["value"] <= record["ci_high"]
        assert record["params"]["p_holm"] >= record["params"]["p_value"]
    assert found["checks"] == []
    assert [side["models"]["tuned"] for side in found["sides"]] == [TUNED["tuned"], OTHER["tuned"]]


def test_the_table(runs: dict[str, Path]) -> None:
    outcome = llmood("compare", runs["one"], runs["two"], "--scorer", "likelihood_ratio")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].startswith(f"A = {runs['one']} (small; base fake; tuned {TUNED['tuned']})")
    head = next(line for line in lines if line.startswith("OOD set"))
    rows = [line for line in lines if line.startswith(("near", "far"))]
    assert len(rows) == 2
    start = head.index("result")
    assert {row[start:] for row in rows} <= {"A is better", "B is better", "no difference shown"}
    assert "after Holm over 2 comparisons" in outcome.out


def test_a_run_with_itself_shows_nothing(runs: dict[str, Path]) -> None:
    found = llmood("compare", runs["one"], runs["one"], "--json").json()
    for record in found["metrics"]:
        assert record["value"] == 0
        assert record["ci_low"] <= 0 <= record["ci_high"]
        assert record["params"]["p_holm"] == 1
        assert (record["params"]["identical"], record["params"]["comparisons"]) == (True, 0)
    lines = llmood("compare", runs["one"], runs["one"]).out.splitlines()
    (said,) = [line for line in lines if line.startswith("A − B")]
    assert "a difference of 0 [0, 0], not counted: " in said
    assert said.endswith("likelihood_ratio on near, far; likelihood on near, far")
    assert not [line for line in lines if line.startswith(("OOD set", "near", "far"))]


def test_scores_that_cannot_differ_are_not_counted(runs: dict[str, Path]) -> None:
    both = ("compare", runs["one"], runs["two"])
    counted = llmood(*both, "--scorer", "likelihood_ratio", "--json").json()["metrics"]
    # Length reads no model: both runs give every sample the same.
    more = ("--scorer", "likelihood_ratio", "--scorer", "length")
    found = llmood(*both, *more, "--json").json()["metrics"]
    assert [(r["scorer"], r["params"]["identical"]) for r in found] == [
        *[("likelihood_ratio", False)] * 2,
        *[("length", True)] * 2,
    ]
    assert {r["params"]["comparisons"] for r in found} == {2}
    kept = {r["params"]["p_holm"] for r in found if r["scorer"] == "likelihood_ratio"}
    assert kept == {r["params"]["p_holm"] for r in counted}
    assert [(r["value"], r["ci_low"], r["ci_high"], r["params"]["p_holm"]) for r in found[2:]] == [
        (0, 0, 0, 1)
    ] * 2
    out = llmood(*both, *more).out
    assert "after Holm over 2 comparisons" in out
    assert "not counted: length on near, far" in out


def test_scorers_of_one_run_as_the_run_itself_compares_them(runs: dict[str, Path]) -> None:
    outcome = llmood("compare", runs["one"], "--scorers", "likelihood_ratio, likelihood", "--json")
    records = json.loads((runs["one"] / "metrics.json").read_text(encoding="utf-8"))
    behind = {
        (r["ood_task"], r["scorer"]): r for r in records if r["metric"] == "auroc_behind_best" and r["value"]
    }
    assert behind
    for (task, scorer), expected in behind.items():
        (record,) = [r for r in outcome.json()["metrics"] if r["ood_task"] == task]
        ends = [record["ci_low"], record["ci_high"]]
        # The run's own difference is leader minus scorer: the same resamples give the same ends.
        swapped = scorer == "likelihood_ratio"
        assert abs(record["value"]) == pytest.approx(expected["value"])
        own = [-end for end in ends[::-1]] if swapped else ends
        assert own == pytest.approx([expected["ci_low"], expected["ci_high"]])


def test_fewer_samples_are_counted_and_warned_of(runs: dict[str, Path]) -> None:
    outcome = llmood("compare", runs["two"], runs["few"])
    assert outcome.code == 0
    assert "14 ID only in A" in outcome.out
    assert "10 + 10" in outcome.out
    assert "warning: A and B have 10 samples of bank in common, 41.7 % of the larger side" in outcome.out
    two, one = (
        llmood("compare", *pair, "--json").json()
        for pair in ([runs["few"], runs["one"]], [runs["one"], runs["few"]])
    )
    assert [r["value"] for r in two["metrics"]] == [-r["value"] for r in one["metrics"]]


def test_three_runs(runs: dict[str, Path]) -> None:
    found = llmood("compare", *runs.values(), "--scorer", "likelihood", "--json").json()
    assert [r["params"]["b"]["letter"] for r in found["metrics"]] == ["B", "B", "C", "C"]
    # The third is the first with fewer samples: of those that both have, its scores are the same.
    assert [r["params"]["identical"] for r in found["metrics"]] == [False, False, True, True]
    assert {r["params"]["comparisons"] for r in found["metrics"]} == {2}


def test_gates(runs: dict[str, Path]) -> None:
    itself = ("compare", runs["one"], runs["one"])
    held = llmood(*itself, "--gate", "auroc_difference >= -0.01")
    assert (held.code, "gate held: auroc_difference >= -0.01 (4 records)" in held.out) == (0, True)
    missed = llmood(*itself, "--gate", "auroc_difference[scorer=likelihood,shift=far] > 0", "--json")
    assert missed.code == 3
    assert missed.json()["gates"][0]["matched"] == 1
    refused(llmood(*itself, "--gate", "nonsense"), "can't be read")
    refused(llmood(*itself, "--gate", "auroc > 0"), "no metric 'auroc'", "auroc_difference")
    refused(llmood(*itself, "--gate", "auroc_difference[scorer=likelihod] > 0"), "no scorer", "'likelihood'")


def test_a_baseline_that_was_asked_for_is_gated(runs: dict[str, Path]) -> None:
    scorers = ("compare", runs["one"], "--scorers", "length,likelihood")
    outcome = llmood(*scorers, "--gate", "auroc_difference >= -1")
    assert (outcome.code, "(2 records)" in outcome.out) == (0, True)


@pytest.mark.usefixtures("no_model")
def test_the_page(runs: dict[str, Path], tmp_path: Path) -> None:
    outcome = llmood("compare", runs["one"], runs["two"], "-o", tmp_path / "out")
    page = tmp_path / "out" / "comparison.html"
    assert outcome.out.splitlines()[-1] == f"report: {page}"
    read = Page(page.read_text(encoding="utf-8"))
    assert "Which run detects better?" in read.text
    stored = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert len(stored["metrics"]) == 4
    llmood("compare", runs["one"], runs["two"], "-o", tmp_path / "named.html")
    assert (tmp_path / "named.json").is_file()


def test_mistakes(runs: dict[str, Path], tmp_path: Path) -> None:
    one, two = runs["one"], runs["two"]
    refused(llmood("compare", one), str(one), "--scorers")
    refused(llmood("compare", one, "--scorer", "likelihood"), "--scorer chooses", "--scorers A,B")
    refused(llmood("compare", one, two, "--scorers", "likelihood,length"), "choose with --scorer")
    refused(llmood("compare", one, two, "--scorer", "likelihod"), "no scores of 'likelihod'", "did you mean")
    refused(llmood("compare", one, two, "--metric", "auroc_behind_best"), "no metric")
    refused(llmood("compare", one, tmp_path), "is no run folder")


def test_runs_of_other_data(runs: dict[str, Path], tmp_path: Path) -> None:
    from llmood import evaluate

    other = write_world(tmp_path, bank=[{"text": row["text"] + "!"} for row in BANK], near=None)
    made = evaluate(other.settings(), output_dir=tmp_path / "run").folder
    refused(llmood("compare", runs["one"], made), "no ID sample in common", "other data")
    elsewhere = write_world(tmp_path / "w", bank=BANK, near=LETTERS, far=None).settings()
    elsewhere["benchmark"]["ood"][0]["task"] = str(tmp_path / "w" / "near" / "t.yaml")
    made = evaluate(elsewhere, output_dir=tmp_path / "elsewhere").folder
    refused(llmood("compare", runs["one"], made), "no OOD sample in common")


def test_a_private_run_beside_an_open_one(runs: dict[str, Path], world: World, tmp_path: Path) -> None:
    from llmood import evaluate

    private = evaluate({**world.settings(), "text": False}, output_dir=tmp_path / "private").folder
    found = llmood("compare", runs["one"], private, "--json", "-o", tmp_path).json()
    assert [(r["value"], r["n"]) for r in found["metrics"]] == [(0, 44), (0, 40)] * 2
    written = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert not any(row["text"] in written for row in BANK)


@pytest.mark.usefixtures("no_model")
def test_a_model_card(runs: dict[str, Path], tmp_path: Path) -> None:
    printed = llmood("report", runs["one"], "--model-card", "--gate", "auroc >= 0")
    assert printed.code == 0
    assert "gate held" in printed.err
    card = ModelCard(printed.out)
    one = values(runs["one"])
    shown = {(e.metric_args["scorer"], e.dataset_type): e.metric_value for e in card.data.eval_results}
    assert shown == {key: one[key] for key in one if key[0].startswith("likelihood")}
    written = llmood("report", runs["one"], "--model-card", "-o", tmp_path)
    assert written.out == f"{tmp_path / 'MODEL_CARD.md'}\n"
    assert (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8") == printed.out
    assert llmood("report", runs["one"], "--model-card", "--json").json()["model_card"] == printed.out
    refused(llmood("report", runs["one"], runs["two"], "--model-card"), "2 runs", "name one")
    assert llmood("report", runs["one"], "--model-card", "--gate", "auroc > 1").code == 3
