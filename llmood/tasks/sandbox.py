"""The sandbox that templates run in: text and nothing else, the same every time, in bounded memory and work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from llmood.tasks.row_errors import RowError

if TYPE_CHECKING:
    from jinja2 import Environment, nodes
    from jinja2.compiler import CodeGenerator

MAX_TEXT = 1_000_000  # characters of one cell, and of one prompt
MAX_STEPS = 100_000  # of all loops, calls of macros and lists that are made for one row

# A width of millions in one of these fills the memory, and `%` and `format` hide theirs in a text.
PADDING_METHODS = frozenset("center expandtabs format format_map ljust rjust zfill".split())
REFUSED_FILTERS = frozenset("format random".split())

_steps: ContextVar[list[int]] = ContextVar("steps")  # one number, of the row at hand


@contextmanager
def one_row() -> Iterator[None]:
    """Within the block a template may take `MAX_STEPS` steps."""
    token = _steps.set([0])
    try:
        yield
    finally:
        _steps.reset(token)


@cache
def sandbox(*, lenient: bool = False) -> Environment:
    """The environment that compiles templates and runs them, each row within `one_row`.

    Args:
        lenient: print numbers and null too, as Jinja alone does.
    """
    # Made on first use, as its classes are: `llmood ls` needs no Jinja.
    from jinja2 import StrictUndefined

    environment = _sandbox_class()(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=None if lenient else _only_text,
    )
    # A prompt is the same every time (no `random`, no `lipsum`), and no text doubles itself in a `namespace`.
    environment.globals = {"range": _range, "dict": dict}
    kept = {name: one for name, one in environment.filters.items() if name not in REFUSED_FILTERS}
    kept["replace"] = _replaced
    if lenient:
        kept["regex_replace"] = _regex_replaced
    environment.filters = {name: _with_small_numbers(one) for name, one in kept.items()}
    return environment


def _sandbox_class() -> type[Environment]:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        """Also stops `'x' * 10**9` and texts that double, which the bound on the output would see too late."""

        code_generator_class = _generator_class()
        concat = staticmethod(_joined)
        step = staticmethod(_step)
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

    return Sandbox


def _generator_class() -> type[CodeGenerator]:
    from jinja2 import nodes
    from jinja2.compiler import CodeGenerator, Frame, MacroRef

    class Generator(CodeGenerator):
        """Joins with `~` as blocks and macros do, and counts what is done again and again."""

        def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
            self.write("environment.concat(map(str, (")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write(")))")

        def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802
            node.body.insert(0, _counted(node))
            if node.test is not None:  # what it leaves out is looked at too
                node.test = nodes.And(_count_of(node), node.test, lineno=node.lineno)
            super().visit_For(node, frame)

        def macro_body(self, node: nodes.Macro | nodes.CallBlock, frame: Frame) -> tuple[Frame, MacroRef]:
            node.body.insert(0, _counted(node))
            return super().macro_body(node, frame)

    return Generator


def _count_of(node: nodes.Node) -> nodes.Call:
    from jinja2 import nodes

    step = nodes.EnvironmentAttribute("step", lineno=node.lineno)
    return nodes.Call(step, [], [], None, None, lineno=node.lineno)


def _counted(node: nodes.Node) -> nodes.ExprStmt:
    from jinja2 import nodes

    return nodes.ExprStmt(_count_of(node), lineno=node.lineno)


def _step(count: int = 1) -> bool:
    """Count work; true, so that it can stand in a condition."""
    from jinja2.exceptions import SecurityError

    taken = _steps.get()
    taken[0] += count
    if taken[0] > MAX_STEPS:
        raise SecurityError(f"over {MAX_STEPS} steps of loops and lists for one row")
    return True


def _range(*ends: int) -> range:
    """`range`, whose numbers are counted: a filter goes through them without a loop."""
    numbers = range(*ends)
    _step(len(numbers))
    return numbers


def refuse_long(length: int) -> None:
    """Refuse a row that makes more text than a prompt can have.

    Raises:
        RowError: it does.
    """
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
            refuse_long(len(left) + len(right))
            _step(0 if isinstance(left, str) else len(left) + len(right))
    else:
        sizes = [
            len(value) if isinstance(value, str | list | tuple) else abs(value) for value in (left, right)
        ]
        if operator == "**" or sizes[0] * sizes[1] > MAX_TEXT:
            raise SecurityError(f"'{operator}' with these values")
        if any(isinstance(value, list | tuple) for value in (left, right)):
            _step(sizes[0] * sizes[1])


def _joined(texts: Iterable[str]) -> str:
    pieces = list(texts)
    refuse_long(sum(map(len, pieces)))
    return "".join(pieces)


def _replaced(value: object, old: str, new: str, count: int | None = None) -> str:
    """`replace`, as a filter and as a method: with a long `new` it would fill the memory."""
    text, times = str(value), -1 if count is None else count
    found = text.count(old) if times < 0 else min(times, text.count(old))
    refuse_long(len(text) + found * len(new))
    return text.replace(old, new, times)


def _regex_replaced(value: object, pattern: str, repl: str, count: int = 0) -> str:
    """The one filter that the lm-evaluation-harness adds to Jinja's, stopped where its text grows too long."""
    length = 0

    def expanded(match: re.Match[str]) -> str:
        nonlocal length
        text = match.expand(repl)
        length += len(text)
        refuse_long(length)
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
