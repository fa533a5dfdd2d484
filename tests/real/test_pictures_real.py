"""The tasks with pictures on the real data: which picture a row shows, its groups, its votes."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import entropy, spearmanr

from llmood import evaluate
from llmood.config import BootstrapConfig, EngineConfig, Models, RunConfig
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.questions.rater_disagreement import rater_disagreement
from llmood.tasks.images.cells import load_picture
from tests.task_accounts import accounts, loaded, raw
from tests.tiny_pictures import save_picture_adapter, save_pictured

FAMILIES = {
    "nlvr": (400, 100),
    "nlvr_hidden": (400, 100),
    "country_flags": None,
    "super_clevr_sample": (320, 240),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_each_row_shows_its_own_picture(name: str, real_data: Path) -> None:
    for split, part in accounts()[name].items():
        samples = loaded(name).samples[split]
        assert all(len(sample.images) == len(sample.pictures) == 1 for sample in samples)
        for sample, row in list(zip(samples, raw(part.file), strict=True))[::97]:
            with zipfile.ZipFile(real_data / part.file.partition("/")[0] / "images.zip") as archive:
                shown = Image.open(BytesIO(archive.read(row["image"])))
            picture = load_picture(sample.pictures[0])
            assert picture.size == shown.size
            assert FAMILIES[name] in (None, picture.size)
            opaque = shown.convert("RGBA").getchannel("A").getextrema() == (255, 255)
            assert not opaque or picture.tobytes() == shown.convert("RGB").tobytes()


def test_flags_of_one_picture_are_one_group(real_data: Path) -> None:
    pictures, groups = defaultdict(set), defaultdict(set)
    for sample in loaded("country_flags").samples["test"]:
        pictures[sample.group].add(sample.images)
        groups[sample.images].add(sample.group)
    assert len(pictures) == len(groups) == 239
    assert {len(found) for found in (*pictures.values(), *groups.values())} == {1}


def test_statements_are_groups_and_no_picture_is_asked_about_in_the_same_words_twice(real_data: Path) -> None:
    task = loaded("nlvr")
    statements = {split: {sample.group for sample in task.samples[split]} for split in ("train", "test")}
    assert [len(found) for found in statements.values()] == [247, 244]
    assert len(statements["train"] & statements["test"]) == 23
    asked = [(sample.group, sample.images) for samples in task.samples.values() for sample in samples]
    assert len(set(asked)) == len(asked)


def test_the_answer_is_what_most_raters_said(real_data: Path) -> None:
    task = loaded("nlvr")
    split = {}
    for name in ("train", "test"):
        votes = [sample.meta["votes"] for sample in task.samples[name]]
        split[name] = sum(min(vote.values()) > 0 for vote in votes)
        for sample, vote in zip(task.samples[name], votes, strict=True):
            assert sample.label == max(vote, key=vote.__getitem__)
    assert split == {"train": 144, "test": 111}
    assert not any("votes" in sample.meta for sample in loaded("nlvr_hidden").samples["test"])


def test_the_votes_are_held_against_scores(real_data: Path) -> None:
    samples = loaded("nlvr").samples["test"]
    assert [dict(sample.votes) for sample in samples] == [dict(sample.meta["votes"]) for sample in samples]
    length = np.array([float(len(sample.text)) for sample in samples])
    scored = ScoredBenchmark(
        "nlvr",
        Population("nlvr", "none", None, np.arange(len(samples))),
        (),
        {"length": length},
        np.array([str(sample.group) for sample in samples]),
    )
    votes = [list(sample.votes.values()) for sample in samples]
    found = {
        record.metric: record for record in rater_disagreement(scored, votes, BootstrapConfig(draws=200), 0)
    }
    bits = [entropy(each, base=2) for each in votes]
    assert found["spearman_disagreement"].value == pytest.approx(spearmanr(length, bits).statistic)
    for record in found.values():
        assert (record.n, record.n_positive, record.n_unscored) == (700, 111, 0)
        assert record.ci_low is not None


@pytest.mark.slow
def test_nlvr_is_measured_by_a_model_that_sees(real_data: Path, tmp_path: Path) -> None:
    base = save_pictured(tmp_path / "base")
    config = RunConfig(
        benchmark="nlvr",
        models=Models.model_validate(
            {"base": str(base), "tuned": {"adapter": str(save_picture_adapter(tmp_path / "adapter", base))}}
        ),
        engine=EngineConfig(kind="transformers", device="cpu"),
        scorers=("likelihood_ratio", "length"),
        limit=12,
        correctness="task",
    )
    run = evaluate(config, output_dir=tmp_path / "run")
    samples = run.samples()
    assert sorted(samples["task"].value_counts().items()) == [
        ("country_flags", 12),
        ("nlvr", 12),
        ("super_clevr_sample", 12),
    ]
    assert samples["images"].map(len).eq(1).all()
    scores = run.scores()
    # The tiny model's context is 128 tokens, of about a letter each.
    assert all("context" in reason for reason in scores["reason"].dropna()), set(scores["reason"])
    assert (scores["status"] == "ok").mean() > 0.5
    metrics = run.metrics()
    found = metrics[(metrics["metric"] == "auroc") & (metrics["question"] == "ood_detection")]
    assert set(found["ood_task"]) == {"country_flags", "super_clevr_sample"}
    rated = metrics[metrics["question"] == "rater_disagreement"]
    assert set(rated["metric"]) == {"spearman_disagreement", "auroc_split_votes"}
    assert rated["ood_task"].isna().all()
    assert (rated["value"].notna() | rated["reason"].notna()).all()
    says = metrics[metrics["metric"].isin(["yes_rate", "f1_yes"])]
    assert set(says["id_task"]) == {"nlvr"}
    assert says["ood_task"].isna().all()  # the others are judged by other rules
    assert len(says) == 2
    assert "say yes, where" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
