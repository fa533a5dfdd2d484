"""YAML is read safely and strictly, and `--set` is put on top of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.config import RunConfig
from llmood.config_file import load_config
from llmood.errors import ConfigError
from llmood.yaml_files import MAX_YAML_BYTES, apply_overrides, read_yaml

BOMB = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(12))
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 10)}]}}\n" for n in range(12)
)


def read(folder: Path, content: str | bytes) -> Any:
    path = folder / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("1E5", 1e5), ("-1.5e+3", -1500.0), (".5e3", 500.0), ("1.0e-3", 0.001)],
)
def test_a_number_is_the_number_it_looks_like(tmp_path: Path, text: str, value: float) -> None:
    found = read(tmp_path, f"a: {text}")["a"]
    assert isinstance(found, float)
    assert found == value


@pytest.mark.parametrize("text", ["1e", "e3", "v1e-3", "1e-3x"])
def test_a_word_stays_a_word(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"a: {text}") == {"a": text}


def test_a_merge_brings_keys_and_is_none(tmp_path: Path) -> None:
    text = "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\ntwo:\n  <<: *base\n  c: 4\n"
    found = read(tmp_path, text)
    assert found["one"] == {"a": 1, "b": 3}
    assert found["two"] == {"a": 1, "b": 2, "c": 4}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: 1\na: 2", r"x\.yaml:2: is not YAML: the key 'a' is written twice"),
        ("b:\n  a: 1\n  c: 1\n  a: 2", r"x\.yaml:4: is not YAML: the key 'a' is written twice"),
        ("1: a\n1: b", r"x\.yaml:2: is not YAML: the key '1' is written twice"),
        ("b: {a: 1, a: 2}", r"x\.yaml:1: is not YAML: the key 'a' is written twice"),
        ("a: 1\nb: [", r"x\.yaml:2: is not YAML"),
        ("a: 1: 2", r"x\.yaml:1: is not YAML: mapping values are not allowed here"),
        ("[1]: 2", r"x\.yaml:1: is not YAML: found unhashable key"),
        ("a: b\n---\nc: d", r"x\.yaml:2: is not YAML: but found another document"),
        ("a: !!python/object/apply:os.system ['false']", r"x\.yaml:1: is not YAML: could not determine"),
        (b"a: \xff", r"x\.yaml: is not UTF-8 \(byte 3\)"),
        (b"a: \x00", r"x\.yaml: is not YAML: unacceptable character"),
        ("[" * 5000 + "]" * 5000, r"x\.yaml: is nested too deeply"),
        (BOMB, r"x\.yaml:6: is not YAML: there are over 100000 keys and values here, aliases written out"),
        (MERGE_BOMB, r"x\.yaml:\d+: is not YAML: there are over 100000 keys"),
        ("b: 1\nscorers: &a [*a]", r"x\.yaml:2: is not YAML: an alias stands inside what it names"),
        ("benchmark: &x {name: *x}", r"x\.yaml:1: is not YAML: an alias stands inside what it names"),
        ("b: 1\nseed: " + "9" * 5000, r"x\.yaml:2: is not YAML: this is no int"),
        ("seed: 0x" + "f" * 5000, r"x\.yaml:1: is not YAML: the number is too large"),
        ("a: 2024-13-01", r"x\.yaml:1: is not YAML: this is no timestamp"),
        ("a: !!bool maybe", r"x\.yaml:1: is not YAML: this is no bool"),
    ],
    ids=lambda value: None,
)
def test_what_is_no_yaml_is_one_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_a_folder_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file or directory"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="is a directory"):
        read_yaml(tmp_path)
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_YAML_BYTES + 1))
    with pytest.raises(ConfigError, match="too large"):
        read_yaml(tmp_path / "large.yaml")


TUNED = {"models": {"base": "b", "tuned": {"model": "m"}}, "seed": 1}


@pytest.mark.parametrize(
    ("data", "override", "result"),
    [
        ({}, "a.b=c", {"a": {"b": "c"}}),
        ({"a": {"x": 1}}, "a.b=c", {"a": {"x": 1, "b": "c"}}),
        ({"a": None}, "a.b=c", {"a": {"b": "c"}}),
        ({"a": 1}, "a=null", {"a": None}),
        ({"a": 1}, "a=", {"a": None}),
        ({}, "a=[x, 1]", {"a": ["x", 1]}),
        ({}, "a=1e-3", {"a": 0.001}),
        ({}, "a=x=y", {"a": "x=y"}),
        ({}, " a . b = c", {"a": {"b": "c"}}),
        (
            {"models": {"tuned": {"model": "m"}}},
            "models.tuned.adapter=x",
            {"models": {"tuned": {"adapter": "x"}}},
        ),
        (
            {"models": {"tuned": {"adapter": "a"}}},
            "models.tuned.model=x",
            {"models": {"tuned": {"model": "x"}}},
        ),
        ({"models": {"tuned": "m"}}, "models.tuned.adapter=x", {"models": {"tuned": {"adapter": "x"}}}),
        (
            {"models": {"base": "m"}},
            "models.base.revision=r",
            {"models": {"base": {"model": "m", "revision": "r"}}},
        ),
        ({"benchmark": "b"}, "benchmark.id=i", {"benchmark": {"id": "i"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_set(data: dict[str, Any], override: str, result: dict[str, Any]) -> None:
    assert apply_overrides(data, [override]) == result


def test_the_last_set_wins_and_the_file_stays_as_it_was() -> None:
    data = {"models": {"tuned": {"model": "m"}}, "a": [1]}
    result = apply_overrides(data, ["models.tuned.adapter=x", "models.tuned.adapter=y"])
    assert result == {"models": {"tuned": {"adapter": "y"}}, "a": [1]}
    assert data == {"models": {"tuned": {"model": "m"}}, "a": [1]}
    assert result["a"] is not data["a"]


def test_set_reaches_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("benchmark: b\nmodels: {base: one, tuned: {model: two}}\n")
    config, _, _ = load_config(path, ["models.tuned.adapter=three", "bootstrap.level=9e-1"])
    expected = {"benchmark": "b", "models": {"base": "one", "tuned": {"adapter": "three"}}}
    assert config == RunConfig.model_validate(expected | {"bootstrap": {"level": 0.9}})


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("a", "--set a: write it as key.path=value"),
        ("=1", "--set =1: write it as key.path=value"),
        ("a..b=1", "--set a..b=1: write it as key.path=value"),
        ("n.b.c=1", "--set n.b.c=1: n is not a mapping"),
        ("d.e.f=1", "--set d.e.f=1: d.e is not a mapping"),
        ("a=[1", "--set a=[1: the value is not YAML (quote it)"),
        ("a={x: 1, x: 2}", "--set a={x: 1, x: 2}: the value is not YAML (quote it)"),
        ("a=&a [*a]", "--set a=&a [*a]: the value is not YAML (quote it)"),
        (f"a={'9' * 5000}", f"--set a={'9' * 5000}: the value is not YAML (quote it)"),
        (f"a={'[' * 5000}", f"--set a={'[' * 5000}: the value is not YAML (quote it)"),
    ],
)
def test_a_wrong_set_names_itself(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_overrides({"n": 3, "d": {"e": [1]}}, [override])
    assert str(caught.value) == said


def test_plus_adds_to_a_list() -> None:
    data = {"scorers": ["a"], "benchmark": {"ood": [1]}}
    assert apply_overrides(data, ["scorers+=[b, c]", "scorers +=[d]"])["scorers"] == ["a", "b", "c", "d"]
    assert apply_overrides(data, ["benchmark.ood+=[2]"])["benchmark"] == {"ood": [1, 2]}
    assert data == {"scorers": ["a"], "benchmark": {"ood": [1]}}


@pytest.mark.parametrize("override", ["scorers+=b", "seed+=[1]", "nowhere+=[1]", "scorers+=", "+=[1]"])
def test_plus_adds_only_a_list_to_a_list(override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        apply_overrides({"scorers": ["a"], "seed": 0}, [override])
