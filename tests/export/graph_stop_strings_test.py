"""Stop strings inside a graph, against Python's `bytes.find`."""

import random
import re

import pytest
import tensorflow as tf

from keras_gpt3.export.graph_stop_strings import first_stop
from keras_gpt3.export.graph_stop_strings import stop_rows
from keras_gpt3.generation.stop_strings import check_stop_strings
from keras_gpt3.generation.stop_strings import cut_at_stop
from keras_gpt3.ops.graph_assertion import one_line_errors

FIRST = tf.function(
    first_stop,
    input_signature=[
        tf.TensorSpec([None], tf.string),
        tf.TensorSpec([None, None], tf.string),
    ],
    autograph=False,
)
ROWS = tf.function(
    lambda stop: stop_rows(stop, 2),
    input_signature=[tf.TensorSpec(None, tf.string)],
    autograph=False,
)


def places(texts, stop):
    stop = tf.constant(stop, tf.string, [len(texts), len(stop[0])])
    return FIRST(tf.constant(texts, tf.string), stop).numpy().tolist()


def slow_place(text, stop):
    kept, was_cut = cut_at_stop(text, tuple(s for s in stop if s))
    return len(kept) if was_cut else -1


@pytest.mark.parametrize("alphabet", [b"ab", b"a\0", "aé\u20ac".encode()])
def test_the_first_place_is_the_one_that_python_finds(alphabet):
    generator = random.Random(len(alphabet))

    def some(longest):
        length = generator.randint(0, longest)
        return bytes(generator.choices(alphabet, k=length))

    found = 0
    for number in (1, 3):
        for _ in range(40):
            texts = [some(20) for _ in range(4)]
            stop = [[some(5) for _ in range(number)] for _ in texts]
            expected = [
                slow_place(*row) for row in zip(texts, stop, strict=True)
            ]
            assert places(texts, stop) == expected
            found += sum(place > 0 for place in expected)
    assert found > 10


@pytest.mark.parametrize(
    ("texts", "stop"),
    [
        (["", "abc"], [["a"], ["abcd"]]),
        (["", ""], [["a"], ["b"]]),
        (["abc", "abc"], [["", ""], ["", ""]]),
        (["abc", "abc"], [[], []]),
        (["a", "a\0"], [["a\0"], ["\0\0"]]),
    ],
)
def test_nothing_is_found_where_there_is_nothing(texts, stop):
    assert places(texts, stop) == [-1, -1]


@pytest.mark.parametrize(
    ("stop", "rows"),
    [
        ("a", [[b"a"], [b"a"]]),
        (["a"], [[b"a"], [b"a"]]),
        (["a", "b", "c"], [[b"a", b"b", b"c"]] * 2),
        ([["a", ""]], [[b"a", b""]] * 2),
        ([["a", "b"], ["c", ""]], [[b"a", b"b"], [b"c", b""]]),
        ([], [[], []]),
        ([[]], [[], []]),
        ([[], []], [[], []]),
    ],
)
def test_stop_strings_become_a_row_for_each_text(stop, rows):
    assert ROWS(tf.constant(stop, tf.string)).numpy().tolist() == rows


@pytest.mark.parametrize("stop", ["", ["b", ""], [""], ["", "a b", "\n", ""]])
def test_an_empty_one_for_all_rows_is_refused_as_by_python(stop):
    with pytest.raises(ValueError) as error:
        check_stop_strings(stop)
    # A graph prints nothing for an empty string.
    message = re.sub(r"stop=(''|\[''\])", "stop=[]", str(error.value))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        with one_line_errors():
            ROWS(tf.constant(stop, tf.string))


@pytest.mark.parametrize(
    ("stop", "shape"), [([["a"]] * 3, "3, 1"), ([[["a"]]], "1, 1, 1")]
)
def test_rows_of_another_number_are_refused(stop, shape):
    message = (
        "stop must be one for all rows, or one for each. Received: shape="
        f"[{shape}]. Pass a single value, or as many as there are texts."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        with one_line_errors():
            ROWS(tf.constant(stop, tf.string))
