from __future__ import annotations

from typing import Any

import pytest

from llmood.errors import ConfigError
from llmood.tasks.prompt import Template
from llmood.tasks.row_errors import MissingColumnError, RowError
from llmood.tasks.sandbox import MAX_TEXT


def render(template: str, **row: Any) -> str:
    return Template(template, place="t.yaml: prompt").read(row)


def test_text_comes_through_to_the_letter() -> None:
    odd = "<b>&amp; {{ x }} 'q' \u2028 \U0001f600 e\u0301 \n"
    assert render("{{ text }}", text=odd) == odd


def test_a_trailing_newline_and_spaces_stay() -> None:
    assert render("Q: {{ text }}\nA: \n", text="a") == "Q: a\nA: \n"


def test_loops_conditions_and_optional_columns() -> None:
    template = "{% if context is defined %}{{ context }}\n{% endif %}"
    template += "{% for choice in choices %}{{ loop.index ~ choice }}{% endfor %}"
    assert render(template, choices=["a", "b"]) == "1a2b"
    assert render(template, choices=["a"], context="C") == "C\n1a"


def test_columns_are_those_of_the_row_alone() -> None:
    template = "{% set y = x %}{% for i in range(2) %}{{ y }}{{ z | upper }}{% endfor %}"
    assert Template(template, place="p").columns == {"x", "z"}


@pytest.mark.parametrize("value", [5, 1.5, None, True, ["a"], {"a": 1}])
def test_only_text_is_printed(value: Any) -> None:
    with pytest.raises(RowError, match="where text is needed"):
        render("Q: {{ text }}", text=value)
    if value is not None:
        assert render("{{ text | string }}", text=value) == str(value)


@pytest.mark.parametrize("blank", ["", "  ", "\n\t\u3000"])
def test_a_prompt_of_the_templates_own_words_alone_is_no_prompt(blank: str) -> None:
    with pytest.raises(RowError, match="no text: text is empty"):
        render("Question: {{ text }}", text=blank)
    assert render("{{ context }}{{ text }}", text="a", context=blank) == blank + "a"


def test_a_missing_column_is_the_rows_fault() -> None:
    with pytest.raises(MissingColumnError) as caught:
        render("{{ text }} {{ context }}", text="a")
    assert caught.value.column == "context"


@pytest.mark.parametrize(
    "template",
    ["{{ text.nothing }}", "{{ text[0:1]['x'] }}", "{{ text | int + text }}", "{{ 1 // 0 }}{{ text }}"],
)
def test_what_fails_on_a_row_is_that_rows_error(template: str) -> None:
    with pytest.raises(RowError, match="the template fails"):
        render(template, text="a")


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("a\n{{ text ", 2),
        ("{% for x in y %}", 1),
        ("\n\n{{ text | nosuchfilter }}", 3),
        ("{{ text | random }}", 1),
        ("{{ '%0300000000d' | format(1) }}", 1),
    ],
)
def test_a_wrong_template_names_file_key_and_line(template: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        render(template, text="a")
    assert str(caught.value).startswith(f"t.yaml: prompt: line {line} of the template: ")


@pytest.mark.parametrize(
    "template", ["{% include 'x' %}{{ text }}", "{% extends 'x' %}", "{% import 'x' as y %}{{ y }}"]
)
def test_no_other_files(template: str) -> None:
    with pytest.raises(ConfigError, match="can't include or import"):
        render(template, text="a")


@pytest.mark.parametrize(
    "template",
    [
        "{{ text.__class__ }}",
        "{{ text.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.format.__globals__ }}{{ text }}",
        "{{ text * 1000000000 }}",
        "{{ 'x' * 1000000000 }}{{ text }}",
        "{{ (9 ** 9 ** 9) | string }}{{ text }}",
        "{{ choices.append('x') }}{{ text }}",
        "{{ '%0300000000d' % 1 }}{{ text }}",
        "{{ '%*d' % (300000000, 1) }}{{ text }}",
        "{{ text | center(300000000) }}",
        "{{ text | center(width=300000000) }}",
        "{{ text | indent(300000000) }}",
        "{{ [text] | batch(300000000, 'x') | first | first }}",
        "{{ choices | map('center', 300000000) | first }}{{ text }}",
        "{{ text.center(300000000) }}",
        "{{ text['center'](300000000) }}",
        "{{ text.ljust(300000000) }}",
        "{{ text.rjust(300000000) }}",
        "{{ text.zfill(300000000) }}",
        "{{ text.expandtabs(300000000) }}",
        "{{ (text | attr('zfill'))(300000000) }}",
        "{{ '{:>300000000}'.format(text) }}",
        "{{ '{a:>300000000}'.format_map({'a': text}) }}",
    ],
)
def test_the_sandbox_holds(template: str) -> None:
    with pytest.raises(ConfigError, match="not allowed in a template"):
        render(template, text="a", choices=["b"])


RECURSIVE = "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(text) }}"


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in text %}" * 25 + "a" + "{% endfor %}" * 25,
        "{{ " + "(" * 3000 + "text" + ")" * 3000 + " }}",
        "{{ text ~ " + "1" * 5000 + " }}",
    ],
    ids=["blocks", "parentheses", "digits"],
)
def test_a_template_that_python_cannot_take_is_one_line(template: str) -> None:
    with pytest.raises(
        ConfigError, match=r"t\.yaml: prompt: the template is too large or too deeply"
    ) as caught:
        render(template, text="a")
    assert "\n" not in str(caught.value)


