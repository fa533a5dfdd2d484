"""A benchmark's populations: what is loaded of each task, and what is made by corrupting one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llmood
from llmood.config_file import load_config
from llmood.engines.observations import Block, Observations
from llmood.errors import ConfigError, DataError
from llmood.planning import make_plan
from llmood.records import SPLITS, Scores
from llmood.scorers.base import Scorer, ScorerEntry, scorers
from llmood.tasks import TaskSpec, load_task
from tests.task_files import write_task
from tests.worlds import WEATHER, write_world

TRAIN = [{"text": f"pay the bill number {i} by card"} for i in range(30)]
TEST = [{"text": f"my bank card number {i} for travel", "kind": "asked"} for i in range(24)]


class Known(Scorer):
    """1 for a text that stood in training, else 0; it remembers what it was shown."""

    fitted_on = "train"
    reads_text = True
    shown: list[str]

    def fit(self, train: Observations, validation: Observations | None = None) -> Known:
        type(self).shown = train.samples["prompt"].to_pylist()
        return self

    def score(self, block: Block) -> Scores:
        values = [float(text in self.shown) for text in block.samples["prompt"].to_pylist()]
        return Scores(np.array(values), [None] * len(block))


@pytest.fixture
def known() -> Iterator[str]:
    scorers.names()
    scorers.add("known_text", ScorerEntry("known_text", Known, {}, "test"))
    yield "known_text"
    del scorers._items["known_text"]


def test_a_scorer_learns_from_train_and_is_measured_on_test(tmp_path: Path, known: str) -> None:
    world = write_world(tmp_path, bank={"train": TRAIN, "test": TEST}, scorers=["likelihood", known])
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert run.status == "complete"
    # From the rows that `llmood finetune` would train on: what it holds out is held out here too.
    spec = TaskSpec.from_file(world.folder / "bank" / "t.yaml")
    trained = [sample.text for sample in load_task(spec, SPLITS).samples["train"]]
    assert sorted(Known.shown) == sorted(trained)
    assert len(TRAIN) > len(trained) > 15
    scores = run.scores()
    assert set(scores[scores.scorer == known].score) == {0.0}
    assert set(scores[scores.scorer == known].fitted_on) == {"train"}
    # The rows that were learned from are in the folder, and have no score and no place in any metric.
    samples = run.samples()
    assert samples.groupby("split").size().to_dict() == {"test": 60, "train": len(trained)}
    assert len(scores[scores.scorer == known]) == 60
    auroc = run.metrics().query("metric == 'auroc'")
    assert set(auroc.n_negative) == {24}

    Known.shown = []
    again = llmood.rescore(run.folder)
    assert sorted(Known.shown) == sorted(trained)
    assert again.scores().equals(scores)


def test_a_run_without_train_rows_cant_be_scored_with_what_learns(tmp_path: Path, known: str) -> None:
    world = write_world(tmp_path, bank={"train": TRAIN, "test": TEST})
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    with pytest.raises(ConfigError, match="known_text learns from 'train' rows, and the run read none"):
        llmood.rescore(run.folder, overrides=["scorers=[known_text]"])
    only_test = write_world(tmp_path / "other", scorers=[known])
    with pytest.raises(DataError, match=r"no split 'train'.*known_text learns from train"):
        llmood.evaluate(only_test.config, output_dir=tmp_path / "run2")


def test_private_text_is_scored_while_it_is_there_and_not_again(tmp_path: Path, known: str) -> None:
    world = write_world(tmp_path, bank={"train": TRAIN, "test": TEST}, scorers=["likelihood", known])
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run", overrides=["text=false"])
    assert run.samples().prompt.isna().all()
    assert (run.scores().query("scorer == 'known_text'").score == 0.0).all()
    with pytest.raises(ConfigError, match="known_text reads the prompts' text, and this run kept none"):
        llmood.rescore(run.folder)


def corrupted_world(folder: Path, *ood: dict[str, Any], **keys: Any) -> Any:
    world = write_world(folder, **{"bank": {"train": TRAIN, "test": TEST}, "far": None, **keys})
    benchmark = {"name": "small", "id": "bank/t.yaml", "ood": list(ood)}
    return world.edit(benchmark=benchmark)


def test_a_corruption_makes_five_grades_of_the_id_task(tmp_path: Path) -> None:
    world = corrupted_world(tmp_path, {"corruption": "typos"})
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    tasks = run.manifest["tasks"]
    names = [task["name"] for task in tasks]
    assert names == ["bank", *(f"bank.typos.{grade}" for grade in range(1, 6))]
    assert [task["severity"] for task in tasks] == [None, 1, 2, 3, 4, 5]
    assert {task["family"] for task in tasks[1:]} == {"bank.typos"}
    samples = run.samples()
    originals = samples[samples.task == "bank"].set_index("sample_id").prompt
    for grade in (1, 5):
        rows = samples[samples.task == f"bank.typos.{grade}"]
        assert (rows.severity == grade).all()
        parents = originals[rows.parent_id]
        assert list(parents) == [row["text"] for row in TEST]  # every original once, in its order
        assert (rows.prompt.to_numpy() != parents.to_numpy()).any()
    # A sample and what was made of it are one group: both are drawn together, or neither.
    found = run.metrics().query("metric == 'auroc' and scorer == 'likelihood'")
    assert set(found["shift"]) == {"covariate"}


def test_texts_that_no_grade_changed_are_one_check_a_family(tmp_path: Path) -> None:
    """Numbers have no case: they stay as they are at every grade."""
    rows = [{"text": text} for text in ("123 456", "7 8 9", "the quick brown fox jumps over the lazy dogs")]
    world = corrupted_world(tmp_path, {"corruption": "case"}, bank={"test": rows})
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    texts = {row["text"] for row in rows}
    samples = run.samples()
    left = {
        grade: int(samples[samples.task == f"bank.case.{grade}"].prompt.isin(texts).sum())
        for grade in range(1, 6)
    }
    assert min(left.values()) >= 2
    (case,) = [check for check in run.checks() if check["code"] == "unchanged_by_corruption"]
    listed = ", ".join(f"{count} of 3 at grade {grade}" for grade, count in left.items())
    assert case["detail"] == f"Texts of bank.case that are left as they were: {listed}."
    assert case["task"] == f"bank.case.{max(left, key=lambda grade: left[grade])}"
    assert case["values"] == {
        "samples": 3,
        **{f"unchanged_at_grade_{grade}": count for grade, count in left.items()},
    }


def test_one_grade_of_another_task(tmp_path: Path) -> None:
    world = corrupted_world(
        tmp_path,
        {"task": "near/t.yaml", "shift": "near"},
        {"task": "near/t.yaml", "corruption": "case", "severity": 2},
        near=WEATHER,
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert [task["name"] for task in run.manifest["tasks"]] == ["bank", "near", "near.case.2"]


def test_only_what_the_row_brings_is_corrupted(tmp_path: Path) -> None:
    prompt = "{% if kind == 'asked' %}QUESTION: {% endif %}{{ text }}"
    world = corrupted_world(
        tmp_path, {"corruption": "deletion", "severity": 3}, task={"prompt": "QUESTION: {{ text }}"}
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert run.samples().prompt.str.startswith("QUESTION: ").all()
    assert prompt.startswith("{%")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"corruption": "typoes"},
            r"benchmark\.ood\[0\]\.corruption: no corruption 'typoes' \(did you mean 'typos'",
        ),
        ({"corruption": "typos", "severity": 6}, r"benchmark\.ood\[0\]\.severity: 6 is no grade"),
    ],
)
def test_a_wrong_corruption_is_said_before_anything_runs(
    tmp_path: Path, entry: dict[str, Any], message: str
) -> None:
    world = corrupted_world(tmp_path, entry)
    with pytest.raises(ConfigError, match=message):
        llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_corruption_twice_is_one_too_many(tmp_path: Path) -> None:
    world = corrupted_world(tmp_path, {"corruption": "typos"}, {"corruption": "typos", "severity": 3})
    with pytest.raises(ConfigError, match=r"the OOD task 'bank\.typos\.3' stands there twice"):
        llmood.evaluate(world.config, output_dir=tmp_path / "run")


def test_groups_survive_a_run_without_text(tmp_path: Path) -> None:
    """Intervals are those of the same groups, whether names or hashes stand in the file."""
    world = corrupted_world(tmp_path, {"corruption": "typos", "severity": 3})
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run", overrides=["text=false"])
    before = run.metrics()
    after = llmood.rescore(run.folder).metrics()
    assert before.equals(after)


def test_more_neighbours_than_train_texts_are_refused_before_anything_runs(tmp_path: Path) -> None:
    world = write_world(tmp_path, bank={"train": TRAIN, "test": TEST}, scorers=[{"gzip_knn": {"k": 200}}])
    with pytest.raises(ConfigError, match="gzip_knn looks for neighbour 200, and train has"):
        llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_order_of_lines_changes_no_number(tmp_path: Path) -> None:
    records = []
    for name, order in (("one", 1), ("other", -1)):
        world = write_world(
            tmp_path / name, bank={"train": TRAIN, "test": TEST[::order]}, near=WEATHER[::order], far=None
        )
        run = llmood.evaluate(world.config, output_dir=tmp_path / name / "run")
        records.append(run.records())
    assert records[0] == records[1]


LABELLED = [
    row | {"label": f"intent{number % 3}", "domain": f"d{number % 3 % 2}"} for number, row in enumerate(TRAIN)
]


@pytest.mark.parametrize(
    ("scorer", "fields", "message"),
    [
        (
            "relative_mahalanobis",
            {},
            "scorers: relative_mahalanobis takes at least 2 classes, and .* have no labels",
        ),
        ("vim", {}, "scorers: vim takes at least 2 classes"),
        ("sage", {}, "scorers: sage takes at least 2 classes"),
        ("mos", {"label": "label"}, "scorers: mos groups classes by domain, and train has no domain"),
        ("mos", {"label": "label", "domain": "label"}, None),
        ("mos", {"label": "label", "domain": "kind"}, "train has one domain"),
        ("msp", {"label": "kind"}, r"takes at least 2 classes, and train's rows have 1 label"),
        ("msp", {"label": "label"}, None),
        ("mahalanobis", {}, None),
        (
            {"rank_average": {"of": ["vim", "likelihood"]}},
            {},
            "scorers: rank_average takes at least 2 classes",
        ),
    ],
)
def test_classes_that_a_scorer_needs_are_looked_for_before_anything_runs(
    tmp_path: Path, scorer: Any, fields: dict[str, str], message: str | None
) -> None:
    rows = [row | {"kind": "asked"} for row in LABELLED]
    world = write_world(tmp_path, scorers=[scorer])
    write_task(
        world.folder / "bank",
        {"train": rows, "test": [{**row, "label": "x"} for row in TEST]},
        name="bank",
        fields=fields,
    )
    config = load_config(world.config)[0]
    if message is None:
        assert make_plan(config, folder=world.folder).scorers
        return
    with pytest.raises(ConfigError, match=message):
        make_plan(config, folder=world.folder)
