"""Captures with several rows a sample: all draws of each row, in their order, whatever the block's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llmood.engines.observations import Block, Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.importing import captures as capturing
from llmood.importing.captures import GENERATIONS, NOT_GIVEN, RESPONSE, Captures
from llmood.importing.columns import Columns
from llmood.importing.rows import read_record
from llmood.importing.run import import_file
from llmood.records import FAILED, OK, UNSCORED
from llmood.tables import INDEX, SAMPLES
from tests.task_files import write_jsonl

# Sample i has COUNTS[i] draws.
COUNTS = [3, 0, 1, 2, 0, 4]


def observed(root: Path) -> Observations:
    store = Store(root)
    captures = Captures(store, "digest", private=False)
    for position, count in enumerate(COUNTS):
        row: dict[str, Any] = {"prompt": f"prompt {position}"}
        row |= {"draws": [f"{position}.{draw}" for draw in range(count)]} if count else {}
        row |= {"response": "greedy"} if position % 2 else {}
        captures.add_record(position, read_record(Columns({}).read(row)[0]))
    index = captures.index({position: f"s{position}" for position in range(len(COUNTS))})
    samples = pa.Table.from_pylist(
        [{"sample_id": f"s{position}", "split": "test"} for position in range(len(COUNTS))], schema=SAMPLES
    )
    # The order of an index says nothing.
    shuffled = index.take(pa.array(np.random.default_rng(0).permutation(index.num_rows)))
    return Observations(samples, shuffled, store)


def draws_of(block: Block) -> dict[str, list[str | None]]:
    table, offsets = block.many(GENERATIONS)
    assert offsets[0] == 0
    assert offsets[-1] == table.num_rows
    texts = table["text"].to_pylist()
    ids = block.samples["sample_id"].to_pylist()
    for i in range(len(block)):
        part = table.slice(offsets[i], offsets[i + 1] - offsets[i])
        assert set(part["row"].to_pylist()) == {i}
        numbers = part["draw"].to_pylist()
        assert numbers == list(range(len(numbers))) or numbers == [None]
    return {name: texts[offsets[i] : offsets[i + 1]] for i, name in enumerate(ids)}


@pytest.mark.parametrize("size", [1, 2, 4, 100])
@pytest.mark.parametrize("beside", [[], [RESPONSE]])
def test_all_draws_of_each_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, beside: list
) -> None:
    monkeypatch.setattr(capturing, "SHARD_ROWS", 3)  # draws of one sample in two shards
    observations = observed(tmp_path)
    found: dict[str, list[str | None]] = {}
    for block in observations.blocks([*beside, GENERATIONS], size=size):
        assert len(block) <= size
        for spec in beside:
            assert block[spec].num_rows == len(block)
        found |= draws_of(block)
    assert found == {
        f"s{position}": [f"{position}.{draw}" for draw in range(count)] or [None]
        for position, count in enumerate(COUNTS)
    }


def test_a_row_without_draws_says_why(tmp_path: Path) -> None:
    (block,) = observed(tmp_path).blocks([GENERATIONS])
    rows = {row["row"]: row for row in block[GENERATIONS].to_pylist() if row["status"] != OK}
    lacking = {f"s{position}" for position, count in enumerate(COUNTS) if not count}
    ids = block.samples["sample_id"].to_pylist()
    assert {ids[row] for row in rows} == lacking
    assert {(row["status"], row["reason"]) for row in rows.values()} == {(UNSCORED, NOT_GIVEN)}


def test_only_the_columns_that_are_read(tmp_path: Path) -> None:
    (block,) = observed(tmp_path).blocks([GENERATIONS], {"generations": ["text"]})
    assert set(block[GENERATIONS].column_names) == {"text", "status", "reason", "row", "draw"}


def test_one_split_keeps_its_draws(tmp_path: Path) -> None:
    observations = observed(tmp_path)
    assert len(list(observations.of("test").blocks([GENERATIONS]))) == 1
    assert list(observations.of("train").blocks([GENERATIONS])) == []


def test_a_failed_draw_fails_its_row(tmp_path: Path) -> None:
    observations = observed(tmp_path)
    index = observations._index.to_pylist()
    for row in index:
        if row["sample_id"] == "s3" and row["capture"] == GENERATIONS.id and row["draw"] == 1:
            row |= {"shard": None, "row": None, "status": FAILED, "reason": "out of memory"}
    again = Observations(observations.samples, pa.Table.from_pylist(index, schema=INDEX), Store(tmp_path))
    (block,) = again.blocks([GENERATIONS, RESPONSE])
    ids = np.array(block.samples["sample_id"].to_pylist())
    assert ids[block.failed(GENERATIONS)].tolist() == ["s3"]
    assert not block.failed(RESPONSE).any()
    assert draws_of(block)["s3"] == ["3.0", None]


def test_an_index_of_before_draws_reads_as_one_row(tmp_path: Path) -> None:
    observations = observed(tmp_path)
    old = pa.Table.from_pylist(
        [{**row, "draw": None} for row in observations._index.to_pylist() if row["capture"] == RESPONSE.id],
        schema=INDEX,
    )
    (block,) = Observations(observations.samples, old, Store(tmp_path)).blocks([RESPONSE])
    assert block[RESPONSE].num_rows == len(COUNTS)


SAID = [["7", "it is 7.0", "Answer: 7"], ["7", "8", "it is 8.0"], ["half", "A half.", "7"], ["7"]]


@pytest.mark.parametrize(
    ("rule", "expected"), [("numeric", [0.0, 1 / 3, 1 / 3, np.nan]), ("exact", [2 / 3, 2 / 3, 1 / 3, np.nan])]
)
def test_imported_draws_are_compared(
    tmp_path: Path, fresh_cache: Path, rule: str, expected: list[float]
) -> None:
    rows = [{"prompt": f"sum {place}", "draws": draws} for place, draws in enumerate(SAID)]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    run = import_file(
        tmp_path / "rows.jsonl",
        overrides=["scorers=[self_consistency]", f"equivalence.rule={rule}", "bootstrap.draws=100"],
        output_dir=tmp_path / "run",
    )
    scores = run.scores().merge(run.samples()[["sample_id", "source_line"]], on="sample_id")
    own = scores[scores.scorer == "self_consistency"].sort_values("source_line")
    assert own.score.tolist() == pytest.approx(expected, nan_ok=True)
    assert set(own.definition) == {f"equivalence: rule={rule}"}


def test_a_rule_that_needs_a_model_is_refused(tmp_path: Path, fresh_cache: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"prompt": "sum", "draws": ["7", "8"]}])
    chosen = ["scorers=[self_consistency]", "equivalence.rule=nli"]
    with pytest.raises(ConfigError, match="an import has none"):
        import_file(tmp_path / "rows.jsonl", overrides=chosen, output_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
