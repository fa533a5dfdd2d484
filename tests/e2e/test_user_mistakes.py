"""A user's mistake is one line with its place and remedy, exit 2, before any model runs, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds import BANK, World, llmood, no_model_runs, refused, write_world

pytestmark = pytest.mark.usefixtures("fresh_cache", "idle")


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    no_model_runs(monkeypatch)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return write_world(tmp_path / "world")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "run"


def refuse(world: World, target: Path, words: tuple[str, ...], *options: object) -> None:
    """Run, and see that it is refused with these words, wet and dry, and leaves nothing behind."""
    for dry in ([], ["--dry-run"]):
        refused(llmood("run", world.config, "-o", target, *options, *dry), *words)
    assert not target.exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("foo=1", ("foo: unknown key", "known: benchmark")),
        ("bootstrap.draw=200", ("bootstrap.draw: unknown key", "'draws'")),
        ("engine.kindd=fake", ("engine.kindd", "'kind'")),
        (
            "scorers=[likelihood,likelihod_ratio]",
            ("scorers[1]: no scorer 'likelihod_ratio'", "'likelihood_ratio'"),
        ),
        ("scorers=[]", ("scorers",)),
        ("engine.kind=fakee", ("engine.kind: no engine 'fakee'", "'fake'")),
        ("benchmark=clinc15", ("benchmark: no benchmark 'clinc15'", "'clinc150'")),
        ("benchmark=../../etc/passwd", ("no benchmark '../../etc/passwd'",)),
        ("benchmark.id=bank/tt.yaml", ("benchmark.id: no task file", "bank/t.yaml")),
        ("benchmark.id=banking7", ("benchmark.id: no task 'banking7'", "'banking77'")),
        ("benchmark.name=../../x", ("benchmark.name",)),
        ("bootstrap.draws=many", ("bootstrap.draws", "'many'")),
        ("limit=0", ("limit",)),
        ("limit=-3", ("limit",)),
        ("seed=-1", ("seed",)),
        ("models.tuned=null", ("likelihood_ratio needs models.tuned",)),
        ("models.base=null", ("likelihood_ratio needs models.base",)),
        ("models=null", ("models",)),
        ("limit", ("--set limit", "key.path=value")),
        ("=3", ("--set =3", "key.path=value")),
        ("a..b=3", ("--set a..b=3",)),
        ("scorers=[", ("--set scorers=[", "not YAML")),
    ],
)
def test_a_wrong_setting(world: World, target: Path, override: str, words: tuple[str, ...]) -> None:
    refuse(world, target, words, "--set", override)


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("auroc", ("can't be read", "auroc[scorer=likelihood_ratio,shift=near] >= 0.80")),
        ("auroc >= high", ("'high' is not a number",)),
        ("auroc >= nan", ("'nan' is not a number",)),
        ("auroc[shfit=near] >= 0.5", ("no 'shfit'", "'shift'")),
        ("auroc[near] >= 0.5", ("'near' is not key=value",)),
    ],
)
def test_a_wrong_gate(world: World, target: Path, gate: str, words: tuple[str, ...]) -> None:
    refuse(world, target, words, "--gate", gate)


def test_no_such_configuration(world: World, target: Path) -> None:
    refused(llmood("run", world.folder / "smal.yaml", "-o", target), "no configuration file", "small.yaml")
    refused(llmood("run", "clinc15", "-o", target), "no configuration file 'clinc15'", "'clinc150'")
    refused(llmood("run", world.folder, "-o", target), "no configuration file")
    assert not target.exists()


def test_no_such_include_folder(world: World, target: Path) -> None:
    refuse(
        world.edit(benchmark="clinc150"),
        target,
        ("--include-path", "no such folder"),
        "--include-path",
        "nowhere",
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"benchmark: [", ("small.yaml",)),
        (b"- a list", ("mapping",)),
        (b"", ("mapping",)),
        (b"\xff\xfe", ("not UTF-8",)),
        (b"seed: 1\nseed: 2\n", ("written twice",)),
    ],
)
def test_a_configuration_that_is_none(
    world: World, target: Path, content: bytes, words: tuple[str, ...]
) -> None:
    world.config.write_bytes(content)
    refuse(world, target, words)


def test_several_mistakes_are_a_line_each(world: World, target: Path) -> None:
    outcome = llmood("run", world.config, "-o", target, "--set", "foo=1", "--set", "limit=x")
    assert outcome.code == 2
    lines = outcome.err.splitlines()
    assert len(lines) == 2
    assert "foo" in outcome.err
    assert "limit" in outcome.err


def test_an_ood_task_that_is_the_id_task(world: World, target: Path) -> None:
    ood = [{"task": "bank/t.yaml", "shift": "near"}]
    world.edit(benchmark={"name": "small", "id": "bank/t.yaml", "ood": ood})
    refuse(world, target, ("'bank' is both ID and OOD",))


def test_the_same_ood_task_twice(world: World, target: Path) -> None:
    ood = [{"task": "near/t.yaml", "shift": "near"}, {"task": "near/t.yaml", "shift": "far"}]
    world.edit(benchmark={"name": "small", "id": "bank/t.yaml", "ood": ood})
    refuse(world, target, ("'near' stands there twice",))


def test_an_unknown_shift(world: World, target: Path) -> None:
    ood = [{"task": "near/t.yaml", "shift": "nearby"}]
    world.edit(benchmark={"name": "small", "id": "bank/t.yaml", "ood": ood})
    refuse(world, target, ("benchmark.ood.0.shift", "'near'"))


@pytest.mark.parametrize("rows", [[], ["not json", '{"text": ""}']], ids=["no rows", "only broken rows"])
def test_an_empty_split(tmp_path: Path, target: Path, rows: list[str]) -> None:
    refuse(write_world(tmp_path / "world", near=rows), target, ("near: the split 'test'", "holds no sample"))


def test_no_data(world: World, target: Path) -> None:
    (world.folder / "near" / "test.jsonl").unlink()
    refuse(world, target, ("no file", "LLMOOD_DATA"))


def test_a_column_that_no_row_has(tmp_path: Path, target: Path) -> None:
    world = write_world(tmp_path / "world", task={"prompt": "{{ txt }}"})
    refuse(world, target, ("prompt: no column 'txt'", "'text'"))


def test_splits_that_share_content(tmp_path: Path, target: Path) -> None:
    world = write_world(tmp_path / "world", bank={"train": BANK[:3], "test": BANK[2:]})
    refuse(world, target, ("'train' and 'test' share 1 texts", "overlap: leave_train"))


def test_base_and_tuned_that_read_text_differently(
    world: World, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmood.engines.fake import FakeEngine
    from llmood.engines.fake_model import FakeTokenizer

    class Shouting(FakeTokenizer):
        identity = "another"

        def encode(self, texts: list[str], *, rendered: bool) -> list[tuple[int, ...]]:  # type: ignore[override]
            return super().encode([text.upper() for text in texts], rendered=rendered)

    monkeypatch.setattr(
        FakeEngine, "tokenizer", lambda _, role: Shouting() if role == "base" else FakeTokenizer()
    )
    refuse(world, target, ("base and tuned read the same text as different tokens", "same tokenizer files"))


def test_an_output_folder_that_holds_something_else(world: World, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    refused(llmood("run", world.config, "-o", foreign), "is not empty and holds no run", "-o")
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("text", "code"),
    [("[1]", 2), ("{}", 2), ('{"schema_version": 99, "config": {}}', 1), ("no json", 1)],
)
def test_an_output_folder_with_a_foreign_run_json(world: World, target: Path, text: str, code: int) -> None:
    """What no llmood wrote is a mistake in the command; what can't be read of a run is damage."""
    target.mkdir()
    (target / "run.json").write_text(text)
    for command in (("run", world.config, "-o", target), ("report", target)):
        outcome = llmood(*command)
        assert (outcome.code, outcome.out) == (code, "")
        assert outcome.err.startswith("llmood: ")
        assert "run.json" in outcome.err
        assert outcome.err.count("\n") == 1
    assert (target / "run.json").read_text() == text


