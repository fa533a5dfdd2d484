"""Every registered scorer that learns: saved and loaded, it gives the same numbers to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmood.errors import NotFittedError
from llmood.scorers.artefacts import Fitted, Origin, load_scorer, save_scorer
from llmood.scorers.base import Scorer, ScorerEntry, scorers
from llmood.scorers.on_adapter import OnAdapter, reads_adapter
from tests.contract.test_scorers import (  # noqa: F401 - fixtures
    FITTED,
    Observations,
    _store,
    blocks_of,
    learned_by,
    observations,
    same,
    scored,
    state_of,
    train,
    with_column,
)

ORIGIN = Origin({"tuned": {"identity": "t"}}, {"rows": 3, "digest": "d"}, 0)
PICKLED = (b"\x80\x04", b"pickle", b"__reduce__")


def fitted(entry: ScorerEntry, rows: Observations) -> Scorer:
    """As a run fits it: with a second argument where it chooses."""
    scorer = entry.make()
    held = with_column(rows, "split", ["validation"] * rows.samples.num_rows)
    return scorer.fit(learned_by(scorer, rows), held if scorer.chosen_on else None)


def saved(scorer: Scorer, folder: Path, **keys: Any) -> Fitted:
    save_scorer(scorer, folder, ORIGIN, **keys)
    return load_scorer(folder)


@pytest.mark.parametrize("entry", FITTED)
def test_a_loaded_one_gives_the_same_numbers(
    entry: ScorerEntry,
    train: Observations,  # noqa: F811
    observations: Observations,  # noqa: F811
    tmp_path: Path,
) -> None:
    scorer = fitted(entry, train)
    found = saved(scorer, tmp_path)
    blocks = blocks_of(observations, scorer, 100)
    expected = scored(blocks, scorer)
    assert same(scored(blocks, found.scorer), expected)
    assert sum(not np.isnan(value) for value, _ in expected.values()) > 20
    assert (found.name, found.origin) == (entry.id, ORIGIN)
    assert (found.scorer.needs, found.scorer.fit_needs) == (scorer.needs, scorer.fit_needs)
    assert (found.scorer.definition, found.scorer.fitted_on) == (scorer.definition, scorer.fitted_on)
    learned = {name: value for name, value in vars(scorer).items() if name.endswith("_")}
    assert learned.keys() == {name for name in vars(found.scorer) if name.endswith("_")}
    for name, value in learned.items():
        if name != "members_":  # they hold how they are made
            assert state_of(getattr(found.scorer, name)) == state_of(value), name
    for path in tmp_path.iterdir():
        assert path.name in ("scorer.json", "state.safetensors")
        assert not any(mark in path.read_bytes()[:200] for mark in PICKLED)


@pytest.mark.parametrize("entry", FITTED)
def test_it_is_written_the_same_twice_and_from_a_loaded_one(
    entry: ScorerEntry,
    train: Observations,  # noqa: F811
    tmp_path: Path,
) -> None:
    first = saved(fitted(entry, train), tmp_path / "a")
    save_scorer(fitted(entry, train), tmp_path / "b", ORIGIN)
    save_scorer(first.scorer, tmp_path / "c", ORIGIN)
    for name in (path.name for path in (tmp_path / "a").iterdir()):
        contents = {(tmp_path / other / name).read_bytes() for other in "abc"}
        assert len(contents) == 1, name


@pytest.mark.parametrize("entry", [param for param in FITTED if reads_adapter(param.values[0].make())])
def test_one_of_another_adapter_is_it_again(
    entry: ScorerEntry,
    train: Observations,  # noqa: F811
    tmp_path: Path,
) -> None:
    scorer = OnAdapter(scorer=fitted(entry, train), role="tuned:1")
    found = saved(scorer, tmp_path, name=f"{entry.id}@tuned:1")
    assert found.name == f"{entry.id}@tuned:1"
    assert isinstance(found.scorer, OnAdapter)
    assert (found.scorer.role, found.scorer.needs) == ("tuned:1", scorer.needs)


@pytest.mark.parametrize("entry", FITTED)
def test_one_that_learned_nothing_is_not_saved(entry: ScorerEntry, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="was not fitted"):
        save_scorer(entry.make(), tmp_path / "a", ORIGIN)
    assert not (tmp_path / "a").exists()


def test_the_arguments_and_those_of_members_come_back(
    train: Observations,  # noqa: F811
    observations: Observations,  # noqa: F811
    tmp_path: Path,
) -> None:
    def make(name: str) -> Scorer:
        return scorers.get(name).make({"k": 2} if name == "gzip_knn" else None, seed=7)

    entry = scorers.get("rank_average")
    scorer = entry.make({"of": ["gzip_knn", "random"]}, make=make)
    scorer.fit(train)
    found = saved(scorer, tmp_path).scorer
    members = found.members  # type: ignore[attr-defined]
    assert (members["gzip_knn"].k, members["random"].seed) == (2, 7)
    blocks = blocks_of(observations, scorer, 100)
    expected = scored(blocks, scorer)
    assert same(scored(blocks, found), expected)
    assert not all(np.isnan(value) for value, _ in expected.values())
    assert found.reads_text
