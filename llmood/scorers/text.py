"""The words that a scorer reads: of a block, and of the train rows that it compares with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from llmood.engines.observations import Observations
from llmood.errors import ConfigError
from llmood.seeds import unit_interval

NO_TEXT = "the run keeps no text"
BLANK = "the text is blank"
NO_TRAIN_TEXT = "no train row has text to compare with"


def texts_of(samples: pa.Table) -> tuple[list[str], list[str | None]]:
    """Each row's prompt, and why it can't be scored; its text is empty then."""
    texts: list[str] = []
    reasons: list[str | None] = []
    for text in samples["prompt"].to_pylist():
        reasons.append(NO_TEXT if text is None else None if text.strip() else BLANK)
        texts.append("" if reasons[-1] else text)
    return texts, reasons


def train_texts(train: Observations, references: int, seed: int, purpose: str) -> list[str]:
    """Different texts of `train` rows: those of `train_samples`, in its order."""
    return list(train_samples(train, references, seed, purpose))


def train_samples(train: Observations, references: int, seed: int, purpose: str) -> dict[str, str]:
    """Different texts of `train` rows, at most so many, drawn by hash with each label as often as the others.

    The draw depends on the rows and not on their order; it takes each label's first before any label's second.

    Returns:
        text → the id of the sample that it was drawn with; others may have it too.

    Raises:
        ValueError: some of the rows are of another split.
    """
    samples = train.samples
    others = set(samples["split"].to_pylist()) - {"train"}
    if others:
        raise ValueError(f"{purpose} is fitted on train, not on {', '.join(sorted(map(str, others)))}")
    columns = (samples[name].to_pylist() for name in ("sample_id", "label", "prompt"))
    rows = sorted(
        (unit_interval(seed, purpose, sample_id), sample_id, label, text)
        for sample_id, label, text in (
            (sample_id, label or "", text) for sample_id, label, text in zip(*columns, strict=True)
        )
        if text is not None and text.strip()
    )
    drawn: dict[str, tuple[int, float]] = {}
    ids: dict[str, str] = {}
    of_label: Counter[str] = Counter()
    for place, sample_id, label, text in rows:
        if text not in drawn:
            drawn[text] = (of_label[label], place)
            ids[text] = sample_id
            of_label[label] += 1
    kept = sorted(drawn, key=lambda text: (drawn[text], text))[:references]
    return {text: ids[text] for text in kept}


def check_neighbours(scorer: str, k: int, texts: Sequence[str]) -> None:
    """Refuse a k-th neighbour of fewer texts; of none at all each score says so.

    Raises:
        ConfigError: there are too few.
    """
    if 0 < len(texts) < k:
        raise ConfigError(
            f"scorers: {scorer} looks for neighbour {k}, and train has {len(texts)} different texts"
        )
