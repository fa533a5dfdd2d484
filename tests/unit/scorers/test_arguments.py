"""Arguments of another kind than a constructor names are refused, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from llmood.errors import ConfigError
from llmood.scorers.base import scorers


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("mahalanobis", {"one_class": "false"}, "one_class: input should be a valid boolean, not 'false'"),
        ("sdm", {"alpha": "0.9"}, "alpha: input should be a valid number, not '0.9'"),
        ("neco", {"dimensions": True}, "dimensions: input should be a valid number, not True"),
        ("knn", {"position": 5}, "position: input should be a valid string, not 5"),
        ("knn", {"layer": "all"}, "layer names one layer, such as 6, -1 or 0.5, not 'all'"),
        ("layer_prediction", {"below": -1}, "layer -1 is forecast from itself"),
        ("layer_prediction", {"ridge": "x"}, "ridge: input should be a valid number"),
        ("rank_average", {"of": 5}, "of: input should be"),
        ("semantic_entropy", {"estimate": "x"}, "estimate"),
        ("random", {"seed": "x"}, "seed: input should be a valid integer, not 'x'"),
    ],
)
def test_another_kind_is_refused(name: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        scorers.get(name).make(arguments)
    assert said in str(caught.value)
    assert str(caught.value).startswith(name)


@pytest.mark.parametrize("layer", [0, -1, 0.5, 1.0, "3", "0.25"])
def test_one_layer_may_be_written_in_any_way(layer: Any) -> None:
    scorers.get("knn").make({"layer": layer, "k": 3})


def test_a_list_of_names_is_a_list() -> None:
    scorers.get("rank_average").make({"of": ("likelihood", "length")})
