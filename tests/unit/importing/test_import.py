"""From rows to a run, and back: what is imported is exported, and what is exported imports as the same run."""

from __future__ import annotations

import csv
import gzip
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmood
from llmood.engines.store import Store
from llmood.errors import ConfigError, DataError
from llmood.export import export_rows, export_run
from llmood.importing import import_file
from tests.task_files import Rows, write_jsonl
from tests.worlds import no_report, write_world


@pytest.fixture(autouse=True)
def plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)
    monkeypatch.setattr("llmood.run.write_report", lambda runs, path, status=None: path.write_text(""))


def row(number: int, **more: Any) -> dict[str, Any]:
    """A row with log-probabilities −number·k of its three prompt tokens."""
    tuned = [None, -0.5 * number, -0.25 * number]
    base = [None, -1.0 * number, -0.5 * number - 1]
    return {"prompt": f"prompt {number}", "prompt_logprobs": {"tuned": tuned, "base": base}, **more}


def ood(number: int, **more: Any) -> dict[str, Any]:
    return row(number, population="ood", shift="near", **more)


def run_of(folder: Path, rows: Rows, **options: Any) -> llmood.Run:
    folder.mkdir(exist_ok=True)
    source = write_jsonl(folder / "traffic.jsonl", rows)
    options.setdefault("overrides", ["bootstrap.draws=100"])
    return import_file(source, output_dir=folder / "run", **options)


def table_of(run: llmood.Run) -> pd.DataFrame:
    return run.scores().pivot_table(index="sample_id", columns="scorer", values="score", dropna=False)


def reasons(run: llmood.Run) -> list[str]:
    return [reject["reason"] for reject in run.rejects()]


def test_scores_by_hand(tmp_path: Path) -> None:
    run = run_of(
        tmp_path, [row(2), row(4), ood(8)], scorers=["likelihood_ratio", "likelihood.base", "length"]
    )
    assert run.status == "complete"
    scores = table_of(run).loc[run.samples()["sample_id"]]
    # ℓ_base − ℓ_tuned = (−1.5n − 1) − (−0.75n) = −0.75n − 1, and −ℓ_base = 1.5n + 1.
    assert scores["likelihood_ratio"].tolist() == [-2.5, -4.0, -7.0]
    assert scores["likelihood.base"].tolist() == [4.0, 7.0, 13.0]
    assert scores["length"].tolist() == [3.0, 3.0, 3.0]
    metrics = run.metrics().set_index(["metric", "scorer"])["value"]
    assert metrics["auroc", "likelihood.base"] == 1.0
    assert metrics["auroc", "likelihood_ratio"] == 0.0


def test_default_scorers_are_those_with_numbers(tmp_path: Path) -> None:
    run = run_of(tmp_path, [row(1), row(2)])
    names = set(run.scores()["scorer"])
    assert {"likelihood_ratio", "likelihood", "perplexity.base", "length", "random", "constant"} <= names
    assert not any("response" in name for name in names)
    assert run.config.scorers[0] == "likelihood_ratio"
    assert run.records() == [] or {record["question"] for record in run.records()} == {"length_confound"}


def test_prompts_and_answers_alone(tmp_path: Path) -> None:
    run = run_of(tmp_path, [{"question": f"q{n}", "answer": "a"} for n in range(3)])
    assert run.status == "complete"
    assert run.config.scorers == ("length",)
    assert run.samples()["prompt_tokens"].isna().all()
    scores = run.scores().set_index("scorer")
    assert set(scores.loc["length", "status"]) == {"unscored"}
    assert set(scores.loc["length", "reason"]) == {"the number of prompt tokens is not known"}
    assert not scores.loc["random", "score"].isna().any()
    assert run.manifest["captures"] == ["response/tuned/prompt"]
    (check,) = [check for check in run.checks() if check["code"] == "no_scorer"]
    assert (check["severity"], check["task"]) == ("warning", "traffic")
    assert "What was read (response/tuned/prompt) feeds none by itself." in check["detail"]
    wanted = (
        "prompt_logprobs",
        "response_alone_logprobs",
        "--train FILE",
        "gzip_knn, ngram_ratio, tfidf_knn",
    )
    assert [word for word in wanted if word not in check["detail"]] == []
    # It is said of the run, so also after it is scored again.
    assert [check] == [c for c in llmood.rescore(run.folder).checks() if c["code"] == "no_scorer"]


