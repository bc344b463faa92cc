import re

import pytest

from keras_gpt3.generation.stop_strings import check_stop_strings
from keras_gpt3.generation.stop_strings import cut_at_stop
from keras_gpt3.generation.stop_strings import held_back


@pytest.mark.parametrize(
    ("stop", "strings"),
    [
        (None, ()),
        ([], ()),
        ("\n", ("\n",)),
        (["a", "bc"], ("a", "bc")),
        (("a",), ("a",)),
    ],
)
def test_stop_strings_become_a_tuple(stop, strings):
    assert check_stop_strings(stop) == strings


@pytest.mark.parametrize(
    ("stop", "printed"),
    [
        ("", "''"),
        ([""], "['']"),
        (["a", ""], "[a, ]"),
        (("\n", ""), r"[\n, ]"),
        ([1], "[1]"),
        (7, "7"),
        ({"a": 1}, "{'a': 1}"),
        (b"a", "b'a'"),
    ],
)
def test_anything_else_raises(stop, printed):
    message = (
        "stop must be a string or a list of strings, none of them empty. "
        f"Received: stop={printed}. Leave it out to stop at the end of text "
        "only."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_stop_strings(stop)


@pytest.mark.parametrize(
    ("text", "stop", "cut"),
    [
        ("one two", ("three",), ("one two", False)),
        ("one two", ("two", "one"), ("", True)),
        ("one two", ("e t", "wo"), ("on", True)),
        (b"one two", (b"two",), (b"one ", True)),
        ("one", (), ("one", False)),
    ],
)
def test_a_text_is_cut_where_the_first_stop_string_begins(text, stop, cut):
    assert cut_at_stop(text, stop) == cut


@pytest.mark.parametrize(
    ("text", "stop", "length"),
    [
        ("abc", ("cd",), 1),
        ("abc", ("bcd", "cd"), 2),
        ("abc", ("abcd",), 3),
        ("c", ("abcd", "cdc"), 1),
        ("aab", ("aabaac",), 3),
        ("abc", ("x",), 0),
        ("", ("x",), 0),
        ("abc", (), 0),
        (b"abc", (b"cd",), 1),
    ],
)
def test_an_end_that_may_begin_a_stop_string_is_held_back(text, stop, length):
    assert held_back(text, stop) == length
