"""One registry: lazy, open to other packages, helpful on a typo."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

import llmood.registry
from llmood.errors import ConfigError, UnknownNameError
from llmood.registry import Registry, suggest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of two modules, one of which registers something."""
    name = "llmood_test_package"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from llmood.registry import Registry\nthings = Registry('thing', __name__, 'llmood.test')\n"
    )
    (folder / "one.py").write_text(f"from {name} import things\nthings.add('one', 1)\n")
    (folder / "empty.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for module in (name, f"{name}.one", f"{name}.empty"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return name


def things_of(package: str) -> Registry[int]:
    found: Registry[int] = importlib.import_module(package).things
    return found


def test_modules_are_imported_on_the_first_look_up(package: str) -> None:
    things = things_of(package)
    assert f"{package}.one" not in sys.modules
    assert things.names() == ["one"]
    assert f"{package}.one" in sys.modules
    assert things.get("one") == 1
    assert "one" in things
    assert "two" not in things


def test_it_is_listed_by_name(package: str) -> None:
    things = things_of(package)
    things.add("zero", 0)
    things.register("after")(2)
    assert list(things) == [("after", 2), ("one", 1), ("zero", 0)]


def test_other_packages_add_theirs(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    things = things_of(package)

    class Entry:
        def load(self) -> None:
            things.add("foreign", 7)

    asked: list[str] = []

    def entry_points(*, group: str) -> list[Entry]:
        asked.append(group)
        return [Entry()]

    monkeypatch.setattr(llmood.registry, "entry_points", entry_points)
    assert things.names() == ["foreign", "one"]
    assert things.names() == ["foreign", "one"]
    assert asked == ["llmood.test"]  # once


def test_a_name_is_taken_once(package: str) -> None:
    things = things_of(package)
    things.add("x", 1)
    with pytest.raises(ConfigError, match="the thing 'x' is registered twice"):
        things.add("x", 2)


def test_a_typo_names_its_place_and_the_nearest_right_name(package: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        things_of(package).get("on", place="things[3]")
    assert str(caught.value) == "things[3]: no thing 'on' (did you mean 'one'?)"
    assert caught.value.exit_code == 2


def test_a_module_that_is_broken_is_not_forgotten(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "broken.py").write_text("raise RuntimeError('broken')\n")
    things = things_of(package)
    for _ in range(2):  # a second look-up doesn't pretend that there is nothing
        with pytest.raises(RuntimeError, match="broken"):
            things.names()
    (tmp_path / package / "broken.py").unlink()
    assert things.names() == ["one"]


def test_suggestions() -> None:
    assert suggest("likelyhood", ["likelihood", "length"]) == "did you mean 'likelihood'?"
    assert suggest("zzz", ["a", "b"]) == "known: a, b"
    assert suggest("zzz", map(str, range(20))).endswith(", …")
    assert suggest("zzz", []) == "none is known"
