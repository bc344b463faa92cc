import sys

import pytest

from keras_gpt3.strict_yaml import strict_yaml

NEED = "A config must be read with PyYAML"


def load(text):
    yaml, loader = strict_yaml(NEED, "pretrain")
    return yaml.load(text, Loader=loader)


def test_a_key_that_stands_once_is_read():
    assert load("a: {b: 1}\nc: {b: 2}") == {"a": {"b": 1}, "c": {"b": 2}}


@pytest.mark.parametrize("text", ["a: 1\na: 2", "x: {b: 1, b: 1}"])
def test_a_key_that_stands_twice_is_an_error(text):
    yaml, _ = strict_yaml(NEED, "pretrain")
    with pytest.raises(yaml.YAMLError, match="the key '[ab]' stands twice"):
        load(text)


@pytest.mark.parametrize(
    "text, problem",
    [
        (
            "a: &a [x, x]\nb: [*a, *a]",
            "the alias [*]a; write out what it stands for",
        ),
        ("a: &a [*a]", "the alias [*]a; write out what it stands for"),
        ("? [a, b]\n: 1", "a list or a mapping stands as a key"),
        ("? {a: b}\n: 1", "a list or a mapping stands as a key"),
        ("a: " + 5000 * "[" + 5000 * "]", "more than 100 levels"),
        ("a: 2026-13-45", "'2026-13-45' looks like a date or a number"),
        ("a: " + 5000 * "1", "looks like a date or a number, and is none"),
    ],
)
def test_what_grows_or_cannot_be_held_is_an_error(text, problem):
    yaml, _ = strict_yaml(NEED, "pretrain")
    with pytest.raises(yaml.YAMLError, match=problem):
        load(text)


def test_without_pyyaml_the_need_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    strict_yaml.cache_clear()
    with pytest.raises(ImportError, match=f"^{NEED}. .*keras-gpt3.pretrain.'"):
        strict_yaml(NEED, "pretrain")
    strict_yaml.cache_clear()
