"""Templates over a row's columns: sandboxed Jinja that prints text and nothing else, the same every time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmood.errors import ConfigError
from llmood.tasks.row_errors import MissingColumnError, RowError
from llmood.tasks.sandbox import one_row, refuse_long, sandbox

if TYPE_CHECKING:
    from jinja2 import nodes


class Template:
    """One compiled template; `columns` are the row's columns that it uses, `own_words` what it says of any row.

    Args:
        source: the Jinja text. Undefined columns are errors, a trailing newline stays, nothing is escaped.
        place: the file and key it stands at, for messages.
        lenient: print numbers and null too, as Jinja alone does, and let blank columns be.

    Raises:
        ConfigError: it is no valid template, or asks for other files.
    """

    def __init__(self, source: str, *, place: str, lenient: bool = False) -> None:
        from jinja2 import TemplateSyntaxError, meta, nodes

        self._place = place
        self.own_words = ""
        self._lenient = lenient
        environment = sandbox(lenient=lenient)
        try:
            tree = environment.parse(source)
            self._template = environment.from_string(source)
            others = [
                tree.find(kind) for kind in (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
            ]
            self.columns = frozenset(meta.find_undeclared_variables(tree))
            self.own_words = _own_words(tree)
        except TemplateSyntaxError as error:
            raise ConfigError(f"{place}: line {error.lineno} of the template: {error.message}") from None
        except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
            # Python's own limits: blocks or brackets inside one another, a number of thousands of digits.
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ConfigError(f"{place}: the template is too large or too deeply nested: {reason}") from None
        if any(others):
            raise ConfigError(f"{place}: a template here can't include or import another")

    def read(self, row: Mapping[str, Any]) -> str:
        """The template's text for one row.

        Raises:
            RowError: the row lacks a column, has a wrong type in it, or gives too long a text.
            ConfigError: the template does what the sandbox forbids, or is wrong for every row.
        """
        from jinja2.exceptions import SecurityError, TemplateError, UndefinedError

        if not self._lenient:
            self.refuse_blank(row)
        try:
            return self._bounded(row)
        except SecurityError as error:
            raise ConfigError(f"{self._place}: not allowed in a template: {error}") from None
        except UndefinedError as error:
            missing = [name for name in sorted(self.columns) if name not in row and f"'{name}'" in str(error)]
            raise (
                MissingColumnError(missing[0]) if missing else RowError(f"the template fails: {error}")
            ) from None
        except (TemplateError, MemoryError) as error:
            # Wrong arguments of a filter. What fills the memory with one row is not tried with the next.
            reason = str(error) or type(error).__name__
            raise ConfigError(f"{self._place}: the template fails: {reason}") from None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            raise RowError(f"the template fails: {error}") from None

    def _bounded(self, row: Mapping[str, Any]) -> str:
        pieces: list[str] = []
        length = 0
        with one_row():
            for piece in self._template.generate({name: row[name] for name in self.columns if name in row}):
                pieces.append(piece)
                length += len(piece)
                refuse_long(length)
        return "".join(pieces)

    def refuse_blank(self, row: Mapping[str, Any]) -> None:
        """Refuse a row whose columns of text in this template are all blank."""
        # The template's own words alone say nothing of this row, and would be scored as if they did.
        texts = {name: row[name] for name in sorted(self.columns) if isinstance(row.get(name), str)}
        if texts and not any(text.strip() for text in texts.values()):
            raise RowError(f"no text: {', '.join(texts)} is empty")


def _own_words(tree: nodes.Template) -> str:
    """The text that stands in a template outside all blocks: what is within one depends on the row."""
    from jinja2 import nodes

    outputs = [node for node in tree.body if isinstance(node, nodes.Output)]
    pieces = [piece for node in outputs for piece in node.nodes if isinstance(piece, nodes.TemplateData)]
    return "".join(piece.data for piece in pieces)
