"""Scores against the votes of raters: by hand, and through a whole run and its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy, spearmanr

import llmood
from llmood.cli.gating import run_gates
from llmood.config import BootstrapConfig
from llmood.displays import DisagreementCurve
from llmood.displays.style import LINES
from llmood.gates import judge
from llmood.measures.votes import majority_share, vote_entropy
from llmood.metrics import auroc, mean_bootstrap
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.questions.rater_disagreement import rater_disagreement
from llmood.records import MetricRecord
from llmood.report import render_report
from tests.worlds import BANK, WEATHER, no_report, refused, write_world
from tests.worlds import llmood as call

N = 40
HEADING = "Is it unsure where people disagree?"
VOTES = [[5, 0], [3, 2], [0, 4], [1, 4]]


def found(
    scores: np.ndarray, votes: list[Any], away: list[Any] | None = None
) -> Mapping[tuple[str, str | None], MetricRecord]:
    scored = ScoredBenchmark(
        "b",
        Population("home", "none", None, np.arange(N)),
        (Population("away", "far", None, np.arange(N, 2 * N)),),
        {"doubt": scores, "doubt@tuned:1": scores},
        np.array([f"g{place}" for place in range(2 * N)]),
    )
    every = [*votes, *(away or [None] * N)]
    records = rater_disagreement(scored, every, BootstrapConfig(draws=200), 0)
    return {(record.metric, record.ood_task): record for record in records}


def test_by_hand() -> None:
    votes = VOTES * (N // 4)
    scores = np.random.default_rng(0).normal(size=2 * N)
    records = found(scores, votes)
    assert set(records) == {("spearman_disagreement", None), ("auroc_split_votes", None)}
    bits = [entropy(each, base=2) for each in votes]
    correlation, detection = records["spearman_disagreement", None], records["auroc_split_votes", None]
    assert correlation.value == pytest.approx(spearmanr(scores[:N], bits).statistic)
    split = np.array([min(each) > 0 for each in votes])
    assert detection.value == auroc(scores[:N], split)
    for record in records.values():
        assert record.ci_low is not None
        assert record.ci_high is not None
        assert record.value is not None
        assert record.ci_low < record.value < record.ci_high
        assert (record.n, record.n_positive, record.n_negative, record.n_unscored) == (N, N // 2, N // 2, 0)
        assert (record.population, record.positive_class) == ("id", "split")


def test_a_score_that_knows_the_votes() -> None:
    votes = VOTES * (N // 4)
    records = found(np.tile(vote_entropy(votes), 2), votes, away=votes)
    assert {record.value for record in records.values()} == {1.0}
    assert {record.ood_task for record in records.values()} == {None, "away"}


def test_who_is_left_out_and_why() -> None:
    votes: list[Any] = [None, [], [0, 0], [1, 0], [1], *VOTES * 9][:N]
    votes[N - 1] = [2, 2]
    scores = np.arange(2.0 * N)
    scores[N - 1] = np.nan
    record = found(scores, votes)["auroc_split_votes", None]
    assert record.params["left_out"] == {"no score": 1, "no votes": 3, "one vote": 2}
    assert (record.n, record.n_unscored) == (N - 6, 6)


@pytest.mark.parametrize(("votes", "kind"), [([[5, 0]], "split"), ([[3, 2]], "unanimous")])
def test_undefined_where_all_agree_or_none(votes: list[list[int]], kind: str) -> None:
    records = found(np.arange(2.0 * N), votes * N)
    assert records["spearman_disagreement", None].value is None
    assert records["spearman_disagreement", None].reason
    detection = records["auroc_split_votes", None]
    assert (detection.value, f"rows with {kind} votes" in (detection.reason or "")) == (None, True)


def test_votes() -> None:
    votes = [[5, 0], [3, 2], [1, 1, 2], [7]]
    assert vote_entropy(votes) == pytest.approx([entropy(each, base=2) for each in votes])
    assert not np.signbit(vote_entropy(votes)).any()
    assert majority_share(votes).tolist() == [1.0, 0.6, 0.5, 1.0]
    for wrong in ([[0, 0]], [[]], [[-1, 2]]):
        with pytest.raises(ValueError, match="votes are counts"):
            vote_entropy(wrong)


def rated(rows: list[dict[str, Any]], *votes: Any) -> list[dict[str, Any]]:
    return [{**row, "said": votes[place % len(votes)]} for place, row in enumerate(rows)]


def test_through_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)
    world = write_world(
        tmp_path / "world",
        bank=rated(BANK, {"yes": 5, "no": 0}, {"yes": 3, "no": 2}, ["yes", "no", "no"], None),
        near=rated(WEATHER, '{"yes": 4}', '["a", "b"]', {"a": None, "b": 2}),
        far=None,
        task={"fields": {"votes": "said"}},
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    records = [r for r in run.records() if r["question"] == "rater_disagreement"]
    scorers = ["likelihood_ratio", "likelihood"]
    home = {(r["metric"], r["scorer"]): r for r in records if r["ood_task"] is None}
    assert {r["ood_task"] for r in records} == {None, "near"}
    for scorer in scorers:
        own = home["auroc_split_votes", scorer]
        assert (own["n_positive"], own["n_negative"], own["params"]["left_out"]) == (12, 6, {"no votes": 6})
        assert own["ci_low"] <= own["value"] <= own["ci_high"]
    assert run.samples()["votes"].map(list).tolist()[:4] == [[5, 0], [3, 2], [1, 2], []]
    (gated,) = judge(
        run_gates(["auroc_split_votes[question=rater_disagreement,scorer=likelihood,shift=near] >= 0"]),
        records,
    )
    assert (gated.matched, list(gated.missed)) == (1, [])
    again = [r for r in llmood.rescore(run.folder).records() if r["question"] == "rater_disagreement"]
    assert again == records
    # Counts aren't words, and are kept without them.
    private = llmood.evaluate(world.config, output_dir=tmp_path / "private", overrides=["text=false"])
    kept = [r for r in llmood.rescore(private.folder).records() if r["question"] == "rater_disagreement"]
    assert kept == records
    html = render_report([run.folder])
    section = html.partition(f">{HEADING}<")[2].partition("</section>")[0]
    assert "raters are split over 12 of 18 samples" in section
    assert section.count("<figure>") == 2
    assert "auroc_split_votes" not in html.partition("Other records")[2]
    metrics = run.folder / "metrics.json"
    without = [r for r in run.records() if r["question"] != "rater_disagreement"]
    metrics.write_text(json.dumps(without), encoding="utf-8")
    assert HEADING not in render_report([run.folder])


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        (5, "wrong type: votes is an int"),
        ("yes", "is no JSON"),
        ({"yes": -1}, "no number of raters"),
        ({"yes": 1.5}, "no number of raters"),
        ({"yes": True}, "no number of raters"),
        ('{"yes": Infinity}', "no number of raters"),
        ('{"yes": NaN}', "no number of raters"),
        ({"yes": "two"}, "no number of raters"),
        ([["yes"]], "votes holds a list"),
    ],
)
def test_what_are_no_votes(votes: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)
    near = [*rated(WEATHER, {"yes": 2}), {"text": "one more", "said": votes}]
    world = write_world(
        tmp_path / "world", bank=rated(BANK, None), near=near, far=None, task={"fields": {"votes": "said"}}
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    (reject,) = run.rejects()
    assert said in reject["reason"]
    assert "\n" not in reject["reason"]


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", task={"fields": {"votes": "said"}})
    refused(call("run", world.config), "fields.votes: no column 'said'")


def test_the_curve_rises_with_a_score_that_knows_the_votes() -> None:
    votes = VOTES * 5
    known, unscored = vote_entropy(votes), np.full(20, np.nan)
    display = DisagreementCurve(
        {"knows": known, "nothing": unscored}, majority_share(votes), [str(n) for n in range(20)], task="t"
    )
    frame = display.frame()
    assert frame["scorer"].unique().tolist() == ["knows"]
    assert frame["majority"].tolist() == [1.0, 0.8, 0.6]
    assert frame["n"].tolist() == [10, 5, 5]
    # Ranks 0–9 tie at 4.5, 10–14 at 12, 15–19 at 17, of 19.
    assert frame["mean_rank"].tolist() == pytest.approx([4.5 / 19, 12 / 19, 17 / 19])
    axes = display.plot().axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["100 %", "80 %", "60 %"]
    assert "0.237 at 100 % (10)" in display.describe()
    nothing = DisagreementCurve({}, np.empty(0), [], task="t")
    nothing.plot()
    assert "no sample has both" in nothing.describe()


def test_scorers_beyond_the_sixth_are_in_the_frame_alone() -> None:
    votes, names = VOTES * 5, [f"s{place}" for place in range(len(LINES) + 1)]
    entropy, groups = vote_entropy(votes), [str(n) for n in range(20)]
    display = DisagreementCurve(dict.fromkeys(names, entropy), majority_share(votes), groups, task="t")
    assert display.frame()["scorer"].unique().tolist() == names
    (legend,) = display.plot().legends
    assert [text.get_text() for text in legend.get_texts()] == names[:-1]


def test_the_curves_intervals_are_drawn_as_those_of_the_records() -> None:
    votes = VOTES * 5
    scores = {"noise": np.random.default_rng(0).normal(size=20)}
    given = {"draws": 150, "level": 0.8, "seed": 7}
    frame = DisagreementCurve(
        scores, majority_share(votes), [str(n) for n in range(20)], task="t", **given
    ).frame()
    ranks = scores["noise"].argsort().argsort() / 19
    for row in frame.itertuples():
        own = ranks[np.round(majority_share(votes), 2) == row.majority]
        expected = mean_bootstrap(own, **given)
        assert (row.ci_low, row.ci_high) == pytest.approx((expected.low, expected.high))
