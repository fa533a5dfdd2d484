"""Paired differences between runs: pairing by sample id, Holm over the call, and nothing left out in silence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmood.comparison import compare_runs
from llmood.displays import Differences
from llmood.errors import ConfigError, UnknownNameError
from llmood.metrics import auroc, holm
from llmood.report.comparison import render_comparison
from llmood.seeds import derive_seed
from llmood.tables import SAMPLES, SCORES, write_json, write_table
from tests.unit.report.html_reading import Page

HOSTILE = '<script>alert(1)</script>"><img src=x>'
ID = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
STRONG = {"home": ID, "away": [4.5, 5.5, 6.0, 7.0, 8.0]}
WEAK = {"home": ID, "away": [0.5, 5.5, 1.5, 7.0, 2.5]}

Scored = Mapping[str, Sequence[float | None]]


def made_run(
    folder: Path,
    scorers: Mapping[str, Scored],
    *,
    names: Mapping[str, Sequence[str]] | None = None,
    prompts: str = "",
    groups: Mapping[str, str] | None = None,
    shifts: Mapping[str, str] | None = None,
    seed: int = 0,
    draws: int = 200,
    model: Mapping[str, Any] | None = None,
    **manifest: Any,
) -> Path:
    """A run folder of these scores, task by task (ID first), None where unscored; a sample is `task-number`."""
    first = next(iter(scorers.values()))
    names = names or {task: [f"{task}-{n}" for n in range(len(values))] for task, values in first.items()}
    rows = [
        {
            "sample_id": name,
            "task": task,
            "population": "id" if place == 0 else "ood",
            "split": "test",
            "group": (groups or {}).get(name),
            "prompt_hash": f"{prompts}{name}",
        }
        for place, task in enumerate(first)
        for name in names[task]
    ]
    # What a fitted scorer learned from stands there too, and is in no comparison.
    rows.append(
        {"sample_id": "learned-from", "task": next(iter(first)), "population": "id", "split": "train"}
    )
    scored = [
        {
            "sample_id": name,
            "scorer": scorer,
            "score": value,
            "status": "unscored" if value is None else "ok",
            "reason": "over the context" if value is None else None,
        }
        for scorer, tasks in scorers.items()
        for task, values in tasks.items()
        for name, value in zip(names[task], values, strict=True)
    ]
    tasks = [
        {
            "name": task,
            "population": "id" if place == 0 else "ood",
            "shift": "none" if place == 0 else (shifts or {}).get(task, "near"),
            "severity": None,
            "evaluated": len(names[task]),
            "rejects": 0,
            "checks": [],
            "source": {},
            **dict.fromkeys(("samples", "carved", "version", "licence", "citation")),
        }
        for place, task in enumerate(first)
    ]
    identity = {"engine": "fake", "dtype": "float32", "version": "1", **(model or {})}
    write_table(folder / "samples.parquet", pa.Table.from_pylist(rows, schema=SAMPLES))
    write_table(folder / "scores.parquet", pa.Table.from_pylist(scored, schema=SCORES))
    write_json(folder / "metrics.json", [])
    write_json(folder / "checks.json", [])
    described = {
        "schema_version": 1,
        "status": "complete",
        "name": folder.name,
        "config": {
            "benchmark": "tiny",
            "bootstrap": {"draws": draws, "level": 0.95},
            "seed": seed,
            "scorers": list(scorers),
        },
        "benchmark": {"name": "tiny"},
        "models": {"tuned": {"name": HOSTILE, "identity": identity}},
        "captures": [],
        "tasks": tasks,
    }
    write_json(folder / "run.json", {**described, **manifest})
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    return (
        made_run(tmp_path / "strong", {"likelihood": STRONG}),
        made_run(tmp_path / "weak", {"likelihood": WEAK}),
    )


def codes(compared: Any) -> list[str]:
    return [check["code"] for check in compared.checks]


def by_hand(scores: Mapping[str, Scored], draws: int, seed: int) -> np.ndarray:
    """AUROC differences of resamples drawn index by index; ID and OOD apart, both scorers on the same samples."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        home = generator.integers(0, 6, 6)
        away = generator.integers(0, 5, 5)
        values = []
        for tasks in scores.values():
            x = np.array([tasks["home"][i] for i in home])
            y = np.array([tasks["away"][i] for i in away])
            # The chance that an OOD sample is above an ID one, pair by pair.
            values.append(np.mean((y[:, None] > x).astype(float) + 0.5 * (y[:, None] == x)))
        found.append(values[0] - values[1])
    return np.array(found)


