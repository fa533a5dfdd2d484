"""From samples to what a model learns: token ids, the pictures among them, and which of them carry loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from llmood.engines.base import Pictures, Tokenizer
from llmood.engines.pictures import PictureTokenizer
from llmood.engines.placing import Placed
from llmood.engines.prompts import Unmade, encode_texts, is_chat, prompt_text, read_prompts
from llmood.errors import DataError
from llmood.finetune_config import Settings
from llmood.identity import digest
from llmood.records import FAILED, Sample

TOO_LONG = "longer than max_length"
TOO_SHORT = "nothing to learn: one token, or a picture alone"
UNFIT = "unfit for the model"
GONE = "a picture can't be read any more"
MARKED = "the reference holds what stands for a picture"


@dataclass(frozen=True, slots=True)
class Example:
    """One text to learn. The tokens from `start` on carry loss; those before are only read.

    Attributes:
        pictures: what is shown with it. At their `places`, as (start, end), no token carries loss: they are the
            same marks for every picture of a size.
    """

    token_ids: tuple[int, ...]
    start: int
    pictures: Pictures = ()
    places: tuple[tuple[int, int], ...] = ()

    @property
    def learned_ranges(self) -> list[tuple[int, int]]:
        """Where tokens carry loss, as (start, end)."""
        ends = [self.start, *(end for _, end in self.places)]
        starts = [*(start for start, _ in self.places), len(self.token_ids)]
        found = ((max(end, self.start), start) for end, start in zip(ends, starts, strict=True))
        return [(first, last) for first, last in found if first < last]

    @property
    def learned(self) -> int:
        """How many tokens carry loss."""
        return sum(end - start for start, end in self.learned_ranges)


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
    def pictures(self) -> int:
        """How many different ones are shown."""
        return len({picture.digest for row in self.rows for picture in row.pictures})

    @property
    def longest(self) -> int:
        return max((len(row.token_ids) for row in self.rows), default=0)

    @property
    def digest(self) -> str:
        """All that is learned, in its order: token ids, and pictures by what they show."""
        return digest(
            [[row.start, *row.token_ids, *(picture.digest for picture in row.pictures)] for row in self.rows]
        )


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
    prompts = read_prompts(tokenizer, samples, texts, rendered)
    answers: list[tuple[int, ...]] = [()] * len(samples)
    if settings.answers:
        _need_references(samples)
        references = [
            _spaced(text, sample.references[0], is_rendered)
            for text, sample, is_rendered in zip(texts, samples, rendered, strict=True)
        ]
        answers = _answer_ids(tokenizer, texts, references, rendered)
    end = () if end_id is None else (end_id,)
    found = Examples()
    for sample, prompt, answer in zip(samples, prompts, answers, strict=True):
        made = _example(sample, prompt, (*answer, *end), settings, tokenizer)
        if isinstance(made, str):
            found.left_out[made] += 1
        elif len(made.token_ids) > longest:
            found.left_out[TOO_LONG] += 1
        elif not made.learned:
            found.left_out[TOO_SHORT] += 1
        else:
            found.rows.append(made)
    return found


def _example(
    sample: Sample,
    prompt: Placed | Unmade,
    following: tuple[int, ...],
    settings: Settings,
    tokenizer: Tokenizer,
) -> Example | str:
    """A prompt and what stands behind it; or why there is nothing to learn."""
    if isinstance(prompt, Unmade):
        return GONE if prompt.status == FAILED else f"{UNFIT}: {prompt.reason}"
    if isinstance(tokenizer, PictureTokenizer) and tokenizer.image_token_id in following:
        return MARKED
    # Nothing predicts the first token.
    start = max(1, len(prompt.token_ids)) if settings.loss_on == "response" else 1
    return Example((*prompt.token_ids, *following), start, sample.pictures, prompt.places)


def _answer_ids(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    references: Sequence[str],
    rendered: Sequence[bool],
) -> list[tuple[int, ...]]:
    """The ids of each reference as it stands behind its prompt.

    The prompt keeps the ids that a run sends. Where a tokenizer would merge the two at their seam, the reference is
    tokenised alone. For that, one token is enough of a picture.
    """
    prompts = encode_texts(tokenizer, texts, rendered)
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
