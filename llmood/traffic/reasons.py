"""Why a row failed, without its words: what is written of traffic holds none unless it was asked for."""

from __future__ import annotations

import re

# The reasons that quote a piece of the row, and what of them may be told.
_QUOTING = (
    (re.compile(r"^wrong type: .*, (an? \w+, where text is needed)", re.DOTALL), r"wrong type: \1"),
    (re.compile(r"^(the template fails): .*", re.DOTALL), r"\1"),
    (re.compile(r"(severity is|the role|the key) (['\"]).*\2", re.DOTALL), r"\1 '…'"),
)


def without_words(reason: str) -> str:
    """A reason that quotes nothing of its row.

    >>> without_words("wrong type: ['a secret'], a list, where text is needed")
    'wrong type: a list, where text is needed'
    """
    for quoting, told in _QUOTING:
        reason = quoting.sub(told, reason)
    return reason
