"""What makes two runs the same."""

from llmood.sameness import deciding, differing, short


def test_what_differs_is_named_by_its_path() -> None:
    assert differing({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}) == [
        ("a.c", 2, 3),
        ("d", None, 4),
    ]
    assert differing({"a": 1}, {}) == [("a", 1, None)]
    assert differing({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) == []


def test_a_long_value_is_cut() -> None:
    assert short({"a": 1}) == '{"a":1}'
    assert short("x" * 100) == '"' + "x" * 59 + "…"


def test_what_a_person_calls_a_model_or_a_task_decides_nothing() -> None:
    manifest = {
        "config": {"seed": 0, "finetune": {"epochs": 1}},
        "versions": {"llmood": "1", "numpy": "2"},
        "models": {"base": {"name": "a", "identity": {"weights": "w"}, "tokenizer": "t"}},
        "captures": ["c"],
        "tasks": [
            {"name": "x", "note": "n", "source": {"kind": "files"}, "samples": {"test": 3}, "rejects": 0}
        ],
    }
    renamed = {
        **manifest,
        "config": {"seed": 0, "finetune": None},
        "versions": {"llmood": "1", "numpy": "3"},
        "models": {"base": {"name": "b", "identity": {"weights": "w"}, "tokenizer": "t"}},
    }
    assert deciding(manifest) == deciding(renamed)
    other = {**manifest, "models": {"base": {"name": "a", "identity": {"weights": "v"}, "tokenizer": "t"}}}
    assert differing(deciding(manifest), deciding(other)) == [("models.base.identity.weights", "w", "v")]
