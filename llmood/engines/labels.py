"""Answers that are one token each: the classes of a classification prompt, `labels="A|B"` in a capture's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from llmood.records import CaptureSpec

BETWEEN = "|"


class Encodes(Protocol):
    """What makes ids of texts: a tokenizer."""

    def encode(self, texts: Sequence[str], *, rendered: bool) -> Sequence[Sequence[int]]: ...


def labels_of(spec: CaptureSpec) -> list[str]:
    """The labels that a spec names, maybe none."""
    named = str(dict(spec.params).get("labels", ""))
    return named.split(BETWEEN) if named else []


def label_ids(spec: CaptureSpec, tokenizer: Encodes) -> list[int]:
    """The first token of each label: what a model would have to say next to begin with it."""
    return [ids[0] for ids in _bare(labels_of(spec), tokenizer)]


def why_labels_unusable(spec: CaptureSpec, tokenizer: Encodes, vocabulary_size: int | None) -> str | None:
    """Why the labels of a spec can't be told apart by their first tokens, or None."""
    seen: dict[int, str] = {}
    labels = labels_of(spec)
    for label, ids in zip(labels, _bare(labels, tokenizer), strict=True):
        if not ids:
            return f"the tokenizer makes no token of the label '{label}'"
        if vocabulary_size is not None and ids[0] >= vocabulary_size:
            return f"the label '{label}' begins with token {ids[0]}, which the model can't say"
        if ids[0] in seen:
            return f"the labels '{seen[ids[0]]}' and '{label}' begin with the same token"
        seen[ids[0]] = label
    return None


def _bare(texts: Sequence[str], tokenizer: Encodes) -> list[Sequence[int]]:
    """Their ids, without what the tokenizer puts before every text."""
    empty, *found = tokenizer.encode(["", *texts], rendered=True)
    return [ids[len(empty) :] for ids in found]
