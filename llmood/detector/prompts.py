"""Records that were read, as prompts: text and token ids, made as a run makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from llmood.detector.form import Read
from llmood.engines.base import Engine, Tokenizer, prompt_role, prompted_roles
from llmood.engines.placing import Placed
from llmood.engines.prompts import Prompt, Unmade, ids_of, prompt_text, read_prompts
from llmood.errors import ConfigError
from llmood.records import EVALUATED, CaptureSpec
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


def make_prompts(reads: Sequence[Read], *, engine: Engine, captures: Sequence[CaptureSpec] = ()) -> Made:
    """The prompts of records that are all different questions.

    Args:
        captures: what is asked of each; one that can't be of a picture would give a number without it.
    """
    role = prompt_role(engine)
    tokenizer = engine.tokenizer(role)
    faults = _unseen(reads, engine, captures)
    texts, unrendered = _texts([read for read in reads if read.row not in faults], tokenizer, role)
    faults |= unrendered
    reads = [read for read in reads if read.row not in faults]
    rendered = [read.sample.chat for read in reads]  # to the letter too: the template is in it
    placed = read_prompts(
        tokenizer, [read.sample for read in reads], [texts[read.row] for read in reads], rendered
    )
    faults |= _unlike(reads, placed, [texts[read.row] for read in reads], rendered, engine)
    kept = [
        (read, texts[read.row], each)
        for read, each in zip(reads, placed, strict=True)
        if read.row not in faults
    ]
    return Made(
        tuple(
            Prompt(
                read.sample.sample_id,
                ids_of(each),
                EVALUATED,
                read.sample.messages,
                read.sample.chat,
                read.sample.references,
                read.sample.pictures,
                each.places if isinstance(each, Placed) else (),
                each if isinstance(each, Unmade) else None,
            )
            for read, _, each in kept
        ),
        # As ID rows: that is what they are held against.
        pa.Table.from_pylist(
            [sample_row(read.sample, text, len(ids_of(each)), part=EVALUATED) for read, text, each in kept],
            schema=SAMPLES,
        ),
        {read.sample.sample_id: read.response for read, _, _ in kept if read.response is not None},
        faults,
    )


def _unseen(reads: Sequence[Read], engine: Engine, captures: Sequence[CaptureSpec]) -> dict[int, str]:
    """The records with a picture that the detector's models can't be shown, by row."""
    shown = [read.row for read in reads if read.sample.pictures]
    if not shown:
        return {}
    reason = engine.refuses_pictures()
    if reason is None:
        lacking = ((spec, engine.lacks_of_pictures(spec)) for spec in captures)
        reason = next((f"{spec.id}: {why}" for spec, why in lacking if why is not None), None)
    return {} if reason is None else dict.fromkeys(shown, f"has a picture, and {reason}")


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
    placed: Sequence[Placed | Unmade],
    texts: Sequence[str],
    rendered: Sequence[bool],
    engine: Engine,
) -> dict[int, str]:
    """The records whose ids a model can't be sent, by row: what a run refuses as a whole."""
    faults: dict[int, str] = {}
    own = engine.tokenizer(prompt_role(engine))
    other = engine.tokenizer("base") if "base" in engine.roles else own
    theirs = (
        placed
        if other.identity == own.identity
        else read_prompts(other, [read.sample for read in reads], texts, rendered)
    )
    sizes = [engine.vocabulary_size(role) for role in prompted_roles(engine)]
    largest = min((size for size in sizes if size is not None), default=None)
    for read, each, of_base in zip(reads, placed, theirs, strict=True):
        row = ids_of(each)
        if row != ids_of(of_base):
            faults[read.row] = "base and tuned read it as different tokens"
        elif largest is not None and row and max(row) >= largest:
            faults[read.row] = f"its token id {max(row)} is none of the model's {largest}"
    return faults
