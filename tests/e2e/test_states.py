"""Scores of states on the demo's own model: in any batch, again from the store, and as the table that they are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import llmood
from llmood.engines.transformers import TransformersEngine
from llmood.errors import ConfigError
from llmood.scorers.base import scorers
from llmood.scorers.representation import Representation

pytestmark = pytest.mark.slow
# The demo's classes are in no groups, so that MOS is refused.
LEFT_OUT = ("sdm.rejected", "mos", "mos.base")
OF_STATES = sorted(
    name
    for name, entry in scorers
    if isinstance(entry.make(), Representation) and name not in LEFT_OUT and not name.endswith(".encoder")
)
PROBES = ["semantic_entropy_probe.held_out", "accuracy_probe.held_out"]


def demo(folder: Path, *overrides: str) -> llmood.Run:
    few = ["benchmark={name: demo, id: demo, ood: [{task: demo_near, shift: near}]}", "bootstrap.draws=100"]
    return llmood.evaluate("demo", output_dir=folder, overrides=[*few, *overrides])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> llmood.Run:
    """All scorers of states, in batches as the engine likes them."""
    names = ", ".join([*OF_STATES, *PROBES, "semantic_entropy", "likelihood_ratio"])
    return demo(tmp_path_factory.mktemp("states") / "run", f"scorers=[{names}]", "limit=150")


def test_every_score_is_the_same_in_any_batch(
    run: llmood.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "LLMOOD_CACHE", str(tmp_path / "store")
    )  # or the first run's states would be read again
    names = ", ".join(OF_STATES)
    alone = demo(tmp_path / "run", f"scorers=[{names}]", "limit=150", "engine.batch_tokens=1")
    found = {
        name: one.scores().pivot(index="sample_id", columns="scorer", values="score")
        for name, one in (("alone", alone), ("batch", run))
    }
    for name in OF_STATES:
        one, other = found["alone"][name], found["batch"][name].reindex(found["alone"].index)
        assert one.notna().equals(other.notna()), name
        scale = np.maximum(1.0, other.abs())
        assert ((one - other).abs() / scale).max() < 1e-4, name


def test_distances_find_the_near_domain(run: llmood.Run) -> None:
    table = run.metrics().query("question == 'ood_detection' and metric == 'auroc' and slice.isna()")
    found = table.set_index("scorer")["value"]
    assert found["relative_mahalanobis"] > 0.9
    assert found["relative_mahalanobis"] > found["length"] + 0.2


def test_the_table_of_errors_has_probes_beside_what_they_forecast(run: llmood.Run) -> None:
    table = run.metrics().query("question == 'error_detection' and metric == 'auroc'")
    for scorer in (*PROBES, "semantic_entropy", "likelihood_ratio"):
        own = table[table.scorer == scorer]
        assert set(own.population) == {"id", "ood"}, scorer
        assert own[["ci_low", "ci_high"]].notna().all(axis=None), scorer
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert all(f"<code>{scorer}</code>" in page for scorer in PROBES)


def test_scoring_again_loads_no_language_model(
    run: llmood.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = demo(tmp_path / "run", "scorers=[knn]", "limit=150")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an engine was made")

    monkeypatch.setattr(TransformersEngine, "__init__", refuse)
    again = llmood.rescore(few.folder, overrides=["scorers=[knn, relative_mahalanobis, vim]"])
    assert {"knn", "relative_mahalanobis", "vim"} <= set(again.scores().scorer)
    for scorer, missing in (
        ("likelihood", "prompt_logprobs/tuned/prompt"),
        ("knn.base", "hidden_states/base/prompt"),
    ):
        with pytest.raises(ConfigError, match=f"{scorer} needs {missing}.*didn't capture"):
            llmood.rescore(few.folder, overrides=[f"scorers=[{scorer}]"])
