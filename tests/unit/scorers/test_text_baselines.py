"""The scorers that learn from the train rows' text alone."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from llmood.engines.observations import Block, Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.records import Scores
from llmood.scorers import tfidf_knn
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.text import train_texts
from llmood.tables import INDEX, SAMPLES

NAMES = ("gzip_knn", "tfidf_knn", "ngram_ratio", "ngram_ratio.mean")
TRAIN = [
    "transfer ten dollars to my savings account",
    "what is the balance of my checking account",
    "how much money is in my savings account",
    "transfer all my money to the checking account",
    "what was the last transaction on my account",
    "please show me my last five transactions",
]
NEAR = "how much money is in my checking account"
FAR = "zwölf Boxkämpfer jagen Viktor quer über Sylt"


def table_of(
    texts: Sequence[str | None], split: str = "train", labels: Sequence[str | None] = ()
) -> pa.Table:
    rows = [
        {
            "sample_id": f"{split}{row}",
            "split": split,
            "prompt": text,
            "label": labels[row] if labels else None,
        }
        for row, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def train_of(
    texts: Sequence[str | None], labels: Sequence[str | None] = (), split: str = "train"
) -> Observations:
    return Observations(table_of(texts, split, labels), INDEX.empty_table(), Store())


def fitted(name: str, texts: Sequence[str | None] = TRAIN, **arguments: Any) -> Scorer:
    return scorers.get(name).make(arguments).fit(train_of(texts))


def score(scorer: Scorer, texts: Sequence[str | None]) -> Scores:
    return scorer.score(Block(np.arange(len(texts)), table_of(texts, "test"), {}))


@pytest.mark.parametrize("name", NAMES)
def test_what_train_never_said_scores_higher(name: str) -> None:
    near, far, known = score(fitted(name), [NEAR, FAR, TRAIN[2]]).values
    assert max(near, known) < far
    if not name.startswith("ngram_ratio"):  # which sees four characters at a time
        assert known < near


@pytest.mark.parametrize("name", NAMES)
def test_what_can_not_be_scored_says_why(name: str) -> None:
    found = score(fitted(name), ["", " \n\t", None, NEAR])
    assert np.isnan(found.values).tolist() == [True, True, True, False]
    assert found.reasons == ["the text is blank", "the text is blank", "the run keeps no text", None]
    nothing = score(fitted(name, ["", None]), [NEAR, ""])
    assert nothing.reasons == ["no train row has text to compare with", "the text is blank"]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_any_text_gets_a_number_or_a_reason(name: str, texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    found = score(fitted(name), texts)
    assert [reason is None for reason in found.reasons] == np.isfinite(found.values).tolist()
    assert [reason is None for reason in found.reasons] == [bool(text.strip()) for text in texts]


@pytest.mark.parametrize("name", NAMES)
def test_other_splits_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is fitted on train, not on test"):
        scorers.get(name).make().fit(train_of(TRAIN, split="test"))


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("gzip_knn", "k", 0),
        ("gzip_knn", "k", 1.5),
        ("gzip_knn", "k", True),
        ("gzip_knn", "references", 0),
        ("tfidf_knn", "k", "3"),
        ("tfidf_knn", "shortest", 0),
        ("tfidf_knn", "longest", 0),
        ("tfidf_knn", "references", -1),
        ("ngram_ratio", "order", 0),
        ("ngram_ratio", "mutation_rate", 0),
        ("ngram_ratio", "mutation_rate", 1.01),
        ("ngram_ratio", "references", None),
        ("gzip_knn", "seed", -1),
        ("gzip_knn", "seed", float("inf")),
        ("tfidf_knn", "seed", 1.5),
        ("ngram_ratio", "seed", "0"),
    ],
)
def test_arguments_that_make_no_sense(name: str, argument: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name}: {argument} is a"):
        scorers.get(name).make({argument: value})


def test_arguments_that_do_not_fit_each_other() -> None:
    with pytest.raises(ConfigError, match="references is a whole number of at least 5, not 4"):
        scorers.get("gzip_knn").make({"k": 5, "references": 4})
    with pytest.raises(ConfigError, match="longest is a whole number of at least 3, not 2"):
        scorers.get("tfidf_knn").make({"shortest": 3, "longest": 2})


@pytest.mark.parametrize("name", ["gzip_knn", "tfidf_knn"])
def test_more_neighbours_than_train_texts(name: str) -> None:
    assert np.isfinite(score(fitted(name, k=6), [NEAR]).values).all()
    with pytest.raises(ConfigError, match=f"{name} looks for neighbour 7, and train has 6 different texts"):
        fitted(name, [*TRAIN, TRAIN[0], ""], k=7)


# ------------------------------------------------------------------------------------------------- against the plain


@pytest.mark.parametrize("k", [1, 3])
def test_gzip_knn_is_the_kth_smallest_distance(k: int) -> None:
    def size(text: str) -> int:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return len(packer.compress(text.encode()) + packer.flush())

    def distance(one: str, other: str) -> float:
        alone, beside = size(one), size(other)
        return (size(f"{one} {other}") - min(alone, beside)) / max(alone, beside)

    texts = [NEAR, FAR, NEAR, TRAIN[0]]
    expected = [sorted(distance(text, other) for other in TRAIN)[k - 1] for text in texts]
    assert score(fitted("gzip_knn", k=k), texts).values.tolist() == expected


@pytest.mark.parametrize("k", [1, 3])
def test_tfidf_knn_is_one_less_the_kth_largest_cosine(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [NEAR, FAR, TRAIN[0], NEAR.upper(), "§§§"]
    # All pieces, those of the texts too, each weighted by how many of the train texts hold it.
    counts = CountVectorizer(analyzer="char_wb", ngram_range=(1, 4)).fit(TRAIN + texts)
    known = counts.transform(TRAIN).toarray()
    idf = np.log((1 + len(TRAIN)) / (1 + (known > 0).sum(axis=0))) + 1
    cosine = cosine_similarity(counts.transform(texts).toarray() * idf, known * idf)
    scorer = fitted("tfidf_knn", k=k)
    whole = score(scorer, texts).values
    np.testing.assert_allclose(whole, 1 - np.sort(cosine, axis=1)[:, ::-1][:, k - 1], atol=1e-12)
    assert whole[0] == whole[3]
    monkeypatch.setattr(tfidf_knn, "SIMILARITIES_AT_ONCE", 7)  # a row at a time
    assert score(scorer, texts).values.tolist() == whole.tolist()


def test_tfidf_knn_of_known_words_is_scikit_learns_cosine() -> None:
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4)).fit(TRAIN)
    text = "my savings account"
    cosine = cosine_similarity(vectorizer.transform([text]), vectorizer.transform(TRAIN))
    assert score(fitted("tfidf_knn"), [text]).values == pytest.approx(1 - cosine.max())


def test_tfidf_knn_of_nothing_that_train_holds() -> None:
    assert score(fitted("tfidf_knn", shortest=2), ["§§§"]).values.tolist() == [1.0]
    assert score(fitted("tfidf_knn"), ["§§§"]).values[0] > 0.9  # the edge of a word is known


def test_ngram_ratio_averages_over_characters_and_the_end() -> None:
    summed, averaged = (score(fitted(name), [NEAR, FAR]).values for name in NAMES[2:])
    np.testing.assert_allclose(summed / [len(NEAR) + 1, len(FAR) + 1], averaged)


def test_ngram_ratio_takes_its_mutations_from_the_seed() -> None:
    one, other, again = (score(fitted("ngram_ratio", seed=seed), [NEAR]).values for seed in (0, 1, 0))
    assert one != other
    assert one == again


def test_ngram_ratio_against_a_background_that_knows_no_words() -> None:
    # With every character drawn anew the background is all but uniform over the letters: text of the domain is far
    # likelier under the domain's own model.
    assert (score(fitted("ngram_ratio", mutation_rate=1.0), TRAIN).values < -20).all()


# ------------------------------------------------------------------------------------------------------------ the draw


def test_the_draw_is_by_label_and_by_hash() -> None:
    labels = ["often"] * 90 + ["seldom"] * 6 + [None] * 4
    texts = [f"text {row}" for row in range(100)]
    of_text = dict(zip(texts, labels, strict=True))
    drawn = train_texts(train_of(texts, labels), 12, 0, "a")
    assert Counter(of_text[text] for text in drawn) == {"often": 4, "seldom": 4, None: 4}
    assert train_texts(train_of(texts, labels), 6, 0, "a") == drawn[:6]
    assert train_texts(train_of(texts, labels), 12, 1, "a") != drawn
    assert train_texts(train_of(texts, labels), 12, 0, "b") != drawn
    every = train_texts(train_of(texts, labels), 1000, 0, "a")
    assert sorted(every) == sorted(texts)
    assert every[:12] == drawn
    # A label's own turn: never its third before another's second, as long as that has one.
    turns = [Counter(of_text[text] for text in drawn[:count]) for count in (3, 6, 9)]
    assert all(later.total() - earlier.total() == 3 for earlier, later in pairwise(turns))
    assert all(len(set(turn.values())) == 1 for turn in turns)


def test_a_text_is_drawn_once() -> None:
    assert sorted(train_texts(train_of(["a", "b", "a", " ", "a", None]), 10, 0, "x")) == ["a", "b"]
