"""From samples to what a model learns: token ids, and the position from which they carry loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from llmood.engines.base import Tokenizer
from llmood.engines.prompts import encode_texts, is_chat, prompt_text
from llmood.engines.tokenizer import FolderTokenizer
from llmood.errors import DataError
from llmood.finetune_config import Settings
from llmood.identity import digest
from llmood.records import Sample

TOO_LONG = "longer than max_length"
TOO_SHORT = "nothing to learn: one token"


class EndingTokenizer(FolderTokenizer):
    """A folder's tokenizer that also says which token ends a text."""

    @property
    def end_id(self) -> int | None:
        found = self._tokenizer.eos_token_id
        return None if found is None else int(found)


@dataclass(frozen=True, slots=True)
class Example:
    """One text to learn. The tokens from `start` on carry loss; those before are only read."""

    token_ids: tuple[int, ...]
    start: int

    @property
    def learned(self) -> int:
        """How many tokens carry loss."""
        return len(self.token_ids) - self.start


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of one split, and how many samples were left out for which reason."""

    rows: list[Example] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def tokens(self) -> int:
        return sum(len(row.token_ids) for row in self.rows)

    @property
    def learned(self) -> int:
        return sum(row.learned for row in self.rows)

    @property
    def longest(self) -> int:
        return max((len(row.token_ids) for row in self.rows), default=0)

    @property
    def digest(self) -> str:
        """All that is learned, in its order."""
        return digest([[row.start, *row.token_ids] for row in self.rows])


def make_examples(
    samples: Sequence[Sample],
    tokenizer: Tokenizer,
    settings: Settings,
    *,
    chat: bool | None,
    end_id: int | None,
    longest: int,
) -> Examples:
    """Tokenise samples as a run tokenises its prompts, the reference and the end token behind them where asked for.

    Args:
        chat: the configuration's `chat`.
        end_id: the token that ends every text, or None.
        longest: texts of more tokens are left out and counted.

    Raises:
        ConfigError: chat messages, and the tokenizer has no template for them.
        DataError: a sample has no reference, and it is to be learned.
    """
    rendered = [is_chat(sample, chat) for sample in samples]
    texts = [prompt_text(sample, tokenizer, chat, "models.base") for sample in samples]
    prompts = encode_texts(tokenizer, texts, rendered)
    answers: list[tuple[int, ...]] = [()] * len(samples)
    if settings.answers:
        _need_references(samples)
        references = [
            _spaced(text, sample.references[0], is_rendered)
            for text, sample, is_rendered in zip(texts, samples, rendered, strict=True)
        ]
        answers = _answer_ids(tokenizer, texts, references, rendered, prompts)
    found = Examples()
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = prompt + answer + (() if end_id is None else (end_id,))
        # Nothing predicts the first token.
        start = max(1, len(prompt)) if settings.loss_on == "response" else 1
        if len(ids) > longest:
            found.left_out[TOO_LONG] += 1
        elif len(ids) <= start:
            found.left_out[TOO_SHORT] += 1
        else:
            found.rows.append(Example(ids, start))
    return found


def _answer_ids(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    references: Sequence[str],
    rendered: Sequence[bool],
    prompts: Sequence[tuple[int, ...]],
) -> list[tuple[int, ...]]:
    """The ids of each reference as it stands behind its prompt.

    The prompt keeps the ids that a run sends. Where a tokenizer would merge the two at their seam, the reference is
    tokenised alone.
    """
    whole = encode_texts(
        tokenizer, [text + answer for text, answer in zip(texts, references, strict=True)], rendered
    )
    alone = tokenizer.encode(references, rendered=True)  # no special tokens around it
    return [
        both[len(prompt) :] if both[: len(prompt)] == prompt else answer
        for prompt, both, answer in zip(prompts, whole, alone, strict=True)
    ]


def _spaced(prompt: str, answer: str, rendered: bool) -> str:
    """The reference with a space before it, unless one stands there or a chat template has made the seam."""
    touching = prompt[-1:].isspace() or answer[:1].isspace() or not prompt
    return answer if rendered or touching else f" {answer}"


def _need_references(samples: Sequence[Sample]) -> None:
    lacking = [sample for sample in samples if not (sample.references and sample.references[0].strip())]
    if lacking:
        first = lacking[0]
        raise DataError(
            f"{first.task}: {len(lacking)} rows have no reference to learn, the first: {first.source_line}",
            hint="name its column under 'fields: references', or set 'finetune.loss_on: text' without 'answers'",
        )
