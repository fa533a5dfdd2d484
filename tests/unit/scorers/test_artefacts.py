"""A fitted scorer's folder that is damaged, newer, or somebody else's: one line each, with its remedy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmood.errors import ConfigError, LlmoodError, StoreError
from llmood.identity import digest
from llmood.records import CaptureSpec
from llmood.scorers import artefacts
from llmood.scorers.artefact_folder import safe_name, write_artefacts
from llmood.scorers.artefacts import Origin, load_scorer, roles_of, save_scorer
from llmood.scorers.base import Scorer, scorers
from tests.observing import observe_train

ORIGIN = Origin({}, {"rows": 6, "digest": "d"}, 3)
TEXTS = ["one text", "another text", "a third", "the fourth", "number five", "and six"]


@pytest.fixture
def fitted(fresh_cache: Path) -> Scorer:
    return scorers.get("gzip_knn").make({"k": 2}).fit(observe_train(TEXTS, ["a", "b"] * 3))


@pytest.fixture
def folder(fitted: Scorer, tmp_path: Path) -> Path:
    save_scorer(fitted, tmp_path / "saved", ORIGIN)
    return tmp_path / "saved"


def edit(folder: Path, change: Callable[[dict[str, Any]], None], *, signed: bool = True) -> None:
    path = folder / "scorer.json"
    record = json.loads(path.read_text())
    change(record)
    if signed:
        record.pop("digest", None)
        record["digest"] = digest(record)
    path.write_text(json.dumps(record))


def refused(folder: Path, kind: type[LlmoodError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        load_scorer(folder)
    said = str(caught.value)
    assert "\n" not in said
    for word in (*words, str(folder)):
        assert word in said, said
    if kind is StoreError:
        assert caught.value.hint


def test_it_says_what_it_is(folder: Path, fitted: Scorer) -> None:
    record = json.loads((folder / "scorer.json").read_text())
    assert record["format"] == 1
    assert record["scorer"]["id"] == record["name"] == "gzip_knn"
    assert record["scorer"]["arguments"] == {"k": 2, "references": 300, "seed": 0}
    assert (record["fitted_on"], record["seed"], record["captures"]) == ("train", 3, [])
    found = load_scorer(folder)
    assert found.origin == ORIGIN
    assert found.scorer.references_ == fitted.references_  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["scorer.json", "state.safetensors"])
@pytest.mark.parametrize("way", ["empty", "cut", "garbage", "a byte", "link", "folder", "large"])
def test_damaged_files(
    folder: Path, name: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / name
    content = path.read_bytes()
    if way == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif way == "folder":
        path.unlink()
        path.mkdir()
    elif way == "large":
        monkeypatch.setitem(artefacts.LARGEST, name, len(content) - 1)
    else:
        at = content.index(b'"references"') + 1 if name == "scorer.json" else len(content) - 1
        path.write_bytes(
            {
                "empty": b"",
                "cut": content[:-7],
                "garbage": b"\x80\x04\xff" * 50,
                "a byte": content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
            }[way]
        )
    refused(
        folder,
        StoreError,
        name,
        {"link": "outside", "folder": "outside", "large": "larger"}.get(way, "damaged"),
    )


def test_every_byte_of_the_record_counts(folder: Path) -> None:
    content = (folder / "scorer.json").read_bytes()
    for at in range(0, len(content) - 1, 7):
        (folder / "scorer.json").write_bytes(content[:at] + bytes([content[at] ^ 2]) + content[at + 1 :])
        try:
            found = load_scorer(folder)
        except LlmoodError:
            continue
        # White space may have become other white space: nothing is read from it.
        assert found.origin == ORIGIN, at


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    (folder / "state.safetensors").unlink()
    refused(folder, StoreError, "state.safetensors", "is missing")
    shutil.rmtree(folder)
    refused(folder, ConfigError, "holds no fitted scorer")


def test_another_folders_arrays_are_refused(folder: Path, tmp_path: Path) -> None:
    other = scorers.get("gzip_knn").make().fit(observe_train(TEXTS[:4], ["a", "b"] * 2))
    save_scorer(other, tmp_path / "other", ORIGIN)
    shutil.copy(tmp_path / "other/state.safetensors", folder)
    refused(folder, StoreError, "is damaged")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (
            lambda record: record.update(format=2),
            StoreError,
            ("format 2, this llmood reads 1", "update llmood"),
        ),
        (lambda record: record.update(format="x"), StoreError, ("no format",)),
        (
            lambda record: record["scorer"].update(id="gzip_kn"),
            ConfigError,
            ("no scorer", "did you mean", "gzip_knn"),
        ),
        (
            lambda record: record["scorer"]["arguments"].update(more=1),
            ConfigError,
            ("no argument 'more'",),
        ),
        (lambda record: record["scorer"]["arguments"].update(k=0), ConfigError, ("gzip_knn: k",)),
        (lambda record: record["scorer"]["state"].update(fit=1), StoreError, ("damaged",)),
        (lambda record: record["scorer"]["state"].update(__class__=1), StoreError, ("damaged",)),
        (
            lambda record: record["scorer"]["state"].update(x_={"measure": ["os", "x", {}]}),
            StoreError,
            ("damaged",),
        ),
        (lambda record: record["scorer"].pop("state"), StoreError, ("damaged",)),
        (lambda record: record.pop("samples"), StoreError, ("damaged",)),
        (lambda record: record.pop("arrays"), StoreError, ("damaged",)),
        (lambda record: record.update(scorer=[]), StoreError, ("damaged",)),
        (lambda record: record.update(models=[1]), StoreError, ("damaged", "its models are something else")),
        (lambda record: record.update(models={"base": 1}), StoreError, ("damaged", "its models are")),
        (lambda record: record.update(samples=3), StoreError, ("damaged", "its samples are")),
        (lambda record: record.update(seed="0"), StoreError, ("damaged", "its seed")),
        (lambda record: record.update(arrays=[1]), StoreError, ("damaged", "its arrays")),
        (lambda record: record.update(name={"a": 1}), StoreError, ("damaged", "its name")),
        (
            lambda record: record["scorer"]["state"].pop("references_"),
            StoreError,
            ("damaged", "no references_, which gzip_knn has learned"),
        ),
        (lambda record: record["scorer"].update(role=7), StoreError, ("damaged",)),
        (lambda record: record["scorer"].update(members=["a"]), StoreError, ("damaged",)),
        (lambda record: record["scorer"].update(arguments=[1]), StoreError, ("damaged",)),
        (lambda record: record["scorer"].update(id=["x"]), StoreError, ("damaged",)),
        (lambda record: record.update(captures=["other"]), StoreError, ("other captures",)),
    ],
)
def test_a_record_of_something_else(
    folder: Path, change: Callable[[dict[str, Any]], None], kind: type[LlmoodError], words: tuple[str, ...]
) -> None:
    edit(folder, change)
    refused(folder, kind, *words)


def test_a_change_without_its_digest_is_damage(folder: Path) -> None:
    edit(folder, lambda record: record["scorer"]["arguments"].update(k=1), signed=False)
    refused(folder, StoreError, "digest")


def test_a_variant_of_other_arguments_is_refused(fresh_cache: Path, tmp_path: Path) -> None:
    scorer = scorers.get("ngram_ratio.mean").make().fit(observe_train(TEXTS, [None] * 6))
    save_scorer(scorer, tmp_path / "a", ORIGIN)
    edit(tmp_path / "a", lambda record: record["scorer"]["arguments"].update(mean=False))
    refused(tmp_path / "a", ConfigError, "has another mean in this llmood")


def test_deep_nesting_is_damage(folder: Path) -> None:
    deep: Any = 0
    for _ in range(400):
        deep = {"list": [deep]}
    edit(folder, lambda record: record["scorer"]["state"].update(x_=deep))
    refused(folder, StoreError, "damaged")
    (folder / "scorer.json").write_text("[" * 100_000)
    refused(folder, StoreError, "is not JSON")


def test_too_large_a_scorer_is_not_written(
    fitted: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(artefacts.LARGEST, "state.safetensors", 10)
    with pytest.raises(StoreError, match=r"state\.safetensors: would have"):
        save_scorer(fitted, tmp_path / "new", ORIGIN)
    assert not (tmp_path / "new").exists()


def test_a_name_that_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no path") as caught:
        load_scorer(f"{tmp_path}/a\0b")
    assert "\0" not in str(caught.value)
    assert caught.value.hint == "name a folder of a run's scorers/"


@pytest.mark.parametrize("place", ["", "gzip_knn", "gzip_knn/scorer.json", "gzip_knn/state.safetensors"])
def test_what_stands_in_an_artefacts_place_is_refused(fitted: Scorer, tmp_path: Path, place: str) -> None:
    rows = observe_train(TEXTS, ["a", "b"] * 3)
    odd = tmp_path / "scorers" / place if place else tmp_path / "scorers"
    if "." in place:
        odd.mkdir(parents=True)
    else:
        odd.parent.mkdir(exist_ok=True)
        odd.write_text("mine")
    with pytest.raises(StoreError) as caught:
        write_artefacts(tmp_path / "scorers", {"gzip_knn": fitted}, rows, {}, seed=0, text=True)
    assert str(caught.value).startswith(f"{odd}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.hint == "remove it"


def test_odd_files_elsewhere_among_artefacts_stay(fitted: Scorer, tmp_path: Path) -> None:
    rows = observe_train(TEXTS, ["a", "b"] * 3)
    folder = tmp_path / "scorers"
    (folder / "gone" / "scorer.json").mkdir(parents=True)
    (folder / "notes").write_text("mine")
    write_artefacts(folder, {"gzip_knn": fitted}, rows, {}, seed=0, text=True)
    assert (folder / "gone" / "scorer.json").is_dir()
    assert (folder / "notes").read_text() == "mine"
    assert load_scorer(folder / "gzip_knn").name == "gzip_knn"


def test_names_are_safe_and_different() -> None:
    names = [
        "knn",
        "knn@tuned:1",
        "knn@tuned-1",
        "../../x",
        "..",
        ".",
        "",
        "a/b",
        "a\\b",
        "KNN",
        "x" * 300,
        "ä",
    ]
    found = [safe_name(name) for name in names]
    assert len({name.lower() for name in found}) == len(names)
    for name in found:
        assert 0 < len(name) < 120
        assert not name.startswith(".")
        assert "/" not in name
    assert found[0] == "knn"


def test_what_is_not_ours_stays(fitted: Scorer, tmp_path: Path) -> None:
    rows = observe_train(TEXTS, ["a", "b"] * 3)
    folder = tmp_path / "scorers"
    write_artefacts(folder, {"old": fitted, "gzip_knn": fitted}, rows, {}, seed=0, text=True)
    (folder / "old/notes.txt").write_text("mine")
    (folder / "gone").symlink_to(tmp_path)
    (tmp_path / "scorer.json").write_text("mine")
    write_artefacts(folder, {"gzip_knn": fitted}, rows, {}, seed=0, text=True)
    assert [path.name for path in (folder / "old").iterdir()] == ["notes.txt"]
    assert (tmp_path / "scorer.json").exists()
    assert load_scorer(folder / "gzip_knn").origin.samples["rows"] == 6


def test_one_that_no_artefact_can_hold_is_said_and_stops_nothing(fitted: Scorer, tmp_path: Path) -> None:
    class Mine(type(fitted)):  # type: ignore[misc]
        """Of another package, not registered."""

    holding = scorers.get("gzip_knn").make()
    vars(holding).update(vars(fitted), more_=object())
    rows = observe_train(TEXTS, ["a", "b"] * 3)
    given = {"mine": Mine().fit(rows), "odd": holding, "gzip_knn": fitted}
    write_artefacts(tmp_path / "a", {"odd": fitted}, rows, {}, seed=0, text=True)
    found = write_artefacts(tmp_path / "a", given, rows, {}, seed=0, text=True)
    assert found == {"mine": "Mine is not registered", "odd": "no artefact can hold a object"}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["gzip_knn"]


def test_the_digest_of_samples_is_of_their_content_and_order_free(fitted: Scorer, tmp_path: Path) -> None:
    def digest_of(texts: list[str], scorer: Scorer = fitted) -> Any:
        rows = observe_train(texts, [None] * len(texts))
        write_artefacts(tmp_path, {"a": scorer}, rows, {}, seed=0, text=True)
        return load_scorer(tmp_path / "a").origin.samples

    assert digest_of(TEXTS) == digest_of(TEXTS)
    assert digest_of(TEXTS) != digest_of([*TEXTS[:5], "another six"])
    assert digest_of(TEXTS)["rows"] == 6
    assert digest_of(TEXTS[:4])["rows"] == 4


def test_the_models_behind_captures() -> None:
    of = CaptureSpec.of
    assert roles_of([of("prompt_logprobs", "base")]) == ["base"]
    assert roles_of([of("prompt_logprobs", "base", "response")]) == ["base", "tuned"]
    assert roles_of([of("prompt_logprobs", "base", "response").on_adapter("tuned:1")]) == ["base", "tuned:1"]
    assert roles_of([of("equivalence", "tuned", rule="nli")]) == ["nli", "tuned"]
    assert roles_of([]) == []
