"""Records that were read, as prompts: text and token ids, made as a run makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from llmood.detector.form import Read
from llmood.engines.base import Engine, Tokenizer, prompt_role, prompted_roles
from llmood.engines.pictures import Placed
from llmood.engines.prompts import prompt_text, read_prompts
from llmood.engines.requests import Prompt, Unmade
from llmood.errors import ConfigError
from llmood.records import EVALUATED
from llmood.tables import SAMPLES
from llmood.tokenise import sample_row


@dataclass(frozen=True, slots=True)
class Made:
    """The prompts of some records, and those that became none.

    Attributes:
        samples: rows of `tables.SAMPLES`, in the prompts' order.
        answers: by sample id, what the model answered, where the record says so.
        faults: by the record's row, why it has no prompt.
    """

    prompts: tuple[Prompt, ...]
    samples: pa.Table
    answers: Mapping[str, str]
    faults: Mapping[int, str]


def make_prompts(reads: Sequence[Read], engine: Engine) -> Made:
    """The prompts of records that are all different questions."""
    role = prompt_role(engine)
    tokenizer = engine.tokenizer(role)
    texts, faults = _texts(reads, tokenizer, role)
    reads = [read for read in reads if read.row not in faults]
    rendered = [read.sample.chat for read in reads]  # to the letter too: the template is in it
    samples = [read.sample for read in reads]
    placed = read_prompts(tokenizer, samples, [texts[read.row] for read in reads], rendered)
    ids = [each.token_ids if isinstance(each, Placed) else () for each in placed]
    faults |= _unlike(reads, ids, [texts[read.row] for read in reads], rendered, engine)
    kept = [
        (read, texts[read.row], row, each)
        for read, row, each in zip(reads, ids, placed, strict=True)
        if read.row not in faults
    ]
    return Made(
        tuple(
            Prompt(
                read.sample.sample_id,
                row,
                EVALUATED,
                read.sample.messages,
                read.sample.chat,
                read.sample.references,
                read.sample.pictures,
                each.places if isinstance(each, Placed) else (),
                each if isinstance(each, Unmade) else None,
            )
            for read, _, row, each in kept
        ),
        # As ID rows: that is what they are held against.
        pa.Table.from_pylist(
            [sample_row(read.sample, text, len(row), part=EVALUATED) for read, text, row, _ in kept],
            schema=SAMPLES,
        ),
        {read.sample.sample_id: read.response for read, _, _, _ in kept if read.response is not None},
        faults,
    )


def _texts(reads: Sequence[Read], tokenizer: Tokenizer, role: str) -> tuple[dict[int, str], dict[int, str]]:
    texts: dict[int, str] = {}
    faults: dict[int, str] = {}
    for read in reads:
        try:
            texts[read.row] = (
                read.sample.text
                if read.literal
                else prompt_text(read.sample, tokenizer, None, f"models.{role}")
            )
        except ConfigError as error:  # a chat template refuses these turns
            faults[read.row] = error.message
    return texts, faults


def _unlike(
    reads: Sequence[Read],
    ids: Sequence[tuple[int, ...]],
    texts: Sequence[str],
    rendered: Sequence[bool],
    engine: Engine,
) -> dict[int, str]:
    """The records whose ids a model can't be sent, by row: what a run refuses as a whole."""
    faults: dict[int, str] = {}
    own = engine.tokenizer(prompt_role(engine))
    other = engine.tokenizer("base") if "base" in engine.roles else own
    theirs = ids
    if other.identity != own.identity:
        placed = read_prompts(other, [read.sample for read in reads], texts, rendered)
        theirs = [each.token_ids if isinstance(each, Placed) else () for each in placed]
    sizes = [engine.vocabulary_size(role) for role in prompted_roles(engine)]
    largest = min((size for size in sizes if size is not None), default=None)
    for read, row, of_base in zip(reads, ids, theirs, strict=True):
        if row != of_base:
            faults[read.row] = "base and tuned read it as different tokens"
        elif largest is not None and row and max(row) >= largest:
            faults[read.row] = f"its token id {max(row)} is none of the model's {largest}"
    return faults
