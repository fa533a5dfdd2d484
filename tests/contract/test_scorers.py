"""One checklist for every registered scorer."""

from __future__ import annotations

import copy
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse

from llmood.engines.base import ENCODER
from llmood.engines.captures import all_needs, given_for
from llmood.engines.observations import Block, Observations
from llmood.errors import UnknownNameError
from llmood.records import SPLITS, CaptureSpec
from llmood.scorers.base import Scorer, ScorerEntry, parameters_of, scorers
from llmood.scorers.raw_confidence import raw_confidence
from llmood.scorers.representation import Representation
from llmood.scoring import score_all
from llmood.tables import CAPTURE_SCHEMAS, SAMPLES
from tests.observing import ALL, Spy, observe, observe_train

ENTRIES = [pytest.param(entry, id=name) for name, entry in scorers]
FITTED = [param for param in ENTRIES if param.values[0].make().fitted_on]
WORDLESS = [param for param in ENTRIES if not param.values[0].make().reads_answers]
FAMILY = (
    "likelihood",
    "likelihood_ratio",
    "perplexity",
    "min_k",
    "min_k_plus_plus",
    "zlib_ratio",
    "ngram_ratio",
    "early_exit_ratio",
)

# DESIGN, "Scorer ids": users' configurations and gates name these.
FIXED = """
likelihood_ratio likelihood_ratio.mean likelihood_ratio.response likelihood_ratio.response.mean
likelihood_ratio.prompt_response likelihood_ratio.prompt_response.mean
likelihood_ratio.response_given_prompt likelihood_ratio.response_given_prompt.mean
likelihood likelihood.mean likelihood.response likelihood.response.mean likelihood.prompt_response
likelihood.prompt_response.mean likelihood.response_given_prompt likelihood.response_given_prompt.mean
likelihood.base likelihood.base.mean likelihood.base.response likelihood.base.response.mean
likelihood.base.prompt_response likelihood.base.prompt_response.mean
likelihood.base.response_given_prompt likelihood.base.response_given_prompt.mean
perplexity perplexity.base perplexity.response perplexity.base.response_given_prompt
length random constant min_k min_k_plus_plus zlib_ratio gzip_knn tfidf_knn ngram_ratio
""".split()

TEXTS = [f"{'word ' * (number % 7)}text {number}" for number in range(25)] + ["", "x" * 2000, "twin", "twin"]


TRAIN = [f"{start} text number {number}" for start in ("a word", "the other") for number in range(15)] + [""]
LABELS = [None, *("one", "two") * 15]


@pytest.fixture(scope="module")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One for all tests here: what they look at takes a while to make, and none of them changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMOOD_CACHE", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture(scope="module")
def observations(_store: None) -> Observations:
    """With a text of one token, one over the context, twins, and empty answers among them."""
    return observe(TEXTS, ALL + _missing(ALL), Spy(max_length=1000))[1]


@pytest.fixture(scope="module")
def private(_store: None) -> Observations:
    """The same, as a run has them that keeps no words of answers: without what it refuses to make."""
    needed = {spec for param in WORDLESS for spec in param.values[0].make().needs}
    return observe(TEXTS, ALL + sorted(needed - set(ALL)), Spy(max_length=1000), private=True)[1]


@pytest.fixture(scope="module")
def train(_store: None) -> Observations:
    """Labelled and not, a blank one among them."""
    rows = observe_train(TRAIN, LABELS, ALL + _missing(ALL))
    rows = with_column(rows, "domain", [None if label is None else f"all {label}" for label in LABELS])
    return with_column(rows, "references", [["ABCD"[place % 4]] for place in range(len(TRAIN))])


@pytest.fixture
def made(train: Observations) -> Callable[[ScorerEntry], Scorer]:
    """A scorer, fitted where it learns."""

    def make(entry: ScorerEntry) -> Scorer:
        scorer = entry.make()
        return learn(scorer, train) if scorer.fitted_on else scorer

    return make


def copied(observations: Observations) -> Observations:
    """Other observations, as far as scorers can tell: what they share of the first isn't theirs."""
    found = copy.copy(observations)
    found._shared = {}
    return found


def with_column(observations: Observations, name: str, values: list[Any]) -> Observations:
    """The same observations, another column of samples."""
    found = copied(observations)
    position = SAMPLES.get_field_index(name)
    found.samples = found.samples.set_column(
        position, SAMPLES.field(name), pa.array(values, SAMPLES.field(name).type)
    )
    return found


def learned_by(scorer: Scorer, rows: Observations) -> Observations:
    """The rows as those of the split that a scorer learns from."""
    return with_column(rows, "split", [scorer.fitted_on] * rows.samples.num_rows)