def test_an_output_folder_that_is_a_file(world: World, target: Path) -> None:
    target.write_text("mine")
    refused(llmood("run", world.config, "-o", target), "is a file, not a folder")
    refused(llmood("run", world.config, "-o", target / "below"), "can't be written")
    assert target.read_text() == "mine"


def test_an_output_folder_that_cannot_be_made(world: World) -> None:
    refused(llmood("run", world.config, "-o", "/proc/llmood/run"), "/proc/llmood/run: can't be written")


@pytest.mark.parametrize("verb", ["rescore", "report"])
def test_a_run_folder_that_is_none(verb: str, tmp_path: Path) -> None:
    refused(llmood(verb, tmp_path / "nowhere"), "nowhere", "is no run folder")
    refused(llmood(verb, tmp_path), "is no run folder")


def test_export_of_no_run(tmp_path: Path) -> None:
    refused(llmood("cache", "export", tmp_path), "is no run folder")


@pytest.mark.parametrize("option", [("--limit", "-1"), ("--limit", "0"), ("--seed", "-1"), ("--wrong",)])
def test_wrong_options(world: World, target: Path, option: tuple[str, ...]) -> None:
    outcome = llmood("run", world.config, "-o", target, *option)
    assert (outcome.code, outcome.out) == (2, "")
    assert option[0] in outcome.err
    assert "Traceback" not in outcome.err
    assert not target.exists()
