"""The scorers without a model on clinc150: the draw, the distances by brute force, and that they see something."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from llmood.engines.observations import Block, Observations
from llmood.engines.store import Store
from llmood.metrics import auroc
from llmood.records import Sample
from llmood.scorers.base import scorers
from llmood.scorers.gzip_knn import GzipKNN
from llmood.tables import INDEX, SAMPLES
from llmood.tasks import LoadedTask, find_task, load_task

OOD = ("clinc150_oos", "banking77", "rt_polarity", "gsm8k")


def table_of(samples: list[Sample]) -> pa.Table:
    rows = [
        {"sample_id": one.sample_id, "split": one.split, "label": one.label, "prompt": one.text}
        for one in samples
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


@pytest.fixture(scope="module")
def clinc150(real_data: Path) -> LoadedTask:
    return load_task(find_task("clinc150"))


@pytest.fixture(scope="module")
def train(clinc150: LoadedTask) -> Observations:
    return Observations(table_of(clinc150.samples["train"]), INDEX.empty_table(), Store())


@pytest.fixture(scope="module")
def tests(clinc150: LoadedTask) -> dict[str, list[Sample]]:
    """Some 500 of each task, spread over all of it."""
    every = {"clinc150": clinc150} | {name: load_task(find_task(name), ("test",)) for name in OOD}
    return {
        name: task.samples["test"][:: max(1, len(task.samples["test"]) // 500)]
        for name, task in every.items()
    }


def test_gzip_knn_by_brute_force(
    train: Observations, clinc150: LoadedTask, tests: dict[str, list[Sample]]
) -> None:
    def size(text: str) -> int:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return len(packer.compress(text.encode()) + packer.flush())

    def distance(one: str, other: str) -> float:
        alone, beside = size(one), size(other)
        return (size(f"{one} {other}") - min(alone, beside)) / max(alone, beside)

    scorer = GzipKNN().fit(train)
    references = [text.decode() for text in scorer.references_]
    of_text = {sample.text: sample.label for sample in clinc150.samples["train"]}
    assert set(Counter(of_text[text] for text in references).values()) == {2}  # of each of the 150 intents
    samples = [sample for name in tests for sample in tests[name][:40]]
    assert len(samples) == 200
    found = scorer.score(Block(np.arange(200), table_of(samples), {}))
    assert found.values.tolist() == [
        min(distance(sample.text, text) for text in references) for sample in samples
    ]


@pytest.mark.parametrize("name", ["tfidf_knn", "ngram_ratio", "ngram_ratio.mean"])
def test_out_of_scope_questions_stand_out(
    name: str, train: Observations, tests: dict[str, list[Sample]]
) -> None:
    scorer = scorers.get(name).make().fit(train)
    values = {
        task: scorer.score(Block(np.arange(len(samples)), table_of(samples), {})).values
        for task, samples in tests.items()
    }
    for task in OOD:
        is_ood = np.repeat([False, True], [len(values["clinc150"]), len(values[task])])
        found = auroc(np.concatenate([values["clinc150"], values[task]]), is_ood)
        # Of 500 rows of each, chance stays below 0.56 in all but one of a thousand draws.
        assert found > 0.65, task
