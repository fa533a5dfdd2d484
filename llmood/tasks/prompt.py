"""Templates over a row's columns: sandboxed Jinja that prints text and nothing else, the same every time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from llmood.errors import ConfigError

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_TEXT = 1_000_000  # characters of one cell, and of one prompt

# A width of millions in one of these fills the memory, and `%` and `format` hide theirs in a text.
PADDING_METHODS = frozenset("center expandtabs format format_map ljust rjust zfill".split())
REFUSED_FILTERS = frozenset("format random".split())


class RowError(Exception):
    """Why one row can't be used; it becomes that row's `Reject`."""


class MissingColumnError(RowError):
    """The row lacks a column. Where every row does, the task's YAML is wrong rather than the row."""

    def __init__(self, column: str) -> None:
        super().__init__(f"no column '{column}'")
        self.column = column


class Template:
    """One compiled template; `columns` are the row's columns that it uses.

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
        self._lenient = lenient
        environment = _environment(lenient)
        try:
            tree = environment.parse(source)
            self._template = environment.from_string(source)
            others = [
                tree.find(kind) for kind in (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
            ]
            self.columns = frozenset(meta.find_undeclared_variables(tree))
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
        for piece in self._template.generate({name: row[name] for name in self.columns if name in row}):
            pieces.append(piece)
            length += len(piece)
            _refuse_long(length)
        return "".join(pieces)

    def refuse_blank(self, row: Mapping[str, Any]) -> None:
        """Refuse a row whose columns of text in this template are all blank."""
        # The template's own words alone say nothing of this row, and would be scored as if they did.
        texts = {name: row[name] for name in sorted(self.columns) if isinstance(row.get(name), str)}
        if texts and not any(text.strip() for text in texts.values()):
            raise RowError(f"no text: {', '.join(texts)} is empty")


@cache
def _environment(lenient: bool = False) -> Environment:
    # Made on first use: `llmood ls` needs no Jinja.
    from jinja2 import StrictUndefined, nodes
    from jinja2.compiler import CodeGenerator, Frame
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generator(CodeGenerator):
        """Joins with `~` as blocks and macros do."""

        def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
            self.write("environment.concat(map(str, (")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write(")))")

    class Sandbox(ImmutableSandboxedEnvironment):
        """Also stops `'x' * 10**9` and texts that double, which the bound on the output would see too late."""

        code_generator_class = Generator
        concat = staticmethod(_joined)
        intercepted_binops = frozenset(["+", "*", "**", "%"])

        def call(self, context: Any, function: Any, *args: Any, **keys: Any) -> Any:
            text = getattr(function, "__self__", None)
            if isinstance(text, str) and function.__name__ == "replace":
                return _replaced(text, *args, **keys)
            return super().call(context, function, *args, **keys)

        def wrap_str_format(self, value: Any) -> None:
            """None: `format` is a method as others are, and `is_safe_attribute` refuses it."""

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            padded = isinstance(obj, str) and attr in PADDING_METHODS
            return not padded and super().is_safe_attribute(obj, attr, value)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _refuse_large(operator, left, right)
            return super().call_binop(context, operator, left, right)

    environment = Sandbox(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=None if lenient else _only_text,
    )
    # A prompt is the same every time (no `random`, no `lipsum`), and no text doubles itself in a `namespace`.
    environment.globals = {"range": environment.globals["range"], "dict": dict}
    kept = {name: one for name, one in environment.filters.items() if name not in REFUSED_FILTERS}
    kept["replace"] = _replaced
    if lenient:
        kept["regex_replace"] = _regex_replaced
    environment.filters = {name: _with_small_numbers(one) for name, one in kept.items()}
    return environment


def _refuse_long(length: int) -> None:
    if length > MAX_TEXT:
        raise RowError(f"over {MAX_TEXT} characters of text")


def _refuse_large(operator: str, left: Any, right: Any) -> None:
    """Refuse what an operator would make too large, or hides its size."""
    from jinja2.exceptions import SecurityError

    if operator == "%":
        if isinstance(left, str):
            raise SecurityError("'%' on text (write '~' to join texts)")
    elif operator == "+":
        if isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
            _refuse_long(len(left) + len(right))
    else:
        sizes = [
            len(value) if isinstance(value, str | list | tuple) else abs(value) for value in (left, right)
        ]
        if operator == "**" or sizes[0] * sizes[1] > MAX_TEXT:
            raise SecurityError(f"'{operator}' with these values")


def _joined(texts: Iterable[str]) -> str:
    pieces = list(texts)
    _refuse_long(sum(map(len, pieces)))
    return "".join(pieces)


def _replaced(value: object, old: str, new: str, count: int | None = None) -> str:
    """`replace`, as a filter and as a method: with a long `new` it would fill the memory."""
    text, times = str(value), -1 if count is None else count
    found = text.count(old) if times < 0 else min(times, text.count(old))
    _refuse_long(len(text) + found * len(new))
    return text.replace(old, new, times)


def _regex_replaced(value: object, pattern: str, repl: str, count: int = 0) -> str:
    """The one filter that the lm-evaluation-harness adds to Jinja's, stopped where its text grows too long."""
    length = 0

    def expanded(match: re.Match[str]) -> str:
        nonlocal length
        text = match.expand(repl)
        length += len(text)
        _refuse_long(length)
        return text

    return re.sub(pattern, expanded, str(value), count=count)


def _with_small_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes no number for a width, indent or count that would fill the memory."""
    from jinja2.exceptions import SecurityError

    @wraps(function)  # with what Jinja notes on a filter
    def bounded(*args: Any, **keys: Any) -> Any:
        value = 1 if hasattr(function, "jinja_pass_arg") else 0  # where the filtered value stands
        for number in (*args[value + 1 :], *keys.values()):
            if isinstance(number, int) and abs(number) > MAX_TEXT:
                raise SecurityError(f"{number} in a filter")
        return function(*args, **keys)

    return bounded


def _only_text(value: Any) -> Any:
    """What Jinja prints: text only. A number or null in a text column is a broken row, never '5' or 'None'."""
    from jinja2 import Undefined

    if isinstance(value, str | Undefined):
        return value
    if value is None:
        raise RowError("no text: null where text is needed")
    shown = f"{repr(value)[:40]}, a {type(value).__name__}"
    raise RowError(f"wrong type: {shown}, where text is needed (a template may say '| string')")
