"""A record gets the score that a run gives the same prompt, alone and among others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import llmood
from llmood.detector.verdicts import as_records
from tests.detecting import detecting_world
from tests.nli_models import save_cross_encoder
from tests.worlds import World, no_report, tree


@pytest.fixture(autouse=True)
def plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)


def scores_of_run(world: World, folder: Path, name: str) -> pd.DataFrame:
    """The prompts of a run and their scores; what is drawn for a row depends on its task, which is the ID task here."""
    run = llmood.evaluate(world.config, output_dir=folder)
    scores = run.scores().query("scorer == @name")
    samples = run.samples().query("split == 'test' and task == 'bank'")
    return samples.merge(scores, on="sample_id")


POST = ["likelihood.response", "semantic_entropy"]


@pytest.mark.parametrize("scorer", ["likelihood_ratio", "tfidf_knn", "knn", "length", "random", *POST])
def test_scores_are_a_runs(tmp_path: Path, scorer: str) -> None:
    world = detecting_world(tmp_path / "world", scorers=[scorer])
    expected = scores_of_run(world, tmp_path / "run", scorer)
    detector = llmood.fit_detector(world.config, output_dir=tmp_path / "detector", scorers=[scorer])
    assert detector.stage == ("post" if scorer in POST else "pre")
    loaded = llmood.load_detector(tmp_path / "detector")
    found = loaded.score([{"text": text} for text in expected["prompt"]])
    np.testing.assert_array_equal(found["score"], expected["score"])
    assert list(found["status"]) == list(expected["status"])
    alone = [loaded.score([{"prompt": prompt}])["score"][0] for prompt in expected["prompt"][:4]]
    np.testing.assert_array_equal(alone, expected["score"][:4])


def test_a_chat_is_rendered_as_the_run_renders_it(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "{{ text }}"}]
    world = detecting_world(tmp_path / "world", task={"prompt": None, "messages": turns})
    expected = scores_of_run(world, tmp_path / "run", "likelihood_ratio")
    detector = llmood.fit_detector(world.config)
    words = [prompt.split("[user] ")[1].split("\n")[0] for prompt in expected["prompt"]]
    forms: list[list[dict[str, Any]]] = [
        [{"text": text} for text in words],
        [{"prompt": prompt} for prompt in expected["prompt"]],
        [{"messages": [turns[0], {"role": "user", "content": text}]} for text in words],
    ]
    for records in forms:
        np.testing.assert_array_equal(detector.score(records)["score"], expected["score"])


def test_what_cannot_be_read_says_why_and_the_rest_goes_on(tmp_path: Path) -> None:
    detector = llmood.fit_detector(detecting_world(tmp_path / "world").config)
    records: list[Any] = [
        {"text": "my bank card"},
        {"other": "x"},
        "words",
        {"text": "a\0b"},
        {"text": "half \ud800"},
        {"text": " "},
        {"text": 3},
        {"messages": [{"role": "assistant", "content": "hi"}]},
        {"text": "x" * 5000},
        {"text": "my bank card"},
    ]
    found = detector.score(records)
    assert list(found["row"]) == list(range(10))
    assert list(found["status"]) == ["ok", *["failed"] * 7, "unscored", "ok"]
    for row, words in {
        1: "has none of 'text'",
        2: "a record is a mapping, not a str",
        3: "NUL",
        4: "surrogate",
        5: "no text",
        6: "where text is needed",
        7: "where the user's is needed",
        8: "over the context",
    }.items():
        assert words in found["reason"][row]
        assert np.isnan(found["score"][row])
        assert found["flag"][row] is None
    assert found["score"][0] == found["score"][9]


def test_rows_without_a_score_are_never_flagged_or_ranked(tmp_path: Path) -> None:
    detector = llmood.fit_detector(detecting_world(tmp_path / "world").config)
    found = detector.score([{"x": 1}, {"text": "zyx qqq vvv"}])
    assert found["p_value"].isna().tolist() == [True, False]
    assert found["flag"][0] is None


def test_chunks_are_the_whole(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    detector = llmood.fit_detector(world.config, scorers=["likelihood_ratio", "tfidf_knn"])
    records = [{"text": f"bank {i % 7} of {i}"} for i in range(50)] + [{"no": 1}] * 3
    whole = detector.score(records)
    with detector.open() as opened:
        tables = list(opened.chunks(iter(records), rows=7))
    assert [table.num_rows for table in tables] == [7] * 7 + [4]
    parts = pd.concat([table.to_pandas() for table in tables], ignore_index=True)
    assert list(parts["row"]) == list(range(53))
    pd.testing.assert_frame_equal(parts, whole)


def test_a_data_frame_is_as_good_as_its_rows(tmp_path: Path) -> None:
    detector = llmood.fit_detector(detecting_world(tmp_path / "world").config)
    frame = pd.DataFrame({"text": ["a bank", None], "prompt": [None, "a card"]})
    found = detector.score(frame)
    assert list(found["score"]) == list(detector.score([{"text": "a bank"}, {"prompt": "a card"}])["score"])
    with pytest.raises(TypeError, match="a list of mappings"):
        as_records({"text": "a"})


def test_several_scorers_are_ranked_and_ranked_anew(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world")
    detector = llmood.fit_detector(world.config, scorers=["likelihood_ratio", "tfidf_knn"])
    found = detector.score([{"text": "my bank card"}, {"text": "zyx qqq"}])
    known = detector.content.calibration
    expected = np.zeros(2)
    for name in ("likelihood_ratio", "tfidf_knn"):
        own = known[f"{name}/calibrators"]
        at_least = np.array([(own >= score).sum() for score in found[name]])
        expected += -np.log((1 + at_least) / (len(own) + 1)) / 2
    np.testing.assert_allclose(found["score"], expected)
    ranked = known["score/thresholds"]
    p_values = [(1 + (ranked >= score).sum()) / (len(ranked) + 1) for score in found["score"]]
    np.testing.assert_allclose(found["p_value"], p_values)
    assert len(ranked) + len(own) == 120


def test_an_answer_that_a_record_brings_is_looked_at(tmp_path: Path) -> None:
    world = detecting_world(tmp_path / "world", scorers=["likelihood.response"])
    detector = llmood.fit_detector(world.config)
    records = [{"text": "bank", "response": said} for said in ("yes", "no", "", "yes")]
    found = detector.score([*records, {"text": "bank"}])
    assert list(found["status"]) == ["ok", "ok", "unscored", "ok", "ok"]
    assert found["score"][0] == found["score"][3] != found["score"][1]
    assert found["reason"][2] == "empty answer"
    turns = [{"role": "user", "content": "bank"}, {"role": "assistant", "content": "yes"}]
    told = detector.score([{"messages": turns}, {"messages": turns, "response": "yes"}])
    assert list(told["status"]) == ["failed", "ok"]
    assert told["score"][1] == found["score"][0]
    assert detector.score([{"text": "bank", "response": 3}])["status"][0] == "failed"


def test_traffic_leaves_nothing_behind(tmp_path: Path, fresh_cache: Path) -> None:
    detector = llmood.fit_detector(detecting_world(tmp_path / "world").config)
    before = tree(fresh_cache)
    assert before
    with detector.open() as opened:
        opened.score([{"text": "something new"}])
        opened.score([{"text": f"something else {i}"} for i in range(300)])  # more than memory is used for
    assert tree(fresh_cache) == before
    assert not any((fresh_cache / "traffic").iterdir())


def test_the_engine_is_closed_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmood.engines.fake import FakeEngine

    detector = llmood.fit_detector(detecting_world(tmp_path / "world").config)
    closed = []
    monkeypatch.setattr(FakeEngine, "close", lambda self: closed.append(1))

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeEngine, "capture", broken)
    with pytest.raises(KeyboardInterrupt):
        detector.score([{"text": "never seen before"}])
    assert closed == [1]


def test_what_compares_answers_is_loaded_once_for_all_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmood.engines.models.cross_encoder import CrossEncoder

    world = detecting_world(tmp_path / "world", scorers=["semantic_entropy"], equivalence={"rule": "nli"})
    reader = save_cross_encoder(tmp_path / "nli")
    models = {"base": "fake", "tuned": "fake-tuned:bank card travel", "nli": str(reader)}
    detector = llmood.fit_detector(world.edit(models=models, generations={"n": 2}).config)
    loaded, make = [], CrossEncoder.__init__

    def counted(self: CrossEncoder, *given: Any, **named: Any) -> None:
        loaded.append(1)
        make(self, *given, **named)

    monkeypatch.setattr(CrossEncoder, "__init__", counted)
    records = [{"text": f"a bank card {i} of town {i}"} for i in range(12)]
    with detector.open() as opened:
        tables = list(opened.chunks(records, rows=4))
        found = pd.concat([table.to_pandas() for table in tables], ignore_index=True)
        nli = detector.watch.readers.nli
        assert nli is not None
        assert nli._loaded is not None
    assert nli._loaded is None
    assert loaded == [1]
    assert set(found["status"]) == {"ok"}
    pd.testing.assert_frame_equal(found, detector.score(records))