def test_the_difference_by_hand(runs: tuple[Path, Path]) -> None:
    (record,) = compare_runs(runs).records
    # strong: of 30 pairs only (5.0 ID, 4.5 OOD) is lost: 29/30. weak: 1 + 6 + 2 + 6 + 3 = 18 won: 18/30.
    assert record["params"]["a"]["value"] == pytest.approx(29 / 30)
    assert record["params"]["b"]["value"] == pytest.approx(18 / 30)
    assert record["value"] == pytest.approx(11 / 30)
    assert (record["question"], record["metric"]) == ("comparison", "auroc_difference")
    assert (record["n"], record["n_negative"], record["n_positive"], record["n_unscored"]) == (11, 6, 5, 0)
    assert record["params"]["n_common"] == 11


def test_the_interval_is_that_of_an_independent_paired_bootstrap(tmp_path: Path) -> None:
    a = made_run(tmp_path / "a", {"likelihood": STRONG}, draws=8000)
    b = made_run(tmp_path / "b", {"likelihood": WEAK}, draws=8000)
    (record,) = compare_runs([a, b]).records
    drawn = by_hand({"a": STRONG, "b": WEAK}, 8000, seed=5)
    low, high = np.quantile(drawn, [0.025, 0.975])
    # Both ends are means over 30 pairs, a step of 1/30 apart; their Monte Carlo error is about a third of one.
    assert record["ci_low"] == pytest.approx(low, abs=1.01 / 30)
    assert record["ci_high"] == pytest.approx(high, abs=1.01 / 30)
    expected = (1.959964 + 0.841621) * drawn.std(ddof=1)
    assert record["params"]["smallest_detectable"] == pytest.approx(expected, rel=0.05)
    assert record["params"]["p_value"] == pytest.approx(2 * (np.sum(drawn <= 0) + 1) / 8001, abs=0.01)


def test_a_run_with_itself(runs: tuple[Path, Path]) -> None:
    (record,) = compare_runs([runs[0], runs[0]]).records
    assert record["value"] == record["ci_low"] == record["ci_high"] == 0.0
    assert record["params"]["p_value"] == record["params"]["p_holm"] == 1.0
    assert record["params"]["better"] is None
    assert record["params"]["smallest_detectable"] is None