def codes(run: llmood.Run) -> set[str]:
    return {check["code"] for check in run.checks()}


def test_no_scorer_is_said_where_there_is_none(tmp_path: Path) -> None:
    answers = [{"prompt": f"q{n}", "response": "a b"} for n in range(3)]
    sure = [{**each, "response_logprobs": [-1.0, -number]} for number, each in enumerate(answers)]
    assert run_of(tmp_path / "sure", sure).config.scorers == (
        "sequence_probability",
        "sequence_probability.mean",
    )
    assert "no_scorer" in codes(run_of(tmp_path / "answers", answers))
    assert "no_scorer" not in codes(run_of(tmp_path / "asked", answers, scorers=["length"]))
    assert "no_scorer" not in codes(run_of(tmp_path / "prompts", [row(1), row(2)]))
    few = ["scorers=[length]", "bootstrap.draws=100"]
    assert "no_scorer" not in codes(run_of(tmp_path / "chosen", [row(1), row(2)], overrides=few))


def test_without_text_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    rows = [{"prompt": "q"}, {"prompt": "r"}, {"prompt": "s", "split": "train"}]
    (check,) = [c for c in run_of(tmp_path, rows, text=False).checks() if c["code"] == "no_scorer"]
    assert "--train" not in check["detail"]
    assert "prompt_logprobs" in check["detail"]


def test_unknown_lengths_are_in_no_correlation(tmp_path: Path) -> None:
    rows = [row(n) for n in range(1, 6)] + [{"prompt": "short", "id": "none"}]
    run = run_of(tmp_path, [*rows, *({"prompt": f"o{n}", "shift": "far"} for n in range(3))])
    found = [r for r in run.records() if r["metric"] == "spearman_length" and r["scorer"] == "random"]
    assert [(r["population"], r["n"], r["n_unscored"]) for r in found] == [("id", 5, 1), ("ood", 0, 3)]
    assert all(r["value"] is None and r["reason"] for r in found)


def test_rejects_leave_the_rest(tmp_path: Path) -> None:
    bad = [
        {"prompt": "x", "prompt_logprobs": [-1.0]},
        '{"prompt": "x", "prompt_logprobs": [null, NaN]}',
        row(3, id="b"),
        "not json",
        b'{"prompt": "\xff"}',
        {"prompt": 'say "no"', "shift": "none", "population": "ood"},
    ]
    run = run_of(tmp_path, [row(1, id="a"), *bad, row(2, id="b")], scorers=["likelihood"])
    assert run.status == "partial"
    found = {reject["line"]: reject["reason"] for reject in run.rejects()}
    assert sorted(found) == [2, 3, 5, 6, 7, 8]
    assert "prompt_tokens is not there" in found[2]
    assert "no finite float32" in found[3]
    assert "'none'" in found[7]
    assert found[8] == "the id 'b' stands at line 4 too"
    assert len(run.samples()) == 2
    assert run.manifest["tasks"][0]["rejects"] == 6


def test_a_file_without_a_usable_row(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none of its 2 rows can be used; line 1: no prompt.*--field prompt=.*words"
    ):
        run_of(tmp_path, [{"words": "a"}, {"words": "b"}])
    with pytest.raises(DataError, match="holds no row"):
        run_of(tmp_path, [])
    assert not (tmp_path / "run").exists()


def test_columns_that_nothing_reads(tmp_path: Path) -> None:
    run = run_of(tmp_path, [row(1, user="u1", cost=0.5)])
    assert run.manifest["imported"]["left_out"] == {"traffic.jsonl": ["user", "cost"]}
    assert "traffic.jsonl: user, cost" in next(
        c["detail"] for c in run.checks() if c["code"] == "columns_left_out"
    )
    kept = import_file(tmp_path / "traffic.jsonl", keep=True, output_dir=tmp_path / "kept")
    assert json.loads(kept.samples()["meta"][0]) == {"cost": 0.5, "user": "u1"}


# ------------------------------------------------------------------------------------------------ populations


