"""`--no-text`: hashes and numbers, but no word of a prompt, an answer or a label in any file that is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import llmood as package
from llmood.engines.fake_model import LEXICON, FakeTokenizer
from tests.worlds import World, llmood, no_model_runs, tree, write_world

# Every cell holds a word of its own, so that a leak says where it came from.
FIELDS = {
    "label": "label",
    "domain": "domain",
    "group": "group",
    "parent_id": "parent",
    "references": "references",
    "choices": "choices",
    "meta": {"more": "more"},
}
SCORERS = ["likelihood_ratio", "likelihood.response", "likelihood_ratio.response_given_prompt.mean"]


def secret_rows(kind: str, count: int = 12) -> list[dict[str, Any]]:
    return [
        {
            "text": f"{kind} xqtext{i} about a travel card",
            "label": f"xqlabel{kind}{i % 2}",
            "domain": f"xqdomain{kind}",
            "group": f"xqgroup{kind}{i % 6}",
            "parent": f"xqparent{i}",
            "references": [f"xqreference{i}"],
            "choices": [f"xqchoice{i}", "xqother"],
            "more": f"xqmeta{i}",
        }
        for i in range(count)
    ]


def broken_rows() -> list[dict[str, Any]]:
    plain = secret_rows("broken", 1)[0]
    return [
        {**plain, "text": {"xqbroken": "xqbroken"}},
        {**plain, "text": ["xqbroken", "xq'broken"]},
        {**plain, "label": {"xqbroken": 1}},
        {**plain, "text": "xqbroken \0"},
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    near = [*secret_rows("near"), *broken_rows()]
    return write_world(
        tmp_path_factory.mktemp("private"),
        secret_rows("bank"),
        near,
        secret_rows("far"),
        task={"fields": FIELDS},
        scorers=SCORERS,
    )


@pytest.fixture
def private(world: World, tmp_path: Path, fresh_cache: Path, no_report: None) -> package.Run:
    assert llmood("run", world.config, "-o", tmp_path / "run", "--no-text").code == 1  # rows were rejected
    return package.Run(tmp_path / "run")


def words_in(folder: Path) -> str:
    """All that the files below a folder say: their bytes as text, and every cell of every column."""
    said = []
    for name, content in tree(folder).items():
        said += [name, content.decode("utf-8", "replace")]
        if name.endswith(".parquet"):
            table = pq.read_table(folder / name)
            said += [json.dumps(table.to_pylist(), default=str), str(table.schema.metadata)]
    return "\n".join(said)


def test_no_file_holds_a_word(world: World, tmp_path: Path, fresh_cache: Path) -> None:
    """The report included."""
    assert llmood("run", world.config, "-o", tmp_path / "run", "--no-text").code == 1
    assert (tmp_path / "run" / "report.html").stat().st_size > 1000
    for folder in (tmp_path / "run", fresh_cache):
        said = words_in(folder)
        assert "likelihood" in said or "shard" in said or "logprobs" in said  # it looked at something
        assert "xq" not in said
        assert not [answer for answer in LEXICON if len(answer) > 6 and answer in said]


def test_the_store_holds_no_token_ids(private: package.Run, fresh_cache: Path) -> None:
    shards = sorted(fresh_cache.rglob("*.parquet"))
    assert shards
    for shard in shards:
        table = pq.read_table(shard)
        assert table.num_rows
        assert table["token_ids"].null_count == table.num_rows
        if "text" in table.column_names:
            assert table["text"].null_count == table.num_rows
        # The numbers are there.
        assert any(table["logprobs"].to_pylist())


def test_the_export_holds_no_word(private: package.Run, tmp_path: Path) -> None:
    assert llmood("cache", "export", private.folder, "-o", tmp_path / "export").code == 0
    assert "xq" not in words_in(tmp_path / "export")


def test_labels_and_groups_stay_distinct_as_hashes(
    private: package.Run, world: World, tmp_path: Path
) -> None:
    assert llmood("run", world.config, "-o", tmp_path / "open").code == 1
    hashed, plain = private.samples(), package.Run(tmp_path / "open").samples()
    for column in ("label", "domain", "group", "parent_id"):
        assert hashed[column].notna().all()
        pairs = set(zip(plain[column], hashed[column], strict=True))
        assert len(pairs) == plain[column].nunique() == hashed[column].nunique()
    for column in ("messages", "prompt", "references", "choices", "meta"):
        assert plain[column].notna().all()
        assert hashed[column].isna().all()
    assert list(hashed["sample_id"]) == list(plain["sample_id"])


def test_the_numbers_are_those_of_the_run_with_text(
    private: package.Run, world: World, tmp_path: Path
) -> None:
    assert llmood("run", world.config, "-o", tmp_path / "open").code == 1
    ours, theirs = tree(private.folder), tree(tmp_path / "open")
    assert ours["scores.parquet"] == theirs["scores.parquet"]
    assert ours["metrics.json"] == theirs["metrics.json"]
    assert ours["checks.json"] == theirs["checks.json"]


def test_rejects_say_where_and_what_kind(private: package.Run) -> None:
    rejects = private.rejects()
    assert [reject["line"] for reject in rejects] == [13, 14, 15, 16]
    reasons = [reject["reason"] for reject in rejects]
    assert reasons[:3] == ["wrong type"] * 3
    assert "NUL" in reasons[3]


def test_it_resumes_although_answers_are_not_kept(private: package.Run, world: World) -> None:
    before = tree(private.folder)
    assert llmood("run", world.config, "-o", private.folder, "--no-text").code == 1
    after = tree(private.folder)
    assert {name for name in before if before[name] != after[name]} <= {"run.json"}


def test_it_rescores_without_a_model(private: package.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(private.folder)
    no_model_runs(monkeypatch)
    assert llmood("rescore", private.folder).code == 1  # still partial
    after = tree(private.folder)
    assert {name for name in before if before[name] != after[name]} <= {"run.json"}


def test_an_error_message_is_not_kept(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmood.engines.fake import FakeEngine

    def capture(*_: object) -> None:
        raise RuntimeError("can't run 'xqtext1'")

    monkeypatch.setattr(FakeEngine, "capture", capture)
    with pytest.raises(RuntimeError):
        llmood("run", world.config, "-o", tmp_path / "run", "--no-text")
    assert package.Run(tmp_path / "run").manifest["error"] == "RuntimeError"
    assert "xq" not in words_in(tmp_path / "run")


def test_the_dry_run_writes_nothing_and_counts_no_stored_answer(private: package.Run, world: World) -> None:
    before = tree(private.folder)
    outcome = llmood("run", world.config, "-o", private.folder, "--no-text", "--dry-run", "--json")
    assert outcome.code == 0
    assert tree(private.folder) == before
    cached = {capture["capture"].split("/")[0]: capture["cached"] for capture in outcome.json()["captures"]}
    assert cached["response"] == 0  # they are decoded again: their text was not kept


@pytest.mark.usefixtures("no_report")
def test_the_secrets_are_really_in_the_world(world: World, tmp_path: Path, fresh_cache: Path) -> None:
    """The search of these tests finds what a run with text keeps."""
    assert llmood("run", world.config, "-o", tmp_path / "open").code == 1
    said = words_in(tmp_path / "open")
    for word in (
        "xqtext1",
        "xqlabelbank1",
        "xqdomainfar",
        "xqgroupnear5",
        "xqreference3",
        "xqmeta2",
        "xqbroken",
    ):
        assert word in said
    ids = [
        row
        for shard in fresh_cache.rglob("*.parquet")
        for row in pq.read_table(shard)["token_ids"].to_pylist()
    ]
    assert any("xqtext" in FakeTokenizer().decode(row) for row in ids)
