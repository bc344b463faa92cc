"""Stopping criteria fed token by token, against the whole texts."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export.graph_stop_strings import StoppingCriteria
from keras_gpt3.generation.stop_strings import cut_at_stop

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
