"""What comparing took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Count:
    """What comparing took.

    Attributes:
        samples: those that weren't compared before.
        pairs: the ordered pairs that reading everything pair by pair would have taken: of draws, of an answer and its
            draws, of an answer and itself less a token, of a draw and the others' sentences.
        compared: how many pairs of different words were needed.
        asked: how many pairs of texts a model read for it; of an encoder, how many texts.
        unread: of these, how many were over a judge's context: it has no verdict on them.
        cut: of these, how many were longer than an inference model reads: the end of the longer text is missing.
        failed: how many samples were left out because a judge failed on one of their pairs.
    """

    samples: int = 0
    pairs: int = 0
    compared: int = 0
    asked: int = 0
    unread: int = 0
    cut: int = 0
    failed: int = 0
