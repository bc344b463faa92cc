import re
import sys

import pytest

from keras_gpt3.evaluation.task_definitions import template as template_module
from keras_gpt3.evaluation.task_definitions.task_records import Record
from keras_gpt3.evaluation.task_definitions.template import render
from keras_gpt3.evaluation.task_definitions.template import template_names

RECORD = Record(
    {"word": "143", "count": 3, "items": ["a", "b"], "object": {"x": 1}},
    "file='a.jsonl', line=7",
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ word }}", "143"),
        ("{{ '143' }}", "143"),
        ("{{ word }}{{ word }}", "143143"),
        ("{{ count }}", 3),
        (" {{ count }}", " 3"),
        ("{{ count + 1 }}", 4),
        ("{{ items }}", ["a", "b"]),
        ("{{ ['x', word] }}", ["x", "143"]),
        ("{{ ['no', 'yes'] }}", ["no", "yes"]),
        ("{{ 3 }}", 3),
        ("{{ none }}", None),
        ("{{ object }}", {"x": 1}),
        ("{{ items | spaced }}", [" a", " b"]),
        ("{{ 'a [b] c' | regex_replace(' .b.', '') }}", "a c"),
        ("{% macro m(x) %}{{ x }}{% endmacro %}{{ [m(word)] }}", ["143"]),
        ("[1, 2]\n", "[1, 2]\n"),
        ("", ""),
    ],
)
def test_values_stay_what_they_are(template, expected):
    value = render(template, RECORD)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ question }}", "'question' is undefined"),
        ("a {{ question }}", "'question' is undefined"),
        ("{{ [question] }}", "'question' is undefined"),
        ("{{ object.y }}", "'dict object' has no attribute 'y'"),
        ("a {{ items }}", "a list stands within text"),
        ("a {{ none }}", "a NoneType stands within text"),
        ("{{ items.index('c') }}", "'c' is not in list"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ count.real() }}", "'int' object is not callable"),
        ("{{ word", "unexpected end of template, expected 'end of print stat"),
    ],
)
def test_what_fails_names_the_record(template, reason):
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        render(template, RECORD)
    message = str(caught.value)
    assert message.startswith(
        "A template must render with each record. Received: file='a.jsonl', "
        f"line=7 ({template!r}: "
    )
    assert message.endswith(" Correct the record or the template.")
    assert "\n" not in message


def test_a_record_without_a_place_is_shown_in_short():
    with pytest.raises(ValueError, match=r"record=\{'a': 'x{53}\.\.\. \("):
        render("{{ b }}", {"a": "x" * 1000})


@pytest.mark.parametrize(
    "template",
    [
        "{{ word.__class__.__mro__ }}",
        "{{ items.append('c') }}",
        "{{ object.update(x=2) }}",
    ],
)
def test_templates_run_in_a_sandbox(template):
    with pytest.raises(ValueError, match="unsafe|not safely callable"):
        render(template, RECORD)
    assert RECORD["items"] == ["a", "b"]


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ 'a' * 10000000 }}", "over 1,000,000 characters"),
        ("{{ 9 ** (9 ** 9) }}", "over 1,000,000 characters"),
        ("{{ '%9999999d' % 1 }}", "over 1,000,000 characters"),
        (
            "{% for i in range(10000) %}{{ 'abcdefgh' * 100 }}{% endfor %}",
            "over 1,000,000 characters",
        ),
        (
            "{% for i in range(9999) %}{% for j in range(9999) %}"
            "{% set x = j %}{% endfor %}{% endfor %}",
            "over 1,000,000 steps",
        ),
        (
            "{% macro a(n) %}{% if n %}{{ a(n - 1) ~ a(n - 1) }}{% endif %}"
            "{% endmacro %}{{ a(50) }}",
            "over 1,000,000 steps",
        ),
    ],
)
@pytest.mark.quick_cases(2)
def test_what_takes_too_long_or_gives_too_much_is_refused(template, reason):
    with pytest.raises(ValueError, match=reason):
        render(template, {})


def test_names_are_those_of_fields_alone():
    template = (
        "{% set x = a %}{% for i in range(b) %}{{ c[i].d ~ x }}{% endfor %}"
    )
    assert template_names(template) == {"a", "b", "c"}


@pytest.mark.parametrize("template", ["{{ a", "{{ a | no_filter }}", "{% x %}"])
def test_names_of_a_damaged_template_are_an_error(template):
    with pytest.raises(ValueError, match="."):
        template_names(template)


def test_without_jinja_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    template_module._jinja.cache_clear()
    try:
        with pytest.raises(ImportError, match=r"pip install 'keras-gpt3\[eval"):
            render("a", {})
    finally:
        template_module._jinja.cache_clear()