@settings(max_examples=15)
@given(
    data=st.data(),
    shuffle=st.booleans(),
    metric=st.sampled_from(["auroc", "aupr_ood", "fpr_at_95tpr_ood"]),
)
def test_swapping_the_sides_negates(
    data: st.DataObject, shuffle: bool, metric: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("swapped")
    value = st.none() | st.integers(0, 6).map(float)
    names = {task: [f"{task}-{n}" for n in range(7)] for task in ("home", "away")}
    other = {task: data.draw(st.permutations(own)) if shuffle else own for task, own in names.items()}
    column = st.lists(value, min_size=7, max_size=7)
    scores = st.tuples(column, column).map(lambda both: dict(zip(names, both, strict=True)))  # in this order
    a = made_run(folder / "a", {"likelihood": data.draw(scores)}, names=names, draws=100)
    b = made_run(folder / "b", {"likelihood": data.draw(scores)}, names=other, draws=100)
    (there,), (back,) = (compare_runs(sides, metrics=[metric]).records for sides in ([a, b], [b, a]))
    assert (there["n"], there["n_unscored"], there["reason"]) == (
        back["n"],
        back["n_unscored"],
        back["reason"],
    )
    if there["value"] is None:
        assert back["value"] is None
        return
    assert back["value"] == -there["value"]
    assert (back["ci_low"], back["ci_high"]) == pytest.approx((-there["ci_high"], -there["ci_low"]))
    assert back["params"]["p_value"] == there["params"]["p_value"]
    swapped = {"a": "b", "b": "a", None: None}
    assert back["params"]["better"] == swapped[there["params"]["better"]]


def test_scorers_of_one_run_and_holm_over_the_call(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    noise = {task: generator.normal(size=60).tolist() for task in ("home", "near", "far")}
    moved = {
        scorer: {
            task: [v * (1 + step) + (task != "home") * 2 / (step + 1) for v in own]
            for task, own in noise.items()
        }
        for step, scorer in enumerate(("likelihood", "likelihood.mean", "likelihood.base"))
    }
    run = made_run(tmp_path / "run", moved)
    compared = compare_runs([run], scorers=list(moved), metrics=["auroc", "aupr_ood"])
    assert len(compared.records) == 8  # two others, two sets, two metrics
    assert {(r["params"]["a"]["scorer"], r["params"]["b"]["scorer"]) for r in compared.records} == {
        ("likelihood", "likelihood.mean"),
        ("likelihood", "likelihood.base"),
    }
    p = [record["params"]["p_value"] for record in compared.records]
    assert [record["params"]["p_holm"] for record in compared.records] == holm(p).tolist()
    assert {record["params"]["comparisons"] for record in compared.records} == {8}
    # 8 comparisons at 0.05 need 4 · 8 / 0.05 draws, or the smallest p-value could never pass.
    assert {record["params"]["draws"] for record in compared.records} == {640}
    assert compared.checks == []


def test_several_runs_stand_against_the_first(tmp_path: Path) -> None:
    folders = [
        made_run(tmp_path / name, {"likelihood": s}) for name, s in (("x", STRONG), ("y", WEAK), ("z", WEAK))
    ]
    compared = compare_runs(folders)
    assert [(r["params"]["a"]["letter"], r["params"]["b"]["letter"]) for r in compared.records] == [
        ("A", "B"),
        ("A", "C"),
    ]
    assert [side["run"] for side in compared.sides] == [str(folder) for folder in folders]
    assert {record["params"]["comparisons"] for record in compared.records} == {2}


def test_who_is_better_follows_the_metric(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    home = generator.normal(size=80).tolist()
    far = {"home": home, "away": (generator.normal(size=80) + 6).tolist()}
    near = {"home": home, "away": generator.normal(size=80).tolist()}
    a = made_run(tmp_path / "a", {"likelihood": far})
    b = made_run(tmp_path / "b", {"likelihood": near})
    high, low = compare_runs([a, b], metrics=["auroc", "fpr_at_95tpr_ood"]).records
    assert high["value"] > 0 > low["value"]
    assert high["params"]["better"] == low["params"]["better"] == "a"


def test_what_one_side_lacks_is_counted(tmp_path: Path) -> None:
    a = made_run(tmp_path / "a", {"likelihood": {"home": [None, *ID[1:]], "away": STRONG["away"]}})
    b = made_run(
        tmp_path / "b",
        {"likelihood": {"home": ID[:5], "away": [0.5, None, 1.5, 7.0, 2.5, 9.0]}},
    )
    compared = compare_runs([a, b])
    (record,) = compared.records
    assert record["params"]["a"]["only_here"] == {"id": 1, "ood": 0}
    assert record["params"]["b"]["only_here"] == {"id": 0, "ood": 1}
    assert record["params"]["n_common"] == 10
    assert (record["params"]["a"]["n_unscored"], record["params"]["b"]["n_unscored"]) == (1, 1)
    assert (record["n"], record["n_negative"], record["n_positive"], record["n_unscored"]) == (8, 4, 4, 2)
    # By hand, on home 1 to 4 and away 0, 2, 3, 4.
    is_ood = np.repeat([False, True], 4)
    expected = auroc([1, 2, 3, 4, 4.5, 6, 7, 8], is_ood) - auroc([1, 2, 3, 4, 0.5, 1.5, 7, 2.5], is_ood)
    assert record["value"] == pytest.approx(expected)
    few = {
        check["task"]: check["values"] for check in compared.checks if check["code"] == "few_common_samples"
    }
    assert few == {
        "home": {"common": 5, "only_a": 1, "only_b": 0},
        "away": {"common": 5, "only_a": 0, "only_b": 1},
    }
    text = Page(render_comparison(compared.to_json())).text
    assert "1 ID only in A, 1 OOD only in B, 1 unscored in A, 1 unscored in B" in text


def test_samples_are_joined_by_id_whatever_their_order(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    names = {task: [f"{task}-{n}" for n in range(len(own))][::-1] for task, own in WEAK.items()}
    turned = made_run(
        tmp_path / "turned", {"likelihood": {task: own[::-1] for task, own in WEAK.items()}}, names=names
    )
    (record,) = compare_runs([runs[0], turned]).records
    assert record["value"] == pytest.approx(11 / 30)
    (same,) = compare_runs([runs[1], turned]).records
    assert (same["value"], same["ci_low"], same["ci_high"]) == (0, 0, 0)


def test_the_seed_is_that_of_the_runs_own_resamples(runs: tuple[Path, Path]) -> None:
    from llmood.metrics import paired_difference

    own, other = (compare_runs(runs, seed=seed).records[0] for seed in (None, 7))
    for record, seed in ((own, 0), (other, 7)):
        expected = paired_difference(
            "auroc",
            [*STRONG["home"], *STRONG["away"]],
            [*WEAK["home"], *WEAK["away"]],
            np.repeat([False, True], [6, 5]),
            draws=200,
            seed=derive_seed(seed, "bootstrap", "home", "away"),
        )
        assert (record["ci_low"], record["ci_high"]) == (expected.low, expected.high)


def test_groups_are_drawn_whole(tmp_path: Path) -> None:
    groups = {f"home-{n}": "one document" for n in range(6)}
    a = made_run(tmp_path / "a", {"likelihood": STRONG}, groups=groups)
    b = made_run(tmp_path / "b", {"likelihood": WEAK}, groups=groups)
    (record,) = compare_runs([a, b]).records
    assert record["value"] is None
    assert "too few independent groups" in record["reason"]
    assert record["params"]["comparisons"] == 0
    text = Page(render_comparison(compare_runs([a, b]).to_json())).text
    assert "undefined: the ID samples are of too few independent groups" in text


def test_the_default_is_every_shared_scorer_without_baselines_and_further_adapters(tmp_path: Path) -> None:
    shared = ["likelihood", "likelihood.mean", "length", "random", "likelihood@tuned:1"]
    a = made_run(tmp_path / "a", dict.fromkeys([*shared, "likelihood.base"], STRONG))
    b = made_run(tmp_path / "b", dict.fromkeys(shared, WEAK))
    assert [r["scorer"] for r in compare_runs([a, b]).records] == ["likelihood", "likelihood.mean"]
    asked = compare_runs([a, b], scorers=["length", "likelihood@tuned:1"]).records
    assert [record["scorer"] for record in asked] == ["length", "likelihood@tuned:1"]
    with pytest.raises(ConfigError, match=r"b has no scores of 'likelihood.base'"):
        compare_runs([a, b], scorers=["likelihood.base"])


def test_nothing_in_common(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    other_id = made_run(tmp_path / "other", {"likelihood": {"elsewhere": ID, "away": STRONG["away"]}})
    with pytest.raises(ConfigError, match="their ID tasks are 'home' and 'elsewhere'"):
        compare_runs([runs[0], other_id])
    other_ood = made_run(tmp_path / "ood", {"likelihood": {"home": ID, "moon": STRONG["away"]}})
    with pytest.raises(ConfigError, match=r"no OOD set in common.*has away.*has moon"):
        compare_runs([runs[0], other_ood])
    names = {"home": [f"new-{n}" for n in range(6)], "away": [f"away-{n}" for n in range(5)]}
    other_data = made_run(tmp_path / "data", {"likelihood": WEAK}, names=names)
    with pytest.raises(ConfigError, match="no ID sample in common"):
        compare_runs([runs[0], other_data])
    other_scorer = made_run(tmp_path / "scorer", {"perplexity": WEAK})
    with pytest.raises(ConfigError, match=r"no scorer in common.*likelihood.*perplexity"):
        compare_runs([runs[0], other_scorer])


def test_mistakes(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="no run to compare"):
        compare_runs([])
    with pytest.raises(ConfigError, match=r"name a second run, or --scorers"):
        compare_runs([runs[0]])
    with pytest.raises(ConfigError, match=r"has no scores of 'likelihod'.*did you mean 'likelihood'"):
        compare_runs([runs[0]], scorers=["likelihood", "likelihod"])
    with pytest.raises(UnknownNameError, match="--metric: no metric 'aurocc'"):
        compare_runs(runs, metrics=["aurocc"])
    with pytest.raises(ConfigError, match="at most 26"):
        compare_runs([runs[0]] * 27)
    (runs[1] / "scores.parquet").unlink()
    with pytest.raises(ConfigError, match=r"weak: has no scores.parquet to compare"):
        compare_runs(runs)


def test_sets_of_one_side_and_sets_without_common_samples(tmp_path: Path) -> None:
    a = made_run(tmp_path / "a", {"likelihood": {**STRONG, "mine": [9.0, 8.0], "both": [1.0, 2.0]}})
    names = {
        "home": [f"home-{n}" for n in range(6)],
        "away": [f"away-{n}" for n in range(5)],
        "both": ["x", "y"],
    }
    b = made_run(
        tmp_path / "b",
        {"likelihood": {**WEAK, "both": [1.0, 2.0]}},
        names=names,
        shifts={"away": "far"},
        status="partial",
    )
    compared = compare_runs([a, b])
    assert [(r["ood_task"], r["shift"]) for r in compared.records] == [("away", "near")]
    assert sorted(codes(compared)) == ["nothing_in_common", "only_one_side", "other_shift", "unfinished_run"]
    details = " ".join(check["detail"] for check in compared.checks)
    assert "Only A has mine" in details
    assert "away is near in A and far in B" in details


def test_what_was_measured_otherwise(tmp_path: Path) -> None:
    capture = "response/tuned/prompt?max_new_tokens="
    scorer = "likelihood.response"
    a = made_run(tmp_path / "a", {scorer: STRONG}, captures=[capture + "12"])
    b = made_run(
        tmp_path / "b",
        {scorer: WEAK},
        captures=[capture + "64"],
        prompts="chat:",
        model={"engine": "transformers", "dtype": "bfloat16", "version": "2"},
        config={"scorers": [{scorer: {"temperature": 2}}], "bootstrap": {"draws": 200}},
    )
    compared = compare_runs([a, b])
    assert codes(compared) == [
        *("other_prompts", "other_prompts"),
        *("other_engine", "other_dtype", "other_versions", "other_captures", "other_arguments"),
    ]
    details = {check["code"]: check["detail"] for check in compared.checks}
    assert "dtype float32 in A and bfloat16 in B" in details["other_dtype"]
    assert "max_new_tokens=12 in A and max_new_tokens=64 in B" in details["other_captures"]
    assert compared.checks[0]["values"] == {"samples": 6}
    # A capture that the compared scorer doesn't read is no difference.
    prompt_only = [
        made_run(tmp_path / f"{n}", {"likelihood": STRONG}, captures=[f"{capture}{n}"]) for n in (3, 4)
    ]
    assert compare_runs(prompt_only).checks == []


def test_the_page_and_its_json(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    compared = compare_runs(runs, metrics=["auroc", "fpr_at_95tpr_id"])
    page = compared.write(tmp_path / "out")
    assert page == tmp_path / "out" / "comparison.html"
    html = page.read_text(encoding="utf-8")
    read = Page(html)
    assert "+0.367" in read.text
    assert HOSTILE in read.text  # said, and nothing more
    assert not [tag for tag, attributes in read.tags if tag in ("script", "img", "link", "iframe")]
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert sum(tag == "svg" for tag, _ in read.tags) == 2
    assert (
        json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8")) == compared.to_json()
    )
    assert render_comparison(compared.to_json()) == html
    named = compared.write(tmp_path / "mine.html")
    assert named.with_suffix(".json").is_file()
    with pytest.raises(ConfigError, match="is a file, not a folder"):
        compared.write(tmp_path / "out" / "comparison.json")


def test_the_frame(runs: tuple[Path, Path]) -> None:
    frame = compare_runs(runs).frame()
    assert len(frame) == 1
    row = frame.iloc[0]
    assert row["metric"] == "auroc"
    assert row["difference"] == pytest.approx(row["value_a"] - row["value_b"])
    assert (row["run_a"], row["scorer_b"], row["shift"]) == (str(runs[0]), "likelihood", "near")
    assert not math.isnan(row["p_holm"])


def test_the_figure_draws_what_the_records_say(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    (record,) = compare_runs(runs).records
    undefined = {**record, "ood_task": "moon", "value": None, "ci_low": None, "ci_high": None}
    display = Differences([record, undefined], title="AUROC")
    frame = display.frame()
    assert frame["label"].tolist() == ["away", "moon"]
    assert frame["difference"][0] == record["value"]
    assert math.isnan(frame["difference"][1])
    assert display.describe().startswith("Differences in AUROC with intervals: away +0.367 [")
    assert "moon" not in display.describe()
    low, high = display.plot().axes[0].get_xlim()
    assert low == -high
    assert high > record["ci_high"]
    left, right = Differences([undefined], title="AUROC").plot().axes[0].get_xlim()
    assert left < 0 < right