def learn(scorer: Scorer, rows: Observations) -> Scorer:
    """Fit a scorer on some rows; it chooses by the same ones, where it chooses."""
    others = with_column(rows, "split", [scorer.chosen_on] * rows.samples.num_rows)
    return scorer.fit(learned_by(scorer, rows), others if scorer.chosen_on else None)


def _missing(known: list[CaptureSpec]) -> list[CaptureSpec]:
    every = {*all_needs(entry.make() for _, entry in scorers)}
    return sorted(every - set(known))


def blocks_of(observations: Observations, scorer: Scorer, size: int) -> list[Block]:
    return list(observations.blocks(sorted(set(scorer.needs)), size=size))


def in_order(table: pa.Table, order: np.ndarray) -> pa.Table:
    """A block's capture with its samples in another order; of a kind with several rows a sample, all of each."""
    if "draw" not in table.column_names:
        return table.take(pa.array(order))
    owner = table["row"].to_numpy()
    places = [np.flatnonzero(owner == row) for row in order]
    taken = table.take(pa.array(np.concatenate(places)))
    new = np.repeat(np.arange(len(order)), [len(own) for own in places])
    return taken.set_column(taken.schema.get_field_index("row"), "row", pa.array(new, pa.int64()))


class InOrder:
    """The states of a block with its samples in another order."""

    def __init__(self, reader: Any, order: np.ndarray) -> None:
        self.reader = reader
        self.order = order

    def read(self, layer: int | str, position: str) -> np.ndarray:
        return np.asarray(self.reader.read(layer, position)[self.order])


def scored(blocks: Sequence[Block], scorer: Scorer) -> dict[int, tuple[float, str | None]]:
    found: dict[int, tuple[float, str | None]] = {}
    for block in blocks:
        scores = scorer.score(block)
        found |= {
            int(position): (float(value), reason)
            for position, value, reason in zip(block.positions, scores.values, scores.reasons, strict=True)
        }
    return found