def test_populations_by_column_file_and_task(tmp_path: Path) -> None:
    theirs = write_jsonl(
        tmp_path / "theirs.jsonl", [row(5), row(6, shift="near"), row(7, task="legal", shift="near")]
    )
    rows = [row(1), row(2, shift="covariate", severity=1), row(3, shift="covariate", severity=2)]
    rows += [row(4, task="legal", shift="far")]
    run = run_of(tmp_path, rows, ood=[theirs], shift="far")
    found = {
        task["name"]: (task["shift"], task["severity"], task["evaluated"]) for task in run.manifest["tasks"]
    }
    assert run.manifest["tasks"][0]["name"] == "traffic"
    assert found.pop("traffic") == ("none", None, 1)
    assert found.pop("legal") == ("far", None, 1)
    assert found.pop("traffic.covariate.1") == ("covariate", 1, 1)
    assert found.pop("traffic.covariate.2") == ("covariate", 2, 1)
    assert {task.get("family") for task in run.manifest["tasks"]} == {None, "traffic.covariate"}
    assert found == {"theirs": ("far", None, 1), "theirs.near": ("near", None, 1)}
    assert reasons(run) == ["the task 'legal' is ood (far) in an earlier row, and ood (near) here"]


def test_two_id_tasks_none_and_no_shift(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two ID tasks: 'a' and 'b'"):
        run_of(tmp_path, [row(1, task="a"), row(2, task="b")])
    with pytest.raises(ConfigError, match="every row is OOD"):
        run_of(tmp_path, [ood(1)])
    with pytest.raises(ConfigError, match=r"traffic.jsonl:2: is OOD.*--shift"):
        run_of(tmp_path, [row(1), row(2, population="ood")])
    with pytest.raises(ConfigError, match="is none of near, far, covariate"):
        run_of(tmp_path, [row(1)], shift="nearby")
    with pytest.raises(DataError, match="no row of the split 'test'"):
        run_of(tmp_path, [row(1, split="train")])
    with pytest.raises(ConfigError, match=r"'(test|train)' and '(test|train)' share 1 texts"):
        run_of(tmp_path, [row(1, split="train"), row(1)])


def test_two_files_of_one_name(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours = write_jsonl(tmp_path / "ours" / "test.jsonl", [row(1, id=1), {"prompt": ""}])
    theirs = write_jsonl(tmp_path / "theirs" / "test.jsonl", [row(2, id=1), {"prompt": " "}, {"prompt": " "}])
    run = import_file(ours, ood=[theirs], shift="near", output_dir=tmp_path / "run")
    assert [(task["name"], task["rejects"]) for task in run.manifest["tasks"]] == [
        ("test", 1),
        ("test.near", 2),
    ]
    assert run.samples()["source_line"].tolist() == ["ours/test.jsonl:1", "theirs/test.jsonl:1"]


def test_train_rows_are_kept_and_not_measured(tmp_path: Path) -> None:
    run = run_of(tmp_path, [row(1), row(2, split="train"), ood(3)], scorers=["likelihood"])
    assert sorted(run.samples()["split"]) == ["test", "test", "train"]
    assert len(run.scores()) == 2 * 4
    assert run.manifest["tasks"][0]["evaluated"] == 1


@pytest.mark.parametrize("task", [{}, {"task": "bank"}])
def test_a_train_file_is_the_column_split(tmp_path: Path, task: dict[str, str]) -> None:
    """Rows of `--train` are what rows with the column are, whatever the ID task is called."""
    test = [{"prompt": f"what is {n}", **task} for n in range(4)]
    strange = [{"prompt": f"zyx {n}", "shift": "far"} for n in range(4)]
    learned = [{"prompt": f"how is {n}"} for n in range(6)]
    train = write_jsonl(tmp_path / "earlier.jsonl", learned)
    with_file = run_of(tmp_path / "file", [*test, *strange], train=[train])
    columns = [{**row, **task, "split": "train"} for row in learned]
    with_column = run_of(tmp_path / "column", [*test, *strange, *columns])
    names = set(with_file.scores()["scorer"])
    assert {"tfidf_knn", "gzip_knn", "ngram_ratio"} <= names
    assert "no_scorer" not in codes(with_file)
    assert [task["samples"] for task in with_file.manifest["tasks"]] == [{"test": 4, "train": 6}, {"test": 4}]
    pd.testing.assert_frame_equal(with_file.scores(), with_column.scores())
    assert with_file.samples()["sample_id"].tolist() == with_column.samples()["sample_id"].tolist()
    assert set(with_file.manifest["tasks"][0]["source"]["files"]) == {"traffic.jsonl", "earlier.jsonl"}


def test_a_train_file_may_hold_no_tested_row(tmp_path: Path) -> None:
    rows = [{"prompt": f"what is {n}"} for n in range(3)]
    train = write_jsonl(tmp_path / "earlier.jsonl", [{"prompt": "what is 1"}, {"prompt": "else"}])
    with pytest.raises(ConfigError, match=r"traffic.*train"):
        run_of(tmp_path, rows, train=[train])
    with pytest.raises(DataError, match="is not there"):
        run_of(tmp_path, rows, train=[tmp_path / "none.jsonl"])


def test_another_train_file_is_another_run(tmp_path: Path) -> None:
    rows = [{"prompt": f"what is {n}"} for n in range(3)]
    train = write_jsonl(tmp_path / "earlier.jsonl", [{"prompt": "how"}, {"prompt": "else"}])
    run_of(tmp_path, rows)
    with pytest.raises(ConfigError, match="holds another run"):
        run_of(tmp_path, rows, train=[train])


# ------------------------------------------------------------------------------------------------------ files


def test_every_format_gives_the_same(tmp_path: Path) -> None:
    rows = [
        row(n, response='multi\nline, "quoted"', response_logprobs=[-0.5], confidence=0.5) for n in (1, 2)
    ]
    write_jsonl(tmp_path / "t.jsonl", rows)
    (tmp_path / "t.json").write_text("\ufeff" + json.dumps(rows), encoding="utf-8")
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress((tmp_path / "t.jsonl").read_bytes()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(rows[0])
        writer.writerows([v if isinstance(v, str) else json.dumps(v) for v in each.values()] for each in rows)
    made = [
        import_file(tmp_path / name, output_dir=tmp_path / f"run-{name}")
        for name in ("t.jsonl", "t.json", "t.jsonl.gz", "t.parquet", "t.csv")
    ]
    scores = [(run.folder / "scores.parquet").read_bytes() for run in made]
    assert len(set(scores)) == 1
    assert all(run.status == "complete" for run in made)
    assert {json.loads(meta)["confidence"] for run in made for meta in run.samples()["meta"]} == {0.5}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.json", b'{"prompt": "a"}\n{"prompt": "b"}', "is called .jsonl"),
        ("t.json", b'{"prompt": "a"}', "holds a dict, not a list"),
        ("t.json", b'[{"prompt": "a", "prompt": "b"}]', "one key twice"),
        ("t.json", b"[" * 100_000, "bad JSON"),
        ("t.json", b'["\xff"]', "invalid UTF-8 at byte 2"),
        ("t.json.gz", gzip.compress(b'[{"prompt": "a"}]', mtime=0)[:-9], "is damaged"),
        ("t.jsonl.gz", gzip.compress(b'{"prompt": "a"}\n' * 9, mtime=0)[:-9], "is damaged"),
        ("t.parquet", b"PAR1", "can't be read as Parquet"),
        ("t.txt", b"a", "unknown format"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        import_file(tmp_path / name, output_dir=tmp_path / "run")


def test_no_text_is_kept(tmp_path: Path) -> None:
    secret = "xylophone"
    rows = [
        row(1, prompt=f"the {secret}", response=secret, draws=[secret], group=secret, id=secret, correct=True,
            response_logprobs=[-1], references=secret),
        row(2, label=[secret]), row(3, id=secret), {"prompt": "x", "task": secret + "\0"},
    ]  # fmt: skip
    run = run_of(tmp_path, rows, text=False, scorers=["likelihood_ratio", "likelihood.response_given_prompt"])
    assert run.status == "partial"
    assert json.loads(run.samples()["meta"][0]) == {"correct": True}
    for root in (run.folder, Store().root):
        for path in root.rglob("*"):
            if path.suffix == ".parquet":
                assert secret not in json.dumps(pq.read_table(path).to_pylist())
            elif path.is_file():
                assert secret not in path.read_text(encoding="utf-8")
    assert not run.scores().query("scorer == 'likelihood_ratio'")["score"].isna().any()
    with pytest.raises(ConfigError, match="keeps no text"):
        export_rows(run.folder, tmp_path / "rows.jsonl")


# ------------------------------------------------------------------------------------------------- the folder


def test_the_same_import_again_and_another(tmp_path: Path) -> None:
    first = run_of(tmp_path, [row(1), ood(2)])
    before = {name: (first.folder / name).read_bytes() for name in ("scores.parquet", "metrics.json")}
    again = run_of(tmp_path, [row(1), ood(2)])
    assert {name: (again.folder / name).read_bytes() for name in before} == before
    for rows, options in (([row(1), ood(3)], {}), ([row(1), ood(2)], {"keep": True})):
        with pytest.raises(ConfigError, match="holds another run"):
            run_of(tmp_path, rows, **options)
    with pytest.raises(ConfigError, match="another configuration"):
        run_of(tmp_path, [row(1), ood(2)], scorers=["likelihood"])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds no run"):
        import_file(tmp_path / "traffic.jsonl", output_dir=tmp_path / "notes")


def test_broken_off_and_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("llmood.run.write_results", killed)
        with pytest.raises(KeyboardInterrupt):
            run_of(tmp_path, [row(1), ood(2)])
    assert llmood.Run(tmp_path / "run").status == "interrupted"
    shards = len(Store().shards())
    assert run_of(tmp_path, [row(1), ood(2)]).status == "complete"
    assert len(Store().shards()) == shards


def test_rescore_needs_only_the_store(tmp_path: Path) -> None:
    run = run_of(tmp_path, [row(1), ood(2)], scorers=["likelihood"])
    (tmp_path / "traffic.jsonl").unlink()
    again = llmood.rescore(run.folder, overrides=["scorers=[likelihood.base]"])
    assert "likelihood.base" in set(again.scores()["scorer"])
    with pytest.raises(ConfigError, match=r"likelihood.response needs .*didn't capture"):
        llmood.rescore(run.folder, overrides=["scorers=[likelihood.response]"])
    with pytest.raises(ConfigError, match="runs no model"):
        llmood.evaluate(run.config, output_dir=tmp_path / "other")


def test_a_scorer_without_its_numbers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"likelihood.response needs .* nothing in traffic.jsonl gives it"):
        run_of(tmp_path, [row(1)], scorers=["likelihood.response"])
    with pytest.raises(ConfigError, match="no scorer 'likelyhood'"):
        run_of(tmp_path, [row(1)], scorers=["likelyhood"])
    with pytest.raises(ConfigError, match="can set only scorers, bootstrap, seed"):
        run_of(tmp_path, [row(1)], overrides=["models.base=x"])


def test_several_adapters(tmp_path: Path) -> None:
    def several(number: int, **more: Any) -> dict[str, Any]:
        found = row(number, **more)
        found["prompt_logprobs"]["tuned:1"] = [None, -2.0 * number, -1.0]
        return found

    run = run_of(tmp_path, [several(1), several(2)], scorers=["likelihood"])
    scores = table_of(run).loc[run.samples()["sample_id"]]
    assert scores["likelihood@tuned:1"].tolist() == [3.0, 5.0]
    broken = row(1)
    broken["prompt_logprobs"]["tuned:3"] = [None, -1, -1]
    with pytest.raises(DataError, match="numbered from tuned:1 on"):
        import_file(write_jsonl(tmp_path / "gap.jsonl", [broken]), output_dir=tmp_path / "gap")


# ------------------------------------------------------------------------------------------------ there and back


def same_scores(one: llmood.Run, two: llmood.Run, *, common: bool = False) -> None:
    columns = ["sample_id", "scorer", "score", "status", "reason", "fitted_on"]
    first, second = (run.scores()[columns].sort_values(["scorer", "sample_id"]) for run in (one, two))
    if common:
        second = second[second["scorer"].isin(set(first["scorer"]))]
    pd.testing.assert_frame_equal(
        first.reset_index(drop=True), second.reset_index(drop=True), check_exact=True
    )


def test_a_run_of_an_engine_there_and_back(tmp_path: Path) -> None:
    world = write_world(
        tmp_path / "world",
        scorers=["likelihood_ratio.prompt_response", "likelihood.response", "likelihood_ratio", "zlib_ratio"],
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    assert "empty answer" in set(run.scores()["reason"])
    list(export_run(run.folder, tmp_path / "export"))
    back = import_file(tmp_path / "export", output_dir=tmp_path / "back")
    for name in ("scores.parquet", "metrics.json", "checks.json"):
        assert (back.folder / name).read_bytes() == (run.folder / name).read_bytes(), name
    assert back.samples().equals(run.samples())
    assert back.manifest["models"] == run.manifest["models"]
    # And without the store of the run that was exported.
    store = Store()
    store.remove(
        [path for path in store.shards() if "imported" not in (path.parent / "context.json").read_text()]
    )
    assert llmood.rescore(back.folder).status == "complete"
    list(export_run(back.folder, tmp_path / "export2"))
    third = import_file(tmp_path / "export2", output_dir=tmp_path / "third")
    assert (third.folder / "scores.parquet").read_bytes() == (run.folder / "scores.parquet").read_bytes()


def test_answers_of_an_engine_there_and_back(tmp_path: Path) -> None:
    chosen = [
        *(
            "semantic_entropy",
            "self_consistency.answer",
            "sequence_entropy",
            "token_entropy",
            "self_certainty",
        ),
        *("claim_conditioned", "sar", "rauq", "p_true", "p_true.sampled", "verbalised_confidence"),
        "linguistic_confidence",
    ]
    world = write_world(
        tmp_path / "world", scorers=chosen, generations={"n": 3}, response={"max_new_tokens": 20}
    )
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    list(export_run(run.folder, tmp_path / "export"))
    back = import_file(tmp_path / "export", output_dir=tmp_path / "back")
    same_scores(run, back)
    assert set(back.scores()["scorer"]) >= set(chosen)
    assert llmood.rescore(back.folder).status == "complete"
    same_scores(run, back)


def test_rows_of_an_engines_run(tmp_path: Path) -> None:
    chosen = ["likelihood_ratio.prompt_response", "likelihood.response", "likelihood_ratio"]
    world = write_world(tmp_path / "world", scorers=chosen)
    run = llmood.evaluate(world.config, output_dir=tmp_path / "run")
    count, left = export_rows(run.folder, tmp_path / "rows.jsonl")
    assert (count, left) == (60, [])
    same_scores(
        run,
        import_file(
            tmp_path / "rows.jsonl",
            output_dir=tmp_path / "back",
            scorers=chosen,
            overrides=["bootstrap.draws=100"],
        ),
    )
    few = ["bootstrap.draws=100"]
    whole = import_file(tmp_path / "rows.jsonl", output_dir=tmp_path / "all", overrides=few)
    same_scores(run, whole, common=True)


def test_the_same_prompt_often_keeps_its_order(tmp_path: Path) -> None:
    rows = [row(1, response=f"answer {n}", response_logprobs=[-0.1 * n]) for n in range(1, 6)]
    run = run_of(tmp_path, rows)
    export_rows(run.folder, tmp_path / "rows.jsonl")
    same_scores(run, import_file(tmp_path / "rows.jsonl", output_dir=tmp_path / "back"))


def test_damaged_exports(tmp_path: Path) -> None:
    run = run_of(tmp_path, [row(1), ood(2)])
    with pytest.raises(ConfigError, match="is a run, not an export"):
        import_file(run.folder, output_dir=tmp_path / "x")
    with pytest.raises(ConfigError, match="is no run folder"):
        import_file(tmp_path, output_dir=tmp_path / "x")
    list(export_run(run.folder, tmp_path / "export"))
    with pytest.raises(ConfigError, match="leave out --ood"):
        import_file(tmp_path / "export", keep=True, output_dir=tmp_path / "x")
    file = tmp_path / "export" / "prompt_logprobs-base-prompt.parquet"
    whole, manifest = file.read_bytes(), (tmp_path / "export" / "run.json").read_text()
    file.write_bytes(whole[:-20])
    with pytest.raises(DataError, match="can't be read as Parquet"):
        import_file(tmp_path / "export", output_dir=tmp_path / "x")
    pq.write_table(pq.read_table(file.with_name("prompt_logprobs-tuned-prompt.parquet")).drop(["draw"]), file)
    with pytest.raises(DataError, match="no column 'draw'"):
        import_file(tmp_path / "export", output_dir=tmp_path / "x")
    file.unlink()
    with pytest.raises(ConfigError, match="is not there"):
        import_file(tmp_path / "export", output_dir=tmp_path / "x")
    (tmp_path / "export" / "run.json").write_text(manifest.replace(file.name, "../../other.parquet"))
    with pytest.raises(ConfigError, match=r"exported\.files"):
        import_file(tmp_path / "export", output_dir=tmp_path / "x")
    assert not (tmp_path / "x").exists()


text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
words = text.filter(str.strip)
logprob = st.floats(-(2.0**100), 0.0, width=32)
ids = st.integers(0, 2**31 - 1)


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 3))
    known = {
        "token_ids": st.lists(ids, min_size=count, max_size=count),
        "logprobs": st.lists(logprob, min_size=count, max_size=count),
        "finish": st.sampled_from(["stop", "length"]),
        "temperature": st.floats(0, 2, width=32),
        "top_p": st.floats(0, 1, width=32),
        "seed": st.integers(-(2**63), 2**63 - 1),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(known))))
    return {"text": draw(text), **{name: draw(known[name]) for name in sorted(chosen)}}


