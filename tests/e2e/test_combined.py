"""Scorers made of scorers, in a run and when it is scored again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import llmood as package
from tests.e2e.test_errors import rows
from tests.worlds import World, llmood, no_model_runs, refused, write_world

OF = ["likelihood.response_given_prompt.mean", "likelihood.mean", "length"]
SCORERS = ["likelihood", {"ensemble": {"of": OF}}, {"rank_average": {"of": ["likelihood_ratio", "gzip_knn"]}}]


@pytest.fixture
def world(tmp_path: Path, fresh_cache: Path, no_report: None) -> World:
    bank = {"train": rows("train", 60), "validation": rows("held", 40), "test": rows("bank", 60)}
    return write_world(
        tmp_path / "world",
        bank,
        rows("near", 30),
        rows("far", 30),
        task={"fields": {"references": "answers"}},
        scorers=SCORERS,
    )


def test_a_run_fits_them_on_its_own_splits(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = llmood("run", world.config, "-o", tmp_path / "run")
    assert outcome.code == 0, outcome
    made = package.Run(tmp_path / "run")
    scores = made.scores()
    own = scores[scores.scorer.isin(["ensemble", "rank_average"])]
    assert set(own[own.scorer == "ensemble"].fitted_on) == {"train"}
    assert set(own.definition) == {f"of: {', '.join(OF)}", "of: likelihood_ratio, gzip_knn"}
    assert own[own.status == "ok"].groupby("scorer").size().min() > 60
    ranks = own[own.scorer == "rank_average"].score.dropna()
    assert ranks.between(0, 1).all()
    verdicts = pq.read_table(tmp_path / "run" / "correctness.parquet").to_pandas()
    judged = verdicts.merge(pq.read_table(tmp_path / "run" / "samples.parquet").to_pandas(), on="sample_id")
    assert set(judged.split) == {"train", "validation", "test"}
    # What is measured is measured on test alone.
    counted = {r["n"] for r in made.records() if (r["metric"], r["population"]) == ("accuracy", "id")}
    assert counted == {60}

    no_model_runs(monkeypatch)
    assert llmood("rescore", tmp_path / "run").code == 0
    again = package.Run(tmp_path / "run").scores()
    np.testing.assert_array_equal(again.score, scores.score)


def test_an_ensemble_without_verdicts_is_refused_before_anything_runs(world: World, tmp_path: Path) -> None:
    outcome = llmood("run", world.config, "-o", tmp_path / "run", "--set", "correctness=none")
    refused(outcome, "ensemble", "which answers are right")
    assert not (tmp_path / "run").exists()
