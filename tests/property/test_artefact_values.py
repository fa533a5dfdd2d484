"""Whatever a scorer may learn is the same after it was JSON and arrays: to the last bit, in the order of its memory."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from safetensors.numpy import load, save
from scipy.sparse import csc_matrix, csr_matrix

from llmood.measures.character_ngrams import Alphabet, CharacterModel
from llmood.measures.mahalanobis import Gaussians
from llmood.measures.probe import Probe
from llmood.scorers.artefact_values import Arrays, UnsavableError, decode, encode

DTYPES = st.sampled_from(
    ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "<u4", "<u8", "|b1", ">f8", ">i4"]
)


def there_and_back(value: Any) -> Any:
    arrays: Arrays = {}
    said = json.dumps(encode(value, arrays), allow_nan=False)
    held = load(save(arrays)) if arrays else {}
    return decode(json.loads(said), held)


def exact(value: Any) -> Any:
    """A value in a form whose == tells apart what numbers' own doesn't: −0 from 0, 1 from 1.0 and True."""
    if isinstance(value, np.ndarray | np.generic):
        return (
            type(value).__name__,
            value.dtype.newbyteorder("=").str,
            value.shape,
            np.asarray(value).tolist().__repr__(),
        )
    if isinstance(value, csr_matrix | csc_matrix):
        return (value.format, value.shape, exact([value.data, value.indices, value.indptr]))
    if isinstance(value, dict):
        return ("dict", [(exact(key), exact(item)) for key, item in value.items()])
    if isinstance(value, list | tuple):
        return (type(value).__name__, [exact(item) for item in value])
    if isinstance(value, Alphabet | CharacterModel):
        return exact(
            value.characters
            if isinstance(value, Alphabet)
            else [exact(part) for part in vars(value).values()]
        )
    return (type(value).__name__, repr(value))


def arrays_of(most: int = 3) -> st.SearchStrategy[NDArray[Any]]:
    shapes = hnp.array_shapes(min_dims=0, max_dims=most, min_side=0, max_side=4)
    return DTYPES.flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), shapes))


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    arrays_of(),
    st.floats().map(np.float64),
    st.integers(-9, 9).map(np.int32),
)
KEYS = st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False))
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.tuples(inner, inner, inner, st.floats()).map(lambda parts: Probe(*parts)),
        st.tuples(inner, inner, st.floats()).map(lambda parts: Gaussians(*parts)),
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_comes_back(value: Any) -> None:
    assert exact(there_and_back(value)) == exact(value)


@given(arrays_of(), st.data())
def test_an_array_lies_as_it_lay(array: NDArray[Any], data: st.DataObject) -> None:
    axes = data.draw(st.permutations(range(array.ndim)))
    flipped = [axis for axis in range(array.ndim) if data.draw(st.booleans())]
    laid = np.flip(array.transpose(axes), flipped) if array.ndim else array
    found = there_and_back(laid)
    assert exact(found) == exact(laid)
    # What has one place, or none, lies in no order.
    if laid.size:
        long = [axis for axis in range(laid.ndim) if laid.shape[axis] > 1]
        assert [found.strides[axis] for axis in long] == [laid.strides[axis] for axis in long]


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=5)), st.booleans())
def test_a_sparse_matrix_comes_back(dense: NDArray[np.float64], by_row: bool) -> None:
    matrix = (csr_matrix if by_row else csc_matrix)(dense)
    found = there_and_back(matrix)
    assert exact(found) == exact(matrix)
    np.testing.assert_array_equal(found.toarray(), dense)


@given(st.lists(st.text(alphabet="abc äß", max_size=8), min_size=1, max_size=5))
def test_a_character_model_comes_back(texts: list[str]) -> None:
    alphabet = Alphabet.of(texts)
    model = CharacterModel([alphabet.encode(text) for text in texts], alphabet, 3)
    found = there_and_back(model)
    assert exact(found) == exact(model)
    rows = [alphabet.encode(text) for text in [*texts, "other"]]
    np.testing.assert_array_equal(found.log_likelihoods(rows)[0], model.log_likelihoods(rows)[0])


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        1j,
        np.array(["a"]),
        np.array([None]),
        np.array([1j]),
        np.zeros(2, np.longdouble),
        lambda: 0,
        int,
        np.random.default_rng(0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_an_artefact_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(UnsavableError, match="no artefact can hold"):
        encode([value], {})


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        {"list": [], "dict": []},
        {"call": ["os", "system"]},
        {"float": "one"},
        {"array": ["9", [], []]},
        {"array": ["0", [0, 0], []]},
        {"array": ["0", [0], [1]]},
        {"array": ["0"]},
        {"bytes": "?"},
        {"dict": [1]},
        {"sparse": ["lil", [1, 1], []]},
        {"sparse": ["csr", [1, 1], [{"array": ["0", [0], []]}] * 3]},
        {"scorer": {}},
        {"measure": ["os", "system", {}]},
        {"measure": ["../os", "system", {}]},
        {"measure": ["nearest", "np", {}]},
        {"measure": ["nearest", "nearest_neighbours", {}]},
        {"measure": ["probe", "NamedTuple", {}]},
        {"measure": ["probe", "Probe", {"means": 1}]},
        {"measure": ["probe", "Probe", {"means": 1, "scales": 1, "weights": 1, "bias": 1, "more": 1}]},
        {"measure": ["nowhere", "Probe", {}]},
    ],
    ids=str,
)
def test_what_nothing_makes_is_refused(said: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode(said, {"0": np.arange(3.0)})