def test_wrong_arguments_of_a_filter_are_the_templates_fault() -> None:
    with pytest.raises(ConfigError, match=r"t\.yaml: prompt: the template fails: You can only sort by"):
        render("{{ row | dictsort(by='zz') | first | first }}{{ text }}", row={"a": 1}, text="a")


def test_a_macro_that_calls_itself_without_end() -> None:
    with pytest.raises(RowError, match="the template fails: maximum recursion depth"):
        render(RECURSIVE, text="a")


def test_memory_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Template("{{ text }}", place="t.yaml: prompt")

    def fill(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(made, "_bounded", fill)
    with pytest.raises(ConfigError, match=r"t\.yaml: prompt: the template fails: MemoryError"):
        made.read({"text": "a"})


@pytest.mark.parametrize(
    "template",
    [
        "{% set a = text %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
        "{% set a = text %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
        "{% set a = text %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60 + "{{ a }}",
        "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{{ " + "m(" * 60 + "text" + ")" * 60 + " }}",
        "{% set a = text * 1000 %}{{ a | replace('a', a) | replace('a', a) }}",
        "{% set a = text * 1000 %}{{ a.replace('a', a).replace('a', a) }}",
    ],
    ids=["tilde", "plus", "block", "macro", "filter", "method"],
)
def test_no_text_doubles_itself_without_end(template: str) -> None:
    with pytest.raises(RowError, match=f"over {MAX_TEXT} characters"):
        render(template, text="a")


def test_joining_and_replacing_of_ordinary_size_works() -> None:
    assert render("{{ text ~ 1 ~ none ~ [2] }}", text="a") == "a1None[2]"
    assert render("{{ text + 'b' }}{{ ([1] + [2]) | length | string }}", text="a") == "ab2"
    assert render("{{ text | replace('a', 'x', 1) }}{{ text.replace('a', 'y') }}", text="aaa") == "xaayyy"
    assert render("{{ text.replace('a', 'x', 2) }}{{ 12 | replace('1', 'y') }}", text="aaa") == "xxay2"


def test_output_and_ranges_are_bounded() -> None:
    with pytest.raises(RowError, match=f"over {MAX_TEXT} characters"):
        render(
            "{% for i in range(99) %}{% for j in range(99) %}{{ text }}{% endfor %}{% endfor %}",
            text="a" * 200,
        )
    with pytest.raises(ConfigError, match="over 100000 steps"):
        render("{% for i in range(1000000000) %}{{ text }}{% endfor %}", text="a")


def test_arithmetic_of_ordinary_size_works() -> None:
    assert render("{{ (2 * 3) | string }}{{ text * 2 }}", text="a") == "6aa"
    assert render("{{ (7 % 4) | string }}{{ text | center(3) }}", text="a") == "3 a "
    assert render("{{ time | string }}{{ text | indent(2) }}", time=10**12, text="a\nb") == f"{10**12}a\n  b"


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}{{ text }}",
        "{% for i in range(999) %}{% for j in text * 999 %}{% endfor %}{% endfor %}{{ text }}",
        "{% for i in range(999) %}{% for j in text * 999 if false %}{% endfor %}{% endfor %}{{ text }}",
        "{% for i in range(999) %}{% set a = range(999) | sum %}{% endfor %}{{ text }}",
        "{% for i in range(999) %}{% set a = [0] * 999 %}{% endfor %}{{ text }}",
        "{% for i in range(999) %}{% set a = [0] * 9 + [1] * 99 %}{% endfor %}{{ text }}",
        "{% for i in [[1] * 999] * 999 recursive %}{% if i is iterable %}{{ loop(i) }}{% endif %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(99) }}{{ text }}",
        "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
        + "{% call m() %}" * 17
        + "{% endcall %}" * 17
        + "{{ text }}",
    ],
    ids=["loops", "text", "condition", "range", "times", "plus", "recursive", "macro", "call"],
)
def test_work_is_bounded(template: str) -> None:
    made = Template(template, place="t.yaml: prompt")
    for _ in range(2):  # each row anew
        with pytest.raises(ConfigError) as caught:
            made.read({"text": "a"})
        assert str(caught.value) == (
            "t.yaml: prompt: not allowed in a template: over 100000 steps of loops and lists for one row"
        )


def test_loops_of_ordinary_size_work_for_any_number_of_rows() -> None:
    made = Template(
        "{% for c in text if c != 'b' %}{{ loop.index | string ~ c }}{% else %}none{% endfor %}", place="t"
    )
    long = "a" * 20_000
    for _ in range(6):  # 120,000 steps in all
        assert made.read({"text": "abc"}) == "1a2c"
        assert made.read({"text": long}).startswith("1a2a3a")
