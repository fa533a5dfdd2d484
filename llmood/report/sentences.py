"""Sentences of words and names, fit for a page and for Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from llmood.markdown import code, plain


@dataclass(frozen=True)
class Name:
    """What a data set, a scorer or a calibrator is called: shown to the letter."""

    text: str


@dataclass(frozen=True)
class Sentence:
    """Words and names, in order; names hold no number that is a measurement."""

    pieces: tuple[str | Name, ...]

    @classmethod
    def of(cls, *pieces: str | Name) -> Sentence:
        return cls(pieces)

    @property
    def parts(self) -> list[tuple[bool, str]]:
        """Each piece: whether it is a name, and its text."""
        return [(isinstance(p, Name), p.text if isinstance(p, Name) else p) for p in self.pieces]

    @property
    def markdown(self) -> str:
        return "".join(
            code(text) if is_name else _spaced(plain(text), text) for is_name, text in self.parts
        ).strip()

    @property
    def words(self) -> str:
        """Without the names."""
        return "".join(text for is_name, text in self.parts if not is_name)


def _spaced(shown: str, text: str) -> str:
    """`plain` puts all on one line and takes the spaces at its ends."""
    return " " * text[:1].isspace() + shown + " " * (text[-1:].isspace() and bool(text.strip()))
