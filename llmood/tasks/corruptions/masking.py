"""Personal data and numbers, taken out as a privacy filter would."""

from __future__ import annotations

import re

from llmood.tasks.corruptions.base import Uniforms, register

# In this order: a number that is part of an e-mail address is no number.
PLACEHOLDERS = {
    "EMAIL": r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "USER": r"(?<![\w@])@\w+",
    "PHONE": r"(?<![\w+])(?:"
    r"\+\d[\d ().-]{5,}\d"  # +44 20 7946 0958
    r"|\(\d{2,5}\)[ -]?\d[\d .-]{4,}\d"  # (020) 7946 0958
    r"|(?:\d{3}[-.])?\d{3}[-.]\d{4}"  # 212-555-0123, 555-0123
    r")(?!\w)",
    "NUMBER": r"(?<!\w)\d+(?:[.,]\d+)*",
}
_MASKABLE = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in PLACEHOLDERS.items()))


@register("masking")
def masking(text: str, rate: float, uniforms: Uniforms) -> str:
    """E-mail addresses, @names, telephone numbers and numbers replaced by [EMAIL], [USER], [PHONE], [NUMBER]."""
    found = list(_MASKABLE.finditer(text))
    draws = iter(uniforms(len(found), 1)[:, 0])
    return _MASKABLE.sub(lambda match: f"[{match.lastgroup}]" if next(draws) < rate else match[0], text)
