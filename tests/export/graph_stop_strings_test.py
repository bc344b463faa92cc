"""Stop strings inside a graph, against Python's `bytes.find`."""

import random
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export.graph_stop_strings import StoppingCriteria
from keras_gpt3.export.graph_stop_strings import first_stop
from keras_gpt3.export.graph_stop_strings import stop_rows
from keras_gpt3.generation.stop_strings import check_stop_strings
from keras_gpt3.generation.stop_strings import cut_at_stop
from keras_gpt3.ops.graph_assertion import one_line_errors

# === Graph stop strings ===


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


# === Stopping criteria ===


# Stopping criteria fed token by token, against the whole texts.


PIECES = [b"a", b"b", b"ab", b"", b"ba", "é".encode()[:1], "é".encode()[1:]]
PIECES.append(b"<end>")
SPECIAL = 7


class Spelling:
    """Stands in for the encoding: ids are places in `PIECES`."""

    def __init__(self):
        self.calls = 0

    def is_special(self, ids):
        return ids == SPECIAL

    def decode(self, ids):
        self.calls += 1
        return tf.constant(PIECES, tf.string)[ids[0, 0]][tf.newaxis]


def feed_answer(ids, stop, max_new_tokens=100, encoding=None):
    """Feeds one answer; the state when it has ended."""
    criteria = StoppingCriteria(
        encoding or Spelling(),
        tf.constant(stop, tf.string, [1, len(stop)]),
        tf.constant([max_new_tokens]),
    )
    state = criteria.initial_state()
    for id in ids:
        state, ends = criteria(state, tf.constant([id]), tf.constant([True]))
        if ends[0]:
            break
    return state


def test_a_stop_string_is_found_across_tokens():
    generator = np.random.default_rng(0)
    straddled = 0
    for _ in range(25):
        ids = generator.integers(7, size=8)
        stop = [b"".join(PIECES[i] for i in generator.integers(7, size=3))]
        stop += ["é".encode()]
        state = feed_answer(ids, stop)
        stop = tuple(s for s in stop if s)
        for number in range(1, len(ids) + 1):
            text = b"".join(PIECES[i] for i in ids[:number])
            kept, was_cut = cut_at_stop(text, stop)
            if was_cut:
                break
        assert state.num_tokens[0] == number
        assert state.cuts[0] == (len(kept) if was_cut else -1)
        straddled += was_cut and number > 2
    assert straddled > 5


def test_an_answer_ends_at_its_number_of_tokens():
    state = feed_answer([0] * 9, [b"b"], max_new_tokens=4)
    assert state.num_tokens[0] == 4 and state.cuts[0] == -1


def test_special_tokens_are_not_text():
    state = feed_answer([0, SPECIAL, 1, 0], [b"<end>", b"a<", b"ba"])
    assert state.num_tokens[0] == 4 and state.cuts[0] == 1


def test_no_token_is_decoded_where_there_is_no_stop_string():
    for stop, calls in (([], 0), ([b""], 0), ([b"b"], 9)):
        encoding = Spelling()
        feed_answer([0] * 9, stop, encoding=encoding)
        assert encoding.calls == calls


@pytest.mark.parametrize("is_answer", [True, False])
def test_tokens_of_prompts_do_not_count(is_answer):
    stop = tf.constant([["a"]])
    criteria = StoppingCriteria(Spelling(), stop, tf.constant([1]))
    # An id of a prompt may be one that the tokenizer does not know.
    chosen = tf.constant([0 if is_answer else 99])
    state, ends = criteria(
        criteria.initial_state(), chosen, tf.constant([is_answer])
    )
    assert ends.numpy().tolist() == [is_answer]
    assert state.num_tokens.numpy().tolist() == [int(is_answer)]
    assert state.cuts.numpy().tolist() == [0 if is_answer else -1]
