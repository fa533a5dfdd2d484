"""Every registered scorer on questions about pictures: scored alone or among others, the score is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from llmood.engines.base import ENCODER
from llmood.engines.captures import (
    all_needs,
    given_for,
    required_captures,
    required_comparisons,
    richest_response,
    shown_shots,
)
from llmood.engines.observations import Observations
from llmood.engines.observe import Observer
from llmood.engines.store import Store
from llmood.engines.transformers import TransformersEngine
from llmood.judging.equivalence.compare import compare_all
from llmood.picture_records import Picture
from llmood.progress import Progress
from llmood.records import Part
from llmood.scorers.base import Scorer, ScorerEntry, scorers
from llmood.scorers.settings import TEN_DRAWS
from llmood.scoring import ScorerColumn, score_all
from llmood.tables import SAMPLES
from tests.observing import VECTORS
from tests.pictures import demo_pictures
from tests.seeing import prompt_for
from tests.tiny_models import engine_of
from tests.tiny_pictures import save_picture_adapter, save_pictured

KINDS = ("colour", "shape")
TEST, TRAIN = 6, 24
APART = 1e-4
# A random model states hardly a confidence, and no temperature is the best where every label is right.
DRAWS = {**TEN_DRAWS, "max_new_tokens": 1}
"""Of one token: longer answers of a random model are all different."""
UNSCORED = ("verbalised_confidence", "msp.tempered")


def sees(entry: ScorerEntry) -> bool:
    """Whether all that it reads can be made of pictures: `planned_engine.check_pictures` refuses the others."""
    given = given_for(all_needs([entry.make(generations=DRAWS)]))
    return not any(spec.model in (ENCODER, "judge") or shown_shots(spec) is not None for spec in given)


ENTRIES = [pytest.param(entry, id=name) for name, entry in scorers if sees(entry)]


def test_what_is_left_out_is_what_a_run_refuses() -> None:
    left_out = {name for name, entry in scorers if not sees(entry)}
    assert left_out == {name for name, _ in scorers if name.endswith(".encoder")} | {"p_true.few_shot"}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TransformersEngine]]:
    """One that runs many samples in a pass, and one that runs each alone."""
    base = save_pictured(tmp_path_factory.mktemp("sees") / "base", max_position_embeddings=2048)
    adapter = save_picture_adapter(base.parent / "adapter", base)
    made = {
        name: engine_of(base, {"adapter": str(adapter)}, batch_tokens=tokens)
        for name, tokens in (("together", 4000), ("alone", 1))
    }
    yield made
    for each in made.values():
        each.close()


@pytest.fixture(scope="module")
def observed(
    engines: dict[str, TransformersEngine], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Observations]:
    """All that scorers need of the same questions, by either engine."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, engine in engines.items():
            patch.setenv("LLMOOD_CACHE", str(tmp_path_factory.mktemp(name)))
            found[name] = observe(engine)
    return found


def observe(engine: TransformersEngine) -> Observations:
    prompts, rows = [], []
    for place, image in enumerate(demo_pictures(TEST + TRAIN)):
        split: Part = "test" if place < TEST else "train"
        text = f"which {KINDS[place % 2]} is {'left of ' * (place % 3)}number {place}?"
        made = replace(prompt_for(engine, text, image), sample_id=f"s{place:02}", split=split)
        picture: Picture = made.pictures[0]
        prompts.append(replace(made, references=("red",)))
        rows.append(
            {
                "sample_id": made.sample_id,
                "prompt_tokens": len(made.token_ids),
                "prompt_hash": picture.digest,
                "images": [picture.digest],
                "prompt": text,
                "split": split,
                "label": KINDS[place % 2],
                "domain": KINDS[place % 2],
                "references": ["ABCD"[place % 4]],
            }
        )
    samples = pa.Table.from_pylist(rows, schema=SAMPLES)
    chosen = [param.values[0].make(generations=DRAWS) for param in ENTRIES]
    observer = Observer(engine, prompts, Store(), private=False)
    for spec in required_captures(chosen, richest_response(chosen, {"max_new_tokens": 64})):
        observer.run(spec)
    further, _ = compare_all(
        required_comparisons(chosen),
        Observations(samples, observer.index(), observer.store),
        observer.store,
        None,
        Progress(),
        encoder=VECTORS,
        decoder=lambda role: engine.tokenizer(role).decode,
    )
    verdicts = {str(row["sample_id"]): place % 3 > 0 for place, row in enumerate(rows)}
    return Observations(samples, pa.concat_tables([observer.index(), further]), observer.store, verdicts)


def part(observations: Observations, split: str, named: str | None = None) -> Observations:
    """The rows of one split, maybe under another's name."""
    rows = [row for row in observations.samples.to_pylist() if row["split"] == split]
    samples = pa.Table.from_pylist([row | {"split": named or split} for row in rows], schema=SAMPLES)
    return Observations(samples, observations._index, observations._store, observations.verdicts)


@pytest.fixture(scope="module")
def fitted(observed: dict[str, Observations]) -> Callable[[ScorerEntry], Scorer]:
    def fit(entry: ScorerEntry) -> Scorer:
        scorer = entry.make(generations=DRAWS)
        if not scorer.fitted_on:
            return scorer
        rows = observed["together"]
        others = part(rows, "train", scorer.chosen_on) if scorer.chosen_on else None
        return scorer.fit(part(rows, "train", scorer.fitted_on), others)

    return fit


@pytest.mark.parametrize("entry", ENTRIES)
def test_alone_and_among_others(
    entry: ScorerEntry, observed: dict[str, Observations], fitted: Callable[[ScorerEntry], Scorer]
) -> None:
    scorer = fitted(entry)
    columns: dict[str, ScorerColumn] = {
        name: score_all(part(rows, "test"), {entry.id: scorer})[0] for name, rows in observed.items()
    }
    together, alone = columns["together"], columns["alone"]
    assert together.status.tolist() == alone.status.tolist()
    assert together.reasons.tolist() == alone.reasons.tolist()
    assert set(together.status) <= {"ok", "unscored"}
    assert "ok" in together.status or entry.id.startswith(UNSCORED)
    assert np.allclose(together.values, alone.values, rtol=APART, atol=APART, equal_nan=True)
