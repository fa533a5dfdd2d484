"""Which samples fall to which shard of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.config_file import load_config
from llmood.engines.prompts import Prompt
from llmood.errors import ConfigError
from llmood.plan import Plan
from llmood.planning import make_plan
from llmood.records import Split
from llmood.sharding import POSITION, Shard, cut, deal, outcomes, samples_digest
from llmood.tables import INDEX, SAMPLES
from tests.worlds import BANK, write_world

ROWS = st.lists(st.lists(st.integers(0, 3), max_size=6).map(tuple), max_size=40)


def prompts_of(rows: Sequence[tuple[int, ...]], split: Split = "test") -> list[Prompt]:
    return [Prompt(f"{split}{place}", row, split) for place, row in enumerate(rows)]


def plan_of(folder: Path, **config: object) -> Plan:
    parsed, where, _ = load_config(write_world(folder, **config).config)  # type: ignore[arg-type]
    return make_plan(parsed, folder=where)


def test_a_shard_is_read_as_it_is_said() -> None:
    assert Shard.parse("0/4") == Shard(0, 4)
    assert str(Shard.parse("003/16")) == "3/16"
    assert Shard.parse("0/1") == Shard(0, 1)


@pytest.mark.parametrize(
    "text", ["", "1", "1/", "/4", "a/4", "1/4/2", "-1/4", "1.0/4", " 0/4", "٠/4", "0/4\n"]
)
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(ConfigError, match="can't be read") as caught:
        Shard.parse(text)
    assert "0/4, the first of four" in str(caught.value)


@pytest.mark.parametrize(("text", "hint"), [("4/4", "0/4 to 3/4"), ("1/1", "0/1 to 0/1")])
def test_shards_are_counted_from_0(text: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="counted from 0") as caught:
        Shard.parse(text)
    assert hint in str(caught.value)


def test_no_shards() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        Shard.parse("0/0")
    with pytest.raises(ConfigError, match="counted from 0"):
        Shard(-1, 4)


def test_the_longest_are_dealt_first() -> None:
    # By length, then by ids: (2,2,2) (1,1) (1,2) (0) → shards 0 1 2 0.
    assert deal(prompts_of([(0,), (1, 2), (2, 2, 2), (1, 1)]), 3) == [0, 2, 0, 1]


@given(ROWS, ROWS, st.integers(1, 7))
def test_a_deal(test: list[tuple[int, ...]], train: list[tuple[int, ...]], count: int) -> None:
    prompts = prompts_of(test) + prompts_of(train, "train")
    shards = deal(prompts, count)
    assert len(shards) == len(prompts)
    assert set(shards) <= set(range(count))
    # One text is one request, in whatever splits and tasks it stands.
    of_text: dict[tuple[int, ...], set[int]] = {}
    for prompt, shard in zip(prompts, shards, strict=True):
        of_text.setdefault(prompt.token_ids, set()).add(shard)
    assert all(len(found) == 1 for found in of_text.values())
    # No shard has more than one text more than another, nor more tokens than its longest.
    for split in (set(test), set(train) - set(test)):
        tokens = [sum(len(ids) for ids in split if of_text[ids] == {shard}) for shard in range(count)]
        texts = [sum(of_text[ids] == {shard} for ids in split) for shard in range(count)]
        assert max(texts) - min(texts) <= 1
        assert max(tokens) - min(tokens) <= max(map(len, split), default=0)


@given(
    ROWS.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(range(len(rows))))), st.integers(1, 5)
)
def test_the_order_of_the_samples_decides_nothing(
    given_rows: tuple[list[tuple[int, ...]], list[int]], count: int
) -> None:
    rows, order = given_rows
    shards = deal(prompts_of(rows), count)
    assert deal(prompts_of([rows[place] for place in order]), count) == [shards[place] for place in order]


@pytest.mark.parametrize("count", [1, 3, 100])
def test_shards_are_the_whole_run_once(tmp_path: Path, count: int) -> None:
    plan = plan_of(tmp_path)
    cuts = [cut(plan, Shard(index, count)) for index in range(count)]
    positions = [place for own in cuts for place in own.samples[POSITION].to_pylist()]
    assert sorted(positions) == list(range(len(plan.prompts)))
    for own in cuts:
        ids = [plan.prompts[place].sample_id for place in own.samples[POSITION].to_pylist()]
        assert [prompt.sample_id for prompt in own.plan.prompts] == ids
        assert own.samples["sample_id"].to_pylist() == own.plan.samples["sample_id"].to_pylist() == ids
        assert own.described["samples"] == len(ids)
        assert own.described["of"] == len(plan.prompts)
        # What the run is stays what it is.
        assert own.plan.describe() == plan.describe()
    assert len({own.described["digest"] for own in cuts}) == 1


def test_the_digest_is_of_samples_and_texts_in_order() -> None:
    rows = [{"sample_id": f"s{place}", "prompt_hash": f"h{place}", "label": "a"} for place in range(3)]

    def of(rows: list[dict[str, str]]) -> str:
        return samples_digest(pa.Table.from_pylist(rows, schema=SAMPLES))

    assert of(rows) == of([row | {"prompt": "words"} for row in rows])
    assert of(rows) != of(rows[::-1])
    assert of(rows) != of([*rows[:2], rows[2] | {"prompt_hash": "other"}])
    assert of(rows) != of(rows[:2])


def test_a_shard_of_a_private_run_keeps_no_text(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, text=False)
    own = cut(plan, Shard(0, 2))
    assert own.samples["prompt"].null_count == own.samples.num_rows
    whole = cut(plan, Shard(0, 1)).samples
    rows = pa.array(own.samples[POSITION].to_pylist())
    assert own.samples.equals(whole.take(rows))  # a label is the same hash in every shard


def test_a_private_run_keeps_no_text_for_a_scorer_that_reads_it(tmp_path: Path) -> None:
    rows = [{"text": f"an earlier row {i}", "label": f"intent{i % 3}"} for i in range(40)]
    bank = {"train": rows, "test": BANK}
    cut(plan_of(tmp_path / "open", bank=bank, scorers=["tfidf_knn"]), Shard(0, 2))
    plan = plan_of(tmp_path / "private", bank=bank, scorers=["tfidf_knn"], text=False)
    with pytest.raises(ConfigError, match=r"tfidf_knn reads the prompts' text.*--no-text"):
        cut(plan, Shard(0, 2))


def test_outcomes_are_counted_by_capture() -> None:
    rows = [("a", "ok"), ("a", "failed"), ("b", "unscored"), ("a", "ok")]
    index = pa.Table.from_pylist([{"capture": c, "status": s} for c, s in rows], schema=INDEX)
    assert outcomes(index) == {
        "a": {"ok": 2, "unscored": 0, "failed": 1},
        "b": {"ok": 0, "unscored": 1, "failed": 0},
    }
