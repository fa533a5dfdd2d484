"""A figure as SVG that can stand inside a page: named, without metadata, in the page's colours and fonts."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from markupsafe import Markup

from llmood.clean import clean
from llmood.displays.base import Display
from llmood.displays.style import INK, LINES, MUTED, PAPER, RULE, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}href"

# The page gives these another value in the dark.
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    PAPER: "var(--paper)",
    **{colour: f"var(--line-{number})" for number, colour in enumerate(LINES, start=1)},
}
_COLOUR = re.compile("|".join(VARIABLES))
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_FAMILY = re.compile(r"font-family: [^;]*;? ?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inline_svg(display: Display, prefix: str) -> Markup:
    """Draw a display.

    Args:
        prefix: makes the ids that stay (clip paths, tick marks) unique in the page.
    """
    root = _render(display.plot())
    for parent in list(root.iter()):
        parent.tag = parent.tag.removeprefix(SVG)  # a page knows SVG without its namespace
        for child in list(parent):
            if child.tag in (SVG + "metadata", SVG + "style"):
                parent.remove(child)
    _rename_ids(root, prefix)
    for element in root.iter():
        _restyle(element)
    return _named(root, display.describe(), prefix)


def _render(figure: Figure) -> ET.Element:
    stream = io.StringIO()
    # Hashes of the content instead of random ids; text stays text.
    settings = {"svg.fonttype": "none", "svg.hashsalt": "llmood"}
    with styled(**settings), warnings.catch_warnings():
        # A name that the measuring font can't draw: the reader's browser will.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return ET.fromstring(stream.getvalue())  # noqa: S314 - matplotlib wrote it a line above


def _rename_ids(root: ET.Element, prefix: str) -> None:
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used |= set(_REFERENCE.findall(value))
            if name == XLINK:
                used.add(value.removeprefix("#"))
    short = {old: f"{prefix}-{number}" for number, old in enumerate(sorted(used))}
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id":
                del element.attrib[name]
                if value in short:
                    element.set(name, short[value])
            elif name == XLINK:
                del element.attrib[name]
                element.set("href", "#" + short[value.removeprefix("#")])
            elif "url(#" in value:
                element.set(name, _REFERENCE.sub(lambda match: f"url(#{short[match.group(1)]})", value))


def _restyle(element: ET.Element) -> None:
    style = element.get("style")
    if style is not None:
        style = _COLOUR.sub(lambda match: VARIABLES[match.group()], _FAMILY.sub("", style))
        element.set("style", style.strip())
    for name in ("d", "x", "y", "transform"):
        value = element.get(name)
        if value is not None:
            value = _NUMBER.sub(lambda match: f"{float(match.group()):.1f}".removesuffix(".0"), value)
            element.set(name, " ".join(value.split()))
    if not (element.text or "").strip():
        element.text = None
    if not (element.tail or "").strip():
        element.tail = None


def _named(root: ET.Element, words: str, prefix: str) -> Markup:
    width, height = root.get("viewBox", "0 0 1 1").split()[2:]
    title = ET.Element("title", {"id": f"{prefix}-title"})
    title.text = clean(words)
    root.insert(0, title)
    root.attrib.clear()
    root.attrib.update(
        {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-labelledby": f"{prefix}-title"}
    )
    # Serialised by ElementTree, which escapes.
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704
