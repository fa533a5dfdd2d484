"""What a run will do, found out without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmood.config import RunConfig
from llmood.config_file import load_config
from llmood.engines.fake import FakeEngine
from llmood.engines.fake_model import FakeTokenizer
from llmood.errors import ConfigError
from llmood.plan import Plan
from llmood.planning import make_plan
from llmood.records import Reject
from llmood.scorers.baselines import BASELINES
from llmood.scorers.choose import make_scorers
from llmood.strict import parse
from llmood.tokenise import without_text, without_values
from tests.worlds import BANK, LETTERS, WEATHER, no_model_runs, write_world


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    no_model_runs(monkeypatch)


def plan_of(folder: Path, task: dict[str, Any] | None = None, **config: Any) -> Plan:
    world = write_world(folder, task=task, **config)
    parsed, where, _ = load_config(world.config)
    return make_plan(parsed, folder=where)


def test_everything_is_resolved(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert [(task.name, task.population, task.shift) for task in plan.tasks] == [
        ("bank", "id", "none"),
        ("near", "ood", "near"),
        ("far", "ood", "far"),
    ]
    assert list(plan.scorers) == ["likelihood_ratio", "likelihood", *BASELINES]
    assert {spec.id for spec in plan.captures} == {
        "prompt_logprobs/base/prompt",
        "prompt_logprobs/tuned/prompt",
    }
    assert plan.samples.num_rows == len(plan.prompts) == len(BANK) + len(WEATHER) + len(LETTERS)
    assert plan.rejects == plan.checks == []
    described = plan.describe()
    models = {"models", "nli", "encoder"}
    assert set(described) == {"benchmark", "tasks", "background", *models, "captures", "engine"}
    assert described["background"] is None
    assert [task["evaluated"] for task in described["tasks"]] == [len(BANK), len(WEATHER), len(LETTERS)]


def test_what_is_sent_is_the_text_as_the_tokenizer_reads_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    texts = plan.samples["prompt"].to_pylist()
    assert [prompt.token_ids for prompt in plan.prompts] == FakeTokenizer().encode(texts, rendered=False)
    assert plan.samples["prompt_tokens"].to_pylist() == [len(prompt.token_ids) for prompt in plan.prompts]
    assert [prompt.sample_id for prompt in plan.prompts] == plan.samples["sample_id"].to_pylist()


def test_chat_messages_take_the_models_template_unless_told_otherwise(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{ text }}"}]
    task = {"prompt": None, "messages": messages}
    chat = plan_of(tmp_path / "chat", task=task)
    text = BANK[0]["text"]
    assert chat.samples["prompt"][0].as_py() == f"[system] Be brief.\n[user] {text}\n[assistant] "
    plain = plan_of(tmp_path / "plain", task=task, chat=False)
    assert plain.samples["prompt"][0].as_py() == f"Be brief.\n{text}"
    forced = plan_of(tmp_path / "forced", chat=True)
    assert forced.samples["prompt"][0].as_py() == f"[user] {text}\n[assistant] "


def test_a_chat_task_for_a_model_without_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeTokenizer, "has_chat_template", False)
    with pytest.raises(ConfigError, match=r"models.tuned: .*no chat template.*'chat: false'"):
        plan_of(tmp_path, chat=True)


def test_a_text_that_is_no_token_is_planned_without_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeTokenizer, "encode", lambda _, texts, *, rendered: [() for _ in texts])
    assert {prompt.token_ids for prompt in plan_of(tmp_path).prompts} == {()}


def test_a_token_that_the_model_has_no_embedding_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEngine, "vocabulary_size", lambda _, role: 50 if role == "base" else None)
    with pytest.raises(
        ConfigError, match=r"models.base: its tokenizer makes the token id \d+ of .*50 embeddings"
    ):
        plan_of(tmp_path)


def test_a_base_alone_is_enough_where_no_scorer_compares(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, models={"base": "fake"}, scorers=["likelihood.base"])
    assert {spec.model for spec in plan.captures} == {"base"}
    with pytest.raises(ConfigError, match=r"likelihood needs models\.tuned"):
        plan_of(tmp_path / "other", models={"base": "fake"}, scorers=["likelihood"])


def test_two_ood_tasks_of_one_name(tmp_path: Path) -> None:
    """Numbers go by name: two tasks called alike would be mixed."""
    world = write_world(tmp_path, far=WEATHER)
    path = world.folder / "far" / "t.yaml"
    path.write_text(path.read_text().replace("name: far", "name: near"))
    parsed, where, _ = load_config(world.config)
    with pytest.raises(ConfigError, match="'near' stands there twice"):
        make_plan(parsed, folder=where)


def config_of(*scorers: Any, **keys: Any) -> RunConfig:
    return parse(RunConfig, {"benchmark": "b", "scorers": list(scorers), **keys}, place="test")


def test_scorers_are_made_once_with_the_baselines_behind() -> None:
    made = make_scorers(config_of("length", "likelihood", "likelihood"))
    assert list(made) == ["length", "likelihood", "random", "constant"]
    with pytest.raises(ConfigError, match=r"scorers\[1\]: no scorer 'lenth' \(did you mean 'length'"):
        make_scorers(config_of("likelihood", "lenth"))


def test_one_draw_is_refused_where_draws_are_compared() -> None:
    one = {"models": {"base": "b", "tuned": "t"}, "generations": {"n": 1}}
    for name, choice in (
        ("semantic_entropy", "semantic_entropy"),
        ("semantic_entropy_probe", "semantic_entropy_probe"),
        ("rank_average", {"rank_average": {"of": ["likelihood", "self_consistency"]}}),
    ):
        message = rf"scorers\[1\]: {name} compares at least 2 .*generations\.n is 1 \(set generations\.n to 2"
        with pytest.raises(ConfigError, match=message):
            make_scorers(config_of("length", choice, **one))
    # These hold one draw against the answer, or need none.
    assert "cocoa.msp" in make_scorers(config_of("cocoa.msp", "p_true", **one))
    imported = {**one, "engine": {"kind": "imported"}}
    assert "semantic_entropy" in make_scorers(config_of("semantic_entropy", **imported))


def test_a_scorer_takes_arguments() -> None:
    made = make_scorers(config_of({"random": {"seed": 3}}, "likelihood", seed=9))["random"]
    assert vars(made) == {"seed": 3}
    for choice, message in (
        ({"random": {"sed": 3}}, r"random has no argument 'sed' \(did you mean 'seed'"),
        ({"likelihood.base": {"model": "tuned"}}, "likelihood.base: 'model' is what its name says: 'base'"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_scorers(config_of(choice))
    with pytest.raises(ConfigError, match=r"scorers\[1\]: random stands there twice, with other arguments"):
        make_scorers(config_of("random", {"random": {"seed": 3}}))


def test_scorers_of_the_tuned_model_are_made_of_every_adapter() -> None:
    models = {"base": "b", "tuned": [{"adapter": "one"}, {"adapter": "two"}]}
    made = make_scorers(config_of("likelihood_ratio.response", "likelihood.base", models=models))
    assert list(made)[-1] == "likelihood_ratio.response@tuned:1"
    assert not any(name.startswith("likelihood.base@") for name in made)  # it reads no adapter
    needs = {spec.id for spec in made["likelihood_ratio.response@tuned:1"].needs}
    # Both models score what this adapter answered.
    assert needs == {
        "prompt_logprobs/base/response?responder=tuned:1",
        "prompt_logprobs/tuned:1/response?responder=tuned:1",
    }


def test_the_random_scorer_takes_the_runs_seed(tmp_path: Path) -> None:
    from llmood.scorers.baselines import Random

    made = [make_scorers(config_of("length", seed=seed))["random"] for seed in (0, 7)]
    assert [scorer.seed for scorer in made if isinstance(scorer, Random)] == [0, 7]


def test_limits_hold_for_every_split_and_task(tmp_path: Path) -> None:
    bank = {"train": [{"text": f"train {i}"} for i in range(30)], "test": BANK}
    plan = plan_of(tmp_path, bank=bank, limit=4)
    counts = [task["samples"] for task in plan.describe()["tasks"]]
    assert counts == [{"train": 4, "test": 4}, {"test": 4}, {"test": 4}]


def test_test_is_carved_where_the_data_has_only_train(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, bank={"train": [{"text": f"train {i}"} for i in range(200)]})
    bank = plan.describe()["tasks"][0]
    assert bank["carved"] == {"test": "train"}
    assert 10 < bank["evaluated"] < 80


def test_without_text_nothing_but_hashes_is_left(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, task={"fields": {"group": "text"}})
    private = without_text(plan.samples)
    assert private.schema.equals(plan.samples.schema)
    for name in ("messages", "prompt", "references", "choices", "images", "meta"):
        assert private[name].null_count == private.num_rows
    groups = private["group"].to_pylist()
    assert len(set(groups)) == plan.samples.num_rows
    assert not set(groups) & set(plan.samples["group"].to_pylist())
    assert private["label"].null_count == private.num_rows
    for name in ("sample_id", "task", "prompt_hash", "prompt_tokens", "source_line"):
        assert private[name].equals(plan.samples[name])


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("wrong type: {'a': 'secret, a dict, where text is needed", "wrong type"),
        ("wrong type: severity is 'secret', not a whole number", "wrong type"),
        ("the template fails: can't do secret\nand more", "the template fails"),
        ("no column 'text'", "no column '…'"),
        ("text: holds a NUL character", "text: holds a NUL character"),
        ("bad JSON: Expecting value at character 5", "bad JSON: Expecting value at character 5"),
        ('something "secret" and \'secret\' and "more', "something '…'more"),
    ],
)
def test_without_values_a_reason_quotes_nothing(reason: str, kept: str) -> None:
    found = without_values(Reject("file", 3, reason))
    assert found == Reject("file", 3, kept)


def test_prompts_over_the_context_are_foreseen(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, engine={"kind": "fake", "max_length": 12})
    over = {check.task: check.detail for check in plan.foreseen() if check.code == "over_context"}
    assert set(over) == {task.name for task in plan.tasks}
    assert "longer than the context of 12 tokens" in over["near"]
    assert plan_of(tmp_path / "other").foreseen() == []
