"""Exactly which tokens are read, and which of them carry loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmood.config import RunConfig
from llmood.errors import ConfigError, DataError
from llmood.finetune_config import PROFILES, Settings
from llmood.records import Message, Sample
from llmood.tasks import load_task
from llmood.tokenise import PlannedTask, tokenise
from llmood.training.examples import TOO_LONG, TOO_SHORT, Example, make_examples
from llmood.training.pictures import EndingTokenizer
from tests import tiny_models
from tests.task_files import texts, write_task
from tests.tiny_models import BEGIN, END, TURN


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> EndingTokenizer:
    folder = tiny_models.save_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    return EndingTokenizer(folder, folder, place="models.base")


def settings(**changes: Any) -> Settings:
    return PROFILES["small"].model_copy(update=changes)


def sample(text: str, *references: str, chat: bool = False) -> Sample:
    return Sample("id", "t", "train", (Message("user", text),), chat=chat, references=references)


def ids(text: str, tokenizer: EndingTokenizer) -> tuple[int, ...]:
    """A byte a token, nothing around it."""
    return tokenizer.encode([text], rendered=True)[0]


def examples(
    tokenizer: EndingTokenizer, *samples: Sample, end: bool = True, longest: int = 99, **changes: Any
) -> list[Example]:
    end_id = tokenizer.end_id if end else None
    chosen = settings(**changes)
    return make_examples(samples, tokenizer, chosen, chat=None, end_id=end_id, longest=longest).rows


def test_the_end_token_is_the_tokenizer_s(tokenizer: EndingTokenizer) -> None:
    assert tokenizer.end_id == END


def test_a_text_carries_loss_from_its_second_token_to_its_end(tokenizer: EndingTokenizer) -> None:
    a, b = ids("ab", tokenizer)
    assert examples(tokenizer, sample("ab")) == [Example((BEGIN, a, b, END), 1)]
    assert examples(tokenizer, sample("ab"), end=False) == [Example((BEGIN, a, b), 1)]
    assert examples(tokenizer, sample("ab"))[0].learned == 3


def test_the_reference_stands_behind_the_prompt(tokenizer: EndingTokenizer) -> None:
    whole = (BEGIN, *ids("Q: a A: b", tokenizer), END)
    assert examples(tokenizer, sample("Q: a A:", "b", "other"), answers=True) == [Example(whole, 1)]
    # A space that is there already is enough.
    assert examples(tokenizer, sample("Q: a A: ", "b"), answers=True) == [Example(whole, 1)]
    assert examples(tokenizer, sample("Q: a A:", " b"), answers=True) == [Example(whole, 1)]


def test_of_a_response_only_its_own_tokens_carry_loss(tokenizer: EndingTokenizer) -> None:
    (row,) = examples(tokenizer, sample("ab", "c"), answers=True, loss_on="response")
    assert row.token_ids == (BEGIN, *ids("ab c", tokenizer), END)
    assert row.token_ids[row.start :] == (*ids(" c", tokenizer), END)
    assert row.learned == 3


def test_a_chat_prompt_is_rendered_by_the_model_s_template(tokenizer: EndingTokenizer) -> None:
    (row,) = examples(tokenizer, sample("ab", "c", chat=True), answers=True, loss_on="response")
    # <s>ab<turn> is the template's; the answer begins right behind it, without a space.
    assert row.token_ids == (BEGIN, *ids("ab", tokenizer), TURN, *ids("c", tokenizer), END)
    assert row.start == 4


@pytest.mark.parametrize("chat", [None, True])
def test_prompt_ids_are_those_that_a_run_sends(tmp_path: Path, chat: bool | None) -> None:
    base = tiny_models.save_model(tmp_path / "base")
    loaded = load_task(write_task(tmp_path, {"test": texts("pay my card", "ünïcode  and\ttabs ", "x")}))
    config = RunConfig.model_validate({"benchmark": "b", "chat": chat})
    prompts, _ = tokenise(
        [PlannedTask(loaded, "id", "none", None, None)], tiny_models.engine_of(base), config
    )
    tokenizer = EndingTokenizer(base, base, place="models.base")
    made = make_examples(loaded.samples["test"], tokenizer, settings(), chat=chat, end_id=None, longest=999)
    assert [row.token_ids for row in made.rows] == [prompt.token_ids for prompt in prompts]


def test_a_reference_that_would_merge_with_its_prompt_is_tokenised_alone() -> None:
    class Merging:
        """A token a word; what touches is one word."""

        has_chat_template = False

        def encode(self, texts: list[str], *, rendered: bool) -> list[tuple[int, ...]]:
            return [tuple(len(word) for word in text.replace(":", ": ").split(" ") if word) for text in texts]

    prompt = replace(sample("ab cd", " ef"), references=("ef",))
    found = make_examples(
        [replace(prompt, messages=(Message("user", "ab cd\n"),))],
        Merging(),  # type: ignore[arg-type]
        settings(answers=True),
        chat=None,
        end_id=None,
        longest=99,
    )
    # Together the last word would be "cd\nef", of length 5: the prompt keeps its own ids.
    assert found.rows == [Example((2, 3, 2), 1)]


def test_what_is_too_long_is_counted_and_never_cut(tokenizer: EndingTokenizer) -> None:
    found = make_examples(
        [sample("abcd"), sample("abc"), sample("")],
        tokenizer,
        settings(),
        chat=None,
        end_id=END,
        longest=5,
    )
    assert [len(row.token_ids) for row in found.rows] == [5, 2]
    assert found.left_out == {TOO_LONG: 1}
    without_end = make_examples([sample("")], tokenizer, settings(), chat=None, end_id=None, longest=5)
    assert without_end.left_out == {TOO_SHORT: 1}


@pytest.mark.parametrize("references", [(), ("",), ("  ",)])
def test_a_row_without_the_reference_to_learn_is_refused(
    tokenizer: EndingTokenizer, references: tuple[str, ...]
) -> None:
    lacking = replace(sample("b", *references), source_line="t.jsonl:2")
    with pytest.raises(DataError, match=r"1 rows have no reference to learn, the first: t.jsonl:2"):
        examples(tokenizer, sample("a", "c"), lacking, answers=True)


def test_chat_messages_need_a_template(tmp_path: Path) -> None:
    folder = tiny_models.save_tokenizer(tmp_path, template=None)
    bare = EndingTokenizer(folder, folder, place="models.base")
    with pytest.raises(ConfigError, match="no chat template"):
        examples(bare, sample("a", chat=True))


def test_counts_and_digest(tokenizer: EndingTokenizer) -> None:
    found = make_examples(
        [sample("ab"), sample("abcd")], tokenizer, settings(), chat=None, end_id=END, longest=9
    )
    assert (found.tokens, found.learned, found.longest) == (10, 8, 6)
    other = make_examples(
        [sample("abcd"), sample("ab")], tokenizer, settings(), chat=None, end_id=END, longest=9
    )
    assert found.digest != other.digest
    assert (
        found.digest
        == make_examples(
            [sample("ab"), sample("abcd")], tokenizer, settings(), chat=None, end_id=END, longest=9
        ).digest
    )