@st.composite
def full_rows(draw: st.DrawFn) -> dict[str, Any]:
    """Rows as `cache export --jsonl` writes them."""
    found: dict[str, Any] = {
        "prompt": draw(words),
        "task": "t",
        "population": "id",
        "shift": "none",
        "split": "test",
    }
    found |= draw(st.fixed_dictionaries({}, optional={"label": words, "group": words, "domain": words}))
    found |= draw(st.fixed_dictionaries({}, optional={"references": st.lists(words, min_size=1, max_size=2)}))
    found |= draw(
        st.fixed_dictionaries({}, optional={"confidence": st.floats(0, 1), "correct": st.booleans()})
    )
    found |= draw(st.fixed_dictionaries({}, optional={"severity": st.integers(0, 9)}))
    count = draw(st.integers(1, 4))
    roles = draw(st.sampled_from([[], ["tuned"], ["base", "tuned"]]))
    if roles or draw(st.booleans()):
        found["prompt_tokens"] = count
    if roles:
        number = st.lists(logprob, min_size=count - 1, max_size=count - 1)
        found["prompt_logprobs"] = {role: [None, *draw(number)] for role in roles}
        if draw(st.booleans()):
            found["prompt_tokens"] = draw(st.lists(ids, min_size=count, max_size=count))
    if draw(st.booleans()):
        said = draw(answers())
        names = {"text": "response", "token_ids": "response_tokens"}
        found |= {names.get(name, name): value for name, value in said.items() if name != "logprobs"}
        if "logprobs" in said:
            found["response_logprobs"] = {"tuned": said["logprobs"]}
        if roles and "logprobs" in said and found["response"].strip():
            joined = [*found["prompt_logprobs"]["tuned"], *said["logprobs"]]
            found["prompt_response_logprobs"] = {"tuned": joined}
    if draw(st.booleans()):
        found["draws"] = draw(st.lists(answers(), min_size=1, max_size=3))
    return found


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(full_rows(), min_size=1, max_size=4))
def test_what_is_imported_is_exported(rows: Sequence[dict[str, Any]]) -> None:
    rows = [{**row, "id": f"row {place}"} for place, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = run_of(folder, rows, scorers=["length"])
        # Two models that gave every token the same are an error of the run, and are exported all the same.
        assert run.status == ("failed" if "tuned_equals_base" in codes(run) else "complete")
        export_rows(run.folder, folder / "rows.jsonl")
        lines = (folder / "rows.jsonl").read_text(encoding="utf-8").split("\n")
        exported = [json.loads(line) for line in lines if line]
        assert exported == [shortest(row) for row in rows]
        # Token ids and log-probabilities are the store's own, to the last bit.
        back = import_file(folder / "rows.jsonl", output_dir=folder / "back", scorers=["length"])
        export_rows(back.folder, folder / "again.jsonl")
        assert (folder / "again.jsonl").read_bytes() == (folder / "rows.jsonl").read_bytes()


def shortest(value: Any, key: str = "") -> Any:
    """The same with float32 numbers in their shortest form."""
    if isinstance(value, dict):
        return {name: shortest(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [shortest(item, key) for item in value]
    return float(str(np.float32(value))) if isinstance(value, float) and key != "confidence" else value
