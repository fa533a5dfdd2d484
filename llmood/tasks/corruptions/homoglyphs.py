"""Letters that look the same to a reader and are others to a tokenizer."""

from __future__ import annotations

from llmood.tasks.corruptions.base import Uniforms, register
from llmood.tasks.corruptions.clusters import ZERO_WIDTH_JOINER, clusters

# Latin letters, and the Cyrillic, Greek and Armenian ones that are drawn the same.
LOOK_ALIKES = {
    "a": "\u0430", "c": "\u0441\u03f2", "d": "\u0501", "e": "\u0435", "g": "\u0581", "h": "\u04bb",
    "i": "\u0456", "j": "\u0458\u03f3", "n": "\u0578", "o": "\u043e\u03bf\u0585", "p": "\u0440",
    "q": "\u051b", "s": "\u0455", "u": "\u057d", "v": "\u03bd", "w": "\u051d", "x": "\u0445", "y": "\u0443",
    "A": "\u0410\u0391", "B": "\u0412\u0392", "C": "\u0421\u03f9", "E": "\u0415\u0395", "F": "\u03dc",
    "G": "\u050c", "H": "\u041d\u0397", "I": "\u0406\u0399", "J": "\u0408\u037f", "K": "\u041a\u039a",
    "M": "\u041c\u039c", "N": "\u039d", "O": "\u041e\u039f", "P": "\u0420\u03a1", "Q": "\u051a",
    "S": "\u0405", "T": "\u0422\u03a4", "U": "\u054d", "W": "\u051c", "X": "\u0425\u03a7", "Y": "\u04ae\u03a5",
    "Z": "\u0396",
}  # fmt: skip


@register("homoglyphs")
def homoglyphs(text: str, rate: float, uniforms: Uniforms) -> str:
    """Latin letters replaced by look-alikes, and zero-width joiners between letters.

    Both at the same rate a character, each by its own draw: grade 2 (5 % each) is the noise of the mdok detectors of
    machine-generated text.
    """
    units = clusters(text)
    draws = uniforms(len(units), 3)
    out: list[str] = []
    for place, unit in enumerate(units):
        alike = LOOK_ALIKES.get(unit[0])
        if alike is not None and draws[place, 0] < rate:
            out.append(alike[int(draws[place, 1] * len(alike))] + unit[1:])
        else:
            out.append(unit)
        if draws[place, 2] < rate and _is_joint(unit, units[place + 1 : place + 2]):
            out.append(ZERO_WIDTH_JOINER)
    return "".join(out)


def _is_joint(unit: str, following: list[str]) -> bool:
    # Latin letters alone: in Arabic and Indic scripts a joiner would change how the letters are drawn.
    return bool(following) and all(_is_latin(one) for one in (unit, following[0]))


def _is_latin(unit: str) -> bool:
    return unit[0].isascii() and unit[0].isalpha()