def state_of(value: Any) -> Any:
    """All that an object holds, in a form that == compares."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if scipy.sparse.issparse(value):
        return [state_of(part) for part in (value.data, value.indices, value.indptr)]
    if isinstance(value, dict):
        return {key: state_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [state_of(item) for item in value]
    if is_dataclass(value):
        return [state_of(getattr(value, field.name)) for field in fields(value)]
    return state_of(vars(value)) if hasattr(value, "__dict__") and not isinstance(value, type) else value


def same(one: Mapping[int, Any], other: Mapping[int, Any]) -> bool:
    return repr(sorted(one.items())) == repr(sorted(other.items()))  # to the last bit, NaN beside NaN


# ------------------------------------------------------------------------------------------------------------ names


def close(one: Mapping[int, Any], other: Mapping[int, Any]) -> bool:
    """The same rows and reasons, and values to nine digits."""
    if one.keys() != other.keys() or any(one[row][1] != other[row][1] for row in one):
        return False
    values = [np.array([own[row][0] for row in sorted(own)]) for own in (one, other)]
    return bool(np.allclose(*values, rtol=1e-9, atol=1e-9, equal_nan=True))


def test_the_fixed_ids_are_there() -> None:
    assert set(FIXED) <= set(scorers.names())


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_names_parts_stand_in_order(entry: ScorerEntry) -> None:
    parts = entry.id.split(".")[1:]
    order = ["base", "response|prompt_response|response_given_prompt", "mean"]
    if entry.id.split(".")[0] in FAMILY:
        places = [
            next(index for index, names in enumerate(order) if part in names.split("|")) for part in parts
        ]
        assert places == sorted(set(places))


def test_a_wrong_order_is_no_scorer() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean .*'likelihood_ratio\.response\.mean'"):
        scorers.get("likelihood_ratio.mean.response")


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_says_what_it_is(entry: ScorerEntry) -> None:
    assert entry.summary.endswith((".", "?")), entry.summary
    assert entry.factory.__module__.startswith("llmood.scorers.")


def test_registering_scorers_loads_no_model_library() -> None:
    heavy = ("torch", "transformers", "vllm", "sklearn", "pandas", "datasets")
    program = (
        "import sys; from llmood.scorers.base import scorers; scorers.names(); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------------------------ construction


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_constructor_only_stores(entry: ScorerEntry) -> None:
    scorer = entry.make()
    if type(scorer).__init__ is object.__init__:
        assert vars(scorer) == {}
        return
    parameters = parameters_of(type(scorer))
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
    given = {name: parameter.default for name, parameter in parameters.items()} | dict(entry.arguments)
    assert inspect.Parameter.empty not in given.values()  # each has a default
    for name, value in given.items():
        assert getattr(scorer, name) is value
    # Nothing is learned or derived yet; a subclass may fix an argument of its parent's.
    assert not [name for name in vars(scorer) if name.endswith("_")]


@pytest.mark.parametrize("entry", ENTRIES)
def test_needs_are_frozen_and_can_be_captured(entry: ScorerEntry) -> None:
    scorer = entry.make()
    assert isinstance(scorer.needs, tuple)
    assert scorer.needs == entry.make().needs
    engine = Spy()
    for spec in scorer.needs:
        assert spec.kind in CAPTURE_SCHEMAS
        assert CaptureSpec.from_id(spec.id).id == spec.id
        assert set(scorer.columns.get(spec.kind, [])) <= set(CAPTURE_SCHEMAS[spec.kind].names)
        with pytest.raises(FrozenInstanceError):
            spec.kind = "other"  # type: ignore[misc]
    for spec in given_for(scorer.needs):
        assert engine.supports(spec), spec.id


@pytest.mark.parametrize("entry", ENTRIES)
def test_fitting_is_declared(entry: ScorerEntry) -> None:
    scorer = entry.make()
    assert scorer.fitted_on in (None, *SPLITS)
    assert scorer.fitted_on != "test"
    assert (type(scorer).fit is not Scorer.fit) == (scorer.fitted_on is not None)


# ----------------------------------------------------------------------------------------------------------- fitting


@pytest.mark.parametrize("entry", FITTED)
def test_what_it_learns_ends_in_an_underscore(entry: ScorerEntry, train: Observations) -> None:
    scorer = entry.make()
    given = dict(vars(scorer))
    assert learn(scorer, train) is scorer
    assert {name: value for name, value in vars(scorer).items() if not name.endswith("_")} == given
    assert set(vars(scorer)) > set(given)


@pytest.mark.parametrize("entry", FITTED)
def test_it_learns_the_same_twice_and_in_any_order(
    entry: ScorerEntry, train: Observations, observations: Observations
) -> None:
    scorer = entry.make()
    blocks = blocks_of(observations, learn(scorer, train), 100)
    first, learned = scored(blocks, scorer), state_of(vars(scorer))
    assert state_of(vars(learn(scorer, train))) == learned
    order = pa.array(range(train.samples.num_rows - 1, -1, -1))
    backwards = Observations(train.samples.take(order), train._index, train._store, train.verdicts)
    assert same(scored(blocks, learn(entry.make(), backwards)), first)


@pytest.mark.parametrize("entry", FITTED)
def test_what_it_learns_depends_on_the_rows_that_it_was_given(
    entry: ScorerEntry, train: Observations, observations: Observations
) -> None:
    scorer = entry.make()
    blocks = blocks_of(observations, scorer, 100)
    half = copied(train)
    half.samples = train.samples.slice(0, 10)
    other = learn(entry.make(), half)
    alike = same(scored(blocks, learn(scorer, train)), scored(blocks, other))
    # A verdict of yes or no may well be the same, and what is like nothing in either half is like nothing.
    if entry.id in ("sdm.rejected", "sdm.encoder"):
        alike = state_of(vars(scorer)) == state_of(vars(other))
    assert not alike


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_reads_text_only_if_it_says_so(
    entry: ScorerEntry, observations: Observations, made: Callable[[ScorerEntry], Scorer]
) -> None:
    scorer = made(entry)
    without = with_column(observations, "prompt", [None] * len(TEXTS))
    found = scored(blocks_of(without, scorer, 100), scorer)
    if not scorer.reads_text:
        assert same(found, scored(blocks_of(observations, scorer, 100), scorer))
        return
    reasons = [reason for _, reason in found.values()]
    assert reasons.count("the run keeps no text") >= len(TEXTS) - 2
    assert all(reasons)


@pytest.mark.parametrize("entry", WORDLESS)
def test_it_reads_answers_only_if_it_says_so(
    entry: ScorerEntry,
    observations: Observations,
    private: Observations,
    made: Callable[[ScorerEntry], Scorer],
) -> None:
    scorer = made(entry)
    expected = scored(blocks_of(observations, scorer, 100), scorer)
    assert same(scored(blocks_of(private, scorer, 100), scorer), expected)


@pytest.mark.parametrize("entry", [param for param in FITTED if param.values[0].make().reads_text])
def test_train_rows_without_text_leave_nothing_to_score_by(
    entry: ScorerEntry, train: Observations, observations: Observations
) -> None:
    scorer = entry.make().fit(with_column(train, "prompt", [None] * len(TRAIN)))
    found = scored(blocks_of(observations, scorer, 100), scorer)
    assert all(np.isnan(value) and reason for value, reason in found.values())


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_does_not_look_at_what_the_sample_is(
    entry: ScorerEntry, observations: Observations, made: Callable[[ScorerEntry], Scorer]
) -> None:
    scorer = made(entry)
    told = observations
    for name in ("label", "domain", "population", "shift", "task", "split"):
        told = with_column(told, name, ["ood"] * len(TEXTS))
    expected = scored(blocks_of(observations, scorer, 100), scorer)
    assert same(scored(blocks_of(told, scorer, 100), scorer), expected)


# ----------------------------------------------------------------------------------------------------------- scoring


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_sample_gets_a_float_or_a_reason(
    entry: ScorerEntry, observations: Observations, made: Callable[[ScorerEntry], Scorer]
) -> None:
    scorer = made(entry)
    for block in blocks_of(observations, scorer, 7):
        scores = scorer.score(block)
        assert isinstance(scores.values, np.ndarray)
        assert scores.values.dtype == np.float64
        assert scores.values.shape == (len(block),)
        for value, reason in zip(scores.values, scores.reasons, strict=True):
            assert np.isnan(value) == (reason is not None), (value, reason)
            assert reason is None or reason.strip()
    values = [value for value, _ in scored(blocks_of(observations, scorer, 100), scorer).values()]
    assert np.isfinite(values).sum() >= 5  # the test has something to look at


@pytest.mark.parametrize("entry", [param for param in ENTRIES if param.values[0].make().probability])
def test_what_stands_for_a_probability_gives_one_wherever_it_scores(
    entry: ScorerEntry, observations: Observations, made: Callable[[ScorerEntry], Scorer]
) -> None:
    scorer = made(entry)
    values = np.array([value for value, _ in scored(blocks_of(observations, scorer, 100), scorer).values()])
    found = raw_confidence(scorer.probability, values)
    assert found is not None
    assert (np.isnan(found) == np.isnan(values)).all()
    there = found[~np.isnan(found)]
    assert ((there >= 0.0) & (there <= 1.0)).all()
    order = np.argsort(values[~np.isnan(values)])
    assert (np.diff(there[order]) <= 0).all()


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_scores_row_by_row(
    entry: ScorerEntry, observations: Observations, made: Callable[[ScorerEntry], Scorer]
) -> None:
    scorer = made(entry)
    (whole,) = blocks_of(observations, scorer, 100)
    expected = scored([whole], scorer)
    # A product of matrices rounds a row by how many there are, and by nothing else of them.
    alike = close if isinstance(scorer, Representation) else same
    for size in (1, 3):
        assert alike(scored(blocks_of(observations, scorer, size), scorer), expected)
    order = np.random.default_rng(0).permutation(len(whole))
    permuted = Block(
        whole.positions[order],
        whole.samples.take(pa.array(order)),
        {spec: in_order(table, order) for spec, table in whole.captures.items()},
        {spec: InOrder(reader, order) for spec, reader in whole.readers.items()},
    )
    assert alike(scored([permuted], scorer), expected)


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_is_deterministic_and_keeps_no_memory(
    entry: ScorerEntry, observations: Observations, made: Callable[[ScorerEntry], Scorer]
) -> None:
    scorer, fresh = made(entry), made(entry)
    blocks = blocks_of(observations, scorer, 10)
    before = state_of(copy.deepcopy(vars(scorer)))
    first = scored(blocks, scorer)
    assert same(scored(list(reversed(blocks)), scorer), first)
    assert same(scored(blocks, fresh), first)
    assert state_of(vars(scorer)) == before


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_reads_only_the_columns_that_it_names(
    entry: ScorerEntry, observations: Observations, made: Callable[[ScorerEntry], Scorer]
) -> None:
    scorer = made(entry)
    everything = scored(blocks_of(observations, scorer, 100), scorer)
    (column,) = score_all(observations, {entry.id: scorer})
    assert same(
        everything,
        {row: (float(v), r) for row, (v, r) in enumerate(zip(column.values, column.reasons, strict=True))},
    )


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_was_not_observed_is_not_scored(
    entry: ScorerEntry, observations: Observations, made: Callable[[ScorerEntry], Scorer]
) -> None:
    scorer = made(entry)
    (column,) = score_all(observations, {entry.id: scorer})
    over = TEXTS.index("x" * 2000)
    if {spec.model for spec in scorer.needs} == {ENCODER}:
        assert column.status[over] == "ok"  # it reads what it can of a text
    elif scorer.needs:
        assert column.status[over] == "unscored"
        assert "over the context of 1000" in column.reasons[over]
    assert set(column.status) <= {"ok", "unscored"}
    assert np.array_equal(np.isnan(column.values), column.status != "ok")
